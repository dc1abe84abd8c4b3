//! Slices of one pass: a parcel that is cut by them is measured whole.

use serde_json::json;
use swath_extract::pass::{Average, UnitOptions, work_units};
use swath_extract::{MeasureOptions, Row};
use swath_raster::CoverageRule;

use crate::scene::mixed;
use crate::units_scene::{Archive, Grid, square};

const A: Grid = Grid {
    epsg: 32632,
    west: 500_000.0,
    north: 6_000_000.0,
    pixel: 10.0,
    width: 200,
    height: 180,
};
const B: Grid = Grid {
    west: 500_300.0,
    north: 5_998_500.0,
    ..A
};
const UNION: Grid = Grid {
    width: 230,
    height: 330,
    ..A
};

/// Noise with a wedge of nodata towards the other slice.
fn value(seed: u64, col: u32, row: u32) -> f32 {
    let is_void = if seed == 1 {
        row > 165 + col / 20
    } else {
        row < 160 && col > 120
    };
    if is_void {
        return 0.0;
    }
    let bits = mixed(seed << 40 | u64::from(row) << 20 | u64::from(col));
    1.0 + (bits % 5_000) as f32 / 7.0
}

/// Values of a slice; columns and rows count on the union.
fn values(grid: &Grid, seed: u64) -> Vec<f32> {
    let (col, row) = ((grid.west - A.west) / 10.0, (A.north - grid.north) / 10.0);
    let (col, row) = (col as u32, row as u32);
    let rows = row..row + grid.height;
    rows.flat_map(|row| (col..col + grid.width).map(move |col| value(seed, col, row)))
        .collect()
}

fn put(union: &mut [f32], grid: &Grid, own: &[f32]) {
    let (col, row) = ((grid.west - A.west) / 10.0, (A.north - grid.north) / 10.0);
    for (index, value) in own.iter().enumerate() {
        let (own_col, own_row) = (index % grid.width as usize, index / grid.width as usize);
        let at = (own_row + row as usize) * UNION.width as usize + own_col + col as usize;
        if union[at] == 0.0 {
            union[at] = *value;
        }
    }
}

fn radar(datatake: u64, second: u32) -> serde_json::Value {
    json!({"platform": "sentinel-1a", "s1:datatake_id": datatake.to_string(),
        "sat:relative_orbit": 44, "sat:orbit_state": "ascending",
        "datetime": format!("2021-06-01T17:00:{second:02}Z")})
}

/// Turned squares all over the union, some cut by both edges, some in one slice only.
fn parcels(archive: &Archive) -> usize {
    let mut all: Vec<Vec<Vec<[f64; 2]>>> = Vec::new();
    for index in 0..120_u64 {
        let unit = |salt: u64| (mixed(index * 8 + salt) >> 11) as f64 / (1_u64 << 53) as f64;
        let (x, y) = (
            500_000.0 + 2_300.0 * unit(1),
            6_000_000.0 - 3_300.0 * unit(2),
        );
        let (radius, turn) = (15.0 + 250.0 * unit(3).powi(2), 6.0 * unit(4));
        let corner = |index: u32| {
            let angle = turn + std::f64::consts::FRAC_PI_2 * f64::from(index);
            [x + radius * angle.cos(), y + radius * angle.sin()]
        };
        all.push(vec![(0..4).map(corner).collect()]);
    }
    all.push(vec![square(501_200.0, 5_998_400.0, 700.0)]);
    archive.parcels(32632, &all);
    all.len()
}

fn check(found: &[Row], expected: &[Row], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(
            (found.parcel, found.count),
            (expected.parcel, expected.count),
            "{what}"
        );
        assert!((found.clear - expected.clear).abs() < 1e-9, "{what}");
        let (Some(a), Some(b)) = (found.values, expected.values) else {
            assert_eq!(found.values, expected.values, "{what}");
            continue;
        };
        assert_eq!(
            (a.min, a.max, a.p25, a.p50, a.p75),
            (b.min, b.max, b.p25, b.p50, b.p75),
            "{what}"
        );
        assert!((a.mean - b.mean).abs() <= 1e-12 * b.mean.abs(), "{what}");
        assert!((a.stdev - b.stdev).abs() <= 1e-9 * b.mean.abs(), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parcel_cut_by_two_slices_has_the_values_of_both() {
    let mut archive = Archive::new();
    let (a, b) = (values(&A, 1), values(&B, 2));
    let mut union = vec![0.0; (UNION.width * UNION.height) as usize];
    put(&mut union, &A, &a);
    put(&mut union, &B, &b);
    let assets = [
        json!({"VV": archive.raster("a.tif", &A, &a)}),
        json!({"VV": archive.raster("b.tif", &B, &b)}),
        json!({"VV": archive.raster("union.tif", &UNION, &union)}),
    ];
    // The later slice comes first; the mosaic is another pass.
    archive.item("b", radar(7, 25), assets[1].clone());
    archive.item("a", radar(7, 0), assets[0].clone());
    archive.item("mosaic", radar(8, 30), assets[2].clone());
    let parcels = parcels(&archive);
    for rule in [CoverageRule::Fraction, CoverageRule::Centre] {
        let options = MeasureOptions {
            rule,
            ..MeasureOptions::default()
        };
        let extractor = archive.extractor(options).await;
        let measured = archive
            .measure_all(&extractor, &UnitOptions::default())
            .await;
        let [(strip, found), (_, expected)] = &measured[..] else {
            panic!("{} units", measured.len());
        };
        assert_eq!(strip.item_ids(), ["a", "b"]);
        // Parcels in the corners of the union that no slice covers have rows in the mosaic only.
        let in_strip: Vec<Row> = expected
            .rows
            .iter()
            .copied()
            .filter(|row| row.count > 0.0 || found.rows.iter().any(|own| own.parcel == row.parcel))
            .collect();
        assert!(in_strip.len() > parcels / 2);
        check(&found.rows, &in_strip, &format!("{rule:?}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_scaled_in_their_own_way_are_averaged_as_physical_values() {
    let mut archive = Archive::new();
    let stored = |grid: &Grid, number: i16| vec![number; (grid.width * grid.height) as usize];
    let mut asset = archive.raster("a.tif", &A, &stored(&A, 1_000));
    asset["bands"] = json!([{"name": "B04", "raster:scale": 0.001, "raster:offset": 0.0}]);
    archive.item("a", radar(7, 0), json!({"B04": asset}));
    let mut asset = archive.raster("b.tif", &B, &stored(&B, 3_000));
    asset["bands"] = json!([{"name": "B04", "raster:scale": 0.001, "raster:offset": -1.0}]);
    archive.item("b", radar(7, 25), json!({"B04": asset}));
    // 20 x 20 pixels: the upper 10 rows in the first slice, which ends at 5,998,200.
    archive.parcels(32632, &[vec![square(501_000.0, 5_998_200.0, 100.0)]]);
    let extractor = archive.extractor(MeasureOptions::default()).await;
    let measured = archive
        .measure_all(&extractor, &UnitOptions::default())
        .await;
    let row = measured[0].1.rows[0];
    let values = row.values.unwrap();
    assert_eq!(
        (measured.len(), row.count, values.min, values.max),
        (1, 400.0, 1.0, 2.0)
    );
    assert!((values.mean - 1.5).abs() < 1e-12);
}

#[tokio::test(flavor = "multi_thread")]
async fn decibels_are_averaged_as_power_where_the_collection_says_so() {
    let mut archive = Archive::new();
    let values: Vec<f32> = (0..A.width * A.height)
        .map(|at| if at % 2 == 0 { -10.0 } else { -20.0 })
        .collect();
    let mut asset = archive.raster("a.tif", &A, &values);
    asset["bands"] = json!([{"name": "VV", "unit": "dB"}]);
    archive.item("a", radar(7, 0), json!({"VV": asset}));
    archive.parcels(32632, &[vec![square(501_000.0, 5_999_000.0, 100.0)]]);
    let extractor = archive.extractor(MeasureOptions::default()).await;
    let mean = async |average: Average| {
        let options = UnitOptions {
            average,
            ..UnitOptions::default()
        };
        let measured = archive.measure_all(&extractor, &options).await;
        measured[0].1.rows[0].values.unwrap()
    };
    assert!((mean(Average::Stored).await.mean + 15.0).abs() < 1e-6);
    let linear = mean(Average::Linear).await;
    assert!((linear.mean - 10.0 * 0.055f64.log10()).abs() < 1e-6);
    assert!((linear.min + 20.0).abs() < 1e-6 && (linear.max + 10.0).abs() < 1e-6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_that_vanished_or_changed_fails_its_unit_alone() {
    let mut archive = Archive::new();
    let asset = archive.raster("a.tif", &A, &values(&A, 1));
    archive.item("good", radar(1, 0), json!({"VV": asset}));
    let asset = archive.raster("gone.tif", &A, &values(&A, 1));
    archive.item("gone", radar(2, 0), json!({"VV": asset}));
    let mut asset = archive.raster("changed.tif", &A, &values(&A, 1));
    asset["file:size"] = json!(12);
    archive.item("changed", radar(3, 0), json!({"VV": asset}));
    parcels(&archive);
    let extractor = archive.extractor(MeasureOptions::default()).await;
    let units = work_units(archive.pass_items().await);
    std::fs::remove_file(archive.path("gone.tif")).unwrap();
    for unit in &units {
        let measured = archive
            .measure(&extractor, unit, &UnitOptions::default())
            .await;
        match (unit.first().id.as_str(), measured) {
            ("good", measured) => assert!(!measured.unwrap().rows.is_empty()),
            (id, Ok(_)) => panic!("{id} should fail"),
            (id, Err(error)) => {
                assert!(error.is_own_fault(), "{id}: {error}");
                let said = error.to_string();
                assert!(said.contains(&format!("{id}.tif")), "{said}");
            }
        }
    }
}
