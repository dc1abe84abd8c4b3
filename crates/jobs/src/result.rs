//! What a task left behind.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::TaskKey;

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase", deny_unknown_fields)]
pub enum Outcome {
    /// It did what it should; `value` is for whoever asked.
    Done {
        /// What came out.
        value: Value,
    },
    /// It could not.
    Failed {
        /// Why, and what to do.
        reason: String,
        /// True where its own data are at fault: trying again at once is of no use.
        is_final: bool,
    },
}

/// The result object of a task: written when it ended, replaced when it is done anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskResult {
    /// Its number.
    pub task: u32,
    /// What it does.
    pub key: TaskKey,
    /// Which attempt this was, from 1.
    pub attempt: u32,
    /// Who did it.
    pub owner: String,
    /// When the attempt began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub finished: DateTime<Utc>,
    /// How.
    pub outcome: Outcome,
}

impl TaskResult {
    /// True for a task that did what it should.
    pub fn is_done(&self) -> bool {
        matches!(self.outcome, Outcome::Done { .. })
    }
}
