//! What is asked of the series of a set: parameters of a URL, or a body with the same names.

use std::collections::BTreeMap;
use std::ops::Range;

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};
use swath_extract::table::TableKind;
use swath_series::{Index, Of, Period, SeasonQuestion, SeriesFormat, Tracks};

use super::failure::of_series;
use crate::error::Problem;
use crate::query::{known, pairs};

/// Most names of a list.
const NAMES_MAX: usize = 100;

/// Names that a question about series may have.
const KNOWN: &[&str] = &[
    "collection",
    "profile",
    "table",
    "band",
    "bands",
    "datetime",
    "columns",
    "expr",
    "of",
    "period",
    "orbits",
    "clear",
    "format",
    "f",
];

/// A question about series.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    /// A collection; `None`: all.
    pub(super) collection: Option<String>,
    /// A profile, or how it begins.
    pub(super) profile: Option<String>,
    /// Statistics or class counts.
    pub(super) kind: TableKind,
    /// Bands; empty: all.
    pub(super) bands: Vec<String>,
    /// Microseconds since 1970, half-open.
    pub(super) interval: Option<Range<i64>>,
    /// Columns; empty: all.
    pub(super) columns: Vec<String>,
    /// What is computed.
    pub(super) season: SeasonQuestion,
    /// How it is answered, where that is said.
    pub(super) format: Option<SeriesFormat>,
}

impl Question {
    /// Reads the query of a URL.
    ///
    /// # Errors
    /// What is not known or cannot be read.
    pub(super) fn of_query(query: Option<&str>, more: &[&str]) -> Result<Self, Problem> {
        Self::new(&pairs(query, &[KNOWN, more].concat())?)
    }

    /// Reads a body; lists may be lists.
    ///
    /// # Errors
    /// What is not known or cannot be read.
    pub(super) fn of_body(body: &Map<String, Value>, more: &[&str]) -> Result<Self, Problem> {
        let mut pairs = BTreeMap::new();
        for (name, value) in body {
            if more.contains(&name.as_str()) {
                continue;
            }
            known(name, KNOWN)?;
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Array(values) if values.iter().all(Value::is_string) => {
                    let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
                    texts.join(",")
                }
                _ => {
                    return Err(Problem::invalid(format!(
                        "{name}: a text, a number or texts"
                    )));
                }
            };
            pairs.insert(name.clone(), text);
        }
        Self::new(&pairs)
    }

    fn new(pairs: &BTreeMap<String, String>) -> Result<Self, Problem> {
        let text = |name: &str| {
            pairs
                .get(name)
                .map(String::as_str)
                .filter(|text| !text.is_empty())
        };
        let kind = match text("table") {
            None | Some("extracts") => TableKind::Extracts,
            Some("classes") => TableKind::Classes,
            Some(_) => return Err(Problem::invalid("table: extracts or classes")),
        };
        let index = text("expr")
            .map(|text| Index::parse(text).map_err(|error| Problem::invalid(error.to_string())))
            .transpose()?;
        let period = text("period")
            .map(|text| {
                text.parse::<Period>()
                    .map_err(|error| Problem::invalid(error.to_string()))
            })
            .transpose()?;
        let season = SeasonQuestion {
            index,
            of: match text("of") {
                None | Some("dates") => Of::Dates,
                Some("periods") => Of::Periods,
                Some(_) => return Err(Problem::invalid("of: dates or periods")),
            },
            period,
            tracks: match text("orbits") {
                None | Some("together") => Tracks::Together,
                Some("apart") => Tracks::Apart,
                Some(_) => return Err(Problem::invalid("orbits: together or apart")),
            },
            clear_min: share(text("clear"))?,
        };
        let columns = names("columns", text("columns"))?;
        if kind == TableKind::Classes && (season.is_derived() || season.clear_min > 0.0) {
            return Err(Problem::invalid(
                "table=classes has counts: expr, period and clear are for table=extracts",
            ));
        }
        if season.is_derived() && !columns.is_empty() {
            return Err(Problem::invalid(
                "columns are those of the table: computed rows (expr, period) have their own",
            ));
        }
        let mut bands = names("bands", text("band").or_else(|| text("bands")))?;
        if let Some(index) = &season.index {
            if !bands.is_empty() {
                return Err(Problem::invalid(
                    "expr names the bands it needs: leave out band",
                ));
            }
            bands = index.expression.bands().to_vec();
        }
        Ok(Self {
            collection: text("collection").map(str::to_owned),
            profile: text("profile").map(str::to_owned),
            kind,
            bands,
            interval: text("datetime").map(datetime_us).transpose()?,
            columns,
            season,
            format: text("format")
                .or_else(|| text("f"))
                .map(SeriesFormat::parse)
                .transpose()
                .map_err(|error| of_series(&error))?,
        })
    }

    /// Returns how it is answered: as it says, as the header asks, else `default`.
    pub(super) fn format(&self, headers: &HeaderMap, default: SeriesFormat) -> SeriesFormat {
        let accept = headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok());
        self.format
            .or_else(|| SeriesFormat::accepted(accept?))
            .unwrap_or(default)
    }
}

fn names(parameter: &str, text: Option<&str>) -> Result<Vec<String>, Problem> {
    let names = text.unwrap_or_default().split(',').map(str::trim);
    let names: Vec<String> = names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    match names.len() > NAMES_MAX {
        true => Err(Problem::invalid(format!(
            "{parameter}: up to {NAMES_MAX} names"
        ))),
        false => Ok(names),
    }
}

fn share(text: Option<&str>) -> Result<f32, Problem> {
    let Some(text) = text else {
        return Ok(0.0);
    };
    let value = text
        .parse()
        .ok()
        .filter(|value| (0.0..=1.0).contains(value));
    value.ok_or_else(|| Problem::invalid("clear: a share from 0 to 1"))
}

/// Reads an interval of RFC 3339 instants or dates, `A/B`, open ends as `..`; half-open, in
/// microseconds since 1970. The last instant is part of it.
fn datetime_us(text: &str) -> Result<Range<i64>, Problem> {
    let interval = swath_stac::parse_interval_or_days(text);
    let interval = interval.map_err(|error| Problem::invalid(format!("datetime: {error}")))?;
    let start = interval
        .start
        .map_or(i64::MIN, |instant| instant.timestamp_micros());
    let end = interval.end.map_or(i64::MAX, |instant| {
        instant.timestamp_micros().saturating_add(1)
    });
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Question, Problem> {
        Question::of_query(Some(query), &[])
    }

    #[test]
    fn everything_that_can_be_asked_is_read() {
        let question = asked(
            "collection=s2&profile=ab&band=B04,B08&datetime=2020-01-01/2020-01-31&columns=datetime,mean&clear=0.5&format=csv",
        )
        .expect("a question");
        assert_eq!(question.bands, ["B04", "B08"]);
        let interval = question.interval.expect("an interval");
        assert_eq!(interval.start, 1_577_836_800_000_000);
        assert!(interval.contains(&1_580_515_199_000_000));
        assert_eq!(
            (question.season.clear_min, question.format),
            (0.5, Some(SeriesFormat::Csv))
        );
        let index = asked("expr=ndvi&period=dekad&of=periods&orbits=apart").expect("a question");
        assert_eq!(index.bands, ["B08", "B04"]);
        assert_eq!(
            (index.season.of, index.season.tracks),
            (Of::Periods, Tracks::Apart)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for query in [
            "bnd=B04",
            "band=B04&band=B08",
            "expr=NDVI&band=B04",
            "expr=B04%2B",
            "period=week",
            "table=hists",
            "table=classes&expr=NDVI",
            "period=month&columns=mean",
            "clear=2",
            "clear=x",
            "format=xlsx",
            "datetime=yesterday",
            "of=means",
        ] {
            assert_eq!(asked(query).expect_err(query).status, 400, "{query}");
        }
        assert!(asked(&"a=1&".repeat(60)).is_err());
    }

    #[test]
    fn a_body_has_the_same_names() {
        let body = serde_json::json!({"ids": ["1"], "bands": ["B04", "B08"], "clear": 0.5});
        let body = body.as_object().expect("an object");
        let question = Question::of_body(body, &["ids"]).expect("a question");
        assert_eq!((question.bands.len(), question.season.clear_min), (2, 0.5));
        assert!(Question::of_body(body, &[]).is_err());
    }

    #[test]
    fn the_header_is_asked_where_the_query_says_nothing() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, "text/csv".parse().expect("a header"));
        let format = |query: &str| {
            asked(query)
                .expect("a question")
                .format(&headers, SeriesFormat::Json)
        };
        assert_eq!(format(""), SeriesFormat::Csv);
        assert_eq!(format("format=arrow"), SeriesFormat::Arrow);
    }
}
