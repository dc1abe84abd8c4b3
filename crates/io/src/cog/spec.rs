//! What is to be written and how: specification, options, row source, report and errors.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use swath_grid::GeoBox;
use swath_raster::{DataType, Pixels};

/// Compression of the blocks; integers get predictor 2, floats predictor 3, `None` no predictor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Samples as they are.
    None,
    /// zlib streams, TIFF compression 8.
    Deflate {
        /// 1 (fast) to 12 (small); 0 chooses.
        level: u8,
    },
    /// Zstandard frames, TIFF compression 50000, read by GDAL, not by every TIFF reader.
    Zstd {
        /// -7 (fast) to 22 (small); 0 chooses by the sample type.
        level: i32,
    },
    /// TIFF LZW, for readers that know nothing newer.
    Lzw,
}

impl Default for Compression {
    fn default() -> Self {
        Self::Zstd { level: 0 }
    }
}

/// How a pixel of an overview comes from the level below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverviewRule {
    /// No overviews.
    None,
    /// The pixel at the upper left, or nearest to it.
    Nearest,
    /// Mean of the valid pixels weighted by area, integers rounded half away from zero; absent where none is.
    #[default]
    Average,
    /// The most frequent valid value, the first in row order among equals: for classes.
    Mode,
}

/// Options of [`write_cog`](super::write_cog).
#[derive(Debug, Clone)]
pub struct CogOptions {
    /// Default: zstd, level chosen by the sample type.
    pub compression: Compression,
    /// Width and height of a block, a multiple of 16 from 16 to 16,384. Default: 512.
    pub block_px: u32,
    /// Default: `Average`.
    pub overviews: OverviewRule,
    /// Threads that compress; 0 takes one per processor. Default: 0.
    pub threads: usize,
    /// Folder of the nameless scratch files, which grow to the size of the result. Default: the
    /// folder of the result.
    pub scratch_dir: Option<PathBuf>,
    /// Writes BigTIFF also where the file stays below 4 GiB. Default: false.
    pub force_big_tiff: bool,
    /// Leaves out blocks that hold nothing but nodata (or 0 where there is no nodata value);
    /// readers see the same values. Default: true.
    pub sparse: bool,
    /// Set to true from elsewhere to stop: the call returns [`CogError::Cancelled`] within a
    /// strip and leaves no file. Default: none.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl Default for CogOptions {
    fn default() -> Self {
        Self {
            compression: Compression::default(),
            block_px: 512,
            overviews: OverviewRule::default(),
            threads: 0,
            scratch_dir: None,
            force_big_tiff: false,
            sparse: true,
            cancel: None,
        }
    }
}

/// What the values of a band stand for on a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorInterpretation {
    /// Nothing said.
    #[default]
    Undefined,
    /// Grey level.
    Gray,
    /// Index into the colour map.
    Palette,
    /// Red of RGB.
    Red,
    /// Green of RGB.
    Green,
    /// Blue of RGB.
    Blue,
    /// Opacity, not multiplied into the colours.
    Alpha,
}

/// One band as the file describes it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BandSpec {
    /// Name, GDAL's band description.
    pub name: Option<String>,
    /// Factor of `value = stored * scale + offset`.
    pub scale: Option<f64>,
    /// Summand of `value = stored * scale + offset`.
    pub offset: Option<f64>,
    /// Unit of the value after scale and offset.
    pub unit: Option<String>,
    /// Red, green and blue as the first three bands make an RGB file; `Palette` needs a colour map.
    pub color: ColorInterpretation,
    /// Further items of this band, name and value.
    pub metadata: Vec<(String, String)>,
}

/// What the coordinates of the transform stand for in the file. The pixels do not move: it is
/// always the corner in [`GeoBox`], the writer shifts the tie point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AreaOrPoint {
    /// A value is of the area of its pixel.
    #[default]
    Area,
    /// A value is of the centre of its pixel.
    Point,
}

/// What is to be written.
#[derive(Debug, Clone)]
pub struct CogSpec {
    /// Grid and CRS; a CRS that GeoKeys cannot say is an error.
    pub geobox: GeoBox,
    /// Sample type of all bands.
    pub data_type: DataType,
    /// One entry per band, 1 to 65,535.
    pub bands: Vec<BandSpec>,
    /// Value that means absent in all bands; must be a value of `data_type`.
    pub nodata: Option<f64>,
    /// True where the source gives a mask; written as an internal 1-bit mask.
    pub has_mask: bool,
    /// Items of the file, name and value. `TIFFTAG_DATETIME`, `TIFFTAG_SOFTWARE`,
    /// `TIFFTAG_IMAGEDESCRIPTION`, `TIFFTAG_ARTIST`, `TIFFTAG_COPYRIGHT`, `TIFFTAG_DOCUMENTNAME`
    /// and `TIFFTAG_HOSTCOMPUTER` become their tags.
    pub metadata: Vec<(String, String)>,
    /// Red, green, blue in 0..=255 per value, for one band of `U8` (256 entries at most) or `U16`.
    pub color_map: Option<Vec<[u8; 3]>>,
    /// Default of most files: `Area`.
    pub area_or_point: AreaOrPoint,
}

/// A run of whole rows.
#[derive(Debug, Clone)]
pub struct Rows {
    /// One vector per band, each rows × width values from the north-west.
    pub bands: Vec<Pixels>,
    /// 255 where valid, 0 where not, rows × width; present where the specification says so.
    pub mask: Option<Vec<u8>>,
}

/// Gives the pixels of the file from the first row to the last.
pub trait RowSource: Send {
    /// Returns `rows` rows from `first_row`. Calls go through the rows in order, each row once;
    /// `rows` is the block size, less at the end.
    ///
    /// # Errors
    /// Whatever went wrong; [`write_cog`](super::write_cog) hands it on.
    fn read_rows(
        &mut self,
        first_row: u32,
        rows: u32,
    ) -> Result<Rows, Box<dyn Error + Send + Sync>>;
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CogReport {
    /// Size of the file.
    pub bytes: u64,
    /// Decimation of each overview against the full resolution: 2, 4, 8, …
    pub overviews: Vec<u32>,
    /// Blocks of all levels with bytes in the file.
    pub blocks_written: u64,
    /// Blocks of all levels left out because they hold nothing.
    pub blocks_sparse: u64,
    /// True for BigTIFF.
    pub is_big_tiff: bool,
}

/// Why a COG could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CogError {
    /// The specification or the options contradict themselves or the format.
    #[error("cannot write this as a GeoTIFF: {reason}")]
    Invalid {
        /// What is wrong.
        reason: String,
    },
    /// The source failed.
    #[error("cannot read rows {first_row} to {last_row} of the source")]
    Source {
        /// First row asked for.
        first_row: u32,
        /// Last row asked for.
        last_row: u32,
        /// What the source said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The source gave other rows than asked for.
    #[error("the source gave wrong rows from row {first_row}: {reason}")]
    WrongRows {
        /// First row asked for.
        first_row: u32,
        /// What differs.
        reason: String,
    },
    /// A file could not be written; a full disk is among the causes.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file or the folder of the scratch files.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A codec refused a block.
    #[error("cannot compress a block: {reason}")]
    Codec {
        /// What the codec said.
        reason: String,
    },
    /// The caller asked to stop.
    #[error("writing was cancelled")]
    Cancelled,
}

impl CogError {
    /// Returns an `Invalid` with this reason.
    pub(super) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid {
            reason: reason.into(),
        }
    }
}
