//! Whether a polygon is valid as OGC Simple Features and GEOS see it.
//!
//! 1. each ring: finite coordinates, closed, three different points;
//! 2. each pair of edges: crossing, overlap, touching (exact orientation tests);
//! 3. rings that only touch: do they cross there, do touching rings cut the inside in two;
//! 4. nesting: holes in their shell and not in each other, shells apart.
//!
//! The first finding is returned. Repeated points are valid, orientation does not matter.

use std::collections::HashSet;

use geo::kernels::{Kernel, Orientation, RobustKernel};
use geo_types::Coord;

use super::box_tree::{Rectangle, for_each_pair};
use super::report::ProblemKind;
use super::shape::Shape;

/// A finding: its kind and where it is.
pub(super) type Finding = (ProblemKind, [f64; 2]);

/// Buffers of the check, kept from one parcel to the next.
#[derive(Debug, Default)]
pub(super) struct ValidityCheck {
    /// Vertices of all rings, without the closing and without repeated ones.
    vertices: Vec<[f64; 2]>,
    rings: Vec<RingSpan>,
    edges: Vec<Edge>,
    boxes: Vec<Rectangle>,
    touches: Vec<Touch>,
}

#[derive(Debug, Clone, Copy)]
struct RingSpan {
    start: usize,
    end: usize,
    polygon: usize,
    is_shell: bool,
    bounds: Rectangle,
}

#[derive(Debug, Clone, Copy)]
struct Edge {
    ring: u32,
    from: u32,
    to: u32,
}

/// A point where two different rings meet.
#[derive(Debug, Clone, Copy)]
struct Touch {
    rings: [u32; 2],
    point: [f64; 2],
}

/// What two edges have in common.
enum Meeting {
    Nothing,
    Crossing([f64; 2]),
    Overlap([f64; 2]),
    Touch([f64; 2]),
}

impl ValidityCheck {
    /// Returns the first finding, `None` where the shape is valid.
    pub fn find(&mut self, shape: &Shape) -> Option<Finding> {
        self.load(shape)
            .or_else(|| self.edge_finding())
            .or_else(|| self.touch_finding())
            .or_else(|| self.nesting_finding())
    }

    /// Loads the rings into the buffers and checks each for itself.
    fn load(&mut self, shape: &Shape) -> Option<Finding> {
        self.vertices.clear();
        self.rings.clear();
        self.edges.clear();
        self.boxes.clear();
        self.touches.clear();
        let mut polygon_count = 0;
        for (coords, is_shell) in shape.iter_rings() {
            polygon_count += usize::from(is_shell);
            if let Some(point) = coords
                .iter()
                .find(|c| !(c[0].is_finite() && c[1].is_finite()))
            {
                return Some((ProblemKind::NonFinite, *point));
            }
            if coords.first() != coords.last() {
                return Some((ProblemKind::UnclosedRing, coords[coords.len() - 1]));
            }
            let start = self.vertices.len();
            for &vertex in &coords[..coords.len() - 1] {
                if self.vertices.len() == start || self.vertices.last() != Some(&vertex) {
                    self.vertices.push(vertex);
                }
            }
            while self.vertices.len() > start + 1 && self.vertices.last() == coords.first() {
                self.vertices.pop();
            }
            let end = self.vertices.len();
            if end - start < 3 {
                return Some((ProblemKind::TooFewPoints, coords[0]));
            }
            self.add_edges(start, end);
            let bounds = self.boxes[start..end]
                .iter()
                .fold(self.boxes[start], |all, b| all.union(b));
            let polygon = polygon_count.max(1) - 1;
            self.rings.push(RingSpan {
                start,
                end,
                polygon,
                is_shell,
                bounds,
            });
        }
        None
    }

    /// Adds the edges of the ring of vertices `start..end`; edge `k` begins at vertex `k`.
    fn add_edges(&mut self, start: usize, end: usize) {
        let ring = self.rings.len() as u32;
        for from in start..end {
            let to = if from + 1 == end { start } else { from + 1 };
            self.edges.push(Edge {
                ring,
                from: from as u32,
                to: to as u32,
            });
            self.boxes
                .push(Rectangle::around(self.vertices[from], self.vertices[to]));
        }
    }

    fn edge_finding(&mut self) -> Option<Finding> {
        let mut finding = None;
        let (vertices, edges, touches) = (&self.vertices, &self.edges, &mut self.touches);
        for_each_pair(&self.boxes, &mut |i, j| {
            let (a, b) = (edges[i], edges[j]);
            finding = pair_finding(vertices, a, b, touches);
            finding.is_some()
        });
        finding
    }

    /// Checks the points where different rings meet.
    fn touch_finding(&mut self) -> Option<Finding> {
        if self.touches.is_empty() {
            return None;
        }
        self.touches.sort_by(|a, b| {
            let point = a.point[0]
                .total_cmp(&b.point[0])
                .then(a.point[1].total_cmp(&b.point[1]));
            point.then(a.rings.cmp(&b.rings))
        });
        self.touches
            .dedup_by(|a, b| a.rings == b.rings && a.point == b.point);
        let crossing = self.touches.iter().find(|touch| self.crosses_at(touch));
        if let Some(touch) = crossing {
            return Some((ProblemKind::SelfIntersection, touch.point));
        }
        self.find_disconnected()
            .map(|point| (ProblemKind::DisconnectedInterior, point))
    }

    /// True where the second ring changes sides of the first at their common point.
    fn crosses_at(&self, touch: &Touch) -> bool {
        let (Some([a_in, a_out]), Some([b_in, b_out])) = (
            self.neighbours(touch.rings[0], touch.point),
            self.neighbours(touch.rings[1], touch.point),
        ) else {
            return false;
        };
        let is_left = |point| is_in_angle(touch.point, a_out, a_in, point);
        is_left(b_in) != is_left(b_out)
    }

    /// Returns the points before and after `point` on a ring.
    fn neighbours(&self, ring: u32, point: [f64; 2]) -> Option<[[f64; 2]; 2]> {
        let span = self.rings[ring as usize];
        let count = span.end - span.start;
        for k in 0..count {
            let from = self.vertices[span.start + k];
            let to = self.vertices[span.start + (k + 1) % count];
            if from == point {
                let before = self.vertices[span.start + (k + count - 1) % count];
                return Some([before, to]);
            }
            if to != point && is_on_segment(point, from, to) {
                return Some([from, to]);
            }
        }
        None
    }

    /// Returns a touching point that closes a chain of touching rings of one polygon.
    fn find_disconnected(&self) -> Option<[f64; 2]> {
        let same_polygon = |touch: &&Touch| {
            let [a, b] = touch.rings.map(|ring| self.rings[ring as usize].polygon);
            a == b
        };
        // Rings and points are the nodes, "point lies on ring" the links: a cycle cuts.
        let mut parents: Vec<usize> = (0..self.rings.len()).collect();
        let mut links = HashSet::new();
        let mut last_point: Option<([f64; 2], usize, usize)> = None;
        for touch in self.touches.iter().filter(same_polygon) {
            let polygon = self.rings[touch.rings[0] as usize].polygon;
            let node = match last_point {
                Some((point, of, node)) if point == touch.point && of == polygon => node,
                _ => {
                    parents.push(parents.len());
                    parents.len() - 1
                }
            };
            last_point = Some((touch.point, polygon, node));
            for ring in touch.rings {
                if !links.insert((ring, node)) {
                    continue;
                }
                let (a, b) = (root(&mut parents, ring as usize), root(&mut parents, node));
                if a == b {
                    return Some(touch.point);
                }
                parents[a] = b;
            }
        }
        None
    }

    fn nesting_finding(&self) -> Option<Finding> {
        if self.rings.len() < 2 {
            return None;
        }
        let shells: Vec<usize> = (0..self.rings.len())
            .filter(|&ring| self.rings[ring].is_shell)
            .collect();
        for (ring, span) in self
            .rings
            .iter()
            .enumerate()
            .filter(|(_, span)| !span.is_shell)
        {
            let Some(&shell) = shells.get(span.polygon) else {
                continue;
            };
            if !self.is_ring_inside(ring, shell) {
                return Some((ProblemKind::HoleOutsideShell, self.vertices[span.start]));
            }
        }
        let boxes: Vec<Rectangle> = self.rings.iter().map(|span| span.bounds).collect();
        let mut finding = None;
        for_each_pair(&boxes, &mut |i, j| {
            finding = self.pair_nesting(i, j);
            finding.is_some()
        });
        finding
    }

    /// Checks two rings for a place in each other where they must be apart.
    fn pair_nesting(&self, i: usize, j: usize) -> Option<Finding> {
        let (a, b) = (&self.rings[i], &self.rings[j]);
        if a.is_shell != b.is_shell {
            return None;
        }
        if !a.is_shell {
            let nested =
                a.polygon == b.polygon && (self.is_ring_inside(i, j) || self.is_ring_inside(j, i));
            return nested.then(|| (ProblemKind::NestedHoles, self.vertices[b.start]));
        }
        let in_body = |inner: usize, outer: usize| {
            self.is_ring_inside(inner, outer) && !self.is_in_hole(inner, outer)
        };
        (in_body(i, j) || in_body(j, i))
            .then(|| (ProblemKind::NestedShells, self.vertices[b.start]))
    }

    /// True where shell `inner` lies in a hole of the polygon of shell `outer`.
    fn is_in_hole(&self, inner: usize, outer: usize) -> bool {
        let holes = outer + 1..self.rings.len();
        holes
            .take_while(|&ring| !self.rings[ring].is_shell)
            .any(|hole| self.is_ring_inside(inner, hole))
    }

    /// True where ring `inner`, which does not cross `outer`, lies inside it.
    fn is_ring_inside(&self, inner: usize, outer: usize) -> bool {
        let (inner, outer) = (&self.rings[inner], &self.rings[outer]);
        if !inner.bounds.meets(&outer.bounds) {
            return false;
        }
        let outer_vertices = &self.vertices[outer.start..outer.end];
        let inner_vertices = &self.vertices[inner.start..inner.end];
        for &vertex in inner_vertices {
            match locate(vertex, outer_vertices) {
                Location::Boundary => {}
                location => return location == Location::Inside,
            }
        }
        // Every vertex lies on the outer ring: the middle of an edge decides.
        let next = inner_vertices.iter().cycle().skip(1);
        inner_vertices.iter().zip(next).any(|(a, b)| {
            let middle = [f64::midpoint(a[0], b[0]), f64::midpoint(a[1], b[1])];
            locate(middle, outer_vertices) == Location::Inside
        })
    }
}

fn root(parents: &mut [usize], mut node: usize) -> usize {
    while parents[node] != node {
        parents[node] = parents[parents[node]];
        node = parents[node];
    }
    node
}

/// Checks two edges; a point that two different rings share is noted in `touches`.
fn pair_finding(
    vertices: &[[f64; 2]],
    a: Edge,
    b: Edge,
    touches: &mut Vec<Touch>,
) -> Option<Finding> {
    let at = |vertex: u32| vertices[vertex as usize];
    let (a_from, a_to, b_from, b_to) = (at(a.from), at(a.to), at(b.from), at(b.to));
    if a.ring == b.ring && (a.to == b.from || b.to == a.from) {
        // Neighbours share a vertex: only a fold back onto each other is wrong.
        let (before, shared, after) = if a.to == b.from {
            (a_from, a_to, b_to)
        } else {
            (b_from, b_to, a_to)
        };
        let folds = turn(before, shared, after) == 0 && is_same_side(shared, before, after);
        return folds.then_some((ProblemKind::SelfIntersection, shared));
    }
    match meeting([a_from, a_to], [b_from, b_to]) {
        Meeting::Nothing => None,
        Meeting::Crossing(point) | Meeting::Overlap(point) => {
            Some((ProblemKind::SelfIntersection, point))
        }
        Meeting::Touch(point) if a.ring == b.ring => Some((ProblemKind::RingSelfTouch, point)),
        Meeting::Touch(point) => {
            let rings = [a.ring.min(b.ring), a.ring.max(b.ring)];
            touches.push(Touch { rings, point });
            None
        }
    }
}

/// Returns what two edges have in common, decided by exact orientations.
fn meeting(a: [[f64; 2]; 2], b: [[f64; 2]; 2]) -> Meeting {
    let a_sides = [turn(b[0], b[1], a[0]), turn(b[0], b[1], a[1])];
    if a_sides[0] * a_sides[1] > 0 {
        return Meeting::Nothing;
    }
    let b_sides = [turn(a[0], a[1], b[0]), turn(a[0], a[1], b[1])];
    if b_sides[0] * b_sides[1] > 0 {
        return Meeting::Nothing;
    }
    if a_sides == [0, 0] {
        return collinear_meeting(a, b);
    }
    if a_sides[0] * a_sides[1] < 0 && b_sides[0] * b_sides[1] < 0 {
        return Meeting::Crossing(crossing_point(a, b));
    }
    // One end lies on the line of the other edge; the side tests say that it lies on the edge.
    let ends = [
        (a_sides[0], a[0]),
        (a_sides[1], a[1]),
        (b_sides[0], b[0]),
        (b_sides[1], b[1]),
    ];
    match ends.iter().find(|(side, _)| *side == 0) {
        Some(&(_, point)) => Meeting::Touch(point),
        None => Meeting::Nothing,
    }
}

fn collinear_meeting(a: [[f64; 2]; 2], b: [[f64; 2]; 2]) -> Meeting {
    let axis = usize::from((a[0][0] - a[1][0]).abs() < (a[0][1] - a[1][1]).abs());
    let ordered = |edge: [[f64; 2]; 2]| match edge[0][axis] <= edge[1][axis] {
        true => edge,
        false => [edge[1], edge[0]],
    };
    let (a, b) = (ordered(a), ordered(b));
    let start = if a[0][axis] >= b[0][axis] { a[0] } else { b[0] };
    let end = if a[1][axis] <= b[1][axis] { a[1] } else { b[1] };
    match start[axis].total_cmp(&end[axis]) {
        std::cmp::Ordering::Less => Meeting::Overlap(start),
        std::cmp::Ordering::Equal => Meeting::Touch(start),
        std::cmp::Ordering::Greater => Meeting::Nothing,
    }
}

/// Returns where two crossing edges cross.
pub(super) fn crossing_point(a: [[f64; 2]; 2], b: [[f64; 2]; 2]) -> [f64; 2] {
    // Relative to the first point, which keeps the digits of large coordinates.
    let direction_a = [a[1][0] - a[0][0], a[1][1] - a[0][1]];
    let direction_b = [b[1][0] - b[0][0], b[1][1] - b[0][1]];
    let offset = [b[0][0] - a[0][0], b[0][1] - a[0][1]];
    let determinant = direction_a[0] * direction_b[1] - direction_a[1] * direction_b[0];
    let along = (offset[0] * direction_b[1] - offset[1] * direction_b[0]) / determinant;
    let along = if along.is_finite() {
        along.clamp(0.0, 1.0)
    } else {
        0.5
    };
    [
        a[0][0] + along * direction_a[0],
        a[0][1] + along * direction_a[1],
    ]
}

/// Returns the side of `c` seen from `a` to `b`: 1 left, -1 right, 0 on the line. Exact.
pub(super) fn turn(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> i8 {
    let coord = |p: [f64; 2]| Coord { x: p[0], y: p[1] };
    match RobustKernel::orient2d(coord(a), coord(b), coord(c)) {
        Orientation::CounterClockwise => 1,
        Orientation::Clockwise => -1,
        Orientation::Collinear => 0,
    }
}

/// True where `a` and `b`, which lie on one line through `origin`, lie on the same side of it.
fn is_same_side(origin: [f64; 2], a: [f64; 2], b: [f64; 2]) -> bool {
    let sign = |from: f64, to: f64| (to > from) as i8 - (to < from) as i8;
    (0..2).any(|axis| sign(origin[axis], a[axis]) * sign(origin[axis], b[axis]) > 0)
}

/// True where `point` lies on the segment.
pub(super) fn is_on_segment(point: [f64; 2], from: [f64; 2], to: [f64; 2]) -> bool {
    let bounds = Rectangle::around(from, to);
    bounds.meets(&Rectangle {
        min: point,
        max: point,
    }) && turn(from, to, point) == 0
}

/// True where the direction to `point` lies in the angle from `start` counter-clockwise to `end`.
fn is_in_angle(origin: [f64; 2], start: [f64; 2], end: [f64; 2], point: [f64; 2]) -> bool {
    let is_reflex = match turn(origin, start, end) {
        1 => false,
        -1 => true,
        _ => is_same_side(origin, start, end),
    };
    let left_of_start = turn(origin, start, point) > 0;
    let right_of_end = turn(origin, end, point) < 0;
    match (is_reflex, turn(origin, start, end)) {
        (false, 0) => left_of_start,
        (false, _) => left_of_start && right_of_end,
        (true, _) => left_of_start || right_of_end,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Location {
    Inside,
    Outside,
    Boundary,
}

/// Returns where a point lies relative to a ring given without its closing vertex.
fn locate(point: [f64; 2], ring: &[[f64; 2]]) -> Location {
    let mut is_inside = false;
    let mut from = ring[ring.len() - 1];
    for &to in ring {
        if is_on_segment(point, from, to) {
            return Location::Boundary;
        }
        if (from[1] > point[1]) != (to[1] > point[1]) {
            let (low, high) = if from[1] < to[1] {
                (from, to)
            } else {
                (to, from)
            };
            if turn(low, high, point) > 0 {
                is_inside = !is_inside;
            }
        }
        from = to;
    }
    if is_inside {
        Location::Inside
    } else {
        Location::Outside
    }
}
