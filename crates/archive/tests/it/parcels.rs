//! Parcel sets: imported, opened again by name, backed up and restored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use swath_access::Viewer;
use swath_archive::{
    ArchiveError, Backup, BackupOptions, DuplicateIds, ImportOptions, ImportReport, ParcelImport,
    Restore, RestoreOptions, RestoreTarget, open_set,
};
use swath_catalog::{Catalog, ParcelSetSettings, RestoreMode};
use swath_io::vector::set::AttributeChoice;
use swath_io::{AwsEnvironment, ErrorKind, StoreConfig, StoreWriter, Stores};
use tempfile::TempDir;

/// A data home.
struct Home {
    folder: TempDir,
    stores: Stores,
    catalog: Catalog,
}

impl Home {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = |name: &str| {
            let config = StoreConfig {
                prefix: folder.path().join(name).to_string_lossy().into_owned(),
                ..StoreConfig::default()
            };
            (name.to_owned(), config)
        };
        let configs = BTreeMap::from([store("archive"), store("parcels")]);
        let url = format!("sqlite:{}", folder.path().join("catalog.sqlite").display());
        Self {
            stores: Stores::for_command_line(configs, AwsEnvironment::default()),
            catalog: Catalog::open(&url).await.expect("a catalogue"),
            folder,
        }
    }

    fn writer(&self, root: &str) -> StoreWriter {
        self.stores
            .writer(&Viewer::operator(), root)
            .expect("a writer")
    }

    /// Writes a file of parcels side by side.
    fn file(&self, ids: &[&str]) -> PathBuf {
        let feature = |(number, id): (usize, &&str)| {
            let west = 9.0 + 0.01 * number as f64;
            let east = west + 0.002;
            format!(
                r#"{{"type":"Feature","properties":{{"id":"{id}","crop":"{}","CVR":"{number}"}},
                "geometry":{{"type":"Polygon","coordinates":[[[{west},55],[{east},55],[{east},55.001],[{west},55.001],[{west},55]]]}}}}"#,
                number % 3
            )
        };
        let features: Vec<String> = ids.iter().enumerate().map(feature).collect();
        let text = format!(
            r#"{{"type":"FeatureCollection","features":[{}]}}"#,
            features.join(",")
        );
        let path = self.folder.path().join("parcels.geojson");
        std::fs::write(&path, text).expect("a file");
        path
    }

    async fn import(
        &self,
        path: &Path,
        change: impl FnOnce(&mut ImportOptions),
    ) -> Result<ImportReport, ArchiveError> {
        let mut options = ImportOptions {
            set: "dk".to_owned(),
            crop: Some("crop".to_owned()),
            scratch: self.folder.path().join("scratch"),
            ..ImportOptions::default()
        };
        change(&mut options);
        let import = ParcelImport {
            catalog: &self.catalog,
            parcels: &self.writer("parcels:"),
            viewer: &Viewer::operator(),
            options,
        };
        import.run(path, "parcels.geojson", &|_| {}).await
    }

    /// Returns the ids of a version in the order of its rows.
    async fn ids(&self, name: &str) -> Vec<String> {
        let opened = open_set(&self.stores, &self.catalog, &Viewer::operator(), name).await;
        let source = opened.expect("a set").source().await.expect("parcels");
        (0..source.parcels.len())
            .map(|row| source.parcels.id(row).to_owned())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_leaves_the_old_one_as_it_is() {
    let home = Home::new().await;
    let first = home.import(&home.file(&["007", "8"]), |_| {}).await;
    let first = first.expect("imported");
    assert_eq!(
        (first.version.number, first.is_new, first.parcels),
        (1, true, 2)
    );
    assert_eq!(first.version.content.personal, ["CVR"]);
    let same = home.import(&home.file(&["007", "8"]), |_| {}).await;
    let same = same.expect("imported");
    assert_eq!((same.version, same.is_new), (first.version, false));
    let second = home.import(&home.file(&["007", "8", "9"]), |_| {}).await;
    assert_eq!(second.expect("imported").version.number, 2);
    assert_eq!(home.ids("dk@1").await.len(), 2);
    assert_eq!(home.ids("dk").await.len(), 3);
    assert!(home.ids("dk@1").await.contains(&"007".to_owned()));
    assert_eq!(
        std::fs::read_dir(home.folder.path().join("scratch"))
            .expect("a folder")
            .count(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_zone_is_that_of_the_country_until_it_is_said() {
    let home = Home::new().await;
    let path = home.file(&["1"]);
    let country = |options: &mut ImportOptions| options.country = Some("DK".to_owned());
    let report = home.import(&path, country).await.expect("imported");
    assert_eq!(report.timezone, "Europe/Copenhagen");
    let said = |options: &mut ImportOptions| {
        options.settings.timezone = Some("America/Nuuk".to_owned());
        country(options);
    };
    assert_eq!(
        home.import(&path, said).await.expect("imported").timezone,
        "America/Nuuk"
    );
    assert_eq!(
        home.import(&path, country)
            .await
            .expect("imported")
            .timezone,
        "America/Nuuk"
    );
    let wrong = |options: &mut ImportOptions| {
        options.settings = ParcelSetSettings {
            timezone: Some("Europe/Aarhus".to_owned()),
            ..ParcelSetSettings::default()
        };
    };
    let error = home.import(&path, wrong).await.expect_err("no zone");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_are_refused_left_out_or_numbered() {
    let home = Home::new().await;
    let path = home.file(&["a", "b", "a", "a#2", "a"]);
    let error = home.import(&path, |_| {}).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("2 of 5 parcels"), "{error}");
    let kept = home
        .import(&path, |options| {
            options.duplicates = DuplicateIds::KeepFirst
        })
        .await
        .expect("imported");
    assert_eq!((kept.parcels, kept.refused.len()), (3, 2));
    assert_eq!(kept.refused[1].reason, "feature 0 has the same id");
    let numbered = home
        .import(&path, |options| options.duplicates = DuplicateIds::Number)
        .await
        .expect("imported");
    assert_eq!((numbered.parcels, numbered.numbered), (5, 2));
    let mut ids = home.ids("dk").await;
    ids.sort_unstable();
    assert_eq!(ids, ["a", "a#2", "a#3", "a#4", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_duplicates_are_told_shortly() {
    let home = Home::new().await;
    let ids: Vec<String> = (0..10_500).map(|n| format!("p{}", n % 500)).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let error = home
        .import(&home.file(&ids), |_| {})
        .await
        .expect_err("refused");
    let text = error.to_string();
    assert!(
        text.contains("10000 of 10500 parcels") && text.contains("p0, p1,"),
        "{text}"
    );
    assert!(text.len() < 500, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_are_not_there_are_named() {
    let home = Home::new().await;
    let path = home.file(&["a"]);
    let wrong: [fn(&mut ImportOptions); 3] = [
        |options| options.crop = Some("gone".to_owned()),
        |options| options.area = Some("gone".to_owned()),
        |options| options.personal = vec!["gone".to_owned()],
    ];
    for change in wrong {
        let error = home.import(&path, change).await.expect_err("no column");
        assert!(error.to_string().contains("no column \"gone\""), "{error}");
    }
    assert!(
        home.catalog
            .parcel_sets(&Viewer::operator())
            .await
            .expect("sets")
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_set_is_opened_by_the_operator_only() {
    let home = Home::new().await;
    home.import(&home.file(&["a"]), |_| {})
        .await
        .expect("imported");
    for viewer in [Viewer::anonymous(), Viewer::member("bob")] {
        let error = open_set(&home.stores, &home.catalog, &viewer, "dk").await;
        assert_eq!(error.expect_err("hidden").kind(), ErrorKind::NotFound);
    }
    let operator = Viewer::operator();
    let opened = open_set(&home.stores, &home.catalog, &operator, "dk@1")
        .await
        .expect("a set");
    let rows = opened
        .file
        .rows(&[0], &AttributeChoice::Open)
        .await
        .expect("a row");
    assert!(rows.column_by_name("CVR").is_none() && rows.column_by_name("crop").is_some());
    let error = open_set(&home.stores, &home.catalog, &operator, "dk@7").await;
    assert_eq!(error.expect_err("no version").kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_are_in_backups_with_their_files() {
    let home = Home::new().await;
    for ids in [&["a"][..], &["a", "b"]] {
        home.import(&home.file(ids), |_| {})
            .await
            .expect("imported");
    }
    let target = home.folder.path().join("backup");
    let backup = Backup {
        stores: &home.stores,
        catalog: &home.catalog,
        archive: home.writer("archive:"),
        target: home.writer(&target.to_string_lossy()),
        options: BackupOptions {
            has_assets: false,
            files: Vec::new(),
            objects_at_once: 1,
            program: "test".to_owned(),
        },
    };
    let report = backup.run(&|_, _, _| {}).await.expect("a backup");
    assert_eq!(report.manifest.parcel_sets, 1);
    backup.run(&|_, _, _| {}).await.expect("again");
    let files = std::fs::read_dir(target.join("parcels"))
        .expect("files")
        .count();
    assert_eq!(files, 2);

    let other = Home::new().await;
    let restore = Restore::open(other.writer(&target.to_string_lossy()))
        .await
        .expect("whole");
    restore.check(true, 1, &|_, _, _| {}).await.expect("whole");
    let options = RestoreOptions {
        mode: RestoreMode::Empty,
        is_moved: false,
        objects_at_once: 1,
    };
    let places = RestoreTarget {
        catalog: &other.catalog,
        archive: &other.writer("archive:"),
        parcels: &other.writer("parcels:"),
    };
    let report = restore
        .run(places, options, &|_, _, _| {})
        .await
        .expect("restored");
    assert_eq!(report.parcel_sets, 1);
    for name in ["dk@1", "dk@2"] {
        assert_eq!(other.ids(name).await, home.ids(name).await);
    }
    let next = other
        .import(&other.file(&["c"]), |_| {})
        .await
        .expect("imported");
    assert_eq!(next.version.number, 3);
}
