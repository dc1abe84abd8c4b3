//! `swath backup` and `swath restore` end to end: the same answers elsewhere, nothing half.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use swath_testkit::fixtures::tiff;

use crate::program::Place;

/// How often the program is killed.
const KILLS: u64 = 6;

/// Returns a home with rasters in its archive, items that lie elsewhere, a private collection, a token
/// and a configuration.
pub fn populated() -> Place {
    let place = Place::new();
    for (index, name) in ["a_2021-05-01", "b_2021-06-01", "c_2021-07-01"]
        .iter()
        .enumerate()
    {
        let values: Vec<u16> = (0..64 * 48).map(|value| value + index as u16).collect();
        std::fs::create_dir_all(place.path("rasters")).expect("a folder");
        tiff(64, 48)
            .samples(1, &values)
            .epsg(32632)
            .georeference(600_000.0 + 1_000.0 * index as f64, 6_100_000.0, 10.0)
            .write(place.path(&format!("rasters/{name}.tif")));
    }
    place
        .swath(&["ingest", "rasters", "--collection", "mine"])
        .ok();
    let secret = json!({"type": "Collection", "id": "secret", "description": "d", "license": "other",
        "swath:visibility": "private", "swath:owner": "ada", "swath:prefixes": ["s3://elsewhere/secret"]});
    place.write("secret.json", secret.to_string());
    let lines: String = (0..250)
        .map(|index| {
            let day = 1 + index % 28;
            let west = 9.123_456_789_012_345 + f64::from(index) / 7.0;
            let item = json!({"type": "Feature", "stac_version": "1.1.0", "id": format!("far-{index:03}"),
                "geometry": {"type": "Point", "coordinates": [west, 50.1]}, "bbox": [west, 50.1, west, 50.1],
                "properties": {"datetime": format!("2020-06-{day:02}T10:00:00.024Z"), "eo:cloud_cover": index % 100,
                    "platform": "sentinel-2a"},
                "links": [], "assets": {"B04": {"href": format!("s3://elsewhere/secret/{index}.tif")}}});
            format!("{item}\n")
        })
        .collect();
    place.write("far.ndjson", lines);
    let args = [
        "items",
        "import",
        "far.ndjson",
        "--collection",
        "secret",
        "--collection-file",
        "secret.json",
    ];
    place.swath(&args).ok();
    place
        .swath(&["token", "create", "--name", "ada", "--days", "9"])
        .ok();
    place.write("swath-data/swath.toml", "[server]\nport = 8181\n");
    place
}

/// Returns what a home answers to questions of all kinds.
fn answers(place: &Place, home: &str) -> Vec<String> {
    let questions: [&[&str]; 6] = [
        &["collections", "--json"],
        &["search", "--limit", "1000", "--json"],
        &[
            "search",
            "--collection",
            "secret",
            "--bbox",
            "10,49,20,51",
            "--json",
        ],
        &[
            "search",
            "--filter",
            "eo:cloud_cover < 50",
            "--sortby",
            "eo:cloud_cover",
            "--limit",
            "20",
            "--json",
        ],
        &["items", "mine", "--json"],
        &["token", "list", "--json"],
    ];
    let answer = |question: &[&str]| {
        let outcome = place.swath(&[&["--home", home], question].concat());
        outcome.ok().to_owned()
    };
    questions.into_iter().map(answer).collect()
}

/// Returns the files below a folder, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

/// Returns the one file below a folder whose path ends like that.
fn file(folder: &Path, end: &str) -> PathBuf {
    let mut found = files(folder);
    found.retain(|path| path.to_string_lossy().ends_with(end));
    assert_eq!(found.len(), 1, "{end}: {found:?}");
    found.remove(0)
}

/// Turns one bit of a file over, in its middle.
pub fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).expect("written");
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_restored_home_answers_byte_for_byte_alike() {
    let place = populated();
    let before = answers(&place, "swath-data");
    let report = parsed(place.swath(&["backup", "kept", "--assets", "--json"]).ok());
    assert_eq!(
        (&report["collections"], &report["items"]),
        (&json!(13), &json!(253))
    );
    assert_eq!(report["copied"], report["archive"]["objects"]);
    let archive = files(&place.path("swath-data/archive"));
    assert_eq!(report["copied"], json!(archive.len()));

    place.swath(&["--home", "other", "restore", "kept"]).ok();
    assert_eq!(answers(&place, "other"), before);
    for name in ["swath.toml", "tokens.json"] {
        let read = |home: &str| std::fs::read(place.path(&format!("{home}/{name}"))).expect(name);
        assert_eq!(read("other"), read("swath-data"), "{name}");
    }
    for path in &archive {
        let key = path
            .strip_prefix(place.path("swath-data/archive"))
            .expect("below");
        let copy = place.path("other/archive").join(key);
        assert!(std::fs::read(copy).expect("restored") == std::fs::read(path).expect("there"));
    }
    place.swath(&["--home", "other", "scrub"]).ok();

    // Again: nothing is copied twice, what only the first one needed goes.
    let again = parsed(place.swath(&["backup", "kept", "--assets", "--json"]).ok());
    assert_eq!(again["copied"], 0, "{again}");
    let files_count = again["files"].as_array().map(Vec::len);
    assert_eq!(again["removed"], json!(files_count));
    place.swath(&["restore", "kept", "--check"]).ok();
    let without = place.swath(&["backup", "kept"]);
    assert_eq!(without.code, 2, "{}", without.stderr);
    assert!(without.stderr.contains("--assets"), "{}", without.stderr);
}

#[test]
fn a_changed_object_gets_a_new_name_and_the_old_backup_stays_whole() {
    let place = populated();
    place.swath(&["backup", "kept", "--assets"]).ok();
    let object = file(
        &place.path("swath-data/archive/mine"),
        "a_2021-05-01/data.tif",
    );
    let mut bytes = std::fs::read(&object).expect("a raster");
    bytes.extend_from_slice(b"longer");
    std::fs::write(&object, &bytes).expect("written");
    let report = parsed(place.swath(&["backup", "kept", "--assets", "--json"]).ok());
    assert_eq!(report["copied"], 1, "{report}");
    place.swath(&["--home", "other", "restore", "kept"]).ok();
    let restored = file(&place.path("other/archive/mine"), "a_2021-05-01/data.tif");
    assert!(std::fs::read(restored).expect("restored") == bytes);
}

#[test]
fn what_is_damaged_is_named_and_refused() {
    let place = populated();
    place.swath(&["backup", "kept", "--assets"]).ok();
    let kept = place.path("kept");
    for end in [
        "/items.ndjson",
        "/collections.ndjson",
        "/objects.ndjson",
        "/tokens.json",
        "b_2021-06-01/data.tif",
    ] {
        let path = file(&kept, end);
        flip(&path);
        let home = format!("home-{}", end.replace(['/', '.'], "-"));
        let outcome = place.swath(&["--home", &home, "restore", "kept"]);
        assert_eq!(outcome.code, 3, "{end}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(end), "{end}: {}", outcome.stderr);
        let held = parsed(place.swath(&["--home", &home, "search", "--json"]).ok());
        assert_eq!(held["features"], json!([]), "{end}");
        let checked = place.swath(&["restore", "kept", "--check"]);
        assert_eq!(checked.code, 3, "{end}");
        flip(&path);
    }
    place.swath(&["restore", "kept", "--check"]).ok();
    std::fs::remove_file(file(&kept, "b_2021-06-01/data.tif")).expect("removed");
    let outcome = place.swath(&["--home", "other", "restore", "kept"]);
    assert_eq!(outcome.code, 3);
    assert!(outcome.stderr.contains("missing"), "{}", outcome.stderr);
}

#[test]
fn what_is_not_whole_or_newer_is_refused() {
    let place = populated();
    place.swath(&["backup", "kept"]).ok();
    let manifest = place.path("kept/swath-backup.json");
    let text = std::fs::read_to_string(&manifest).expect("a manifest");
    for (changed, code, part) in [
        (
            text.replace("\"items\": 253", "\"items\": 252"),
            3,
            "damaged",
        ),
        (text[..text.len() / 2].to_owned(), 3, "damaged"),
        (
            text.replace("\"format\": 2", "\"format\": 3"),
            2,
            "newer program",
        ),
    ] {
        assert_ne!(changed, text);
        std::fs::write(&manifest, changed).expect("written");
        let outcome = place.swath(&["--home", "other", "restore", "kept"]);
        assert_eq!(outcome.code, code, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
    }
    // As after a cut: everything but the manifest.
    std::fs::remove_file(&manifest).expect("removed");
    let outcome = place.swath(&["--home", "other", "restore", "kept"]);
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("cut off"), "{}", outcome.stderr);
    assert_eq!(place.swath(&["restore", "nowhere"]).code, 3);
    assert_eq!(place.swath(&["--home", "empty", "backup", "x"]).code, 2);
    assert_eq!(place.swath(&["backup", "swath-data/archive/x"]).code, 2);
}

#[test]
fn a_catalogue_that_is_not_empty_is_merged_or_replaced_by_name_only() {
    let place = populated();
    place.swath(&["backup", "kept"]).ok();
    let before = answers(&place, "swath-data");
    let refused = place.swath(&["restore", "kept"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("--merge"), "{}", refused.stderr);
    let merged = parsed(place.swath(&["restore", "kept", "--merge", "--json"]).ok());
    assert_eq!(
        (&merged["items"], &merged["items_kept"]),
        (&json!(0), &json!(253))
    );
    assert_eq!(answers(&place, "swath-data"), before);

    // Another home with one item of its own: merged, both are there; replaced, it is gone.
    let own = json!({"type": "Feature", "id": "own", "geometry": null,
        "properties": {"datetime": "2019-01-01T00:00:00Z"}, "links": [], "assets": {}});
    place.write("own.ndjson", own.to_string());
    let add = |home: &str| {
        let args = [
            "--home",
            home,
            "items",
            "import",
            "own.ndjson",
            "--collection",
            "sentinel-3",
        ];
        place.swath(&args).ok();
    };
    for (home, flag, count) in [("m", "--merge", 254), ("r", "--replace", 253)] {
        add(home);
        place.swath(&["--home", home, "restore", "kept", flag]).ok();
        let search = ["--home", home, "search", "--limit", "1000", "--json"];
        let held = parsed(place.swath(&search).ok());
        assert_eq!(
            held["features"].as_array().map(Vec::len),
            Some(count),
            "{flag}"
        );
    }
    let replaced: Vec<String> = answers(&place, "r");
    assert_eq!(replaced[..5], before[..5]);
    // A collection of the same name that others may see is not filled with what is private.
    let public =
        json!({"type": "Collection", "id": "secret", "description": "d", "license": "other"});
    place.write("public.json", public.to_string());
    place
        .swath(&["--home", "p", "collections", "add", "public.json"])
        .ok();
    let refused = place.swath(&["--home", "p", "restore", "kept", "--merge"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("visibility"), "{}", refused.stderr);
}

#[test]
fn assets_move_to_another_archive() {
    let place = populated();
    place.swath(&["backup", "kept", "--assets"]).ok();
    let args = [
        "--home",
        "other",
        "restore",
        "kept",
        "--archive",
        "elsewhere",
    ];
    place.swath(&args).ok();
    let args = [
        "--home",
        "other",
        "search",
        "--collection",
        "mine",
        "--paths",
    ];
    let paths = place.swath(&args).ok().to_owned();
    assert_eq!(paths.lines().count(), 3, "{paths}");
    for path in paths.lines() {
        assert!(path.starts_with("DIR/elsewhere/mine/"), "{path}");
        let path = path.replace("DIR/", "");
        assert!(place.swath(&["info", &path]).ok().contains("EPSG:32632"));
    }
    let args = ["--home", "other", "collections", "--json"];
    let collections = parsed(place.swath(&args).ok());
    let mut mine = collections.as_array().expect("a list").iter();
    let mine = mine
        .find(|collection| collection["id"] == "mine")
        .expect("mine");
    assert_eq!(mine["swath:prefixes"], json!(["DIR/elsewhere/mine"]));
    let args = [
        "--home",
        "other",
        "scrub",
        "--archive",
        "elsewhere",
        "--json",
    ];
    let scrubbed = parsed(place.swath(&args).ok());
    assert!(scrubbed["verified"].as_u64() >= Some(3), "{scrubbed}");
    assert_eq!(scrubbed["verified"], scrubbed["assets"]);
    assert_eq!(scrubbed["orphan_count"], 0, "{scrubbed}");
}

#[test]
fn a_configuration_that_leads_elsewhere_is_laid_beside() {
    let place = populated();
    let config = "[stores.archive]\nprefix = \"/nowhere/archive\"\n";
    place.write("swath-data/swath.toml", config);
    place.swath(&["backup", "kept", "--no-tokens"]).ok();
    let outcome = place.swath(&["--home", "other", "restore", "kept"]);
    outcome.ok();
    assert!(
        outcome.stderr.contains("swath.toml.restored"),
        "{}",
        outcome.stderr
    );
    assert!(!place.path("other/swath.toml").exists());
    assert!(!place.path("other/tokens.json").exists());
    let beside = std::fs::read_to_string(place.path("other/swath.toml.restored"));
    assert_eq!(beside.expect("a file"), config);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the moments of the kills are the test"
)]
fn killed_at_any_moment_the_backup_before_is_whole() {
    let place = populated();
    place.swath(&["backup", "kept", "--assets"]).ok();
    for kill in 0..KILLS {
        // Something changes between two backups.
        let item = json!({"type": "Feature", "id": format!("new-{kill}"), "geometry": null,
            "properties": {"datetime": "2019-01-01T00:00:00Z"}, "links": [], "assets": {}});
        place.write("new.ndjson", item.to_string());
        let args = ["items", "import", "new.ndjson", "--collection", "secret"];
        place.swath(&args).ok();
        let mut running = Command::new(env!("CARGO_BIN_EXE_swath"))
            .current_dir(place.path(""))
            .args(["backup", "kept", "--assets"])
            .stderr(Stdio::null())
            .spawn()
            .expect("the program");
        std::thread::sleep(Duration::from_millis(5 + 9 * kill));
        // It may have ended by itself.
        let _ = running.kill();
        running.wait().expect("ended");
        place.swath(&["restore", "kept", "--check"]).ok();
    }
    place.swath(&["backup", "kept", "--assets"]).ok();
    place.swath(&["--home", "other", "restore", "kept"]).ok();
    assert_eq!(answers(&place, "other"), answers(&place, "swath-data"));
    let runs = std::fs::read_dir(place.path("kept/snapshots")).expect("a folder");
    let with_files = runs
        .map(|entry| entry.expect("an entry").path())
        // What a killed program was writing is swept when it is old enough to be nobody's.
        .filter(|run| {
            files(run)
                .iter()
                .any(|file| file.extension() != Some("part".as_ref()))
        });
    assert_eq!(
        with_files.count(),
        1,
        "leavings of the runs that were cut off"
    );
}
