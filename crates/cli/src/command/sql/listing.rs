//! `swath sql --tables`: what can be asked.

use std::sync::Arc;

use anyhow::Result;
use datafusion::catalog::TableProvider;
use serde_json::{Value, json};
use swath_extract::table::TableKind;

use super::AnswerFormat;
use super::file_table::FileTable;
use super::names::{KnownTable, TableContent};
use super::schemas::HomeTables;
use crate::error::UsageError;

/// Prints the tables with their columns: for people, or as JSON.
///
/// # Errors
/// Where a table cannot be read, or the format is another.
pub async fn print(tables: &Arc<HomeTables>, format: AnswerFormat) -> Result<()> {
    if !matches!(format, AnswerFormat::Table | AnswerFormat::Json) {
        let reason = "--tables is printed as table or json";
        return Err(UsageError(reason.to_owned()).into());
    }
    let mut listed = Vec::new();
    for (index, known) in tables.known.tables.iter().enumerate() {
        let opened = tables.open(index).await;
        let opened =
            opened.map_err(|error| anyhow::Error::new(error).context("a table cannot be read"))?;
        let Some(table) = opened else {
            continue;
        };
        match format {
            AnswerFormat::Json => listed.push(described(known, &table)),
            _ => println!("{}", in_words(known, &table)),
        }
    }
    match (format, tables.known.tables.is_empty()) {
        (AnswerFormat::Json, _) => println!("{}", serde_json::to_string_pretty(&listed)?),
        (_, true) => eprintln!(
            "no table; swath extract makes extract tables, swath parcels import parcel sets"
        ),
        (_, false) => {}
    }
    Ok(())
}

fn kind(known: &KnownTable) -> &'static str {
    match &known.content {
        TableContent::Rows {
            kind: TableKind::Extracts,
            ..
        } => "extracts",
        TableContent::Rows {
            kind: TableKind::Classes,
            ..
        } => "classes",
        TableContent::Parcels(_) => "parcels",
    }
}

fn described(known: &KnownTable, table: &FileTable) -> Value {
    let schema = table.schema();
    let column = |field: &arrow::datatypes::FieldRef| json!({ "name": field.name(), "type": type_name(field.data_type()) });
    let columns: Vec<Value> = schema.fields().iter().map(column).collect();
    let names: Vec<String> = known.names.iter().map(ToString::to_string).collect();
    json!({
        "names": names, "kind": kind(known), "rows": table.rows(), "files": table.files(),
        "months": table.months().map(|(first, last)| [first, last]), "columns": columns,
    })
}

fn in_words(known: &KnownTable, table: &FileTable) -> String {
    let names: Vec<String> = known.names.iter().map(ToString::to_string).collect();
    let months = table
        .months()
        .map(|(first, last)| format!(", {first} to {last}"));
    let schema = table.schema();
    let columns = schema.fields().iter();
    let columns = columns.map(|field| format!("{} {}", field.name(), type_name(field.data_type())));
    format!(
        "{}\n  {} rows in {} files{}\n  {}",
        names.join("  =  "),
        table.rows(),
        table.files(),
        months.unwrap_or_default(),
        columns.collect::<Vec<_>>().join(", ")
    )
}

/// Returns the name of a type as queries have it.
fn type_name(data_type: &arrow::datatypes::DataType) -> String {
    use arrow::datatypes::DataType;
    match data_type {
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Utf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Binary | DataType::BinaryView => "bytes".to_owned(),
        DataType::Timestamp(_, Some(zone)) => format!("timestamp ({zone})"),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}
