//! Reads the CRS that GeoTIFF keys describe (OGC 19-008r4), by codes or by parameters.

use super::Reading;
use super::definition::{
    Compound, Conversion, Definition, Ellipsoid, Geodetic, Meridian, Projected, System, Unit,
};
use super::geokeys::{GeoKeys, USER_DEFINED};
use super::method::{METHODS, Method};
use super::proj_text::to_wgs84_of;
use super::registry;
use super::wkt_read::in_degrees;
use crate::GridError;

const MODEL_PROJECTED: u16 = 1;
const MODEL_GEOGRAPHIC: u16 = 2;
const MODEL_GEOCENTRIC: u16 = 3;

/// Keys that hold a false easting and northing, in the order in which they are looked up.
const FALSE_EASTINGS: [u16; 3] = [3082, 3086, 3090];
const FALSE_NORTHINGS: [u16; 3] = [3083, 3087, 3091];

/// Returns what the keys say; `None` where they name no CRS, or one that is no place on Earth.
pub(crate) fn read(keys: &GeoKeys) -> Result<Option<Reading>, GridError> {
    // Some writers leave the model out: the codes tell it.
    let is_projected = keys.keys.contains_key(&3072);
    let is_geographic = keys.keys.contains_key(&2048);
    let model = match keys.short(1024) {
        Some(model @ (MODEL_PROJECTED | MODEL_GEOGRAPHIC | MODEL_GEOCENTRIC)) => model,
        // A model of its own kind is an engineering CS, whatever other keys are left over.
        Some(USER_DEFINED) => return Ok(None),
        _ if is_projected => MODEL_PROJECTED,
        _ if is_geographic => MODEL_GEOGRAPHIC,
        _ => return Ok(None),
    };
    let reading = match model {
        MODEL_PROJECTED => read_projected(keys)?,
        MODEL_GEOGRAPHIC => read_geographic(keys)?,
        _ => None,
    };
    Ok(reading.map(|reading| with_vertical(reading, keys)))
}

fn with_vertical(mut reading: Reading, keys: &GeoKeys) -> Reading {
    if let (Reading::Known(definition), Some(vertical)) = (&mut reading, keys.code(4096))
        && let Some(horizontal) = definition.horizontal_epsg()
        && definition.compound.is_none()
    {
        definition.compound = Some(registry::compound_of(horizontal, vertical).unwrap_or_else(
            || Compound {
                name: format!("{} + EPSG:{vertical}", definition.name),
                code: None,
                vertical: Some(vertical),
            },
        ));
    }
    reading
}

fn known(definition: Definition) -> Option<Reading> {
    Some(Reading::Known(Box::new(definition)))
}

/// Returns a definition of the table, marked with the shift that the keys may hold.
fn by_code(code: u32) -> Result<Definition, GridError> {
    registry::definition(code)
        .or_else(|| registry::esri(code))
        .ok_or(GridError::UnknownEpsg { code })
}

fn read_geographic(keys: &GeoKeys) -> Result<Option<Reading>, GridError> {
    if let Some(code) = keys.code(2048) {
        return by_code(code).map(known);
    }
    let Some(geodetic) = read_geodetic(keys)? else {
        return Ok(None);
    };
    Ok(known(Definition {
        name: name(keys, &[2049, 1026]),
        authority: None,
        geodetic,
        projected: None,
        compound: None,
        area: None,
    }))
}

/// Returns the first name under these keys, without what GDAL prepends ("GCS Name = …").
fn name(keys: &GeoKeys, candidates: &[u16]) -> String {
    let text = candidates
        .iter()
        .find_map(|key| keys.text(*key))
        .unwrap_or("unnamed");
    let first = text.split('|').next().unwrap_or(text);
    first
        .rsplit_once(" = ")
        .map_or(first, |(_, name)| name)
        .into()
}

fn unit(keys: &GeoKeys, code_key: u16, size_key: u16, default: Unit) -> Unit {
    if let Some(code) = keys.code(code_key) {
        // 9102 is the plain degree, 9122 the one "supplier to define representation".
        let code = if code == 9102 { 9122 } else { code };
        return registry::unit(code)
            .filter(|unit| unit.factor > 0.0)
            .unwrap_or(default);
    }
    match keys.double(size_key).filter(|size| *size > 0.0) {
        Some(factor) => Unit {
            name: "user-defined".into(),
            code: None,
            factor,
        },
        None => default,
    }
}

fn read_geodetic(keys: &GeoKeys) -> Result<Option<Geodetic>, GridError> {
    let angular = unit(keys, 2054, 2055, Unit::degree());
    if let Some(code) = keys.code(2048) {
        let mut geodetic = by_code(code)?.geodetic;
        geodetic.datum.to_wgs84 = read_shift(keys);
        return Ok(Some(geodetic));
    }
    let linear = unit(keys, 2052, 2053, Unit::metre());
    let meridian = match (
        keys.code(2051).and_then(registry::meridian),
        keys.double(2061),
    ) {
        (Some(meridian), _) => meridian,
        (None, Some(longitude)) if longitude != 0.0 => Meridian {
            name: "unknown".into(),
            code: None,
            longitude: in_degrees(longitude, angular.factor),
        },
        _ => Meridian::greenwich(),
    };
    let datum = match keys.code(2050).and_then(registry::datum) {
        Some(mut datum) => {
            datum.to_wgs84 = read_shift(keys);
            datum
        }
        None => {
            let Some(ellipsoid) = read_ellipsoid(keys, linear.factor) else {
                return Ok(None);
            };
            let citation = name(keys, &[2049]);
            let mut datum = super::wkt_read::named_datum(
                &datum_name(keys, &citation),
                None,
                ellipsoid,
                meridian,
                read_shift(keys),
            );
            if datum.code.is_none() {
                datum.name = citation;
            }
            datum
        }
    };
    Ok(Some(Geodetic {
        name: name(keys, &[2049]),
        code: None,
        datum,
        system: System {
            unit: angular,
            ..System::latitude_longitude()
        },
    }))
}

/// GDAL packs names of user-defined parts into one citation: "GCS Name = a|Datum = b|…".
fn datum_name(keys: &GeoKeys, fallback: &str) -> String {
    let citation = keys.text(2049).unwrap_or("");
    let part = citation
        .split('|')
        .find_map(|part| part.trim().strip_prefix("Datum = "));
    part.unwrap_or(fallback).into()
}

fn read_shift(keys: &GeoKeys) -> Option<[f64; 7]> {
    match keys.keys.get(&2062)? {
        super::GeoKeyValue::Double(values) => to_wgs84_of(values),
        _ => None,
    }
}

fn read_ellipsoid(keys: &GeoKeys, unit: f64) -> Option<Ellipsoid> {
    if let Some(ellipsoid) = keys.code(2056).and_then(registry::ellipsoid) {
        return Some(ellipsoid);
    }
    let a_m = keys.double(2057)? * unit;
    let inverse_flattening = match (keys.double(2059), keys.double(2058).map(|b| b * unit)) {
        (Some(inverse), _) => inverse,
        (None, Some(b_m)) if b_m < a_m => a_m / (a_m - b_m),
        _ => 0.0,
    };
    let is_sane =
        (1.0..1e9).contains(&a_m) && (inverse_flattening == 0.0 || inverse_flattening > 1.0);
    is_sane.then(|| Ellipsoid {
        name: "unknown".into(),
        code: None,
        a_m,
        inverse_flattening,
    })
}

fn read_projected(keys: &GeoKeys) -> Result<Option<Reading>, GridError> {
    if let Some(code) = keys.code(3072) {
        return by_code(code).map(known);
    }
    if let Some(reading) = esri_text(keys) {
        return Ok(Some(reading));
    }
    let Some(geodetic) = read_geodetic(keys)? else {
        // A projected model without a datum is an engineering CS.
        return Ok(None);
    };
    let crs_name = name(keys, &[3073, 1026]);
    let linear = unit(keys, 3076, 3077, Unit::metre());
    let Some(conversion) = read_conversion(keys, &linear, geodetic.system.unit.factor) else {
        let why = match keys.short(3075) {
            Some(code) => format!("its projection (GeoTIFF code {code}) is not built in"),
            None => "the keys name no projection".into(),
        };
        return Ok(Some(Reading::Text {
            name: crs_name,
            why,
        }));
    };
    Ok(known(Definition {
        name: crs_name,
        authority: None,
        geodetic,
        projected: Some(Projected {
            conversion,
            system: System::east_north(linear),
        }),
        compound: None,
        area: None,
    }))
}

/// GDAL keeps what GeoTIFF cannot say as "ESRI PE String = PROJCS[…]" in a citation.
fn esri_text(keys: &GeoKeys) -> Option<Reading> {
    let text = [3073, 1026]
        .iter()
        .find_map(|key| keys.text(*key)?.split_once("ESRI PE String = "))?
        .1;
    match super::wkt_read::read(text) {
        Ok(Reading::Known(definition)) => Some(Reading::Known(definition)),
        _ => None,
    }
}

fn read_conversion(keys: &GeoKeys, linear: &Unit, angle: f64) -> Option<Conversion> {
    if let Some(zone) = keys.code(3074).and_then(utm_zone) {
        return Some(zone);
    }
    let code = keys
        .short(3075)
        .filter(|code| *code != 0 && *code != USER_DEFINED)?;
    let method = match code {
        // Both variants share one code: with a parallel it is the second.
        7 if keys.double(3078).is_some() => Method::MercatorB,
        7 => Method::MercatorA,
        15 => {
            let latitude = keys
                .double(3081)
                .map(|latitude| in_degrees(latitude, angle));
            if latitude.is_none_or(|latitude| latitude.abs() == 90.0) {
                Method::PolarStereographicA
            } else {
                Method::PolarStereographicB
            }
        }
        code => METHODS.iter().find(|spec| spec.geotiff == code)?.method,
    };
    let spec = method.spec()?;
    let mut parameters: Vec<(u16, f64)> = Vec::new();
    for parameter in spec.parameters {
        let value = lookups(parameter.geokey)
            .into_iter()
            .find_map(|key| keys.double(key));
        let value = match value {
            None if parameter.code == 8814 => {
                keys.double(3094).map(|value| in_degrees(value, angle))
            }
            None => None,
            Some(value) if Method::is_length(parameter.code) => Some(value * linear.factor),
            Some(value) if Method::is_scale(parameter.code) => Some(value),
            Some(value) => Some(in_degrees(value, angle)),
        };
        parameters.push((
            parameter.code,
            value.unwrap_or(Method::default_value(parameter.code)),
        ));
    }
    Some(Conversion {
        name: name(keys, &[3073, 1026]),
        method,
        parameters,
    })
}

/// Writers disagree on which of several keys holds an origin: all are looked up, the right one first.
fn lookups(key: u16) -> Vec<u16> {
    let family: &[u16] = match key {
        3080 | 3084 | 3088 | 3095 => &[3080, 3084, 3088, 3095],
        3081 | 3085 | 3089 => &[3081, 3085, 3089],
        3092 | 3093 => &[3092, 3093],
        key if FALSE_EASTINGS.contains(&key) => &FALSE_EASTINGS,
        key if FALSE_NORTHINGS.contains(&key) => &FALSE_NORTHINGS,
        _ => &[],
    };
    std::iter::once(key)
        .chain(family.iter().copied().filter(|other| *other != key))
        .collect()
}

/// Codes of conversions: 16001–16060 are the northern UTM zones, 16101–16160 the southern.
fn utm_zone(code: u32) -> Option<Conversion> {
    let (zone, northing) = match code {
        16001..=16060 => (code - 16000, 0.0),
        16101..=16160 => (code - 16100, 10_000_000.0),
        _ => return None,
    };
    Some(Conversion {
        name: format!("UTM zone {zone}{}", if northing > 0.0 { "S" } else { "N" }),
        method: Method::TransverseMercator,
        parameters: vec![
            (8801, 0.0),
            (8802, f64::from(zone) * 6.0 - 183.0),
            (8805, 0.9996),
            (8806, 500_000.0),
            (8807, northing),
        ],
    })
}

/// Returns the datum of a definition, for the tests of this module.
#[cfg(test)]
fn datum_of(reading: &Reading) -> Option<&super::definition::Datum> {
    match reading {
        Reading::Known(definition) => Some(&definition.geodetic.datum),
        Reading::Text { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GeoKeyValue;

    fn keys(values: &[(u16, u16)]) -> GeoKeys {
        let keys = values
            .iter()
            .map(|(key, code)| (*key, GeoKeyValue::Short(*code)));
        GeoKeys {
            keys: keys.collect(),
        }
    }

    #[test]
    fn keys_without_a_crs_name_none() {
        assert!(read(&GeoKeys::default()).expect("no keys").is_none());
        assert!(
            read(&keys(&[(1024, USER_DEFINED), (3076, 9001)]))
                .expect("engineering")
                .is_none()
        );
        assert!(
            read(&keys(&[(1024, 1), (3072, USER_DEFINED)]))
                .expect("no datum")
                .is_none()
        );
    }

    #[test]
    fn an_unknown_code_is_named() {
        let error = read(&keys(&[(1024, 1), (3072, 31)]))
            .err()
            .expect("31 is no CRS");
        assert_eq!(error, GridError::UnknownEpsg { code: 31 });
    }

    #[test]
    fn a_geographic_crs_and_a_zone_make_a_projected_crs() {
        let reading = read(&keys(&[
            (1024, 1),
            (2048, 4326),
            (3072, USER_DEFINED),
            (3074, 16032),
        ]))
        .expect("readable")
        .expect("a CRS");
        assert_eq!(datum_of(&reading).and_then(|datum| datum.code), Some(6326));
        assert_eq!(crate::Crs::of_reading(reading, "").epsg(), Some(32632));
    }
}
