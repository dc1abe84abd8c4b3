//! A composite as rows for the COG writer.

use swath_grid::Window;
use swath_raster::RasterBand;

use super::reader::{CompositeOptions, CompositeReader};
use super::slice::Slice;
use crate::IoError;
use crate::cog::{CogSpec, GridRows, ReadWindow};

/// Composes strip by strip.
pub type CompositeRows = GridRows<CompositeReader>;

impl ReadWindow for CompositeReader {
    async fn read_window(&mut self, window: Window) -> Result<Vec<RasterBand>, IoError> {
        Self::read_window(self, window).await
    }
}

impl CompositeRows {
    /// Returns the rows of the composite on the grid of `spec`, with its nodata value or mask where no
    /// slice is valid; to be called on the runtime that fetches, to be read on a thread that may block.
    ///
    /// # Errors
    /// Those of [`CompositeReader::new`].
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(
        slices: &[Slice],
        spec: &CogSpec,
        options: &CompositeOptions,
    ) -> Result<Self, IoError> {
        let reader = CompositeReader::new(slices, &spec.geobox, options)?;
        Ok(Self::of(reader, spec))
    }
}
