//! `swath composite`: one picture of a season, as a cloud-optimised GeoTIFF.
//!
//! 1. Find the items, of the catalogue or of files, and open what is asked of them.
//! 2. Order them: from the newest on, or from the least cloudy.
//! 3. Choose the grid, and write.

use std::cmp::Reverse;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use futures::{StreamExt, TryStreamExt};
use swath_extract::{
    ItemList, ItemSlice, SliceOptions, SliceValues, find_items, open_slice, slices_of,
};
use swath_grid::GeoBox;
use swath_io::cog::{AreaOrPoint, BandSpec, CogSpec, write_cog};
use swath_io::{CompositeOptions, CompositeRows, ERROR_PX_DEFAULT};
use swath_raster::{
    CompositeMethod, CompositeRule, DataType, INFRARED_BANDS, RED_BANDS, Resampling, SCL_DROPPED,
    can_hold,
};

use crate::allocator::{Keeping, keep_freed_memory};
use crate::command::cog_args::CogArgs;
use crate::command::extract::flat::{Narrowing, find_registered, parse_interval};
use crate::command::grid_args::GridArgs;
use crate::command::measure_args::parse_classes;
use crate::config::Context;
use crate::error::UsageError;

/// Items that are opened side by side.
const OPEN_AT_ONCE: usize = 16;
/// Arguments of `swath composite`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("images").required(true).args(["collection", "items"]))]
pub struct CompositeArgs {
    /// Collection of the catalogue
    #[arg(long, value_name = "ID")]
    collection: Option<String>,
    /// STAC item or collection files, stac-geoparquet, rasters, or folders of them
    #[arg(long, value_name = "PATH", num_args = 1..)]
    items: Vec<String>,
    /// Only items in this time: A/B, half-open; either side may be ".."
    #[arg(long, value_name = "A/B")]
    datetime: Option<String>,
    /// Of the collection only items for which this holds: CQL2, such as "eo:cloud_cover < 20"
    #[arg(long, value_name = "CQL2", conflicts_with = "items")]
    filter: Option<String>,
    /// Bands by name or common name, in this order [default: all but SCL]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    bands: Vec<String>,
    /// newest, least-cloud, mean, median, pN (as p25) or max-ndvi
    #[arg(long, value_name = "METHOD", default_value = "median")]
    method: CompositeMethod,
    /// Drop pixels of these classes of the item's scene classification (SCL), and its nodata
    #[arg(long, value_name = "CLASSES", num_args = 0..=1, default_missing_value = SCL_DROPPED)]
    mask_scl: Option<String>,
    /// Form of the date in raster names, where no tag has it, as %Y%m%dT%H%M%S
    #[arg(long, value_name = "PATTERN")]
    date_pattern: Option<String>,
    #[command(flatten)]
    grid: GridArgs,
    /// nearest, bilinear, cubic, average, mode, min or max
    #[arg(long, value_name = "RULE", default_value = "nearest")]
    resampling: Resampling,
    /// Largest error of a position in source pixels; 0 computes every position exactly
    #[arg(long, value_name = "PX", default_value_t = ERROR_PX_DEFAULT)]
    error: f64,
    /// Memory for values, in MB
    #[arg(long, value_name = "MB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(16..=1_048_576))]
    memory: u64,
    /// File to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    cog: CogArgs,
}

/// Runs the command.
///
/// # Errors
/// Items that cannot be found or opened, a grid that cannot be; everything from reading to
/// writing: then there is no target.
pub async fn run(context: &Context, args: CompositeArgs) -> Result<()> {
    keep_freed_memory(Keeping::RASTERS);
    args.cog.check_target(&args.output)?;
    if !(args.error >= 0.0 && args.error.is_finite()) {
        return Err(UsageError(format!("--error {} is no size of pixels", args.error)).into());
    }
    let mut items = open_items(context, &args).await?;
    order(&mut items, args.method);
    let rule = rule(&items, args.method)?;
    let values = values(&items, rule);
    let grids: Vec<GeoBox> = items
        .iter()
        .map(ItemSlice::geobox)
        .collect::<Result<_, _>>()?;
    let spec = spec(&args, &items, &grids, rule, values)?;
    let options = CompositeOptions {
        rule,
        resampling: args.resampling,
        error_px: args.error,
        memory_bytes_max: args.memory << 20,
    };
    let size = spec.geobox.size();
    let mut rows = CompositeRows::new(&slices_of(&items, values), &spec, &options)?;
    let (cog_options, _stop) = args.cog.options(context.threads);
    let target = args.output.clone();
    let work =
        tokio::task::spawn_blocking(move || write_cog(&target, &spec, &cog_options, &mut rows));
    let report = work
        .await
        .context("the composite panicked")?
        .with_context(|| format!("{} cannot be written", args.output.display()))?;
    eprintln!(
        "{} x {} pixels of {} dates, {} bytes written to {}",
        size.width,
        size.height,
        items.len(),
        report.bytes,
        args.output.display()
    );
    Ok(())
}

async fn open_items(context: &Context, args: &CompositeArgs) -> Result<Vec<ItemSlice>> {
    let interval_us = parse_interval(args.datetime.as_deref())?;
    let list = match &args.collection {
        Some(id) => {
            let bbox = args.grid.bbox()?;
            let narrowing = Narrowing {
                bbox: bbox.as_deref(),
                filter: args.filter.as_deref(),
                interval_us,
            };
            find_registered(context, id, &narrowing).await?
        }
        None => find_items(&context.stores, &args.items).await?,
    };
    let ItemList { items, skipped } = list;
    for one in skipped.iter().filter(|one| one.is_failure) {
        eprintln!("skipped {}: {}", one.name, one.reason);
    }
    let options = SliceOptions {
        bands: args.bands.clone(),
        mask_scl: args.mask_scl.as_deref().map(parse_classes).transpose()?,
        date_pattern: args.date_pattern.clone(),
    };
    let opened: Vec<ItemSlice> = futures::stream::iter(&items)
        .map(|item| open_slice(item, &options))
        .buffer_unordered(OPEN_AT_ONCE)
        .try_collect()
        .await?;
    let (from, to) = interval_us;
    let is_in_time = |item: &ItemSlice| {
        let at = item.datetime.timestamp_micros();
        from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to)
    };
    let in_time: Vec<ItemSlice> = opened.into_iter().filter(is_in_time).collect();
    if in_time.is_empty() {
        return Err(UsageError("no item is in the time asked for".to_owned()).into());
    }
    Ok(in_time)
}

/// Brings items into the order in which they count.
fn order(items: &mut [ItemSlice], method: CompositeMethod) {
    items.sort_by(|one, two| {
        let newest = (Reverse(one.datetime), &one.id).cmp(&(Reverse(two.datetime), &two.id));
        if method != CompositeMethod::LeastCloud {
            return newest;
        }
        let cover = |item: &ItemSlice| item.cloud_cover.unwrap_or(f64::INFINITY);
        cover(one).total_cmp(&cover(two)).then(newest)
    });
}

fn rule(items: &[ItemSlice], method: CompositeMethod) -> Result<CompositeRule, UsageError> {
    if method == CompositeMethod::LeastCloud
        && let Some(item) = items.iter().find(|item| item.cloud_cover.is_none())
    {
        let reason = "says nothing of clouds (eo:cloud_cover); choose another --method";
        return Err(UsageError(format!("item {} {reason}", item.id)));
    }
    let first = &items[0];
    method.rule(|names| position(first, names)).ok_or_else(|| {
        UsageError(format!(
            "max-ndvi needs a band {} and a band {}: among the bands are {}",
            INFRARED_BANDS.join(" or "),
            RED_BANDS.join(" or "),
            first.names.join(", ")
        ))
    })
}

fn position(item: &ItemSlice, names: &[&str]) -> Option<usize> {
    let is_one = |index: &usize| {
        let common = item.common_names[*index].as_deref();
        names.contains(&item.names[*index].as_str())
            || common.is_some_and(|name| names.contains(&name))
    };
    (0..item.names.len()).find(is_one)
}

/// Stored values, unless items are scaled differently, or an index needs what an offset hides.
fn values(items: &[ItemSlice], rule: CompositeRule) -> SliceValues {
    let first = items[0].scales();
    let is_mixed = items.iter().any(|item| item.scales() != first);
    let is_index = matches!(rule, CompositeRule::MaxIndex { .. });
    let has_offset = first.iter().any(|[_, offset]| *offset != 0.0);
    if is_mixed || (is_index && has_offset) {
        SliceValues::Physical
    } else {
        SliceValues::Stored
    }
}

fn spec(
    args: &CompositeArgs,
    items: &[ItemSlice],
    grids: &[GeoBox],
    rule: CompositeRule,
    values: SliceValues,
) -> Result<CogSpec, UsageError> {
    let newest = &items[0];
    let infos = newest.infos();
    let stored = infos.first().map_or(DataType::F32, |info| info.data_type);
    let is_physical = values == SliceValues::Physical;
    let data_type = rule.data_type(if is_physical { DataType::F32 } else { stored });
    let pixel_bytes = (infos.len() * data_type.size_bytes()) as u64;
    let own_nodata = infos.first().and_then(|info| info.nodata.as_deref());
    let nodata = if data_type.is_float() {
        Some(f64::NAN)
    } else {
        let held = own_nodata.filter(|text| can_hold(data_type, text));
        held.and_then(|text| text.trim().parse().ok())
    };
    let bands = infos.iter().enumerate().map(|(index, info)| {
        let [scale, offset] = newest.scales()[index];
        let is_scaled = !is_physical && (scale, offset) != (1.0, 0.0);
        BandSpec {
            name: Some(newest.names[index].clone()),
            scale: is_scaled.then_some(scale),
            offset: is_scaled.then_some(offset),
            unit: info.unit.clone(),
            ..BandSpec::default()
        }
    });
    let times = items.iter().map(|item| item.datetime.to_rfc3339());
    let (first, last) = (times.clone().min(), times.max());
    let metadata = [
        (
            "composite_method",
            Some(format!("{:?}", args.method).to_lowercase()),
        ),
        ("composite_dates", Some(items.len().to_string())),
        ("start_datetime", first),
        ("end_datetime", last),
    ];
    Ok(CogSpec {
        geobox: args.grid.grid(grids, pixel_bytes, args.cog.block_px())?,
        data_type,
        bands: bands.collect(),
        nodata,
        has_mask: nodata.is_none(),
        metadata: metadata
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect(),
        color_map: None,
        area_or_point: AreaOrPoint::Area,
    })
}
