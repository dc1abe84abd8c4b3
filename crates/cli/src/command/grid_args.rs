//! A target grid as it is typed.

use swath_grid::{Bounds, Crs, GeoBox, Point, Size, Transform};
use swath_raster::{FootprintError, GridChoice, default_grid, footprint};

use crate::error::UsageError;

/// Most columns or rows of a result.
const SIDE_PX_MAX: u32 = 4_000_000;
/// Most bytes of a strip of block rows, which is held in memory.
const STRIP_BYTES_MAX: u64 = 4 << 30;

/// Options of the grid of a result.
#[derive(Debug, clap::Args)]
pub struct GridArgs {
    /// CRS of the result: EPSG:CODE, WKT, PROJJSON or a PROJ string [default: that of the source]
    #[arg(long, value_name = "CRS")]
    crs: Option<String>,
    /// Size of a pixel in units of the CRS, one number or X,Y [default: the diagonal keeps its
    /// number of pixels]
    #[arg(long, value_name = "R", value_delimiter = ',')]
    resolution: Vec<f64>,
    /// Outer edges in the CRS: MIN_X,MIN_Y,MAX_X,MAX_Y [default: all of the source]
    #[arg(
        long,
        value_name = "BOX",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    bounds: Vec<f64>,
    /// Columns and rows: W,H, in place of a resolution
    #[arg(long, value_name = "W,H", value_delimiter = ',')]
    size: Vec<u32>,
}

impl GridArgs {
    /// Returns the grid of a result made of `sources`, at least one, with pixels of `pixel_bytes` in blocks of `block_px`.
    ///
    /// # Errors
    /// [`UsageError`] for a CRS that is not known, options that contradict each other, a grid
    /// beside the source, or one with too many pixels.
    pub fn grid(
        &self,
        sources: &[GeoBox],
        pixel_bytes: u64,
        block_px: u32,
    ) -> Result<GeoBox, UsageError> {
        let grid = self.grid_over(sources)?;
        let Size { width, height } = grid.size();
        if width.max(height) > SIDE_PX_MAX {
            return Err(UsageError(format!(
                "the result would have {width} x {height} pixels, more than the limit of {SIDE_PX_MAX} \
                 along a side; give a coarser --resolution or smaller --bounds"
            )));
        }
        let strip_bytes = u64::from(width) * u64::from(block_px) * pixel_bytes;
        if strip_bytes > STRIP_BYTES_MAX {
            return Err(UsageError(format!(
                "a row of blocks of the result would take {strip_bytes} bytes, more than the limit of \
                 {STRIP_BYTES_MAX}; give a coarser --resolution, smaller --bounds or a smaller --block"
            )));
        }
        Ok(grid)
    }

    /// Returns the rectangle in degrees in which the result lies, where `--bounds` says it.
    ///
    /// # Errors
    /// [`UsageError`] for a CRS that is not known, or bounds that make no grid.
    pub fn bbox(&self) -> Result<Option<String>, UsageError> {
        let (Some(crs), Some(bounds)) = (self.crs()?, self.choice()?.bounds) else {
            return Ok(None);
        };
        let size = Size {
            width: 1,
            height: 1,
        };
        let (width, height) = (bounds.max_x - bounds.min_x, bounds.max_y - bounds.min_y);
        let whole = Transform::from_gdal([bounds.min_x, width, 0.0, bounds.max_y, 0.0, -height])
            .and_then(|transform| GeoBox::new(crs, transform, size))
            .ok_or_else(|| UsageError("--bounds hold no area".to_owned()))?;
        let degrees = Crs::from_epsg(4326).map_err(|error| UsageError(error.to_string()))?;
        let found = footprint(&whole, &degrees).map_err(|error| UsageError(error.to_string()))?;
        // Beyond the antimeridian west lies east of east.
        let turned = |longitude: f64| longitude - 360.0 * (longitude / 360.0).round();
        let (west, east) = match found.max_x - found.min_x >= 360.0 {
            true => (-180.0, 180.0),
            false => (turned(found.min_x), turned(found.max_x)),
        };
        Ok(Some(format!(
            "{west},{},{east},{}",
            found.min_y.max(-90.0),
            found.max_y.min(90.0)
        )))
    }

    fn crs(&self) -> Result<Option<Crs>, UsageError> {
        let parse = |text: &String| Crs::parse(text).map_err(|error| UsageError(error.to_string()));
        self.crs.as_ref().map(parse).transpose()
    }

    /// Returns the grid of the choices made, over all sources where no bounds are chosen.
    fn grid_over(&self, sources: &[GeoBox]) -> Result<GeoBox, UsageError> {
        let usage = |error: FootprintError| UsageError(error.to_string());
        let first = sources
            .first()
            .ok_or_else(|| UsageError("there is no raster to take a grid from".to_owned()))?;
        let crs = self.crs()?.unwrap_or_else(|| first.crs().clone());
        let mut choice = self.choice()?;
        if choice.bounds.is_some() {
            // One source that the bounds touch is enough.
            let mut grids = sources
                .iter()
                .map(|source| default_grid(source, &crs, &choice));
            let refused = match grids.next() {
                Some(Err(error)) => error,
                Some(Ok(grid)) => return Ok(grid),
                None => return Err(UsageError("there is no raster".to_owned())),
            };
            return grids.find_map(Result::ok).ok_or_else(|| usage(refused));
        }
        if sources.iter().any(|source| source != first) {
            let mut whole = Bounds::empty();
            for source in sources {
                let own = footprint(source, &crs).map_err(usage)?;
                whole.extend(Point {
                    x: own.min_x,
                    y: own.min_y,
                });
                whole.extend(Point {
                    x: own.max_x,
                    y: own.max_y,
                });
            }
            choice.bounds = Some(whole);
        }
        default_grid(first, &crs, &choice).map_err(usage)
    }

    fn choice(&self) -> Result<GridChoice, UsageError> {
        let wrong = |text: &str| Err(UsageError(text.to_owned()));
        let resolution = match self.resolution.as_slice() {
            [] => None,
            [both] => Some(Point { x: *both, y: *both }),
            [x, y] => Some(Point { x: *x, y: *y }),
            _ => return wrong("--resolution takes one number, or two as X,Y"),
        };
        let bounds = match self.bounds.as_slice() {
            [] => None,
            [min_x, min_y, max_x, max_y] => Some(Bounds {
                min_x: *min_x,
                min_y: *min_y,
                max_x: *max_x,
                max_y: *max_y,
            }),
            _ => return wrong("--bounds takes four numbers: MIN_X,MIN_Y,MAX_X,MAX_Y"),
        };
        let size = match self.size.as_slice() {
            [] => None,
            [width, height] if *width > 0 && *height > 0 => Some(Size {
                width: *width,
                height: *height,
            }),
            _ => return wrong("--size takes two whole numbers above 0: W,H"),
        };
        Ok(GridChoice {
            resolution,
            bounds,
            size,
        })
    }
}
