//! JSON bodies: bounded before they are parsed.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

use crate::error::Problem;

/// Most values in a body: as a tree in memory each takes some 100 bytes.
const VALUES_MAX: usize = 400_000;

/// Parses a body that is a JSON object.
///
/// # Errors
/// Where it says that it is something else than JSON, is no JSON object, or has too many values.
pub(crate) fn json_object(
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Map<String, Value>, Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if kind.is_some_and(|kind| !is_json(kind)) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            "the body must be JSON, and the Content-Type say so",
        ));
    }
    let values = body
        .iter()
        .filter(|byte| matches!(byte, b',' | b'[' | b'{'))
        .count();
    if values > VALUES_MAX {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PayloadTooLarge",
            format!("the body has more than {VALUES_MAX} values; send it in parts"),
        ));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::invalid("the body must be a JSON object")),
        Err(error) => Err(Problem::invalid(format!("the body is no JSON: {error}"))),
    }
}

/// True for `application/json`, `application/geo+json`, `application/merge-patch+json` and the like.
fn is_json(kind: &str) -> bool {
    let essence = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(kind: &str, body: impl Into<Bytes>) -> Result<Map<String, Value>, StatusCode> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().expect("a header"));
        json_object(&headers, &body.into()).map_err(|problem| problem.status)
    }

    #[test]
    fn objects_in_json_are_read() {
        assert!(parsed("application/json; charset=utf-8", "{\"a\": 1}").is_ok());
        assert!(parsed("application/geo+json", "{}").is_ok());
        assert!(json_object(&HeaderMap::new(), &Bytes::from_static(b"{}")).is_ok());
    }

    #[test]
    fn everything_else_is_refused() {
        assert_eq!(
            parsed("text/plain", "{}"),
            Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        );
        for body in ["", "[]", "{", "{\"a\": 1e999}", "\u{0}", "null"] {
            assert_eq!(
                parsed("application/json", body),
                Err(StatusCode::BAD_REQUEST),
                "{body}"
            );
        }
        let deep = format!("{{\"a\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(
            parsed("application/json", deep),
            Err(StatusCode::BAD_REQUEST)
        );
        let wide = format!("{{\"a\": [{}]}}", vec!["0"; VALUES_MAX + 1].join(","));
        assert_eq!(
            parsed("application/json", wide),
            Err(StatusCode::PAYLOAD_TOO_LARGE)
        );
    }
}
