//! What the items of a collection say together: kept up to date as items come and go.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::instant;
use crate::record::Record;

/// Properties whose values are listed in the summaries, one item having one or a list of them.
const LISTED: &[&str] = &[
    "platform",
    "constellation",
    "instruments",
    "gsd",
    "grid:code",
    "proj:code",
    "product:type",
    "processing:level",
    "processing:version",
    "sat:orbit_state",
    "sat:relative_orbit",
    "sar:instrument_mode",
    "sar:polarizations",
    "sar:frequency_band",
    "s2:processing_baseline",
];
/// Properties whose range is in the summaries; they are columns.
const RANGED: &str = "eo:cloud_cover";
/// Most values of a property that are listed; of more, none are.
const VALUES_MAX: usize = 2_000;

/// Sums over the items of one collection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Live {
    pub(crate) items: i64,
    /// West, south, east, north; the whole turn where an item crosses the antimeridian.
    bounds: Option<[f64; 4]>,
    /// First start and last end, in microseconds.
    interval: Option<[i64; 2]>,
    cloud_cover: Option<[f64; 2]>,
    /// How many items have a value (as JSON) of a property.
    values: BTreeMap<String, BTreeMap<String, i64>>,
    /// Properties with more values than are listed.
    uncounted: Vec<String>,
}

/// What is summed of one item.
#[derive(Debug, Clone)]
pub(crate) struct Share<'a> {
    pub(crate) bounds: Option<[f64; 4]>,
    pub(crate) interval: [i64; 2],
    pub(crate) properties: &'a Map<String, Value>,
}

impl<'a> Share<'a> {
    /// Returns what is summed of an item.
    pub(crate) fn of(record: &'a Record) -> Self {
        let bounds = record.bbox.map(|bbox| match bbox.west <= bbox.east {
            true => [bbox.west, bbox.south, bbox.east, bbox.north],
            false => [-180.0, bbox.south, 180.0, bbox.north],
        });
        Self {
            bounds,
            interval: [record.start_datetime, record.end_datetime],
            properties: record.properties(),
        }
    }

    fn cloud_cover(&self) -> Option<f64> {
        self.properties.get(RANGED).and_then(Value::as_f64)
    }

    fn values(&self) -> impl Iterator<Item = (&'static str, String)> {
        LISTED.iter().flat_map(|name| {
            let value = self.properties.get(*name);
            let values = match value {
                Some(Value::Array(values)) => values.as_slice(),
                Some(single @ (Value::String(_) | Value::Number(_))) => {
                    std::slice::from_ref(single)
                }
                _ => &[],
            };
            values.iter().map(|value| (*name, value.to_string()))
        })
    }
}

impl Live {
    /// Adds an item.
    pub(crate) fn add(&mut self, share: &Share<'_>) {
        self.items += 1;
        if let Some([west, south, east, north]) = share.bounds {
            let known = self.bounds.unwrap_or([west, south, east, north]);
            self.bounds = Some([
                known[0].min(west),
                known[1].min(south),
                known[2].max(east),
                known[3].max(north),
            ]);
        }
        let [start, end] = share.interval;
        let known = self.interval.unwrap_or([start, end]);
        self.interval = Some([known[0].min(start), known[1].max(end)]);
        if let Some(cover) = share.cloud_cover() {
            let known = self.cloud_cover.unwrap_or([cover, cover]);
            self.cloud_cover = Some([known[0].min(cover), known[1].max(cover)]);
        }
        for (name, value) in share.values() {
            self.count(name, value);
        }
    }

    fn count(&mut self, name: &str, value: String) {
        if self.uncounted.iter().any(|known| known == name) {
            return;
        }
        let values = match self.values.get_mut(name) {
            Some(values) => values,
            None => self.values.entry(name.to_owned()).or_default(),
        };
        *values.entry(value).or_default() += 1;
        if values.len() > VALUES_MAX {
            self.values.remove(name);
            self.uncounted.push(name.to_owned());
        }
    }

    /// Takes an item away; true where it lay at an end of a range, which is then to be found anew.
    pub(crate) fn remove(&mut self, share: &Share<'_>) -> bool {
        self.items -= 1;
        for (name, value) in share.values() {
            let Some(values) = self.values.get_mut(name) else {
                continue;
            };
            if let Some(count) = values.get_mut(&value) {
                *count -= 1;
                if *count <= 0 {
                    values.remove(&value);
                }
            }
            if values.is_empty() {
                self.values.remove(name);
            }
        }
        let touches = |known: Option<[f64; 2]>, value: Option<f64>| match (known, value) {
            (Some([low, high]), Some(value)) => value <= low || value >= high,
            _ => false,
        };
        let is_at_bounds = self.bounds.zip(share.bounds).is_some_and(|(known, own)| {
            own[0] <= known[0] || own[1] <= known[1] || own[2] >= known[2] || own[3] >= known[3]
        });
        let is_at_interval = self
            .interval
            .is_some_and(|known| share.interval[0] <= known[0] || share.interval[1] >= known[1]);
        is_at_bounds || is_at_interval || touches(self.cloud_cover, share.cloud_cover())
    }

    /// Puts ranges that were found anew.
    pub(crate) fn set_ranges(
        &mut self,
        bounds: Option<[f64; 4]>,
        interval: Option<[i64; 2]>,
        cloud_cover: Option<[f64; 2]>,
    ) {
        (self.bounds, self.interval, self.cloud_cover) = (bounds, interval, cloud_cover);
    }

    /// Writes extents and summaries into a STAC collection; what the items do not say stays.
    pub(crate) fn write(&self, collection: &mut Map<String, Value>) {
        if self.items <= 0 {
            return;
        }
        let extent = collection.entry("extent").or_insert_with(|| json!({}));
        if let Some(extent) = extent.as_object_mut() {
            if let Some(bounds) = self.bounds {
                extent.insert("spatial".into(), json!({"bbox": [bounds]}));
            }
            if let Some([start, end]) = self.interval {
                let interval = [instant::to_text(start), instant::to_text(end)];
                extent.insert("temporal".into(), json!({"interval": [interval]}));
            }
        }
        let summaries = collection.entry("summaries").or_insert_with(|| json!({}));
        let Some(summaries) = summaries.as_object_mut() else {
            return;
        };
        for (name, values) in &self.values {
            let mut listed: Vec<Value> = values
                .keys()
                .filter_map(|value| serde_json::from_str(value).ok())
                .collect();
            listed.sort_by(compare_listed);
            summaries.insert(name.clone(), listed.into());
        }
        if let Some([minimum, maximum]) = self.cloud_cover {
            summaries.insert(
                RANGED.into(),
                json!({"minimum": minimum, "maximum": maximum}),
            );
        }
    }
}

/// Orders numbers by value, then texts, then everything else by its JSON.
fn compare_listed(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        _ => 2,
    };
    rank(a).cmp(&rank(b)).then_with(|| match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64(), b.as_f64());
            a.unwrap_or(f64::NAN).total_cmp(&b.unwrap_or(f64::NAN))
        }
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => a.to_string().cmp(&b.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(day: &str, west: f64, platform: &str) -> Record {
        let value = json!({"id": day, "bbox": [west, 0.0, west + 1.0, 1.0],
            "geometry": {"type": "Point", "coordinates": [west, 0.0]},
            "properties": {"datetime": format!("2020-01-{day}T00:00:00Z"), "platform": platform, "eo:cloud_cover": west}});
        Record::read("c", value.as_object().expect("an object")).expect("an item")
    }

    #[test]
    fn items_come_and_go() {
        let (first, second) = (record("01", 5.0, "a"), record("02", 6.0, "b"));
        let mut live = Live::default();
        live.add(&Share::of(&first));
        let alone = live.clone();
        live.add(&Share::of(&second));
        let mut collection = Map::new();
        live.write(&mut collection);
        assert_eq!(
            collection["extent"]["spatial"]["bbox"],
            json!([[5.0, 0.0, 7.0, 1.0]])
        );
        assert_eq!(collection["summaries"]["platform"], json!(["a", "b"]));
        assert!(live.remove(&Share::of(&second)));
        assert_eq!(live.values, alone.values);
        assert_eq!(live.items, 1);
    }

    #[test]
    fn values_of_all_types_are_listed() {
        let mut mixed: Vec<Value> = (0..40)
            .map(|number| json!((number * 7) % 40))
            .chain([json!(true), json!(null), json!("b"), json!("a"), json!([1])])
            .collect();
        mixed.rotate_left(20);
        let value = json!({"id": "i", "geometry": {"type": "Point", "coordinates": [1, 1]},
            "properties": {"datetime": "2020-01-01T00:00:00Z", "instruments": mixed}});
        let record = Record::read("c", value.as_object().expect("an object")).expect("an item");
        let mut live = Live::default();
        live.add(&Share::of(&record));
        let mut collection = Map::new();
        live.write(&mut collection);
        let listed = collection["summaries"]["instruments"].as_array();
        let listed = listed.expect("a list");
        assert_eq!(listed.len(), 45);
        assert_eq!((&listed[0], &listed[39]), (&json!(0), &json!(39)));
        assert_eq!((&listed[40], &listed[41]), (&json!("a"), &json!("b")));
    }

    #[test]
    fn item_within_all_ranges_leaves_them() {
        let mut live = Live::default();
        for (day, west) in [("01", 1.0), ("03", 9.0), ("02", 5.0)] {
            live.add(&Share {
                bounds: Some([west, -west, west, west]),
                ..Share::of(&record(day, west, "a"))
            });
        }
        let inner = record("02", 5.0, "a");
        assert!(!live.remove(&Share {
            bounds: Some([5.0, -5.0, 5.0, 5.0]),
            ..Share::of(&inner)
        }));
    }
}
