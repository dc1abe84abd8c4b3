//! How far a job is, as its objects say.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{JobError, JobId, JobStore, LeaseRecord, Outcome, Plan, TaskResult, TaskSpec};

/// State of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Nothing of it was begun.
    Queued,
    /// Some of it is done or under way.
    Running,
    /// All of it is done.
    Done,
    /// All of it was tried, some of it failed.
    Failed,
    /// Cancelled by somebody.
    Cancelled,
}

impl JobState {
    /// Returns the word for it, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Returns the state of the word.
    pub fn parse(text: &str) -> Option<Self> {
        let states = [
            Self::Queued,
            Self::Running,
            Self::Done,
            Self::Failed,
            Self::Cancelled,
        ];
        states.into_iter().find(|state| state.as_str() == text)
    }
}

/// State of a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum TaskState {
    /// Nobody works on it.
    Queued,
    /// Somebody works on it.
    Running {
        /// Who, and since when.
        lease: LeaseRecord,
    },
    /// It did what it should.
    Done {
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// It could not, with its last attempt.
    Failed {
        /// Which attempt, from 1.
        attempt: u32,
        /// Why.
        reason: String,
    },
}

/// A task and its state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskStatus {
    /// Its number.
    pub task: u32,
    /// State and what belongs to it.
    #[serde(flatten)]
    pub state: TaskState,
}

/// A job and its state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobStatus {
    /// Its id.
    pub id: JobId,
    /// What kind of job it is.
    pub kind: String,
    /// State of all of it.
    pub state: JobState,
    /// Number of tasks.
    pub tasks: usize,
    /// Of these done.
    pub done: usize,
    /// Of these failed.
    pub failed: usize,
    /// Tasks that are under way or failed, and those asked for, in the order of their numbers.
    pub shown: Vec<TaskStatus>,
}

impl JobStore {
    /// Returns the state of a job: one listing, one request per failed task and per task under way.
    ///
    /// # Errors
    /// Where there is no such job; a store that fails.
    pub async fn status(&self, id: &JobId) -> Result<JobStatus, JobError> {
        let plan = self.plan(id).await?;
        let is_cancelled = self.is_cancelled(id).await?;
        let with_result: BTreeSet<u32> = self.results(id).await?.into_iter().collect();
        let held = self.held_tasks(&plan).await?;
        let mut status = JobStatus {
            id: id.clone(),
            kind: plan.kind.clone(),
            state: JobState::Queued,
            tasks: plan.tasks.len(),
            done: 0,
            failed: 0,
            shown: Vec::new(),
        };
        for task in &plan.tasks {
            let result = match with_result.contains(&task.number) {
                true => self.result(id, task.number).await?,
                false => None,
            };
            let lease = held
                .iter()
                .find(|(key, _)| *key == task.key.as_str())
                .map(|(_, lease)| lease);
            status.count(task, result, lease);
        }
        let is_under_way = status.done + status.failed > 0 || !held.is_empty();
        status.state = match (is_cancelled, status.done == status.tasks) {
            (_, true) => JobState::Done,
            (true, _) => JobState::Cancelled,
            _ if held.is_empty() && status.done + status.failed == status.tasks => JobState::Failed,
            _ if is_under_way => JobState::Running,
            _ => JobState::Queued,
        };
        Ok(status)
    }

    /// Returns the live leases on tasks of a plan.
    async fn held_tasks(&self, plan: &Plan) -> Result<Vec<(String, LeaseRecord)>, JobError> {
        let listed = self.writer.list(crate::store::LEASES).await?;
        let keys: BTreeSet<&str> = listed
            .iter()
            .filter_map(|object| object.key.split('/').nth(1))
            .collect();
        let mut held = Vec::new();
        for task in &plan.tasks {
            if !keys.contains(task.key.as_str()) {
                continue;
            }
            let lease = self.newest_lease(&task.key).await?;
            if let Some(lease) = lease.filter(|lease| lease.expires > crate::store::now()) {
                held.push((task.key.to_string(), lease));
            }
        }
        Ok(held)
    }
}

impl JobStatus {
    fn count(&mut self, task: &TaskSpec, result: Option<TaskResult>, lease: Option<&LeaseRecord>) {
        let state = match (result, lease) {
            (Some(result), _) if result.is_done() => {
                self.done += 1;
                return;
            }
            (_, Some(lease)) => TaskState::Running {
                lease: lease.clone(),
            },
            (Some(result), None) => {
                self.failed += 1;
                let reason = match result.outcome {
                    Outcome::Failed { reason, .. } => reason,
                    Outcome::Done { .. } => String::new(),
                };
                TaskState::Failed {
                    attempt: result.attempt,
                    reason,
                }
            }
            (None, None) => return,
        };
        self.shown.push(TaskStatus {
            task: task.number,
            state,
        });
    }
}
