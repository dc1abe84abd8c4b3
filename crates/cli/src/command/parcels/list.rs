//! `swath parcels list`: the parcel sets and their versions.

use anyhow::Result;
use swath_access::{Viewer, Visibility};

use crate::config::Context;

/// Arguments of `swath parcels list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where there is no catalogue or it fails.
pub async fn run(context: &Context, args: ListArgs) -> Result<()> {
    let catalog = context.existing_catalog().await?;
    let sets = catalog.parcel_sets(&Viewer::operator()).await?;
    catalog.close().await;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&sets)?);
        return Ok(());
    }
    for set in &sets {
        let seen = match set.visibility {
            Visibility::Public => "public",
            Visibility::Private => "private",
        };
        let owner = set.owner.as_deref().map(|owner| format!(" of {owner}"));
        println!(
            "{}  {seen}{}  {}",
            set.name,
            owner.unwrap_or_default(),
            set.timezone
        );
        for version in &set.versions {
            println!(
                "  @{:<4} {:>9} {}  {}  {}",
                version.number,
                version.features,
                if version.content.has_points {
                    "points"
                } else {
                    "polygons"
                },
                version.content.crs,
                version.created.format("%Y-%m-%dT%H:%M:%SZ"),
            );
        }
    }
    if sets.is_empty() {
        eprintln!("no parcel set; import one: swath parcels import FILE --name SET --id FIELD");
    }
    Ok(())
}
