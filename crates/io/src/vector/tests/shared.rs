//! The official declarations of many countries, against GeoPandas.

use std::path::PathBuf;

use super::super::{ParcelOptions, VectorErrorKind, check, read_parcels};

fn shared_data() -> Option<PathBuf> {
    let shared = match std::env::var_os("SWATH_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    let data = shared.join("data");
    if !data.join("parcels").is_dir() {
        println!("skipped: no shared data at {}", data.display());
        return None;
    }
    Some(data)
}

fn for_check() -> ParcelOptions {
    ParcelOptions {
        number_rows: true,
        ..Default::default()
    }
}

/// The summary was written with GeoPandas (BSD-3): number, CRS, types and area in EPSG:6933.
#[tokio::test]
async fn the_summary_of_geopandas_is_met() {
    let Some(data) = shared_data() else { return };
    let summary = std::fs::read_to_string(data.join("parcels/expected_summary_geopandas.csv"))
        .expect("the summary");
    let mut count = 0;
    for line in summary.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [file, features, epsg, kind, area_ha, _] = cells[..] else {
            panic!("{line}")
        };
        let source = read_parcels(&data.join(file), &for_check())
            .await
            .expect(file);
        let found = check(&source);
        assert_eq!(found.features.to_string(), features, "{file}");
        assert_eq!(found.epsg.map(f64::from), epsg.parse().ok(), "{file}");
        assert_eq!(
            found.geometry_types.keys().collect::<Vec<_>>(),
            [kind],
            "{file}"
        );
        let expected_m2 = area_ha.parse::<f64>().expect("an area") * 10_000.0;
        let area_m2 = found.area_m2.expect("an area");
        assert!(
            (area_m2 / expected_m2 - 1.0).abs() < 1e-3,
            "{file}: {area_m2} {expected_m2}"
        );
        count += 1;
    }
    assert_eq!(count, 14);
}

#[tokio::test]
async fn other_files_are_read_or_refused_by_name() {
    let Some(data) = shared_data() else { return };
    let lpis = data.join("parcels/gsaa-lpis");
    for (file, word) in [
        (
            "fr/RPG_2-0__GPKG_LAMB93_FXX_2022-01-01.7z.001",
            "7z archive",
        ),
        ("lv/1_100.xml", "WFS"),
        ("at/at_2021.csv", "CSV"),
        ("../../cog/titiler_S2_T34_B01.tif", "TIFF"),
    ] {
        let error = read_parcels(&lpis.join(file), &for_check())
            .await
            .expect_err(file);
        assert_eq!(error.kind(), VectorErrorKind::Data, "{file}");
        assert!(error.to_string().contains(word), "{error}");
    }
    for file in [
        "cz/bd51ec4dea8697946b9a570a6b7c9fe587e2f8334cee74778d2339da43178d38",
        "lt/LT_2024.zip",
    ] {
        let source = read_parcels(&lpis.join(file), &for_check())
            .await
            .expect(file);
        assert_eq!(source.parcels.len(), 100, "{file}");
    }
}

#[tokio::test]
async fn the_examples_of_geoparquet_are_read_or_named() {
    let Some(data) = shared_data() else { return };
    let folder = data.join("reference-numeric/geoparquet");
    for (file, kind) in [
        ("examples/example.parquet", None),
        ("test_data/data-polygon-encoding_wkb.parquet", None),
        ("test_data/data-multipolygon-encoding_wkb.parquet", None),
        ("test_data/data-point-encoding_wkb.parquet", None),
        (
            "test_data/data-linestring-encoding_wkb.parquet",
            Some("LineString"),
        ),
        // Of its multipoints two are of one point each.
        ("test_data/data-multipoint-encoding_wkb.parquet", None),
        (
            "test_data/data-multilinestring-encoding_wkb.parquet",
            Some("MultiLineString"),
        ),
    ] {
        match (read_parcels(&folder.join(file), &for_check()).await, kind) {
            (Ok(source), None) => assert!(source.parcels.len() > 1, "{file}"),
            (Err(error), Some(kind)) => assert!(error.to_string().contains(kind), "{error}"),
            (result, _) => panic!("{file}: {:?}", result.map(|source| source.report)),
        }
    }
}
