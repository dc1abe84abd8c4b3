//! What can go wrong with a catalogue.

use swath_db::DbError;
use thiserror::Error;

/// Situations of the catalogue.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// A search, item or collection that makes no sense.
    #[error("{reason}")]
    Invalid {
        /// What and where.
        reason: String,
    },
    /// Not there, or not for this viewer.
    #[error("{what} not found")]
    NotFound {
        /// Kind and id.
        what: String,
    },
    /// The viewer may see but not change it.
    #[error("{what} may not be changed by this user")]
    Denied {
        /// Kind and id.
        what: String,
    },
    /// Already there.
    #[error("{what} exists already")]
    Conflict {
        /// Kind and id.
        what: String,
    },
    /// Changed since it was read (`If-Match`).
    #[error("{what} was changed meanwhile")]
    Changed {
        /// Kind and id.
        what: String,
    },
    /// A collection that still holds items.
    #[error("{what} still holds items; remove them first")]
    NotEmpty {
        /// Kind and id.
        what: String,
    },
    /// Beyond a limit.
    #[error("{reason}")]
    Limit {
        /// Which, with its value.
        reason: String,
    },
    /// The database does not answer, is locked, full, read-only or newer: the message says which.
    #[error("the catalogue {reason}")]
    Unavailable {
        /// Which database, and what is wrong with it.
        reason: String,
    },
    /// The database does not answer or fails.
    #[error("the catalogue {place} failed: {reason}")]
    Database {
        /// Its name, without credentials.
        place: String,
        /// What the database said.
        reason: String,
    },
}

impl From<DbError> for CatalogError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Value { reason, .. } => Self::Invalid { reason },
            DbError::Slow { time_max, .. } => Self::Limit {
                reason: format!(
                    "the search takes more than {} s of work and was stopped: narrow it by collection, \
                     place or time, or ask with a plainer filter",
                    time_max.as_secs_f64()
                ),
            },
            DbError::Url { .. } => Self::Invalid {
                reason: error.to_string(),
            },
            other => Self::Unavailable {
                reason: other.to_string(),
            },
        }
    }
}

/// Kinds of errors, for exit codes and HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Ask differently.
    Invalid,
    /// Not there.
    NotFound,
    /// Not allowed.
    Denied,
    /// Already there.
    Conflict,
    /// Precondition failed.
    Changed,
    /// Too much.
    Limit,
    /// The database.
    Upstream,
}

impl CatalogError {
    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Denied { .. } => ErrorKind::Denied,
            Self::Conflict { .. } | Self::NotEmpty { .. } => ErrorKind::Conflict,
            Self::Changed { .. } => ErrorKind::Changed,
            Self::Limit { .. } => ErrorKind::Limit,
            Self::Database { .. } | Self::Unavailable { .. } => ErrorKind::Upstream,
        }
    }
}
