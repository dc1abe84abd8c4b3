//! Writing objects to a folder and to an S3 server: one suite for both.

use bytes::Bytes;
use swath_access::Viewer;
use swath_io::{IoError, ObjectInfo, Put, StoreConfig, StoreWriter};
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
    creates_once(writer).await;
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

/// Of many writers of one key one writes, and what it wrote stays.
async fn creates_once(writer: &StoreWriter) {
    let below = writer.below("once/deep").expect("a folder");
    let race = (0..16u8).map(|racer| {
        let below = below.clone();
        async move {
            below
                .put_new("n.json", Bytes::from(vec![racer; 9]))
                .await
                .expect("an answer")
        }
    });
    let outcomes = futures::future::join_all(race).await;
    let winners = outcomes.iter().filter(|outcome| **outcome == Put::Written);
    assert_eq!(winners.count(), 1);
    let winner = outcomes
        .iter()
        .position(|outcome| *outcome == Put::Written)
        .expect("a winner");
    let expected = Bytes::from(vec![winner as u8; 9]);
    assert_eq!(
        writer.get("once/deep/n.json", 9).await.expect("an object"),
        Some(expected)
    );
    let error = below.get("n.json", 8).await.expect_err("too large");
    assert!(
        matches!(error, IoError::TooLarge { size: 9, .. }),
        "{error}"
    );
    assert_eq!(below.get("absent", 8).await.expect("an answer"), None);
    below.put("empty", Bytes::new()).await.expect("put");
    assert_eq!(
        below.get("empty", 8).await.expect("an object"),
        Some(Bytes::new())
    );
    let dated = writer.list_dated("once").await.expect("a list");
    let keys: Vec<_> = dated
        .iter()
        .map(|object| (object.key.as_str(), object.size))
        .collect();
    assert_eq!(keys, [("once/deep/empty", 0), ("once/deep/n.json", 9)]);
    let age = dated[0].modified.elapsed().unwrap_or_default();
    assert!(age < std::time::Duration::from_secs(3_600), "{age:?}");
    assert_eq!(below.list_dated("").await.expect("a list")[1].key, "n.json");
    for key in ["empty", "n.json"] {
        below.delete(key).await.expect("delete");
    }
    assert!(writer.below("../x").is_err());
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

/// An object that is written only where nothing is: the first wins, whatever is lost on the way.
#[tokio::test]
async fn new_objects_are_written_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FaultServer::start_s3(folder.path()).await;
    let writer = s3(&server, "archive");
    let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"two"));
    let put = writer.put_new("a/x.json", one.clone()).await;
    assert_eq!(put.expect("put"), Put::Written);
    let put = writer.put_new("a/x.json", two.clone()).await;
    assert_eq!(put.expect("put"), Put::Exists);
    server.inject(Rule::new(Fault::LoseResponse).method("PUT").times(1));
    let put = writer.put_new("a/y.json", two).await;
    assert_eq!(put.expect("put"), Put::Written, "the answer was lost");
    server.heal();
    server.inject(Rule::new(Fault::Status(503)).method("PUT").times(2));
    let put = writer.put_new("a/z.json", one).await;
    assert_eq!(put.expect("put"), Put::Written, "after a while");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_does_not_make_a_writer_lose() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = FaultServer::start_s3(folder.path()).await;
    let writer = s3(&server, "archive");
    server.inject(Rule::new(Fault::LoseResponse).method("PUT").times(1));
    let one = Bytes::from_static(b"one");
    let put = writer
        .put_new("n.json", one.clone())
        .await
        .expect("an answer");
    assert_eq!(put, Put::Written);
    let put = writer
        .put_new("n.json", Bytes::from_static(b"two"))
        .await
        .expect("an answer");
    assert_eq!(put, Put::Exists);
    assert_eq!(
        writer.get("n.json", 10).await.expect("an object"),
        Some(one)
    );
    server.inject(Rule::new(Fault::Status(501)).method("PUT"));
    let error = writer
        .put_new("m.json", Bytes::new())
        .await
        .expect_err("unsupported");
    assert!(error.to_string().contains("only where none is"), "{error}");
}
