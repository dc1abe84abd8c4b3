//! A warped raster as rows for the COG writer.

use std::sync::Arc;

use swath_grid::{GeoBox, Window};
use swath_raster::RasterBand;

use super::options::ReadOptions;
use super::reader::WarpReader;
use crate::IoError;
use crate::cog::{CogSpec, ColorInterpretation, GridRows, ReadWindow};
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

/// Warps strip by strip.
pub type WarpRows = GridRows<WarpReader>;

impl ReadWindow for WarpReader {
    async fn read_window(&mut self, window: Window) -> Result<Vec<RasterBand>, IoError> {
        Self::read_window(self, window).await
    }
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
        let reader = WarpReader::new(raster, &spec.geobox, options)?;
        Ok(Self::of(reader, spec))
    }
}
