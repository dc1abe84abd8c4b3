//! One database, of either kind.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Sqlite};
use tokio::sync::Semaphore;

use crate::budget::{QueryBudget, Watch};
use crate::connection::{
    SqlitePools, bind_postgres, bind_sqlite, open_postgres, open_postgres_to_read, open_sqlite,
};
use crate::migration::{self, Schema};
use crate::row::Inner as RowInner;
use crate::transaction::Inner as TransactionInner;
use crate::{ChangeMark, DbError, Dialect, LOCK_WAIT_MAX, Row, Statement, Transaction};

/// A database; cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Database {
    pools: Pools,
    place: Arc<str>,
    /// What its queries may take together; `None`: each for itself.
    budget: Option<QueryBudget>,
    /// Turns of queries that have a budget in PostgreSQL.
    turns: Arc<Semaphore>,
}

#[derive(Debug, Clone)]
enum Pools {
    Sqlite(SqlitePools),
    Postgres(PgPool),
}

/// Steps of SQLite's machine between two looks at the clock. A step may call a function of ours: a
/// thousand of them over large geometries take tens of milliseconds; a look takes 0.3 µs.
const STEPS_PER_LOOK: i32 = 1_000;
/// Queries with a budget that run at once in PostgreSQL, at least: one may always wait for the wire.
const TURNS_MIN: usize = 2;

impl Database {
    /// Opens `sqlite:PATH` or `postgres://…` and brings the schema up to date.
    ///
    /// # Errors
    /// Where it cannot be reached, or was made by a newer program.
    pub async fn open(url: &str, schema: &Schema) -> Result<Self, DbError> {
        let place: Arc<str> = place_of(url).into();
        let pools = if let Some(path) = url.strip_prefix("sqlite:") {
            let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
            if path.as_os_str().is_empty() {
                return Err(DbError::Url { url: url.into() });
            }
            Pools::Sqlite(open_sqlite(&path, &place, schema.functions).await?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Pools::Postgres(open_postgres(url, &place).await?)
        } else {
            return Err(DbError::Url {
                url: place.to_string(),
            });
        };
        let database = Self {
            pools,
            place,
            budget: None,
            turns: turns(),
        };
        migration::migrate(&database, schema).await?;
        Ok(database)
    }

    /// Opens `postgres://…`, a database of another program: it can only be read, and nothing of ours
    /// is put into it. All that one transaction reads is of one moment.
    ///
    /// # Errors
    /// Where it is no such URL, or cannot be reached.
    pub async fn open_to_read(url: &str) -> Result<Self, DbError> {
        let place: Arc<str> = place_of(url).into();
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(DbError::Url {
                url: place.to_string(),
            });
        }
        let pools = Pools::Postgres(open_postgres_to_read(url, &place).await?);
        Ok(Self {
            pools,
            place,
            budget: None,
            turns: turns(),
        })
    }

    /// Returns the same database with a budget: its queries outside of transactions, those of its
    /// clones among them, take at most `time_max` together. In SQLite that is time of the processor,
    /// in PostgreSQL time until the answer; as many of them run at once there as this machine has
    /// processors, and the wait for a turn is not charged.
    pub fn with_query_budget(&self, time_max: Duration) -> Self {
        Self {
            budget: Some(QueryBudget::new(time_max)),
            ..self.clone()
        }
    }

    /// Returns its name for messages, without credentials.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Returns which SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        match &self.pools {
            Pools::Sqlite(_) => Dialect::Sqlite,
            Pools::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Returns an empty statement in its SQL.
    pub fn statement(&self) -> Statement {
        Statement::new(self.dialect())
    }

    /// Runs a query outside of any transaction and returns its rows.
    ///
    /// # Errors
    /// [`DbError::Slow`] after [`crate::QUERY_TIME_MAX`], or where the budget is spent; [`DbError::Value`] beyond what a statement may hold;
    /// what the database says otherwise.
    pub async fn fetch(&self, statement: &Statement) -> Result<Vec<Row>, DbError> {
        if statement.has_too_many_values() {
            return Err(DbError::Value {
                place: self.place.to_string(),
                reason: format!("{} values in one question", statement.values().len()),
            });
        }
        let budget = self.budget.as_ref();
        if let Some(budget) = budget.filter(|budget| budget.left().is_zero()) {
            return Err(DbError::Slow {
                place: self.place.to_string(),
                time_max: budget.time_max(),
            });
        }
        let rows = match &self.pools {
            Pools::Sqlite(pools) => {
                let watch = Watch::new(self.budget.clone());
                fetch_sqlite(&pools.readers, statement, watch).await
            }
            Pools::Postgres(pool) => match budget {
                None => fetch_postgres(pool, statement).await,
                Some(budget) => fetch_in_turn(pool, statement, budget, &self.turns).await,
            },
        };
        rows.map_err(|error| match (DbError::of(&self.place, error), budget) {
            (DbError::Slow { place, .. }, Some(budget)) => DbError::Slow {
                place,
                time_max: budget.time_max(),
            },
            (error, _) => error,
        })
    }

    /// Returns a mark of the state that the database is in. It costs one question that reads no table
    /// and no budget is charged for.
    ///
    /// # Errors
    /// What the database says.
    pub async fn change_mark(&self) -> Result<ChangeMark, DbError> {
        let mark = match &self.pools {
            Pools::Sqlite(pools) => ChangeMark::of_sqlite(pools).await,
            Pools::Postgres(pool) => ChangeMark::of_postgres(pool).await,
        };
        mark.map_err(|error| DbError::of(&self.place, error))
    }

    /// Begins a change. SQLite has one writer: a second one waits, at most
    /// [`crate::LOCK_WAIT_MAX`].
    ///
    /// # Errors
    /// [`DbError::Locked`] where the wait is over; what the database says otherwise.
    pub async fn begin(&self) -> Result<Transaction, DbError> {
        let place = self.place.to_string();
        let begun = match &self.pools {
            Pools::Sqlite(pools) => pools
                .writer
                .begin_with("BEGIN IMMEDIATE")
                .await
                .map(TransactionInner::Sqlite),
            Pools::Postgres(pool) => pool.begin().await.map(TransactionInner::Postgres),
        };
        match begun {
            Ok(inner) => Ok(Transaction { inner, place }),
            // All waiters of this process stand before the one writer.
            Err(sqlx::Error::PoolTimedOut) if self.dialect() == Dialect::Sqlite => {
                Err(DbError::Locked { place })
            }
            Err(error) => Err(DbError::of(&place, error)),
        }
    }

    /// Begins to read: all that is read through it is of one moment, that of its first query. It
    /// cannot write; in SQLite its queries have no time limit.
    ///
    /// # Errors
    /// What the database says.
    pub async fn snapshot(&self) -> Result<Transaction, DbError> {
        let place = self.place.to_string();
        let begun = match &self.pools {
            Pools::Sqlite(pools) => begin_reading(&pools.readers)
                .await
                .map(TransactionInner::Sqlite),
            Pools::Postgres(pool) => pool
                .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await
                .map(TransactionInner::Postgres),
        };
        match begun {
            Ok(inner) => Ok(Transaction { inner, place }),
            Err(error) => Err(DbError::of(&place, error)),
        }
    }

    /// Closes all connections; what runs is finished first.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite(pools) => {
                pools.watcher.close().await;
                pools.readers.close().await;
                pools.writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

async fn begin_reading(
    readers: &SqlitePool,
) -> Result<sqlx::Transaction<'static, Sqlite>, sqlx::Error> {
    let mut transaction = readers.begin_with("BEGIN").await?;
    // An earlier query left its time limit with the connection.
    let mut handle = transaction.lock_handle().await?;
    handle.remove_progress_handler();
    drop(handle);
    Ok(transaction)
}

async fn fetch_sqlite(
    readers: &SqlitePool,
    statement: &Statement,
    mut watch: Watch,
) -> Result<Vec<Row>, sqlx::Error> {
    let mut connection = readers.acquire().await?;
    // Where the answer is no longer waited for, the handler still ends the query at its time.
    connection
        .lock_handle()
        .await?
        .set_progress_handler(STEPS_PER_LOOK, move || watch.look());
    let rows = bind_sqlite(statement).fetch_all(&mut *connection).await?;
    Ok(rows
        .into_iter()
        .map(|row| Row(RowInner::Sqlite(row)))
        .collect())
}

async fn fetch_postgres(pool: &PgPool, statement: &Statement) -> Result<Vec<Row>, sqlx::Error> {
    let rows = bind_postgres(statement).fetch_all(pool).await?;
    Ok(rows_of_postgres(rows))
}

/// Runs a query when its turn comes, for as long as the budget lets it.
///
/// Queries that run side by side on a busy server take longer than each would alone; the time until
/// the answer says how long a query works only while there are processors enough.
async fn fetch_in_turn(
    pool: &PgPool,
    statement: &Statement,
    budget: &QueryBudget,
    turns: &Semaphore,
) -> Result<Vec<Row>, sqlx::Error> {
    let turn = tokio::time::timeout(LOCK_WAIT_MAX, turns.acquire()).await;
    // It is never closed: what fails is the wait.
    let _turn = turn
        .ok()
        .and_then(Result::ok)
        .ok_or(sqlx::Error::PoolTimedOut)?;
    // 0 would be without end. Safe: the number is all that is put into the text.
    let ms = budget.left().as_millis().max(1);
    let begin = format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {ms}");
    let mut transaction = pool.begin_with(AssertSqlSafe(begin)).await?;
    let begun = Instant::now();
    let rows = bind_postgres(statement).fetch_all(&mut *transaction).await;
    budget.spend(begun.elapsed());
    let rows = rows?;
    transaction.commit().await?;
    Ok(rows_of_postgres(rows))
}

fn rows_of_postgres(rows: Vec<PgRow>) -> Vec<Row> {
    rows.into_iter()
        .map(|row| Row(RowInner::Postgres(row)))
        .collect()
}

/// Returns turns for as many queries as there are processors here; PostgreSQL seldom has fewer.
fn turns() -> Arc<Semaphore> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new(processors.max(TURNS_MIN)))
}

/// Returns the URL without user, password and query.
fn place_of(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    let rest = rest.split('?').next().unwrap_or_default();
    let rest = match (scheme.starts_with("postgres"), rest.rsplit_once('@')) {
        (true, Some((_, host))) => host,
        _ => rest,
    };
    format!("{scheme}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_hold_no_credentials() {
        assert_eq!(
            place_of("postgres://ada:secret@host:5432/swath?sslmode=disable"),
            "postgres://host:5432/swath"
        );
        assert_eq!(
            place_of("sqlite:data/catalog.sqlite"),
            "sqlite:data/catalog.sqlite"
        );
    }
}
