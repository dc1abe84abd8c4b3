//! Which items a picture is made of: page by page, the newest first.

use std::sync::Arc;

use swath_access::Viewer;
use swath_catalog::ChangeMark;
use swath_grid::{Bbox, GeoBox, bbox_of};
use swath_stac::{ItemSearch, PageStart};
use xxhash_rust::xxh3::xxh3_128;

use super::composite::{COMPOSITE_ITEMS_MAX, CompositeChoice};
use super::layer::{FoundLayer, MapItem, find_layer, take_mark};
use super::{MapFailure, TimeChoice};
use crate::state::AppState;

/// Items of a page: further pages are asked for where there are gaps.
const PAGE_ITEMS: u32 = 48;
/// Most items that one picture without composite is made of.
pub(crate) const MOSAIC_ITEMS_MAX: usize = 240;
/// Longest side of a picture, in pixels.
const SIDE_MAX_PX: u32 = 8_192;
/// Most pixels of a picture.
const PIXELS_MAX: u64 = 16 << 20;
/// Most values of an answer: pixels times bands.
const VALUES_MAX: u64 = 64 << 20;

/// A layer and the items that may have pixels on a grid.
#[derive(Debug, Clone)]
pub(super) struct Selected {
    pub(super) layer: Arc<FoundLayer>,
    /// The newest first: the first page, or all of a composite.
    pub(super) items: Arc<[Arc<MapItem>]>,
    /// The search of the next page; `None` where these are all.
    pub(super) rest: Option<ItemSearch>,
}

impl Selected {
    /// Returns an etag of the items, the layer and `asked`.
    pub(super) fn etag(&self, asked: &str) -> String {
        // With the same first page, a picture with gaps is another one where further pages begin.
        let has_rest = self.rest.is_some();
        etag_of(
            &format!("{}\n{asked}\n{has_rest}\n", self.layer.etag),
            &self.items,
        )
    }
}

/// Returns an etag, quoted, of `head` and the versions of `items`.
pub(super) fn etag_of(head: &str, items: &[Arc<MapItem>]) -> String {
    let mut text = head.to_owned();
    for item in items {
        text.push_str(&item.id);
        text.push_str(&item.etag);
    }
    format!("\"{:032x}\"", xxh3_128(text.as_bytes()))
}

/// Refuses grids with too many pixels; returns the number of values.
///
/// # Errors
/// [`MapFailure::TooLarge`] names the limit.
pub(super) fn check_size(geobox: &GeoBox, bands: usize) -> Result<u32, MapFailure> {
    let size = geobox.size();
    let pixels = u64::from(size.width) * u64::from(size.height);
    if size.width.max(size.height) > SIDE_MAX_PX || pixels > PIXELS_MAX {
        return Err(MapFailure::TooLarge {
            reason: format!(
                "{} × {} pixels are more than {SIDE_MAX_PX} a side or {PIXELS_MAX} together; ask for \
                 a smaller picture",
                size.width, size.height
            ),
        });
    }
    let values = pixels * bands.max(1) as u64;
    if values > VALUES_MAX {
        return Err(MapFailure::TooLarge {
            reason: format!(
                "{pixels} pixels of {bands} bands are more than {VALUES_MAX} values; ask for fewer \
                 bands or a smaller picture"
            ),
        });
    }
    Ok(values as u32)
}

/// What of a layer is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sought<'a> {
    /// `COLLECTION`, `COLLECTION:ITEM` or `COLLECTION/ITEM`.
    pub(super) layer: &'a str,
    pub(super) time: &'a TimeChoice,
    pub(super) geobox: &'a GeoBox,
    /// All items at once where there is one.
    pub(super) composite: Option<&'a CompositeChoice>,
}

/// Finds a layer and its items that may have pixels on a grid: what is known while the catalogue stays
/// as it is, else in the catalogue.
///
/// # Errors
/// Where the layer is not there for this viewer, the grid has no place on Earth, or a composite would
/// be made of more than [`COMPOSITE_ITEMS_MAX`] items.
pub(super) async fn select(
    state: &AppState,
    viewer: &Viewer,
    sought: &Sought<'_>,
) -> Result<Selected, MapFailure> {
    let mark = take_mark(state).await?;
    let asked = format!(
        "{}\n{:?}\n{}\n{:?}",
        sought.layer,
        sought.time,
        sought.composite.is_some(),
        sought.geobox
    );
    let known = state
        .findings
        .selection(&mark, viewer, &asked, sought.geobox);
    if let Some(selected) = known {
        return Ok(selected);
    }
    let selected = look_up(state, viewer, &mark, sought).await?;
    let found = (sought.geobox.clone(), selected.clone());
    state.findings.keep_selection(&mark, viewer, &asked, found);
    Ok(selected)
}

async fn look_up(
    state: &AppState,
    viewer: &Viewer,
    mark: &ChangeMark,
    sought: &Sought<'_>,
) -> Result<Selected, MapFailure> {
    let layer = find_layer(state, viewer, mark, sought.layer).await?;
    let Some(bbox) = bbox_of(sought.geobox)? else {
        return Ok(Selected {
            layer,
            items: Arc::default(),
            rest: None,
        });
    };
    let limit = match sought.composite {
        Some(_) => COMPOSITE_ITEMS_MAX,
        None => PAGE_ITEMS,
    };
    let search = ItemSearch {
        collections: vec![layer.collection_id().to_owned()],
        ids: layer.item.clone().into_iter().collect(),
        bbox: Some(bbox),
        datetime: sought.time.interval(),
        limit: Some(limit),
        ..ItemSearch::default()
    };
    let (items, rest) = page(state, viewer, search).await?;
    let share = |item| {
        state
            .findings
            .shared_item(mark, layer.collection_id(), item)
    };
    let items: Arc<[Arc<MapItem>]> = items.into_iter().map(share).collect();
    if sought.composite.is_some() && rest.is_some() {
        return Err(MapFailure::TooLarge {
            reason: format!(
                "more than {COMPOSITE_ITEMS_MAX} items lie there in this time, and a composite is \
                 made of {COMPOSITE_ITEMS_MAX} at most; ask for a shorter time or a smaller area"
            ),
        });
    }
    Ok(Selected { layer, items, rest })
}

/// Returns the next page of items within `bbox`, and the search of the one behind it.
///
/// # Errors
/// What the catalogue says.
pub(super) async fn next_page(
    state: &AppState,
    viewer: &Viewer,
    rest: &ItemSearch,
    bbox: Bbox,
) -> Result<(Vec<Arc<MapItem>>, Option<ItemSearch>), MapFailure> {
    let search = ItemSearch {
        bbox: Some(bbox),
        ..rest.clone()
    };
    let (items, rest) = page(state, viewer, search).await?;
    Ok((items.into_iter().map(Arc::new).collect(), rest))
}

async fn page(
    state: &AppState,
    viewer: &Viewer,
    search: ItemSearch,
) -> Result<(Vec<MapItem>, Option<ItemSearch>), MapFailure> {
    let found = state.catalog.search(viewer, &search).await;
    let name = search.collections.first().map_or("", String::as_str);
    let found = found.map_err(|error| MapFailure::of_catalog(&error, name))?;
    let items = found.items.into_iter().filter_map(MapItem::read).collect();
    let rest = found.next.map(|token| ItemSearch {
        start: PageStart::Token(token),
        ..search
    });
    Ok((items, rest))
}
