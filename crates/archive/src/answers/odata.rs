//! OData version 4: `Products` of the Copernicus Data Space and CREODIAS, and those of ONDA.

use serde_json::{Map, Value, json};
use swath_stac::dialect::checksum::multihash;

use super::entry::{Entry, byte_count, eodata_object, instant, is_href};
use super::{Dialect, Refusal, many, outline, refusal, text};

/// Algorithms in the order in which a download can be verified here.
const ALGORITHMS: [&str; 4] = ["SHA256", "SHA3-256", "MD5", "BLAKE3"];
/// Members of an entity with a place of their own in the item.
const PLACED: &[&str] = &[
    "Name",
    "ContentType",
    "ContentLength",
    "ContentDate",
    "Footprint",
    "GeoFootprint",
    "Attributes",
    "Assets",
    "Locations",
    "PublicationDate",
    "ModificationDate",
    "S3Path",
    "Checksum",
];
/// Longest picture within an answer that is kept, in bytes of base64.
const PICTURE_BYTES_MAX: usize = 64 << 10;

/// Returns the products of an answer; `None` where it is none.
pub(super) fn products(document: &Map<String, Value>) -> Option<Vec<&Value>> {
    let values = document.get("value")?.as_array()?;
    let is_product = |value: &Value| {
        value["Name"].is_string() && value["ContentDate"].is_object()
            || value["name"].is_string() && value["beginPosition"].is_string()
    };
    let is_answer = document.contains_key("@odata.context") || values.iter().any(is_product);
    is_answer.then(|| values.iter().collect())
}

/// True of one product by its key, which comes without a list.
pub(super) fn is_product(document: &Map<String, Value>) -> bool {
    let has = |name: &str, is: fn(&Value) -> bool| document.get(name).is_some_and(is);
    has("Name", Value::is_string) && has("ContentDate", Value::is_object)
}

/// Returns how addresses of the service begin: `https://HOST/odata/v1`.
pub(super) fn base(document: &Map<String, Value>) -> Option<String> {
    let address = |name: &str, part: &str| {
        let text = document.get(name)?.as_str()?;
        let at = text.find(part)?;
        is_href(&text[..at]).then(|| text[..at].to_owned())
    };
    let listed = document.get("value").and_then(Value::as_array);
    let of_asset = || {
        let link = listed?.first()?["Assets"].get(0)?["DownloadLink"].as_str()?;
        let at = link.find("/Assets(")?;
        is_href(&link[..at]).then(|| link[..at].to_owned())
    };
    address("@odata.nextLink", "/Products")
        .or_else(|| address("@odata.context", "/$metadata"))
        .or_else(of_asset)
}

/// Reads one product.
pub(super) fn read(product: &Value, base: Option<&str>) -> Result<Entry, Refusal> {
    let Some(members) = product.as_object() else {
        return Err(refusal("", "it is no object"));
    };
    if members.contains_key("name") && !members.contains_key("Name") {
        return read_onda(members);
    }
    let id = text(&product["Id"]);
    let name = text(&product["Name"])
        .ok_or_else(|| refusal(id.unwrap_or_default(), "it has no \"Name\""))?;
    let mut entry = Entry::new(Dialect::OData, name)?;
    let attributes: Vec<(&str, &Value)> = many(&product["Attributes"])
        .into_iter()
        .filter_map(|attribute| Some((attribute["Name"].as_str()?, &attribute["Value"])))
        .collect();
    let time = |attribute: &str, member: &str| {
        let own = attributes
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(attribute))
            .and_then(|(_, value)| instant(value));
        own.or_else(|| instant(&product["ContentDate"][member]))
    };
    entry.start = time("beginningDateTime", "Start");
    entry.end = time("endingDateTime", "End");
    entry.published = instant(&product["PublicationDate"]);
    entry.updated = instant(&product["ModificationDate"]);
    let read = match outline::of_geojson(&product["GeoFootprint"]) {
        Ok(None) => outline::of_wkt(text(&product["Footprint"]).unwrap_or_default()),
        read => read,
    };
    entry.set_outline(read)?;
    for (name, value) in attributes {
        entry.properties.take(name, value);
    }
    for (name, value) in members {
        if !PLACED.contains(&name.as_str()) && !name.starts_with('@') {
            entry.properties.take(name, value);
        }
    }
    set_places(&mut entry, product, base);
    Ok(entry)
}

/// Sets where it is fetched and shown.
fn set_places(entry: &mut Entry, product: &Value, base: Option<&str>) {
    let key = base.zip(text(&product["Id"]));
    let record = key.map(|(base, id)| format!("{base}/Products({id})"));
    let location = text(&product["Locations"][0]["DownloadLink"]).map(str::to_owned);
    let value = || record.as_ref().map(|record| format!("{record}/$value"));
    entry.download.href = location.or_else(value);
    entry.download.media_type = text(&product["ContentType"]).map(str::to_owned);
    entry.download.size = byte_count(&product["ContentLength"]);
    entry.download.object = text(&product["S3Path"]).and_then(eodata_object);
    let checksums = many(&product["Checksum"]);
    entry.download.checksum = checksum(&checksums);
    if checksums.len() > 1 {
        // The asset has room for one.
        entry.properties.keep("Checksum", &product["Checksum"]);
    }
    entry.via = record;
    let quicklook = many(&product["Assets"])
        .into_iter()
        .find(|asset| asset["Type"] == "QUICKLOOK")
        .and_then(|asset| asset["DownloadLink"].as_str());
    entry.add_picture("thumbnail", "thumbnail", quicklook);
}

/// Returns the multihash of the first digest, in the order of what can be verified, that is one.
pub(super) fn checksum(listed: &[&Value]) -> Option<String> {
    let of = |algorithm: &&str| {
        listed.iter().find_map(|checksum| {
            let own = checksum["Algorithm"].as_str()?;
            let is_meant = own
                .replace('-', "")
                .eq_ignore_ascii_case(&algorithm.replace('-', ""));
            is_meant.then(|| multihash(algorithm, checksum["Value"].as_str()?))?
        })
    };
    ALGORITHMS.iter().find_map(of)
}

fn read_onda(members: &Map<String, Value>) -> Result<Entry, Refusal> {
    let get = |name: &str| members.get(name).unwrap_or(&Value::Null);
    let name = text(get("name")).ok_or_else(|| refusal("", "it has no \"name\""))?;
    let mut entry = Entry::new(Dialect::Onda, name)?;
    entry.start = instant(get("beginPosition"));
    entry.end = instant(get("endPosition"));
    entry.published = instant(get("created"));
    entry.set_outline(outline::of_wkt(text(get("footprint")).unwrap_or_default()))?;
    entry.download.size = byte_count(get("size"));
    entry.download.media_type = text(get("@odata.mediaContentType")).map(str::to_owned);
    // Metadata come with `$expand=Metadata`.
    for metadata in many(get("Metadata")) {
        if let Some(name) = metadata["id"].as_str() {
            entry.properties.take(name, &metadata["value"]);
        }
    }
    if let Some(picture) = text(get("quicklook")).filter(|text| text.len() <= PICTURE_BYTES_MAX) {
        let href = format!("data:image/jpeg;base64,{picture}");
        let asset = json!({"href": href, "type": "image/jpeg", "roles": ["thumbnail"]});
        entry.assets.insert("thumbnail".into(), asset);
    }
    const PLACED: [&str; 7] = [
        "name",
        "beginPosition",
        "endPosition",
        "footprint",
        "size",
        "Metadata",
        "quicklook",
    ];
    for (name, value) in members {
        if !PLACED.contains(&name.as_str()) && !name.starts_with('@') {
            entry.properties.keep(name, value);
        }
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn addresses_of_the_service_are_found() {
        let next = object(json!({"@odata.nextLink": "https://h/odata/v1/Products?$skip=2"}));
        assert_eq!(base(&next).as_deref(), Some("https://h/odata/v1"));
        let context = object(json!({"@odata.context": "https://h/odata/v1/$metadata#Products"}));
        assert_eq!(base(&context).as_deref(), Some("https://h/odata/v1"));
        let asset = object(
            json!({"@odata.context": "$metadata#Products", "value": [{"Assets": [{"DownloadLink": "https://h/odata/v1/Assets(1)/$value"}]}]}),
        );
        assert_eq!(base(&asset).as_deref(), Some("https://h/odata/v1"));
        assert_eq!(base(&object(json!({"value": []}))), None);
    }

    #[test]
    fn the_checksum_that_can_be_verified_is_taken() {
        let digest = "ab".repeat(16);
        let other = "cd".repeat(32);
        let blake = json!({"Algorithm": "BLAKE3", "Value": other});
        let md5 = json!({"Algorithm": "MD5", "Value": digest});
        assert_eq!(checksum(&[&blake, &md5]), Some(format!("d50110{digest}")));
        assert_eq!(checksum(&[&blake]), Some(format!("1e20{other}")));
        assert_eq!(
            checksum(&[&json!({"Algorithm": "MD5", "Value": "no"})]),
            None
        );
    }
}
