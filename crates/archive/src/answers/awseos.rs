//! The search of EOS over the buckets of AWS: `{"results": [{"sceneID": …}]}`.

use serde_json::{Map, Value, json};

use super::entry::{Entry, instant};
use super::{Dialect, Refusal, outline, refusal, text};

/// Members with a place of their own in the item.
const PLACED: &[&str] = &[
    "productName",
    "timestamp",
    "dataGeometry",
    "thumbnail",
    "productMetaLink",
    "originalTileMeta",
    "cloudCoverage",
    "satelliteName",
    "sunElevation",
    "azimuthAngle",
];

/// Returns the results of an answer; `None` where it is none.
pub(super) fn results(document: &Map<String, Value>) -> Option<Vec<&Value>> {
    let results = document.get("results")?.as_array()?;
    let is_service = document
        .get("meta")
        .is_some_and(|meta| meta["name"] == "satellite-meta-service");
    let is_scene = |value: &Value| value["sceneID"].is_string();
    (is_service || results.iter().any(is_scene)).then(|| results.iter().collect())
}

/// Reads one result.
pub(super) fn read(result: &Value) -> Result<Entry, Refusal> {
    let scene = text(&result["sceneID"]);
    let name = text(&result["productName"])
        .or(scene)
        .ok_or_else(|| refusal("", "it has neither \"productName\" nor \"sceneID\""))?;
    let mut entry = Entry::new(Dialect::Awseos, name)?;
    entry.start = instant(&result["timestamp"]).or(instant(&result["date"]));
    let geometry = match result["dataGeometry"].is_null() {
        true => &result["tileGeometry"],
        false => &result["dataGeometry"],
    };
    entry.set_outline(outline::of_geojson(geometry))?;
    entry
        .properties
        .take("platformSerialIdentifier", &result["satelliteName"]);
    entry
        .properties
        .take("cloudCover", &result["cloudCoverage"]);
    for (property, member) in [
        ("view:sun_elevation", "sunElevation"),
        ("view:sun_azimuth", "azimuthAngle"),
    ] {
        if let Some(degrees) = result[member].as_f64() {
            entry.properties.set(property, json!(degrees));
        }
    }
    let thumbnail = text(&result["thumbnail"]);
    entry.add_picture("thumbnail", "thumbnail", thumbnail);
    for (key, member) in [
        ("product_metadata", "productMetaLink"),
        ("tile_info", "originalTileMeta"),
    ] {
        if let Some(href) = text(&result[member]) {
            let asset = json!({"href": href, "roles": ["metadata"]});
            entry.assets.insert(key.to_owned(), asset);
        }
    }
    // The bucket is the host of its pictures.
    let bucket = text(&result["originalTileMeta"])
        .or(thumbnail)
        .and_then(|href| {
            let host_and_path = href.split("://").nth(1)?;
            let (bucket, _) = host_and_path.split_once(".s3.")?;
            Some(bucket)
        });
    entry.download.object = bucket
        .zip(text(&result["awsPath"]))
        .map(|(bucket, path)| format!("s3://{bucket}/{path}"));
    for (name, value) in result.as_object().unwrap_or(&Map::new()) {
        if !PLACED.contains(&name.as_str()) {
            entry.properties.keep(name, value);
        }
    }
    Ok(entry)
}
