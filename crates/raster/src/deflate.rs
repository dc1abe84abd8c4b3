//! Deflate (RFC 1951) for rows of photographs, made for speed: literals and runs of one byte, each block
//! with a Huffman code of its own.
//!
//! After a filter of PNG what is left of a photograph is noise: looking for repetitions finds none but
//! runs of zeros, where nothing is there or nothing changes. Without the search pictures of satellites
//! take a third of the time of the fastest level of a general compressor, and are smaller.

/// Bytes that share a Huffman code.
const BLOCK_BYTES: usize = 128 << 10;
/// Longest code, in bits: four of them and the rest of a byte fit into 64 bits.
const CODE_BITS_MAX: usize = 12;
/// Longest code of the lengths of codes, in bits (RFC 1951, 3.2.7).
const LENGTH_CODE_BITS_MAX: usize = 7;
/// Literals, the end of the block, and the lengths of runs (RFC 1951, 3.2.5).
const SYMBOLS: usize = 286;
const END_OF_BLOCK: usize = 256;
/// Shortest and longest run.
const RUN_MIN: usize = 4;
const RUN_MAX: usize = 258;
/// Deepest place of a code before its length is limited: with at most 2^31 symbols counted it is less.
const DEPTH_MAX: usize = 64;

/// Returns the bytes as a stream of zlib (RFC 1950).
pub(crate) fn zlib_of_photo(data: &[u8]) -> Vec<u8> {
    // A window of 32 KiB, the fastest method, no dictionary.
    let mut writer = BitWriter::new(vec![0x78, 0x01]);
    let mut start = 0;
    loop {
        let end = data.len().min(start + BLOCK_BYTES);
        write_block(&mut writer, data, start..end, end == data.len());
        if end == data.len() {
            break;
        }
        start = end;
    }
    let mut stream = writer.finish();
    stream.extend(libdeflater::adler32(data).to_be_bytes());
    stream
}

fn write_block(writer: &mut BitWriter, data: &[u8], range: std::ops::Range<usize>, is_last: bool) {
    let start = range.start;
    let parts = parts_of(data, range.clone());
    let mut counts = counts_of(&data[range.clone()], &parts);
    // A code has two symbols at least.
    counts[0] = counts[0].max(1);
    counts[END_OF_BLOCK] = 1;
    let lengths = code_lengths(&counts, CODE_BITS_MAX);
    let codes = codes_of(&lengths);
    // No symbol takes more than CODE_BITS_MAX bits for each byte that it stands for, but for the end.
    writer.make_room(range.len() * CODE_BITS_MAX / 8 + SYMBOLS * 2 + 64);
    writer.put(u64::from(is_last) | 0b10 << 1, 3);
    writer.flush();
    write_lengths(writer, &lengths);
    let mut rest = &data[start..];
    for part in &parts {
        let (literals, behind) = rest.split_at(part.literals);
        writer.put_literals(literals, &codes);
        if part.run > 0 {
            let run = run_symbol(part.run);
            writer.put_code(codes[run.symbol]);
            writer.put(run.extra as u64, run.extra_bits);
            // The one distance there is: one byte back, a code of one bit.
            writer.put(0, 1);
            writer.flush();
        }
        rest = &behind[part.run..];
    }
    writer.put_code(codes[END_OF_BLOCK]);
    writer.flush();
}

/// A part of a block: literals, then a run of the last byte before it; 0 where there is none.
#[derive(Debug, Clone, Copy)]
struct Part {
    literals: usize,
    run: usize,
}

/// Takes a block apart; runs are looked for at every fourth byte behind the one before.
fn parts_of(data: &[u8], range: std::ops::Range<usize>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut from = range.start;
    // The first byte of all has none before it.
    let mut at = range.start.max(1);
    while at + RUN_MIN <= range.end {
        let before = data[at - 1];
        if data[at..at + RUN_MIN] != [before; RUN_MIN] {
            at += RUN_MIN;
            continue;
        }
        let run = run_length(&data[at..range.end.min(at + RUN_MAX)], before);
        let literals = at - from;
        parts.push(Part { literals, run });
        at += run;
        from = at;
    }
    let literals = range.end - from;
    parts.push(Part { literals, run: 0 });
    parts
}

/// Returns how many bytes at the beginning are `byte`.
fn run_length(bytes: &[u8], byte: u8) -> usize {
    let words = bytes.chunks_exact(8);
    let same = words.take_while(|word| **word == [byte; 8]).count() * 8;
    let rest = bytes[same..].iter().take_while(|own| **own == byte);
    same + rest.count()
}

/// Returns how often each symbol occurs in a block.
fn counts_of(block: &[u8], parts: &[Part]) -> [u32; SYMBOLS] {
    // One table for each of four bytes: what was just counted is not waited for.
    let mut tables = [[0_u32; 256]; 4];
    let mut counts = [0_u32; SYMBOLS];
    let mut rest = block;
    for part in parts {
        let (literals, behind) = rest.split_at(part.literals);
        let fours = literals.chunks_exact(4);
        for byte in fours.remainder() {
            tables[0][usize::from(*byte)] += 1;
        }
        for four in fours {
            for (table, byte) in tables.iter_mut().zip(four) {
                table[usize::from(*byte)] += 1;
            }
        }
        if part.run > 0 {
            counts[run_symbol(part.run).symbol] += 1;
        }
        rest = &behind[part.run..];
    }
    for (byte, count) in counts.iter_mut().take(256).enumerate() {
        *count = tables.iter().map(|table| table[byte]).sum();
    }
    counts
}

/// How the length of a run is written.
struct RunSymbol {
    symbol: usize,
    extra: usize,
    extra_bits: u32,
}

/// Returns how a length from 3 to 258 is written (RFC 1951, 3.2.5): beyond 10 in groups of four symbols
/// that each have one bit more.
fn run_symbol(length: usize) -> RunSymbol {
    if length == RUN_MAX {
        return RunSymbol {
            symbol: SYMBOLS - 1,
            extra: 0,
            extra_bits: 0,
        };
    }
    let beyond = length - 3;
    if beyond < 8 {
        return RunSymbol {
            symbol: 257 + beyond,
            extra: 0,
            extra_bits: 0,
        };
    }
    let extra_bits = beyond.ilog2() - 2;
    let quarter = (beyond >> extra_bits) & 3;
    RunSymbol {
        symbol: 257 + 4 * (extra_bits as usize + 1) + quarter,
        extra: beyond & ((1 << extra_bits) - 1),
        extra_bits,
    }
}

/// Writes the lengths of the codes (RFC 1951, 3.2.7), each by itself, and of the one distance.
fn write_lengths(writer: &mut BitWriter, lengths: &[u8; SYMBOLS]) {
    /// In which order the lengths of the codes of lengths stand.
    const ORDER: [usize; 19] = [
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    ];
    let distances = [1_u8];
    let all = lengths.iter().chain(&distances);
    let mut counts = [0_u32; 19];
    all.clone()
        .for_each(|length| counts[usize::from(*length)] += 1);
    let own_lengths = code_lengths(&counts, LENGTH_CODE_BITS_MAX);
    let codes = codes_of(&own_lengths);
    writer.put((SYMBOLS - 257) as u64, 5);
    writer.put((distances.len() - 1) as u64, 5);
    writer.put((ORDER.len() - 4) as u64, 4);
    writer.flush();
    for place in ORDER {
        writer.put(u64::from(own_lengths[place]), 3);
        writer.flush();
    }
    for length in all {
        writer.put_code(codes[usize::from(*length)]);
        writer.flush();
    }
}

/// Returns the lengths of the codes of symbols that occur so often, none above `bits_max`; 0 for what
/// does not occur. Lengths by merging the two rarest (D. A. Huffman, Proc. IRE 40, 1952), too long ones
/// brought up as in ITU-T T.81, K.2, figure K.3.
///
/// There are two symbols at least that occur.
fn code_lengths<const N: usize>(counts: &[u32; N], bits_max: usize) -> [u8; N] {
    let mut symbols: Vec<usize> = (0..N).filter(|symbol| counts[*symbol] > 0).collect();
    symbols.sort_by_key(|symbol| counts[*symbol]);
    // Nodes: the symbols, rarest first, then what was merged of them, in the order of merging: both
    // rise, so that the two rarest stand at the beginning of what is left of one or the other.
    let leaves = symbols.len();
    let mut weights: Vec<u64> = symbols.iter().map(|s| u64::from(counts[*s])).collect();
    let mut parents = vec![0_usize; 2 * leaves];
    let (mut leaf, mut merged) = (0, leaves);
    for node in leaves..(2 * leaves).saturating_sub(1) {
        let mut take = || {
            let is_leaf = leaf < leaves && (merged >= node || weights[leaf] <= weights[merged]);
            let next = if is_leaf { &mut leaf } else { &mut merged };
            *next += 1;
            *next - 1
        };
        let (one, two) = (take(), take());
        (parents[one], parents[two]) = (node, node);
        weights.push(weights[one] + weights[two]);
    }
    let mut depths = vec![0_usize; 2 * leaves];
    let mut of_depth = [0_usize; DEPTH_MAX];
    for node in (0..(2 * leaves).saturating_sub(2)).rev() {
        depths[node] = depths[parents[node]] + 1;
        if node < leaves {
            of_depth[depths[node]] += 1;
        }
    }
    for depth in (bits_max + 1..DEPTH_MAX).rev() {
        while of_depth[depth] > 0 {
            let mut above = depth - 2;
            while of_depth[above] == 0 {
                above -= 1;
            }
            of_depth[depth] -= 2;
            of_depth[depth - 1] += 1;
            of_depth[above + 1] += 2;
            of_depth[above] -= 1;
        }
    }
    let mut lengths = [0_u8; N];
    let mut often_first = symbols.iter().rev();
    for (depth, count) in of_depth.iter().enumerate() {
        for symbol in often_first.by_ref().take(*count) {
            lengths[*symbol] = depth as u8;
        }
    }
    lengths
}

/// A code and its length in bits.
#[derive(Debug, Clone, Copy, Default)]
struct Code {
    bits: u16,
    length: u16,
}

/// Returns the codes of lengths (RFC 1951, 3.2.2), the first bit lowest.
fn codes_of<const N: usize>(lengths: &[u8; N]) -> [Code; N] {
    let mut next = [0_u16; CODE_BITS_MAX + 2];
    for length in lengths.iter().filter(|length| **length > 0) {
        next[usize::from(*length) + 1] += 1;
    }
    for length in 1..next.len() {
        next[length] = (next[length] + next[length - 1]) << 1;
    }
    let mut codes = [Code::default(); N];
    for (code, length) in codes.iter_mut().zip(lengths) {
        if *length > 0 {
            let value = &mut next[usize::from(*length)];
            *code = Code {
                bits: value.reverse_bits() >> (16 - length),
                length: u16::from(*length),
            };
            *value += 1;
        }
    }
    codes
}

/// Bits behind each other, the lowest of a byte first.
struct BitWriter {
    bytes: Vec<u8>,
    /// Bytes that are whole.
    end: usize,
    held: u64,
    held_bits: u32,
}

impl BitWriter {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            end: bytes.len(),
            bytes,
            held: 0,
            held_bits: 0,
        }
    }

    /// Makes room for so many bytes more.
    fn make_room(&mut self, bytes: usize) {
        self.bytes.resize(self.end + bytes, 0);
    }

    /// Adds bits; with what is held they are at most 64.
    #[inline]
    fn put(&mut self, bits: u64, count: u32) {
        self.held |= bits << self.held_bits;
        self.held_bits += count;
    }

    #[inline]
    fn put_code(&mut self, code: Code) {
        self.put(u64::from(code.bits), u32::from(code.length));
    }

    /// Writes bytes by the codes of their own; there is room for 8 bytes more than they take.
    fn put_literals(&mut self, bytes: &[u8], codes: &[Code; SYMBOLS]) {
        // In variables of their own they stay in registers.
        let (mut held, mut held_bits, mut end) = (self.held, self.held_bits, self.end);
        let mut put = |few: &[u8]| {
            for byte in few {
                let code = codes[usize::from(*byte)];
                held |= u64::from(code.bits) << held_bits;
                held_bits += u32::from(code.length);
            }
            self.bytes[end..end + 8].copy_from_slice(&held.to_le_bytes());
            end += (held_bits / 8) as usize;
            held >>= held_bits / 8 * 8;
            held_bits %= 8;
        };
        let fours = bytes.chunks_exact(4);
        let rest = fours.remainder();
        for four in fours {
            put(four);
        }
        put(rest);
        (self.held, self.held_bits, self.end) = (held, held_bits, end);
    }

    /// Writes the whole bytes of what is held: fewer than 8 bits stay.
    #[inline]
    fn flush(&mut self) {
        self.bytes[self.end..self.end + 8].copy_from_slice(&self.held.to_le_bytes());
        let whole = self.held_bits / 8;
        self.end += whole as usize;
        self.held >>= whole * 8;
        self.held_bits %= 8;
    }

    fn finish(mut self) -> Vec<u8> {
        if self.held_bits > 0 {
            self.held_bits = 8;
            self.flush();
        }
        self.bytes.truncate(self.end);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn read_back(data: &[u8]) -> usize {
        let stream = zlib_of_photo(data);
        let mut found = Vec::new();
        flate2::read::ZlibDecoder::new(stream.as_slice())
            .read_to_end(&mut found)
            .expect("a stream");
        assert!(found == data, "{} bytes", data.len());
        stream.len()
    }

    #[test]
    fn runs_and_noise_come_back() {
        let noise =
            |len: u64| (0..len).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8);
        for len in [0, 1, 2, 3, 4, 5, 262, 263, 300, 131_072, 131_073, 400_000] {
            let flat = read_back(&vec![7; len]);
            assert!(flat < 600 + len / 100, "{len}: {flat}");
            read_back(&noise(len as u64).collect::<Vec<u8>>());
        }
        let mut mixed: Vec<u8> = noise(3_000).collect();
        for length in 1..600 {
            mixed.extend(std::iter::repeat_n((length % 3) as u8, length));
            mixed.push(9);
        }
        read_back(&mixed);
    }

    #[test]
    fn codes_of_very_uneven_counts_stay_short_and_whole() {
        let mut counts = [0_u32; 40];
        let (mut one, mut two) = (1, 1);
        for count in &mut counts {
            (*count, one, two) = (one, two, one + two);
        }
        let lengths = code_lengths(&counts, CODE_BITS_MAX);
        assert!(lengths.iter().all(|length| (1..=12).contains(length)));
        let whole: u32 = lengths.iter().map(|length| 1 << (12 - length)).sum();
        assert_eq!(whole, 1 << 12);
        assert!(lengths.is_sorted_by(|one, two| one >= two));
    }

    #[test]
    fn lengths_of_runs_are_written_as_the_standard_says() {
        let told = |length| {
            let run = run_symbol(length);
            (run.symbol, run.extra, run.extra_bits)
        };
        assert_eq!(told(3), (257, 0, 0));
        assert_eq!(told(10), (264, 0, 0));
        assert_eq!(told(11), (265, 0, 1));
        assert_eq!(told(18), (268, 1, 1));
        assert_eq!(told(114), (279, 15, 4));
        assert_eq!(told(227), (284, 0, 5));
        assert_eq!(told(257), (284, 30, 5));
        assert_eq!(told(258), (285, 0, 0));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_come_back(data in proptest::collection::vec(0_u8..5, 0..2_000)) {
            read_back(&data);
        }
    }
}
