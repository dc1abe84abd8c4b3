//! How a target pixel gets its value.

use std::fmt;
use std::str::FromStr;

/// Rule by which a target pixel gets its value from valid source pixels.
///
/// Where target pixels are more than 5 % larger than those of the source, `Bilinear` and `Cubic` widen their
/// kernels by that factor, so that every source pixel counts. Values that are not valid are left
/// out and the weights of the others made to sum to 1; the pixel under the centre must be valid.
/// Integers are rounded half up and cut at the ends of their type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Resampling {
    /// The pixel that holds the centre of the target pixel: for classes and for exact values.
    #[default]
    Nearest,
    /// Weights fall linearly over one pixel.
    Bilinear,
    /// Catmull-Rom splines (a = -0.5) over two pixels; may overshoot.
    Cubic,
    /// Mean of what the target pixel covers, weighted by area.
    Average,
    /// The value that covers the largest part of the target pixel; the first in row order among equals.
    Mode,
    /// The smallest value that the target pixel covers.
    Min,
    /// The largest value that the target pixel covers.
    Max,
}

impl Resampling {
    /// All rules.
    pub const ALL: [Self; 7] = [
        Self::Nearest,
        Self::Bilinear,
        Self::Cubic,
        Self::Average,
        Self::Mode,
        Self::Min,
        Self::Max,
    ];

    /// Returns the name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Bilinear => "bilinear",
            Self::Cubic => "cubic",
            Self::Average => "average",
            Self::Mode => "mode",
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    /// Returns how far from the centre of a target pixel source pixels count, in source pixels,
    /// where a target pixel is as large as `scale` source pixels.
    pub(super) fn reach_px(self, scale: f64) -> f64 {
        let scale = scale.max(1.0);
        match self {
            Self::Nearest => 0.5,
            Self::Bilinear => scale + 0.5,
            Self::Cubic => 2.0 * scale + 0.5,
            Self::Average | Self::Mode | Self::Min | Self::Max => 0.5 * scale + 0.5,
        }
    }
}

impl fmt::Display for Resampling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Resampling {
    type Err = String;

    /// Reads a name as [`Resampling::name`] gives it, also `near` as GDAL says it.
    ///
    /// # Errors
    /// The message names the rules there are.
    fn from_str(text: &str) -> Result<Self, String> {
        let named = |rule: &Self| rule.name() == text;
        let rule = Self::ALL.into_iter().find(named);
        rule.or((text == "near").then_some(Self::Nearest))
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                format!("'{text}' is no resampling; there are {names}")
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for rule in Resampling::ALL {
            assert_eq!(rule.to_string().parse(), Ok(rule));
        }
        let error = "lanczos".parse::<Resampling>().expect_err("not built");
        assert!(error.contains("bilinear"), "{error}");
    }
}
