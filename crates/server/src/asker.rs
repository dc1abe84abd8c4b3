//! Who asks, and how answers are to be made: what every handler of maps takes.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use swath_access::Viewer;

use crate::error::Problem;
use crate::links::BaseUrl;
use crate::state::{AppState, Bounded};
use crate::viewer::Caller;

/// What a request brings besides its path and its query.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    /// The server, with the limits of one request.
    pub(crate) state: AppState,
    /// In whose name the catalogue and the stores are asked.
    pub(crate) viewer: Viewer,
    /// How links of the answer begin.
    pub(crate) base: BaseUrl,
    /// Of the request.
    pub(crate) headers: HeaderMap,
}

impl FromRequestParts<AppState> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Caller { viewer } = Caller::from_request_parts(parts, state).await?;
        let Ok(Bounded(bounded)) = Bounded::from_request_parts(parts, state).await;
        let Ok(base) = BaseUrl::from_request_parts(parts, state).await;
        Ok(Self {
            state: bounded,
            viewer,
            base,
            headers: parts.headers.clone(),
        })
    }
}
