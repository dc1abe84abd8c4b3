//! Items in and out: real files of other programs, and back.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use swath_access::Viewer;
use swath_catalog::exchange::{BaseItem, ItemTable, read_geoparquet, read_ndjson};
use swath_catalog::{Catalog, PutMode};
use swath_grid::Bbox;
use swath_stac::ItemSearch;

use crate::backend::on_both;
use crate::sample::{item, object, put_collection};

/// Returns the folder of recorded catalogue data, `None` where it is absent.
fn recorded() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var_os("SWATH_SHARED").map_or(beside, PathBuf::from);
    let folder = root.join("data").join("catalogue");
    if !folder.is_dir() {
        println!(
            "skipped: no recorded catalogue data at {}",
            folder.display()
        );
        return None;
    }
    Some(folder)
}

fn read_json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a file");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

async fn put(catalog: &Catalog, collection: &str, items: &[Map<String, Value>]) {
    put_collection(catalog, collection).await;
    let put = catalog
        .put_items(&Viewer::operator(), collection, items, PutMode::Upsert)
        .await;
    put.unwrap_or_else(|error| panic!("{collection}: {error}"));
}

#[test]
fn geoparquet_of_others_is_read() {
    let Some(folder) = recorded() else { return };
    let file =
        File::open(folder.join("rustac-items/1000-sentinel-2-items.parquet")).expect("a file");
    let mut items: Vec<_> = read_geoparquet(file)
        .expect("a table")
        .map(|item| item.expect("an item"))
        .collect();
    assert_eq!(items.len(), 1000);
    for item in &mut items {
        item.insert("collection".into(), "s2".into());
        assert!(item["properties"]["datetime"].is_string(), "{}", item["id"]);
        assert!(
            item["assets"]
                .as_object()
                .is_some_and(|assets| assets.len() > 5)
        );
        assert_eq!(item["bbox"].as_array().map(Vec::len), Some(4));
    }
    on_both(async |catalog| {
        put(catalog, "s2", &items).await;
        let first = &items[0];
        let edge = |index: usize| first["bbox"][index].as_f64().expect("a number");
        let bbox = Some(Bbox {
            west: edge(0),
            south: edge(1),
            east: edge(2),
            north: edge(3),
        });
        let ids = vec![first["id"].as_str().expect("an id").to_owned()];
        let search = ItemSearch {
            bbox,
            ids,
            ..Default::default()
        };
        assert_eq!(
            catalog
                .count(&Viewer::anonymous(), &search)
                .await
                .expect("a count"),
            1
        );
        assert_eq!(
            catalog
                .count(&Viewer::anonymous(), &ItemSearch::default())
                .await
                .expect("a count"),
            1000
        );
        let stored = catalog
            .collection(&Viewer::anonymous(), "s2")
            .await
            .expect("there");
        assert!(stored.json["summaries"]["platform"].is_array());
    });
}

/// Drops what a table cannot tell from absence: nulls, and empty objects and lists in them.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields
                .iter()
                .map(|(name, value)| (name.clone(), without_nulls(value)));
            kept.filter(|(_, value)| !value.is_null() && *value != json!({}) && *value != json!([]))
                .collect()
        }
        Value::Array(values) => values.iter().map(without_nulls).collect(),
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

fn through_a_table(items: &[Map<String, Value>]) -> Vec<Map<String, Value>> {
    let mut table = ItemTable::new();
    for part in items.chunks(100) {
        table.learn(part).expect("columns");
    }
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let mut writer = table.write_to(file.as_file_mut()).expect("a table");
    for part in items.chunks(100) {
        writer.write(part).expect("rows");
    }
    writer.finish().expect("a file");
    let reopened = file.reopen().expect("the file");
    read_geoparquet(reopened)
        .expect("a table")
        .map(|item| item.expect("an item"))
        .collect()
}

#[test]
fn items_come_back_from_our_own_table() {
    let Some(folder) = recorded() else { return };
    let file =
        File::open(folder.join("rustac-items/1000-sentinel-2-items.parquet")).expect("a file");
    let mut items: Vec<_> = read_geoparquet(file)
        .expect("a table")
        .map(|item| item.expect("an item"))
        .collect();
    items.truncate(300);
    let back = through_a_table(&items);
    assert_eq!(back.len(), items.len());
    for (item, back) in items.iter().zip(&back) {
        let (item, back) = (
            without_nulls(&Value::Object(item.clone())),
            without_nulls(&Value::Object(back.clone())),
        );
        assert_eq!(item, back);
    }
}

#[test]
fn properties_of_mixed_kinds_make_no_column() {
    let with = |value: Value| {
        let mut item = item("a", "2020-01-01T00:00:00Z", 0.0, 0.0);
        item.insert(
            "properties".into(),
            json!({"datetime": "2020-01-01T00:00:00Z", "x:odd": value}),
        );
        item
    };
    let mut table = ItemTable::new();
    table.learn(&[with(json!({"a": 1}))]).expect("an object");
    let error = table
        .learn(&[with(json!("text"))])
        .expect_err("an object here, a text there");
    assert!(error.to_string().contains("x:odd"), "{error}");
}

#[test]
fn dumps_of_pgstac_are_read() {
    let Some(folder) = recorded() else { return };
    let folder = folder.join("pgstac");
    let collection = object(read_json(
        &folder.join("hydration/collections/landsat-c2-l1.json"),
    ));
    let name = "landsat-c2-l1/LM04_L1GS_001001_19830527_02_T2.json";
    let dumped = object(read_json(
        &folder.join("hydration/dehydrated-items").join(name),
    ));
    let mut full = object(read_json(&folder.join("hydration/raw-items").join(name)));
    let mut item = BaseItem::of_collection(&collection)
        .hydrate(dumped)
        .expect("an item");
    // The dump has its own links and a bbox or not; what is shared is what counts.
    for name in ["links", "bbox", "stac_extensions", "collection"] {
        item.shift_remove(name);
        full.shift_remove(name);
    }
    let sorted = |item: &Map<String, Value>| {
        serde_json::to_value(item.iter().collect::<std::collections::BTreeMap<_, _>>())
            .expect("JSON")
    };
    assert_eq!(sorted(&item), sorted(&full));

    let lines = BufReader::new(File::open(folder.join("items.ndjson")).expect("a file"));
    let mut items: Vec<_> = read_ndjson(lines)
        .map(|item| item.expect("an item"))
        .collect();
    assert_eq!(items.len(), 100);
    for item in &mut items {
        item.insert("collection".into(), "naip".into());
    }
    on_both(async |catalog| {
        put(catalog, "naip", &items).await;
        assert_eq!(
            catalog
                .count(&Viewer::anonymous(), &ItemSearch::default())
                .await
                .expect("a count"),
            100
        );
    });
}

/// Files that hold no STAC items although they look like it, each with its reason.
const NO_ITEMS: &[(&str, &str)] = &[
    ("badGeometryItem.json", "its polygon is none, on purpose"),
    ("mapping-item1.json", "its end is before its start"),
    ("mapping-item2.json", "its end is before its start"),
];

#[test]
fn recorded_answers_of_providers_register_as_items() {
    let Some(folder) = recorded() else { return };
    let mut items = Vec::new();
    let mut folders = vec![folder];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if (name.ends_with(".json") || name.ends_with(".geojson"))
                && !NO_ITEMS.iter().any(|(known, _)| *known == name)
            {
                items.extend(items_of(&path, read_json(&path)));
            }
        }
    }
    assert_eq!(items.len(), 79);
    on_both(async |catalog| {
        put_collection(catalog, "recorded").await;
        for (path, item) in &items {
            let mut item = item.clone();
            item.insert("collection".into(), "recorded".into());
            let put = catalog
                .put_items(&Viewer::operator(), "recorded", &[item], PutMode::Upsert)
                .await;
            put.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    });
}

/// Returns the STAC items of a file: itself, or its features.
fn items_of(path: &Path, value: Value) -> Vec<(PathBuf, Map<String, Value>)> {
    let features = match value.get("features") {
        Some(Value::Array(features)) => features.clone(),
        _ => vec![value],
    };
    let is_item = |value: &Value| value["type"] == "Feature" && value["stac_version"].is_string();
    features
        .into_iter()
        .filter(is_item)
        .map(|value| (path.to_owned(), object(value)))
        .collect()
}
