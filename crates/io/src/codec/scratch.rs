//! Buffers and decoder states that a thread keeps between blocks.

use swath_raster::{Pixels, Sample};

use super::inflate::Inflater;
use crate::thread_watch::{ThreadTime, ThreadWatch};

/// Most vectors that wait for another use.
const SPARE_MAX: usize = 16;
/// Longest vector that is kept, in values: whole strips of large rasters are given back.
const SPARE_VALUES_MAX: usize = 1 << 22;

/// Buffers and decoder states that a thread keeps between blocks.
#[derive(Default)]
pub struct DecodeScratch {
    /// Stored bytes of the blocks under way, where they come from a local file.
    pub(super) stored: Vec<Vec<u8>>,
    /// Their bytes after decompression.
    pub(super) plain: Vec<Vec<u8>>,
    pub(super) row: Vec<u8>,
    pub(super) inflater: Inflater,
    pub(super) zstd: Option<zstd::bulk::Decompressor<'static>>,
    spare: Vec<Pixels>,
    reading: ThreadTime,
}

impl DecodeScratch {
    /// Takes back values that are no longer needed, for the blocks to come.
    ///
    /// Fresh memory costs more than decompressing a block does: every page of it is cleared first.
    pub fn recycle(&mut self, values: Pixels) {
        if self.spare.len() < SPARE_MAX && values.len() <= SPARE_VALUES_MAX {
            self.spare.push(values);
        }
    }

    /// Returns what reading stored bytes of local files took since it was asked last: fetching that
    /// happens while blocks are decoded.
    pub fn take_reading(&mut self) -> ThreadTime {
        std::mem::take(&mut self.reading)
    }

    /// Notes what `watch` has measured as reading.
    pub(super) fn note_reading(&mut self, mut watch: ThreadWatch) {
        self.reading += watch.lap();
    }

    /// Returns a vector of `len` values, whatever they are.
    pub(super) fn values<T: Sample>(&mut self, len: usize) -> Vec<T> {
        let at = self
            .spare
            .iter()
            .rposition(|pixels| pixels.data_type() == T::DATA_TYPE);
        let spare = at.map(|at| self.spare.swap_remove(at));
        let mut values = spare
            .and_then(|pixels| T::unwrap_values(pixels).ok())
            .unwrap_or_default();
        values.resize(len, T::default());
        values
    }
}
