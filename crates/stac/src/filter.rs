//! CQL2 filters as they arrive from outside: bounded before they are parsed.
//!
//! The parser of the `cql2` crate tries brackets twice (as an expression, then as an array) and
//! builds trees as deep as a chain of operators is long: a few kilobytes can cost it hours or the
//! stack. Here the text is measured first, in one pass, and the parser gets a budget of steps.

use std::num::NonZeroUsize;
use std::sync::Once;

use cql2::Expr;
use serde_json::Value;
use thiserror::Error;

use crate::geometry::{GeometryRules, POSITIONS_MAX, counted_geometry};

/// Longest filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 64 << 10;
/// Most operators (`and`, `=`, `+`, `not` …) of a filter; long lists belong into `in`.
pub const FILTER_OPERATORS_MAX: usize = 200;
/// Deepest nesting of brackets, or of operations in JSON.
pub const FILTER_DEPTH_MAX: usize = 24;
/// Most values of a filter in JSON, those of geometries not counted.
pub const FILTER_VALUES_MAX: usize = 5_000;
/// Steps of the parser: some 50 times what a filter of the largest size needs, well under a second.
const PARSER_STEPS_MAX: NonZeroUsize = NonZeroUsize::new(4_000_000).expect("not zero");
/// Signed numbers in a row that are a position and no sum.
const SIGNS_MAX: usize = 4;

/// A filter that is no CQL2, or too large.
#[derive(Debug, Error, PartialEq)]
#[error("filter: {reason}")]
pub struct FilterError {
    reason: String,
}

/// Parses CQL2 text (OGC 21-065r2 §6).
///
/// # Errors
/// Where it is no CQL2, or beyond a limit of this module.
pub fn parse_filter_text(text: &str) -> Result<Expr, FilterError> {
    static BUDGET: Once = Once::new();
    measure(text)?;
    // For every parser made with pest in this process; this is the only one.
    BUDGET.call_once(|| pest::set_call_limit(Some(PARSER_STEPS_MAX)));
    let parsed = cql2::parse_text(text);
    parsed.map_err(|error| {
        fault(format!(
            "it is no CQL2 text: {}",
            one_line(&error.to_string())
        ))
    })
}

/// Parses CQL2 JSON (OGC 21-065r2 §7). `between` may also have its bounds in an array, as
/// drafts of the standard had it.
///
/// # Errors
/// Where it is no CQL2, or beyond a limit of this module.
pub fn parse_filter_json(value: &Value) -> Result<Expr, FilterError> {
    if !value.is_object() && !value.is_boolean() {
        return Err(fault("CQL2 JSON is an object".to_owned()));
    }
    JsonSize::default().check(value, 0)?;
    let parsed = serde_json::from_value(value.clone());
    let expression = parsed.map_err(|_| fault("it is no CQL2 JSON".to_owned()))?;
    Ok(flat_between(expression))
}

/// Refuses what would cost the parser too much: one pass over the text.
fn measure(text: &str) -> Result<(), FilterError> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(fault(format!("longer than {FILTER_BYTES_MAX} bytes")));
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut depth = 0_usize;
    let mut operators = 0_usize;
    let mut signs = 0_usize;
    while at < bytes.len() {
        let byte = bytes[at];
        match byte {
            b'\'' | b'"' => at = end_of_quoted(bytes, at),
            b'(' => (depth, signs) = (depth + 1, 0),
            b')' => (depth, signs) = (depth.saturating_sub(1), 0),
            b',' => signs = 0,
            b'+' | b'-'
                if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) && signs < SIGNS_MAX =>
            {
                signs += 1;
            }
            b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'=' | b'<' | b'>' => operators += 1,
            _ if byte.is_ascii_alphabetic() => {
                let rest = &bytes[at..];
                let length = rest
                    .iter()
                    .take_while(|byte| byte.is_ascii_alphabetic())
                    .count();
                let word = &text[at..at + length];
                operators += usize::from(is_operator_word(word));
                at += length - 1;
            }
            _ => {}
        }
        if depth > FILTER_DEPTH_MAX {
            return Err(too_deep());
        }
        if operators > FILTER_OPERATORS_MAX {
            return Err(too_many_operators());
        }
        at += 1;
    }
    Ok(())
}

/// Returns the position of the quote that ends what begins at `start`, or the end of the text.
fn end_of_quoted(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let rest = &bytes[start + 1..];
    let length = rest.iter().position(|byte| *byte == quote);
    length.map_or(bytes.len(), |length| start + 1 + length)
}

fn is_operator_word(word: &str) -> bool {
    let words = ["and", "or", "not", "div", "like", "in", "between", "is"];
    words.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// Counts what a filter in JSON is made of.
#[derive(Default)]
struct JsonSize {
    operators: usize,
    values: usize,
    positions: usize,
}

impl JsonSize {
    /// Refuses values that are too deep or too many, and geometries that are none.
    ///
    /// The reader of `cql2` copies what lies below a value at each level: what is not counted here is in
    /// memory as often as it is deep.
    fn check(&mut self, value: &Value, depth: usize) -> Result<(), FilterError> {
        if depth > 2 * FILTER_DEPTH_MAX {
            return Err(too_deep());
        }
        self.values += 1;
        if self.values > FILTER_VALUES_MAX {
            return Err(fault(format!("more than {FILTER_VALUES_MAX} values")));
        }
        match value {
            // An operation has an `op`, also where it pretends to be a geometry.
            Value::Object(object) if object.contains_key("type") && !object.contains_key("op") => {
                let counted = counted_geometry(value, &GeometryRules::SEARCH);
                let (_, positions) = counted.map_err(|error| fault(error.to_string()))?;
                self.positions += positions;
                if self.positions > POSITIONS_MAX {
                    return Err(fault(format!(
                        "geometries of more than {POSITIONS_MAX} positions"
                    )));
                }
            }
            Value::Object(object) => {
                self.operators += usize::from(object.contains_key("op"));
                if self.operators > FILTER_OPERATORS_MAX {
                    return Err(too_many_operators());
                }
                for member in object.values() {
                    self.check(member, depth + 1)?;
                }
            }
            Value::Array(members) => {
                for member in members {
                    self.check(member, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Takes the bounds of `between` out of their array.
fn flat_between(expression: Expr) -> Expr {
    match expression {
        Expr::Operation { op, args } => {
            let mut flat: Vec<Box<Expr>> = args
                .into_iter()
                .map(|argument| Box::new(flat_between(*argument)))
                .collect();
            if op == "between"
                && flat.len() == 2
                && let Expr::Array(bounds) = flat[1].as_ref()
                && bounds.len() == 2
            {
                let bounds = bounds.clone();
                flat.truncate(1);
                flat.extend(bounds);
            }
            Expr::Operation { op, args: flat }
        }
        other => other,
    }
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().take(60).collect();
    words.join(" ")
}

fn too_deep() -> FilterError {
    fault(format!(
        "more than {FILTER_DEPTH_MAX} brackets or operations within each other"
    ))
}

fn too_many_operators() -> FilterError {
    fault(format!(
        "more than {FILTER_OPERATORS_MAX} operators; use \"in\" for lists"
    ))
}

fn fault(reason: String) -> FilterError {
    FilterError { reason }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn text(expression: &Expr) -> String {
        expression.to_text().expect("a text")
    }

    #[test]
    fn text_and_json_give_the_same() {
        let from_text = parse_filter_text("eo:cloud_cover <= 10 AND platform = 'sentinel-2a'");
        let from_json = parse_filter_json(&json!({"op": "and", "args": [
            {"op": "<=", "args": [{"property": "eo:cloud_cover"}, 10]},
            {"op": "=", "args": [{"property": "platform"}, "sentinel-2a"]},
        ]}));
        assert_eq!(
            text(&from_text.expect("text")),
            text(&from_json.expect("json"))
        );
    }

    #[test]
    fn bounds_in_an_array_are_taken_out() {
        let draft = json!({"op": "not", "args": [
            {"op": "between", "args": [{"property": "gsd"}, [0, 50]]}
        ]});
        let plain = json!({"op": "not", "args": [
            {"op": "between", "args": [{"property": "gsd"}, 0, 50]}
        ]});
        assert_eq!(parse_filter_json(&draft), parse_filter_json(&plain));
    }

    #[test]
    fn usual_filters_are_within_the_limits() {
        let ring: Vec<String> = (0..1_000).map(|n| format!("-77.{n:03} -38.5")).collect();
        let ring = ring.join(", ");
        for filter in [
            "S_INTERSECTS(geometry, POLYGON((43.5 -79.5, 43.6 -79.4, 43.5 -79.4, 43.5 -79.5)))"
                .to_owned(),
            format!("s_intersects(geometry, POLYGON(({ring}, -77.000 -38.5)))"),
            "NOT (a = 1 OR (b BETWEEN -1 AND +2 AND c IS NULL)) AND d NOT IN ('x', 'y''z')"
                .to_owned(),
            "T_INTERSECTS(datetime, INTERVAL('2020-11-11T00:00:00Z', '..'))".to_owned(),
            "casei(title) LIKE casei('Ab%')".to_owned(),
        ] {
            parse_filter_text(&filter).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// Runs `work` on a stack as small as those of the server's threads.
    fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(work);
        thread.expect("a thread").join().expect("no panic");
    }

    #[test]
    fn hostile_text_costs_little() {
        let open = |depth: usize, inner: &str| {
            format!("{}{inner}{}", "(".repeat(depth), ",1)".repeat(depth))
        };
        let list = vec!["1"; 20_000].join(",");
        let hostile = [
            "(".repeat(60_000),
            open(FILTER_DEPTH_MAX, "1"),
            open(FILTER_DEPTH_MAX, &list),
            format!("a in {}", open(FILTER_DEPTH_MAX - 2, "1")),
            "not ".repeat(15_000),
            "- ".repeat(30_000),
            vec!["a"; 20_000].join("="),
            vec!["1"; 20_000].join("+"),
            vec!["1"; 20_000].join(" -"),
            vec!["1"; FILTER_OPERATORS_MAX].join("+"),
            vec!["a"; FILTER_OPERATORS_MAX].join("="),
            vec!["a = 1"; FILTER_OPERATORS_MAX / 2].join(" or "),
            "x between (".repeat(FILTER_DEPTH_MAX),
            "f(".repeat(FILTER_DEPTH_MAX),
            "POLYGON((".repeat(FILTER_DEPTH_MAX / 2),
            "GEOMETRYCOLLECTION(".repeat(FILTER_DEPTH_MAX),
            "'".repeat(60_001),
            "\u{0}\u{1f600}".repeat(1_000),
        ];
        on_a_small_stack(move || {
            for filter in hostile {
                let began = Instant::now();
                let parsed = parse_filter_text(&filter);
                let took = began.elapsed().as_secs_f64();
                let start: String = filter.chars().take(40).collect();
                assert!(took < 2.0, "{start}: {took} s, {:?}", parsed.is_ok());
                drop(parsed);
            }
        });
    }

    #[test]
    fn hostile_json_costs_little() {
        let mut arrays = json!(1);
        let mut operations = json!({"property": "a"});
        for _ in 0..60 {
            arrays = json!([arrays]);
            operations = json!({"op": "not", "args": [operations]});
        }
        let mut allowed = json!({"property": "a"});
        for _ in 0..FILTER_DEPTH_MAX - 1 {
            allowed = json!({"op": "not", "args": [allowed]});
        }
        let wide = vec![json!({"op": "isNull", "args": [{"property": "a"}]}); 2_000];
        on_a_small_stack(move || {
            assert!(parse_filter_json(&json!({"op": "=", "args": [arrays, 1]})).is_err());
            assert!(parse_filter_json(&operations).is_err());
            assert!(parse_filter_json(&json!({"op": "or", "args": wide})).is_err());
            let many = vec![json!(1); FILTER_VALUES_MAX];
            assert!(parse_filter_json(&json!({"op": "in", "args": [1, many]})).is_err());
            // A geometry that is an operation too is measured as one.
            let mut disguised = json!({"property": "a"});
            for _ in 0..50 {
                disguised = json!({"type": "Point", "coordinates": [0, 0], "op": "not", "args": [disguised]});
            }
            assert!(parse_filter_json(&disguised).is_err());
            let line: Vec<[f64; 2]> = vec![[0.0, 0.0]; POSITIONS_MAX / 2 + 1];
            let shape = json!({"type": "LineString", "coordinates": line});
            let touches = json!({"op": "s_intersects", "args": [{"property": "geometry"}, shape]});
            assert!(parse_filter_json(&touches).is_ok());
            assert!(parse_filter_json(&json!({"op": "or", "args": [touches, touches]})).is_err());
            parse_filter_json(&allowed).expect("within the limits");
        });
        for value in [
            json!(null),
            json!([]),
            json!("a = 1"),
            json!({"op": 1}),
            json!({"op": "s_intersects", "args": [{"property": "geometry"}, {"type": "Point", "coordinates": [1]}]}),
        ] {
            assert!(parse_filter_json(&value).is_err(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_result(
            any in "\\PC{0,60}",
            near in "(not |and |or |\\(|\\)|'|\"|a:b|POINT|1|-|,|=|<|between |in |like |is |null| ){0,30}",
        ) {
            let _ = parse_filter_text(&any);
            let _ = parse_filter_text(&near);
        }

        #[test]
        fn any_json_ends_in_a_result(op in "[a-z_=<>]{0,12}", text in "[\\[\\]{}\":,a-z0-9 ]{0,60}") {
            let argument: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            let _ = parse_filter_json(&json!({"op": op, "args": [argument]}));
            let _ = parse_filter_json(&argument);
        }
    }
}
