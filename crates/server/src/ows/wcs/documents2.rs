//! Documents of WCS 2.0.1 (OGC 09-110r4, 09-146r2). Coordinates are in the order of each CRS.
//!
//! The origin of the grid is the centre of the first pixel, envelopes reach to the outer edges.

use swath_grid::{AxisOrder, Point};

use super::coverage::{Coverage, Field};
use crate::links::BaseUrl;
use crate::ows::dimension::time_extent;
use crate::ows::failure::XSI;
use crate::ows::service::{ABSTRACT, TITLE, XLINK, provider};
use crate::products::markup::Element;

const ENDPOINT: &str = "/ows?SERVICE=WCS&";
const SCHEMAS: &str =
    "http://www.opengis.net/wcs/2.0 http://schemas.opengis.net/wcs/2.0/wcsAll.xsd";
/// The one format: values as they are, with the grid.
pub(crate) const FORMAT: &str = "image/tiff";
/// What is offered beside the core (09-110r4 §6): KVP, range subsetting, scaling, CRS, interpolation,
/// GeoTIFF.
const PROFILES: &[&str] = &[
    "http://www.opengis.net/spec/WCS/2.0/conf/core",
    "http://www.opengis.net/spec/WCS_protocol-binding_get-kvp/1.0/conf/get-kvp",
    "http://www.opengis.net/spec/WCS_service-extension_range-subsetting/1.0/conf/record-subsetting",
    "http://www.opengis.net/spec/WCS_service-extension_scaling/1.0/conf/scaling",
    "http://www.opengis.net/spec/WCS_service-extension_crs/1.0/conf/crs",
    "http://www.opengis.net/spec/WCS_service-extension_interpolation/1.0/conf/interpolation",
    "http://www.opengis.net/spec/GMLCOV_geotiff-coverages/1.0/conf/geotiff-coverage",
];
/// CRS that subsets and results may have, beside the coverage's own.
const CRS_LISTED: &[u32] = &[4326, 3857, 3035];
/// Interpolations, the first is the default.
pub(crate) const INTERPOLATIONS: &[&str] = &[
    "http://www.opengis.net/def/interpolation/OGC/1/nearest-neighbor",
    "http://www.opengis.net/def/interpolation/OGC/1/linear",
    "http://www.opengis.net/def/interpolation/OGC/1/cubic",
    "http://www.opengis.net/def/interpolation/OGC/1/average",
];
const SUBTYPE: &str = "RectifiedGridCoverage";

fn root(name: &'static str) -> Element {
    Element::new(name)
        .with("xmlns:wcs", "http://www.opengis.net/wcs/2.0")
        .with("xmlns:ows", "http://www.opengis.net/ows/2.0")
        .with("xmlns:gml", "http://www.opengis.net/gml/3.2")
        .with("xmlns:gmlcov", "http://www.opengis.net/gmlcov/1.0")
        .with("xmlns:swe", "http://www.opengis.net/swe/2.0")
        .with(
            "xmlns:crs",
            "http://www.opengis.net/wcs/service-extension/crs/1.0",
        )
        .with("xmlns:int", "http://www.opengis.net/wcs/interpolation/1.0")
        .with("xmlns:xlink", XLINK)
        .with("xmlns:xsi", XSI)
        .with("xsi:schemaLocation", SCHEMAS)
}

/// Writes the capabilities.
pub(crate) fn capabilities(coverages: &[Coverage], base: &BaseUrl) -> String {
    let identification = Element::new("ows:ServiceIdentification")
        .child(Element::text("ows:Title", TITLE))
        .child(Element::text("ows:Abstract", ABSTRACT))
        .child(Element::text("ows:ServiceType", "OGC WCS"))
        .child(Element::text("ows:ServiceTypeVersion", "2.0.1"))
        .child(Element::text("ows:ServiceTypeVersion", "1.0.0"))
        .children(
            PROFILES
                .iter()
                .map(|uri| Element::text("ows:Profile", *uri)),
        )
        .child(Element::text("ows:Fees", "none"))
        .child(Element::text("ows:AccessConstraints", "none"));
    let operation = |name: &'static str| {
        let get = Element::new("ows:Get").with("xlink:href", base.href(ENDPOINT));
        Element::new("ows:Operation")
            .with("name", name)
            .child(Element::new("ows:DCP").child(Element::new("ows:HTTP").child(get)))
    };
    let operations = Element::new("ows:OperationsMetadata")
        .child(operation("GetCapabilities"))
        .child(operation("DescribeCoverage"))
        .child(operation("GetCoverage"));
    let crs = CRS_LISTED
        .iter()
        .map(|code| Element::text("crs:crsSupported", crs_url(*code)));
    let interpolations = INTERPOLATIONS
        .iter()
        .map(|uri| Element::text("int:InterpolationSupported", *uri));
    let extension = Element::new("wcs:Extension")
        .child(Element::new("crs:CrsMetadata").children(crs))
        .child(Element::new("int:InterpolationMetadata").children(interpolations));
    root("wcs:Capabilities")
        .with("version", "2.0.1")
        .child(identification)
        .child(provider())
        .child(operations)
        .child(
            Element::new("wcs:ServiceMetadata")
                .child(Element::text("wcs:formatSupported", FORMAT))
                .child(extension),
        )
        .child(Element::new("wcs:Contents").children(coverages.iter().map(summary)))
        .document()
}

fn crs_url(code: u32) -> String {
    format!("http://www.opengis.net/def/crs/EPSG/0/{code}")
}

fn summary(coverage: &Coverage) -> Element {
    let bbox = &coverage.bbox;
    let east = match bbox.east < bbox.west {
        true => bbox.east + 360.0,
        false => bbox.east,
    };
    let mut element = Element::new("wcs:CoverageSummary")
        .child(Element::text("ows:Title", coverage.title.as_str()));
    if !coverage.summary.is_empty() {
        element = element.child(Element::text("ows:Abstract", coverage.summary.as_str()));
    }
    let [lower, upper] = corners(coverage);
    element
        .child(
            Element::new("ows:WGS84BoundingBox")
                .child(Element::text(
                    "ows:LowerCorner",
                    format!("{} {}", bbox.west, bbox.south),
                ))
                .child(Element::text(
                    "ows:UpperCorner",
                    format!("{east} {}", bbox.north),
                )),
        )
        .child(Element::text("wcs:CoverageId", coverage.id.as_str()))
        .child(Element::text("wcs:CoverageSubtype", SUBTYPE))
        .child(
            Element::new("ows:BoundingBox")
                .with("crs", coverage.crs_url())
                .with("dimensions", "2")
                .child(Element::text("ows:LowerCorner", lower))
                .child(Element::text("ows:UpperCorner", upper)),
        )
}

fn ordered(coverage: &Coverage, x: f64, y: f64) -> String {
    match coverage.order() {
        AxisOrder::EastNorth => format!("{x} {y}"),
        AxisOrder::NorthEast => format!("{y} {x}"),
    }
}

/// Returns the outer corners in the order of the CRS.
fn corners(coverage: &Coverage) -> [String; 2] {
    let bounds = coverage.grid.bounds();
    [
        ordered(coverage, bounds.min_x, bounds.min_y),
        ordered(coverage, bounds.max_x, bounds.max_y),
    ]
}

/// Writes the descriptions of coverages.
pub(crate) fn descriptions(coverages: &[Coverage]) -> String {
    root("wcs:CoverageDescriptions")
        .children(coverages.iter().map(description))
        .document()
}

fn description(coverage: &Coverage) -> Element {
    let [lower, upper] = corners(coverage);
    let unit = coverage.axis_unit();
    let envelope = Element::new("gml:Envelope")
        .with("srsName", coverage.crs_url())
        .with("axisLabels", coverage.axis_labels().join(" "))
        .with("uomLabels", format!("{unit} {unit}"))
        .with("srsDimension", "2")
        .child(Element::text("gml:lowerCorner", lower))
        .child(Element::text("gml:upperCorner", upper));
    let mut element = Element::new("wcs:CoverageDescription")
        .with("gml:id", coverage.id.as_str())
        .child(Element::new("gml:boundedBy").child(envelope))
        .child(Element::text("wcs:CoverageId", coverage.id.as_str()));
    // Instants are no axis of the grid: SUBSET=time(…) chooses what the grid shows.
    if let Some(extent) = time_extent(&coverage.days) {
        let times = Element::text("swath:times", extent.text)
            .with("xmlns:swath", "urn:swath:wcs:1.0")
            .with("axisLabel", "time")
            .with("default", extent.newest);
        element = element.child(
            Element::new("gmlcov:metadata").child(Element::new("gmlcov:Extension").child(times)),
        );
    }
    element
        .child(domain_set(coverage))
        .child(
            Element::new("gmlcov:rangeType")
                .child(Element::new("swe:DataRecord").children(coverage.fields.iter().map(field))),
        )
        .child(
            Element::new("wcs:ServiceParameters")
                .child(Element::text("wcs:CoverageSubtype", SUBTYPE))
                .child(Element::text("wcs:nativeFormat", FORMAT)),
        )
}

fn domain_set(coverage: &Coverage) -> Element {
    let size = coverage.grid.size();
    let [_, col_dx, row_dx, _, col_dy, row_dy] = coverage.grid.transform().to_gdal();
    let Point { x, y } = coverage.first_centre();
    let limits = Element::new("gml:GridEnvelope")
        .child(Element::text("gml:low", "0 0"))
        .child(Element::text(
            "gml:high",
            format!("{} {}", size.width - 1, size.height - 1),
        ));
    let origin = Element::new("gml:Point")
        .with("gml:id", format!("{}-origin", coverage.id))
        .with("srsName", coverage.crs_url())
        .child(Element::text("gml:pos", ordered(coverage, x, y)));
    let offset = |dx: f64, dy: f64| {
        Element::text("gml:offsetVector", ordered(coverage, dx, dy))
            .with("srsName", coverage.crs_url())
    };
    let grid = Element::new("gml:RectifiedGrid")
        .with("gml:id", format!("{}-grid", coverage.id))
        .with("dimension", "2")
        .child(Element::new("gml:limits").child(limits))
        .child(Element::text("gml:axisLabels", "i j"))
        .child(Element::new("gml:origin").child(origin))
        .child(offset(col_dx, col_dy))
        .child(offset(row_dx, row_dy));
    Element::new("gml:domainSet").child(grid)
}

fn field(field: &Field) -> Element {
    let mut quantity = Element::new("swe:Quantity");
    if !field.description.is_empty() {
        quantity = quantity.child(Element::text("swe:description", field.description.as_str()));
    }
    if let Some(nodata) = &field.nodata {
        let value = Element::text("swe:nilValue", nodata.as_str())
            .with("reason", "http://www.opengis.net/def/nil/OGC/0/unknown");
        quantity = quantity
            .child(Element::new("swe:nilValues").child(Element::new("swe:NilValues").child(value)));
    }
    let unit = field
        .unit
        .as_deref()
        .filter(|unit| is_ucum(unit))
        .unwrap_or("1");
    quantity = quantity.child(Element::new("swe:uom").with("code", unit));
    Element::new("swe:field")
        .with("name", field_name(&field.name))
        .child(quantity)
}

/// True for what a UCUM code may hold (SWE Common 2.0 §7.4.9: no blanks, colons or colour signs).
fn is_ucum(unit: &str) -> bool {
    !unit.is_empty()
        && unit
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b':')
}

/// Returns the name of a band as an XML name: other characters become `_`.
pub(crate) fn field_name(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|letter| match letter {
            letter if letter.is_ascii_alphanumeric() || "_-.".contains(letter) => letter,
            _ => '_',
        })
        .collect();
    match plain.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        true => plain,
        false => format!("_{plain}"),
    }
}
