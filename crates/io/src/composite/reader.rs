//! Windows of a composite.

use futures::{StreamExt, TryStreamExt};
use rayon::prelude::*;
use swath_grid::{GeoBox, Window};
use swath_raster::{CompositeRule, DataType, Mask, Raster, RasterBand, Resampling, composite};

use super::slice::{Slice, SliceReader};
use crate::raster::Patchwork;
use crate::warp::{ERROR_PX_DEFAULT, READ_BYTES_MAX, ReadOptions};
use crate::{IoError, compute};

/// Decoded blocks that all slices together keep, in bytes.
const KEPT_BYTES_MAX: u64 = 256 << 20;
/// Slices that are read side by side.
const SLICES_AT_ONCE: usize = 4;
/// Columns and rows of a window that is composed at once, at most: those of a block of our own files, so that
/// on their grid a block is taken as it is.
const WINDOW_PX_MAX: u32 = 512;
/// Pixels that a thread composes at once.
const RANGE_PX: usize = 16_384;
/// Most slices of a composite.
const SLICES_MAX: usize = 10_000;

/// How slices become a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct CompositeOptions {
    /// Default: median.
    pub rule: CompositeRule,
    /// How slices come onto the grid; classes of masks always by nearest. Default: nearest.
    pub resampling: Resampling,
    /// As [`ReadOptions::error_px`].
    pub error_px: f64,
    /// Bytes of values that are held at once for the rules that need all slices. Default: 512 MiB.
    pub memory_bytes_max: u64,
}

impl Default for CompositeOptions {
    fn default() -> Self {
        Self {
            rule: CompositeRule::Median,
            resampling: Resampling::default(),
            error_px: ERROR_PX_DEFAULT,
            memory_bytes_max: 512 << 20,
        }
    }
}

/// Reads the composite of `slices` on `geobox`; a pixel that is valid in none is masked.
///
/// Cost: every slice is fetched and decoded once, as far as 256 MiB hold the blocks of all.
///
/// # Errors
/// [`IoError::Limit`] where the result would exceed [`READ_BYTES_MAX`]; those of [`CompositeReader`].
pub async fn read_slices(
    slices: &[Slice],
    geobox: &GeoBox,
    options: &CompositeOptions,
) -> Result<Raster, IoError> {
    let mut reader = CompositeReader::new(slices, geobox, options)?;
    let window = Window::full(geobox.size());
    let pixel_bytes = (reader.bands * reader.data_type.size_bytes()) as u64;
    let bytes = window.len().saturating_mul(pixel_bytes);
    if bytes > READ_BYTES_MAX {
        return Err(IoError::Limit {
            href: "composite".to_owned(),
            reason: format!(
                "{} x {} pixels are {bytes} bytes, more than the limit of {READ_BYTES_MAX} for one reading",
                window.width, window.height
            ),
        });
    }
    Ok(Raster {
        geobox: geobox.clone(),
        bands: reader.read_window(window).await?,
    })
}

/// Reads windows of a composite.
#[derive(Debug)]
pub struct CompositeReader {
    slices: Vec<SliceReader>,
    rule: CompositeRule,
    bands: usize,
    data_type: DataType,
    window_px: u32,
}

impl CompositeReader {
    /// Prepares the reading of `slices`, in the order in which they count.
    ///
    /// # Errors
    /// [`IoError::Limit`] for no slice or more than 10,000; [`IoError::Raster`] where slices differ in their
    /// bands or types, or a raster cannot come onto `geobox`.
    pub fn new(
        slices: &[Slice],
        geobox: &GeoBox,
        options: &CompositeOptions,
    ) -> Result<Self, IoError> {
        if slices.is_empty() || slices.len() > SLICES_MAX {
            return Err(IoError::Limit {
                href: "composite".to_owned(),
                reason: format!("{} slices, not 1 to {SLICES_MAX}", slices.len()),
            });
        }
        let own_types = types_of(&slices[0]);
        let data_type = own_types.first().copied().unwrap_or(DataType::F32);
        for slice in slices {
            let wrong = |reason: &str| IoError::Raster {
                href: slice
                    .bands
                    .first()
                    .map_or("a slice", |band| band.raster.href())
                    .to_owned(),
                reason: reason.to_owned(),
            };
            let types = types_of(slice);
            if types.is_empty() || types.len() != own_types.len() {
                return Err(wrong("it has other bands than the first slice, or none"));
            }
            if types.iter().any(|own| *own != data_type) {
                return Err(wrong(
                    "its bands have different types; choose bands of one type",
                ));
            }
        }
        let readers: usize = slices.iter().map(|slice| slice.bands.len() + 1).sum();
        let read_options = ReadOptions {
            bands: Vec::new(),
            resampling: options.resampling,
            error_px: options.error_px,
        };
        let kept_bytes_max = KEPT_BYTES_MAX / readers as u64;
        let opened = slices
            .iter()
            .map(|slice| SliceReader::new(slice, geobox, &read_options, kept_bytes_max));
        // A flag beside each value.
        let pixel_bytes = slices.len() * own_types.len() * (data_type.size_bytes() + 1);
        let pixels = options.memory_bytes_max / pixel_bytes as u64;
        Ok(Self {
            slices: opened.collect::<Result<_, _>>()?,
            rule: options.rule,
            bands: own_types.len(),
            data_type: options.rule.data_type(data_type),
            window_px: (pixels.isqrt() as u32).clamp(1, WINDOW_PX_MAX),
        })
    }

    /// Returns the bands of a window of the target.
    ///
    /// Memory: the result, and the values of all slices for as many columns and rows as the options allow.
    ///
    /// # Errors
    /// Upstream errors, damaged blocks.
    pub async fn read_window(&mut self, window: Window) -> Result<Vec<RasterBand>, IoError> {
        let data_types = (0..self.bands).map(|_| self.data_type);
        let mut patchwork = Patchwork::new(window, data_types);
        for row in (window.row..window.row_end()).step_by(self.window_px as usize) {
            for col in (window.col..window.col_end()).step_by(self.window_px as usize) {
                let part = Window {
                    col,
                    row,
                    width: self.window_px.min(window.col_end() - col),
                    height: self.window_px.min(window.row_end() - row),
                };
                patchwork.put_bands(&self.read_part(part).await?, &part);
            }
        }
        Ok(patchwork.finish())
    }

    async fn read_part(&mut self, part: Window) -> Result<Vec<RasterBand>, IoError> {
        if self.rule == CompositeRule::First {
            return self.first_of(part).await;
        }
        let reading: Vec<_> = self
            .slices
            .iter_mut()
            .map(|slice| slice.read(part))
            .collect();
        let read: Vec<Option<Vec<RasterBand>>> = futures::stream::iter(reading)
            .buffered(SLICES_AT_ONCE)
            .try_collect()
            .await?;
        let slices: Vec<Vec<RasterBand>> = read.into_iter().flatten().collect();
        Ok(compose(slices, part.len() as usize, self.rule).await)
    }

    /// Reads slices only until every pixel has a value.
    async fn first_of(&mut self, part: Window) -> Result<Vec<RasterBand>, IoError> {
        let mut so_far: Option<Vec<RasterBand>> = None;
        for slice in &mut self.slices {
            let Some(next) = slice.read(part).await? else {
                continue;
            };
            let slices = so_far.into_iter().chain([next]).collect();
            let bands = compose(slices, part.len() as usize, self.rule).await;
            let is_full = bands.iter().all(|band| band.mask == Mask::All);
            so_far = Some(bands);
            if is_full {
                break;
            }
        }
        Ok(so_far.unwrap_or_default())
    }
}

/// Returns the types of the bands as they are read.
fn types_of(slice: &Slice) -> Vec<DataType> {
    let read = |band: &super::SliceBand| match band.conversion {
        Some(_) => DataType::F32,
        None => band.raster.bands()[band.band].data_type,
    };
    slice.bands.iter().map(read).collect()
}

/// Composes slices of `len` pixels on all threads; no bands where there is no slice.
async fn compose(slices: Vec<Vec<RasterBand>>, len: usize, rule: CompositeRule) -> Vec<RasterBand> {
    let parts: Vec<Vec<RasterBand>> = compute::run(move |_| {
        let slices: Vec<&[RasterBand]> = slices.iter().map(Vec::as_slice).collect();
        let starts: Vec<usize> = (0..len).step_by(RANGE_PX).collect();
        let ranges = starts
            .into_par_iter()
            .map(|start| start..(start + RANGE_PX).min(len));
        ranges
            .map(|range| composite(&slices, range, rule))
            .collect()
    })
    .await;
    joined(parts)
}

/// Puts the bands of neighbouring ranges one after the other.
fn joined(parts: Vec<Vec<RasterBand>>) -> Vec<RasterBand> {
    let Some(first) = parts.first() else {
        return Vec::new();
    };
    let len_of = |part: &[RasterBand]| part.first().map_or(0, |band| band.pixels.len() as u32);
    let run = |col: u32, width: u32| Window {
        col,
        row: 0,
        width,
        height: 1,
    };
    let len = parts.iter().map(|part| len_of(part)).sum();
    let data_types = first.iter().map(|band| band.pixels.data_type());
    let mut patchwork = Patchwork::new(run(0, len), data_types);
    let mut col = 0;
    for part in &parts {
        patchwork.put_bands(part, &run(col, len_of(part)));
        col += len_of(part);
    }
    patchwork.finish()
}
