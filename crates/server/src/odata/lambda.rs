//! Conditions on attributes: `any(att:att/Name eq 'cloudCover' and att/OData.CSC.DoubleAttribute/Value le 20)`.

use cql2::Expr;

use super::filter::{Filter, Value};
use super::lexer::FilterError;
use crate::products::attributes::{self, Condition, Literal};
use crate::products::expressions::{self, Comparison};
use crate::products::missions;

/// Returns the collections that `productType` or `processingLevel` equal to a text means, where it
/// means nothing else.
pub(super) fn type_collections(filter: &Filter) -> Option<Vec<String>> {
    let Filter::Any {
        variable,
        condition,
    } = filter
    else {
        return None;
    };
    let Filter::And(parts) = condition.as_ref() else {
        return None;
    };
    let [first, second] = parts.as_slice() else {
        return None;
    };
    let name = attribute_name(variable, first)?;
    let is_type = matches!(name.as_str(), "productType" | "processingLevel");
    let Filter::Compare {
        field,
        comparison: Comparison::Equal,
        value,
    } = second
    else {
        return None;
    };
    let asked = text(value);
    if !is_type || !is_value(variable, field) || missions::acquisition_mode(&asked).is_some() {
        return None;
    }
    let kinds = missions::kinds_named(&asked);
    let ids: Vec<String> = kinds
        .iter()
        .map(|kind| kind.collection.to_owned())
        .collect();
    (!ids.is_empty()).then_some(ids)
}

/// Translates the condition of a lambda: on one attribute, or on several joined with `or`.
pub(super) fn lambda(variable: &str, condition: &Filter) -> Result<Expr, FilterError> {
    let incomplete = || {
        FilterError::new(format!(
            "a condition on attributes names one: {variable}/Name eq '…' and {variable}/OData.CSC.StringAttribute/Value eq '…'"
        ))
    };
    match condition {
        Filter::Or(parts) => {
            let each: Result<Vec<Expr>, FilterError> =
                parts.iter().map(|part| lambda(variable, part)).collect();
            Ok(expressions::any(each?))
        }
        Filter::And(parts) => {
            let at = parts
                .iter()
                .position(|part| attribute_name(variable, part).is_some())
                .ok_or_else(incomplete)?;
            let name = attribute_name(variable, &parts[at]).ok_or_else(incomplete)?;
            let others = parts
                .iter()
                .enumerate()
                .filter(|(index, _)| *index != at)
                .map(|(_, part)| value_condition(variable, &name, part));
            Ok(expressions::all(others.collect::<Result<_, _>>()?))
        }
        _ => Err(incomplete()),
    }
}

fn attribute_name(variable: &str, filter: &Filter) -> Option<String> {
    match filter {
        Filter::Compare {
            field,
            comparison: Comparison::Equal,
            value,
        } if field.strip_prefix(variable) == Some("/Name") => Some(text(value)),
        _ => None,
    }
}

/// True for `att/OData.CSC.StringAttribute/Value` and `att/Value`, of whatever type: clients mix them.
fn is_value(variable: &str, field: &str) -> bool {
    let rest = field.strip_prefix(variable).unwrap_or_default();
    rest == "/Value" || (rest.starts_with("/OData.CSC.") && rest.ends_with("Attribute/Value"))
}

fn value_condition(variable: &str, name: &str, filter: &Filter) -> Result<Expr, FilterError> {
    let each = |parts: &[Filter]| -> Result<Vec<Expr>, FilterError> {
        parts
            .iter()
            .map(|part| value_condition(variable, name, part))
            .collect()
    };
    match filter {
        Filter::And(parts) => Ok(expressions::all(each(parts)?)),
        Filter::Or(parts) => Ok(expressions::any(each(parts)?)),
        Filter::Not(part) => Ok(expressions::not(value_condition(variable, name, part)?)),
        Filter::Compare {
            field,
            comparison,
            value,
        } if is_value(variable, field) => Ok(attributes::compare(
            name,
            &Condition::Compare(*comparison, literal(value)),
        )),
        Filter::Holds {
            field,
            part,
            position,
        } if is_value(variable, field) => Ok(attributes::compare(
            name,
            &Condition::Holds(part.clone(), *position),
        )),
        _ => Err(FilterError::new(format!(
            "within a condition on attributes only {variable}/Name and {variable}/…/Value are known"
        ))),
    }
}

/// Returns a value as text.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Literal(Literal::Text(text)) => text.clone(),
        Value::Literal(Literal::Number(number)) => number.to_string(),
        Value::Literal(_) => String::new(),
        Value::Uuid(uuid) => uuid.to_string(),
    }
}

/// Returns a value as a literal.
pub(super) fn literal(value: &Value) -> Literal {
    match value {
        Value::Literal(literal) => literal.clone(),
        Value::Uuid(uuid) => Literal::Text(uuid.to_string()),
    }
}
