//! Registered items as units see them: pass, tile, grid, version, and where their assets are.

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use swath_access::{Resource, Viewer};
use swath_grid::{Crs, GeoBox, Size, Transform};
use swath_io::{AssetRef, ErrorKind, GeoTiff, Stores};
use swath_stac::{Item, asset_bands, item_datetime, measured_assets, parse_datetime};
use xxhash_rust::xxh3::xxh3_128;

use super::names::pass_names;
use crate::extractor::Extractor;
use crate::{ExtractError, Skipped};

pub use swath_stac::AssetBand as PassBand;

/// Rasters whose headers are read at once, where an item does not say its grid.
const OPEN_AT_ONCE: usize = 16;
/// Fields of an asset that change when its content does.
const CONTENT_FIELDS: [&str; 5] = [
    "file:checksum",
    "checksum:multihash",
    "file:size",
    "etag",
    "updated",
];

/// How the assets of a collection are reached.
#[derive(Debug, Clone, Copy)]
pub struct UnitSources<'a> {
    /// Stores by name.
    pub stores: &'a Stores,
    /// Who reads.
    pub viewer: &'a Viewer,
    /// The collection, of which every asset must be part.
    pub resource: &'a Resource,
}

impl UnitSources<'_> {
    pub(super) fn resolve(&self, href: &str) -> Result<AssetRef, ExtractError> {
        Ok(self.stores.resolve(self.viewer, self.resource, href)?)
    }
}

/// One raster of an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PassAsset {
    /// Key in the item.
    pub key: String,
    /// As the item has it.
    pub href: String,
    /// What the item says of its bands; empty where nothing.
    pub bands: Vec<PassBand>,
    /// `file:size` of the item, in bytes.
    pub size_bytes: Option<u64>,
    /// Entity tag at the time of planning, where the raster was opened then.
    pub etag: Option<String>,
}

/// Which of two processings of the same data is newer: compared field by field.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PassRank {
    /// Processing baseline, as numbers: `[5, 9]` of `05.09`.
    pub baseline: Vec<u32>,
    /// When it was processed, in microseconds since 1970.
    pub generated_us: Option<i64>,
    /// When its item was registered with this content.
    pub updated_us: Option<i64>,
}

/// An item, read for the pass rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PassItem {
    /// Id of the item.
    pub id: String,
    /// Its collection.
    pub collection: String,
    /// Acquisition start, in microseconds since 1970.
    pub datetime_us: i64,
    /// Platform as STAC names it: `sentinel-1a`.
    pub platform: Option<String>,
    /// Datatake, spelt the same whatever the source.
    pub datatake: Option<String>,
    /// `sat:relative_orbit`.
    pub relative_orbit: Option<i16>,
    /// `sat:orbit_state`.
    pub orbit_state: Option<String>,
    /// Name of its tile (`32UMB`); `None` for slices.
    pub tile: Option<String>,
    /// What tells images of one datatake apart besides place: polarisations, the dates of a pair.
    pub channels: Vec<String>,
    /// Grid of its finest raster; `None` where no raster could be opened.
    pub grid: Option<GeoBox>,
    /// Which processing it is.
    pub rank: PassRank,
    /// Digest (hex) of what decides its values: assets with their checksums, and their version.
    pub version: String,
    /// Rasters, in the order of the item.
    pub assets: Vec<PassAsset>,
}

/// Items read, and those that cannot be used.
#[derive(Debug, Default)]
pub struct PassItems {
    /// In the order given.
    pub items: Vec<PassItem>,
    /// Items that are no valid STAC, have no date or no raster, or lie outside of their collection.
    pub skipped: Vec<Skipped>,
}

/// Reads registered items.
///
/// A raster is opened where an item does not say its grid (`proj:code`, `proj:shape`, `proj:transform`).
/// One that cannot be opened for its own fault leaves the item without a grid: its unit will fail
/// with the reason, and no other.
///
/// # Errors
/// Stores that fail.
pub async fn pass_items(
    items: impl IntoIterator<Item = Map<String, Value>>,
    sources: UnitSources<'_>,
) -> Result<PassItems, ExtractError> {
    let mut found = PassItems::default();
    for json in items {
        let name = json.get("id").and_then(Value::as_str).unwrap_or("?");
        let name = name.to_owned();
        match pass_item(json, &sources) {
            Ok(item) => found.items.push(item),
            Err(reason) => found.skipped.push(Skipped {
                name,
                reason,
                is_failure: true,
            }),
        }
    }
    let items = std::mem::take(&mut found.items);
    found.items = futures::stream::iter(items.into_iter().map(|item| with_grid(item, sources)))
        .buffered(OPEN_AT_ONCE)
        .try_collect()
        .await?;
    Ok(found)
}

/// Opens the first raster of an item without a grid.
async fn with_grid(mut item: PassItem, sources: UnitSources<'_>) -> Result<PassItem, ExtractError> {
    let (None, Some(asset)) = (&item.grid, item.assets.first_mut()) else {
        return Ok(item);
    };
    match GeoTiff::open(sources.resolve(&asset.href)?).await {
        Ok(raster) => {
            asset.etag = raster.etag().map(str::to_owned);
            item.grid = Extractor::geobox(&raster).ok();
        }
        Err(error) if matches!(error.kind(), ErrorKind::Data | ErrorKind::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(item)
}

fn pass_item(json: Map<String, Value>, sources: &UnitSources) -> Result<PassItem, String> {
    let properties = match json.get("properties") {
        Some(Value::Object(properties)) => properties.clone(),
        _ => Map::new(),
    };
    let version = version(&json, &properties);
    let item: Item = serde_json::from_value(Value::Object(json))
        .map_err(|error| format!("it is not valid STAC: {error}"))?;
    let datetime = item_datetime(&item)
        .ok_or("it has neither datetime nor start_datetime, and no place in a series")?;
    let mut assets = Vec::new();
    let mut grids = Vec::new();
    for (key, asset) in measured_assets(&item) {
        sources
            .resolve(&asset.href)
            .map_err(|error| match error.kind() {
                ErrorKind::Denied => format!("{error}; {}", crate::items::PREFIXES_HINT),
                _ => error.to_string(),
            })?;
        let fields: Map<String, Value> = asset.additional_fields.clone();
        grids.extend(declared_grid(&fields, &properties));
        assets.push(PassAsset {
            key: key.clone(),
            href: asset.href.clone(),
            bands: asset_bands(asset),
            size_bytes: fields.get("file:size").and_then(Value::as_u64),
            etag: None,
        });
    }
    if assets.is_empty() {
        return Err("it has no raster to measure".to_owned());
    }
    let names = pass_names(&item.id, &properties);
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    let instant = |name: &str| {
        let at = text(name).and_then(|text| parse_datetime(text).ok());
        at.map(|at: DateTime<Utc>| at.timestamp_micros())
    };
    let orbit = properties.get("sat:relative_orbit").and_then(Value::as_i64);
    Ok(PassItem {
        collection: item.collection.clone().unwrap_or_default(),
        datetime_us: datetime.timestamp_micros(),
        platform: names.platform,
        datatake: names.datatake,
        relative_orbit: orbit.and_then(|orbit| i16::try_from(orbit).ok()),
        orbit_state: text("sat:orbit_state").map(str::to_owned),
        tile: names.tile,
        channels: channels(&properties),
        grid: grids
            .into_iter()
            .min_by(|a, b| pixel_area(a).total_cmp(&pixel_area(b))),
        rank: PassRank {
            baseline: names.baseline,
            generated_us: instant("processing:datetime").or_else(|| instant("s2:generation_time")),
            updated_us: instant("updated"),
        },
        version,
        assets,
        id: item.id,
    })
}

fn pixel_area(grid: &GeoBox) -> f64 {
    grid.transform().determinant().abs()
}

/// Returns polarisations in order, then the dates of a pair.
fn channels(properties: &Map<String, Value>) -> Vec<String> {
    let list = |name: &str| {
        let values = properties.get(name).and_then(Value::as_array);
        let texts = values.into_iter().flatten().filter_map(Value::as_str);
        let mut texts: Vec<String> = texts.map(str::to_owned).collect();
        texts.sort_unstable();
        texts.dedup();
        texts
    };
    let mut channels = list("sar:polarizations");
    channels.extend(list("swath:pair"));
    channels
}

/// Returns the digest of what decides the values of an item.
fn version(json: &Map<String, Value>, properties: &Map<String, Value>) -> String {
    let mut parts = Vec::new();
    for name in [
        "updated",
        "processing:version",
        "s2:processing_baseline",
        "processing:datetime",
    ] {
        parts.push(
            properties
                .get(name)
                .map(Value::to_string)
                .unwrap_or_default(),
        );
    }
    let assets = json.get("assets").and_then(Value::as_object);
    let mut lines: Vec<String> = assets
        .into_iter()
        .flatten()
        .map(|(key, asset)| {
            // The query of a URL may be a signature, which changes with every answer.
            let href = asset["href"].as_str().unwrap_or_default();
            let href = href.split(['?', '#']).next().unwrap_or_default();
            let fields = CONTENT_FIELDS.map(|name| asset[name].to_string());
            let bands = ["bands", "raster:bands"].map(|name| asset[name].to_string());
            format!("{key} {href} {fields:?} {bands:?}")
        })
        .collect();
    lines.sort_unstable();
    parts.extend(lines);
    format!("{:032x}", xxh3_128(parts.join("\n").as_bytes()))
}

/// Returns the grid that an asset says it has; what stands on the item holds for all its assets.
fn declared_grid(asset: &Map<String, Value>, properties: &Map<String, Value>) -> Option<GeoBox> {
    let said = |name: &str| asset.get(name).or_else(|| properties.get(name));
    let crs = said("proj:code")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .or_else(|| {
            let code = said("proj:epsg").and_then(Value::as_u64);
            code.map(|code| format!("EPSG:{code}"))
        })
        .or_else(|| said("proj:wkt2").and_then(Value::as_str).map(str::to_owned))?;
    let numbers = |name: &str| -> Option<Vec<f64>> {
        said(name)?.as_array()?.iter().map(Value::as_f64).collect()
    };
    let pixels = |number: f64| {
        (number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&number))
            .then_some(number as u32)
    };
    let shape = numbers("proj:shape")?;
    let [height, width] = shape.as_slice() else {
        return None;
    };
    let size = Size {
        width: pixels(*width)?,
        height: pixels(*height)?,
    };
    let transform = numbers("proj:transform")?;
    let [dx, rx, x0, ry, dy, y0, ..] = *transform.as_slice() else {
        return None;
    };
    let transform = Transform::from_gdal([x0, dx, rx, y0, ry, dy])?;
    GeoBox::new(Crs::parse(&crs).ok()?, transform, size)
}
