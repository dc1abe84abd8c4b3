//! Plain HTTP: `GET` and `HEAD` with ranges and conditions ([RFC 9110 §13, §14]).
//!
//! [RFC 9110 §13, §14]: https://www.rfc-editor.org/rfc/rfc9110.html#section-13

use std::ops::Range;

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::objects::{Meta, Objects};

/// What a `Range` header asks of an object of known size.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    /// No header, one that cannot be read, or several ranges: the whole object is a right answer.
    Whole,
    Part(Range<u64>),
    Unsatisfiable,
}

/// Answers a request; `honours_range` is false where a fault makes the server ignore ranges.
pub(crate) fn respond<B>(
    objects: &Objects,
    request: &Request<B>,
    key: &str,
    honours_range: bool,
) -> Response<Bytes> {
    let is_head = request.method() == Method::HEAD;
    if !is_head && request.method() != Method::GET {
        return empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    let meta = match objects.head(key) {
        Ok(Some(meta)) => meta,
        Ok(None) => return empty(StatusCode::NOT_FOUND),
        Err(_) => return empty(StatusCode::INTERNAL_SERVER_ERROR),
    };
    if let Some(status) = failed_condition(request.headers(), &meta) {
        let mut response = empty(status);
        describe(response.headers_mut(), &meta);
        return response;
    }
    let asked = match header_text(request.headers(), &header::RANGE) {
        Some(range) if honours_range && !is_outdated(request.headers(), &meta) => {
            asked_range(range, meta.size)
        }
        _ => Asked::Whole,
    };
    let (status, part) = match asked {
        Asked::Whole => (StatusCode::OK, 0..meta.size),
        Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Asked::Unsatisfiable => {
            let mut response = empty(StatusCode::RANGE_NOT_SATISFIABLE);
            let value = format!("bytes */{}", meta.size);
            response
                .headers_mut()
                .insert(header::CONTENT_RANGE, text_value(&value));
            return response;
        }
    };
    let length = part.end - part.start;
    let content_range = format!("bytes {}-{}/{}", part.start, part.end.max(1) - 1, meta.size);
    let content = if is_head {
        Ok(Bytes::new())
    } else {
        objects.read(key, part)
    };
    let Ok(content) = content else {
        return empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut response = Response::new(content);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    describe(headers, &meta);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if status == StatusCode::PARTIAL_CONTENT {
        headers.insert(header::CONTENT_RANGE, text_value(&content_range));
    }
    response
}

/// Returns an answer without body.
pub(crate) fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

pub(crate) fn text_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("visible ASCII")
}

fn describe(headers: &mut HeaderMap, meta: &Meta) {
    headers.insert(header::ETAG, text_value(&format!("\"{}\"", meta.etag)));
    headers.insert(
        header::LAST_MODIFIED,
        text_value(&httpdate::fmt_http_date(meta.modified)),
    );
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
}

fn header_text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn failed_condition(headers: &HeaderMap, meta: &Meta) -> Option<StatusCode> {
    if let Some(wanted) = header_text(headers, &header::IF_MATCH)
        && !names_etag(wanted, &meta.etag)
    {
        return Some(StatusCode::PRECONDITION_FAILED);
    }
    let known = header_text(headers, &header::IF_NONE_MATCH)?;
    names_etag(known, &meta.etag).then_some(StatusCode::NOT_MODIFIED)
}

/// Returns whether an `If-Range` says that the client's part is of another object.
fn is_outdated(headers: &HeaderMap, meta: &Meta) -> bool {
    header_text(headers, &header::IF_RANGE).is_some_and(|wanted| !names_etag(wanted, &meta.etag))
}

fn names_etag(list: &str, etag: &str) -> bool {
    let mut names = list.split(',').map(str::trim);
    names.any(|name| name == "*" || name.trim_matches('"') == etag)
}

fn asked_range(header: &str, size: u64) -> Asked {
    let Some(spec) = header.strip_prefix("bytes=") else {
        return Asked::Whole;
    };
    let Some((first, last)) = spec.split_once('-') else {
        return Asked::Whole;
    };
    if first.is_empty() {
        return match last.parse::<u64>() {
            Ok(0) => Asked::Unsatisfiable,
            Ok(_) if size == 0 => Asked::Unsatisfiable,
            Ok(length) => Asked::Part(size.saturating_sub(length)..size),
            Err(_) => Asked::Whole,
        };
    }
    let Ok(first) = first.parse::<u64>() else {
        return Asked::Whole;
    };
    let last = if last.is_empty() {
        Ok(u64::MAX - 1)
    } else {
        last.parse::<u64>()
    };
    match last {
        Ok(last) if last < first => Asked::Whole,
        Ok(_) if first >= size => Asked::Unsatisfiable,
        Ok(last) => Asked::Part(first..size.min(last + 1)),
        Err(_) => Asked::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_the_standard() {
        let cases = [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=2-", Asked::Part(2..10)),
            ("bytes=2-99", Asked::Part(2..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-99", Asked::Part(0..10)),
            ("bytes=10-", Asked::Unsatisfiable),
            ("bytes=-0", Asked::Unsatisfiable),
            ("bytes=0-1,4-5", Asked::Whole),
            ("bytes=5-4", Asked::Whole),
            ("rows=1-2", Asked::Whole),
        ];
        for (header, asked) in cases {
            assert_eq!(asked_range(header, 10), asked, "{header}");
        }
        assert_eq!(asked_range("bytes=-1", 0), Asked::Unsatisfiable);
    }
}
