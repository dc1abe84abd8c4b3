//! Neighbouring target pixels on a straight line over the source, in single precision beside a whole pixel.

use swath_grid::Point;

use super::kernel::LANES;

/// Positions on a line with equal steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// Where the first pixel lies.
    pub first: Point,
    /// From one to the next.
    pub step: Point,
}

impl Line {
    /// Returns the position of a pixel.
    #[inline(always)]
    pub fn at(&self, index: usize) -> Point {
        Point {
            x: self.first.x + index as f64 * self.step.x,
            y: self.first.y + index as f64 * self.step.y,
        }
    }
}

/// One coordinate of a [`Line`], [`LANES`] pixels at a time.
pub(super) struct Axis {
    first: f64,
    step: f64,
    /// From the first lane to the lowest.
    low: f64,
    /// From the lowest to the highest.
    span: f64,
    /// From the lowest to each.
    offsets: [f32; LANES],
}

/// Lanes on an [`Axis`].
pub(super) struct Places {
    /// Whole pixels before the lowest.
    pub base: f64,
    /// From there to each lane: at least 0, and exact to a 2^-19th of a pixel where pixels are about as large as those
    /// of the source.
    pub beyond: [f32; LANES],
    /// The lowest position and the highest.
    pub ends: [f64; 2],
}

impl Axis {
    pub fn new(first: f64, step: f64) -> Self {
        let last = (LANES - 1) as f64 * step;
        let low = last.min(0.0);
        Self {
            first,
            step,
            low,
            span: last.abs(),
            offsets: std::array::from_fn(|lane| (lane as f64 * step - low) as f32),
        }
    }

    /// Places the lanes from pixel `index` on.
    #[inline(always)]
    pub fn places(&self, index: usize) -> Places {
        let low = self.first + index as f64 * self.step + self.low;
        let base = low.floor();
        let share = (low - base) as f32;
        Places {
            base,
            beyond: self.offsets.map(|offset| share + offset),
            ends: [low, low + self.span],
        }
    }
}
