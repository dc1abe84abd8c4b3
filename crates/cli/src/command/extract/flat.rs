//! All items over all parcels to one flat file.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use chrono::DateTime;
use serde::Serialize;
use swath_access::Viewer;
use swath_catalog::CatalogError;
use swath_extract::{ExtractOptions, ExtractReport, ItemList, extract, find_items};
use swath_stac::{Interval, ItemSearch, PageStart, parse_datetime};

use super::super::measure_args::{parse_classes, print_shifts};
use super::super::search::narrow;
use super::ExtractArgs;
use super::times::split_line;
use crate::config::Context;
use crate::error::{PartialDataError, UsageError};
use crate::progress::Progress;
use crate::stopwatch::{Spent, Stopwatch};

/// Items asked of the catalogue at once.
const PAGE_ITEMS: u32 = 1_000;
/// Skipped items that are shown one by one.
pub(super) const SKIPPED_SHOWN: usize = 20;

/// What was done and what it took, for programs.
#[derive(Serialize)]
struct TimedReport<'a> {
    #[serde(flatten)]
    report: &'a ExtractReport,
    #[serde(flatten)]
    spent: Spent,
}

/// Runs the command.
///
/// # Errors
/// Failing stores and outputs; items that are damaged, after the rest was done.
pub async fn run(context: &Context, args: &ExtractArgs, output: &Path) -> Result<()> {
    let watch = Stopwatch::start();
    let report = run_quietly(context, args).await?;
    let spent = watch.spent();
    if args.json {
        let report = TimedReport {
            report: &report,
            spent,
        };
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print_report(&report, output);
        if report.measured > 0 {
            eprintln!("{}", split_line(spent, &report.stages));
        }
    }
    match report.failures() {
        0 => Ok(()),
        failures => Err(PartialDataError(format!(
            "{failures} items could not be measured; the rest is in {}",
            output.display()
        ))
        .into()),
    }
}

/// Does the work and says nothing but progress.
///
/// # Errors
/// As [`run`], but for damaged items, which are in the report.
pub async fn run_quietly(context: &Context, args: &ExtractArgs) -> Result<ExtractReport> {
    let output = args.output.as_deref().ok_or_else(|| {
        UsageError("a flat file needs a name: -o OUT.parquet, .csv or .json".to_owned())
    })?;
    let (from, to) = parse_interval(args.datetime.as_deref())?;
    let options = ExtractOptions {
        bands: args.bands.clone(),
        classes: args.classes.clone(),
        mask_scl: args.mask_scl.as_deref().map(parse_classes).transpose()?,
        is_unscaled: args.unscaled,
        date_pattern: args.date_pattern.clone(),
        datetime_from_us: from,
        datetime_to_us: to,
    };
    let list = match &args.collection {
        Some(id) => {
            let narrowing = Narrowing {
                bbox: args.bbox.as_deref(),
                filter: args.filter.as_deref(),
                interval_us: (from, to),
            };
            find_registered(context, id, &narrowing).await?
        }
        None => find_items(&context.stores, &args.items).await?,
    };
    let extractor = args.measure.extractor(context).await?;
    let progress = Progress::new("items");
    let start = Instant::now();
    let shown = |done: usize, total: usize, rows: u64| {
        let rate = rows as f64 / start.elapsed().as_secs_f64().max(1e-9);
        progress.set(
            done as u64,
            total as u64,
            &format!("{rows} rows, {rate:.0} rows/s"),
        );
    };
    let report = extract(&extractor, list, &options, output, &shown).await?;
    print_shifts(&extractor);
    Ok(report)
}

/// Which items of a collection are meant.
#[derive(Debug, Clone, Copy)]
pub struct Narrowing<'a> {
    /// West, south, east, north in degrees.
    pub bbox: Option<&'a str>,
    /// CQL2.
    pub filter: Option<&'a str>,
    /// Microseconds since 1970; half-open.
    pub interval_us: (Option<i64>, Option<i64>),
}

/// Finds the items of a collection of the catalogue.
///
/// The catalogue is asked with both ends of the interval; that the later end is not part of it is
/// decided with the items at hand, as it is for items of files.
///
/// # Errors
/// Failing catalogues; a collection that is not there, or has no such item.
pub async fn find_registered(
    context: &Context,
    id: &str,
    narrowing: &Narrowing<'_>,
) -> Result<ItemList> {
    let interval_us = narrowing.interval_us;
    let end = |us: Option<i64>| us.and_then(DateTime::from_timestamp_micros);
    let datetime = match (end(interval_us.0), end(interval_us.1)) {
        (None, None) => None,
        (start, end) => Some(Interval { start, end }),
    };
    let mut search = ItemSearch {
        collections: vec![id.to_owned()],
        datetime,
        limit: Some(PAGE_ITEMS),
        ..ItemSearch::default()
    };
    narrow(&mut search, narrowing.bbox, narrowing.filter)?;
    let viewer = Viewer::operator();
    let catalog = context.catalog().await?;
    let collection = catalog.collection(&viewer, id).await?;
    let mut list = ItemList::default();
    loop {
        let page = catalog.search(&viewer, &search).await?;
        let items = page.items.into_iter().map(|item| item.json);
        list.add_registered(&context.stores, &viewer, &collection.resource, items)?;
        match page.next {
            Some(token) => search.start = PageStart::Token(token),
            None => break,
        }
    }
    if list.items.is_empty() && list.skipped.is_empty() {
        let what = format!("items of collection \"{id}\"");
        let narrowed =
            narrowing.bbox.is_some() || narrowing.filter.is_some() || interval_us != (None, None);
        let hint = match narrowed {
            true => "there is nothing: --datetime, --bbox and --filter leave no item",
            false => "there is nothing: swath ingest and swath items import register items",
        };
        return Err(CatalogError::NotFound { what }).context(hint);
    }
    Ok(list)
}

/// Parses A/B as microseconds since 1970; half-open, a side may be open.
///
/// # Errors
/// Where it is no such interval.
pub fn parse_interval(text: Option<&str>) -> Result<(Option<i64>, Option<i64>), UsageError> {
    let Some(text) = text else {
        return Ok((None, None));
    };
    let wrong = |reason: String| UsageError(format!("--datetime {text}: {reason}"));
    let (from, to) = text
        .split_once('/')
        .ok_or_else(|| wrong("expected A/B".to_owned()))?;
    let end = |text: &str| match text {
        "" | ".." => Ok(None),
        text => parse_datetime(text)
            .map(|at| Some(at.timestamp_micros()))
            .map_err(|error| wrong(error.to_string())),
    };
    let (from, to) = (end(from)?, end(to)?);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err(wrong("it ends before it begins".to_owned()));
    }
    Ok((from, to))
}

fn print_report(report: &ExtractReport, output: &Path) {
    eprintln!(
        "{} rows of {} items for {} parcels written to {}",
        report.rows,
        report.measured,
        report.parcels,
        output.display()
    );
    if let Some(path) = &report.classes {
        eprintln!(
            "{} class counts written to {}",
            report.class_rows,
            path.display()
        );
    }
    let note = |count: u64, what: &str| {
        if count > 0 {
            eprintln!("{count} {what}");
        }
    };
    note(report.resumed as u64, "items were done by an earlier run");
    note(
        report.outside_datetime as u64,
        "items are outside of the time asked for",
    );
    note(
        report.off_raster,
        "times a parcel lay off an item's rasters: no row",
    );
    note(report.skipped.len() as u64, "items or files skipped:");
    for skipped in report.skipped.iter().take(SKIPPED_SHOWN) {
        eprintln!("  {}: {}", skipped.name, skipped.reason);
    }
    if report.skipped.len() > SKIPPED_SHOWN {
        eprintln!(
            "  … and {} more (all of them with --json)",
            report.skipped.len() - SKIPPED_SHOWN
        );
    }
}
