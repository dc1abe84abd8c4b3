//! Reads every row of a month and compares it with the log.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatch, cast::AsArray};
use arrow::datatypes::Int32Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::check::{CheckReport, DefectKind};
use super::data::row_order;
use super::encoding::parcel_bounds;
use super::fetch::{Fault, fetch_file};
use super::log::TableLog;
use super::merge::{Merge, SortedFile};
use super::order::{RowOrder, is_sorted};
use super::snapshot::TableFile;
use super::{TableKind, TableStore};
use crate::ExtractError;

/// Rows that are read at once.
const READ_ROWS: usize = 8_192;

/// What is wrong, and with what.
type Found = (DefectKind, String, String);

/// Checks the files of one month of one table, and that no row is there twice.
pub(super) async fn check_month(
    log: &TableLog,
    store: &TableStore,
    files: &[Arc<TableFile>],
    report: &mut CheckReport,
) -> Result<(), ExtractError> {
    let scratch = store.scratch()?;
    let mut sound = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let href = log.writer.href(&file.path);
        let copy = scratch.path().join(format!("checked-{index}.parquet"));
        match fetch_file(&log.writer, file, copy).await? {
            Ok(path) => sound.push((path, href, file.clone())),
            // Told already.
            Err(Fault::Missing) => {}
            Err(Fault::Changed { found }) => {
                let found = format!("its digest is {found}, committed was {}", file.digest);
                report.add(DefectKind::ChangedFile, &href, found);
            }
        }
    }
    let order = row_order(log.kind)?;
    let kind = log.kind;
    let found = swath_io::compute::run(move |_| {
        let mut found = Vec::new();
        let mut sorted = Vec::new();
        for (path, href, file) in sound {
            match check_file(&path, &file, &order) {
                Ok(None) => sorted.push(SortedFile::whole(path)),
                Ok(Some(reason)) => found.push((DefectKind::WrongFile, href, reason)),
                Err(reason) => found.push((DefectKind::ChangedFile, href, reason)),
            }
        }
        find_duplicates(sorted, &order, kind, scratch.path(), &mut found)?;
        Ok::<_, ExtractError>(found)
    })
    .await?;
    for (kind, place, reason) in found {
        report.add(kind, &place, reason);
    }
    Ok(())
}

/// Reads a file; what differs from the log, in words.
///
/// # Errors
/// In words, where it cannot be read.
fn check_file(path: &Path, file: &TableFile, order: &RowOrder) -> Result<Option<String>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("it cannot be read: {error}");
    let opened = File::open(path).map_err(|error| failed(&error))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|error| failed(&error))?;
    let reader = builder
        .with_batch_size(READ_ROWS)
        .build()
        .map_err(|error| failed(&error))?;
    let mut rows = 0;
    let mut parcels: Option<(i32, i32)> = None;
    let mut item_rows: BTreeMap<String, u64> = BTreeMap::new();
    let mut before: Option<RecordBatch> = None;
    for batch in reader {
        let batch = batch.and_then(|batch| batch.with_schema(order.schema().clone()));
        let batch = batch.map_err(|error| failed(&error))?;
        rows += batch.num_rows() as u64;
        let keys = order.keys(&batch).map_err(|error| failed(&error))?;
        let last_key = before
            .map(|last| order.keys(&last))
            .transpose()
            .map_err(|error| failed(&error))?;
        let is_after = last_key.is_none_or(|last| {
            keys.num_rows() == 0 || last.row(0).as_ref() <= keys.row(0).as_ref()
        });
        if !is_after || !is_sorted(&keys) {
            return Ok(Some(
                "its rows are not sorted by parcel, band and datetime".to_owned(),
            ));
        }
        if let Some((first, last)) = parcel_bounds(&batch) {
            parcels = Some((parcels.map_or(first, |bounds| bounds.0), last));
            before = Some(batch.slice(batch.num_rows() - 1, 1));
        } else {
            before = None;
        }
        let items = batch
            .column_by_name("item_id")
            .expect("the schema was compared");
        for item in items.as_string::<i32>().iter().flatten() {
            match item_rows.get_mut(item) {
                Some(rows) => *rows += 1,
                None => {
                    item_rows.insert(item.to_owned(), 1);
                }
            }
        }
    }
    Ok(difference(file, rows, parcels, item_rows))
}

/// Compares what was read of a file with what the log says.
fn difference(
    file: &TableFile,
    rows: u64,
    parcels: Option<(i32, i32)>,
    item_rows: BTreeMap<String, u64>,
) -> Option<String> {
    if rows != file.rows {
        return Some(format!("it has {rows} rows, the log says {}", file.rows));
    }
    let is_within = match (parcels, file.stats.parcel) {
        (Some((first, last)), Some((low, high))) => low <= first && last <= high,
        _ => true,
    };
    if !is_within {
        return Some("it has parcels outside of the bounds in the log".to_owned());
    }
    let known = file.units.iter();
    let known: BTreeMap<String, u64> = known
        .map(|unit| (unit.item_id.clone(), unit.rows))
        .collect();
    (known != item_rows)
        .then(|| "the rows of its items are not those of its units in the log".to_owned())
}

/// Finds rows that are there twice: in sorted rows those of a parcel and band stand together.
fn find_duplicates(
    files: Vec<SortedFile>,
    order: &RowOrder,
    kind: TableKind,
    scratch: &Path,
    found: &mut Vec<Found>,
) -> Result<(), ExtractError> {
    let mut rows = Merge::open(files, order, scratch)?;
    let mut group: Option<(i32, String)> = None;
    let mut seen: HashSet<String> = HashSet::new();
    while let Some(batch) = rows.next()? {
        let text = |name: &str| {
            batch
                .column_by_name(name)
                .expect("it is in the schema")
                .as_string::<i32>()
        };
        let number = |name: &str| {
            let column = batch.column_by_name(name).expect("it is in the schema");
            column.as_primitive::<Int32Type>()
        };
        let (parcels, bands) = (number("parcel"), text("band"));
        for row in 0..batch.num_rows() {
            let (parcel, band) = (parcels.value(row), bands.value(row));
            let is_same = group
                .as_ref()
                .is_some_and(|held| held.0 == parcel && held.1 == band);
            if !is_same {
                group = Some((parcel, band.to_owned()));
                seen.clear();
            }
            let key = match kind {
                TableKind::Extracts => text("pass").value(row).to_owned(),
                TableKind::Classes => {
                    format!(
                        "{} class {}",
                        text("item_id").value(row),
                        number("class").value(row)
                    )
                }
            };
            if !seen.insert(key.clone()) {
                let place = format!("parcel {} ({parcel})", text("parcel_id").value(row));
                let reason = format!("band {band} has two rows of {key}");
                found.push((DefectKind::DuplicateRow, place, reason));
            }
        }
    }
    Ok(())
}
