//! A change that happens wholly or not at all.

use sqlx::{Postgres, Sqlite};

use crate::connection::{bind_postgres, bind_sqlite};
use crate::row::Inner as RowInner;
use crate::{DbError, Migration, Row, Statement};

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

    /// Runs the statements of a migration.
    pub(crate) async fn run_script(&mut self, migration: &Migration) -> Result<(), DbError> {
        let done = match &mut self.inner {
            Inner::Sqlite(transaction) => sqlx::raw_sql(migration.sqlite)
                .execute(&mut **transaction)
                .await
                .map(|_| ()),
            Inner::Postgres(transaction) => sqlx::raw_sql(migration.postgres)
                .execute(&mut **transaction)
                .await
                .map(|_| ()),
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
