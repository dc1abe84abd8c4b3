//! A composite as rows for the COG writer.

use std::error::Error;

use swath_grid::Window;

use super::reader::{CompositeOptions, CompositeReader};
use super::slice::Slice;
use crate::IoError;
use crate::cog::{CogSpec, RowSource, Rows};
use crate::warp::{any_valid, put_nodata};

/// Composes strip by strip, on a runtime, from the thread that writes.
#[derive(Debug)]
pub struct CompositeRows {
    reader: CompositeReader,
    width: u32,
    nodata: Option<f64>,
    has_mask: bool,
    runtime: tokio::runtime::Handle,
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
        Ok(Self {
            reader: CompositeReader::new(slices, &spec.geobox, options)?,
            width: spec.geobox.size().width,
            nodata: spec.nodata,
            has_mask: spec.has_mask,
            runtime: tokio::runtime::Handle::current(),
        })
    }
}

impl RowSource for CompositeRows {
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
