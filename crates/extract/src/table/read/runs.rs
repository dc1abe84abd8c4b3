//! Runs of small numbers: Parquet's hybrid of repeated and bit-packed values, and packed deltas.

use super::damage::Damage;

/// Most numbers of a page of deltas.
const DELTAS_MAX: usize = 1 << 24;

/// Calls `run` with each run of equal numbers and `packed` with each stretch of different ones, for
/// the numbers `[from, to)` of those in `bytes`, in order.
///
/// `width` is the number of bits of a number, at most 32.
pub(super) fn runs(
    bytes: &[u8],
    width: u32,
    from: usize,
    to: usize,
    mut each: impl FnMut(Run<'_>),
) -> Result<(), Damage> {
    if width > 32 {
        return Err(Damage("numbers of more than 32 bits"));
    }
    let mut rest = bytes;
    let mut at = 0;
    while at < to {
        let head = varint(&mut rest)?;
        let count = usize::try_from(head >> 1).map_err(|_| Damage("a run that is too long"))?;
        let is_packed = head & 1 == 1;
        let len = match is_packed {
            true => count.checked_mul(8),
            false => Some(count),
        };
        let len = len.ok_or(Damage("a run that is too long"))?;
        if len == 0 {
            return Err(Damage("a run of nothing"));
        }
        let end = at.saturating_add(len);
        let (first, last) = (from.max(at), to.min(end));
        if is_packed {
            // The last group may be cut off behind its last number.
            let stored = (count.saturating_mul(width as usize)).min(rest.len());
            if first < last {
                let needed_bits = (last - at).saturating_mul(width as usize);
                if needed_bits.div_ceil(8) > stored {
                    return Err(Damage("packed numbers are cut off"));
                }
                each(Run::Packed {
                    bytes: &rest[..stored],
                    width,
                    from: first - at,
                    to: last - at,
                });
            }
            rest = &rest[stored..];
        } else {
            let size = width.div_ceil(8) as usize;
            if rest.len() < size {
                return Err(Damage("a repeated number is cut off"));
            }
            let mut value = 0u32;
            for (shift, byte) in rest[..size].iter().enumerate() {
                value |= u32::from(*byte) << (8 * shift);
            }
            rest = &rest[size..];
            if first < last {
                each(Run::Repeated {
                    value,
                    count: last - first,
                });
            }
        }
        at = end;
    }
    Ok(())
}

/// A part of a run that was asked for.
pub(super) enum Run<'a> {
    Repeated {
        value: u32,
        count: usize,
    },
    Packed {
        bytes: &'a [u8],
        width: u32,
        from: usize,
        to: usize,
    },
}

impl Run<'_> {
    /// Returns the numbers of the run.
    pub(super) fn append_to(&self, numbers: &mut Vec<u32>) {
        match *self {
            Self::Repeated { value, count } => numbers.resize(numbers.len() + count, value),
            Self::Packed {
                bytes,
                width,
                from,
                to,
            } => unpack(bytes, width, from, to, numbers),
        }
    }
}

/// Appends the packed numbers `[from, to)`; `bytes` hold them.
fn unpack(bytes: &[u8], width: u32, from: usize, to: usize, numbers: &mut Vec<u32>) {
    if width == 0 {
        numbers.resize(numbers.len() + (to - from), 0);
        return;
    }
    let mask = u32::MAX >> (32 - width);
    let width = width as usize;
    // Where eight bytes can be read at once a number is one shift: at most 7 + 32 bits are needed.
    let quick_end = match bytes.len().checked_sub(8) {
        Some(last) => to.min((last * 8 + 7) / width + 1).max(from),
        None => from,
    };
    numbers.extend((from..quick_end).map(|index| {
        let bit = index * width;
        let word = &bytes[bit / 8..bit / 8 + 8];
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        (word >> (bit % 8)) as u32 & mask
    }));
    numbers.extend((quick_end..to).map(|index| {
        let bit = index * width;
        let mut word = [0u8; 8];
        let tail = &bytes[bit / 8..bytes.len().min(bit / 8 + 8)];
        word[..tail.len()].copy_from_slice(tail);
        (u64::from_le_bytes(word) >> (bit % 8)) as u32 & mask
    }));
}

/// Decodes the first `count` numbers of a DELTA_BINARY_PACKED page; with [`usize::MAX`] all of them.
///
/// Returns them, and where the bytes behind the last block read begin.
pub(super) fn deltas(bytes: &[u8], count: usize) -> Result<(Vec<i64>, usize), Damage> {
    let mut rest = bytes;
    let block_len = varint(&mut rest)? as usize;
    let mini_blocks = varint(&mut rest)? as usize;
    let stored = varint(&mut rest)? as usize;
    let count = match count {
        usize::MAX => stored,
        count => count,
    };
    let is_sound = mini_blocks > 0
        && block_len > 0
        && block_len <= 1 << 20
        && block_len.is_multiple_of(mini_blocks)
        && (block_len / mini_blocks).is_multiple_of(8);
    if !is_sound || stored < count || stored > DELTAS_MAX {
        return Err(Damage("a page of deltas with an impossible layout"));
    }
    let mini_len = block_len / mini_blocks;
    let mut value = zigzag(&mut rest)?;
    let mut values = Vec::with_capacity(count);
    if count > 0 {
        values.push(value);
    }
    while values.len() < count {
        let smallest = zigzag(&mut rest)?;
        if rest.len() < mini_blocks {
            return Err(Damage("a page of deltas is cut off"));
        }
        let (widths, packed) = rest.split_at(mini_blocks);
        rest = packed;
        for width in widths {
            if values.len() >= count {
                break;
            }
            let width = usize::from(*width);
            let size = (mini_len / 8).saturating_mul(width);
            if width > 64 || rest.len() < size {
                return Err(Damage("a page of deltas is cut off"));
            }
            let len = mini_len.min(count - values.len());
            // Bytes behind the mini block are read along where there are some: one load per number.
            let mini = Mini {
                bytes: &rest[..rest.len().min(size + 8)],
                width,
                smallest,
            };
            mini.append_to(len, &mut value, &mut values);
            rest = &rest[size..];
        }
    }
    Ok((values, bytes.len() - rest.len()))
}

/// A stretch of deltas of one width.
struct Mini<'a> {
    bytes: &'a [u8],
    width: usize,
    smallest: i64,
}

impl Mini<'_> {
    fn append_to(&self, len: usize, value: &mut i64, values: &mut Vec<i64>) {
        let mut at = *value;
        match self.width {
            // Equal numbers, as of parcels.
            0 if self.smallest == 0 => values.resize(values.len() + len, at),
            width if width <= 32 && self.bytes.len() >= (len * width).div_ceil(8) + 8 => {
                let mask = (1u64 << width) - 1;
                values.extend((0..len).map(|index| {
                    let bit = index * width;
                    let word = &self.bytes[bit / 8..bit / 8 + 8];
                    let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
                    let delta = (word >> (bit % 8)) & mask;
                    at = at.wrapping_add(self.smallest.wrapping_add(delta as i64));
                    at
                }));
            }
            width => values.extend((0..len).map(|index| {
                let delta = wide(self.bytes, width, index);
                at = at.wrapping_add(self.smallest.wrapping_add(delta));
                at
            })),
        }
        *value = at;
    }
}

/// Returns the packed number at `index`, of up to 64 bits.
fn wide(bytes: &[u8], width: usize, index: usize) -> i64 {
    if width == 0 {
        return 0;
    }
    let bit = index * width;
    let mut word = [0u8; 16];
    let tail = &bytes[bit / 8..bytes.len().min(bit / 8 + 9)];
    word[..tail.len()].copy_from_slice(tail);
    let mask = u128::MAX >> (128 - width);
    ((u128::from_le_bytes(word) >> (bit % 8)) & mask) as i64
}

fn varint(rest: &mut &[u8]) -> Result<u64, Damage> {
    let mut value = 0u64;
    for (count, byte) in rest.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).wrapping_shl(7 * count as u32);
        if byte & 0x80 == 0 {
            *rest = &rest[count + 1..];
            return Ok(value);
        }
    }
    Err(Damage("a number is cut off"))
}

fn zigzag(rest: &mut &[u8]) -> Result<i64, Damage> {
    let value = varint(rest)?;
    Ok((value >> 1) as i64 ^ -((value & 1) as i64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8], width: u32, from: usize, to: usize) -> Result<Vec<u32>, Damage> {
        let mut numbers = Vec::new();
        runs(bytes, width, from, to, |run| run.append_to(&mut numbers))?;
        Ok(numbers)
    }

    #[test]
    fn repeated_and_packed_numbers_are_read_from_the_middle() {
        // Five times 3, then 0..8 packed with 3 bits (the example of the format).
        let bytes = [0x0a, 0x03, 0x03, 0x88, 0xc6, 0xfa];
        let expected = [3, 3, 3, 3, 3, 0, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(all(&bytes, 3, 0, 13).expect("all"), expected);
        assert_eq!(all(&bytes, 3, 4, 9).expect("some"), expected[4..9]);
        assert!(all(&bytes, 3, 13, 13).expect("none").is_empty());
    }

    #[test]
    fn what_is_cut_off_is_told() {
        all(&[0x0a], 3, 0, 5).expect_err("no number");
        all(&[0x03, 0x88], 3, 0, 8).expect_err("two bytes less");
        all(&[0x00, 0x01], 3, 0, 8).expect_err("an empty run");
        all(&[], 3, 0, 1).expect_err("nothing");
    }

    #[test]
    fn deltas_add_up() {
        // Block 128, 4 mini blocks, 5 values, first 7; deltas -2 with width 0 (7, 5, 3, 1, -1).
        let bytes = [0x80, 0x01, 0x04, 0x05, 0x0e, 0x03, 0, 0, 0, 0];
        let all = vec![7, 5, 3, 1, -1];
        assert_eq!(deltas(&bytes, 5).expect("five"), (all.clone(), 10));
        assert_eq!(deltas(&bytes, usize::MAX).expect("all"), (all, 10));
        deltas(&bytes, 6).expect_err("there are five");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), width in 0u32..40, to in 0usize..300) {
            let _ = all(&bytes, width, to / 3, to);
            let _ = deltas(&bytes, to);
        }

        #[test]
        fn packed_numbers_come_back(numbers in proptest::collection::vec(0u32..1 << 20, 8..64), width in 20u32..33) {
            let groups = numbers.len() / 8;
            let mut bytes = vec![(groups << 1 | 1) as u8];
            let mut bits = 0u128;
            let mut count = 0;
            for number in &numbers[..groups * 8] {
                bits |= u128::from(*number) << count;
                count += width;
                while count >= 8 {
                    bytes.push(bits as u8);
                    bits >>= 8;
                    count -= 8;
                }
            }
            prop_assert_eq!(all(&bytes, width, 3, groups * 8).expect("sound"), &numbers[3..groups * 8]);
        }
    }
}
