//! `swath ingest` end to end, also when it is killed.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Place, shared};

/// How often the program is killed, where `SWATH_TEST_KILLS` says nothing else (`make soak` does).
const KILLS: u32 = 5;

fn kills() -> u32 {
    std::env::var("SWATH_TEST_KILLS").map_or(KILLS, |text| {
        let number = text.parse();
        number.unwrap_or_else(|_| panic!("SWATH_TEST_KILLS: \"{text}\" is no number"))
    })
}

/// Returns how long a run takes that nobody kills.
fn whole_run(source: &str) -> Duration {
    let place = Place::new();
    let begun = Instant::now();
    place.swath(&["ingest", source]).ok();
    begun.elapsed()
}

#[test]
fn products_are_ingested_once() {
    let Some(source) = shared("sentinel1/beam-dimap-derived") else {
        return;
    };
    let place = Place::new();
    let source = source.to_string_lossy();
    let dry = place.swath(&["ingest", &source, "--dry-run"]);
    assert!(
        dry.ok().is_empty() && dry.stderr.contains("2 to be ingested"),
        "{}",
        dry.stderr
    );
    assert!(!place.path("swath-data").exists());
    let report: Value =
        serde_json::from_str(place.swath(&["ingest", &source, "--json"]).ok()).expect("JSON");
    assert_eq!(report["products"][0]["outcome"], "ingested");
    let again = place.swath(&["ingest", &source]);
    assert!(
        again.ok().is_empty() && again.stderr.contains("2 held already"),
        "{}",
        again.stderr
    );
}

#[test]
fn what_is_no_product_ends_with_its_exit_code() {
    let place = Place::new();
    place.write("notes.txt", "hello");
    let outcome = place.swath(&["ingest", "notes.txt"]);
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    assert_eq!(place.swath(&["ingest", "absent"]).code, 4);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the moments of the kills are the test"
)]
fn killed_at_any_moment_nothing_is_half_registered_and_repeating_completes() {
    let Some(source) = shared("sentinel1/beam-dimap-derived") else {
        return;
    };
    let place = Place::new();
    let source = source.to_string_lossy();
    let archive = place.path("swath-data/archive");
    let (kills, whole) = (kills(), whole_run(&source));
    for kill in 0..kills {
        let mut running = Command::new(env!("CARGO_BIN_EXE_swath"))
            .current_dir(place.path(""))
            .args(["ingest", &source, "--again"])
            .stderr(Stdio::null())
            .spawn()
            .expect("the program");
        // Spread evenly over a run.
        std::thread::sleep(whole * (2 * kill + 1) / (2 * kills));
        running.kill().expect("killed");
        running.wait().expect("ended");
        // What a dry run finds held already is registered: its files must be complete.
        let report = place.swath(&["ingest", &source, "--dry-run", "--json"]);
        let report: Value = serde_json::from_str(report.ok()).expect("JSON");
        for product in report["products"].as_array().expect("products") {
            if product["outcome"] == "unchanged" {
                let id = product["id"].as_str().expect("an id");
                assert!(
                    has_item(&archive, id),
                    "{id} is registered without its files"
                );
            }
        }
    }
    place.swath(&["ingest", &source]).ok();
    let report = place.swath(&["ingest", &source, "--json"]);
    let report: Value = serde_json::from_str(report.ok()).expect("JSON");
    let outcomes: Vec<_> = report["products"]
        .as_array()
        .expect("products")
        .iter()
        .map(|product| product["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["unchanged", "unchanged"]);
}

/// True where the item's file and all its assets lie in the archive.
fn has_item(archive: &std::path::Path, id: &str) -> bool {
    let day = if id.contains("20150309") {
        "2015/03/09"
    } else {
        "2017/12/04"
    };
    let folder = archive.join("s1-card-bs").join(day).join(id);
    let Ok(bytes) = std::fs::read(folder.join(format!("{id}.json"))) else {
        return false;
    };
    let item: Value = serde_json::from_slice(&bytes).expect("an item");
    let assets = item["assets"].as_object().expect("assets");
    assets.values().all(|asset| {
        let href = asset["href"]
            .as_str()
            .expect("an href")
            .trim_start_matches("./");
        let size = std::fs::metadata(folder.join(href))
            .map(|metadata| metadata.len())
            .ok();
        size == asset["file:size"].as_u64()
    })
}
