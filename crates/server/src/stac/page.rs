//! One page of items: asked for in chunks, written as text chunk by chunk, so that a page of the
//! largest size is in memory once, and never as a tree. A page of large items ends early.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::Response;
use futures::stream;
use serde_json::Value;
use swath_access::Viewer;
use swath_catalog::{ItemPage, StoredItem};
use swath_stac::{ItemSearch, PageStart};

use super::documents::{self, GEOJSON, answer};
use super::fields::Fields;
use super::question::Question;
use crate::error::Problem;
use crate::links::BaseUrl;
use crate::state::AppState;

/// Items asked for and written at once.
const CHUNK_ITEMS: u32 = 100;
/// Most bytes of items asked for and written at once; as a tree in memory they take some ten times that.
const CHUNK_BYTES_MAX: u64 = 2 << 20;
/// Most bytes of items of a page, but one item at least; the others are on the next page.
const PAGE_BYTES_MAX: usize = 16 << 20;

/// A page of items.
#[derive(Debug)]
pub(super) struct Page {
    /// Items as JSON with commas between them.
    features: Vec<u8>,
    returned: u32,
    /// Number of all items, where counting them is not too much work.
    matched: Option<u64>,
    /// Where the next page begins, in the catalogue's words.
    pub(super) next: Option<String>,
}

impl Page {
    /// Asks the catalogue.
    pub(super) async fn fetch(
        state: &AppState,
        viewer: &Viewer,
        base: &BaseUrl,
        question: Question,
    ) -> Result<Self, Problem> {
        let count = async {
            match question.matched {
                Some(matched) => Ok(matched),
                None => state.count_in_passing(viewer, &question.search).await,
            }
        };
        let mut search = question.search.clone();
        search.limit = Some(question.limit.min(CHUNK_ITEMS));
        let first = state
            .catalog
            .search_within(viewer, &search, CHUNK_BYTES_MAX);
        let (first, matched) = tokio::try_join!(first, count)?;
        let mut page = Self {
            features: Vec::new(),
            returned: 0,
            matched,
            next: None,
        };
        page.add(first, base, &question.fields).await?;
        // Each round adds an item at least, or is the last.
        while page.returned < question.limit {
            let Some(token) = page.next.take() else {
                break;
            };
            let more = next_chunk(&search, token.clone(), question.limit - page.returned);
            let chunk = state
                .catalog
                .search_within(viewer, &more, CHUNK_BYTES_MAX)
                .await?;
            if chunk.items.is_empty() {
                page.next = chunk.next;
                break;
            }
            if !page.add(chunk, base, &question.fields).await? {
                page.next = Some(token);
                break;
            }
        }
        Ok(page)
    }

    /// Writes a chunk; false where it is left out because the page would be too large.
    async fn add(
        &mut self,
        chunk: ItemPage,
        base: &BaseUrl,
        fields: &Fields,
    ) -> Result<bool, Problem> {
        let count = u32::try_from(chunk.items.len()).unwrap_or(u32::MAX);
        let (base, fields) = (base.clone(), fields.clone());
        let written = tokio::task::spawn_blocking(move || write(chunk.items, &base, &fields)).await;
        let written = written.map_err(|error| {
            tracing::error!(%error, "items could not be written");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal",
                "the server failed; the log has the reason",
            )
        })?;
        let is_first = self.features.is_empty();
        if !is_first && self.features.len() + written.len() > PAGE_BYTES_MAX {
            return Ok(false);
        }
        if !is_first && !written.is_empty() {
            self.features.push(b',');
        }
        self.features.extend_from_slice(&written);
        self.returned += count;
        self.next = chunk.next;
        Ok(true)
    }

    /// Returns how many items there are on all pages, where that is known.
    pub(super) fn matched(&self) -> Option<u64> {
        self.matched
    }

    /// Answers with the page and `links`.
    pub(super) fn answer(self, links: Vec<Value>) -> Response {
        let matched = self
            .matched
            .map(|matched| format!("\"numberMatched\":{matched},"));
        let head = format!(
            "{{\"type\":\"FeatureCollection\",{}\"numberReturned\":{},\"links\":{},\"features\":[",
            matched.unwrap_or_default(),
            self.returned,
            Value::Array(links)
        );
        // The items are handed on as they are: a copy of a large page would double what it takes.
        let parts = [head.into_bytes(), self.features, b"]}".to_vec()];
        let parts = parts.map(|part| Ok::<_, Infallible>(Bytes::from(part)));
        answer(GEOJSON, Body::from_stream(stream::iter(parts)))
    }
}

fn next_chunk(search: &ItemSearch, token: String, left: u32) -> ItemSearch {
    ItemSearch {
        start: PageStart::Token(token),
        limit: Some(left.min(CHUNK_ITEMS)),
        ..search.clone()
    }
}

fn write(items: Vec<StoredItem>, base: &BaseUrl, fields: &Fields) -> Vec<u8> {
    let mut text = Vec::new();
    for item in items {
        if !text.is_empty() {
            text.push(b',');
        }
        let document = documents::item(base, item, fields);
        serde_json::to_writer(&mut text, &document)
            .expect("a JSON object in memory can be written");
    }
    text
}
