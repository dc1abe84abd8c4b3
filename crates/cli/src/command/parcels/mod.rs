//! `swath parcels`: files of parcels looked at, imported into sets, and the sets listed.

mod check;
mod import;
mod list;

pub use import::{ImportArgs, run_quietly as import_parcels};

use anyhow::Result;
use swath_grid::Crs;

use crate::config::Context;
use crate::error::UsageError;

/// Commands on parcels.
#[derive(Debug, clap::Subcommand)]
pub enum ParcelsCommand {
    /// Import a file of parcels as a new version of a parcel set
    Import(Box<import::ImportArgs>),
    /// List the parcel sets and their versions
    List(list::ListArgs),
    /// Count, measure and judge the parcels of a file or of a set
    Check(check::CheckArgs),
}

/// Runs the command.
///
/// # Errors
/// Those of the command.
pub async fn run(context: &Context, command: ParcelsCommand) -> Result<()> {
    match command {
        ParcelsCommand::Import(args) => import::run(context, *args).await,
        ParcelsCommand::List(args) => list::run(context, args).await,
        ParcelsCommand::Check(args) => check::run(context, args).await,
    }
}

/// Reads what was typed behind `--crs`.
fn parse_crs(text: Option<&str>) -> Result<Option<Crs>, UsageError> {
    let crs = text.map(Crs::parse).transpose();
    crs.map_err(|error| UsageError(format!("--crs: {error}")))
}
