//! A change that happens wholly or not at all.

use sqlx::{Postgres, Sqlite};

use crate::connection::{bind_postgres, bind_sqlite};
use crate::row::Inner as RowInner;
use crate::{CopyRows, DbError, Migration, Row, Statement};

/// Bytes of rows sent at once.
const COPY_PART_BYTES: usize = 256 << 10;

/// A running transaction; dropping it undoes it.
pub struct Transaction {
    pub(crate) inner: Inner,
    pub(crate) place: String,
}

pub(crate) enum Inner {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Transaction({})", self.place)
    }
}

impl Transaction {
    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// What the database says.
    pub async fn fetch(&mut self, statement: &Statement) -> Result<Vec<Row>, DbError> {
        let rows = match &mut self.inner {
            Inner::Sqlite(transaction) => bind_sqlite(statement)
                .fetch_all(&mut **transaction)
                .await
                .map(|rows| {
                    rows.into_iter()
                        .map(|row| Row(RowInner::Sqlite(row)))
                        .collect()
                }),
            Inner::Postgres(transaction) => bind_postgres(statement)
                .fetch_all(&mut **transaction)
                .await
                .map(|rows| {
                    rows.into_iter()
                        .map(|row| Row(RowInner::Postgres(row)))
                        .collect()
                }),
        };
        rows.map_err(|error| DbError::of(&self.place, error))
    }

    /// Runs a statement and returns how many rows it changed.
    ///
    /// # Errors
    /// What the database says.
    pub async fn execute(&mut self, statement: &Statement) -> Result<u64, DbError> {
        let changed = match &mut self.inner {
            Inner::Sqlite(transaction) => bind_sqlite(statement)
                .execute(&mut **transaction)
                .await
                .map(|done| done.rows_affected()),
            Inner::Postgres(transaction) => bind_postgres(statement)
                .execute(&mut **transaction)
                .await
                .map(|done| done.rows_affected()),
        };
        changed.map_err(|error| DbError::of(&self.place, error))
    }

    /// Takes rows in with COPY and returns how many; PostgreSQL only. `copy` is
    /// `COPY table (columns) FROM STDIN`.
    ///
    /// # Errors
    /// What the database says, of SQLite that it has no COPY.
    pub async fn copy_in(&mut self, copy: &'static str, rows: &CopyRows) -> Result<u64, DbError> {
        let Inner::Postgres(transaction) = &mut self.inner else {
            return Err(DbError::Failed {
                place: self.place.clone(),
                reason: "SQLite has no COPY".to_owned(),
            });
        };
        let copied = copy_rows(transaction, copy, rows).await;
        copied.map_err(|error| DbError::of(&self.place, error))
    }

    /// Runs the statements of a migration.
    pub(crate) async fn run_script(&mut self, migration: &Migration) -> Result<(), DbError> {
        let done = match &mut self.inner {
            Inner::Sqlite(transaction) => sqlx::raw_sql(migration.sqlite)
                .execute(&mut **transaction)
                .await
                .map(|_| ()),
            Inner::Postgres(transaction) => run_postgres_script(transaction, migration).await,
        };
        done.map_err(|error| DbError::of(&self.place, error))
    }

    /// Makes the change durable.
    ///
    /// # Errors
    /// What the database says; then nothing was changed.
    pub async fn commit(self) -> Result<(), DbError> {
        let Self { inner, place } = self;
        let done = match inner {
            Inner::Sqlite(transaction) => transaction.commit().await,
            Inner::Postgres(transaction) => transaction.commit().await,
        };
        done.map_err(|error| DbError::of(&place, error))
    }
}

async fn copy_rows(
    transaction: &mut sqlx::Transaction<'static, Postgres>,
    copy: &'static str,
    rows: &CopyRows,
) -> Result<u64, sqlx::Error> {
    let mut copying = transaction.copy_in_raw(copy).await?;
    for part in rows.as_bytes().chunks(COPY_PART_BYTES) {
        if let Err(error) = copying.send(part).await {
            // The connection must leave the mode whatever happened; the first error says why.
            let _ = copying.abort("the program could not send on").await;
            return Err(error);
        }
    }
    copying.finish().await
}

/// Runs a migration without the limit of queries: an extension or an index may take its time.
async fn run_postgres_script(
    transaction: &mut sqlx::Transaction<'static, Postgres>,
    migration: &Migration,
) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("SET LOCAL statement_timeout = 0")
        .execute(&mut **transaction)
        .await?;
    sqlx::raw_sql(migration.postgres)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
