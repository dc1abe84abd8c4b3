//! Positions from one CRS to another.
//!
//! 1. x, y to longitude and latitude on the datum of departure ([`projection`]).
//! 2. The shift between the datums, from the table of EPSG operations ([`shift`]).
//! 3. Longitude and latitude to x, y of the target.

pub(crate) mod projection;
mod shift;

use std::sync::Arc;

use crate::{Bbox, Crs, GridError, Point};
use projection::{Outside, Projection};
use shift::Shift;

/// What a shift between datums may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShiftOptions {
    /// Coarsest accepted accuracy in metres (default 5). `f64::INFINITY` accepts anything, also
    /// two datums with no known shift: longitude and latitude are then kept.
    pub accuracy_max_m: f64,
}

impl Default for ShiftOptions {
    fn default() -> Self {
        Self {
            accuracy_max_m: 5.0,
        }
    }
}

/// A ready computation from one CRS to another; cheap to clone, usable from any thread.
#[derive(Debug, Clone)]
pub struct Projector {
    from: Crs,
    to: Crs,
    /// `None` where x, y stay as they are.
    steps: Option<Arc<Steps>>,
    accuracy_m: f64,
    method: String,
}

#[derive(Debug)]
struct Steps {
    inverse: Arc<Projection>,
    shift: Shift,
    forward: Arc<Projection>,
}

/// Points computed at a time: the copy kept for the error message fits the cache.
const BATCH_POINTS: usize = 256;

/// Farthest apart, as an angle on the Earth (64 m), that a position and its way back may be.
const FOLD_RADIANS: f64 = 1e-5;

/// The poles, and what rounding makes of them.
const LATITUDE_RADIANS_MAX: f64 = std::f64::consts::FRAC_PI_2 + 1e-9;

impl Projector {
    /// Prepares the computation from `from` to `to` with the most accurate shift that needs no
    /// grid file, chosen for the smaller of the two areas of use.
    ///
    /// # Errors
    /// [`GridError::NoTransform`] where one of the two is known as text only;
    /// [`GridError::NoShift`] and [`GridError::ShiftTooCoarse`] where the datums differ and the
    /// table has nothing good enough for `options`.
    pub fn new(from: &Crs, to: &Crs, options: &ShiftOptions) -> Result<Projector, GridError> {
        Self::prepare(from, to, smaller(from.area(), to.area()), options)
    }

    /// As [`Projector::new`], with the shift chosen for positions within `area` (degrees): better
    /// where an area of use spans countries that have shifts of their own.
    ///
    /// # Errors
    /// As [`Projector::new`].
    pub fn within(
        from: &Crs,
        to: &Crs,
        area: &Bbox,
        options: &ShiftOptions,
    ) -> Result<Projector, GridError> {
        Self::prepare(from, to, Some(*area), options)
    }

    fn prepare(
        from: &Crs,
        to: &Crs,
        area: Option<Bbox>,
        options: &ShiftOptions,
    ) -> Result<Projector, GridError> {
        let (from, to) = (from.clone(), to.clone());
        if from.is_same_grid(&to) {
            return Ok(Self {
                from,
                to,
                steps: None,
                accuracy_m: 0.0,
                method: "same CRS".into(),
            });
        }
        let (inverse, forward) = (from.projection()?, to.projection()?);
        let (Some(from_datum), Some(to_datum)) = (from.datum(), to.datum()) else {
            return Err(GridError::NoTransform {
                crs: from.name().into(),
                why: "no datum".into(),
            });
        };
        let limit_m = options.accuracy_max_m;
        let shift = match Shift::find(from_datum, to_datum, area) {
            Some(shift) => shift,
            None if limit_m == f64::INFINITY => Shift::ignored(from_datum, to_datum),
            None => {
                return Err(GridError::NoShift {
                    from_datum: from_datum.name.clone(),
                    to_datum: to_datum.name.clone(),
                });
            }
        };
        // A limit that is not a number accepts nothing but an exact result.
        let is_fine = shift.accuracy_m == 0.0 || shift.accuracy_m <= limit_m;
        if !is_fine {
            return Err(GridError::ShiftTooCoarse {
                from: from_datum.name.clone(),
                to: to_datum.name.clone(),
                accuracy_m: shift.accuracy_m,
                limit_m,
            });
        }
        let (accuracy_m, method) = (shift.accuracy_m, shift.method.clone());
        Ok(Self {
            from,
            to,
            steps: Some(Arc::new(Steps {
                inverse,
                shift,
                forward,
            })),
            accuracy_m,
            method,
        })
    }

    /// Returns the stated accuracy of the datum shift in metres: 0 for one and the same datum,
    /// infinite where an unknown shift was ignored on demand.
    pub fn accuracy_m(&self) -> f64 {
        self.accuracy_m
    }

    /// Returns how the datums are connected, as "Helmert 7-parameter, EPSG:15739" or "same datum".
    pub fn method(&self) -> &str {
        &self.method
    }

    /// True where x, y stay as they are.
    pub fn is_identity(&self) -> bool {
        self.steps.is_none()
    }

    /// Computes positions in place; longitudes come out within ±180 degrees.
    ///
    /// # Errors
    /// [`GridError::OutsideProjection`] names the first point that cannot be computed; the points
    /// of its batch and after it are then left in no useful state.
    pub fn project(&self, points: &mut [Point]) -> Result<(), GridError> {
        let Some(steps) = &self.steps else {
            return self.check_finite(points);
        };
        for (number, batch) in points.chunks_mut(BATCH_POINTS).enumerate() {
            let mut given = [Point { x: 0.0, y: 0.0 }; BATCH_POINTS];
            given[..batch.len()].copy_from_slice(batch);
            if steps.run(batch).is_err() {
                let given = &given[..batch.len()];
                let at = steps.first_failure(given);
                return Err(self.outside(number * BATCH_POINTS + at, given[at]));
            }
        }
        Ok(())
    }

    /// Computes positions in place; what cannot be computed becomes NaN in both coordinates.
    ///
    /// Other than [`Projector::project`] it also finds what formulas compute without sense: a
    /// position off the map (latitude beyond 90 degrees, a corner outside of the outline of a
    /// world map), or one that the target's formulas fold onto another place. Both are told by
    /// the way back: it must end within [`FOLD_RADIANS`] of where it began.
    pub fn project_or_nan(&self, points: &mut [Point]) {
        if let Some(steps) = &self.steps {
            points
                .chunks_mut(BATCH_POINTS)
                .for_each(|batch| steps.run_or_nan(batch));
        }
        for point in points {
            if !(point.x.is_finite() && point.y.is_finite()) {
                *point = Point {
                    x: f64::NAN,
                    y: f64::NAN,
                };
            }
        }
    }

    fn check_finite(&self, points: &[Point]) -> Result<(), GridError> {
        match points
            .iter()
            .position(|point| !(point.x.is_finite() && point.y.is_finite()))
        {
            Some(index) => Err(self.outside(index, points[index])),
            None => Ok(()),
        }
    }

    fn outside(&self, index: usize, point: Point) -> GridError {
        GridError::OutsideProjection {
            index,
            point,
            from: self.from.name().into(),
            to: self.to.name().into(),
        }
    }
}

impl Steps {
    fn run(&self, points: &mut [Point]) -> Result<(), Outside> {
        self.inverse.inverse(points)?;
        self.shift.apply(points);
        self.forward.forward(points)
    }

    fn run_or_nan(&self, points: &mut [Point]) {
        let mut batch = [Point { x: 0.0, y: 0.0 }; BATCH_POINTS];
        let way_back = &mut batch[..points.len()];
        let mut is_off = [false; BATCH_POINTS];

        let mut given = [Point { x: 0.0, y: 0.0 }; BATCH_POINTS];
        given[..points.len()].copy_from_slice(points);
        self.inverse.inverse_or_nan(points);
        for (point, is_off) in points.iter_mut().zip(&mut is_off) {
            point.x = projection::wrapped(point.x);
            *is_off = point.y.abs() > LATITUDE_RADIANS_MAX;
        }
        if self.inverse.can_fold() {
            let tolerance = self.inverse.arc_length(FOLD_RADIANS);
            way_back.copy_from_slice(points);
            self.inverse.forward_or_nan(way_back);
            for ((back, given), is_off) in way_back.iter().zip(&given).zip(&mut is_off) {
                let distance = (back.x - given.x).abs().max((back.y - given.y).abs());
                *is_off |= distance > tolerance;
            }
        }
        self.shift.apply(points);
        given[..points.len()].copy_from_slice(points);
        self.forward.forward_or_nan(points);
        if self.forward.can_fold() {
            way_back.copy_from_slice(points);
            self.forward.inverse_or_nan(way_back);
            for ((back, given), is_off) in way_back.iter().zip(&given).zip(&mut is_off) {
                let turn = projection::wrapped(back.x - given.x).abs() * given.y.cos();
                *is_off |= turn.max((back.y - given.y).abs()) > FOLD_RADIANS;
            }
        }
        for (point, is_off) in points.iter_mut().zip(is_off) {
            if is_off {
                point.x = f64::NAN;
            }
        }
    }

    /// Returns the first of `points` that fails by itself.
    ///
    /// A batch goes through the steps one after the other, so the first step that fails need not
    /// have met the first point that does.
    fn first_failure(&self, points: &[Point]) -> usize {
        let fails = |point: &Point| self.run(&mut [*point]).is_err();
        points.iter().position(fails).unwrap_or(0)
    }
}

/// Returns the smaller of two areas of use; one that is not known does not count.
fn smaller(one: Option<Bbox>, two: Option<Bbox>) -> Option<Bbox> {
    let size = |area: &Bbox| {
        let width = area.east - area.west;
        (if width < 0.0 { width + 360.0 } else { width }) * (area.north - area.south)
    };
    match (one, two) {
        (Some(one), Some(two)) => Some(if size(&two) < size(&one) { two } else { one }),
        (one, two) => one.or(two),
    }
}
