//! The operations of WMTS.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use swath_grid::{GeoBox, TileIndex, TileMatrixSet};

use super::capabilities;
use super::tile::{INFO_KINDS, TILE_KINDS, TileRequest, kind_of};
use crate::asker::Asker;
use crate::map::{self, Layer};
use crate::ows::failure::{Fault, OwsFailure, TEXT_XML};
use crate::ows::info;
use crate::ows::kvp::{Kvp, shown};
use crate::ows::source::{self, Drawing, ItemsShown};
use crate::ows::times::TimeValue;

/// Answers a request.
pub(crate) async fn answer(asker: &Asker, kvp: &Kvp) -> Response {
    answered(asker, kvp)
        .await
        .unwrap_or_else(|failure| failure.ows_response())
}

async fn answered(asker: &Asker, kvp: &Kvp) -> Result<Response, OwsFailure> {
    let name = kvp.required("REQUEST")?;
    match name.to_ascii_lowercase().as_str() {
        "getcapabilities" => {
            check_version(kvp)?;
            let layers = map::layers(&asker.state, &asker.viewer).await?;
            let document = capabilities::write(&layers, &asker.base);
            Ok(([(header::CONTENT_TYPE, TEXT_XML)], document).into_response())
        }
        "gettile" => get_tile(asker, kvp).await,
        "getfeatureinfo" => get_feature_info(asker, kvp).await,
        _ => {
            let text = format!("REQUEST: \"{}\" is no operation of this WMTS", shown(name));
            Err(OwsFailure::new(Fault::Operation, text).at("REQUEST"))
        }
    }
}

fn check_version(kvp: &Kvp) -> Result<(), OwsFailure> {
    let versions = kvp.list("ACCEPTVERSIONS")?;
    if versions.is_empty() || versions.contains(&"1.0.0") {
        return Ok(());
    }
    let text = "AcceptVersions: 1.0.0 is offered";
    Err(OwsFailure::new(Fault::Version, text).at("AcceptVersions"))
}

/// A tile that lies on its layer.
struct Found {
    layer: Layer,
    geobox: GeoBox,
    time: TimeValue,
    style: String,
}

async fn find(asker: &Asker, kvp: &Kvp) -> Result<Found, OwsFailure> {
    let request = TileRequest::read(kvp)?;
    let layer = map::layer(&asker.state, &asker.viewer, &request.layer).await?;
    let (set, tile): (TileMatrixSet, TileIndex) = request.locate(&layer)?;
    let Some(geobox) = set.geobox(tile, 1) else {
        let text = format!("matrix {} has no such tile", shown(&request.matrix));
        return Err(OwsFailure::new(Fault::Tile, text).at("TileRow"));
    };
    Ok(Found {
        layer,
        geobox,
        time: request
            .time
            .into_iter()
            .next_back()
            .unwrap_or(TimeValue::Current),
        style: request.style,
    })
}

async fn get_tile(asker: &Asker, kvp: &Kvp) -> Result<Response, OwsFailure> {
    let format = kind_of(TILE_KINDS, kvp.required("FORMAT")?, "Format")?;
    let found = find(asker, kvp).await?;
    let drawing = Drawing {
        style: source::style_of(kvp, &found.style)?,
        time: source::time_of(&found.time, &found.layer),
        composite: source::composite_of(kvp)?,
        layer: found.layer.name,
        geobox: found.geobox,
    };
    source::render(asker, &drawing, format, None).await
}

async fn get_feature_info(asker: &Asker, kvp: &Kvp) -> Result<Response, OwsFailure> {
    let format = kind_of(INFO_KINDS, kvp.required("INFOFORMAT")?, "InfoFormat")?;
    let found = find(asker, kvp).await?;
    let size = found.geobox.size();
    let ordinal = |name: &'static str, end: u32| {
        let text = kvp.required(name)?;
        let number = text.parse::<u32>().ok().filter(|number| *number < end);
        number.ok_or_else(|| {
            let text = format!("{name}: \"{}\" is no pixel of the tile", shown(text));
            OwsFailure::new(Fault::Point, text).at(name)
        })
    };
    let (col, row) = (ordinal("I", size.width)?, ordinal("J", size.height)?);
    let Some(geobox) = info::pixel_of(&found.geobox, col, row) else {
        return Err(OwsFailure::new(Fault::Point, "the pixel has no size").at("I"));
    };
    let shown = ItemsShown {
        time: source::time_of(&found.time, &found.layer),
        composite: source::composite_of(kvp)?,
    };
    let values = source::pixel_values(asker, &found.layer, shown, &geobox).await?;
    Ok(info::write(format, info::centre(&geobox), &[values]))
}
