//! The OpenSearch description document: what can be asked, by which names (OGC 13-026, 10-032).

use super::json;
use super::page::Form;
use super::params::{OFFSET_MAX, RECORDS_DEFAULT, RECORDS_MAX};
use crate::links::BaseUrl;
use crate::products::markup::Element;
use crate::products::missions::ProductKind;

/// Media type of the document.
pub(crate) const MEDIA_TYPE: &str = "application/opensearchdescription+xml; charset=utf-8";

/// A parameter: its name, what it means in the vocabularies, and what to write.
struct Parameter {
    name: &'static str,
    token: &'static str,
    title: &'static str,
}

const fn parameter(name: &'static str, token: &'static str, title: &'static str) -> Parameter {
    Parameter { name, token, title }
}

const PARAMETERS: &[Parameter] = &[
    parameter("maxRecords", "count", "Records of a page"),
    parameter("index", "startIndex", "Index of the first record, from 1"),
    parameter("page", "startPage", "Number of the page, from 1"),
    parameter("identifier", "geo:uid", "UUID of a product"),
    parameter(
        "productIdentifier",
        "eo:productIdentifier",
        "Name or path of a product, % for any text",
    ),
    parameter("geometry", "geo:geometry", "WKT in longitude latitude"),
    parameter("box", "geo:box", "west,south,east,north in degrees"),
    parameter("lon", "geo:lon", "Longitude in degrees"),
    parameter("lat", "geo:lat", "Latitude in degrees"),
    parameter(
        "radius",
        "geo:radius",
        "Radius around lon and lat in metres",
    ),
    parameter(
        "startDate",
        "time:start",
        "Acquired not before; or an interval [a,b], ]a,b[",
    ),
    parameter(
        "completionDate",
        "time:end",
        "Acquired not after; or an interval [a,b], ]a,b[",
    ),
    parameter(
        "published",
        "dc:date",
        "Published within the interval [a,b], ]a,b[",
    ),
    parameter(
        "updated",
        "eo:modificationDate",
        "Changed within the interval [a,b], ]a,b[",
    ),
    parameter("productType", "eo:productType", "Type of product"),
    parameter("processingLevel", "eo:processingLevel", "Processing level"),
    parameter("platform", "eo:platform", "Platform: S2A, sentinel-2a, A"),
    parameter("instrument", "eo:instrument", "Instrument"),
    parameter("sensorMode", "eo:sensorMode", "Mode of the sensor"),
    parameter(
        "polarisation",
        "eo:polarisationChannels",
        "Polarisations: VV, VV&VH",
    ),
    parameter(
        "orbitNumber",
        "eo:orbitNumber",
        "Absolute orbit; or an interval",
    ),
    parameter(
        "relativeOrbitNumber",
        "eo:track",
        "Relative orbit; or an interval",
    ),
    parameter(
        "orbitDirection",
        "eo:orbitDirection",
        "Direction of the orbit",
    ),
    parameter(
        "cloudCover",
        "eo:cloudCover",
        "Cloud cover in percent: [0,10]",
    ),
    parameter("snowCover", "eo:snowCover", "Snow cover in percent: [0,10]"),
    parameter("tileId", "eo:tileId", "Tile of the military grid: 31UFS"),
    parameter("status", "eo:statusSubType", "Products at hand or not"),
    parameter("sortParam", "sru:sortKeys", "What results are ordered by"),
    parameter("sortOrder", "eo:sortOrder", "Which end comes first"),
    parameter("exactCount", "eo:exactCount", "1: count all results"),
];

/// What a description is about.
pub(crate) struct Described<'a> {
    /// The dialect's name of the collection; `None`: all collections.
    pub(crate) name: Option<&'a str>,
    /// Path of a document of the collection, by its file name.
    pub(crate) path: &'a dyn Fn(&str) -> String,
    /// Names of all collections.
    pub(crate) collections: Vec<String>,
    /// Kinds of product in the collection.
    pub(crate) kinds: Vec<&'static ProductKind>,
}

/// Returns the document.
pub(crate) fn write(described: &Described, base: &BaseUrl) -> String {
    let name = described.name.unwrap_or("all collections");
    let mut root = Element::new("OpenSearchDescription")
        .with("xmlns", "http://a9.com/-/spec/opensearch/1.1/")
        .with("xmlns:eo", "http://a9.com/-/opensearch/extensions/eo/1.0/")
        .with(
            "xmlns:geo",
            "http://a9.com/-/opensearch/extensions/geo/1.0/",
        )
        .with(
            "xmlns:time",
            "http://a9.com/-/opensearch/extensions/time/1.0/",
        )
        .with("xmlns:dc", "http://purl.org/dc/terms/")
        .with(
            "xmlns:sru",
            "http://a9.com/-/opensearch/extensions/sru/2.0/",
        )
        .with(
            "xmlns:param",
            "http://a9.com/-/spec/opensearch/extensions/parameters/1.0/",
        )
        .child(Element::text("ShortName", shortened(name, 16)))
        .child(Element::text(
            "LongName",
            shortened(&format!("Swath: {name}"), 48),
        ))
        .child(Element::text("Description", format!("Products of {name}")));
    let forms = [
        (Form::Json, json::MEDIA_TYPE),
        (Form::Atom, "application/atom+xml"),
    ];
    for (form, media_type) in forms {
        root = root.child(results_url(described, base, form, media_type));
    }
    let own = base.href(&(described.path)("describe.xml"));
    root.child(
        Element::new("Url")
            .with("type", "application/opensearchdescription+xml")
            .with("rel", "self")
            .with("template", own),
    )
    .children((described.name.is_none()).then(|| collections_url(described, base)))
    .child(Element::text("SyndicationRight", "open"))
    .child(Element::text("Language", "en"))
    .child(Element::text("InputEncoding", "UTF-8"))
    .child(Element::text("OutputEncoding", "UTF-8"))
    .document()
}

fn shortened(text: &str, characters_max: usize) -> String {
    text.chars().take(characters_max).collect()
}

fn results_url(
    described: &Described,
    base: &BaseUrl,
    form: Form,
    media_type: &'static str,
) -> Element {
    let document = format!("search.{}", form.ending());
    let query: Vec<String> = PARAMETERS
        .iter()
        .map(|parameter| format!("{}={{{}?}}", parameter.name, parameter.token))
        .collect();
    let template = format!(
        "{}?{}",
        base.href(&(described.path)(&document)),
        query.join("&")
    );
    Element::new("Url")
        .with("type", media_type)
        .with("rel", "results")
        .with("indexOffset", "1")
        .with("pageOffset", "1")
        .with("template", template)
        .children(
            PARAMETERS
                .iter()
                .map(|parameter| described_parameter(parameter, described)),
        )
}

fn described_parameter(parameter: &Parameter, described: &Described) -> Element {
    let element = Element::new("param:Parameter")
        .with("name", parameter.name)
        .with("value", format!("{{{}}}", parameter.token))
        .with("title", parameter.title);
    let element = match parameter.name {
        "maxRecords" => element
            .with("minInclusive", "0")
            .with("maxInclusive", RECORDS_MAX.to_string())
            .with("default", RECORDS_DEFAULT.to_string()),
        "index" => element
            .with("minInclusive", "1")
            .with("maxInclusive", (OFFSET_MAX + 1).to_string()),
        "page" => element.with("minInclusive", "1"),
        "lon" => element
            .with("minInclusive", "-180")
            .with("maxInclusive", "180"),
        "lat" => element
            .with("minInclusive", "-90")
            .with("maxInclusive", "90"),
        _ => element,
    };
    element.children(options(parameter.name, &described.kinds))
}

/// Returns the values that a parameter knows.
fn options(name: &str, kinds: &[&'static ProductKind]) -> Vec<Element> {
    let mut values: Vec<&str> = match name {
        "productType" => kinds.iter().map(|kind| kind.product_type).collect(),
        "processingLevel" => kinds.iter().map(|kind| kind.processing_level).collect(),
        "instrument" => kinds.iter().map(|kind| kind.instrument).collect(),
        "orbitDirection" => vec!["ASCENDING", "DESCENDING"],
        "sortParam" => vec![
            "startDate",
            "completionDate",
            "published",
            "updated",
            "cloudCover",
        ],
        "sortOrder" => vec!["ascending", "descending"],
        "status" => vec!["all", "ONLINE", "OFFLINE"],
        _ => Vec::new(),
    };
    let mut seen = std::collections::HashSet::new();
    values.retain(|value| seen.insert(*value));
    let option = |value: &str| {
        Element::new("param:Option")
            .with("value", value)
            .with("label", value)
    };
    values.into_iter().map(option).collect()
}

/// Returns the first of the two steps: which collections there are.
fn collections_url(described: &Described, base: &BaseUrl) -> Element {
    let options = described.collections.iter().map(|name| {
        Element::new("param:Option")
            .with("value", name.as_str())
            .with("label", name.as_str())
    });
    let parameter = Element::new("param:Parameter")
        .with("name", "collection")
        .with("value", "{geo:uid}")
        .children(options);
    Element::new("Url")
        .with("type", "application/opensearchdescription+xml")
        .with("rel", "collection")
        .with(
            "template",
            base.href("/resto/api/collections/{geo:uid}/describe.xml"),
        )
        .child(parameter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::products::missions::PRODUCT_KINDS;

    #[test]
    fn the_document_is_well_formed_and_describes_every_parameter() {
        let path = |document: &str| format!("/resto/api/collections/Sentinel2/{document}");
        let described = Described {
            name: Some("Sentinel2"),
            path: &path,
            collections: Vec::new(),
            kinds: PRODUCT_KINDS.iter().collect(),
        };
        let base = BaseUrl::parse("https://eo.example.org/x").expect("valid");
        let text = write(&described, &base);
        let document = roxmltree::Document::parse(&text).expect("well formed");
        let urls: Vec<_> = document
            .descendants()
            .filter(|node| node.has_tag_name("Url"))
            .collect();
        let template = urls[0].attribute("template").expect("a template");
        assert!(template.starts_with("https://eo.example.org/x/resto/api/collections/Sentinel2/search.json?maxRecords={count?}&"));
        let named = urls[0]
            .children()
            .filter(|node| node.tag_name().name() == "Parameter");
        for parameter in named {
            let name = parameter.attribute("name").expect("a name");
            assert!(template.contains(&format!("{name}=")), "{name}");
        }
    }
}
