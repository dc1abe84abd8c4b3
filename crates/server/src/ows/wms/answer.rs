//! The operations of WMS.

use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::request::{Canvas, INFO_FORMATS, MapFrame, MapPixel, StyledLayer, styled_layers};
use super::version::WmsVersion;
use super::{capabilities, exceptions, legend};
use crate::asker::Asker;
use crate::map;
use crate::ows::failure::{Fault, OwsFailure};
use crate::ows::info;
use crate::ows::kvp::{Kvp, shown};
use crate::ows::picture::Picture;
use crate::ows::source::{self, Drawing, ItemsShown};
use swath_grid::Size;

/// Most pictures that one map is laid together of: layers times values of TIME.
const PICTURES_MAX: usize = 16;
/// How long clients may keep a legend or the capabilities, in seconds.
const CACHE_CONTROL: &str = "max-age=60";

/// Answers a request.
pub(crate) async fn answer(asker: &Asker, kvp: &Kvp) -> Response {
    let version = WmsVersion::negotiate(kvp);
    let answered = match kvp.required("REQUEST") {
        Ok(name) => match name.to_ascii_lowercase().as_str() {
            "getcapabilities" | "capabilities" => get_capabilities(asker, version).await,
            "getmap" | "map" => get_map(asker, version, kvp).await,
            "getfeatureinfo" | "feature_info" => get_feature_info(asker, version, kvp).await,
            "getlegendgraphic" => get_legend_graphic(asker, kvp).await,
            _ => {
                let text = format!("REQUEST: \"{}\" is no operation of this WMS", shown(name));
                Err(OwsFailure::new(Fault::Operation, text).at("REQUEST"))
            }
        },
        Err(failure) => Err(failure),
    };
    match answered {
        Ok(response) => response,
        Err(failure) => exceptions::respond(version, kvp, &failure).await,
    }
}

async fn get_capabilities(asker: &Asker, version: WmsVersion) -> Result<Response, OwsFailure> {
    let layers = map::layers(&asker.state, &asker.viewer).await?;
    let media_type = match version {
        WmsVersion::V111 => "application/vnd.ogc.wms_xml",
        WmsVersion::V130 => "text/xml; charset=utf-8",
    };
    let document = capabilities::write(version, &layers, &asker.base);
    Ok(([(header::CONTENT_TYPE, media_type)], document).into_response())
}

async fn get_map(asker: &Asker, version: WmsVersion, kvp: &Kvp) -> Result<Response, OwsFailure> {
    let layers = styled_layers(kvp)?;
    let canvas = Canvas::read(kvp)?;
    let frame = MapFrame::read(version, kvp, canvas.size)?;
    if layers.len() * frame.time.len() > PICTURES_MAX {
        let text = format!(
            "{} layers at {} times; a map is laid together of {PICTURES_MAX} pictures at most",
            layers.len(),
            frame.time.len()
        );
        return Err(OwsFailure::new(Fault::TooLarge, text).at("TIME"));
    }
    let drawings = drawings(asker, kvp, &layers, &frame).await?;
    if let [drawing] = &drawings[..] {
        return source::render(asker, drawing, canvas.format, background(&canvas)).await;
    }
    if canvas.format == "image/tiff" {
        let text = "FORMAT: image/tiff holds the values of one layer at one time";
        return Err(OwsFailure::new(Fault::Format, text).at("FORMAT"));
    }
    let below = match canvas.is_transparent {
        true => [0; 4],
        false => canvas.background,
    };
    let mut picture = Picture::filled(canvas.size, below);
    let mut is_cut = false;
    for drawing in &drawings {
        let (pixels, is_own_cut) = source::pixels(asker, drawing).await?;
        is_cut |= is_own_cut;
        picture.lay_over(&pixels);
    }
    let (media_type, bytes) = source::encode(picture, canvas.format, canvas.background).await?;
    let heads = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, CACHE_CONTROL),
    ];
    let mut response = (heads, bytes).into_response();
    if is_cut {
        map::put_cut(&mut response);
    }
    Ok(response)
}

/// Returns what is seen where there is nothing; `None`: what lies below.
fn background(canvas: &Canvas) -> Option<[u8; 3]> {
    let [red, green, blue, _] = canvas.background;
    (!canvas.is_transparent).then_some([red, green, blue])
}

/// Returns what is drawn, from below to above.
async fn drawings(
    asker: &Asker,
    kvp: &Kvp,
    layers: &[StyledLayer],
    frame: &MapFrame,
) -> Result<Vec<Drawing>, OwsFailure> {
    let composite = source::composite_of(kvp)?;
    let mut drawings = Vec::new();
    for styled in layers {
        let layer = map::layer(&asker.state, &asker.viewer, &styled.layer).await?;
        let style = source::style_of(kvp, &styled.style)?;
        for value in &frame.time {
            drawings.push(Drawing {
                layer: layer.name.clone(),
                style: style.clone(),
                time: source::time_of(value, &layer),
                composite: composite.clone(),
                geobox: frame.geobox.clone(),
            });
        }
    }
    Ok(drawings)
}

async fn get_feature_info(
    asker: &Asker,
    version: WmsVersion,
    kvp: &Kvp,
) -> Result<Response, OwsFailure> {
    let size = Size {
        width: kvp.size("WIDTH", super::request::SIDE_PX_MAX)?,
        height: kvp.size("HEIGHT", super::request::SIDE_PX_MAX)?,
    };
    let frame = MapFrame::read(version, kvp, size)?;
    let pixel = MapPixel::read(version, kvp, size)?;
    let format = kvp.get("INFO_FORMAT").unwrap_or("text/plain");
    let plain = format.split(';').next().unwrap_or_default().trim();
    let format = INFO_FORMATS
        .iter()
        .find(|known| known.eq_ignore_ascii_case(plain));
    let Some(format) = format.copied() else {
        let text = format!(
            "INFO_FORMAT: \"{}\" is not offered, but {}",
            shown(plain),
            INFO_FORMATS.join(", ")
        );
        return Err(OwsFailure::new(Fault::Format, text).at("INFO_FORMAT"));
    };
    kvp.required("QUERY_LAYERS")?;
    let names = kvp.list("QUERY_LAYERS")?;
    let drawn = kvp.list("LAYERS")?;
    if names.len() > super::request::LAYERS_MAX {
        let text = format!("LayerLimit is {}", super::request::LAYERS_MAX);
        return Err(crate::ows::kvp::invalid("QUERY_LAYERS", text));
    }
    if let Some(other) = names
        .iter()
        .find(|name| !drawn.is_empty() && !drawn.contains(name))
    {
        let text = format!("QUERY_LAYERS: \"{}\" is not one of LAYERS", shown(other));
        return Err(OwsFailure::new(Fault::Layer, text).at("QUERY_LAYERS"));
    }
    let Some(geobox) = info::pixel_of(&frame.geobox, pixel.col, pixel.row) else {
        return Err(OwsFailure::new(Fault::Point, "the pixel has no size").at("I"));
    };
    let composite = source::composite_of(kvp)?;
    let mut found = Vec::new();
    for name in names {
        let layer = map::layer(&asker.state, &asker.viewer, name).await?;
        let newest = crate::ows::times::TimeValue::Current;
        let value = frame.time.last().unwrap_or(&newest);
        let shown = ItemsShown {
            time: source::time_of(value, &layer),
            composite: composite.clone(),
        };
        found.push(source::pixel_values(asker, &layer, shown, &geobox).await?);
    }
    Ok(info::write(format, info::centre(&geobox), &found))
}

async fn get_legend_graphic(asker: &Asker, kvp: &Kvp) -> Result<Response, OwsFailure> {
    let format = kvp.get("FORMAT").unwrap_or("image/png");
    if format.split(';').next().unwrap_or_default().trim() != "image/png" {
        let text = format!(
            "FORMAT: \"{}\" is not offered, but image/png",
            shown(format)
        );
        return Err(OwsFailure::new(Fault::Format, text).at("FORMAT"));
    }
    let layer = map::layer(&asker.state, &asker.viewer, kvp.required("LAYER")?).await?;
    let name = kvp
        .get("STYLE")
        .or_else(|| kvp.get("STYLES"))
        .unwrap_or_default();
    let style = match name {
        "" | "default" => layer.styles.first(),
        _ => layer.styles.iter().find(|style| style.name == name),
    };
    let Some(style) = style else {
        let text = format!("layer \"{}\" has no style \"{}\"", layer.name, shown(name));
        return Err(OwsFailure::new(Fault::Style, text).at("STYLE"));
    };
    let picture = legend::draw(style);
    let (media_type, bytes) = source::encode(picture, "image/png", [255; 4]).await?;
    let heads = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, CACHE_CONTROL),
    ];
    Ok((heads, bytes).into_response())
}
