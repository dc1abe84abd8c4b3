//! Rectangles from one CRS to another, by positions on a lattice within them.

use crate::{Bbox, Bounds, Crs, GeoBox, GridError, Point, Projector, ShiftOptions};

/// Positions along a side of the lattice.
const LATTICE_SIDE: u32 = 21;
/// A cut at 0 that saves less than this many degrees of longitude saves nothing: the positions go
/// around the Earth in steps.
const SAVED_DEGREES_MIN: f64 = 40.0;

/// Returns the longitude, latitude rectangle (WGS 84) that holds a grid; `None` where no position of
/// it can be computed, or all lie beyond the poles. It may be a little too small where edges bend between 21 positions a side.
///
/// # Errors
/// Where positions in the CRS cannot be computed.
pub fn bbox_of(geobox: &GeoBox) -> Result<Option<Bbox>, GridError> {
    let degrees = Crs::parse("OGC:CRS84")?;
    let back = Projector::new(geobox.crs(), &degrees, &anything())?;
    let size = geobox.size();
    let steps = f64::from(LATTICE_SIDE - 1);
    let mut positions = Vec::new();
    for row in 0..LATTICE_SIDE {
        for col in 0..LATTICE_SIDE {
            let at = Point {
                x: f64::from(size.width) * f64::from(col) / steps,
                y: f64::from(size.height) * f64::from(row) / steps,
            };
            positions.extend(projected(&back, geobox.transform().to_crs(at)));
        }
    }
    let Some(mut bbox) = around(&positions) else {
        return Ok(None);
    };
    let forward = Projector::new(&degrees, geobox.crs(), &anything())?;
    let is_within = |latitude: f64| {
        let pole = projected(
            &forward,
            Point {
                x: 0.0,
                y: latitude,
            },
        );
        pole.map(|pole| geobox.transform().to_grid(pole))
            .is_some_and(|at| {
                (0.0..=f64::from(size.width)).contains(&at.x)
                    && (0.0..=f64::from(size.height)).contains(&at.y)
            })
    };
    // A pole inside of a grid lies on none of the positions, and every longitude meets there.
    if !geobox.crs().is_geographic() && bbox.north > 45.0 && is_within(90.0) {
        bbox = Bbox {
            north: 90.0,
            west: -180.0,
            east: 180.0,
            ..bbox
        };
    }
    if !geobox.crs().is_geographic() && bbox.south < -45.0 && is_within(-90.0) {
        bbox = Bbox {
            south: -90.0,
            west: -180.0,
            east: 180.0,
            ..bbox
        };
    }
    Ok(Some(bbox))
}

/// Returns the rectangle in `crs` that holds a longitude, latitude rectangle (WGS 84), as far as its
/// positions can be computed; `None` where none can.
///
/// # Errors
/// Where positions in the CRS cannot be computed.
pub fn bounds_of(bbox: &Bbox, crs: &Crs) -> Result<Option<Bounds>, GridError> {
    let degrees = Crs::parse("OGC:CRS84")?;
    let around = match bbox.east < bbox.west {
        true => 360.0,
        false => 0.0,
    };
    let bounds = Bounds {
        min_x: bbox.west,
        min_y: bbox.south,
        max_x: bbox.east + around,
        max_y: bbox.north,
    };
    bounds_between(&bounds, &degrees, crs)
}

/// Returns the rectangle in `to` that holds a rectangle in `from`, as far as its positions can be
/// computed; `None` where none can. Longitudes beyond 180 degrees go on around the Earth.
///
/// # Errors
/// Where positions in one of the CRS cannot be computed.
pub fn bounds_between(
    rectangle: &Bounds,
    from: &Crs,
    to: &Crs,
) -> Result<Option<Bounds>, GridError> {
    let forward = Projector::new(from, to, &anything())?;
    let width = rectangle.max_x - rectangle.min_x;
    let height = rectangle.max_y - rectangle.min_y;
    let steps = f64::from(LATTICE_SIDE - 1);
    let mut bounds = Bounds::empty();
    for row in 0..LATTICE_SIDE {
        for col in 0..LATTICE_SIDE {
            let x = rectangle.min_x + width * f64::from(col) / steps;
            let y = rectangle.min_y + height * f64::from(row) / steps;
            // Across the antimeridian the rectangle goes on as it began.
            let x = if x > 180.0 && from.is_geographic() && !to.is_geographic() {
                x - 360.0
            } else {
                x
            };
            if let Some(point) = projected(&forward, Point { x, y }) {
                bounds.extend(point);
            }
        }
    }
    Ok((!bounds.is_empty()).then_some(bounds))
}

/// For finding things a shift of datums that is not exact is exact enough.
fn anything() -> ShiftOptions {
    ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    }
}

fn projected(projector: &Projector, point: Point) -> Option<Point> {
    let mut points = [point];
    projector.project(&mut points).ok()?;
    let is_finite = points[0].x.is_finite() && points[0].y.is_finite();
    is_finite.then_some(points[0])
}

/// Returns the narrower of the two rectangles around positions: cut at ±180 degrees, or at 0.
fn around(positions: &[Point]) -> Option<Bbox> {
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    let (south, north) = range(&mut positions.iter().map(|point| point.y));
    let (west, east) = range(&mut positions.iter().map(|point| point.x));
    if positions.is_empty() || south > 90.0 || north < -90.0 {
        return None;
    }
    let bbox = |west: f64, east: f64| {
        Some(Bbox {
            west,
            south: south.max(-90.0),
            east,
            north: north.min(90.0),
        })
    };
    if east - west >= 360.0 {
        return bbox(-180.0, 180.0);
    }
    // Grids in degrees may lie some turns away.
    let turns = ((west + 180.0) / 360.0).floor() * 360.0;
    let (west, east) = (west - turns, east - turns);
    let from_zero = |x: f64| {
        let x = x - turns;
        if x < 0.0 { x + 360.0 } else { x }
    };
    let (zero_west, zero_east) = range(&mut positions.iter().map(|point| from_zero(point.x)));
    let to_half = |x: f64| if x > 180.0 { x - 360.0 } else { x };
    if zero_east - zero_west + SAVED_DEGREES_MIN < east - west {
        return bbox(to_half(zero_west), to_half(zero_east));
    }
    bbox(west, to_half(east))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Size, Transform};

    fn grid(epsg: u32, x: f64, y: f64, resolution: f64, side: u32) -> GeoBox {
        let crs = Crs::from_epsg(epsg).expect("a code");
        let transform = Transform::north_up(Point { x, y }, resolution).expect("a transform");
        let size = Size {
            width: side,
            height: side,
        };
        GeoBox::new(crs, transform, size).expect("a size")
    }

    #[test]
    fn a_grid_in_utm_lies_where_its_corners_lie() {
        let bbox = bbox_of(&grid(32632, 500_000.0, 6_200_000.0, 10.0, 1_000))
            .expect("a CRS")
            .expect("a place");
        assert!(
            (bbox.west - 9.0).abs() < 1e-6 && (bbox.east - 9.16).abs() < 0.01,
            "{bbox:?}"
        );
        assert!((55.8..55.9).contains(&bbox.south) && (55.9..56.0).contains(&bbox.north));
        let bounds = bounds_of(&bbox, &Crs::from_epsg(32632).expect("a code"))
            .expect("a CRS")
            .expect("a place");
        assert!(
            bounds.min_x <= 500_000.01 && bounds.max_x >= 509_999.0,
            "{bounds:?}"
        );
    }

    #[test]
    fn grids_across_the_antimeridian_have_their_west_in_the_east() {
        let bbox = bbox_of(&grid(32660, 800_000.0, 1_000_000.0, 100.0, 4_000))
            .expect("a CRS")
            .expect("a place");
        assert!(bbox.west > 179.0 && bbox.east < -175.0, "{bbox:?}");
    }

    #[test]
    fn grids_in_degrees_beyond_the_earth_lie_on_it_or_nowhere() {
        let of = |west: f64, north: f64, resolution: f64| {
            let crs = Crs::parse("OGC:CRS84").expect("a CRS");
            let corner = Point { x: west, y: north };
            let transform = Transform::north_up(corner, resolution).expect("a transform");
            let size = Size {
                width: 100,
                height: 100,
            };
            bbox_of(&GeoBox::new(crs, transform, size).expect("a grid")).expect("a CRS")
        };
        let world = of(-2e7, 2e7, 4e5).expect("it holds the Earth");
        assert_eq!((world.west, world.east), (-180.0, 180.0));
        assert_eq!((world.south, world.north), (-90.0, 90.0));
        assert_eq!(of(6e6, 5e5, 1.0), None);
        let across = of(-190.0, 10.0, 0.2).expect("a place");
        assert!((across.west - 170.0).abs() < 1e-9 && (across.east + 170.0).abs() < 1e-9);
        let turned = of(365.0, 10.0, 0.1).expect("a place");
        assert!((turned.west - 5.0).abs() < 1e-9 && (turned.east - 15.0).abs() < 1e-9);
    }

    #[test]
    fn the_world_is_the_world_and_poles_are_seen() {
        let world = grid(3857, -20_037_508.3, 20_037_508.3, 156_543.0, 256);
        let bbox = bbox_of(&world).expect("a CRS").expect("a place");
        assert!(
            bbox.west <= -179.9 && bbox.east >= 179.9 && bbox.north > 85.0,
            "{bbox:?}"
        );
        let arctic = grid(3413, -1_000_000.0, 1_000_000.0, 10_000.0, 200);
        let bbox = bbox_of(&arctic).expect("a CRS").expect("a place");
        assert_eq!((bbox.west, bbox.east, bbox.north), (-180.0, 180.0, 90.0));
    }

    #[test]
    fn what_cannot_be_projected_is_left_out() {
        let mercator = Crs::from_epsg(3857).expect("a code");
        let all = Bbox {
            west: -180.0,
            south: -90.0,
            east: 180.0,
            north: 90.0,
        };
        let bounds = bounds_of(&all, &mercator).expect("a CRS").expect("a part");
        assert!(
            bounds.max_x > 2.0e7 && bounds.min_y.is_finite(),
            "{bounds:?}"
        );
    }
}
