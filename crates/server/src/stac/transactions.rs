//! Items created, replaced, patched and removed: the transaction extension. Each needs a token.

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use swath_access::Viewer;
use swath_catalog::{ErrorKind, PutMode};

use super::documents::{self, GEOJSON, JSON, answer_json, item_path, link};
use super::fields::Fields;
use super::merge_patch;
use crate::body::json_object;
use crate::error::Problem;
use crate::links::BaseUrl;
use crate::preconditions::{IfMatch, changed};
use crate::state::{AppState, Bounded};
use crate::viewer::Writer;

/// How often a patch is tried where others change the same item.
const ATTEMPTS_MAX: usize = 5;
/// Most items of one transaction.
const ITEMS_MAX: usize = 10_000;

type ItemPath = Path<(String, String)>;

/// Answers `POST …/items`: an item, or a FeatureCollection of items, all or none.
pub(super) async fn create(
    Bounded(state): Bounded,
    writer: Writer,
    base: BaseUrl,
    Path(collection): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let mut body = json_object(&headers, &body)?;
    if body.get("type").and_then(Value::as_str) == Some("FeatureCollection") {
        return create_many(&state, &writer.viewer, &base, &collection, body).await;
    }
    let id = prepare(&mut body, &collection)?;
    state
        .catalog
        .put_items(&writer.viewer, &collection, &[body], PutMode::Create)
        .await?;
    let stored = state.catalog.item(&writer.viewer, &collection, &id).await?;
    let made = [
        (header::LOCATION, base.href(&item_path(&collection, &id))),
        (header::ETAG, stored.etag.clone()),
    ];
    let document = documents::item(&base, stored, &Fields::default());
    Ok((
        StatusCode::CREATED,
        header_map(made),
        answer_json(GEOJSON, document),
    )
        .into_response())
}

async fn create_many(
    state: &AppState,
    viewer: &Viewer,
    base: &BaseUrl,
    collection: &str,
    body: Map<String, Value>,
) -> Result<Response, Problem> {
    let features = match body.get("features") {
        Some(Value::Array(features)) if !features.is_empty() && features.len() <= ITEMS_MAX => {
            features
        }
        _ => {
            return Err(Problem::invalid(format!(
                "a FeatureCollection has \"features\": 1 to {ITEMS_MAX} items"
            )));
        }
    };
    let mut items = Vec::with_capacity(features.len());
    let mut links = Vec::with_capacity(features.len());
    for feature in features {
        let mut item = feature
            .as_object()
            .cloned()
            .ok_or_else(|| Problem::invalid("a feature is no object"))?;
        let id = prepare(&mut item, collection)?;
        links.push(link(
            "item",
            base.href(&item_path(collection, &id)),
            GEOJSON,
        ));
        items.push(item);
    }
    state
        .catalog
        .put_items(viewer, collection, &items, PutMode::Create)
        .await?;
    let document = json!({"numberReturned": links.len(), "links": links});
    Ok((StatusCode::CREATED, answer_json(JSON, document)).into_response())
}

/// Answers `PUT …/items/{item}`.
pub(super) async fn replace(
    Bounded(state): Bounded,
    writer: Writer,
    base: BaseUrl,
    Path((collection, id)): ItemPath,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let if_match = IfMatch::parse(&headers)?;
    let mut item = json_object(&headers, &body)?;
    item.entry("id").or_insert_with(|| id.clone().into());
    if prepare(&mut item, &collection)? != id {
        return Err(Problem::invalid("the item has another id than the path"));
    }
    let current = state.catalog.item(&writer.viewer, &collection, &id).await?;
    documents::restore_assets(&mut item, &base, &current);
    let expected = if_match.check(&current.etag)?.map(str::to_owned);
    let etags = state
        .catalog
        .put_items(
            &writer.viewer,
            &collection,
            &[item],
            PutMode::Replace(expected),
        )
        .await?;
    Ok(done(etags.into_iter().next()))
}

/// Answers `PATCH …/items/{item}`: a merge patch.
pub(super) async fn patch(
    Bounded(state): Bounded,
    writer: Writer,
    Path((collection, id)): ItemPath,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let if_match = IfMatch::parse(&headers)?;
    let patch = json_object(&headers, &body)?;
    for _ in 0..ATTEMPTS_MAX {
        let stored = state.catalog.item(&writer.viewer, &collection, &id).await?;
        if_match.check(&stored.etag)?;
        let mut item = stored.json;
        merge_patch::merge(&mut item, patch.clone());
        if prepare(&mut item, &collection)? != id {
            return Err(Problem::invalid("a patch does not change the id"));
        }
        let mode = PutMode::Replace(Some(stored.etag));
        match state
            .catalog
            .put_items(&writer.viewer, &collection, &[item], mode)
            .await
        {
            Ok(etags) => return Ok(done(etags.into_iter().next())),
            // Somebody else was faster: merge with what is there now.
            Err(error) if error.kind() == ErrorKind::Changed => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(changed())
}

/// Answers `DELETE …/items/{item}`. What is not there counts as removed, so that a client may
/// repeat the request.
pub(super) async fn remove(
    Bounded(state): Bounded,
    writer: Writer,
    Path((collection, id)): ItemPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let if_match = IfMatch::parse(&headers)?;
    let current = match state.catalog.item(&writer.viewer, &collection, &id).await {
        Ok(stored) => stored.etag,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            state
                .catalog
                .collection(&writer.viewer, &collection)
                .await?;
            return if if_match == IfMatch::Any {
                Ok(done(None))
            } else {
                Err(changed())
            };
        }
        Err(error) => return Err(error.into()),
    };
    let expected = if_match.check(&current)?;
    state
        .catalog
        .delete_item(&writer.viewer, &collection, &id, expected)
        .await?;
    Ok(done(None))
}

/// Checks the id, says which collection it belongs to and removes the server's own links; returns the id.
fn prepare(item: &mut Map<String, Value>, collection: &str) -> Result<String, Problem> {
    let id = item
        .get("id")
        .and_then(Value::as_str)
        .filter(|id| !id.is_empty());
    let id = id
        .ok_or_else(|| Problem::invalid("an item has an \"id\", a string"))?
        .to_owned();
    match item.get("collection") {
        None | Some(Value::Null) => {
            item.insert("collection".to_owned(), collection.into());
        }
        Some(Value::String(said)) if said == collection => {}
        Some(_) => {
            return Err(Problem::invalid(format!(
                "item \"{id}\" names another collection than the path"
            )));
        }
    }
    documents::remove_own_links(item);
    Ok(id)
}

/// Answers 204, with the etag of the new version.
pub(super) fn done(etag: Option<String>) -> Response {
    let headers = header_map(etag.map(|etag| (header::ETAG, etag)));
    (StatusCode::NO_CONTENT, headers).into_response()
}

pub(super) fn header_map(headers: impl IntoIterator<Item = (HeaderName, String)>) -> HeaderMap {
    let parsed = headers
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.parse().ok()?)));
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(item: Value) -> Result<String, Problem> {
        prepare(&mut item.as_object().expect("an object").clone(), "c")
    }

    #[test]
    fn items_name_their_collection_and_id() {
        assert_eq!(prepared(json!({"id": "a"})), Ok("a".into()));
        assert_eq!(
            prepared(json!({"id": "a", "collection": "c"})),
            Ok("a".into())
        );
        for item in [
            json!({}),
            json!({"id": 1}),
            json!({"id": ""}),
            json!({"id": "a", "collection": "d"}),
            json!({"id": "a", "collection": 1}),
        ] {
            assert_eq!(
                prepared(item.clone()).expect_err("no item").status,
                400,
                "{item}"
            );
        }
    }
}
