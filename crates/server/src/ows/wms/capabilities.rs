//! The capabilities document of WMS in both versions.
//!
//! A root layer without a name holds one layer per collection; it says the CRS and its layers
//! inherit them.

use swath_grid::{AxisOrder, Bounds, bounds_of};

use super::request::{IMAGE_FORMATS, INFO_FORMATS, LAYERS_MAX, SIDE_PX_MAX};
use super::version::WmsVersion;
use crate::links::BaseUrl;
use crate::map::Layer;
use crate::ows::axes::NamedCrs;
use crate::ows::dimension::time_extent;
use crate::ows::failure::XSI;
use crate::ows::service::{ABSTRACT, TITLE, XLINK, encoded};
use crate::products::markup::Element;

/// Where operations are asked for, below the base of links; parameters follow.
pub(crate) const ENDPOINT: &str = "/ows?SERVICE=WMS&";
/// CRS that are listed for every layer, beside its own.
const CRS_LISTED: &[&str] = &["CRS:84", "EPSG:4326", "EPSG:3857", "EPSG:4258", "EPSG:3035"];
const DOCTYPE: &str = "<!DOCTYPE WMT_MS_Capabilities SYSTEM \
                       \"http://schemas.opengis.net/wms/1.1.1/WMS_MS_Capabilities.dtd\">";

/// Writes the document.
pub(crate) fn write(version: WmsVersion, layers: &[Layer], base: &BaseUrl) -> String {
    let document = Document { version, base };
    let root = match version {
        WmsVersion::V111 => Element::new("WMT_MS_Capabilities"),
        WmsVersion::V130 => Element::new("WMS_Capabilities")
            .with("xmlns", "http://www.opengis.net/wms")
            .with("xmlns:xlink", XLINK)
            .with("xmlns:xsi", XSI)
            .with(
                "xsi:schemaLocation",
                "http://www.opengis.net/wms http://schemas.opengis.net/wms/1.3.0/capabilities_1_3_0.xsd",
            ),
    };
    let root = root
        .with("version", version.name())
        .child(document.service())
        .child(
            Element::new("Capability")
                .child(document.operations())
                .child(document.exceptions())
                .child(document.root_layer(layers)),
        );
    match version {
        WmsVersion::V111 => root.typed_document(DOCTYPE),
        WmsVersion::V130 => root.document(),
    }
}

struct Document<'a> {
    version: WmsVersion,
    base: &'a BaseUrl,
}

impl Document<'_> {
    fn is_old(&self) -> bool {
        self.version == WmsVersion::V111
    }

    fn online(&self, href: String) -> Element {
        let element = Element::new("OnlineResource");
        // The DTD of 1.1.1 knows the prefix on this element only.
        let element = match self.is_old() {
            true => element.with("xmlns:xlink", XLINK),
            false => element,
        };
        element
            .with("xlink:type", "simple")
            .with("xlink:href", href)
    }

    fn service(&self) -> Element {
        let name = match self.version {
            WmsVersion::V111 => "OGC:WMS",
            WmsVersion::V130 => "WMS",
        };
        let service = Element::new("Service")
            .child(Element::text("Name", name))
            .child(Element::text("Title", TITLE))
            .child(Element::text("Abstract", ABSTRACT))
            .child(self.online(self.base.href("/")))
            .child(Element::text("Fees", "none"))
            .child(Element::text("AccessConstraints", "none"));
        match self.version {
            WmsVersion::V111 => service,
            WmsVersion::V130 => service
                .child(Element::text("LayerLimit", LAYERS_MAX.to_string()))
                .child(Element::text("MaxWidth", SIDE_PX_MAX.to_string()))
                .child(Element::text("MaxHeight", SIDE_PX_MAX.to_string())),
        }
    }

    fn operations(&self) -> Element {
        let capabilities = match self.version {
            WmsVersion::V111 => "application/vnd.ogc.wms_xml",
            WmsVersion::V130 => "text/xml",
        };
        let request = Element::new("Request")
            .child(self.operation("GetCapabilities", &[capabilities]))
            .child(self.operation("GetMap", IMAGE_FORMATS))
            .child(self.operation("GetFeatureInfo", INFO_FORMATS));
        // In 1.3.0 this operation belongs to SLD; styles say where their legends are.
        match self.version {
            WmsVersion::V111 => request.child(self.operation("GetLegendGraphic", &["image/png"])),
            WmsVersion::V130 => request,
        }
    }

    fn operation(&self, name: &'static str, formats: &[&'static str]) -> Element {
        let get = Element::new("Get").child(self.online(self.base.href(ENDPOINT)));
        Element::new(name)
            .children(
                formats
                    .iter()
                    .map(|format| Element::text("Format", *format)),
            )
            .child(Element::new("DCPType").child(Element::new("HTTP").child(get)))
    }

    fn exceptions(&self) -> Element {
        let forms: &[&str] = match self.version {
            WmsVersion::V111 => &[
                "application/vnd.ogc.se_xml",
                "application/vnd.ogc.se_inimage",
                "application/vnd.ogc.se_blank",
            ],
            WmsVersion::V130 => &["XML", "INIMAGE", "BLANK"],
        };
        Element::new("Exception").children(forms.iter().map(|form| Element::text("Format", *form)))
    }

    fn root_layer(&self, layers: &[Layer]) -> Element {
        let crs_element = self.version.crs_parameter();
        let mut names: Vec<String> = CRS_LISTED.iter().map(|name| (*name).to_owned()).collect();
        for name in layers.iter().flat_map(|layer| &layer.crs) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        // CRS:84 is a name of 1.3.0.
        let names = names
            .into_iter()
            .filter(|name| !self.is_old() || name != "CRS:84");
        Element::new("Layer")
            .child(Element::text("Title", TITLE))
            .children(names.map(|name| Element::text(crs_element, name)))
            .children(layers.iter().map(|layer| self.layer(layer)))
    }

    fn layer(&self, layer: &Layer) -> Element {
        let mut element = Element::new("Layer")
            .with("queryable", "1")
            .with("opaque", "0")
            .child(Element::text("Name", layer.name.as_str()))
            .child(Element::text("Title", layer.title.as_str()));
        if !layer.abstract_.is_empty() {
            element = element.child(Element::text("Abstract", layer.abstract_.as_str()));
        }
        element = element
            .child(self.geographic(layer))
            .children(self.bounding_boxes(layer));
        if let Some(extent) = time_extent(&layer.days) {
            let newest = extent.newest;
            element = match self.version {
                WmsVersion::V111 => element
                    .child(
                        Element::new("Dimension")
                            .with("name", "time")
                            .with("units", "ISO8601"),
                    )
                    .child(
                        Element::text("Extent", extent.text)
                            .with("name", "time")
                            .with("default", newest)
                            .with("nearestValue", "1"),
                    ),
                WmsVersion::V130 => element.child(
                    Element::text("Dimension", extent.text)
                        .with("name", "time")
                        .with("units", "ISO8601")
                        .with("default", newest)
                        .with("multipleValues", "1")
                        .with("nearestValue", "1")
                        .with("current", "1"),
                ),
            };
        }
        element.children(layer.styles.iter().map(|style| self.style(layer, style)))
    }

    fn geographic(&self, layer: &Layer) -> Element {
        let bbox = &layer.bbox;
        match self.version {
            WmsVersion::V111 => {
                let bounds = Bounds {
                    min_x: bbox.west,
                    min_y: bbox.south,
                    max_x: bbox.east,
                    max_y: bbox.north,
                };
                with_bounds(
                    Element::new("LatLonBoundingBox"),
                    &bounds,
                    AxisOrder::EastNorth,
                )
            }
            WmsVersion::V130 => Element::new("EX_GeographicBoundingBox")
                .child(Element::text("westBoundLongitude", bbox.west.to_string()))
                .child(Element::text("eastBoundLongitude", bbox.east.to_string()))
                .child(Element::text("southBoundLatitude", bbox.south.to_string()))
                .child(Element::text("northBoundLatitude", bbox.north.to_string())),
        }
    }

    /// Returns the bounds in WGS 84, Web Mercator and the layer's own CRS, in the order of each.
    fn bounding_boxes(&self, layer: &Layer) -> Vec<Element> {
        let names = layer
            .crs
            .iter()
            .filter(|name| *name != "CRS:84" || !self.is_old());
        let written = |name: &String| {
            let named = match self.version {
                WmsVersion::V111 => NamedCrs::always_xy(name),
                WmsVersion::V130 => NamedCrs::by_definition(name),
            };
            let named = named.ok()?;
            let bounds = bounds_of(&layer.bbox, &named.crs).ok().flatten()?;
            let element =
                Element::new("BoundingBox").with(self.version.crs_parameter(), name.as_str());
            Some(with_bounds(element, &bounds, named.order))
        };
        names.filter_map(written).collect()
    }

    fn style(&self, layer: &Layer, style: &crate::map::StyleInfo) -> Element {
        let legend = format!(
            "{ENDPOINT}VERSION={}&REQUEST=GetLegendGraphic&LAYER={}&STYLE={}&FORMAT=image/png",
            self.version.name(),
            encoded(&layer.name),
            encoded(&style.name)
        );
        let size = super::legend::size(style);
        let url = Element::new("LegendURL")
            .with("width", size.width.to_string())
            .with("height", size.height.to_string())
            .child(Element::text("Format", "image/png"))
            .child(self.online(self.base.href(&legend)));
        Element::new("Style")
            .child(Element::text("Name", style.name.as_str()))
            .child(Element::text("Title", style.title.as_str()))
            .child(url)
    }
}

fn with_bounds(element: Element, bounds: &Bounds, order: AxisOrder) -> Element {
    let [min_1, min_2, max_1, max_2] = match order {
        AxisOrder::EastNorth => [bounds.min_x, bounds.min_y, bounds.max_x, bounds.max_y],
        AxisOrder::NorthEast => [bounds.min_y, bounds.min_x, bounds.max_y, bounds.max_x],
    };
    element
        .with("minx", min_1.to_string())
        .with("miny", min_2.to_string())
        .with("maxx", max_1.to_string())
        .with("maxy", max_2.to_string())
}
