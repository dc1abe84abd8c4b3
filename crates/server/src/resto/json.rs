//! Pages of results as GeoJSON, with the keys that today's scripts read.

use serde_json::{Map, Value, json};

use super::page::{Form, Page};
use crate::links::{BaseUrl, path_segment};
use crate::objects::Holding;
use crate::products::{Product, footprint};

/// Media type of the answer: scripts look for `json` in it.
pub(crate) const MEDIA_TYPE: &str = "application/json";

/// Returns a page as a FeatureCollection.
pub(crate) fn write(mut page: Page<Value>, base: &BaseUrl) -> Value {
    let mut document = json!({
        "type": "FeatureCollection",
        "properties": {
            "id": query_id(&page),
            "totalResults": page.total,
            "exactCount": u8::from(page.total.is_some()),
            "startIndex": page.start_index(),
            "itemsPerPage": page.records.len(),
            "query": {
                "originalFilters": filters(&page),
                "appliedFilters": filters(&page),
                "processingTime": page.processing_time_s,
            },
            "links": links(&page, base),
        },
    });
    document["features"] = std::mem::take(&mut page.records).into();
    document
}

/// Returns a name of the query: the same for the same parameters.
fn query_id(page: &Page<Value>) -> String {
    let text = page.path_of_index(Form::Json, page.start_index());
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, text.as_bytes()).to_string()
}

fn filters(page: &Page<Value>) -> Value {
    let mut filters: Map<String, Value> = page
        .parameters
        .iter()
        .filter(|(name, _)| !matches!(*name, "page" | "index" | "maxRecords"))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    if let Some(collection) = &page.collection {
        filters.insert("collection".to_owned(), collection.as_str().into());
    }
    filters.into()
}

fn links(page: &Page<Value>, base: &BaseUrl) -> Vec<Value> {
    let link = |rel: &str, index: u64| {
        json!({"rel": rel, "type": MEDIA_TYPE, "title": rel,
            "href": base.href(&page.path_of_index(Form::Json, index))})
    };
    let mut links = vec![
        link("self", page.start_index()),
        json!({"rel": "search", "type": "application/opensearchdescription+xml",
            "title": "OpenSearch Description Document", "href": base.href(&page.path("describe.xml"))}),
    ];
    links.extend(page.next_index().map(|index| link("next", index)));
    links.extend(page.previous_index().map(|index| link("previous", index)));
    links
}

/// Returns one product as a Feature.
pub(crate) fn feature(product: &Product, holding: Holding, base: &BaseUrl) -> Value {
    let item = product.item();
    json!({
        "type": "Feature",
        "id": item.uuid.to_string(),
        "geometry": product.geometry(),
        "properties": properties(product, holding, base),
    })
}

fn properties(product: &Product, holding: Holding, base: &BaseUrl) -> Value {
    let item = product.item();
    let picture = product
        .asset_with_role("thumbnail")
        .or(product.asset_with_role("overview"))
        .map(|(key, _)| {
            base.href(&crate::objects::asset_path(
                &item.collection,
                product.id(),
                key,
            ))
        });
    let geometry = product.geometry();
    let orbit_state = product.text("sat:orbit_state").map(str::to_ascii_uppercase);
    json!({
        "collection": product.collection_name(),
        "status": status(holding),
        "license": null,
        "productIdentifier": product.eodata_path(),
        "parentIdentifier": null,
        "title": product.name(),
        "description": product.text("description"),
        "organisationName": null,
        "startDate": product.start().map(millis),
        "completionDate": product.end().map(millis),
        "productType": product.product_type(),
        "processingLevel": product.processing_level(),
        "platform": product.platform(),
        "instrument": product.instrument(),
        "resolution": product.property("gsd"),
        "sensorMode": product.text("sar:instrument_mode").or(product.text("s2:datatake_type")),
        "orbitNumber": product.property("sat:absolute_orbit"),
        "relativeOrbitNumber": product.property("sat:relative_orbit"),
        "orbitDirection": orbit_state,
        "polarisation": product.polarisations("&"),
        "processingBaseline": product.text("s2:processing_baseline"),
        "missionTakeId": product.property("s2:datatake_id").or(product.property("s1:datatake_id")),
        "timeliness": product.text("product:timeliness"),
        "tileId": product.text("grid:code").and_then(|code| code.strip_prefix("MGRS-")),
        "cloudCover": product.property("eo:cloud_cover"),
        "snowCover": product.property("eo:snow_cover"),
        "quicklook": picture,
        "thumbnail": picture,
        "published": millis(item.created),
        "updated": millis(item.updated),
        "gmlgeometry": footprint::to_gml(geometry).map(|gml| gml.fragment()),
        "centroid": footprint::centre(geometry),
        "services": {"download": {
            "url": base.href(&crate::odata::value_path(item.uuid)),
            "mimeType": "application/zip",
            "size": product.content_len(),
        }},
        "links": [{"rel": "self", "type": MEDIA_TYPE, "title": format!("GeoJSON link for {}", item.uuid),
            "href": base.href(&record_path(product))}],
    })
}

fn status(holding: Holding) -> &'static str {
    match holding {
        Holding::Files => "ONLINE",
        Holding::Metadata => "OFFLINE",
    }
}

/// Returns the path of a product's own record.
pub(crate) fn record_path(product: &Product) -> String {
    let collection = path_segment(product.collection_name());
    format!(
        "/resto/collections/{collection}/{}.json",
        product.item().uuid
    )
}

/// Returns an instant as resto writes it, to the millisecond.
pub(crate) fn millis(datetime: chrono::DateTime<chrono::Utc>) -> String {
    datetime.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::products::product::{assert_same_item, travelling_items};

    #[test]
    fn features_come_in_again_as_the_items_they_were() {
        let base = BaseUrl::parse("https://eo.example.org").expect("valid");
        let items = travelling_items();
        let features: Vec<Value> = items
            .iter()
            .map(|item| feature(&Product::new(item), Holding::Files, &base))
            .collect();
        let answer = json!({"type": "FeatureCollection", "features": features});
        let answer = swath_archive::read_answer(answer.as_object().expect("an object"));
        let answer = answer.expect("resto");
        assert_eq!(answer.refused, []);
        assert_eq!(answer.items.len(), items.len());
        for (back, item) in answer.items.iter().zip(&items) {
            assert_same_item(back, item);
        }
    }
}
