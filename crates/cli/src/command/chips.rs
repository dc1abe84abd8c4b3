//! `swath chips`: one parcel through the season.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::json;
use swath_access::Viewer;
use swath_archive::OpenedSet;
use swath_catalog::geometry_of_wkb;
use swath_extract::chips::{Calendar, CalendarOptions, ChipStyle, SheetLabels, draw_sheet};
use swath_grid::Crs;
use swath_io::vector::set::AttributeChoice;
use swath_server::{CHIP_MARGIN_M, ChipError, ChipQuestion, calendar_document, calendar_of};

use crate::command::series::{NotThere, chosen_set};
use crate::config::Context;
use crate::error::UsageError;

/// Column of the outlines.
const GEOMETRY: &str = "geometry";

/// Arguments of `swath chips`.
#[derive(Debug, clap::Args)]
pub struct ChipsArgs {
    /// Id of the parcel
    #[arg(value_name = "PARCEL")]
    parcel: String,
    /// Parcel set, NAME or NAME@VERSION [default: the only one there is]
    #[arg(long, value_name = "SET")]
    parcels: Option<String>,
    /// Collection of the images
    #[arg(long, value_name = "ID")]
    collection: String,
    /// Interval of RFC 3339 instants or dates, A/B; either end may be ..
    #[arg(long, value_name = "A/B")]
    datetime: Option<String>,
    /// What is shown: colours of Sentinel-2, its vegetation index, or Sentinel-1
    #[arg(long, value_enum, default_value_t = StyleArg::Natural)]
    style: StyleArg,
    /// Ground shown around the parcel, in metres
    #[arg(long, default_value_t = CHIP_MARGIN_M, value_name = "METRES")]
    margin: f64,
    /// How it is written: dates side by side, a GeoTIFF with a band for each date, or a list
    #[arg(long, value_enum, default_value_t = FormatArg::Png)]
    format: FormatArg,
    /// File to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

/// Styles of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum StyleArg {
    Natural,
    Ndvi,
    S1,
}

/// Formats of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FormatArg {
    Png,
    Tif,
    Json,
}

/// Runs the command.
///
/// # Errors
/// Where set, parcel or images are not there or cannot be read.
pub async fn run(context: &Context, args: ChipsArgs) -> Result<()> {
    let interval = args
        .datetime
        .as_deref()
        .map(swath_stac::parse_interval_or_days);
    let interval = interval
        .transpose()
        .map_err(|error| UsageError(format!("--datetime: {error}")))?;
    if !(args.margin >= 0.0 && args.margin.is_finite()) {
        return Err(UsageError("--margin: metres from 0".to_owned()).into());
    }
    let catalog = context.existing_catalog().await?;
    let set = chosen_set(context, &catalog, args.parcels.as_deref()).await?;
    let parcel = parcel(&set, &args.parcel).await?;
    let question = ChipQuestion {
        collection: args.collection.clone(),
        interval,
        items: Vec::new(),
        geometry: parcel.geometry,
        crs: parcel.crs,
        options: CalendarOptions {
            style: match args.style {
                StyleArg::Natural => ChipStyle::Natural,
                StyleArg::Ndvi => ChipStyle::Ndvi,
                StyleArg::S1 => ChipStyle::S1,
            },
            margin_m: args.margin,
        },
    };
    let operator = Viewer::operator();
    let calendar = calendar_of(&catalog, &context.stores, &operator, question).await;
    catalog.close().await;
    let calendar = calendar.map_err(told)?;
    report(&calendar);
    let labels = SheetLabels {
        title: format!("Parcel {}", args.parcel),
        subtitle: format!(
            "{}{}, {}, {}",
            parcel
                .crop
                .map_or_else(String::new, |crop| format!("declares {crop}, ")),
            set.name(),
            args.collection,
            calendar.style.name()
        ),
    };
    let bytes = match args.format {
        FormatArg::Png => swath_io::compute::run(move |_| draw_sheet(&calendar, &labels)).await,
        FormatArg::Tif => tokio::task::spawn_blocking(move || calendar.tiff()).await??,
        FormatArg::Json => {
            let mut document = calendar_document(&calendar, |chip| json!({"hrefs": chip.hrefs}));
            document["parcel_id"] = args.parcel.clone().into();
            document["set"] = set.name().into();
            document["collection"] = args.collection.clone().into();
            let mut bytes = serde_json::to_vec_pretty(&document)?;
            bytes.push(b'\n');
            bytes
        }
    };
    crate::demo::write_whole(&args.output, &bytes)
}

/// What is known of the parcel.
struct Parcel {
    geometry: geo_types::Geometry<f64>,
    crs: Crs,
    crop: Option<String>,
}

async fn parcel(set: &OpenedSet, id: &str) -> Result<Parcel> {
    use arrow::array::AsArray as _;

    let index = set.file.index().await?;
    let row = index.row(id);
    let row = row.ok_or_else(|| NotThere(format!("no parcel \"{id}\" in {}", set.name())))?;
    let names = ["crop_code", "crop_name", GEOMETRY].map(str::to_owned);
    let batch = set
        .file
        .rows(&[row], &AttributeChoice::Named(names.to_vec()))
        .await?;
    let text = |name: &str| {
        let column = batch.column_by_name(name)?.as_string_opt::<i32>()?;
        column.iter().next().flatten().map(str::to_owned)
    };
    let outline = batch
        .column_by_name(GEOMETRY)
        .and_then(|column| column.as_binary_opt::<i32>())
        .and_then(|column| column.iter().next().flatten())
        .and_then(geometry_of_wkb);
    let written = set.file.metadata().crs_wkt.clone();
    let written = written.unwrap_or_else(|| set.version.content.crs.clone());
    Ok(Parcel {
        geometry: outline.with_context(|| format!("parcel \"{id}\" has no outline"))?,
        crs: Crs::parse(&written).context("the CRS of the parcel set")?,
        crop: text("crop_name").or_else(|| text("crop_code")),
    })
}

/// Errors that the table of exit codes knows.
fn told(error: ChipError) -> anyhow::Error {
    match error {
        ChipError::Catalog(error) => error.into(),
        ChipError::Images(error) => error.into(),
        other => NotThere(other.to_string()).into(),
    }
}

/// Says what is shown and what is not.
fn report(calendar: &Calendar) {
    let cloudy = calendar
        .chips
        .iter()
        .filter(|chip| chip.hidden.is_some_and(|share| share >= 0.5));
    eprintln!(
        "{} dates, {} of them hidden by half or more; {} images are not shown",
        calendar.chips.len(),
        cloudy.count(),
        calendar.passed_over.len()
    );
    for image in &calendar.passed_over {
        eprintln!("  {}: {}", image.item_id, image.reason);
    }
}
