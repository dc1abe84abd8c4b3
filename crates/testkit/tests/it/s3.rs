//! The S3 side, through the client that the product uses.

use futures::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig,
    UpdateVersion, WriteMultipart,
};
use swath_testkit::server::{ConditionalPut, Options};
use swath_testkit::{Fault, FaultServer, Rule};

fn server(options: Options) -> FaultServer {
    let options = Options {
        is_s3: true,
        ..options
    };
    FaultServer::start_memory([("a/x.bin", "0123456789")], options).expect("a server")
}

fn client(server: &FaultServer, secret: Option<&str>, retries: usize) -> AmazonS3 {
    let retry = RetryConfig {
        max_retries: retries,
        ..RetryConfig::default()
    };
    let mut builder = AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_region("eu-central-1")
        .with_bucket_name(server.bucket())
        .with_retry(retry);
    builder = match secret {
        Some(secret) => builder
            .with_access_key_id(server.access_key())
            .with_secret_access_key(secret),
        None => builder.with_skip_signature(true),
    };
    builder.build().expect("a client")
}

fn signed(server: &FaultServer) -> AmazonS3 {
    client(server, Some(server.secret_key()), 0)
}

#[tokio::test]
async fn objects_are_written_read_listed_and_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FaultServer::start_s3(folder.path()).await;
    let store = signed(&server);
    for name in ["b/1 é.bin", "b/c/2.bin", "d.bin"] {
        store
            .put(&Path::from(name), "hello world".into())
            .await
            .expect("put");
    }
    assert!(folder.path().join("b/c/2.bin").is_file());
    let path = Path::from("b/1 é.bin");
    let head = store.head(&path).await.expect("head");
    assert_eq!(head.size, 11);
    assert_eq!(store.get(&path).await.expect("get").meta.e_tag, head.e_tag);
    assert_eq!(store.get_range(&path, 6..9).await.expect("range"), "wor");
    let suffix = GetOptions {
        range: Some(GetRange::Suffix(2)),
        ..Default::default()
    };
    let suffix = store
        .get_opts(&path, suffix)
        .await
        .expect("suffix")
        .bytes()
        .await;
    assert_eq!(suffix.expect("bytes"), "ld");
    let stale = GetOptions {
        if_match: Some("\"stale\"".to_owned()),
        ..Default::default()
    };
    let stale = store.get_opts(&path, stale).await;
    assert!(matches!(stale, Err(Error::Precondition { .. })));
    let listed: Vec<_> = store
        .list(Some(&Path::from("b")))
        .try_collect()
        .await
        .expect("list");
    assert_eq!(listed.len(), 2);
    let top = store.list_with_delimiter(None).await.expect("list");
    assert_eq!((top.objects.len(), top.common_prefixes.len()), (1, 1));
    store.copy(&path, &Path::from("e.bin")).await.expect("copy");
    let paths = [path, Path::from("e.bin")].map(Ok);
    let deleted: Vec<_> = store
        .delete_stream(futures::stream::iter(paths).boxed())
        .try_collect()
        .await
        .expect("x");
    assert_eq!(deleted.len(), 2);
    let gone = store.head(&Path::from("e.bin")).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn listings_have_pages() {
    let content = (0..2100).map(|number| (format!("k/{number:05}"), ""));
    let options = Options {
        is_s3: true,
        ..Options::default()
    };
    let server = FaultServer::start_memory(content, options).expect("a server");
    let listed: Vec<_> = signed(&server)
        .list(None)
        .try_collect()
        .await
        .expect("list");
    assert_eq!(listed.len(), 2100);
    assert_eq!(server.stats().total(), 3);
}

#[tokio::test]
async fn signatures_are_checked() {
    let server = server(Options::default());
    let path = Path::from("a/x.bin");
    let forged = client(&server, Some("another-secret"), 0).get(&path).await;
    assert!(
        matches!(forged, Err(Error::PermissionDenied { .. })),
        "{forged:?}"
    );
    assert!(
        client(&server, None, 0).get(&path).await.is_err(),
        "anonymous"
    );

    let public = self::server(Options {
        is_public: true,
        ..Options::default()
    });
    client(&public, None, 0)
        .get(&path)
        .await
        .expect("a public object");
    assert!(
        client(&public, None, 0)
            .put(&path, "x".into())
            .await
            .is_err()
    );
    signed(&public)
        .put(&path, "x".into())
        .await
        .expect("a signed write");
}

#[tokio::test]
async fn large_objects_go_in_parts() {
    let server = server(Options::default());
    let store = signed(&server);
    let path = Path::from("large.bin");
    let content: Vec<u8> = (0..13_000_000_u32)
        .map(|index| (index % 251) as u8)
        .collect();
    let upload = store.put_multipart(&path).await.expect("an upload");
    let mut writer = WriteMultipart::new(upload);
    writer.write(&content);
    writer.finish().await.expect("finish");
    let read = store
        .get(&path)
        .await
        .expect("get")
        .bytes()
        .await
        .expect("bytes");
    assert!(read == content, "content differs");
    assert_eq!(server.stats().count("PUT"), 3);

    let mut aborted = store
        .put_multipart(&Path::from("none.bin"))
        .await
        .expect("an upload");
    aborted.abort().await.expect("abort");
    assert!(store.head(&Path::from("none.bin")).await.is_err());
}

async fn create(store: &AmazonS3, name: &str) -> Result<object_store::PutResult, Error> {
    let options = PutOptions {
        mode: PutMode::Create,
        ..Default::default()
    };
    store.put_opts(&Path::from(name), "x".into(), options).await
}

#[tokio::test]
async fn one_of_many_creators_wins() {
    let server = server(Options::default());
    let store = signed(&server);
    let results = futures::future::join_all((0..16).map(|_| create(&store, "new.bin"))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let lost = |result: &Result<_, _>| matches!(result, Err(Error::AlreadyExists { .. }));
    assert_eq!(results.iter().filter(|result| lost(result)).count(), 15);

    let version = UpdateVersion {
        e_tag: Some("\"stale\"".to_owned()),
        version: None,
    };
    let options = PutOptions {
        mode: PutMode::Update(version),
        ..Default::default()
    };
    let stale = store
        .put_opts(&Path::from("new.bin"), "y".into(), options)
        .await;
    assert!(
        matches!(stale, Err(Error::Precondition { .. })),
        "{stale:?}"
    );
}

#[tokio::test]
async fn stores_without_conditional_put_can_be_played() {
    let refuses = Options {
        conditional_put: ConditionalPut::NotImplemented,
        ..Default::default()
    };
    assert!(create(&signed(&server(refuses)), "n.bin").await.is_err());
    let ignores = Options {
        conditional_put: ConditionalPut::Ignored,
        ..Default::default()
    };
    let server = server(ignores);
    create(&signed(&server), "n.bin").await.expect("first");
    create(&signed(&server), "n.bin").await.expect("second");
}

#[tokio::test]
async fn client_recovers_from_slow_down_and_cut_bodies() {
    let server = server(Options::default());
    let store = client(&server, Some(server.secret_key()), 3);
    let path = Path::from("a/x.bin");
    server.inject(Rule::new(Fault::Status(503)).times(2));
    assert_eq!(store.get_range(&path, 2..4).await.expect("range"), "23");
    assert_eq!(server.stats().total(), 3);

    server.inject(Rule::new(Fault::LoseResponse).method("PUT").times(1));
    store
        .put(&path, "0123456789".into())
        .await
        .expect("a second attempt");
    assert_eq!(server.stats().count("PUT"), 2);
}

#[tokio::test]
async fn lost_response_hides_a_write_that_happened() {
    let server = server(Options::default());
    server.inject(Rule::new(Fault::LoseResponse).method("PUT").times(1));
    assert!(
        signed(&server)
            .put(&Path::from("n.bin"), "x".into())
            .await
            .is_err()
    );
    signed(&server)
        .head(&Path::from("n.bin"))
        .await
        .expect("the object");
}

#[tokio::test]
async fn ignored_range_survives_the_signature() {
    let server = server(Options::default());
    server.inject(Rule::new(Fault::IgnoreRange));
    let answer = signed(&server)
        .get_range(&Path::from("a/x.bin"), 2..4)
        .await;
    assert!(
        answer.is_err(),
        "the client refuses an answer without its range"
    );
    let record = &server.stats().log[0];
    assert_eq!((record.status, record.bytes_sent), (200, 10));
}
