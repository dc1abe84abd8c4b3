//! Maps and map tiles.

use std::collections::BTreeMap;

use axum::extract::{Path, RawQuery};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use swath_grid::{GeoBox, TileIndex};

use super::area::{AREA_PARAMETERS, Area, Defaults};
use super::collections::finest_scale;
use super::negotiation::picture_format;
use crate::asker::Asker;
use crate::error::Problem;
use crate::map::{
    Background, CompositeChoice, ImageFormat, MapFailure, MapRequest, StyleChoice, TimeChoice,
    answer_map, layer,
};
use crate::query::pairs;
use crate::tiles::find_set;

/// Names the CRS of a map (20-058, 7.4).
pub(crate) const CONTENT_CRS: HeaderName = HeaderName::from_static("content-crs");
/// Says the corners of a map in its CRS, lower corner first (20-058, 7.4).
pub(crate) const CONTENT_BBOX: HeaderName = HeaderName::from_static("content-bbox");

/// Parameters of our own, those of `/tiles`.
const STYLE_PARAMETERS: [&str; 6] = [
    "expression",
    "rescale",
    "colormap",
    "gamma",
    "nodata",
    "resampling",
];
/// Parameters of every picture.
const PICTURE_PARAMETERS: [&str; 6] = [
    "f",
    "transparent",
    "bgcolor",
    "composite",
    "mask_scl",
    "datetime",
];

/// Answers `GET /ogc/collections/{id}/map`.
pub(super) async fn map(
    asker: Asker,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    draw_map(&asker, &id, "", query.as_deref()).await
}

/// Answers `GET /ogc/collections/{id}/styles/{style}/map`.
pub(super) async fn styled_map(
    asker: Asker,
    Path((id, style)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    draw_map(&asker, &id, &style, query.as_deref()).await
}

async fn draw_map(
    asker: &Asker,
    id: &str,
    style: &str,
    query: Option<&str>,
) -> Result<Response, Problem> {
    let known: Vec<&str> = [
        &AREA_PARAMETERS[..],
        &STYLE_PARAMETERS[..],
        &PICTURE_PARAMETERS[..],
    ]
    .concat();
    let pairs = pairs(query, &known)?;
    let layer = layer(&asker.state, &asker.viewer, id).await?;
    let defaults = Defaults {
        bbox: layer.bbox,
        scale_denominator: finest_scale(&layer),
    };
    let area = Area::read(&pairs, &defaults)?;
    let place = Place {
        layer: layer.name,
        style: style.to_owned(),
        geobox: area.geobox.clone(),
    };
    let request = picture(asker, &pairs, place, area.time.as_deref())?;
    let mut response = answer_map(asker, &request).await.map_err(problem)?;
    let corners = area.corners().map(|corner| corner.to_string()).join(",");
    let crs = format!("<{}>", area.crs_uri);
    for (name, text) in [(CONTENT_CRS, crs), (CONTENT_BBOX, corners)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// Answers `GET /ogc/collections/{id}/map/tiles/{tms}/{matrix}/{row}/{col}`.
pub(super) async fn tile(
    asker: Asker,
    Path((id, tms, matrix, row, col)): Path<(String, String, String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let place = Place {
        layer: id,
        style: String::new(),
        geobox: tile_grid(&tms, &matrix, &row, &col)?,
    };
    draw_tile(&asker, place, query.as_deref()).await
}

/// Answers `GET /ogc/collections/{id}/styles/{style}/map/tiles/{tms}/{matrix}/{row}/{col}`.
pub(super) async fn styled_tile(
    asker: Asker,
    Path((id, style, tms, matrix, row, col)): Path<(
        String,
        String,
        String,
        String,
        String,
        String,
    )>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let place = Place {
        layer: id,
        style,
        geobox: tile_grid(&tms, &matrix, &row, &col)?,
    };
    draw_tile(&asker, place, query.as_deref()).await
}

async fn draw_tile(asker: &Asker, place: Place, query: Option<&str>) -> Result<Response, Problem> {
    let known: Vec<&str> = [&STYLE_PARAMETERS[..], &PICTURE_PARAMETERS[..]].concat();
    let pairs = pairs(query, &known)?;
    let datetime = pairs.get("datetime").map(String::as_str);
    let request = picture(asker, &pairs, place, datetime)?;
    answer_map(asker, &request).await.map_err(problem)
}

/// Returns the grid of a tile.
fn tile_grid(tms: &str, matrix: &str, row: &str, col: &str) -> Result<GeoBox, Problem> {
    let set = find_set(tms)?;
    let none = || {
        let shown: String = matrix
            .chars()
            .filter(|c| !c.is_control())
            .take(20)
            .collect();
        Problem::not_found(format!(
            "{} has no tile of matrix \"{shown}\" there",
            set.id
        ))
    };
    let ordinal = |name: &str, text: &str| {
        let number = text.parse::<i64>();
        let number =
            number.map_err(|_| Problem::invalid(format!("{name}: expected a whole number")))?;
        u32::try_from(number).map_err(|_| none())
    };
    let tile = TileIndex {
        row: ordinal("tileRow", row)?,
        col: ordinal("tileCol", col)?,
        matrix: set.matrix(matrix).ok_or_else(none)?,
    };
    set.geobox(tile, 1).ok_or_else(none)
}

/// Which pixels of which layer.
struct Place {
    layer: String,
    /// Empty: the first.
    style: String,
    geobox: GeoBox,
}

/// Returns the request for a picture.
fn picture(
    asker: &Asker,
    pairs: &BTreeMap<String, String>,
    place: Place,
    time: Option<&str>,
) -> Result<MapRequest, Problem> {
    let text = |name: &str| pairs.get(name).map(String::as_str);
    let mut style = StyleChoice::named(&place.style);
    for name in STYLE_PARAMETERS {
        if let Some(value) = text(name) {
            style.take(name, value)?;
        }
    }
    let format = picture_format(text("f"), &asker.headers)?;
    Ok(MapRequest {
        layer: place.layer,
        time: TimeChoice::parse(time.unwrap_or_default())?,
        composite: CompositeChoice::parse(text("composite"), text("mask_scl"))?,
        geobox: place.geobox,
        style,
        background: background(text("transparent"), text("bgcolor"), format)?,
        format,
    })
}

/// Returns what is seen where there is nothing: what lies below, unless a colour is named or opacity
/// wanted.
fn background(
    transparent: Option<&str>,
    color: Option<&str>,
    format: ImageFormat,
) -> Result<Background, Problem> {
    let is_transparent = match transparent {
        None => color.is_none(),
        Some(text) if text.eq_ignore_ascii_case("true") => true,
        Some(text) if text.eq_ignore_ascii_case("false") => false,
        Some(_) => return Err(Problem::invalid("transparent: expected true or false")),
    };
    let color = match color {
        Some(text) => Background::parse(text)
            .map_err(|_| Problem::invalid("bgcolor: expected a colour such as 0xffffff"))?,
        None => Background::Color([255; 3]),
    };
    Ok(match is_transparent && format != ImageFormat::Jpeg {
        true => Background::Transparent,
        false => color,
    })
}

/// Here the style is a part of the path: one that is not there is not found.
fn problem(failure: MapFailure) -> Problem {
    match &failure {
        MapFailure::StyleUnknown { .. } => Problem::not_found(failure.to_string()),
        _ => failure.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_before_columns() {
        let grid = tile_grid("WorldCRS84Quad", "1", "1", "3").expect("a tile");
        let bounds = grid.bounds();
        assert_eq!((bounds.min_x, bounds.max_y), (90.0, 0.0));
        let status =
            |row, col| tile_grid("WorldCRS84Quad", "1", row, col).map_err(|p| p.status.as_u16());
        assert_eq!(status("2", "0").err(), Some(404));
        assert_eq!(status("-1", "0").err(), Some(404));
        assert_eq!(status("x", "0").err(), Some(400));
        assert!(tile_grid("WorldCRS84Quad", "99", "0", "0").is_err());
        assert!(tile_grid("Mercator", "0", "0", "0").is_err());
    }

    #[test]
    fn backgrounds_are_seen_where_opacity_is_wanted() {
        let png = |transparent, color| background(transparent, color, ImageFormat::Png);
        assert_eq!(png(None, None), Ok(Background::Transparent));
        assert_eq!(
            png(Some("false"), None),
            Ok(Background::Color([255, 255, 255]))
        );
        assert_eq!(
            png(None, Some("0x102030")),
            Ok(Background::Color([16, 32, 48]))
        );
        assert_eq!(
            png(Some("TRUE"), Some("0x102030")),
            Ok(Background::Transparent)
        );
        assert_eq!(
            background(None, None, ImageFormat::Jpeg),
            Ok(Background::Color([255, 255, 255]))
        );
        assert!(png(Some("yes"), None).is_err() && png(None, Some("red")).is_err());
    }
}
