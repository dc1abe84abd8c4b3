//! Making the pyramid of a version of a parcel set.
//!
//! Memory: 9 bytes a vertex and about 60 a parcel, and 64 MiB for sorting; outlines as the set has
//! them are there a few thousand at a time.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use rayon::prelude::*;
use swath_grid::{Crs, Projector, ShiftOptions};

use super::cells::{self, Entry, Outline};
use super::density::Density;
use super::file::{About, Crop, GROUP_ROWS, PyramidWriter, cell_level, cell_zooms_of};
use super::junctions::junctions;
use super::outline::vertex_zooms;
use super::record::Record;
use super::square::{Place, Rectangle, place_of};
use crate::vector::parcels::{ParcelRing, multi_polygon};
use crate::vector::set::{AttributeChoice, ParcelSetFile};
use crate::vector::shape::{GeometryKind, Shape};
use crate::vector::wkb::decode_wkb;
use crate::vector::{ParcelGeometry, StringColumn, VectorError, project_parcel};

/// EPSG code of the square.
const EPSG_SQUARE: u32 = 3857;
/// Largest distance of a projected edge from the true one, in metres of the square.
const EDGE_TOLERANCE_M: f64 = 0.25;
/// Most vertices of a set.
const VERTICES_MAX: usize = 1 << 31;
/// Rows whose zooms are computed at once.
const CHUNK_ROWS: usize = 2_048;

/// What was made.
#[derive(Debug, Clone, PartialEq)]
pub struct PyramidSummary {
    /// Parcels of the set.
    pub rows: u64,
    /// Vertices of all of them.
    pub vertices: u64,
    /// Zoom from which tiles hold parcels.
    pub detail_zoom: u8,
    /// Size of the file.
    pub bytes: u64,
}

/// Makes the pyramid of a set whose outlines are in `crs`, and writes it to `file`, which is empty;
/// `path` is what messages call it.
///
/// # Errors
/// Where the set cannot be read, its CRS cannot be brought to Web Mercator, there are more than 2^31
/// vertices, or the file cannot be written.
pub fn build_pyramid(
    set: &ParcelSetFile,
    crs: &Crs,
    file: &File,
    path: &Path,
) -> Result<PyramidSummary, VectorError> {
    let mut outlines = Outlines::default();
    outlines.read(set, crs)?;
    let zooms = outlines.zooms();
    let density = outlines.density(&zooms);
    let detail_zoom = density.detail_zoom();
    let entries = outlines.entries(cell_level(cell_zooms_of(detail_zoom) - 1));
    let about = About {
        has_points: outlines.has_points,
        detail_zoom,
        crops: outlines.crops.clone(),
    };
    let mut writer = PyramidWriter::new(file, path, about);
    outlines.write(&zooms, &mut writer)?;
    writer.entries(&entries)?;
    for zoom in 0..cell_zooms_of(detail_zoom) {
        let coarser = cell_zooms_of(detail_zoom) - 1 - zoom;
        writer.cells(&cells::cells(&entries, coarser, &outlines.crop))?;
    }
    Ok(PyramidSummary {
        rows: outlines.len() as u64,
        vertices: outlines.places.len() as u64,
        detail_zoom,
        bytes: writer.finish()?,
    })
}

/// The outlines of a set on the square, without closing vertices.
#[derive(Debug, Default)]
struct Outlines {
    places: Vec<Place>,
    /// End of each ring in `places`.
    ring_ends: Vec<u32>,
    is_shell: Vec<bool>,
    /// Rings up to the end of each row.
    row_ends: Vec<u32>,
    ids: StringColumn,
    /// Crop of each row, as records have it.
    crop: Vec<u32>,
    /// Square metres of each row; NaN for points.
    area_m2: Vec<f32>,
    crops: Vec<Crop>,
    has_points: bool,
}

/// An outline of one row.
type Rings = Vec<(Vec<Place>, bool)>;

impl Outlines {
    fn len(&self) -> usize {
        self.row_ends.len()
    }

    fn read(&mut self, set: &ParcelSetFile, crs: &Crs) -> Result<(), VectorError> {
        // Some metres between datums are less than what tiles show.
        let options = ShiftOptions {
            accuracy_max_m: f64::INFINITY,
        };
        let square = Crs::from_epsg(EPSG_SQUARE);
        let projector = square.and_then(|square| Projector::new(crs, &square, &options));
        let projector = projector.map_err(|error| VectorError::Projection {
            what: error.to_string(),
        })?;
        self.has_points = set.metadata().geometry == ParcelGeometry::Points;
        let mut known = HashMap::new();
        let names = ["id", "crop_code", "crop_name", "area_m2", "geometry"];
        let choice = AttributeChoice::Named(names.map(str::to_owned).to_vec());
        for batch in set.batches(&choice)? {
            self.add(&batch?, &projector, &mut known);
            if self.places.len() > VERTICES_MAX {
                return Err(VectorError::Limit {
                    file: "the parcel set".into(),
                    what: format!("more than {VERTICES_MAX} vertices"),
                    limit: "VERTICES_MAX".to_owned(),
                });
            }
        }
        Ok(())
    }

    fn add(&mut self, batch: &RecordBatch, projector: &Projector, known: &mut HashMap<Crop, u32>) {
        let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
        let (ids, codes, names) = (text("id"), text("crop_code"), text("crop_name"));
        let areas = batch
            .column_by_name("area_m2")
            .and_then(|column| column.as_primitive_opt::<Float64Type>());
        let outlines = batch
            .column_by_name("geometry")
            .and_then(|column| column.as_binary_opt::<i32>());
        let rings: Vec<Rings> = (0..batch.num_rows())
            .into_par_iter()
            .map_init(Shape::default, |shape, row| {
                let bytes = outlines.filter(|outlines| outlines.is_valid(row));
                bytes.map_or_else(Vec::new, |bytes| rings(bytes.value(row), shape, projector))
            })
            .collect();
        for (row, rings) in rings.into_iter().enumerate() {
            for (places, is_shell) in rings {
                self.places.extend(places);
                self.ring_ends.push(self.places.len() as u32);
                self.is_shell.push(is_shell);
            }
            self.row_ends.push(self.ring_ends.len() as u32);
            let value = |column: Option<&arrow::array::StringArray>| {
                let column = column.filter(|column| column.is_valid(row))?;
                Some(column.value(row).to_owned())
            };
            self.ids.push(Some(&value(ids).unwrap_or_default()));
            let crop = Crop {
                code: value(codes),
                name: value(names),
            };
            self.crop.push(match crop == Crop::default() {
                true => 0,
                false => *known.entry(crop).or_insert_with_key(|crop| {
                    self.crops.push(crop.clone());
                    self.crops.len() as u32
                }),
            });
            let area = areas.filter(|areas| areas.is_valid(row));
            self.area_m2
                .push(area.map_or(f32::NAN, |areas| areas.value(row) as f32));
        }
    }

    /// Returns the rings of a row, by their place among all.
    fn rings_of(&self, row: usize) -> std::ops::Range<usize> {
        let end = |row: usize| self.row_ends[row] as usize;
        row.checked_sub(1).map_or(0, end)..end(row)
    }

    /// Returns the vertices of rings.
    fn vertices_of(&self, rings: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let end = |ring: usize| self.ring_ends[ring] as usize;
        let start = rings.start.checked_sub(1).map_or(0, end);
        start..rings.end.checked_sub(1).map_or(0, end).max(start)
    }

    /// Returns the zoom from which each vertex is needed.
    fn zooms(&self) -> Vec<u8> {
        if self.has_points {
            return vec![0; self.places.len()];
        }
        let is_junction = junctions(&self.places, &self.ring_ends);
        let chunks = (0..self.ring_ends.len()).into_par_iter().chunks(CHUNK_ROWS);
        let zooms: Vec<Vec<u8>> = chunks
            .map(|rings| {
                let of_ring = |ring: usize| {
                    let vertices = self.vertices_of(ring..ring + 1);
                    vertex_zooms(&self.places[vertices.clone()], &is_junction[vertices])
                };
                rings.into_iter().flat_map(of_ring).collect()
            })
            .collect();
        zooms.concat()
    }

    fn density(&self, zooms: &[u8]) -> Density {
        let mut density = Density::default();
        for row in 0..self.len() {
            let vertices = self.vertices_of(self.rings_of(row));
            if vertices.is_empty() {
                continue;
            }
            let mut around = Rectangle::NOWHERE;
            let places = &self.places[vertices.clone()];
            places.iter().for_each(|place| around.extend(*place));
            let id_bytes = self.ids.get(row).map_or(0, str::len);
            density.add(around.middle(), id_bytes, &zooms[vertices]);
        }
        density
    }

    fn entries(&self, level: u8) -> Vec<Entry> {
        let of_row = |row: usize| {
            let rings = self.rings_of(row);
            let vertices = self.vertices_of(rings.clone());
            let start = vertices.start as u32;
            let ends = rings.map(|ring| (self.ring_ends[ring] - start, self.is_shell[ring]));
            let ends: Vec<(u32, bool)> = ends.collect();
            let area = self.area_m2[row];
            let outline = Outline {
                row: row as u32,
                places: &self.places[vertices],
                rings: &ends,
                area_m2: (!self.has_points).then_some(if area.is_nan() { 0.0 } else { area }),
            };
            cells::entries(&outline, level)
        };
        let mut entries: Vec<Entry> = (0..self.len())
            .into_par_iter()
            .flat_map_iter(of_row)
            .collect();
        cells::sort(&mut entries);
        entries
    }

    fn write(&self, zooms: &[u8], writer: &mut PyramidWriter<'_>) -> Result<(), VectorError> {
        let mut records = vec![Record::default(); GROUP_ROWS];
        for first in (0..self.len()).step_by(GROUP_ROWS) {
            let rows = first..(first + GROUP_ROWS).min(self.len());
            for (record, row) in records.iter_mut().zip(rows.clone()) {
                let rings = self.rings_of(row);
                let vertices = self.vertices_of(rings.clone());
                let start = vertices.start as u32;
                record.id.clear();
                record.id.push_str(self.ids.get(row).unwrap_or_default());
                record.crop = self.crop[row];
                record.area_m2 = self.area_m2[row];
                record.places.clear();
                record.places.extend(&self.places[vertices.clone()]);
                record.zooms.clear();
                record.zooms.extend(&zooms[vertices]);
                record.rings.clear();
                let ends = rings.map(|ring| (self.ring_ends[ring] - start, self.is_shell[ring]));
                record.rings.extend(ends);
            }
            writer.group(&records[..rows.len()])?;
        }
        Ok(())
    }
}

/// Returns the rings of an outline on the square; none where it cannot be brought there.
fn rings(wkb: &[u8], shape: &mut Shape, projector: &Projector) -> Rings {
    shape.clear();
    if decode_wkb(wkb, shape).is_err() {
        return Vec::new();
    }
    if shape.kind == GeometryKind::Point {
        let at = shape.point.map(|[x, y]| swath_grid::Point { x, y });
        let mut points: Vec<swath_grid::Point> = at.into_iter().collect();
        let is_there = projector.project(&mut points).is_ok();
        let points = points.into_iter().filter(|_| is_there);
        return points
            .map(|at| (vec![place_of(at.x, at.y)], true))
            .collect();
    }
    let rings = shape.iter_rings();
    let polygon = multi_polygon(rings.map(|(coords, is_shell)| ParcelRing { coords, is_shell }));
    let Ok(projected) = project_parcel(&polygon, projector, EDGE_TOLERANCE_M) else {
        return Vec::new();
    };
    let mut rings = Rings::new();
    for polygon in &projected {
        let Some(shell) = on_square(polygon.exterior()) else {
            continue;
        };
        rings.push((shell, true));
        let holes = polygon.interiors().iter().filter_map(on_square);
        rings.extend(holes.map(|hole| (hole, false)));
    }
    rings
}

/// Returns a ring without closing and repeated vertices; `None` where fewer than three are left.
fn on_square(ring: &geo_types::LineString<f64>) -> Option<Vec<Place>> {
    let mut places: Vec<Place> = ring.coords().map(|c| place_of(c.x, c.y)).collect();
    places.dedup();
    while places.len() > 1 && places.first() == places.last() {
        places.pop();
    }
    (places.len() >= 3).then_some(places)
}
