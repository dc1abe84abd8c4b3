//! How connections are made and statements handed to them.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Postgres, Sqlite};

use crate::{
    DbError, LOCK_WAIT_MAX, QUERY_TIME_MAX, SqlValue, SqliteFunction, Statement, function,
};

/// Readers of a SQLite file at once.
const SQLITE_READERS_MAX: u32 = 4;
/// Connections to a PostgreSQL server.
const POSTGRES_CONNECTIONS_MAX: u32 = 12;
/// Connections to a PostgreSQL server of another program: one is read from, one looks things up.
const FOREIGN_CONNECTIONS_MAX: u32 = 2;
/// Page cache of a SQLite connection, in KiB, as SQLite wants it: negative.
const SQLITE_CACHE_KIB: &str = "-32768";
/// Part of a SQLite file that is mapped into memory, in bytes.
const SQLITE_MAPPED_BYTES: &str = "268435456";

/// Hands a statement to SQLite.
pub(crate) fn bind_sqlite(statement: &Statement) -> Query<'_, Sqlite, SqliteArguments> {
    // Safe: `Statement` takes nothing but static text and placeholders.
    let mut query = sqlx::query(AssertSqlSafe(statement.sql().to_owned()));
    for value in statement.values() {
        query = match value {
            SqlValue::Boolean(value) => query.bind(*value),
            SqlValue::Integer(value) => query.bind(*value),
            SqlValue::Real(value) => query.bind(*value),
            SqlValue::Text(value) => query.bind(value.clone()),
            SqlValue::Bytes(value) => query.bind(value.clone()),
            // SQLite has no lists; nothing that is built for it binds one.
            SqlValue::TextList(_) => query.bind(None::<String>),
        };
    }
    query
}

/// Hands a statement to PostgreSQL.
pub(crate) fn bind_postgres(statement: &Statement) -> Query<'_, Postgres, PgArguments> {
    // Safe: `Statement` takes nothing but static text and placeholders.
    let mut query = sqlx::query(AssertSqlSafe(statement.sql().to_owned()));
    for value in statement.values() {
        query = match value {
            SqlValue::Boolean(value) => query.bind(*value),
            SqlValue::Integer(value) => query.bind(*value),
            SqlValue::Real(value) => query.bind(*value),
            SqlValue::Text(value) => query.bind(value.clone()),
            SqlValue::Bytes(value) => query.bind(value.clone()),
            SqlValue::TextList(values) => query.bind(values.clone()),
        };
    }
    query
}

/// The connections to a SQLite file.
#[derive(Debug, Clone)]
pub(crate) struct SqlitePools {
    /// One connection.
    pub(crate) writer: SqlitePool,
    /// Several, which cannot write.
    pub(crate) readers: SqlitePool,
    /// One that never writes and stays open: to it every change is one of somebody else.
    pub(crate) watcher: SqlitePool,
    /// How often the watcher was opened: what it counts begins anew each time.
    pub(crate) watcher_openings: Arc<AtomicU64>,
}

/// Opens the connections to a SQLite file; makes the file and its folder where absent.
pub(crate) async fn open_sqlite(
    path: &Path,
    place: &str,
    functions: &'static [SqliteFunction],
) -> Result<SqlitePools, DbError> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        let made = tokio::fs::create_dir_all(folder).await;
        made.map_err(|error| DbError::Unreachable {
            place: place.to_owned(),
            reason: error.to_string(),
        })?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(LOCK_WAIT_MAX)
        .foreign_keys(true)
        .pragma("cache_size", SQLITE_CACHE_KIB)
        .pragma("mmap_size", SQLITE_MAPPED_BYTES)
        .pragma("temp_store", "MEMORY");
    let pool = |connections| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(LOCK_WAIT_MAX)
            // Nothing lies between us and a file that could break: asking first is a detour.
            .test_before_acquire(false)
            .after_connect(move |connection, _| Box::pin(register_all(connection, functions)))
    };
    let failed = |error| DbError::of(place, error);
    let writer = pool(1)
        .connect_with(options.clone())
        .await
        .map_err(failed)?;
    let to_read = options.pragma("query_only", "ON");
    let readers = pool(SQLITE_READERS_MAX).connect_lazy_with(to_read.clone());
    let watcher_openings = Arc::new(AtomicU64::new(0));
    let openings = watcher_openings.clone();
    let watcher = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(LOCK_WAIT_MAX)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |_, _| {
            openings.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(()) })
        })
        .connect_lazy_with(to_read);
    Ok(SqlitePools {
        writer,
        readers,
        watcher,
        watcher_openings,
    })
}

async fn register_all(
    connection: &mut SqliteConnection,
    functions: &'static [SqliteFunction],
) -> Result<(), sqlx::Error> {
    let mut handle = connection.lock_handle().await?;
    for function in functions {
        // SAFETY: the handle is locked: the connection is open and nobody else uses it.
        let is_known = unsafe { function::register(handle.as_raw_handle().as_ptr(), function) };
        if !is_known {
            let reason = format!("SQLite does not take the function {}", function.name);
            return Err(sqlx::Error::Configuration(reason.into()));
        }
    }
    Ok(())
}

/// Connects to a PostgreSQL server.
pub(crate) async fn open_postgres(url: &str, place: &str) -> Result<PgPool, DbError> {
    let options = postgres_options(url, place)?;
    connect_postgres(options, POSTGRES_CONNECTIONS_MAX, place).await
}

/// Connects to the PostgreSQL server of another program; whatever is sent there, it can only read.
///
/// All that one transaction reads is of one moment.
pub(crate) async fn open_postgres_to_read(url: &str, place: &str) -> Result<PgPool, DbError> {
    let options = postgres_options(url, place)?.options([
        ("default_transaction_read_only", "on"),
        ("default_transaction_isolation", "repeatable read"),
    ]);
    connect_postgres(options, FOREIGN_CONNECTIONS_MAX, place).await
}

fn postgres_options(url: &str, place: &str) -> Result<PgConnectOptions, DbError> {
    let options =
        PgConnectOptions::from_str(url).map_err(|_| DbError::Url { url: place.into() })?;
    Ok(options.application_name("swath").options([
        ("statement_timeout", QUERY_TIME_MAX.as_millis().to_string()),
        ("lock_timeout", LOCK_WAIT_MAX.as_millis().to_string()),
        ("timezone", "UTC".to_owned()),
    ]))
}

async fn connect_postgres(
    options: PgConnectOptions,
    connections_max: u32,
    place: &str,
) -> Result<PgPool, DbError> {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(LOCK_WAIT_MAX)
        .connect_with(options)
        .await
        .map_err(|error| DbError::of(place, error))
}
