//! Sentinel-2 metadata against the items that another project derives from them.
//!
//! Five kinds of differences are known and accounted for:
//! 1. `id`: they name tiles by their own rule, we take the agency's name of the product.
//! 2. probability masks: of a product in SAFE layout they list none, we list those of cloud and snow.
//! 3. B08 at 20 m and 60 m: they list it in the cloud-hosted layout; no product of Level-2A has it.
//! 4. B01 at 20 m: in the cloud-hosted layout they never list it; we do where the metadata name it.
//! 5. orbit of the cloud-hosted layout: they give none, we read it in the name of the product.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use geo::{Area, BooleanOps, LineString, MultiPolygon, Polygon};
use serde_json::Value;
use swath_archive::{PlacedAsset, Product, item};

use crate::key_map::theirs;
use crate::place;

/// Smallest share of the union that the intersection of the two outlines makes up.
const IOU_MIN: f64 = 0.999;

fn cases() -> Vec<(String, std::path::PathBuf, Value)> {
    let Some(root) = place::shared("sentinel2/metadata-with-expected-stac") else {
        return Vec::new();
    };
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(root).expect("a folder") {
        let path = entry.expect("an entry").path();
        let answer = path.join("expected_output.json");
        if answer.is_file() {
            let name = path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            cases.push((name, path.clone(), place::json(&answer)));
        }
    }
    cases.sort_by(|one, two| one.0.cmp(&two.0));
    assert_eq!(cases.len(), 9, "the products with an independent item");
    cases
}

/// Returns the item with all assets that the product should have.
fn full_item(path: &Path) -> (Product, Value) {
    let mut products = place::products(path).expect("a product");
    assert_eq!(products.len(), 1);
    let product = products.remove(0);
    let placed: BTreeMap<String, PlacedAsset> = product
        .assets
        .iter()
        .map(|(key, asset)| {
            let place = PlacedAsset {
                href: asset.member.clone(),
                media_type: asset.media_type.to_owned(),
                ..PlacedAsset::default()
            };
            (key.clone(), place)
        })
        .collect();
    let item = item(&product, product.collection.expect("a collection"), &placed);
    (product, Value::Object(item))
}

fn polygons(geometry: &Value) -> MultiPolygon<f64> {
    let ring = |ring: &Value| -> LineString<f64> {
        let positions: Vec<[f64; 2]> = serde_json::from_value(ring.clone()).expect("positions");
        positions.into_iter().map(|[x, y]| (x, y)).collect()
    };
    let polygon = |rings: &Value| {
        let rings: Vec<_> = rings.as_array().expect("rings").iter().map(ring).collect();
        Polygon::new(rings[0].clone(), rings[1..].to_vec())
    };
    match geometry["type"].as_str() {
        Some("Polygon") => MultiPolygon(vec![polygon(&geometry["coordinates"])]),
        _ => geometry["coordinates"]
            .as_array()
            .expect("parts")
            .iter()
            .map(polygon)
            .collect(),
    }
}

#[test]
fn outlines_agree() {
    for (name, path, expected) in cases() {
        let (_, item) = full_item(&path);
        let (ours, known) = (polygons(&item["geometry"]), polygons(&expected["geometry"]));
        let shared = ours.intersection(&known).unsigned_area();
        let iou = shared / (ours.unsigned_area() + known.unsigned_area() - shared);
        assert!(iou >= IOU_MIN, "{name}: {iou}");
        let crosses = item["bbox"][0].as_f64() > item["bbox"][2].as_f64();
        assert_eq!(
            crosses,
            expected["bbox"][0].as_f64() > expected["bbox"][2].as_f64(),
            "{name}"
        );
        for index in 0..4 {
            let pair =
                [&item, &expected].map(|item| item["bbox"][index].as_f64().expect("a number"));
            assert!((pair[0] - pair[1]).abs() < 0.01, "{name}: {pair:?}");
        }
    }
}

#[test]
fn properties_agree() {
    for (name, path, expected) in cases() {
        let (product, item) = full_item(&path);
        let (ours, known) = (&item["properties"], &expected["properties"]);
        let start = known["datetime"].as_str().expect("a datetime");
        let start: chrono::DateTime<chrono::Utc> = start.parse().expect("a datetime");
        assert_eq!(
            product.datetime.timestamp_millis(),
            start.timestamp_millis(),
            "{name}"
        );
        let cloud = |properties: &Value| properties["eo:cloud_cover"].as_f64().expect("a share");
        assert!((cloud(ours) - cloud(known)).abs() < 1e-6, "{name}");
        let code = known["proj:code"].as_str().map(str::to_owned);
        let code = code.unwrap_or_else(|| format!("EPSG:{}", known["proj:epsg"]));
        assert_eq!(ours["proj:code"], Value::from(code), "{name}");
        for key in [
            "platform",
            "constellation",
            "instruments",
            "grid:code",
            "view:sun_azimuth",
        ] {
            assert_eq!(ours[key], known[key], "{name}: {key}");
        }
        let elevation = |properties: &Value| properties["view:sun_elevation"].as_f64();
        let difference = elevation(ours).expect("ours") - elevation(known).expect("theirs");
        assert!(difference.abs() < 1e-9, "{name}");
        for key in [
            "sat:orbit_state",
            "sat:relative_orbit",
            "s2:tile_id",
            "s2:product_uri",
        ] {
            // Difference 5.
            let is_told = !known[key].is_null();
            assert!(
                !is_told || ours[key] == known[key],
                "{name}: {key} {}",
                ours[key]
            );
        }
    }
}

#[test]
fn assets_agree() {
    for (name, path, expected) in cases() {
        let (product, item) = full_item(&path);
        let known = expected["assets"].as_object().expect("assets");
        let is_cloud_layout = product.assets.contains_key("tileinfo_metadata");
        let mut ours: BTreeMap<String, &Value> = BTreeMap::new();
        for (key, asset) in item["assets"].as_object().expect("assets") {
            let their_key =
                theirs(key).unwrap_or_else(|| panic!("{name}: {key} is not in the map"));
            let is_mask = matches!(&key[..3], "CLD" | "SNW");
            // Differences 2 and 4.
            let is_ours_alone =
                (is_mask && !is_cloud_layout) || (key == "B01_20m" && is_cloud_layout);
            if !is_ours_alone {
                ours.insert(their_key, asset);
            }
        }
        // Difference 3.
        let is_theirs_alone = |key: &str| is_cloud_layout && matches!(key, "nir_20m" | "nir_60m");
        let keys: BTreeSet<&str> = known
            .keys()
            .map(String::as_str)
            .filter(|key| !is_theirs_alone(key))
            .collect();
        assert_eq!(
            ours.keys().map(String::as_str).collect::<BTreeSet<_>>(),
            keys,
            "{name}"
        );
        for (key, asset) in &ours {
            compare_asset(&name, key, asset, &known[key]);
        }
    }
}

fn compare_asset(name: &str, key: &str, ours: &Value, known: &Value) {
    for field in ["proj:shape", "proj:transform", "proj:bbox"] {
        let numbers =
            |value: &Value| -> Option<Vec<f64>> { serde_json::from_value(value.clone()).ok() };
        // They give no grid for the masks.
        if !known[field].is_null() {
            assert_eq!(
                numbers(&ours[field]),
                numbers(&known[field]),
                "{name}: {key} {field}"
            );
        }
    }
    let known_band = &known["raster:bands"][0];
    for (field, theirs) in [
        ("raster:scale", "scale"),
        ("raster:offset", "offset"),
        ("nodata", "nodata"),
    ] {
        if let (Some(ours), Some(known)) = (ours[field].as_f64(), known_band[theirs].as_f64()) {
            assert!(
                (ours - known).abs() < 1e-12,
                "{name}: {key} {field} {ours} {known}"
            );
        }
    }
    let file = |href: &Value| {
        href.as_str().and_then(|href| {
            href.trim_start_matches("./")
                .rsplit('/')
                .next()
                .map(str::to_owned)
        })
    };
    assert_eq!(file(&ours["href"]), file(&known["href"]), "{name}: {key}");
}

#[test]
fn a_tile_without_data_is_refused_with_a_reason() {
    let Some(root) = place::shared("sentinel2/metadata-with-expected-stac") else {
        return;
    };
    let path = root.join("S2B_OPER_MSI_L2A_DS_VGS1_20201101T095401_S20201101T074429-no-data");
    let error = place::products(&path).expect_err("nothing to ingest");
    assert!(
        error.to_string().contains("none of the tile holds data"),
        "{error}"
    );
}
