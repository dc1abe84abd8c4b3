//! A small season with its table, and the rows of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use serde_json::Value;
use swath_access::Viewer;
use swath_extract::table::{
    CommitNumbers, ExtractTable, IndexCache, SeriesReader, SeriesRequest, TableKind, TableStore,
};
use swath_io::{AwsEnvironment, StoreConfig, Stores};
use swath_testkit::FaultServer;

use crate::program::Place;

/// The collection of the season.
pub const COLLECTION: &str = "sentinel-2-l2a";
/// Folder of the simulated Sentinel-2 items.
pub const ITEMS: &str = "land/scenes/sentinel-2-l2a";
/// Bytes of indexes that a reader keeps.
const INDEX_BYTES: u64 = 64 << 20;

/// Returns a folder with a small landscape that all tests share; it is made once.
fn landscape() -> &'static Path {
    static LAND: OnceLock<(Place, PathBuf)> = OnceLock::new();
    let (_, path) = LAND.get_or_init(|| {
        let place = Place::new();
        let simulate = [
            "simulate",
            "--out",
            "land",
            "--parcels",
            "12",
            "--seed",
            "3",
        ];
        place.swath(&simulate).ok();
        let path = place.path("land");
        (place, path)
    });
    path
}

/// Returns a data home with the season registered in `swath-data` and the parcel set `fields`.
pub fn season() -> Place {
    season_of(&[""])
}

/// As [`season`], only of items whose name holds one of `parts`.
pub fn season_of(parts: &[&str]) -> Place {
    let place = Place::new();
    copy(landscape(), &place.path("land"));
    for entry in std::fs::read_dir(place.path(ITEMS)).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && !parts.iter().any(|part| name.contains(part)) {
            std::fs::remove_dir_all(&path).expect("removed");
        }
    }
    let collection = format!("{ITEMS}/collection.json");
    let import = ["items", "import", ITEMS, "--collection", COLLECTION];
    place
        .swath(&[&import[..], &["--collection-file", &collection]].concat())
        .ok();
    let import = [
        "parcels",
        "import",
        "land/parcels.parquet",
        "--name",
        "fields",
    ];
    place
        .swath(&[&import[..], &["--id", "parcel_id"]].concat())
        .ok();
    place
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        match path.is_dir() {
            true => copy(&path, &target),
            // Nothing is written into a file: whoever changes one replaces it.
            false => std::fs::hard_link(&path, &target).expect("a link"),
        }
    }
}

/// The words of an extraction of two bands into the table at `table`.
pub fn extract_words<'a>(table: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = [
        "extract",
        "--collection",
        COLLECTION,
        "--parcels",
        "fields",
        "--bands",
        "B04,B08",
        "--classes",
        "SCL",
        "--mask-scl",
        "--table",
        table,
        "--json",
    ];
    [&words[..], more].concat()
}

/// Runs an extraction that goes well and returns its report.
pub fn extract(place: &Place, table: &str, more: &[&str]) -> Value {
    let outcome = place.swath(&extract_words(table, more));
    serde_json::from_str(outcome.ok()).expect("a report")
}

/// Stores that reach a test server, where there is one.
pub fn stores(server: Option<&FaultServer>) -> Stores {
    let Some(server) = server else {
        return Stores::for_command_line(BTreeMap::new(), AwsEnvironment::default());
    };
    let variables = BTreeMap::from([
        (
            "AWS_ACCESS_KEY_ID".to_owned(),
            server.access_key().to_owned(),
        ),
        (
            "AWS_SECRET_ACCESS_KEY".to_owned(),
            server.secret_key().to_owned(),
        ),
    ]);
    let config = StoreConfig {
        prefix: format!("s3://{}", server.bucket()),
        endpoint: Some(server.endpoint()),
        ..StoreConfig::default()
    };
    let named = BTreeMap::from([("bucket".to_owned(), config)]);
    Stores::for_command_line(named, AwsEnvironment { variables })
}

/// Returns all rows of one of the two tables, each as a line, sorted.
pub fn rows(stores: &Stores, root: &str, kind: TableKind) -> Vec<String> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let writer = stores.writer(&Viewer::operator(), root).expect("a writer");
        let store = TableStore::new(writer, CommitNumbers::ConditionalPut);
        let table = ExtractTable::open(store).await.expect("opens");
        let table = table.expect("a table");
        let snapshot = match kind {
            TableKind::Extracts => table.snapshot().await.expect("a snapshot"),
            TableKind::Classes => match table.classes().await.expect("a snapshot") {
                Some(classes) => classes,
                None => return Vec::new(),
            },
        };
        let root = table.store().writer(kind).expect("a writer");
        let reader = SeriesReader::new(root, kind, IndexCache::new(INDEX_BYTES));
        let batches = reader.rows(&snapshot, &SeriesRequest::default());
        let batches: Vec<_> = batches.try_collect().await.expect("rows");
        let mut lines = Vec::new();
        for batch in &batches {
            let options = FormatOptions::default().with_null("null");
            let columns: Vec<_> = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column, &options).expect("a column"))
                .collect();
            for row in 0..batch.num_rows() {
                let values: Vec<String> = columns
                    .iter()
                    .map(|column| column.value(row).to_string())
                    .collect();
                lines.push(values.join(","));
            }
        }
        lines.sort_unstable();
        lines
    })
}

/// Returns how many files there are below a folder.
pub fn files_below(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .map(|path| match path.is_dir() {
            true => files_below(&path),
            false => 1,
        })
        .sum()
}
