//! Reads WKT 1 (OGC 01-009 as GDAL and ESRI write it) and WKT 2 (ISO 19162).

use super::Reading;
use super::definition::{
    Authority, Axis, Compound, Conversion, Datum, Definition, Ellipsoid, Geodetic, Meridian,
    Projected, System, Unit, plain,
};
use super::method::{Method, PARAMETER_NAMES};
use super::proj_text::to_wgs84_of;
use super::registry;
use super::wkt_tree::Node;

const GEOGRAPHIC: &[&str] = &[
    "GEOGCS",
    "GEOGCRS",
    "GEOGRAPHICCRS",
    "GEODCRS",
    "GEODETICCRS",
    "BASEGEOGCRS",
    "BASEGEODCRS",
];
const PROJECTED: &[&str] = &["PROJCS", "PROJCRS", "PROJECTEDCRS"];
const UNIT: &[&str] = &["UNIT", "LENGTHUNIT", "ANGLEUNIT", "SCALEUNIT"];
const ID: &[&str] = &["AUTHORITY", "ID"];

/// Reads a definition; one of a kind that we do not compute becomes a mere text.
pub(crate) fn read(text: &str) -> Result<Reading, String> {
    let node = Node::read(text)?;
    read_node(&node)
}

fn read_node(node: &Node) -> Result<Reading, String> {
    match node.keyword.as_str() {
        keyword if PROJECTED.contains(&keyword) => read_projected(node),
        keyword if GEOGRAPHIC.contains(&keyword) => read_geographic(node),
        "COMPD_CS" | "COMPOUNDCRS" => read_compound(node),
        "BOUNDCRS" => read_bound(node),
        "LOCAL_CS" | "ENGCRS" | "ENGINEERINGCRS" | "GEOCCS" | "VERT_CS" | "VERTCRS"
        | "DERIVEDPROJCRS" | "PARAMETRICCRS" | "TIMECRS" | "VERTICALCRS" => Ok(only_text(
            node,
            "a CRS of this kind has no place on the Earth's surface",
        )),
        keyword => Err(format!("{keyword} is not the keyword of a CRS")),
    }
}

fn only_text(node: &Node, why: impl Into<String>) -> Reading {
    Reading::Text {
        name: node.name().into(),
        why: why.into(),
    }
}

fn read_geographic(node: &Node) -> Result<Reading, String> {
    // A geodetic CRS with three Cartesian axes is geocentric.
    if node
        .child(&["CS"])
        .and_then(Node::word)
        .is_some_and(|kind| kind.eq_ignore_ascii_case("cartesian"))
    {
        return Ok(only_text(node, "geocentric coordinates are not x and y"));
    }
    if node.child(&["DERIVINGCONVERSION"]).is_some() {
        return Ok(only_text(node, "a derived geographic CRS is not supported"));
    }
    let geodetic = match read_geodetic(node) {
        Ok(geodetic) => geodetic,
        Err(why) => return Ok(only_text(node, why)),
    };
    Ok(Reading::Known(Box::new(Definition {
        name: node.name().into(),
        authority: read_id(node),
        geodetic,
        projected: None,
        compound: None,
        area: None,
    })))
}

fn read_projected(node: &Node) -> Result<Reading, String> {
    let base = node
        .child(GEOGRAPHIC)
        .ok_or("the projected CRS has no geographic one")?;
    let geodetic = match read_geodetic(base) {
        Ok(geodetic) => geodetic,
        Err(why) => return Ok(only_text(node, why)),
    };
    let unit = linear_unit(node)?;
    // WKT 1 may leave the axes out: those of the code hold, else east and north.
    let listed = || {
        let (authority, code) = read_id(node)?;
        let known = (authority == Authority::Epsg).then(|| registry::definition(code))??;
        known.projected.map(|projected| projected.system.axes)
    };
    let axes = read_axes(node)
        .or_else(listed)
        .unwrap_or_else(|| System::east_north(Unit::metre()).axes);
    let system = System {
        unit,
        axes,
        has_height: false,
    };
    let conversion = match read_conversion(node, &geodetic, &system) {
        Ok(conversion) => conversion,
        Err(why) => return Ok(only_text(node, why)),
    };
    let system = turned(system, conversion.method, read_axes(node).is_some());
    Ok(Reading::Known(Box::new(Definition {
        name: node.name().into(),
        authority: read_id(node),
        geodetic,
        projected: Some(Projected { conversion, system }),
        compound: None,
        area: None,
    })))
}

/// The south-orientated Mercator counts to the west and south unless axes say otherwise.
fn turned(system: System, method: Method, has_axes: bool) -> System {
    if method != Method::TransverseMercatorSouth || has_axes {
        return system;
    }
    System::new(
        system.unit,
        [("Westing", "Y", "west"), ("Southing", "X", "south")],
    )
}

fn read_compound(node: &Node) -> Result<Reading, String> {
    let parts: Vec<&Node> = PROJECTED
        .iter()
        .chain(GEOGRAPHIC)
        .filter_map(|keyword| node.child(&[keyword]))
        .collect();
    let horizontal = match (parts.first(), node.child(&["BOUNDCRS"])) {
        (Some(part), _) => read_node(part)?,
        (None, Some(bound)) => read_bound(bound)?,
        (None, None) => return Ok(only_text(node, "the compound CRS has no horizontal part")),
    };
    let Reading::Known(mut definition) = horizontal else {
        return Ok(horizontal);
    };
    let vertical = node.child(&["VERT_CS", "VERTCRS", "VERTICALCRS"]);
    definition.compound = Some(Compound {
        name: node.name().into(),
        code: read_id(node)
            .and_then(|(authority, code)| (authority == Authority::Epsg).then_some(code)),
        vertical: vertical.and_then(read_id).map(|(_, code)| code),
    });
    Ok(Reading::Known(definition))
}

fn read_bound(node: &Node) -> Result<Reading, String> {
    let source = node
        .child(&["SOURCECRS"])
        .and_then(|source| source.values.iter().find_map(as_node));
    let mut reading = read_node(source.ok_or("the bound CRS has no source")?)?;
    let Reading::Known(definition) = &mut reading else {
        return Ok(reading);
    };
    let Some(transformation) = node.child(&["ABRIDGEDTRANSFORMATION"]) else {
        return Ok(reading);
    };
    let numbers: Vec<f64> = transformation
        .all(&["PARAMETER"])
        .filter_map(|parameter| parameter.number(0))
        .collect();
    let Some(mut seven) = to_wgs84_of(&numbers) else {
        return Ok(only_text(
            node,
            "its shift to another CRS is neither a translation nor a Helmert transformation",
        ));
    };
    let method = plain(
        transformation
            .child(&["METHOD", "PROJECTION"])
            .map_or("", Node::name),
    );
    if method.contains("coordinateframe") {
        seven[3..6].iter_mut().for_each(|angle| *angle = -*angle);
    }
    // The scale stands as a factor in an abridged transformation: 1.0000024 for 2.4 ppm.
    if numbers.len() == 7 && (seven[6] - 1.0).abs() < 0.01 {
        seven[6] = (seven[6] - 1.0) * 1e6;
    }
    definition.geodetic.datum.to_wgs84 = Some(seven);
    Ok(reading)
}

fn as_node(value: &super::wkt_tree::Value) -> Option<&Node> {
    match value {
        super::wkt_tree::Value::Node(node) => Some(node),
        _ => None,
    }
}

pub(super) fn read_id(node: &Node) -> Option<(Authority, u32)> {
    let id = node.child(ID)?;
    let authority = match id.name().to_ascii_uppercase().as_str() {
        "EPSG" => Authority::Epsg,
        "ESRI" => Authority::Esri,
        "OGC"
            if id.values.iter().any(
                |value| matches!(value, super::wkt_tree::Value::Text(code) if code == "CRS84"),
            ) =>
        {
            return Some((Authority::Epsg, 4326));
        }
        _ => return None,
    };
    let code = id
        .number(0)
        .filter(|code| (1.0..1e9).contains(code) && code.fract() == 0.0)?;
    Some((authority, code as u32))
}

fn epsg_of(node: &Node) -> Option<u32> {
    read_id(node).and_then(|(authority, code)| (authority == Authority::Epsg).then_some(code))
}

fn read_geodetic(node: &Node) -> Result<Geodetic, String> {
    let unit = angular_unit(node)?;
    let meridian = match node.child(&["PRIMEM", "PRIMEMERIDIAN"]) {
        Some(found) => {
            let longitude = found
                .number(0)
                .ok_or("the prime meridian has no longitude")?;
            let own = found.child(UNIT).and_then(|unit| unit.number(0));
            // WKT 1 gives degrees here whatever the unit of the CRS is, WKT 2 the unit of the CRS.
            let degrees = match own {
                Some(factor) => in_degrees(longitude, factor),
                None if node.keyword.ends_with("CRS") => in_degrees(longitude, unit.factor),
                None => longitude,
            };
            Meridian {
                name: found.name().into(),
                code: epsg_of(found),
                longitude: degrees,
            }
        }
        None => Meridian::greenwich(),
    };
    let datum = node
        .child(&["DATUM", "GEODETICDATUM", "TRF", "ENSEMBLE"])
        .ok_or("the geographic CRS has no datum")?;
    let axes = read_axes(node).unwrap_or(System::latitude_longitude().axes);
    Ok(Geodetic {
        name: node.name().into(),
        code: epsg_of(node),
        datum: read_datum(datum, meridian)?,
        system: System {
            unit,
            axes,
            has_height: false,
        },
    })
}

fn read_datum(node: &Node, meridian: Meridian) -> Result<Datum, String> {
    let surface = node
        .child(&["SPHEROID", "ELLIPSOID"])
        .ok_or("the datum has no ellipsoid")?;
    let unit = surface
        .child(UNIT)
        .and_then(|unit| unit.number(0))
        .unwrap_or(1.0);
    let (a, inverse_flattening) = (surface.number(0), surface.number(1));
    let (Some(a), Some(inverse_flattening)) = (a, inverse_flattening) else {
        return Err("the ellipsoid lacks its two numbers".into());
    };
    let a_m = a * unit;
    let is_sane =
        (1.0..1e9).contains(&a_m) && (inverse_flattening == 0.0 || inverse_flattening > 1.0);
    if !is_sane {
        return Err(format!(
            "an ellipsoid of {a_m} m and 1/{inverse_flattening} makes no sense"
        ));
    }
    let ellipsoid = Ellipsoid {
        name: surface.name().into(),
        code: epsg_of(surface),
        a_m,
        inverse_flattening,
    };
    let to_wgs84 = node
        .child(&["TOWGS84"])
        .and_then(|shift| to_wgs84_of(&shift.numbers().collect::<Vec<f64>>()));
    Ok(named_datum(
        node.name(),
        epsg_of(node),
        ellipsoid,
        meridian,
        to_wgs84,
    ))
}

/// Returns the datum of the table where name or code, ellipsoid and meridian agree with it.
pub(super) fn named_datum(
    name: &str,
    code: Option<u32>,
    ellipsoid: Ellipsoid,
    meridian: Meridian,
    to_wgs84: Option<[f64; 7]>,
) -> Datum {
    let candidates = [code, registry::datum_named(name)];
    let fits = |known: &Datum| {
        (known.ellipsoid.a_m - ellipsoid.a_m).abs() < 0.1
            && (known.ellipsoid.inverse_flattening - ellipsoid.inverse_flattening).abs() < 1e-4
            && (known.meridian.longitude - meridian.longitude).abs() < 1e-6
    };
    let found = candidates
        .into_iter()
        .flatten()
        .filter_map(registry::datum)
        .find(fits);
    let mut datum = found.unwrap_or(Datum {
        name: name.into(),
        code: None,
        ellipsoid,
        meridian,
        to_wgs84: None,
    });
    datum.to_wgs84 = to_wgs84;
    datum
}

fn read_unit(node: &Node) -> Result<Unit, String> {
    let factor = node
        .number(0)
        .filter(|factor| *factor > 0.0)
        .ok_or("a unit has no size")?;
    Ok(Unit {
        name: node.name().into(),
        code: epsg_of(node),
        factor,
    })
}

/// Returns the unit of a CRS: of its own, of its coordinate system, or of its first axis.
fn own_unit(node: &Node) -> Option<&Node> {
    let of_axis = || node.all(&["AXIS"]).find_map(|axis| axis.child(UNIT));
    node.child(UNIT).or_else(of_axis)
}

fn linear_unit(node: &Node) -> Result<Unit, String> {
    let unit = own_unit(node).map_or(Ok(Unit::metre()), read_unit)?;
    Ok(registry::unit_of_size("length", unit.factor).unwrap_or(unit))
}

fn angular_unit(node: &Node) -> Result<Unit, String> {
    let unit = own_unit(node).map_or(Ok(Unit::degree()), read_unit)?;
    Ok(registry::unit_of_size("angle", unit.factor).unwrap_or(unit))
}

fn read_axes(node: &Node) -> Option<[Axis; 2]> {
    let mut axes = node.all(&["AXIS"]).map(|axis| {
        let direction = axis.word().unwrap_or("east").to_ascii_lowercase();
        let direction = if direction == "unspecified" || direction == "other" {
            "east".into()
        } else {
            direction
        };
        let (name, abbreviation) = match axis.name().split_once(" (") {
            Some((name, rest)) => (name, rest.trim_end_matches(')')),
            None => match axis.name().trim_matches(['(', ')']) {
                short if short.len() == 1 => (
                    if direction == "north" {
                        "Northing"
                    } else {
                        "Easting"
                    },
                    short,
                ),
                name => (name, &name[..name.chars().next().map_or(0, char::len_utf8)]),
            },
        };
        Axis {
            name: name.into(),
            abbreviation: abbreviation.into(),
            direction,
        }
    });
    Some([axes.next()?, axes.next()?])
}

fn read_conversion(
    node: &Node,
    geodetic: &Geodetic,
    system: &System,
) -> Result<Conversion, String> {
    // WKT 2 has the parameters within CONVERSION, WKT 1 beside PROJECTION.
    let holder = node.child(&["CONVERSION"]).unwrap_or(node);
    let method_node = holder
        .child(&["METHOD", "PROJECTION"])
        .ok_or("the projected CRS has no projection")?;
    let given: Vec<Given> = holder
        .all(&["PARAMETER"])
        .map(|parameter| Given {
            name: plain(parameter.name()),
            code: epsg_of(parameter).and_then(|code| u16::try_from(code).ok()),
            value: parameter.number(0).unwrap_or(0.0),
            unit: parameter.child(UNIT).and_then(|unit| unit.number(0)),
        })
        .collect();
    let by_code = epsg_of(method_node)
        .and_then(|code| u16::try_from(code).ok())
        .map(Method::from_epsg);
    let is_wkt1 = node.child(&["CONVERSION"]).is_none();
    let method = match by_code {
        Some(method) if method.spec().is_some() => method,
        _ => method_named(method_node.name(), &given, system).ok_or(format!(
            "its projection {} is not built in",
            method_node.name()
        ))?,
    };
    let extension = extension_text(node);
    let is_web = extension.is_some_and(|text| text.contains("+nadgrids=@null"));
    let method = if is_web {
        Method::PseudoMercator
    } else {
        method
    };
    if let Some(extension) = extension.filter(|text| !is_web && text.contains("+nadgrids")) {
        return Err(format!("its definition hides a PROJ string: {extension}"));
    }
    let units = ParameterUnits {
        angle: geodetic.system.unit.factor,
        length: system.unit.factor,
    };
    let name = if is_wkt1 { node.name() } else { holder.name() };
    Ok(Conversion {
        name: name.into(),
        method,
        parameters: assemble(method, &given, &units)?,
    })
}

/// Returns the PROJ string that GDAL adds where WKT 1 has no words (web maps, grid shifts).
fn extension_text(node: &Node) -> Option<&str> {
    let extension = node
        .child(&["EXTENSION"])
        .filter(|extension| extension.name() == "PROJ4")?;
    extension
        .values
        .iter()
        .skip(1)
        .find_map(|value| match value {
            super::wkt_tree::Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
}

pub(super) struct Given {
    /// Plain letters of the name.
    pub name: String,
    pub code: Option<u16>,
    pub value: f64,
    /// Radians, metres or 1, where the parameter names its unit.
    pub unit: Option<f64>,
}

pub(super) struct ParameterUnits {
    pub angle: f64,
    pub length: f64,
}

/// Returns the method of a name, told apart by its parameters where dialects share a name.
fn method_named(name: &str, given: &[Given], system: &System) -> Option<Method> {
    let has = |wanted: &str| given.iter().any(|parameter| parameter.name == wanted);
    let value = |wanted: &str| {
        given
            .iter()
            .find(|parameter| parameter.name == wanted)
            .map(|parameter| parameter.value)
    };
    Some(match plain(name).as_str() {
        // ESRI writes both Lambert conics under one name.
        "lambertconformalconic" if !has("standardparallel2") => Method::LambertConic1,
        "stereographic"
            if value("latitudeoforigin")
                .or(value("latitudeofcenter"))
                .is_some_and(|lat| lat.abs() == 90.0) =>
        {
            Method::PolarStereographicA
        }
        "polarstereographic"
            if value("latitudeoforigin").is_some_and(|latitude| latitude.abs() == 90.0) =>
        {
            Method::PolarStereographicA
        }
        "stereographicnorthpole" | "stereographicsouthpole" => Method::PolarStereographicB,
        "krovak" if system.signs() == (1.0, 1.0) => Method::KrovakNorth,
        "equidistantcylindricalspherical" => Method::EquidistantCylindricalSpherical,
        "mercator" | "mercator2sp" if has("scalefactor") && !has("standardparallel1") => {
            Method::MercatorA
        }
        _ => Method::from_name(name)?,
    })
}

/// Which EPSG parameters a name of WKT 1 may stand for; the method decides.
const WKT1_NAMES: &[(&str, &[u16])] = &[
    ("latitudeoforigin", &[8801, 8821, 8832, 8811]),
    ("latitudeofcenter", &[8811, 8801, 8821]),
    ("latitudeofcentre", &[8811, 8801, 8821]),
    ("centralmeridian", &[8802, 8822, 8833, 8812]),
    ("longitudeofcenter", &[8812, 8802, 8822, 8833]),
    ("longitudeofcentre", &[8812, 8802, 8822, 8833]),
    ("longitudeoforigin", &[8802, 8822, 8833]),
    ("straightverticallongitudefrompole", &[8833, 8802]),
    ("standardparallel1", &[8823, 8832]),
    ("standardparallel2", &[8824]),
    ("scalefactor", &[8805, 8815, 8819]),
    ("falseeasting", &[8806, 8826, 8816]),
    ("falsenorthing", &[8807, 8827, 8817]),
    ("azimuth", &[8813, 1036]),
    ("rectifiedgridangle", &[8814]),
    ("pseudostandardparallel1", &[8818]),
];

/// Puts given parameters into the words of the method, in degrees and metres.
pub(super) fn assemble(
    method: Method,
    given: &[Given],
    units: &ParameterUnits,
) -> Result<Vec<(u16, f64)>, String> {
    let spec = method.spec().ok_or("the projection is not built in")?;
    let is_ours = |code: u16| {
        spec.parameters
            .iter()
            .any(|parameter| parameter.code == code)
    };
    let mut found: Vec<(u16, f64)> = Vec::new();
    for parameter in given {
        let by_name = PARAMETER_NAMES
            .iter()
            .find(|(_, name)| plain(name) == parameter.name)
            .map(|(code, _)| *code);
        let old_names = WKT1_NAMES
            .iter()
            .find(|(name, _)| *name == parameter.name)
            .map(|(_, codes)| *codes);
        let candidates = parameter
            .code
            .into_iter()
            .chain(by_name)
            .chain(old_names.unwrap_or(&[]).iter().copied());
        let Some(code) = candidates.into_iter().find(|code| is_ours(*code)) else {
            continue;
        };
        let value = if Method::is_scale(code) {
            parameter.value * parameter.unit.unwrap_or(1.0)
        } else if Method::is_length(code) {
            parameter.value * parameter.unit.unwrap_or(units.length)
        } else {
            in_degrees(parameter.value, parameter.unit.unwrap_or(units.angle))
        };
        if !found.iter().any(|(known, _)| *known == code) {
            found.push((code, value));
        }
    }
    let value = |wanted: u16| {
        found
            .iter()
            .find(|(code, _)| *code == wanted)
            .map(|(_, value)| *value)
    };
    let complete = spec.parameters.iter().map(|parameter| {
        let default = match parameter.code {
            8814 => value(8813).unwrap_or(0.0),
            1036 => 30.288_139_752_777_8,
            8818 => 78.5,
            code => Method::default_value(code),
        };
        (parameter.code, value(parameter.code).unwrap_or(default))
    });
    let complete: Vec<(u16, f64)> = complete.collect();
    Ok(swiss(method, complete))
}

/// ESRI's Swiss projection leaves the two angles out: both are 90 degrees.
fn swiss(method: Method, mut parameters: Vec<(u16, f64)>) -> Vec<(u16, f64)> {
    let is_blank = |code: u16| {
        parameters
            .iter()
            .any(|(known, value)| *known == code && *value == 0.0)
    };
    if method == Method::ObliqueMercatorB && is_blank(8813) && is_blank(8814) {
        for (code, value) in &mut parameters {
            if matches!(*code, 8813 | 8814) {
                *value = 90.0;
            }
        }
    }
    parameters
}

/// Degrees stay the very number that was written.
pub(super) fn in_degrees(value: f64, unit: f64) -> f64 {
    let degree = Unit::degree().factor;
    if (unit / degree - 1.0).abs() < 1e-9 {
        value
    } else {
        (value * unit).to_degrees()
    }
}
