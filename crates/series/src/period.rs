//! Periods of the year: 5 days, dekads, months; in UTC, in whole days.
//!
//! Periods never cross the end of a year, and every instant lies in exactly one.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;
/// Days of a window of [`Period::FiveDays`].
const WINDOW_DAYS: i64 = 5;
/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const EPOCH_DAYS: i64 = 719_468;
/// Days of 400 years.
const ERA_DAYS: i64 = 146_097;

/// How time is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// 5 days from 1 January, so that every year has the same windows: 73, and in a leap year a
    /// 74th that has 31 December alone.
    FiveDays,
    /// The 1st to 10th, the 11th to 20th, the 21st to the end of each month.
    Dekad,
    /// Calendar months.
    Month,
}

/// A half-open interval `[start_us, end_us)`, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// First instant.
    pub start_us: i64,
    /// First instant behind it.
    pub end_us: i64,
}

impl Window {
    /// Returns whether the instant lies inside.
    pub fn contains(self, datetime_us: i64) -> bool {
        self.start_us <= datetime_us && datetime_us < self.end_us
    }
}

/// A name that is none of [`Period::NAMES`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no period \"{name}\"; use 5-day, dekad or month")]
pub struct UnknownPeriod {
    /// As given.
    pub name: String,
}

impl Period {
    /// The names, as [`FromStr`] reads and [`fmt::Display`] writes them.
    pub const NAMES: [&str; 3] = ["5-day", "dekad", "month"];

    /// Returns the window that holds the instant.
    pub fn window(self, datetime_us: i64) -> Window {
        let day = datetime_us.div_euclid(DAY_US);
        let date = Date::of(day);
        let (first, last) = match self {
            Self::FiveDays => {
                let new_year = Date::new(date.year, 1, 1).days();
                let first = day - (day - new_year) % WINDOW_DAYS;
                let end = (first + WINDOW_DAYS).min(Date::new(date.year + 1, 1, 1).days());
                (first, end)
            }
            Self::Dekad => {
                let tenth = ((date.day - 1) / 10).min(2);
                let first = Date::new(date.year, date.month, 1 + 10 * tenth).days();
                let end = match tenth {
                    2 => date.next_month().days(),
                    _ => first + 10,
                };
                (first, end)
            }
            Self::Month => (
                Date::new(date.year, date.month, 1).days(),
                date.next_month().days(),
            ),
        };
        // The extremes of time are no dates of images; they are cut instead of overflowing.
        Window {
            start_us: first.saturating_mul(DAY_US),
            end_us: last.saturating_mul(DAY_US),
        }
    }

    /// Returns the windows that have something of `[start_us, end_us)`, in order, `None` where they
    /// would be more than `count_max`.
    pub fn windows(self, start_us: i64, end_us: i64, count_max: usize) -> Option<Vec<Window>> {
        let mut windows = Vec::new();
        let mut at_us = start_us;
        while at_us < end_us {
            if windows.len() == count_max {
                return None;
            }
            let window = self.window(at_us);
            windows.push(window);
            at_us = window.end_us.max(at_us.saturating_add(1));
        }
        Some(windows)
    }
}

impl FromStr for Period {
    type Err = UnknownPeriod;

    fn from_str(name: &str) -> Result<Self, UnknownPeriod> {
        match name {
            "5-day" => Ok(Self::FiveDays),
            "dekad" => Ok(Self::Dekad),
            "month" => Ok(Self::Month),
            _ => Err(UnknownPeriod {
                name: name.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::FiveDays => Self::NAMES[0],
            Self::Dekad => Self::NAMES[1],
            Self::Month => Self::NAMES[2],
        })
    }
}

/// A day of the proleptic Gregorian calendar; month and day from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    fn new(year: i64, month: i64, day: i64) -> Self {
        Self { year, month, day }
    }

    /// Returns the date of a day since 1970-01-01. Years begin in March here, so that the day that
    /// some years lack is the last.
    fn of(day: i64) -> Self {
        let shifted = day + EPOCH_DAYS;
        let era = shifted.div_euclid(ERA_DAYS);
        let day_of_era = shifted.rem_euclid(ERA_DAYS);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = (march_month + 2) % 12 + 1;
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
        }
    }

    /// Returns the days since 1970-01-01.
    fn days(self) -> i64 {
        let march_year = self.year - i64::from(self.month <= 2);
        let march_month = (self.month + 9) % 12;
        let era = march_year.div_euclid(400);
        let year_of_era = march_year.rem_euclid(400);
        let day_of_year = (153 * march_month + 2) / 5 + self.day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * ERA_DAYS + day_of_era - EPOCH_DAYS
    }

    fn next_month(self) -> Self {
        match self.month {
            12 => Self::new(self.year + 1, 1, 1),
            month => Self::new(self.year, month + 1, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(year: i64, month: i64, day: i64) -> i64 {
        Date::new(year, month, day).days() * DAY_US
    }

    fn window(start_us: i64, end_us: i64) -> Window {
        Window { start_us, end_us }
    }

    #[test]
    fn days_count_from_1970() {
        assert_eq!(Date::new(1970, 1, 1).days(), 0);
        assert_eq!(Date::new(2000, 3, 1).days(), 11_017);
        assert_eq!(Date::new(2018, 1, 1).days(), 17_532);
        assert_eq!(Date::of(17_532 + 58), Date::new(2018, 2, 28));
        assert_eq!(Date::of(-1), Date::new(1969, 12, 31));
    }

    #[test]
    fn five_days_begin_anew_each_year() {
        let noon = 12 * 3_600_000_000;
        let first = window(day(2018, 1, 1), day(2018, 1, 6));
        assert_eq!(Period::FiveDays.window(day(2018, 1, 1)), first);
        assert_eq!(Period::FiveDays.window(day(2018, 1, 5) + noon), first);
        // Across the end of January.
        let across = window(day(2018, 1, 31), day(2018, 2, 5));
        assert_eq!(Period::FiveDays.window(day(2018, 2, 4)), across);
        // The 73rd ends the year, the 74th of a leap year has one day.
        let last = window(day(2018, 12, 27), day(2019, 1, 1));
        assert_eq!(Period::FiveDays.window(day(2019, 1, 1) - 1), last);
        let leap = window(day(2020, 12, 31), day(2021, 1, 1));
        assert_eq!(Period::FiveDays.window(day(2020, 12, 31) + noon), leap);
    }

    #[test]
    fn dekads_and_months_end_with_the_month() {
        let third = window(day(2020, 2, 21), day(2020, 3, 1));
        assert_eq!(Period::Dekad.window(day(2020, 2, 29)), third);
        let second = window(day(2021, 12, 11), day(2021, 12, 21));
        assert_eq!(Period::Dekad.window(day(2021, 12, 20)), second);
        let december = window(day(2021, 12, 1), day(2022, 1, 1));
        assert_eq!(Period::Month.window(day(2021, 12, 31)), december);
    }

    #[test]
    fn windows_of_a_year_are_counted_and_limited() {
        let (start, end) = (day(2020, 1, 1), day(2021, 1, 1));
        let count = |period: Period| period.windows(start, end, 100).map(|all| all.len());
        assert_eq!(count(Period::FiveDays), Some(74));
        assert_eq!(count(Period::Dekad), Some(36));
        assert_eq!(count(Period::Month), Some(12));
        assert_eq!(Period::Month.windows(start, end, 11), None);
        assert_eq!(Period::Month.windows(end, start, 0), Some(Vec::new()));
    }

    #[test]
    fn names_round_trip() {
        for name in Period::NAMES {
            let period: Period = name.parse().expect("one of the names");
            assert_eq!(period.to_string(), name);
        }
        let error = "week".parse::<Period>().expect_err("no such period");
        assert!(error.to_string().contains("5-day, dekad or month"));
    }

    proptest! {
        #[test]
        fn every_instant_lies_in_one_window(datetime_us in -100_000_000_000_000_000i64..100_000_000_000_000_000) {
            for period in [Period::FiveDays, Period::Dekad, Period::Month] {
                let window = period.window(datetime_us);
                prop_assert!(window.contains(datetime_us));
                prop_assert_eq!(period.window(window.start_us), window);
                prop_assert_eq!(period.window(window.end_us - 1), window);
                prop_assert_eq!(period.window(window.end_us).start_us, window.end_us);
            }
        }

        #[test]
        fn no_instant_panics(datetime_us in any::<i64>()) {
            for period in [Period::FiveDays, Period::Dekad, Period::Month] {
                period.window(datetime_us);
            }
        }

        #[test]
        fn dates_round_trip(day in -1_000_000i64..1_000_000) {
            prop_assert_eq!(Date::of(day).days(), day);
        }
    }
}
