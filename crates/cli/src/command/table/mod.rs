//! `swath table`: looking after extract tables.

pub mod copy;
pub mod export;
pub mod export_file;
pub mod find;

use std::time::{Duration, SystemTime};

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;
use swath_extract::table::{CheckDepth, VacuumMode};

use crate::config::Context;
use crate::error::{PartialDataError, UsageError};
use find::{find_table, table_roots};

/// Seconds of a day.
const DAY_SECONDS: u64 = 24 * 3_600;
/// Names that are shown one by one.
const SHOWN_MAX: usize = 50;

/// `swath table`.
#[derive(Debug, Subcommand)]
pub enum TableCommand {
    /// List the tables of the data home
    List(ListArgs),
    /// Merge the files of each month, so that a season of a parcel is read with few requests
    Compact(CompactArgs),
    /// Remove files that nothing refers to and that are old
    Vacuum(VacuumArgs),
    /// Check that the table holds what its log says: files, counts, keys, checksums
    Check(CheckArgs),
    /// Copy a table to PostgreSQL, under the column names of JRC's CbM
    Copy(copy::CopyArgs),
    /// Write one row per parcel, with its attributes and a column for each band and period
    Export(export::ExportArgs),
}

/// Which table.
#[derive(Debug, clap::Args)]
pub struct NamedTable {
    /// A folder, s3://…, STORE:key, or COLLECTION/SET@VERSION/PROFILE of the data home, whose end may be
    /// left out where one table begins so
    #[arg(value_name = "TABLE")]
    pub table: String,
}

/// Arguments of `swath table list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `swath table compact`.
#[derive(Debug, clap::Args)]
pub struct CompactArgs {
    #[command(flatten)]
    named: NamedTable,
    /// Only this month, YYYY-MM
    #[arg(long, value_name = "MONTH")]
    month: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `swath table vacuum`.
#[derive(Debug, clap::Args)]
pub struct VacuumArgs {
    #[command(flatten)]
    named: NamedTable,
    /// Remove what is older than so many days, at least 7: longer than any job and any reader takes
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    older_than: u64,
    /// Only tell what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `swath table check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    named: NamedTable,
    /// Look at the log and the sizes of files only, not at every row
    #[arg(long)]
    quick: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Tables that are not there; stores that fail; a table that is damaged.
pub async fn run(context: &Context, command: TableCommand) -> Result<()> {
    match command {
        TableCommand::List(args) => list(context, args).await,
        TableCommand::Compact(args) => compact(context, args).await,
        TableCommand::Vacuum(args) => vacuum(context, args).await,
        TableCommand::Check(args) => check(context, args).await,
        TableCommand::Copy(args) => copy::run(context, args).await,
        TableCommand::Export(args) => export::run(context, args).await,
    }
}

async fn list(context: &Context, args: ListArgs) -> Result<()> {
    let roots = table_roots(context, "").await?;
    match args.json {
        true => println!("{}", serde_json::to_string(&roots)?),
        false => roots.iter().for_each(|root| println!("{root}")),
    }
    Ok(())
}

/// Merges the files of each month.
///
/// # Errors
/// As [`run`].
pub async fn compact(context: &Context, args: CompactArgs) -> Result<()> {
    let table = find_table(context, &args.named.table).await?;
    let report = table.compact(args.month.as_deref()).await?;
    if args.json {
        let json = json!({
            "table": table.store().href(), "months": report.months,
            "files_before": report.files_before, "files_after": report.files_after,
            "bytes_before": report.bytes_before, "bytes_after": report.bytes_after,
        });
        println!("{json}");
        return Ok(());
    }
    eprintln!(
        "{} months merged: {} files of {} bytes became {} of {}",
        report.months,
        report.files_before,
        report.bytes_before,
        report.files_after,
        report.bytes_after
    );
    Ok(())
}

async fn vacuum(context: &Context, args: VacuumArgs) -> Result<()> {
    let seconds = args
        .older_than
        .checked_mul(DAY_SECONDS)
        .ok_or_else(|| UsageError(format!("--older-than {}: give days", args.older_than)))?;
    let mode = match args.dry_run {
        true => VacuumMode::DryRun,
        false => VacuumMode::Delete,
    };
    let table = find_table(context, &args.named.table).await?;
    let older_than = Duration::from_secs(seconds);
    let report = table.vacuum(older_than, SystemTime::now(), mode).await?;
    if args.json {
        let json = json!({
            "table": table.store().href(), "removed": report.removed, "bytes": report.bytes,
            "young": report.young, "dry_run": args.dry_run,
        });
        println!("{json}");
        return Ok(());
    }
    let verb = match args.dry_run {
        true => "would be removed",
        false => "removed",
    };
    eprintln!(
        "{} files of {} bytes {verb}; {} that nothing refers to are too young",
        report.removed.len(),
        report.bytes,
        report.young
    );
    for key in report.removed.iter().take(SHOWN_MAX) {
        eprintln!("  {key}");
    }
    if report.removed.len() > SHOWN_MAX {
        eprintln!(
            "  … and {} more (all of them with --json)",
            report.removed.len() - SHOWN_MAX
        );
    }
    Ok(())
}

async fn check(context: &Context, args: CheckArgs) -> Result<()> {
    let table = find_table(context, &args.named.table).await?;
    let depth = match args.quick {
        true => CheckDepth::Log,
        false => CheckDepth::Rows,
    };
    let report = table.check(depth).await?;
    let defects: Vec<String> = report.defects.iter().map(ToString::to_string).collect();
    let count = defects.len() as u64 + report.more_defects;
    if args.json {
        let json = json!({
            "table": table.store().href(), "files": report.files, "rows": report.rows,
            "units": report.units, "units_without_rows": report.units_without_rows,
            "defects": defects, "more_defects": report.more_defects,
        });
        println!("{json}");
    } else {
        eprintln!(
            "{} rows in {} files, {} units of work done, of these {} without rows: {count} defects",
            report.rows, report.files, report.units, report.units_without_rows
        );
        defects
            .iter()
            .take(SHOWN_MAX)
            .for_each(|defect| eprintln!("  {defect}"));
    }
    match count {
        0 => Ok(()),
        _ => Err(PartialDataError(format!("{} has {count} defects", table.store().href())).into()),
    }
}
