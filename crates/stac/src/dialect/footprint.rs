//! Footprints of products: WKT as clients and providers send it, and as the dialects write it.
//!
//! Coordinates are longitude, latitude in degrees (WGS 84).

use std::str::FromStr;

use geo_types::{Geometry, Polygon};
use serde_json::Value;
use thiserror::Error;

/// Longest WKT text, in bytes.
pub const WKT_BYTES_MAX: usize = 64 << 10;
/// Most coordinates of a geometry to search with.
pub const COORDINATES_MAX: usize = 5_000;

/// A geometry that cannot be searched with.
#[derive(Debug, Error, PartialEq)]
#[error("{reason}")]
pub struct FootprintError {
    reason: String,
}

impl FootprintError {
    /// Returns the error with its reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

fn wrong(reason: impl Into<String>) -> FootprintError {
    FootprintError::new(reason)
}

/// Parses a WKT `POINT`, `LINESTRING`, `POLYGON` or their `MULTI` forms, with or without `SRID=4326;`.
///
/// Rings are closed where the client forgot to. Collections are refused: their nesting has no bound.
///
/// # Errors
/// Where it is none of these, too long, empty, or leaves -180..180, -90..90.
pub fn parse_wkt(text: &str) -> Result<Geometry, FootprintError> {
    if text.len() > WKT_BYTES_MAX {
        return Err(wrong(format!(
            "the WKT has {} bytes, at most {WKT_BYTES_MAX} are read",
            text.len()
        )));
    }
    let body = strip_srid(text.trim())?;
    let kind: String = body
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect::<String>()
        .to_ascii_uppercase();
    const KINDS: [&str; 6] = [
        "POINT",
        "LINESTRING",
        "POLYGON",
        "MULTIPOINT",
        "MULTILINESTRING",
        "MULTIPOLYGON",
    ];
    if !KINDS.contains(&kind.as_str()) {
        return Err(wrong(format!(
            "\"{}\" is not one of {}",
            shown(body),
            KINDS.join(", ")
        )));
    }
    let parsed = wkt::Wkt::<f64>::from_str(body)
        .map_err(|reason| wrong(format!("\"{}\" is not WKT: {reason}", shown(body))))?;
    let geometry =
        Geometry::try_from(parsed).map_err(|_| wrong("the geometry is empty".to_owned()))?;
    checked(geometry)
}

fn strip_srid(text: &str) -> Result<&str, FootprintError> {
    if !text
        .get(..5)
        .is_some_and(|head| head.eq_ignore_ascii_case("srid="))
    {
        return Ok(text);
    }
    match text[5..].split_once(';') {
        Some(("4326", rest)) => Ok(rest.trim_start()),
        _ => Err(wrong("only SRID=4326 is known")),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Checks a geometry: its positions on the Earth and at most [`COORDINATES_MAX`], its rings of three corners.
///
/// # Errors
/// Where it is not so.
pub fn checked(geometry: Geometry) -> Result<Geometry, FootprintError> {
    use geo::CoordsIter;
    let count = geometry.coords_count();
    if count == 0 {
        return Err(wrong("the geometry is empty"));
    }
    if count > COORDINATES_MAX {
        return Err(wrong(format!(
            "the geometry has {count} coordinates, at most {COORDINATES_MAX} are searched with"
        )));
    }
    // NaN is in no range.
    let is_inside = geometry
        .coords_iter()
        .all(|c| (-180.0..=180.0).contains(&c.x) && (-90.0..=90.0).contains(&c.y));
    if !is_inside {
        return Err(wrong(
            "coordinates are longitude latitude within -180..180 and -90..90",
        ));
    }
    let has_short_ring = match &geometry {
        Geometry::Polygon(polygon) => has_short_ring(polygon),
        Geometry::MultiPolygon(polygons) => polygons.iter().any(has_short_ring),
        _ => false,
    };
    if has_short_ring {
        return Err(wrong("a ring has fewer than three corners"));
    }
    Ok(geometry)
}

fn has_short_ring(polygon: &Polygon) -> bool {
    // `Polygon` closes its rings, so three corners are four coordinates.
    std::iter::once(polygon.exterior())
        .chain(polygon.interiors())
        .any(|ring| ring.0.len() < 4)
}

/// Longitudes and latitudes of a ring.
pub type Ring = Vec<(f64, f64)>;

/// Returns the rings of each polygon of a GeoJSON `Polygon` or `MultiPolygon`; other kinds have none.
pub fn polygons(geometry: &Value) -> Vec<Vec<Ring>> {
    let coordinates = &geometry["coordinates"];
    match geometry["type"].as_str() {
        Some("Polygon") => vec![rings(coordinates)],
        Some("MultiPolygon") => coordinates
            .as_array()
            .map(|polygons| polygons.iter().map(rings).collect())
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn rings(polygon: &Value) -> Vec<Ring> {
    let rings = polygon.as_array().map(Vec::as_slice).unwrap_or_default();
    rings.iter().map(positions).collect()
}

fn positions(ring: &Value) -> Vec<(f64, f64)> {
    let positions = ring.as_array().map(Vec::as_slice).unwrap_or_default();
    positions.iter().filter_map(position).collect()
}

/// Returns longitude and latitude of a GeoJSON position.
pub fn position(value: &Value) -> Option<(f64, f64)> {
    Some((value.get(0)?.as_f64()?, value.get(1)?.as_f64()?))
}

/// Writes pairs with `between` inside a pair and `after` between pairs.
pub fn join(pairs: &[(f64, f64)], between: &str, after: &str) -> String {
    let texts: Vec<String> = pairs
        .iter()
        .map(|(first, second)| format!("{first}{between}{second}"))
        .collect();
    texts.join(after)
}

/// Returns a GeoJSON geometry as WKT; `None` for what is neither point nor polygon.
pub fn to_wkt(geometry: &Value) -> Option<String> {
    let polygon_text = |rings: &Vec<Ring>| {
        let texts: Vec<String> = rings
            .iter()
            .map(|ring| format!("({})", join(ring, " ", ", ")))
            .collect();
        format!("({})", texts.join(", "))
    };
    let polygons = polygons(geometry);
    match (geometry["type"].as_str()?, polygons.as_slice()) {
        ("Point", _) => position(&geometry["coordinates"]).map(|(x, y)| format!("POINT ({x} {y})")),
        ("Polygon", [polygon]) => Some(format!("POLYGON {}", polygon_text(polygon))),
        ("MultiPolygon", polygons) => {
            let texts: Vec<String> = polygons.iter().map(polygon_text).collect();
            Some(format!("MULTIPOLYGON ({})", texts.join(", ")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn wkt_of_clients_is_read() {
        for text in [
            "POINT(4.1 51.2)",
            "point (4.1 51.2)",
            "SRID=4326;POINT(4.1 51.2)",
            "POLYGON((3.0 51.27,6.49 50.27,6 52,3.0 51.27))",
            "POLYGON ((3.0 51.27, 6.49 50.27, 6 52))",
            "MULTIPOLYGON(((3 51,6 50,6 52,3 51)))",
            "LINESTRING(3 51, 4 52)",
        ] {
            assert!(parse_wkt(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_footprint_is_refused() {
        let bomb = "GEOMETRYCOLLECTION(".repeat(3_000);
        let long = format!("LINESTRING({})", "1 1,".repeat(40_000));
        let many = format!("LINESTRING({}1 1)", "1 1,".repeat(5_000));
        for text in [
            "",
            "POINT(4.1)",
            "POINT EMPTY",
            "POINT(181 0)",
            "POINT(0 91)",
            "POINT(nan 0)",
            "POINT(1e400 0)",
            "POLYGON((1 1,2 2))",
            "POLYGON EMPTY",
            "SRID=3857;POINT(1 1)",
            "CIRCULARSTRING(1 1, 2 2)",
            "'; DROP TABLE items; --",
            &bomb,
            &long,
            &many,
        ] {
            assert!(parse_wkt(text).is_err(), "{}", shown(text));
        }
    }

    #[test]
    fn geometries_become_wkt() {
        let square = json!({"type": "Polygon", "coordinates":
            [[[3.0, 51.0], [4.0, 51.0], [4.0, 52.5], [3.0, 51.0]]]});
        assert_eq!(
            to_wkt(&square).as_deref(),
            Some("POLYGON ((3 51, 4 51, 4 52.5, 3 51))")
        );
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_result(text in ".{0,200}") {
            let _ = parse_wkt(&text);
        }

        #[test]
        fn almost_wkt_ends_in_a_result(text in "(MULTI)?(POINT|POLYGON|LINESTRING) ?[()0-9., e+-]{0,80}") {
            let _ = parse_wkt(&text);
        }

        #[test]
        fn what_is_written_is_read_back(points in prop::collection::vec((-179.0f64..179.0, -89.0f64..89.0), 3..20)) {
            let mut ring: Vec<Value> = points.iter().map(|(x, y)| json!([x, y])).collect();
            ring.push(ring[0].clone());
            let polygon = json!({"type": "Polygon", "coordinates": [ring]});
            let text = to_wkt(&polygon).expect("a polygon");
            let Geometry::Polygon(read) = parse_wkt(&text).expect("our own WKT") else { panic!("{text}") };
            let expected: Vec<(f64, f64)> = points.iter().copied().chain([points[0]]).collect();
            let found: Vec<(f64, f64)> = read.exterior().coords().map(|c| (c.x, c.y)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
