//! Values of columns as texts back to their types, and which columns are handed out.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::kernels::cast_utils::Parser;
use arrow::datatypes::{DataType, Date32Type, TimeUnit, TimestampMicrosecondType};

use super::super::parcels::StringColumn;
use super::super::source::ValueKind;

/// Which columns of a parcel set are handed out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AttributeChoice {
    /// All but the personal ones, `bbox` and `geometry`.
    #[default]
    Open,
    /// The same, and those named here.
    OpenAnd(Vec<String>),
    /// Those named here, in this order.
    Named(Vec<String>),
}

/// How the values of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnType {
    Text,
    Integer,
    Real,
    Boolean,
    Date,
    /// With a zone: an instant.
    Instant,
    /// Without one: a local time.
    LocalTime,
}

impl ColumnType {
    /// Returns the type that holds all values without a loss; where the format promised another,
    /// they stay texts.
    pub fn of(kind: ValueKind, column: &StringColumn) -> Self {
        let candidates: &[Self] = match kind {
            ValueKind::Text => &[],
            ValueKind::Integer => &[Self::Integer],
            ValueKind::Real => &[Self::Real],
            ValueKind::Number => &[Self::Integer, Self::Real],
            ValueKind::Boolean => &[Self::Boolean],
            ValueKind::Date => &[Self::Date],
            ValueKind::Instant => &[Self::Instant, Self::LocalTime],
        };
        let holds = |candidate: &&Self| column.iter().flatten().all(|text| candidate.takes(text));
        candidates.iter().find(holds).copied().unwrap_or(Self::Text)
    }

    fn takes(self, text: &str) -> bool {
        match self {
            Self::Text => true,
            Self::Integer => !has_leading_zero(text) && text.parse::<i64>().is_ok(),
            Self::Real => !has_leading_zero(text) && text.parse::<f64>().is_ok_and(f64::is_finite),
            Self::Boolean => boolean(text).is_some(),
            Self::Date => Date32Type::parse(text).is_some(),
            Self::Instant => has_zone(text) && instant_us(text).is_some(),
            Self::LocalTime => !has_zone(text) && instant_us(text).is_some(),
        }
    }

    /// Returns the Arrow type of the column.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Integer => DataType::Int64,
            Self::Real => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::LocalTime => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }

    /// Returns values, all of which the type takes, as an array.
    pub fn array<'a>(self, values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
        match self {
            Self::Text => Arc::new(values.collect::<StringArray>()),
            Self::Integer => {
                let number = |text: &str| text.parse().ok();
                Arc::new(values.map(|v| v.and_then(number)).collect::<Int64Array>())
            }
            Self::Real => {
                let number = |text: &str| text.parse().ok();
                Arc::new(values.map(|v| v.and_then(number)).collect::<Float64Array>())
            }
            Self::Boolean => Arc::new(
                values
                    .map(|v| v.and_then(boolean))
                    .collect::<BooleanArray>(),
            ),
            Self::Date => Arc::new(
                values
                    .map(|v| v.and_then(Date32Type::parse))
                    .collect::<Date32Array>(),
            ),
            Self::Instant | Self::LocalTime => {
                let instants: TimestampMicrosecondArray =
                    values.map(|v| v.and_then(instant_us)).collect();
                match self {
                    Self::Instant => Arc::new(instants.with_timezone("UTC")),
                    _ => Arc::new(instants),
                }
            }
        }
    }
}

/// True for numbers that are names: a zero before other digits, or a plus.
fn has_leading_zero(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    match digits {
        [b'+', ..] => true,
        [b'0', next, ..] => next.is_ascii_digit(),
        _ => false,
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "TRUE" | "True" | "T" | "t" | "Y" | "y" => Some(true),
        "0" | "false" | "FALSE" | "False" | "F" | "f" | "N" | "n" => Some(false),
        _ => None,
    }
}

fn has_zone(text: &str) -> bool {
    let time = text.get(10..).unwrap_or_default();
    time.ends_with(['Z', 'z']) || time.contains(['+', '-'])
}

/// Returns microseconds since 1970-01-01; a time without a zone counts as UTC.
fn instant_us(text: &str) -> Option<i64> {
    TimestampMicrosecondType::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[&str]) -> StringColumn {
        let mut column = StringColumn::default();
        column.push(None);
        values.iter().for_each(|value| column.push(Some(value)));
        column
    }

    #[test]
    fn numbers_that_are_names_stay_texts() {
        let of = |kind, values: &[&str]| ColumnType::of(kind, &column(values));
        assert_eq!(of(ValueKind::Integer, &["1", "-20"]), ColumnType::Integer);
        assert_eq!(of(ValueKind::Integer, &["1", "020"]), ColumnType::Text);
        assert_eq!(of(ValueKind::Number, &["1", "2.5"]), ColumnType::Real);
        assert_eq!(of(ValueKind::Number, &["0", "2"]), ColumnType::Integer);
        assert_eq!(of(ValueKind::Real, &["0.5", "-0.25"]), ColumnType::Real);
        assert_eq!(of(ValueKind::Real, &["NaN"]), ColumnType::Text);
        assert_eq!(of(ValueKind::Text, &["1"]), ColumnType::Text);
        let large = "9223372036854775808";
        assert_eq!(of(ValueKind::Integer, &[large]), ColumnType::Text);
    }

    #[test]
    fn times_keep_whether_they_have_a_zone() {
        let of = |values: &[&str]| ColumnType::of(ValueKind::Instant, &column(values));
        assert_eq!(of(&["2024-05-01T10:00:00Z"]), ColumnType::Instant);
        assert_eq!(of(&["2024-05-01T10:00:00.5+02:00"]), ColumnType::Instant);
        assert_eq!(of(&["2024-05-01 10:00:00"]), ColumnType::LocalTime);
        assert_eq!(of(&["2024-05-01T10:00:00Z", "soon"]), ColumnType::Text);
        assert_eq!(
            ColumnType::of(ValueKind::Date, &column(&["2024-05-01"])),
            ColumnType::Date
        );
        assert_eq!(instant_us("1970-01-01T02:00:00+02:00"), Some(0));
    }
}
