//! `swath extract --dry-run`: what there would be to do, without reading a pixel.
//!
//! * Bytes: sizes of the assets that are asked for, times the share of their blocks (512 pixels wide and high)
//!   that the rectangles of parcels touch.
//! * Rows: parcels whose rectangle has its middle on a unit's images, times bands. Where tiles of one pass
//!   overlap, a parcel is counted for each of them, though one owns it: an upper bound.
//! * Time: bytes by [`BYTES_PER_SECOND`] and thread.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use futures::StreamExt;
use serde::Serialize;
use swath_access::Viewer;
use swath_catalog::Catalog;
use swath_extract::pass::{PassAsset, UnitOptions, WorkUnit};
use swath_extract::table::{CommitNumbers, ExtractTable, TableStore};
use swath_extract::{PlannedUnit, Skipped, UnitPlan, plan_units};
use swath_grid::{GeoBox, Point, Projector, ShiftOptions};
use swath_io::vector::ParcelSource;

use super::super::chosen_parcels::choose;
use super::ExtractArgs;
use super::flat::SKIPPED_SHOWN;
use super::profile::Profile;
use super::season::Season;
use super::table_run::{plan_of, table_root};
use crate::config::Context;

/// Stored bytes that a thread fetches, decodes and measures in a second: deflate on a core of a laptop.
const BYTES_PER_SECOND: f64 = 25e6;
/// Pixels of a block where nothing else is known.
const BLOCK_PX: f64 = 512.0;
/// Assets asked for their size at once.
const SIZES_AT_ONCE: usize = 32;
/// Name of the scene classification, which masks are made of.
const SCENE_CLASSIFICATION: &str = "SCL";

/// What there would be to do.
#[derive(Debug, Default, Serialize)]
struct Estimate {
    table: String,
    parcels: u64,
    items: usize,
    units: usize,
    units_done: usize,
    units_todo: usize,
    units_changed: usize,
    superseded: usize,
    assets: usize,
    bytes_of_assets: u64,
    bytes: u64,
    rows: u64,
    seconds: f64,
    /// Assets that are not there.
    missing: Vec<String>,
    skipped: Vec<Skipped>,
}

/// What the parcels are on one grid.
#[derive(Debug, Clone, Copy, Default)]
struct OnGrid {
    parcels: u64,
    block_share: f64,
}

/// Runs the command.
///
/// # Errors
/// A catalogue or store that fails, parcels that cannot be read.
pub async fn run(
    context: &Context,
    args: &ExtractArgs,
    catalog: &Catalog,
    season: &Season<'_>,
    profile: &Profile,
) -> Result<()> {
    let measure = args.measure.options(context)?;
    let chosen = choose(context, catalog, &args.measure).await?;
    let plan = plan_of(season, profile, &chosen, &measure);
    let writer = context
        .stores
        .writer(&Viewer::operator(), &table_root(args, &plan))?;
    let mut estimate = Estimate {
        table: writer.href("").trim_end_matches('/').to_owned(),
        parcels: chosen.planned.count,
        ..Estimate::default()
    };
    // Nothing is written: nobody has to decide on numbers.
    let table = ExtractTable::open(TableStore::new(writer, CommitNumbers::ConditionalPut)).await?;
    let found = season.units().await?;
    if found.units.is_empty() && found.skipped.is_empty() {
        return season.nothing_found();
    }
    estimate.items = found.items;
    estimate.units = found.units.len();
    estimate.superseded = found.superseded;
    estimate.skipped = found.skipped;
    let planned = match &table {
        Some(table) => plan_units(&*table.snapshot().await?, found.units),
        None => all_new(found.units),
    };
    estimate.units_done = planned.done;
    estimate.units_todo = planned.todo.len();
    estimate.units_changed = planned.changed;
    let sizes = asset_sizes(context, season, &planned, &profile.options, &mut estimate).await?;
    count(
        &mut estimate,
        &planned,
        &profile.options,
        &chosen.source,
        &sizes,
    );
    estimate.seconds = estimate.bytes as f64 / BYTES_PER_SECOND / context.threads.max(1) as f64;
    match args.json {
        true => println!("{}", serde_json::to_string(&estimate)?),
        false => print(&estimate, context.threads),
    }
    Ok(())
}

fn all_new(units: Vec<WorkUnit>) -> UnitPlan {
    let todo = units
        .into_iter()
        .map(|unit| PlannedUnit { unit, revision: 1 });
    UnitPlan {
        todo: todo.collect(),
        ..UnitPlan::default()
    }
}

/// Returns the sizes of the assets that would be read, by href, and notes those that are not there.
async fn asset_sizes(
    context: &Context,
    season: &Season<'_>,
    planned: &UnitPlan,
    options: &UnitOptions,
    estimate: &mut Estimate,
) -> Result<HashMap<String, u64>> {
    let assets = planned
        .todo
        .iter()
        .flat_map(|todo| &todo.unit.items)
        .flat_map(|item| item.assets.iter().filter(|asset| is_read(asset, options)));
    let mut hrefs: Vec<&str> = assets.map(|asset| asset.href.as_str()).collect();
    hrefs.sort_unstable();
    hrefs.dedup();
    let viewer = Viewer::operator();
    let ask = |href: &str| {
        let asset = context.stores.resolve(&viewer, &season.resource, href);
        let href = href.to_owned();
        async move {
            let version = match asset {
                Ok(asset) => asset.version().await,
                Err(error) => Err(error),
            };
            (href, version)
        }
    };
    let asked: Vec<_> = hrefs.into_iter().map(ask).collect();
    let mut answers = futures::stream::iter(asked).buffer_unordered(SIZES_AT_ONCE);
    let mut sizes = HashMap::new();
    while let Some((href, version)) = answers.next().await {
        match version {
            Ok(version) => {
                sizes.insert(href, version.size);
            }
            Err(error) if error.kind() == swath_io::ErrorKind::Upstream => return Err(error.into()),
            Err(error) => estimate.missing.push(error.to_string()),
        }
    }
    estimate.missing.sort_unstable();
    estimate.assets = sizes.len();
    estimate.bytes_of_assets = sizes.values().sum();
    Ok(sizes)
}

/// True for an asset that has a band that is asked for, as far as the item says.
fn is_read(asset: &PassAsset, options: &UnitOptions) -> bool {
    if options.bands.is_empty() {
        return true;
    }
    let is_wanted = |name: &str| {
        let named = options.bands.iter().chain(&options.classes);
        named.chain(&options.inputs()).any(|own| own == name)
            || (options.mask_scl.is_some() && name.eq_ignore_ascii_case(SCENE_CLASSIFICATION))
    };
    let names = asset.bands.iter().flat_map(|band| {
        [band.name.as_deref(), band.common_name.as_deref()]
            .into_iter()
            .flatten()
    });
    is_wanted(&asset.key) || names.into_iter().any(is_wanted)
}

fn count(
    estimate: &mut Estimate,
    planned: &UnitPlan,
    options: &UnitOptions,
    source: &ParcelSource,
    sizes: &HashMap<String, u64>,
) {
    let mut known: HashMap<String, OnGrid> = HashMap::new();
    let mut bytes = 0.0;
    for item in planned.todo.iter().flat_map(|todo| &todo.unit.items) {
        let on_grid = match &item.grid {
            Some(grid) => *known
                .entry(grid_name(grid))
                .or_insert_with(|| on_grid(grid, source)),
            None => OnGrid::default(),
        };
        let read = item.assets.iter().filter(|asset| is_read(asset, options));
        let mut bands = 0;
        for asset in read {
            bytes += sizes.get(&asset.href).copied().unwrap_or(0) as f64 * on_grid.block_share;
            let is_class = options.classes.contains(&asset.key)
                || asset.bands.iter().any(|band| {
                    let name = band.name.as_ref();
                    name.is_some_and(|name| options.classes.contains(name))
                });
            bands += match is_class {
                true => 0,
                false => asset.bands.len().max(1) as u64,
            };
        }
        estimate.rows += on_grid.parcels * (bands + options.indexes.len() as u64);
    }
    estimate.bytes = bytes as u64;
}

fn grid_name(grid: &GeoBox) -> String {
    let transform = grid.transform().to_gdal().map(f64::to_bits);
    format!("{} {transform:?} {:?}", grid.crs().to_wkt(), grid.size())
}

/// Returns how many parcels lie on a grid, and which share of its blocks their rectangles touch.
fn on_grid(grid: &GeoBox, source: &ParcelSource) -> OnGrid {
    let any = ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    let Ok(projector) = Projector::new(&source.crs, grid.crs(), &any) else {
        return OnGrid::default();
    };
    let size = grid.size();
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let mut touched: HashSet<(u32, u32)> = HashSet::new();
    let mut parcels = 0;
    for parcel in 0..source.parcels.len() {
        let Some(bounds) = source.parcels.bounds(parcel) else {
            continue;
        };
        let mut corners = [
            (bounds.min_x, bounds.min_y),
            (bounds.min_x, bounds.max_y),
            (bounds.max_x, bounds.min_y),
            (bounds.max_x, bounds.max_y),
        ]
        .map(|(x, y)| Point { x, y });
        if projector.project(&mut corners).is_err() {
            continue;
        }
        let pixels = corners.map(|corner| grid.transform().to_grid(corner));
        let least = |of: fn(&Point) -> f64| pixels.iter().map(of).fold(f64::INFINITY, f64::min);
        let most = |of: fn(&Point) -> f64| pixels.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
        let (left, right) = (least(|p| p.x), most(|p| p.x));
        let (top, bottom) = (least(|p| p.y), most(|p| p.y));
        if right <= 0.0 || bottom <= 0.0 || left >= width || top >= height {
            continue;
        }
        let (x, y) = ((left + right) / 2.0, (top + bottom) / 2.0);
        parcels += u64::from(x >= 0.0 && y >= 0.0 && x < width && y < height);
        let block = |pixel: f64, side: f64| (pixel.clamp(0.0, side - 1.0) / BLOCK_PX) as u32;
        for row in block(top, height)..=block(bottom, height) {
            for col in block(left, width)..=block(right, width) {
                touched.insert((col, row));
            }
        }
    }
    let blocks = (width / BLOCK_PX).ceil() * (height / BLOCK_PX).ceil();
    OnGrid {
        parcels,
        block_share: touched.len() as f64 / blocks.max(1.0),
    }
}

fn print(estimate: &Estimate, threads: usize) {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    println!("table    {}", estimate.table);
    println!("parcels  {}", estimate.parcels);
    println!(
        "items    {} in {} units of work, {} replaced by newer processing",
        estimate.items, estimate.units, estimate.superseded
    );
    println!(
        "to do    {} units, of these {} anew; {} are done",
        estimate.units_todo, estimate.units_changed, estimate.units_done
    );
    println!(
        "bytes    about {:.1} MB to read of {:.1} MB in {} assets (blocks that rectangles of parcels touch)",
        megabytes(estimate.bytes),
        megabytes(estimate.bytes_of_assets),
        estimate.assets
    );
    println!(
        "rows     at most about {} (parcels by their middle, times bands)",
        estimate.rows
    );
    println!(
        "time     about {:.0} s (at {:.0} MB of stored bytes per second and thread, {threads} threads)",
        estimate.seconds,
        BYTES_PER_SECOND / 1e6
    );
    for missing in estimate.missing.iter().take(SKIPPED_SHOWN) {
        println!("missing  {missing}");
    }
    if estimate.missing.len() > SKIPPED_SHOWN {
        println!(
            "missing  … and {} more (all of them with --json)",
            estimate.missing.len() - SKIPPED_SHOWN
        );
    }
    for skipped in estimate.skipped.iter().take(SKIPPED_SHOWN) {
        println!("skipped  {}: {}", skipped.name, skipped.reason);
    }
}
