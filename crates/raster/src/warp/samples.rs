//! What interpolation makes of samples of each type: how pairs are loaded, mixed and rounded.

use crate::Sample;

/// A sample type that values of interpolation can be put into.
pub(crate) trait Interpolate: Sample {
    /// True where single precision holds every value and 8 bits of a fraction.
    const IS_NARROW: bool;

    /// Two neighbouring values as they lie in memory.
    type Pair: Copy + Default;

    /// Returns the first two of `values`.
    ///
    /// # Panics
    /// Where there are fewer.
    fn pair(values: &[Self]) -> Self::Pair;

    /// Takes a pair apart.
    fn split(pair: Self::Pair) -> [Self; 2];

    /// Returns `value` in this type: integers rounded half up and cut at the ends.
    fn rounded(value: f64) -> Self;

    /// Returns the bilinear mix of four values (upper left, upper right, lower left, lower right) by
    /// shares in 0..=1.
    fn mix(corners: [Self; 4], share_x: f64, share_y: f64) -> Self;

    /// The same in single precision.
    #[inline(always)]
    fn mix_narrow(corners: [Self; 4], share_x: f32, share_y: f32) -> Self {
        let [a, b, c, d] = corners.map(Self::single);
        let (upper, lower) = (a + (b - a) * share_x, c + (d - c) * share_x);
        Self::from_single(upper + (lower - upper) * share_y)
    }

    /// Returns the value in single precision.
    fn single(self) -> f32;

    /// Returns `value`, a number, in this type: integers rounded half up and cut at the ends.
    fn from_single(value: f32) -> Self;
}

/// Pairs that are loaded as one number and taken apart in vectors.
macro_rules! pair_as_number {
    ($type:ty, $number:ty) => {
        type Pair = $number;

        #[inline(always)]
        fn pair(values: &[Self]) -> $number {
            let [first, second] = [values[0], values[1]].map(|value| value.to_le_bytes());
            let mut bytes = [0; size_of::<$number>()];
            bytes[..size_of::<$type>()].copy_from_slice(&first);
            bytes[size_of::<$type>()..].copy_from_slice(&second);
            <$number>::from_le_bytes(bytes)
        }

        #[inline(always)]
        fn split(pair: $number) -> [Self; 2] {
            [pair as $type, (pair >> <$type>::BITS) as $type]
        }
    };
}

/// Pairs of types for which that gains nothing.
macro_rules! pair_as_array {
    ($type:ty) => {
        type Pair = [$type; 2];

        #[inline(always)]
        fn pair(values: &[Self]) -> [Self; 2] {
            [values[0], values[1]]
        }

        #[inline(always)]
        fn split(pair: [Self; 2]) -> [Self; 2] {
            pair
        }
    };
}

macro_rules! interpolate_integer {
    ($mixed:ty, $whole:ident, $is_narrow:literal: $($type:ty, $pairs:ident!($($number:ty),+);)*) => {
        $(impl Interpolate for $type {
            const IS_NARROW: bool = $is_narrow;
            $pairs!($($number),+);

            #[inline(always)]
            fn rounded(value: f64) -> Self {
                // `as` cuts at the ends of the type.
                (value + 0.5).floor() as $type
            }

            #[inline(always)]
            fn mix(corners: [Self; 4], share_x: f64, share_y: f64) -> Self {
                let [a, b, c, d] = corners.map(|value| value as $mixed);
                let (x, y) = (share_x as $mixed, share_y as $mixed);
                let (upper, lower) = (a + (b - a) * x, c + (d - c) * x);
                $whole((upper + (lower - upper) * y + 0.5).floor()) as $type
            }

            #[inline(always)]
            fn single(self) -> f32 {
                self as f32
            }

            #[inline(always)]
            fn from_single(value: f32) -> Self {
                let held = value.max(<$type>::MIN as f32).min(<$type>::MAX as f32);
                $whole(((held + 0.5) as $mixed).floor()) as $type
            }
        })*
    };
}

/// Returns a whole number of at most 17 bits; unlike `as`, in vectors too.
#[allow(
    clippy::manual_clamp,
    reason = "`clamp` leaves what is no number as it is"
)]
#[inline(always)]
fn narrow(value: f32) -> i32 {
    // What is no number becomes the lower end.
    let held = value.max(-65_536.0).min(65_536.0);
    // SAFETY: the type holds it.
    unsafe { held.to_int_unchecked() }
}

/// The same for types that `as` cuts at the ends.
#[inline(always)]
fn wide(value: f64) -> f64 {
    value
}

macro_rules! interpolate_float {
    ($($type:ty),*) => {
        $(impl Interpolate for $type {
            const IS_NARROW: bool = false;
            pair_as_array!($type);

            #[inline(always)]
            fn rounded(value: f64) -> Self {
                value as $type
            }

            #[inline(always)]
            fn mix(corners: [Self; 4], share_x: f64, share_y: f64) -> Self {
                let [a, b, c, d] = corners.map(f64::from);
                let (upper, lower) = (a + (b - a) * share_x, c + (d - c) * share_x);
                (upper + (lower - upper) * share_y) as $type
            }

            #[inline(always)]
            fn single(self) -> f32 {
                self as f32
            }

            #[inline(always)]
            fn from_single(value: f32) -> Self {
                value as $type
            }
        })*
    };
}

// Single precision holds 16 bits and 8 of the fraction.
interpolate_integer!(f32, narrow, true:
    u8, pair_as_number!(u8, u16);
    i8, pair_as_number!(i8, u16);
    u16, pair_as_number!(u16, u32);
    i16, pair_as_number!(i16, u32);
);
interpolate_integer!(f64, wide, false:
    u32, pair_as_array!(u32);
    i32, pair_as_array!(i32);
    u64, pair_as_array!(u64);
    i64, pair_as_array!(i64);
);
interpolate_float!(f32, f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_stay_between_their_corners() {
        for share in [0.0, 0.3, 0.999_999_999, 1.0] {
            assert_eq!(u16::mix([u16::MAX; 4], share, share), u16::MAX);
            assert_eq!(i16::mix([i16::MIN; 4], share, share), i16::MIN);
            assert_eq!(
                u8::mix([0, 255, 0, 255], share, 1.0),
                (share * 255.0 + 0.5) as u8
            );
        }
    }
}
