//! A picture as an answer over HTTP: the same of every protocol.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use swath_access::{Role, Viewer};

use super::selection::MOSAIC_ITEMS_MAX;
use super::{MapFailure, MapRequest, prepare_map};
use crate::asker::Asker;

/// How long a picture may be taken from a cache without asking, in seconds.
const AGE_MAX_S: u32 = 60;
/// Says that a picture has gaps that further items might fill.
pub(crate) const MOSAIC: HeaderName = HeaderName::from_static("swath-mosaic");

/// Draws and answers, or says that the client has it already.
///
/// # Errors
/// Why there is no map.
pub(crate) async fn answer_map(
    asker: &Asker,
    request: &MapRequest,
) -> Result<Response, MapFailure> {
    let Asker {
        state,
        viewer,
        headers,
        ..
    } = asker;
    let prepared = prepare_map(state, viewer, request).await?;
    let etag = prepared.etag.clone();
    if is_known(headers, &etag) {
        return Ok(tagged(
            StatusCode::NOT_MODIFIED.into_response(),
            &etag,
            viewer,
        ));
    }
    let image = prepared.draw(state, viewer).await?;
    // Where items beyond the first page were needed, the etag is known only now.
    if is_known(headers, &image.etag) {
        let response = StatusCode::NOT_MODIFIED.into_response();
        return Ok(tagged(response, &image.etag, viewer));
    }
    let mut response = Response::new(Body::from(image.bytes));
    let kind = HeaderValue::from_static(image.media_type);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if image.is_cut {
        put_cut(&mut response);
    }
    Ok(tagged(response, &image.etag, viewer))
}

/// Says in a header that further items might fill gaps of the picture.
pub(crate) fn put_cut(response: &mut Response) {
    let text = format!("cut; items={MOSAIC_ITEMS_MAX}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(MOSAIC, value);
    }
}

fn tagged(mut response: Response, etag: &str, viewer: &Viewer) -> Response {
    // What one viewer sees is not for the caches of others.
    let scope = match viewer.role() {
        Role::Anonymous => "public",
        _ => "private",
    };
    let control = format!("{scope}, max-age={AGE_MAX_S}");
    for (name, text) in [(header::ETAG, etag), (header::CACHE_CONTROL, &control)] {
        if let Ok(value) = HeaderValue::from_str(text) {
            response.headers_mut().insert(name, value);
        }
    }
    let vary = HeaderValue::from_static("Authorization, Accept");
    response.headers_mut().append(header::VARY, vary);
    response
}

/// True where the client has the version already.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let sent = headers.get(header::IF_NONE_MATCH);
    let sent = sent
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    sent.split(',')
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_compared_weakly() {
        let mut headers = HeaderMap::new();
        assert!(!is_known(&headers, "\"a\""));
        headers.insert(
            header::IF_NONE_MATCH,
            HeaderValue::from_static("\"b\", W/\"a\""),
        );
        assert!(is_known(&headers, "\"a\"") && !is_known(&headers, "\"c\""));
    }

    #[test]
    fn cut_pictures_say_so() {
        let mut response = StatusCode::OK.into_response();
        put_cut(&mut response);
        assert_eq!(response.headers()[MOSAIC], "cut; items=240");
    }
}
