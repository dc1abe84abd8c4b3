//! How often a number is tried for, and how long one waits between.

use std::time::Duration;

use super::log::TableLog;
use crate::ExtractError;

/// Numbers that others may take before a commit gives up.
const ATTEMPTS_MAX: u32 = 100;
/// Longest wait before the second attempt, in milliseconds; doubled for each further one.
const BACKOFF_FIRST_MS: u64 = 10;
/// Doublings of the wait.
const DOUBLINGS_MAX: u32 = 7;

/// Counts attempts.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    made: u32,
}

impl Attempts {
    /// Begins an attempt; all but the first wait for a random time.
    ///
    /// # Errors
    /// [`ExtractError::Contended`] after [`ATTEMPTS_MAX`].
    pub(super) async fn begin(&mut self, log: &TableLog) -> Result<(), ExtractError> {
        if self.made == ATTEMPTS_MAX {
            return Err(ExtractError::Contended {
                href: log.writer.href("").trim_end_matches('/').to_owned(),
                attempts: ATTEMPTS_MAX,
            });
        }
        if self.made > 0 {
            let longest_ms = BACKOFF_FIRST_MS << (self.made - 1).min(DOUBLINGS_MAX);
            // Without random numbers all wait the same time, which is slower and no error.
            let random = getrandom::u64().unwrap_or(longest_ms / 2);
            tokio::time::sleep(Duration::from_millis(random % longest_ms)).await;
        }
        self.made += 1;
        Ok(())
    }
}
