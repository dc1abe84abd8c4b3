//! Bytes of pages: read from an open file when they are decoded, or fetched before.

use std::fs::File;
use std::ops::Range;

use bytes::Bytes;
use swath_io::AssetRef;

use super::block::BlockPlan;
use super::index::{FileIndex, damaged};
use crate::ExtractError;

/// Where the bytes of a file come from.
#[derive(Debug)]
pub(super) enum Source {
    /// From the index's open file, or one that is opened for each read.
    Local,
    /// Ranges in order of offset.
    Fetched(Vec<(u64, Bytes)>),
}

impl Source {
    /// Fetches what the plans need where the file is not a local one: near ranges in one request.
    ///
    /// # Errors
    /// Where the store fails.
    pub(super) async fn fetch(
        index: &FileIndex,
        plans: &[BlockPlan],
    ) -> Result<Self, ExtractError> {
        if index.asset.local_path().is_some() {
            return Ok(Self::Local);
        }
        let mut ranges: Vec<Range<u64>> =
            plans.iter().flat_map(|plan| plan.ranges(index)).collect();
        ranges.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
        ranges.dedup_by(|next, before| next.end <= before.end);
        let bytes = index.asset.read_ranges(&ranges, None).await?;
        let starts = ranges.into_iter().map(|range| range.start);
        Ok(Self::Fetched(starts.zip(bytes).collect()))
    }

    /// Returns the bytes of a range, out of `buffer` where they have to be read.
    ///
    /// # Errors
    /// Where the file fails or is shorter than its footer says.
    pub(super) fn bytes<'a>(
        &'a self,
        index: &FileIndex,
        range: Range<u64>,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], ExtractError> {
        let len = (range.end - range.start) as usize;
        match self {
            Self::Local => {
                if buffer.len() < len {
                    buffer.resize(len, 0);
                }
                let buffer = &mut buffer[..len];
                let read = match (&index.file, index.asset.local_path()) {
                    (Some(open), _) => read_at(&open.file, buffer, range.start),
                    (None, Some(path)) => {
                        File::open(path).and_then(|file| read_at(&file, buffer, range.start))
                    }
                    (None, None) => unreachable!("a local source has a path"),
                };
                read.map_err(|error| damaged(&index.asset, &error.to_string()))?;
                Ok(buffer)
            }
            Self::Fetched(fetched) => {
                let at = fetched.partition_point(|(start, _)| *start <= range.start);
                let found = at.checked_sub(1).and_then(|at| {
                    let (start, bytes) = &fetched[at];
                    let from = (range.start - start) as usize;
                    bytes.get(from..from + len)
                });
                found.ok_or_else(|| not_fetched(&index.asset))
            }
        }
    }
}

fn not_fetched(asset: &AssetRef) -> ExtractError {
    damaged(
        asset,
        "bytes were to be decoded that its page index does not name",
    )
}

fn read_at(file: &File, buffer: &mut [u8], at: u64) -> std::io::Result<()> {
    #[cfg(unix)]
    let outcome = std::os::unix::fs::FileExt::read_exact_at(file, buffer, at);
    #[cfg(not(unix))]
    let outcome = {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = file;
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.read_exact(buffer))
    };
    outcome
}
