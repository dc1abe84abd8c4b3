//! Items that show a place, and the rasters of their bands.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use cql2::Expr;
use geo_types::{Coord, Geometry, Point};
use serde_json::Value;
use swath_access::{Resource, Viewer};
use swath_catalog::StoredItem;
use swath_io::GeoTiff;
use swath_stac::{
    Interval, Item, ItemSearch, SortField, asset_bands, item_datetime, measured_assets,
};

use crate::error::Problem;
use crate::parcels::of_io;
use crate::state::AppState;

/// Most images of one answer.
pub(super) const IMAGES_MAX: usize = 300;

/// An item that shows a place.
#[derive(Debug, Clone)]
pub(super) struct Image {
    /// Its id.
    pub(super) id: String,
    /// When it was taken.
    pub(super) datetime: DateTime<Utc>,
    item: Item,
    resource: Resource,
}

/// A band of an image: its raster, and where in it.
#[derive(Debug, Clone)]
pub(super) struct BandRaster {
    pub(super) raster: Arc<GeoTiff>,
    /// From 0.
    pub(super) band: usize,
}

/// Which images.
#[derive(Debug, Clone)]
pub(super) struct ImageQuestion<'a> {
    pub(super) collection: &'a str,
    pub(super) place: Coord<f64>,
    pub(super) interval: Option<Interval>,
    /// Ids; empty: any.
    pub(super) ids: Vec<String>,
    /// What else must hold.
    pub(super) filter: Option<Expr>,
    /// First field to sort by; `None`: oldest first.
    pub(super) sort: Option<SortField>,
    /// At most so many.
    pub(super) images_max: usize,
}

/// Returns the images of a place.
///
/// # Errors
/// Where the collection is not there for this viewer, or more images show the place in the interval
/// than are answered at once.
pub(super) async fn images_of(
    state: &AppState,
    viewer: &Viewer,
    question: ImageQuestion<'_>,
) -> Result<Vec<Image>, Problem> {
    let collection = state
        .catalog
        .collection(viewer, question.collection)
        .await?;
    let by_time = SortField {
        field: "datetime".to_owned(),
        is_descending: false,
    };
    let is_cut = question.sort.is_some();
    let search = ItemSearch {
        collections: vec![question.collection.to_owned()],
        ids: question.ids,
        intersects: Some(Geometry::Point(Point::from(question.place))),
        datetime: question.interval,
        filter: question.filter,
        sort: question.sort.into_iter().chain([by_time]).collect(),
        limit: Some(question.images_max as u32 + u32::from(!is_cut)),
        ..ItemSearch::default()
    };
    let page = state.catalog.search(viewer, &search).await?;
    if !is_cut && page.items.len() > question.images_max {
        return Err(Problem::invalid(format!(
            "more than {} images show this place: ask for a shorter time",
            question.images_max
        )));
    }
    let images = page.items.into_iter();
    Ok(images
        .filter_map(|stored| image(stored, &collection.resource))
        .collect())
}

fn image(stored: StoredItem, resource: &Resource) -> Option<Image> {
    let item: Item = serde_json::from_value(Value::Object(stored.json)).ok()?;
    Some(Image {
        id: item.id.clone(),
        datetime: item_datetime(&item)?,
        resource: resource.clone(),
        item,
    })
}

impl Image {
    /// Returns the first raster with a band of this name, the smallest pixels first where several
    /// have it; `None` where none has.
    ///
    /// # Errors
    /// Where the raster cannot be read.
    pub(super) async fn band(
        &self,
        state: &AppState,
        viewer: &Viewer,
        name: &str,
    ) -> Result<Option<BandRaster>, Problem> {
        for (key, asset) in measured_assets(&self.item) {
            let bands = asset_bands(asset);
            let is_it = |band: &swath_stac::AssetBand| {
                band.name
                    .as_deref()
                    .is_some_and(|own| own.eq_ignore_ascii_case(name))
            };
            let band = match bands.iter().position(is_it) {
                Some(band) => band,
                None if bands.len() <= 1 && is_key_of(key, name) => 0,
                None => continue,
            };
            let resolved = state.stores.resolve(viewer, &self.resource, &asset.href);
            let asset = resolved.map_err(|error| of_io(&error))?;
            let raster = GeoTiff::open(asset).await.map_err(|error| of_io(&error))?;
            return Ok(Some(BandRaster {
                raster: Arc::new(raster),
                band,
            }));
        }
        Ok(None)
    }
}

/// True for `B04` and keys that begin with it, such as `B04_10m`.
fn is_key_of(key: &str, band: &str) -> bool {
    let head = key.split(['_', '.']).next().unwrap_or_default();
    head.eq_ignore_ascii_case(band)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_bands() {
        assert!(is_key_of("B04_10m", "B04") && is_key_of("b04", "B04"));
        assert!(!is_key_of("B8A", "B8") && !is_key_of("", "B04"));
    }
}
