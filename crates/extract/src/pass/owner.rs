//! Who owns a parcel among the units of a pass, by geometry alone.
//!
//! 1. Rectangles first: a parcel near one unit only is that unit's.
//! 2. Where several are near, the parcel is brought to the grid of each and cut with it. The owner is
//!    the unit that holds it wholly; else the larger share of it; else the one in whose UTM zone its
//!    centroid lies; else the one whose edge is farther away; else the first by name.
//!
//! Every unit of the pass computes the same numbers from the same grids, so that exactly one of them
//! finds itself the owner, in whatever order and on whatever machine they are measured.

use std::cmp::Reverse;

use geo::{Centroid, MapCoords};
use geo_types::{Coord, LineString, MultiPolygon};
use swath_grid::{Bounds, Crs, GeoBox, Point, Projector, Window};

use super::lattice::{Union, union};
use super::territory::{outline, to_degrees};
use crate::ExtractError;
use crate::extractor::MeasureOptions;
use crate::parcel_shapes::ParcelShapes;
use crate::placement::Placement;

/// Points per edge of a grid, when its outline is brought to the CRS of the parcels.
const OUTLINE_POINTS: u32 = 64;
/// Part of its size by which an outline grows for what lies between its points.
const OUTLINE_MARGIN: f64 = 0.01;
/// Part of a parcel that may lie outside of a grid that still holds it wholly: rounding.
const OUTSIDE_TOLERANCE: f64 = 1e-9;
/// Steps in which shares are compared: a millionth of the parcel.
const SHARE_STEPS: f64 = 1e6;
/// Steps in which distances to the edge are compared, per metre: millimetres.
const EDGE_STEPS_PER_M: f64 = 1e3;
/// Length of a degree, in metres, about: only ties of grids in degrees need it.
const DEGREE_M: f64 = 111_320.0;
/// Longitudes wider than this are those of a grid across the antimeridian.
const SPAN_MAX_DEGREES: f64 = 180.0;

/// The ground of one unit: its grids, and the way of parcels to them.
#[derive(Debug)]
pub(crate) struct Territory {
    name: String,
    union: Union,
    /// Rectangles of the grids, none over another.
    pieces: Vec<Window>,
    placement: Placement,
    /// Around all grids, in the CRS of the parcels, buffer included.
    near: Bounds,
    to_degrees: Option<Projector>,
    zone: Option<u32>,
    metres_per_pixel: Point,
}

/// How a parcel stands to a unit: the larger one owns it.
pub(super) type Standing<'a> = (bool, u64, bool, i64, Reverse<&'a str>);

/// A parcel on the grid of a unit, in pixels.
pub(super) struct PlacedParcel {
    polygon: MultiPolygon<f64>,
    bounds: Bounds,
}

impl Territory {
    /// Returns the territory of a unit.
    ///
    /// # Errors
    /// Grids that are of no one lattice, or that parcels cannot be brought to.
    pub(super) fn new(
        name: &str,
        grids: &[GeoBox],
        parcels: &ParcelShapes,
        options: &MeasureOptions,
    ) -> Result<Self, ExtractError> {
        let wrong = |reason: &str| ExtractError::Grid {
            href: name.to_owned(),
            reason: reason.to_owned(),
        };
        let union = union(grids.iter())
            .ok_or_else(|| wrong("its slices do not lie on one lattice of pixels"))?;
        let placement = Placement::new(&parcels.source().crs, &union.geobox, options, name)?;
        let crs = union.geobox.crs();
        let unit_m = if crs.is_geographic() {
            DEGREE_M
        } else {
            crs.unit_to_metre()
        };
        let resolution = union.geobox.transform().resolution();
        Ok(Self {
            name: name.to_owned(),
            pieces: disjoint(&union.windows),
            near: near_bounds(grids, parcels, options),
            to_degrees: to_degrees(crs),
            zone: crs.epsg().and_then(utm_zone),
            metres_per_pixel: Point {
                x: resolution.x * unit_m,
                y: resolution.y * unit_m,
            },
            placement,
            union,
        })
    }

    /// True where a parcel with these bounds may touch the unit.
    pub(super) fn is_near(&self, bounds: &Bounds) -> bool {
        self.near.intersects(bounds)
    }

    /// Brings a parcel to the grid; one that vanishes by its buffer comes without it.
    ///
    /// # Errors
    /// Where a vertex lies outside of the projection.
    pub(super) fn place(
        &self,
        parcels: &ParcelShapes,
        parcel: usize,
    ) -> Result<PlacedParcel, ExtractError> {
        let mut polygon = self.placement.place(parcels, parcel)?;
        if polygon.0.is_empty() {
            polygon = self.placement.without_buffer().place(parcels, parcel)?;
        }
        let transform = self.union.geobox.transform();
        let polygon = polygon.map_coords(|coord| {
            let at = transform.to_grid(Point {
                x: coord.x,
                y: coord.y,
            });
            Coord { x: at.x, y: at.y }
        });
        let mut bounds = Bounds::empty();
        let shells = polygon.iter().flat_map(|part| part.exterior().0.iter());
        shells.for_each(|coord| {
            bounds.extend(Point {
                x: coord.x,
                y: coord.y,
            })
        });
        Ok(PlacedParcel { polygon, bounds })
    }

    /// Returns how a parcel stands to the unit.
    pub(super) fn standing(&self, parcel: &PlacedParcel) -> Standing<'_> {
        let total = area(&parcel.polygon);
        let covered = self.covered(parcel);
        let is_inside = covered >= total * (1.0 - OUTSIDE_TOLERANCE) && covered > 0.0;
        let share = if total > 0.0 { covered / total } else { 0.0 };
        (
            is_inside,
            (share.clamp(0.0, 1.0) * SHARE_STEPS).round() as u64,
            self.zone.is_some() && self.zone == self.zone_of(parcel),
            self.edge_distance_steps(parcel),
            Reverse(&self.name),
        )
    }

    /// True where a parcel shares an area with the unit's grids.
    pub(super) fn touches(&self, parcel: &PlacedParcel) -> bool {
        self.covered(parcel) > 0.0
    }

    /// Returns the area of a parcel on the grids, in pixels.
    fn covered(&self, parcel: &PlacedParcel) -> f64 {
        let bounds = &parcel.bounds;
        let inside = |piece: &Window| {
            let piece = corners(piece);
            piece.min_x <= bounds.min_x
                && piece.min_y <= bounds.min_y
                && bounds.max_x <= piece.max_x
                && bounds.max_y <= piece.max_y
        };
        if self.pieces.iter().any(inside) {
            return area(&parcel.polygon);
        }
        let touched = self.pieces.iter().map(corners);
        let touched = touched.filter(|piece| piece.intersects(bounds));
        touched
            .map(|piece| area_within(&parcel.polygon, &piece))
            .sum()
    }

    /// Returns the UTM zone of a parcel's centroid.
    fn zone_of(&self, parcel: &PlacedParcel) -> Option<u32> {
        let centroid = parcel.polygon.centroid()?;
        let at = self.union.geobox.transform().to_crs(Point {
            x: centroid.x(),
            y: centroid.y(),
        });
        let mut point = [at];
        self.to_degrees.as_ref()?.project(&mut point).ok()?;
        Some(zone_at(point[0]))
    }

    /// Returns how far the nearest edge of the grid that holds a parcel best is; below 0 outside of it.
    fn edge_distance_steps(&self, parcel: &PlacedParcel) -> i64 {
        let (bounds, metres) = (&parcel.bounds, self.metres_per_pixel);
        let of_grid = |window: &Window| {
            let grid = corners(window);
            let x = (bounds.min_x - grid.min_x).min(grid.max_x - bounds.max_x) * metres.x;
            let y = (bounds.min_y - grid.min_y).min(grid.max_y - bounds.max_y) * metres.y;
            x.min(y)
        };
        let distances = self.union.windows.iter().map(of_grid);
        let farthest = distances.fold(f64::NEG_INFINITY, f64::max);
        (farthest * EDGE_STEPS_PER_M).round() as i64
    }

    /// Returns which of the unit's grids a parcel may touch, by its bounds and so many pixels more.
    pub(super) fn slices_near(&self, parcel: &PlacedParcel, margin_px: f64) -> Vec<usize> {
        let bounds = &parcel.bounds;
        let is_near = |window: &Window| {
            let grid = corners(window);
            let grown = Bounds {
                min_x: grid.min_x - margin_px,
                min_y: grid.min_y - margin_px,
                max_x: grid.max_x + margin_px,
                max_y: grid.max_y + margin_px,
            };
            grown.intersects(bounds)
        };
        let windows = self.union.windows.iter().enumerate();
        windows
            .filter(|(_, window)| is_near(window))
            .map(|(index, _)| index)
            .collect()
    }
}

fn corners(window: &Window) -> Bounds {
    Bounds {
        min_x: f64::from(window.col),
        min_y: f64::from(window.row),
        max_x: f64::from(window.col_end()),
        max_y: f64::from(window.row_end()),
    }
}

/// Returns the rectangle around grids in the CRS of the parcels; endless where that cannot be said.
fn near_bounds(grids: &[GeoBox], parcels: &ParcelShapes, options: &MeasureOptions) -> Bounds {
    let everywhere = Bounds {
        min_x: f64::NEG_INFINITY,
        min_y: f64::NEG_INFINITY,
        max_x: f64::INFINITY,
        max_y: f64::INFINITY,
    };
    let mut bounds = Bounds::empty();
    for grid in grids {
        let Some(points) = outline_in(grid, &parcels.source().crs) else {
            return everywhere;
        };
        points.into_iter().for_each(|point| bounds.extend(point));
    }
    let (width, height) = (bounds.max_x - bounds.min_x, bounds.max_y - bounds.min_y);
    let mut margin_x = OUTLINE_MARGIN * width;
    let mut margin_y = OUTLINE_MARGIN * height;
    if parcels.source().crs.is_geographic() {
        let latitude = bounds.max_y.abs().max(bounds.min_y.abs()).min(89.0);
        margin_y += options.buffer_m.abs() / DEGREE_M;
        margin_x += options.buffer_m.abs() / DEGREE_M / latitude.to_radians().cos();
    } else {
        let buffer = options.buffer_m.abs() / parcels.source().crs.unit_to_metre();
        // Metres of a projection may be longer than those on the ground, in 3857 by far.
        (margin_x, margin_y) = (margin_x + 4.0 * buffer, margin_y + 4.0 * buffer);
    }
    let is_across = parcels.source().crs.is_geographic() && width > SPAN_MAX_DEGREES;
    Bounds {
        min_x: if is_across {
            f64::NEG_INFINITY
        } else {
            bounds.min_x - margin_x
        },
        max_x: if is_across {
            f64::INFINITY
        } else {
            bounds.max_x + margin_x
        },
        min_y: bounds.min_y - margin_y,
        max_y: bounds.max_y + margin_y,
    }
}

fn outline_in(grid: &GeoBox, crs: &Crs) -> Option<Vec<Point>> {
    let any = swath_grid::ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    let mut points = outline(grid, OUTLINE_POINTS);
    let projector = Projector::new(grid.crs(), crs, &any).ok()?;
    projector.project(&mut points).ok()?;
    points
        .iter()
        .all(|point| point.x.is_finite() && point.y.is_finite())
        .then_some(points)
}

/// Returns rectangles that cover the same pixels as `windows`, none over another.
fn disjoint(windows: &[Window]) -> Vec<Window> {
    if let [_] = windows {
        return windows.to_vec();
    }
    let cuts = |of: fn(&Window) -> [u32; 2]| {
        let mut cuts: Vec<u32> = windows.iter().flat_map(of).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    };
    let cols = cuts(|window| [window.col, window.col_end()]);
    let rows = cuts(|window| [window.row, window.row_end()]);
    let mut pieces = Vec::new();
    for row in rows.windows(2) {
        for col in cols.windows(2) {
            let cell = Window {
                col: col[0],
                row: row[0],
                width: col[1] - col[0],
                height: row[1] - row[0],
            };
            if windows
                .iter()
                .any(|window| window.intersection(&cell).is_some())
            {
                pieces.push(cell);
            }
        }
    }
    pieces
}

/// Returns the area of a polygon, rings of any orientation.
fn area(polygon: &MultiPolygon<f64>) -> f64 {
    let mut sum = 0.0;
    for part in polygon {
        sum += ring_area(&part.exterior().0);
        sum -= part
            .interiors()
            .iter()
            .map(|ring| ring_area(&ring.0))
            .sum::<f64>();
    }
    sum
}

/// Returns the area of the part of a polygon inside a rectangle.
fn area_within(polygon: &MultiPolygon<f64>, bounds: &Bounds) -> f64 {
    let clipped = |ring: &LineString<f64>| ring_area(&clip(&ring.0, bounds));
    let mut sum = 0.0;
    for part in polygon {
        sum += clipped(part.exterior());
        sum -= part.interiors().iter().map(clipped).sum::<f64>();
    }
    sum.max(0.0)
}

fn ring_area(ring: &[Coord<f64>]) -> f64 {
    let Some(origin) = ring.first() else {
        return 0.0;
    };
    // From a vertex: the coordinates themselves are large, their differences are not.
    let cross = |pair: &[Coord<f64>]| {
        let (a, b) = (pair[0] - *origin, pair[1] - *origin);
        a.x * b.y - b.x * a.y
    };
    ring.windows(2).map(cross).sum::<f64>().abs() / 2.0
}

/// How far a point lies inside of one side of a rectangle.
type Depth<'a> = &'a dyn Fn(&Coord<f64>) -> f64;

/// Cuts a closed ring with a rectangle, side after side (Sutherland and Hodgman 1974): edges that run
/// along the sides add no area.
fn clip(ring: &[Coord<f64>], bounds: &Bounds) -> Vec<Coord<f64>> {
    // Depth behind each side: left, right, upper, lower.
    let sides: [Depth; 4] = [
        &|coord| coord.x - bounds.min_x,
        &|coord| bounds.max_x - coord.x,
        &|coord| coord.y - bounds.min_y,
        &|coord| bounds.max_y - coord.y,
    ];
    let mut ring = ring.to_vec();
    for depth in sides {
        let mut kept = Vec::with_capacity(ring.len() + 4);
        for pair in ring.windows(2) {
            let (from, to) = (depth(&pair[0]), depth(&pair[1]));
            if from >= 0.0 {
                kept.push(pair[0]);
            }
            if (from < 0.0) != (to < 0.0) {
                let share = from / (from - to);
                kept.push(pair[0] + (pair[1] - pair[0]) * share);
            }
        }
        if let Some(first) = kept.first().copied() {
            kept.push(first);
        }
        ring = kept;
    }
    ring
}

/// Returns the zone of a UTM system by its EPSG code: WGS 84 and ETRS89.
fn utm_zone(code: u32) -> Option<u32> {
    let zone = match code {
        32_601..=32_660 => code - 32_600,
        32_701..=32_760 => code - 32_700,
        25_828..=25_838 => code - 25_800,
        _ => return None,
    };
    Some(zone)
}

/// Returns the zone of the military grid at a longitude and latitude in degrees.
fn zone_at(point: Point) -> u32 {
    let plain = (((point.x + 180.0) / 6.0).floor() as i64).rem_euclid(60) as u32 + 1;
    match (point.y, point.x) {
        // South-west Norway, and Svalbard: zones of other widths.
        (56.0..64.0, 3.0..12.0) => 32,
        (72.0..84.0, 0.0..9.0) => 31,
        (72.0..84.0, 9.0..21.0) => 33,
        (72.0..84.0, 21.0..33.0) => 35,
        (72.0..84.0, 33.0..42.0) => 37,
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_cut_to_its_part_inside() {
        let square = |x: f64, y: f64, side: f64| {
            let corner = |dx: f64, dy: f64| Coord {
                x: x + dx * side,
                y: y + dy * side,
            };
            let ring = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)];
            LineString(ring.iter().map(|(x, y)| corner(*x, *y)).collect())
        };
        let bounds = Bounds {
            min_x: 0.0,
            min_y: 0.0,
            max_x: 10.0,
            max_y: 10.0,
        };
        let holed = geo_types::Polygon::new(square(8.0, 8.0, 4.0), vec![square(9.0, 9.0, 2.0)]);
        let polygon = MultiPolygon(vec![holed]);
        assert!((area(&polygon) - 12.0).abs() < 1e-12);
        assert!((area_within(&polygon, &bounds) - 3.0).abs() < 1e-12);
        let away = MultiPolygon(vec![geo_types::Polygon::new(
            square(20.0, 0.0, 1.0),
            vec![],
        )]);
        assert_eq!(area_within(&away, &bounds), 0.0);
    }

    #[test]
    fn overlapping_grids_are_counted_once() {
        let window = |col, row| Window {
            col,
            row,
            width: 10,
            height: 10,
        };
        let pieces = disjoint(&[window(0, 0), window(5, 5), window(30, 0)]);
        let pixels: u64 = pieces.iter().map(Window::len).sum();
        assert_eq!(pixels, 100 + 75 + 100);
    }

    #[test]
    fn zones_have_their_exceptions() {
        let zone = |x, y| zone_at(Point { x, y });
        assert_eq!((zone(5.9, 50.0), zone(6.0, 50.0)), (31, 32));
        assert_eq!((zone(5.9, 60.0), zone(2.9, 60.0)), (32, 31));
        assert_eq!(
            (zone(179.9, 0.0), zone(-179.9, 0.0), zone(180.0, 0.0)),
            (60, 1, 1)
        );
        assert_eq!((zone(20.0, 78.0), zone(22.0, 78.0)), (33, 35));
        assert_eq!(
            (utm_zone(32_733), utm_zone(25_832), utm_zone(3_035)),
            (Some(33), Some(32), None)
        );
    }
}
