//! A question about the season of one parcel, answered as a record batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Float64Array, Int16Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::{Extract, Index, Period, SeriesError, Statistic};

/// What an expression over periods is evaluated on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Of {
    /// On the means of each date; the values of a period are then averaged.
    #[default]
    Dates,
    /// On the means of the bands over the period.
    Periods,
}

/// Whether acquisitions of different relative orbits are averaged together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tracks {
    /// All together.
    #[default]
    Together,
    /// Each relative orbit by itself: incidence angles differ between them.
    Apart,
}

/// What is computed from the extracts of a parcel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SeasonQuestion {
    /// An index; `None`: the bands themselves.
    pub index: Option<Index>,
    /// What the index is evaluated on, where there is a period.
    pub of: Of,
    /// Means over periods; `None`: every date.
    pub period: Option<Period>,
    /// Orbits in the means of periods.
    pub tracks: Tracks,
    /// Least share of the parcel that must be clear, 0..=1; what is below is left out.
    pub clear_min: f32,
}

impl SeasonQuestion {
    /// True where rows are computed; false where they are those of the table.
    pub fn is_derived(&self) -> bool {
        self.index.is_some() || self.period.is_some()
    }

    /// Says in a sentence what the values are.
    pub fn meaning(&self) -> String {
        let period = self.period.map(|period| period.to_string());
        match (&self.index, period, self.of) {
            (None, None, _) => "statistics of the pixels of each acquisition".to_owned(),
            (None, Some(period), _) => {
                format!("{period} means of the means of acquisitions, weighted by count")
            }
            (Some(index), None, _) => format!(
                "{} of the band means of each acquisition, not the mean over pixels",
                index.formula
            ),
            (Some(index), Some(period), Of::Dates) => format!(
                "{period} means, weighted by count, of {} of the band means of each acquisition",
                index.formula
            ),
            (Some(index), Some(period), Of::Periods) => format!(
                "{} of the {period} means of the bands, weighted by count",
                index.formula
            ),
        }
    }
}

/// Returns the columns of computed rows; `value` has the unit of the band, or none for an index.
pub fn season_schema() -> SchemaRef {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("parcel", DataType::Int32, false),
        Field::new("parcel_id", DataType::Utf8, false),
        // Acquisition, or the first moment of the period.
        Field::new("datetime", instant, false),
        Field::new("collection", DataType::Utf8, false),
        // Null for periods.
        Field::new("item_id", DataType::Utf8, true),
        // Band, or the name of the expression.
        Field::new("band", DataType::Utf8, false),
        Field::new("relative_orbit", DataType::Int16, true),
        Field::new("value", DataType::Float64, true),
        // The least of the bands; the sum over a period.
        Field::new("count", DataType::Float64, false),
        // The least of the bands; null for periods.
        Field::new("clear", DataType::Float32, true),
        Field::new("observations", DataType::UInt32, false),
    ]))
}

/// One computed row.
#[derive(Debug, Clone, PartialEq)]
struct Derived {
    datetime_us: i64,
    item_id: Option<String>,
    band: String,
    relative_orbit: Option<i16>,
    value: Option<f64>,
    count: f64,
    clear: Option<f32>,
    observations: u32,
}

/// Returns the answer of `question` for the extracts of one parcel in one collection, ordered by
/// band and time. Rows below the share of clear pixels are left out.
///
/// # Errors
/// Where the question computes nothing: rows of the table are not made anew.
pub fn season(question: &SeasonQuestion, extracts: &[Extract]) -> Result<RecordBatch, SeriesError> {
    if !question.is_derived() {
        let reason = "nothing to compute: name an index or a period".to_owned();
        return Err(SeriesError::Question { reason });
    }
    let clear: Vec<&Extract> = extracts
        .iter()
        .filter(|extract| extract.clear >= question.clear_min)
        .collect();
    let rows = match (&question.index, question.period, question.of) {
        (Some(index), None, _) => of_dates(index, &clear),
        (Some(index), Some(period), Of::Dates) => {
            let dates = of_dates(index, &clear);
            means(period, question.tracks, dates)
        }
        (Some(index), Some(period), Of::Periods) => {
            let bands = means(period, question.tracks, of_bands(&clear));
            of_periods(index, &bands)
        }
        (None, Some(period), _) => means(period, question.tracks, of_bands(&clear)),
        (None, None, _) => Vec::new(),
    };
    Ok(batch_of(extracts, rows))
}

/// The means of the bands as they are.
fn of_bands(extracts: &[&Extract]) -> Vec<Derived> {
    let row = |extract: &&Extract| Derived {
        datetime_us: extract.datetime_us,
        item_id: Some(extract.item_id.clone()),
        band: extract.band.clone(),
        relative_orbit: extract.relative_orbit,
        value: extract.statistic(Statistic::Mean),
        count: f64::from(extract.count),
        clear: Some(extract.clear),
        observations: 1,
    };
    extracts.iter().map(row).collect()
}

/// The index of the band means of each item.
fn of_dates(index: &Index, extracts: &[&Extract]) -> Vec<Derived> {
    let mut dates: BTreeMap<(i64, &str), Vec<&Extract>> = BTreeMap::new();
    for extract in extracts {
        let date = dates.entry((extract.datetime_us, &extract.item_id));
        date.or_default().push(extract);
    }
    let mut rows = Vec::new();
    for ((datetime_us, item_id), bands) in dates {
        let found: Vec<Option<&&Extract>> = index
            .expression
            .bands()
            .iter()
            .map(|name| bands.iter().find(|extract| extract.band == *name))
            .collect();
        // An item of another kind, such as an image of classes, has nothing to say.
        if found.iter().any(Option::is_none) {
            continue;
        }
        let used = || found.iter().flatten();
        let values: Vec<Option<f64>> = found
            .iter()
            .map(|extract| extract.and_then(|extract| extract.statistic(Statistic::Mean)))
            .collect();
        let count = used()
            .map(|extract| extract.count)
            .fold(f32::INFINITY, f32::min);
        rows.push(Derived {
            datetime_us,
            item_id: Some(item_id.to_owned()),
            band: index.name.clone(),
            relative_orbit: used().find_map(|extract| extract.relative_orbit),
            value: index.expression.evaluate(&values),
            count: f64::from(count),
            clear: used().map(|extract| extract.clear).reduce(f32::min),
            observations: 1,
        });
    }
    rows
}

/// Means over periods, each band and, where told apart, each orbit by itself.
fn means(period: Period, tracks: Tracks, rows: Vec<Derived>) -> Vec<Derived> {
    let mut groups: BTreeMap<(String, Option<i16>), Vec<Weighed>> = BTreeMap::new();
    for row in rows {
        let Some(value) = row.value else {
            continue;
        };
        let orbit = match tracks {
            Tracks::Together => None,
            Tracks::Apart => row.relative_orbit,
        };
        let group = groups.entry((row.band, orbit)).or_default();
        group.push(Weighed {
            datetime_us: row.datetime_us,
            value,
            count: row.count,
        });
    }
    let mut averaged = Vec::new();
    for ((band, relative_orbit), values) in groups {
        for (start_us, sums) in period_sums(period, &values) {
            averaged.push(Derived {
                datetime_us: start_us,
                item_id: None,
                band: band.clone(),
                relative_orbit,
                value: Some(sums.weighted / sums.count),
                count: sums.count,
                clear: None,
                observations: sums.observations,
            });
        }
    }
    averaged
}

/// A value that counts as much as the pixels behind it.
#[derive(Debug, Clone, Copy)]
struct Weighed {
    datetime_us: i64,
    value: f64,
    count: f64,
}

/// Sums over one period.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    weighted: f64,
    count: f64,
    observations: u32,
}

/// Adds values up by the start of their period, in the order of time. What
/// has no count weighs nothing; a period of such values only is not there.
fn period_sums(period: Period, values: &[Weighed]) -> BTreeMap<i64, Sums> {
    let mut periods: BTreeMap<i64, Sums> = BTreeMap::new();
    for own in values {
        if !(own.count > 0.0 && own.value.is_finite()) {
            continue;
        }
        let start_us = period.window(own.datetime_us).start_us;
        let sums = periods.entry(start_us).or_default();
        sums.weighted += own.value * own.count;
        sums.count += own.count;
        sums.observations += 1;
    }
    periods
}

/// The index of means over periods.
fn of_periods(index: &Index, bands: &[Derived]) -> Vec<Derived> {
    let mut periods: BTreeMap<(Option<i16>, i64), Vec<&Derived>> = BTreeMap::new();
    for row in bands {
        let period = periods.entry((row.relative_orbit, row.datetime_us));
        period.or_default().push(row);
    }
    let mut rows = Vec::new();
    for ((relative_orbit, datetime_us), means) in periods {
        let of_band = |name: &String| means.iter().find(|row| row.band == *name);
        let values: Vec<Option<f64>> = index
            .expression
            .bands()
            .iter()
            .map(|name| of_band(name).and_then(|row| row.value))
            .collect();
        if values.iter().any(Option::is_none) {
            continue;
        }
        let used = || index.expression.bands().iter().filter_map(of_band);
        rows.push(Derived {
            datetime_us,
            item_id: None,
            band: index.name.clone(),
            relative_orbit,
            value: index.expression.evaluate(&values),
            count: used().map(|row| row.count).fold(f64::INFINITY, f64::min),
            clear: None,
            observations: used().map(|row| row.observations).min().unwrap_or(0),
        });
    }
    rows
}

fn batch_of(extracts: &[Extract], rows: Vec<Derived>) -> RecordBatch {
    let Some(first) = extracts.first() else {
        return RecordBatch::new_empty(season_schema());
    };
    let len = rows.len();
    let datetimes = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|r| r.datetime_us));
    let items = rows.iter().map(|row| row.item_id.as_deref());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![first.parcel; len])),
        Arc::new(StringArray::from(vec![first.parcel_id.as_str(); len])),
        Arc::new(datetimes.with_timezone("UTC")),
        Arc::new(StringArray::from(vec![first.collection.as_str(); len])),
        Arc::new(items.collect::<StringArray>()),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.band))),
        Arc::new(
            rows.iter()
                .map(|r| r.relative_orbit)
                .collect::<Int16Array>(),
        ),
        Arc::new(rows.iter().map(|r| r.value).collect::<Float64Array>()),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.count))),
        Arc::new(rows.iter().map(|r| r.clear).collect::<Float32Array>()),
        Arc::new(UInt32Array::from_iter_values(
            rows.iter().map(|r| r.observations),
        )),
    ];
    RecordBatch::try_new(season_schema(), columns)
        .expect("columns of one length in the order of the schema")
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::{Float64Type, UInt32Type};

    use super::*;

    const DAY_US: i64 = 86_400_000_000;

    fn extract(day: i64, band: &str, mean: Option<f32>, count: f32) -> Extract {
        let mut statistics = [None; 7];
        statistics[0] = mean;
        Extract {
            parcel: 4,
            parcel_id: "0815".to_owned(),
            datetime_us: day * DAY_US,
            collection: "sentinel-2-l2a".to_owned(),
            item_id: format!("item-{day}"),
            band: band.to_owned(),
            pass: format!("item-{day}"),
            relative_orbit: Some(if day % 2 == 0 { 66 } else { 117 }),
            orbit_state: None,
            count,
            clear: if mean.is_some() { 1.0 } else { 0.0 },
            statistics,
        }
    }

    /// Two dates of January, one of February that is cloudy, an image of classes.
    fn extracts() -> Vec<Extract> {
        vec![
            extract(0, "B04", Some(0.1), 10.0),
            extract(0, "B08", Some(0.3), 10.0),
            extract(3, "B04", Some(0.05), 30.0),
            extract(3, "B08", Some(0.45), 30.0),
            extract(40, "B04", None, 0.0),
            extract(40, "B08", None, 0.0),
            extract(41, "SCL", Some(4.0), 9.0),
        ]
    }

    fn values(question: &SeasonQuestion) -> Vec<Option<f64>> {
        let batch = season(question, &extracts()).expect("an answer");
        let column = batch.column_by_name("value").expect("a column");
        column.as_primitive::<Float64Type>().iter().collect()
    }

    fn near(found: Option<f64>, expected: f64) {
        let found = found.expect("a value");
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }

    #[test]
    fn an_index_is_computed_for_each_date_that_has_its_bands() {
        let question = SeasonQuestion {
            index: Some(Index::parse("NDVI").expect("an index")),
            ..SeasonQuestion::default()
        };
        let found = values(&question);
        assert_eq!(found.len(), 3);
        near(found[0], 0.5);
        near(found[1], 0.8);
        assert_eq!(found[2], None);
        assert!(question.meaning().contains("not the mean over pixels"));
    }

    #[test]
    fn the_index_of_means_is_not_the_mean_of_the_index() {
        let mut question = SeasonQuestion {
            index: Some(Index::parse("NDVI").expect("an index")),
            period: Some(Period::Month),
            ..SeasonQuestion::default()
        };
        let of_dates = values(&question);
        assert_eq!(of_dates.len(), 1);
        near(of_dates[0], (0.5 * 10.0 + 0.8 * 30.0) / 40.0);
        question.of = Of::Periods;
        let (red, nir) = (0.0625, 0.4125);
        near(values(&question)[0], (nir - red) / (nir + red));
    }

    #[test]
    fn orbits_are_averaged_together_or_apart() {
        let mut question = SeasonQuestion {
            period: Some(Period::Month),
            ..SeasonQuestion::default()
        };
        let together = season(&question, &extracts()).expect("an answer");
        let observations = together.column_by_name("observations").expect("a column");
        let observations: Vec<u32> = observations.as_primitive::<UInt32Type>().values().to_vec();
        assert_eq!(observations, [2, 2, 1]);
        question.tracks = Tracks::Apart;
        assert_eq!(values(&question).len(), 5);
    }

    #[test]
    fn dates_below_the_share_of_clear_pixels_are_left_out() {
        let question = SeasonQuestion {
            index: Some(Index::parse("NDVI").expect("an index")),
            clear_min: 0.5,
            ..SeasonQuestion::default()
        };
        assert_eq!(values(&question).len(), 2);
    }

    #[test]
    fn no_extracts_give_no_rows_and_no_question_is_an_error() {
        let question = SeasonQuestion {
            period: Some(Period::Dekad),
            ..SeasonQuestion::default()
        };
        let empty = season(&question, &[]).expect("an answer");
        assert_eq!(empty.num_rows(), 0);
        assert!(season(&SeasonQuestion::default(), &extracts()).is_err());
    }
}
