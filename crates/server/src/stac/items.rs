//! Items of a collection (OGC API Features).

use axum::extract::Path;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::documents::{self, GEOJSON, JSON, answer_tagged, collection_path, link};
use super::fields::Fields;
use super::page::Page;
use super::parameters::body_of_query;
use super::question::{ITEMS_KEYS, Question};
use super::search::{head_links, next_of_query};
use crate::error::Problem;
use crate::links::BaseUrl;
use crate::state::Bounded;
use crate::viewer::Caller;

/// Answers `GET /collections/{collection}/items`.
pub(super) async fn list(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path(collection): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let body = body_of_query(uri.query(), ITEMS_KEYS)?;
    let mut question = Question::parse(&body)?;
    state
        .catalog
        .collection(&caller.viewer, &collection)
        .await?;
    question.search.collections = vec![collection.clone()];
    let page = Page::fetch(&state, &caller.viewer, &base, question).await?;
    let mut links = head_links(&base, &uri);
    links.push(link(
        "parent",
        base.href(&collection_path(&collection)),
        JSON,
    ));
    links.push(link(
        "collection",
        base.href(&collection_path(&collection)),
        JSON,
    ));
    links.extend(next_of_query(&base, &uri, &page));
    Ok(page.answer(links))
}

/// Answers `GET /collections/{collection}/items/{item}`.
pub(super) async fn show(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path((collection, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let stored = state.catalog.item(&caller.viewer, &collection, &id).await?;
    let etag = stored.etag.clone();
    let document = documents::item(&base, stored, &Fields::default());
    Ok(answer_tagged(&headers, &etag, GEOJSON, document))
}
