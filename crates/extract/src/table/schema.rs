//! Columns of the two tables. The partition column `month` stands in the log, not in the files.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::DateTime;

/// Which of the two tables of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableKind {
    /// Statistics: one row per parcel, unit of work and band.
    Extracts,
    /// Class counts: one row per parcel, unit of work, band and class.
    Classes,
}

impl TableKind {
    /// Returns the columns that stand in the files, in their order.
    pub fn schema(self) -> SchemaRef {
        match self {
            Self::Extracts => extracts_schema(),
            Self::Classes => classes_schema(),
        }
    }
}

fn key_fields() -> Vec<Field> {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    vec![
        // Row in the Hilbert-sorted version of the parcel set.
        Field::new("parcel", DataType::Int32, false),
        text("parcel_id"),
        // Acquisition start of the unit's first slice.
        Field::new("datetime", instant, false),
        text("collection"),
        text("item_id"),
        text("band"),
    ]
}

/// Returns the columns of the table of statistics.
pub fn extracts_schema() -> SchemaRef {
    let value = |name: &str| Field::new(name, DataType::Float32, true);
    let mut fields = key_fields();
    fields.extend([
        Field::new("pass", DataType::Utf8, false),
        Field::new("relative_orbit", DataType::Int16, true),
        Field::new("orbit_state", DataType::Utf8, true),
        Field::new("count", DataType::Float32, false),
        Field::new("clear", DataType::Float32, false),
    ]);
    fields.extend(["mean", "stdev", "min", "max", "p25", "p50", "p75"].map(value));
    Arc::new(Schema::new(fields))
}

/// Returns the columns of the table of class counts.
pub fn classes_schema() -> SchemaRef {
    let mut fields = key_fields();
    fields.extend([
        // Stored value of the class.
        Field::new("class", DataType::Int32, false),
        Field::new("count", DataType::Float32, false),
    ]);
    Arc::new(Schema::new(fields))
}

/// Returns the partition of an instant, `YYYY-MM` in UTC.
pub fn month_of(datetime_us: i64) -> String {
    DateTime::from_timestamp_micros(datetime_us)
        .unwrap_or_default()
        .format("%Y-%m")
        .to_string()
}
