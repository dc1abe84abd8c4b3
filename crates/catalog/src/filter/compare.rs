//! Comparisons: `=`, `<`, LIKE, BETWEEN, IN.

use cql2::Expr;
use swath_db::{Dialect, Statement};

use super::operand::Operand;
use super::{Predicate, invalid, two, wrong_count};
use crate::CatalogError;
use crate::field::{Field, Kind};

/// Most values of one IN.
const LIST_MAX: usize = 1_000;

/// Longest pattern of LIKE, in bytes: SQLite refuses 50,000, and looks for each `%` anew.
const PATTERN_BYTES_MAX: usize = 4_096;

/// Two values compared, or a text with a pattern.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Comparison {
    /// Compared as the first of the kinds under which both are there.
    Pair {
        left: Operand,
        operator: Order,
        right: Operand,
        kinds: Vec<Kind>,
    },
    /// One of many values of one kind.
    OneOf {
        left: Operand,
        values: Vec<Operand>,
        kind: Kind,
    },
    /// `%` any text, `_` any character, `\` takes the next character as it is.
    Like { left: Operand, pattern: String },
}

/// How two values stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn of_operator(operator: &str) -> Self {
        match operator {
            "<>" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => Self::Equal,
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Equal => " = ",
            Self::NotEqual => " <> ",
            Self::Less => " < ",
            Self::LessOrEqual => " <= ",
            Self::Greater => " > ",
            Self::GreaterOrEqual => " >= ",
        }
    }

    /// Returns the order seen from the other side.
    fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            other => other,
        }
    }
}

/// Gives a comparison its meaning.
///
/// # Errors
/// Where its operands make no sense.
pub(super) fn compile(operator: &str, args: &[Box<Expr>]) -> Result<Predicate, CatalogError> {
    match operator {
        "like" => {
            let (left, pattern) = two(operator, args)?;
            let left = Operand::compile(left)?;
            let Operand::Text(pattern) = Operand::compile(pattern)? else {
                return Err(invalid("the pattern of LIKE has to be a text"));
            };
            if pattern.len() > PATTERN_BYTES_MAX {
                return Err(CatalogError::Limit {
                    reason: format!("the pattern of LIKE has more than {PATTERN_BYTES_MAX} bytes"),
                });
            }
            Ok(Predicate::Comparison(Comparison::Like { left, pattern }))
        }
        "between" => {
            let [value, low, high] = args else {
                return Err(wrong_count(operator, args.len(), "three"));
            };
            let value = Operand::compile(value)?;
            let low = pair(value.clone(), Order::GreaterOrEqual, Operand::compile(low)?)?;
            let high = pair(value, Order::LessOrEqual, Operand::compile(high)?)?;
            Ok(Predicate::And(vec![low, high]))
        }
        "in" => compile_in(args),
        _ => {
            let (left, right) = two(operator, args)?;
            pair(
                Operand::compile(left)?,
                Order::of_operator(operator),
                Operand::compile(right)?,
            )
        }
    }
}

fn compile_in(args: &[Box<Expr>]) -> Result<Predicate, CatalogError> {
    let (left, list) = two("in", args)?;
    let left = Operand::compile(left)?;
    let values: Vec<&Expr> = match list {
        Expr::Array(values) => values.iter().map(AsRef::as_ref).collect(),
        // Text in parentheses with one value arrives as that value.
        single => vec![single],
    };
    if values.len() > LIST_MAX {
        return Err(CatalogError::Limit {
            reason: format!("IN lists more than {LIST_MAX} values"),
        });
    }
    let values: Result<Vec<_>, _> = values.into_iter().map(Operand::compile).collect();
    let values = values?;
    let is_plain = |value: &Operand| matches!(value, Operand::Text(_) | Operand::Number(_));
    match left.kind() {
        Some(kind @ (Kind::Text | Kind::Number)) if values.iter().all(is_plain) => {
            let values = values.into_iter().map(|value| value.read_as(kind));
            let values = values.collect::<Result<_, _>>()?;
            Ok(Predicate::Comparison(Comparison::OneOf {
                left,
                values,
                kind,
            }))
        }
        _ => {
            let parts = values
                .into_iter()
                .map(|value| pair(left.clone(), Order::Equal, value));
            Ok(Predicate::Or(parts.collect::<Result<_, _>>()?))
        }
    }
}

/// Decides as what two values are compared.
fn pair(left: Operand, operator: Order, right: Operand) -> Result<Predicate, CatalogError> {
    let kinds = kinds(&left, &right)?;
    let (left, right) = match kinds.as_slice() {
        // A text of the user becomes what it is compared with.
        [kind] => (left.read_as(*kind)?, right.read_as(*kind)?),
        _ => (left, right),
    };
    Ok(Predicate::Comparison(Comparison::Pair {
        left,
        operator,
        right,
        kinds,
    }))
}

fn kinds(left: &Operand, right: &Operand) -> Result<Vec<Kind>, CatalogError> {
    let fixed = |operand: &Operand| operand.kind().filter(|_| !operand.is_text());
    let is_column = |operand: &Operand| matches!(operand, Operand::Field(Field::Column(_)));
    Ok(match (fixed(left), fixed(right)) {
        (Some(Kind::Geometry), _) | (_, Some(Kind::Geometry)) => {
            return Err(invalid(
                "a geometry is compared with spatial operators (S_…) only",
            ));
        }
        (Some(Kind::Instant), _) | (_, Some(Kind::Instant)) => vec![Kind::Instant],
        (Some(kind), _) | (_, Some(kind)) => vec![kind],
        // Two texts of the user, or a property whose kind the item decides.
        (None, None) if left.is_text() && right.is_text() => vec![Kind::Text],
        (None, None) if is_column(left) || is_column(right) => vec![Kind::Text],
        (None, None) => {
            let text = [left, right].into_iter().find_map(|operand| match operand {
                Operand::Text(text) => Some(text),
                _ => None,
            });
            match text {
                Some(text) if text.trim().parse::<f64>().is_ok_and(f64::is_finite) => {
                    vec![Kind::Text, Kind::Number]
                }
                Some(text) if text == "true" || text == "false" => vec![Kind::Text, Kind::Boolean],
                Some(_) => vec![Kind::Text],
                None => vec![Kind::Number, Kind::Text, Kind::Boolean],
            }
        }
    })
}

impl Comparison {
    /// Appends it as a condition.
    pub(super) fn emit(&self, statement: &mut Statement) {
        match self {
            Self::Pair {
                left,
                operator,
                right,
                kinds,
            } => {
                emit_pair(statement, left, *operator, right, kinds);
            }
            Self::OneOf { left, values, kind } => {
                statement.push("(");
                left.emit(statement, *kind);
                statement.push(" IN (");
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        statement.push(", ");
                    }
                    value.emit(statement, *kind);
                }
                if values.is_empty() {
                    statement.push("NULL");
                }
                statement.push("))");
            }
            Self::Like { left, pattern } => {
                statement.push("(");
                left.emit(statement, Kind::Text);
                match statement.dialect() {
                    Dialect::Sqlite => statement.push(" GLOB ").bind(glob_of(pattern)),
                    Dialect::Postgres => statement.push(" LIKE ").bind(like_of(pattern)),
                };
                statement.push(")");
            }
        }
    }
}

fn emit_pair(
    statement: &mut Statement,
    left: &Operand,
    operator: Order,
    right: &Operand,
    kinds: &[Kind],
) {
    match (left, right) {
        (_, Operand::Instant(first, last)) => {
            emit_instant(statement, left, operator, (*first, *last));
            return;
        }
        (Operand::Instant(first, last), _) => {
            emit_instant(statement, right, operator.turned(), (*first, *last));
            return;
        }
        _ => {}
    }
    statement.push(if kinds.len() > 1 { "COALESCE(" } else { "(" });
    for (index, kind) in kinds.iter().enumerate() {
        if index > 0 {
            statement.push(", ");
        }
        // A text that reads as a number may meet both in one collection.
        let read = |operand: &Operand| operand.clone().read_as(*kind).unwrap_or(Operand::Null);
        read(left).emit(statement, *kind);
        statement.push(operator.sql());
        read(right).emit(statement, *kind);
    }
    statement.push(")");
}

/// Compares an instant with a constant that lasts from its first to its last microsecond.
fn emit_instant(
    statement: &mut Statement,
    value: &Operand,
    operator: Order,
    (first, last): (i64, i64),
) {
    let compare = |statement: &mut Statement, sql: &'static str, bound: i64| {
        value.emit(statement, Kind::Instant);
        statement.push(sql).bind(bound);
    };
    statement.push("(");
    match operator {
        Order::Less => compare(statement, " < ", first),
        Order::LessOrEqual => compare(statement, " <= ", last),
        Order::Greater => compare(statement, " > ", last),
        Order::GreaterOrEqual => compare(statement, " >= ", first),
        Order::Equal => {
            compare(statement, " >= ", first);
            statement.push(" AND ");
            compare(statement, " <= ", last);
        }
        Order::NotEqual => {
            compare(statement, " < ", first);
            statement.push(" OR ");
            compare(statement, " > ", last);
        }
    }
    statement.push(")");
}

/// Parts of a LIKE pattern.
enum PatternPart {
    AnyText,
    AnyCharacter,
    Character(char),
}

fn pattern_parts(pattern: &str) -> Vec<PatternPart> {
    let mut parts = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        parts.push(match character {
            '%' => PatternPart::AnyText,
            '_' => PatternPart::AnyCharacter,
            '\\' => PatternPart::Character(characters.next().unwrap_or('\\')),
            other => PatternPart::Character(other),
        });
    }
    parts
}

/// SQLite's LIKE ignores case; its GLOB does not.
fn glob_of(pattern: &str) -> String {
    let mut glob = String::new();
    for part in pattern_parts(pattern) {
        match part {
            PatternPart::AnyText => glob.push('*'),
            PatternPart::AnyCharacter => glob.push('?'),
            PatternPart::Character(special @ ('*' | '?' | '[')) => {
                glob.extend(['[', special, ']']);
            }
            PatternPart::Character(other) => glob.push(other),
        }
    }
    glob
}

fn like_of(pattern: &str) -> String {
    let mut like = String::new();
    for part in pattern_parts(pattern) {
        match part {
            PatternPart::AnyText => like.push('%'),
            PatternPart::AnyCharacter => like.push('_'),
            PatternPart::Character(special @ ('%' | '_' | '\\')) => like.extend(['\\', special]),
            PatternPart::Character(other) => like.push(other),
        }
    }
    like
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_keep_their_special_characters() {
        assert_eq!(glob_of(r"S2_%\_[x]*"), "S2?*_[[]x][*]");
        assert_eq!(like_of(r"a\%b%\c\"), r"a\%b%c\\");
    }
}
