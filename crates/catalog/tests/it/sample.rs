//! Items for the tests, the same every time.

use serde_json::{Map, Value, json};
use swath_access::Viewer;
use swath_catalog::{Catalog, PutMode};

pub fn object(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

/// Numbers that look random and are the same every time (Knuth's MMIX constants).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Returns a number of 0..1 with three digits.
    pub fn share(&mut self) -> f64 {
        self.below(1000) as f64 / 1000.0
    }
}

/// Registers a public collection.
pub async fn put_collection(catalog: &Catalog, id: &str) {
    let collection = object(
        json!({"id": id, "type": "Collection", "title": format!("The {id}"),
        "description": "for tests", "license": "CC0-1.0", "keywords": ["test"]}),
    );
    catalog
        .put_collection(&Viewer::operator(), &collection, PutMode::Upsert)
        .await
        .expect("a collection");
}

/// Returns an item that is a small square.
pub fn item(id: &str, datetime: &str, west: f64, south: f64) -> Map<String, Value> {
    let (east, north) = (west + 1.0, south + 1.0);
    object(json!({
        "type": "Feature", "stac_version": "1.1.0", "id": id,
        "geometry": {"type": "Polygon", "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]]},
        "bbox": [west, south, east, north],
        "properties": {"datetime": datetime},
        "links": [], "assets": {}
    }))
}

/// Returns items with properties of all kinds, some of them absent, null or of another kind.
pub fn varied(count: u64) -> Vec<Map<String, Value>> {
    let mut numbers = Numbers(7);
    (0..count)
        .map(|index| varied_item(index, &mut numbers))
        .collect()
}

fn varied_item(index: u64, numbers: &mut Numbers) -> Map<String, Value> {
    let datetime = format!(
        "2020-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        1 + numbers.below(12),
        1 + numbers.below(28),
        numbers.below(24),
        numbers.below(60),
        numbers.below(60)
    );
    let (west, south) = (numbers.share() * 20.0, 40.0 + numbers.share() * 10.0);
    let mut item = item(&format!("item-{index:04}"), &datetime, west, south);
    if index.is_multiple_of(3) {
        let (top, right) = (south + 2.0, west + 2.0);
        item.insert("geometry".into(), json!({"type": "Polygon", "coordinates": [[[west, south], [right, south], [west, top], [west, south]]]}));
        item.insert("bbox".into(), json!([west, south, right, top]));
    }
    let mut properties = object(json!({"datetime": datetime,
        "eo:cloud_cover": (numbers.share() * 100.0 * 10.0).round() / 10.0,
        "platform": (["sentinel-2a", "sentinel-2b", "Sentinel-2C"][numbers.below(3) as usize]),
        "sat:relative_orbit": 1 + numbers.below(143),
        "view:off_nadir": numbers.share() * 30.0,
        "s2:tile": format!("3{}U{}", numbers.below(3), ["DV", "EV", "FT"][numbers.below(3) as usize]),
        "is_good": numbers.below(2) == 0,
        "name": (["Straße", "STRASSE", "débárquér", "debarquer", "50% off_peak", "a*b?[c]"][numbers.below(6) as usize]),
        "rank": numbers.below(10),
        "keywords": ([["a", "b"], ["b", "c"], ["a", "c"]][numbers.below(3) as usize]),
        "orbits": [numbers.below(3), 3 + numbers.below(3)],
        "starts_at": format!("2020-0{}-01T00:00:00Z", 1 + numbers.below(5)),
        "ends_at": format!("2020-0{}-15", 5 + numbers.below(5)),
        "deep": {"er": numbers.below(5)},
    }));
    match index % 7 {
        0 => drop(properties.insert("eo:cloud_cover".into(), Value::Null)),
        1 => drop(properties.remove("platform")),
        2 => drop(properties.insert("rank".into(), json!("5"))),
        3 => drop(properties.insert("is_good".into(), json!("yes"))),
        4 => drop(properties.insert("keywords".into(), json!("a"))),
        5 => drop(properties.remove("name")),
        _ => {}
    }
    if index % 10 == 9 {
        let start = properties["datetime"].clone();
        properties.insert("datetime".into(), Value::Null);
        properties.insert("start_datetime".into(), start);
        properties.insert("end_datetime".into(), json!("2020-12-30T00:00:00Z"));
    }
    item.insert("properties".into(), properties.into());
    item
}
