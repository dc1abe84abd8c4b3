//! Plain bytes of a block to one typed vector per band.

use swath_raster::{DataType, Pixels, Sample};

use super::DecodeScratch;
use super::predictor::keeps_file_order;
use crate::tiff::ImageLayout;

/// Returns the wanted `bands` of a block as vectors of `block width x rows` values.
pub(super) fn separate(
    layout: &ImageLayout,
    plain: &[u8],
    rows: u32,
    bands: &[usize],
    scratch: &mut DecodeScratch,
) -> Result<Vec<Pixels>, String> {
    let samples = layout.bands_per_block();
    if !matches!(layout.bits, 8 | 16 | 32 | 64) {
        let values = widen_bits(layout, plain, rows);
        let band = |band: &usize| values.iter().skip(*band).step_by(samples).copied();
        return Ok(match layout.data_type {
            DataType::U8 => bands
                .iter()
                .map(|own| Pixels::U8(band(own).map(|value| value as u8).collect()))
                .collect(),
            _ => bands
                .iter()
                .map(|own| Pixels::U16(band(own).collect()))
                .collect(),
        });
    }
    let is_little_endian = if keeps_file_order(layout) {
        layout.is_little_endian
    } else {
        cfg!(target_endian = "little")
    };
    macro_rules! band_values {
        ($variant:ident, $type:ty) => {{
            const LEN: usize = size_of::<$type>();
            let load = |raw: [u8; LEN]| {
                if is_little_endian {
                    <$type>::from_le_bytes(raw)
                } else {
                    <$type>::from_be_bytes(raw)
                }
            };
            let pixels = plain.len() / (samples * LEN);
            let separate = |band: &usize| {
                let mut values = scratch.values::<$type>(pixels);
                // Constant strides let the loads run vectorised.
                match samples {
                    1 => every::<LEN, LEN, _>(plain, 0, load, &mut values),
                    2 => every::<LEN, { 2 * LEN }, _>(plain, *band, load, &mut values),
                    3 => every::<LEN, { 3 * LEN }, _>(plain, *band, load, &mut values),
                    4 => every::<LEN, { 4 * LEN }, _>(plain, *band, load, &mut values),
                    _ => {
                        let own = plain.chunks_exact(samples * LEN);
                        for (value, pixel) in values.iter_mut().zip(own) {
                            let raw = pixel[band * LEN..][..LEN].try_into();
                            *value = load(raw.expect("a sample"));
                        }
                    }
                }
                Pixels::$variant(values)
            };
            bands.iter().map(separate).collect()
        }};
    }
    Ok(match layout.data_type {
        DataType::U8 => band_values!(U8, u8),
        DataType::I8 => band_values!(I8, i8),
        DataType::U16 => band_values!(U16, u16),
        DataType::I16 => band_values!(I16, i16),
        DataType::U32 => band_values!(U32, u32),
        DataType::I32 => band_values!(I32, i32),
        DataType::U64 => band_values!(U64, u64),
        DataType::I64 => band_values!(I64, i64),
        DataType::F32 => band_values!(F32, f32),
        DataType::F64 => band_values!(F64, f64),
    })
}

/// Loads one band out of pixels of `STRIDE` bytes with samples of `LEN` bytes.
fn every<const LEN: usize, const STRIDE: usize, T: Sample>(
    plain: &[u8],
    band: usize,
    load: impl Fn([u8; LEN]) -> T,
    values: &mut [T],
) {
    let (pixels, _) = plain.as_chunks::<STRIDE>();
    let at = (band * LEN).min(STRIDE - LEN);
    for (value, pixel) in values.iter_mut().zip(pixels) {
        *value = load(pixel[at..at + LEN].try_into().expect("a sample"));
    }
}

/// Widens samples of 1 to 15 bits, packed from the high bit on and padded to bytes at each row end.
fn widen_bits(layout: &ImageLayout, plain: &[u8], rows: u32) -> Vec<u16> {
    let bits = layout.bits as usize;
    let per_row = layout.block.width as usize * layout.bands_per_block();
    let mask = (1u32 << bits) - 1;
    let mut values = Vec::with_capacity(per_row * rows as usize);
    for line in plain.chunks_exact(layout.row_bytes() as usize) {
        for sample in 0..per_row {
            let bit = sample * bits;
            // A sample of at most 15 bits spans at most three bytes; the row may end before the third.
            let byte = |at: usize| u32::from(line.get(bit / 8 + at).copied().unwrap_or(0));
            let window = byte(0) << 16 | byte(1) << 8 | byte(2);
            values.push((window >> (24 - bits - bit % 8) & mask) as u16);
        }
    }
    values
}
