//! `swath demo`: simulated, with rasters of a folder, and again; through a catalogue of its own.

use serde_json::Value;
use swath_testkit::fixtures::tiff;

use crate::program::{Outcome, Place, shared};

/// Metadata of one raster: its date and the names of its two bands.
fn metadata(datetime: &str, bands: [&str; 2]) -> String {
    let [first, second] = bands;
    format!(
        "<GDALMetadata><Item name=\"datetime\">{datetime}</Item>\
         <Item name=\"DESCRIPTION\" sample=\"0\" role=\"description\">{first}</Item>\
         <Item name=\"DESCRIPTION\" sample=\"1\" role=\"description\">{second}</Item></GDALMetadata>"
    )
}

/// Two parcels within the rasters of [`write_season`].
pub fn parcels_json() -> String {
    let square = |id: &str, x: f64| {
        let (y, side) = (6_099_760.0, 60.0);
        let ring = [
            (x, y),
            (x + side, y),
            (x + side, y + side),
            (x, y + side),
            (x, y),
        ];
        let ring: Vec<String> = ring.iter().map(|(x, y)| format!("[{x}, {y}]")).collect();
        let ring = ring.join(", ");
        format!(
            "{{\"type\": \"Feature\", \"properties\": {{\"id\": \"{id}\"}}, \
             \"geometry\": {{\"type\": \"Polygon\", \"coordinates\": [[{ring}]]}}}}"
        )
    };
    let features = [square("01", 600_040.0), square("02", 600_180.0)].join(", ");
    format!(
        "{{\"type\": \"FeatureCollection\", \"crs\": {{\"type\": \"name\", \"properties\": \
         {{\"name\": \"urn:ogc:def:crs:EPSG::32632\"}}}}, \"features\": [{features}]}}"
    )
}

/// Writes rasters of three dates with two bands each, of one value per band and date.
fn write_season(place: &Place, folder: &str, bands: [&str; 2], values: [[f32; 2]; 3]) {
    std::fs::create_dir_all(place.path(folder)).expect("a folder");
    for (month, [first, second]) in (4..).zip(values) {
        let mut samples = vec![first; 32 * 32];
        samples.extend(vec![second; 32 * 32]);
        tiff(32, 32)
            .samples(2, &samples)
            .epsg(32632)
            .georeference(600_000.0, 6_100_000.0, 10.0)
            .gdal_metadata(&metadata(&format!("2021-{month:02}-15T10:30:00Z"), bands))
            .write(place.path(&format!("{folder}/{}_{month}.tif", bands[0])));
    }
}

/// Returns a folder with a season of both kinds and its parcels.
pub fn place_with_season() -> Place {
    let place = Place::new();
    write_season(
        &place,
        "data/s2",
        ["B04", "B08"],
        [[0.1, 0.2], [0.05, 0.45], [0.1, 0.3]],
    );
    write_season(
        &place,
        "data/s1",
        ["VV", "VH"],
        [[-9.0, -16.0], [-10.0, -17.0], [-11.0, -18.5]],
    );
    place.write("data/parcels.geojson", parcels_json());
    place
}

/// Returns the text with what a clock told replaced, and without the requests to a server.
fn without_times(text: &str) -> String {
    let line = |line: &str| match line.split_once(" items in ") {
        Some((before, _)) => format!("{before} items in …"),
        None => line.to_owned(),
    };
    let text = match text.split_once("curl ") {
        Some((before, _)) => format!("{before}curl …"),
        None => text.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the lines that a demo said one can type, as words.
fn steps(outcome: &Outcome) -> Vec<Vec<String>> {
    let lines = outcome.stderr.lines();
    let typed = lines.filter_map(|line| line.split_once(": swath ").map(|(_, words)| words));
    // No step of the tests has a word that a shell would need quoted, but for filters.
    typed
        .map(|words| {
            let mut split = Vec::new();
            for (index, part) in words.split('\'').enumerate() {
                match index % 2 {
                    0 => split.extend(part.split_whitespace().map(str::to_owned)),
                    _ => split.push(part.to_owned()),
                }
            }
            split
        })
        .collect()
}

fn json(outcome: &Outcome) -> Value {
    serde_json::from_str(outcome.ok()).expect("JSON")
}

#[test]
fn rasters_of_a_folder_become_a_table_and_a_picture() {
    let place = place_with_season();
    let outcome = place.swath(&["demo", "--data", "data"]);
    insta::assert_snapshot!(without_times(outcome.ok()), @"
    data: 2 parcels of parcels.geojson

    Mean over parcels and dates, at least half clear where a scene classification tells
    band      values    Apr    May    Jun
    s1 VH          6  -16.0  -17.0  -18.5
    s1 VV          6   -9.0  -10.0  -11.0
    s2 B04         6   0.10   0.05   0.10
    s2 B08         6   0.20   0.45   0.30
    s2 NDVI        6   0.33   0.80   0.50

    NDVI is computed from each parcel's means of B04 and B08.
    s1 VH is taken as dB and averaged as it is stored: it has no unit, and only negative values.
    s1 VV is taken as dB and averaged as it is stored: it has no unit, and only negative values.

    24 records of 6 items in …
    found    2 of 6 items of data: April 2021, in 10.56,55.03,10.57,55.04
    records  ./swath-data/demo/data/data/season.parquet
    picture  ./swath-data/demo/data/data/parcel-01.svg

    To serve it: swath --home ./swath-data/demo/data/data serve
    The same search as STAC API, resto and OData:
    curl …
    ");
    let picture = place.path("swath-data/demo/data/data/parcel-01.svg");
    let picture = std::fs::read_to_string(picture).expect("a picture");
    assert!(picture.starts_with("<svg ") && picture.contains("Parcel 01"));
    assert!(
        picture.contains("2021-05-15: 0.80"),
        "NDVI of the second date"
    );
}

#[test]
fn the_second_run_keeps_what_is_done_and_a_change_ends_that() {
    let place = place_with_season();
    let demo =
        |more: &[&str]| json(&place.swath(&[&["demo", "--data", "data", "--json"], more].concat()));
    let first = demo(&[]);
    assert_eq!(
        (&first["is_reused"], &first["records"]),
        (&Value::Bool(false), &Value::from(24))
    );
    let second = demo(&[]);
    assert_eq!(
        (&second["is_reused"], &second["spent"]),
        (&Value::Bool(true), &first["spent"])
    );
    assert_eq!(second["tables"], first["tables"]);
    assert_eq!(demo(&["--fresh"])["is_reused"], false);
    std::fs::remove_file(place.path("data/s2/B04_6.tif")).expect("it is there");
    let changed = demo(&[]);
    assert_eq!(
        (&changed["is_reused"], &changed["records"]),
        (&Value::Bool(false), &Value::from(20))
    );
}

#[test]
fn bands_without_a_meaning_are_drawn_by_themselves() {
    let place = Place::new();
    write_season(
        &place,
        "data",
        ["moisture", "height"],
        [[0.3, 1200.0], [0.2, 1201.0], [0.1, 1202.0]],
    );
    place.write("parcels.geojson", parcels_json());
    let args = [
        "demo",
        "--data",
        "data",
        "--parcels",
        "parcels.geojson",
        "--parcel",
        "02",
        "--out",
        "out",
        "--json",
    ];
    let report = json(&place.swath(&args));
    assert_eq!(report["parcel_id"], "02");
    assert_eq!(report["tables"][0]["rows"][1]["means"]["2021-04"], 0.3);
    let picture = std::fs::read_to_string(place.path("out/parcel-02.svg")).expect("a picture");
    assert!(picture.contains(">moisture<") && picture.contains(">height<"));
}

#[test]
fn a_folder_without_parcels_asks_for_them() {
    let place = place_with_season();
    std::fs::remove_file(place.path("data/parcels.geojson")).expect("it is there");
    let none = place.swath(&["demo", "--data", "data"]);
    assert_eq!(none.code, 2);
    insta::assert_snapshot!(none.stderr, @"error: no parcel file in data; give one with --parcels FILE");
    place.write("data/a.geojson", parcels_json());
    place.write("data/b.geojson", parcels_json());
    let two = place.swath(&["demo", "--data", "data"]);
    assert_eq!(two.code, 2);
    insta::assert_snapshot!(two.stderr, @"error: both data/a.geojson and data/b.geojson may hold the parcels; choose with --parcels FILE");
}

#[test]
fn absent_empty_and_contradictory_arguments_are_refused() {
    let place = place_with_season();
    let code = |args: &[&str]| place.swath(args).code;
    assert_eq!(code(&["demo", "--data", "none"]), 4);
    std::fs::create_dir(place.path("empty")).expect("a folder");
    assert_eq!(code(&["demo", "--data", "empty"]), 4);
    assert_eq!(code(&["demo", "--data", "data", "--count", "5"]), 2);
    assert_eq!(code(&["demo", "--count", "0"]), 2);
    assert_eq!(code(&["demo", "--data", "data", "--parcel", "77"]), 2);
}

#[test]
fn a_simulated_season_is_measured_and_drawn_beside_its_truth() {
    let place = Place::new();
    let outcome = place.swath(&["demo", "--count", "60"]);
    let text = outcome.ok();
    assert!(
        text.starts_with("A simulated season: 60 parcels of "),
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
    for expected in [
        "NDVI by declared crop",
        "VH in dB",
        "maize",
        "records per second",
        "of 49 items of sentinel-2-l2a: June 2021, below 30 % cloud, in ",
        "To serve it: swath --home ./swath-data/demo serve",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let again = json(&place.swath(&["demo", "--count", "60", "--json"]));
    assert_eq!(again["is_reused"], true);
    // 49 images of 8 bands, and as many radar bands as there are images of two bands.
    let records = again["records"].as_u64().expect("a number");
    let items = again["items"].as_u64().expect("a number");
    assert_eq!(records, 60 * (49 * 8 + (items - 49) * 2));
    let picture = again["picture"].as_str().expect("a path");
    let picture = std::fs::read_to_string(place.path(picture)).expect("a picture");
    assert!(picture.len() < 60_000, "{} bytes", picture.len());
    for expected in [
        "NDVI",
        "Backscatter",
        "Coherence",
        "VV orbit 117 asc",
        "harvest",
    ] {
        assert!(picture.contains(expected), "{expected}");
    }
    let files = again["files"].as_array().expect("paths");
    assert!(
        files
            .iter()
            .all(|file| place.path(file.as_str().unwrap_or_default()).is_dir())
    );
    // Nothing is registered in the user's own home, and every step may be typed.
    assert!(!place.path("swath-data/catalog.sqlite").exists());
    let typed = steps(&outcome);
    assert_eq!(typed.len(), 12, "{}", outcome.stderr);
    for words in &typed[1..] {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        place.swath(&words).ok();
    }
    let found = again["search"]["found"].as_u64().expect("a number");
    let search = typed
        .iter()
        .find(|words| words.iter().any(|word| word == "search"));
    let words = search.expect("a search").iter().map(String::as_str);
    let words: Vec<&str> = words.chain(["--json"]).collect();
    let listed = json(&place.swath(&words));
    let listed = listed["features"].as_array().expect("items");
    assert!((1..49).contains(&found) && listed.len() as u64 == found);
    for item in listed {
        let clouds = item["properties"]["eo:cloud_cover"].as_f64();
        assert!(clouds.is_some_and(|clouds| clouds < 30.0), "{item}");
    }
}

#[test]
fn items_of_an_earlier_landscape_leave_the_catalogue() {
    let place = Place::new();
    place.swath(&["demo", "--count", "10"]).ok();
    place.swath(&["demo", "--count", "10", "--seed", "2"]).ok();
    let listed = ["--home", "swath-data/demo", "items", "s1-card-bs"];
    let listed = json(&place.swath(&[&listed[..], &["--limit", "500", "--json"]].concat()));
    let items = listed["features"].as_array().expect("items");
    for item in items {
        let id = item["id"].as_str().expect("an id");
        let file = format!("swath-data/demo/archive/landscape/scenes/s1-card-bs/{id}/{id}.json");
        assert!(place.path(&file).is_file(), "{id}");
    }
    assert!(items.len() > 40, "{}", items.len());
}

#[test]
fn a_data_home_of_others_is_not_changed() {
    let place = place_with_season();
    place.swath(&["--home", "mine", "collections"]).ok();
    let before = std::fs::read(place.path("mine/catalog.sqlite")).expect("a catalogue");
    for data in [&[][..], &["--data", "data"]] {
        let outcome = place.swath(&[&["demo", "--out", "mine"], data].concat());
        assert_eq!(outcome.code, 2);
        assert!(
            outcome
                .stderr
                .contains("mine/catalog.sqlite: it was not made by a demo"),
            "{}",
            outcome.stderr
        );
    }
    let after = std::fs::read(place.path("mine/catalog.sqlite")).expect("a catalogue");
    assert!(before == after);
}

#[test]
fn rasters_stay_where_they_are() {
    let place = place_with_season();
    place.swath(&["demo", "--data", "data"]).ok();
    let home = "swath-data/demo/data/data";
    let listed = json(&place.swath(&["--home", home, "items", "data", "--json"]));
    let items = listed["features"].as_array().expect("items");
    assert_eq!(items.len(), 6);
    for item in items {
        let href = item["assets"]["data"]["href"].as_str().expect("an href");
        let href = href.replace("DIR", &place.path("").display().to_string());
        let data = place.path("data").canonicalize().expect("it is there");
        assert!(std::path::Path::new(&href).starts_with(data), "{href}");
    }
    let tables: Vec<_> = std::fs::read_dir(place.path("data"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(tables.len(), 3, "nothing is written into it: {tables:?}");
}

#[test]
fn a_landscape_of_others_is_not_overwritten() {
    let place = Place::new();
    let precious = "out/archive/landscape/scenes/precious.tif";
    place.write(precious, "");
    let outcome = place.swath(&["demo", "--count", "5", "--out", "out"]);
    assert_eq!(outcome.code, 2);
    insta::assert_snapshot!(outcome.stderr, @"error: out/archive/landscape: it was not made by a demo and would be overwritten; choose another --out");
    assert!(place.path(precious).is_file());
}

#[test]
fn real_rasters_of_a_year_show_maize_and_clouds() {
    let Some(data) = shared("timeseries-chips/flanders-2018-patchA") else {
        return;
    };
    let place = Place::new();
    let data = data.display().to_string();
    let report = json(&place.swath(&["demo", "--data", &data, "--json"]));
    // As `expected/parcel_stats_exactextract.parquet` of that data set counts them.
    assert_eq!(
        (&report["records"], &report["items"]),
        (&Value::from(25_856), &Value::from(395))
    );
    let rows = report["tables"][0]["rows"].as_array().expect("rows");
    let mean = |name: &str, month: &str| {
        let row = rows.iter().find(|row| row["name"] == name).expect("a band");
        row["means"][month].as_f64().expect("a mean")
    };
    assert!(mean("s2_10m NDVI", "2018-04") > mean("s2_10m NDVI", "2018-05"));
    assert!((-20.0..-14.0).contains(&mean("s1_20m VH", "2018-01")));
    assert!(!rows.iter().any(|row| {
        row["name"]
            .as_str()
            .is_some_and(|name| name.contains("SCL"))
    }));
    let picture = std::fs::read_to_string(
        report["picture"]
            .as_str()
            .map(|path| place.path(path))
            .expect("a path"),
    );
    assert!(
        picture
            .expect("a picture")
            .contains("<circle class=\"h l0\""),
        "cloudy dates"
    );
}
