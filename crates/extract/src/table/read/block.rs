//! A stretch of rows of one row group, and the columns of it that are wanted.
//!
//! A plan (pure) says which bytes are needed; decoding takes them from a [`Source`].

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use super::column::Column;
use super::damage::Damage;
use super::foreign;
use super::index::{ChunkIndex, FileIndex, GroupRows, damaged};
use super::page::{Dictionary, decode_dictionary, decode_rows};
use super::source::Source;
use crate::ExtractError;

/// Most bytes of neighbouring pages that are read at once.
const RUN_BYTES_MAX: u64 = 1 << 20;

thread_local! {
    /// Bytes as they are stored, of one run of pages.
    static STORED: RefCell<Vec<u8>> = RefCell::default();
}

/// Rows of one row group, and columns by their place in the table's schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockPlan {
    pub group: usize,
    pub rows: Range<u32>,
    pub columns: Vec<usize>,
}

impl BlockPlan {
    pub(super) fn new(stretch: GroupRows, columns: &[usize]) -> Self {
        Self {
            group: stretch.group,
            rows: stretch.rows,
            columns: columns.to_vec(),
        }
    }

    /// Returns the bytes that decoding takes.
    pub(super) fn ranges(&self, index: &FileIndex) -> Vec<Range<u64>> {
        let mut ranges = Vec::new();
        for column in &self.columns {
            let chunk = &index.groups[self.group].chunks[*column];
            if index.foreign.is_some() {
                ranges.push(chunk.bytes.clone());
                continue;
            }
            if index.kept_dictionary(self.group, *column).is_none() {
                ranges.extend(chunk.dictionary.clone());
            }
            ranges.extend(page_runs(chunk, &self.rows).map(|run| run.bytes));
        }
        ranges
    }

    /// Decodes one of the columns for `rows`, which lie inside those of the plan.
    ///
    /// # Errors
    /// Where the file is damaged.
    pub(super) fn decode(
        &self,
        index: &FileIndex,
        source: &Source,
        column: usize,
        rows: Range<u32>,
    ) -> Result<Column, ExtractError> {
        let values = match &index.foreign {
            Some(metadata) => foreign::decode(index, metadata, source, self.group, column, rows)?,
            None => self.decode_pages(index, source, column, rows)?,
        };
        let is_nullable = index.groups[self.group].chunks[column].is_nullable;
        let lacks = values
            .valid
            .as_ref()
            .is_some_and(|valid| valid.contains(&false));
        if lacks && !is_nullable {
            let reason = format!(
                "row group {}, column {column}: values are absent",
                self.group
            );
            return Err(damaged(&index.asset, &reason));
        }
        Ok(values)
    }

    fn decode_pages(
        &self,
        index: &FileIndex,
        source: &Source,
        column: usize,
        rows: Range<u32>,
    ) -> Result<Column, ExtractError> {
        let chunk = &index.groups[self.group].chunks[column];
        let wrong = |damage: Damage| {
            let reason = format!("row group {}, column {column}: {}", self.group, damage.0);
            damaged(&index.asset, &reason)
        };
        STORED.with_borrow_mut(|stored| {
            let dictionary = match &chunk.dictionary {
                None => None,
                Some(bytes) => Some(match index.kept_dictionary(self.group, column) {
                    Some(kept) => kept,
                    None => {
                        let bytes = source.bytes(index, bytes.clone(), stored)?;
                        let read = decode_dictionary(bytes, chunk.storage).map_err(wrong)?;
                        let read = Arc::new(read);
                        index.keep_dictionary(self.group, column, &read);
                        read
                    }
                }),
            };
            let mut values = Column::empty(chunk.storage.kind);
            values.reserve((rows.end - rows.start) as usize);
            for run in page_runs(chunk, &rows) {
                let bytes = source.bytes(index, run.bytes.clone(), stored)?;
                decode_run(
                    chunk,
                    &run,
                    bytes,
                    dictionary.as_deref(),
                    &rows,
                    index.groups[self.group].rows,
                    &mut values,
                )
                .map_err(wrong)?;
            }
            Ok(values)
        })
    }
}

/// Pages that lie side by side.
struct PageRun {
    pages: Range<usize>,
    bytes: Range<u64>,
}

/// Returns the runs of pages that hold `rows`, in order.
fn page_runs<'a>(
    chunk: &'a ChunkIndex,
    rows: &Range<u32>,
) -> impl Iterator<Item = PageRun> + use<'a> {
    let pages = &chunk.pages;
    let mut at = pages
        .partition_point(|page| page.first_row <= rows.start)
        .saturating_sub(1);
    let end = match rows.is_empty() {
        true => at,
        false => pages.partition_point(|page| page.first_row < rows.end),
    };
    std::iter::from_fn(move || {
        let first = pages[..end].get(at)?;
        let start = at;
        let mut bytes = first.offset..first.offset + u64::from(first.bytes);
        at += 1;
        while let Some(next) = pages[..end].get(at) {
            let next_end = next.offset + u64::from(next.bytes);
            if next.offset != bytes.end || next_end - bytes.start > RUN_BYTES_MAX {
                break;
            }
            bytes.end = next_end;
            at += 1;
        }
        Some(PageRun {
            pages: start..at,
            bytes,
        })
    })
}

fn decode_run(
    chunk: &ChunkIndex,
    run: &PageRun,
    bytes: &[u8],
    dictionary: Option<&Dictionary>,
    rows: &Range<u32>,
    group_rows: u32,
    values: &mut Column,
) -> Result<(), Damage> {
    for number in run.pages.clone() {
        let page = &chunk.pages[number];
        let end_row = chunk
            .pages
            .get(number + 1)
            .map_or(group_rows, |next| next.first_row);
        let first = rows.start.max(page.first_row) - page.first_row;
        let last = rows.end.min(end_row) - page.first_row;
        let from = (page.offset - run.bytes.start) as usize;
        decode_rows(
            &bytes[from..from + page.bytes as usize],
            chunk.storage,
            dictionary,
            (end_row - page.first_row) as usize,
            first as usize..last as usize,
            values,
        )?;
    }
    Ok(())
}
