//! Points on a grid: the pixel that contains one, or a disc around it.

use geo_types::{Coord, LineString, MultiPolygon, Polygon};
use swath_grid::{Point, Transform};

/// Corners of the polygon that stands for a circle.
const DISC_CORNERS: u32 = 128;

/// Returns the outline of the pixel that contains a point in the CRS of the grid. Left and top edges
/// belong to a pixel, right and bottom edges do not: every point is in exactly one.
pub(crate) fn pixel_of(point: Point, transform: &Transform) -> MultiPolygon<f64> {
    let place = transform.to_grid(point);
    let (col, row) = (place.x.floor(), place.y.floor());
    if !col.is_finite() || !row.is_finite() {
        return MultiPolygon(Vec::new());
    }
    let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)];
    let corner = |(right, down): (f64, f64)| {
        let corner = transform.to_crs(Point {
            x: col + right,
            y: row + down,
        });
        Coord {
            x: corner.x,
            y: corner.y,
        }
    };
    let ring: LineString<f64> = corners.into_iter().map(corner).collect();
    MultiPolygon(vec![Polygon::new(ring, Vec::new())])
}

/// Returns a polygon of the area of the circle of `radius` around a point; empty where the radius is
/// not above 0.
pub(crate) fn disc(point: Point, radius: f64) -> MultiPolygon<f64> {
    // Written so that NaN gives no disc.
    let is_above_zero = radius > 0.0;
    if !is_above_zero {
        return MultiPolygon(Vec::new());
    }
    let step = std::f64::consts::TAU / f64::from(DISC_CORNERS);
    let radius = radius * (step / step.sin()).sqrt();
    let corner = |corner: u32| {
        let angle = step * f64::from(corner % DISC_CORNERS);
        Coord {
            x: point.x + radius * angle.cos(),
            y: point.y + radius * angle.sin(),
        }
    };
    let ring: LineString<f64> = (0..=DISC_CORNERS).map(corner).collect();
    MultiPolygon(vec![Polygon::new(ring, Vec::new())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo::Area;

    fn transform() -> Transform {
        Transform::from_gdal([500_000.0, 10.0, 0.0, 6_300_000.0, 0.0, -10.0]).expect("a transform")
    }

    fn corner_of(x: f64, y: f64) -> (f64, f64) {
        let pixel = pixel_of(Point { x, y }, &transform());
        let first = pixel.0[0].exterior().0[0];
        assert!((pixel.unsigned_area() - 100.0).abs() < 1e-6);
        (first.x, first.y)
    }

    #[test]
    fn edges_belong_to_the_pixel_right_and_below() {
        assert_eq!(corner_of(500_015.0, 6_299_985.0), (500_010.0, 6_299_990.0));
        assert_eq!(corner_of(500_010.0, 6_299_990.0), (500_010.0, 6_299_990.0));
        assert_eq!(
            corner_of(500_009.999, 6_299_990.001),
            (500_000.0, 6_300_000.0)
        );
    }

    #[test]
    fn a_disc_has_the_area_of_its_circle() {
        let disc = disc(Point { x: 5e5, y: 6e6 }, 25.0);
        let area = std::f64::consts::PI * 625.0;
        assert!((disc.unsigned_area() - area).abs() < 1e-6 * area);
        assert!(super::disc(Point { x: 0.0, y: 0.0 }, -1.0).0.is_empty());
        assert!(super::disc(Point { x: 0.0, y: 0.0 }, f64::NAN).0.is_empty());
    }

    #[test]
    fn a_point_that_is_nowhere_has_no_pixel() {
        let nowhere = Point {
            x: f64::INFINITY,
            y: 0.0,
        };
        assert!(pixel_of(nowhere, &transform()).0.is_empty());
    }
}
