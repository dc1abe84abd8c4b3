//! The query extension: `{"field": {"op": value}}`, the forerunner of CQL2.
//!
//! Clients send numbers as strings: `{"eo:cloud_cover": {"lt": "10"}}`. The catalogue compares a string
//! that is a number as what each item has.

use cql2::Expr;
use serde_json::Value;

use crate::error::Problem;

/// Most comparisons of a query.
const COMPARISONS_MAX: usize = 100;
/// Most members of `in`.
const MEMBERS_MAX: usize = 500;
/// Longest name of a field, in bytes.
const FIELD_BYTES_MAX: usize = 200;

/// Returns the query as CQL2, `None` where it asks nothing.
pub(super) fn parse(value: &Value) -> Result<Option<Expr>, Problem> {
    let fields = value
        .as_object()
        .ok_or_else(|| fault("not an object of {field: {operator: value}}"))?;
    let mut comparisons = Vec::new();
    for (field, operators) in fields {
        if field.is_empty() || field.len() > FIELD_BYTES_MAX {
            return Err(fault(format!(
                "a field has a name of 1 to {FIELD_BYTES_MAX} bytes"
            )));
        }
        let operators = operators
            .as_object()
            .ok_or_else(|| fault(format!("\"{field}\" has no object of operators")))?;
        for (operator, operand) in operators {
            comparisons.push(Box::new(comparison(field, operator, operand)?));
        }
        if comparisons.len() > COMPARISONS_MAX {
            return Err(fault(format!("more than {COMPARISONS_MAX} comparisons")));
        }
    }
    Ok(match comparisons.len() {
        0 => None,
        1 => comparisons.pop().map(|only| *only),
        _ => Some(operation("and", comparisons)),
    })
}

fn comparison(field: &str, operator: &str, operand: &Value) -> Result<Expr, Problem> {
    let property = || {
        Box::new(Expr::Property {
            property: field.to_owned(),
        })
    };
    let is_null = || operation("isNull", vec![property()]);
    let pattern = |before: &str, after: &str| -> Result<Expr, Problem> {
        let text = text_of(operand)
            .ok_or_else(|| fault(format!("\"{operator}\" of \"{field}\" is no string")))?;
        let pattern = Expr::Literal(format!("{before}{}{after}", escaped(&text)));
        Ok(operation("like", vec![property(), Box::new(pattern)]))
    };
    let compared = |op: &str| -> Result<Expr, Problem> {
        let value = value_of(operand).ok_or_else(|| {
            fault(format!(
                "\"{operator}\" of \"{field}\" is no string, number or boolean"
            ))
        })?;
        Ok(operation(op, vec![property(), Box::new(value)]))
    };
    match operator {
        "eq" if operand.is_null() => Ok(is_null()),
        "neq" if operand.is_null() => Ok(operation("not", vec![Box::new(is_null())])),
        "eq" => compared("="),
        "neq" => compared("<>"),
        "lt" => compared("<"),
        "lte" => compared("<="),
        "gt" => compared(">"),
        "gte" => compared(">="),
        "startsWith" => pattern("", "%"),
        "endsWith" => pattern("%", ""),
        "contains" => pattern("%", "%"),
        "in" => {
            let members = operand
                .as_array()
                .filter(|members| members.len() <= MEMBERS_MAX);
            let members = members.ok_or_else(|| {
                fault(format!(
                    "\"in\" of \"{field}\" is no array of up to {MEMBERS_MAX} values"
                ))
            })?;
            let values = members.iter().filter_map(value_of).map(Box::new).collect();
            Ok(operation(
                "in",
                vec![property(), Box::new(Expr::Array(values))],
            ))
        }
        _ => Err(fault(format!(
            "there is no operator \"{operator}\"; there are eq, neq, lt, lte, gt, gte, startsWith, endsWith, contains, in"
        ))),
    }
}

/// Returns a value as CQL2 has it; the catalogue compares a string with what each item has: with a
/// number where that is one.
fn value_of(value: &Value) -> Option<Expr> {
    match value {
        Value::Bool(is_true) => Some(Expr::Bool(*is_true)),
        Value::Number(number) => number.as_f64().map(Expr::Float),
        Value::String(text) => Some(Expr::Literal(text.clone())),
        _ => None,
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns `text` as a pattern of `like` that matches only itself.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

#[expect(
    clippy::vec_box,
    reason = "the operands of an operation are so in cql2"
)]
fn operation(op: &str, args: Vec<Box<Expr>>) -> Expr {
    Expr::Operation {
        op: op.to_owned(),
        args,
    }
}

fn fault(reason: impl std::fmt::Display) -> Problem {
    Problem::invalid(format!("query: {reason}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn text(query: Value) -> String {
        let expression = parse(&query).expect("a query").expect("a comparison");
        expression.to_text().expect("a text")
    }

    #[test]
    fn operators_become_cql2() {
        assert_eq!(text(json!({"gsd": {"lte": 10}})), "gsd <= 10");
        assert_eq!(
            text(json!({"platform": {"in": ["a", "b"]}})),
            "platform IN ('a', 'b')"
        );
        assert_eq!(
            text(json!({"platform": {"startsWith": "50%"}})),
            "platform LIKE '50\\%%'"
        );
        assert_eq!(text(json!({"a": {"gt": 1, "lt": 2}})), "a > 1 AND a < 2");
        assert_eq!(parse(&json!({})), Ok(None));
    }

    #[test]
    fn numbers_in_strings_stay_strings() {
        assert_eq!(text(json!({"a": {"eq": "4"}})), "a = '4'");
        // Joined with `a <> 4`, which is null for a text, it would leave all texts out.
        assert_eq!(text(json!({"a": {"neq": "05.00"}})), "a <> '05.00'");
    }

    #[test]
    fn other_forms_are_refused() {
        for query in [
            json!(null),
            json!([]),
            json!({"a": 1}),
            json!({"a": {"like": "x"}}),
            json!({"a": {"lt": [1]}}),
            json!({"": {"eq": 1}}),
            json!({"a": {"in": "x"}}),
        ] {
            assert!(parse(&query).is_err(), "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_query_ends_in_a_result(field in "\\PC{0,10}", operator in "(eq|neq|in|startsWith|\\PC{0,5})", text in "\\PC{0,20}") {
            let operand: Value = serde_json::from_str(&text).unwrap_or(Value::String(text.clone()));
            let _ = parse(&json!({field: {operator: operand}}));
        }
    }
}
