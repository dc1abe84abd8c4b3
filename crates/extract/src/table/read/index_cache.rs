//! Indexes of data files, kept by name: a file never changes.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use arrow::datatypes::Schema;
use swath_io::AssetRef;

use super::index::FileIndex;
use crate::ExtractError;

/// Most files that are kept.
const FILES_MAX: usize = 16_384;

/// Footers and page indexes of data files; those used longest ago go first. One per process is
/// enough: tables share it.
#[derive(Debug)]
pub struct IndexCache {
    bytes_max: u64,
    kept: Mutex<Kept>,
    open_files: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Kept {
    files: HashMap<String, Entry>,
    bytes: u64,
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    index: Arc<FileIndex>,
    bytes: u64,
    last_use: u64,
}

impl IndexCache {
    /// Returns a cache that keeps up to `bytes_max` bytes.
    ///
    /// A file with a million rows takes about 400 kB.
    pub fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            kept: Mutex::default(),
            open_files: Arc::default(),
        })
    }

    /// Returns the index of a file, reading it where it is not kept.
    ///
    /// Two that ask at the same time may both read it.
    pub(super) async fn get(
        &self,
        asset: AssetRef,
        size_bytes: u64,
        schema: &Schema,
    ) -> Result<Arc<FileIndex>, ExtractError> {
        if let Some(index) = self.kept(asset.href()) {
            return Ok(index);
        }
        let href = asset.href().to_owned();
        let index = Arc::new(FileIndex::load(asset, size_bytes, schema, &self.open_files).await?);
        self.keep(href, index.clone());
        Ok(index)
    }

    fn kept(&self, href: &str) -> Option<Arc<FileIndex>> {
        let mut kept = self.kept.lock().expect("nothing panics under this lock");
        kept.uses += 1;
        let now = kept.uses;
        let entry = kept.files.get_mut(href)?;
        entry.last_use = now;
        Some(entry.index.clone())
    }

    fn keep(&self, href: String, index: Arc<FileIndex>) {
        let bytes = index.memory_bytes();
        let mut kept = self.kept.lock().expect("nothing panics under this lock");
        kept.uses += 1;
        let entry = Entry {
            index,
            bytes,
            last_use: kept.uses,
        };
        kept.bytes += bytes;
        if let Some(replaced) = kept.files.insert(href, entry) {
            kept.bytes -= replaced.bytes;
        }
        while kept.files.len() > FILES_MAX || (kept.bytes > self.bytes_max && kept.files.len() > 1)
        {
            let oldest = kept.files.iter().min_by_key(|(_, entry)| entry.last_use);
            let oldest = oldest.map(|(href, _)| href.clone()).unwrap_or_default();
            let Some(gone) = kept.files.remove(&oldest) else {
                return;
            };
            kept.bytes -= gone.bytes;
        }
    }

    /// Returns the number of files that are kept, and their bytes.
    pub fn kept_files(&self) -> (usize, u64) {
        let kept = self.kept.lock().expect("nothing panics under this lock");
        (kept.files.len(), kept.bytes)
    }
}
