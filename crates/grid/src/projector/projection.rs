//! The map projection of one CRS: from x, y to longitude and latitude and back.
//!
//! Inside, angles are radians counted from Greenwich on the ellipsoid of the CRS. The formulas are
//! those of `proj4rs`, except for the closed form of the pseudo Mercator of web maps.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use proj4rs::Proj;
use proj4rs::transform::{Transform, TransformClosure};

use crate::Point;
use crate::crs::definition::{Geodetic, System};
use crate::crs::proj_write::ellipsoid_text;

/// Number of the first point that could not be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outside(pub usize);

#[derive(Debug)]
enum Formula {
    Degrees,
    /// Sphere of that radius in metres under ellipsoidal latitudes, as web maps do.
    PseudoMercator {
        radius_m: f64,
        lon_0: f64,
        x_0: f64,
        y_0: f64,
    },
    Library {
        projection: Box<Proj>,
        degrees: Box<Proj>,
    },
}

/// A projection ready to run.
#[derive(Debug)]
pub(crate) struct Projection {
    formula: Formula,
    /// Radians or metres.
    unit: f64,
    signs: (f64, f64),
    is_swapped: bool,
    /// Radians east of Greenwich.
    meridian: f64,
}

/// Points handed to the library; what it cannot compute becomes NaN and stays so.
struct Batch<'a> {
    points: &'a mut [Point],
}

const NOWHERE: Point = Point {
    x: f64::NAN,
    y: f64::NAN,
};

impl Transform for Batch<'_> {
    fn transform_coordinates<F: TransformClosure>(
        &mut self,
        f: &mut F,
    ) -> proj4rs::errors::Result<()> {
        for point in self.points.iter_mut() {
            let is_somewhere = point.x.is_finite() && point.y.is_finite();
            *point = match is_somewhere.then(|| f(point.x, point.y, 0.0)) {
                Some(Ok((x, y, _))) => Point { x, y },
                _ => NOWHERE,
            };
        }
        Ok(())
    }
}

impl Projection {
    /// Prepares a projection; `engine` is the PROJ string of the projection alone, `None` for
    /// longitude and latitude.
    pub fn new(geodetic: &Geodetic, engine: Option<&str>, system: &System) -> Result<Self, String> {
        let ellipsoid = &geodetic.datum.ellipsoid;
        let formula = match engine {
            None => Formula::Degrees,
            Some(text) if text.starts_with("+proj=webmerc") => pseudo_mercator(text, ellipsoid.a_m),
            Some(text) => {
                let (text, shape) = match text.strip_suffix(" +R_A") {
                    Some(text) => (text, format!("+R={}", ellipsoid.authalic_radius_m())),
                    None => (text, ellipsoid_text(ellipsoid)),
                };
                let make =
                    |text: &str| Proj::from_proj_string(text).map_err(|error| error.to_string());
                let projection = make(&format!("{text} {shape}"))?;
                if !projection.has_inverse() || !projection.has_forward() {
                    return Err("the projection has no inverse".into());
                }
                let degrees = make(&format!("+proj=longlat {shape}"))?;
                Formula::Library {
                    projection: Box::new(projection),
                    degrees: Box::new(degrees),
                }
            }
        };
        if !(system.unit.factor > 0.0 && system.unit.factor.is_finite()) {
            return Err("the unit has no size".into());
        }
        let meridian = geodetic.datum.meridian.longitude.to_radians();
        Ok(Self {
            formula,
            unit: system.unit.factor,
            signs: system.signs(),
            is_swapped: system.is_southing_westing(),
            meridian,
        })
    }

    /// Turns x, y in the unit of the CRS into longitude and latitude.
    pub fn inverse(&self, points: &mut [Point]) -> Result<(), Outside> {
        self.inverse_or_nan(points);
        check(points)
    }

    /// Turns longitude and latitude into x, y in the unit of the CRS.
    pub fn forward(&self, points: &mut [Point]) -> Result<(), Outside> {
        self.forward_or_nan(points);
        check(points)
    }

    /// True where the formulas may give a position for points that the map does not show.
    pub fn can_fold(&self) -> bool {
        matches!(self.formula, Formula::Library { .. })
    }

    /// Returns the length in CRS units of an arc of `radians` on the Earth, about.
    pub fn arc_length(&self, radians: f64) -> f64 {
        radians * 6.371e6 / self.unit
    }

    /// As [`Self::inverse`]; what cannot be computed is not finite afterwards.
    pub fn inverse_or_nan(&self, points: &mut [Point]) {
        if self.is_swapped {
            swap(points);
        }
        let (scale_x, scale_y) = (self.unit * self.signs.0, self.unit * self.signs.1);
        for point in points.iter_mut() {
            *point = Point {
                x: point.x * scale_x,
                y: point.y * scale_y,
            };
        }
        match &self.formula {
            Formula::Degrees => {}
            Formula::PseudoMercator {
                radius_m,
                lon_0,
                x_0,
                y_0,
            } => {
                for point in points.iter_mut() {
                    let latitude = ((point.y - y_0) / radius_m).sinh().atan();
                    *point = Point {
                        x: lon_0 + (point.x - x_0) / radius_m,
                        y: latitude,
                    };
                }
            }
            Formula::Library {
                projection,
                degrees,
            } => run(projection, degrees, points),
        }
        if self.meridian != 0.0 {
            for point in points.iter_mut() {
                point.x += self.meridian;
            }
        }
    }

    /// As [`Self::forward`]; what cannot be computed is not finite afterwards.
    pub fn forward_or_nan(&self, points: &mut [Point]) {
        if self.meridian != 0.0 {
            for point in points.iter_mut() {
                point.x -= self.meridian;
            }
        }
        match &self.formula {
            Formula::Degrees => {
                for point in points.iter_mut().filter(|point| point.x.abs() > PI + 1e-12) {
                    point.x = wrapped(point.x);
                }
            }
            Formula::PseudoMercator {
                radius_m,
                lon_0,
                x_0,
                y_0,
            } => {
                for point in points.iter_mut() {
                    if point.y.abs() >= FRAC_PI_2 {
                        *point = NOWHERE;
                        continue;
                    }
                    let y = (FRAC_PI_4 + point.y / 2.0).tan().ln();
                    *point = Point {
                        x: x_0 + wrapped(point.x - lon_0) * radius_m,
                        y: y_0 + y * radius_m,
                    };
                }
            }
            Formula::Library {
                projection,
                degrees,
            } => run(degrees, projection, points),
        }
        let (scale_x, scale_y) = (self.signs.0 / self.unit, self.signs.1 / self.unit);
        for point in points.iter_mut() {
            *point = Point {
                x: point.x * scale_x,
                y: point.y * scale_y,
            };
        }
        if self.is_swapped {
            swap(points);
        }
    }
}

fn swap(points: &mut [Point]) {
    for point in points {
        *point = Point {
            x: point.y,
            y: point.x,
        };
    }
}

fn run(from: &Proj, to: &Proj, points: &mut [Point]) {
    if proj4rs::transform::transform(
        from,
        to,
        &mut Batch {
            points: &mut *points,
        },
    )
    .is_err()
    {
        points.fill(NOWHERE);
    }
}

fn check(points: &[Point]) -> Result<(), Outside> {
    match points
        .iter()
        .position(|point| !(point.x.is_finite() && point.y.is_finite()))
    {
        Some(index) => Err(Outside(index)),
        None => Ok(()),
    }
}

/// Returns the same longitude within ±π; ±π itself stays.
pub(crate) fn wrapped(longitude: f64) -> f64 {
    if longitude.abs() <= PI + 1e-12 {
        return longitude;
    }
    longitude - 2.0 * PI * ((longitude + PI) / (2.0 * PI)).floor()
}

fn pseudo_mercator(text: &str, radius_m: f64) -> Formula {
    let value = |key: &str| {
        let word = text
            .split(" +")
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        word.and_then(|word| word.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    Formula::PseudoMercator {
        radius_m,
        lon_0: value("lon_0").to_radians(),
        x_0: value("x_0"),
        y_0: value("y_0"),
    }
}
