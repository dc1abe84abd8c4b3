//! Backups in an S3 store: the same as in a folder, and none where the manifest could not be written.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use swath_access::Viewer;
use swath_archive::{
    Backup, BackupOptions, BackupReport, Restore, RestoreOptions, RestoreTarget, Scrub,
    ScrubOptions,
};
use swath_catalog::{Catalog, PutMode, RestoreMode};
use swath_io::{AwsEnvironment, ErrorKind, StoreConfig, StoreWriter, Stores};
use swath_testkit::server::{ConditionalPut, Options};
use swath_testkit::{Fault, FaultServer, Rule};

/// Larger than one PUT: it goes in parts.
const LARGE_BYTES: usize = 20 << 20;

/// Returns stores with `x` in the bucket of a server and `archive` in a folder.
fn stores(server: &FaultServer, archive: &Path) -> Stores {
    let bucket = StoreConfig {
        prefix: format!("s3://{}/kept", server.bucket()),
        endpoint: Some(server.endpoint()),
        credentials: Some("x".into()),
        ..StoreConfig::default()
    };
    let folder = StoreConfig {
        prefix: archive.to_string_lossy().into_owned(),
        ..StoreConfig::default()
    };
    let variables = [
        ("X_ACCESS_KEY_ID", server.access_key().to_owned()),
        ("X_SECRET_ACCESS_KEY", server.secret_key().to_owned()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    Stores::for_command_line(
        BTreeMap::from([("x".to_owned(), bucket), ("archive".to_owned(), folder)]),
        AwsEnvironment {
            variables: variables.into(),
        },
    )
}

fn writer(stores: &Stores, root: &str) -> StoreWriter {
    stores.writer(&Viewer::operator(), root).expect("a writer")
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

/// Makes a catalogue with one item whose two assets lie in the archive, one of them large.
async fn populated(home: &Path, archive: &StoreWriter) -> Catalog {
    let large: Vec<u8> = (0..LARGE_BYTES).map(|index| (index % 251) as u8).collect();
    archive
        .put("c/2020/01/01/a/large.bin", large.into())
        .await
        .expect("put");
    archive
        .put("c/2020/01/01/a/none.bin", Bytes::new())
        .await
        .expect("put");
    let catalog = open(home).await;
    let collection =
        object(json!({"id": "c", "type": "Collection", "swath:prefixes": ["archive:c"]}));
    let operator = Viewer::operator();
    catalog
        .put_collection(&operator, &collection, PutMode::Create)
        .await
        .expect("a collection");
    // Digest of the empty text (FIPS 180-4).
    let empty = "1220e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let item = object(json!({"type": "Feature", "id": "a", "geometry": null,
    "properties": {"datetime": "2020-01-01T00:00:00Z"},
    "assets": {
        "large": {"href": "archive:c/2020/01/01/a/large.bin", "file:size": LARGE_BYTES},
        "none": {"href": "archive:c/2020/01/01/a/none.bin", "file:size": 0, "file:checksum": empty},
    }}));
    catalog
        .put_items(&operator, "c", &[item], PutMode::Create)
        .await
        .expect("an item");
    catalog
}

async fn open(home: &Path) -> Catalog {
    let url = format!("sqlite:{}", home.join("catalog.sqlite").display());
    Catalog::open(&url).await.expect("a catalogue")
}

async fn backup(
    stores: &Stores,
    catalog: &Catalog,
) -> Result<BackupReport, swath_archive::ArchiveError> {
    let backup = Backup {
        stores,
        catalog,
        archive: writer(stores, "archive:"),
        target: writer(stores, "x:"),
        options: BackupOptions {
            has_assets: true,
            files: Vec::new(),
            objects_at_once: 2,
            program: "test".to_owned(),
        },
    };
    backup.run(&|_, _, _| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_in_s3_is_restored_from_there() {
    let (home, other, bucket) = (folder(), folder(), folder());
    let server = FaultServer::start_s3(bucket.path()).await;
    let stores_here = stores(&server, &home.path().join("archive"));
    let catalog = populated(home.path(), &writer(&stores_here, "archive:")).await;
    // A manifest that cannot be written: what is there is no backup.
    server.inject(
        Rule::new(Fault::Status(403))
            .method("PUT")
            .path("/swath-backup.json"),
    );
    backup(&stores_here, &catalog).await.expect_err("denied");
    server.heal();
    let error = Restore::open(writer(&stores_here, "x:")).await;
    let error = error.expect_err("no manifest");
    assert_eq!(error.kind(), ErrorKind::Data);
    // What was copied already is found.
    let report = backup(&stores_here, &catalog).await.expect("a backup");
    assert_eq!((report.manifest.archive.objects, report.copied), (2, 0));

    let stores_there = stores(&server, &other.path().join("archive"));
    let restore = Restore::open(writer(&stores_there, "x:"))
        .await
        .expect("whole");
    restore.check(true, 2, &|_, _, _| {}).await.expect("whole");
    let target = open(other.path()).await;
    let archive = writer(&stores_there, "archive:");
    let options = RestoreOptions {
        mode: RestoreMode::Empty,
        is_moved: false,
        objects_at_once: 2,
    };
    let parcels = writer(&stores_there, "archive:parcels");
    let places = RestoreTarget {
        catalog: &target,
        archive: &archive,
        parcels: &parcels,
    };
    let restored = restore.run(places, options, &|_, _, _| {}).await;
    let restored = restored.expect("restored");
    assert_eq!((restored.items, restored.objects_copied), (1, 2));
    let scrub = Scrub {
        stores: &stores_there,
        catalog: &target,
        archive,
        options: ScrubOptions {
            collection: None,
            is_quick: false,
            removed_age: None,
            assets_at_once: 2,
        },
    };
    let report = scrub.run(&|_, _| {}).await.expect("a report");
    assert_eq!(
        (report.assets, report.verified, report.unverified),
        (2, 1, 1)
    );
    assert_eq!(
        (report.defect_count, report.orphan_count),
        (0, 0),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_ends_a_scrub_and_is_no_defect() {
    let (home, bucket) = (folder(), folder());
    let server = FaultServer::start_s3(bucket.path()).await;
    let stores = stores(&server, &home.path().join("archive"));
    let archive = writer(&stores, "x:");
    let catalog = populated(home.path(), &archive).await;
    let moved = object(json!({"type": "Feature", "id": "a", "geometry": null,
        "properties": {"datetime": "2020-01-01T00:00:00Z"},
        "assets": {"none": {"href": "x:c/2020/01/01/a/large.bin", "type": "image/tiff"}}}));
    catalog
        .put_items(&Viewer::operator(), "c", &[moved], PutMode::Upsert)
        .await
        .expect("an item");
    let scrub = Scrub {
        stores: &stores,
        catalog: &catalog,
        archive,
        options: ScrubOptions {
            collection: None,
            is_quick: false,
            removed_age: None,
            assets_at_once: 2,
        },
    };
    let report = scrub.run(&|_, _| {}).await.expect("a report");
    assert_eq!(report.defect_count, 1, "no raster: {report:?}");
    assert_eq!((report.orphan_count, report.unfinished), (0, None));
    server.inject(
        Rule::new(Fault::Status(403))
            .method("GET")
            .path("large.bin"),
    );
    let error = scrub.run(&|_, _| {}).await.expect_err("denied");
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_are_probed_for_conditional_writes() {
    for (conditional_put, expected) in [
        (ConditionalPut::Atomic, swath_io::ConditionalPut::Atomic),
        (ConditionalPut::Ignored, swath_io::ConditionalPut::Ignored),
        (
            ConditionalPut::NotImplemented,
            swath_io::ConditionalPut::Unsupported,
        ),
    ] {
        let bucket = folder();
        let options = Options {
            is_s3: true,
            conditional_put,
            ..Options::default()
        };
        let server = FaultServer::start(bucket.path(), options).expect("a server");
        let stores = stores(&server, bucket.path());
        stores.probe("x").await.expect("it answers");
        let found = writer(&stores, "x:")
            .probe()
            .await
            .expect("it can be written");
        assert_eq!(found, expected);
        let left = writer(&stores, "x:").list("").await.expect("a list");
        assert_eq!(left, []);
        server.inject(Rule::new(Fault::Status(403)));
        let error = stores.probe("x").await.expect_err("denied");
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}
