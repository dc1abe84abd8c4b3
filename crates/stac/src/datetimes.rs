//! Datetimes: of items, of tags, in file names. Always UTC.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use stac::Item;
use thiserror::Error;

/// A text that is no datetime.
#[derive(Debug, Error, PartialEq)]
#[error(
    "\"{text}\" is not a datetime (expected such as 2018-05-06T10:50:29Z, 2018-05-06 or 2018:05:06 10:50:29)"
)]
pub struct DatetimeError {
    text: String,
}

/// Parses RFC 3339, a plain date, or TIFF's `YYYY:MM:DD HH:MM:SS`; without a zone it is UTC.
///
/// # Errors
/// Where it is none of these.
pub fn parse_datetime(text: &str) -> Result<DateTime<Utc>, DatetimeError> {
    let text = text.trim();
    if let Ok(datetime) = DateTime::parse_from_rfc3339(text) {
        return Ok(datetime.to_utc());
    }
    let formats = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y:%m:%d %H:%M:%S",
        "%Y%m%dT%H%M%S",
    ];
    let naive = formats
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let date = || {
        ["%Y-%m-%d", "%Y:%m:%d", "%Y%m%d"]
            .iter()
            .find_map(|format| NaiveDate::parse_from_str(text, format).ok())
            .map(NaiveDateTime::from)
    };
    naive
        .or_else(date)
        .map(|naive| naive.and_utc())
        .ok_or_else(|| DatetimeError {
            text: text.chars().take(80).collect(),
        })
}

/// Finds the first datetime in `text` that has the form `pattern` (strftime, as `%Y%m%dT%H%M%S`).
pub fn find_datetime(text: &str, pattern: &str) -> Option<DateTime<Utc>> {
    text.char_indices().find_map(|(at, _)| {
        let rest = &text[at..];
        let full = NaiveDateTime::parse_and_remainder(rest, pattern)
            .ok()
            .map(|(naive, _)| naive);
        let date = || {
            NaiveDate::parse_and_remainder(rest, pattern)
                .ok()
                .map(|(date, _)| date.into())
        };
        full.or_else(date)
            .map(|naive: NaiveDateTime| naive.and_utc())
    })
}

/// Returns an item's `datetime`, or its `start_datetime` where that is null.
pub fn item_datetime(item: &Item) -> Option<DateTime<Utc>> {
    item.properties.datetime.or(item.properties.start_datetime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_in_use_are_read_as_utc() {
        let expected = "2018-05-06T10:50:29Z"
            .parse::<DateTime<Utc>>()
            .expect("valid");
        for text in [
            "2018-05-06T10:50:29Z",
            "2018-05-06T12:50:29+02:00",
            "2018:05:06 10:50:29",
            "20180506T105029",
        ] {
            assert_eq!(parse_datetime(text).expect(text), expected, "{text}");
        }
        assert!(parse_datetime("yesterday").is_err());
    }

    #[test]
    fn patterns_find_dates_inside_names() {
        let found =
            find_datetime("S2A_MSIL2A_20221005T115411_N0400", "%Y%m%dT%H%M%S").expect("found");
        assert_eq!(found.to_rfc3339(), "2022-10-05T11:54:11+00:00");
        let date = find_datetime("ndvi_2013-09-14_v1", "%Y-%m-%d").expect("found");
        assert_eq!(date.to_rfc3339(), "2013-09-14T00:00:00+00:00");
        assert_eq!(find_datetime("no date", "%Y%m%d"), None);
    }
}
