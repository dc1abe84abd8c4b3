//! The engine with a catalogue: what is registered, and when.

use std::path::{Path, PathBuf};

use serde_json::Value;
use swath_access::Viewer;
use swath_archive::{Ingest, IngestOptions, IngestReport, Outcome, find_sources};
use swath_catalog::Catalog;
use swath_stac::ItemSearch;

use crate::place;

/// Ingests one path into a data home.
async fn ingest(home: &Path, source: &Path) -> IngestReport {
    ingest_all(home, &[source.to_owned()]).await
}

/// Ingests paths into a data home, two products at once.
async fn ingest_all(home: &Path, sources: &[PathBuf]) -> IngestReport {
    let stores = place::stores();
    let archive = home.join("archive");
    let writer = stores.writer(&Viewer::operator(), &archive.to_string_lossy());
    let ingest = Ingest {
        stores: &stores,
        archive: writer.expect("a writer"),
        catalog: Some(catalog(home).await),
        options: IngestOptions::new(home.join("scratch")),
    };
    let sources = find_sources(sources).expect("sources");
    ingest.run(&sources, &|_, _, _| {}).await.expect("a report")
}

async fn catalog(home: &Path) -> Catalog {
    let url = format!("sqlite:{}", home.join("catalog.sqlite").display());
    Catalog::open(&url).await.expect("a catalogue")
}

async fn ids(home: &Path) -> Vec<String> {
    let page = catalog(home)
        .await
        .search(&Viewer::operator(), &ItemSearch::default())
        .await;
    let items = page.expect("a page").items;
    let id = |item: &swath_catalog::StoredItem| item.json["id"].as_str().map(str::to_owned);
    items.iter().filter_map(id).collect()
}

/// Writes a small product of Level-2A: metadata without images.
fn product(folder: &Path, baseline: &str, generated: &str) -> PathBuf {
    let name = format!(
        "S2A_MSIL2A_20200101T105441_N{}_R051_T31UFS_{generated}",
        baseline.replace('.', "")
    );
    let root = folder.join(format!("{name}.SAFE"));
    std::fs::create_dir_all(root.join("GRANULE/L2A")).expect("a folder");
    let metadata = format!(
        "<Level-2A_User_Product><PRODUCT_URI>{name}.SAFE</PRODUCT_URI>\
         <PRODUCT_START_TIME>2020-01-01T10:54:41.024Z</PRODUCT_START_TIME>\
         <PRODUCT_STOP_TIME>2020-01-01T10:54:41.024Z</PRODUCT_STOP_TIME>\
         <PRODUCT_TYPE>S2MSI2A</PRODUCT_TYPE><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>\
         <SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME></Level-2A_User_Product>"
    );
    std::fs::write(root.join("MTD_MSIL2A.xml"), metadata).expect("a file");
    std::fs::write(root.join("GRANULE/L2A/MTD_TL.xml"), crate::hostile::TILE).expect("a file");
    root
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_product_twice_is_one_item() {
    let home = tempfile::tempdir().expect("a folder");
    let source = product(home.path(), "02.14", "20200101T120000");
    assert_eq!(
        ingest(home.path(), &source).await.count(Outcome::Ingested),
        1
    );
    let again = ingest(home.path(), &source).await;
    assert_eq!(again.count(Outcome::Unchanged), 1, "{again:?}");
    assert_eq!(ids(home.path()).await.len(), 1);
    let held = catalog(home.path()).await;
    let held = held
        .collection(&Viewer::operator(), "sentinel-2-l2a")
        .await
        .expect("built in");
    let item = catalog(home.path()).await;
    let id = ids(home.path()).await.remove(0);
    let item = item
        .item(&Viewer::anonymous(), "sentinel-2-l2a", &id)
        .await
        .expect("public");
    let href = item.json["assets"]["product_metadata"]["href"]
        .as_str()
        .expect("an href")
        .to_owned();
    assert!(
        held.resource.holds(&href),
        "{href} of {:?}",
        held.resource.prefixes()
    );
    assert!(Path::new(&href).is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_baseline_takes_the_place_of_older_ones_whatever_the_order() {
    let home = tempfile::tempdir().expect("a folder");
    let old = product(home.path(), "02.14", "20200101T120000");
    let new = product(home.path(), "05.00", "20230601T120000");
    ingest(home.path(), &old).await;
    let report = ingest(home.path(), &new).await;
    assert_eq!(report.products[0].supersedes.len(), 1, "{report:?}");
    assert_eq!(ids(home.path()).await.len(), 1);
    let late = ingest(home.path(), &old).await;
    assert_eq!(late.count(Outcome::Superseded), 1, "{late:?}");
    let left = ids(home.path()).await;
    assert!(left.len() == 1 && left[0].contains("_N0500_"), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_versions_that_come_together_only_the_newest_is_held() {
    let home = tempfile::tempdir().expect("a folder");
    let versions = [
        ("02.14", "20200101T120000"),
        ("03.01", "20210101T120000"),
        ("05.00", "20230601T120000"),
        ("05.00", "20230701T120000"),
    ];
    let sources = versions.map(|(baseline, generated)| product(home.path(), baseline, generated));
    let report = ingest_all(home.path(), &sources).await;
    assert_eq!(report.count(Outcome::Failed), 0, "{report:?}");
    let left = ids(home.path()).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(
        left[0].contains("_N0500_") && left[0].ends_with("20230701T120000"),
        "{left:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raster_goes_to_a_collection_that_is_made_for_it() {
    let Some(root) = place::shared("timeseries-chips/flanders-2018-patchA/s1_20m") else {
        return;
    };
    let home = tempfile::tempdir().expect("a folder");
    let stores = place::stores();
    let writer = stores.writer(
        &Viewer::operator(),
        &home.path().join("archive").to_string_lossy(),
    );
    let ingest = Ingest {
        stores: &stores,
        archive: writer.expect("a writer"),
        catalog: Some(catalog(home.path()).await),
        options: IngestOptions {
            collection: Some("flanders".to_owned()),
            ..IngestOptions::new(home.path().join("scratch"))
        },
    };
    let mut sources = find_sources(&[root]).expect("sources");
    sources.truncate(3);
    let report = ingest.run(&sources, &|_, _, _| {}).await.expect("a report");
    assert_eq!(report.count(Outcome::Ingested), 3, "{report:?}");
    let held = catalog(home.path()).await;
    let held = held
        .collection(&Viewer::operator(), "flanders")
        .await
        .expect("made");
    assert_eq!(held.json["title"], Value::from("flanders"));
    assert_eq!(ids(home.path()).await.len(), 3);
}
