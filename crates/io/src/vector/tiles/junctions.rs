//! Where outlines meet others: the places between which two parcels share an edge, or none does.
//!
//! A vertex is a junction where the rings through it do not all have the same two neighbours there.
//! Between two junctions every ring that has an edge has all of it, so that what is decided of the
//! edge alone is decided the same way for all of them.

use rayon::prelude::*;

use super::square::{Place, key};

/// Vertices that are sorted at once, 16 bytes each: memory, not time, asks for parts.
const PART_VERTICES: usize = 4 << 20;

/// A vertex of a ring.
#[derive(Debug, Clone, Copy)]
struct Occurrence {
    place: u64,
    /// Digest of the two neighbours, in whichever order. Two different pairs have the same one in 2^32:
    /// then an edge may be drawn differently by its two parcels.
    neighbours: u32,
    vertex: u32,
}

/// Returns for each vertex whether it is a junction; `ends` are the ends of the rings, which stand
/// without their closing vertex and without repeated ones.
pub(super) fn junctions(places: &[Place], ends: &[u32]) -> Vec<bool> {
    let mut is_junction = vec![false; places.len()];
    let parts = places.len().div_ceil(PART_VERTICES).max(1) as u64;
    for part in 0..parts {
        let mut occurrences = occurrences(places, ends, part, parts);
        occurrences.par_sort_unstable_by_key(|occurrence| occurrence.place);
        for same in occurrences.chunk_by(|a, b| a.place == b.place) {
            let first = same[0].neighbours;
            if same.iter().any(|other| other.neighbours != first) {
                for occurrence in same {
                    is_junction[occurrence.vertex as usize] = true;
                }
            }
        }
    }
    is_junction
}

fn occurrences(places: &[Place], ends: &[u32], part: u64, parts: u64) -> Vec<Occurrence> {
    let mut found = Vec::new();
    let mut start = 0;
    for end in ends {
        let end = *end as usize;
        let ring = &places[start..end];
        for (index, place) in ring.iter().enumerate() {
            let place = key(*place);
            if mixed(place) % parts != part {
                continue;
            }
            let before = ring[(index + ring.len() - 1) % ring.len()];
            let after = ring[(index + 1) % ring.len()];
            let pair = mixed(key(before)).wrapping_add(mixed(key(after)));
            found.push(Occurrence {
                place,
                neighbours: (mixed(pair) >> 32) as u32,
                vertex: (start + index) as u32,
            });
        }
        start = end;
    }
    found
}

/// Mixes the bits of a number (splitmix64, S. Vigna).
fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_shared_between_junctions() {
        // Two squares side by side; the common edge has a vertex in its middle.
        let left = [[0, 0], [4, 0], [4, 2], [4, 4], [0, 4]];
        let right = [[4, 4], [4, 2], [4, 0], [8, 0], [8, 4]];
        let places: Vec<Place> = left.into_iter().chain(right).collect();
        let found = junctions(&places, &[5, 10]);
        let at: Vec<Place> = (0..10).filter(|v| found[*v]).map(|v| places[v]).collect();
        assert_eq!(at, [[4, 0], [4, 4], [4, 4], [4, 0]]);
    }

    #[test]
    fn a_ring_alone_has_none_and_its_filling_neither() {
        let ring = [[0, 0], [4, 0], [4, 4], [0, 4]];
        assert_eq!(junctions(&ring, &[4]), [false; 4]);
        let mut both = ring.to_vec();
        both.extend([[4, 4], [4, 0], [0, 0], [0, 4]]);
        assert_eq!(junctions(&both, &[4, 8]), [false; 8]);
    }
}
