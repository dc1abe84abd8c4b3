//! The Hilbert curve through the rectangle of longitude and latitude.

/// Halvings of each side: cells of about 2 m.
const ORDER: u32 = 24;

/// Returns where a place lies on the curve; places that are near on it are near on the ground.
///
/// Longitude and latitude are in degrees; beyond the rectangle the nearest place in it counts.
pub(in crate::vector) fn hilbert(longitude: f64, latitude: f64) -> u64 {
    let cells = f64::from(1u32 << ORDER);
    // Saturating: what is no number becomes cell 0.
    let cell = |share: f64| ((share * cells) as u64).min((1 << ORDER) - 1);
    let (x, y) = (
        cell((longitude + 180.0) / 360.0),
        cell((latitude + 90.0) / 180.0),
    );
    position(x, y)
}

/// Returns the place of a cell on the curve (J. Skilling, "Programming the Hilbert curve", 2004, in
/// its two-dimensional form).
fn position(mut x: u64, mut y: u64) -> u64 {
    let mut position = 0;
    let mut side = 1u64 << (ORDER - 1);
    while side > 0 {
        let (right, top) = (u64::from(x & side > 0), u64::from(y & side > 0));
        position += side * side * ((3 * right) ^ top);
        // Turn the quarter so that the curve enters it where it left the one before.
        if top == 0 {
            if right == 1 {
                x = ((1 << ORDER) - 1) - x;
                y = ((1 << ORDER) - 1) - y;
            }
            std::mem::swap(&mut x, &mut y);
        }
        side >>= 1;
    }
    position
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_on_the_curve_are_neighbours_on_the_ground() {
        // All cells of a corner of 32 by 32 cells come first, each once, each beside the one before.
        let mut cells: Vec<(u64, u64, u64)> = Vec::new();
        for x in 0..32 {
            for y in 0..32 {
                cells.push((position(x, y), x, y));
            }
        }
        cells.sort_unstable();
        for (index, pair) in cells.windows(2).enumerate() {
            assert_eq!(pair[0].0, index as u64);
            let step = pair[0].1.abs_diff(pair[1].1) + pair[0].2.abs_diff(pair[1].2);
            assert_eq!(step, 1, "{pair:?}");
        }
    }

    #[test]
    fn what_is_nowhere_has_a_place_all_the_same() {
        for (longitude, latitude) in [(f64::NAN, 0.0), (1e300, -1e300), (f64::INFINITY, 90.0)] {
            assert!(hilbert(longitude, latitude) < 1 << (2 * ORDER));
        }
        assert!(hilbert(180.0, 90.0) < 1 << (2 * ORDER));
    }
}
