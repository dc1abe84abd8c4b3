//! The parts of a file that were fetched so far.

use bytes::Bytes;

/// Disjoint fetched ranges of one file, by offset.
#[derive(Debug, Default)]
pub(crate) struct SparseBytes {
    parts: Vec<(u64, Bytes)>,
}

impl SparseBytes {
    /// Adds what was fetched at `offset`.
    pub(crate) fn insert(&mut self, offset: u64, bytes: Bytes) {
        self.parts.push((offset, bytes));
    }

    /// Returns `len` bytes at `offset`, or `None` if a single fetched part does not hold them.
    pub(crate) fn get(&self, offset: u64, len: u64) -> Option<&[u8]> {
        self.parts.iter().rev().find_map(|(start, bytes)| {
            let from = usize::try_from(offset.checked_sub(*start)?).ok()?;
            let to = from.checked_add(usize::try_from(len).ok()?)?;
            bytes.get(from..to)
        })
    }
}
