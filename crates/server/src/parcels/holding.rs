//! Versions of parcel sets that are open: ids and rectangles in memory, the rest in the file.
//!
//! A version never changes, so that what was read of it holds for ever; the most recent ones are
//! kept. Personal columns are not read at all.

use std::sync::{Arc, Mutex};

use arrow::array::{Array, AsArray, RecordBatch};
use geo_types::{Coord, Geometry, LineString, MultiPolygon, Point as GeoPoint, Polygon};
use serde_json::{Map, Value};
use swath_access::Viewer;
use swath_catalog::{ParcelSet, ParcelSetName, ParcelSetVersion, geometry_of_wkb};
use swath_grid::{Bbox, Bounds, Crs, Point, Projector, ShiftOptions};
use swath_io::vector::set::{AttributeChoice, ParcelIndex, ParcelSetFile};
use swath_series::json_columns;
use tokio::sync::OnceCell;

use super::failure::{internal, of_io, of_vector};
use crate::error::Problem;
use crate::state::AppState;

/// Versions that are kept.
const SETS_MAX: usize = 8;
/// EPSG code of longitude and latitude.
pub(crate) const WGS84: u32 = 4326;
/// Column of the outlines.
const GEOMETRY: &str = "geometry";

/// The versions of parcel sets that are kept open, the most recently used last.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    open: Mutex<Vec<Held>>,
}

/// A version that is open, or about to be: of those who ask at once one reads, the others wait.
#[derive(Debug, Clone)]
struct Held {
    set: String,
    version: ParcelSetVersion,
    opened: Arc<OnceCell<Arc<OpenSet>>>,
}

/// A version of a parcel set.
#[derive(Debug)]
pub(crate) struct OpenSet {
    /// The set as it was when the version was opened; who may see it is asked each time.
    pub(crate) set: ParcelSet,
    /// The version.
    pub(crate) version: ParcelSetVersion,
    /// The CRS of the outlines.
    pub(crate) crs: Crs,
    file: ParcelSetFile,
    index: ParcelIndex,
    /// `None` where the CRS cannot be brought to degrees.
    to_degrees: Option<Projector>,
}

/// A parcel as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parcel {
    /// Its row.
    pub(crate) row: u32,
    /// What is said of it, by column.
    pub(crate) attributes: Map<String, Value>,
    /// Its outline or place in the CRS of the set; `None` where it has none.
    pub(crate) geometry: Option<Geometry<f64>>,
}

impl Parcel {
    /// Returns the text of a column, `None` where it is absent.
    pub(crate) fn text(&self, column: &str) -> Option<String> {
        match self.attributes.get(column)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

impl Holdings {
    /// Returns a version of a set, `NAME` (the newest) or `NAME@VERSION`, that `viewer` may see.
    ///
    /// # Errors
    /// Where it is not there for this viewer, or its file cannot be read.
    pub(crate) async fn open(
        &self,
        state: &AppState,
        viewer: &Viewer,
        name: &str,
    ) -> Result<Arc<OpenSet>, Problem> {
        let name = ParcelSetName::parse(name)?;
        let set = state.catalog.parcel_set(viewer, &name.name).await?;
        let version = set.version(name.version)?.clone();
        let opened = self.place_of(&set.name, &version);
        let read = OpenSet::read(state, viewer, set, version);
        let found = opened
            .get_or_try_init(|| async { read.await.map(Arc::new) })
            .await?;
        Ok(found.clone())
    }

    /// Returns the place of a version among those that are kept, a new one where it is not.
    fn place_of(&self, set: &str, version: &ParcelSetVersion) -> Arc<OnceCell<Arc<OpenSet>>> {
        let mut open = self.open.lock().unwrap_or_else(|lock| lock.into_inner());
        let known = open
            .iter()
            .position(|held| held.set == set && held.version == *version);
        let held = match known {
            Some(index) => open.remove(index),
            None => Held {
                set: set.to_owned(),
                version: version.clone(),
                opened: Arc::default(),
            },
        };
        let opened = held.opened.clone();
        open.push(held);
        if open.len() > SETS_MAX {
            open.remove(0);
        }
        opened
    }
}

impl OpenSet {
    async fn read(
        state: &AppState,
        viewer: &Viewer,
        set: ParcelSet,
        version: ParcelSetVersion,
    ) -> Result<Self, Problem> {
        let asset = state.stores.resolve(viewer, &set.resource(), &version.href);
        let asset = asset.map_err(|error| of_io(&error))?;
        let file = ParcelSetFile::open(&asset).await;
        let file = file.map_err(|error| of_vector(&error))?;
        let index = file.index().await.map_err(|error| of_vector(&error))?;
        let text = file.metadata().crs_wkt.as_deref();
        let crs = Crs::parse(text.unwrap_or(&version.content.crs));
        let crs = crs.map_err(|error| internal(&error))?;
        Ok(Self {
            to_degrees: projector(&crs, WGS84),
            set,
            version,
            crs,
            file,
            index,
        })
    }

    /// Returns the file of the version.
    pub(super) fn file(&self) -> &ParcelSetFile {
        &self.file
    }

    /// Returns how many parcels there are.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.index.len()).unwrap_or(u32::MAX)
    }

    /// Returns the name with the version, as it is written in paths.
    pub(crate) fn name(&self) -> String {
        format!("{}@{}", self.set.name, self.version.number)
    }

    /// Returns the row of a parcel.
    pub(crate) fn row(&self, id: &str) -> Option<u32> {
        self.index.row(id)
    }

    /// Returns the row of a parcel.
    ///
    /// # Errors
    /// Where the version has none with this id.
    pub(crate) fn row_or_problem(&self, id: &str) -> Result<u32, Problem> {
        self.row(id).ok_or_else(|| {
            let shown: String = id.chars().take(100).collect();
            Problem::not_found(format!("no parcel \"{shown}\" in {}", self.name()))
        })
    }

    /// Returns the id of the parcel in a row; empty beyond the last.
    pub(crate) fn id(&self, row: u32) -> &str {
        self.index.id(row).unwrap_or_default()
    }

    /// Returns the rectangle of a parcel in degrees.
    pub(crate) fn degrees(&self, row: u32) -> Option<Bbox> {
        let around = around(&self.index.bounds(row)?, self.to_degrees.as_ref()?)?;
        Some(Bbox {
            west: around.min_x,
            south: around.min_y,
            east: around.max_x,
            north: around.max_y,
        })
    }

    /// Returns the rows from `from` whose rectangle shares a point with `bbox`, in the order of the
    /// set; all where none is given.
    ///
    /// # Errors
    /// Where the rectangle cannot be brought to the CRS of the set.
    pub(crate) fn rows_in(&self, bbox: Option<&Bbox>, from: u32) -> Result<Vec<u32>, Problem> {
        let Some(bbox) = bbox else {
            return Ok((from.min(self.len())..self.len()).collect());
        };
        let sides = match bbox.west <= bbox.east {
            true => vec![(bbox.west, bbox.east)],
            false => vec![(bbox.west, 180.0), (-180.0, bbox.east)],
        };
        let mut rows = Vec::new();
        for (west, east) in sides {
            let asked = Bounds {
                min_x: west,
                min_y: bbox.south,
                max_x: east,
                max_y: bbox.north,
            };
            rows.extend(self.meeting_degrees(&asked)?);
        }
        rows.retain(|row| *row >= from);
        rows.sort_unstable();
        rows.dedup();
        Ok(rows)
    }

    /// A rectangle in degrees is no rectangle in the CRS of the set: what lies around it is asked
    /// for, and parcels are told apart by their rectangles in degrees.
    fn meeting_degrees(&self, asked: &Bounds) -> Result<Vec<u32>, Problem> {
        let degrees = Crs::from_epsg(WGS84).map_err(|error| internal(&error))?;
        let back = Projector::new(&degrees, &self.crs, &ShiftOptions::default());
        let back = back.map_err(|error| internal(&error))?;
        let near = match around(asked, &back) {
            Some(near) => self.index.rows_meeting(&near),
            // Beyond what the CRS can say: every rectangle is looked at.
            None => (0..self.len()).collect(),
        };
        let is_there = |row: &u32| {
            self.degrees(*row).is_some_and(|own| {
                own.west <= asked.max_x
                    && own.east >= asked.min_x
                    && own.south <= asked.max_y
                    && own.north >= asked.min_y
            })
        };
        Ok(near.into_iter().filter(is_there).collect())
    }

    /// Returns the parcels of rows, in the order asked for: what is said of them, without personal
    /// columns, and their outlines.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub(crate) async fn parcels(&self, rows: &[u32]) -> Result<Vec<Parcel>, Problem> {
        let choice = AttributeChoice::OpenAnd(vec![GEOMETRY.to_owned()]);
        let batch = self.file.rows(rows, &choice).await;
        let batch = batch.map_err(|error| of_vector(&error))?;
        Ok(parcels_of(rows, &batch))
    }

    /// Returns the parcel of a row.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub(crate) async fn parcel(&self, row: u32) -> Result<Parcel, Problem> {
        let parcels = self.parcels(&[row]).await?.into_iter().next();
        parcels.ok_or_else(|| internal(&"a row that was asked for is missing"))
    }

    /// Returns a geometry of the set in another CRS; `None` where it cannot be brought there.
    pub(crate) fn moved(&self, geometry: &Geometry<f64>, epsg: u32) -> Option<Geometry<f64>> {
        moved(geometry, &projector(&self.crs, epsg)?)
    }
}

fn parcels_of(rows: &[u32], batch: &RecordBatch) -> Vec<Parcel> {
    let mut columns = json_columns(&batch.schema(), std::slice::from_ref(batch));
    columns.shift_remove(GEOMETRY);
    let outlines = batch
        .column_by_name(GEOMETRY)
        .and_then(|column| column.as_binary_opt::<i32>());
    let parcel = |(index, row): (usize, &u32)| {
        let value = |(name, values): (&String, &Value)| (name.clone(), values[index].clone());
        let outline = outlines.filter(|outlines| outlines.is_valid(index));
        Parcel {
            row: *row,
            attributes: columns.iter().map(value).collect(),
            geometry: outline.and_then(|outlines| geometry_of_wkb(outlines.value(index))),
        }
    };
    rows.iter().enumerate().map(parcel).collect()
}

/// Returns what brings places to another CRS; `None` where nothing does.
pub(super) fn projector(from: &Crs, epsg: u32) -> Option<Projector> {
    let to = Crs::from_epsg(epsg).ok()?;
    Projector::new(from, &to, &ShiftOptions::default()).ok()
}

/// Returns the rectangle around another one in another CRS.
fn around(bounds: &Bounds, projector: &Projector) -> Option<Bounds> {
    let (left, right) = (bounds.min_x, bounds.max_x);
    let (low, high) = (bounds.min_y, bounds.max_y);
    let middle = ((left + right) / 2.0, (low + high) / 2.0);
    // Sides bend: their middles may lie farther out than the corners.
    let mut points = [
        (left, low),
        (middle.0, low),
        (right, low),
        (right, middle.1),
        (right, high),
        (middle.0, high),
        (left, high),
        (left, middle.1),
    ]
    .map(|(x, y)| Point { x, y });
    projector.project(&mut points).ok()?;
    let mut around = Bounds::empty();
    points.into_iter().for_each(|point| around.extend(point));
    Some(around)
}

/// Returns a geometry in another CRS, vertex by vertex: edges of fields are short.
pub(super) fn moved(geometry: &Geometry<f64>, projector: &Projector) -> Option<Geometry<f64>> {
    let line = |ring: &LineString<f64>| -> Option<LineString<f64>> {
        let mut points: Vec<Point> = ring.coords().map(|c| Point { x: c.x, y: c.y }).collect();
        projector.project(&mut points).ok()?;
        let coords = points.into_iter().map(|point| Coord {
            x: point.x,
            y: point.y,
        });
        Some(LineString::new(coords.collect()))
    };
    let polygon = |polygon: &Polygon<f64>| -> Option<Polygon<f64>> {
        let holes: Option<Vec<_>> = polygon.interiors().iter().map(line).collect();
        Some(Polygon::new(line(polygon.exterior())?, holes?))
    };
    match geometry {
        Geometry::Point(point) => {
            let mut points = [Point {
                x: point.x(),
                y: point.y(),
            }];
            projector.project(&mut points).ok()?;
            Some(GeoPoint::new(points[0].x, points[0].y).into())
        }
        Geometry::Polygon(area) => Some(polygon(area)?.into()),
        Geometry::MultiPolygon(area) => {
            let polygons: Option<Vec<_>> = area.0.iter().map(polygon).collect();
            Some(MultiPolygon::new(polygons?).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_and_outlines_go_to_other_systems() {
        let utm = Crs::from_epsg(32631).expect("a CRS");
        let to_degrees = projector(&utm, WGS84).expect("a projector");
        let bounds = Bounds {
            min_x: 500_000.0,
            min_y: 5_600_000.0,
            max_x: 510_000.0,
            max_y: 5_610_000.0,
        };
        let degrees = around(&bounds, &to_degrees).expect("a rectangle");
        assert!((degrees.min_x - 3.0).abs() < 1e-6 && degrees.max_x > 3.13);
        let square = Polygon::new(
            LineString::from(vec![
                (500_000.0, 5_600_000.0),
                (500_100.0, 5_600_000.0),
                (500_000.0, 5_600_100.0),
                (500_000.0, 5_600_000.0),
            ]),
            Vec::new(),
        );
        let Some(Geometry::Polygon(found)) = moved(&square.into(), &to_degrees) else {
            panic!("a polygon");
        };
        assert!((found.exterior().0[0].x - 3.0).abs() < 1e-9);
        assert!((50.0..51.0).contains(&found.exterior().0[0].y));
    }
}
