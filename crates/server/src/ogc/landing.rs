//! What is there: landing page and conformance.

use axum::extract::RawQuery;
use axum::response::Response;
use serde_json::json;

use super::negotiation::want_json;
use super::{JSON, REL, document, link};
use crate::asker::Asker;
use crate::error::Problem;
use crate::openapi;
use crate::query::pairs;

/// What this API conforms to. Of Maps there is no `background`: `bgcolor` and `transparent` are taken,
/// but what lies outside of a projection has no colour of its own.
const CONFORMANCE: &[&str] = &[
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/landing-page",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/tms/2.0/conf/tilematrixset",
    "http://www.opengis.net/spec/tms/2.0/conf/json-tilematrixset",
    "http://www.opengis.net/spec/tms/2.0/conf/tilematrixsetlimits",
    "http://www.opengis.net/spec/tms/2.0/conf/json-tilematrixsetlimits",
    "http://www.opengis.net/spec/tms/2.0/conf/tilesetmetadata",
    "http://www.opengis.net/spec/tms/2.0/conf/json-tilesetmetadata",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tileset",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tilesets-list",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/geodata-tilesets",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/datetime",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/png",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/jpeg",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tiff",
    "http://www.opengis.net/spec/ogcapi-maps-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-maps-1/1.0/conf/collection-map",
    "http://www.opengis.net/spec/ogcapi-maps-1/1.0/conf/styled-map",
    "http://www.opengis.net/spec/ogcapi-maps-1/1.0/conf/tilesets",
    "http://www.opengis.net/spec/ogcapi-maps-1/1.0/conf/spatial-subsetting",
    "http://www.opengis.net/spec/ogcapi-maps-1/1.0/conf/scaling",
    "http://www.opengis.net/spec/ogcapi-maps-1/1.0/conf/display-resolution",
    "http://www.opengis.net/spec/ogcapi-maps-1/1.0/conf/datetime",
    "http://www.opengis.net/spec/ogcapi-maps-1/1.0/conf/crs",
    "http://www.opengis.net/spec/ogcapi-maps-1/1.0/conf/png",
    "http://www.opengis.net/spec/ogcapi-maps-1/1.0/conf/jpeg",
    "http://www.opengis.net/spec/ogcapi-maps-1/1.0/conf/tiff",
];

/// Answers `GET /ogc`.
pub(super) async fn show(asker: Asker, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let pairs = pairs(query.as_deref(), &["f"])?;
    want_json(pairs.get("f").map(String::as_str), &asker.headers)?;
    let at = |path: &str| asker.base.href(path);
    let ogc = |name: &str| format!("{REL}/{name}");
    let sets = at("/ogc/tileMatrixSets");
    let links = [
        link("self", JSON, "This page", at("/ogc")),
        link(
            "service-desc",
            openapi::MEDIA_TYPE,
            "The API",
            at("/ogc/api"),
        ),
        link(
            "service-doc",
            "text/html",
            "The API for people",
            at("/api.html"),
        ),
        link("conformance", JSON, "Conformance", at("/ogc/conformance")),
        link(
            &ogc("conformance"),
            JSON,
            "Conformance",
            at("/ogc/conformance"),
        ),
        link("data", JSON, "Collections", at("/ogc/collections")),
        link(&ogc("data"), JSON, "Collections", at("/ogc/collections")),
        link(&ogc("tiling-schemes"), JSON, "Tile matrix sets", sets),
    ];
    Ok(document(&json!({
        "title": "Swath",
        "description": "Maps and map tiles of an Earth-observation archive.",
        "conformsTo": CONFORMANCE,
        "links": links,
    })))
}

/// Answers `GET /ogc/conformance`.
pub(super) async fn conformance(
    asker: Asker,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let pairs = pairs(query.as_deref(), &["f"])?;
    want_json(pairs.get("f").map(String::as_str), &asker.headers)?;
    Ok(document(&json!({"conformsTo": CONFORMANCE})))
}
