//! Words of a `$filter`.

use swath_stac::parse_datetime;
use thiserror::Error;
use uuid::Uuid;

use super::filter::Value;
use crate::products::attributes::Literal;
use crate::products::footprint::WKT_BYTES_MAX;

/// Longest filter, in bytes: the longest WKT and as much again.
pub(crate) const FILTER_BYTES_MAX: usize = 2 * WKT_BYTES_MAX;
/// Most words of a filter.
const TOKENS_MAX: usize = 8_192;

/// A filter that cannot be understood.
#[derive(Debug, Error, PartialEq)]
#[error("{reason}")]
pub(crate) struct FilterError {
    reason: String,
}

impl FilterError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

/// One word, and where it begins in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: TokenKind,
    /// Where it begins.
    pub(crate) at: usize,
}

/// What a word is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind {
    /// `and`, `eq`, `contains`, `ContentDate/Start`, `OData.CSC.Intersects`.
    Word(String),
    /// A value.
    Value(Value),
    /// `geography'…'`, without its quotes.
    Geography(String),
    /// `(`, `)`, `,`, `=` or `:`.
    Mark(char),
}

/// Splits a filter into words.
///
/// # Errors
/// Where it is too long, a text does not end, or a character has no meaning.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    if text.len() > FILTER_BYTES_MAX {
        let reason = format!("{} bytes, at most {FILTER_BYTES_MAX} are read", text.len());
        return Err(FilterError::new(reason));
    }
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if found.len() >= TOKENS_MAX {
            let reason = format!("more than {TOKENS_MAX} words");
            return Err(FilterError::new(reason));
        }
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, len) = token(&text[at..], first, at)?;
        found.push(Token { kind, at });
        at += len;
    }
    Ok(found)
}

/// Returns the word that `rest` begins with, and its length in bytes.
fn token(rest: &str, first: char, at: usize) -> Result<(TokenKind, usize), FilterError> {
    match first {
        '(' | ')' | ',' | '=' | ':' => Ok((TokenKind::Mark(first), 1)),
        '\'' => {
            let (text, len) = quoted(rest, at)?;
            Ok((TokenKind::Value(Value::Literal(Literal::Text(text))), len))
        }
        '0'..='9' | '-' | '+' => value(rest, at),
        'A'..='Z' | 'a'..='z' | '_' | '@' | '$' => word(rest, at),
        other => Err(FilterError::new(format!(
            "unexpected character {other:?} at {at}"
        ))),
    }
}

/// Reads a text between quotes; a quote inside is doubled.
fn quoted(rest: &str, at: usize) -> Result<(String, usize), FilterError> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((index, character)) = characters.next() {
        if character != '\'' {
            text.push(character);
            continue;
        }
        if characters.peek().is_some_and(|(_, next)| *next == '\'') {
            characters.next();
            text.push('\'');
            continue;
        }
        return Ok((text, index + 1));
    }
    Err(FilterError::new(format!(
        "the text that begins at {at} has no closing quote"
    )))
}

/// Reads a number, an instant or a UUID.
fn value(rest: &str, at: usize) -> Result<(TokenKind, usize), FilterError> {
    let len = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '+')))
        .unwrap_or(rest.len());
    let text = &rest[..len];
    let literal = |literal| TokenKind::Value(Value::Literal(literal));
    if let Ok(number) = text.parse::<f64>()
        && number.is_finite()
    {
        return Ok((literal(Literal::Number(number)), len));
    }
    if let Ok(uuid) = Uuid::try_parse(text)
        && text.len() == 36
    {
        return Ok((TokenKind::Value(Value::Uuid(uuid)), len));
    }
    // An unencoded `+` of a time zone arrives as a space.
    let zone = rest.get(len..len + 6).filter(|zone| is_zone(zone));
    if let Some(zone) = zone
        && let Ok(datetime) = parse_datetime(&format!("{text}+{}", zone.trim_start()))
    {
        return Ok((literal(Literal::Datetime(datetime)), len + zone.len()));
    }
    if let Ok(datetime) = parse_datetime(text) {
        return Ok((literal(Literal::Datetime(datetime)), len));
    }
    let shown: String = text.chars().take(60).collect();
    Err(FilterError::new(format!(
        "\"{shown}\" at {at} is neither a number nor an instant"
    )))
}

fn is_zone(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |index: usize| bytes[index].is_ascii_digit();
    bytes.len() == 6
        && bytes[0] == b' '
        && bytes[3] == b':'
        && [1, 2, 4, 5].into_iter().all(is_digit)
}

/// Reads a name, or a value that a name goes before: `geography'…'`, `datetime'…'`.
fn word(rest: &str, at: usize) -> Result<(TokenKind, usize), FilterError> {
    let len = rest
        .find(|c: char| {
            !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '@' | '$' | '-'))
        })
        .unwrap_or(rest.len());
    let name = &rest[..len];
    let literal = |literal| TokenKind::Value(Value::Literal(literal));
    if rest[len..].starts_with('\'') {
        let (text, text_len) = quoted(&rest[len..], at)?;
        let kind = match name.to_ascii_lowercase().as_str() {
            "geography" | "geometry" => TokenKind::Geography(text),
            "guid" => match Uuid::try_parse(&text) {
                Ok(uuid) => TokenKind::Value(Value::Uuid(uuid)),
                Err(_) => return Err(FilterError::new(format!("no UUID at {at}"))),
            },
            "datetime" | "datetimeoffset" => match parse_datetime(&text) {
                Ok(datetime) => literal(Literal::Datetime(datetime)),
                Err(error) => return Err(FilterError::new(error.to_string())),
            },
            _ => return Err(FilterError::new(format!("unknown kind of value at {at}"))),
        };
        return Ok((kind, len + text_len));
    }
    let kind = match name {
        "true" | "True" => literal(Literal::Boolean(true)),
        "false" | "False" => literal(Literal::Boolean(false)),
        "null" => literal(Literal::Null),
        _ => match Uuid::try_parse(name) {
            Ok(uuid) if name.len() == 36 => TokenKind::Value(Value::Uuid(uuid)),
            _ => TokenKind::Word(name.to_owned()),
        },
    };
    Ok((kind, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let found = tokens(text).expect(text);
        found.into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn words_values_and_marks() {
        let text = |text: &str| TokenKind::Value(Value::Literal(Literal::Text(text.to_owned())));
        assert_eq!(
            kinds("Name eq 'it''s'"),
            [
                TokenKind::Word("Name".into()),
                TokenKind::Word("eq".into()),
                text("it's")
            ]
        );
        assert_eq!(
            kinds("area=geography'SRID=4326;POINT(1 2)'"),
            [
                TokenKind::Word("area".into()),
                TokenKind::Mark('='),
                TokenKind::Geography("SRID=4326;POINT(1 2)".into())
            ]
        );
        assert_eq!(kinds("-1.5e3").len(), 1);
        assert_eq!(kinds("att:att/Name").len(), 3);
    }

    #[test]
    fn instants_of_all_spellings_are_one() {
        let expected = kinds("2018-05-06T10:00:00Z");
        for text in [
            "2018-05-06T12:00:00+02:00",
            "2018-05-06T12:00:00 02:00",
            "2018-05-06T10:00:00.000Z",
            "datetime'2018-05-06T10:00:00'",
        ] {
            assert_eq!(kinds(text), expected, "{text}");
        }
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        for text in ["'open", "é", "1x", "foo'bar'", "guid'1'", ";", "\0"] {
            assert!(tokens(text).is_err(), "{text}");
        }
        assert!(tokens(&"a ".repeat(TOKENS_MAX + 1)).is_err());
        assert!(tokens(&"a".repeat(FILTER_BYTES_MAX + 1)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_ends_in_a_result(text in ".{0,200}") {
            let _ = tokens(&text);
        }

        #[test]
        fn quoted_texts_are_read_back(text in ".{0,60}") {
            let quoted = format!("'{}'", text.replace('\'', "''"));
            proptest::prop_assert_eq!(
                tokens(&quoted).map(|found| found.into_iter().map(|token| token.kind).collect::<Vec<_>>()),
                Ok(vec![TokenKind::Value(Value::Literal(Literal::Text(text)))])
            );
        }
    }
}
