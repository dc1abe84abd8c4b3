//! A raster in memory: a grid and its bands.

use swath_grid::GeoBox;

use crate::{Mask, Pixels};

/// One band of a [`Raster`].
#[derive(Debug, Clone, PartialEq)]
pub struct RasterBand {
    /// One value per pixel of the grid, row by row; meaningless where not valid.
    pub pixels: Pixels,
    /// What is valid; `true` = valid.
    pub mask: Mask,
}

/// Bands on a common grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Raster {
    /// CRS, transform and size.
    pub geobox: GeoBox,
    /// Bands of `geobox.size()` pixels each; their types may differ.
    pub bands: Vec<RasterBand>,
}
