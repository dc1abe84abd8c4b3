//! A search as asked of the STAC API, from a body or from parameters in its form.

use cql2::Expr;
use serde_json::{Map, Value};
use swath_grid::Bbox;
use swath_stac::{
    ItemSearch, PageStart, parse_filter_json, parse_filter_text, parse_geometry, parse_interval,
};

use super::fields::Fields;
use super::{query, sort};
use crate::error::Problem;

/// Items of a page where nothing is said.
pub(super) const LIMIT_DEFAULT: u32 = 10;
/// Most items of a page; a larger limit is lowered to it.
pub(super) const LIMIT_MAX: u32 = 1_000;
/// Most ids of items or collections.
const IDS_MAX: usize = 1_000;
/// Longest id, in bytes.
const ID_BYTES_MAX: usize = 2_000;
/// Longest token, in bytes: it holds the sort keys of an item, two digits for each byte.
const TOKEN_BYTES_MAX: usize = 20_000;
/// Stands in a token for a number of items that was not counted.
const UNCOUNTED: &str = "-";
/// Last page that can be asked for by number.
const PAGE_MAX: u64 = 100_000;
/// The one CRS of filters: longitude and latitude on WGS 84.
const CRS84: &str = "http://www.opengis.net/def/crs/OGC/1.3/CRS84";

/// What a body may hold; also the parameters of `GET /search`.
pub(super) const SEARCH_KEYS: &[&str] = &[
    "collections",
    "ids",
    "bbox",
    "intersects",
    "datetime",
    "limit",
    "token",
    "page",
    "filter",
    "filter-lang",
    "filter-crs",
    "sortby",
    "fields",
    "query",
];
/// The parameters of `GET …/items`.
pub(super) const ITEMS_KEYS: &[&str] = &[
    "ids",
    "bbox",
    "intersects",
    "datetime",
    "limit",
    "token",
    "page",
    "filter",
    "filter-lang",
    "filter-crs",
    "sortby",
    "fields",
    "query",
];

/// What is searched, and how it is shown.
#[derive(Debug, Default)]
pub(super) struct Question {
    pub(super) search: ItemSearch,
    /// Items of a page, within the limits.
    pub(super) limit: u32,
    pub(super) fields: Fields,
    /// How many items there are, as the page before said; `Some(None)`: counting them is too much work.
    pub(super) matched: Option<Option<u64>>,
}

impl Question {
    /// Reads a body; members that are null count as absent, but for `fields`.
    pub(super) fn parse(body: &Map<String, Value>) -> Result<Self, Problem> {
        if let Some(key) = body.keys().find(|key| !SEARCH_KEYS.contains(&key.as_str())) {
            let known = SEARCH_KEYS.join(", ");
            return Err(Problem::invalid(format!(
                "there is no member \"{key}\" in a search; there are: {known}"
            )));
        }
        let member = |name: &str| body.get(name).filter(|value| !value.is_null());
        let limit = limit(member("limit"))?;
        let (start, matched) = start(member("token"), member("page"), limit)?;
        let search = ItemSearch {
            collections: names("collections", member("collections"))?,
            ids: names("ids", member("ids"))?,
            bbox: member("bbox").map(bbox).transpose()?,
            intersects: intersects(member("intersects"))?,
            datetime: datetime(member("datetime"))?,
            filter: whole_filter(body)?,
            sort: member("sortby")
                .map(sort::parse)
                .transpose()?
                .unwrap_or_default(),
            limit: Some(limit),
            start,
        };
        if search.bbox.is_some() && search.intersects.is_some() {
            return Err(Problem::invalid("bbox and intersects: only one of them"));
        }
        let fields = body.get("fields").map(Fields::parse).transpose()?;
        Ok(Self {
            search,
            limit,
            fields: fields.unwrap_or_default(),
            matched,
        })
    }
}

/// Returns a token that also carries how many items there are, so that they are counted once.
pub(super) fn token_with_matched(token: &str, matched: Option<u64>) -> String {
    match matched {
        Some(matched) => format!("{matched}~{token}"),
        None => format!("{UNCOUNTED}~{token}"),
    }
}

fn start(
    token: Option<&Value>,
    page: Option<&Value>,
    limit: u32,
) -> Result<(PageStart, Option<Option<u64>>), Problem> {
    if let Some(token) = token {
        let text = token.as_str().filter(|text| text.len() <= TOKEN_BYTES_MAX);
        let parts = text.and_then(|text| text.split_once('~'));
        let read = parts.and_then(|(matched, token)| {
            let matched = match matched {
                UNCOUNTED => None,
                matched => Some(matched.parse().ok()?),
            };
            Some((matched, token.to_owned()))
        });
        let (matched, token) =
            read.ok_or_else(|| Problem::invalid("token: not one that this server gave"))?;
        return Ok((PageStart::Token(token), Some(matched)));
    }
    let Some(page) = page else {
        return Ok((PageStart::First, None));
    };
    let number = page
        .as_u64()
        .filter(|number| (1..=PAGE_MAX).contains(number));
    let number = number.ok_or_else(|| {
        Problem::invalid(format!("page: 1 to {PAGE_MAX}; beyond, follow the links"))
    })?;
    Ok((PageStart::Offset((number - 1) * u64::from(limit)), None))
}

pub(super) fn limit(value: Option<&Value>) -> Result<u32, Problem> {
    let Some(value) = value else {
        return Ok(LIMIT_DEFAULT);
    };
    let number = value.as_u64().filter(|number| *number > 0);
    let number = number.ok_or_else(|| Problem::invalid("limit: a whole number from 1"))?;
    Ok(u32::try_from(number).unwrap_or(LIMIT_MAX).min(LIMIT_MAX))
}

/// Reads an array of strings; one string stands for an array of one.
fn names(what: &str, value: Option<&Value>) -> Result<Vec<String>, Problem> {
    let members = match value {
        None => return Ok(Vec::new()),
        Some(Value::Array(members)) => members.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    if members.len() > IDS_MAX {
        return Err(Problem::invalid(format!("{what}: more than {IDS_MAX}")));
    }
    let name = |member: &Value| {
        let name = member
            .as_str()
            .filter(|name| !name.is_empty() && name.len() <= ID_BYTES_MAX);
        name.map(str::to_owned)
            .ok_or_else(|| Problem::invalid(format!("{what}: not an array of names")))
    };
    members.iter().map(name).collect()
}

/// Reads four numbers, or six with heights, which are dropped. West may lie east of east.
pub(super) fn bbox(value: &Value) -> Result<Bbox, Problem> {
    let fault = |reason| Problem::invalid(format!("bbox: {reason}"));
    let members = value
        .as_array()
        .ok_or_else(|| fault("not an array of numbers"))?;
    let numbers: Option<Vec<f64>> = members.iter().map(Value::as_f64).collect();
    let numbers = numbers.filter(|numbers| numbers.iter().all(|number| number.is_finite()));
    let numbers = numbers.ok_or_else(|| fault("not an array of numbers"))?;
    let (west, south, east, north) = match numbers[..] {
        [west, south, east, north] => (west, south, east, north),
        [west, south, low, east, north, high] if low <= high => (west, south, east, north),
        [_, _, _, _, _, _] => return Err(fault("the highest height lies below the lowest")),
        _ => {
            return Err(fault(
                "has four numbers (west, south, east, north), or six with heights",
            ));
        }
    };
    if west.abs() > 180.0 || east.abs() > 180.0 || south.abs() > 90.0 || north.abs() > 90.0 {
        return Err(fault(
            "longitudes are within ±180, latitudes within ±90 degrees",
        ));
    }
    if south > north {
        return Err(fault("the south lies north of the north"));
    }
    Ok(Bbox {
        west,
        south,
        east,
        north,
    })
}

fn intersects(value: Option<&Value>) -> Result<Option<geo_types::Geometry<f64>>, Problem> {
    let geometry = value.map(parse_geometry).transpose();
    geometry.map_err(|error| Problem::invalid(format!("intersects: {error}")))
}

pub(super) fn datetime(value: Option<&Value>) -> Result<Option<swath_stac::Interval>, Problem> {
    let Some(value) = value else {
        return Ok(None);
    };
    let text = value
        .as_str()
        .ok_or_else(|| Problem::invalid("datetime: not a string"))?;
    let interval = parse_interval(text).map_err(|error| Problem::invalid(error.to_string()))?;
    Ok(Some(interval))
}

/// Returns what `filter` and `query` ask for together.
fn whole_filter(body: &Map<String, Value>) -> Result<Option<Expr>, Problem> {
    let member = |name: &str| body.get(name).filter(|value| !value.is_null());
    if member("filter-crs").is_some_and(|crs| crs.as_str() != Some(CRS84)) {
        return Err(Problem::invalid(format!("filter-crs: only {CRS84}")));
    }
    let filter = member("filter")
        .map(|value| filter(value, member("filter-lang")))
        .transpose()?;
    let query = member("query").map(query::parse).transpose()?.flatten();
    Ok(match (filter, query) {
        (Some(filter), Some(query)) => Some(Expr::Operation {
            op: "and".to_owned(),
            args: vec![Box::new(filter), Box::new(query)],
        }),
        (filter, query) => filter.or(query),
    })
}

/// Reads a filter in the language that is named; else a string is text, an object JSON.
fn filter(value: &Value, language: Option<&Value>) -> Result<Expr, Problem> {
    let language = match language {
        None if value.is_string() => "cql2-text",
        None => "cql2-json",
        Some(language) => language.as_str().unwrap_or_default(),
    };
    let parsed = match (language, value) {
        ("cql2-text", Value::String(text)) => parse_filter_text(text),
        ("cql2-text", _) => return Err(Problem::invalid("filter: CQL2 text is a string")),
        ("cql2-json", value) => parse_filter_json(value),
        _ => return Err(Problem::invalid("filter-lang: cql2-text or cql2-json")),
    };
    parsed.map_err(|error| Problem::invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn question(body: Value) -> Result<Question, Problem> {
        Question::parse(body.as_object().expect("an object"))
    }

    #[test]
    fn a_whole_search_is_read() {
        let question = question(json!({
            "collections": "s2", "ids": ["a", "b"], "bbox": [170, -10, 0, -170, 10, 100], "datetime": "../2020-01-01T00:00:00Z",
            "limit": 100_000, "filter": "gsd = 10", "filter-crs": CRS84, "query": {"gsd": {"lt": 20}}, "intersects": null,
            "sortby": [{"field": "id", "direction": "desc"}], "fields": {"include": ["id"]},
        }));
        let question = question.expect("a question");
        assert_eq!(question.search.collections, ["s2"]);
        assert_eq!(question.limit, LIMIT_MAX);
        assert_eq!(question.search.bbox.expect("a bbox").east, -170.0);
        let filter = question
            .search
            .filter
            .expect("a filter")
            .to_text()
            .expect("a text");
        assert_eq!(filter, "gsd = 10 AND gsd < 20");
    }

    #[test]
    fn tokens_carry_the_number_of_items() {
        let uncounted = json!({"token": token_with_matched("x", None)});
        assert_eq!(question(uncounted).expect("a question").matched, Some(None));
        let token = token_with_matched("x~y", Some(12));
        let question = question(json!({"token": token})).expect("a question");
        assert_eq!(question.matched, Some(Some(12)));
        assert_eq!(question.search.start, PageStart::Token("x~y".into()));
        let page = super::Question::parse(
            json!({"page": 3, "limit": 20})
                .as_object()
                .expect("an object"),
        );
        assert_eq!(
            page.expect("a question").search.start,
            PageStart::Offset(40)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for body in [
            json!({"collection_ids": ["a"]}),
            json!({"limit": 0}),
            json!({"limit": -1}),
            json!({"limit": 1.5}),
            json!({"limit": "10"}),
            json!({"bbox": "1,2,3,4"}),
            json!({"bbox": [0, 0, 0, 1, 1]}),
            json!({"bbox": [100, 1, 105, 0]}),
            json!({"bbox": [0, 0, 2, 1, 1, 1]}),
            json!({"bbox": [0, 0, 1, 91]}),
            json!({"bbox": [0, 0, 1, 1], "intersects": {"type": "Point", "coordinates": [0, 0]}}),
            json!({"intersects": {"type": "Feature"}}),
            json!({"datetime": "../.."}),
            json!({"datetime": 2020}),
            json!({"fields": null}),
            json!({"filter": {"op": "="}, "filter-lang": "cql2-text"}),
            json!({"filter": "a = 1", "filter-lang": "cql"}),
            json!({"filter": "a = 1", "filter-crs": "EPSG:4326"}),
            json!({"filter": "a = "}),
            json!({"ids": [1]}),
            json!({"ids": vec!["a"; IDS_MAX + 1]}),
            json!({"token": "x"}),
            json!({"page": 0}),
        ] {
            let problem = question(body.clone()).expect_err("no question");
            assert_eq!(problem.status, 400, "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_member_ends_in_a_result(index in 0..SEARCH_KEYS.len(), text in "[\\[\\]{}\":,a-z0-9. -]{0,60}") {
            let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text.clone()));
            let mut body = Map::new();
            body.insert(SEARCH_KEYS[index].to_owned(), value);
            let _ = Question::parse(&body);
        }
    }
}
