//! Rings cut at the edges of a square (I. Sutherland and G. Hodgman, 1974), in whole numbers.
//!
//! Where an edge crosses a side is computed from the smaller of its ends: both parcels of an edge get
//! the same place.

/// Cuts a ring without its closing vertex at `low` and `high` of both axes; what is left lies in `ring`.
pub(super) fn clip(ring: &mut Vec<[i32; 2]>, scratch: &mut Vec<[i32; 2]>, low: i32, high: i32) {
    let is_inside = |at: &[i32; 2]| at.iter().all(|step| (low..=high).contains(step));
    if ring.iter().all(is_inside) {
        return;
    }
    for axis in 0..2 {
        keep(ring, scratch, axis, |step| step >= low, low);
        keep(ring, scratch, axis, |step| step <= high, high);
    }
}

fn keep(
    ring: &mut Vec<[i32; 2]>,
    scratch: &mut Vec<[i32; 2]>,
    axis: usize,
    is_in: impl Fn(i32) -> bool,
    side: i32,
) {
    scratch.clear();
    let Some(mut before) = ring.last().copied() else {
        return;
    };
    for at in ring.iter().copied() {
        let (was_in, now_in) = (is_in(before[axis]), is_in(at[axis]));
        if was_in != now_in {
            scratch.push(crossing(before, at, axis, side));
        }
        if now_in {
            scratch.push(at);
        }
        before = at;
    }
    std::mem::swap(ring, scratch);
}

fn crossing(a: [i32; 2], b: [i32; 2], axis: usize, side: i32) -> [i32; 2] {
    let (from, to) = if a <= b { (a, b) } else { (b, a) };
    let wide = |value: i32| i64::from(value);
    let other = 1 - axis;
    let length = wide(to[axis]) - wide(from[axis]);
    let rise = (wide(to[other]) - wide(from[other])) * (wide(side) - wide(from[axis]));
    let (length, rise) = (length.abs(), rise * length.signum());
    // To the nearest step, halves upwards.
    let step = (2 * rise + length).div_euclid(2 * length);
    let mut place = [side; 2];
    place[other] = (wide(from[other]) + step) as i32;
    place
}

/// Returns twice the area of a ring by the surveyor's formula: positive where it turns from x to y.
pub(super) fn twice_area(ring: &[[i32; 2]]) -> i64 {
    let wide = |at: [i32; 2]| (i64::from(at[0]), i64::from(at[1]));
    let mut sum = 0;
    let Some(mut before) = ring.last().copied().map(wide) else {
        return 0;
    };
    for at in ring.iter().copied().map(wide) {
        sum += before.0 * at.1 - at.0 * before.1;
        before = at;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clipped(ring: &[[i32; 2]]) -> Vec<[i32; 2]> {
        let mut ring = ring.to_vec();
        clip(&mut ring, &mut Vec::new(), 0, 100);
        ring
    }

    #[test]
    fn rings_are_cut_at_the_sides() {
        let inside = [[1, 1], [99, 1], [50, 100]];
        assert_eq!(clipped(&inside), inside);
        assert_eq!(
            twice_area(&clipped(&[[-50, 20], [50, 20], [50, 40], [-50, 40]])),
            2 * 50 * 20
        );
        assert_eq!(
            twice_area(&clipped(&[[-9, -9], [200, -9], [200, 200], [-9, 200]])),
            20_000
        );
        assert!(clipped(&[[-50, 20], [-5, 20], [-5, 40]]).len() < 3);
        assert_eq!(twice_area(&[]), 0);
    }

    #[test]
    fn an_edge_crosses_at_one_place_in_both_directions() {
        for (a, b) in [
            ([-7, 3], [13, 90]),
            ([33, -5], [34, 81]),
            ([90, 7], [131, -41]),
            ([-1, 99], [1, 0]),
        ] {
            for (axis, side) in [(0, 0), (0, 100), (1, 0)] {
                let is_crossed = (a[axis] < side) != (b[axis] < side);
                if is_crossed {
                    assert_eq!(crossing(a, b, axis, side), crossing(b, a, axis, side));
                }
            }
        }
    }
}
