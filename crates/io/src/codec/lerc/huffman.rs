//! 8-bit samples as Huffman codes, of themselves or of their differences.

use super::bits::Reader;
use super::header::Blob;
use super::tiles::Stored;

/// Most codes of a table: there are 256 samples of 8 bits.
const CODES_MAX: u32 = 512;
/// Longest code, in bits.
const CODE_BITS_MAX: u32 = 32;
/// Codes up to this length are looked up at once.
const LOOKUP_BITS: u32 = 12;

/// Values by code.
struct Table {
    /// Value and length by the first bits; length 0: a longer code.
    lookup: Vec<(u16, u8)>,
    /// Codes longer than `LOOKUP_BITS`: length, code, value; sorted by length.
    long: Vec<(u32, u32, u16)>,
}

/// Bits from the most significant of little-endian 32-bit words on.
struct BitStream<'a> {
    bytes: &'a [u8],
    window: u64,
    held: u32,
}

impl BitStream<'_> {
    /// Returns the next `count` bits, zeros beyond the end, without going on.
    fn peek(&mut self, count: u32) -> u32 {
        while self.held < count {
            let (word, rest) = self.bytes.split_at(self.bytes.len().min(4));
            let mut raw = [0; 4];
            raw[..word.len()].copy_from_slice(word);
            self.window = self.window << 32 | u64::from(u32::from_le_bytes(raw));
            self.held += 32;
            self.bytes = rest;
        }
        let bits = self.window >> (self.held - count);
        (bits & ((1 << count) - 1)) as u32
    }

    fn skip(&mut self, count: u32) {
        self.held -= count;
    }
}

/// Reads the samples of a blob; with `is_delta` as differences to their neighbours.
pub(super) fn read<T: Stored>(
    blob: &Blob,
    mut data: Reader,
    bands: &mut [Vec<T>],
    is_delta: bool,
) -> Result<(), String> {
    let table = Table::read(&mut data)?;
    let bits_max = data.rest().len() as u64 * 8;
    let mut stream = BitStream {
        bytes: data.rest(),
        window: 0,
        held: 0,
    };
    // Signed samples are shifted to begin at 0.
    let shift: i32 = if T::CODE == 0 { 128 } else { 0 };
    let mut bits_read = 0;
    let mut next = || {
        let (value, len) = table.decode(&mut stream)?;
        bits_read += u64::from(len);
        if bits_read > bits_max {
            return Err("its LERC codes are cut off".to_owned());
        }
        Ok(i32::from(value) - shift)
    };
    if !is_delta {
        for (pixel, _) in blob.valid.iter().enumerate().filter(|(_, flag)| **flag) {
            for band in bands.iter_mut() {
                band[pixel] = wrapped(next()?);
            }
        }
        return Ok(());
    }
    let cols = blob.header.cols as usize;
    for band in bands {
        let mut before = 0;
        for pixel in 0..blob.valid.len() {
            if !blob.valid[pixel] {
                continue;
            }
            let has_left = !pixel.is_multiple_of(cols) && blob.valid[pixel - 1];
            let has_above = pixel >= cols && blob.valid[pixel - cols];
            // The last sample read is the left one where there is one.
            let base = match !has_left && has_above {
                true => band[pixel - cols].to_f64() as i32,
                false => before,
            };
            let value = wrapped::<T>(next()? + base);
            band[pixel] = value;
            before = value.to_f64() as i32;
        }
    }
    Ok(())
}

/// Returns a sum in 8 bits, overflow wrapped round.
fn wrapped<T: Stored>(value: i32) -> T {
    T::load(&[value as u8])
}

impl Table {
    fn read(data: &mut Reader) -> Result<Self, String> {
        let _version = data.u32()?;
        let (size, first, end) = (data.u32()?, data.u32()?, data.u32()?);
        let is_fit = size <= CODES_MAX && first < end && first < size && end - first <= size;
        if !is_fit {
            return Err(format!(
                "a table of {size} LERC codes from {first} to {end}"
            ));
        }
        let count = (end - first) as usize;
        let lengths = data.packed(count)?;
        if lengths.len() != count {
            return Err("a table of LERC codes is cut off".to_owned());
        }
        if lengths.iter().any(|length| *length > CODE_BITS_MAX) {
            return Err("a LERC code of more than 32 bits".to_owned());
        }
        let bits: usize = lengths.iter().map(|length| *length as usize).sum();
        // Codes fill whole words.
        let mut stream = BitStream {
            bytes: data.take(bits.div_ceil(32) * 4)?,
            window: 0,
            held: 0,
        };
        let mut table = Self {
            lookup: vec![(0, 0); 1 << LOOKUP_BITS],
            long: Vec::new(),
        };
        for (index, length) in lengths.into_iter().enumerate() {
            if length == 0 {
                continue;
            }
            // Indices wrap round: the middle of the range of values may be unused.
            let value = ((first as usize + index) % size as usize) as u16;
            let code = stream.peek(length);
            stream.skip(length);
            table.insert(code, length, value);
        }
        table.long.sort_unstable();
        Ok(table)
    }

    fn insert(&mut self, code: u32, length: u32, value: u16) {
        if length > LOOKUP_BITS {
            self.long.push((length, code, value));
            return;
        }
        let spare = LOOKUP_BITS - length;
        let from = (code as usize) << spare;
        self.lookup[from..from + (1 << spare)].fill((value, length as u8));
    }

    fn decode(&self, stream: &mut BitStream) -> Result<(u16, u32), String> {
        let (value, length) = self.lookup[stream.peek(LOOKUP_BITS) as usize];
        if length > 0 {
            stream.skip(length.into());
            return Ok((value, length.into()));
        }
        for (length, code, value) in &self.long {
            if stream.peek(*length) == *code {
                stream.skip(*length);
                return Ok((*value, *length));
            }
        }
        Err("a LERC code that its table does not hold".to_owned())
    }
}
