//! Rows for PostgreSQL's COPY, in its text format (PostgreSQL documentation, COPY, "Text Format").

use std::fmt::Write as _;

use crate::SqlValue;

/// Rows as text: values with tabs between them, a line for each row.
#[derive(Debug, Clone, Default)]
pub struct CopyRows {
    text: String,
    is_within_row: bool,
}

impl CopyRows {
    /// Appends a value to the row.
    pub fn value(&mut self, value: &SqlValue) -> &mut Self {
        match value {
            SqlValue::Boolean(Some(value)) => self.plain(if *value { "t" } else { "f" }),
            SqlValue::Integer(Some(value)) => {
                self.begin_value();
                let _ = write!(self.text, "{value}");
                self
            }
            SqlValue::Real(Some(value)) => {
                self.begin_value();
                // The shortest digits that are read back as the same number; NaN and inf are words there, too.
                let _ = write!(self.text, "{value}");
                self
            }
            SqlValue::Text(Some(value)) => self.text(value),
            SqlValue::Bytes(Some(value)) => {
                self.plain("\\\\x");
                push_hex(&mut self.text, value);
                self
            }
            SqlValue::TextList(values) => self.text(&list_of(values)),
            SqlValue::Boolean(None)
            | SqlValue::Integer(None)
            | SqlValue::Real(None)
            | SqlValue::Text(None)
            | SqlValue::Bytes(None) => self.plain("\\N"),
        }
    }

    /// Appends a text to the row, without a copy.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.begin_value();
        let mut rest = value;
        while let Some(at) = rest.find(['\\', '\n', '\r', '\t']) {
            self.text.push_str(&rest[..at]);
            self.text.push_str(match rest.as_bytes()[at] {
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                _ => "\\t",
            });
            rest = &rest[at + 1..];
        }
        self.text.push_str(rest);
        self
    }

    /// Appends bytes to the row as hexadecimal digits, as PostGIS reads geometries.
    pub fn hex(&mut self, bytes: &[u8]) -> &mut Self {
        self.begin_value();
        push_hex(&mut self.text, bytes);
        self
    }

    /// Ends the row.
    pub fn end_row(&mut self) {
        self.text.push('\n');
        self.is_within_row = false;
    }

    /// True where there is no row.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns how many bytes all rows have as text.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    fn plain(&mut self, value: &str) -> &mut Self {
        self.begin_value();
        self.text.push_str(value);
        self
    }

    fn begin_value(&mut self) {
        if self.is_within_row {
            self.text.push('\t');
        }
        self.is_within_row = true;
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.reserve(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Returns an array as PostgreSQL writes it: every member quoted.
fn list_of(values: &[String]) -> String {
    let quoted = values.iter().map(|value| {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    });
    format!("{{{}}}", quoted.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_postgresql_reads_them() {
        let mut rows = CopyRows::default();
        assert!(rows.is_empty());
        rows.value(&1_i64.into())
            .value(&SqlValue::Text(None))
            .value(&"a\tb\\N\nc\rd".into())
            .value(&0.1.into());
        rows.end_row();
        rows.value(&true.into())
            .value(&vec![0_u8, 255].into())
            .hex(&[1, 171])
            .value(&SqlValue::TextList(vec!["a\"b\\".into(), String::new()]));
        rows.end_row();
        let expected =
            "1\t\\N\ta\\tb\\\\N\\nc\\rd\t0.1\nt\t\\\\x00ff\t01ab\t{\"a\\\\\"b\\\\\\\\\",\"\"}\n";
        assert_eq!(std::str::from_utf8(rows.as_bytes()), Ok(expected));
        assert_eq!(rows.len(), expected.len());
    }

    #[test]
    fn an_empty_text_is_no_null() {
        let mut rows = CopyRows::default();
        rows.value(&"".into()).value(&SqlValue::Integer(None));
        rows.end_row();
        assert_eq!(rows.as_bytes(), b"\t\\N\n");
    }
}
