//! The parameters of a GET, brought into the form that a POST body has.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::error::Problem;

/// Longest query, in bytes: parcels as GeoJSON fit; larger ones are posted.
const QUERY_BYTES_MAX: usize = 256 << 10;
/// Most parameters.
const PARAMETERS_MAX: usize = 100;

/// Parses the query of a search into the object that a POST would have as body.
///
/// `known` are the parameters that this path has; lists are comma-separated.
pub(super) fn body_of_query(
    query: Option<&str>,
    known: &[&str],
) -> Result<Map<String, Value>, Problem> {
    let pairs = pairs(query, known)?;
    let text = |name: &str| pairs.get(name).map(String::as_str);
    let mut body = Map::new();
    for name in ["datetime", "filter-lang", "filter-crs", "token", "q"] {
        if let Some(value) = text(name) {
            body.insert(name.to_owned(), value.into());
        }
    }
    for name in ["ids", "collections", "aggregations"] {
        if let Some(value) = text(name) {
            let values: Vec<&str> = list(value).collect();
            body.insert(name.to_owned(), values.into());
        }
    }
    for name in ["limit", "page"] {
        if let Some(value) = text(name) {
            let number: i64 = value
                .trim()
                .parse()
                .map_err(|_| Problem::invalid(format!("{name}: not a whole number")))?;
            body.insert(name.to_owned(), number.into());
        }
    }
    if let Some(value) = text("bbox") {
        let numbers: Result<Vec<f64>, _> = value
            .split(',')
            .map(|number| number.trim().parse())
            .collect();
        let numbers =
            numbers.map_err(|_| Problem::invalid("bbox: not numbers with commas between them"))?;
        body.insert("bbox".to_owned(), json!(numbers));
    }
    for name in ["intersects", "query"] {
        if let Some(value) = text(name) {
            body.insert(name.to_owned(), parse_json(name, value)?);
        }
    }
    if let Some(value) = text("filter") {
        let is_json = text("filter-lang") == Some("cql2-json");
        let filter = if is_json {
            parse_json("filter", value)?
        } else {
            value.into()
        };
        body.insert("filter".to_owned(), filter);
    }
    if let Some(value) = text("sortby") {
        let keys: Vec<Value> = list(value).map(sort_key).collect();
        body.insert("sortby".to_owned(), keys.into());
    }
    if let Some(value) = text("fields") {
        body.insert("fields".to_owned(), fields(value));
    }
    Ok(body)
}

/// Returns the query without some parameters and with `more` at its end, encoded.
pub(super) fn query_with(query: Option<&str>, without: &[&str], more: &[(&str, &str)]) -> String {
    let kept = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .filter(|(name, _)| !without.contains(&name.as_ref()));
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(kept);
    encoded.extend_pairs(more);
    encoded.finish()
}

fn pairs(query: Option<&str>, known: &[&str]) -> Result<BTreeMap<String, String>, Problem> {
    let query = query.unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        return Err(Problem::invalid(format!(
            "the query is longer than {QUERY_BYTES_MAX} bytes; post it"
        )));
    }
    let mut pairs: BTreeMap<String, String> = BTreeMap::new();
    for (index, (name, value)) in form_urlencoded::parse(query.as_bytes()).enumerate() {
        if index >= PARAMETERS_MAX {
            return Err(Problem::invalid(format!(
                "more than {PARAMETERS_MAX} parameters"
            )));
        }
        if !known.contains(&name.as_ref()) {
            let known = known.join(", ");
            return Err(Problem::invalid(format!(
                "there is no parameter \"{name}\" here; there are: {known}"
            )));
        }
        match pairs.get_mut(name.as_ref()) {
            // Some clients repeat the name for each member of a list.
            Some(before) if is_list(&name) => {
                before.push(',');
                before.push_str(&value);
            }
            Some(_) => return Err(Problem::invalid(format!("{name}: given twice"))),
            None => {
                pairs.insert(name.into_owned(), value.into_owned());
            }
        }
    }
    Ok(pairs)
}

fn is_list(name: &str) -> bool {
    [
        "ids",
        "collections",
        "aggregations",
        "sortby",
        "fields",
        "q",
    ]
    .contains(&name)
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|member| !member.is_empty())
}

fn parse_json(name: &str, text: &str) -> Result<Value, Problem> {
    serde_json::from_str(text)
        .map_err(|error| Problem::invalid(format!("{name}: no JSON: {error}")))
}

/// `-field`, `+field` or `field`. A plus sign that was not encoded arrives as a space: trimmed.
fn sort_key(text: &str) -> Value {
    let (field, direction) = match text.strip_prefix('-') {
        Some(field) => (field, "desc"),
        None => (text.strip_prefix('+').unwrap_or(text), "asc"),
    };
    json!({"field": field.trim(), "direction": direction})
}

/// `a,+b,-c`: what is included and excluded. Nothing at all asks for the fields of every item.
fn fields(text: &str) -> Value {
    let mut fields = Map::new();
    for member in list(text) {
        let (key, field) = match member.strip_prefix('-') {
            Some(field) => ("exclude", field),
            None => ("include", member.strip_prefix('+').unwrap_or(member)),
        };
        let of_key = fields.entry(key).or_insert_with(|| json!([]));
        if let Value::Array(of_key) = of_key {
            of_key.push(field.trim().into());
        }
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: &[&str] = &[
        "ids",
        "collections",
        "bbox",
        "datetime",
        "intersects",
        "limit",
        "token",
        "filter",
        "filter-lang",
        "sortby",
        "fields",
        "query",
    ];

    fn body(query: &str) -> Result<Value, Problem> {
        body_of_query(Some(query), KNOWN).map(Value::Object)
    }

    #[test]
    fn parameters_become_a_body() {
        let query = "collections=a,b&ids=&limit=5&bbox=1,2.5,3,4&sortby=+properties.datetime,-id&fields=id,-geometry";
        let expected = json!({
            "ids": [], "collections": ["a", "b"], "limit": 5, "bbox": [1.0, 2.5, 3.0, 4.0],
            "sortby": [{"field": "properties.datetime", "direction": "asc"}, {"field": "id", "direction": "desc"}],
            "fields": {"include": ["id"], "exclude": ["geometry"]},
        });
        assert_eq!(body(query), Ok(expected));
        assert_eq!(body("fields="), Ok(json!({"fields": {}})));
        assert_eq!(
            body("fields=%2Bid&collections=a&collections=b"),
            Ok(json!({"collections": ["a", "b"], "fields": {"include": ["id"]}}))
        );
        let json_filter = "filter-lang=cql2-json&filter=%7B%22op%22%3A%22not%22%7D";
        assert_eq!(
            body(json_filter),
            Ok(json!({"filter-lang": "cql2-json", "filter": {"op": "not"}}))
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for query in [
            "bbbox=1",
            "limit=x",
            "limit=1&limit=2",
            "bbox=[1,2,3,4]",
            "bbox=",
            "query={",
            "intersects=POINT(1 2)",
        ] {
            assert_eq!(body(query).expect_err(query).status, 400, "{query}");
        }
        assert!(body(&"ids=a&".repeat(200)).is_err());
    }

    #[test]
    fn the_next_page_keeps_the_question() {
        let query = query_with(
            Some("limit=2&filter=a%20%3D%201&token=x"),
            &["token"],
            &[("token", "7~y")],
        );
        assert_eq!(query, "limit=2&filter=a+%3D+1&token=7%7Ey");
    }

    proptest! {
        #[test]
        fn any_query_ends_in_a_result(any in "\\PC{0,80}", name in "(bbox|limit|query|fields|sortby|filter)", value in "\\PC{0,40}") {
            let _ = body(&any);
            let _ = body(&format!("{name}={value}"));
        }
    }
}
