//! Footprints: what clients search with, and the forms in which the old dialects write geometries. WKT
//! is read and written by the table that the import of others' answers uses too.
//!
//! Coordinates are longitude, latitude in degrees (WGS 84) everywhere but in GeoRSS, whose order is
//! latitude, longitude.

use std::f64::consts::PI;

use geo_types::{Geometry, LineString, MultiPolygon, Point, Polygon};
use serde_json::Value;
use swath_stac::dialect::footprint::{FootprintError, Ring, checked, join, polygons, position};
pub(crate) use swath_stac::dialect::footprint::{WKT_BYTES_MAX, parse_wkt, to_wkt};

use super::markup::Element;

/// Largest radius to search with, in metres.
pub(crate) const RADIUS_M_MAX: f64 = 1_000_000.0;
/// Corners of the polygon that stands for a circle.
const CIRCLE_CORNERS: usize = 64;
/// Mean radius of the Earth, in metres (IUGG).
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// Returns the point, or the polygon that stands for the circle of `radius_m` around it.
///
/// # Errors
/// Where it leaves the Earth or the radius is not within 0..=[`RADIUS_M_MAX`].
pub(crate) fn around(
    longitude: f64,
    latitude: f64,
    radius_m: Option<f64>,
) -> Result<Geometry, FootprintError> {
    let centre = checked(Point::new(longitude, latitude).into())?;
    let Some(radius_m) = radius_m else {
        return Ok(centre);
    };
    if !(0.0..=RADIUS_M_MAX).contains(&radius_m) {
        return Err(FootprintError::new(format!(
            "the radius is in metres, 0 to {RADIUS_M_MAX}"
        )));
    }
    if radius_m == 0.0 {
        return Ok(centre);
    }
    let angle = radius_m / EARTH_RADIUS_M;
    let (lat, lon) = (latitude.to_radians(), longitude.to_radians());
    let (south, north) = (latitude - angle.to_degrees(), latitude + angle.to_degrees());
    if north >= 90.0 || south <= -90.0 {
        // The circle goes round a pole: all longitudes, up to it.
        let (south, north) = (south.max(-90.0), north.min(90.0));
        return Ok(geo_types::Rect::new((-180.0, south), (180.0, north))
            .to_polygon()
            .into());
    }
    // Bearings run clockwise, rings of GeoJSON the other way round.
    let corners: Vec<(f64, f64)> = (0..CIRCLE_CORNERS)
        .rev()
        .map(|corner| {
            let bearing = 2.0 * PI * corner as f64 / CIRCLE_CORNERS as f64;
            let corner_lat =
                (lat.sin() * angle.cos() + lat.cos() * angle.sin() * bearing.cos()).asin();
            let corner_lon = lon
                + (bearing.sin() * angle.sin() * lat.cos())
                    .atan2(angle.cos() - lat.sin() * corner_lat.sin());
            (corner_lon.to_degrees(), corner_lat.to_degrees())
        })
        .collect();
    // A turn to the west and to the east: what lies beyond the antimeridian is there on the map.
    let parts = [-360.0, 0.0, 360.0].map(|turn| {
        let is_seen = corners
            .iter()
            .any(|(x, _)| (-180.0..=180.0).contains(&(x + turn)));
        let ring: LineString = corners
            .iter()
            .map(|(x, y)| ((x + turn).clamp(-180.0, 180.0), *y))
            .collect();
        is_seen.then(|| Polygon::new(ring, Vec::new()))
    });
    let mut parts: Vec<Polygon> = parts.into_iter().flatten().collect();
    Ok(match parts.len() {
        1 => parts.remove(0).into(),
        _ => MultiPolygon::new(parts).into(),
    })
}

/// Returns a GeoJSON geometry as GML 2, coordinates `lon,lat lon,lat …`; the form of resto's
/// `gmlgeometry`, read by the JRC scripts.
pub(crate) fn to_gml(geometry: &Value) -> Option<Element> {
    if geometry["type"] == "Point" {
        let point = position(&geometry["coordinates"])?;
        let coordinates = Element::text("gml:coordinates", join(&[point], ",", " "));
        return Some(
            Element::new("gml:Point")
                .with("srsName", "EPSG:4326")
                .child(coordinates),
        );
    }
    let mut polygons: Vec<Element> = polygons(geometry)
        .iter()
        .map(|rings| gml_polygon(rings))
        .collect();
    match polygons.len() {
        0 => None,
        1 => Some(polygons.remove(0).with("srsName", "EPSG:4326")),
        _ => {
            let members = polygons
                .into_iter()
                .map(|polygon| Element::new("gml:polygonMember").child(polygon));
            Some(
                Element::new("gml:MultiPolygon")
                    .with("srsName", "EPSG:4326")
                    .children(members),
            )
        }
    }
}

fn gml_polygon(rings: &[Ring]) -> Element {
    let boundaries = rings.iter().enumerate().map(|(index, ring)| {
        let name = if index == 0 {
            "gml:outerBoundaryIs"
        } else {
            "gml:innerBoundaryIs"
        };
        let coordinates = Element::text("gml:coordinates", join(ring, ",", " "));
        Element::new(name).child(Element::new("gml:LinearRing").child(coordinates))
    });
    Element::new("gml:Polygon").children(boundaries)
}

/// Returns the outer rings as GeoRSS polygons: `lat lon lat lon …`.
pub(crate) fn to_georss(geometry: &Value) -> Vec<Element> {
    polygons(geometry)
        .iter()
        .filter_map(|rings| rings.first())
        .map(|ring| {
            let swapped: Vec<(f64, f64)> = ring.iter().map(|(x, y)| (*y, *x)).collect();
            Element::text("georss:polygon", join(&swapped, " ", " "))
        })
        .collect()
}

/// Returns the centre of the box around the first outer ring, or the point itself, as GeoJSON.
pub(crate) fn centre(geometry: &Value) -> Option<Value> {
    use serde_json::json;
    if geometry["type"] == "Point" {
        return Some(json!({"type": "Point", "coordinates": geometry["coordinates"]}));
    }
    let polygons = polygons(geometry);
    let ring = polygons.first()?.first()?;
    let polygon = Polygon::new(ring.iter().copied().collect(), Vec::new());
    let centre = geo::Centroid::centroid(&polygon)?;
    Some(json!({"type": "Point", "coordinates": [centre.x(), centre.y()]}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn orders_of_coordinates() {
        let square = json!({"type": "Polygon", "coordinates":
            [[[3.0, 51.0], [4.0, 51.0], [4.0, 52.5], [3.0, 51.0]]]});
        assert_eq!(
            to_wkt(&square).as_deref(),
            Some("POLYGON ((3 51, 4 51, 4 52.5, 3 51))")
        );
        assert_eq!(
            to_gml(&square).expect("a polygon").fragment(),
            "<gml:Polygon srsName=\"EPSG:4326\"><gml:outerBoundaryIs><gml:LinearRing><gml:coordinates>3,51 4,51 4,52.5 3,51</gml:coordinates></gml:LinearRing></gml:outerBoundaryIs></gml:Polygon>"
        );
        assert_eq!(
            to_georss(&square)[0].fragment(),
            "<georss:polygon>51 3 51 4 52.5 4 51 3</georss:polygon>"
        );
    }

    #[test]
    fn a_circle_has_its_radius() {
        let circle = around(5.0, 52.0, Some(10_000.0)).expect("a circle");
        let area = geo::GeodesicArea::geodesic_area_unsigned(&circle);
        assert!((area / (PI * 1e8) - 1.0).abs() < 0.01, "{area}");
        let over = around(179.9, 10.0, Some(50_000.0)).expect("a circle");
        let area = geo::GeodesicArea::geodesic_area_unsigned(&over);
        assert!((area / (PI * 2.5e9) - 1.0).abs() < 0.02, "{area}");
        let holds = |shape: &Geometry, x: f64, y: f64| {
            geo::Intersects::intersects(shape, &Geometry::from(Point::new(x, y)))
        };
        assert!(holds(&over, 179.8, 10.0) && holds(&over, -179.8, 10.0));
        assert!(!holds(&over, 0.0, 10.0));
        let pole = around(20.0, 89.0, Some(300_000.0)).expect("a circle");
        assert!(holds(&pole, -160.0, 89.5) && holds(&pole, 20.0, 87.0));
        assert!(!holds(&pole, 20.0, 80.0));
        assert!(around(5.0, 52.0, Some(-1.0)).is_err());
        assert!(around(5.0, 95.0, None).is_err());
    }
}
