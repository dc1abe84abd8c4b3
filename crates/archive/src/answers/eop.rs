//! Features with `acquisitionInformation`: OGC 17-003 as Terrascope and EUMETSAT write it.

use serde_json::{Map, Value, json};
use swath_stac::dialect::checksum::multihash;

use super::entry::{Entry, byte_count, instant, interval};
use super::{Dialect, Refusal, many, outline, refusal, text};

/// Most assets of one product.
const ASSETS_MAX: usize = 1_000;
/// Groups of links that lead to files, and the role of these.
const GROUPS: [(&str, &str); 5] = [
    ("data", "data"),
    ("related", "data"),
    ("alternates", "metadata"),
    ("sip-entries", "data"),
    ("qualityReport", "metadata"),
];

/// Reads one feature.
pub(super) fn read(feature: &Value) -> Result<Entry, Refusal> {
    let id = text(&feature["id"]).unwrap_or_default();
    let properties = &feature["properties"];
    let name = text(&properties["title"])
        .or(text(&properties["identifier"]))
        .or(text(&feature["id"]))
        .ok_or_else(|| refusal(id, "it has neither \"title\" nor \"identifier\""))?;
    let mut entry = Entry::new(Dialect::Eop, name)?;
    let (start, end) = interval(&properties["date"]);
    for acquisition in many(&properties["acquisitionInformation"]) {
        let parameters = &acquisition["acquisitionParameters"];
        entry.start = entry.start.or(instant(&parameters["beginningDateTime"]));
        entry.end = entry.end.or(instant(&parameters["endingDateTime"]));
        for part in ["platform", "instrument", "acquisitionParameters"] {
            take_all(&mut entry, &acquisition[part], &[]);
        }
    }
    entry.start = entry.start.or(start);
    entry.end = entry.end.or(end);
    entry.published = instant(&properties["published"]);
    entry.updated = instant(&properties["updated"]);
    entry.set_outline(outline::of_geojson(&feature["geometry"]))?;
    take_all(&mut entry, &properties["productInformation"], &[]);
    take_all(&mut entry, &properties["extraInformation"], &["md5"]);
    let placed = [
        "type",
        "title",
        "date",
        "published",
        "updated",
        "acquisitionInformation",
        "productInformation",
        "extraInformation",
        "links",
    ];
    take_all(&mut entry, properties, &placed);
    set_files(&mut entry, &properties["links"]);
    let md5 = text(&properties["extraInformation"]["md5"]);
    entry.download.checksum = md5.and_then(|digest| multihash("MD5", digest));
    Ok(entry)
}

fn take_all(entry: &mut Entry, members: &Value, placed: &[&str]) {
    for (name, value) in members.as_object().unwrap_or(&Map::new()) {
        if !placed.contains(&name.as_str()) {
            entry.properties.take(name, value);
        }
    }
}

/// Makes assets of the links. One link to data is the product, several are its files.
fn set_files(entry: &mut Entry, links: &Value) {
    let data = many(&links["data"]);
    let is_whole = data.len() == 1;
    if let (true, Some(link)) = (is_whole, data.first()) {
        entry.download.href = text(&link["href"]).map(str::to_owned);
        entry.download.media_type = media_type(link).map(str::to_owned);
        entry.download.size = byte_count(&link["length"]);
    }
    for (group, role) in GROUPS {
        if group == "data" && is_whole {
            continue;
        }
        for link in many(&links[group]) {
            add_file(entry, link, role);
        }
    }
    for link in many(&links["previews"]) {
        let role = match link["category"].as_str() {
            Some("THUMBNAIL" | "QUICKLOOK") => "thumbnail",
            _ => "overview",
        };
        let is_map = text(&link["title"]) == Some("WMS");
        let key = if is_map { "preview" } else { "thumbnail" };
        entry.add_picture(
            key,
            if is_map { "overview" } else { role },
            text(&link["href"]),
        );
    }
    entry.via = links["alternates"]
        .as_array()
        .and_then(|links| links.first())
        .and_then(|link| text(&link["href"]))
        .map(str::to_owned);
}

fn media_type(link: &Value) -> Option<&str> {
    // EUMETSAT has `type: Link` and the media type beside it.
    text(&link["mediaType"]).or(text(&link["type"]).filter(|text| text.contains('/')))
}

fn add_file(entry: &mut Entry, link: &Value, role: &str) {
    let Some(href) = text(&link["href"]) else {
        return;
    };
    if entry.assets.len() >= ASSETS_MAX {
        return;
    }
    let last = href.rsplit('/').next().unwrap_or(href);
    let title = text(&link["title"]).unwrap_or(last);
    let mut asset = Map::new();
    asset.insert("href".into(), json!(href));
    if let Some(media_type) = media_type(link) {
        asset.insert("type".into(), json!(media_type));
    }
    asset.insert("title".into(), json!(title));
    asset.insert("roles".into(), json!([role]));
    if let Some(size) = byte_count(&link["length"]) {
        asset.insert("file:size".into(), json!(size));
    }
    let mut key = title.to_owned();
    let mut count = 1;
    while entry.assets.contains_key(&key) {
        count += 1;
        key = format!("{title} {count}");
    }
    entry.assets.insert(key, Value::Object(asset));
}
