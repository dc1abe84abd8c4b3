//! A mosaic that grows: its gaps, and what fills them.

use std::collections::VecDeque;

use swath_grid::{GeoBox, Size, Window};
use swath_io::{Covered, GeoTiff, IoError, covered};
use swath_raster::{Mask, Pixels, RasterBand, Sample, for_pixels};

use super::mosaic::{MosaicBands, ReadItem, valid_in_all};

/// Pixels that are read around those that a raster can fill: its edge may lie a bit beside where it was reckoned.
const MARGIN_PX: u32 = 2;
/// Pixels of all footprints that are kept, as a multiple of those of the mosaic: each may cover all of it.
const FOOTPRINTS_SHARE_MAX: u64 = 4;

/// A mosaic on a grid, item by item.
#[derive(Debug)]
pub(super) struct Filling {
    geobox: GeoBox,
    /// The first item, where it has every pixel.
    whole: Option<ReadItem>,
    /// Those of the first item, with its masks, where it leaves gaps; `None` before it.
    bands: Option<Vec<RasterBand>>,
    /// Whether each pixel lacks a value in a band; empty before the first item.
    lacking: Vec<bool>,
    /// The rectangle around all that lacks a value.
    gaps: Option<Window>,
    /// Items that filled something.
    fills: usize,
    /// Those found last.
    footprints: VecDeque<Footprint>,
}

/// Where the rasters of one grid lie, which the dates of a tile have in common.
#[derive(Debug)]
struct Footprint {
    grid: GeoBox,
    covered: Option<Covered>,
    /// The rectangle around the gaps that they cover, as it was after so many fills.
    gaps: Option<Window>,
    fills: usize,
}

impl Filling {
    /// Returns a mosaic without values.
    pub(super) fn of(geobox: &GeoBox) -> Self {
        Self {
            geobox: geobox.clone(),
            whole: None,
            bands: None,
            lacking: Vec::new(),
            gaps: Some(Window::full(geobox.size())),
            fills: 0,
            footprints: VecDeque::new(),
        }
    }

    /// Returns the rectangle around all pixels that lack a value in a band.
    pub(super) fn gaps(&self) -> Option<Window> {
        self.gaps
    }

    /// True before the first item.
    pub(super) fn is_new(&self) -> bool {
        self.bands.is_none() && self.whole.is_none()
    }

    /// Takes the first item where it has every pixel, and nothing has to be looked at; hands it back where not.
    pub(super) fn take_whole(&mut self, read: ReadItem) -> Option<ReadItem> {
        if !self.is_new() || !read.is_whole() {
            return Some(read);
        }
        self.whole = Some(read);
        self.gaps = None;
        None
    }

    /// Returns what to read of a raster to fill what it can: all before the first item, then the
    /// rectangle around the gaps that lie on it, `None` where none does.
    ///
    /// # Errors
    /// As [`covered`].
    pub(super) fn wanted_of(&mut self, raster: &GeoTiff) -> Result<Option<Window>, IoError> {
        let (Some(crs), Some(transform), Some(_)) = (raster.crs(), raster.transform(), &self.bands)
        else {
            return Ok(self.gaps);
        };
        let Some(grid) = GeoBox::new(crs.clone(), *transform, raster.size()) else {
            return Ok(self.gaps);
        };
        let known = self.footprints.iter().position(|known| known.grid == grid);
        let Some(position) = known else {
            let covered = covered(raster, &self.geobox)?;
            let gaps = gaps_on(&covered, &self.lacking, self.geobox.size());
            self.keep(Footprint {
                grid,
                covered,
                gaps,
                fills: self.fills,
            });
            return Ok(gaps);
        };
        let footprint = &mut self.footprints[position];
        if footprint.fills != self.fills {
            footprint.gaps = gaps_on(&footprint.covered, &self.lacking, self.geobox.size());
            footprint.fills = self.fills;
        }
        Ok(footprint.gaps)
    }

    /// Keeps a footprint; forgets the oldest where all of them are too large: images need not have a grid in common.
    fn keep(&mut self, footprint: Footprint) {
        self.footprints.push_back(footprint);
        let pixels_of = |one: &Footprint| one.covered.as_ref().map_or(0, |own| own.window.len());
        let mut pixels: u64 = self.footprints.iter().map(pixels_of).sum();
        let pixels_max = FOOTPRINTS_SHARE_MAX * Window::full(self.geobox.size()).len();
        while pixels > pixels_max
            && let Some(oldest) = self.footprints.pop_front()
        {
            pixels -= pixels_of(&oldest);
        }
    }

    /// Puts the pixels of `over`, which is `window` of the mosaic, where the mosaic lacks values in a band and
    /// `over` has all of them. Says whether it had any. The first window is the whole.
    pub(super) fn fill(&mut self, window: Window, over: Vec<RasterBand>) -> bool {
        let size = self.geobox.size();
        let above = valid_in_all(&over);
        let Some(bands) = &mut self.bands else {
            self.bands = Some(over);
            self.gaps = match &above {
                Mask::All => None,
                Mask::None => {
                    self.lacking = vec![true; Window::full(size).len() as usize];
                    self.gaps
                }
                Mask::Pixels(flags) => {
                    self.lacking = flags.iter().map(|flag| !flag).collect();
                    around(Window::full(size), &self.lacking, size)
                }
            };
            return above != Mask::None;
        };
        if above == Mask::None {
            return false;
        }
        let (width, row_px) = (size.width as usize, window.width as usize);
        let first = window.row as usize * width + window.col as usize;
        let places = (0..window.height as usize).flat_map(|row| {
            (0..row_px).map(move |col| (first + row * width + col, row * row_px + col))
        });
        let taken: Vec<(usize, usize)> = places
            .filter(|(to, from)| self.lacking[*to] && above.is_valid(*from))
            .collect();
        if taken.is_empty() {
            return false;
        }
        for (band, over) in bands.iter_mut().zip(over) {
            put(band, over, &taken);
        }
        for (to, _) in taken {
            self.lacking[to] = false;
        }
        self.fills += 1;
        self.gaps = self.gaps.and_then(|gaps| around(gaps, &self.lacking, size));
        true
    }

    /// True where [`Filling::finish`] is work for a compute thread.
    pub(super) fn is_patched(&self) -> bool {
        self.fills > 0
    }

    /// Returns the bands; `None` where no item was put in.
    pub(super) fn finish(self) -> Option<MosaicBands> {
        if let Some(read) = self.whole {
            return Some(MosaicBands::Read(read));
        }
        let mut bands = self.bands?;
        if self.fills > 0 {
            for band in &mut bands {
                let lacking = self.lacking.iter().enumerate();
                let flags = lacking.map(|(index, lacks)| !lacks || band.mask.is_valid(index));
                band.mask = Mask::from_flags(flags.collect());
            }
        }
        Some(MosaicBands::Made(bands))
    }
}

/// Returns the rectangle around what of `window` lacks a value.
fn around(window: Window, lacking: &[bool], size: Size) -> Option<Window> {
    let row_of = |row: u32| {
        let first = row as usize * size.width as usize + window.col as usize;
        &lacking[first..][..window.width as usize]
    };
    bounds(window, |row, flags| flags.copy_from_slice(row_of(row)))
}

/// Returns the rectangle around the gaps that are covered, and a margin.
fn gaps_on(covered: &Option<Covered>, lacking: &[bool], size: Size) -> Option<Window> {
    let Covered { window, flags: on } = covered.as_ref()?;
    let width = window.width as usize;
    let gaps = bounds(*window, |row, flags| {
        let first = row as usize * size.width as usize + window.col as usize;
        let on = &on[(row - window.row) as usize * width..][..width];
        let pairs = lacking[first..][..width].iter().zip(on);
        for (flag, (lacks, on)) in flags.iter_mut().zip(pairs) {
            *flag = *lacks & *on;
        }
    })?;
    let (col, row) = (
        gaps.col.saturating_sub(MARGIN_PX),
        gaps.row.saturating_sub(MARGIN_PX),
    );
    let wider = Window {
        col,
        row,
        width: gaps.col_end() + MARGIN_PX - col,
        height: gaps.row_end() + MARGIN_PX - row,
    };
    wider.intersection(&Window::full(size))
}

/// Returns the rectangle around the pixels of `window` that `flags_of` marks, row by row.
fn bounds(window: Window, flags_of: impl Fn(u32, &mut [bool])) -> Option<Window> {
    let mut flags = vec![false; window.width as usize];
    let (mut low, mut high) = ((u32::MAX, u32::MAX), (0, 0));
    for row in window.row..window.row_end() {
        flags_of(row, &mut flags);
        let Some(first) = flags.iter().position(|flag| *flag) else {
            continue;
        };
        let last = flags.iter().rposition(|flag| *flag).unwrap_or(first);
        let (first, last) = (window.col + first as u32, window.col + last as u32);
        low = (low.0.min(first), low.1.min(row));
        high = (high.0.max(last + 1), row + 1);
    }
    Some(Window {
        col: low.0,
        row: low.1,
        width: high.0.checked_sub(low.0)?,
        height: high.1.checked_sub(low.1)?,
    })
}

/// Copies pixels of one band over those of another, each of `taken` to the first place from the second; of
/// different types as `f64`.
fn put(band: &mut RasterBand, over: RasterBand, taken: &[(usize, usize)]) {
    fn copy<T: Sample>(values: &mut [T], from: &Pixels, taken: &[(usize, usize)]) -> bool {
        let Some(from) = T::slice(from) else {
            return false;
        };
        for (to, place) in taken {
            values[*to] = from[*place];
        }
        true
    }
    let is_copied = for_pixels!(&mut band.pixels, values => copy(values, &over.pixels, taken));
    if !is_copied {
        let wide = |pixels: &Pixels| -> Vec<f64> {
            (0..pixels.len())
                .map(|index| pixels.get_f64(index))
                .collect()
        };
        let (mut values, from) = (wide(&band.pixels), wide(&over.pixels));
        for (to, place) in taken {
            values[*to] = from[*place];
        }
        band.pixels = Pixels::F64(values);
    }
}

#[cfg(test)]
mod tests {
    use swath_grid::{Crs, Transform};

    use super::*;

    fn band(values: &[i16], flags: &[bool]) -> RasterBand {
        RasterBand {
            pixels: Pixels::I16(values.to_vec()),
            mask: Mask::from_flags(flags.to_vec()),
        }
    }

    fn grid(width: u32, height: u32) -> GeoBox {
        let crs = Crs::from_epsg(32_632).expect("known");
        let transform = Transform::from_gdal([500_000.0, 10.0, 0.0, 0.0, 0.0, -10.0]);
        GeoBox::new(crs, transform.expect("a transform"), Size { width, height }).expect("a grid")
    }

    fn bands_of(filling: Filling) -> Vec<RasterBand> {
        filling.finish().expect("an item was put in").made()
    }

    fn filling(width: u32, height: u32, first: Vec<RasterBand>) -> Filling {
        let mut filling = Filling::of(&grid(width, height));
        let whole = filling.gaps().expect("nothing is there yet");
        let has_any = valid_in_all(&first) != Mask::None;
        assert_eq!(filling.fill(whole, first), has_any);
        filling
    }

    #[test]
    fn what_lies_above_is_kept_and_gaps_are_filled() {
        let mut filling = filling(3, 1, vec![band(&[1, 2, 3], &[true, false, false])]);
        let gaps = filling.gaps().expect("gaps");
        assert_eq!((gaps.col, gaps.width), (1, 2));
        assert!(filling.fill(gaps, vec![band(&[8, 9], &[true, false])]));
        let gaps = filling.gaps().expect("a gap");
        assert_eq!((gaps.col, gaps.width), (2, 1));
        let whole = Window::full(filling.geobox.size());
        assert!(!filling.fill(whole, vec![band(&[7, 7, 7], &[true, true, false])]));
        assert!(filling.fill(whole, vec![band(&[0, 0, 9], &[true; 3])]));
        assert_eq!(filling.gaps(), None);
        let bands = bands_of(filling);
        assert_eq!(bands, [band(&[1, 8, 9], &[true; 3])]);
    }

    #[test]
    fn gaps_are_the_rectangle_around_what_lacks_values() {
        let flags = [true, true, true, true, true, false, true, false, true];
        let mut filling = filling(3, 3, vec![band(&[0; 9], &flags)]);
        let gaps = filling.gaps().expect("gaps");
        let part = filling.geobox.part(&gaps).expect("a part");
        assert_eq!((part.size().width, part.size().height), (2, 2));
        assert_eq!(
            (part.bounds().min_x, part.bounds().max_y),
            (500_010.0, -10.0)
        );
        // Of the window, row by row: one pixel each goes to its place.
        let over = vec![band(&[5, 6, 7, 8], &[false, true, true, true])];
        assert!(filling.fill(gaps, over));
        assert_eq!(filling.gaps(), None);
        let bands = bands_of(filling);
        assert_eq!(
            bands[0].pixels,
            Pixels::I16(vec![0, 0, 0, 0, 0, 6, 0, 7, 0])
        );
    }

    #[test]
    fn only_gaps_that_a_raster_covers_are_wanted_of_it() {
        let size = Size {
            width: 40,
            height: 20,
        };
        let mut lacking = vec![false; 800];
        for index in [5 * 40 + 30, 6 * 40 + 12, 8 * 40 + 14] {
            lacking[index] = true;
        }
        // The left half, without what lies in row 8.
        let left = Window {
            col: 0,
            row: 0,
            width: 20,
            height: 20,
        };
        let flags = (0..400).map(|index| index / 20 != 8).collect();
        let covered = Some(Covered {
            window: left,
            flags,
        });
        let expected = Window {
            col: 10,
            row: 4,
            width: 5,
            height: 5,
        };
        assert_eq!(gaps_on(&covered, &lacking, size), Some(expected));
        lacking[6 * 40 + 12] = false;
        assert_eq!(gaps_on(&covered, &lacking, size), None);
        assert_eq!(gaps_on(&None, &lacking, size), None);
    }

    #[test]
    fn footprints_of_many_grids_stay_few() {
        let mut filling = filling(4, 4, vec![band(&[0; 16], &[false; 16])]);
        for number in 1..=40 {
            let window = Window {
                col: 0,
                row: 0,
                width: 4,
                height: 3,
            };
            filling.keep(Footprint {
                grid: grid(number, 1),
                covered: Some(Covered {
                    window,
                    flags: vec![true; 12],
                }),
                gaps: None,
                fills: 0,
            });
        }
        // 64 pixels hold five of 12.
        assert_eq!(filling.footprints.len(), 5);
        assert_eq!(filling.footprints[4].grid, grid(40, 1));
    }

    #[test]
    fn pixels_come_from_one_item_in_all_bands() {
        let first = vec![band(&[1, 1], &[true, true]), band(&[2, 2], &[true, false])];
        let second = vec![band(&[5, 5], &[true, true]), band(&[6, 6], &[true, true])];
        let mut filling = filling(2, 1, first);
        let whole = Window::full(filling.geobox.size());
        assert!(filling.fill(whole, second));
        assert_eq!(filling.gaps(), None);
        let bands = bands_of(filling);
        assert_eq!(bands[0], band(&[1, 5], &[true; 2]));
        assert_eq!(bands[1], band(&[2, 6], &[true; 2]));
    }

    #[test]
    fn bands_keep_their_own_masks_where_nothing_filled_them() {
        let first = vec![band(&[1, 1], &[true, true]), band(&[2, 2], &[true, false])];
        let filling = filling(2, 1, first.clone());
        assert!(filling.gaps().is_some());
        assert_eq!(bands_of(filling), first);
    }

    #[test]
    fn bands_of_other_types_are_joined() {
        let floats = RasterBand {
            pixels: Pixels::F32(vec![0.5]),
            mask: Mask::All,
        };
        let mut filling = filling(2, 1, vec![band(&[1, 2], &[true, false])]);
        let gaps = filling.gaps().expect("a gap");
        assert!(filling.fill(gaps, vec![floats]));
        let bands = bands_of(filling);
        assert_eq!(bands[0].pixels, Pixels::F64(vec![1.0, 0.5]));
    }
}
