//! The samples of a LERC blob: small tiles, raw, constant or quantised.

use swath_raster::Sample;

use super::bits::Reader;
use super::header::Blob;
use super::huffman;

/// A sample type that LERC knows.
pub(super) trait Stored: Sample {
    /// LERC's number of the type.
    const CODE: u32;
    /// Bytes of one sample.
    const BYTES: usize;

    /// Reads a sample of `BYTES` bytes.
    fn load(raw: &[u8]) -> Self;

    /// Returns the nearest sample towards zero; floats are rounded.
    fn of(value: f64) -> Self;

    /// Returns the value of a pixel that is not valid.
    fn absent() -> Self;
}

macro_rules! stored {
    ($($type:ty, $code:literal, $absent:expr;)*) => {
        $(impl Stored for $type {
            const CODE: u32 = $code;
            const BYTES: usize = size_of::<$type>();

            fn load(raw: &[u8]) -> Self {
                Self::from_le_bytes(raw.try_into().expect("as many bytes as asked for"))
            }

            fn of(value: f64) -> Self {
                value as $type
            }

            fn absent() -> Self {
                $absent
            }
        })*
    };
}

stored! {
    i8, 0, 0;
    u8, 1, 0;
    i16, 2, 0;
    u16, 3, 0;
    i32, 4, 0;
    u32, 5, 0;
    f32, 6, f32::NAN;
    f64, 7, f64::NAN;
}

/// Ways of storing 8-bit samples.
const MODE_TILES: u8 = 0;
const MODE_DELTA_HUFFMAN: u8 = 1;
const MODE_HUFFMAN: u8 = 2;
const MODE_LOSSLESS_FLOATS: u8 = 3;

/// Reads all samples of a blob whose values differ; `limits` are minimum and maximum by band.
pub(super) fn read<T: Stored>(
    blob: &Blob,
    limits: &[(f64, f64)],
    mut data: Reader,
    bands: &mut [Vec<T>],
) -> Result<(), String> {
    let header = &blob.header;
    if data.u8()? != 0 {
        return one_sweep(blob, data, bands);
    }
    let is_byte = T::BYTES == 1 && header.tolerance == 0.5;
    let is_lossless_float = T::CODE >= 6 && header.version >= 6 && header.tolerance == 0.0;
    if is_byte || is_lossless_float {
        match data.u8()? {
            MODE_TILES => {}
            MODE_DELTA_HUFFMAN if is_byte => return huffman::read(blob, data, bands, true),
            MODE_HUFFMAN if is_byte => return huffman::read(blob, data, bands, false),
            MODE_LOSSLESS_FLOATS if is_lossless_float => {
                return Err("the lossless floats of LERC 2 version 6 are not read".to_owned());
            }
            mode => return Err(format!("LERC mode {mode} is not known")),
        }
    }
    let side = header.tile_side;
    for row in (0..header.rows).step_by(side as usize) {
        for col in (0..header.cols).step_by(side as usize) {
            let tile = Tile {
                col: col as usize,
                row: row as usize,
                col_end: (col + side).min(header.cols) as usize,
                row_end: (row + side).min(header.rows) as usize,
            };
            for (band, limit) in limits.iter().enumerate() {
                tile.read(blob, &mut data, bands, band, limit.1)?;
            }
        }
    }
    Ok(())
}

/// Samples as they are, pixel by pixel.
fn one_sweep<T: Stored>(blob: &Blob, mut data: Reader, bands: &mut [Vec<T>]) -> Result<(), String> {
    for (pixel, _) in blob.valid.iter().enumerate().filter(|(_, flag)| **flag) {
        for band in bands.iter_mut() {
            band[pixel] = T::load(data.take(T::BYTES)?);
        }
    }
    Ok(())
}

/// Pixels of one small tile.
struct Tile {
    col: usize,
    row: usize,
    col_end: usize,
    row_end: usize,
}

impl Tile {
    /// Returns the valid pixels in the order of their samples.
    fn pixels<'a>(&'a self, blob: &'a Blob) -> impl Iterator<Item = usize> + 'a {
        let cols = blob.header.cols as usize;
        (self.row..self.row_end)
            .flat_map(move |row| row * cols + self.col..row * cols + self.col_end)
            .filter(|pixel| blob.valid[*pixel])
    }

    fn read<T: Stored>(
        &self,
        blob: &Blob,
        data: &mut Reader,
        bands: &mut [Vec<T>],
        band: usize,
        max: f64,
    ) -> Result<(), String> {
        let version = blob.header.version;
        let flags = data.u8()?;
        // From version 5 on a bit of the check says that differences to the band before are stored.
        let (is_difference, check) = match version {
            5.. => (flags & 4 != 0, 14),
            _ => (false, 15),
        };
        if usize::from(flags >> 2 & check) != (self.col >> 3 & usize::from(check)) {
            return Err(format!(
                "its LERC tile at column {}, row {} is out of place: the data are damaged",
                self.col, self.row
            ));
        }
        if is_difference && band == 0 {
            return Err("the first band of its LERC data is a difference".to_owned());
        }
        let (before, own) = bands.split_at_mut(band);
        let own = &mut own[0];
        let base = |pixel: usize| match before.last() {
            Some(values) if is_difference => values[pixel].to_f64(),
            _ => 0.0,
        };
        match flags & 3 {
            0 if is_difference => Err("a LERC tile of raw differences".to_owned()),
            0 => {
                for pixel in self.pixels(blob) {
                    own[pixel] = T::load(data.take(T::BYTES)?);
                }
                Ok(())
            }
            2 => {
                for pixel in self.pixels(blob) {
                    own[pixel] = T::of(base(pixel));
                }
                Ok(())
            }
            kind => {
                let code = match is_difference && T::CODE < 6 {
                    true => 4,
                    false => T::CODE,
                };
                let offset = offset(data, code, flags >> 6)?;
                let room = (self.col_end - self.col) * (self.row_end - self.row);
                let (steps, step_size) = match kind {
                    3 => (vec![0; room], 0.0),
                    _ => (data.packed(room)?, 2.0 * blob.header.tolerance),
                };
                let mut steps = steps.into_iter();
                for pixel in self.pixels(blob) {
                    let step = steps.next().ok_or("a LERC tile has too few samples")?;
                    let value = offset + f64::from(step) * step_size;
                    own[pixel] = T::of((value + base(pixel)).min(max));
                }
                Ok(())
            }
        }
    }
}

/// Reads the least value of a tile, stored in a smaller type where it fits one.
fn offset(data: &mut Reader, code: u32, reduced: u8) -> Result<f64, String> {
    let reduced = u32::from(reduced);
    let stored_as = match code {
        2 | 4 => code.checked_sub(reduced),
        3 | 5 => code.checked_sub(2 * reduced),
        6 => [Some(6), Some(2), Some(1), None][reduced as usize],
        7 if reduced > 0 => (8 - 2 * reduced).into(),
        _ => Some(code),
    };
    let value = match stored_as {
        Some(0) => f64::from(i8::load(data.take(1)?)),
        Some(1) => f64::from(u8::load(data.take(1)?)),
        Some(2) => f64::from(i16::load(data.take(2)?)),
        Some(3) => f64::from(u16::load(data.take(2)?)),
        Some(4) => f64::from(i32::load(data.take(4)?)),
        Some(5) => f64::from(u32::load(data.take(4)?)),
        Some(6) => f64::from(f32::load(data.take(4)?)),
        Some(7) => f64::load(data.take(8)?),
        _ => return Err("a LERC tile begins with a value of no type".to_owned()),
    };
    Ok(value)
}
