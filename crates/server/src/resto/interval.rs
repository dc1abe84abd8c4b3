//! Intervals in the dialect of resto: `[a,b]`, `]a,b[`, `[a,b[`, `[a` and `b]`, and plain values.

/// One end of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bound<T> {
    /// The value.
    pub(crate) value: T,
    /// True where the value itself belongs to the interval.
    pub(crate) is_included: bool,
}

/// What a parameter asks of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Range<T> {
    /// A plain value: what it means depends on the parameter.
    Plain(T),
    /// Between two ends, one of which may be open.
    Between(Option<Bound<T>>, Option<Bound<T>>),
}

/// Parses a value or interval; `value` reads one of its ends.
///
/// # Errors
/// Where brackets do not fit or an end cannot be read; the text says which.
pub(crate) fn parse<T: PartialOrd + Copy>(
    text: &str,
    value: impl Fn(&str) -> Result<T, String>,
) -> Result<Range<T>, String> {
    let text = text.trim();
    let opening = text.chars().next().filter(|c| matches!(c, '[' | ']'));
    let closing = text
        .chars()
        .next_back()
        .filter(|c| matches!(c, '[' | ']'))
        .filter(|_| text.len() > 1);
    if opening.is_none() && closing.is_none() {
        return Ok(Range::Plain(value(text)?));
    }
    let inner = &text[opening.map_or(0, |_| 1)..text.len() - closing.map_or(0, |_| 1)];
    let (first, last) = match inner.split_once(',') {
        Some((first, last)) => (first.trim(), last.trim()),
        None if opening.is_some() && closing.is_none() => (inner.trim(), ""),
        None if opening.is_none() => ("", inner.trim()),
        None => return Err(format!("\"{}\" has no comma between its ends", shown(text))),
    };
    let bound = |text: &str, is_included: bool| -> Result<Option<Bound<T>>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        Ok(Some(Bound {
            value: value(text)?,
            is_included,
        }))
    };
    let start = bound(first, opening != Some(']'))?;
    let end = bound(last, closing != Some('['))?;
    match (&start, &end) {
        (None, None) => Err(format!("\"{}\" has no end", shown(text))),
        (Some(start), Some(end)) if start.value > end.value => {
            Err(format!("\"{}\" ends before it begins", shown(text)))
        }
        _ => Ok(Range::Between(start, end)),
    }
}

/// Returns the beginning of what was sent, to be shown in a message.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Result<f64, String> {
        text.parse().map_err(|_| format!("\"{text}\" is no number"))
    }

    fn closed(value: f64) -> Option<Bound<f64>> {
        Some(Bound {
            value,
            is_included: true,
        })
    }

    fn open(value: f64) -> Option<Bound<f64>> {
        Some(Bound {
            value,
            is_included: false,
        })
    }

    #[test]
    fn all_forms_are_read() {
        for (text, expected) in [
            ("5", Range::Plain(5.0)),
            ("[0,10]", Range::Between(closed(0.0), closed(10.0))),
            ("]0,10[", Range::Between(open(0.0), open(10.0))),
            ("[0,10[", Range::Between(closed(0.0), open(10.0))),
            ("]0,10]", Range::Between(open(0.0), closed(10.0))),
            ("[3", Range::Between(closed(3.0), None)),
            ("]3", Range::Between(open(3.0), None)),
            ("[3,", Range::Between(closed(3.0), None)),
            ("9]", Range::Between(None, closed(9.0))),
            ("9[", Range::Between(None, open(9.0))),
            (" [ 1 , 2 ] ", Range::Between(closed(1.0), closed(2.0))),
        ] {
            assert_eq!(parse(text, number), Ok(expected), "{text}");
        }
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "", "[]", "[,]", "[5]", "[2,1]", "[a,b]", "[", "]", "[1,2,3]",
        ] {
            assert!(parse(text, number).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_result(text in ".{0,60}") {
            let _ = parse(&text, number);
        }

        #[test]
        fn almost_intervals_end_in_a_result(text in "[\\]\\[]{0,2}[0-9,. é-]{0,10}[\\]\\[]{0,2}") {
            let _ = parse(&text, number);
        }
    }
}
