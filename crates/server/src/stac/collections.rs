//! Collections, searched and shown.

use axum::extract::Path;
use axum::http::{Uri, header};
use axum::response::Response;
use serde_json::{Map, Value, json};
use swath_access::Viewer;
use swath_catalog::{CollectionSearch, StoredCollection};

use super::documents::{self, JSON, answer_json, link};
use super::parameters::{body_of_query, query_with};
use super::question::{LIMIT_MAX, bbox, datetime, limit};
use crate::error::Problem;
use crate::links::BaseUrl;
use crate::state::{AppState, Bounded};
use crate::viewer::Caller;

/// The parameters of `GET /collections`.
const KEYS: &[&str] = &["q", "bbox", "datetime", "limit", "token"];
/// Most words or phrases of `q`, with commas between them.
const TERMS_MAX: usize = 10;
/// Longest `q`, in bytes.
const TEXT_BYTES_MAX: usize = 1_000;

/// Answers `GET /collections`.
pub(super) async fn list(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    uri: Uri,
) -> Result<Response, Problem> {
    let body = body_of_query(uri.query(), KEYS)?;
    let found = find(&state, &caller.viewer, &body).await?;
    let page_size = match body.get("limit") {
        None => LIMIT_MAX as usize,
        some => limit(some)? as usize,
    };
    let start = match body.get("token").and_then(Value::as_str) {
        None => 0,
        Some(token) => token
            .parse()
            .map_err(|_| Problem::invalid("token: not one that this server gave"))?,
    };
    let matched = found.len();
    let shown: Vec<Value> = found
        .into_iter()
        .skip(start)
        .take(page_size)
        .map(|stored| Value::Object(documents::collection(&base, stored)))
        .collect();
    let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut links = vec![
        link("self", base.href(path_and_query), JSON),
        link("root", base.href("/stac"), JSON),
    ];
    let end = start.saturating_add(shown.len());
    if end < matched && !shown.is_empty() {
        let query = query_with(uri.query(), &["token"], &[("token", &end.to_string())]);
        links.push(link(
            "next",
            base.href(&format!("{}?{query}", uri.path())),
            JSON,
        ));
    }
    let document = json!({"collections": shown, "links": links, "numberMatched": matched, "numberReturned": shown.len()});
    Ok(answer_json(JSON, document))
}

/// Answers `GET /collections/{collection}`.
pub(super) async fn show(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let stored = state.catalog.collection(&caller.viewer, &id).await?;
    let etag = stored.etag.clone();
    // The etag is that of what was declared, for `If-Match`. Extent and summaries follow the items
    // without it, so a client that has this etag does not have the document.
    let mut response = answer_json(JSON, documents::collection(&base, stored));
    if let Ok(value) = etag.parse() {
        response.headers_mut().insert(header::ETAG, value);
    }
    Ok(response)
}

/// Answers `GET /children`: the children of the landing page are the collections.
pub(super) async fn children(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
) -> Result<Response, Problem> {
    let found = state
        .catalog
        .collections(&caller.viewer, &CollectionSearch::default())
        .await?;
    let children: Vec<Value> = found
        .into_iter()
        .map(|stored| Value::Object(documents::collection(&base, stored)))
        .collect();
    let links = [
        link("self", base.href("/stac/children"), JSON),
        link("root", base.href("/stac"), JSON),
    ];
    Ok(answer_json(
        JSON,
        json!({"children": children, "links": links}),
    ))
}

/// Finds collections; of several terms with commas between them one is enough.
async fn find(
    state: &AppState,
    viewer: &Viewer,
    body: &Map<String, Value>,
) -> Result<Vec<StoredCollection>, Problem> {
    let text = body.get("q").and_then(Value::as_str).unwrap_or_default();
    if text.len() > TEXT_BYTES_MAX {
        return Err(Problem::invalid(format!(
            "q: longer than {TEXT_BYTES_MAX} bytes"
        )));
    }
    let terms: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|term| !term.is_empty())
        .collect();
    if terms.len() > TERMS_MAX {
        return Err(Problem::invalid(format!("q: more than {TERMS_MAX} terms")));
    }
    let mut search = CollectionSearch {
        text: None,
        bbox: body.get("bbox").map(bbox).transpose()?,
        datetime: datetime(body.get("datetime"))?,
    };
    if terms.is_empty() {
        return Ok(state.catalog.collections(viewer, &search).await?);
    }
    let mut found: Vec<StoredCollection> = Vec::new();
    for term in terms {
        search.text = Some(term.to_owned());
        for collection in state.catalog.collections(viewer, &search).await? {
            if !found
                .iter()
                .any(|known| known.json.get("id") == collection.json.get("id"))
            {
                found.push(collection);
            }
        }
    }
    found.sort_by(|left, right| left.resource.id().cmp(right.resource.id()));
    Ok(found)
}
