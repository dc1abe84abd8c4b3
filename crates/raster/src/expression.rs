//! Arithmetic over bands: `(B08 - B04) / (B08 + B04)`.
//!
//! ```text
//! sum     = product { ("+" | "-") product }
//! product = sign { ("*" | "/") sign }
//! sign    = [ "-" | "+" ] sign | atom
//! atom    = number | band | function "(" sum { "," sum } ")" | "(" sum ")"
//! ```
//!
//! A band is a word of letters, digits and `_` that begins with a letter, or any text in double
//! quotes. Functions: `abs(x)`, `sqrt(x)`, `log10(x)`, `pow(x, y)`, `min(x, y, …)`, `max(x, y, …)`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest text of an expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 1_024;
/// Deepest nesting of parentheses, functions and signs.
pub const EXPRESSION_DEPTH_MAX: usize = 32;
/// Most bands of an expression.
pub const EXPRESSION_BANDS_MAX: usize = 16;
/// Values of one step that are computed together: they stay in the processor's cache.
const TOGETHER: usize = 256;
/// Most values that wait for an operation at once.
const STACK_MAX: usize = 3 * EXPRESSION_DEPTH_MAX + 4;
/// Functions with their fewest and most arguments.
const FUNCTIONS: [(&str, Operation, usize, usize); 6] = [
    ("abs", Operation::Abs, 1, 1),
    ("sqrt", Operation::Sqrt, 1, 1),
    ("log10", Operation::Log10, 1, 1),
    ("pow", Operation::Pow, 2, 2),
    ("min", Operation::Min, 2, EXPRESSION_BYTES_MAX),
    ("max", Operation::Max, 2, EXPRESSION_BYTES_MAX),
];

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("expression \"{text}\", position {position}: {reason}")]
pub struct ExpressionError {
    /// As given, cut to [`EXPRESSION_BYTES_MAX`].
    pub text: String,
    /// Byte from 1.
    pub position: usize,
    /// What is wrong, and what to do.
    pub reason: String,
}

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    text: String,
    bands: Vec<String>,
    /// In the order of calculation.
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Number(f64),
    /// Index into the bands.
    Band(usize),
    Apply(Operation),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Negate,
    Abs,
    Sqrt,
    Log10,
    Pow,
    Min,
    Max,
}

impl Expression {
    /// Parses an expression.
    ///
    /// # Errors
    /// Where the text is none, or goes beyond one of the limits of this module.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let mut parser = Parser {
            text,
            at: 0,
            depth: 0,
            bands: Vec::new(),
            steps: Vec::new(),
        };
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(parser.wrong(format!("longer than {EXPRESSION_BYTES_MAX} bytes")));
        }
        parser.sum()?;
        match parser.peek() {
            None => Ok(Self {
                text: text.to_owned(),
                bands: parser.bands,
                steps: parser.steps,
            }),
            Some(')') => Err(parser.wrong("this parenthesis closes nothing".to_owned())),
            Some(_) => Err(parser.wrong("expected +, -, *, / or the end".to_owned())),
        }
    }

    /// Returns the bands that occur, each once, in the order in which they do.
    pub fn bands(&self) -> &[String] {
        &self.bands
    }

    /// Returns the value for the values of [`Expression::bands`], in their order.
    ///
    /// `None` where a value is absent or not finite, and where the result is not finite: division by
    /// zero, the root of a negative number.
    ///
    /// # Panics
    /// Where there are fewer values than bands.
    pub fn evaluate(&self, values: &[Option<f64>]) -> Option<f64> {
        let mut stack = [0.0f64; STACK_MAX];
        let mut height = 0;
        for step in &self.steps {
            match *step {
                Step::Number(number) => {
                    stack[height] = number;
                    height += 1;
                }
                Step::Band(index) => {
                    stack[height] = values[index].filter(|value| value.is_finite())?;
                    height += 1;
                }
                Step::Apply(operation) if operation.is_unary() => {
                    stack[height - 1] = operation.apply(stack[height - 1], 0.0);
                }
                Step::Apply(operation) => {
                    height -= 1;
                    stack[height - 1] = operation.apply(stack[height - 1], stack[height]);
                }
            }
        }
        Some(stack[0]).filter(|value| value.is_finite())
    }
}

impl Expression {
    /// Computes `len` values, some hundred at a time.
    ///
    /// `fill(band, first, values)` writes the values of one of [`Expression::bands`] from position `first`
    /// on; `take(first, values)` is given the results. Where [`Expression::evaluate`] says `None`, the
    /// result is not a number; else it has the same bits.
    pub fn evaluate_each(
        &self,
        len: usize,
        fill: impl Fn(usize, usize, &mut [f64]),
        mut take: impl FnMut(usize, &[f64]),
    ) {
        let mut stack = vec![[0.0f64; TOGETHER]; self.height_max()];
        for first in (0..len).step_by(TOGETHER) {
            let count = TOGETHER.min(len - first);
            let mut has_value = [true; TOGETHER];
            let mut height = 0;
            for step in &self.steps {
                match *step {
                    Step::Number(number) => {
                        stack[height][..count].fill(number);
                        height += 1;
                    }
                    Step::Band(band) => {
                        let values = &mut stack[height][..count];
                        fill(band, first, values);
                        for (has_value, value) in has_value.iter_mut().zip(values) {
                            *has_value &= value.is_finite();
                        }
                        height += 1;
                    }
                    Step::Apply(operation) if operation.is_unary() => {
                        let values = &mut stack[height - 1][..count];
                        values
                            .iter_mut()
                            .for_each(|value| *value = operation.apply(*value, 0.0));
                    }
                    Step::Apply(operation) => {
                        height -= 1;
                        let (below, above) = stack.split_at_mut(height);
                        let pairs = below[height - 1][..count].iter_mut().zip(&above[0]);
                        pairs.for_each(|(left, right)| *left = operation.apply(*left, *right));
                    }
                }
            }
            let results = &mut stack[0][..count];
            for (value, has_value) in results.iter_mut().zip(has_value) {
                if !has_value || !value.is_finite() {
                    *value = f64::NAN;
                }
            }
            take(first, results);
        }
    }

    /// Returns how many values wait for an operation at once.
    fn height_max(&self) -> usize {
        let (mut height, mut height_max) = (0, 0);
        for step in &self.steps {
            match step {
                Step::Number(_) | Step::Band(_) => height += 1,
                Step::Apply(operation) if operation.is_unary() => {}
                Step::Apply(_) => height -= 1,
            }
            height_max = height_max.max(height);
        }
        height_max
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        Self::parse(text)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Operation {
    fn is_unary(self) -> bool {
        matches!(self, Self::Negate | Self::Abs | Self::Sqrt | Self::Log10)
    }

    fn apply(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Negate => -left,
            Self::Abs => left.abs(),
            Self::Sqrt => left.sqrt(),
            Self::Log10 => left.log10(),
            Self::Pow => left.powf(right),
            // Not a number stays one: f64::min would hide it.
            Self::Min | Self::Max if left.is_nan() || right.is_nan() => f64::NAN,
            Self::Min => left.min(right),
            Self::Max => left.max(right),
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    bands: Vec<String>,
    steps: Vec<Step>,
}

impl Parser<'_> {
    fn wrong(&self, reason: String) -> ExpressionError {
        let mut end = self.text.len().min(EXPRESSION_BYTES_MAX);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        ExpressionError {
            text: self.text[..end].to_owned(),
            position: self.at + 1,
            reason,
        }
    }

    /// Returns the next character behind white space.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        if is_there {
            self.at += wanted.len_utf8();
        }
        is_there
    }

    fn deeper(&mut self) -> Result<(), ExpressionError> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            let reason = format!("nested deeper than {EXPRESSION_DEPTH_MAX}");
            return Err(self.wrong(reason));
        }
        Ok(())
    }

    fn sum(&mut self) -> Result<(), ExpressionError> {
        self.product()?;
        loop {
            let operation = match self.peek() {
                Some('+') => Operation::Add,
                Some('-') => Operation::Subtract,
                _ => return Ok(()),
            };
            self.at += 1;
            self.product()?;
            self.steps.push(Step::Apply(operation));
        }
    }

    fn product(&mut self) -> Result<(), ExpressionError> {
        self.sign()?;
        loop {
            let operation = match self.peek() {
                Some('*') => Operation::Multiply,
                Some('/') => Operation::Divide,
                _ => return Ok(()),
            };
            self.at += 1;
            self.sign()?;
            self.steps.push(Step::Apply(operation));
        }
    }

    fn sign(&mut self) -> Result<(), ExpressionError> {
        let is_negative = match self.peek() {
            Some('-') => true,
            Some('+') => false,
            _ => return self.atom(),
        };
        self.at += 1;
        self.deeper()?;
        self.sign()?;
        self.depth -= 1;
        if is_negative {
            self.steps.push(Step::Apply(Operation::Negate));
        }
        Ok(())
    }

    fn atom(&mut self) -> Result<(), ExpressionError> {
        match self.peek() {
            Some('(') => {
                self.at += 1;
                self.deeper()?;
                self.sum()?;
                self.close()?;
                self.depth -= 1;
                Ok(())
            }
            Some('"') => self.quoted_band(),
            Some(first) if first.is_ascii_digit() || first == '.' => self.number(),
            Some(first) if first.is_ascii_alphabetic() => {
                let word = self.word();
                match self.peek() {
                    Some('(') => self.function(word),
                    _ => self.band(word),
                }
            }
            Some(_) => Err(self.wrong("expected a number, a band, a function or (".to_owned())),
            None => Err(self.wrong("it ends where a number or a band is expected".to_owned())),
        }
    }

    fn close(&mut self) -> Result<(), ExpressionError> {
        match self.take(')') {
            true => Ok(()),
            false => Err(self.wrong("expected )".to_owned())),
        }
    }

    fn word(&mut self) -> String {
        let rest = &self.text[self.at..];
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let len = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
        self.at += len;
        rest[..len].to_owned()
    }

    fn quoted_band(&mut self) -> Result<(), ExpressionError> {
        let name = &self.text[self.at + 1..];
        let Some(len) = name.find('"').filter(|len| *len > 0) else {
            return Err(self.wrong("expected a band name in double quotes".to_owned()));
        };
        self.at += len + 2;
        self.band(name[..len].to_owned())
    }

    fn band(&mut self, name: String) -> Result<(), ExpressionError> {
        let known = self.bands.iter().position(|band| *band == name);
        let index = match known {
            Some(index) => index,
            None if self.bands.len() == EXPRESSION_BANDS_MAX => {
                return Err(self.wrong(format!("more than {EXPRESSION_BANDS_MAX} bands")));
            }
            None => {
                self.bands.push(name);
                self.bands.len() - 1
            }
        };
        self.steps.push(Step::Band(index));
        Ok(())
    }

    fn number(&mut self) -> Result<(), ExpressionError> {
        let rest = &self.text[self.at..];
        let mut before = ' ';
        let len = rest.find(|letter: char| {
            let is_exponent_sign = matches!(letter, '+' | '-') && matches!(before, 'e' | 'E');
            before = letter;
            !(letter.is_ascii_digit() || matches!(letter, '.' | 'e' | 'E') || is_exponent_sign)
        });
        let digits = &rest[..len.unwrap_or(rest.len())];
        match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                self.at += digits.len();
                self.steps.push(Step::Number(number));
                Ok(())
            }
            _ => Err(self.wrong(format!("\"{digits}\" is no number"))),
        }
    }

    fn function(&mut self, name: String) -> Result<(), ExpressionError> {
        let known = FUNCTIONS.iter().find(|function| function.0 == name);
        let Some(&(_, operation, fewest, most)) = known else {
            let known = FUNCTIONS.map(|function| function.0).join(", ");
            return Err(self.wrong(format!("no function \"{name}\" (there are {known})")));
        };
        self.at += 1;
        self.deeper()?;
        let mut count = 0;
        loop {
            self.sum()?;
            count += 1;
            // Of many arguments two at a time: min(a, b, c) is min(min(a, b), c).
            if count > 1 && count <= most {
                self.steps.push(Step::Apply(operation));
            }
            if !self.take(',') {
                break;
            }
        }
        if count < fewest || count > most {
            let wanted = match most {
                EXPRESSION_BYTES_MAX => format!("{fewest} or more"),
                most => most.to_string(),
            };
            return Err(self.wrong(format!("{name} takes {wanted} arguments, not {count}")));
        }
        if operation.is_unary() {
            self.steps.push(Step::Apply(operation));
        }
        self.close()?;
        self.depth -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str, values: &[f64]) -> Option<f64> {
        let values: Vec<_> = values.iter().copied().map(Some).collect();
        Expression::parse(text).expect(text).evaluate(&values)
    }

    fn reason(text: &str) -> String {
        Expression::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn ndvi_of_two_means() {
        let ndvi = Expression::parse("(B08-B04)/(B08+B04)").expect("an expression");
        assert_eq!(ndvi.bands(), ["B08", "B04"]);
        assert_eq!(
            ndvi.evaluate(&[Some(0.4), Some(0.1)]),
            Some((0.4 - 0.1) / (0.4 + 0.1))
        );
        assert_eq!(ndvi.evaluate(&[Some(0.4), None]), None);
        assert_eq!(ndvi.evaluate(&[Some(0.0), Some(0.0)]), None);
        assert_eq!(ndvi.evaluate(&[Some(f64::NAN), Some(0.0)]), None);
    }

    #[test]
    fn products_bind_closer_and_sums_go_from_the_left() {
        assert_eq!(value("2 + 3 * 4 - 1", &[]), Some(13.0));
        assert_eq!(value("8 / 4 / 2", &[]), Some(1.0));
        assert_eq!(value("2 - -3", &[]), Some(5.0));
        assert_eq!(value("-(1 + 2) * +2", &[]), Some(-6.0));
        assert_eq!(value("1.5e2 + .5", &[]), Some(150.5));
    }

    #[test]
    fn functions_and_quoted_bands() {
        assert_eq!(value("10 * log10(VV)", &[0.1]), Some(-10.0));
        assert_eq!(value("sqrt(abs(x)) + pow(x, 2)", &[-4.0]), Some(18.0));
        assert_eq!(value("min(a, b, 3) + max(a, b)", &[5.0, 4.0]), Some(8.0));
        assert_eq!(value("\"coh-vv 6\" * 2", &[0.25]), Some(0.5));
        assert_eq!(value("sqrt(x)", &[-1.0]), None);
        assert_eq!(value("min(sqrt(x), 1)", &[-1.0]), None);
    }

    #[test]
    fn errors_name_place_and_remedy() {
        assert!(reason("B08 +").contains("position 6"));
        assert!(reason("(B08").contains("expected )"));
        assert!(reason("B08)").contains("closes nothing"));
        assert!(reason("ndvi(B08)").contains("there are abs, sqrt"));
        assert!(reason("pow(1)").contains("takes 2 arguments, not 1"));
        assert!(reason("max(1)").contains("2 or more"));
        assert!(reason("1..2").contains("no number"));
        assert!(reason("B08 B04").contains("expected +"));
        assert!(reason("\"\"").contains("double quotes"));
        assert!(reason("").contains("it ends"));
    }

    #[test]
    fn limits_are_said() {
        let deep = "(".repeat(EXPRESSION_DEPTH_MAX + 1);
        assert!(reason(&deep).contains("nested deeper"));
        assert!(reason(&"-".repeat(500)).contains("nested deeper"));
        assert!(reason(&"1+".repeat(600)).contains("longer than"));
        let bands: Vec<_> = (0..=EXPRESSION_BANDS_MAX)
            .map(|n| format!("b{n}"))
            .collect();
        assert!(reason(&bands.join("+")).contains("more than 16 bands"));
    }

    #[test]
    fn the_deepest_expression_fits_the_stack() {
        let mut text = "1".to_owned();
        for _ in 0..EXPRESSION_DEPTH_MAX {
            text = format!("1+2*({text})");
        }
        assert!(value(&text, &[]).is_some());
        let mut text = "1".to_owned();
        for _ in 0..EXPRESSION_DEPTH_MAX {
            text = format!("1+2*min(3,4+5*{text})");
        }
        assert!(value(&text, &[]).is_some());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-+*/()a-c0-2., \"]{0,80}") {
            if let Ok(expression) = Expression::parse(&text) {
                expression.evaluate(&vec![Some(0.5); expression.bands().len()]);
            }
        }

        #[test]
        fn many_values_are_what_each_is(
            text in "[-+*/()a-c0-2., ]{1,40}",
            values in proptest::collection::vec(prop_oneof![-2.0f64..2.0, Just(0.0), Just(f64::NAN)], 0..600),
        ) {
            if let Ok(expression) = Expression::parse(&text) {
                // Band n has the values from the n-th on, the last ones are absent.
                let at = |band: usize, first: usize| values.get(first + band).copied().unwrap_or(f64::NAN);
                let fill = |band: usize, first: usize, to: &mut [f64]| {
                    for (offset, to) in to.iter_mut().enumerate() {
                        *to = at(band, first + offset);
                    }
                };
                let mut found = vec![f64::INFINITY; values.len()];
                let take = |first: usize, some: &[f64]| found[first..first + some.len()].copy_from_slice(some);
                expression.evaluate_each(values.len(), fill, take);
                for (pixel, found) in found.iter().enumerate() {
                    let own: Vec<_> = (0..expression.bands().len()).map(|band| Some(at(band, pixel))).collect();
                    let found = found.is_finite().then_some(found.to_bits());
                    prop_assert_eq!(found, expression.evaluate(&own).map(f64::to_bits));
                }
            }
        }

        #[test]
        fn any_bytes_are_refused_or_read(text in any::<String>()) {
            let _ = Expression::parse(&text);
        }

        #[test]
        fn arithmetic_is_that_of_f64(a in -1e3f64..1e3, b in 0.5f64..1e3, c in -1e3f64..1e3) {
            prop_assert_eq!(value("a/b-c*a", &[a, b, c]), Some(a / b - c * a));
            prop_assert_eq!(value("a-b-c", &[a, b, c]), Some(a - b - c));
        }
    }
}
