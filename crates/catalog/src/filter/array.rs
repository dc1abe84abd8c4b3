//! Array operators: two lists compared as sets.

use cql2::Expr;
use serde_json::Value;
use swath_db::{Dialect, Statement};

use super::{invalid, two};
use crate::CatalogError;
use crate::field::{self, Field, PropertyName};

/// How two sets relate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ArrayTest {
    relation: Relation,
    left: Side,
    right: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Equals,
    Contains,
    ContainedBy,
    Overlaps,
}

#[derive(Debug, Clone, PartialEq)]
enum Side {
    Property(PropertyName),
    Constant(String),
}

impl ArrayTest {
    pub(super) fn compile(operator: &str, args: &[Box<Expr>]) -> Result<Self, CatalogError> {
        let relation = match operator {
            "a_equals" => Relation::Equals,
            "a_contains" => Relation::Contains,
            "a_containedby" => Relation::ContainedBy,
            _ => Relation::Overlaps,
        };
        let (left, right) = two(operator, args)?;
        Ok(Self {
            relation,
            left: side(left)?,
            right: side(right)?,
        })
    }

    /// Appends it as a condition.
    pub(super) fn emit(&self, statement: &mut Statement) {
        let (left, right) = (&self.left, &self.right);
        if statement.dialect() == Dialect::Sqlite {
            statement.push(match self.relation {
                Relation::Equals => "swath_array_equals(",
                Relation::Contains | Relation::ContainedBy => "swath_array_contains(",
                Relation::Overlaps => "swath_array_overlaps(",
            });
            let (left, right) = match self.relation {
                Relation::ContainedBy => (right, left),
                _ => (left, right),
            };
            emit_call(statement, left, right);
            return;
        }
        match self.relation {
            Relation::Contains => emit_infix(statement, left, " @> ", right),
            Relation::ContainedBy => emit_infix(statement, left, " <@ ", right),
            Relation::Equals => {
                statement.push("(");
                emit_infix(statement, left, " @> ", right);
                statement.push(" AND ");
                emit_infix(statement, left, " <@ ", right);
                statement.push(")");
            }
            Relation::Overlaps => {
                statement.push("swath_array_overlaps(");
                emit_call(statement, left, right);
            }
        }
    }
}

fn emit_call(statement: &mut Statement, left: &Side, right: &Side) {
    left.emit(statement);
    statement.push(", ");
    right.emit(statement);
    statement.push(")");
}

fn emit_infix(statement: &mut Statement, left: &Side, sql: &'static str, right: &Side) {
    statement.push("(");
    left.emit(statement);
    statement.push(sql);
    right.emit(statement);
    statement.push(")");
}

impl Side {
    fn emit(&self, statement: &mut Statement) {
        match self {
            Self::Property(name) => field::emit_array(statement, name),
            Self::Constant(json) => {
                statement.bind(json.as_str()).push_for("", "::JSONB");
            }
        }
    }
}

fn side(expr: &Expr) -> Result<Side, CatalogError> {
    match expr {
        Expr::Property { property } => match Field::find(property)? {
            Field::Property(name) => Ok(Side::Property(name)),
            Field::Column(column) => Err(invalid(format!("\"{}\" is no list", column.name))),
        },
        Expr::Array(values) => {
            let values: Result<Vec<Value>, _> =
                values.iter().map(|value| constant(value)).collect();
            Ok(Side::Constant(Value::Array(values?).to_string()))
        }
        single => Ok(Side::Constant(
            Value::Array(vec![constant(single)?]).to_string(),
        )),
    }
}

fn constant(expr: &Expr) -> Result<Value, CatalogError> {
    Ok(match expr {
        // Whole numbers compare as such in JSON.
        Expr::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => {
            Value::from(*value as i64)
        }
        Expr::Float(value) => Value::from(*value),
        Expr::Literal(text) => Value::from(text.as_str()),
        Expr::Bool(value) => Value::from(*value),
        _ => {
            return Err(invalid(
                "lists in array operators hold texts, numbers, true or false",
            ));
        }
    })
}
