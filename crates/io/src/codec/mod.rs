//! Bytes of a stored block to values: decompression, predictors, byte order, band separation.
//!
//! 1. `decompress`: stored bytes to plain bytes of exactly the expected length; `inflate` does it
//!    for several deflate streams side by side.
//! 2. `predictor`: horizontal and floating-point differences are undone, row by row.
//! 3. `samples`: plain bytes become one typed vector for each wanted band.
//!
//! Blocks that are images of another format (JPEG, LERC) are decoded by their `coder`.
//! All of it is sync and works in buffers that [`DecodeScratch`] keeps between blocks.

mod coder;
mod decompress;
mod inflate;
mod jpeg;
mod lerc;
mod predictor;
mod samples;
mod scratch;

pub(crate) use coder::Coder;
pub(crate) use jpeg::PHOTOMETRIC_YCBCR;
pub use scratch::DecodeScratch;

use swath_raster::Pixels;

use crate::IoError;
use crate::store::StoredBytes;
use crate::thread_watch::ThreadWatch;
use crate::tiff::ImageLayout;
use decompress::Decompression;

/// Blocks that are decompressed side by side at most.
const BLOCKS_AT_ONCE: usize = 2 * inflate::LANES;
/// Plain bytes of blocks decompressed side by side, about; one block may have more.
const BYTES_AT_ONCE: u64 = 32 << 20;

/// One stored block: its bytes and what they mean.
pub(crate) struct CodedBlock<'a> {
    pub(crate) layout: &'a ImageLayout,
    pub(crate) stored: &'a StoredBytes,
    /// Rows of it that lie in the image.
    pub(crate) rows: u32,
    /// Bands wanted, by their position in the block: all of 0 where each band has its own blocks.
    pub(crate) bands: &'a [usize],
}

/// Why a block was not decoded.
#[derive(Debug)]
pub(crate) enum DecodeError {
    /// Its bytes could not be read.
    Read(IoError),
    /// A sentence that says why they are not a block of this layout.
    Damaged(String),
}

/// Decodes stored blocks to a vector per wanted band each, as wide as a block and `rows` high.
///
/// Each block has an outcome of its own, in order.
pub(crate) fn decode_blocks(
    blocks: &[CodedBlock],
    scratch: &mut DecodeScratch,
) -> Vec<Result<Vec<Pixels>, DecodeError>> {
    let mut outcomes = Vec::with_capacity(blocks.len());
    let mut rest = blocks;
    while let [first, others @ ..] = rest {
        if !first.is_samples() {
            outcomes.push(decode_image(first, scratch));
            rest = others;
            continue;
        }
        let mut bytes = first.layout.stored_block_bytes();
        let fits = |block: &&CodedBlock| {
            bytes += block.layout.stored_block_bytes();
            block.is_samples() && bytes <= BYTES_AT_ONCE
        };
        let count = 1 + others
            .iter()
            .take(BLOCKS_AT_ONCE - 1)
            .take_while(fits)
            .count();
        let (group, after) = rest.split_at(count);
        decode_group(group, scratch, &mut outcomes);
        rest = after;
    }
    outcomes
}

impl CodedBlock<'_> {
    /// True where the block is a compressed run of samples, no image of another format.
    fn is_samples(&self) -> bool {
        matches!(self.layout.coder, Coder::Samples)
    }
}

fn decode_image(
    block: &CodedBlock,
    scratch: &mut DecodeScratch,
) -> Result<Vec<Pixels>, DecodeError> {
    let mut buffer = scratch.stored.pop().unwrap_or_default();
    let watch = ThreadWatch::start();
    let outcome = block.stored.bytes(&mut buffer).map_err(DecodeError::Read);
    scratch.note_reading(watch);
    let decoded = outcome.and_then(|stored| {
        let decoded = block.layout.coder.decode(block, stored, scratch);
        decoded.map_err(DecodeError::Damaged)
    });
    scratch.stored.push(buffer);
    decoded
}

fn decode_group(
    blocks: &[CodedBlock],
    scratch: &mut DecodeScratch,
    outcomes: &mut Vec<Result<Vec<Pixels>, DecodeError>>,
) {
    let mut plain = std::mem::take(&mut scratch.plain);
    let mut buffers = std::mem::take(&mut scratch.stored);
    let count = blocks.len();
    plain.resize_with(plain.len().max(count), Vec::new);
    buffers.resize_with(buffers.len().max(count), Vec::new);
    let watch = ThreadWatch::start();
    let stored = blocks.iter().zip(&mut buffers);
    let stored: Vec<_> = stored
        .map(|(block, buffer)| block.stored.bytes(buffer))
        .collect();
    scratch.note_reading(watch);
    let mut work: Vec<_> = blocks
        .iter()
        .zip(&stored)
        .zip(&mut plain)
        .filter_map(|((block, stored), plain)| {
            Some(Decompression {
                compression: block.layout.compression,
                stored: stored.as_ref().ok()?,
                expected: block.layout.row_bytes() as usize * block.rows as usize,
                whole: block.layout.stored_block_bytes() as usize,
                plain,
            })
        })
        .collect();
    let unpacked = decompress::decompress(&mut work, &mut scratch.inflater, &mut scratch.zstd);
    let mut unpacked = unpacked.into_iter();
    for ((block, stored), plain) in blocks.iter().zip(stored).zip(&mut plain) {
        outcomes.push(stored.map_err(DecodeError::Read).and_then(|_| {
            let unpacked = unpacked.next().expect("an outcome for each block read");
            unpacked
                .and_then(|()| separate(block, plain, scratch))
                .map_err(DecodeError::Damaged)
        }));
    }
    scratch.plain = plain;
    scratch.stored = buffers;
}

/// Undoes the predictor and separates the bands.
fn separate(
    block: &CodedBlock,
    plain: &mut [u8],
    scratch: &mut DecodeScratch,
) -> Result<Vec<Pixels>, String> {
    let layout = block.layout;
    if layout.is_bit_order_reversed {
        plain
            .iter_mut()
            .for_each(|byte| *byte = byte.reverse_bits());
    }
    if let Some(all) = predictor::float_bands(layout, plain, scratch) {
        let mut all: Vec<_> = all.into_iter().map(Some).collect();
        let mut bands = Vec::with_capacity(block.bands.len());
        for band in block.bands {
            bands.push(
                all[*band]
                    .take()
                    .map(Pixels::F32)
                    .unwrap_or(Pixels::F32(Vec::new())),
            );
        }
        all.into_iter()
            .flatten()
            .for_each(|values| scratch.recycle(Pixels::F32(values)));
        return Ok(bands);
    }
    let mut row = std::mem::take(&mut scratch.row);
    let undone = predictor::undo(layout, plain, &mut row);
    scratch.row = row;
    undone?;
    samples::separate(layout, plain, block.rows, block.bands, scratch)
}
