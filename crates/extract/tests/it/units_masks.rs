//! Masks of units: classes that are dropped, what they grow by, and the counts of classes.

use arrow::array::{Array, AsArray, Int32Array};
use arrow::datatypes::{Float32Type, Int16Type, Int32Type};
use serde_json::json;
use swath_extract::MeasureOptions;
use swath_extract::pass::{UnitOptions, class_batch, unit_batch};
use swath_extract::table::{classes_schema, extracts_schema};
use swath_raster::CoverageRule;

use crate::scene::mixed;
use crate::units_scene::{Archive, Grid, square};

const DATA: Grid = Grid {
    epsg: 32632,
    west: 500_000.0,
    north: 6_000_000.0,
    pixel: 10.0,
    width: 300,
    height: 300,
};
const CLASSES: Grid = Grid {
    pixel: 20.0,
    width: 150,
    height: 150,
    ..DATA
};

/// Vegetation, some snow, clouds here and there, a corner of nodata.
fn class(col: u32, row: u32) -> u8 {
    if col < 5 && row < 5 {
        return 0;
    }
    match mixed(u64::from(row) << 20 | u64::from(col)) % 1_000 {
        0..4 => 9,
        4..40 => 11,
        _ => 4,
    }
}

fn archive() -> Archive {
    let mut archive = Archive::new();
    let values: Vec<u16> = (0..DATA.width * DATA.height)
        .map(|at| (at % 977) as u16 + 1)
        .collect();
    let classes: Vec<u8> = (0..CLASSES.height)
        .flat_map(|row| (0..CLASSES.width).map(move |col| class(col, row)))
        .collect();
    let data = archive.raster("b04.tif", &DATA, &values);
    let scl = archive.raster("scl.tif", &CLASSES, &classes);
    let properties = json!({"platform": "sentinel-2a", "s2:datatake_id": "GS2A_20210601T103021_1_N03.00",
        "s2:mgrs_tile": "32UMB", "sat:relative_orbit": 108, "sat:orbit_state": "descending"});
    archive.item("x", properties, json!({"B04": data, "SCL": scl}));
    let mut parcels: Vec<_> = (0..9)
        .flat_map(|col| (0..9).map(move |row| (f64::from(col), f64::from(row))))
        .map(|(col, row)| {
            vec![square(
                500_170.0 + 320.0 * col,
                5_999_830.0 - 320.0 * row,
                140.0,
            )]
        })
        .collect();
    parcels.push(vec![square(500_050.0, 5_999_950.0, 30.0)]);
    archive.parcels(32632, &parcels);
    archive
}

/// True where a data pixel keeps its value, computed pixel by pixel.
fn is_kept(col: u32, row: u32, dilation_m: f64) -> bool {
    let (own_col, own_row) = (col / 2, row / 2);
    if class(own_col, own_row) == 0 {
        return false;
    }
    let reach = (dilation_m / 20.0).floor() as i64;
    for other_row in i64::from(own_row) - reach..=i64::from(own_row) + reach {
        for other_col in i64::from(own_col) - reach..=i64::from(own_col) + reach {
            if !(0..150).contains(&other_col) || !(0..150).contains(&other_row) {
                continue;
            }
            let (x, y) = (
                other_col - i64::from(own_col),
                other_row - i64::from(own_row),
            );
            let is_near = 400.0 * (x * x + y * y) as f64 <= dilation_m * dilation_m;
            if is_near && class(other_col as u32, other_row as u32) == 9 {
                return false;
            }
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_classes_grow_by_metres_also_across_blocks() {
    let archive = archive();
    let options = MeasureOptions {
        rule: CoverageRule::Centre,
        ..MeasureOptions::default()
    };
    let extractor = archive.extractor(options).await;
    for dilation_m in [0.0, 20.0, 50.0, 130.0] {
        let options = UnitOptions {
            bands: vec!["B04".to_owned()],
            mask_scl: Some(vec![9.0]),
            mask_dilation_m: dilation_m,
            ..UnitOptions::default()
        };
        let measured = archive.measure_all(&extractor, &options).await;
        let rows = &measured[0].1.rows;
        assert_eq!(rows.len(), 82);
        for row in &rows[..81] {
            let (col, line) = (row.parcel / 9, row.parcel % 9);
            let (first_col, first_row) = (3 + 32 * col, 3 + 32 * line);
            let rows = first_row..first_row + 28;
            let pixels =
                rows.flat_map(|row| (first_col..first_col + 28).map(move |col| (col, row)));
            let expected = pixels
                .filter(|(col, row)| is_kept(*col, *row, dilation_m))
                .count();
            assert_eq!(
                row.count, expected as f64,
                "parcel {} at {dilation_m} m",
                row.parcel
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parcel_without_a_clear_pixel_has_a_row_of_nulls() {
    let archive = archive();
    let extractor = archive.extractor(MeasureOptions::default()).await;
    let options = UnitOptions {
        classes: vec!["SCL".to_owned()],
        mask_scl: Some(vec![0.0, 1.0, 3.0, 8.0, 9.0, 10.0]),
        ..UnitOptions::default()
    };
    let measured = archive.measure_all(&extractor, &options).await;
    let (unit, rows) = &measured[0];
    let ids: Vec<String> = (0..82).map(|parcel| format!("p{parcel}")).collect();
    let id = |parcel: u32| ids[parcel as usize].as_str();
    let batch = unit_batch(unit, rows, &id).unwrap();
    assert_eq!(batch.schema(), extracts_schema());
    assert_eq!(batch.num_rows(), 82, "the band of classes is not averaged");
    let column = |name: &str| batch.column_by_name(name).unwrap().clone();
    let last = batch.num_rows() - 1;
    assert_eq!(
        column("count").as_primitive::<Float32Type>().value(last),
        0.0
    );
    assert!(column("mean").is_null(last) && !column("mean").is_null(0));
    assert_eq!(column("parcel_id").as_string::<i32>().value(last), "p81");
    assert_eq!(column("item_id").as_string::<i32>().value(0), "x");
    assert_eq!(
        column("pass").as_string::<i32>().value(0),
        "sentinel-2a_20210601T103021"
    );
    assert_eq!(
        column("relative_orbit")
            .as_primitive::<Int16Type>()
            .value(0),
        108
    );
    // Snow stays, and the counts of classes say what the mask took.
    let batch = class_batch(unit, rows, &id).unwrap();
    assert_eq!(batch.schema(), classes_schema());
    let classes = batch.column_by_name("class").unwrap();
    let classes: &Int32Array = classes.as_primitive::<Int32Type>();
    let counts = batch
        .column_by_name("count")
        .unwrap()
        .as_primitive::<Float32Type>()
        .clone();
    let sum = |class: i32| -> f64 {
        let rows = 0..batch.num_rows();
        rows.filter(|row| classes.value(*row) == class)
            .map(|row| f64::from(counts.value(row)))
            .sum()
    };
    assert!(sum(9) > 0.0 && sum(11) > 0.0 && sum(4) > 0.0);
    assert_eq!(sum(0), 0.0, "0 is the nodata of the file");
    let parcels = batch.column_by_name("parcel").unwrap();
    assert!(!parcels.as_primitive::<Int32Type>().values().contains(&81));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dilation_that_makes_no_sense_is_refused() {
    let archive = archive();
    let extractor = archive.extractor(MeasureOptions::default()).await;
    let units = swath_extract::pass::work_units(archive.pass_items().await);
    for dilation_m in [-5.0, f64::NAN, 1e9] {
        let options = UnitOptions {
            mask_scl: Some(vec![9.0]),
            mask_dilation_m: dilation_m,
            ..UnitOptions::default()
        };
        let refused = archive.measure(&extractor, &units[0], &options).await;
        assert!(refused.is_err(), "{dilation_m}");
    }
}
