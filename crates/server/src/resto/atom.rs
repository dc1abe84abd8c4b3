//! Pages of results as Atom, with the paths that today's scripts read.
//!
//! `gml:coordinates` is `lon,lat lon,lat …`, GeoRSS is `lat lon lat lon …`. No element has the prefix
//! `resto:`: the scripts cut that text out of the answer before they parse it.

use super::json::{millis, record_path};
use super::page::{Form, Page};
use crate::links::BaseUrl;
use crate::products::markup::Element;
use crate::products::{Product, footprint};

/// Media type of the answer: scripts look for `xml` in it.
pub(crate) const MEDIA_TYPE: &str = "application/atom+xml; charset=utf-8";

/// Returns a page as an Atom feed.
pub(crate) fn write(mut page: Page<Element>, base: &BaseUrl) -> String {
    let count = page.records.len();
    let href = |index| base.href(&page.path_of_index(Form::Atom, index));
    let own = href(page.start_index());
    let mut feed = feed()
        .child(Element::text("title", "Search results"))
        .child(Element::text("id", own.clone()))
        .child(Element::text("generator", "Swath"))
        .child(Element::new("author").child(Element::text("name", "Swath")))
        .child(Element::text(
            "updated",
            millis(page.updated.unwrap_or_default()),
        ))
        .child(link("self", own, "application/atom+xml"))
        .child(link(
            "search",
            base.href(&page.path("describe.xml")),
            "application/opensearchdescription+xml",
        ));
    let neighbours = [
        ("next", page.next_index()),
        ("previous", page.previous_index()),
    ];
    feed = feed.children(
        neighbours
            .into_iter()
            .filter_map(|(rel, index)| Some(link(rel, href(index?), "application/atom+xml"))),
    );
    if let Some(total) = page.total {
        feed = feed.child(Element::text("os:totalResults", total.to_string()));
    }
    let entries = std::mem::take(&mut page.records);
    feed.child(Element::text(
        "os:startIndex",
        page.start_index().to_string(),
    ))
    .child(Element::text("os:itemsPerPage", count.to_string()))
    .child(query(&page))
    .children(entries)
    .document()
}

fn feed() -> Element {
    Element::new("feed")
        .with("xmlns", "http://www.w3.org/2005/Atom")
        .with("xmlns:dc", "http://purl.org/dc/elements/1.1/")
        .with("xmlns:os", "http://a9.com/-/spec/opensearch/1.1/")
        .with("xmlns:eo", "http://a9.com/-/opensearch/extensions/eo/1.0/")
        .with(
            "xmlns:time",
            "http://a9.com/-/opensearch/extensions/time/1.0/",
        )
        .with("xmlns:georss", "http://www.georss.org/georss")
        .with("xmlns:gml", "http://www.opengis.net/gml")
}

fn link(rel: &'static str, href: String, media_type: &str) -> Element {
    Element::new("link")
        .with("rel", rel)
        .with("type", media_type)
        .with("href", href)
}

fn query(page: &Page<Element>) -> Element {
    Element::new("os:Query")
        .with("role", "request")
        .with("startIndex", page.start_index().to_string())
        .with("count", page.query.max_records.to_string())
}

/// Returns one product as an entry.
pub(crate) fn entry(product: &Product, base: &BaseUrl) -> Element {
    let item = product.item();
    let name = product.name();
    let uuid = item.uuid.to_string();
    let mut entry = Element::new("entry")
        .child(Element::text("id", format!("urn:uuid:{uuid}")))
        .child(Element::text("dc:identifier", uuid))
        .child(Element::text("title", name.clone()))
        .child(Element::text("published", millis(item.created)))
        .child(Element::text("updated", millis(item.updated)))
        .child(Element::text("summary", summary(product)))
        .child(link(
            "alternate",
            base.href(&record_path(product)),
            "application/json",
        ))
        .child(enclosure(product, base));
    if let (Some(start), Some(end)) = (product.start(), product.end()) {
        let (start, end) = (millis(start), millis(end));
        let period = Element::new("gml:TimePeriod")
            .child(Element::text("gml:beginPosition", start.clone()))
            .child(Element::text("gml:endPosition", end.clone()));
        entry = entry
            .child(Element::text("dc:date", format!("{start}/{end}")))
            .child(Element::new("gml:validTime").child(period));
    }
    if let Some(gml) = footprint::to_gml(product.geometry()) {
        entry = entry.child(Element::new("georss:where").child(gml));
    }
    entry
        .children(footprint::to_georss(product.geometry()))
        .children(attributes(product))
}

fn summary(product: &Product) -> String {
    let parts = [
        product.platform(),
        product.instrument().map(str::to_owned),
        product.product_type().map(str::to_owned),
        product.start().map(millis),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}

fn enclosure(product: &Product, base: &BaseUrl) -> Element {
    let href = base.href(&crate::odata::value_path(product.item().uuid));
    let link = link("enclosure", href, "application/zip").with("title", product.eodata_path());
    match product.content_len() {
        Some(len) => link.with("length", len.to_string()),
        None => link,
    }
}

/// Returns the attributes in the vocabulary of OpenSearch for Earth observation.
fn attributes(product: &Product) -> impl Iterator<Item = Element> {
    let number = |name: &str| {
        product
            .property(name)
            .filter(|value| value.is_number())
            .map(ToString::to_string)
    };
    let upper = |name: &str| product.text(name).map(str::to_ascii_uppercase);
    let named = [
        (
            "eo:parentIdentifier",
            Some(product.collection_name().to_owned()),
        ),
        ("eo:productType", product.product_type().map(str::to_owned)),
        (
            "eo:processingLevel",
            product.processing_level().map(str::to_owned),
        ),
        ("eo:platform", product.platform()),
        ("eo:instrument", product.instrument().map(str::to_owned)),
        ("eo:sensorMode", upper("sar:instrument_mode")),
        ("eo:polarisationChannels", product.polarisations(",")),
        ("eo:orbitNumber", number("sat:absolute_orbit")),
        ("eo:relativeOrbitNumber", number("sat:relative_orbit")),
        ("eo:orbitDirection", upper("sat:orbit_state")),
        ("eo:cloudCover", number("eo:cloud_cover")),
        ("eo:snowCover", number("eo:snow_cover")),
        ("eo:productIdentifier", Some(product.eodata_path())),
    ];
    named
        .into_iter()
        .filter_map(|(name, value)| Some(Element::text(name, value?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::products::product::test_item;
    use crate::resto::params::{Parameters, RestoQuery};
    use serde_json::json;

    #[test]
    fn the_paths_of_the_cbm_scripts_are_there() {
        let item = test_item(
            "s1-card-bs",
            json!({
            "id": "S1A_IW_GRDH_1SDV_20180501_<CARD & BS>",
            "geometry": {"type": "Polygon", "coordinates": [[[3.0, 51.0], [4.0, 51.0], [4.0, 52.0], [3.0, 51.0]]]},
            "properties": {"datetime": "2018-05-01T05:58:11Z"}, "assets": {"VV": {"href": "a:b/VV.tif"}}}),
        );
        let parameters = Parameters::read("geometry=POINT(3.5+51.2)&page=1").expect("few");
        let base = BaseUrl::parse("https://eo.example.org").expect("valid");
        let page = Page {
            collection: Some("Sentinel1".to_owned()),
            query: RestoQuery::understand(&parameters).expect("valid"),
            parameters,
            records: vec![entry(&Product::new(&item), &base)],
            updated: Some(item.updated),
            has_next: true,
            total: None,
            processing_time_s: 0.0,
        };
        let text = write(page, &base).replace("resto:", "");
        let document = roxmltree::Document::parse(&text).expect("well formed");
        let (atom, gml) = ("http://www.w3.org/2005/Atom", "http://www.opengis.net/gml");
        let entry = document
            .descendants()
            .find(|node| node.has_tag_name((atom, "entry")))
            .expect("an entry");
        let find = |name| {
            entry
                .descendants()
                .find(|node| node.has_tag_name(name))
                .and_then(|node| node.text())
        };
        assert_eq!(
            find((atom, "title")),
            Some("S1A_IW_GRDH_1SDV_20180501_<CARD & BS>")
        );
        assert_eq!(
            find((gml, "beginPosition")),
            Some("2018-05-01T05:58:11.000Z")
        );
        assert_eq!(find((gml, "coordinates")), Some("3,51 4,51 4,52 3,51"));
        assert_eq!(
            find(("http://www.georss.org/georss", "polygon")),
            Some("51 3 51 4 52 4 51 3")
        );
        assert!(text.contains("href=\"https://eo.example.org/resto/api/collections/Sentinel1/search.atom?geometry=POINT%283.5+51.2%29&amp;index=2\""));
    }
}
