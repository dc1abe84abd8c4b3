//! `swath extract`: from the catalogue as from files.

use serde_json::{Value, json};

use crate::program::Place;

/// Folder of the simulated Sentinel-2 items.
const ITEMS: &str = "land/scenes/sentinel-2-l2a";

/// Returns a folder with a small landscape, its Sentinel-2 items registered in the home `swath-data`.
fn registered() -> Place {
    let place = Place::new();
    let simulate = [
        "simulate",
        "--out",
        "land",
        "--parcels",
        "12",
        "--seed",
        "3",
    ];
    place.swath(&simulate).ok();
    let collection = format!("{ITEMS}/collection.json");
    let import = ["items", "import", ITEMS, "--collection", "sentinel-2-l2a"];
    let outcome = place.swath(&[&import[..], &["--collection-file", collection.as_str()]].concat());
    outcome.ok();
    assert!(
        outcome.stderr.starts_with("49 items registered"),
        "{}",
        outcome.stderr
    );
    place
}

/// Runs an extraction over the parcels of the landscape and returns its output.
fn extract(place: &Place, images: &[&str], output: &str) -> Vec<u8> {
    let rest = [
        "--parcels",
        "land/parcels.parquet",
        "--bands",
        "B04,B08",
        "--mask-scl",
        "-o",
        output,
    ];
    place.swath(&[&["extract"], images, &rest].concat()).ok();
    std::fs::read(place.path(output)).expect("the output")
}

#[test]
fn a_collection_gives_the_rows_of_its_item_files() {
    let place = registered();
    let of_files = extract(&place, &["--items", ITEMS], "files.parquet");
    let of_catalogue = extract(
        &place,
        &["--collection", "sentinel-2-l2a"],
        "catalogue.parquet",
    );
    assert!(of_files.len() > 10_000 && of_files == of_catalogue);

    let time = ["--datetime", "2021-05-01T00:00:00Z/2021-07-01T00:00:00Z"];
    let of_files = extract(
        &place,
        &[&["--items", ITEMS], &time[..]].concat(),
        "files.csv",
    );
    let of_catalogue = [&["--collection", "sentinel-2-l2a"], &time[..]].concat();
    assert_eq!(of_files, extract(&place, &of_catalogue, "catalogue.csv"));
}

#[test]
fn items_of_a_collection_are_chosen_as_a_search_does() {
    let place = registered();
    let filter = "eo:cloud_cover < 20";
    let search = [
        "search",
        "--collection",
        "sentinel-2-l2a",
        "--filter",
        filter,
        "--limit",
        "99",
        "--json",
    ];
    let found: Value = serde_json::from_str(place.swath(&search).ok()).expect("JSON");
    let mut ids: Vec<&str> = found["features"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|item| item["id"].as_str())
        .collect();
    ids.sort_unstable();
    assert!(!ids.is_empty() && ids.len() < 49);
    let images = ["--collection", "sentinel-2-l2a", "--filter", filter];
    let table = String::from_utf8(extract(&place, &images, "clear.csv")).expect("text");
    let mut measured: Vec<&str> = table
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    measured.sort_unstable();
    measured.dedup();
    assert_eq!(measured, ids);

    let nowhere = [
        "extract",
        "--collection",
        "sentinel-2-l2a",
        "--bbox",
        "0,0,1,1",
    ];
    let rest = ["--parcels", "land/parcels.parquet", "-o", "none.csv"];
    let outcome = place.swath(&[&nowhere[..], &rest].concat());
    assert_eq!(outcome.code, 4, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("--bbox"), "{}", outcome.stderr);
    assert!(!place.path("none.csv").exists());
}

#[test]
fn an_item_outside_of_its_collection_is_skipped_by_name() {
    let place = registered();
    let id = "S2A_elsewhere";
    let item = json!({"type": "Feature", "stac_version": "1.1.0", "id": id, "geometry": null,
        "properties": {"datetime": "2021-06-01T10:00:00Z"}, "links": [],
        "assets": {"B04": {"href": place.path("other/B04.tif"), "type": "image/tiff; application=geotiff"}}});
    place.write("foreign.ndjson", format!("{item}\n"));
    let import = [
        "items",
        "import",
        "foreign.ndjson",
        "--collection",
        "sentinel-2-l2a",
    ];
    place.swath(&import).ok();
    let args = [
        "extract",
        "--collection",
        "sentinel-2-l2a",
        "--parcels",
        "land/parcels.parquet",
        "-o",
        "out.csv",
        "--json",
    ];
    let outcome = place.swath(&args);
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    let report: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(report["measured"], 49);
    assert_eq!(report["skipped"][0]["name"], id);
    let reason = report["skipped"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("access denied"), "{reason}");
}

#[test]
fn images_come_from_one_place() {
    let place = Place::new();
    let rest = ["--parcels", "p.gpkg", "-o", "x.csv"];
    for images in [
        &[][..],
        &["--items", "a", "--collection", "b"],
        &["--items", "a", "--filter", "eo:cloud_cover < 20"],
        &["--bbox", "0,0,1,1"],
    ] {
        let outcome = place.swath(&[&["extract"], images, &rest].concat());
        assert_eq!(outcome.code, 2, "{images:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("--collection") || outcome.stderr.contains("--items"));
    }
    let unknown = ["extract", "--collection", "nowhere"];
    let outcome = place.swath(&[&unknown[..], &rest].concat());
    assert_eq!(outcome.code, 4, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("nowhere"), "{}", outcome.stderr);
}
