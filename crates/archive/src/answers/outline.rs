//! Footprints of answers: GeoJSON, WKT, GML and GeoRSS become the geometry and bbox of an item.

use serde_json::{Value, json};
use swath_grid::Point;
use swath_stac::dialect::footprint::{WKT_BYTES_MAX, parse_wkt, polygons};
use swath_stac::parse_geometry;

use crate::footprint::Footprint;
use crate::xml::{self, NodeExt};

/// Longest GML or GeoRSS text, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// How near to ±180 degrees a part ends at the antimeridian.
const ANTIMERIDIAN_DEG: f64 = 1e-3;

/// Where a product lies: longitude and latitude in degrees, WGS 84.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outline {
    /// GeoJSON.
    pub(super) geometry: Value,
    /// West, south, east, north; west lies east of east where it crosses the antimeridian.
    pub(super) bbox: [f64; 4],
}

/// Returns the outline of a GeoJSON geometry; `None` of null and of an empty object.
///
/// One ring that crosses the antimeridian without being split is split there; what is split stays.
///
/// # Errors
/// Where it is no geometry.
pub(super) fn of_geojson(value: &Value) -> Result<Option<Outline>, String> {
    let is_absent = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    if is_absent {
        return Ok(None);
    }
    if let [polygon] = polygons(value).as_slice()
        && let [ring] = polygon.as_slice()
        && leaves_the_map(ring)
    {
        return split(ring).map(Some);
    }
    if value["type"] == "GeometryCollection" {
        return Err("a collection of geometries is no footprint".to_owned());
    }
    parse_geometry(value).map_err(|error| error.to_string())?;
    let bbox = bbox(value).ok_or("the footprint is empty")?;
    Ok(Some(Outline {
        // Without what some add to it, as `crs`.
        geometry: json!({"type": value["type"], "coordinates": value["coordinates"]}),
        bbox,
    }))
}

/// Returns the outline of WKT: plain, with `SRID=4326;`, or as OData's `geography'…'`.
///
/// # Errors
/// Where it is none.
pub(super) fn of_wkt(text: &str) -> Result<Option<Outline>, String> {
    let text = text.trim();
    let inner = text
        .strip_prefix("geography'")
        .and_then(|rest| rest.strip_suffix('\''))
        .unwrap_or(text);
    if inner.is_empty() {
        return Ok(None);
    }
    if inner.len() > WKT_BYTES_MAX {
        return Err(format!("the footprint has more than {WKT_BYTES_MAX} bytes"));
    }
    let geometry = parse_wkt(inner).map_err(|error| error.to_string())?;
    of_geojson(&swath_catalog::geojson_of(&geometry))
}

/// Returns the outline of a GML polygon or of several.
///
/// `posList` is latitude, longitude; so is `coordinates`, unless the reference system is written as
/// `EPSG:4326`, which is resto's form and means longitude, latitude.
///
/// # Errors
/// Where it is none.
pub(super) fn of_gml(text: &str) -> Result<Option<Outline>, String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!(
            "the footprint has more than {TEXT_BYTES_MAX} bytes"
        ));
    }
    let document = xml::parse(text, "footprint").map_err(|error| error.to_string())?;
    let root = document.root_element();
    let is_longitude_first = root.attribute("srsName") == Some("EPSG:4326");
    let parts: Vec<Value> = root
        .find_all("Polygon")
        .map(|polygon| {
            let lists = polygon
                .find_all("posList")
                .chain(polygon.find_all("coordinates"));
            lists
                .filter_map(xml::text)
                .map(|list| ring(&numbers(list), is_longitude_first))
                .collect()
        })
        .collect();
    of_parts(parts)
}

/// Returns the outline of GeoRSS polygons, each `lat lon lat lon …`.
///
/// # Errors
/// Where one is none.
pub(super) fn of_georss(rings: &[&str]) -> Result<Option<Outline>, String> {
    if rings.iter().any(|text| text.len() > TEXT_BYTES_MAX) {
        return Err(format!(
            "the footprint has more than {TEXT_BYTES_MAX} bytes"
        ));
    }
    of_parts(
        rings
            .iter()
            .map(|text| json!([ring(&numbers(text), false)]))
            .collect(),
    )
}

/// Returns the outline of a GeoRSS box: south, west, north, east.
///
/// # Errors
/// Where it is none.
pub(super) fn of_georss_box(text: &str) -> Result<Option<Outline>, String> {
    match numbers(text).as_slice() {
        [s, w, n, e] => of_parts(vec![json!([[[w, s], [e, s], [e, n], [w, n], [w, s]]])]),
        _ => Err("a box is south, west, north, east".to_owned()),
    }
}

fn of_parts(mut parts: Vec<Value>) -> Result<Option<Outline>, String> {
    match parts.len() {
        0 => Ok(None),
        1 => of_geojson(&json!({"type": "Polygon", "coordinates": parts.remove(0)})),
        _ => of_geojson(&json!({"type": "MultiPolygon", "coordinates": parts})),
    }
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(|character: char| character == ',' || character.is_whitespace())
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().unwrap_or(f64::NAN))
        .collect()
}

/// Returns positions of longitude and latitude, closed; NaN becomes null, which no geometry takes.
fn ring(numbers: &[f64], is_longitude_first: bool) -> Value {
    let mut positions: Vec<[f64; 2]> = numbers
        .chunks_exact(2)
        .map(|pair| match is_longitude_first {
            true => [pair[0], pair[1]],
            false => [pair[1], pair[0]],
        })
        .collect();
    positions.dedup();
    if let (Some(first), Some(last)) = (positions.first().copied(), positions.last())
        && first != *last
    {
        positions.push(first);
    }
    json!(positions)
}

/// True where a ring has longitudes beyond ±180 or an edge that goes round the Earth.
fn leaves_the_map(ring: &[(f64, f64)]) -> bool {
    let is_beyond = ring.iter().any(|(longitude, _)| longitude.abs() > 180.0);
    is_beyond
        || ring
            .windows(2)
            .any(|edge| (edge[0].0 - edge[1].0).abs() > 180.0)
}

fn split(ring: &[(f64, f64)]) -> Result<Outline, String> {
    let vertices: Vec<Point> = ring.iter().map(|(x, y)| Point { x: *x, y: *y }).collect();
    let footprint = Footprint::of_degrees(&vertices).ok_or("the footprint is no ring")?;
    let bbox = footprint.bbox();
    Ok(Outline {
        geometry: footprint.geometry(),
        bbox: [bbox.west, bbox.south, bbox.east, bbox.north],
    })
}

/// Returns the bbox of a geometry whose parts end at the antimeridian where they cross it.
fn bbox(geometry: &Value) -> Option<[f64; 4]> {
    let coordinates = &geometry["coordinates"];
    let parts: Vec<[f64; 4]> = match geometry["type"].as_str()? {
        "MultiPolygon" => coordinates.as_array()?.iter().filter_map(box_of).collect(),
        _ => vec![box_of(coordinates)?],
    };
    let all = parts.iter().copied().reduce(around)?;
    let ends_west = |part: &&[f64; 4]| part[2] >= 180.0 - ANTIMERIDIAN_DEG && part[0] > 0.0;
    let ends_east = |part: &&[f64; 4]| part[0] <= ANTIMERIDIAN_DEG - 180.0 && part[2] < 0.0;
    let is_crossing = parts.iter().any(|part| ends_west(&part))
        && parts.iter().any(|part| ends_east(&part))
        // A part over Greenwich goes round the Earth with the others.
        && parts.iter().all(|part| part[0] > 0.0 || part[2] < 0.0);
    if !is_crossing {
        return Some(all);
    }
    let west = parts.iter().filter(|part| part[0] > 0.0);
    let east = parts.iter().filter(|part| part[2] < 0.0);
    Some([
        west.map(|part| part[0]).fold(180.0, f64::min),
        all[1],
        east.map(|part| part[2]).fold(-180.0, f64::max),
        all[3],
    ])
}

/// Returns the plain box around all positions below a value.
fn box_of(value: &Value) -> Option<[f64; 4]> {
    let values = value.as_array()?;
    match (
        values.first().and_then(Value::as_f64),
        values.get(1).and_then(Value::as_f64),
    ) {
        (Some(x), Some(y)) => Some([x, y, x, y]),
        _ => values.iter().filter_map(box_of).reduce(around),
    }
}

fn around(a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
    [
        a[0].min(b[0]),
        a[1].min(b[1]),
        a[2].max(b[2]),
        a[3].max(b[3]),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SQUARE: &str = "POLYGON ((3 51, 4 51, 4 52, 3 51))";

    fn square() -> Value {
        json!({"type": "Polygon", "coordinates": [[[3.0, 51.0], [4.0, 51.0], [4.0, 52.0], [3.0, 51.0]]]})
    }

    #[test]
    fn all_notations_give_the_same_place() {
        let wkt = format!("geography'SRID=4326;{SQUARE}'");
        let dhus = "<gml:Polygon srsName=\"http://www.opengis.net/gml/srs/epsg.xml#4326\" xmlns:gml=\"http://www.opengis.net/gml\"><gml:outerBoundaryIs><gml:LinearRing><gml:coordinates>51,3 51,4 52,4 51,3 51,3</gml:coordinates></gml:LinearRing></gml:outerBoundaryIs></gml:Polygon>";
        let resto = "<gml:Polygon xmlns:gml=\"http://www.opengis.net/gml\" srsName=\"EPSG:4326\"><gml:outerBoundaryIs><gml:LinearRing><gml:coordinates>3,51 4,51 4,52 3,51</gml:coordinates></gml:LinearRing></gml:outerBoundaryIs></gml:Polygon>";
        let list = "<Polygon><exterior><LinearRing><posList>51 3 51 4 52 4 51 3</posList></LinearRing></exterior></Polygon>";
        for found in [
            of_wkt(SQUARE),
            of_wkt(&wkt),
            of_gml(dhus),
            of_gml(resto),
            of_gml(list),
            of_georss(&["51 3 51 4 52 4"]),
            of_geojson(&square()),
        ] {
            let found = found.expect("a footprint").expect("there");
            assert_eq!(found.geometry, square());
            assert_eq!(found.bbox, [3.0, 51.0, 4.0, 52.0]);
        }
        let found = of_georss_box("51 3 52 4").expect("a box").expect("there");
        assert_eq!(found.bbox, [3.0, 51.0, 4.0, 52.0]);
    }

    #[test]
    fn the_antimeridian_stays_split_or_is() {
        let split =
            "MULTIPOLYGON (((179 1, 180 1, 180 2, 179 1)), ((-180 1, -178 1, -180 2, -180 1)))";
        let found = of_wkt(split).expect("a footprint").expect("there");
        assert_eq!(found.bbox, [179.0, 1.0, -178.0, 2.0]);
        assert_eq!(
            found.geometry["coordinates"].as_array().map(Vec::len),
            Some(2)
        );
        let whole = of_georss(&["1 179 1 -178 2 -178 2 179 1 179"]);
        let found = whole.expect("a footprint").expect("there");
        assert_eq!(found.geometry["type"], "MultiPolygon");
        assert_eq!(found.bbox, [179.0, 1.0, -178.0, 2.0]);
    }

    #[test]
    fn absent_is_not_wrong() {
        assert_eq!(of_geojson(&Value::Null), Ok(None));
        assert_eq!(of_geojson(&json!({})), Ok(None));
        assert_eq!(of_wkt("geography''"), Ok(None));
        for wrong in ["POINT", "POLYGON((1 1, 2 2))", "SRID=3857;POINT(1 1)"] {
            assert!(of_wkt(wrong).is_err(), "{wrong}");
        }
        assert!(of_georss(&["51 3 51 x 52 4"]).is_err());
        assert!(of_gml("<Polygon><posList>1 2</posList></Polygon>").is_err());
        assert!(of_gml("<!DOCTYPE x []><x/>").is_err());
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_result(text in "[<>/a-zA-Z0-9., -]{0,80}") {
            let _ = of_wkt(&text);
            let _ = of_gml(&text);
            let _ = of_georss(&[&text]);
            let _ = of_georss_box(&text);
        }
    }
}
