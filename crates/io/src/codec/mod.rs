//! Bytes of a stored block to values: decompression, predictors, byte order, band separation.
//!
//! 1. `decompress`: stored bytes to plain bytes of exactly the expected length.
//! 2. `predictor`: horizontal and floating-point differences are undone, row by row.
//! 3. `samples`: plain bytes become one typed vector for each wanted band.
//!
//! All of it is sync and works in buffers that [`DecodeScratch`] keeps between blocks.

mod decompress;
mod predictor;
mod samples;

pub use decompress::DecodeScratch;

use swath_raster::Pixels;

use crate::tiff::ImageLayout;

/// Decodes one stored block to a vector per wanted band, `block` pixels wide and `rows` high.
///
/// `bands` are positions within the stored block: all of 0 where each band has its own blocks.
///
/// # Errors
/// A sentence that says why the bytes are not a block of this layout.
pub(crate) fn decode_block(
    layout: &ImageLayout,
    stored: &[u8],
    rows: u32,
    bands: &[usize],
    scratch: &mut DecodeScratch,
) -> Result<Vec<Pixels>, String> {
    let expected = layout.row_bytes() as usize * rows as usize;
    let whole = layout.stored_block_bytes() as usize;
    let mut plain = std::mem::take(&mut scratch.plain);
    let outcome = decompress::decompress(
        layout.compression,
        stored,
        expected,
        whole,
        &mut plain,
        scratch,
    )
    .and_then(|()| {
        if layout.is_bit_order_reversed {
            plain
                .iter_mut()
                .for_each(|byte| *byte = byte.reverse_bits());
        }
        if let Some(mut all) = predictor::float_bands(layout, &mut plain) {
            let mut take = |band: &usize| Pixels::F32(std::mem::take(&mut all[*band]));
            return Ok(bands.iter().map(&mut take).collect());
        }
        predictor::undo(layout, &mut plain, &mut scratch.row)?;
        samples::separate(layout, &plain, rows, bands)
    });
    scratch.plain = plain;
    outcome
}
