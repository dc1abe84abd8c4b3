//! Chips of a parcel: its season as a picture, a GeoTIFF or a document.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use geo_types::Geometry;
use serde_json::{Value, json};
use swath_access::Viewer;
use swath_catalog::{Catalog, CatalogError, StoredItem};
use swath_extract::chips::{
    Calendar, CalendarOptions, ChipStyle, IMAGES_MAX, SheetLabels, draw_sheet, read_calendar,
};
use swath_extract::{ExtractError, ItemList};
use swath_grid::Crs;
use swath_io::Stores;
use swath_stac::{Interval, ItemSearch, parse_interval_or_days};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use super::failure::{internal, of_extract};
use super::holding::{OpenSet, Parcel, WGS84, moved, projector};
use super::stream::{known, response};
use crate::error::Problem;
use crate::links::{BaseUrl, path_segment};
use crate::query::pairs;
use crate::state::{AppState, Bounded};
use crate::viewer::Caller;

/// Ground around a parcel where nothing is said, in metres.
pub const CHIP_MARGIN_M: f64 = 60.0;
/// Most ground around a parcel, in metres.
const MARGIN_MAX_M: f64 = 2_000.0;
const PARAMETERS: [&str; 6] = [
    "collection",
    "datetime",
    "style",
    "margin",
    "format",
    "item",
];

/// Which season of which parcel.
#[derive(Debug, Clone)]
pub struct ChipQuestion {
    /// Collection of the images.
    pub collection: String,
    /// When they were taken; `None`: any time.
    pub interval: Option<Interval>,
    /// Ids of items; empty: any.
    pub items: Vec<String>,
    /// Outline or place of the parcel.
    pub geometry: Geometry<f64>,
    /// Its CRS.
    pub crs: Crs,
    /// How it is shown.
    pub options: CalendarOptions,
}

/// A season that cannot be shown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChipError {
    /// The catalogue does not answer, or not to this viewer.
    #[error(transparent)]
    Catalog(CatalogError),
    /// The images cannot be read.
    #[error(transparent)]
    Images(ExtractError),
    /// No image shows the parcel.
    #[error("no image of collection \"{collection}\" shows the parcel at that time")]
    NoImage {
        /// The collection.
        collection: String,
    },
    /// The parcel has no place on Earth.
    #[error("the parcel cannot be brought to longitude and latitude")]
    NoPlace,
}

/// Reads the season of a parcel from the images that `viewer` may see.
///
/// # Errors
/// See [`ChipError`].
pub async fn calendar_of(
    catalog: &Catalog,
    stores: &Stores,
    viewer: &Viewer,
    question: ChipQuestion,
) -> Result<Calendar, ChipError> {
    let items = images_of(catalog, viewer, &question).await?;
    let collection = catalog.collection(viewer, &question.collection).await;
    let collection = collection.map_err(ChipError::Catalog)?;
    let mut list = ItemList::default();
    let items = items.into_iter().map(|item| item.json);
    let added = list.add_registered(stores, viewer, &collection.resource, items);
    added.map_err(ChipError::Images)?;
    if list.items.is_empty() {
        return Err(ChipError::NoImage {
            collection: question.collection,
        });
    }
    let (geometry, options) = (&question.geometry, &question.options);
    let calendar = read_calendar(list.items, geometry, &question.crs, options).await;
    calendar.map_err(ChipError::Images)
}

/// Returns the items that show the parcel, one more than can be shown where they are too many.
async fn images_of(
    catalog: &Catalog,
    viewer: &Viewer,
    question: &ChipQuestion,
) -> Result<Vec<StoredItem>, ChipError> {
    let to_degrees = projector(&question.crs, WGS84).ok_or(ChipError::NoPlace)?;
    let place = moved(&question.geometry, &to_degrees).ok_or(ChipError::NoPlace)?;
    let search = ItemSearch {
        collections: vec![question.collection.clone()],
        ids: question.items.clone(),
        intersects: Some(place),
        datetime: question.interval,
        limit: Some(IMAGES_MAX as u32 + 1),
        ..ItemSearch::default()
    };
    let page = catalog.search(viewer, &search).await;
    Ok(page.map_err(ChipError::Catalog)?.items)
}

/// Returns what is said of a season in words: for each date the item, how much of the parcel is valid
/// and hidden, and what `address` says of it; images that are not shown with the reason.
pub fn calendar_document(
    calendar: &Calendar,
    address: impl Fn(&swath_extract::chips::SeasonChip) -> Value,
) -> Value {
    let size = calendar.geobox.size();
    let chips = calendar.chips.iter().map(|chip| {
        let mut document = json!({
            "datetime": chip.datetime.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            "item_id": chip.item_id,
            "valid": chip.valid,
            "hidden": chip.hidden,
        });
        if let (Some(document), Value::Object(more)) = (document.as_object_mut(), address(chip)) {
            document.extend(more);
        }
        document
    });
    let passed_over = calendar.passed_over.iter();
    json!({
        "style": calendar.style.name(),
        "crs": calendar.geobox.crs().to_string(),
        "transform": calendar.geobox.transform().to_gdal(),
        "size": [size.width, size.height],
        "chips": chips.collect::<Vec<Value>>(),
        "passed_over": passed_over
            .map(|image| json!({"item_id": image.item_id, "reason": image.reason}))
            .collect::<Vec<Value>>(),
    })
}

/// How chips are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChipFormat {
    Png,
    Tiff,
    Json,
}

impl ChipFormat {
    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "png" => Ok(Self::Png),
            "tif" | "tiff" => Ok(Self::Tiff),
            "json" => Ok(Self::Json),
            _ => Err(Problem::invalid("format: png, tif or json")),
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Tiff => "image/tiff",
            Self::Json => "application/json",
        }
    }
}

/// Answers `GET /parcels/{set}/{parcel}/chips`, `chips.png`, `chips.tif` and `chips.json`.
pub(super) async fn show(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path((name, id)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let pairs = pairs(uri.query(), &PARAMETERS)?;
    let format = format_of(uri.path(), &pairs)?;
    let set = state.sets.open(&state, &caller.viewer, &name).await?;
    let parcel = set.parcel(set.row_or_problem(&id)?).await?;
    let question = question(&state, &set, &parcel, &pairs)?;
    let etag = etag(&state, &caller.viewer, &set, &id, &question, format).await?;
    if let Some(unchanged) = known(&headers, &etag) {
        return Ok(unchanged);
    }
    let labels = labels(&set, &id, &parcel, &question);
    let collection = question.collection.clone();
    let calendar = calendar_of(&state.catalog, &state.stores, &caller.viewer, question).await;
    let calendar = Arc::new(calendar.map_err(of_chips)?);
    let bytes = match format {
        ChipFormat::Png => swath_io::compute::run(move |_| draw_sheet(&calendar, &labels)).await,
        ChipFormat::Tiff => {
            let written = tokio::task::spawn_blocking(move || calendar.tiff()).await;
            let written = written.map_err(|error| internal(&error))?;
            written.map_err(|error| of_extract(&error))?
        }
        ChipFormat::Json => {
            let style = calendar.style.name();
            let path = format!(
                "/parcels/{}/{}/chips",
                path_segment(&name),
                path_segment(&id)
            );
            let address = |chip: &swath_extract::chips::SeasonChip| {
                let mut query = url::form_urlencoded::Serializer::new(String::new());
                query.append_pair("collection", &collection);
                query.append_pair("style", style);
                query.append_pair("item", &chip.item_id);
                let query = query.finish();
                json!({
                    "png": base.href(&format!("{path}.png?{query}")),
                    "tif": base.href(&format!("{path}.tif?{query}")),
                })
            };
            let mut document = calendar_document(&calendar, address);
            document["parcel_id"] = id.into();
            document["set"] = set.name().into();
            document["collection"] = collection.clone().into();
            document.to_string().into_bytes()
        }
    };
    Ok(response(
        format.media_type(),
        Some(&etag),
        Body::from(bytes),
    ))
}

fn format_of(path: &str, pairs: &BTreeMap<String, String>) -> Result<ChipFormat, Problem> {
    let last = path.rsplit('/').next().unwrap_or_default();
    let ending = last.strip_prefix("chips.");
    let asked = pairs.get("format").map(String::as_str);
    ChipFormat::parse(ending.or(asked).unwrap_or("png"))
}

fn question(
    state: &AppState,
    set: &OpenSet,
    parcel: &Parcel,
    pairs: &BTreeMap<String, String>,
) -> Result<ChipQuestion, Problem> {
    let text = |name: &str| {
        let text = pairs.get(name).map(String::as_str);
        text.filter(|text| !text.is_empty())
    };
    let style = text("style").unwrap_or("natural").parse::<ChipStyle>();
    let style = style.map_err(|error| of_extract(&error))?;
    let margin_m = match text("margin") {
        None => CHIP_MARGIN_M,
        Some(text) => {
            let margin = text.parse().ok();
            let margin = margin.filter(|margin| (0.0..=MARGIN_MAX_M).contains(margin));
            margin.ok_or_else(|| {
                Problem::invalid(format!("margin: metres from 0 to {MARGIN_MAX_M}"))
            })?
        }
    };
    let interval = text("datetime").map(parse_interval_or_days).transpose();
    let own = if style.is_optical() {
        &state.cbm.s2
    } else {
        &state.cbm.bs
    };
    let geometry = parcel.geometry.clone();
    Ok(ChipQuestion {
        collection: text("collection").unwrap_or(own).to_owned(),
        interval: interval.map_err(|error| Problem::invalid(format!("datetime: {error}")))?,
        items: text("item").map(str::to_owned).into_iter().collect(),
        geometry: geometry.ok_or_else(|| Problem::not_found("the parcel has no outline"))?,
        crs: set.crs.clone(),
        options: CalendarOptions { style, margin_m },
    })
}

fn labels(set: &OpenSet, id: &str, parcel: &Parcel, question: &ChipQuestion) -> SheetLabels {
    let crop = parcel
        .text("crop_name")
        .or_else(|| parcel.text("crop_code"));
    let parts = [
        crop.map(|crop| format!("declares {crop}")),
        Some(set.name()),
        Some(question.collection.clone()),
        Some(question.options.style.name().to_owned()),
    ];
    SheetLabels {
        title: format!("Parcel {id}"),
        subtitle: parts.into_iter().flatten().collect::<Vec<_>>().join(", "),
    }
}

/// Depends on the parcel, the question and the images as the catalogue has them.
async fn etag(
    state: &AppState,
    viewer: &Viewer,
    set: &OpenSet,
    id: &str,
    question: &ChipQuestion,
    format: ChipFormat,
) -> Result<String, Problem> {
    let images = images_of(&state.catalog, viewer, question).await;
    let images = images.map_err(of_chips)?;
    let mut text = format!(
        "{} {} {id} {:?} {format:?} {}",
        env!("CARGO_PKG_VERSION"),
        set.version.digest,
        question.options,
        question.collection
    );
    for image in &images {
        text.push_str(&image.etag);
    }
    Ok(format!("\"{:016x}\"", xxh3_64(text.as_bytes())))
}

fn of_chips(error: ChipError) -> Problem {
    match error {
        ChipError::Images(error) => of_extract(&error),
        ChipError::NoImage { .. } | ChipError::NoPlace => Problem::not_found(error.to_string()),
        ChipError::Catalog(source) => source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_the_format_before_the_query() {
        let format = |path: &str, asked: Option<&str>| {
            let pairs = asked.map(|text| ("format".to_owned(), text.to_owned()));
            format_of(path, &pairs.into_iter().collect())
        };
        assert_eq!(
            format("/parcels/a/chips/chips", None).ok(),
            Some(ChipFormat::Png)
        );
        assert_eq!(
            format("/parcels/a/1/chips.json", Some("png")).ok(),
            Some(ChipFormat::Json)
        );
        assert_eq!(
            format("/parcels/a/1/chips", Some("tif")).ok(),
            Some(ChipFormat::Tiff)
        );
        assert_eq!(
            format("/parcels/a/1/chips", Some("gif"))
                .expect_err("no format")
                .status,
            400
        );
    }
}
