//! `swath series`: the season of one parcel out of the extract tables.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use chrono::DateTime;
use swath_access::Viewer;
use swath_archive::{OpenedSet, open_set};
use swath_catalog::Catalog;
use swath_extract::chips::HIDING_CLASSES;
use swath_extract::table::{
    CommitNumbers, ExtractTable, IndexCache, Parcels, SeriesReader, SeriesRequest, TableKind,
    TableStore, chosen_place, extracts_schema, table_places,
};
use swath_io::StoreWriter;
use swath_series::{
    Extract, Index, Of, Period, SeasonQuestion, SeriesEncoder, SeriesFormat, Tracks, extracts_of,
    json_columns, season, season_schema,
};

use crate::chart::{ClearShares, render, render_png, season_chart};
use crate::command::search::table::table_text;
use crate::config::{Context, TABLES};
use crate::error::UsageError;

/// Bytes of footers and page indexes that are kept while the command runs.
const INDEX_BYTES_MAX: u64 = 256 << 20;

/// Arguments of `swath series`.
#[derive(Debug, clap::Args)]
pub struct SeriesArgs {
    /// Id of the parcel
    #[arg(value_name = "PARCEL")]
    parcel: String,
    /// Parcel set, NAME or NAME@VERSION [default: the only one there is]
    #[arg(long, value_name = "SET")]
    parcels: Option<String>,
    /// Bands, with commas between them [default: all]
    #[arg(long, value_delimiter = ',', value_name = "BANDS")]
    band: Vec<String>,
    /// Collection [default: all that have a table of the set]
    #[arg(long, value_name = "ID")]
    collection: Option<String>,
    /// Profile of the table, or how it begins, where a collection has several
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Interval of RFC 3339 instants or dates, A/B; either end may be ..
    #[arg(long, value_name = "A/B")]
    datetime: Option<String>,
    /// Means over periods, weighted by count: 5-day, dekad or month
    #[arg(long, value_name = "PERIOD")]
    period: Option<Period>,
    /// Index of the band means: NDVI, NDWI, NDMI, NDRE, BSI, EVI2, VHVV, RVI, or a formula such as (B08-B04)/(B08+B04)
    #[arg(long, value_name = "EXPR", conflicts_with = "band")]
    expr: Option<String>,
    /// What an index over periods is computed of: the means of each date, or those of the period
    #[arg(long, value_enum, default_value_t = OfArg::Dates)]
    of: OfArg,
    /// Average each relative orbit by itself
    #[arg(long)]
    by_orbit: bool,
    /// Least share of the parcel that must be clear, 0 to 1
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    clear: f32,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = FormatArg::Table)]
    format: FormatArg,
    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What an index over periods is computed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OfArg {
    Dates,
    Periods,
}

/// Formats of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FormatArg {
    Table,
    Csv,
    Json,
    Arrow,
    Parquet,
    Png,
    Svg,
}

/// Runs the command.
///
/// # Errors
/// Where set, parcel or table are not there, or the question makes no sense.
pub async fn run(context: &Context, args: SeriesArgs) -> Result<()> {
    let question = question(&args)?;
    let catalog = context.existing_catalog().await?;
    let set = chosen_set(context, &catalog, args.parcels.as_deref()).await?;
    let index = set.file.index().await?;
    let row = index
        .row(&args.parcel)
        .with_context(|| format!("no parcel \"{}\" in {}", args.parcel, set.name()))
        .map_err(|error| NotThere(error.to_string()))?;
    let root = context
        .stores
        .writer(&Viewer::operator(), &format!("{TABLES}:"))?;
    let tables = tables(&root, &set, &args).await?;
    let request = request(&args, &question, row)?;
    let mut answer = Answer::new(&question);
    for table in &tables {
        answer.take(table, &request, &question).await?;
    }
    catalog.close().await;
    let bytes = match args.format {
        FormatArg::Table => answer.table(),
        FormatArg::Csv => answer.encoded(SeriesFormat::Csv)?,
        FormatArg::Json => answer.json(&args, &set, &question)?,
        FormatArg::Arrow => answer.encoded(SeriesFormat::Arrow)?,
        FormatArg::Parquet => answer.encoded(SeriesFormat::Parquet)?,
        FormatArg::Png | FormatArg::Svg => {
            let clear = clear_shares(&tables, row).await?;
            picture(&args, &set, &answer.extracts, &clear, row).await?
        }
    };
    write(&args, &bytes)
}

/// Something that was named and is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotThere(pub String);

fn question(args: &SeriesArgs) -> Result<SeasonQuestion> {
    let is_picture = matches!(args.format, FormatArg::Png | FormatArg::Svg);
    let index = args.expr.as_deref().map(Index::parse).transpose();
    let question = SeasonQuestion {
        index: index.map_err(|error| UsageError(error.to_string()))?,
        of: match args.of {
            OfArg::Dates => Of::Dates,
            OfArg::Periods => Of::Periods,
        },
        period: args.period,
        tracks: match args.by_orbit {
            true => Tracks::Apart,
            false => Tracks::Together,
        },
        clear_min: args.clear,
    };
    if is_picture && (question.is_derived() || args.clear > 0.0) {
        let reason = "a picture shows every date: leave out --expr, --period and --clear";
        return Err(UsageError(reason.to_owned()).into());
    }
    if !(0.0..=1.0).contains(&args.clear) {
        return Err(UsageError("--clear: a share from 0 to 1".to_owned()).into());
    }
    Ok(question)
}

/// Opens the set that is named, or the only one.
pub async fn chosen_set(
    context: &Context,
    catalog: &Catalog,
    name: Option<&str>,
) -> Result<OpenedSet> {
    let operator = Viewer::operator();
    let only = match name {
        Some(name) => name.to_owned(),
        None => {
            let sets = catalog.parcel_sets(&operator).await?;
            let names: Vec<String> = sets.into_iter().map(|set| set.name).collect();
            match names.as_slice() {
                [only] => only.clone(),
                [] => {
                    let reason = "there is no parcel set; import one with swath parcels import";
                    return Err(UsageError(reason.to_owned()).into());
                }
                several => {
                    let reason =
                        format!("name a set with --parcels, one of {}", several.join(", "));
                    return Err(UsageError(reason).into());
                }
            }
        }
    };
    Ok(open_set(&context.stores, catalog, &operator, &only).await?)
}

/// A table that is open.
#[derive(Debug)]
struct OpenTable {
    table: ExtractTable,
    extracts: SeriesReader,
    classes: SeriesReader,
}

async fn tables(root: &StoreWriter, set: &OpenedSet, args: &SeriesArgs) -> Result<Vec<OpenTable>> {
    let collections = match &args.collection {
        Some(id) => vec![id.clone()],
        None => root.folders("").await?,
    };
    let cache = IndexCache::new(INDEX_BYTES_MAX);
    let mut tables = Vec::new();
    for id in &collections {
        let places = table_places(root, id, &set.set.name, set.version.number).await?;
        let Some(place) = chosen_place(places, args.profile.as_deref())? else {
            continue;
        };
        let writer = root.below(&place.key)?;
        // Reading never commits: who decides on numbers does not matter.
        let store = TableStore::new(writer.clone(), CommitNumbers::ConditionalPut);
        if let Some(table) = ExtractTable::open(store).await? {
            let classes = writer.below("classes")?;
            tables.push(OpenTable {
                table,
                classes: SeriesReader::new(classes, TableKind::Classes, cache.clone()),
                extracts: SeriesReader::new(writer, TableKind::Extracts, cache.clone()),
            });
        }
    }
    if tables.is_empty() {
        let of = args.collection.as_deref().unwrap_or("any collection");
        let reason = format!(
            "there is no extract table of {of} for {}; make one with swath extract --collection ID --parcels {}",
            set.name(),
            set.set.name
        );
        return Err(NotThere(reason).into());
    }
    Ok(tables)
}

fn request(args: &SeriesArgs, question: &SeasonQuestion, row: u32) -> Result<SeriesRequest> {
    let interval = args.datetime.as_deref().map(|text| {
        let interval = swath_stac::parse_interval_or_days(text)
            .map_err(|error| UsageError(format!("--datetime: {error}")))?;
        let start = interval
            .start
            .map_or(i64::MIN, |start| start.timestamp_micros());
        let end = interval
            .end
            .map_or(i64::MAX, |end| end.timestamp_micros().saturating_add(1));
        Ok::<_, UsageError>(start..end)
    });
    let bands = match &question.index {
        Some(index) => index.expression.bands().to_vec(),
        None => args.band.clone(),
    };
    Ok(SeriesRequest {
        parcels: Parcels::List(vec![i32::try_from(row)?]),
        bands,
        interval: interval.transpose()?,
        columns: Vec::new(),
    })
}

/// The rows of all tables.
struct Answer {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    extracts: Vec<Extract>,
}

impl Answer {
    fn new(question: &SeasonQuestion) -> Self {
        let schema = match question.is_derived() {
            true => season_schema(),
            false => extracts_schema(),
        };
        Self {
            schema,
            batches: Vec::new(),
            extracts: Vec::new(),
        }
    }

    async fn take(
        &mut self,
        table: &OpenTable,
        request: &SeriesRequest,
        question: &SeasonQuestion,
    ) -> Result<()> {
        let snapshot = table.table.snapshot().await?;
        let batch = table.extracts.series(&snapshot, request).await?;
        let extracts = extracts_of(&batch)?;
        if question.is_derived() {
            self.batches.push(season(question, &extracts)?);
        } else {
            let mut from = 0;
            // Runs of rows that are clear enough.
            while from < extracts.len() {
                let is_clear = |extract: &&Extract| extract.clear >= question.clear_min;
                let len = extracts[from..].iter().take_while(is_clear).count();
                if len > 0 {
                    self.batches.push(batch.slice(from, len));
                }
                from += len + 1;
            }
        }
        self.extracts.extend(extracts);
        Ok(())
    }

    fn encoded(&self, format: SeriesFormat) -> Result<Vec<u8>> {
        let mut encoder = SeriesEncoder::new(format, &self.schema)?;
        let mut bytes = Vec::new();
        for batch in &self.batches {
            bytes.extend(encoder.write(batch)?);
        }
        bytes.extend(encoder.finish()?);
        Ok(bytes)
    }

    fn json(
        &self,
        args: &SeriesArgs,
        set: &OpenedSet,
        question: &SeasonQuestion,
    ) -> Result<Vec<u8>> {
        let columns = json_columns(&self.schema, &self.batches);
        let document = serde_json::json!({
            "parcel_id": args.parcel,
            "set": set.name(),
            "timezone": set.set.timezone,
            "meaning": question.meaning(),
            "columns": columns,
        });
        let mut bytes = serde_json::to_vec(&document)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    fn table(&self) -> Vec<u8> {
        let left_out = ["parcel", "parcel_id", "item_id", "pass", "orbit_state"];
        let columns = json_columns(&self.schema, &self.batches);
        let shown: Vec<_> = columns
            .iter()
            .filter(|(name, _)| !left_out.contains(&name.as_str()))
            .collect();
        let heads: Vec<&str> = shown.iter().map(|(name, _)| name.as_str()).collect();
        let count = self.batches.iter().map(RecordBatch::num_rows).sum();
        let row = |index: usize| {
            let cell = |(_, values): &(&String, &serde_json::Value)| match &values[index] {
                serde_json::Value::Null => "-".to_owned(),
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Number(number) => match number.as_f64() {
                    Some(value) if number.is_f64() => short(value),
                    _ => number.to_string(),
                },
                other => other.to_string(),
            };
            shown.iter().map(cell).collect()
        };
        let rows: Vec<Vec<String>> = (0..count).map(row).collect();
        table_text(&heads, &rows).into_bytes()
    }
}

/// Returns a number with the digits that a reader compares.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 0.001 || size == 0.0 => format!("{value:.4}"),
        _ => format!("{value:.3e}"),
    }
}

/// Returns the clear shares by the class counts, where a table has them.
async fn clear_shares(tables: &[OpenTable], row: u32) -> Result<ClearShares> {
    let mut counts: std::collections::HashMap<(i64, String), (f64, f64)> = Default::default();
    for table in tables {
        let Some(snapshot) = table.table.classes().await? else {
            continue;
        };
        let request = SeriesRequest {
            parcels: Parcels::List(vec![i32::try_from(row)?]),
            ..SeriesRequest::default()
        };
        let batch = table.classes.series(&snapshot, &request).await?;
        let columns = json_columns(&batch.schema(), std::slice::from_ref(&batch));
        let column = |name: &str| columns.get(name).and_then(|values| values.as_array());
        let (Some(datetimes), Some(items), Some(classes), Some(pixels)) = (
            column("datetime"),
            column("item_id"),
            column("class"),
            column("count"),
        ) else {
            continue;
        };
        for index in 0..batch.num_rows() {
            let datetime = datetimes[index].as_str().unwrap_or_default();
            let instant = DateTime::parse_from_rfc3339(datetime)?.timestamp_micros();
            let item = items[index].as_str().unwrap_or_default().to_owned();
            let pixels = pixels[index].as_f64().unwrap_or_default();
            let (clear, whole) = counts.entry((instant, item)).or_default();
            *whole += pixels;
            if !HIDING_CLASSES.contains(&classes[index].as_i64().unwrap_or_default()) {
                *clear += pixels;
            }
        }
    }
    let share = |(key, (clear, whole)): ((i64, String), (f64, f64))| (key, clear / whole);
    Ok(counts
        .into_iter()
        .filter(|(_, (_, whole))| *whole > 0.0)
        .map(share)
        .collect())
}

async fn picture(
    args: &SeriesArgs,
    set: &OpenedSet,
    extracts: &[Extract],
    clear: &ClearShares,
    row: u32,
) -> Result<Vec<u8>> {
    let open = swath_io::vector::set::AttributeChoice::Open;
    let attributes = set.file.rows(&[row], &open).await?;
    let columns = json_columns(&attributes.schema(), std::slice::from_ref(&attributes));
    let text = |name: &str| columns.get(name).and_then(|values| values[0].as_str());
    let area = columns.get("area_m2").and_then(|values| values[0].as_f64());
    let parts = [
        text("crop_name")
            .or_else(|| text("crop_code"))
            .map(|crop| format!("declares {crop}")),
        area.map(|area_m2| format!("{:.2} ha", area_m2 / 10_000.0)),
        Some(set.name()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let chart = season_chart(
        format!("Parcel {}", args.parcel),
        parts.join(", "),
        extracts,
        clear,
    );
    Ok(match args.format {
        FormatArg::Svg => render(&chart).into_bytes(),
        _ => swath_io::compute::run(move |_| render_png(&chart)).await,
    })
}

fn write(args: &SeriesArgs, bytes: &[u8]) -> Result<()> {
    if let Some(path) = &args.output {
        return crate::demo::write_whole(path, bytes);
    }
    let is_binary = matches!(
        args.format,
        FormatArg::Arrow | FormatArg::Parquet | FormatArg::Png
    );
    if is_binary && std::io::stdout().is_terminal() {
        let reason = "this format is no text: name a file with --output, or redirect the output";
        return Err(UsageError(reason.to_owned()).into());
    }
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Who reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write the answer"),
    }
}
