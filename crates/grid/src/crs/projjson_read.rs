//! Reads PROJJSON, as GeoParquet and STAC items carry it.

use serde_json::Value;

use super::Reading;
use super::definition::{
    Authority, Axis, Compound, Conversion, Definition, Ellipsoid, Geodetic, Meridian, Projected,
    System, Unit, plain,
};
use super::method::Method;
use super::proj_text::to_wgs84_of;
use super::registry;
use super::wkt_read::{Given, ParameterUnits, assemble, in_degrees, named_datum};

/// Reads a definition; one of a kind that we do not compute becomes a mere text.
pub(crate) fn read(text: &str) -> Result<Reading, String> {
    // The JSON reader bounds the nesting by itself (128 levels).
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    read_value(&value)
}

fn read_value(value: &Value) -> Result<Reading, String> {
    let kind = value.get("type").and_then(Value::as_str).ok_or("no type")?;
    let understood = match kind {
        "GeographicCRS" | "GeodeticCRS" => read_geographic(value),
        "ProjectedCRS" => read_projected(value),
        "CompoundCRS" => return read_compound(value),
        "BoundCRS" => return read_bound(value),
        _ => Err("a CRS of this kind has no place on the Earth's surface".into()),
    };
    Ok(match understood {
        Ok(definition) => Reading::Known(Box::new(definition)),
        Err(why) => Reading::Text {
            name: name(value).into(),
            why,
        },
    })
}

fn name(value: &Value) -> &str {
    value.get("name").and_then(Value::as_str).unwrap_or("")
}

fn id(value: &Value) -> Option<(Authority, u32)> {
    let id = value.get("id").or_else(|| value.get("ids")?.get(0))?;
    let code = id.get("code")?;
    let number = code
        .as_u64()
        .or_else(|| code.as_str()?.parse().ok())
        .and_then(|code| u32::try_from(code).ok());
    match id.get("authority")?.as_str()?.to_ascii_uppercase().as_str() {
        "EPSG" => Some((Authority::Epsg, number?)),
        "ESRI" => Some((Authority::Esri, number?)),
        "OGC" if code.as_str() == Some("CRS84") => Some((Authority::Epsg, 4326)),
        _ => None,
    }
}

fn epsg(value: &Value) -> Option<u32> {
    id(value).and_then(|(authority, code)| (authority == Authority::Epsg).then_some(code))
}

fn read_geographic(value: &Value) -> Result<Definition, String> {
    let geodetic = read_geodetic(value)?;
    Ok(Definition {
        name: name(value).into(),
        authority: id(value),
        geodetic,
        projected: None,
        compound: None,
        area: None,
    })
}

fn read_projected(value: &Value) -> Result<Definition, String> {
    let base = value.get("base_crs").ok_or("no base_crs")?;
    let geodetic = read_geodetic(base)?;
    let conversion = value.get("conversion").ok_or("no conversion")?;
    let system = match value.get("coordinate_system") {
        Some(system) => read_system(system, "length")?,
        None => System::east_north(Unit::metre()),
    };
    Ok(Definition {
        name: name(value).into(),
        authority: id(value),
        geodetic,
        projected: Some(Projected {
            conversion: read_conversion(conversion)?,
            system,
        }),
        compound: None,
        area: None,
    })
}

fn read_compound(value: &Value) -> Result<Reading, String> {
    let components = value
        .get("components")
        .and_then(Value::as_array)
        .ok_or("no components")?;
    let first = components.first().ok_or("no components")?;
    if first.get("type").and_then(Value::as_str) == Some("CompoundCRS") {
        return Err("a compound within a compound".into());
    }
    let mut reading = read_value(first)?;
    if let Reading::Known(definition) = &mut reading {
        definition.compound = Some(Compound {
            name: name(value).into(),
            code: epsg(value),
            vertical: components.get(1).and_then(epsg),
        });
    }
    Ok(reading)
}

fn read_bound(value: &Value) -> Result<Reading, String> {
    let source = value.get("source_crs").ok_or("no source_crs")?;
    if source.get("type").and_then(Value::as_str) == Some("BoundCRS") {
        return Err("a bound CRS within a bound CRS".into());
    }
    let mut reading = read_value(source)?;
    let Reading::Known(definition) = &mut reading else {
        return Ok(reading);
    };
    let transformation = value.get("transformation").ok_or("no transformation")?;
    let parameters = transformation.get("parameters").and_then(Value::as_array);
    let numbers: Vec<f64> = parameters
        .into_iter()
        .flatten()
        .filter_map(|parameter| parameter.get("value")?.as_f64())
        .collect();
    let Some(mut seven) = to_wgs84_of(&numbers) else {
        let why =
            "its shift to another CRS is neither a translation nor a Helmert transformation".into();
        return Ok(Reading::Text {
            name: name(source).into(),
            why,
        });
    };
    if plain(transformation.get("method").map_or("", name)).contains("coordinateframe") {
        seven[3..6].iter_mut().for_each(|angle| *angle = -*angle);
    }
    definition.geodetic.datum.to_wgs84 = Some(seven);
    Ok(reading)
}

fn read_geodetic(value: &Value) -> Result<Geodetic, String> {
    let datum = value
        .get("datum")
        .or_else(|| value.get("datum_ensemble"))
        .ok_or("no datum")?;
    let surface = datum.get("ellipsoid").ok_or("no ellipsoid")?;
    let ellipsoid = read_ellipsoid(surface)?;
    let meridian = match datum.get("prime_meridian") {
        Some(found) => Meridian {
            name: name(found).into(),
            code: epsg(found),
            longitude: found
                .get("longitude")
                .and_then(measure(Unit::degree().factor))
                .ok_or("no meridian")?,
        },
        None => Meridian::greenwich(),
    };
    let system = match value.get("coordinate_system") {
        Some(system) => read_system(system, "angle")?,
        None => System::latitude_longitude(),
    };
    if system
        .axes
        .iter()
        .any(|axis| axis.direction.starts_with("geocentric"))
    {
        return Err("geocentric coordinates are not x and y".into());
    }
    Ok(Geodetic {
        name: name(value).into(),
        code: epsg(value),
        datum: named_datum(name(datum), epsg(datum), ellipsoid, meridian, None),
        system,
    })
}

fn read_ellipsoid(value: &Value) -> Result<Ellipsoid, String> {
    let length = |key: &str| value.get(key).and_then(measure(1.0));
    let a_m = length("semi_major_axis")
        .or(length("radius"))
        .ok_or("the ellipsoid has no size")?;
    let inverse_flattening = match (
        value.get("inverse_flattening").and_then(Value::as_f64),
        length("semi_minor_axis"),
    ) {
        (Some(inverse), _) => inverse,
        (None, Some(b_m)) if b_m < a_m => a_m / (a_m - b_m),
        _ => 0.0,
    };
    let is_sane =
        (1.0..1e9).contains(&a_m) && (inverse_flattening == 0.0 || inverse_flattening > 1.0);
    if !is_sane {
        return Err(format!(
            "an ellipsoid of {a_m} m and 1/{inverse_flattening} makes no sense"
        ));
    }
    Ok(Ellipsoid {
        name: name(value).into(),
        code: epsg(value),
        a_m,
        inverse_flattening,
    })
}

/// Reads a number, or an object of value and unit, into metres or degrees.
fn measure(base: f64) -> impl Fn(&Value) -> Option<f64> {
    move |value| {
        let number = match value {
            Value::Object(object) => {
                let number = object.get("value")?.as_f64()?;
                let factor = unit_factor(object.get("unit")?)?;
                if base == 1.0 {
                    number * factor
                } else {
                    in_degrees(number, factor)
                }
            }
            other => other.as_f64()?,
        };
        number.is_finite().then_some(number)
    }
}

/// Returns radians, metres or 1.
fn unit_factor(unit: &Value) -> Option<f64> {
    match unit {
        Value::String(name) if name == "degree" => Some(Unit::degree().factor),
        Value::String(name) if name == "metre" || name == "unity" => Some(1.0),
        Value::Object(object) => object
            .get("conversion_factor")?
            .as_f64()
            .filter(|factor| *factor > 0.0),
        _ => None,
    }
}

fn read_system(value: &Value, kind: &str) -> Result<System, String> {
    let axes = value
        .get("axis")
        .and_then(Value::as_array)
        .ok_or("no axes")?;
    let [first, second, ..] = &axes[..] else {
        return Err("fewer than two axes".into());
    };
    let factor = first
        .get("unit")
        .and_then(unit_factor)
        .ok_or("an axis has no unit")?;
    let unit = registry::unit_of_size(kind, factor).unwrap_or(Unit {
        name: first.get("unit").map_or("unknown", name).into(),
        code: None,
        factor,
    });
    let axis = |value: &Value| Axis {
        name: name(value).into(),
        abbreviation: value
            .get("abbreviation")
            .and_then(Value::as_str)
            .unwrap_or("")
            .into(),
        direction: value
            .get("direction")
            .and_then(Value::as_str)
            .unwrap_or("east")
            .into(),
    };
    Ok(System {
        unit,
        axes: [axis(first), axis(second)],
        has_height: false,
    })
}

fn read_conversion(value: &Value) -> Result<Conversion, String> {
    let method_value = value.get("method").ok_or("the conversion has no method")?;
    let by_code = epsg(method_value)
        .and_then(|code| u16::try_from(code).ok())
        .map(Method::from_epsg);
    let method = by_code
        .filter(|method| method.spec().is_some())
        .or_else(|| Method::from_name(name(method_value)))
        .ok_or(format!(
            "its projection {} is not built in",
            name(method_value)
        ))?;
    let parameters = value.get("parameters").and_then(Value::as_array);
    let given: Vec<Given> = parameters
        .into_iter()
        .flatten()
        .map(|parameter| Given {
            name: plain(name(parameter)),
            code: epsg(parameter).and_then(|code| u16::try_from(code).ok()),
            value: parameter
                .get("value")
                .and_then(Value::as_f64)
                .unwrap_or(0.0),
            unit: parameter.get("unit").and_then(unit_factor),
        })
        .collect();
    let units = ParameterUnits {
        angle: Unit::degree().factor,
        length: 1.0,
    };
    Ok(Conversion {
        name: name(value).into(),
        method,
        parameters: assemble(method, &given, &units)?,
    })
}
