//! Plans of queries: within limits, and of queries only.

use std::num::NonZeroUsize;
use std::sync::Arc;

use anyhow::Result;
use datafusion::catalog::CatalogProvider;
use datafusion::common::TableReference;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::object_store::memory::InMemory;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::file_table::STORE_URL;
use super::names::{KnownTables, PARCELS_SCHEMA};
use super::refusal;
use super::schemas::{HomeCatalog, HomeTables};
use crate::error::UsageError;

/// Name of the catalogue of the data home; queries need not say it.
const CATALOG: &str = "swath";
/// Deepest nesting of a query.
const NESTING_MAX: usize = 100;
/// Most operators of a query.
const TERMS_MAX: usize = 1_000;
/// Most bytes of temporary files of a query.
const SPILL_BYTES_MAX: u64 = 100 << 30;
/// Temporary files that are merged at once: more take the memory that what comes after needs.
const MERGED_AT_ONCE: usize = 16;
/// Consumers of memory that are named where it does not suffice.
const CONSUMERS_NAMED: NonZeroUsize = NonZeroUsize::new(3).expect("three is not zero");
/// Part of the memory that each thread keeps for merging what it sorted.
const MERGE_SHARE: usize = 16;
/// The most that each thread keeps for that, in bytes.
const MERGE_BYTES_MAX: usize = 10 << 20;

/// Rows that are computed at once, at least and at most.
const BATCH_ROWS_MIN: usize = 512;
const BATCH_ROWS_MAX: usize = 8_192;
/// Bytes of memory for each row of a batch: many sorted files are merged a batch of each at a time.
const BATCH_SHARE_BYTES: usize = 32 << 10;

/// How tables are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joins {
    /// The smaller side stands in memory.
    Hash,
    /// Both sides are sorted, on temporary files if need be.
    Merge,
}

/// What a query may use.
#[derive(Debug, Clone, Copy)]
pub struct QueryLimits {
    /// Threads.
    pub threads: usize,
    /// Bytes for sorts, groups and joins.
    pub memory_bytes: usize,
    /// Rows of the answer; `None` for all.
    pub rows: Option<u64>,
}

/// A query, ready to run.
pub struct PlannedQuery {
    /// The session that runs it.
    pub session: SessionContext,
    /// What is run.
    pub plan: Arc<dyn ExecutionPlan>,
}

/// Plans a query. Tables that it names are opened.
///
/// # Errors
/// What is wrong with the query, [`refusal::explained`]; tables that cannot be read.
pub async fn planned(
    tables: &Arc<HomeTables>,
    statement: &str,
    limits: QueryLimits,
    joins: Joins,
) -> Result<PlannedQuery> {
    let explained = |error| refusal::explained(error, &tables.known, limits);
    let session = session(tables, limits, joins).map_err(explained)?;
    let plan = logical(&session, tables, statement).await?;
    let is_query = !matches!(
        plan,
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) | LogicalPlan::DescribeTable(_)
    );
    let mut frame = DataFrame::new(session.state(), plan);
    if let Some(rows) = limits.rows.filter(|_| is_query) {
        // One more shows that there are more.
        let rows = usize::try_from(rows)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        frame = frame.limit(0, Some(rows)).map_err(explained)?;
    }
    let plan = frame.create_physical_plan().await.map_err(explained)?;
    Ok(PlannedQuery { session, plan })
}

fn session(
    tables: &Arc<HomeTables>,
    limits: QueryLimits,
    joins: Joins,
) -> Result<SessionContext, DataFusionError> {
    let batch_rows = limits.memory_bytes / BATCH_SHARE_BYTES;
    let mut config = SessionConfig::new()
        .with_batch_size(batch_rows.clamp(BATCH_ROWS_MIN, BATCH_ROWS_MAX))
        .with_target_partitions(limits.threads)
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, PARCELS_SCHEMA);
    let options = config.options_mut();
    // Messages tell line and column.
    options.sql_parser.collect_spans = true;
    options.optimizer.prefer_hash_join = joins == Joins::Hash;
    options.execution.sort_spill_reservation_bytes =
        MERGE_BYTES_MAX.min(limits.memory_bytes / MERGE_SHARE / limits.threads.max(1));
    let pool = FairSpillPool::new(limits.memory_bytes);
    let spill = DiskManagerBuilder::default()
        .with_max_temp_directory_size(SPILL_BYTES_MAX)
        .with_max_spill_merge_fan_in(MERGED_AT_ONCE);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(TrackConsumersPool::new(pool, CONSUMERS_NAMED)))
        .with_disk_manager_builder(spill)
        .build_arc()?;
    let url = ObjectStoreUrl::parse(STORE_URL)?;
    runtime.register_object_store(url.as_ref(), Arc::new(InMemory::new()));
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .build();
    let session = SessionContext::new_with_state(state);
    let home: Arc<dyn CatalogProvider> = Arc::new(HomeCatalog(Arc::clone(tables)));
    session.register_catalog(CATALOG, home);
    Ok(session)
}

/// Reads a statement; refuses tables that are not there and what is no query.
async fn logical(
    session: &SessionContext,
    tables: &Arc<HomeTables>,
    statement: &str,
) -> Result<LogicalPlan> {
    let wrong = |error| refusal::wrong_query(error, &tables.known);
    let state = session.state();
    let parsed = parsed(statement, &tables.known)?;
    refusal::check_is_query(&parsed)?;
    for reference in state.resolve_table_references(&parsed).map_err(wrong)? {
        let is_function =
            reference.schema().is_none() && state.table_functions().contains_key(reference.table());
        if !is_function {
            check_is_there(&reference, tables)?;
        }
    }
    let plan = state.statement_to_plan(parsed).await.map_err(wrong)?;
    let queries_only = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    queries_only
        .verify_plan(&plan)
        .map_err(|error| refusal::only_reads(&error.strip_backtrace()))?;
    Ok(plan)
}

/// Reads one statement.
fn parsed(statement: &str, known: &KnownTables) -> Result<Statement> {
    let wrong = |error| refusal::wrong_query(error, known);
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, statement)
        .tokenize_with_location()
        .map_err(|error| UsageError(error.to_string()))?;
    let terms = tokens
        .iter()
        .filter(|token| joins_terms(&token.token))
        .count();
    if terms > TERMS_MAX {
        let reason = format!(
            "the query has {terms} operators, more than {TERMS_MAX}: for many values write IN (…), or \
             join a parcel set"
        );
        return Err(UsageError(reason).into());
    }
    let mut statements = DFParserBuilder::new(tokens)
        .with_dialect(&dialect)
        .with_recursion_limit(NESTING_MAX)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(wrong)?;
    match (statements.pop_front(), statements.pop_front()) {
        (Some(only), None) => Ok(only),
        _ => {
            let reason = "give one query: not none, and not several";
            Err(UsageError(reason.to_owned()).into())
        }
    }
}

/// True for what makes one term of two: a chain of them is a tree as deep as it is long.
fn joins_terms(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::JOIN
        ),
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod => true,
        Token::StringConcat | Token::DoubleColon | Token::Caret => true,
        _ => false,
    }
}

fn check_is_there(reference: &TableReference, tables: &HomeTables) -> Result<()> {
    let schema = reference.schema().unwrap_or(PARCELS_SCHEMA);
    let is_ours = reference.catalog().is_none_or(|catalog| catalog == CATALOG);
    let is_there = schema == "information_schema"
        || (is_ours && tables.known.find(schema, reference.table()).is_some());
    match is_there {
        true => Ok(()),
        false => Err(refusal::unknown_table(reference, &tables.known).into()),
    }
}
