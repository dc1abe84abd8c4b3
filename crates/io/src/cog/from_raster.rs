//! From an opened raster to the rows and the specification that the writer takes.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use futures::TryStreamExt;
use swath_grid::{GeoBox, Window};
use swath_raster::Mask;

use super::spec::{AreaOrPoint, BandSpec, CogSpec, ColorInterpretation, RowSource, Rows};
use crate::raster::{BlockPlan, DecodedBlock, GeoTiff, blocks};
use crate::{IoError, compute};

/// Blocks that are decoded side by side.
const DECODE_AT_ONCE: usize = 4;

impl CogSpec {
    /// Returns the specification that keeps all that `raster` says: grid, bands, nodata, mask, colours.
    ///
    /// # Errors
    /// [`IoError::Raster`] where it has no CRS, no transform or no band.
    pub fn of_raster(raster: &GeoTiff) -> Result<Self, IoError> {
        let wrong = |reason: &str| IoError::Raster {
            href: raster.href().to_owned(),
            reason: reason.to_owned(),
        };
        let crs = raster.crs().ok_or_else(|| {
            wrong("it names no coordinate reference system; write one into it first")
        })?;
        let transform = raster
            .transform()
            .ok_or_else(|| wrong("it has no transform from pixels to coordinates"))?;
        let geobox = GeoBox::new(crs.clone(), *transform, raster.size())
            .ok_or_else(|| wrong("it is empty"))?;
        let first = raster
            .bands()
            .first()
            .ok_or_else(|| wrong("it has no bands"))?;
        let description = raster.describe();
        let metadata = description
            .metadata
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect();
        Ok(Self {
            geobox,
            data_type: first.data_type,
            bands: raster
                .bands()
                .iter()
                .enumerate()
                .map(|(index, band)| BandSpec {
                    name: band.is_named.then(|| band.name.clone()),
                    scale: band.scale,
                    offset: band.offset,
                    unit: band.unit.clone(),
                    color: color_of(raster, index),
                    metadata: band.metadata.clone(),
                })
                .collect(),
            nodata: first
                .nodata
                .as_deref()
                .and_then(|text| text.trim().parse().ok()),
            has_mask: description.has_mask,
            metadata,
            color_map: raster.color_map().map(<[_]>::to_vec),
            area_or_point: if description.is_point {
                AreaOrPoint::Point
            } else {
                AreaOrPoint::Area
            },
        })
    }
}

fn color_of(raster: &GeoTiff, band: usize) -> ColorInterpretation {
    if raster.bands()[band].is_alpha {
        return ColorInterpretation::Alpha;
    }
    match band {
        0 if raster.color_map().is_some() => ColorInterpretation::Palette,
        0 if raster.is_rgb() => ColorInterpretation::Red,
        1 if raster.is_rgb() => ColorInterpretation::Green,
        2 if raster.is_rgb() => ColorInterpretation::Blue,
        _ => ColorInterpretation::Undefined,
    }
}

/// Reads a raster strip by strip, on a runtime, from the thread that writes.
///
/// Memory: the decoded blocks that a strip touches.
#[derive(Debug)]
pub struct RasterRows {
    raster: Arc<GeoTiff>,
    has_mask: bool,
    runtime: tokio::runtime::Handle,
    /// Blocks that reach below the last strip: decoded once.
    kept: BTreeMap<u32, DecodedBlock>,
}

impl RasterRows {
    /// Returns the rows of all bands of `raster`; to be called on the runtime that fetches, to be
    /// read on a thread that may block.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(raster: Arc<GeoTiff>, spec: &CogSpec) -> Self {
        Self {
            raster,
            has_mask: spec.has_mask,
            runtime: tokio::runtime::Handle::current(),
            kept: BTreeMap::new(),
        }
    }

    async fn read(&mut self, window: Window) -> Result<DecodedBlock, IoError> {
        let wanted = self.raster.blocks_of(&window);
        let missing = wanted
            .iter()
            .copied()
            .filter(|number| !self.kept.contains_key(number))
            .collect();
        let plan = BlockPlan {
            level: 0,
            bands: (0..self.raster.bands().len()).collect(),
            numbers: missing,
        };
        let mut decoded = std::pin::pin!(
            blocks(&self.raster, plan)
                .map_ok(|fetched| async move {
                    let number = fetched.number();
                    let block = compute::run(move |scratch| fetched.decode(scratch)).await?;
                    Ok((number, block))
                })
                .try_buffered(DECODE_AT_ONCE)
        );
        while let Some((number, block)) = decoded.try_next().await? {
            self.kept.insert(number, block);
        }
        let parts = wanted.iter().filter_map(|number| self.kept.get(number));
        let assembled = DecodedBlock::assemble_from(window, parts)?;
        self.kept
            .retain(|_, block| block.window.row_end() > window.row_end());
        Ok(assembled)
    }
}

impl RowSource for RasterRows {
    fn read_rows(
        &mut self,
        first_row: u32,
        rows: u32,
    ) -> Result<Rows, Box<dyn Error + Send + Sync>> {
        let window = Window {
            col: 0,
            row: first_row,
            width: self.raster.size().width,
            height: rows,
        };
        let runtime = self.runtime.clone();
        let block = runtime.block_on(self.read(window))?;
        let flags = |mask: &Mask| {
            let flag = |index: usize| if mask.is_valid(index) { 255 } else { 0 };
            (0..window.len() as usize).map(flag).collect()
        };
        let mask = if self.has_mask {
            block.masks.first().map(flags)
        } else {
            None
        };
        Ok(Rows {
            bands: block.bands,
            mask,
        })
    }
}
