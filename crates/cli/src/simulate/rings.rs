//! Closed polygon rings and their rasterisation at pixel centres.
//!
//! A ring is a list of corners without the repeated last one. Exterior rings run anticlockwise.

use swath_grid::{GeoBox, Point};

/// Corners of a closed ring, the first not repeated at the end.
pub type Ring = Vec<Point>;

/// An exterior ring followed by its holes.
pub type RingPolygon = Vec<Ring>;

/// Returns the area of a ring, positive where it runs anticlockwise.
pub fn signed_area(ring: &[Point]) -> f64 {
    let Some(origin) = ring.first() else {
        return 0.0;
    };
    let mut sum = 0.0;
    for (start, end) in segments(ring) {
        sum +=
            (start.x - origin.x) * (end.y - origin.y) - (end.x - origin.x) * (start.y - origin.y);
    }
    sum / 2.0
}

/// Returns the area of a polygon: the exterior ring less the holes.
pub fn polygon_area(polygon: &[Ring]) -> f64 {
    let areas: Vec<f64> = polygon.iter().map(|ring| signed_area(ring).abs()).collect();
    areas
        .first()
        .map_or(0.0, |exterior| exterior - areas[1..].iter().sum::<f64>())
}

/// Returns the segments of a ring, the closing one last.
pub fn segments(ring: &[Point]) -> impl Iterator<Item = (Point, Point)> + '_ {
    (0..ring.len()).map(|index| (ring[index], ring[(index + 1) % ring.len()]))
}

/// Returns the mean of the corners.
pub fn middle(ring: &[Point]) -> Point {
    let count = ring.len().max(1) as f64;
    Point {
        x: ring.iter().map(|point| point.x).sum::<f64>() / count,
        y: ring.iter().map(|point| point.y).sum::<f64>() / count,
    }
}

/// Twice the signed area of the triangle `a b c`: positive where `c` is left of `a → b`.
fn side(a: Point, b: Point, c: Point) -> f64 {
    (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y)
}

/// True where no two segments that are not neighbours touch.
pub fn is_simple(ring: &[Point]) -> bool {
    let count = ring.len();
    if count < 3 {
        return false;
    }
    let all: Vec<(Point, Point)> = segments(ring).collect();
    for first in 0..count {
        for second in first + 2..count {
            let are_neighbours = first == 0 && second == count - 1;
            if !are_neighbours && cross(all[first], all[second]) {
                return false;
            }
        }
    }
    true
}

/// True where two segments touch.
fn cross(one: (Point, Point), other: (Point, Point)) -> bool {
    let splits_other = side(one.0, one.1, other.0) * side(one.0, one.1, other.1) <= 0.0;
    let splits_one = side(other.0, other.1, one.0) * side(other.0, other.1, one.1) <= 0.0;
    splits_other && splits_one
}

/// Returns the smallest distance of a point to a ring.
pub fn distance_to_ring(point: Point, ring: &[Point]) -> f64 {
    let mut nearest = f64::INFINITY;
    for (start, end) in segments(ring) {
        let (dx, dy) = (end.x - start.x, end.y - start.y);
        let length_squared = dx * dx + dy * dy;
        let along = if length_squared > 0.0 {
            (((point.x - start.x) * dx + (point.y - start.y) * dy) / length_squared).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let x = start.x + along * dx - point.x;
        let y = start.y + along * dy - point.y;
        nearest = nearest.min(libm::sqrt(x * x + y * y));
    }
    nearest
}

/// Moves each segment of an anticlockwise ring inwards by its own distance (metres, 0 keeps it).
///
/// A corner between two segments that stay is kept bit for bit. `None` where the result would turn
/// inside out, cross itself or be smaller than `area_min`.
pub fn inset(ring: &[Point], distances: &[f64], area_min: f64) -> Option<Ring> {
    let count = ring.len();
    let all: Vec<(Point, Point)> = segments(ring).collect();
    let mut moved = Vec::with_capacity(count);
    for index in 0..count {
        let before = (index + count - 1) % count;
        if distances[before] == 0.0 && distances[index] == 0.0 {
            moved.push(ring[index]);
        } else {
            let lines = [
                (all[before], distances[before]),
                (all[index], distances[index]),
            ];
            moved.push(corner_of_moved(lines)?);
        }
    }
    let keeps_direction = segments(&moved).zip(&all).all(|(new, old)| {
        let (start, end) = old;
        (new.1.x - new.0.x) * (end.x - start.x) + (new.1.y - new.0.y) * (end.y - start.y) > 0.0
    });
    (keeps_direction && signed_area(&moved) >= area_min && is_simple(&moved)).then_some(moved)
}

/// Returns where two segments meet after each was moved to its left by its distance.
fn corner_of_moved(lines: [((Point, Point), f64); 2]) -> Option<Point> {
    let [((a, b), first), ((c, d), second)] = lines;
    let length =
        |p: Point, q: Point| libm::sqrt((q.x - p.x) * (q.x - p.x) + (q.y - p.y) * (q.y - p.y));
    let (first_length, second_length) = (length(a, b), length(c, d));
    if first_length == 0.0 || second_length == 0.0 {
        return None;
    }
    let u = Point {
        x: (b.x - a.x) / first_length,
        y: (b.y - a.y) / first_length,
    };
    let v = Point {
        x: (d.x - c.x) / second_length,
        y: (d.y - c.y) / second_length,
    };
    let sine = u.x * v.y - u.y * v.x;
    if sine.abs() < 0.05 {
        // Nearly straight on: move along the normal; a step between the two distances stays.
        let distance = first.max(second);
        return Some(Point {
            x: b.x - u.y * distance,
            y: b.y + u.x * distance,
        });
    }
    // The corner is b + s·u + t·v with the two distances as its heights over the lines.
    let along_u = -second / sine;
    let along_v = first / sine;
    let point = Point {
        x: b.x + along_u * u.x + along_v * v.x,
        y: b.y + along_u * u.y + along_v * v.y,
    };
    // A spike: the corner runs away from acute angles.
    (length(b, point) < 4.0 * first.max(second)).then_some(point)
}

/// Calls `fill(row, first_col, end_col)` for the runs of pixels whose centre lies inside `polygon`.
///
/// Half-open: a centre on a left (western) or top (northern) edge is inside, on a right or bottom
/// edge outside; adjacent polygons share no pixel.
pub fn fill_centres(polygon: &[Ring], geobox: &GeoBox, mut fill: impl FnMut(usize, usize, usize)) {
    let [x0, step, _, y0, _, _] = geobox.transform().to_gdal();
    let (width, height) = (
        f64::from(geobox.size().width),
        f64::from(geobox.size().height),
    );
    let ys = || polygon.iter().flatten().map(|point| point.y);
    let top = ys().fold(f64::NEG_INFINITY, f64::max);
    let bottom = ys().fold(f64::INFINITY, f64::min);
    let first_row = ((y0 - top) / step - 1.0).clamp(0.0, height) as usize;
    let end_row = ((y0 - bottom) / step + 1.0).clamp(0.0, height) as usize;
    let mut crossings: Vec<f64> = Vec::new();
    for row in first_row..end_row {
        let y = y0 - (row as f64 + 0.5) * step;
        crossings.clear();
        for (start, end) in polygon.iter().flat_map(|ring| segments(ring)) {
            if (start.y >= y) == (end.y >= y) {
                continue;
            }
            // The same order of ends whatever the direction: neighbours get the same crossing.
            let (low, high) = if start.y < end.y {
                (start, end)
            } else {
                (end, start)
            };
            crossings.push(low.x + (y - low.y) / (high.y - low.y) * (high.x - low.x));
        }
        crossings.sort_by(f64::total_cmp);
        for pair in crossings.chunks_exact(2) {
            // First column whose centre is at or right of the crossing.
            let column = |x: f64| libm::ceil((x - x0) / step - 0.5).clamp(0.0, width) as usize;
            let (first, end) = (column(pair[0]), column(pair[1]));
            if first < end {
                fill(row, first, end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swath_grid::{Crs, Size, Transform};

    fn ring(corners: &[(f64, f64)]) -> Ring {
        corners.iter().map(|&(x, y)| Point { x, y }).collect()
    }

    #[test]
    fn moving_one_edge_keeps_the_far_corners() {
        let square = ring(&[(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]);
        let moved = inset(&square, &[2.0, 0.0, 0.0, 0.0], 1.0).expect("large enough");
        assert_eq!(
            moved,
            ring(&[(0.0, 2.0), (10.0, 2.0), (10.0, 10.0), (0.0, 10.0)])
        );
        assert!((signed_area(&moved) - 80.0).abs() < 1e-12);
        assert!(inset(&square, &[6.0, 6.0, 6.0, 6.0], 1.0).is_none());
    }

    #[test]
    fn a_bow_tie_is_not_simple() {
        assert!(!is_simple(&ring(&[
            (0.0, 0.0),
            (2.0, 2.0),
            (2.0, 0.0),
            (0.0, 2.0)
        ])));
        assert!(is_simple(&ring(&[
            (0.0, 0.0),
            (2.0, 0.0),
            (2.0, 2.0),
            (0.0, 2.0)
        ])));
    }

    #[test]
    fn centres_on_left_and_top_edges_are_inside() {
        let transform = Transform::north_up(Point { x: 0.0, y: 4.0 }, 1.0).expect("positive");
        let crs = Crs::from_epsg(32632).expect("a known code");
        let geobox = GeoBox::new(
            crs,
            transform,
            Size {
                width: 4,
                height: 4,
            },
        )
        .expect("not empty");
        let mut runs = Vec::new();
        let square = vec![ring(&[(0.5, 1.5), (2.5, 1.5), (2.5, 3.5), (0.5, 3.5)])];
        fill_centres(&square, &geobox, |row, first, end| {
            runs.push((row, first, end))
        });
        assert_eq!(runs, [(0, 0, 2), (1, 0, 2)]);
    }
}
