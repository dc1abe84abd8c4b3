//! One picture of many: a value per pixel from the valid ones of all slices.

use std::cmp::Ordering;
use std::ops::Range;
use std::str::FromStr;

use thiserror::Error;

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
    let slices = slices_of::<T>(layers);
    let mut out = Reduced {
        values: Vec::with_capacity(pixels.len()),
        flags: Vec::with_capacity(pixels.len()),
    };
    let is_ordered = matches!(rule, CompositeRule::Median | CompositeRule::Percentile(_));
    if is_ordered && layers.len() <= NETWORK_SLICES_MAX {
        reduce_in_lanes(layers, &slices, pixels, rule, &mut out);
    } else {
        reduce_one_by_one(layers, &slices, pixels, rule, &mut out);
    }
    let pixels = match rule.data_type(T::DATA_TYPE) {
        DataType::F32 => Pixels::F32(out.values.into_iter().map(|value| value as f32).collect()),
        _ => Pixels::F64(out.values),
    };
    RasterBand {
        pixels,
        mask: Mask::from_flags(out.flags),
    }
}

/// Values of pixels in turn, 0 where there are none, and whether there are any.
struct Reduced {
    values: Vec<f64>,
    flags: Vec<bool>,
}

impl Reduced {
    #[inline(always)]
    fn push(&mut self, value: Option<f64>) {
        self.flags.push(value.is_some());
        self.values.push(value.unwrap_or(0.0));
    }
}

fn reduce_one_by_one<T: Sample>(
    layers: &[&RasterBand],
    slices: &[&[T]],
    pixels: &Range<usize>,
    rule: CompositeRule,
    out: &mut Reduced,
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

/// Pixels whose values are put in order side by side: what a vector of 16-bit values holds twice.
const LANES: usize = 32;
/// Most slices that a network puts in order; its steps grow with the square of the logarithm.
const NETWORK_SLICES_MAX: usize = 64;

fn reduce_in_lanes<T: Sample>(
    layers: &[&RasterBand],
    slices: &[&[T]],
    pixels: &Range<usize>,
    rule: CompositeRule,
    out: &mut Reduced,
) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has these instructions.
        return unsafe { reduce_in_lanes_avx2(layers, slices, pixels, rule, out) };
    }
    reduce_in_lanes_any(layers, slices, pixels, rule, out);
}

/// The same code, compiled for processors since 2013.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn reduce_in_lanes_avx2<T: Sample>(
    layers: &[&RasterBand],
    slices: &[&[T]],
    pixels: &Range<usize>,
    rule: CompositeRule,
    out: &mut Reduced,
) {
    reduce_in_lanes_any(layers, slices, pixels, rule, out);
}

/// Puts the values of [`LANES`] pixels in order at a time, those that are not valid last.
#[inline(always)]
fn reduce_in_lanes_any<T: Sample>(
    layers: &[&RasterBand],
    slices: &[&[T]],
    pixels: &Range<usize>,
    rule: CompositeRule,
    out: &mut Reduced,
) {
    let exchanges = exchanges(layers.len());
    let mut values = vec![[T::LARGEST; LANES]; layers.len()];
    for start in pixels.clone().step_by(LANES) {
        let len = LANES.min(pixels.end - start);
        let mut counts = [0u16; LANES];
        for ((layer, slice), lanes) in layers.iter().zip(slices).zip(&mut values) {
            let slice = &slice[start..start + len];
            match &layer.mask {
                Mask::All => {
                    lanes[..len].copy_from_slice(slice);
                    counts.iter_mut().for_each(|count| *count += 1);
                }
                Mask::None => lanes.fill(T::LARGEST),
                Mask::Pixels(flags) => {
                    let flags = &flags[start..start + len];
                    for (index, flag) in flags.iter().enumerate() {
                        lanes[index] = if *flag { slice[index] } else { T::LARGEST };
                        counts[index] += u16::from(*flag);
                    }
                }
            }
        }
        for (low, high) in &exchanges {
            exchange(&mut values, *low, *high);
        }
        for (lane, count) in counts.iter().enumerate().take(len) {
            let count = usize::from(*count);
            out.push(statistic_of_sorted(count, rule, |rank| {
                values[rank][lane].to_f64()
            }));
        }
    }
}

/// Puts the smaller of two values into `low` and the larger into `high`, in every lane; `low < high`.
#[inline(always)]
fn exchange<T: Sample>(values: &mut [[T; LANES]], low: usize, high: usize) {
    let (below, above) = values.split_at_mut(high);
    let (low, high) = (&mut below[low], &mut above[0]);
    for lane in 0..LANES {
        let (one, two) = (low[lane], high[lane]);
        let is_swapped = two < one;
        low[lane] = if is_swapped { two } else { one };
        high[lane] = if is_swapped { one } else { two };
    }
}

/// Returns the steps that put `len` values in order, whatever these are: pairs of places of which the
/// first gets the smaller value.
///
/// Merge exchange after K. E. Batcher, *Sorting networks and their applications* (1968), for any
/// length: D. E. Knuth, *The Art of Computer Programming* 3, 5.2.2, algorithm M.
fn exchanges(len: usize) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let top = len.next_power_of_two() / 2;
    let mut part = top;
    while part > 0 {
        let (mut ahead, mut rest, mut distance) = (top, 0, part);
        loop {
            let lower = (0..len.saturating_sub(distance)).filter(|place| place & part == rest);
            pairs.extend(lower.map(|place| (place, place + distance)));
            if ahead == part {
                break;
            }
            (distance, rest) = (ahead - part, part);
            ahead /= 2;
        }
        part /= 2;
    }
    pairs
}

/// Returns the median or percentile of `len` values of which `value` gives that of a rank from 0 up;
/// `None` where there is none.
#[inline(always)]
fn statistic_of_sorted(
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

    #[test]
    fn networks_put_any_length_in_order() {
        // What puts all lists of 0 and 1 in order puts all lists in order (Knuth, 5.3.4, theorem Z).
        for len in 0..=12usize {
            let steps = exchanges(len);
            for bits in 0..1u32 << len {
                let mut values: Vec<u32> = (0..len).map(|place| bits >> place & 1).collect();
                for (low, high) in &steps {
                    if values[*high] < values[*low] {
                        values.swap(*low, *high);
                    }
                }
                assert!(values.is_sorted(), "{len} values, {bits:b}");
            }
        }
    }

    /// Values and flags of 20 slices over more pixels than lanes, with ends of the type among them.
    fn noisy_slices() -> Vec<Vec<RasterBand>> {
        let mut state = 7u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as u32
        };
        (0..20)
            .map(|_| {
                let values: Vec<u16> = (0..LANES * 3 + 5)
                    .map(|_| {
                        if next() % 9 == 0 {
                            u16::MAX
                        } else {
                            (next() % 300) as u16
                        }
                    })
                    .collect();
                let flags: Vec<bool> = values.iter().map(|_| next() % 3 == 0).collect();
                vec![band(&values, &flags)]
            })
            .collect()
    }

    #[test]
    fn lanes_give_what_sorting_gives() {
        let slices = noisy_slices();
        let layers: Vec<&RasterBand> = slices.iter().map(|slice| &slice[0]).collect();
        let values = slices_of::<u16>(&layers);
        let pixels = 3..LANES * 3 + 5;
        for rule in [CompositeRule::Median, CompositeRule::Percentile(30.0)] {
            let empty = || Reduced {
                values: Vec::new(),
                flags: Vec::new(),
            };
            let (mut lanes, mut single) = (empty(), empty());
            reduce_in_lanes(&layers, &values, &pixels, rule, &mut lanes);
            reduce_one_by_one(&layers, &values, &pixels, rule, &mut single);
            assert_eq!(lanes.flags, single.flags);
            assert_eq!(lanes.values, single.values, "{rule:?}");
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
