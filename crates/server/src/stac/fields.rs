//! Which fields of an item come back: the fields extension.
//!
//! * Neither key, or both empty: the fields that every item has.
//! * `include`: those fields, and what tells items apart (`type`, `id`, `collection`, `links`).
//! * `exclude` without `include`: everything else; with an empty `include`: every item's fields but
//!   those.
//! * The longest name that fits a field decides; of two alike, `include` wins.

use serde_json::{Map, Value};

use crate::error::Problem;

/// Most names in `include` and `exclude` together.
const NAMES_MAX: usize = 200;
/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 300;
/// Most parts of a name, between its points.
const PARTS_MAX: usize = 8;

/// The fields of every item.
const BASE: &[&str] = &[
    "type",
    "stac_version",
    "id",
    "geometry",
    "bbox",
    "links",
    "assets",
    "collection",
    "properties.datetime",
    "properties.start_datetime",
    "properties.end_datetime",
];
/// What tells items apart: there unless it is excluded.
const IDENTITY: &[&str] = &["type", "id", "collection", "links"];

/// A selection of fields.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Fields {
    /// `None`: all of them.
    rules: Option<Rules>,
}

#[derive(Debug, Clone, PartialEq)]
struct Rules {
    names: Vec<Rule>,
    /// What becomes of fields without a rule.
    keeps_others: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    parts: Vec<String>,
    /// Of two rules for one name, the higher one decides.
    weight: Weight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Default,
    Exclude,
    Include,
}

impl Fields {
    /// Reads `{"include": […], "exclude": […]}`.
    pub(super) fn parse(value: &Value) -> Result<Self, Problem> {
        let Some(object) = value.as_object() else {
            return Err(fault("not an object with \"include\" and \"exclude\""));
        };
        if let Some(key) = object
            .keys()
            .find(|key| !["include", "exclude"].contains(&key.as_str()))
        {
            return Err(fault(format!("there is no key \"{key}\"")));
        }
        let include = names(object, "include")?;
        let exclude = names(object, "exclude")?;
        if include.len() + exclude.len() > NAMES_MAX {
            return Err(fault(format!("more than {NAMES_MAX} names")));
        }
        let has_include = object.get("include").is_some();
        let keeps_others = include.is_empty() && !exclude.is_empty() && !has_include;
        let implied = match (include.is_empty(), keeps_others) {
            (false, _) => IDENTITY,
            (true, true) => &[],
            (true, false) => BASE,
        };
        let mut rules: Vec<Rule> = implied
            .iter()
            .map(|name| rule(name, Weight::Default))
            .collect();
        rules.extend(exclude.iter().map(|name| rule(name, Weight::Exclude)));
        rules.extend(include.iter().map(|name| rule(name, Weight::Include)));
        Ok(Self {
            rules: Some(Rules {
                names: rules,
                keeps_others,
            }),
        })
    }

    /// Returns the selected fields of an item.
    pub(super) fn select(&self, item: Map<String, Value>) -> Map<String, Value> {
        match &self.rules {
            None => item,
            Some(rules) => {
                let names: Vec<Within> = rules
                    .names
                    .iter()
                    .map(|rule| Within {
                        parts: &rule.parts,
                        weight: rule.weight,
                    })
                    .collect();
                select(item, &names, rules.keeps_others)
            }
        }
    }
}

/// A rule as seen from within an object: the parts of its name that are left.
#[derive(Debug, Clone, Copy)]
struct Within<'a> {
    parts: &'a [String],
    weight: Weight,
}

fn select(
    object: Map<String, Value>,
    rules: &[Within<'_>],
    keeps_others: bool,
) -> Map<String, Value> {
    let mut selected = Map::new();
    for (key, value) in object {
        let deeper: Vec<Within> = rules
            .iter()
            .filter(|rule| rule.parts.first() == Some(&key))
            .map(|rule| Within {
                parts: &rule.parts[1..],
                weight: rule.weight,
            })
            .collect();
        let own = deeper
            .iter()
            .filter(|rule| rule.parts.is_empty())
            .map(|rule| rule.weight)
            .max();
        let is_kept = own.map_or(keeps_others, |weight| weight != Weight::Exclude);
        let has_deeper = deeper.iter().any(|rule| !rule.parts.is_empty());
        match value {
            Value::Object(inner) if has_deeper => {
                let inner = select(inner, &deeper, is_kept);
                if is_kept || !inner.is_empty() {
                    selected.insert(key, Value::Object(inner));
                }
            }
            value if is_kept => {
                selected.insert(key, value);
            }
            _ => {}
        }
    }
    selected
}

fn rule(name: &str, weight: Weight) -> Rule {
    Rule {
        parts: name.split('.').map(str::to_owned).collect(),
        weight,
    }
}

fn names(object: &Map<String, Value>, key: &str) -> Result<Vec<String>, Problem> {
    let members = match object.get(key) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(members)) => members,
        Some(_) => return Err(fault(format!("\"{key}\" is no array"))),
    };
    let mut names = Vec::new();
    for member in members {
        let name = member.as_str().unwrap_or_default();
        let is_name = !name.is_empty()
            && name.len() <= NAME_BYTES_MAX
            && name.split('.').count() <= PARTS_MAX;
        if !is_name {
            return Err(fault(format!(
                "a name in \"{key}\" has 1 to {NAME_BYTES_MAX} bytes and at most {PARTS_MAX} parts"
            )));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn fault(reason: impl std::fmt::Display) -> Problem {
    Problem::invalid(format!("fields: {reason}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn item() -> Map<String, Value> {
        let item = json!({
            "type": "Feature", "stac_version": "1.1.0", "stac_extensions": [], "id": "a", "collection": "c",
            "geometry": {"type": "Point", "coordinates": [0, 0]}, "bbox": [0, 0, 0, 0],
            "properties": {"datetime": "2020-01-01T00:00:00Z", "eo:cloud_cover": 4, "gsd": 10},
            "links": [{}], "assets": {"B02": {"href": "x", "roles": []}},
        });
        item.as_object().expect("an object").clone()
    }

    fn selected(fields: Value) -> Map<String, Value> {
        Fields::parse(&fields).expect("fields").select(item())
    }

    fn keys(object: &Map<String, Value>) -> Vec<&str> {
        object.keys().map(String::as_str).collect()
    }

    #[test]
    fn nothing_said_keeps_all() {
        assert_eq!(Fields::default().select(item()), item());
    }

    #[test]
    fn empty_fields_give_those_of_every_item() {
        for fields in [
            json!({}),
            json!({"include": null, "exclude": null}),
            json!({"include": [], "exclude": []}),
        ] {
            let item = selected(fields);
            let expected = [
                "type",
                "stac_version",
                "id",
                "collection",
                "geometry",
                "bbox",
                "properties",
                "links",
                "assets",
            ];
            assert_eq!(keys(&item), expected);
            assert_eq!(
                item["properties"],
                json!({"datetime": "2020-01-01T00:00:00Z"})
            );
        }
    }

    #[test]
    fn included_fields_come_with_what_tells_items_apart() {
        assert_eq!(
            keys(&selected(json!({"include": ["bbox"]}))),
            ["type", "id", "collection", "bbox", "links"]
        );
        let nested = selected(json!({"include": ["assets.B02.href"], "exclude": ["links"]}));
        assert_eq!(keys(&nested), ["type", "id", "collection", "assets"]);
        assert_eq!(nested["assets"], json!({"B02": {"href": "x"}}));
    }

    #[test]
    fn excluded_fields_are_left_out() {
        let all_others = selected(json!({"exclude": ["geometry", "properties.gsd"]}));
        assert!(!all_others.contains_key("geometry") && all_others.contains_key("stac_extensions"));
        assert_eq!(
            all_others["properties"],
            json!({"datetime": "2020-01-01T00:00:00Z", "eo:cloud_cover": 4})
        );
        let base = selected(json!({"include": [], "exclude": ["geometry"]}));
        assert!(!base.contains_key("geometry") && !base.contains_key("stac_extensions"));
    }

    #[test]
    fn the_longest_name_decides_and_include_wins() {
        let nested =
            selected(json!({"include": ["properties.eo:cloud_cover"], "exclude": ["properties"]}));
        assert_eq!(nested["properties"], json!({"eo:cloud_cover": 4}));
        let inner = selected(json!({"include": ["properties"], "exclude": ["properties.gsd"]}));
        assert!(
            inner["properties"].get("gsd").is_none()
                && inner["properties"].get("datetime").is_some()
        );
        assert!(
            selected(json!({"include": ["geometry"], "exclude": ["geometry"]}))
                .contains_key("geometry")
        );
    }

    #[test]
    fn other_forms_are_refused() {
        for fields in [
            json!(null),
            json!([]),
            json!({"includes": []}),
            json!({"include": "id"}),
            json!({"include": [1]}),
            json!({"include": [""]}),
        ] {
            assert!(Fields::parse(&fields).is_err(), "{fields}");
        }
    }

    proptest! {
        #[test]
        fn any_names_end_in_a_result(include in proptest::collection::vec("[a-z.:]{0,20}", 0..5), exclude in proptest::collection::vec("[a-z.:]{0,20}", 0..5)) {
            if let Ok(fields) = Fields::parse(&json!({"include": include, "exclude": exclude})) {
                let _ = fields.select(item());
            }
        }
    }
}
