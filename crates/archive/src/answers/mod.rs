//! Answers of other platforms: what they say of products becomes STAC 1.1 items.
//!
//! 1. [`read_answer`] tells a JSON document by its content, [`read_feed`] takes Atom;
//! 2. a reader for each dialect (`odata`, `dhus`, `feed`, `resto`, `eop`, `eodag`, `elder`, `awseos`)
//!    makes an `Entry` of each product;
//! 3. `properties` turns attributes into properties by the table that the server's faces use the
//!    other way (`swath_stac::dialect`), `names` adds what the name of the product says, `outline`
//!    reads footprints in all their notations;
//! 4. `Entry::into_item` puts the item together.
//!
//! Nothing is fetched: hrefs are the provider's. What has no term in STAC is kept under the prefix of
//! the dialect; an entry that is no product is refused by name, and the others are taken.

mod awseos;
mod dhus;
mod elder;
mod entry;
mod eodag;
mod eop;
mod feed;
mod names;
mod odata;
mod outline;
mod properties;
mod resto;

use serde_json::{Map, Value};

pub use feed::read_feed;

use entry::Entry;

/// Most entries of one answer.
pub(crate) const ENTRIES_MAX: usize = 100_000;

/// What an answer held.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// A STAC 1.1 item for each product, in the order of the answer, without a collection.
    pub items: Vec<Map<String, Value>>,
    /// Entries that are no products.
    pub refused: Vec<Refusal>,
}

/// An entry of an answer that makes no item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its name, else its number in the answer, from 1.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Which vocabulary an entry is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// `Products` of the Copernicus Data Space and CREODIAS.
    OData,
    /// `Products` of ONDA.
    Onda,
    /// Data Hub System: OData version 2, and its feed in JSON.
    Dhus,
    /// OpenSearch in Atom.
    Atom,
    /// Features of resto and its relatives.
    Resto,
    /// Features with `acquisitionInformation`: OGC 17-003, Terrascope, EUMETSAT.
    Eop,
    /// Results of EODAG.
    Eodag,
    /// Betas of STAC 1.0, and items of Earth Search v0.
    Elder,
    /// The search of EOS over the buckets of AWS.
    Awseos,
}

impl Dialect {
    /// Returns the prefix of properties that have no term in STAC.
    fn prefix(self) -> &'static str {
        match self {
            Self::OData => "odata",
            Self::Onda => "onda",
            Self::Dhus => "dhus",
            Self::Atom => "atom",
            Self::Resto => "resto",
            Self::Eop => "eop",
            Self::Eodag => "eodag",
            Self::Elder => "source",
            Self::Awseos => "awseos",
        }
    }
}

/// Returns what a JSON document says of products; `None` where it is in no dialect, as STAC is not.
///
/// Features of a collection that are STAC items already are taken as they are.
pub fn read_answer(document: &Map<String, Value>) -> Option<Answer> {
    if let Some(products) = odata::products(document) {
        let base = odata::base(document);
        return Some(read_all(products, |product| {
            odata::read(product, base.as_deref())
        }));
    }
    if odata::is_product(document) {
        let product = Value::Object(document.clone());
        let base = odata::base(document);
        return Some(read_all(vec![&product], |product| {
            odata::read(product, base.as_deref())
        }));
    }
    if let Some(products) = dhus::products(document) {
        return Some(read_all(products, dhus::read_product));
    }
    if let Some(entries) = dhus::entries(document) {
        return Some(read_all(entries, dhus::read_entry));
    }
    if let Some(results) = awseos::results(document) {
        return Some(read_all(results, awseos::read));
    }
    match document.get("features").and_then(Value::as_array) {
        Some(features) => {
            let reader = |value: &Value| feature_reader(value.as_object()?);
            let is_any = features.iter().any(|value| reader(value).is_some());
            is_any.then(|| read_features(features))
        }
        None => {
            feature_reader(document)?;
            Some(read_features(&[Value::Object(document.clone())]))
        }
    }
}

type Reader = fn(&Value) -> Result<Entry, Refusal>;

/// Returns the reader of a feature, `None` for STAC and for what is in no dialect.
fn feature_reader(feature: &Map<String, Value>) -> Option<Reader> {
    let properties = feature.get("properties")?.as_object()?;
    if feature.get("type")? != "Feature" {
        return None;
    }
    let has = |name: &str| properties.contains_key(name);
    if has("eodag:provider") || has("eodag:collection") {
        return Some(eodag::read);
    }
    if has("acquisitionInformation") {
        return Some(eop::read);
    }
    let version = feature.get("stac_version").and_then(Value::as_str);
    if elder::is_elder(version, properties) {
        return Some(elder::read);
    }
    let is_resto = has("productIdentifier") || (has("startDate") && has("completionDate"));
    (version.is_none() && is_resto).then_some(resto::read)
}

fn read_features(features: &[Value]) -> Answer {
    let mut answer = Answer::default();
    for (index, feature) in features.iter().enumerate() {
        let members = feature.as_object();
        let read = match (members.and_then(feature_reader), members) {
            (Some(reader), _) => reader(feature).and_then(Entry::into_item),
            (None, Some(item)) if item.contains_key("stac_version") => Ok(item.clone()),
            _ => {
                let id = text(&feature["id"]).unwrap_or_default();
                Err(refusal(id, "it is no product in any known dialect"))
            }
        };
        answer.push(index, read);
    }
    answer
}

fn read_all(entries: Vec<&Value>, read: impl Fn(&Value) -> Result<Entry, Refusal>) -> Answer {
    let mut answer = Answer::default();
    for (index, entry) in entries.into_iter().enumerate() {
        answer.push(index, read(entry).and_then(Entry::into_item));
    }
    answer
}

impl Answer {
    fn push(&mut self, index: usize, read: Result<Map<String, Value>, Refusal>) {
        let read = match index < ENTRIES_MAX {
            true => read,
            false => Err(refusal(
                "",
                format!("an answer has at most {ENTRIES_MAX} entries"),
            )),
        };
        match read {
            Ok(item) => self.items.push(item),
            Err(mut refusal) => {
                if refusal.name.is_empty() {
                    refusal.name = format!("entry {}", index + 1);
                }
                self.refused.push(refusal);
            }
        }
    }
}

/// Returns a refusal; the name is shown without control characters and not longer than 200.
fn refusal(name: &str, reason: impl Into<String>) -> Refusal {
    let shown = name.chars().filter(|character| !character.is_control());
    Refusal {
        name: shown.take(200).collect(),
        reason: reason.into(),
    }
}

/// Returns a text that is not empty.
fn text(value: &Value) -> Option<&str> {
    value
        .as_str()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// Returns a list, or the one thing that stands where lists of one are written without brackets.
fn many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Option<Answer> {
        read_answer(value.as_object().expect("an object"))
    }

    #[test]
    fn stac_and_other_json_is_left_alone() {
        let item = json!({"type": "Feature", "stac_version": "1.0.0", "id": "a", "properties": {}});
        for value in [
            item.clone(),
            json!({"type": "FeatureCollection", "features": [item]}),
            json!({"type": "Collection", "id": "c"}),
            json!({"value": 3}),
            json!({"value": [1, 2]}),
            json!({"features": [{"type": "Feature", "properties": {"name": "a field"}}]}),
            json!({}),
        ] {
            assert_eq!(read(value.clone()), None, "{value}");
        }
    }

    #[test]
    fn entries_that_are_no_products_are_refused_by_name() {
        let answer = read(json!({"@odata.context": "$metadata#Products", "value": [
            {"Name": "S2A_X.SAFE", "ContentDate": {"Start": "2020-01-01T00:00:00Z"}},
            {"Name": "no time"},
            {"Id": "nameless"},
            7,
        ]}))
        .expect("OData");
        assert_eq!(answer.items.len(), 1);
        assert_eq!(answer.items[0]["id"], "S2A_X");
        assert_eq!(answer.items[0]["geometry"], Value::Null);
        let names: Vec<&str> = answer
            .refused
            .iter()
            .map(|refusal| refusal.name.as_str())
            .collect();
        assert_eq!(names, ["no time", "nameless", "entry 4"]);
    }

    #[test]
    fn unknown_attributes_are_kept_and_fail_nothing() {
        let answer = read(json!({"@odata.context": "$metadata#Products", "value": [{
            "Name": "S2A_X", "ContentDate": {"Start": "2020-01-01T00:00:00Z"}, "Novelty": {"a": [1]},
            "Attributes": [
                {"Name": "phaseOfTheMoon", "Value": "full"},
                {"Name": "cloudCover", "Value": "many"},
                {"Name": "orbitNumber", "Value": -5},
                {"Name": null, "Value": 1},
                "no attribute",
            ],
        }]}))
        .expect("OData");
        assert_eq!(answer.refused, []);
        let properties = &answer.items[0]["properties"];
        assert_eq!(properties["odata:phaseOfTheMoon"], "full");
        assert_eq!(properties["odata:cloudCover"], "many");
        assert_eq!(properties["odata:orbitNumber"], -5);
        assert_eq!(properties["odata:Novelty"], json!({"a": [1]}));
        assert!(properties.get("eo:cloud_cover").is_none());
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
            "(2020-01-01T00:00:00Z|S2A_MSIL1C_20200815T005251_N0209_R002|/Date\\(99999999999999999\\)/|POLYGON ?\\(\\([0-9., ]{0,20}\\)\\))"
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let name = "(value|Name|Id|Attributes|Value|ContentDate|Start|Footprint|GeoFootprint|Checksum|d|results|feed|entry|title|link|str|date|name|content|features|type|properties|startDate|completionDate|acquisitionInformation|links|data|href|geometry|coordinates|assets|eodag:provider|stac_version|sceneID|productName|meta)";
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((name, inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_document_ends_in_a_result(value in json_value()) {
            if let Value::Object(document) = &value {
                let _ = read_answer(document);
            }
            let wrapped = [
                json!({"@odata.context": "", "value": [value]}),
                json!({"d": value}),
                json!({"feed": {"entry": value}}),
                json!({"results": [value], "meta": {"name": "satellite-meta-service"}}),
                json!({"features": [{"type": "Feature", "properties": {"productIdentifier": "x", "startDate": value, "links": value}, "geometry": value}]}),
                json!({"features": [{"type": "Feature", "properties": {"acquisitionInformation": value, "links": value, "title": "x"}}]}),
                json!({"features": [{"type": "Feature", "properties": {"eodag:provider": value, "title": "x", "datetime": value}}]}),
                json!({"features": [{"type": "Feature", "stac_version": "1.0.0-beta.2", "properties": {"identifier": "x", "datetime": value}, "assets": value}]}),
            ];
            for document in &wrapped {
                let answer = read_answer(document.as_object().expect("an object"));
                for item in answer.unwrap_or_default().items {
                    prop_assert!(item["id"].as_str().is_some_and(|id| !id.is_empty()));
                }
            }
        }

        #[test]
        fn any_bytes_end_in_a_result(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_feed(bytes.clone(), "any");
            if let Ok(Value::Object(document)) = serde_json::from_slice(&bytes) {
                let _ = read_answer(&document);
            }
        }

        #[test]
        fn almost_feeds_end_in_a_result(inside in "(<(title|id|entry|link|str|date|georss:polygon|content)( (name|href|rel|url)=\"[a-z0-9:/]{0,8}\")?>[0-9. a-z]{0,12}</(title|id|entry|link|str|date|content)>){0,6}") {
            let feed = format!("<feed><entry>{inside}</entry></feed>");
            let _ = read_feed(feed.into_bytes(), "almost");
        }
    }
}
