//! Databases that are locked, gone and back, or closed to us: clear errors, nothing lost.

use std::path::Path;
use std::process::Command;

use sqlx::Connection;
use swath_access::Viewer;
use swath_catalog::{Catalog, ErrorKind, PutMode};
use swath_stac::ItemSearch;

use crate::backend::{Backend, on_each, postgres};
use crate::sample::{item, put_collection};

#[test]
fn lock_of_another_writer_is_named() {
    on_each(async |catalog, backend, url| {
        let operator = Viewer::operator();
        put_collection(catalog, "c").await;
        let items = [item("a", "2020-01-01T00:00:00Z", 0.0, 0.0)];
        let put = async || {
            catalog
                .put_items(&operator, "c", &items, PutMode::Upsert)
                .await
        };
        let error = match backend {
            Backend::Sqlite => {
                let mut other = sqlx::SqliteConnection::connect(url)
                    .await
                    .expect("the file");
                sqlx::raw_sql("BEGIN IMMEDIATE")
                    .execute(&mut other)
                    .await
                    .expect("a lock");
                // Readers are not kept out.
                catalog
                    .count(&operator, &ItemSearch::default())
                    .await
                    .expect("a count");
                let error = put().await.expect_err("locked");
                sqlx::raw_sql("ROLLBACK")
                    .execute(&mut other)
                    .await
                    .expect("no lock");
                error
            }
            Backend::Postgres => {
                let mut other = sqlx::PgConnection::connect(url).await.expect("the server");
                let lock = "BEGIN; SELECT 1 FROM collections WHERE id = 'c' FOR UPDATE";
                sqlx::raw_sql(lock)
                    .execute(&mut other)
                    .await
                    .expect("a lock");
                let error = put().await.expect_err("locked");
                sqlx::raw_sql("ROLLBACK")
                    .execute(&mut other)
                    .await
                    .expect("no lock");
                error
            }
        };
        assert!(
            error.to_string().contains("locked by another writer"),
            "{error}"
        );
        assert_eq!(error.kind(), ErrorKind::Upstream);
        put().await.expect("free again");
    });
}

/// Runs the script of the repository on a server of its own.
fn server(folder: &Path, command: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services/postgis.sh");
    let output = Command::new("bash")
        .arg(script)
        .arg(command)
        .env("SWATH_SERVICES", folder)
        .output()
        .expect("bash");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .trim()
        .to_owned()
}

#[test]
fn catalogue_goes_on_when_its_server_is_back() {
    if std::env::var_os("SWATH_TEST_POSTGRES").is_some() || postgres().is_none() {
        println!("skipped: no PostgreSQL of our own to stop");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let services = folder.path().join("services");
    std::fs::create_dir(&services).expect("a folder");
    // The server may run as another user, who has to get through.
    open_to_all(folder.path());
    open_to_all(&services);
    let url = server(&services, "up");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let operator = Viewer::operator();
        let catalog = Catalog::open(&url).await.expect("it opens");
        put_collection(&catalog, "c").await;
        let put = async |id: &str| {
            catalog
                .put_items(
                    &operator,
                    "c",
                    &[item(id, "2020-01-01T00:00:00Z", 0.0, 0.0)],
                    PutMode::Create,
                )
                .await
        };
        put("before").await.expect("an item");
        server(&services, "stop");
        for error in [
            catalog
                .count(&operator, &ItemSearch::default())
                .await
                .expect_err("gone"),
            put("meanwhile").await.expect_err("gone"),
        ] {
            assert_eq!(error.kind(), ErrorKind::Upstream, "{error}");
            assert!(error.to_string().contains("cannot be reached"), "{error}");
        }
        server(&services, "up");
        put("after").await.expect("an item");
        assert_eq!(
            catalog
                .count(&operator, &ItemSearch::default())
                .await
                .expect("a count"),
            2
        );
        catalog.close().await;
    });
    server(&services, "down");
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, mode).expect("our own folder");
}
