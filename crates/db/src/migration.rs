//! Numbered migrations: only added, applied once, in order.

use crate::{Database, DbError, Dialect, SqlValue, SqliteFunction, Statement, Transaction};

/// One step of a schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// 1, 2, 3, …
    pub number: i64,
    /// What it does, in a word or two.
    pub name: &'static str,
    /// SQL for SQLite.
    pub sqlite: &'static str,
    /// SQL for PostgreSQL.
    pub postgres: &'static str,
}

/// What a part of the program keeps in a database.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Its name in the list of migrations.
    pub component: &'static str,
    /// In the order of their numbers.
    pub migrations: &'static [Migration],
    /// Functions that its queries call in SQLite.
    pub functions: &'static [SqliteFunction],
}

/// Held in PostgreSQL while a schema is brought up to date.
const MIGRATION_LOCK: i64 = 0x5357_4154_4800_0001;

/// Brings the schema of a database up to date.
///
/// # Errors
/// [`DbError::Newer`] where it was made by a newer program; what the database says otherwise.
pub(crate) async fn migrate(database: &Database, schema: &Schema) -> Result<(), DbError> {
    let mut transaction = database.begin().await?;
    if database.dialect() == Dialect::Postgres {
        let mut lock = database.statement();
        lock.push("SELECT pg_advisory_xact_lock(")
            .bind(MIGRATION_LOCK)
            .push(")");
        transaction.execute(&lock).await?;
    }
    let mut table = database.statement();
    table.push(
        "CREATE TABLE IF NOT EXISTS swath_migrations (component TEXT NOT NULL, number BIGINT NOT NULL, \
         name TEXT NOT NULL, PRIMARY KEY (component, number))",
    );
    transaction.execute(&table).await?;
    let found = last_number(&mut transaction, database.statement(), schema.component).await?;
    let known = schema.migrations.last().map_or(0, |last| last.number);
    if found > known {
        return Err(DbError::Newer {
            place: database.place().to_owned(),
            component: schema.component,
            found,
            known,
        });
    }
    for migration in schema.migrations.iter().filter(|next| next.number > found) {
        tracing::info!(
            place = database.place(),
            component = schema.component,
            migration.number,
            migration.name,
            "migrating"
        );
        transaction.run_script(migration).await?;
        let mut note = database.statement();
        note.push("INSERT INTO swath_migrations (component, number, name) VALUES ");
        let values = [
            schema.component.into(),
            migration.number.into(),
            migration.name.into(),
        ];
        note.bind_list::<SqlValue>(values);
        transaction.execute(&note).await?;
    }
    transaction.commit().await
}

async fn last_number(
    transaction: &mut Transaction,
    mut statement: Statement,
    component: &'static str,
) -> Result<i64, DbError> {
    statement
        .push("SELECT max(number) FROM swath_migrations WHERE component = ")
        .bind(component);
    let rows = transaction.fetch(&statement).await?;
    Ok(match rows.first() {
        Some(row) => row.integer(0)?.unwrap_or(0),
        None => 0,
    })
}
