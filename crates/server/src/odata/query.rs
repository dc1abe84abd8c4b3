//! System query options: `$filter`, `$orderby`, `$top`, `$skip`, `$count`, `$expand`, `$select`.

use swath_stac::{PageStart, SortField};
use thiserror::Error;

use super::filter::Filter;
use super::parser;

/// Products of a page where nothing is said.
pub(crate) const TOP_DEFAULT: u32 = 20;
/// Most products of a page.
pub(crate) const TOP_MAX: u32 = 1_000;
/// Most products before a page that are counted off; `$skiptoken` goes on from there.
pub(crate) const SKIP_MAX: u64 = 10_000;
/// Most options of one request.
const OPTIONS_MAX: usize = 100;
/// Most keys of `$orderby`.
const SORT_KEYS_MAX: usize = 4;

/// An option that makes no sense.
#[derive(Debug, Error, PartialEq)]
#[error("{option}: {reason}")]
pub(crate) struct QueryError {
    option: &'static str,
    reason: String,
}

impl QueryError {
    pub(crate) fn new(option: &'static str, reason: impl Into<String>) -> Self {
        Self {
            option,
            reason: reason.into(),
        }
    }
}

/// What a request asks for, understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Query {
    /// Which products; `None`: all.
    pub(crate) filter: Option<Filter>,
    /// In which order; empty: newest first.
    pub(crate) sort: Vec<SortField>,
    /// Products of the page; 0 = none but their number.
    pub(crate) top: u32,
    /// Where the page begins.
    pub(crate) start: PageStart,
    /// True where the number of all products is asked for.
    pub(crate) is_counted: bool,
    /// What of a product is written.
    pub(crate) shape: Shape,
    /// The options as sent, but for where the page begins.
    pub(crate) sent: Vec<(String, String)>,
}

/// What of a product is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// With its attributes.
    pub(crate) has_attributes: bool,
    /// With its pictures.
    pub(crate) has_assets: bool,
    /// With the places of its files.
    pub(crate) has_locations: bool,
    /// These fields only; empty = all.
    pub(crate) selected: Vec<String>,
}

/// Understands the part of a URL behind `?`.
///
/// Names are matched as they are and with a missing `$`. Options that OData does not know are
/// ignored, options of OData that are not supported are refused.
///
/// # Errors
/// At the first option that makes no sense.
pub(crate) fn understand(text: &str) -> Result<Query, QueryError> {
    let mut query = Query {
        filter: None,
        sort: Vec::new(),
        top: TOP_DEFAULT,
        start: PageStart::First,
        is_counted: false,
        shape: Shape::default(),
        sent: Vec::new(),
    };
    for (index, (name, value)) in url::form_urlencoded::parse(text.as_bytes()).enumerate() {
        if index == OPTIONS_MAX {
            return Err(QueryError::new(
                "query",
                format!("more than {OPTIONS_MAX} options"),
            ));
        }
        if query.set(&name, value.trim())? {
            query.sent.push((name.into_owned(), value.into_owned()));
        }
    }
    Ok(query)
}

impl Query {
    /// Sets an option; false for those that say where the page begins, which links replace.
    fn set(&mut self, name: &str, value: &str) -> Result<bool, QueryError> {
        match name {
            "$filter" if value.is_empty() => {}
            "$filter" => {
                let parsed = parser::parse(value)
                    .map_err(|error| QueryError::new("$filter", error.to_string()))?;
                self.filter = Some(parsed);
            }
            "$orderby" if value.is_empty() => {}
            "$orderby" => self.sort = sort(value)?,
            "$top" => self.top = top(value)?,
            "$skip" => {
                let skip = skip(value)?;
                if !matches!(self.start, PageStart::Token(_)) {
                    self.start = PageStart::Offset(skip);
                }
                return Ok(false);
            }
            "$skiptoken" => {
                self.start = PageStart::Token(value.to_owned());
                return Ok(false);
            }
            "$count" => self.is_counted = truth("$count", value)?,
            "$expand" => self.shape.expand(value)?,
            "$select" => self.shape.select(value),
            "$format" if is_json(value) => {}
            "$format" => return Err(QueryError::new("$format", "only json is written")),
            other if other.starts_with('$') => {
                let shown: String = other.chars().take(60).collect();
                let reason = format!("the option {shown} is not supported");
                return Err(QueryError::new("query", reason));
            }
            _ => {}
        }
        Ok(true)
    }

    /// Returns the query of the next page, `$` not encoded, as clients look for it.
    pub(crate) fn next(&self, name: &str, value: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (own, own_value) in &self.sent {
            query.append_pair(own, own_value);
        }
        query.append_pair(name, value);
        query.finish().replace("%24", "$")
    }
}

fn is_json(value: &str) -> bool {
    matches!(value.split(';').next(), Some("json" | "application/json"))
}

fn truth(option: &'static str, value: &str) -> Result<bool, QueryError> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(QueryError::new(option, "true or false")),
    }
}

fn top(value: &str) -> Result<u32, QueryError> {
    value
        .parse()
        .ok()
        .filter(|top| *top <= TOP_MAX)
        .ok_or_else(|| QueryError::new("$top", format!("a whole number, at most {TOP_MAX}")))
}

fn skip(value: &str) -> Result<u64, QueryError> {
    value
        .parse()
        .ok()
        .filter(|skip| *skip <= SKIP_MAX)
        .ok_or_else(|| {
            let reason = format!(
                "a whole number, at most {SKIP_MAX}; follow @odata.nextLink beyond, or narrow the filter"
            );
            QueryError::new("$skip", reason)
        })
}

fn sort(value: &str) -> Result<Vec<SortField>, QueryError> {
    let mut keys = Vec::new();
    for part in value.split(',') {
        let mut words = part.split_whitespace();
        let field = match words.next() {
            // The catalogue has an index by it, and it is the start of every acquisition.
            Some("ContentDate/Start") => "datetime",
            Some("ContentDate/End") => "end_datetime",
            Some("PublicationDate" | "OriginDate") => "created",
            Some("ModificationDate") => "updated",
            Some("Name") => "id",
            _ => {
                let reason =
                    "ContentDate/Start, ContentDate/End, PublicationDate, ModificationDate or Name";
                return Err(QueryError::new("$orderby", reason));
            }
        };
        let is_descending = match words.next().map(str::to_ascii_lowercase).as_deref() {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => return Err(QueryError::new("$orderby", "asc or desc")),
        };
        if words.next().is_some() || keys.len() == SORT_KEYS_MAX {
            let reason = format!(
                "at most {SORT_KEYS_MAX} of \"field asc\" or \"field desc\", with commas between"
            );
            return Err(QueryError::new("$orderby", reason));
        }
        keys.push(SortField {
            field: field.to_owned(),
            is_descending,
        });
    }
    Ok(keys)
}

impl Shape {
    fn expand(&mut self, value: &str) -> Result<(), QueryError> {
        for part in value
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            match part {
                "Attributes" => self.has_attributes = true,
                "Assets" => self.has_assets = true,
                "Locations" => self.has_locations = true,
                _ => {
                    return Err(QueryError::new(
                        "$expand",
                        "Attributes, Assets or Locations",
                    ));
                }
            }
        }
        Ok(())
    }

    fn select(&mut self, value: &str) {
        let fields = value
            .split(',')
            .map(str::trim)
            .filter(|field| !field.is_empty());
        for field in fields {
            if field == "*" {
                self.selected.clear();
                return;
            }
            self.selected.push(field.to_owned());
        }
    }

    /// Returns what `@odata.context` says of expanded parts: `Attributes(),Assets()`.
    pub(crate) fn context(&self) -> String {
        let parts = [
            (self.has_attributes, "Attributes()"),
            (self.has_assets, "Assets()"),
            (self.has_locations, "Locations()"),
        ];
        let expanded: Vec<&str> = parts
            .iter()
            .filter(|(is_expanded, _)| *is_expanded)
            .map(|(_, name)| *name)
            .collect();
        expanded.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_eodag_is_understood() {
        let query = understand(
            "$filter=Collection/Name%20eq%20%27SENTINEL-2%27&$orderby=ContentDate/Start asc&$top=20&$skip=40&$expand=Attributes&$expand=Assets&$count=True",
        )
        .expect("understood");
        assert_eq!(
            (query.top, query.start.clone()),
            (20, PageStart::Offset(40))
        );
        assert!(query.is_counted && query.filter.is_some());
        assert_eq!(query.shape.context(), "Attributes(),Assets()");
        let start = SortField {
            field: "datetime".to_owned(),
            is_descending: false,
        };
        assert_eq!(query.sort, [start]);
        let next = query.next("$skip", "60");
        assert!(next.contains("$expand=Attributes&$expand=Assets") && next.ends_with("$skip=60"));
        assert_eq!(
            understand(&next).expect("our own link").start,
            PageStart::Offset(60)
        );
    }

    #[test]
    fn quoted_names_are_the_same() {
        assert_eq!(
            understand("%24top=5&%24expand=Attributes").map(|query| query.top),
            Ok(5)
        );
    }

    #[test]
    fn wrong_values_name_their_option() {
        for (query, option) in [
            ("$top=1001", "$top"),
            ("$top=-1", "$top"),
            ("$skip=10001", "$skip"),
            ("$count=5", "$count"),
            ("$expand=Everything", "$expand"),
            ("$orderby=Size", "$orderby"),
            ("$orderby=Name up", "$orderby"),
            ("$filter=Name", "$filter"),
            ("$apply=x", "query"),
            ("$format=xml", "$format"),
        ] {
            assert_eq!(understand(query).expect_err(query).option, option);
        }
        assert!(understand("token=abc&other").is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_query_ends_in_a_result(query in ".{0,200}") {
            let _ = understand(&query);
        }
    }
}
