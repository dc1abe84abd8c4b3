//! What the program says where something is wrong, and its exit codes.

use swath_testkit::fixtures::tiff;

use crate::program::Place;

/// Runs the program, checks its exit code and that it printed no result; returns what it said.
fn refused(place: &Place, args: &[&str], code: i32) -> String {
    let outcome = place.swath(args);
    assert_eq!(outcome.code, code, "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "");
    outcome.stderr
}

fn place_with_raster_and_parcels() -> Place {
    let place = Place::new();
    tiff(32, 32)
        .epsg(32632)
        .georeference(600_000.0, 6_100_000.0, 10.0)
        .write(place.path("a.tif"));
    place.write("parcels.geojson", crate::demo::parcels_json());
    place
}

#[test]
fn an_absent_raster_is_not_found() {
    insta::assert_snapshot!(refused(&Place::new(), &["info", "none.tif"], 4), @"error: none.tif: No such file or directory (os error 2)");
}

#[test]
fn a_file_that_is_no_raster_is_bad_data() {
    let place = Place::new();
    place.write(
        "text.tif",
        "this is no raster at all, and long enough to have a header",
    );
    insta::assert_snapshot!(refused(&place, &["info", "text.tif"], 3), @"error: text.tif: not a TIFF file (no II or MM at its start)");
}

#[test]
fn an_unknown_option_is_wrong_usage() {
    insta::assert_snapshot!(refused(&Place::new(), &["info", "a.tif", "--jso"], 2), @"
    error: unexpected argument '--jso' found

      tip: a similar argument exists: '--json'

    Usage: swath info --json <ASSET>

    For more information, try '--help'.
    ");
}

#[test]
fn an_unknown_key_of_the_configuration_is_wrong_usage() {
    let place = Place::new();
    place.write("swath.toml", "[stores.a]\nprefixx = \"s3://b\"\n");
    let said = refused(&place, &["--config", "swath.toml", "info", "a.tif"], 2);
    // The list of known keys grows; that it follows is enough.
    for expected in ["error: swath.toml", "unknown field `prefixx`", "`prefix`"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn an_absent_configuration_that_was_named_is_wrong_usage() {
    insta::assert_snapshot!(refused(&Place::new(), &["--config", "none.toml", "info", "a.tif"], 2), @"error: the configuration none.toml cannot be read: No such file or directory (os error 2)");
}

#[test]
fn an_unknown_statistic_is_wrong_usage() {
    let place = place_with_raster_and_parcels();
    let args = [
        "zonal",
        "a.tif",
        "--parcels",
        "parcels.geojson",
        "--stats",
        "median",
        "-o",
        "o.csv",
    ];
    insta::assert_snapshot!(refused(&place, &args, 2), @"error: --stats median: choose from count, mean, stdev, min, max, p25, p50, p75");
}

#[test]
fn an_output_without_a_known_ending_is_wrong_usage() {
    let place = place_with_raster_and_parcels();
    let args = [
        "zonal",
        "a.tif",
        "--parcels",
        "parcels.geojson",
        "-o",
        "o.xls",
    ];
    insta::assert_snapshot!(refused(&place, &args, 2), @"error: o.xls: the name of the output must end in .parquet, .csv or .json");
    assert!(!place.path("o.xls").exists());
}

#[test]
fn absent_parcels_are_not_found() {
    let place = place_with_raster_and_parcels();
    let args = ["zonal", "a.tif", "--parcels", "none.gpkg", "-o", "o.csv"];
    insta::assert_snapshot!(refused(&place, &args, 4), @"error: none.gpkg: no such file or folder");
}

#[test]
fn an_unknown_id_column_names_the_columns_there_are() {
    let place = place_with_raster_and_parcels();
    let args = [
        "zonal",
        "a.tif",
        "--parcels",
        "parcels.geojson",
        "--id",
        "nummer",
        "-o",
        "o.csv",
    ];
    insta::assert_snapshot!(refused(&place, &args, 2), @r#"error: parcels.geojson: has no column "nummer"; name one of the columns with --id: id"#);
}

#[test]
fn a_time_that_ends_before_it_begins_is_wrong_usage() {
    let place = place_with_raster_and_parcels();
    let time = "2021-06-01T00:00:00Z/2021-05-01T00:00:00Z";
    let args = [
        "extract",
        "--items",
        "a.tif",
        "--parcels",
        "parcels.geojson",
        "--datetime",
        time,
        "-o",
        "o.csv",
    ];
    insta::assert_snapshot!(refused(&place, &args, 2), @"error: --datetime 2021-06-01T00:00:00Z/2021-05-01T00:00:00Z: it ends before it begins");
}

#[test]
fn a_raster_without_a_date_is_said_and_fails_the_run() {
    let place = place_with_raster_and_parcels();
    let args = [
        "extract",
        "--items",
        "a.tif",
        "--parcels",
        "parcels.geojson",
        "-o",
        "o.parquet",
    ];
    insta::assert_snapshot!(refused(&place, &args, 3), @r#"
    0 rows of 0 items for 2 parcels written to o.parquet
    1 items or files skipped:
      a: it has no date: neither a tag "datetime" nor TIFFTAG_DATETIME; give --date-pattern to read it from the name
    error: 1 items could not be measured; the rest is in o.parquet
    "#);
}

#[test]
fn dates_are_written_as_text_too() {
    let place = crate::demo::place_with_season();
    for output in ["o.csv", "o.json"] {
        let args = [
            "extract",
            "--items",
            "data/s2",
            "--parcels",
            "data/parcels.geojson",
            "-o",
            output,
        ];
        place.swath(&args).ok();
        let text = std::fs::read_to_string(place.path(output)).expect("rows");
        assert!(text.contains("2021-04-15T10:30:00"), "{text}");
    }
}
