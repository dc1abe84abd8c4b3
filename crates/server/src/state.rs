//! What every handler works with.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use swath_access::Viewer;
use swath_catalog::{Catalog, CatalogError, ErrorKind};
use swath_io::{BlockCache, StoreWriter, Stores};
use swath_stac::ItemSearch;
use tokio::sync::Semaphore;

use crate::cbm::{CbmOptions, ChipFiles};
use crate::error::Problem;
use crate::links::{BaseUrl, BaseUrlError};
use crate::map::{Findings, KnownRanges, OpenRasters, VALUES_AT_ONCE_MAX};
use crate::metrics::Metrics;
use crate::objects::Checksums;
use crate::parcels::{Colorings, Holdings, Pyramids, Tables};
use crate::tokens::TokenFile;

/// Part of the work for a request that counting has.
const COUNT_PART: u32 = 3;

/// What a server is made of.
#[derive(Debug)]
pub struct ServerOptions {
    /// The catalogue that every face searches.
    pub catalog: Catalog,
    /// The named stores that assets are read from.
    pub stores: Arc<Stores>,
    /// Who may log in with which token.
    pub tokens: TokenFile,
    /// Where the extract tables lie, `<collection>/<set>@<version>/<profile>` below it; `None`: there
    /// are none.
    pub tables: Option<StoreWriter>,
    /// Folder in which prepared vector tiles of parcel sets are kept; it need not be there yet, and
    /// what is in it may be removed.
    pub tile_cache: PathBuf,
    /// How the words of the CbM interface translate.
    pub cbm: CbmOptions,
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
    /// Most work of the database for one request; counting all results of a search, which may fail
    /// without the search failing, has a third of it.
    pub query_time_max: Duration,
    /// Largest body of a search, in bytes.
    pub search_body_bytes_max: usize,
    /// Largest body of a transaction, in bytes.
    pub transaction_body_bytes_max: usize,
    /// Most requests that are worked on at once; more wait.
    pub requests_at_once_max: usize,
    /// Most bytes of decoded blocks of images that are kept for maps.
    pub map_cache_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_time_max: Duration::from_secs(30),
            query_time_max: Duration::from_millis(900),
            search_body_bytes_max: 1 << 20,
            transaction_body_bytes_max: 10 << 20,
            requests_at_once_max: 256,
            map_cache_bytes_max: 256 << 20,
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
    /// Versions of parcel sets that are open.
    pub(crate) sets: Arc<Holdings>,
    /// Extract tables.
    pub(crate) tables: Arc<Tables>,
    /// Prepared vector tiles.
    pub(crate) pyramids: Arc<Pyramids>,
    /// Values that vector tiles are coloured by.
    pub(crate) colorings: Arc<Colorings>,
    pub(crate) cbm: Arc<CbmOptions>,
    /// Pictures that wait to be fetched.
    pub(crate) chips: Arc<ChipFiles>,
    /// What the catalogue said of layers and their items.
    pub(crate) findings: Arc<Findings>,
    /// Rasters that are open for maps.
    pub(crate) rasters: Arc<OpenRasters>,
    /// Blocks that were decoded for maps.
    pub(crate) blocks: Arc<BlockCache>,
    /// Ranges of greys.
    pub(crate) ranges: Arc<KnownRanges>,
    /// One for each value of a map that may be in work at once.
    pub(crate) map_places: Arc<Semaphore>,
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
            sets: Arc::default(),
            tables: Arc::new(Tables::new(options.tables)),
            pyramids: Arc::new(Pyramids::new(options.tile_cache)),
            colorings: Arc::default(),
            cbm: Arc::new(options.cbm),
            chips: Arc::default(),
            findings: Arc::default(),
            rasters: Arc::default(),
            blocks: Arc::new(BlockCache::new(options.limits.map_cache_bytes_max)),
            ranges: Arc::default(),
            map_places: Arc::new(Semaphore::new(VALUES_AT_ONCE_MAX as usize)),
            limits: Arc::new(options.limits),
        })
    }

    /// Returns the state that one request works with: all that it asks of the catalogue takes
    /// [`Limits::query_time_max`] of work at most.
    fn of_request(&self) -> Self {
        let whole = self.limits.query_time_max;
        Self {
            catalog: self.catalog.with_query_budget(whole - whole / COUNT_PART),
            ..self.clone()
        }
    }

    /// Returns how many items a search finds, `None` where counting them takes too much work: a number
    /// beside an answer is not worth failing for.
    ///
    /// # Errors
    /// As [`Catalog::count`] otherwise.
    pub(crate) async fn count_in_passing(
        &self,
        viewer: &Viewer,
        search: &ItemSearch,
    ) -> Result<Option<u64>, CatalogError> {
        let budget = self.limits.query_time_max / COUNT_PART;
        let catalog = self.catalog.with_query_budget(budget);
        match catalog.count(viewer, search).await {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::Limit => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks the catalogue for nothing.
    pub(crate) async fn check_ready(&self) -> Result<(), Problem> {
        let none = ItemSearch {
            limit: Some(1),
            ids: vec![String::new()],
            ..Default::default()
        };
        let viewer = Viewer::anonymous();
        self.catalog.search(&viewer, &none).await?;
        Ok(())
    }
}

/// The state of the server with the limits of one request: what handlers take that ask the catalogue.
#[derive(Debug, Clone)]
pub(crate) struct Bounded(pub(crate) AppState);

impl FromRequestParts<AppState> for Bounded {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        Ok(Self(state.of_request()))
    }
}
