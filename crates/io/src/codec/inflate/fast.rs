//! The codes that lie well inside the buffers, of several streams in turns.

use super::stream::{Cursor, Stream};
use super::tables::{
    DISTANCE_BITS, LITERAL, LITERAL_BITS, SPECIAL, SUBTABLE, Tables, subtable_place, with_extra,
};
use super::{LANES, Lane};

/// Literals that are taken from one filling of the bit buffer: 4 x 11 of at least 56 bits.
const LITERALS_AT_ONCE: usize = 5;
/// Bytes that the fast steps may read or write beyond where they move to.
pub(super) const MARGIN_IN: usize = 8;
pub(super) const MARGIN_OUT: usize = 16;
/// Most bytes by which a step moves on: two fillings of the bit buffer, literals and the longest match.
pub(super) const STEP_READ_MAX: usize = 14;
pub(super) const STEP_WRITTEN_MAX: usize = LITERALS_AT_ONCE + 258;

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Codes were taken.
    More,
    /// The code ahead is left to the careful way.
    Stop,
}

/// A cursor as the fast steps move it.
#[derive(Clone, Copy)]
struct FastCursor {
    read: *const u8,
    written: *mut u8,
    bits: u64,
    bit_count: u32,
}

/// A stream as the fast steps see it.
struct FastLane<'a> {
    at: FastCursor,
    tables: &'a Tables,
    /// Where the output begins.
    plain: *const u8,
    read_max: *const u8,
    written_max: *const u8,
}

impl Stream<'_> {
    /// Returns what the fast steps need; only where there is room for one.
    fn fast<'a>(&mut self, tables: &'a Tables) -> FastLane<'a> {
        debug_assert!(self.has_room());
        let stored = self.stored.as_ptr_range();
        let plain = self.plain.as_mut_ptr_range();
        // SAFETY: `has_room`: cursors and margins lie inside the buffers.
        unsafe {
            FastLane {
                at: FastCursor {
                    read: stored.start.add(self.at.read),
                    written: plain.start.add(self.at.written),
                    bits: self.at.bits,
                    bit_count: self.at.bit_count,
                },
                tables,
                plain: plain.start,
                read_max: stored.end.sub(MARGIN_IN),
                written_max: plain.end.sub(MARGIN_OUT),
            }
        }
    }

    /// Takes over where the fast steps got to.
    fn take_fast(&mut self, cursor: FastCursor) {
        self.at = Cursor {
            read: cursor.read.addr() - self.stored.as_ptr().addr(),
            written: cursor.written.addr() - self.plain.as_ptr().addr(),
            bits: cursor.bits,
            bit_count: cursor.bit_count,
        };
    }
}

impl FastLane<'_> {
    /// Returns how many steps may be taken before looking again.
    fn turns(&self) -> usize {
        let to_read = self.read_max.addr().saturating_sub(self.at.read.addr());
        let to_write = self
            .written_max
            .addr()
            .saturating_sub(self.at.written.addr());
        (to_read / STEP_READ_MAX).min(to_write / STEP_WRITTEN_MAX)
    }
}

/// Runs the fast steps of streams in turns until one of them stops or has no room.
pub(super) fn run(lanes: &mut [Lane], tables: &[Tables; LANES]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("bmi2") {
        // SAFETY: the processor has these instructions.
        return unsafe { run_bmi2(lanes, tables) };
    }
    run_any(lanes, tables);
}

/// The same, compiled for processors since 2013: shifts by a variable are one step there.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2")]
fn run_bmi2(lanes: &mut [Lane], tables: &[Tables; LANES]) {
    run_any(lanes, tables);
}

#[inline(always)]
fn run_any(lanes: &mut [Lane], tables: &[Tables; LANES]) {
    let mut running: Vec<FastLane> = Vec::with_capacity(LANES);
    running.extend(
        lanes
            .iter_mut()
            .map(|lane| lane.stream.fast(&tables[lane.table])),
    );
    let mut stopped = None;
    while stopped.is_none() {
        let turns = running.iter().map(FastLane::turns).min().unwrap_or(0);
        if turns == 0 {
            break;
        }
        'turns: for _ in 0..turns {
            for (index, lane) in running.iter_mut().enumerate() {
                // A copy stays in registers: what is written to the output cannot change it.
                let mut at = lane.at;
                // SAFETY: the ends of both buffers are further away than all these turns can reach.
                let step = unsafe { step(&mut at, lane.plain, lane.tables) };
                lane.at = at;
                if step == Step::Stop {
                    stopped = Some(index);
                    break 'turns;
                }
            }
        }
    }
    for (lane, running) in lanes.iter_mut().zip(running) {
        lane.stream.take_fast(running.at);
    }
    if let Some(index) = stopped {
        lanes[index].stream.stopped = true;
    }
}

/// Takes up to four literals, or literals and one match; stops before the end of the block and before
/// what is damaged.
///
/// # Safety
/// From `at.read` on there are at least [`STEP_READ_MAX`] + [`MARGIN_IN`] stored bytes, from `at.written`
/// on [`STEP_WRITTEN_MAX`] + [`MARGIN_OUT`] bytes of output, which begins at `start`.
#[inline(always)]
unsafe fn step(at: &mut FastCursor, start: *const u8, tables: &Tables) -> Step {
    // SAFETY: the caller's margins.
    unsafe {
        refill_fast(at);
        let mut entry = literal_entry(at, tables);
        for taken in 0..LITERALS_AT_ONCE {
            if entry & LITERAL == 0 {
                break;
            }
            at.bits >>= entry as u8;
            *at.written = (entry >> 16) as u8;
            at.written = at.written.add(1);
            at.bit_count = at.bit_count.wrapping_sub(entry);
            if taken + 1 == LITERALS_AT_ONCE {
                return Step::More;
            }
            entry = literal_entry(at, tables);
        }
        // At most 11 of its bits were looked at, and they are still there.
        refill_fast(at);
        if entry & SPECIAL != 0 {
            if entry & SUBTABLE == 0 {
                return Step::Stop;
            }
            let (bits, count) = (
                at.bits >> LITERAL_BITS,
                at.bit_count.wrapping_sub(LITERAL_BITS),
            );
            entry = *tables.literals.get_unchecked(subtable_place(entry, bits));
            if entry & LITERAL != 0 {
                *at.written = (entry >> 16) as u8;
                at.written = at.written.add(1);
                at.bits = bits >> (entry as u8);
                at.bit_count = count.wrapping_sub(entry);
                return Step::More;
            }
            if entry & SPECIAL != 0 {
                return Step::Stop;
            }
            return copy_match(at, bits, count, entry, start, tables);
        }
        let (bits, count) = (at.bits, at.bit_count);
        copy_match(at, bits, count, entry, start, tables)
    }
}

#[inline(always)]
unsafe fn literal_entry(at: &FastCursor, tables: &Tables) -> u32 {
    let place = at.bits as usize & ((1 << LITERAL_BITS) - 1);
    // SAFETY: the table has 2^11 entries and more.
    unsafe { *tables.literals.get_unchecked(place) }
}

/// Fills the bit buffer to at least 56 bits.
///
/// # Safety
/// At least 8 stored bytes lie from `at.read` on.
#[inline(always)]
unsafe fn refill_fast(at: &mut FastCursor) {
    // SAFETY: the caller's bytes.
    unsafe {
        let word = at.read.cast::<u64>().read_unaligned();
        at.bits |= u64::from_le(word) << (at.bit_count & 63);
        at.read = at.read.add(7 - (at.bit_count >> 3 & 7) as usize);
    }
    at.bit_count |= 56;
}

/// Copies a match whose length code is `entry`; `bits` and `count` begin with that code.
///
/// Needs at most 48 of the bits. Leaves the cursor where it was if it stops.
///
/// # Safety
/// As [`step`], less the literals written.
#[inline(always)]
unsafe fn copy_match(
    at: &mut FastCursor,
    bits: u64,
    count: u32,
    entry: u32,
    start: *const u8,
    tables: &Tables,
) -> Step {
    let len = with_extra(entry, bits) as usize;
    let (mut bits, mut count) = (bits >> (entry as u8), count.wrapping_sub(entry & 0xff));
    let place = bits as usize & ((1 << DISTANCE_BITS) - 1);
    // SAFETY: the table has 2^8 entries and more; subtables lie inside it.
    let mut entry = unsafe { *tables.distances.get_unchecked(place) };
    if entry & SPECIAL != 0 {
        if entry & SUBTABLE == 0 {
            return Step::Stop;
        }
        bits >>= DISTANCE_BITS;
        count = count.wrapping_sub(DISTANCE_BITS);
        // SAFETY: as above.
        entry = unsafe { *tables.distances.get_unchecked(subtable_place(entry, bits)) };
        if entry & SPECIAL != 0 {
            return Step::Stop;
        }
    }
    let distance = with_extra(entry, bits) as usize;
    if distance > at.written.addr() - start.addr() {
        return Step::Stop;
    }
    at.bits = bits >> (entry as u8);
    at.bit_count = count.wrapping_sub(entry & 0xff);
    // SAFETY: `distance` bytes lie before, `len` + 16 bytes behind the place written to.
    unsafe {
        copy_back(at.written, distance, len);
        at.written = at.written.add(len);
    }
    Step::More
}

/// Copies `len` bytes from `distance` bytes before `to`, as if byte by byte.
///
/// # Safety
/// `distance` bytes before `to` are written, `len` + 16 bytes from it on may be.
#[inline(always)]
unsafe fn copy_back(to: *mut u8, distance: usize, len: usize) {
    // SAFETY: the caller's bytes; chunks of 16 overrun the end by at most 15.
    unsafe {
        let from = to.sub(distance);
        if distance >= 16 {
            let mut done = 0;
            while done < len {
                let chunk = from.add(done).cast::<[u8; 16]>().read_unaligned();
                to.add(done).cast::<[u8; 16]>().write_unaligned(chunk);
                done += 16;
            }
        } else if distance == 1 {
            let chunk = [*from; 16];
            let mut done = 0;
            while done < len {
                to.add(done).cast::<[u8; 16]>().write_unaligned(chunk);
                done += 16;
            }
        } else {
            for done in 0..len {
                *to.add(done) = *from.add(done);
            }
        }
    }
}
