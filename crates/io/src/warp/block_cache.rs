//! Decoded blocks that many readings share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use swath_raster::for_pixels;

use crate::raster::{DecodedBlock, GeoTiff};

/// Share of the limit that is left when the oldest blocks go: looking for them is not free.
const LEFT_PART: (u64, u64) = (3, 4);

/// Decoded blocks of any rasters, those used last; to be shared by all who read.
///
/// Blocks are told apart by the place of the file, its entity tag, its nodata values, level, bands
/// and number. Files without an entity tag are not kept.
#[derive(Debug)]
pub struct BlockCache {
    bytes_max: u64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    blocks: HashMap<BlockKey, HeldBlock>,
    bytes: u64,
    uses: u64,
}

#[derive(Debug)]
struct HeldBlock {
    used: u64,
    bytes: u64,
    block: Arc<DecodedBlock>,
}

/// Which block.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct BlockKey {
    /// As [`raster_key`] says.
    pub(super) raster: Arc<str>,
    pub(super) bands: Arc<[usize]>,
    pub(super) level: usize,
    pub(super) number: u32,
}

/// Returns what tells a version of a raster from all others; `None` where nothing does.
pub(super) fn raster_key(raster: &GeoTiff) -> Option<Arc<str>> {
    let etag = raster.etag()?;
    let nodata: Vec<Option<&str>> = raster
        .bands()
        .iter()
        .map(|band| band.nodata.as_deref())
        .collect();
    let (href, len) = (raster.href(), raster.file_len());
    Some(Arc::from(format!("{href}\n{etag}\n{len}\n{nodata:?}")))
}

impl BlockCache {
    /// Returns an empty cache that holds at most `bytes_max` bytes of values and masks.
    pub fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            held: Mutex::default(),
        }
    }

    /// Returns the bytes that are held.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    pub(super) fn get(&self, key: &BlockKey) -> Option<Arc<DecodedBlock>> {
        let mut held = self.lock();
        held.uses += 1;
        let now = held.uses;
        let found = held.blocks.get_mut(key)?;
        found.used = now;
        Some(found.block.clone())
    }

    /// Keeps a block, unless it is larger than the limit; returns it to be shared.
    pub(super) fn keep(&self, key: BlockKey, mut block: DecodedBlock) -> Arc<DecodedBlock> {
        // A block at the edge was decoded with its padding, which may be most of it.
        for pixels in &mut block.bands {
            for_pixels!(pixels, values => values.shrink_to_fit());
        }
        let bands = block.bands.iter();
        let bytes = bands
            .map(|pixels| (pixels.len() * (pixels.data_type().size_bytes() + 1)) as u64)
            .sum();
        let block = Arc::new(block);
        if bytes <= self.bytes_max {
            self.insert(key, bytes, block.clone());
        }
        block
    }

    fn insert(&self, key: BlockKey, bytes: u64, block: Arc<DecodedBlock>) {
        let mut held = self.lock();
        held.uses += 1;
        let used = held.uses;
        let new = HeldBlock { used, bytes, block };
        held.bytes += bytes;
        if let Some(before) = held.blocks.insert(key, new) {
            held.bytes -= before.bytes;
        }
        if held.bytes > self.bytes_max {
            held.shrink(self.bytes_max / LEFT_PART.1 * LEFT_PART.0);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        // What is held is whole at every step: a panic elsewhere leaves it usable.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Forgets the blocks that were used longest ago, down to `bytes_left`.
    fn shrink(&mut self, bytes_left: u64) {
        let blocks = self.blocks.values();
        let mut by_age: Vec<(u64, u64)> = blocks.map(|held| (held.used, held.bytes)).collect();
        by_age.sort_unstable();
        let mut oldest_left = 0;
        for (used, bytes) in by_age {
            if self.bytes <= bytes_left {
                break;
            }
            self.bytes -= bytes;
            oldest_left = used + 1;
        }
        self.blocks.retain(|_, held| held.used >= oldest_left);
    }
}

#[cfg(test)]
mod tests {
    use swath_grid::Window;
    use swath_raster::{Mask, Pixels};

    use super::*;

    fn key(number: u32) -> BlockKey {
        BlockKey {
            raster: Arc::from("a"),
            bands: Arc::from([0]),
            level: 0,
            number,
        }
    }

    fn block(len: usize) -> DecodedBlock {
        DecodedBlock {
            window: Window {
                col: 0,
                row: 0,
                width: len as u32,
                height: 1,
            },
            bands: vec![Pixels::U8(vec![0; len])],
            masks: vec![Mask::All],
        }
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        // Ten blocks of 20 bytes: values and flags.
        let cache = BlockCache::new(200);
        for number in 0..10 {
            cache.keep(key(number), block(10));
        }
        assert_eq!(cache.bytes(), 200);
        assert!(cache.get(&key(0)).is_some());
        cache.keep(key(10), block(10));
        assert_eq!(cache.bytes(), 140);
        assert!(cache.get(&key(0)).is_some() && cache.get(&key(10)).is_some());
        assert!(cache.get(&key(1)).is_none());
    }

    #[test]
    fn a_block_counts_once_and_giants_not_at_all() {
        let cache = BlockCache::new(100);
        cache.keep(key(0), block(10));
        cache.keep(key(0), block(20));
        assert_eq!(cache.bytes(), 40);
        cache.keep(key(1), block(1_000));
        assert_eq!(cache.bytes(), 40);
    }

    #[test]
    fn padding_that_was_cut_off_is_not_kept() {
        let cache = BlockCache::new(1_000);
        let mut padded = vec![0_u8; 100_000];
        padded.truncate(10);
        let mut edge = block(10);
        edge.bands = vec![Pixels::U8(padded)];
        let kept = cache.keep(key(0), edge);
        let Pixels::U8(values) = &kept.bands[0] else {
            panic!("the type that was kept");
        };
        assert_eq!((values.len(), cache.bytes()), (10, 20));
        assert!(values.capacity() < 100, "{}", values.capacity());
    }
}
