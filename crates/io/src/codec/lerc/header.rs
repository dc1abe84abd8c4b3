//! Head and mask of a LERC 2 blob.

use super::bits::{Reader, unpack_mask};
use super::tiles::{self, Stored};

/// How a LERC 2 blob begins.
const MAGIC: &[u8] = b"Lerc2 ";
/// How a LERC 1 blob begins.
const MAGIC_ONE: &[u8] = b"CntZImage ";
/// Versions that are read.
const VERSIONS: std::ops::RangeInclusive<u32> = 3..=6;
/// The checksum covers all that follows it.
const CHECKED_FROM: usize = 14;
/// Most pixels of a blob: those of the largest block.
const PIXELS_MAX: u64 = 1 << 30;
/// Widest tile.
const TILE_SIDE_MAX: u32 = 32;

/// Head of a blob.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) rows: u32,
    pub(super) cols: u32,
    /// Samples of a pixel.
    pub(super) depth: usize,
    valid_pixels: u32,
    pub(super) tile_side: u32,
    pub(super) blob_bytes: usize,
    pub(super) data_type: u32,
    pub(super) tolerance: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

/// A blob with its mask, before its samples.
#[derive(Debug)]
pub(super) struct Blob<'a> {
    pub(super) header: Header,
    pub(super) valid: Vec<bool>,
    pub(super) data: Reader<'a>,
}

impl Header {
    /// Reads the head of the first blob of `bytes`; returns it with the rest of the blob.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, &[u8]), String> {
        if bytes.starts_with(MAGIC_ONE) {
            return Err("LERC 1 is not read".to_owned());
        }
        if !bytes.starts_with(MAGIC) {
            return Err("it does not begin as a LERC blob".to_owned());
        }
        let mut reader = Reader::new(&bytes[MAGIC.len()..]);
        let version = reader.u32()?;
        if !VERSIONS.contains(&version) {
            return Err(format!(
                "LERC 2 blobs of version {version} are not read ({} to {} are)",
                VERSIONS.start(),
                VERSIONS.end()
            ));
        }
        let checksum = reader.u32()?;
        let (rows, cols) = (reader.u32()?, reader.u32()?);
        let depth = if version >= 4 { reader.u32()? } else { 1 };
        let (valid_pixels, tile_side) = (reader.u32()?, reader.u32()?);
        let blob_bytes = reader.u32()? as usize;
        let data_type = reader.u32()?;
        if version >= 6 {
            reader.u32()?;
            let flags = reader.u32()?;
            if flags & 0xff != 0 {
                return Err("LERC with a nodata value of its own is not read".to_owned());
            }
        }
        let (tolerance, min, max) = (reader.f64()?, reader.f64()?, reader.f64()?);
        if version >= 6 {
            reader.f64()?;
            reader.f64()?;
        }
        let header = Self {
            version,
            rows,
            cols,
            depth: depth as usize,
            valid_pixels,
            tile_side,
            blob_bytes,
            data_type,
            tolerance,
            min,
            max,
        };
        header.check()?;
        let blob = bytes
            .get(..blob_bytes)
            .ok_or_else(|| format!("its LERC blob of {blob_bytes} bytes is cut off"))?;
        if blob_bytes < CHECKED_FROM || fletcher(&blob[CHECKED_FROM..]) != checksum {
            return Err("the checksum of its LERC blob does not hold".to_owned());
        }
        let read = bytes.len() - reader.rest().len();
        let body = blob.get(read..).ok_or("its LERC blob is cut off")?;
        Ok((header, body))
    }

    fn check(&self) -> Result<(), String> {
        let pixels = u64::from(self.rows) * u64::from(self.cols);
        let is_fit = (1..=PIXELS_MAX).contains(&pixels)
            && self.depth >= 1
            && u64::from(self.valid_pixels) <= pixels
            && (1..=TILE_SIDE_MAX).contains(&self.tile_side)
            && self.tolerance.is_finite()
            && self.tolerance >= 0.0;
        if is_fit {
            return Ok(());
        }
        Err(format!(
            "its LERC blob claims {}x{} pixels of {} samples, {} of them valid, in tiles of {}",
            self.cols, self.rows, self.depth, self.valid_pixels, self.tile_side
        ))
    }

    pub(super) fn pixels(&self) -> usize {
        self.rows as usize * self.cols as usize
    }
}

impl<'a> Blob<'a> {
    /// Reads the mask; a blob without one that needs one has that of the blob before it.
    pub(super) fn read(
        header: Header,
        body: &'a [u8],
        before: Option<&[bool]>,
    ) -> Result<Self, String> {
        let mut data = Reader::new(body);
        let mask_bytes = data.u32()? as usize;
        let mask = data.take(mask_bytes)?;
        let pixels = header.pixels();
        let valid = match header.valid_pixels as usize {
            0 => vec![false; pixels],
            all if all == pixels => vec![true; pixels],
            _ if mask_bytes > 0 => unpack_mask(mask, pixels)?,
            _ => before
                .filter(|flags| flags.len() == pixels)
                .ok_or("its LERC blob has no mask")?
                .to_vec(),
        };
        Ok(Self {
            header,
            valid,
            data,
        })
    }

    /// Returns one vector per sample of a pixel.
    pub(super) fn values<T: Stored>(&self) -> Result<Vec<Vec<T>>, String> {
        let header = &self.header;
        let mut bands = vec![vec![T::absent(); header.pixels()]; header.depth];
        if !self.valid.contains(&true) {
            return Ok(bands);
        }
        let mut data = self.data.clone();
        let mut limits = vec![(header.min, header.max); header.depth];
        if header.min != header.max && header.version >= 4 {
            for limit in &mut limits {
                limit.0 = T::load(data.take(T::BYTES)?).to_f64();
            }
            for limit in &mut limits {
                limit.1 = T::load(data.take(T::BYTES)?).to_f64();
            }
        }
        if limits.iter().all(|(min, max)| min == max) {
            for (band, (min, _)) in bands.iter_mut().zip(&limits) {
                let value = T::of(*min);
                let flags = self.valid.iter();
                for (to, _) in band.iter_mut().zip(flags).filter(|(_, flag)| **flag) {
                    *to = value;
                }
            }
            return Ok(bands);
        }
        tiles::read(self, &limits, data, &mut bands)?;
        Ok(bands)
    }
}

/// Fletcher's checksum of 16-bit words, most significant byte first.
pub(super) fn fletcher(bytes: &[u8]) -> u32 {
    // So many sums fit 32 bits before they must be folded.
    const WORDS_PER_FOLD: usize = 359;
    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    let (mut sum1, mut sum2) = (0xffff_u32, 0xffff_u32);
    let (words, rest) = bytes.as_chunks::<2>();
    for run in words.chunks(WORDS_PER_FOLD) {
        for word in run {
            sum1 += u32::from(u16::from_be_bytes(*word));
            sum2 += sum1;
        }
        (sum1, sum2) = (fold(sum1), fold(sum2));
    }
    if let [last] = rest {
        sum1 += u32::from(*last) << 8;
        sum2 += sum1;
    }
    fold(sum2) << 16 | fold(sum1)
}
