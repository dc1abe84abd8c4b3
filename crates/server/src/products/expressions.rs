//! CQL2 expressions, built.

use chrono::{DateTime, SecondsFormat, Utc};
use cql2::Expr;

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessOrEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterOrEqual,
}

impl Comparison {
    fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// Returns the comparison with its sides exchanged: `a < b` is `b > a`.
    pub(crate) fn mirrored(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

/// Returns an operation.
pub(crate) fn operation(name: &str, arguments: impl IntoIterator<Item = Expr>) -> Expr {
    Expr::Operation {
        op: name.to_owned(),
        args: arguments.into_iter().map(Box::new).collect(),
    }
}

/// Returns a property of the item, by its STAC name.
pub(crate) fn property(name: &str) -> Expr {
    Expr::Property {
        property: name.to_owned(),
    }
}

/// Returns an instant.
pub(crate) fn instant(datetime: DateTime<Utc>) -> Expr {
    let text = datetime.to_rfc3339_opts(SecondsFormat::Micros, true);
    Expr::Timestamp {
        timestamp: Box::new(Expr::Literal(text)),
    }
}

/// Returns `name comparison value`.
pub(crate) fn compare(name: &str, comparison: Comparison, value: Expr) -> Expr {
    operation(comparison.symbol(), [property(name), value])
}

/// Returns `name = 'text'`.
pub(crate) fn equals(name: &str, text: impl Into<String>) -> Expr {
    compare(name, Comparison::Equal, Expr::Literal(text.into()))
}

/// Returns what is true where all are; with none, true.
pub(crate) fn all(mut expressions: Vec<Expr>) -> Expr {
    match expressions.len() {
        0 => Expr::Bool(true),
        1 => expressions.remove(0),
        _ => operation("and", expressions),
    }
}

/// Returns what is true where any is; with none, false.
pub(crate) fn any(mut expressions: Vec<Expr>) -> Expr {
    match expressions.len() {
        0 => Expr::Bool(false),
        1 => expressions.remove(0),
        _ => operation("or", expressions),
    }
}

/// Returns what is true where `expression` is not, also where that is because a property is absent.
pub(crate) fn not(expression: Expr) -> Expr {
    match known(expression) {
        Expr::Bool(value) => Expr::Bool(!value),
        other => operation("not", [other]),
    }
}

/// Fields that every item has, whatever its properties say.
const ALWAYS_THERE: [&str; 7] = [
    "id",
    "collection",
    "datetime",
    "start_datetime",
    "end_datetime",
    "created",
    "updated",
];

/// Returns `expression`, each comparison in it false instead of null where a property is absent.
///
/// Each by itself: `a = 1 or b = 1` is true where `a` is 1 and `b` is absent.
fn known(expression: Expr) -> Expr {
    match expression {
        Expr::Operation { op, args } if op == "and" || op == "or" => Expr::Operation {
            op,
            args: args
                .into_iter()
                .map(|part| Box::new(known(*part)))
                .collect(),
        },
        // What is negated is known already.
        Expr::Operation { op, args } if op == "not" || op == "isNull" => {
            Expr::Operation { op, args }
        }
        Expr::Operation { op, args } => {
            let mut parts: Vec<Expr> = Vec::new();
            for argument in &args {
                if let Expr::Property { property: name } = argument.as_ref()
                    && !ALWAYS_THERE.contains(&name.as_str())
                {
                    let is_null = operation("isNull", [property(name)]);
                    parts.push(operation("not", [is_null]));
                }
            }
            parts.push(Expr::Operation { op, args });
            all(parts)
        }
        other => other,
    }
}

/// Returns `collection in (…)`, as comparisons.
pub(crate) fn in_collections<'a>(ids: impl IntoIterator<Item = &'a str>) -> Expr {
    any(ids.into_iter().map(|id| equals("collection", id)).collect())
}

/// Where in a text the part that is looked for stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// Anywhere.
    Within,
    /// At its beginning.
    Start,
    /// At its end.
    End,
}

/// Returns what is true where the text of `name` holds `part`, taken literally.
pub(crate) fn holds(name: &str, part: &str, position: Position) -> Expr {
    let part = escape_like(part);
    let pattern = match position {
        Position::Within => format!("%{part}%"),
        Position::Start => format!("{part}%"),
        Position::End => format!("%{part}"),
    };
    like(name, &pattern)
}

/// Returns `name LIKE pattern`: `%` any text, `_` any character, `\` takes the next literally.
pub(crate) fn like(name: &str, pattern: &str) -> Expr {
    operation("like", [property(name), Expr::Literal(pattern.to_owned())])
}

/// Returns `text` as the part of a pattern that matches it alone.
pub(crate) fn escape_like(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn json_of(expression: Expr) -> Value {
        serde_json::to_value(expression).expect("CQL2 JSON")
    }

    #[test]
    fn not_is_true_where_a_property_is_absent() {
        let names = any(vec![equals("id", "a"), equals("s2:product_uri", "a")]);
        let is_null = json!({"op": "isNull", "args": [{"property": "s2:product_uri"}]});
        let expected = json!({"op": "not", "args": [{"op": "or", "args": [
            {"op": "=", "args": [{"property": "id"}, "a"]},
            {"op": "and", "args": [
                {"op": "not", "args": [is_null]},
                {"op": "=", "args": [{"property": "s2:product_uri"}, "a"]}]}]}]});
        assert_eq!(json_of(not(names.clone())), expected);
        assert_eq!(
            json_of(not(not(names))),
            json!({"op": "not", "args": [expected]})
        );
        let instant = compare("start_datetime", Comparison::Less, Expr::Float(1.0));
        assert_eq!(
            json_of(not(instant.clone())),
            json!({"op": "not", "args": [json_of(instant)]})
        );
        assert_eq!(not(Expr::Bool(true)), Expr::Bool(false));
    }
}
