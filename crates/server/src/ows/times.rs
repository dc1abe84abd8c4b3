//! TIME: instants, days, intervals and lists as ISO 8601 and WMS write them (06-042 annexes C and D).
//!
//! A value of reduced precision (`2018`, `2018-05`, `2018-05-06`, `2018-05-06T10:50Z`) means all of
//! its period. `current` is the newest.

use chrono::{
    DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc,
};

use super::failure::{Fault, OwsFailure};
use super::kvp::shown;

/// Most values of one list.
const VALUES_MAX: usize = 100;
/// Longest text, in bytes.
const TEXT_BYTES_MAX: usize = 8 * 1024;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimeValue {
    /// The newest.
    Current,
    /// One value: all of its period; `start == end` for an instant in full.
    Value(Period),
    /// From the beginning of one value to the end of another.
    Interval(Period),
}

/// Both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
}

impl Period {
    /// Returns the instant half way.
    pub(crate) fn middle(&self) -> DateTime<Utc> {
        self.start + (self.end - self.start) / 2
    }
}

/// Reads TIME: one value or a list.
///
/// # Errors
/// [`Fault::Dimension`] where it is none.
pub(crate) fn read(text: &str) -> Result<Vec<TimeValue>, OwsFailure> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(wrong(text, "too long"));
    }
    let values: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .take(VALUES_MAX + 1)
        .collect();
    if values.len() > VALUES_MAX {
        return Err(wrong(text, "more than 100 values"));
    }
    values.into_iter().map(value).collect()
}

fn value(text: &str) -> Result<TimeValue, OwsFailure> {
    if text.eq_ignore_ascii_case("current") || text.eq_ignore_ascii_case("default") {
        return Ok(TimeValue::Current);
    }
    let mut ends = text.split('/');
    let (first, second, step) = (ends.next().unwrap_or_default(), ends.next(), ends.next());
    if ends.next().is_some() {
        return Err(wrong(text, "more than two \"/\""));
    }
    // A step says which instants of the interval are meant: whatever lies in it is, here.
    if step.is_some_and(|step| !step.starts_with('P')) {
        return Err(wrong(text, "the step after the second \"/\" begins with P"));
    }
    let expected = || wrong(text, EXPECTED);
    let first = period(first).ok_or_else(expected)?;
    let Some(second) = second else {
        return Ok(TimeValue::Value(first));
    };
    let second = period(second).ok_or_else(expected)?;
    let whole = Period {
        start: first.start,
        end: second.end,
    };
    match whole.start <= whole.end {
        true => Ok(TimeValue::Interval(whole)),
        false => Err(wrong(text, "the end lies before the start")),
    }
}

const EXPECTED: &str =
    "expected such as 2018-05-06T10:50:29Z, 2018-05-06, 2018-05-01/2018-05-31 or current";

fn wrong(text: &str, reason: &str) -> OwsFailure {
    let text = format!("TIME \"{}\": {reason}", shown(text));
    OwsFailure::new(Fault::Dimension, text).at("TIME")
}

/// Returns the period that a value of any precision means, in UTC.
fn period(text: &str) -> Option<Period> {
    let text = text.trim().trim_matches('"');
    if !text.is_ascii() {
        return None;
    }
    let day = |year: i32, month: u32, day: u32| {
        let date = NaiveDate::from_ymd_opt(year, month, day)?;
        (0..=9999)
            .contains(&date.year())
            .then(|| date.and_time(NaiveTime::MIN).and_utc())
    };
    let digits = |range: std::ops::Range<usize>| {
        let part = text.get(range)?;
        part.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| part.parse::<u32>().ok())
            .flatten()
    };
    let year = i32::try_from(digits(0..4)?).ok()?;
    let bytes = text.as_bytes();
    let (start, end) = match text.len() {
        4 => (
            day(year, 1, 1)?,
            day(year, 1, 1)?.checked_add_months(Months::new(12))?,
        ),
        7 if bytes[4] == b'-' => {
            let start = day(year, digits(5..7)?, 1)?;
            (start, start.checked_add_months(Months::new(1))?)
        }
        10 if bytes[4] == b'-' && bytes[7] == b'-' => {
            let start = day(year, digits(5..7)?, digits(8..10)?)?;
            (start, start.checked_add_days(Days::new(1))?)
        }
        _ => return clock(text),
    };
    Some(Period {
        start,
        end: end - TimeDelta::microseconds(1),
    })
}

/// Returns the period of a value with a time of day; without a zone it is UTC.
fn clock(text: &str) -> Option<Period> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        let instant = instant.to_utc();
        return Some(Period {
            start: instant,
            end: instant,
        });
    }
    let plain = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    if let Ok(instant) = NaiveDateTime::parse_from_str(plain, "%Y-%m-%dT%H:%M:%S%.f") {
        let instant = instant.and_utc();
        return Some(Period {
            start: instant,
            end: instant,
        });
    }
    let (start, seconds) = match NaiveDateTime::parse_from_str(plain, "%Y-%m-%dT%H:%M") {
        Ok(start) => (start, 60),
        Err(_) => {
            let hour = format!("{plain}:00");
            (
                NaiveDateTime::parse_from_str(&hour, "%Y-%m-%dT%H:%M").ok()?,
                3_600,
            )
        }
    };
    let start = start.and_utc();
    Some(Period {
        start,
        end: start + TimeDelta::seconds(seconds) - TimeDelta::microseconds(1),
    })
}

/// Returns the period that a value means where `days` (the newest first) hold something; `None` for
/// the newest.
///
/// Days are what documents declare: a value within a day means all of it. Where none of its days
/// holds anything it is the nearest that does, later first: documents declare `nearestValue`.
/// An interval stays as it is.
pub(crate) fn choose(value: &TimeValue, days: &[NaiveDate]) -> Option<Period> {
    match value {
        TimeValue::Current => None,
        TimeValue::Interval(period) => Some(*period),
        TimeValue::Value(period) => {
            let (first, last) = (period.start.date_naive(), period.end.date_naive());
            if days.iter().any(|day| (first..=last).contains(day)) {
                return Some(whole_days(first, last));
            }
            let middle = period.middle().date_naive();
            let nearest = days
                .iter()
                .min_by_key(|day| day.signed_duration_since(middle).abs());
            let day = nearest.copied().unwrap_or(middle);
            Some(whole_days(day, day))
        }
    }
}

fn whole_days(first: NaiveDate, last: NaiveDate) -> Period {
    Period {
        start: first.and_time(NaiveTime::MIN).and_utc(),
        end: last.and_time(NaiveTime::MIN).and_utc() + TimeDelta::days(1)
            - TimeDelta::microseconds(1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a datetime")
    }

    fn one(text: &str) -> TimeValue {
        let mut values = read(text).unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!(values.len(), 1, "{text}");
        values.remove(0)
    }

    #[test]
    fn reduced_precision_means_the_whole_period() {
        for (text, start, end) in [
            (
                "2018",
                "2018-01-01T00:00:00Z",
                "2018-12-31T23:59:59.999999Z",
            ),
            (
                "2016-02",
                "2016-02-01T00:00:00Z",
                "2016-02-29T23:59:59.999999Z",
            ),
            (
                "2018-05-06",
                "2018-05-06T00:00:00Z",
                "2018-05-06T23:59:59.999999Z",
            ),
            (
                "2018-05-06T10Z",
                "2018-05-06T10:00:00Z",
                "2018-05-06T10:59:59.999999Z",
            ),
            (
                "2018-05-06T10:50",
                "2018-05-06T10:50:00Z",
                "2018-05-06T10:50:59.999999Z",
            ),
            (
                "2018-05-06T10:50:29.027Z",
                "2018-05-06T10:50:29.027Z",
                "2018-05-06T10:50:29.027Z",
            ),
            (
                "2018-05-06T12:50:29+02:00",
                "2018-05-06T10:50:29Z",
                "2018-05-06T10:50:29Z",
            ),
        ] {
            let expected = Period {
                start: at(start),
                end: at(end),
            };
            assert_eq!(one(text), TimeValue::Value(expected), "{text}");
        }
        let may = Period {
            start: at("2018-05-01T00:00:00Z"),
            end: at("2018-05-31T23:59:59.999999Z"),
        };
        assert_eq!(one("2018-05-01/2018-05-31/P1D"), TimeValue::Interval(may));
        assert_eq!(one("current"), TimeValue::Current);
        assert_eq!(
            read("2018-05-01,2018-06-01").map(|values| values.len()),
            Ok(2)
        );
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "yesterday",
            "2018-13",
            "2018-02-30",
            "2018/2017",
            "2018/2019/1D",
            "a/b",
            "2018-05-06T25:00Z",
            ",",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_nearest_day_is_taken_for_values_but_not_for_intervals() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let days = [day("2018-05-06"), day("2018-05-01")];
        let chosen = |text: &str| choose(&one(text), &days).map(|period| period.start.date_naive());
        assert_eq!(chosen("2018-05-06T10:50:29Z"), Some(days[0]));
        assert_eq!(chosen("2018-05-02"), Some(days[1]));
        assert_eq!(chosen("2018-05-05"), Some(days[0]));
        assert_eq!(chosen("1999"), Some(days[1]));
        assert_eq!(
            choose(&one("2018"), &days),
            Some(whole_days(day("2018-01-01"), day("2018-12-31")))
        );
        assert_eq!(chosen("2018-05-02/2018-05-03"), Some(day("2018-05-02")));
        assert_eq!(chosen("current"), None);
        assert_eq!(
            choose(&one("2018-05-02"), &[]),
            Some(whole_days(day("2018-05-02"), day("2018-05-02")))
        );
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_result(text in "\\PC{0,40}", near in "[0-9TZ:./+,P -]{0,40}") {
            let _ = read(&text);
            let _ = read(&near);
        }
    }
}
