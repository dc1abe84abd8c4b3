//! Turns of work that needs memory for many parcels.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Lets large work take turns: a scan whose coverage is too large for memory, which keeps that of the parcels under way
/// and has work for all threads, and the merge of a unit whose rows are, on one thread.
#[derive(Debug)]
pub(crate) struct LargeWork {
    scans: Semaphore,
    /// Scans and merges together.
    all: Semaphore,
}

/// Ends a turn when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    _scan: Option<SemaphorePermit<'a>>,
    _all: Option<SemaphorePermit<'a>>,
}

impl LargeWork {
    /// Returns the turns for a number of compute threads: half as many at once, one of them a scan.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            scans: Semaphore::new(1),
            all: Semaphore::new((threads / 2).max(1)),
        }
    }

    /// Waits for the turn of a scan.
    pub(crate) async fn scan(&self) -> Turn<'_> {
        // Neither is ever closed: there is always a permit in the end.
        Turn {
            _scan: self.scans.acquire().await.ok(),
            _all: self.all.acquire().await.ok(),
        }
    }

    /// Waits for the turn of a merge.
    pub(crate) async fn merge(&self) -> Turn<'_> {
        Turn {
            _scan: None,
            _all: self.all.acquire().await.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn two_threads_do_one_at_a_time_and_more_merge_beside_a_scan() {
        let few = LargeWork::new(2);
        let scan = few.scan().await;
        assert!(few.scan().now_or_never().is_none() && few.merge().now_or_never().is_none());
        drop(scan);
        let merge = few.merge().await;
        assert!(few.scan().now_or_never().is_none() && few.merge().now_or_never().is_none());
        drop(merge);
        assert!(few.scan().now_or_never().is_some());

        let many = LargeWork::new(6);
        let _scan = many.scan().await;
        assert!(many.scan().now_or_never().is_none());
        let _merges = (many.merge().await, many.merge().await);
        assert!(many.merge().now_or_never().is_none());
    }
}
