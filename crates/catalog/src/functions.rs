//! Functions that SQLite gets from us; PostgreSQL gets its own with the schema.

use std::cell::RefCell;
use std::collections::HashSet;

use geo_types::Geometry;
use serde_json::Value;
use swath_db::{Argument, SqlValue, SqliteFunction};

use crate::filter::Fold;
use crate::geometry::Relation;
use crate::{instant, wkb};

/// The functions by name.
pub(crate) const FUNCTIONS: &[SqliteFunction] = &[
    SqliteFunction {
        name: "swath_instant",
        arguments: 1,
        call: instant_of,
    },
    SqliteFunction {
        name: "swath_power",
        arguments: 2,
        call: |given| numbers(given, f64::powf),
    },
    SqliteFunction {
        name: "swath_remainder",
        arguments: 2,
        call: |given| numbers(given, |a, b| a - b * (a / b).trunc()),
    },
    SqliteFunction {
        name: "swath_quotient",
        arguments: 2,
        call: |given| numbers(given, |a, b| (a / b).trunc()),
    },
    SqliteFunction {
        name: "swath_fold_case",
        arguments: 1,
        call: |given| fold(given, Fold::Case),
    },
    SqliteFunction {
        name: "swath_fold_accents",
        arguments: 1,
        call: |given| fold(given, Fold::Accents),
    },
    SqliteFunction {
        name: "swath_array_equals",
        arguments: 2,
        call: |given| sets(given, |a, b| a == b),
    },
    SqliteFunction {
        name: "swath_array_contains",
        arguments: 2,
        call: |given| sets(given, |a, b| a.is_superset(b)),
    },
    SqliteFunction {
        name: "swath_array_overlaps",
        arguments: 2,
        call: |given| sets(given, |a, b| !a.is_disjoint(b)),
    },
    SqliteFunction {
        name: "swath_intersects",
        arguments: 2,
        call: |given| relate(given, Relation::Intersects),
    },
    SqliteFunction {
        name: "swath_disjoint",
        arguments: 2,
        call: |given| relate(given, Relation::Disjoint),
    },
    SqliteFunction {
        name: "swath_equals",
        arguments: 2,
        call: |given| relate(given, Relation::Equals),
    },
    SqliteFunction {
        name: "swath_touches",
        arguments: 2,
        call: |given| relate(given, Relation::Touches),
    },
    SqliteFunction {
        name: "swath_within",
        arguments: 2,
        call: |given| relate(given, Relation::Within),
    },
    SqliteFunction {
        name: "swath_overlaps",
        arguments: 2,
        call: |given| relate(given, Relation::Overlaps),
    },
    SqliteFunction {
        name: "swath_crosses",
        arguments: 2,
        call: |given| relate(given, Relation::Crosses),
    },
    SqliteFunction {
        name: "swath_contains",
        arguments: 2,
        call: |given| relate(given, Relation::Contains),
    },
];

fn instant_of(given: &[Argument<'_>]) -> SqlValue {
    match given {
        [Argument::Text(text)] => SqlValue::Integer(instant::read(text).map(|(first, _)| first)),
        _ => SqlValue::Integer(None),
    }
}

fn number(argument: &Argument<'_>) -> Option<f64> {
    match argument {
        Argument::Integer(value) => Some(*value as f64),
        Argument::Real(value) => Some(*value),
        _ => None,
    }
}

/// What is no number afterwards (divided by zero, too large) is null.
fn numbers(given: &[Argument<'_>], compute: fn(f64, f64) -> f64) -> SqlValue {
    let value = match given {
        [a, b] => number(a).zip(number(b)).map(|(a, b)| compute(a, b)),
        _ => None,
    };
    SqlValue::Real(value.filter(|value| value.is_finite()))
}

fn fold(given: &[Argument<'_>], fold: Fold) -> SqlValue {
    match given {
        [Argument::Text(text)] => SqlValue::Text(Some(fold.apply(text))),
        _ => SqlValue::Text(None),
    }
}

/// Returns the elements of a JSON array as text; numbers by value, so that 1 is 1.0.
fn elements(argument: &Argument<'_>) -> Option<HashSet<String>> {
    let Argument::Text(text) = argument else {
        return None;
    };
    let Ok(Value::Array(values)) = serde_json::from_str(text) else {
        return None;
    };
    let key = |value: &Value| match value.as_f64() {
        Some(number) => number.to_string(),
        None => value.to_string(),
    };
    Some(values.iter().map(key).collect())
}

fn sets(given: &[Argument<'_>], test: fn(&HashSet<String>, &HashSet<String>) -> bool) -> SqlValue {
    let answer = match given {
        [a, b] => elements(a).zip(elements(b)).map(|(a, b)| test(&a, &b)),
        _ => None,
    };
    SqlValue::Boolean(answer)
}

/// A geometry with the bytes it was decoded from.
type Decoded = (Vec<u8>, Geometry<f64>);

thread_local! {
    /// The constant side of a search is the same for every row: it is decoded once.
    static KEPT: RefCell<[Option<Decoded>; 2]> = const { RefCell::new([None, None]) };
}

fn relate(given: &[Argument<'_>], relation: Relation) -> SqlValue {
    let [Argument::Bytes(left), Argument::Bytes(right)] = given else {
        return SqlValue::Boolean(None);
    };
    KEPT.with_borrow_mut(|kept| {
        for (slot, bytes) in kept.iter_mut().zip([left, right]) {
            if slot.as_ref().is_none_or(|(of, _)| of != bytes) {
                *slot = wkb::decode(bytes).map(|geometry| (bytes.to_vec(), geometry));
            }
        }
        match kept {
            [Some((_, left)), Some((_, right))] => {
                SqlValue::Boolean(Some(relation.holds(left, right)))
            }
            _ => SqlValue::Boolean(None),
        }
    })
}
