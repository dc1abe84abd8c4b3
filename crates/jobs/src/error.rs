//! What can go wrong with a job.

use swath_db::DbError;
use swath_io::IoError;
use thiserror::Error;

/// Kinds of errors, for exit codes and HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A plan or id that makes no sense.
    Invalid,
    /// Not there.
    NotFound,
    /// Somebody else has it, or it was cancelled.
    Conflict,
    /// A store, a database or a process of the system failed.
    Upstream,
    /// Beyond a limit.
    Limit,
}

/// Situations of jobs.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JobError {
    /// A plan, id or key that makes no sense.
    #[error("{what}: {reason}")]
    Invalid {
        /// Job, task or object.
        what: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Not there.
    #[error("{what} not found")]
    NotFound {
        /// Kind and id.
        what: String,
    },
    /// A plan larger than what is kept.
    #[error("{what}: {reason}")]
    Limit {
        /// Job or task.
        what: String,
        /// Which limit, with its value.
        reason: String,
    },
    /// The job was cancelled.
    #[error("job {job} was cancelled")]
    Cancelled {
        /// Which.
        job: String,
    },
    /// The store of jobs failed.
    #[error("the store of jobs: {0}")]
    Store(Box<IoError>),
    /// The database failed.
    #[error("the records of jobs: {0}")]
    Database(Box<DbError>),
    /// A worker process cannot be started or watched.
    #[error("worker {program}: {reason}")]
    Process {
        /// What was started.
        program: String,
        /// The system's word.
        reason: String,
    },
}

impl From<IoError> for JobError {
    fn from(error: IoError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<DbError> for JobError {
    fn from(error: DbError) -> Self {
        Self::Database(Box::new(error))
    }
}

impl JobError {
    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Limit { .. } => ErrorKind::Limit,
            Self::Cancelled { .. } => ErrorKind::Conflict,
            Self::Store(error) => match error.kind() {
                swath_io::ErrorKind::Invalid => ErrorKind::Invalid,
                swath_io::ErrorKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::Upstream,
            },
            Self::Database(_) | Self::Process { .. } => ErrorKind::Upstream,
        }
    }
}
