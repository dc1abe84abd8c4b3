//! Geometries of items: from and to GeoJSON, their rectangles, how they relate.

use geo::{BoundingRect, Intersects, Relate};
use geo_types::{Coord, Geometry, GeometryCollection, LineString, MultiPolygon, Polygon};
use serde_json::{Value, json};
use swath_grid::Bbox;
use swath_stac::{GeometryRules, parse_geometry_by};

/// Largest longitude that is taken as one; beyond 180 are geometries that cross the antimeridian.
const LONGITUDE_MAX: f64 = 540.0;

/// A rectangle in longitude and latitude whose west lies west of its east.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rectangle {
    pub(crate) west: f64,
    pub(crate) south: f64,
    pub(crate) east: f64,
    pub(crate) north: f64,
}

impl Rectangle {
    fn polygon(&self) -> Polygon<f64> {
        geo_types::Rect::new((self.west, self.south), (self.east, self.north)).to_polygon()
    }
}

/// Returns the one rectangle of a bbox, or the two on both sides of the antimeridian.
pub(crate) fn rectangles(bbox: &Bbox) -> Vec<Rectangle> {
    let Bbox {
        west,
        south,
        east,
        north,
    } = *bbox;
    let rectangle = |west, east| Rectangle {
        west,
        south,
        east,
        north,
    };
    match west <= east {
        true => vec![rectangle(west, east)],
        false => vec![rectangle(west, 180.0), rectangle(-180.0, east)],
    }
}

/// Returns a bbox as a geometry.
pub(crate) fn of_bbox(bbox: &Bbox) -> Geometry<f64> {
    let polygons: Vec<_> = rectangles(bbox).iter().map(Rectangle::polygon).collect();
    MultiPolygon::new(polygons).into()
}

/// Returns the rectangle around a geometry, `None` where it is empty.
pub(crate) fn bounds(geometry: &Geometry<f64>) -> Option<Rectangle> {
    geometry.bounding_rect().map(|rect| Rectangle {
        west: rect.min().x,
        south: rect.min().y,
        east: rect.max().x,
        north: rect.max().y,
    })
}

/// Checks a bbox: numbers, south not above north, within the Earth.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_bbox(bbox: &Bbox) -> Result<(), String> {
    let Bbox {
        west,
        south,
        east,
        north,
    } = *bbox;
    let is_finite = [west, south, east, north]
        .iter()
        .all(|value| value.is_finite());
    let is_on_earth = west.abs() <= LONGITUDE_MAX
        && east.abs() <= LONGITUDE_MAX
        && (-90.0..=90.0).contains(&south)
        && (-90.0..=90.0).contains(&north);
    if !is_finite || !is_on_earth || south > north {
        return Err(format!(
            "the bbox {west},{south},{east},{north} is none (west, south, east, north in degrees)"
        ));
    }
    Ok(())
}

/// Geometries of items: large, over the antimeridian, with rings that their makers did not close.
const ITEM_RULES: GeometryRules = GeometryRules {
    positions_max: 1_000_000,
    collections_depth_max: 8,
    longitude_max: LONGITUDE_MAX,
    has_closed_rings: false,
};

/// Reads the geometry of an item (GeoJSON, RFC 7946 §3.1); elevations are left out.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn from_geojson(value: &Value) -> Result<Geometry<f64>, String> {
    parse_geometry_by(value, &ITEM_RULES).map_err(|error| error.to_string())
}

/// Returns a geometry as GeoJSON.
pub(crate) fn to_geojson(geometry: &Geometry<f64>) -> Value {
    let at = |at: &Coord<f64>| json!([at.x, at.y]);
    let line = |line: &LineString<f64>| line.0.iter().map(at).collect::<Value>();
    let polygon = |polygon: &Polygon<f64>| {
        let rings = std::iter::once(polygon.exterior()).chain(polygon.interiors());
        rings
            .filter(|ring| !ring.0.is_empty())
            .map(line)
            .collect::<Value>()
    };
    let (kind, coordinates) = match geometry {
        Geometry::Point(point) => ("Point", at(&point.0)),
        Geometry::LineString(string) => ("LineString", line(string)),
        Geometry::Polygon(shape) => ("Polygon", polygon(shape)),
        Geometry::MultiPoint(points) => (
            "MultiPoint",
            points.0.iter().map(|point| at(&point.0)).collect(),
        ),
        Geometry::MultiLineString(lines) => ("MultiLineString", lines.0.iter().map(line).collect()),
        Geometry::MultiPolygon(shapes) => ("MultiPolygon", shapes.0.iter().map(polygon).collect()),
        Geometry::GeometryCollection(parts) => {
            let parts: Vec<Value> = parts.0.iter().map(to_geojson).collect();
            return json!({"type": "GeometryCollection", "geometries": parts});
        }
        Geometry::Line(segment) => ("LineString", json!([at(&segment.start), at(&segment.end)])),
        Geometry::Rect(rect) => ("Polygon", polygon(&rect.to_polygon())),
        Geometry::Triangle(triangle) => ("Polygon", polygon(&triangle.to_polygon())),
    };
    json!({"type": kind, "coordinates": coordinates})
}

/// Returns what is searched for an item whose bbox crosses the antimeridian.
///
/// A geometry that is cut there (RFC 7946 §3.1.9) stays. One that is not has edges across the whole
/// map; its western longitudes are moved behind 180, and a second copy a turn back serves searches
/// from the other side.
pub(crate) fn unwrapped(geometry: Geometry<f64>) -> Geometry<f64> {
    let is_cut = bounds_of_parts(&geometry)
        .iter()
        .all(|part| part.east - part.west <= 180.0);
    if is_cut {
        return geometry;
    }
    use geo::MapCoords;
    let moved = |west_by: f64| {
        geometry.map_coords(move |Coord { x, y }| {
            let x = if x < 0.0 { x + 360.0 } else { x };
            Coord { x: x - west_by, y }
        })
    };
    match (moved(0.0), moved(360.0)) {
        (Geometry::Polygon(east), Geometry::Polygon(west)) => {
            MultiPolygon::new(vec![east, west]).into()
        }
        (Geometry::MultiPolygon(east), Geometry::MultiPolygon(west)) => {
            MultiPolygon::new([east.0, west.0].concat()).into()
        }
        (east, west) => Geometry::GeometryCollection(GeometryCollection::from(vec![east, west])),
    }
}

fn bounds_of_parts(geometry: &Geometry<f64>) -> Vec<Rectangle> {
    match geometry {
        Geometry::MultiPolygon(parts) => {
            let parts = parts.0.iter().cloned().map(Geometry::from);
            parts.filter_map(|part| bounds(&part)).collect()
        }
        Geometry::GeometryCollection(parts) => parts.0.iter().flat_map(bounds_of_parts).collect(),
        other => bounds(other).into_iter().collect(),
    }
}

/// How two geometries may relate (OGC simple features, DE-9IM).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Intersects,
    Disjoint,
    Equals,
    Touches,
    Within,
    Overlaps,
    Crosses,
    Contains,
}

impl Relation {
    /// Returns the relation of a CQL2 operator.
    pub(crate) fn of_operator(operator: &str) -> Option<Self> {
        Some(match operator {
            "s_intersects" => Self::Intersects,
            "s_disjoint" => Self::Disjoint,
            "s_equals" => Self::Equals,
            "s_touches" => Self::Touches,
            "s_within" => Self::Within,
            "s_overlaps" => Self::Overlaps,
            "s_crosses" => Self::Crosses,
            "s_contains" => Self::Contains,
            _ => return None,
        })
    }

    /// Tells whether it holds between two geometries in the plane of longitude and latitude.
    pub(crate) fn holds(self, left: &Geometry<f64>, right: &Geometry<f64>) -> bool {
        match self {
            Self::Intersects => left.intersects(right),
            Self::Disjoint => !left.intersects(right),
            Self::Equals => left.relate(right).is_equal_topo(),
            Self::Touches => left.relate(right).is_touches(),
            Self::Within => left.relate(right).is_within(),
            Self::Overlaps => left.relate(right).is_overlaps(),
            Self::Crosses => left.relate(right).is_crosses(),
            Self::Contains => left.relate(right).is_contains(),
        }
    }
}

#[cfg(test)]
mod tests {
    use geo_types::Point;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bbox_across_the_antimeridian_is_two_rectangles() {
        let bbox = Bbox {
            west: 170.0,
            south: -10.0,
            east: -170.0,
            north: 10.0,
        };
        let parts = rectangles(&bbox);
        assert_eq!((parts[0].west, parts[0].east), (170.0, 180.0));
        assert_eq!((parts[1].west, parts[1].east), (-180.0, -170.0));
        let around = of_bbox(&bbox);
        let point = |x: f64| Geometry::from(Point::new(x, 0.0));
        assert!(Relation::Intersects.holds(&around, &point(175.0)));
        assert!(Relation::Intersects.holds(&around, &point(-175.0)));
        assert!(!Relation::Intersects.holds(&around, &point(0.0)));
    }

    #[test]
    fn uncut_geometry_is_searched_on_both_sides() {
        let ring = json!([[
            [179.0, 0.0],
            [-179.0, 0.0],
            [-179.0, 1.0],
            [179.0, 1.0],
            [179.0, 0.0]
        ]]);
        let geometry =
            from_geojson(&json!({"type": "Polygon", "coordinates": ring})).expect("valid");
        let searched = unwrapped(geometry);
        let hits = |x: f64| Relation::Intersects.holds(&searched, &Point::new(x, 0.5).into());
        assert!(hits(179.5) && hits(-179.5));
        assert!(!hits(0.0));
    }

    #[test]
    fn wrong_geometries_are_refused_with_a_reason() {
        for (value, part) in [
            (json!({"type": "Circle", "coordinates": []}), "type"),
            (json!({"type": "Point", "coordinates": [1]}), "position"),
            (
                json!({"type": "Point", "coordinates": [1, 100]}),
                "latitude",
            ),
            (
                json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}),
                "ring",
            ),
            (json!({"type": "Polygon", "coordinates": []}), "ring"),
            (json!(null), "object"),
        ] {
            let reason = from_geojson(&value).expect_err(part);
            assert!(reason.contains(part), "{reason}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<f64>().prop_map(|number| json!(number)),
            "Point|Polygon|MultiPolygon|GeometryCollection|[a-z]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 60, 6, |inner| {
            let names = "type|coordinates|geometries";
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(names, inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_ends_in_a_result(value in any_json()) {
            if let Ok(geometry) = from_geojson(&value) {
                let _ = (bounds(&geometry), to_geojson(&geometry), unwrapped(geometry));
            }
        }
    }
}
