//! What a `$filter` says.

use uuid::Uuid;

use crate::products::attributes::Literal;
use crate::products::expressions::{Comparison, Position};

/// A condition on products.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    /// All hold.
    And(Vec<Filter>),
    /// At least one holds.
    Or(Vec<Filter>),
    /// Does not hold.
    Not(Box<Filter>),
    /// A field compared with a value.
    Compare {
        /// As written: `ContentDate/Start`, `att/Name`.
        field: String,
        /// How.
        comparison: Comparison,
        /// With what.
        value: Value,
    },
    /// A field holds a text.
    Holds {
        /// As written.
        field: String,
        /// The text, taken literally.
        part: String,
        /// Where in the field.
        position: Position,
    },
    /// The footprint shares a point with a geometry in WKT.
    Intersects(String),
    /// One of the attributes satisfies a condition.
    Any {
        /// Name of the attribute within the condition.
        variable: String,
        /// The condition.
        condition: Box<Filter>,
    },
}

/// A value of a filter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Text, number, instant, truth or nothing.
    Literal(Literal),
    /// An identifier.
    Uuid(Uuid),
}
