//! `swath table export`: one row per parcel, with its attributes, its geometry and a column for each band and
//! period.
//!
//! 1. Bands and periods are found: they are the columns.
//! 2. Parcels come a few thousand at a time; their means over periods are put beside them.
//! 3. GeoParquet and GeoPackage keep the geometries of the set; CSV has none.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Schema, TimestampMicrosecondType};
use chrono::DateTime;
use clap::ValueEnum;
use futures::TryStreamExt;
use swath_access::Viewer;
use swath_archive::{OpenedSet, open_set};
use swath_extract::table::{
    AggregateRequest, ExtractTable, IndexCache, Parcels, SeriesReader, Snapshot, TableKind,
    WindowOf,
};
use swath_io::vector::set::AttributeChoice;
use swath_series::Period;

use super::NamedTable;
use super::export_file::{ExportFile, ExportFormat};
use super::find::find_table;
use crate::config::Context;
use crate::error::UsageError;

/// Most columns of values: beyond, programs that read tables give up.
const COLUMNS_MAX: usize = 4_000;
/// Bytes of indexes that the reader keeps.
const INDEX_BYTES: u64 = 64 << 20;

/// What is told of a band and period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Statistic {
    /// Mean of the observations' means, weighted by their counts
    Mean,
    /// Smallest of the observations' minima
    Min,
    /// Largest of the observations' maxima
    Max,
    /// Sum of the observations' counts
    Count,
}

impl Statistic {
    fn column(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
        }
    }
}

/// Arguments of `swath table export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    #[command(flatten)]
    named: NamedTable,
    /// Output: .gpkg (GeoPackage), .parquet (GeoParquet) or .csv (without geometries)
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Bands by name [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    bands: Vec<String>,
    /// Period of a column: 5-day, dekad or month
    #[arg(long, value_name = "PERIOD", default_value = "month")]
    period: String,
    /// What the columns tell
    #[arg(long, value_enum, default_value = "mean")]
    statistic: Statistic,
    /// Personal columns of the parcels to write, too
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    personal: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// A table or set that is not there, an output that cannot be written.
pub async fn run(context: &Context, args: ExportArgs) -> Result<()> {
    let format = ExportFormat::of(&args.output)?;
    let period: Period = args
        .period
        .parse()
        .map_err(|error| UsageError(format!("--period: {error}")))?;
    let table = find_table(context, &args.named.table).await?;
    let set = set_of(context, &table).await?;
    let snapshot = table.snapshot().await?;
    let reader = SeriesReader::new(
        table.store().writer(TableKind::Extracts)?,
        TableKind::Extracts,
        IndexCache::new(INDEX_BYTES),
    );
    let window_of: WindowOf = Arc::new(move |us| {
        let window = period.window(us);
        window.start_us..window.end_us
    });
    let question = AggregateRequest {
        parcels: Parcels::All,
        bands: args.bands.clone(),
        interval: None,
        window_of,
        columns: ["parcel", "band", "start", args.statistic.column()]
            .map(str::to_owned)
            .to_vec(),
    };
    let columns = ValueColumns::find(&reader, &snapshot, &question).await?;
    let mut names = set
        .file
        .chosen(&AttributeChoice::OpenAnd(args.personal.clone()))?;
    names.extend(
        format
            .geometry_columns()
            .iter()
            .map(|name| (*name).to_owned()),
    );
    let mut output = ExportFile::create(&args.output, format, &set)?;
    let mut first = 0;
    for batch in set.file.batches(&AttributeChoice::Named(names))? {
        let batch = batch?;
        let values = columns
            .values(&reader, &snapshot, &question, first, batch.num_rows())
            .await?;
        first += batch.num_rows();
        output.write(&beside(&batch, &columns, values)?).await?;
    }
    output.finish().await?;
    eprintln!(
        "{first} parcels with {} columns of values written to {}",
        columns.names.len(),
        args.output.display()
    );
    Ok(())
}

async fn set_of(context: &Context, table: &ExtractTable) -> Result<OpenedSet> {
    let configuration = table.configuration();
    if configuration.version.parse::<u32>().is_err() {
        return Err(UsageError(format!(
            "the parcels of {} are a file ({}), not a set: swath parcels import makes a set of it",
            table.store().href(),
            configuration.version
        ))
        .into());
    }
    let name = format!("{}@{}", configuration.set, configuration.version);
    let catalog = context.existing_catalog().await?;
    let opened = open_set(&context.stores, &catalog, &Viewer::operator(), &name).await?;
    catalog.close().await;
    Ok(opened)
}

/// The columns of values: band and begin of the period.
struct ValueColumns {
    places: BTreeMap<(String, i64), usize>,
    names: Vec<String>,
}

impl ValueColumns {
    async fn find(
        reader: &SeriesReader,
        snapshot: &Snapshot,
        question: &AggregateRequest,
    ) -> Result<Self> {
        let mut places = BTreeMap::new();
        let mut batches = reader.aggregate(snapshot, question);
        while let Some(batch) = batches.try_next().await? {
            for cell in cells(&batch)? {
                places.entry((cell.band, cell.start_us)).or_insert(0);
            }
            if places.len() > COLUMNS_MAX {
                return Err(UsageError(format!(
                    "more than {COLUMNS_MAX} columns of bands and periods: choose --bands or a longer --period"
                ))
                .into());
            }
        }
        let names = places.keys().map(|(band, start_us)| {
            let start = DateTime::from_timestamp_micros(*start_us).unwrap_or_default();
            format!("{band}_{}", start.format("%Y%m%d"))
        });
        let names = names.collect();
        for (place, value) in places.values_mut().enumerate() {
            *value = place;
        }
        Ok(Self { places, names })
    }

    /// Returns the values of `count` parcels from row `first` on, column by column.
    async fn values(
        &self,
        reader: &SeriesReader,
        snapshot: &Snapshot,
        question: &AggregateRequest,
        first: usize,
        count: usize,
    ) -> Result<Vec<Vec<Option<f64>>>> {
        let mut values = vec![vec![None; count]; self.names.len()];
        let begin = i32::try_from(first).context("more parcels than a table can number")?;
        let Some(last) = count.checked_sub(1) else {
            return Ok(values);
        };
        let end = i32::try_from(first + last).context("more parcels than a table can number")?;
        let question = AggregateRequest {
            parcels: Parcels::Range(begin..=end),
            ..question.clone()
        };
        let mut batches = reader.aggregate(snapshot, &question);
        while let Some(batch) = batches.try_next().await? {
            for cell in cells(&batch)? {
                let row = usize::try_from(cell.parcel - begin).unwrap_or(usize::MAX);
                let column = self.places.get(&(cell.band, cell.start_us));
                if let Some(column) = column.and_then(|place| values.get_mut(*place))
                    && let Some(value) = column.get_mut(row)
                {
                    *value = cell.value;
                }
            }
        }
        Ok(values)
    }
}

/// One value of the answer.
struct Cell {
    parcel: i32,
    band: String,
    start_us: i64,
    value: Option<f64>,
}

fn cells(batch: &RecordBatch) -> Result<Vec<Cell>> {
    let parcels = batch.column(0).as_primitive::<Int32Type>();
    let bands = cast(batch.column(1), &DataType::Utf8)?;
    let bands = bands.as_string::<i32>();
    let starts = batch.column(2).as_primitive::<TimestampMicrosecondType>();
    let values = cast(batch.column(3), &DataType::Float64)?;
    let values = values.as_primitive::<Float64Type>();
    let cell = |row: usize| Cell {
        parcel: parcels.value(row),
        band: bands.value(row).to_owned(),
        start_us: starts.value(row),
        value: values.is_valid(row).then(|| values.value(row)),
    };
    Ok((0..batch.num_rows()).map(cell).collect())
}

/// Puts the columns of values beside those of the parcels.
fn beside(
    batch: &RecordBatch,
    columns: &ValueColumns,
    values: Vec<Vec<Option<f64>>>,
) -> Result<RecordBatch> {
    let mut fields: Vec<Field> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    let mut arrays: Vec<ArrayRef> = batch.columns().to_vec();
    for (name, values) in columns.names.iter().zip(values) {
        fields.push(Field::new(name, DataType::Float64, true));
        arrays.push(Arc::new(Float64Array::from(values)));
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}
