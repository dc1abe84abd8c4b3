//! `swath parcels check`: what a parcel file or set holds and what is wrong with it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use swath_access::Viewer;
use swath_archive::open_set;
use swath_catalog::ParcelSetName;
use swath_io::vector::{
    FindingOptions, ParcelCheck, ParcelFindings, ParcelOptions, ParcelSource, StringColumn, check,
    find, read_parcels,
};

use super::parse_crs;
use crate::config::Context;

/// Findings that are shown one by one.
const PROBLEMS_SHOWN: usize = 50;
/// Overlaps, slivers and differences that are shown one by one.
const FINDINGS_SHOWN: usize = 10;
/// Column of the declared areas of a set.
const DECLARED: &str = "declared_area_ha";

/// Arguments of `swath parcels check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Parcel file (GeoPackage, GeoParquet, FlatGeobuf, Shapefile or GeoJSON, also zipped), or a parcel
    /// set: SET or SET@VERSION
    #[arg(value_name = "FILE|SET")]
    file: PathBuf,
    /// Column of the parcel ids
    #[arg(long, value_name = "FIELD")]
    id: Option<String>,
    /// Column of the declared areas in hectares
    #[arg(long, value_name = "FIELD")]
    area: Option<String>,
    /// Overlaps above so many square metres count, and all above a tenth of a parcel
    #[arg(long, value_name = "M2", default_value_t = 10.0)]
    overlap: f64,
    /// Thin parcels below this mean width in metres are slivers
    #[arg(long, value_name = "METRES", default_value_t = 5.0)]
    sliver: f64,
    /// Parcels of fewer pixels, once shrunk by half a pixel, are too small
    #[arg(long, value_name = "N", default_value_t = 8.0)]
    pixels: f64,
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

/// All that is said about parcels.
#[derive(Debug, Serialize)]
struct WholeCheck {
    #[serde(flatten)]
    check: ParcelCheck,
    #[serde(flatten)]
    findings: ParcelFindings,
}

/// Runs the command.
///
/// # Errors
/// Where the file or set cannot be read as a whole.
pub async fn run(context: &Context, args: CheckArgs) -> Result<()> {
    let source = match set_of(context, &args.file) {
        Some(name) => read_set(context, &name).await?,
        None => read_file(&args).await?,
    };
    let declared = source.attributes.first().map(hectares);
    let options = FindingOptions {
        overlap_m2: args.overlap,
        sliver_width_m: args.sliver,
        pixels_min: args.pixels,
        ..FindingOptions::default()
    };
    let work = move || WholeCheck {
        findings: find(&source, declared.as_deref(), &options),
        check: check(&source),
    };
    let found = tokio::task::spawn_blocking(work).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        print_text(&found.check);
        print_findings(&found.findings);
    }
    Ok(())
}

/// Returns the name of a set, where there is no file of that name and there is a catalogue.
fn set_of(context: &Context, path: &Path) -> Option<String> {
    let text = path.to_str().filter(|_| !path.exists())?;
    let is_name = ParcelSetName::parse(text).is_ok() && context.has_catalog();
    is_name.then(|| text.to_owned())
}

async fn read_set(context: &Context, name: &str) -> Result<ParcelSource> {
    let catalog = context.existing_catalog().await?;
    let set = open_set(&context.stores, &catalog, &Viewer::operator(), name).await?;
    catalog.close().await;
    let columns = set.file.columns();
    let declared = columns.into_iter().map(|column| column.name);
    let declared: Vec<String> = declared.filter(|name| name == DECLARED).collect();
    Ok(set.file.source_with(&declared).await?)
}

async fn read_file(args: &CheckArgs) -> Result<ParcelSource> {
    // A file without ids can be looked at all the same: its rows are numbered.
    let options = ParcelOptions {
        layer: args.layer.clone(),
        number_rows: args.id.is_none(),
        id: args.id.clone(),
        crs: parse_crs(args.crs.as_deref())?,
        keep_attributes: args.area.iter().cloned().collect(),
        ..ParcelOptions::default()
    };
    Ok(read_parcels(&args.file, &options).await?)
}

fn hectares(column: &StringColumn) -> Vec<Option<f64>> {
    let area = |text: &str| text.trim().replace(',', ".").parse::<f64>().ok();
    column.iter().map(|value| value.and_then(area)).collect()
}

fn line(name: &str, value: String) {
    println!("{name:<16}{value}");
}

fn print_text(found: &ParcelCheck) {
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

fn print_findings(found: &ParcelFindings) {
    line("same geometry", found.same_geometry.count.to_string());
    for [again, earlier] in found.same_geometry.listed.iter().take(FINDINGS_SHOWN) {
        line("", format!("{again} is where {earlier} is"));
    }
    let overlaps = &found.overlaps;
    let cut = match overlaps.is_complete || overlaps.count == 0 {
        true => "",
        false => " or more: too many parcels lie near each other to look at all",
    };
    let text = format!("{} pairs, {:.1} m²{cut}", overlaps.count, overlaps.area_m2);
    line("overlaps", text);
    for overlap in overlaps.listed.iter().take(FINDINGS_SHOWN) {
        let [a, b] = &overlap.parcel_ids;
        let share = 100.0 * overlap.share;
        let text = format!(
            "{a} and {b}: {:.1} m², {share:.1} % of the smaller",
            overlap.area_m2
        );
        line("", text);
    }
    line("slivers", found.slivers.count.to_string());
    for sliver in found.slivers.listed.iter().take(FINDINGS_SHOWN) {
        let text = format!(
            "{}: {:.1} m wide, {:.1} m²",
            sliver.parcel_id, sliver.width_m, sliver.area_m2
        );
        line("", text);
    }
    for small in &found.too_small {
        line(
            "too small",
            format!("{} for pixels of {} m", small.count, small.pixel_m),
        );
    }
    if let Some(declared) = &found.declared {
        let text = format!("{} of {} areas differ", declared.count, declared.compared);
        line("declared", text);
        for area in declared.listed.iter().take(FINDINGS_SHOWN) {
            let text = format!(
                "{}: {:.2} ha declared, {:.2} ha measured",
                area.parcel_id, area.declared_ha, area.measured_ha
            );
            line("", text);
        }
    }
}
