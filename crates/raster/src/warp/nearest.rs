//! Nearest neighbour: the source pixel that holds a position.

use super::kernel::{Band, LANES, Row, RowLanes, whole_px};
use crate::{Mask, Sample};

/// Pixels of a run that are looked at together.
const RUN_PX: usize = 32;

/// Fills a row of target pixels.
#[inline(always)]
pub(super) fn nearest<T: Sample>(band: &Band<'_, T>, mut row: Row<'_, T>) {
    if let Some(first) = first_of_run(band, &row) {
        return copy_run(band, first, row);
    }
    let mut done = 0;
    if band.holds(row.extent, 0.0) {
        for lanes in row.lanes() {
            nearest_lanes(band, lanes);
            done += LANES;
        }
    }
    for index in done..row.values.len() {
        let Some(under) = band.index_at(row.columns[index], row.rows[index]) else {
            continue;
        };
        if band.mask.is_valid(under) {
            row.values[index] = band.values[under];
            row.is_valid[index] = true;
        }
    }
}

/// Fills pixels whose positions are all held.
#[inline(always)]
fn nearest_lanes<T: Sample>(band: &Band<'_, T>, lanes: RowLanes<'_, T>) {
    let RowLanes {
        columns,
        rows,
        values,
        is_valid: flags,
    } = lanes;
    let (last_col, last_row) = ((band.width - 1) as f64, (band.height - 1) as f64);
    let (mut indexes, width) = ([0i32; LANES], band.width as i32);
    for lane in 0..LANES {
        let (left, top) = (
            whole_px(columns[lane], last_col),
            whole_px(rows[lane], last_row),
        );
        indexes[lane] = top * width + left;
    }
    let under = |lane: usize| indexes[lane] as usize;
    match band.mask {
        Mask::Pixels(held) => {
            for lane in 0..LANES {
                let is_valid = held[under(lane)];
                flags[lane] = is_valid;
                values[lane] = if is_valid {
                    band.values[under(lane)]
                } else {
                    T::default()
                };
            }
        }
        Mask::All => {
            flags.fill(true);
            for (value, index) in values.iter_mut().zip(indexes) {
                *value = band.values[index as usize];
            }
        }
        Mask::None => {}
    }
}

/// Returns the index of the first pixel where positions go along one row of the source, pixel by
/// pixel, as they do where both grids have pixels of one size.
#[inline(always)]
fn first_of_run<T: Sample>(band: &Band<'_, T>, row: &Row<'_, T>) -> Option<usize> {
    let last = row.columns.len().checked_sub(1)?;
    let first = band.index_at(row.columns[0], row.rows[0])?;
    if band.index_at(row.columns[last], row.rows[last])? != first + last {
        return None;
    }
    // Within the source, so that neither is negative.
    let (left, top) = (row.columns[0].trunc(), row.rows[0].trunc());
    let mut is_run = true;
    for (index, (x, y)) in row.columns.iter().zip(row.rows).enumerate() {
        let x = x - index as f64;
        is_run &= (x >= left) & (x < left + 1.0) & (*y >= top) & (*y < top + 1.0);
    }
    is_run.then_some(first)
}

/// Copies neighbouring pixels and what is valid of them.
#[inline(always)]
fn copy_run<T: Sample>(band: &Band<'_, T>, first: usize, row: Row<'_, T>) {
    let run = first..first + row.values.len();
    match band.mask {
        Mask::All => {
            row.values.copy_from_slice(&band.values[run]);
            row.is_valid.fill(true);
        }
        Mask::None => {}
        Mask::Pixels(flags) => {
            let flags = &flags[run.clone()];
            row.values.copy_from_slice(&band.values[run]);
            row.is_valid.copy_from_slice(flags);
            let chunks = row.values.chunks_mut(RUN_PX).zip(flags.chunks(RUN_PX));
            for (values, flags) in chunks {
                if flags.iter().fold(true, |all, flag| all & *flag) {
                    continue;
                }
                for (value, flag) in values.iter_mut().zip(flags) {
                    if !*flag {
                        *value = T::default();
                    }
                }
            }
        }
    }
}
