//! `swath demo`: a season end to end, simulated or from the rasters in a folder.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::config::Context;
use crate::demo::{FolderArgs, SimulatedArgs, forget, run_folder, run_simulated};

/// Most parcels that a simulated tile has room for.
const COUNT_MAX: usize = 150_000;

/// Arguments of `swath demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Folder with dated rasters or STAC items and a parcel file [default: simulate a season]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder for all of it, a data home of its own [default: HOME/demo; with --data
    /// HOME/demo/data/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Parcel file [default: the one in the folder of --data]
    #[arg(long, value_name = "FILE", requires = "data")]
    parcels: Option<PathBuf>,
    /// Column of the parcel ids [default: parcel_id, else id, else the GeoPackage fid]
    #[arg(long, value_name = "FIELD", requires = "data")]
    id: Option<String>,
    /// Form of the date in raster names, where no tag has it, as %Y%m%dT%H%M%S
    #[arg(long, value_name = "PATTERN", requires = "data")]
    date_pattern: Option<String>,
    /// Number of parcels to simulate
    #[arg(long, value_name = "N", default_value_t = 1500, conflicts_with = "data", value_parser = parcel_count)]
    count: usize,
    /// Seed of the simulation
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "data")]
    seed: u64,
    /// Parcel of the picture [default: one that shows much]
    #[arg(long, value_name = "ID")]
    parcel: Option<String>,
    /// Do everything anew, also what an earlier run has done
    #[arg(long)]
    fresh: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn parcel_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=COUNT_MAX).contains(&count) => Ok(count),
        _ => Err(format!("expected a number from 1 to {COUNT_MAX}")),
    }
}

/// Runs the command.
///
/// # Errors
/// Where inputs cannot be read or results not be written.
pub async fn run(context: &Context, args: DemoArgs) -> Result<()> {
    let report = match args.data {
        Some(data) => {
            let out = args
                .out
                .unwrap_or_else(|| context.home.join("demo/data").join(folder_name(&data)));
            if args.fresh {
                forget(&out)?;
            }
            let folder = FolderArgs {
                data,
                out,
                parcels: args.parcels,
                id: args.id,
                date_pattern: args.date_pattern,
                parcel_id: args.parcel,
            };
            run_folder(context, &folder).await?
        }
        None => {
            let out = args.out.unwrap_or_else(|| context.home.join("demo"));
            if args.fresh {
                forget(&out)?;
            }
            let simulated = SimulatedArgs {
                out,
                parcels: args.count,
                seed: args.seed,
                parcel_id: args.parcel,
            };
            run_simulated(context, &simulated).await?
        }
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", report.text());
    }
    Ok(())
}

/// Returns a name for what comes from a folder: its own.
fn folder_name(data: &Path) -> String {
    let whole = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    whole.file_name().map_or_else(
        || "root".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}
