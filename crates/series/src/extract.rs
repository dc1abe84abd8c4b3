//! Rows of the extract table as values.

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Float32Type, Int16Type, Int32Type, TimestampMicrosecondType};

use crate::SeriesError;

/// One of the statistics of an extract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Statistic {
    /// Mean.
    Mean,
    /// Population standard deviation.
    Stdev,
    /// Least value.
    Min,
    /// Largest value.
    Max,
    /// Lower quartile.
    P25,
    /// Median.
    P50,
    /// Upper quartile.
    P75,
}

impl Statistic {
    /// All, in the order of the table.
    pub const ALL: [Self; 7] = [
        Self::Mean,
        Self::Stdev,
        Self::Min,
        Self::Max,
        Self::P25,
        Self::P50,
        Self::P75,
    ];

    /// Returns the name of its column.
    pub fn name(self) -> &'static str {
        ["mean", "stdev", "min", "max", "p25", "p50", "p75"][self as usize]
    }
}

/// One row: a parcel in one unit of work and one band.
#[derive(Debug, Clone, PartialEq)]
pub struct Extract {
    /// Row of the parcel in its set version.
    pub parcel: i32,
    /// The user's id.
    pub parcel_id: String,
    /// Acquisition start, microseconds since 1970, UTC.
    pub datetime_us: i64,
    /// Collection.
    pub collection: String,
    /// The first slice's item.
    pub item_id: String,
    /// Band.
    pub band: String,
    /// Platform and datatake, or the item's id.
    pub pass: String,
    /// Relative orbit, where known.
    pub relative_orbit: Option<i16>,
    /// `ascending` or `descending`, where known.
    pub orbit_state: Option<String>,
    /// Sum of the shares of valid pixels.
    pub count: f32,
    /// Share of the parcel that was valid, 0..=1.
    pub clear: f32,
    /// By [`Statistic`]; `None` where the count is 0.
    pub statistics: [Option<f32>; 7],
}

impl Extract {
    /// Returns a statistic; `None` where the count is 0.
    pub fn statistic(&self, statistic: Statistic) -> Option<f64> {
        self.statistics[statistic as usize].map(f64::from)
    }
}

/// Returns the rows of a batch, in their order.
///
/// # Errors
/// Where a column of the extract table is missing.
pub fn extracts_of(batch: &RecordBatch) -> Result<Vec<Extract>, SeriesError> {
    let parcels = typed(batch, "parcel", |array| {
        array.as_primitive_opt::<Int32Type>()
    })?;
    let datetimes = typed(batch, "datetime", |array| {
        array.as_primitive_opt::<TimestampMicrosecondType>()
    })?;
    let parcel_ids = texts(batch, "parcel_id")?;
    let collections = texts(batch, "collection")?;
    let item_ids = texts(batch, "item_id")?;
    let bands = texts(batch, "band")?;
    let passes = texts(batch, "pass")?;
    let orbits = typed(batch, "relative_orbit", |array| {
        array.as_primitive_opt::<Int16Type>()
    })?;
    let orbit_states = texts(batch, "orbit_state")?;
    let number = |name| typed(batch, name, |array| array.as_primitive_opt::<Float32Type>());
    let (counts, clears) = (number("count")?, number("clear")?);
    let mut statistics = Vec::with_capacity(Statistic::ALL.len());
    for statistic in Statistic::ALL {
        statistics.push(number(statistic.name())?);
    }
    let row = |row: usize| Extract {
        parcel: parcels.value(row),
        parcel_id: parcel_ids.value(row).to_owned(),
        datetime_us: datetimes.value(row),
        collection: collections.value(row).to_owned(),
        item_id: item_ids.value(row).to_owned(),
        band: bands.value(row).to_owned(),
        pass: passes.value(row).to_owned(),
        relative_orbit: orbits.is_valid(row).then(|| orbits.value(row)),
        orbit_state: orbit_states
            .is_valid(row)
            .then(|| orbit_states.value(row).to_owned()),
        count: counts.value(row),
        clear: clears.value(row),
        statistics: std::array::from_fn(|index| {
            let column = statistics[index];
            column.is_valid(row).then(|| column.value(row))
        }),
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

fn typed<'a, T>(
    batch: &'a RecordBatch,
    name: &str,
    of: impl Fn(&'a dyn Array) -> Option<T>,
) -> Result<T, SeriesError> {
    let column = batch.column_by_name(name);
    column
        .and_then(|column| of(column.as_ref()))
        .ok_or_else(|| SeriesError::Column {
            column: name.to_owned(),
        })
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, SeriesError> {
    typed(batch, name, |array| array.as_string_opt::<i32>())
}
