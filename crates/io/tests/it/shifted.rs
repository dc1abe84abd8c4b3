//! Targets whose pixels are those of the source: values come as they are, whatever the rule.

use std::path::Path;
use std::sync::Arc;

use swath_grid::{Crs, GeoBox, Size, Transform, Window};
use swath_io::{
    BlockCache, CompositeOptions, GeoTiff, ReadOptions, Slice, SliceBand, SliceMask, read,
    read_sharing, read_slices,
};
use swath_raster::{Mask, Pixels, RasterBand, Resampling};
use swath_testkit::fixtures::{Tiff, tiff};

use crate::place::open_file;

const WIDTH: u32 = 45;
const HEIGHT: u32 = 33;
const RESOLUTION: f64 = 10.0;
const WEST: f64 = 600_000.0;
const NORTH: f64 = 5_650_000.0;

fn file() -> Tiff {
    tiff(WIDTH, HEIGHT)
        .epsg(32631)
        .georeference(WEST, NORTH, RESOLUTION)
}

/// A grid that begins so many pixels right of and below the file.
fn grid(cols: f64, rows: f64, width: u32, height: u32) -> GeoBox {
    let crs = Crs::from_epsg(32631).expect("a known code");
    let (west, north) = (WEST + cols * RESOLUTION, NORTH - rows * RESOLUTION);
    let transform = Transform::from_gdal([west, RESOLUTION, 0.0, north, 0.0, -RESOLUTION]);
    let size = Size { width, height };
    GeoBox::new(crs, transform.expect("invertible"), size).expect("positive size")
}

async fn written(folder: &Path, name: &str, file: &Tiff) -> Arc<GeoTiff> {
    let path = folder.join(name);
    file.write(&path);
    open_file(&path).await.unwrap()
}

fn values(seed: u16) -> Vec<u16> {
    let noise = |index: u32| (index.wrapping_mul(2_654_435_761) >> 20) as u16 % 500 + seed;
    (0..WIDTH * HEIGHT).map(noise).collect()
}

/// What lies under each pixel of a grid that begins so far from the source; `None` outside.
fn under<T: Copy>(source: &[T], cols: i64, rows: i64, size: Size) -> Vec<Option<T>> {
    let places = (0..i64::from(size.height))
        .flat_map(|row| (0..i64::from(size.width)).map(move |col| (col + cols, row + rows)));
    places
        .map(|(col, row)| {
            let is_inside =
                (0..i64::from(WIDTH)).contains(&col) && (0..i64::from(HEIGHT)).contains(&row);
            is_inside.then(|| source[(row * i64::from(WIDTH) + col) as usize])
        })
        .collect()
}

fn shown(band: &RasterBand) -> Vec<Option<u16>> {
    let Pixels::U16(values) = &band.pixels else {
        panic!("the type of the file");
    };
    let pixel = |(index, value): (usize, &u16)| band.mask.is_valid(index).then_some(*value);
    values.iter().enumerate().map(pixel).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pixels_are_copied_from_many_blocks_and_cut_at_the_edges() {
    let folder = tempfile::tempdir().unwrap();
    let values = values(1);
    let flags: Vec<bool> = (0..values.len()).map(|index| index % 11 != 3).collect();
    let dropped = values[100].to_string();
    let all = vec![true; values.len()];
    let is_kept: Vec<bool> = values.iter().map(|value| *value != values[100]).collect();
    let samples = file().samples(1, &values);
    for (name, file, valid) in [
        ("plain.tif", samples.clone(), &all),
        ("nodata.tif", samples.clone().nodata(&dropped), &is_kept),
        ("mask.tif", samples.clone().mask(&flags), &flags),
        ("strips.tif", samples.strips(7), &all),
    ] {
        let raster = written(folder.path(), name, &file).await;
        let source: Vec<Option<u16>> = values
            .iter()
            .zip(valid)
            .map(|(value, is_valid)| is_valid.then_some(*value))
            .collect();
        for (cols, rows, width, height) in [
            (0, 0, WIDTH, HEIGHT),
            (16, 16, 16, 16),
            (3, 5, 30, 20),
            (-5, 3, 60, 40),
            (40, -30, 20, 31),
            (100, 0, 8, 8),
        ] {
            let target = grid(cols as f64, rows as f64, width, height);
            let expected: Vec<Option<u16>> = under(&source, cols, rows, target.size())
                .into_iter()
                .map(Option::flatten)
                .collect();
            for resampling in [Resampling::Nearest, Resampling::Bilinear, Resampling::Min] {
                let options = ReadOptions {
                    resampling,
                    ..ReadOptions::default()
                };
                let bands = read(&raster, &target, &options).await.unwrap().bands;
                assert_eq!(shown(&bands[0]), expected, "{name} {cols} {rows}");
                let Pixels::U16(held) = &bands[0].pixels else {
                    panic!("the type of the file");
                };
                let pixels = held.iter().zip(&expected);
                let invalid = pixels.filter(|(_, expected)| expected.is_none());
                assert!(invalid.into_iter().all(|(value, _)| *value == 0), "{name}");
                let cache = Arc::new(BlockCache::new(1 << 20));
                for _ in 0..2 {
                    let again = read_sharing(&cache, &raster, &target, &options).await;
                    assert_eq!(again.unwrap().bands, bands, "{name} from a cache");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_pixel_aside_is_resampled() {
    let folder = tempfile::tempdir().unwrap();
    let columns: Vec<u16> = (0..WIDTH * HEIGHT)
        .map(|index| (index % WIDTH * 10) as u16)
        .collect();
    let raster = written(folder.path(), "ramp.tif", &file().samples(1, &columns)).await;
    let options = ReadOptions {
        resampling: Resampling::Bilinear,
        ..ReadOptions::default()
    };
    let bands = read(&raster, &grid(4.5, 4.0, 8, 1), &options)
        .await
        .unwrap()
        .bands;
    let expected = (0..8).map(|col| 45 + 10 * col).collect();
    assert_eq!(bands[0].pixels, Pixels::U16(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_of_one_grid_give_the_median_of_what_their_classes_keep() {
    let folder = tempfile::tempdir().unwrap();
    let mut slices = Vec::new();
    let mut held: Vec<Vec<Option<u16>>> = Vec::new();
    for date in 0..5u16 {
        let values = values(date * 100);
        let classes: Vec<u8> = (0..values.len() as u32)
            .map(|index| (index / 7 + u32::from(date)) as u8 % 4)
            .collect();
        let raster = file().samples(1, &values);
        let raster = written(folder.path(), &format!("{date}.tif"), &raster).await;
        let mask = file().samples(1, &classes).tiles(32, 32);
        let mask = written(folder.path(), &format!("{date}_classes.tif"), &mask).await;
        slices.push(Slice {
            bands: vec![SliceBand {
                raster,
                band: 0,
                conversion: None,
            }],
            mask: Some(SliceMask {
                raster: mask,
                band: 0,
                dropped: vec![1.0, 3.0],
            }),
        });
        let kept = values.iter().zip(&classes);
        held.push(
            kept.map(|(value, class)| (class % 2 == 0).then_some(*value))
                .collect(),
        );
    }
    let target = grid(-2.0, 4.0, 50, 20);
    let picture = read_slices(&slices, &target, &CompositeOptions::default())
        .await
        .unwrap();
    let dates: Vec<Vec<Option<u16>>> = held
        .iter()
        .map(|source| {
            let pixels = under(source, -2, 4, target.size()).into_iter();
            pixels.map(Option::flatten).collect()
        })
        .collect();
    let band = &picture.bands[0];
    for pixel in 0..Window::full(target.size()).len() as usize {
        let mut values: Vec<u16> = dates.iter().filter_map(|date| date[pixel]).collect();
        values.sort_unstable();
        let middle = |rank: usize| f64::from(values[rank]);
        let expected = (!values.is_empty())
            .then(|| (middle((values.len() - 1) / 2) + middle(values.len() / 2)) / 2.0);
        let read = band
            .mask
            .is_valid(pixel)
            .then(|| band.pixels.get_f64(pixel));
        assert_eq!(read, expected, "pixel {pixel}");
    }
    assert!(matches!(band.mask, Mask::Pixels(_)), "edges and classes");
}
