//! Where an item lies: one ring in longitude and latitude, cut at the antimeridian, closed over a
//! pole where it goes round one.

use serde_json::{Value, json};
use swath_grid::{Bbox, Crs, Point, Projector, ShiftOptions};

/// Most vertices of a ring that is read.
pub(crate) const VERTICES_MAX: usize = 200_000;
/// Most degrees of longitude that an outline goes through: once round a pole and some.
const SPAN_MAX_DEG: f64 = 540.0;
/// Longest edge in the CRS of a grid before it is divided, in its unit (metres): straight in the
/// grid is not straight in longitude and latitude.
const EDGE_MAX_M: f64 = 5_000.0;
/// Most parts that one edge is divided into.
const EDGE_PARTS_MAX: f64 = 512.0;
/// Farthest that a vertex left out may lie from the simplified edge, in degrees (about 200 m).
const SIMPLIFIED_DEG: f64 = 0.002;
/// Digits behind the point: 1 cm.
const DECIMALS: f64 = 1e7;

/// The outline of an item in degrees, WGS 84.
#[derive(Debug, Clone, PartialEq)]
pub struct Footprint {
    /// Open ring; longitudes go on beyond ±180 where it crosses the antimeridian.
    ring: Vec<Point>,
}

impl Footprint {
    /// Returns the outline of a ring of longitudes and latitudes; the last vertex may repeat the first.
    ///
    /// `None` where fewer than three different vertices are left, or where one is no position.
    pub fn of_degrees(vertices: &[Point]) -> Option<Self> {
        let is_position =
            |point: &Point| point.x.is_finite() && point.x.abs() <= 360.0 && point.y.abs() <= 90.0;
        if vertices.len() > VERTICES_MAX || !vertices.iter().all(is_position) {
            return None;
        }
        let mut ring: Vec<Point> = Vec::with_capacity(vertices.len() + 2);
        for vertex in vertices {
            let longitude = ring.last().map_or(vertex.x, |last| {
                vertex.x + 360.0 * ((last.x - vertex.x) / 360.0).round()
            });
            let point = Point {
                x: longitude,
                y: vertex.y,
            };
            if ring.last() != Some(&point) {
                ring.push(point);
            }
        }
        let west = ring
            .iter()
            .map(|point| point.x)
            .fold(f64::INFINITY, f64::min);
        let east = ring
            .iter()
            .map(|point| point.x)
            .fold(f64::NEG_INFINITY, f64::max);
        if east - west > SPAN_MAX_DEG {
            return None;
        }
        close(&mut ring);
        (ring.len() >= 3 && area(&ring) != 0.0).then(|| {
            if area(&ring) < 0.0 {
                ring.reverse();
            }
            Self { ring }
        })
    }

    /// Returns the outline of a ring in `crs`: edges divided, projected, then simplified to 0.002°.
    ///
    /// `None` where the CRS has no way to longitude and latitude, or nothing is left.
    pub fn of_grid(vertices: &[Point], crs: &Crs) -> Option<Self> {
        let wgs84 = Crs::from_epsg(4326).ok()?;
        // A footprint may be off by the metres of a datum shift.
        let options = ShiftOptions {
            accuracy_max_m: f64::INFINITY,
        };
        let projector = Projector::new(crs, &wgs84, &options).ok()?;
        let edge_max = EDGE_MAX_M / crs.unit_to_metre().max(1e-9);
        let edge_max = if crs.is_geographic() { 1.0 } else { edge_max };
        let mut points = divided(vertices, edge_max);
        projector.project(&mut points).ok()?;
        let exact = Self::of_degrees(&points)?;
        Some(Self {
            ring: simplified(&exact.ring).unwrap_or(exact.ring),
        })
    }

    /// Returns the GeoJSON geometry: a polygon, or a multipolygon where it crosses the antimeridian.
    pub fn geometry(&self) -> Value {
        let mut parts: Vec<Value> = self
            .parts()
            .iter()
            .map(|part| {
                let mut positions: Vec<[f64; 2]> = part
                    .iter()
                    .map(|point| [rounded(point.x), rounded(point.y)])
                    .collect();
                positions.dedup();
                positions.push(positions[0]);
                json!([positions])
            })
            .collect();
        match parts.len() {
            1 => json!({"type": "Polygon", "coordinates": parts.remove(0)}),
            _ => json!({"type": "MultiPolygon", "coordinates": parts}),
        }
    }

    /// Returns the bounding box; its west lies east of its east where the outline crosses the antimeridian.
    pub fn bbox(&self) -> Bbox {
        let parts = self.parts();
        let of = |pick: fn(&Point) -> f64, fold: fn(f64, f64) -> f64| {
            move |ring: &[Point]| ring.iter().map(pick).reduce(fold).unwrap_or_default()
        };
        let (west, east) = (of(|p| p.x, f64::min), of(|p| p.x, f64::max));
        let (south, north) = (of(|p| p.y, f64::min), of(|p| p.y, f64::max));
        let all = &self.ring;
        let is_whole = east(all) - west(all) >= 360.0;
        let crosses = parts.len() > 1 && !is_whole;
        // The part that touches +180 begins in the west, the one that touches -180 ends in the east.
        let western = parts.iter().filter(|part| east(part) >= 180.0);
        let eastern = parts.iter().filter(|part| west(part) <= -180.0);
        let (west, east) = match crosses {
            true => (
                western.map(|part| west(part)).fold(180.0, f64::min),
                eastern.map(|part| east(part)).fold(-180.0, f64::max),
            ),
            false if is_whole => (-180.0, 180.0),
            false => (west(&parts[0]), east(&parts[0])),
        };
        Bbox {
            west: rounded(west),
            south: rounded(south(all)),
            east: rounded(east),
            north: rounded(north(all)),
        }
    }

    /// Returns the parts within ±180 degrees, each an open ring.
    fn parts(&self) -> Vec<Vec<Point>> {
        let west = self.ring.iter().map(|p| p.x).fold(f64::INFINITY, f64::min);
        let east = self
            .ring
            .iter()
            .map(|p| p.x)
            .fold(f64::NEG_INFINITY, f64::max);
        let first_turn = ((west + 180.0) / 360.0).floor() as i32;
        let last_turn = ((east + 180.0) / 360.0).floor() as i32;
        let mut parts = Vec::new();
        for turn in first_turn..=last_turn {
            let shift = 360.0 * f64::from(turn);
            let moved: Vec<Point> = self
                .ring
                .iter()
                .map(|p| Point {
                    x: p.x - shift,
                    y: p.y,
                })
                .collect();
            let part = cut(&cut(&moved, 180.0, false), -180.0, true);
            if part.len() >= 3 && area(&part) > 1e-12 {
                parts.push(part);
            }
        }
        if parts.is_empty() {
            parts.push(self.ring.clone());
        }
        parts
    }
}

/// Drops the repeated first vertex, or, where the ring went round a pole, goes over that pole.
fn close(ring: &mut Vec<Point>) {
    let (Some(first), Some(last)) = (ring.first().copied(), ring.last().copied()) else {
        return;
    };
    let back = first.x + 360.0 * ((last.x - first.x) / 360.0).round();
    let goes_round = (back - first.x).abs() > 1.0;
    let is_repeated = (last.x - back).abs() < 1e-12 && last.y == first.y;
    if goes_round {
        let mean = ring.iter().map(|point| point.y).sum::<f64>() / ring.len() as f64;
        let pole = 90.0_f64.copysign(mean);
        if !is_repeated {
            ring.push(Point {
                x: back,
                y: first.y,
            });
        }
        ring.push(Point { x: back, y: pole });
        ring.push(Point {
            x: first.x,
            y: pole,
        });
    } else if is_repeated && ring.len() > 1 {
        ring.pop();
    }
}

/// Returns twice the signed area, positive where counter-clockwise.
fn area(ring: &[Point]) -> f64 {
    let next = ring.iter().cycle().skip(1);
    ring.iter()
        .zip(next)
        .map(|(a, b)| a.x * b.y - b.x * a.y)
        .sum()
}

/// Returns what of a ring lies west of a meridian (`false`) or east of it (`true`).
fn cut(ring: &[Point], meridian: f64, keeps_east: bool) -> Vec<Point> {
    let is_in = |point: &Point| match keeps_east {
        true => point.x >= meridian,
        false => point.x <= meridian,
    };
    let mut kept = Vec::with_capacity(ring.len() + 2);
    let next = ring.iter().cycle().skip(1);
    for (a, b) in ring.iter().zip(next) {
        if is_in(a) {
            kept.push(*a);
        }
        if is_in(a) != is_in(b) {
            let share = (meridian - a.x) / (b.x - a.x);
            kept.push(Point {
                x: meridian,
                y: a.y + share * (b.y - a.y),
            });
        }
    }
    kept.dedup();
    kept
}

fn divided(ring: &[Point], edge_max: f64) -> Vec<Point> {
    let next = ring.iter().cycle().skip(1);
    let mut points = Vec::new();
    for (a, b) in ring.iter().zip(next) {
        let length = (b.x - a.x).hypot(b.y - a.y);
        let parts = (length / edge_max).ceil().clamp(1.0, EDGE_PARTS_MAX);
        for part in 0..parts as u32 {
            let share = f64::from(part) / parts;
            points.push(Point {
                x: a.x + share * (b.x - a.x),
                y: a.y + share * (b.y - a.y),
            });
        }
    }
    points
}

/// Leaves out vertices (Douglas and Peucker), `None` where that leaves no area.
fn simplified(ring: &[Point]) -> Option<Vec<Point>> {
    // The two halves between the first vertex and the one farthest from it keep their ends.
    let first = ring.first()?;
    let distance = |point: &Point| (point.x - first.x).hypot(point.y - first.y);
    let (middle, _) = ring
        .iter()
        .enumerate()
        .max_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b)))?;
    let mut kept = vec![false; ring.len() + 1];
    let closed: Vec<Point> = ring.iter().chain([first]).copied().collect();
    kept[0] = true;
    kept[middle] = true;
    let mut spans = vec![(0, middle), (middle, ring.len())];
    while let Some((from, to)) = spans.pop() {
        if to <= from + 1 {
            continue;
        }
        let (a, b) = (closed[from], closed[to]);
        let (at, farthest) = (from + 1..to)
            .map(|index| (index, distance_to_segment(closed[index], a, b)))
            .max_by(|(_, one), (_, two)| one.total_cmp(two))?;
        if farthest > SIMPLIFIED_DEG {
            kept[at] = true;
            spans.extend([(from, at), (at, to)]);
        }
    }
    let left: Vec<Point> = ring
        .iter()
        .zip(&kept)
        .filter(|(_, is_kept)| **is_kept)
        .map(|(point, _)| *point)
        .collect();
    (left.len() >= 3 && area(&left) > 0.0).then_some(left)
}

fn distance_to_segment(point: Point, a: Point, b: Point) -> f64 {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let squared = dx * dx + dy * dy;
    let share = match squared > 0.0 {
        true => (((point.x - a.x) * dx + (point.y - a.y) * dy) / squared).clamp(0.0, 1.0),
        false => 0.0,
    };
    (point.x - a.x - share * dx).hypot(point.y - a.y - share * dy)
}

fn rounded(value: f64) -> f64 {
    (value * DECIMALS).round() / DECIMALS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ring(positions: &[(f64, f64)]) -> Vec<Point> {
        positions.iter().map(|&(x, y)| Point { x, y }).collect()
    }

    #[test]
    fn a_ring_across_the_antimeridian_becomes_two_parts() {
        let footprint = Footprint::of_degrees(&ring(&[
            (179.0, 0.0),
            (-179.0, 0.0),
            (-179.0, 1.0),
            (179.0, 1.0),
        ]))
        .expect("a ring");
        let geometry = footprint.geometry();
        assert_eq!(geometry["type"], "MultiPolygon");
        assert_eq!(geometry["coordinates"].as_array().map(Vec::len), Some(2));
        let bbox = footprint.bbox();
        assert_eq!((bbox.west, bbox.east), (179.0, -179.0));
    }

    #[test]
    fn rings_that_touch_180_stay_whole() {
        let positions = [(180.0, 0.0), (179.0, 0.0), (179.0, 1.0), (-180.0, 1.0)];
        let footprint = Footprint::of_degrees(&ring(&positions)).expect("a ring");
        assert_eq!(footprint.geometry()["type"], "Polygon");
        let bbox = footprint.bbox();
        assert_eq!((bbox.west, bbox.east), (179.0, 180.0));
    }

    #[test]
    fn a_ring_round_a_pole_reaches_the_pole() {
        let positions: Vec<_> = (0..12)
            .map(|turn| (f64::from(turn) * 30.0 - 180.0, 85.0))
            .collect();
        let footprint = Footprint::of_degrees(&ring(&positions)).expect("a ring");
        let bbox = footprint.bbox();
        assert_eq!((bbox.west, bbox.east, bbox.north), (-180.0, 180.0, 90.0));
    }

    #[test]
    fn rings_that_wind_round_the_earth_are_none() {
        let spiral: Vec<_> = (0..10_000)
            .map(|step| (f64::from(step * 170 % 360) - 180.0, f64::from(step) / 200.0))
            .collect();
        assert_eq!(Footprint::of_degrees(&ring(&spiral)), None);
    }

    #[test]
    fn rings_turn_counter_clockwise() {
        let clockwise = ring(&[(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0)]);
        let geometry = Footprint::of_degrees(&clockwise)
            .expect("a ring")
            .geometry();
        let first = &geometry["coordinates"][0];
        assert_eq!(first.as_array().map(Vec::len), Some(5));
        assert_eq!(first[0], first[4]);
        let points: Vec<Point> = serde_json::from_value::<Vec<[f64; 2]>>(first.clone())
            .expect("positions")
            .iter()
            .map(|p| Point { x: p[0], y: p[1] })
            .collect();
        assert!(area(&points) > 0.0);
    }

    #[test]
    fn nothing_comes_of_a_line() {
        assert_eq!(
            Footprint::of_degrees(&ring(&[(0.0, 0.0), (1.0, 1.0)])),
            None
        );
        assert_eq!(
            Footprint::of_degrees(&ring(&[(0.0, f64::NAN), (1.0, 1.0), (2.0, 0.0)])),
            None
        );
    }

    proptest! {
        #[test]
        fn any_ring_ends_in_positions_within_the_world(
            positions in proptest::collection::vec((-360.0..360.0f64, -90.0..90.0f64), 0..12)
        ) {
            if let Some(footprint) = Footprint::of_degrees(&ring(&positions)) {
                let bbox = footprint.bbox();
                prop_assert!(bbox.west.abs() <= 180.0 && bbox.east.abs() <= 180.0);
                prop_assert!(bbox.south <= bbox.north);
                let text = footprint.geometry().to_string();
                prop_assert!(!text.contains("null"));
            }
        }
    }
}
