//! JPEG 2000 files as rasters: blocks are its tiles, overviews the resolutions of its wavelet.

use std::sync::Arc;

use swath_raster::Pixels;

use super::blocks::FetchedBlock;
use super::geotiff::{BandInfo, GeoTiff, Level, RasterFormat};
use super::open::{STEP_BYTES, STEPS_MAX};
use crate::IoError;
use crate::codec::Coder;
use crate::cog::CogVerdict;
use crate::jp2::{
    Codestream, Jp2File, ParseStep, TileIndex, TileWalk, WalkStep, georeference, parse,
};
use crate::store::StoredBytes;
use crate::store::{AssetRef, Fetched};
use crate::tiff::{Compression, ImageLayout, Interleave, PHOTOMETRIC_RGB, SparseBytes};

/// Enumerated colour space sRGB.
const SRGB: u32 = 16;
/// Photometric interpretation of TIFF, which layouts speak of.
const PHOTOMETRIC_GREY: u64 = 1;

impl GeoTiff {
    /// Opens a JPEG 2000 file whose first bytes are `first`: further requests only where the boxes
    /// or the main header lie beyond them, or boxes stand behind the codestream.
    pub(super) async fn open_jpeg2000(asset: AssetRef, first: Fetched) -> Result<Self, IoError> {
        let (file_len, etag) = (first.object_len, first.etag);
        let mut bytes = SparseBytes::default();
        bytes.insert(0, first.bytes);
        let wrong = |reason: String| IoError::Raster {
            href: asset.href().to_owned(),
            reason,
        };
        for _ in 0..STEPS_MAX {
            match parse(&bytes, file_len).map_err(wrong)? {
                ParseStep::Done(file) => {
                    return assemble(asset.clone(), file_len, etag, *file).map_err(wrong);
                }
                ParseStep::Missing(range) => {
                    let end = range.end.max(range.start + STEP_BYTES).min(file_len);
                    let part = asset.read(range.start..end, etag.as_deref()).await?;
                    if (part.bytes.len() as u64) < range.end - range.start {
                        return Err(wrong(format!(
                            "the file ends at byte {file_len}, inside its headers: it is truncated"
                        )));
                    }
                    bytes.insert(range.start, part.bytes);
                }
            }
        }
        Err(wrong(format!(
            "its boxes are scattered over more than {STEPS_MAX} places"
        )))
    }

    /// Fetches tiles with all their parts, near ones with one request.
    pub(super) async fn fetch_tiles(
        self: &Arc<Self>,
        level: usize,
        bands: Arc<[usize]>,
        numbers: &[u32],
        codestream: &Codestream,
    ) -> Result<Vec<FetchedBlock>, IoError> {
        let image = &self.levels[level].image;
        let index = self.tile_index(codestream).await?;
        let mut ranges = Vec::new();
        let mut counts = Vec::with_capacity(numbers.len());
        for number in numbers {
            let wrong = |reason: String| self.block_error(image, *number, reason);
            let parts = index.of(*number).map_err(wrong)?;
            for part in parts {
                if part.range.end > self.file_len {
                    return Err(wrong(format!(
                        "it should end at byte {} of a file of {} bytes: the file is truncated",
                        part.range.end, self.file_len
                    )));
                }
                ranges.push(part.range.clone());
            }
            counts.push(parts.len());
        }
        let etag = self.etag.as_deref();
        let mut stored = self.asset.read_ranges(&ranges, etag).await?.into_iter();
        let mut fetched = Vec::with_capacity(numbers.len());
        for (number, count) in numbers.iter().zip(counts) {
            let parts = stored
                .by_ref()
                .take(count)
                .map(|part| Some(StoredBytes::Fetched(part)));
            let parts = parts.enumerate().collect();
            fetched.push(FetchedBlock {
                raster: self.clone(),
                level,
                number: *number,
                bands: bands.clone(),
                planes: parts,
                mask_parts: Vec::new(),
            });
        }
        Ok(fetched)
    }

    /// Returns where the tile-parts stand; the first call walks them where the header has no table.
    async fn tile_index<'a>(&self, codestream: &'a Codestream) -> Result<&'a TileIndex, IoError> {
        let find = || async {
            if let Some(parts) = &codestream.listed_parts {
                return Ok(TileIndex::new(parts.clone(), None));
            }
            let grid = &codestream.grid;
            let tiles = grid.tiles_across() * grid.tiles_down();
            let end = codestream.range.end;
            let mut walk = TileWalk::new(codestream.first_part, end, self.file_len, tiles);
            // Each step passes a tile-part at least, and those are bounded.
            loop {
                match walk.step() {
                    WalkStep::Done(index) => return Ok(index),
                    WalkStep::Missing(range) => {
                        let part = self.asset.read(range.clone(), self.etag.as_deref()).await?;
                        if (part.bytes.len() as u64) < range.end - range.start {
                            return Err(IoError::Changed {
                                href: self.href().to_owned(),
                            });
                        }
                        walk.insert(range.start, part.bytes);
                    }
                }
            }
        };
        codestream.index.get_or_try_init(find).await
    }
}

impl FetchedBlock {
    /// Decodes the tile: one vector per wanted component.
    pub(super) fn decode_tile(
        &self,
        image: &ImageLayout,
        codestream: &Codestream,
        reduction: u8,
        wanted: &[usize],
    ) -> Result<Vec<Pixels>, IoError> {
        let stored = self.planes.iter().filter_map(|(_, stored)| stored.as_ref());
        let parts: Vec<&[u8]> = stored.filter_map(StoredBytes::fetched).collect();
        codestream
            .decode_tile(self.number, reduction, &parts, wanted)
            .map_err(|reason| self.raster.block_error(image, self.number, reason))
    }
}

fn assemble(
    asset: AssetRef,
    file_len: u64,
    etag: Option<String>,
    file: Jp2File,
) -> Result<GeoTiff, String> {
    let place = georeference(&file.annotations)?;
    let codestream = Arc::new(file.codestream);
    let count = codestream.grid.components.len();
    let alpha = file.annotations.alpha.filter(|index| *index < count);
    let bands = (0..count)
        .map(|index| BandInfo {
            name: format!("band_{}", index + 1),
            is_named: false,
            data_type: codestream.grid.data_type(),
            nodata: None,
            scale: None,
            offset: None,
            unit: None,
            is_alpha: alpha == Some(index),
            metadata: Vec::new(),
        })
        .collect();
    let levels = (0..=codestream.reductions())
        .filter_map(|reduction| layout(&codestream, reduction, &file.annotations))
        .map(|image| Level { image, mask: None })
        .collect();
    Ok(GeoTiff {
        asset,
        file_len,
        etag,
        format: if file.has_boxes {
            RasterFormat::Jp2
        } else {
            RasterFormat::Jpeg2000Codestream
        },
        crs: place.crs,
        transform: place.transform,
        control_points: place.control_points,
        bands,
        levels,
        items: Vec::new(),
        datetime_tag: None,
        is_point: place.is_point,
        other_pages: 0,
        cog: CogVerdict {
            valid: false,
            reasons: vec!["it is a JPEG 2000 file, not a TIFF".to_owned()],
            warnings: Vec::new(),
        },
    })
}

/// Returns the layout of the image after `reduction` halvings.
fn layout(
    codestream: &Arc<Codestream>,
    reduction: u8,
    annotations: &crate::jp2::Annotations,
) -> Option<ImageLayout> {
    let grid = &codestream.grid;
    let (size, block) = grid.reduced(reduction)?;
    let data_type = grid.data_type();
    let is_rgb = annotations.color_space == Some(SRGB) && grid.components.len() >= 3;
    let has_palette = grid.components.len() == 1 && annotations.palette.is_some();
    Some(ImageLayout {
        size,
        block,
        is_tiled: true,
        bands: grid.components.len(),
        is_complex: false,
        data_type,
        bits: data_type.size_bytes() as u32 * 8,
        is_little_endian: cfg!(target_endian = "little"),
        compression: Compression::Jpeg2000,
        coder: Coder::Jpeg2000 {
            codestream: codestream.clone(),
            reduction,
        },
        predictor: 1,
        interleave: Interleave::Pixel,
        is_bit_order_reversed: false,
        photometric: if is_rgb && !has_palette {
            PHOTOMETRIC_RGB
        } else {
            PHOTOMETRIC_GREY
        },
        extra_samples: Vec::new(),
        color_map: annotations.palette.clone().filter(|_| has_palette),
        offsets: Vec::new(),
        counts: Vec::new(),
        is_mask: false,
        is_reduced: reduction > 0,
        directory_offset: 0,
    })
}
