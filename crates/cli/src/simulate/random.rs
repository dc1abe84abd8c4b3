//! Random numbers that depend on a key and a position only, so that any split of the work over
//! threads draws the same numbers.
//!
//! The mixer is the finaliser of SplitMix64 (Steele, Lea, Flood 2014). Transcendental functions
//! come from the `libm` crate, not from the platform, so that all machines agree to the last bit.

/// Mixes 64 bits: a bijection in which every input bit changes each output bit with about 1/2.
#[inline]
fn mix(value: u64) -> u64 {
    let mut bits = value;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Step of the SplitMix64 sequence: 2^64 divided by the golden ratio, made odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A named stream of random numbers that can be read in order or at any index.
#[derive(Debug, Clone, Copy)]
pub struct Random {
    key: u64,
    next_index: u64,
}

impl Random {
    /// Returns the stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            key: mix(seed.wrapping_add(STEP)),
            next_index: 0,
        }
    }

    /// Returns the stream `name` below this one; it does not depend on what was drawn before.
    pub fn stream(&self, name: u64) -> Self {
        Self {
            key: mix(self.key ^ mix(name.wrapping_mul(STEP).wrapping_add(1))),
            next_index: 0,
        }
    }

    /// Returns the 64 bits at `index`.
    #[inline]
    pub fn bits_at(&self, index: u64) -> u64 {
        mix(self.key.wrapping_add(index.wrapping_mul(STEP)))
    }

    /// Returns a roughly normal number (sum of four uniform ones; within ±3.46) at `index`.
    #[inline]
    pub fn normal_at(&self, index: u64) -> f32 {
        let bits = self.bits_at(index);
        let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
        (sum as f32 - 131_070.0) * (1.732_050_8 / 65_536.0)
    }

    /// Returns a uniform number in `[0, 1)` at `index`.
    #[inline]
    pub fn uniform_at(&self, index: u64) -> f64 {
        (self.bits_at(index) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Draws a uniform number in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        self.next_index += 1;
        self.uniform_at(self.next_index)
    }

    /// Draws a uniform number in `[low, high)`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Draws a whole number in `0..count`; `count` is positive.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.uniform() * count as f64) as usize).min(count - 1)
    }

    /// Draws a standard normal number (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// Draws a normal number within two standard deviations of the mean.
    pub fn normal_within(&mut self, mean: f64, deviation: f64) -> f64 {
        mean + deviation * self.normal().clamp(-2.0, 2.0)
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Puts the values in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}

/// A table of gamma-distributed factors with mean 1, for multiplicative speckle.
#[derive(Debug, Clone)]
pub struct GammaTable {
    quantiles: Vec<f32>,
}

impl GammaTable {
    /// Number of equally likely values.
    const LEN: usize = 8192;

    /// Returns the table for a shape (number of looks) above 1.
    pub fn new(looks: f64) -> Self {
        // Cumulated density on a fine grid up to 12 times the mean, then inverted.
        let step = 12.0 / 65_536.0;
        let density =
            |x: f64| libm::exp((looks - 1.0) * libm::log(x * looks) - x * looks + looks - 1.0);
        let mut cumulated = Vec::with_capacity(65_536);
        let mut sum = 0.0;
        for index in 0..65_536 {
            sum += density((f64::from(index) + 0.5) * step);
            cumulated.push(sum);
        }
        let mut quantiles = Vec::with_capacity(Self::LEN);
        let mut index = 0;
        for rank in 0..Self::LEN {
            let wanted = sum * (rank as f64 + 0.5) / Self::LEN as f64;
            while cumulated[index] < wanted {
                index += 1;
            }
            quantiles.push(((index as f64 + 0.5) * step) as f32);
        }
        let mean = quantiles.iter().sum::<f32>() / Self::LEN as f32;
        quantiles.iter_mut().for_each(|value| *value /= mean);
        Self { quantiles }
    }

    /// Returns the factor that belongs to 64 random bits.
    #[inline]
    pub fn factor(&self, bits: u64) -> f32 {
        self.quantiles[(bits >> 51) as usize]
    }
}

/// A smooth random field over the plane: value noise in octaves, about zero mean and unit deviation.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    random: Random,
    wavelength: f32,
    octaves: u32,
}

impl Field {
    /// Returns a field whose coarsest wavelength is given in units of its coordinates; each of
    /// the further octaves has half the wavelength and 0.55 times the amplitude.
    pub fn new(random: Random, wavelength: f32, octaves: u32) -> Self {
        Self {
            random,
            wavelength,
            octaves,
        }
    }

    /// Returns the value at a position.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let mut out = [0.0];
        self.row(x, 1.0, y, &mut out);
        out[0]
    }

    /// Fills `out` with the values at `(x0 + i * step, y)`.
    pub fn row(&self, x0: f32, step: f32, y: f32, out: &mut [f32]) {
        out.fill(0.0);
        let mut wavelength = self.wavelength;
        let mut amplitude = 1.0f32;
        let mut variance = 0.0f32;
        for octave in 0..self.octaves {
            let layer = self.random.stream(u64::from(octave));
            add_octave(&layer, wavelength, amplitude, [x0, step, y], out);
            variance += amplitude * amplitude;
            wavelength *= 0.5;
            amplitude *= 0.55;
        }
        // 0.62: deviation of one octave of interpolated normal lattice values.
        let scale = 1.0 / (0.62 * variance.sqrt());
        out.iter_mut().for_each(|value| *value *= scale);
    }
}

/// Adds one octave of value noise along a row `[x0, step, y]`.
fn add_octave(layer: &Random, wavelength: f32, amplitude: f32, row: [f32; 3], out: &mut [f32]) {
    let [x0, step, y] = row;
    let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
    let row_index = (y / wavelength).floor();
    let weight = smooth(y / wavelength - row_index);
    // One value per lattice column, blended between the two lattice rows.
    let column = |index: i64| {
        let key = |row: i64| (index as u64 & 0xffff_ffff) | (row as u64) << 32;
        let upper = layer.normal_at(key(row_index as i64));
        let lower = layer.normal_at(key(row_index as i64 + 1));
        upper + (lower - upper) * weight
    };
    let mut current = i64::MIN;
    let (mut left, mut right) = (0.0, 0.0);
    for (index, value) in out.iter_mut().enumerate() {
        let position = (x0 + index as f32 * step) / wavelength;
        let cell = position.floor();
        if cell as i64 != current {
            left = if cell as i64 == current.wrapping_add(1) {
                right
            } else {
                column(cell as i64)
            };
            right = column(cell as i64 + 1);
            current = cell as i64;
        }
        *value += amplitude * (left + (right - left) * smooth(position - cell));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_does_not_depend_on_what_was_drawn_before() {
        let fresh = Random::new(7);
        let mut used = Random::new(7);
        used.normal();
        assert_eq!(fresh.stream(3).bits_at(5), used.stream(3).bits_at(5));
        assert_ne!(fresh.stream(3).bits_at(5), fresh.stream(4).bits_at(5));
    }

    #[test]
    fn gamma_factors_have_the_mean_and_the_looks_asked_for() {
        let table = GammaTable::new(4.4);
        let random = Random::new(1);
        let values: Vec<f64> = (0..200_000)
            .map(|index| f64::from(table.factor(random.bits_at(index))))
            .collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values
            .iter()
            .map(|value| (value - mean) * (value - mean))
            .sum::<f64>()
            / 2e5;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert!(
            (mean * mean / variance - 4.4).abs() < 0.15,
            "{}",
            mean * mean / variance
        );
    }

    #[test]
    fn a_field_is_the_same_by_row_and_by_point() {
        let field = Field::new(Random::new(2), 40.0, 4);
        let mut row = [0.0; 64];
        field.row(-10.0, 1.0, 12.0, &mut row);
        for (index, value) in row.iter().enumerate() {
            assert_eq!(*value, field.at(-10.0 + index as f32, 12.0));
        }
        let deviation = (row.iter().map(|value| value * value).sum::<f32>() / 64.0).sqrt();
        assert!(deviation > 0.2 && deviation < 3.0, "{deviation}");
    }
}
