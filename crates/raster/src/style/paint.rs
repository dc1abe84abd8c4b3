//! Bands and masks to a picture.

use super::{ColorMap, Image};
use crate::Mask;

/// Colours of a map in a picture; number 0 of a palette is "nothing".
const RAMP_COLORS: usize = 255;
/// Steps into which a range is cut where brightness is bent (gamma).
const GAMMA_STEPS: usize = 4_096;

/// The values that the first and the last colour stand for; beyond them colours stay the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueRange {
    /// Value of the first colour.
    pub low: f64,
    /// Value of the last colour; differs from `low`, and may be less.
    pub high: f64,
}

impl ValueRange {
    /// Returns a range, `None` where its ends are equal or no numbers.
    pub fn new(low: f64, high: f64) -> Option<Self> {
        (low.is_finite() && high.is_finite() && low != high).then_some(Self { low, high })
    }
}

/// The colour and the name of a class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassColor {
    /// Value in the raster.
    pub value: f64,
    /// For people.
    pub name: String,
    /// Red, green, blue; `None`: nothing is shown.
    pub color: Option<[u8; 3]>,
}

/// How values become colours.
#[derive(Debug, Clone, PartialEq)]
pub enum Painting {
    /// Three values as red, green and blue.
    Rgb {
        /// Of each of them.
        ranges: [ValueRange; 3],
        /// Brightness is the share of the range to the power of 1 / `gamma`.
        gamma: f64,
    },
    /// One value along a colour map.
    Ramp {
        /// Of the map.
        range: ValueRange,
        /// The place on the map is the share of the range to the power of 1 / `gamma`.
        gamma: f64,
        /// The colours.
        map: ColorMap,
    },
    /// One value that names a class; values of no class are not shown.
    Classes(Vec<ClassColor>),
}

impl Painting {
    /// Returns how many values a pixel has.
    pub fn values(&self) -> usize {
        match self {
            Self::Rgb { .. } => 3,
            Self::Ramp { .. } | Self::Classes(_) => 1,
        }
    }
}

/// Returns the picture of `bands`, one or three as [`Painting::values`] says. A pixel is seen where it
/// is valid and a number in all of them.
///
/// # Panics
/// Where there are fewer bands, or one has another length than width × height.
pub fn paint(
    painting: &Painting,
    width: u32,
    height: u32,
    bands: &[Vec<f32>],
    mask: &Mask,
) -> Image {
    let len = width as usize * height as usize;
    assert!(
        bands.len() >= painting.values() && bands.iter().all(|band| band.len() == len),
        "{} bands of {width} × {height} pixels",
        painting.values()
    );
    match painting {
        Painting::Rgb { ranges, gamma } => {
            let curves = ranges.map(|range| Curve::new(range, *gamma, 255));
            paint_rgb(&curves, width, height, bands, mask)
        }
        Painting::Ramp { range, gamma, map } => {
            let curve = Curve::new(*range, *gamma, (RAMP_COLORS - 1) as u8);
            let number = |index: usize, value: f32| match mask.is_valid(index) && !value.is_nan() {
                true => curve.level(value) + 1,
                false => 0,
            };
            let pixels = bands[0].iter().enumerate();
            let pixels = pixels.map(|(index, value)| number(index, *value)).collect();
            let shares = (0..RAMP_COLORS).map(|level| level as f64 / (RAMP_COLORS - 1) as f64);
            let palette = std::iter::once([0; 3]).chain(shares.map(|share| map.color(share)));
            Image::Indexed {
                width,
                height,
                pixels,
                palette: palette.collect(),
            }
        }
        Painting::Classes(classes) => paint_classes(classes, width, height, &bands[0], mask),
    }
}

/// Paints row by row, without opacity where every pixel is seen.
fn paint_rgb(
    curves: &[Curve; 3],
    width: u32,
    height: u32,
    bands: &[Vec<f32>],
    mask: &Mask,
) -> Image {
    let seen = bands[..3]
        .iter()
        .fold(mask.clone(), |seen, band| seen.and(&Mask::of_numbers(band)));
    let is_whole = seen == Mask::All;
    let row_px = width as usize;
    let samples = if is_whole { 3 } else { 4 };
    let mut pixels = vec![0_u8; row_px * height as usize * samples];
    let mut rows = vec![0_u8; row_px * 3];
    let (red, rest) = rows.split_at_mut(row_px);
    let (green, blue) = rest.split_at_mut(row_px);
    for (number, line) in pixels.chunks_exact_mut(row_px * samples).enumerate() {
        let from = number * row_px;
        let channels = [&mut *red, &mut *green, &mut *blue];
        for (levels, (curve, band)) in channels.into_iter().zip(curves.iter().zip(bands)) {
            curve.levels(&band[from..from + row_px], levels);
        }
        let colors = red.iter().zip(&*green).zip(&*blue);
        let colors = colors.map(|((red, green), blue)| [*red, *green, *blue]);
        if is_whole {
            put_colors(line, colors);
            continue;
        }
        for (index, (pixel, color)) in line.chunks_exact_mut(4).zip(colors).enumerate() {
            if seen.is_valid(from + index) {
                let [red, green, blue] = color;
                pixel.copy_from_slice(&[red, green, blue, 255]);
            }
        }
    }
    match is_whole {
        true => Image::Rgb {
            width,
            height,
            pixels,
        },
        false => Image::Rgba {
            width,
            height,
            pixels,
        },
    }
}

/// Puts colours behind each other, each with a byte too many, which the next one overwrites: four bytes
/// are written at once.
fn put_colors(line: &mut [u8], colors: impl Iterator<Item = [u8; 3]>) {
    let last = line.len().saturating_sub(3);
    for (number, [red, green, blue]) in colors.enumerate() {
        let at = 3 * number;
        if at < last {
            line[at..at + 4].copy_from_slice(&[red, green, blue, 0]);
        } else {
            line[at..].copy_from_slice(&[red, green, blue]);
        }
    }
}

fn paint_classes(
    classes: &[ClassColor],
    width: u32,
    height: u32,
    values: &[f32],
    mask: &Mask,
) -> Image {
    let mut palette = vec![[0; 3]];
    let mut numbers: Vec<(f32, u8)> = Vec::new();
    for class in classes.iter().take(RAMP_COLORS) {
        if let Some(color) = class.color {
            numbers.push((class.value as f32, palette.len() as u8));
            palette.push(color);
        }
    }
    // Almost all classes are small whole numbers: a table answers for them.
    let mut table = [0_u8; 256];
    for (value, number) in numbers.iter().rev() {
        if value.fract() == 0.0 && (0.0..256.0).contains(value) {
            table[*value as usize] = *number;
        }
    }
    let number = |value: f32| -> u8 {
        if value.fract() == 0.0 && (0.0..256.0).contains(&value) {
            return table[value as usize];
        }
        let known = numbers.iter().find(|(class, _)| *class == value);
        known.map_or(0, |(_, number)| *number)
    };
    let pixels = values.iter().enumerate();
    let pixels = pixels.map(|(index, value)| match mask.is_valid(index) {
        true => number(*value),
        false => 0,
    });
    Image::Indexed {
        width,
        height,
        pixels: pixels.collect(),
        palette,
    }
}

/// Values to levels from 0 to `last`, both ends with half the width of the others.
struct Curve {
    low: f32,
    per_unit: f32,
    last: f32,
    /// Levels of equal steps of the range, where brightness is bent.
    bent: Option<Vec<u8>>,
}

impl Curve {
    fn new(range: ValueRange, gamma: f64, last: u8) -> Self {
        let bent = (gamma != 1.0).then(|| {
            let level = |step: usize| {
                let share = step as f64 / (GAMMA_STEPS - 1) as f64;
                (share.powf(1.0 / gamma) * f64::from(last)).round() as u8
            };
            (0..GAMMA_STEPS).map(level).collect()
        });
        let steps = match &bent {
            Some(_) => (GAMMA_STEPS - 1) as f64,
            None => f64::from(last),
        };
        Self {
            low: range.low as f32,
            per_unit: (steps / (range.high - range.low)) as f32,
            last: steps as f32,
            bent,
        }
    }

    /// Returns the level of a value; of what is no number the first.
    #[inline]
    fn level(&self, value: f32) -> u8 {
        match &self.bent {
            None => self.step(value) as u8,
            Some(levels) => levels[self.step(value) as usize],
        }
    }

    /// Puts the levels of values; vectorised where brightness is not bent.
    fn levels(&self, values: &[f32], levels: &mut [u8]) {
        match &self.bent {
            None => {
                for (level, value) in levels.iter_mut().zip(values) {
                    *level = self.step(*value) as u8;
                }
            }
            Some(_) => {
                for (level, value) in levels.iter_mut().zip(values) {
                    *level = self.level(*value);
                }
            }
        }
    }

    #[inline]
    fn step(&self, value: f32) -> i32 {
        // Unlike `clamp`, these make 0 of what is no number.
        let step = ((value - self.low) * self.per_unit).max(0.0).min(self.last);
        // SAFETY: from 0 to the steps of a range, which are few. `as` is not made in vectors everywhere.
        unsafe { (step + 0.5).to_int_unchecked() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(low: f64, high: f64) -> ValueRange {
        ValueRange::new(low, high).expect("a range")
    }

    #[test]
    fn three_values_are_red_green_and_blue() {
        let painting = Painting::Rgb {
            ranges: [range(0.0, 1.0), range(0.0, 2.0), range(1.0, 0.0)],
            gamma: 1.0,
        };
        let bands = [
            vec![0.0, 0.5, 9.0, f32::NAN],
            vec![2.0, 1.0, -1.0, 0.0],
            vec![1.0, 0.5, 0.0, 0.0],
        ];
        let mask = Mask::Pixels(vec![true, true, true, true]);
        let image = paint(&painting, 2, 2, &bands, &mask);
        let expected = vec![
            0, 255, 0, 255, 128, 128, 128, 255, 255, 0, 255, 255, 0, 0, 0, 0,
        ];
        assert_eq!(image.to_rgba(), expected);
    }

    #[test]
    fn what_is_seen_everywhere_has_no_opacity() {
        let painting = Painting::Rgb {
            ranges: [range(0.0, 255.0); 3],
            gamma: 1.0,
        };
        let bands = [vec![0.4, 300.0], vec![254.5, -7.0], vec![1.0, 2.0]];
        let image = paint(&painting, 2, 1, &bands, &Mask::All);
        let expected = Image::Rgb {
            width: 2,
            height: 1,
            pixels: vec![0, 255, 1, 255, 0, 2],
        };
        assert_eq!(image, expected);
        let masked = paint(&painting, 2, 1, &bands, &Mask::Pixels(vec![true, false]));
        assert_eq!(masked.to_rgba(), [0, 255, 1, 255, 0, 0, 0, 0]);
    }

    #[test]
    fn what_is_not_valid_is_not_seen() {
        let painting = Painting::Ramp {
            range: range(0.0, 10.0),
            gamma: 1.0,
            map: ColorMap::named("greys").expect("a map"),
        };
        let mask = Mask::Pixels(vec![true, false, true]);
        let image = paint(&painting, 3, 1, &[vec![0.0, 5.0, 10.0]], &mask);
        assert_eq!(
            image.to_rgba(),
            [0, 0, 0, 255, 0, 0, 0, 0, 255, 255, 255, 255]
        );
    }

    #[test]
    fn gamma_makes_the_middle_brighter() {
        let painting = |gamma| Painting::Ramp {
            range: range(0.0, 1.0),
            gamma,
            map: ColorMap::named("greys").expect("a map"),
        };
        let level = |gamma| {
            let image = paint(&painting(gamma), 1, 1, &[vec![0.25]], &Mask::All);
            image.to_rgb([0; 3])[0]
        };
        assert_eq!(level(1.0), 64);
        assert_eq!(level(2.0), 128);
    }

    #[test]
    fn classes_have_their_colours_and_others_none() {
        let class = |value, color| ClassColor {
            value,
            name: String::new(),
            color,
        };
        let painting = Painting::Classes(vec![
            class(4.0, Some([1, 2, 3])),
            class(5.0, None),
            class(-1.5, Some([4, 5, 6])),
        ]);
        let values = vec![4.0, 5.0, 6.0, -1.5, f32::NAN];
        let image = paint(&painting, 5, 1, &[values], &Mask::All);
        let seen = [[1, 2, 3], [9; 3], [9; 3], [4, 5, 6], [9; 3]].concat();
        assert_eq!(image.to_rgb([9; 3]), seen);
    }

    #[test]
    fn ranges_have_two_ends() {
        assert!(ValueRange::new(1.0, 1.0).is_none());
        assert!(ValueRange::new(0.0, f64::INFINITY).is_none());
    }
}
