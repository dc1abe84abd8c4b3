//! From values to colours.

use std::str::FromStr;

use swath_raster::Rgb;

use crate::ExtractError;

/// Share of values left out at either end where a range is taken from them, in percent.
const TAIL_PERCENT: usize = 2;
/// What is not valid.
const ABSENT: Rgb = [226, 232, 240];
/// Vegetation index and colour, from bare to dense.
const NDVI: [(f64, Rgb); 6] = [
    (-0.2, [0x64, 0x74, 0x8b]),
    (0.0, [0xc8, 0xb4, 0x9a]),
    (0.2, [0xe8, 0xd7, 0x8e]),
    (0.4, [0xb5, 0xcf, 0x62]),
    (0.65, [0x4f, 0x9d, 0x3f]),
    (0.95, [0x0b, 0x4a, 0x20]),
];

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChipStyle {
    /// Red, green and blue of Sentinel-2.
    Natural,
    /// Its vegetation index, with fixed colours.
    Ndvi,
    /// Sentinel-1 in decibels: VV red, VH green, their difference blue.
    S1,
}

impl FromStr for ChipStyle {
    type Err = ExtractError;

    fn from_str(text: &str) -> Result<Self, ExtractError> {
        match text {
            "natural" => Ok(Self::Natural),
            "ndvi" => Ok(Self::Ndvi),
            "s1" => Ok(Self::S1),
            _ => Err(ExtractError::Options {
                reason: "style: natural, ndvi or s1".to_owned(),
            }),
        }
    }
}

impl ChipStyle {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Natural => "natural",
            Self::Ndvi => "ndvi",
            Self::S1 => "s1",
        }
    }

    /// Returns the bands that it needs.
    pub fn bands(self) -> &'static [&'static str] {
        match self {
            Self::Natural => &["B04", "B03", "B02"],
            Self::Ndvi => &["B08", "B04"],
            Self::S1 => &["VV", "VH"],
        }
    }

    /// True for images that clouds may hide.
    pub fn is_optical(self) -> bool {
        self != Self::S1
    }

    /// Returns the names of the layers that are shown, as bands of a GeoTIFF.
    pub fn layers(self) -> &'static [&'static str] {
        match self {
            Self::Natural => &["B04", "B03", "B02"],
            Self::Ndvi => &["NDVI"],
            Self::S1 => &["VV", "VH"],
        }
    }

    /// Computes the layers from the bands, pixel by pixel; NaN is not valid and stays so.
    ///
    /// Radar becomes decibels; where any value is negative it is taken to be in decibels already.
    pub(super) fn layers_of(self, bands: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
        match self {
            Self::Natural => bands,
            Self::Ndvi => {
                let pairs = bands[0].iter().zip(&bands[1]);
                let index = pairs.map(|(near, red)| (near - red) / (near + red));
                let known = index.map(|value| if value.is_finite() { value } else { f32::NAN });
                vec![known.collect()]
            }
            Self::S1 => {
                let is_decibel = bands.iter().flatten().any(|value| *value < 0.0);
                let decibel = |value: f32| match (is_decibel, value > 0.0) {
                    (true, _) => value,
                    (false, true) => 10.0 * value.log10(),
                    (false, false) => f32::NAN,
                };
                let each = bands.into_iter();
                each.map(|band| band.into_iter().map(decibel).collect())
                    .collect()
            }
        }
    }
}

/// Ranges of values that are shown from dark to bright.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stretch(Vec<(f32, f32)>);

impl Stretch {
    /// Takes the ranges from all dates, so that brightness means the same on each of them.
    pub fn of<'a>(style: ChipStyle, dates: impl Iterator<Item = &'a [Vec<f32>]>) -> Self {
        let mut values: Vec<Vec<f32>> = vec![Vec::new(); colors(style)];
        for layers in dates {
            let count = layers.first().map_or(0, Vec::len);
            for index in 0..count {
                for (all, value) in values.iter_mut().zip(components(style, layers, index)) {
                    all.extend(Some(value).filter(|value| value.is_finite()));
                }
            }
        }
        if style == ChipStyle::Natural {
            // One range for all three, so that grey stays grey.
            let shared = range(values.concat());
            return Self(vec![shared; values.len()]);
        }
        Self(values.into_iter().map(range).collect())
    }

    /// Returns the colours of a date.
    pub fn colors(&self, style: ChipStyle, layers: &[Vec<f32>]) -> Vec<Rgb> {
        let count = layers.first().map_or(0, Vec::len);
        let color = |index: usize| {
            let values = components(style, layers, index);
            if style == ChipStyle::Ndvi {
                return ramp(f64::from(values[0]));
            }
            if !values.iter().all(|value| value.is_finite()) {
                return ABSENT;
            }
            let mut color = [0; 3];
            for ((sample, value), (low, high)) in color.iter_mut().zip(values).zip(&self.0) {
                let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
                *sample = (share * 255.0).round() as u8;
            }
            color
        };
        (0..count).map(color).collect()
    }
}

fn colors(style: ChipStyle) -> usize {
    if style == ChipStyle::Ndvi { 1 } else { 3 }
}

/// Returns what red, green and blue stand for at a pixel.
fn components(style: ChipStyle, layers: &[Vec<f32>], index: usize) -> [f32; 3] {
    match style {
        ChipStyle::Natural => [0, 1, 2].map(|layer| layers[layer][index]),
        ChipStyle::Ndvi => [layers[0][index]; 3],
        ChipStyle::S1 => {
            let (vv, vh) = (layers[0][index], layers[1][index]);
            [vv, vh, vv - vh]
        }
    }
}

fn range(mut values: Vec<f32>) -> (f32, f32) {
    values.sort_unstable_by(f32::total_cmp);
    let Some(last) = values.len().checked_sub(1) else {
        return (0.0, 1.0);
    };
    let low = values[last * TAIL_PERCENT / 100];
    let high = values[last * (100 - TAIL_PERCENT) / 100];
    (low, if high > low { high } else { low + 1.0 })
}

fn ramp(value: f64) -> Rgb {
    if !value.is_finite() {
        return ABSENT;
    }
    let after = NDVI.iter().position(|(stop, _)| *stop > value);
    match after {
        Some(0) => NDVI[0].1,
        None => NDVI[NDVI.len() - 1].1,
        Some(after) => {
            let ((low, from), (high, to)) = (NDVI[after - 1], NDVI[after]);
            let share = (value - low) / (high - low);
            let mut color = [0; 3];
            for (axis, sample) in color.iter_mut().enumerate() {
                let mixed = f64::from(from[axis]) * (1.0 - share) + f64::from(to[axis]) * share;
                *sample = mixed.round() as u8;
            }
            color
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_means_the_same_on_every_date() {
        let dark = vec![vec![0.0; 50], vec![0.0; 50], vec![0.0; 50]];
        let bright = vec![vec![1.0; 50], vec![1.0; 50], vec![f32::NAN; 50]];
        let style = ChipStyle::Natural;
        let stretch = Stretch::of(style, [&dark[..], &bright[..]].into_iter());
        assert_eq!(stretch.colors(style, &dark)[0], [0, 0, 0]);
        assert_eq!(stretch.colors(style, &bright)[0], ABSENT);
    }

    #[test]
    fn the_index_has_fixed_colours_and_radar_is_in_decibels() {
        let layers = ChipStyle::Ndvi.layers_of(vec![vec![0.4, 0.0], vec![0.1, 0.0]]);
        assert!((layers[0][0] - 0.6).abs() < 1e-6 && layers[0][1].is_nan());
        assert_eq!(
            (ramp(-3.0), ramp(f64::NAN), ramp(2.0)),
            (NDVI[0].1, ABSENT, NDVI[5].1)
        );
        assert_eq!(ramp(0.1), [0xd8, 0xc6, 0x94]);
        let linear = ChipStyle::S1.layers_of(vec![vec![0.1, 0.0], vec![0.01, 1.0]]);
        assert_eq!((linear[0][0], linear[1][0]), (-10.0, -20.0));
        assert!(linear[0][1].is_nan());
        let stored = ChipStyle::S1.layers_of(vec![vec![-9.0], vec![-17.0]]);
        assert_eq!(stored, [[-9.0], [-17.0]]);
        assert!("s2".parse::<ChipStyle>().is_err());
    }
}
