//! Stores of each provider against a server that answers as its API does: paths, ranges, signatures.

use std::collections::BTreeMap;
use std::path::Path;

use swath_grid::Window;
use swath_io::{AwsEnvironment, StoreConfig, Stores};
use swath_raster::Pixels;
use swath_testkit::FaultServer;
use swath_testkit::fixtures::jp2;

use crate::place::{open, resolve};

const WINDOW: Window = Window {
    col: 70,
    row: 70,
    width: 4,
    height: 4,
};

/// Puts a raster to `bucket/deep/a.jp2`.
fn folder_with_raster() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("bucket").join("deep");
    std::fs::create_dir_all(&deep).unwrap();
    jp2(100, 100).tiles(64, 64).write(deep.join("a.jp2"));
    folder
}

fn store(config: StoreConfig) -> Stores {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = AwsEnvironment {
        variables: variables.into(),
    };
    Stores::for_command_line(BTreeMap::from([("x".to_owned(), config)]), environment)
}

/// Reads a window through `config` and returns path, signature and payer of every request.
async fn requests(folder: &Path, config: StoreConfig) -> Vec<(String, bool, Option<String>)> {
    let server = FaultServer::start_http(folder).await;
    let config = StoreConfig {
        endpoint: Some(server.endpoint()),
        ..config
    };
    let raster = open(&store(config), "x:a.jp2").await.unwrap();
    let read = raster.read_window(&[0], WINDOW).await.unwrap();
    assert_eq!(read.bands[0], Pixels::U8(vec![128; 16]));
    let log = server.stats().log;
    assert!(log.iter().all(|request| request.range.is_some()));
    let kept = |request: swath_testkit::server::RequestRecord| {
        (request.path, request.is_signed, request.payer)
    };
    log.into_iter().map(kept).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_provider_is_asked_for_bucket_and_key() {
    let folder = folder_with_raster();
    let base = |prefix: &str| StoreConfig {
        prefix: prefix.to_owned(),
        anonymous: true,
        ..StoreConfig::default()
    };
    let azure = StoreConfig {
        account: Some("own".to_owned()),
        ..base("az://bucket/deep")
    };
    for config in [
        base("s3://bucket/deep"),
        base("gs://bucket/deep/"),
        base("abfss://bucket@own.dfs.core.windows.net/deep"),
        azure,
    ] {
        let shown = format!("{config:?}");
        for (path, is_signed, payer) in requests(folder.path(), config).await {
            assert_eq!(path.trim_start_matches('/'), "bucket/deep/a.jp2", "{shown}");
            assert!(!is_signed && payer.is_none(), "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_signed_and_the_requester_pays_where_told() {
    let folder = folder_with_raster();
    let s3 = StoreConfig {
        prefix: "s3://bucket/deep".to_owned(),
        requester_pays: true,
        ..StoreConfig::default()
    };
    for (_, is_signed, payer) in requests(folder.path(), s3).await {
        assert!(is_signed);
        assert_eq!(payer.as_deref(), Some("requester"));
    }
    let azure = StoreConfig {
        prefix: "az://bucket/deep".to_owned(),
        account: Some("own".to_owned()),
        ..StoreConfig::default()
    };
    for (_, is_signed, _) in requests(folder.path(), azure).await {
        assert!(is_signed);
    }
}

#[test]
fn hrefs_of_every_provider_are_resolved_without_a_named_store() {
    let stores = Stores::for_command_line(BTreeMap::new(), AwsEnvironment::default());
    for (href, name) in [
        ("gs://bucket/a.tif", "gs"),
        ("abfs://bucket@own.dfs.core.windows.net/a.tif", "az"),
    ] {
        assert_eq!(resolve(&stores, href).unwrap().store(), name);
    }
    let error = resolve(&stores, "az://bucket/a.tif").expect_err("no account");
    assert!(
        error.to_string().contains("AZURE_STORAGE_ACCOUNT_NAME"),
        "{error}"
    );
}
