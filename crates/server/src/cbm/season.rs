//! Series of one parcel: satellites, weather, markers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use swath_extract::table::{Parcels, SeriesRequest, TableKind};
use swath_series::{Extract, Statistic, extracts_of};

use super::columns::Columns;
use super::parameters::{Asked, Flag};
use super::parcels::set_of;
use crate::error::Problem;
use crate::parcels::{OpenSet, OpenTable, TableChoice, of_series, series_of};
use crate::state::{AppState, Bounded};
use crate::viewer::Caller;

/// Bands of the series `s2` where none is named.
const S2_BANDS: &[&str] = &["B02", "B03", "B04", "B05", "B08", "B11"];
/// Bands of the series of Sentinel-1 in our tables.
const S1_BANDS: &[&str] = &["VV", "VH"];
/// Order of the statistics in the interface, with its names.
const STATISTICS: &[(&str, Statistic)] = &[
    ("mean", Statistic::Mean),
    ("std", Statistic::Stdev),
    ("min", Statistic::Min),
    ("p25", Statistic::P25),
    ("p50", Statistic::P50),
    ("p75", Statistic::P75),
    ("max", Statistic::Max),
];
const WEATHER: &[&str] = &["meteo_date", "tmin", "tmax", "tmean", "prec"];
const MARKERS: &[&str] = &[
    "foi_id",
    "marker",
    "marker_type",
    "date_start",
    "date_main",
    "date_end",
    "duration_days",
    "value_1",
    "value_2",
    "value_3",
    "pid",
    "practice",
];

/// Which signal, and how it differs from the table of its collection.
#[derive(Debug, Clone)]
struct Signal {
    collection: String,
    /// Appended to the names of bands: `b` for backscatter, `c` for coherence.
    suffix: &'static str,
    bands: &'static [&'static str],
    factor: f64,
}

impl Signal {
    fn of(state: &AppState, word: &str) -> Result<Self, Problem> {
        let options = &state.cbm;
        let (collection, suffix, bands, factor) = match word.to_ascii_lowercase().as_str() {
            "s2" | "scl" => (&options.s2, "", S2_BANDS, options.s2_factor),
            "bs" => (&options.bs, "b", S1_BANDS, 1.0),
            "c6" => (&options.c6, "c", S1_BANDS, 1.0),
            _ => return Err(Problem::invalid("tstype: s2, bs, c6 or scl")),
        };
        Ok(Self {
            collection: collection.clone(),
            suffix,
            bands,
            factor,
        })
    }

    /// Returns the bands of our table that are meant.
    fn bands(&self, named: Option<&str>) -> Vec<String> {
        match named {
            None => self.bands.iter().map(|band| (*band).to_owned()).collect(),
            Some(name) => {
                let plain = name.strip_suffix(self.suffix).unwrap_or(name);
                // The older name of the 10 m bands has one digit.
                let plain = match plain.strip_prefix('B') {
                    Some(digit) if digit.len() == 1 => format!("B0{digit}"),
                    _ => plain.to_owned(),
                };
                vec![plain]
            }
        }
    }
}

/// Answers `/query/parcelTimeSeries`.
pub(super) async fn time_series(
    Bounded(state): Bounded,
    caller: Caller,
    asked: Asked,
) -> Result<Columns, Problem> {
    let pid = asked.needed("pid")?;
    let word = asked.text("tstype").unwrap_or("s2");
    let signal = Signal::of(&state, word)?;
    let set = set_of(&state, &caller.viewer, &asked).await?;
    let row = set.row_or_problem(pid)?;
    let choice = TableChoice {
        set: &set.set.name,
        version: set.version.number,
        collection: Some(&signal.collection),
        profile: state.cbm.profile.as_deref(),
    };
    let tables = state.tables.find(&state, &caller.viewer, &choice).await?;
    let [table] = tables.as_slice() else {
        return Err(Problem::not_found("no table of this signal"));
    };
    let is_optical = signal.suffix.is_empty();
    let wants_classes =
        is_optical && asked.flag("scl", Flag::On) || word.eq_ignore_ascii_case("scl");
    let classes = match wants_classes {
        true => classes_of(&state, table, &set, row).await?,
        false => None,
    };
    if word.eq_ignore_ascii_case("scl") {
        return Ok(class_columns(classes.unwrap_or_default()));
    }
    let request = SeriesRequest {
        parcels: Parcels::List(vec![parcel_number(row)]),
        bands: signal.bands(asked.text("band")),
        ..SeriesRequest::default()
    };
    let batch = series_of(table, TableKind::Extracts, request).await?;
    let mut extracts = extracts_of(&batch).map_err(|error| of_series(&error))?;
    // Acquisitions that show nothing of the parcel have no row in the interface.
    extracts.retain(|extract| extract.statistic(Statistic::Mean).is_some());
    extracts.sort_by(|a, b| (a.datetime_us, &a.band).cmp(&(b.datetime_us, &b.band)));
    let references = asked.flag("ref", Flag::Off);
    Ok(columns_of(&signal, &extracts, classes.as_ref(), references))
}

/// Classes by datetime and item: value of the class → pixels.
type Classes = BTreeMap<(i64, String), Map<String, Value>>;

/// Returns the class counts of a parcel; `None` where the table has none.
async fn classes_of(
    state: &AppState,
    table: &std::sync::Arc<OpenTable>,
    set: &OpenSet,
    row: u32,
) -> Result<Option<Classes>, Problem> {
    let request = SeriesRequest {
        parcels: Parcels::List(vec![parcel_number(row)]),
        bands: vec![state.cbm.classes.clone()],
        ..SeriesRequest::default()
    };
    let batch = match series_of(table, TableKind::Classes, request).await {
        Err(problem) if problem.status == axum::http::StatusCode::NOT_FOUND => {
            tracing::debug!(set = set.name(), "no class counts");
            return Ok(None);
        }
        other => other?,
    };
    let columns = swath_series::json_columns(&batch.schema(), std::slice::from_ref(&batch));
    let instants = batch.column_by_name("datetime");
    let instants = instants.and_then(|column| {
        use arrow::array::AsArray;
        column
            .as_primitive_opt::<arrow::datatypes::TimestampMicrosecondType>()
            .cloned()
    });
    let mut classes = Classes::new();
    for index in 0..batch.num_rows() {
        let of = |name: &str| columns.get(name).and_then(|values| values.get(index));
        let (Some(item), Some(class), Some(count), Some(instants)) =
            (of("item_id"), of("class"), of("count"), &instants)
        else {
            return Err(crate::parcels::internal(
                &"a table of classes without its columns",
            ));
        };
        let key = (
            instants.value(index),
            item.as_str().unwrap_or_default().to_owned(),
        );
        classes
            .entry(key)
            .or_default()
            .insert(class.to_string(), count.clone());
    }
    Ok(Some(classes))
}

fn class_columns(classes: Classes) -> Columns {
    let mut columns = Columns::default();
    columns.push(
        "date_part",
        classes.keys().map(|(datetime_us, _)| seconds(*datetime_us)),
    );
    columns.push("hist", classes.into_values());
    columns
}

fn columns_of(
    signal: &Signal,
    extracts: &[Extract],
    classes: Option<&Classes>,
    references: bool,
) -> Columns {
    let mut columns = Columns::default();
    columns.push(
        "date_part",
        extracts.iter().map(|extract| seconds(extract.datetime_us)),
    );
    let band = |extract: &Extract| format!("{}{}", extract.band, signal.suffix);
    columns.push("band", extracts.iter().map(band));
    columns.push(
        "count",
        extracts.iter().map(|extract| f64::from(extract.count)),
    );
    for (name, statistic) in STATISTICS {
        let value = |extract: &Extract| Some(extract.statistic(*statistic)? * signal.factor);
        columns.push(name, extracts.iter().map(value));
    }
    if let Some(classes) = classes {
        let hist = |extract: &Extract| {
            let key = (extract.datetime_us, extract.item_id.clone());
            Value::Object(classes.get(&key).cloned().unwrap_or_default())
        };
        columns.push("hist", extracts.iter().map(hist));
    }
    if references {
        columns.push(
            "reference",
            extracts.iter().map(|extract| extract.item_id.as_str()),
        );
    }
    columns
}

fn seconds(datetime_us: i64) -> f64 {
    datetime_us as f64 / 1e6
}

/// A set has fewer than 2^31 rows.
fn parcel_number(row: u32) -> i32 {
    i32::try_from(row).unwrap_or(i32::MAX)
}

/// Answers `/query/weatherTimeSeries`: this deployment holds no weather, so that there are no rows.
pub(super) async fn weather(
    Bounded(state): Bounded,
    caller: Caller,
    asked: Asked,
) -> Result<Columns, Problem> {
    let set = set_of(&state, &caller.viewer, &asked).await?;
    set.row_or_problem(asked.needed("pid")?)?;
    Ok(Columns::empty(WEATHER))
}

/// Answers `/query/markers`: none are computed here, so that there are no rows.
pub(super) async fn markers(
    Bounded(state): Bounded,
    caller: Caller,
    asked: Asked,
) -> Result<Columns, Problem> {
    let set = set_of(&state, &caller.viewer, &asked).await?;
    set.row_or_problem(asked.needed("pid")?)?;
    Ok(Columns::empty(MARKERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_have_the_names_of_the_interface() {
        let coherence = Signal {
            collection: "c".to_owned(),
            suffix: "c",
            bands: S1_BANDS,
            factor: 1.0,
        };
        assert_eq!(coherence.bands(Some("VVc")), ["VV"]);
        assert_eq!(coherence.bands(Some("VH")), ["VH"]);
        assert_eq!(coherence.bands(None), ["VV", "VH"]);
        let optical = Signal {
            suffix: "",
            bands: S2_BANDS,
            ..coherence
        };
        assert_eq!(optical.bands(Some("B4")), ["B04"]);
        assert_eq!(optical.bands(Some("B11")), ["B11"]);
    }
}
