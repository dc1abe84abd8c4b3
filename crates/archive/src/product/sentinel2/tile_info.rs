//! `tileInfo.json` of the cloud-hosted layout: outline of the data and name of the product.

use serde::Deserialize;
use serde_json::Value;
use swath_grid::Point;

use crate::ArchiveError;
use crate::footprint::VERTICES_MAX;

/// What is read of `tileInfo.json`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TileInfo {
    /// Name of the product without `.SAFE`.
    pub product_name: Option<String>,
    /// Share of the tile that holds data, in percent.
    pub data_coverage_percentage: Option<f64>,
    /// Outline of the data in the CRS of the tile.
    tile_data_geometry: Value,
}

impl TileInfo {
    /// Reads the file.
    pub(crate) fn parse(bytes: &[u8], place: &str) -> Result<Self, ArchiveError> {
        serde_json::from_slice(bytes)
            .map_err(|error| ArchiveError::product(place, format!("it cannot be read: {error}")))
    }

    /// Returns the outline of the data, the first ring of a polygon or of the largest part.
    pub(crate) fn outline(&self) -> Vec<Point> {
        let coordinates = &self.tile_data_geometry["coordinates"];
        let rings: Vec<&Value> = match self.tile_data_geometry["type"].as_str() {
            Some("Polygon") => vec![&coordinates[0]],
            Some("MultiPolygon") => coordinates
                .as_array()
                .map(|parts| parts.iter().map(|part| &part[0]).collect())
                .unwrap_or_default(),
            _ => Vec::new(),
        };
        let points = |ring: &Value| -> Vec<Point> {
            let positions = ring.as_array().map(Vec::as_slice).unwrap_or_default();
            positions
                .iter()
                .take(VERTICES_MAX)
                .filter_map(|position| {
                    Some(Point {
                        x: position[0].as_f64()?,
                        y: position[1].as_f64()?,
                    })
                })
                .collect()
        };
        let rings = rings.into_iter().map(points);
        rings
            .max_by(|one, two| extent(one).total_cmp(&extent(two)))
            .unwrap_or_default()
    }
}

/// Returns the area of the rectangle around a ring.
fn extent(ring: &[Point]) -> f64 {
    let span = |value: fn(&Point) -> f64| {
        let values = || ring.iter().map(value);
        values().fold(f64::NEG_INFINITY, f64::max) - values().fold(f64::INFINITY, f64::min)
    };
    match ring.is_empty() {
        true => 0.0,
        false => span(|point| point.x) * span(|point| point.y),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_outline_is_empty() {
        let text = br#"{"tileDataGeometry": {"type": "Polygon", "coordinates": [[]]}}"#;
        let info = TileInfo::parse(text, "tileInfo.json").expect("JSON");
        assert!(info.outline().is_empty());
    }

    #[test]
    fn the_largest_part_is_taken() {
        let text = br#"{"tileDataGeometry": {"type": "MultiPolygon", "coordinates":
            [[[[0,0],[1,0],[1,1]]], [[[0,0],[9,0],[9,9]]]]}}"#;
        let info = TileInfo::parse(text, "tileInfo.json").expect("JSON");
        assert_eq!(info.outline()[1], Point { x: 9.0, y: 0.0 });
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(info) = TileInfo::parse(&bytes, "any") {
                let _ = info.outline();
            }
        }
    }
}
