//! GeoJSON: a feature collection, a feature or a bare geometry, read feature by feature.
//!
//! The file is read twice: first for the columns and the CRS, which may stand at its end, then for
//! the features. Only one feature is in memory at a time.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Value};
use swath_grid::Crs;

use super::archive::Input;
use super::assembly::Assembly;
use super::attributes::{IdColumn, find, number_text, select};
use super::error::VectorError;
use super::shape::{GeometryKind, Shape};
use super::source::{FieldInfo, Layer, ParcelOptions, choose_crs};

/// Column of the member `id` of a feature, which stands beside its properties.
const FEATURE_ID: &str = "id";
/// Most different properties of all features.
const COLUMNS_MAX: usize = 10_000;

/// Reads a GeoJSON file.
pub(super) fn read(input: &Input, options: &ParcelOptions) -> Result<Layer, VectorError> {
    if let Some(layer) = &input.layer {
        return Err(VectorError::Layer {
            file: input.name.clone(),
            what: format!("is GeoJSON, which has no layers such as {layer:?}"),
            layers: Vec::new(),
        });
    }
    let mut outline = Outline::default();
    let rest = visit_features(input, |feature| outline.add(feature))?;
    if !rest.is_geojson {
        return Err(VectorError::Unsupported {
            file: input.name.clone(),
            found: "JSON that is no GeoJSON (no FeatureCollection, Feature or geometry)"
                .to_string(),
            remedy: "give a GeoPackage, GeoParquet, FlatGeobuf, Shapefile or GeoJSON file"
                .to_string(),
        });
    }
    let crs = choose_crs(&input.name, options, || named_crs(rest.crs.as_ref()))?;
    let fields = outline.fields();
    let selection = select(&input.name, &fields, options, None)?;
    let name_of = |index: usize| fields[index].name.clone();
    let id_name = match selection.id {
        IdColumn::Column(id) => Some(name_of(id)),
        IdColumn::RowNumber => None,
    };
    let kept_names: Vec<String> = selection.kept.iter().map(|&kept| name_of(kept)).collect();
    let mut assembly = Assembly::new(input, crs, fields, selection);
    let mut shape = Shape::default();
    let mut failure = None;
    let rest = visit_features(input, |feature| {
        let id = id_name.as_deref().and_then(|name| feature.text(name));
        let kept: Vec<Option<String>> = kept_names.iter().map(|name| feature.text(name)).collect();
        let kept: Vec<Option<&str>> = kept.iter().map(Option::as_deref).collect();
        let number = assembly.feature();
        shape.clear();
        let added = match feature.geometry {
            None => assembly.add(id.as_deref(), &kept, &mut shape),
            Some(geometry) => match fill(&geometry, &mut shape, 0) {
                Ok(()) => assembly.add(id.as_deref(), &kept, &mut shape),
                Err(what) => Err(VectorError::broken(
                    &input.name,
                    format!("feature {number}"),
                    what,
                )),
            },
        };
        let is_ok = added.is_ok();
        failure = added.err();
        if is_ok {
            Ok(())
        } else {
            Err("stopped".to_string())
        }
    });
    if let Some(failure) = failure {
        return Err(failure);
    }
    rest?;
    assembly.finish()
}

fn named_crs(crs: Option<&Value>) -> Result<Crs, String> {
    const EPSG_WGS84: u32 = 4326;
    match crs {
        None => Crs::from_epsg(EPSG_WGS84).map_err(|error| error.to_string()),
        Some(Value::Null) => Err("the file says that its CRS is unknown".to_string()),
        Some(crs) => {
            let name = crs["properties"]["name"].as_str();
            let name =
                name.ok_or_else(|| "the member \"crs\" of the file has no name".to_string())?;
            Crs::parse(name)
                .map_err(|error| format!("the CRS of the file is not understood: {error}"))
        }
    }
}

/// The columns of all features.
#[derive(Default)]
struct Outline {
    columns: Vec<FieldInfo>,
    has_feature_id: bool,
}

impl Outline {
    fn add(&mut self, feature: Feature) -> Result<(), String> {
        self.has_feature_id |= feature.id.as_ref().is_some_and(|id| !id.is_null());
        for (name, value) in feature.properties.iter().flatten() {
            if !self.columns.iter().any(|column| &column.name == name) {
                let type_name = type_name(value).to_string();
                self.columns.push(FieldInfo {
                    name: name.clone(),
                    type_name,
                });
            }
        }
        match self.columns.len() > COLUMNS_MAX {
            true => Err(format!(
                "more than COLUMNS_MAX of {COLUMNS_MAX} different properties"
            )),
            false => Ok(()),
        }
    }

    fn fields(mut self) -> Vec<FieldInfo> {
        if self.has_feature_id && find(&self.columns, FEATURE_ID).is_none() {
            let type_name = "feature id".to_string();
            self.columns.push(FieldInfo {
                name: FEATURE_ID.to_string(),
                type_name,
            });
        }
        self.columns
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[derive(Debug, Deserialize)]
struct Feature {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    properties: Option<Map<String, Value>>,
    #[serde(default)]
    geometry: Option<Geometry>,
}

impl Feature {
    /// Returns a property as text, or the id of the feature where it is asked for.
    fn text(&self, name: &str) -> Option<String> {
        let property = self
            .properties
            .as_ref()
            .and_then(|properties| properties.get(name));
        let value = match property {
            Some(value) => value,
            None if name == FEATURE_ID => self.id.as_ref()?,
            None => return None,
        };
        match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) if number.is_f64() => number.as_f64().and_then(number_text),
            other => Some(other.to_string()),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Geometry {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    coordinates: Option<Coordinates>,
    #[serde(default)]
    geometries: Option<Vec<Geometry>>,
}

/// Nested lists of numbers.
#[derive(Debug)]
enum Coordinates {
    Number(f64),
    Position([f64; 2], bool),
    List(Vec<Coordinates>),
}

impl<'de> Deserialize<'de> for Coordinates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Nested;
        impl<'de> Visitor<'de> for Nested {
            type Value = Coordinates;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number or a list of coordinates")
            }
            fn visit_f64<E>(self, number: f64) -> Result<Coordinates, E> {
                Ok(Coordinates::Number(number))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Coordinates, E> {
                Ok(Coordinates::Number(number as f64)) // above 2^53 as near as JSON readers get
            }
            fn visit_u64<E>(self, number: u64) -> Result<Coordinates, E> {
                Ok(Coordinates::Number(number as f64)) // as above
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Coordinates, A::Error> {
                let mut parts = Vec::new();
                let mut numbers = Vec::new();
                while let Some(part) = list.next_element::<Coordinates>()? {
                    match part {
                        Coordinates::Number(number) => numbers.push(number),
                        part => parts.push(part),
                    }
                }
                match (numbers.as_slice(), parts.is_empty()) {
                    ([], _) => Ok(Coordinates::List(parts)),
                    ([x, y, rest @ ..], true) => {
                        Ok(Coordinates::Position([*x, *y], !rest.is_empty()))
                    }
                    _ => Err(A::Error::custom(
                        "a position needs two numbers and nothing else",
                    )),
                }
            }
        }
        deserializer.deserialize_any(Nested)
    }
}

/// Puts the polygons of a geometry into an empty shape.
fn fill(geometry: &Geometry, shape: &mut Shape, depth: usize) -> Result<(), String> {
    const DEPTH_MAX: usize = 8;
    let kind = match geometry.kind.as_str() {
        "Point" => GeometryKind::Point,
        "LineString" => GeometryKind::LineString,
        "Polygon" => GeometryKind::Polygon,
        "MultiPoint" => GeometryKind::MultiPoint,
        "MultiLineString" => GeometryKind::MultiLineString,
        "MultiPolygon" => GeometryKind::MultiPolygon,
        "GeometryCollection" => GeometryKind::GeometryCollection,
        other => return Err(format!("geometry type {other:?} is not of GeoJSON")),
    };
    let parts = |coordinates: &Option<Coordinates>| match coordinates {
        Some(Coordinates::List(_)) | None => Ok(()),
        Some(_) => Err(format!(
            "the coordinates of a {} are no list",
            geometry.kind
        )),
    };
    match kind {
        GeometryKind::Polygon => {
            parts(&geometry.coordinates)?;
            push_polygon(geometry.coordinates.as_ref(), shape)?;
        }
        GeometryKind::MultiPolygon => {
            parts(&geometry.coordinates)?;
            if let Some(Coordinates::List(polygons)) = &geometry.coordinates {
                for polygon in polygons {
                    push_polygon(Some(polygon), shape)?;
                }
            }
        }
        GeometryKind::GeometryCollection if depth >= DEPTH_MAX => {
            return Err(format!("collections are nested deeper than {DEPTH_MAX}"));
        }
        GeometryKind::GeometryCollection => {
            for part in geometry.geometries.iter().flatten() {
                fill(part, shape, depth + 1)?;
            }
        }
        _ if depth > 0 => shape.has_other = true,
        GeometryKind::Point => {
            if let Some(Coordinates::Position(point, has_more)) = &geometry.coordinates {
                shape.has_z |= has_more;
                shape.set_point(*point);
            }
        }
        _ => {}
    }
    shape.kind = kind;
    Ok(())
}

fn push_polygon(polygon: Option<&Coordinates>, shape: &mut Shape) -> Result<(), String> {
    let rings = match polygon {
        None => return Ok(()),
        Some(Coordinates::List(rings)) => rings,
        Some(_) => return Err("a polygon is no list of rings".to_string()),
    };
    let first_ring = shape.rings.len();
    for ring in rings {
        let Coordinates::List(positions) = ring else {
            return Err("a ring is no list of positions".to_string());
        };
        for position in positions {
            let Coordinates::Position(position, has_more) = position else {
                return Err("a ring holds something that is no position".to_string());
            };
            shape.has_z |= has_more;
            shape.coords.push(*position);
        }
        shape.end_ring(shape.rings.len() == first_ring);
    }
    Ok(())
}

/// What stands in the file beside the features.
#[derive(Default)]
struct Rest {
    is_geojson: bool,
    crs: Option<Value>,
}

/// Calls `visit` with each feature in file order, until it fails.
fn visit_features(
    input: &Input,
    visit: impl FnMut(Feature) -> Result<(), String>,
) -> Result<Rest, VectorError> {
    let storage = |error| VectorError::storage(&input.path, error);
    let file = File::open(&input.path).map_err(storage)?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    skip_byte_order_mark(&mut reader).map_err(storage)?;
    let mut deserializer = serde_json::Deserializer::from_reader(reader);
    let rest = Document { visit }
        .deserialize(&mut deserializer)
        .and_then(|rest| {
            deserializer.end()?;
            Ok(rest)
        });
    rest.map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        VectorError::broken(&input.name, place, error)
    })
}

fn skip_byte_order_mark(reader: &mut BufReader<File>) -> std::io::Result<()> {
    use std::io::BufRead;
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.by_ref().take(3).read_exact(&mut [0; 3])?;
    }
    Ok(())
}

/// The outermost object.
struct Document<F> {
    visit: F,
}

impl<'de, F: FnMut(Feature) -> Result<(), String>> DeserializeSeed<'de> for Document<F> {
    type Value = Rest;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Rest, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(Feature) -> Result<(), String>> Visitor<'de> for Document<F> {
    type Value = Rest;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a GeoJSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Rest, A::Error> {
        let mut rest = Rest::default();
        let mut kind = None;
        // The members of a lone feature or geometry.
        let mut single = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "features" => {
                    rest.is_geojson = true;
                    map.next_value_seed(Features {
                        visit: &mut self.visit,
                    })?;
                }
                "crs" => rest.crs = Some(map.next_value()?),
                "type" => {
                    let value: Value = map.next_value()?;
                    kind = value.as_str().map(str::to_string);
                    single.insert(key, value);
                }
                "id" | "properties" | "geometry" | "coordinates" | "geometries" => {
                    single.insert(key, map.next_value()?);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if rest.is_geojson {
            return Ok(rest);
        }
        let is_feature = kind.as_deref() == Some("Feature");
        let is_geometry = single.contains_key("coordinates") || single.contains_key("geometries");
        if is_feature || is_geometry {
            rest.is_geojson = true;
            let single = Value::Object(single);
            let feature = match is_feature {
                true => serde_json::from_value(single),
                false => serde_json::from_value(serde_json::json!({ "geometry": single })),
            };
            (self.visit)(feature.map_err(A::Error::custom)?).map_err(A::Error::custom)?;
        }
        Ok(rest)
    }
}

/// The list of features.
struct Features<'a, F> {
    visit: &'a mut F,
}

impl<'de, F: FnMut(Feature) -> Result<(), String>> DeserializeSeed<'de> for Features<'_, F> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(Feature) -> Result<(), String>> Visitor<'de> for Features<'_, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of features")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut features: A) -> Result<(), A::Error> {
        while let Some(feature) = features.next_element::<Feature>()? {
            (self.visit)(feature).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}
