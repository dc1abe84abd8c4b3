//! Interpolation of 8 and 16 bits where positions are on a straight line: [`LANES`] target pixels side by side, in single
//! precision.

use std::ops::Range;

use super::bilinear::{MASK_ROWS_MAX, bilinear_pixel, pairs_at};
use super::curve::Curve;
use super::interpolate::{Interpolation, MASK_KERNELS_MAX, TAPS_FEW, TAPS_MANY, WEIGHT_MIN};
use super::kernel::{Band, LANES};
use super::line::{Axis, Line, Places};
use super::samples::Interpolate;
use crate::{Mask, Sample};

/// The four nearest pixels of each position, counted from one that is before all of them.
struct Neighbours {
    base: usize,
    /// Columns and rows from there to the upper left one, and the shares of those to the right and below.
    lefts: [i32; LANES],
    tops: [i32; LANES],
    across: [f32; LANES],
    down: [f32; LANES],
    /// Columns and rows of all neighbours.
    columns: Range<usize>,
    rows: Range<usize>,
}

/// Fills a row of target pixels that are not larger than those of the source with means of the four nearest.
#[inline(always)]
pub(super) fn bilinear_line<T: Interpolate>(
    band: &Band<'_, T>,
    line: &Line,
    values: &mut [T],
    is_valid: &mut [bool],
) {
    let mut done = 0;
    if band.width >= 2 && band.height >= 2 && band.is_indexed() {
        // From the centres of pixels.
        let across = Axis::new(line.first.x - 0.5, line.step.x);
        let down = Axis::new(line.first.y - 0.5, line.step.y);
        let groups = values.as_chunks_mut().0.iter_mut();
        for (values, flags) in groups.zip(is_valid.as_chunks_mut().0) {
            let places = [across.places(done), down.places(done)];
            let neighbours = Neighbours::new(band, places);
            match neighbours.filter(|neighbours| neighbours.are_valid(band)) {
                Some(neighbours) => {
                    neighbours.mix(band, values);
                    *flags = [true; LANES];
                }
                None => {
                    for lane in 0..LANES {
                        let at = line.at(done + lane);
                        bilinear_pixel(band, at.x, at.y, &mut values[lane], &mut flags[lane]);
                    }
                }
            }
            done += LANES;
        }
    }
    for index in done..values.len() {
        let at = line.at(index);
        bilinear_pixel(band, at.x, at.y, &mut values[index], &mut is_valid[index]);
    }
}

impl Neighbours {
    /// Places neighbours; `None` where one of them is not held.
    #[inline(always)]
    fn new<T: Sample>(band: &Band<'_, T>, places: [Places; 2]) -> Option<Self> {
        let [x, y] = places;
        let (last_col, last_row) = ((band.width - 2) as f64, (band.height - 2) as f64);
        // NaN fails the comparisons. What lies on the last centre has a share of 0 of what is beyond.
        let is_held = x.ends[0] >= 0.0
            && y.ends[0] >= 0.0
            && x.ends[1] < last_col + 1.0
            && y.ends[1] < last_row + 1.0;
        if !is_held {
            return None;
        }
        let (base_col, base_row) = (x.base as i32, y.base as i32);
        // Single precision may round up to the next pixel.
        let (right, bottom) = (last_col as i32 - base_col, last_row as i32 - base_row);
        let mut neighbours = Self {
            base: base_row as usize * band.width + base_col as usize,
            lefts: [0; LANES],
            tops: [0; LANES],
            across: [0.0; LANES],
            down: [0.0; LANES],
            columns: base_col as usize..x.ends[1] as i32 as usize + 2,
            rows: base_row as usize..y.ends[1] as i32 as usize + 2,
        };
        for lane in 0..LANES {
            // SAFETY: not negative, and within a band of no more than `i32::MAX` pixels.
            let (left, top): (i32, i32) = unsafe {
                (
                    x.beyond[lane].to_int_unchecked(),
                    y.beyond[lane].to_int_unchecked(),
                )
            };
            let (left, top) = (left.min(right), top.min(bottom));
            neighbours.lefts[lane] = left;
            neighbours.tops[lane] = top;
            neighbours.across[lane] = x.beyond[lane] - left as f32;
            neighbours.down[lane] = y.beyond[lane] - top as f32;
        }
        Some(neighbours)
    }

    /// True where all neighbours are surely valid.
    #[inline(always)]
    fn are_valid<T: Sample>(&self, band: &Band<'_, T>) -> bool {
        *band.mask == Mask::All
            || (self.rows.len() <= MASK_ROWS_MAX as usize
                && band.is_valid_in(self.columns.clone(), self.rows.clone()))
    }

    #[inline(always)]
    fn mix<T: Interpolate>(&self, band: &Band<'_, T>, values: &mut [T; LANES]) {
        let width = band.width as i32;
        let from_base: [i32; LANES] =
            std::array::from_fn(|lane| self.tops[lane] * width + self.lefts[lane]);
        // SAFETY: there are columns x rows values, and `new` leaves a column and a row beyond each neighbour.
        let [above, below] = unsafe { pairs_at(band, |lane| self.base + from_base[lane] as usize) };
        for lane in 0..LANES {
            let ([a, b], [c, d]) = (T::split(above[lane]), T::split(below[lane]));
            values[lane] = T::mix_narrow([a, b, c, d], self.across[lane], self.down[lane]);
        }
    }
}

/// Kernels of `N` x `N` pixels around positions.
struct Kernels<const N: usize> {
    /// Their upper left pixels.
    lefts: [i32; LANES],
    tops: [i32; LANES],
    /// How far the centres of these are from the positions, in kernels of scale 1.
    across: [f32; LANES],
    down: [f32; LANES],
    /// From pixel to pixel, likewise.
    each: [f32; 2],
    /// Columns and rows of all of them.
    columns: Range<usize>,
    rows: Range<usize>,
}

/// Kernels along one direction.
struct Along {
    firsts: [i32; LANES],
    distances: [f32; LANES],
    pixels: Range<usize>,
}

/// Fills a row of target pixels with weighted means; false where the kernel is too large for loops of fixed length.
#[inline(always)]
pub(super) fn weighted_line<T: Interpolate, C: Curve>(
    rule: &Interpolation<C>,
    band: &Band<'_, T>,
    line: &Line,
    values: &mut [T],
    is_valid: &mut [bool],
) -> bool {
    match rule.taps_for(band) {
        TAPS_FEW => rule.fill_line::<T, TAPS_FEW>(band, line, values, is_valid),
        TAPS_MANY => rule.fill_line::<T, TAPS_MANY>(band, line, values, is_valid),
        _ => return false,
    }
    true
}

impl<C: Curve> Interpolation<C> {
    /// Fills a row of target pixels with means of `N` x `N` pixels, which hold a kernel.
    #[inline(always)]
    fn fill_line<T: Interpolate, const N: usize>(
        &self,
        band: &Band<'_, T>,
        line: &Line,
        values: &mut [T],
        is_valid: &mut [bool],
    ) {
        let mut weights = Default::default();
        let mut pixel = |index: usize, value: &mut T, flag: &mut bool| {
            let mean = self.weighted_pixel::<T, N>(band, line.at(index), &mut weights);
            *flag = mean.is_some();
            *value = mean.unwrap_or_default();
        };
        let mut done = 0;
        if band.is_indexed() {
            let across = Axis::new(line.first.x, line.step.x);
            let down = Axis::new(line.first.y, line.step.y);
            let groups = values.as_chunks_mut().0.iter_mut();
            for (values, flags) in groups.zip(is_valid.as_chunks_mut().0) {
                let places = [across.places(done), down.places(done)];
                let is_filled = Kernels::<N>::new(self, band, &places)
                    .filter(|kernels| kernels.are_valid(band))
                    .is_some_and(|kernels| kernels.weigh::<T, C>(band, values));
                if is_filled {
                    *flags = [true; LANES];
                } else {
                    for (lane, (value, flag)) in values.iter_mut().zip(flags).enumerate() {
                        pixel(done + lane, value, flag);
                    }
                }
                done += LANES;
            }
        }
        for index in done..values.len() {
            pixel(index, &mut values[index], &mut is_valid[index]);
        }
    }
}

impl Along {
    /// Places kernels of `pixels` pixels around positions, all within `len`; `None` where a position is not.
    #[inline(always)]
    fn new<C: Curve>(places: &Places, scale: f64, pixels: usize, len: usize) -> Option<Self> {
        let [low, high] = places.ends;
        // NaN fails the comparisons.
        if !(low >= 0.0 && high < len as f64) {
            return None;
        }
        let reach = C::RADIUS * scale + 0.5;
        let last = (len - pixels) as f64;
        let first_at = |at: f64| (at - reach).ceil().max(0.0).min(last) as i32 as usize;
        let (base, last) = (places.base as i32, last as i32);
        let (reach, each) = (reach as f32, (1.0 / scale) as f32);
        let mut along = Self {
            firsts: [0; LANES],
            distances: [0.0; LANES],
            pixels: first_at(low)..first_at(high) + pixels,
        };
        for lane in 0..LANES {
            let from = (places.beyond[lane] - reach).ceil();
            // SAFETY: a position within a band of no more than `i32::MAX` pixels, less a few.
            let first: i32 = unsafe { from.to_int_unchecked() };
            let first = (first + base).max(0).min(last);
            along.firsts[lane] = first;
            along.distances[lane] = ((first - base) as f32 + 0.5 - places.beyond[lane]) * each;
        }
        Some(along)
    }
}

impl<const N: usize> Kernels<N> {
    /// Places kernels that all lie within the band, which has at least `N` columns and rows; `None` where a position
    /// is not held.
    #[inline(always)]
    fn new<T: Sample, C: Curve>(
        rule: &Interpolation<C>,
        band: &Band<'_, T>,
        places: &[Places; 2],
    ) -> Option<Self> {
        let across = Along::new::<C>(&places[0], rule.scale.x, N, band.width)?;
        let down = Along::new::<C>(&places[1], rule.scale.y, N, band.height)?;
        Some(Self {
            lefts: across.firsts,
            tops: down.firsts,
            across: across.distances,
            down: down.distances,
            each: [rule.scale.x, rule.scale.y].map(|scale| (1.0 / scale) as f32),
            columns: across.pixels,
            rows: down.pixels,
        })
    }

    /// True where all pixels under the kernels are surely valid.
    #[inline(always)]
    fn are_valid<T: Sample>(&self, band: &Band<'_, T>) -> bool {
        *band.mask == Mask::All
            || (self.rows.len() <= MASK_KERNELS_MAX * N
                && band.is_valid_in(self.columns.clone(), self.rows.clone()))
    }

    /// Fills values; false, with values of no meaning, where one has no mean.
    #[inline(always)]
    fn weigh<T: Interpolate, C: Curve>(&self, band: &Band<'_, T>, values: &mut [T; LANES]) -> bool {
        const { assert!(N.is_multiple_of(2), "pixels are taken in pairs") };
        let (mut across, mut down) = ([[0.0_f32; LANES]; N], [[0.0_f32; LANES]; N]);
        let (mut weights_x, mut weights_y) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        for tap in 0..N {
            let [step_x, step_y] = self.each.map(|each| tap as f32 * each);
            for lane in 0..LANES {
                across[tap][lane] = C::weight(self.across[lane] + step_x);
                down[tap][lane] = C::weight(self.down[lane] + step_y);
                weights_x[lane] += across[tap][lane];
                weights_y[lane] += down[tap][lane];
            }
        }
        let width = band.width as i32;
        let firsts: [i32; LANES] =
            std::array::from_fn(|lane| self.tops[lane] * width + self.lefts[lane]);
        let mut sums = [0.0_f32; LANES];
        for (line, down) in down.iter().enumerate() {
            let mut of_line = [0.0_f32; LANES];
            for (pair, across) in across.as_chunks::<2>().0.iter().enumerate() {
                let mut pairs = [T::Pair::default(); LANES];
                for lane in 0..LANES {
                    let from = firsts[lane] as usize + line * band.width + 2 * pair;
                    // SAFETY: there are columns x rows values, and `new` leaves N columns and N rows from
                    // each first pixel on.
                    let two = unsafe { band.values.get_unchecked(from..from + 2) };
                    pairs[lane] = T::pair(two);
                }
                for lane in 0..LANES {
                    let [left, right] = T::split(pairs[lane]).map(T::single);
                    of_line[lane] += left * across[0][lane] + right * across[1][lane];
                }
            }
            for lane in 0..LANES {
                sums[lane] += of_line[lane] * down[lane];
            }
        }
        let mut is_sound = true;
        for lane in 0..LANES {
            let weight = weights_x[lane] * weights_y[lane];
            is_sound &= weight > WEIGHT_MIN as f32;
            values[lane] = T::from_single(sums[lane] / weight);
        }
        is_sound
    }
}
