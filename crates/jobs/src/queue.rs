//! The tasks of a plan that are still to be done, so many at once.
//!
//! An attempt is a future: made in this process, or in a worker of it. A task that fails is tried again, at
//! most so often, after a wait that doubles; one that somebody else works on is looked at again when that
//! lease should be over, and now and then before. Dropping the queue drops the attempts.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::store::now;
use crate::{JobError, Lease, LeaseRecord, Outcome, TaskResult};

/// Longest time between two looks at a task that somebody else works on.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(5);
/// Shortest such time.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(20);

/// How often a task is tried by one queue, and what it waits between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryRule {
    /// Attempts on one task. Default 3.
    pub attempts_max: u32,
    /// Wait before the second attempt; doubled for each further one. Default 1 s.
    pub wait_first: Duration,
}

impl Default for RetryRule {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            wait_first: Duration::from_secs(1),
        }
    }
}

impl RetryRule {
    /// Returns the wait after the given number of attempts, at most a minute.
    pub fn wait_after(&self, attempts: u32) -> Duration {
        let doubled = self
            .wait_first
            .saturating_mul(1 << attempts.saturating_sub(1).min(16));
        doubled.min(Duration::from_secs(60))
    }
}

/// How one attempt ended.
#[derive(Debug)]
pub enum TaskEnd {
    /// There is a result: of this attempt, with its lease, or of an earlier one.
    Result(Box<TaskResult>, Option<Lease>),
    /// Somebody else works on it.
    Held(LeaseRecord),
    /// The lease was lost while the work went on: somebody else does it, this work is thrown away.
    Lost,
    /// The worker ended without a result.
    Crashed {
        /// What it said last.
        reason: String,
    },
}

/// A task that is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskTrouble {
    /// Its number.
    pub task: u32,
    /// What the last attempt said.
    pub reason: String,
    /// True where its own data are at fault.
    pub is_final: bool,
}

/// What a queue has to tell.
#[derive(Debug)]
pub enum TaskEvent {
    /// A task is done.
    Done(Box<TaskResult>, Option<Lease>),
    /// A task failed as often as it may.
    Failed(TaskTrouble),
    /// Somebody else works on this task; it stays in the queue unless it is left out.
    Held(u32),
}

/// One attempt: the task, which attempt of this queue it is, how it ended.
type Attempt<'a> = Pin<Box<dyn Future<Output = (Waiting, Result<TaskEnd, JobError>)> + Send + 'a>>;

/// Tasks to be done, and attempts under way.
pub struct TaskQueue<'a> {
    waiting: VecDeque<Waiting>,
    running: FuturesUnordered<Attempt<'a>>,
    at_once: usize,
    retry: RetryRule,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    task: u32,
    attempt: u32,
    not_before: Instant,
}

impl std::fmt::Debug for TaskQueue<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = (self.waiting.len(), self.running.len());
        write!(formatter, "TaskQueue{counts:?}")
    }
}

impl<'a> TaskQueue<'a> {
    /// Returns a queue of tasks that begin in this order, `at_once` of them at once (at least 1).
    pub fn new(tasks: impl IntoIterator<Item = u32>, at_once: usize, retry: RetryRule) -> Self {
        let not_before = Instant::now();
        let waiting = tasks.into_iter().map(|task| Waiting {
            task,
            attempt: 1,
            not_before,
        });
        Self {
            waiting: waiting.collect(),
            running: FuturesUnordered::new(),
            at_once: at_once.max(1),
            retry,
        }
    }

    /// Leaves out a task that waits.
    pub fn leave_out(&mut self, task: u32) {
        self.waiting.retain(|waiting| waiting.task != task);
    }

    /// Starts what can be started with `start` (task, attempt), and returns what happens next; `None` when
    /// nothing is left. Safe to drop: attempts go on with the next call.
    ///
    /// # Errors
    /// [`JobError::Cancelled`]. What else goes wrong with an attempt is an event.
    pub async fn next<F>(
        &mut self,
        start: impl Fn(u32, u32) -> F,
    ) -> Result<Option<TaskEvent>, JobError>
    where
        F: Future<Output = Result<TaskEnd, JobError>> + Send + 'a,
    {
        loop {
            self.fill(&start);
            if self.running.is_empty() && self.waiting.is_empty() {
                return Ok(None);
            }
            let has_room = self.running.len() < self.at_once;
            let due = self.waiting.iter().map(|waiting| waiting.not_before).min();
            let due = due.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                Some((waiting, end)) = self.running.next(), if !self.running.is_empty() => {
                    if let Some(event) = self.settle(waiting, end)? {
                        return Ok(Some(event));
                    }
                }
                () = tokio::time::sleep_until(due), if has_room && !self.waiting.is_empty() => {}
            }
        }
    }

    fn fill<F>(&mut self, start: &impl Fn(u32, u32) -> F)
    where
        F: Future<Output = Result<TaskEnd, JobError>> + Send + 'a,
    {
        while self.running.len() < self.at_once {
            let is_due = |next: &Waiting| next.not_before <= Instant::now();
            let Some(at) = self.waiting.iter().position(is_due) else {
                return;
            };
            let next = self.waiting.remove(at).expect("its position was found");
            let attempt = start(next.task, next.attempt);
            self.running
                .push(Box::pin(async move { (next, attempt.await) }));
        }
    }

    fn settle(
        &mut self,
        was: Waiting,
        end: Result<TaskEnd, JobError>,
    ) -> Result<Option<TaskEvent>, JobError> {
        let (reason, is_final) = match end {
            Ok(TaskEnd::Result(result, lease)) => match result.outcome {
                Outcome::Done { .. } => return Ok(Some(TaskEvent::Done(result, lease))),
                Outcome::Failed { reason, is_final } => (reason, is_final),
            },
            Ok(TaskEnd::Held(lease)) => {
                self.wait_for(was, lease.expires - now());
                return Ok(Some(TaskEvent::Held(was.task)));
            }
            Ok(TaskEnd::Lost) => {
                self.wait_for(was, chrono::TimeDelta::zero());
                return Ok(Some(TaskEvent::Held(was.task)));
            }
            Ok(TaskEnd::Crashed { reason }) => (reason, false),
            Err(error @ JobError::Cancelled { .. }) => return Err(error),
            Err(error) => (error.to_string(), false),
        };
        if is_final || was.attempt >= self.retry.attempts_max {
            return Ok(Some(TaskEvent::Failed(TaskTrouble {
                task: was.task,
                reason,
                is_final,
            })));
        }
        tracing::debug!(was.task, was.attempt, reason, "a task is tried again");
        self.waiting.push_back(Waiting {
            task: was.task,
            attempt: was.attempt + 1,
            not_before: Instant::now() + self.retry.wait_after(was.attempt),
        });
        Ok(None)
    }

    /// Looks at a task again when the lease of somebody else should be over, or before.
    fn wait_for(&mut self, was: Waiting, left: chrono::TimeDelta) {
        let left = left.to_std().unwrap_or_default();
        let wait = left.clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX);
        self.waiting.push_back(Waiting {
            not_before: Instant::now() + wait,
            ..was
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let rule = RetryRule::default();
        assert_eq!(rule.wait_after(1), Duration::from_secs(1));
        assert_eq!(rule.wait_after(3), Duration::from_secs(4));
        assert_eq!(rule.wait_after(40), Duration::from_secs(60));
    }
}
