//! Tile matrix sets as documents (OGC 17-083r4, JSON encoding).

use axum::extract::{Path, RawQuery};
use axum::response::Response;
use serde_json::{Value, json};
use swath_grid::{AxisOrder, Hemisphere, TileMatrix, TileMatrixSet};

use super::negotiation::want_json;
use super::{JSON, document, link};
use crate::asker::Asker;
use crate::error::Problem;
use crate::links::BaseUrl;
use crate::query::pairs;
use crate::tiles::find_set;

/// Zones of UTM of each half of the Earth.
const ZONES: std::ops::RangeInclusive<u32> = 1..=60;

/// Answers `GET /ogc/tileMatrixSets`: the general ones, then the zones of UTM.
pub(super) async fn list(asker: Asker, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let pairs = pairs(query.as_deref(), &["f"])?;
    want_json(pairs.get("f").map(String::as_str), &asker.headers)?;
    let mut sets = TileMatrixSet::general();
    for hemisphere in [Hemisphere::North, Hemisphere::South] {
        sets.extend(ZONES.filter_map(|zone| TileMatrixSet::utm_quad(zone, hemisphere)));
    }
    let entries = sets.iter().map(|set| {
        let href = asker.base.href(&path_of(set));
        json!({"id": set.id, "title": set.title, "uri": uri_of(&asker.base, set),
            "crs": set.crs_uri, "links": [link("self", JSON, &set.title, href)]})
    });
    let here = asker.base.href("/ogc/tileMatrixSets");
    Ok(document(&json!({
        "tileMatrixSets": entries.collect::<Vec<_>>(),
        "links": [link("self", JSON, "Tile matrix sets", here)],
    })))
}

/// Answers `GET /ogc/tileMatrixSets/{tms}`.
pub(super) async fn show(
    asker: Asker,
    Path(tms): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let pairs = pairs(query.as_deref(), &["f"])?;
    want_json(pairs.get("f").map(String::as_str), &asker.headers)?;
    let set = find_set(&tms)?;
    Ok(document(&describe(&asker.base, &set)))
}

/// Returns the path of a set.
pub(super) fn path_of(set: &TileMatrixSet) -> String {
    format!("/ogc/tileMatrixSets/{}", set.id)
}

/// Returns the name of a set: that of the registry, or where our own is described.
pub(super) fn uri_of(base: &BaseUrl, set: &TileMatrixSet) -> String {
    let own = || base.href(&path_of(set));
    set.uri.clone().unwrap_or_else(own)
}

fn describe(base: &BaseUrl, set: &TileMatrixSet) -> Value {
    let matrices = set.matrices.iter();
    let matrices: Vec<Value> = matrices
        .map(|matrix| describe_matrix(set, matrix))
        .collect();
    let bounds = set.bounds();
    let corner = |x: f64, y: f64| match set.axis_order {
        AxisOrder::EastNorth => [x, y],
        AxisOrder::NorthEast => [y, x],
    };
    let mut document = json!({
        "id": set.id,
        "title": set.title,
        "uri": uri_of(base, set),
        "crs": set.crs_uri,
        "orderedAxes": set.axes,
        "boundingBox": {
            "lowerLeft": corner(bounds.min_x, bounds.min_y),
            "upperRight": corner(bounds.max_x, bounds.max_y),
            "crs": set.crs_uri,
            "orderedAxes": set.axes,
        },
        "tileMatrices": matrices,
    });
    if let Some(scales) = set.well_known_scale_set {
        document["wellKnownScaleSet"] = json!(scales);
    }
    document
}

fn describe_matrix(set: &TileMatrixSet, matrix: &TileMatrix) -> Value {
    let origin = match set.axis_order {
        AxisOrder::EastNorth => [matrix.origin.x, matrix.origin.y],
        AxisOrder::NorthEast => [matrix.origin.y, matrix.origin.x],
    };
    json!({
        "id": matrix.id,
        "scaleDenominator": matrix.scale_denominator,
        "cellSize": matrix.cell_size,
        "cornerOfOrigin": "topLeft",
        "pointOfOrigin": origin,
        "tileWidth": matrix.tile_size.width,
        "tileHeight": matrix.tile_size.height,
        "matrixWidth": matrix.matrix_width,
        "matrixHeight": matrix.matrix_height,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_in_the_order_of_the_axes() {
        let set = TileMatrixSet::wgs1984_quad();
        let matrix = describe_matrix(&set, &set.matrices[0]);
        assert_eq!(matrix["pointOfOrigin"], json!([90.0, -180.0]));
        let base = BaseUrl::parse("http://localhost").expect("a URL");
        let own = TileMatrixSet::find("UTM33SWGS84Quad").expect("a set");
        let document = describe(&base, &own);
        assert_eq!(
            document["uri"],
            "http://localhost/ogc/tileMatrixSets/UTM33SWGS84Quad"
        );
        let registered = describe(&base, &TileMatrixSet::web_mercator_quad());
        assert!(
            registered["uri"]
                .as_str()
                .is_some_and(|uri| uri.contains("opengis"))
        );
        assert_eq!(registered["tileMatrices"][3]["matrixWidth"], 8);
    }
}
