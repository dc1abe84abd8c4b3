//! The parts of the calendar that hold items: what browsing by date goes down along.
//!
//! Both questions go along the index of (collection, datetime, id): what they cost depends on what is
//! answered, not on how many items there are.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use swath_access::Viewer;

use crate::{Catalog, CatalogError, instant};

/// Most items that [`Catalog::items_of_day`] names at once.
const DAY_ITEMS_MAX: usize = 1_000;
/// Most days that [`Catalog::newest_days`] names.
const DAYS_MAX: u32 = 1_000;
/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;
/// Most parts of one part: items have years from -1 to 10000 at most.
const PARTS_MAX: usize = 10_002;

/// A part of the calendar, in UTC. An item lies in it by its `datetime`; where that is null, by its
/// `start_datetime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarPart {
    /// All time.
    Always,
    /// A year.
    Year(i32),
    /// A month of a year.
    Month {
        /// Its year.
        year: i32,
        /// 1 to 12.
        month: u32,
    },
    /// A day.
    Day(NaiveDate),
}

impl CalendarPart {
    /// Returns the next smaller part that `date` lies in; of a day the day.
    fn part_of(self, date: NaiveDate) -> Self {
        match self {
            Self::Always => Self::Year(date.year()),
            Self::Year(_) => Self::Month {
                year: date.year(),
                month: date.month(),
            },
            Self::Month { .. } | Self::Day(_) => Self::Day(date),
        }
    }

    /// Returns its first microsecond and the first one after it; of what is no month, none at all.
    fn ends_us(self) -> (i64, i64) {
        let first_of = |year, month| NaiveDate::from_ymd_opt(year, month, 1);
        let (first, next) = match self {
            Self::Always => return (i64::MIN, i64::MAX),
            Self::Year(year) => (first_of(year, 1), first_of(year + 1, 1)),
            Self::Month { year, month: 12 } => (first_of(year, 12), first_of(year + 1, 1)),
            Self::Month { year, month } => (first_of(year, month), first_of(year, month + 1)),
            Self::Day(date) => (Some(date), date.succ_opt()),
        };
        let us = |date: NaiveDate| {
            let midnight = date.and_time(chrono::NaiveTime::MIN);
            instant::to_us(midnight.and_utc())
        };
        match (first, next) {
            (Some(first), Some(next)) => (us(first), us(next)),
            _ => (0, 0),
        }
    }
}

/// Where the items of a day go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayPosition {
    /// Datetime of the last item before.
    pub datetime: DateTime<Utc>,
    /// Its id.
    pub id: String,
}

/// Some items of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DayItems {
    /// Their ids, the latest first; at most 1,000.
    pub ids: Vec<String>,
    /// Where the next ones begin, `None` after the last.
    pub next: Option<DayPosition>,
}

impl Catalog {
    /// Returns the next smaller parts of `part` that hold items of a collection, in the order of time:
    /// the years of all time, the months of a year, the days of a month.
    ///
    /// Asks the database once for each of them.
    ///
    /// # Errors
    /// Where the collection is not there, or not for this viewer; what the database says.
    pub async fn calendar_parts(
        &self,
        viewer: &Viewer,
        collection: &str,
        part: CalendarPart,
    ) -> Result<Vec<CalendarPart>, CatalogError> {
        self.visible(viewer, collection).await?;
        let (mut start, end) = part.ends_us();
        let mut parts = Vec::new();
        while start < end && parts.len() < PARTS_MAX {
            let mut statement = self.database.statement();
            statement
                .push("SELECT min(datetime) FROM items WHERE collection = ")
                .bind(collection);
            statement.push(" AND datetime >= ").bind(start);
            statement.push(" AND datetime < ").bind(end);
            let rows = self.database.fetch(&statement).await?;
            let first = rows.first().map(|row| row.integer(0)).transpose()?;
            let Some(first) = first.flatten() else {
                break;
            };
            let found = part.part_of(instant::from_us(first).date_naive());
            parts.push(found);
            // Behind the first item at least, whatever its date is.
            start = found.ends_us().1.max(first.saturating_add(1));
        }
        Ok(parts)
    }

    /// Returns the days that hold items of a collection, the newest first, at most `count` and at most 1,000.
    ///
    /// # Errors
    /// Where the collection is not there, or not for this viewer; what the database says.
    pub async fn newest_days(
        &self,
        viewer: &Viewer,
        collection: &str,
        count: u32,
    ) -> Result<Vec<NaiveDate>, CatalogError> {
        self.visible(viewer, collection).await?;
        let mut statement = self.database.statement();
        // Each step is one look into the index: the newest item before the day found last.
        statement
            .push("WITH RECURSIVE days(us) AS (SELECT max(datetime) FROM items WHERE collection = ")
            .bind(collection);
        statement
            .push(" UNION ALL SELECT (SELECT max(items.datetime) FROM items WHERE items.collection = ")
            .bind(collection);
        statement
            .push(" AND items.datetime < days.us - ((days.us % ")
            .bind(DAY_US);
        statement.push(" + ").bind(DAY_US).push(") % ").bind(DAY_US);
        statement
            .push(")) FROM days WHERE days.us IS NOT NULL) SELECT us FROM days WHERE us IS NOT NULL LIMIT ")
            .bind(i64::from(count.min(DAYS_MAX)));
        let rows = self.database.fetch(&statement).await?;
        let days = rows.iter().map(|row| row.some_integer(0));
        days.map(|us| Ok(instant::from_us(us?).date_naive()))
            .collect()
    }

    /// Returns the ids of items of a collection on a day, the latest first, some at a time.
    ///
    /// # Errors
    /// Where the collection is not there, or not for this viewer; what the database says.
    pub async fn items_of_day(
        &self,
        viewer: &Viewer,
        collection: &str,
        day: NaiveDate,
        after: Option<&DayPosition>,
    ) -> Result<DayItems, CatalogError> {
        self.visible(viewer, collection).await?;
        let (start, end) = CalendarPart::Day(day).ends_us();
        let mut statement = self.database.statement();
        statement
            .push("SELECT datetime, id FROM items WHERE collection = ")
            .bind(collection);
        statement.push(" AND datetime >= ").bind(start);
        statement.push(" AND datetime < ").bind(end);
        if let Some(after) = after {
            let datetime = instant::to_us(after.datetime);
            statement.push(" AND datetime <= ").bind(datetime);
            statement.push(" AND (datetime < ").bind(datetime);
            statement
                .push(" OR id > ")
                .bind(after.id.as_str())
                .push(")");
        }
        let limit = i64::try_from(DAY_ITEMS_MAX + 1).expect("a page fits into 63 bits");
        statement
            .push(" ORDER BY datetime DESC, id LIMIT ")
            .bind(limit);
        let mut found = DayItems::default();
        let mut last = None;
        for row in self.database.fetch(&statement).await? {
            if found.ids.len() == DAY_ITEMS_MAX {
                found.next = last;
                break;
            }
            let id = row.some_text(1)?;
            last = Some(DayPosition {
                datetime: instant::from_us(row.some_integer(0)?),
                id: id.clone(),
            });
            found.ids.push(id);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other() {
        let date = NaiveDate::from_ymd_opt(2020, 12, 31).expect("a date");
        let year = CalendarPart::Always.part_of(date);
        let month = year.part_of(date);
        let day = month.part_of(date);
        assert_eq!(year, CalendarPart::Year(2020));
        let december = CalendarPart::Month {
            year: 2020,
            month: 12,
        };
        assert_eq!(month, december);
        assert_eq!(day, CalendarPart::Day(date));
        let next = CalendarPart::Year(2021).ends_us().0;
        for part in [year, month, day] {
            assert_eq!(part.ends_us().1, next, "{part:?}");
        }
    }

    #[test]
    fn what_is_no_month_is_empty() {
        for month in [0, 13] {
            let part = CalendarPart::Month { year: 2020, month };
            assert_eq!(part.ends_us(), (0, 0));
        }
    }
}
