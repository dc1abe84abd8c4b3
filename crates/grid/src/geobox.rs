//! Windows, bounds and geoboxes.

use serde::{Deserialize, Serialize};

use crate::{Crs, Point, Transform};

/// Width and height of a grid in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    /// Number of columns.
    pub width: u32,
    /// Number of rows.
    pub height: u32,
}

/// A pixel rectangle: columns `col..col + width`, rows `row..row + height`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// First column.
    pub col: u32,
    /// First row.
    pub row: u32,
    /// Number of columns; may be 0.
    pub width: u32,
    /// Number of rows; may be 0.
    pub height: u32,
}

impl Window {
    /// Returns the whole of a grid.
    pub fn full(size: Size) -> Self {
        Self {
            col: 0,
            row: 0,
            width: size.width,
            height: size.height,
        }
    }

    /// Returns the column after the last.
    pub fn col_end(&self) -> u32 {
        self.col.saturating_add(self.width)
    }

    /// Returns the row after the last.
    pub fn row_end(&self) -> u32 {
        self.row.saturating_add(self.height)
    }

    /// True where the window holds no pixel.
    pub fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Returns the number of pixels.
    pub fn len(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Returns the common part of two windows, `None` where they share no pixel.
    pub fn intersection(&self, other: &Window) -> Option<Window> {
        let col = self.col.max(other.col);
        let row = self.row.max(other.row);
        let col_end = self.col_end().min(other.col_end());
        let row_end = self.row_end().min(other.row_end());
        (col < col_end && row < row_end).then(|| Window {
            col,
            row,
            width: col_end - col,
            height: row_end - row,
        })
    }
}

/// A rectangle in the CRS of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// Smallest x.
    pub min_x: f64,
    /// Smallest y.
    pub min_y: f64,
    /// Largest x.
    pub max_x: f64,
    /// Largest y.
    pub max_y: f64,
}

impl Bounds {
    /// Returns the bounds of nothing: any `extend` replaces them.
    pub fn empty() -> Self {
        Self {
            min_x: f64::INFINITY,
            min_y: f64::INFINITY,
            max_x: f64::NEG_INFINITY,
            max_y: f64::NEG_INFINITY,
        }
    }

    /// True where no point was ever put in.
    pub fn is_empty(&self) -> bool {
        self.min_x > self.max_x || self.min_y > self.max_y
    }

    /// Grows the bounds so that they hold `point`.
    pub fn extend(&mut self, point: Point) {
        self.min_x = self.min_x.min(point.x);
        self.min_y = self.min_y.min(point.y);
        self.max_x = self.max_x.max(point.x);
        self.max_y = self.max_y.max(point.y);
    }

    /// True where the two rectangles share at least a point.
    pub fn intersects(&self, other: &Bounds) -> bool {
        self.min_x <= other.max_x
            && other.min_x <= self.max_x
            && self.min_y <= other.max_y
            && other.min_y <= self.max_y
    }
}

/// A longitude, latitude rectangle as in STAC and GeoJSON, in degrees; `west > east` crosses the antimeridian.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bbox {
    /// Western edge.
    pub west: f64,
    /// Southern edge.
    pub south: f64,
    /// Eastern edge.
    pub east: f64,
    /// Northern edge.
    pub north: f64,
}

/// The full definition of a grid: CRS, affine transform and size.
///
/// A `GeoBox` that exists has a positive size and an invertible transform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawGeoBox")]
pub struct GeoBox {
    crs: Crs,
    transform: Transform,
    size: Size,
}

/// A geobox as written, not yet checked.
#[derive(Deserialize)]
struct RawGeoBox {
    crs: Crs,
    transform: Transform,
    size: Size,
}

impl TryFrom<RawGeoBox> for GeoBox {
    type Error = &'static str;

    fn try_from(raw: RawGeoBox) -> Result<Self, Self::Error> {
        Self::new(raw.crs, raw.transform, raw.size).ok_or("a geobox has at least one pixel")
    }
}

impl GeoBox {
    /// Returns a geobox, `None` where the size is zero.
    pub fn new(crs: Crs, transform: Transform, size: Size) -> Option<Self> {
        (size.width > 0 && size.height > 0).then_some(Self {
            crs,
            transform,
            size,
        })
    }

    /// Returns the CRS of the grid.
    pub fn crs(&self) -> &Crs {
        &self.crs
    }

    /// Returns the pixel-corner to CRS transform.
    pub fn transform(&self) -> &Transform {
        &self.transform
    }

    /// Returns the size in pixels.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Returns the grid of some of the pixels; `None` where the window is empty. It may leave the grid.
    pub fn part(&self, window: &Window) -> Option<Self> {
        let corner = Point {
            x: f64::from(window.col),
            y: f64::from(window.row),
        };
        let size = Size {
            width: window.width,
            height: window.height,
        };
        Self::new(self.crs.clone(), self.transform.shifted(corner), size)
    }

    /// Returns the four outer corners: upper left, upper right, lower right, lower left of the grid.
    pub fn corners(&self) -> [Point; 4] {
        let width = f64::from(self.size.width);
        let height = f64::from(self.size.height);
        [
            Point { x: 0.0, y: 0.0 },
            Point { x: width, y: 0.0 },
            Point {
                x: width,
                y: height,
            },
            Point { x: 0.0, y: height },
        ]
        .map(|corner| self.transform.to_crs(corner))
    }

    /// Returns the rectangle in CRS units that holds the grid.
    pub fn bounds(&self) -> Bounds {
        let mut bounds = Bounds::empty();
        for corner in self.corners() {
            bounds.extend(corner);
        }
        bounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_only_touch_share_no_pixel() {
        let left = Window {
            col: 0,
            row: 0,
            width: 4,
            height: 4,
        };
        let right = Window {
            col: 4,
            row: 0,
            width: 4,
            height: 4,
        };
        assert_eq!(left.intersection(&right), None);
        let over = Window {
            col: 3,
            row: 2,
            width: 4,
            height: 4,
        };
        assert_eq!(
            left.intersection(&over),
            Some(Window {
                col: 3,
                row: 2,
                width: 1,
                height: 2
            })
        );
    }

    #[test]
    fn bounds_of_a_north_up_grid() {
        let crs = Crs::from_epsg(32632).expect("a known code");
        let transform =
            Transform::north_up(Point { x: 100.0, y: 200.0 }, 10.0).expect("positive resolution");
        let geobox = GeoBox::new(
            crs,
            transform,
            Size {
                width: 3,
                height: 2,
            },
        )
        .expect("positive size");
        assert_eq!(
            geobox.bounds(),
            Bounds {
                min_x: 100.0,
                min_y: 180.0,
                max_x: 130.0,
                max_y: 200.0
            }
        );
    }
}
