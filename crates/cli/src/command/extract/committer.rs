//! Makes measured units done, many in one commit.
//!
//! A lease is given back when its unit is done, so that others find the unit done as soon as they find it
//! free. Any process that has a result may commit it: the table decides who was first.

use std::time::Duration;

use futures::future::BoxFuture;
use swath_extract::table::{CommitReport, ExtractTable, UnitResult};
use swath_extract::{ExtractError, Stage, StageMeter, UnitOutcome};
use swath_jobs::Lease;
use tokio::time::Instant;

/// Most units of one commit.
const BATCH_UNITS: usize = 32;
/// Longest time that a result waits for others to be committed with.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A measured unit that is not done yet.
#[derive(Debug)]
pub struct Pending {
    /// Its task.
    pub task: u32,
    /// What was measured.
    pub outcome: Box<UnitOutcome>,
    /// The lease on it, where this process has it.
    pub lease: Option<Lease>,
}

/// What came of a commit.
#[derive(Debug)]
pub struct Committed {
    /// Which units became done by it.
    pub report: CommitReport,
    /// The units.
    pub units: Vec<Pending>,
}

type Commit<'a> = BoxFuture<'a, (Result<CommitReport, ExtractError>, Vec<Pending>)>;

/// Gathers results and commits them.
pub struct Committer<'a> {
    table: &'a ExtractTable,
    meter: &'a StageMeter,
    waiting: Vec<Pending>,
    due: Instant,
    wait_max: Duration,
    running: Option<Commit<'a>>,
}

impl<'a> Committer<'a> {
    /// Returns a committer that has nothing to do; leases last for `lease_time`, `meter` sums what it takes.
    pub fn new(table: &'a ExtractTable, lease_time: Duration, meter: &'a StageMeter) -> Self {
        Self {
            table,
            meter,
            waiting: Vec::new(),
            due: Instant::now(),
            // A lease that is over before its unit is done means work done twice.
            wait_max: WAIT_MAX.min(lease_time / 4),
            running: None,
        }
    }

    /// Adds a unit.
    pub fn push(&mut self, unit: Pending) {
        if self.waiting.is_empty() {
            self.due = Instant::now() + self.wait_max;
        }
        self.waiting.push(unit);
    }

    /// True where nothing waits and nothing runs.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_none()
    }

    /// Waits for the next commit to be over; without `is_last` it begins when there are enough units, or
    /// have waited long enough. Safe to drop: a commit that has begun goes on with the next call.
    ///
    /// # Errors
    /// A table that cannot be committed to; what was measured is found by the next run.
    pub async fn next(&mut self, is_last: bool) -> Result<Committed, ExtractError> {
        if self.running.is_none() {
            if self.waiting.is_empty() {
                return std::future::pending().await;
            }
            if !is_last && self.waiting.len() < BATCH_UNITS {
                tokio::time::sleep_until(self.due).await;
            }
            let rest = self.waiting.split_off(self.waiting.len().min(BATCH_UNITS));
            let units = std::mem::replace(&mut self.waiting, rest);
            let (table, meter) = (self.table, self.meter);
            self.running = Some(Box::pin(async move {
                let results: Vec<UnitResult> = units
                    .iter()
                    .map(|unit| unit.outcome.result.clone())
                    .collect();
                let committing = table.commit(&results);
                (meter.watch(Stage::Write, committing).await, units)
            }));
        }
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        let (report, units) = running.await;
        self.running = None;
        let report = report?;
        Ok(Committed { report, units })
    }
}
