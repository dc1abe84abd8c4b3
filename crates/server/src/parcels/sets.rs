//! Parcel sets: which there are, their versions and tables.

use axum::Json;
use axum::extract::Path;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::{Value, json};
use swath_catalog::{ParcelSet, ParcelSetName, ParcelSetVersion};
use swath_extract::table::TableKind;

use crate::error::Problem;
use crate::links::{BaseUrl, path_segment};
use crate::state::Bounded;
use crate::viewer::Caller;

/// Answers `GET /parcels`.
pub(super) async fn list(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
) -> Result<Response, Problem> {
    let sets = state.catalog.parcel_sets(&caller.viewer).await?;
    let sets: Vec<Value> = sets.iter().map(|set| document(&base, set)).collect();
    let links = json!([{"rel": "self", "type": "application/json", "href": base.href("/parcels")}]);
    Ok(Json(json!({"sets": sets, "links": links})).into_response())
}

/// Answers `GET /parcels/{set}`.
pub(super) async fn show(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let name = ParcelSetName::parse(&name)?;
    let set = state.catalog.parcel_set(&caller.viewer, &name.name).await?;
    let version = set.version(name.version)?;
    let tables = state
        .tables
        .all(&state, &caller.viewer, &set.name, version.number)
        .await?;
    let mut described = Vec::with_capacity(tables.len());
    for table in tables {
        let (snapshot, _) = table.now(TableKind::Extracts).await?;
        described.push(json!({
            "collection": table.collection,
            "profile": table.profile,
            "options": table.configuration().options,
            "version": snapshot.version(),
            "rows": snapshot.rows(),
            "months": snapshot.months(),
        }));
    }
    let mut answer = document(&base, &set);
    answer["version"] = version.number.into();
    answer["tables"] = described.into();
    Ok(Json(answer).into_response())
}

fn document(base: &BaseUrl, set: &ParcelSet) -> Value {
    let path = format!("/parcels/{}", path_segment(&set.name));
    let versions: Vec<Value> = set.versions.iter().map(version).collect();
    json!({
        "name": set.name,
        "visibility": set.visibility,
        "timezone": set.timezone,
        "created": set.created,
        "versions": versions,
        "links": [
            {"rel": "self", "type": "application/json", "href": base.href(&path)},
            {"rel": "items", "type": "application/geo+json", "href": base.href(&format!("{path}/items"))},
        ],
    })
}

/// Where the file lies, and the names of personal columns, are nobody's business.
fn version(version: &ParcelSetVersion) -> Value {
    let bbox = version.content.bbox;
    json!({
        "number": version.number,
        "parcels": version.features,
        "bbox": bbox.map(|bbox| [bbox.west, bbox.south, bbox.east, bbox.north]),
        "crs": version.content.crs,
        "geometry": if version.content.has_points { "points" } else { "polygons" },
        "country": version.content.country,
        "created": version.created,
        "digest": version.digest,
    })
}
