//! Rows of jobs in a database, for lists: a view, the objects are the truth.

use chrono::{DateTime, Utc};
use serde::Serialize;
use swath_db::{Database, Migration, Row, Schema, SqlValue};

use crate::{JobError, JobId, JobState, JobStatus, Plan};

/// What jobs keep in a database.
const SCHEMA: Schema = Schema {
    component: "jobs",
    migrations: &[Migration {
        number: 1,
        name: "jobs",
        sqlite: include_str!("../migrations/0001_jobs.sql"),
        postgres: include_str!("../migrations/0001_jobs.sql"),
    }],
    functions: &[],
};
/// Most rows of a list.
const ROWS_MAX: i64 = 1_000;
/// Longest text of an error that is kept, in characters.
const ERROR_CHARS_MAX: usize = 2_000;

/// A job as its row says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// What kind of job it is.
    pub kind: String,
    /// Who asked for it; `None`: the operator.
    pub submitter: Option<String>,
    /// State when the row was last written.
    pub state: JobState,
    /// Number of tasks.
    pub tasks: u64,
    /// Of these done.
    pub done: u64,
    /// Of these failed.
    pub failed: u64,
    /// When it was submitted.
    pub created: DateTime<Utc>,
    /// When the row was last written.
    pub updated: DateTime<Utc>,
    /// Why it failed.
    pub error: Option<String>,
}

/// The rows of jobs in a database; cloning it is cheap.
#[derive(Debug, Clone)]
pub struct JobRecords {
    database: Database,
}

impl JobRecords {
    /// Opens `sqlite:PATH` or `postgres://…`, which may be the database of the catalogue, and brings the
    /// schema of jobs up to date.
    ///
    /// # Errors
    /// Where it cannot be reached, or was made by a newer program.
    pub async fn open(url: &str) -> Result<Self, JobError> {
        let database = Database::open(url, &SCHEMA).await?;
        Ok(Self { database })
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Notes that a job was submitted; one that is known stays as it is.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_submitted(&self, plan: &Plan) -> Result<(), JobError> {
        let mut insert = self.database.statement();
        insert
            .push("INSERT INTO jobs (id, kind, submitter, state, tasks, done, failed, created, updated) VALUES ")
            .bind_list::<SqlValue>([
                plan.id.as_str().into(),
                plan.kind.as_str().into(),
                SqlValue::Text(plan.submitter.clone()),
                JobState::Queued.as_str().into(),
                count(plan.tasks.len()),
                count(0),
                count(0),
                plan.created.timestamp_micros().into(),
                Utc::now().timestamp_micros().into(),
            ])
            .push(" ON CONFLICT (id) DO NOTHING");
        self.change(&insert).await
    }

    /// Notes how far a job is.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_status(
        &self,
        status: &JobStatus,
        error: Option<&str>,
    ) -> Result<(), JobError> {
        let error = error.map(|text| text.chars().take(ERROR_CHARS_MAX).collect::<String>());
        let mut update = self.database.statement();
        update
            .push("UPDATE jobs SET state = ")
            .bind(status.state.as_str());
        update.push(", tasks = ").bind(count(status.tasks));
        update.push(", done = ").bind(count(status.done));
        update.push(", failed = ").bind(count(status.failed));
        update
            .push(", updated = ")
            .bind(Utc::now().timestamp_micros());
        update.push(", error = ").bind(SqlValue::Text(error));
        update.push(" WHERE id = ").bind(status.id.as_str());
        self.change(&update).await
    }

    /// Returns the jobs, newest first, at most 1,000.
    ///
    /// # Errors
    /// What the database says.
    pub async fn list(&self) -> Result<Vec<JobRecord>, JobError> {
        let mut select = self.database.statement();
        select
            .push("SELECT id, kind, submitter, state, tasks, done, failed, created, updated, error FROM jobs")
            .push(" ORDER BY created DESC, id LIMIT ")
            .bind(ROWS_MAX);
        let rows = self.database.fetch(&select).await?;
        rows.iter().map(read_row).collect()
    }

    async fn change(&self, statement: &swath_db::Statement) -> Result<(), JobError> {
        let mut transaction = self.database.begin().await?;
        transaction.execute(statement).await?;
        Ok(transaction.commit().await?)
    }
}

fn count(number: usize) -> SqlValue {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

fn read_row(row: &Row) -> Result<JobRecord, JobError> {
    let id = row.some_text(0)?;
    let state = row.some_text(3)?;
    let number = |column| -> Result<u64, JobError> {
        Ok(u64::try_from(row.some_integer(column)?).unwrap_or(0))
    };
    let instant = |column| -> Result<DateTime<Utc>, JobError> {
        let us = row.some_integer(column)?;
        Ok(DateTime::from_timestamp_micros(us).unwrap_or_default())
    };
    Ok(JobRecord {
        state: JobState::parse(&state).ok_or_else(|| JobError::Invalid {
            what: format!("job {id}"),
            reason: format!("its row has the unknown state \"{state}\""),
        })?,
        id: JobId::try_from(id)?,
        kind: row.some_text(1)?,
        submitter: row.text(2)?,
        tasks: number(4)?,
        done: number(5)?,
        failed: number(6)?,
        created: instant(7)?,
        updated: instant(8)?,
        error: row.text(9)?,
    })
}
