//! What keeps one request from harming the others: a bounded number at once, a time limit, panics caught.

use std::panic::AssertUnwindSafe;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;

use crate::error::Problem;
use crate::state::AppState;

/// Runs a request within its limits.
pub(crate) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let work = async {
        let _place = state.places.acquire().await;
        next.run(request).await
    };
    let within = tokio::time::timeout(
        state.limits.request_time_max,
        AssertUnwindSafe(work).catch_unwind(),
    );
    match within.await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!(%method, path, "the handler panicked: this is a bug");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal",
                "the server failed; the log has the reason",
            )
            .into_response()
        }
        Err(_) => {
            let seconds = state.limits.request_time_max.as_secs();
            let description = format!("no answer within {seconds} s; ask for less");
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Timeout", description);
            ([(header::RETRY_AFTER, "5")], problem).into_response()
        }
    }
}

/// Says whether the catalogue answers.
pub(crate) async fn ready(State(state): State<AppState>) -> Result<&'static str, Problem> {
    state.check_ready().await?;
    Ok("ready\n")
}
