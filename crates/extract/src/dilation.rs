//! Growing of flagged pixels by a disc.

use swath_grid::Point;

/// Most pixels by which flags grow to one side.
const RADIUS_MAX_PX: f64 = 1_000.0;
/// Part of the squared radius by which a pixel centre may miss it and still be within: rounding.
const TOLERANCE: f64 = 1e-9;

/// The pixels whose centres lie within a distance of a pixel's centre.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Disc {
    /// For each distance in rows, from 0: the farthest column.
    half_widths: Vec<u32>,
}

impl Disc {
    /// Returns the disc of a radius over pixels of a size, all in metres.
    ///
    /// # Errors
    /// A sentence, where the radius is none or spans more pixels than the limit.
    pub(crate) fn new(radius_m: f64, pixel_m: Point) -> Result<Self, String> {
        let is_sane = radius_m.is_finite() && radius_m >= 0.0;
        if !is_sane {
            return Err("the dilation of the mask is not a number of metres from 0".to_owned());
        }
        if radius_m / pixel_m.x.min(pixel_m.y) > RADIUS_MAX_PX {
            return Err(format!(
                "a dilation of {radius_m} m is more than {RADIUS_MAX_PX} pixels of the mask"
            ));
        }
        let square = radius_m * radius_m * (1.0 + TOLERANCE);
        let is_within = |cols: u32, rows: u32| {
            let (x, y) = (f64::from(cols) * pixel_m.x, f64::from(rows) * pixel_m.y);
            x * x + y * y <= square
        };
        let rows = (0..).take_while(|rows| is_within(0, *rows));
        let half_widths = rows.map(|rows| {
            let cols = (1..).take_while(|cols| is_within(*cols, rows));
            cols.last().unwrap_or(0)
        });
        Ok(Self {
            half_widths: half_widths.collect(),
        })
    }

    /// Returns how far it reaches to one side, in rows.
    pub(crate) fn rows(&self) -> u32 {
        self.half_widths.len().saturating_sub(1) as u32
    }

    /// Returns how far it reaches to one side, in columns.
    pub(crate) fn cols(&self) -> u32 {
        self.half_widths.first().copied().unwrap_or(0)
    }
}

/// Returns the flags grown by a disc; `flags` stand row by row, `width` to a row.
pub(crate) fn dilate(flags: &[bool], width: usize, disc: &Disc) -> Vec<bool> {
    let height = flags.len().checked_div(width).unwrap_or(0);
    let distances: Vec<u32> = flags.chunks(width.max(1)).flat_map(row_distances).collect();
    let mut grown = vec![false; flags.len()];
    for (rows_away, reach) in disc.half_widths.iter().enumerate() {
        for row in 0..height {
            let near = [row.checked_sub(rows_away), Some(row + rows_away)];
            for from in near.into_iter().flatten().filter(|from| *from < height) {
                let to = &mut grown[row * width..(row + 1) * width];
                let distances = &distances[from * width..(from + 1) * width];
                to.iter_mut()
                    .zip(distances)
                    .for_each(|(flag, distance)| *flag |= distance <= reach);
            }
        }
    }
    grown
}

/// Returns for each pixel of a row how many columns away the nearest flagged one is.
fn row_distances(row: &[bool]) -> Vec<u32> {
    let mut distances = vec![u32::MAX; row.len()];
    let mut sweep = |order: &mut dyn Iterator<Item = usize>| {
        let mut distance = u32::MAX;
        for at in order {
            distance = if row[at] {
                0
            } else {
                distance.saturating_add(1)
            };
            distances[at] = distances[at].min(distance);
        }
    };
    sweep(&mut (0..row.len()));
    sweep(&mut (0..row.len()).rev());
    distances
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_radius_of_one_pixel_is_a_cross() {
        let disc = Disc::new(20.0, Point { x: 20.0, y: 20.0 }).expect("sane");
        assert_eq!((disc.cols(), disc.rows()), (1, 1));
        let mut flags = vec![false; 25];
        flags[12] = true;
        let grown = dilate(&flags, 5, &disc);
        let found: Vec<usize> = (0..25).filter(|at| grown[*at]).collect();
        assert_eq!(found, [7, 11, 12, 13, 17]);
    }

    #[test]
    fn absurd_radii_are_refused() {
        let pixel = Point { x: 20.0, y: 20.0 };
        for radius in [-1.0, f64::NAN, f64::INFINITY, 20_001.0] {
            assert!(Disc::new(radius, pixel).is_err(), "{radius}");
        }
        assert!(dilate(&[], 0, &Disc::new(0.0, pixel).expect("sane")).is_empty());
    }

    proptest! {
        #[test]
        fn it_is_the_distance_between_centres(
            flags in proptest::collection::vec(proptest::bool::weighted(0.05), 12 * 15),
            radius in 0.0..130.0f64, x in 5.0..30.0f64, y in 5.0..30.0f64,
        ) {
            let disc = Disc::new(radius, Point { x, y }).expect("sane");
            let grown = dilate(&flags, 12, &disc);
            for (at, found) in grown.iter().enumerate() {
                let expected = (0..flags.len()).filter(|other| flags[*other]).any(|other| {
                    let cols = (at % 12) as f64 - (other % 12) as f64;
                    let rows = (at / 12) as f64 - (other / 12) as f64;
                    (cols * x).powi(2) + (rows * y).powi(2) <= radius * radius * (1.0 + TOLERANCE)
                });
                prop_assert_eq!(*found, expected, "pixel {}", at);
            }
        }
    }
}
