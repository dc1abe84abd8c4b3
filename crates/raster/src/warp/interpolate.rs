//! Interpolation: means of source pixels by their distance from a position, with kernels of any width.

use std::marker::PhantomData;

use swath_grid::Point;

use super::curve::Curve;
use super::kernel::{Band, LANES, Row, RowLanes, whole_px};
use super::samples::Interpolate;
use crate::{Mask, Sample};

/// Target pixels at most this many times larger than those of the source do not widen the kernel.
const WIDENED_FROM: f64 = 1.0 / 0.95;
/// Weights that sum to less than this say nothing.
pub(super) const WEIGHT_MIN: f64 = 1e-5;
/// Rows of source pixels under neighbouring target pixels that are looked at together, in kernels.
pub(super) const MASK_KERNELS_MAX: usize = 4;
/// Source pixels on a side that are weighed by loops of fixed length: bilinear kernels widened up to 2
/// times, and to 3.
pub(super) const TAPS_FEW: usize = 4;
pub(super) const TAPS_MANY: usize = 6;

/// Weighted means around positions.
pub(super) struct Interpolation<C> {
    curve: PhantomData<C>,
    /// By how much the kernel is widened.
    pub(super) scale: Point,
}

/// Weights of the pixels `first..first + weights.len()` along one direction.
#[derive(Default)]
pub(super) struct Weights {
    first: usize,
    weights: Vec<f64>,
}

impl Weights {
    fn fill<C: Curve>(&mut self, scale: f64, at: f64, len: usize) {
        let radius = C::RADIUS * scale;
        let first = (at - radius - 0.5).ceil().max(0.0);
        let end = (at + radius - 0.5).floor() + 1.0;
        self.first = first as usize;
        self.weights.clear();
        let end = (end.max(0.0) as usize).min(len);
        let weight = |pixel: usize| C::weight((pixel as f64 + 0.5 - at) / scale);
        self.weights.extend((self.first..end).map(weight));
    }
}

impl<C: Curve> Interpolation<C> {
    /// Makes the rule ready for target pixels that cover `scale` source pixels.
    pub fn new(scale: Point) -> Self {
        let widened = |scale: f64| if scale > WIDENED_FROM { scale } else { 1.0 };
        let scale = Point {
            x: widened(scale.x),
            y: widened(scale.y),
        };
        Self {
            curve: PhantomData,
            scale,
        }
    }

    /// True where the kernel is not widened.
    pub fn is_plain(&self) -> bool {
        self.scale.x == 1.0 && self.scale.y == 1.0
    }

    /// Fills a row of target pixels.
    #[inline(always)]
    pub fn fill<T: Interpolate>(&self, band: &Band<'_, T>, row: Row<'_, T>) {
        match self.taps_for(band) {
            TAPS_FEW => self.weighted_row::<T, TAPS_FEW>(band, row),
            TAPS_MANY => self.weighted_row::<T, TAPS_MANY>(band, row),
            _ => self.weighted_row::<T, 0>(band, row),
        }
    }

    /// Returns over how many pixels on a side a kernel is weighed, 0 for kernels of any size.
    pub(super) fn taps_for<T>(&self, band: &Band<'_, T>) -> usize {
        // Pixels with a weight along a direction are never more than this.
        let reach = 2.0 * C::RADIUS * self.scale.x.max(self.scale.y);
        let held = band.width.min(band.height);
        let fits = |taps: &usize| reach <= *taps as f64 && held >= *taps;
        [TAPS_FEW, TAPS_MANY].into_iter().find(fits).unwrap_or(0)
    }

    /// Fills a row with weighted means: by loops over `N` x `N` pixels where `N` is not 0, and where
    /// these say nothing by kernels of any size.
    #[inline(always)]
    fn weighted_row<T: Interpolate, const N: usize>(
        &self,
        band: &Band<'_, T>,
        mut row: Row<'_, T>,
    ) {
        let mut weights = [Weights::default(), Weights::default()];
        let mut done = 0;
        if N > 0 {
            let is_held = band.holds(row.extent, 0.0);
            for lanes in row.lanes() {
                done += LANES;
                // At the edge of the source some of a row are held.
                if is_held || band.holds(lanes.extent(), 0.0) {
                    let kernels = Kernels::<N>::new(self, band, &lanes);
                    if kernels.are_valid(band) && kernels.weigh::<T, C>(band, lanes.values) {
                        lanes.is_valid.fill(true);
                        continue;
                    }
                }
                for lane in 0..LANES {
                    let at = Point {
                        x: lanes.columns[lane],
                        y: lanes.rows[lane],
                    };
                    let mean = self.weighted_pixel::<T, N>(band, at, &mut weights);
                    lanes.is_valid[lane] = mean.is_some();
                    lanes.values[lane] = mean.unwrap_or_default();
                }
            }
        }
        for index in done..row.values.len() {
            let at = Point {
                x: row.columns[index],
                y: row.rows[index],
            };
            let mean = self.weighted_pixel::<T, N>(band, at, &mut weights);
            row.is_valid[index] = mean.is_some();
            row.values[index] = mean.unwrap_or_default();
        }
    }

    /// One pixel, where neighbours may be missing or not valid; not part of the loops in vectors, which are compiled
    /// for each type and processor.
    #[inline(never)]
    pub(super) fn weighted_pixel<T: Interpolate, const N: usize>(
        &self,
        band: &Band<'_, T>,
        at: Point,
        weights: &mut [Weights; 2],
    ) -> Option<T> {
        let under = band.index_at(at.x, at.y)?;
        if !band.mask.is_valid(under) {
            return None;
        }
        if N > 0
            && let Some(mean) = self.taps::<T, N>(band, at.x, at.y)
        {
            return Some(T::rounded(mean));
        }
        let [across, down] = weights;
        across.fill::<C>(self.scale.x, at.x, band.width);
        down.fill::<C>(self.scale.y, at.y, band.height);
        // Weights of a spline may cancel out beside what is masked.
        let mean = weighted(band, across, down);
        Some(mean.map_or(band.values[under], T::rounded))
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
        if !band.is_valid_in(left..left + N, top..top + N) {
            return None;
        }
        let mean = mean_of_taps(band, top * band.width + left, &across, &down);
        (!mean.is_nan()).then_some(mean)
    }

    /// Returns the first of `N` pixels around a position, all within `len`, and their weights.
    #[inline(always)]
    fn along<const N: usize>(&self, scale: f64, at: f64, len: usize) -> (usize, [f64; N]) {
        let first = (at - C::RADIUS * scale - 0.5).ceil().max(0.0);
        let first = (first as i64 as usize).min(len - N);
        let (start, each) = ((first as f64 + 0.5 - at) / scale, 1.0 / scale);
        let mut weights = [0.0; N];
        for (pixel, weight) in weights.iter_mut().enumerate() {
            *weight = C::weight(start + pixel as f64 * each);
        }
        (first, weights)
    }
}

/// Kernels of `N` x `N` pixels around [`LANES`] positions: their upper left pixels, and how far the centres of these
/// are from the position, in kernels of scale 1.
struct Kernels<const N: usize> {
    lefts: [i32; LANES],
    tops: [i32; LANES],
    across: [f64; LANES],
    down: [f64; LANES],
    /// From pixel to pixel, in kernels of scale 1.
    each: Point,
}

impl<const N: usize> Kernels<N> {
    /// Places kernels that all lie within the band, which has at least `N` columns and rows.
    #[inline(always)]
    fn new<T: Sample, C: Curve>(
        rule: &Interpolation<C>,
        band: &Band<'_, T>,
        at: &RowLanes<'_, T>,
    ) -> Self {
        let last = Point {
            x: (band.width - N) as f64,
            y: (band.height - N) as f64,
        };
        let reach = Point {
            x: C::RADIUS * rule.scale.x + 0.5,
            y: C::RADIUS * rule.scale.y + 0.5,
        };
        let mut kernels = Self {
            lefts: [0; LANES],
            tops: [0; LANES],
            across: [0.0; LANES],
            down: [0.0; LANES],
            each: Point {
                x: 1.0 / rule.scale.x,
                y: 1.0 / rule.scale.y,
            },
        };
        for lane in 0..LANES {
            let left = whole_px((at.columns[lane] - reach.x).ceil(), last.x);
            let top = whole_px((at.rows[lane] - reach.y).ceil(), last.y);
            kernels.lefts[lane] = left;
            kernels.tops[lane] = top;
            kernels.across[lane] = (f64::from(left) + 0.5 - at.columns[lane]) / rule.scale.x;
            kernels.down[lane] = (f64::from(top) + 0.5 - at.rows[lane]) / rule.scale.y;
        }
        kernels
    }

    /// True where all pixels under the kernels are surely valid.
    #[inline(always)]
    fn are_valid<T: Sample>(&self, band: &Band<'_, T>) -> bool {
        if *band.mask == Mask::All {
            return true;
        }
        let [columns, rows] = [&self.lefts, &self.tops].map(|firsts| {
            let (low, high) = firsts.iter().fold((i32::MAX, 0), |(low, high), first| {
                (low.min(*first), high.max(*first))
            });
            low as usize..high as usize + N
        });
        rows.len() <= MASK_KERNELS_MAX * N && band.is_valid_in(columns, rows)
    }

    /// Fills values whose kernels are valid; false, with values of no meaning, where one has no mean.
    #[inline(always)]
    fn weigh<T: Interpolate, C: Curve>(&self, band: &Band<'_, T>, values: &mut [T; LANES]) -> bool {
        let mut means = [0.0; LANES];
        for (lane, mean) in means.iter_mut().enumerate() {
            let (mut across, mut down) = ([0.0; N], [0.0; N]);
            for tap in 0..N {
                across[tap] = C::weight(self.across[lane] + tap as f64 * self.each.x);
                down[tap] = C::weight(self.down[lane] + tap as f64 * self.each.y);
            }
            let first = self.tops[lane] as usize * band.width + self.lefts[lane] as usize;
            *mean = mean_of_taps(band, first, &across, &down);
        }
        for (value, mean) in values.iter_mut().zip(means) {
            *value = T::rounded(mean);
        }
        means.iter().fold(true, |all, mean| all & !mean.is_nan())
    }
}

/// Returns the mean of `N` x `N` pixels from the one at `first` on; NaN where weights cancel out, or an infinite
/// value has none.
#[inline(always)]
fn mean_of_taps<T: Sample, const N: usize>(
    band: &Band<'_, T>,
    first: usize,
    across: &[f64; N],
    down: &[f64; N],
) -> f64 {
    let mut sums = [0.0; N];
    for (line, weight) in down.iter().enumerate() {
        let start = first + line * band.width;
        let values: &[T; N] = band.values[start..]
            .first_chunk()
            .expect("kernels lie within the band");
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value.to_f64() * weight;
        }
    }
    let (mut sum, mut weight_x, mut weight_y) = (0.0, 0.0, 0.0);
    for tap in 0..N {
        sum += sums[tap] * across[tap];
        weight_x += across[tap];
        weight_y += down[tap];
    }
    let weight = weight_x * weight_y;
    if weight > WEIGHT_MIN {
        sum / weight
    } else {
        f64::NAN
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warp::kernel::Kernel;
    use crate::warp::line::Line;
    use crate::warp::resampling::Resampling;

    const SIDE: usize = 200;
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

    /// What loops of fixed length make of positions, beside what kernels of any size give for the same: positions
    /// anywhere, or on a line of that scale to the right (1) or to the left (-1).
    fn filled_and_general(
        rule: Resampling,
        scale: f64,
        mask: &Mask,
        margin: f64,
        on_line: Option<f64>,
    ) -> [Vec<Option<u16>>; 2] {
        let kernel = Kernel::new(rule, Point { x: scale, y: scale });
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
        let mut place = || margin + noise.next() * (side - 2.0 * margin);
        let (mut columns, mut rows): (Vec<f64>, Vec<f64>) =
            (0..PIXELS).map(|_| (place(), place())).unzip();
        let mut line = None;
        if let Some(direction) = on_line {
            let step = Point {
                x: 0.98 * direction * scale,
                y: -0.17 * scale,
            };
            let start = Point {
                x: side / 2.0 - direction * (side / 2.0 - margin),
                y: side - margin - 0.2,
            };
            let own = Line { first: start, step };
            for index in 0..PIXELS {
                Point {
                    x: columns[index],
                    y: rows[index],
                } = own.at(index);
            }
            line = Some(own);
        }
        let run = |fill: &dyn Fn(Row<'_, u16>)| -> Vec<Option<u16>> {
            let (mut values, mut is_valid) = (vec![0; PIXELS], vec![false; PIXELS]);
            fill(Row {
                columns: &columns,
                rows: &rows,
                extent: [margin, margin, side - margin, side - margin],
                values: &mut values,
                is_valid: &mut is_valid,
            });
            let pixels = values.into_iter().zip(is_valid);
            pixels
                .map(|(value, is_valid)| is_valid.then_some(value))
                .collect()
        };
        [
            run(&|row| match &line {
                Some(line) => assert!(kernel.fill_line(&band, line, row.values, row.is_valid)),
                None => kernel.fill(&band, row),
            }),
            run(&|row| match &kernel {
                Kernel::Bilinear(rule) => rule.weighted_row::<u16, 0>(&band, row),
                Kernel::Cubic(rule) => rule.weighted_row::<u16, 0>(&band, row),
                _ => panic!("a rule with weights"),
            }),
        ]
    }

    #[test]
    fn loops_of_fixed_length_give_what_kernels_of_any_size_give() {
        let mut noise = Noise(5);
        let flags: Vec<bool> = (0..SIDE * SIDE).map(|_| noise.next() > 0.01).collect();
        for mask in [Mask::All, Mask::Pixels(flags)] {
            // Within the source, where neighbours may be missing, and outside.
            for margin in [1.0, 0.0, -2.0] {
                for (rule, scale) in [
                    (Resampling::Bilinear, 1.0),
                    (Resampling::Bilinear, 1.7),
                    (Resampling::Bilinear, 2.8),
                    (Resampling::Cubic, 1.0),
                    (Resampling::Cubic, 1.4),
                ] {
                    for on_line in [None, Some(1.0), Some(-1.0)] {
                        let [filled, general] =
                            filled_and_general(rule, scale, &mask, margin, on_line);
                        assert!(general.iter().flatten().count() > LANES, "some are valid");
                        for (one, two) in filled.iter().zip(&general) {
                            let is_same = match (one, two) {
                                // Rounded from the two sides of a half.
                                (Some(one), Some(two)) => one.abs_diff(*two) <= 1,
                                (one, two) => one == two,
                            };
                            assert!(
                                is_same,
                                "{rule} {scale}, margin {margin}, line {on_line:?}: {one:?} is not {two:?}"
                            );
                        }
                    }
                }
            }
        }
    }
}
