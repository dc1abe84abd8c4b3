//! CQL2 evaluated the plain way: one item, one expression, no SQL.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate};
use cql2::Expr;
use geo::Relate;
use geo_types::Geometry;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

/// A value of an item or an expression.
#[derive(Debug, Clone, PartialEq)]
enum Term {
    Null,
    Number(f64),
    Text(String),
    Boolean(bool),
    /// First and last microsecond.
    Instant(i64, i64),
    List(Vec<Value>),
    Other,
}

/// Columns that are instants, whatever the item says.
const INSTANTS: &[&str] = &["datetime", "start_datetime", "end_datetime"];
/// Columns that are numbers or texts in every item that has them.
const NUMBERS: &[&str] = &["eo:cloud_cover", "sat:relative_orbit"];
const TEXTS: &[&str] = &["platform", "id", "collection"];

/// Tells whether a filter holds for an item; `None`: unknown.
pub fn holds(expr: &Expr, item: &Value) -> Option<bool> {
    match expr {
        Expr::Bool(value) => Some(*value),
        Expr::Property { .. } => match term(expr, item) {
            Term::Boolean(value) => Some(value),
            _ => None,
        },
        Expr::Operation { op, args } => operation(op, args, item),
        _ => None,
    }
}

fn operation(op: &str, args: &[Box<Expr>], item: &Value) -> Option<bool> {
    match op {
        "and" => {
            let all: Vec<_> = args.iter().map(|arg| holds(arg, item)).collect();
            if all.contains(&Some(false)) {
                Some(false)
            } else if all.contains(&None) {
                None
            } else {
                Some(true)
            }
        }
        "or" => {
            let all: Vec<_> = args.iter().map(|arg| holds(arg, item)).collect();
            if all.contains(&Some(true)) {
                Some(true)
            } else if all.contains(&None) {
                None
            } else {
                Some(false)
            }
        }
        "not" => holds(&args[0], item).map(|value| !value),
        "isNull" => Some(match args[0].as_ref() {
            Expr::Property { property } => json(property, item).is_null(),
            other => term(other, item) == Term::Null,
        }),
        "between" => {
            let low = compare(">=", &args[0], &args[1], item);
            let high = compare("<=", &args[0], &args[2], item);
            match (low, high) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            }
        }
        "in" => {
            let Expr::Array(values) = args[1].as_ref() else {
                panic!("a list")
            };
            let all: Vec<_> = values
                .iter()
                .map(|value| compare("=", &args[0], value, item))
                .collect();
            if all.contains(&Some(true)) {
                Some(true)
            } else if all.contains(&None) {
                None
            } else {
                Some(false)
            }
        }
        "like" => match (term(&args[0], item), term(&args[1], item)) {
            (Term::Text(text), Term::Text(pattern)) => {
                let (text, pattern): (Vec<char>, Vec<char>) =
                    (text.chars().collect(), pattern.chars().collect());
                Some(like(&text, &pattern))
            }
            _ => None,
        },
        _ if op.starts_with("s_") => spatial(op, &args[0], &args[1], item),
        _ if op.starts_with("t_") => temporal(op, &args[0], &args[1], item),
        _ if op.starts_with("a_") => array(op, &args[0], &args[1], item),
        _ => compare(op, &args[0], &args[1], item),
    }
}

fn json<'a>(property: &str, item: &'a Value) -> &'a Value {
    let property = property.strip_prefix("properties.").unwrap_or(property);
    if matches!(property, "id" | "collection" | "geometry") {
        return &item[property];
    }
    property
        .split('.')
        .fold(&item["properties"], |value, part| &value[part])
}

fn micros(text: &str) -> Option<(i64, i64)> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let first = date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros();
        return Some((first, first + 86_400_000_000 - 1));
    }
    let at = DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros();
    Some((at, at))
}

fn term(expr: &Expr, item: &Value) -> Term {
    match expr {
        Expr::Float(value) => Term::Number(*value),
        Expr::Literal(text) => Term::Text(text.clone()),
        Expr::Bool(value) => Term::Boolean(*value),
        Expr::Timestamp { timestamp: inner } | Expr::Date { date: inner } => match inner.as_ref() {
            Expr::Literal(text) => {
                let (first, last) = micros(text).expect("a datetime");
                Term::Instant(first, last)
            }
            _ => Term::Null,
        },
        Expr::Array(values) => Term::List(
            values
                .iter()
                .map(|value| serde_json::to_value(value).expect("JSON"))
                .collect(),
        ),
        Expr::Property { property } => property_term(property, item),
        Expr::Operation { op, args } => function(op, args, item),
        _ => Term::Null,
    }
}

fn property_term(property: &str, item: &Value) -> Term {
    if INSTANTS.contains(&property) {
        let properties = &item["properties"];
        let first = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| properties[*name].as_str())
                .and_then(micros)
        };
        let found = match property {
            "end_datetime" => first(&["end_datetime", "datetime"]),
            "start_datetime" => first(&["start_datetime", "datetime"]),
            _ => first(&["datetime", "start_datetime"]),
        };
        return found.map_or(Term::Null, |(first, last)| Term::Instant(first, last));
    }
    match json(property, item) {
        Value::Null => Term::Null,
        Value::Number(number) => Term::Number(number.as_f64().expect("a float")),
        Value::String(text) => Term::Text(text.clone()),
        Value::Bool(value) => Term::Boolean(*value),
        Value::Array(values) => Term::List(values.clone()),
        Value::Object(_) => Term::Other,
    }
}

fn function(op: &str, args: &[Box<Expr>], item: &Value) -> Term {
    if op == "casei" || op == "accenti" {
        return match term(&args[0], item) {
            Term::Text(text) if op == "casei" => Term::Text(text.to_uppercase()),
            Term::Text(text) => Term::Text(
                text.nfd()
                    .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
                    .collect(),
            ),
            _ => Term::Null,
        };
    }
    let number = |expr: &Expr| match term(expr, item) {
        Term::Number(value) => Some(value),
        _ => None,
    };
    let mut values = args.iter().map(|arg| number(arg));
    let first = values.next().flatten();
    let folded = values.fold(first, |left, right| {
        let (left, right) = (left?, right?);
        let value = match op {
            "+" => left + right,
            "-" => left - right,
            "*" => left * right,
            "/" => left / right,
            "%" => left % right,
            "^" => left.powf(right),
            "div" => (left / right).trunc(),
            other => panic!("{other}"),
        };
        value.is_finite().then_some(value)
    });
    folded.map_or(Term::Null, Term::Number)
}

fn compare(op: &str, left: &Expr, right: &Expr, item: &Value) -> Option<bool> {
    let is_constant = |expr: &Expr| matches!(expr, Expr::Literal(_));
    let is_of = |expr: &Expr, names: &[&str]| matches!(expr, Expr::Property { property } if names.contains(&property.strip_prefix("properties.").unwrap_or(property)));
    // A text of the user is read as what it is compared with.
    let meant = |own: &Expr, value: Term, other: &Term| match (value, other) {
        (Term::Text(text), Term::Number(_)) if is_constant(own) => {
            text.parse().map_or(Term::Null, Term::Number)
        }
        (Term::Text(text), Term::Boolean(_)) if is_constant(own) => {
            text.parse().map_or(Term::Null, Term::Boolean)
        }
        (Term::Text(text), Term::Instant(..)) if is_constant(own) => {
            micros(&text).map_or(Term::Null, |(first, last)| Term::Instant(first, last))
        }
        (value, _) => value,
    };
    let (one, two) = (term(left, item), term(right, item));
    let (one, two) = (meant(left, one.clone(), &two), meant(right, two, &one));
    // What an item says in text may be an instant where it is compared with one.
    let read = |value: Term, other: &Term| match (value, other) {
        (Term::Text(text), Term::Instant(..)) => {
            micros(&text).map_or(Term::Null, |(first, _)| Term::Instant(first, first))
        }
        (value, _) => value,
    };
    let (one, two) = (read(one.clone(), &two), read(two, &one));
    // A column has one kind only.
    if (is_of(left, NUMBERS) || is_of(right, NUMBERS))
        && !matches!((&one, &two), (Term::Number(_), Term::Number(_)))
    {
        return None;
    }
    if (is_of(left, TEXTS) || is_of(right, TEXTS))
        && !matches!((&one, &two), (Term::Text(_), Term::Text(_)))
    {
        return None;
    }
    let ordering = match (&one, &two) {
        (Term::Number(one), Term::Number(two)) => one.partial_cmp(two)?,
        (Term::Text(one), Term::Text(two)) => one.as_bytes().cmp(two.as_bytes()),
        (Term::Boolean(one), Term::Boolean(two)) => one.cmp(two),
        (Term::Instant(at, _), Term::Instant(first, last)) if first <= at && at <= last => {
            std::cmp::Ordering::Equal
        }
        (Term::Instant(first, last), Term::Instant(at, _)) if first <= at && at <= last => {
            std::cmp::Ordering::Equal
        }
        (Term::Instant(one, _), Term::Instant(two, _)) => one.cmp(two),
        _ => return None,
    };
    Some(match op {
        "=" => ordering.is_eq(),
        "<>" => ordering.is_ne(),
        "<" => ordering.is_lt(),
        "<=" => ordering.is_le(),
        ">" => ordering.is_gt(),
        ">=" => ordering.is_ge(),
        other => panic!("{other}"),
    })
}

fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|start| like(&text[start..], rest)),
        ['_', rest @ ..] => !text.is_empty() && like(&text[1..], rest),
        ['\\', one, rest @ ..] | [one, rest @ ..] => {
            text.first() == Some(one) && like(&text[1..], rest)
        }
    }
}

fn shape(expr: &Expr, item: &Value) -> Option<Geometry<f64>> {
    let of_json = |value: Value| {
        let expr: Expr = serde_json::from_value(value).expect("a geometry");
        Geometry::try_from(expr).expect("a geometry")
    };
    match expr {
        Expr::Property { property } if property == "geometry" => {
            Some(of_json(item["geometry"].clone()))
        }
        other => Geometry::try_from(other.clone()).ok(),
    }
}

fn spatial(op: &str, left: &Expr, right: &Expr, item: &Value) -> Option<bool> {
    let matrix = shape(left, item)?.relate(&shape(right, item)?);
    Some(match op {
        "s_intersects" => matrix.is_intersects(),
        "s_disjoint" => matrix.is_disjoint(),
        "s_equals" => matrix.is_equal_topo(),
        "s_touches" => matrix.is_touches(),
        "s_within" => matrix.is_within(),
        "s_overlaps" => matrix.is_overlaps(),
        "s_crosses" => matrix.is_crosses(),
        "s_contains" => matrix.is_contains(),
        other => panic!("{other}"),
    })
}

fn span(expr: &Expr, item: &Value) -> Option<(i64, i64)> {
    let end = |expr: &Expr, open: i64| match expr {
        Expr::Literal(text) if text == ".." => Some((open, open)),
        Expr::Literal(text) => micros(text),
        Expr::Property { property } if property == "datetime" => {
            let properties = &item["properties"];
            match properties["datetime"].as_str() {
                Some(text) => micros(text),
                None => Some((
                    micros(properties["start_datetime"].as_str()?)?.0,
                    micros(properties["end_datetime"].as_str()?)?.0,
                )),
            }
        }
        other => match term(other, item) {
            Term::Instant(first, last) => Some((first, last)),
            Term::Text(text) => micros(&text).map(|(first, _)| (first, first)),
            _ => None,
        },
    };
    match expr {
        Expr::Interval { interval } => Some((
            end(&interval[0], i64::MIN)?.0,
            end(&interval[1], i64::MAX)?.1,
        )),
        other => end(other, 0),
    }
}

fn temporal(op: &str, left: &Expr, right: &Expr, item: &Value) -> Option<bool> {
    let ((a, b), (c, d)) = (span(left, item)?, span(right, item)?);
    Some(match op {
        "t_before" => b < c,
        "t_after" => a > d,
        "t_meets" => b == c,
        "t_metBy" => a == d,
        "t_overlaps" => a < c && c < b && b < d,
        "t_overlappedBy" => c < a && a < d && d < b,
        "t_starts" => a == c && b < d,
        "t_startedBy" => a == c && b > d,
        "t_during" => a > c && b < d,
        "t_contains" => a < c && b > d,
        "t_finishes" => a > c && b == d,
        "t_finishedBy" => a < c && b == d,
        "t_equals" => a == c && b == d,
        "t_disjoint" => !(a <= d && b >= c),
        "t_intersects" => a <= d && b >= c,
        other => panic!("{other}"),
    })
}

fn array(op: &str, left: &Expr, right: &Expr, item: &Value) -> Option<bool> {
    let set = |expr: &Expr| match (expr, term(expr, item)) {
        (_, Term::List(values)) => Some(
            values
                .iter()
                .map(|value| match value.as_f64() {
                    Some(number) => number.to_string(),
                    None => value.to_string(),
                })
                .collect::<BTreeSet<_>>(),
        ),
        // One value in parentheses arrives as that value.
        (Expr::Literal(text), _) => Some(BTreeSet::from([Value::from(text.as_str()).to_string()])),
        (Expr::Float(number), _) => Some(BTreeSet::from([number.to_string()])),
        _ => None,
    };
    let (left, right) = (set(left)?, set(right)?);
    Some(match op {
        "a_equals" => left == right,
        "a_contains" => left.is_superset(&right),
        "a_containedBy" => left.is_subset(&right),
        "a_overlaps" => !left.is_disjoint(&right),
        other => panic!("{other}"),
    })
}
