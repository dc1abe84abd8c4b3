//! The Data Hub System (SciHub and its relatives): OData version 2, and its OpenSearch feed in JSON.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use swath_stac::parse_datetime;

use super::entry::{Entry, byte_count, instant};
use super::outline::Outline;
use super::{Dialect, Refusal, many, odata, outline, refusal, text};

/// Groups of a feed's entry, by the type of their values.
pub(super) const GROUPS: [&str; 6] = ["str", "int", "long", "double", "date", "bool"];
/// Attributes with a place of their own in the item, in lower case.
const PLACED: &[&str] = &[
    "identifier",
    "filename",
    "footprint",
    "gmlfootprint",
    "jts footprint",
    "beginposition",
    "endposition",
    "sensing start",
    "sensing stop",
];

/// Returns the products of an answer of OData version 2: `{"d": …}`.
pub(super) fn products(document: &Map<String, Value>) -> Option<Vec<&Value>> {
    let inner = document.get("d")?;
    if let Some(results) = inner.get("results") {
        return Some(many(results));
    }
    let is_product = inner.get("Id").is_some() && inner.get("Name").is_some();
    is_product.then(|| vec![inner])
}

/// Returns the entries of a feed in JSON: `{"feed": {"entry": …}}`.
pub(super) fn entries(document: &Map<String, Value>) -> Option<Vec<&Value>> {
    let feed = document.get("feed")?.as_object()?;
    Some(many(feed.get("entry").unwrap_or(&Value::Null)))
}

/// What a hub says of a product, by its names.
struct Attributes<'a>(Vec<(&'a str, &'a Value)>);

impl<'a> Attributes<'a> {
    /// Returns the value under one of the names.
    fn get(&self, names: &[&str]) -> &'a Value {
        let is_meant =
            |own: &&(&str, &Value)| names.iter().any(|name| name.eq_ignore_ascii_case(own.0));
        self.0
            .iter()
            .find(is_meant)
            .map_or(&Value::Null, |(_, value)| value)
    }

    /// Returns the outline: of WKT before GML, since only the first is split at the antimeridian.
    fn outline(&self) -> Result<Option<Outline>, String> {
        // "Footprint" of OData is GML, "footprint" of the feed is WKT.
        let listed = ["jts footprint", "footprint", "gmlfootprint"];
        let listed: Vec<&str> = listed
            .iter()
            .filter_map(|name| text(self.get(&[name])))
            .collect();
        let wkt = listed.iter().find(|footprint| !footprint.starts_with('<'));
        match (wkt, listed.first()) {
            (Some(wkt), _) => outline::of_wkt(wkt),
            (None, Some(gml)) => outline::of_gml(gml),
            (None, None) => Ok(None),
        }
    }

    /// Sets times, footprint and properties of an entry.
    fn fill(&self, entry: &mut Entry) -> Result<(), Refusal> {
        entry.start = instant(self.get(&["beginposition", "sensing start"]));
        entry.end = instant(self.get(&["endposition", "sensing stop"]));
        entry.set_outline(self.outline())?;
        for (name, value) in &self.0 {
            if !PLACED.contains(&name.to_ascii_lowercase().as_str()) {
                entry.properties.take(name, value);
            }
        }
        Ok(())
    }
}

/// Reads one product of OData version 2.
pub(super) fn read_product(product: &Value) -> Result<Entry, Refusal> {
    let name = text(&product["Name"]);
    let id = text(&product["Id"]).unwrap_or_default();
    let name = name.ok_or_else(|| refusal(id, "it has no \"Name\""))?;
    let listed = many(&product["Attributes"]["results"]);
    let attributes = listed.into_iter().filter_map(|attribute| {
        let name = attribute["Id"].as_str().or(attribute["Name"].as_str())?;
        Some((name, &attribute["Value"]))
    });
    let attributes = Attributes(attributes.collect());
    // The name that the folder has, where it is the product's: with its ending.
    let file = text(attributes.get(&["filename"])).filter(|file| file.starts_with(name));
    let mut entry = Entry::new(Dialect::Dhus, file.unwrap_or(name))?;
    attributes.fill(&mut entry)?;
    entry.start = entry.start.or(ticks(&product["ContentDate"]["Start"]));
    entry.end = entry.end.or(ticks(&product["ContentDate"]["End"]));
    entry.published = ticks(&product["IngestionDate"]).or(ticks(&product["CreationDate"]));
    entry.updated = ticks(&product["ModificationDate"]);
    if entry.outline.is_none() {
        let gml = text(&product["ContentGeometry"]);
        entry.set_outline(gml.map_or(Ok(None), outline::of_gml))?;
    }
    let metadata = &product["__metadata"];
    entry.download.href = text(&metadata["media_src"]).map(str::to_owned);
    entry.download.media_type = text(&product["ContentType"]).map(str::to_owned);
    entry.download.size = byte_count(&product["ContentLength"]);
    entry.download.checksum = odata::checksum(&[&product["Checksum"]]);
    entry.via = text(&metadata["uri"]).map(str::to_owned);
    for name in ["Id", "Online", "OnDemand", "EvictionDate"] {
        entry.properties.keep(name, &product[name]);
    }
    Ok(entry)
}

/// Reads an instant as OData version 2 writes it, `/Date(1538436734550)/`, or as others do.
fn ticks(value: &Value) -> Option<DateTime<Utc>> {
    let text = text(value)?;
    let inner = text
        .strip_prefix("/Date(")
        .and_then(|rest| rest.strip_suffix(")/"));
    match inner {
        Some(milliseconds) => DateTime::from_timestamp_millis(milliseconds.parse().ok()?),
        None => parse_datetime(text).ok(),
    }
}

/// Reads one entry of a feed in JSON.
pub(super) fn read_entry(value: &Value) -> Result<Entry, Refusal> {
    let attributes: Vec<(&str, &Value)> = GROUPS
        .iter()
        .flat_map(|group| many(&value[*group]))
        .filter_map(|one| Some((one["name"].as_str()?, &one["content"])))
        .collect();
    let attributes = Attributes(attributes);
    let title = text(&value["title"]);
    let file = text(attributes.get(&["filename"]));
    let id = text(&value["id"]).unwrap_or_default();
    let name = file
        .or(title)
        .ok_or_else(|| refusal(id, "it has neither \"filename\" nor \"title\""))?;
    let mut entry = Entry::new(Dialect::Dhus, name)?;
    attributes.fill(&mut entry)?;
    entry.published = instant(attributes.get(&["ingestiondate"]));
    for link in many(&value["link"]) {
        let href = text(&link["href"]);
        match link["rel"].as_str() {
            None => entry.download.href = href.map(str::to_owned),
            Some("alternative") => entry.via = href.map(str::to_owned),
            Some("icon") => entry.add_picture("thumbnail", "thumbnail", href),
            Some(_) => {}
        }
    }
    entry.properties.keep("ondemand", &value["ondemand"]);
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ticks_are_milliseconds() {
        let time = ticks(&json!("/Date(1538436734550)/")).expect("an instant");
        assert_eq!(time.to_rfc3339(), "2018-10-01T23:32:14.550+00:00");
        assert_eq!(ticks(&json!("/Date(99999999999999999999)/")), None);
        assert_eq!(ticks(&json!("/Date()/")), None);
        assert_eq!(ticks(&json!(5)), None);
    }

    #[test]
    fn single_things_stand_without_brackets() {
        let document = json!({"feed": {"entry": {"title": "S3A_X", "date": {"name": "beginposition", "content": "2016-09-28T03:12:31Z"},
            "double": {"name": "cloudcoverpercentage", "content": "34.0"}, "link": {"href": "https://h/1"}}}});
        let entries = entries(document.as_object().expect("an object")).expect("a feed");
        let item = read_entry(entries[0])
            .and_then(Entry::into_item)
            .expect("an item");
        assert_eq!(item["properties"]["eo:cloud_cover"], 34.0);
        assert_eq!(item["properties"]["platform"], "sentinel-3a");
        assert_eq!(item["assets"]["product"]["href"], "https://h/1");
    }
}
