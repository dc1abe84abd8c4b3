//! What a collection says of how its items are measured.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How values in decibel are averaged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Average {
    /// What is stored. The default.
    #[default]
    Stored,
    /// Linear power; the results are in decibel again. Bands in other units are not touched.
    Linear,
}

/// The rules of a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionRules {
    /// `swath:average` of the collection or of its summaries.
    pub average: Average,
    /// Names of bands and keys of assets that hold classes: role `classification` or `classification:classes`.
    pub classes: Vec<String>,
}

impl CollectionRules {
    /// Returns the rules of a STAC collection.
    pub fn of(collection: &Map<String, Value>) -> Self {
        let summaries = collection.get("summaries").and_then(Value::as_object);
        let said = |name: &str| {
            let own = collection.get(name);
            own.or_else(|| summaries.and_then(|summaries| summaries.get(name)))
        };
        let is_linear = said("swath:average").is_some_and(|value| match value {
            Value::Array(values) => values.iter().any(|value| value == "linear"),
            value => value == "linear",
        });
        let assets = collection.get("item_assets").and_then(Value::as_object);
        let mut classes: Vec<String> = assets
            .into_iter()
            .flatten()
            .flat_map(|(key, asset)| class_names(key, asset))
            .collect();
        classes.sort_unstable();
        classes.dedup();
        Self {
            average: if is_linear {
                Average::Linear
            } else {
                Average::Stored
            },
            classes,
        }
    }
}

/// Returns the names by which the class bands of an asset are known.
fn class_names(key: &str, asset: &Value) -> Vec<String> {
    let has_role = |role: &Value| role == "classification";
    let roles = asset["roles"].as_array().into_iter().flatten();
    let is_whole = roles.clone().any(has_role) || asset.get("classification:classes").is_some();
    let bands = asset["bands"].as_array().into_iter().flatten();
    let is_class = |band: &&Value| is_whole || band.get("classification:classes").is_some();
    let mut names: Vec<String> = bands
        .filter(is_class)
        .filter_map(|band| band["name"].as_str())
        .map(str::to_owned)
        .collect();
    if is_whole && names.is_empty() {
        names.push(key.to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(collection: Value) -> CollectionRules {
        CollectionRules::of(collection.as_object().expect("an object"))
    }

    #[test]
    fn a_collection_says_how_to_average_and_what_are_classes() {
        let found = rules(json!({
            "summaries": {"swath:average": ["linear"]},
            "item_assets": {
                "SCL_20m": {"roles": ["data", "classification"], "bands": [{"name": "SCL"}]},
                "QA": {"classification:classes": []},
                "B04": {"roles": ["data"], "bands": [{"name": "B04"}]}}}));
        assert_eq!(found.average, Average::Linear);
        assert_eq!(found.classes, ["QA", "SCL"]);
    }

    #[test]
    fn what_is_not_said_is_stored() {
        assert_eq!(rules(json!({})), CollectionRules::default());
        let own = json!({"swath:average": "stored", "summaries": {"swath:average": ["linear"]}});
        assert_eq!(rules(own).average, Average::Stored);
    }
}
