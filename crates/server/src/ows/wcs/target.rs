//! The grid of a coverage that is asked for, from the coverage's own grid: pure.
//!
//! A trim keeps whole pixels of the coverage where its CRS and its scale are kept: then values go
//! through unchanged.

use swath_grid::{Bounds, Crs, GeoBox, Point, Projector, ShiftOptions, Size, Transform};

use super::subset::{Range, Scale};
use crate::ows::failure::{Fault, OwsFailure};

/// Longest side of a result, in pixels.
pub(crate) const SIDE_PX_MAX: u32 = 8_192;
/// Most pixels of a result.
pub(crate) const PIXELS_MAX: u64 = 16 << 20;
/// A position this near to the edge of a pixel, in pixels, lies on the edge.
const EDGE_PX: f64 = 1e-6;
/// Positions per side that a rectangle is projected by.
const LATTICE_SIDE: u32 = 21;

/// Returns the whole pixels of `grid` that share area with `bounds`; a range without length means the
/// pixel that holds it.
///
/// # Errors
/// [`Fault::Subset`] where there are none.
pub(crate) fn trim(grid: &GeoBox, bounds: &Bounds) -> Result<GeoBox, OwsFailure> {
    let transform = grid.transform();
    let size = grid.size();
    let upper_left = transform.to_grid(Point {
        x: bounds.min_x,
        y: bounds.max_y,
    });
    let lower_right = transform.to_grid(Point {
        x: bounds.max_x,
        y: bounds.min_y,
    });
    let (first_col, width) = pixels(upper_left.x, lower_right.x, size.width)?;
    let (first_row, height) = pixels(upper_left.y, lower_right.y, size.height)?;
    let origin = Point {
        x: f64::from(first_col),
        y: f64::from(first_row),
    };
    let shifted = transform.shifted(origin);
    GeoBox::new(grid.crs().clone(), shifted, Size { width, height }).ok_or_else(outside)
}

/// Returns the first pixel and the number of pixels between two positions on an axis.
fn pixels(from: f64, to: f64, count: u32) -> Result<(u32, u32), OwsFailure> {
    let first = (from + EDGE_PX).floor();
    let last = (to - EDGE_PX).ceil().max(first + 1.0);
    let (first, last) = (first.max(0.0), last.min(f64::from(count)));
    // Both within 0..=count; what is no number compares false.
    match first < last {
        true => Ok((first as u32, (last - first) as u32)),
        false => Err(outside()),
    }
}

fn outside() -> OwsFailure {
    let text = "the subset lies outside of the coverage; its bounds stand in DescribeCoverage";
    OwsFailure::new(Fault::Subset, text).at("subset")
}

/// Returns the size of a result of `size` pixels after scaling.
///
/// # Errors
/// [`Fault::TooLarge`] names the limit.
pub(crate) fn scaled(size: Size, scale: Option<Scale>) -> Result<Size, OwsFailure> {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let (width, height) = match scale {
        None => (width, height),
        Some(Scale::Factors { across, down }) => (width * across, height * down),
        Some(Scale::Pixels { across, down }) => (across.unwrap_or(width), down.unwrap_or(height)),
    };
    Ok(Size {
        width: side(width)?,
        height: side(height)?,
    })
}

fn side(pixels: f64) -> Result<u32, OwsFailure> {
    let pixels = pixels.round().max(1.0);
    match pixels <= f64::from(SIDE_PX_MAX) {
        // Whole, at least 1, and within the limit.
        true => Ok(pixels as u32),
        false => {
            let text = format!(
                "a side of {pixels} pixels; at most {SIDE_PX_MAX} are given in one answer: ask for a smaller subset or scale"
            );
            Err(OwsFailure::new(Fault::TooLarge, text))
        }
    }
}

/// Returns the grid of `size` pixels that fills `bounds`.
///
/// # Errors
/// [`Fault::TooLarge`] names the limit; [`Fault::Subset`] where pixels have no size.
pub(crate) fn filled(crs: &Crs, bounds: &Bounds, size: Size) -> Result<GeoBox, OwsFailure> {
    check(size)?;
    let width = (bounds.max_x - bounds.min_x) / f64::from(size.width);
    let height = (bounds.max_y - bounds.min_y) / f64::from(size.height);
    Transform::from_gdal([bounds.min_x, width, 0.0, bounds.max_y, 0.0, -height])
        .filter(|_| width > 0.0 && height > 0.0)
        .and_then(|transform| GeoBox::new(crs.clone(), transform, size))
        .ok_or_else(outside)
}

/// # Errors
/// [`Fault::TooLarge`] where a grid has more than [`PIXELS_MAX`] pixels.
pub(crate) fn check(size: Size) -> Result<(), OwsFailure> {
    let pixels = u64::from(size.width) * u64::from(size.height);
    if pixels <= PIXELS_MAX && size.width <= SIDE_PX_MAX && size.height <= SIDE_PX_MAX {
        return Ok(());
    }
    let text = format!(
        "{} x {} pixels; at most {PIXELS_MAX} are given in one answer, and {SIDE_PX_MAX} a side: ask for a smaller subset or scale",
        size.width, size.height
    );
    Err(OwsFailure::new(Fault::TooLarge, text))
}

/// Returns the bounds in `to` of a rectangle in `from`, by positions on its edges and inside.
///
/// # Errors
/// `fault` where no position can be computed.
pub(crate) fn projected(
    bounds: &Bounds,
    from: &Crs,
    to: &Crs,
    fault: Fault,
) -> Result<Bounds, OwsFailure> {
    let none = |why: String| OwsFailure::new(fault, why);
    let shift = ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    let projector = Projector::new(from, to, &shift).map_err(|error| none(error.to_string()))?;
    let steps = f64::from(LATTICE_SIDE - 1);
    let mut found = Bounds::empty();
    for row in 0..LATTICE_SIDE {
        for col in 0..LATTICE_SIDE {
            let (across, down) = (f64::from(col) / steps, f64::from(row) / steps);
            let mut point = [Point {
                x: bounds.min_x + (bounds.max_x - bounds.min_x) * across,
                y: bounds.min_y + (bounds.max_y - bounds.min_y) * down,
            }];
            if projector.project(&mut point).is_ok()
                && point[0].x.is_finite()
                && point[0].y.is_finite()
            {
                found.extend(point[0]);
            }
        }
    }
    match found.min_x < found.max_x && found.min_y < found.max_y {
        true => Ok(found),
        false => Err(none(format!("the subset has no place in {}", to.name()))),
    }
}

/// Returns how many pixels a grid in another CRS has so that its diagonal has as many as before.
pub(crate) fn equal_detail(window: &GeoBox, bounds: &Bounds) -> Result<Size, OwsFailure> {
    let size = window.size();
    let pixels = f64::from(size.width).hypot(f64::from(size.height));
    let (width, height) = (bounds.max_x - bounds.min_x, bounds.max_y - bounds.min_y);
    let resolution = width.hypot(height) / pixels;
    Ok(Size {
        width: side(width / resolution)?,
        height: side(height / resolution)?,
    })
}

/// Returns the range of a rectangle along x and along y.
pub(crate) fn ranges(bounds: &Bounds) -> [Range; 2] {
    [
        Range {
            low: bounds.min_x,
            high: bounds.max_x,
        },
        Range {
            low: bounds.min_y,
            high: bounds.max_y,
        },
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grid() -> GeoBox {
        let origin = Point {
            x: 500_000.0,
            y: 6_200_000.0,
        };
        let transform = Transform::north_up(origin, 10.0).expect("a resolution");
        let crs = Crs::from_epsg(32632).expect("a code");
        GeoBox::new(
            crs,
            transform,
            Size {
                width: 300,
                height: 200,
            },
        )
        .expect("a size")
    }

    fn bounds(min_x: f64, min_y: f64, max_x: f64, max_y: f64) -> Bounds {
        Bounds {
            min_x,
            min_y,
            max_x,
            max_y,
        }
    }

    #[test]
    fn a_trim_keeps_whole_pixels() {
        let whole = trim(&grid(), &grid().bounds()).expect("all");
        assert_eq!(whole, grid());
        let part = trim(
            &grid(),
            &bounds(500_015.0, 6_199_980.0, 500_030.0, 6_199_990.0),
        )
        .expect("a part");
        assert_eq!(
            part.size(),
            Size {
                width: 2,
                height: 1
            }
        );
        assert_eq!(
            part.transform().origin(),
            Point {
                x: 500_010.0,
                y: 6_199_990.0
            }
        );
        // A slice is the pixel that holds it, also on an edge.
        let slice = trim(
            &grid(),
            &bounds(500_020.0, 6_199_985.0, 500_020.0, 6_199_985.0),
        )
        .expect("a pixel");
        assert_eq!(
            slice.size(),
            Size {
                width: 1,
                height: 1
            }
        );
        assert_eq!(
            slice.transform().origin(),
            Point {
                x: 500_020.0,
                y: 6_199_990.0
            }
        );
        for outside in [
            bounds(0.0, 0.0, 1.0, 1.0),
            bounds(503_000.0, 6_199_000.0, 504_000.0, 6_199_100.0),
        ] {
            assert_eq!(
                trim(&grid(), &outside).map_err(|failure| failure.fault),
                Err(Fault::Subset)
            );
        }
    }

    #[test]
    fn results_have_a_limit_that_is_named() {
        let size = Size {
            width: 300,
            height: 200,
        };
        assert_eq!(scaled(size, None), Ok(size));
        let half = Scale::Factors {
            across: 0.5,
            down: 0.001,
        };
        assert_eq!(
            scaled(size, Some(half)),
            Ok(Size {
                width: 150,
                height: 1
            })
        );
        let given = Scale::Pixels {
            across: Some(7.0),
            down: None,
        };
        assert_eq!(
            scaled(size, Some(given)),
            Ok(Size {
                width: 7,
                height: 200
            })
        );
        let absurd = Scale::Factors {
            across: 1e9,
            down: 1.0,
        };
        let failure = scaled(size, Some(absurd)).expect_err("too large");
        assert!(failure.text.contains("8192"), "{failure:?}");
        let failure = check(Size {
            width: 8_000,
            height: 8_000,
        })
        .expect_err("too large");
        assert!(
            failure.text.contains(&PIXELS_MAX.to_string()),
            "{failure:?}"
        );
    }

    #[test]
    fn another_crs_keeps_the_detail() {
        let grid = grid();
        let mercator = Crs::from_epsg(3857).expect("a code");
        let found =
            projected(&grid.bounds(), grid.crs(), &mercator, Fault::OutputCrs).expect("bounds");
        let size = equal_detail(&grid, &found).expect("a size");
        assert!(
            size.width.abs_diff(300) < 10 && size.height.abs_diff(200) < 10,
            "{size:?}"
        );
    }

    proptest! {
        #[test]
        fn a_trim_lies_within_and_holds_what_was_asked(
            left in -500.0..3_500.0f64, low in -500.0..2_500.0f64, width in 0.0..4_000.0f64, height in 0.0..3_000.0f64,
        ) {
            let (x, y) = (500_000.0 + left, 6_198_000.0 + low);
            let asked = bounds(x, y, x + width, y + height);
            if let Ok(found) = trim(&grid(), &asked) {
                let (all, part) = (grid().bounds(), found.bounds());
                prop_assert!(part.min_x >= all.min_x && part.max_x <= all.max_x);
                prop_assert!(part.min_y >= all.min_y && part.max_y <= all.max_y);
                prop_assert!(part.min_x <= asked.min_x.max(all.min_x) + 1e-4);
                prop_assert!(part.max_y >= asked.max_y.min(all.max_y) - 1e-4);
            }
        }
    }
}
