//! Which pixels of a grid lie on a raster.

use swath_grid::{GeoBox, Point, Window};
use swath_raster::{Positions, reach};

use super::options::ERROR_PX_DEFAULT;
use super::reader::{source_geobox, wrong};
use crate::IoError;
use crate::raster::GeoTiff;

/// The pixels of a grid whose centres lie on a raster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// A rectangle that holds them all.
    pub window: Window,
    /// One flag for each pixel of the rectangle, row by row.
    pub flags: Vec<bool>,
}

/// Returns which pixels of `geobox` lie on `raster`, with positions as exact as [`ERROR_PX_DEFAULT`]; `None` where none
/// can. Reads nothing; work for a compute thread.
///
/// # Errors
/// [`IoError::Raster`] where the raster has no CRS or transform, or its CRS has no known connection with that
/// of `geobox`.
pub fn covered(raster: &GeoTiff, geobox: &GeoBox) -> Result<Option<Covered>, IoError> {
    let source = source_geobox(raster)?;
    let positions = Positions::new(geobox, &source, ERROR_PX_DEFAULT)
        .map_err(|error| wrong(raster, error.to_string()))?;
    let margin_px = Point { x: 0.0, y: 0.0 };
    let window = reach(&source, geobox, margin_px);
    Ok(window.map(|window| Covered {
        window,
        flags: swath_raster::covered(&positions, source.size(), window),
    }))
}
