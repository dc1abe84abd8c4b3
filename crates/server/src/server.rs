//! The server: faces put together, and what lies around every one of them.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::http::{HeaderName, Method, header};
use axum::routing::get;
use axum::{Router, middleware};
use thiserror::Error;
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tower_http::cors::{Any, CorsLayer};

use crate::error::{self, RenderProblem};
use crate::links::BaseUrlError;
use crate::map::MOSAIC;
use crate::state::AppState;
use crate::tokens::TokenError;
use crate::{
    cbm, guard, metrics, objects, odata, ogc, openapi, ows, parcels, portal, resto, stac, tiles,
};

/// Path prefix of each face and how it writes failed requests; all others write JSON.
const FACES: &[(&str, RenderProblem)] = &[
    ("/stac", error::render_json),
    ("/resto", resto::render_problem),
    ("/odata", odata::render_problem),
    ("/ogc", ogc::render_problem),
    ("/ows", ows::render_problem),
    ("/wmts", ows::render_problem),
];

/// A server that cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// It would be open to others without anybody being able to log in.
    #[error(
        "{address} is reachable from other machines, and there is no token yet: make one with \
         `swath token create --name NAME`, or bind to 127.0.0.1"
    )]
    Open {
        /// Address to bind to.
        address: IpAddr,
    },
    /// The base URL of the configuration cannot be one.
    #[error("the configuration: {source}")]
    BaseUrl {
        /// What is wrong with it.
        source: BaseUrlError,
    },
    /// The tokens cannot be read.
    #[error(transparent)]
    Tokens {
        /// What is wrong with the file.
        source: TokenError,
    },
    /// The address cannot be bound, or the socket failed.
    #[error("{address}: {source}")]
    Socket {
        /// Address to bind to.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Kinds of errors, for exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerErrorKind {
    /// Configure it differently.
    Invalid,
    /// The system.
    Upstream,
}

impl ServerError {
    /// Returns the kind of the error.
    pub fn kind(&self) -> ServerErrorKind {
        match self {
            Self::Open { .. } | Self::BaseUrl { .. } => ServerErrorKind::Invalid,
            Self::Tokens { .. } | Self::Socket { .. } => ServerErrorKind::Upstream,
        }
    }
}

/// Smallest answer that is compressed, in bytes: below, the head costs more than it saves.
const COMPRESSED_BYTES_MIN: u16 = 1_024;
/// How long a browser may keep what it learnt about other origins.
const PREFLIGHT_AGE_MAX: Duration = Duration::from_secs(3_600);
/// Header that names a request, in answers and in the log.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Returns every route of the server with the layers around them.
pub fn router(state: AppState) -> Router {
    let faces = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(guard::ready))
        .route("/metrics", get(metrics::show))
        .route("/api", get(openapi::show))
        .route("/api.html", get(openapi::show_page))
        .merge(portal::routes())
        .merge(stac::routes(&state.limits))
        .merge(resto::routes())
        .merge(odata::routes())
        .merge(objects::routes())
        .merge(parcels::routes(&state.limits))
        .merge(cbm::routes())
        .merge(tiles::routes())
        .merge(ows::routes())
        .merge(ogc::routes());
    // Each layer lies around those before it.
    faces
        .fallback(async || axum::http::StatusCode::NOT_FOUND)
        .layer(middleware::from_fn_with_state(state.clone(), guard::guard))
        .layer(compression())
        .layer(middleware::from_fn(|request, next| {
            error::shape(FACES, request, next)
        }))
        .layer(cors())
        .layer(middleware::from_fn_with_state(
            state.clone(),
            metrics::measure,
        ))
        .with_state(state)
}

fn cors() -> CorsLayer {
    let shown = [
        header::ETAG,
        header::LOCATION,
        header::LINK,
        header::CONTENT_RANGE,
        header::ACCEPT_RANGES,
        REQUEST_ID,
        MOSAIC,
        ogc::CONTENT_CRS,
        ogc::CONTENT_BBOX,
    ];
    let sent = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::RANGE,
        header::IF_RANGE,
    ];
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(methods)
        .allow_headers(sent)
        .expose_headers(shown)
        .max_age(PREFLIGHT_AGE_MAX)
}

/// Text and vector tiles are compressed; images and products are so already, and ranges must stay what they are.
fn compression() -> CompressionLayer<impl Predicate> {
    let is_text = |_: axum::http::StatusCode,
                   _: axum::http::Version,
                   headers: &axum::http::HeaderMap,
                   _: &axum::http::Extensions| {
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let is_whole = !headers.contains_key(header::CONTENT_RANGE)
            && !headers.contains_key(header::ACCEPT_RANGES);
        is_whole
            && ["json", "xml", "text/", "vnd.mapbox-vector-tile"]
                .iter()
                .any(|part| kind.contains(part))
    };
    CompressionLayer::new()
        .gzip(true)
        .compress_when(SizeAbove::new(COMPRESSED_BYTES_MIN).and(is_text))
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    state: AppState,
    address: SocketAddr,
}

impl Server {
    /// Binds to `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// Where others could reach it and no token lets anybody in, or the address is taken.
    pub async fn bind(state: AppState, address: SocketAddr) -> Result<Self, ServerError> {
        let is_reachable = !address.ip().to_canonical().is_loopback();
        let has_tokens = state
            .tokens
            .lets_anybody_in()
            .map_err(|source| ServerError::Tokens { source })?;
        if is_reachable && !has_tokens {
            return Err(ServerError::Open {
                address: address.ip(),
            });
        }
        let failed = |source| ServerError::Socket { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            state,
            address,
        })
    }

    /// Returns the address it listens on, with the port it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `shutdown` ends; requests that have begun are answered to their end.
    ///
    /// # Errors
    /// Where the socket fails.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServerError> {
        let address = self.address;
        let service = router(self.state).into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(self.listener, service)
            .with_graceful_shutdown(shutdown)
            .await
            .map_err(|source| ServerError::Socket { address, source })
    }
}
