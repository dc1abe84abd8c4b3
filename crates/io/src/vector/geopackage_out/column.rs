//! Columns of Arrow in the types of a GeoPackage (OGC 12-128r17, table 1), and their values.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
};
use arrow::temporal_conversions::{date32_to_datetime, timestamp_us_to_datetime};

/// A value that SQLite stores.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// Returns the type of a column in the standard's words; `None` where a GeoPackage has none.
///
/// Times without a zone are texts: a `DATETIME` is UTC.
pub(super) fn type_name(data_type: &DataType) -> Option<&'static str> {
    Some(match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "TEXT",
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "TINYINT",
        DataType::Int16 | DataType::UInt8 => "SMALLINT",
        DataType::Int32 | DataType::UInt16 => "MEDIUMINT",
        DataType::Int64 | DataType::UInt32 => "INTEGER",
        DataType::Float32 => "FLOAT",
        DataType::Float64 => "DOUBLE",
        DataType::Date32 => "DATE",
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "DATETIME",
        DataType::Timestamp(TimeUnit::Microsecond, None) => "TEXT",
        DataType::Binary => "BLOB",
        _ => return None,
    })
}

/// Returns the value of a row of a column that has a [`type_name`].
pub(super) fn value(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Utf8 => Value::Text(column.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 => Value::Text(column.as_string::<i64>().value(row).to_owned()),
        DataType::Utf8View => Value::Text(column.as_string_view().value(row).to_owned()),
        DataType::Boolean => Value::Integer(column.as_boolean().value(row).into()),
        DataType::Int8 => Value::Integer(column.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Value::Integer(column.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Value::Integer(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Value::Integer(column.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Value::Integer(column.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => Value::Integer(column.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => Value::Integer(column.as_primitive::<UInt32Type>().value(row).into()),
        DataType::Float32 => Value::Real(column.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Value::Real(column.as_primitive::<Float64Type>().value(row)),
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>().value(row);
            date32_to_datetime(days).map_or(Value::Null, |date| {
                Value::Text(date.format("%Y-%m-%d").to_string())
            })
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let us = column.as_primitive::<TimestampMicrosecondType>().value(row);
            instant(us, zone.is_some())
        }
        DataType::Binary => Value::Blob(column.as_binary::<i32>().value(row).to_vec()),
        _ => Value::Null,
    }
}

/// Writes an instant to the millisecond, as the standard does, or a time without a zone.
fn instant(us: i64, has_zone: bool) -> Value {
    let format = match has_zone {
        true => "%Y-%m-%dT%H:%M:%S%.3fZ",
        false => "%Y-%m-%dT%H:%M:%S%.f",
    };
    timestamp_us_to_datetime(us).map_or(Value::Null, |instant| {
        Value::Text(instant.format(format).to_string())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, Date32Array, Float32Array, Int16Array, StringArray,
        TimestampMicrosecondArray, UInt32Array,
    };

    use super::*;

    #[test]
    fn values_keep_their_meaning() {
        let instants = TimestampMicrosecondArray::from(vec![1_619_863_445_123_000]);
        let cases: Vec<(ArrayRef, &str, Value)> = vec![
            (
                Arc::new(StringArray::from(vec!["007"])),
                "TEXT",
                Value::Text("007".to_owned()),
            ),
            (
                Arc::new(BooleanArray::from(vec![true])),
                "BOOLEAN",
                Value::Integer(1),
            ),
            (
                Arc::new(Int16Array::from(vec![-3])),
                "SMALLINT",
                Value::Integer(-3),
            ),
            (
                Arc::new(UInt32Array::from(vec![u32::MAX])),
                "INTEGER",
                Value::Integer(4_294_967_295),
            ),
            (
                Arc::new(Float32Array::from(vec![0.5])),
                "FLOAT",
                Value::Real(0.5),
            ),
            (
                Arc::new(Date32Array::from(vec![18_748])),
                "DATE",
                Value::Text("2021-05-01".to_owned()),
            ),
            (
                Arc::new(instants.clone().with_timezone("UTC")),
                "DATETIME",
                Value::Text("2021-05-01T10:04:05.123Z".to_owned()),
            ),
            (
                Arc::new(instants),
                "TEXT",
                Value::Text("2021-05-01T10:04:05.123".to_owned()),
            ),
        ];
        for (column, name, expected) in cases {
            assert_eq!(type_name(column.data_type()), Some(name));
            assert_eq!(value(&column, 0), expected);
        }
        let absent: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
        assert_eq!(value(&absent, 0), Value::Null);
        assert_eq!(type_name(&DataType::Duration(TimeUnit::Second)), None);
    }
}
