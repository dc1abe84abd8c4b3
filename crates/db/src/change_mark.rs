//! Whether anything was changed: a mark that is cheap to ask for.

use std::sync::atomic::Ordering;

use sqlx::postgres::PgPool;

use crate::connection::SqlitePools;

/// The state that a database is in.
///
/// Where two marks of one database are equal, nothing that a query could see was changed between
/// them, by whatever program. Where they differ, something may have been: in SQLite in this file
/// (`PRAGMA data_version`), in PostgreSQL anywhere in the server (`pg_current_snapshot`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeMark(Inner);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Inner {
    Sqlite {
        /// Which connection counted.
        opening: u64,
        /// Changes that it saw, of all others.
        version: i64,
    },
    /// Which transactions were over.
    Postgres(String),
}

impl ChangeMark {
    pub(crate) async fn of_sqlite(pools: &SqlitePools) -> Result<Self, sqlx::Error> {
        let mut connection = pools.watcher.acquire().await?;
        // There is but one, and it is ours now: it stays the one that was opened last.
        let opening = pools.watcher_openings.load(Ordering::Relaxed);
        let version = sqlx::query_scalar("PRAGMA data_version");
        let version = version.fetch_one(&mut *connection).await?;
        Ok(Self(Inner::Sqlite { opening, version }))
    }

    pub(crate) async fn of_postgres(pool: &PgPool) -> Result<Self, sqlx::Error> {
        let snapshot = sqlx::query_scalar("SELECT CAST(pg_current_snapshot() AS text)");
        Ok(Self(Inner::Postgres(snapshot.fetch_one(pool).await?)))
    }
}
