//! What can go wrong with a database, told apart by what to do about it.

use std::time::Duration;

use thiserror::Error;

use crate::{LOCK_WAIT_MAX, QUERY_TIME_MAX};

/// Situations of a database. `place` never holds credentials.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DbError {
    /// A URL that names no database.
    #[error(
        "\"{url}\" is no database (expected sqlite:PATH or postgres://USER@HOST:PORT/DATABASE)"
    )]
    Url {
        /// As written, without what stands before an `@`.
        url: String,
    },
    /// It does not answer, or went away.
    #[error("{place} cannot be reached: {reason}")]
    Unreachable {
        /// Which database.
        place: String,
        /// What the connection said.
        reason: String,
    },
    /// Another writer holds a lock for too long.
    #[error("{place} is locked by another writer for more than {} s; try again", LOCK_WAIT_MAX.as_secs())]
    Locked {
        /// Which database.
        place: String,
    },
    /// A query took too long and was stopped.
    #[error("{place}: the query took more than {} s and was stopped; ask for less", time_max.as_secs_f64())]
    Slow {
        /// Which database.
        place: String,
        /// What it might have taken, alone or with others of its budget.
        time_max: Duration,
    },
    /// No space is left; nothing of the change was kept.
    #[error("{place}: no space is left on the disk; nothing was changed")]
    Full {
        /// Which database.
        place: String,
    },
    /// It may not be written.
    #[error("{place} is read-only; nothing was changed")]
    ReadOnly {
        /// Which database.
        place: String,
    },
    /// Made by a newer program.
    #[error(
        "{place} was made by a newer program (schema {component} {found}, this program knows {known}); use that program"
    )]
    Newer {
        /// Which database.
        place: String,
        /// Whose schema.
        component: &'static str,
        /// Number of the last migration in the database.
        found: i64,
        /// Number of the last migration of this program.
        known: i64,
    },
    /// A value that the database cannot take or compute with.
    #[error("{place} refuses a value: {reason}")]
    Value {
        /// Which database.
        place: String,
        /// What it said.
        reason: String,
    },
    /// A uniqueness or reference was violated: somebody else was faster.
    #[error("{place}: {reason}")]
    Conflict {
        /// Which database.
        place: String,
        /// What it said.
        reason: String,
    },
    /// Anything else.
    #[error("{place} failed: {reason}")]
    Failed {
        /// Which database.
        place: String,
        /// What it said.
        reason: String,
    },
}

impl DbError {
    fn slow(place: String) -> Self {
        Self::Slow {
            place,
            time_max: QUERY_TIME_MAX,
        }
    }

    /// Tells what an error of a driver means.
    pub(crate) fn of(place: &str, error: sqlx::Error) -> Self {
        let place = place.to_owned();
        let reason = error.to_string();
        match &error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default().into_owned();
                let is_postgres = code.len() == 5 && database.try_downcast_ref_is_postgres();
                match is_postgres {
                    true => of_postgres(place, &code, reason),
                    false => of_sqlite(place, code.parse().unwrap_or(0), reason),
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unreachable { place, reason },
            _ => Self::Failed { place, reason },
        }
    }
}

/// Tells whose error it is.
trait Origin {
    fn try_downcast_ref_is_postgres(&self) -> bool;
}

impl Origin for Box<dyn sqlx::error::DatabaseError> {
    fn try_downcast_ref_is_postgres(&self) -> bool {
        self.try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
            .is_some()
    }
}

/// Meanings of SQLSTATE codes (PostgreSQL documentation, appendix A).
fn of_postgres(place: String, code: &str, reason: String) -> DbError {
    match code {
        "55P03" | "40P01" | "40001" => DbError::Locked { place },
        "57014" => DbError::slow(place),
        "53100" => DbError::Full { place },
        "25006" => DbError::ReadOnly { place },
        // PostGIS on geometries that it cannot relate.
        "XX000" => DbError::Value { place, reason },
        _ => match &code[..2] {
            "08" | "53" | "57" | "28" | "3D" => DbError::Unreachable { place, reason },
            // 54: more values, or a deeper expression, than a statement may have.
            "22" | "54" => DbError::Value { place, reason },
            "23" => DbError::Conflict { place, reason },
            _ => DbError::Failed { place, reason },
        },
    }
}

/// How SQLite says, under its code for errors of any kind, that a statement is too much for it.
const SQLITE_LIMITS: [&str; 5] = [
    "Expression tree is too large",
    "LIKE or GLOB pattern too complex",
    "parser stack overflow",
    "too many SQL variables",
    "integer overflow",
];

/// Meanings of SQLite's result codes; the low byte of an extended code is the code.
fn of_sqlite(place: String, code: i32, reason: String) -> DbError {
    match code & 0xff {
        5 | 6 => DbError::Locked { place },
        8 => DbError::ReadOnly { place },
        9 => DbError::slow(place),
        13 => DbError::Full { place },
        14 => DbError::Unreachable { place, reason },
        19 => DbError::Conflict { place, reason },
        18 | 20 => DbError::Value { place, reason },
        1 if SQLITE_LIMITS.iter().any(|limit| reason.contains(limit)) => {
            DbError::Value { place, reason }
        }
        _ => DbError::Failed { place, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart_by_what_to_do() {
        let place = || "db".to_owned();
        let of = |code| of_postgres(place(), code, "x".into());
        assert!(matches!(of("55P03"), DbError::Locked { .. }));
        assert!(matches!(of("57014"), DbError::Slow { .. }));
        assert!(matches!(of("57P01"), DbError::Unreachable { .. }));
        assert!(matches!(of("22P02"), DbError::Value { .. }));
        assert!(matches!(of("23505"), DbError::Conflict { .. }));
        assert!(matches!(
            of_sqlite(place(), 5 | (2 << 8), "x".into()),
            DbError::Locked { .. }
        ));
        assert!(matches!(
            of_sqlite(place(), 13, "x".into()),
            DbError::Full { .. }
        ));
        assert!(matches!(
            of_sqlite(place(), 8, "x".into()),
            DbError::ReadOnly { .. }
        ));
    }

    #[test]
    fn what_is_too_much_for_a_database_is_the_fault_of_the_question() {
        let of = |reason: &str| of_sqlite("db".to_owned(), 1, reason.to_owned());
        assert!(matches!(
            of("(code: 1) LIKE or GLOB pattern too complex"),
            DbError::Value { .. }
        ));
        assert!(matches!(of("no such table: x"), DbError::Failed { .. }));
        let reason = "stack depth limit exceeded".to_owned();
        assert!(matches!(
            of_postgres("db".to_owned(), "54001", reason),
            DbError::Value { .. }
        ));
    }
}
