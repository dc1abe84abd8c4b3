//! The portal: its built files, compiled into the program (`build.rs`), and the page that stands in for them.
//!
//! Texts have a twin `FILE.gz` that is answered to whoever takes gzip. Files below `assets/` carry a digest
//! of their content in their name and never change; the page itself is asked for anew each time, by its
//! `ETag`.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

use crate::state::AppState;

/// Names below the portal's folder, with the content of each.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/portal_files.rs"));
/// Answered at `/` by a program that was built without the portal.
const UNBUILT: &[u8] = include_bytes!("portal_unbuilt.html");
/// The page.
const PAGE: &str = "index.html";
/// For names with a digest of their content: a year, as long as caches take.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const REVALIDATE: &str = "no-cache";
/// Scripts, the worker of the map and data come from here and nowhere else. The map makes pictures of what
/// it fetched (`blob:`) and of its own patterns (`data:`).
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self' blob:; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data: blob:; font-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'self'";
/// Where programs find what is served (RFC 8631).
const DISCOVERY: &str = "<api>; rel=\"service-desc\"; type=\"application/vnd.oai.openapi+json;version=3.0\", \
                         <api.html>; rel=\"service-doc\"; type=\"text/html\", \
                         <stac>; rel=\"search\"; type=\"application/json\"";

/// Entity tags by name of the file.
static ETAGS: LazyLock<HashMap<&str, String>> = LazyLock::new(|| {
    let known = FILES.iter().map(|(name, content)| (*name, etag(content)));
    known.chain([("", etag(UNBUILT))]).collect()
});

/// Returns the routes of the portal.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/", get(page))
        .route(
            "/icon.svg",
            get(async |headers: HeaderMap| file("icon.svg", &headers)),
        )
        .route("/assets/{name}", get(asset))
}

/// Answers `/`.
async fn page(headers: HeaderMap) -> Response {
    let mut response = match find(PAGE) {
        Some(_) => file(PAGE, &headers),
        None => answer("", UNBUILT, PAGE, &headers),
    };
    let added = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "same-origin"),
        (header::LINK, DISCOVERY),
    ];
    for (name, value) in added {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Answers `/assets/{name}`.
async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    file(&format!("assets/{name}"), &headers)
}

fn find(name: &str) -> Option<(&'static str, &'static [u8])> {
    FILES.iter().find(|(known, _)| *known == name).copied()
}

/// Answers a file, compressed where there is a twin and the client takes it.
fn file(name: &str, headers: &HeaderMap) -> Response {
    // A twin is an encoding of its file, no file of its own.
    let Some((stored, content)) = find(name).filter(|_| !name.ends_with(".gz")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let twin = find(&format!("{name}.gz"));
    let chosen = twin.filter(|_| takes_gzip(headers));
    let (entity, bytes) = chosen.unwrap_or((stored, content));
    let mut response = answer(entity, bytes, name, headers);
    if chosen.is_some() {
        let gzip = HeaderValue::from_static("gzip");
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, gzip);
    }
    response
}

/// Answers bytes of the entity `entity` as what `name` says they are, or 304.
fn answer(entity: &str, bytes: &'static [u8], name: &str, headers: &HeaderMap) -> Response {
    let etag = ETAGS.get(entity).map_or("", String::as_str);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let is_known = known.split(',').any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.trim_start_matches("W/") == etag
    });
    let cached = if name.starts_with("assets/") {
        IMMUTABLE
    } else {
        REVALIDATE
    };
    let heads = [
        (header::CACHE_CONTROL, cached),
        (header::ETAG, etag),
        (header::VARY, "Accept-Encoding"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, heads).into_response();
    }
    let media_type = [(header::CONTENT_TYPE, media_type(name))];
    (heads, media_type, Body::from(bytes)).into_response()
}

/// Whether an answer may be gzip (RFC 9110 §12.5.3): named, or any, and not with a weight of zero.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let weight = |wanted: &str| {
        accepted.split(',').find_map(|part| {
            let mut words = part.split(';').map(str::trim);
            let is_meant = words.next()?.eq_ignore_ascii_case(wanted);
            let quality = words.find_map(|word| word.strip_prefix("q="));
            is_meant.then(|| quality.map_or(1.0, |text| text.parse().unwrap_or(0.0)))
        })
    };
    weight("gzip").or_else(|| weight("*")).unwrap_or(0.0) > 0.0
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "map" => "application/json",
        "png" => "image/png",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn etag(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let hex: String = digest
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{hex}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(encodings: &str) -> HeaderMap {
        let value = HeaderValue::from_str(encodings).expect("a header");
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)])
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (encodings, expected) in [
            ("gzip, deflate, br", true),
            ("GZIP;q=0.5", true),
            ("*", true),
            ("br", false),
            ("gzip;q=0", false),
            ("gzip; q=0, *", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(&accepting(encodings)), expected, "{encodings}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_known_page_is_not_sent_again() {
        let first = page(HeaderMap::new()).await;
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[header::CACHE_CONTROL], REVALIDATE);
        assert!(
            first
                .headers()
                .contains_key(header::CONTENT_SECURITY_POLICY)
        );
        let known =
            HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone())]);
        assert_eq!(page(known).await.status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn every_file_has_a_media_type_and_only_digests_are_kept_for_ever() {
        for (name, _) in FILES.iter().filter(|(name, _)| !name.ends_with(".gz")) {
            let response = file(name, &accepting("gzip"));
            assert_eq!(response.status(), StatusCode::OK, "{name}");
            assert_ne!(media_type(name), "application/octet-stream", "{name}");
            let is_immutable = response.headers()[header::CACHE_CONTROL] == IMMUTABLE;
            assert_eq!(is_immutable, name.starts_with("assets/"), "{name}");
        }
        for name in ["", "..", "assets/", "index.html.gz", "assets/no.js"] {
            assert_eq!(
                file(name, &HeaderMap::new()).status(),
                StatusCode::NOT_FOUND,
                "{name}"
            );
        }
    }
}
