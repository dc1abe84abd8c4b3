//! Which pixels hold a measurement.

use crate::{DataType, Pixels, Sample, for_pixels};

/// Neighbouring pixels that are looked at together.
const CHUNK_PX: usize = 64;

/// Validity of pixels; `true` = valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mask {
    /// Every pixel is valid.
    All,
    /// No pixel is valid.
    None,
    /// One flag per pixel, in the order of the pixels.
    Pixels(Vec<bool>),
}

impl Mask {
    /// Returns the mask of flags, in its shortest form.
    pub fn from_flags(flags: Vec<bool>) -> Self {
        // Chunks without an early exit inside run vectorised.
        let all_valid = |chunk: &[bool]| chunk.iter().fold(true, |all, valid| all & *valid);
        if flags.chunks(1024).all(all_valid) {
            Self::All
        } else if flags.iter().any(|valid| *valid) {
            Self::Pixels(flags)
        } else {
            Self::None
        }
    }

    /// Returns what is valid by value alone: not nodata (compared in the band's own type) and not NaN.
    ///
    /// `nodata` is the text of the file; a value that the type cannot hold masks nothing.
    pub fn from_nodata(pixels: &Pixels, nodata: Option<&str>) -> Self {
        fn flags<T: Sample>(values: &[T], nodata: Option<T>) -> Mask {
            // NaN differs from every value; what has no NaN and no nodata is valid as it is.
            let nodata = nodata.filter(|value| !value.is_nan());
            let Some(nodata) = nodata.or_else(|| T::from_f64(f64::NAN)) else {
                return Mask::All;
            };
            let is_valid = |value: T| (value != nodata) & !value.is_nan();
            // Chunks without an early exit inside let the comparison run vectorised.
            let all_valid =
                |chunk: &[T]| chunk.iter().fold(true, |all, value| all & is_valid(*value));
            if values.chunks(1024).all(all_valid) {
                return Mask::All;
            }
            Mask::from_flags(values.iter().map(|value| is_valid(*value)).collect())
        }
        for_pixels!(pixels, values => flags(values, nodata.and_then(parse_nodata)))
    }

    /// Returns where values are numbers.
    pub fn of_numbers(values: &[f32]) -> Self {
        // Chunks without an early exit inside run vectorised.
        let are_numbers =
            |chunk: &[f32]| chunk.iter().fold(true, |all, value| all & !value.is_nan());
        match values.chunks(1024).all(are_numbers) {
            true => Self::All,
            false => Self::from_flags(values.iter().map(|value| !value.is_nan()).collect()),
        }
    }

    /// Keeps what is valid in both.
    pub fn and(self, other: &Mask) -> Self {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => Self::None,
            (mask, Self::All) => mask,
            (Self::All, Self::Pixels(flags)) => Self::Pixels(flags.clone()),
            (Self::Pixels(mut flags), Self::Pixels(others)) => {
                flags
                    .iter_mut()
                    .zip(others)
                    .for_each(|(flag, other)| *flag &= *other);
                Self::from_flags(flags)
            }
        }
    }

    /// Makes values 0 that are not valid.
    ///
    /// # Panics
    /// Where the mask has fewer flags than there are values.
    pub fn clear_invalid(&self, pixels: &mut Pixels) {
        fn clear<T: Sample>(values: &mut [T], flags: &[bool]) {
            assert!(flags.len() >= values.len(), "a flag for each value");
            let chunks = values.chunks_mut(CHUNK_PX).zip(flags.chunks(CHUNK_PX));
            for (values, flags) in chunks {
                // Most neighbours are valid together: these chunks are not written.
                if flags.iter().fold(true, |all, flag| all & *flag) {
                    continue;
                }
                for (value, flag) in values.iter_mut().zip(flags) {
                    *value = if *flag { *value } else { T::default() };
                }
            }
        }
        match self {
            Self::All => {}
            Self::None => for_pixels!(pixels, values => values.fill(Default::default())),
            Self::Pixels(flags) => for_pixels!(pixels, values => clear(values, flags)),
        }
    }

    /// True where the pixel at `index` is valid.
    ///
    /// # Panics
    /// Where `index` is out of range of the flags.
    #[inline]
    pub fn is_valid(&self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Pixels(flags) => flags[index],
        }
    }
}

/// True where a nodata text is a value that samples of `data_type` can have.
pub fn can_hold(data_type: DataType, nodata: &str) -> bool {
    let sample = Pixels::zeros(data_type, 1);
    fn holds<T: Sample>(_: &[T], nodata: &str) -> bool {
        parse_nodata::<T>(nodata).is_some()
    }
    for_pixels!(&sample, values => holds(values, nodata))
}

/// Returns a nodata text as a value of type `T`, `None` where the type cannot hold it.
fn parse_nodata<T: Sample>(text: &str) -> Option<T> {
    let text = text.trim();
    // 64-bit integers do not survive a detour through f64.
    if let Ok(whole) = text.parse::<i128>() {
        return T::from_i128(whole);
    }
    T::from_f64(text.parse::<f64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodata_is_compared_in_the_type_of_the_band() {
        let floats = Pixels::F32(vec![1.0, -3.402_823e38, f32::NAN, 2.0]);
        let mask = Mask::from_nodata(&floats, Some("-3.4028230607370965e+38"));
        assert_eq!(mask, Mask::Pixels(vec![true, false, false, true]));
        assert_eq!(
            Mask::from_nodata(&Pixels::U8(vec![0, 255]), Some("-9999")),
            Mask::All
        );
        assert_eq!(
            Mask::from_nodata(&Pixels::U8(vec![0, 255]), Some("nan")),
            Mask::All
        );
    }

    #[test]
    fn large_integers_are_compared_exactly() {
        let pixels = Pixels::I64(vec![i64::MIN + 1, i64::MIN]);
        let mask = Mask::from_nodata(&pixels, Some("-9223372036854775808"));
        assert_eq!(mask, Mask::Pixels(vec![true, false]));
    }

    #[test]
    fn numbers_are_valid() {
        assert_eq!(Mask::of_numbers(&[1.0, f32::INFINITY]), Mask::All);
        assert_eq!(
            Mask::of_numbers(&[1.0, f32::NAN]),
            Mask::Pixels(vec![true, false])
        );
    }

    #[test]
    fn only_what_is_not_valid_is_cleared() {
        let values: Vec<u16> = (1..=150).collect();
        let flags: Vec<bool> = (0..150).map(|index| index != 70 && index != 149).collect();
        let mut pixels = Pixels::U16(values.clone());
        Mask::All.clear_invalid(&mut pixels);
        assert_eq!(pixels, Pixels::U16(values.clone()));
        Mask::Pixels(flags).clear_invalid(&mut pixels);
        let mut expected = values;
        (expected[70], expected[149]) = (0, 0);
        assert_eq!(pixels, Pixels::U16(expected));
        Mask::None.clear_invalid(&mut pixels);
        assert_eq!(pixels, Pixels::U16(vec![0; 150]));
    }

    #[test]
    fn and_keeps_the_shortest_form() {
        let left = Mask::Pixels(vec![true, false]);
        assert_eq!(
            left.clone().and(&Mask::Pixels(vec![false, true])),
            Mask::None
        );
        assert_eq!(left.clone().and(&Mask::All), left);
    }
}
