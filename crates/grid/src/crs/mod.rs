//! Coordinate reference systems: what a code, a text or a file says about x and y.
//!
//! A [`Crs`] is read once into a definition (datum, projection, unit), whatever language it came
//! in; one that cannot be understood is kept as its text. Order of x and y is always east, north,
//! whatever the authority says.

pub(crate) mod definition;
mod geokeys;
mod geokeys_read;
mod geokeys_write;
mod method;
mod proj_names;
pub(crate) mod proj_text;
pub(crate) mod proj_write;
mod projjson_read;
mod projjson_write;
pub(crate) mod registry;
mod wkt_read;
mod wkt_tree;
mod wkt_write;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::projector::projection::Projection;
use crate::{Bbox, GridError};
use definition::{Authority, Datum, Definition, Geodetic, System};
pub use geokeys::{GeoKeyTags, GeoKeyValue, GeoKeys};

/// Longest text that is read as a CRS.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// A coordinate reference system; cheap to clone.
///
/// Two are equal if positions in them mean the same: the same EPSG code, or the same datum,
/// projection and unit under any name.
#[derive(Clone)]
pub struct Crs(Arc<Inner>);

struct Inner {
    /// `None` for what can be computed but not said in other words, and for mere texts.
    definition: Option<Definition>,
    name: String,
    /// As it was given; empty for codes.
    text: String,
    proj_string: Option<String>,
    geodetic: Option<Geodetic>,
    system: Option<System>,
    /// The projection, or why there is none.
    projection: Result<Arc<Projection>, String>,
}

impl Crs {
    /// Returns the CRS of an EPSG code: geographic, projected or compound. Codes of ESRI's world
    /// projections (54009 …) that people write as EPSG codes are found too.
    ///
    /// # Errors
    /// [`GridError::UnknownEpsg`].
    pub fn from_epsg(code: u32) -> Result<Crs, GridError> {
        let definition = registry::definition(code).or_else(|| registry::esri(code));
        definition
            .map(|definition| Self::of_definition(definition, String::new()))
            .ok_or(GridError::UnknownEpsg { code })
    }

    /// Reads a CRS from a code (`EPSG:32632`, `urn:ogc:def:crs:EPSG::32632`, `OGC:CRS84`, an
    /// OGC URL), WKT 1 (GDAL's or ESRI's), WKT 2, PROJJSON or a PROJ string.
    ///
    /// A well-formed definition of a CRS that we cannot compute is kept: see
    /// [`Crs::can_transform`].
    ///
    /// # Errors
    /// [`GridError::UnknownEpsg`], or [`GridError::InvalidCrs`] where the text is none of these.
    pub fn parse(text: &str) -> Result<Crs, GridError> {
        let text = text.trim().trim_end_matches('\0').trim();
        if text.len() > TEXT_BYTES_MAX {
            return Err(GridError::invalid_crs(
                text,
                format!("longer than {TEXT_BYTES_MAX} bytes"),
            ));
        }
        if let Some(code) = Code::read(text) {
            return code.crs(text);
        }
        if text.starts_with('{') {
            return projjson_read::read(text)
                .map(|read| Self::of_reading(read, text))
                .map_err(|why| GridError::invalid_crs(text, why));
        }
        if text.starts_with('+') || text.starts_with("proj=") {
            return Self::of_proj(text);
        }
        if text.contains('[') || text.contains('(') {
            return wkt_read::read(text)
                .map(|read| Self::of_reading(read, text))
                .map_err(|why| GridError::invalid_crs(text, why));
        }
        Err(GridError::invalid_crs(
            text,
            "neither a code nor WKT, PROJJSON or a PROJ string",
        ))
    }

    /// Reads the CRS of a GeoTIFF; `None` where the keys name none.
    ///
    /// # Errors
    /// [`GridError::UnknownEpsg`] and [`GridError::InvalidGeoKeys`].
    pub fn from_geokeys(keys: &GeoKeys) -> Result<Option<Crs>, GridError> {
        let read = geokeys_read::read(keys)?;
        Ok(read.map(|read| Self::of_reading(read, "")))
    }

    /// Returns the GeoTIFF keys that say the same; `None` where GeoTIFF has no words for it.
    pub fn to_geokeys(&self) -> Option<GeoKeys> {
        geokeys_write::write(self.0.definition.as_ref()?)
    }

    /// Returns the EPSG code, given or found by comparing all parameters.
    pub fn epsg(&self) -> Option<u32> {
        self.0.definition.as_ref()?.epsg()
    }

    /// Returns the name, as "ETRS89 / UTM zone 32N".
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the definition as WKT 2 (ISO 19162:2019); where it cannot be said in WKT, the text
    /// it was read from.
    pub fn to_wkt(&self) -> String {
        let written = self.0.definition.as_ref().and_then(wkt_write::write);
        written.unwrap_or_else(|| self.fallback_text())
    }

    /// Returns the definition as PROJJSON, as GeoParquet wants it; `None` where it is a mere text.
    pub fn to_projjson(&self) -> Option<serde_json::Value> {
        projjson_write::write(self.0.definition.as_ref()?)
    }

    /// Returns the definition as a PROJ string, without the datum shift unless the definition
    /// carries one; `None` where we cannot compute positions.
    pub fn proj_string(&self) -> Option<&str> {
        self.0.proj_string.as_deref()
    }

    /// True for longitude and latitude.
    pub fn is_geographic(&self) -> bool {
        match (&self.0.definition, &self.0.geodetic) {
            (Some(definition), _) => definition.projected.is_none(),
            (None, Some(_)) => self
                .0
                .proj_string
                .as_deref()
                .is_some_and(|text| text.starts_with("+proj=longlat")),
            (None, None) => false,
        }
    }

    /// Returns the length of one unit of x and y in metres. For a geographic CRS that is one unit
    /// of arc along the equator (111,319.49 m for a degree on WGS 84); 1 for a mere text.
    pub fn unit_to_metre(&self) -> f64 {
        let factor = self
            .0
            .system
            .as_ref()
            .map_or(1.0, |system| system.unit.factor);
        match &self.0.geodetic {
            Some(geodetic) if self.is_geographic() => factor * geodetic.datum.ellipsoid.a_m,
            _ => factor,
        }
    }

    /// True where a [`crate::Projector`] can be made; false for what is kept as text only.
    pub fn can_transform(&self) -> bool {
        self.0.projection.is_ok()
    }

    pub(crate) fn projection(&self) -> Result<Arc<Projection>, GridError> {
        self.0
            .projection
            .clone()
            .map_err(|why| GridError::NoTransform {
                crs: self.name().into(),
                why,
            })
    }

    pub(crate) fn datum(&self) -> Option<&Datum> {
        self.0.geodetic.as_ref().map(|geodetic| &geodetic.datum)
    }

    /// Returns the area of use in degrees, within that of the datum.
    pub(crate) fn area(&self) -> Option<Bbox> {
        let own = self
            .0
            .definition
            .as_ref()
            .and_then(|definition| definition.area);
        let base = self
            .datum()
            .and_then(|datum| registry::geodetic_on_datum(datum.code?));
        let of_datum = base.and_then(|base| registry::definition(base.code?)?.area);
        match (own, of_datum) {
            (Some(own), Some(frame)) if own.west <= own.east && frame.west <= frame.east => {
                let common = Bbox {
                    west: own.west.max(frame.west),
                    south: own.south.max(frame.south),
                    east: own.east.min(frame.east),
                    north: own.north.min(frame.north),
                };
                let is_empty = common.west >= common.east || common.south >= common.north;
                Some(if is_empty { own } else { common })
            }
            (own, of_datum) => own.or(of_datum),
        }
    }

    /// True where x, y are the same numbers in both.
    pub(crate) fn is_same_grid(&self, other: &Crs) -> bool {
        if Arc::ptr_eq(&self.0, &other.0) {
            return true;
        }
        match (&self.0.definition, &other.0.definition) {
            (Some(one), Some(two)) => one.is_equivalent(two),
            (None, None) => {
                !self.fallback_text().is_empty() && self.fallback_text() == other.fallback_text()
            }
            _ => false,
        }
    }

    fn fallback_text(&self) -> String {
        if !self.0.text.is_empty() {
            return self.0.text.clone();
        }
        let authority = self
            .0
            .definition
            .as_ref()
            .and_then(|definition| definition.authority);
        match authority {
            Some((authority, code)) => format!("{}:{code}", authority.name()),
            None => self.0.name.clone(),
        }
    }

    fn of_definition(definition: Definition, text: String) -> Self {
        let engine = definition.projected.as_ref().map(proj_write::engine_of);
        let projection = match &engine {
            Some(None) => Err(unsupported(&definition)),
            Some(Some(engine)) => {
                Projection::new(&definition.geodetic, Some(engine), definition.system())
            }
            None => Projection::new(&definition.geodetic, None, definition.system()),
        };
        let proj_string = projection.is_ok().then(|| {
            proj_write::write(
                &definition.geodetic,
                engine.flatten().as_deref(),
                definition.system(),
            )
        });
        Self(Arc::new(Inner {
            name: definition.name().to_string(),
            text,
            proj_string,
            geodetic: Some(definition.geodetic.clone()),
            system: Some(definition.system().clone()),
            projection: projection.map(Arc::new),
            definition: Some(definition),
        }))
    }

    fn of_reading(read: Reading, text: &str) -> Self {
        match read {
            Reading::Known(definition) => Self::of_definition(recognised(*definition), text.into()),
            Reading::Text { name, why } => Self(Arc::new(Inner {
                definition: None,
                name,
                text: text.into(),
                proj_string: None,
                geodetic: None,
                system: None,
                projection: Err(why),
            })),
        }
    }

    fn of_proj(text: &str) -> Result<Self, GridError> {
        let read = proj_text::read(text).map_err(|why| GridError::invalid_crs(text, why))?;
        let projection = Projection::new(&read.geodetic, read.engine.as_deref(), &read.system);
        if let Err(why) = &projection {
            return Err(GridError::invalid_crs(text, why.clone()));
        }
        let definition = read.definition.map(recognised);
        let name = definition
            .as_ref()
            .map_or("unnamed".into(), |definition| definition.name().to_string());
        Ok(Self(Arc::new(Inner {
            proj_string: Some(proj_write::write(
                &read.geodetic,
                read.engine.as_deref(),
                &read.system,
            )),
            definition,
            name,
            text: text.into(),
            geodetic: Some(read.geodetic),
            system: Some(read.system),
            projection: projection.map(Arc::new),
        })))
    }
}

fn unsupported(definition: &Definition) -> String {
    match definition
        .projected
        .as_ref()
        .map(|projected| projected.conversion.method)
    {
        Some(method::Method::Other(code)) if code > 0 => {
            format!("its projection (EPSG method {code}) is not built in")
        }
        _ => "its projection is not built in".into(),
    }
}

/// Result of reading a text: understood, or kept as it is.
pub(crate) enum Reading {
    Known(Box<Definition>),
    Text { name: String, why: String },
}

/// Gives a definition the code, name and area of its twin in the tables.
///
/// A code in the text counts only if the parameters agree with it.
fn recognised(mut read: Definition) -> Definition {
    let claimed = read.authority.take();
    let given = claimed.and_then(|(authority, code)| match authority {
        Authority::Epsg => registry::definition(code),
        Authority::Esri => registry::esri(code),
    });
    let known = match given {
        Some(known) if known.is_equivalent(&read) || is_only_shifted(&known, &read) => Some(known),
        _ => registry::identify(&read).and_then(|(authority, code)| match authority {
            Authority::Epsg => registry::definition(code),
            Authority::Esri => registry::esri(code),
        }),
    };
    let Some(mut known) = known else {
        return read;
    };
    // A shift in the text serves only where the code does not tell the datum (GDAL's rule too).
    if claimed.is_none() {
        known.geodetic.datum.to_wgs84 = read.geodetic.datum.to_wgs84;
    }
    known.compound = read.compound.map(|mut compound| {
        if compound.code.is_none()
            && let (Some(horizontal), Some(vertical)) = (known.horizontal_epsg(), compound.vertical)
            && let Some(listed) = registry::compound_of(horizontal, vertical)
        {
            compound = listed;
        }
        compound
    });
    known
}

/// True where only the name of the datum kept the two from being equal.
fn is_only_shifted(known: &Definition, read: &Definition) -> bool {
    if read.geodetic.datum.code.is_some() {
        return false;
    }
    let mut renamed = read.clone();
    renamed.geodetic.datum.code = known.geodetic.datum.code;
    let same_shape = known
        .geodetic
        .datum
        .ellipsoid
        .has_same_shape(&read.geodetic.datum.ellipsoid);
    let same_meridian =
        (known.geodetic.datum.meridian.longitude - read.geodetic.datum.meridian.longitude).abs()
            < 1e-9;
    same_shape && same_meridian && known.is_equivalent(&renamed)
}

/// A CRS given by its number.
enum Code {
    Epsg(u32),
    Esri(u32),
    /// A compound written as two codes, `EPSG:25832+7837`.
    Pair(u32, u32),
}

impl Code {
    fn read(text: &str) -> Option<Code> {
        let lower = text.to_ascii_lowercase();
        let rest = lower
            .strip_prefix("urn:")
            .map(|rest| rest.trim_start_matches("x-").to_string());
        if let Some(rest) = rest {
            let mut parts = rest.split(':').skip_while(|part| *part != "crs").skip(1);
            let authority = parts.next()?;
            return Self::of(authority, parts.last()?);
        }
        for scheme in ["http://", "https://"] {
            let Some(rest) = lower.strip_prefix(scheme) else {
                continue;
            };
            // http://www.opengis.net/def/crs/EPSG/0/4326 and …/gml/srs/epsg.xml#4326
            if let Some((head, code)) = rest.rsplit_once('#') {
                return head
                    .ends_with("epsg.xml")
                    .then(|| Self::of("epsg", code))
                    .flatten();
            }
            let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
            let at = parts.iter().position(|part| *part == "crs")?;
            return Self::of(parts.get(at + 1)?, parts.last()?);
        }
        if lower == "wgs84" || lower == "crs84" {
            return Some(Self::Epsg(4326));
        }
        let (authority, code) = lower.split_once(':')?;
        Self::of(authority, code.trim_start_matches(':'))
    }

    fn of(authority: &str, code: &str) -> Option<Code> {
        match (authority, code) {
            ("ogc" | "crs", "crs84" | "crs84h" | "84") => Some(Self::Epsg(4326)),
            ("ogc" | "crs", "crs83" | "83") => Some(Self::Epsg(4269)),
            ("ogc" | "crs", "crs27" | "27") => Some(Self::Epsg(4267)),
            ("esri", code) => code.parse().ok().map(Self::Esri),
            ("epsg", code) => match code.split_once('+') {
                Some((one, two)) => Some(Self::Pair(
                    one.parse().ok()?,
                    two.trim_start_matches("epsg:").parse().ok()?,
                )),
                None => code.parse().ok().map(Self::Epsg),
            },
            _ => None,
        }
    }

    fn crs(&self, text: &str) -> Result<Crs, GridError> {
        match *self {
            Self::Epsg(code) => Crs::from_epsg(code),
            Self::Esri(code) => {
                // ESRI uses EPSG's codes below 32768 for EPSG's systems.
                let definition = registry::esri(code).or_else(|| registry::definition(code));
                definition
                    .map(|definition| Crs::of_definition(definition, String::new()))
                    .ok_or_else(|| {
                        GridError::invalid_crs(text, "this ESRI code is not in the table")
                    })
            }
            Self::Pair(horizontal, vertical) => {
                let mut definition = registry::definition(horizontal)
                    .ok_or(GridError::UnknownEpsg { code: horizontal })?;
                let listed = registry::compound_of(horizontal, vertical);
                definition.compound = Some(listed.unwrap_or_else(|| definition::Compound {
                    name: format!("{} + EPSG:{vertical}", definition.name),
                    code: None,
                    vertical: Some(vertical),
                }));
                Ok(Crs::of_definition(definition, text.into()))
            }
        }
    }
}

impl PartialEq for Crs {
    fn eq(&self, other: &Self) -> bool {
        if let (Some(one), Some(two)) = (self.epsg(), other.epsg())
            && one == two
        {
            return true;
        }
        let vertical = |crs: &Crs| {
            let compound = crs
                .0
                .definition
                .as_ref()
                .and_then(|definition| definition.compound.clone());
            compound.map(|compound| (compound.code, compound.vertical))
        };
        self.is_same_grid(other) && vertical(self) == vertical(other)
    }
}

impl fmt::Debug for Crs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crs({self})")
    }
}

/// Writes the code where there is one (`EPSG:25832`), else the name.
impl fmt::Display for Crs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (
            self.epsg(),
            self.0
                .definition
                .as_ref()
                .and_then(|definition| definition.authority),
        ) {
            (Some(code), _) => write!(f, "EPSG:{code}"),
            (None, Some((Authority::Esri, code))) => write!(f, "ESRI:{code}"),
            _ => f.write_str(&self.0.name),
        }
    }
}

/// A CRS is written as its code where it has one, else as WKT.
impl Serialize for Crs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.epsg() {
            Some(code) => serializer.serialize_str(&format!("EPSG:{code}")),
            None => serializer.serialize_str(&self.to_wkt()),
        }
    }
}

impl<'de> Deserialize<'de> for Crs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Crs::parse(&text).map_err(serde::de::Error::custom)
    }
}
