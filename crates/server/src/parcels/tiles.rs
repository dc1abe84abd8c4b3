//! Vector tiles of a parcel set, and the TileJSON that describes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use swath_io::vector::tiles::{
    EXTENT, TILE_BYTES_MAX, TileAddress, TileContent, TileProperty, TilePyramid, ZOOM_MAX,
};
use xxhash_rust::xxh3::xxh3_64;

use super::coloring::{AGE_MAX_DAYS, Coloring, ValueChoice, range_of};
use super::failure::{internal, of_vector};
use super::holding::OpenSet;
use super::stream::known;
use crate::error::Problem;
use crate::links::{BaseUrl, path_segment};
use crate::query::pairs;
use crate::state::{AppState, Bounded};
use crate::viewer::Caller;

/// Media type of tiles.
const MVT: &str = "application/vnd.mapbox-vector-tile";
/// How long a client may keep a tile of a version that is named: the tile never changes, but who may
/// see it may.
const PINNED: &str = "private, max-age=3600";
/// How long one of the newest version.
const NEWEST: &str = "private, max-age=60";
/// Names of parameters.
const PARAMETERS: [&str; 3] = ["properties", "value", "datetime"];

/// What tiles are asked for.
struct Asked {
    set: Arc<OpenSet>,
    pyramid: Arc<TilePyramid>,
    properties: Vec<TileProperty>,
    coloring: Option<(ValueChoice, Coloring)>,
}

impl Asked {
    async fn read(
        state: &AppState,
        caller: &Caller,
        name: &str,
        pairs: &BTreeMap<String, String>,
    ) -> Result<Self, Problem> {
        let text = |name: &str| {
            let text = pairs.get(name).map(String::as_str);
            text.filter(|text| !text.is_empty())
        };
        let properties = properties(pairs.get("properties").map(String::as_str))?;
        let choice = match text("value") {
            Some(value) => Some(ValueChoice::parse(value, text("datetime"))?),
            None if text("datetime").is_some() => {
                return Err(Problem::invalid("datetime is the day of a value: name it"));
            }
            None => None,
        };
        let set = state.sets.open(state, &caller.viewer, name).await?;
        let pyramid = state.pyramids.of(&set).await?;
        let coloring = match choice {
            Some(choice) => {
                let colorings = &state.colorings;
                let found = colorings.of(state, &caller.viewer, &set, &pyramid, &choice);
                let found = found.await?;
                Some((choice, found))
            }
            None => None,
        };
        Ok(Self {
            set,
            pyramid,
            properties,
            coloring,
        })
    }
}

/// Answers `GET /parcels/{set}/tiles/{z}/{x}/{y}.mvt`, also `.pbf`.
pub(super) async fn show(
    Bounded(state): Bounded,
    caller: Caller,
    Path((name, zoom, col, row)): Path<(String, String, String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let address = address(&zoom, &col, &row)?;
    let pairs = pairs(uri.query(), &PARAMETERS)?;
    let asked = Asked::read(&state, &caller, &name, &pairs).await?;
    let etag = etag(&asked, &address);
    let cache = if name.contains('@') { PINNED } else { NEWEST };
    if let Some(unchanged) = known(&headers, &etag) {
        return Ok(with_headers(unchanged, &etag, cache));
    }
    let content = TileContent {
        properties: asked.properties,
        values: asked.coloring.map(|(_, coloring)| coloring.values),
    };
    let pyramid = asked.pyramid;
    let tile = tokio::task::spawn_blocking(move || pyramid.tile(&address, &content)).await;
    let tile = tile.map_err(|error| internal(&error))?;
    let tile = tile.map_err(|error| of_vector(&error))?;
    let response = match tile.is_empty() {
        true => StatusCode::NO_CONTENT.into_response(),
        false => ([(header::CONTENT_TYPE, MVT)], Body::from(tile)).into_response(),
    };
    Ok(with_headers(response, &etag, cache))
}

/// Answers `GET /parcels/{set}/tiles/tilejson.json` (TileJSON 3.0.0).
pub(super) async fn describe(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let pairs = pairs(uri.query(), &PARAMETERS)?;
    let asked = Asked::read(&state, &caller, &name, &pairs).await?;
    let (set, pyramid) = (&asked.set, &asked.pyramid);
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    pairs.iter().for_each(|(name, value)| {
        query.append_pair(name, value);
    });
    let query = match query.finish() {
        query if query.is_empty() => query,
        query => format!("?{query}"),
    };
    // The version is named, so that a map does not change while it is looked at.
    let path = format!("/parcels/{}/tiles", path_segment(&set.name()));
    let tiles = format!("{}/{{z}}/{{x}}/{{y}}.mvt{query}", base.href(&path));
    let mut document = json!({
        "tilejson": "3.0.0",
        "name": set.name(),
        "scheme": "xyz",
        "tiles": [tiles],
        "minzoom": 0,
        "maxzoom": ZOOM_MAX,
        "vector_layers": layers(&asked),
        "swath:parcels": pyramid.rows(),
        "swath:parcels_without_place": pyramid.unplaced(),
        "swath:tile_bytes_max": TILE_BYTES_MAX,
        "swath:extent": EXTENT,
    });
    if let Some(bbox) = set.version.content.bbox {
        document["bounds"] = json!([bbox.west, bbox.south, bbox.east, bbox.north]);
        let middle = |from: f64, to: f64| (from + to) / 2.0;
        document["center"] = json!([
            middle(bbox.west, bbox.east),
            middle(bbox.south, bbox.north),
            pyramid.detail_zoom()
        ]);
    }
    if let Some((choice, coloring)) = &asked.coloring {
        document["swath:value"] = json!({
            "value": choice.text(),
            "datetime": choice.day().map(|day| day.to_string()),
            "age_max_days": AGE_MAX_DAYS,
            "range": range_of(&coloring.values),
        });
    }
    let mut response = Json(document).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(NEWEST));
    headers.insert(header::VARY, HeaderValue::from_static("Authorization"));
    Ok(response)
}

fn layers(asked: &Asked) -> Value {
    let mut parcels = Map::new();
    let mut cells = Map::new();
    for property in &asked.properties {
        let (meaning, is_of_cells) = match property {
            TileProperty::Id => ("id of the parcel", false),
            TileProperty::CropCode => ("code of the declared crop", true),
            TileProperty::CropName => ("name of the declared crop", true),
            TileProperty::AreaHa => ("hectares", false),
        };
        parcels.insert(property.name().to_owned(), meaning.into());
        if is_of_cells {
            let meaning = format!("{meaning} with the greatest part of the cell");
            cells.insert(property.name().to_owned(), meaning.into());
        }
    }
    cells.insert("crop_share".to_owned(), "part of that crop, 0 to 1".into());
    let (sum, meaning) = match asked.pyramid.has_points() {
        true => ("parcels", "number of parcels in the cell"),
        false => ("area_ha", "hectares of parcels in the cell"),
    };
    cells.insert(sum.to_owned(), meaning.into());
    if let Some((choice, _)) = &asked.coloring {
        let text = choice.text();
        parcels.insert("value".to_owned(), text.clone().into());
        cells.insert("value".to_owned(), format!("mean of {text}").into());
    }
    let detail = asked.pyramid.detail_zoom();
    let mut layers = vec![json!({
        "id": "parcels",
        "description": "Parcels; the number of a feature is its row in the version of the set",
        "minzoom": detail,
        "maxzoom": ZOOM_MAX,
        "fields": parcels,
    })];
    if detail > 0 {
        layers.push(json!({
            "id": "cells",
            "description": "Squares of 8 pixels with what lies in them; above its zooms where parcels are too many for a tile",
            "minzoom": 0,
            "maxzoom": detail - 1,
            "fields": cells,
        }));
    }
    layers.into()
}

fn address(zoom: &str, col: &str, row: &str) -> Result<TileAddress, Problem> {
    let row = row
        .strip_suffix(".mvt")
        .or_else(|| row.strip_suffix(".pbf"));
    let row = row.ok_or_else(|| Problem::not_found("tiles are {z}/{x}/{y}.mvt or .pbf"))?;
    let wrong = || {
        Problem::not_found(format!(
            "no such tile: zooms are 0 to {ZOOM_MAX}, columns and rows 0 to 2^zoom - 1"
        ))
    };
    let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
    let zoom = zoom.parse::<u8>().map_err(|_| wrong())?;
    TileAddress::new(zoom, number(col)?, number(row)?).ok_or_else(wrong)
}

fn properties(text: Option<&str>) -> Result<Vec<TileProperty>, Problem> {
    let Some(text) = text else {
        return Ok(TileProperty::ALL.to_vec());
    };
    let mut properties = Vec::new();
    for name in text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        let known = TileProperty::ALL
            .iter()
            .find(|property| property.name() == name);
        let known = known.ok_or_else(|| {
            let names = TileProperty::ALL.map(TileProperty::name);
            Problem::invalid(format!("properties: some of {}", names.join(", ")))
        })?;
        properties.push(*known);
    }
    properties.sort_unstable();
    properties.dedup();
    Ok(properties)
}

/// Depends on the version of the set, the tile, what it carries and the program.
fn etag(asked: &Asked, address: &TileAddress) -> String {
    let coloring = asked
        .coloring
        .as_ref()
        .map(|(_, coloring)| coloring.key.as_str());
    let text = format!(
        "{} {} {address:?} {:?} {coloring:?}",
        env!("CARGO_PKG_VERSION"),
        asked.set.version.digest,
        asked.properties
    );
    format!("\"{:016x}\"", xxh3_64(text.as_bytes()))
}

fn with_headers(mut response: Response, etag: &str, cache: &'static str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::VARY, HeaderValue::from_static("Authorization"));
    if let Ok(etag) = etag.parse() {
        headers.insert(header::ETAG, etag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_scheme() {
        assert!(address("0", "0", "0.mvt").is_ok() && address("16", "65535", "0.pbf").is_ok());
        for (zoom, col, row) in [
            ("0", "1", "0.mvt"),
            ("17", "0", "0.mvt"),
            ("-1", "0", "0.mvt"),
            ("3", "0", "0"),
            ("3", "0", "9999999999.mvt"),
        ] {
            assert_eq!(address(zoom, col, row).expect_err(row).status, 404);
        }
    }

    #[test]
    fn properties_are_chosen_by_name() {
        assert_eq!(properties(None).expect("all").len(), 4);
        assert_eq!(properties(Some("")).expect("none"), []);
        let some = properties(Some("area_ha,id,id")).expect("two");
        assert_eq!(some, [TileProperty::Id, TileProperty::AreaHa]);
        assert_eq!(
            properties(Some("holder")).expect_err("personal").status,
            400
        );
    }
}
