//! Tiles of one pass that overlap: every parcel has one row, from the tile that geometry says.

use std::collections::BTreeMap;

use serde_json::json;
use swath_extract::MeasureOptions;
use swath_extract::pass::{UnitOptions, UnitRows, WorkUnit, work_units};

use crate::scene::mixed;
use crate::units_scene::{Archive, Grid, square};

/// Tiles of 30 km, pixels of 100 m.
fn tile(epsg: u16, west: f64, north: f64) -> Grid {
    Grid {
        epsg,
        west,
        north,
        pixel: 100.0,
        width: 300,
        height: 300,
    }
}

fn optical(tile: &str) -> serde_json::Value {
    json!({"platform": "sentinel-2a", "s2:datatake_id": "GS2A_20210601T103021_031000_N03.00",
        "s2:mgrs_tile": tile})
}

/// An archive with a tile each, whose values are 1, 2, …
fn tiles(grids: &[(&str, Grid)]) -> Archive {
    let mut archive = Archive::new();
    for (index, (name, grid)) in grids.iter().enumerate() {
        let values = vec![index as u16 + 1; (grid.width * grid.height) as usize];
        let asset = archive.raster(&format!("{name}.tif"), grid, &values);
        archive.item(name, optical(name), json!({"B04": asset}));
    }
    archive
}

/// Returns the tiles that have a row for each parcel.
fn owners(measured: &[(WorkUnit, UnitRows)]) -> BTreeMap<u32, Vec<String>> {
    let mut owners: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for (unit, rows) in measured {
        for row in &rows.rows {
            owners
                .entry(row.parcel)
                .or_default()
                .push(unit.part().to_owned());
        }
    }
    owners
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_overlap_of_two_tiles_the_one_with_the_farther_edge_owns() {
    // a: 600..630 km, b: 620..650 km.
    let (a, b) = (
        tile(32632, 600_000.0, 6_000_000.0),
        tile(32632, 620_000.0, 6_000_000.0),
    );
    let archive = tiles(&[("32UAA", a), ("32UBB", b)]);
    let at = |x: f64| vec![square(x, 5_985_000.0, 150.0)];
    let mut parcels = vec![
        at(610_000.0),
        at(640_000.0),
        at(623_000.0),                               // in both, 7 km into a
        at(627_000.0),                               // in both, 7 km into b
        at(625_000.0),                               // in the middle: the first name
        at(620_000.0),                               // cut by b's edge, wholly in a
        at(630_050.0),                               // cut by a's edge, wholly in b
        vec![square(600_000.0, 5_985_000.0, 150.0)], // cut by the outer edge: a, half of it
        vec![square(660_000.0, 5_985_000.0, 150.0)], // in neither
    ];
    let named = parcels.len();
    for index in 0..600 {
        let unit = |salt: u64| (mixed(index * 4 + salt) >> 11) as f64 / (1_u64 << 53) as f64;
        let half = 20.0 + 3_000.0 * unit(3).powi(4);
        parcels.push(vec![square(
            600_500.0 + 49_000.0 * unit(1),
            5_999_000.0 - 28_000.0 * unit(2),
            half,
        )]);
    }
    archive.parcels(32632, &parcels);
    let extractor = archive.extractor(MeasureOptions::default()).await;
    let measured = archive
        .measure_all(&extractor, &UnitOptions::default())
        .await;
    assert_eq!(measured.len(), 2);
    let owners = owners(&measured);
    let expected = [
        "32UAA", "32UBB", "32UAA", "32UBB", "32UAA", "32UAA", "32UBB", "32UAA",
    ];
    for (parcel, name) in expected.iter().enumerate() {
        assert_eq!(
            owners.get(&(parcel as u32)),
            Some(&vec![(*name).to_owned()]),
            "parcel {parcel}"
        );
    }
    assert_eq!(owners.get(&8), None, "a parcel off all tiles has no row");
    for parcel in named..parcels.len() {
        assert_eq!(
            owners.get(&(parcel as u32)).map(Vec::len),
            Some(1),
            "parcel {parcel}"
        );
    }
    let half = measured[0]
        .1
        .rows
        .iter()
        .find(|row| row.parcel == 7)
        .unwrap();
    assert!((half.clear - 0.5).abs() < 1e-9 && (half.count - 4.5).abs() < 1e-9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_larger_share_owns_where_no_tile_holds_a_parcel() {
    // a gap of 1 km between two tiles, and parcels of 3 km across it.
    let (a, b) = (
        tile(32632, 600_000.0, 6_000_000.0),
        tile(32632, 631_000.0, 6_000_000.0),
    );
    let archive = tiles(&[("32UBB", a), ("32UAA", b)]);
    let at = |x: f64| vec![square(x, 5_985_000.0, 1_500.0)];
    archive.parcels(32632, &[at(630_400.0), at(630_600.0), at(630_500.0)]);
    let extractor = archive.extractor(MeasureOptions::default()).await;
    let owners = owners(
        &archive
            .measure_all(&extractor, &UnitOptions::default())
            .await,
    );
    assert_eq!(owners[&0], ["32UBB"]);
    assert_eq!(owners[&1], ["32UAA"]);
    assert_eq!(owners[&2], ["32UAA"], "of equal shares the first name");
}

#[tokio::test(flavor = "multi_thread")]
async fn between_two_utm_zones_the_centroid_decides() {
    // Around 6° E at 50.1° N: 714.6 km in zone 31, 285.4 km in zone 32.
    let west = tile(32631, 700_000.0, 5_570_000.0);
    let east = tile(32632, 270_000.0, 5_570_000.0);
    let archive = tiles(&[("31UGR", west), ("32UKA", east)]);
    let mut parcels = Vec::new();
    for index in 0..200 {
        let unit = |salt: u64| (mixed(index * 4 + salt) >> 11) as f64 / (1_u64 << 53) as f64;
        let (x, y, half) = (
            5.9 + 0.2 * unit(1),
            50.08 + 0.08 * unit(2),
            0.0005 + 0.004 * unit(3),
        );
        parcels.push((x, vec![square(x, y, half)]));
    }
    parcels.push((5.999_999, vec![square(5.999_999, 50.1, 0.001)]));
    parcels.push((6.000_001, vec![square(6.000_001, 50.1, 0.001)]));
    let rings: Vec<_> = parcels.iter().map(|(_, rings)| rings.clone()).collect();
    archive.parcels(4326, &rings);
    let extractor = archive.extractor(MeasureOptions::default()).await;
    let owners = owners(
        &archive
            .measure_all(&extractor, &UnitOptions::default())
            .await,
    );
    for (parcel, (x, _)) in parcels.iter().enumerate() {
        let expected = if *x < 6.0 { "31UGR" } else { "32UKA" };
        assert_eq!(
            owners.get(&(parcel as u32)),
            Some(&vec![expected.to_owned()]),
            "at {x}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_60_and_1_meet_at_the_antimeridian() {
    // At 17° S the meridian lies at 819.5 km in zone 60 and 180.5 km in zone 1.
    let west = tile(32760, 805_000.0, 8_135_000.0);
    let east = tile(32701, 165_000.0, 8_135_000.0);
    let archive = tiles(&[("60KXX", west), ("01KAA", east)]);
    let cut = vec![
        vec![
            [179.99, -17.01],
            [180.0, -17.01],
            [180.0, -17.0],
            [179.99, -17.0],
        ],
        vec![
            [-180.0, -17.01],
            [-179.98, -17.01],
            [-179.98, -17.0],
            [-180.0, -17.0],
        ],
    ];
    archive.parcels(
        4326,
        &[
            vec![square(179.95, -17.0, 0.002)],
            vec![square(-179.95, -17.0, 0.002)],
            cut,
        ],
    );
    let extractor = archive.extractor(MeasureOptions::default()).await;
    let owners = owners(
        &archive
            .measure_all(&extractor, &UnitOptions::default())
            .await,
    );
    assert_eq!(owners[&0], ["60KXX"]);
    assert_eq!(owners[&1], ["01KAA"]);
    assert_eq!(owners[&2], ["01KAA"], "two thirds of it lie in the east");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tile_that_comes_late_takes_its_parcels_over() {
    let (a, b) = (
        tile(32632, 600_000.0, 6_000_000.0),
        tile(32632, 620_000.0, 6_000_000.0),
    );
    let mut archive = tiles(&[("32UAA", a), ("32UBB", b)]);
    archive.parcels(32632, &[vec![square(627_000.0, 5_985_000.0, 150.0)]]);
    let extractor = archive.extractor(MeasureOptions::default()).await;
    let late = archive.items.pop().unwrap();
    let before = archive
        .measure_all(&extractor, &UnitOptions::default())
        .await;
    assert_eq!(owners(&before)[&0], ["32UAA"]);
    archive.items.insert(0, late);
    let after = archive
        .measure_all(&extractor, &UnitOptions::default())
        .await;
    assert_eq!(owners(&after)[&0], ["32UBB"]);
    assert_eq!(before[0].0.key, after[0].0.key);
    assert_ne!(before[0].0.inputs, after[0].0.inputs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parcel_that_vanishes_or_holds_no_centre_keeps_a_row_where_it_lies() {
    let (a, b) = (
        tile(32632, 600_000.0, 6_000_000.0),
        tile(32632, 800_000.0, 6_000_000.0),
    );
    let archive = tiles(&[("32UAA", a), ("32UBB", b)]);
    archive.parcels(32632, &[vec![square(610_010.0, 5_985_010.0, 5.0)]]);
    for (rule, buffer_m) in [
        (swath_raster::CoverageRule::Fraction, -20.0),
        (swath_raster::CoverageRule::Centre, 0.0),
    ] {
        let options = MeasureOptions {
            rule,
            buffer_m,
            ..MeasureOptions::default()
        };
        let extractor = archive.extractor(options).await;
        let measured = archive
            .measure_all(&extractor, &UnitOptions::default())
            .await;
        assert_eq!(owners(&measured)[&0], ["32UAA"], "{rule:?}");
        assert_eq!(
            (measured[0].1.rows[0].count, measured[0].1.rows[0].values),
            (0.0, None)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reprocessed_tile_replaces_the_older_one() {
    let grid = tile(32632, 600_000.0, 6_000_000.0);
    let mut archive = Archive::new();
    for (id, baseline, value) in [("new", "05.09", 7_u16), ("old", "04.00", 3)] {
        let asset = archive.raster(&format!("{id}.tif"), &grid, &vec![value; 90_000]);
        let mut properties = optical("32UAA");
        properties["s2:datatake_id"] = json!(format!("GS2A_20210601T103021_031000_N{baseline}"));
        properties["s2:processing_baseline"] = json!(baseline);
        archive.item(id, properties, json!({"B04": asset}));
    }
    archive.parcels(32632, &[vec![square(610_000.0, 5_985_000.0, 150.0)]]);
    let extractor = archive.extractor(MeasureOptions::default()).await;
    let measured = archive
        .measure_all(&extractor, &UnitOptions::default())
        .await;
    assert_eq!(measured.len(), 1);
    assert_eq!(measured[0].0.superseded, ["old"]);
    assert_eq!(measured[0].1.rows[0].values.unwrap().mean, 7.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_does_not_say_its_grid_is_opened_for_it() {
    let (a, b) = (
        tile(32632, 600_000.0, 6_000_000.0),
        tile(32632, 620_000.0, 6_000_000.0),
    );
    let mut archive = tiles(&[("32UAA", a), ("32UBB", b)]);
    let declared = work_units(archive.pass_items().await);
    for item in &mut archive.items {
        let asset = item["assets"]["B04"].as_object_mut().unwrap();
        asset.retain(|name, _| !name.starts_with("proj:"));
    }
    let opened = work_units(archive.pass_items().await);
    for (declared, opened) in declared.iter().zip(&opened) {
        assert_eq!(declared.first().grid, opened.first().grid);
        assert_eq!(declared.neighbours, opened.neighbours);
        assert_eq!(declared.inputs, opened.inputs);
    }
}
