//! Samples as sortable integer keys, and a sort made for a parcel's worth of them.

use crate::Sample;

/// A sample with an integer key in the same order.
pub trait Ordered: Sample {
    /// Unsigned integer of the same width, at least 32 bits.
    type Key: SortKey;

    /// Returns the key; NaN is never asked for.
    fn to_key(self) -> Self::Key;

    /// Returns the value of a key as `f64`.
    fn key_to_f64(key: Self::Key) -> f64;
}

/// An unsigned integer that can stand in a list by itself or above a weight.
pub trait SortKey: Copy + Ord + Default + Send + Sync + std::fmt::Debug + 'static {
    /// Key in the upper, weight in the lower half.
    type Weighted: SortKey;

    /// Puts a weight below the key: order by key, then by weight.
    fn with_weight(self, weight: f32) -> Self::Weighted;

    /// Takes key and weight apart.
    fn split(weighted: Self::Weighted) -> (Self, f32);

    /// Returns 32 bits that scatter keys, the higher ones best.
    fn hash_bits(self) -> u32;

    /// Returns the 32 highest bits: they order keys but for those that share them.
    fn high_bits(self) -> u32;
}

impl SortKey for u32 {
    type Weighted = u64;
    #[inline]
    fn with_weight(self, weight: f32) -> u64 {
        u64::from(self) << 32 | u64::from(weight.to_bits())
    }
    #[inline]
    fn split(weighted: u64) -> (u32, f32) {
        ((weighted >> 32) as u32, f32::from_bits(weighted as u32))
    }
    #[inline]
    fn hash_bits(self) -> u32 {
        self.wrapping_mul(0x9e37_79b1)
    }
    #[inline]
    fn high_bits(self) -> u32 {
        self
    }
}

impl SortKey for u64 {
    type Weighted = u128;
    #[inline]
    fn with_weight(self, weight: f32) -> u128 {
        u128::from(self) << 64 | u128::from(weight.to_bits())
    }
    #[inline]
    fn split(weighted: u128) -> (u64, f32) {
        ((weighted >> 64) as u64, f32::from_bits(weighted as u32))
    }
    #[inline]
    fn hash_bits(self) -> u32 {
        (self.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }
    #[inline]
    fn high_bits(self) -> u32 {
        (self >> 32) as u32
    }
}

impl SortKey for u128 {
    type Weighted = u128;
    #[inline]
    fn with_weight(self, _weight: f32) -> u128 {
        self
    }
    #[inline]
    fn split(weighted: u128) -> (u128, f32) {
        (weighted, 1.0)
    }
    #[inline]
    fn hash_bits(self) -> u32 {
        ((self >> 64) as u64).hash_bits()
    }
    #[inline]
    fn high_bits(self) -> u32 {
        (self >> 96) as u32
    }
}

macro_rules! unsigned {
    ($($type:ty => $key:ty),*) => {$(
        impl Ordered for $type {
            type Key = $key;
            #[inline]
            fn to_key(self) -> $key {
                self.into()
            }
            #[inline]
            fn key_to_f64(key: $key) -> f64 {
                key as f64
            }
        }
    )*};
}
unsigned!(u8 => u32, u16 => u32, u32 => u32, u64 => u64);

macro_rules! signed {
    ($($type:ty as $wide:ty => $key:ty, $bit:expr);*) => {$(
        impl Ordered for $type {
            type Key = $key;
            #[inline]
            fn to_key(self) -> $key {
                <$wide>::from(self) as $key ^ $bit
            }
            #[inline]
            fn key_to_f64(key: $key) -> f64 {
                (key ^ $bit) as $wide as f64
            }
        }
    )*};
}
signed!(i8 as i32 => u32, 1 << 31; i16 as i32 => u32, 1 << 31; i32 as i32 => u32, 1 << 31; i64 as i64 => u64, 1 << 63);

macro_rules! float {
    ($($type:ty => $key:ty, $bits:expr);*) => {$(
        impl Ordered for $type {
            type Key = $key;
            #[inline]
            fn to_key(self) -> $key {
                // -0 and 0 are one value. Negative floats sort backwards as integers: all bits flip.
                let bits = (self + 0.0).to_bits();
                let sign = (bits >> ($bits - 1)).wrapping_neg();
                bits ^ (sign | 1 << ($bits - 1))
            }
            #[inline]
            fn key_to_f64(key: $key) -> f64 {
                let sign = ((key >> ($bits - 1)) ^ 1).wrapping_neg();
                <$type>::from_bits(key ^ (sign | 1 << ($bits - 1))).into()
            }
        }
    )*};
}
float!(f32 => u32, 32; f64 => u64, 64);

/// Fewer values than this are sorted directly.
const DIRECT_MAX: usize = 48;
/// More values than this are sorted directly: positions no longer fit the caches.
const SPREAD_MAX: usize = 1 << 16;
/// A bucket with more values than this is sorted by itself.
const BUCKET_MAX: usize = 16;

/// Sorts `values`; `scratch` lends its memory.
///
/// Values are spread over as many buckets as there are values, by their place between the smallest
/// and the largest, then neighbours are put in order. Clustered values fall back to a general sort.
pub fn sort_values<K: SortKey>(values: &mut [K], scratch: &mut SortScratch<K>) {
    let len = values.len();
    if !(DIRECT_MAX..=SPREAD_MAX).contains(&len) {
        values.sort_unstable();
        return;
    }
    let (low, high) = values.iter().fold((u32::MAX, 0), |(low, high), value| {
        (low.min(value.high_bits()), high.max(value.high_bits()))
    });
    if low == high {
        values.sort_unstable();
        return;
    }
    // Fixed point with 32 bits of fraction; the product stays below `len << 32`.
    let factor = ((len as u64) << 32) / (u64::from(high - low) + 1);
    let bucket_of = |value: K| ((u64::from(value.high_bits() - low) * factor) >> 32) as usize;
    scratch.ends.clear();
    scratch.ends.resize(len + 1, 0);
    let ends = &mut scratch.ends[..len + 1];
    for value in values.iter() {
        ends[bucket_of(*value) + 1] += 1;
    }
    let mut largest = 0;
    let mut sum = 0;
    for end in ends.iter_mut() {
        largest = largest.max(*end);
        sum += *end;
        *end = sum;
    }
    scratch
        .values
        .resize(len.max(scratch.values.len()), K::default());
    let spread = &mut scratch.values[..len];
    // `ends[bucket]` walks from the bucket's start to its end.
    for value in values.iter() {
        let at = &mut ends[bucket_of(*value)];
        spread[*at as usize] = *value;
        *at += 1;
    }
    values.copy_from_slice(spread);
    if largest as usize > BUCKET_MAX {
        let mut from = 0;
        for end in &scratch.ends[..len] {
            let to = *end as usize;
            if to - from > BUCKET_MAX {
                values[from..to].sort_unstable();
            }
            from = to;
        }
    }
    insertion_sort(values);
}

fn insertion_sort<K: SortKey>(values: &mut [K]) {
    for index in 1..values.len() {
        let value = values[index];
        let mut at = index;
        while at > 0 && values[at - 1] > value {
            values[at] = values[at - 1];
            at -= 1;
        }
        values[at] = value;
    }
}

/// Memory that [`sort_values`] reuses.
#[derive(Debug, Default)]
pub struct SortScratch<K> {
    ends: Vec<u32>,
    values: Vec<K>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_of_floats_keep_order_and_value(a in any::<f32>(), b in any::<f32>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(a.to_key().cmp(&b.to_key()), a.partial_cmp(&b).expect("no NaN"));
            prop_assert_eq!(f32::key_to_f64(a.to_key()), f64::from(a));
        }

        #[test]
        fn keys_of_integers_keep_order_and_value(a in any::<i16>(), b in any::<i64>(), c in any::<i64>()) {
            prop_assert_eq!(i16::key_to_f64(a.to_key()), f64::from(a));
            prop_assert_eq!(b.to_key().cmp(&c.to_key()), b.cmp(&c));
            prop_assert_eq!(i64::key_to_f64(b.to_key()), b as f64);
        }

        #[test]
        fn sort_equals_the_general_sort(
            values in proptest::collection::vec(prop_oneof![any::<u64>(), 0u64..9, Just(u64::MAX)], 0..700),
        ) {
            let mut expected = values.clone();
            expected.sort_unstable();
            let mut found = values;
            sort_values(&mut found, &mut SortScratch::default());
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn zeros_of_both_signs_are_one_value() {
        assert_eq!((-0.0f32).to_key(), 0.0f32.to_key());
    }
}
