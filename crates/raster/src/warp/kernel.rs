//! The loop over target pixels.

use std::ops::Range;

use swath_grid::{Point, Size, Window};

use super::area::Area;
use super::bilinear::bilinear_row;
use super::curve::{Cubic, Linear};
use super::interpolate::Interpolation;
use super::line::Line;
use super::narrow::{bilinear_line, weighted_line};
use super::nearest::nearest;
use super::positions::{Cell, Places};
use super::resampling::Resampling;
use super::samples::Interpolate;
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

    /// Returns the positions of row `row` of the cell, on a grid that begins at `start`, where they are on a line.
    #[inline(always)]
    fn line(&self, row: u32, start: Point) -> Option<Line> {
        let Places::Bilinear {
            origin,
            col,
            row: down,
            both,
        } = &self.places
        else {
            return None;
        };
        let j = f64::from(row);
        Some(Line {
            first: Point {
                x: origin.x + j * down.x - start.x,
                y: origin.y + j * down.y - start.y,
            },
            step: Point {
                x: col.x + j * both.x,
                y: col.y + j * both.y,
            },
        })
    }

    /// Fills `columns` and `rows` with the positions of row `row` of the cell, on a grid that begins at `start`;
    /// returns left, top, right and bottom of them, NaN where one of them is.
    #[inline(always)]
    fn row_positions(
        &self,
        row: u32,
        start: Point,
        columns: &mut [f64],
        rows: &mut [f64],
    ) -> [f64; 4] {
        if let Places::Exact(points) = &self.places {
            let first = row as usize * self.window.width as usize;
            for (index, point) in points[first..first + columns.len()].iter().enumerate() {
                columns[index] = point.x - start.x;
                rows[index] = point.y - start.y;
            }
        }
        if let Some(line) = self.line(row, start) {
            for (index, (x, y)) in columns.iter_mut().zip(rows.iter_mut()).enumerate() {
                Point { x: *x, y: *y } = line.at(index);
            }
        }
        let ends = |values: &[f64]| match &self.places {
            // Rounded sums of rising products rise.
            Places::Bilinear { .. } => ends_of(&[values[0], values[values.len() - 1]]),
            Places::Exact(_) => ends_of(values),
        };
        let ([left, right], [top, bottom]) = (ends(columns), ends(rows));
        [left, top, right, bottom]
    }
}

/// Returns the smallest and the largest value, NaN where one is.
#[inline(always)]
fn ends_of(values: &[f64]) -> [f64; 2] {
    let start = [f64::INFINITY, f64::NEG_INFINITY];
    let ends = values.iter().fold(start, |[low, high], value| {
        [low.min(*value), high.max(*value)]
    });
    if values.iter().any(|value| value.is_nan()) {
        return [f64::NAN; 2];
    }
    ends
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
    /// Left, top, right and bottom of them, NaN where one of them is.
    pub extent: [f64; 4],
    pub values: &'a mut [T],
    pub is_valid: &'a mut [bool],
}

/// [`LANES`] neighbouring target pixels of a [`Row`].
pub(super) struct RowLanes<'a, T> {
    pub columns: &'a [f64; LANES],
    pub rows: &'a [f64; LANES],
    pub values: &'a mut [T; LANES],
    pub is_valid: &'a mut [bool; LANES],
}

impl<T> RowLanes<'_, T> {
    /// Returns left, top, right and bottom of the positions, NaN where one of them is.
    #[inline(always)]
    pub fn extent(&self) -> [f64; 4] {
        let ([left, right], [top, bottom]) = (ends_of(self.columns), ends_of(self.rows));
        [left, top, right, bottom]
    }
}

impl<T> Row<'_, T> {
    /// Returns its pixels in groups of [`LANES`], without those left at the end.
    #[inline(always)]
    pub fn lanes(&mut self) -> impl Iterator<Item = RowLanes<'_, T>> {
        let columns = self.columns.as_chunks().0.iter();
        let positions = columns.zip(self.rows.as_chunks().0);
        let values = self.values.as_chunks_mut().0.iter_mut();
        let flags = self.is_valid.as_chunks_mut().0.iter_mut();
        let lanes = positions.zip(values.zip(flags));
        lanes.map(|((columns, rows), (values, is_valid))| RowLanes {
            columns,
            rows,
            values,
            is_valid,
        })
    }
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

    /// True where all positions of `extent` are at least `margin` pixels within what is held, and an index fits
    /// into `i32`.
    #[inline(always)]
    pub fn holds(&self, extent: [f64; 4], margin: f64) -> bool {
        let [left, top, right, bottom] = extent;
        // NaN fails the comparisons.
        self.is_indexed()
            && left >= margin
            && top >= margin
            && right < self.width as f64 - margin
            && bottom < self.height as f64 - margin
    }

    /// True where an index fits into `i32`.
    #[inline(always)]
    pub fn is_indexed(&self) -> bool {
        self.values.len() <= INDEX_MAX
    }

    /// True where all pixels of these columns and rows are valid.
    #[inline(always)]
    pub fn is_valid_in(&self, columns: Range<usize>, rows: Range<usize>) -> bool {
        let Mask::Pixels(flags) = self.mask else {
            return *self.mask == Mask::All;
        };
        rows.into_iter().all(|row| {
            let start = row * self.width;
            let line = &flags[start + columns.start..start + columns.end];
            // Without an early exit it runs in vectors.
            line.iter().fold(true, |all, flag| all & *flag)
        })
    }
}

/// Target pixels that are placed together before they get their values, so that both run in vectors.
pub(super) const LANES: usize = 16;
/// Most pixels of a band whose indexes are computed in vectors.
const INDEX_MAX: usize = i32::MAX as usize;

/// Returns the whole pixels of a position, cut to 0 and `last`, which is at most `i32::MAX`; unlike `as`, in vectors too.
#[allow(
    clippy::manual_clamp,
    reason = "`clamp` leaves what is no number as it is"
)]
#[inline(always)]
pub(super) fn whole_px(position: f64, last: f64) -> i32 {
    let held = position.max(0.0).min(last).min(f64::from(i32::MAX));
    // SAFETY: the type holds it.
    unsafe { held.to_int_unchecked() }
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
            let down = (cell.window.row + row - target.row) as usize;
            let at = down * target.width as usize + (cell.window.col - target.col) as usize;
            let (values, flags) = (&mut out[at..at + width], &mut is_valid[at..at + width]);
            if T::IS_NARROW
                && let Some(line) = cell.line(row, start)
                && kernel.fill_line(&band, &line, values, flags)
            {
                continue;
            }
            let extent = cell.row_positions(row, start, &mut columns, &mut rows);
            kernel.fill(
                &band,
                Row {
                    columns: &columns,
                    rows: &rows,
                    extent,
                    values,
                    is_valid: flags,
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
pub(super) enum Kernel {
    Nearest,
    Bilinear(Interpolation<Linear>),
    Cubic(Interpolation<Cubic>),
    Area(Area),
}

impl Kernel {
    pub fn new(resampling: Resampling, scale: Point) -> Self {
        match resampling {
            Resampling::Nearest => Self::Nearest,
            Resampling::Bilinear => Self::Bilinear(Interpolation::new(scale)),
            Resampling::Cubic => Self::Cubic(Interpolation::new(scale)),
            rule => Self::Area(Area::new(rule, scale)),
        }
    }

    #[inline(always)]
    pub fn fill<T: Interpolate>(&self, band: &Band<'_, T>, row: Row<'_, T>) {
        match self {
            Self::Nearest => nearest(band, row),
            Self::Bilinear(interpolation) if interpolation.is_plain() => bilinear_row(band, row),
            Self::Bilinear(interpolation) => interpolation.fill(band, row),
            Self::Cubic(interpolation) => interpolation.fill(band, row),
            Self::Area(area) => area.fill(band, row),
        }
    }

    /// Fills a row on a straight line, side by side in single precision; false where this rule has no such way.
    #[inline(always)]
    pub fn fill_line<T: Interpolate>(
        &self,
        band: &Band<'_, T>,
        line: &Line,
        values: &mut [T],
        is_valid: &mut [bool],
    ) -> bool {
        match self {
            Self::Bilinear(interpolation) if interpolation.is_plain() => {
                bilinear_line(band, line, values, is_valid);
                true
            }
            Self::Bilinear(interpolation) => {
                weighted_line(interpolation, band, line, values, is_valid)
            }
            Self::Cubic(interpolation) => {
                weighted_line(interpolation, band, line, values, is_valid)
            }
            Self::Nearest | Self::Area(_) => false,
        }
    }
}
