//! Values in a filter: fields, constants, and what is computed from them.

use cql2::Expr;
use swath_db::{Dialect, SqlValue, Statement};
use unicode_normalization::UnicodeNormalization;

use super::{invalid, one, unknown, wrong_count};
use crate::CatalogError;
use crate::field::{Field, Kind};
use crate::instant;

/// A value of an item, or the same for all.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Field(Field),
    Number(f64),
    Text(String),
    Boolean(bool),
    /// First and last microsecond: the same for a timestamp, a whole day for a date.
    Instant(i64, i64),
    Null,
    Arithmetic(Arithmetic, Box<Operand>, Box<Operand>),
    Folded(Fold, Box<Operand>),
}

/// Operators on numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Quotient,
    Power,
}

impl Arithmetic {
    fn of_operator(op: &str) -> Option<Self> {
        Some(match op.to_ascii_lowercase().as_str() {
            "+" => Self::Add,
            "-" => Self::Subtract,
            "*" => Self::Multiply,
            "/" => Self::Divide,
            "%" => Self::Remainder,
            "div" => Self::Quotient,
            "^" => Self::Power,
            _ => return None,
        })
    }
}

/// True for an operator on numbers.
pub(super) fn is_arithmetic(op: &str) -> bool {
    Arithmetic::of_operator(op).is_some()
}

/// What a comparison of texts leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fold {
    Case,
    Accents,
}

impl Fold {
    /// Returns the text without what is left out.
    pub(crate) fn apply(self, text: &str) -> String {
        match self {
            // Upper case takes part of what is spelled differently in lower case along (ss and ß).
            Self::Case => text.to_uppercase(),
            Self::Accents => text
                .nfd()
                .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
                .collect(),
        }
    }
}

impl Operand {
    /// Gives an expression its meaning as a value.
    ///
    /// # Errors
    /// Where it is no value of an item, or has a function that is not known.
    pub(crate) fn compile(expr: &Expr) -> Result<Self, CatalogError> {
        Ok(match expr {
            Expr::Property { property } => Self::Field(Field::find(property)?),
            Expr::Float(value) => Self::Number(*value),
            // PostgreSQL has no such texts; for a pattern of SQLite they end there.
            Expr::Literal(text) if text.contains('\0') => {
                return Err(invalid("a text in a filter holds the character 0"));
            }
            Expr::Literal(text) => Self::Text(text.clone()),
            Expr::Bool(value) => Self::Boolean(*value),
            Expr::Null => Self::Null,
            Expr::Timestamp { timestamp: inner } | Expr::Date { date: inner } => {
                let (first, last) = literal_instant(inner)?;
                Self::Instant(first, last)
            }
            Expr::Operation { op, args } => compile_operation(op, args)?,
            Expr::Interval { .. } => {
                return Err(invalid(
                    "an interval stands only in temporal operators (T_…)",
                ));
            }
            Expr::Geometry(_) | Expr::BBox { .. } => {
                return Err(invalid("a geometry stands only in spatial operators (S_…)"));
            }
            Expr::Array(_) => {
                return Err(invalid(
                    "a list stands only in IN and in array operators (A_…)",
                ));
            }
        })
    }

    /// Returns the kind that it has of itself; `None` for a property, whose kind the item decides.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Field(Field::Column(column)) => Some(column.kind),
            Self::Field(Field::Property(_)) | Self::Null => None,
            Self::Number(_) | Self::Arithmetic(..) => Some(Kind::Number),
            Self::Text(_) | Self::Folded(..) => Some(Kind::Text),
            Self::Boolean(_) => Some(Kind::Boolean),
            Self::Instant(..) => Some(Kind::Instant),
        }
    }

    /// True for what a user wrote as text: it is read as the kind of what it is compared with.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Returns the constant as another kind: texts are read as numbers and instants.
    ///
    /// # Errors
    /// Where a text that is compared with an instant is none.
    pub(crate) fn read_as(self, kind: Kind) -> Result<Self, CatalogError> {
        Ok(match (self, kind) {
            (Self::Text(text), Kind::Instant) => {
                let (first, last) = instant::read(&text)
                    .ok_or_else(|| invalid(format!("\"{}\" is no datetime", shown(&text))))?;
                Self::Instant(first, last)
            }
            (Self::Text(text), Kind::Number) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Self::Number(number),
                _ => Self::Null,
            },
            (Self::Text(text), Kind::Boolean) => match text.as_str() {
                "true" => Self::Boolean(true),
                "false" => Self::Boolean(false),
                _ => Self::Null,
            },
            (other, _) => other,
        })
    }

    /// Appends it as a value of a kind; null where it is of another.
    pub(crate) fn emit(&self, statement: &mut Statement, kind: Kind) {
        match (self, kind) {
            (Self::Field(field), _) => {
                field.emit(statement, kind);
                // Texts compare by code point in both databases.
                if kind == Kind::Text {
                    statement.push_for("", " COLLATE \"C\"");
                }
            }
            (Self::Number(value), Kind::Number) => {
                statement.bind(*value);
            }
            (Self::Text(text), Kind::Text) => {
                statement.bind(text.as_str());
            }
            (Self::Boolean(value), Kind::Boolean) => {
                statement.bind(*value);
            }
            (Self::Instant(first, _), Kind::Instant) => {
                statement.bind(*first);
            }
            (Self::Arithmetic(operator, left, right), Kind::Number) => {
                emit_arithmetic(statement, *operator, left, right);
            }
            (Self::Folded(fold, inner), Kind::Text) => {
                statement.push(match fold {
                    Fold::Case => "swath_fold_case(",
                    Fold::Accents => "swath_fold_accents(",
                });
                inner.emit(statement, Kind::Text);
                statement.push(")").push_for("", " COLLATE \"C\"");
            }
            _ => {
                statement.bind(null_of(kind));
            }
        }
    }

    /// Appends whether it is null or absent.
    pub(crate) fn emit_is_null(&self, statement: &mut Statement) {
        match self {
            Self::Field(field) => field.emit_is_null(statement),
            Self::Null => {
                statement.push("TRUE");
            }
            Self::Arithmetic(..) | Self::Folded(..) => {
                statement.push("(");
                self.emit(statement, self.kind().unwrap_or(Kind::Text));
                statement.push(" IS NULL)");
            }
            _ => {
                statement.push("FALSE");
            }
        }
    }
}

fn null_of(kind: Kind) -> SqlValue {
    match kind {
        Kind::Number => SqlValue::Real(None),
        Kind::Text => SqlValue::Text(None),
        Kind::Boolean => SqlValue::Boolean(None),
        Kind::Instant | Kind::Geometry => SqlValue::Integer(None),
    }
}

/// Returns a text of the user as it may stand in a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Reads what stands in `TIMESTAMP('…')` or `DATE('…')`.
pub(super) fn literal_instant(inner: &Expr) -> Result<(i64, i64), CatalogError> {
    let Expr::Literal(text) = inner else {
        return Err(invalid("TIMESTAMP and DATE take a text"));
    };
    instant::read(text).ok_or_else(|| invalid(format!("\"{}\" is no datetime", shown(text))))
}

fn compile_operation(op: &str, args: &[Box<Expr>]) -> Result<Operand, CatalogError> {
    let fold = match op.to_ascii_lowercase().as_str() {
        "casei" => Some(Fold::Case),
        "accenti" => Some(Fold::Accents),
        _ => None,
    };
    if let Some(fold) = fold {
        return match Operand::compile(one(op, args)?)? {
            Operand::Text(text) => Ok(Operand::Text(fold.apply(&text))),
            inner => Ok(Operand::Folded(fold, Box::new(inner))),
        };
    }
    let operator = Arithmetic::of_operator(op).ok_or_else(|| unknown(op))?;
    let mut operands = Vec::with_capacity(args.len());
    for arg in args {
        operands.push(Operand::compile(arg)?.read_as(Kind::Number)?);
    }
    let mut operands = operands.into_iter();
    let (Some(first), Some(second)) = (operands.next(), operands.next()) else {
        return Err(wrong_count(op, args.len(), "two"));
    };
    let start = Operand::Arithmetic(operator, Box::new(first), Box::new(second));
    // `a + b + c` arrives as one operation: it is read from the left.
    Ok(operands.fold(start, |left, right| {
        Operand::Arithmetic(operator, Box::new(left), Box::new(right))
    }))
}

fn emit_arithmetic(
    statement: &mut Statement,
    operator: Arithmetic,
    left: &Operand,
    right: &Operand,
) {
    let function = match operator {
        Arithmetic::Power => Some("swath_power("),
        Arithmetic::Remainder => Some("swath_remainder("),
        Arithmetic::Quotient => Some("swath_quotient("),
        _ => None,
    };
    if let Some(function) = function {
        statement.push(function);
        emit_float(statement, left);
        statement.push(", ");
        emit_float(statement, right);
        statement.push(")");
        return;
    }
    statement.push("(");
    emit_float(statement, left);
    match operator {
        Arithmetic::Subtract => statement.push(" - "),
        Arithmetic::Multiply => statement.push(" * "),
        Arithmetic::Divide => statement.push(" / NULLIF("),
        _ => statement.push(" + "),
    };
    emit_float(statement, right);
    if operator == Arithmetic::Divide {
        statement.push(", 0)");
    }
    statement.push(")");
}

/// Integers divide as floats, and PostgreSQL finds its functions by type.
fn emit_float(statement: &mut Statement, operand: &Operand) {
    let is_integer = matches!(operand, Operand::Field(Field::Column(_)));
    if !is_integer {
        operand.emit(statement, Kind::Number);
        return;
    }
    statement.push("CAST(");
    operand.emit(statement, Kind::Number);
    match statement.dialect() {
        Dialect::Sqlite => statement.push(" AS REAL)"),
        Dialect::Postgres => statement.push(" AS DOUBLE PRECISION)"),
    };
}
