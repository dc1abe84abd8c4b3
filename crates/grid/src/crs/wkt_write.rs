//! Writes WKT 2 (ISO 19162:2019).

use super::definition::{Axis, Datum, Definition, Geodetic, Projected, System, Unit};
use super::method::{Method, parameter_name};
use super::registry;

/// Returns the definition in one line; `None` where the projection has no name in WKT.
pub(crate) fn write(definition: &Definition) -> Option<String> {
    let horizontal = horizontal(definition)?;
    let Some(compound) = &definition.compound else {
        return Some(bound(&horizontal, definition));
    };
    let vertical = compound.vertical.and_then(registry::vertical)?;
    let vertical = format!(
        "VERTCRS[{},VDATUM[{}{}],CS[vertical,1],{},{}{}]",
        quoted(vertical.name),
        quoted(vertical.datum_name),
        id(Some(vertical.datum_code)),
        axis(&vertical.axis),
        unit("LENGTHUNIT", &vertical.unit),
        id(Some(vertical.code)),
    );
    Some(format!(
        "COMPOUNDCRS[{},{horizontal},{vertical}{}]",
        quoted(&compound.name),
        id(compound.code)
    ))
}

/// Wraps a definition that carries its own shift to WGS 84.
fn bound(horizontal: &str, definition: &Definition) -> String {
    let Some(shift) = definition.geodetic.datum.to_wgs84 else {
        return horizontal.to_string();
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
    let parameters: Vec<String> = names
        .iter()
        .zip(shift)
        .enumerate()
        .map(|(i, (name, value))| {
            let value = if i == 6 { 1.0 + value * 1e-6 } else { value };
            format!(
                "PARAMETER[\"{name}\",{},ID[\"EPSG\",{}]]",
                number(value),
                8605 + i
            )
        })
        .collect();
    let target = registry::definition(4326)
        .and_then(|wgs84| self::horizontal(&wgs84))
        .unwrap_or_default();
    format!(
        "BOUNDCRS[SOURCECRS[{horizontal}],TARGETCRS[{target}],ABRIDGEDTRANSFORMATION[\"Transformation to WGS 84\",\
         METHOD[\"Position Vector transformation (geog2D domain)\",ID[\"EPSG\",9606]],{}]]",
        parameters.join(",")
    )
}

fn horizontal(definition: &Definition) -> Option<String> {
    let authority = definition.authority;
    let own_id = authority.map_or(String::new(), |(authority, code)| {
        format!(",ID[\"{}\",{code}]", authority.name())
    });
    let geodetic = &definition.geodetic;
    let Some(projected) = &definition.projected else {
        return Some(format!(
            "GEOGCRS[{},{},{}{own_id}]",
            quoted(&definition.name),
            datum(&geodetic.datum),
            system("ellipsoidal", "ANGLEUNIT", &geodetic.system),
        ));
    };
    Some(format!(
        "PROJCRS[{},{},{},{}{own_id}]",
        quoted(&definition.name),
        base(geodetic),
        conversion(projected)?,
        system("Cartesian", "LENGTHUNIT", &projected.system),
    ))
}

fn base(geodetic: &Geodetic) -> String {
    format!(
        "BASEGEOGCRS[{},{},{}{}]",
        quoted(&geodetic.name),
        datum(&geodetic.datum),
        unit("ANGLEUNIT", &geodetic.system.unit),
        id(geodetic.code),
    )
}

fn datum(datum: &Datum) -> String {
    let ellipsoid = &datum.ellipsoid;
    let meridian = &datum.meridian;
    let surface = format!(
        "ELLIPSOID[{},{},{},LENGTHUNIT[\"metre\",1]{}]",
        quoted(&ellipsoid.name),
        number(ellipsoid.a_m),
        number(ellipsoid.inverse_flattening),
        id(ellipsoid.code),
    );
    // An ensemble would need its members; the plain name is what other programs recognise.
    let name = datum.name.strip_suffix(" ensemble").unwrap_or(&datum.name);
    format!(
        "DATUM[{},{surface}{}],PRIMEM[{},{},ANGLEUNIT[\"degree\",{}]{}]",
        quoted(name),
        id(datum.code),
        quoted(&meridian.name),
        number(meridian.longitude),
        Unit::degree().factor,
        id(meridian.code),
    )
}

fn conversion(projected: &Projected) -> Option<String> {
    let conversion = &projected.conversion;
    let spec = conversion.method.spec()?;
    let parameters: Vec<String> = conversion
        .method
        .parameters_of(conversion)
        .into_iter()
        .map(|(code, value)| {
            let unit = if Method::is_scale(code) {
                "SCALEUNIT[\"unity\",1]".to_string()
            } else if Method::is_length(code) {
                "LENGTHUNIT[\"metre\",1]".to_string()
            } else {
                format!("ANGLEUNIT[\"degree\",{}]", Unit::degree().factor)
            };
            format!(
                "PARAMETER[\"{}\",{},{unit},ID[\"EPSG\",{code}]]",
                parameter_name(code),
                number(value)
            )
        })
        .collect();
    let method_id = id((spec.epsg != 0).then_some(u32::from(spec.epsg)));
    Some(format!(
        "CONVERSION[{},METHOD[{}{method_id}],{}]",
        quoted(&conversion.name),
        quoted(spec.name),
        parameters.join(",")
    ))
}

fn system(kind: &str, unit_keyword: &str, system: &System) -> String {
    let axes: Vec<String> = system.axes.iter().map(axis).collect();
    if system.has_height {
        let own = unit(unit_keyword, &system.unit);
        let with_unit = |axis: &String| format!("{},{own}]", axis.trim_end_matches(']'));
        let horizontal: Vec<String> = axes.iter().map(with_unit).collect();
        let height = "AXIS[\"ellipsoidal height (h)\",up,LENGTHUNIT[\"metre\",1]]";
        return format!("CS[{kind},3],{},{height}", horizontal.join(","));
    }
    format!(
        "CS[{kind},2],{},{}",
        axes.join(","),
        unit(unit_keyword, &system.unit)
    )
}

fn axis(axis: &Axis) -> String {
    let direction = axis.direction.as_str();
    // "North along 90°E" says both: the direction and the meridian it runs along.
    let (direction, meridian) = match direction.split_once(" along ") {
        Some((direction, meridian)) => (direction, along(meridian)),
        None => (direction, String::new()),
    };
    let name = format!("{} ({})", axis.name.to_lowercase(), axis.abbreviation);
    format!(
        "AXIS[{},{}{meridian}]",
        quoted(&name),
        direction.to_lowercase()
    )
}

/// Turns "90°E" into MERIDIAN[90, …].
fn along(text: &str) -> String {
    let degrees: f64 = text
        .trim_end_matches(['E', 'W', '°', ' '])
        .trim_end_matches(" deg")
        .parse()
        .unwrap_or(0.0);
    let degrees = if text.ends_with('W') {
        -degrees
    } else {
        degrees
    };
    format!(
        ",MERIDIAN[{},ANGLEUNIT[\"degree\",{}]]",
        number(degrees),
        Unit::degree().factor
    )
}

fn unit(keyword: &str, unit: &Unit) -> String {
    format!(
        "{keyword}[{},{}{}]",
        quoted(&unit.name),
        unit.factor,
        id(unit.code)
    )
}

fn id(code: Option<u32>) -> String {
    code.map_or(String::new(), |code| format!(",ID[\"EPSG\",{code}]"))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// Writes a number with as many digits as it needs; 15 are enough for what the tables hold.
pub(super) fn number(value: f64) -> String {
    let rounded: f64 = format!("{value:.14e}").parse().unwrap_or(value);
    format!("{rounded}")
}
