//! Jobs: a plan of numbered tasks, each a command line, and who works on which.
//!
//! 1. A [`Plan`] is written to the store of jobs ([`JobStore::submit`]): `jobs/<job id>/plan.json`.
//! 2. Whoever works on a task takes its [`Lease`] ([`JobStore::claim`]), keeps it alive, and writes a
//!    [`TaskResult`] ([`JobStore::run_task`]). Leases have the name of what a task does, so that jobs with
//!    different plans share the work that they have in common.
//! 3. A [`TaskQueue`] makes attempts, so many at once, in this process or, with a [`LocalEngine`], in workers.
//! 4. [`JobStatus`] is read from the objects; [`JobRecords`] are rows of it in a database, for lists.
//!
//! This crate does not know what a task computes. A worker needs the object store of the plan only,
//! never a database. Leases save work done twice; they do not decide what is done.

mod cancel;
mod desk;
mod engine;
mod error;
mod lease;
mod plan;
mod process;
mod queue;
mod records;
mod result;
mod status;
mod store;

pub use desk::TaskFailure;
pub use engine::LocalEngine;
pub use error::{ErrorKind, JobError};
pub use lease::{Claim, Lease, LeaseOptions, LeaseRecord};
pub use plan::{JobId, Plan, Resources, TaskKey, TaskSpec};
pub use process::{Process, ProcessEnd};
pub use queue::{RetryRule, TaskEnd, TaskEvent, TaskQueue, TaskTrouble};
pub use records::{JobRecord, JobRecords};
pub use result::{Outcome, TaskResult};
pub use status::{JobState, JobStatus, TaskState, TaskStatus};
pub use store::JobStore;
