//! The health of the database under the catalogue.

use chrono::{DateTime, Utc};
use swath_access::Viewer;
use swath_db::{Dialect, Row, Transaction};

use crate::snapshot::check_operator;
use crate::{Catalog, CatalogError, instant, schema};

/// What the database says of itself.
#[derive(Debug, Clone)]
pub struct CatalogStatus {
    /// Its name, without credentials.
    pub place: String,
    /// Program and version: `SQLite 3.50.4`, `PostgreSQL 15.6`.
    pub engine: String,
    /// Version of PostGIS; `None` in SQLite.
    pub postgis: Option<String>,
    /// Number of the last migration applied.
    pub migration: i64,
    /// Collections registered.
    pub collections: u64,
    /// Items registered.
    pub items: u64,
    /// What a quick check of the file found broken, at most 100 lines; always empty for PostgreSQL.
    pub damage: Vec<String>,
    /// The server's clock; `None` in SQLite.
    pub clock: Option<DateTime<Utc>>,
    /// When a collection was last declared anew.
    pub last_change: Option<DateTime<Utc>>,
}

impl Catalog {
    /// Asks the database for its versions and counts, and has a SQLite file checked: that reads all
    /// of it. For the operator.
    ///
    /// # Errors
    /// Denied for anybody else; what the database says.
    pub async fn status(&self, viewer: &Viewer) -> Result<CatalogStatus, CatalogError> {
        check_operator(viewer)?;
        let is_sqlite = self.database.dialect() == Dialect::Sqlite;
        let mut transaction = self.database.snapshot().await?;
        let engine = self
            .rows(
                &mut transaction,
                "SELECT 'SQLite ' || sqlite_version()",
                "SELECT 'PostgreSQL ' || current_setting('server_version')",
            )
            .await?;
        let sums = "SELECT count(*), CAST(coalesce(sum(items), 0) AS BIGINT), max(updated) FROM collections";
        let sums = self.rows(&mut transaction, sums, sums).await?;
        let number = |column: usize| -> Result<Option<i64>, CatalogError> {
            Ok(sums.first().map_or(Ok(None), |row| row.integer(column))?)
        };
        let mut status = CatalogStatus {
            place: self.place().to_owned(),
            engine: first_text(&engine)?.unwrap_or_default(),
            postgis: None,
            migration: self.migration(&mut transaction).await?,
            collections: u64::try_from(number(0)?.unwrap_or(0)).unwrap_or(0),
            items: u64::try_from(number(1)?.unwrap_or(0)).unwrap_or(0),
            damage: Vec::new(),
            clock: None,
            last_change: number(2)?.map(instant::from_us),
        };
        if is_sqlite {
            let pragma = "PRAGMA quick_check(100)";
            for row in self.rows(&mut transaction, pragma, pragma).await? {
                let line = row.some_text(0)?;
                if line != "ok" {
                    status.damage.push(line);
                }
            }
            return Ok(status);
        }
        let facts = "SELECT PostGIS_Lib_Version(), \
                     CAST(extract(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
        let facts = self.rows(&mut transaction, facts, facts).await?;
        status.postgis = first_text(&facts)?;
        let clock = facts.first().map_or(Ok(None), |row| row.integer(1))?;
        status.clock = clock.map(instant::from_us);
        Ok(status)
    }

    async fn migration(&self, transaction: &mut Transaction) -> Result<i64, CatalogError> {
        let mut statement = self.database.statement();
        statement
            .push("SELECT max(number) FROM swath_migrations WHERE component = ")
            .bind(schema::SCHEMA.component);
        let rows = transaction.fetch(&statement).await?;
        let found = rows.first().map_or(Ok(None), |row| row.integer(0))?;
        Ok(found.unwrap_or(0))
    }

    async fn rows(
        &self,
        transaction: &mut Transaction,
        sqlite: &'static str,
        postgres: &'static str,
    ) -> Result<Vec<Row>, CatalogError> {
        let mut statement = self.database.statement();
        statement.push_for(sqlite, postgres);
        Ok(transaction.fetch(&statement).await?)
    }
}

fn first_text(rows: &[Row]) -> Result<Option<String>, CatalogError> {
    Ok(rows.first().map_or(Ok(None), |row| row.text(0))?)
}
