//! A rectangle of one band, at the raster's own pixels.

use std::error::Error;
use std::sync::Arc;

use swath_grid::{GeoBox, Point, Projector, ShiftOptions, Window};
use swath_io::GeoTiff;
use swath_io::cog::{CogOptions, CogSpec, Compression, RowSource, Rows, write_cog};
use swath_raster::{Mask, Pixels, Sample, for_pixels};

use crate::ExtractError;

/// Pixels of a band with their place.
#[derive(Debug, Clone)]
pub struct Chip {
    /// Their grid.
    pub geobox: GeoBox,
    /// Values as they are stored, row by row from the upper left.
    pub pixels: Pixels,
    /// What is valid; `true` = valid.
    pub mask: Mask,
}

impl Chip {
    /// Reads a window of a band, from 0, of a raster whose grid is `geobox`.
    ///
    /// # Errors
    /// Where the window is empty or leaves the raster, or it cannot be read.
    pub async fn read(
        raster: &Arc<GeoTiff>,
        band: usize,
        geobox: &GeoBox,
        window: Window,
    ) -> Result<Self, ExtractError> {
        let mut block = raster.read_window(&[band], window).await?;
        let geobox = geobox.part(&window).ok_or_else(|| ExtractError::Grid {
            href: raster.href().to_owned(),
            reason: "an empty window was asked for".to_owned(),
        })?;
        Ok(Self {
            geobox,
            pixels: block.bands.swap_remove(0),
            mask: block.masks.swap_remove(0),
        })
    }

    /// Returns the values at the pixel centres of another grid, nearest, as they are stored; `None`
    /// where the pixel is not valid, lies outside or cannot be brought to the CRS of this one.
    pub fn values_on(&self, other: &GeoBox) -> Vec<Option<f64>> {
        let (size, own) = (other.size(), self.geobox.size());
        let projector = match other.crs() == self.geobox.crs() {
            true => None,
            false => {
                let options = ShiftOptions::default();
                let projector = Projector::new(other.crs(), self.geobox.crs(), &options);
                match projector {
                    Ok(projector) => Some(projector),
                    Err(_) => return vec![None; size.width as usize * size.height as usize],
                }
            }
        };
        let mut values = Vec::with_capacity(size.width as usize * size.height as usize);
        for row in 0..size.height {
            let centre = |col: u32| {
                other.transform().to_crs(Point {
                    x: f64::from(col) + 0.5,
                    y: f64::from(row) + 0.5,
                })
            };
            let mut centres: Vec<Point> = (0..size.width).map(centre).collect();
            let is_there = match &projector {
                Some(projector) => projector.project(&mut centres).is_ok(),
                None => true,
            };
            for centre in centres {
                let at = self.geobox.transform().to_grid(centre);
                let is_inside = is_there
                    && (0.0..f64::from(own.width)).contains(&at.x)
                    && (0.0..f64::from(own.height)).contains(&at.y);
                let index = at.y as usize * own.width as usize + at.x as usize;
                let is_valid = is_inside && self.mask.is_valid(index);
                values.push(is_valid.then(|| self.pixels.get_f64(index)));
            }
        }
        values
    }
}

/// Rows of bands that are in memory.
struct MemoryRows<'a> {
    bands: &'a [Pixels],
    width: u32,
}

impl RowSource for MemoryRows<'_> {
    fn read_rows(
        &mut self,
        first_row: u32,
        rows: u32,
    ) -> Result<Rows, Box<dyn Error + Send + Sync>> {
        let width = self.width as usize;
        let from = first_row as usize * width;
        let len = rows as usize * width;
        let part = |pixels: &Pixels| for_pixels!(pixels, values => Sample::wrap(values[from..from + len].to_vec()));
        Ok(Rows {
            bands: self.bands.iter().map(part).collect(),
            mask: None,
        })
    }
}

/// Returns bands as a GeoTIFF that every client can read. The writer has compute threads of its own:
/// do not call this on one, which would wait for them and take up other work of the same kind.
///
/// # Errors
/// Where it cannot be written.
pub fn write_tiff(spec: &CogSpec, bands: &[Pixels]) -> Result<Vec<u8>, ExtractError> {
    let scratch = |error: &dyn std::fmt::Display| ExtractError::Scratch {
        reason: error.to_string(),
    };
    let folder = tempfile::tempdir().map_err(|error| scratch(&error))?;
    let path = folder.path().join("chip.tif");
    let options = CogOptions {
        compression: Compression::Deflate { level: 0 },
        threads: 1,
        ..CogOptions::default()
    };
    let mut rows = MemoryRows {
        bands,
        width: spec.geobox.size().width,
    };
    write_cog(&path, spec, &options, &mut rows).map_err(|error| scratch(&error))?;
    std::fs::read(&path).map_err(|error| scratch(&error))
}

#[cfg(test)]
mod tests {
    use swath_grid::{Crs, Size, Transform};

    use super::*;

    fn grid(x: f64, resolution: f64, side: u32) -> GeoBox {
        let origin = Point { x, y: 100.0 };
        let transform = Transform::north_up(origin, resolution).expect("a transform");
        let size = Size {
            width: side,
            height: side,
        };
        GeoBox::new(Crs::from_epsg(32631).expect("a CRS"), transform, size).expect("a grid")
    }

    #[test]
    fn values_come_to_other_grids_by_the_nearest_pixel() {
        let chip = Chip {
            geobox: grid(0.0, 20.0, 2),
            pixels: Pixels::U8(vec![1, 2, 3, 4]),
            mask: Mask::from_flags(vec![true, true, true, false]),
        };
        let same = chip.values_on(&grid(0.0, 20.0, 2));
        assert_eq!(same, [Some(1.0), Some(2.0), Some(3.0), None]);
        let finer = chip.values_on(&grid(20.0, 10.0, 3));
        let expected = [Some(2.0), Some(2.0), None, Some(2.0), Some(2.0), None];
        assert_eq!(&finer[..6], &expected);
        assert_eq!(&finer[6..], &[None; 3]);
    }
}
