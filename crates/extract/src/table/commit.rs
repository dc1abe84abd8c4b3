//! Many results into one commit, each unit once.
//!
//! 1. Bring the snapshot forward and drop the units that are done.
//! 2. Files of former revisions go; those that hold other units too are written anew without them.
//! 3. Take the next number; where another commit has it, begin again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use swath_io::Put;

use super::attempts::Attempts;
use super::data::{FileWriter, row_order};
use super::fetch::fetch_files;
use super::log::action::{Action, Txn};
use super::log::{TableLog, commit_info, now_ms, random_uuid};
use super::merge::Merge;
use super::snapshot::{DataChange, FileUnit, INPUTS_PREFIX, Snapshot, TableFile};
use super::stats::FileStats;
use super::{DataFile, TableKind, TableStore, UnitResult};
use crate::ExtractError;

/// Age of the snapshot of a commit above which one looks whether the number was free only because the
/// commits up to it were cleaned up.
const UNCHECKED_AGE_MAX: Duration = Duration::from_secs(600);

/// What one table gets of a unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnitFile<'a> {
    pub(super) result: &'a UnitResult,
    pub(super) data: Option<&'a DataFile>,
}

impl UnitFile<'_> {
    /// True where the table has this revision of the unit, or a later one.
    fn is_done(&self, snapshot: &Snapshot, kind: TableKind) -> bool {
        let Some(revision) = snapshot.revision(&self.result.unit) else {
            return false;
        };
        match kind {
            TableKind::Extracts => revision >= self.result.revision,
            // Classes come first: of a revision that was not finished there may be classes of other
            // inputs.
            TableKind::Classes => {
                let is_same = snapshot.inputs(&self.result.unit) == Some(self.result.inputs);
                revision > self.result.revision || (revision == self.result.revision && is_same)
            }
        }
    }

    /// Returns the file as it will be part of the table.
    fn table_file(&self, now_ms: i64) -> Option<TableFile> {
        let (result, data) = (self.result, self.data?);
        let (_, stats) = FileStats::read(&data.stats);
        let is_one = result.items.len() < 2;
        Some(TableFile {
            path: data.path.clone(),
            size_bytes: data.size_bytes,
            month: result.month.clone(),
            rows: data.rows,
            stats,
            units: vec![FileUnit {
                unit: result.unit.clone(),
                revision: result.revision,
                item_id: result.item_id.clone(),
                rows: data.rows,
                items: if is_one {
                    Vec::new()
                } else {
                    result.items.clone()
                },
            }],
            digest: data.digest.clone(),
            modified_ms: now_ms,
            stats_json: Some(data.stats.clone()),
        })
    }
}

/// Files that were written anew, so that an attempt that lost its number need not do so again.
#[derive(Default)]
struct Rewritten(BTreeMap<(String, BTreeSet<String>), Option<TableFile>>);

/// Commits units to one of the two tables; returns those that this call made done and the table after.
pub(super) async fn commit_units(
    log: &TableLog,
    store: &TableStore,
    units: &[UnitFile<'_>],
) -> Result<(BTreeSet<String>, Arc<Snapshot>), ExtractError> {
    let mut attempts = Attempts::default();
    let mut rewritten = Rewritten::default();
    loop {
        attempts.begin(log).await?;
        let begun = SystemTime::now();
        let snapshot = log.snapshot().await?;
        let snapshot = snapshot.ok_or_else(|| log.damaged("it is gone"))?;
        let open = units
            .iter()
            .filter(|unit| !unit.is_done(&snapshot, log.kind));
        let open: Vec<UnitFile> = open.copied().collect();
        if open.is_empty() {
            return Ok((BTreeSet::new(), snapshot));
        }
        let actions = actions(log, store, &snapshot, &open, &mut rewritten).await?;
        let number = snapshot.version() + 1;
        if log.take_number(number, &actions).await? == Put::Written
            && !is_void(log, number, begun).await?
        {
            let names = open.iter().map(|unit| unit.result.unit.clone());
            return Ok((names.collect(), finish(log).await?));
        }
    }
}

/// True for a commit that nobody will ever read: the writer was stopped for so long that commits up to
/// a later checkpoint were cleaned up, and its number became free again.
async fn is_void(log: &TableLog, number: i64, begun: SystemTime) -> Result<bool, ExtractError> {
    let is_fresh = begun.elapsed().is_ok_and(|age| age <= UNCHECKED_AGE_MAX);
    match is_fresh {
        true => Ok(false),
        false => Ok(log
            .checkpoint_version()
            .await?
            .is_some_and(|version| version >= number)),
    }
}

/// Returns the table after a commit, and writes a checkpoint where one is due.
pub(super) async fn finish(log: &TableLog) -> Result<Arc<Snapshot>, ExtractError> {
    let snapshot = log.snapshot().await?;
    let snapshot = snapshot.ok_or_else(|| log.damaged("it is gone"))?;
    // The commit stands without it; the next one tries again.
    if let Err(error) = log.checkpoint_if_due(&snapshot).await {
        tracing::warn!(%error, "no checkpoint");
    }
    Ok(snapshot)
}

/// Returns the actions that make units done.
async fn actions(
    log: &TableLog,
    store: &TableStore,
    snapshot: &Snapshot,
    open: &[UnitFile<'_>],
    rewritten: &mut Rewritten,
) -> Result<Vec<Action>, ExtractError> {
    let now_ms = now_ms();
    let count = [("units", open.len().to_string())];
    let mut actions = vec![commit_info("WRITE", &count)?];
    for unit in open {
        let result = unit.result;
        let inputs = format!("{INPUTS_PREFIX}{}", result.unit);
        let versions = [
            (result.unit.clone(), result.revision),
            (inputs, result.inputs.cast_signed()),
        ];
        actions.extend(versions.map(|(app_id, version)| {
            Action::Txn(Txn {
                app_id,
                version,
                last_updated: Some(now_ms),
            })
        }));
    }
    let names: BTreeSet<&str> = open.iter().map(|unit| unit.result.unit.as_str()).collect();
    let is_former = |unit: &&FileUnit| names.contains(unit.unit.as_str());
    let former = snapshot
        .files()
        .filter(|file| file.units.iter().any(|unit| is_former(&unit)));
    for file in former {
        actions.push(Action::Remove(file.to_remove(now_ms, DataChange::Rows)));
        let (gone, left): (Vec<_>, Vec<_>) = file
            .units
            .iter()
            .cloned()
            .partition(|unit| is_former(&unit));
        if left.is_empty() {
            continue;
        }
        let items: BTreeSet<String> = gone.into_iter().map(|unit| unit.item_id).collect();
        let key = (file.path.clone(), items);
        if !rewritten.0.contains_key(&key) {
            let anew = write_without(log, store, file, &key.1, left).await?;
            rewritten.0.insert(key.clone(), anew);
        }
        let anew = rewritten.0[&key].iter();
        actions.extend(anew.map(|file| Action::Add(file.to_add(DataChange::Rows))));
    }
    let files = open.iter().filter_map(|unit| unit.table_file(now_ms));
    actions.extend(files.map(|file| Action::Add(file.to_add(DataChange::Rows))));
    Ok(actions)
}

/// Writes a file anew without the rows of some items; `None` where no row is left.
async fn write_without(
    log: &TableLog,
    store: &TableStore,
    file: &Arc<TableFile>,
    items: &BTreeSet<String>,
    left: Vec<FileUnit>,
) -> Result<Option<TableFile>, ExtractError> {
    if let Some(unit) = left.iter().find(|unit| items.contains(&unit.item_id)) {
        return Err(log.damaged(&format!(
            "{}: the unit {} has the same item {} as one that is replaced; run table check",
            file.path, unit.unit, unit.item_id
        )));
    }
    let scratch = store.scratch()?;
    let mut files = fetch_files(&log.writer, std::slice::from_ref(file), scratch.path()).await?;
    for source in &mut files {
        source.without_items = items.clone();
    }
    let order = row_order(log.kind)?;
    let (written, scratch) = swath_io::compute::run(move |_| {
        let mut rows = Merge::open(files, &order, scratch.path())?;
        let mut writer = FileWriter::create(scratch.path().join("anew.parquet"), &order)?;
        while let Some(batch) = rows.next()? {
            writer.push(batch)?;
        }
        Ok::<_, ExtractError>((writer.finish()?, scratch))
    })
    .await?;
    let Some(written) = written else {
        return Ok(None);
    };
    let path = format!("data/rewritten/{}.parquet", random_uuid()?);
    log.writer.take_file(&path, &written.path).await?;
    drop(scratch);
    Ok(Some(written.into_table_file(
        path,
        &file.month,
        left.iter(),
    )))
}
