//! Only what parcels touch is fetched, and it gives the same rows from everywhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use swath_extract::{Extractor, MeasureOptions};
use swath_grid::{Size, Window};
use swath_io::GeoTiff;
use swath_raster::{CoverageRule, DataType, Pixels, SHARE_MIN, coverage};
use swath_testkit::FaultServer;
use swath_testkit::table::read_parquet;

use crate::scene::{Image, extractor, fields, geobox, measure, mixed, open, stores, write_parcels};

/// What opening a raster asks for.
const HEADER_BYTES: u64 = 64 << 10;
const SIDE: u32 = 10_980;

/// Returns the stored bytes of the blocks in which a parcel has a share.
fn touched_bytes(extractor: &Extractor, raster: &GeoTiff) -> u64 {
    let grid = geobox(SIDE);
    let mut numbers = BTreeSet::new();
    for (_, polygon) in extractor.parcels().parcels.iter() {
        for run in coverage(&polygon, &grid, CoverageRule::Fraction).runs {
            if run.share as f32 >= SHARE_MIN {
                let window = Window {
                    col: run.col,
                    row: run.row,
                    width: run.len,
                    height: 1,
                };
                numbers.extend(raster.blocks_of(&window));
            }
        }
    }
    numbers
        .iter()
        .map(|number| raster.block_bytes(*number, &[0]))
        .sum()
}

/// Measures 100 parcels on a tile of blocks of `block_px` locally, over HTTP and over S3; returns
/// for each server how many bytes it sent per byte of touched blocks, and its number of requests.
async fn ratios(block_px: u32, value: fn(u64) -> u8) -> Vec<(f64, u64)> {
    let folder = tempfile::tempdir().unwrap();
    let rows = move |first: u32, rows: u32| {
        let from = u64::from(first) * u64::from(SIDE);
        Pixels::U8(
            (from..from + u64::from(rows) * u64::from(SIDE))
                .map(|at| value(mixed(at)))
                .collect(),
        )
    };
    let image = Image {
        side: SIDE,
        block_px,
        data_type: DataType::U8,
        nodata: None,
        rows,
    };
    image.write(&folder.path().join("tile.tif"), "2020-05-06T00:00:00Z");
    let parcels = folder.path().join("parcels.json");
    write_parcels(&parcels, &fields(100, SIDE, u64::from(block_px)));
    let mut extractor = extractor(&parcels, MeasureOptions::default()).await;

    let local = open(
        &stores(None),
        folder.path().join("tile.tif").to_str().unwrap(),
    )
    .await
    .unwrap();
    assert_eq!(
        local.block_size(),
        Size {
            width: block_px,
            height: block_px
        }
    );
    let touched = touched_bytes(&extractor, &local);
    let output = folder.path().join("local.parquet");
    let report = measure(&mut extractor, &local, &output).await.unwrap();
    assert_eq!((report.rows, report.off_raster), (100, 0));
    let expected = read_parquet(&output);
    assert!(
        report.bytes as f64 <= 1.2 * touched as f64,
        "{} of {touched}",
        report.bytes
    );

    let http = FaultServer::start_http(folder.path()).await;
    let s3 = FaultServer::start_s3(folder.path()).await;
    let mut ratios = Vec::new();
    for (server, href) in [
        (&http, http.url("tile.tif")),
        (&s3, format!("s3://{}/tile.tif", s3.bucket())),
    ] {
        let raster: Arc<GeoTiff> = open(&stores(Some(server)), &href).await.unwrap();
        let output = folder.path().join("remote.parquet");
        measure(&mut extractor, &raster, &output).await.unwrap();
        assert_eq!(read_parquet(&output), expected);
        let stats = server.stats();
        ratios.push((
            (stats.bytes_sent - HEADER_BYTES) as f64 / touched as f64,
            stats.total(),
        ));
    }
    println!("blocks of {block_px}: {touched} bytes touched, {ratios:?}");
    ratios
}

#[tokio::test(flavor = "multi_thread")]
async fn few_parcels_of_a_noisy_tile_cost_their_blocks() {
    for (ratio, requests) in ratios(512, |bits| bits as u8).await {
        assert!(ratio <= 1.2, "{ratio}");
        assert!(requests <= 150, "{requests}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn few_parcels_of_a_compact_tile_cost_their_blocks() {
    // One pixel in eight differs: blocks of about 20 kB, nearer than a wide gap.
    for (ratio, _) in ratios(512, |bits| 7 + u8::from(bits % 8 == 0)).await {
        assert!(ratio <= 1.2, "{ratio}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn few_parcels_of_small_blocks_cost_their_blocks() {
    for (ratio, _) in ratios(256, |bits| bits as u8).await {
        assert!(ratio <= 1.2, "{ratio}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn few_parcels_of_tiny_blocks_cost_their_blocks() {
    for (ratio, _) in ratios(128, |bits| bits as u8 % 16).await {
        assert!(ratio <= 1.2, "{ratio}");
    }
}
