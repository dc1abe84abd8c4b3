//! Queries of OGC services: keys whose case does not matter, values whose case does.

use url::form_urlencoded;

use super::failure::{Fault, OwsFailure};

/// Longest query that is read, in bytes.
const QUERY_BYTES_MAX: usize = 16 * 1024;
/// Most parameters of one query.
const PARAMETERS_MAX: usize = 200;
/// Most values of a list.
const LIST_MAX: usize = 1_000;

/// The parameters of one request in the order in which they came. Names are in upper case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kvp {
    pairs: Vec<(String, String)>,
}

impl Kvp {
    /// Reads the query of a URL. Empty pairs (`?&service=WMS`) are skipped, as clients send them;
    /// `+` is a blank.
    ///
    /// # Errors
    /// Where the query is longer than 16 KiB or has more than 200 parameters.
    pub(crate) fn read(query: &str) -> Result<Self, OwsFailure> {
        if query.len() > QUERY_BYTES_MAX {
            let text = format!("the query is longer than {QUERY_BYTES_MAX} bytes");
            return Err(OwsFailure::new(Fault::InvalidParameter, text));
        }
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| !name.is_empty())
            .take(PARAMETERS_MAX + 1)
            .map(|(name, value)| (name.to_ascii_uppercase(), value.into_owned()))
            .collect();
        if pairs.len() > PARAMETERS_MAX {
            let text = format!("the query has more than {PARAMETERS_MAX} parameters");
            return Err(OwsFailure::new(Fault::InvalidParameter, text));
        }
        Ok(Self { pairs })
    }

    /// Returns the parameters of a request whose path has said them; names in upper case.
    pub(crate) fn of_pairs<const N: usize>(pairs: [(&'static str, String); N]) -> Self {
        Self {
            pairs: pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }

    /// Returns the first value of a parameter, `None` where it is absent or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// True where the parameter is there, be it empty.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(known, _)| known == name)
    }

    /// Returns every value of a parameter that may be repeated.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .filter(move |(known, value)| known == name && !value.trim().is_empty())
            .map(|(_, value)| value.trim())
    }

    /// Returns a value that has to be there.
    ///
    /// # Errors
    /// Names the parameter where it is absent or empty.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, OwsFailure> {
        self.get(name).ok_or_else(|| {
            OwsFailure::new(
                Fault::MissingParameter,
                format!("the parameter {name} is missing"),
            )
            .at(name)
        })
    }

    /// Returns the values of a list with commas; an absent or empty parameter is an empty list.
    ///
    /// # Errors
    /// Where there are more than 1,000.
    pub(crate) fn list(&self, name: &'static str) -> Result<Vec<&str>, OwsFailure> {
        let Some(text) = self.get(name) else {
            return Ok(Vec::new());
        };
        let values: Vec<&str> = text.split(',').map(str::trim).take(LIST_MAX + 1).collect();
        if values.len() > LIST_MAX {
            return Err(invalid(name, format!("more than {LIST_MAX} values")));
        }
        Ok(values)
    }

    /// Returns a whole number within `1..=max`.
    ///
    /// # Errors
    /// Where it is absent, no number, or out of range; the limit is named.
    pub(crate) fn size(&self, name: &'static str, max: u32) -> Result<u32, OwsFailure> {
        let text = self.required(name)?;
        let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
        match value {
            Some(value) if value.fract() == 0.0 && (1.0..=f64::from(max)).contains(&value) => {
                // Whole and within u32, by the guard.
                Ok(value as u32)
            }
            _ => Err(invalid(
                name,
                format!("\"{}\" is no whole number between 1 and {max}", shown(text)),
            )),
        }
    }

    /// Returns a finite number, `None` where it is absent.
    ///
    /// # Errors
    /// Where it is no number.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<f64>, OwsFailure> {
        self.get(name)
            .map(|text| number(text).ok_or_else(|| invalid(name, not_a_number(text))))
            .transpose()
    }

    /// Returns a list of exactly `N` finite numbers.
    ///
    /// # Errors
    /// Where it is absent, or not that.
    pub(crate) fn numbers<const N: usize>(
        &self,
        name: &'static str,
    ) -> Result<[f64; N], OwsFailure> {
        self.required(name)?;
        let texts = self.list(name)?;
        let mut numbers = [0.0; N];
        if texts.len() != N {
            return Err(invalid(
                name,
                format!("expected {N} numbers, found {}", texts.len()),
            ));
        }
        for (value, text) in numbers.iter_mut().zip(texts) {
            *value = number(text).ok_or_else(|| invalid(name, not_a_number(text)))?;
        }
        Ok(numbers)
    }
}

/// Returns a finite number.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.trim()
        .parse::<f64>()
        .ok()
        .filter(|value| value.is_finite())
}

fn not_a_number(text: &str) -> String {
    format!("\"{}\" is no number", shown(text))
}

/// Returns the failure of a parameter whose value makes no sense.
pub(crate) fn invalid(name: &'static str, reason: impl Into<String>) -> OwsFailure {
    let reason: String = reason.into();
    OwsFailure::new(Fault::InvalidParameter, format!("{name}: {reason}")).at(name)
}

/// Returns the beginning of a text that was sent, to quote in an answer.
pub(crate) fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let mut quoted: String = text.chars().take(CHARS_MAX).collect();
    if quoted.len() < text.len() {
        quoted.push('…');
    }
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_have_no_case_and_values_do() {
        let kvp = Kvp::read("&Service=WMS&layers=A,b&=x&EMPTY=&a=1&A=2").expect("a query");
        assert_eq!(kvp.get("SERVICE"), Some("WMS"));
        assert_eq!(kvp.list("LAYERS").expect("a list"), ["A", "b"]);
        assert_eq!((kvp.get("EMPTY"), kvp.has("EMPTY")), (None, true));
        assert_eq!(kvp.all("A").collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn numbers_with_many_digits_are_read() {
        let text = "BBOX=9.00000000000000000001,55.85,9.16,%2055.94&WIDTH=256.0";
        let kvp = Kvp::read(text).expect("a query");
        assert_eq!(
            kvp.numbers("BBOX").expect("four numbers"),
            [9.0, 55.85, 9.16, 55.94]
        );
        assert_eq!(kvp.size("WIDTH", 512).expect("a size"), 256);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let kvp = Kvp::read("WIDTH=0&HEIGHT=1e9&BBOX=1,2,3&CRS=&N=nan").expect("a query");
        for failure in [
            kvp.size("WIDTH", 4096).expect_err("zero"),
            kvp.size("HEIGHT", 4096).expect_err("too large"),
            kvp.numbers::<4>("BBOX").expect_err("three"),
            kvp.required("CRS").map(str::to_owned).expect_err("empty"),
            kvp.number("N").expect_err("not a number"),
        ] {
            let name = failure.locator.clone().unwrap_or_default();
            assert!(failure.text.contains(&name), "{failure:?}");
        }
        assert!(Kvp::read(&"a=1&".repeat(300)).is_err());
        assert!(Kvp::read(&"a".repeat(20_000)).is_err());
    }

    proptest! {
        #[test]
        fn any_query_ends_in_a_result(query in "\\PC{0,80}") {
            if let Ok(kvp) = Kvp::read(&query) {
                let _ = (kvp.get("A"), kvp.list("A"));
                let _ = kvp.numbers::<4>("BBOX");
            }
        }
    }
}
