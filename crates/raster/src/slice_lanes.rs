//! Median and percentiles of many slices: the values of neighbouring pixels put in order side by side.
//!
//! 1. The values of a run of pixels come slice by slice into lanes, a fill value where they are not valid.
//! 2. A sorting network exchanges whole rows of lanes: the same steps whatever the values are, so that they run in
//!    vectors.
//! 3. The ranks that count are read off.
//!
//! For a percentile what is not valid is filled with the largest value, which goes last; its rank depends on how many are
//! valid. For a median the fill values are the largest and the smallest in turn: the middle stays where it is,
//! and only those steps are taken that reach it.

use std::ops::Range;

use crate::composite::{Reduced, ReducedPixels, statistic_of_sorted};
use crate::{CompositeRule, Mask, Sample};

/// Pixels whose values are put in order side by side: what a vector of 16-bit values holds twice.
const LANES: usize = 32;
/// Most slices that a network puts in order; its steps grow with the square of the logarithm.
pub(super) const NETWORK_SLICES_MAX: usize = 64;

/// A value for each of [`LANES`] pixels.
type Lanes<T> = [T; LANES];

/// Values of slices and what of them is valid.
pub(super) struct SliceLanes<'a, T> {
    slices: &'a [&'a [T]],
    masks: &'a [&'a Mask],
}

/// A pair of places in a sorting network: the first is to get the smaller value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exchange {
    low: usize,
    high: usize,
    /// Which of the two values are still needed.
    wanted: Wanted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Both,
    Low,
    High,
}

impl<'a, T: Sample> SliceLanes<'a, T> {
    /// Takes the slices with a mask for each.
    pub fn new(slices: &'a [&'a [T]], masks: &'a [&'a Mask]) -> Self {
        Self { slices, masks }
    }

    /// Appends the median or percentile of each pixel.
    pub fn reduce<O: Reduced>(
        &self,
        pixels: &Range<usize>,
        rule: CompositeRule,
        out: &mut ReducedPixels<O>,
    ) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has these instructions.
            return unsafe { self.reduce_avx2(pixels, rule, out) };
        }
        self.reduce_any(pixels, rule, out);
    }

    /// The same code, compiled for processors since 2013.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn reduce_avx2<O: Reduced>(
        &self,
        pixels: &Range<usize>,
        rule: CompositeRule,
        out: &mut ReducedPixels<O>,
    ) {
        self.reduce_any(pixels, rule, out);
    }

    #[inline(always)]
    fn reduce_any<O: Reduced>(
        &self,
        pixels: &Range<usize>,
        rule: CompositeRule,
        out: &mut ReducedPixels<O>,
    ) {
        match rule {
            CompositeRule::Median => self.medians(pixels, out),
            _ => self.percentiles(pixels, rule, out),
        }
    }

    #[inline(always)]
    fn medians<O: Reduced>(&self, pixels: &Range<usize>, out: &mut ReducedPixels<O>) {
        // An even number of places: one more is never valid.
        let places = self.slices.len().next_multiple_of(2);
        let exchanges = exchanges_for(places, [places / 2 - 1, places / 2]);
        let mut values = vec![[T::LARGEST; LANES]; places];
        for start in pixels.clone().step_by(LANES) {
            let len = LANES.min(pixels.end - start);
            let mut fill = [T::LARGEST; LANES];
            let mut is_any = [false; LANES];
            for ((slice, mask), place) in self.slices.iter().zip(self.masks).zip(&mut values) {
                let (own, is_valid) = load(slice, mask, start..start + len);
                *place = chosen(&is_valid, &own, &fill);
                fill = chosen(&is_valid, &fill, &turned(&fill));
                for lane in 0..LANES {
                    is_any[lane] |= is_valid[lane];
                }
            }
            if places > self.slices.len() {
                values[places - 1] = fill;
                fill = turned(&fill);
            }
            for exchange in &exchanges {
                exchange.run(&mut values);
            }
            let (low, high) = (&values[places / 2 - 1], &values[places / 2]);
            let mut medians = [O::default(); LANES];
            for lane in 0..LANES {
                // As many fill values of either kind leave two values in the middle, else the lower place has the one.
                let one = low[lane].to_f64();
                let mean = (one + high[lane].to_f64()) / 2.0;
                let median = if fill[lane] == T::LARGEST { mean } else { one };
                medians[lane] = O::rounded(if is_any[lane] { median } else { 0.0 });
            }
            out.values.extend_from_slice(&medians[..len]);
            out.flags.extend_from_slice(&is_any[..len]);
        }
    }

    #[inline(always)]
    fn percentiles<O: Reduced>(
        &self,
        pixels: &Range<usize>,
        rule: CompositeRule,
        out: &mut ReducedPixels<O>,
    ) {
        let exchanges = exchanges(self.slices.len());
        let mut values = vec![[T::LARGEST; LANES]; self.slices.len()];
        for start in pixels.clone().step_by(LANES) {
            let len = LANES.min(pixels.end - start);
            let mut counts = [0u16; LANES];
            for ((slice, mask), place) in self.slices.iter().zip(self.masks).zip(&mut values) {
                let (own, is_valid) = load(slice, mask, start..start + len);
                *place = chosen(&is_valid, &own, &[T::LARGEST; LANES]);
                for lane in 0..LANES {
                    counts[lane] += u16::from(is_valid[lane]);
                }
            }
            for exchange in &exchanges {
                exchange.run(&mut values);
            }
            for (lane, count) in counts.iter().enumerate().take(len) {
                let count = usize::from(*count);
                out.push(statistic_of_sorted(count, rule, |rank| {
                    values[rank][lane].to_f64()
                }));
            }
        }
    }
}

/// Returns at most [`LANES`] values of a slice and what of them is valid, no more.
#[inline(always)]
fn load<T: Sample>(slice: &[T], mask: &Mask, pixels: Range<usize>) -> (Lanes<T>, Lanes<bool>) {
    let values = lanes_of(&slice[pixels.clone()], T::LARGEST);
    let is_valid = match mask {
        Mask::All => [true; LANES],
        Mask::None => [false; LANES],
        Mask::Pixels(flags) => lanes_of(&flags[pixels], false),
    };
    (values, is_valid)
}

/// Returns the values, filled up where they are fewer than lanes.
#[inline(always)]
fn lanes_of<T: Copy>(values: &[T], fill: T) -> Lanes<T> {
    match values.first_chunk() {
        Some(values) => *values,
        None => {
            let mut lanes = [fill; LANES];
            lanes[..values.len()].copy_from_slice(values);
            lanes
        }
    }
}

/// Returns `values` where valid, else `others`.
///
/// One choice per loop, into a place of its own: so it becomes a choice of whole vectors, 30 times as fast as branches.
#[inline(always)]
fn chosen<T: Sample>(is_valid: &Lanes<bool>, values: &Lanes<T>, others: &Lanes<T>) -> Lanes<T> {
    std::array::from_fn(|lane| {
        if is_valid[lane] {
            values[lane]
        } else {
            others[lane]
        }
    })
}

/// Returns the other fill values.
#[inline(always)]
fn turned<T: Sample>(fill: &Lanes<T>) -> Lanes<T> {
    fill.map(|fill| {
        if fill == T::LARGEST {
            T::SMALLEST
        } else {
            T::LARGEST
        }
    })
}

impl Exchange {
    /// Puts the smaller of two values into `low` and the larger into `high`, in every lane.
    #[inline(always)]
    fn run<T: Sample>(&self, values: &mut [Lanes<T>]) {
        let (below, above) = values.split_at_mut(self.high);
        let (low, high) = (&mut below[self.low], &mut above[0]);
        match self.wanted {
            Wanted::Both => {
                for lane in 0..LANES {
                    let (one, two) = (low[lane], high[lane]);
                    low[lane] = if two < one { two } else { one };
                    high[lane] = if two < one { one } else { two };
                }
            }
            Wanted::Low => {
                for lane in 0..LANES {
                    let (one, two) = (low[lane], high[lane]);
                    low[lane] = if two < one { two } else { one };
                }
            }
            Wanted::High => {
                for lane in 0..LANES {
                    let (one, two) = (low[lane], high[lane]);
                    high[lane] = if two < one { one } else { two };
                }
            }
        }
    }
}

/// Returns the steps that put `len` values in order, whatever these are.
///
/// Merge exchange after K. E. Batcher, *Sorting networks and their applications* (1968), for any
/// length: D. E. Knuth, *The Art of Computer Programming* 3, 5.2.2, algorithm M.
fn exchanges(len: usize) -> Vec<Exchange> {
    let mut pairs = Vec::new();
    let top = len.next_power_of_two() / 2;
    let mut part = top;
    while part > 0 {
        let (mut ahead, mut rest, mut distance) = (top, 0, part);
        loop {
            let lower = (0..len.saturating_sub(distance)).filter(|place| place & part == rest);
            pairs.extend(lower.map(|place| Exchange {
                low: place,
                high: place + distance,
                wanted: Wanted::Both,
            }));
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

/// Returns those of the steps for `len` values that reach one of `ranks`.
fn exchanges_for(len: usize, ranks: [usize; 2]) -> Vec<Exchange> {
    let mut is_needed = vec![false; len];
    ranks.iter().for_each(|rank| is_needed[*rank] = true);
    let mut kept = Vec::new();
    // From the end: what a step gives counts where a later one takes it.
    for exchange in exchanges(len).into_iter().rev() {
        let wanted = match (is_needed[exchange.low], is_needed[exchange.high]) {
            (true, true) => Wanted::Both,
            (true, false) => Wanted::Low,
            (false, true) => Wanted::High,
            (false, false) => continue,
        };
        (is_needed[exchange.low], is_needed[exchange.high]) = (true, true);
        kept.push(Exchange { wanted, ..exchange });
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What puts all lists of 0 and 1 in order puts all lists in order (Knuth, 5.3.4, theorem Z): the list of
    /// 0 and 1 in each lane.
    fn lists(len: usize, first: u32) -> Vec<Lanes<u16>> {
        let place =
            |place: usize| std::array::from_fn(|lane| ((first + lane as u32) >> place & 1) as u16);
        (0..len).map(place).collect()
    }

    #[test]
    fn networks_put_any_length_in_order() {
        for len in 1..=12usize {
            for first in (0..1u32 << len).step_by(LANES) {
                let mut values = lists(len, first);
                exchanges(len).iter().for_each(|step| step.run(&mut values));
                for lane in 0..LANES {
                    assert!(values.is_sorted_by_key(|place| place[lane]), "{len} values");
                }
            }
        }
    }

    #[test]
    fn steps_that_are_left_out_do_not_reach_the_middle() {
        for len in (2..=12usize).step_by(2) {
            let ranks = [len / 2 - 1, len / 2];
            let some = exchanges_for(len, ranks);
            assert!(len < 4 || some.iter().any(|step| step.wanted != Wanted::Both));
            for first in (0..1u32 << len).step_by(LANES) {
                let (mut all_steps, mut some_steps) = (lists(len, first), lists(len, first));
                exchanges(len)
                    .iter()
                    .for_each(|step| step.run(&mut all_steps));
                some.iter().for_each(|step| step.run(&mut some_steps));
                assert!(
                    ranks
                        .iter()
                        .all(|rank| all_steps[*rank] == some_steps[*rank])
                );
            }
        }
    }
}
