//! Undoing TIFF's predictors: horizontal differences (2) and floating-point byte planes (3).
//!
//! Source: TIFF 6.0 section 14; Adobe Photoshop TIFF Technical Note 3 for predictor 3.

#[cfg(target_arch = "x86_64")]
mod sse2;

use swath_raster::DataType;

use super::DecodeScratch;
use crate::tiff::ImageLayout;

/// Undoes the predictor of `layout` in place; afterwards predictor-3 data is in native byte order.
pub(super) fn undo(
    layout: &ImageLayout,
    plain: &mut [u8],
    row: &mut Vec<u8>,
) -> Result<(), String> {
    let row_bytes = layout.row_bytes() as usize;
    let samples = layout.bands_per_block();
    match layout.predictor {
        1 => Ok(()),
        2 if matches!(layout.bits, 8 | 16 | 32 | 64) => {
            for line in plain.chunks_exact_mut(row_bytes) {
                horizontal(line, layout.bits, samples, layout.is_little_endian);
            }
            Ok(())
        }
        3 if layout.data_type.is_float() => {
            row.resize(row_bytes, 0);
            for line in plain.chunks_exact_mut(row_bytes) {
                prefix_sum(line, samples);
                row.copy_from_slice(line);
                interleave_planes(row, line, layout.data_type.size_bytes());
            }
            Ok(())
        }
        other => Err(format!(
            "predictor {other} with {}-bit {} samples is not read",
            layout.bits,
            layout.data_type.name()
        )),
    }
}

/// Undoes predictor 3 of one or two bands of single precision and separates them on the way;
/// `None` for other layouts, whose bytes are left as they are.
pub(super) fn float_bands(
    layout: &ImageLayout,
    plain: &mut [u8],
    scratch: &mut DecodeScratch,
) -> Option<Vec<Vec<f32>>> {
    let samples = layout.bands_per_block();
    let is_fit = layout.predictor == 3 && layout.data_type == DataType::F32 && samples <= 2;
    if !is_fit {
        return None;
    }
    let len = plain.len() / 4 / samples;
    let mut bands: Vec<Vec<f32>> = (0..samples).map(|_| scratch.values(len)).collect();
    let row_bytes = layout.row_bytes() as usize;
    let row_len = row_bytes / 4 / samples;
    for (row, line) in plain.chunks_exact_mut(row_bytes).enumerate() {
        prefix_sum(line, samples);
        let count = line.len() / 4;
        let planes: [&[u8]; 4] = std::array::from_fn(|plane| &line[plane * count..][..count]);
        let own = row * row_len..(row + 1) * row_len;
        match &mut bands[..] {
            [one] => float_row(planes, [&mut one[own]]),
            [first, second] => float_row(planes, [&mut first[own.clone()], &mut second[own]]),
            _ => unreachable!("at most two bands"),
        }
    }
    Some(bands)
}

/// Puts the byte planes of a row, most significant first, together to the values of its bands,
/// which take turns.
fn float_row<const BANDS: usize>(planes: [&[u8]; 4], mut bands: [&mut [f32]; BANDS]) {
    #[cfg(target_arch = "x86_64")]
    let done = sse2::float_row(planes, &mut bands);
    #[cfg(not(target_arch = "x86_64"))]
    let done = 0;
    for at in done..planes[0].len() {
        let value = f32::from_bits(u32::from_be_bytes(planes.map(|plane| plane[at])));
        bands[at % BANDS][at / BANDS] = value;
    }
}

/// True where samples still stand in the byte order of the file.
pub(super) fn keeps_file_order(layout: &ImageLayout) -> bool {
    layout.predictor != 3
}

fn horizontal(line: &mut [u8], bits: u32, samples: usize, is_little_endian: bool) {
    #[cfg(target_arch = "x86_64")]
    if is_little_endian && bits == 16 && matches!(samples, 1..=4) {
        let done = match samples {
            1 => sse2::prefix_sum16::<1>(line),
            2 => sse2::prefix_sum16::<2>(line),
            3 => sse2::prefix_sum16::<3>(line),
            _ => sse2::prefix_sum16::<4>(line),
        };
        let stride = samples * 2;
        for at in (done.max(stride)..line.len().saturating_sub(1)).step_by(2) {
            let sum = u16::from_le_bytes([line[at - stride], line[at - stride + 1]])
                .wrapping_add(u16::from_le_bytes([line[at], line[at + 1]]));
            line[at..at + 2].copy_from_slice(&sum.to_le_bytes());
        }
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if bits == 8 {
        return prefix_sum(line, samples);
    }
    macro_rules! accumulate {
        ($type:ty) => {{
            const LEN: usize = size_of::<$type>();
            let load = |bytes: &[u8]| {
                let raw = bytes
                    .try_into()
                    .expect("a chunk has the length of the type");
                if is_little_endian {
                    <$type>::from_le_bytes(raw)
                } else {
                    <$type>::from_be_bytes(raw)
                }
            };
            let store = |value: $type| {
                if is_little_endian {
                    value.to_le_bytes()
                } else {
                    value.to_be_bytes()
                }
            };
            if samples == 1 {
                let mut sum: $type = 0;
                for chunk in line.chunks_exact_mut(LEN) {
                    sum = sum.wrapping_add(load(chunk));
                    chunk.copy_from_slice(&store(sum));
                }
            } else {
                let stride = samples * LEN;
                for at in (stride..line.len().saturating_sub(LEN - 1)).step_by(LEN) {
                    let sum = load(&line[at - stride..at - stride + LEN])
                        .wrapping_add(load(&line[at..at + LEN]));
                    line[at..at + LEN].copy_from_slice(&store(sum));
                }
            }
        }};
    }
    match bits {
        8 => accumulate!(u8),
        16 => accumulate!(u16),
        32 => accumulate!(u32),
        _ => accumulate!(u64),
    }
}

/// Adds to each byte the one `stride` before it, modulo 256.
fn prefix_sum(line: &mut [u8], stride: usize) {
    #[cfg(target_arch = "x86_64")]
    if matches!(stride, 1..=4) {
        let done = match stride {
            1 => sse2::prefix_sum::<1>(line),
            2 => sse2::prefix_sum::<2>(line),
            3 => sse2::prefix_sum::<3>(line),
            _ => sse2::prefix_sum::<4>(line),
        };
        return prefix_sum_scalar(line, stride, done);
    }
    prefix_sum_scalar(line, stride, 0);
}

fn prefix_sum_scalar(line: &mut [u8], stride: usize, from: usize) {
    for at in from.max(stride)..line.len() {
        line[at] = line[at].wrapping_add(line[at - stride]);
    }
}

/// Puts the byte planes of `planes` (most significant first) together as native floats.
fn interleave_planes(planes: &[u8], line: &mut [u8], sample_bytes: usize) {
    let count = planes.len() / sample_bytes;
    if sample_bytes == 4 {
        let (p0, rest) = planes.split_at(count);
        let (p1, rest) = rest.split_at(count);
        let (p2, p3) = rest.split_at(count);
        #[cfg(target_arch = "x86_64")]
        let done = sse2::interleave4([p0, p1, p2, p3], line);
        #[cfg(not(target_arch = "x86_64"))]
        let done = 0;
        for at in done..count {
            let value = u32::from_be_bytes([p0[at], p1[at], p2[at], p3[at]]);
            line[at * 4..at * 4 + 4].copy_from_slice(&value.to_ne_bytes());
        }
        return;
    }
    for (at, out) in line.chunks_exact_mut(8).enumerate() {
        let mut bytes = [0; 8];
        for (plane, byte) in bytes.iter_mut().enumerate() {
            *byte = planes[plane * count + at];
        }
        out.copy_from_slice(&u64::from_be_bytes(bytes).to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prefix_sum_equals_its_definition(
            line in proptest::collection::vec(any::<u8>(), 0..200), stride in 1usize..7,
        ) {
            let mut expected = line.clone();
            prefix_sum_scalar(&mut expected, stride, 0);
            let mut found = line;
            prefix_sum(&mut found, stride);
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn samples_of_16_bits_are_summed(
            values in proptest::collection::vec(any::<u16>(), 0..200), samples in 1usize..7,
        ) {
            let mut expected = values.clone();
            for at in samples..expected.len() {
                expected[at] = expected[at].wrapping_add(expected[at - samples]);
            }
            let mut line: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            horizontal(&mut line, 16, samples, true);
            let found: Vec<u16> = line.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn bands_of_floats_take_turns(values in proptest::collection::vec(any::<u32>(), 0..40)) {
            let pairs: Vec<[u8; 4]> = values.iter().flat_map(|value| [*value, !value])
                .map(u32::to_be_bytes).collect();
            let plane = |index: usize| pairs.iter().map(|bytes| bytes[index]).collect::<Vec<u8>>();
            let planes = [plane(0), plane(1), plane(2), plane(3)];
            let planes: [&[u8]; 4] = std::array::from_fn(|index| &planes[index][..]);
            let (mut first, mut second) = (vec![0.0; values.len()], vec![0.0; values.len()]);
            float_row(planes, [&mut first[..], &mut second[..]]);
            let mut both = vec![0.0; pairs.len()];
            float_row(planes, [&mut both[..]]);
            for (at, value) in values.iter().enumerate() {
                prop_assert_eq!(first[at].to_bits(), *value);
                prop_assert_eq!(second[at].to_bits(), !value);
                prop_assert_eq!([both[2 * at].to_bits(), both[2 * at + 1].to_bits()], [*value, !value]);
            }
        }

        #[test]
        fn planes_of_floats_come_back(values in proptest::collection::vec(any::<u32>(), 0..80)) {
            let bytes: Vec<[u8; 4]> = values.iter().map(|value| value.to_be_bytes()).collect();
            let planes: Vec<u8> = (0..4).flat_map(|plane| bytes.iter().map(move |b| b[plane])).collect();
            let mut line = vec![0; planes.len()];
            interleave_planes(&planes, &mut line, 4);
            let found: Vec<u32> =
                line.chunks_exact(4).map(|b| u32::from_ne_bytes(b.try_into().expect("four"))).collect();
            prop_assert_eq!(found, values);
        }
    }
}
