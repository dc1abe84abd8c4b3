//! The driver: rows in, levels out, then the file.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use swath_raster::DataType;
use tempfile::TempPath;

use super::encode::{BlockFormat, EncodedBlock, Encoder};
use super::ifd::{self, Image, Tag, Values, tag};
use super::metadata;
use super::overview::{LevelSize, Reducer, overview_sizes};
use super::predictor::Predictor;
use super::spec::{
    CogError, CogOptions, CogReport, CogSpec, Compression, OverviewRule, RowSource, Rows,
};
use super::spool::{Extent, Spool};
use super::strip::Strip;

/// Compressed blocks held per thread before they go to the spool.
const BLOCKS_PER_THREAD_MAX: usize = 4;

/// Bytes of an uncompressed block; codecs and readers handle blocks as one piece.
const BLOCK_BYTES_MAX: usize = 1 << 30;

/// Bytes that a byte of a block never exceeds when it is packed.
const PACKED_MAX: usize = 2;

/// `NewSubfileType` of an overview.
const REDUCED: u32 = 1;

/// `NewSubfileType` of a mask.
const MASK: u32 = 4;

/// Writes a cloud-optimised GeoTIFF that GDAL recognises as such, and replaces `path` by it at
/// the end: on any error `path` is as it was before.
///
/// Pixels are stored band by band within a pixel, in blocks, with overviews down to one block.
/// `source` is read once, from the first row to the last. Memory: about two strips of `block_px`
/// rows with all bands, plus a few blocks per thread. Disk: the size of the result, with overviews up to twice that.
/// The bytes written do not depend on the number of threads.
///
/// # Errors
/// [`CogError`], among others where the disk is full, the source fails or the caller cancels.
pub fn write_cog(
    path: &Path,
    spec: &CogSpec,
    options: &CogOptions,
    source: &mut dyn RowSource,
) -> Result<CogReport, CogError> {
    check(spec, options)?;
    let file_tags = metadata::file_tags(spec)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(|error| CogError::invalid(error.to_string()))?;
    let mut levels = Pyramid::new(path, spec, options, &file_tags, pool.current_num_threads())?;
    let height = spec.geobox.size().height;
    let mut first_row = 0;
    while first_row < height {
        check_cancelled(options)?;
        let rows = options.block_px.min(height - first_row);
        let strip = read_strip(source, spec, first_row, rows)?;
        pool.install(|| levels.take(0, &strip))?;
        first_row += rows;
    }
    check_cancelled(options)?;
    levels.assemble(path, file_tags)
}

fn check(spec: &CogSpec, options: &CogOptions) -> Result<(), CogError> {
    let block_px = options.block_px;
    if !block_px.is_multiple_of(16) || !(16..=16_384).contains(&block_px) {
        let reason = format!("block size {block_px} is no multiple of 16 from 16 to 16384");
        return Err(CogError::Invalid { reason });
    }
    let band_count = spec.bands.len();
    if band_count == 0 || band_count > usize::from(u16::MAX) {
        return Err(CogError::invalid(format!(
            "{band_count} bands, not 1 to 65535"
        )));
    }
    let pixel_bytes = band_count * spec.data_type.size_bytes();
    if pixel_bytes * (block_px as usize).pow(2) > BLOCK_BYTES_MAX {
        let reason = format!("a block of {block_px} px and {band_count} bands exceeds 1 GiB");
        return Err(CogError::Invalid { reason });
    }
    if let Some(nodata) = spec.nodata
        && !can_hold(spec.data_type, nodata)
    {
        let reason = format!("nodata {nodata} is no value of {}", spec.data_type.name());
        return Err(CogError::Invalid { reason });
    }
    if let Some(colors) = &spec.color_map {
        let entries_max = match spec.data_type {
            DataType::U8 => 256,
            DataType::U16 => 65_536,
            _ => 0,
        };
        if band_count != 1 || colors.len() > entries_max {
            let reason = format!(
                "a colour map of {} entries for {band_count} bands of {}",
                colors.len(),
                spec.data_type.name()
            );
            return Err(CogError::Invalid { reason });
        }
    }
    Ok(())
}

fn check_cancelled(options: &CogOptions) -> Result<(), CogError> {
    match &options.cancel {
        Some(cancel) if cancel.load(Ordering::Relaxed) => Err(CogError::Cancelled),
        _ => Ok(()),
    }
}

fn can_hold(data_type: DataType, value: f64) -> bool {
    use swath_raster::Sample;
    match data_type {
        DataType::U8 => u8::from_f64(value).is_some(),
        DataType::I8 => i8::from_f64(value).is_some(),
        DataType::U16 => u16::from_f64(value).is_some(),
        DataType::I16 => i16::from_f64(value).is_some(),
        DataType::U32 => u32::from_f64(value).is_some(),
        DataType::I32 => i32::from_f64(value).is_some(),
        DataType::U64 => u64::from_f64(value).is_some(),
        DataType::I64 => i64::from_f64(value).is_some(),
        DataType::F32 | DataType::F64 => true,
    }
}

/// Reads rows and checks that they are what the specification says.
fn read_strip(
    source: &mut dyn RowSource,
    spec: &CogSpec,
    first_row: u32,
    rows: u32,
) -> Result<Strip, CogError> {
    let last_row = first_row + rows - 1;
    let Rows { bands, mask } =
        source
            .read_rows(first_row, rows)
            .map_err(|source| CogError::Source {
                first_row,
                last_row,
                source,
            })?;
    let width = spec.geobox.size().width as usize;
    let len = width * rows as usize;
    let wrong = |reason: String| Err(CogError::WrongRows { first_row, reason });
    if bands.len() != spec.bands.len() {
        return wrong(format!("{} bands, not {}", bands.len(), spec.bands.len()));
    }
    for (index, band) in bands.iter().enumerate() {
        if band.data_type() != spec.data_type || band.len() != len {
            let (got, want) = (band.data_type().name(), spec.data_type.name());
            return wrong(format!(
                "band {index} has {} values of {got}, not {len} of {want}",
                band.len()
            ));
        }
    }
    let mask_len = mask.as_ref().map(Vec::len);
    if mask_len != spec.has_mask.then_some(len) {
        return wrong(format!("a mask of {mask_len:?} values for {len} pixels"));
    }
    Ok(Strip {
        width,
        first_row: first_row as usize,
        rows: rows as usize,
        bands,
        mask,
    })
}

/// One level on its way to the spool.
struct Level {
    size: LevelSize,
    /// Makes the rows of this level; none for the full resolution.
    reducer: Option<Reducer>,
    /// Rows that do not yet fill a strip of blocks.
    strip: Strip,
    spool: Spool,
}

/// All levels, the full resolution first.
struct Pyramid<'a> {
    spec: &'a CogSpec,
    options: &'a CogOptions,
    format: BlockFormat,
    levels: Vec<Level>,
    /// One per thread.
    encoders: Vec<Mutex<Encoder>>,
    /// Compressed blocks on their way to the spool.
    blocks: Vec<EncodedBlock>,
    scratch_dir: PathBuf,
    /// The file that becomes the result, where the only spool is in it.
    result: Option<TempPath>,
}

impl<'a> Pyramid<'a> {
    fn new(
        path: &Path,
        spec: &'a CogSpec,
        options: &'a CogOptions,
        file_tags: &[Tag],
        threads: usize,
    ) -> Result<Self, CogError> {
        let block_px = options.block_px as usize;
        let format = BlockFormat {
            block_px,
            compression: options.compression,
            predictor: predictor(options.compression, spec.data_type),
            sparse_value: options.sparse.then(|| spec.nodata.unwrap_or(0.0)),
        };
        let encoders = (0..threads)
            .map(|_| Encoder::new(format, spec.data_type).map(Mutex::new))
            .collect::<Result<Vec<_>, _>>()?;
        let scratch_dir = options
            .scratch_dir
            .clone()
            .unwrap_or_else(|| folder_of(path).to_path_buf());
        let size = spec.geobox.size();
        let full = LevelSize {
            width: size.width as usize,
            height: size.height as usize,
        };
        let mut sizes = vec![full];
        if options.overviews != OverviewRule::None {
            sizes.extend(overview_sizes(full, block_px));
        }
        let empty_strip =
            |width: usize| Strip::empty(width, spec.data_type, spec.bands.len(), spec.has_mask);
        let mut levels = Vec::new();
        for (index, size) in sizes.iter().copied().enumerate() {
            let source = sizes[index.saturating_sub(1)];
            let rule = options.overviews;
            let reducer = (index > 0)
                .then(|| Reducer::new(rule, source, size, spec.nodata, empty_strip(source.width)));
            let spool = Spool::create(&scratch_dir).map_err(|source| CogError::Io {
                path: scratch_dir.clone(),
                source,
            })?;
            levels.push(Level {
                size,
                reducer,
                strip: empty_strip(size.width),
                spool,
            });
        }
        let blocks = vec![EncodedBlock::default(); BLOCKS_PER_THREAD_MAX * threads];
        let mut pyramid = Self {
            spec,
            options,
            format,
            levels,
            encoders,
            blocks,
            scratch_dir,
            result: None,
        };
        if options.scratch_dir.is_none() {
            pyramid.write_in_place(path, file_tags)?;
        }
        Ok(pyramid)
    }

    /// Lets the blocks of a file without overviews go into the result itself: what comes before them has a size that is
    /// known, as long as a classic TIFF can hold whatever comes.
    fn write_in_place(&mut self, path: &Path, file_tags: &[Tag]) -> Result<(), CogError> {
        let [level] = self.levels.as_mut_slice() else {
            return Ok(());
        };
        let block_px = self.format.block_px;
        let blocks = level.size.width.div_ceil(block_px) * level.size.height.div_ceil(block_px);
        let pixel_bytes = self.spec.bands.len() * self.spec.data_type.size_bytes() + 1;
        let bytes_max = blocks as u64 * (block_px * block_px * pixel_bytes * PACKED_MAX) as u64;
        if self.options.force_big_tiff || bytes_max > u64::from(u32::MAX) / 2 {
            return Ok(());
        }
        level.spool.image = vec![Extent::default(); blocks];
        level.spool.mask = level.spool.image.clone();
        let images = self.images(file_tags.to_vec());
        let start = ifd::file_start(&images, &[bytes_max], self.spec.has_mask, false);
        let spool = temporary_beside(path).and_then(|temporary| {
            let (file, temporary) = temporary.into_parts();
            self.result = Some(temporary);
            Spool::after(start.bytes.len() as u64, file)
        });
        self.levels[0].spool = spool.map_err(|source| CogError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(())
    }

    /// Takes the next strip of blocks of a level: into its spool, and into the next level.
    fn take(&mut self, level_index: usize, strip: &Strip) -> Result<(), CogError> {
        self.store(level_index, strip)?;
        if level_index + 1 < self.levels.len() {
            self.reduce(level_index + 1, strip)?;
        }
        Ok(())
    }

    /// Makes rows of level `index` from a strip of its source, and takes each strip they fill.
    fn reduce(&mut self, index: usize, source: &Strip) -> Result<(), CogError> {
        let block_px = self.format.block_px;
        loop {
            let level = &mut self.levels[index];
            let Some(reducer) = &mut level.reducer else {
                return Ok(());
            };
            let has_more = reducer.reduce(source, &mut level.strip, block_px);
            let is_complete = level.strip.row_end() == level.size.height;
            if level.strip.rows == block_px || (is_complete && level.strip.rows > 0) {
                let row_end = level.strip.row_end();
                let empty = Strip::empty(level.size.width, self.spec.data_type, 0, false);
                let mut full_strip = std::mem::replace(&mut level.strip, empty);
                self.take(index, &full_strip)?;
                full_strip.restart(row_end);
                self.levels[index].strip = full_strip;
            } else if !has_more {
                return Ok(());
            }
        }
    }

    /// Compresses the blocks of a strip on all threads and appends them in order.
    fn store(&mut self, level_index: usize, strip: &Strip) -> Result<(), CogError> {
        let block_px = self.format.block_px;
        let block_cols: Vec<usize> = (0..strip.width).step_by(block_px).collect();
        for batch in block_cols.chunks(self.blocks.len()) {
            check_cancelled(self.options)?;
            let encoders = &self.encoders;
            let blocks = &mut self.blocks[..batch.len()];
            batch
                .par_iter()
                .zip(blocks.par_iter_mut())
                .with_max_len(1)
                .try_for_each(|(first_col, block)| {
                    let thread = rayon::current_thread_index().unwrap_or(0) % encoders.len();
                    let mut encoder = encoders[thread]
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner);
                    encoder.encode(strip, *first_col, block)
                })?;
            let spool = &mut self.levels[level_index].spool;
            for block in blocks {
                spool
                    .push(block, self.spec.has_mask)
                    .map_err(|source| CogError::Io {
                        path: self.scratch_dir.clone(),
                        source,
                    })?;
            }
        }
        Ok(())
    }

    /// Writes the file beside `path`, as far as it is not there yet, and renames it.
    fn assemble(mut self, path: &Path, file_tags: Vec<Tag>) -> Result<CogReport, CogError> {
        let images = self.images(file_tags);
        let level_bytes: Vec<u64> = self.levels.iter().map(|level| level.spool.len).collect();
        let has_mask = self.spec.has_mask;
        let start = ifd::file_start(&images, &level_bytes, has_mask, self.options.force_big_tiff);
        let error = |source: io::Error| CogError::Io {
            path: path.to_path_buf(),
            source,
        };

        let temporary = match self.result.take() {
            Some(temporary) => {
                let spool = &mut self.levels[0].spool;
                spool.finish(&start.bytes).map_err(error)?;
                temporary
            }
            None => {
                let (mut file, temporary) = temporary_beside(path).map_err(error)?.into_parts();
                file.write_all(&start.bytes).map_err(error)?;
                for level in self.levels.iter_mut().rev() {
                    check_cancelled(self.options)?;
                    level.spool.copy_to(&mut file).map_err(error)?;
                }
                file.sync_all().map_err(error)?;
                temporary
            }
        };
        check_cancelled(self.options)?;
        temporary
            .persist(path)
            .map_err(|failed| error(failed.error))?;
        sync_folder(folder_of(path)).map_err(error)?;
        Ok(self.report(
            start.bytes.len() as u64 + level_bytes.iter().sum::<u64>(),
            start.is_big,
        ))
    }

    fn report(&self, bytes: u64, is_big_tiff: bool) -> CogReport {
        let full_width = self.levels[0].size.width as f64;
        let decimation = |level: &Level| (full_width / level.size.width as f64).round() as u32;
        let blocks = || self.levels.iter().flat_map(|level| &level.spool.image);
        CogReport {
            bytes,
            overviews: self.levels[1..].iter().map(decimation).collect(),
            blocks_written: blocks().filter(|extent| extent.len > 0).count() as u64,
            blocks_sparse: blocks().filter(|extent| extent.len == 0).count() as u64,
            is_big_tiff,
        }
    }

    /// The images in the order of GDAL: image, its mask, overviews, masks of the overviews.
    fn images(&self, mut file_tags: Vec<Tag>) -> Vec<Image> {
        let has_mask = self.spec.has_mask;
        let mut images = Vec::new();
        let indexes = 0..self.levels.len();
        for level_index in indexes.clone() {
            let mut image = self.image(level_index);
            image.tags.append(&mut file_tags);
            images.push(image);
            if has_mask && level_index == 0 {
                images.push(self.mask_image(level_index));
            }
        }
        if has_mask {
            images.extend(
                indexes
                    .skip(1)
                    .map(|level_index| self.mask_image(level_index)),
            );
        }
        images
    }

    fn image(&self, level_index: usize) -> Image {
        let subfile_type = if level_index == 0 { 0 } else { REDUCED };
        let mut tags = self.shape_tags(level_index, subfile_type);
        tags.extend(metadata::sample_tags(self.spec));
        tags.push(Tag::short(
            tag::COMPRESSION,
            compression_tag(self.options.compression),
        ));
        if self.format.predictor != Predictor::None {
            tags.push(Tag::short(tag::PREDICTOR, self.format.predictor.tag()));
        }
        Image {
            tags,
            extents: self.levels[level_index].spool.image.clone(),
            level_index,
        }
    }

    fn mask_image(&self, level_index: usize) -> Image {
        let subfile_type = if level_index == 0 {
            MASK
        } else {
            MASK | REDUCED
        };
        let mut tags = self.shape_tags(level_index, subfile_type);
        tags.extend([
            Tag::short(tag::BITS_PER_SAMPLE, 1),
            Tag::short(
                tag::COMPRESSION,
                compression_tag(Compression::Deflate { level: 0 }),
            ),
            // Transparency mask.
            Tag::short(tag::PHOTOMETRIC, 4),
            Tag::short(tag::SAMPLES_PER_PIXEL, 1),
            Tag::short(tag::PLANAR_CONFIGURATION, 1),
            Tag::short(tag::SAMPLE_FORMAT, 1),
        ]);
        Image {
            tags,
            extents: self.levels[level_index].spool.mask.clone(),
            level_index,
        }
    }

    fn shape_tags(&self, level_index: usize, subfile_type: u32) -> Vec<Tag> {
        let LevelSize { width, height } = self.levels[level_index].size;
        let mut tags = vec![
            Tag::size(tag::IMAGE_WIDTH, width),
            Tag::size(tag::IMAGE_LENGTH, height),
            Tag::size(tag::TILE_WIDTH, self.format.block_px),
            Tag::size(tag::TILE_LENGTH, self.format.block_px),
        ];
        if subfile_type != 0 {
            let values = Values::Long(vec![subfile_type]);
            tags.push(Tag {
                id: tag::NEW_SUBFILE_TYPE,
                values,
            });
        }
        tags
    }
}

fn predictor(compression: Compression, data_type: DataType) -> Predictor {
    match compression {
        Compression::None => Predictor::None,
        _ if data_type.is_float() => Predictor::Float,
        _ => Predictor::Horizontal,
    }
}

fn compression_tag(compression: Compression) -> u16 {
    match compression {
        Compression::None => 1,
        Compression::Lzw => 5,
        Compression::Deflate { .. } => 8,
        Compression::Zstd { .. } => 50_000,
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Opens a file in the folder of `path` that is removed again unless it is renamed.
fn temporary_beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".swath-").suffix(".tif.part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The umask takes away what others may not do, as for any new file.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder_of(path))
}

/// Makes the rename last; folders cannot be opened on Windows, where this does nothing.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops where it fails")]
mod tests;
