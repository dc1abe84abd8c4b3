//! Failures of WMS in the form that was asked for: a document, a picture of the message, a blank map.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::request::Canvas;
use super::version::WmsVersion;
use crate::ows::failure::{Fault, OwsFailure, XSI};
use crate::ows::kvp::Kvp;
use crate::ows::picture::{Picture, Rgba};
use crate::ows::source;
use crate::products::markup::Element;

const CAPITAL_PX: f64 = 8.0;
const INK: Rgba = [0xb9, 0x1c, 0x1c, 255];
const DOCTYPE: &str = "<!DOCTYPE ServiceExceptionReport SYSTEM \
                       \"http://schemas.opengis.net/wms/1.1.1/exception_1_1_1.dtd\">";

/// Form of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Xml,
    InImage,
    Blank,
}

impl Form {
    /// Reads EXCEPTIONS by the names of both versions; anything else is the document.
    fn of(kvp: &Kvp) -> Self {
        let text = kvp
            .get("EXCEPTIONS")
            .unwrap_or_default()
            .to_ascii_lowercase();
        match text.as_str() {
            "inimage" | "application/vnd.ogc.se_inimage" => Self::InImage,
            "blank" | "application/vnd.ogc.se_blank" => Self::Blank,
            _ => Self::Xml,
        }
    }
}

/// Writes a failed request. A document goes out with status 200, as clients of WMS expect it, unless
/// the failure is ours.
pub(crate) async fn respond(version: WmsVersion, kvp: &Kvp, failure: &OwsFailure) -> Response {
    let is_map = kvp
        .get("REQUEST")
        .is_some_and(|request| matches!(request.to_ascii_lowercase().as_str(), "getmap" | "map"));
    match Form::of(kvp) {
        form @ (Form::InImage | Form::Blank) if is_map => {
            let drawn = picture(form, kvp, failure).await;
            drawn.unwrap_or_else(|_| document(version, failure))
        }
        _ => document(version, failure),
    }
}

async fn picture(form: Form, kvp: &Kvp, failure: &OwsFailure) -> Result<Response, OwsFailure> {
    let canvas = Canvas::guess(kvp);
    let [red, green, blue, _] = canvas.background;
    let below = match canvas.is_transparent {
        true => [red, green, blue, 0],
        false => canvas.background,
    };
    let mut picture = Picture::filled(canvas.size, below);
    if form == Form::InImage {
        picture.message(&failure.text, CAPITAL_PX, INK);
    }
    let (media_type, bytes) = source::encode(picture, canvas.format, canvas.background).await?;
    let heads = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((heads, bytes).into_response())
}

fn document(version: WmsVersion, failure: &OwsFailure) -> Response {
    let mut exception = Element::text("ServiceException", failure.text.as_str());
    if let Some(code) = failure.wms_code(version.dialect()) {
        exception = exception.with("code", code);
    }
    let root = Element::new("ServiceExceptionReport").with("version", version.name());
    let (media_type, text) = match version {
        WmsVersion::V111 => (
            "application/vnd.ogc.se_xml",
            root.child(exception).typed_document(DOCTYPE),
        ),
        WmsVersion::V130 => {
            if let Some(locator) = &failure.locator {
                exception = exception.with("locator", locator.as_str());
            }
            let root = root
                .with("xmlns", "http://www.opengis.net/ogc")
                .with("xmlns:xsi", XSI)
                .with(
                    "xsi:schemaLocation",
                    "http://www.opengis.net/ogc http://schemas.opengis.net/wms/1.3.0/exceptions_1_3_0.xsd",
                );
            ("text/xml; charset=utf-8", root.child(exception).document())
        }
    };
    let status = match failure.fault {
        Fault::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Fault::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    let heads = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, heads, text).into_response()
}
