//! One picture of many: a value per pixel from the valid ones of all slices.

use std::cmp::Ordering;
use std::ops::Range;
use std::str::FromStr;

use thiserror::Error;

use crate::slice_lanes::{NETWORK_SLICES_MAX, SliceLanes};
use crate::{DataType, Mask, Pixels, RasterBand, Sample, for_pixels};

/// Names of a band of near infrared: its common name, then those of Sentinel-2.
pub const INFRARED_BANDS: [&str; 3] = ["nir", "B08", "B8A"];
/// Names of a band of red light, likewise.
pub const RED_BANDS: [&str; 2] = ["red", "B04"];
/// Classes of Sentinel-2's scene classification that are dropped where none are named: no data,
/// saturated, cloud shadow, cloud of medium and high probability, cirrus.
pub const SCL_DROPPED: &str = "0,1,3,8,9,10";

/// How the dates of a composite become one value, by the name that users write.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CompositeMethod {
    /// `newest`: all bands of the newest date.
    Newest,
    /// `least-cloud`: all bands of the date with the fewest clouds.
    LeastCloud,
    /// `mean` of each band.
    Mean,
    /// `median` of each band.
    Median,
    /// `p0` to `p100`: percentile of each band.
    Percentile(f64),
    /// `max-ndvi`: all bands of the greenest date.
    MaxNdvi,
}

/// A text that names no method.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "'{text}' is no method; there are newest, least-cloud, mean, median, p0 to p100 and max-ndvi"
)]
pub struct CompositeMethodError {
    text: String,
}

impl FromStr for CompositeMethod {
    type Err = CompositeMethodError;

    fn from_str(text: &str) -> Result<Self, CompositeMethodError> {
        let percent = text
            .strip_prefix('p')
            .and_then(|number| number.parse::<f64>().ok());
        match (text, percent) {
            ("newest", _) => Ok(Self::Newest),
            ("least-cloud", _) => Ok(Self::LeastCloud),
            ("mean", _) => Ok(Self::Mean),
            ("median", _) => Ok(Self::Median),
            ("max-ndvi", _) => Ok(Self::MaxNdvi),
            (_, Some(percent)) if (0.0..=100.0).contains(&percent) => Ok(Self::Percentile(percent)),
            _ => Err(CompositeMethodError {
                text: text.to_owned(),
            }),
        }
    }
}

impl CompositeMethod {
    /// Returns the rule for slices that come from the newest on, or, for `least-cloud`, from the
    /// clearest on. `position` says where one of some names stands among their bands; `None` where the
    /// method needs [`INFRARED_BANDS`] and [`RED_BANDS`] and one of them is missing.
    pub fn rule(self, position: impl Fn(&[&str]) -> Option<usize>) -> Option<CompositeRule> {
        Some(match self {
            Self::Newest | Self::LeastCloud => CompositeRule::First,
            Self::Mean => CompositeRule::Mean,
            Self::Median => CompositeRule::Median,
            Self::Percentile(percent) => CompositeRule::Percentile(percent),
            Self::MaxNdvi => CompositeRule::MaxIndex {
                plus: position(&INFRARED_BANDS)?,
                minus: position(&RED_BANDS)?,
            },
        })
    }
}

/// How one value comes of those of many slices; what is not valid never counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CompositeRule {
    /// All bands of the first slice in which all bands are valid: with slices from the newest on, the newest.
    First,
    /// Mean of each band.
    Mean,
    /// Median of each band: of an even number the mean of the two in the middle.
    Median,
    /// Percentile of each band, 0 to 100, linear between neighbours: the default of numpy and R.
    Percentile(f64),
    /// All bands of the slice with the largest `(plus - minus) / (plus + minus)`, the first among
    /// equals: for near infrared and red the greenest.
    MaxIndex {
        /// Position of the band with the plus sign.
        plus: usize,
        /// Position of the band with the minus sign.
        minus: usize,
    },
}

impl CompositeRule {
    /// Returns the type of the values made of `data_type`: the same where values are only chosen, else
    /// single precision for what it holds exactly, or double.
    pub fn data_type(self, data_type: DataType) -> DataType {
        match (self, data_type) {
            (Self::First | Self::MaxIndex { .. }, own) => own,
            (_, DataType::U8 | DataType::I8 | DataType::U16 | DataType::I16 | DataType::F32) => {
                DataType::F32
            }
            _ => DataType::F64,
        }
    }
}

/// Returns the bands of the composite for a range of pixels.
///
/// `slices` have the same bands in the same order, on the same grid, in the order in which they count.
///
/// # Panics
/// Where slices differ in their bands, or have fewer pixels than the range names.
pub fn composite(
    slices: &[&[RasterBand]],
    pixels: Range<usize>,
    rule: CompositeRule,
) -> Vec<RasterBand> {
    let Some(first) = slices.first() else {
        return Vec::new();
    };
    match rule {
        CompositeRule::First => chosen(slices, &pixels, |_, _| 0.0),
        CompositeRule::MaxIndex { plus, minus } => chosen(slices, &pixels, |slice, pixel| {
            let value = |band: usize| slice[band].pixels.get_f64(pixel);
            let (plus, minus) = (value(plus), value(minus));
            (plus - minus) / (plus + minus)
        }),
        _ => (0..first.len())
            .map(|band| {
                let layers: Vec<&RasterBand> = slices.iter().map(|slice| &slice[band]).collect();
                for_pixels!(&layers[0].pixels, values => reduced(values, &layers, &pixels, rule))
            })
            .collect(),
    }
}

/// Takes all bands from the slice with the largest score, the first among equals.
fn chosen(
    slices: &[&[RasterBand]],
    pixels: &Range<usize>,
    score: impl Fn(&[RasterBand], usize) -> f64,
) -> Vec<RasterBand> {
    let mut choice: Vec<Option<usize>> = Vec::with_capacity(pixels.len());
    for pixel in pixels.clone() {
        let mut best: Option<(f64, usize)> = None;
        for (index, slice) in slices.iter().enumerate() {
            if !slice.iter().all(|band| band.mask.is_valid(pixel)) {
                continue;
            }
            let own = score(slice, pixel);
            // An index of 0 / 0 is no number and chosen only where there is nothing else.
            if best.is_none_or(|(top, _)| own > top || (top.is_nan() && !own.is_nan())) {
                best = Some((own, index));
            }
        }
        choice.push(best.map(|(_, index)| index));
    }
    let flags: Vec<bool> = choice.iter().map(Option::is_some).collect();
    let bands = 0..slices[0].len();
    bands
        .map(|band| {
            let layers: Vec<&RasterBand> = slices.iter().map(|slice| &slice[band]).collect();
            RasterBand {
                pixels: for_pixels!(&layers[0].pixels, values => {
                    picked(values, &layers, pixels.start, &choice)
                }),
                mask: Mask::from_flags(flags.clone()),
            }
        })
        .collect()
}

fn picked<T: Sample>(
    _: &[T],
    layers: &[&RasterBand],
    start: usize,
    choice: &[Option<usize>],
) -> Pixels {
    let slices = slices_of::<T>(layers);
    let value = |(index, slice): (usize, &Option<usize>)| {
        slice.map_or(T::default(), |slice| slices[slice][start + index])
    };
    T::wrap(choice.iter().enumerate().map(value).collect())
}

fn slices_of<'a, T: Sample>(layers: &[&'a RasterBand]) -> Vec<&'a [T]> {
    let slice = |layer: &&'a RasterBand| {
        T::slice(&layer.pixels).expect("a band has the same type in all slices")
    };
    layers.iter().map(slice).collect()
}

/// Reduces the valid values of each pixel to one.
fn reduced<T: Sample>(
    _: &[T],
    layers: &[&RasterBand],
    pixels: &Range<usize>,
    rule: CompositeRule,
) -> RasterBand {
    match rule.data_type(T::DATA_TYPE) {
        DataType::F32 => reduced_to::<T, f32>(layers, pixels, rule),
        _ => reduced_to::<T, f64>(layers, pixels, rule),
    }
}

fn reduced_to<T: Sample, O: Reduced>(
    layers: &[&RasterBand],
    pixels: &Range<usize>,
    rule: CompositeRule,
) -> RasterBand {
    let slices = slices_of::<T>(layers);
    let mut out = ReducedPixels::<O>::new(pixels.len());
    let is_ordered = matches!(rule, CompositeRule::Median | CompositeRule::Percentile(_));
    if is_ordered && layers.len() <= NETWORK_SLICES_MAX {
        let masks: Vec<&Mask> = layers.iter().map(|layer| &layer.mask).collect();
        let lanes = SliceLanes::new(&slices, &masks);
        lanes.reduce(pixels, rule, &mut out);
    } else {
        reduce_one_by_one(layers, &slices, pixels, rule, &mut out);
    }
    RasterBand {
        pixels: O::wrap(out.values),
        mask: Mask::from_flags(out.flags),
    }
}

/// A type of reduced values.
pub(super) trait Reduced: Sample {
    /// Returns `value` in this type, rounded.
    fn rounded(value: f64) -> Self;
}

impl Reduced for f32 {
    #[inline(always)]
    fn rounded(value: f64) -> Self {
        value as f32
    }
}

impl Reduced for f64 {
    #[inline(always)]
    fn rounded(value: f64) -> Self {
        value
    }
}

/// Values of pixels in turn, 0 where there are none, and whether there are any.
pub(super) struct ReducedPixels<O> {
    pub values: Vec<O>,
    pub flags: Vec<bool>,
}

impl<O: Reduced> ReducedPixels<O> {
    pub fn new(len: usize) -> Self {
        Self {
            values: Vec::with_capacity(len),
            flags: Vec::with_capacity(len),
        }
    }

    #[inline(always)]
    pub fn push(&mut self, value: Option<f64>) {
        self.flags.push(value.is_some());
        self.values.push(O::rounded(value.unwrap_or(0.0)));
    }
}

fn reduce_one_by_one<T: Sample, O: Reduced>(
    layers: &[&RasterBand],
    slices: &[&[T]],
    pixels: &Range<usize>,
    rule: CompositeRule,
    out: &mut ReducedPixels<O>,
) {
    let mut values: Vec<T> = Vec::with_capacity(layers.len());
    for pixel in pixels.clone() {
        values.clear();
        for (layer, slice) in layers.iter().zip(slices) {
            if layer.mask.is_valid(pixel) {
                values.push(slice[pixel]);
            }
        }
        if matches!(rule, CompositeRule::Median | CompositeRule::Percentile(_)) {
            values.sort_unstable_by(|one, two| one.partial_cmp(two).unwrap_or(Ordering::Equal));
            out.push(statistic_of_sorted(values.len(), rule, |rank| {
                values[rank].to_f64()
            }));
        } else {
            let sum: f64 = values.iter().map(|value| value.to_f64()).sum();
            out.push((!values.is_empty()).then(|| sum / values.len() as f64));
        }
    }
}

/// Returns the median or percentile of `len` values of which `value` gives that of a rank from 0 up;
/// `None` where there is none.
#[inline(always)]
pub(super) fn statistic_of_sorted(
    len: usize,
    rule: CompositeRule,
    value: impl Fn(usize) -> f64,
) -> Option<f64> {
    let last = len.checked_sub(1)?;
    let CompositeRule::Percentile(percent) = rule else {
        let (low, high) = (value(last / 2), value(len / 2));
        return Some(if last / 2 == len / 2 {
            low
        } else {
            (low + high) / 2.0
        });
    };
    let place = (percent.clamp(0.0, 100.0) / 100.0) * last as f64;
    let (below, share) = (place.floor(), place - place.floor());
    let low = value(below as usize);
    let top = value((below as usize + 1).min(last));
    // As numpy: exact at both ends of the step.
    Some(if share < 0.5 {
        low + (top - low) * share
    } else {
        top - (top - low) * (1.0 - share)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(values: &[u16], flags: &[bool]) -> RasterBand {
        RasterBand {
            pixels: Pixels::U16(values.to_vec()),
            mask: Mask::from_flags(flags.to_vec()),
        }
    }

    /// Three slices of two bands and three pixels; the last pixel is nowhere valid.
    fn slices() -> Vec<Vec<RasterBand>> {
        let valid = [
            [true, false, false],
            [true, true, false],
            [true, true, false],
        ];
        let red = [[100, 1, 1], [300, 200, 1], [200, 301, 1]];
        let infrared = [[110, 1, 1], [900, 400, 1], [200, 400, 1]];
        (0..3)
            .map(|index| {
                vec![
                    band(&red[index], &valid[index]),
                    band(&infrared[index], &valid[index]),
                ]
            })
            .collect()
    }

    fn run(rule: CompositeRule) -> Vec<RasterBand> {
        let slices = slices();
        let slices: Vec<&[RasterBand]> = slices.iter().map(Vec::as_slice).collect();
        composite(&slices, 0..3, rule)
    }

    #[test]
    fn methods_are_named() {
        let read = |text: &str| text.parse::<CompositeMethod>();
        assert_eq!(read("p25"), Ok(CompositeMethod::Percentile(25.0)));
        assert_eq!(read("max-ndvi"), Ok(CompositeMethod::MaxNdvi));
        for bad in ["", "p", "p101", "pnan", "Median", "best"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let of = |names: &[&str]| (names[0] == "nir").then_some(3);
        assert_eq!(CompositeMethod::MaxNdvi.rule(of), None);
        let both = |names: &[&str]| Some(usize::from(names[0] == "nir"));
        let greenest = CompositeRule::MaxIndex { plus: 1, minus: 0 };
        assert_eq!(CompositeMethod::MaxNdvi.rule(both), Some(greenest));
        assert_eq!(CompositeMethod::Mean.rule(of), Some(CompositeRule::Mean));
    }

    #[test]
    fn what_is_not_valid_never_counts() {
        let mask = Mask::Pixels(vec![true, true, false]);
        for (rule, expected) in [
            (CompositeRule::Median, [200.0, 250.5, 0.0]),
            (CompositeRule::Mean, [200.0, 250.5, 0.0]),
            (CompositeRule::Percentile(25.0), [150.0, 225.25, 0.0]),
            (CompositeRule::Percentile(100.0), [300.0, 301.0, 0.0]),
        ] {
            let bands = run(rule);
            assert_eq!(bands[0].pixels, Pixels::F32(expected.to_vec()), "{rule:?}");
            assert_eq!(bands[0].mask, mask);
        }
    }

    #[test]
    fn chosen_slices_give_all_bands() {
        let first = run(CompositeRule::First);
        assert_eq!(first[0].pixels, Pixels::U16(vec![100, 200, 0]));
        assert_eq!(first[1].pixels, Pixels::U16(vec![110, 400, 0]));
        let greenest = run(CompositeRule::MaxIndex { plus: 1, minus: 0 });
        assert_eq!(greenest[0].pixels, Pixels::U16(vec![300, 200, 0]));
        assert_eq!(greenest[1].pixels, Pixels::U16(vec![900, 400, 0]));
        assert_eq!(greenest[0].mask, Mask::Pixels(vec![true, true, false]));
    }

    /// Values and flags of slices over more pixels than lanes, with ends of the type among them.
    fn noisy_slices<T: Sample>(
        count: usize,
        ends: [T; 2],
        of: impl Fn(u32) -> T,
    ) -> Vec<RasterBand> {
        let mut state = 7u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as u32
        };
        (0..count)
            .map(|index| {
                let mut value = |_| match next() % 9 {
                    0 => ends[1],
                    1 => ends[0],
                    _ => of(next() % 300),
                };
                let values: Vec<T> = (0..101).map(&mut value).collect();
                let mask = match index {
                    3 => Mask::All,
                    4 => Mask::None,
                    // The last pixel is valid in one slice at most.
                    _ => Mask::from_flags(
                        (0..101)
                            .map(|pixel| pixel < 100 && next() % 3 == 0)
                            .collect(),
                    ),
                };
                RasterBand {
                    pixels: T::wrap(values),
                    mask,
                }
            })
            .collect()
    }

    fn assert_same_as_sorted<T: Sample, O: Reduced + std::fmt::Debug>(layers: &[RasterBand]) {
        let layers: Vec<&RasterBand> = layers.iter().collect();
        let values = slices_of::<T>(&layers);
        let masks: Vec<&Mask> = layers.iter().map(|layer| &layer.mask).collect();
        for rule in [
            CompositeRule::Median,
            CompositeRule::Percentile(30.0),
            CompositeRule::Percentile(100.0),
        ] {
            for pixels in [3..101, 0..32, 96..96] {
                let new = || ReducedPixels::<O>::new(pixels.len());
                let (mut lanes, mut single) = (new(), new());
                SliceLanes::new(&values, &masks).reduce(&pixels, rule, &mut lanes);
                reduce_one_by_one(&layers, &values, &pixels, rule, &mut single);
                assert_eq!(lanes.flags, single.flags);
                assert_eq!(lanes.values, single.values, "{rule:?} of {}", layers.len());
            }
        }
    }

    #[test]
    fn lanes_give_what_sorting_gives() {
        for count in [1, 2, 3, 5, 8, 19, 20, 33, 64] {
            let words = noisy_slices(count, [u16::MIN, u16::MAX], |value| value as u16);
            assert_same_as_sorted::<u16, f32>(&words);
            let signed = noisy_slices(count, [i16::MIN, i16::MAX], |value| value as i16 - 150);
            assert_same_as_sorted::<i16, f32>(&signed);
            let floats = noisy_slices(count, [-1e9, 1e9], |value| value as f32 - 150.5);
            assert_same_as_sorted::<f32, f32>(&floats);
            let large = noisy_slices(count, [i32::MIN, i32::MAX], |value| value as i32 - 150);
            assert_same_as_sorted::<i32, f64>(&large);
        }
    }

    #[test]
    fn ranges_put_together_are_the_whole() {
        let slices = slices();
        let slices: Vec<&[RasterBand]> = slices.iter().map(Vec::as_slice).collect();
        let part = composite(&slices, 1..3, CompositeRule::Median);
        assert_eq!(part[0].pixels, Pixels::F32(vec![250.5, 0.0]));
        assert_eq!(part[0].mask, Mask::Pixels(vec![true, false]));
    }
}
