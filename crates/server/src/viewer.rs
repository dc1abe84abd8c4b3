//! Who asks: the bearer token of a request.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use swath_access::Viewer;

use crate::error::Problem;
use crate::state::AppState;

/// The one who sent a request. Without an `Authorization` header: anonymous. With a token that is
/// not known, or no longer: the request fails with 401, it is not answered as if anonymous.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// In whose name the catalogue and the stores are asked.
    pub(crate) viewer: Viewer,
}

/// A caller with a token: what every write asks for.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    /// In whose name the catalogue is changed.
    pub(crate) viewer: Viewer,
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let known = known_viewer(parts, state)?;
        Ok(Self {
            viewer: known.unwrap_or_else(Viewer::anonymous),
        })
    }
}

impl FromRequestParts<AppState> for Writer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        match known_viewer(parts, state)? {
            Some(viewer) => Ok(Self { viewer }),
            None => Err(unauthorized(
                "writing needs a token: send \"Authorization: Bearer TOKEN\" (swath token create)",
            )),
        }
    }
}

/// Returns the viewer of the token, `None` where the request has none.
fn known_viewer(parts: &Parts, state: &AppState) -> Result<Option<Viewer>, Problem> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => {
            return Err(unauthorized(
                "the Authorization header is not of the form \"Bearer TOKEN\"",
            ));
        }
    };
    match state.tokens.viewer(token) {
        Ok(Some(viewer)) => Ok(Some(viewer)),
        Ok(None) => Err(unauthorized("the token is not known, or has expired")),
        Err(error) => {
            tracing::error!(%error, "tokens cannot be read");
            Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Unavailable",
                "tokens cannot be checked at present",
            ))
        }
    }
}

fn unauthorized(description: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "Unauthorized", description)
}
