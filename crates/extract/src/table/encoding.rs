//! How columns are laid out in a data file: as small as the values allow, in pages that are read one
//! by one.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch, cast::AsArray};
use arrow::datatypes::{DataType, Field, Float32Type, Int32Type, SchemaRef};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

/// Rows of a row group.
pub(super) const ROW_GROUP_ROWS: usize = 100_000;
/// Rows by which encodings are decided: they are held until then, some 200 bytes each.
pub(super) const SAMPLE_ROWS: usize = 32_768;
/// Most rows of a page: what is read for one parcel.
const PAGE_ROWS_MAX: usize = 2_048;
/// Level of zstd: above, files shrink by a percent and writing takes twice as long.
const ZSTD_LEVEL: i32 = 3;
/// Columns by which pages are found.
const SEARCHED: [&str; 3] = ["parcel", "band", "datetime"];
/// Columns that the option `precision` rounds.
const ROUNDED: [&str; 7] = ["mean", "stdev", "min", "max", "p25", "p50", "p75"];
/// Bytes that a float takes beside its sign and exponent when split into streams and compressed.
const SPLIT_FLOAT_BYTES: f64 = 3.0;
/// Rows that share a text where a dictionary is worth it.
const SHARED_BY_MIN: usize = 8;
/// Bits of the mantissa of a float.
const MANTISSA_BITS: u32 = 23;

/// Returns the properties of a file that begins with these rows, which have the columns of `schema`.
pub(super) fn properties(schema: &SchemaRef, first: &[RecordBatch]) -> WriterProperties {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).expect("a level of zstd");
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS_MAX)
        .set_write_batch_size(PAGE_ROWS_MAX)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_created_by("swath".to_owned());
    for (index, field) in schema.fields().iter().enumerate() {
        let column: Vec<&ArrayRef> = first.iter().map(|batch| batch.column(index)).collect();
        let path = ColumnPath::from(field.name().as_str());
        if SEARCHED.contains(&field.name().as_str()) {
            builder = builder.set_column_statistics_enabled(path.clone(), EnabledStatistics::Page);
        }
        if let Some(encoding) = plain_encoding(field, &column) {
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, encoding);
        }
    }
    builder.build()
}

/// Returns how a column, given in parts, is encoded where a dictionary would be larger.
fn plain_encoding(field: &Field, column: &[&ArrayRef]) -> Option<Encoding> {
    match field.data_type() {
        // Sorted: differences are small.
        DataType::Int32 if field.name() == "parcel" => Some(Encoding::DELTA_BINARY_PACKED),
        DataType::Float32 => {
            let parts = column.iter().map(|part| part.as_primitive::<Float32Type>());
            let (rows, distinct) = tally(parts.flatten().flatten().map(f32::to_bits));
            let split_bytes = rows as f64 * (1.0 + SPLIT_FLOAT_BYTES) * 0.75;
            (dictionary_bytes(rows as f64, distinct, 4.0) > split_bytes)
                .then_some(Encoding::BYTE_STREAM_SPLIT)
        }
        DataType::Utf8 => {
            let parts = column.iter().map(|part| part.as_string::<i32>());
            let (rows, distinct) = tally(parts.flatten().flatten());
            // Of a text that few rows share, all but the first begin like the one before: their whole.
            (distinct * SHARED_BY_MIN > rows).then_some(Encoding::DELTA_BYTE_ARRAY)
        }
        _ => None,
    }
}

/// Returns how many values there are, and how many distinct ones.
fn tally<T: Eq + Hash>(values: impl Iterator<Item = T>) -> (usize, usize) {
    let mut rows = 0;
    let distinct: HashSet<T> = values.inspect(|_| rows += 1).collect();
    (rows, distinct.len())
}

fn dictionary_bytes(rows: f64, distinct: usize, value_bytes: f64) -> f64 {
    let distinct = distinct.max(1) as f64;
    distinct * value_bytes + rows * distinct.log2().ceil() / 8.0
}

/// Rounds the statistics of a batch so that none is off by more than the share `precision` of itself.
pub(super) fn round(batch: RecordBatch, precision: f64) -> RecordBatch {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns.map(
        |(field, column)| match ROUNDED.contains(&field.name().as_str()) {
            true => {
                let values = column.as_primitive::<Float32Type>();
                let rounded: Float32Array = values.unary(|value| round_value(value, precision));
                Arc::new(rounded) as ArrayRef
            }
            false => column.clone(),
        },
    );
    RecordBatch::try_new(schema.clone(), columns.collect())
        .expect("types and lengths are as before")
}

/// Rounds to the fewest bits of the mantissa that `precision` allows, half to even.
fn round_value(value: f32, precision: f64) -> f32 {
    let kept = (-precision.log2()).ceil().max(1.0) as u32 - 1;
    let Some(dropped) = MANTISSA_BITS
        .checked_sub(kept)
        .filter(|dropped| *dropped > 0)
    else {
        return value;
    };
    let bits = value.to_bits();
    let half = (1_u32 << (dropped - 1)) - 1 + ((bits >> dropped) & 1);
    let rounded = f32::from_bits(bits.wrapping_add(half) & !((1_u32 << dropped) - 1));
    match value.is_finite() && rounded.is_finite() {
        true => rounded,
        false => value,
    }
}

/// Returns the first and last `parcel` of sorted rows.
pub(super) fn parcel_bounds(batch: &RecordBatch) -> Option<(i32, i32)> {
    let parcels = batch.column_by_name("parcel")?.as_primitive::<Int32Type>();
    let last = parcels.len().checked_sub(1)?;
    Some((parcels.value(0), parcels.value(last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rounding_stays_within_precision(bits in any::<u32>(), precision in 1e-7_f64..0.01) {
            let value = f32::from_bits(bits);
            let rounded = round_value(value, precision);
            prop_assume!(value.is_normal());
            let error = (f64::from(rounded) - f64::from(value)).abs();
            prop_assert!(error <= precision * f64::from(value).abs(), "{value} {rounded}");
            prop_assert_eq!(round_value(rounded, precision), rounded);
        }
    }

    #[test]
    fn what_is_no_number_stays() {
        assert!(round_value(f32::NAN, 0.01).is_nan());
        assert_eq!(round_value(f32::INFINITY, 0.01), f32::INFINITY);
        assert_eq!(round_value(f32::MAX, 0.01), f32::MAX);
        assert_eq!(round_value(-0.0, 0.01).to_bits(), (-0.0_f32).to_bits());
    }
}
