//! `swath info` on small rasters.

use swath_testkit::fixtures::{Compression, Predictor, tiff};

use crate::program::Place;

fn place_with_raster() -> Place {
    let place = Place::new();
    let values: Vec<u16> = (0..64 * 48).collect();
    tiff(64, 48)
        .samples(1, &values)
        .epsg(32632)
        .georeference(600_000.0, 6_100_000.0, 10.0)
        .scale_offset(0.0001, -0.1)
        .nodata("0")
        .compression(Compression::Deflate)
        .predictor(Predictor::Horizontal)
        .overview(2)
        .ghost()
        .write(place.path("B04.tif"));
    place
}

#[test]
fn text_tells_what_a_raster_is() {
    insta::assert_snapshot!(place_with_raster().swath(&["info", "B04.tif"]).ok(), @"
    raster      B04.tif
    format      GeoTIFF, 1957 bytes
    crs         EPSG:32632 (WGS 84 / UTM zone 32N)
    size        64 x 48 pixels
    grid        corner 600000, 6100000; pixel 10 x -10
    blocks      tiles of 16 x 16, pixel interleaved
    compression deflate, predictor 2
    overviews   32 x 24
    band 1      band_1, uint16, nodata 0, scale 0.0001, offset -0.1
    cog         valid
    ");
}

#[test]
fn json_has_the_fixed_names() {
    let outcome = place_with_raster().swath(&["info", "B04.tif", "--json"]);
    let json: serde_json::Value = serde_json::from_str(outcome.ok()).expect("JSON");
    assert_eq!(json["crs"], "EPSG:32632");
    assert_eq!(json["size"], serde_json::json!([64, 48]));
    assert_eq!(json["bands"][0]["dtype"], "uint16");
    assert_eq!(json["bands"][0]["scale"], 0.0001);
    assert_eq!(json["bands"][0]["offset"], -0.1);
    for name in ["block", "overviews", "compression"] {
        assert!(!json[name].is_null(), "{name}");
    }
    assert_eq!(json["cog"]["valid"], true, "{}", json["cog"]);
}

#[test]
fn a_file_outside_of_the_folder_is_named_as_typed() {
    let place = place_with_raster();
    let path = place.path("B04.tif").display().to_string();
    let outcome = Place::new().swath(&["info", &path]);
    assert!(outcome.ok().contains("B04.tif"));
}
