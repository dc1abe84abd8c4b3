//! Bilinear and cubic interpolation: weights of source pixels by their distance from a position.
//!
//! Cubic: R. G. Keys, *Cubic Convolution Interpolation for Digital Image Processing*, IEEE
//! Transactions on Acoustics, Speech and Signal Processing 29 (1981), with a = -1/2.

use swath_grid::Point;

use super::kernel::{Band, Row};
use crate::{Mask, Sample};

/// Target pixels at most this many times larger than those of the source do not widen the kernel.
const WIDENED_FROM: f64 = 1.0 / 0.95;
/// Weights that sum to less than this say nothing.
const WEIGHT_MIN: f64 = 1e-5;
/// Target pixels whose neighbours are gathered before they are mixed, so that mixing runs in vectors.
const LANES: usize = 16;
/// Source pixels on a side that are weighed by loops of fixed length: bilinear kernels widened up to 2
/// times, and to 3.
const TAPS_FEW: usize = 4;
const TAPS_MANY: usize = 6;

/// A sample type that values of interpolation can be put into.
pub(crate) trait Interpolate: Sample {
    /// Returns `value` in this type: integers rounded half up and cut at the ends.
    fn rounded(value: f64) -> Self;

    /// Returns the bilinear mix of four values (upper left, upper right, lower left, lower right) by
    /// shares in 0..=1.
    fn mix(corners: [Self; 4], share_x: f64, share_y: f64) -> Self;
}

macro_rules! interpolate_integer {
    ($mixed:ty, $whole:ident: $($type:ty),*) => {
        $(impl Interpolate for $type {
            #[inline(always)]
            fn rounded(value: f64) -> Self {
                // `as` cuts at the ends of the type.
                (value + 0.5).floor() as $type
            }

            #[inline(always)]
            fn mix(corners: [Self; 4], share_x: f64, share_y: f64) -> Self {
                let [a, b, c, d] = corners.map(|value| value as $mixed);
                let (x, y) = (share_x as $mixed, share_y as $mixed);
                let (upper, lower) = (a + (b - a) * x, c + (d - c) * x);
                $whole((upper + (lower - upper) * y + 0.5).floor()) as $type
            }
        })*
    };
}

/// Returns a whole number of at most 17 bits; unlike `as`, in vectors too.
#[allow(
    clippy::manual_clamp,
    reason = "`clamp` leaves what is no number as it is"
)]
#[inline(always)]
fn narrow(value: f32) -> i32 {
    // What is no number becomes the lower end.
    let held = value.max(-65_536.0).min(65_536.0);
    // SAFETY: the type holds it.
    unsafe { held.to_int_unchecked() }
}

/// The same for types that `as` cuts at the ends.
#[inline(always)]
fn wide(value: f64) -> f64 {
    value
}

macro_rules! interpolate_float {
    ($($type:ty),*) => {
        $(impl Interpolate for $type {
            #[inline(always)]
            fn rounded(value: f64) -> Self {
                value as $type
            }

            #[inline(always)]
            fn mix(corners: [Self; 4], share_x: f64, share_y: f64) -> Self {
                let [a, b, c, d] = corners.map(f64::from);
                let (upper, lower) = (a + (b - a) * share_x, c + (d - c) * share_x);
                (upper + (lower - upper) * share_y) as $type
            }
        })*
    };
}

// Single precision holds 16 bits and 8 of the fraction.
interpolate_integer!(f32, narrow: u8, i8, u16, i16);
interpolate_integer!(f64, wide: u32, i32, u64, i64);
interpolate_float!(f32, f64);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Curve {
    Linear,
    Cubic,
}

impl Curve {
    /// Source pixels on either side that have a weight.
    fn radius(self) -> f64 {
        match self {
            Self::Linear => 1.0,
            Self::Cubic => 2.0,
        }
    }

    /// Weight of a pixel whose centre is `distance` source pixels away.
    #[inline(always)]
    fn weight(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self {
            Self::Linear => (1.0 - x).max(0.0),
            Self::Cubic if x <= 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Cubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Cubic => 0.0,
        }
    }
}

/// Weighted means around positions.
pub(super) struct Interpolation {
    curve: Curve,
    /// By how much the kernel is widened.
    scale: Point,
}

/// Weights of the pixels `first..first + weights.len()` along one direction.
struct Weights {
    first: usize,
    weights: Vec<f64>,
}

impl Weights {
    fn fill(&mut self, curve: Curve, scale: f64, at: f64, len: usize) {
        let radius = curve.radius() * scale;
        let first = (at - radius - 0.5).ceil().max(0.0);
        let end = (at + radius - 0.5).floor() + 1.0;
        self.first = first as usize;
        self.weights.clear();
        let end = (end.max(0.0) as usize).min(len);
        let weight = |pixel: usize| curve.weight((pixel as f64 + 0.5 - at) / scale);
        self.weights.extend((self.first..end).map(weight));
    }
}

impl Interpolation {
    pub fn bilinear(scale: Point) -> Self {
        Self::new(Curve::Linear, scale)
    }

    pub fn cubic(scale: Point) -> Self {
        Self::new(Curve::Cubic, scale)
    }

    fn new(curve: Curve, scale: Point) -> Self {
        let widened = |scale: f64| if scale > WIDENED_FROM { scale } else { 1.0 };
        let scale = Point {
            x: widened(scale.x),
            y: widened(scale.y),
        };
        Self { curve, scale }
    }

    /// Fills a row of target pixels.
    #[inline(always)]
    pub fn fill<T: Interpolate>(&self, band: &Band<'_, T>, row: Row<'_, T>) {
        let is_plain = self.scale.x == 1.0 && self.scale.y == 1.0;
        // Pixels with a weight along a direction are never more than this.
        let reach = 2.0 * self.curve.radius() * self.scale.x.max(self.scale.y);
        let held = band.width.min(band.height);
        match self.curve {
            Curve::Linear if is_plain => bilinear_row(band, row),
            _ if reach <= TAPS_FEW as f64 && held >= TAPS_FEW => {
                self.weighted_row::<T, TAPS_FEW>(band, row);
            }
            _ if reach <= TAPS_MANY as f64 && held >= TAPS_MANY => {
                self.weighted_row::<T, TAPS_MANY>(band, row);
            }
            _ => self.weighted_row::<T, 0>(band, row),
        }
    }

    /// Fills a row with weighted means: by loops over `N` x `N` pixels where `N` is not 0, and where
    /// these say nothing by kernels of any size.
    #[inline(always)]
    fn weighted_row<T: Interpolate, const N: usize>(&self, band: &Band<'_, T>, row: Row<'_, T>) {
        let empty = || Weights {
            first: 0,
            weights: Vec::new(),
        };
        let (mut across, mut down) = (empty(), empty());
        for index in 0..row.values.len() {
            let (x, y) = (row.columns[index], row.rows[index]);
            let Some(under) = band.index_at(x, y) else {
                continue;
            };
            if !band.mask.is_valid(under) {
                continue;
            }
            row.is_valid[index] = true;
            if N > 0
                && let Some(mean) = self.taps::<T, N>(band, x, y)
            {
                row.values[index] = T::rounded(mean);
                continue;
            }
            across.fill(self.curve, self.scale.x, x, band.width);
            down.fill(self.curve, self.scale.y, y, band.height);
            // Weights of a spline may cancel out beside what is masked.
            let mean = weighted(band, &across, &down);
            row.values[index] = mean.map_or(band.values[under], T::rounded);
        }
    }

    /// Returns the mean of `N` x `N` pixels by their weights, which are 0 beyond the kernel; `None` where
    /// one of them is not valid, weights cancel out, or an infinite value lies beyond the kernel.
    #[inline(always)]
    fn taps<T: Interpolate, const N: usize>(
        &self,
        band: &Band<'_, T>,
        x: f64,
        y: f64,
    ) -> Option<f64> {
        let (left, across) = self.along::<N>(self.scale.x, x, band.width);
        let (top, down) = self.along::<N>(self.scale.y, y, band.height);
        if let Mask::Pixels(flags) = band.mask {
            let mut is_valid = true;
            for line in top..top + N {
                let start = line * band.width + left;
                let flags: &[bool; N] = flags[start..].first_chunk()?;
                is_valid &= flags.iter().fold(true, |all, flag| all & *flag);
            }
            if !is_valid {
                return None;
            }
        }
        let mut sums = [0.0; N];
        for (line, weight) in down.iter().enumerate() {
            let start = (top + line) * band.width + left;
            let values: &[T; N] = band.values[start..].first_chunk()?;
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value.to_f64() * weight;
            }
        }
        let (mut sum, mut weight_x, mut weight_y) = (0.0, 0.0, 0.0);
        for col in 0..N {
            sum += sums[col] * across[col];
            weight_x += across[col];
            weight_y += down[col];
        }
        let weight = weight_x * weight_y;
        (weight > WEIGHT_MIN && !sum.is_nan()).then(|| sum / weight)
    }

    /// Returns the first of `N` pixels around a position, all within `len`, and their weights.
    #[inline(always)]
    fn along<const N: usize>(&self, scale: f64, at: f64, len: usize) -> (usize, [f64; N]) {
        let first = (at - self.curve.radius() * scale - 0.5).ceil().max(0.0);
        let first = (first as i64 as usize).min(len - N);
        let (start, each) = ((first as f64 + 0.5 - at) / scale, 1.0 / scale);
        let mut weights = [0.0; N];
        for (pixel, weight) in weights.iter_mut().enumerate() {
            *weight = self.curve.weight(start + pixel as f64 * each);
        }
        (first, weights)
    }
}

fn weighted<T: Sample>(band: &Band<'_, T>, across: &Weights, down: &Weights) -> Option<f64> {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (index, weight_y) in down.weights.iter().enumerate() {
        let start = (down.first + index) * band.width + across.first;
        let values = &band.values[start..start + across.weights.len()];
        let (mut row_sum, mut row_weights) = (0.0, 0.0);
        for (col, (value, weight)) in values.iter().zip(&across.weights).enumerate() {
            if band.mask.is_valid(start + col) {
                row_sum += value.to_f64() * weight;
                row_weights += weight;
            }
        }
        sum += row_sum * weight_y;
        weights += row_weights * weight_y;
    }
    (weights > WEIGHT_MIN).then(|| sum / weights)
}

/// Bilinear interpolation between the four nearest pixels.
#[inline(always)]
fn bilinear_row<T: Interpolate>(band: &Band<'_, T>, row: Row<'_, T>) {
    let mut done = 0;
    if is_inside(band, &row) {
        let columns = row.columns.chunks_exact(LANES);
        let rows = row.rows.chunks_exact(LANES);
        let values = row.values.chunks_exact_mut(LANES);
        let flags = row.is_valid.chunks_exact_mut(LANES);
        for ((columns, rows), (values, flags)) in columns.zip(rows).zip(values.zip(flags)) {
            if bilinear_lanes(band, columns, rows, values) {
                flags.fill(true);
            } else {
                let positions = columns.iter().zip(rows);
                for ((x, y), (value, flag)) in positions.zip(values.iter_mut().zip(flags)) {
                    bilinear_pixel(band, *x, *y, value, flag);
                }
            }
            done += LANES;
        }
    }
    for index in done..row.values.len() {
        let (x, y) = (row.columns[index], row.rows[index]);
        let (value, flag) = (&mut row.values[index], &mut row.is_valid[index]);
        bilinear_pixel(band, x, y, value, flag);
    }
}

/// Most columns or rows that [`bilinear_lanes`] tells apart.
const SIDE_MAX_PX: usize = i32::MAX as usize;

/// True where all four neighbours of all positions are there.
#[inline(always)]
fn is_inside<T: Sample>(band: &Band<'_, T>, row: &Row<'_, T>) -> bool {
    let holds = |values: &[f64], len: usize| {
        let end = len as f64 - 0.5;
        // NaN fails the comparisons.
        values
            .iter()
            .fold(true, |all, value| all & (*value >= 0.5) & (*value < end))
    };
    band.width.max(band.height) <= SIDE_MAX_PX
        && holds(row.columns, band.width)
        && holds(row.rows, band.height)
}

/// Fills [`LANES`] values by positions that [`is_inside`]; false, with values of no meaning, where
/// a neighbour is not valid.
#[inline(always)]
fn bilinear_lanes<T: Interpolate>(
    band: &Band<'_, T>,
    columns: &[f64],
    rows: &[f64],
    values: &mut [T],
) -> bool {
    let (mut lefts, mut tops) = ([0i32; LANES], [0i32; LANES]);
    let (mut across, mut down) = ([0.0; LANES], [0.0; LANES]);
    for lane in 0..LANES {
        let (x, y) = (columns[lane] - 0.5, rows[lane] - 0.5);
        (lefts[lane], tops[lane]) = (whole_px(x), whole_px(y));
        across[lane] = x - f64::from(lefts[lane]);
        down[lane] = y - f64::from(tops[lane]);
    }
    let mut corners = [[T::default(); LANES]; 4];
    let mut is_valid = true;
    for lane in 0..LANES {
        let upper = tops[lane] as usize * band.width + lefts[lane] as usize;
        let lower = upper + band.width;
        let above = &band.values[upper..upper + 2];
        let below = &band.values[lower..lower + 2];
        corners[0][lane] = above[0];
        corners[1][lane] = above[1];
        corners[2][lane] = below[0];
        corners[3][lane] = below[1];
        if let Mask::Pixels(flags) = band.mask {
            let (above, below) = (&flags[upper..upper + 2], &flags[lower..lower + 2]);
            is_valid &= above[0] & above[1] & below[0] & below[1];
        }
    }
    for (lane, value) in values.iter_mut().enumerate() {
        let own = [0, 1, 2, 3].map(|corner| corners[corner][lane]);
        *value = T::mix(own, across[lane], down[lane]);
    }
    is_valid
}

/// Returns the whole pixels of a position between 0 and [`SIDE_MAX_PX`]; unlike `as`, in vectors too.
#[allow(
    clippy::manual_clamp,
    reason = "`clamp` leaves what is no number as it is"
)]
#[inline(always)]
fn whole_px(position: f64) -> i32 {
    let held = position.max(0.0).min(SIDE_MAX_PX as f64);
    // SAFETY: the type holds it.
    unsafe { held.to_int_unchecked() }
}

/// One pixel, where neighbours may be missing or not valid.
#[inline(always)]
fn bilinear_pixel<T: Interpolate>(
    band: &Band<'_, T>,
    x: f64,
    y: f64,
    value: &mut T,
    is_valid: &mut bool,
) {
    let mean = band
        .index_at(x, y)
        .filter(|under| band.mask.is_valid(*under))
        .and_then(|_| bilinear_beside(band, x, y));
    *is_valid = mean.is_some();
    *value = mean.map_or(T::default(), T::rounded);
}

/// Returns the mean of the neighbours that are there and valid.
#[inline(always)]
fn bilinear_beside<T: Sample>(band: &Band<'_, T>, x: f64, y: f64) -> Option<f64> {
    let (left, top) = ((x - 0.5).floor(), (y - 0.5).floor());
    let (share_x, share_y) = (x - 0.5 - left, y - 0.5 - top);
    let (mut sum, mut weights) = (0.0, 0.0);
    for (row, weight_y) in [(top, 1.0 - share_y), (top + 1.0, share_y)] {
        for (col, weight_x) in [(left, 1.0 - share_x), (left + 1.0, share_x)] {
            let is_held =
                col >= 0.0 && row >= 0.0 && col < band.width as f64 && row < band.height as f64;
            if !is_held {
                continue;
            }
            let index = row as usize * band.width + col as usize;
            if band.mask.is_valid(index) {
                sum += band.values[index].to_f64() * weight_x * weight_y;
                weights += weight_x * weight_y;
            }
        }
    }
    (weights > WEIGHT_MIN).then(|| sum / weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 40;
    const PIXELS: usize = LANES * 9 + 3;

    struct Noise(u64);

    impl Noise {
        /// A number in 0..1.
        fn next(&mut self) -> f64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    /// What `fill` makes of positions, beside what kernels of any size give for the same.
    fn filled_and_general(
        interpolation: &Interpolation,
        mask: &Mask,
        margin: f64,
    ) -> [Vec<Option<u16>>; 2] {
        let mut noise = Noise(3);
        let values: Vec<u16> = (0..SIDE * SIDE)
            .map(|_| (noise.next() * 65_536.0) as u16)
            .collect();
        let side = SIDE as f64;
        let band = Band {
            values: &values,
            mask,
            width: SIDE,
            height: SIDE,
            edges: [0.0, 0.0, side, side],
        };
        let mut places = || -> Vec<f64> {
            let place = |_| margin + noise.next() * (side - 2.0 * margin);
            (0..PIXELS).map(place).collect()
        };
        let (columns, rows) = (places(), places());
        let run = |fill: &dyn Fn(Row<'_, u16>)| -> Vec<Option<u16>> {
            let (mut values, mut is_valid) = (vec![0; PIXELS], vec![false; PIXELS]);
            fill(Row {
                columns: &columns,
                rows: &rows,
                values: &mut values,
                is_valid: &mut is_valid,
            });
            let pixels = values.into_iter().zip(is_valid);
            pixels
                .map(|(value, is_valid)| is_valid.then_some(value))
                .collect()
        };
        [
            run(&|row| interpolation.fill(&band, row)),
            run(&|row| interpolation.weighted_row::<u16, 0>(&band, row)),
        ]
    }

    fn scaled(scale: f64) -> Point {
        Point { x: scale, y: scale }
    }

    #[test]
    fn loops_of_fixed_length_give_what_kernels_of_any_size_give() {
        let mut noise = Noise(5);
        let flags: Vec<bool> = (0..SIDE * SIDE).map(|_| noise.next() > 0.01).collect();
        for mask in [Mask::All, Mask::Pixels(flags)] {
            // Within the source, where neighbours may be missing, and outside.
            for margin in [1.0, 0.0, -2.0] {
                for (name, interpolation) in [
                    ("bilinear", Interpolation::bilinear(scaled(1.0))),
                    ("bilinear, 1.7", Interpolation::bilinear(scaled(1.7))),
                    ("bilinear, 2.8", Interpolation::bilinear(scaled(2.8))),
                    ("cubic", Interpolation::cubic(scaled(1.0))),
                    ("cubic, 1.4", Interpolation::cubic(scaled(1.4))),
                ] {
                    let [filled, general] = filled_and_general(&interpolation, &mask, margin);
                    for (one, two) in filled.iter().zip(&general) {
                        let is_same = match (one, two) {
                            // Rounded from the two sides of a half.
                            (Some(one), Some(two)) => one.abs_diff(*two) <= 1,
                            (one, two) => one == two,
                        };
                        assert!(is_same, "{name}, margin {margin}: {one:?} is not {two:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn mixes_stay_between_their_corners() {
        for share in [0.0, 0.3, 0.999_999_999, 1.0] {
            assert_eq!(u16::mix([u16::MAX; 4], share, share), u16::MAX);
            assert_eq!(i16::mix([i16::MIN; 4], share, share), i16::MIN);
            assert_eq!(
                u8::mix([0, 255, 0, 255], share, 1.0),
                (share * 255.0 + 0.5) as u8
            );
        }
    }
}
