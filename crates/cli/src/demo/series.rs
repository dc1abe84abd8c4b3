//! Reads measured tables row by row: all bands of one parcel in one item at a time.
//!
//! Memory does not grow with the table: rows are ordered by datetime, item, parcel and band.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

pub use crate::chart::Observation;

/// Rows that are read at once.
const BATCH_ROWS: usize = 16_384;

/// Where classes of the scene were counted, and which of them hide the ground.
#[derive(Debug, Clone, Copy)]
pub struct SceneClasses<'a> {
    /// File of class counts that belongs to the table.
    pub path: &'a Path,
    /// Classes that hide the ground.
    pub dropped: &'a [f64],
}

/// Calls `visit` with each parcel of each item of a table.
///
/// # Errors
/// Where a file cannot be read, or `visit` fails.
pub fn visit_table(
    path: &Path,
    classes: Option<SceneClasses<'_>>,
    visit: &mut dyn FnMut(&Observation) -> Result<()>,
) -> Result<()> {
    let mut shares = classes.map(ClearShares::open).transpose()?;
    let mut current = Observation::default();
    let mut has_rows = false;
    let mut finish = |observation: &mut Observation| -> Result<()> {
        if let Some(shares) = &mut shares
            && let Some(clear) = shares.of(observation.datetime_us, &observation.parcel_id)?
        {
            observation.clear = clear;
        }
        visit(observation)
    };
    for batch in open(
        path,
        &[
            "item_id",
            "datetime",
            "parcel_id",
            "band",
            "count",
            "mean",
            "clear",
        ],
    )? {
        let batch = batch.with_context(|| format!("cannot read {}", path.display()))?;
        let items = column(&batch, "item_id")?.as_string::<i32>();
        let datetimes = column(&batch, "datetime")?.as_primitive::<TimestampMicrosecondType>();
        let parcels = column(&batch, "parcel_id")?.as_string::<i32>();
        let bands = column(&batch, "band")?.as_string::<i32>();
        let means = column(&batch, "mean")?.as_primitive::<Float64Type>();
        let counts = column(&batch, "count")?.as_primitive::<Float64Type>();
        let clears = column(&batch, "clear")?.as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            let (item_id, parcel_id) = (items.value(row), parcels.value(row));
            if !has_rows || current.parcel_id != parcel_id || current.item_id != item_id {
                if has_rows {
                    finish(&mut current)?;
                }
                has_rows = true;
                current.item_id.clear();
                current.item_id.push_str(item_id);
                current.parcel_id.clear();
                current.parcel_id.push_str(parcel_id);
                current.datetime_us = datetimes.value(row);
                current.means.clear();
                current.clear = 1.0;
                current.count = 0.0;
            }
            current.count = current.count.max(counts.value(row));
            current.clear = current.clear.min(clears.value(row));
            if means.is_valid(row) && means.value(row).is_finite() {
                current
                    .means
                    .push((bands.value(row).to_owned(), means.value(row)));
            }
        }
    }
    if has_rows {
        finish(&mut current)?;
    }
    Ok(())
}

/// Clear shares of one datetime after the other.
struct ClearShares<'a> {
    batches: ParquetRecordBatchReader,
    dropped: &'a [f64],
    /// Rows of the batch at hand, from the first that is not yet used.
    rows: Option<(RecordBatch, usize)>,
    datetime_us: i64,
    /// Clear and whole count by parcel, of `datetime_us`.
    counts: HashMap<String, (f64, f64)>,
}

impl<'a> ClearShares<'a> {
    fn open(classes: SceneClasses<'a>) -> Result<Self> {
        Ok(Self {
            batches: open(classes.path, &["datetime", "parcel_id", "class", "count"])?,
            dropped: classes.dropped,
            rows: None,
            datetime_us: i64::MIN,
            counts: HashMap::new(),
        })
    }

    /// Returns the clear share of a parcel; datetimes must not fall from call to call.
    fn of(&mut self, datetime_us: i64, parcel_id: &str) -> Result<Option<f64>> {
        if datetime_us != self.datetime_us {
            self.advance(datetime_us)?;
        }
        let counts = self.counts.get(parcel_id).filter(|(_, whole)| *whole > 0.0);
        Ok(counts.map(|(clear, whole)| clear / whole))
    }

    fn advance(&mut self, datetime_us: i64) -> Result<()> {
        self.datetime_us = datetime_us;
        self.counts.clear();
        loop {
            let (batch, from) = match self.rows.take() {
                Some(rows) => rows,
                None => match self.batches.next().transpose()? {
                    Some(batch) => (batch, 0),
                    None => return Ok(()),
                },
            };
            let datetimes = column(&batch, "datetime")?.as_primitive::<TimestampMicrosecondType>();
            let parcels = column(&batch, "parcel_id")?.as_string::<i32>();
            let classes = column(&batch, "class")?.as_primitive::<Float64Type>();
            let counts = column(&batch, "count")?.as_primitive::<Float64Type>();
            for row in from..batch.num_rows() {
                if datetimes.value(row) > datetime_us {
                    self.rows = Some((batch, row));
                    return Ok(());
                }
                if datetimes.value(row) == datetime_us {
                    let entry = self
                        .counts
                        .entry(parcels.value(row).to_owned())
                        .or_default();
                    if !self.dropped.contains(&classes.value(row)) {
                        entry.0 += counts.value(row);
                    }
                    entry.1 += counts.value(row);
                }
            }
        }
    }
}

/// Opens the columns `names` of a Parquet file.
///
/// # Errors
/// Where the file cannot be read.
pub fn open(path: &Path, names: &[&str]) -> Result<ParquetRecordBatchReader> {
    let cannot = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(cannot)?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).with_context(cannot)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
    builder
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .with_context(cannot)
}

/// Returns a column by its name.
///
/// # Errors
/// Where there is none.
pub fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a dyn Array> {
    let found = batch
        .column_by_name(name)
        .ok_or_else(|| anyhow!("a table without column \"{name}\""))?;
    Ok(found.as_ref())
}
