//! LERC in TIFF: a stored block is one LERC blob, or one for each band, packed once more or not.
//!
//! 1. `header`: sizes, type, tolerance and checksum of a blob; which pixels are valid.
//! 2. `tiles`: the blob's own small tiles, each raw, constant or quantised and bit-packed (`bits`).
//! 3. `huffman`: the other way of 8-bit samples.
//! 4. [`LercBlocks::decode`]: blobs of a block put together; what is not valid becomes NaN, 0 in integers.
//!
//! LERC 2 blobs of versions 3 to 6 are read; LERC 1, older blobs and the lossless floats of
//! version 6 are refused by name. Source: Esri's description of LERC (Apache 2.0) and the
//! LERC tags of libtiff.

mod bits;
mod header;
mod huffman;
#[cfg(test)]
mod tests;
mod tiles;

use swath_raster::{DataType, Pixels};

use header::{Blob, Header};
use tiles::Stored;

/// Blobs are never larger than their samples, but for heads, masks and one byte for each tile.
const BLOB_SLACK_BYTES: usize = 64 << 10;

/// How a blob was packed once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    Deflate,
    Zstd,
    /// A code that is not known.
    Unknown(u64),
}

/// What the blocks of an image share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LercBlocks {
    pub(crate) packing: Packing,
}

/// Size and type of the block that is expected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) width: u32,
    pub(super) rows: u32,
    pub(super) samples: usize,
    pub(super) data_type: DataType,
}

impl LercBlocks {
    /// Reads the `LercParameters` tag: version and packing.
    pub(crate) fn from_parameters(parameters: &[u64]) -> Self {
        let packing = match parameters.get(1) {
            None | Some(0) => Packing::None,
            Some(1) => Packing::Deflate,
            Some(2) => Packing::Zstd,
            Some(other) => Packing::Unknown(*other),
        };
        Self { packing }
    }

    /// Decodes the wanted `bands` of a block.
    ///
    /// # Errors
    /// A sentence that says why the bytes are not such a block.
    pub(super) fn decode(
        &self,
        stored: &[u8],
        expected: &Expected,
        bands: &[usize],
    ) -> Result<Vec<Pixels>, String> {
        let raw_bytes = expected.width as usize
            * expected.rows as usize
            * expected.samples
            * expected.data_type.size_bytes();
        let unpacked = self.unpack(stored, 2 * raw_bytes + BLOB_SLACK_BYTES)?;
        let bytes = unpacked.as_deref().unwrap_or(stored);
        match expected.data_type {
            DataType::U8 => decode_as::<u8>(bytes, expected, bands),
            DataType::I8 => decode_as::<i8>(bytes, expected, bands),
            DataType::U16 => decode_as::<u16>(bytes, expected, bands),
            DataType::I16 => decode_as::<i16>(bytes, expected, bands),
            DataType::U32 => decode_as::<u32>(bytes, expected, bands),
            DataType::I32 => decode_as::<i32>(bytes, expected, bands),
            DataType::F32 => decode_as::<f32>(bytes, expected, bands),
            DataType::F64 => decode_as::<f64>(bytes, expected, bands),
            DataType::U64 | DataType::I64 => Err("LERC has no 64-bit integers".to_owned()),
        }
    }

    fn unpack(&self, stored: &[u8], bytes_max: usize) -> Result<Option<Vec<u8>>, String> {
        match self.packing {
            Packing::None => Ok(None),
            Packing::Deflate => {
                let mut plain = vec![0; bytes_max];
                let len = libdeflater::Decompressor::new()
                    .zlib_decompress(stored, &mut plain)
                    .map_err(|_| "the zlib stream around its LERC data is damaged or too long")?;
                plain.truncate(len);
                Ok(Some(plain))
            }
            Packing::Zstd => zstd::bulk::decompress(stored, bytes_max)
                .map(Some)
                .map_err(|_| {
                    "the zstd frame around its LERC data is damaged or too long".to_owned()
                }),
            Packing::Unknown(code) => Err(format!(
                "LERC packed by additional compression {code} is not read"
            )),
        }
    }
}

fn decode_as<T: Stored>(
    bytes: &[u8],
    expected: &Expected,
    bands: &[usize],
) -> Result<Vec<Pixels>, String> {
    let mut all: Vec<Vec<T>> = Vec::new();
    let mut valid: Option<Vec<bool>> = None;
    let mut rest = bytes;
    // One blob of all samples, or one for each band: each adds a band at least.
    while all.len() < expected.samples && !rest.is_empty() {
        let (header, body) = Header::read(rest)?;
        check(&header, expected, T::CODE)?;
        let blob = Blob::read(header, body, valid.as_deref())?;
        let mut values = blob.values::<T>()?;
        values.truncate(expected.samples - all.len());
        all.extend(values);
        rest = &rest[blob.header.blob_bytes..];
        valid = Some(blob.valid);
    }
    // Opacity of 8 bits is stored as the mask of the other bands.
    if all.len() + 1 == expected.samples
        && let (DataType::U8, Some(valid)) = (expected.data_type, &valid)
    {
        let opacity = |flag: &bool| T::of(if *flag { 255.0 } else { 0.0 });
        all.push(valid.iter().map(opacity).collect());
    }
    let len = expected.width as usize * expected.rows as usize;
    let band = |index: &usize| {
        let values = all
            .get(*index)
            .ok_or_else(|| format!("its LERC data hold {} bands", all.len()))?;
        Ok(T::wrap(values[..len].to_vec()))
    };
    bands.iter().map(band).collect()
}

fn check(header: &Header, expected: &Expected, code: u32) -> Result<(), String> {
    if header.data_type != code {
        return Err(format!(
            "its LERC data are of type {}, the file's samples of type {code}",
            header.data_type
        ));
    }
    if header.cols != expected.width
        || header.rows != expected.rows
        || header.depth > expected.samples
    {
        return Err(format!(
            "its LERC data hold {}x{} pixels of {} samples where {}x{} of {} are due",
            header.cols, header.rows, header.depth, expected.width, expected.rows, expected.samples
        ));
    }
    Ok(())
}
