//! Writes PROJJSON (schema v0.7).

use serde_json::{Map, Value, json};

use super::definition::{Authority, Axis, Datum, Definition, Projected, System, Unit};
use super::method::{Method, parameter_name};
use super::registry;

/// Returns the definition as an object; `None` where the projection has no name in it.
pub(crate) fn write(definition: &Definition) -> Option<Value> {
    let mut root = match &definition.compound {
        Some(compound) => {
            let vertical = compound.vertical.and_then(registry::vertical)?;
            with_id(
                json!({
                    "type": "CompoundCRS",
                    "name": compound.name,
                    "components": [horizontal(definition)?, vertical_crs(&vertical)],
                }),
                epsg(compound.code),
            )
        }
        None => bound(horizontal(definition)?, definition),
    };
    let object = root.as_object_mut()?;
    object.insert(
        "$schema".into(),
        json!("https://proj.org/schemas/v0.7/projjson.schema.json"),
    );
    Some(root)
}

fn bound(horizontal: Value, definition: &Definition) -> Value {
    let Some(shift) = definition.geodetic.datum.to_wgs84 else {
        return horizontal;
    };
    let names = [
        "X-axis translation",
        "Y-axis translation",
        "Z-axis translation",
        "X-axis rotation",
        "Y-axis rotation",
        "Z-axis rotation",
        "Scale difference",
    ];
    let units = |i: usize| match i {
        0..=2 => json!("metre"),
        3..=5 => {
            json!({"type": "AngularUnit", "name": "arc-second", "conversion_factor": Unit::degree().factor / 3600.0})
        }
        _ => json!({"type": "ScaleUnit", "name": "parts per million", "conversion_factor": 1e-6}),
    };
    let parameters: Vec<Value> = names
        .iter()
        .zip(shift)
        .enumerate()
        .map(|(i, (name, value))| json!({"name": name, "value": value, "unit": units(i), "id": {"authority": "EPSG", "code": 8605 + i}}))
        .collect();
    let target = registry::definition(4326)
        .as_ref()
        .and_then(self::horizontal);
    json!({
        "type": "BoundCRS",
        "source_crs": horizontal,
        "target_crs": target,
        "transformation": {
            "name": "Transformation to WGS 84",
            "method": {"name": "Position Vector transformation (geog2D domain)", "id": {"authority": "EPSG", "code": 9606}},
            "parameters": parameters,
        },
    })
}

fn horizontal(definition: &Definition) -> Option<Value> {
    let geodetic = &definition.geodetic;
    let value = match &definition.projected {
        None => geographic(&definition.name, &geodetic.datum, Some(&geodetic.system)),
        Some(projected) => json!({
            "type": "ProjectedCRS",
            "name": definition.name,
            "base_crs": with_id(geographic(&geodetic.name, &geodetic.datum, Some(&geodetic.system)), epsg(geodetic.code)),
            "conversion": conversion(projected)?,
            "coordinate_system": system("Cartesian", &projected.system),
        }),
    };
    Some(with_id(value, definition.authority))
}

fn geographic(name: &str, datum: &Datum, own_system: Option<&System>) -> Value {
    let ellipsoid = &datum.ellipsoid;
    let mut surface = json!({"name": ellipsoid.name});
    if let Some(object) = surface.as_object_mut() {
        if ellipsoid.is_sphere() {
            object.insert("radius".into(), json!(ellipsoid.a_m));
        } else {
            object.insert("semi_major_axis".into(), json!(ellipsoid.a_m));
            object.insert(
                "inverse_flattening".into(),
                json!(ellipsoid.inverse_flattening),
            );
        }
    }
    let meridian = &datum.meridian;
    let name_of_datum = datum.name.strip_suffix(" ensemble").unwrap_or(&datum.name);
    let mut frame = json!({
        "type": "GeodeticReferenceFrame",
        "name": name_of_datum,
        "ellipsoid": with_id(surface, epsg(ellipsoid.code)),
    });
    if let Some(object) = frame.as_object_mut()
        && meridian.longitude != 0.0
    {
        let value = json!({"name": meridian.name, "longitude": meridian.longitude});
        object.insert("prime_meridian".into(), with_id(value, epsg(meridian.code)));
    }
    let mut value =
        json!({"type": "GeographicCRS", "name": name, "datum": with_id(frame, epsg(datum.code))});
    if let (Some(object), Some(own_system)) = (value.as_object_mut(), own_system) {
        object.insert(
            "coordinate_system".into(),
            system("ellipsoidal", own_system),
        );
    }
    value
}

fn conversion(projected: &Projected) -> Option<Value> {
    let conversion = &projected.conversion;
    let spec = conversion.method.spec()?;
    let parameters: Vec<Value> = conversion
        .method
        .parameters_of(conversion)
        .into_iter()
        .map(|(code, value)| {
            let unit = if Method::is_scale(code) {
                "unity"
            } else if Method::is_length(code) {
                "metre"
            } else {
                "degree"
            };
            let id = json!({"authority": "EPSG", "code": code});
            json!({"name": parameter_name(code), "value": value, "unit": unit, "id": id})
        })
        .collect();
    let method = with_id(
        json!({"name": spec.name}),
        epsg((spec.epsg != 0).then_some(u32::from(spec.epsg))),
    );
    Some(json!({"name": conversion.name, "method": method, "parameters": parameters}))
}

fn system(kind: &str, system: &System) -> Value {
    let mut axes: Vec<Value> = system
        .axes
        .iter()
        .map(|axis| self::axis(axis, &system.unit))
        .collect();
    if system.has_height {
        let name = "Ellipsoidal height";
        axes.push(json!({"name": name, "abbreviation": "h", "direction": "up", "unit": "metre"}));
    }
    json!({"subtype": kind, "axis": axes})
}

fn axis(axis: &Axis, unit: &Unit) -> Value {
    let direction = axis
        .direction
        .split(" along ")
        .next()
        .unwrap_or("east")
        .to_lowercase();
    let unit = match unit.name.as_str() {
        "metre" | "degree" => json!(unit.name),
        name => {
            let kind = if unit.factor < 0.1 && unit.code.is_none_or(|code| code > 9100) {
                "AngularUnit"
            } else {
                "LinearUnit"
            };
            json!({"type": kind, "name": name, "conversion_factor": unit.factor})
        }
    };
    json!({"name": axis.name, "abbreviation": axis.abbreviation, "direction": direction, "unit": unit})
}

fn vertical_crs(vertical: &registry::Vertical) -> Value {
    let datum = json!({
        "type": "VerticalReferenceFrame",
        "name": vertical.datum_name,
        "id": {"authority": "EPSG", "code": vertical.datum_code},
    });
    json!({
        "type": "VerticalCRS",
        "name": vertical.name,
        "datum": datum,
        "coordinate_system": {"subtype": "vertical", "axis": [axis(&vertical.axis, &vertical.unit)]},
        "id": {"authority": "EPSG", "code": vertical.code},
    })
}

fn epsg(code: Option<u32>) -> Option<(Authority, u32)> {
    code.map(|code| (Authority::Epsg, code))
}

fn with_id(mut value: Value, authority: Option<(Authority, u32)>) -> Value {
    if let (Some(object), Some((authority, code))) = (value.as_object_mut(), authority) {
        let mut id = Map::new();
        id.insert("authority".into(), json!(authority.name()));
        id.insert("code".into(), json!(code));
        object.insert("id".into(), Value::Object(id));
    }
    value
}
