//! Betas of STAC 1.0 (GEODES) and the items of Earth Search v0: nearly items, not yet of products.

use serde_json::{Map, Value, json};
use swath_stac::dialect::checksum::multihash;

use super::entry::{Entry, byte_count, instant};
use super::{Dialect, Refusal, many, outline, refusal, text};

/// Fields of STAC's common metadata that need no prefix.
const COMMON: &[&str] = &[
    "title",
    "description",
    "license",
    "providers",
    "keywords",
    "mission",
];
/// Properties that hold the name of the product.
const NAMES: [&str; 3] = ["s2:product_uri", "sentinel:product_id", "identifier"];
/// Properties with a place of their own in the item.
const PLACED: &[&str] = &[
    "datetime",
    "start_datetime",
    "end_datetime",
    "created",
    "updated",
    "published",
    "identifier",
    "sentinel:product_id",
    "s2:product_uri",
];

/// True of an item of Earth Search v0, and of one of a beta of STAC 1.0 that names its product.
pub(super) fn is_elder(version: Option<&str>, properties: &Map<String, Value>) -> bool {
    let is_early = version.is_some_and(|version| version.starts_with("1.0.0-"));
    let is_named = properties.get("identifier").is_some_and(Value::is_string);
    is_early && is_named || properties.contains_key("sentinel:product_id")
}

/// Reads one feature.
pub(super) fn read(feature: &Value) -> Result<Entry, Refusal> {
    let empty = Map::new();
    let properties = feature["properties"].as_object().unwrap_or(&empty);
    let get = |name: &str| properties.get(name).unwrap_or(&Value::Null);
    let id = text(&feature["id"]);
    let name = NAMES
        .iter()
        .find_map(|name| text(get(name)))
        .or(id)
        .ok_or_else(|| refusal("", "it has no \"id\""))?;
    let mut entry = Entry::new(Dialect::Elder, name)?;
    let datetime = instant(get("datetime"));
    entry.start = instant(get("start_datetime")).or(datetime);
    entry.end = instant(get("end_datetime"));
    if datetime != entry.start {
        // GEODES says there when it was ingested.
        entry.properties.keep("datetime", get("datetime"));
    }
    entry.published = instant(get("created")).or(instant(get("published")));
    entry.updated = instant(get("updated"));
    entry.set_outline(outline::of_geojson(&feature["geometry"]))?;
    for (name, value) in properties {
        take(&mut entry, name, value);
    }
    if id.is_some_and(|id| id != entry.name()) {
        entry.properties.keep("id", &feature["id"]);
    }
    for (key, asset) in feature["assets"].as_object().unwrap_or(&empty) {
        if let Some(asset) = asset.as_object().filter(|asset| asset.contains_key("href")) {
            entry.assets.insert(key.clone(), described(asset).into());
        }
    }
    entry.via = many(&feature["links"])
        .into_iter()
        .find(|link| link["rel"] == "self")
        .and_then(|link| text(&link["href"]))
        .map(str::to_owned);
    Ok(entry)
}

fn take(entry: &mut Entry, name: &str, value: &Value) {
    if PLACED.contains(&name) || value.is_null() {
        return;
    }
    let is_optical = entry
        .mission()
        .is_some_and(|mission| mission.odata == "SENTINEL-2");
    match name {
        // The mode of an optical instrument is no radar's.
        "sar:instrument_mode" if is_optical => entry.properties.take("operationalMode", value),
        // Ill-formed there, and told by geometry and asset.
        "proj:bbox" if !value.is_array() => entry.properties.keep("proj_bbox", value),
        _ if COMMON.contains(&name) => {
            entry.properties.set(name, value.clone());
        }
        _ => entry.properties.take(name, value),
    }
}

/// Returns an asset with the size and checksum that GEODES writes into its description.
fn described(asset: &Map<String, Value>) -> Map<String, Value> {
    let mut asset = asset.clone();
    let description = asset
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let after = |head: &str| {
        let line = description.lines().find_map(|line| line.strip_prefix(head));
        line.and_then(|rest| rest.split_whitespace().next())
    };
    let size = after("File size: ").and_then(|text| byte_count(&json!(text)));
    let checksum = after("Checksum MD5: ").and_then(|digest| multihash("MD5", digest));
    if let Some(size) = size {
        asset.entry("file:size").or_insert(json!(size));
    }
    if let Some(checksum) = checksum {
        asset.entry("file:checksum").or_insert(json!(checksum));
    }
    asset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_description_says_becomes_fields() {
        let asset = json!({"href": "https://h/a.zip", "description": "File size: 764 bytes\n\nIs online: false\n\nChecksum MD5: 86f828c4c7e921615d1cd0476604f780"});
        let asset = described(asset.as_object().expect("an object"));
        assert_eq!(asset["file:size"], 764);
        assert_eq!(
            asset["file:checksum"],
            "d5011086f828c4c7e921615d1cd0476604f780"
        );
    }
}
