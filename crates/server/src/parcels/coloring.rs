//! Values of the extract table for colouring: one for each parcel, as of a day.
//!
//! The rule: the last observation on or before the day (UTC) that has a value, and that is not more than
//! [`AGE_MAX_DAYS`] days older than its end. Without a day: as of the end of the table's last month.

use std::sync::{Arc, Mutex};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Int32Type};
use chrono::{DateTime, Days, Months, NaiveDate, Utc};
use futures::TryStreamExt;
use swath_access::Viewer;
use swath_extract::table::{Parcels, SeriesRequest, TableKind};
use swath_io::vector::tiles::{TilePyramid, TileValues};

use super::failure::{internal, of_extract, of_vector};
use super::holding::OpenSet;
use super::tables::TableChoice;
use crate::error::Problem;
use crate::state::AppState;

/// Oldest observation before the end of the day that still counts, in days.
pub(super) const AGE_MAX_DAYS: u64 = 31;
/// Bytes of values that are kept.
const BYTES_MAX: usize = 256 << 20;
/// Statistics that can be a colour.
const STATISTICS: [&str; 9] = [
    "mean", "stdev", "min", "max", "p25", "p50", "p75", "count", "clear",
];

/// Which value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueChoice {
    collection: String,
    band: String,
    statistic: String,
    /// `None`: the last there is.
    day: Option<NaiveDate>,
}

impl ValueChoice {
    /// Reads `COLLECTION:BAND:STATISTIC` and a day.
    ///
    /// # Errors
    /// Where the text has no such form, or the day is none.
    pub(super) fn parse(text: &str, day: Option<&str>) -> Result<Self, Problem> {
        let mut parts = text.rsplitn(3, ':');
        let (statistic, band, collection) = (parts.next(), parts.next(), parts.next());
        let (Some(statistic), Some(band), Some(collection)) = (statistic, band, collection) else {
            return Err(Problem::invalid("value: COLLECTION:BAND:STATISTIC"));
        };
        if !STATISTICS.contains(&statistic) {
            return Err(Problem::invalid(format!(
                "value: the statistic is one of {}",
                STATISTICS.join(", ")
            )));
        }
        let day = day.map(|text| {
            let date = text.get(..10).unwrap_or(text);
            date.parse::<NaiveDate>()
                .map_err(|_| Problem::invalid("datetime: a day, as 2021-06-30"))
        });
        Ok(Self {
            collection: collection.to_owned(),
            band: band.to_owned(),
            statistic: statistic.to_owned(),
            day: day.transpose()?,
        })
    }

    /// Returns the text of the value.
    pub(super) fn text(&self) -> String {
        format!("{}:{}:{}", self.collection, self.band, self.statistic)
    }

    /// Returns the day.
    pub(super) fn day(&self) -> Option<NaiveDate> {
        self.day
    }
}

/// Values with what they depend on.
#[derive(Debug, Clone)]
pub(super) struct Coloring {
    /// Names the set version, the table as it is and the question.
    pub(super) key: String,
    pub(super) values: Arc<TileValues>,
}

/// Values that are kept, the most recently used last.
#[derive(Debug, Default)]
pub(crate) struct Colorings {
    kept: Mutex<Vec<Coloring>>,
}

impl Colorings {
    /// Returns the values of a set.
    ///
    /// # Errors
    /// Where there is no such table for this viewer, or it cannot be read.
    pub(super) async fn of(
        &self,
        state: &AppState,
        viewer: &Viewer,
        set: &OpenSet,
        pyramid: &Arc<TilePyramid>,
        choice: &ValueChoice,
    ) -> Result<Coloring, Problem> {
        let tables = TableChoice {
            set: &set.set.name,
            version: set.version.number,
            collection: Some(&choice.collection),
            profile: None,
        };
        let tables = state.tables.find(state, viewer, &tables).await?;
        let table = tables
            .first()
            .ok_or_else(|| internal(&"no table was found"))?;
        let (snapshot, reader) = table.now(TableKind::Extracts).await?;
        let end = match choice.day {
            Some(day) => day.checked_add_days(Days::new(1)),
            None => snapshot.months().last().and_then(|month| month_end(month)),
        };
        let end = end.ok_or_else(|| Problem::not_found("the extract table has no rows yet"))?;
        let key = format!(
            "{} {}/{}={} {} {end}",
            set.version.digest,
            table.collection,
            table.profile,
            snapshot.version(),
            choice.text()
        );
        if let Some(known) = self.known(&key) {
            return Ok(known);
        }
        let start = end.checked_sub_days(Days::new(AGE_MAX_DAYS)).unwrap_or(end);
        let request = SeriesRequest {
            parcels: Parcels::All,
            bands: vec![choice.band.clone()],
            interval: Some(start_us(start)..start_us(end)),
            columns: vec!["parcel".to_owned(), choice.statistic.clone()],
        };
        let mut by_row = vec![f32::NAN; set.len() as usize];
        let mut batches = reader.rows(&snapshot, &request);
        while let Some(batch) = batches
            .try_next()
            .await
            .map_err(|error| of_extract(&error))?
        {
            take_last(&batch, &choice.statistic, &mut by_row);
        }
        let pyramid = pyramid.clone();
        let values = tokio::task::spawn_blocking(move || TileValues::new(&pyramid, by_row)).await;
        let values = values.map_err(|error| internal(&error))?;
        let coloring = Coloring {
            key,
            values: Arc::new(values.map_err(|error| of_vector(&error))?),
        };
        self.keep(coloring.clone());
        Ok(coloring)
    }

    fn known(&self, key: &str) -> Option<Coloring> {
        let mut kept = self.kept.lock().unwrap_or_else(|lock| lock.into_inner());
        let index = kept.iter().position(|coloring| coloring.key == key)?;
        let coloring = kept.remove(index);
        kept.push(coloring.clone());
        Some(coloring)
    }

    fn keep(&self, coloring: Coloring) {
        let mut kept = self.kept.lock().unwrap_or_else(|lock| lock.into_inner());
        kept.push(coloring);
        let bytes = |kept: &[Coloring]| -> usize {
            kept.iter()
                .map(|coloring| coloring.values.memory_bytes())
                .sum()
        };
        while kept.len() > 1 && bytes(&kept) > BYTES_MAX {
            kept.remove(0);
        }
    }
}

/// Rows of a parcel come in the order of their time: the last with a value stays.
fn take_last(batch: &RecordBatch, statistic: &str, by_row: &mut [f32]) {
    let parcels = batch
        .column_by_name("parcel")
        .and_then(|column| column.as_primitive_opt::<Int32Type>());
    let values = batch
        .column_by_name(statistic)
        .and_then(|column| column.as_primitive_opt::<Float32Type>());
    let (Some(parcels), Some(values)) = (parcels, values) else {
        return;
    };
    for index in 0..batch.num_rows() {
        let place = usize::try_from(parcels.value(index)).ok();
        let place = place.and_then(|row| by_row.get_mut(row));
        let value = values.is_valid(index).then(|| values.value(index));
        if let (Some(place), Some(value)) = (place, value.filter(|value| value.is_finite())) {
            *place = value;
        }
    }
}

/// Returns the first day after a month, `YYYY-MM`.
fn month_end(month: &str) -> Option<NaiveDate> {
    let first: NaiveDate = format!("{month}-01").parse().ok()?;
    first.checked_add_months(Months::new(1))
}

fn start_us(day: NaiveDate) -> i64 {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    DateTime::<Utc>::from_naive_utc_and_offset(midnight, Utc).timestamp_micros()
}

/// Returns the 2nd and the 98th percentile of values, for a scale of colours; `None` where there are none.
pub(super) fn range_of(values: &TileValues) -> Option<[f32; 2]> {
    let mut known: Vec<f32> = values
        .by_row()
        .iter()
        .copied()
        .filter(|v| v.is_finite())
        .collect();
    let last = known.len().checked_sub(1)?;
    known.sort_unstable_by(f32::total_cmp);
    let at = |percent: usize| known[last * percent / 100];
    Some([at(2), at(98)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_named_with_collection_band_and_statistic() {
        let choice = ValueChoice::parse("urn:s2:B04:p50", Some("2021-06-30")).expect("a choice");
        assert_eq!(
            (choice.collection.as_str(), choice.band.as_str()),
            ("urn:s2", "B04")
        );
        assert_eq!(choice.text(), "urn:s2:B04:p50");
        for (text, day) in [
            ("B04:mean", None),
            ("s2:B04:median", None),
            ("s2:B04:mean", Some("June")),
            ("s2:B04:mean", Some("2021-06-31")),
        ] {
            assert_eq!(ValueChoice::parse(text, day).expect_err(text).status, 400);
        }
    }

    #[test]
    fn months_end_with_the_next() {
        assert_eq!(
            month_end("2021-12").map(|day| day.to_string()).as_deref(),
            Some("2022-01-01")
        );
        assert_eq!(month_end("never"), None);
    }
}
