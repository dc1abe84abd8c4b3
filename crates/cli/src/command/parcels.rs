//! `swath parcels check`: what a parcel file holds and what is wrong with it.

use std::path::PathBuf;

use anyhow::Result;
use swath_grid::Crs;
use swath_io::vector::{ParcelCheck, ParcelOptions, check, read_parcels};

use crate::error::UsageError;

/// Findings that are shown one by one.
const PROBLEMS_SHOWN: usize = 50;

/// Commands on parcel files.
#[derive(Debug, clap::Subcommand)]
pub enum ParcelsCommand {
    /// Count, measure and judge the parcels of a file
    Check(CheckArgs),
}

/// Arguments of `swath parcels check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Parcel file: GeoPackage, GeoParquet, Shapefile or GeoJSON, also zipped
    file: PathBuf,
    /// Column of the parcel ids
    #[arg(long, value_name = "FIELD")]
    id: Option<String>,
    /// Layer, where the file has several
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// CRS, where the file names none
    #[arg(long, value_name = "CRS")]
    crs: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the file cannot be read as a whole.
pub async fn run(command: ParcelsCommand) -> Result<()> {
    let ParcelsCommand::Check(args) = command;
    let crs = args
        .crs
        .as_deref()
        .map(Crs::parse)
        .transpose()
        .map_err(|error| UsageError(format!("--crs: {error}")))?;
    // A file without ids can be looked at all the same: its rows are numbered.
    let options = ParcelOptions {
        layer: args.layer,
        number_rows: args.id.is_none(),
        id: args.id,
        crs,
        ..ParcelOptions::default()
    };
    let found = check(&read_parcels(&args.file, &options).await?);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print_text(&found);
    }
    Ok(())
}

fn print_text(found: &ParcelCheck) {
    let line = |name: &str, value: String| println!("{name:<16}{value}");
    line("features", found.features.to_string());
    line("parcels", found.parcels.to_string());
    line(
        "crs",
        found.epsg.map_or_else(
            || found.crs.clone(),
            |code| format!("EPSG:{code} ({})", found.crs),
        ),
    );
    line("id", found.id_field.clone());
    let types: Vec<String> = found
        .geometry_types
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    line("geometry", types.join(", "));
    if let Some(area_m2) = found.area_m2 {
        line("area", format!("{:.3} ha", area_m2 / 1e4));
    }
    line(
        "invalid",
        format!("{} ({} repaired)", found.invalid, found.repaired),
    );
    line("empty", found.empty.to_string());
    line("duplicate ids", found.duplicate_ids.to_string());
    found
        .notes
        .iter()
        .for_each(|note| line("note", note.clone()));
    for problem in found.problems.iter().take(PROBLEMS_SHOWN) {
        let place = problem
            .place
            .map(|[x, y]| format!(" at {x}, {y}"))
            .unwrap_or_default();
        line(
            "problem",
            format!("parcel {}: {}{place}", problem.parcel_id, problem.what),
        );
    }
    if found.problems.len() > PROBLEMS_SHOWN {
        line(
            "",
            format!(
                "… and {} more (all of them with --json)",
                found.problems.len() - PROBLEMS_SHOWN
            ),
        );
    }
    for skipped in found.skipped.iter().take(PROBLEMS_SHOWN) {
        line(
            "left out",
            format!(
                "feature {} ({}): {}",
                skipped.feature, skipped.parcel_id, skipped.geometry_type
            ),
        );
    }
}
