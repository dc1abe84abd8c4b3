//! GeoJSON geometries as they arrive from outside: checked, bounded, without a panic.

use geo_types::{
    Coord, Geometry, GeometryCollection, LineString, MultiLineString, MultiPoint, MultiPolygon,
    Point, Polygon,
};
use serde_json::Value;
use thiserror::Error;

/// Most positions of a geometry that is searched with.
pub const POSITIONS_MAX: usize = 20_000;
/// Numbers of a position: longitude, latitude, and what may follow.
const POSITION_NUMBERS_MAX: usize = 4;
/// Positions of the smallest ring, its first repeated at the end.
const RING_POSITIONS_MIN: usize = 4;

/// What is taken as a geometry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeometryRules {
    /// Most positions.
    pub positions_max: usize,
    /// Deepest nesting of geometry collections.
    pub collections_depth_max: usize,
    /// Largest longitude, in degrees, on either side of Greenwich.
    pub longitude_max: f64,
    /// True: rings end where they begin, as RFC 7946 wants it. Else they are closed here.
    pub has_closed_rings: bool,
}

impl GeometryRules {
    /// What one searches with: as the standard has it, and bounded.
    pub const SEARCH: Self = Self {
        positions_max: POSITIONS_MAX,
        collections_depth_max: 4,
        longitude_max: 180.0,
        has_closed_rings: true,
    };
}

/// A value that is no GeoJSON geometry (RFC 7946 §3.1).
#[derive(Debug, Error, PartialEq)]
#[error("not a GeoJSON geometry: {reason}")]
pub struct GeometryError {
    reason: String,
}

/// Returns the geometry of a GeoJSON geometry object to search with: longitude and latitude in
/// degrees, WGS 84.
///
/// Heights are dropped. Rings are closed and have four positions at least.
///
/// # Errors
/// Where it is no geometry by [`GeometryRules::SEARCH`].
pub fn parse_geometry(value: &Value) -> Result<Geometry<f64>, GeometryError> {
    parse_geometry_by(value, &GeometryRules::SEARCH)
}

/// As [`parse_geometry`], by other rules.
///
/// # Errors
/// Where it is no geometry, lies outside of the longitudes of `rules` or ±90 degrees, or is larger.
pub fn parse_geometry_by(
    value: &Value,
    rules: &GeometryRules,
) -> Result<Geometry<f64>, GeometryError> {
    counted_geometry(value, rules).map(|(geometry, _)| geometry)
}

/// Returns the geometry and how many positions it has.
pub(crate) fn counted_geometry(
    value: &Value,
    rules: &GeometryRules,
) -> Result<(Geometry<f64>, usize), GeometryError> {
    let mut reader = Reader {
        rules,
        positions: 0,
    };
    let geometry = reader.geometry(value, 0)?;
    Ok((geometry, reader.positions))
}

/// Counts positions as it goes.
struct Reader<'a> {
    rules: &'a GeometryRules,
    positions: usize,
}

impl Reader<'_> {
    fn geometry(&mut self, value: &Value, depth: usize) -> Result<Geometry<f64>, GeometryError> {
        let object = value.as_object().ok_or_else(|| fault("it is no object"))?;
        let kind = object.get("type").and_then(Value::as_str);
        let kind = kind.ok_or_else(|| fault("it has no \"type\""))?;
        if kind == "GeometryCollection" {
            return self.collection(object.get("geometries"), depth);
        }
        let coordinates = object
            .get("coordinates")
            .ok_or_else(|| fault("it has no \"coordinates\""))?;
        Ok(match kind {
            "Point" => Geometry::Point(Point(self.position(coordinates)?)),
            "MultiPoint" => {
                let points = self.line(coordinates)?.into_iter().map(Point).collect();
                Geometry::MultiPoint(MultiPoint(points))
            }
            "LineString" => Geometry::LineString(self.line_string(coordinates)?),
            "MultiLineString" => {
                let lines = elements(coordinates)?.iter();
                let lines: Result<_, _> = lines.map(|line| self.line_string(line)).collect();
                Geometry::MultiLineString(MultiLineString(lines?))
            }
            "Polygon" => Geometry::Polygon(self.polygon(coordinates)?),
            "MultiPolygon" => {
                let parts = elements(coordinates)?.iter();
                let parts: Result<_, _> = parts.map(|part| self.polygon(part)).collect();
                Geometry::MultiPolygon(MultiPolygon(parts?))
            }
            _ => return Err(fault("its \"type\" is not one of the seven of RFC 7946")),
        })
    }

    fn collection(
        &mut self,
        members: Option<&Value>,
        depth: usize,
    ) -> Result<Geometry<f64>, GeometryError> {
        let depth_max = self.rules.collections_depth_max;
        if depth >= depth_max {
            return Err(fault(format!(
                "more than {depth_max} collections within each other"
            )));
        }
        let members = members.ok_or_else(|| fault("it has no \"geometries\""))?;
        let members = elements(members)?.iter();
        let read: Result<Vec<_>, _> = members
            .map(|member| self.geometry(member, depth + 1))
            .collect();
        Ok(Geometry::GeometryCollection(GeometryCollection(read?)))
    }

    fn polygon(&mut self, value: &Value) -> Result<Polygon<f64>, GeometryError> {
        let rings = elements(value)?.iter();
        let rings: Result<Vec<_>, _> = rings.map(|ring| self.ring(ring)).collect();
        let mut rings = rings?.into_iter();
        let exterior = rings.next().ok_or_else(|| fault("a polygon has no ring"))?;
        Ok(Polygon::new(exterior, rings.collect()))
    }

    fn ring(&mut self, value: &Value) -> Result<LineString<f64>, GeometryError> {
        let mut ring = self.line(value)?;
        if ring.first() != ring.last() {
            if self.rules.has_closed_rings {
                return Err(fault("a ring does not end where it begins"));
            }
            ring.extend(ring.first().copied());
        }
        if ring.len() < RING_POSITIONS_MIN {
            return Err(fault("a ring has fewer than four positions"));
        }
        Ok(LineString(ring))
    }

    fn line_string(&mut self, value: &Value) -> Result<LineString<f64>, GeometryError> {
        let line = self.line(value)?;
        if line.len() < 2 {
            return Err(fault("a line has fewer than two positions"));
        }
        Ok(LineString(line))
    }

    fn line(&mut self, value: &Value) -> Result<Vec<Coord<f64>>, GeometryError> {
        let positions = elements(value)?.iter();
        positions.map(|position| self.position(position)).collect()
    }

    fn position(&mut self, value: &Value) -> Result<Coord<f64>, GeometryError> {
        self.positions += 1;
        let positions_max = self.rules.positions_max;
        if self.positions > positions_max {
            return Err(fault(format!("more than {positions_max} positions")));
        }
        let numbers = elements(value)?;
        if numbers.len() < 2 || numbers.len() > POSITION_NUMBERS_MAX {
            return Err(fault("a position has two numbers, and perhaps a height"));
        }
        let number = |index: usize| {
            let number = numbers[index].as_f64().filter(|number| number.is_finite());
            number.ok_or_else(|| fault("a coordinate is no number"))
        };
        let (x, y) = (number(0)?, number(1)?);
        let longitude_max = self.rules.longitude_max;
        if x.abs() > longitude_max || y.abs() > 90.0 {
            return Err(fault(format!(
                "{x}, {y} is no longitude within ±{longitude_max} and latitude within ±90 degrees"
            )));
        }
        Ok(Coord { x, y })
    }
}

fn elements(value: &Value) -> Result<&Vec<Value>, GeometryError> {
    value
        .as_array()
        .ok_or_else(|| fault("there is no array where one belongs"))
}

fn fault(reason: impl Into<String>) -> GeometryError {
    GeometryError {
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn all_seven_types_are_read() {
        let ring = json!([[0, 0], [1, 0], [1, 1], [0, 0]]);
        let point = json!({"type": "Point", "coordinates": [1.5, -2, 30]});
        for value in [
            point.clone(),
            json!({"type": "MultiPoint", "coordinates": [[0, 0]]}),
            json!({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}),
            json!({"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]]]}),
            json!({"type": "Polygon", "coordinates": [ring, ring]}),
            json!({"type": "MultiPolygon", "coordinates": [[ring], [ring]]}),
            json!({"type": "GeometryCollection", "geometries": [point]}),
        ] {
            parse_geometry(&value).unwrap_or_else(|error| panic!("{value}: {error}"));
        }
        let read = parse_geometry(&point).expect("a point");
        assert_eq!(read, Geometry::Point(Point::new(1.5, -2.0)));
    }

    #[test]
    fn what_is_no_geometry_is_refused() {
        let line: Vec<[f64; 2]> = vec![[0.0, 0.0]; POSITIONS_MAX + 1];
        let mut nested = json!({"type": "Point", "coordinates": [0, 0]});
        for _ in 0..10 {
            nested = json!({"type": "GeometryCollection", "geometries": [nested]});
        }
        for value in [
            json!(null),
            json!({"type": "Point"}),
            json!({"type": "Point", "coordinates": [1]}),
            json!({"type": "Point", "coordinates": ["1", 2]}),
            json!({"type": "Point", "coordinates": [181, 2]}),
            json!({"type": "Circle", "coordinates": [1, 2]}),
            json!({"type": "Polygon", "coordinates": []}),
            json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}),
            json!({"type": "LineString", "coordinates": line}),
            nested,
        ] {
            assert!(parse_geometry(&value).is_err());
        }
    }

    #[test]
    fn rules_say_how_strict_it_is() {
        let rules = GeometryRules {
            longitude_max: 540.0,
            has_closed_rings: false,
            ..GeometryRules::SEARCH
        };
        let open = json!({"type": "Polygon", "coordinates": [[[179, 0], [181, 0], [181, 1]]]});
        assert!(parse_geometry(&open).is_err());
        let Ok(Geometry::Polygon(read)) = parse_geometry_by(&open, &rules) else {
            panic!("a polygon");
        };
        assert!(read.exterior().is_closed() && read.exterior().0.len() == 4);
        let two = json!({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]});
        assert!(parse_geometry_by(&two, &rules).is_err());
    }

    proptest! {
        #[test]
        fn any_value_ends_in_a_result(kind in "[A-Za-z]{0,20}", text in "[\\[\\],0-9. -]{0,60}") {
            let coordinates: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            for kind in [kind.as_str(), "Point", "LineString", "Polygon", "MultiPolygon"] {
                let _ = parse_geometry(&json!({"type": kind, "coordinates": coordinates}));
            }
        }
    }
}
