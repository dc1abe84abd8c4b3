//! Where tests find real products and keep what they write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use swath_access::{Resource, Viewer};
use swath_archive::{
    Ingest, IngestOptions, IngestReport, Product, find_sources, open_source, read_products,
};
use swath_io::{AwsEnvironment, GeoTiff, Stores};

/// Returns a folder of the shared data, `None` where it is absent.
pub fn shared(folder: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("SWATH_SHARED") {
        Some(root) => PathBuf::from(root),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    let path = root.join("data").join(folder);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is absent", path.display());
    None
}

/// Returns stores that take any path.
pub fn stores() -> Stores {
    Stores::for_command_line(BTreeMap::new(), AwsEnvironment::default())
}

/// Reads the products at a path.
pub fn products(path: &Path) -> Result<Vec<Product>, swath_archive::ArchiveError> {
    let mut found = Vec::new();
    for source in find_sources(&[path.to_owned()])? {
        found.extend(read_products(&open_source(&source)?, source.kind)?);
    }
    Ok(found)
}

/// Ingests paths into a folder, without a catalogue.
pub async fn ingest(
    paths: &[PathBuf],
    archive: &Path,
    change: impl FnOnce(&mut IngestOptions),
) -> IngestReport {
    let stores = stores();
    let writer = stores.writer(&Viewer::operator(), &archive.to_string_lossy());
    let mut options = IngestOptions::new(archive.with_extension("scratch"));
    options.threads = 2;
    change(&mut options);
    let ingest = Ingest {
        stores: &stores,
        archive: writer.expect("a writer"),
        catalog: None,
        options,
    };
    let sources = find_sources(paths).expect("sources");
    ingest.run(&sources, &|_, _, _| {}).await.expect("a report")
}

/// Opens a raster.
pub async fn open(path: &Path) -> Arc<GeoTiff> {
    let asset = stores().resolve(
        &Viewer::operator(),
        &Resource::direct(),
        &path.to_string_lossy(),
    );
    let raster = GeoTiff::open(asset.expect("an asset")).await;
    Arc::new(raster.expect("a raster"))
}

/// Returns all stored values of the first band.
pub async fn values(raster: &Arc<GeoTiff>) -> Vec<f64> {
    let window = swath_grid::Window::full(raster.size());
    let block = raster.read_window(&[0], window).await.expect("pixels");
    (0..window.len() as usize)
        .map(|index| block.bands[0].get_f64(index))
        .collect()
}

/// Reads a JSON file.
pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}
