//! Failed requests of OGC services: one list of faults, and what each protocol calls them.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::error::Problem;
use crate::products::markup::Element;

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A parameter that has to be there is not.
    MissingParameter,
    /// A value that makes no sense.
    InvalidParameter,
    /// A request or service that there is none of.
    Operation,
    /// None of the versions asked for is spoken.
    Version,
    /// A layer that the viewer does not see.
    Layer,
    /// A style that the layer has not.
    Style,
    /// A CRS that is not known, or not to be computed.
    Crs,
    /// A format that is not offered.
    Format,
    /// A pixel outside of the map.
    Point,
    /// A dimension value that is none, or that nothing is there for.
    Dimension,
    /// A tile outside of the limits.
    Tile,
    /// A coverage that the viewer does not see.
    Coverage,
    /// An axis that the coverage has not.
    Axis,
    /// A subset outside of the coverage, or one that ends before it begins.
    Subset,
    /// A subset in a CRS that is not known.
    SubsettingCrs,
    /// A result in a CRS that is not known.
    OutputCrs,
    /// An interpolation that is not offered.
    Interpolation,
    /// A band that the coverage has not.
    Field,
    /// A scale that makes no sense.
    Scale,
    /// A limit: the result would be too large.
    TooLarge,
    /// We failed, not the request.
    Internal,
    /// Something behind us does not answer.
    Unavailable,
}

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwsFailure {
    /// What is wrong.
    pub(crate) fault: Fault,
    /// The parameter it is about.
    pub(crate) locator: Option<String>,
    /// What to do.
    pub(crate) text: String,
}

/// Longest text that goes out, in characters: it may quote what was sent.
const TEXT_CHARS_MAX: usize = 1_000;

impl OwsFailure {
    pub(crate) fn new(fault: Fault, text: impl Into<String>) -> Self {
        let text: String = text.into();
        Self {
            fault,
            locator: None,
            text: text.chars().take(TEXT_CHARS_MAX).collect(),
        }
    }

    /// Adds the parameter it is about.
    pub(crate) fn at(mut self, locator: &str) -> Self {
        self.locator = Some(locator.to_owned());
        self
    }

    /// Returns the same with another fault.
    pub(crate) fn with_fault(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }

    /// Returns the HTTP status of services that say failures by status (OWS 1.1 §8.6, WMTS).
    pub(crate) fn status(&self) -> StatusCode {
        match self.fault {
            Fault::Coverage => StatusCode::NOT_FOUND,
            Fault::Operation => StatusCode::NOT_IMPLEMENTED,
            Fault::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Fault::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Returns the code of WMS (06-042 §7.3.3.11 and others, 01-068r3 annex A.3), `None` where there is none.
    pub(crate) fn wms_code(&self, dialect: WmsDialect) -> Option<&'static str> {
        match self.fault {
            Fault::Operation => Some("OperationNotSupported"),
            Fault::Layer | Fault::Coverage => Some("LayerNotDefined"),
            Fault::Style => Some("StyleNotDefined"),
            Fault::Crs | Fault::SubsettingCrs | Fault::OutputCrs => Some(match dialect {
                WmsDialect::Srs => "InvalidSRS",
                WmsDialect::Crs => "InvalidCRS",
            }),
            Fault::Format => Some("InvalidFormat"),
            Fault::Point => match dialect {
                WmsDialect::Srs => None,
                WmsDialect::Crs => Some("InvalidPoint"),
            },
            Fault::Dimension => Some("InvalidDimensionValue"),
            _ => None,
        }
    }

    /// Returns the code of OWS Common (06-121r3 §8.3) and of the WMTS and WCS 2.0 extensions.
    pub(crate) fn ows_code(&self) -> &'static str {
        match self.fault {
            Fault::MissingParameter => "MissingParameterValue",
            Fault::Operation => "OperationNotSupported",
            Fault::Version => "VersionNegotiationFailed",
            Fault::Tile => "TileOutOfRange",
            Fault::Point => "PointIJOutOfRange",
            Fault::Coverage => "NoSuchCoverage",
            Fault::Axis => "InvalidAxisLabel",
            Fault::Subset => "InvalidSubsetting",
            Fault::SubsettingCrs => "SubsettingCrs-NotSupported",
            Fault::OutputCrs => "OutputCrs-NotSupported",
            Fault::Interpolation => "InterpolationMethodNotSupported",
            Fault::Field => "NoSuchField",
            Fault::Scale => "InvalidScaleFactor",
            Fault::Internal | Fault::Unavailable => "NoApplicableCode",
            _ => "InvalidParameterValue",
        }
    }

    /// Returns the code of WCS 1.0.0 (03-065r6 annex A.6), `None` where there is none.
    pub(crate) fn wcs1_code(&self) -> Option<&'static str> {
        match self.fault {
            Fault::MissingParameter => Some("MissingParameterValue"),
            Fault::Coverage => Some("CoverageNotDefined"),
            Fault::Format => Some("InvalidFormat"),
            Fault::Internal | Fault::Unavailable => None,
            _ => Some("InvalidParameterValue"),
        }
    }

    /// Writes the failure as OWS Common 1.1 does (WMTS).
    pub(crate) fn ows_response(&self) -> Response {
        let report = self.ows_report(&OWS_1_1);
        (self.status(), xml(TEXT_XML, &report)).into_response()
    }

    /// Writes the failure as OWS Common 2.0 does (WCS 2.0.1).
    pub(crate) fn ows2_response(&self) -> Response {
        let report = self.ows_report(&OWS_2_0);
        (self.status(), xml(TEXT_XML, &report)).into_response()
    }

    fn ows_report(&self, form: &OwsForm) -> Element {
        let mut exception = Element::new("ows:Exception").with("exceptionCode", self.ows_code());
        if let Some(locator) = &self.locator {
            exception = exception.with("locator", locator.as_str());
        }
        let text = Element::text("ows:ExceptionText", self.text.as_str());
        Element::new("ows:ExceptionReport")
            .with("xmlns:ows", form.namespace)
            .with("xmlns:xsi", XSI)
            .with("xsi:schemaLocation", form.schema)
            .with("version", form.version)
            .with("xml:lang", "en")
            .child(exception.child(text))
    }
}

impl From<Problem> for OwsFailure {
    fn from(problem: Problem) -> Self {
        let fault = match problem.status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => Fault::Unavailable,
            status if status.is_server_error() => Fault::Internal,
            _ => Fault::InvalidParameter,
        };
        Self::new(fault, problem.description)
    }
}

/// Which of its two vocabularies WMS speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WmsDialect {
    /// 1.1.1.
    Srs,
    /// 1.3.0.
    Crs,
}

/// Namespace of `xsi:schemaLocation`.
pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// Media type of documents.
pub(crate) const TEXT_XML: &str = "text/xml; charset=utf-8";

struct OwsForm {
    namespace: &'static str,
    schema: &'static str,
    version: &'static str,
}

const OWS_1_1: OwsForm = OwsForm {
    namespace: "http://www.opengis.net/ows/1.1",
    schema: "http://www.opengis.net/ows/1.1 http://schemas.opengis.net/ows/1.1.0/owsExceptionReport.xsd",
    version: "1.0.0",
};

const OWS_2_0: OwsForm = OwsForm {
    namespace: "http://www.opengis.net/ows/2.0",
    schema: "http://www.opengis.net/ows/2.0 http://schemas.opengis.net/ows/2.0/owsExceptionReport.xsd",
    version: "2.0.1",
};

/// Writes a document.
pub(crate) fn xml(media_type: &'static str, root: &Element) -> Response {
    ([(header::CONTENT_TYPE, media_type)], root.document()).into_response()
}

/// Writes a request that failed before any service saw it: a token that is not known, a time limit.
pub(crate) fn render_problem(problem: &Problem) -> Response {
    let report = OwsFailure::from(problem.clone()).ows_report(&OWS_1_1);
    (problem.status, xml(TEXT_XML, &report)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_own_word() {
        let failure = OwsFailure::new(Fault::Crs, "no such CRS").at("CRS");
        assert_eq!(failure.wms_code(WmsDialect::Crs), Some("InvalidCRS"));
        assert_eq!(failure.wms_code(WmsDialect::Srs), Some("InvalidSRS"));
        assert_eq!(failure.ows_code(), "InvalidParameterValue");
        let report = failure.ows_report(&OWS_1_1).document();
        let read = roxmltree::Document::parse(&report).expect("well formed");
        let exception = read
            .descendants()
            .find(|node| node.has_tag_name("Exception"))
            .expect("an exception");
        assert_eq!(exception.attribute("locator"), Some("CRS"));
    }
}
