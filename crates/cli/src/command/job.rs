//! `swath job`: commands that run by themselves, and how far jobs are.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use swath_jobs::{
    JobId, JobRecords, JobState, JobStatus, JobStore, LocalEngine, Plan, Resources, RetryRule,
    TaskEvent, TaskKey, TaskQueue, TaskSpec, TaskState,
};

use super::task::find_job;
use crate::config::Context;
use crate::error::{PartialDataError, UpstreamError, UsageError};
use crate::progress::Progress;

/// Seconds of a lease on a task of a job that was submitted.
const LEASE_SECONDS: f64 = 60.0;
/// Commands that make no job: they serve, or are jobs themselves.
const NO_JOBS: [&str; 4] = ["serve", "job", "task", "measure-unit"];

/// `swath job`.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Run a command of this program as a job: swath job submit -- extract --collection …
    Submit(SubmitArgs),
    /// List jobs, newest first
    List(ListArgs),
    /// Show how far a job is
    Status(StatusArgs),
    /// Print what the workers of a job said
    Logs(LogsArgs),
    /// Stop a job: no task of it begins, those under way are stopped
    Cancel(NamedArgs),
    /// Run the tasks of a job that are not done, in workers of this machine
    Run(RunArgs),
}

/// Arguments of `swath job submit`.
#[derive(Debug, clap::Args)]
pub struct SubmitArgs {
    /// Wait until it is done instead of leaving it to itself
    #[arg(long)]
    wait: bool,
    /// The command, without "swath"
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    command: Vec<String>,
}

/// Arguments of `swath job list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which job.
#[derive(Debug, clap::Args)]
pub struct NamedArgs {
    /// Id of the job
    #[arg(value_name = "JOB")]
    job: String,
}

/// Arguments of `swath job status`.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    #[command(flatten)]
    named: NamedArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `swath job logs`.
#[derive(Debug, clap::Args)]
pub struct LogsArgs {
    #[command(flatten)]
    named: NamedArgs,
    /// Only of this task
    #[arg(long, value_name = "N")]
    task: Option<u32>,
}

/// Arguments of `swath job run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    named: NamedArgs,
    /// Worker processes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,
}

/// Runs the command.
///
/// # Errors
/// Jobs that are not there, stores and databases that fail, tasks that failed.
pub async fn run(context: &Context, command: JobCommand) -> Result<()> {
    match command {
        JobCommand::Submit(args) => submit(context, args).await,
        JobCommand::List(args) => list(context, args).await,
        JobCommand::Status(args) => status(context, args).await,
        JobCommand::Logs(args) => logs(context, args).await,
        JobCommand::Cancel(args) => cancel(context, args).await,
        JobCommand::Run(args) => {
            let (jobs, job) = find_job(context, &args.named.job, LEASE_SECONDS)?;
            run_tasks(context, &jobs, &job, usize::from(args.workers)).await
        }
    }
}

async fn submit(context: &Context, args: SubmitArgs) -> Result<()> {
    let name = args.command.first().map_or("", String::as_str);
    if NO_JOBS.contains(&name) || name.starts_with('-') {
        return Err(UsageError(format!(
            "\"{name}\" makes no job: give a command with its arguments, as in swath job submit -- extract --collection …"
        ))
        .into());
    }
    let (jobs, records) = open(context).await?;
    let created = chrono::Utc::now();
    let content = serde_json::to_vec(&(&args.command, created, jobs.owner()))?;
    let plan = Plan {
        id: JobId::of_content("command", &content),
        kind: "command".to_owned(),
        created,
        submitter: None,
        tasks: vec![TaskSpec {
            number: 0,
            key: TaskKey::of_content("command", &content),
            command: args.command.clone(),
            image: None,
            inputs: Vec::new(),
            resources: Resources::default(),
            scratch_bytes: 0,
        }],
        notes: [("command".to_owned(), args.command.join(" "))].into(),
    };
    let plan = jobs.submit(&plan).await?;
    records.put_submitted(&plan).await?;
    println!("{}", plan.id);
    if args.wait {
        return run_tasks(context, &jobs, &plan.id, 1).await;
    }
    let program = std::env::current_exe().context("the program does not find itself")?;
    let mut engine = Command::new(program);
    engine
        .args(context.global_words())
        .args(["job", "run", plan.id.as_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Ctrl-C in this terminal is not meant for it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut engine, 0);
    engine.spawn().context("the job cannot be started")?;
    eprintln!("swath job status {} tells how far it is", plan.id);
    Ok(())
}

/// Runs what is not done of a job in workers of this machine.
async fn run_tasks(context: &Context, jobs: &JobStore, job: &JobId, workers: usize) -> Result<()> {
    let plan = jobs.plan(job).await?;
    let engine = LocalEngine {
        program: std::env::current_exe().context("the program does not find itself")?,
        arguments: context.global_words(),
        task_options: Vec::new(),
    };
    let tasks = plan.tasks.iter().map(|task| task.number);
    let mut queue = TaskQueue::new(tasks, workers, RetryRule::default());
    let progress = Progress::new("tasks");
    let mut done = 0;
    let mut failed = Vec::new();
    let outcome = loop {
        let start = |task, attempt| engine.attempt(jobs, &plan, task, attempt);
        match queue.next(start).await {
            Ok(Some(TaskEvent::Done(..))) => done += 1,
            Ok(Some(TaskEvent::Failed(trouble))) => failed.push(trouble),
            Ok(Some(TaskEvent::Held(_))) => {}
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        progress.set(done, plan.tasks.len() as u64, "");
    };
    let status = jobs.status(job).await?;
    let error = failed.first().map(|trouble| trouble.reason.clone());
    let records = JobRecords::open(context.catalog_url()).await?;
    records.put_status(&status, error.as_deref()).await?;
    outcome?;
    let Some(first) = failed.first() else {
        return Ok(());
    };
    let reason = format!(
        "{} of {} tasks failed; the first, {}: {} (swath job logs {job})",
        failed.len(),
        plan.tasks.len(),
        first.task,
        first.reason
    );
    match failed.iter().all(|trouble| trouble.is_final) {
        true => Err(PartialDataError(reason).into()),
        false => Err(UpstreamError(reason).into()),
    }
}

async fn open(context: &Context) -> Result<(JobStore, JobRecords)> {
    let options = super::extract::table_run::lease_options(LEASE_SECONDS)?;
    let jobs = context.job_store(options)?;
    let records = JobRecords::open(context.catalog_url()).await?;
    Ok((jobs, records))
}

async fn list(context: &Context, args: ListArgs) -> Result<()> {
    let (jobs, records) = open(context).await?;
    let mut listed = records.list().await?;
    for row in &mut listed {
        let is_over = matches!(row.state, JobState::Done | JobState::Failed);
        // The row of a job under way is as old as its last end.
        if !is_over && jobs.has_plan(&row.id).await? {
            let now = jobs.status(&row.id).await?;
            (row.state, row.done, row.failed) = (now.state, now.done as u64, now.failed as u64);
            records.put_status(&now, row.error.as_deref()).await?;
        }
    }
    if args.json {
        println!("{}", serde_json::to_string(&listed)?);
        return Ok(());
    }
    for row in &listed {
        println!(
            "{}  {:<9}  {:>6} of {:<6}  {:>4} failed  {}  {}",
            row.created.format("%Y-%m-%d %H:%M:%S"),
            row.state.as_str(),
            row.done,
            row.tasks,
            row.failed,
            row.id,
            row.error.as_deref().unwrap_or_default()
        );
    }
    Ok(())
}

async fn status(context: &Context, args: StatusArgs) -> Result<()> {
    let (jobs, job) = find_job(context, &args.named.job, LEASE_SECONDS)?;
    let status = jobs.status(&job).await?;
    match args.json {
        true => println!("{}", serde_json::to_string(&status)?),
        false => print_status(&status),
    }
    Ok(())
}

fn print_status(status: &JobStatus) {
    println!(
        "{} ({}): {}, {} of {} tasks done, {} failed",
        status.id,
        status.kind,
        status.state.as_str(),
        status.done,
        status.tasks,
        status.failed
    );
    for shown in &status.shown {
        match &shown.state {
            TaskState::Running { lease } => println!(
                "  task {}: attempt {} by {} since {}",
                shown.task,
                lease.attempt,
                lease.owner,
                lease.taken.format("%Y-%m-%d %H:%M:%S")
            ),
            TaskState::Failed { attempt, reason } => {
                println!("  task {}: attempt {attempt} failed: {reason}", shown.task);
            }
            TaskState::Queued | TaskState::Done { .. } => {}
        }
    }
}

async fn logs(context: &Context, args: LogsArgs) -> Result<()> {
    let (jobs, job) = find_job(context, &args.named.job, LEASE_SECONDS)?;
    jobs.plan(&job).await?;
    for (task, attempt) in jobs.logs(&job).await? {
        if args.task.is_some_and(|wanted| wanted != task) {
            continue;
        }
        println!("== task {task}, attempt {attempt}");
        let log = jobs.log(&job, task, attempt).await?;
        print!("{}", String::from_utf8_lossy(&log));
    }
    Ok(())
}

async fn cancel(context: &Context, args: NamedArgs) -> Result<()> {
    let (jobs, job) = find_job(context, &args.job, LEASE_SECONDS)?;
    jobs.cancel(&job, None).await?;
    let status = jobs.status(&job).await?;
    let records = JobRecords::open(context.catalog_url()).await?;
    records.put_status(&status, None).await?;
    eprintln!("job {job}: {}", status.state.as_str());
    Ok(())
}
