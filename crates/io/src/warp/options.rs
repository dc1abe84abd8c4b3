//! How a raster is read onto another grid.

use swath_raster::Resampling;

/// Bound of approximated coordinates, as that of `gdalwarp`.
pub const ERROR_PX_DEFAULT: f64 = 0.125;

/// Most bytes of the values of one [`read`](super::read): all bands.
pub const READ_BYTES_MAX: u64 = 2 << 30;

/// Options of [`read`](super::read).
#[derive(Debug, Clone, PartialEq)]
pub struct ReadOptions {
    /// Bands by position, from 0, in the order wanted; empty takes all. Default: all.
    pub bands: Vec<usize>,
    /// Default: nearest.
    pub resampling: Resampling,
    /// Largest error of a position in pixels of the level that is read, in each direction; 0 computes every
    /// position exactly. Default: [`ERROR_PX_DEFAULT`].
    pub error_px: f64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            bands: Vec::new(),
            resampling: Resampling::default(),
            error_px: ERROR_PX_DEFAULT,
        }
    }
}
