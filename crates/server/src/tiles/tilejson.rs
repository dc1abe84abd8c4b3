//! TileJSON 3.0.0: what a web map needs to know of a layer.

use axum::Json;
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use swath_grid::TileMatrixSet;

use super::tile::find_set;
use crate::error::Problem;
use crate::links::{BaseUrl, path_segment};
use crate::map::{Layer, layer};
use crate::state::Bounded;
use crate::viewer::Caller;

/// Levels beyond that of the pixels in which tiles are still worth fetching.
const LEVELS_BEYOND: usize = 1;
/// Levels above that of the pixels: smaller maps are not worth their cost.
const LEVELS_ABOVE: usize = 9;
/// Longest query that is repeated in the URL of tiles, in bytes.
const QUERY_BYTES_MAX: usize = 8_192;

/// Answers `GET /tiles/{layer}/{tms}/tilejson.json`; its query goes into the URL of the tiles.
pub(super) async fn show(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path((name, tms)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let set = find_set(&tms)?;
    let query = query.unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        let reason = format!("the query is longer than {QUERY_BYTES_MAX} bytes");
        return Err(Problem::invalid(reason));
    }
    let layer = layer(&state, &caller.viewer, &name).await?;
    Ok(Json(document(&base, &layer, &set, &query)).into_response())
}

fn document(base: &BaseUrl, layer: &Layer, set: &TileMatrixSet, query: &str) -> Value {
    let path = format!(
        "/tiles/{}/{}/{{z}}/{{x}}/{{y}}.png",
        path_segment(&layer.name),
        set.id
    );
    let suffix = match query {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let (min, max) = zooms(layer, set);
    let bbox = &layer.bbox;
    let mut document = json!({
        "tilejson": "3.0.0",
        "name": layer.title,
        "description": layer.abstract_,
        "scheme": "xyz",
        "tiles": [format!("{}{suffix}", base.href(&path))],
        "minzoom": min,
        "maxzoom": max,
        "bounds": [bbox.west, bbox.south, bbox.east, bbox.north],
        "center": [(bbox.west + bbox.east) / 2.0, (bbox.south + bbox.north) / 2.0, max.saturating_sub(4).max(min)],
        "tileMatrixSet": set.id,
        "crs": set.crs_uri,
    });
    if let Some(attribution) = &layer.attribution {
        document["attribution"] = json!(attribution);
    }
    document
}

/// Returns the first and the last zoom worth asking for: around that of the layer's own pixels.
fn zooms(layer: &Layer, set: &TileMatrixSet) -> (u64, u64) {
    let number = |matrix: usize| set.matrices[matrix].id.parse().unwrap_or(0);
    let last = set.matrices.len() - 1;
    let Some(grid) = &layer.grid else {
        return (number(0), number(last));
    };
    let resolution_m = grid.transform().resolution().x * grid.crs().unit_to_metre();
    // In Mercator a metre on the ground is longer on the map towards the poles.
    let stretch = match set.crs.epsg() {
        Some(3857) => {
            let latitude = (layer.bbox.south + layer.bbox.north) / 2.0;
            1.0 / latitude.clamp(-80.0, 80.0).to_radians().cos()
        }
        _ => 1.0,
    };
    let own = set.matrix_for(resolution_m * stretch / set.crs.unit_to_metre());
    (
        number(own.saturating_sub(LEVELS_ABOVE)),
        number((own + LEVELS_BEYOND).min(last)),
    )
}
