//! Data files: rows in any order in, one sorted Parquet file out.
//!
//! 1. [`DataFileBuilder::push`] gathers rows; every [`RUN_ROWS`] they are sorted and put aside.
//! 2. [`DataFileBuilder::finish`] merges what was put aside, writes the file and hands it to the store.
//!
//! The bytes depend on the rows alone: no time, no name, no order of arrival.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{RecordBatch, cast::AsArray};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;
use xxhash_rust::xxh3::Xxh3;

use super::encoding::{self, SAMPLE_ROWS};
use super::log::now_ms;
use super::merge::{Merge, RunWriter, SortedFile, failed};
use super::order::RowOrder;
use super::snapshot::{FileUnit, TableFile};
use super::stats::{FileStats, StatsBuilder};
use super::{DataFile, TableConfiguration, TableKind, TableStore};
use crate::ExtractError;
use crate::large_work::LargeWork;
use crate::stages::{Stage, StageMeter};

/// Rows that are sorted in memory; about 250 bytes each.
const RUN_ROWS: usize = 32_768;

/// Gathers the rows of one data file.
#[derive(Debug)]
pub struct DataFileBuilder {
    kind: TableKind,
    order: RowOrder,
    precision: Option<f64>,
    store: TableStore,
    scratch: TempDir,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    runs: Vec<SortedFile>,
    meter: Arc<StageMeter>,
    turns: Option<Arc<LargeWork>>,
}

impl DataFileBuilder {
    /// Returns a builder for a file of one of the two tables.
    ///
    /// # Errors
    /// Where the configuration says nonsense or there is no scratch space.
    pub fn new(
        store: &TableStore,
        kind: TableKind,
        configuration: &TableConfiguration,
    ) -> Result<Self, ExtractError> {
        Ok(Self {
            kind,
            order: row_order(kind)?,
            precision: configuration
                .precision()?
                .filter(|_| kind == TableKind::Extracts),
            store: store.clone(),
            scratch: store.scratch()?,
            waiting: Vec::new(),
            waiting_rows: 0,
            runs: Vec::new(),
            meter: Arc::default(),
            turns: None,
        })
    }

    /// Lets `meter` sum what writing takes.
    pub fn metered(mut self, meter: &Arc<StageMeter>) -> Self {
        self.meter = meter.clone();
        self
    }

    /// Lets merges of rows that were put aside take turns with other large work.
    pub(crate) fn taking_turns(mut self, work: &Arc<LargeWork>) -> Self {
        self.turns = Some(work.clone());
        self
    }

    /// Adds rows with the columns of the table, in any order. Sorts now and then: sync work.
    ///
    /// # Errors
    /// Where the columns are others, or scratch space fails.
    pub fn push(&mut self, batch: RecordBatch) -> Result<(), ExtractError> {
        let meter = self.meter.clone();
        meter.measure(Stage::Write, || self.sort_in(batch))
    }

    fn sort_in(&mut self, batch: RecordBatch) -> Result<(), ExtractError> {
        if batch.schema_ref().fields() != self.order.schema().fields() {
            return Err(ExtractError::Options {
                reason: format!(
                    "the rows have not the columns of the table of {:?}",
                    self.kind
                ),
            });
        }
        let batch = match self.precision {
            Some(precision) => encoding::round(batch, precision),
            None => batch,
        };
        self.waiting_rows += batch.num_rows();
        self.waiting.push(batch);
        match self.waiting_rows >= RUN_ROWS {
            true => self.put_aside(),
            false => Ok(()),
        }
    }

    fn put_aside(&mut self) -> Result<(), ExtractError> {
        let name = format!("run-{}.parquet", self.runs.len());
        let path = self.scratch.path().join(name);
        let mut writer = RunWriter::create(&path, &self.order)?;
        self.order
            .hand_over_sorted(&self.waiting, &mut |rows| writer.write(&rows))?;
        writer.finish()?;
        self.runs.push(SortedFile::whole(path));
        self.waiting.clear();
        self.waiting_rows = 0;
        Ok(())
    }

    /// Writes the file under `path`, a key below the root of its table; `None` where there are no rows.
    /// It is no part of the table before it is committed.
    ///
    /// # Errors
    /// Where scratch space or the store fail.
    pub async fn finish(self, path: &str) -> Result<Option<DataFile>, ExtractError> {
        let (store, kind, meter) = (self.store.clone(), self.kind, self.meter.clone());
        let turns = self.turns.clone().filter(|_| !self.runs.is_empty());
        let turn = match &turns {
            Some(turns) => Some(turns.merge().await),
            None => None,
        };
        let written = swath_io::compute::run(move |_| {
            let meter = self.meter.clone();
            meter.measure(Stage::Write, || self.write())
        });
        let written = written.await?;
        drop(turn);
        let Some((written, _scratch)) = written else {
            return Ok(None);
        };
        let writer = store.writer(kind)?;
        let taking = writer.take_file(path, &written.path);
        meter.watch(Stage::Write, taking).await?;
        Ok(Some(DataFile {
            path: path.to_owned(),
            size_bytes: written.size_bytes,
            rows: written.rows,
            stats: written.stats,
            digest: written.digest,
        }))
    }

    fn write(mut self) -> Result<Option<(WrittenFile, TempDir)>, ExtractError> {
        let path = self.scratch.path().join("data.parquet");
        let mut writer = FileWriter::create(path, &self.order)?;
        if self.runs.is_empty() {
            self.order
                .hand_over_sorted(&self.waiting, &mut |rows| writer.push(rows))?;
        } else {
            if self.waiting_rows > 0 {
                self.put_aside()?;
            }
            let runs = std::mem::take(&mut self.runs);
            let mut rows = Merge::open(runs, &self.order, self.scratch.path())?;
            while let Some(batch) = rows.next()? {
                writer.push(batch)?;
            }
        }
        Ok(writer.finish()?.map(|written| (written, self.scratch)))
    }
}

/// Writes rows, in any order, as a data file: [`DataFileBuilder`] for rows that are in memory.
///
/// # Errors
/// As [`DataFileBuilder`].
pub async fn write_data_file(
    store: &TableStore,
    kind: TableKind,
    path: &str,
    batches: Vec<RecordBatch>,
    configuration: &TableConfiguration,
) -> Result<Option<DataFile>, ExtractError> {
    let mut builder = DataFileBuilder::new(store, kind, configuration)?;
    let builder = swath_io::compute::run(move |_| {
        for batch in batches {
            builder.push(batch)?;
        }
        Ok::<_, ExtractError>(builder)
    });
    builder.await?.finish(path).await
}

/// Returns the order of a table's rows.
pub(super) fn row_order(kind: TableKind) -> Result<RowOrder, ExtractError> {
    RowOrder::new(kind).map_err(|error| failed("the order of rows", &error))
}

/// A data file that lies on scratch.
#[derive(Debug)]
pub(super) struct WrittenFile {
    pub(super) path: PathBuf,
    pub(super) size_bytes: u64,
    pub(super) rows: u64,
    pub(super) stats: String,
    pub(super) digest: String,
    /// Rows of each item.
    pub(super) item_rows: BTreeMap<String, u64>,
}

/// Writes sorted rows to a file on scratch.
pub(super) struct FileWriter {
    path: PathBuf,
    order: RowOrder,
    sink: Option<Digested>,
    writer: Option<ArrowWriter<Digested>>,
    /// The first rows, which decide on encodings.
    first: Vec<RecordBatch>,
    first_rows: usize,
    stats: StatsBuilder,
    item_rows: HashMap<String, u64>,
}

/// A file whose digest is known when it is written.
struct Digested {
    file: BufWriter<File>,
    digest: Xxh3,
    size_bytes: u64,
}

impl Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.size_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl FileWriter {
    pub(super) fn create(path: PathBuf, order: &RowOrder) -> Result<Self, ExtractError> {
        let file = File::create(&path).map_err(|error| failed(&shown(&path), &error))?;
        Ok(Self {
            path,
            order: order.clone(),
            sink: Some(Digested {
                file: BufWriter::new(file),
                digest: Xxh3::new(),
                size_bytes: 0,
            }),
            writer: None,
            first: Vec::new(),
            first_rows: 0,
            stats: StatsBuilder::default(),
            item_rows: HashMap::new(),
        })
    }

    /// Returns the number of rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.stats.rows()
    }

    /// Returns the bytes that are written so far, without the row group under way.
    pub(super) fn size_bytes(&self) -> u64 {
        self.writer
            .as_ref()
            .map_or(0, |writer| writer.bytes_written() as u64)
    }

    /// Appends rows, which come in order.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<(), ExtractError> {
        self.stats.push(&batch);
        self.count_items(&batch);
        if let Some(writer) = &mut self.writer {
            let written = writer.write(&batch);
            return written.map_err(|error| failed(&shown(&self.path), &error));
        }
        self.first_rows += batch.num_rows();
        self.first.push(batch);
        match self.first_rows >= SAMPLE_ROWS {
            true => self.begin(),
            false => Ok(()),
        }
    }

    fn count_items(&mut self, batch: &RecordBatch) {
        let items = batch
            .column_by_name("item_id")
            .expect("it is in both schemas");
        for item in items.as_string::<i32>().iter().flatten() {
            match self.item_rows.get_mut(item) {
                Some(rows) => *rows += 1,
                None => {
                    self.item_rows.insert(item.to_owned(), 1);
                }
            }
        }
    }

    /// Decides on encodings by the rows so far and writes them.
    fn begin(&mut self) -> Result<(), ExtractError> {
        let name = shown(&self.path);
        let schema = self.order.schema();
        let properties = encoding::properties(schema, &self.first);
        let sink = self.sink.take().expect("a file is begun once");
        let writer = ArrowWriter::try_new(sink, schema.clone(), Some(properties));
        let mut writer = writer.map_err(|error| failed(&name, &error))?;
        for batch in self.first.drain(..) {
            let written = writer.write(&batch);
            written.map_err(|error| failed(&name, &error))?;
        }
        self.writer = Some(writer);
        Ok(())
    }

    /// Ends the file; `None` where it has no row.
    pub(super) fn finish(mut self) -> Result<Option<WrittenFile>, ExtractError> {
        if self.stats.rows() == 0 {
            return Ok(None);
        }
        if self.writer.is_none() {
            self.begin()?;
        }
        let name = shown(&self.path);
        let writer = self.writer.take().expect("it was begun above");
        let mut sink = writer.into_inner().map_err(|error| failed(&name, &error))?;
        sink.flush().map_err(|error| failed(&name, &error))?;
        Ok(Some(WrittenFile {
            path: self.path,
            size_bytes: sink.size_bytes,
            rows: self.stats.rows(),
            stats: self.stats.finish(),
            digest: digest_text(&sink.digest),
            item_rows: self.item_rows.into_iter().collect(),
        }))
    }
}

/// Returns a digest as files carry it.
pub(super) fn digest_text(digest: &Xxh3) -> String {
    format!("{:016x}", digest.digest())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

impl WrittenFile {
    /// Returns the file as part of the table: of `units` those that have rows in it.
    pub(super) fn into_table_file<'a>(
        self,
        path: String,
        month: &str,
        units: impl Iterator<Item = &'a FileUnit>,
    ) -> TableFile {
        let units = units.filter_map(|unit| {
            let rows = *self.item_rows.get(&unit.item_id)?;
            Some(FileUnit {
                rows,
                ..unit.clone()
            })
        });
        let (_, stats) = FileStats::read(&self.stats);
        TableFile {
            path,
            size_bytes: self.size_bytes,
            month: month.to_owned(),
            rows: self.rows,
            stats,
            units: units.collect(),
            digest: self.digest,
            modified_ms: now_ms(),
            stats_json: Some(self.stats),
        }
    }
}
