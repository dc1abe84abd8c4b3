//! Where a unit lies: its grids in degrees, roughly, to find neighbours.

use swath_grid::{Crs, GeoBox, Point, Projector, ShiftOptions};

/// Degrees between two units beyond which no parcel lies in both: some 50 km. Wider than any parcel.
const MARGIN_DEGREES: f64 = 0.5;
/// Points per edge of a grid.
const EDGE_POINTS: u32 = 16;

/// A rectangle of longitude and latitude; east may be above 180.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DegreeBox {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

impl DegreeBox {
    /// Returns the rectangle around grids; `None` where there is none, or they have no place in degrees.
    pub(super) fn around(grids: &[GeoBox]) -> Option<Self> {
        let mut found: Option<Self> = None;
        for grid in grids {
            let mut points = outline(grid, EDGE_POINTS);
            to_degrees(grid.crs())?.project(&mut points).ok()?;
            for point in points {
                let all = found.get_or_insert(Self {
                    west: point.x,
                    east: point.x,
                    south: point.y,
                    north: point.y,
                });
                // As near to the points before as it gets: 179.9 and -179.9 are neighbours.
                let turns = ((all.west - point.x) / 360.0).round();
                let x = point.x + 360.0 * turns;
                (all.west, all.east) = (all.west.min(x), all.east.max(x));
                (all.south, all.north) = (all.south.min(point.y), all.north.max(point.y));
            }
        }
        found.filter(|all| {
            [all.west, all.east, all.south, all.north]
                .iter()
                .all(|n| n.is_finite())
        })
    }

    /// True where a parcel may lie in both.
    pub(super) fn is_near(&self, other: &Self) -> bool {
        let is_apart =
            self.south - MARGIN_DEGREES > other.north || other.south - MARGIN_DEGREES > self.north;
        // Towards the poles degrees of longitude are short.
        let widest = self
            .north
            .abs()
            .max(self.south.abs())
            .max(other.north.abs());
        let margin = MARGIN_DEGREES / widest.max(other.south.abs()).min(89.0).to_radians().cos();
        let meets = |turn: f64| {
            self.west - margin <= other.east + turn && other.west + turn - margin <= self.east
        };
        !is_apart && [-360.0, 0.0, 360.0].into_iter().any(meets)
    }
}

/// Returns the computation to longitude and latitude; `None` where the CRS has none.
pub(super) fn to_degrees(crs: &Crs) -> Option<Projector> {
    let any = ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    Projector::new(crs, &Crs::from_epsg(4326).ok()?, &any).ok()
}

/// Returns points along the edges of a grid, in its CRS.
pub(super) fn outline(grid: &GeoBox, edge_points: u32) -> Vec<Point> {
    let corners = grid.corners();
    let mut points = Vec::with_capacity(4 * edge_points as usize);
    for (index, from) in corners.iter().enumerate() {
        let to = corners[(index + 1) % corners.len()];
        points.extend((0..edge_points).map(|step| {
            let share = f64::from(step) / f64::from(edge_points);
            Point {
                x: from.x + (to.x - from.x) * share,
                y: from.y + (to.y - from.y) * share,
            }
        }));
    }
    points
}
