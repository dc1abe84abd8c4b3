//! Documents of WCS 1.0.0 (OGC 03-065r6). Coordinates are x, y always.
//!
//! The origin of the grid is the centre of the first pixel: clients read it as a grid point.

use swath_grid::{Bbox, Point};

use super::coverage::Coverage;
use crate::links::BaseUrl;
use crate::ows::failure::{OwsFailure, XSI};
use crate::ows::service::{ABSTRACT, TITLE, XLINK};
use crate::products::markup::Element;

/// Where operations are asked for.
const ENDPOINT: &str = "/ows?SERVICE=WCS&";
/// Formats, the first is the native one; all are GeoTIFF.
pub(crate) const FORMATS: &[&str] = &["GeoTIFF"];
/// Interpolations by the names of the standard (table 9), the first is the default.
pub(crate) const INTERPOLATIONS: &[&str] = &["nearest neighbor", "bilinear", "bicubic"];
/// CRS that requests and answers may have, beside the coverage's own.
const CRS_LISTED: &[&str] = &["EPSG:4326", "EPSG:3857", "EPSG:3035"];
/// Media type of failures.
pub(crate) const FAILURE_TYPE: &str = "application/vnd.ogc.se_xml";

fn root(name: &'static str, schema: &str) -> Element {
    Element::new(name)
        .with("xmlns", "http://www.opengis.net/wcs")
        .with("xmlns:gml", "http://www.opengis.net/gml")
        .with("xmlns:xlink", XLINK)
        .with("xmlns:xsi", XSI)
        .with(
            "xsi:schemaLocation",
            format!("http://www.opengis.net/wcs http://schemas.opengis.net/wcs/1.0.0/{schema}"),
        )
        .with("version", "1.0.0")
}

/// Writes the capabilities.
pub(crate) fn capabilities(coverages: &[Coverage], base: &BaseUrl) -> String {
    let operation = |name: &'static str| {
        let online = Element::new("OnlineResource")
            .with("xlink:type", "simple")
            .with("xlink:href", base.href(ENDPOINT));
        let get = Element::new("HTTP").child(Element::new("Get").child(online));
        Element::new(name).child(Element::new("DCPType").child(get))
    };
    let service = Element::new("Service")
        .child(Element::text("description", ABSTRACT))
        .child(Element::text("name", "WCS"))
        .child(Element::text("label", TITLE))
        .child(Element::text("fees", "NONE"))
        .child(Element::text("accessConstraints", "NONE"));
    let capability = Element::new("Capability")
        .child(
            Element::new("Request")
                .child(operation("GetCapabilities"))
                .child(operation("DescribeCoverage"))
                .child(operation("GetCoverage")),
        )
        .child(Element::new("Exception").child(Element::text("Format", FAILURE_TYPE)));
    let brief =
        |coverage: &Coverage| Element::new("CoverageOfferingBrief").children(described(coverage));
    root("WCS_Capabilities", "wcsCapabilities.xsd")
        .child(service)
        .child(capability)
        .child(Element::new("ContentMetadata").children(coverages.iter().map(brief)))
        .document()
}

/// Returns what stands at the beginning of both descriptions of a coverage.
fn described(coverage: &Coverage) -> Vec<Element> {
    let mut elements = Vec::new();
    if !coverage.summary.is_empty() {
        elements.push(Element::text("description", coverage.summary.as_str()));
    }
    elements.push(Element::text("name", coverage.id.as_str()));
    elements.push(Element::text("label", coverage.title.as_str()));
    elements.push(lon_lat_envelope(&coverage.bbox));
    elements
}

fn lon_lat_envelope(bbox: &Bbox) -> Element {
    let east = match bbox.east < bbox.west {
        true => bbox.east + 360.0,
        false => bbox.east,
    };
    Element::new("lonLatEnvelope")
        .with("srsName", "urn:ogc:def:crs:OGC:1.3:CRS84")
        .child(position(bbox.west, bbox.south))
        .child(position(east, bbox.north))
}

fn position(x: f64, y: f64) -> Element {
    Element::text("gml:pos", format!("{x} {y}"))
}

/// Writes the descriptions of coverages.
pub(crate) fn descriptions(coverages: &[Coverage]) -> String {
    let offering = |coverage: &Coverage| {
        let mut domain = Element::new("domainSet").child(spatial_domain(coverage));
        if !coverage.days.is_empty() {
            let days = coverage.days.iter().rev();
            let positions = days.map(|day| Element::text("gml:timePosition", day.to_string()));
            domain = domain.child(Element::new("temporalDomain").children(positions));
        }
        Element::new("CoverageOffering")
            .children(described(coverage))
            .child(domain)
            .child(range_set(coverage))
            .child(supported_crs(coverage))
            .child(
                Element::new("supportedFormats")
                    .with("nativeFormat", FORMATS[0])
                    .children(FORMATS.iter().map(|name| Element::text("formats", *name))),
            )
            .child(
                Element::new("supportedInterpolations")
                    .with("default", INTERPOLATIONS[0])
                    .children(
                        INTERPOLATIONS
                            .iter()
                            .map(|name| Element::text("interpolationMethod", *name)),
                    ),
            )
    };
    root("CoverageDescription", "describeCoverage.xsd")
        .children(coverages.iter().map(offering))
        .document()
}

fn spatial_domain(coverage: &Coverage) -> Element {
    let bounds = coverage.grid.bounds();
    let size = coverage.grid.size();
    let [_, col_dx, row_dx, _, col_dy, row_dy] = coverage.grid.transform().to_gdal();
    let Point { x, y } = coverage.first_centre();
    let limits = Element::new("gml:GridEnvelope")
        .child(Element::text("gml:low", "0 0"))
        .child(Element::text(
            "gml:high",
            format!("{} {}", size.width - 1, size.height - 1),
        ));
    let offset = |dx: f64, dy: f64| Element::text("gml:offsetVector", format!("{dx} {dy}"));
    let grid = Element::new("gml:RectifiedGrid")
        .with("dimension", "2")
        .with("srsName", coverage.crs_code())
        .child(Element::new("gml:limits").child(limits))
        .child(Element::text("gml:axisName", "x"))
        .child(Element::text("gml:axisName", "y"))
        .child(Element::new("gml:origin").child(position(x, y)))
        .child(offset(col_dx, col_dy))
        .child(offset(row_dx, row_dy));
    let envelope = Element::new("gml:Envelope")
        .with("srsName", coverage.crs_code())
        .child(position(bounds.min_x, bounds.min_y))
        .child(position(bounds.max_x, bounds.max_y));
    Element::new("spatialDomain").child(envelope).child(grid)
}

fn range_set(coverage: &Coverage) -> Element {
    let single = |text: &str| Element::text("singleValue", text);
    let numbers = (1..=coverage.fields.len()).map(|number| single(&number.to_string()));
    let labels: Vec<&str> = coverage
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    let axis = Element::new("AxisDescription")
        .child(Element::text(
            "description",
            format!("numbers of bands, or their names: {}", labels.join(", ")),
        ))
        .child(Element::text("name", "bands"))
        .child(Element::text("label", "Bands"))
        .child(Element::new("values").children(numbers));
    let mut set = Element::new("RangeSet")
        .child(Element::text("name", coverage.id.as_str()))
        .child(Element::text("label", coverage.title.as_str()))
        .child(Element::new("axisDescription").child(axis));
    if let Some(nodata) = coverage
        .fields
        .iter()
        .find_map(|field| field.nodata.as_deref())
    {
        set = set.child(Element::new("nullValues").child(single(nodata)));
    }
    Element::new("rangeSet").child(set)
}

fn supported_crs(coverage: &Coverage) -> Element {
    let own = coverage.crs_code();
    let others = CRS_LISTED.iter().filter(|name| **name != own);
    let all: Vec<&str> = std::iter::once(own.as_str())
        .chain(others.copied())
        .collect();
    let each = |name: &'static str| all.iter().map(move |crs| Element::text(name, *crs));
    Element::new("supportedCRSs")
        .children(each("requestCRSs"))
        .children(each("responseCRSs"))
        .child(Element::text("nativeCRSs", own.as_str()))
}

/// Writes a failure.
pub(crate) fn failure(failure: &OwsFailure) -> String {
    let mut exception = Element::text("ServiceException", failure.text.as_str());
    if let Some(code) = failure.wcs1_code() {
        exception = exception.with("code", code);
    }
    if let Some(locator) = &failure.locator {
        exception = exception.with("locator", locator.as_str());
    }
    Element::new("ServiceExceptionReport")
        .with("version", "1.2.0")
        .with("xmlns", "http://www.opengis.net/ogc")
        .with("xmlns:xsi", XSI)
        .with(
            "xsi:schemaLocation",
            "http://www.opengis.net/ogc http://schemas.opengis.net/wcs/1.0.0/OGC-exception.xsd",
        )
        .child(exception)
        .document()
}
