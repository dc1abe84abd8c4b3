//! Stores that fail: what heals is retried, what does not ends in an error that names the object.

use std::sync::Arc;
use std::time::Duration;

use swath_grid::Window;
use swath_io::{DecodedBlock, ErrorKind, GeoTiff, IoError, StoreConfig, Stores};
use swath_testkit::fixtures::{Compression, tiff};
use swath_testkit::{Fault, FaultServer, Rule};

use crate::cog::{Image, noise, write};
use crate::place::{command_line, named, open, open_file};

/// A name full of numbers that are also statuses.
const KEY: &str = "S2_20210416T105410_503_404_R405_429.tif";
const SIDE: u32 = 400;
/// Within one row of blocks: one request.
const WINDOW: Window = Window {
    col: 350,
    row: 325,
    width: 50,
    height: 15,
};

/// A raster of 160 kB of noise on a server.
struct World {
    folder: tempfile::TempDir,
    server: FaultServer,
    stores: Stores,
    href: String,
}

impl World {
    async fn http() -> Self {
        let folder = folder();
        let server = FaultServer::start_http(folder.path()).await;
        let href = format!("{}?X-Amz-Signature=SECRET", server.url(KEY));
        Self {
            folder,
            server,
            stores: command_line(None),
            href,
        }
    }

    async fn s3() -> Self {
        let folder = folder();
        let server = FaultServer::start_s3(folder.path()).await;
        let (stores, href) = (
            command_line(Some(&server)),
            format!("s3://{}/{KEY}", server.bucket()),
        );
        Self {
            folder,
            server,
            stores,
            href,
        }
    }

    /// Over HTTP and S3, with requests that are given up after a second.
    async fn impatient() -> [Self; 2] {
        let mut worlds = [Self::http().await, Self::s3().await];
        for world in &mut worlds {
            let is_s3 = world.href.starts_with("s3");
            let bucket = format!("s3://{}", world.server.bucket());
            let config = StoreConfig {
                prefix: if is_s3 {
                    bucket
                } else {
                    world.server.endpoint()
                },
                endpoint: is_s3.then(|| world.server.endpoint()),
                credentials: is_s3.then(|| "x".to_owned()),
                timeout_s: Some(1),
                ..StoreConfig::default()
            };
            world.stores = named(&world.server, config);
            world.href = format!("x:{KEY}");
        }
        worlds
    }

    async fn both() -> [Self; 2] {
        [Self::http().await, Self::s3().await]
    }

    async fn open(&self) -> Result<Arc<GeoTiff>, IoError> {
        open(&self.stores, &self.href).await
    }

    async fn read(&self) -> Result<DecodedBlock, IoError> {
        self.open().await?.read_window(&[0], WINDOW).await
    }

    /// Checks that opening, and reading after a good opening, fail alike.
    async fn fails(&self, fault: &Fault, kind: ErrorKind, words: &[&str]) {
        for spared in [0, 1] {
            self.server.heal();
            self.server.reset_stats();
            self.server.inject(Rule::new(fault.clone()).after(spared));
            let error = self.read().await.expect_err(&format!("{fault:?}"));
            check(&error, kind, words);
        }
        self.server.heal();
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<u8> = (0..SIDE * SIDE)
        .map(|index| noise(index % SIDE, index / SIDE))
        .collect();
    tiff(SIDE, SIDE)
        .samples(1, &values)
        .tiles(64, 64)
        .compression(Compression::Deflate)
        .write(folder.path().join(KEY));
    folder
}

fn check(error: &IoError, kind: ErrorKind, words: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.contains(KEY), "{text}");
    assert!(
        words.iter().all(|word| text.contains(word)),
        "{text}: {words:?}"
    );
    assert!(!format!("{text} {error:?}").contains("SECRET"), "{error:?}");
}

fn check_values(read: &DecodedBlock) {
    let expected = (0..WINDOW.len() as u32).map(|index| {
        noise(
            WINDOW.col + index % WINDOW.width,
            WINDOW.row + index / WINDOW.width,
        )
    });
    assert_eq!(read.bands[0], swath_raster::Pixels::U8(expected.collect()));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_absence_are_told_at_once() {
    for world in World::both().await {
        for status in [401, 403] {
            world
                .fails(
                    &Fault::Status(status),
                    ErrorKind::Denied,
                    &["denied", "credentials"],
                )
                .await;
            assert_eq!(world.server.stats().total(), 2);
        }
        world
            .fails(&Fault::Status(404), ErrorKind::NotFound, &["not found"])
            .await;
        assert_eq!(world.server.stats().total(), 2);
        world
            .fails(
                &Fault::Status(400),
                ErrorKind::Upstream,
                &["1 attempt", "400"],
            )
            .await;
        assert_eq!(world.server.stats().total(), 2);
        let other = world.href.replace("_R405", "_R406");
        let error = open(&world.stores, &other)
            .await
            .expect_err("no such object");
        assert!(matches!(error, IoError::NotFound { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_denied() {
    let world = World::s3().await;
    let mut aws = swath_io::AwsEnvironment::default();
    for (name, value) in [
        ("AWS_ENDPOINT_URL_S3", world.server.endpoint()),
        ("AWS_ACCESS_KEY_ID", world.server.access_key().to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "WRONGSECRET".to_owned()),
    ] {
        aws.variables.insert(name.to_owned(), value);
    }
    assert!(!format!("{aws:?}").contains("SECRETE"), "{aws:?}");
    let stores = Stores::for_command_line(Default::default(), aws);
    check(
        &open(&stores, &world.href)
            .await
            .expect_err("a wrong secret"),
        ErrorKind::Denied,
        &[],
    );
    assert_eq!(world.server.stats().total(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_heals_is_not_noticed() {
    let faults = [
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(503),
        Fault::Status(504),
        Fault::Status(429),
        Fault::ShortBody { bytes: 1000 },
        Fault::ShortBody { bytes: 0 },
        Fault::ResetAt { byte: 0 },
        Fault::ResetAt { byte: 2_000 },
        Fault::LoseResponse,
        Fault::WrongContentRange,
    ];
    for world in World::both().await {
        for fault in &faults {
            for spared in [0, 1] {
                world.server.heal();
                world.server.reset_stats();
                world
                    .server
                    .inject(Rule::new(fault.clone()).after(spared).times(2));
                let read = world
                    .read()
                    .await
                    .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
                check_values(&read);
                let requests = world.server.stats().total();
                assert_eq!(requests, 4, "{fault:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_heal_names_the_attempts() {
    let faults = [
        (Fault::Status(500), "500"),
        (Fault::Status(503), "503"),
        (Fault::Status(429), "429"),
        (Fault::ShortBody { bytes: 1000 }, ""),
        (Fault::ResetAt { byte: 0 }, ""),
        (Fault::LoseResponse, ""),
        (Fault::WrongContentRange, ""),
    ];
    for world in World::both().await {
        for (fault, word) in &faults {
            world
                .fails(fault, ErrorKind::Upstream, &["after 5 attempts", word])
                .await;
            // One good request, five bad ones.
            assert_eq!(world.server.stats().total(), 6, "{fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_never_mixed_in() {
    for world in World::both().await {
        world.server.inject(Rule::new(Fault::WrongEtag).after(1));
        let error = world.read().await.expect_err("another version");
        check(&error, ErrorKind::Conflict, &["changed while", "again"]);
        world.server.heal();

        let raster = world.open().await.unwrap();
        let path = world.folder.path().join(KEY);
        let mut other = std::fs::read(&path).unwrap();
        other.reverse();
        std::fs::write(&path, other).unwrap();
        let error = raster
            .read_window(&[0], WINDOW)
            .await
            .expect_err("replaced");
        check(&error, ErrorKind::Conflict, &["changed while"]);
        std::fs::remove_file(&path).unwrap();
        let error = raster.read_window(&[0], WINDOW).await.expect_err("removed");
        assert!(
            matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_file_that_changes_is_noticed() {
    let folder = folder();
    let path = folder.path().join(KEY);
    let raster = open_file(&path).await.unwrap();
    let len = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(len - 1)
        .unwrap();
    let error = raster.read_window(&[0], WINDOW).await.expect_err("cut");
    check(&error, ErrorKind::Conflict, &["changed while"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_ranges_is_named_and_not_downloaded() {
    let mut content = std::fs::read(folder().path().join(KEY)).unwrap();
    content.resize(256 << 20, 0);
    for is_s3 in [false, true] {
        let options = swath_testkit::server::Options {
            is_s3,
            ..Default::default()
        };
        let server = FaultServer::start_memory([(KEY, content.clone())], options).unwrap();
        let stores = command_line(Some(&server));
        let href = if is_s3 {
            format!("s3://{}/{KEY}", server.bucket())
        } else {
            server.url(KEY)
        };
        server.inject(Rule::new(Fault::IgnoreRange));
        let error = open(&stores, &href).await.expect_err("no ranges");
        check(
            &error,
            ErrorKind::Data,
            &["range requests", "copy the file"],
        );
        let stats = server.stats();
        assert_eq!(stats.total(), 1, "{error}");
        assert!(stats.bytes_sent < 32 << 20, "{} bytes", stats.bytes_sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stalls_is_given_up() {
    for world in World::impatient().await {
        world.server.inject(Rule::new(Fault::Stall).times(1));
        check_values(&world.read().await.unwrap());
        world.server.heal();
        world.server.reset_stats();
        world.server.inject(Rule::new(Fault::Stall).after(1));
        let error = world.read().await.expect_err("stalls");
        check(&error, ErrorKind::Upstream, &["5 attempts"]);
        assert_eq!(world.server.stats().total(), 6);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_store_is_waited_for_within_the_time() {
    for world in World::both().await {
        world.server.inject(Rule::new(Fault::SlowBody {
            bytes_per_second: 200_000,
        }));
        check_values(&world.read().await.unwrap());
    }
    for world in World::impatient().await {
        world.server.inject(Rule::new(Fault::SlowBody {
            bytes_per_second: 1_000,
        }));
        let error = world.read().await.expect_err("too slow");
        check(&error, ErrorKind::Upstream, &["5 attempts"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_is_upstream() {
    for world in World::both().await {
        let World {
            server,
            stores,
            href,
            ..
        } = world;
        drop(server);
        let error = open(&stores, &href).await.expect_err("nobody there");
        check(&error, ErrorKind::Upstream, &["5 attempts"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_object_is_bad_data() {
    for world in World::both().await {
        let path = world.folder.path().join(KEY);
        std::fs::write(&path, b"").unwrap();
        check(
            &world.open().await.expect_err("empty"),
            ErrorKind::Data,
            &["empty"],
        );
        check(
            &open_file(&path).await.expect_err("empty"),
            ErrorKind::Data,
            &[],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn truncation_is_noticed_at_every_layer() {
    // The last block stands last in the file.
    let last = Window {
        col: 390,
        row: 390,
        width: 10,
        height: 10,
    };
    let read = async |raster: Result<Arc<GeoTiff>, IoError>| raster?.read_window(&[0], last).await;
    let whole = std::fs::read(folder().path().join(KEY)).unwrap();
    for world in World::both().await {
        let path = world.folder.path().join(KEY);
        for len in [
            1,
            3,
            7,
            8,
            9,
            10,
            21,
            100,
            150,
            200,
            400,
            66_000,
            whole.len() - 1,
        ] {
            std::fs::write(&path, &whole[..len]).unwrap();
            let error = read(world.open().await).await.expect_err("truncated");
            check(&error, ErrorKind::Data, &[]);
            let error = read(open_file(&path).await).await.expect_err("truncated");
            check(&error, ErrorKind::Data, &[]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn complaints_lower_the_number_of_requests_at_once() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &folder.path().join(KEY),
        Image {
            side: 2048,
            block_px: 256,
            value: noise,
        },
    );
    let server = FaultServer::start_http(folder.path()).await;
    let stores = command_line(None);
    let raster = open(&stores, &server.url(KEY)).await.unwrap();
    server.inject(Rule::new(Fault::Latency(Duration::from_millis(30))));
    // Every other block: each is a request of its own.
    let apart = |count: u32| (0..count).map(|index| index * 2).collect::<Vec<u32>>();
    let bands: Arc<[usize]> = Arc::from([0]);
    server.reset_stats();
    raster
        .fetch_blocks(0, bands.clone(), &apart(32))
        .await
        .unwrap();
    let calm = server.stats();
    assert_eq!(calm.total(), 32);
    assert!(
        (8..=24).contains(&calm.in_flight_max),
        "{}",
        calm.in_flight_max
    );

    server.inject(Rule::new(Fault::Status(503)).times(12));
    raster
        .fetch_blocks(0, bands.clone(), &apart(32))
        .await
        .unwrap();
    server.reset_stats();
    raster.fetch_blocks(0, bands, &apart(8)).await.unwrap();
    let careful = server.stats();
    assert_eq!(careful.total(), 8);
    assert!(
        careful.in_flight_max < calm.in_flight_max,
        "{}",
        careful.in_flight_max
    );
}
