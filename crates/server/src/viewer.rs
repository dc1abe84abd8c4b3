//! Who asks: the bearer token of a request.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use swath_access::Viewer;

use crate::error::Problem;
use crate::state::AppState;

/// The one who sent a request. Without an `Authorization` header: anonymous. With a token that is
/// not known, or no longer: the request fails with 401, it is not answered as if anonymous.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// In whose name the catalogue and the stores are asked.
    pub(crate) viewer: Viewer,
}

/// A caller with a token: what every write asks for.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    /// In whose name the catalogue is changed.
    pub(crate) viewer: Viewer,
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let known = known_viewer(parts, state)?;
        Ok(Self {
            viewer: known.unwrap_or_else(Viewer::anonymous),
        })
    }
}

impl FromRequestParts<AppState> for Writer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        match known_viewer(parts, state)? {
            Some(viewer) => Ok(Self { viewer }),
            None => Err(unauthorized(
                "writing needs a token: send \"Authorization: Bearer TOKEN\" (swath token create)",
            )),
        }
    }
}

/// Returns the viewer of the token, `None` where the request has none.
fn known_viewer(parts: &Parts, state: &AppState) -> Result<Option<Viewer>, Problem> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim().to_owned(),
        // Older clients send a name and a password: the token is the password.
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => match password(pair.trim())
        {
            Some(password) if password.is_empty() => return Ok(None),
            Some(password) => password,
            None => {
                return Err(unauthorized(
                    "the Authorization header is not of the form \"Basic …\"",
                ));
            }
        },
        _ => {
            return Err(unauthorized(
                "the Authorization header is not of the form \"Bearer TOKEN\"",
            ));
        }
    };
    match state.tokens.viewer(&token) {
        Ok(Some(viewer)) => Ok(Some(viewer)),
        Ok(None) => Err(unauthorized("the token is not known, or has expired")),
        Err(error) => {
            tracing::error!(%error, "tokens cannot be read");
            Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Unavailable",
                "tokens cannot be checked at present",
            ))
        }
    }
}

fn unauthorized(description: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "Unauthorized", description)
}

/// Returns the password of `name:password` in base 64 (RFC 7617).
fn password(pair: &str) -> Option<String> {
    let text = String::from_utf8(base64_decoded(pair)?).ok()?;
    let (_, password) = text.split_once(':')?;
    Some(password.to_owned())
}

/// Decodes base 64 (RFC 4648, section 4), with or without padding.
fn base64_decoded(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut held) = (0_u32, 0_u32);
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xfff;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_what_stands_behind_the_colon() {
        assert_eq!(password("Og==").as_deref(), Some(""));
        assert_eq!(
            password("YWRhOnN3YXRoX3Rva2Vu").as_deref(),
            Some("swath_token")
        );
        assert_eq!(password("YTpiOmM=").as_deref(), Some("b:c"));
        for bad in ["", "YWRh", "a:b", "\u{0}"] {
            assert_eq!(password(bad), None, "{bad}");
        }
    }
}
