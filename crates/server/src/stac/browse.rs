//! Browsing: every item is reached from the landing page by links alone (STAC API browseable).
//!
//! A collection has one child, its calendar: years, months and days that hold items, and of a day its
//! items, some on a page. No page grows with the collection.

use axum::extract::Path;
use axum::http::Uri;
use axum::response::Response;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde_json::{Value, json};
use swath_catalog::{CalendarPart, DayItems, DayPosition};

use super::documents::{GEOJSON, JSON, answer_json, collection_path, item_path, link};
use super::parameters::{body_of_query, query_with};
use crate::error::Problem;
use crate::links::BaseUrl;
use crate::state::{AppState, Bounded};
use crate::viewer::Caller;

/// The parameters of a day.
const DAY_KEYS: &[&str] = &["token"];

/// Answers `GET /collections/{collection}/browse`: years.
pub(super) async fn all(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path(collection): Path<String>,
) -> Result<Response, Problem> {
    let page = CalendarPage::new(&base, &collection, CalendarPart::Always);
    page.answer_parts(&state, &caller).await
}

/// Answers `GET /collections/{collection}/browse/{year}`: months.
pub(super) async fn year(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path((collection, year)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let part = CalendarPart::Year(number(&year, 4)?);
    let page = CalendarPage::new(&base, &collection, part);
    page.answer_parts(&state, &caller).await
}

/// Answers `GET /collections/{collection}/browse/{year}/{month}`: days.
pub(super) async fn month(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path((collection, year, month)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let first = date(&year, &month, "01")?;
    let part = CalendarPart::Month {
        year: first.year(),
        month: first.month(),
    };
    let page = CalendarPage::new(&base, &collection, part);
    page.answer_parts(&state, &caller).await
}

/// Answers `GET /collections/{collection}/browse/{year}/{month}/{day}`: items.
pub(super) async fn day(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    Path((collection, year, month, day)): Path<(String, String, String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    let day = date(&year, &month, &day)?;
    let body = body_of_query(uri.query(), DAY_KEYS)?;
    let after = body.get("token").map(position).transpose()?;
    let found = state
        .catalog
        .items_of_day(&caller.viewer, &collection, day, after.as_ref())
        .await?;
    let page = CalendarPage::new(&base, &collection, CalendarPart::Day(day));
    Ok(page.answer_items(&uri, found))
}

/// One page of the calendar of a collection.
struct CalendarPage<'a> {
    base: &'a BaseUrl,
    collection: &'a str,
    part: CalendarPart,
}

impl<'a> CalendarPage<'a> {
    fn new(base: &'a BaseUrl, collection: &'a str, part: CalendarPart) -> Self {
        Self {
            base,
            collection,
            part,
        }
    }

    fn href(&self, part: CalendarPart) -> String {
        let path = collection_path(self.collection);
        let below = match part {
            CalendarPart::Always => String::new(),
            part => format!("/{}", name(part).replace('-', "/")),
        };
        self.base.href(&format!("{path}/browse{below}"))
    }

    async fn answer_parts(self, state: &AppState, caller: &Caller) -> Result<Response, Problem> {
        let parts = state
            .catalog
            .calendar_parts(&caller.viewer, self.collection, self.part)
            .await?;
        let children = parts.into_iter().map(|part| {
            json!({"rel": "child", "href": self.href(part), "type": JSON, "title": name(part)})
        });
        let children = children.collect();
        Ok(self.answer(self.href(self.part), children))
    }

    fn answer_items(self, uri: &Uri, found: DayItems) -> Response {
        let mut links: Vec<Value> = found
            .ids
            .iter()
            .map(|id| {
                let href = self.base.href(&item_path(self.collection, id));
                json!({"rel": "item", "href": href, "type": GEOJSON, "title": id})
            })
            .collect();
        let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
        if let Some(next) = found.next {
            let query = query_with(uri.query(), DAY_KEYS, &[("token", &token(&next))]);
            let href = self.base.href(&format!("{}?{query}", uri.path()));
            links.push(link("child", href, JSON));
        }
        self.answer(self.base.href(path_and_query), links)
    }

    fn answer(&self, own: String, below: Vec<Value>) -> Response {
        let parent = match parent(self.part) {
            Some(part) => self.href(part),
            None => self.base.href(&collection_path(self.collection)),
        };
        let mut links = vec![
            link("self", own, JSON),
            link("root", self.base.href("/stac"), JSON),
            link("parent", parent, JSON),
        ];
        links.extend(below);
        let when = match self.part {
            CalendarPart::Always => "by date".to_owned(),
            part => format!("of {}", name(part)),
        };
        let document = json!({
            "type": "Catalog",
            "stac_version": "1.1.0",
            "id": format!("{}-browse-{}", self.collection, name(self.part)),
            "title": format!("{} {when}", self.collection),
            "description": format!("Items of the collection {} {when} (UTC).", self.collection),
            "links": links,
        });
        answer_json(JSON, document)
    }
}

/// Returns what a part of the calendar is called: `2020`, `2020-07`, `2020-07-01`.
fn name(part: CalendarPart) -> String {
    match part {
        CalendarPart::Always => "all".to_owned(),
        CalendarPart::Year(year) => format!("{year:04}"),
        CalendarPart::Month { year, month } => format!("{year:04}-{month:02}"),
        CalendarPart::Day(date) => date.format("%Y-%m-%d").to_string(),
    }
}

fn parent(part: CalendarPart) -> Option<CalendarPart> {
    match part {
        CalendarPart::Always => None,
        CalendarPart::Year(_) => Some(CalendarPart::Always),
        CalendarPart::Month { year, .. } => Some(CalendarPart::Year(year)),
        CalendarPart::Day(date) => Some(CalendarPart::Month {
            year: date.year(),
            month: date.month(),
        }),
    }
}

/// Reads a number of so many digits.
fn number<N: std::str::FromStr>(text: &str, digits: usize) -> Result<N, Problem> {
    let is_plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    number.ok_or_else(no_such_date)
}

fn date(year: &str, month: &str, day: &str) -> Result<NaiveDate, Problem> {
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    NaiveDate::from_ymd_opt(year, month, day).ok_or_else(no_such_date)
}

fn no_such_date() -> Problem {
    Problem::not_found("there is no such date: the calendar goes YYYY/MM/DD")
}

/// Returns where a page begins, for a link.
fn token(position: &DayPosition) -> String {
    format!("{}~{}", position.datetime.timestamp_micros(), position.id)
}

fn position(value: &Value) -> Result<DayPosition, Problem> {
    let parts = value.as_str().and_then(|text| text.split_once('~'));
    let read = parts.and_then(|(datetime, id)| {
        let datetime: DateTime<Utc> = DateTime::from_timestamp_micros(datetime.parse().ok()?)?;
        let id = id.to_owned();
        Some(DayPosition { datetime, id })
    });
    read.ok_or_else(|| Problem::invalid("token: not one that this server gave"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_all_their_digits() {
        let read = date("2020", "02", "29").expect("a date");
        assert_eq!(name(CalendarPart::Day(read)), "2020-02-29");
        for (year, month, day) in [
            ("2021", "02", "29"),
            ("2020", "2", "29"),
            ("+020", "02", "01"),
            ("2020", "00", "01"),
            ("２０２０", "01", "01"),
            ("", "", ""),
        ] {
            let problem = date(year, month, day).expect_err("no date");
            assert_eq!(problem.status, 404, "{year}/{month}/{day}");
        }
    }

    #[test]
    fn positions_come_back() {
        let held = DayPosition {
            datetime: DateTime::from_timestamp_micros(1_600_000_000_123_456).expect("in range"),
            id: "a~b'é".to_owned(),
        };
        assert_eq!(position(&json!(token(&held))), Ok(held));
        for text in ["", "~", "1", "x~a", "99999999999999999999~a"] {
            assert!(position(&json!(text)).is_err(), "{text}");
        }
    }
}
