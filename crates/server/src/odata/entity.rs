//! Products as OData writes them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use swath_stac::dialect::checksum::read_multihash;

use super::query::Shape;
use crate::links::BaseUrl;
use crate::objects::Holding;
use crate::products::attributes;
use crate::products::{Product, footprint};

/// How a product stands that is never removed.
const NEVER: &str = "";

/// Returns a product as one member of `value`, without what was not asked for.
pub(crate) fn write(
    product: &Product,
    holding: Holding,
    shape: &Shape,
    base: &BaseUrl,
) -> Map<String, Value> {
    let item = product.item();
    let mut entity = Map::new();
    let mut set = |name: &str, value: Value| {
        if shape.selected.is_empty() || shape.selected.iter().any(|own| own == name) {
            entity.insert(name.to_owned(), value);
        }
    };
    let instant = |datetime: Option<DateTime<Utc>>| datetime.map(micros);
    set("@odata.mediaContentType", json!("application/octet-stream"));
    set("Id", json!(item.uuid.to_string()));
    set("Name", json!(product.name()));
    set("ContentType", json!("application/octet-stream"));
    set("ContentLength", json!(product.content_len().unwrap_or(0)));
    set("OriginDate", json!(micros(item.created)));
    set("PublicationDate", json!(micros(item.created)));
    set("ModificationDate", json!(micros(item.updated)));
    set("Online", json!(holding == Holding::Files));
    set("EvictionDate", json!(NEVER));
    set("S3Path", json!(product.eodata_path()));
    set("Checksum", checksums(product));
    set(
        "ContentDate",
        json!({"Start": instant(product.start()), "End": instant(product.end())}),
    );
    let geometry = product.geometry();
    let wkt = footprint::to_wkt(geometry);
    set(
        "Footprint",
        json!(wkt.map(|wkt| format!("geography'SRID=4326;{wkt}'"))),
    );
    set("GeoFootprint", geometry.clone());
    if shape.has_attributes {
        entity.insert("Attributes".to_owned(), attribute_list(product).into());
    }
    if shape.has_assets {
        entity.insert("Assets".to_owned(), assets(product, base).into());
    }
    if shape.has_locations {
        entity.insert("Locations".to_owned(), locations(product, base));
    }
    entity
}

/// Returns the attributes of a product.
pub(crate) fn attribute_list(product: &Product) -> Vec<Value> {
    attributes::list(product)
        .into_iter()
        .map(|attribute| {
            json!({
                "@odata.type": format!("#OData.CSC.{}Attribute", attribute.value_type),
                "Name": attribute.name,
                "Value": attribute.value,
                "ValueType": attribute.value_type,
            })
        })
        .collect()
}

/// Checksums of the product as one file: known where it is one.
fn checksums(product: &Product) -> Value {
    let item = product.item();
    let files = item.json.get("assets").and_then(Value::as_object);
    let only = files
        .filter(|assets| assets.len() == 1)
        .and_then(|assets| assets.values().next());
    let found = only
        .and_then(|asset| asset["file:checksum"].as_str())
        .and_then(read_multihash)
        .map(|(algorithm, digest)| {
            json!({"Value": digest, "Algorithm": algorithm, "ChecksumDate": micros(item.updated)})
        });
    Value::Array(found.into_iter().collect())
}

fn assets(product: &Product, base: &BaseUrl) -> Vec<Value> {
    let item = product.item();
    let picture = product
        .asset_with_role("thumbnail")
        .or(product.asset_with_role("overview"));
    picture
        .map(|(key, _)| {
            let path = crate::objects::asset_path(&item.collection, product.id(), key);
            let name = format!("{}/{key}", item.uuid);
            json!({
                "Type": "QUICKLOOK",
                "Id": uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, name.as_bytes()).to_string(),
                "DownloadLink": base.href(&path),
                "S3Path": product.eodata_path(),
            })
        })
        .into_iter()
        .collect()
}

fn locations(product: &Product, base: &BaseUrl) -> Value {
    let uuid = product.item().uuid;
    json!([{
        "FormatType": "Extracted",
        "DownloadLink": base.href(&super::value_path(uuid)),
        "ContentLength": product.content_len().unwrap_or(0),
        "Checksum": checksums(product),
        "S3Path": product.eodata_path(),
    }])
}

/// Returns an instant with six digits of a second.
pub(crate) fn micros(datetime: DateTime<Utc>) -> String {
    datetime.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::products::product::test_item;

    #[test]
    fn products_come_in_again_as_the_items_they_were() {
        use crate::products::product::{assert_same_item, travelling_items};
        let base = BaseUrl::parse("https://eo.example.org").expect("valid");
        let shape = Shape {
            has_attributes: true,
            ..Shape::default()
        };
        let items = travelling_items();
        let products: Vec<_> = items
            .iter()
            .map(|item| write(&Product::new(item), Holding::Files, &shape, &base))
            .collect();
        let context = base.href("/odata/v1/$metadata#Products");
        let answer = json!({"@odata.context": context, "value": products});
        let answer = swath_archive::read_answer(answer.as_object().expect("an object"));
        let answer = answer.expect("OData");
        assert_eq!(answer.refused, []);
        for (back, item) in answer.items.iter().zip(&items) {
            assert_same_item(back, item);
        }
        assert_eq!(answer.items.len(), items.len());
        let split = &answer.items[0];
        assert_eq!(split["bbox"], json!([179.25, 60.5, -178.5, 61.5]));
        let href = split["assets"]["product"]["href"]
            .as_str()
            .expect("an href");
        assert!(
            href.starts_with("https://eo.example.org/odata/v1/Products("),
            "{href}"
        );
    }

    #[test]
    fn a_product_has_the_fields_of_the_data_space() {
        let item = test_item(
            "sentinel-2-l2a",
            json!({
                "id": "S2B_MSIL2A_20240324T230529_N0510_R044_T03WXT_20240324T234241",
                "geometry": {"type": "Polygon", "coordinates": [[[3, 51], [4, 51], [4, 52], [3, 51]]]},
                "properties": {"datetime": "2024-03-24T23:05:29.024Z", "platform": "sentinel-2b", "eo:cloud_cover": 99.8,
                    "sat:relative_orbit": 44, "sat:orbit_state": "descending", "grid:code": "MGRS-03WXT"},
                "assets": {"B04": {"href": "a:b.tif", "file:size": 5, "file:checksum": "d50110900150983cd24fb0d6963f7d28e17f72"}}
            }),
        );
        let product = Product::new(&item);
        let shape = Shape {
            has_attributes: true,
            ..Shape::default()
        };
        let base = BaseUrl::parse("https://eo.example.org").expect("valid");
        let found = write(&product, Holding::Files, &shape, &base);
        assert_eq!(found["Id"], "22058ee0-8842-4cfc-ad32-ce83810174b3");
        assert_eq!(
            found["Name"],
            "S2B_MSIL2A_20240324T230529_N0510_R044_T03WXT_20240324T234241.SAFE"
        );
        assert_eq!(found["ContentDate"]["Start"], "2024-03-24T23:05:29.024000Z");
        assert_eq!(
            found["Footprint"],
            "geography'SRID=4326;POLYGON ((3 51, 4 51, 4 52, 3 51))'"
        );
        assert_eq!(found["Checksum"][0]["Algorithm"], "MD5");
        assert_eq!(
            found["Checksum"][0]["Value"],
            "900150983cd24fb0d6963f7d28e17f72"
        );
        let attributes = found["Attributes"].as_array().expect("a list");
        let value = |name: &str| {
            attributes
                .iter()
                .find(|own| own["Name"] == name)
                .map(|own| own["Value"].clone())
        };
        assert_eq!(value("cloudCover"), Some(json!(99.8)));
        assert_eq!(value("platformSerialIdentifier"), Some(json!("B")));
        assert_eq!(value("orbitDirection"), Some(json!("DESCENDING")));
        assert_eq!(value("tileId"), Some(json!("03WXT")));
        assert_eq!(value("productType"), Some(json!("S2MSI2A")));
        let few = Shape {
            selected: vec!["Id".to_owned()],
            ..Shape::default()
        };
        assert_eq!(write(&product, Holding::Files, &few, &base).len(), 1);
    }
}
