//! Where units of a job are measured: in the process that runs the command, or in a worker of it.
//!
//! A job of units is `<job>/plan.json`, `<job>/extract.json` (what all units have in common) and
//! `<job>/tasks/<N>.json` (one unit each). A worker needs the stores only, no database.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use swath_access::{Resource, Viewer};
use swath_extract::table::{CommitNumbers, ExtractTable, TableStore};
use swath_extract::{
    ExtractError, ExtractPlan, Extractor, MeasureOptions, PlannedParcels, PlannedUnit, UnitDesk,
    UnitOutcome, is_unit_fault,
};
use swath_grid::Crs;
use swath_io::vector::set::ParcelSetFile;
use swath_io::vector::{ParcelOptions, ParcelSource, read_parcels};
use swath_jobs::{JobId, JobStore, TaskFailure};

use crate::allocator::{give_memory_back, keep_memory_small};
use crate::config::Context;
use crate::error::UsageError;

/// Time between two times that free memory is given back while a unit is measured.
const MEMORY_BACK_EVERY: Duration = Duration::from_millis(200);

/// The command of a task that measures a unit of work: [`super::super::task`] runs it in its own process.
pub const MEASURE_UNIT: &str = "measure-unit";
/// Largest part of a plan, in bytes.
const PART_BYTES_MAX: u64 = 64 << 20;
/// Units written at once.
const PARTS_AT_ONCE: usize = 16;

/// What a task of a job of units leaves behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "did", rename_all = "lowercase")]
pub enum UnitValue {
    /// The unit was measured: it is to be committed.
    Measured(Box<UnitOutcome>),
    /// The table held it when the task began: somebody else was faster.
    Already,
}

/// The parcels of a plan, brought to the grids, and the table.
pub struct Desk {
    plan: ExtractPlan,
    extractor: Extractor,
    table: ExtractTable,
}

impl Desk {
    /// Returns the desk of a plan.
    ///
    /// # Errors
    /// Options that make no sense.
    pub fn new(
        context: &Context,
        plan: ExtractPlan,
        source: ParcelSource,
        table: ExtractTable,
        memory_bytes_max: usize,
    ) -> Result<Self> {
        let machine = MeasureOptions {
            threads: context.threads,
            memory_bytes_max,
            cache_dir: Some(context.coverage_cache()),
            ..MeasureOptions::default()
        };
        let extractor = Extractor::new(Arc::new(source), plan.measure.options(machine))?;
        // Shapes of a country have just gone to disk.
        give_memory_back();
        Ok(Self {
            plan,
            extractor,
            table,
        })
    }

    /// Opens the desk of a job, as a worker does.
    ///
    /// # Errors
    /// Where plan, parcels or table are not there, or are not those that were planned with.
    pub async fn open(context: &Context, jobs: &JobStore, job: &JobId) -> Result<Self> {
        let key = format!("{job}/extract.json");
        let text = read_part(jobs, &key).await?;
        let plan = ExtractPlan::parse(&text, &jobs.writer().href(&key))?;
        let source = read_planned(context, &plan.parcels).await?;
        let writer = context.stores.writer(&Viewer::operator(), &plan.table)?;
        // A worker writes data files only: nobody has to decide on numbers.
        let store = TableStore::new(writer, CommitNumbers::ConditionalPut);
        let table = ExtractTable::open(store).await?;
        let table = table.with_context(|| format!("the table {} is gone", plan.table))?;
        let memory = MeasureOptions::default().memory_bytes_max;
        Self::new(context, plan, source, table, memory)
    }

    /// Returns the parcels on their grids.
    pub fn extractor(&self) -> &Extractor {
        &self.extractor
    }

    /// Measures a unit, unless the table holds it by now; `task` names the work, `token` the attempt.
    ///
    /// # Errors
    /// Why it could not be measured.
    pub async fn measure(
        &self,
        context: &Context,
        planned: &PlannedUnit,
        task: &str,
        token: &str,
    ) -> Result<UnitValue, ExtractError> {
        let snapshot = self.table.snapshot().await?;
        if snapshot.inputs(&planned.unit.key) == Some(planned.unit.inputs) {
            return Ok(UnitValue::Already);
        }
        let desk = UnitDesk {
            extractor: &self.extractor,
            stores: &context.stores,
            table: self.table.store(),
            plan: &self.plan,
        };
        let outcome = tokio::select! {
            outcome = desk.measure(planned, task, token) => outcome?,
            never = keep_memory_small(MEMORY_BACK_EVERY) => match never {},
        };
        Ok(UnitValue::Measured(Box::new(outcome)))
    }
}

/// Returns how a task says that a unit could not be measured.
pub fn task_failure(error: &ExtractError) -> TaskFailure {
    TaskFailure {
        reason: error.to_string(),
        is_final: is_unit_fault(error),
    }
}

/// Reads one unit of a job.
///
/// # Errors
/// Where it is not there or no unit.
pub async fn read_unit(jobs: &JobStore, job: &JobId, task: u32) -> Result<PlannedUnit> {
    let key = format!("{job}/tasks/{task}.json");
    let text = read_part(jobs, &key).await?;
    serde_json::from_slice(&text)
        .with_context(|| format!("{} is no unit", jobs.writer().href(&key)))
}

/// Writes what the tasks of a job need, before its plan.
///
/// # Errors
/// A store that fails.
pub async fn write_parts(
    jobs: &JobStore,
    job: &JobId,
    plan: &ExtractPlan,
    units: &[PlannedUnit],
) -> Result<()> {
    let text = serde_json::to_vec(plan)?;
    let key = format!("{job}/extract.json");
    jobs.writer().put(&key, text.into()).await?;
    let put = |(number, unit): (usize, &PlannedUnit)| {
        let key = format!("{job}/tasks/{number}.json");
        let text = serde_json::to_vec(unit);
        async move { anyhow::Ok(jobs.writer().put(&key, text?.into()).await?) }
    };
    let puts: Vec<_> = units.iter().enumerate().map(put).collect();
    futures::stream::iter(puts)
        .buffer_unordered(PARTS_AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

async fn read_part(jobs: &JobStore, key: &str) -> Result<bytes::Bytes> {
    let found = jobs.writer().get(key, PART_BYTES_MAX).await?;
    found.with_context(|| format!("{} is not there", jobs.writer().href(key)))
}

/// Reads the parcels of a plan and checks that they are those it was made with.
async fn read_planned(context: &Context, planned: &PlannedParcels) -> Result<ParcelSource> {
    let source = match &planned.file {
        None => {
            let operator = Viewer::operator();
            let resource = Resource::direct();
            let asset = context
                .stores
                .resolve(&operator, &resource, &planned.href)?;
            ParcelSetFile::open(&asset).await?.source().await?
        }
        Some(file) => {
            let options = ParcelOptions {
                layer: file.layer.clone(),
                id: file.id.clone(),
                crs: file.crs.as_deref().map(Crs::parse).transpose()?,
                ..ParcelOptions::default()
            };
            read_parcels(Path::new(&planned.href), &options).await?
        }
    };
    match digest_text(&source) == planned.digest {
        true => Ok(source),
        false => Err(UsageError(format!(
            "{}: the parcels were changed since the job was planned; run the command again",
            planned.href
        ))
        .into()),
    }
}

/// Returns the digest of parcels as plans have it.
pub fn digest_text(source: &ParcelSource) -> String {
    format!("{:016x}", source.digest)
}

/// Returns the value of a task as JSON.
///
/// # Errors
/// Never but for our own bugs.
pub fn to_value(value: &UnitValue) -> Result<Value, TaskFailure> {
    serde_json::to_value(value).map_err(|error| TaskFailure {
        reason: error.to_string(),
        is_final: false,
    })
}
