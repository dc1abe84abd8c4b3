//! Overviews, computed while the rows pass by.
//!
//! Each level has half the size of the one before, rounded down as GDAL does. Where a side is odd,
//! an overview pixel covers a little more than two pixels: the average then weights three pixels
//! by the part of each that is covered, the mode counts all three. The results are those of GDAL
//! 3.10 (floats within rounding).

use std::ops::Range;

use rayon::prelude::*;
use swath_raster::{Sample, for_pixels};

use super::spec::OverviewRule;
use super::strip::Strip;

/// Width and height of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LevelSize {
    pub width: usize,
    pub height: usize,
}

impl LevelSize {
    fn halved(self) -> Self {
        Self {
            width: (self.width / 2).max(1),
            height: (self.height / 2).max(1),
        }
    }
}

/// Returns the sizes of the overviews, largest first: down to one that fits into a block.
pub(super) fn overview_sizes(full: LevelSize, block_px: usize) -> Vec<LevelSize> {
    let mut sizes = Vec::new();
    let mut size = full;
    while size.width > block_px || size.height > block_px {
        size = size.halved();
        sizes.push(size);
    }
    sizes
}

/// Makes the rows of one level from those of the level before.
pub(super) struct Reducer {
    rule: OverviewRule,
    source: LevelSize,
    target: LevelSize,
    nodata: Option<f64>,
    next_row: usize,
    /// Last rows of the strip before that the next target row needs.
    tail: Strip,
}

impl Reducer {
    /// Returns a reducer from `source` to `target`; `tail` is an empty strip of the source.
    pub(super) fn new(
        rule: OverviewRule,
        source: LevelSize,
        target: LevelSize,
        nodata: Option<f64>,
        tail: Strip,
    ) -> Self {
        Self {
            rule,
            source,
            target,
            nodata,
            next_row: 0,
            tail,
        }
    }

    /// Returns the target rows that the source rows up to the end of `strip` are enough for.
    fn rows_ready(&self, strip: &Strip) -> usize {
        let row_end = strip.row_end();
        if row_end >= self.source.height {
            return self.target.height;
        }
        let ready = match self.source.height.is_multiple_of(2) {
            true => row_end / 2,
            false => row_end.saturating_sub(1) / 2,
        };
        ready.min(self.target.height)
    }

    /// Appends target rows to `out`, at most up to `capacity_rows` in all; false where no row was
    /// ready or there was no room. Call it until it returns false before the next strip comes.
    pub(super) fn reduce(&mut self, strip: &Strip, out: &mut Strip, capacity_rows: usize) -> bool {
        let ready = self.rows_ready(strip);
        let count = (ready - self.next_row).min(capacity_rows - out.rows);
        if count == 0 {
            if self.next_row == ready {
                self.keep_tail(strip);
            }
            return false;
        }
        let rows = self.next_row..self.next_row + count;
        let first_value = out.rows * out.width;
        out.grow(count);
        let view = SourceRows {
            tail: &self.tail,
            strip,
        };
        for (band_index, band) in out.bands.iter_mut().enumerate() {
            for_pixels!(band, values => {
                self.reduce_band(&view, band_index, rows.clone(), &mut values[first_value..]);
            });
        }
        if let Some(mask) = &mut out.mask {
            self.reduce_mask(&view, rows.clone(), &mut mask[first_value..]);
        }
        self.next_row = rows.end;
        true
    }

    fn keep_tail(&mut self, strip: &Strip) {
        let first_needed = (2 * self.next_row).clamp(strip.first_row, strip.row_end());
        self.tail.restart(first_needed);
        self.tail.append_from(strip, first_needed);
    }

    fn reduce_band<T: Reducible>(
        &self,
        view: &SourceRows,
        band_index: usize,
        rows: Range<usize>,
        out: &mut [T],
    ) {
        let nodata = self.nodata.and_then(T::from_f64);
        let absent = nodata.unwrap_or(T::ABSENT);
        let absent = if view.strip.mask.is_some() && nodata.is_none() {
            T::default()
        } else {
            absent
        };
        let kernel = Kernel {
            source_width: self.source.width,
            nodata,
            absent,
        };
        out.par_chunks_mut(self.target.width)
            .zip(rows)
            .for_each(|(out_row, row)| {
                if self.rule == OverviewRule::Nearest {
                    let source_row = nearest(row, self.source.height, self.target.height);
                    let values = view.row::<T>(band_index, source_row);
                    for (col, value) in out_row.iter_mut().enumerate() {
                        *value = values[nearest(col, self.source.width, self.target.width)];
                    }
                    return;
                }
                let lines: Vec<Line<T>> = Taps::covered(row, self.source.height)
                    .iter()
                    .map(|(row, weight)| view.line(band_index, row, weight))
                    .collect();
                match self.rule {
                    OverviewRule::Mode => kernel.mode(&lines, out_row),
                    _ => kernel.average(&lines, out_row),
                }
            });
    }

    /// A pixel of the mask is valid where any pixel under it is, or the nearest for `Nearest`.
    fn reduce_mask(&self, view: &SourceRows, rows: Range<usize>, out: &mut [u8]) {
        out.par_chunks_mut(self.target.width)
            .zip(rows)
            .for_each(|(out_row, row)| {
                if self.rule == OverviewRule::Nearest {
                    let source_row = nearest(row, self.source.height, self.target.height);
                    let Some(mask) = view.mask_row(source_row) else {
                        return;
                    };
                    for (col, value) in out_row.iter_mut().enumerate() {
                        *value = mask[nearest(col, self.source.width, self.target.width)];
                    }
                    return;
                }
                let lines: Vec<&[u8]> = Taps::covered(row, self.source.height)
                    .iter()
                    .filter_map(|(row, _)| view.mask_row(row))
                    .collect();
                for (col, value) in out_row.iter_mut().enumerate() {
                    let taps = Taps::covered(col, self.source.width);
                    let is_valid = lines
                        .iter()
                        .any(|line| taps.iter().any(|(col, _)| line[col] != 0));
                    *value = if is_valid { 255 } else { 0 };
                }
            });
    }
}

/// Returns the source pixel that GDAL takes for target pixel `target` along one side.
fn nearest(target: usize, source_len: usize, target_len: usize) -> usize {
    let ratio = source_len as f64 / target_len as f64;
    ((0.5 + target as f64 * ratio) as usize).min(source_len - 1)
}

/// The source pixels of one target pixel along one side, with the covered part of each.
#[derive(Debug, Clone, Copy)]
struct Taps {
    first: usize,
    count: usize,
    weights: [f64; 3],
}

impl Taps {
    /// Returns the pixels that target pixel `target` covers when `source_len` is halved.
    fn covered(target: usize, source_len: usize) -> Self {
        let first = 2 * target;
        let count = (source_len - first).min(if source_len.is_multiple_of(2) { 2 } else { 3 });
        let target_len = (source_len / 2).max(1) as f64;
        let weights = if count == 3 {
            [
                1.0 - target as f64 / target_len,
                1.0,
                (target + 1) as f64 / target_len,
            ]
        } else {
            [1.0; 3]
        };
        Self {
            first,
            count,
            weights,
        }
    }

    fn iter(self) -> impl Iterator<Item = (usize, f64)> {
        (0..self.count).map(move |i| (self.first + i, self.weights[i]))
    }
}

/// The rows at hand: those kept from the strip before, and the strip.
struct SourceRows<'a> {
    tail: &'a Strip,
    strip: &'a Strip,
}

impl SourceRows<'_> {
    fn strip_of(&self, row: usize) -> (&Strip, Range<usize>) {
        let strip = if row < self.strip.first_row {
            self.tail
        } else {
            self.strip
        };
        let start = (row - strip.first_row) * strip.width;
        (strip, start..start + strip.width)
    }

    fn row<T: Sample>(&self, band_index: usize, row: usize) -> &[T] {
        let (strip, range) = self.strip_of(row);
        T::slice(&strip.bands[band_index]).map_or(&[], |values| &values[range])
    }

    fn mask_row(&self, row: usize) -> Option<&[u8]> {
        let (strip, range) = self.strip_of(row);
        strip.mask.as_ref().map(|mask| &mask[range])
    }

    fn line<T: Sample>(&self, band_index: usize, row: usize, weight: f64) -> Line<'_, T> {
        Line {
            values: self.row(band_index, row),
            mask: self.mask_row(row),
            weight,
        }
    }
}

/// One source row of a target row.
#[derive(Clone, Copy)]
struct Line<'a, T> {
    values: &'a [T],
    mask: Option<&'a [u8]>,
    weight: f64,
}

/// What a target pixel is computed with.
struct Kernel<T> {
    source_width: usize,
    nodata: Option<T>,
    absent: T,
}

impl<T: Reducible> Kernel<T> {
    fn is_valid(&self, value: T) -> bool {
        !value.is_nan() && Some(value) != self.nodata
    }

    fn average(&self, lines: &[Line<T>], out: &mut [T]) {
        match lines {
            [upper, lower] if self.source_width.is_multiple_of(2) && upper.mask.is_none() => {
                self.average_of_four(upper.values, lower.values, out);
            }
            _ => self.average_weighted(lines, out),
        }
    }

    /// Mean of two by two pixels without a mask, exact for integers.
    fn average_of_four(&self, upper: &[T], lower: &[T], out: &mut [T]) {
        match self.nodata {
            Some(nodata) => self.quads(upper, lower, out, |value| {
                (value != nodata) & !value.is_nan()
            }),
            None => self.quads(upper, lower, out, |value| !value.is_nan()),
        }
    }

    fn quads(&self, upper: &[T], lower: &[T], out: &mut [T], is_valid: impl Fn(T) -> bool) {
        let quads = upper.chunks_exact(2).zip(lower.chunks_exact(2));
        for (out, (upper, lower)) in out.iter_mut().zip(quads) {
            let values = [upper[0], upper[1], lower[0], lower[1]];
            let [a, b, c, d] = values.map(&is_valid);
            // Without short circuits the common case is one branch.
            *out = if a & b & c & d {
                self.beside_nodata(T::mean_of_four(values))
            } else {
                self.mean_of_valid(values)
            };
        }
    }

    fn mean_of_valid(&self, values: [T; 4]) -> T {
        let count = values.iter().filter(|value| self.is_valid(**value)).count();
        if count == 0 {
            return self.absent;
        }
        let valid = values.into_iter().filter(|value| self.is_valid(*value));
        self.beside_nodata(T::mean(valid, count))
    }

    fn average_weighted(&self, lines: &[Line<T>], out: &mut [T]) {
        for (col, out) in out.iter_mut().enumerate() {
            let taps = Taps::covered(col, self.source_width);
            let (mut sum, mut weights) = (0.0, 0.0);
            for line in lines {
                for (col, weight) in taps.iter() {
                    let is_masked_out = line.mask.is_some_and(|mask| mask[col] == 0);
                    let weight = weight * line.weight;
                    if !is_masked_out && weight > 0.0 && self.is_valid(line.values[col]) {
                        sum += weight * line.values[col].to_f64();
                        weights += weight;
                    }
                }
            }
            *out = match weights > 0.0 {
                true => self.beside_nodata(T::rounded(sum / weights)),
                false => self.absent,
            };
        }
    }

    /// Moves a mean that happens to be the nodata value by the smallest step.
    fn beside_nodata(&self, mean: T) -> T {
        if Some(mean) == self.nodata {
            mean.neighbour()
        } else {
            mean
        }
    }

    fn mode(&self, lines: &[Line<T>], out: &mut [T]) {
        for (col, out) in out.iter_mut().enumerate() {
            let taps = Taps::covered(col, self.source_width);
            let mut seen = [(self.absent, 0_u8); 9];
            let mut distinct = 0;
            let mut winner = (self.absent, 0);
            for line in lines {
                for (col, _) in taps.iter() {
                    let value = line.values[col];
                    let is_masked_out = line.mask.is_some_and(|mask| mask[col] == 0);
                    if is_masked_out || !self.is_valid(value) {
                        continue;
                    }
                    let found = seen[..distinct]
                        .iter()
                        .position(|(other, _)| *other == value);
                    let index = found.unwrap_or(distinct);
                    distinct = distinct.max(index + 1);
                    seen[index] = (value, seen[index].1 + 1);
                    if seen[index].1 > winner.1 {
                        winner = seen[index];
                    }
                }
            }
            *out = winner.0;
        }
    }
}

/// A sample whose values can be averaged.
trait Reducible: Sample {
    /// Value of a pixel with nothing under it where there is no nodata value.
    const ABSENT: Self;

    /// Returns the mean of four valid values.
    fn mean_of_four(values: [Self; 4]) -> Self;

    /// Returns the mean of `count` values, at least one.
    fn mean(values: impl Iterator<Item = Self>, count: usize) -> Self;

    /// Returns the value nearest to `mean`, half away from zero.
    fn rounded(mean: f64) -> Self;

    /// Returns a value next to this one.
    fn neighbour(self) -> Self;
}

macro_rules! reducible_integer {
    ($($type:ty, $wide:ty);*) => {$(
        impl Reducible for $type {
            const ABSENT: Self = 0;
            fn mean_of_four(values: [Self; 4]) -> Self {
                let sum: $wide = values.iter().map(|value| *value as $wide).sum();
                // The shift rounds down: half away from zero needs one less below zero.
                #[allow(unused_comparisons, reason = "one rule for signed and unsigned")]
                let below = (sum < 0) as $wide;
                ((sum + 2 - below) >> 2) as Self
            }
            fn mean(values: impl Iterator<Item = Self>, count: usize) -> Self {
                let sum: $wide = values.map(|value| value as $wide).sum();
                let count = count as $wide;
                #[allow(unused_comparisons, reason = "one rule for signed and unsigned")]
                let half = if sum < 0 { (count / 2).wrapping_neg() } else { count / 2 };
                (sum.wrapping_add(half) / count) as Self
            }
            fn rounded(mean: f64) -> Self {
                mean.round() as Self
            }
            fn neighbour(self) -> Self {
                if self == Self::MAX { self - 1 } else { self + 1 }
            }
        }
    )*};
}

reducible_integer!(u8, u32; i8, i32; u16, u32; i16, i32; u32, u64; i32, i64; u64, u128; i64, i128);

macro_rules! reducible_float {
    ($($type:ty),*) => {$(
        impl Reducible for $type {
            const ABSENT: Self = Self::NAN;
            fn mean_of_four(values: [Self; 4]) -> Self {
                let [a, b, c, d] = values.map(f64::from);
                ((a + b + c + d) * 0.25) as Self
            }
            fn mean(values: impl Iterator<Item = Self>, count: usize) -> Self {
                let sum: f64 = values.map(f64::from).sum();
                (sum / count as f64) as Self
            }
            fn rounded(mean: f64) -> Self {
                mean as Self
            }
            fn neighbour(self) -> Self {
                if self < Self::MAX { self.next_up() } else { self.next_down() }
            }
        }
    )*};
}

reducible_float!(f32, f64);

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops where it fails")]
mod tests;
