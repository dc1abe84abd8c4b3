//! `swath ingest`: products into the archive and its catalogue.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use swath_archive::{
    Ingest, IngestOptions, IngestReport, Originals, Outcome, ProductReport, RasterTime,
    find_sources,
};
use swath_stac::parse_datetime;

use super::cog_args::CancelOnDrop;
use crate::config::Context;
use crate::error::{PartialDataError, UsageError};
use crate::progress::Progress;

/// Names of missing files that are shown one by one, of each product.
const NAMES_SHOWN: usize = 5;

/// What happens to the files as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OriginalsArg {
    /// Copied into the archive, beside the COGs
    Keep,
    /// Left where they are; COGs among them are registered in place
    Reference,
    /// Not kept, but for metadata and what cannot be converted
    Drop,
}

/// Arguments of `swath ingest`.
#[derive(Debug, clap::Args)]
pub struct IngestArgs {
    /// SAFE folders and zips, .dim files, GeoTIFFs, or folders of them
    #[arg(required = true, value_name = "SRC")]
    sources: Vec<PathBuf>,
    /// Collection to register in [default: the built-in one of each product]
    #[arg(long, value_name = "ID")]
    collection: Option<String>,
    /// Where objects go: a folder, s3://bucket/prefix or STORE:prefix [default: the store "archive",
    /// else HOME/archive]
    #[arg(long, value_name = "URL")]
    archive: Option<String>,
    /// What happens to the files as delivered
    #[arg(long, value_enum, default_value = "keep")]
    originals: OriginalsArg,
    /// Convert nothing: rasters that are no COG are registered as delivered
    #[arg(long)]
    no_convert: bool,
    /// Products under way at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,
    /// Ingest again what is held already
    #[arg(long)]
    again: bool,
    /// Date of rasters, whatever their tags say
    #[arg(long, value_name = "TIME")]
    datetime: Option<String>,
    /// Form of the date in names of rasters without a date tag, as %Y%m%d
    #[arg(long, value_name = "PATTERN")]
    date_pattern: Option<String>,
    /// Only tell what would be done, with bytes and time
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Failing stores and catalogues; products that could not be ingested, after the others were.
pub async fn run(context: &Context, args: IngestArgs) -> Result<()> {
    let report = run_quietly(context, &args).await?;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print_report(&report);
    }
    match report.count(Outcome::Failed) {
        0 => Ok(()),
        failures => {
            Err(PartialDataError(format!("{failures} products could not be ingested")).into())
        }
    }
}

/// Does the work and says nothing but progress.
///
/// # Errors
/// As [`run`], but for products that could not be ingested, which are in the report.
pub async fn run_quietly(context: &Context, args: &IngestArgs) -> Result<IngestReport> {
    let datetime = args.datetime.as_deref().map(parse_datetime).transpose();
    let datetime = datetime.map_err(|error| UsageError(format!("--datetime {error}")))?;
    let sources = find_sources(&args.sources)?;
    let archive = context.archive_writer(args.archive.as_deref())?;
    // A dry run makes no catalogue where there is none.
    let catalog = match args.dry_run && !context.has_catalog() {
        true => None,
        false => Some(
            context
                .catalog()
                .await
                .context("the catalogue cannot be opened")?,
        ),
    };
    let cancel = Arc::new(AtomicBool::new(false));
    let options = IngestOptions {
        collection: args.collection.clone(),
        originals: match args.originals {
            OriginalsArg::Keep => Originals::Keep,
            OriginalsArg::Reference => Originals::Reference,
            OriginalsArg::Drop => Originals::Drop,
        },
        is_converting: !args.no_convert,
        references: match args.originals {
            OriginalsArg::Reference => folders_of(&args.sources)?,
            OriginalsArg::Keep | OriginalsArg::Drop => Vec::new(),
        },
        is_dry_run: args.dry_run,
        is_repeated: args.again,
        products_at_once: usize::from(args.parallel),
        threads: context.threads,
        raster_time: RasterTime {
            datetime,
            pattern: args.date_pattern.clone(),
        },
        cancel: cancel.clone(),
        ..IngestOptions::new(context.home.join("scratch"))
    };
    let _stop = CancelOnDrop(cancel);
    let ingest = Ingest {
        stores: &context.stores,
        archive,
        catalog,
        options,
    };
    let progress = Progress::new("products");
    let shown = |done: usize, total: usize, id: &str| progress.set(done as u64, total as u64, id);
    Ok(ingest.run(&sources, &shown).await?)
}

/// Returns the folders of the sources, as the hrefs of files in them begin.
fn folders_of(sources: &[PathBuf]) -> Result<Vec<String>> {
    let mut folders = Vec::new();
    for source in sources {
        let path = source.canonicalize();
        let path = path.with_context(|| format!("{} cannot be read", source.display()))?;
        let folder = match path.is_dir() {
            true => path.as_path(),
            false => path.parent().unwrap_or(&path),
        };
        let href = folder.to_string_lossy().into_owned();
        if !folders.contains(&href) {
            folders.push(href);
        }
    }
    Ok(folders)
}

fn print_report(report: &IngestReport) {
    for product in &report.products {
        print_product(product);
    }
    let count = |outcome, what: &str| match report.count(outcome) {
        0 => String::new(),
        count => format!("{count} {what}, "),
    };
    let counts = [
        count(Outcome::Ingested, "ingested"),
        count(Outcome::Planned, "to be ingested"),
        count(Outcome::Unchanged, "held already"),
        count(Outcome::Superseded, "older than what is held"),
        count(Outcome::Failed, "failed"),
    ];
    let sum = |bytes: fn(&ProductReport) -> u64| -> f64 {
        report.products.iter().map(bytes).sum::<u64>() as f64 / 1e6
    };
    let estimated: f64 = report
        .products
        .iter()
        .filter_map(|product| product.seconds_estimated)
        .sum();
    let (read, written) = (
        sum(|product| product.bytes_read),
        sum(|product| product.bytes_written),
    );
    let counts = counts.concat();
    match report.count(Outcome::Planned) {
        0 => eprintln!(
            "{counts}{read:.1} MB read, {written:.1} MB written in {:.1} s",
            report.seconds
        ),
        _ => eprintln!(
            "{counts}{read:.1} MB to read, about {written:.1} MB to write, about {estimated:.0} s"
        ),
    }
}

fn print_product(product: &ProductReport) {
    let name = match product.id.is_empty() {
        true => &product.source,
        false => &product.id,
    };
    match product.outcome {
        Outcome::Ingested => eprintln!(
            "{name}: {} assets in {}, {} converted, {} files verified",
            product.assets, product.collection, product.converted, product.verified_files
        ),
        Outcome::Planned => eprintln!(
            "{name}: {} assets for {}, {} to convert",
            product.assets, product.collection, product.converted
        ),
        Outcome::Unchanged => eprintln!("{name}: held already"),
        Outcome::Superseded => eprintln!("{name}: not ingested"),
        _ => eprintln!(
            "{name}: failed: {}",
            product.error.as_deref().unwrap_or_default()
        ),
    }
    print_names("missing", &product.missing_files);
    if product.missing_files.is_empty() {
        print_names("missing assets", &product.missing_assets);
    }
    print_names("damaged", &product.damaged_files);
    print_names("replaces", &product.supersedes);
    for note in product.notes.iter().take(NAMES_SHOWN) {
        eprintln!("  {note}");
    }
}

fn print_names(what: &str, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let shown: Vec<&str> = names.iter().take(NAMES_SHOWN).map(String::as_str).collect();
    let more = match names.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more (all of them with --json)"),
    };
    eprintln!("  {} {what}: {}{more}", names.len(), shown.join(", "));
}
