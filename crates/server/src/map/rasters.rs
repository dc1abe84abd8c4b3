//! Opened rasters, shared by all requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use swath_access::{Resource, Viewer};
use swath_io::GeoTiff;

use super::MapFailure;
use super::bands::ItemBand;
use crate::state::AppState;

/// Most rasters that stay open.
const RASTERS_MAX: usize = 1_024;

/// Which raster: its place and the version of the item that names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RasterKey {
    href: String,
    item_etag: String,
}

/// Rasters by place, those used last.
#[derive(Debug, Default)]
pub(crate) struct OpenRasters {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    rasters: HashMap<RasterKey, (u64, Arc<GeoTiff>)>,
    uses: u64,
}

impl OpenRasters {
    fn get(&self, key: &RasterKey) -> Option<Arc<GeoTiff>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.uses += 1;
        let now = held.uses;
        let (used, raster) = held.rasters.get_mut(key)?;
        *used = now;
        Some(raster.clone())
    }

    fn keep(&self, key: RasterKey, raster: Arc<GeoTiff>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.uses += 1;
        let now = held.uses;
        held.rasters.insert(key, (now, raster));
        if held.rasters.len() > RASTERS_MAX {
            // A quarter at once, so that few requests pay for looking through all.
            let mut uses: Vec<u64> = held.rasters.values().map(|(used, _)| *used).collect();
            uses.sort_unstable();
            let oldest = uses[RASTERS_MAX / 4];
            held.rasters.retain(|_, (used, _)| *used > oldest);
        }
    }

    /// Forgets a raster whose file is not what it was.
    fn forget(&self, key: &RasterKey) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.rasters.remove(key);
    }
}

/// Opens the raster of a band, or takes the one that is open. Whether `viewer` may read it is asked
/// each time.
///
/// # Errors
/// Where it cannot be read.
pub(super) async fn open(
    state: &AppState,
    viewer: &Viewer,
    resource: &Resource,
    band: &ItemBand,
    item_etag: &str,
) -> Result<Arc<GeoTiff>, MapFailure> {
    let asset = state.stores.resolve(viewer, resource, &band.href);
    let asset = asset.map_err(|error| MapFailure::of_io(&error))?;
    let key = RasterKey {
        href: band.href.clone(),
        item_etag: item_etag.to_owned(),
    };
    if let Some(raster) = state.rasters.get(&key) {
        return Ok(raster);
    }
    let raster = GeoTiff::open(asset).await;
    let raster = raster.map_err(|error| MapFailure::of_io(&error))?;
    let raster = Arc::new(raster.with_item_nodata(&band.nodata));
    state.rasters.keep(key, raster.clone());
    Ok(raster)
}

/// Forgets the raster of a band: the next request opens it anew.
pub(super) fn forget(state: &AppState, band: &ItemBand, item_etag: &str) {
    let key = RasterKey {
        href: band.href.clone(),
        item_etag: item_etag.to_owned(),
    };
    state.rasters.forget(&key);
}
