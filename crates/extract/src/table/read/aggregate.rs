//! Means over periods: one pass over sorted files, without hash or sort.
//!
//! Files are walked side by side, parcel by parcel and band by band; where their instants do not
//! follow one another (files of a month before compaction), the few rows of the one series are sorted.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use swath_io::compute;

use super::block::BlockPlan;
use super::column::Column;
use super::index::{FileIndex, ParcelFilter, damaged};
use super::reader::{FetchedFile, Question};
use super::request::WindowOf;
use super::rows::{BAND, DATETIME, Filter, PARCEL, band_ranks};
use crate::ExtractError;

/// Returns the columns of means over periods: `parcel`; `band`; `start` and `end` of the period, UTC,
/// half-open; `observations`, those with a mean; `count`, the sum of theirs; `mean`, theirs weighted by
/// `count`; `min` and `max`, the smallest and the largest of theirs. The last three are null where there
/// are no observations with a mean, as of a parcel that was under clouds.
pub fn aggregate_schema() -> SchemaRef {
    let instant = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let names = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new("parcel", DataType::Int32, false),
        Field::new("band", names, false),
        Field::new("start", instant(), false),
        Field::new("end", instant(), false),
        Field::new("observations", DataType::Int32, false),
        Field::new("count", DataType::Float64, false),
        Field::new("mean", DataType::Float64, true),
        Field::new("min", DataType::Float32, true),
        Field::new("max", DataType::Float32, true),
    ]))
}

const MIN: usize = 7;
const MAX: usize = 8;

/// Returns the places of columns in [`aggregate_schema`].
pub(super) fn aggregate_columns(names: &[String]) -> Result<Vec<usize>, ExtractError> {
    let schema = aggregate_schema();
    if names.is_empty() {
        return Ok((0..schema.fields().len()).collect());
    }
    let find = |name: &String| {
        schema.index_of(name).map_err(|_| ExtractError::Options {
            reason: format!(
                "no column \"{name}\" of means over periods (there are parcel, band, start, end, \
                 observations, count, mean, min, max)"
            ),
        })
    };
    names.iter().map(find).collect()
}

/// What is computed, and from which columns of the table.
pub(super) struct Aggregation {
    columns: Vec<usize>,
    schema: SchemaRef,
    window_of: WindowOf,
    count: usize,
    mean: usize,
    /// Smallest and largest values, where they are asked for.
    extremes: Option<(usize, usize)>,
}

impl Aggregation {
    pub(super) fn new(
        columns: Vec<usize>,
        window_of: WindowOf,
        table: &Schema,
    ) -> Result<Self, ExtractError> {
        let find = |name: &str| {
            table.index_of(name).map_err(|_| ExtractError::Options {
                reason: "class counts have no means over periods; ask for their rows".to_owned(),
            })
        };
        let wants_extremes = columns.contains(&MIN) || columns.contains(&MAX);
        let extremes = match wants_extremes {
            true => Some((find("min")?, find("max")?)),
            false => None,
        };
        let schema = aggregate_schema()
            .project(&columns)
            .expect("places of the schema");
        Ok(Self {
            schema: Arc::new(schema),
            columns,
            window_of,
            count: find("count")?,
            mean: find("mean")?,
            extremes,
        })
    }

    /// Returns the columns of the table that are needed besides those by which it is sorted.
    pub(super) fn table_columns(&self) -> Vec<usize> {
        let extremes = self.extremes.into_iter().flat_map(|(min, max)| [min, max]);
        [self.count, self.mean]
            .into_iter()
            .chain(extremes)
            .collect()
    }

    /// Returns the means of the parcels of a piece.
    pub(super) async fn answer(
        self: Arc<Self>,
        question: Arc<Question>,
        indexes: Arc<[Arc<FileIndex>]>,
        piece: ParcelFilter,
    ) -> Result<RecordBatch, ExtractError> {
        let fetched = question.fetch(&indexes, &piece).await?;
        compute::run(move |_| {
            let filter = question.filter(piece);
            let mut blocks = Vec::new();
            for file in &fetched {
                for plan in &file.plans {
                    blocks.extend(self.read(file, plan, &filter)?);
                }
            }
            self.fold(&blocks, &filter)
        })
        .await
    }

    fn read(
        &self,
        file: &FetchedFile,
        plan: &BlockPlan,
        filter: &Filter,
    ) -> Result<Option<Observations>, ExtractError> {
        let decode =
            |column, rows: Range<u32>| plan.decode(&file.index, &file.source, column, rows);
        let parcels = decode(PARCEL, plan.rows.clone())?;
        let all = parcels.int32();
        if !all.is_sorted() {
            return Err(not_sorted(&file.index));
        }
        let (lowest, highest) = filter.parcels.bounds();
        let first = all.partition_point(|parcel| *parcel < lowest);
        let last = all.partition_point(|parcel| *parcel <= highest);
        if first >= last {
            return Ok(None);
        }
        let rows = plan.rows.start + first as u32..plan.rows.start + last as u32;
        let bands = decode(BAND, rows.clone())?;
        let extremes = match self.extremes {
            None => None,
            Some((min, max)) => Some((decode(min, rows.clone())?, decode(max, rows.clone())?)),
        };
        Ok(Some(Observations {
            index: file.index.clone(),
            is_wanted: filter.wanted_bands(&bands),
            first,
            parcels,
            bands,
            datetimes: decode(DATETIME, rows.clone())?,
            counts: decode(self.count, rows.clone())?,
            means: decode(self.mean, rows)?,
            extremes,
        }))
    }

    fn fold(&self, blocks: &[Observations], filter: &Filter) -> Result<RecordBatch, ExtractError> {
        let (names, ranks) = band_ranks(blocks.iter().map(|block| &block.bands));
        let mut walk = Walk {
            blocks,
            ranks,
            at: vec![0; blocks.len()],
            interval: filter.interval.clone(),
            window_of: &*self.window_of,
            open: Window::default(),
            out: Output::default(),
            pieces: Vec::new(),
        };
        let mut runs = Vec::new();
        while let Some(parcel) = walk.next_parcel(&mut runs) {
            if filter.parcels.contains(parcel) {
                walk.fold_parcel(parcel, &mut runs)?;
            }
        }
        Ok(walk.out.batch(names, &self.columns, &self.schema))
    }
}

fn not_sorted(index: &FileIndex) -> ExtractError {
    damaged(
        &index.asset,
        "its rows are not sorted by parcel, band and datetime: `swath table compact` writes them anew",
    )
}

/// Measurements of a block, in the order of the file.
struct Observations {
    index: Arc<FileIndex>,
    /// Of the pages' rows; the others begin at `first`.
    parcels: Column,
    first: usize,
    bands: Column,
    /// For each number of a band.
    is_wanted: Vec<bool>,
    datetimes: Column,
    counts: Column,
    means: Column,
    extremes: Option<(Column, Column)>,
}

impl Observations {
    fn len(&self) -> usize {
        self.datetimes.len()
    }

    fn parcels(&self) -> &[i32] {
        &self.parcels.int32()[self.first..]
    }
}

/// Rows of one block.
#[derive(Debug, Clone)]
struct RowRun {
    block: usize,
    rows: Range<usize>,
}

/// The blocks side by side.
struct Walk<'a> {
    blocks: &'a [Observations],
    /// For each block, the rank of each number of a band.
    ranks: Vec<Vec<u32>>,
    /// Next row of each block.
    at: Vec<usize>,
    interval: Option<Range<i64>>,
    window_of: &'a (dyn Fn(i64) -> Range<i64> + Send + Sync),
    open: Window,
    out: Output,
    /// Runs of one parcel and band.
    pieces: Vec<RowRun>,
}

/// The period at hand of one parcel and band.
#[derive(Debug, Default)]
struct Window {
    parcel: i32,
    band: i32,
    range: Range<i64>,
    is_open: bool,
    observations: i32,
    count: f64,
    weighted: f64,
    min: Option<f32>,
    max: Option<f32>,
}

impl Walk<'_> {
    /// Returns the next parcel and puts its rows into `runs`, by block.
    fn next_parcel(&mut self, runs: &mut Vec<RowRun>) -> Option<i32> {
        runs.clear();
        let blocks = self.blocks.iter().zip(&self.at);
        let next = blocks.filter(|(block, at)| **at < block.len());
        let parcel = next.map(|(block, at)| block.parcels()[*at]).min()?;
        for (number, block) in self.blocks.iter().enumerate() {
            let start = self.at[number];
            let mut end = start;
            let parcels = &block.parcels()[..block.len()];
            while end < parcels.len() && parcels[end] == parcel {
                end += 1;
            }
            if end > start {
                self.at[number] = end;
                runs.push(RowRun {
                    block: number,
                    rows: start..end,
                });
            }
        }
        Some(parcel)
    }

    fn rank(&self, block: usize, row: usize) -> u32 {
        let (numbers, _) = self.blocks[block].bands.text();
        self.ranks[block][numbers[row] as usize]
    }

    fn fold_parcel(&mut self, parcel: i32, runs: &mut [RowRun]) -> Result<(), ExtractError> {
        let mut before = None;
        loop {
            let left = runs.iter().filter(|run| !run.rows.is_empty());
            let Some(rank) = left.map(|run| self.rank(run.block, run.rows.start)).min() else {
                return Ok(());
            };
            let mut pieces = std::mem::take(&mut self.pieces);
            pieces.clear();
            for run in runs.iter_mut() {
                let (numbers, _) = self.blocks[run.block].bands.text();
                let ranks = &self.ranks[run.block];
                let numbers = &numbers[run.rows.clone()];
                let of_band = numbers
                    .iter()
                    .take_while(|number| ranks[**number as usize] == rank);
                let end = run.rows.start + of_band.count();
                if end > run.rows.start {
                    let number = numbers[0] as usize;
                    if before.is_some_and(|before| before >= rank) {
                        return Err(not_sorted(&self.blocks[run.block].index));
                    }
                    if self.blocks[run.block].is_wanted[number] {
                        pieces.push(RowRun {
                            block: run.block,
                            rows: run.rows.start..end,
                        });
                    }
                    run.rows.start = end;
                }
            }
            before = Some(rank);
            self.fold_series(parcel, rank as i32, &mut pieces);
            self.pieces = pieces;
        }
    }

    fn fold_series(&mut self, parcel: i32, band: i32, pieces: &mut [RowRun]) {
        let blocks = self.blocks;
        let instants = |piece: &RowRun| &blocks[piece.block].datetimes.int64()[piece.rows.clone()];
        pieces.sort_by_key(|piece| instants(piece).first().copied());
        self.open.parcel = parcel;
        self.open.band = band;
        let mut before = i64::MIN;
        let mut follows = true;
        for instant in pieces.iter().flat_map(instants) {
            follows &= before <= *instant;
            before = *instant;
        }
        if follows {
            for piece in pieces.iter() {
                let block = &blocks[piece.block];
                for row in piece.rows.clone() {
                    self.add(block, row);
                }
            }
        } else {
            let rows = pieces.iter().flat_map(|piece| {
                let rows = piece.rows.clone();
                rows.map(|row| (blocks[piece.block].datetimes.int64()[row], piece.block, row))
            });
            let mut rows: Vec<_> = rows.collect();
            rows.sort_unstable();
            for (_, block, row) in rows {
                self.add(&blocks[block], row);
            }
        }
        self.close();
    }

    #[inline]
    fn add(&mut self, block: &Observations, row: usize) {
        let instant = block.datetimes.int64()[row];
        if self
            .interval
            .as_ref()
            .is_some_and(|interval| !interval.contains(&instant))
        {
            return;
        }
        if !self.open.is_open || !self.open.range.contains(&instant) {
            self.close();
            self.open.range = (self.window_of)(instant);
            self.open.is_open = true;
        }
        let count = f64::from(block.counts.float32()[row]);
        if count <= 0.0 || !block.means.is_valid(row) {
            return;
        }
        let open = &mut self.open;
        open.observations += 1;
        open.count += count;
        open.weighted += count * f64::from(block.means.float32()[row]);
        if let Some((min, max)) = &block.extremes {
            let value = |column: &Column| column.is_valid(row).then(|| column.float32()[row]);
            open.min = joined(open.min, value(min), f32::min);
            open.max = joined(open.max, value(max), f32::max);
        }
    }

    fn close(&mut self) {
        if self.open.is_open {
            self.out.push(&self.open);
            self.open = Window {
                parcel: self.open.parcel,
                band: self.open.band,
                ..Window::default()
            };
        }
    }
}

fn joined(one: Option<f32>, other: Option<f32>, join: fn(f32, f32) -> f32) -> Option<f32> {
    match (one, other) {
        (Some(one), Some(other)) => Some(join(one, other)),
        (one, other) => one.or(other),
    }
}

/// Means, column by column.
#[derive(Debug, Default)]
struct Output {
    parcels: Vec<i32>,
    bands: Vec<i32>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    observations: Vec<i32>,
    counts: Vec<f64>,
    weighted: Vec<f64>,
    mins: Vec<Option<f32>>,
    maxs: Vec<Option<f32>>,
}

impl Output {
    fn push(&mut self, window: &Window) {
        self.parcels.push(window.parcel);
        self.bands.push(window.band);
        self.starts.push(window.range.start);
        self.ends.push(window.range.end);
        self.observations.push(window.observations);
        self.counts.push(window.count);
        self.weighted.push(window.weighted);
        self.mins.push(window.min);
        self.maxs.push(window.max);
    }

    fn batch(self, names: Vec<String>, columns: &[usize], schema: &SchemaRef) -> RecordBatch {
        let instants = |values: Vec<i64>| {
            Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
        };
        let is_measured: Vec<bool> = self.observations.iter().map(|count| *count > 0).collect();
        let means = self
            .weighted
            .iter()
            .zip(&self.counts)
            .map(|(sum, count)| sum / count);
        let means = Float64Array::new(means.collect::<Vec<_>>().into(), Some(is_measured.into()));
        let names = StringArray::from(names);
        let bands = DictionaryArray::new(Int32Array::from(self.bands), Arc::new(names));
        let all: [ArrayRef; 9] = [
            Arc::new(Int32Array::from(self.parcels)),
            Arc::new(bands),
            instants(self.starts),
            instants(self.ends),
            Arc::new(Int32Array::from(self.observations)),
            Arc::new(Float64Array::from(self.counts)),
            Arc::new(means),
            Arc::new(Float32Array::from(self.mins)),
            Arc::new(Float32Array::from(self.maxs)),
        ];
        let wanted = columns.iter().map(|column| all[*column].clone()).collect();
        RecordBatch::try_new(schema.clone(), wanted)
            .expect("every column has the rows and the type of the schema")
    }
}
