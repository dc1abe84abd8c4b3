//! `If-Match`: change it only where it still is what the client saw.

use axum::http::{HeaderMap, StatusCode, header};

use crate::error::Problem;

/// Most etags in the header.
const TAGS_MAX: usize = 20;

/// What the request says about the version that it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// Any version (no header, or `*`).
    Any,
    /// One of these, quoted, without the mark of weak etags: proxies that compress add it.
    Tags(Vec<String>),
}

impl IfMatch {
    /// Reads the header.
    pub(crate) fn parse(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(header::IF_MATCH) else {
            return Ok(Self::Any);
        };
        let text = value
            .to_str()
            .map_err(|_| Problem::invalid("If-Match: not etags"))?
            .trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        let tags: Vec<String> = text
            .split(',')
            .map(|tag| tag.trim().trim_start_matches("W/").to_owned())
            .take(TAGS_MAX + 1)
            .collect();
        let are_quoted = tags
            .iter()
            .all(|tag| tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"'));
        if tags.len() > TAGS_MAX || !are_quoted {
            return Err(Problem::invalid(format!(
                "If-Match: up to {TAGS_MAX} quoted etags"
            )));
        }
        Ok(Self::Tags(tags))
    }

    /// Checks the version that is there; returns its etag where the change must meet just it.
    pub(crate) fn check<'a>(&self, current: &'a str) -> Result<Option<&'a str>, Problem> {
        match self {
            Self::Any => Ok(None),
            Self::Tags(tags) if tags.iter().any(|tag| tag == current) => Ok(Some(current)),
            Self::Tags(_) => Err(changed()),
        }
    }
}

/// Returns the problem of a version that is not there any more.
pub(crate) fn changed() -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "PreconditionFailed",
        "it was changed meanwhile, or is gone: read it again and repeat the change",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<IfMatch, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, text.parse().expect("a header"));
        IfMatch::parse(&headers)
    }

    #[test]
    fn etags_are_compared() {
        let both = parsed("\"a\", W/\"b\"").expect("etags");
        assert_eq!(both.check("\"b\""), Ok(Some("\"b\"")));
        assert_eq!(both.check("\"c\"").expect_err("another").status, 412);
        assert_eq!(parsed("*"), Ok(IfMatch::Any));
        assert_eq!(IfMatch::parse(&HeaderMap::new()), Ok(IfMatch::Any));
        assert!(parsed("a").is_err() && parsed("\"").is_err());
    }
}
