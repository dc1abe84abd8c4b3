//! `swath restore`: a backup back into a catalogue and an archive.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use swath_access::Viewer;
use swath_archive::{FileRole, Restore, RestoreOptions, RestoreReport, RestoreTarget};
use swath_catalog::RestoreMode;

use super::backup::read;
use crate::config::Context;
use crate::progress::Stages;

/// End of the name that a configuration gets where it is not put in place.
const BESIDE: &str = "swath.toml.restored";

/// Arguments of `swath restore`.
#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// The backup: a folder, s3://bucket/prefix or STORE:prefix
    #[arg(value_name = "SRC")]
    source: String,
    /// Add what is missing to a catalogue that is not empty; what is there stays as it is
    #[arg(long, conflicts_with = "replace")]
    merge: bool,
    /// Remove all that the catalogue holds, and write over objects and tokens that differ
    #[arg(long)]
    replace: bool,
    /// Archive that objects go to, and in which the assets of the items lie from now on: a folder,
    /// s3://bucket/prefix or STORE:prefix [default: the store "archive", else HOME/archive]
    #[arg(long, value_name = "URL")]
    archive: Option<String>,
    /// Only check that the backup is whole, the content of every object too; restore nothing
    #[arg(long, conflicts_with_all = ["merge", "replace"])]
    check: bool,
    /// Leave the tokens of the server out
    #[arg(long)]
    no_tokens: bool,
    /// Leave the configuration out
    #[arg(long)]
    no_config: bool,
    /// Objects read at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// What became of a file of the home.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum HomeOutcome {
    /// It is in its place.
    Restored,
    /// The same was there.
    Unchanged,
    /// Another was there and stayed.
    Kept,
    /// Written to another name, to be looked at.
    Beside,
}

#[derive(Debug, Serialize)]
struct HomeReport {
    file: PathBuf,
    outcome: HomeOutcome,
}

#[derive(Debug, Serialize)]
struct WholeReport {
    #[serde(flatten)]
    restored: RestoreReport,
    files: Vec<HomeReport>,
}

/// Runs the command.
///
/// # Errors
/// Where the backup is not whole or newer, the catalogue is not empty, a store or the catalogue fails.
pub async fn run(context: &Context, args: RestoreArgs) -> Result<()> {
    let source = context.stores.writer(&Viewer::operator(), &args.source)?;
    let archive = context.archive_writer(args.archive.as_deref())?;
    let at_once = usize::from(args.parallel);
    let stages = Stages::new();
    let shown = |what: &'static str, done, total| stages.set(what, done, total);
    let restore = Restore::open(source).await?;
    restore.check(args.check, at_once, &shown).await?;
    if args.check {
        drop(stages);
        return print_checked(&restore, args.json, &args.source);
    }
    let mode = match (args.merge, args.replace) {
        (true, _) => RestoreMode::Merge,
        (_, true) => RestoreMode::Replace,
        _ => RestoreMode::Empty,
    };
    let options = RestoreOptions {
        mode,
        is_moved: args.archive.is_some(),
        objects_at_once: at_once,
    };
    let catalog = context
        .catalog()
        .await
        .context("the catalogue cannot be opened")?;
    let target = RestoreTarget {
        catalog: &catalog,
        archive: &archive,
        parcels: &context.parcels_writer()?,
    };
    let restored = restore.run(target, options, &shown).await?;
    catalog.close().await;
    let mut files = Vec::new();
    if !args.no_config
        && let Some(bytes) = restore.home_file(FileRole::Configuration).await?
    {
        files.push(put_config(context, &bytes)?);
    }
    if !args.no_tokens
        && let Some(bytes) = restore.home_file(FileRole::Tokens).await?
    {
        files.push(put_tokens(&context.tokens_path(), &bytes, mode)?);
    }
    drop(stages);
    let report = WholeReport { restored, files };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_report(&report, &restore, &args.source);
    }
    Ok(())
}

/// Puts the configuration in its place where there is none and it names the catalogue and the archive
/// that were restored into; else beside, to be looked at.
fn put_config(context: &Context, bytes: &[u8]) -> Result<HomeReport> {
    let file = context.home.join("swath.toml");
    let held = read(&file)?;
    if held.as_deref() == Some(bytes) {
        return Ok(HomeReport {
            file,
            outcome: HomeOutcome::Unchanged,
        });
    }
    let is_same = context.names_same_places(&String::from_utf8_lossy(bytes));
    let (file, outcome) = match held.is_none() && context.config_path.is_none() && is_same {
        true => (file, HomeOutcome::Restored),
        false => (context.home.join(BESIDE), HomeOutcome::Beside),
    };
    write_private(&file, bytes)?;
    Ok(HomeReport { file, outcome })
}

fn put_tokens(file: &Path, bytes: &[u8], mode: RestoreMode) -> Result<HomeReport> {
    let held = read(file)?;
    let outcome = match held {
        Some(held) if held == bytes => HomeOutcome::Unchanged,
        Some(_) if mode != RestoreMode::Replace => HomeOutcome::Kept,
        _ => {
            write_private(file, bytes)?;
            HomeOutcome::Restored
        }
    };
    Ok(HomeReport {
        file: file.to_owned(),
        outcome,
    })
}

/// Writes a file that only its owner reads; it appears when it is complete.
fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = || format!("{} cannot be written", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(bytes).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}

fn print_checked(restore: &Restore, is_json: bool, source: &str) -> Result<()> {
    let manifest = restore.manifest();
    if is_json {
        println!("{}", serde_json::to_string_pretty(manifest)?);
        return Ok(());
    }
    eprintln!(
        "{source}: whole: {} collections, {} items, {} objects as of {}, by {}",
        manifest.collections,
        manifest.items,
        manifest.archive.objects,
        manifest.moment,
        manifest.program
    );
    Ok(())
}

fn print_report(report: &WholeReport, restore: &Restore, source: &str) {
    let restored = &report.restored;
    eprintln!(
        "{source}: {} collections and {} items restored, as of {}",
        restored.collections,
        restored.items,
        restore.manifest().moment
    );
    if restored.collections_kept + restored.items_kept > 0 {
        eprintln!(
            "  {} collections and {} items were there and stayed",
            restored.collections_kept, restored.items_kept
        );
    }
    if restored.objects > 0 {
        eprintln!(
            "  {} objects, of which {} copied, {:.1} MB",
            restored.objects,
            restored.objects_copied,
            restored.bytes_copied as f64 / 1e6
        );
    }
    if restored.parcel_sets + restored.parcel_sets_kept > 0 {
        eprintln!(
            "  {} parcel sets restored, {} were there and stayed",
            restored.parcel_sets, restored.parcel_sets_kept
        );
    }
    if restored.items_moved > 0 {
        eprintln!(
            "  the assets of {} items are looked for in the archive given",
            restored.items_moved
        );
    }
    for file in &report.files {
        let path = file.file.display();
        match file.outcome {
            HomeOutcome::Restored => eprintln!("  {path} restored"),
            HomeOutcome::Unchanged => eprintln!("  {path} was the same"),
            HomeOutcome::Kept => {
                eprintln!("  {path} is another one and stayed (--replace writes over it)");
            }
            HomeOutcome::Beside => eprintln!(
                "  the configuration of the backup is in {path}: it names another catalogue or \
                 archive, or there is a configuration; take over what you need"
            ),
        }
    }
}
