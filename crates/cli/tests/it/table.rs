//! `swath extract` into a table, `swath table`, `swath job`: the real program, a small season.

use serde_json::{Value, json};
use swath_extract::table::TableKind;
use swath_testkit::FaultServer;

use crate::program::Place;
use crate::table_place::{
    COLLECTION, ITEMS, extract, extract_words, rows, season, season_of, stores,
};

/// A month of the season: few images.
const MONTH: &str = "202105";

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_season_goes_into_its_table_once() {
    let place = season_of(&[MONTH]);
    let report = extract(&place, "table", &[]);
    let units = report["units"].as_u64().expect("units");
    assert!(units > 3, "{report}");
    assert_eq!(report["committed"], units);
    assert_eq!(report["failed"], json!([]));
    let again = extract(&place, "table", &[]);
    assert_eq!(
        (&again["committed"], &again["already"]),
        (&json!(0), &json!(units))
    );
    assert_eq!(again["jobs"], json!([]));

    // The rows are those of the flat file.
    let flat = [
        "extract",
        "--collection",
        COLLECTION,
        "--parcels",
        "land/parcels.parquet",
        "--bands",
        "B04,B08",
        "--mask-scl",
        "-o",
        "flat.csv",
    ];
    place.swath(&flat).ok();
    let flat = std::fs::read_to_string(place.path("flat.csv")).expect("the file");
    let table = place.path("table").display().to_string();
    let found = rows(&stores(None), &table, TableKind::Extracts);
    assert_eq!(found.len(), flat.lines().count() - 1);
    assert!(!rows(&stores(None), &table, TableKind::Classes).is_empty());

    let compacted = json_of(place.swath(&["table", "compact", "table", "--json"]).ok());
    assert!(compacted["files_before"].as_u64() > compacted["files_after"].as_u64());
    assert_eq!(rows(&stores(None), &table, TableKind::Extracts), found);
    let checked = json_of(place.swath(&["table", "check", "table", "--json"]).ok());
    assert_eq!(
        (&checked["defects"], &checked["units"]),
        (&json!([]), &json!(units))
    );
    place.swath(&["table", "vacuum", "table"]).ok();
    place.swath(&["table", "vacuum", "table", "--dry-run"]).ok();
    assert_eq!(
        place
            .swath(&["table", "vacuum", "table", "--older-than", "1"])
            .code,
        2
    );
    assert_eq!(rows(&stores(None), &table, TableKind::Extracts), found);
}

#[test]
fn workers_measure_what_one_process_does() {
    let place = season_of(&[MONTH]);
    extract(&place, "one", &[]);
    let report = extract(&place, "many", &["--workers", "2"]);
    assert_eq!(report["committed"], report["units"]);
    for kind in [TableKind::Extracts, TableKind::Classes] {
        let of = |name: &str| rows(&stores(None), &place.path(name).display().to_string(), kind);
        assert_eq!(of("one"), of("many"));
    }
    let job = report["jobs"][0].as_str().expect("a job");
    let status = json_of(place.swath(&["job", "status", job, "--json"]).ok());
    assert_eq!(status["state"], "done");
    let logs = place.swath(&["job", "logs", job]);
    assert!(logs.ok().contains("== task 0, attempt 1"));
    let listed = json_of(place.swath(&["job", "list", "--json"]).ok());
    assert!(
        listed
            .as_array()
            .is_some_and(|jobs| jobs.iter().any(|row| row["id"] == job))
    );
}

#[test]
fn a_table_of_the_home_is_found_by_its_begin_and_refuses_other_options() {
    let place = season_of(&[MONTH]);
    let words = [
        "extract",
        "--collection",
        COLLECTION,
        "--parcels",
        "fields",
        "--bands",
        "B04",
    ];
    place.swath(&words).ok();
    let listed = json_of(place.swath(&["table", "list", "--json"]).ok());
    let root = listed[0].as_str().expect("a table").to_owned();
    assert!(
        root.starts_with("tables:sentinel-2-l2a/fields@1/"),
        "{root}"
    );
    place.swath(&["table", "check", "--quick", COLLECTION]).ok();
    // Other options: another profile beside it.
    place
        .swath(&[&words[..], &["--buffer", "-10"]].concat())
        .ok();
    let listed = json_of(place.swath(&["table", "list", "--json"]).ok());
    assert_eq!(listed.as_array().map(Vec::len), Some(2));
    let several = place.swath(&["table", "check", "--quick", COLLECTION]);
    assert_eq!(several.code, 2, "{}", several.stderr);
    // The very table with other options is refused, with both values.
    let refused = place.swath(&[&words[..], &["--buffer", "-10", "--table", &root]].concat());
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("buffer_m") && refused.stderr.contains("-10"),
        "{}",
        refused.stderr
    );
    let absent = place.swath(&["table", "check", "nowhere"]);
    assert_eq!(absent.code, 4, "{}", absent.stderr);
}

#[test]
fn a_dry_run_tells_what_there_is_to_do_and_writes_nothing() {
    let place = season_of(&[MONTH]);
    let words = [
        "extract",
        "--collection",
        COLLECTION,
        "--parcels",
        "fields",
        "--dry-run",
    ];
    let told = json_of(place.swath(&[&words[..], &["--json"]].concat()).ok());
    assert_eq!(told["units"], told["units_todo"]);
    let (bytes, all) = (told["bytes"].as_u64(), told["bytes_of_assets"].as_u64());
    assert!(bytes > Some(0) && bytes <= all, "{told}");
    assert!(told["rows"].as_u64() > Some(0));
    assert!(!place.path("swath-data/tables").exists());
    assert!(!place.path("swath-data/jobs").exists());
    let text = place.swath(&words);
    assert!(text.ok().contains("to do"), "{}", text.stdout);
    let nothing = [
        &words[..],
        &["--datetime", "1999-01-01T00:00:00Z/1999-02-01T00:00:00Z"],
    ];
    assert_eq!(place.swath(&nothing.concat()).code, 4);
}

#[test]
fn an_asset_that_vanished_is_listed_and_tried_again() {
    let place = season_of(&[MONTH]);
    let folder = std::fs::read_dir(place.path(ITEMS)).expect("a folder");
    let folders = folder.map(|entry| entry.expect("an entry").path());
    let item = folders.filter(|path| path.is_dir()).min().expect("an item");
    let aside = place.path("aside");
    std::fs::rename(&item, &aside).expect("moved");
    let outcome = place.swath(&extract_words("table", &[]));
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    let report = json_of(&outcome.stdout);
    let failed = report["failed"].as_array().expect("a list").len() as u64
        + report["skipped"].as_array().expect("a list").len() as u64;
    assert_eq!(failed, 1, "{report}");
    std::fs::rename(&aside, &item).expect("moved back");
    let report = extract(&place, "table", &[]);
    assert_eq!(report["committed"], 1, "{report}");
}

#[test]
fn what_is_new_is_taken_and_what_was_reprocessed_replaces_its_rows() {
    let place = season_of(&[MONTH]);
    extract(&place, "table", &[]);
    let table = place.path("table").display().to_string();
    let before = rows(&stores(None), &table, TableKind::Extracts);
    // The item is registered again, as processed again: its unit is measured anew, as revision 2.
    let search = [
        "search",
        "--collection",
        COLLECTION,
        "--limit",
        "1",
        "--json",
    ];
    // The names of files are those of this folder again.
    let root = place.path("land");
    let root = root.parent().expect("the folder").display().to_string();
    let found = json_of(&place.swath(&search).ok().replace("DIR", &root));
    let mut item = found["features"][0].clone();
    item["properties"]["processing:datetime"] = json!("2031-01-01T00:00:00Z");
    place.write("again.ndjson", format!("{item}\n"));
    let import = [
        "items",
        "import",
        "again.ndjson",
        "--collection",
        COLLECTION,
    ];
    place.swath(&import).ok();
    let report = extract(&place, "table", &[]);
    assert_eq!(
        (&report["committed"], &report["changed"]),
        (&json!(1), &json!(1)),
        "{report}"
    );
    assert_eq!(rows(&stores(None), &table, TableKind::Extracts), before);
    place.swath(&["table", "check", "table"]).ok();
}

#[test]
fn a_table_on_s3_holds_what_one_in_a_folder_does() {
    let place = season_of(&[MONTH]);
    let bucket = tempfile::tempdir().expect("a folder");
    let server = swath_testkit::server::Options {
        is_s3: true,
        ..Default::default()
    };
    let server = FaultServer::start(bucket.path(), server).expect("a server");
    extract(&place, "folder", &[]);
    let mut command = place.command(&extract_words("s3://swath-test/table", &[]));
    command
        .env("AWS_ENDPOINT_URL", server.endpoint())
        .env("AWS_ACCESS_KEY_ID", server.access_key())
        .env("AWS_SECRET_ACCESS_KEY", server.secret_key());
    place.run(&mut command).ok();
    let stores_s3 = stores(Some(&server));
    for kind in [TableKind::Extracts, TableKind::Classes] {
        let local = rows(
            &stores(None),
            &place.path("folder").display().to_string(),
            kind,
        );
        assert_eq!(rows(&stores_s3, "bucket:table", kind), local);
    }
}

#[test]
fn a_command_may_be_a_job() {
    let place = Place::new();
    let submit = ["job", "submit", "--wait", "--", "collections", "--json"];
    let outcome = place.swath(&submit);
    let id = outcome.ok().trim().to_owned();
    let status = json_of(place.swath(&["job", "status", &id, "--json"]).ok());
    assert_eq!(
        (&status["state"], &status["done"]),
        (&json!("done"), &json!(1)),
        "{status}"
    );
    let fails = ["job", "submit", "--wait", "--", "info", "nowhere.tif"];
    let outcome = place.swath(&fails);
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    let id = outcome.stdout.trim().to_owned();
    let logs = place.swath(&["job", "logs", &id]);
    assert!(logs.ok().contains("nowhere"), "{}", logs.stdout);
    place.swath(&["job", "cancel", &id]).ok();
    assert_eq!(place.swath(&["job", "submit", "--", "serve"]).code, 2);
    assert_eq!(place.swath(&["job", "status", "../x"]).code, 2);
    assert_eq!(place.swath(&["job", "status", "command-0"]).code, 4);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let place = season();
    for words in [
        &["--workers", "2", "-o", "x.csv"][..],
        &["--lease", "0"],
        &["--mask-dilation", "20"],
        &["--id", "parcel_id"],
    ] {
        let all = ["extract", "--collection", COLLECTION, "--parcels", "fields"];
        let outcome = place.swath(&[&all[..], words].concat());
        assert_eq!(outcome.code, 2, "{words:?}: {}", outcome.stderr);
    }
    let absent = [
        "extract",
        "--collection",
        COLLECTION,
        "--parcels",
        "no-such-set",
    ];
    let outcome = place.swath(&absent);
    assert_eq!(outcome.code, 4, "{}", outcome.stderr);
    let files = [
        "extract",
        "--items",
        ITEMS,
        "--parcels",
        "land/parcels.parquet",
    ];
    let outcome = place.swath(&files);
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
}
