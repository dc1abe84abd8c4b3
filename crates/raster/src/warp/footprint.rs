//! Where a grid lies in another CRS, and the grid there that suits it.

use swath_grid::{Bounds, Crs, GeoBox, GridError, Point, Projector, ShiftOptions, Size, Transform};
use thiserror::Error;

use super::positions::{MERCATOR_TURN_M, Turn};

/// Steps along each side, and along each direction of the interior, at which a grid is projected.
const EDGE_STEPS: u32 = 256;
const INTERIOR_STEPS: u32 = 32;
/// Bounds that leave less than this part of a turn free go all the way round.
const TURN_SHARE_FULL: f64 = 1.0 - 1.5 / EDGE_STEPS as f64;
/// A diagonal below this part of that of the footprint does not cross it.
const DIAGONAL_SHARE_MIN: f64 = 0.5;
/// Part of a pixel that may be cut off at the end of a grid.
const SIZE_SLACK_PX: f64 = 1e-6;

/// Why there is no grid.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum FootprintError {
    /// The two CRS have no known connection.
    #[error("{source}")]
    Unconnected {
        /// What is missing.
        source: GridError,
    },
    /// No point of the grid has a position in the other CRS.
    #[error("no point of the raster ({from}) has a position in {to}; choose a CRS that covers it")]
    NoCommonArea {
        /// Name of the CRS of the raster.
        from: String,
        /// Name of the target CRS.
        to: String,
    },
    /// Bounds, resolution or size make no grid.
    #[error("{reason}")]
    Choice {
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// What of a target grid is chosen; the rest follows from the source.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GridChoice {
    /// Width and height of a pixel in units of the target CRS.
    pub resolution: Option<Point>,
    /// Outer edges in the target CRS; with a resolution, the right and lower edge move outwards
    /// to whole pixels.
    pub bounds: Option<Bounds>,
    /// Columns and rows; not together with a resolution.
    pub size: Option<Size>,
}

/// Returns the rectangle in `crs` that holds `source`, as far as it has positions there.
///
/// Sides and interior are projected densely. Across the antimeridian longitudes go on beyond ±180
/// degrees; around a pole the rectangle goes all the way round. In EPSG:3857 it ends at the
/// square of the web maps (about ±85.06 degrees).
///
/// # Errors
/// [`FootprintError::Unconnected`], [`FootprintError::NoCommonArea`].
pub fn footprint(source: &GeoBox, crs: &Crs) -> Result<Bounds, FootprintError> {
    let mut points = sample_positions(source.size());
    for point in &mut points {
        *point = source.transform().to_crs(*point);
    }
    let projector = connect(source.crs(), crs)?;
    projector.project_or_nan(&mut points);
    // The centre stands first.
    let center = points.iter().find(|point| point.x.is_finite()).copied();
    let Some(center) = center else {
        return Err(FootprintError::NoCommonArea {
            from: source.crs().name().to_owned(),
            to: crs.name().to_owned(),
        });
    };
    let turn = Turn::of(crs, center.x);
    let mut bounds = Bounds::empty();
    for point in points.iter().filter(|point| point.x.is_finite()) {
        let x = turn.map_or(point.x, |turn| turn.near(point.x));
        bounds.extend(Point { x, y: point.y });
    }
    if let Some(turn) = turn {
        round_the_earth(source, crs, &turn, &mut bounds)?;
    }
    Ok(bounds)
}

fn connect(from: &Crs, to: &Crs) -> Result<Projector, FootprintError> {
    let options = ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    Projector::new(from, to, &options).map_err(|source| FootprintError::Unconnected { source })
}

/// Returns grid positions: the centre, then the sides, then the interior.
fn sample_positions(size: Size) -> Vec<Point> {
    let (width, height) = (f64::from(size.width), f64::from(size.height));
    let at = |x: f64, y: f64| Point {
        x: x * width,
        y: y * height,
    };
    let mut points = vec![at(0.5, 0.5)];
    for step in 0..=EDGE_STEPS {
        let share = f64::from(step) / f64::from(EDGE_STEPS);
        points.extend([
            at(share, 0.0),
            at(share, 1.0),
            at(0.0, share),
            at(1.0, share),
        ]);
    }
    let shares = || (1..INTERIOR_STEPS).map(|step| f64::from(step) / f64::from(INTERIOR_STEPS));
    points.extend(
        shares()
            .flat_map(|y| shares().map(move |x| (x, y)))
            .map(|(x, y)| at(x, y)),
    );
    points
}

/// Completes bounds in a CRS whose x goes round the Earth.
fn round_the_earth(
    source: &GeoBox,
    crs: &Crs,
    turn: &Turn,
    bounds: &mut Bounds,
) -> Result<(), FootprintError> {
    let mut goes_round = bounds.max_x - bounds.min_x > turn.length * TURN_SHARE_FULL;
    if crs.is_geographic() {
        let back = connect(crs, source.crs())?;
        for latitude in [-90.0, 90.0] {
            let mut pole = [Point {
                x: turn.center_x,
                y: latitude,
            }];
            back.project_or_nan(&mut pole);
            let at = source.transform().to_grid(pole[0]);
            let is_inside = (0.0..=f64::from(source.size().width)).contains(&at.x)
                && (0.0..=f64::from(source.size().height)).contains(&at.y);
            if is_inside {
                bounds.min_y = bounds.min_y.min(latitude);
                bounds.max_y = bounds.max_y.max(latitude);
                // A grid in longitude and latitude meets the pole at its edge and need not go round.
                goes_round |= !source.crs().is_geographic();
            }
        }
    } else {
        let limit = MERCATOR_TURN_M / 2.0;
        bounds.min_y = bounds.min_y.max(-limit);
        bounds.max_y = bounds.max_y.min(limit);
    }
    if goes_round {
        let is_near_middle = turn.center_x.abs() < turn.length * 0.1;
        let center = if is_near_middle {
            0.0
        } else {
            (bounds.min_x + bounds.max_x) / 2.0
        };
        bounds.min_x = center - turn.length / 2.0;
        bounds.max_x = center + turn.length / 2.0;
    }
    Ok(())
}

/// Returns the grid in `crs` for `source`: its footprint, with square pixels of which the diagonal
/// of the footprint has as many as the source has on its own, save for what `choice` says.
///
/// # Errors
/// Those of [`footprint`]; [`FootprintError::Choice`] for bounds without an area, a resolution
/// that is not positive, both a resolution and a size, or a size beyond `u32`.
pub fn default_grid(
    source: &GeoBox,
    crs: &Crs,
    choice: &GridChoice,
) -> Result<GeoBox, FootprintError> {
    let wrong = |reason: String| FootprintError::Choice { reason };
    let is_free = choice.resolution.is_none() && choice.bounds.is_none() && choice.size.is_none();
    let is_north_up =
        source.transform().is_axis_aligned() && source.transform().determinant() < 0.0;
    if is_free && is_north_up && connect(source.crs(), crs)?.is_identity() {
        return Ok(source.clone());
    }
    if choice.resolution.is_some() && choice.size.is_some() {
        let reason = "a resolution and a size are both given; give one of them".to_owned();
        return Err(wrong(reason));
    }
    let whole = footprint(source, crs)?;
    let bounds = choice.bounds.unwrap_or(whole);
    let (width, height) = (bounds.max_x - bounds.min_x, bounds.max_y - bounds.min_y);
    if !(width > 0.0 && height > 0.0 && width.is_finite() && height.is_finite()) {
        return Err(wrong(format!("bounds {} hold no area", show(&bounds))));
    }
    if !touches(&bounds, &whole, crs) {
        return Err(wrong(format!(
            "bounds {} do not touch the raster, which lies in {}",
            show(&bounds),
            show(&whole)
        )));
    }
    let resolution = match (choice.resolution, choice.size) {
        (Some(resolution), _) => resolution,
        (None, Some(size)) => Point {
            x: width / f64::from(size.width),
            y: height / f64::from(size.height),
        },
        (None, None) => kept_resolution(source, crs, &whole)?,
    };
    if !(resolution.x > 0.0 && resolution.y > 0.0) {
        return Err(wrong(format!(
            "resolution {} is not positive",
            resolution.x
        )));
    }
    let size = match choice.size {
        Some(size) => size,
        None => Size {
            width: steps(width, resolution.x).map_err(wrong)?,
            height: steps(height, resolution.y).map_err(wrong)?,
        },
    };
    let coefficients = [
        bounds.min_x,
        resolution.x,
        0.0,
        bounds.max_y,
        0.0,
        -resolution.y,
    ];
    Transform::from_gdal(coefficients)
        .and_then(|transform| GeoBox::new(crs.clone(), transform, size))
        .ok_or_else(|| wrong("bounds and resolution make no grid".to_owned()))
}

fn show(bounds: &Bounds) -> String {
    let Bounds {
        min_x,
        min_y,
        max_x,
        max_y,
    } = bounds;
    format!("{min_x},{min_y},{max_x},{max_y}")
}

/// True where two rectangles meet, also a turn of the Earth apart.
fn touches(one: &Bounds, two: &Bounds, crs: &Crs) -> bool {
    let length = Turn::of(crs, 0.0).map_or(0.0, |turn| turn.length);
    [-length, 0.0, length].iter().any(|shift| {
        one.intersects(&Bounds {
            min_x: two.min_x + shift,
            max_x: two.max_x + shift,
            ..*two
        })
    })
}

/// Returns the resolution with which the diagonal from the upper left keeps its number of pixels.
///
/// As `gdalwarp` does; where the diagonal goes off the map or round the Earth, that of the
/// footprint counts.
fn kept_resolution(
    source: &GeoBox,
    crs: &Crs,
    footprint: &Bounds,
) -> Result<Point, FootprintError> {
    let whole = (footprint.max_x - footprint.min_x).hypot(footprint.max_y - footprint.min_y);
    let [upper_left, _, lower_right, _] = source.corners();
    let mut ends = [upper_left, lower_right];
    connect(source.crs(), crs)?.project_or_nan(&mut ends);
    let turn = Turn::of(crs, (footprint.min_x + footprint.max_x) / 2.0);
    let [from, to] = ends.map(|end| Point {
        x: turn.map_or(end.x, |turn| turn.near(end.x)),
        y: end.y,
    });
    let diagonal = (to.x - from.x).hypot(to.y - from.y);
    // NaN fails the comparison.
    let is_sound = diagonal > whole * DIAGONAL_SHARE_MIN;
    let size = source.size();
    let pixels = f64::from(size.width).hypot(f64::from(size.height));
    let resolution = if is_sound { diagonal } else { whole } / pixels;
    Ok(Point {
        x: resolution,
        y: resolution,
    })
}

fn steps(length: f64, step: f64) -> Result<u32, String> {
    let steps = (length / step - SIZE_SLACK_PX).ceil().max(1.0);
    if steps > f64::from(i32::MAX) {
        return Err(format!(
            "{steps:.3e} pixels of {step} along {length} are more than a raster can have; \
             give a coarser resolution or smaller bounds"
        ));
    }
    Ok(steps as u32)
}
