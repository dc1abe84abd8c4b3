//! A warped raster as rows for the COG writer.

use std::error::Error;
use std::sync::Arc;

use swath_grid::{GeoBox, Window};
use swath_raster::{Mask, RasterBand, Sample, for_pixels};

use super::options::ReadOptions;
use super::reader::WarpReader;
use crate::IoError;
use crate::cog::{CogSpec, ColorInterpretation, RowSource, Rows};
use crate::raster::GeoTiff;

/// Returns what a COG of `raster` on `geobox` says: as the raster itself, on another grid.
///
/// What lies outside of the raster gets `nodata`, else the raster's own nodata value, else 0 in
/// a band of opacity where there is one, else a mask.
///
/// # Errors
/// Those of [`CogSpec::of_raster`]; [`IoError::Raster`] for a nodata value that the type cannot hold.
pub fn warp_spec(
    raster: &GeoTiff,
    geobox: &GeoBox,
    nodata: Option<f64>,
) -> Result<CogSpec, IoError> {
    let own = CogSpec::of_raster(raster)?;
    let name = own.data_type.name();
    let text = nodata.map(|value| value.to_string());
    if let Some(text) = text.filter(|text| !swath_raster::can_hold(own.data_type, text)) {
        return Err(IoError::Raster {
            href: raster.href().to_owned(),
            reason: format!("its pixels are {name}, which cannot hold the nodata value {text}"),
        });
    }
    let nodata = nodata.or(own.nodata);
    let has_opacity = own
        .bands
        .iter()
        .any(|band| band.color == ColorInterpretation::Alpha);
    Ok(CogSpec {
        geobox: geobox.clone(),
        nodata,
        has_mask: own.has_mask || (nodata.is_none() && !has_opacity),
        ..own
    })
}

/// Warps strip by strip, on a runtime, from the thread that writes.
#[derive(Debug)]
pub struct WarpRows {
    reader: WarpReader,
    width: u32,
    nodata: Option<f64>,
    has_mask: bool,
    runtime: tokio::runtime::Handle,
}

impl WarpRows {
    /// Returns the rows of all bands of `raster` on the grid of `spec`; to be called on the
    /// runtime that fetches, to be read on a thread that may block.
    ///
    /// # Errors
    /// Those of [`WarpReader::new`].
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(
        raster: Arc<GeoTiff>,
        spec: &CogSpec,
        options: &ReadOptions,
    ) -> Result<Self, IoError> {
        Ok(Self {
            reader: WarpReader::new(raster, &spec.geobox, options)?,
            width: spec.geobox.size().width,
            nodata: spec.nodata,
            has_mask: spec.has_mask,
            runtime: tokio::runtime::Handle::current(),
        })
    }
}

impl RowSource for WarpRows {
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
        let runtime = self.runtime.clone();
        let mut bands = runtime.block_on(self.reader.read_window(window))?;
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
pub(crate) fn put_nodata(band: &mut RasterBand, nodata: f64) {
    fn put<T: Sample>(values: &mut [T], mask: &Mask, nodata: f64) {
        let Some(nodata) = T::from_f64(nodata) else {
            return;
        };
        let beside = T::from_f64(nodata.to_f64() + 1.0)
            .or_else(|| T::from_f64(nodata.to_f64() - 1.0))
            .unwrap_or(nodata);
        for (index, value) in values.iter_mut().enumerate() {
            if !mask.is_valid(index) {
                *value = nodata;
            } else if *value == nodata {
                *value = beside;
            }
        }
    }
    let RasterBand { pixels, mask } = band;
    for_pixels!(pixels, values => put(values, mask, nodata));
}

/// Returns 255 where any band is valid.
pub(crate) fn any_valid(bands: &[RasterBand], len: usize) -> Vec<u8> {
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
