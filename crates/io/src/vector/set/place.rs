//! Where parcels lie and how large they are.

use geo::{Area, Centroid};
use rayon::prelude::*;
use swath_grid::{Bbox, Bounds, Crs, GridError, Point, Projector, ShiftOptions};

use super::super::project::project_parcel;
use super::super::source::{ParcelGeometry, ParcelSource};
use super::hilbert::hilbert;

/// EPSG code of the equal-area grid in which areas are measured.
const EPSG_EQUAL_AREA: u32 = 6933;
/// EPSG code of longitude and latitude.
const EPSG_WGS84: u32 = 4326;
/// Steps of a degree in the rectangle around all: about a centimetre. Numbers this short are the same
/// after any number of ways through JSON.
const BBOX_STEPS: f64 = 1e7;
/// Largest distance in metres of a projected edge from the true one, when areas are measured.
const AREA_TOLERANCE_M: f64 = 0.05;

/// What is computed of one parcel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    /// Row of the source.
    pub row: u32,
    /// Place on the curve; the last of all where the parcel cannot be brought to degrees.
    pub position: u64,
    /// Square metres in EPSG:6933; absent for points and where it cannot be measured.
    pub area_m2: Option<f64>,
    /// Rectangle in degrees, west, south, east, north.
    pub degrees: Option<[f64; 4]>,
}

/// Places the parcels of these rows, and puts them in order: along the curve, then by row.
///
/// # Errors
/// Where the CRS of the source cannot be brought to degrees.
pub(super) fn place(source: &ParcelSource, rows: &[u32]) -> Result<Vec<Placed>, GridError> {
    // A shift of some metres between datums changes neither order nor areas.
    let options = ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    let to = |code: u32| Projector::new(&source.crs, &Crs::from_epsg(code)?, &options);
    let (degrees, equal_area) = (to(EPSG_WGS84)?, to(EPSG_EQUAL_AREA)?);
    let mut placed: Vec<Placed> = rows
        .par_iter()
        .map(|&row| place_one(source, row, &degrees, &equal_area))
        .collect();
    placed.par_sort_unstable_by_key(|placed| (placed.position, placed.row));
    Ok(placed)
}

fn place_one(
    source: &ParcelSource,
    row: u32,
    to_degrees: &Projector,
    to_equal_area: &Projector,
) -> Placed {
    let index = row as usize;
    let bounds = source.parcels.bounds(index);
    let polygon = source.parcels.polygon(index);
    let centre = match source.parcels.point(index) {
        Some([x, y]) => Some(Point { x, y }),
        None => polygon.centroid().map(|c| Point { x: c.x(), y: c.y() }),
    };
    let position = centre.and_then(|centre| {
        let mut centre = [centre];
        to_degrees.project(&mut centre).ok()?;
        Some(hilbert(centre[0].x, centre[0].y))
    });
    let area_m2 = match source.geometry {
        ParcelGeometry::Points => None,
        ParcelGeometry::Polygons => project_parcel(&polygon, to_equal_area, AREA_TOLERANCE_M)
            .ok()
            .map(|projected| projected.unsigned_area()),
    };
    Placed {
        row,
        position: position.unwrap_or(u64::MAX),
        area_m2,
        degrees: bounds.and_then(|bounds| in_degrees(bounds, to_degrees)),
    }
}

fn in_degrees(bounds: Bounds, projector: &Projector) -> Option<[f64; 4]> {
    let (x, y) = ([bounds.min_x, bounds.max_x], [bounds.min_y, bounds.max_y]);
    let mut corners = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(i, j)| Point { x: x[i], y: y[j] });
    projector.project(&mut corners).ok()?;
    let fold = |of: fn(&Point) -> f64, pick: fn(f64, f64) -> f64, start: f64| {
        corners.iter().map(of).fold(start, pick)
    };
    Some([
        fold(|p| p.x, f64::min, f64::INFINITY),
        fold(|p| p.y, f64::min, f64::INFINITY),
        fold(|p| p.x, f64::max, f64::NEG_INFINITY),
        fold(|p| p.y, f64::max, f64::NEG_INFINITY),
    ])
}

/// Returns the rectangle around all in degrees, outwards to whole steps.
pub(super) fn bbox(placed: &[Placed]) -> Option<Bbox> {
    let all = placed
        .iter()
        .filter_map(|placed| placed.degrees)
        .reduce(|a, b| {
            [
                a[0].min(b[0]),
                a[1].min(b[1]),
                a[2].max(b[2]),
                a[3].max(b[3]),
            ]
        })?;
    let below = |degrees: f64| (degrees * BBOX_STEPS).floor() / BBOX_STEPS;
    let above = |degrees: f64| (degrees * BBOX_STEPS).ceil() / BBOX_STEPS;
    Some(Bbox {
        west: below(all[0]),
        south: below(all[1]),
        east: above(all[2]),
        north: above(all[3]),
    })
}
