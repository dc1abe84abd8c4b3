//! Absolute links that survive a reverse proxy.
//!
//! A link begins with the configured base URL; else with what a trusted proxy says of the request
//! it took (`Forwarded`, RFC 7239, or `X-Forwarded-Proto`, `-Host` and `-Prefix`); else with the
//! host that the request names. A proxy is trusted where it connects from this machine: headers
//! of anybody else could make the server hand out links to their own host.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use thiserror::Error;
use url::Url;

use crate::state::AppState;

/// Longest host or prefix that is believed, in bytes.
const PART_BYTES_MAX: usize = 255;

/// A base URL in the configuration that cannot be one.
#[derive(Debug, Error)]
#[error("\"{text}\" is no base URL: it begins with http:// or https:// and has no query")]
pub struct BaseUrlError {
    text: String,
}

/// How every link of an answer begins: scheme, host and prefix, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let is_plain = Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        });
        if !is_plain {
            return Err(BaseUrlError {
                text: text.to_owned(),
            });
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }

    /// Returns the link to `path` on this server; `path` begins with a slash and is already encoded.
    pub(crate) fn href(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    fn of_request(parts: &Parts) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let is_trusted =
            peer.is_some_and(|ConnectInfo(address)| address.ip().to_canonical().is_loopback());
        let said = if is_trusted {
            Forwarded::of_headers(&parts.headers)
        } else {
            Forwarded::default()
        };
        let named =
            || header_text(&parts.headers, header::HOST.as_str()).filter(|host| is_host(host));
        let authority = || {
            parts
                .uri
                .authority()
                .map(|authority| authority.as_str().to_owned())
        };
        let host = said.host.or_else(named).or_else(authority);
        let scheme = said.scheme.unwrap_or("http");
        let prefix = said.prefix.unwrap_or_default();
        Self(format!(
            "{scheme}://{}{prefix}",
            host.as_deref().unwrap_or("localhost")
        ))
    }
}

impl FromRequestParts<AppState> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let configured = state.base_url.clone();
        Ok(configured.unwrap_or_else(|| Self::of_request(parts)))
    }
}

/// Returns `text` as one segment of a path: everything but letters, digits and `-._~` encoded.
pub(crate) fn path_segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// What a proxy says of the request it took.
#[derive(Debug, Default, PartialEq, Eq)]
struct Forwarded {
    scheme: Option<&'static str>,
    host: Option<String>,
    prefix: Option<String>,
}

impl Forwarded {
    fn of_headers(headers: &HeaderMap) -> Self {
        let first = |name| {
            let text = header_text(headers, name)?;
            // Each proxy on the way adds a value at the end: the first is the user's own.
            Some(text.split(',').next().unwrap_or_default().trim().to_owned())
        };
        let mut said = Self {
            scheme: first("x-forwarded-proto").and_then(|text| known_scheme(&text)),
            host: first("x-forwarded-host").filter(|host| is_host(host)),
            prefix: first("x-forwarded-prefix").filter(|prefix| is_prefix(prefix)),
        };
        if let Some(port) = first("x-forwarded-port").and_then(|text| text.parse::<u16>().ok()) {
            said.add_port(port);
        }
        for pair in first("forwarded").unwrap_or_default().split(';') {
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "proto" => said.scheme = known_scheme(value).or(said.scheme),
                "host" if is_host(value) => said.host = Some(value.to_owned()),
                _ => {}
            }
        }
        let prefix = said.prefix.take().unwrap_or_default();
        let prefix = prefix.trim_end_matches('/');
        said.prefix = (!prefix.is_empty()).then(|| prefix.to_owned());
        said
    }

    /// Adds a port that the host does not name and the scheme does not imply.
    fn add_port(&mut self, port: u16) {
        let implied = match self.scheme {
            Some("https") => 443,
            _ => 80,
        };
        if let Some(host) = &mut self.host
            && port != implied
            && !has_port(host)
        {
            host.push_str(&format!(":{port}"));
        }
    }
}

fn has_port(host: &str) -> bool {
    let last = host.rsplit_once(':').map(|(_, port)| port);
    last.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn known_scheme(text: &str) -> Option<&'static str> {
    ["http", "https"]
        .into_iter()
        .find(|scheme| text.eq_ignore_ascii_case(scheme))
}

/// True for `name`, `name:port`, `1.2.3.4:port` and `[::1]:port`: nothing that could end the host
/// part of a URL.
fn is_host(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    !text.is_empty()
        && text.len() <= PART_BYTES_MAX
        && text.bytes().all(is_known)
        && Url::parse(&format!("http://{text}/")).is_ok()
}

fn is_prefix(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte);
    text.starts_with('/')
        && !text.starts_with("//")
        && text.len() <= PART_BYTES_MAX
        && text.bytes().all(is_known)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn base_url(peer: &str, headers: &[(&str, &str)]) -> String {
        let mut request = Request::builder().uri("/stac");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        let peer: SocketAddr = peer.parse().expect("an address");
        parts.extensions.insert(ConnectInfo(peer));
        BaseUrl::of_request(&parts).0
    }

    #[test]
    fn links_name_the_host_that_was_asked() {
        assert_eq!(
            base_url("127.0.0.1:1", &[("host", "localhost:8080")]),
            "http://localhost:8080"
        );
        assert_eq!(
            base_url("127.0.0.1:1", &[("host", "[::1]:80")]),
            "http://[::1]:80"
        );
        assert_eq!(
            base_url("127.0.0.1:1", &[("host", "a/b\"")]),
            "http://localhost"
        );
    }

    #[test]
    fn a_proxy_on_this_machine_is_believed() {
        let headers = [
            ("host", "127.0.0.1:8080"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "eo.example.org, inner"),
            ("x-forwarded-prefix", "/archive/"),
        ];
        assert_eq!(
            base_url("127.0.0.1:1", &headers),
            "https://eo.example.org/archive"
        );
        assert_eq!(
            base_url("[::ffff:127.0.0.1]:1", &headers),
            "https://eo.example.org/archive"
        );
        assert_eq!(base_url("10.0.0.7:1", &headers), "http://127.0.0.1:8080");
        let standard = [
            ("host", "inner"),
            (
                "forwarded",
                "for=1.2.3.4;proto=https;host=\"eo.example.org:8443\"",
            ),
        ];
        assert_eq!(
            base_url("[::1]:1", &standard),
            "https://eo.example.org:8443"
        );
        let port = [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "eo.org"),
            ("x-forwarded-port", "444"),
        ];
        assert_eq!(base_url("[::1]:1", &port), "https://eo.org:444");
    }

    #[test]
    fn what_could_break_a_link_is_not_believed() {
        for (name, value) in [
            ("x-forwarded-host", "evil/path?"),
            ("x-forwarded-host", "user@evil"),
            ("x-forwarded-prefix", "//evil"),
            ("x-forwarded-prefix", "/a\"b"),
            ("x-forwarded-proto", "javascript"),
        ] {
            let answer = base_url("127.0.0.1:1", &[("host", "good"), (name, value)]);
            assert_eq!(answer, "http://good", "{name}: {value}");
        }
    }

    #[test]
    fn base_urls_are_checked() {
        assert_eq!(
            BaseUrl::parse("https://eo.org/x/")
                .expect("valid")
                .href("/stac"),
            "https://eo.org/x/stac"
        );
        for text in [
            "eo.org",
            "ftp://eo.org",
            "https://eo.org/?a",
            "https://user:pw@eo.org",
        ] {
            assert!(BaseUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn segments_are_encoded() {
        assert_eq!(path_segment("S2A_é/ä?#"), "S2A_%C3%A9%2F%C3%A4%3F%23");
    }
}
