//! How a product stands to what the catalogue holds: the same, a newer version, older versions.
//!
//! Two products are versions of one acquisition where collection, platform, start (to the
//! millisecond), tile of the military grid and type agree. The higher processing baseline is newer;
//! with equal baselines the later generation. Rasters and BEAM-DIMAP products have no versions: the
//! same id is the same item.

use std::cmp::Ordering;

use chrono::{DateTime, TimeDelta};
use serde_json::{Map, Value};
use swath_access::Viewer;
use swath_catalog::Catalog;
use swath_stac::{Interval, ItemSearch, LIMIT_MAX, parse_datetime};

use crate::ArchiveError;
use crate::product::{Product, ProductVersion};

/// What the catalogue holds of an acquisition.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Standing {
    /// Number of missing assets of the item with the same id, `None` where there is none.
    pub held_missing: Option<usize>,
    /// Id of a newer version.
    pub newer: Option<String>,
    /// Ids of older versions.
    pub older: Vec<String>,
    /// Ids of the same version under other names.
    pub equal: Vec<String>,
}

/// What is to be done after a product was registered.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// These leave the catalogue.
    Replaces(Vec<String>),
    /// The product itself leaves it again: this one is newer.
    GivesWay(String),
}

impl Standing {
    /// Returns what a product replaces: older versions, and the same under another name, since the one
    /// that comes last is the one held.
    pub fn replaced(&self) -> Vec<String> {
        [self.older.as_slice(), &self.equal].concat()
    }

    /// Decides between the product `id`, which found this standing before it was ingested, and what
    /// stands there `now`: what came meanwhile did not know of it either. Of two equal versions that came
    /// at the same time the larger id stays, whoever decides.
    pub fn settle(&self, id: &str, now: Standing) -> Verdict {
        let is_new = |other: &&String| !self.equal.contains(other);
        let rival = now.equal.iter().filter(is_new).max();
        let above = now
            .newer
            .or_else(|| rival.filter(|rival| rival.as_str() > id).cloned());
        match above {
            Some(above) => Verdict::GivesWay(above),
            None => Verdict::Replaces([now.older, now.equal].concat()),
        }
    }
}

/// Asks the catalogue.
pub(super) async fn find(
    catalog: &Catalog,
    collection: &str,
    product: &Product,
) -> Result<Standing, ArchiveError> {
    let mut standing = Standing::default();
    match catalog
        .item(&Viewer::operator(), collection, &product.id)
        .await
    {
        Ok(held) => standing.held_missing = Some(missing_count(&held.json)),
        Err(error) if error.kind() == swath_catalog::ErrorKind::NotFound => {}
        Err(error) => return Err(ArchiveError::catalog(error)),
    }
    let Some(identity) = identity(&product.properties) else {
        return Ok(standing);
    };
    // Starts are the same to the millisecond.
    let millis = product.datetime.timestamp_millis();
    let first = DateTime::from_timestamp_millis(millis).unwrap_or(product.datetime);
    let search = ItemSearch {
        collections: vec![collection.to_owned()],
        datetime: Some(Interval {
            start: Some(first),
            end: Some(first + TimeDelta::microseconds(999)),
        }),
        limit: Some(LIMIT_MAX),
        ..ItemSearch::default()
    };
    let items = match catalog.search(&Viewer::operator(), &search).await {
        Ok(page) => page.items,
        Err(error) if error.kind() == swath_catalog::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(ArchiveError::catalog(error)),
    };
    for found in items {
        let Some(properties) = found.json.get("properties").and_then(Value::as_object) else {
            continue;
        };
        let id = found
            .json
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let is_same_start = properties
            .get("datetime")
            .and_then(Value::as_str)
            .and_then(|text| parse_datetime(text).ok())
            .is_some_and(|start| start.timestamp_millis() == product.datetime.timestamp_millis());
        let is_version = self::identity(properties).as_ref() == Some(&identity);
        if id == product.id || !is_same_start || !is_version {
            continue;
        }
        match version(properties).cmp(&product.version) {
            Ordering::Greater => standing.newer = Some(id.to_owned()),
            Ordering::Equal => standing.equal.push(id.to_owned()),
            Ordering::Less => standing.older.push(id.to_owned()),
        }
    }
    Ok(standing)
}

fn missing_count(item: &Map<String, Value>) -> usize {
    let properties = item.get("properties");
    let missing = properties.and_then(|properties| properties["swath:missing"].as_array());
    missing.map_or(0, Vec::len)
}

/// Returns what all versions of an acquisition share but for its start.
fn identity(properties: &Map<String, Value>) -> Option<Vec<String>> {
    let text = |key: &str| {
        properties
            .get(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let product_type = text("product:type")?;
    if product_type.starts_with("CARD") {
        return None;
    }
    let place = text("grid:code").or_else(|| text("sar:instrument_mode"))?;
    Some(vec![text("platform")?, product_type, place])
}

fn version(properties: &Map<String, Value>) -> ProductVersion {
    let text = |key: &str| properties.get(key).and_then(Value::as_str);
    ProductVersion {
        baseline: text("processing:version").unwrap_or_default().to_owned(),
        generated: text("processing:datetime").and_then(|text| parse_datetime(text).ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(newer: Option<&str>, older: &[&str], equal: &[&str]) -> Standing {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        Standing {
            held_missing: None,
            newer: newer.map(str::to_owned),
            older: owned(older),
            equal: owned(equal),
        }
    }

    #[test]
    fn of_two_that_came_at_once_both_decide_for_the_same() {
        let nothing = Standing::default();
        let gives_way = |other: &str| Verdict::GivesWay(other.to_owned());
        let replaces = |other: &str| Verdict::Replaces(vec![other.to_owned()]);
        let now = |equal: &str| standing(None, &[], &[equal]);
        assert_eq!(
            nothing.settle("old", standing(Some("new"), &[], &[])),
            gives_way("new")
        );
        assert_eq!(
            nothing.settle("new", standing(None, &["old"], &[])),
            replaces("old")
        );
        assert_eq!(nothing.settle("a", now("b")), gives_way("b"));
        assert_eq!(nothing.settle("b", now("a")), replaces("a"));
        // What was held before gives way to what comes, whatever its name.
        assert_eq!(now("b").settle("a", now("b")), replaces("b"));
        assert_eq!(now("b").replaced(), ["b"]);
    }

    #[test]
    fn a_higher_baseline_is_newer_then_a_later_generation() {
        let version = |baseline: &str, generated: &str| ProductVersion {
            baseline: baseline.to_owned(),
            generated: generated.parse().ok(),
        };
        let old = version("02.14", "2023-01-01T00:00:00Z");
        let new = version("05.00", "2022-01-01T00:00:00Z");
        let later = version("05.00", "2022-02-01T00:00:00Z");
        assert!(old < new && new < later);
    }
}
