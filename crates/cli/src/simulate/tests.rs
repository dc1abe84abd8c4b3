//! Whole simulations in memory: the same by seed and thread count, true to their truth.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Mutex;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::landscape::Landscape;
use super::*;

/// Keeps all rasters.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<String, SceneRaster>>);

impl SceneSink for Kept {
    fn write(&self, scene: &SceneRaster) -> Result<()> {
        let mut kept = self.0.lock().expect("no panic while held");
        kept.insert(scene.relative_path.clone(), scene.clone());
        Ok(())
    }
}

fn simulate(
    noise: f32,
    threads: usize,
) -> (tempfile::TempDir, BTreeMap<String, SceneRaster>, Summary) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let args = SimulateArgs {
        out: folder.path().to_owned(),
        parcels: 80,
        size: Some(240),
        seed: 4,
        noise,
        start: "2021-05-01".parse().expect("a date"),
        end: "2021-06-05".parse().expect("a date"),
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("threads");
    let sink = Kept::default();
    let summary = pool
        .install(|| run(&args, &sink, &|_| ()))
        .expect("a simulation");
    (
        folder,
        sink.0.into_inner().expect("no panic while held"),
        summary,
    )
}

/// Every file below a folder and its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(folder)
                    .expect("below the folder")
                    .to_owned();
                found.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_one_and_three_threads() {
    let (one_folder, one, _) = simulate(1.0, 1);
    let (three_folder, three, _) = simulate(1.0, 3);
    assert_eq!(one.len(), three.len());
    for (path, scene) in &one {
        for (a, b) in scene.bands.iter().zip(&three[path].bands) {
            assert!(a.pixels == b.pixels, "{path} differs");
        }
    }
    let (one, three) = (files(one_folder.path()), files(three_folder.path()));
    assert!(one.len() > 10);
    assert!(one == three, "files beside the rasters differ");
}

#[test]
fn without_noise_every_parcel_pixel_has_the_true_mean() {
    let (folder, scenes, summary) = simulate(0.0, 2);
    assert_eq!(summary.parcels, 80);
    let landscape = Landscape::new(80, 240, &Random::new(4).stream(1)).expect("the same landscape");
    let labels = [landscape.labels(1), landscape.labels(2)];
    let file = File::open(folder.path().join("truth/means.parquet")).expect("the truth");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .expect("Parquet")
        .build()
        .expect("Parquet");
    let mut true_means: BTreeMap<(String, String), BTreeMap<String, f64>> = BTreeMap::new();
    for batch in reader {
        let batch = batch.expect("a batch");
        let text = |name: &str| {
            cast(
                batch.column_by_name(name).expect("a column"),
                &DataType::Utf8,
            )
            .expect("text")
        };
        let (items, parcels, bands) = (text("item_id"), text("parcel_id"), text("band"));
        let (items, parcels, bands) = (
            items.as_string::<i32>(),
            parcels.as_string::<i32>(),
            bands.as_string::<i32>(),
        );
        let values = batch
            .column_by_name("value")
            .expect("a column")
            .as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            true_means
                .entry((items.value(row).to_owned(), bands.value(row).to_owned()))
                .or_default()
                .insert(parcels.value(row).to_owned(), values.value(row));
        }
    }
    let mut checked = 0;
    for (path, scene) in &scenes {
        let item = path
            .split('/')
            .nth(2)
            .expect("scenes/collection/item/asset");
        let labels = &labels[usize::from(scene.geobox.size().width == 120)];
        for band in &scene.bands {
            let means = &true_means[&(item.to_owned(), band.name.to_owned())];
            assert_eq!(means.len(), 80);
            for (index, &label) in labels.iter().enumerate().filter(|(_, label)| **label < 80) {
                let value = match &band.pixels {
                    BandPixels::F32(values) => f64::from(values[index]),
                    BandPixels::U8(values) => f64::from(values[index]),
                    BandPixels::U16(_) => panic!("without noise values are physical"),
                };
                let mean = means[&landscape.parcel_id(label as usize)];
                assert!(
                    (value - mean).abs() <= 1e-9 * mean,
                    "{path} {} {value} {mean}",
                    band.name
                );
                assert!(value != 0.0);
                checked += 1;
            }
        }
    }
    assert!(checked > 1_000_000, "{checked}");
}

#[test]
fn with_noise_parcel_means_stay_near_the_truth_under_clear_sky() {
    let (_clean_folder, clean, _) = simulate(0.0, 2);
    let (_folder, noisy, _) = simulate(1.0, 2);
    let mut deviations = Vec::new();
    for (path, scene) in noisy.iter().filter(|(path, _)| path.ends_with("BS.tif")) {
        for (band, true_band) in scene.bands.iter().zip(&clean[path].bands) {
            let (BandPixels::F32(values), BandPixels::F32(means)) =
                (&band.pixels, &true_band.pixels)
            else {
                panic!("backscatter is Float32")
            };
            let sum = |values: &[f32]| values.iter().map(|value| f64::from(*value)).sum::<f64>();
            deviations.push(sum(values) / sum(means) - 1.0);
        }
    }
    assert!(
        deviations.iter().all(|deviation| deviation.abs() < 0.02),
        "{deviations:?}"
    );
    let offsets: Vec<f64> = noisy
        .values()
        .filter(|scene| scene.relative_path.contains("B04"))
        .map(|scene| scene.bands[0].offset)
        .collect();
    assert!(offsets.contains(&0.0) && offsets.contains(&-0.1));
}

#[test]
fn the_bytes_are_the_same_on_every_machine() {
    let (_folder, scenes, _) = simulate(1.0, 2);
    // FNV-1a over all stored values. A change of the model changes it: then put the new number.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for band in scenes.values().flat_map(|scene| &scene.bands) {
        match &band.pixels {
            BandPixels::U8(values) => add(values),
            BandPixels::U16(values) => values.iter().for_each(|value| add(&value.to_le_bytes())),
            BandPixels::F32(values) => values.iter().for_each(|value| add(&value.to_le_bytes())),
        }
    }
    assert_eq!(hash, 0x38c6_1b60_53e6_e580, "{hash:#x}");
}
