//! Values brought to another form before they are averaged.

use swath_raster::{DataType, Pixels, Sample, ValueStatistics, for_pixels};

/// What is averaged of a band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Conversion {
    /// Stored values; scale and offset come last.
    Stored,
    /// Physical values: slices of one image may be scaled each in its own way.
    Physical,
    /// Linear power of physical values in decibel; the results are decibel again.
    Power,
}

impl Conversion {
    /// Returns the type of what is averaged of samples of `stored`.
    pub(crate) fn data_type(self, stored: DataType) -> DataType {
        match self {
            Self::Stored => stored,
            Self::Physical | Self::Power => DataType::F64,
        }
    }

    /// Returns what is averaged.
    pub(crate) fn apply(self, pixels: Pixels, scale: f64, offset: f64) -> Pixels {
        fn map<T: Sample>(values: &[T], of: impl Fn(f64) -> f64) -> Pixels {
            Pixels::F64(values.iter().map(|value| of(value.to_f64())).collect())
        }
        match self {
            Self::Stored => pixels,
            Self::Physical => {
                for_pixels!(&pixels, values => map(values, |value| value * scale + offset))
            }
            Self::Power => {
                for_pixels!(&pixels, values => map(values, |value| to_power(value * scale + offset)))
            }
        }
    }

    /// Returns the physical value, in the unit of the band, of one that was made ready to be averaged.
    pub(crate) fn physical_value(self, value: f64, scale: f64, offset: f64) -> f64 {
        match self {
            Self::Stored => value * scale + offset,
            Self::Physical => value,
            Self::Power => to_decibel(value),
        }
    }

    /// Returns statistics of what was averaged as physical values.
    ///
    /// Of linear power: everything in decibel; the deviation to first order, 10 / ln 10 · σ / μ.
    pub(crate) fn physical(
        self,
        values: ValueStatistics,
        scale: f64,
        offset: f64,
    ) -> ValueStatistics {
        match self {
            Self::Stored => values.scaled(scale, offset),
            Self::Physical => values,
            Self::Power => ValueStatistics {
                mean: to_decibel(values.mean),
                stdev: 10.0 / std::f64::consts::LN_10 * values.stdev / values.mean,
                min: to_decibel(values.min),
                max: to_decibel(values.max),
                p25: to_decibel(values.p25),
                p50: to_decibel(values.p50),
                p75: to_decibel(values.p75),
            },
        }
    }
}

fn to_power(decibel: f64) -> f64 {
    10f64.powf(decibel / 10.0)
}

fn to_decibel(power: f64) -> f64 {
    10.0 * power.log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_averaged_and_given_back_in_decibel() {
        // 0 dB and -10 dB are 1 and 0.1 of power: 0.55 on average, -2.596 dB.
        let powers = Conversion::Power.apply(Pixels::I16(vec![0, -100]), 0.1, 0.0);
        assert_eq!(powers, Pixels::F64(vec![1.0, 0.1]));
        let values = ValueStatistics {
            mean: 0.55,
            stdev: 0.45,
            min: 0.1,
            max: 1.0,
            p25: 0.325,
            p50: 0.55,
            p75: 0.775,
        };
        let found = Conversion::Power.physical(values, 0.1, 0.0);
        assert!((found.mean - -2.596_373_105_057_56).abs() < 1e-12);
        assert!((found.min + 10.0).abs() < 1e-12 && found.max.abs() < 1e-12);
        assert!((found.stdev - 4.342_944_819_032_518 * 0.45 / 0.55).abs() < 1e-12);
    }

    #[test]
    fn physical_values_are_scaled_once() {
        let pixels = Conversion::Physical.apply(Pixels::U16(vec![1_000, 2_000]), 0.0001, -0.1);
        assert_eq!(pixels, Pixels::F64(vec![0.0, 0.1]));
    }
}
