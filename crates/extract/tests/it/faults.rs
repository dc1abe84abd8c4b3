//! Extraction from stores that fail: what heals does not show, what does not leaves a journal.

use std::path::{Path, PathBuf};
use std::time::Duration;

use swath_extract::{
    ExtractError, ExtractOptions, ExtractReport, MeasureOptions, extract, find_items,
};
use swath_io::{ErrorKind, Stores};
use swath_raster::{DataType, Pixels};
use swath_testkit::table::read_parquet;
use swath_testkit::{Fault, FaultServer, Rule};

use crate::scene::{Image, extractor, fields, measure, mixed, open, stores, write_parcels};

const ITEMS: [&str; 5] = [
    "20210416_503",
    "20210416_404",
    "20210428",
    "20210503_429",
    "20210416_500",
];
const SIDE: u32 = 600;

/// Five dated rasters of noise and 60 parcels behind a server.
struct World {
    folder: tempfile::TempDir,
    server: FaultServer,
    stores: Stores,
    hrefs: Vec<String>,
}

impl World {
    async fn start(is_s3: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let served = folder.path().join("served");
        std::fs::create_dir(&served).unwrap();
        for (index, item) in ITEMS.iter().enumerate() {
            write_item(&served.join(format!("{item}.tif")), index as u64);
        }
        write_parcels(&folder.path().join("parcels.json"), &fields(60, SIDE, 5));
        let server = match is_s3 {
            true => FaultServer::start_s3(&served).await,
            false => FaultServer::start_http(&served).await,
        };
        let href = |item: &&str| match is_s3 {
            true => format!("s3://{}/{item}.tif", server.bucket()),
            false => format!("{}?sig=SECRET", server.url(&format!("{item}.tif"))),
        };
        let hrefs = ITEMS.iter().map(href).collect();
        Self {
            stores: stores(Some(&server)),
            folder,
            server,
            hrefs,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn run(&self, hrefs: &[String], output: &str) -> Result<ExtractReport, ExtractError> {
        let options = MeasureOptions {
            threads: 2,
            ..MeasureOptions::default()
        };
        let extractor = extractor(&self.path("parcels.json"), options).await;
        let list = find_items(&self.stores, hrefs).await?;
        extract(
            &extractor,
            list,
            &ExtractOptions::default(),
            &self.path(output),
            &|_, _, _| {},
        )
        .await
    }

    /// Returns the table as it is without faults.
    async fn expected(&self) -> arrow::array::RecordBatch {
        let report = self.run(&self.hrefs, "expected.parquet").await.unwrap();
        assert_eq!(
            (report.measured, report.skipped.len()),
            (ITEMS.len(), 0),
            "{:?}",
            report.skipped
        );
        assert!(!self.path("expected.parquet.partial").exists());
        read_parquet(self.path("expected.parquet"))
    }

    /// Returns the names in the folder of outputs.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn write_item(path: &Path, seed: u64) {
    let rows = move |first: u32, rows: u32| {
        let from = u64::from(first * SIDE) + (seed << 32);
        Pixels::U16(
            (from..from + u64::from(rows * SIDE))
                .map(|at| mixed(at) as u16)
                .collect(),
        )
    };
    let image = Image {
        side: SIDE,
        block_px: 128,
        data_type: DataType::U16,
        nodata: Some(0.0),
        rows,
    };
    image.write(path, &format!("2021-04-{:02}T10:00:00Z", 20 - seed));
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_that_heal_do_not_show() {
    for is_s3 in [false, true] {
        let world = World::start(is_s3).await;
        let expected = world.expected().await;
        for (index, fault) in [
            Rule::new(Fault::Status(503)).times(3),
            Rule::new(Fault::Status(500)).times(3),
            Rule::new(Fault::Status(429)).every(7),
            Rule::new(Fault::ResetAt { byte: 100 }).nth(9),
            Rule::new(Fault::ShortBody { bytes: 10_000 }).every(5),
            Rule::new(Fault::LoseResponse).every(6),
            Rule::new(Fault::WrongContentRange).every(5),
        ]
        .into_iter()
        .enumerate()
        {
            world.server.heal();
            world.server.inject(fault.clone());
            let output = format!("healed{index}.parquet");
            let report = world
                .run(&world.hrefs, &output)
                .await
                .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
            assert_eq!(report.skipped, [], "{fault:?}");
            assert_eq!(read_parquet(world.path(&output)), expected, "{fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_leaves_a_journal_and_no_output() {
    for is_s3 in [false, true] {
        let world = World::start(is_s3).await;
        let expected = world.expected().await;
        let before = world.names();
        // From the third item (by date) on, the data cannot be read; headers can.
        let failing = format!("{}.tif", ITEMS[2]);
        for status in [500, 503] {
            world
                .server
                .inject(Rule::new(Fault::Status(status)).path(&failing).after(1));
            let error = world
                .run(&world.hrefs, "out.parquet")
                .await
                .expect_err("a failing store");
            let text = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Upstream, "{text}");
            assert!(
                text.contains(&failing) && !text.contains("SECRET"),
                "{text}"
            );
            world.server.heal();
        }
        let mut now = world.names();
        now.retain(|name| !before.contains(name));
        assert_eq!(now, ["out.parquet.partial"]);
        world
            .server
            .inject(Rule::new(Fault::Status(403)).path(&failing).after(1));
        let error = world
            .run(&world.hrefs, "out.parquet")
            .await
            .expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        world.server.heal();
        let report = world.run(&world.hrefs, "out.parquet").await.unwrap();
        assert_eq!(report.resumed, 2);
        assert_eq!(read_parquet(world.path("out.parquet")), expected);
        assert!(!world.path("out.parquet.partial").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_with_its_own_damage_is_skipped_with_a_reason() {
    let world = World::start(false).await;
    let expected = world.expected().await;
    let served = world.path("served");
    let path = served.join(format!("{}.tif", ITEMS[1]));
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2..][..20_000].fill(0xA5);
    for (index, bytes) in [
        whole[..whole.len() / 2].to_vec(),
        whole[..100].to_vec(),
        damaged,
        Vec::new(),
    ]
    .iter()
    .enumerate()
    {
        std::fs::write(&path, bytes).unwrap();
        let output = format!("out{index}.parquet");
        let report = world.run(&world.hrefs, &output).await.unwrap();
        let [skipped] = &report.skipped[..] else {
            panic!("{:?}", report.skipped)
        };
        assert_eq!(skipped.name, ITEMS[1]);
        assert!(
            skipped.reason.contains(ITEMS[1]) && !skipped.reason.contains("SECRET"),
            "{}",
            skipped.reason
        );
        assert_eq!((report.measured, report.failures()), (ITEMS.len() - 1, 1));
        let found = read_parquet(world.path(&output));
        // Items stand in the order of time: the second youngest is the last but one.
        let rows = expected.num_rows() / ITEMS.len();
        let before = expected.slice(0, 3 * rows);
        let after = expected.slice(4 * rows, rows);
        assert_eq!(found.slice(0, 3 * rows), before);
        assert_eq!(found.slice(3 * rows, rows), after);
        assert_eq!(found.num_rows(), 4 * rows);
    }
    std::fs::remove_file(&path).unwrap();
    let report = world.run(&world.hrefs, "gone.parquet").await.unwrap();
    assert_eq!(report.skipped.len(), 1);
    assert!(
        report.skipped[0].reason.contains("not found"),
        "{:?}",
        report.skipped
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_on_the_same_output_is_refused() {
    let world = World::start(false).await;
    let expected = world.expected().await;
    world
        .server
        .inject(Rule::new(Fault::Latency(Duration::from_millis(300))).after(ITEMS.len() as u64));
    let first = world.run(&world.hrefs, "out.parquet");
    let second = async {
        let journal = world.path("out.parquet.partial");
        for _ in 0..1_000 {
            if journal.exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world.run(&world.hrefs[..2], "out.parquet").await
    };
    let (first, second) = tokio::join!(first, second);
    let error = second.expect_err("a second run").to_string();
    assert!(
        error.contains("another run") && error.contains("out.parquet"),
        "{error}"
    );
    first.unwrap();
    assert_eq!(read_parquet(world.path("out.parquet")), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn zonal_on_a_failing_store_leaves_nothing() {
    let world = World::start(true).await;
    let mut extractor = extractor(&world.path("parcels.json"), MeasureOptions::default()).await;
    let raster = open(&world.stores, &world.hrefs[0]).await.unwrap();
    let before = world.names();
    for (fault, kind) in [
        (Fault::Status(503), ErrorKind::Upstream),
        (Fault::Status(403), ErrorKind::Denied),
        (Fault::WrongEtag, ErrorKind::Conflict),
        (Fault::IgnoreRange, ErrorKind::Data),
    ] {
        world.server.heal();
        world.server.inject(Rule::new(fault.clone()));
        let error = measure(&mut extractor, &raster, &world.path("out.parquet"))
            .await
            .expect_err("a fault");
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
        assert_eq!(world.names(), before, "{fault:?}");
    }
    world.server.heal();
    measure(&mut extractor, &raster, &world.path("out.parquet"))
        .await
        .unwrap();
}
