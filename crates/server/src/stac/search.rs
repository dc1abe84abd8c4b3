//! `/search`, by parameters and by body.

use axum::body::Bytes;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::documents::{GEOJSON, JSON, link};
use super::page::Page;
use super::parameters::{body_of_query, query_with};
use super::question::{Question, SEARCH_KEYS, token_with_matched};
use crate::body::json_object;
use crate::error::Problem;
use crate::links::BaseUrl;
use crate::state::Bounded;
use crate::viewer::Caller;

/// What says where a page begins, in parameters and bodies.
const POSITION_KEYS: &[&str] = &["token", "page"];

/// Answers `GET /search`.
pub(super) async fn of_query(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    uri: Uri,
) -> Result<Response, Problem> {
    let body = body_of_query(uri.query(), SEARCH_KEYS)?;
    let page = Page::fetch(&state, &caller.viewer, &base, Question::parse(&body)?).await?;
    let mut links = head_links(&base, &uri);
    links.extend(next_of_query(&base, &uri, &page));
    Ok(page.answer(links))
}

/// Answers `POST /search`.
pub(super) async fn of_body(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let body = json_object(&headers, &body)?;
    let page = Page::fetch(&state, &caller.viewer, &base, Question::parse(&body)?).await?;
    let mut links = head_links(&base, &uri);
    links.extend(next_of_body(&base, &uri, body, &page));
    Ok(page.answer(links))
}

/// Returns the links to this page and to the root.
pub(super) fn head_links(base: &BaseUrl, uri: &Uri) -> Vec<Value> {
    let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
    vec![
        link("self", base.href(path_and_query), GEOJSON),
        link("root", base.href("/stac"), JSON),
    ]
}

/// Returns the link to the next page: the same parameters with another token.
pub(super) fn next_of_query(base: &BaseUrl, uri: &Uri, page: &Page) -> Option<Value> {
    let token = token_with_matched(page.next.as_ref()?, page.matched());
    let query = query_with(uri.query(), POSITION_KEYS, &[("token", &token)]);
    let href = base.href(&format!("{}?{query}", uri.path()));
    Some(json!({"rel": "next", "href": href, "type": GEOJSON, "method": "GET"}))
}

/// Returns the link to the next page: the whole body with another token, to be sent as it is.
fn next_of_body(
    base: &BaseUrl,
    uri: &Uri,
    mut body: Map<String, Value>,
    page: &Page,
) -> Option<Value> {
    let token = token_with_matched(page.next.as_ref()?, page.matched());
    body.retain(|key, _| !POSITION_KEYS.contains(&key.as_str()));
    body.insert("token".to_owned(), token.into());
    let href = base.href(uri.path());
    Some(
        json!({"rel": "next", "href": href, "type": GEOJSON, "method": "POST", "body": body, "merge": false}),
    )
}
