//! Definitions as PROJ texts: for the engine that computes, and for people.

use std::fmt::Write as _;

use super::definition::{Ellipsoid, Geodetic, Projected, System};
use super::method::Method;

/// Writes the projection of a conversion for the engine, without datum and unit; `None` where the
/// method cannot be computed.
///
/// For systems that count to the west or the south the false origin changes its sign, because the
/// engine works with easting and northing and the result is negated.
pub(crate) fn engine_of(projected: &Projected) -> Option<String> {
    let conversion = &projected.conversion;
    let spec = conversion.method.spec()?;
    let (sign_x, sign_y) = projected.system.signs();
    let is_swiss = conversion.method == Method::ObliqueMercatorB
        && conversion.get(8813) == Some(90.0)
        && conversion.get(8814).is_none_or(|angle| angle == 90.0);
    let mut text = format!("+proj={}", if is_swiss { "somerc" } else { spec.proj });
    for (code, value) in conversion.method.parameters_of(conversion) {
        if !value.is_finite() {
            return None;
        }
        let key = spec
            .parameters
            .iter()
            .find(|parameter| parameter.code == code)?
            .proj;
        let (key, value) = match key {
            "" | "alpha" | "gamma" if is_swiss || key.is_empty() => continue,
            "lonc" if is_swiss => ("lon_0", value),
            "x_0" => (key, value * sign_x),
            "y_0" => (key, value * sign_y),
            other => (other, value),
        };
        let _ = write!(text, " +{key}={value}");
    }
    let extra = match conversion.method {
        Method::LambertConic1 => {
            format!(" +lat_1={}", conversion.get(8801).unwrap_or(0.0))
        }
        Method::PolarStereographicB => {
            let pole = if conversion.get(8832).unwrap_or(90.0) < 0.0 {
                -90
            } else {
                90
            };
            format!(" +lat_0={pole}")
        }
        Method::ObliqueMercatorA => " +no_uoff".into(),
        // Spherical formulas for an ellipsoid run on the sphere of the same area.
        Method::AzimuthalEqualAreaSpherical | Method::CylindricalEqualAreaSpherical => {
            " +R_A".into()
        }
        _ => String::new(),
    };
    text.push_str(&extra);
    Some(text)
}

/// Writes the ellipsoid for the engine.
pub(crate) fn ellipsoid_text(ellipsoid: &Ellipsoid) -> String {
    if ellipsoid.is_sphere() {
        return format!("+R={}", ellipsoid.a_m);
    }
    format!("+a={} +rf={}", ellipsoid.a_m, ellipsoid.inverse_flattening)
}

/// Writes a whole CRS as a PROJ string.
pub(crate) fn write(geodetic: &Geodetic, engine: Option<&str>, system: &System) -> String {
    let datum = &geodetic.datum;
    let mut text = engine.unwrap_or("+proj=longlat").to_string();
    if datum.code == Some(6326) {
        text.push_str(" +datum=WGS84");
    } else {
        let _ = write!(text, " {}", ellipsoid_text(&datum.ellipsoid));
    }
    if let Some(to_wgs84) = datum.to_wgs84 {
        let numbers: Vec<String> = to_wgs84.iter().map(f64::to_string).collect();
        let _ = write!(text, " +towgs84={}", numbers.join(","));
    }
    if datum.meridian.longitude != 0.0 {
        let _ = write!(text, " +pm={}", datum.meridian.longitude);
    }
    if engine.is_some() {
        match system.signs() {
            _ if system.is_southing_westing() => text.push_str(" +axis=swu"),
            (x, y) if x < 0.0 && y < 0.0 => text.push_str(" +axis=wsu"),
            (x, _) if x < 0.0 => text.push_str(" +axis=wnu"),
            _ => {}
        }
        if system.unit.factor == 1.0 {
            text.push_str(" +units=m");
        } else {
            let _ = write!(text, " +to_meter={}", system.unit.factor);
        }
    }
    text.push_str(" +no_defs");
    text
}
