//! Failed requests: one table from kinds of errors to HTTP status, one place that gives them a body.
//!
//! Handlers, extractors and layers answer with a [`Problem`]. It travels as an extension of the
//! response until [`shape`], outside of all routes, lets the face whose path was asked write the
//! body: STAC, resto and OData each have a form of their own.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use swath_catalog::{CatalogError, ErrorKind};

/// Longest description that goes out, in characters: it may quote what was sent.
const DESCRIPTION_CHARS_MAX: usize = 1_000;

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// HTTP status, 4xx or 5xx.
    pub(crate) status: StatusCode,
    /// Stable name of the situation, such as `NotFound`.
    pub(crate) code: &'static str,
    /// What is wrong and what to do.
    pub(crate) description: String,
}

/// Writes the body of a failed request, as one face does it.
pub(crate) type RenderProblem = fn(&Problem) -> Response;

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        description: impl Into<String>,
    ) -> Self {
        let mut description: String = description.into();
        if let Some((end, _)) = description.char_indices().nth(DESCRIPTION_CHARS_MAX) {
            description.truncate(end);
            description.push('…');
        }
        Self {
            status,
            code,
            description,
        }
    }

    /// Returns the problem of a parameter or body that makes no sense.
    pub(crate) fn invalid(description: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "InvalidParameterValue",
            description,
        )
    }

    /// Returns the problem of something that is not there.
    pub(crate) fn not_found(description: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", description)
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        let (status, code) = match error.kind() {
            ErrorKind::Invalid => (StatusCode::BAD_REQUEST, "InvalidParameterValue"),
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, "NotFound"),
            ErrorKind::Denied => (StatusCode::FORBIDDEN, "Forbidden"),
            ErrorKind::Conflict => (StatusCode::CONFLICT, "Conflict"),
            ErrorKind::Changed => (StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
            ErrorKind::Limit => (StatusCode::BAD_REQUEST, "LimitExceeded"),
            ErrorKind::Upstream => (StatusCode::SERVICE_UNAVAILABLE, "Unavailable"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "Internal"),
        };
        if status.is_server_error() {
            // What the database says may hold what is nobody's business.
            tracing::error!(%error, "the catalogue failed");
            return Self::new(status, code, "the catalogue does not answer at present");
        }
        Self::new(status, code, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives failed requests the body that `faces` (path prefix, renderer; the first that fits) say.
pub(crate) async fn shape(
    faces: &'static [(&'static str, RenderProblem)],
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let said = response.extensions().get::<Problem>().cloned();
    let has_body = response.headers().contains_key(header::CONTENT_TYPE);
    let problem = match said {
        Some(problem) => problem,
        // Layers and extractors of the framework answer in plain text of their own.
        None if has_body && !is_plain_text(&response) => return response,
        None => unexplained(status),
    };
    let render = faces
        .iter()
        .find(|(prefix, _)| {
            path.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .map_or(render_json as RenderProblem, |(_, render)| *render);
    let mut shaped = render(&problem);
    *shaped.status_mut() = problem.status;
    for name in [header::ALLOW, header::RETRY_AFTER, header::CONTENT_RANGE] {
        if let Some(value) = response.headers().get(&name) {
            shaped.headers_mut().insert(name, value.clone());
        }
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        let value = HeaderValue::from_static("Bearer realm=\"swath\"");
        shaped.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    shaped
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    shaped
}

fn is_plain_text(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|value| value.as_bytes().starts_with(b"text/plain"))
}

/// Returns the problem behind a bare status.
fn unexplained(status: StatusCode) -> Problem {
    let (code, description) = match status {
        StatusCode::NOT_FOUND => return Problem::not_found("there is nothing at this path"),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("MethodNotAllowed", "this path does not know the method")
        }
        StatusCode::PAYLOAD_TOO_LARGE => (
            "PayloadTooLarge",
            "the body is larger than this request may have",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ("UnsupportedMediaType", "the body must be JSON and say so")
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => {
            ("Timeout", "the answer took too long; ask for less")
        }
        _ if status.is_server_error() => ("Internal", "the server failed; the log has the reason"),
        _ => ("BadRequest", "the request cannot be understood"),
    };
    Problem::new(status, code, description)
}

/// Writes a problem as the STAC API does: `{"code", "description"}`.
pub(crate) fn render_json(problem: &Problem) -> Response {
    let body = serde_json::json!({"code": problem.code, "description": problem.description});
    (problem.status, axum::Json(body)).into_response()
}
