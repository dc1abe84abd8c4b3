//! Record batches to bytes, piece by piece: no format needs all rows at once but JSON.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::csv;
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, SchemaRef,
    TimeUnit, TimestampMicrosecondType, UInt32Type,
};
use arrow::ipc::writer::StreamWriter;
use chrono::{DateTime, SecondsFormat};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Number, Value};

use crate::SeriesError;

/// Rows of a row group: bounds what a writer of Parquet holds.
const GROUP_ROWS: usize = 100_000;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesFormat {
    /// One object: columns → lists.
    Json,
    /// RFC 4180 with a header; absent values are empty.
    Csv,
    /// Arrow IPC stream.
    Arrow,
    /// Parquet, zstd.
    Parquet,
}

impl SeriesFormat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Json, Self::Csv, Self::Arrow, Self::Parquet];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Arrow => "arrow",
            Self::Parquet => "parquet",
        }
    }

    /// Returns its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// Where there is no such format.
    pub fn parse(word: &str) -> Result<Self, SeriesError> {
        let found = Self::ALL
            .into_iter()
            .find(|format| format.name().eq_ignore_ascii_case(word));
        found.ok_or_else(|| SeriesError::Word {
            what: "format",
            word: word.chars().take(40).collect(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }

    /// Returns the format that an `Accept` header asks for first; `None` where any will do or
    /// none of them is named.
    pub fn accepted(accept: &str) -> Option<Self> {
        accept.split(',').take(20).find_map(|part| {
            let kind = part.split(';').next().unwrap_or_default().trim();
            Self::ALL.into_iter().find(|format| {
                let own = format.media_type().split(';').next().unwrap_or_default();
                kind.eq_ignore_ascii_case(own)
            })
        })
    }
}

/// Writes record batches of one schema in a format.
pub struct SeriesEncoder {
    inner: Inner,
}

enum Inner {
    Json(Vec<RecordBatch>, SchemaRef),
    Csv { has_header: bool },
    Arrow(Box<StreamWriter<Vec<u8>>>),
    Parquet(Box<ArrowWriter<Vec<u8>>>),
}

impl std::fmt::Debug for SeriesEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeriesEncoder").finish_non_exhaustive()
    }
}

fn failed(format: SeriesFormat) -> impl Fn(&dyn std::fmt::Display) -> SeriesError {
    move |error| SeriesError::Encode {
        format: format.name(),
        reason: error.to_string(),
    }
}

impl SeriesEncoder {
    /// Returns an encoder of batches of `schema`.
    ///
    /// # Errors
    /// Where the format cannot hold a column.
    pub fn new(format: SeriesFormat, schema: &SchemaRef) -> Result<Self, SeriesError> {
        let failed = failed(format);
        let inner = match format {
            SeriesFormat::Json => Inner::Json(Vec::new(), schema.clone()),
            SeriesFormat::Csv => Inner::Csv { has_header: false },
            SeriesFormat::Arrow => {
                let writer = StreamWriter::try_new(Vec::new(), schema);
                Inner::Arrow(Box::new(writer.map_err(|error| failed(&error))?))
            }
            SeriesFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties));
                Inner::Parquet(Box::new(writer.map_err(|error| failed(&error))?))
            }
        };
        Ok(Self { inner })
    }

    /// Takes a batch; returns the bytes that are ready, none where the format waits for more.
    ///
    /// # Errors
    /// Where the batch has another schema.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, SeriesError> {
        match &mut self.inner {
            Inner::Json(batches, _) => {
                batches.push(batch.clone());
                Ok(Vec::new())
            }
            Inner::Csv { has_header } => {
                let mut bytes = Vec::new();
                let mut writer = csv::WriterBuilder::new()
                    .with_header(!*has_header)
                    .with_timestamp_tz_format("%Y-%m-%dT%H:%M:%S%.fZ".to_owned())
                    .build(&mut bytes);
                writer
                    .write(batch)
                    .map_err(|error| failed(SeriesFormat::Csv)(&error))?;
                drop(writer);
                *has_header = true;
                Ok(bytes)
            }
            Inner::Arrow(writer) => {
                let written = writer.write(batch);
                written.map_err(|error| failed(SeriesFormat::Arrow)(&error))?;
                Ok(std::mem::take(writer.get_mut()))
            }
            Inner::Parquet(writer) => {
                let written = writer.write(batch);
                written.map_err(|error| failed(SeriesFormat::Parquet)(&error))?;
                // Whole row groups only: what the writer still holds is not yet in the buffer.
                Ok(std::mem::take(writer.inner_mut()))
            }
        }
    }

    /// Ends the file; returns its last bytes.
    ///
    /// # Errors
    /// Where the last rows cannot be written.
    pub fn finish(self) -> Result<Vec<u8>, SeriesError> {
        match self.inner {
            Inner::Json(batches, schema) => {
                let columns = json_columns(&schema, &batches);
                Ok(Value::Object(columns).to_string().into_bytes())
            }
            Inner::Csv { .. } => Ok(Vec::new()),
            Inner::Arrow(mut writer) => {
                let ended = writer.finish();
                ended.map_err(|error| failed(SeriesFormat::Arrow)(&error))?;
                Ok(std::mem::take(writer.get_mut()))
            }
            Inner::Parquet(mut writer) => {
                let ended = writer.finish();
                ended.map_err(|error| failed(SeriesFormat::Parquet)(&error))?;
                Ok(std::mem::take(writer.inner_mut()))
            }
        }
    }
}

/// Returns the rows as columns → lists. Instants are RFC 3339 texts; a float32 has the digits that
/// tell it from its neighbours, no more.
pub fn json_columns(schema: &SchemaRef, batches: &[RecordBatch]) -> Map<String, Value> {
    let mut columns = Map::new();
    for (index, field) in schema.fields().iter().enumerate() {
        let values = batches
            .iter()
            .flat_map(|batch| json_values(batch.column(index).as_ref()))
            .collect();
        columns.insert(field.name().clone(), Value::Array(values));
    }
    columns
}

fn json_values(array: &dyn Array) -> Vec<Value> {
    let value = |row: usize| -> Value {
        if array.is_null(row) {
            return Value::Null;
        }
        match array.data_type() {
            DataType::Utf8 => array.as_string::<i32>().value(row).into(),
            DataType::Boolean => array.as_boolean().value(row).into(),
            DataType::Date32 => {
                let days = i64::from(array.as_primitive::<Date32Type>().value(row));
                let instant = DateTime::from_timestamp(days * 86_400, 0).unwrap_or_default();
                instant.format("%Y-%m-%d").to_string().into()
            }
            DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
            DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
            DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
            DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
            DataType::Float32 => short(array.as_primitive::<Float32Type>().value(row)),
            DataType::Float64 => {
                let number = Number::from_f64(array.as_primitive::<Float64Type>().value(row));
                number.map_or(Value::Null, Value::Number)
            }
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
                let instant = DateTime::from_timestamp_micros(micros).unwrap_or_default();
                let text = instant.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                match zone {
                    Some(_) => text.into(),
                    // A local time is no instant.
                    None => text.trim_end_matches('Z').into(),
                }
            }
            _ => Value::Null,
        }
    };
    (0..array.len()).map(value).collect()
}

/// Returns a float32 with its own shortest digits.
fn short(value: f32) -> Value {
    let number = value.to_string().parse().ok().and_then(Number::from_f64);
    number.map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float32Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::{Field, Schema};
    use arrow::ipc::reader::StreamReader;

    use super::*;

    fn batch(from: i64) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("parcel_id", DataType::Utf8, false),
            Field::new(
                "datetime",
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                false,
            ),
            Field::new("mean", DataType::Float32, true),
        ]);
        let datetimes = vec![from * 1_000_000, (from + 1) * 1_000_000];
        RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(StringArray::from(vec!["007", "a,\"b\""])),
                Arc::new(TimestampMicrosecondArray::from(datetimes).with_timezone("UTC")),
                Arc::new(Float32Array::from(vec![Some(0.1), None])),
            ],
        )
        .expect("a batch")
    }

    fn encoded(format: SeriesFormat) -> Vec<u8> {
        let mut encoder = SeriesEncoder::new(format, &batch(0).schema()).expect("an encoder");
        let mut bytes = encoder.write(&batch(0)).expect("bytes");
        bytes.extend(encoder.write(&batch(10)).expect("bytes"));
        bytes.extend(encoder.finish().expect("bytes"));
        bytes
    }

    #[test]
    fn csv_has_one_header_and_quotes() {
        let text = String::from_utf8(encoded(SeriesFormat::Csv)).expect("text");
        assert_eq!(
            text,
            "parcel_id,datetime,mean\n007,1970-01-01T00:00:00Z,0.1\n\"a,\"\"b\"\"\",1970-01-01T00:00:01Z,\n\
             007,1970-01-01T00:00:10Z,0.1\n\"a,\"\"b\"\"\",1970-01-01T00:00:11Z,\n"
        );
    }

    #[test]
    fn json_has_columns_with_lists() {
        let value: Value = serde_json::from_slice(&encoded(SeriesFormat::Json)).expect("JSON");
        assert_eq!(value["parcel_id"][3], "a,\"b\"");
        assert_eq!(value["datetime"][2], "1970-01-01T00:00:10Z");
        assert_eq!(value["mean"], serde_json::json!([0.1, null, 0.1, null]));
    }

    #[test]
    fn arrow_and_parquet_are_read_back() {
        let bytes = encoded(SeriesFormat::Arrow);
        let reader = StreamReader::try_new(bytes.as_slice(), None).expect("a stream");
        let rows: usize = reader.map(|batch| batch.expect("a batch").num_rows()).sum();
        assert_eq!(rows, 4);
        let bytes = bytes::Bytes::from(encoded(SeriesFormat::Parquet));
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes, 10);
        let rows: usize = reader
            .expect("a file")
            .map(|batch| batch.expect("a batch").num_rows())
            .sum();
        assert_eq!(rows, 4);
    }

    #[test]
    fn formats_are_chosen_by_name_or_header() {
        assert_eq!(
            SeriesFormat::parse("CSV").expect("a format"),
            SeriesFormat::Csv
        );
        assert!(SeriesFormat::parse("xlsx").is_err());
        let accept = "text/html, application/vnd.apache.arrow.stream;q=0.9, */*";
        assert_eq!(SeriesFormat::accepted(accept), Some(SeriesFormat::Arrow));
        assert_eq!(SeriesFormat::accepted("*/*"), None);
    }
}
