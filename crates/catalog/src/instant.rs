//! Instants as whole microseconds since 1970-01-01 UTC.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// Returns an instant in microseconds.
pub(crate) fn to_us(datetime: DateTime<Utc>) -> i64 {
    datetime.timestamp_micros()
}

/// Returns the instant of microseconds; the ends of chrono's range beyond it.
pub(crate) fn from_us(us: i64) -> DateTime<Utc> {
    let end = if us < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    };
    DateTime::from_timestamp_micros(us).unwrap_or(end)
}

/// Returns RFC 3339 with as many digits of the second as are needed.
pub(crate) fn to_text(us: i64) -> String {
    from_us(us).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// Returns days since 1970-01-01, with fraction.
pub(crate) fn to_days(us: i64) -> f64 {
    us as f64 / DAY_US as f64
}

/// Reads a datetime or a date as its first and last microsecond; without a zone it is UTC.
pub(crate) fn read(text: &str) -> Option<(i64, i64)> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let first = to_us(date.and_hms_opt(0, 0, 0)?.and_utc());
        return Some((first, first + DAY_US - 1));
    }
    let joined = text.replacen(' ', "T", 1);
    let instant = match DateTime::parse_from_rfc3339(&joined) {
        Ok(datetime) => to_us(datetime.to_utc()),
        Err(_) => {
            let naive = NaiveDateTime::parse_from_str(&joined, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
            to_us(naive.and_utc())
        }
    };
    Some((instant, instant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_last_a_day() {
        let (first, last) = read("2020-01-01").expect("a date");
        assert_eq!(last - first, DAY_US - 1);
        let (first, last) = read("2020-01-01T02:00:00+02:00").expect("a datetime");
        assert_eq!(
            (first, last),
            (1_577_836_800_000_000, 1_577_836_800_000_000)
        );
        assert_eq!(to_text(first), "2020-01-01T00:00:00Z");
        assert_eq!(to_text(first + 24_000), "2020-01-01T00:00:00.024Z");
        assert_eq!(read("soon"), None);
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_result(text in ".{0,40}") {
            let _ = read(&text);
        }

        #[test]
        fn texts_come_back(us in -62_000_000_000_000_000_i64..250_000_000_000_000_000) {
            prop_assert_eq!(read(&to_text(us)), Some((us, us)));
        }
    }
}
