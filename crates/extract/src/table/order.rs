//! The order of rows in every file: parcel, band, datetime, item, class.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};

use super::TableKind;
use super::merge::failed;
use crate::ExtractError;

/// Rows that are put in order at once: whole pages of a data file.
const SORTED_ROWS: usize = 8_192;

/// Columns that rows are sorted by, the first the most.
const EXTRACTS: [&str; 4] = ["parcel", "band", "datetime", "item_id"];
/// As [`EXTRACTS`], of classes.
const CLASSES: [&str; 5] = ["parcel", "band", "datetime", "item_id", "class"];

/// Compares rows of one of the two tables.
#[derive(Debug, Clone)]
pub(super) struct RowOrder {
    converter: Arc<RowConverter>,
    columns: &'static [&'static str],
    schema: SchemaRef,
}

impl RowOrder {
    pub(super) fn new(kind: TableKind) -> Result<Self, ArrowError> {
        let columns: &'static [&'static str] = match kind {
            TableKind::Extracts => &EXTRACTS,
            TableKind::Classes => &CLASSES,
        };
        let schema = kind.schema();
        let fields = columns.iter().map(|name| {
            let field = schema.field_with_name(name);
            field.map(|field| SortField::new(field.data_type().clone()))
        });
        let fields = fields.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            converter: Arc::new(RowConverter::new(fields)?),
            columns,
            schema,
        })
    }

    /// Returns the columns of the rows.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns what rows are compared by.
    pub(super) fn keys(&self, batch: &RecordBatch) -> Result<Rows, ArrowError> {
        let columns = self.columns.iter().map(|name| {
            let column = batch.column_by_name(name).cloned();
            column.ok_or_else(|| ArrowError::SchemaError(format!("there is no column {name}")))
        });
        let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
        self.converter.convert_columns(&columns)
    }

    /// Hands over the rows of several batches in order, some at a time, so that they are never held twice.
    ///
    /// # Errors
    /// Those of `take`, and batches with other columns.
    pub(super) fn hand_over_sorted(
        &self,
        batches: &[RecordBatch],
        take: &mut dyn FnMut(RecordBatch) -> Result<(), ExtractError>,
    ) -> Result<(), ExtractError> {
        let wrong = |error: ArrowError| failed("rows", &error);
        let keys = batches.iter().map(|batch| self.keys(batch));
        let keys = keys.collect::<Result<Vec<Rows>, _>>().map_err(wrong)?;
        let rows_of = |(number, batch): (usize, &RecordBatch)| {
            (0..batch.num_rows()).map(move |row| (number, row))
        };
        let mut places: Vec<(usize, usize)> =
            batches.iter().enumerate().flat_map(rows_of).collect();
        places.sort_by(|one, two| keys[one.0].row(one.1).cmp(&keys[two.0].row(two.1)));
        drop(keys);
        let batches: Vec<&RecordBatch> = batches.iter().collect();
        for some in places.chunks(SORTED_ROWS) {
            take(interleave_record_batch(&batches, some).map_err(wrong)?)?;
        }
        Ok(())
    }
}

/// True where no row stands before a smaller one.
pub(super) fn is_sorted(keys: &Rows) -> bool {
    (1..keys.num_rows()).all(|row| keys.row(row - 1) <= keys.row(row))
}
