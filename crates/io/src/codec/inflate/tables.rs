//! Look-up tables of the codes of a block.

use std::array;

use super::InflateError;

/// Bits of the first look-up of a literal or length.
pub(super) const LITERAL_BITS: u32 = 11;
/// Bits of the first look-up of a distance.
pub(super) const DISTANCE_BITS: u32 = 8;
/// Entries of both tables with all subtables: more than any complete code needs (2,342 and 402).
const LITERAL_ENTRIES: usize = 2_400;
const DISTANCE_ENTRIES: usize = 512;
/// Longest code of any alphabet.
const CODE_BITS_MAX: usize = 15;
/// An entry is a literal.
pub(super) const LITERAL: u32 = 1 << 31;
/// An entry is none of literal, length and distance: end of block, subtable or no code at all.
pub(super) const SPECIAL: u32 = 1 << 15;
/// A special entry ends the block.
pub(super) const END: u32 = 1 << 14;
/// A special entry points to a subtable.
pub(super) const SUBTABLE: u32 = 1 << 13;

/// Look-up tables of one stream.
///
/// Entries, from the low bit: 8 bits with all bits the code takes, extra ones included; 4 bits with
/// the length of the code itself; 4 flags; 16 bits with the literal, base length, base distance or the
/// place of a subtable.
pub(super) struct Tables {
    pub(super) literals: [u32; LITERAL_ENTRIES],
    pub(super) distances: [u32; DISTANCE_ENTRIES],
}

impl Tables {
    /// Returns tables without any code.
    pub(super) fn empty() -> Self {
        Self {
            literals: [SPECIAL; LITERAL_ENTRIES],
            distances: [SPECIAL; DISTANCE_ENTRIES],
        }
    }
}

/// Returns base plus extra bits of a length or distance.
#[inline(always)]
pub(super) fn with_extra(entry: u32, bits: u64) -> u32 {
    let all = bits & ((1 << (entry & 0xff)) - 1);
    (entry >> 16) + (all >> (entry >> 8 & 15)) as u32
}

/// Returns where the entry of a longer code stands; `bits` begin behind the first look-up.
#[inline(always)]
pub(super) fn subtable_place(entry: u32, bits: u64) -> usize {
    (entry >> 16) as usize + (bits & ((1 << (entry >> 8 & 15)) - 1)) as usize
}

pub(super) fn fixed_tables(tables: &mut Tables) -> Result<(), InflateError> {
    let lengths: [u8; 288] = array::from_fn(|symbol| match symbol {
        0..=143 => 8,
        144..=255 => 9,
        256..=279 => 7,
        _ => 8,
    });
    literal_table(&lengths, tables)?;
    distance_table(&[5; 32], tables)
}

pub(super) fn literal_table(lengths: &[u8], tables: &mut Tables) -> Result<(), InflateError> {
    build(lengths, &mut tables.literals, LITERAL_BITS, literal_code)
}

pub(super) fn distance_table(lengths: &[u8], tables: &mut Tables) -> Result<(), InflateError> {
    build(lengths, &mut tables.distances, DISTANCE_BITS, distance_code)
}

/// Returns what a symbol of the first alphabet means, its extra bits in the low byte.
fn literal_code(symbol: usize) -> u32 {
    const BASES: [u32; 29] = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115,
        131, 163, 195, 227, 258,
    ];
    const EXTRA: [u32; 29] = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
    ];
    match symbol {
        0..=255 => LITERAL | (symbol as u32) << 16,
        256 => SPECIAL | END,
        257..=285 => BASES[symbol - 257] << 16 | EXTRA[symbol - 257],
        _ => SPECIAL,
    }
}

/// Returns what a symbol of the distance alphabet means, its extra bits in the low byte.
fn distance_code(symbol: usize) -> u32 {
    if symbol >= 30 {
        return SPECIAL;
    }
    if symbol < 4 {
        return (symbol as u32 + 1) << 16;
    }
    let extra = symbol as u32 / 2 - 1;
    (((2 + symbol as u32 % 2) << extra) + 1) << 16 | extra
}

/// Fills `table` with the canonical code of `lengths` (RFC 1951, section 3.2.2).
///
/// `meaning` returns a symbol's entry with its number of extra bits in the low byte.
pub(super) fn build(
    lengths: &[u8],
    table: &mut [u32],
    table_bits: u32,
    meaning: impl Fn(usize) -> u32,
) -> Result<(), InflateError> {
    let mut counts = [0u32; CODE_BITS_MAX + 1];
    for length in lengths {
        counts[usize::from(*length)] += 1;
    }
    counts[0] = 0;
    let mut room = 1i64;
    for count in &counts[1..] {
        room = 2 * room - i64::from(*count);
        if room < 0 {
            return Err(InflateError::Damaged);
        }
    }
    let used: u32 = counts.iter().sum();
    if room > 0 {
        // One code alone takes one bit, whatever that says; so does none at all, as libdeflate has it:
        // what it stands for in a damaged stream is for the checksum to tell.
        if used > 1 || counts[1] != used {
            return Err(InflateError::Damaged);
        }
        let only = lengths.iter().position(|length| *length > 0).unwrap_or(0);
        let entry = coded(meaning(only), 1);
        table[..1 << table_bits].fill(entry);
        return Ok(());
    }
    let mut next = [0u32; CODE_BITS_MAX + 2];
    for length in 1..=CODE_BITS_MAX {
        next[length + 1] = next[length] + counts[length];
    }
    let mut sorted = [0u16; 320];
    for (symbol, length) in lengths
        .iter()
        .enumerate()
        .filter(|(_, length)| **length > 0)
    {
        let place = &mut next[usize::from(*length)];
        sorted[*place as usize] = symbol as u16;
        *place += 1;
    }
    let mut symbols = sorted[..used as usize]
        .iter()
        .map(|symbol| usize::from(*symbol));
    let entry = |symbol: usize, code_bits: u32| coded(meaning(symbol), code_bits);
    // Codes stand with their first bit lowest: they count from the other end.
    let mut code = 0u32;
    for length in 1..=table_bits {
        for _ in 0..counts[length as usize] {
            let Some(symbol) = symbols.next() else {
                return Err(InflateError::Damaged);
            };
            table[code as usize] = entry(symbol, length);
            code = next_code(code, length);
        }
        // What a code of this length decides is the same whatever bit follows.
        if length < table_bits {
            table.copy_within(..1 << length, 1 << length);
        }
    }
    let mut end = 1usize << table_bits;
    let (mut prefix, mut start) = (u32::MAX, 0);
    let mask = (1 << table_bits) - 1;
    for length in table_bits + 1..=CODE_BITS_MAX as u32 {
        for done in 0..counts[length as usize] {
            if code & mask != prefix {
                prefix = code & mask;
                start = end;
                let mut subtable_bits = length - table_bits;
                let mut filled = i64::from(counts[length as usize] - done);
                while filled < 1 << subtable_bits
                    && table_bits + subtable_bits < CODE_BITS_MAX as u32
                {
                    subtable_bits += 1;
                    filled = 2 * filled + i64::from(counts[(table_bits + subtable_bits) as usize]);
                }
                end = start + (1 << subtable_bits);
                if end > table.len() {
                    return Err(InflateError::Damaged);
                }
                table[prefix as usize] =
                    SPECIAL | SUBTABLE | (start as u32) << 16 | subtable_bits << 8 | table_bits;
            }
            let Some(symbol) = symbols.next() else {
                return Err(InflateError::Damaged);
            };
            let own_bits = length - table_bits;
            let value = entry(symbol, own_bits);
            let first = (code >> table_bits) as usize;
            for slot in table[start..end]
                .iter_mut()
                .skip(first)
                .step_by(1 << own_bits)
            {
                *slot = value;
            }
            code = next_code(code, length);
        }
    }
    Ok(())
}

/// Returns the entry of a symbol whose code has `code_bits` bits.
fn coded(meaning: u32, code_bits: u32) -> u32 {
    (meaning & !0xff) | code_bits << 8 | ((meaning & 0xff) + code_bits)
}

/// Returns the code after `code` among those of `length` bits, first bit lowest.
fn next_code(code: u32, length: u32) -> u32 {
    let zeros = !code & ((1 << length) - 1);
    if zeros == 0 {
        return 0;
    }
    let bit = 1 << (31 - zeros.leading_zeros());
    code & (bit - 1) | bit
}
