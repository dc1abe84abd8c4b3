//! What reading costs over HTTP and S3: few requests, few bytes, and the keys arrive as they are.

use swath_grid::Window;
use swath_io::{StoreConfig, Stores};
use swath_raster::Pixels;
use swath_testkit::FaultServer;
use swath_testkit::fixtures::{ramp, tiff};

use crate::cog::{Image, TILE_SIDE, flat, noise, write};
use crate::place::{command_line, named, open, resolve};

/// What the first request asks for.
const HEADER_BYTES: u64 = 64 << 10;

/// The same folder over HTTP, over S3 and as a named S3 store with a prefix.
struct Fronts {
    http: FaultServer,
    s3: FaultServer,
}

impl Fronts {
    async fn start(folder: &std::path::Path) -> Self {
        let http = FaultServer::start_http(folder).await;
        let s3 = FaultServer::start_s3(folder).await;
        Self { http, s3 }
    }

    /// Returns server, stores and href of each way to `key`, which lies in the folder `deep`.
    fn ways(&self, key: &str) -> [(&FaultServer, Stores, String); 4] {
        let bucket = self.s3.bucket();
        let of_s3 = StoreConfig {
            prefix: format!("s3://{bucket}/deep/"),
            endpoint: Some(self.s3.endpoint()),
            credentials: Some("x".to_owned()),
            ..StoreConfig::default()
        };
        let of_http = StoreConfig {
            prefix: self.http.url("deep"),
            ..StoreConfig::default()
        };
        [
            (
                &self.http,
                command_line(None),
                self.http.url(&format!("deep/{key}")),
            ),
            (
                &self.s3,
                command_line(Some(&self.s3)),
                format!("s3://{bucket}/deep/{key}"),
            ),
            (&self.s3, named(&self.s3, of_s3), format!("x:{key}")),
            (&self.http, named(&self.s3, of_http), format!("x:{key}")),
        ]
    }
}

fn deep_folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("deep");
    std::fs::create_dir(&deep).unwrap();
    (folder, deep)
}

fn window_of(image: fn(u32, u32) -> u8, window: &Window) -> Pixels {
    let row = |row| (window.col..window.col_end()).map(move |col| image(col, row));
    Pixels::U8((window.row..window.row_end()).flat_map(row).collect())
}

/// Opens a tile and reads 512² pixels across four blocks; returns requests and bytes of each way.
async fn costs(image: fn(u32, u32) -> u8) -> Vec<(u64, u64, u64)> {
    let (folder, deep) = deep_folder();
    write(
        &deep.join("tile.tif"),
        Image {
            side: TILE_SIDE,
            block_px: 512,
            value: image,
        },
    );
    let fronts = Fronts::start(folder.path()).await;
    let window = Window {
        col: 5_000,
        row: 7_003,
        width: 512,
        height: 512,
    };
    let mut costs = Vec::new();
    for (server, stores, href) in fronts.ways("tile.tif") {
        server.reset_stats();
        let raster = open(&stores, &href).await.unwrap();
        assert!(raster.describe().cog.valid);
        let read = raster.read_window(&[0], window).await.unwrap();
        assert_eq!(read.bands[0], window_of(image, &window));
        let stats = server.stats();
        assert_eq!(stats.total(), stats.count("GET"), "{stats:?}");
        assert!(
            stats.log.iter().all(|request| request.range.is_some()),
            "{stats:?}"
        );
        let numbers = raster.blocks_of(&window);
        let needed = numbers
            .iter()
            .map(|number| raster.block_bytes(*number, &[0]))
            .sum();
        costs.push((stats.total(), stats.bytes_sent, needed));
    }
    costs
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_of_a_flat_tile_takes_three_requests() {
    for (requests, bytes, _) in costs(flat).await {
        assert!(requests <= 3, "{requests}");
        assert!(bytes <= 2 * HEADER_BYTES, "{bytes}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_of_a_noisy_tile_takes_three_requests() {
    for (requests, bytes, needed) in costs(noise).await {
        assert!(requests <= 3, "{requests}");
        assert!(needed > 900_000, "{needed}");
        assert!(
            bytes as f64 <= 1.05 * needed as f64 + HEADER_BYTES as f64,
            "{bytes} of {needed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_travel_along_each_with_its_own_href() {
    let folder = tempfile::tempdir().unwrap();
    tiff(300, 300).write(folder.path().join("a.tif"));
    let server = FaultServer::start_http(folder.path()).await;
    let config = StoreConfig {
        prefix: server.endpoint(),
        ..StoreConfig::default()
    };
    for (stores, base) in [
        (command_line(None), server.url("a.tif")),
        (named(&server, config), "x:a.tif".to_owned()),
    ] {
        for query in [
            "X-Amz-Signature=SECRET1&X-Amz-Date=20%2F1",
            "sig=SECRET2",
            "",
        ] {
            server.reset_stats();
            let mark = if query.is_empty() { "" } else { "?" };
            let raster = open(&stores, &format!("{base}{mark}{query}"))
                .await
                .unwrap();
            raster
                .read_window(
                    &[0],
                    Window {
                        col: 250,
                        row: 250,
                        width: 9,
                        height: 9,
                    },
                )
                .await
                .unwrap();
            let log = server.stats().log;
            assert!(
                log.len() >= 2 && log.iter().all(|request| request.query == query),
                "{log:?}"
            );
            assert!(!raster.href().contains("SECRET"), "{}", raster.href());
        }
    }
}

#[test]
fn hrefs_that_no_store_takes_keep_their_signature_to_themselves() {
    let stores = command_line(None);
    for href in [
        "https://?sig=SECRET",
        "ftp://host/a.tif?sig=SECRET",
        "https://[::1/a.tif?sig=SECRET",
    ] {
        let error = resolve(&stores, href).expect_err("no such store");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("SECRET"), "{shown}");
        assert!(
            error.to_string().contains(href.split('?').next().unwrap()),
            "{error}"
        );
    }
}

/// Percent-encodes everything but unreserved characters and slashes.
fn encoded(key: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    key.bytes()
        .map(|byte| {
            if is_plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[test]
fn keys_do_not_climb_out_of_a_store_in_disguise() {
    let config = StoreConfig {
        prefix: "https://host/own/".to_owned(),
        ..StoreConfig::default()
    };
    let stores = Stores::named(std::collections::BTreeMap::from([("x".to_owned(), config)]));
    for key in [
        "../a.tif",
        "%2e%2e/a.tif",
        "..\\a.tif",
        "b/%2E./../a.tif",
        "b/.%2e/%2e%2e/a.tif",
    ] {
        let error = resolve(&stores, &format!("x:{key}"))
            .expect_err(key)
            .to_string();
        assert!(error.contains("climb"), "{error}");
    }
    assert!(resolve(&stores, "x:b/a.tif").is_ok());
    let own = swath_access::Resource::new(
        "own",
        None,
        swath_access::Visibility::Public,
        vec!["https://host/own".to_owned()],
    );
    let viewer = swath_access::Viewer::anonymous();
    for href in [
        "https://host/own/%2e%2e/a.tif",
        "https://host/own/..\\a.tif",
    ] {
        let error = command_line(None)
            .resolve(&viewer, &own, href)
            .expect_err(href);
        assert_eq!(error.kind(), swath_io::ErrorKind::Denied, "{error}");
    }
    assert!(
        command_line(None)
            .resolve(&viewer, &own, "https://host/own/b/a.tif?sig=1")
            .is_ok()
    );
}

const KEYS: [&str; 11] = [
    "a b.tif",
    "Ærø/Übersicht.tif",
    "写真.tif",
    "100%.tif",
    "a%20b.tif",
    "50%25.tif",
    "x+y=z&w.tif",
    "a#b.tif",
    "what?.tif",
    "semi;colon,@!$'()*.tif",
    "S2B_MSIL2A_20210416T105619_N0500_R094_T32UQD.SAFE/B04_10m.tif",
];

#[tokio::test(flavor = "multi_thread")]
async fn keys_arrive_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for (index, key) in KEYS.iter().enumerate() {
        let path = folder.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Another width for each: the right object was opened.
        let width = 40 + index as u32;
        tiff(width, 20).samples(1, &ramp(width, 20, 1)).write(path);
    }
    let http = FaultServer::start_http(folder.path()).await;
    let s3 = FaultServer::start_s3(folder.path()).await;
    let config = StoreConfig {
        prefix: format!("s3://{}", s3.bucket()),
        endpoint: Some(s3.endpoint()),
        credentials: Some("x".to_owned()),
        ..StoreConfig::default()
    };
    let by_name = named(&s3, config);
    for (index, key) in KEYS.iter().enumerate() {
        // URLs are percent-encoded; paths, keys of S3 and of named stores are not.
        let ways = [
            (
                &command_line(None),
                folder.path().join(key).to_str().unwrap().to_owned(),
            ),
            (&command_line(None), http.url(&encoded(key))),
            (
                &command_line(Some(&s3)),
                format!("s3://{}/{key}", s3.bucket()),
            ),
            (&by_name, format!("x:{key}")),
        ];
        for (stores, href) in ways {
            let raster = open(stores, &href)
                .await
                .unwrap_or_else(|error| panic!("{href}: {error}"));
            assert_eq!(raster.size().width, 40 + index as u32, "{href}");
        }
    }
    // A blank in a URL is what people paste.
    assert!(
        open(&command_line(None), &http.url("a b.tif"))
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weak_etag_is_no_reason_to_refuse() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let content = tiff(300, 300).bytes();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let href = format!("http://{}/a.tif", listener.local_addr().unwrap());
    // RFC 9110, 13.1.1: If-Match compares strongly, so a weak tag matches nothing and gets 412.
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let request = String::from_utf8(request).unwrap().to_ascii_lowercase();
            let range = request
                .split("range: bytes=")
                .nth(1)
                .unwrap()
                .lines()
                .next()
                .unwrap();
            let (first, last) = range.split_once('-').unwrap();
            let first: usize = first.parse().unwrap();
            let end = (last.parse::<usize>().unwrap() + 1).min(content.len());
            let answer = if request.contains("if-match") {
                b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
            } else {
                let head = format!(
                    "HTTP/1.1 206 Partial Content\r\nETag: W/\"abc\"\r\nContent-Length: {}\r\n\
                     Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\
                     Content-Range: bytes {first}-{}/{}\r\nConnection: close\r\n\r\n",
                    end - first,
                    end - 1,
                    content.len()
                );
                [head.as_bytes(), &content[first..end]].concat()
            };
            stream.write_all(&answer).await.unwrap();
        }
    });
    let raster = open(&command_line(None), &href).await.unwrap();
    let window = Window {
        col: 250,
        row: 250,
        width: 9,
        height: 9,
    };
    raster.read_window(&[0], window).await.unwrap();
}
