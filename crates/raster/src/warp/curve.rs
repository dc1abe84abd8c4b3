//! Curves of interpolation.
//!
//! Cubic: R. G. Keys, *Cubic Convolution Interpolation for Digital Image Processing*, IEEE
//! Transactions on Acoustics, Speech and Signal Processing 29 (1981), with a = -1/2.

/// Weight of a pixel by its distance from a position.
pub(super) trait Curve {
    /// Source pixels on either side that have a weight.
    const RADIUS: f64;

    /// Weight of a pixel whose centre is `distance` source pixels away.
    fn weight(distance: f64) -> f64;
}

/// Falls evenly to 0 at the next pixel.
pub(super) struct Linear;

/// A spline through the values of four pixels.
pub(super) struct Cubic;

impl Curve for Linear {
    const RADIUS: f64 = 1.0;

    #[inline(always)]
    fn weight(distance: f64) -> f64 {
        (1.0 - distance.abs()).max(0.0)
    }
}

impl Curve for Cubic {
    const RADIUS: f64 = 2.0;

    #[inline(always)]
    fn weight(distance: f64) -> f64 {
        let x = distance.abs();
        let near = (1.5 * x - 2.5) * x * x + 1.0;
        let far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0;
        // Choices instead of branches: weights are computed side by side.
        let beyond = if x < 2.0 { far } else { 0.0 };
        if x <= 1.0 { near } else { beyond }
    }
}
