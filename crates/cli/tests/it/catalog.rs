//! `swath collections`, `items` and `search` from end to end, over a catalogue of their own.

use serde_json::{Value, json};

use crate::program::Place;

fn item(id: &str, day: &str, cloud: f64, west: f64) -> Value {
    json!({"type": "Feature", "stac_version": "1.1.0", "id": id,
        "geometry": {"type": "Point", "coordinates": [west, 50.0]}, "bbox": [west, 50.0, west, 50.0],
        "properties": {"datetime": format!("{day}T10:00:00Z"), "eo:cloud_cover": cloud, "platform": "sentinel-2a",
            "sat:relative_orbit": 8, "grid:code": "MGRS-32UMB"},
        "links": [], "assets": {"B04": {"href": format!("s3://archive/{id}/B04.tif")}}})
}

/// Returns a folder whose catalogue holds four items in the collection `fields`.
fn filled() -> Place {
    let place = Place::new();
    place.write(
        "fields.json",
        json!({"type": "Collection", "id": "fields", "description": "d", "license": "other"})
            .to_string(),
    );
    let items = [
        item("a", "2020-06-01", 5.0, 1.0),
        item("b", "2020-06-11", 50.0, 2.0),
        item("c", "2020-07-01", 20.0, 3.0),
        item("d", "2020-07-11", 90.0, 4.0),
    ];
    let lines: String = items.iter().map(|item| format!("{item}\n")).collect();
    place.write("items.ndjson", lines);
    place
        .swath(&[
            "items",
            "import",
            "items.ndjson",
            "--collection",
            "fields",
            "--collection-file",
            "fields.json",
        ])
        .ok();
    place
}

#[test]
fn items_are_searched_as_table_json_and_paths() {
    let place = filled();
    insta::assert_snapshot!(place.swath(&["search", "--collection", "fields", "--filter", "eo:cloud_cover < 60"]).ok(), @r"
    id  collection  datetime              cloud  platform     assets
    c   fields      2020-07-01T10:00:00Z  20.0   sentinel-2a  1
    b   fields      2020-06-11T10:00:00Z  50.0   sentinel-2a  1
    a   fields      2020-06-01T10:00:00Z  5.0    sentinel-2a  1
    ");
    insta::assert_snapshot!(place.swath(&["search", "--bbox", "0,49,2.5,51", "--datetime", "2020-06-01/2020-06-30", "--sortby", "eo:cloud_cover", "--paths"]).ok(), @r"
    s3://archive/a/B04.tif
    s3://archive/b/B04.tif
    ");
    let json: Value = serde_json::from_str(
        place
            .swath(&["search", "--intersects", "POINT(4 50)", "--json"])
            .ok(),
    )
    .expect("JSON");
    assert_eq!(json["features"][0]["id"], "d");
    assert_eq!(json["features"].as_array().map(Vec::len), Some(1));
}

#[test]
fn gaps_are_reported() {
    let place = filled();
    let json: Value = serde_json::from_str(
        place
            .swath(&["collections", "check", "fields", "--json"])
            .ok(),
    )
    .expect("JSON");
    assert_eq!(json[0]["tracks"][0]["missing"], json!(["2020-06-21"]));
    assert_eq!(json[0]["tracks"][0]["held"], 4);
}

#[test]
fn items_go_out_and_come_in_again() {
    let place = filled();
    for file in ["out.ndjson", "out.parquet"] {
        place
            .swath(&["items", "export", "--collection", "fields", "-o", file])
            .ok();
        let other = [
            "--home",
            "other",
            "items",
            "import",
            file,
            "--collection",
            "fields",
            "--collection-file",
            "fields.json",
        ];
        place.swath(&other).ok();
        let listed = |home: &str| {
            place
                .swath(&["--home", home, "items", "fields"])
                .ok()
                .to_owned()
        };
        assert_eq!(listed("other"), listed("swath-data"), "{file}");
    }
}

#[test]
fn answers_of_other_catalogues_come_in_and_what_is_no_product_is_named() {
    let place = filled();
    let answer = json!({"@odata.context": "https://h.example/odata/v1/$metadata#Products", "value": [
        {"Id": "1", "Name": "S2A_X.SAFE", "ContentDate": {"Start": "2021-01-01T10:00:00Z"}, "ContentLength": 7},
        {"Id": "2", "Name": "S2A_Y.SAFE"},
    ]});
    place.write("answer.json", format!("{answer:#}"));
    place.write("line.json", answer.to_string());
    place.write(
        "feed.xml",
        "<?xml version=\"1.0\"?><feed><entry><title>S1A_Z</title><date>2021-02-01T10:00:00Z</date></entry></feed>",
    );
    for file in ["answer.json", "line.json"] {
        let outcome = place.swath(&["items", "import", file, "--collection", "fields"]);
        assert_eq!(outcome.code, 3, "{}", outcome.stderr);
        for part in [
            "S2A_Y: it has no time of acquisition",
            "1 items registered",
            "1 entries are no products",
        ] {
            assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
        }
    }
    place
        .swath(&["items", "import", "feed.xml", "--collection", "fields"])
        .ok();
    let listed = place.swath(&["items", "fields", "--json"]);
    let listed: Value = serde_json::from_str(listed.ok()).expect("JSON");
    let ids: Vec<_> = listed["features"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| item["id"].clone())
        .collect();
    assert_eq!(ids, ["S1A_Z", "S2A_X", "d", "c", "b", "a"]);
    assert_eq!(
        listed["features"][1]["assets"]["product"]["href"],
        "https://h.example/odata/v1/Products(1)/$value"
    );
    place.write("page.html", "<html><body/></html>");
    place.write("number.json", "47");
    for (file, part) in [("page.html", "\"html\""), ("number.json", "no object")] {
        let outcome = place.swath(&["items", "import", file, "--collection", "fields"]);
        assert_eq!(outcome.code, 3, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(part), "{}", outcome.stderr);
    }
}

#[test]
fn wrong_questions_say_what_is_wrong() {
    let place = filled();
    for (args, code, part) in [
        (vec!["search", "--bbox", "1,2"], 2, "--bbox"),
        (
            vec!["search", "--filter", "eo:cloud_cover <"],
            2,
            "--filter",
        ),
        (vec!["search", "--sortby", "nothing"], 2, "nothing"),
        (vec!["search", "--datetime", "soon"], 2, "--datetime"),
        (vec!["items", "nowhere"], 4, "nowhere"),
        (
            vec!["items", "import", "items.ndjson", "--collection", "nowhere"],
            4,
            "register the collection first",
        ),
        (
            vec!["search", "--api", "http://127.0.0.1:1"],
            5,
            "127.0.0.1",
        ),
        (
            vec!["items", "export", "--collection", "fields", "-o", "x.zip"],
            2,
            ".parquet",
        ),
    ] {
        let outcome = place.swath(&args);
        assert_eq!(outcome.code, code, "{args:?}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains(part),
            "{args:?}: {}",
            outcome.stderr
        );
    }
}

/// A small file system of its own, where the user may make one.
#[test]
fn full_disk_and_read_only_catalogue_lose_nothing() {
    let place = filled();
    let lines: String = (0..30_000)
        .map(|index| format!("{}\n", item(&format!("n{index}"), "2020-06-01", 1.0, 1.0)))
        .collect();
    place.write("many.ndjson", lines);
    let script = r#"
        set -e
        mkdir disk && mount -t tmpfs -o size=4m none disk
        cp swath-data/catalog.sqlite* disk/
        "$SWATH" --home disk items import many.ndjson --collection fields >full.out 2>&1 && exit 9
        grep -q 'no space is left' full.out || { cat full.out; exit 8; }
        rm -f disk/ballast
        "$SWATH" --home disk items fields | grep -q '^d ' || exit 7
        mount -o remount,ro disk
        head -n 1 many.ndjson | sed 's/"n0"/"late"/' >late.ndjson
        "$SWATH" --home disk items import late.ndjson --collection fields >ro.out 2>&1 && exit 6
        grep -q 'read-only\|readonly\|cannot be reached' ro.out || { cat ro.out; exit 5; }
    "#;
    let output = std::process::Command::new("unshare")
        .args(["--mount", "bash", "-c", script])
        .env("SWATH", env!("CARGO_BIN_EXE_swath"))
        .current_dir(place.path(""))
        .output();
    let Ok(output) = output else {
        println!("skipped: no unshare here");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("ermitted") || said.contains("denied") {
        println!("skipped: no file system of our own may be mounted here");
        return;
    }
    assert!(
        output.status.success(),
        "{}: {} {said}",
        output.status,
        String::from_utf8_lossy(&output.stdout)
    );
}
