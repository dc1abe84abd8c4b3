//! Curves of interpolation.
//!
//! Cubic: R. G. Keys, *Cubic Convolution Interpolation for Digital Image Processing*, IEEE
//! Transactions on Acoustics, Speech and Signal Processing 29 (1981), with a = -1/2.

use std::ops::{Add, Mul, Sub};

/// A floating-point number.
pub(super) trait Real:
    Copy + PartialOrd + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
    /// Returns a constant, exact where this type holds it.
    fn of(value: f64) -> Self;

    fn abs(self) -> Self;
}

impl Real for f32 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.abs()
    }
}

impl Real for f64 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.abs()
    }
}

/// Weight of a pixel by its distance from a position.
pub(super) trait Curve {
    /// Source pixels on either side that have a weight.
    const RADIUS: f64;

    /// Weight of a pixel whose centre is `distance` source pixels away.
    fn weight<R: Real>(distance: R) -> R;
}

/// Falls evenly to 0 at the next pixel.
pub(super) struct Linear;

/// A spline through the values of four pixels.
pub(super) struct Cubic;

impl Curve for Linear {
    const RADIUS: f64 = 1.0;

    #[inline(always)]
    fn weight<R: Real>(distance: R) -> R {
        let height = R::of(1.0) - distance.abs();
        if height > R::of(0.0) {
            height
        } else {
            R::of(0.0)
        }
    }
}

impl Curve for Cubic {
    const RADIUS: f64 = 2.0;

    #[inline(always)]
    fn weight<R: Real>(distance: R) -> R {
        let x = distance.abs();
        let near = (R::of(1.5) * x - R::of(2.5)) * x * x + R::of(1.0);
        let far = ((R::of(2.5) - R::of(0.5) * x) * x - R::of(4.0)) * x + R::of(2.0);
        // Choices instead of branches: weights are computed side by side.
        let beyond = if x < R::of(2.0) { far } else { R::of(0.0) };
        if x <= R::of(1.0) { near } else { beyond }
    }
}
