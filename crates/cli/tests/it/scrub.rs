//! `swath scrub`: what is gone, cut off, changed, left over.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::backup::{files, flip, populated};
use crate::program::{Outcome, Place};

fn asset(place: &Place, id: &str) -> PathBuf {
    let end = format!("{id}/data.tif");
    let found = files(&place.path("swath-data/archive")).into_iter();
    let mut found = found.filter(|path| path.to_string_lossy().ends_with(&end));
    found.next().expect("an asset")
}

fn report(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).expect("JSON")
}

fn defects(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let defects = report["defects"].as_array().expect("a list").iter();
    defects
        .map(|defect| (text(&defect["item"]), text(&defect["kind"])))
        .collect()
}

#[test]
fn a_sound_archive_is_clean() {
    let place = populated();
    let outcome = place.swath(&["scrub", "--json"]);
    let report = report(&outcome);
    assert_eq!(outcome.code, 0, "{report}");
    assert_eq!(report["items"], 253);
    assert_eq!(
        (&report["elsewhere"], &report["defect_count"]),
        (&json!(250), &json!(0))
    );
    assert_eq!(
        (&report["orphan_count"], &report["unfinished"]),
        (&json!(0), &json!([]))
    );
    // Each raster and, where it is not the file as delivered itself, that file too.
    assert!(report["verified"].as_u64() >= Some(3), "{report}");
    assert_eq!(report["verified"], report["assets"]);
    assert_eq!(report["rasters"], report["assets"]);
}

#[test]
fn removed_truncated_and_flipped_assets_are_found() {
    let place = populated();
    std::fs::remove_file(asset(&place, "a_2021-05-01")).expect("removed");
    let cut = asset(&place, "b_2021-06-01");
    let bytes = std::fs::read(&cut).expect("a raster");
    std::fs::write(&cut, &bytes[..bytes.len() - 9]).expect("written");
    flip(&asset(&place, "c_2021-07-01"));
    let outcome = place.swath(&["scrub", "--json"]);
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("3 assets"), "{}", outcome.stderr);
    let expected = [
        ("c_2021-07-01", "checksum"),
        ("b_2021-06-01", "size"),
        ("a_2021-05-01", "missing"),
    ];
    let expected = expected.map(|(item, kind)| (item.to_owned(), kind.to_owned()));
    assert_eq!(defects(&report(&outcome)), expected);
    // Without digests the flipped bit is not seen, or not as one of the digest.
    let quick = report(&place.swath(&["scrub", "--quick", "--json"]));
    assert!(!defects(&quick).contains(&expected[0]), "{quick}");
    let table = place.swath(&["scrub", "--collection", "mine"]);
    assert_eq!(table.code, 3);
    assert!(
        table.stdout.contains("archive:mine/2021/05/01"),
        "{}",
        table.stdout
    );
    // Another collection has no defects; one that is not there is not found.
    place.swath(&["scrub", "--collection", "secret"]).ok();
    assert_eq!(place.swath(&["scrub", "--collection", "nothing"]).code, 4);
}

#[test]
fn orphans_are_listed_and_only_old_unfinished_files_are_removed() {
    let place = populated();
    place.write("swath-data/archive/mine/2021/05/01/gone/x.tif", "left over");
    let young = "swath-data/archive/mine/2021/05/01/a_2021-05-01/.y.tif.1.0.part";
    let old = "swath-data/archive/mine/2021/05/01/a_2021-05-01/.z.tif.1.0.part";
    place.write(young, "half");
    place.write(old, "half");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(30 * 3_600);
    let file = std::fs::File::options().write(true).open(place.path(old));
    file.and_then(|file| file.set_modified(long_ago))
        .expect("a date");
    let before = files(&place.path("swath-data/archive"));
    let looked = report(&place.swath(&["scrub", "--json"]));
    assert_eq!(
        looked["orphans"],
        json!([{"key": "mine/2021/05/01/gone/x.tif", "size": 9}])
    );
    assert_eq!(looked["unfinished"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        files(&place.path("swath-data/archive")),
        before,
        "nothing is removed unasked"
    );
    let repaired = place.swath(&["scrub", "--repair", "--json"]);
    assert_eq!(repaired.code, 0, "{}", repaired.stderr);
    let left = files(&place.path("swath-data/archive"));
    let expected: Vec<PathBuf> = before
        .into_iter()
        .filter(|path| *path != place.path(old))
        .collect();
    assert_eq!(left, expected);
    let removed = report(&repaired)["unfinished"].clone();
    let removed: Vec<&Value> = removed
        .as_array()
        .expect("a list")
        .iter()
        .map(|file| &file["is_removed"])
        .collect();
    assert_eq!(removed, [&json!(false), &json!(true)]);
}
