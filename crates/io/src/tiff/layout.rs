//! Meaning of one directory: its grid of blocks and how samples are stored in them.

use swath_grid::{Size, Window};
use swath_raster::DataType;

use super::directory::Directory;
use super::tag;
use crate::codec::{Coder, PHOTOMETRIC_YCBCR};

/// Largest decoded block, in bytes: what one thread may hold.
pub(crate) const BLOCK_BYTES_MAX: u64 = 1 << 30;
/// Rows of an uncompressed strip are regrouped into blocks of about this many bytes.
const STRIP_PIECE_BYTES: u64 = 1 << 20;
/// Most bands of one file.
const BANDS_MAX: u64 = 65_535;

/// Photometric interpretation of red, green and blue.
pub(crate) const PHOTOMETRIC_RGB: u64 = 2;

/// How blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Stored as they are.
    None,
    /// TIFF's LZW, most significant bit first.
    Lzw,
    /// zlib streams (codes 8 and 32946).
    Deflate,
    /// Byte runs.
    PackBits,
    /// Zstandard frames.
    Zstd,
    /// JPEG images that share their tables (code 7).
    Jpeg,
    /// Limited error raster compression (code 34887).
    Lerc,
    /// Tiles of a JPEG 2000 codestream, in a file of that format.
    Jpeg2000,
    /// A scheme that is not read yet, by its TIFF code.
    Unsupported(u16),
}

impl Compression {
    fn from_code(code: u64) -> Self {
        match code {
            1 => Self::None,
            5 => Self::Lzw,
            7 => Self::Jpeg,
            8 | 32946 => Self::Deflate,
            32773 => Self::PackBits,
            34887 => Self::Lerc,
            50000 => Self::Zstd,
            other => Self::Unsupported(other as u16),
        }
    }

    /// Returns the name as GDAL writes it; for schemes that are not read, their usual name.
    pub fn name(self) -> String {
        match self {
            Self::None => "none".to_owned(),
            Self::Lzw => "lzw".to_owned(),
            Self::Deflate => "deflate".to_owned(),
            Self::PackBits => "packbits".to_owned(),
            Self::Zstd => "zstd".to_owned(),
            Self::Jpeg => "jpeg".to_owned(),
            Self::Lerc => "lerc".to_owned(),
            Self::Jpeg2000 => "jpeg2000".to_owned(),
            Self::Unsupported(code) => match code {
                2..=4 => "ccitt".to_owned(),
                6 => "old-style jpeg".to_owned(),
                34712 | 33003 | 33005 => "jpeg2000".to_owned(),
                34925 => "lzma".to_owned(),
                50001 => "webp".to_owned(),
                50002 => "jxl".to_owned(),
                other => format!("code {other}"),
            },
        }
    }
}

/// Whether the samples of a pixel stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interleave {
    /// Samples of a pixel stand together (chunky).
    Pixel,
    /// Each band has its own blocks (planar).
    Band,
}

/// One image of a file: full resolution, overview or mask.
#[derive(Debug, Clone)]
pub(crate) struct ImageLayout {
    pub(crate) size: Size,
    pub(crate) block: Size,
    pub(crate) is_tiled: bool,
    pub(crate) bands: usize,
    /// True where each stored sample is complex: its real and imaginary part are two bands.
    pub(crate) is_complex: bool,
    pub(crate) data_type: DataType,
    /// Stored bits of a sample: 1 to 7 are widened to 8 when decoded, 9 to 15 to 16.
    pub(crate) bits: u32,
    pub(crate) is_little_endian: bool,
    pub(crate) compression: Compression,
    pub(crate) coder: Coder,
    pub(crate) predictor: u16,
    pub(crate) interleave: Interleave,
    pub(crate) is_bit_order_reversed: bool,
    pub(crate) photometric: u64,
    pub(crate) extra_samples: Vec<u64>,
    /// Red, green, blue per value, where the file has a colour map.
    pub(crate) color_map: Option<Vec<[u8; 3]>>,
    /// Offset of each block; 0 with count 0 means not stored (sparse).
    pub(crate) offsets: Vec<u64>,
    pub(crate) counts: Vec<u64>,
    pub(crate) is_mask: bool,
    pub(crate) is_reduced: bool,
    pub(crate) directory_offset: u64,
}

impl ImageLayout {
    /// Reads the layout out of a directory of a file of `file_len` bytes.
    ///
    /// # Errors
    /// A sentence that names the tag or the unsupported thing.
    pub(crate) fn from_directory(directory: &Directory, file_len: u64) -> Result<Self, String> {
        let at = directory.offset;
        let required = |tag, name: &str| {
            directory
                .uint(tag)
                .ok_or_else(|| format!("the directory at offset {at} has no {name}"))
        };
        let width = dimension(required(tag::IMAGE_WIDTH, "ImageWidth")?, "ImageWidth")?;
        let height = dimension(required(tag::IMAGE_LENGTH, "ImageLength")?, "ImageLength")?;
        let Samples {
            bands,
            bits,
            data_type,
            is_complex,
        } = Samples::from_directory(directory)?;
        let interleave = match directory.uint(tag::PLANAR_CONFIGURATION).unwrap_or(1) {
            2 if bands > 1 => Interleave::Band,
            1 | 2 => Interleave::Pixel,
            other => return Err(format!("PlanarConfiguration {other} (1 and 2 are read)")),
        };
        let is_tiled = directory.has(tag::TILE_WIDTH) || directory.has(tag::TILE_OFFSETS);
        let block = if is_tiled {
            Size {
                width: dimension(required(tag::TILE_WIDTH, "TileWidth")?, "TileWidth")?,
                height: dimension(required(tag::TILE_LENGTH, "TileLength")?, "TileLength")?,
            }
        } else {
            let rows = directory
                .uint(tag::ROWS_PER_STRIP)
                .unwrap_or(u64::from(height));
            Size {
                width,
                height: (rows.clamp(1, u64::from(height))) as u32,
            }
        };
        let compression = Compression::from_code(directory.uint(tag::COMPRESSION).unwrap_or(1));
        let subfile = directory.uint(tag::NEW_SUBFILE_TYPE).unwrap_or(0);
        let mut layout = Self {
            size: Size { width, height },
            block,
            is_tiled,
            bands: bands as usize,
            is_complex,
            data_type,
            bits: bits as u32,
            is_little_endian: directory.header.is_little_endian,
            compression,
            coder: Coder::from_directory(compression, directory),
            predictor: directory.uint(tag::PREDICTOR).unwrap_or(1) as u16,
            interleave,
            is_bit_order_reversed: directory.uint(tag::FILL_ORDER) == Some(2),
            photometric: match directory.uint(tag::PHOTOMETRIC).unwrap_or(1) {
                // Decoding makes red, green and blue of luma and chroma.
                PHOTOMETRIC_YCBCR if compression == Compression::Jpeg => PHOTOMETRIC_RGB,
                other => other,
            },
            color_map: directory
                .uints(tag::COLOR_MAP)
                .and_then(|map| color_map(&map)),
            extra_samples: directory.uints(tag::EXTRA_SAMPLES).unwrap_or_default(),
            offsets: Vec::new(),
            counts: Vec::new(),
            is_mask: subfile & 4 != 0,
            is_reduced: subfile & 1 != 0,
            directory_offset: at,
        };
        layout.read_block_table(directory, file_len)?;
        Ok(layout)
    }

    fn read_block_table(&mut self, directory: &Directory, file_len: u64) -> Result<(), String> {
        let (offsets_tag, counts_tag, what) = if self.is_tiled && directory.has(tag::TILE_OFFSETS) {
            (tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS, "tile")
        } else {
            (tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS, "strip")
        };
        let expected = self.block_count()?;
        let offsets = directory.uints(offsets_tag).ok_or_else(|| {
            format!(
                "the directory at offset {} has no {what} offsets",
                self.directory_offset
            )
        })?;
        let counts = match directory.uints(counts_tag) {
            Some(counts) => counts,
            None if self.compression == Compression::None => offsets
                .iter()
                .map(|offset| {
                    self.stored_block_bytes()
                        .min(file_len.saturating_sub(*offset))
                })
                .collect(),
            None => {
                return Err(format!(
                    "the directory at offset {} has no {what} byte counts",
                    self.directory_offset
                ));
            }
        };
        if (offsets.len() as u64) < expected || (counts.len() as u64) < expected {
            return Err(format!(
                "{} {what} offsets and {} byte counts where {expected} blocks of {}x{} make {}x{} pixels",
                offsets.len(),
                counts.len(),
                self.block.width,
                self.block.height,
                self.size.width,
                self.size.height
            ));
        }
        self.offsets = offsets;
        self.counts = counts;
        self.offsets.truncate(expected as usize);
        self.counts.truncate(expected as usize);
        self.split_large_strips();
        Ok(())
    }

    /// Regroups the rows of large uncompressed strips, so that a part can be read by itself.
    fn split_large_strips(&mut self) {
        let row_bytes = self.row_bytes();
        let is_plain = self.compression == Compression::None && !self.is_tiled && self.bits >= 8;
        if !is_plain || row_bytes * u64::from(self.block.height) <= STRIP_PIECE_BYTES {
            return;
        }
        let is_whole = |index: usize, strip_row: u64| {
            let rows = u64::from(self.block.height).min(u64::from(self.size.height) - strip_row);
            self.counts[index] >= rows * row_bytes
        };
        let strips = self.blocks_down() as usize;
        let planes = self.offsets.len() / strips.max(1);
        let all_whole = (0..self.offsets.len()).all(|index| {
            is_whole(
                index,
                (index % strips) as u64 * u64::from(self.block.height),
            )
        });
        let piece_rows =
            (STRIP_PIECE_BYTES / row_bytes.max(1)).clamp(1, u64::from(self.block.height)) as u32;
        // Pieces must tile every strip evenly, or the last of a strip would reach into the next.
        let Some(piece_rows) = (1..=piece_rows)
            .rev()
            .find(|rows| strips == 1 || self.block.height.is_multiple_of(*rows))
        else {
            return;
        };
        if !all_whole {
            return;
        }
        let mut offsets = Vec::new();
        let mut counts = Vec::new();
        for plane in 0..planes {
            for first_row in (0..self.size.height).step_by(piece_rows as usize) {
                let strip = (first_row / self.block.height) as usize;
                let row_in_strip = u64::from(first_row % self.block.height);
                let rows = u64::from(piece_rows.min(self.size.height - first_row));
                offsets.push(self.offsets[plane * strips + strip] + row_in_strip * row_bytes);
                counts.push(rows * row_bytes);
            }
        }
        self.block.height = piece_rows;
        self.offsets = offsets;
        self.counts = counts;
    }

    fn block_count(&self) -> Result<u64, String> {
        let planes = if self.interleave == Interleave::Band {
            self.bands as u64
        } else {
            1
        };
        let count = (u64::from(self.blocks_across()) * u64::from(self.blocks_down()))
            .saturating_mul(planes);
        let decoded = self.decoded_block_bytes();
        if decoded > BLOCK_BYTES_MAX {
            return Err(format!(
                "a block of {}x{} pixels holds {decoded} bytes (at most {BLOCK_BYTES_MAX} are read): rewrite the file with smaller blocks",
                self.block.width, self.block.height
            ));
        }
        Ok(count)
    }

    /// Returns the number of block columns.
    pub(crate) fn blocks_across(&self) -> u32 {
        self.size.width.div_ceil(self.block.width)
    }

    /// Returns the number of block rows.
    pub(crate) fn blocks_down(&self) -> u32 {
        self.size.height.div_ceil(self.block.height)
    }

    /// Returns the bands that share one stored block.
    pub(crate) fn bands_per_block(&self) -> usize {
        if self.interleave == Interleave::Band {
            1
        } else {
            self.bands
        }
    }

    /// Returns the stored bytes of one row of a block.
    pub(crate) fn row_bytes(&self) -> u64 {
        (u64::from(self.block.width) * self.bands_per_block() as u64 * u64::from(self.bits))
            .div_ceil(8)
    }

    /// Returns the bytes of one whole block before compression.
    pub(crate) fn stored_block_bytes(&self) -> u64 {
        self.row_bytes()
            .saturating_mul(u64::from(self.block.height))
    }

    /// Returns the bytes of one whole block once decoded.
    pub(crate) fn decoded_block_bytes(&self) -> u64 {
        let pixels = u64::from(self.block.width) * u64::from(self.block.height);
        pixels.saturating_mul(self.bands_per_block() as u64 * self.data_type.size_bytes() as u64)
    }

    /// Returns the pixels of block `number` (row by row) that lie inside the image.
    pub(crate) fn block_window(&self, number: u32) -> Window {
        let col = number % self.blocks_across() * self.block.width;
        let row = number / self.blocks_across() * self.block.height;
        Window {
            col,
            row,
            width: self.block.width.min(self.size.width - col),
            height: self.block.height.min(self.size.height - row),
        }
    }

    /// Returns where block `number` of plane `plane` stands, `None` where it is not stored.
    pub(crate) fn stored(&self, number: u32, plane: usize) -> Option<std::ops::Range<u64>> {
        let per_plane = self.blocks_across() as usize * self.blocks_down() as usize;
        let index = plane * per_plane + number as usize;
        let (offset, count) = (self.offsets[index], self.counts[index]);
        (offset != 0 && count != 0).then(|| offset..offset.saturating_add(count))
    }
}

/// Returns the colour map of the tag: all reds, all greens, all blues, 16 bits each.
fn color_map(values: &[u64]) -> Option<Vec<[u8; 3]>> {
    let count = values.len() / 3;
    let byte = |value: u64| (value >> 8).min(255) as u8;
    let color = |index: usize| {
        [
            values[index],
            values[count + index],
            values[2 * count + index],
        ]
        .map(byte)
    };
    (count > 0).then(|| (0..count).map(color).collect())
}

fn dimension(value: u64, name: &str) -> Result<u32, String> {
    // A grid beyond 2^31 pixels a side is not a picture of the Earth at any resolution in use.
    u32::try_from(value)
        .ok()
        .filter(|value| (1..=i32::MAX as u32).contains(value))
        .ok_or_else(|| format!("{name} is {value} (1 to {} are read)", i32::MAX))
}

fn same(name: &str, values: &[u64]) -> Result<u64, String> {
    match values {
        [] => Err(format!("{name} is empty")),
        [first, rest @ ..] if rest.iter().all(|value| value == first) => Ok(*first),
        _ => Err(format!(
            "{name} differs between bands ({values:?}): such files are not read"
        )),
    }
}

/// The samples of a pixel.
struct Samples {
    bands: u64,
    bits: u64,
    data_type: DataType,
    is_complex: bool,
}

impl Samples {
    fn from_directory(directory: &Directory) -> Result<Self, String> {
        let samples = directory.uint(tag::SAMPLES_PER_PIXEL).unwrap_or(1);
        if samples == 0 || samples > BANDS_MAX {
            return Err(format!(
                "{samples} samples per pixel (1 to {BANDS_MAX} are read)"
            ));
        }
        let of = |tag: u16| directory.uints(tag).unwrap_or_else(|| vec![1]);
        let bits = same("BitsPerSample", &of(tag::BITS_PER_SAMPLE))?;
        let format = same("SampleFormat", &of(tag::SAMPLE_FORMAT))?;
        let is_complex = matches!(format, 5 | 6);
        if is_complex {
            check_complex(directory, samples)?;
        }
        // Pairs of integers (5) or floats (6) stand together: each is two bands, interleaved.
        let (bands, bits, format) = match is_complex {
            true => (2 * samples, bits / 2, format - 3),
            false => (samples, bits, format),
        };
        Ok(Self {
            bands,
            bits,
            data_type: sample_type(bits, format)?,
            is_complex,
        })
    }
}

/// Refuses layouts in which the parts of a complex sample do not stand side by side as bands do.
fn check_complex(directory: &Directory, samples: u64) -> Result<(), String> {
    if directory.uint(tag::PLANAR_CONFIGURATION) == Some(2) && samples > 1 {
        return Err("complex samples in separate planes are not read".to_owned());
    }
    let predictor = directory.uint(tag::PREDICTOR).unwrap_or(1);
    if predictor != 1 {
        return Err(format!(
            "complex samples with predictor {predictor} are not read"
        ));
    }
    Ok(())
}

fn sample_type(bits: u64, format: u64) -> Result<DataType, String> {
    Ok(match (format, bits) {
        (1 | 4, 1..=8) => DataType::U8,
        (1 | 4, 9..=15) => DataType::U16,
        (1 | 4, 16) => DataType::U16,
        (1 | 4, 32) => DataType::U32,
        (1 | 4, 64) => DataType::U64,
        (2, 8) => DataType::I8,
        (2, 16) => DataType::I16,
        (2, 32) => DataType::I32,
        (2, 64) => DataType::I64,
        (3, 32) => DataType::F32,
        (3, 64) => DataType::F64,
        (3, 16) => return Err("16-bit floats are not read".to_owned()),
        _ => {
            return Err(format!(
                "{bits}-bit samples of format {format} are not read"
            ));
        }
    })
}
