//! What a reader has to know of a data file to find the pages of a parcel.
//!
//! Made once of footer and page indexes, of which it keeps places and bounds of pages only.

use std::collections::HashMap;
use std::fs::File;
use std::ops::{Range, RangeInclusive};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use arrow::datatypes::Schema;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::ParquetMetaData;
use swath_io::{AssetRef, compute};

use super::footer::{
    chunk_index, group_bounds, is_native, leaves, locations, page_bounds, read_metadata,
};
use super::page::{ChunkStorage, Dictionary};
use crate::ExtractError;

/// Most local files that stay open; others are opened for each read.
const OPEN_FILES_MAX: usize = 256;
/// Most rows of a row group.
const GROUP_ROWS_MAX: i64 = 1 << 27;
/// Largest dictionary that stays in memory, in bytes; and how much they may take per row group and file.
const KEPT_DICTIONARY_BYTES_MAX: usize = 4 << 10;
const KEPT_GROUP_BYTES_MAX: usize = 16 << 10;
const KEPT_FILE_BYTES_MAX: usize = 256 << 10;

/// Which parcels are wanted.
#[derive(Debug, Clone)]
pub(super) enum ParcelFilter {
    Range(RangeInclusive<i32>),
    /// Ascending, each once.
    List(Arc<[i32]>),
}

/// Rows of a row group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupRows {
    pub group: usize,
    pub rows: Range<u32>,
}

/// A page of the column `parcel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ParcelPage {
    pub min: i32,
    pub max: i32,
    pub group: u32,
    pub first_row: u32,
    pub end_row: u32,
}

/// A page of any column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageSpan {
    pub offset: u64,
    pub bytes: u32,
    pub first_row: u32,
}

#[derive(Debug)]
pub(super) struct ChunkIndex {
    /// Number of the column in the file.
    pub leaf: usize,
    /// Values may be absent in the table.
    pub is_nullable: bool,
    pub storage: ChunkStorage,
    pub dictionary: Option<Range<u64>>,
    /// All of the chunk, the dictionary included.
    pub bytes: Range<u64>,
    /// In the order of rows; empty for a file that is not of our writer's kind.
    pub pages: Vec<PageSpan>,
}

#[derive(Debug)]
pub(super) struct GroupIndex {
    pub rows: u32,
    /// In the order of the table's schema.
    pub chunks: Vec<ChunkIndex>,
}

/// A file that counts among those that stay open.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub file: File,
    open_files: Arc<AtomicUsize>,
}

impl OpenFile {
    fn new(asset: &AssetRef, open_files: &Arc<AtomicUsize>) -> Result<Option<Self>, ExtractError> {
        let Some(path) = asset.local_path() else {
            return Ok(None);
        };
        let guard = |count| (count < OPEN_FILES_MAX).then_some(count + 1);
        if open_files.fetch_update(Relaxed, Relaxed, guard).is_err() {
            return Ok(None);
        }
        match File::open(path) {
            Ok(file) => Ok(Some(Self {
                file,
                open_files: open_files.clone(),
            })),
            Err(error) => {
                open_files.fetch_sub(1, Relaxed);
                Err(damaged(asset, &error.to_string()))
            }
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.open_files.fetch_sub(1, Relaxed);
    }
}

/// Index of one data file.
#[derive(Debug)]
pub(super) struct FileIndex {
    pub asset: AssetRef,
    /// A local file stays open where not too many are.
    pub file: Option<OpenFile>,
    pub groups: Vec<GroupIndex>,
    pub parcel_pages: Vec<ParcelPage>,
    /// Pages follow one another in the order of parcels.
    is_sorted: bool,
    /// For a file with encodings that only the general reader knows.
    pub foreign: Option<ArrowReaderMetadata>,
    dictionaries: Mutex<Dictionaries>,
}

#[derive(Debug, Default)]
struct Dictionaries {
    kept: HashMap<(usize, usize), Arc<Dictionary>>,
    bytes: usize,
}

impl FileIndex {
    /// Reads footer and page indexes.
    ///
    /// # Errors
    /// Where the file is not there, is no Parquet file or lacks columns of `schema`.
    pub(super) async fn load(
        asset: AssetRef,
        size_bytes: u64,
        schema: &Schema,
        open_files: &Arc<AtomicUsize>,
    ) -> Result<Self, ExtractError> {
        let metadata = read_metadata(&asset, size_bytes).await?;
        let (schema, open_files) = (schema.clone(), open_files.clone());
        compute::run(move |_| {
            let file = OpenFile::new(&asset, &open_files)?;
            Self::build(asset, file, &metadata, &schema, size_bytes)
        })
        .await
    }

    fn build(
        asset: AssetRef,
        file: Option<OpenFile>,
        metadata: &Arc<ParquetMetaData>,
        schema: &Schema,
        size_bytes: u64,
    ) -> Result<Self, ExtractError> {
        let wrong = |reason: String| damaged(&asset, &reason);
        let leaves = leaves(metadata, schema).map_err(wrong)?;
        let is_native = is_native(metadata, schema, &leaves);
        let (mut groups, mut parcel_pages) = (Vec::new(), Vec::new());
        for (number, group) in metadata.row_groups().iter().enumerate() {
            if !(0..=GROUP_ROWS_MAX).contains(&group.num_rows()) {
                return Err(wrong(format!(
                    "row group {number} has an impossible length"
                )));
            }
            let rows = group.num_rows() as u32;
            let mut chunks = Vec::with_capacity(leaves.len());
            for (field, leaf) in schema.fields().iter().zip(&leaves) {
                let locations = is_native
                    .then(|| locations(metadata, number, *leaf))
                    .flatten();
                let column = group.column(*leaf);
                let chunk = chunk_index(column, *leaf, field, locations, rows, size_bytes);
                let named =
                    |reason| format!("column {}, row group {number}: {reason}", field.name());
                chunks.push(chunk.map_err(|reason| wrong(named(reason)))?);
            }
            // The column `parcel` is the first of both tables.
            let bounds = match is_native {
                true => page_bounds(metadata, number, leaves[0], &chunks[0].pages, rows),
                false => Some(vec![group_bounds(group, number, leaves[0], rows)]),
            };
            parcel_pages.extend(bounds.ok_or_else(|| {
                wrong(format!(
                    "row group {number}: its index of parcels does not fit its pages"
                ))
            })?);
            groups.push(GroupIndex { rows, chunks });
        }
        let is_sorted = parcel_pages.iter().all(|page| page.min <= page.max)
            && parcel_pages
                .windows(2)
                .all(|pair| pair[0].max <= pair[1].min);
        let foreign = match is_native {
            true => None,
            false => Some(
                ArrowReaderMetadata::try_new(metadata.clone(), ArrowReaderOptions::new())
                    .map_err(|error| wrong(error.to_string()))?,
            ),
        };
        Ok(Self {
            file,
            asset,
            groups,
            parcel_pages,
            is_sorted,
            foreign,
            dictionaries: Mutex::default(),
        })
    }

    /// Bytes of memory, about: what the dictionaries may come to is part of it.
    pub(super) fn memory_bytes(&self) -> u64 {
        let chunks = self.groups.iter().flat_map(|group| &group.chunks);
        let pages: usize = chunks
            .map(|chunk| size_of::<ChunkIndex>() + size_of_val(&chunk.pages[..]))
            .sum();
        let foreign = self
            .foreign
            .as_ref()
            .map(|all| all.metadata().memory_size());
        let all = pages + size_of_val(&self.parcel_pages[..]) + foreign.unwrap_or(0);
        (all + self.kept_bytes_max()) as u64
    }

    fn kept_bytes_max(&self) -> usize {
        KEPT_FILE_BYTES_MAX.min(self.groups.len() * KEPT_GROUP_BYTES_MAX)
    }

    /// Returns the rows whose pages may hold wanted parcels, in the order of the file; stretches
    /// that touch are one.
    pub(super) fn candidates(&self, filter: &ParcelFilter) -> Vec<GroupRows> {
        let mut found: Vec<GroupRows> = Vec::new();
        let pages = &self.parcel_pages;
        if !self.is_sorted {
            for page in pages.iter().filter(|page| filter.meets(page.min, page.max)) {
                add_page(&mut found, page);
            }
            return found;
        }
        match filter {
            ParcelFilter::Range(range) => {
                let first = pages.partition_point(|page| page.max < *range.start());
                for page in pages[first..]
                    .iter()
                    .take_while(|page| page.min <= *range.end())
                {
                    add_page(&mut found, page);
                }
            }
            ParcelFilter::List(parcels) => {
                let mut at = 0;
                for parcel in parcels.iter() {
                    at += pages[at..].partition_point(|page| page.max < *parcel);
                    // The page at which one parcel ends may be that of the next.
                    for page in pages[at..].iter().take_while(|page| page.min <= *parcel) {
                        add_page(&mut found, page);
                    }
                }
            }
        }
        found
    }

    /// Returns a dictionary that was kept.
    pub(super) fn kept_dictionary(&self, group: usize, column: usize) -> Option<Arc<Dictionary>> {
        let dictionaries = self
            .dictionaries
            .lock()
            .expect("nothing panics under this lock");
        dictionaries.kept.get(&(group, column)).cloned()
    }

    /// Keeps a dictionary where it is small.
    pub(super) fn keep_dictionary(&self, group: usize, column: usize, new: &Arc<Dictionary>) {
        let size = new.memory_bytes();
        let mut dictionaries = self
            .dictionaries
            .lock()
            .expect("nothing panics under this lock");
        let is_room = dictionaries.bytes + size <= self.kept_bytes_max();
        if size <= KEPT_DICTIONARY_BYTES_MAX && is_room {
            dictionaries.bytes += size;
            dictionaries.kept.insert((group, column), new.clone());
        }
    }
}

impl ParcelFilter {
    fn meets(&self, min: i32, max: i32) -> bool {
        match self {
            Self::Range(range) => *range.start() <= max && min <= *range.end(),
            Self::List(parcels) => {
                let first = parcels.partition_point(|parcel| *parcel < min);
                parcels.get(first).is_some_and(|parcel| *parcel <= max)
            }
        }
    }

    pub(super) fn contains(&self, parcel: i32) -> bool {
        self.meets(parcel, parcel)
    }

    /// Returns the smallest and the largest that may be wanted.
    pub(super) fn bounds(&self) -> (i32, i32) {
        match self {
            Self::Range(range) => (*range.start(), *range.end()),
            Self::List(parcels) => (
                parcels.first().copied().unwrap_or(i32::MAX),
                parcels.last().copied().unwrap_or(i32::MIN),
            ),
        }
    }
}

fn add_page(found: &mut Vec<GroupRows>, page: &ParcelPage) {
    let group = page.group as usize;
    if let Some(last) = found.last_mut()
        && last.group == group
        && last.rows.end >= page.first_row
    {
        last.rows.end = last.rows.end.max(page.end_row);
        return;
    }
    found.push(GroupRows {
        group,
        rows: page.first_row..page.end_row,
    });
}

pub(super) fn damaged(asset: &AssetRef, reason: &str) -> ExtractError {
    ExtractError::Table {
        href: asset.href().to_owned(),
        reason: format!("{reason}; `swath table check` tells what else is damaged"),
    }
}
