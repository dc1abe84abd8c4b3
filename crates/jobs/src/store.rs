//! The objects of jobs on a store: plans, results, logs, leases, marks.
//!
//! Keys below the root: `<job>/plan.json`, `<job>/results/<task>.json`, `<job>/logs/<task>.<attempt>.log`,
//! `<job>/cancelled.json`, `leases/<task key>/<attempt>.json`.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use swath_io::{IoError, Put, StoreWriter};

use crate::plan::TASKS_MAX;
use crate::{JobError, JobId, LeaseOptions, Plan, TaskResult};

/// Largest plan, in bytes.
const PLAN_BYTES_MAX: u64 = 256 << 20;
/// Largest result of a task and largest mark, in bytes.
const RESULT_BYTES_MAX: u64 = 4 << 20;
/// Bytes of a log that are kept: its end.
const LOG_BYTES_MAX: usize = 1 << 20;
/// Most jobs that a list of the store shows.
const JOBS_MAX: usize = 10_000;
/// Name of the folder of leases; no job has it, since ids have a kind and a digest.
pub(crate) const LEASES: &str = "leases";

/// The store of jobs; cloning it is cheap.
#[derive(Debug, Clone)]
pub struct JobStore {
    pub(crate) writer: StoreWriter,
    pub(crate) options: LeaseOptions,
    /// Who takes leases: this process.
    pub(crate) owner: String,
}

impl JobStore {
    /// Returns the store of jobs below the root of `writer`, for a process that is called `owner` in leases.
    ///
    /// No two processes may have the same name.
    pub fn new(writer: StoreWriter, options: LeaseOptions, owner: String) -> Self {
        Self {
            writer,
            options,
            owner,
        }
    }

    /// Returns the writer, for plans that name assets ([`swath_io::Stores::open_plan`]).
    pub fn writer(&self) -> &StoreWriter {
        &self.writer
    }

    /// Returns the name of this process in leases.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Returns how leases are taken and kept.
    pub fn lease_options(&self) -> &LeaseOptions {
        &self.options
    }

    /// Returns the key of a job's plan.
    pub fn plan_key(id: &JobId) -> String {
        format!("{id}/plan.json")
    }

    /// Writes a plan where there is none of that id, and returns the plan that is there.
    ///
    /// # Errors
    /// A plan that is none; a store that fails.
    pub async fn submit(&self, plan: &Plan) -> Result<Plan, JobError> {
        plan.check()?;
        if let Some(known) = self.find_plan(&plan.id).await? {
            return Ok(known);
        }
        let key = Self::plan_key(&plan.id);
        let bytes = to_json(plan, &key, PLAN_BYTES_MAX)?;
        match self.put_new(&key, bytes).await? {
            Put::Written => Ok(plan.clone()),
            Put::Exists => self.plan(&plan.id).await,
        }
    }

    /// True where there is a plan of that id.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn has_plan(&self, id: &JobId) -> Result<bool, JobError> {
        Ok(self.writer.size(&Self::plan_key(id)).await?.is_some())
    }

    /// Returns the plan of a job.
    ///
    /// # Errors
    /// Where there is none, or what is there is none.
    pub async fn plan(&self, id: &JobId) -> Result<Plan, JobError> {
        let found = self.find_plan(id).await?;
        found.ok_or_else(|| JobError::NotFound {
            what: format!("job {id}"),
        })
    }

    async fn find_plan(&self, id: &JobId) -> Result<Option<Plan>, JobError> {
        let key = Self::plan_key(id);
        let Some(plan) = self.read::<Plan>(&key, PLAN_BYTES_MAX).await? else {
            return Ok(None);
        };
        plan.check()?;
        if plan.id != *id {
            return Err(JobError::Invalid {
                what: self.writer.href(&key),
                reason: format!("it is the plan of job {}", plan.id),
            });
        }
        Ok(Some(plan))
    }

    /// Returns the ids of the jobs that have a plan, sorted.
    ///
    /// # Errors
    /// A store that fails; more than 10,000 jobs.
    pub async fn jobs(&self) -> Result<Vec<JobId>, JobError> {
        let mut found = Vec::new();
        for object in self.writer.list("").await? {
            let Some(id) = object.key.strip_suffix("/plan.json") else {
                continue;
            };
            if let Ok(id) = JobId::try_from(id.to_owned()) {
                found.push(id);
            }
            if found.len() > JOBS_MAX {
                return Err(JobError::Limit {
                    what: self.writer.href(""),
                    reason: format!(
                        "it holds more than {JOBS_MAX} jobs: remove folders of old ones"
                    ),
                });
            }
        }
        Ok(found)
    }

    fn result_key(id: &JobId, task: u32) -> String {
        format!("{id}/results/{task}.json")
    }

    /// Returns the result of a task, `None` where it has none yet.
    ///
    /// # Errors
    /// A store that fails, a result that is none.
    pub async fn result(&self, id: &JobId, task: u32) -> Result<Option<TaskResult>, JobError> {
        self.read(&Self::result_key(id, task), RESULT_BYTES_MAX)
            .await
    }

    /// Writes the result of a task, in place of an earlier one.
    ///
    /// # Errors
    /// A store that fails; a result larger than 4 MiB.
    pub(crate) async fn put_result(&self, id: &JobId, result: &TaskResult) -> Result<(), JobError> {
        let key = Self::result_key(id, result.task);
        let bytes = to_json(result, &key, RESULT_BYTES_MAX)?;
        Ok(self.writer.put(&key, bytes).await?)
    }

    /// Forgets the result of a task, so that it is done anew.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn forget_result(&self, id: &JobId, task: u32) -> Result<(), JobError> {
        Ok(self.writer.delete(&Self::result_key(id, task)).await?)
    }

    /// Returns the numbers of the tasks that have a result, sorted: one listing.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn results(&self, id: &JobId) -> Result<Vec<u32>, JobError> {
        let listed = self.writer.list(&format!("{id}/results")).await?;
        let number = |key: &str| key.rsplit('/').next()?.strip_suffix(".json")?.parse().ok();
        let mut found: Vec<u32> = listed
            .iter()
            .take(TASKS_MAX)
            .filter_map(|object| number(&object.key))
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Keeps the log of an attempt: the last mebibyte of it.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn put_log(
        &self,
        id: &JobId,
        task: u32,
        attempt: u32,
        text: Vec<u8>,
    ) -> Result<(), JobError> {
        let bytes = Bytes::from(text);
        let kept = bytes.slice(bytes.len().saturating_sub(LOG_BYTES_MAX)..);
        let key = format!("{id}/logs/{task}.{attempt}.log");
        Ok(self.writer.put(&key, kept).await?)
    }

    /// Returns task and attempt of the logs that are kept, sorted.
    ///
    /// # Errors
    /// A store that fails.
    pub async fn logs(&self, id: &JobId) -> Result<Vec<(u32, u32)>, JobError> {
        let listed = self.writer.list(&format!("{id}/logs")).await?;
        let numbers = |key: &str| {
            let name = key.rsplit('/').next()?.strip_suffix(".log")?;
            let (task, attempt) = name.split_once('.')?;
            Some((task.parse().ok()?, attempt.parse().ok()?))
        };
        let mut found: Vec<(u32, u32)> = listed
            .iter()
            .filter_map(|object| numbers(&object.key))
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Returns the log of an attempt.
    ///
    /// # Errors
    /// Where there is none; a store that fails.
    pub async fn log(&self, id: &JobId, task: u32, attempt: u32) -> Result<Bytes, JobError> {
        let key = format!("{id}/logs/{task}.{attempt}.log");
        let found = self.get(&key, LOG_BYTES_MAX as u64).await?;
        found.ok_or_else(|| JobError::NotFound {
            what: format!("log of attempt {attempt} of task {task} of job {id}"),
        })
    }

    /// Reads a JSON object, `None` where there is none.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        key: &str,
        bytes_max: u64,
    ) -> Result<Option<T>, JobError> {
        let Some(bytes) = self.get(key, bytes_max).await? else {
            return Ok(None);
        };
        let parsed = serde_json::from_slice(&bytes);
        parsed.map(Some).map_err(|error| JobError::Invalid {
            what: self.writer.href(key),
            reason: error.to_string(),
        })
    }

    async fn get(&self, key: &str, bytes_max: u64) -> Result<Option<Bytes>, JobError> {
        match self.writer.get(key, bytes_max).await {
            Ok(found) => Ok(found),
            // An empty object has no range to read.
            Err(IoError::Raster { .. }) => Ok(Some(Bytes::new())),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes an object where there is none; on stores without conditional writes of several at once the
    /// last one does, to no harm.
    pub(crate) async fn put_new(&self, key: &str, bytes: Bytes) -> Result<Put, JobError> {
        match self.writer.put_new(key, bytes.clone()).await {
            Ok(put) => return Ok(put),
            Err(IoError::Href { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if self.writer.size(key).await?.is_some() {
            return Ok(Put::Exists);
        }
        self.writer.put(key, bytes.clone()).await?;
        match self.writer.get(key, bytes.len() as u64).await {
            Ok(Some(there)) if there == bytes => Ok(Put::Written),
            Ok(_) | Err(IoError::TooLarge { .. }) => Ok(Put::Exists),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the text of a value, if it is not too large.
pub(crate) fn to_json(
    value: &impl Serialize,
    what: &str,
    bytes_max: u64,
) -> Result<Bytes, JobError> {
    let text = serde_json::to_vec(value).map_err(|error| JobError::Invalid {
        what: what.to_owned(),
        reason: error.to_string(),
    })?;
    match text.len() as u64 > bytes_max {
        true => Err(JobError::Limit {
            what: what.to_owned(),
            reason: format!("{} bytes, more than {bytes_max}", text.len()),
        }),
        false => Ok(text.into()),
    }
}

/// Returns the time to the millisecond: what its text keeps.
pub(crate) fn now() -> DateTime<Utc> {
    let now = Utc::now();
    DateTime::from_timestamp_millis(now.timestamp_millis()).unwrap_or(now)
}
