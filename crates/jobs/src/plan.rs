//! What is to be done: numbered tasks, each a command line.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::JobError;

/// Most tasks of a plan.
pub const TASKS_MAX: usize = 100_000;
/// Most words of a command line, and most bytes of all of them.
const WORDS_MAX: usize = 256;
const COMMAND_BYTES_MAX: usize = 64 << 10;
/// Longest id of a job and longest key of a task, in bytes.
const NAME_BYTES_MAX: usize = 120;
/// Most inputs of a task.
const INPUTS_MAX: usize = 10_000;

/// Name of a job: a folder below `jobs/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

/// Name of what a task does: tasks of different jobs that have it in common do the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskKey(String);

/// True for a part of a key that every store takes: letters, digits, `-`, `_`, `.`, not first a dot.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && !text.starts_with('.')
        && !text.ends_with(".part")
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

impl JobId {
    /// Returns the id of a job of `kind` whose content is `content`: the same content, the same id.
    ///
    /// # Panics
    /// Where `kind` is no word of letters, digits and `-`.
    pub fn of_content(kind: &str, content: &[u8]) -> Self {
        let id = format!("{kind}-{:032x}", xxh3_128(content));
        assert!(is_name(&id), "a kind of job is a word");
        Self(id)
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TaskKey {
    /// Returns the key of a task: `kind` and a digest of what it does.
    ///
    /// # Panics
    /// Where `kind` is no word of letters, digits and `-`.
    pub fn of_content(kind: &str, content: &[u8]) -> Self {
        let key = format!("{kind}-{:032x}", xxh3_128(content));
        assert!(is_name(&key), "a kind of task is a word");
        Self(key)
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! checked_name {
    ($type:ident, $what:literal) => {
        impl TryFrom<String> for $type {
            type Error = JobError;

            fn try_from(text: String) -> Result<Self, JobError> {
                match is_name(&text) {
                    true => Ok(Self(text)),
                    false => Err(JobError::Invalid {
                        what: format!(concat!($what, " \"{}\""), text.escape_debug()),
                        reason: format!(
                            "expected letters, digits, \"-\", \"_\" and \".\", at most {NAME_BYTES_MAX}"
                        ),
                    }),
                }
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

checked_name!(JobId, "job");
checked_name!(TaskKey, "task");

/// What a task needs of the machine that runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// Processors; 0: as many as there are.
    pub cores: u32,
    /// Memory in bytes; 0: not known.
    pub memory_bytes: u64,
    /// Longest time in seconds; 0: not known.
    pub seconds_max: u64,
}

/// One task: a command line, run once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// From 0, in the order of the plan.
    pub number: u32,
    /// What it does.
    pub key: TaskKey,
    /// The command line; without an image the arguments of our own program.
    pub command: Vec<String>,
    /// Container image that holds the program; `None`: our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Hrefs of what it reads, for engines that place work near data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// What it needs of the machine.
    #[serde(default)]
    pub resources: Resources,
    /// Bytes of scratch space that it needs.
    #[serde(default)]
    pub scratch_bytes: u64,
}

/// A job cut into tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Name of the job.
    pub id: JobId,
    /// What kind of job it is, in a word.
    pub kind: String,
    /// When the plan was first written.
    pub created: DateTime<Utc>,
    /// Who asked for it; `None`: the operator.
    pub submitter: Option<String>,
    /// In the order of their numbers.
    pub tasks: Vec<TaskSpec>,
    /// What else there is to know of it: names and values, shown to people.
    #[serde(default)]
    pub notes: BTreeMap<String, String>,
}

impl Plan {
    /// Returns the task of a number.
    ///
    /// # Errors
    /// Where there is none.
    pub fn task(&self, number: u32) -> Result<&TaskSpec, JobError> {
        let found = self.tasks.get(number as usize);
        found.ok_or_else(|| JobError::NotFound {
            what: format!(
                "task {number} of job {} (it has {} tasks, from 0)",
                self.id,
                self.tasks.len()
            ),
        })
    }

    /// Checks that the plan is one: numbers in order, command lines, limits.
    ///
    /// # Errors
    /// By name, what is wrong with it.
    pub fn check(&self) -> Result<(), JobError> {
        let job = || format!("job {}", self.id);
        if self.tasks.len() > TASKS_MAX {
            return Err(JobError::Limit {
                what: job(),
                reason: format!(
                    "{} tasks, more than {TASKS_MAX}: split the job",
                    self.tasks.len()
                ),
            });
        }
        for (index, task) in self.tasks.iter().enumerate() {
            let wrong = |reason: String| JobError::Invalid {
                what: format!("{}, task {index}", job()),
                reason,
            };
            if task.number as usize != index {
                return Err(wrong(format!("its number is {}", task.number)));
            }
            if task.command.is_empty() {
                return Err(wrong("it has no command".to_owned()));
            }
            let bytes: usize = task.command.iter().map(String::len).sum();
            if task.command.len() > WORDS_MAX || bytes > COMMAND_BYTES_MAX {
                return Err(wrong(format!(
                    "a command line has at most {WORDS_MAX} words and {COMMAND_BYTES_MAX} bytes"
                )));
            }
            if task.inputs.len() > INPUTS_MAX {
                return Err(wrong(format!("a task has at most {INPUTS_MAX} inputs")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(tasks: usize) -> Plan {
        let task = |number: usize| TaskSpec {
            number: u32::try_from(number).expect("few tasks"),
            key: TaskKey::of_content("test", &number.to_le_bytes()),
            command: vec!["info".to_owned()],
            image: None,
            inputs: Vec::new(),
            resources: Resources::default(),
            scratch_bytes: 0,
        };
        Plan {
            id: JobId::of_content("test", b"plan"),
            kind: "test".to_owned(),
            created: DateTime::UNIX_EPOCH,
            submitter: None,
            tasks: (0..tasks).map(task).collect(),
            notes: BTreeMap::new(),
        }
    }

    #[test]
    fn names_are_parts_of_keys() {
        for bad in [
            "",
            "..",
            ".x",
            "a/b",
            "a b",
            "x.part",
            "ä",
            &"x".repeat(121),
        ] {
            assert!(JobId::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        let id = JobId::of_content("extract", b"one");
        assert_eq!(JobId::try_from(id.to_string()).expect("an id"), id);
        assert_ne!(id, JobId::of_content("extract", b"two"));
    }

    #[test]
    fn plans_are_checked() {
        assert!(plan(3).check().is_ok());
        let mut swapped = plan(2);
        swapped.tasks.swap(0, 1);
        assert!(swapped.check().is_err());
        let mut empty = plan(1);
        empty.tasks[0].command.clear();
        assert!(empty.check().is_err());
        let mut long = plan(1);
        long.tasks[0].command = vec!["x".to_owned(); WORDS_MAX + 1];
        assert!(long.check().is_err());
        let many = plan(TASKS_MAX + 1);
        assert!(matches!(many.check(), Err(JobError::Limit { .. })));
        assert!(plan(1).task(1).is_err());
    }

    #[test]
    fn plans_survive_their_text() {
        let text = serde_json::to_string(&plan(2)).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Plan>(&text).expect("a plan"),
            plan(2)
        );
        let bad = text.replace("\"test-", "\"../test-");
        assert!(serde_json::from_str::<Plan>(&bad).is_err());
    }
}
