//! Spatial operators between the geometry of an item and a constant.

use cql2::Expr;
use geo_types::Geometry;
use swath_db::{Dialect, Statement};
use swath_grid::Bbox;

use super::operand::{Operand, shown};
use super::{invalid, two, unknown};
use crate::CatalogError;
use crate::field::{Field, Kind};
use crate::geometry::{self, Relation};
use crate::wkb;

/// How the geometry of an item relates to a constant one, or two constants to each other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SpatialTest {
    relation: Relation,
    left: Side,
    right: Side,
}

#[derive(Debug, Clone, PartialEq)]
enum Side {
    Item,
    Constant(Geometry<f64>),
}

impl SpatialTest {
    /// Returns the test that items share a point with a geometry.
    pub(crate) fn intersects(geometry: Geometry<f64>) -> Self {
        Self {
            relation: Relation::Intersects,
            left: Side::Item,
            right: Side::Constant(geometry),
        }
    }

    pub(super) fn compile(operator: &str, args: &[Box<Expr>]) -> Result<Self, CatalogError> {
        let relation = Relation::of_operator(operator).ok_or_else(|| unknown(operator))?;
        let (left, right) = two(operator, args)?;
        Ok(Self {
            relation,
            left: side(left)?,
            right: side(right)?,
        })
    }

    /// Returns the constant that an item must touch for the test to hold.
    pub(super) fn needed_geometry(&self) -> Option<&Geometry<f64>> {
        match (&self.left, &self.right) {
            _ if self.relation == Relation::Disjoint => None,
            (Side::Item, Side::Constant(geometry)) | (Side::Constant(geometry), Side::Item) => {
                Some(geometry)
            }
            _ => None,
        }
    }

    /// Appends it as a condition.
    pub(super) fn emit(&self, statement: &mut Statement) {
        statement.push_for(
            match self.relation {
                Relation::Intersects => "swath_intersects(",
                Relation::Disjoint => "swath_disjoint(",
                Relation::Equals => "swath_equals(",
                Relation::Touches => "swath_touches(",
                Relation::Within => "swath_within(",
                Relation::Overlaps => "swath_overlaps(",
                Relation::Crosses => "swath_crosses(",
                Relation::Contains => "swath_contains(",
            },
            match self.relation {
                Relation::Intersects => "ST_Intersects(",
                Relation::Disjoint => "ST_Disjoint(",
                Relation::Equals => "ST_Equals(",
                Relation::Touches => "ST_Touches(",
                Relation::Within => "ST_Within(",
                Relation::Overlaps => "ST_Overlaps(",
                Relation::Crosses => "ST_Crosses(",
                Relation::Contains => "ST_Contains(",
            },
        );
        self.left.emit(statement);
        statement.push(", ");
        self.right.emit(statement);
        statement.push(")");
    }
}

impl Side {
    fn emit(&self, statement: &mut Statement) {
        match self {
            Self::Item => {
                statement.push("items.geometry");
            }
            Self::Constant(geometry) => emit_constant(statement, geometry),
        }
    }
}

/// Appends a bound geometry.
pub(crate) fn emit_constant(statement: &mut Statement, geometry: &Geometry<f64>) {
    let bytes = wkb::encode(geometry);
    match statement.dialect() {
        Dialect::Sqlite => statement.bind(bytes),
        Dialect::Postgres => statement
            .push("ST_GeomFromWKB(")
            .bind(bytes)
            .push(", 4326)"),
    };
}

fn side(expr: &Expr) -> Result<Side, CatalogError> {
    match expr {
        Expr::Property { property } => match Field::find(property)? {
            Field::Column(column) if column.kind == Kind::Geometry => Ok(Side::Item),
            other => Err(invalid(format!(
                "spatial operators work on the property \"geometry\", not on \"{}\"",
                other.name()
            ))),
        },
        Expr::BBox { bbox } => bbox_of(bbox).map(Side::Constant),
        Expr::Geometry(shape) => {
            let value = match shape {
                cql2::Geometry::GeoJSON(shape) => serde_json::to_value(shape),
                wkt @ cql2::Geometry::Wkt(_) => serde_json::to_value(wkt),
            };
            let value = value.map_err(|error| invalid(format!("a geometry: {error}")))?;
            geometry::from_geojson(&value)
                .map(Side::Constant)
                .map_err(invalid)
        }
        Expr::Literal(text) => Err(invalid(format!(
            "\"{}\" is a text, not a geometry",
            shown(text)
        ))),
        Expr::Operation { op, .. } => Err(unknown(op)),
        _ => Err(invalid(
            "spatial operators take \"geometry\", a geometry or a bbox",
        )),
    }
}

fn bbox_of(bbox: &[Box<Expr>]) -> Result<Geometry<f64>, CatalogError> {
    let mut numbers = Vec::with_capacity(6);
    for part in bbox {
        match Operand::compile(part)?.read_as(Kind::Number)? {
            Operand::Number(number) => numbers.push(number),
            // `-118` may arrive as an operation on constants.
            other => numbers.push(constant(&other).ok_or_else(|| invalid("a bbox takes numbers"))?),
        }
    }
    let (west, south, east, north) = match numbers.as_slice() {
        [west, south, east, north] | [west, south, _, east, north, _] => {
            (*west, *south, *east, *north)
        }
        _ => return Err(invalid("a bbox takes four or six numbers")),
    };
    let bbox = Bbox {
        west,
        south,
        east,
        north,
    };
    geometry::check_bbox(&bbox).map_err(invalid)?;
    Ok(geometry::of_bbox(&bbox))
}

fn constant(operand: &Operand) -> Option<f64> {
    use super::operand::Arithmetic;
    match operand {
        Operand::Number(number) => Some(*number),
        Operand::Arithmetic(Arithmetic::Multiply, left, right) => {
            Some(constant(left)? * constant(right)?)
        }
        _ => None,
    }
}
