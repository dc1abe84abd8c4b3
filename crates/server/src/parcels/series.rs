//! Series: of one parcel, and of many as a stream.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::{Map, Value, json};
use swath_access::Viewer;
use swath_extract::table::TableKind;
use swath_series::{SeriesFormat, json_columns};

use super::holding::OpenSet;
use super::question::Question;
use super::rows::{Moment, of_many as rows_of_many, of_parcel as rows_of_parcel, schema_of};
use super::stream::{encoded, etag, known, response, streamed};
use super::tables::TableChoice;
use crate::body::json_object;
use crate::error::Problem;
use crate::state::{AppState, Bounded};
use crate::viewer::Caller;

/// Most parcels that are named in one question.
const IDS_MAX: usize = 100_000;
/// Unknown ids that are told.
const UNKNOWN_SHOWN: usize = 5;

/// Answers `GET /parcels/{set}/{parcel}/series`.
pub(super) async fn of_parcel(
    Bounded(state): Bounded,
    caller: Caller,
    Path((name, id)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let question = Question::of_query(uri.query(), &[])?;
    let set = state.sets.open(&state, &caller.viewer, &name).await?;
    let row = set.row_or_problem(&id)?;
    let moments = moments(&state, &caller.viewer, &set, &question).await?;
    let format = question.format(&headers, SeriesFormat::Json);
    let asked = format!("{id} {}", uri.query().unwrap_or_default());
    let etag = etag(&set.name(), &moments, &asked, format);
    if let Some(unchanged) = known(&headers, &etag) {
        return Ok(unchanged);
    }
    // A set has fewer than 2^31 rows.
    let batches = rows_of_parcel(&moments, row as i32, &question).await?;
    let schema = schema_of(&question)?;
    let bytes = match format {
        SeriesFormat::Json => {
            let mut document = about(&set, &id, &question, &moments);
            document.insert(
                "units".to_owned(),
                units(&state, &caller.viewer, &question, &moments).await?,
            );
            document.insert(
                "columns".to_owned(),
                Value::Object(json_columns(&schema, &batches)),
            );
            Value::Object(document).to_string().into_bytes()
        }
        format => encoded(format, &schema, &batches)?,
    };
    Ok(response(
        format.media_type(),
        Some(&etag),
        Body::from(bytes),
    ))
}

/// Answers `POST /parcels/{set}/series`: `{"ids": […], …}`; without ids, of every parcel.
pub(super) async fn of_many(
    Bounded(state): Bounded,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body = json_object(&headers, &body)?;
    let question = Question::of_body(&body, &["ids"])?;
    let set = state.sets.open(&state, &caller.viewer, &name).await?;
    let parcels = rows_of(&set, body.get("ids"))?;
    let moments = moments(&state, &caller.viewer, &set, &question).await?;
    let format = question.format(&headers, SeriesFormat::Csv);
    let schema = schema_of(&question)?;
    let batches = rows_of_many(
        moments,
        Arc::new(parcels),
        Arc::new(question),
        schema.clone(),
    );
    streamed(format, &schema, None, batches).await
}

async fn moments(
    state: &AppState,
    viewer: &Viewer,
    set: &OpenSet,
    question: &Question,
) -> Result<Vec<Moment>, Problem> {
    let choice = TableChoice {
        set: &set.set.name,
        version: set.version.number,
        collection: question.collection.as_deref(),
        profile: question.profile.as_deref(),
    };
    let tables = state.tables.find(state, viewer, &choice).await?;
    Moment::of(tables, question.kind).await
}

/// Returns the rows of the ids, each once, in the order of the set.
fn rows_of(set: &OpenSet, ids: Option<&Value>) -> Result<Vec<Range<u32>>, Problem> {
    let ids = match ids {
        None | Some(Value::Null) => return Ok(std::iter::once(0..set.len()).collect()),
        Some(Value::Array(ids)) => ids,
        Some(_) => return Err(Problem::invalid("ids: an array of texts or numbers")),
    };
    if ids.len() > IDS_MAX {
        return Err(Problem::invalid(format!(
            "ids: up to {IDS_MAX} of them; leave them out for every parcel of the set"
        )));
    }
    let mut rows = std::collections::BTreeSet::new();
    let mut unknown = Vec::new();
    for id in ids {
        let id = match id {
            Value::String(id) => id.clone(),
            Value::Number(id) => id.to_string(),
            _ => return Err(Problem::invalid("ids: an array of texts or numbers")),
        };
        match set.row(&id) {
            Some(row) => {
                rows.insert(row);
            }
            None => unknown.push(id),
        }
    }
    if !unknown.is_empty() {
        let shown = unknown[..unknown.len().min(UNKNOWN_SHOWN)].join(", ");
        return Err(Problem::not_found(format!(
            "{} of the ids are not in {}: {shown}{}",
            unknown.len(),
            set.name(),
            if unknown.len() > UNKNOWN_SHOWN {
                ", …"
            } else {
                ""
            }
        )));
    }
    Ok(rows.into_iter().map(|row| row..row + 1).collect())
}

/// What the rows are, beside their values.
fn about(set: &OpenSet, id: &str, question: &Question, moments: &[Moment]) -> Map<String, Value> {
    let mut document = Map::new();
    document.insert("parcel_id".to_owned(), id.into());
    document.insert("set".to_owned(), set.name().into());
    document.insert("timezone".to_owned(), set.set.timezone.clone().into());
    let meaning = match question.kind {
        TableKind::Extracts => question.season.meaning(),
        TableKind::Classes => "pixels of each class in each acquisition".to_owned(),
    };
    document.insert("meaning".to_owned(), meaning.into());
    if let Some(index) = &question.season.index {
        let expression = json!({"name": index.name, "formula": index.formula, "of": "means"});
        document.insert("expression".to_owned(), expression);
    }
    if let Some(period) = &question.season.period {
        document.insert("period".to_owned(), period.to_string().into());
    }
    let tables = moments.iter().map(|moment| {
        json!({
            "collection": moment.table.collection,
            "profile": moment.table.profile,
            "version": moment.snapshot.version(),
            "options": moment.table.configuration().options,
        })
    });
    document.insert("tables".to_owned(), tables.collect());
    document
}

/// Returns the units of columns, and those of bands as their collections say them.
async fn units(
    state: &AppState,
    viewer: &Viewer,
    question: &Question,
    moments: &[Moment],
) -> Result<Value, Problem> {
    let mut bands: BTreeMap<String, Value> = BTreeMap::new();
    for moment in moments {
        let collection = state
            .catalog
            .collection(viewer, &moment.table.collection)
            .await?;
        let assets = collection
            .json
            .get("item_assets")
            .and_then(Value::as_object);
        for asset in assets.into_iter().flat_map(Map::values) {
            let of_asset = asset.get("unit").or_else(|| asset.get("raster:unit"));
            let lists = ["bands", "raster:bands", "eo:bands"];
            for (list, band) in lists.iter().flat_map(|list| {
                let bands = asset.get(*list).and_then(Value::as_array);
                bands.into_iter().flatten().map(move |band| (list, band))
            }) {
                let name = band
                    .get("name")
                    .or_else(|| asset["eo:bands"][0].get("name"));
                let unit = band.get("unit").or(of_asset);
                if let (Some(name), Some(unit)) = (name.and_then(Value::as_str), unit)
                    && (*list != "raster:bands" || asset["raster:bands"][1].is_null())
                {
                    bands.insert(name.to_owned(), unit.clone());
                }
            }
        }
    }
    let statistics = match question.season.index {
        Some(_) => json!("that of the formula"),
        None => json!("that of the band"),
    };
    Ok(json!({
        "datetime": "UTC",
        "count": "pixels, sum of the shares that lie in the parcel",
        "clear": "share of the parcel, 0 to 1",
        "values": statistics,
        "bands": bands,
    }))
}
