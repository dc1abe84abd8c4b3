//! Sizes and CPU time of the vector tiles of a parcel set.
//!
//! `cargo bench -p swath-io --bench vector_tiles -- SET.parquet`, the file of a set as `swath parcels
//! import` writes it. Prepares the pyramid, then makes every tile of zooms 5 to 14 that holds something
//! (a stated sample of high zooms) on one thread.
#![allow(clippy::unwrap_used)] // a bench may panic

use std::collections::BTreeMap;
use std::path::PathBuf;

use swath_access::{Resource, Viewer};
use swath_grid::{Crs, Point, Projector, ShiftOptions};
use swath_io::vector::set::ParcelSetFile;
use swath_io::vector::tiles::{TileAddress, TileContent, TilePyramid, TileValues, build_pyramid};
use swath_io::{AwsEnvironment, Stores};

/// Most tiles of a zoom that are made.
const TILES_MAX: usize = 2_000;

fn main() {
    let path = std::env::args()
        .skip(1)
        .find(|word| !word.starts_with("--"));
    let Some(path) = path.map(PathBuf::from) else {
        println!("skipped: name the file of a parcel set");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let stores = Stores::for_command_line(BTreeMap::new(), AwsEnvironment::default());
    let href = path.to_string_lossy();
    let asset = stores
        .resolve(&Viewer::operator(), &Resource::direct(), &href)
        .unwrap();
    let set = runtime.block_on(async { ParcelSetFile::open(&asset).await.unwrap() });
    let source = runtime.block_on(async { set.source().await.unwrap() });
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("pyramid")).unwrap();
    let (cpu, wall) = (
        cpu_ms(libc::CLOCK_PROCESS_CPUTIME_ID),
        std::time::Instant::now(),
    );
    let summary = build_pyramid(&set, &source.crs, &file, &path).unwrap();
    println!(
        "{summary:?}: {:.1} CPU s, {:.1} s",
        (cpu_ms(libc::CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e3,
        wall.elapsed().as_secs_f64()
    );
    let pyramid = TilePyramid::open(&folder.path().join("pyramid")).unwrap();
    let degrees = Projector::new(
        &source.crs,
        &Crs::from_epsg(4326).unwrap(),
        &ShiftOptions::default(),
    );
    let mut places: Vec<Point> = (0..source.parcels.len())
        .filter_map(|row| source.parcels.bounds(row))
        .map(|bounds| Point {
            x: (bounds.min_x + bounds.max_x) / 2.0,
            y: (bounds.min_y + bounds.max_y) / 2.0,
        })
        .collect();
    degrees.unwrap().project(&mut places).unwrap();
    let by_row = (0..source.parcels.len())
        .map(|row| (row % 100) as f32)
        .collect();
    let values = std::sync::Arc::new(TileValues::new(&pyramid, by_row).unwrap());
    for content in [
        TileContent::default(),
        TileContent {
            values: Some(values),
            ..TileContent::default()
        },
    ] {
        measure(&pyramid, &content, &places);
    }
}

fn measure(pyramid: &TilePyramid, content: &TileContent, places: &[Point]) {
    let mut all: Vec<f64> = Vec::new();
    println!("with values: {}", content.values.is_some());
    println!("zoom  tiles  kB p50  kB max  ms p50  ms p95  ms max");
    for zoom in 5..=14 {
        let mut tiles: Vec<[u32; 2]> = places.iter().map(|at| tile_of(zoom, at)).collect();
        tiles.sort_unstable();
        tiles.dedup();
        let step = tiles.len().div_ceil(TILES_MAX);
        let (mut sizes, mut times) = (Vec::new(), Vec::new());
        for [col, row] in tiles.into_iter().step_by(step) {
            let address = TileAddress::new(zoom, col, row).unwrap();
            let from = cpu_ms(libc::CLOCK_THREAD_CPUTIME_ID);
            sizes.push(pyramid.tile(&address, content).unwrap().len() as f64 / 1e3);
            times.push(cpu_ms(libc::CLOCK_THREAD_CPUTIME_ID) - from);
        }
        all.extend(&times);
        let (sizes, times) = (sorted(sizes), sorted(times));
        println!(
            "{zoom:4} {:6} {:7.0} {:7.0} {:7.1} {:7.1} {:7.1}",
            sizes.len(),
            at(&sizes, 50),
            at(&sizes, 100),
            at(&times, 50),
            at(&times, 95),
            at(&times, 100)
        );
    }
    println!("all zooms: p95 {:.1} ms", at(&sorted(all), 95));
}

fn sorted(mut numbers: Vec<f64>) -> Vec<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers
}

fn at(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100]
}

fn tile_of(zoom: u8, at: &Point) -> [u32; 2] {
    let tiles = f64::from(1_u32 << zoom);
    let y = at.y.to_radians().tan().asinh();
    let col = (at.x + 180.0) / 360.0 * tiles;
    let row = (1.0 - y / std::f64::consts::PI) / 2.0 * tiles;
    [col as u32, row as u32]
}

/// Returns what a clock of CPU time shows, in milliseconds.
fn cpu_ms(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the clock is one of the system's, and `time` is there to be written.
    let outcome = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(outcome, 0);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
