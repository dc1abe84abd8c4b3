//! The world as a square of 2^32 steps a side: Web Mercator (EPSG:3857), from the north-west corner.
//!
//! A step is 9 mm at the equator. The pixel grid of zoom z is this square with fewer steps, so that a
//! place has the same grid point in every tile of a zoom.

/// Half of a side of the square, in metres of EPSG:3857.
const HALF_SIDE_M: f64 = 20_037_508.342_789_244;
/// Steps of a side.
const STEPS: f64 = 4_294_967_296.0;

/// A place: column and row, from the north-west.
pub(super) type Place = [u32; 2];

/// Returns the step that holds a place in metres; what lies beyond the square goes to its edge.
pub(super) fn place_of(x_m: f64, y_m: f64) -> Place {
    // Saturating: no number becomes 0.
    let step = |m: f64| ((m / (2.0 * HALF_SIDE_M) + 0.5) * STEPS).floor() as u32;
    [step(x_m), step(-y_m)]
}

/// Returns a place as one number.
pub(super) fn key(place: Place) -> u64 {
    (u64::from(place[0]) << 32) | u64::from(place[1])
}

/// Returns the position of a cell along the Z-order curve: the four parts of a cell follow each other.
pub(super) fn z_order(col: u32, row: u32) -> u64 {
    let spread = |number: u32| {
        let mut bits = u64::from(number);
        for (shift, mask) in [
            (16, 0x0000_ffff_0000_ffff),
            (8, 0x00ff_00ff_00ff_00ff),
            (4, 0x0f0f_0f0f_0f0f_0f0f),
            (2, 0x3333_3333_3333_3333),
            (1, 0x5555_5555_5555_5555),
        ] {
            bits = (bits | (bits << shift)) & mask;
        }
        bits
    };
    spread(col) | (spread(row) << 1)
}

/// Returns column and row of a position of [`z_order`].
pub(super) fn cell_of(position: u64) -> [u32; 2] {
    let gather = |bits: u64| {
        let mut bits = bits & 0x5555_5555_5555_5555;
        for (shift, mask) in [
            (1, 0x3333_3333_3333_3333),
            (2, 0x0f0f_0f0f_0f0f_0f0f),
            (4, 0x00ff_00ff_00ff_00ff),
            (8, 0x0000_ffff_0000_ffff),
            (16, 0x0000_0000_ffff_ffff),
        ] {
            bits = (bits | (bits >> shift)) & mask;
        }
        bits as u32
    };
    [gather(position), gather(position >> 1)]
}

/// A rectangle of places, its edges in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rectangle {
    pub min: Place,
    pub max: Place,
}

impl Rectangle {
    /// A rectangle that meets none.
    pub const NOWHERE: Self = Self {
        min: [u32::MAX; 2],
        max: [0; 2],
    };

    /// Grows to hold a place.
    pub fn extend(&mut self, place: Place) {
        for (axis, step) in place.into_iter().enumerate() {
            self.min[axis] = self.min[axis].min(step);
            self.max[axis] = self.max[axis].max(step);
        }
    }

    /// True where they share a place.
    pub fn meets(&self, other: &Self) -> bool {
        (0..2).all(|axis| self.min[axis] <= other.max[axis] && other.min[axis] <= self.max[axis])
    }

    /// Returns the place in the middle.
    pub fn middle(&self) -> Place {
        let middle = |axis: usize| {
            let sum = u64::from(self.min[axis]) + u64::from(self.max[axis]);
            (sum / 2) as u32
        };
        [middle(0), middle(1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_square_begins_in_the_north_west() {
        assert_eq!(place_of(-HALF_SIDE_M, HALF_SIDE_M), [0, 0]);
        assert_eq!(place_of(0.0, 0.0), [1 << 31, 1 << 31]);
        assert_eq!(place_of(3e7, -3e7), [u32::MAX, u32::MAX]);
        assert_eq!(place_of(f64::NAN, 0.0)[0], 0);
    }

    #[test]
    fn parts_of_a_cell_follow_each_other() {
        for (col, row) in [(0, 0), (5, 9), (1 << 20, 77), (u32::MAX, u32::MAX)] {
            assert_eq!(cell_of(z_order(col, row)), [col, row]);
        }
        let parts = [(10, 6), (11, 6), (10, 7), (11, 7)].map(|(col, row)| z_order(col, row));
        assert!(parts.iter().all(|part| part >> 2 == z_order(5, 3)));
    }
}
