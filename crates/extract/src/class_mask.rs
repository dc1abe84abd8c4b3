//! Masks from a class raster, also on another grid: a pixel takes the class that contains its centre.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use swath_grid::{Crs, GeoBox, Point, Transform, Window};
use swath_io::{DecodeScratch, DecodedBlock, FetchedBlock, GeoTiff, IoError};
use swath_raster::Mask;

use crate::ExtractError;
use crate::dilation::{Disc, dilate};

/// Decoded blocks of one class raster that are kept, in bytes of flags and values.
const CACHE_BYTES_MAX: usize = 32 << 20;

/// A class raster and the classes that are dropped; its nodata drops too.
#[derive(Debug)]
pub struct ClassMask {
    raster: Arc<GeoTiff>,
    band: usize,
    transform: Transform,
    dropped: Vec<f64>,
    /// What dropped classes grow by, on the raster's own grid.
    disc: Option<Disc>,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    blocks: HashMap<u32, Arc<DecodedBlock>>,
    order: std::collections::VecDeque<u32>,
    bytes: usize,
}

/// What one window needs of a class raster, fetched.
#[derive(Debug)]
pub(crate) struct FetchedMask {
    cached: Vec<Arc<DecodedBlock>>,
    fetched: Vec<FetchedBlock>,
}

impl ClassMask {
    /// Returns the mask of `band` of `raster` that drops `dropped` classes.
    ///
    /// `transform` is the raster's own; the caller has checked that its CRS is that of the data.
    pub fn new(raster: Arc<GeoTiff>, band: usize, transform: Transform, dropped: Vec<f64>) -> Self {
        Self {
            raster,
            band,
            transform,
            dropped,
            disc: None,
            cache: Mutex::default(),
        }
    }

    /// Returns the mask with dropped classes grown by so many metres; nodata does not grow.
    ///
    /// Distances are between pixel centres of the class raster, whose CRS is `crs`.
    ///
    /// # Errors
    /// A CRS in degrees; a radius that is none, or absurd.
    pub(crate) fn dilated(mut self, crs: &Crs, radius_m: f64) -> Result<Self, ExtractError> {
        if radius_m == 0.0 {
            return Ok(self);
        }
        let wrong = |reason: String| ExtractError::Grid {
            href: self.href().to_owned(),
            reason,
        };
        if crs.is_geographic() {
            let reason = "the mask is in degrees, where a dilation in metres is no disc: warp it to a projected CRS";
            return Err(wrong(reason.to_owned()));
        }
        let pixel = self.transform.resolution();
        let pixel = Point {
            x: pixel.x * crs.unit_to_metre(),
            y: pixel.y * crs.unit_to_metre(),
        };
        self.disc = Some(Disc::new(radius_m, pixel).map_err(wrong)?);
        Ok(self)
    }

    /// Fetches the blocks that decide over `window` of `geobox`, but those kept from before.
    pub(crate) async fn fetch(
        &self,
        geobox: &GeoBox,
        window: &Window,
    ) -> Result<FetchedMask, IoError> {
        let Some(own) = self.deciding_window(geobox, window) else {
            return Ok(FetchedMask {
                cached: Vec::new(),
                fetched: Vec::new(),
            });
        };
        let numbers = self.raster.blocks_of(&own);
        let (cached, missing) = {
            let cache = self
                .cache
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            let cached: Vec<_> = numbers
                .iter()
                .filter_map(|number| cache.blocks.get(number).cloned())
                .collect();
            let missing: Vec<u32> = numbers
                .iter()
                .copied()
                .filter(|number| !cache.blocks.contains_key(number))
                .collect();
            (cached, missing)
        };
        let fetched = self
            .raster
            .fetch_blocks(0, Arc::from([self.band]), &missing)
            .await?;
        Ok(FetchedMask { cached, fetched })
    }

    /// Returns the rectangle of the class raster that decides over `window`.
    fn deciding_window(&self, geobox: &GeoBox, window: &Window) -> Option<Window> {
        let own = self.own_window(geobox, window)?;
        let Some(disc) = &self.disc else {
            return Some(own);
        };
        let size = self.raster.size();
        let (col, row) = (
            own.col.saturating_sub(disc.cols()),
            own.row.saturating_sub(disc.rows()),
        );
        Some(Window {
            col,
            row,
            width: (own.col_end() + disc.cols()).min(size.width) - col,
            height: (own.row_end() + disc.rows()).min(size.height) - row,
        })
    }

    /// Returns the rectangle of the class raster under `window`, `None` where they do not meet.
    fn own_window(&self, geobox: &GeoBox, window: &Window) -> Option<Window> {
        let size = self.raster.size();
        let (col, row) = (f64::from(window.col) + 0.5, f64::from(window.row) + 0.5);
        let (width, height) = (f64::from(window.width - 1), f64::from(window.height - 1));
        let corners = [
            (col, row),
            (col + width, row),
            (col, row + height),
            (col + width, row + height),
        ];
        let mut min = Point {
            x: f64::INFINITY,
            y: f64::INFINITY,
        };
        let mut max = Point {
            x: f64::NEG_INFINITY,
            y: f64::NEG_INFINITY,
        };
        for (x, y) in corners {
            let at = self
                .transform
                .to_grid(geobox.transform().to_crs(Point { x, y }));
            min = Point {
                x: min.x.min(at.x),
                y: min.y.min(at.y),
            };
            max = Point {
                x: max.x.max(at.x),
                y: max.y.max(at.y),
            };
        }
        let clamp = |value: f64, end: u32| value.floor().clamp(0.0, f64::from(end)) as u32;
        let (col, row) = (clamp(min.x, size.width), clamp(min.y, size.height));
        let (col_end, row_end) = (
            clamp(max.x + 1.0, size.width),
            clamp(max.y + 1.0, size.height),
        );
        (col < col_end && row < row_end).then(|| Window {
            col,
            row,
            width: col_end - col,
            height: row_end - row,
        })
    }

    /// Decodes what was fetched and returns which pixels of `window` keep their value.
    pub(crate) fn decode(
        &self,
        parts: FetchedMask,
        geobox: &GeoBox,
        window: &Window,
        scratch: &mut DecodeScratch,
    ) -> Result<Mask, IoError> {
        let mut blocks = parts.cached;
        for part in parts.fetched {
            let block = Arc::new(part.decode(scratch)?);
            self.keep(part.number(), block.clone());
            blocks.push(block);
        }
        let mut flags = vec![false; window.len() as usize];
        let lookup = self.lookup(geobox, window);
        match (&self.disc, self.deciding_window(geobox, window)) {
            (Some(disc), Some(own)) => {
                let kept = self.kept_after_dilation(&blocks, &own, disc);
                mark(&own, &kept, window, &lookup, &mut flags);
            }
            _ => {
                for block in &blocks {
                    let kept: Vec<bool> = (0..block.window.len() as usize)
                        .map(|index| {
                            block.masks[0].is_valid(index) && !self.is_dropped(block, index)
                        })
                        .collect();
                    mark(&block.window, &kept, window, &lookup, &mut flags);
                }
            }
        }
        Ok(Mask::from_flags(flags))
    }

    fn is_dropped(&self, block: &DecodedBlock, index: usize) -> bool {
        self.dropped.contains(&block.bands[0].get_f64(index))
    }

    /// Returns which pixels of `own`, a rectangle of the class raster, are kept once what is dropped has grown.
    fn kept_after_dilation(
        &self,
        blocks: &[Arc<DecodedBlock>],
        own: &Window,
        disc: &Disc,
    ) -> Vec<bool> {
        let (mut valid, mut dropped) = (
            vec![false; own.len() as usize],
            vec![false; own.len() as usize],
        );
        for block in blocks {
            let Some(common) = block.window.intersection(own) else {
                continue;
            };
            for row in common.row..common.row_end() {
                for col in common.col..common.col_end() {
                    let at = |window: &Window| {
                        (row - window.row) as usize * window.width as usize
                            + (col - window.col) as usize
                    };
                    let (from, to) = (at(&block.window), at(own));
                    valid[to] = block.masks[0].is_valid(from);
                    dropped[to] = valid[to] && self.is_dropped(block, from);
                }
            }
        }
        let grown = dilate(&dropped, own.width as usize, disc);
        valid
            .iter()
            .zip(grown)
            .map(|(valid, grown)| *valid && !grown)
            .collect()
    }

    fn keep(&self, number: u32, block: Arc<DecodedBlock>) {
        let bytes = block.window.len() as usize
            * (1 + self.raster.bands()[self.band].data_type.size_bytes());
        let mut cache = self
            .cache
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if cache.blocks.insert(number, block).is_some() {
            return;
        }
        cache.order.push_back(number);
        cache.bytes += bytes;
        while cache.bytes > CACHE_BYTES_MAX && cache.order.len() > 1 {
            if let Some(oldest) = cache.order.pop_front() {
                cache.blocks.remove(&oldest);
                cache.bytes = cache.bytes.saturating_sub(bytes);
            }
        }
    }

    /// Returns the class-raster column of each column of `window` and the row of each row.
    ///
    /// `None` where grids are rotated against each other: then every pixel is looked up by itself.
    fn lookup(&self, geobox: &GeoBox, window: &Window) -> Option<(Vec<i64>, Vec<i64>)> {
        let own = geobox.transform();
        if !own.is_axis_aligned() || !self.transform.is_axis_aligned() {
            return None;
        }
        let at = |col: f64, row: f64| {
            self.transform.to_grid(own.to_crs(Point {
                x: col + 0.5,
                y: row + 0.5,
            }))
        };
        let cols = (window.col..window.col_end())
            .map(|col| at(f64::from(col), 0.0).x.floor() as i64)
            .collect();
        let rows = (window.row..window.row_end())
            .map(|row| at(0.0, f64::from(row)).y.floor() as i64)
            .collect();
        Some((cols, rows))
    }

    /// True where the class raster and `geobox` are not turned against the axes.
    pub(crate) fn fits(&self, geobox: &GeoBox) -> bool {
        self.transform.is_axis_aligned() && geobox.transform().is_axis_aligned()
    }

    /// Returns the name of the class raster.
    pub(crate) fn href(&self) -> &str {
        self.raster.href()
    }
}

/// Sets the flags of the pixels of `window` that lie in `part`, a rectangle of the class raster.
///
/// `kept` says, once per class pixel, which keep their value: data pixels are often four times as many.
fn mark(
    part: &Window,
    kept: &[bool],
    window: &Window,
    lookup: &Option<(Vec<i64>, Vec<i64>)>,
    flags: &mut [bool],
) {
    let Some((cols, rows)) = lookup else { return };
    let width = window.width as usize;
    for (row_index, row) in rows.iter().enumerate() {
        let Some(part_row) = within(*row, part.row, part.height) else {
            continue;
        };
        let line = &mut flags[row_index * width..(row_index + 1) * width];
        let kept_line = &kept[part_row * part.width as usize..(part_row + 1) * part.width as usize];
        for (flag, col) in line.iter_mut().zip(cols) {
            if let Some(part_col) = within(*col, part.col, part.width) {
                *flag = kept_line[part_col];
            }
        }
    }
}

fn within(value: i64, start: u32, len: u32) -> Option<usize> {
    let index = value - i64::from(start);
    (0..i64::from(len))
        .contains(&index)
        .then_some(index as usize)
}
