//! PROJ strings, read into a definition where we know the projection; `proj_write` writes them.

use std::fmt::Write as _;

use super::definition::{
    Conversion, Datum, Definition, Ellipsoid, Geodetic, Meridian, Projected, System, Unit,
};
use super::method::Method;
use super::proj_names::{DATUMS, ELLIPSOIDS, MERIDIANS, MORE_ELLIPSOIDS, MORE_UNITS, UNITS};
use super::registry;

/// The parts of a PROJ string: key and value in order, the leading `+` taken away.
pub(crate) struct ProjText(Vec<(String, String)>);

/// Longest PROJ string that is read.
const TEXT_BYTES_MAX: usize = 4096;

impl ProjText {
    /// Splits a PROJ string; quotes and odd characters are refused, so that the projection
    /// library never sees them.
    pub fn split(text: &str) -> Result<Self, String> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("longer than {TEXT_BYTES_MAX} bytes"));
        }
        let mut parts = Vec::new();
        for word in text.split_whitespace() {
            let word = word.strip_prefix('+').unwrap_or(word);
            if word.is_empty() {
                continue;
            }
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.,:+-/@'\"".contains(c);
            if key.is_empty()
                || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                || !value.chars().all(is_plain)
            {
                return Err(format!("the part '{word}' is no key=value"));
            }
            parts.push((key.to_string(), value.to_string()));
        }
        Ok(Self(parts))
    }

    /// Returns the first value of a key, as PROJ does.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| value.as_str())
    }

    pub fn has(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|value| value != "F" && value != "false")
    }

    fn number(&self, key: &str) -> Result<Option<f64>, String> {
        self.get(key)
            .map(|text| read_number(text).ok_or(format!("{key}={text} is no number")))
            .transpose()
    }

    fn angle(&self, key: &str) -> Result<Option<f64>, String> {
        self.get(key)
            .map(|text| read_angle(text).ok_or(format!("{key}={text} is no angle")))
            .transpose()
    }
}

fn read_number(text: &str) -> Option<f64> {
    if let Some((above, below)) = text.split_once('/') {
        let value = above.parse::<f64>().ok()? / below.parse::<f64>().ok()?;
        return value.is_finite().then_some(value);
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// Reads degrees: decimal, `12d34'56.7"E`, or radians with a trailing `r`.
pub(crate) fn read_angle(text: &str) -> Option<f64> {
    let (text, sign) = match text.chars().last()? {
        'E' | 'e' | 'N' | 'n' => (&text[..text.len() - 1], 1.0),
        'W' | 'w' | 'S' | 's' => (&text[..text.len() - 1], -1.0),
        _ => (text, 1.0),
    };
    if let Some(radians) = text.strip_suffix(['r', 'R']) {
        return radians
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
            .map(|value| sign * value.to_degrees());
    }
    let (text, sign) = match text.strip_prefix('-') {
        Some(rest) => (rest, -sign),
        None => (text.strip_prefix('+').unwrap_or(text), sign),
    };
    if text.starts_with(['-', '+']) {
        return None;
    }
    let mut total = 0.0;
    let mut rest = text;
    for (mark, share) in [
        (&['d', 'D', '\u{b0}'][..], 1.0),
        (&['\''][..], 60.0),
        (&['"'][..], 3600.0),
    ] {
        if let Some((head, tail)) = rest.split_once(mark) {
            total += head.parse::<f64>().ok()? / share;
            rest = tail;
        }
    }
    if !rest.is_empty() {
        let share = if text.contains('\'') {
            3600.0
        } else if text.contains(['d', 'D', '\u{b0}']) {
            60.0
        } else {
            1.0
        };
        total += rest.parse::<f64>().ok()? / share;
    }
    let value = sign * total;
    value.is_finite().then_some(value)
}

/// A PROJ string as understood: what can be computed, and what can be said in other languages.
pub(crate) struct ReadProj {
    pub geodetic: Geodetic,
    /// Projection that the engine runs; `None` for longitude and latitude.
    pub engine: Option<String>,
    /// `None` where our languages have no word for the projection.
    pub definition: Option<Definition>,
    pub system: System,
}

/// Keys that belong to the datum, the unit or the outside, not to the projection.
const FRAME_KEYS: &[&str] = &[
    "datum",
    "ellps",
    "a",
    "b",
    "rf",
    "f",
    "R",
    "es",
    "e",
    "towgs84",
    "nadgrids",
    "pm",
    "units",
    "to_meter",
    "no_defs",
    "type",
    "wktext",
    "vunits",
    "vto_meter",
    "geoidgrids",
    "axis",
    "title",
    "init",
    "R_A",
    "R_V",
    "R_a",
    "R_g",
    "R_h",
];

/// Reads a PROJ string that describes a CRS.
pub(crate) fn read(text: &str) -> Result<ReadProj, String> {
    let parts = ProjText::split(text)?;
    if parts.has("step") || parts.get("proj") == Some("pipeline") {
        return Err("a pipeline is an operation, not a CRS".into());
    }
    if parts.has("init") {
        return Err("+init is not supported, use the EPSG code".into());
    }
    let proj = parts.get("proj").ok_or("no +proj")?.to_string();
    if parts.get("nadgrids").is_some_and(|grids| grids != "@null") {
        return Err("+nadgrids needs grid files, which are not supported".into());
    }
    let is_web = parts.get("nadgrids") == Some("@null");
    let ellipsoid = read_ellipsoid(&parts)?;
    let meridian = read_meridian(&parts)?;
    let datum = read_datum(&parts, ellipsoid, meridian, is_web)?;
    if matches!(proj.as_str(), "longlat" | "latlong" | "lonlat" | "latlon") {
        if parts.has("geoc") || parts.has("lon_0") || parts.has("axis") {
            return Err("geocentric latitudes, +lon_0 and +axis are not supported for longitude and latitude".into());
        }
        let system = System::new(
            Unit::degree(),
            [("Longitude", "lon", "east"), ("Latitude", "lat", "north")],
        );
        let geodetic = Geodetic {
            name: geodetic_name(&datum),
            code: None,
            datum,
            system: system.clone(),
        };
        let definition = Definition {
            name: geodetic.name.clone(),
            authority: None,
            geodetic: geodetic.clone(),
            projected: None,
            compound: None,
            area: None,
        };
        return Ok(ReadProj {
            geodetic,
            engine: None,
            definition: Some(definition),
            system,
        });
    }
    let mut system = System::east_north(read_unit(&parts)?);
    match parts.get("axis") {
        None | Some("enu") => {}
        Some("wsu") => {
            system = System::new(
                system.unit,
                [("Westing", "Y", "west"), ("Southing", "X", "south")],
            )
        }
        Some("swu") => {
            system = System::new(
                system.unit,
                [("Southing", "X", "south"), ("Westing", "Y", "west")],
            )
        }
        Some("neu") => {}
        Some("wnu") => {
            system = System::new(
                system.unit,
                [("Westing", "Y", "west"), ("Northing", "X", "north")],
            )
        }
        Some(axis) => return Err(format!("+axis={axis} is not supported")),
    }
    let geodetic = Geodetic {
        name: geodetic_name(&datum),
        code: None,
        system: System::latitude_longitude(),
        datum,
    };
    let conversion = read_conversion(&proj, &parts, &geodetic, &system, is_web)?;
    let definition = conversion.map(|conversion| Definition {
        name: "unnamed".into(),
        authority: None,
        geodetic: geodetic.clone(),
        projected: Some(Projected {
            conversion,
            system: system.clone(),
        }),
        compound: None,
        area: None,
    });
    let engine = engine_text(&proj, &parts)?;
    Ok(ReadProj {
        geodetic,
        engine: Some(engine),
        definition,
        system,
    })
}

/// Writes the projection of a PROJ string anew, without its datum and unit.
fn engine_text(proj: &str, parts: &ProjText) -> Result<String, String> {
    let mut text = format!("+proj={proj}");
    for (key, value) in &parts.0 {
        if key == "proj" || FRAME_KEYS.contains(&key.as_str()) {
            continue;
        }
        let is_angle = key.starts_with("lat_")
            || key.starts_with("lon")
            || matches!(key.as_str(), "alpha" | "gamma" | "tilt" | "azi");
        let is_number = matches!(
            key.as_str(),
            "x_0" | "y_0" | "k" | "k_0" | "h" | "zone" | "W" | "M" | "n"
        );
        if value.is_empty() {
            // Writing is not allowed to fail here: a String has room.
            let _ = write!(text, " +{key}");
        } else if is_angle {
            let angle = read_angle(value).ok_or(format!("{key}={value} is no angle"))?;
            let _ = write!(text, " +{key}={angle}");
        } else if is_number {
            let number = read_number(value).ok_or(format!("{key}={value} is no number"))?;
            let _ = write!(text, " +{key}={number}");
        } else if value.chars().all(|c| c.is_ascii_alphanumeric()) {
            let _ = write!(text, " +{key}={value}");
        } else {
            return Err(format!("{key}={value} is not understood"));
        }
    }
    Ok(text)
}

fn geodetic_name(datum: &Datum) -> String {
    datum
        .code
        .and_then(registry::geodetic_on_datum)
        .map_or("unknown".into(), |known| known.name)
}

fn read_ellipsoid(parts: &ProjText) -> Result<Option<Ellipsoid>, String> {
    if ["R_A", "R_V", "R_a", "R_g", "R_h", "R_lat_a", "R_lat_g"]
        .iter()
        .any(|key| parts.has(key))
    {
        return Err(
            "a sphere derived from an ellipsoid (+R_A and the like) is not supported".into(),
        );
    }
    let named = |name: &str, a_m: f64, inverse_flattening: f64| {
        if !(1.0..1e9).contains(&a_m)
            || !inverse_flattening.is_finite()
            || inverse_flattening < 0.0
            || (inverse_flattening > 0.0 && inverse_flattening <= 1.0)
        {
            return Err(format!(
                "an ellipsoid of {a_m} m and 1/{inverse_flattening} makes no sense"
            ));
        }
        Ok(Some(Ellipsoid {
            name: name.into(),
            code: None,
            a_m,
            inverse_flattening,
        }))
    };
    if let Some(radius) = parts.number("R")? {
        return named("unknown", radius, 0.0);
    }
    let mut base = None;
    if let Some(name) = parts.get("ellps") {
        let known = ELLIPSOIDS
            .iter()
            .find(|(known, _)| *known == name)
            .and_then(|(_, code)| registry::ellipsoid(*code));
        base = known.or_else(|| {
            let (name, a_m, rf) = MORE_ELLIPSOIDS
                .iter()
                .find(|(known, _, _)| *known == name)?;
            Some(Ellipsoid {
                name: (*name).into(),
                code: None,
                a_m: *a_m,
                inverse_flattening: *rf,
            })
        });
        if base.is_none() {
            return Err(format!("unknown ellipsoid {name}"));
        }
    }
    let has_shape = ["b", "rf", "f", "es", "e"].iter().any(|key| parts.has(key));
    let Some(a_m) = parts
        .number("a")?
        .or(base.as_ref().filter(|_| has_shape).map(|base| base.a_m))
    else {
        return Ok(base);
    };
    if let Some(b_m) = parts.number("b")? {
        return named(
            "unknown",
            a_m,
            if a_m == b_m { 0.0 } else { a_m / (a_m - b_m) },
        );
    }
    if let Some(rf) = parts.number("rf")? {
        return named("unknown", a_m, rf);
    }
    if let Some(f) = parts.number("f")? {
        return named("unknown", a_m, if f == 0.0 { 0.0 } else { 1.0 / f });
    }
    let squared = match (parts.number("es")?, parts.number("e")?) {
        (Some(es), _) => Some(es),
        (None, Some(e)) => Some(e * e),
        _ => None,
    };
    if let Some(es) = squared {
        return named(
            "unknown",
            a_m,
            if es == 0.0 {
                0.0
            } else {
                1.0 / (1.0 - (1.0 - es).sqrt())
            },
        );
    }
    named(
        "unknown",
        a_m,
        base.map_or(0.0, |base| base.inverse_flattening),
    )
}

fn read_meridian(parts: &ProjText) -> Result<Meridian, String> {
    let Some(text) = parts.get("pm") else {
        return Ok(Meridian::greenwich());
    };
    if let Some((_, code)) = MERIDIANS.iter().find(|(name, _)| *name == text) {
        return registry::meridian(*code).ok_or(format!("no prime meridian {code}"));
    }
    let longitude = read_angle(text).ok_or(format!("pm={text} is no meridian"))?;
    Ok(Meridian {
        name: "unknown".into(),
        code: None,
        longitude,
    })
}

fn read_datum(
    parts: &ProjText,
    ellipsoid: Option<Ellipsoid>,
    meridian: Meridian,
    is_web: bool,
) -> Result<Datum, String> {
    if is_web {
        return registry::datum(6326).ok_or("no WGS 84".into());
    }
    if let Some(name) = parts.get("datum") {
        let (_, code) = DATUMS
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or(format!("unknown datum {name}"))?;
        let mut datum = registry::datum(*code).ok_or(format!("no datum {code}"))?;
        if meridian.longitude != 0.0 {
            datum.code = None;
        }
        datum.meridian = meridian;
        return Ok(datum);
    }
    let ellipsoid = match ellipsoid {
        Some(ellipsoid) => ellipsoid,
        None => {
            registry::ellipsoid(if parts.has("datum") { 7030 } else { 7019 }).ok_or("no GRS 80")?
        }
    };
    let to_wgs84 = parts.get("towgs84").map(read_to_wgs84).transpose()?;
    if ellipsoid.code == Some(7030) && to_wgs84 == Some([0.0; 7]) && meridian.longitude == 0.0 {
        return registry::datum(6326).ok_or("no WGS 84".into());
    }
    let name = format!("Unknown based on {} ellipsoid", ellipsoid.name);
    Ok(Datum {
        name,
        code: None,
        ellipsoid,
        meridian,
        to_wgs84,
    })
}

/// Reads three or seven numbers: metres, arc seconds, ppm (position vector).
pub(crate) fn read_to_wgs84(text: &str) -> Result<[f64; 7], String> {
    let numbers: Vec<f64> = text
        .split(',')
        .filter_map(|number| number.trim().parse().ok())
        .collect();
    to_wgs84_of(&numbers).ok_or(format!("towgs84={text} is not three or seven numbers"))
}

/// Returns the seven parameters of three or seven finite numbers.
pub(crate) fn to_wgs84_of(numbers: &[f64]) -> Option<[f64; 7]> {
    if !(numbers.len() == 3 || numbers.len() == 7)
        || numbers.iter().any(|number| !number.is_finite())
    {
        return None;
    }
    let mut seven = [0.0; 7];
    seven[..numbers.len()].copy_from_slice(numbers);
    Some(seven)
}

fn read_unit(parts: &ProjText) -> Result<Unit, String> {
    if let Some(factor) = parts.number("to_meter")? {
        if factor <= 0.0 {
            return Err("to_meter is not positive".into());
        }
        return Ok(registry::unit_of_size("length", factor).unwrap_or(Unit {
            name: "unknown".into(),
            code: None,
            factor,
        }));
    }
    let Some(name) = parts.get("units") else {
        return Ok(Unit::metre());
    };
    if let Some((_, code)) = UNITS.iter().find(|(known, _)| *known == name) {
        return registry::unit(*code).ok_or(format!("no unit {code}"));
    }
    let (_, factor) = MORE_UNITS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or(format!("unknown unit {name}"))?;
    Ok(Unit {
        name: name.into(),
        code: None,
        factor: *factor,
    })
}

/// Returns the conversion in EPSG's words, `None` where there are none.
fn read_conversion(
    proj: &str,
    parts: &ProjText,
    geodetic: &Geodetic,
    system: &System,
    is_web: bool,
) -> Result<Option<Conversion>, String> {
    if proj == "utm" {
        return read_utm(parts).map(Some);
    }
    let Some((method, skipped)) = method_of(proj, parts, geodetic, system, is_web)? else {
        return Ok(None);
    };
    let Some(spec) = method.spec() else {
        return Ok(None);
    };
    let words: Vec<&str> = spec
        .parameters
        .iter()
        .map(|parameter| parameter.proj)
        .collect();
    let others = parts.0.iter().any(|(key, _)| {
        let key = if key == "k" { "k_0" } else { key.as_str() };
        key != "proj"
            && !FRAME_KEYS.contains(&key)
            && !skipped.contains(&key)
            && !words
                .iter()
                .any(|word| *word == key || (*word == "k" && key == "k_0"))
    });
    if others {
        return Ok(None);
    }
    let mut parameters = Vec::new();
    for parameter in spec.parameters {
        let value = match parameter.proj {
            "" => Some(78.5),
            "k" | "k_0" => parts.number("k_0")?.or(parts.number("k")?),
            "x_0" | "y_0" => parts.number(parameter.proj)?,
            key => parts.angle(key)?,
        };
        parameters.push((
            parameter.code,
            value.unwrap_or(Method::default_value(parameter.code)),
        ));
    }
    complete(method, parts, &mut parameters)?;
    Ok(Some(Conversion {
        name: "unnamed".into(),
        method,
        parameters,
    }))
}

fn set(parameters: &mut [(u16, f64)], code: u16, value: f64) {
    if let Some(slot) = parameters.iter_mut().find(|(known, _)| *known == code) {
        slot.1 = value;
    }
}

/// Fills in what a PROJ string says by other keys.
fn complete(method: Method, parts: &ProjText, parameters: &mut [(u16, f64)]) -> Result<(), String> {
    match method {
        Method::LambertConic1 => {
            if let Some(latitude) = parts.angle("lat_1")? {
                set(parameters, 8801, latitude);
            }
        }
        Method::ObliqueMercatorA | Method::ObliqueMercatorB => {
            if parts.get("gamma").is_none() {
                let alpha = parts.angle("alpha")?.unwrap_or(0.0);
                set(parameters, 8814, alpha);
            }
            if parts.get("proj") == Some("somerc") {
                set(parameters, 8812, parts.angle("lon_0")?.unwrap_or(0.0));
                set(parameters, 8813, 90.0);
                set(parameters, 8814, 90.0);
            }
        }
        Method::Krovak | Method::KrovakNorth => {
            if parts.get("alpha").is_none() {
                set(parameters, 1036, 30.288_139_752_777_8);
            }
            if parts.get("lat_0").is_none() {
                set(parameters, 8811, 49.5);
            }
            if parts.get("lon_0").is_none() {
                set(parameters, 8833, 24.833_333_333_333_3);
            }
            if parts.get("k").is_none() && parts.get("k_0").is_none() {
                set(parameters, 8819, 0.9999);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Returns the method and the keys it explains besides its own.
fn method_of(
    proj: &str,
    parts: &ProjText,
    geodetic: &Geodetic,
    system: &System,
    is_web: bool,
) -> Result<Option<(Method, &'static [&'static str])>, String> {
    let is_sphere = geodetic.datum.ellipsoid.is_sphere();
    let is_turned = system.signs() == (-1.0, -1.0);
    Ok(Some(match proj {
        "tmerc" | "etmerc" if is_turned => (Method::TransverseMercatorSouth, &[]),
        "tmerc" | "etmerc" => (Method::TransverseMercator, &[]),
        "lcc" => {
            let latitudes = (
                parts.angle("lat_1")?,
                parts.angle("lat_2")?,
                parts.angle("lat_0")?,
            );
            match latitudes {
                (Some(one), None, Some(origin)) if one == origin => {
                    (Method::LambertConic1, &["lat_1"])
                }
                (Some(_), Some(_), _) if parts.get("k_0").is_none() && parts.get("k").is_none() => {
                    (Method::LambertConic2, &[])
                }
                _ => return Ok(None),
            }
        }
        "merc" | "webmerc" if is_web || proj == "webmerc" => {
            (Method::PseudoMercator, &["lat_ts", "k_0", "over"])
        }
        "merc" if parts.get("lat_ts").is_some() => (Method::MercatorB, &[]),
        "merc" => (Method::MercatorA, &[]),
        "cass" => (Method::CassiniSoldner, &[]),
        "sterea" => (Method::ObliqueStereographic, &[]),
        "stere" => {
            let pole = parts.angle("lat_0")?.unwrap_or(0.0);
            if pole.abs() != 90.0 {
                return Ok(None);
            }
            match parts.angle("lat_ts")? {
                Some(latitude)
                    if latitude * pole > 0.0
                        && latitude.abs() < 90.0
                        && parts
                            .number("k_0")?
                            .or(parts.number("k")?)
                            .is_none_or(|k| k == 1.0) =>
                {
                    (Method::PolarStereographicB, &["lat_0", "k_0"])
                }
                None => (Method::PolarStereographicA, &[]),
                Some(latitude) if latitude == pole => (Method::PolarStereographicA, &["lat_ts"]),
                _ => return Ok(None),
            }
        }
        "somerc" => (Method::ObliqueMercatorB, &["lon_0"]),
        "omerc" if parts.get("alpha").is_none() || parts.has("no_rot") => return Ok(None),
        "omerc" if parts.has("no_uoff") || parts.has("no_off") => {
            (Method::ObliqueMercatorA, &["no_uoff", "no_off"])
        }
        "omerc" => (Method::ObliqueMercatorB, &[]),
        "laea" if is_sphere => (Method::AzimuthalEqualAreaSpherical, &[]),
        "laea" => (Method::AzimuthalEqualArea, &[]),
        "aea" => (Method::Albers, &[]),
        "krovak" if is_turned => (Method::Krovak, &[]),
        "krovak" if parts.has("czech") => return Ok(None),
        "krovak" => (Method::KrovakNorth, &[]),
        "eqc"
            if parts
                .angle("lat_0")?
                .is_some_and(|latitude| latitude != 0.0) =>
        {
            return Ok(None);
        }
        "eqc" if is_sphere => (Method::EquidistantCylindricalSpherical, &["lat_0"]),
        "eqc" => (Method::EquidistantCylindrical, &["lat_0"]),
        "poly" => (Method::Polyconic, &[]),
        "cea" if is_sphere => (Method::CylindricalEqualAreaSpherical, &[]),
        "cea" => (Method::CylindricalEqualArea, &[]),
        "ortho" => (Method::Orthographic, &[]),
        "aeqd" if parts.has("guam") => return Ok(None),
        "aeqd" => (Method::AzimuthalEquidistant, &[]),
        "eqearth" => (Method::EqualEarth, &[]),
        "eqdc" => (Method::EquidistantConic, &[]),
        "gnom" => (Method::Gnomonic, &[]),
        "sinu" => (Method::Sinusoidal, &[]),
        "moll" => (Method::Mollweide, &[]),
        "robin" => (Method::Robinson, &[]),
        _ => return Ok(None),
    }))
}

fn read_utm(parts: &ProjText) -> Result<Conversion, String> {
    let zone: u8 = parts
        .get("zone")
        .and_then(|zone| zone.parse().ok())
        .filter(|zone| (1..=60).contains(zone))
        .ok_or("a UTM zone is a number from 1 to 60")?;
    let is_south = parts.has("south");
    Ok(Conversion {
        name: format!("UTM zone {zone}{}", if is_south { "S" } else { "N" }),
        method: Method::TransverseMercator,
        parameters: vec![
            (8801, 0.0),
            (8802, f64::from(zone) * 6.0 - 183.0),
            (8805, 0.9996),
            (8806, 500_000.0),
            (8807, if is_south { 10_000_000.0 } else { 0.0 }),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_are_read_in_all_notations() {
        for (text, degrees) in [
            ("12.5", 12.5),
            ("12d30", 12.5),
            ("12d30'", 12.5),
            ("12d29'60\"W", -12.5),
            ("1r", 57.295_779_513_082_32),
            ("-3d30'E", -3.5),
        ] {
            let angle = read_angle(text).expect("a readable angle");
            assert!((angle - degrees).abs() < 1e-12, "{text}: {angle}");
        }
        for text in ["", "d", "--3", "1e999", "é"] {
            assert_eq!(
                read_angle(text).filter(|angle| *angle != 0.0),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn a_pipeline_is_not_a_crs() {
        assert!(read("+proj=pipeline +step +proj=utm +zone=32").is_err());
        assert!(read("+proj=utm +zone=99").is_err());
        assert!(read("+proj=merc +a=\u{1F600}").is_err());
    }
}
