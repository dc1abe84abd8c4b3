//! Exact statistics of the pixels of one parcel.
//!
//! Values are collected first. Minimum, maximum and quantiles depend on the set of values only; they
//! are selected, or taken from the sorted list. Mean and deviation are sums in the order of
//! collection, which the caller fixes: another order may change their last digits.
//!
//! Quantiles. `Centre`: linear interpolation between order statistics (Hyndman and Fan 1996, type 7;
//! numpy's default). `Fraction`: type 7 for weighted data on distinct values v_i with summed weights
//! w_i: s_i = i·w_i + (n−1)·Σ_{j<i} w_j, looked up at q·(n−1)·Σw and interpolated (as exactextract).

use crate::ordered::{Ordered, SortKey, SortScratch, sort_values};
use crate::select::{SelectScratch, quartiles};

/// Shares below this do not count: a touched pixel of a millionth is outside.
pub const SHARE_MIN: f32 = 1e-6;

/// Statistics of one band over one parcel, in stored units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// Sum of the shares of valid pixels (`Fraction`) or their number (`Centre`).
    pub count: f64,
    /// The rest; `None` where `count` is 0.
    pub values: Option<ValueStatistics>,
}

/// What the valid pixels say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueStatistics {
    /// Weighted mean.
    pub mean: f64,
    /// Population standard deviation.
    pub stdev: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Lower quartile.
    pub p25: f64,
    /// Median.
    pub p50: f64,
    /// Upper quartile.
    pub p75: f64,
}

impl ValueStatistics {
    /// Returns the statistics of `value * scale + offset`.
    pub fn scaled(self, scale: f64, offset: f64) -> Self {
        let physical = |value: f64| value * scale + offset;
        let (low, high) = if scale < 0.0 {
            (self.max, self.min)
        } else {
            (self.min, self.max)
        };
        let (lower, upper) = if scale < 0.0 {
            (self.p75, self.p25)
        } else {
            (self.p25, self.p75)
        };
        Self {
            mean: physical(self.mean),
            stdev: self.stdev * scale.abs(),
            min: physical(low),
            max: physical(high),
            p25: physical(lower),
            p50: physical(self.p50),
            p75: physical(upper),
        }
    }
}

/// Memory that [`statistics_of`] reuses.
#[derive(Debug)]
pub struct StatisticsScratch<K: SortKey> {
    sort: SortScratch<K>,
    sort_weighted: SortScratch<K::Weighted>,
    pairs: Vec<K::Weighted>,
    distinct: Distinct,
    select: SelectScratch<K>,
}

impl<K: SortKey> Default for StatisticsScratch<K> {
    fn default() -> Self {
        Self {
            sort: SortScratch::default(),
            sort_weighted: SortScratch::default(),
            pairs: Vec::new(),
            distinct: Distinct::default(),
            select: SelectScratch::default(),
        }
    }
}

/// Returns the statistics of the pixels in `full`, which count 1 each, and in `part`, with their shares.
///
/// `is_weighted` chooses the quantiles of shares (see the module), also where `part` happens to be
/// empty; without it `part` is empty. May reorder `full`.
pub fn statistics_of<T: Ordered>(
    full: &mut [T::Key],
    part: &[<T::Key as SortKey>::Weighted],
    is_weighted: bool,
    scratch: &mut StatisticsScratch<T::Key>,
) -> Statistics {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("bmi1")
        && std::arch::is_x86_feature_detected!("bmi2")
    {
        // SAFETY: the processor has these instructions.
        return unsafe { statistics_avx2::<T>(full, part, is_weighted, scratch) };
    }
    statistics_any::<T>(full, part, is_weighted, scratch)
}

/// The same code, compiled for processors since 2013.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn statistics_avx2<T: Ordered>(
    full: &mut [T::Key],
    part: &[<T::Key as SortKey>::Weighted],
    is_weighted: bool,
    scratch: &mut StatisticsScratch<T::Key>,
) -> Statistics {
    statistics_any::<T>(full, part, is_weighted, scratch)
}

#[inline(always)]
fn statistics_any<T: Ordered>(
    full: &mut [T::Key],
    part: &[<T::Key as SortKey>::Weighted],
    is_weighted: bool,
    scratch: &mut StatisticsScratch<T::Key>,
) -> Statistics {
    let shares = || {
        part.iter()
            .map(|pair| <T::Key as SortKey>::split(*pair))
            .map(|(key, share)| (T::key_to_f64(key), f64::from(share)))
    };
    let total = full.len() as f64 + shares().map(|(_, share)| share).sum::<f64>();
    if let Some(found) = quartiles(
        full,
        part,
        is_weighted,
        total,
        T::key_to_f64,
        &mut scratch.select,
    ) {
        let (min, max) = (T::key_to_f64(found.min), T::key_to_f64(found.max));
        let sum =
            sum_of(full, T::key_to_f64) + shares().map(|(value, share)| value * share).sum::<f64>();
        let mean = (sum / total).clamp(min, max);
        let squares = sum_of(full, |key| (T::key_to_f64(key) - mean).powi(2))
            + shares()
                .map(|(value, share)| share * (value - mean).powi(2))
                .sum::<f64>();
        let [p25, p50, p75] = found.values;
        let values = ValueStatistics {
            mean,
            stdev: (squares / total).sqrt(),
            min,
            max,
            p25,
            p50,
            p75,
        };
        return Statistics {
            count: total,
            values: Some(values),
        };
    }
    if !is_weighted {
        sort_values(full, &mut scratch.sort);
        return statistics_of_sorted::<T>(full);
    }
    let mut pairs = std::mem::take(&mut scratch.pairs);
    pairs.clear();
    pairs.extend(full.iter().map(|key| key.with_weight(1.0)));
    pairs.extend_from_slice(part);
    let statistics = statistics_of_weighted::<T>(&mut pairs, scratch);
    scratch.pairs = pairs;
    statistics
}

/// Returns the statistics of sorted pixels that count fully.
fn statistics_of_sorted<T: Ordered>(keys: &[T::Key]) -> Statistics {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
        return Statistics {
            count: 0.0,
            values: None,
        };
    };
    let count = keys.len() as f64;
    // Four sums side by side: one alone waits for each addition to end.
    let mean = sum_of(keys, |key| T::key_to_f64(key)) / count;
    let variance = sum_of(keys, |key| (T::key_to_f64(key) - mean).powi(2)) / count;
    let quantile = |q: f64| {
        let position = q * (count - 1.0);
        let below = position.floor();
        let at = |index: f64| T::key_to_f64(keys[(index as usize).min(keys.len() - 1)]);
        interpolate(at(below), at(below + 1.0), position - below)
    };
    let (min, max) = (T::key_to_f64(*first), T::key_to_f64(*last));
    let values = ValueStatistics {
        mean: mean.clamp(min, max),
        stdev: variance.sqrt(),
        min,
        max,
        p25: quantile(0.25),
        p50: quantile(0.5),
        p75: quantile(0.75),
    };
    Statistics {
        count,
        values: Some(values),
    }
}

#[inline(always)]
fn sum_of<K: Copy>(keys: &[K], value: impl Fn(K) -> f64) -> f64 {
    let mut sums = [0.0; 4];
    let chunks = keys.chunks_exact(4);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (sum, key) in sums.iter_mut().zip(chunk) {
            *sum += value(*key);
        }
    }
    let tail: f64 = rest.iter().map(|key| value(*key)).sum();
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + tail
}

pub(crate) fn interpolate(low: f64, high: f64, share: f64) -> f64 {
    low + (high - low) * share
}

/// Distinct values in rising order with their weights.
#[derive(Debug, Default)]
pub struct Distinct {
    values: Vec<f64>,
    weights: Vec<f64>,
}

impl Distinct {
    /// Adds weight to `value`, which is not below the last one.
    pub fn push(&mut self, value: f64, weight: f64) {
        if self.values.last() == Some(&value) {
            if let Some(last) = self.weights.last_mut() {
                *last += weight;
            }
            return;
        }
        self.values.push(value);
        self.weights.push(weight);
    }

    /// Returns the statistics of what was pushed.
    pub fn statistics(&self) -> Statistics {
        let (Some(first), Some(last)) = (self.values.first(), self.values.last()) else {
            return Statistics {
                count: 0.0,
                values: None,
            };
        };
        let total: f64 = sum_of(&self.weights, |weight| weight);
        let mean = self.sum(|value, weight| value * weight) / total;
        let variance = self.sum(|value, weight| weight * (value - mean) * (value - mean)) / total;
        let [p25, p50, p75] = self.quantiles([0.25, 0.5, 0.75], total);
        let values = ValueStatistics {
            mean: mean.clamp(*first, *last),
            stdev: variance.sqrt(),
            min: *first,
            max: *last,
            p25,
            p50,
            p75,
        };
        Statistics {
            count: total,
            values: Some(values),
        }
    }

    /// Returns the sum of a term over all values, four sums side by side.
    fn sum(&self, term: impl Fn(f64, f64) -> f64) -> f64 {
        let (values, weights) = (self.values.chunks_exact(4), self.weights.chunks_exact(4));
        let (last_values, last_weights) = (values.remainder(), weights.remainder());
        let mut sums = [0.0; 4];
        for (values, weights) in values.zip(weights) {
            for index in 0..4 {
                sums[index] += term(values[index], weights[index]);
            }
        }
        let tail: f64 = last_values
            .iter()
            .zip(last_weights)
            .map(|(value, weight)| term(*value, *weight))
            .sum();
        (sums[0] + sums[1]) + (sums[2] + sums[3]) + tail
    }

    /// Returns quantiles for rising `shares`.
    fn quantiles<const N: usize>(&self, shares: [f64; N], total: f64) -> [f64; N] {
        let steps = self.values.len() as f64 - 1.0;
        let mut below = 0.0;
        let mut index = 0;
        let mut next = self.next_position(0, 0.0);
        shares.map(|share| {
            let wanted = share * steps * total;
            while next <= wanted {
                below += self.weights[index];
                index += 1;
                next = self.next_position(index, below);
            }
            let Some(above) = self.values.get(index + 1) else {
                return self.values[index];
            };
            let from = index as f64 * self.weights[index] + steps * below;
            interpolate(
                self.values[index],
                *above,
                ((wanted - from) / (next - from)).max(0.0),
            )
        })
    }

    /// Returns s of the value after `index`, below which `below` and its own weight lie; endless after the last.
    fn next_position(&self, index: usize, below: f64) -> f64 {
        let steps = self.values.len() as f64 - 1.0;
        match self.weights.get(index + 1) {
            Some(weight) => (index + 1) as f64 * weight + steps * (below + self.weights[index]),
            None => f64::INFINITY,
        }
    }
}

/// Returns the statistics of pixels with shares; sorts `pairs`.
fn statistics_of_weighted<T: Ordered>(
    pairs: &mut [<T::Key as SortKey>::Weighted],
    scratch: &mut StatisticsScratch<T::Key>,
) -> Statistics {
    sort_values(pairs, &mut scratch.sort_weighted);
    let distinct = &mut scratch.distinct;
    distinct.values.clear();
    distinct.weights.clear();
    distinct.values.reserve(pairs.len());
    distinct.weights.reserve(pairs.len());
    let mut rest = &pairs[..];
    while let [first, tail @ ..] = rest {
        let (key, weight) = T::Key::split(*first);
        let mut weight = f64::from(weight);
        rest = tail;
        while let [next, tail @ ..] = rest
            && T::Key::split(*next).0 == key
        {
            weight += f64::from(T::Key::split(*next).1);
            rest = tail;
        }
        distinct.values.push(T::key_to_f64(key));
        distinct.weights.push(weight);
    }
    distinct.statistics()
}

/// A pass over sorted values with their weights, from the smallest to the largest.
///
/// The closure calls its argument with each value and weight; it is called twice.
pub type SortedPass<'a, E> = dyn FnMut(&mut dyn FnMut(f64, f64)) -> Result<(), E> + 'a;

/// Returns the statistics of values that do not fit in memory, from two passes over them.
///
/// `is_weighted` as in [`statistics_of`], else every value counts fully and by itself.
///
/// # Errors
/// The first error of a pass.
pub fn statistics_of_stream<E>(
    is_weighted: bool,
    pass: &mut SortedPass<E>,
) -> Result<Statistics, E> {
    let mut first = FirstPass::default();
    pass(&mut |value, weight| first.take(value, weight, is_weighted))?;
    if first.steps == 0.0 {
        return Ok(Statistics {
            count: 0.0,
            values: None,
        });
    }
    let mean = first.sum / first.total;
    let mut squares = 0.0;
    let mut walk = QuantileWalk::new(&first);
    let mut last: Option<(f64, f64)> = None;
    pass(&mut |value, weight| {
        squares += weight * (value - mean).powi(2);
        match &mut last {
            Some((same, sum)) if is_weighted && *same == value => *sum += weight,
            _ => {
                if let Some((value, weight)) = last.replace((value, weight)) {
                    walk.take(value, weight);
                }
            }
        }
    })?;
    if let Some((value, weight)) = last {
        walk.take(value, weight);
    }
    let [p25, p50, p75] = walk.found.map(|found| found.unwrap_or(first.max));
    let values = ValueStatistics {
        mean: mean.clamp(first.min, first.max),
        stdev: (squares / first.total).sqrt(),
        min: first.min,
        max: first.max,
        p25,
        p50,
        p75,
    };
    Ok(Statistics {
        count: first.total,
        values: Some(values),
    })
}

#[derive(Default)]
struct FirstPass {
    total: f64,
    sum: f64,
    min: f64,
    max: f64,
    /// Number of distinct values (weighted) or of values.
    steps: f64,
}

impl FirstPass {
    fn take(&mut self, value: f64, weight: f64, is_weighted: bool) {
        if self.steps == 0.0 {
            self.min = value;
        }
        if self.steps == 0.0 || !is_weighted || value != self.max {
            self.steps += 1.0;
        }
        self.max = value;
        self.total += weight;
        self.sum += weight * value;
    }
}

/// Finds the quartiles while values go by in order.
struct QuantileWalk {
    wanted: [f64; 3],
    found: [Option<f64>; 3],
    steps: f64,
    index: f64,
    below: f64,
    previous: (f64, f64),
}

impl QuantileWalk {
    fn new(first: &FirstPass) -> Self {
        let steps = first.steps - 1.0;
        let wanted = [0.25, 0.5, 0.75].map(|share| share * steps * first.total);
        Self {
            wanted,
            found: [None; 3],
            steps,
            index: 0.0,
            below: 0.0,
            previous: (0.0, f64::NEG_INFINITY),
        }
    }

    fn take(&mut self, value: f64, weight: f64) {
        let position = self.index * weight + self.steps * self.below;
        for (wanted, found) in self.wanted.iter().zip(&mut self.found) {
            if found.is_none() && position >= *wanted {
                let (low, from) = self.previous;
                let share = if from.is_finite() {
                    (wanted - from) / (position - from)
                } else {
                    1.0
                };
                *found = Some(if from.is_finite() {
                    interpolate(low, value, share)
                } else {
                    value
                });
            }
        }
        self.previous = (value, position);
        self.index += 1.0;
        self.below += weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(values: &[f32]) -> Statistics {
        let mut keys: Vec<u32> = values.iter().map(|value| value.to_key()).collect();
        statistics_of::<f32>(&mut keys, &[], false, &mut StatisticsScratch::default())
    }

    fn weighted(values: &[(f32, f32)]) -> ValueStatistics {
        let pairs: Vec<u64> = values
            .iter()
            .map(|(value, weight)| value.to_key().with_weight(*weight))
            .collect();
        let found = statistics_of::<f32>(&mut [], &pairs, true, &mut StatisticsScratch::default());
        found.values.expect("not empty")
    }

    /// numpy 2.3: `np.percentile([3, -1, 4, 1, 5], [25, 50, 75])` = 1, 3, 4; mean 2.4; std 2.15406592.
    #[test]
    fn plain_values_as_numpy() {
        let found = plain(&[3.0, -1.0, 4.0, 1.0, 5.0]);
        let values = found.values.expect("not empty");
        assert_eq!((found.count, values.min, values.max), (5.0, -1.0, 5.0));
        assert_eq!((values.p25, values.p50, values.p75), (1.0, 3.0, 4.0));
        assert!(
            (values.mean - 2.4).abs() < 1e-12
                && (values.stdev - 2.154_065_922_853_802).abs() < 1e-12
        );
    }

    #[test]
    fn equal_weights_give_the_plain_quantiles() {
        let values = [7.0, 2.0, 9.0, 4.0, 5.5, 1.0];
        let pairs: Vec<(f32, f32)> = values.iter().map(|value| (*value, 1.0)).collect();
        let expected = plain(&values).values.expect("not empty");
        let found = weighted(&pairs);
        assert!((found.p25 - expected.p25).abs() < 1e-12);
        assert!((found.p50 - expected.p50).abs() < 1e-12);
        assert!((found.p75 - expected.p75).abs() < 1e-12);
    }

    #[test]
    fn one_value_is_every_statistic() {
        let found = weighted(&[(4.0, 0.25), (4.0, 0.5)]);
        assert_eq!(
            (found.p25, found.p75, found.stdev, found.mean),
            (4.0, 4.0, 0.0, 4.0)
        );
        assert_eq!(plain(&[]).values, None);
    }

    #[test]
    fn a_stream_gives_the_same_as_a_list() {
        let mut pairs: Vec<(f64, f64)> = (0..500)
            .map(|i| (f64::from((i * 7919) % 301), f64::from(i % 5 + 1) / 5.0))
            .collect();
        pairs.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
        for is_weighted in [true, false] {
            let mut pass = |visit: &mut dyn FnMut(f64, f64)| {
                pairs.iter().for_each(|(value, weight)| {
                    visit(*value, if is_weighted { *weight } else { 1.0 })
                });
                Ok::<(), ()>(())
            };
            let found = statistics_of_stream(is_weighted, &mut pass)
                .expect("no error")
                .values
                .expect("not empty");
            let expected = if is_weighted {
                let mut distinct = Distinct::default();
                pairs
                    .iter()
                    .for_each(|(value, weight)| distinct.push(*value, *weight));
                distinct.statistics().values.expect("not empty")
            } else {
                plain(
                    &pairs
                        .iter()
                        .map(|(value, _)| *value as f32)
                        .collect::<Vec<_>>(),
                )
                .values
                .expect("not empty")
            };
            for (a, b) in [
                (found.mean, expected.mean),
                (found.stdev, expected.stdev),
                (found.p25, expected.p25),
                (found.p50, expected.p50),
                (found.p75, expected.p75),
            ] {
                assert!((a - b).abs() < 1e-9, "{found:?} {expected:?}");
            }
        }
    }

    /// The general sort as the reference of the selection.
    fn sorted(full: &[f32], part: &[(f32, f32)], is_weighted: bool) -> Statistics {
        let mut keys: Vec<u32> = full.iter().map(|value| value.to_key()).collect();
        keys.sort_unstable();
        if !is_weighted {
            return statistics_of_sorted::<f32>(&keys);
        }
        let mut pairs: Vec<u64> = keys.iter().map(|key| key.with_weight(1.0)).collect();
        pairs.extend(
            part.iter()
                .map(|(value, share)| value.to_key().with_weight(*share)),
        );
        statistics_of_weighted::<f32>(&mut pairs, &mut StatisticsScratch::default())
    }

    proptest! {
        #[test]
        fn selection_equals_the_general_sort(
            full in proptest::collection::vec(-1e3..1e3f32, 0..900),
            part in proptest::collection::vec((-1e3..1e3f32, 1e-6..1.0f32), 0..300),
            is_weighted in any::<bool>(), is_coarse in any::<bool>(),
        ) {
            let round = |value: f32| if is_coarse { (value / 50.0).round() } else { value };
            let full: Vec<f32> = full.into_iter().map(round).collect();
            let part: Vec<(f32, f32)> =
                part.into_iter().filter(|_| is_weighted).map(|(value, share)| (round(value), share)).collect();
            let expected = sorted(&full, &part, is_weighted);
            let mut keys: Vec<u32> = full.iter().map(|value| value.to_key()).collect();
            let pairs: Vec<u64> = part.iter().map(|(value, share)| value.to_key().with_weight(*share)).collect();
            let found = statistics_of::<f32>(&mut keys, &pairs, is_weighted, &mut StatisticsScratch::default());
            prop_assert!((found.count - expected.count).abs() <= 1e-12 * expected.count);
            prop_assert_eq!(found.values.is_some(), expected.values.is_some());
            if let (Some(a), Some(b)) = (found.values, expected.values) {
                prop_assert_eq!((a.min, a.max), (b.min, b.max));
                for (a, b) in [(a.mean, b.mean), (a.stdev, b.stdev), (a.p25, b.p25), (a.p50, b.p50), (a.p75, b.p75)] {
                    prop_assert!((a - b).abs() <= 1e-9, "{a} {b}");
                }
            }
        }
    }

    #[test]
    fn a_negative_scale_swaps_ends() {
        let scaled = plain(&[1.0, 2.0, 4.0])
            .values
            .expect("not empty")
            .scaled(-2.0, 1.0);
        assert_eq!((scaled.min, scaled.max, scaled.p50), (-7.0, -1.0, -3.0));
        assert!(scaled.p25 < scaled.p75 && scaled.stdev > 0.0);
    }
}
