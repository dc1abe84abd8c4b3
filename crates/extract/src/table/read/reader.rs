//! Questions to a table.
//!
//! 1. Files are passed over by month, parcels, instants and bands of the snapshot.
//! 2. The indexes of the others are kept in memory ([`IndexCache`]); pages that may hold wanted
//!    parcels are found there.
//! 3. A question becomes pieces of about [`PIECE_ROWS`] rows, by parcels; memory is that of a few pieces.
//! 4. Of each piece, the pages of all files are fetched, near ones in one request, decoded on a
//!    compute thread, and their rows put in order.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use swath_io::{StoreWriter, compute};

use super::aggregate::{Aggregation, aggregate_columns};
use super::block::BlockPlan;
use super::image;
use super::index::{FileIndex, ParcelFilter};
use super::index_cache::IndexCache;
use super::pieces::{PIECE_ROWS, pieces};
use super::request::{AggregateRequest, ImageRequest, Parcels, SeriesRequest};
use super::rows::{Filter, KEYS, Rows, in_order};
use super::source::Source;
use crate::ExtractError;
use crate::table::{Snapshot, TableFile, TableKind, month_of};

/// Files whose index is read at once.
const INDEXES_AT_ONCE: usize = 16;
/// Files of a piece that are fetched at once.
const FETCHES_AT_ONCE: usize = 16;
/// Look-ups in indexes that are done at once, without a compute thread; each takes below 1 µs.
const QUICK_LOOK_UPS_MAX: usize = 200;
/// Most rows of an answer that comes as a whole.
pub const SERIES_ROWS_MAX: usize = 4_000_000;
/// Most parcels of a list.
pub const PARCELS_MAX: usize = 2_000_000;

/// Answers of a stream.
pub type Batches = BoxStream<'static, Result<RecordBatch, ExtractError>>;

/// Reads one of the two tables of a profile.
///
/// It holds no snapshot: each question names one, and sees exactly the rows of that one.
#[derive(Debug, Clone)]
pub struct SeriesReader {
    writer: StoreWriter,
    schema: SchemaRef,
    cache: Arc<IndexCache>,
}

/// A file of the snapshot with its index.
pub(super) type Indexed = (Arc<TableFile>, Arc<FileIndex>);

impl SeriesReader {
    /// Returns the reader of the table that `writer` is the root of (`TableStore::writer`).
    pub fn new(writer: StoreWriter, kind: TableKind, cache: Arc<IndexCache>) -> Self {
        Self {
            writer,
            schema: kind.schema(),
            cache,
        }
    }

    /// Returns rows of parcels, in the order parcel, band, datetime, over all months.
    ///
    /// Warm, one parcel takes one page per file and column. Parcels and bands without rows are none
    /// in the answer.
    ///
    /// # Errors
    /// [`ExtractError::Options`] for a column that is not there, [`ExtractError::Limit`] above
    /// [`SERIES_ROWS_MAX`] rows, [`ExtractError::Table`] where a file is damaged.
    pub async fn series(
        &self,
        snapshot: &Snapshot,
        request: &SeriesRequest,
    ) -> Result<RecordBatch, ExtractError> {
        let wanted = self.columns(&request.columns)?;
        let schema = Arc::new(self.schema.project(&wanted).expect("places of the schema"));
        let mut batches = self.rows(snapshot, request);
        let (mut parts, mut rows) = (Vec::new(), 0);
        while let Some(batch) = batches.try_next().await? {
            rows += batch.num_rows();
            if rows > SERIES_ROWS_MAX {
                return Err(ExtractError::Limit {
                    reason: format!(
                        "the series have more than {SERIES_ROWS_MAX} rows; ask for fewer parcels, \
                         bands or months, or for a stream"
                    ),
                });
            }
            parts.push(batch);
        }
        match parts.len() {
            1 => Ok(parts.remove(0)),
            _ => Ok(concat_batches(&schema, &parts).expect("batches of one schema")),
        }
    }

    /// Returns what [`SeriesReader::series`] does, of any size, as a stream; batches without rows are
    /// left out.
    ///
    /// Dropping the stream ends the work.
    pub fn rows(&self, snapshot: &Snapshot, request: &SeriesRequest) -> Batches {
        let question = self.question(snapshot, request);
        let reader = self.clone();
        let pieces = stream::once(async move {
            let question = question?;
            let indexed = reader.indexes(question.files.clone()).await?;
            let indexes: Arc<[Arc<FileIndex>]> =
                indexed.into_iter().map(|(_, index)| index).collect();
            let pieces = question.pieces(&indexes).await;
            let question = Arc::new(question);
            let answers = stream::iter(pieces)
                .map(move |piece| question.clone().answer(indexes.clone(), piece))
                .buffered(at_once());
            Ok::<_, ExtractError>(answers)
        });
        filled(pieces.try_flatten().boxed())
    }

    /// Returns the rows of one image as a stream, in the order of parcels within each file: after
    /// compaction that is one file per month.
    ///
    /// Dropping the stream ends the work.
    pub fn image(&self, snapshot: &Snapshot, request: &ImageRequest) -> Batches {
        let wanted = self.columns(&request.columns);
        let files: Vec<_> = snapshot
            .files()
            .filter(|file| image::may_hold(file, request))
            .cloned()
            .collect();
        let (reader, request) = (self.clone(), Arc::new(request.clone()));
        let batches = stream::once(async move {
            let wanted: Arc<[usize]> = wanted?.into();
            let schema = Arc::new(
                reader
                    .schema
                    .project(&wanted)
                    .expect("places of the schema"),
            );
            let indexed = reader.indexes(files).await?;
            let blocks = indexed.into_iter().flat_map(|(_, index)| {
                (0..index.groups.len()).map(move |group| (index.clone(), group))
            });
            let blocks: Vec<_> = blocks.collect();
            let answers = stream::iter(blocks)
                .map(move |(index, group)| {
                    image::read_group(
                        index,
                        group,
                        request.clone(),
                        wanted.clone(),
                        schema.clone(),
                    )
                })
                .buffered(at_once());
            Ok::<_, ExtractError>(answers)
        });
        filled(batches.try_flatten().boxed())
    }

    /// Returns means over periods as a stream, in the order parcel, band, period; columns are those
    /// of [`super::aggregate_schema`].
    ///
    /// A mean is that of the observations' means, each weighted by its count. Memory does not grow
    /// with the table. Dropping the stream ends the work.
    pub fn aggregate(&self, snapshot: &Snapshot, request: &AggregateRequest) -> Batches {
        let columns = aggregate_columns(&request.columns);
        let rows = SeriesRequest {
            parcels: request.parcels.clone(),
            bands: request.bands.clone(),
            interval: request.interval.clone(),
            columns: vec!["parcel".to_owned()],
        };
        let question = self.question(snapshot, &rows);
        let (reader, window_of) = (self.clone(), request.window_of.clone());
        let batches = stream::once(async move {
            let mut question = question?;
            let aggregation = Aggregation::new(columns?, window_of, &reader.schema)?;
            question.columns = aggregation.table_columns();
            let indexed = reader.indexes(question.files.clone()).await?;
            let indexes: Arc<[Arc<FileIndex>]> =
                indexed.into_iter().map(|(_, index)| index).collect();
            let pieces = question.pieces(&indexes).await;
            let (question, aggregation) = (Arc::new(question), Arc::new(aggregation));
            let answers = stream::iter(pieces)
                .map(move |piece| {
                    aggregation
                        .clone()
                        .answer(question.clone(), indexes.clone(), piece)
                })
                .buffered(at_once());
            Ok::<_, ExtractError>(answers)
        });
        filled(batches.try_flatten().boxed())
    }

    /// Returns the places of columns in the schema.
    fn columns(&self, names: &[String]) -> Result<Vec<usize>, ExtractError> {
        if names.is_empty() {
            return Ok((0..self.schema.fields().len()).collect());
        }
        let find = |name: &String| {
            self.schema.index_of(name).map_err(|_| {
                let known = self
                    .schema
                    .fields()
                    .iter()
                    .map(|field| field.name().as_str());
                ExtractError::Options {
                    reason: format!(
                        "no column \"{name}\" (the table has {})",
                        known.collect::<Vec<_>>().join(", ")
                    ),
                }
            })
        };
        names.iter().map(find).collect()
    }

    fn question(
        &self,
        snapshot: &Snapshot,
        request: &SeriesRequest,
    ) -> Result<Question, ExtractError> {
        let parcels = match &request.parcels {
            Parcels::All => ParcelFilter::Range(i32::MIN..=i32::MAX),
            Parcels::Range(range) => ParcelFilter::Range(range.clone()),
            Parcels::List(list) if list.len() > PARCELS_MAX => {
                return Err(ExtractError::Limit {
                    reason: format!("more than {PARCELS_MAX} parcels; ask for fewer, or for all"),
                });
            }
            Parcels::List(list) => {
                let mut list = list.clone();
                list.sort_unstable();
                list.dedup();
                ParcelFilter::List(list.into())
            }
        };
        let filter = Filter {
            parcels,
            bands: request.bands.clone(),
            interval: request.interval.clone(),
        };
        let columns = self.columns(&request.columns)?;
        let schema = self.schema.project(&columns).expect("places of the schema");
        let files = snapshot.files().filter(|file| may_hold(file, &filter));
        Ok(Question {
            files: files.cloned().collect(),
            filter,
            columns,
            schema: Arc::new(schema),
        })
    }

    /// Returns the indexes of files, in the order of months and paths.
    async fn indexes(&self, mut files: Vec<Arc<TableFile>>) -> Result<Vec<Indexed>, ExtractError> {
        files.sort_by(|one, other| (&one.month, &one.path).cmp(&(&other.month, &other.path)));
        stream::iter(files)
            .map(|file| async move {
                let asset = self.writer.asset(&file.path)?;
                let index = self.cache.get(asset, file.size_bytes, &self.schema).await?;
                Ok((file, index))
            })
            .buffered(INDEXES_AT_ONCE)
            .try_collect()
            .await
    }
}

/// Pieces that are worked on at once: one more than compute threads, so that none waits for bytes.
fn at_once() -> usize {
    rayon::current_num_threads() + 1
}

fn filled(batches: Batches) -> Batches {
    let has_rows = |batch: &RecordBatch| std::future::ready(batch.num_rows() > 0);
    batches.try_filter(has_rows).boxed()
}

/// What is asked of which files.
#[derive(Debug)]
pub(super) struct Question {
    files: Vec<Arc<TableFile>>,
    filter: Filter,
    /// Places in the table's schema.
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl Question {
    async fn pieces(&self, indexes: &Arc<[Arc<FileIndex>]>) -> Vec<ParcelFilter> {
        // A few look-ups are done sooner than a thread is asked.
        if let ParcelFilter::List(list) = &self.filter.parcels
            && list.len() * indexes.len() <= QUICK_LOOK_UPS_MAX
        {
            return pieces(&self.filter.parcels, indexes, PIECE_ROWS);
        }
        let (filter, indexes) = (self.filter.parcels.clone(), indexes.clone());
        compute::run(move |_| pieces(&filter, &indexes, PIECE_ROWS)).await
    }

    /// Returns the filter for one piece.
    pub(super) fn filter(&self, piece: ParcelFilter) -> Filter {
        Filter {
            parcels: piece,
            ..self.filter.clone()
        }
    }

    /// Fetches what a piece needs of all files: for each that has something, plans and bytes.
    pub(super) async fn fetch(
        &self,
        indexes: &[Arc<FileIndex>],
        piece: &ParcelFilter,
    ) -> Result<Vec<FetchedFile>, ExtractError> {
        let mut columns = KEYS.to_vec();
        columns.extend(self.columns.iter().filter(|column| !KEYS.contains(column)));
        let mut planned = Vec::new();
        for index in indexes {
            let stretches = index.candidates(piece).into_iter();
            let plans: Vec<_> = stretches
                .map(|rows| BlockPlan::new(rows, &columns))
                .collect();
            if !plans.is_empty() {
                planned.push((index.clone(), plans));
            }
        }
        stream::iter(planned)
            .map(|(index, plans)| async move {
                let source = Source::fetch(&index, &plans).await?;
                Ok(FetchedFile {
                    index,
                    plans,
                    source,
                })
            })
            .buffered(FETCHES_AT_ONCE)
            .try_collect()
            .await
    }

    async fn answer(
        self: Arc<Self>,
        indexes: Arc<[Arc<FileIndex>]>,
        piece: ParcelFilter,
    ) -> Result<RecordBatch, ExtractError> {
        let fetched = self.fetch(&indexes, &piece).await?;
        compute::run(move |_| {
            let filter = self.filter(piece);
            let mut blocks = Vec::new();
            for file in &fetched {
                for plan in &file.plans {
                    let rows = Rows::read(&file.index, &file.source, plan, &filter, &self.columns)?;
                    blocks.extend(rows);
                }
            }
            Ok(in_order(&blocks, &self.schema))
        })
        .await
    }
}

/// A file with what a piece needs of it.
#[derive(Debug)]
pub(super) struct FetchedFile {
    pub index: Arc<FileIndex>,
    pub plans: Vec<BlockPlan>,
    pub source: Source,
}

/// Returns whether a file may hold wanted rows, as far as the log knows.
fn may_hold(file: &TableFile, filter: &Filter) -> bool {
    let (first, last) = filter.parcels.bounds();
    let is_parcel = file
        .stats
        .parcel
        .is_none_or(|(min, max)| first <= max && min <= last);
    let is_instant = filter.interval.as_ref().is_none_or(|interval| {
        let in_month = meets_month(interval, &file.month);
        let known = file.stats.datetime_us;
        in_month && known.is_none_or(|(min, max)| interval.start <= max && min < interval.end)
    });
    let is_band =
        filter.bands.is_empty()
            || file.stats.band.as_ref().is_none_or(|(min, max)| {
                filter.bands.iter().any(|band| min <= band && band <= max)
            });
    is_parcel && is_instant && is_band
}

/// Months are compared as texts: `YYYY-MM` sorts as time does.
fn meets_month(interval: &Range<i64>, month: &str) -> bool {
    let is_empty = interval.start >= interval.end;
    !is_empty
        && month_of(interval.start).as_str() <= month
        && month <= month_of(interval.end - 1).as_str()
}
