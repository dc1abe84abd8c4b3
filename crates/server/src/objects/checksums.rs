//! Checksums of files, remembered: a zip needs them, and reading a file to the end is the only way.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Most checksums that are remembered; then all are forgotten and computed anew.
const CHECKSUMS_MAX: usize = 200_000;

/// A version of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FileVersion {
    /// Store and href.
    pub(crate) place: String,
    /// Entity tag of the store, with the length.
    pub(crate) etag: String,
}

/// CRC-32 of files by version.
#[derive(Debug, Default)]
pub(crate) struct Checksums {
    known: Mutex<HashMap<FileVersion, u32>>,
}

impl Checksums {
    pub(crate) fn get(&self, version: &FileVersion) -> Option<u32> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(version).copied()
    }

    pub(crate) fn put(&self, version: FileVersion, crc: u32) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CHECKSUMS_MAX {
            known.clear();
        }
        known.insert(version, crc);
    }
}
