//! Writing objects to a folder and to an S3 server: one suite for both.

use bytes::Bytes;
use swath_access::Viewer;
use swath_io::{IoError, ObjectInfo, StoreConfig, StoreWriter};
use swath_testkit::{Fault, FaultServer, Rule};

use crate::place;

/// What every store must do.
async fn conforms(writer: &StoreWriter) {
    let small = Bytes::from_static(b"hello");
    assert_eq!(writer.size("a/b.txt").await.expect("size"), None);
    writer.put("a/b.txt", small.clone()).await.expect("put");
    writer.put("a/c d+é.txt", small.clone()).await.expect("put");
    assert_eq!(writer.size("a/b.txt").await.expect("size"), Some(5));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large.bin");
    let large: Vec<u8> = (0..40u32 << 20).map(|index| (index % 251) as u8).collect();
    std::fs::write(&path, &large).expect("a file");
    writer.put_file("a/large.bin", &path).await.expect("put");
    writer
        .put("a/b.txt", Bytes::from_static(b"hi"))
        .await
        .expect("replace");
    let object = |key: &str, size| ObjectInfo {
        key: key.to_owned(),
        size,
    };
    let listed = writer.list("a").await.expect("list");
    let expected = [
        object("a/b.txt", 2),
        object("a/c d+é.txt", 5),
        object("a/large.bin", large.len() as u64),
    ];
    assert_eq!(listed, expected);
    assert_eq!(writer.list("").await.expect("list"), expected);
    assert_eq!(writer.list("absent").await.expect("list"), []);
    let asset = writer.asset("a/large.bin").expect("an asset");
    let read = asset.read(0..u64::MAX >> 1, None).await.expect("read");
    assert!(read.bytes == large, "what was written is read");
    writer.take_file("taken/x.bin", &path).await.expect("take");
    assert_eq!(
        writer.size("taken/x.bin").await.expect("size"),
        Some(large.len() as u64)
    );
    writes_in_parts(writer, &large).await;
    for key in [
        "a/b.txt",
        "a/large.bin",
        "taken/x.bin",
        "parts.bin",
        "a/c d+é.txt",
        "a/b.txt",
    ] {
        writer.delete(key).await.expect("delete");
    }
    assert_eq!(writer.list("").await.expect("list"), []);
    assert!(matches!(
        writer.put("../x", small).await,
        Err(IoError::Href { .. })
    ));
}

/// An object whose parts come one by one appears at the end, or not at all.
async fn writes_in_parts(writer: &StoreWriter, large: &[u8]) {
    let mut upload = writer.upload("parts.bin").await.expect("begun");
    for part in large.chunks(3 << 20) {
        let part = Bytes::copy_from_slice(part);
        upload.write(part).await.expect("a part");
    }
    assert_eq!(writer.size("parts.bin").await.expect("size"), None);
    let size = upload.finish().await.expect("finished");
    assert_eq!(size, large.len() as u64);
    let asset = writer.asset("parts.bin").expect("an asset");
    assert_eq!(asset.version().await.expect("a version").size, size);
    let mut parts = asset.parts();
    let mut read = Vec::new();
    while let Some(part) = parts.next().await.expect("a part") {
        read.extend_from_slice(&part);
    }
    assert!(read == large, "what was written is read");
    let mut dropped = writer.upload("dropped.bin").await.expect("begun");
    let part = Bytes::from_static(b"half");
    dropped.write(part).await.expect("a part");
    drop(dropped);
    assert_eq!(writer.size("dropped.bin").await.expect("size"), None);
    let left = writer.unfinished("").await.expect("a list");
    assert_eq!(left.unwrap_or_default(), []);
}

fn s3(server: &FaultServer, prefix: &str) -> StoreWriter {
    let config = StoreConfig {
        prefix: format!("s3://{}/{prefix}", server.bucket()),
        endpoint: Some(server.endpoint()),
        credentials: Some("x".into()),
        ..StoreConfig::default()
    };
    let stores = place::named(server, config);
    stores.writer(&Viewer::operator(), "x:").expect("a writer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_conforms() {
    let folder = tempfile::tempdir().expect("a folder");
    let stores = place::command_line(None);
    let root = folder.path().join("deep/er");
    let writer = stores.writer(&Viewer::operator(), &root.to_string_lossy());
    conforms(&writer.expect("a writer")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_server_conforms() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FaultServer::start_s3(folder.path()).await;
    conforms(&s3(&server, "archive")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_requests_are_repeated_and_nothing_half_written_appears() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FaultServer::start_s3(folder.path()).await;
    let writer = s3(&server, "archive");
    server.inject(Rule::new(Fault::Status(503)).method("PUT").times(2));
    writer
        .put("a.txt", Bytes::from_static(b"x"))
        .await
        .expect("repeated");
    server.heal();
    server.inject(Rule::new(Fault::Status(403)).method("PUT"));
    let error = writer
        .put("b.txt", Bytes::from_static(b"x"))
        .await
        .expect_err("denied");
    assert!(matches!(error, IoError::Denied { .. }), "{error}");
    server.heal();
    let large = folder.path().join("large");
    std::fs::write(&large, vec![1; 40 << 20]).expect("a file");
    // The second part fails for good: the upload is given up.
    server.inject(Rule::new(Fault::Status(403)).method("PUT").after(1));
    writer
        .put_file("large.bin", &large)
        .await
        .expect_err("a failing part");
    server.heal();
    let keys: Vec<_> = writer
        .list("")
        .await
        .expect("list")
        .into_iter()
        .map(|object| object.key)
        .collect();
    assert_eq!(keys, ["a.txt"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "x").expect("a file");
    let stores = place::command_line(None);
    let root = folder.path().join("file");
    let writer = stores
        .writer(&Viewer::operator(), &root.to_string_lossy())
        .expect("a writer");
    let error = writer
        .put("a/b", Bytes::from_static(b"x"))
        .await
        .expect_err("no folder");
    assert!(error.to_string().contains("file"), "{error}");
}
