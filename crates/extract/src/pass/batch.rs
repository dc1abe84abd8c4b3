//! Rows of a unit in the columns of the extract table.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Int16Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};

use super::rows::UnitRows;
use super::unit::WorkUnit;
use crate::ExtractError;
use crate::table::{classes_schema, extracts_schema};
use swath_raster::ValueStatistics;

/// Returns the rows of statistics, by parcel, then band; `parcel_id` gives the id of a parcel.
///
/// Values are rounded to float32, the type of the table.
///
/// # Errors
/// More parcels than the column `parcel` can number.
pub fn unit_batch<'a>(
    unit: &WorkUnit,
    rows: &UnitRows,
    parcel_id: &dyn Fn(u32) -> &'a str,
) -> Result<RecordBatch, ExtractError> {
    let found = &rows.rows;
    let keys: Vec<(u32, u32)> = found.iter().map(|row| (row.parcel, row.band)).collect();
    let mut columns = key_columns(unit, rows, &keys, parcel_id)?;
    let (count, first) = (found.len(), unit.first());
    let narrow = |value: f64| value as f32;
    columns.push(Arc::new(same_text(&unit.pass, count)));
    columns.push(Arc::new(Int16Array::from(vec![
        first.relative_orbit;
        count
    ])));
    columns.push(Arc::new(StringArray::from(vec![
        first
            .orbit_state
            .as_deref();
        count
    ])));
    let plain = |of: fn(&crate::Row) -> f64| -> ArrayRef {
        Arc::new(Float32Array::from_iter_values(
            found.iter().map(|row| narrow(of(row))),
        ))
    };
    columns.push(plain(|row| row.count));
    columns.push(plain(|row| row.clear));
    let value = |of: fn(&ValueStatistics) -> f64| -> ArrayRef {
        let values = found
            .iter()
            .map(|row| row.values.as_ref().map(|own| narrow(of(own))));
        Arc::new(Float32Array::from_iter(values))
    };
    columns.extend([
        value(|own| own.mean),
        value(|own| own.stdev),
        value(|own| own.min),
        value(|own| own.max),
        value(|own| own.p25),
        value(|own| own.p50),
        value(|own| own.p75),
    ]);
    batch(extracts_schema(), columns)
}

/// Returns the rows of class counts, by parcel, band, then class.
///
/// # Errors
/// As [`unit_batch`]; a class that is no 32-bit whole number.
pub fn class_batch<'a>(
    unit: &WorkUnit,
    rows: &UnitRows,
    parcel_id: &dyn Fn(u32) -> &'a str,
) -> Result<RecordBatch, ExtractError> {
    let found = &rows.classes;
    let keys: Vec<(u32, u32)> = found.iter().map(|row| (row.parcel, row.band)).collect();
    let mut columns = key_columns(unit, rows, &keys, parcel_id)?;
    let classes = found.iter().map(|row| {
        let is_whole = row.class.fract() == 0.0
            && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&row.class);
        is_whole.then_some(row.class as i32).ok_or_else(|| ExtractError::Items {
            href: unit.key.clone(),
            reason: format!(
                "band {} has the class {}, which is no 32-bit whole number: is it a band of classes?",
                rows.bands[row.band as usize], row.class
            ),
        })
    });
    let classes = classes.collect::<Result<Vec<i32>, _>>()?;
    columns.push(Arc::new(Int32Array::from(classes)));
    columns.push(Arc::new(Float32Array::from_iter_values(
        found.iter().map(|row| row.count as f32),
    )));
    batch(classes_schema(), columns)
}

/// Returns the columns that both tables begin with.
fn key_columns<'a>(
    unit: &WorkUnit,
    rows: &UnitRows,
    keys: &[(u32, u32)],
    parcel_id: &dyn Fn(u32) -> &'a str,
) -> Result<Vec<ArrayRef>, ExtractError> {
    let numbers = keys.iter().map(|(parcel, _)| i32::try_from(*parcel));
    let numbers = numbers
        .collect::<Result<Vec<i32>, _>>()
        .map_err(|_| ExtractError::Limit {
            reason: format!("more than {} parcels in one set: split it", i32::MAX),
        })?;
    let count = keys.len();
    let datetimes = TimestampMicrosecondArray::from(vec![unit.datetime_us; count]);
    let bands = keys
        .iter()
        .map(|(_, band)| rows.bands[*band as usize].as_str());
    Ok(vec![
        Arc::new(Int32Array::from(numbers)),
        Arc::new(StringArray::from_iter_values(
            keys.iter().map(|(parcel, _)| parcel_id(*parcel)),
        )),
        Arc::new(datetimes.with_timezone("UTC")),
        Arc::new(same_text(&unit.first().collection, count)),
        Arc::new(same_text(&unit.first().id, count)),
        Arc::new(StringArray::from_iter_values(bands)),
    ])
}

fn same_text(text: &str, count: usize) -> StringArray {
    StringArray::from_iter_values(std::iter::repeat_n(text, count))
}

fn batch(
    schema: arrow::datatypes::SchemaRef,
    columns: Vec<ArrayRef>,
) -> Result<RecordBatch, ExtractError> {
    RecordBatch::try_new(schema, columns).map_err(|error| {
        ExtractError::Io(Box::new(swath_io::IoError::Internal {
            reason: error.to_string(),
        }))
    })
}
