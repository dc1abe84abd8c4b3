//! Files of other writers: read by the general Parquet reader, a row group's column at a time.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Float32Type, Int32Type, TimeUnit, TimestampMicrosecondType};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::column::{Column, ColumnKind, TextDictionary, Values};
use super::damage::Damage;
use super::index::{FileIndex, damaged};
use super::source::Source;
use crate::ExtractError;

/// Decodes rows of one column of a row group.
///
/// # Errors
/// Where the file is damaged, or its column holds another type than the table's.
pub(super) fn decode(
    index: &FileIndex,
    metadata: &ArrowReaderMetadata,
    source: &Source,
    group: usize,
    column: usize,
    rows: Range<u32>,
) -> Result<Column, ExtractError> {
    let chunk = &index.groups[group].chunks[column];
    let mut buffer = Vec::new();
    let stored = source.bytes(index, chunk.bytes.clone(), &mut buffer)?;
    let stored = StoredChunk {
        start: chunk.bytes.start,
        bytes: Bytes::copy_from_slice(stored),
    };
    let wrong = |reason: String| {
        damaged(
            &index.asset,
            &format!("row group {group}, column {column}: {reason}"),
        )
    };
    let array = read(stored, metadata, group, chunk.leaf, &rows)
        .map_err(|error| wrong(error.to_string()))?;
    if array.len() != (rows.end - rows.start) as usize {
        return Err(wrong("fewer rows than its footer says".to_owned()));
    }
    from_array(&array, chunk.storage.kind).map_err(|damage| wrong(damage.0.to_owned()))
}

fn read(
    stored: StoredChunk,
    metadata: &ArrowReaderMetadata,
    group: usize,
    leaf: usize,
    rows: &Range<u32>,
) -> Result<ArrayRef, ParquetError> {
    let mask = ProjectionMask::leaves(metadata.parquet_schema(), [leaf]);
    let len = (rows.end - rows.start) as usize;
    let selection = vec![
        RowSelector::skip(rows.start as usize),
        RowSelector::select(len),
    ];
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(stored, metadata.clone())
        .with_projection(mask)
        .with_row_groups(vec![group])
        .with_row_selection(RowSelection::from(selection))
        .with_batch_size(len.max(1))
        .build()?;
    let mut parts = Vec::new();
    for batch in reader {
        parts.push(batch?.column(0).clone());
    }
    let parts: Vec<&dyn Array> = parts.iter().map(|part| part.as_ref()).collect();
    match parts.is_empty() {
        true => Err(ParquetError::General("no rows".to_owned())),
        false => Ok(concat(&parts)?),
    }
}

fn from_array(array: &ArrayRef, kind: ColumnKind) -> Result<Column, Damage> {
    let wanted = match kind {
        ColumnKind::Int32 => DataType::Int32,
        ColumnKind::Int64 => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ColumnKind::Float32 => DataType::Float32,
        ColumnKind::Text => DataType::Utf8,
    };
    let array = cast(array, &wanted).map_err(|_| Damage("a type that is not that of the table"))?;
    let values = match kind {
        ColumnKind::Int32 => Values::Int32(array.as_primitive::<Int32Type>().values().to_vec()),
        ColumnKind::Int64 => Values::Int64(
            array
                .as_primitive::<TimestampMicrosecondType>()
                .values()
                .to_vec(),
        ),
        ColumnKind::Float32 => {
            Values::Float32(array.as_primitive::<Float32Type>().values().to_vec())
        }
        ColumnKind::Text => {
            let texts = array.as_string::<i32>();
            let (mut numbers, mut dictionary) = (Vec::new(), TextDictionary::default());
            let mut before: Option<(&str, u32)> = None;
            for row in 0..texts.len() {
                let text = texts.value(row);
                let number = match before {
                    Some((same, number)) if same == text => number,
                    _ => dictionary.push(text.as_bytes())?,
                };
                before = Some((text, number));
                numbers.push(number);
            }
            Values::Text {
                numbers,
                dictionary: Arc::new(dictionary),
            }
        }
    };
    let valid = array.nulls().map(|nulls| nulls.iter().collect());
    Ok(Column { values, valid })
}

/// The bytes of one column chunk, at their place in the file.
struct StoredChunk {
    start: u64,
    bytes: Bytes,
}

impl Length for StoredChunk {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for StoredChunk {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let len = self.len().saturating_sub(start) as usize;
        Ok(bytes::Buf::reader(self.get_bytes(start, len)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let outside = || ParquetError::EOF("bytes outside of the column chunk".to_owned());
        let from = start.checked_sub(self.start).ok_or_else(outside)? as usize;
        let end = from.checked_add(length).ok_or_else(outside)?;
        match end <= self.bytes.len() {
            true => Ok(self.bytes.slice(from..end)),
            false => Err(outside()),
        }
    }
}
