//! The sets beside the registry of OGC, where its files are at hand.

use std::path::PathBuf;

use serde_json::Value;
use swath_grid::{AxisOrder, TileMatrixSet};

/// The files come with morecantile 7.1.0 (MIT), as OGC publishes them.
fn registry() -> Option<PathBuf> {
    let shared = std::env::var_os("SWATH_SHARED").map(PathBuf::from);
    let shared =
        shared.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let folder = shared.join("data/reference-numeric/tilematrixsets");
    folder.is_dir().then_some(folder)
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn sets_are_those_of_the_registry() {
    let Some(folder) = registry() else {
        eprintln!("skipped: no registry of tile matrix sets");
        return;
    };
    for id in [
        "WebMercatorQuad",
        "WorldCRS84Quad",
        "WGS1984Quad",
        "EuropeanETRS89_LAEAQuad",
        "UTM31WGS84Quad",
    ] {
        let text = std::fs::read_to_string(folder.join(format!("{id}.json"))).expect("a file");
        let theirs: Value = serde_json::from_str(&text).expect("JSON");
        let ours = TileMatrixSet::find(id).expect("a set");
        assert_eq!(theirs["uri"].as_str(), ours.uri.as_deref(), "{id}");
        assert_eq!(theirs["crs"].as_str(), Some(ours.crs_uri.as_str()));
        assert_eq!(theirs["title"].as_str(), Some(ours.title.as_str()));
        let axes: Vec<&str> = theirs["orderedAxes"]
            .as_array()
            .expect("axes")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(axes, ours.axes);
        let scales = theirs.get("wellKnownScaleSet").and_then(Value::as_str);
        assert_eq!(scales, ours.well_known_scale_set);
        let matrices = theirs["tileMatrices"].as_array().expect("matrices");
        assert_eq!(matrices.len(), ours.matrices.len(), "{id}");
        for (theirs, own) in matrices.iter().zip(&ours.matrices) {
            assert_eq!(theirs["id"].as_str(), Some(own.id.as_str()));
            let is_near = |one: f64, two: f64| (one - two).abs() <= 2e-9 * two.abs();
            assert!(
                is_near(number(&theirs["scaleDenominator"]), own.scale_denominator),
                "{id}"
            );
            assert!(
                is_near(number(&theirs["cellSize"]), own.cell_size),
                "{id} {}",
                own.id
            );
            let corner = match ours.axis_order {
                AxisOrder::EastNorth => [own.origin.x, own.origin.y],
                AxisOrder::NorthEast => [own.origin.y, own.origin.x],
            };
            let origin = theirs["pointOfOrigin"].as_array().expect("a corner");
            assert!(
                is_near(number(&origin[0]), corner[0]) && is_near(number(&origin[1]), corner[1])
            );
            let sizes = ["tileWidth", "tileHeight", "matrixWidth", "matrixHeight"]
                .map(|key| theirs[key].as_u64().expect("a number") as u32);
            let own_sizes = [
                own.tile_size.width,
                own.tile_size.height,
                own.matrix_width,
                own.matrix_height,
            ];
            assert_eq!(sizes, own_sizes, "{id} {}", own.id);
        }
    }
}
