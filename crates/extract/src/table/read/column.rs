//! Decoded values of one column of a stretch of rows.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::DataType;

use super::damage::Damage;

/// How the values of a column are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnKind {
    /// 32 bit in the file, also where the column has 16.
    Int32,
    /// Instants.
    Int64,
    Float32,
    Text,
}

impl ColumnKind {
    /// Returns the kind of a column of the two tables.
    ///
    /// # Panics
    /// For a type that neither has.
    pub(super) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int16 | DataType::Int32 => Self::Int32,
            DataType::Timestamp(..) => Self::Int64,
            DataType::Float32 => Self::Float32,
            DataType::Utf8 => Self::Text,
            other => unreachable!("no column of the tables is {other}"),
        }
    }
}

/// Texts by their number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TextDictionary {
    text: String,
    /// End of each text.
    ends: Vec<u32>,
}

impl TextDictionary {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.text.len() + 4 * self.ends.len()
    }

    /// Appends a text and returns its number.
    pub(super) fn push(&mut self, text: &[u8]) -> Result<u32, Damage> {
        let text = std::str::from_utf8(text).map_err(|_| Damage("a text that is not UTF-8"))?;
        let number = self.ends.len() as u32;
        self.text.push_str(text);
        let end = u32::try_from(self.text.len()).map_err(|_| Damage("texts of over 4 GB"))?;
        self.ends.push(end);
        Ok(number)
    }

    /// Returns the text of a number.
    ///
    /// # Panics
    /// Where there is none of that number: numbers are checked when they are decoded.
    pub(super) fn get(&self, number: u32) -> &str {
        let index = number as usize;
        let start = match index {
            0 => 0,
            _ => self.ends[index - 1] as usize,
        };
        &self.text[start..self.ends[index] as usize]
    }

    /// Returns the texts in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|number| self.get(number as u32))
    }
}

/// Values, in the order of rows; at absent ones anything.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Text {
        numbers: Vec<u32>,
        dictionary: Arc<TextDictionary>,
    },
}

/// One column of a stretch of rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub values: Values,
    /// Which values are there; `None`: all.
    pub valid: Option<Vec<bool>>,
}

impl Column {
    pub(super) fn empty(kind: ColumnKind) -> Self {
        let values = match kind {
            ColumnKind::Int32 => Values::Int32(Vec::new()),
            ColumnKind::Int64 => Values::Int64(Vec::new()),
            ColumnKind::Float32 => Values::Float32(Vec::new()),
            ColumnKind::Text => Values::Text {
                numbers: Vec::new(),
                dictionary: Arc::default(),
            },
        };
        Self {
            values,
            valid: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        match &self.values {
            Values::Int32(values) => values.len(),
            Values::Int64(values) => values.len(),
            Values::Float32(values) => values.len(),
            Values::Text { numbers, .. } => numbers.len(),
        }
    }

    /// Makes room for `rows` more.
    pub(super) fn reserve(&mut self, rows: usize) {
        match &mut self.values {
            Values::Int32(values) => values.reserve(rows),
            Values::Int64(values) => values.reserve(rows),
            Values::Float32(values) => values.reserve(rows),
            Values::Text { numbers, .. } => numbers.reserve(rows),
        }
    }

    /// Returns whether the value of a row is there.
    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.valid.as_ref().is_none_or(|valid| valid[row])
    }

    /// Returns the values of a column of whole numbers.
    ///
    /// # Panics
    /// For a column of another kind.
    pub(super) fn int32(&self) -> &[i32] {
        match &self.values {
            Values::Int32(values) => values,
            _ => unreachable!("the column was decoded as whole numbers"),
        }
    }

    /// Returns the values of a column of instants.
    ///
    /// # Panics
    /// For a column of another kind.
    pub(super) fn int64(&self) -> &[i64] {
        match &self.values {
            Values::Int64(values) => values,
            _ => unreachable!("the column was decoded as instants"),
        }
    }

    /// Returns the values of a column of measurements.
    ///
    /// # Panics
    /// For a column of another kind.
    pub(super) fn float32(&self) -> &[f32] {
        match &self.values {
            Values::Float32(values) => values,
            _ => unreachable!("the column was decoded as measurements"),
        }
    }

    /// Returns numbers and texts of a column of texts.
    ///
    /// # Panics
    /// For a column of another kind.
    pub(super) fn text(&self) -> (&[u32], &TextDictionary) {
        match &self.values {
            Values::Text {
                numbers,
                dictionary,
            } => (numbers, dictionary),
            _ => unreachable!("the column was decoded as texts"),
        }
    }
}

impl Column {
    /// Returns a copy of some rows.
    pub(super) fn slice(&self, rows: Range<usize>) -> Self {
        let values = match &self.values {
            Values::Int32(values) => Values::Int32(values[rows.clone()].to_vec()),
            Values::Int64(values) => Values::Int64(values[rows.clone()].to_vec()),
            Values::Float32(values) => Values::Float32(values[rows.clone()].to_vec()),
            Values::Text {
                numbers,
                dictionary,
            } => Values::Text {
                numbers: numbers[rows.clone()].to_vec(),
                dictionary: dictionary.clone(),
            },
        };
        let valid = self.valid.as_ref().map(|valid| valid[rows].to_vec());
        Self { values, valid }
    }
}
