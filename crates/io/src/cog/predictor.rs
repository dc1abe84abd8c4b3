//! Forward TIFF predictors on one row of a block: what differs from the neighbour packs better.
//!
//! Predictor 2 stores the difference of each sample from the same sample of the pixel before.
//! Predictor 3 first sorts the bytes of a float row into planes, the most significant first, then
//! takes byte differences (Adobe Photoshop TIFF Technical Note 3).

use swath_raster::Sample;

/// A sample as the bits that are stored.
pub(super) trait Encodable: Sample {
    /// Unsigned integer of the size of the sample.
    type Word: Word;

    /// Returns the bits of the sample.
    fn word(self) -> Self::Word;
}

/// An unsigned integer that holds the bits of a sample.
pub(super) trait Word: Copy + PartialEq + Default + Send + Sync {
    /// Bytes of the integer.
    const BYTES: usize;

    /// Writes `row` in little-endian order; `out` has its size in bytes.
    fn store(row: &[Self], out: &mut [u8]);

    /// Writes the differences of predictor 2; `stride` is the number of samples per pixel.
    fn store_differences(row: &[Self], stride: usize, out: &mut [u8]);

    /// Writes the byte planes of predictor 3, not yet as differences.
    fn store_planes(row: &[Self], out: &mut [u8]);
}

macro_rules! word {
    ($word:ty, $bytes:literal) => {
        impl Word for $word {
            const BYTES: usize = $bytes;

            fn store(row: &[Self], out: &mut [u8]) {
                for (bytes, value) in out.chunks_exact_mut($bytes).zip(row) {
                    bytes.copy_from_slice(&value.to_le_bytes());
                }
            }

            fn store_differences(row: &[Self], stride: usize, out: &mut [u8]) {
                let stride = stride.min(row.len());
                let (first, rest) = out.split_at_mut(stride * $bytes);
                Self::store(&row[..stride], first);
                let pairs = row[stride..].iter().zip(row);
                for (bytes, (value, before)) in rest.chunks_exact_mut($bytes).zip(pairs) {
                    bytes.copy_from_slice(&value.wrapping_sub(*before).to_le_bytes());
                }
            }

            fn store_planes(row: &[Self], out: &mut [u8]) {
                for (plane_index, plane) in out.chunks_exact_mut(row.len().max(1)).enumerate() {
                    let shift = 8 * ($bytes - 1 - plane_index);
                    for (byte, value) in plane.iter_mut().zip(row) {
                        *byte = (*value >> shift) as u8;
                    }
                }
            }
        }
    };
}

word!(u8, 1);
word!(u16, 2);
word!(u32, 4);
word!(u64, 8);

macro_rules! encodable_integer {
    ($type:ty, $word:ty) => {
        impl Encodable for $type {
            type Word = $word;
            fn word(self) -> $word {
                self as $word
            }
        }
    };
}

encodable_integer!(u8, u8);
encodable_integer!(i8, u8);
encodable_integer!(u16, u16);
encodable_integer!(i16, u16);
encodable_integer!(u32, u32);
encodable_integer!(i32, u32);
encodable_integer!(u64, u64);
encodable_integer!(i64, u64);

impl Encodable for f32 {
    type Word = u32;
    fn word(self) -> u32 {
        self.to_bits()
    }
}

impl Encodable for f64 {
    type Word = u64;
    fn word(self) -> u64 {
        self.to_bits()
    }
}

/// TIFF tag 317.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predictor {
    /// 1: samples as they are.
    None,
    /// 2: differences of samples.
    Horizontal,
    /// 3: differences of byte planes.
    Float,
}

impl Predictor {
    /// Returns the value of the tag.
    pub(super) fn tag(self) -> u16 {
        match self {
            Self::None => 1,
            Self::Horizontal => 2,
            Self::Float => 3,
        }
    }

    /// Writes one row of pixel-interleaved samples as stored; `out` has the size of the row in
    /// bytes, `planes` is room to work in.
    pub(super) fn store_row<W: Word>(
        self,
        row: &[W],
        samples_per_pixel: usize,
        planes: &mut Vec<u8>,
        out: &mut [u8],
    ) {
        match self {
            Self::None => W::store(row, out),
            Self::Horizontal => W::store_differences(row, samples_per_pixel, out),
            Self::Float => {
                planes.resize(out.len(), 0);
                W::store_planes(row, planes);
                u8::store_differences(planes, samples_per_pixel, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn undo_horizontal(stored: &[u8], stride: usize) -> Vec<u16> {
        let mut row: Vec<u16> = stored
            .chunks(2)
            .map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
            .collect();
        for i in stride..row.len() {
            row[i] = row[i].wrapping_add(row[i - stride]);
        }
        row
    }

    fn undo_float(stored: &[u8], stride: usize) -> Vec<u64> {
        let mut bytes = stored.to_vec();
        for i in stride..bytes.len() {
            bytes[i] = bytes[i].wrapping_add(bytes[i - stride]);
        }
        let len = bytes.len() / 8;
        (0..len)
            .map(|i| (0..8).fold(0, |v, plane| v << 8 | u64::from(bytes[plane * len + i])))
            .collect()
    }

    proptest! {
        #[test]
        fn horizontal_differences_sum_up_to_the_row(
            row in proptest::collection::vec(any::<u16>(), 1..70), stride in 1usize..5,
        ) {
            let mut out = vec![0; row.len() * 2];
            Predictor::Horizontal.store_row(&row, stride, &mut Vec::new(), &mut out);
            prop_assert_eq!(undo_horizontal(&out, stride), row);
        }

        #[test]
        fn float_planes_join_up_to_the_row(
            row in proptest::collection::vec(any::<u64>(), 1..70), stride in 1usize..5,
        ) {
            let mut out = vec![0; row.len() * 8];
            Predictor::Float.store_row(&row, stride, &mut Vec::new(), &mut out);
            prop_assert_eq!(undo_float(&out, stride), row);
        }
    }
}
