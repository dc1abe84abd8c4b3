//! Makes an invalid polygon valid.
//!
//! The result is the one of GEOS `make_valid` (its linework method): all rings are taken as a set
//! of lines; a point belongs to the parcel where the least number of lines to be crossed on the
//! way out is odd. For rings that cross, this is the even-odd rule; lines that lie on each other
//! count once.
//!
//! 1. clean: drop coordinates that are not finite, close rings;
//! 2. node: split edges where they meet, until no edge crosses another;
//! 3. faces: walk around each face of the plane, find which face holds which island;
//! 4. depth: count the edges between each face and the outside;
//! 5. rings: trace the lines between odd and even faces, split them where they touch.

use std::collections::HashMap;

use super::box_tree::{Rectangle, for_each_pair};
use super::shape::{Ring, Shape};
use super::validity::{crossing_point, is_on_segment, turn};

/// Most edges, after splitting, of one parcel that is repaired.
const EDGES_MAX: usize = 4_000_000;
/// Most rounds of splitting; each round removes the crossings that rounding has made.
const ROUNDS_MAX: usize = 24;

/// Most pairs of an island (a connected group of rings) and an edge that are looked at.
const ISLAND_EDGES_MAX: usize = 2_000_000_000;

/// Why a parcel could not be repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotRepairable;

/// Replaces the rings of a shape by valid ones; the result may be empty.
pub(super) fn repair(shape: &mut Shape) -> Result<(), NotRepairable> {
    let mut plane = Plane::of_lines(shape);
    plane.node()?;
    let faces = Faces::of(&plane)?;
    let rings = faces.rings(&plane);
    store(shape, rings);
    Ok(())
}

/// Different points and the edges between them; each edge once, whatever its direction.
struct Plane {
    points: Vec<[f64; 2]>,
    edges: Vec<[u32; 2]>,
}

impl Plane {
    fn of_lines(shape: &Shape) -> Self {
        let mut lines = Vec::new();
        for (coords, _) in shape.iter_rings() {
            let finite: Vec<[f64; 2]> = coords
                .iter()
                .copied()
                .filter(|c| c[0].is_finite() && c[1].is_finite())
                .collect();
            lines.extend(finite.windows(2).map(|pair| [pair[0], pair[1]]));
            if let (Some(&first), Some(&last)) = (finite.first(), finite.last()) {
                lines.push([last, first]);
            }
        }
        Self::of_segments(&lines)
    }

    fn of_segments(segments: &[[[f64; 2]; 2]]) -> Self {
        let mut plane = Self {
            points: Vec::new(),
            edges: Vec::new(),
        };
        let mut numbers = HashMap::new();
        for segment in segments {
            // Adding zero makes -0 and 0 the same.
            let [a, b] = segment.map(|point| {
                let point = [point[0] + 0.0, point[1] + 0.0];
                *numbers.entry(point.map(f64::to_bits)).or_insert_with(|| {
                    plane.points.push(point);
                    plane.points.len() as u32 - 1
                })
            });
            if a != b {
                plane.edges.push([a.min(b), a.max(b)]);
            }
        }
        plane.edges.sort_unstable();
        plane.edges.dedup();
        plane
    }

    fn ends(&self, edge: [u32; 2]) -> [[f64; 2]; 2] {
        edge.map(|point| self.points[point as usize])
    }

    /// Splits edges at crossings and at points that lie on them.
    fn node(&mut self) -> Result<(), NotRepairable> {
        for _ in 0..ROUNDS_MAX {
            let splits = self.find_splits()?;
            if splits.is_empty() {
                return Ok(());
            }
            let mut segments = Vec::with_capacity(self.edges.len() + splits.len());
            let mut splits = splits.into_iter().peekable();
            for (index, &edge) in self.edges.iter().enumerate() {
                let [start, end] = self.ends(edge);
                let mut from = start;
                while let Some(split) = splits.next_if(|split| split.edge == index) {
                    segments.push([from, split.point]);
                    from = split.point;
                }
                segments.push([from, end]);
            }
            *self = Self::of_segments(&segments);
        }
        Err(NotRepairable)
    }

    /// Returns the points at which edges are to be split, by edge and along each edge.
    ///
    /// Points that lie on edges come first and alone: after that, lines that lie on each other are
    /// one line, and a third line crosses them in one point instead of several nearly equal ones.
    fn find_splits(&self) -> Result<Vec<Split>, NotRepairable> {
        let boxes: Vec<Rectangle> = self
            .edges
            .iter()
            .map(|&edge| {
                let [a, b] = self.ends(edge);
                Rectangle::around(a, b)
            })
            .collect();
        let (mut touches, mut crossings) = (Vec::new(), Vec::new());
        let is_stopped = for_each_pair(&boxes, &mut |i, j| {
            self.split_pair(i, j, &mut touches, &mut crossings);
            touches.len() + crossings.len() + self.edges.len() > EDGES_MAX
        });
        if is_stopped {
            return Err(NotRepairable);
        }
        let mut splits = touches;
        if splits.is_empty() {
            splits = crossings;
            self.snap(&mut splits);
        }
        splits.sort_by(|a, b| a.edge.cmp(&b.edge).then(a.along.total_cmp(&b.along)));
        Ok(splits)
    }

    /// Makes points that differ by rounding only the same, so that three lines through one point
    /// have one node there.
    fn snap(&self, splits: &mut Vec<Split>) {
        const TOLERANCE: f64 = 1.0 / (1u64 << 48) as f64; // 16 units in the last place
        let largest = self
            .points
            .iter()
            .flatten()
            .fold(0.0, |max: f64, c| max.max(c.abs()));
        let cell_size = largest * TOLERANCE;
        let cell = |point: [f64; 2]| point.map(|c| (c / cell_size).floor() as i64); // below 2^49
        let mut known: HashMap<[i64; 2], [f64; 2]> = self
            .points
            .iter()
            .map(|&point| (cell(point), point))
            .collect();
        for split in splits.iter_mut() {
            let [col, row] = cell(split.point);
            let near = (-1..=1).flat_map(|x| {
                (-1..=1).map(move |y| [col.saturating_add(x), row.saturating_add(y)])
            });
            match near.filter_map(|cell| known.get(&cell)).next() {
                Some(&point) => split.point = point,
                None => {
                    known.insert([col, row], split.point);
                }
            }
        }
        splits.retain(|split| !self.ends(self.edges[split.edge]).contains(&split.point));
    }

    fn split_pair(&self, i: usize, j: usize, touches: &mut Vec<Split>, crossings: &mut Vec<Split>) {
        let (a, b) = (self.ends(self.edges[i]), self.ends(self.edges[j]));
        let mut has_touch = false;
        for (edge, ends, others) in [(i, a, b), (j, b, a)] {
            for point in others {
                if point == ends[0] || point == ends[1] {
                    has_touch = true;
                } else if is_on_segment(point, ends[0], ends[1]) {
                    has_touch = true;
                    touches.push(Split::new(edge, point, ends));
                }
            }
        }
        if has_touch {
            return;
        }
        let crosses = turn(b[0], b[1], a[0]) * turn(b[0], b[1], a[1]) < 0
            && turn(a[0], a[1], b[0]) * turn(a[0], a[1], b[1]) < 0;
        if !crosses {
            return;
        }
        let point = crossing_point(a, b);
        for (edge, ends) in [(i, a), (j, b)] {
            if point != ends[0] && point != ends[1] {
                crossings.push(Split::new(edge, point, ends));
            }
        }
    }
}

/// A point at which an edge is split.
struct Split {
    edge: usize,
    point: [f64; 2],
    /// Distance from the start of the edge, squared.
    along: f64,
}

impl Split {
    fn new(edge: usize, point: [f64; 2], ends: [[f64; 2]; 2]) -> Self {
        let along = (point[0] - ends[0][0]).powi(2) + (point[1] - ends[0][1]).powi(2);
        Self { edge, point, along }
    }
}

/// Faces of a plane. Half-edge `2e` runs along edge `e`, `2e + 1` against it.
struct Faces {
    /// Outgoing half-edges of each point, counter-clockwise.
    star: Vec<Vec<u32>>,
    /// Place of each half-edge in the star of its origin.
    place: Vec<u32>,
    /// Depth of the face to the left of each half-edge.
    depth: Vec<u32>,
}

fn twin(half: u32) -> u32 {
    half ^ 1
}

fn origin(plane: &Plane, half: u32) -> u32 {
    plane.edges[half as usize / 2][half as usize % 2]
}

fn point_of(plane: &Plane, half: u32) -> [f64; 2] {
    plane.points[origin(plane, half) as usize]
}

impl Faces {
    fn of(plane: &Plane) -> Result<Self, NotRepairable> {
        let mut faces = Self {
            star: Vec::new(),
            place: Vec::new(),
            depth: Vec::new(),
        };
        faces.sort_stars(plane);
        let loops = faces.walk(plane);
        faces.count_depth(plane, &loops)?;
        Ok(faces)
    }

    fn sort_stars(&mut self, plane: &Plane) {
        let half_count = plane.edges.len() * 2;
        self.star = vec![Vec::new(); plane.points.len()];
        for half in 0..half_count as u32 {
            self.star[origin(plane, half) as usize].push(half);
        }
        self.place = vec![0; half_count];
        for (point, star) in self.star.iter_mut().enumerate() {
            let centre = plane.points[point];
            star.sort_by(|&a, &b| {
                by_direction(centre, point_of(plane, twin(a)), point_of(plane, twin(b)))
            });
            for (place, &half) in star.iter().enumerate() {
                self.place[half as usize] = place as u32;
            }
        }
    }

    /// Returns the half-edge before `half` in its star, that is the next one clockwise.
    fn clockwise(&self, plane: &Plane, half: u32) -> u32 {
        let star = &self.star[origin(plane, half) as usize];
        let place = self.place[half as usize] as usize;
        star[(place + star.len() - 1) % star.len()]
    }

    /// Numbers the closed walks that keep a face on the left; returns the walk of each half-edge.
    fn walk(&self, plane: &Plane) -> Vec<u32> {
        const NONE: u32 = u32::MAX;
        let mut loops = vec![NONE; self.place.len()];
        let mut count = 0;
        for first in 0..loops.len() as u32 {
            if loops[first as usize] != NONE {
                continue;
            }
            let mut half = first;
            while loops[half as usize] == NONE {
                loops[half as usize] = count;
                half = self.clockwise(plane, twin(half));
            }
            count += 1;
        }
        loops
    }

    /// Sets the depth of the face left of each half-edge: 0 outside, one more per edge crossed.
    fn count_depth(&mut self, plane: &Plane, loops: &[u32]) -> Result<(), NotRepairable> {
        let loop_count = loops.iter().max().map_or(0, |&last| last as usize + 1);
        let outside = loop_count;
        let face_of_loop = self.join_islands(plane, loops, loop_count)?;
        let mut neighbours = vec![Vec::new(); loop_count + 1];
        for edge in 0..plane.edges.len() {
            let [left, right] =
                [loops[2 * edge], loops[2 * edge + 1]].map(|l| face_of_loop[l as usize]);
            if left != right {
                neighbours[left].push(right);
                neighbours[right].push(left);
            }
        }
        let mut depth = vec![u32::MAX; loop_count + 1];
        depth[outside] = 0;
        let mut queue = std::collections::VecDeque::from([outside]);
        while let Some(face) = queue.pop_front() {
            for &next in &neighbours[face] {
                if depth[next] == u32::MAX {
                    depth[next] = depth[face] + 1;
                    queue.push_back(next);
                }
            }
        }
        self.depth = loops
            .iter()
            .map(|&l| depth[face_of_loop[l as usize]])
            .collect();
        Ok(())
    }

    /// Returns the face of each walk: the outer walk of an island belongs to the face around it.
    ///
    /// The number after the last walk is the outside.
    fn join_islands(
        &self,
        plane: &Plane,
        loops: &[u32],
        loop_count: usize,
    ) -> Result<Vec<usize>, NotRepairable> {
        let outside = loop_count;
        let mut face_of_loop: Vec<usize> = (0..loop_count).collect();
        let mut islands = self.islands(plane, loops);
        if islands.len().saturating_mul(plane.edges.len()) > ISLAND_EDGES_MAX {
            return Err(NotRepairable);
        }
        // From left to right: the walk found to the left of an island is already in its face.
        islands.sort_by(|a, b| lexicographic(plane.points[a.corner], plane.points[b.corner]));
        for island in &islands {
            let around = self.walk_left_of(plane, loops, island);
            face_of_loop[island.outer_loop] = around.map_or(outside, |around| face_of_loop[around]);
        }
        Ok(face_of_loop)
    }

    /// Returns the connected parts of the plane.
    fn islands(&self, plane: &Plane, loops: &[u32]) -> Vec<Island> {
        let mut seen = vec![false; plane.points.len()];
        let mut islands = Vec::new();
        for first in 0..plane.points.len() {
            if seen[first] || self.star[first].is_empty() {
                continue;
            }
            seen[first] = true;
            let mut members = vec![first as u32];
            let mut next = 0;
            while next < members.len() {
                for &half in &self.star[members[next] as usize] {
                    let neighbour = origin(plane, twin(half));
                    if !std::mem::replace(&mut seen[neighbour as usize], true) {
                        members.push(neighbour);
                    }
                }
                next += 1;
            }
            members.sort_unstable();
            let corner = members
                .iter()
                .map(|&point| point as usize)
                .min_by(|&a, &b| lexicographic(plane.points[a], plane.points[b]));
            // All edges of the corner point right; left of the last of them is the outer face.
            let Some(corner) = corner else { continue };
            let start = plane.points[corner];
            let last = self.star[corner].iter().copied().max_by(|&a, &b| {
                turn(start, point_of(plane, twin(b)), point_of(plane, twin(a))).cmp(&0)
            });
            let Some(last) = last else { continue };
            islands.push(Island {
                corner,
                outer_loop: loops[last as usize] as usize,
                members,
            });
        }
        islands
    }

    /// Returns the walk of the nearest edge to the left of an island, seen from the island.
    fn walk_left_of(&self, plane: &Plane, loops: &[u32], island: &Island) -> Option<usize> {
        let [x, y] = plane.points[island.corner];
        let mut nearest: Option<([f64; 2], u32)> = None;
        for (edge, ends) in plane.edges.iter().enumerate() {
            let [a, b] = plane.ends(*ends);
            if (a[1] > y) == (b[1] > y) || a[0].min(b[0]) > x {
                continue;
            }
            if island.members.binary_search(&ends[0]).is_ok() {
                continue;
            }
            let lean = (b[0] - a[0]) / (b[1] - a[1]);
            let on_ray = [a, b].into_iter().find(|end| end[1] == y);
            let crossing = on_ray.map_or(a[0] + (y - a[1]) * lean, |end| end[0]);
            // The ray runs just above y: of two edges that meet on it, the one leaning right.
            let key = [crossing, lean];
            if crossing <= x && nearest.is_none_or(|(best, _)| key > best) {
                // The half-edge that runs down has the right side of the edge on its left.
                let is_down = b[1] < a[1];
                nearest = Some((key, 2 * edge as u32 + u32::from(!is_down)));
            }
        }
        nearest.map(|(_, half)| loops[half as usize] as usize)
    }

    /// Traces the lines between odd and even faces, the odd face on the left.
    fn rings(&self, plane: &Plane) -> Vec<Vec<[f64; 2]>> {
        let is_border = |half: u32| {
            self.depth[half as usize] % 2 == 1 && self.depth[twin(half) as usize].is_multiple_of(2)
        };
        let mut is_used = vec![false; self.depth.len()];
        let mut rings = Vec::new();
        for first in 0..self.depth.len() as u32 {
            if is_used[first as usize] || !is_border(first) {
                continue;
            }
            let mut walk = Vec::new();
            let mut half = first;
            while !std::mem::replace(&mut is_used[half as usize], true) {
                walk.push(origin(plane, half));
                half = self.clockwise(plane, twin(half));
                while !is_border(half) {
                    half = self.clockwise(plane, half);
                }
            }
            split_at_touches(&walk, plane, &mut rings);
        }
        rings
    }
}

/// A connected part of the plane.
struct Island {
    /// Its leftmost point, the lowest of them.
    corner: usize,
    /// The walk around its outside.
    outer_loop: usize,
    /// Its points, sorted.
    members: Vec<u32>,
}

fn lexicographic(a: [f64; 2], b: [f64; 2]) -> std::cmp::Ordering {
    a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1]))
}

/// Orders directions from a point counter-clockwise, beginning to the right.
fn by_direction(centre: [f64; 2], a: [f64; 2], b: [f64; 2]) -> std::cmp::Ordering {
    let is_lower = |p: [f64; 2]| p[1] < centre[1] || (p[1] == centre[1] && p[0] < centre[0]);
    is_lower(a)
        .cmp(&is_lower(b))
        .then_with(|| 0.cmp(&turn(centre, a, b)))
}

/// Cuts a walk that comes back to a point into simple rings.
fn split_at_touches(walk: &[u32], plane: &Plane, rings: &mut Vec<Vec<[f64; 2]>>) {
    let mut path: Vec<u32> = Vec::new();
    let mut place = HashMap::new();
    for &point in walk.iter().chain(walk.first()) {
        if let Some(&start) = place.get(&point) {
            let ring: Vec<u32> = path.drain(start..).collect();
            for member in &ring {
                place.remove(member);
            }
            if ring.len() >= 3 {
                let mut coords: Vec<[f64; 2]> = ring
                    .iter()
                    .map(|&member| plane.points[member as usize])
                    .collect();
                coords.push(coords[0]);
                rings.push(coords);
            }
        }
        place.insert(point, path.len());
        path.push(point);
    }
}

/// Puts rings into the shape: those that run counter-clockwise are shells, the others holes.
fn store(shape: &mut Shape, rings: Vec<Vec<[f64; 2]>>) {
    let (shells, holes): (Vec<_>, Vec<_>) = rings
        .into_iter()
        .map(|ring| (signed_area(&ring), ring))
        .filter(|(area, _)| *area != 0.0)
        .partition(|(area, _)| *area > 0.0);
    let mut holes_of: Vec<Vec<Vec<[f64; 2]>>> = vec![Vec::new(); shells.len()];
    for (_, hole) in holes {
        let smallest = (0..shells.len())
            .filter(|&shell| contains(&shells[shell].1, &hole))
            .min_by(|&a, &b| shells[a].0.total_cmp(&shells[b].0));
        if let Some(shell) = smallest {
            holes_of[shell].push(hole);
        }
    }
    shape.clear_rings();
    for ((_, shell), holes) in shells.into_iter().zip(holes_of) {
        for (index, ring) in std::iter::once(shell).chain(holes).enumerate() {
            shape.coords.extend(ring);
            shape.rings.push(Ring {
                end: shape.coords.len(),
                is_shell: index == 0,
            });
        }
    }
}

/// Returns the area of a closed ring, positive where it runs counter-clockwise.
pub(super) fn signed_area(ring: &[[f64; 2]]) -> f64 {
    let Some(&origin) = ring.first() else {
        return 0.0;
    };
    let twice: f64 = ring
        .windows(2)
        .map(|pair| {
            let [a, b] = [pair[0], pair[1]].map(|p| [p[0] - origin[0], p[1] - origin[1]]);
            a[0] * b[1] - b[0] * a[1]
        })
        .sum();
    twice / 2.0
}

/// True where a hole, which does not cross the shell, lies inside it.
fn contains(shell: &[[f64; 2]], hole: &[[f64; 2]]) -> bool {
    let [a, b] = [hole[0], hole[1]];
    let [x, y] = [f64::midpoint(a[0], b[0]), f64::midpoint(a[1], b[1])];
    let crossings = shell.windows(2).filter(|pair| {
        let [from, to] = [pair[0], pair[1]];
        (from[1] > y) != (to[1] > y)
            && x < from[0] + (y - from[1]) / (to[1] - from[1]) * (to[0] - from[0])
    });
    crossings.count() % 2 == 1
}
