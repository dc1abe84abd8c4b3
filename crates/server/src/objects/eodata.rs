//! The agencies' paths: `/eodata/Sentinel-2/MSI/L2A/2022/10/05/NAME.SAFE/…` as an alias of what is stored.
//!
//! Levels above a product are computed: folders of collections, then years, months and days of their
//! extents, then the products of a day.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use swath_access::Viewer;
use swath_catalog::{CollectionSearch, StoredCollection, StoredItem};
use swath_stac::{Interval, ItemSearch, parse_datetime};

use super::download::Download;
use super::listing::{self, Line};
use crate::chunks::{PageSize, each_item};
use crate::error::Problem;
use crate::links::BaseUrl;
use crate::products::Product;
use crate::products::product::{self, collection_folder};
use crate::state::{AppState, Bounded};
use crate::viewer::Caller;

/// Most parts of a path.
const PARTS_MAX: usize = 64;
/// Most items of a collection on one day.
const ITEMS_OF_DAY_MAX: u32 = 100_000;
/// Most years of a collection.
const YEARS_MAX: usize = 100;

/// Answers `/eodata/`.
pub(super) async fn root(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tree = Tree {
        state,
        caller,
        base,
        method,
        headers,
    };
    tree.answer("", uri.path()).await
}

/// Answers whatever lies below `/eodata/`.
pub(super) async fn below(
    Bounded(state): Bounded,
    caller: Caller,
    base: BaseUrl,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(path) = path.map_err(|_| Problem::invalid("the path is not UTF-8"))?;
    let tree = Tree {
        state,
        caller,
        base,
        method,
        headers,
    };
    tree.answer(&path, uri.path()).await
}

struct Tree {
    state: AppState,
    caller: Caller,
    base: BaseUrl,
    method: Method,
    headers: HeaderMap,
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
enum Spot<'a> {
    /// A folder above the days.
    Folder,
    /// The products of a day.
    Day(NaiveDate),
    /// Within a product.
    Product {
        day: NaiveDate,
        name: &'a str,
        /// Path within the product, without slash at its ends.
        rest: String,
    },
}

impl Tree {
    fn viewer(&self) -> &Viewer {
        &self.caller.viewer
    }

    async fn answer(&self, path: &str, sent: &str) -> Result<Response, Problem> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if parts.len() > PARTS_MAX {
            return Err(nothing());
        }
        let collections = self
            .state
            .catalog
            .collections(self.viewer(), &CollectionSearch::default())
            .await?;
        let is_folder = sent.ends_with('/');
        for collection in &collections {
            let folder = collection_folder(collection_id(collection));
            let folder: Vec<&str> = folder.split('/').collect();
            if let Some(below) = parts.strip_prefix(folder.as_slice())
                && let Some(spot) = spot(below)
                && let Some(found) = self.spot(collection, &spot, is_folder, sent).await?
            {
                return Ok(found);
            }
        }
        let lines = folders(&collections, &parts);
        if lines.is_empty() && !parts.is_empty() {
            return Err(nothing());
        }
        if !is_folder {
            return Ok(self.with_slash(sent));
        }
        Ok(listing::page(&format!("/eodata/{path}"), &lines))
    }

    fn with_slash(&self, sent: &str) -> Response {
        Redirect::permanent(&self.base.href(&format!("{sent}/"))).into_response()
    }

    /// Answers a day or product; `None` where the collection has no such product.
    async fn spot(
        &self,
        collection: &StoredCollection,
        spot: &Spot<'_>,
        is_folder: bool,
        sent: &str,
    ) -> Result<Option<Response>, Problem> {
        match spot {
            Spot::Folder => Ok(None),
            Spot::Day(_) if !is_folder => Ok(Some(self.with_slash(sent))),
            Spot::Day(day) => {
                let mut lines = Vec::new();
                let search = of_day(collection, *day);
                let add = |item: StoredItem| {
                    if begins_on(&item, *day) {
                        lines.push(Line::folder(eodata_name(&Product::new(&item))));
                    }
                    ControlFlow::Continue(())
                };
                let catalog = &self.state.catalog;
                let size = PageSize::of_names(ITEMS_OF_DAY_MAX);
                each_item(catalog, self.viewer(), &search, size, add).await?;
                lines.sort();
                Ok(Some(listing::page(sent, &lines)))
            }
            Spot::Product { day, name, rest } => match self.find(collection, *day, name).await? {
                Some(item) => self.inside(&item, rest, is_folder, sent).await.map(Some),
                None => Ok(None),
            },
        }
    }

    /// Finds the product of a name: by its id, which is the name, else by whatever holds its name.
    async fn find(
        &self,
        collection: &StoredCollection,
        day: NaiveDate,
        name: &str,
    ) -> Result<Option<StoredItem>, Problem> {
        let by_id = ItemSearch {
            ids: product::ids_of_name(name),
            ..of_day(collection, day)
        };
        let by_name = ItemSearch {
            filter: Some(product::name_in_path(name)),
            ..of_day(collection, day)
        };
        for search in [by_id, by_name] {
            let mut found = None;
            let look = |item: StoredItem| {
                if begins_on(&item, day) && eodata_name(&Product::new(&item)) == name {
                    found = Some(item);
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            let catalog = &self.state.catalog;
            let size = PageSize::of_names(ITEMS_OF_DAY_MAX);
            each_item(catalog, self.viewer(), &search, size, look).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    async fn inside(
        &self,
        item: &StoredItem,
        rest: &str,
        is_folder: bool,
        sent: &str,
    ) -> Result<Response, Problem> {
        let download = Download {
            state: &self.state,
            viewer: self.viewer(),
            method: &self.method,
            headers: &self.headers,
        };
        let files = download.files(item).await?;
        if let Some(file) = files.iter().find(|file| file.path == rest) {
            return download.file(item, file).await;
        }
        let folder = if rest.is_empty() {
            String::new()
        } else {
            format!("{rest}/")
        };
        let lines = listing::of_files(&files, &folder);
        if lines.is_empty() && !rest.is_empty() {
            return Err(nothing());
        }
        if !is_folder {
            return Ok(self.with_slash(sent));
        }
        Ok(listing::page(sent, &lines))
    }
}

/// Returns the search for the items of a collection that share an instant with a day.
fn of_day(collection: &StoredCollection, day: NaiveDate) -> ItemSearch {
    let start = day.and_time(chrono::NaiveTime::MIN).and_utc();
    let end = start + chrono::TimeDelta::microseconds(86_400_000_000 - 1);
    ItemSearch {
        collections: vec![collection_id(collection).to_owned()],
        datetime: Some(Interval {
            start: Some(start),
            end: Some(end),
        }),
        ..ItemSearch::default()
    }
}

/// True for what begins on a day: what lasts over midnight belongs to the day before.
fn begins_on(item: &StoredItem, day: NaiveDate) -> bool {
    let start = Product::new(item).start();
    start.is_some_and(|start| start.date_naive() == day)
}

fn nothing() -> Problem {
    Problem::not_found("there is nothing at this path")
}

fn collection_id(collection: &StoredCollection) -> &str {
    let id = collection.json.get("id");
    id.and_then(serde_json::Value::as_str).unwrap_or_default()
}

/// Returns the last part of a product's path.
fn eodata_name(product: &Product) -> String {
    let path = product.eodata_path();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Reads what follows the folder of a collection; `None` where it cannot be below it.
fn spot<'a>(below: &[&'a str]) -> Option<Spot<'a>> {
    let [year, month, day, inside @ ..] = below else {
        return Some(Spot::Folder);
    };
    let day = NaiveDate::from_ymd_opt(
        number(year, 4)?.cast_signed(),
        number(month, 2)?,
        number(day, 2)?,
    )?;
    Some(match inside {
        [] => Spot::Day(day),
        [name, rest @ ..] => Spot::Product {
            day,
            name,
            rest: rest.join("/"),
        },
    })
}

fn number(text: &str, digits: usize) -> Option<u32> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Returns the folders at `parts` above the days.
fn folders(collections: &[StoredCollection], parts: &[&str]) -> Vec<Line> {
    let mut names = BTreeSet::new();
    for collection in collections {
        let folder = collection_folder(collection_id(collection));
        let folder: Vec<&str> = folder.split('/').collect();
        if let Some(below) = folder.strip_prefix(parts)
            && let Some(next) = below.first()
        {
            names.insert((*next).to_owned());
        }
        if let Some(below) = parts.strip_prefix(folder.as_slice()) {
            names.extend(dates(&days(collection), below));
        }
    }
    names.into_iter().map(Line::folder).collect()
}

/// Days that a collection covers.
#[derive(Debug)]
struct Covered {
    first: NaiveDate,
    last: NaiveDate,
}

fn days(collection: &StoredCollection) -> Option<Covered> {
    let interval = collection
        .json
        .get("extent")?
        .pointer("/temporal/interval/0")?;
    let instant = |index: usize| -> Option<DateTime<Utc>> {
        parse_datetime(interval.get(index)?.as_str()?).ok()
    };
    let first = instant(0)?;
    let last = instant(1).unwrap_or_else(Utc::now);
    Some(Covered {
        first: first.date_naive(),
        last: last.date_naive(),
    })
}

/// Returns the years, the months of a year or the days of a month that are covered.
fn dates(covered: &Option<Covered>, below: &[&str]) -> Vec<String> {
    let Some(covered) = covered else {
        return Vec::new();
    };
    let is_covered =
        |first: NaiveDate, last: NaiveDate| first <= covered.last && last >= covered.first;
    let month_end = |year: i32, month: u32| {
        let next = match month {
            12 => NaiveDate::from_ymd_opt(year + 1, 1, 1),
            month => NaiveDate::from_ymd_opt(year, month + 1, 1),
        };
        next.and_then(|next| next.checked_sub_days(Days::new(1)))
    };
    match below {
        [] => (covered.first.year()..=covered.last.year())
            .take(YEARS_MAX)
            .map(|year| format!("{year:04}"))
            .collect(),
        [year] => {
            let Some(year) = number(year, 4).map(u32::cast_signed) else {
                return Vec::new();
            };
            let covers = |month: &u32| {
                let first = NaiveDate::from_ymd_opt(year, *month, 1);
                first
                    .zip(month_end(year, *month))
                    .is_some_and(|(first, last)| is_covered(first, last))
            };
            (1..=12)
                .filter(covers)
                .map(|month| format!("{month:02}"))
                .collect()
        }
        [year, month] => {
            let (Some(year), Some(month)) =
                (number(year, 4).map(u32::cast_signed), number(month, 2))
            else {
                return Vec::new();
            };
            let covers = |day: &u32| {
                NaiveDate::from_ymd_opt(year, month, *day).is_some_and(|day| is_covered(day, day))
            };
            (1..=31)
                .filter(covers)
                .map(|day| format!("{day:02}"))
                .collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_apart() {
        let day = NaiveDate::from_ymd_opt(2022, 10, 5).expect("a day");
        assert_eq!(spot(&["2022", "10"]), Some(Spot::Folder));
        assert_eq!(spot(&["2022", "10", "05"]), Some(Spot::Day(day)));
        assert_eq!(
            spot(&["2022", "10", "05", "A.SAFE", "GRANULE", "x.jp2"]),
            Some(Spot::Product {
                day,
                name: "A.SAFE",
                rest: "GRANULE/x.jp2".to_owned()
            })
        );
        assert_eq!(spot(&["2022", "13", "05"]), None);
        assert_eq!(spot(&["2022", "1x", "05"]), None);
    }

    #[test]
    fn only_covered_dates_are_listed() {
        let date = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).expect("a day");
        let covered = Some(Covered {
            first: date(2021, 11, 29),
            last: date(2022, 1, 2),
        });
        assert_eq!(dates(&covered, &[]), ["2021", "2022"]);
        assert_eq!(dates(&covered, &["2021"]), ["11", "12"]);
        assert_eq!(dates(&covered, &["2021", "11"]), ["29", "30"]);
        assert_eq!(dates(&covered, &["2022", "01"]), ["01", "02"]);
        assert_eq!(dates(&covered, &["x"]), Vec::<String>::new());
        assert_eq!(dates(&None, &[]), Vec::<String>::new());
    }
}
