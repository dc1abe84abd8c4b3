//! Gaps of a mosaic, and what fills them.

use swath_grid::{Size, Window};
use swath_raster::{Mask, Pixels, RasterBand, Sample, for_pixels};

use super::mosaic::valid_in_all;

/// Returns the rectangle around all pixels that lack a value in a band.
pub(super) fn gaps_of(bands: &[RasterBand], size: Size) -> Option<Window> {
    let mask = valid_in_all(bands);
    let (mut low, mut high) = ((size.width, size.height), (0, 0));
    for row in 0..size.height {
        for col in 0..size.width {
            if !mask.is_valid(row as usize * size.width as usize + col as usize) {
                low = (low.0.min(col), low.1.min(row));
                high = (high.0.max(col + 1), high.1.max(row + 1));
            }
        }
    }
    Some(Window {
        col: low.0,
        row: low.1,
        width: high.0.checked_sub(low.0)?,
        height: high.1.checked_sub(low.1)?,
    })
}

/// Puts the pixels of `over`, which is `window` of the mosaic, where the mosaic lacks values in a band and
/// `over` has all of them. Says whether it had any. The first window is the whole.
pub(super) fn fill(
    mosaic: Option<Vec<RasterBand>>,
    size: Size,
    window: Window,
    over: Vec<RasterBand>,
) -> (Vec<RasterBand>, bool) {
    let Some(mut mosaic) = mosaic else {
        let has_any = valid_in_all(&over) != Mask::None;
        return (over, has_any);
    };
    let (below, above) = (valid_in_all(&mosaic), valid_in_all(&over));
    if above == Mask::None {
        return (mosaic, false);
    }
    let (width, row_px) = (size.width as usize, window.width as usize);
    let first = window.row as usize * width + window.col as usize;
    let places = (0..window.height as usize).flat_map(|row| {
        (0..row_px).map(move |col| (first + row * width + col, row * row_px + col))
    });
    let taken: Vec<(usize, usize)> = places
        .filter(|(to, from)| !below.is_valid(*to) && above.is_valid(*from))
        .collect();
    for (band, over) in mosaic.iter_mut().zip(over) {
        put(band, over, &taken);
    }
    (mosaic, !taken.is_empty())
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
    let len = band.pixels.len();
    let mut flags: Vec<bool> = (0..len).map(|index| band.mask.is_valid(index)).collect();
    for (to, _) in taken {
        flags[*to] = true;
    }
    band.mask = Mask::from_flags(flags);
}

#[cfg(test)]
mod tests {
    use swath_grid::GeoBox;

    use super::*;

    fn band(values: &[i16], flags: &[bool]) -> RasterBand {
        RasterBand {
            pixels: Pixels::I16(values.to_vec()),
            mask: Mask::from_flags(flags.to_vec()),
        }
    }

    const ROW: Size = Size {
        width: 3,
        height: 1,
    };

    #[test]
    fn what_lies_above_is_kept_and_gaps_are_filled() {
        let whole = Window::full(ROW);
        let first = vec![band(&[1, 2, 3], &[true, false, false])];
        let (mosaic, has_any) = fill(None, ROW, whole, first);
        assert!(has_any);
        let gaps = gaps_of(&mosaic, ROW).expect("gaps");
        assert_eq!((gaps.col, gaps.width), (1, 2));
        let second = vec![band(&[8, 9], &[true, false])];
        let (mosaic, has_any) = fill(Some(mosaic), ROW, gaps, second);
        assert!(has_any && gaps_of(&mosaic, ROW).is_some());
        assert_eq!(mosaic[0], band(&[1, 8, 3], &[true, true, false]));
        let (mosaic, has_any) = fill(Some(mosaic), ROW, whole, vec![band(&[0, 0, 9], &[true; 3])]);
        assert!(has_any && gaps_of(&mosaic, ROW).is_none());
        assert_eq!(mosaic[0].pixels, Pixels::I16(vec![1, 8, 9]));
    }

    #[test]
    fn gaps_are_the_rectangle_around_what_lacks_values() {
        let size = Size {
            width: 3,
            height: 3,
        };
        let crs = swath_grid::Crs::from_epsg(32_632).expect("known");
        let transform = swath_grid::Transform::from_gdal([500_000.0, 10.0, 0.0, 0.0, 0.0, -10.0]);
        let geobox = GeoBox::new(crs, transform.expect("a transform"), size).expect("a grid");
        let flags = [true, true, true, true, true, false, true, false, true];
        let mosaic = vec![band(&[0; 9], &flags)];
        let gaps = gaps_of(&mosaic, size).expect("gaps");
        let part = geobox.part(&gaps).expect("a part");
        assert_eq!((part.size().width, part.size().height), (2, 2));
        assert_eq!(
            (part.bounds().min_x, part.bounds().max_y),
            (500_010.0, -10.0)
        );
        // Of the window, row by row: one pixel each goes to its place.
        let over = vec![band(&[5, 6, 7, 8], &[false, true, true, true])];
        let (mosaic, _) = fill(Some(mosaic), size, gaps, over);
        assert_eq!(
            mosaic[0].pixels,
            Pixels::I16(vec![0, 0, 0, 0, 0, 6, 0, 7, 0])
        );
        assert_eq!(gaps_of(&mosaic, size), None);
    }

    #[test]
    fn pixels_come_from_one_item_in_all_bands() {
        let first = vec![band(&[1, 1], &[true, true]), band(&[2, 2], &[true, false])];
        let second = vec![band(&[5, 5], &[true, true]), band(&[6, 6], &[true, true])];
        let size = Size {
            width: 2,
            height: 1,
        };
        let whole = Window::full(size);
        let (mosaic, _) = fill(None, size, whole, first);
        let (mosaic, _) = fill(Some(mosaic), size, whole, second);
        assert_eq!(gaps_of(&mosaic, size), None);
        assert_eq!(mosaic[0].pixels, Pixels::I16(vec![1, 5]));
        assert_eq!(mosaic[1].pixels, Pixels::I16(vec![2, 6]));
    }

    #[test]
    fn bands_of_other_types_are_joined() {
        let floats = RasterBand {
            pixels: Pixels::F32(vec![0.5]),
            mask: Mask::All,
        };
        let size = Size {
            width: 1,
            height: 1,
        };
        let below = vec![band(&[1], &[false])];
        let (mosaic, _) = fill(Some(below), size, Window::full(size), vec![floats]);
        assert_eq!(mosaic[0].pixels, Pixels::F64(vec![0.5]));
    }
}
