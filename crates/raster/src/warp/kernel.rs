//! The loop over target pixels.

use swath_grid::{Point, Size, Window};

use super::area::Area;
use super::interpolate::{Interpolate, Interpolation};
use super::positions::{Cell, Places};
use super::resampling::Resampling;
use crate::raster::RasterBand;
use crate::{Mask, Pixels, Sample, for_pixels};

/// Decoded source pixels of one window.
#[derive(Debug, Clone, Copy)]
pub struct WarpSource<'a> {
    /// What of the source grid is here.
    pub window: Window,
    /// Size of the whole source grid.
    pub size: Size,
    /// One vector per band, each of `window.len()` values.
    pub bands: &'a [Pixels],
    /// What is valid, per band.
    pub masks: &'a [Mask],
}

/// Returns the window of a source of `size` pixels that `cells` need; `None` where they need nothing of it.
pub fn source_window(cells: &[Cell], size: Size, resampling: Resampling) -> Option<Window> {
    let mut whole: Option<[f64; 4]> = None;
    for cell in cells {
        let Some([left, top, right, bottom]) = cell.extent() else {
            continue;
        };
        let reach = Point {
            x: resampling.reach_px(cell.scale.x),
            y: resampling.reach_px(cell.scale.y),
        };
        let own = [
            (left - reach.x).max(0.0),
            (top - reach.y).max(0.0),
            (right + reach.x).min(f64::from(size.width)),
            (bottom + reach.y).min(f64::from(size.height)),
        ];
        if own[0] >= own[2] || own[1] >= own[3] {
            continue;
        }
        let so_far = whole.unwrap_or(own);
        whole = Some([
            so_far[0].min(own[0]),
            so_far[1].min(own[1]),
            so_far[2].max(own[2]),
            so_far[3].max(own[3]),
        ]);
    }
    let [left, top, right, bottom] = whole?;
    let (col, row) = (left.floor() as u32, top.floor() as u32);
    Some(Window {
        col,
        row,
        width: (right.ceil() as u32).min(size.width) - col,
        height: (bottom.ceil() as u32).min(size.height) - row,
    })
}

impl Cell {
    /// Returns left, top, right and bottom of all positions.
    fn extent(&self) -> Option<[f64; 4]> {
        let mut extent: Option<[f64; 4]> = None;
        let mut extend = |point: Point| {
            if point.x.is_finite() && point.y.is_finite() {
                let [left, top, right, bottom] =
                    extent.unwrap_or([point.x, point.y, point.x, point.y]);
                extent = Some([
                    left.min(point.x),
                    top.min(point.y),
                    right.max(point.x),
                    bottom.max(point.y),
                ]);
            }
        };
        match &self.places {
            Places::Exact(points) => points.iter().for_each(|point| extend(*point)),
            Places::Bilinear {
                origin,
                col,
                row,
                both,
            } => {
                // A bilinear function has its extremes at the corners.
                let (width, height) = (
                    f64::from(self.window.width - 1),
                    f64::from(self.window.height - 1),
                );
                for (i, j) in [(0.0, 0.0), (width, 0.0), (0.0, height), (width, height)] {
                    extend(Point {
                        x: origin.x + i * col.x + j * row.x + i * j * both.x,
                        y: origin.y + i * col.y + j * row.y + i * j * both.y,
                    });
                }
            }
        }
        extent
    }

    /// Fills `columns` and `rows` with the positions of row `row` of the cell, on a grid that begins at `start`.
    #[inline(always)]
    fn row_positions(&self, row: u32, start: Point, columns: &mut [f64], rows: &mut [f64]) {
        match &self.places {
            Places::Exact(points) => {
                let first = row as usize * self.window.width as usize;
                for (index, point) in points[first..first + columns.len()].iter().enumerate() {
                    columns[index] = point.x - start.x;
                    rows[index] = point.y - start.y;
                }
            }
            Places::Bilinear {
                origin,
                col,
                row: down,
                both,
            } => {
                let j = f64::from(row);
                let first = Point {
                    x: origin.x + j * down.x - start.x,
                    y: origin.y + j * down.y - start.y,
                };
                let step = Point {
                    x: col.x + j * both.x,
                    y: col.y + j * both.y,
                };
                for (index, (x, y)) in columns.iter_mut().zip(rows.iter_mut()).enumerate() {
                    *x = first.x + index as f64 * step.x;
                    *y = first.y + index as f64 * step.y;
                }
            }
        }
    }
}

/// Returns the bands of the target pixels of `target` (a window of the target grid) from the
/// cells of that window and the source pixels that [`source_window`] names; what lies outside of
/// the source or has no valid source pixel is masked and 0.
///
/// # Panics
/// Where a band has not `source.window.len()` values or a cell leaves `target`.
pub fn warp(
    source: &WarpSource<'_>,
    cells: &[Cell],
    target: Window,
    resampling: Resampling,
) -> Vec<RasterBand> {
    let bands = source.bands.iter().zip(source.masks);
    bands
        .map(|(pixels, mask)| {
            for_pixels!(pixels, values => warp_band(values, mask, source, cells, target, resampling))
        })
        .collect()
}

/// Values of one band in a window of the source grid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band<'a, T> {
    pub values: &'a [T],
    pub mask: &'a Mask,
    /// Columns and rows held.
    pub width: usize,
    pub height: usize,
    /// Where the edges of the whole source lie on the grid of this window: left, top, right, bottom.
    pub edges: [f64; 4],
}

/// Positions of neighbouring target pixels on the grid of a [`Band`], and where their values go.
pub(super) struct Row<'a, T> {
    pub columns: &'a [f64],
    pub rows: &'a [f64],
    pub values: &'a mut [T],
    pub is_valid: &'a mut [bool],
}

impl<T: Sample> Band<'_, T> {
    /// Returns the index of the pixel that holds a position, `None` outside of the source.
    #[inline]
    pub fn index_at(&self, x: f64, y: f64) -> Option<usize> {
        let [left, top, right, bottom] = self.edges;
        let (left, right) = (left.max(0.0), right.min(self.width as f64));
        let (top, bottom) = (top.max(0.0), bottom.min(self.height as f64));
        // NaN fails every comparison. `as` cuts towards 0, which is down here; to signed numbers it is quick.
        let is_held = x >= left && x < right && y >= top && y < bottom;
        is_held.then(|| y as i64 as usize * self.width + x as i64 as usize)
    }
}

fn warp_band<T: Interpolate>(
    values: &[T],
    mask: &Mask,
    source: &WarpSource<'_>,
    cells: &[Cell],
    target: Window,
    resampling: Resampling,
) -> RasterBand {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has these instructions.
        return unsafe { warp_band_avx2(values, mask, source, cells, target, resampling) };
    }
    warp_band_any(values, mask, source, cells, target, resampling)
}

/// The same code, compiled for processors since 2013: rounding is an instruction there, not a call.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn warp_band_avx2<T: Interpolate>(
    values: &[T],
    mask: &Mask,
    source: &WarpSource<'_>,
    cells: &[Cell],
    target: Window,
    resampling: Resampling,
) -> RasterBand {
    warp_band_any(values, mask, source, cells, target, resampling)
}

#[inline(always)]
fn warp_band_any<T: Interpolate>(
    values: &[T],
    mask: &Mask,
    source: &WarpSource<'_>,
    cells: &[Cell],
    target: Window,
    resampling: Resampling,
) -> RasterBand {
    let len = target.len() as usize;
    let mut out = vec![T::default(); len];
    let mut is_valid = vec![false; len];
    let held = source.window;
    assert_eq!(values.len() as u64, held.len(), "a value for each pixel");
    let start = Point {
        x: f64::from(held.col),
        y: f64::from(held.row),
    };
    let band = Band {
        values,
        mask,
        width: held.width as usize,
        height: held.height as usize,
        edges: [
            -start.x,
            -start.y,
            f64::from(source.size.width) - start.x,
            f64::from(source.size.height) - start.y,
        ],
    };
    let (mut columns, mut rows) = (Vec::new(), Vec::new());
    for cell in cells.iter().filter(|_| !matches!(mask, Mask::None)) {
        let width = cell.window.width as usize;
        columns.resize(width, 0.0);
        rows.resize(width, 0.0);
        let kernel = Kernel::new(resampling, cell.scale);
        for row in 0..cell.window.height {
            cell.row_positions(row, start, &mut columns, &mut rows);
            let down = (cell.window.row + row - target.row) as usize;
            let at = down * target.width as usize + (cell.window.col - target.col) as usize;
            kernel.fill(
                &band,
                Row {
                    columns: &columns,
                    rows: &rows,
                    values: &mut out[at..at + width],
                    is_valid: &mut is_valid[at..at + width],
                },
            );
        }
    }
    RasterBand {
        pixels: T::wrap(out),
        mask: Mask::from_flags(is_valid),
    }
}

/// A rule made ready for the scale of a cell.
enum Kernel {
    Nearest,
    Weights(Interpolation),
    Area(Area),
}

impl Kernel {
    fn new(resampling: Resampling, scale: Point) -> Self {
        match resampling {
            Resampling::Nearest => Self::Nearest,
            Resampling::Bilinear => Self::Weights(Interpolation::bilinear(scale)),
            Resampling::Cubic => Self::Weights(Interpolation::cubic(scale)),
            rule => Self::Area(Area::new(rule, scale)),
        }
    }

    #[inline(always)]
    fn fill<T: Interpolate>(&self, band: &Band<'_, T>, row: Row<'_, T>) {
        match self {
            Self::Nearest => nearest(band, row),
            Self::Weights(interpolation) => interpolation.fill(band, row),
            Self::Area(area) => area.fill(band, row),
        }
    }
}

#[inline(always)]
fn nearest<T: Sample>(band: &Band<'_, T>, row: Row<'_, T>) {
    if let Some(first) = first_of_run(band, &row) {
        return copy_run(band, first, row);
    }
    let positions = row.columns.iter().zip(row.rows);
    let targets = row.values.iter_mut().zip(row.is_valid);
    for ((x, y), (value, is_valid)) in positions.zip(targets) {
        let Some(index) = band.index_at(*x, *y) else {
            continue;
        };
        if band.mask.is_valid(index) {
            *value = band.values[index];
            *is_valid = true;
        }
    }
}

/// Returns the index of the first pixel where positions go along one row of the source, pixel by
/// pixel, as they do where both grids are the same.
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

/// Pixels of a run that are looked at together.
const RUN_PX: usize = 32;

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
