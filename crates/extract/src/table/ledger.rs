//! Commits of tables whose store has no conditional writes: a unique row decides.
//!
//! 1. The commit is written under a name that nobody else uses.
//! 2. A row (table, number) → that name: of several committers one gets it. This decides.
//! 3. The object is copied to its number, where all programs look for it.
//!
//! Whoever finds a row without its commit, because a committer was killed between 2 and 3, makes the
//! copy: both copies are the same bytes. Readers without the ledger see the table before it.

use bytes::Bytes;
use swath_db::{Database, DbError, Migration, Schema, SqlValue};
use swath_io::{Put, StoreWriter};

use super::log::random_uuid;
use crate::ExtractError;

/// What the ledger of commits keeps in a database: open it with this, see [`Database::open`].
///
/// It knows tables by their URL: all committers of a table must name it by the same one.
pub const COMMIT_LEDGER: Schema = Schema {
    component: "table",
    migrations: &[Migration {
        number: 1,
        name: "commits",
        sqlite: include_str!("../../migrations/0001_commits.sqlite.sql"),
        postgres: include_str!("../../migrations/0001_commits.postgres.sql"),
    }],
    functions: &[],
};

/// Folder of commits before they have their number; names that begin so are no data to any program.
pub(super) const STAGED_FOLDER: &str = "_commits";
/// Times that a lock of the database is waited for.
const LOCK_ATTEMPTS_MAX: u32 = 3;

/// Writes a commit if its number is free.
pub(super) async fn take(
    database: &Database,
    writer: &StoreWriter,
    number: i64,
    key: &str,
    bytes: Bytes,
) -> Result<Put, ExtractError> {
    let staged = format!("{STAGED_FOLDER}/{}.json", random_uuid()?);
    writer.put(&staged, bytes.clone()).await?;
    let table = name(writer);
    let mut attempts = 0;
    let owner = loop {
        attempts += 1;
        match claim(database, &table, number, &staged).await {
            Ok(owner) => break owner,
            Err(DbError::Locked { .. }) if attempts < LOCK_ATTEMPTS_MAX => {}
            Err(error) => return Err(failed(writer, &error)),
        }
    };
    if owner != staged {
        // It decides nothing: a leftover that is not removed is vacuumed.
        let _ = writer.delete(&staged).await;
        return Ok(Put::Exists);
    }
    writer.put(key, bytes).await?;
    Ok(Put::Written)
}

/// Makes the copy of a commit that the ledger knows and the log does not; `None` where it knows none.
pub(super) async fn heal(
    database: &Database,
    writer: &StoreWriter,
    number: i64,
    key: &str,
    bytes_max: u64,
) -> Result<Option<Bytes>, ExtractError> {
    let mut question = database.statement();
    question
        .push("SELECT object_key FROM table_commits WHERE table_name = ")
        .bind(name(writer))
        .push(" AND number = ")
        .bind(number);
    let rows = database.fetch(&question).await;
    let rows = rows.map_err(|error| failed(writer, &error))?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let staged = row.some_text(0).map_err(|error| failed(writer, &error))?;
    let found = writer.get(&staged, bytes_max).await?;
    let bytes = found.ok_or_else(|| ExtractError::Table {
        href: writer.href(key),
        reason: format!("the ledger says it is {staged}, which is gone"),
    })?;
    writer.put(key, bytes.clone()).await?;
    Ok(Some(bytes))
}

/// Returns who has the number: `staged`, or another.
async fn claim(
    database: &Database,
    table: &str,
    number: i64,
    staged: &str,
) -> Result<String, DbError> {
    let mut transaction = database.begin().await?;
    let mut insert = database.statement();
    insert.push("INSERT INTO table_commits (table_name, number, object_key) VALUES ");
    insert.bind_list::<SqlValue>([table.into(), number.into(), staged.into()]);
    insert.push(" ON CONFLICT DO NOTHING");
    transaction.execute(&insert).await?;
    let mut question = database.statement();
    question
        .push("SELECT object_key FROM table_commits WHERE table_name = ")
        .bind(table)
        .push(" AND number = ")
        .bind(number);
    let rows = transaction.fetch(&question).await?;
    transaction.commit().await?;
    match rows.first() {
        Some(row) => row.some_text(0),
        // It was taken and removed meanwhile: nothing of ours removes rows.
        None => Err(DbError::Locked {
            place: database.place().to_owned(),
        }),
    }
}

/// Returns the name of a table in the ledger.
fn name(writer: &StoreWriter) -> String {
    writer.href("").trim_end_matches('/').to_owned()
}

fn failed(writer: &StoreWriter, error: &DbError) -> ExtractError {
    ExtractError::Ledger {
        href: name(writer),
        reason: error.to_string(),
    }
}
