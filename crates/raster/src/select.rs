//! Quartiles of a parcel's worth of values without sorting them all.
//!
//! Values are counted in a few hundred buckets between the smallest and the largest of a sample, so that a few bright
//! pixels do not crowd the others together; only those in the buckets around a quartile are taken out and sorted. With shares the formula also asks for the
//! number of distinct values: a bit table finds lists without repeats, which is what measured
//! backscatter and reflectance in floats are; lists with repeats are left to the general sort.

use crate::ordered::SortKey;
use crate::statistics::interpolate;

/// Most buckets: as many as a byte can number.
const BUCKETS: usize = 256;
/// Buckets for fewer than [`MANY`] values, for which walking over the buckets takes longer than sorting a few values more.
const BUCKETS_FEW: usize = 128;
const MANY: usize = 1024;
/// Values that are looked at for the bounds of the buckets.
const SAMPLE: usize = 24;
/// Fewer values than this are sorted instead.
const VALUES_MIN: usize = 48;
/// More values than this are sorted instead: buckets would be long.
const VALUES_MAX: usize = 8192;
/// Most bits of the table that finds repeats.
const REPEAT_BITS: usize = 1 << 20;
/// Bits of that table for each value: one value in 256 finds its bit taken by chance.
const REPEAT_BITS_EACH: usize = 128;
/// Values whose bit was taken already, after which repeats are likely.
const SUSPECTS_MAX: usize = 64;
/// Up to this many values are put in order one by one.
const INSERTION_MAX: usize = 40;

/// Memory that [`quartiles`] reuses.
#[derive(Debug)]
pub(crate) struct SelectScratch<K: SortKey> {
    counts: Vec<u32>,
    weights: Vec<f64>,
    bits: Vec<u64>,
    /// Bucket of each value.
    buckets: Vec<u8>,
    /// Room for values near the quartiles, with their shares; the first `taken_len` are.
    taken: Vec<K::Weighted>,
    taken_len: usize,
}

impl<K: SortKey> Default for SelectScratch<K> {
    fn default() -> Self {
        Self {
            counts: Vec::new(),
            weights: Vec::new(),
            bits: vec![0; REPEAT_BITS / 64],
            buckets: Vec::new(),
            taken: Vec::new(),
            taken_len: 0,
        }
    }
}

/// Smallest and largest key with the three quartiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quartiles<K> {
    pub(crate) min: K,
    pub(crate) max: K,
    pub(crate) values: [f64; 3],
}

/// Returns the quartiles of `full` (which count 1 each) and `part` (with their shares), or `None`
/// where the general sort has to do it.
///
/// `is_weighted` as in [`crate::statistics_of`]; without it `part` is empty.
#[inline(always)]
pub(crate) fn quartiles<K: SortKey>(
    full: &[K],
    part: &[K::Weighted],
    is_weighted: bool,
    total: f64,
    to_f64: impl Fn(K) -> f64,
    scratch: &mut SelectScratch<K>,
) -> Option<Quartiles<K>> {
    let len = full.len() + part.len();
    if !(VALUES_MIN..=VALUES_MAX).contains(&len) {
        return None;
    }
    let part_keys = || part.iter().map(|pair| K::split(*pair).0);
    let first = full.first().copied().or_else(|| part_keys().next())?;
    let (min, max) = full.iter().fold((first, first), |(min, max), key| {
        (min.min(*key), max.max(*key))
    });
    let (min, max) = part_keys().fold((min, max), |(min, max), key| (min.min(key), max.max(key)));
    if min.high_bits() == max.high_bits() || (is_weighted && has_repeats(full, part, scratch)) {
        return None;
    }
    let count = if len < MANY { BUCKETS_FEW } else { BUCKETS };
    let buckets = Buckets::new(full, (min, max), count);
    let bucket_of = |key: K| buckets.of(key);
    scratch.buckets.clear();
    scratch
        .buckets
        .extend(full.iter().map(|key| bucket_of(*key)));
    scratch.buckets.extend(part_keys().map(bucket_of));
    scratch.counts.clear();
    scratch.counts.resize(count, 0);
    for bucket in &scratch.buckets {
        scratch.counts[usize::from(*bucket)] += 1;
    }
    let values = if is_weighted {
        weighted_quartiles(full, part, total, &to_f64, &buckets, scratch)?
    } else {
        counted_quartiles(full, &to_f64, scratch)
    };
    Some(Quartiles {
        min,
        max,
        values: values.map(|found| found.unwrap_or(to_f64(max))),
    })
}

/// Numbers buckets of equal width, in the order of the keys; what lies beyond goes to the first and to the last.
#[derive(Debug, Clone, Copy)]
struct Buckets {
    low: u32,
    shift: u32,
    last: u32,
}

impl Buckets {
    /// Returns `count` buckets, a power of two, over a sample of `full`; over everything where all of that is one value.
    #[inline(always)]
    fn new<K: SortKey>(full: &[K], ends: (K, K), count: usize) -> Self {
        let sample = full.iter().step_by((full.len() / SAMPLE).max(1));
        let (mut low, mut high) = sample.fold((u32::MAX, 0), |(low, high), key| {
            (low.min(key.high_bits()), high.max(key.high_bits()))
        });
        if low >= high {
            (low, high) = (ends.0.high_bits(), ends.1.high_bits());
        }
        // The highest bits in which values of the sample differ number the buckets.
        let bits = u32::BITS - (high - low).leading_zeros();
        Self {
            low,
            shift: bits.saturating_sub(count.ilog2()),
            last: count as u32 - 1,
        }
    }

    #[inline(always)]
    fn of<K: SortKey>(self, key: K) -> u8 {
        let bucket = key.high_bits().saturating_sub(self.low) >> self.shift;
        bucket.min(self.last) as u8
    }
}

/// Returns the quartiles of values that count 1 each.
#[inline(always)]
fn counted_quartiles<K: SortKey>(
    full: &[K],
    to_f64: &impl Fn(K) -> f64,
    scratch: &mut SelectScratch<K>,
) -> [Option<f64>; 3] {
    let positions = [0.25, 0.5, 0.75].map(|share| share * (full.len() - 1) as f64);
    let mut is_chosen = [0u8; BUCKETS];
    let (mut bucket, mut below) = (0, 0);
    let mut offsets = [(0, 0); 3];
    let mut chosen_before = 0;
    let mut last_chosen = None;
    let mut choose = |rank: usize| {
        while below + scratch.counts[bucket] as usize <= rank {
            below += scratch.counts[bucket] as usize;
            bucket += 1;
        }
        if last_chosen != Some(bucket) {
            is_chosen[bucket] = 1;
            last_chosen = Some(bucket);
            chosen_before += scratch.counts[bucket] as usize;
        }
        // Place among the taken values: those of this bucket are the last taken so far.
        chosen_before - scratch.counts[bucket] as usize + rank - below
    };
    for (position, offset) in positions.iter().zip(&mut offsets) {
        let rank = *position as usize;
        *offset = (choose(rank), choose((rank + 1).min(full.len() - 1)));
    }
    take(full, &[], &is_chosen, scratch);
    let value_at = |at: usize| to_f64(K::split(scratch.taken[at]).0);
    let mut found = [None; 3];
    for ((position, (low, high)), found) in positions.iter().zip(offsets).zip(&mut found) {
        let (low, high) = (value_at(low), value_at(high));
        *found = Some(interpolate(low, high, position.fract()));
    }
    found
}

/// Returns the quartiles of values with shares, none of which repeats; `None` within where a quartile
/// is the largest value, `None` for all where rounding misled.
#[inline(always)]
fn weighted_quartiles<K: SortKey>(
    full: &[K],
    part: &[K::Weighted],
    total: f64,
    to_f64: &impl Fn(K) -> f64,
    buckets: &Buckets,
    scratch: &mut SelectScratch<K>,
) -> Option<[Option<f64>; 3]> {
    scratch.weights.clear();
    let counts = scratch.counts.iter();
    scratch
        .weights
        .extend(counts.map(|count| f64::from(*count)));
    for (pair, bucket) in part.iter().zip(&scratch.buckets[full.len()..]) {
        scratch.weights[usize::from(*bucket)] -= 1.0 - f64::from(K::split(*pair).1);
    }
    let steps = (full.len() + part.len()) as f64 - 1.0;
    let wanted = [0.25, 0.5, 0.75].map(|share| share * steps * total);
    let is_chosen = choose_buckets(&scratch.weights, &scratch.counts, steps, &wanted);
    take(full, part, &is_chosen, scratch);
    // Walk over the taken values; what lies in buckets left out is known by their sums.
    let (mut rank, mut below, mut next_bucket) = (0, 0.0, 0);
    let mut previous: Option<(f64, f64, usize)> = None;
    let mut found = [None; 3];
    let mut open = 0;
    for taken in &scratch.taken[..scratch.taken_len] {
        let (key, share) = K::split(*taken);
        let bucket = usize::from(buckets.of(key));
        while next_bucket < bucket {
            if is_chosen[next_bucket] == 0 {
                rank += scratch.counts[next_bucket] as usize;
                below += scratch.weights[next_bucket];
            }
            next_bucket += 1;
        }
        // Where a value stands: s of the formula.
        let share = f64::from(share);
        let (value, at) = (to_f64(key), rank as f64 * share + steps * below);
        while open < wanted.len() && at >= wanted[open] {
            found[open] = Some(match previous {
                _ if at == wanted[open] => value,
                Some((low, from, last)) if last + 1 == rank => {
                    interpolate(low, value, (wanted[open] - from) / (at - from))
                }
                // The value before was not taken: the general sort knows.
                _ => return None,
            });
            open += 1;
        }
        previous = Some((value, at, rank));
        rank += 1;
        below += share;
    }
    Some(found)
}

/// Takes the values of the chosen buckets out, in order.
#[inline(always)]
fn take<K: SortKey>(
    full: &[K],
    part: &[K::Weighted],
    is_chosen: &[u8; BUCKETS],
    scratch: &mut SelectScratch<K>,
) {
    let len = full.len() + part.len();
    let taken = &mut scratch.taken;
    if taken.len() < len {
        taken.resize(len, K::Weighted::default());
    }
    let (full_buckets, part_buckets) = scratch.buckets.split_at(full.len());
    let mut kept = 0;
    // Each value is written, and kept by moving on: no branch that could be guessed wrong.
    for (key, bucket) in full.iter().zip(full_buckets) {
        taken[kept] = key.with_weight(1.0);
        kept += usize::from(is_chosen[usize::from(*bucket)]);
    }
    for (pair, bucket) in part.iter().zip(part_buckets) {
        taken[kept] = *pair;
        kept += usize::from(is_chosen[usize::from(*bucket)]);
    }
    scratch.taken_len = kept;
    let taken = &mut taken[..kept];
    if kept <= INSERTION_MAX {
        for index in 1..kept {
            let value = taken[index];
            let mut at = index;
            while at > 0 && taken[at - 1] > value {
                taken[at] = taken[at - 1];
                at -= 1;
            }
            taken[at] = value;
        }
    } else {
        taken.sort_unstable();
    }
}

/// Marks the buckets that hold the values around each wanted position.
///
/// The positions of a bucket's values lie within `steps` times the weight below its first and below
/// its end; the neighbours of a wanted position may stand in the filled buckets next to it.
#[inline(always)]
fn choose_buckets(weights: &[f64], counts: &[u32], steps: f64, wanted: &[f64; 3]) -> [u8; BUCKETS] {
    let mut is_chosen = [0; BUCKETS];
    let (mut below, mut bucket) = (0.0, 0);
    let last_filled = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
    for wanted in wanted {
        while bucket < last_filled && *wanted > steps * (below + weights[bucket]) {
            below += weights[bucket];
            bucket += 1;
        }
        is_chosen[bucket] = 1;
        let before = counts[..bucket].iter().rposition(|count| *count > 0);
        let after = counts[bucket + 1..].iter().position(|count| *count > 0);
        if let Some(before) = before {
            is_chosen[before] = 1;
        }
        if let Some(after) = after {
            is_chosen[bucket + 1 + after] = 1;
        }
    }
    is_chosen
}

/// True where two keys are equal, or so many look alike that it is not worth knowing.
#[inline(always)]
fn has_repeats<K: SortKey>(
    full: &[K],
    part: &[K::Weighted],
    scratch: &mut SelectScratch<K>,
) -> bool {
    let wanted_bits = (full.len() + part.len()) * REPEAT_BITS_EACH;
    let table_bits = wanted_bits.next_power_of_two().min(REPEAT_BITS);
    let shift = u32::BITS - table_bits.ilog2();
    let bits = &mut scratch.bits[..table_bits / 64];
    bits.fill(0);
    let mut suspects = [K::default(); SUSPECTS_MAX];
    let mut suspect_count = 0;
    let mut is_over = false;
    let mut mark = |key: K| {
        let hash = (key.hash_bits() >> shift) as usize;
        let (word, bit) = (&mut bits[hash / 64], 1u64 << (hash % 64));
        if *word & bit != 0 {
            match suspects.get_mut(suspect_count) {
                Some(slot) => *slot = key,
                None => is_over = true,
            }
            suspect_count += 1;
        }
        *word |= bit;
    };
    full.iter().for_each(|key| mark(*key));
    part.iter().for_each(|pair| mark(K::split(*pair).0));
    if is_over {
        return true;
    }
    let suspects = &suspects[..suspect_count.min(SUSPECTS_MAX)];
    suspects.iter().any(|suspect| {
        let in_full = full
            .iter()
            .fold(0u32, |sum, key| sum + u32::from(key == suspect));
        let in_part = part.iter().fold(0u32, |sum, pair| {
            sum + u32::from(K::split(*pair).0 == *suspect)
        });
        in_full + in_part > 1
    })
}
