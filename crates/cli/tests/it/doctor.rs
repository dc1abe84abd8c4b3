//! `swath doctor` on a home in order and on broken ones.

use serde_json::Value;

use crate::backup::populated;
use crate::program::{Outcome, Place};

/// Returns status, text and remedy of a check.
fn check(outcome: &Outcome, name: &str) -> (String, String, Option<String>) {
    let report: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let checks = report["checks"].as_array().expect("a list");
    let found = checks.iter().find(|check| check["check"] == name);
    let found = found.unwrap_or_else(|| panic!("{name}: {report}"));
    let text = |key: &str| found[key].as_str().map(str::to_owned);
    (
        text("status").expect("a status"),
        text("text").expect("a text"),
        text("remedy"),
    )
}

/// Runs the doctor on a broken home: the exit code, an error of that name that says so, and a remedy.
fn broken(place: &Place, args: &[&str], code: i32, name: &str, part: &str) {
    let outcome = place.swath(&[args, &["doctor", "--json"]].concat());
    assert_eq!(outcome.code, code, "{}{}", outcome.stdout, outcome.stderr);
    let (status, text, remedy) = check(&outcome, name);
    assert_eq!(status, "error", "{text}");
    assert!(text.contains(part), "{text}");
    assert!(remedy.is_some());
}

#[test]
fn a_home_in_order_has_no_errors() {
    let place = populated();
    let outcome = place.swath(&["doctor", "--json"]);
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    for name in [
        "configuration",
        "data home",
        "catalogue",
        "database",
        "integrity",
        "places of assets",
        "store archive",
        "archive writing",
        "tokens",
    ] {
        // The prefix of the private collection is for the command line only.
        let expected = if name == "places of assets" {
            "warning"
        } else {
            "ok"
        };
        assert_eq!(check(&outcome, name).0, expected, "{name}");
    }
    for name in ["free space", "open files", "memory", "clock"] {
        assert_ne!(check(&outcome, name).0, "error", "{name}");
    }
    let (_, text, _) = check(&outcome, "catalogue");
    assert!(text.contains("253 items, migration "), "{text}");
    // Nothing is left behind.
    let archive = std::fs::read_dir(place.path("swath-data/archive")).expect("a folder");
    let names: Vec<_> = archive
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names, ["mine"]);
    let text = place.swath(&["doctor"]);
    assert!(
        text.ok().contains("ok      configuration"),
        "{}",
        text.stdout
    );
}

#[test]
fn a_home_that_is_not_there_yet_is_fine() {
    let place = Place::new();
    place.swath(&["doctor"]).ok();
    assert!(
        !place.path("swath-data").exists(),
        "the doctor makes nothing"
    );
}

#[test]
fn a_home_that_cannot_be_written_is_an_error() {
    let place = Place::new();
    place.write("file", "this is no folder");
    broken(
        &place,
        &["--home", "file"],
        5,
        "data home",
        "cannot be written",
    );
    broken(
        &place,
        &["--home", "file/home"],
        5,
        "data home",
        "cannot be made",
    );
}

#[test]
fn a_damaged_catalogue_is_an_error() {
    let place = populated();
    // Closing the catalogue brings all of it into the one file.
    place.swath(&["doctor"]).ok();
    let path = place.path("swath-data/catalog.sqlite");
    let whole = std::fs::read(&path).expect("a catalogue");
    assert!(whole.len() > 100_000, "{} bytes", whole.len());
    let put = |bytes: &[u8]| {
        for side in ["catalog.sqlite-wal", "catalog.sqlite-shm"] {
            // There are none where the catalogue was closed.
            let _ = std::fs::remove_file(place.path(&format!("swath-data/{side}")));
        }
        std::fs::write(&path, bytes).expect("written");
    };
    // Pages behind those of the schema.
    let mut bytes = whole.clone();
    let half = bytes.len() / 2;
    bytes[half..].fill(0x5a);
    put(&bytes);
    let outcome = place.swath(&["doctor", "--json"]);
    assert_eq!(outcome.code, 5, "{}", outcome.stdout);
    let report: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let checks = report["checks"].as_array().expect("a list").iter();
    let wrong: Vec<&str> = checks
        .filter(|check| check["status"] == "error")
        .filter_map(|check| check["check"].as_str())
        .collect();
    assert!(
        wrong.contains(&"integrity") || wrong.contains(&"catalogue"),
        "{report}"
    );
    put(&b"this is no database ".repeat(400));
    broken(&place, &[], 5, "catalogue", "catalog.sqlite");
    put(&whole);
    place.swath(&["doctor"]).ok();
}

#[test]
fn stores_that_are_not_there_are_errors() {
    let place = populated();
    let config = "[stores.scenes]\nprefix = \"/nowhere/scenes\"\n\
                  [stores.old]\nprefix = \"ftp://host/scenes\"\n\
                  [stores.far]\nprefix = \"s3://bucket/x\"\nendpoint = \"http://127.0.0.1:1\"\nanonymous = true\n";
    place.write("swath-data/swath.toml", config);
    broken(&place, &[], 5, "store scenes", "/nowhere/scenes");
    broken(&place, &[], 5, "store old", "ftp://host/scenes");
    broken(&place, &[], 5, "store far", "s3://bucket/x");
}

#[test]
fn a_collection_whose_store_is_unknown_is_an_error() {
    let place = populated();
    place.write(
        "cold.json",
        r#"{"type": "Collection", "id": "cold", "description": "d", "license": "other",
            "swath:prefixes": ["glacier:deep"]}"#,
    );
    place.swath(&["collections", "add", "cold.json"]).ok();
    broken(&place, &[], 5, "places of assets", "glacier:deep of cold");
}

#[test]
fn a_configuration_that_cannot_be_read_is_wrong_usage() {
    let place = populated();
    place.write(
        "swath-data/swath.toml",
        "[stores.a]\nprefixx = \"s3://b\"\n",
    );
    broken(&place, &[], 2, "configuration", "prefixx");
}

#[test]
fn tokens_that_cannot_be_read_are_an_error() {
    let place = populated();
    place.write("swath-data/tokens.json", "{");
    broken(&place, &[], 5, "tokens", "tokens.json");
}
