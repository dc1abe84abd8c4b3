//! Sorted files as one sorted stream, in bounded memory.
//!
//! At most [`FILES_AT_ONCE_MAX`] files are open; of more, groups are merged into scratch files first.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::{BooleanArray, RecordBatch, cast::AsArray};
use arrow::compute::{filter_record_batch, interleave_record_batch};
use arrow::error::ArrowError;
use arrow::row::Rows;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::encoding::ROW_GROUP_ROWS;
use super::order::RowOrder;
use crate::ExtractError;

/// Files that are read side by side; a data file takes one to two MB, a scratch file a third of one.
const FILES_AT_ONCE_MAX: usize = 64;
/// Rows that are decoded of one file at once, and rows of a page of a scratch file: a reader holds a page of each column.
const DECODED_ROWS: usize = 512;
/// Bytes of the values of a column that a scratch file keeps in a dictionary, which a reader holds whole: enough for
/// names that rows share.
const DICTIONARY_BYTES_MAX: usize = 4 << 10;
/// Rows of a batch that comes out.
const MERGED_ROWS: usize = 8_192;

/// A sorted file, and the items whose rows are left out.
#[derive(Debug, Clone)]
pub(super) struct SortedFile {
    pub(super) path: PathBuf,
    pub(super) without_items: BTreeSet<String>,
}

impl SortedFile {
    /// Returns a file of which all rows are taken.
    pub(super) fn whole(path: PathBuf) -> Self {
        Self {
            path,
            without_items: BTreeSet::new(),
        }
    }
}

/// One file that is read.
#[derive(Debug)]
struct Cursor {
    name: String,
    reader: ParquetRecordBatchReader,
    without_items: BTreeSet<String>,
    batch: RecordBatch,
    keys: Rows,
    at: usize,
}

impl Cursor {
    /// Opens a file; `None` where it has no row.
    fn open(file: SortedFile, order: &RowOrder) -> Result<Option<Self>, ExtractError> {
        let name = file.path.display().to_string();
        let opened = File::open(&file.path).map_err(|error| failed(&name, &error))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(opened);
        let builder = builder.map_err(|error| failed(&name, &error))?;
        let reader = builder.with_batch_size(DECODED_ROWS).build();
        let empty = RecordBatch::new_empty(order.schema().clone());
        let mut cursor = Self {
            reader: reader.map_err(|error| failed(&name, &error))?,
            without_items: file.without_items,
            keys: order.keys(&empty).map_err(|error| failed(&name, &error))?,
            batch: empty,
            at: 0,
            name,
        };
        Ok(cursor.load(order)?.then_some(cursor))
    }

    /// Reads the next rows; false where there are none.
    fn load(&mut self, order: &RowOrder) -> Result<bool, ExtractError> {
        while let Some(batch) = self.reader.next() {
            let batch = batch.and_then(|batch| self.left(batch, order));
            let batch = batch.map_err(|error| failed(&self.name, &error))?;
            if batch.num_rows() > 0 {
                self.keys = order
                    .keys(&batch)
                    .map_err(|error| failed(&self.name, &error))?;
                (self.batch, self.at) = (batch, 0);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the rows that are not left out, with the columns of the table.
    fn left(&self, batch: RecordBatch, order: &RowOrder) -> Result<RecordBatch, ArrowError> {
        let batch = batch.with_schema(order.schema().clone())?;
        if self.without_items.is_empty() {
            return Ok(batch);
        }
        let items = batch
            .column_by_name("item_id")
            .expect("it is in both schemas");
        let kept = items.as_string::<i32>().iter();
        let kept: BooleanArray = kept
            .map(|item| Some(item.is_none_or(|item| !self.without_items.contains(item))))
            .collect();
        filter_record_batch(&batch, &kept)
    }
}

/// Rows of several sorted files, in order.
#[derive(Debug)]
pub(super) struct Merge {
    order: RowOrder,
    cursors: Vec<Cursor>,
    /// Indexes of cursors: a binary heap whose top has the smallest row.
    heap: Vec<usize>,
}

impl Merge {
    /// Opens sorted files; of more than [`FILES_AT_ONCE_MAX`], groups are merged into `scratch` first.
    pub(super) fn open(
        mut files: Vec<SortedFile>,
        order: &RowOrder,
        scratch: &Path,
    ) -> Result<Self, ExtractError> {
        let mut round = 0;
        // Each round leaves one file in 64: four of them are enough for all files of a table.
        while files.len() > FILES_AT_ONCE_MAX {
            round += 1;
            let mut merged = Vec::new();
            for (index, group) in files.chunks(FILES_AT_ONCE_MAX).enumerate() {
                let path = scratch.join(format!("merge-{round}-{index}.parquet"));
                let mut rows = Self::of(group.to_vec(), order)?;
                let mut writer = RunWriter::create(&path, order)?;
                while let Some(batch) = rows.next()? {
                    writer.write(&batch)?;
                }
                writer.finish()?;
                merged.push(SortedFile::whole(path));
            }
            files = merged;
        }
        Self::of(files, order)
    }

    fn of(files: Vec<SortedFile>, order: &RowOrder) -> Result<Self, ExtractError> {
        let mut cursors = Vec::new();
        for file in files {
            cursors.extend(Cursor::open(file, order)?);
        }
        let mut merge = Self {
            order: order.clone(),
            heap: (0..cursors.len()).collect(),
            cursors,
        };
        for place in (0..merge.heap.len() / 2).rev() {
            merge.sink(place);
        }
        Ok(merge)
    }

    /// True where the row of the first cursor comes before that of the second.
    fn is_before(&self, one: usize, two: usize) -> bool {
        let key = |cursor: &Cursor| cursor.keys.row(cursor.at).owned();
        let (first, second) = (&self.cursors[one], &self.cursors[two]);
        match first
            .keys
            .row(first.at)
            .data()
            .cmp(second.keys.row(second.at).data())
        {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => {
                debug_assert_eq!(key(first), key(second));
                one < two
            }
        }
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let mut first = place;
            for child in [2 * place + 1, 2 * place + 2] {
                if child < self.heap.len() && self.is_before(self.heap[child], self.heap[first]) {
                    first = child;
                }
            }
            if first == place {
                return;
            }
            self.heap.swap(place, first);
            place = first;
        }
    }

    /// Returns the next rows, `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, ExtractError> {
        let mut held: Vec<RecordBatch> = self
            .cursors
            .iter()
            .map(|cursor| cursor.batch.clone())
            .collect();
        let mut held_of: Vec<usize> = (0..held.len()).collect();
        let mut picked = Vec::with_capacity(MERGED_ROWS);
        while picked.len() < MERGED_ROWS {
            let Some(&first) = self.heap.first() else {
                break;
            };
            let cursor = &mut self.cursors[first];
            picked.push((held_of[first], cursor.at));
            cursor.at += 1;
            if cursor.at == cursor.batch.num_rows() {
                if cursor.load(&self.order)? {
                    held_of[first] = held.len();
                    held.push(cursor.batch.clone());
                } else {
                    self.heap.swap_remove(0);
                }
            }
            self.sink(0);
        }
        if picked.is_empty() {
            return Ok(None);
        }
        let held: Vec<&RecordBatch> = held.iter().collect();
        let merged = interleave_record_batch(&held, &picked);
        merged
            .map(Some)
            .map_err(|error| failed("merged rows", &error))
    }
}

/// Writes sorted rows to a scratch file.
#[derive(Debug)]
pub(super) struct RunWriter {
    name: String,
    writer: ArrowWriter<File>,
}

impl RunWriter {
    pub(super) fn create(path: &Path, order: &RowOrder) -> Result<Self, ExtractError> {
        let name = path.display().to_string();
        let file = File::create(path).map_err(|error| failed(&name, &error))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::UNCOMPRESSED)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_data_page_row_count_limit(DECODED_ROWS)
            .set_write_batch_size(DECODED_ROWS)
            .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
            .build();
        let writer = ArrowWriter::try_new(file, order.schema().clone(), Some(properties));
        let writer = writer.map_err(|error| failed(&name, &error))?;
        Ok(Self { name, writer })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ExtractError> {
        let written = self.writer.write(batch);
        written.map_err(|error| failed(&self.name, &error))
    }

    pub(super) fn finish(self) -> Result<(), ExtractError> {
        let closed = self.writer.close();
        closed
            .map(|_| ())
            .map_err(|error| failed(&self.name, &error))
    }
}

/// Returns the error of a file that cannot be read or written here.
pub(super) fn failed(name: &str, error: &dyn std::fmt::Display) -> ExtractError {
    ExtractError::Scratch {
        reason: format!("{name}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, Float32Array, Int32Array, StringArray, TimestampMicrosecondArray,
    };
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int32Type;

    use super::*;
    use crate::table::{TableKind, classes_schema};

    /// Rows of the parcels `first`, `first + step`, … of one item.
    fn rows(first: usize, step: usize, count: usize) -> RecordBatch {
        let parcels = (0..count).map(|row| Some((first + row * step) as i32));
        let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; count])) };
        let item = format!("item-{first}");
        let columns: Vec<ArrayRef> = vec![
            Arc::new(parcels.collect::<Int32Array>()),
            text("id"),
            Arc::new(TimestampMicrosecondArray::from(vec![7; count]).with_timezone("UTC")),
            text("c"),
            text(&item),
            text("SCL"),
            Arc::new(Int32Array::from(vec![4; count])),
            Arc::new(Float32Array::from(vec![1.0; count])),
        ];
        RecordBatch::try_new(classes_schema(), columns).expect("columns of the table")
    }

    fn parcels_of(merge: &mut Merge, order: &RowOrder) -> Vec<i32> {
        let mut batches = Vec::new();
        while let Some(batch) = merge.next().expect("rows") {
            batches.push(batch);
        }
        let whole = concat_batches(order.schema(), &batches).expect("one schema");
        whole
            .column(0)
            .as_primitive::<Int32Type>()
            .values()
            .to_vec()
    }

    #[test]
    fn more_files_than_can_be_open_are_merged_in_rounds() {
        let folder = tempfile::tempdir().expect("a folder");
        let order = RowOrder::new(TableKind::Classes).expect("an order");
        let count = FILES_AT_ONCE_MAX + 9;
        let files: Vec<SortedFile> = (0..count)
            .map(|file| {
                let path = folder.path().join(format!("{file}.parquet"));
                let mut writer = RunWriter::create(&path, &order).expect("a file");
                writer.write(&rows(file, count, 30)).expect("rows");
                writer.finish().expect("a file");
                SortedFile::whole(path)
            })
            .collect();
        let mut merge = Merge::open(files.clone(), &order, folder.path()).expect("files");
        let all: Vec<i32> = (0..(count * 30) as i32).collect();
        assert_eq!(parcels_of(&mut merge, &order), all);
        let mut two = files[..2].to_vec();
        two[0].without_items = ["item-0".to_owned()].into();
        let mut merge = Merge::open(two, &order, folder.path()).expect("files");
        let left: Vec<i32> = (0..30).map(|row| 1 + row * count as i32).collect();
        assert_eq!(parcels_of(&mut merge, &order), left);
        let none = Merge::open(Vec::new(), &order, folder.path());
        assert!(none.expect("no file").next().expect("no rows").is_none());
    }

    #[test]
    fn a_file_that_is_no_table_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("odd.parquet");
        std::fs::write(&path, "PAR1 nonsense PAR1").expect("a file");
        let order = RowOrder::new(TableKind::Classes).expect("an order");
        let error = Merge::open(vec![SortedFile::whole(path)], &order, folder.path());
        assert!(
            error
                .expect_err("nonsense")
                .to_string()
                .contains("odd.parquet")
        );
    }
}
