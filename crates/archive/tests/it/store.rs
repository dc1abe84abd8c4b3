//! The engine without a catalogue: what lies in the archive afterwards.

use std::path::{Path, PathBuf};

use serde_json::json;
use swath_archive::{Originals, Outcome};

use crate::place::{self, ingest, json as read_json, open, values};

fn dimap(name: &str) -> Option<PathBuf> {
    Some(place::shared("sentinel1/beam-dimap-derived")?.join(name))
}

/// Returns the one item file below a folder.
fn item_file(folder: &Path) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            let stem = path.file_stem().map(std::ffi::OsStr::to_owned);
            let parent = path
                .parent()
                .and_then(Path::file_name)
                .map(std::ffi::OsStr::to_owned);
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "json") && stem == parent {
                return path;
            }
        }
    }
    panic!("no item below {}", folder.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_dimap_product_equals_the_raster_it_was_made_from() {
    let (Some(one), Some(two)) = (
        dimap("S1A_IW_GRDH_20150309T173017_Orb_Cal_TC.dim"),
        dimap("S1_IW_GRDH_20171204T174044_CARDBS_flandersA.dim"),
    ) else {
        return;
    };
    let home = tempfile::tempdir().expect("a folder");
    let archive = home.path().join("archive");
    let report = ingest(&[one, two], &archive, |_| {}).await;
    assert_eq!(report.count(Outcome::Ingested), 2, "{report:?}");
    let day = archive.join("s1-card-bs/2015/03/09/S1A_IW_GRDH_20150309T173017_Orb_Cal_TC");
    let item = read_json(&item_file(&day));
    assert_eq!(item["properties"]["swath:backscatter"], "sigma0");
    assert_eq!(item["properties"]["datetime"], "2015-03-09T17:30:17Z");
    assert_eq!(item["assets"]["VV"]["nodata"], 0);
    assert_eq!(item["assets"]["VV"]["href"], "./VV.tif");
    let source = place::shared("sentinel1/rtc-geocoded").expect("beside the products");
    let decibel =
        open(&source.join("S1A__IW___A_20150309T173017_VV_grd_mli_geo_norm_db.tif")).await;
    let cog = open(&day.join("VV.tif")).await;
    assert_eq!(cog.size(), decibel.size());
    assert_eq!(
        cog.transform().map(|t| t.to_gdal()),
        decibel.transform().map(|t| t.to_gdal())
    );
    assert!(cog.describe().cog.valid);
    compare(&values(&cog).await, &values(&decibel).await, 1.0);
    let day = archive.join("s1-card-bs/2017/12/04/S1_IW_GRDH_20171204T174044_CARDBS_flandersA");
    assert_eq!(
        read_json(&item_file(&day))["properties"]["swath:backscatter"],
        "gamma0"
    );
    let season = place::shared("timeseries-chips").expect("beside the products");
    let season = season.join("flanders-2018-patchA/s1_20m");
    let found = std::fs::read_dir(season)
        .expect("a folder")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_string_lossy().into_owned();
            (name.contains("20171204") && name.ends_with(".tif")).then_some(path)
        });
    let date = open(&found.last().expect("the date")).await;
    for (band, name) in [(0, "VV"), (1, "VH")] {
        let position = date
            .bands()
            .iter()
            .position(|band| band.name == name)
            .unwrap_or(band);
        let window = swath_grid::Window::full(date.size());
        let block = date.read_window(&[position], window).await.expect("pixels");
        let known: Vec<f64> = (0..window.len() as usize)
            .map(|index| block.bands[0].get_f64(index))
            .collect();
        compare(
            &values(&open(&day.join(format!("{name}.tif"))).await).await,
            &known,
            1e-4,
        );
    }
}

/// Compares linear power with stored decibels; where there are none, the power is 0.
fn compare(power: &[f64], decibel: &[f64], scale: f64) {
    assert_eq!(power.len(), decibel.len());
    let mut compared = 0;
    for (power, stored) in power.iter().zip(decibel) {
        let is_absent = stored.is_nan()
            || (scale == 1.0 && *stored == -99.0)
            || (scale != 1.0 && *stored == 0.0);
        if is_absent {
            assert_eq!(*power, 0.0);
            continue;
        }
        let expected = 10f64.powf(stored * scale / 10.0);
        assert!(
            (power - expected).abs() <= 1e-6 * expected.max(1.0),
            "{power} {expected}"
        );
        compared += 1;
    }
    assert!(compared > 100, "{compared} pixels");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeating_completes_and_writes_nothing_twice() {
    let Some(source) = dimap("S1A_IW_GRDH_20150309T173017_Orb_Cal_TC.dim") else {
        return;
    };
    let home = tempfile::tempdir().expect("a folder");
    let archive = home.path().join("archive");
    ingest(std::slice::from_ref(&source), &archive, |_| {}).await;
    let item = item_file(&archive);
    let cog = item.with_file_name("VV.tif");
    let (text, written) = (std::fs::read(&item).expect("an item"), modified(&cog));
    // As after a cut: the item and a half-written file.
    std::fs::remove_file(&item).expect("removed");
    let half = item.with_file_name(".VV.tif.1.1.part");
    std::fs::write(&half, "half").expect("a file");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
    let aged = std::fs::File::options().write(true).open(&half);
    let aged = aged.and_then(|file| file.set_modified(long_ago));
    aged.expect("an older file");
    let report = ingest(std::slice::from_ref(&source), &archive, |_| {}).await;
    assert_eq!(
        (
            report.products[0].converted,
            report.products[0].bytes_written
        ),
        (0, 0)
    );
    assert_eq!(std::fs::read(&item).expect("an item"), text);
    assert_eq!(modified(&cog), written);
    assert!(!half.exists());
    // A damaged COG is made again.
    std::fs::write(&cog, "II*\0 cut").expect("a file");
    let report = ingest(&[source], &archive, |_| {}).await;
    assert_eq!(report.products[0].converted, 1);
    assert_eq!(std::fs::read(&item).expect("an item"), text);
}

fn modified(path: &Path) -> std::time::SystemTime {
    std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn originals_are_kept_referred_to_or_dropped() {
    let Some(source) = dimap("S1A_IW_GRDH_20150309T173017_Orb_Cal_TC.dim") else {
        return;
    };
    let home = tempfile::tempdir().expect("a folder");
    for (wish, kept) in [
        (Originals::Keep, 3),
        (Originals::Reference, 0),
        (Originals::Drop, 1),
    ] {
        let archive = home.path().join(format!("{wish:?}"));
        ingest(std::slice::from_ref(&source), &archive, |options| {
            options.originals = wish
        })
        .await;
        let item = read_json(&item_file(&archive));
        let folder = item_file(&archive).with_file_name(item["id"].as_str().expect("an id"));
        assert_eq!(count(&folder), kept, "{wish:?}");
        let metadata = item["assets"]["product_metadata"]["href"]
            .as_str()
            .expect("an href");
        assert_eq!(
            metadata.starts_with("./"),
            wish != Originals::Reference,
            "{metadata}"
        );
        let original = &item["assets"]["VV"]["alternate"]["original"]["href"];
        assert_eq!(original.is_null(), wish == Originals::Drop);
    }
}

fn count(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let paths = entries
        .filter_map(|entry| entry.ok())
        .map(|entry| entry.path());
    paths
        .map(|path| if path.is_dir() { count(&path) } else { 1 })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_geotiff_is_dated_and_a_cog_is_registered_in_place() {
    let Some(root) = place::shared("cog") else {
        return;
    };
    let source = root.join("titiler_S2_T34_B01.tif");
    let home = tempfile::tempdir().expect("a folder");
    let archive = home.path().join("archive");
    let report = ingest(std::slice::from_ref(&source), &archive, |options| {
        options.collection = Some("mine".to_owned());
    })
    .await;
    assert!(
        report.products[0]
            .error
            .as_deref()
            .is_some_and(|error| error.contains("--date-pattern")),
        "{report:?}"
    );
    let dated = |options: &mut swath_archive::IngestOptions| {
        options.collection = Some("mine".to_owned());
        options.originals = Originals::Reference;
        options.raster_time.datetime = "2020-05-01T00:00:00Z".parse().ok();
    };
    let report = ingest(std::slice::from_ref(&source), &archive, dated).await;
    assert_eq!(report.count(Outcome::Ingested), 1, "{report:?}");
    let item = read_json(&item_file(&archive));
    assert_eq!(
        item["assets"]["data"]["href"],
        json!(source.canonicalize().expect("a path").to_string_lossy())
    );
    assert_eq!(item["properties"]["datetime"], "2020-05-01T00:00:00Z");
    assert_eq!(count(&archive), 1, "only the item");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing_and_tells_bytes_and_time() {
    let Some(source) = place::shared("sentinel2/l2a-safe") else {
        return;
    };
    let home = tempfile::tempdir().expect("a folder");
    let archive = home.path().join("archive");
    let source = source.join("S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454.SAFE");
    let report = ingest(&[source], &archive, |options| options.is_dry_run = true).await;
    let product = &report.products[0];
    assert_eq!(product.outcome, Outcome::Planned);
    assert!(product.bytes_read > 40_000_000 && product.seconds_estimated > Some(0.0));
    assert_eq!(product.missing_files.len(), 21);
    assert!(!archive.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_product_is_ingested_as_what_it_is() {
    let Some(source) = place::shared("sentinel2/l2a-safe") else {
        return;
    };
    let home = tempfile::tempdir().expect("a folder");
    let archive = home.path().join("archive");
    let source = source.join("S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454.SAFE");
    let report = ingest(&[source], &archive, |_| {}).await;
    let product = &report.products[0];
    assert_eq!(product.outcome, Outcome::Ingested, "{product:?}");
    assert_eq!(
        (product.missing_files.len(), product.verified_files),
        (21, 65)
    );
    assert!(
        product.damaged_files.is_empty(),
        "{:?}",
        product.damaged_files
    );
    let item = read_json(&item_file(&archive));
    assert_eq!(
        item["properties"]["swath:missing_files"]
            .as_array()
            .map(Vec::len),
        Some(21)
    );
    let band = &item["assets"]["B02_60m"];
    assert_eq!(
        (&band["raster:scale"], &band["raster:offset"]),
        (&json!(0.0001), &json!(-0.1))
    );
    assert!(item["assets"].get("B02_10m").is_none());
    assert!(
        band["file:checksum"]
            .as_str()
            .is_some_and(|checksum| checksum.starts_with("1220"))
    );
}
