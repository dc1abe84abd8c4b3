//! Items as pgSTAC dumps them: without what they share with the base item of their collection.

use serde_json::{Map, Value, json};

use super::super::unreadable;
use crate::{CatalogError, wkb};

/// Stands in a dumped item for a field that the base item has and the item has not.
const ABSENT: &str = "𒍟※";
/// Deepest nesting of what is merged.
const DEPTH_MAX: usize = 64;

/// What the items of a collection share.
#[derive(Debug, Clone)]
pub struct BaseItem(Map<String, Value>);

impl BaseItem {
    /// Returns the base item of a collection, as pgSTAC derives it from `item_assets`.
    pub fn of_collection(collection: &Map<String, Value>) -> Self {
        let mut base = Map::new();
        base.insert("type".into(), "Feature".into());
        for (name, from) in [
            ("stac_version", "stac_version"),
            ("assets", "item_assets"),
            ("collection", "id"),
        ] {
            if let Some(value) = collection.get(from) {
                base.insert(name.into(), value.clone());
            }
        }
        Self(base)
    }

    /// Returns the base item that pgSTAC itself derived; what is null in it counts as absent, as there.
    pub(super) fn of_json(base: &Map<String, Value>) -> Self {
        let mut base = Value::Object(base.clone());
        drop_nulls(&mut base, DEPTH_MAX);
        match base {
            Value::Object(base) => Self(base),
            _ => Self(Map::new()),
        }
    }

    /// Returns an item that was stored without what it shares.
    pub(super) fn complete(&self, mut item: Map<String, Value>) -> Map<String, Value> {
        merge(&mut item, &self.0, DEPTH_MAX);
        drop_absent(&mut item);
        item
    }

    /// Returns a dumped item in full: a row of the table (`content`, `geometry` as hexadecimal WKB)
    /// or its content alone. A full item stays as it is.
    ///
    /// # Errors
    /// Where a row has a geometry that is none.
    pub fn hydrate(&self, dumped: Map<String, Value>) -> Result<Map<String, Value>, CatalogError> {
        let mut item = content_of(dumped)?;
        if item.get("type").is_some_and(|kind| kind == "Feature") && !has_absent(&item) {
            return Ok(item);
        }
        merge(&mut item, &self.0, DEPTH_MAX);
        Ok(item)
    }
}

fn content_of(mut row: Map<String, Value>) -> Result<Map<String, Value>, CatalogError> {
    let Some(Value::Object(mut content)) = row.shift_remove("content") else {
        return Ok(row);
    };
    for name in ["id", "collection"] {
        if let Some(value) = row.shift_remove(name) {
            content.entry(name).or_insert(value);
        }
    }
    if let Some(Value::String(hex)) = row.shift_remove("geometry") {
        let bytes: Option<Vec<u8>> = (0..hex.len() / 2)
            .map(|index| u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok())
            .collect();
        let geometry = bytes
            .as_deref()
            .and_then(wkb::decode)
            .ok_or_else(|| unreadable("the geometry of a dumped row is no hexadecimal WKB"))?;
        content.insert("geometry".into(), crate::geometry::to_geojson(&geometry));
    }
    Ok(content)
}

fn has_absent(item: &Map<String, Value>) -> bool {
    let mut left: Vec<&Value> = item.values().collect();
    while let Some(value) = left.pop() {
        match value {
            Value::String(text) if text == ABSENT => return true,
            Value::Array(values) => left.extend(values),
            Value::Object(object) => left.extend(object.values()),
            _ => {}
        }
    }
    false
}

/// Adds what `base` has and `item` has not; lists of equal length are merged element by element.
fn merge(item: &mut Map<String, Value>, base: &Map<String, Value>, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    for (name, shared) in base {
        match (item.get_mut(name), shared) {
            (None, _) => {
                item.insert(name.clone(), shared.clone());
            }
            (Some(Value::String(text)), _) if text == ABSENT => {
                item.shift_remove(name);
            }
            (Some(Value::Object(own)), Value::Object(shared)) => merge(own, shared, depth),
            (Some(Value::Array(own)), Value::Array(shared)) if own.len() == shared.len() => {
                merge_lists(own, shared, depth);
            }
            _ => {}
        }
    }
    item.retain(|_, value| *value != json!(ABSENT));
}

/// Merges lists of equal length. An element that is null is that of the base: so the database, other
/// than its loader, stores what is equal.
fn merge_lists(own: &mut [Value], base: &[Value], depth: usize) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    for (element, shared) in own.iter_mut().zip(base) {
        match (element, shared) {
            (element, shared) if element.is_null() => *element = shared.clone(),
            (element, _) if *element == json!(ABSENT) => *element = Value::Null,
            (Value::Object(element), Value::Object(shared)) => merge(element, shared, depth),
            (Value::Array(element), Value::Array(shared)) if element.len() == shared.len() => {
                merge_lists(element, shared, depth);
            }
            _ => {}
        }
    }
}

/// Takes out what says "absent" where the base item had something once, and has nothing now.
fn drop_absent(item: &mut Map<String, Value>) {
    item.retain(|_, value| *value != json!(ABSENT));
    let mut left: Vec<&mut Value> = item.values_mut().collect();
    while let Some(value) = left.pop() {
        match value {
            Value::Object(object) => {
                object.retain(|_, value| *value != json!(ABSENT));
                left.extend(object.values_mut());
            }
            Value::Array(values) => left.extend(values),
            _ => {}
        }
    }
}

fn drop_nulls(value: &mut Value, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    match value {
        Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object
                .values_mut()
                .for_each(|value| drop_nulls(value, depth));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| drop_nulls(value, depth)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn dumped_item_gets_back_what_it_shares() {
        let collection = object(json!({"id": "c", "stac_version": "1.0.0", "item_assets": {
            "red": {"type": "image/tiff", "roles": ["data"], "bands": [{"name": "red", "gsd": 10}]},
            "meta": {"type": "text/xml", "title": "Metadata"}}}));
        let base = BaseItem::of_collection(&collection);
        let dumped = object(json!({"id": "a", "properties": {}, "assets": {
            "red": {"href": "r.tif", "bands": [{"gsd": 20}]}, "meta": {"href": "m.xml", "title": ABSENT}}}));
        let item = base.hydrate(dumped).expect("an item");
        assert_eq!(item["type"], "Feature");
        assert_eq!(item["collection"], "c");
        assert_eq!(
            item["assets"]["red"],
            json!({"href": "r.tif", "bands": [{"gsd": 20, "name": "red"}], "type": "image/tiff", "roles": ["data"]})
        );
        assert_eq!(
            item["assets"]["meta"],
            json!({"href": "m.xml", "type": "text/xml"})
        );
    }

    #[test]
    fn lists_and_marks_are_completed_as_the_database_does() {
        let base = BaseItem::of_json(&object(
            json!({"type": "Feature", "links": null, "assets": {
            "red": {"roles": ["data", "cog"], "sizes": [[1, 2], [3, 4]], "title": null}}}),
        ));
        let stored = object(json!({"properties": {"gone": ABSENT}, "assets": {
            "red": {"roles": [null, ABSENT], "sizes": [null, [5, null]]}, "new": {"title": ABSENT}}}));
        assert_eq!(
            Value::Object(base.complete(stored)),
            json!({"type": "Feature", "properties": {}, "assets": {
                "red": {"roles": ["data", null], "sizes": [[1, 2], [5, 4]]}, "new": {}}})
        );
    }

    #[test]
    fn row_of_the_table_is_read() {
        let base = BaseItem::of_collection(&object(json!({"id": "c"})));
        let row = object(
            json!({"id": "a", "collection": "c", "geometry": "0101000020E6100000000000000000F03F0000000000000040",
            "content": {"properties": {"datetime": "2020-01-01T00:00:00Z"}}}),
        );
        let item = base.hydrate(row).expect("an item");
        assert_eq!(
            item["geometry"],
            json!({"type": "Point", "coordinates": [1.0, 2.0]})
        );
        assert_eq!(item["id"], "a");
    }

    #[test]
    fn full_item_stays() {
        let base = BaseItem::of_collection(&object(json!({"id": "c", "item_assets": {"red": {}}})));
        let full = object(json!({"type": "Feature", "id": "a", "assets": {}}));
        assert_eq!(base.hydrate(full.clone()).expect("an item"), full);
    }
}
