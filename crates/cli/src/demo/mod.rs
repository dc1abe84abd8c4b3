//! `swath demo`: a season from rasters to a table and a picture.
//!
//! 1. [`simulated`] makes a landscape; [`folder`] takes the rasters of a folder.
//! 2. Both register the items in a catalogue of the demo's own ([`registered`]), search it
//!    ([`searched`]) and extract by collection: every [`step`] is a command, run with the words shown. The
//!    landscape's parcels become a parcel set, its collections extract tables.
//! 3. [`ledger`] keeps what was done and what it took, so that the second run is quick.
//! 4. [`series`] reads measured files row by row, [`table_rows`] extract tables parcel by parcel;
//!    [`months`] folds them to a table of months.
//! 5. [`chart`](crate::chart) draws the series of one parcel, as its panels choose and convert them.
//! 6. [`report`] is what all of that comes to; it prints as text or JSON.

mod folder;
mod ledger;
mod months;
mod outliers;
mod registered;
mod report;
mod searched;
mod series;
mod simulated;
mod step;
mod table_rows;
mod truth;

pub use folder::{FolderArgs, run as run_folder};
pub use ledger::forget;
pub use simulated::{SimulatedArgs, run as run_simulated};

use std::path::Path;

use anyhow::{Context as _, Result};
use swath_extract::ExtractReport;

use crate::command::extract::{ExtractArgs, run_quietly};
use crate::config::Context;

/// Classes of Sentinel-2's scene classification that hide the field: those that `--mask-scl` drops
/// by default (no data, saturated, cloud shadow, clouds, cirrus), and snow.
const HIDING_CLASSES: &str = "0,1,3,8,9,10,11";
/// Skipped items and files that are named.
const SKIPPED_SHOWN: usize = 5;

/// Extracts and tells what was passed over.
async fn measure(context: &Context, args: &ExtractArgs) -> Result<ExtractReport> {
    let report = run_quietly(context, args).await?;
    // Files of other kinds lie beside rasters in many a folder: only what could have been measured counts.
    let is_item = |reason: &str| !reason.starts_with("neither") && reason != "no STAC item";
    let skipped: Vec<_> = report
        .skipped
        .iter()
        .filter(|skipped| is_item(&skipped.reason))
        .collect();
    if !skipped.is_empty() {
        eprintln!("items skipped: {}", skipped.len());
    }
    for skipped in skipped.iter().take(SKIPPED_SHOWN) {
        eprintln!("  {}: {}", skipped.name, skipped.reason);
    }
    if skipped.len() > SKIPPED_SHOWN {
        eprintln!("  … and {} more", skipped.len() - SKIPPED_SHOWN);
    }
    Ok(report)
}

/// Writes a whole file: under its name it is complete or not there.
///
/// # Errors
/// Where it cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(cannot)?;
    // A name of its own and not a random one: the next run replaces what a killed one left.
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let scratch = path.with_file_name(format!(".{name}.tmp"));
    std::fs::write(&scratch, bytes).with_context(cannot)?;
    std::fs::rename(&scratch, path).with_context(cannot)
}

/// Returns the file name of a parcel's picture; ids may hold anything.
fn picture_name(parcel_id: &str) -> String {
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => character,
        _ => '_',
    };
    format!(
        "parcel-{}.svg",
        parcel_id.chars().take(100).map(plain).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_names_stay_in_their_folder() {
        assert_eq!(picture_name("00100003"), "parcel-00100003.svg");
        assert_eq!(picture_name("../a b"), "parcel-___a_b.svg");
    }
}
