//! Layers: what can be asked for, by name.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value};
use swath_access::{Resource, Viewer};
use swath_catalog::{ChangeMark, CollectionSearch, StoredItem};
use swath_grid::{Bbox, GeoBox, TileMatrixSet};
use swath_raster::{Painting, ValueRange};
use swath_stac::{Interval, Item, ItemSearch, PageStart};

use super::MapFailure;
use super::bands::{ItemBand, item_bands};
use super::styles::{LayerStyle, layer_styles};
use crate::state::AppState;

/// Most layers of a list.
pub(crate) const LAYERS_MAX: usize = 1_000;
/// Most days that a layer names.
const DAYS_MAX: u32 = 366;
/// Longest name of a layer, in bytes.
const NAME_BYTES_MAX: usize = 1_024;
/// CRS in which every layer is drawn, besides its own.
const CRS_OF_ALL: [&str; 4] = ["EPSG:3857", "EPSG:4326", "CRS:84", "EPSG:3035"];

/// What can be drawn under one name.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    /// `COLLECTION`, or `COLLECTION:ITEM`.
    pub(crate) name: String,
    /// For people.
    pub(crate) title: String,
    /// A description.
    pub(crate) abstract_: String,
    /// Where it has pixels (WGS 84).
    pub(crate) bbox: Bbox,
    /// From the oldest to the newest item.
    pub(crate) interval: Interval,
    /// Days with items, the newest first, at most 366.
    pub(crate) days: Vec<NaiveDate>,
    /// The first is the default.
    pub(crate) styles: Vec<StyleInfo>,
    /// In the order of the assets.
    pub(crate) bands: Vec<LayerBand>,
    /// CRS to draw it in, its own first.
    pub(crate) crs: Vec<String>,
    /// Grid of the finest band of the newest item, where the item says it.
    pub(crate) grid: Option<GeoBox>,
    /// Words to be shown beside a picture.
    pub(crate) attribution: Option<String>,
}

/// What a style is called and what its colours mean.
#[derive(Debug, Clone)]
pub(crate) struct StyleInfo {
    /// Name in requests.
    pub(crate) name: String,
    /// For people.
    pub(crate) title: String,
    /// What the colours mean.
    pub(crate) legend: Legend,
}

/// What colours mean.
#[derive(Debug, Clone)]
pub(crate) enum Legend {
    /// Three bands as colours, or greys by what the values are.
    None,
    /// Values along colours.
    Ramp {
        /// Value of the first colour.
        low: f64,
        /// Value of the last colour.
        high: f64,
        /// Unit of the values.
        unit: Option<String>,
        /// Colours at equal steps from `low` to `high`.
        colors: Vec<[u8; 3]>,
    },
    /// Classes by name.
    Classes(Vec<(String, [u8; 3])>),
}

/// A band of a layer.
#[derive(Debug, Clone)]
pub(crate) struct LayerBand {
    /// Name in expressions.
    pub(crate) name: String,
    /// For people.
    pub(crate) title: Option<String>,
    /// Sample type, such as `uint16`, where the item says it.
    pub(crate) data_type: Option<String>,
    /// Unit of the physical values.
    pub(crate) unit: Option<String>,
    /// Nodata as the item writes it.
    pub(crate) nodata: Option<String>,
    /// `physical = stored * scale + offset`.
    pub(crate) scale: Option<f64>,
    /// `physical = stored * scale + offset`.
    pub(crate) offset: Option<f64>,
    /// Its own grid, where the item says it.
    pub(crate) grid: Option<GeoBox>,
}

/// A layer with what drawing it takes.
#[derive(Debug, Clone)]
pub(super) struct FoundLayer {
    pub(super) name: String,
    pub(super) collection: Map<String, Value>,
    pub(super) resource: Resource,
    /// Changes with what the collection declares.
    pub(super) etag: String,
    /// `None`: all items of the collection.
    pub(super) item: Option<String>,
    /// Its item, or the newest.
    pub(super) newest: Option<Arc<MapItem>>,
    /// The first is the default; none where no item has bands.
    pub(super) styles: Vec<LayerStyle>,
}

/// An item to draw.
#[derive(Debug, Clone)]
pub(super) struct MapItem {
    pub(super) id: String,
    pub(super) etag: String,
    pub(super) bands: Vec<ItemBand>,
    pub(super) datetime: Option<DateTime<Utc>>,
    pub(super) bbox: Option<Bbox>,
    /// `eo:cloud_cover`, in percent.
    pub(super) cloud_cover: Option<f64>,
}

impl MapItem {
    /// Returns what drawing takes of a registered item; `None` where it is no item.
    pub(super) fn read(stored: StoredItem) -> Option<Self> {
        let item: Item = serde_json::from_value(Value::Object(stored.json)).ok()?;
        Some(Self {
            etag: stored.etag,
            datetime: swath_stac::item_datetime(&item),
            bands: item_bands(&item),
            cloud_cover: item
                .properties
                .additional_fields
                .get("eo:cloud_cover")
                .and_then(Value::as_f64),
            bbox: item
                .bbox
                .and_then(|bbox| bbox_of_numbers(&Vec::<f64>::from(bbox))),
            id: item.id,
        })
    }
}

fn bbox_of_numbers(numbers: &[f64]) -> Option<Bbox> {
    let (west, south, east, north) = match numbers {
        [west, south, east, north] => (*west, *south, *east, *north),
        [west, south, _, east, north, _] => (*west, *south, *east, *north),
        _ => return None,
    };
    let bbox = Bbox {
        west,
        south,
        east,
        north,
    };
    numbers
        .iter()
        .all(|number| number.is_finite())
        .then_some(bbox)
}

/// Returns the collection and the item that a name means.
fn split_name(name: &str) -> (&str, Option<&str>) {
    match name.split_once([':', '/']) {
        Some((collection, item)) if !item.is_empty() => (collection, Some(item)),
        _ => (name, None),
    }
}

/// Finds a layer by name: what is known of it since `mark`, else in the catalogue.
///
/// # Errors
/// [`MapFailure::LayerUnknown`] where it is not there, or not for this viewer.
pub(super) async fn find_layer(
    state: &AppState,
    viewer: &Viewer,
    mark: &ChangeMark,
    name: &str,
) -> Result<Arc<FoundLayer>, MapFailure> {
    if name.len() > NAME_BYTES_MAX {
        return Err(MapFailure::layer_unknown(name));
    }
    if let Some(layer) = state.findings.layer(mark, viewer, name) {
        return Ok(layer);
    }
    let failed = |error| MapFailure::of_catalog(&error, name);
    let (id, item) = split_name(name);
    let collection = state.catalog.collection(viewer, id).await;
    let collection = collection.map_err(failed)?;
    let search = ItemSearch {
        collections: vec![id.to_owned()],
        ids: item.map(str::to_owned).into_iter().collect(),
        limit: Some(1),
        start: PageStart::First,
        ..ItemSearch::default()
    };
    let page = state.catalog.search(viewer, &search).await;
    let newest = page.map_err(failed)?.items.into_iter().next();
    let newest = newest.and_then(MapItem::read).map(Arc::new);
    if item.is_some() && newest.is_none() {
        return Err(MapFailure::layer_unknown(name));
    }
    let styles = match &newest {
        Some(item) => layer_styles(&collection.json, &item.bands),
        None => Vec::new(),
    };
    let layer = Arc::new(FoundLayer {
        name: name.to_owned(),
        collection: collection.json,
        resource: collection.resource,
        etag: collection.etag,
        item: item.map(str::to_owned),
        newest,
        styles,
    });
    state.findings.keep_layer(mark, viewer, layer.clone());
    Ok(layer)
}

/// Takes the mark since which everything that is found from now on holds; what was found before another
/// one is forgotten.
///
/// # Errors
/// What the catalogue says.
pub(super) async fn take_mark(state: &AppState) -> Result<ChangeMark, MapFailure> {
    let mark = state.catalog.change_mark().await;
    let mark = mark.map_err(|error| MapFailure::of_catalog(&error, ""))?;
    state.findings.begin_at(&mark);
    Ok(mark)
}

impl FoundLayer {
    /// Returns the id of the collection.
    pub(super) fn collection_id(&self) -> &str {
        split_name(&self.name).0
    }
}

/// Returns the layers that a viewer may see: one for each collection with an item that has bands, by
/// id, at most [`LAYERS_MAX`].
///
/// # Errors
/// What the catalogue says.
pub(crate) async fn layers(state: &AppState, viewer: &Viewer) -> Result<Vec<Layer>, MapFailure> {
    let mark = take_mark(state).await?;
    let search = CollectionSearch::default();
    let collections = state.catalog.collections(viewer, &search).await;
    let collections = collections.map_err(|error| MapFailure::of_catalog(&error, ""))?;
    let mut layers = Vec::new();
    for collection in collections {
        let id = collection.json.get("id").and_then(Value::as_str);
        let Some(id) = id.filter(|_| collection.items > 0) else {
            continue;
        };
        let found = find_layer(state, viewer, &mark, id).await?;
        layers.extend(describe(state, viewer, &found).await?);
        if layers.len() == LAYERS_MAX {
            break;
        }
    }
    Ok(layers)
}

/// Returns one layer: a collection, or one of its items.
///
/// # Errors
/// [`MapFailure::LayerUnknown`] where it is not there, not for this viewer, or has nothing to draw.
pub(crate) async fn layer(
    state: &AppState,
    viewer: &Viewer,
    name: &str,
) -> Result<Layer, MapFailure> {
    let mark = take_mark(state).await?;
    let found = find_layer(state, viewer, &mark, name).await?;
    let described = describe(state, viewer, &found).await?;
    described.ok_or_else(|| MapFailure::layer_unknown(name))
}

/// Returns what a layer is, `None` where it has nothing to draw.
async fn describe(
    state: &AppState,
    viewer: &Viewer,
    found: &FoundLayer,
) -> Result<Option<Layer>, MapFailure> {
    let styles = &found.styles;
    let Some(newest) = found.newest.as_ref().filter(|_| !styles.is_empty()) else {
        return Ok(None);
    };
    let text = |name: &str| found.collection.get(name).and_then(Value::as_str);
    let days = match &found.item {
        Some(_) => newest.datetime.iter().map(DateTime::date_naive).collect(),
        None => {
            let days = state
                .catalog
                .newest_days(viewer, found.collection_id(), DAYS_MAX);
            days.await
                .map_err(|error| MapFailure::of_catalog(&error, &found.name))?
        }
    };
    let interval = match &found.item {
        Some(_) => Interval {
            start: newest.datetime,
            end: newest.datetime,
        },
        None => declared_interval(&found.collection),
    };
    let grid = newest
        .bands
        .iter()
        .filter_map(|band| band.grid.clone())
        .min_by(|one, two| {
            let side = |grid: &GeoBox| grid.transform().resolution().x * grid.crs().unit_to_metre();
            side(one).total_cmp(&side(two))
        });
    let bbox = match &found.item {
        Some(_) => newest.bbox,
        None => declared_bbox(&found.collection),
    };
    let title = text("title").unwrap_or(found.collection_id());
    Ok(Some(Layer {
        title: match &found.item {
            Some(item) => format!("{title}: {item}"),
            None => title.to_owned(),
        },
        abstract_: text("description").unwrap_or_default().to_owned(),
        bbox: bbox.unwrap_or(Bbox {
            west: -180.0,
            south: -90.0,
            east: 180.0,
            north: 90.0,
        }),
        interval,
        days,
        styles: styles.iter().map(style_info).collect(),
        bands: newest.bands.iter().map(layer_band).collect(),
        crs: crs_names(grid.as_ref()),
        grid,
        attribution: text("attribution").map(str::to_owned),
        name: found.name.clone(),
    }))
}

/// Returns the CRS of a grid and those that every layer is drawn in.
fn crs_names(grid: Option<&GeoBox>) -> Vec<String> {
    let own = grid.and_then(|grid| grid.crs().epsg());
    let mut names: Vec<String> = own.map(|code| format!("EPSG:{code}")).into_iter().collect();
    for name in CRS_OF_ALL {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn layer_band(band: &ItemBand) -> LayerBand {
    LayerBand {
        name: band.name.clone(),
        title: band.title.clone(),
        data_type: band.data_type.clone(),
        unit: band.unit.clone(),
        nodata: band.nodata.get(band.position).cloned().flatten(),
        scale: band.scale,
        offset: band.offset,
        grid: band.grid.clone(),
    }
}

/// Colours of a legend.
const LEGEND_COLORS: usize = 64;

fn style_info(style: &LayerStyle) -> StyleInfo {
    let legend = match &style.painting {
        Some(Painting::Ramp {
            range: ValueRange { low, high },
            gamma,
            map,
        }) => Legend::Ramp {
            low: *low,
            high: *high,
            unit: style.unit.clone(),
            colors: (0..LEGEND_COLORS)
                .map(|step| step as f64 / (LEGEND_COLORS - 1) as f64)
                .map(|share| map.color(share.powf(1.0 / gamma)))
                .collect(),
        },
        Some(Painting::Classes(classes)) => Legend::Classes(
            classes
                .iter()
                .filter_map(|class| Some((class.name.clone(), class.color?)))
                .collect(),
        ),
        Some(Painting::Rgb { .. }) | None => Legend::None,
    };
    StyleInfo {
        name: style.name.clone(),
        title: style.title.clone(),
        legend,
    }
}

/// Reads `extent.spatial.bbox` of a collection: the first stands for all.
fn declared_bbox(collection: &Map<String, Value>) -> Option<Bbox> {
    let first = collection
        .get("extent")?
        .get("spatial")?
        .get("bbox")?
        .get(0)?;
    let numbers = first.as_array()?.iter().map(Value::as_f64);
    bbox_of_numbers(&numbers.collect::<Option<Vec<f64>>>()?)
}

/// Reads `extent.temporal.interval` of a collection.
fn declared_interval(collection: &Map<String, Value>) -> Interval {
    let end = |index: usize| {
        let temporal = collection.get("extent")?.get("temporal")?;
        let text = temporal.get("interval")?.get(0)?.get(index)?.as_str()?;
        swath_stac::parse_datetime(text).ok()
    };
    Interval {
        start: end(0),
        end: end(1),
    }
}

/// Returns the sets of tiles that a layer is served in: the general ones, and the zone of UTM of its
/// own grid.
pub(crate) fn tile_matrix_sets(layer: &Layer) -> Vec<TileMatrixSet> {
    let mut sets = TileMatrixSet::general();
    let own = layer.grid.as_ref().map(GeoBox::crs);
    sets.extend(own.and_then(TileMatrixSet::of_utm));
    sets
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_collections_or_items() {
        assert_eq!(split_name("s2"), ("s2", None));
        assert_eq!(split_name("s2:a"), ("s2", Some("a")));
        assert_eq!(split_name("s2/a:b"), ("s2", Some("a:b")));
        assert_eq!(split_name("s2:"), ("s2:", None));
    }

    #[test]
    fn extents_are_read() {
        let collection = json!({"extent": {"spatial": {"bbox": [[170, -10, 5, -170, 10, 9]]},
            "temporal": {"interval": [["2018-01-01T00:00:00Z", null]]}}});
        let collection = collection.as_object().expect("an object");
        let bbox = declared_bbox(collection).expect("a box");
        assert_eq!((bbox.west, bbox.east, bbox.north), (170.0, -170.0, 10.0));
        let interval = declared_interval(collection);
        assert!(interval.start.is_some() && interval.end.is_none());
        assert_eq!(declared_bbox(&Map::new()), None);
    }

    #[test]
    fn every_layer_has_the_common_systems_once() {
        assert_eq!(crs_names(None), CRS_OF_ALL);
    }
}
