//! The grammar of `$filter`, by recursive descent.
//!
//! ```text
//! or         = and { "or" and }
//! and        = not { "and" not }
//! not        = "not" not | primary
//! primary    = "(" or ")" | function | comparison | lambda
//! comparison = operand ("eq" | "ne" | "lt" | "le" | "gt" | "ge") operand | field "in" "(" value { "," value } ")"
//! function   = ("contains" | "startswith" | "endswith") "(" field "," text ")"
//!            | ("OData.CSC.Intersects" | "geo.intersects") "(" [ name "=" | field "," ] geography ")"
//! lambda     = path "/any" "(" variable ":" or ")"
//! ```

use super::filter::{Filter, Value};
use super::lexer::{FilterError, Token, TokenKind, tokens};
use crate::products::attributes::Literal;
use crate::products::expressions::{Comparison, Position};

/// Deepest nesting of a filter.
pub(crate) const DEPTH_MAX: usize = 32;
/// Most conditions of a filter.
pub(crate) const TERMS_MAX: usize = 256;

/// Parses a `$filter`.
///
/// # Errors
/// With what was expected where; also beyond the limits of length, depth and terms.
pub(crate) fn parse(text: &str) -> Result<Filter, FilterError> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        depth: 0,
        terms: 0,
        end: text.len(),
    };
    let filter = parser.or()?;
    match parser.peek() {
        None => Ok(filter),
        Some(_) => Err(parser.expected("and, or, or the end")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    terms: usize,
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&TokenKind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn peek_word(&self) -> Option<&str> {
        match self.peek() {
            Some(TokenKind::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn take(&mut self) -> Option<TokenKind> {
        let token = self.tokens.get(self.next)?;
        self.next += 1;
        Some(token.kind.clone())
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let is_there = self
            .peek_word()
            .is_some_and(|own| own.eq_ignore_ascii_case(word));
        if is_there {
            self.next += 1;
        }
        is_there
    }

    fn skip_mark(&mut self, mark: char) -> bool {
        let is_there = self.peek() == Some(&TokenKind::Mark(mark));
        if is_there {
            self.next += 1;
        }
        is_there
    }

    fn expect_mark(&mut self, mark: char) -> Result<(), FilterError> {
        if self.skip_mark(mark) {
            return Ok(());
        }
        Err(self.expected(&format!("\"{mark}\"")))
    }

    fn expected(&self, what: &str) -> FilterError {
        let at = self
            .tokens
            .get(self.next)
            .map_or(self.end, |token| token.at);
        FilterError::new(format!("expected {what} at character {at}"))
    }

    /// Goes one level deeper.
    fn nested(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<Filter, FilterError>,
    ) -> Result<Filter, FilterError> {
        if self.depth >= DEPTH_MAX {
            let reason = format!("nested deeper than {DEPTH_MAX}");
            return Err(FilterError::new(reason));
        }
        self.depth += 1;
        let filter = parse(self);
        self.depth -= 1;
        filter
    }

    fn or(&mut self) -> Result<Filter, FilterError> {
        let mut parts = vec![self.and()?];
        while self.skip_word("or") {
            parts.push(self.and()?);
        }
        Ok(one_or(parts, Filter::Or))
    }

    fn and(&mut self) -> Result<Filter, FilterError> {
        let mut parts = vec![self.not()?];
        while self.skip_word("and") {
            parts.push(self.not()?);
        }
        Ok(one_or(parts, Filter::And))
    }

    fn not(&mut self) -> Result<Filter, FilterError> {
        if self.skip_word("not") {
            let inner = self.nested(Self::not)?;
            return Ok(Filter::Not(Box::new(inner)));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Filter, FilterError> {
        if self.skip_mark('(') {
            let inner = self.nested(Self::or)?;
            self.expect_mark(')')?;
            return Ok(inner);
        }
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(FilterError::new(format!(
                "more than {TERMS_MAX} conditions"
            )));
        }
        match self.take() {
            Some(TokenKind::Word(word)) if self.peek() == Some(&TokenKind::Mark('(')) => {
                self.call(&word)
            }
            Some(TokenKind::Word(field)) => self.comparison(field),
            Some(TokenKind::Value(value)) => {
                let comparison = self.operator()?;
                let field = self.field()?;
                Ok(Filter::Compare {
                    field,
                    comparison: comparison.mirrored(),
                    value,
                })
            }
            _ => {
                self.next = self.next.saturating_sub(1);
                Err(self.expected("a field, a function or \"(\""))
            }
        }
    }

    fn field(&mut self) -> Result<String, FilterError> {
        match self.peek() {
            Some(TokenKind::Word(field)) => {
                let field = field.clone();
                self.next += 1;
                Ok(field)
            }
            _ => Err(self.expected("a field")),
        }
    }

    fn operator(&mut self) -> Result<Comparison, FilterError> {
        let comparison = match self.peek_word() {
            Some("eq") => Comparison::Equal,
            Some("ne") => Comparison::NotEqual,
            Some("lt") => Comparison::Less,
            Some("le") => Comparison::LessOrEqual,
            Some("gt") => Comparison::Greater,
            Some("ge") => Comparison::GreaterOrEqual,
            _ => return Err(self.expected("eq, ne, lt, le, gt, ge or in")),
        };
        self.next += 1;
        Ok(comparison)
    }

    fn value(&mut self) -> Result<Value, FilterError> {
        match self.peek() {
            Some(TokenKind::Value(value)) => {
                let value = value.clone();
                self.next += 1;
                Ok(value)
            }
            _ => Err(self.expected("a value")),
        }
    }

    fn text(&mut self) -> Result<String, FilterError> {
        match self.peek() {
            Some(TokenKind::Value(Value::Literal(Literal::Text(text)))) => {
                let text = text.clone();
                self.next += 1;
                Ok(text)
            }
            _ => Err(self.expected("a text in quotes")),
        }
    }

    fn comparison(&mut self, field: String) -> Result<Filter, FilterError> {
        if self.skip_word("in") {
            return self.list(field);
        }
        Ok(Filter::Compare {
            field,
            comparison: self.operator()?,
            value: self.value()?,
        })
    }

    fn list(&mut self, field: String) -> Result<Filter, FilterError> {
        self.expect_mark('(')?;
        let mut choices = Vec::new();
        loop {
            self.terms += 1;
            if self.terms > TERMS_MAX {
                return Err(FilterError::new(format!(
                    "more than {TERMS_MAX} conditions"
                )));
            }
            choices.push(Filter::Compare {
                field: field.clone(),
                comparison: Comparison::Equal,
                value: self.value()?,
            });
            if !self.skip_mark(',') {
                break;
            }
        }
        self.expect_mark(')')?;
        Ok(one_or(choices, Filter::Or))
    }

    /// Reads a function behind its name.
    fn call(&mut self, name: &str) -> Result<Filter, FilterError> {
        let position = match name.to_ascii_lowercase().as_str() {
            "contains" => Position::Within,
            "startswith" => Position::Start,
            "endswith" => Position::End,
            "odata.csc.intersects" | "geo.intersects" => return self.intersects(),
            other if other.ends_with("/any") => return self.lambda(),
            _ => {
                let shown: String = name.chars().take(60).collect();
                return Err(FilterError::new(format!(
                    "unknown function \"{shown}\": contains, startswith, endswith, OData.CSC.Intersects and …/any are known"
                )));
            }
        };
        self.expect_mark('(')?;
        let field = self.field()?;
        self.expect_mark(',')?;
        let part = self.text()?;
        self.expect_mark(')')?;
        Ok(Filter::Holds {
            field,
            part,
            position,
        })
    }

    fn intersects(&mut self) -> Result<Filter, FilterError> {
        self.expect_mark('(')?;
        if matches!(self.peek(), Some(TokenKind::Word(_))) {
            self.next += 1;
            if !self.skip_mark('=') {
                self.expect_mark(',')?;
            }
        }
        let Some(TokenKind::Geography(wkt)) = self.peek().cloned() else {
            return Err(self.expected("geography'SRID=4326;…'"));
        };
        self.next += 1;
        self.expect_mark(')')?;
        Ok(Filter::Intersects(wkt))
    }

    fn lambda(&mut self) -> Result<Filter, FilterError> {
        self.expect_mark('(')?;
        let variable = self.field()?;
        self.expect_mark(':')?;
        let condition = self.nested(Self::or)?;
        self.expect_mark(')')?;
        Ok(Filter::Any {
            variable,
            condition: Box::new(condition),
        })
    }
}

fn one_or(mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    if parts.len() == 1 {
        parts.remove(0)
    } else {
        join(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Value {
        Value::Literal(Literal::Text(text.into()))
    }

    #[test]
    fn precedence_is_not_and_or() {
        let filter = parse("Name eq 'a' or not Name eq 'b' and Name eq 'c'").expect("parses");
        let compare = |name: &str| Filter::Compare {
            field: "Name".into(),
            comparison: Comparison::Equal,
            value: text(name),
        };
        let expected = Filter::Or(vec![
            compare("a"),
            Filter::And(vec![Filter::Not(Box::new(compare("b"))), compare("c")]),
        ]);
        assert_eq!(filter, expected);
        assert_eq!(
            parse("Name eq 'a' or (not (Name eq 'b') and (Name eq 'c'))"),
            Ok(expected)
        );
    }

    #[test]
    fn the_filters_of_clients_parse() {
        for filter in [
            "Collection/Name eq 'SENTINEL-2' and OData.CSC.Intersects(area=geography'SRID=4326;POLYGON ((137.7 13.1, 137.7 23.8, 153.7 23.8, 137.7 13.1))') and Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'productType' and att/OData.CSC.StringAttribute/Value eq 'S2MSI1C') and ContentDate/Start lt 2020-08-16T00:00:00.000Z and ContentDate/End gt 2020-08-08T00:00:00.000Z",
            "contains(Name,'S1A_EW_GRD') and not contains(Name,'COG')",
            "Attributes/OData.CSC.DoubleAttribute/any(x:x/Name eq 'cloudCover' and x/OData.CSC.DoubleAttribute/Value le 40.00)",
            "20 ge ContentLength",
            "Id in (22058ee0-8842-4cfc-ad32-ce83810174b3,guid'c2058ee0-8842-4cfc-ad32-ce83810174b3')",
            "((Online eq true))",
        ] {
            parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        }
    }

    #[test]
    fn bombs_are_defused() {
        let depth = 10_000;
        for filter in [
            "(".repeat(depth),
            format!("{}Name eq 'a'{}", "(".repeat(depth), ")".repeat(depth)),
            "not ".repeat(depth),
            "not(".repeat(depth),
            "a/any(a:".repeat(depth),
            vec!["Name eq 'a'"; 300].join(" or "),
            format!("Name in ({}'a')", "'a',".repeat(300)),
        ] {
            assert!(parse(&filter).is_err());
        }
        assert!(parse(&vec!["Name eq 'a'"; 200].join(" and ")).is_ok());
    }

    #[test]
    fn what_is_no_filter_says_where() {
        for (filter, expected) in [
            ("", "character 0"),
            ("Name", "character 4"),
            ("Name eq", "character 7"),
            ("Name eq 'a' Name", "character 12"),
            ("Name like 'a'", "character 5"),
            ("evil(Name)", "unknown function"),
            ("contains(Name)", "character 13"),
            ("'; DROP TABLE items; --", "closing quote"),
        ] {
            let error = parse(filter).expect_err(filter).to_string();
            assert!(error.contains(expected), "{filter}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_result(text in ".{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn any_words_end_in_a_result(words in prop::collection::vec(prop::sample::select(vec![
            "(", ")", ",", "=", ":", "and", "or", "not", "eq", "in", "Name", "'a'", "5", "contains", "a/any", "att",
            "geography'POINT(1 2)'", "OData.CSC.Intersects", "2020-01-01", "null",
        ]), 0..60)) {
            let _ = parse(&words.join(" "));
        }
    }
}
