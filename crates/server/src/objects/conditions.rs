//! What of a representation a request asks for (RFC 9110, 13 and 14): all, a range, or nothing new.

use std::ops::Range;

use axum::http::{HeaderMap, HeaderName, Method, header};
use chrono::{DateTime, Utc};

/// What there is to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Representation {
    /// Bytes of the whole.
    pub(crate) len: u64,
    /// Strong entity tag, with its quotes.
    pub(crate) etag: String,
    /// When it was changed last.
    pub(crate) modified: DateTime<Utc>,
}

impl Representation {
    /// Returns the time of change as HTTP writes it.
    pub(crate) fn modified_text(&self) -> String {
        self.modified
            .format("%a, %d %b %Y %H:%M:%S GMT")
            .to_string()
    }
}

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Nothing: the client has it.
    NotModified,
    /// Nothing: it is not what the client wants to go on with.
    PreconditionFailed,
    /// Nothing: it has no such bytes.
    Unsatisfiable,
}

/// Decides by method and headers.
///
/// Several ranges are answered with the whole, as the RFC allows; so is a range that is no range.
pub(crate) fn decide(method: &Method, headers: &HeaderMap, there: &Representation) -> Decision {
    if let Some(expected) = text(headers, header::IF_MATCH)
        && !names(expected, &there.etag)
    {
        return Decision::PreconditionFailed;
    }
    if let Some(known) = text(headers, header::IF_NONE_MATCH)
        && names(known, &there.etag)
    {
        return Decision::NotModified;
    }
    let Some(asked) = text(headers, header::RANGE).filter(|_| method == Method::GET) else {
        return Decision::Whole;
    };
    // A weak tag never equals a strong one, so the comparison as text is the strong one.
    let goes_on = text(headers, header::IF_RANGE)
        .is_none_or(|known| known == there.etag || known == there.modified_text());
    if goes_on {
        range(asked, there.len)
    } else {
        Decision::Whole
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// True where a list of entity tags names `etag`.
fn names(list: &str, etag: &str) -> bool {
    list == "*"
        || list
            .split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == etag)
}

fn range(asked: &str, len: u64) -> Decision {
    let Some(spec) = asked.strip_prefix("bytes=") else {
        return Decision::Whole;
    };
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Decision::Whole;
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (first, last) = (first.trim(), last.trim());
    if !is_number(first) || !is_number(last) || (first.is_empty() && last.is_empty()) {
        return Decision::Whole;
    }
    // Digits alone that do not fit are larger than anything there is.
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    if first.is_empty() {
        let count = number(last).min(len);
        return match count {
            0 => Decision::Unsatisfiable,
            count => Decision::Part(len - count..len),
        };
    }
    let start = number(first);
    let end = match last {
        "" => len,
        last if number(last) < start => return Decision::Whole,
        last => number(last).saturating_add(1).min(len),
    };
    if start >= len {
        return Decision::Unsatisfiable;
    }
    Decision::Part(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn there() -> Representation {
        Representation {
            len: 100,
            etag: "\"a\"".to_owned(),
            modified: "2022-10-05T11:54:11Z".parse().expect("valid"),
        }
    }

    fn asked(headers: &[(&str, &str)]) -> Decision {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let name: HeaderName = name.parse().expect("a name");
                (name, HeaderValue::from_str(value).expect("a value"))
            })
            .collect();
        decide(&Method::GET, &headers, &there())
    }

    #[test]
    fn ranges_of_clients() {
        for (range, expected) in [
            ("bytes=0-3", Decision::Part(0..4)),
            ("bytes=40-", Decision::Part(40..100)),
            ("bytes=-5", Decision::Part(95..100)),
            ("bytes=-500", Decision::Part(0..100)),
            ("bytes=90-999999999999999999999", Decision::Part(90..100)),
            ("bytes=100-", Decision::Unsatisfiable),
            ("bytes=-0", Decision::Unsatisfiable),
            ("bytes=5-2", Decision::Whole),
            ("bytes=0-1,3-4", Decision::Whole),
            ("bytes=a-b", Decision::Whole),
            ("lines=1-2", Decision::Whole),
            ("bytes=-", Decision::Whole),
        ] {
            assert_eq!(asked(&[("range", range)]), expected, "{range}");
        }
    }

    #[test]
    fn going_on_needs_the_same_representation() {
        let range = ("range", "bytes=40-");
        assert_eq!(
            asked(&[range, ("if-range", "\"a\"")]),
            Decision::Part(40..100)
        );
        assert_eq!(asked(&[range, ("if-range", "\"b\"")]), Decision::Whole);
        assert_eq!(asked(&[range, ("if-range", "W/\"a\"")]), Decision::Whole);
        assert_eq!(
            asked(&[range, ("if-range", "Wed, 05 Oct 2022 11:54:11 GMT")]),
            Decision::Part(40..100)
        );
        assert_eq!(
            asked(&[("if-none-match", "\"x\", W/\"a\"")]),
            Decision::NotModified
        );
        assert_eq!(
            asked(&[("if-match", "\"x\"")]),
            Decision::PreconditionFailed
        );
        let headers =
            HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static("bytes=0-1"))]);
        assert_eq!(decide(&Method::HEAD, &headers, &there()), Decision::Whole);
    }

    proptest::proptest! {
        #[test]
        fn any_range_lies_inside(text in "bytes=[0-9,-]{0,30}", len in 0u64..1_000) {
            if let Decision::Part(range) = range(&text, len) {
                proptest::prop_assert!(range.start < range.end && range.end <= len);
            }
        }
    }
}
