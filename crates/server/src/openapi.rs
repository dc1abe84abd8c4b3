//! The OpenAPI document of everything that is served, put together from one committed file per face.

use std::fmt::Write as _;

use axum::http::header;
use axum::response::{Html, IntoResponse};
use serde_json::{Map, Value, json};

use crate::links::BaseUrl;

/// Media type of the document (OGC 17-069r4 §9).
pub(crate) const MEDIA_TYPE: &str = "application/vnd.oai.openapi+json;version=3.0";
/// The first file has what all share; of the others, paths, tags and components are added.
const PARTS: &[&str] = &[
    include_str!("../openapi/server.json"),
    include_str!("../openapi/stac.json"),
    include_str!("../openapi/resto.json"),
    include_str!("../openapi/odata.json"),
    include_str!("../openapi/objects.json"),
    include_str!("../openapi/parcels.json"),
    include_str!("../openapi/query.json"),
    include_str!("../openapi/ows.json"),
    include_str!("../openapi/tiles.json"),
    include_str!("../openapi/ogc.json"),
];
/// How long clients may keep it: it changes with the program only.
const CACHE_CONTROL: &str = "max-age=3600";

/// Answers `/api`.
pub(crate) async fn show(base: BaseUrl) -> impl IntoResponse {
    let mut document = document();
    document.insert("servers".to_owned(), json!([{"url": base.href("")}]));
    let headers = [
        (header::CONTENT_TYPE, MEDIA_TYPE),
        (header::CACHE_CONTROL, CACHE_CONTROL),
        (header::VARY, "Host"),
    ];
    (headers, Value::Object(document).to_string())
}

/// Answers `/api.html`: the same for people, one line per operation.
pub(crate) async fn show_page(base: BaseUrl) -> impl IntoResponse {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Swath API</title>\
         <style>body{font:1rem/1.5 sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}td{padding:.2rem .8rem .2rem 0;vertical-align:top}</style>",
    );
    let _ = write!(
        page,
        "<h1>Swath API</h1><p>The machine-readable description is at <a href=\"{0}\">{0}</a>.</p><table>",
        escaped(&base.href("/api"))
    );
    let document = document();
    let paths = document
        .get("paths")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            let Some(summary) = operation.get("summary").and_then(Value::as_str) else {
                continue;
            };
            let method = method.to_uppercase();
            let _ = write!(
                page,
                "<tr><td>{method}</td><td><code>{}</code></td><td>{}</td></tr>",
                escaped(path),
                escaped(summary)
            );
        }
    }
    page.push_str("</table></html>");
    ([(header::CACHE_CONTROL, CACHE_CONTROL)], Html(page))
}

/// Returns the whole document, without the address of the server.
fn document() -> Map<String, Value> {
    let mut whole = Map::new();
    for part in PARTS {
        let part: Value = serde_json::from_str(part).expect("a committed file, covered by a test");
        add(&mut whole, part);
    }
    whole
}

/// Adds the members of objects, one by one down to `components.schemas`, and those of arrays.
fn add(whole: &mut Map<String, Value>, part: Value) {
    let Value::Object(part) = part else {
        return;
    };
    for (key, value) in part {
        match (whole.get_mut(&key), value) {
            (Some(Value::Object(known)), value @ Value::Object(_)) => add(known, value),
            (Some(Value::Array(known)), Value::Array(mut more)) => known.append(&mut more),
            (_, value) => {
                whole.insert(key, value);
            }
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Returns `METHOD path` of every operation in the document.
    fn described() -> BTreeSet<String> {
        let document = document();
        let mut found = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for method in operations
                .as_object()
                .expect("operations")
                .keys()
                .filter(|key| *key != "parameters")
            {
                found.insert(format!("{method} {path}"));
            }
        }
        found
    }

    /// Returns `METHOD path` of every `.route(…)` in the sources of this crate.
    fn routed() -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("a file").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).expect("a source file");
                let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
                for route in shipped.split(".route(").skip(1) {
                    let path = route.split('"').nth(1).expect("a path");
                    let end = route
                        .find(".route")
                        .unwrap_or(route.len())
                        .min(route.find(".layer(").unwrap_or(route.len()));
                    let handlers = &route[..end];
                    for method in ["get", "post", "put", "patch", "delete"] {
                        let called = format!("{method}(");
                        let is_called = handlers.match_indices(&called).any(|(at, _)| {
                            !handlers[..at].ends_with(|before: char| {
                                before.is_alphanumeric() || before == '_' || before == ':'
                            })
                        });
                        if is_called {
                            found.insert(format!("{method} {path}"));
                        }
                    }
                }
            }
        }
        found
    }

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let (described, mut routed) = (described(), routed());
        // Some pages answer with and without the slash.
        routed.retain(|operation| !operation.ends_with('/'));
        // Behind a wildcard a face has paths of its own: at least one is described.
        let (wild, plain): (BTreeSet<String>, BTreeSet<String>) = routed
            .into_iter()
            .partition(|operation| operation.contains("{*"));
        let starts: Vec<&str> = wild
            .iter()
            .filter_map(|operation| operation.split("{*").next())
            .collect();
        let is_below = |operation: &String, start: &&str| operation.starts_with(start);
        let mut missing: Vec<&str> = plain.difference(&described).map(String::as_str).collect();
        missing.extend(
            starts
                .iter()
                .filter(|start| !described.iter().any(|operation| is_below(operation, start))),
        );
        let invented: Vec<_> = described
            .difference(&plain)
            .filter(|operation| !starts.iter().any(|start| is_below(operation, start)))
            .collect();
        assert!(
            missing.is_empty() && invented.is_empty(),
            "missing: {missing:?}, invented: {invented:?}"
        );
    }

    #[test]
    fn references_lead_somewhere() {
        let document = Value::Object(document());
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap_or_default();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        assert_eq!(
            document["openapi"].as_str().map(|version| &version[..3]),
            Some("3.0")
        );
    }
}
