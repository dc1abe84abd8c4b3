//! FlatGeobuf 3: a header, an index that is passed over, features one after the other.
//!
//! Frames are cut here, so that no size a file states is believed before the file is seen to hold
//! it; each frame is verified before anything of it is read. Features come in file order, which
//! writers with an index choose by place.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flatgeobuf::{
    ColumnType, Geometry, GeometryType, Header, size_prefixed_root_as_feature,
    size_prefixed_root_as_header,
};
use swath_grid::Crs;

use super::archive::Input;
use super::assembly::Assembly;
use super::attributes::{IdColumn, number_text, select};
use super::error::VectorError;
use super::shape::{GeometryKind, Shape};
use super::source::{FieldInfo, Layer, ParcelOptions, choose_crs};

/// Bytes before the header.
const MAGIC_BYTES: u64 = 8;
/// Largest header, in bytes.
const HEADER_BYTES_MAX: usize = 10 << 20;
/// Bytes of a node of the index.
const NODE_BYTES: u64 = 40;
/// Deepest nesting of collections that is followed.
const DEPTH_MAX: usize = 8;

/// Reads a FlatGeobuf file.
pub(super) fn read(input: &Input, options: &ParcelOptions) -> Result<Layer, VectorError> {
    let mut frames = Frames::open(&input.name, &input.path)?;
    let header_frame = frames.next("header", HEADER_BYTES_MAX)?.ok_or_else(|| {
        VectorError::broken(&input.name, "byte 8", "the file ends before its header")
    })?;
    let header_frame = header_frame.to_vec();
    let header = size_prefixed_root_as_header(&header_frame)
        .map_err(|error| VectorError::broken(&input.name, "header", error))?;
    refuse_layer(input, &header)?;
    let crs = choose_crs(&input.name, options, || header_crs(&header))?;
    let columns = columns(&header);
    let fields: Vec<FieldInfo> = columns.iter().map(Column::field).collect();
    let selection = select(&input.name, &fields, options, None)?;
    let id_column = match selection.id {
        IdColumn::Column(id) => Some(id),
        IdColumn::RowNumber => None,
    };
    let kept_columns = selection.kept.clone();
    let mut assembly = Assembly::new(input, crs, fields, selection);
    frames.pass_over(index_bytes(&header))?;
    let mut shape = Shape::default();
    let mut values: Vec<Option<String>> = Vec::new();
    while let Some(frame) = frames.next("feature", usize::MAX)? {
        let place = || format!("feature {}", assembly.feature());
        let broken = |what: String| VectorError::broken(&input.name, place(), what);
        let feature =
            size_prefixed_root_as_feature(frame).map_err(|error| broken(error.to_string()))?;
        if feature.columns().is_some() {
            return Err(broken("it has columns of its own".to_string()));
        }
        shape.clear();
        if let Some(geometry) = feature.geometry() {
            fill(&geometry, header.geometry_type(), &mut shape, 0).map_err(broken)?;
        }
        let properties = feature.properties();
        let bytes = properties.map_or(&[][..], |bytes| bytes.bytes());
        read_properties(bytes, &columns, &mut values).map_err(broken)?;
        let value = |column: usize| values[column].as_deref();
        let kept: Vec<Option<&str>> = kept_columns.iter().map(|&column| value(column)).collect();
        assembly.add(id_column.and_then(value), &kept, &mut shape)?;
    }
    let announced = header.features_count();
    if announced > 0 && announced != assembly.feature() {
        return Err(VectorError::broken(
            &input.name,
            "header",
            format!(
                "{announced} features are announced, the file holds {}",
                assembly.feature()
            ),
        ));
    }
    assembly.finish()
}

fn refuse_layer(input: &Input, header: &Header<'_>) -> Result<(), VectorError> {
    let name = header.name().unwrap_or_default();
    let stem = input.name.file_stem().map(|stem| stem.to_string_lossy());
    match &input.layer {
        Some(layer) if name != layer && stem.as_deref() != Some(layer.as_str()) => {
            Err(VectorError::Layer {
                file: input.name.clone(),
                what: format!("has no layer {layer:?}"),
                layers: vec![name.to_string()],
            })
        }
        _ => Ok(()),
    }
}

fn header_crs(header: &Header<'_>) -> Result<Crs, String> {
    let Some(crs) = header.crs() else {
        return Err("the file does not say its CRS".to_string());
    };
    let is_epsg = crs.org().is_none_or(|org| org.eq_ignore_ascii_case("EPSG"));
    let code = u32::try_from(crs.code()).ok().filter(|code| *code > 0);
    if let Some(known) = code
        .filter(|_| is_epsg)
        .and_then(|code| Crs::from_epsg(code).ok())
    {
        return Ok(known);
    }
    match crs.wkt() {
        Some(wkt) => Crs::parse(wkt)
            .map_err(|error| format!("the CRS of the file is not understood: {error}")),
        None => Err(format!(
            "the CRS {}:{} of the file is not known",
            crs.org().unwrap_or("without authority"),
            crs.code()
        )),
    }
}

/// Returns the bytes of the packed R-tree behind the header.
fn index_bytes(header: &Header<'_>) -> u64 {
    let (mut count, node) = (
        header.features_count(),
        u64::from(header.index_node_size().max(2)),
    );
    if header.index_node_size() == 0 || count == 0 {
        return 0;
    }
    let mut nodes = count;
    // At least halved each time.
    while count > 1 {
        count = count.div_ceil(node);
        nodes = nodes.saturating_add(count);
    }
    nodes.saturating_mul(NODE_BYTES)
}

/// Parts of the file that begin with their size.
struct Frames<'a> {
    name: &'a Path,
    reader: BufReader<File>,
    offset: u64,
    end: u64,
    frame: Vec<u8>,
}

impl<'a> Frames<'a> {
    fn open(name: &'a Path, path: &Path) -> Result<Self, VectorError> {
        let storage = |error| VectorError::storage(path, error);
        let mut file = File::open(path).map_err(storage)?;
        let end = file.metadata().map_err(storage)?.len();
        file.seek(SeekFrom::Start(MAGIC_BYTES)).map_err(storage)?;
        Ok(Self {
            name,
            reader: BufReader::with_capacity(1 << 16, file),
            offset: MAGIC_BYTES,
            end,
            frame: Vec::new(),
        })
    }

    /// Returns the next frame with its size, `None` at the end of the file.
    fn next(&mut self, what: &str, bytes_max: usize) -> Result<Option<&[u8]>, VectorError> {
        const SIZE_BYTES: usize = 4;
        if self.offset >= self.end {
            return Ok(None);
        }
        let left = self.end - self.offset;
        let mut size = [0; SIZE_BYTES];
        if left < SIZE_BYTES as u64 {
            return Err(self.broken(format!(
                "{left} bytes are left, the size of a {what} takes 4"
            )));
        }
        self.read_into(&mut size)?;
        let bytes = u32::from_le_bytes(size) as usize;
        if bytes as u64 > left - SIZE_BYTES as u64 || bytes > bytes_max {
            return Err(self.broken(format!("a {what} of {bytes} bytes, {} are left", left - 4)));
        }
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        frame.extend_from_slice(&size);
        frame.resize(SIZE_BYTES + bytes, 0); // at most the size of the file: checked above
        self.read_into(&mut frame[SIZE_BYTES..])?;
        self.offset += (SIZE_BYTES + bytes) as u64;
        self.frame = frame;
        Ok(Some(&self.frame))
    }

    fn pass_over(&mut self, bytes: u64) -> Result<(), VectorError> {
        if bytes > self.end - self.offset {
            return Err(self.broken(format!(
                "an index of {bytes} bytes, {} are left",
                self.end - self.offset
            )));
        }
        self.offset += bytes;
        self.reader
            .seek(SeekFrom::Start(self.offset))
            .map(|_| ())
            .map_err(|error| VectorError::storage(self.name, error))
    }

    fn read_into(&mut self, bytes: &mut [u8]) -> Result<(), VectorError> {
        self.reader
            .read_exact(bytes)
            .map_err(|error| VectorError::storage(self.name, error))
    }

    fn broken(&self, what: String) -> VectorError {
        VectorError::broken(self.name, format!("byte {}", self.offset), what)
    }
}

/// A column as the header describes it.
struct Column {
    name: String,
    kind: ColumnType,
}

impl Column {
    fn field(&self) -> FieldInfo {
        FieldInfo {
            name: self.name.clone(),
            type_name: self.kind.variant_name().unwrap_or("unknown").to_string(),
        }
    }
}

fn columns(header: &Header<'_>) -> Vec<Column> {
    let columns = header.columns().into_iter().flatten();
    columns
        .map(|column| Column {
            name: column.name().to_string(),
            kind: column.type_(),
        })
        .collect()
}

/// Reads the values of a feature as texts, one for each column; absent ones are `None`.
fn read_properties(
    mut bytes: &[u8],
    columns: &[Column],
    values: &mut Vec<Option<String>>,
) -> Result<(), String> {
    values.clear();
    values.resize(columns.len(), None);
    while !bytes.is_empty() {
        let index = usize::from(u16::from_le_bytes(take(&mut bytes)?));
        let Some(column) = columns.get(index) else {
            return Err(format!(
                "a value of column {index}, there are {}",
                columns.len()
            ));
        };
        values[index] = read_value(&mut bytes, column.kind)
            .map_err(|what| format!("{}: {what}", column.name))?;
    }
    Ok(())
}

fn read_value(bytes: &mut &[u8], kind: ColumnType) -> Result<Option<String>, String> {
    Ok(match kind {
        ColumnType::Byte => Some(i8::from_le_bytes(take(bytes)?).to_string()),
        ColumnType::UByte => Some(u8::from_le_bytes(take(bytes)?).to_string()),
        ColumnType::Bool => Some((take::<1>(bytes)? != [0]).to_string()),
        ColumnType::Short => Some(i16::from_le_bytes(take(bytes)?).to_string()),
        ColumnType::UShort => Some(u16::from_le_bytes(take(bytes)?).to_string()),
        ColumnType::Int => Some(i32::from_le_bytes(take(bytes)?).to_string()),
        ColumnType::UInt => Some(u32::from_le_bytes(take(bytes)?).to_string()),
        ColumnType::Long => Some(i64::from_le_bytes(take(bytes)?).to_string()),
        ColumnType::ULong => Some(u64::from_le_bytes(take(bytes)?).to_string()),
        // Through the shortest decimal of the narrow type: 0.1 stays 0.1.
        ColumnType::Float => {
            let number = f32::from_le_bytes(take(bytes)?);
            number.to_string().parse().ok().and_then(number_text)
        }
        ColumnType::Double => number_text(f64::from_le_bytes(take(bytes)?)),
        ColumnType::String | ColumnType::Json | ColumnType::DateTime | ColumnType::Binary => {
            let count = u32::from_le_bytes(take(bytes)?) as usize;
            let left = bytes.len();
            let (content, rest) = bytes
                .split_at_checked(count)
                .ok_or_else(|| format!("a value of {count} bytes, {left} are left"))?;
            *bytes = rest;
            match kind {
                ColumnType::Binary => None,
                _ => Some(String::from_utf8_lossy(content).into_owned()),
            }
        }
        other => return Err(format!("values of type {} are not known", other.0)),
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], String> {
    let left = bytes.len();
    let Some((taken, rest)) = bytes.split_first_chunk::<N>() else {
        return Err(format!("{N} bytes are needed, {left} are left"));
    };
    *bytes = rest;
    Ok(*taken)
}

/// Puts a geometry into an empty shape; `declared` is the type that all of the file have.
fn fill(
    geometry: &Geometry<'_>,
    declared: GeometryType,
    shape: &mut Shape,
    depth: usize,
) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("collections are nested deeper than {DEPTH_MAX}"));
    }
    let own = match declared {
        GeometryType::Unknown => geometry.type_(),
        declared => declared,
    };
    let kind = kind_of(own).ok_or_else(|| format!("geometry type {} is not known", own.0))?;
    shape.has_z |= geometry.z().is_some();
    shape.has_m |= geometry.m().is_some();
    let parts = || geometry.parts().into_iter().flatten();
    match kind {
        GeometryKind::Polygon => push_polygon(geometry, shape)?,
        GeometryKind::MultiPolygon => {
            for part in parts() {
                push_polygon(&part, shape)?;
            }
        }
        GeometryKind::GeometryCollection => {
            for part in parts() {
                fill(&part, GeometryType::Unknown, shape, depth + 1)?;
                if shape.kind.is_unread() {
                    shape.clear_rings();
                    return Ok(());
                }
                shape.has_other |= !matches!(
                    shape.kind,
                    GeometryKind::Polygon
                        | GeometryKind::MultiPolygon
                        | GeometryKind::GeometryCollection
                );
            }
        }
        GeometryKind::Point | GeometryKind::MultiPoint => {
            if let Some(xy) = geometry.xy().filter(|xy| xy.len() == 2) {
                shape.set_point([xy.get(0), xy.get(1)]);
            }
        }
        _ => {}
    }
    shape.kind = kind;
    Ok(())
}

fn push_polygon(geometry: &Geometry<'_>, shape: &mut Shape) -> Result<(), String> {
    let Some(xy) = geometry.xy() else {
        return Ok(());
    };
    let count = xy.len() / 2;
    let first_ring = shape.rings.len();
    let mut start = 0;
    let whole = [u32::try_from(count).map_err(|error| error.to_string())?];
    let ends: Vec<u32> = match geometry.ends() {
        Some(ends) if !ends.is_empty() => ends.iter().collect(),
        _ => whole.to_vec(),
    };
    for end in ends {
        let end = end as usize;
        if end < start || end > count {
            return Err(format!("a ring from vertex {start} to {end} of {count}"));
        }
        let vertices = (start..end).map(|vertex| [xy.get(2 * vertex), xy.get(2 * vertex + 1)]);
        shape.coords.extend(vertices);
        shape.end_ring(shape.rings.len() == first_ring);
        start = end;
    }
    Ok(())
}

fn kind_of(kind: GeometryType) -> Option<GeometryKind> {
    Some(match kind {
        GeometryType::Unknown => GeometryKind::Null,
        GeometryType::Point => GeometryKind::Point,
        GeometryType::LineString => GeometryKind::LineString,
        GeometryType::Polygon => GeometryKind::Polygon,
        GeometryType::MultiPoint => GeometryKind::MultiPoint,
        GeometryType::MultiLineString => GeometryKind::MultiLineString,
        GeometryType::MultiPolygon => GeometryKind::MultiPolygon,
        GeometryType::GeometryCollection => GeometryKind::GeometryCollection,
        GeometryType::CircularString => GeometryKind::CircularString,
        GeometryType::CompoundCurve => GeometryKind::CompoundCurve,
        GeometryType::CurvePolygon => GeometryKind::CurvePolygon,
        GeometryType::MultiCurve => GeometryKind::MultiCurve,
        GeometryType::MultiSurface => GeometryKind::MultiSurface,
        GeometryType::Curve => GeometryKind::Curve,
        GeometryType::Surface => GeometryKind::Surface,
        GeometryType::PolyhedralSurface => GeometryKind::PolyhedralSurface,
        GeometryType::TIN => GeometryKind::Tin,
        GeometryType::Triangle => GeometryKind::Triangle,
        _ => return None,
    })
}
