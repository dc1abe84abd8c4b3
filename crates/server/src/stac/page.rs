//! One page of items: asked for in chunks, written as text chunk by chunk, so that a page of the
//! largest size is in memory once, and never as a tree.

use axum::http::StatusCode;
use axum::response::Response;
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

/// A page of items.
#[derive(Debug)]
pub(super) struct Page {
    /// Items as JSON with commas between them.
    features: Vec<u8>,
    returned: u32,
    matched: u64,
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
                None => state.catalog.count(viewer, &question.search).await,
            }
        };
        let mut search = question.search.clone();
        search.limit = Some(question.limit.min(CHUNK_ITEMS));
        let (first, matched) = tokio::try_join!(state.catalog.search(viewer, &search), count)?;
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
            let more = next_chunk(&search, token, question.limit - page.returned);
            let chunk = state.catalog.search(viewer, &more).await?;
            if chunk.items.is_empty() {
                break;
            }
            page.add(chunk, base, &question.fields).await?;
        }
        Ok(page)
    }

    async fn add(
        &mut self,
        chunk: ItemPage,
        base: &BaseUrl,
        fields: &Fields,
    ) -> Result<(), Problem> {
        self.returned += u32::try_from(chunk.items.len()).unwrap_or(u32::MAX);
        self.next = chunk.next;
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
        if !self.features.is_empty() && !written.is_empty() {
            self.features.push(b',');
        }
        self.features.extend_from_slice(&written);
        Ok(())
    }

    /// Returns how many items there are on all pages.
    pub(super) fn matched(&self) -> u64 {
        self.matched
    }

    /// Answers with the page and `links`.
    pub(super) fn answer(self, links: Vec<Value>) -> Response {
        let head = format!(
            "{{\"type\":\"FeatureCollection\",\"numberMatched\":{},\"numberReturned\":{},\"links\":{},\"features\":[",
            self.matched,
            self.returned,
            Value::Array(links)
        );
        let mut body = Vec::with_capacity(head.len() + self.features.len() + 2);
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&self.features);
        body.extend_from_slice(b"]}");
        answer(GEOJSON, body)
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
