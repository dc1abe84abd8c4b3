//! Kernels of parcel statistics: `cargo bench -p swath-raster`.

use divan::{Bencher, black_box};
use geo_types::{LineString, MultiPolygon, Polygon};
use swath_grid::{Crs, GeoBox, Point, Size, Transform};
use swath_raster::{CoverageRule, Ordered, SortKey, StatisticsScratch, coverage, statistics_of};

fn main() {
    divan::main();
}

/// Speckle-like values: a product of two uniform numbers.
fn speckle(count: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    (0..count)
        .map(|_| 0.01 + 0.2 * uniform() * uniform())
        .collect()
}

/// Values with repeats, as scaled reflectance.
fn reflectance(count: usize) -> Vec<u16> {
    speckle(count)
        .into_iter()
        .map(|value| (value * 1e4) as u16)
        .collect()
}

const COUNTS: [usize; 4] = [40, 440, 4_000, 40_000];

#[divan::bench(args = COUNTS)]
fn centre_f32(bencher: Bencher, count: usize) {
    let keys: Vec<u32> = speckle(count).into_iter().map(Ordered::to_key).collect();
    let mut scratch = StatisticsScratch::default();
    bencher
        .counter(divan::counter::ItemsCount::new(count))
        .with_inputs(|| keys.clone())
        .bench_local_values(|mut keys| {
            statistics_of::<f32>(black_box(&mut keys), &[], false, &mut scratch)
        });
}

#[divan::bench(args = COUNTS)]
fn fraction_f32(bencher: Bencher, count: usize) {
    let mut keys: Vec<u32> = speckle(count).into_iter().map(Ordered::to_key).collect();
    let pairs: Vec<u64> = keys
        .drain(..count / 5)
        .map(|key| key.with_weight(0.37))
        .collect();
    let mut scratch = StatisticsScratch::default();
    bencher
        .counter(divan::counter::ItemsCount::new(count))
        .with_inputs(|| keys.clone())
        .bench_local_values(|mut keys| {
            statistics_of::<f32>(black_box(&mut keys), &pairs, true, &mut scratch)
        });
}

#[divan::bench(args = COUNTS)]
fn fraction_u16(bencher: Bencher, count: usize) {
    let mut keys: Vec<u32> = reflectance(count)
        .into_iter()
        .map(Ordered::to_key)
        .collect();
    let pairs: Vec<u64> = keys
        .drain(..count / 5)
        .map(|key| key.with_weight(0.37))
        .collect();
    let mut scratch = StatisticsScratch::default();
    bencher
        .counter(divan::counter::ItemsCount::new(count))
        .with_inputs(|| keys.clone())
        .bench_local_values(|mut keys| {
            statistics_of::<u16>(black_box(&mut keys), &pairs, true, &mut scratch)
        });
}

#[divan::bench]
fn coverage_of_a_parcel(bencher: Bencher) {
    let corners: Vec<(f64, f64)> = (0..=25)
        .map(|index| {
            let angle = f64::from(index % 25) / 25.0 * std::f64::consts::TAU;
            (500.0 + 110.0 * angle.cos(), 500.0 + 95.0 * angle.sin())
        })
        .collect();
    let polygon = MultiPolygon(vec![Polygon::new(LineString::from(corners), vec![])]);
    let transform = Transform::north_up(Point { x: 0.0, y: 1000.0 }, 10.0).expect("positive");
    let crs = Crs::from_epsg(32632).expect("known");
    let geobox = GeoBox::new(
        crs,
        transform,
        Size {
            width: 100,
            height: 100,
        },
    )
    .expect("positive");
    bencher.bench_local(|| coverage(black_box(&polygon), &geobox, CoverageRule::Fraction));
}
