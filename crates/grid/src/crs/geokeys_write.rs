//! Writes GeoTIFF keys (OGC 19-008r4).

use super::definition::{Definition, Geodetic, Projected};
use super::geokeys::{GeoKeyValue, GeoKeys, USER_DEFINED};
use super::method::Method;
use GeoKeyValue::{Ascii, Double, Short};

const MODEL_PROJECTED: u16 = 1;
const MODEL_GEOGRAPHIC: u16 = 2;

/// Returns the keys without the one of pixel area or point (1025), which belongs to the raster.
pub(crate) fn write(definition: &Definition) -> Option<GeoKeys> {
    let mut keys = GeoKeys::default();
    let is_projected = definition.projected.is_some();
    put(
        &mut keys,
        1024,
        Short(if is_projected {
            MODEL_PROJECTED
        } else {
            MODEL_GEOGRAPHIC
        }),
    );
    put(&mut keys, 1026, Ascii(definition.name().into()));
    if let Some(vertical) = definition
        .compound
        .as_ref()
        .and_then(|compound| compound.vertical)
    {
        put(&mut keys, 4096, Short(u16::try_from(vertical).ok()?));
    }
    // GDAL reads ESRI's codes from the projected key as well, but other programs do not.
    let code = definition
        .horizontal_epsg()
        .and_then(|code| u16::try_from(code).ok());
    let has_own_shift = definition.geodetic.datum.to_wgs84.is_some();
    if let Some(code) = code.filter(|code| *code != USER_DEFINED && !has_own_shift) {
        let key = if is_projected { 3072 } else { 2048 };
        put(&mut keys, key, Short(code));
        let (unit_key, unit) = (
            if is_projected { 3076 } else { 2054 },
            &definition.system().unit,
        );
        if let Some(unit) = unit_code(unit.code) {
            put(&mut keys, unit_key, Short(unit));
        }
        return Some(keys);
    }
    write_geodetic(&mut keys, &definition.geodetic)?;
    if let Some(projected) = &definition.projected {
        put(&mut keys, 3072, Short(USER_DEFINED));
        put(&mut keys, 3073, Ascii(definition.name.clone()));
        write_projection(&mut keys, projected)?;
    }
    Some(keys)
}

fn put(keys: &mut GeoKeys, key: u16, value: GeoKeyValue) {
    keys.keys.insert(key, value);
}

/// GeoTIFF knows degrees as 9102 where EPSG's systems say 9122.
fn unit_code(code: Option<u32>) -> Option<u16> {
    match code? {
        9122 => Some(9102),
        code => u16::try_from(code).ok(),
    }
}

fn write_geodetic(keys: &mut GeoKeys, geodetic: &Geodetic) -> Option<()> {
    let datum = &geodetic.datum;
    let known = super::registry::identify(&Definition {
        name: geodetic.name.clone(),
        authority: None,
        geodetic: geodetic.clone(),
        projected: None,
        compound: None,
        area: None,
    });
    let code = geodetic
        .code
        .or(known.map(|(_, code)| code))
        .and_then(|code| u16::try_from(code).ok());
    match code {
        Some(code) => put(keys, 2048, Short(code)),
        None => {
            put(keys, 2048, Short(USER_DEFINED));
            put(keys, 2049, Ascii(geodetic.name.clone()));
            let datum_code = datum.code.and_then(|code| u16::try_from(code).ok());
            put(keys, 2050, Short(datum_code.unwrap_or(USER_DEFINED)));
            let ellipsoid_code = datum
                .ellipsoid
                .code
                .and_then(|code| u16::try_from(code).ok());
            put(keys, 2056, Short(ellipsoid_code.unwrap_or(USER_DEFINED)));
            put(keys, 2057, Double(vec![datum.ellipsoid.a_m]));
            if datum.ellipsoid.is_sphere() {
                put(keys, 2058, Double(vec![datum.ellipsoid.a_m]));
            } else {
                put(keys, 2059, Double(vec![datum.ellipsoid.inverse_flattening]));
            }
            if datum.meridian.longitude != 0.0 {
                put(keys, 2051, Short(USER_DEFINED));
                put(keys, 2061, Double(vec![datum.meridian.longitude]));
            }
        }
    }
    put(keys, 2054, Short(unit_code(geodetic.system.unit.code)?));
    if let Some(shift) = datum.to_wgs84 {
        put(keys, 2062, Double(shift.to_vec()));
    }
    Some(())
}

fn write_projection(keys: &mut GeoKeys, projected: &Projected) -> Option<()> {
    let conversion = &projected.conversion;
    let spec = conversion.method.spec().filter(|spec| spec.geotiff != 0)?;
    if projected.system.signs() != (1.0, 1.0)
        && conversion.method != Method::TransverseMercatorSouth
    {
        return None;
    }
    put(keys, 3074, Short(USER_DEFINED));
    put(keys, 3075, Short(spec.geotiff));
    let factor = projected.system.unit.factor;
    for (code, value) in conversion.method.parameters_of(conversion) {
        let parameter = spec
            .parameters
            .iter()
            .find(|parameter| parameter.code == code)?;
        let value = if Method::is_length(code) {
            value / factor
        } else {
            value
        };
        put(keys, parameter.geokey, Double(vec![value]));
    }
    match conversion.method {
        // GDAL wants the scale there even where it is 1.
        Method::PolarStereographicB => put(keys, 3092, Double(vec![1.0])),
        Method::MercatorB => put(keys, 3081, Double(vec![0.0])),
        Method::EquidistantCylindrical | Method::EquidistantCylindricalSpherical => {
            put(keys, 3089, Double(vec![0.0]));
            put(
                keys,
                3088,
                Double(vec![conversion.get(8802).unwrap_or(0.0)]),
            );
        }
        _ => {}
    }
    match unit_code(projected.system.unit.code) {
        Some(code) => put(keys, 3076, Short(code)),
        None => {
            put(keys, 3076, Short(USER_DEFINED));
            put(keys, 3077, Double(vec![factor]));
        }
    }
    Some(())
}
