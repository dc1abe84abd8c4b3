//! One attempt on one task, whoever makes it: lease, work, result.
//!
//! 1. A task that has a result is done.
//! 2. Its lease is taken; somebody else may have it.
//! 3. The work runs beside a heartbeat, which also sees that the job was cancelled.
//! 4. Where the lease is still ours, the result is written.
//!
//! Dropped at any point, the attempt leaves a lease that expires, and no result.

use std::future::Future;

use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::store::now;
use crate::{Claim, JobError, JobId, JobStore, Lease, Outcome, TaskEnd, TaskResult, TaskSpec};

/// Why a task could not do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFailure {
    /// Why, and what to do.
    pub reason: String,
    /// True where its own data are at fault: trying again at once is of no use.
    pub is_final: bool,
}

/// What ended first: the work, or the right to do it.
enum Race {
    Work(Result<Value, TaskFailure>),
    Lost,
    Cancelled,
}

impl JobStore {
    /// Makes one attempt on a task: `work` is given a word that no other attempt has ([`Lease::token`]).
    ///
    /// A result that says failed is no hindrance: the task is tried again. The lease of a task that was
    /// done comes back unreleased, so that whoever needs the result can use it before others find the
    /// task undone. `work` is dropped where the lease is lost or the job is cancelled.
    ///
    /// # Errors
    /// [`JobError::Cancelled`]; a store of jobs that fails.
    pub async fn run_task<W, F>(
        &self,
        job: &JobId,
        task: &TaskSpec,
        work: W,
    ) -> Result<TaskEnd, JobError>
    where
        W: FnOnce(String) -> F,
        F: Future<Output = Result<Value, TaskFailure>>,
    {
        if let Some(known) = self.done_before(job, task).await? {
            return Ok(TaskEnd::Result(Box::new(known), None));
        }
        self.refuse_cancelled(job).await?;
        let mut lease = match self.claim(&task.key).await? {
            Claim::Taken(lease) => lease,
            Claim::Held(record) => return Ok(TaskEnd::Held(record)),
        };
        // Whoever had the lease before may have ended meanwhile.
        if let Some(known) = self.done_before(job, task).await? {
            lease.release().await?;
            return Ok(TaskEnd::Result(Box::new(known), None));
        }
        let started = lease.taken();
        let work = work(lease.token());
        let race = self.race(job, &mut lease, work).await?;
        let outcome = match race {
            Race::Work(Ok(value)) => Outcome::Done { value },
            Race::Work(Err(TaskFailure { reason, is_final })) => {
                Outcome::Failed { reason, is_final }
            }
            Race::Lost => return Ok(TaskEnd::Lost),
            Race::Cancelled => {
                lease.release().await?;
                let job = job.to_string();
                return Err(JobError::Cancelled { job });
            }
        };
        // A process that was stopped for long wakes up here: somebody else has done the work.
        match lease.renew().await {
            Ok(true) => {}
            Ok(false) => return Ok(TaskEnd::Lost),
            Err(error) => return Err(self.give_up(lease, error).await),
        }
        let result = TaskResult {
            task: task.number,
            key: task.key.clone(),
            attempt: lease.attempt(),
            owner: self.owner.clone(),
            started,
            finished: now(),
            outcome,
        };
        if let Err(error) = self.put_result(job, &result).await {
            return Err(self.give_up(lease, error).await);
        }
        if !result.is_done() {
            lease.release().await?;
            return Ok(TaskEnd::Result(Box::new(result), None));
        }
        Ok(TaskEnd::Result(Box::new(result), Some(lease)))
    }

    /// Gives a lease back whose work cannot be told: a store that is full still lets go of an object, and
    /// nobody has to wait until the lease is over.
    async fn give_up(&self, lease: Lease, error: JobError) -> JobError {
        if let Err(error) = lease.release().await {
            tracing::debug!(%error, "a lease was not given back");
        }
        error
    }

    async fn done_before(
        &self,
        job: &JobId,
        task: &TaskSpec,
    ) -> Result<Option<TaskResult>, JobError> {
        let known = self.result(job, task.number).await?;
        Ok(known.filter(|known| known.is_done() && known.key == task.key))
    }

    async fn refuse_cancelled(&self, job: &JobId) -> Result<(), JobError> {
        match self.is_cancelled(job).await? {
            true => Err(JobError::Cancelled {
                job: job.to_string(),
            }),
            false => Ok(()),
        }
    }

    /// Runs the work beside the heartbeat of its lease.
    async fn race(
        &self,
        job: &JobId,
        lease: &mut Lease,
        work: impl Future<Output = Result<Value, TaskFailure>>,
    ) -> Result<Race, JobError> {
        let every = self.options.heartbeat();
        let mut beat = interval_at(Instant::now() + every, every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                ended = &mut work => return Ok(Race::Work(ended)),
                _ = beat.tick() => {}
            }
            match lease.renew().await {
                Ok(true) => {}
                Ok(false) => return Ok(Race::Lost),
                // The next heartbeat may get through; if none does, the lease expires, to no harm.
                Err(error) => tracing::warn!(%error, "a heartbeat failed"),
            }
            if matches!(self.is_cancelled(job).await, Ok(true)) {
                return Ok(Race::Cancelled);
            }
        }
    }
}
