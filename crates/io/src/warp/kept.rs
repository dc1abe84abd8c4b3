//! Decoded blocks that chunks share.

use std::collections::HashMap;
use std::sync::Arc;

use crate::raster::DecodedBlock;

/// Decoded bytes kept between two groups of chunks, unless the caller says less.
const KEPT_BYTES_MAX: u64 = 256 << 20;

/// Blocks of one level, by number.
#[derive(Debug)]
pub(super) struct KeptBlocks {
    bytes_max: u64,
    blocks: HashMap<u32, (u64, Arc<DecodedBlock>)>,
    round: u64,
}

impl Default for KeptBlocks {
    fn default() -> Self {
        Self::within(KEPT_BYTES_MAX)
    }
}

impl KeptBlocks {
    /// Returns a store that keeps at most so many bytes.
    pub fn within(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            blocks: HashMap::new(),
            round: 0,
        }
    }

    /// Returns those of `numbers` that are not here, and marks the others as used now.
    pub fn begin_round(&mut self, numbers: &[u32]) -> Vec<u32> {
        self.round += 1;
        let round = self.round;
        let mut missing = Vec::new();
        for number in numbers {
            match self.blocks.get_mut(number) {
                Some((used, _)) => *used = round,
                None => missing.push(*number),
            }
        }
        missing
    }

    pub fn insert(&mut self, number: u32, block: Arc<DecodedBlock>) {
        self.blocks.insert(number, (self.round, block));
    }

    pub fn get(&self, number: u32) -> Option<Arc<DecodedBlock>> {
        self.blocks.get(&number).map(|(_, block)| block.clone())
    }

    /// Returns a block; forgets it where `is_used_up` says so.
    pub fn take_if(
        &mut self,
        number: u32,
        is_used_up: impl Fn(&DecodedBlock) -> bool,
    ) -> Option<Arc<DecodedBlock>> {
        let block = self.get(number)?;
        if is_used_up(&block) {
            self.blocks.remove(&number);
        }
        Some(block)
    }

    /// Forgets the blocks that were used longest ago, down to the limit.
    pub fn end_round(&mut self) {
        let bytes_of = |block: &DecodedBlock| -> u64 {
            let bands = block.bands.iter();
            bands
                .map(|pixels| (pixels.len() * (pixels.data_type().size_bytes() + 1)) as u64)
                .sum()
        };
        let mut bytes: u64 = self.blocks.values().map(|(_, block)| bytes_of(block)).sum();
        if bytes <= self.bytes_max {
            return;
        }
        let mut by_age: Vec<(u64, u32)> = self
            .blocks
            .iter()
            .map(|(number, (used, _))| (*used, *number))
            .collect();
        by_age.sort_unstable();
        for (_, number) in by_age {
            if bytes <= self.bytes_max {
                break;
            }
            if let Some((_, block)) = self.blocks.remove(&number) {
                bytes -= bytes_of(&block);
            }
        }
    }
}
