//! What to measure: STAC items, or rasters with a date, from files, folders and URLs.
//!
//! 1. A folder is walked: STAC item files count as items; rasters in folders without any count by
//!    themselves, their stem is the id.
//! 2. A JSON file is an item, an item collection, or a collection whose item links are followed.
//! 3. A `.parquet` file is stac-geoparquet.
//! 4. Items of a catalogue come as JSON, page by page; their assets must be part of their collection.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use swath_access::{Resource, Viewer};
use swath_io::{AssetRef, ErrorKind, GeoTiff, IoError, Stores};
use swath_stac::{
    Item, asset_bands, find_datetime, item_datetime, measured_assets, parse_datetime,
};

use crate::ExtractError;

/// Most items of one run.
const ITEMS_MAX: usize = 1_000_000;
/// Largest JSON file that is read as STAC, in bytes.
const JSON_BYTES_MAX: u64 = 256 << 20;
/// Deepest folder that is walked into.
const DEPTH_MAX: usize = 32;

/// What to do about an asset that lies outside of its collection.
pub(crate) const PREFIXES_HINT: &str = "swath:prefixes of its collection say where assets may lie";

/// One asset of an item to measure.
#[derive(Debug, Clone)]
pub struct ItemAsset {
    /// Key in the item; empty for a raster by itself.
    pub key: String,
    /// Where it is.
    pub asset: AssetRef,
    /// What the item says of its bands; empty where nothing.
    pub bands: Vec<swath_stac::AssetBand>,
}

/// One image to measure.
#[derive(Debug, Clone)]
pub struct ItemSource {
    /// Id of the item, or stem of the raster's name.
    pub id: String,
    /// Known from the item; a raster by itself is asked when it is opened.
    pub datetime: Option<DateTime<Utc>>,
    /// Percent of clouds, where the item says it (`eo:cloud_cover`).
    pub cloud_cover: Option<f64>,
    /// Rasters, in the order of the item.
    pub assets: Vec<ItemAsset>,
}

/// Items found, and what was passed over.
#[derive(Debug, Default)]
pub struct ItemList {
    /// In no particular order yet.
    pub items: Vec<ItemSource>,
    /// Files that are neither STAC nor raster, with the reason.
    pub skipped: Vec<Skipped>,
}

impl ItemList {
    /// Adds items of a catalogue, whose assets `viewer` reads as part of `resource`, their collection.
    ///
    /// An item that is no valid STAC, or has a raster that may not be read so, is added as skipped with
    /// the reason. Nothing is opened yet.
    ///
    /// # Errors
    /// More than a million items.
    pub fn add_registered(
        &mut self,
        stores: &Stores,
        viewer: &Viewer,
        resource: &Resource,
        items: impl IntoIterator<Item = Map<String, Value>>,
    ) -> Result<(), ExtractError> {
        let resolve = |href: &str| stores.resolve(viewer, resource, href);
        for json in items {
            let id = json.get("id").and_then(Value::as_str).unwrap_or("?");
            let name = id.to_owned();
            match item_source(Value::Object(json), resource.id(), &resolve) {
                Ok(item) => self.items.push(item),
                Err(error) => self.skipped.push(Skipped {
                    name,
                    reason: match error.kind() {
                        ErrorKind::Denied => format!("{error}; {PREFIXES_HINT}"),
                        _ => error.to_string(),
                    },
                    is_failure: true,
                }),
            }
            check_count(self)?;
        }
        Ok(())
    }
}

fn check_count(list: &ItemList) -> Result<(), ExtractError> {
    match list.items.len() > ITEMS_MAX {
        true => Err(ExtractError::Limit {
            reason: format!("more than {ITEMS_MAX} items in one run: split it by date"),
        }),
        false => Ok(()),
    }
}

/// Something that was not measured.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Skipped {
    /// Item id, file or URL.
    pub name: String,
    /// Why.
    pub reason: String,
    /// True for an image that should have been measured, false for a file that is none.
    pub is_failure: bool,
}

/// Finds the items behind paths and URLs.
///
/// # Errors
/// A path that is not there, a JSON file that is no STAC, more than a million items.
pub async fn find_items(stores: &Stores, sources: &[String]) -> Result<ItemList, ExtractError> {
    let mut list = ItemList::default();
    for source in sources {
        let path = Path::new(source);
        if path.is_dir() {
            find_in_folder(stores, path, &mut list).await?;
        } else {
            find_in_file(stores, source, &mut list).await?;
        }
        check_count(&list)?;
    }
    if list.items.is_empty() {
        return Err(ExtractError::NoItems {
            href: sources.join(" "),
        });
    }
    let mut seen = BTreeSet::new();
    for item in &list.items {
        if !seen.insert(item.id.as_str()) {
            let reason = format!(
                "the item id \"{}\" occurs twice among the items given; their rows could not be told apart",
                item.id
            );
            return Err(ExtractError::Items {
                href: sources.join(" "),
                reason,
            });
        }
    }
    Ok(list)
}

fn resolve(stores: &Stores, href: &str) -> Result<AssetRef, ExtractError> {
    Ok(stores.resolve(&Viewer::operator(), &Resource::direct(), href)?)
}

/// Files of one folder and the folders below it.
#[derive(Default)]
struct FolderFiles {
    json: Vec<PathBuf>,
    rasters: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

fn walk(
    folder: &Path,
    depth: usize,
    found: &mut Vec<(PathBuf, FolderFiles)>,
) -> Result<(), ExtractError> {
    let failed = |reason: String| ExtractError::Items {
        href: folder.display().to_string(),
        reason,
    };
    if depth > DEPTH_MAX {
        return Err(failed(format!("folders nest deeper than {DEPTH_MAX}")));
    }
    let mut files = FolderFiles::default();
    let mut folders = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|error| failed(error.to_string()))?;
    for entry in entries {
        let path = entry.map_err(|error| failed(error.to_string()))?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_hidden {
            continue;
        }
        if path.is_dir() {
            folders.push(path);
            continue;
        }
        let extension = path
            .extension()
            .map(|text| text.to_string_lossy().to_ascii_lowercase())
            .unwrap_or_default();
        match extension.as_str() {
            "json" | "geojson" => files.json.push(path),
            "tif" | "tiff" | "jp2" => files.rasters.push(path),
            _ => files.others.push(path),
        }
    }
    files.json.sort();
    files.rasters.sort();
    files.others.sort();
    found.push((folder.to_owned(), files));
    folders.sort();
    folders
        .iter()
        .try_for_each(|folder| walk(folder, depth + 1, found))
}

async fn find_in_folder(
    stores: &Stores,
    folder: &Path,
    list: &mut ItemList,
) -> Result<(), ExtractError> {
    let mut found = Vec::new();
    walk(folder, 0, &mut found)?;
    for (_, files) in found {
        let mut has_item = false;
        for path in &files.json {
            let href = path.display().to_string();
            let value = read_json(stores, &href).await?;
            match value.get("type").and_then(Value::as_str) {
                Some("Feature") if value.get("assets").is_some() => {
                    has_item = true;
                    list.items.push(typed_item(stores, value, &href)?);
                }
                // A collection's items stand in the folder themselves.
                Some("Collection" | "Catalog") => {}
                _ => list.skipped.push(Skipped {
                    name: href,
                    reason: "no STAC item".to_owned(),
                    is_failure: false,
                }),
            }
        }
        for path in files.rasters.iter().filter(|_| !has_item) {
            list.items
                .push(raster_source(stores, &path.display().to_string())?);
        }
        for path in files.others {
            list.skipped.push(Skipped {
                name: path.display().to_string(),
                reason: "neither a GeoTIFF, a JPEG 2000 file nor a STAC item".to_owned(),
                is_failure: false,
            });
        }
    }
    Ok(())
}

async fn find_in_file(
    stores: &Stores,
    href: &str,
    list: &mut ItemList,
) -> Result<(), ExtractError> {
    let path = href
        .split(['?', '#'])
        .next()
        .unwrap_or(href)
        .to_ascii_lowercase();
    if [".tif", ".tiff", ".jp2"]
        .iter()
        .any(|end| path.ends_with(end))
    {
        list.items.push(raster_source(stores, href)?);
        return Ok(());
    }
    if path.ends_with(".parquet") {
        for value in read_stac_parquet(Path::new(href))? {
            list.items.push(typed_item(stores, value, href)?);
        }
        return Ok(());
    }
    find_in_json(stores, href, list).await
}

async fn find_in_json(
    stores: &Stores,
    href: &str,
    list: &mut ItemList,
) -> Result<(), ExtractError> {
    let value = read_json(stores, href).await?;
    match value.get("type").and_then(Value::as_str) {
        Some("Feature") => list.items.push(typed_item(stores, value, href)?),
        Some("FeatureCollection") => {
            for feature in value
                .get("features")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                list.items.push(typed_item(stores, feature.clone(), href)?);
            }
        }
        Some("Collection" | "Catalog") => {
            let links = value
                .get("links")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            let items = links
                .iter()
                .filter(|link| link.get("rel").and_then(Value::as_str) == Some("item"));
            for target in items.filter_map(|link| link.get("href").and_then(Value::as_str)) {
                let target = join_href(href, target);
                let item = read_json(stores, &target).await?;
                list.items.push(typed_item(stores, item, &target)?);
            }
        }
        _ => {
            let reason = "neither a STAC item nor an item collection nor a collection".to_owned();
            return Err(ExtractError::Items {
                href: href.to_owned(),
                reason,
            });
        }
    }
    Ok(())
}

async fn read_json(stores: &Stores, href: &str) -> Result<Value, ExtractError> {
    let wrong = |reason: String| ExtractError::Items {
        href: href.to_owned(),
        reason,
    };
    let fetched = resolve(stores, href)?.read(0..JSON_BYTES_MAX, None).await?;
    if fetched.object_len > JSON_BYTES_MAX {
        return Err(wrong(format!(
            "larger than the {JSON_BYTES_MAX} bytes that are read as STAC"
        )));
    }
    serde_json::from_slice(&fetched.bytes)
        .map_err(|error| wrong(format!("not valid JSON: {error}")))
}

/// Returns a relative href as seen from the document that holds it.
fn join_href(base: &str, href: &str) -> String {
    if href.contains("://") || Path::new(href).is_absolute() {
        return href.to_owned();
    }
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = if folder.is_empty() {
        Vec::new()
    } else {
        folder.split('/').collect()
    };
    for part in href.split('/') {
        match part {
            "." | "" => {}
            ".." if parts
                .last()
                .is_some_and(|last| !last.is_empty() && *last != "..") =>
            {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join("/")
}

/// Returns the item in the document at `href`, whose relative hrefs start there.
fn typed_item(stores: &Stores, value: Value, href: &str) -> Result<ItemSource, ExtractError> {
    let operator = Viewer::operator();
    let resolve =
        |target: &str| stores.resolve(&operator, &Resource::direct(), &join_href(href, target));
    item_source(value, href, &resolve)
}

/// Returns the item in `value`; `place` names where it stands in messages.
fn item_source(
    value: Value,
    place: &str,
    resolve: &dyn Fn(&str) -> Result<AssetRef, IoError>,
) -> Result<ItemSource, ExtractError> {
    let id = value
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or("?")
        .to_owned();
    let wrong = |reason: String| ExtractError::Items {
        href: place.to_owned(),
        reason,
    };
    let item: Item = serde_json::from_value(value)
        .map_err(|error| wrong(format!("item {id} is not valid STAC: {error}")))?;
    let mut assets = Vec::new();
    for (key, asset) in measured_assets(&item) {
        let target = resolve(&asset.href)?;
        assets.push(ItemAsset {
            key: key.clone(),
            asset: target,
            bands: asset_bands(asset),
        });
    }
    Ok(ItemSource {
        datetime: item_datetime(&item),
        cloud_cover: item
            .properties
            .additional_fields
            .get("eo:cloud_cover")
            .and_then(Value::as_f64),
        id: item.id,
        assets,
    })
}

fn raster_source(stores: &Stores, href: &str) -> Result<ItemSource, ExtractError> {
    let name = href.split(['?', '#']).next().unwrap_or(href);
    let stem = Path::new(name)
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    let asset = ItemAsset {
        key: String::new(),
        asset: resolve(stores, href)?,
        bands: Vec::new(),
    };
    Ok(ItemSource {
        id: stem.unwrap_or_else(|| name.to_owned()),
        datetime: None,
        cloud_cover: None,
        assets: vec![asset],
    })
}

/// Reads the items of a stac-geoparquet file: properties stand in columns of their own.
fn read_stac_parquet(path: &Path) -> Result<Vec<Value>, ExtractError> {
    let wrong = |reason: String| ExtractError::Items {
        href: path.display().to_string(),
        reason,
    };
    let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(1024).build())
        .map_err(|error| wrong(format!("not a readable Parquet file: {error}")))?;
    let mut items = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|error| wrong(error.to_string()))?;
        let keep: Vec<usize> = (0..batch.num_columns())
            .filter(|column| batch.schema().field(*column).name() != "geometry")
            .collect();
        let batch = batch
            .project(&keep)
            .map_err(|error| wrong(error.to_string()))?;
        let mut writer = arrow::json::ArrayWriter::new(Vec::new());
        writer
            .write(&batch)
            .and_then(|()| writer.finish())
            .map_err(|error| wrong(error.to_string()))?;
        let rows: Vec<Value> = serde_json::from_slice(&writer.into_inner())
            .map_err(|error| wrong(error.to_string()))?;
        items.extend(rows.into_iter().map(item_of_row));
    }
    if items.iter().any(|item| item.get("assets").is_none()) {
        return Err(wrong(
            "not stac-geoparquet: it has no column \"assets\"".to_owned(),
        ));
    }
    Ok(items)
}

/// Turns a row of stac-geoparquet into an item: what is no field of an item is a property.
fn item_of_row(row: Value) -> Value {
    const FIELDS: [&str; 8] = [
        "type",
        "stac_version",
        "stac_extensions",
        "id",
        "bbox",
        "links",
        "assets",
        "collection",
    ];
    let mut item = serde_json::json!({"type": "Feature", "stac_version": "1.0.0", "geometry": null, "links": []});
    let mut properties = serde_json::Map::new();
    let Value::Object(columns) = row else {
        return item;
    };
    for (name, value) in columns {
        match name.as_str() {
            // The struct form of a bbox is a matter of Parquet statistics, not of STAC.
            "bbox" | "proj:geometry" => {}
            "datetime" | "start_datetime" | "end_datetime" | "created" | "updated" => {
                let text = value
                    .as_str()
                    .and_then(|text| parse_datetime(text).ok())
                    .map(|at| at.to_rfc3339());
                properties.insert(name, text.map_or(Value::Null, Value::String));
            }
            field if FIELDS.contains(&field) => item[field] = value,
            _ => {
                properties.insert(name, value);
            }
        }
    }
    properties.entry("datetime").or_insert(Value::Null);
    item["properties"] = Value::Object(properties);
    item
}

/// Returns when a raster by itself was acquired: tag `datetime`, `TIFFTAG_DATETIME`, or its name.
///
/// # Errors
/// A sentence that says what was looked at.
pub fn raster_datetime(
    raster: &GeoTiff,
    id: &str,
    pattern: Option<&str>,
) -> Result<DateTime<Utc>, String> {
    if let Some(pattern) = pattern {
        return find_datetime(id, pattern)
            .ok_or_else(|| format!("its name has no date of the form \"{pattern}\""));
    }
    let tags = [
        ("datetime", raster.metadata_item("datetime")),
        ("TIFFTAG_DATETIME", raster.datetime_tag()),
    ];
    for (name, text) in tags {
        if let Some(text) = text {
            return parse_datetime(text).map_err(|error| format!("its tag {name}: {error}"));
        }
    }
    Err("it has no date: neither a tag \"datetime\" nor TIFFTAG_DATETIME; give --date-pattern to read it from the name".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use swath_access::Visibility;
    use swath_io::AwsEnvironment;

    #[test]
    fn items_of_a_catalogue_are_read_as_part_of_their_collection() -> Result<(), ExtractError> {
        let stores = Stores::for_command_line(BTreeMap::new(), AwsEnvironment::default());
        let own = vec!["/data/own".to_owned()];
        let resource = Resource::new("own", None, Visibility::Public, own);
        let item = |id: &str, href: &str| {
            let json = serde_json::json!({"type": "Feature", "stac_version": "1.1.0", "id": id,
                "geometry": null, "links": [], "properties": {"datetime": "2021-06-01T10:00:00Z"},
                "assets": {"B04": {"href": href, "type": "image/tiff; application=geotiff"}}});
            json.as_object().cloned().unwrap_or_default()
        };
        let items = [
            item("inside", "/data/own/a/B04.tif"),
            item("outside", "/data/other/B04.tif"),
            item("climbing", "/data/own/../other/B04.tif"),
        ];
        let mut list = ItemList::default();
        list.add_registered(&stores, &Viewer::operator(), &resource, items)?;
        let found: Vec<&str> = list.items.iter().map(|item| item.id.as_str()).collect();
        assert_eq!(found, ["inside"]);
        let skipped: Vec<&str> = list.skipped.iter().map(|own| own.name.as_str()).collect();
        assert_eq!(skipped, ["outside", "climbing"]);
        assert!(list.skipped[0].reason.contains("access denied"));
        Ok(())
    }

    #[test]
    fn hrefs_are_relative_to_their_document() {
        assert_eq!(join_href("a/b/item.json", "./B04.tif"), "a/b/B04.tif");
        assert_eq!(join_href("/a/b/item.json", "../c/B04.tif"), "/a/c/B04.tif");
        assert_eq!(
            join_href("s3://bucket/a/item.json", "B04.tif"),
            "s3://bucket/a/B04.tif"
        );
        assert_eq!(join_href("item.json", "B04.tif"), "B04.tif");
        assert_eq!(
            join_href("item.json", "https://x.org/B04.tif"),
            "https://x.org/B04.tif"
        );
    }

    #[test]
    fn rows_become_items() {
        let item = item_of_row(
            serde_json::json!({"id": "x", "assets": {}, "datetime": "2020-01-01T00:00:00", "eo:cloud_cover": 3}),
        );
        assert_eq!(item["properties"]["eo:cloud_cover"], 3);
        assert_eq!(item["properties"]["datetime"], "2020-01-01T00:00:00+00:00");
    }
}
