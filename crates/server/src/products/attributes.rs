//! Attributes of products in the dialects: conditions on them, and those that an item has.
//!
//! What stands behind an attribute says the table that the import of others' answers uses too.
//! [`compare`] turns a condition of a client into CQL2; [`list`] reads an item's attributes.

use chrono::{DateTime, Utc};
use cql2::Expr;
use serde_json::Value;
use swath_stac::dialect::attributes::{self, ATTRIBUTES, Source, polarisation_channels, tile_code};
use swath_stac::parse_datetime;

use super::expressions::{self, Comparison, Position};
use super::missions::{self, PRODUCT_KINDS};
use super::product::Product;

/// A value that a client compares an attribute with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    /// Text.
    Text(String),
    /// Number.
    Number(f64),
    /// Instant.
    Datetime(DateTime<Utc>),
    /// Truth.
    Boolean(bool),
    /// Nothing.
    Null,
}

impl Literal {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
        .filter(|number: &f64| number.is_finite())
    }

    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Datetime(datetime) => datetime.to_rfc3339(),
            Self::Boolean(value) => value.to_string(),
            Self::Null => String::new(),
        }
    }

    fn datetime(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Datetime(datetime) => Some(*datetime),
            Self::Text(text) => parse_datetime(text).ok(),
            _ => None,
        }
    }
}

/// A condition on one attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// Compared with a value.
    Compare(Comparison, Literal),
    /// Holds a text.
    Holds(String, Position),
}

/// Returns the CQL2 of a condition on an attribute.
///
/// No product has an attribute of an unknown name, so the condition is false there.
pub(crate) fn compare(attribute: &str, condition: &Condition) -> Expr {
    match attributes::find(attribute) {
        Some((_, source)) => compare_source(source, condition),
        None => Expr::Bool(false),
    }
}

fn compare_source(source: Source, condition: &Condition) -> Expr {
    match source {
        Source::Integer(names) | Source::Double(names) => compare_numbers(names, condition),
        Source::Text(names) => compare_texts(names, condition, str::to_owned),
        Source::Upper(names) => {
            // STAC has `descending` but `IW`: both cases are asked for.
            let lower = compare_texts(names, condition, str::to_ascii_lowercase);
            let upper = compare_texts(names, condition, str::to_ascii_uppercase);
            both_cases(condition, lower, upper)
        }
        Source::Datetime(name) => compare_datetimes(name, condition),
        Source::Mission => choose(condition, |asked| {
            missions::find_mission(asked).map(mission_filter)
        }),
        Source::ProductType | Source::ProcessingLevel => {
            choose(condition, |asked| Some(product_type_filter(asked)))
        }
        Source::Instrument => choose(condition, |asked| Some(instrument_filter(asked))),
        Source::Serial => choose(condition, |asked| Some(platform_filter(asked))),
        Source::Polarisations => choose(condition, |asked| Some(polarisation_filter(asked))),
        Source::Tile => compare_texts(&["grid:code"], condition, tile_code),
        Source::Name => name_filter(condition),
    }
}

/// Asks equal text in either case; not equal in neither.
fn both_cases(condition: &Condition, lower: Expr, upper: Expr) -> Expr {
    if matches!(condition, Condition::Compare(Comparison::NotEqual, _)) {
        expressions::all(vec![lower, upper])
    } else {
        expressions::any(vec![lower, upper])
    }
}

fn compare_numbers(names: &[&str], condition: &Condition) -> Expr {
    let Condition::Compare(comparison, literal) = condition else {
        return Expr::Bool(false);
    };
    let Some(number) = literal.number() else {
        return Expr::Bool(false);
    };
    let each = names
        .iter()
        .map(|name| expressions::compare(name, *comparison, Expr::Float(number)));
    expressions::any(each.collect())
}

fn compare_texts(names: &[&str], condition: &Condition, spell: fn(&str) -> String) -> Expr {
    let each = names.iter().map(|name| match condition {
        Condition::Compare(comparison, literal) => {
            expressions::compare(name, *comparison, Expr::Literal(spell(&literal.text())))
        }
        Condition::Holds(part, position) => {
            // A prefix of the stored spelling must not be put before a part from its middle.
            let part = if *position == Position::Start {
                spell(part)
            } else {
                part.clone()
            };
            expressions::holds(name, &part, *position)
        }
    });
    expressions::any(each.collect())
}

fn compare_datetimes(name: &str, condition: &Condition) -> Expr {
    match condition {
        Condition::Compare(comparison, literal) => match literal.datetime() {
            Some(datetime) => {
                expressions::compare(name, *comparison, expressions::instant(datetime))
            }
            None => Expr::Bool(false),
        },
        Condition::Holds(..) => Expr::Bool(false),
    }
}

/// Filters by a text that is translated as a whole: only equal and not equal make sense.
fn choose(condition: &Condition, translate: impl Fn(&str) -> Option<Expr>) -> Expr {
    match condition {
        Condition::Compare(Comparison::Equal, literal) => {
            translate(&literal.text()).unwrap_or(Expr::Bool(false))
        }
        Condition::Compare(Comparison::NotEqual, literal) => {
            translate(&literal.text()).map_or(Expr::Bool(true), expressions::not)
        }
        // `contains(productType,'GRD')`: the kinds whose name holds it.
        Condition::Holds(part, position) => {
            let is_meant = |name: &str| match position {
                Position::Within => name.contains(part.as_str()),
                Position::Start => name.starts_with(part.as_str()),
                Position::End => name.ends_with(part.as_str()),
            };
            let collections = PRODUCT_KINDS
                .iter()
                .filter(|kind| is_meant(kind.product_type))
                .map(|kind| kind.collection);
            expressions::in_collections(collections)
        }
        Condition::Compare(..) => Expr::Bool(false),
    }
}

/// Returns what holds for the items of a mission.
pub(crate) fn mission_filter(mission: &missions::Mission) -> Expr {
    let collections = PRODUCT_KINDS
        .iter()
        .map(|kind| kind.collection)
        .filter(|collection| mission.covers(collection));
    let known = expressions::in_collections(collections);
    let by_collection = match known {
        Expr::Bool(false) => missions::collection_pattern(mission),
        known => known,
    };
    match mission.platform {
        Some(platform) => expressions::all(vec![
            by_collection,
            expressions::equals("platform", platform),
        ]),
        None => by_collection,
    }
}

/// Returns what holds for the items of a product type or processing level.
pub(crate) fn product_type_filter(name: &str) -> Expr {
    let kinds = missions::kinds_named(name);
    if kinds.is_empty() {
        return expressions::equals("product:type", name.trim());
    }
    let collections = expressions::in_collections(kinds.iter().map(|kind| kind.collection));
    let upper = name.trim().to_ascii_uppercase();
    match missions::acquisition_mode(&upper) {
        Some((mode, _)) => expressions::all(vec![
            collections,
            expressions::equals("sar:instrument_mode", mode),
        ]),
        None => collections,
    }
}

fn instrument_filter(name: &str) -> Expr {
    let name = name.trim();
    let kinds = PRODUCT_KINDS
        .iter()
        .filter(|kind| kind.instrument.eq_ignore_ascii_case(name))
        .map(|kind| kind.collection);
    let mut choices: Vec<Expr> = kinds
        .map(|collection| expressions::equals("collection", collection))
        .collect();
    let listed = Expr::Array(vec![Box::new(Expr::Literal(name.to_ascii_lowercase()))]);
    choices.push(expressions::operation(
        "a_contains",
        [expressions::property("instruments"), listed],
    ));
    expressions::any(choices)
}

/// Returns what holds for a platform: `A`, `S2A`, `Sentinel-2A`, `landsat-8`.
pub(crate) fn platform_filter(name: &str) -> Expr {
    let lower = name.trim().to_ascii_lowercase();
    let mut characters = lower.chars();
    let stac = match (
        characters.next(),
        characters.next(),
        characters.next(),
        characters.next(),
    ) {
        (Some('a'..='d'), None, ..) => {
            return expressions::like("platform", &format!("sentinel-_{lower}"));
        }
        (Some('s'), Some(number @ '1'..='6'), None, _) => {
            return expressions::holds("platform", &format!("sentinel-{number}"), Position::Start);
        }
        _ => missions::platform_name(name, None),
    };
    expressions::equals("platform", stac)
}

/// Returns what holds where all of the polarisations were recorded: `VV`, `VV&VH`, `VV VH`, `VV,VH`.
pub(crate) fn polarisation_filter(name: &str) -> Expr {
    let channels: Vec<Box<Expr>> = polarisation_channels(name)
        .into_iter()
        .map(|channel| Box::new(Expr::Literal(channel)))
        .collect();
    if channels.is_empty() {
        return Expr::Bool(false);
    }
    expressions::operation(
        "a_contains",
        [
            expressions::property("sar:polarizations"),
            Expr::Array(channels),
        ],
    )
}

/// Returns the CQL2 of a condition on a product's name.
pub(crate) fn name_filter(condition: &Condition) -> Expr {
    match condition {
        Condition::Compare(comparison, literal) => {
            let asked = literal.text();
            let names = super::product::searched_names(&asked);
            match comparison {
                Comparison::Equal => expressions::any(names),
                Comparison::NotEqual => expressions::not(expressions::any(names)),
                other => expressions::compare("id", *other, Expr::Literal(asked)),
            }
        }
        Condition::Holds(part, position) => super::product::name_holds(part, *position),
    }
}

/// One attribute of a product.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attribute {
    /// As OData names it.
    pub(crate) name: &'static str,
    /// `String`, `Integer`, `Double` or `DateTimeOffset`.
    pub(crate) value_type: &'static str,
    /// Its value.
    pub(crate) value: Value,
}

/// Returns the attributes that a product has, in the order of the table.
pub(crate) fn list(product: &Product) -> Vec<Attribute> {
    ATTRIBUTES
        .iter()
        .filter_map(|(name, source)| {
            let value = read_source(*source, product)?;
            let value_type = match source {
                Source::Integer(_) => "Integer",
                Source::Double(_) => "Double",
                Source::Datetime(_) => "DateTimeOffset",
                _ => "String",
            };
            Some(Attribute {
                name,
                value_type,
                value,
            })
        })
        .collect()
}

fn read_source(source: Source, product: &Product) -> Option<Value> {
    match source {
        Source::Integer(names) => names
            .iter()
            .find_map(|name| product.property(name)?.as_i64())
            .map(Value::from),
        Source::Double(names) => names
            .iter()
            .find_map(|name| product.property(name)?.as_f64())
            .map(Value::from),
        Source::Text(names) => names.iter().find_map(|name| text_value(product, name)),
        Source::Upper(names) => names
            .iter()
            .find_map(|name| product.text(name))
            .map(|text| text.to_ascii_uppercase().into()),
        Source::Datetime("start_datetime") => product.start().map(offset_text),
        Source::Datetime("end_datetime") => product.end().map(offset_text),
        Source::Datetime(name) => product
            .text(name)
            .and_then(|text| parse_datetime(text).ok())
            .map(offset_text),
        Source::Mission => product.mission().map(|mission| mission.odata.into()),
        Source::ProductType => product.product_type().map(Value::from),
        Source::ProcessingLevel => product.processing_level().map(Value::from),
        Source::Instrument => product.instrument().map(Value::from),
        Source::Serial => product.serial().map(Value::from),
        Source::Polarisations => product.polarisations("&").map(Value::from),
        Source::Tile => product
            .text("grid:code")
            .and_then(|code| code.strip_prefix("MGRS-"))
            .map(Value::from),
        // It stands beside the attributes.
        Source::Name => None,
    }
}

fn text_value(product: &Product, name: &str) -> Option<Value> {
    match product.property(name)? {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

fn offset_text(datetime: DateTime<Utc>) -> Value {
    datetime
        .to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn equal(name: &str, literal: Literal) -> Value {
        let condition = Condition::Compare(Comparison::Equal, literal);
        serde_json::to_value(compare(name, &condition)).expect("CQL2 JSON")
    }

    #[test]
    fn attributes_become_properties() {
        assert_eq!(
            equal("cloudCover", Literal::Text("20".into())),
            json!({"op": "=", "args": [{"property": "eo:cloud_cover"}, 20.0]})
        );
        assert_eq!(
            equal("platformSerialIdentifier", Literal::Text("S2A".into())),
            json!({"op": "=", "args": [{"property": "platform"}, "sentinel-2a"]})
        );
        assert_eq!(
            equal("platformSerialIdentifier", Literal::Text("A".into())),
            json!({"op": "like", "args": [{"property": "platform"}, "sentinel-_a"]})
        );
        assert_eq!(
            equal("tileId", Literal::Text("T31UFS".into())),
            json!({"op": "=", "args": [{"property": "grid:code"}, "MGRS-31UFS"]})
        );
        assert_eq!(
            equal("productType", Literal::Text("S2MSI2A".into())),
            json!({"op": "=", "args": [{"property": "collection"}, "sentinel-2-l2a"]})
        );
        assert_eq!(equal("noSuchThing", Literal::Number(1.0)), json!(false));
        assert_eq!(
            equal("cloudCover", Literal::Text("much".into())),
            json!(false)
        );
    }

    #[test]
    fn either_case_is_found() {
        let found = equal("orbitDirection", Literal::Text("DESCENDING".into())).to_string();
        assert!(found.contains("\"descending\"") && found.contains("\"or\""));
    }
}
