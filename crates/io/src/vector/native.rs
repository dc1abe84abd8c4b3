//! Native (GeoArrow) encodings of GeoParquet: geometry as nested lists of coordinates.

use arrow::array::{
    Array, ArrayRef, FixedSizeListArray, Float64Array, LargeListArray, ListArray, StructArray,
};

use super::shape::{GeometryKind, Shape};

/// A native encoding: the type of the geometry and how deep its lists are nested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NativeEncoding {
    kind: GeometryKind,
}

impl NativeEncoding {
    /// Returns the encoding of a name in the `geo` metadata.
    pub fn from_name(name: &str) -> Option<Self> {
        let kind = match name {
            "point" => GeometryKind::Point,
            "linestring" => GeometryKind::LineString,
            "polygon" => GeometryKind::Polygon,
            "multipoint" => GeometryKind::MultiPoint,
            "multilinestring" => GeometryKind::MultiLineString,
            "multipolygon" => GeometryKind::MultiPolygon,
            _ => return None,
        };
        Some(Self { kind })
    }
}

/// A batch of geometries.
pub(super) struct NativeColumn<'a> {
    column: &'a ArrayRef,
    kind: GeometryKind,
    /// From the geometry down to the rings; empty for kinds that are no polygons.
    levels: Vec<List<'a>>,
    coords: Option<Coords<'a>>,
}

enum List<'a> {
    Small(&'a ListArray),
    Large(&'a LargeListArray),
}

/// Coordinates as two columns, or side by side in one.
enum Coords<'a> {
    Separate {
        x: &'a Float64Array,
        y: &'a Float64Array,
        has_more: bool,
    },
    Interleaved {
        values: &'a Float64Array,
        dimensions: usize,
    },
}

impl<'a> List<'a> {
    fn new(array: &'a ArrayRef) -> Result<(Self, &'a ArrayRef), String> {
        if let Some(list) = array.as_any().downcast_ref::<ListArray>() {
            return Ok((Self::Small(list), list.values()));
        }
        if let Some(list) = array.as_any().downcast_ref::<LargeListArray>() {
            return Ok((Self::Large(list), list.values()));
        }
        Err(format!(
            "a native geometry holds {} where a list is due",
            array.data_type()
        ))
    }

    fn range(&self, index: usize) -> std::ops::Range<usize> {
        match self {
            Self::Small(list) => {
                let offsets = list.value_offsets();
                offsets[index] as usize..offsets[index + 1] as usize
            }
            Self::Large(list) => {
                let offsets = list.value_offsets();
                offsets[index] as usize..offsets[index + 1] as usize
            }
        }
    }
}

impl<'a> Coords<'a> {
    fn new(array: &'a ArrayRef) -> Result<Self, String> {
        let numbers = |array: &'a ArrayRef| {
            let numbers = array.as_any().downcast_ref::<Float64Array>();
            numbers
                .ok_or_else(|| "a native geometry has coordinates that are no doubles".to_string())
        };
        if let Some(pair) = array.as_any().downcast_ref::<StructArray>() {
            let axis = |name: &str| {
                let column = pair.column_by_name(name);
                column.ok_or_else(|| format!("a native geometry has no coordinate {name:?}"))
            };
            let (x, y) = (numbers(axis("x")?)?, numbers(axis("y")?)?);
            return Ok(Self::Separate {
                x,
                y,
                has_more: pair.num_columns() > 2,
            });
        }
        if let Some(list) = array.as_any().downcast_ref::<FixedSizeListArray>()
            && list.value_length() >= 2
        {
            let values = numbers(list.values())?;
            return Ok(Self::Interleaved {
                values,
                dimensions: list.value_length() as usize,
            });
        }
        Err(format!(
            "a native geometry holds {} where coordinates are due",
            array.data_type()
        ))
    }

    fn has_z(&self) -> bool {
        match self {
            Self::Separate { has_more, .. } => *has_more,
            Self::Interleaved { dimensions, .. } => *dimensions > 2,
        }
    }

    fn at(&self, index: usize) -> [f64; 2] {
        match self {
            Self::Separate { x, y, .. } => [x.value(index), y.value(index)],
            Self::Interleaved { values, dimensions } => [
                values.value(index * dimensions),
                values.value(index * dimensions + 1),
            ],
        }
    }

    fn push(&self, range: std::ops::Range<usize>, coords: &mut Vec<[f64; 2]>) {
        match self {
            Self::Separate { x, y, .. } => coords.extend(range.map(|i| [x.value(i), y.value(i)])),
            Self::Interleaved { values, dimensions } => coords.extend(range.map(|i| {
                [
                    values.value(i * dimensions),
                    values.value(i * dimensions + 1),
                ]
            })),
        }
    }
}

impl<'a> NativeColumn<'a> {
    /// Checks that a column has the nesting of its encoding.
    pub fn new(column: &'a ArrayRef, encoding: NativeEncoding) -> Result<Self, String> {
        let depth = match encoding.kind {
            GeometryKind::Polygon => 2,
            GeometryKind::MultiPolygon => 3,
            _ => 0,
        };
        let mut levels = Vec::new();
        let mut inner = column;
        for _ in 0..depth {
            let (list, values) = List::new(inner)?;
            levels.push(list);
            inner = values;
        }
        let coords = match encoding.kind {
            GeometryKind::Polygon | GeometryKind::MultiPolygon | GeometryKind::Point => {
                Some(Coords::new(inner)?)
            }
            _ => None,
        };
        Ok(Self {
            column,
            kind: encoding.kind,
            levels,
            coords,
        })
    }

    /// Decodes a row into an empty shape.
    pub fn decode(&self, row: usize, shape: &mut Shape) -> Result<(), String> {
        if self.column.is_null(row) {
            return Ok(());
        }
        shape.kind = self.kind;
        let Some(coords) = &self.coords else {
            return Ok(());
        };
        shape.has_z = coords.has_z();
        match self.levels.as_slice() {
            [rings, vertices] => push_polygon(rings.range(row), vertices, coords, shape),
            [polygons, rings, vertices] => {
                for polygon in polygons.range(row) {
                    push_polygon(rings.range(polygon), vertices, coords, shape);
                }
            }
            [] => shape.set_point(coords.at(row)),
            _ => {}
        }
        Ok(())
    }
}

fn push_polygon(
    rings: std::ops::Range<usize>,
    vertices: &List<'_>,
    coords: &Coords<'_>,
    shape: &mut Shape,
) {
    let first_ring = shape.rings.len();
    for ring in rings {
        coords.push(vertices.range(ring), &mut shape.coords);
        shape.end_ring(shape.rings.len() == first_ring);
    }
}
