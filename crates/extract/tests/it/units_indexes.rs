//! Indexes per pixel, by hand: the mean of the pixels' NDVI, of one slice and of two.

use serde_json::{Value, json};
use swath_extract::pass::{UnitOptions, UnitRows, WorkUnit, work_units};
use swath_extract::{MeasureOptions, PixelIndex};

use crate::units_scene::{Archive, Grid, square};

const GRID: Grid = Grid {
    epsg: 32632,
    west: 500_000.0,
    north: 6_000_000.0,
    pixel: 10.0,
    width: 64,
    height: 64,
};
/// Pixels of the parcel, from the north-west corner.
const PARCEL: std::ops::Range<u32> = 20..44;

/// Stored reflectances of red and near infrared; 0 is nodata.
fn pixel(col: u32, row: u32) -> (u16, u16) {
    match (col % 7, row % 5) {
        // Two pixels without one of the two.
        (0, 0) => (0, 3_000),
        (1, 0) => (1_500, 0),
        // 0/0 after scale and offset.
        (2, 0) => (1_000, 1_000),
        (across, down) => (1_100 + 90 * across as u16, 1_500 + 700 * down as u16),
    }
}

fn options(indexes: &[&str]) -> UnitOptions {
    let parse = |text: &&str| PixelIndex::parse(text).unwrap();
    UnitOptions {
        bands: vec!["B04".to_owned()],
        indexes: indexes.iter().map(parse).collect(),
        ..UnitOptions::default()
    }
}

/// Adds an item with red and near infrared over some columns.
fn item(archive: &mut Archive, id: &str, cols: std::ops::Range<u32>, properties: Value) {
    let grid = Grid {
        west: GRID.west + f64::from(cols.start) * GRID.pixel,
        width: cols.end - cols.start,
        ..GRID
    };
    let rows = 0..GRID.height;
    let all = rows.flat_map(|row| cols.clone().map(move |col| pixel(col, row)));
    let (red, near): (Vec<u16>, Vec<u16>) = all.unzip();
    let mut assets = json!({});
    for (name, values) in [("B04", red), ("B08", near)] {
        let mut asset = archive.raster(&format!("{id}-{name}.tif"), &grid, &values);
        asset["bands"] = json!([{"name": name, "raster:scale": 0.0001, "raster:offset": -0.1}]);
        assets[name] = asset;
    }
    archive.item(id, properties, assets);
}

/// Means of NDVI and of red over the pixels of the parcel.
fn expected() -> (f64, f64, f64) {
    let (mut sum, mut count, mut red_sum, mut red_count) = (0.0, 0.0, 0.0, 0.0);
    for (col, row) in PARCEL.flat_map(|col| PARCEL.map(move |row| (col, row))) {
        let (red, near) = pixel(col, row);
        let [scaled_red, scaled_near] = [red, near].map(|stored| f64::from(stored) * 0.0001 - 0.1);
        if red != 0 {
            red_sum += scaled_red;
            red_count += 1.0;
        }
        let ndvi = ((scaled_near - scaled_red) / (scaled_near + scaled_red)) as f32;
        if red != 0 && near != 0 && ndvi.is_finite() {
            sum += f64::from(ndvi);
            count += 1.0;
        }
    }
    (sum / count, count, red_sum / red_count)
}

async fn measure(archive: &Archive) -> Vec<(WorkUnit, UnitRows)> {
    let middle = f64::from(PARCEL.start + PARCEL.end) / 2.0 * GRID.pixel;
    let half = f64::from(PARCEL.end - PARCEL.start) / 2.0 * GRID.pixel;
    let parcel = square(GRID.west + middle, GRID.north - middle, half);
    archive.parcels(GRID.epsg, &[vec![parcel]]);
    let extractor = archive.extractor(MeasureOptions::default()).await;
    archive.measure_all(&extractor, &options(&["NDVI"])).await
}

fn assert_means(rows: &UnitRows) {
    let (mean, count, red) = expected();
    let of = |name: &str| {
        let band = rows.bands.iter().position(|band| band == name).unwrap();
        let mut own = rows.rows.iter().filter(|row| row.band as usize == band);
        (own.next().copied(), own.next())
    };
    let (Some(ndvi), None) = of("NDVI") else {
        panic!("one row: {rows:?}")
    };
    assert!((ndvi.count - count).abs() < 1e-9, "{} {count}", ndvi.count);
    let found = ndvi.values.unwrap();
    assert!((found.mean - mean).abs() < 1e-9, "{} {mean}", found.mean);
    assert!(found.min >= -1.0 && found.max <= 1.0 && found.stdev > 0.0);
    let (Some(own), None) = of("B04") else {
        panic!("one row: {rows:?}")
    };
    assert!((own.values.unwrap().mean - red).abs() < 1e-9);
    assert_eq!(
        rows.rows.len(),
        2,
        "the other band is read for the index only"
    );
}

#[tokio::test]
async fn the_mean_is_over_the_pixels_that_have_the_index() {
    let mut archive = Archive::new();
    item(&mut archive, "one", 0..GRID.width, json!({}));
    let measured = measure(&archive).await;
    assert_eq!(measured.len(), 1);
    assert_means(&measured[0].1);
}

#[tokio::test]
async fn a_parcel_in_two_slices_has_the_mean_over_both() {
    let mut archive = Archive::new();
    for (id, cols, second) in [("left", 0..33, 0), ("right", 33..GRID.width, 25)] {
        let properties = json!({"platform": "sentinel-2a", "s2:datatake_id": "GS2A_1",
            "sat:relative_orbit": 8, "datetime": format!("2021-06-01T10:00:{second:02}Z")});
        item(&mut archive, id, cols, properties);
    }
    let measured = measure(&archive).await;
    let filled = measured.iter().filter(|(_, rows)| !rows.rows.is_empty());
    let filled: Vec<_> = filled.collect();
    assert_eq!(filled.len(), 1, "{measured:?}");
    assert_means(&filled[0].1);
}

#[tokio::test]
async fn what_cannot_be_computed_is_the_fault_of_the_item() {
    let mut archive = Archive::new();
    item(&mut archive, "one", 0..GRID.width, json!({}));
    let coarse = Grid {
        pixel: 20.0,
        width: 32,
        height: 32,
        ..GRID
    };
    let mut asset = archive.raster("coarse.tif", &coarse, &[700_u16; 32 * 32]);
    asset["bands"] = json!([{"name": "B11"}]);
    archive.items[0]["assets"]["B11"] = asset;
    archive.parcels(GRID.epsg, &[vec![square(500_300.0, 5_999_700.0, 100.0)]]);
    let extractor = archive.extractor(MeasureOptions::default()).await;
    let units = work_units(archive.pass_items().await);
    for (index, part) in [
        ("NDMI", "B11 have other pixels"),
        ("x=B99/B04", "no band B99"),
        ("B04=B08", "has that name already"),
    ] {
        let wanted = options(&[index]);
        let refused = archive.measure(&extractor, &units[0], &wanted);
        let refused = refused.await.unwrap_err();
        assert!(refused.is_own_fault(), "{refused}");
        assert!(refused.to_string().contains(part), "{refused}");
    }
}
