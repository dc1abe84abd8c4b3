//! Items and collections as they go out: what the catalogue keeps, with the links of this server.

use std::collections::HashMap;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use swath_catalog::{StoredCollection, StoredItem};

use super::fields::Fields;
use crate::links::{BaseUrl, path_segment};
use crate::products::Product;

/// Media type of items and lists of items.
pub(super) const GEOJSON: &str = "application/geo+json";
/// Media type of everything else.
pub(super) const JSON: &str = "application/json";
/// Media type of queryables.
pub(super) const SCHEMA: &str = "application/schema+json";
/// Relation of the queryables (OGC 19-079r2 §6).
pub(super) const QUERYABLES: &str = "http://www.opengis.net/def/rel/ogc/1.0/queryables";
/// Relations that this server makes itself: those of others are not kept.
const OWN_RELATIONS: &[&str] = &[
    "self",
    "root",
    "parent",
    "collection",
    "items",
    "item",
    "child",
    "children",
    "next",
    "prev",
    "previous",
    "queryables",
    QUERYABLES,
    "aggregate",
    "aggregations",
    "search",
    "conformance",
    "data",
];

/// Returns a link object.
pub(super) fn link(rel: &str, href: String, kind: &str) -> Value {
    json!({"rel": rel, "href": href, "type": kind})
}

pub(super) fn collection_path(id: &str) -> String {
    format!("/stac/collections/{}", path_segment(id))
}

pub(super) fn item_path(collection: &str, id: &str) -> String {
    format!("{}/items/{}", collection_path(collection), path_segment(id))
}

/// Returns the path of an asset's bytes.
fn asset_path(collection: &str, id: &str, key: &str) -> String {
    let parts = [collection, id, key].map(path_segment);
    format!("/objects/{}", parts.join("/"))
}

/// True for hrefs that mean the same to everybody. Others name a store of the configuration or a
/// path of this machine, which is nobody's business.
fn is_public(href: &str) -> bool {
    let scheme = href.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.len() > 1 && !scheme.eq_ignore_ascii_case("file"))
}

/// Returns where this server shows the files of an item's product, by their hrefs.
fn shown_files(base: &BaseUrl, stored: &StoredItem) -> HashMap<String, String> {
    let product = Product::new(stored);
    let folder = encoded_path(&product.eodata_path());
    let files = product.files().into_iter();
    files
        .map(|file| {
            let link = base.href(&format!("{folder}/{}", encoded_path(&file.path)));
            (file.href, link)
        })
        .collect()
}

fn encoded_path(path: &str) -> String {
    let parts: Vec<String> = path.split('/').map(path_segment).collect();
    parts.join("/")
}

/// Returns the assets of an item; the hrefs that only this server can read lead to their bytes on this
/// server.
fn published_assets(base: &BaseUrl, stored: &StoredItem) -> Option<Value> {
    let mut published = stored.json.get("assets")?.clone();
    if let Value::Object(assets) = &mut published {
        publish_assets(assets, base, stored);
    }
    Some(published)
}

fn publish_assets(assets: &mut Map<String, Value>, base: &BaseUrl, stored: &StoredItem) {
    let id = item_id(stored).to_owned();
    let mut files = None;
    for (key, asset) in assets {
        if let Some(Value::String(href)) = asset.get_mut("href")
            && !is_public(href)
        {
            *href = base.href(&asset_path(&stored.collection, &id, key));
        }
        let Some(asset) = asset.as_object_mut() else {
            continue;
        };
        if let Some(Value::Object(alternates)) = asset.get_mut("alternate") {
            let files = files.get_or_insert_with(|| shown_files(base, stored));
            alternates.retain(|_, alternate| publish_alternate(alternate, files));
            if alternates.is_empty() {
                asset.shift_remove("alternate");
            }
        }
    }
}

/// Lets the href of an alternate lead to this server; false where it does not lead anywhere.
fn publish_alternate(alternate: &mut Value, files: &HashMap<String, String>) -> bool {
    let Some(Value::String(href)) = alternate.get_mut("href") else {
        return true;
    };
    if is_public(href) {
        return true;
    }
    match files.get(href.as_str()) {
        Some(link) => {
            href.clone_from(link);
            true
        }
        None => false,
    }
}

fn item_id(stored: &StoredItem) -> &str {
    let id = stored.json.get("id").and_then(Value::as_str);
    id.unwrap_or_default()
}

/// Undoes [`published_assets`] in an item that a client read, changed and sends back.
pub(super) fn restore_assets(
    document: &mut Map<String, Value>,
    base: &BaseUrl,
    stored: &StoredItem,
) {
    let known = stored.json.get("assets").and_then(Value::as_object);
    let Some(Value::Object(assets)) = document.get_mut("assets") else {
        return;
    };
    let files = shown_files(base, stored);
    for (key, asset) in assets {
        let published = base.href(&asset_path(&stored.collection, item_id(stored), key));
        let own = known.and_then(|known| known.get(key)?.get("href").cloned());
        if let (Some(href), Some(own)) = (asset.get_mut("href"), own)
            && *href == Value::String(published)
        {
            *href = own;
        }
        let alternates = asset.get_mut("alternate").and_then(Value::as_object_mut);
        for alternate in alternates.into_iter().flat_map(Map::values_mut) {
            if let Some(Value::String(href)) = alternate.get_mut("href")
                && let Some((own, _)) = files
                    .iter()
                    .find(|(_, link)| link.as_str() == href.as_str())
            {
                href.clone_from(own);
            }
        }
    }
}

/// Returns an item as STAC API has it, with the selected fields.
pub(super) fn item(base: &BaseUrl, stored: StoredItem, fields: &Fields) -> Map<String, Value> {
    let of_item = base.href(&item_path(&stored.collection, item_id(&stored)));
    let of_collection = base.href(&collection_path(&stored.collection));
    let assets = published_assets(base, &stored);
    // The rest of an item may be large: it is not copied.
    let mut document = stored.json;
    if let Some(assets) = assets {
        document.insert("assets".to_owned(), assets);
    }
    let links = vec![
        link("self", of_item, GEOJSON),
        link("root", base.href("/stac"), JSON),
        link("parent", of_collection.clone(), JSON),
        link("collection", of_collection, JSON),
    ];
    add_links(&mut document, links);
    fields.select(document)
}

/// Returns a collection as STAC API has it.
pub(super) fn collection(base: &BaseUrl, stored: StoredCollection) -> Map<String, Value> {
    let mut document = stored.json;
    let id = document
        .get("id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let path = collection_path(id);
    let of = |rest: &str| base.href(&format!("{path}{rest}"));
    let links = vec![
        link("self", of(""), JSON),
        link("root", base.href("/stac"), JSON),
        link("parent", base.href("/stac"), JSON),
        link("items", of("/items"), GEOJSON),
        link("child", of("/browse"), JSON),
        link(QUERYABLES, of("/queryables"), SCHEMA),
        link("aggregate", of("/aggregate"), JSON),
        link("aggregations", of("/aggregations"), JSON),
    ];
    add_links(&mut document, links);
    document
}

/// Removes the links that this server makes itself.
pub(super) fn remove_own_links(document: &mut Map<String, Value>) {
    if let Some(Value::Array(links)) = document.get_mut("links") {
        links.retain(|link| {
            let rel = link.get("rel").and_then(Value::as_str).unwrap_or_default();
            !OWN_RELATIONS.contains(&rel)
        });
    }
}

/// Puts the server's own links before those of the document.
fn add_links(document: &mut Map<String, Value>, mut links: Vec<Value>) {
    remove_own_links(document);
    if let Some(Value::Array(kept)) = document.get_mut("links") {
        links.append(kept);
    }
    document.insert("links".to_owned(), links.into());
}

/// Answers with a document. Caches ask again each time: what is seen depends on who asks.
pub(super) fn answer(kind: &'static str, body: impl Into<axum::body::Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "Authorization"),
    ];
    (headers, body.into()).into_response()
}

/// Answers with a JSON value.
pub(super) fn answer_json(kind: &'static str, value: impl Into<Value>) -> Response {
    answer(kind, value.into().to_string())
}

/// Answers with a document that has an etag, or with 304 where the client has it already.
pub(super) fn answer_tagged(
    request: &HeaderMap,
    etag: &str,
    kind: &'static str,
    document: Map<String, Value>,
) -> Response {
    let known = request
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let is_known = known
        .split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag);
    if is_known {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    let mut response = answer_json(kind, document);
    if let Ok(value) = etag.parse() {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_other_servers_are_replaced() {
        let document = json!({"links": [
            {"rel": "self", "href": "https://other/x"},
            {"rel": "license", "href": "https://example.org/licence"},
            {"href": "no relation"},
        ]});
        let mut document = document.as_object().expect("an object").clone();
        add_links(
            &mut document,
            vec![link("self", "http://here/x".into(), JSON)],
        );
        let relations: Vec<_> = document["links"]
            .as_array()
            .expect("links")
            .iter()
            .map(|link| link["rel"].clone())
            .collect();
        assert_eq!(relations, [json!("self"), json!("license"), Value::Null]);
        assert_eq!(document["links"][0]["href"], "http://here/x");
    }

    #[test]
    fn paths_of_this_machine_do_not_go_out() {
        let json = json!({"id": "i", "assets": {
            "far": {"href": "https://example.org/a.tif"},
            "bucket": {"href": "s3://eodata/a.tif"},
            "named": {"href": "archive:c/a.tif"},
            "file": {"href": "file:///data/a.tif"},
            "a b": {"href": "/data/a.tif"},
        }});
        let stored = StoredItem {
            json: json.as_object().expect("an object").clone(),
            collection: "c".into(),
            uuid: uuid::Uuid::nil(),
            etag: String::new(),
            created: chrono::DateTime::UNIX_EPOCH,
            updated: chrono::DateTime::UNIX_EPOCH,
        };
        let base = BaseUrl::parse("http://here").expect("a base");
        let mut shown = item(&base, stored.clone(), &Fields::default());
        let href = |item: &Map<String, Value>, key: &str| item["assets"][key]["href"].clone();
        assert_eq!(href(&shown, "far"), "https://example.org/a.tif");
        assert_eq!(href(&shown, "bucket"), "s3://eodata/a.tif");
        assert_eq!(href(&shown, "named"), "http://here/objects/c/i/named");
        assert_eq!(href(&shown, "file"), "http://here/objects/c/i/file");
        assert_eq!(href(&shown, "a b"), "http://here/objects/c/i/a%20b");
        restore_assets(&mut shown, &base, &stored);
        assert_eq!(shown["assets"], stored.json["assets"]);
    }

    #[test]
    fn originals_lead_to_this_server_or_nowhere() {
        let file = "archive:c/P.SAFE/GRANULE/B 4.jp2";
        let json = json!({"id": "P", "properties": {"datetime": "2020-01-02T00:00:00Z"}, "assets": {
            "B04": {"href": "archive:c/B04.tif", "alternate": {"original": {"href": file}}},
            "B05": {"href": "https://h/B05.tif", "alternate": {"s3": {"href": "s3://b/B05.tif"}, "local": {"href": "/data/B05.tif"}}},
        }});
        let stored = StoredItem {
            json: json.as_object().expect("an object").clone(),
            collection: "c".into(),
            uuid: uuid::Uuid::nil(),
            etag: String::new(),
            created: chrono::DateTime::UNIX_EPOCH,
            updated: chrono::DateTime::UNIX_EPOCH,
        };
        let base = BaseUrl::parse("http://here").expect("a base");
        let mut shown = item(&base, stored.clone(), &Fields::default());
        let alternate =
            |item: &Map<String, Value>, key: &str| item["assets"][key]["alternate"].clone();
        assert_eq!(
            alternate(&shown, "B04")["original"]["href"],
            "http://here/eodata/c/2020/01/02/P/B%204.jp2"
        );
        assert_eq!(
            alternate(&shown, "B05"),
            json!({"s3": {"href": "s3://b/B05.tif"}})
        );
        restore_assets(&mut shown, &base, &stored);
        assert_eq!(alternate(&shown, "B04"), alternate(&stored.json, "B04"));
    }

    #[test]
    fn ids_are_encoded_in_paths() {
        assert_eq!(
            item_path("a b", "c/d?"),
            "/stac/collections/a%20b/items/c%2Fd%3F"
        );
    }

    #[test]
    fn known_documents_are_not_sent_again() {
        let mut headers = HeaderMap::new();
        let status =
            |headers: &HeaderMap| answer_tagged(headers, "\"1\"", JSON, Map::new()).status();
        assert_eq!(status(&headers), 200);
        headers.insert(
            header::IF_NONE_MATCH,
            "\"0\", W/\"1\"".parse().expect("a header"),
        );
        assert_eq!(status(&headers), 304);
    }
}
