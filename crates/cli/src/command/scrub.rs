//! `swath scrub`: is everything there that the items say, bit for bit.

use std::time::Duration;

use anyhow::Result;
use swath_archive::{Scrub, ScrubOptions, ScrubReport};

use crate::command::search::table::print_table;
use crate::config::Context;
use crate::error::PartialDataError;
use crate::progress::Progress;

/// Objects without an item that are shown one by one.
const ORPHANS_SHOWN: usize = 20;
/// Defects that are shown one by one.
const DEFECTS_SHOWN: usize = 1_000;
const HOUR_S: u64 = 3_600;

/// Arguments of `swath scrub`.
#[derive(Debug, clap::Args)]
pub struct ScrubArgs {
    /// Only this collection
    #[arg(long, value_name = "ID")]
    collection: Option<String>,
    /// The archive: a folder, s3://bucket/prefix or STORE:prefix [default: the store "archive", else
    /// HOME/archive]
    #[arg(long, value_name = "URL")]
    archive: Option<String>,
    /// Existence, sizes and headers only: no digests
    #[arg(long)]
    quick: bool,
    /// Remove unfinished uploads older than --older-than; never anything else
    #[arg(long)]
    repair: bool,
    /// Age from which an unfinished upload is taken for abandoned, in hours since its last byte
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=87_600))]
    older_than: u32,
    /// Assets looked at at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where assets are not what their items say, after all were looked at; where the collection is not
/// there, or a store or the catalogue fails.
pub async fn run(context: &Context, args: ScrubArgs) -> Result<()> {
    let catalog = context.existing_catalog().await?;
    let age = Duration::from_secs(u64::from(args.older_than) * HOUR_S);
    let scrub = Scrub {
        stores: &context.stores,
        catalog: &catalog,
        archive: context.archive_writer(args.archive.as_deref())?,
        options: ScrubOptions {
            collection: args.collection,
            is_quick: args.quick,
            removed_age: args.repair.then_some(age),
            assets_at_once: usize::from(args.parallel),
        },
    };
    let progress = Progress::new("items");
    let report = scrub
        .run(&|done, total| progress.set(done, total, ""))
        .await?;
    drop(progress);
    catalog.close().await;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_report(&report);
    }
    match report.defect_count {
        0 => Ok(()),
        1 => Err(PartialDataError("1 asset is not what its item says".to_owned()).into()),
        count => {
            Err(PartialDataError(format!("{count} assets are not what their items say")).into())
        }
    }
}

fn print_report(report: &ScrubReport) {
    let rows: Vec<Vec<String>> = report
        .defects
        .iter()
        .take(DEFECTS_SHOWN)
        .map(|defect| {
            vec![
                defect.kind.name().to_owned(),
                defect.collection.clone(),
                defect.item.clone(),
                defect.asset.clone(),
                defect.href.clone(),
                defect.reason.clone(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let heads = ["defect", "collection", "item", "asset", "href", "reason"];
        print_table(&heads, &rows);
    }
    if report.defect_count > rows.len() as u64 {
        let more = report.defect_count - rows.len() as u64;
        eprintln!("and {more} more defects (--json lists up to 100000)");
    }
    eprintln!(
        "{} items: {} assets in the archive, {} of them compared with their digest ({:.1} MB), {} \
         rasters opened; {} assets lie elsewhere; {:.1} s",
        report.items,
        report.assets,
        report.verified,
        report.bytes as f64 / 1e6,
        report.rasters,
        report.elsewhere,
        report.seconds
    );
    print_orphans(report);
    match &report.unfinished {
        None => eprintln!(
            "unfinished uploads are not listed: the bucket's own rules end them (for S3 \
             AbortIncompleteMultipartUpload)"
        ),
        Some(files) => {
            for file in files {
                let state = if file.is_removed { "removed" } else { "stays" };
                eprintln!(
                    "unfinished: {} ({} bytes, {:.1} hours old): {state}",
                    file.key,
                    file.size,
                    file.age_s as f64 / HOUR_S as f64
                );
            }
        }
    }
}

fn print_orphans(report: &ScrubReport) {
    if report.orphan_count == 0 {
        return;
    }
    eprintln!(
        "{} of {} objects, {:.1} MB, belong to no item:",
        report.orphan_count,
        report.objects,
        report.orphan_bytes as f64 / 1e6
    );
    for orphan in report.orphans.iter().take(ORPHANS_SHOWN) {
        eprintln!("  {} ({} bytes)", orphan.key, orphan.size);
    }
    let shown = report.orphans.len().min(ORPHANS_SHOWN) as u64;
    if report.orphan_count > shown {
        eprintln!("  and {} more (--json)", report.orphan_count - shown);
    }
}
