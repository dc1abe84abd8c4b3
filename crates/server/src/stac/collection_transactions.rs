//! Collections created, replaced, patched and removed. Each needs a token.

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use swath_catalog::{ErrorKind, PutMode};

use super::documents::{self, JSON, answer_json, collection_path};
use super::merge_patch;
use super::transactions::{done, header_map};
use crate::body::json_object;
use crate::error::Problem;
use crate::links::BaseUrl;
use crate::preconditions::{IfMatch, changed};
use crate::state::Bounded;
use crate::viewer::Writer;

/// How often a patch is tried where others change the same collection.
const ATTEMPTS_MAX: usize = 5;

/// Answers `POST /collections`.
pub(super) async fn create(
    Bounded(state): Bounded,
    writer: Writer,
    base: BaseUrl,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let mut collection = json_object(&headers, &body)?;
    let id = prepare(&mut collection)?;
    state
        .catalog
        .put_collection(&writer.viewer, &collection, PutMode::Create)
        .await?;
    let stored = state.catalog.collection(&writer.viewer, &id).await?;
    let made = [
        (header::LOCATION, base.href(&collection_path(&id))),
        (header::ETAG, stored.etag.clone()),
    ];
    let document = documents::collection(&base, stored);
    Ok((
        StatusCode::CREATED,
        header_map(made),
        answer_json(JSON, document),
    )
        .into_response())
}

/// Answers `PUT /collections/{collection}`.
pub(super) async fn replace(
    Bounded(state): Bounded,
    writer: Writer,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let if_match = IfMatch::parse(&headers)?;
    let mut collection = json_object(&headers, &body)?;
    collection.entry("id").or_insert_with(|| id.clone().into());
    if prepare(&mut collection)? != id {
        return Err(Problem::invalid(
            "the collection has another id than the path",
        ));
    }
    let current = state.catalog.collection(&writer.viewer, &id).await?.etag;
    let expected = if_match.check(&current)?.map(str::to_owned);
    let etag = state
        .catalog
        .put_collection(&writer.viewer, &collection, PutMode::Replace(expected))
        .await?;
    Ok(done(Some(etag)))
}

/// Answers `PATCH /collections/{collection}`: a merge patch.
pub(super) async fn patch(
    Bounded(state): Bounded,
    writer: Writer,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let if_match = IfMatch::parse(&headers)?;
    let patch = json_object(&headers, &body)?;
    for _ in 0..ATTEMPTS_MAX {
        // What the items say together is no part of what is changed.
        let stored = state
            .catalog
            .declared_collection(&writer.viewer, &id)
            .await?;
        if_match.check(&stored.etag)?;
        let mut collection = stored.json;
        merge_patch::merge(&mut collection, patch.clone());
        if prepare(&mut collection)? != id {
            return Err(Problem::invalid("a patch does not change the id"));
        }
        let mode = PutMode::Replace(Some(stored.etag));
        match state
            .catalog
            .put_collection(&writer.viewer, &collection, mode)
            .await
        {
            Ok(etag) => return Ok(done(Some(etag))),
            // Somebody else was faster: merge with what is there now.
            Err(error) if error.kind() == ErrorKind::Changed => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(changed())
}

/// Answers `DELETE /collections/{collection}`; one that holds items stays.
pub(super) async fn remove(
    Bounded(state): Bounded,
    writer: Writer,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let if_match = IfMatch::parse(&headers)?;
    let current = state.catalog.collection(&writer.viewer, &id).await?.etag;
    let expected = if_match.check(&current)?;
    state
        .catalog
        .delete_collection(&writer.viewer, &id, expected)
        .await?;
    Ok(done(None))
}

/// Checks the id and removes the server's own links; returns the id.
fn prepare(collection: &mut Map<String, Value>) -> Result<String, Problem> {
    let id = collection
        .get("id")
        .and_then(Value::as_str)
        .filter(|id| !id.is_empty());
    let id = id
        .ok_or_else(|| Problem::invalid("a collection has an \"id\", a string"))?
        .to_owned();
    documents::remove_own_links(collection);
    Ok(id)
}
