//! Reading and comparing small Parquet tables.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow::compute::{SortColumn, cast, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// How two tables may differ.
#[derive(Debug, Clone, Default)]
pub struct TableTolerance {
    /// Allowed absolute difference of floating-point values; not-a-number equals itself.
    pub absolute: f64,
    /// Allowed difference as a share of the larger magnitude; either tolerance suffices.
    pub relative: f64,
    /// Columns by which both tables are sorted first; empty compares rows in file order.
    pub sort_by: Vec<String>,
}

/// Reads a Parquet file into one batch.
///
/// # Panics
/// If the file cannot be read.
pub fn read_parquet(path: impl AsRef<Path>) -> RecordBatch {
    let path = path.as_ref();
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let schema = builder.schema().clone();
    let reader = builder.build().expect("a reader over all rows");
    let batches: Vec<RecordBatch> = reader
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    concat_batches(&schema, &batches).expect("batches of one file share a schema")
}

/// Reads the named columns of a Parquet file, in the order of `names`.
///
/// # Panics
/// If the file cannot be read or has no such column.
pub fn read_parquet_columns(path: impl AsRef<Path>, names: &[&str]) -> Vec<ArrayRef> {
    let table = read_parquet(path);
    names
        .iter()
        .map(|name| column(&table, name).clone())
        .collect()
}

/// Asserts that two tables have the same columns, types and nulls, and values within `tolerance`.
///
/// # Panics
/// With column, row and both values at the first difference.
pub fn assert_table_eq(left: &RecordBatch, right: &RecordBatch, tolerance: &TableTolerance) {
    let describe = |table: &RecordBatch| -> Vec<String> {
        let fields = table.schema_ref().fields().iter();
        fields
            .map(|field| format!("{}: {}", field.name(), field.data_type()))
            .collect()
    };
    assert_eq!(describe(left), describe(right), "columns differ");
    assert_eq!(left.num_rows(), right.num_rows(), "numbers of rows differ");
    let left = sorted(left, &tolerance.sort_by);
    let right = sorted(right, &tolerance.sort_by);
    for (index, field) in left.schema_ref().fields().iter().enumerate() {
        assert_column_eq(
            field.name(),
            left.column(index),
            right.column(index),
            tolerance,
        );
    }
}

fn column<'a>(table: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    let schema = table.schema_ref();
    table
        .column_by_name(name)
        .unwrap_or_else(|| panic!("no column {name} in {schema}"))
}

fn sorted(table: &RecordBatch, names: &[String]) -> RecordBatch {
    if names.is_empty() {
        return table.clone();
    }
    let key = |name: &String| SortColumn {
        values: column(table, name).clone(),
        options: None,
    };
    let keys: Vec<SortColumn> = names.iter().map(key).collect();
    let indices = lexsort_to_indices(&keys, None).expect("columns that can be sorted");
    take_record_batch(table, &indices).expect("indices of this table")
}

fn assert_column_eq(name: &str, left: &ArrayRef, right: &ArrayRef, tolerance: &TableTolerance) {
    if !left.data_type().is_floating() {
        for row in 0..left.len() {
            let is_same = left.slice(row, 1) == right.slice(row, 1);
            assert!(
                is_same,
                "column {name}, row {row}: {} ≠ {}",
                text(left, row),
                text(right, row)
            );
        }
        return;
    }
    let (left_values, right_values) = (as_f64(left), as_f64(right));
    for row in 0..left.len() {
        let is_same = match (left_values.is_null(row), right_values.is_null(row)) {
            (false, false) => is_close(left_values.value(row), right_values.value(row), tolerance),
            (is_left_null, is_right_null) => is_left_null == is_right_null,
        };
        assert!(
            is_same,
            "column {name}, row {row}: {} ≠ {}",
            text(left, row),
            text(right, row)
        );
    }
}

fn as_f64(values: &ArrayRef) -> Float64Array {
    let values = cast(values, &DataType::Float64).expect("floating-point values");
    Float64Array::from(values.to_data())
}

fn is_close(left: f64, right: f64, tolerance: &TableTolerance) -> bool {
    if left == right || (left.is_nan() && right.is_nan()) {
        return true;
    }
    let difference = (left - right).abs();
    let magnitude = left.abs().max(right.abs());
    difference <= tolerance.absolute || difference <= tolerance.relative * magnitude
}

fn text(values: &ArrayRef, row: usize) -> String {
    if values.is_null(row) {
        return "null".to_owned();
    }
    array_value_to_string(values, row).unwrap_or_else(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use arrow::array::{Float32Array, StringArray};
    use parquet::arrow::ArrowWriter;

    use super::*;

    fn table(ids: &[&str], means: &[Option<f32>]) -> RecordBatch {
        let ids: ArrayRef = Arc::new(StringArray::from(ids.to_vec()));
        let means: ArrayRef = Arc::new(Float32Array::from(means.to_vec()));
        RecordBatch::try_from_iter_with_nullable([("id", ids, false), ("mean", means, true)])
            .expect("columns of one length")
    }

    fn tolerance(absolute: f64) -> TableTolerance {
        TableTolerance {
            absolute,
            relative: 0.0,
            sort_by: vec!["id".to_owned()],
        }
    }

    fn differ(left: &RecordBatch, right: &RecordBatch, absolute: f64) -> bool {
        let compare = || assert_table_eq(left, right, &tolerance(absolute));
        catch_unwind(AssertUnwindSafe(compare)).is_err()
    }

    #[test]
    fn rows_are_compared_after_sorting_within_tolerance() {
        let left = table(&["a", "b", "c"], &[Some(1.0), None, Some(f32::NAN)]);
        let right = table(&["c", "b", "a"], &[Some(f32::NAN), None, Some(1.01)]);
        assert_table_eq(&left, &right, &tolerance(0.1));
        assert!(differ(&left, &right, 0.001));
        let other = table(&["c", "b", "a"], &[Some(f32::NAN), Some(0.0), Some(1.0)]);
        assert!(differ(&left, &other, 0.1));
        let renamed = table(&["a", "b", "d"], &[Some(1.0), None, Some(f32::NAN)]);
        assert!(differ(&left, &renamed, 0.1));
    }

    #[test]
    fn columns_are_read_by_name() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("t.parquet");
        let written = table(&["a", "b"], &[Some(1.0), None]);
        let file = File::create(&path).expect("file");
        let mut writer = ArrowWriter::try_new(file, written.schema(), None).expect("writer");
        writer.write(&written).expect("write");
        writer.close().expect("close");
        assert_table_eq(&read_parquet(&path), &written, &TableTolerance::default());
        let columns = read_parquet_columns(&path, &["mean"]);
        assert_eq!((columns.len(), columns[0].null_count()), (1, 1));
    }
}
