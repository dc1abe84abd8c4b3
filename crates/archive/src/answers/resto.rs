//! Features of resto and its relatives: the finder of CREODIAS, SARA.

use serde_json::{Map, Value};
use swath_stac::dialect::checksum::multihash;

use super::entry::{Entry, byte_count, eodata_object, instant, is_href};
use super::{Dialect, Refusal, many, outline, refusal, text};

/// Properties with a place of their own in the item, and those that repeat others.
const PLACED: &[&str] = &[
    "title",
    "startDate",
    "completionDate",
    "published",
    "updated",
    "services",
    "resourceSize",
    "resourceChecksum",
    "quicklook",
    "thumbnail",
    "links",
    "description",
    // The geometry once more, and the words by which the finder finds.
    "gmlgeometry",
    "centroid",
    "keywords",
];

/// Reads one feature.
pub(super) fn read(feature: &Value) -> Result<Entry, Refusal> {
    let id = text(&feature["id"]).unwrap_or_default();
    let empty = Map::new();
    let properties = feature["properties"].as_object().unwrap_or(&empty);
    let get = |name: &str| properties.get(name).unwrap_or(&Value::Null);
    // The identifier of CREODIAS is a path whose last part is the name.
    let path = text(get("productIdentifier"));
    let last = path.and_then(|path| path.trim_end_matches('/').rsplit('/').next());
    let name = text(get("title"))
        .or(last)
        .ok_or_else(|| refusal(id, "it has neither \"title\" nor \"productIdentifier\""))?;
    let mut entry = Entry::new(Dialect::Resto, name)?;
    entry.start = instant(get("startDate"));
    entry.end = instant(get("completionDate"));
    entry.published = instant(get("published"));
    entry.updated = instant(get("updated"));
    let geometry = &feature["geometry"];
    let read = match (geometry.is_null(), text(get("gmlgeometry"))) {
        (true, Some(gml)) => outline::of_gml(&with_namespace(gml)),
        _ => outline::of_geojson(geometry),
    };
    entry.set_outline(read)?;
    set_places(&mut entry, properties);
    entry.download.object = path.and_then(eodata_object);
    if let Some(description) = text(get("description")) {
        entry.properties.set("description", description.into());
    }
    for (name, value) in properties {
        if !PLACED.contains(&name.as_str()) {
            entry.properties.take(name, value);
        }
    }
    entry.properties.keep("id", &feature["id"]);
    Ok(entry)
}

/// Sets where it is fetched and shown.
fn set_places(entry: &mut Entry, properties: &Map<String, Value>) {
    let get = |name: &str| properties.get(name).unwrap_or(&Value::Null);
    let download = &get("services")["download"];
    entry.download.href = text(&download["url"])
        .filter(|href| is_href(href))
        .map(str::to_owned);
    entry.download.media_type = text(&download["mimeType"]).map(str::to_owned);
    entry.download.size = byte_count(&download["size"]).or(byte_count(get("resourceSize")));
    // 32 hexadecimal digits without a name are MD5.
    entry.download.checksum = text(&download["checksum"])
        .or(text(get("resourceChecksum")))
        .map(|digest| digest.rsplit([':', '=']).next().unwrap_or(digest))
        .and_then(|digest| multihash("MD5", digest));
    entry.add_picture("thumbnail", "thumbnail", get("thumbnail").as_str());
    entry.add_picture("quicklook", "overview", get("quicklook").as_str());
    let links = many(get("links"));
    let is_record = |link: &&&Value| {
        matches!(link["rel"].as_str(), Some("self" | "alternate"))
            && link["type"] == "application/json"
    };
    entry.via = links
        .iter()
        .find(is_record)
        .and_then(|link| text(&link["href"]))
        .map(str::to_owned);
}

/// resto writes `<gml:…>` without saying what `gml` is.
fn with_namespace(gml: &str) -> String {
    match gml.contains("xmlns:gml") {
        true => gml.to_owned(),
        false => gml.replacen(
            " srsName",
            " xmlns:gml=\"http://www.opengis.net/gml\" srsName",
            1,
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_feature_without_geometry_has_its_gml() {
        let gml = "<gml:Polygon srsName=\"EPSG:4326\"><gml:outerBoundaryIs><gml:LinearRing><gml:coordinates>3,51 4,51 4,52 3,51</gml:coordinates></gml:LinearRing></gml:outerBoundaryIs></gml:Polygon>";
        let feature = json!({"type": "Feature", "id": "1", "geometry": null, "properties": {
            "productIdentifier": "/eodata/Sentinel-2/x/S2A_X.SAFE", "startDate": "2020-01-01T00:00:00Z", "gmlgeometry": gml,
            "thumbnail": "<REMOVED>"}});
        let item = read(&feature).and_then(Entry::into_item).expect("an item");
        assert_eq!(item["id"], "S2A_X");
        assert_eq!(item["bbox"], json!([3.0, 51.0, 4.0, 52.0]));
        assert_eq!(
            item["assets"]["product"]["href"],
            "s3://eodata/Sentinel-2/x/S2A_X.SAFE"
        );
        assert!(item["assets"].get("thumbnail").is_none());
    }
}
