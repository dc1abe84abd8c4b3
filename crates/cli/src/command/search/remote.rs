//! A search sent to a STAC API (1.0, item search by POST).

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use chrono::SecondsFormat;
use futures::StreamExt as _;
use serde_json::{Map, Value, json};
use swath_stac::ItemSearch;

use super::Found;
use crate::error::{UpstreamError, UsageError};

/// Items of one page; servers may give fewer.
const PAGE_ITEMS: u32 = 250;
/// Most pages of one search.
const PAGES_MAX: usize = 100_000;
/// Largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// Longest wait for an answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// One request for a page.
enum Request {
    Post(String, Value),
    Get(String),
}

/// Asks for pages until `limit` items are there or no page follows.
///
/// # Errors
/// Where the API does not answer, or not as a STAC API does.
pub(super) async fn search(api: &str, search: &ItemSearch, limit: u32) -> Result<Found> {
    let wanted = usize::try_from(limit)?;
    let base = api.trim_end_matches('/').trim_end_matches("/search");
    if !(base.starts_with("http://") || base.starts_with("https://")) {
        return Err(UsageError(format!("--api {api}: expected a URL of http or https")).into());
    }
    let client = reqwest::Client::builder()
        .timeout(ANSWER_TIME_MAX)
        .build()?;
    let mut body = body_of(search)?;
    body["limit"] = limit.min(PAGE_ITEMS).into();
    let mut request = Request::Post(format!("{base}/search"), body);
    let mut items: Vec<Map<String, Value>> = Vec::new();
    for _ in 0..PAGES_MAX {
        let answer = send(&client, &request).await?;
        let features = answer.get("features").and_then(Value::as_array);
        let features = features.ok_or_else(|| upstream(&request, "the answer has no features"))?;
        items.extend(
            features
                .iter()
                .filter_map(|feature| feature.as_object().cloned()),
        );
        let next = next_request(&answer, &request).filter(|_| !features.is_empty());
        let has_more = next.is_some() || items.len() > wanted;
        match next {
            Some(next) if items.len() < wanted => request = next,
            _ => {
                items.truncate(wanted);
                return Ok(Found { items, has_more });
            }
        }
    }
    Err(upstream(&request, "the pages do not end").into())
}

fn upstream(request: &Request, reason: impl std::fmt::Display) -> UpstreamError {
    let (Request::Post(url, _) | Request::Get(url)) = request;
    let place = url.split('?').next().unwrap_or_default();
    UpstreamError(format!("{place}: {reason}"))
}

fn body_of(search: &ItemSearch) -> Result<Value> {
    let mut body = Map::new();
    if !search.collections.is_empty() {
        body.insert("collections".into(), json!(search.collections));
    }
    if !search.ids.is_empty() {
        body.insert("ids".into(), json!(search.ids));
    }
    if let Some(bbox) = &search.bbox {
        body.insert(
            "bbox".into(),
            json!([bbox.west, bbox.south, bbox.east, bbox.north]),
        );
    }
    if let Some(interval) = &search.datetime {
        let end = |end: Option<chrono::DateTime<chrono::Utc>>| {
            end.map_or("..".to_owned(), |at| {
                at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
            })
        };
        body.insert(
            "datetime".into(),
            format!("{}/{}", end(interval.start), end(interval.end)).into(),
        );
    }
    if let Some(shape) = &search.intersects {
        body.insert("intersects".into(), swath_catalog::geojson_of(shape));
    }
    if let Some(filter) = &search.filter {
        body.insert("filter-lang".into(), "cql2-json".into());
        body.insert(
            "filter".into(),
            serde_json::to_value(filter).context("the filter as JSON")?,
        );
    }
    if !search.sort.is_empty() {
        let keys = search.sort.iter().map(|sort| {
            json!({"field": sort.field, "direction": if sort.is_descending { "desc" } else { "asc" }})
        });
        body.insert("sortby".into(), keys.collect());
    }
    Ok(body.into())
}

async fn send(client: &reqwest::Client, request: &Request) -> Result<Value> {
    let builder = match request {
        Request::Get(url) => client.get(url),
        Request::Post(url, body) => client
            .post(url)
            .header("content-type", "application/json")
            .body(serde_json::to_vec(body)?),
    };
    let builder = builder.header("accept", "application/geo+json, application/json");
    let without_query = |error: reqwest::Error| upstream(request, error.without_url());
    let response = builder.send().await.map_err(without_query)?;
    let status = response.status();
    let mut bytes = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk.map_err(without_query)?);
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(upstream(
                request,
                format!("the answer has more than {ANSWER_BYTES_MAX} bytes"),
            )
            .into());
        }
    }
    if !status.is_success() {
        let text: String = String::from_utf8_lossy(&bytes).chars().take(300).collect();
        return Err(anyhow!(upstream(request, format!("{status}: {text}"))));
    }
    serde_json::from_slice(&bytes).map_err(|error| upstream(request, error).into())
}

/// Follows the link `next` (STAC API item search, paging): GET, or POST with a body that replaces
/// or is merged into the one before.
fn next_request(answer: &Value, request: &Request) -> Option<Request> {
    let links = answer.get("links")?.as_array()?;
    let next = links
        .iter()
        .find(|link| link.get("rel").is_some_and(|rel| rel == "next"))?;
    let href = next.get("href")?.as_str()?.to_owned();
    let method = next.get("method").and_then(Value::as_str).unwrap_or("GET");
    if !method.eq_ignore_ascii_case("POST") {
        return Some(Request::Get(href));
    }
    let own = next.get("body").cloned().unwrap_or_else(|| json!({}));
    let is_merged = next.get("merge").and_then(Value::as_bool).unwrap_or(false);
    let body = match (request, is_merged || next.get("body").is_none()) {
        (Request::Post(_, before), true) => {
            let mut merged = before.as_object()?.clone();
            merged.extend(own.as_object()?.clone());
            Value::Object(merged)
        }
        _ => own,
    };
    Some(Request::Post(href, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_page_is_asked_for_as_the_link_says() {
        let first = Request::Post(
            "http://x/search".into(),
            json!({"limit": 5, "collections": ["c"]}),
        );
        let with = |link: Value| json!({"links": [{"rel": "self", "href": "http://x"}, link]});
        let merged = with(
            json!({"rel": "next", "href": "http://x/search", "method": "POST", "merge": true, "body": {"token": "t"}}),
        );
        let Some(Request::Post(_, body)) = next_request(&merged, &first) else {
            panic!("a page follows")
        };
        assert_eq!(
            body,
            json!({"limit": 5, "collections": ["c"], "token": "t"})
        );
        let whole = with(
            json!({"rel": "next", "href": "http://x/search", "method": "POST", "body": {"token": "t"}}),
        );
        let Some(Request::Post(_, body)) = next_request(&whole, &first) else {
            panic!("a page follows")
        };
        assert_eq!(body, json!({"token": "t"}));
        let get = with(json!({"rel": "next", "href": "http://x/search?token=t"}));
        assert!(
            matches!(next_request(&get, &first), Some(Request::Get(url)) if url.ends_with("token=t"))
        );
        assert!(next_request(&json!({"links": []}), &first).is_none());
    }
}
