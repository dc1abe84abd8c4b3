//! A collection into its extract table, by any number of processes that run the same command.
//!
//! 1. The table's state, then the catalogue's (in this order, so that a unit of the table is never newer than
//!    what is compared with it).
//! 2. Units that are new or changed become a job: a plan of tasks, the same for all processes that see the same.
//! 3. Tasks are run, here or in workers, under leases; results are committed, many at once.
//! 4. Again from 1 until nothing is left but what failed for its own data.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use futures::FutureExt;
use futures::future::BoxFuture;
use swath_access::Viewer;
use swath_catalog::Catalog;
use swath_extract::table::ExtractTable;
use swath_extract::{
    ExtractError, ExtractPlan, MeasureOptions, PLAN_FORMAT, PlannedCollection, PlannedMeasure,
    PlannedUnit, plan_units,
};
use swath_io::ErrorKind;
use swath_jobs::{
    JobError, JobId, JobRecords, JobStore, Lease, LeaseOptions, LocalEngine, Outcome, Plan,
    Resources, RetryRule, TaskEnd, TaskEvent, TaskFailure, TaskKey, TaskQueue, TaskResult,
    TaskSpec, TaskTrouble,
};

use super::super::chosen_parcels::{ChosenParcels, choose};
use super::super::measure_args::print_shifts;
use super::ExtractArgs;
use super::committer::{Committed, Committer, Pending};
use super::desk::{Desk, MEASURE_UNIT, UnitValue, task_failure, to_value, write_parts};
use super::estimate;
use super::profile::Profile;
use super::report::{FailedUnit, TableReport};
use super::season::{Season, SeasonUnits};
use crate::config::Context;
use crate::error::{PartialDataError, UpstreamError, UsageError};
use crate::progress::Progress;
use crate::stopwatch::{Spent, Stopwatch};

/// Most units of one job; what is left becomes the next one.
const UNITS_PER_JOB_MAX: usize = 10_000;
/// Most jobs of one run: a collection that changes that often is never done.
const JOBS_MAX: usize = 1_000;
/// Units measured at once in this process: while one computes, the next one is fetched.
const UNITS_AT_ONCE: usize = 2;
/// Shortest and longest lease, in seconds.
const LEASE_SECONDS: std::ops::RangeInclusive<f64> = 0.1..=86_400.0;

/// Runs the command.
///
/// # Errors
/// Failing stores; units that could not be measured, after the rest was done.
pub async fn run(context: &Context, args: &ExtractArgs, collection: &str) -> Result<()> {
    let mut watch = Stopwatch::start();
    let catalog = context.catalog().await?;
    let season = Season::open(context, &catalog, args, collection).await?;
    let profile = Profile::of(args, &season.rules)?;
    if args.table.dry_run {
        return estimate::run(context, args, &catalog, &season, &profile).await;
    }
    let found = season.units().await?;
    if found.units.is_empty() && found.skipped.is_empty() && args.table.watch.is_none() {
        return season.nothing_found();
    }
    drop(found);
    let run = TableRun::open(context, args, &catalog, &season, profile).await?;
    loop {
        let outcome = run.fill(&season).await;
        let told = outcome.and_then(|report| tell(args, report, watch.spent()));
        let Some(wait) = args.table.watch else {
            return told;
        };
        // A store that fails now may answer next time; what was done is done.
        if let Err(error) = told {
            crate::error::print(&error);
        }
        tokio::time::sleep(Duration::from_secs(wait.max(1))).await;
        watch = Stopwatch::start();
    }
}

/// Fills the table and says nothing but progress.
///
/// # Errors
/// Failing stores; units that could not be measured are in the report.
pub async fn run_quietly(
    context: &Context,
    args: &ExtractArgs,
    collection: &str,
) -> Result<TableReport> {
    let catalog = context.catalog().await?;
    let season = Season::open(context, &catalog, args, collection).await?;
    let profile = Profile::of(args, &season.rules)?;
    let run = TableRun::open(context, args, &catalog, &season, profile).await?;
    run.fill(&season).await
}

fn tell(args: &ExtractArgs, report: TableReport, spent: Spent) -> Result<()> {
    let is_alone = args.table.workers == 0;
    let spent = Spent {
        cpu_s: spent.cpu_s.filter(|_| is_alone),
        ..spent
    };
    let report = TableReport { spent, ..report };
    match args.json {
        true => println!("{}", serde_json::to_string(&report)?),
        false => report.print(),
    }
    match report.failures() {
        0 => Ok(()),
        failures => Err(PartialDataError(format!(
            "{failures} units or items could not be measured; the rest is in {}, and the same command tries them again",
            report.table
        ))
        .into()),
    }
}

/// Returns the plan of a table, without its place.
pub fn plan_of(
    season: &Season<'_>,
    profile: &Profile,
    parcels: &ChosenParcels,
    measure: &MeasureOptions,
) -> ExtractPlan {
    ExtractPlan {
        format: PLAN_FORMAT,
        table: String::new(),
        set: parcels.set.clone(),
        set_version: parcels.version.clone(),
        profile: profile.entries.clone(),
        collection: PlannedCollection::of(&season.resource),
        parcels: parcels.planned.clone(),
        measure: PlannedMeasure::of(measure),
        options: profile.options.clone(),
    }
}

/// Returns the root of the table that is meant: the one that was named, else that of its configuration.
pub fn table_root(args: &ExtractArgs, plan: &ExtractPlan) -> String {
    args.table.table.clone().unwrap_or_else(|| {
        format!(
            "tables:{}/{}@{}/{}",
            plan.collection.id,
            plan.set,
            plan.set_version,
            plan.configuration().profile()
        )
    })
}

/// Returns how leases are taken.
///
/// # Errors
/// A time that is none.
pub fn lease_options(seconds: f64) -> Result<LeaseOptions, UsageError> {
    match LEASE_SECONDS.contains(&seconds) {
        true => Ok(LeaseOptions {
            lease_time: Duration::from_secs_f64(seconds),
        }),
        false => Err(UsageError(format!(
            "--lease {seconds}: give seconds between {} and {}",
            LEASE_SECONDS.start(),
            LEASE_SECONDS.end()
        ))),
    }
}

/// Everything that one run of the command works with.
struct TableRun<'a> {
    context: &'a Context,
    args: &'a ExtractArgs,
    plan: ExtractPlan,
    desk: Desk,
    table: ExtractTable,
    jobs: JobStore,
    records: JobRecords,
    /// What makes going on useless, met by an attempt of this process.
    fatal: Mutex<Option<ExtractError>>,
}

impl<'a> TableRun<'a> {
    async fn open(
        context: &'a Context,
        args: &'a ExtractArgs,
        catalog: &Catalog,
        season: &Season<'_>,
        profile: Profile,
    ) -> Result<Self> {
        let measure = args.measure.options(context)?;
        let parcels = choose(context, catalog, &args.measure).await?;
        let mut plan = plan_of(season, &profile, &parcels, &measure);
        let writer = context
            .stores
            .writer(&Viewer::operator(), &table_root(args, &plan))?;
        plan.table = writer.href("").trim_end_matches('/').to_owned();
        let store = context.table_store(&plan.table).await?;
        let table = ExtractTable::create(store, &plan.configuration()).await?;
        let jobs = context.job_store(lease_options(args.table.lease)?)?;
        let records = JobRecords::open(context.catalog_url()).await?;
        let memory = measure.memory_bytes_max;
        Ok(Self {
            desk: Desk::new(context, plan.clone(), parcels.source, table.clone(), memory)?,
            context,
            args,
            plan,
            table,
            jobs,
            records,
            fatal: Mutex::default(),
        })
    }

    /// Measures until nothing is left but what failed for its own data.
    async fn fill(&self, season: &Season<'_>) -> Result<TableReport> {
        let mut report = TableReport {
            table: self.plan.table.clone(),
            parcels: format!("{}@{}", self.plan.set, self.plan.set_version),
            parcel_count: self.plan.parcels.count,
            ..TableReport::default()
        };
        let mut given_up: HashSet<(String, u64)> = HashSet::new();
        for _ in 0..JOBS_MAX {
            let snapshot = self.table.snapshot().await?;
            let found: SeasonUnits = season.units().await?;
            report.note_season(&found);
            let units = plan_units(&snapshot, found.units);
            if report.jobs.is_empty() {
                report.already = units.done;
            }
            let mut todo = units.todo;
            todo.retain(|todo| !given_up.contains(&(todo.unit.key.clone(), todo.unit.inputs)));
            todo.truncate(UNITS_PER_JOB_MAX);
            if todo.is_empty() {
                print_shifts(self.desk.extractor());
                report.stages += self.desk.extractor().meter().take();
                return Ok(report);
            }
            let job = self.submit(&todo).await?;
            report.jobs.push(job.id.to_string());
            let outcome = self.work(&job, &todo, &mut report).await;
            self.note(&job.id, outcome.as_ref().err()).await;
            outcome.map_err(|error| with_rest(error, &report))?;
            let failed = report.failed.iter().map(|failed| &failed.unit);
            let failed: HashSet<&String> = failed.collect();
            let failed = todo.iter().filter(|todo| failed.contains(&todo.unit.key));
            given_up.extend(failed.map(|todo| (todo.unit.key.clone(), todo.unit.inputs)));
        }
        Err(anyhow!(UpstreamError(format!(
            "the collection changed {JOBS_MAX} times while it was measured; run the command again"
        ))))
    }

    /// Writes the plan of a job, or finds the one of another process.
    async fn submit(&self, todo: &[PlannedUnit]) -> Result<Plan> {
        let identities: Vec<String> = todo
            .iter()
            .map(|unit| unit.identity(&self.plan.table))
            .collect();
        let content = serde_json::to_vec(&(&self.plan, &identities))?;
        let id = JobId::of_content("extract", &content);
        let task = |(number, identity): (usize, &String)| {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            TaskSpec {
                number,
                key: TaskKey::of_content("unit", identity.as_bytes()),
                command: vec![
                    MEASURE_UNIT.to_owned(),
                    self.jobs.writer().href(id.as_str()),
                    number.to_string(),
                ],
                image: None,
                inputs: Vec::new(),
                resources: Resources::default(),
                scratch_bytes: 0,
            }
        };
        let plan = Plan {
            kind: "extract".to_owned(),
            created: chrono::Utc::now(),
            submitter: None,
            tasks: identities.iter().enumerate().map(task).collect(),
            notes: [("table".to_owned(), self.plan.table.clone())].into(),
            id: id.clone(),
        };
        // Before the plan: who finds it finds its parts.
        if !self.jobs.has_plan(&id).await? {
            write_parts(&self.jobs, &id, &self.plan, todo).await?;
        }
        let plan = self.jobs.submit(&plan).await?;
        // Who runs the command again wants the job, whoever cancelled it before.
        self.jobs.resume(&id).await?;
        if let Err(error) = self.records.put_submitted(&plan).await {
            tracing::warn!(%error, "the row of the job was not written");
        }
        Ok(plan)
    }

    /// Notes in the database how far the job is: a view, which may fail.
    async fn note(&self, job: &JobId, error: Option<&anyhow::Error>) {
        let error = error.map(|error| format!("{error:#}"));
        let noted = async {
            let status = self.jobs.status(job).await?;
            self.records.put_status(&status, error.as_deref()).await
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, "the row of the job was not written");
        }
    }

    /// Runs the tasks of a job and commits what comes of them.
    async fn work(&self, job: &Plan, todo: &[PlannedUnit], report: &mut TableReport) -> Result<()> {
        let at_once = match self.args.table.workers {
            0 => UNITS_AT_ONCE,
            workers => usize::from(workers),
        };
        let order = shared_order(todo.len(), self.jobs.owner());
        let mut queue = TaskQueue::new(order, at_once, RetryRule::default());
        let lease_time = self.jobs.lease_options().lease_time;
        let meter = self.desk.extractor().meter();
        let mut committer = Committer::new(&self.table, lease_time, meter);
        let engine = self.engine()?;
        let start = |task: u32, attempt: u32| self.attempt(&engine, job, todo, task, attempt);
        let progress = Progress::new("units");
        let mut is_over = false;
        while !(is_over && committer.is_idle()) {
            tokio::select! {
                event = queue.next(start), if !is_over => match event? {
                    None => is_over = true,
                    Some(TaskEvent::Done(result, lease)) => {
                        self.take(*result, lease, &mut committer, report).await?;
                    }
                    Some(TaskEvent::Failed(trouble)) => self.give_up(trouble, todo, report)?,
                    Some(TaskEvent::Held(task)) => {
                        if self.is_done(&todo[task as usize]).await? {
                            queue.leave_out(task);
                            report.by_others += 1;
                        }
                    }
                },
                committed = committer.next(is_over) => self.settle(job, committed?, report).await?,
            }
            let done = report.committed + report.by_others;
            progress.set(
                done as u64,
                todo.len() as u64,
                &format!("{} rows", report.rows),
            );
        }
        Ok(())
    }

    /// Makes one attempt on a task: in a worker, or here.
    fn attempt<'run>(
        &'run self,
        engine: &Option<LocalEngine>,
        job: &'run Plan,
        todo: &'run [PlannedUnit],
        task: u32,
        attempt: u32,
    ) -> BoxFuture<'run, Result<TaskEnd, JobError>> {
        if let Some(engine) = engine.clone() {
            return async move { engine.attempt(&self.jobs, job, task, attempt).await }.boxed();
        }
        let unit = &todo[task as usize];
        let spec = &job.tasks[task as usize];
        let work = move |token: String| async move {
            let measured = self
                .desk
                .measure(self.context, unit, spec.key.as_str(), &token);
            match measured.await {
                Ok(value) => to_value(&value),
                Err(error) => Err(self.failure_of(error)),
            }
        };
        async move { self.jobs.run_task(&job.id, spec, work).await }.boxed()
    }

    /// Tells what is wrong with one unit from what stops the run: options that fit nothing, a limit.
    fn failure_of(&self, error: ExtractError) -> TaskFailure {
        let failure = task_failure(&error);
        let is_passing = matches!(error.kind(), ErrorKind::Upstream | ErrorKind::Conflict);
        if failure.is_final || (is_passing && !error.is_full()) {
            return failure;
        }
        let mut fatal = self
            .fatal
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        *fatal = Some(error);
        TaskFailure {
            is_final: true,
            ..failure
        }
    }

    fn engine(&self) -> Result<Option<LocalEngine>> {
        if self.args.table.workers == 0 {
            return Ok(None);
        }
        Ok(Some(LocalEngine {
            program: std::env::current_exe().context("the program does not find itself")?,
            arguments: self.context.global_words(),
            task_options: vec!["--lease".to_owned(), self.args.table.lease.to_string()],
        }))
    }

    async fn is_done(&self, planned: &PlannedUnit) -> Result<bool, ExtractError> {
        let snapshot = self.table.snapshot().await?;
        Ok(snapshot.inputs(&planned.unit.key) == Some(planned.unit.inputs))
    }

    /// Takes the result of a task.
    async fn take(
        &self,
        result: TaskResult,
        lease: Option<Lease>,
        committer: &mut Committer<'_>,
        report: &mut TableReport,
    ) -> Result<()> {
        let Outcome::Done { value } = result.outcome else {
            return Ok(());
        };
        let value = serde_json::from_value(value)
            .with_context(|| format!("the result of task {} is no unit", result.task))?;
        match value {
            UnitValue::Measured(outcome) => {
                report.stages += outcome.stages;
                committer.push(Pending {
                    task: result.task,
                    outcome,
                    lease,
                });
            }
            UnitValue::Already => {
                report.by_others += 1;
                give_back(lease).await;
            }
        }
        Ok(())
    }

    fn give_up(
        &self,
        trouble: TaskTrouble,
        todo: &[PlannedUnit],
        report: &mut TableReport,
    ) -> Result<()> {
        let mut fatal = self
            .fatal
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(error) = fatal.take() {
            return Err(error.into());
        }
        let unit = &todo[trouble.task as usize].unit;
        if !trouble.is_final {
            let reason = format!("unit {}: {}", unit.key, trouble.reason);
            return Err(UpstreamError(reason).into());
        }
        report.failed.push(FailedUnit {
            unit: unit.key.clone(),
            items: unit.item_ids(),
            reason: trouble.reason,
        });
        Ok(())
    }

    /// Counts what became done, and gives the leases back.
    async fn settle(
        &self,
        job: &Plan,
        committed: Committed,
        report: &mut TableReport,
    ) -> Result<()> {
        let Committed {
            report: commit,
            units,
        } = committed;
        report.version = report.version.max(commit.version);
        for unit in units {
            let key = &unit.outcome.result.unit;
            if commit.committed.contains(key) {
                report.note_committed(&unit.outcome);
            } else if commit.lost.contains(key) {
                // Its data file is gone: the next job measures it again.
                self.jobs.forget_result(&job.id, unit.task).await?;
            } else {
                report.by_others += 1;
            }
            give_back(unit.lease).await;
        }
        Ok(())
    }
}

/// Says of a store that is full what is done, and how to go on.
fn with_rest(error: anyhow::Error, report: &TableReport) -> anyhow::Error {
    let is_full = |error: &ExtractError| error.is_full();
    if !error.downcast_ref().is_some_and(is_full) {
        return error;
    }
    let done = report.already + report.committed + report.by_others;
    error.context(format!(
        "a store is full: {done} of {} units are in the table and stay there, nothing half-written counts; \
         with room, the same command does the rest",
        report.units
    ))
}

/// Gives a lease back; one that cannot be given back expires.
async fn give_back(lease: Option<Lease>) {
    if let Some(lease) = lease
        && let Err(error) = lease.release().await
    {
        tracing::debug!(%error, "a lease was not given back");
    }
}

/// Returns the tasks in an order that begins elsewhere for every process, so that they seldom meet.
fn shared_order(tasks: usize, owner: &str) -> Vec<u32> {
    let tasks = u32::try_from(tasks).unwrap_or(u32::MAX);
    let digest = swath_jobs::TaskKey::of_content("order", owner.as_bytes());
    let digits = &digest.as_str()[digest.as_str().len() - 8..];
    let begin = u32::from_str_radix(digits, 16).unwrap_or(0) % tasks.max(1);
    (begin..tasks).chain(0..begin).collect()
}
