//! Who works on a task: one object per attempt, `leases/<task key>/<attempt>.json`.
//!
//! A lease is taken by creating the object of its attempt, which only one can. It lasts as long as it is
//! renewed. When it has expired, the next attempt is there to be taken; the owner of the one before, who
//! was only slow, finds that with its next heartbeat. Clocks of machines may differ: a lease that is taken
//! too early means work done twice, nothing else.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use swath_io::Put;

use crate::store::{LEASES, now, to_json};
use crate::{JobError, JobStore, TaskKey};

/// Most bytes of a lease.
const LEASE_BYTES_MAX: u64 = 4 << 10;
/// Tries to take the next attempt where others were faster.
const CLAIMS_MAX: u32 = 8;
/// Heartbeats within the time of a lease: two may be lost.
const HEARTBEATS_PER_LEASE: u32 = 3;

/// How leases are taken and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseOptions {
    /// How long a lease lasts without a heartbeat. Default 60 s.
    pub lease_time: Duration,
}

impl Default for LeaseOptions {
    fn default() -> Self {
        Self {
            lease_time: Duration::from_secs(60),
        }
    }
}

impl LeaseOptions {
    /// Returns the time between two heartbeats.
    pub fn heartbeat(&self) -> Duration {
        self.lease_time / HEARTBEATS_PER_LEASE
    }
}

/// A lease as it stands on the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseRecord {
    /// Who has it.
    pub owner: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When it was taken.
    pub taken: DateTime<Utc>,
    /// Until when it lasts unless it is renewed.
    pub expires: DateTime<Utc>,
    /// Heartbeats so far.
    pub beats: u64,
}

/// What came of the wish to work on a task.
#[derive(Debug)]
pub enum Claim {
    /// It is ours.
    Taken(Lease),
    /// Somebody else works on it.
    Held(LeaseRecord),
}

/// A lease that this process has. Dropped, it expires by itself; [`Lease::release`] ends it at once.
#[derive(Debug)]
pub struct Lease {
    store: JobStore,
    task: TaskKey,
    record: LeaseRecord,
}

fn folder(task: &TaskKey) -> String {
    format!("{LEASES}/{task}")
}

fn key(task: &TaskKey, attempt: u32) -> String {
    format!("{LEASES}/{task}/{attempt}.json")
}

impl JobStore {
    /// Takes the lease of a task, if nobody else has it.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn claim(&self, task: &TaskKey) -> Result<Claim, JobError> {
        let mut found = None;
        for _ in 0..CLAIMS_MAX {
            found = self.newest_lease(task).await?;
            let last = match &found {
                Some(record) if record.owner == self.owner || now() < record.expires => {
                    return Ok(Claim::Held(record.clone()));
                }
                Some(record) => record.attempt,
                None => 0,
            };
            let taken = now();
            let record = LeaseRecord {
                owner: self.owner.clone(),
                attempt: last.saturating_add(1),
                taken,
                expires: taken + self.options.lease_time,
                beats: 0,
            };
            if self.create(task, &record).await? {
                if last > 0 {
                    // The attempt before can be told from this one without its object.
                    self.writer.delete(&key(task, last)).await?;
                }
                return Ok(Claim::Taken(Lease {
                    store: self.clone(),
                    task: task.clone(),
                    record,
                }));
            }
        }
        match found {
            Some(record) => Ok(Claim::Held(record)),
            None => Err(JobError::Limit {
                what: format!("lease of {task}"),
                reason: format!("taken and given back by others {CLAIMS_MAX} times; try again"),
            }),
        }
    }

    /// Returns the newest lease of a task, `None` where nobody has one.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn newest_lease(&self, task: &TaskKey) -> Result<Option<LeaseRecord>, JobError> {
        let listed = self.writer.list(&folder(task)).await?;
        let number = |key: &str| -> Option<u32> {
            key.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()
        };
        let newest = listed.iter().filter_map(|object| number(&object.key)).max();
        match newest {
            // One that was given back meanwhile is none.
            Some(attempt) => self.read(&key(task, attempt), LEASE_BYTES_MAX).await,
            None => Ok(None),
        }
    }

    async fn create(&self, task: &TaskKey, record: &LeaseRecord) -> Result<bool, JobError> {
        let key = key(task, record.attempt);
        let bytes = to_json(record, &key, LEASE_BYTES_MAX)?;
        Ok(self.put_new(&key, bytes).await? == Put::Written)
    }
}

impl Lease {
    /// Returns which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.record.attempt
    }

    /// Returns when the lease was taken.
    pub fn taken(&self) -> DateTime<Utc> {
        self.record.taken
    }

    /// Returns a word that no other attempt on this task ever has, fit for a key: attempt, owner, time.
    pub fn token(&self) -> String {
        let LeaseRecord {
            owner,
            attempt,
            taken,
            ..
        } = &self.record;
        format!("{attempt}-{owner}-{:x}", taken.timestamp_millis())
    }

    /// Renews the lease; `false` where it is lost: another attempt was taken meanwhile.
    ///
    /// # Errors
    /// A store that fails; then the lease may be ours still.
    pub async fn renew(&mut self) -> Result<bool, JobError> {
        let newest = self.store.newest_lease(&self.task).await?;
        let is_ours = newest.is_some_and(|newest| {
            newest.owner == self.record.owner && newest.attempt == self.record.attempt
        });
        if !is_ours {
            return Ok(false);
        }
        self.record.expires = now() + self.store.options.lease_time;
        self.record.beats += 1;
        let key = key(&self.task, self.record.attempt);
        let bytes = to_json(&self.record, &key, LEASE_BYTES_MAX)?;
        self.store.writer.put(&key, bytes).await?;
        Ok(true)
    }

    /// Ends the lease: the task is there to be taken, as attempt 1, by whoever finds it undone.
    ///
    /// # Errors
    /// A store that fails; then the lease expires by itself.
    pub async fn release(self) -> Result<(), JobError> {
        let newest = self.store.newest_lease(&self.task).await?;
        let is_ours = newest.is_some_and(|newest| newest.owner == self.record.owner);
        if is_ours {
            let key = key(&self.task, self.record.attempt);
            self.store.writer.delete(&key).await?;
        }
        Ok(())
    }
}
