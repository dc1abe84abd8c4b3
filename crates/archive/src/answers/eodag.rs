//! Results of EODAG: features whose properties are STAC's in part, with `eodag:` beside them.

use serde_json::{Map, Value};

use super::entry::{Entry, instant, is_href};
use super::{Dialect, Refusal, outline, refusal, text};

/// Properties with a place of their own in the item, and those that are about the search.
const PLACED: &[&str] = &[
    "title",
    "datetime",
    "start_datetime",
    "end_datetime",
    "published",
    "updated",
    "providers",
    "eodag:download_link",
    "eodag:quicklook",
    "eodag:thumbnail",
    "eodag:search_intersection",
];

/// Reads one feature.
pub(super) fn read(feature: &Value) -> Result<Entry, Refusal> {
    let empty = Map::new();
    let properties = feature["properties"].as_object().unwrap_or(&empty);
    let get = |name: &str| properties.get(name).unwrap_or(&Value::Null);
    let id = text(&feature["id"]);
    let name = text(get("title"))
        .or(id)
        .ok_or_else(|| refusal("", "it has neither \"title\" nor \"id\""))?;
    let mut entry = Entry::new(Dialect::Eodag, name)?;
    entry.start = instant(get("start_datetime")).or(instant(get("datetime")));
    entry.end = instant(get("end_datetime"));
    entry.published = instant(get("published"));
    entry.updated = instant(get("updated"));
    entry.set_outline(outline::of_geojson(&feature["geometry"]))?;
    for (name, value) in properties {
        if !PLACED.contains(&name.as_str()) {
            entry.properties.take(name, value);
        }
    }
    if get("providers")
        .as_array()
        .is_some_and(|list| !list.is_empty())
    {
        entry.properties.set("providers", get("providers").clone());
    }
    if id.is_some_and(|id| id != entry.name()) {
        entry.properties.keep("id", &feature["id"]);
    }
    let href = text(get("eodag:download_link")).filter(|href| is_href(href));
    entry.download.href = href.map(str::to_owned);
    let record = href.and_then(|href| href.strip_suffix("/$value"));
    entry.via = record.map(str::to_owned);
    entry.add_picture("thumbnail", "thumbnail", text(get("eodag:thumbnail")));
    if get("eodag:quicklook") != get("eodag:thumbnail") {
        entry.add_picture("quicklook", "overview", text(get("eodag:quicklook")));
    }
    let listed = feature["assets"].as_object().unwrap_or(&empty);
    for (key, asset) in listed {
        if asset["href"].is_string() && key != "product" {
            entry.assets.insert(key.clone(), asset.clone());
        }
    }
    Ok(entry)
}
