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

/// A sample type that values of interpolation can be put into.
pub(crate) trait Interpolate: Sample {
    /// Returns `value` in this type: integers rounded half up and cut at the ends.
    fn rounded(value: f64) -> Self;

    /// Returns the bilinear mix of four values (upper left, upper right, lower left, lower right).
    fn mix(corners: [Self; 4], share_x: f64, share_y: f64) -> Self;
}

macro_rules! interpolate_integer {
    ($mixed:ty: $($type:ty),*) => {
        $(impl Interpolate for $type {
            #[inline]
            fn rounded(value: f64) -> Self {
                // `as` cuts at the ends of the type.
                (value + 0.5).floor() as $type
            }

            #[inline]
            fn mix(corners: [Self; 4], share_x: f64, share_y: f64) -> Self {
                let [a, b, c, d] = corners.map(|value| value as $mixed);
                let (x, y) = (share_x as $mixed, share_y as $mixed);
                let (upper, lower) = (a + (b - a) * x, c + (d - c) * x);
                (upper + (lower - upper) * y + 0.5).floor() as $type
            }
        })*
    };
}

macro_rules! interpolate_float {
    ($($type:ty),*) => {
        $(impl Interpolate for $type {
            #[inline]
            fn rounded(value: f64) -> Self {
                value as $type
            }

            #[inline]
            fn mix(corners: [Self; 4], share_x: f64, share_y: f64) -> Self {
                let [a, b, c, d] = corners.map(f64::from);
                let (upper, lower) = (a + (b - a) * share_x, c + (d - c) * share_x);
                (upper + (lower - upper) * share_y) as $type
            }
        })*
    };
}

// Single precision holds 16 bits and 8 of the fraction.
interpolate_integer!(f32: u8, i8, u16, i16);
interpolate_integer!(f64: u32, i32, u64, i64);
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
    pub fn fill<T: Interpolate>(&self, band: &Band<'_, T>, row: Row<'_, T>) {
        let is_plain = self.scale.x == 1.0 && self.scale.y == 1.0;
        match self.curve {
            Curve::Linear if is_plain => bilinear_row(band, row),
            _ => self.general_row(band, row),
        }
    }

    fn general_row<T: Interpolate>(&self, band: &Band<'_, T>, row: Row<'_, T>) {
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
            across.fill(self.curve, self.scale.x, x, band.width);
            down.fill(self.curve, self.scale.y, y, band.height);
            if let Some(value) = weighted(band, &across, &down) {
                row.values[index] = T::rounded(value);
                row.is_valid[index] = true;
            } else {
                // Weights of a spline may cancel out beside what is masked.
                row.values[index] = band.values[under];
                row.is_valid[index] = true;
            }
        }
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
fn bilinear_row<T: Interpolate>(band: &Band<'_, T>, mut row: Row<'_, T>) {
    if is_inside(band, &row) {
        bilinear_inside(band, &mut row);
        return;
    }
    for index in 0..row.values.len() {
        let (x, y) = (row.columns[index], row.rows[index]);
        let value = band
            .index_at(x, y)
            .filter(|under| band.mask.is_valid(*under))
            .and_then(|_| bilinear_beside(band, x, y));
        if let Some(value) = value {
            row.values[index] = T::rounded(value);
            row.is_valid[index] = true;
        }
    }
}

/// True where all four neighbours of all positions are there and valid.
fn is_inside<T: Sample>(band: &Band<'_, T>, row: &Row<'_, T>) -> bool {
    let holds = |values: &[f64], len: usize| {
        let end = len as f64 - 0.5;
        // NaN fails the comparisons.
        values
            .iter()
            .fold(true, |all, value| all & (*value >= 0.5) & (*value < end))
    };
    matches!(band.mask, Mask::All) && holds(row.columns, band.width) && holds(row.rows, band.height)
}

fn bilinear_inside<T: Interpolate>(band: &Band<'_, T>, row: &mut Row<'_, T>) {
    let positions = row.columns.iter().zip(row.rows);
    for ((x, y), value) in positions.zip(row.values.iter_mut()) {
        let (x, y) = (x - 0.5, y - 0.5);
        let (col, line) = (x as i32, y as i32);
        let upper = line as usize * band.width + col as usize;
        let lower = upper + band.width;
        let (above, below) = (
            &band.values[upper..upper + 2],
            &band.values[lower..lower + 2],
        );
        let corners = [above[0], above[1], below[0], below[1]];
        *value = T::mix(corners, x - f64::from(col), y - f64::from(line));
    }
    row.is_valid.fill(true);
}

/// The same where neighbours may be missing or not valid.
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
