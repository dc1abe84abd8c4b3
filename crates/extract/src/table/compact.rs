//! Merges the files of a month: the same rows in fewer files, sorted as all files are.
//!
//! 1. Fetch the files of the month and check them.
//! 2. Merge them into one, or into several where one would be too large; count rows and units.
//! 3. Commit: remove and add, both without a change of data. Where one of the files was replaced
//!    meanwhile, begin again; where only the number was taken, try the next one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use arrow::array::RecordBatch;
use swath_io::Put;

use super::TableStore;
use super::attempts::Attempts;
use super::commit::finish;
use super::data::{FileWriter, WrittenFile, row_order};
use super::fetch::fetch_files;
use super::log::action::Action;
use super::log::{TableLog, commit_info, now_ms, random_uuid};
use super::merge::{Merge, SortedFile};
use super::order::RowOrder;
use super::snapshot::{DataChange, FileUnit, Snapshot, TableFile};
use crate::ExtractError;

/// Bytes above which a file is ended.
const FILE_BYTES_MAX: u64 = 2 << 30;
/// Rows above which a file is ended.
const FILE_ROWS_MAX: u64 = 200_000_000;

/// Batches that are in order and not written yet.
const BATCHES_AHEAD: usize = 2;

/// What a compaction did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// Months that were merged, of the table of statistics and of classes.
    pub months: u64,
    /// Files that were replaced.
    pub files_before: u64,
    /// Files that took their place.
    pub files_after: u64,
    /// Bytes of the files that were replaced.
    pub bytes_before: u64,
    /// Bytes of the files that took their place.
    pub bytes_after: u64,
}

/// Files and what takes their place.
struct Merged {
    before: Vec<Arc<TableFile>>,
    after: Vec<TableFile>,
}

impl Merged {
    /// True where all files that it replaces are still part of the table.
    fn holds(&self, snapshot: &Snapshot) -> bool {
        self.before
            .iter()
            .all(|file| snapshot.file(&file.path).is_some())
    }
}

/// Merges the files of one month of one table, where there are several.
pub(super) async fn compact_month(
    log: &TableLog,
    store: &TableStore,
    month: &str,
    report: &mut CompactReport,
) -> Result<(), ExtractError> {
    let mut attempts = Attempts::default();
    let mut ready: Option<Merged> = None;
    loop {
        attempts.begin(log).await?;
        let Some(snapshot) = log.snapshot().await? else {
            return Ok(());
        };
        let merged = match ready.take().filter(|merged| merged.holds(&snapshot)) {
            Some(merged) => merged,
            None => {
                let files: Vec<_> = snapshot.month(month).cloned().collect();
                if !is_worth(&files) {
                    return Ok(());
                }
                merge_files(log, store, month, files).await?
            }
        };
        // Merging takes long: the number is that of the table as it is now.
        let snapshot = log
            .snapshot()
            .await?
            .filter(|snapshot| merged.holds(snapshot));
        let Some(snapshot) = snapshot else {
            continue;
        };
        let actions = actions(month, &merged)?;
        if log.take_number(snapshot.version() + 1, &actions).await? == Put::Written {
            report.months += 1;
            report.files_before += merged.before.len() as u64;
            report.files_after += merged.after.len() as u64;
            report.bytes_before += merged
                .before
                .iter()
                .map(|file| file.size_bytes)
                .sum::<u64>();
            report.bytes_after += merged.after.iter().map(|file| file.size_bytes).sum::<u64>();
            finish(log).await?;
            return Ok(());
        }
        ready = Some(merged);
    }
}

/// True where there would be fewer files.
fn is_worth(files: &[Arc<TableFile>]) -> bool {
    let bytes: u64 = files.iter().map(|file| file.size_bytes).sum();
    let rows: u64 = files.iter().map(|file| file.rows).sum();
    let fewest = bytes
        .div_ceil(FILE_BYTES_MAX)
        .max(rows.div_ceil(FILE_ROWS_MAX))
        .max(1);
    files.len() as u64 > fewest
}

async fn merge_files(
    log: &TableLog,
    store: &TableStore,
    month: &str,
    before: Vec<Arc<TableFile>>,
) -> Result<Merged, ExtractError> {
    let units = units_by_item(log, &before)?;
    let scratch = store.scratch()?;
    let files = fetch_files(&log.writer, &before, scratch.path()).await?;
    let order = row_order(log.kind)?;
    let (written, scratch) = swath_io::compute::run(move |_| {
        merge(files, &order, &scratch).map(|written| (written, scratch))
    })
    .await?;
    let mut after = Vec::new();
    for file in written {
        let path = format!("data/merged/{}.parquet", random_uuid()?);
        log.writer.take_file(&path, &file.path).await?;
        after.push(file.into_table_file(path, month, units.values()));
    }
    drop(scratch);
    let count = |rows: &mut dyn Iterator<Item = u64>| rows.sum::<u64>();
    let rows_before = count(&mut before.iter().map(|file| file.rows));
    let rows_after = count(&mut after.iter().map(|file| file.rows));
    let unit_rows = count(
        &mut after
            .iter()
            .flat_map(|file| &file.units)
            .map(|unit| unit.rows),
    );
    if rows_before != rows_after || (unit_rows != rows_after && !units.is_empty()) {
        return Err(log.damaged(&format!(
            "the files of {month} should have {rows_before} rows, {rows_after} were read, {unit_rows} of known units; \
             run table check"
        )));
    }
    Ok(Merged { before, after })
}

/// Returns the units of files by the item that their rows carry.
fn units_by_item(
    log: &TableLog,
    files: &[Arc<TableFile>],
) -> Result<BTreeMap<String, FileUnit>, ExtractError> {
    let mut units: BTreeMap<String, FileUnit> = BTreeMap::new();
    for unit in files.iter().flat_map(|file| &file.units) {
        let other = units.insert(unit.item_id.clone(), unit.clone());
        if let Some(other) = other.filter(|other| other.unit != unit.unit) {
            return Err(log.damaged(&format!(
                "the units {} and {} have the same item {}; run table check",
                other.unit, unit.unit, unit.item_id
            )));
        }
    }
    Ok(units)
}

/// Merges files into as few as are allowed: one thread reads and puts rows in order, another writes them.
fn merge(
    files: Vec<SortedFile>,
    order: &RowOrder,
    scratch: &tempfile::TempDir,
) -> Result<Vec<WrittenFile>, ExtractError> {
    std::thread::scope(|scope| {
        let (merged, batches) = sync_channel(BATCHES_AHEAD);
        let merging = scope.spawn(move || -> Result<(), ExtractError> {
            let mut rows = Merge::open(files, order, scratch.path())?;
            while let Some(batch) = rows.next()? {
                // Nobody takes rows any more where writing failed.
                if merged.send(batch).is_err() {
                    break;
                }
            }
            Ok(())
        });
        let written = write_merged(batches, order, scratch);
        merging
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        written
    })
}

fn write_merged(
    batches: Receiver<RecordBatch>,
    order: &RowOrder,
    scratch: &tempfile::TempDir,
) -> Result<Vec<WrittenFile>, ExtractError> {
    let mut written = Vec::new();
    let begin = |index: usize| {
        FileWriter::create(
            scratch.path().join(format!("merged-{index}.parquet")),
            order,
        )
    };
    let mut writer = begin(0)?;
    for batch in batches {
        if writer.size_bytes() >= FILE_BYTES_MAX || writer.rows() >= FILE_ROWS_MAX {
            written.extend(std::mem::replace(&mut writer, begin(written.len() + 1)?).finish()?);
        }
        writer.push(batch)?;
    }
    written.extend(writer.finish()?);
    Ok(written)
}

fn actions(month: &str, merged: &Merged) -> Result<Vec<Action>, ExtractError> {
    let now_ms = now_ms();
    let mut actions = vec![commit_info("OPTIMIZE", &[("month", month.to_owned())])?];
    let before = merged.before.iter();
    actions.extend(before.map(|file| Action::Remove(file.to_remove(now_ms, DataChange::Layout))));
    let after = merged.after.iter();
    actions.extend(after.map(|file| Action::Add(file.to_add(DataChange::Layout))));
    Ok(actions)
}
