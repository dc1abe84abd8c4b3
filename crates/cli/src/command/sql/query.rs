//! Runs `swath sql`.
//!
//! The query has threads of its own: it computes on them, and the runtime of the program stays free for
//! Ctrl-C. Whoever stops the command stops them, and temporary files go with them.

use std::future::Future;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrow::array::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;

use super::answer::{AnswerWriter, TABLE_ROWS_MAX};
use super::names::KnownTables;
use super::schemas::HomeTables;
use super::session::{Joins, PlannedQuery, QueryLimits, planned};
use super::{AnswerFormat, SqlArgs, listing, refusal};
use crate::SHUTDOWN_MAX;
use crate::config::Context;
use crate::error::{Interrupted, UsageError};

/// Longest query, in bytes.
const STATEMENT_BYTES_MAX: u64 = 4 << 20;

/// Stack of a thread, in bytes: plans are trees as deep as [`super::session`] lets queries be.
const STACK_BYTES: usize = 64 << 20;
/// Name of the threads.
const THREAD_NAME: &str = "swath-sql";
/// What is told where they cannot be had.
const NO_THREADS: &str = "the system gives no threads";

/// Runs the command.
///
/// # Errors
/// Wrong queries, tables that are not there or cannot be read, limits that do not suffice.
pub async fn run(context: &Context, args: SqlArgs) -> Result<()> {
    let known = KnownTables::list(context, &args.personal).await?;
    let tables = Arc::new(HomeTables::new(known));
    let threads = context.threads;
    if args.tables {
        let format = args.format.unwrap_or(AnswerFormat::Table);
        return on_own_threads(threads, move || async move {
            listing::print(&tables, format).await
        })
        .await;
    }
    let format = AnswerFormat::chosen(args.format, args.output.as_deref())?;
    let limits = QueryLimits {
        threads,
        memory_bytes: usize::try_from(args.memory << 20).unwrap_or(usize::MAX),
        rows: args.limit_rows.or(format.rows_default()),
    };
    if format == AnswerFormat::Table && limits.rows > Some(TABLE_ROWS_MAX) {
        return Err(UsageError(format!(
            "--limit-rows: a table has at most {TABLE_ROWS_MAX} rows; --format csv has no limit"
        ))
        .into());
    }
    let (file, statement) = (args.file, args.statement);
    // Who types the query may press Ctrl-C.
    let statement = tokio::task::spawn_blocking(move || statement_of(file, statement));
    let question = Question {
        statement: statement.await.context("the query cannot be read")??,
        format,
        output: args.output,
        limits,
    };
    on_own_threads(
        threads,
        move || async move { question.answer(&tables).await },
    )
    .await
}

/// Reads the statement from where it is.
fn statement_of(file: Option<PathBuf>, statement: Option<String>) -> Result<String> {
    let source: Box<dyn Read> = match (&file, statement.as_deref()) {
        (Some(path), _) => Box::new(
            std::fs::File::open(path)
                .with_context(|| format!("{} cannot be read", path.display()))?,
        ),
        (None, Some("-")) => Box::new(std::io::stdin()),
        (None, _) => return Ok(statement.unwrap_or_default()),
    };
    let mut text = String::new();
    source
        .take(STATEMENT_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .context("the query cannot be read")?;
    match text.len() as u64 > STATEMENT_BYTES_MAX {
        false => Ok(text),
        true => Err(UsageError(format!(
            "the query is longer than {STATEMENT_BYTES_MAX} bytes: put long lists into a parcel set"
        ))
        .into()),
    }
}

/// A query and what becomes of its answer.
struct Question {
    statement: String,
    format: AnswerFormat,
    output: Option<PathBuf>,
    limits: QueryLimits,
}

/// An answer of which the first rows are there.
struct Begun {
    query: PlannedQuery,
    first: Option<RecordBatch>,
    rest: SendableRecordBatchStream,
}

impl Question {
    async fn answer(&self, tables: &Arc<HomeTables>) -> Result<()> {
        let explained = |error| refusal::explained(error, &tables.known, self.limits);
        let mut begun = self.begin(tables).await?;
        let schema = begun.query.plan.schema();
        let mut answer = AnswerWriter::create(self.format, self.output.as_deref(), &schema)?;
        let rows_max = self.limits.rows.unwrap_or(u64::MAX);
        let mut rows = 0;
        let mut next = begun.first.take();
        while let Some(batch) = next {
            let room = usize::try_from(rows_max - rows).unwrap_or(usize::MAX);
            let shown = batch.slice(0, room.min(batch.num_rows()));
            rows += shown.num_rows() as u64;
            if !answer.write(&shown)? {
                return Ok(());
            }
            if shown.num_rows() < batch.num_rows() {
                eprintln!("{}", self.cut(rows));
                break;
            }
            // Rows that are always there must not keep Ctrl-C from being heard.
            tokio::task::yield_now().await;
            next = begun.rest.next().await.transpose().map_err(explained)?;
        }
        answer.finish()?;
        if let Some(path) = &self.output {
            eprintln!("{rows} rows written to {}", path.display());
        }
        Ok(())
    }

    fn cut(&self, rows: u64) -> String {
        let all = match self.format {
            AnswerFormat::Table | AnswerFormat::Json => ", --format csv writes all",
            _ => "",
        };
        format!("cut after {rows} rows, there are more: --limit-rows N writes more{all}")
    }

    /// Plans the query and waits for its first rows. A join whose smaller side does not fit into memory is
    /// done again by sorting both.
    async fn begin(&self, tables: &Arc<HomeTables>) -> Result<Begun> {
        let explained = |error| refusal::explained(error, &tables.known, self.limits);
        let query = planned(tables, &self.statement, self.limits, Joins::Hash).await?;
        let has_join = has_hash_join(&query.plan);
        let (query, started) = match started(&query).await {
            Err(error) if has_join && refusal::is_of_memory(&error) => {
                drop(query);
                eprintln!(
                    "the join does not fit into --memory: it is done by sorting, which is slower"
                );
                let query = planned(tables, &self.statement, self.limits, Joins::Merge).await?;
                let again = started(&query).await;
                (query, again)
            }
            outcome => (query, outcome),
        };
        let (first, rest) = started.map_err(explained)?;
        Ok(Begun { query, first, rest })
    }
}

async fn started(
    query: &PlannedQuery,
) -> Result<(Option<RecordBatch>, SendableRecordBatchStream), DataFusionError> {
    let mut rest = execute_stream(Arc::clone(&query.plan), query.session.task_ctx())?;
    let first = rest.next().await.transpose()?;
    Ok((first, rest))
}

fn has_hash_join(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.name() == "HashJoinExec" || plan.children().into_iter().any(has_hash_join)
}

/// Runs `work` on a runtime with so many threads, and ends it with the future that is returned.
async fn on_own_threads<F: Future<Output = Result<()>>>(
    threads: usize,
    work: impl FnOnce() -> F + Send + 'static,
) -> Result<()> {
    let (is_wanted, not_wanted) = tokio::sync::oneshot::channel::<()>();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(THREAD_NAME)
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .context(NO_THREADS)?;
        let outcome = runtime.block_on(async {
            tokio::select! {
                outcome = work() => outcome,
                _ = not_wanted => Err(Interrupted.into()),
            }
        });
        // Tasks that are under way let go of their temporary files.
        runtime.shutdown_timeout(SHUTDOWN_MAX);
        outcome
    };
    // The program waits for its blocking threads when it ends, and this one for that of the query.
    let handle = tokio::task::spawn_blocking(move || {
        let thread = std::thread::Builder::new()
            .name(THREAD_NAME.to_owned())
            .stack_size(STACK_BYTES)
            .spawn(run)
            .context(NO_THREADS)?;
        match thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    let outcome = handle.await.context("the query ended early")?;
    drop(is_wanted);
    outcome
}
