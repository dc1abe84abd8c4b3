//! Broken files of every format: an error or a result, never a panic, and soon.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use super::super::shape::Shape;
use super::super::wkb::decode_wkb;
use super::super::{ParcelOptions, VectorError, VectorErrorKind, read_parcels};
use super::fixtures::*;

/// Longest time that one small broken file may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Changes of a file: cuts, flipped bits, overwritten words.
fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let damage = prop_oneof![
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        (any::<prop::sample::Index>(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (any::<prop::sample::Index>(), any::<[u8; 4]>()).prop_map(|(at, w)| Damage::Word(at, w)),
        any::<prop::sample::Index>().prop_map(|at| Damage::Word(at, [0xff; 4])),
    ];
    proptest::collection::vec(damage, 1..6)
}

#[derive(Debug, Clone)]
enum Damage {
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Word(prop::sample::Index, [u8; 4]),
}

fn apply(damages: &[Damage], bytes: &mut Vec<u8>) {
    for damage in damages {
        if bytes.is_empty() {
            return;
        }
        match damage {
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Damage::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Damage::Word(at, word) => {
                let at = at.index(bytes.len());
                let end = bytes.len().min(at + 4);
                bytes[at..end].copy_from_slice(&word[..end - at]);
            }
        }
    }
}

fn read_soon(runtime: &tokio::runtime::Runtime, path: &Path) -> Result<(), VectorError> {
    let options = ParcelOptions {
        number_rows: true,
        ..Default::default()
    };
    let reading = async { tokio::time::timeout(PATIENCE, read_parcels(path, &options)).await };
    runtime
        .block_on(reading)
        .expect("a broken file is given up in time")
        .map(|_| ())
}

/// Breaks one file of a folder in many ways and reads the folder's `open`.
fn break_and_read(cases: u32, folder: &TempDir, broken: &Path, open: &Path) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let whole = std::fs::read(broken).expect("a file");
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        ..Default::default()
    });
    let result = runner.run(&damages(), |damages| {
        let mut bytes = whole.clone();
        apply(&damages, &mut bytes);
        std::fs::write(broken, &bytes).expect("a file");
        if let Err(error) = read_soon(&runtime, open) {
            prop_assert_ne!(error.kind(), VectorErrorKind::Internal, "{}", error);
            prop_assert!(
                error
                    .to_string()
                    .starts_with(&*folder.path().to_string_lossy())
            );
        }
        Ok(())
    });
    std::fs::write(broken, whole).expect("a file");
    result.expect("every damage ends in a result or an error");
}

fn folder_of_all() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    tokio::runtime::Runtime::new()
        .expect("a runtime")
        .block_on(write_all(&folder));
    folder
}

#[test]
fn broken_parquet_is_survived() {
    // The decoder's own panics are caught; their messages are of no use here.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let folder = folder_of_all();
    let path = folder.path().join("a.parquet");
    break_and_read(400, &folder, &path, &path);
    std::panic::set_hook(hook);
}

#[test]
fn broken_flatgeobuf_is_survived() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("a.fgb");
    for index in [FgbIndex::With, FgbIndex::Without] {
        write_flatgeobuf(&path, index);
        break_and_read(400, &folder, &path, &path);
    }
}

#[test]
fn broken_shapefiles_are_survived() {
    let folder = folder_of_all();
    let shp = folder.path().join("b.shp");
    for part in ["shp", "dbf", "prj"] {
        break_and_read(300, &folder, &shp.with_extension(part), &shp);
    }
}

#[test]
fn broken_geopackages_are_survived() {
    let folder = folder_of_all();
    let path = folder.path().join("c.gpkg");
    break_and_read(300, &folder, &path, &path);
}

#[test]
fn broken_geojson_is_survived() {
    let folder = folder_of_all();
    let path = folder.path().join("d.geojson");
    break_and_read(400, &folder, &path, &path);
}

#[test]
fn broken_archives_are_survived() {
    let folder = folder_of_all();
    for name in ["e.zip", "f.zip"] {
        let path = folder.path().join(name);
        break_and_read(200, &folder, &path, &path);
    }
}

#[test]
fn deeply_nested_json_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("deep.json");
    let text = format!(
        "{{\"type\":\"Polygon\",\"coordinates\":{}",
        "[".repeat(200_000)
    );
    std::fs::write(&path, text).expect("a file");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    assert!(read_soon(&runtime, &path).is_err());
}

#[test]
fn an_endless_view_is_given_up() {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection};
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("endless.gpkg");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        write_geopackage(&path, &["parcels"]).await;
        let mut connection = SqliteConnectOptions::new()
            .filename(&path)
            .connect()
            .await
            .expect("a database");
        for statement in [
            "DROP TABLE parcels",
            "CREATE VIEW parcels AS WITH RECURSIVE n(fid) AS (SELECT 1 UNION ALL SELECT fid + 1 \
             FROM n) SELECT fid, NULL AS \"the geom\" FROM n WHERE fid < 0",
        ] {
            sqlx::query(statement)
                .execute(&mut connection)
                .await
                .expect("a view");
        }
        connection.close().await.expect("a closed database");
    });
    let error = read_soon(&runtime, &path).expect_err("no end");
    assert_eq!(error.kind(), VectorErrorKind::Data, "{error}");
}

proptest! {
    #[test]
    fn any_bytes_as_a_file_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("x");
        std::fs::write(&path, bytes).expect("a file");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let _ = read_soon(&runtime, &path);
    }

    #[test]
    fn any_bytes_as_well_known_binary_are_survived(
        kind in 0u8..20,
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut wkb = vec![1, kind, 0, 0, 0];
        wkb.extend(bytes);
        let _ = decode_wkb(&wkb, &mut Shape::default());
    }
}
