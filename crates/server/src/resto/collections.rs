//! The list of collections under the dialect's names.

use serde_json::{Value, json};

use crate::links::{BaseUrl, path_segment};
use crate::products::missions::{self, PRODUCT_KINDS, ProductKind};

/// Returns the names of all collections: missions that have collections here, then collections that
/// belong to none.
pub(crate) fn names(known: &[String]) -> Vec<String> {
    let missions = missions::MISSIONS
        .iter()
        .filter(|mission| known.iter().any(|id| mission.covers(id)))
        .map(|mission| mission.resto.to_owned());
    let others = known
        .iter()
        .filter(|id| !missions::MISSIONS.iter().any(|mission| mission.covers(id)))
        .cloned();
    missions.chain(others).collect()
}

/// Returns the kinds of product in collections.
pub(crate) fn kinds(collections: &[String]) -> Vec<&'static ProductKind> {
    PRODUCT_KINDS
        .iter()
        .filter(|kind| collections.iter().any(|id| id == kind.collection))
        .collect()
}

/// Returns the list as resto writes it.
pub(crate) fn write(known: &[String], base: &BaseUrl) -> Value {
    let collections: Vec<Value> = names(known)
        .iter()
        .map(|name| collection(name, base))
        .collect();
    json!({
        "synthesis": {"name": "*", "osDescription": {
            "ShortName": "Swath",
            "LongName": "All collections of this archive",
            "Description": "Search over all collections",
        }},
        "collections": collections,
        "links": [{"rel": "search", "type": "application/opensearchdescription+xml",
            "href": base.href("/resto/api/collections/describe.xml")}],
    })
}

fn collection(name: &str, base: &BaseUrl) -> Value {
    let folder = format!("/resto/api/collections/{}", path_segment(name));
    json!({
        "name": name,
        "status": "public",
        "owner": null,
        "license": null,
        "osDescription": {
            "ShortName": name,
            "LongName": name,
            "Description": format!("Products of {name}"),
        },
        "links": [
            {"rel": "search", "type": "application/opensearchdescription+xml",
                "href": base.href(&format!("{folder}/describe.xml"))},
            {"rel": "items", "type": "application/json", "href": base.href(&format!("{folder}/search.json"))},
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missions_come_first_and_once() {
        let known = ["mine", "sentinel-2-l1c", "sentinel-2-l2a"].map(str::to_owned);
        assert_eq!(names(&known), ["Sentinel2", "mine"]);
        assert_eq!(kinds(&known).len(), 2);
    }
}
