//! The order of rows in every file: parcel, band, datetime, item, class.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};

use super::TableKind;

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

    /// Puts the rows of several batches in order.
    pub(super) fn sorted(&self, batches: &[RecordBatch]) -> Result<RecordBatch, ArrowError> {
        let whole = concat_batches(&self.schema, batches)?;
        let keys = self.keys(&whole)?;
        if is_sorted(&keys) {
            return Ok(whole);
        }
        let rows = u32::try_from(whole.num_rows())
            .map_err(|_| ArrowError::ComputeError("too many rows at once".to_owned()))?;
        let mut indices: Vec<u32> = (0..rows).collect();
        indices.sort_by(|one, two| keys.row(*one as usize).cmp(&keys.row(*two as usize)));
        take_record_batch(&whole, &UInt32Array::from(indices))
    }
}

/// True where no row stands before a smaller one.
pub(super) fn is_sorted(keys: &Rows) -> bool {
    (1..keys.num_rows()).all(|row| keys.row(row - 1) <= keys.row(row))
}
