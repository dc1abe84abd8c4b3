//! Counts and durations of requests by route, in the Prometheus text format 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;

use crate::server::REQUEST_ID;
use crate::state::AppState;

/// Upper bounds of the buckets of durations, in seconds.
const BUCKETS_S: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];
/// Most series kept: routes, methods and statuses are few, unknown methods are joined.
const SERIES_MAX: usize = 5_000;
/// Longest request id that is taken over from the client, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// What was counted since the server began.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    series: Mutex<BTreeMap<SeriesKey, u64>>,
    durations: Mutex<BTreeMap<String, Durations>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct SeriesKey {
    route: String,
    method: String,
    status: u16,
}

#[derive(Debug, Clone, Default)]
struct Durations {
    /// Requests per bucket, not yet summed up; the last one has no upper bound.
    buckets: [u64; BUCKETS_S.len() + 1],
    sum_s: f64,
}

impl Metrics {
    fn count(&self, key: SeriesKey, took: Duration) {
        let mut durations = self
            .durations
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS_S
            .iter()
            .position(|bound| seconds <= *bound)
            .unwrap_or(BUCKETS_S.len());
        let of_route = durations.entry(key.route.clone()).or_default();
        of_route.buckets[bucket] += 1;
        of_route.sum_s += seconds;
        drop(durations);
        let mut series = self
            .series
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if series.len() < SERIES_MAX || series.contains_key(&key) {
            *series.entry(key).or_default() += 1;
        }
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "# HELP swath_http_requests_total Requests answered.\n# TYPE swath_http_requests_total counter\n",
        );
        let series = self
            .series
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        for (
            SeriesKey {
                route,
                method,
                status,
            },
            count,
        ) in series.iter()
        {
            let _ = writeln!(
                text,
                "swath_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}} {count}"
            );
        }
        drop(series);
        text.push_str("# HELP swath_http_request_duration_seconds Time until the answer began.\n# TYPE swath_http_request_duration_seconds histogram\n");
        let durations = self
            .durations
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        for (route, of_route) in durations.iter() {
            let mut total = 0;
            let bounds = BUCKETS_S
                .iter()
                .map(f64::to_string)
                .chain(["+Inf".to_owned()]);
            for (bound, count) in bounds.zip(of_route.buckets) {
                total += count;
                let _ = writeln!(
                    text,
                    "swath_http_request_duration_seconds_bucket{{route=\"{route}\",le=\"{bound}\"}} {total}"
                );
            }
            let _ = writeln!(
                text,
                "swath_http_request_duration_seconds_sum{{route=\"{route}\"}} {}",
                of_route.sum_s
            );
            let _ = writeln!(
                text,
                "swath_http_request_duration_seconds_count{{route=\"{route}\"}} {total}"
            );
        }
        text
    }
}

/// Names, counts and logs a request. The query is not logged: it may hold what is nobody's business.
pub(crate) async fn measure(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("other", MatchedPath::as_str)
        .to_owned();
    let method = known_method(request.method().as_str());
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let took = began.elapsed();
    let status = response.status().as_u16();
    let milliseconds = took.as_secs_f64() * 1e3;
    match status {
        500.. => tracing::error!(id, method, path, status, milliseconds, "failed"),
        _ => tracing::info!(id, method, path, status, milliseconds, "answered"),
    }
    let key = SeriesKey {
        route,
        method: method.to_owned(),
        status,
    };
    state.metrics.count(key, took);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Answers `/metrics`.
pub(crate) async fn show(State(state): State<AppState>) -> impl IntoResponse {
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        state.metrics.text(),
    )
}

fn known_method(method: &str) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known
        .into_iter()
        .find(|name| *name == method)
        .unwrap_or("other")
}

/// Returns the client's own id where it is a plain word, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let is_plain = |text: &&str| {
        !text.is_empty()
            && text.len() <= REQUEST_ID_BYTES_MAX
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    };
    let sent = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(is_plain);
    sent.map_or_else(
        || {
            let mut random = [0_u8; 8];
            // Without randomness ids repeat; requests are answered all the same.
            let _ = getrandom::fill(&mut random);
            format!("{:016x}", u64::from_le_bytes(random))
        },
        str::to_owned,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_sum_up() {
        let metrics = Metrics::default();
        let key = SeriesKey {
            route: "/stac".into(),
            method: "GET".into(),
            status: 200,
        };
        metrics.count(key.clone(), Duration::from_millis(2));
        metrics.count(key, Duration::from_secs(60));
        let text = metrics.text();
        assert!(
            text.contains(
                "swath_http_requests_total{route=\"/stac\",method=\"GET\",status=\"200\"} 2\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("_bucket{route=\"/stac\",le=\"0.001\"} 0\n"),
            "{text}"
        );
        assert!(
            text.contains("_bucket{route=\"/stac\",le=\"30\"} 1\n"),
            "{text}"
        );
        assert!(
            text.contains("_bucket{route=\"/stac\",le=\"+Inf\"} 2\n"),
            "{text}"
        );
    }

    #[test]
    fn ids_of_clients_are_kept_where_plain() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static("a-1.b_2"));
        assert_eq!(request_id(&headers), "a-1.b_2");
        headers.insert(REQUEST_ID, HeaderValue::from_static("a b"));
        assert_eq!(request_id(&headers).len(), 16);
    }
}
