//! The aggregation extension: numbers and frequencies over what a search finds.

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::{Map, Value, json};
use swath_access::Viewer;
use swath_catalog::Catalog;

use super::documents::{JSON, answer_json, collection_path, link};
use super::parameters::body_of_query;
use super::question::Question;
use crate::body::json_object;
use crate::error::Problem;
use crate::links::BaseUrl;
use crate::state::{AppState, Bounded};
use crate::viewer::Caller;

/// The parameters of `GET /aggregate`.
const KEYS: &[&str] = &[
    "aggregations",
    "collections",
    "ids",
    "bbox",
    "intersects",
    "datetime",
    "filter",
    "filter-lang",
    "filter-crs",
    "query",
];

/// Answers `GET /aggregations`.
pub(super) async fn list(base: BaseUrl) -> Response {
    answer_known(&base, "/stac")
}

/// Answers `GET /collections/{collection}/aggregations`.
pub(super) async fn list_of_collection(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path(collection): Path<String>,
) -> Result<Response, Problem> {
    state
        .catalog
        .collection(&caller.viewer, &collection)
        .await?;
    Ok(answer_known(&base, &collection_path(&collection)))
}

/// Answers `GET /aggregate`.
pub(super) async fn of_query(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    uri: Uri,
) -> Result<Response, Problem> {
    let body = body_of_query(uri.query(), KEYS)?;
    aggregate(&state, &caller.viewer, &base, &uri, body).await
}

/// Answers `POST /aggregate`.
pub(super) async fn of_body(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body = json_object(&headers, &body)?;
    aggregate(&state, &caller.viewer, &base, &uri, body).await
}

/// Answers `GET /collections/{collection}/aggregate`.
pub(super) async fn of_collection_query(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path(collection): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    state
        .catalog
        .collection(&caller.viewer, &collection)
        .await?;
    let mut body = body_of_query(uri.query(), KEYS)?;
    body.insert("collections".to_owned(), json!([collection]));
    aggregate(&state, &caller.viewer, &base, &uri, body).await
}

/// Answers `POST /collections/{collection}/aggregate`.
pub(super) async fn of_collection_body(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path(collection): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let mut body = json_object(&headers, &body)?;
    state
        .catalog
        .collection(&caller.viewer, &collection)
        .await?;
    body.insert("collections".to_owned(), json!([collection]));
    aggregate(&state, &caller.viewer, &base, &uri, body).await
}

async fn aggregate(
    state: &AppState,
    viewer: &Viewer,
    base: &BaseUrl,
    uri: &Uri,
    mut body: Map<String, Value>,
) -> Result<Response, Problem> {
    let names = names(body.remove("aggregations"))?;
    let question = Question::parse(&body)?;
    let found = state
        .catalog
        .aggregate(viewer, &question.search, &names)
        .await?;
    let found: Vec<Value> = found
        .into_iter()
        .map(|aggregation| aggregation.json)
        .collect();
    let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
    let links = [
        link("self", base.href(path_and_query), JSON),
        link("root", base.href("/stac"), JSON),
    ];
    Ok(answer_json(
        JSON,
        json!({"aggregations": found, "links": links}),
    ))
}

/// Reads the names of aggregations; without any, the number of items.
fn names(value: Option<Value>) -> Result<Vec<String>, Problem> {
    let known = Catalog::aggregations();
    let fault = || {
        let known = known.join(", ");
        Problem::invalid(format!("aggregations: an array of names out of {known}"))
    };
    let members = match value {
        None | Some(Value::Null) => return Ok(vec!["total_count".to_owned()]),
        Some(Value::Array(members)) => members,
        Some(_) => return Err(fault()),
    };
    let mut names: Vec<String> = Vec::new();
    for member in members {
        let name = member.as_str().filter(|name| known.contains(name));
        let name = name.ok_or_else(fault)?;
        if !names.iter().any(|before| before == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn answer_known(base: &BaseUrl, parent: &str) -> Response {
    let known: Vec<Value> = Catalog::aggregations()
        .into_iter()
        .map(description)
        .collect();
    let links = [
        link("self", base.href(&format!("{parent}/aggregations")), JSON),
        link("root", base.href("/stac"), JSON),
        link("aggregate", base.href(&format!("{parent}/aggregate")), JSON),
    ];
    answer_json(JSON, json!({"aggregations": known, "links": links}))
}

/// Returns what an aggregation is called and which types its values have.
fn description(name: &str) -> Value {
    if !name.ends_with("_frequency") {
        let data_type = match name {
            "total_count" => "integer",
            _ => "datetime",
        };
        return json!({"name": name, "data_type": data_type});
    }
    let bucket_data_type = match name {
        "datetime_frequency" => "datetime",
        "cloud_cover_frequency" => "numeric",
        _ => "string",
    };
    json!({
        "name": name,
        "data_type": "frequency_distribution",
        "frequency_distribution_data_type": bucket_data_type,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(names(None), Ok(vec!["total_count".to_owned()]));
        let twice = json!(["datetime_min", "datetime_min"]);
        assert_eq!(names(Some(twice)), Ok(vec!["datetime_min".to_owned()]));
        for value in [json!("total_count"), json!([1]), json!(["sum"])] {
            assert!(names(Some(value)).is_err());
        }
    }
}
