//! `swath extract`: statistics of many dated rasters for every parcel, to one file or to a table.
//!
//! * [`flat`]: all items to one file, `-o OUT`.
//! * [`table_run`]: a collection into its extract table, by any number of processes; [`season`] finds the
//!   units, [`profile`] says which table, [`desk`] measures a unit, [`committer`] makes units done,
//!   [`estimate`] tells what there would be to do.

pub mod committer;
pub mod desk;
pub mod estimate;
pub mod flat;
pub mod profile;
pub mod report;
pub mod season;
pub mod table_run;
pub mod times;

use std::path::PathBuf;

use anyhow::Result;
use swath_raster::SCL_DROPPED;

use super::measure_args::MeasureArgs;
use crate::config::Context;
use crate::error::UsageError;

pub use flat::run_quietly;

/// Seconds between two looks for new items where none are named.
const WATCH_SECONDS: &str = "300";

/// Arguments of `swath extract`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("images").required(true).args(["collection", "items"]))]
pub struct ExtractArgs {
    /// Collection of the catalogue
    #[arg(long, value_name = "ID")]
    pub collection: Option<String>,
    /// STAC item or collection files, stac-geoparquet, rasters, or folders of them
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub items: Vec<String>,
    /// Of the collection only items that touch this: west, south, east, north in degrees
    #[arg(
        long,
        value_name = "W,S,E,N",
        allow_hyphen_values = true,
        conflicts_with = "items"
    )]
    pub bbox: Option<String>,
    /// Of the collection only items for which this holds: CQL2, such as "eo:cloud_cover < 20"
    #[arg(long, value_name = "CQL2", conflicts_with = "items")]
    pub filter: Option<String>,
    #[command(flatten)]
    pub measure: MeasureArgs,
    /// Only items in this time: A/B, half-open; either side may be ".."
    #[arg(long, value_name = "A/B")]
    pub datetime: Option<String>,
    /// Bands by name or common name [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub bands: Vec<String>,
    /// Bands of classes: count each class, in a second file OUT.classes.EXT or in the table's classes
    /// [default for a table: those that the collection declares]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub classes: Vec<String>,
    /// Drop pixels of these classes of the item's scene classification (SCL), and its nodata
    #[arg(long, value_name = "CLASSES", num_args = 0..=1, default_missing_value = SCL_DROPPED)]
    pub mask_scl: Option<String>,
    /// Stored values: leave out scale and offset
    #[arg(long)]
    pub unscaled: bool,
    /// Form of the date in raster names, where no tag has it, as %Y%m%dT%H%M%S
    #[arg(long, value_name = "PATTERN")]
    pub date_pattern: Option<String>,
    /// Output to one file: .parquet, .csv or .json
    #[arg(short, long, value_name = "OUT", conflicts_with_all = TABLE_OPTIONS)]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub table: TableRunArgs,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options that mean something for a table only.
const TABLE_OPTIONS: [&str; 8] = [
    "table",
    "index",
    "workers",
    "dry_run",
    "watch",
    "mask_dilation",
    "precision",
    "lease",
];

/// Options of extraction into a table.
#[derive(Debug, Clone, clap::Args)]
pub struct TableRunArgs {
    /// Extract table to fill: a folder, s3://… or STORE:key
    /// [default: tables/COLLECTION/SET@VERSION/PROFILE of the data home]
    #[arg(long, value_name = "URL", conflicts_with = "items")]
    pub table: Option<String>,
    /// Index to compute per pixel and to measure like a band, as NDVI or NAME=FORMULA over bands of one grid:
    /// NDVI='(B08-B04)/(B08+B04)'; may be repeated
    #[arg(long, value_name = "NAME[=FORMULA]", conflicts_with = "items")]
    pub index: Vec<String>,
    /// Worker processes; 0 measures in this process
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "items", value_parser = clap::value_parser!(u16).range(0..=1024))]
    pub workers: u16,
    /// Only tell what there is to do: items, units, bytes, rows, time
    #[arg(long, conflicts_with = "items")]
    pub dry_run: bool,
    /// Go on until interrupted: look for what is new, late or reprocessed every so many seconds
    #[arg(long, alias = "continuous", value_name = "SECONDS", num_args = 0..=1, default_missing_value = WATCH_SECONDS, conflicts_with_all = ["items", "dry_run"])]
    pub watch: Option<u64>,
    /// Let the classes dropped by --mask-scl grow by metres
    #[arg(
        long,
        value_name = "METRES",
        default_value_t = 0.0,
        conflicts_with = "items"
    )]
    pub mask_dilation: f64,
    /// Round statistics to this share of their value, for smaller files (0.0005: 11 bits)
    #[arg(long, value_name = "SHARE", conflicts_with = "items")]
    pub precision: Option<f64>,
    /// Seconds after which the work of a process that is silent is taken over
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60.0,
        conflicts_with = "items"
    )]
    pub lease: f64,
}

/// Runs the command.
///
/// # Errors
/// Failing stores and outputs; items that are damaged, after the rest was done.
pub async fn run(context: &Context, args: ExtractArgs) -> Result<()> {
    match (&args.output, &args.collection) {
        (Some(output), _) => flat::run(context, &args, &output.clone()).await,
        (None, Some(collection)) => table_run::run(context, &args, &collection.clone()).await,
        (None, None) => {
            let reason = "items of files go to one file: name it with -o OUT.parquet, .csv or .json; \
                          a table is filled from a --collection";
            Err(UsageError(reason.to_owned()).into())
        }
    }
}
