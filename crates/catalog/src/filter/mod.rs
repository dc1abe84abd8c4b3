//! CQL2 to SQL: one emitter, two dialects.
//!
//! 1. [`check`] bounds the size of an expression.
//! 2. [`Predicate::compile`] gives every operand a meaning: a column, a property, a constant.
//! 3. [`Predicate::emit`] writes SQL with bound values. What a database cannot do by itself it does
//!    through functions with the prefix `swath_`: Rust in SQLite, SQL in PostgreSQL.
//!
//! Three truth values as in SQL: what compares with a missing property, or with one of another type,
//! is unknown, and so is its negation.

mod array;
mod compare;
mod operand;
mod spatial;
mod temporal;

use cql2::Expr;
use geo_types::Geometry;
use swath_db::Statement;

use crate::CatalogError;
use crate::field::Kind;
use array::ArrayTest;
use compare::Comparison;
pub(crate) use operand::{Fold, Operand};
pub(crate) use spatial::SpatialTest;
pub(crate) use spatial::emit_constant;
use temporal::TemporalTest;

/// Most operators, values and names of one expression.
const NODES_MAX: usize = 5_000;
/// Deepest nesting of one expression.
const DEPTH_MAX: usize = 64;
/// Most operands of `+`, `*` and the like in one operation: each of them is one level deeper in SQL.
const CHAIN_MAX: usize = 250;
/// Deepest nesting of arithmetic as it stands in SQL; SQLite takes 1,000 levels, of which one operator
/// may need three.
const ARITHMETIC_DEPTH_MAX: usize = 300;

/// A filter with a truth value for every item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Predicate {
    And(Vec<Predicate>),
    Or(Vec<Predicate>),
    Not(Box<Predicate>),
    Constant(Option<bool>),
    /// A property that is true or false by itself.
    Flag(Operand),
    IsNull(Operand),
    Comparison(Comparison),
    Spatial(SpatialTest),
    Temporal(TemporalTest),
    Array(ArrayTest),
}

/// Returns an error of kind invalid.
pub(crate) fn invalid(reason: impl Into<String>) -> CatalogError {
    CatalogError::Invalid {
        reason: reason.into(),
    }
}

/// Checks the size of an expression.
///
/// # Errors
/// Where it is larger than the limits.
fn check(expr: &Expr, depth: usize, nodes: &mut usize) -> Result<(), CatalogError> {
    if depth > DEPTH_MAX {
        return Err(CatalogError::Limit {
            reason: format!("the filter is nested more than {DEPTH_MAX} deep"),
        });
    }
    *nodes += 1;
    if *nodes > NODES_MAX {
        return Err(CatalogError::Limit {
            reason: format!("the filter has more than {NODES_MAX} operators, values and names"),
        });
    }
    children(expr)
        .iter()
        .try_for_each(|child| check(child, depth + 1, nodes))
}

fn children(expr: &Expr) -> &[Box<Expr>] {
    match expr {
        Expr::Operation { args, .. } => args,
        Expr::Interval { interval } => interval,
        Expr::Array(items) => items,
        Expr::BBox { bbox } => bbox,
        Expr::Timestamp { timestamp } => std::slice::from_ref(timestamp),
        Expr::Date { date } => std::slice::from_ref(date),
        _ => &[],
    }
}

/// Returns how deep the arithmetic of an expression, which passed [`check`], nests in SQL.
///
/// # Errors
/// Where it is too deep.
fn arithmetic_depth(expr: &Expr) -> Result<usize, CatalogError> {
    let mut deepest = 0;
    for child in children(expr) {
        deepest = deepest.max(arithmetic_depth(child)?);
    }
    let own = match expr {
        Expr::Operation { op, args } if operand::is_arithmetic(op) => args.len().max(1) - 1,
        _ => 0,
    };
    if own > CHAIN_MAX || deepest + own > ARITHMETIC_DEPTH_MAX {
        return Err(CatalogError::Limit {
            reason: format!(
                "the filter computes with more than {CHAIN_MAX} values one after the other"
            ),
        });
    }
    Ok(deepest + own)
}

impl Predicate {
    /// Gives an expression its meaning.
    ///
    /// # Errors
    /// Where it is too large, is not true or false, or has an operator that is not known.
    pub(crate) fn compile(expr: &Expr) -> Result<Self, CatalogError> {
        check(expr, 0, &mut 0)?;
        arithmetic_depth(expr)?;
        compile(expr)
    }

    /// Returns a geometry that an item must touch for the predicate to hold, if there is one.
    pub(crate) fn needed_geometry(&self) -> Option<&Geometry<f64>> {
        match self {
            Self::And(parts) => parts.iter().find_map(Self::needed_geometry),
            Self::Spatial(test) => test.needed_geometry(),
            _ => None,
        }
    }

    /// Appends it as a condition.
    pub(crate) fn emit(&self, statement: &mut Statement) {
        match self {
            Self::And(parts) => emit_joined(statement, parts, " AND "),
            Self::Or(parts) => emit_joined(statement, parts, " OR "),
            Self::Not(inner) => {
                statement.push("(NOT ");
                inner.emit(statement);
                statement.push(")");
            }
            Self::Constant(Some(true)) => {
                statement.push("TRUE");
            }
            Self::Constant(Some(false)) => {
                statement.push("FALSE");
            }
            Self::Constant(None) => {
                statement.push("CAST(NULL AS BOOLEAN)");
            }
            Self::Flag(operand) => operand.emit(statement, Kind::Boolean),
            Self::IsNull(operand) => operand.emit_is_null(statement),
            Self::Comparison(comparison) => comparison.emit(statement),
            Self::Spatial(test) => test.emit(statement),
            Self::Temporal(test) => test.emit(statement),
            Self::Array(test) => test.emit(statement),
        }
    }
}

/// Joins conditions as a balanced tree: databases limit the depth of an expression, not its size.
pub(crate) fn emit_joined(statement: &mut Statement, parts: &[Predicate], word: &'static str) {
    match parts {
        [] => {
            statement.push(if word == " AND " { "TRUE" } else { "FALSE" });
        }
        [only] => only.emit(statement),
        _ => {
            let (left, right) = parts.split_at(parts.len() / 2);
            statement.push("(");
            emit_joined(statement, left, word);
            statement.push(word);
            emit_joined(statement, right, word);
            statement.push(")");
        }
    }
}

fn compile(expr: &Expr) -> Result<Predicate, CatalogError> {
    match expr {
        Expr::Operation { op, args } => compile_operation(op, args),
        Expr::Bool(value) => Ok(Predicate::Constant(Some(*value))),
        Expr::Null => Ok(Predicate::Constant(None)),
        Expr::Property { .. } => Ok(Predicate::Flag(Operand::compile(expr)?)),
        _ => Err(invalid(
            "a filter has to be true or false, this one is a value",
        )),
    }
}

fn compile_operation(op: &str, args: &[Box<Expr>]) -> Result<Predicate, CatalogError> {
    let name = op.to_ascii_lowercase();
    let all = || {
        args.iter()
            .map(|arg| compile(arg))
            .collect::<Result<Vec<_>, _>>()
    };
    match name.as_str() {
        "and" => Ok(Predicate::And(all()?)),
        "or" => Ok(Predicate::Or(all()?)),
        "not" => Ok(Predicate::Not(Box::new(compile(one(op, args)?)?))),
        "isnull" => Ok(Predicate::IsNull(Operand::compile(one(op, args)?)?)),
        "=" | "<>" | "<" | "<=" | ">" | ">=" | "like" | "between" | "in" => {
            compare::compile(&name, args)
        }
        "a_equals" | "a_contains" | "a_containedby" | "a_overlaps" => {
            ArrayTest::compile(&name, args).map(Predicate::Array)
        }
        _ if name.starts_with("s_") => SpatialTest::compile(&name, args).map(Predicate::Spatial),
        _ if name.starts_with("t_") => TemporalTest::compile(&name, args).map(Predicate::Temporal),
        _ => Err(unknown(op)),
    }
}

/// Returns the error for an operator or function that is not known.
fn unknown(op: &str) -> CatalogError {
    let shown: String = op.chars().take(60).collect();
    invalid(format!(
        "the filter uses \"{shown}\", which is no operator or function here"
    ))
}

fn one<'a>(op: &str, args: &'a [Box<Expr>]) -> Result<&'a Expr, CatalogError> {
    match args {
        [only] => Ok(only),
        _ => Err(wrong_count(op, args.len(), "one")),
    }
}

fn two<'a>(op: &str, args: &'a [Box<Expr>]) -> Result<(&'a Expr, &'a Expr), CatalogError> {
    match args {
        [left, right] => Ok((left, right)),
        _ => Err(wrong_count(op, args.len(), "two")),
    }
}

fn wrong_count(op: &str, found: usize, expected: &str) -> CatalogError {
    invalid(format!("\"{op}\" takes {expected} operands, not {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use swath_db::Dialect;

    proptest! {
        #[test]
        fn any_filter_ends_in_a_result(text in "[a-z(,]{0,6}( (=|<|LIKE|IN|BETWEEN|AND|\\+) ('[a-z%]*'|[0-9.]{1,4}|[a-z:.]{1,8}|\\([0-9,]*\\))){0,4}[)]{0,2}") {
            if let Ok(expr) = text.parse::<Expr>()
                && let Ok(predicate) = Predicate::compile(&expr)
            {
                for dialect in [Dialect::Sqlite, Dialect::Postgres] {
                    let mut statement = Statement::new(dialect);
                    predicate.emit(&mut statement);
                    let (open, close) = (statement.sql().matches('(').count(), statement.sql().matches(')').count());
                    prop_assert_eq!(open, close);
                }
            }
        }
    }
}
