//! Where the tile-parts of each tile stand.

use std::ops::Range;

use bytes::Bytes;

use super::header::{EOC, SOT};
use super::{be_u16, be_u32};

/// Bytes of an SOT marker segment, marker included.
pub(super) const SOT_BYTES: u64 = 12;
/// Most tile-parts of one file.
const PARTS_MAX: usize = 1 << 20;
/// Where tile-parts are longer than this on average, only their heads are fetched on a walk.
const SHORT_PART_BYTES: u64 = 64 << 10;
/// Fetched at once where tile-parts are long: one head.
const STEP_BYTES_MIN: u64 = 1 << 10;
/// Most bytes fetched at once where they are short.
const STEP_BYTES_MAX: u64 = 256 << 10;

/// One tile-part: its bytes begin with SOT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TilePart {
    pub(crate) tile: u32,
    pub(crate) range: Range<u64>,
}

/// The tile-parts of every tile, in the order of the file.
#[derive(Debug)]
pub(crate) struct TileIndex {
    /// Sorted by tile.
    parts: Vec<TilePart>,
    /// Why the walk ended before the codestream did.
    broken: Option<String>,
}

/// A walk from one tile-part to the next.
#[derive(Debug)]
pub(crate) struct TileWalk {
    at: u64,
    first: u64,
    end: u64,
    file_len: u64,
    tiles: u32,
    parts: Vec<TilePart>,
    chunk: (u64, Bytes),
}

/// How far a walk came.
#[derive(Debug)]
pub(crate) enum WalkStep {
    /// All tile-parts are known.
    Done(TileIndex),
    /// These bytes come next.
    Missing(Range<u64>),
}

impl TileIndex {
    pub(crate) fn new(mut parts: Vec<TilePart>, broken: Option<String>) -> Self {
        parts.sort_by_key(|part| part.tile);
        Self { parts, broken }
    }

    /// Returns where the parts of `tile` stand.
    ///
    /// # Errors
    /// A sentence that says why there are none.
    pub(crate) fn of(&self, tile: u32) -> Result<&[TilePart], String> {
        let from = self.parts.partition_point(|part| part.tile < tile);
        let to = self.parts.partition_point(|part| part.tile <= tile);
        match (&self.parts[from..to], &self.broken) {
            ([], None) => Err("the file holds no data of this tile".to_owned()),
            // What was found may not be all: the rest of the tile may stand behind the break.
            ([], Some(reason)) => Err(reason.clone()),
            (own, _) => Ok(own),
        }
    }

    /// Returns the stored bytes of `tile`.
    pub(crate) fn stored_bytes(&self, tile: u32) -> u64 {
        let own = self.of(tile).unwrap_or_default().iter();
        own.map(|part| part.range.end - part.range.start).sum()
    }
}

impl TileWalk {
    /// Begins at the first tile-part of a codestream that ends at `end`, with `tiles` tiles.
    pub(crate) fn new(first: u64, end: u64, file_len: u64, tiles: u32) -> Self {
        Self {
            at: first,
            first,
            end,
            file_len,
            tiles,
            parts: Vec::new(),
            chunk: (0, Bytes::new()),
        }
    }

    /// Adds the bytes that were asked for.
    pub(crate) fn insert(&mut self, offset: u64, bytes: Bytes) {
        self.chunk = (offset, bytes);
    }

    /// Goes on as far as the bytes at hand allow.
    pub(crate) fn step(&mut self) -> WalkStep {
        loop {
            match self.next_part() {
                Ok(Some(part)) => {
                    self.at = part.range.end;
                    self.parts.push(part);
                }
                Ok(None) => {
                    return WalkStep::Done(TileIndex::new(std::mem::take(&mut self.parts), None));
                }
                Err(Err(range)) => return WalkStep::Missing(range),
                Err(Ok(reason)) => {
                    let parts = std::mem::take(&mut self.parts);
                    return WalkStep::Done(TileIndex::new(parts, Some(reason)));
                }
            }
        }
    }

    /// Returns the part that begins where the walk stands; none at the end of the codestream.
    fn next_part(&mut self) -> Result<Option<TilePart>, Result<String, Range<u64>>> {
        let at = self.at;
        if at + 2 > self.end {
            return Ok(None);
        }
        let last = self.end.min(self.file_len);
        if at + 2 > last {
            return Err(Ok(format!(
                "its tile-parts go on at byte {at} of a file of {} bytes: the file is truncated",
                self.file_len
            )));
        }
        let head_len = SOT_BYTES.min(last - at);
        let Some(head) = self.get(at, head_len) else {
            return Err(Err(at..(at + self.step_bytes()).min(last)));
        };
        if be_u16(head, 0) == Some(EOC) {
            return Ok(None);
        }
        let wrong = |what: &str| Err(Ok(format!("{what} at byte {at}: the file is damaged")));
        let part = match sot(head) {
            Some(part) => part,
            None if head_len < SOT_BYTES => return wrong("a tile-part is cut off"),
            None => return wrong("no tile-part begins (SOT expected)"),
        };
        if u32::from(part.tile) >= self.tiles {
            return wrong(&format!("a tile-part of tile {}", part.tile));
        }
        if self.parts.len() == PARTS_MAX {
            return wrong(&format!("more than {PARTS_MAX} tile-parts"));
        }
        let end = match part.len {
            // The last part may leave its length open; EOC follows it.
            0 => self.end.saturating_sub(2).max(at + SOT_BYTES),
            len if u64::from(len) < SOT_BYTES + 2 => return wrong("a tile-part without data"),
            len => at + u64::from(len),
        };
        if end > self.end {
            return wrong(&format!(
                "a tile-part that leaves the codestream (to byte {end})"
            ));
        }
        Ok(Some(TilePart {
            tile: part.tile.into(),
            range: at..end,
        }))
    }

    fn get(&self, at: u64, len: u64) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.chunk.0)?).ok()?;
        self.chunk.1.get(from..from + len as usize)
    }

    /// Returns how many bytes to ask for: many heads with one request where parts are short.
    fn step_bytes(&self) -> u64 {
        let average = (self.at - self.first) / (self.parts.len() as u64).max(1);
        if average <= SHORT_PART_BYTES {
            STEP_BYTES_MAX
        } else {
            STEP_BYTES_MIN
        }
    }
}

/// What an SOT marker segment says.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartHead {
    pub(super) tile: u16,
    pub(super) len: u32,
    /// Parts of the tile, 0 where this part does not say.
    pub(super) count: u8,
}

/// Reads an SOT marker segment.
pub(super) fn sot(head: &[u8]) -> Option<PartHead> {
    let count = *head.get(SOT_BYTES as usize - 1)?;
    let is_sot = be_u16(head, 0)? == SOT && be_u16(head, 2)? == 10;
    is_sot.then_some(PartHead {
        tile: be_u16(head, 4)?,
        len: be_u32(head, 6)?,
        count,
    })
}

/// Returns the tile-parts that the TLM segments list, `None` where they do not tally with the
/// codestream from `first_part` to `end`: then it is walked.
pub(super) fn tile_part_lengths(
    segments: &[&[u8]],
    tiles: u32,
    first_part: u64,
    end: u64,
) -> Option<Vec<TilePart>> {
    let mut sorted = segments.to_vec();
    sorted.sort_by_key(|body| body.first().copied());
    let mut parts: Vec<TilePart> = Vec::new();
    let mut at = first_part;
    for body in sorted {
        let sizes = *body.get(1)?;
        let tile_bytes = usize::from(sizes >> 4 & 3);
        let len_bytes = if sizes & 0x40 == 0 { 2 } else { 4 };
        let entries = body[2..].chunks_exact(tile_bytes + len_bytes);
        for entry in entries {
            let uint = |raw: &[u8]| {
                raw.iter()
                    .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
            };
            // Without an index there is one part per tile, in order.
            let tile = match tile_bytes {
                0 => parts.len() as u64,
                _ => uint(&entry[..tile_bytes]),
            };
            let len = uint(&entry[tile_bytes..]);
            let part_end = at.checked_add(len)?;
            let is_fit = tile < u64::from(tiles) && len >= SOT_BYTES + 2 && part_end <= end;
            if !is_fit || parts.len() == PARTS_MAX {
                return None;
            }
            parts.push(TilePart {
                tile: tile as u32,
                range: at..part_end,
            });
            at = part_end;
        }
    }
    // All of the codestream is accounted for but the end marker.
    (!parts.is_empty() && end - at <= 2).then_some(parts)
}
