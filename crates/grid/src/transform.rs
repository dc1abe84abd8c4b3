//! Affine pixel-to-CRS transforms.

use serde::{Deserialize, Serialize};

/// A position: in a CRS (x, y), or on a grid (column, row; whole numbers are pixel corners).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Easting, longitude or column.
    pub x: f64,
    /// Northing, latitude or row.
    pub y: f64,
}

/// Affine map from grid (column, row) to CRS (x, y); (0, 0) is the outer corner of the upper-left pixel.
///
/// `x = origin.x + col * col_dx + row * row_dx`, `y = origin.y + col * col_dy + row * row_dy`.
/// A `Transform` that exists is finite and invertible.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Transform {
    origin: Point,
    col_dx: f64,
    row_dx: f64,
    col_dy: f64,
    row_dy: f64,
}

impl Transform {
    /// Returns the transform of a GDAL geotransform `[x0, col_dx, row_dx, y0, col_dy, row_dy]`,
    /// or `None` where it is not finite or cannot be inverted.
    pub fn from_gdal(coefficients: [f64; 6]) -> Option<Self> {
        let [x0, col_dx, row_dx, y0, col_dy, row_dy] = coefficients;
        let determinant = col_dx * row_dy - row_dx * col_dy;
        let is_finite = coefficients.iter().all(|value| value.is_finite());
        (is_finite && determinant != 0.0 && determinant.is_finite()).then_some(Self {
            origin: Point { x: x0, y: y0 },
            col_dx,
            row_dx,
            col_dy,
            row_dy,
        })
    }

    /// Returns a north-up transform with square pixels, `None` if `resolution` is not positive and finite.
    pub fn north_up(origin: Point, resolution: f64) -> Option<Self> {
        (resolution > 0.0)
            .then(|| Self::from_gdal([origin.x, resolution, 0.0, origin.y, 0.0, -resolution]))
            .flatten()
    }

    /// Returns the coefficients in GDAL's order `[x0, col_dx, row_dx, y0, col_dy, row_dy]`.
    pub fn to_gdal(&self) -> [f64; 6] {
        [
            self.origin.x,
            self.col_dx,
            self.row_dx,
            self.origin.y,
            self.col_dy,
            self.row_dy,
        ]
    }

    /// Returns the CRS position of the outer corner of the upper-left pixel.
    pub fn origin(&self) -> Point {
        self.origin
    }

    /// Returns the CRS position of a grid position.
    pub fn to_crs(&self, grid: Point) -> Point {
        Point {
            x: self.origin.x + grid.x * self.col_dx + grid.y * self.row_dx,
            y: self.origin.y + grid.x * self.col_dy + grid.y * self.row_dy,
        }
    }

    /// Returns the grid position (column, row; fractions inside a pixel) of a CRS position.
    pub fn to_grid(&self, crs: Point) -> Point {
        let dx = crs.x - self.origin.x;
        let dy = crs.y - self.origin.y;
        if self.is_axis_aligned() {
            return Point {
                x: dx / self.col_dx,
                y: dy / self.row_dy,
            };
        }
        let determinant = self.determinant();
        Point {
            x: (dx * self.row_dy - dy * self.row_dx) / determinant,
            y: (dy * self.col_dx - dx * self.col_dy) / determinant,
        }
    }

    /// Returns the signed area of a pixel in squared CRS units (negative where north is up).
    pub fn determinant(&self) -> f64 {
        self.col_dx * self.row_dy - self.row_dx * self.col_dy
    }

    /// True where rows run along x and columns along y (no rotation or shear).
    pub fn is_axis_aligned(&self) -> bool {
        self.row_dx == 0.0 && self.col_dy == 0.0
    }

    /// Returns the width and height of a pixel in CRS units, both positive.
    pub fn resolution(&self) -> Point {
        Point {
            x: self.col_dx.hypot(self.col_dy),
            y: self.row_dx.hypot(self.row_dy),
        }
    }

    /// Returns the transform of a grid whose (0, 0) lies at `grid` of this one.
    pub fn shifted(&self, grid: Point) -> Self {
        Self {
            origin: self.to_crs(grid),
            ..*self
        }
    }

    /// Returns the transform of the same area with pixels `factor_x` and `factor_y` times as large.
    pub fn scaled(&self, factor_x: f64, factor_y: f64) -> Self {
        Self {
            origin: self.origin,
            col_dx: self.col_dx * factor_x,
            col_dy: self.col_dy * factor_x,
            row_dx: self.row_dx * factor_y,
            row_dy: self.row_dy * factor_y,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn degenerate_transforms_are_refused() {
        assert!(Transform::from_gdal([0.0, 0.0, 0.0, 0.0, 0.0, -1.0]).is_none());
        assert!(Transform::from_gdal([f64::NAN, 1.0, 0.0, 0.0, 0.0, -1.0]).is_none());
        assert!(Transform::north_up(Point { x: 0.0, y: 0.0 }, 0.0).is_none());
    }

    proptest! {
        #[test]
        fn grid_to_crs_and_back(
            x0 in -1e7..1e7f64, y0 in -1e7..1e7f64, size in 0.1..100.0f64,
            angle in 0.0..6.2f64, col in -1e4..1e4f64, row in -1e4..1e4f64,
        ) {
            let (sin, cos) = angle.sin_cos();
            let transform = Transform::from_gdal([x0, size * cos, size * sin, y0, size * sin, -size * cos])
                .expect("a rotation is invertible");
            let back = transform.to_grid(transform.to_crs(Point { x: col, y: row }));
            prop_assert!((back.x - col).abs() < 1e-4 && (back.y - row).abs() < 1e-4);
        }
    }
}
