//! `swath search`: items of the catalogue, or of a remote STAC API.

mod remote;
pub mod table;

use anyhow::{Context as _, Result};
use geo_types::Geometry;
use serde_json::{Map, Value};
use swath_access::Viewer;
use swath_grid::Bbox;
use swath_stac::{IntervalError, ItemSearch, PageStart, SortField};

use crate::config::Context;
use crate::error::UsageError;

/// Items of one page.
const PAGE_ITEMS: u32 = 1_000;

/// Arguments of `swath search`.
#[derive(Debug, clap::Args)]
pub struct SearchArgs {
    /// Collections, separated by commas [default: all]
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    collection: Vec<String>,
    /// Ids of items, separated by commas
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    ids: Vec<String>,
    /// West, south, east, north in degrees; west may lie east of east
    #[arg(long, value_name = "W,S,E,N", allow_hyphen_values = true)]
    bbox: Option<String>,
    /// Instant, day, or interval A/B with days or instants; an open end is ..
    #[arg(long, value_name = "A/B")]
    datetime: Option<String>,
    /// Geometry to touch: a GeoJSON file, or WKT
    #[arg(long, value_name = "FILE|WKT")]
    intersects: Option<String>,
    /// CQL2 text or JSON, such as "eo:cloud_cover < 20"
    #[arg(long, value_name = "CQL2")]
    filter: Option<String>,
    /// Fields to sort by; a minus sorts downwards [default: -datetime]
    #[arg(
        long,
        value_name = "[-]FIELD,…",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    sortby: Vec<String>,
    /// Most items
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: u32,
    /// Print an ItemCollection
    #[arg(long, conflicts_with = "paths")]
    json: bool,
    /// Print the hrefs of assets, one on a line
    #[arg(long)]
    paths: bool,
    /// Search this STAC API instead of the own catalogue
    #[arg(long, value_name = "URL")]
    api: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// Where the search makes no sense, or the catalogue or API does not answer.
pub async fn run(context: &Context, args: SearchArgs) -> Result<()> {
    let found = run_quietly(context, &args).await?;
    match args.paths {
        true => table::print_paths(&found.items),
        false => table::print_items(&found.items, args.json)?,
    }
    if found.has_more {
        eprintln!(
            "{} items shown, there are more (--limit)",
            found.items.len()
        );
    }
    Ok(())
}

/// Searches and prints nothing.
///
/// # Errors
/// As [`run`].
pub async fn run_quietly(context: &Context, args: &SearchArgs) -> Result<Found> {
    let search = question(args)?;
    match &args.api {
        Some(url) => remote::search(url, &search, args.limit).await,
        None => local(context, search, args.limit).await,
    }
}

/// What a search found, as far as it was asked for.
#[derive(Debug)]
pub struct Found {
    /// In the order asked for.
    pub items: Vec<Map<String, Value>>,
    /// True where the limit left items out.
    pub has_more: bool,
}

async fn local(context: &Context, mut search: ItemSearch, limit: u32) -> Result<Found> {
    let catalog = context.catalog().await?;
    let wanted = usize::try_from(limit)?;
    let mut items = Vec::new();
    loop {
        let left = limit.saturating_sub(u32::try_from(items.len())?);
        search.limit = Some(left.min(PAGE_ITEMS));
        let page = catalog.search(&Viewer::operator(), &search).await?;
        items.extend(page.items.into_iter().map(|item| item.json));
        match page.next {
            Some(token) if items.len() < wanted => search.start = PageStart::Token(token),
            next => {
                return Ok(Found {
                    items,
                    has_more: next.is_some(),
                });
            }
        }
    }
}

fn question(args: &SearchArgs) -> Result<ItemSearch> {
    let wrong = |error: IntervalError| UsageError(format!("--datetime: {error}"));
    let sort = args.sortby.iter().map(|field| SortField {
        field: field.trim_start_matches(['-', '+']).to_owned(),
        is_descending: field.starts_with('-'),
    });
    let mut search = ItemSearch {
        collections: args.collection.clone(),
        ids: args.ids.clone(),
        intersects: args.intersects.as_deref().map(shape).transpose()?,
        datetime: args
            .datetime
            .as_deref()
            .map(|text| swath_stac::parse_interval_or_days(text).map_err(wrong))
            .transpose()?,
        sort: sort.collect(),
        limit: Some(args.limit),
        ..ItemSearch::default()
    };
    narrow(&mut search, args.bbox.as_deref(), args.filter.as_deref())?;
    Ok(search)
}

/// Narrows a search by the values of `--bbox` (west, south, east, north) and `--filter` (CQL2 as text
/// or as JSON).
///
/// # Errors
/// Where one of them makes no sense.
pub fn narrow(
    search: &mut ItemSearch,
    bbox: Option<&str>,
    filter: Option<&str>,
) -> Result<(), UsageError> {
    if let Some(text) = bbox {
        search.bbox = Some(parse_bbox(text)?);
    }
    let Some(text) = filter else {
        return Ok(());
    };
    let wrong = |error: &dyn std::fmt::Display| UsageError(format!("--filter: {error}"));
    let parsed = match text.trim_start().starts_with('{') {
        true => {
            let json: Value = serde_json::from_str(text).map_err(|error| wrong(&error))?;
            swath_stac::parse_filter_json(&json)
        }
        false => swath_stac::parse_filter_text(text),
    };
    search.filter = Some(parsed.map_err(|error| wrong(&error))?);
    Ok(())
}

fn parse_bbox(text: &str) -> Result<Bbox, UsageError> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    match numbers.as_deref() {
        Ok([west, south, east, north]) => Ok(Bbox {
            west: *west,
            south: *south,
            east: *east,
            north: *north,
        }),
        _ => Err(UsageError(format!(
            "--bbox {text}: expected four numbers W,S,E,N"
        ))),
    }
}

fn shape(text: &str) -> Result<Geometry<f64>> {
    let wrong = |error: &dyn std::fmt::Display| UsageError(format!("--intersects: {error}"));
    if !std::path::Path::new(text).is_file() {
        let expr = swath_stac::parse_filter_text(text).map_err(|error| wrong(&error))?;
        let not_wkt = |_| UsageError(format!("--intersects {text}: neither a file nor WKT"));
        return Geometry::try_from(expr)
            .map_err(not_wkt)
            .map_err(Into::into);
    }
    let content =
        std::fs::read_to_string(text).with_context(|| format!("{text} cannot be read"))?;
    let json: Value = serde_json::from_str(&content).map_err(|error| wrong(&error))?;
    let shapes: Result<Vec<_>, _> = match (json.get("features"), json.get("geometry")) {
        (Some(Value::Array(features)), _) => {
            let shapes = features
                .iter()
                .filter_map(|feature| feature.get("geometry"));
            shapes.map(swath_stac::parse_geometry).collect()
        }
        (_, Some(geometry)) => swath_stac::parse_geometry(geometry).map(|shape| vec![shape]),
        _ => swath_stac::parse_geometry(&json).map(|shape| vec![shape]),
    };
    let mut shapes = shapes.map_err(|error| wrong(&error))?;
    match shapes.len() {
        0 => Err(UsageError(format!("--intersects {text}: it holds no geometry")).into()),
        1 => Ok(shapes.remove(0)),
        _ => Ok(Geometry::GeometryCollection(shapes.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wkt_and_bbox_are_read() {
        assert!(matches!(
            shape("POINT(1 2)").expect("WKT"),
            Geometry::Point(_)
        ));
        assert!(shape("no/such/file").is_err());
        assert!(parse_bbox("170,-10,-170,10").is_ok());
        assert!(parse_bbox("1,2,3").is_err());
    }
}
