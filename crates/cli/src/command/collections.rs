//! `swath collections`: what the catalogue holds, what is missing.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};
use swath_access::{Viewer, Visibility};
use swath_catalog::{CollectionCheck, CollectionSearch, PutMode, StoredCollection};

use crate::command::search::table::print_table;
use crate::config::Context;
use crate::error::UsageError;

/// Days that are missing are shown up to this number for one track.
const MISSING_SHOWN: usize = 8;

/// Arguments of `swath collections`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CollectionsArgs {
    #[command(subcommand)]
    command: Option<CollectionsCommand>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum CollectionsCommand {
    /// Passes expected by the repeat cycle against passes held, by platform, orbit and tile
    Check(CheckArgs),
    /// Register collections: files with a STAC Collection each
    Add(AddArgs),
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// Collections [default: all that hold items]
    collections: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// STAC Collections; swath:visibility, swath:owner and swath:prefixes say who sees what
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Where the catalogue cannot be opened or a collection is not there.
pub async fn run(context: &Context, args: CollectionsArgs) -> Result<()> {
    match args.command {
        None => list(context, args.json).await,
        Some(CollectionsCommand::Check(args)) => check(context, args).await,
        Some(CollectionsCommand::Add(args)) => add(context, args).await,
    }
}

async fn list(context: &Context, is_json: bool) -> Result<()> {
    let catalog = context.catalog().await?;
    let found = catalog
        .collections(&Viewer::operator(), &CollectionSearch::default())
        .await?;
    if is_json {
        let json: Vec<Value> = found.iter().map(json_of).collect();
        println!("{}", serde_json::to_string_pretty(&json)?);
        return Ok(());
    }
    let rows = found.iter().map(|stored| {
        let text = |name: &str| {
            stored
                .json
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let interval = stored
            .json
            .get("extent")
            .and_then(|extent| extent.pointer("/temporal/interval/0"));
        let day = |index: usize| {
            let end = interval
                .and_then(|interval| interval.get(index))
                .and_then(Value::as_str);
            end.map_or("..".to_owned(), |text| text.chars().take(10).collect())
        };
        let held = match stored.items {
            0 => String::new(),
            _ => format!("{} to {}", day(0), day(1)),
        };
        let visibility = match stored.visibility {
            Visibility::Public => "public",
            Visibility::Private => "private",
        };
        vec![
            text("id"),
            stored.items.to_string(),
            held,
            visibility.to_owned(),
            text("title"),
        ]
    });
    print_table(
        &["collection", "items", "held", "seen by", "title"],
        &rows.collect::<Vec<_>>(),
    );
    Ok(())
}

fn json_of(stored: &StoredCollection) -> Value {
    let mut json = stored.json.clone();
    json.insert("swath:items".into(), stored.items.into());
    json.insert(
        "swath:visibility".into(),
        serde_json::to_value(stored.visibility).unwrap_or_default(),
    );
    json.insert("swath:owner".into(), stored.resource.owner().into());
    json.insert("swath:prefixes".into(), stored.resource.prefixes().into());
    json.into()
}

async fn add(context: &Context, args: AddArgs) -> Result<()> {
    let catalog = context.catalog().await?;
    for file in &args.files {
        let collection = read_collection(file)?;
        catalog
            .put_collection(&Viewer::operator(), &collection, PutMode::Upsert)
            .await?;
        let id = collection
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        eprintln!("collection {id} registered");
    }
    Ok(())
}

/// Reads a file with one JSON object.
///
/// # Errors
/// Where it cannot be read or is none.
pub fn read_collection(file: &PathBuf) -> Result<Map<String, Value>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let parsed = serde_json::from_str(&text);
    parsed.map_err(|error| UsageError(format!("{}: {error}", file.display())).into())
}

async fn check(context: &Context, args: CheckArgs) -> Result<()> {
    let catalog = context.catalog().await?;
    let operator = Viewer::operator();
    let mut names = args.collections;
    if names.is_empty() {
        let all = catalog
            .collections(&operator, &CollectionSearch::default())
            .await?;
        let held = all.into_iter().filter(|stored| stored.items > 0);
        names.extend(held.map(|stored| stored.resource.id().to_owned()));
    }
    let mut checks = Vec::with_capacity(names.len());
    for name in &names {
        checks.push(catalog.check(&operator, name).await?);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&checks)?);
    } else {
        checks.iter().for_each(print_check);
    }
    Ok(())
}

fn print_check(check: &CollectionCheck) {
    println!(
        "{}: {} tracks, {} passes missing, {} days with items not checked (no platform with a known cycle, or no orbit or tile)",
        check.collection,
        check.tracks.len(),
        check.missing(),
        check.unchecked
    );
    let gaps = check
        .tracks
        .iter()
        .filter(|track| track.held < track.expected);
    let rows = gaps.map(|track| {
        let shown = track
            .missing
            .iter()
            .take(MISSING_SHOWN)
            .map(ToString::to_string);
        let mut missing = shown.collect::<Vec<_>>().join(" ");
        if track.missing.len() > MISSING_SHOWN {
            missing.push_str(&format!(
                " and {} more",
                track.missing.len() - MISSING_SHOWN
            ));
        }
        vec![
            track.platform.clone(),
            track
                .relative_orbit
                .map_or_else(String::new, |orbit| orbit.to_string()),
            track.grid_code.clone().unwrap_or_default(),
            format!("{} d", track.cycle_days),
            format!("{}/{}", track.held, track.expected),
            track.reason.to_owned(),
            missing,
        ]
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        print_table(
            &[
                "platform", "orbit", "tile", "cycle", "held", "reason", "missing",
            ],
            &rows,
        );
    }
}
