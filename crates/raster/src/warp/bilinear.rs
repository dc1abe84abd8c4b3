//! Bilinear interpolation between the four nearest pixels, where target pixels are not larger than those of the source.

use super::interpolate::WEIGHT_MIN;
use super::kernel::{Band, LANES, Row, RowLanes, whole_px};
use super::samples::Interpolate;
use crate::{Mask, Sample};

/// Most rows of the source that are looked at for what is not valid, for neighbouring target pixels together.
pub(super) const MASK_ROWS_MAX: i32 = 8;

/// Neighbours of [`LANES`] positions: the upper left one, and the shares of those to the right and below.
struct Neighbours {
    lefts: [i32; LANES],
    tops: [i32; LANES],
    across: [f64; LANES],
    down: [f64; LANES],
}

/// Fills a row of target pixels.
#[inline(always)]
pub(super) fn bilinear_row<T: Interpolate>(band: &Band<'_, T>, mut row: Row<'_, T>) {
    let mut done = 0;
    if band.width >= 2 && band.height >= 2 {
        let is_held = band.holds(row.extent, 0.5);
        for lanes in row.lanes() {
            done += LANES;
            // All four neighbours of all positions are there; at the edge of the source, of some of a row.
            if is_held || band.holds(lanes.extent(), 0.5) {
                let neighbours = Neighbours::new(band, &lanes);
                if neighbours.are_valid(band) {
                    neighbours.mix(band, lanes.values);
                    lanes.is_valid.fill(true);
                    continue;
                }
            }
            for lane in 0..LANES {
                let (x, y) = (lanes.columns[lane], lanes.rows[lane]);
                let (value, flag) = (&mut lanes.values[lane], &mut lanes.is_valid[lane]);
                bilinear_pixel(band, x, y, value, flag);
            }
        }
    }
    for index in done..row.values.len() {
        let (x, y) = (row.columns[index], row.rows[index]);
        let (value, flag) = (&mut row.values[index], &mut row.is_valid[index]);
        bilinear_pixel(band, x, y, value, flag);
    }
}

impl Neighbours {
    #[inline(always)]
    fn new<T: Sample>(band: &Band<'_, T>, at: &RowLanes<'_, T>) -> Self {
        let (last_col, last_row) = ((band.width - 2) as f64, (band.height - 2) as f64);
        let mut neighbours = Self {
            lefts: [0; LANES],
            tops: [0; LANES],
            across: [0.0; LANES],
            down: [0.0; LANES],
        };
        for lane in 0..LANES {
            let (x, y) = (at.columns[lane] - 0.5, at.rows[lane] - 0.5);
            let (left, top) = (whole_px(x, last_col), whole_px(y, last_row));
            neighbours.lefts[lane] = left;
            neighbours.tops[lane] = top;
            neighbours.across[lane] = x - f64::from(left);
            neighbours.down[lane] = y - f64::from(top);
        }
        neighbours
    }

    /// True where all neighbours are surely valid.
    #[inline(always)]
    fn are_valid<T: Sample>(&self, band: &Band<'_, T>) -> bool {
        if *band.mask == Mask::All {
            return true;
        }
        let ends = |values: &[i32; LANES]| {
            let start = (i32::MAX, i32::MIN);
            let extend = |(low, high): (i32, i32), value: &i32| (low.min(*value), high.max(*value));
            values.iter().fold(start, extend)
        };
        let ((left, right), (top, bottom)) = (ends(&self.lefts), ends(&self.tops));
        if bottom - top < MASK_ROWS_MAX {
            // None is negative, and one more is within the band.
            let until = |end: i32| end as usize + 2;
            return band.is_valid_in(left as usize..until(right), top as usize..until(bottom));
        }
        (0..LANES).all(|lane| {
            let (left, top) = (self.lefts[lane] as usize, self.tops[lane] as usize);
            band.is_valid_in(left..left + 2, top..top + 2)
        })
    }

    #[inline(always)]
    fn mix<T: Interpolate>(&self, band: &Band<'_, T>, values: &mut [T; LANES]) {
        let width = band.width as i32;
        let upper = |lane: usize| (self.tops[lane] * width + self.lefts[lane]) as usize;
        // SAFETY: there are columns x rows values, and `new` leaves a column and a row beyond each neighbour.
        let [above, below] = unsafe { pairs_at(band, upper) };
        for lane in 0..LANES {
            let ([a, b], [c, d]) = (T::split(above[lane]), T::split(below[lane]));
            values[lane] = T::mix([a, b, c, d], self.across[lane], self.down[lane]);
        }
    }
}

/// Loads the upper and the lower neighbours of [`LANES`] pixels, of which `upper` tells the index of the upper left one.
///
/// # Safety
/// That pixel, the next one, and those below both are part of the band.
#[inline(always)]
pub(super) unsafe fn pairs_at<T: Interpolate>(
    band: &Band<'_, T>,
    upper: impl Fn(usize) -> usize,
) -> [[T::Pair; LANES]; 2] {
    let [mut above, mut below] = [[T::Pair::default(); LANES]; 2];
    for lane in 0..LANES {
        let upper = upper(lane);
        let lower = upper + band.width;
        // SAFETY: the caller says so.
        unsafe {
            above[lane] = T::pair(band.values.get_unchecked(upper..upper + 2));
            below[lane] = T::pair(band.values.get_unchecked(lower..lower + 2));
        }
    }
    [above, below]
}

/// One pixel, where neighbours may be missing or not valid.
#[inline(always)]
pub(super) fn bilinear_pixel<T: Interpolate>(
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
