//! Columns of the two tables as the log has them (`metaData.schemaString`).

use arrow::datatypes::DataType;
use serde_json::{Value, json};

use crate::table::TableKind;
use crate::table::snapshot::PARTITION;

/// Returns the columns of a table, the partition last, in the JSON form of the protocol.
pub(crate) fn schema_string(kind: TableKind) -> String {
    let field = |name: &str, data_type: &str, nullable: bool| json!({"name": name, "type": data_type, "nullable": nullable, "metadata": {}});
    let schema = kind.schema();
    let mut fields: Vec<Value> = schema
        .fields()
        .iter()
        .map(|column| {
            field(
                column.name(),
                type_name(column.data_type()),
                column.is_nullable(),
            )
        })
        .collect();
    fields.push(field(PARTITION, "string", true));
    json!({"type": "struct", "fields": fields}).to_string()
}

fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Int16 => "short",
        DataType::Int32 => "integer",
        DataType::Float32 => "float",
        DataType::Timestamp(..) => "timestamp",
        DataType::Utf8 => "string",
        other => unreachable!("no column is of type {other}"),
    }
}

/// Compares the columns of a table that is there with ours.
///
/// # Errors
/// In words: the first that differs.
pub(crate) fn check_columns(kind: TableKind, found: &str) -> Result<(), String> {
    let columns = |text: &str| -> Option<Vec<(String, Value)>> {
        let schema: Value = serde_json::from_str(text).ok()?;
        let fields = schema.get("fields")?.as_array()?.iter();
        let column = |field: &Value| {
            Some((
                field.get("name")?.as_str()?.to_owned(),
                field.get("type")?.clone(),
            ))
        };
        fields.map(column).collect()
    };
    let found = columns(found).ok_or("its columns cannot be read")?;
    let known = columns(&schema_string(kind)).expect("our own columns can be read");
    let differs = known.iter().find(|column| !found.contains(column));
    if let Some((name, _)) = differs {
        return Err(format!(
            "its column {name} is missing or of another type: another version of the program made it"
        ));
    }
    match found.iter().find(|column| !known.contains(column)) {
        Some((name, _)) => Err(format!(
            "its column {name} is not known: a newer program made it"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_others_are_named() {
        let extracts = schema_string(TableKind::Extracts);
        assert_eq!(check_columns(TableKind::Extracts, &extracts), Ok(()));
        let text = check_columns(TableKind::Classes, &extracts).expect_err("others");
        assert!(text.contains("class"), "{text}");
        let newer = extracts.replace("\"clear\"", "\"cleared\"");
        assert!(check_columns(TableKind::Extracts, &newer).is_err());
        assert!(check_columns(TableKind::Extracts, "[]").is_err());
    }
}
