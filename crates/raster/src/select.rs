//! Quartiles of a parcel's worth of values without sorting them all.
//!
//! Values are counted in a few hundred buckets between the smallest and the largest; only those in
//! the buckets around a quartile are taken out and sorted. With shares the formula also asks for the
//! number of distinct values: a bit table finds lists without repeats, which is what measured
//! backscatter and reflectance in floats are; lists with repeats are left to the general sort.

use crate::ordered::SortKey;
use crate::statistics::interpolate;

/// Most buckets between the smallest and the largest value.
const BUCKETS_MAX: usize = 256;
/// Values that a bucket should hold, about.
const BUCKET_VALUES: usize = 4;
/// Fewer values than this are sorted instead.
const VALUES_MIN: usize = 64;
/// More values than this are sorted instead: buckets would be long.
const VALUES_MAX: usize = 8192;
/// Bits of the table that finds repeats.
const REPEAT_BITS: usize = 1 << 16;
/// Values whose bit was taken already, after which repeats are likely.
const SUSPECTS_MAX: usize = 24;

/// Memory that [`quartiles`] reuses.
#[derive(Debug)]
pub(crate) struct SelectScratch<K> {
    counts: Vec<u32>,
    weights: Vec<f64>,
    bits: Vec<u64>,
    taken: Vec<(K, f64)>,
}

impl<K> Default for SelectScratch<K> {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS_MAX],
            weights: vec![0.0; BUCKETS_MAX],
            bits: vec![0; REPEAT_BITS / 64],
            taken: Vec::new(),
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
    let (low, high) = (min.high_bits(), max.high_bits());
    if low == high || (is_weighted && has_repeats(full, part, scratch)) {
        return None;
    }
    let buckets = (len / BUCKET_VALUES).next_power_of_two().min(BUCKETS_MAX);
    // Fixed point with 32 bits of fraction; the product stays below `buckets << 32`.
    let factor = ((buckets as u64) << 32) / (u64::from(high - low) + 1);
    let bucket_of =
        |key: K| ((u64::from(key.high_bits() - low) * factor) >> 32) as usize % BUCKETS_MAX;
    let (counts, weights) = (
        &mut scratch.counts[..BUCKETS_MAX],
        &mut scratch.weights[..BUCKETS_MAX],
    );
    counts[..buckets].fill(0);
    for key in full {
        counts[bucket_of(*key)] += 1;
    }
    for (weight, count) in weights[..buckets].iter_mut().zip(counts.iter()) {
        *weight = f64::from(*count);
    }
    for pair in part {
        let (key, share) = K::split(*pair);
        let bucket = bucket_of(key);
        counts[bucket] += 1;
        weights[bucket] += f64::from(share);
    }
    let steps = len as f64 - 1.0;
    // Where a value stands: s of the formula. Without shares it is the rank times the number.
    let position = |rank: usize, below: f64, weight: f64| rank as f64 * weight + steps * below;
    let wanted = [0.25, 0.5, 0.75].map(|share| share * steps * total);
    let is_chosen = choose_buckets(&weights[..buckets], steps, &wanted);
    let taken = &mut scratch.taken;
    taken.clear();
    taken.extend(
        full.iter()
            .filter(|key| is_chosen[bucket_of(**key)])
            .map(|key| (*key, 1.0)),
    );
    let shares = part.iter().map(|pair| K::split(*pair));
    taken.extend(
        shares
            .filter(|(key, _)| is_chosen[bucket_of(*key)])
            .map(|(key, share)| (key, f64::from(share))),
    );
    taken.sort_unstable_by_key(|(key, _)| *key);
    // Walk over the taken values; what lies in buckets left out is known by their sums.
    let (mut rank, mut below, mut next_bucket) = (0, 0.0, 0);
    let mut previous: Option<(f64, f64, usize)> = None;
    let mut found = [None; 3];
    for (key, weight) in taken.iter() {
        let bucket = bucket_of(*key);
        while next_bucket < bucket {
            if !is_chosen[next_bucket] {
                rank += counts[next_bucket] as usize;
                below += weights[next_bucket];
            }
            next_bucket += 1;
        }
        let (value, at) = (to_f64(*key), position(rank, below, *weight));
        for (wanted, found) in wanted.iter().zip(&mut found) {
            if found.is_none() && at >= *wanted {
                *found = Some(match previous {
                    _ if at == *wanted => value,
                    Some((low, from, last)) if last + 1 == rank => {
                        interpolate(low, value, (wanted - from) / (at - from))
                    }
                    // The value before was not taken: the general sort knows.
                    _ => return None,
                });
            }
        }
        previous = Some((value, at, rank));
        rank += 1;
        below += weight;
    }
    let largest = to_f64(max);
    let values = found.map(|found| found.unwrap_or(largest));
    Some(Quartiles { min, max, values })
}

/// Marks the buckets that hold the values around each wanted position.
///
/// The positions of a bucket's values lie within `steps` times the weight below its first and below
/// its end; the neighbours of a wanted position may stand in the filled buckets next to it.
#[inline(always)]
fn choose_buckets(weights: &[f64], steps: f64, wanted: &[f64; 3]) -> [bool; BUCKETS_MAX] {
    let mut is_chosen = [false; BUCKETS_MAX];
    let (mut below, mut last_filled) = (0.0, 0);
    let mut open = 0;
    let mut wants_next = false;
    for (bucket, weight) in weights
        .iter()
        .enumerate()
        .filter(|(_, weight)| **weight > 0.0)
    {
        below += weight;
        if std::mem::take(&mut wants_next) {
            is_chosen[bucket] = true;
        }
        while open < wanted.len() && wanted[open] <= steps * below {
            is_chosen[last_filled] = true;
            is_chosen[bucket] = true;
            wants_next = true;
            open += 1;
        }
        last_filled = bucket;
    }
    // Rounding may leave the last position just above the sum.
    is_chosen[last_filled] |= open < wanted.len();
    is_chosen
}

/// True where two keys are equal, or so many look alike that it is not worth knowing.
#[inline(always)]
fn has_repeats<K: SortKey>(
    full: &[K],
    part: &[K::Weighted],
    scratch: &mut SelectScratch<K>,
) -> bool {
    scratch.bits.fill(0);
    let bits = &mut scratch.bits[..REPEAT_BITS / 64];
    let mut suspects = [K::default(); SUSPECTS_MAX];
    let mut suspect_count = 0;
    let mut is_over = false;
    let mut mark = |key: K| {
        let hash = key.hash_bits() as usize % REPEAT_BITS;
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
