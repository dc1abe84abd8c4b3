//! The rows of a block that are wanted, and many such blocks as one record batch in the table's order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Int16Array, Int32Array, RecordBatch, RecordBatchOptions, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, SchemaRef};

use super::block::BlockPlan;
use super::column::{Column, Values};
use super::index::{FileIndex, ParcelFilter};
use super::source::Source;
use crate::ExtractError;

/// Places of the columns that both tables begin with.
pub(super) const PARCEL: usize = 0;
pub(super) const DATETIME: usize = 2;
pub(super) const ITEM_ID: usize = 4;
pub(super) const BAND: usize = 5;
/// The columns by which rows are ordered.
pub(super) const KEYS: [usize; 3] = [PARCEL, BAND, DATETIME];

/// Which rows are wanted.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    pub parcels: ParcelFilter,
    /// Names; empty: all.
    pub bands: Vec<String>,
    /// Microseconds since 1970 UTC.
    pub interval: Option<Range<i64>>,
}

impl Filter {
    /// Returns which numbers of a dictionary of band names are wanted.
    pub(super) fn wanted_bands(&self, bands: &Column) -> Vec<bool> {
        let (_, names) = bands.text();
        let is_wanted =
            |name: &str| self.bands.is_empty() || self.bands.iter().any(|band| band == name);
        names.iter().map(is_wanted).collect()
    }
}

/// Wanted rows of a block.
#[derive(Debug)]
pub(super) struct Rows {
    pub parcels: Column,
    pub bands: Column,
    pub datetimes: Column,
    /// The columns asked for, in that order.
    pub columns: Vec<Column>,
    /// Which rows of all of these are wanted, ascending.
    pub selected: Vec<u32>,
}

impl Rows {
    /// Decodes the wanted rows of a block; `None` where there are none.
    ///
    /// # Errors
    /// Where the file is damaged.
    pub(super) fn read(
        index: &FileIndex,
        source: &Source,
        plan: &BlockPlan,
        filter: &Filter,
        wanted: &[usize],
    ) -> Result<Option<Self>, ExtractError> {
        let parcels = plan.decode(index, source, PARCEL, plan.rows.clone())?;
        let mut selected = select_parcels(parcels.int32(), &filter.parcels);
        let (Some(first), Some(last)) = (selected.first().copied(), selected.last().copied())
        else {
            return Ok(None);
        };
        // Only the stretch that holds them is decoded of the other columns.
        let rows = plan.rows.start + first..plan.rows.start + last + 1;
        let parcels = Column {
            values: Values::Int32(parcels.int32()[first as usize..=last as usize].to_vec()),
            valid: None,
        };
        let decode = |column| plan.decode(index, source, column, rows.clone());
        let (bands, datetimes) = (decode(BAND)?, decode(DATETIME)?);
        for row in &mut selected {
            *row -= first;
        }
        if !filter.bands.is_empty() {
            let is_wanted = filter.wanted_bands(&bands);
            let (numbers, _) = bands.text();
            selected.retain(|row| is_wanted[numbers[*row as usize] as usize]);
        }
        if let Some(interval) = &filter.interval {
            let datetimes = datetimes.int64();
            selected.retain(|row| interval.contains(&datetimes[*row as usize]));
        }
        if selected.is_empty() {
            return Ok(None);
        }
        let mut columns = Vec::with_capacity(wanted.len());
        for column in wanted {
            columns.push(match *column {
                PARCEL => parcels.clone(),
                BAND => bands.clone(),
                DATETIME => datetimes.clone(),
                column => decode(column)?,
            });
        }
        Ok(Some(Self {
            parcels,
            bands,
            datetimes,
            columns,
            selected,
        }))
    }
}

/// Returns the rows of wanted parcels, ascending.
fn select_parcels(parcels: &[i32], filter: &ParcelFilter) -> Vec<u32> {
    if !parcels.is_sorted() {
        let rows = parcels.iter().enumerate();
        let rows = rows.filter(|(_, parcel)| filter.contains(**parcel));
        return rows.map(|(row, _)| row as u32).collect();
    }
    let mut selected = Vec::new();
    let mut from = 0;
    let mut add = |first: i32, last: i32| {
        from += parcels[from..].partition_point(|parcel| *parcel < first);
        let end = from + parcels[from..].partition_point(|parcel| *parcel <= last);
        selected.extend(from as u32..end as u32);
        from = end;
    };
    match filter {
        ParcelFilter::Range(range) => add(*range.start(), *range.end()),
        ParcelFilter::List(list) => {
            let (Some(lowest), Some(highest)) = (parcels.first(), parcels.last()) else {
                return selected;
            };
            let first = list.partition_point(|parcel| parcel < lowest);
            for parcel in list[first..].iter().take_while(|parcel| *parcel <= highest) {
                add(*parcel, *parcel);
            }
        }
    }
    selected
}

/// Returns ranks of band names over many blocks, and for each block the rank of each of its numbers.
pub(super) fn band_ranks<'a>(
    blocks: impl Iterator<Item = &'a Column> + Clone,
) -> (Vec<String>, Vec<Vec<u32>>) {
    let names = blocks.clone().flat_map(|bands| bands.text().1.iter());
    let mut ranks: BTreeMap<&str, u32> = names.map(|name| (name, 0)).collect();
    for (rank, slot) in ranks.values_mut().enumerate() {
        *slot = rank as u32;
    }
    let of_blocks = blocks.map(|bands| bands.text().1.iter().map(|name| ranks[name]).collect());
    let of_blocks = of_blocks.collect();
    (ranks.into_keys().map(str::to_owned).collect(), of_blocks)
}

/// Where a row stands: block and row of it.
#[derive(Debug, Clone, Copy)]
struct Place {
    block: u32,
    row: u32,
}

/// Puts the rows of many blocks into the order parcel, band, datetime; `schema` is that of the columns
/// that the blocks were read with. Rows alike in all three come in the order of blocks.
pub(super) fn in_order(blocks: &[Rows], schema: &SchemaRef) -> RecordBatch {
    let (_, ranks) = band_ranks(blocks.iter().map(|block| &block.bands));
    let count = blocks.iter().map(|block| block.selected.len()).sum();
    let mut order: Vec<((i32, u32, i64), Place)> = Vec::with_capacity(count);
    for (number, block) in blocks.iter().enumerate() {
        let (parcels, datetimes) = (block.parcels.int32(), block.datetimes.int64());
        let (bands, _) = block.bands.text();
        order.extend(block.selected.iter().map(|selected| {
            let row = *selected as usize;
            let key = (
                parcels[row],
                ranks[number][bands[row] as usize],
                datetimes[row],
            );
            let place = Place {
                block: number as u32,
                row: *selected,
            };
            (key, place)
        }));
    }
    // Runs that are in order already are merged, not sorted.
    order.sort_by_key(|(key, _)| *key);
    let places: Vec<Place> = order.into_iter().map(|(_, place)| place).collect();
    batch(blocks, schema, &places)
}

/// Returns the selected rows of blocks one after the other.
pub(super) fn one_by_one(blocks: &[Rows], schema: &SchemaRef) -> RecordBatch {
    let numbered = blocks.iter().enumerate();
    let places = numbered.flat_map(|(number, block)| {
        block.selected.iter().map(move |row| Place {
            block: number as u32,
            row: *row,
        })
    });
    batch(blocks, schema, &places.collect::<Vec<_>>())
}

fn batch(blocks: &[Rows], schema: &SchemaRef, places: &[Place]) -> RecordBatch {
    let columns = schema.fields().iter().enumerate().map(|(at, field)| {
        let columns: Vec<&Column> = blocks.iter().map(|block| &block.columns[at]).collect();
        array(&columns, field.data_type(), places)
    });
    let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
    RecordBatch::try_new_with_options(schema.clone(), columns.collect(), &options)
        .expect("every column has the rows and the type of the schema")
}

fn array(columns: &[&Column], data_type: &DataType, places: &[Place]) -> ArrayRef {
    let slices = |get: fn(&Column) -> &[i32]| -> Vec<&[i32]> {
        columns.iter().map(|column| get(column)).collect()
    };
    let is_valid = |place: &Place| columns[place.block as usize].is_valid(place.row as usize);
    let is_whole = columns.iter().all(|column| column.valid.is_none());
    match data_type {
        DataType::Int16 => {
            let values = slices(Column::int32);
            let values = places.iter().map(|place| {
                let value = values[place.block as usize][place.row as usize];
                is_valid(place).then_some(value as i16)
            });
            Arc::new(values.collect::<Int16Array>())
        }
        DataType::Int32 => {
            let values = slices(Column::int32);
            let values = places
                .iter()
                .map(|place| values[place.block as usize][place.row as usize]);
            Arc::new(Int32Array::from_iter_values(values))
        }
        DataType::Timestamp(..) => {
            let values: Vec<&[i64]> = columns.iter().map(|column| column.int64()).collect();
            let values = places
                .iter()
                .map(|place| values[place.block as usize][place.row as usize]);
            let array = TimestampMicrosecondArray::from_iter_values(values);
            Arc::new(array.with_data_type(data_type.clone()))
        }
        DataType::Float32 => {
            let values: Vec<&[f32]> = columns.iter().map(|column| column.float32()).collect();
            let value = |place: &Place| values[place.block as usize][place.row as usize];
            match is_whole {
                true => Arc::new(Float32Array::from_iter_values(places.iter().map(value))),
                false => Arc::new(
                    places
                        .iter()
                        .map(|place| is_valid(place).then(|| value(place)))
                        .collect::<Float32Array>(),
                ),
            }
        }
        DataType::Utf8 => {
            let texts: Vec<_> = columns.iter().map(|column| column.text()).collect();
            let mut builder = StringBuilder::with_capacity(places.len(), 16 * places.len());
            for place in places {
                let (numbers, dictionary) = texts[place.block as usize];
                match is_valid(place) {
                    true => builder.append_value(dictionary.get(numbers[place.row as usize])),
                    false => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        other => unreachable!("no column of the tables is {other}"),
    }
}
