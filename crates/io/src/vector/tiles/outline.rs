//! From which zoom each vertex of a ring is needed.
//!
//! D. Douglas and T. Peucker's rule (1973) on each edge between two junctions, always from the end
//! with the smaller place: both parcels of an edge, and whatever vertex a ring begins with, give the
//! same. A vertex gets the lowest zoom at whose tolerance the rule keeps it, and never a lower one
//! than the vertex that it was split from, so that what a zoom keeps, all higher ones keep.

use super::ZOOM_MAX;
use super::square::{Place, key};

/// Farthest that a drawn edge is from the true one, in steps of a tile's grid: half a pixel on a
/// screen that shows a tile with 512 pixels.
const TOLERANCE: f64 = 4.0;
/// Longest edge between two junctions that is looked at as one, in vertices: the rule may take the
/// square of it. Vertices where a longer one is cut are kept at every zoom.
const EDGE_VERTICES_MAX: usize = 4_096;

/// Returns the zoom from which each vertex is needed; `ring` is without its closing vertex.
pub(super) fn vertex_zooms(ring: &[Place], is_junction: &[bool]) -> Vec<u8> {
    let mut zooms = vec![ZOOM_MAX; ring.len()];
    let count = ring.len();
    if count < 3 {
        return zooms;
    }
    let ends: Vec<usize> = match is_junction.iter().any(|is| *is) {
        true => (0..count).filter(|vertex| is_junction[*vertex]).collect(),
        false => (0..count)
            .min_by_key(|vertex| key(ring[*vertex]))
            .into_iter()
            .collect(),
    };
    for (index, from) in ends.iter().enumerate() {
        let to = ends[(index + 1) % ends.len()];
        let len = (to + count - from - 1) % count + 1;
        // Vertices of the edge, with both ends; a ring of one end comes back to it.
        let mut edge: Vec<usize> = (0..=len).map(|step| (from + step) % count).collect();
        if is_backward(ring, &edge) {
            edge.reverse();
        }
        for part in cut(&edge) {
            let places: Vec<Place> = part.iter().map(|vertex| ring[*vertex]).collect();
            for (vertex, zoom) in part.iter().zip(edge_zooms(&places)) {
                zooms[*vertex] = zooms[*vertex].min(zoom);
            }
        }
    }
    zooms
}

/// True where the end with the smaller place is the last; between equal ends their neighbours decide.
fn is_backward(ring: &[Place], edge: &[usize]) -> bool {
    let at = |index: usize| key(ring[edge[index]]);
    let last = edge.len() - 1;
    (at(0), at(1)) > (at(last), at(last - 1))
}

fn cut(edge: &[usize]) -> impl Iterator<Item = &[usize]> {
    let starts = (0..edge.len() - 1).step_by(EDGE_VERTICES_MAX);
    starts.map(|from| &edge[from..(from + EDGE_VERTICES_MAX + 1).min(edge.len())])
}

/// Returns the zooms of the vertices of an edge; its ends are needed at every zoom.
fn edge_zooms(edge: &[Place]) -> Vec<u8> {
    let mut zooms = vec![ZOOM_MAX; edge.len()];
    let last = edge.len() - 1;
    (zooms[0], zooms[last]) = (0, 0);
    // From, to, and the lowest zoom that a vertex between them may get.
    let mut open = vec![(0, last, 0)];
    while let Some((from, to, zoom_min)) = open.pop() {
        let Some((vertex, distance)) = farthest(edge, from, to) else {
            continue;
        };
        let zoom = zoom_of(distance).max(zoom_min);
        if zoom >= ZOOM_MAX {
            continue;
        }
        zooms[vertex] = zoom;
        open.push((from, vertex, zoom));
        open.push((vertex, to, zoom));
    }
    zooms
}

/// Returns the vertex between two that is farthest from the line that connects them, and how far.
fn farthest(edge: &[Place], from: usize, to: usize) -> Option<(usize, f64)> {
    let mut best: Option<(usize, f64)> = None;
    for vertex in from + 1..to {
        let distance = distance(edge[vertex], edge[from], edge[to]);
        if best.is_none_or(|(_, most)| distance > most) {
            best = Some((vertex, distance));
        }
    }
    best
}

/// Returns the distance of a place from a line between two others, in steps of the square.
fn distance(at: Place, from: Place, to: Place) -> f64 {
    let step = |place: Place, axis: usize| f64::from(place[axis]) - f64::from(from[axis]);
    let (x, y) = (step(at, 0), step(at, 1));
    let (across, down) = (step(to, 0), step(to, 1));
    let length = across * across + down * down;
    let share = match length > 0.0 {
        true => ((x * across + y * down) / length).clamp(0.0, 1.0),
        false => 0.0,
    };
    (x - share * across).hypot(y - share * down)
}

/// Returns the lowest zoom whose tolerance is below a distance.
fn zoom_of(distance: f64) -> u8 {
    let is_kept = |zoom: &u8| distance > TOLERANCE * f64::from(1_u32 << (20 - zoom));
    (0..ZOOM_MAX).find(is_kept).unwrap_or(ZOOM_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wavy(count: usize) -> Vec<Place> {
        let place = |index: usize| {
            let bend = (index * index * 7_919) % 4_001;
            [(index * 50_000) as u32, 1_000_000 + bend as u32 * 100]
        };
        (0..count).map(place).collect()
    }

    #[test]
    fn direction_and_start_make_no_difference() {
        let mut ring = wavy(60);
        ring.extend([[3_000_000, 9_000_000], [0, 9_000_000]]);
        let mut junctions = vec![false; ring.len()];
        (junctions[0], junctions[59]) = (true, true);
        let zooms = vertex_zooms(&ring, &junctions);
        let seen: std::collections::BTreeSet<u8> = zooms.iter().copied().collect();
        assert!(seen.len() > 3, "{zooms:?}");
        for turn in [1, 17, 61] {
            let turned = |values: &mut Vec<u8>| values.rotate_left(turn);
            let (mut other, mut marks) = (ring.clone(), junctions.clone());
            other.rotate_left(turn);
            marks.rotate_left(turn);
            let mut expected = zooms.clone();
            turned(&mut expected);
            assert_eq!(vertex_zooms(&other, &marks), expected);
            other.reverse();
            marks.reverse();
            expected.reverse();
            assert_eq!(vertex_zooms(&other, &marks), expected);
        }
    }

    #[test]
    fn a_ring_without_junctions_keeps_its_form() {
        let ring: Vec<Place> = (0..200)
            .map(|index| {
                let angle = f64::from(index) / 200.0 * std::f64::consts::TAU;
                let step = |value: f64| (5e6 + 1e6 * value) as u32;
                [step(angle.cos()), step(angle.sin())]
            })
            .collect();
        let zooms = vertex_zooms(&ring, &[false; 200]);
        let kept = |zoom: u8| zooms.iter().filter(|needed| **needed <= zoom).count();
        assert!(kept(2) >= 2 && kept(4) < 12 && kept(8) > 12, "{zooms:?}");
        assert!(kept(ZOOM_MAX) == 200);
    }

    #[test]
    fn long_edges_are_cut_into_parts() {
        let ring = wavy(3 * EDGE_VERTICES_MAX);
        let zooms = vertex_zooms(&ring, &vec![false; ring.len()]);
        assert_eq!(zooms.len(), ring.len());
        assert!(zooms.iter().filter(|zoom| **zoom == 0).count() >= 3);
    }
}
