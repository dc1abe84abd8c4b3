//! What is wrong with a query, where, and what to do about it.

use std::collections::BTreeSet;

use datafusion::common::SchemaError;
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::parser::ParserError;
use swath_extract::ExtractError;
use swath_io::IoError;

use super::names::KnownTables;
use super::session::QueryLimits;
use crate::command::series::NotThere;
use crate::error::{PartialDataError, UsageError};

/// How the parser says where.
const PARSER_PLACE: &str = " at Line: ";
/// Tables that a message names.
const TABLES_NAMED_MAX: usize = 30;

/// Refuses statements that are no queries before anything of them is looked at.
///
/// # Errors
/// Wrong usage.
pub fn check_is_query(statement: &Parsed) -> Result<(), UsageError> {
    let is_query = match statement {
        Parsed::Statement(statement) => matches!(
            statement.as_ref(),
            Statement::Query(_)
                | Statement::Explain { .. }
                | Statement::ExplainTable { .. }
                | Statement::ShowTables { .. }
                | Statement::ShowColumns { .. }
                | Statement::ShowFunctions { .. }
                | Statement::ShowVariable { .. }
        ),
        Parsed::Explain(_) => true,
        _ => false,
    };
    match is_query {
        true => Ok(()),
        false => {
            let text = statement.to_string();
            let verb: Vec<&str> = text.split_whitespace().take(2).collect();
            Err(only_reads(&verb.join(" ")))
        }
    }
}

/// Returns the error of a statement that would change something.
pub fn only_reads(what: &str) -> UsageError {
    UsageError(format!(
        "swath sql only reads, this statement does not ask: {what}; an answer is kept with \
         --output FILE"
    ))
}

/// Returns the error of a table that is not there; it names those that are.
pub fn unknown_table(reference: &TableReference, known: &KnownTables) -> NotThere {
    let names = known.tables.iter().filter_map(|table| table.names.first());
    let names: Vec<String> = names.map(ToString::to_string).collect();
    let there = match names.len() {
        0 => "there is none: swath extract makes them, swath parcels import makes sets".to_owned(),
        count if count > TABLES_NAMED_MAX => format!(
            "there are {} and {} more (swath sql --tables)",
            names[..TABLES_NAMED_MAX].join(", "),
            count - TABLES_NAMED_MAX
        ),
        _ => format!("there are {}", names.join(", ")),
    };
    let wanted = reference.to_quoted_string();
    NotThere(format!("table {wanted} not found; {there}"))
}

/// Returns the error of a query that cannot be planned.
pub fn wrong_query(error: DataFusionError, known: &KnownTables) -> anyhow::Error {
    if is_of_a_store(&error) {
        return anyhow::Error::new(error).context("a table of the query cannot be read");
    }
    let root = error.find_root();
    let text = match missing_column(root, known) {
        Some(text) => text,
        None => message(root),
    };
    let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    let place = match span {
        // The parser says it in the message.
        Some(span) if !text.contains(PARSER_PLACE) => {
            format!(" (line {}, column {})", span.start.line, span.start.column)
        }
        _ => String::new(),
    };
    UsageError(format!("{text}{place}")).into()
}

/// Returns what is wrong with the name of a column, where that is it.
fn missing_column(error: &DataFusionError, known: &KnownTables) -> Option<String> {
    let DataFusionError::SchemaError(schema, _) = error else {
        return None;
    };
    let SchemaError::FieldNotFound {
        field,
        valid_fields,
    } = schema.as_ref()
    else {
        return None;
    };
    let name = field.name();
    if known.hidden().contains(name) {
        return Some(format!(
            "column {name} is personal: name it with --personal {name}"
        ));
    }
    let there: BTreeSet<&str> = valid_fields.iter().map(|field| field.name()).collect();
    let there: Vec<&str> = there.into_iter().collect();
    Some(match there.is_empty() {
        true => format!("column {name} not found"),
        false => format!(
            "column {} not found; there are {}",
            field.quoted_flat_name(),
            there.join(", ")
        ),
    })
}

/// Returns the error of a query that was planned and cannot be answered.
pub fn explained(
    error: DataFusionError,
    known: &KnownTables,
    limits: QueryLimits,
) -> anyhow::Error {
    if is_of_a_store(&error) {
        return anyhow::Error::new(error).context("the query cannot be answered");
    }
    match error.find_root() {
        DataFusionError::ResourcesExhausted(text) => ExtractError::Limit {
            reason: format!(
                "--memory {} (MB) and temporary files do not suffice for this query; give it more, fewer \
                 groups or fewer columns: {}",
                limits.memory_bytes >> 20,
                one_line(text)
            ),
        }
        .into(),
        DataFusionError::ParquetError(error) => {
            PartialDataError(format!("a file of the query is damaged: {error}")).into()
        }
        DataFusionError::Plan(_)
        | DataFusionError::SQL(..)
        | DataFusionError::SchemaError(..)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::Configuration(_)
        | DataFusionError::Execution(_)
        | DataFusionError::ArrowError(..) => wrong_query(error, known),
        _ => anyhow::Error::new(error).context("the query cannot be answered"),
    }
}

/// True where more memory would have helped.
pub fn is_of_memory(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}

/// True where a store or a table failed, not the query.
fn is_of_a_store(error: &DataFusionError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(found) = cause {
        if found.is::<IoError>() || found.is::<ExtractError>() {
            return true;
        }
        cause = found.source();
    }
    false
}

/// Returns the message of an error without what DataFusion puts around it.
fn message(error: &DataFusionError) -> String {
    let text = match error {
        DataFusionError::SQL(error, _) => match error.as_ref() {
            ParserError::ParserError(text) | ParserError::TokenizerError(text) => text.clone(),
            ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
        },
        DataFusionError::Plan(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Configuration(text)
        | DataFusionError::Execution(text) => text.clone(),
        DataFusionError::SchemaError(error, _) => error.to_string(),
        DataFusionError::ArrowError(error, _) => error.to_string(),
        other => other.strip_backtrace(),
    };
    one_line(&text)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
