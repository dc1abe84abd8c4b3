//! OGC API – Tiles 1.0 (20-057) and OGC API – Maps 1.0 (20-058) over the map function.
//!
//! 1. [`negotiation`]: which form is wanted, by `f` or by Accept.
//! 2. [`landing`], [`collections`], [`matrix_sets`], [`tilesets`]: the documents.
//! 3. [`area`] understands where a map lies and how many pixels it has; it is pure.
//! 4. [`drawing`] asks the map function for maps and tiles.
//!
//! A collection here is a layer of the other faces. Failures are problem documents (RFC 7807).

mod area;
mod collections;
mod drawing;
mod landing;
mod matrix_sets;
mod negotiation;
mod tilesets;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::error::Problem;
use crate::links::path_segment;
use crate::openapi;
use crate::state::AppState;

pub(crate) use drawing::{CONTENT_BBOX, CONTENT_CRS};

/// Media type of documents.
const JSON: &str = "application/json";
/// Beginning of OGC's relations of links.
const REL: &str = "http://www.opengis.net/def/rel/ogc/1.0";
/// Longitude, latitude on WGS 84.
const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";

/// Returns the routes below `/ogc`.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/ogc", get(landing::show))
        .route("/ogc/", get(landing::show))
        .route("/ogc/conformance", get(landing::conformance))
        .route("/ogc/api", get(openapi::show))
        .route("/ogc/tileMatrixSets", get(matrix_sets::list))
        .route("/ogc/tileMatrixSets/{tms}", get(matrix_sets::show))
        .route("/ogc/collections", get(collections::list))
        .route("/ogc/collections/{id}", get(collections::show))
        .route("/ogc/collections/{id}/styles", get(collections::styles))
        .route("/ogc/collections/{id}/map", get(drawing::map))
        .route("/ogc/collections/{id}/map/tiles", get(tilesets::list))
        .route("/ogc/collections/{id}/map/tiles/{tms}", get(tilesets::show))
        .route(
            "/ogc/collections/{id}/map/tiles/{tms}/{matrix}/{row}/{col}",
            get(drawing::tile),
        )
        .route(
            "/ogc/collections/{id}/styles/{style}/map",
            get(drawing::styled_map),
        )
        .route(
            "/ogc/collections/{id}/styles/{style}/map/tiles",
            get(tilesets::styled_list),
        )
        .route(
            "/ogc/collections/{id}/styles/{style}/map/tiles/{tms}",
            get(tilesets::styled_show),
        )
        .route(
            "/ogc/collections/{id}/styles/{style}/map/tiles/{tms}/{matrix}/{row}/{col}",
            get(drawing::styled_tile),
        )
}

/// Writes a failed request as a problem document (RFC 7807).
pub(crate) fn render_problem(problem: &Problem) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": problem.status.canonical_reason().unwrap_or(problem.code),
        "status": problem.status.as_u16(),
        "code": problem.code,
        "detail": problem.description,
    });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (problem.status, kind, body.to_string()).into_response()
}

/// Returns the answer with a document.
fn document(value: &Value) -> Response {
    let heads = [
        (header::CONTENT_TYPE, JSON),
        (header::VARY, "Authorization, Accept"),
    ];
    (heads, value.to_string()).into_response()
}

/// Returns a link of a document; `rel` is one of IANA's, or begins with [`REL`].
fn link(rel: &str, kind: &str, title: &str, href: String) -> Value {
    json!({"rel": rel, "type": kind, "title": title, "href": href})
}

/// Returns the path of a collection.
fn collection_path(name: &str) -> String {
    format!("/ogc/collections/{}", path_segment(name))
}

/// Returns the path of the map of a collection, in a style or in its first.
fn map_path(name: &str, style: Option<&str>) -> String {
    let collection = collection_path(name);
    match style {
        Some(style) => format!("{collection}/styles/{}/map", path_segment(style)),
        None => format!("{collection}/map"),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn failures_are_problem_documents() {
        let problem = Problem::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", "no such form");
        let response = render_problem(&problem);
        assert_eq!(response.status(), StatusCode::NOT_ACCEPTABLE);
        let kind = &response.headers()[header::CONTENT_TYPE];
        assert_eq!(kind, "application/problem+json");
    }

    #[test]
    fn paths_are_encoded() {
        assert_eq!(map_path("a:b", None), "/ogc/collections/a%3Ab/map");
        assert_eq!(
            map_path("a", Some("ndvi/x")),
            "/ogc/collections/a/styles/ndvi%2Fx/map"
        );
    }
}
