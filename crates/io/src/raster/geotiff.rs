//! A raster as its reader sees it, whatever the format of the file: grid, bands and where the blocks
//! stand.

use swath_grid::{Crs, Size, Transform, Window};
use swath_raster::DataType;

use super::describe::ControlPoint;
use crate::codec::Coder;
use crate::store::AssetRef;
use crate::tiff::{Compression, ImageLayout, Interleave, PHOTOMETRIC_RGB};

/// One band of a raster.
#[derive(Debug, Clone, PartialEq)]
pub struct BandInfo {
    /// Name given in the file, else `band_1`, `band_2`, …
    pub name: String,
    /// True where the name stands in the file.
    pub is_named: bool,
    /// Sample type.
    pub data_type: DataType,
    /// Nodata value as written in the file.
    pub nodata: Option<String>,
    /// Factor from stored to physical values: `physical = stored * scale + offset`.
    pub scale: Option<f64>,
    /// Summand from stored to physical values.
    pub offset: Option<f64>,
    /// Unit of the physical values.
    pub unit: Option<String>,
    /// True for a band of opacity: 0 means not valid.
    pub is_alpha: bool,
    /// Further metadata of the band, name and value.
    pub metadata: Vec<(String, String)>,
}

/// Full resolution or one overview, with its mask.
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) image: ImageLayout,
    pub(crate) mask: Option<ImageLayout>,
}

/// Format of a raster file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RasterFormat {
    /// TIFF with 32-bit offsets.
    GeoTiff,
    /// TIFF with 64-bit offsets.
    BigTiff,
    /// JPEG 2000 in boxes.
    Jp2,
    /// A JPEG 2000 codestream without boxes.
    Jpeg2000Codestream,
}

impl RasterFormat {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GeoTiff => "GeoTIFF",
            Self::BigTiff => "BigTIFF",
            Self::Jp2 => "JPEG 2000",
            Self::Jpeg2000Codestream => "JPEG 2000 codestream",
        }
    }
}

/// An opened GeoTIFF or JPEG 2000 file: everything but the pixels.
#[derive(Debug)]
pub struct GeoTiff {
    pub(crate) asset: AssetRef,
    pub(crate) file_len: u64,
    pub(crate) etag: Option<String>,
    pub(crate) format: RasterFormat,
    pub(crate) crs: Option<Crs>,
    pub(crate) transform: Option<Transform>,
    /// Ground control points, where they stand in the place of a transform.
    pub(crate) control_points: Vec<ControlPoint>,
    pub(crate) bands: Vec<BandInfo>,
    /// Full resolution first, then overviews from large to small.
    pub(crate) levels: Vec<Level>,
    pub(crate) items: Vec<(String, String)>,
    pub(crate) datetime_tag: Option<String>,
    pub(crate) is_point: bool,
    pub(crate) other_pages: usize,
    pub(crate) cog: crate::cog::CogVerdict,
}

impl GeoTiff {
    /// Returns the asset that was opened.
    pub fn asset(&self) -> &AssetRef {
        &self.asset
    }

    /// Returns the name the raster was asked for by.
    pub fn href(&self) -> &str {
        self.asset.href()
    }

    /// Returns the entity tag of the opened version.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Returns the bytes of the file.
    pub fn file_len(&self) -> u64 {
        self.file_len
    }

    /// Returns the size at full resolution.
    pub fn size(&self) -> Size {
        self.levels[0].image.size
    }

    /// Returns the coordinate reference system, `None` where the file names none.
    pub fn crs(&self) -> Option<&Crs> {
        self.crs.as_ref()
    }

    /// Returns the pixel-corner transform, `None` where the file has none (or control points only).
    pub fn transform(&self) -> Option<&Transform> {
        self.transform.as_ref()
    }

    /// Returns the bands in file order, an alpha band included.
    pub fn bands(&self) -> &[BandInfo] {
        &self.bands
    }

    /// Returns the value of a metadata item of the file, such as `datetime`.
    pub fn metadata_item(&self, name: &str) -> Option<&str> {
        self.items
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Returns the text of the tag `TIFFTAG_DATETIME`.
    pub fn datetime_tag(&self) -> Option<&str> {
        self.datetime_tag.as_deref()
    }

    /// Returns the size of a block at full resolution.
    pub fn block_size(&self) -> Size {
        self.levels[0].image.block
    }

    /// Returns how many blocks stand side by side and one below the other at full resolution.
    pub fn blocks(&self) -> Size {
        let image = &self.levels[0].image;
        Size {
            width: image.blocks_across(),
            height: image.blocks_down(),
        }
    }

    /// Returns the pixels of block `number`, counted row by row, at full resolution.
    ///
    /// # Panics
    /// Where there is no such block.
    pub fn block_window(&self, number: u32) -> Window {
        self.levels[0].image.block_window(number)
    }

    /// Returns the stored bytes of the blocks that hold `bands` at block `number`.
    ///
    /// A JPEG 2000 file without a table of its tiles tells the average until one was read.
    pub fn block_bytes(&self, number: u32, bands: &[usize]) -> u64 {
        self.level_block_bytes(0, number, bands)
    }

    /// As [`Self::block_bytes`], for a block of a level.
    pub(crate) fn level_block_bytes(&self, level: usize, number: u32, bands: &[usize]) -> u64 {
        let image = &self.levels[level].image;
        if let Coder::Jpeg2000 { codestream, .. } = &image.coder {
            return codestream.tile_bytes(number);
        }
        let planes: Vec<usize> = match image.interleave {
            Interleave::Band => bands.to_vec(),
            Interleave::Pixel => vec![0],
        };
        planes
            .iter()
            .filter_map(|plane| image.stored(number, *plane))
            .map(|range| range.end - range.start)
            .sum()
    }

    /// Returns the bytes of one decoded block of one band.
    pub fn block_band_bytes(&self) -> u64 {
        let image = &self.levels[0].image;
        u64::from(image.block.width)
            * u64::from(image.block.height)
            * image.data_type.size_bytes() as u64
    }

    /// Returns the compression at full resolution.
    pub fn compression(&self) -> Compression {
        self.levels[0].image.compression
    }

    /// Fills in the nodata values that an item gives, by band, where the file has none of its own.
    pub fn with_item_nodata(mut self, nodata: &[Option<String>]) -> Self {
        for (band, text) in self.bands.iter_mut().zip(nodata) {
            if band.nodata.is_none() {
                band.nodata.clone_from(text);
            }
        }
        self
    }

    /// Returns red, green and blue for each value of a file with a colour map.
    pub fn color_map(&self) -> Option<&[[u8; 3]]> {
        self.levels[0].image.color_map.as_deref()
    }

    /// True where the first three bands are red, green and blue.
    pub fn is_rgb(&self) -> bool {
        self.levels[0].image.photometric == PHOTOMETRIC_RGB && self.bands.len() >= 3
    }

    pub(crate) fn alpha_band(&self) -> Option<usize> {
        self.bands.iter().rposition(|band| band.is_alpha)
    }
}
