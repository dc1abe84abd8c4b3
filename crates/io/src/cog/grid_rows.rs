//! Whatever is read window by window on a grid, as rows for the COG writer.

use std::error::Error;

use swath_grid::Window;
use swath_raster::{Mask, RasterBand, Sample, for_pixels};

use super::{CogSpec, RowSource, Rows};
use crate::IoError;

/// Reads windows of a grid.
pub(crate) trait ReadWindow {
    /// Returns all bands of a window of the grid, row by row.
    ///
    /// # Errors
    /// Upstream errors, damaged blocks.
    async fn read_window(&mut self, window: Window) -> Result<Vec<RasterBand>, IoError>;
}

/// Rows of a reader, strip by strip: read on a runtime, from the thread that writes.
#[derive(Debug)]
pub struct GridRows<R> {
    reader: R,
    width: u32,
    nodata: Option<f64>,
    has_mask: bool,
    runtime: tokio::runtime::Handle,
}

impl<R> GridRows<R> {
    /// Returns the rows of `reader` on the grid of `spec`, with its nodata value or mask where nothing is valid.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub(crate) fn of(reader: R, spec: &CogSpec) -> Self {
        Self {
            reader,
            width: spec.geobox.size().width,
            nodata: spec.nodata,
            has_mask: spec.has_mask,
            runtime: tokio::runtime::Handle::current(),
        }
    }
}

impl<R: ReadWindow + Send> RowSource for GridRows<R> {
    fn read_rows(
        &mut self,
        first_row: u32,
        rows: u32,
    ) -> Result<Rows, Box<dyn Error + Send + Sync>> {
        let window = Window {
            col: 0,
            row: first_row,
            width: self.width,
            height: rows,
        };
        let mut bands = self.runtime.block_on(self.reader.read_window(window))?;
        if let Some(nodata) = self.nodata {
            bands.iter_mut().for_each(|band| put_nodata(band, nodata));
        }
        let mask = self
            .has_mask
            .then(|| any_valid(&bands, window.len() as usize));
        Ok(Rows {
            bands: bands.into_iter().map(|band| band.pixels).collect(),
            mask,
        })
    }
}

/// Writes `nodata` where a band is not valid, and the next value where a valid one equals it.
fn put_nodata(band: &mut RasterBand, nodata: f64) {
    fn put<T: Sample>(values: &mut [T], mask: &Mask, nodata: f64) {
        let Some(nodata) = T::from_f64(nodata) else {
            return;
        };
        let beside = T::from_f64(nodata.to_f64() + 1.0)
            .or_else(|| T::from_f64(nodata.to_f64() - 1.0))
            .unwrap_or(nodata);
        // Choices instead of branches: these loops run vectorised.
        let moved = |value: T| if value == nodata { beside } else { value };
        match mask {
            Mask::All => values.iter_mut().for_each(|value| *value = moved(*value)),
            Mask::None => values.fill(nodata),
            Mask::Pixels(flags) => {
                for (value, flag) in values.iter_mut().zip(flags) {
                    *value = if *flag { moved(*value) } else { nodata };
                }
            }
        }
    }
    let RasterBand { pixels, mask } = band;
    for_pixels!(pixels, values => put(values, mask, nodata));
}

/// Returns 255 where any band is valid.
fn any_valid(bands: &[RasterBand], len: usize) -> Vec<u8> {
    let mut flags = vec![0u8; len];
    for band in bands {
        match &band.mask {
            Mask::All => return vec![255; len],
            Mask::None => {}
            Mask::Pixels(valid) => {
                for (flag, valid) in flags.iter_mut().zip(valid) {
                    *flag |= if *valid { 255 } else { 0 };
                }
            }
        }
    }
    flags
}
