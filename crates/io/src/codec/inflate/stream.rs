//! A zlib stream and the careful way through it: every bit and byte is checked.

use super::InflateError;
use super::fast::{MARGIN_IN, MARGIN_OUT, STEP_READ_MAX, STEP_WRITTEN_MAX};
use super::tables::{
    DISTANCE_BITS, END, LITERAL, LITERAL_BITS, SPECIAL, SUBTABLE, Tables, build, distance_table,
    fixed_tables, literal_table, subtable_place, with_extra,
};

/// Where a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the header of a block; true after the last one.
    Header { was_last: bool },
    /// Among the codes of a block.
    Codes { is_last: bool },
}

/// One stream: its bits, what was written of it, and how far both are.
pub(super) struct Stream<'a> {
    pub(super) stored: &'a [u8],
    pub(super) plain: &'a mut [u8],
    pub(super) at: Cursor,
    state: State,
    /// Bits that were made up behind the end of the stored bytes.
    made_up_bits: u32,
    /// The fast steps left the next code to the careful way.
    pub(super) stopped: bool,
}

/// The part of a stream that changes with every code: kept in registers.
#[derive(Clone, Copy)]
pub(super) struct Cursor {
    /// Next stored byte.
    pub(super) read: usize,
    /// Next byte of output.
    pub(super) written: usize,
    /// Bits read ahead, the next one lowest. Bits above `bit_count` are zero or those to come.
    pub(super) bits: u64,
    /// Number of them, in the low 8 bits; what stands above is of no meaning.
    pub(super) bit_count: u32,
}

impl<'a> Stream<'a> {
    /// Checks the zlib header.
    pub(super) fn open(stored: &'a [u8], plain: &'a mut [u8]) -> Result<Self, InflateError> {
        let [method, flags, ..] = stored else {
            return Err(InflateError::Damaged);
        };
        let is_deflate = method & 15 == 8 && method >> 4 <= 7;
        let has_dictionary = flags & 32 != 0;
        let is_checked = (u32::from(*method) << 8 | u32::from(*flags)) % 31 == 0;
        if !is_deflate || has_dictionary || !is_checked || stored.len() < 6 {
            return Err(InflateError::Damaged);
        }
        let at = Cursor {
            read: 2,
            written: 0,
            bits: 0,
            bit_count: 0,
        };
        Ok(Self {
            stored,
            plain,
            at,
            state: State::Header { was_last: false },
            made_up_bits: 0,
            stopped: false,
        })
    }

    /// Goes on to codes that the fast steps can take; false at the end of the stream.
    pub(super) fn advance(&mut self, tables: &mut Tables) -> Result<bool, InflateError> {
        loop {
            if !self.advance_to_codes(tables)? {
                return Ok(false);
            }
            if self.stopped {
                self.stopped = false;
                self.careful_code(tables)?;
            } else if self.has_room() {
                return Ok(true);
            } else {
                self.careful_code(tables)?;
            }
        }
    }

    /// Goes past headers and stored blocks; false at the end of the stream.
    fn advance_to_codes(&mut self, tables: &mut Tables) -> Result<bool, InflateError> {
        while let State::Header { was_last } = self.state {
            if was_last {
                return Ok(false);
            }
            let is_last = self.take(1)? == 1;
            match self.take(2)? {
                0 => {
                    self.copy_stored()?;
                    self.state = State::Header { was_last: is_last };
                }
                1 => {
                    fixed_tables(tables)?;
                    self.state = State::Codes { is_last };
                }
                2 => {
                    self.read_tables(tables)?;
                    self.state = State::Codes { is_last };
                }
                _ => return Err(InflateError::Damaged),
            }
        }
        Ok(true)
    }

    /// Checks what was written against the checksum behind the last block.
    pub(super) fn close(self) -> Result<usize, InflateError> {
        let unread_bytes = (self.at.bit_count as u8 as u32).saturating_sub(self.made_up_bits) / 8;
        let end = self.at.read.saturating_sub(unread_bytes as usize);
        let is_whole = self.made_up_bits <= self.at.bit_count as u8 as u32;
        let checksum = self.stored.get(end..end + 4).filter(|_| is_whole);
        let Some(Ok(checksum)) = checksum.map(<[u8; 4]>::try_from) else {
            return Err(InflateError::Damaged);
        };
        let written = &self.plain[..self.at.written];
        if u32::from_be_bytes(checksum) != libdeflater::adler32(written) {
            return Err(InflateError::Damaged);
        }
        Ok(self.at.written)
    }

    /// Fills the bit buffer byte by byte; behind the end with zeros, which are counted.
    fn refill(&mut self) {
        let at = &mut self.at;
        at.bit_count &= 0xff;
        if let Some(word) = self.stored.get(at.read..at.read + 8) {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            at.bits |= word << at.bit_count;
            at.read += 7 - (at.bit_count >> 3) as usize;
            at.bit_count |= 56;
            return;
        }
        while at.bit_count < 56 {
            match self.stored.get(at.read) {
                Some(byte) => {
                    at.bits |= u64::from(*byte) << at.bit_count;
                    at.read += 1;
                }
                None => self.made_up_bits = self.made_up_bits.saturating_add(8),
            }
            at.bit_count += 8;
        }
    }

    /// Takes `count` bits, at most 16.
    fn take(&mut self, count: u32) -> Result<u32, InflateError> {
        self.refill();
        let value = (self.at.bits & ((1 << count) - 1)) as u32;
        self.drop_bits(count)?;
        Ok(value)
    }

    /// Drops bits that are there; made-up ones are no bits of the stream.
    fn drop_bits(&mut self, count: u32) -> Result<(), InflateError> {
        self.at.bits >>= count;
        self.at.bit_count -= count;
        if self.made_up_bits > self.at.bit_count {
            return Err(InflateError::Damaged);
        }
        Ok(())
    }

    /// Copies a stored block.
    fn copy_stored(&mut self) -> Result<(), InflateError> {
        self.drop_bits(self.at.bit_count & 7)?;
        let len = self.take(16)?;
        let complement = self.take(16)?;
        if len != complement ^ 0xffff {
            return Err(InflateError::Damaged);
        }
        let unread_bytes = (self.at.bit_count - self.made_up_bits) / 8;
        self.at.read -= unread_bytes as usize;
        (self.at.bits, self.at.bit_count, self.made_up_bits) = (0, 0, 0);
        let len = len as usize;
        let from = self
            .stored
            .get(self.at.read..self.at.read + len)
            .ok_or(InflateError::Damaged)?;
        let to = self
            .plain
            .get_mut(self.at.written..self.at.written + len)
            .ok_or(InflateError::TooLong)?;
        to.copy_from_slice(from);
        self.at.read += len;
        self.at.written += len;
        Ok(())
    }

    /// Reads the code lengths of a block and makes its tables.
    fn read_tables(&mut self, tables: &mut Tables) -> Result<(), InflateError> {
        const ORDER: [usize; 19] = [
            16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
        ];
        let literal_count = self.take(5)? as usize + 257;
        let distance_count = self.take(5)? as usize + 1;
        let order_count = self.take(4)? as usize + 4;
        let mut order_lengths = [0; 19];
        for symbol in &ORDER[..order_count] {
            order_lengths[*symbol] = self.take(3)? as u8;
        }
        let mut order_table = [SPECIAL; 128];
        build(&order_lengths, &mut order_table, 7, |symbol| {
            (symbol as u32) << 16
        })?;
        let mut lengths = [0u8; 288 + 32];
        let total = literal_count + distance_count;
        let mut filled = 0;
        while filled < total {
            self.refill();
            let entry = order_table[(self.at.bits & 127) as usize];
            if entry & SPECIAL != 0 {
                return Err(InflateError::Damaged);
            }
            self.drop_bits(entry & 0xff)?;
            let symbol = entry >> 16;
            let (value, times) = match symbol {
                0..=15 => (symbol as u8, 1),
                16 if filled > 0 => (lengths[filled - 1], 3 + self.take(2)?),
                17 => (0, 3 + self.take(3)?),
                18 => (0, 11 + self.take(7)?),
                _ => return Err(InflateError::Damaged),
            };
            let end = filled + times as usize;
            if end > total {
                return Err(InflateError::Damaged);
            }
            lengths[filled..end].fill(value);
            filled = end;
        }
        let (literal_lengths, rest) = lengths.split_at(literal_count);
        literal_table(literal_lengths, tables)?;
        distance_table(&rest[..distance_count], tables)
    }

    /// True where the fast steps may run.
    pub(super) fn has_room(&self) -> bool {
        self.made_up_bits == 0
            && self.at.read + STEP_READ_MAX + MARGIN_IN <= self.stored.len()
            && self.at.written + STEP_WRITTEN_MAX + MARGIN_OUT <= self.plain.len()
    }

    /// Decodes one code; false at the end of the block.
    fn careful_code(&mut self, tables: &Tables) -> Result<bool, InflateError> {
        let State::Codes { is_last } = self.state else {
            return Ok(false);
        };
        self.refill();
        let entry = self.code(&tables.literals, LITERAL_BITS)?;
        if entry & LITERAL != 0 {
            self.drop_bits(entry & 0xff)?;
            let slot = self
                .plain
                .get_mut(self.at.written)
                .ok_or(InflateError::TooLong)?;
            *slot = (entry >> 16) as u8;
            self.at.written += 1;
            return Ok(true);
        }
        if entry & END != 0 {
            self.drop_bits(entry & 0xff)?;
            self.state = State::Header { was_last: is_last };
            return Ok(false);
        }
        let len = with_extra(entry, self.at.bits) as usize;
        self.drop_bits(entry & 0xff)?;
        self.refill();
        let entry = self.code(&tables.distances, DISTANCE_BITS)?;
        let distance = with_extra(entry, self.at.bits) as usize;
        self.drop_bits(entry & 0xff)?;
        let to = self.at.written;
        if distance > to {
            return Err(InflateError::Damaged);
        }
        if to + len > self.plain.len() {
            return Err(InflateError::TooLong);
        }
        for at in to..to + len {
            self.plain[at] = self.plain[at - distance];
        }
        self.at.written += len;
        Ok(true)
    }

    /// Looks a code up, in its subtable where it has one, whose first bits are dropped on the way.
    fn code(&mut self, table: &[u32], table_bits: u32) -> Result<u32, InflateError> {
        let mut entry = table[(self.at.bits & ((1 << table_bits) - 1)) as usize];
        if entry & (SPECIAL | SUBTABLE) == SPECIAL | SUBTABLE && entry & LITERAL == 0 {
            self.drop_bits(table_bits)?;
            entry = table[subtable_place(entry, self.at.bits)];
        }
        let is_code = entry & LITERAL != 0 || entry & SPECIAL == 0 || entry & END != 0;
        if is_code {
            Ok(entry)
        } else {
            Err(InflateError::Damaged)
        }
    }
}
