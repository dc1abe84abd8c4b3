//! The `datetime` parameter of OGC API Features and STAC API: an instant or an interval.

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::Interval;

/// Longest text that is read, in bytes.
const TEXT_BYTES_MAX: usize = 200;

/// A text that is no `datetime` parameter.
#[derive(Debug, Error, PartialEq)]
#[error("datetime \"{text}\": {reason}")]
pub struct IntervalError {
    text: String,
    reason: &'static str,
}

/// Parses what [`parse_interval`] does, and days such as `2018-05-01`: they are whole, in UTC.
///
/// # Errors
/// As [`parse_interval`].
pub fn parse_interval_or_days(text: &str) -> Result<Interval, IntervalError> {
    let is_day = |text: &str| text.len() == 10 && !text.contains('T');
    let end = |text: &str, time: &str| match is_day(text) {
        true => format!("{text}T{time}Z"),
        false => text.to_owned(),
    };
    let (first, last) = ("00:00:00", "23:59:59.999999");
    let whole = match text.split_once('/') {
        Some((start, stop)) => format!("{}/{}", end(start, first), end(stop, last)),
        None if is_day(text) => format!("{}/{}", end(text, first), end(text, last)),
        None => text.to_owned(),
    };
    parse_interval(&whole)
}

/// Parses an instant (RFC 3339, with zone) or `start/end`, where one end may be `..` or empty.
///
/// An instant is the interval that begins and ends with it.
///
/// # Errors
/// Where it is neither, both ends are open, or the end lies before the start.
pub fn parse_interval(text: &str) -> Result<Interval, IntervalError> {
    let fault = |reason| IntervalError {
        text: text.chars().take(80).collect(),
        reason,
    };
    if text.len() > TEXT_BYTES_MAX {
        return Err(fault("too long"));
    }
    let mut ends = text.split('/');
    let (first, second) = (ends.next().unwrap_or_default(), ends.next());
    if ends.next().is_some() {
        return Err(fault("more than one \"/\""));
    }
    let Some(second) = second else {
        let instant = instant(first).ok_or_else(|| fault(EXPECTED))?;
        return Ok(Interval {
            start: Some(instant),
            end: Some(instant),
        });
    };
    let end = |text: &str| match text {
        "" | ".." => Ok(None),
        _ => instant(text).map(Some).ok_or_else(|| fault(EXPECTED)),
    };
    let interval = Interval {
        start: end(first)?,
        end: end(second)?,
    };
    match (interval.start, interval.end) {
        (None, None) => Err(fault("both ends are open")),
        (Some(start), Some(end)) if start > end => Err(fault("the end lies before the start")),
        _ => Ok(interval),
    }
}

const EXPECTED: &str =
    "expected an instant such as 2018-05-06T10:50:29Z, or two with \"/\" between them";

/// Parses RFC 3339 §5.6: four digits of the year, a zone with a colon, a point before fractions.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let has_form = text.len() >= 20
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            10 => matches!(byte, b'T' | b't'),
            13 | 16 => byte == b':',
            0..=18 => byte.is_ascii_digit(),
            _ => byte.is_ascii(),
        });
    // A point is followed by a digit.
    let has_fraction = text.as_bytes().get(19) != Some(&b'.')
        || text.as_bytes().get(20).is_some_and(u8::is_ascii_digit);
    if !has_form || !has_fraction {
        return None;
    }
    let parsed = DateTime::parse_from_rfc3339(&text.to_ascii_uppercase());
    parsed.ok().map(|instant| instant.to_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_are_whole() {
        let day = parse_interval_or_days("2018-05-01").expect("a day");
        assert_eq!(
            Ok(day),
            parse_interval("2018-05-01T00:00:00Z/2018-05-01T23:59:59.999999Z")
        );
        let open = parse_interval_or_days("2018-05-01/..").expect("days");
        assert_eq!(Ok(open), parse_interval("2018-05-01T00:00:00Z/.."));
        let instant = parse_interval_or_days("2018-05-01T10:00:00Z");
        assert_eq!(instant, parse_interval("2018-05-01T10:00:00Z"));
        assert!(parse_interval_or_days("2018-05-40").is_err());
    }

    #[test]
    fn instants_and_intervals_are_read() {
        for text in [
            "1985-04-12T23:20:50.52Z",
            "1985-04-12t23:20:50.000z",
            "1996-12-19T16:39:57-08:00",
            "2020-07-23T00:00:00.012345678Z",
            "../1985-04-12T23:20:50.52Z",
            "/1985-04-12T23:20:50.52Z",
            "1985-04-12T23:20:50.52Z/",
            "1985-04-12T23:20:50.52+01:00/1986-04-12T23:20:50.52+01:00",
        ] {
            parse_interval(text).unwrap_or_else(|error| panic!("{error}"));
        }
        let open = parse_interval("2020-01-01T00:00:00Z/..").expect("an interval");
        assert!(open.start.is_some() && open.end.is_none());
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "/",
            "../..",
            "/..",
            "a/b",
            "1985-04-12",
            "1985-12-12T23:20:50.52",
            "1937-01-01T12:00:27.87+0100",
            "37-01-01T12:00:27.87Z",
            "21985-12-12T23:20:50.52Z",
            "1985-13-12T23:20:50.52Z",
            "1985-12-32T23:20:50.52Z",
            "1985-12-01T25:20:50.52Z",
            "1985-12-01T00:60:50.52Z",
            "1985-12-01T00:06:61.52Z",
            "1985-04-12T23:20:50.Z",
            "1985-04-12T23:20:50,52Z",
            "1985-04-12 23:20:50Z",
            "1986-04-12T23:20:50.52Z/1985-04-12T23:20:50.52Z",
            "/1984-04-12T23:20:50.52Z/1985-04-12T23:20:50.52Z",
        ] {
            assert!(parse_interval(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_result(text in "\\PC{0,60}", near in "[0-9TtZz:./+ -]{0,60}") {
            let _ = parse_interval(&text);
            let _ = parse_interval(&near);
        }
    }
}
