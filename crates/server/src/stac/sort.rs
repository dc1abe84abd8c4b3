//! `sortby` of the sort extension.

use serde_json::Value;
use swath_stac::SortField;

use crate::error::Problem;

/// Most keys to sort by.
const KEYS_MAX: usize = 10;
/// Longest name of a field, in bytes.
const FIELD_BYTES_MAX: usize = 200;

/// Reads `[{"field": …, "direction": "asc" | "desc"}]`; one key may also stand without the array.
pub(super) fn parse(value: &Value) -> Result<Vec<SortField>, Problem> {
    let keys = match value {
        Value::Array(keys) => keys.as_slice(),
        Value::Object(_) => std::slice::from_ref(value),
        _ => return Err(fault("not an array of {\"field\", \"direction\"}")),
    };
    if keys.len() > KEYS_MAX {
        return Err(fault(format!("more than {KEYS_MAX} keys")));
    }
    keys.iter().map(key).collect()
}

fn key(value: &Value) -> Result<SortField, Problem> {
    let field = value
        .get("field")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if field.is_empty() || field.len() > FIELD_BYTES_MAX {
        return Err(fault(format!(
            "a key has a \"field\" of 1 to {FIELD_BYTES_MAX} bytes"
        )));
    }
    let is_descending = match value.get("direction") {
        None => false,
        Some(direction) => match direction.as_str() {
            Some("asc") => false,
            Some("desc") => true,
            _ => return Err(fault("a \"direction\" is \"asc\" or \"desc\"")),
        },
    };
    Ok(SortField {
        field: field.to_owned(),
        is_descending,
    })
}

fn fault(reason: impl std::fmt::Display) -> Problem {
    Problem::invalid(format!("sortby: {reason}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_read_in_their_order() {
        let keys =
            parse(&json!([{"field": "a", "direction": "desc"}, {"field": "b"}])).expect("keys");
        let expected = [("a", true), ("b", false)];
        let read: Vec<_> = keys
            .iter()
            .map(|key| (key.field.as_str(), key.is_descending))
            .collect();
        assert_eq!(read, expected);
    }

    #[test]
    fn other_forms_are_refused() {
        for value in [
            json!("a"),
            json!(["a"]),
            json!([{"field": ""}]),
            json!([{"field": "a", "direction": "up"}]),
            json!([{"field": "a", "direction": null}]),
            json!(vec![json!({"field": "a"}); KEYS_MAX + 1]),
        ] {
            assert!(parse(&value).is_err(), "{value}");
        }
    }
}
