//! All rows of one image: whole row groups are looked through, those without the image are passed
//! over by their dictionary.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use swath_io::compute;

use super::block::BlockPlan;
use super::column::Column;
use super::index::{FileIndex, GroupRows, ParcelFilter};
use super::request::ImageRequest;
use super::rows::{BAND, DATETIME, Filter, ITEM_ID, PARCEL, Rows, one_by_one};
use super::source::Source;
use crate::ExtractError;
use crate::table::TableFile;

/// Returns whether a file may hold rows of the image, as far as the log knows.
pub(super) fn may_hold(file: &TableFile, request: &ImageRequest) -> bool {
    let is_named = file
        .units
        .iter()
        .any(|unit| unit.item_id == request.item_id);
    let is_band =
        request.bands.is_empty()
            || file.stats.band.as_ref().is_none_or(|(min, max)| {
                request.bands.iter().any(|band| min <= band && band <= max)
            });
    // Another writer may have left out which units lie in a file.
    (file.units.is_empty() || is_named) && is_band
}

/// Returns the image's rows of one row group.
pub(super) async fn read_group(
    index: Arc<FileIndex>,
    group: usize,
    request: Arc<ImageRequest>,
    wanted: Arc<[usize]>,
    schema: SchemaRef,
) -> Result<RecordBatch, ExtractError> {
    let rows = 0..index.groups[group].rows;
    // First the names alone: most of a month is other images.
    let names = BlockPlan::new(
        GroupRows {
            group,
            rows: rows.clone(),
        },
        &[ITEM_ID, BAND],
    );
    let source = Source::fetch(&index, std::slice::from_ref(&names)).await?;
    let found = compute::run({
        let (index, request) = (index.clone(), request.clone());
        move |_| select(&index, &source, &names, &request)
    });
    let (bands, selected) = found.await?;
    let (Some(first), Some(last)) = (selected.first().copied(), selected.last().copied()) else {
        return Ok(RecordBatch::new_empty(schema));
    };
    let mut columns = wanted.to_vec();
    columns.retain(|column| *column != BAND);
    let plan = BlockPlan::new(
        GroupRows {
            group,
            rows: first..last + 1,
        },
        &columns,
    );
    let source = Source::fetch(&index, std::slice::from_ref(&plan)).await?;
    compute::run(move |_| {
        let block = read(&index, &source, &plan, &wanted, bands, selected)?;
        Ok(one_by_one(&[block], &schema))
    })
    .await
}

fn select(
    index: &FileIndex,
    source: &Source,
    plan: &BlockPlan,
    request: &ImageRequest,
) -> Result<(Column, Vec<u32>), ExtractError> {
    let items = plan.decode(index, source, ITEM_ID, plan.rows.clone())?;
    let (numbers, dictionary) = items.text();
    let is_item: Vec<bool> = dictionary.iter().map(|id| id == request.item_id).collect();
    if !is_item.contains(&true) {
        return Ok((items, Vec::new()));
    }
    let bands = plan.decode(index, source, BAND, plan.rows.clone())?;
    let filter = Filter {
        parcels: ParcelFilter::Range(i32::MIN..=i32::MAX),
        bands: request.bands.clone(),
        interval: None,
    };
    let is_band = filter.wanted_bands(&bands);
    let (of_bands, _) = bands.text();
    let rows = numbers.iter().zip(of_bands).enumerate();
    let rows =
        rows.filter(|(_, (item, band))| is_item[**item as usize] && is_band[**band as usize]);
    let selected = rows.map(|(row, _)| row as u32).collect();
    Ok((bands, selected))
}

fn read(
    index: &FileIndex,
    source: &Source,
    plan: &BlockPlan,
    wanted: &[usize],
    bands: Column,
    mut selected: Vec<u32>,
) -> Result<Rows, ExtractError> {
    let rows: Range<u32> = plan.rows.clone();
    let bands = bands.slice(rows.start as usize..rows.end as usize);
    for row in &mut selected {
        *row -= rows.start;
    }
    let mut columns = Vec::with_capacity(wanted.len());
    for column in wanted {
        columns.push(match *column {
            BAND => bands.clone(),
            column => plan.decode(index, source, column, rows.clone())?,
        });
    }
    Ok(Rows {
        parcels: Column::empty(index.groups[plan.group].chunks[PARCEL].storage.kind),
        datetimes: Column::empty(index.groups[plan.group].chunks[DATETIME].storage.kind),
        bands,
        columns,
        selected,
    })
}
