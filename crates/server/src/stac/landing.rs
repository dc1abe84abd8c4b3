//! What is there: landing page, conformance, queryables.

use axum::extract::Path;
use axum::response::Response;
use serde_json::{Map, Value, json};
use swath_catalog::CollectionSearch;

use super::documents::{GEOJSON, JSON, QUERYABLES, SCHEMA, answer_json, collection_path, link};
use crate::error::Problem;
use crate::links::BaseUrl;
use crate::openapi;
use crate::state::Bounded;
use crate::viewer::Caller;

/// What this API conforms to.
pub(super) const CONFORMANCE: &[&str] = &[
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#fields",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#sort",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#query",
    "https://api.stacspec.org/v1.0.0-rc.3/ogcapi-features#filter",
    "https://api.stacspec.org/v1.0.0/ogcapi-features/extensions/transaction",
    "https://api.stacspec.org/v1.0.0/collections/extensions/transaction",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#fields",
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "https://api.stacspec.org/v1.0.0/item-search#query",
    "https://api.stacspec.org/v1.0.0-rc.3/item-search#filter",
    "https://api.stacspec.org/v1.0.0-rc.1/collection-search",
    "https://api.stacspec.org/v1.0.0-rc.1/collection-search#free-text",
    "https://api.stacspec.org/v1.0.0-rc.2/children",
    "https://api.stacspec.org/v1.0.0/browseable",
    "https://api.stacspec.org/v0.3.0/aggregation",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/simple-query",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/oas30",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/queryables",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
    "http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/create-replace-delete",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    "http://www.opengis.net/spec/cql2/1.0/conf/advanced-comparison-operators",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions",
    // Names of drafts that clients look for.
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-operators",
    "http://www.opengis.net/spec/cql2/1.0/conf/temporal-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/temporal-operators",
];

/// Answers `GET /stac`.
pub(super) async fn show(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
) -> Result<Response, Problem> {
    let found = state
        .catalog
        .collections(&caller.viewer, &CollectionSearch::default())
        .await?;
    let with_method = |method: &str| json!({"rel": "search", "href": base.href("/stac/search"), "type": GEOJSON, "method": method});
    let mut links = vec![
        link("self", base.href("/stac"), JSON),
        link("root", base.href("/stac"), JSON),
        link("service-desc", base.href("/api"), openapi::MEDIA_TYPE),
        link("service-doc", base.href("/api.html"), "text/html"),
        link("conformance", base.href("/stac/conformance"), JSON),
        link("data", base.href("/stac/collections"), JSON),
        link("children", base.href("/stac/children"), JSON),
        link(QUERYABLES, base.href("/stac/queryables"), SCHEMA),
        link("aggregate", base.href("/stac/aggregate"), JSON),
        link("aggregations", base.href("/stac/aggregations"), JSON),
        with_method("GET"),
        with_method("POST"),
    ];
    for collection in &found {
        let id = collection.resource.id();
        let title = collection
            .json
            .get("title")
            .and_then(Value::as_str)
            .unwrap_or(id);
        let href = base.href(&collection_path(id));
        links.push(json!({"rel": "child", "href": href, "type": JSON, "title": title}));
    }
    let document = json!({
        "type": "Catalog",
        "stac_version": "1.1.0",
        "id": "swath",
        "title": "Swath",
        "description": "Earth-observation items of this archive.",
        "conformsTo": CONFORMANCE,
        "links": links,
    });
    Ok(answer_json(JSON, document))
}

/// Answers `GET /stac/conformance`.
pub(super) async fn conformance() -> Response {
    answer_json(JSON, json!({"conformsTo": CONFORMANCE}))
}

/// Answers `GET /stac/queryables`.
pub(super) async fn queryables(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
) -> Result<Response, Problem> {
    let schema = state.catalog.queryables(&caller.viewer, None).await?;
    Ok(answer_schema(schema, base.href("/stac/queryables")))
}

/// Answers `GET /stac/collections/{collection}/queryables`.
pub(super) async fn queryables_of_collection(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path(collection): Path<String>,
) -> Result<Response, Problem> {
    let schema = state
        .catalog
        .queryables(&caller.viewer, Some(&collection))
        .await?;
    let path = format!("{}/queryables", collection_path(&collection));
    Ok(answer_schema(schema, base.href(&path)))
}

fn answer_schema(mut schema: Map<String, Value>, id: String) -> Response {
    let dialect = json!("https://json-schema.org/draft/2019-09/schema");
    schema.insert("$schema".to_owned(), dialect);
    schema.insert("$id".to_owned(), id.into());
    schema.insert("type".to_owned(), "object".into());
    answer_json(SCHEMA, schema)
}
