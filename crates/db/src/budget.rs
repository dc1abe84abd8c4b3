//! What several queries may take together: one request's worth of work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::QUERY_TIME_MAX;

/// Time that the queries of one budget take together.
///
/// SQLite works in this process: there it is time of the processor, so that queries that wait for
/// each other do not pay for it. PostgreSQL works elsewhere: there it is time until the answer.
#[derive(Debug, Clone)]
pub(crate) struct QueryBudget {
    time_max: Duration,
    spent_us: Arc<AtomicU64>,
}

impl QueryBudget {
    pub(crate) fn new(time_max: Duration) -> Self {
        Self {
            time_max,
            spent_us: Arc::default(),
        }
    }

    pub(crate) fn time_max(&self) -> Duration {
        self.time_max
    }

    /// Takes some time off; false where nothing is left.
    pub(crate) fn spend(&self, time: Duration) -> bool {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        // Two that add at once both do; saturation does not matter within the life of a request.
        self.spent_us.fetch_add(us, Ordering::Relaxed);
        !self.left().is_zero()
    }

    /// Returns what is left.
    pub(crate) fn left(&self) -> Duration {
        let spent = Duration::from_micros(self.spent_us.load(Ordering::Relaxed));
        self.time_max.saturating_sub(spent)
    }
}

/// Decides while a query of SQLite runs whether it goes on.
#[derive(Debug)]
pub(crate) struct Watch {
    end: Instant,
    budget: Option<QueryBudget>,
    /// Time of the thread's processor at the last look.
    before: Option<Duration>,
}

impl Watch {
    pub(crate) fn new(budget: Option<QueryBudget>) -> Self {
        Self {
            end: Instant::now() + QUERY_TIME_MAX,
            budget,
            before: None,
        }
    }

    /// True where the query goes on. All looks at one query come from the thread that runs it.
    pub(crate) fn look(&mut self) -> bool {
        if let Some(budget) = &self.budget {
            let now = thread_time();
            let spent = now.saturating_sub(self.before.unwrap_or(now));
            self.before = Some(now);
            if !budget.spend(spent) {
                return false;
            }
        }
        Instant::now() < self.end
    }
}

/// Returns how long the processor has worked for this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_spend_the_same_time() {
        let budget = QueryBudget::new(Duration::from_millis(10));
        let copy = budget.clone();
        assert!(budget.spend(Duration::from_millis(4)));
        assert!(copy.spend(Duration::from_millis(4)));
        assert_eq!(budget.left(), Duration::from_millis(2));
        assert!(!budget.spend(Duration::from_millis(4)));
        assert_eq!(copy.left(), Duration::ZERO);
    }

    #[test]
    fn work_ends_a_query_and_waiting_does_not() {
        let mut watch = Watch::new(Some(QueryBudget::new(Duration::from_millis(20))));
        let is_ended = (0_u64..u64::from(u32::MAX)).any(|_| !watch.look());
        assert!(is_ended, "looking is work");
        let mut without = Watch::new(None);
        assert!(without.look());
    }
}
