//! A plane divided into adjacent field-like cells.
//!
//! 1. Farms: seats on a jittered lattice; each farm has its own orientation, field size and shape.
//! 2. Fields: a jittered lattice in each farm, some nodes left out (merged neighbours).
//! 3. Voronoi cells of all nodes, from the Delaunay triangulation; nodes are mirrored at the
//!    outer border so that every cell is finite and ends at the border.
//! 4. Shared edges are bent once, so that neighbours have every corner in common.

use std::collections::BTreeMap;

use swath_grid::{Bounds, Point};

use super::random::Random;
use super::rings::{Ring, is_simple, middle, signed_area};

/// What lies on the other side of a segment of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The outer border of the landscape.
    Border,
    /// A cell of the same farm; the number is the same on both sides.
    Field(u64),
    /// A cell of another farm; the number is the same for all edges between these two farms.
    Farm(u64),
}

/// One cell: an anticlockwise ring whose segment `i` starts at corner `i` and has `edges[i]`.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Node that made the cell; inside it.
    pub node: Point,
    /// Corners in metres, rounded to centimetres.
    pub ring: Ring,
    /// What lies beyond each segment.
    pub edges: Vec<Edge>,
    /// Farm that the cell belongs to.
    pub farm: usize,
}

/// A node of the lattice and its farm.
#[derive(Debug, Clone, Copy)]
struct Node {
    point: Point,
    farm: usize,
}

/// Divides `bounds` into about `area / mean_area_m2` cells.
pub fn divide(bounds: &Bounds, mean_area_m2: f64, random: &Random) -> Vec<Cell> {
    let nodes = nodes(bounds, mean_area_m2, random);
    let diagram = Diagram::new(&nodes, bounds, mean_area_m2);
    // A bend may cross a near edge of a narrow cell: those cells keep straight edges.
    let mut is_straight = vec![false; nodes.len()];
    loop {
        let cells = diagram.cells(&nodes, &is_straight, random);
        let mut is_done = true;
        for (index, cell) in cells.iter().enumerate() {
            if !is_straight[index] && !is_simple(&cell.ring) {
                is_straight[index] = true;
                is_done = false;
            }
        }
        if is_done {
            return cells;
        }
    }
}

/// Returns the nodes of all farms, no two closer than about a third of a field.
fn nodes(bounds: &Bounds, mean_area_m2: f64, random: &Random) -> Vec<Node> {
    let farm_step = 8.0 * libm::sqrt(mean_area_m2);
    let columns = libm::ceil((bounds.max_x - bounds.min_x) / farm_step) as usize + 2;
    let rows = libm::ceil((bounds.max_y - bounds.min_y) / farm_step) as usize + 2;
    let mut draw = random.stream(1);
    let mut seats = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        for column in 0..columns {
            seats.push(Point {
                x: bounds.min_x + (column as f64 - 0.5 + draw.between(-0.4, 0.4)) * farm_step,
                y: bounds.min_y + (row as f64 - 0.5 + draw.between(-0.4, 0.4)) * farm_step,
            });
        }
    }
    let apart = 0.33 * libm::sqrt(mean_area_m2);
    let mut taken: BTreeMap<(i64, i64), Vec<Point>> = BTreeMap::new();
    let bin = |value: f64| libm::floor(value / apart) as i64;
    let mut nodes = Vec::new();
    for farm in 0..seats.len() {
        for point in farm_nodes(
            seats[farm],
            farm_step,
            mean_area_m2,
            &mut random.stream(1000 + farm as u64),
        ) {
            let is_inside = point.x > bounds.min_x + 0.4 * apart
                && point.x < bounds.max_x - 0.4 * apart
                && point.y > bounds.min_y + 0.4 * apart
                && point.y < bounds.max_y - 0.4 * apart;
            if !is_inside || nearest_seat(point, &seats, farm, columns) != farm {
                continue;
            }
            let (bin_x, bin_y) = (bin(point.x), bin(point.y));
            let is_crowded = (bin_x - 1..=bin_x + 1)
                .flat_map(|x| (bin_y - 1..=bin_y + 1).map(move |y| (x, y)))
                .filter_map(|key| taken.get(&key))
                .flatten()
                .any(|other| distance_squared(*other, point) < apart * apart);
            if !is_crowded {
                taken.entry((bin_x, bin_y)).or_default().push(point);
                nodes.push(Node { point, farm });
            }
        }
    }
    nodes
}

/// Returns the lattice of one farm, also beyond its land.
fn farm_nodes(seat: Point, farm_step: f64, mean_area_m2: f64, draw: &mut Random) -> Vec<Point> {
    let area = mean_area_m2 * 0.86 * libm::exp(draw.normal_within(0.0, 0.6));
    let aspect = 1.35 + 2.2 * draw.uniform() * draw.uniform() + 0.5 * draw.uniform();
    let angle = draw.between(0.0, std::f64::consts::PI);
    let (width, height) = (libm::sqrt(area * aspect), libm::sqrt(area / aspect));
    let (sine, cosine) = (libm::sin(angle), libm::cos(angle));
    let reach = 1.3 * farm_step;
    let (columns, rows) = ((reach / width) as i64, (reach / height) as i64);
    let mut points = Vec::new();
    for row in -rows..=rows {
        // Blocks of fields along a track mostly continue over it; some start anew.
        let shift = if draw.chance(0.2) {
            draw.between(-0.5, 0.5) * width
        } else {
            0.0
        };
        for column in -columns..=columns {
            let along = column as f64 * width + shift + draw.normal_within(0.0, 0.055) * width;
            let across = row as f64 * height + draw.normal_within(0.0, 0.055) * height;
            let is_merged = draw.chance(0.07);
            if !is_merged {
                points.push(Point {
                    x: seat.x + cosine * along - sine * across,
                    y: seat.y + sine * along + cosine * across,
                });
            }
        }
    }
    points
}

/// Returns the seat nearest to a point, searched among those round `farm`.
fn nearest_seat(point: Point, seats: &[Point], farm: usize, columns: usize) -> usize {
    let (row, column) = ((farm / columns) as i64, (farm % columns) as i64);
    let rows = (seats.len() / columns) as i64;
    let mut nearest = farm;
    for other_row in (row - 2).max(0)..=(row + 2).min(rows - 1) {
        for other_column in (column - 2).max(0)..=(column + 2).min(columns as i64 - 1) {
            let other = other_row as usize * columns + other_column as usize;
            if distance_squared(point, seats[other]) < distance_squared(point, seats[nearest]) {
                nearest = other;
            }
        }
    }
    nearest
}

fn distance_squared(a: Point, b: Point) -> f64 {
    (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y)
}

/// Delaunay triangulation of the nodes and their mirror images, with its Voronoi corners.
struct Diagram {
    triangles: Vec<usize>,
    halfedges: Vec<usize>,
    /// One half-edge that ends at each node.
    arriving: Vec<usize>,
    /// Centre of the circle round each triangle: a corner of cells.
    corners: Vec<Point>,
    farms: Vec<usize>,
    bounds: Bounds,
}

/// Returns the half-edge after `edge` in its triangle.
fn next(edge: usize) -> usize {
    if edge % 3 == 2 { edge - 2 } else { edge + 1 }
}

impl Diagram {
    fn new(nodes: &[Node], bounds: &Bounds, mean_area_m2: f64) -> Self {
        let points = with_mirrors(nodes, bounds, 12.0 * libm::sqrt(mean_area_m2));
        let delaunay: Vec<delaunator::Point> = points
            .iter()
            .map(|point| delaunator::Point {
                x: point.x - bounds.min_x,
                y: point.y - bounds.min_y,
            })
            .collect();
        let triangulation = delaunator::triangulate(&delaunay);
        let corners = triangulation
            .triangles
            .chunks_exact(3)
            .map(|three| {
                circle_centre(
                    [points[three[0]], points[three[1]], points[three[2]]],
                    bounds,
                )
            })
            .collect();
        let mut arriving = vec![usize::MAX; points.len()];
        for (edge, _) in triangulation.triangles.iter().enumerate() {
            arriving[triangulation.triangles[next(edge)]] = edge;
        }
        Self {
            triangles: triangulation.triangles,
            halfedges: triangulation.halfedges,
            arriving,
            corners,
            farms: nodes.iter().map(|node| node.farm).collect(),
            bounds: *bounds,
        }
    }

    fn cells(&self, nodes: &[Node], is_straight: &[bool], random: &Random) -> Vec<Cell> {
        (0..nodes.len())
            .map(|node| self.cell(node, nodes, is_straight, random))
            .collect()
    }

    /// Walks round a node and joins the Voronoi corners by their bent edges.
    fn cell(&self, node: usize, nodes: &[Node], is_straight: &[bool], random: &Random) -> Cell {
        let mut steps = Vec::new();
        let first = self.arriving[node];
        let mut arriving = first;
        loop {
            let leaving = next(arriving);
            steps.push(leaving);
            arriving = self.halfedges[leaving];
            if arriving == first {
                break;
            }
        }
        // Step i runs from the corner of its triangle to that of the triangle across the edge.
        let straight: Ring = steps.iter().map(|&edge| self.corners[edge / 3]).collect();
        let is_reversed = signed_area(&straight) < 0.0;
        if is_reversed {
            steps.reverse();
        }
        let mut cell = Cell {
            node: nodes[node].point,
            ring: Vec::new(),
            edges: Vec::new(),
            farm: nodes[node].farm,
        };
        for leaving in steps {
            let (mut start, mut end) = (leaving, self.halfedges[leaving]);
            if is_reversed {
                std::mem::swap(&mut start, &mut end);
            }
            if self.corners[start / 3] == self.corners[end / 3] {
                continue;
            }
            let neighbour = self.triangles[next(leaving)];
            let is_bent = neighbour < nodes.len() && !is_straight[node] && !is_straight[neighbour];
            let edge = self.edge(node, neighbour, leaving.min(self.halfedges[leaving]));
            let mut polyline = vec![self.corners[start / 3]];
            if is_bent {
                polyline.extend(self.bends(start, end, random));
            }
            cell.edges.extend(std::iter::repeat_n(edge, polyline.len()));
            cell.ring.append(&mut polyline);
        }
        cell
    }

    /// Returns what the edge between two nodes is.
    fn edge(&self, node: usize, neighbour: usize, number: usize) -> Edge {
        match self.farms.get(neighbour) {
            None => Edge::Border,
            Some(&farm) if farm == self.farms[node] => Edge::Field(number as u64),
            Some(&farm) => {
                let own = self.farms[node];
                Edge::Farm((own.min(farm) as u64) << 32 | own.max(farm) as u64)
            }
        }
    }

    /// Returns the inner points of an edge, the same from both sides.
    fn bends(&self, start: usize, end: usize, random: &Random) -> Vec<Point> {
        let (low, high) = (start.min(end), start.max(end));
        let (a, b) = (self.corners[low / 3], self.corners[high / 3]);
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let length = libm::sqrt(dx * dx + dy * dy);
        let count = match length {
            _ if length > 70.0 => 4,
            _ if length > 25.0 => 1,
            _ => 0,
        };
        let mut draw = random.stream(2).stream(low as u64);
        // A bow of the whole edge and smaller bends on it.
        let bow = (length * 0.016).min(5.0) * draw.normal_within(0.0, 1.0);
        let mut points = Vec::with_capacity(count);
        for index in 1..=count {
            let along = (index as f64 + draw.between(-0.2, 0.2)) / (count + 1) as f64;
            let across = bow * 4.0 * along * (1.0 - along)
                + (length * 0.008).min(2.5) * draw.normal_within(0.0, 1.0);
            points.push(rounded(Point {
                x: (a.x + dx * along - dy / length * across)
                    .clamp(self.bounds.min_x, self.bounds.max_x),
                y: (a.y + dy * along + dx / length * across)
                    .clamp(self.bounds.min_y, self.bounds.max_y),
            }));
        }
        if start > end {
            points.reverse();
        }
        points
    }
}

/// Returns the nodes followed by the mirror images of those within `margin` of the border.
fn with_mirrors(nodes: &[Node], bounds: &Bounds, margin: f64) -> Vec<Point> {
    let mut points: Vec<Point> = nodes.iter().map(|node| node.point).collect();
    let images = |value: f64, low: f64, high: f64| {
        let mut all = vec![value];
        if value - low < margin {
            all.push(2.0 * low - value);
        }
        if high - value < margin {
            all.push(2.0 * high - value);
        }
        all
    };
    for node in nodes {
        let xs = images(node.point.x, bounds.min_x, bounds.max_x);
        let ys = images(node.point.y, bounds.min_y, bounds.max_y);
        for (row, &y) in ys.iter().enumerate() {
            for (column, &x) in xs.iter().enumerate() {
                if (row, column) != (0, 0) {
                    points.push(Point { x, y });
                }
            }
        }
    }
    points
}

/// Returns the centre of the circle through three points, in centimetres, put on a border that
/// it lies on but for rounding.
fn circle_centre(corners: [Point; 3], bounds: &Bounds) -> Point {
    let origin = middle(&corners);
    let [a, b, c] = corners.map(|point| Point {
        x: point.x - origin.x,
        y: point.y - origin.y,
    });
    let twice = 2.0 * (a.x * (b.y - c.y) + b.x * (c.y - a.y) + c.x * (a.y - b.y));
    let [aa, bb, cc] = [a, b, c].map(|point| point.x * point.x + point.y * point.y);
    let x = origin.x + (aa * (b.y - c.y) + bb * (c.y - a.y) + cc * (a.y - b.y)) / twice;
    let y = origin.y + (aa * (c.x - b.x) + bb * (a.x - c.x) + cc * (b.x - a.x)) / twice;
    let on_border = |value: f64, low: f64, high: f64| {
        if (value - low).abs() < 0.05 {
            low
        } else if (value - high).abs() < 0.05 {
            high
        } else {
            value
        }
    };
    rounded(Point {
        x: on_border(x, bounds.min_x, bounds.max_x),
        y: on_border(y, bounds.min_y, bounds.max_y),
    })
}

/// Rounds to centimetres, as cadastral data are.
pub fn rounded(point: Point) -> Point {
    let round = |value: f64| libm::round(value * 100.0) / 100.0;
    Point {
        x: round(point.x),
        y: round(point.y),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_fill_the_bounds_without_overlap() {
        let bounds = Bounds {
            min_x: 500_000.0,
            min_y: 6e6,
            max_x: 504_000.0,
            max_y: 6_004_000.0,
        };
        for seed in 0..6 {
            let cells = divide(&bounds, 40_000.0, &Random::new(seed));
            assert!(
                cells.len() > 250 && cells.len() < 1000,
                "{} cells",
                cells.len()
            );
            // All rings are simple and anticlockwise and share their edges: equal sums mean that
            // the union has the area of the bounds and nothing is covered twice.
            let sum: f64 = cells.iter().map(|cell| signed_area(&cell.ring)).sum();
            assert!((sum / 16e6 - 1.0).abs() < 1e-6, "seed {seed}: {sum}");
            assert!(
                cells
                    .iter()
                    .all(|cell| is_simple(&cell.ring) && signed_area(&cell.ring) > 0.0)
            );
        }
    }

    #[test]
    fn neighbours_have_every_segment_in_common() {
        let bounds = Bounds {
            min_x: 0.0,
            min_y: 0.0,
            max_x: 3000.0,
            max_y: 3000.0,
        };
        let cells = divide(&bounds, 30_000.0, &Random::new(9));
        let key = |point: Point| {
            (
                (point.x * 100.0).round() as i64,
                (point.y * 100.0).round() as i64,
            )
        };
        let mut directed = std::collections::BTreeSet::new();
        for cell in &cells {
            for (start, end) in super::super::rings::segments(&cell.ring) {
                assert!(
                    directed.insert((key(start), key(end))),
                    "a segment is used twice"
                );
            }
        }
        for cell in &cells {
            for ((start, end), edge) in super::super::rings::segments(&cell.ring).zip(&cell.edges) {
                if *edge != Edge::Border {
                    assert!(
                        directed.contains(&(key(end), key(start))),
                        "no neighbour at {start:?}"
                    );
                }
            }
        }
    }
}
