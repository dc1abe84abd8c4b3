//! From a product and the places of its files to a STAC 1.1 item.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use crate::product::{BandField, Grid, Product, ProductAsset};

/// Where schemas of extensions lie.
pub(crate) const SCHEMAS: &str = "https://stac-extensions.github.io";
/// Decimals of scale and offset: 1 / 10000 is not 0.0001 in the last bit.
const FACTOR_DECIMALS: f64 = 1e12;

/// Where one asset of an item lies.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlacedAsset {
    /// Where it lies.
    pub href: String,
    /// Media type of what lies there.
    pub media_type: String,
    /// Bytes.
    pub size: Option<u64>,
    /// Multihash in hexadecimal digits.
    pub checksum: Option<String>,
    /// Grid of the file itself, where it was opened.
    pub grid: Option<Grid>,
    /// The file as delivered, where the asset is made from it.
    pub original: Option<PlacedOriginal>,
}

/// A file as delivered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlacedOriginal {
    /// Where it lies.
    pub href: String,
    /// Media type.
    pub media_type: String,
    /// Bytes.
    pub size: Option<u64>,
    /// Multihash in hexadecimal digits.
    pub checksum: Option<String>,
}

/// Returns the text of an instant, to the microsecond where it needs it, in UTC.
pub(crate) fn datetime_text(time: DateTime<Utc>) -> String {
    let micros = time.timestamp_subsec_micros();
    let form = match micros {
        0 => SecondsFormat::Secs,
        micros if micros % 1000 == 0 => SecondsFormat::Millis,
        _ => SecondsFormat::Micros,
    };
    time.to_rfc3339_opts(form, true)
}

/// Returns the item of a product with those of its assets that have a place.
///
/// Assets that the product should have and that have none are named in `swath:missing`.
pub fn item(
    product: &Product,
    collection: &str,
    placed: &BTreeMap<String, PlacedAsset>,
) -> Map<String, Value> {
    let mut properties = Map::new();
    properties.insert(
        "datetime".to_owned(),
        json!(datetime_text(product.datetime)),
    );
    if let Some((start, end)) = product.interval {
        properties.insert("start_datetime".to_owned(), json!(datetime_text(start)));
        properties.insert("end_datetime".to_owned(), json!(datetime_text(end)));
    }
    properties.extend(product.properties.clone());
    let mut assets = Map::new();
    let mut missing = Vec::new();
    for (key, asset) in &product.assets {
        match placed.get(key) {
            Some(place) => {
                assets.insert(key.clone(), asset_json(asset, place));
            }
            None => missing.push(key.as_str()),
        }
    }
    if let Some(code) = common_code(&assets) {
        properties.insert("proj:code".to_owned(), json!(code));
    }
    if !missing.is_empty() {
        properties.insert("swath:missing".to_owned(), json!(missing));
    }
    let bbox = product.footprint.bbox();
    let mut item = Map::new();
    item.insert("type".to_owned(), json!("Feature"));
    item.insert("stac_version".to_owned(), json!("1.1.0"));
    item.insert("stac_extensions".to_owned(), json!([]));
    item.insert("id".to_owned(), json!(product.id));
    item.insert("collection".to_owned(), json!(collection));
    item.insert("geometry".to_owned(), product.footprint.geometry());
    item.insert(
        "bbox".to_owned(),
        json!([bbox.west, bbox.south, bbox.east, bbox.north]),
    );
    let extensions = extensions(product, &properties, &assets);
    item.insert("properties".to_owned(), Value::Object(properties));
    item.insert("links".to_owned(), json!([]));
    item.insert("assets".to_owned(), Value::Object(assets));
    item.insert("stac_extensions".to_owned(), json!(extensions));
    item
}

/// Returns the CRS that all rasters share.
fn common_code(assets: &Map<String, Value>) -> Option<String> {
    let mut codes = assets
        .values()
        .filter_map(|asset| asset["proj:code"].as_str());
    let first = codes.next()?;
    codes.all(|code| code == first).then(|| first.to_owned())
}

/// Returns the schemas of the extensions whose fields the item has.
fn extensions(
    product: &Product,
    properties: &Map<String, Value>,
    assets: &Map<String, Value>,
) -> Vec<String> {
    let mut candidates = product.extensions.clone();
    candidates.extend([
        "file/v2.1.0",
        "alternate-assets/v1.2.0",
        "scientific/v1.0.0",
    ]);
    candidates.sort_unstable();
    candidates.dedup();
    let used = candidates.into_iter().filter(|candidate| {
        let name = candidate.split('/').next().unwrap_or_default();
        let prefix = match name {
            "projection" => "proj:",
            "alternate-assets" => "alternate",
            "scientific" => "sci:",
            "classification" => "classification:",
            name => return has(properties, assets, &format!("{name}:")),
        };
        has(properties, assets, prefix)
    });
    used.map(|name| format!("{SCHEMAS}/{name}/schema.json"))
        .collect()
}

pub(crate) fn has(
    properties: &Map<String, Value>,
    assets: &Map<String, Value>,
    prefix: &str,
) -> bool {
    let in_map = |map: &Map<String, Value>| map.keys().any(|key| key.starts_with(prefix));
    let in_asset = |asset: &Value| {
        let bands = asset["bands"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        asset.as_object().is_some_and(in_map)
            || bands.iter().filter_map(Value::as_object).any(in_map)
    };
    in_map(properties) || assets.values().any(in_asset)
}

fn asset_json(asset: &ProductAsset, place: &PlacedAsset) -> Value {
    let mut found = Map::new();
    let mut set = |key: &str, value: Value| {
        if !value.is_null() {
            found.insert(key.to_owned(), value);
        }
    };
    set("href", json!(place.href));
    set("type", json!(place.media_type));
    set("title", json!(asset.title));
    set("roles", json!(asset.roles));
    for (key, value) in &asset.fields {
        set(key, value.clone());
    }
    if let Some(raster) = &asset.raster {
        set("gsd", raster.gsd.map_or(Value::Null, number));
        set("data_type", json!(raster.data_type.name()));
        set("nodata", raster.nodata.map_or(Value::Null, number));
        if let [band] = raster.bands.as_slice() {
            set("raster:scale", band.scale.map_or(Value::Null, factor));
            set("raster:offset", band.offset.map_or(Value::Null, factor));
            set("unit", json!(band.unit));
        }
        if !raster.classes.is_empty() {
            let classes = raster.classes.iter().enumerate();
            set(
                "classification:classes",
                classes
                    .map(|(value, name)| class(value, name, raster.nodata))
                    .collect(),
            );
        }
        set(
            "bands",
            raster
                .bands
                .iter()
                .map(|band| band_json(band, raster.bands.len() > 1))
                .collect(),
        );
        if let Some(grid) = place.grid.as_ref().or(raster.grid.as_ref()) {
            for (key, value) in grid_json(grid) {
                set(&key, value);
            }
        }
    }
    set("file:size", json!(place.size));
    set("file:checksum", json!(place.checksum));
    if let Some(original) = &place.original {
        set("alternate", original_json(original));
    }
    Value::Object(found)
}

fn class(value: usize, name: &str, nodata: Option<f64>) -> Value {
    match nodata == Some(value as f64) {
        true => json!({"value": value, "name": name, "nodata": true}),
        false => json!({"value": value, "name": name}),
    }
}

fn original_json(original: &PlacedOriginal) -> Value {
    let mut inner = Map::new();
    inner.insert("href".to_owned(), json!(original.href));
    inner.insert("title".to_owned(), json!("As delivered"));
    inner.insert("type".to_owned(), json!(original.media_type));
    if let Some(size) = original.size {
        inner.insert("file:size".to_owned(), json!(size));
    }
    if let Some(checksum) = &original.checksum {
        inner.insert("file:checksum".to_owned(), json!(checksum));
    }
    json!({"original": inner})
}

/// Returns a band; scale and offset stand on the asset where it has one band only, and here too for
/// clients that look at bands alone.
fn band_json(band: &BandField, is_one_of_many: bool) -> Value {
    let mut found = Map::new();
    let mut set = |key: &str, value: Value| {
        if !value.is_null() {
            found.insert(key.to_owned(), value);
        }
    };
    set("name", json!(band.name));
    set("description", json!(band.description));
    set("eo:common_name", json!(band.common_name));
    if let Some((center, width)) = band.wavelength_um {
        set("eo:center_wavelength", json!(center));
        set("eo:full_width_half_max", json!(width));
    }
    set("raster:scale", band.scale.map_or(Value::Null, factor));
    set("raster:offset", band.offset.map_or(Value::Null, factor));
    if is_one_of_many {
        set("unit", json!(band.unit));
    }
    Value::Object(found)
}

/// Returns the fields of the projection extension.
fn grid_json(grid: &Grid) -> Map<String, Value> {
    let mut found = Map::new();
    match grid.crs.epsg() {
        Some(code) => found.insert("proj:code".to_owned(), json!(format!("EPSG:{code}"))),
        None => found.insert("proj:wkt2".to_owned(), json!(grid.crs.to_wkt())),
    };
    let size = grid.size;
    found.insert("proj:shape".to_owned(), json!([size.height, size.width]));
    let [x, col_dx, row_dx, y, col_dy, row_dy] = grid.transform.to_gdal();
    found.insert(
        "proj:transform".to_owned(),
        json!([col_dx, row_dx, x, col_dy, row_dy, y]),
    );
    let corners = [
        (0, 0),
        (size.width, 0),
        (0, size.height),
        (size.width, size.height),
    ];
    let mut bounds = swath_grid::Bounds::empty();
    for (col, row) in corners {
        bounds.extend(grid.transform.to_crs(swath_grid::Point {
            x: f64::from(col),
            y: f64::from(row),
        }));
    }
    found.insert(
        "proj:bbox".to_owned(),
        json!([bounds.min_x, bounds.min_y, bounds.max_x, bounds.max_y]),
    );
    found
}

/// Returns a whole number as such.
fn number(value: f64) -> Value {
    match value.fract() == 0.0 && value.abs() < 1e15 {
        true => json!(value as i64),
        false if value.is_nan() => json!("nan"),
        false if value.is_infinite() => json!(if value > 0.0 { "inf" } else { "-inf" }),
        false => json!(value),
    }
}

fn factor(value: f64) -> Value {
    number((value * FACTOR_DECIMALS).round() / FACTOR_DECIMALS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_the_digits_they_need() {
        let text = |text: &str| datetime_text(text.parse().expect("an instant"));
        assert_eq!(text("2022-10-05T11:54:11.024Z"), "2022-10-05T11:54:11.024Z");
        assert_eq!(text("2022-10-05T11:54:11Z"), "2022-10-05T11:54:11Z");
        assert_eq!(
            text("2022-10-05T11:54:11.024567Z"),
            "2022-10-05T11:54:11.024567Z"
        );
    }

    #[test]
    fn factors_are_what_people_write() {
        assert_eq!(factor(1.0 / 10_000.0), json!(0.0001));
        assert_eq!(factor(-1000.0 / 10_000.0), json!(-0.1));
        assert_eq!(factor(0.0), json!(0));
        assert_eq!(number(f64::NAN), json!("nan"));
    }
}
