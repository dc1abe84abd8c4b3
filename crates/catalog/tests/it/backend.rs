//! A fresh catalogue in each database: the conformance suite runs every case on both.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use swath_catalog::Catalog;

/// Databases that the suite runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// Runs a case on a fresh catalogue in SQLite and, where there is a server, in PostgreSQL.
pub fn on_both(case: impl AsyncFn(&Catalog)) {
    on_each(async |catalog, _, _| case(catalog).await);
}

/// As [`on_both`]; the case learns which database it is and its URL.
pub fn on_each(case: impl AsyncFn(&Catalog, Backend, &str)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("catalog.sqlite").display());
        let catalog = Catalog::open(&url).await.expect("SQLite opens");
        case(&catalog, Backend::Sqlite, &url).await;
        catalog.close().await;
        let Some(server) = postgres() else {
            return;
        };
        let schema = Schema::make(server).await;
        let catalog = Catalog::open(&schema.url).await.expect("PostgreSQL opens");
        case(&catalog, Backend::Postgres, &schema.url).await;
        catalog.close().await;
        schema.drop().await;
    });
}

/// Returns the URL of a PostgreSQL server with PostGIS: `SWATH_TEST_POSTGRES`, or one that the
/// script of the repository starts.
pub fn postgres() -> Option<&'static str> {
    static URL: OnceLock<Option<String>> = OnceLock::new();
    let found = URL.get_or_init(|| {
        if let Ok(url) = std::env::var("SWATH_TEST_POSTGRES") {
            return Some(url);
        }
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services/postgis.sh");
        let output = Command::new("bash").arg(script).arg("up").output().ok()?;
        match output.status.success() {
            true => Some(String::from_utf8(output.stdout).ok()?.trim().to_owned()),
            false => {
                println!(
                    "skipped: PostgreSQL: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                );
                None
            }
        }
    });
    found.as_deref()
}

/// A schema of its own in the server, so that tests do not meet.
struct Schema {
    server: &'static str,
    name: String,
    url: String,
}

impl Schema {
    async fn make(server: &'static str) -> Self {
        let name = format!(
            "t{}",
            tempfile::Builder::new()
                .rand_bytes(10)
                .prefix("")
                .tempfile()
                .expect("a name")
                .path()
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .to_lowercase()
        );
        let url = format!("{server}&options[search_path]={name},public");
        let schema = Self { server, name, url };
        schema.run("CREATE SCHEMA ").await;
        schema
    }

    async fn drop(self) {
        self.run("DROP SCHEMA ").await;
    }

    async fn run(&self, verb: &str) {
        use sqlx::{AssertSqlSafe, Connection};
        let mut connection = sqlx::PgConnection::connect(self.server)
            .await
            .expect("the server");
        let tail = if verb.starts_with("DROP") {
            " CASCADE"
        } else {
            ""
        };
        let quiet = "SET client_min_messages = error";
        sqlx::raw_sql(quiet)
            .execute(&mut connection)
            .await
            .expect("a setting");
        let sql = AssertSqlSafe(format!("{verb}\"{}\"{tail}", self.name));
        sqlx::raw_sql(sql)
            .execute(&mut connection)
            .await
            .expect("a schema");
    }
}
