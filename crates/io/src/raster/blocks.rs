//! Blocks of a raster: fetched async in plan order, decoded sync by whoever holds them.

use std::ops::Range;
use std::sync::Arc;

use futures::{Stream, StreamExt, TryStreamExt};
use swath_grid::{Size, Window};
use swath_raster::{Mask, Pixels, for_pixels};

use super::GeoTiff;
use super::assemble::copy_flags;
use crate::IoError;
use crate::codec::{CodedBlock, Coder, DecodeError, DecodeScratch, decode_blocks};
use crate::store::StoredBytes;
use crate::tiff::{Compression, ImageLayout, Interleave};

/// Stored bytes that one step of the stream fetches, about.
const BATCH_BYTES: u64 = 4 << 20;
/// Most blocks that one step of the stream fetches.
const BATCH_BLOCKS: usize = 256;
/// Steps under way at once: with the batch this bounds the memory of what waits.
const BATCHES_AHEAD: usize = 4;

/// Which blocks of a raster to read.
#[derive(Debug, Clone)]
pub struct BlockPlan {
    /// 0 = full resolution, then overviews from large to small.
    pub level: usize,
    /// Bands by position, from 0.
    pub bands: Vec<usize>,
    /// Block numbers, row by row from the north-west corner, in the order wanted.
    pub numbers: Vec<u32>,
}

/// One block as stored, with all that its decoding needs.
#[derive(Debug, Clone)]
pub struct FetchedBlock {
    pub(super) raster: Arc<GeoTiff>,
    pub(super) level: usize,
    pub(super) number: u32,
    pub(super) bands: Arc<[usize]>,
    /// Stored bytes by plane, or by tile-part; `None`: not stored (sparse).
    pub(super) planes: Vec<(usize, Option<StoredBytes>)>,
    pub(super) mask_parts: Vec<(u32, Option<StoredBytes>)>,
}

/// Values of one block: only pixels inside the image, row by row.
#[derive(Debug, Clone)]
pub struct DecodedBlock {
    /// Its pixels in the grid of the level.
    pub window: Window,
    /// One vector per wanted band, each of `window.len()` values.
    pub bands: Vec<Pixels>,
    /// What is valid, per wanted band; `true` = valid.
    pub masks: Vec<Mask>,
}

/// Fetches the blocks of `plan` in its order: near ones with one request, a bounded number ahead.
///
/// Safe to drop at any time. Each block costs its stored bytes until it is decoded.
pub fn blocks(
    raster: &Arc<GeoTiff>,
    plan: BlockPlan,
) -> impl Stream<Item = Result<FetchedBlock, IoError>> {
    let batches = batches(raster, &plan);
    let raster = raster.clone();
    let (level, bands) = (plan.level, Arc::<[usize]>::from(plan.bands));
    futures::stream::iter(batches)
        .map(move |numbers| {
            let (raster, bands) = (raster.clone(), bands.clone());
            async move { raster.fetch_blocks(level, bands, &numbers).await }
        })
        .buffered(BATCHES_AHEAD)
        .map_ok(|fetched| futures::stream::iter(fetched.into_iter().map(Ok)))
        .try_flatten()
}

fn batches(raster: &GeoTiff, plan: &BlockPlan) -> Vec<Vec<u32>> {
    let mut batches: Vec<Vec<u32>> = Vec::new();
    let mut bytes = 0;
    for number in &plan.numbers {
        let own = raster.level_block_bytes(plan.level, *number, &plan.bands);
        match batches.last_mut() {
            Some(batch) if bytes + own <= BATCH_BYTES && batch.len() < BATCH_BLOCKS => {
                batch.push(*number);
                bytes += own;
            }
            _ => {
                batches.push(vec![*number]);
                bytes = own;
            }
        }
    }
    batches
}

impl GeoTiff {
    /// Fetches the named blocks of one level, near ones with one request.
    ///
    /// # Errors
    /// Upstream errors, or a block that lies outside the file.
    pub async fn fetch_blocks(
        self: &Arc<Self>,
        level: usize,
        bands: Arc<[usize]>,
        numbers: &[u32],
    ) -> Result<Vec<FetchedBlock>, IoError> {
        let image = &self.levels[level].image;
        if let Coder::Jpeg2000 { codestream, .. } = &image.coder {
            return self.fetch_tiles(level, bands, numbers, codestream).await;
        }
        let planes = self.planes(image, &bands);
        let mut ranges = Vec::new();
        for number in numbers {
            for plane in &planes {
                ranges.extend(self.stored(image, *number, *plane)?);
            }
            for (mask, part) in self.mask_parts(level, *number) {
                ranges.extend(self.stored(mask, part, 0)?);
            }
        }
        let mut parts = self
            .asset
            .fetch_stored(ranges, self.etag.as_deref())
            .await?
            .into_iter();
        let mut take = |stored: Option<Range<u64>>| stored.and_then(|_| parts.next());
        let mut fetched = Vec::with_capacity(numbers.len());
        for number in numbers {
            let own_planes = planes
                .iter()
                .map(|plane| (*plane, take(image.stored(*number, *plane))))
                .collect();
            let mask_parts = self
                .mask_parts(level, *number)
                .into_iter()
                .map(|(mask, part)| (part, take(mask.stored(part, 0))))
                .collect();
            fetched.push(FetchedBlock {
                raster: self.clone(),
                level,
                number: *number,
                bands: bands.clone(),
                planes: own_planes,
                mask_parts,
            });
        }
        Ok(fetched)
    }

    fn planes(&self, image: &ImageLayout, bands: &[usize]) -> Vec<usize> {
        if image.interleave == Interleave::Pixel {
            return vec![0];
        }
        let mut planes = bands.to_vec();
        planes.extend(self.alpha_band());
        planes.sort_unstable();
        planes.dedup();
        planes
    }

    fn stored(
        &self,
        image: &ImageLayout,
        number: u32,
        plane: usize,
    ) -> Result<Option<Range<u64>>, IoError> {
        match image.stored(number, plane) {
            Some(range) if range.end > self.file_len => Err(self.block_error(
                image,
                number,
                format!(
                    "it should end at byte {} of a file of {} bytes: the file is truncated",
                    range.end, self.file_len
                ),
            )),
            stored => Ok(stored),
        }
    }

    /// Returns the blocks of the level's mask that cover block `number`.
    fn mask_parts(&self, level: usize, number: u32) -> Vec<(&ImageLayout, u32)> {
        let Some(mask) = &self.levels[level].mask else {
            return Vec::new();
        };
        covering(mask, &self.levels[level].image.block_window(number))
            .into_iter()
            .map(|part| (mask, part))
            .collect()
    }

    pub(super) fn block_error(&self, image: &ImageLayout, number: u32, reason: String) -> IoError {
        let window = image.block_window(number);
        let kind = match (image.is_mask, image.is_reduced) {
            (false, false) => "the full resolution",
            (false, true) => "an overview",
            (true, _) => "the mask",
        };
        IoError::Block {
            href: self.href().to_owned(),
            image: kind.to_owned(),
            block: number,
            col: window.col,
            row: window.row,
            reason,
        }
    }

    /// Returns the numbers of the full-resolution blocks that share a pixel with `window`.
    pub fn blocks_of(&self, window: &Window) -> Vec<u32> {
        self.level_blocks_of(0, window)
    }

    /// Returns the numbers of the blocks of a level that share a pixel with `window`.
    pub(crate) fn level_blocks_of(&self, level: usize, window: &Window) -> Vec<u32> {
        covering(&self.levels[level].image, window)
    }

    /// Reads `bands` of `window` at full resolution.
    ///
    /// # Errors
    /// Upstream errors, damaged blocks, a window outside the raster.
    pub async fn read_window(
        self: &Arc<Self>,
        bands: &[usize],
        window: Window,
    ) -> Result<DecodedBlock, IoError> {
        let full = Window::full(self.size());
        if window.is_empty() || window.intersection(&full) != Some(window) {
            let reason = format!("the window {window:?} is empty or leaves the raster");
            return Err(IoError::Raster {
                href: self.href().to_owned(),
                reason,
            });
        }
        let plan = BlockPlan {
            level: 0,
            bands: bands.to_vec(),
            numbers: self.blocks_of(&window),
        };
        let mut parts = Vec::new();
        let mut stream = std::pin::pin!(blocks(self, plan));
        while let Some(fetched) = stream.try_next().await? {
            parts.push(crate::compute::run(move |scratch| fetched.decode(scratch)).await?);
        }
        DecodedBlock::assemble(window, parts)
    }
}

pub(super) fn nothing_to_assemble() -> IoError {
    IoError::Internal {
        reason: "no block to assemble".to_owned(),
    }
}

fn covering(image: &ImageLayout, window: &Window) -> Vec<u32> {
    let cols = window.col / image.block.width..window.col_end().div_ceil(image.block.width);
    let rows = window.row / image.block.height..window.row_end().div_ceil(image.block.height);
    rows.flat_map(|row| {
        cols.clone()
            .map(move |col| row * image.blocks_across() + col)
    })
    .collect()
}

impl FetchedBlock {
    /// Returns the block's number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns the stored bytes it holds.
    pub fn stored_bytes(&self) -> u64 {
        let planes = self.planes.iter().filter_map(|(_, bytes)| bytes.as_ref());
        let masks = self
            .mask_parts
            .iter()
            .filter_map(|(_, bytes)| bytes.as_ref());
        planes.chain(masks).map(StoredBytes::len).sum()
    }

    /// Returns the bytes of its decoded values, about.
    pub fn decoded_bytes(&self) -> u64 {
        let image = self.image();
        let bytes = image.data_type.size_bytes() as u64 * self.bands.len() as u64;
        image.block_window(self.number).len() * bytes
    }

    /// Decodes the block: values of the wanted bands and what of them is valid.
    ///
    /// A mask in the file decides alone; else an alpha band (0 = not valid); else nodata and NaN.
    ///
    /// # Errors
    /// [`IoError::Block`] where the stored bytes are not such a block; where they cannot be read.
    pub fn decode(&self, scratch: &mut DecodeScratch) -> Result<DecodedBlock, IoError> {
        let mut decoded = Self::decode_all(&[self], scratch)?;
        decoded.pop().ok_or_else(nothing_to_assemble)
    }

    /// Decodes blocks, also of several rasters, as [`FetchedBlock::decode`] does each of them.
    ///
    /// Several at once are faster than one after the other: their streams are decompressed side by side.
    ///
    /// # Errors
    /// Those of the first block that has one.
    pub fn decode_all(
        blocks: &[&Self],
        scratch: &mut DecodeScratch,
    ) -> Result<Vec<DecodedBlock>, IoError> {
        let mut decoded = Vec::with_capacity(blocks.len());
        // Where nothing is gained side by side, each block stays in the cache until it is whole.
        let gains = |left: &&Self, right: &&Self| left.gains_company() && right.gains_company();
        for group in blocks.chunk_by(gains) {
            Self::decode_group(group, scratch, &mut decoded)?;
        }
        Ok(decoded)
    }

    fn decode_group(
        blocks: &[&Self],
        scratch: &mut DecodeScratch,
        decoded: &mut Vec<DecodedBlock>,
    ) -> Result<(), IoError> {
        let wanted: Vec<Vec<usize>> = blocks.iter().map(|block| block.wanted_bands()).collect();
        let mut coded = Vec::new();
        for (block, wanted) in blocks.iter().zip(&wanted) {
            block.push_coded(wanted, &mut coded);
        }
        let mut parts = decode_blocks(&coded, scratch).into_iter();
        drop(coded);
        for (block, wanted) in blocks.iter().zip(&wanted) {
            decoded.push(block.put_together(wanted, &mut parts)?);
        }
        Ok(())
    }

    /// True where several such blocks are decompressed faster side by side than one by one.
    fn gains_company(&self) -> bool {
        self.image().compression == Compression::Deflate
    }

    fn image(&self) -> &ImageLayout {
        &self.raster.levels[self.level].image
    }

    /// Returns the bands that have to be decoded: those asked for, then one of opacity where it decides.
    fn wanted_bands(&self) -> Vec<usize> {
        let alpha = self.raster.alpha_band();
        let mut wanted = self.bands.to_vec();
        wanted.extend(alpha.filter(|_| self.mask_parts.is_empty()));
        wanted
    }

    /// Appends the stored parts of the block: planes in the order of `wanted`, then masks.
    fn push_coded<'a>(&'a self, wanted: &'a [usize], coded: &mut Vec<CodedBlock<'a>>) {
        let image = self.image();
        if matches!(image.coder, Coder::Jpeg2000 { .. }) {
            return;
        }
        let rows_of = |layout: &ImageLayout, number: u32| {
            if layout.is_tiled {
                layout.block.height
            } else {
                layout.block_window(number).height
            }
        };
        let rows = rows_of(image, self.number);
        let mut push = |layout, stored: Option<&'a StoredBytes>, rows, bands| {
            coded.extend(stored.map(|stored| CodedBlock {
                layout,
                stored,
                rows,
                bands,
            }));
        };
        match image.interleave {
            Interleave::Pixel => push(image, self.plane(0), rows, wanted),
            Interleave::Band => {
                for band in wanted {
                    push(image, self.plane(*band), rows, &[0]);
                }
            }
        }
        if let Some(layout) = &self.raster.levels[self.level].mask {
            for (number, stored) in &self.mask_parts {
                push(layout, stored.as_ref(), rows_of(layout, *number), &[0]);
            }
        }
    }

    fn plane(&self, plane: usize) -> Option<&StoredBytes> {
        let own = self.planes.iter().find(|(own, _)| *own == plane);
        own.and_then(|(_, stored)| stored.as_ref())
    }

    /// Puts the decoded parts of the block together; takes them from `parts` as they were pushed.
    fn put_together(
        &self,
        wanted: &[usize],
        parts: &mut impl Iterator<Item = Result<Vec<Pixels>, DecodeError>>,
    ) -> Result<DecodedBlock, IoError> {
        let image = self.image();
        let window = image.block_window(self.number);
        let len = window.len() as usize;
        let mut next = |layout: &ImageLayout, number: u32| {
            let part = parts.next().expect("a part for each that was pushed");
            let own = layout.block_window(number);
            let cropped = part.map(|bands| {
                let cut = |pixels| crop(pixels, layout.block, &own);
                bands.into_iter().map(cut).collect::<Vec<_>>()
            });
            cropped.map_err(|error| match error {
                DecodeError::Read(error) => error,
                DecodeError::Damaged(reason) => self.raster.block_error(layout, number, reason),
            })
        };
        let mut bands = match image.interleave {
            _ if let Coder::Jpeg2000 {
                codestream,
                reduction,
            } = &image.coder =>
            {
                self.decode_tile(image, codestream, *reduction, wanted)?
            }
            Interleave::Pixel if self.plane(0).is_some() => next(image, self.number)?,
            _ => {
                let mut bands = Vec::with_capacity(wanted.len());
                for band in wanted {
                    let is_stored =
                        image.interleave == Interleave::Band && self.plane(*band).is_some();
                    match is_stored {
                        true => bands.extend(next(image, self.number)?),
                        false => bands.push(self.absent(image, *band, len)),
                    }
                }
                bands
            }
        };
        let opacity = if wanted.len() > self.bands.len() {
            bands.pop()
        } else {
            None
        };
        let mask_layout = self.raster.levels[self.level].mask.as_ref();
        let common = match (mask_layout, opacity) {
            (Some(layout), _) if !self.mask_parts.is_empty() => {
                let mut flags = vec![false; len];
                for (number, _) in self
                    .mask_parts
                    .iter()
                    .filter(|(_, stored)| stored.is_some())
                {
                    let Some(pixels) = next(layout, *number)?.pop() else {
                        continue;
                    };
                    let valid = Mask::from_nodata(&pixels, Some("0"));
                    copy_flags(&mut flags, &window, &valid, &layout.block_window(*number));
                }
                Some(Mask::from_flags(flags))
            }
            (_, Some(opacity)) => Some(Mask::from_nodata(&opacity, Some("0"))),
            _ => None,
        };
        let mask_of = |(index, pixels): (&usize, &Pixels)| match &common {
            Some(mask) => Mask::from_nodata(pixels, None).and(mask),
            None => Mask::from_nodata(pixels, self.raster.bands[*index].nodata.as_deref()),
        };
        let masks = self.bands.iter().zip(&bands).map(mask_of).collect();
        Ok(DecodedBlock {
            window,
            bands,
            masks,
        })
    }

    /// Returns the values of a block that is not stored: nodata, or 0 where there is none or in opacity.
    fn absent(&self, image: &ImageLayout, band: usize, len: usize) -> Pixels {
        fn fill<T: swath_raster::Sample>(values: &mut [T], text: &str) {
            // 64-bit integers do not survive a detour through f64.
            let whole = text.parse().ok().and_then(T::from_i128);
            if let Some(value) = whole.or_else(|| text.parse().ok().and_then(T::from_f64)) {
                values.fill(value);
            }
        }
        let mut pixels = Pixels::zeros(image.data_type, len);
        let info = self.raster.bands.get(band).filter(|info| !info.is_alpha);
        if let Some(text) = info.and_then(|info| info.nodata.as_deref()) {
            for_pixels!(&mut pixels, values => fill(values, text.trim()));
        }
        pixels
    }
}

/// Cuts the padding off a decoded block.
fn crop(pixels: Pixels, block: Size, window: &Window) -> Pixels {
    let (from, width, height) = (
        block.width as usize,
        window.width as usize,
        window.height as usize,
    );
    fn cut<T: Copy>(mut values: Vec<T>, from: usize, width: usize, height: usize) -> Vec<T> {
        if width < from {
            for row in 1..height {
                values.copy_within(row * from..row * from + width, row * width);
            }
        }
        values.truncate(width * height);
        values
    }
    match pixels {
        Pixels::U8(v) => Pixels::U8(cut(v, from, width, height)),
        Pixels::I8(v) => Pixels::I8(cut(v, from, width, height)),
        Pixels::U16(v) => Pixels::U16(cut(v, from, width, height)),
        Pixels::I16(v) => Pixels::I16(cut(v, from, width, height)),
        Pixels::U32(v) => Pixels::U32(cut(v, from, width, height)),
        Pixels::I32(v) => Pixels::I32(cut(v, from, width, height)),
        Pixels::U64(v) => Pixels::U64(cut(v, from, width, height)),
        Pixels::I64(v) => Pixels::I64(cut(v, from, width, height)),
        Pixels::F32(v) => Pixels::F32(cut(v, from, width, height)),
        Pixels::F64(v) => Pixels::F64(cut(v, from, width, height)),
    }
}
