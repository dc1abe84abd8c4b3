//! The capabilities document of WMTS 1.0.0 (OGC 07-057r7), for KVP and REST alike.

use swath_grid::{AxisOrder, Point, TileMatrix, TileMatrixSet};

use super::tile::{INFO_KINDS, TILE_KINDS};
use crate::links::{BaseUrl, path_segment};
use crate::map::{Layer, Limits, StyleInfo, sets_of};
use crate::ows::failure::XSI;
use crate::ows::service::{ABSTRACT, TITLE, XLINK, encoded, provider};
use crate::products::markup::Element;

/// Where operations are asked for by query.
pub(crate) const ENDPOINT: &str = "/ows?SERVICE=WMTS&";
/// Where tiles are asked for by path.
pub(crate) const REST: &str = "/wmts/1.0.0";
/// Name of the dimension, and of its place in templates.
const TIME: &str = "Time";

/// Writes the document.
pub(crate) fn write(layers: &[Layer], base: &BaseUrl) -> String {
    let mut sets: Vec<TileMatrixSet> = Vec::new();
    for set in layers.iter().flat_map(sets_of) {
        if !sets.iter().any(|known| known.id == set.id) {
            sets.push(set);
        }
    }
    let contents = Element::new("Contents")
        .children(layers.iter().map(|layer| described(layer, base)))
        .children(sets.iter().map(tile_matrix_set));
    Element::new("Capabilities")
        .with("xmlns", "http://www.opengis.net/wmts/1.0")
        .with("xmlns:ows", "http://www.opengis.net/ows/1.1")
        .with("xmlns:xlink", XLINK)
        .with("xmlns:xsi", XSI)
        .with(
            "xsi:schemaLocation",
            "http://www.opengis.net/wmts/1.0 http://schemas.opengis.net/wmts/1.0/wmtsGetCapabilities_response.xsd",
        )
        .with("version", "1.0.0")
        .child(identification())
        .child(provider())
        .child(operations(base))
        .child(contents)
        .child(
            Element::new("ServiceMetadataURL")
                .with("xlink:href", base.href(&format!("{REST}/WMTSCapabilities.xml"))),
        )
        .document()
}

fn identification() -> Element {
    Element::new("ows:ServiceIdentification")
        .child(Element::text("ows:Title", TITLE))
        .child(Element::text("ows:Abstract", ABSTRACT))
        .child(Element::text("ows:ServiceType", "OGC WMTS"))
        .child(Element::text("ows:ServiceTypeVersion", "1.0.0"))
        .child(Element::text("ows:Fees", "none"))
        .child(Element::text("ows:AccessConstraints", "none"))
}

fn operations(base: &BaseUrl) -> Element {
    let get = |href: String, encoding: &'static str| {
        let allowed = Element::new("ows:AllowedValues").child(Element::text("ows:Value", encoding));
        let constraint = Element::new("ows:Constraint")
            .with("name", "GetEncoding")
            .child(allowed);
        Element::new("ows:Get")
            .with("xlink:href", href)
            .child(constraint)
    };
    let operation = |name: &'static str, rest: Option<String>| {
        let ways = [
            Some(get(base.href(ENDPOINT), "KVP")),
            rest.map(|href| get(base.href(&href), "RESTful")),
        ];
        let http = Element::new("ows:HTTP").children(ways.into_iter().flatten());
        Element::new("ows:Operation")
            .with("name", name)
            .child(Element::new("ows:DCP").child(http))
    };
    let capabilities = format!("{REST}/WMTSCapabilities.xml");
    Element::new("ows:OperationsMetadata")
        .child(operation("GetCapabilities", Some(capabilities)))
        .child(operation("GetTile", Some(format!("{REST}/"))))
        .child(operation("GetFeatureInfo", Some(format!("{REST}/"))))
}

fn described(layer: &Layer, base: &BaseUrl) -> Element {
    let bbox = &layer.bbox;
    let mut element = Element::new("Layer").child(Element::text("ows:Title", layer.title.as_str()));
    if !layer.abstract_.is_empty() {
        element = element.child(Element::text("ows:Abstract", layer.abstract_.as_str()));
    }
    // A rectangle that crosses the antimeridian ends beyond 180 degrees here (06-121r3 §10.2).
    let east = match bbox.east < bbox.west {
        true => bbox.east + 360.0,
        false => bbox.east,
    };
    element = element
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
        .child(Element::text("ows:Identifier", layer.name.as_str()))
        .children(
            layer
                .styles
                .iter()
                .enumerate()
                .map(|(index, style)| described_style(layer, style, index, base)),
        )
        .children(
            TILE_KINDS
                .iter()
                .map(|(media_type, _)| Element::text("Format", *media_type)),
        )
        .children(
            INFO_KINDS
                .iter()
                .map(|(media_type, _)| Element::text("InfoFormat", *media_type)),
        );
    if !layer.days.is_empty() {
        element = element.child(
            Element::new("Dimension")
                .child(Element::text("ows:Identifier", TIME))
                .child(Element::text("ows:UOM", "ISO8601"))
                .child(Element::text("Default", "current"))
                .child(Element::text("Current", "true"))
                .child(Element::text("Value", "current"))
                .children(
                    layer
                        .days
                        .iter()
                        .map(|day| Element::text("Value", day.to_string())),
                ),
        );
    }
    element
        .children(sets_of(layer).iter().map(|set| set_link(layer, set)))
        .children(resource_urls(layer, base))
}

fn described_style(layer: &Layer, style: &StyleInfo, index: usize, base: &BaseUrl) -> Element {
    let legend = format!(
        "/ows?SERVICE=WMS&VERSION=1.3.0&REQUEST=GetLegendGraphic&LAYER={}&STYLE={}&FORMAT=image/png",
        encoded(&layer.name),
        encoded(&style.name)
    );
    let size = crate::ows::wms::legend::size(style);
    let url = Element::new("LegendURL")
        .with("format", "image/png")
        .with("xlink:href", base.href(&legend))
        .with("width", size.width.to_string())
        .with("height", size.height.to_string());
    Element::new("Style")
        .with("isDefault", if index == 0 { "true" } else { "false" })
        .child(Element::text("ows:Title", style.title.as_str()))
        .child(Element::text("ows:Identifier", style.name.as_str()))
        .child(url)
}

fn set_link(layer: &Layer, set: &TileMatrixSet) -> Element {
    let limits = Limits::of(layer, set);
    let of_matrix = |(index, matrix): (usize, &TileMatrix)| {
        let limits = limits.of_matrix(set, index)?;
        // The schema wants positive numbers here; a matrix of one row or column needs no limits.
        if limits.row_max == 0 || limits.col_max == 0 {
            return None;
        }
        let number = |name: &'static str, value: u32| Element::text(name, value.to_string());
        Some(
            Element::new("TileMatrixLimits")
                .child(Element::text("TileMatrix", matrix.id.as_str()))
                .child(number("MinTileRow", limits.row_min))
                .child(number("MaxTileRow", limits.row_max))
                .child(number("MinTileCol", limits.col_min))
                .child(number("MaxTileCol", limits.col_max)),
        )
    };
    let each = set.matrices.iter().enumerate().filter_map(of_matrix);
    Element::new("TileMatrixSetLink")
        .child(Element::text("TileMatrixSet", set.id.as_str()))
        .child(Element::new("TileMatrixSetLimits").children(each))
}

fn resource_urls(layer: &Layer, base: &BaseUrl) -> Vec<Element> {
    let time = match layer.days.is_empty() {
        true => "current".to_owned(),
        false => format!("{{{TIME}}}"),
    };
    let start = format!(
        "{REST}/{}/{{Style}}/{time}/{{TileMatrixSet}}/{{TileMatrix}}/{{TileRow}}/{{TileCol}}",
        path_segment(&layer.name)
    );
    let url = |media_type: &'static str, kind: &'static str, path: String| {
        Element::new("ResourceURL")
            .with("format", media_type)
            .with("resourceType", kind)
            .with("template", base.href(&path))
    };
    let tiles = TILE_KINDS
        .iter()
        .map(|(media_type, ending)| url(media_type, "tile", format!("{start}.{ending}")));
    let infos = INFO_KINDS.iter().map(|(media_type, ending)| {
        url(
            media_type,
            "FeatureInfo",
            format!("{start}/{{J}}/{{I}}.{ending}"),
        )
    });
    tiles.chain(infos).collect()
}

fn tile_matrix_set(set: &TileMatrixSet) -> Element {
    let mut element = Element::new("TileMatrixSet")
        .child(Element::text("ows:Title", set.title.as_str()))
        .child(Element::text("ows:Identifier", set.id.as_str()))
        .child(Element::text("ows:SupportedCRS", urn(set)));
    if let Some(scales) = set.well_known_scale_set {
        element = element.child(Element::text("WellKnownScaleSet", scales));
    }
    element.children(set.matrices.iter().map(|matrix| tile_matrix(set, matrix)))
}

fn tile_matrix(set: &TileMatrixSet, matrix: &TileMatrix) -> Element {
    let number = |name: &'static str, value: u32| Element::text(name, value.to_string());
    Element::new("TileMatrix")
        .child(Element::text("ows:Identifier", matrix.id.as_str()))
        .child(Element::text(
            "ScaleDenominator",
            matrix.scale_denominator.to_string(),
        ))
        .child(Element::text(
            "TopLeftCorner",
            corner(set.axis_order, matrix.origin),
        ))
        .child(number("TileWidth", matrix.tile_size.width))
        .child(number("TileHeight", matrix.tile_size.height))
        .child(number("MatrixWidth", matrix.matrix_width))
        .child(number("MatrixHeight", matrix.matrix_height))
}

/// Returns a position in the order of the CRS (07-057r7 §6.1, table 6).
fn corner(order: AxisOrder, point: Point) -> String {
    match order {
        AxisOrder::EastNorth => format!("{} {}", point.x, point.y),
        AxisOrder::NorthEast => format!("{} {}", point.y, point.x),
    }
}

/// Returns the CRS as the URN that every client knows.
fn urn(set: &TileMatrixSet) -> String {
    match (set.crs.epsg(), set.axis_order) {
        (Some(4326), AxisOrder::EastNorth) => "urn:ogc:def:crs:OGC:1.3:CRS84".to_owned(),
        (Some(code), _) => format!("urn:ogc:def:crs:EPSG::{code}"),
        (None, _) => set.crs_uri.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_in_the_order_of_the_crs() {
        for (id, crs, first) in [
            ("WebMercatorQuad", "urn:ogc:def:crs:EPSG::3857", "-20037508"),
            ("WGS1984Quad", "urn:ogc:def:crs:EPSG::4326", "90 -180"),
            ("WorldCRS84Quad", "urn:ogc:def:crs:OGC:1.3:CRS84", "-180 90"),
            (
                "EuropeanETRS89_LAEAQuad",
                "urn:ogc:def:crs:EPSG::3035",
                "5500000 2000000",
            ),
        ] {
            let set = TileMatrixSet::find(id).expect(id);
            assert_eq!(urn(&set), crs);
            let corner = corner(set.axis_order, set.matrices[0].origin);
            assert!(corner.starts_with(first), "{id}: {corner}");
        }
    }

    #[test]
    fn scales_are_those_of_the_registry() {
        let laea = TileMatrixSet::find("EuropeanETRS89_LAEAQuad").expect("a set");
        let document = tile_matrix(&laea, &laea.matrices[0]).fragment();
        assert!(
            document.contains("<ScaleDenominator>62779017.857"),
            "{document}"
        );
    }
}
