//! A row of an answer, whichever database gave it.

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use crate::DbError;

/// One row; columns are counted from 0.
pub struct Row(pub(crate) Inner);

pub(crate) enum Inner {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl std::fmt::Debug for Row {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Row")
    }
}

/// Reads a column as a type; SQLite converts where the stored type is another one.
macro_rules! column {
    ($row:expr, $column:expr, $type:ty) => {
        match &$row.0 {
            Inner::Sqlite(row) => row.try_get_unchecked::<Option<$type>, _>($column),
            Inner::Postgres(row) => row.try_get::<Option<$type>, _>($column),
        }
        .map_err(|error| DbError::of("the answer", error))
    };
}

impl Row {
    /// Returns an integer.
    ///
    /// # Errors
    /// Where the column is not there or of another type; so with all of these.
    pub fn integer(&self, column: usize) -> Result<Option<i64>, DbError> {
        column!(self, column, i64)
    }

    /// Returns a float.
    ///
    /// # Errors
    /// As [`Row::integer`].
    pub fn real(&self, column: usize) -> Result<Option<f64>, DbError> {
        column!(self, column, f64)
    }

    /// Returns a text.
    ///
    /// # Errors
    /// As [`Row::integer`].
    pub fn text(&self, column: usize) -> Result<Option<String>, DbError> {
        column!(self, column, String)
    }

    /// Returns bytes.
    ///
    /// # Errors
    /// As [`Row::integer`].
    pub fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>, DbError> {
        column!(self, column, Vec<u8>)
    }

    /// Returns a text that the schema says is there.
    ///
    /// # Errors
    /// As [`Row::integer`], and where it is null.
    pub fn some_text(&self, column: usize) -> Result<String, DbError> {
        self.text(column)?.ok_or_else(|| absent(column))
    }

    /// Returns a text that the schema says is there, without a copy.
    ///
    /// # Errors
    /// As [`Row::some_text`].
    pub fn some_str(&self, column: usize) -> Result<&str, DbError> {
        column!(self, column, &str)?.ok_or_else(|| absent(column))
    }

    /// Returns an integer that the schema says is there.
    ///
    /// # Errors
    /// As [`Row::integer`], and where it is null.
    pub fn some_integer(&self, column: usize) -> Result<i64, DbError> {
        self.integer(column)?.ok_or_else(|| absent(column))
    }
}

fn absent(column: usize) -> DbError {
    DbError::Failed {
        place: "the answer".into(),
        reason: format!("column {column} is null"),
    }
}
