//! The mark that a job is cancelled: no task of it begins, and those that run are stopped.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::store::{now, to_json};
use crate::{JobError, JobId, JobStore};

/// Largest mark, in bytes.
const MARK_BYTES_MAX: u64 = 4 << 10;

#[derive(Debug, Serialize, Deserialize)]
struct CancelMark {
    cancelled: DateTime<Utc>,
    by: Option<String>,
}

fn key(id: &JobId) -> String {
    format!("{id}/cancelled.json")
}

impl JobStore {
    /// Cancels a job: its tasks see it before they begin and with every heartbeat.
    ///
    /// # Errors
    /// Where there is no such job; a store that fails.
    pub async fn cancel(&self, id: &JobId, by: Option<&str>) -> Result<(), JobError> {
        self.plan(id).await?;
        let mark = CancelMark {
            cancelled: now(),
            by: by.map(str::to_owned),
        };
        let bytes = to_json(&mark, "the mark", MARK_BYTES_MAX)?;
        Ok(self.writer.put(&key(id), bytes).await?)
    }

    /// Takes a cancellation back: the job may be run again.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn resume(&self, id: &JobId) -> Result<(), JobError> {
        Ok(self.writer.delete(&key(id)).await?)
    }

    /// True for a cancelled job.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn is_cancelled(&self, id: &JobId) -> Result<bool, JobError> {
        Ok(self.writer.size(&key(id)).await?.is_some())
    }
}
