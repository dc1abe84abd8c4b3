//! Average, mode, smallest and largest of the source pixels that a target pixel covers.
//!
//! What it covers is the rectangle along the source grid around its centre that has its size: exact where the
//! grids are parallel, of the same area where they are turned against each other.

use std::cmp::Ordering;

use swath_grid::Point;

use super::kernel::{Band, Row};
use super::resampling::Resampling;
use super::samples::Interpolate;
use crate::Sample;

/// Shares of a pixel below this are rounding.
const SHARE_MIN: f64 = 1e-9;

/// A rule over covered pixels, made ready for one scale.
pub(super) struct Area {
    rule: Resampling,
    /// Half of the width and of the height of a target pixel, in source pixels.
    half: Point,
}

/// Pixels along one direction: the first, and the covered share of each.
#[derive(Default)]
struct Covered {
    first: usize,
    shares: Vec<f64>,
}

impl Covered {
    fn fill(&mut self, from: f64, to: f64, len: usize) {
        let (from, to) = (from.max(0.0), to.min(len as f64));
        self.first = from as usize;
        self.shares.clear();
        let mut pixel = self.first;
        while (pixel as f64) < to {
            let share = (to.min(pixel as f64 + 1.0) - from.max(pixel as f64)).max(0.0);
            self.shares.push(share);
            pixel += 1;
        }
    }
}

impl Area {
    pub fn new(rule: Resampling, scale: Point) -> Self {
        let half = Point {
            x: scale.x / 2.0,
            y: scale.y / 2.0,
        };
        Self { rule, half }
    }

    /// Fills a row of target pixels.
    pub fn fill<T: Interpolate>(&self, band: &Band<'_, T>, row: Row<'_, T>) {
        let (mut across, mut down) = (Covered::default(), Covered::default());
        let mut covered: Vec<(T, f64)> = Vec::new();
        for index in 0..row.values.len() {
            let (x, y) = (row.columns[index], row.rows[index]);
            if !(x.is_finite() && y.is_finite()) {
                continue;
            }
            across.fill(x - self.half.x, x + self.half.x, band.width);
            down.fill(y - self.half.y, y + self.half.y, band.height);
            covered.clear();
            collect(band, &across, &down, &mut covered);
            if let Some(value) = self.value(&covered) {
                row.values[index] = value;
                row.is_valid[index] = true;
            }
        }
    }

    fn value<T: Interpolate>(&self, covered: &[(T, f64)]) -> Option<T> {
        let first = covered.first()?.0;
        let values = covered.iter().map(|(value, _)| *value);
        Some(match self.rule {
            Resampling::Min => values.fold(first, |low, next| if next < low { next } else { low }),
            Resampling::Max => values.fold(first, |top, next| if next > top { next } else { top }),
            Resampling::Mode => mode(covered),
            _ => {
                let shares: f64 = covered.iter().map(|(_, share)| share).sum();
                let weighted = covered.iter().map(|(value, share)| value.to_f64() * share);
                T::rounded(weighted.sum::<f64>() / shares)
            }
        })
    }
}

/// Appends the valid pixels that are covered, with their shares, in row order.
fn collect<T: Sample>(
    band: &Band<'_, T>,
    across: &Covered,
    down: &Covered,
    covered: &mut Vec<(T, f64)>,
) {
    for (line, share_y) in down.shares.iter().enumerate() {
        let start = (down.first + line) * band.width + across.first;
        for (col, share_x) in across.shares.iter().enumerate() {
            let share = share_x * share_y;
            if share > SHARE_MIN && band.mask.is_valid(start + col) {
                covered.push((band.values[start + col], share));
            }
        }
    }
}

/// Returns the value with the largest sum of shares, the first in row order among equals.
fn mode<T: Sample>(covered: &[(T, f64)]) -> T {
    let mut order: Vec<usize> = (0..covered.len()).collect();
    let by_value = |one: &usize, two: &usize| {
        let values = covered[*one].0.partial_cmp(&covered[*two].0);
        values.unwrap_or(Ordering::Equal)
    };
    // Stable: the first of a run of equal values is the first of them in row order.
    order.sort_by(by_value);
    let mut best = (0.0, usize::MAX);
    for run in order.chunk_by(|one, two| by_value(one, two).is_eq()) {
        let share: f64 = run.iter().map(|index| covered[*index].1).sum();
        let is_more = share > best.0 + SHARE_MIN;
        let is_as_much = (share - best.0).abs() <= SHARE_MIN;
        if is_more || (is_as_much && run[0] < best.1) {
            best = (share, run[0]);
        }
    }
    covered[best.1].0
}
