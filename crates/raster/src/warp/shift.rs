//! Grids whose pixels are the same: what comes from one to the other is copied, not resampled.

use swath_grid::{Point, Size, Window};

use super::positions::Positions;

/// Two grids are the same where pixel centres lie at most this many pixels apart: what bilinear
/// interpolation would mix in is this part of the difference of neighbours.
const SHIFT_SLACK_PX: f64 = 1e-4;

/// How many columns and rows of the source lie before the first of the target; every target pixel is a source pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelShift {
    /// Added to a target column it gives the source column.
    pub cols: i64,
    /// Added to a target row it gives the source row.
    pub rows: i64,
}

impl Positions {
    /// Returns the shift where all `target` pixels are pixels of the source grid, of the same size and direction.
    pub fn shift(&self, target: Size) -> Option<PixelShift> {
        if !self.is_affine() {
            return None;
        }
        let (right, bottom) = (
            f64::from(target.width) - 0.5,
            f64::from(target.height) - 0.5,
        );
        let corners = [(0.5, 0.5), (right, 0.5), (0.5, bottom), (right, bottom)];
        let centers = corners.map(|(x, y)| Point { x, y });
        let mut places = centers;
        self.locate(&mut places);
        let mut steps = centers.iter().zip(&places).map(|(center, place)| Point {
            x: place.x - center.x,
            y: place.y - center.y,
        });
        let first = steps.next()?;
        let whole = Point {
            x: first.x.round(),
            y: first.y.round(),
        };
        // NaN fails the comparisons.
        let is_whole = |step: Point| {
            (step.x - whole.x).abs() <= SHIFT_SLACK_PX && (step.y - whole.y).abs() <= SHIFT_SLACK_PX
        };
        (is_whole(first) && steps.all(is_whole)).then_some(PixelShift {
            cols: whole.x as i64,
            rows: whole.y as i64,
        })
    }
}

impl PixelShift {
    /// Returns the pixels of a source of `size` that are in `window` of the target; `None` where there is none.
    pub fn source_window(&self, window: &Window, size: Size) -> Option<Window> {
        let (col, width) = moved(window.col, window.width, self.cols, size.width)?;
        let (row, height) = moved(window.row, window.height, self.rows, size.height)?;
        Some(Window {
            col,
            row,
            width,
            height,
        })
    }

    /// Returns where in `window` of the target, counted from its corner, the pixels of `source` go.
    ///
    /// `source` is what [`PixelShift::source_window`] says for `window`.
    pub fn place_in(&self, window: &Window, source: &Window) -> Window {
        let from_corner = |source: u32, shift: i64, window: u32| {
            u32::try_from(i64::from(source) - shift - i64::from(window))
                .expect("a part of the window")
        };
        Window {
            col: from_corner(source.col, self.cols, window.col),
            row: from_corner(source.row, self.rows, window.row),
            ..*source
        }
    }
}

/// Returns start and length of `start..start + len`, moved by `shift` and cut to `0..end`.
fn moved(start: u32, len: u32, shift: i64, end: u32) -> Option<(u32, u32)> {
    let first = i64::from(start).checked_add(shift)?;
    let last = first.checked_add(i64::from(len))?;
    let (first, last) = (first.max(0), last.min(i64::from(end)));
    // Both lie within 0..=end.
    (first < last).then(|| (first as u32, (last - first) as u32))
}

#[cfg(test)]
mod tests {
    use swath_grid::{Crs, GeoBox, Transform};

    use super::*;

    const SIZE: Size = Size {
        width: 300,
        height: 200,
    };

    fn shift(epsg: u32, origin_x: f64, origin_y: f64, resolution: f64) -> Option<PixelShift> {
        let grid = |epsg: u32, coefficients: [f64; 6]| {
            let crs = Crs::from_epsg(epsg).expect("a known code");
            let transform = Transform::from_gdal(coefficients).expect("invertible");
            GeoBox::new(crs, transform, SIZE).expect("positive size")
        };
        let source = grid(32631, [600_000.0, 10.0, 0.0, 5_650_000.0, 0.0, -10.0]);
        let target = grid(
            epsg,
            [origin_x, resolution, 0.0, origin_y, 0.0, -resolution],
        );
        let positions = Positions::new(&target, &source, 0.125).expect("a known pair");
        positions.shift(SIZE)
    }

    #[test]
    fn grids_a_whole_number_of_pixels_apart_have_a_shift() {
        let here = shift(32631, 600_000.0, 5_650_000.0, 10.0);
        assert_eq!(here, Some(PixelShift { cols: 0, rows: 0 }));
        let apart = shift(32631, 599_950.0, 5_649_980.0, 10.0);
        assert_eq!(apart, Some(PixelShift { cols: -5, rows: 2 }));
    }

    #[test]
    fn other_grids_have_none() {
        assert_eq!(shift(32631, 600_001.0, 5_650_000.0, 10.0), None);
        assert_eq!(shift(32631, 600_000.0, 5_650_000.0, 20.0), None);
        assert_eq!(shift(32631, 600_000.0, 5_650_000.0, 10.00001), None);
        assert_eq!(shift(32632, 600_000.0, 5_650_000.0, 10.0), None);
    }

    #[test]
    fn windows_are_cut_at_the_edges_of_the_source() {
        let shift = PixelShift { cols: -5, rows: 2 };
        let window = Window {
            col: 0,
            row: 100,
            width: 20,
            height: 150,
        };
        let source = shift.source_window(&window, SIZE).expect("a common part");
        let expected = Window {
            col: 0,
            row: 102,
            width: 15,
            height: 98,
        };
        assert_eq!(source, expected);
        let place = shift.place_in(&window, &source);
        assert_eq!((place.col, place.row), (5, 0));
        let beyond = Window { row: 198, ..window };
        assert_eq!(shift.source_window(&beyond, SIZE), None);
        let far = PixelShift {
            cols: i64::MAX,
            rows: 0,
        };
        assert_eq!(far.source_window(&window, SIZE), None);
    }
}
