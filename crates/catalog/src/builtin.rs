//! Collections that come with the program.

use serde_json::{Map, Value};

/// Their JSON, one file each in `collections/`.
const FILES: &[&str] = &[
    include_str!("../collections/cop-dem-glo-30.json"),
    include_str!("../collections/landsat-c2-l2.json"),
    include_str!("../collections/modis.json"),
    include_str!("../collections/s1-card-bs.json"),
    include_str!("../collections/s1-card-coh6.json"),
    include_str!("../collections/sentinel-1-grd.json"),
    include_str!("../collections/sentinel-1-slc.json"),
    include_str!("../collections/sentinel-2-l1c.json"),
    include_str!("../collections/sentinel-2-l2a.json"),
    include_str!("../collections/sentinel-3.json"),
    include_str!("../collections/sentinel-5p.json"),
];

/// Returns them as STAC collections.
pub(crate) fn collections() -> impl Iterator<Item = Map<String, Value>> {
    FILES
        .iter()
        .map(|text| serde_json::from_str(text).expect("a test reads every file"))
}

/// Returns their ids.
pub(crate) fn ids() -> impl Iterator<Item = String> {
    let id = |collection: Map<String, Value>| {
        collection
            .get("id")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    collections().filter_map(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_collections_with_ids_of_their_own() {
        let ids: std::collections::HashSet<_> = ids().collect();
        assert_eq!(ids.len(), FILES.len());
    }
}
