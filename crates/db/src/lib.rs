//! Connections, migrations and the single writer: SQLite and PostgreSQL behind one [`Database`].
//!
//! A [`Statement`] is built from static pieces of SQL and bound values, so that no text of a user
//! can become SQL. Who builds it asks [`Statement::dialect`] where the two databases differ.
//!
//! SQLite: WAL, one writer, a few readers. PostgreSQL: one pool, which recovers by itself when the
//! server went and came back. Every wait has a limit: see [`LOCK_WAIT_MAX`] and [`QUERY_TIME_MAX`].

mod budget;
mod change_mark;
mod connection;
mod copy;
mod database;
mod error;
mod function;
mod migration;
mod row;
mod statement;
mod transaction;

pub use change_mark::ChangeMark;
pub use copy::CopyRows;
pub use database::Database;
pub use error::DbError;
pub use function::{Argument, SqliteFunction};
pub use migration::{Migration, Schema};
pub use row::Row;
pub use statement::{Dialect, SqlValue, Statement};
pub use transaction::Transaction;

use std::time::Duration;

/// Longest wait for a lock that another writer holds, and for a connection.
pub const LOCK_WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest time of one query; a budget ([`Database::with_query_budget`]) may leave less.
pub const QUERY_TIME_MAX: Duration = Duration::from_secs(20);
