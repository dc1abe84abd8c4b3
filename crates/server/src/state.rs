//! What every handler works with.

use std::sync::Arc;
use std::time::Duration;

use swath_catalog::Catalog;
use swath_io::Stores;
use tokio::sync::Semaphore;

use crate::error::Problem;
use crate::links::{BaseUrl, BaseUrlError};
use crate::metrics::Metrics;
use crate::objects::Checksums;
use crate::tokens::TokenFile;

/// What a server is made of.
#[derive(Debug)]
pub struct ServerOptions {
    /// The catalogue that every face searches.
    pub catalog: Catalog,
    /// The named stores that assets are read from.
    pub stores: Arc<Stores>,
    /// Who may log in with which token.
    pub tokens: TokenFile,
    /// How links begin, such as `https://eo.example.org/archive`; `None`: as the request says.
    pub base_url: Option<String>,
    /// What one request may cost.
    pub limits: Limits,
}

/// What one request may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest time until an answer begins; a stream that has begun may take longer.
    pub request_time_max: Duration,
    /// Largest body of a search, in bytes.
    pub search_body_bytes_max: usize,
    /// Largest body of a transaction, in bytes.
    pub transaction_body_bytes_max: usize,
    /// Most requests that are worked on at once; more wait.
    pub requests_at_once_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_time_max: Duration::from_secs(30),
            search_body_bytes_max: 1 << 20,
            transaction_body_bytes_max: 10 << 20,
            requests_at_once_max: 256,
        }
    }
}

/// The state of a running server; cloning it is cheap.
#[derive(Debug, Clone)]
pub struct AppState {
    pub(crate) catalog: Catalog,
    pub(crate) stores: Arc<Stores>,
    pub(crate) tokens: Arc<TokenFile>,
    /// How links begin where the configuration says so.
    pub(crate) base_url: Option<BaseUrl>,
    pub(crate) limits: Arc<Limits>,
    /// One for each request that may be worked on at once.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) metrics: Arc<Metrics>,
    /// Checksums of files that went into zips.
    pub(crate) checksums: Arc<Checksums>,
}

impl AppState {
    /// Returns the state of a server made of `options`.
    ///
    /// # Errors
    /// Where the base URL is not an absolute `http` or `https` URL without query.
    pub fn new(options: ServerOptions) -> Result<Self, BaseUrlError> {
        let base_url = options
            .base_url
            .as_deref()
            .map(BaseUrl::parse)
            .transpose()?;
        Ok(Self {
            catalog: options.catalog,
            stores: options.stores,
            tokens: Arc::new(options.tokens),
            base_url,
            places: Arc::new(Semaphore::new(options.limits.requests_at_once_max)),
            metrics: Arc::default(),
            checksums: Arc::default(),
            limits: Arc::new(options.limits),
        })
    }

    /// Asks the catalogue for nothing.
    pub(crate) async fn check_ready(&self) -> Result<(), Problem> {
        let none = swath_stac::ItemSearch {
            limit: Some(1),
            ids: vec![String::new()],
            ..Default::default()
        };
        let viewer = swath_access::Viewer::anonymous();
        self.catalog.search(&viewer, &none).await?;
        Ok(())
    }
}
