//! A CRS taken apart: datum, ellipsoid, conversion and coordinate system.
//!
//! Angles are in degrees and lengths in metres whatever the unit of the CRS.

use super::method::Method;
use crate::Bbox;

/// Who gave a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authority {
    Epsg,
    Esri,
}

impl Authority {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Epsg => "EPSG",
            Self::Esri => "ESRI",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ellipsoid {
    pub name: String,
    pub code: Option<u32>,
    /// Semi-major axis in metres.
    pub a_m: f64,
    /// Inverse flattening; 0 stands for a sphere.
    pub inverse_flattening: f64,
}

impl Ellipsoid {
    /// Returns the radius of the sphere of the same area.
    pub fn authalic_radius_m(&self) -> f64 {
        let e = self.e2().sqrt();
        if e == 0.0 {
            return self.a_m;
        }
        self.a_m * ((1.0 + (1.0 - e * e) / e * e.atanh()) / 2.0).sqrt()
    }

    /// Returns the squared eccentricity.
    pub fn e2(&self) -> f64 {
        if self.inverse_flattening == 0.0 {
            return 0.0;
        }
        let flattening = 1.0 / self.inverse_flattening;
        flattening * (2.0 - flattening)
    }

    pub fn is_sphere(&self) -> bool {
        self.inverse_flattening == 0.0
    }

    /// True where both describe the same surface to a tenth of a millimetre.
    pub fn has_same_shape(&self, other: &Ellipsoid) -> bool {
        let b = |ellipsoid: &Ellipsoid| ellipsoid.a_m * (1.0 - ellipsoid.e2()).sqrt();
        (self.a_m - other.a_m).abs() < 1e-3 && (b(self) - b(other)).abs() < 1e-3
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Meridian {
    pub name: String,
    pub code: Option<u32>,
    /// Degrees east of Greenwich.
    pub longitude: f64,
}

impl Meridian {
    pub fn greenwich() -> Self {
        Self {
            name: "Greenwich".into(),
            code: Some(8901),
            longitude: 0.0,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Datum {
    pub name: String,
    /// EPSG code of the datum; `None` where it could not be recognised.
    pub code: Option<u32>,
    pub ellipsoid: Ellipsoid,
    pub meridian: Meridian,
    /// Position-vector shift to WGS 84 that the definition itself carries: metres, arc seconds, ppm.
    pub to_wgs84: Option<[f64; 7]>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unit {
    pub name: String,
    pub code: Option<u32>,
    /// Radians or metres.
    pub factor: f64,
}

impl Unit {
    pub fn metre() -> Self {
        Self {
            name: "metre".into(),
            code: Some(9001),
            factor: 1.0,
        }
    }

    pub fn degree() -> Self {
        Self {
            name: "degree".into(),
            code: Some(9122),
            factor: std::f64::consts::PI / 180.0,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    pub name: String,
    pub abbreviation: String,
    /// As in WKT 2: `east`, `north`, `south`, `west`.
    pub direction: String,
}

/// Unit and official axes of a CRS. Positions are x, y all the same.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct System {
    pub unit: Unit,
    pub axes: [Axis; 2],
    /// True where a third axis counts the height above the ellipsoid.
    pub has_height: bool,
}

impl System {
    pub fn new(unit: Unit, axes: [(&str, &str, &str); 2]) -> Self {
        let axes = axes.map(|(name, abbreviation, direction)| Axis {
            name: name.into(),
            abbreviation: abbreviation.into(),
            direction: direction.into(),
        });
        Self {
            unit,
            axes,
            has_height: false,
        }
    }

    pub fn latitude_longitude() -> Self {
        let axes = [
            ("Geodetic latitude", "Lat", "north"),
            ("Geodetic longitude", "Lon", "east"),
        ];
        Self::new(Unit::degree(), axes)
    }

    pub fn east_north(unit: Unit) -> Self {
        Self::new(unit, [("Easting", "E", "east"), ("Northing", "N", "north")])
    }

    /// Returns -1 where x counts to the west, and where y counts to the south.
    pub fn signs(&self) -> (f64, f64) {
        let has = |direction: &str| {
            self.axes
                .iter()
                .any(|axis| axis.direction.eq_ignore_ascii_case(direction))
        };
        // Polar grids have two axes "north" or two "south": they are x, y as they stand.
        let west = has("west") && !has("east");
        let south = has("south") && (has("west") || has("east"));
        (
            if west { -1.0 } else { 1.0 },
            if south { -1.0 } else { 1.0 },
        )
    }

    /// True where x counts to the south and y to the west: the only order that GDAL and PROJ
    /// leave as the authority has it.
    pub fn is_southing_westing(&self) -> bool {
        let [first, second] = &self.axes;
        first.direction.eq_ignore_ascii_case("south")
            && second.direction.eq_ignore_ascii_case("west")
    }
}

/// Latitude and longitude on a datum.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Geodetic {
    pub name: String,
    pub code: Option<u32>,
    pub datum: Datum,
    pub system: System,
}

/// A map projection with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conversion {
    pub name: String,
    pub method: Method,
    /// EPSG parameter code and value in degrees, metres or as a ratio.
    pub parameters: Vec<(u16, f64)>,
}

impl Conversion {
    pub fn get(&self, code: u16) -> Option<f64> {
        self.parameters
            .iter()
            .find(|(known, _)| *known == code)
            .map(|(_, value)| *value)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Projected {
    pub conversion: Conversion,
    pub system: System,
}

/// A geographic or projected CRS, with the name of the compound it is part of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Definition {
    pub name: String,
    pub authority: Option<(Authority, u32)>,
    pub geodetic: Geodetic,
    pub projected: Option<Projected>,
    /// EPSG code and name of the compound CRS, and the code of its vertical part.
    pub compound: Option<Compound>,
    /// Area of use in degrees.
    pub area: Option<Bbox>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Compound {
    pub name: String,
    pub code: Option<u32>,
    pub vertical: Option<u32>,
}

impl Definition {
    /// Returns the code of the whole: of the compound where there is one.
    pub fn epsg(&self) -> Option<u32> {
        if let Some(compound) = &self.compound {
            return compound.code;
        }
        self.horizontal_epsg()
    }

    pub fn horizontal_epsg(&self) -> Option<u32> {
        self.authority
            .and_then(|(authority, code)| (authority == Authority::Epsg).then_some(code))
    }

    pub fn name(&self) -> &str {
        self.compound
            .as_ref()
            .map_or(&self.name, |compound| &compound.name)
    }

    pub fn system(&self) -> &System {
        self.projected
            .as_ref()
            .map_or(&self.geodetic.system, |projected| &projected.system)
    }

    /// True where positions in both mean the same, whatever the names and codes say.
    pub fn is_equivalent(&self, other: &Definition) -> bool {
        let datums = (&self.geodetic.datum, &other.geodetic.datum);
        let same_datum = match (datums.0.code, datums.1.code) {
            (Some(one), Some(two)) => one == two,
            (None, None) => {
                datums.0.ellipsoid.has_same_shape(&datums.1.ellipsoid)
                    && same_text(&datums.0.name, &datums.1.name)
                    && datums.0.to_wgs84 == datums.1.to_wgs84
                    && (datums.0.meridian.longitude - datums.1.meridian.longitude).abs() < 1e-9
            }
            _ => false,
        };
        let units = (self.system().unit.factor, other.system().unit.factor);
        same_datum
            && (units.0 / units.1 - 1.0).abs() < 1e-9
            && self.system().signs() == other.system().signs()
            && self.system().is_southing_westing() == other.system().is_southing_westing()
            && match (&self.projected, &other.projected) {
                (None, None) => true,
                (Some(one), Some(two)) => one.conversion.is_equivalent(&two.conversion),
                _ => false,
            }
    }
}

impl Conversion {
    /// True where both put every position at the same place to about a tenth of a millimetre.
    pub fn is_equivalent(&self, other: &Conversion) -> bool {
        let ours = self.method.normal_parameters(self);
        let theirs = other.method.normal_parameters(other);
        self.method == other.method
            && ours.len() == theirs.len()
            && ours
                .iter()
                .zip(&theirs)
                .all(|((code, one), (other_code, two))| {
                    // Degrees and ratios to 1e-9, lengths to a tenth of a millimetre.
                    let tolerance = if Method::is_length(*code) { 1e-4 } else { 2e-9 };
                    code == other_code && (one - two).abs() <= tolerance
                })
    }
}

/// True where two names differ in case, blanks and punctuation only.
pub(crate) fn same_text(one: &str, two: &str) -> bool {
    plain(one) == plain(two)
}

/// Returns the letters and digits of a name in lower case.
pub(crate) fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric() || *c == '+')
        .flat_map(char::to_lowercase)
        .collect()
}
