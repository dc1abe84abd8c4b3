//! Units with little memory: results are handed over while the image is scanned, shapes of parcels are on disk.

use serde_json::json;
use swath_extract::MeasureOptions;
use swath_extract::pass::{UnitOptions, work_units};

use crate::units_scene::{Archive, Grid, square};

const GRID: Grid = Grid {
    epsg: 32632,
    west: 500_000.0,
    north: 6_000_000.0,
    pixel: 10.0,
    width: 1_400,
    height: 1_400,
};
/// Parcels along a side; the last ones lie off the grid.
const SIDE: u32 = 30;

fn archive() -> Archive {
    let mut archive = Archive::new();
    let pixels = GRID.width * GRID.height;
    let values: Vec<u16> = (0..pixels).map(|at| (at % 977) as u16 + 1).collect();
    let classes: Vec<u8> = (0..pixels).map(|at| (at % 5) as u8 + 3).collect();
    let data = archive.raster("b04.tif", &GRID, &values);
    let scl = archive.raster("scl.tif", &GRID, &classes);
    let properties = json!({"platform": "sentinel-2a", "s2:datatake_id": "GS2A_20210601T103021_1_N03.00",
        "s2:mgrs_tile": "32UMB", "sat:relative_orbit": 108, "sat:orbit_state": "descending"});
    archive.item("x", properties, json!({"B04": data, "SCL": scl}));
    let places = (0..SIDE).flat_map(|col| (0..SIDE).map(move |row| (col, row)));
    let parcels: Vec<_> = places
        .map(|(col, row)| {
            let (x, y) = (500.0 * f64::from(col), 500.0 * f64::from(row));
            vec![square(500_250.0 + x, 5_999_750.0 - y, 203.0)]
        })
        .collect();
    archive.parcels(GRID.epsg, &parcels);
    archive
}

#[tokio::test]
async fn rows_are_the_same_however_little_memory_there_is() {
    let archive = archive();
    let units = work_units(archive.pass_items().await);
    let options = UnitOptions {
        classes: vec!["SCL".to_owned()],
        ..UnitOptions::default()
    };
    let whole = archive.extractor(MeasureOptions::default()).await;
    let (expected, parts) = archive
        .measure_in_parts(&whole, &units[0], &options)
        .await
        .unwrap();
    assert_eq!(parts, 1);
    let covered = (SIDE - 2) * (SIDE - 2);
    assert_eq!(expected.rows.len() as u32, covered);
    assert_eq!(expected.classes.len() as u32, covered * 5);

    let tight = archive
        .extractor(MeasureOptions {
            memory_bytes_max: 200_000,
            ..MeasureOptions::default()
        })
        .await;
    let is_on_disk = (0..900).all(|parcel| tight.parcels().parcels.bounds(parcel).is_none());
    assert!(is_on_disk, "shapes are on disk");
    let (found, parts) = archive
        .measure_in_parts(&tight, &units[0], &options)
        .await
        .unwrap();
    assert!(parts > 3, "{parts} parts");
    assert_eq!(found, expected);
}
