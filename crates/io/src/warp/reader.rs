//! From blocks to target pixels, a bounded amount at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::TryStreamExt;
use rayon::prelude::*;
use swath_grid::{GeoBox, Point, Size, Transform, Window};
use swath_raster::{
    Cell, PixelShift, Positions, Raster, RasterBand, Resampling, WarpSource, reach, source_window,
    warp,
};

use super::block_cache::{BlockCache, BlockKey, raster_key};
use super::kept::KeptBlocks;
use super::level::choose_level;
use super::options::{READ_BYTES_MAX, ReadOptions};
use crate::raster::{BlockPlan, DecodedBlock, GeoTiff, Patchwork, blocks};
use crate::{IoError, compute};

/// Columns and rows of a chunk of the target.
const CHUNK_PX: u32 = 512;
/// Pixels of a window whose positions take less time than handing the work to another thread does.
const FEW_PX: u64 = 256 * 256;
/// Source bytes that one chunk may need; larger ones are halved.
const CHUNK_BYTES_MAX: u64 = 64 << 20;
/// Source bytes of the chunks that are warped side by side.
const GROUP_BYTES_MAX: u64 = 256 << 20;
/// Pixels of the level around the source that count: the reach of cubic, and a bit.
const REACH_PX: f64 = 4.0;
/// Source bytes that one target pixel may need.
const PIXEL_BYTES_MAX: u64 = 512 << 20;

/// Reads a raster onto `geobox`: what lies outside of it, or holds nothing valid, is masked.
///
/// The coarsest overview is read whose pixels are not coarser than those of `geobox`. Blocks are
/// fetched once, decoded once as far as 256 MiB hold them. Safe to drop at any time.
///
/// # Errors
/// [`IoError::Limit`] where the result would exceed [`READ_BYTES_MAX`]; those of
/// [`WarpReader::new`] and [`WarpReader::read_window`].
pub async fn read(
    raster: &Arc<GeoTiff>,
    geobox: &GeoBox,
    options: &ReadOptions,
) -> Result<Raster, IoError> {
    let reader = WarpReader::new(raster.clone(), geobox, options)?;
    read_whole(reader, geobox).await
}

/// As [`read`], with blocks that others read and keep as well.
///
/// # Errors
/// As [`read`].
pub async fn read_sharing(
    cache: &Arc<BlockCache>,
    raster: &Arc<GeoTiff>,
    geobox: &GeoBox,
    options: &ReadOptions,
) -> Result<Raster, IoError> {
    let mut reader = WarpReader::new(raster.clone(), geobox, options)?;
    reader.shared = raster_key(raster).map(|key| (key, cache.clone()));
    read_whole(reader, geobox).await
}

async fn read_whole(mut reader: WarpReader, geobox: &GeoBox) -> Result<Raster, IoError> {
    let size = geobox.size();
    let window = Window::full(size);
    let bytes = window.len().saturating_mul(reader.pixel_bytes());
    if bytes > READ_BYTES_MAX {
        let reason = format!(
            "{} x {} pixels of {} bands are {bytes} bytes, more than the limit of {READ_BYTES_MAX} \
             for one reading; ask for fewer pixels",
            size.width,
            size.height,
            reader.bands.len()
        );
        return Err(reader.limit(reason));
    }
    Ok(Raster {
        geobox: geobox.clone(),
        bands: reader.read_window(window).await?,
    })
}

/// Reads windows of a target grid from a raster.
#[derive(Debug)]
pub struct WarpReader {
    raster: Arc<GeoTiff>,
    bands: Vec<usize>,
    resampling: Resampling,
    level: usize,
    level_size: Size,
    positions: Arc<Positions>,
    /// Where target pixels are pixels of the level.
    shift: Option<PixelShift>,
    target: Size,
    /// What of the target the raster can touch.
    reach: Option<Window>,
    kept: KeptBlocks,
    /// Blocks of all who read, and what this raster is called there.
    shared: Option<(Arc<str>, Arc<BlockCache>)>,
}

/// A piece of the target with its positions, and what it needs of the source.
#[derive(Debug)]
struct Chunk {
    window: Window,
    cells: Vec<Cell>,
    source: Window,
}

impl WarpReader {
    /// Connects `raster` with the target grid and chooses the level to read.
    ///
    /// # Errors
    /// [`IoError::Raster`] where the raster has no CRS or transform, lacks a band, or its CRS has no
    /// known connection with that of `geobox`.
    pub fn new(
        raster: Arc<GeoTiff>,
        geobox: &GeoBox,
        options: &ReadOptions,
    ) -> Result<Self, IoError> {
        let source = source_geobox(&raster)?;
        let count = raster.bands().len();
        let bands = match options.bands.as_slice() {
            [] => (0..count).collect(),
            bands => bands.to_vec(),
        };
        if let Some(band) = bands.iter().find(|band| **band >= count) {
            let reason = format!("it has no band {}: it has {count}", band + 1);
            return Err(wrong(&raster, reason));
        }
        let positions = Positions::new(geobox, &source, options.error_px)
            .map_err(|error| wrong(&raster, error.to_string()))?;
        let level = choose_level(&raster, geobox, &positions);
        let level_size = raster.levels[level].image.size;
        let per_level = |full: u32, level: u32| REACH_PX * f64::from(full) / f64::from(level);
        let margin_px = Point {
            x: per_level(raster.size().width, level_size.width),
            y: per_level(raster.size().height, level_size.height),
        };
        let positions = positions.with_source(&level_transform(&source, level_size));
        Ok(Self {
            reach: reach(&source, geobox, margin_px),
            shift: positions.shift(geobox.size()),
            positions: Arc::new(positions),
            raster,
            bands,
            resampling: options.resampling,
            level,
            level_size,
            target: geobox.size(),
            kept: KeptBlocks::default(),
            shared: None,
        })
    }

    /// Returns the reader with at most so many bytes of decoded blocks kept between windows
    /// (default: 256 MiB).
    pub(crate) fn with_kept_bytes(self, bytes_max: u64) -> Self {
        Self {
            kept: KeptBlocks::within(bytes_max),
            ..self
        }
    }

    /// Returns the bytes of a pixel of all wanted bands.
    fn pixel_bytes(&self) -> u64 {
        let image = &self.raster.levels[self.level].image;
        (self.bands.len() * image.data_type.size_bytes()) as u64
    }

    fn limit(&self, reason: String) -> IoError {
        IoError::Limit {
            href: self.raster.href().to_owned(),
            reason,
        }
    }

    /// Returns the bands of `window` of the target.
    ///
    /// Memory: the result, what the chunks in work need (256 MiB) and the blocks kept.
    ///
    /// # Errors
    /// Upstream errors and damaged blocks; [`IoError::Limit`] where one target pixel needs more than 512 MiB
    /// of the source, as a very small picture of a raster without overviews would.
    ///
    /// # Panics
    /// Where `window` leaves the target.
    pub async fn read_window(&mut self, window: Window) -> Result<Vec<RasterBand>, IoError> {
        assert_eq!(
            window.intersection(&Window::full(self.target)),
            Some(window),
            "a window of the target"
        );
        if let Some(shift) = self.shift {
            return self.copy_window(window, &shift).await;
        }
        let chunks = self.chunks(window).await?;
        if let [chunk] = chunks.as_slice()
            && chunk.window == window
        {
            let warped = self.warp_group(chunks).await?;
            return Ok(warped.into_iter().flat_map(|(_, bands)| bands).collect());
        }
        let mut patchwork = self.patchwork(window);
        for group in self.groups(chunks) {
            for (place, bands) in self.warp_group(group).await? {
                patchwork.put_bands(&bands, &place);
            }
        }
        Ok(patchwork.finish())
    }

    /// Returns the wanted bands of a window without a valid pixel.
    fn patchwork(&self, window: Window) -> Patchwork {
        let data_type = self.raster.levels[self.level].image.data_type;
        Patchwork::new(window, self.bands.iter().map(|_| data_type))
    }

    /// Copies the bands of a window whose pixels are those of the level.
    async fn copy_window(
        &mut self,
        window: Window,
        shift: &PixelShift,
    ) -> Result<Vec<RasterBand>, IoError> {
        let Some(source) = shift.source_window(&window, self.level_size) else {
            return Ok(self.patchwork(window).finish());
        };
        let strips = strips(source, GROUP_BYTES_MAX / self.pixel_bytes().max(1));
        if strips.len() == 1 && source.len() == window.len() {
            return self.copy_strip(source).await;
        }
        let mut patchwork = self.patchwork(Window {
            col: 0,
            row: 0,
            ..window
        });
        for strip in strips {
            let place = shift.place_in(&window, &strip);
            patchwork.put_bands(&self.copy_strip(strip).await?, &place);
        }
        Ok(patchwork.finish())
    }

    /// Returns the bands of a window of the level.
    async fn copy_strip(&mut self, strip: Window) -> Result<Vec<RasterBand>, IoError> {
        let numbers = self.raster.level_blocks_of(self.level, &strip);
        self.hold(&numbers).await?;
        let is_used_up =
            |block: &DecodedBlock| block.window.intersection(&strip) == Some(block.window);
        let mut parts = Vec::with_capacity(numbers.len());
        for number in numbers {
            parts.extend(self.kept.take_if(number, is_used_up));
        }
        self.kept.end_round();
        compute::run(move |_| copied(strip, parts)).await
    }

    /// Returns the chunks of a window that touch the source, each with a bounded part of it.
    async fn chunks(&self, window: Window) -> Result<Vec<Chunk>, IoError> {
        let reached = self.reach.and_then(|reach| reach.intersection(&window));
        let Some(window) = reached else {
            return Ok(Vec::new());
        };
        let positions = self.positions.clone();
        let (level_size, resampling) = (self.level_size, self.resampling);
        let pixel_bytes = self.pixel_bytes();
        let chunks_of = move |piece: Window| {
            let mut chunks = Vec::new();
            let mut open = vec![piece];
            while let Some(window) = open.pop() {
                let cells = positions.cells(window);
                let Some(source) = source_window(&cells, level_size, resampling) else {
                    continue;
                };
                let bytes = source.len() * pixel_bytes;
                match halves(window) {
                    Some(halves) if bytes > CHUNK_BYTES_MAX => open.extend(halves),
                    None if bytes > PIXEL_BYTES_MAX => return Err(bytes),
                    _ => chunks.push(Chunk {
                        window,
                        cells,
                        source,
                    }),
                }
            }
            Ok(chunks)
        };
        let found: Result<Vec<_>, u64> = match window.len() <= FEW_PX {
            true => pieces(window).into_iter().map(chunks_of).collect(),
            false => {
                let work = move |_: &mut _| pieces(window).into_par_iter().map(chunks_of).collect();
                compute::run(work).await
            }
        };
        let found = found.map_err(|bytes| {
            self.limit(format!(
                "one pixel of the result needs {bytes} bytes of the source, more than the limit of {PIXEL_BYTES_MAX}; \
                 ask for a finer resolution, or write overviews into the source (swath convert)"
            ))
        })?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Puts chunks together, in order, that are warped side by side.
    fn groups(&self, chunks: Vec<Chunk>) -> Vec<Vec<Chunk>> {
        let mut groups: Vec<Vec<Chunk>> = Vec::new();
        let mut bytes = 0;
        for chunk in chunks {
            let own = chunk.source.len() * self.pixel_bytes();
            match groups.last_mut() {
                Some(group) if bytes + own <= GROUP_BYTES_MAX => {
                    group.push(chunk);
                    bytes += own;
                }
                _ => {
                    groups.push(vec![chunk]);
                    bytes = own;
                }
            }
        }
        groups
    }

    fn shared_block(&self, bands: &Arc<[usize]>, number: u32) -> Option<Arc<DecodedBlock>> {
        let (raster, cache) = self.shared.as_ref()?;
        cache.get(&block_key(raster, bands, self.level, number))
    }

    /// Fetches and decodes those of the wanted blocks that are not kept.
    async fn hold(&mut self, wanted: &[u32]) -> Result<(), IoError> {
        let level = self.level;
        let keys = Arc::<[usize]>::from(self.bands.as_slice());
        let mut numbers = Vec::new();
        for number in self.kept.begin_round(wanted) {
            match self.shared_block(&keys, number) {
                Some(block) => self.kept.insert(number, block),
                None => numbers.push(number),
            }
        }
        let plan = BlockPlan {
            level,
            bands: self.bands.clone(),
            numbers,
        };
        let mut decoded = std::pin::pin!(
            blocks(&self.raster, plan)
                .map_ok(|fetched| async move {
                    let number = fetched.number();
                    let block = compute::run(move |scratch| fetched.decode(scratch)).await?;
                    Ok((number, block))
                })
                .try_buffered(rayon::current_num_threads().max(4))
        );
        while let Some((number, block)) = decoded.try_next().await? {
            let block = match &self.shared {
                Some((raster, cache)) => cache.keep(block_key(raster, &keys, level, number), block),
                None => Arc::new(block),
            };
            self.kept.insert(number, block);
        }
        Ok(())
    }

    async fn warp_group(
        &mut self,
        group: Vec<Chunk>,
    ) -> Result<Vec<(Window, Vec<RasterBand>)>, IoError> {
        let level = self.level;
        let wanted: BTreeSet<u32> = group
            .iter()
            .flat_map(|chunk| self.raster.level_blocks_of(level, &chunk.source))
            .collect();
        let wanted: Vec<u32> = wanted.into_iter().collect();
        self.hold(&wanted).await?;
        let jobs: Vec<_> = group
            .into_iter()
            .map(|chunk| {
                let numbers = self.raster.level_blocks_of(level, &chunk.source);
                let parts = numbers
                    .into_iter()
                    .filter_map(|number| self.kept.get(number));
                (chunk, parts.collect::<Vec<_>>())
            })
            .collect();
        let (size, resampling) = (self.level_size, self.resampling);
        let warped = compute::run(move |_| {
            let jobs = jobs.into_par_iter();
            jobs.map(|(chunk, parts)| warp_chunk(&chunk, &parts, size, resampling))
                .collect()
        });
        let warped: Result<Vec<_>, IoError> = warped.await;
        self.kept.end_round();
        warped
    }
}

fn block_key(raster: &Arc<str>, bands: &Arc<[usize]>, level: usize, number: u32) -> BlockKey {
    BlockKey {
        raster: raster.clone(),
        bands: bands.clone(),
        level,
        number,
    }
}

fn warp_chunk(
    chunk: &Chunk,
    parts: &[Arc<DecodedBlock>],
    size: Size,
    resampling: Resampling,
) -> Result<(Window, Vec<RasterBand>), IoError> {
    let whole;
    let held = match parts {
        // A chunk within one block needs no copy of it.
        [one] => one.as_ref(),
        parts => {
            whole = DecodedBlock::assemble_from(chunk.source, parts.iter().map(Arc::as_ref))?;
            &whole
        }
    };
    let source = WarpSource {
        window: held.window,
        size,
        bands: &held.bands,
        masks: &held.masks,
    };
    Ok((
        chunk.window,
        warp(&source, &chunk.cells, chunk.window, resampling),
    ))
}

/// Returns the values of a window from the blocks that hold it; 0 where not valid.
fn copied(window: Window, mut parts: Vec<Arc<DecodedBlock>>) -> Result<Vec<RasterBand>, IoError> {
    let is_same = parts.len() == 1 && parts[0].window == window;
    let own = parts.pop_if(|_| is_same).map(Arc::unwrap_or_clone);
    let block = match own {
        Some(block) => block,
        None => DecodedBlock::assemble_from(window, parts.iter().map(Arc::as_ref))?,
    };
    let bands = block.bands.into_iter().zip(block.masks);
    Ok(bands
        .map(|(mut pixels, mask)| {
            mask.clear_invalid(&mut pixels);
            RasterBand { pixels, mask }
        })
        .collect())
}

/// Cuts a window into strips of at most so many pixels, a row at least.
fn strips(window: Window, pixels_max: u64) -> Vec<Window> {
    let rows = (pixels_max / u64::from(window.width)).clamp(1, u64::from(window.height)) as u32;
    let starts = (window.row..window.row_end()).step_by(rows as usize);
    let strip = |row: u32| Window {
        row,
        height: rows.min(window.row_end() - row),
        ..window
    };
    starts.map(strip).collect()
}

/// Returns the grid of a raster.
///
/// # Errors
/// [`IoError::Raster`] where it has no CRS or transform.
pub(super) fn source_geobox(raster: &GeoTiff) -> Result<GeoBox, IoError> {
    let crs = raster.crs().ok_or_else(|| {
        let reason = "it names no coordinate reference system; write one into it first";
        wrong(raster, reason.to_owned())
    })?;
    let transform = raster.transform().ok_or_else(|| {
        let reason = "it has no transform from pixels to coordinates";
        wrong(raster, reason.to_owned())
    })?;
    GeoBox::new(crs.clone(), *transform, raster.size())
        .ok_or_else(|| wrong(raster, "it is empty".to_owned()))
}

pub(super) fn wrong(raster: &GeoTiff, reason: String) -> IoError {
    IoError::Raster {
        href: raster.href().to_owned(),
        reason,
    }
}

/// Returns the transform of a level: the same area with fewer pixels.
fn level_transform(source: &GeoBox, level: Size) -> Transform {
    let full = source.size();
    source.transform().scaled(
        f64::from(full.width) / f64::from(level.width),
        f64::from(full.height) / f64::from(level.height),
    )
}

/// Cuts a window into chunks, row by row.
fn pieces(window: Window) -> Vec<Window> {
    let rows = (window.row..window.row_end()).step_by(CHUNK_PX as usize);
    rows.flat_map(|row| {
        let cols = (window.col..window.col_end()).step_by(CHUNK_PX as usize);
        cols.map(move |col| Window {
            col,
            row,
            width: CHUNK_PX.min(window.col_end() - col),
            height: CHUNK_PX.min(window.row_end() - row),
        })
    })
    .collect()
}

/// Cuts a window in two along its longer side, `None` for a single pixel.
fn halves(window: Window) -> Option<[Window; 2]> {
    if window.len() <= 1 {
        return None;
    }
    if window.width >= window.height {
        let width = window.width / 2;
        let left = Window { width, ..window };
        let right = Window {
            col: window.col + width,
            width: window.width - width,
            ..window
        };
        return Some([right, left]);
    }
    let height = window.height / 2;
    let upper = Window { height, ..window };
    let lower = Window {
        row: window.row + height,
        height: window.height - height,
        ..window
    };
    Some([lower, upper])
}
