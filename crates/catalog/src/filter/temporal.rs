//! Temporal operators (CQL2 §7.9): two intervals in Allen's algebra.

use cql2::Expr;
use swath_db::Statement;

use super::operand::{Operand, literal_instant};
use super::{invalid, two, unknown};
use crate::CatalogError;
use crate::field::{Field, Kind};

/// How two intervals relate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TemporalTest {
    relation: Relation,
    left: Span,
    right: Span,
}

/// The relations that remain when the sides of the others are exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Before,
    Meets,
    Overlaps,
    Starts,
    During,
    Finishes,
    Equals,
    Disjoint,
    Intersects,
}

/// First and last instant, both within.
#[derive(Debug, Clone, PartialEq)]
struct Span {
    first: End,
    last: End,
}

#[derive(Debug, Clone, PartialEq)]
enum End {
    Constant(i64),
    Field(Field),
    /// The last instant of an item whose datetime is a range.
    LastInstant,
}

impl TemporalTest {
    pub(super) fn compile(operator: &str, args: &[Box<Expr>]) -> Result<Self, CatalogError> {
        let (relation, is_turned) = match operator {
            "t_before" => (Relation::Before, false),
            "t_after" => (Relation::Before, true),
            "t_meets" => (Relation::Meets, false),
            "t_metby" => (Relation::Meets, true),
            "t_overlaps" => (Relation::Overlaps, false),
            "t_overlappedby" => (Relation::Overlaps, true),
            "t_starts" => (Relation::Starts, false),
            "t_startedby" => (Relation::Starts, true),
            "t_during" => (Relation::During, false),
            "t_contains" => (Relation::During, true),
            "t_finishes" => (Relation::Finishes, false),
            "t_finishedby" => (Relation::Finishes, true),
            "t_equals" => (Relation::Equals, false),
            "t_disjoint" => (Relation::Disjoint, false),
            "t_intersects" => (Relation::Intersects, false),
            _ => return Err(unknown(operator)),
        };
        let (left, right) = two(operator, args)?;
        let (left, right) = (Span::compile(left)?, Span::compile(right)?);
        Ok(match is_turned {
            true => Self {
                relation,
                left: right,
                right: left,
            },
            false => Self {
                relation,
                left,
                right,
            },
        })
    }

    /// Appends it as a condition.
    pub(super) fn emit(&self, statement: &mut Statement) {
        let (left, right) = (&self.left, &self.right);
        let conditions: &[(&End, &'static str, &End)] = match self.relation {
            Relation::Before => &[(&left.last, " < ", &right.first)],
            Relation::Meets => &[(&left.last, " = ", &right.first)],
            Relation::Overlaps => &[
                (&left.first, " < ", &right.first),
                (&right.first, " < ", &left.last),
                (&left.last, " < ", &right.last),
            ],
            Relation::Starts => &[
                (&left.first, " = ", &right.first),
                (&left.last, " < ", &right.last),
            ],
            Relation::During => &[
                (&left.first, " > ", &right.first),
                (&left.last, " < ", &right.last),
            ],
            Relation::Finishes => &[
                (&left.first, " > ", &right.first),
                (&left.last, " = ", &right.last),
            ],
            Relation::Equals => &[
                (&left.first, " = ", &right.first),
                (&left.last, " = ", &right.last),
            ],
            Relation::Disjoint | Relation::Intersects => &[
                (&left.first, " <= ", &right.last),
                (&left.last, " >= ", &right.first),
            ],
        };
        let is_negated = self.relation == Relation::Disjoint;
        statement.push(if is_negated { "(NOT (" } else { "((" });
        for (index, (one, sql, other)) in conditions.iter().enumerate() {
            if index > 0 {
                statement.push(" AND ");
            }
            one.emit(statement);
            statement.push(sql);
            other.emit(statement);
        }
        statement.push("))");
    }
}

impl Span {
    fn compile(expr: &Expr) -> Result<Self, CatalogError> {
        if let Expr::Interval { interval } = expr {
            let [first, last] = interval.as_slice() else {
                return Err(invalid("an interval has two ends"));
            };
            let first = End::compile(first, i64::MIN)?.first;
            return Ok(Self {
                first,
                last: End::compile(last, i64::MAX)?.last,
            });
        }
        End::compile(expr, i64::MIN)
    }

    fn constant((first, last): (i64, i64)) -> Self {
        Self {
            first: End::Constant(first),
            last: End::Constant(last),
        }
    }
}

impl End {
    /// Reads an instant, a date (a whole day) or a field as a span; `..` is `open`.
    fn compile(expr: &Expr, open: i64) -> Result<Span, CatalogError> {
        match expr {
            Expr::Literal(text) if text == ".." => Ok(Span::constant((open, open))),
            Expr::Literal(_) => literal_instant(expr).map(Span::constant),
            Expr::Timestamp { timestamp: inner } | Expr::Date { date: inner } => {
                literal_instant(inner).map(Span::constant)
            }
            Expr::Property { property } => {
                let field = Field::find(property)?;
                let last = match field.name() {
                    "datetime" => Self::LastInstant,
                    _ => Self::Field(field.clone()),
                };
                Ok(Span {
                    first: Self::Field(field),
                    last,
                })
            }
            _ => Err(invalid(
                "temporal operators take a property, an instant, a date or an interval",
            )),
        }
    }

    fn emit(&self, statement: &mut Statement) {
        match self {
            Self::Constant(instant) => {
                statement.bind(*instant);
            }
            Self::Field(field) => Operand::Field(field.clone()).emit(statement, Kind::Instant),
            Self::LastInstant => {
                statement.push("items.datetime_end");
            }
        }
    }
}
