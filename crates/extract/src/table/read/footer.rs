//! Footer and page indexes of a data file, checked: nothing they point to lies outside of it.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use parquet::DecodeResult;
use parquet::basic::{Compression, Encoding, Type};
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder,
    RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::statistics::Statistics;
use swath_io::{AssetRef, compute};

use super::column::ColumnKind;
use super::index::{ChunkIndex, PageSpan, ParcelPage, damaged};
use super::page::ChunkStorage;
use super::page_header::PAGE_BYTES_MAX;
use crate::ExtractError;

/// Bytes of the end of a file that are read at first: footer and page indexes of most files.
const TAIL_BYTES: u64 = 128 << 10;
/// Largest footer, or set of page indexes, that is read, in bytes.
const FOOTER_BYTES_MAX: u64 = 512 << 20;
/// Rounds of questions for parts of the footer: length, footer, indexes.
const FOOTER_ROUNDS_MAX: u32 = 8;
/// Most rows of a page.
const PAGE_ROWS_MAX: u32 = 1 << 20;

pub(super) async fn read_metadata(
    asset: &AssetRef,
    size_bytes: u64,
) -> Result<Arc<ParquetMetaData>, ExtractError> {
    let wrong = |error: &dyn std::fmt::Display| damaged(asset, &error.to_string());
    let decoder = ParquetMetaDataPushDecoder::try_new(size_bytes).map_err(|error| wrong(&error))?;
    let mut decoder = decoder.with_page_index_policy(PageIndexPolicy::Optional);
    let tail = size_bytes.saturating_sub(TAIL_BYTES)..size_bytes;
    let bytes = asset.read_ranges(std::slice::from_ref(&tail), None).await?;
    let mut pushed = decoder.push_ranges(vec![tail], bytes);
    for _ in 0..FOOTER_ROUNDS_MAX {
        pushed.map_err(|error| wrong(&error))?;
        let (back, decoded) = compute::run(move |_| {
            let decoded = decoder.try_decode();
            (decoder, decoded)
        })
        .await;
        decoder = back;
        match decoded.map_err(|error| wrong(&error))? {
            DecodeResult::Data(metadata) => return Ok(Arc::new(metadata)),
            DecodeResult::Finished => break,
            DecodeResult::NeedsData(ranges) => {
                let wanted: u64 = ranges.iter().map(|range| range.end - range.start).sum();
                let is_inside = ranges.iter().all(|range| range.end <= size_bytes);
                if wanted > FOOTER_BYTES_MAX || !is_inside {
                    return Err(wrong(&"its footer points outside of it, or is too large"));
                }
                let bytes = asset.read_ranges(&ranges, None).await?;
                pushed = decoder.push_ranges(ranges, bytes);
            }
        }
    }
    Err(wrong(&"its footer cannot be read"))
}

/// Returns the leaf column of each field of the schema.
pub(super) fn leaves(metadata: &ParquetMetaData, schema: &Schema) -> Result<Vec<usize>, String> {
    let columns = metadata.file_metadata().schema_descr().columns();
    let find = |name: &String| {
        columns
            .iter()
            .position(|column| column.path().parts() == std::slice::from_ref(name))
            .ok_or_else(|| format!("it has no column \"{name}\": it is no file of this table"))
    };
    schema
        .fields()
        .iter()
        .map(|field| find(field.name()))
        .collect()
}

/// Returns whether the file has only what the reader of pages knows.
pub(super) fn is_native(metadata: &ParquetMetaData, schema: &Schema, leaves: &[usize]) -> bool {
    let has_indexes = metadata.offset_index().is_some() && metadata.column_index().is_some();
    has_indexes
        && metadata.row_groups().iter().all(|group| {
            let fields = schema.fields().iter().zip(leaves);
            fields.into_iter().all(|(field, leaf)| {
                is_native_chunk(group.column(*leaf), ColumnKind::of(field.data_type()))
            })
        })
}

fn is_native_chunk(chunk: &ColumnChunkMetaData, kind: ColumnKind) -> bool {
    let is_compression = matches!(
        chunk.compression(),
        Compression::UNCOMPRESSED | Compression::ZSTD(_)
    );
    let physical = match kind {
        ColumnKind::Int32 => Type::INT32,
        ColumnKind::Int64 => Type::INT64,
        ColumnKind::Float32 => Type::FLOAT,
        ColumnKind::Text => Type::BYTE_ARRAY,
    };
    let is_encoding = chunk.encodings().all(|encoding| is_known(encoding, kind));
    let description = chunk.column_descr();
    let is_flat = description.max_rep_level() == 0 && description.max_def_level() <= 1;
    // Instants of another unit would be other numbers.
    let is_unit = kind != ColumnKind::Int64 || is_microseconds(chunk);
    is_compression && chunk.column_type() == physical && is_encoding && is_flat && is_unit
}

fn is_known(encoding: Encoding, kind: ColumnKind) -> bool {
    let is_whole = matches!(kind, ColumnKind::Int32 | ColumnKind::Int64);
    match encoding {
        Encoding::PLAIN | Encoding::RLE | Encoding::RLE_DICTIONARY => true,
        Encoding::DELTA_BINARY_PACKED => is_whole,
        Encoding::BYTE_STREAM_SPLIT => kind != ColumnKind::Text,
        Encoding::DELTA_LENGTH_BYTE_ARRAY => kind == ColumnKind::Text,
        _ => false,
    }
}

fn is_microseconds(chunk: &ColumnChunkMetaData) -> bool {
    use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
    let description = chunk.column_descr();
    match description.logical_type_ref() {
        Some(LogicalType::Timestamp(stamp)) => stamp.unit == TimeUnit::MICROS,
        _ => description.converted_type() == ConvertedType::TIMESTAMP_MICROS,
    }
}

pub(super) fn locations(
    metadata: &ParquetMetaData,
    group: usize,
    leaf: usize,
) -> Option<&Vec<PageLocation>> {
    let of_group = metadata.offset_index()?.get(group)?;
    Some(of_group.get(leaf)?.page_locations())
}

/// Returns where dictionary, chunk and pages lie, all of it inside the file; without `locations` the
/// chunk as a whole.
pub(super) fn chunk_index(
    chunk: &ColumnChunkMetaData,
    leaf: usize,
    field: &Field,
    locations: Option<&Vec<PageLocation>>,
    rows: u32,
    size_bytes: u64,
) -> Result<ChunkIndex, &'static str> {
    let data = chunk.data_page_offset();
    let start = chunk.dictionary_page_offset().unwrap_or(data).min(data);
    let bytes = inside(
        start,
        start.checked_add(chunk.compressed_size()),
        size_bytes,
    );
    let bytes = bytes.ok_or("it lies outside of the file")?;
    let pages = match locations {
        Some(locations) => page_spans(locations, rows, size_bytes)?,
        None => Vec::new(),
    };
    let dictionary = match pages.first() {
        Some(first) if bytes.start < first.offset => Some(bytes.start..first.offset),
        _ => None,
    };
    Ok(ChunkIndex {
        leaf,
        is_nullable: field.is_nullable(),
        storage: ChunkStorage {
            kind: ColumnKind::of(field.data_type()),
            is_optional: chunk.column_descr().max_def_level() == 1,
            is_zstd: chunk.compression() != Compression::UNCOMPRESSED,
        },
        dictionary,
        bytes,
        pages,
    })
}

fn inside(start: i64, end: Option<i64>, size_bytes: u64) -> Option<Range<u64>> {
    let (start, end) = (u64::try_from(start).ok()?, u64::try_from(end?).ok()?);
    (start <= end && end <= size_bytes).then_some(start..end)
}

fn page_spans(
    locations: &[PageLocation],
    rows: u32,
    size_bytes: u64,
) -> Result<Vec<PageSpan>, &'static str> {
    let mut pages: Vec<PageSpan> = Vec::with_capacity(locations.len());
    for location in locations {
        let len = i64::from(location.compressed_page_size);
        let span = inside(
            location.offset,
            location.offset.checked_add(len),
            size_bytes,
        );
        let span = span.ok_or("a page lies outside of the file")?;
        let first_row = u32::try_from(location.first_row_index).unwrap_or(u32::MAX);
        let follows = match pages.last() {
            None => first_row == 0,
            Some(before) => {
                before.first_row < first_row && first_row - before.first_row <= PAGE_ROWS_MAX
            }
        };
        let is_small = span.end - span.start <= PAGE_BYTES_MAX as u64;
        if !follows || first_row >= rows || !is_small {
            return Err("its pages do not follow one another");
        }
        pages.push(PageSpan {
            offset: span.start,
            bytes: (span.end - span.start) as u32,
            first_row,
        });
    }
    let last_rows = pages.last().map_or(0, |page| rows - page.first_row);
    if pages.is_empty() != (rows == 0) || last_rows > PAGE_ROWS_MAX {
        return Err("its pages do not make up its rows");
    }
    Ok(pages)
}

/// Returns smallest and largest parcel of each page.
pub(super) fn page_bounds(
    metadata: &ParquetMetaData,
    group: usize,
    leaf: usize,
    pages: &[PageSpan],
    rows: u32,
) -> Option<Vec<ParcelPage>> {
    let ColumnIndexMetaData::INT32(bounds) = metadata.column_index()?.get(group)?.get(leaf)? else {
        return None;
    };
    if bounds.min_values().len() != pages.len() || bounds.max_values().len() != pages.len() {
        return None;
    }
    let ends = pages.iter().skip(1).map(|page| page.first_row);
    let ends = ends.chain([rows]);
    let bounds = bounds.min_values().iter().zip(bounds.max_values());
    let spans = pages.iter().zip(ends).zip(bounds);
    Some(
        spans
            .map(|((page, end_row), (min, max))| ParcelPage {
                min: *min,
                max: *max,
                group: group as u32,
                first_row: page.first_row,
                end_row,
            })
            .collect(),
    )
}

/// Returns all rows of a row group as one page.
pub(super) fn group_bounds(
    group: &RowGroupMetaData,
    number: usize,
    leaf: usize,
    rows: u32,
) -> ParcelPage {
    let known = match group.column(leaf).statistics() {
        Some(Statistics::Int32(known)) => known.min_opt().zip(known.max_opt()),
        _ => None,
    };
    let (min, max) = known.unwrap_or((&i32::MIN, &i32::MAX));
    ParcelPage {
        min: *min,
        max: *max,
        group: number as u32,
        first_row: 0,
        end_row: rows,
    }
}
