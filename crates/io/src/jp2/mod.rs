//! JPEG 2000 files as stored: boxes, main header, tile-parts, and the decoding of one tile.
//!
//! 1. [`parse`] walks the boxes of a JP2 file, or takes a bare codestream as it is (`boxes`), and
//!    reads the main header (`header`, `coding`); where bytes are missing it says which.
//! 2. `georeference` and `gml` find the grid: a degenerate GeoTIFF in a UUID box, else GML.
//! 3. [`TileIndex`] says where the tile-parts of each tile stand: from the TLM marker where the
//!    file has one, else by walking from one tile-part to the next (`tile_parts`).
//! 4. [`Codestream::decode_tile`] makes a codestream of a single tile out of the main header and the
//!    tile's own parts, and hands it to the decoder (`tile`). So tiles are fetched and decoded by
//!    themselves, side by side, at any of the resolutions that the wavelet holds.
//!
//! Nothing here fetches; `raster::jp2` does. Source: ISO/IEC 15444-1 (ITU-T T.800) annexes A and I,
//! OGC 08-085 (GMLJP2) and 05-047, the GeoJP2 box of Mapping Science.

mod boxes;
mod coding;
mod georeference;
mod gml;
mod header;
mod tile;
mod tile_parts;

use std::ops::Range;

pub(crate) use boxes::is_jpeg2000;
pub(crate) use georeference::{Georeference, georeference};
pub(crate) use header::Codestream;
pub(crate) use tile_parts::{TileIndex, TileWalk, WalkStep};

use crate::tiff::SparseBytes;

/// What the boxes around a codestream say; a bare codestream has none of it.
#[derive(Debug, Default)]
pub(crate) struct Annotations {
    /// The degenerate GeoTIFF of a GeoJP2 box.
    pub(crate) geotiff: Option<Vec<u8>>,
    /// The root instance of a GML box.
    pub(crate) gml: Option<String>,
    /// Enumerated colour space (16 sRGB, 17 grey, 18 sYCC), where one is named.
    pub(crate) color_space: Option<u32>,
    /// Red, green, blue per value, where the file has a palette.
    pub(crate) palette: Option<Vec<[u8; 3]>>,
    /// Component that holds opacity.
    pub(crate) alpha: Option<usize>,
}

/// A JPEG 2000 file without its pixels.
#[derive(Debug)]
pub(crate) struct Jp2File {
    pub(crate) annotations: Annotations,
    pub(crate) codestream: Codestream,
    /// False for a bare codestream.
    pub(crate) has_boxes: bool,
}

/// How far a parse came.
#[derive(Debug)]
pub(crate) enum ParseStep {
    /// All that precedes the tiles, and what boxes stand behind them.
    Done(Box<Jp2File>),
    /// These bytes are needed before it can go on.
    Missing(Range<u64>),
}

/// Bytes that a parser asked for, or what is wrong.
#[derive(Debug)]
enum Stop {
    Missing(Range<u64>),
    Wrong(String),
}

impl From<String> for Stop {
    fn from(reason: String) -> Self {
        Self::Wrong(reason)
    }
}

/// Parses all of a file of `file_len` bytes but its tiles.
///
/// # Errors
/// A sentence that names what is wrong or not read, and at which byte.
pub(crate) fn parse(bytes: &SparseBytes, file_len: u64) -> Result<ParseStep, String> {
    match parse_file(bytes, file_len) {
        Ok(file) => Ok(ParseStep::Done(Box::new(file))),
        Err(Stop::Missing(range)) => Ok(ParseStep::Missing(range)),
        Err(Stop::Wrong(reason)) => Err(reason),
    }
}

fn parse_file(bytes: &SparseBytes, file_len: u64) -> Result<Jp2File, Stop> {
    let start = get(bytes, file_len, 0, 12, "the signature")?;
    let has_boxes = !start.starts_with(&boxes::CODESTREAM_START);
    let (range, annotations) = if has_boxes {
        boxes::walk(bytes, file_len)?
    } else {
        (0..file_len, Annotations::default())
    };
    let codestream = header::read(bytes, file_len, range)?;
    Ok(Jp2File {
        annotations,
        codestream,
        has_boxes,
    })
}

/// Returns `len` bytes at `offset`; `what` names them where the file ends before.
fn get<'a>(
    bytes: &'a SparseBytes,
    file_len: u64,
    offset: u64,
    len: u64,
    what: &str,
) -> Result<&'a [u8], Stop> {
    let end = offset
        .checked_add(len)
        .filter(|end| *end <= file_len)
        .ok_or_else(|| {
            format!("{what} ({len} bytes at byte {offset}) lies outside the file of {file_len} bytes: it is truncated")
        })?;
    bytes.get(offset, len).ok_or(Stop::Missing(offset..end))
}

fn be_u16(raw: &[u8], at: usize) -> Option<u16> {
    raw.get(at..at + 2)
        .map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}

fn be_u32(raw: &[u8], at: usize) -> Option<u32> {
    raw.get(at..at + 4)
        .map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}
