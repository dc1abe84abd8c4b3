//! `swath task run PLAN N`: one task of a job, by whoever runs it: a worker, a batch system, a person.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use serde_json::{Value, json};
use swath_jobs::{JobId, JobStore, Outcome, Process, TaskEnd, TaskFailure, TaskSpec};

use super::extract::desk::{Desk, MEASURE_UNIT, read_unit, task_failure, to_value};
use super::extract::table_run::lease_options;
use crate::config::Context;
use crate::error::{PartialDataError, UpstreamError, UsageError};

/// `swath task`.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// Run one task of a job: take its lease, work, write its result; what is done is not done again
    Run(TaskRunArgs),
}

/// Arguments of `swath task run`.
#[derive(Debug, clap::Args)]
pub struct TaskRunArgs {
    /// Id of the job, or where its plan lies: STORE:ID/plan.json
    #[arg(value_name = "PLAN")]
    plan: String,
    /// Number of the task, from 0
    #[arg(value_name = "N")]
    task: u32,
    /// Seconds after which the work of a process that is silent is taken over
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    lease: f64,
}

/// Runs the command.
///
/// # Errors
/// A job or task that is not there; a task that fails.
pub async fn run(context: &Context, command: TaskCommand) -> Result<()> {
    let TaskCommand::Run(args) = command;
    let (jobs, job) = find_job(context, &args.plan, args.lease)?;
    let plan = jobs.plan(&job).await?;
    let task = plan.task(args.task)?;
    let end = match task.command.first().map(String::as_str) {
        _ if task.image.is_some() => {
            return Err(UsageError(format!(
                "task {} of job {job} wants a container image; this engine runs our own program only",
                task.number
            ))
            .into());
        }
        Some(MEASURE_UNIT) => {
            let desk = async |token: String| measure(context, &jobs, &job, task, &token).await;
            jobs.run_task(&job, task, desk).await?
        }
        _ => {
            let own = async |_: String| run_command(context, task).await;
            jobs.run_task(&job, task, own).await?
        }
    };
    match end {
        TaskEnd::Result(result, lease) => {
            if let Some(lease) = lease {
                lease.release().await?;
            }
            match result.outcome {
                Outcome::Done { .. } => Ok(()),
                Outcome::Failed {
                    reason,
                    is_final: true,
                } => Err(PartialDataError(reason).into()),
                Outcome::Failed { reason, .. } => Err(UpstreamError(reason).into()),
            }
        }
        TaskEnd::Held(lease) => {
            eprintln!(
                "task {} is under way: attempt {} by {} until {}",
                task.number, lease.attempt, lease.owner, lease.expires
            );
            Ok(())
        }
        TaskEnd::Lost => {
            eprintln!("task {}: somebody else took it over", task.number);
            Ok(())
        }
        TaskEnd::Crashed { reason } => Err(UpstreamError(reason).into()),
    }
}

/// Returns the store of jobs and the id of a job that was named by its id or by its plan.
///
/// # Errors
/// Where it is neither.
pub fn find_job(context: &Context, named: &str, lease: f64) -> Result<(JobStore, JobId)> {
    let options = lease_options(lease)?;
    let Some(folder) = named.strip_suffix("/plan.json") else {
        let id = JobId::try_from(named.to_owned())?;
        return Ok((context.job_store(options)?, id));
    };
    let at = folder.rfind(['/', ':']).ok_or_else(|| {
        UsageError(format!(
            "\"{named}\" is no plan: expected STORE:ID/plan.json"
        ))
    })?;
    // `STORE:` is a root with its colon, a folder one without its slash.
    let root = match folder.as_bytes()[at] {
        b':' => &folder[..=at],
        _ => &folder[..at],
    };
    let id = JobId::try_from(folder[at + 1..].to_owned())?;
    Ok((context.job_store_at(root, options)?, id))
}

/// Measures the unit of a task in this process.
async fn measure(
    context: &Context,
    jobs: &JobStore,
    job: &JobId,
    task: &TaskSpec,
    token: &str,
) -> Result<Value, TaskFailure> {
    let failed = |error: anyhow::Error| TaskFailure {
        reason: format!("{error:#}"),
        is_final: false,
    };
    let unit = read_unit(jobs, job, task.number).await.map_err(failed)?;
    let desk = Desk::open(context, jobs, job).await.map_err(failed)?;
    let measured = desk
        .measure(context, &unit, task.key.as_str(), token)
        .await
        .map_err(|error| task_failure(&error))?;
    to_value(&measured)
}

/// Runs the command of a task with our own program; what it prints is the value of the task.
async fn run_command(context: &Context, task: &TaskSpec) -> Result<Value, TaskFailure> {
    let failed = |reason: String| TaskFailure {
        reason,
        is_final: false,
    };
    let program = std::env::current_exe().context("the program does not find itself");
    let program = program.map_err(|error| failed(format!("{error:#}")))?;
    let mut command = Command::new(program);
    command
        .args(context.global_words())
        .args(&task.command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut process = Process::start(&mut command).map_err(|error| failed(error.to_string()))?;
    let end = process
        .wait()
        .await
        .map_err(|error| failed(error.to_string()))?;
    match end.status.success() {
        true => Ok(json!({ "output": String::from_utf8_lossy(&end.output) })),
        false => Err(TaskFailure {
            reason: format!("swath {}: {}", task.command.join(" "), end.status),
            // What is wrong with the command line or its data is so the next time too.
            is_final: end
                .status
                .code()
                .is_some_and(|code| (2..=4).contains(&code)),
        }),
    }
}
