//! Checkpoints: all that the log says up to a version, in one Parquet file ([protocol,
//! "Checkpoints"], the classic single file).
//!
//! Rows go through JSON in both directions, so that a commit and a checkpoint are read by the same
//! code, and columns that other programs add are passed over.
//!
//! [protocol, "Checkpoints"]: https://github.com/delta-io/delta/blob/master/PROTOCOL.md#checkpoints

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::{LineDelimitedWriter, ReaderBuilder};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};

use super::action::{Action, read_actions};

/// Rows that are turned into columns, or back, at once.
const ROWS_AT_ONCE: usize = 8192;
/// Most rows of a checkpoint.
const ROWS_MAX: usize = 6_000_000;

/// `_last_checkpoint`: where to begin to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastCheckpoint {
    /// Version of the checkpoint.
    pub(crate) version: i64,
    /// Its actions.
    pub(crate) size: i64,
    /// Number of files that it consists of, where it is not one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parts: Option<i64>,
}

/// Returns the columns of a checkpoint.
fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let long = |name: &str| Field::new(name, DataType::Int64, true);
    let integer = |name: &str| Field::new(name, DataType::Int32, true);
    let boolean = |name: &str| Field::new(name, DataType::Boolean, true);
    let map = |name: &str| {
        let entry = Fields::from(vec![
            Field::new("key", DataType::Utf8, false),
            text("value"),
        ]);
        let entries = Field::new("key_value", DataType::Struct(entry), false);
        Field::new(name, DataType::Map(Arc::new(entries), false), true)
    };
    let group =
        |name: &str, fields: Vec<Field>| Field::new(name, DataType::Struct(fields.into()), true);
    let list = |name: &str| Field::new(name, DataType::List(Arc::new(text("element"))), true);
    Arc::new(Schema::new(vec![
        group(
            "txn",
            vec![text("appId"), long("version"), long("lastUpdated")],
        ),
        group(
            "add",
            vec![
                text("path"),
                map("partitionValues"),
                long("size"),
                long("modificationTime"),
                boolean("dataChange"),
                text("stats"),
                map("tags"),
            ],
        ),
        group(
            "remove",
            vec![
                text("path"),
                long("deletionTimestamp"),
                boolean("dataChange"),
                boolean("extendedFileMetadata"),
                map("partitionValues"),
                long("size"),
            ],
        ),
        group(
            "metaData",
            vec![
                text("id"),
                text("name"),
                text("description"),
                group("format", vec![text("provider"), map("options")]),
                text("schemaString"),
                list("partitionColumns"),
                long("createdTime"),
                map("configuration"),
            ],
        ),
        group(
            "protocol",
            vec![integer("minReaderVersion"), integer("minWriterVersion")],
        ),
    ]))
}

/// Writes a checkpoint.
///
/// # Errors
/// None but those of our own bugs: it is made in memory.
pub(crate) fn write_checkpoint(actions: &[Action]) -> Result<Bytes, ParquetError> {
    let schema = schema();
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
    let mut decoder = ReaderBuilder::new(schema)
        .with_batch_size(ROWS_AT_ONCE)
        .build_decoder()
        .map_err(external)?;
    for rows in actions.chunks(ROWS_AT_ONCE) {
        decoder.serialize(rows).map_err(external)?;
        if let Some(batch) = decoder.flush().map_err(external)? {
            writer.write(&batch)?;
        }
    }
    Ok(writer.into_inner()?.into())
}

fn external(error: ArrowError) -> ParquetError {
    ParquetError::ArrowError(error.to_string())
}

/// Reads a checkpoint.
///
/// # Errors
/// In words.
pub(crate) fn read_checkpoint(bytes: Bytes) -> Result<Vec<Action>, String> {
    // The Parquet reader panics on some damage, such as the parts of a map that differ in length.
    let read = std::panic::catch_unwind(|| read_rows(bytes));
    read.unwrap_or_else(|_| Err("the checkpoint cannot be read: it is damaged".to_owned()))
}

fn read_rows(bytes: Bytes) -> Result<Vec<Action>, String> {
    let damaged = |error: &dyn std::fmt::Display| format!("the checkpoint cannot be read: {error}");
    // What a writer says of its Arrow types is not needed, and damaged it cannot be read safely.
    let plain = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, plain)
        .map_err(|error| damaged(&error))?;
    let rows = builder.metadata().file_metadata().num_rows();
    if usize::try_from(rows).map_or(true, |rows| rows > ROWS_MAX) {
        return Err(format!(
            "the checkpoint has {rows} rows, more than {ROWS_MAX}"
        ));
    }
    let reader = builder
        .with_batch_size(ROWS_AT_ONCE)
        .build()
        .map_err(|error| damaged(&error))?;
    let mut actions = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|error| damaged(&error))?;
        let mut lines = LineDelimitedWriter::new(Vec::new());
        lines.write(&batch).map_err(|error| damaged(&error))?;
        lines.finish().map_err(|error| damaged(&error))?;
        actions.extend(read_actions(&lines.into_inner()).map_err(|error| damaged(&error))?);
    }
    Ok(actions)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::action::{Add, Format, Metadata, Protocol, Remove, Txn};
    use super::*;
    use proptest::prelude::*;

    fn actions() -> Vec<Action> {
        let text = |text: &str| text.to_owned();
        let month = BTreeMap::from([(text("month"), Some(text("2021-04")))]);
        let tags = BTreeMap::from([(text("swath.units"), Some(text("[\"\u{e9}\"]")))]);
        vec![
            Action::Protocol(Protocol {
                min_reader_version: 1,
                min_writer_version: 2,
            }),
            Action::MetaData(Metadata {
                id: text("x"),
                name: None,
                description: None,
                format: Format {
                    provider: text("parquet"),
                    options: BTreeMap::new(),
                },
                schema_string: text("{}"),
                partition_columns: vec![text("month")],
                created_time: Some(7),
                configuration: BTreeMap::from([(text("a"), text("b"))]),
            }),
            Action::Txn(Txn {
                app_id: text("inputs:x"),
                version: -5,
                last_updated: None,
            }),
            Action::Add(Add {
                path: text("data/x.parquet"),
                partition_values: month,
                size: 1 << 40,
                modification_time: 3,
                data_change: false,
                stats: Some(text("{}")),
                tags: Some(tags),
                deletion_vector: None,
            }),
            Action::Remove(Remove {
                path: text("data/y.parquet"),
                deletion_timestamp: Some(9),
                data_change: false,
                extended_file_metadata: None,
                partition_values: None,
                size: None,
            }),
        ]
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        let bytes = write_checkpoint(&actions()).expect("a checkpoint");
        assert_eq!(read_checkpoint(bytes.clone()), Ok(actions()));
        assert_eq!(write_checkpoint(&actions()).expect("again"), bytes);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damaged_checkpoints_are_read_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = write_checkpoint(&actions()).expect("a checkpoint").to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = read_checkpoint(bytes.into());
        }
    }
}
