//! GeoParquet 1.x: polygons as well-known binary or as native (GeoArrow) lists.
//!
//! Only the geometry, the id and the columns to keep are read, in small batches.

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, Float32Array, Float64Array, LargeBinaryArray,
    RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use serde::Deserialize;
use swath_grid::Crs;

use super::archive::Input;
use super::assembly::Assembly;
use super::attributes::{IdColumn, Selection, number_text, select, trim_decimals};
use super::error::VectorError;
use super::native::{NativeColumn, NativeEncoding};
use super::shape::Shape;
use super::source::{FieldInfo, Layer, ParcelOptions, choose_crs};
use super::wkb::decode_wkb;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 1024;

/// The part of the `geo` metadata that is used.
#[derive(Debug, Deserialize)]
struct GeoMetadata {
    primary_column: String,
    columns: serde_json::Map<String, serde_json::Value>,
}

/// The column with the geometry.
struct GeometryColumn {
    name: String,
    encoding: Encoding,
    /// Absent means longitude and latitude on WGS 84, `null` means unknown.
    crs: Option<serde_json::Value>,
    has_spherical_edges: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Wkb,
    Native(NativeEncoding),
}

/// Reads a GeoParquet file.
pub(super) fn read(input: &Input, options: &ParcelOptions) -> Result<Layer, VectorError> {
    // The Parquet library may panic on broken pages; what it held is dropped, so nothing half-made
    // is seen afterwards.
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| read_file(input, options)));
    result.unwrap_or_else(|_| {
        let what = "the Parquet decoder gave up on it";
        Err(VectorError::broken(&input.name, "Parquet data", what))
    })
}

fn read_file(input: &Input, options: &ParcelOptions) -> Result<Layer, VectorError> {
    let file = File::open(&input.path).map_err(|error| VectorError::storage(&input.path, error))?;
    let file_bytes = file
        .metadata()
        .map_err(|error| VectorError::storage(&input.path, error))?
        .len();
    let broken =
        |place: &str, what: &dyn std::fmt::Display| VectorError::broken(&input.name, place, what);
    refuse_layer(input)?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|error| broken("Parquet footer", &error))?;
    check_chunks(input, &builder, file_bytes)?;
    let column = geometry_column(input, &builder)?;
    let crs = choose_crs(&input.name, options, || column_crs(&column))?;
    let schema = builder.schema().clone();
    let fields = fields(&schema, &column.name);
    let selection = select(&input.name, &fields, options, None)?;
    let wanted = wanted_columns(&schema, &column, &fields, &selection);
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let reader = builder
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|error| broken("Parquet data", &error))?;
    let mut assembly = Assembly::new(input, crs, fields.clone(), selection.clone());
    if column.has_spherical_edges {
        assembly.note("the file declares spherical edges; they are read as straight lines");
    }
    let names = Names {
        geometry: &column.name,
        id: match selection.id {
            IdColumn::Column(id) => Some(&fields[id].name),
            IdColumn::RowNumber => None,
        },
        kept: selection
            .kept
            .iter()
            .map(|&kept| fields[kept].name.as_str())
            .collect(),
    };
    read_batches(&input.name, reader, &column, &names, &mut assembly)?;
    assembly.finish()
}

fn refuse_layer(input: &Input) -> Result<(), VectorError> {
    let stem = input
        .name
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    match &input.layer {
        Some(layer) if stem.as_ref() != Some(layer) => Err(VectorError::Layer {
            file: input.name.clone(),
            what: format!("has no layer {layer:?}"),
            layers: stem.into_iter().collect(),
        }),
        _ => Ok(()),
    }
}

/// Checks that every column chunk lies in the file, before memory is taken for any.
fn check_chunks(
    input: &Input,
    builder: &ParquetRecordBatchReaderBuilder<File>,
    file_bytes: u64,
) -> Result<(), VectorError> {
    for (group, metadata) in builder.metadata().row_groups().iter().enumerate() {
        for column in metadata.columns() {
            let start = column
                .dictionary_page_offset()
                .unwrap_or_else(|| column.data_page_offset());
            let end = start.checked_add(column.compressed_size());
            let fits = start >= 0
                && column.compressed_size() >= 0
                && end.is_some_and(|end| u64::try_from(end).is_ok_and(|end| end <= file_bytes));
            if !fits {
                let place = format!("row group {group}, column {}", column.column_path());
                let what = format!(
                    "{} bytes from byte {start} do not lie in the file of {file_bytes} bytes",
                    column.compressed_size()
                );
                return Err(VectorError::broken(&input.name, place, what));
            }
        }
    }
    Ok(())
}

fn geometry_column(
    input: &Input,
    builder: &ParquetRecordBatchReaderBuilder<File>,
) -> Result<GeometryColumn, VectorError> {
    let metadata = builder.metadata().file_metadata().key_value_metadata();
    let geo = metadata
        .into_iter()
        .flatten()
        .find(|pair| pair.key == "geo");
    let Some(text) = geo.and_then(|pair| pair.value.as_deref()) else {
        return Err(VectorError::Unsupported {
            file: input.name.clone(),
            found: "a Parquet table without \"geo\" metadata, so no GeoParquet".to_string(),
            remedy: "write it as GeoParquet (GeoPandas to_parquet, ogr2ogr -f Parquet, DuckDB \
                     spatial)"
                .to_string(),
        });
    };
    let broken = |what: String| VectorError::broken(&input.name, "\"geo\" metadata", what);
    let metadata: GeoMetadata = serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(&without_nan(text)))
        .map_err(|error| broken(error.to_string()))?;
    let name = metadata.primary_column;
    let Some(column) = metadata.columns.get(&name) else {
        return Err(broken(format!(
            "the primary column {name:?} is not described"
        )));
    };
    if builder.schema().field_with_name(&name).is_err() {
        return Err(broken(format!(
            "the primary column {name:?} is not in the table"
        )));
    }
    let encoding =
        match column["encoding"].as_str().unwrap_or("WKB") {
            "WKB" => Encoding::Wkb,
            other => Encoding::Native(NativeEncoding::from_name(other).ok_or_else(|| {
                broken(format!("encoding {other:?} of column {name:?} is unknown"))
            })?),
        };
    Ok(GeometryColumn {
        encoding,
        crs: column.get("crs").cloned(),
        has_spherical_edges: column["edges"].as_str() == Some("spherical"),
        name,
    })
}

/// Returns JSON text with `null` for the words that Python writes for numbers JSON cannot hold.
fn without_nan(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for (index, part) in text.split('"').enumerate() {
        if index > 0 {
            result.push('"');
        }
        // Odd parts stand within quotes; an escaped quote would end the reading all the same.
        match index % 2 {
            0 => result.push_str(
                &part
                    .replace("-Infinity", "null")
                    .replace("Infinity", "null")
                    .replace("NaN", "null"),
            ),
            _ => result.push_str(part),
        }
    }
    result
}

fn column_crs(column: &GeometryColumn) -> Result<Crs, String> {
    const EPSG_WGS84: u32 = 4326;
    match &column.crs {
        None => Crs::from_epsg(EPSG_WGS84).map_err(|error| error.to_string()),
        Some(serde_json::Value::Null) => Err("the file says that its CRS is unknown".to_string()),
        Some(serde_json::Value::String(text)) => Crs::parse(text)
            .map_err(|error| format!("the CRS of the file is not understood: {error}")),
        Some(projjson) => Crs::parse(&projjson.to_string())
            .map_err(|error| format!("the CRS of the file is not understood: {error}")),
    }
}

fn fields(schema: &SchemaRef, geometry: &str) -> Vec<FieldInfo> {
    schema
        .fields()
        .iter()
        .filter(|field| field.name() != geometry)
        .map(|field| FieldInfo {
            name: field.name().clone(),
            type_name: field.data_type().to_string(),
        })
        .collect()
}

/// Returns the places of the columns to read in the table.
fn wanted_columns(
    schema: &SchemaRef,
    column: &GeometryColumn,
    fields: &[FieldInfo],
    selection: &Selection,
) -> Vec<usize> {
    let mut names: Vec<&str> = vec![&column.name];
    if let IdColumn::Column(id) = selection.id {
        names.push(&fields[id].name);
    }
    names.extend(
        selection
            .kept
            .iter()
            .map(|&kept| fields[kept].name.as_str()),
    );
    (0..schema.fields().len())
        .filter(|&index| names.contains(&schema.field(index).name().as_str()))
        .collect()
}

/// Names of the columns that were read.
struct Names<'a> {
    geometry: &'a str,
    id: Option<&'a str>,
    kept: Vec<&'a str>,
}

fn read_batches(
    file: &Path,
    reader: ParquetRecordBatchReader,
    column: &GeometryColumn,
    names: &Names<'_>,
    assembly: &mut Assembly,
) -> Result<(), VectorError> {
    let mut shape = Shape::default();
    for batch in reader {
        let first = assembly.feature();
        let place = |row: u64| format!("row {}", first + row);
        let batch = batch.map_err(|error| VectorError::broken(file, place(0), error))?;
        let text = |name: &str| {
            string_column(&batch, name).map_err(|what| VectorError::broken(file, place(0), what))
        };
        let ids = names.id.map(text).transpose()?;
        let kept = names
            .kept
            .iter()
            .map(|name| text(name))
            .collect::<Result<Vec<_>, _>>()?;
        let geometry = batch
            .column_by_name(names.geometry)
            .ok_or_else(|| VectorError::broken(file, place(0), "the geometry column is gone"))?;
        let geometry = Geometries::new(geometry, column.encoding)
            .map_err(|what| VectorError::broken(file, place(0), what))?;
        let mut kept_values: Vec<Option<&str>> = Vec::with_capacity(kept.len());
        for row in 0..batch.num_rows() {
            geometry
                .decode(row, &mut shape)
                .map_err(|what| VectorError::broken(file, place(row as u64), what))?;
            kept_values.clear();
            kept_values.extend(kept.iter().map(|column| value(column, row)));
            let id = ids.as_ref().and_then(|ids| value(ids, row));
            assembly.add(id, &kept_values, &mut shape)?;
        }
    }
    Ok(())
}

fn value(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

/// Returns a column as text, numbers without needless decimals.
fn string_column(batch: &RecordBatch, name: &str) -> Result<StringArray, String> {
    let column = batch
        .column_by_name(name)
        .ok_or_else(|| format!("column {name:?} is gone"))?;
    let as_text = |column: &ArrayRef| -> Result<StringArray, String> {
        let text = cast(column, &DataType::Utf8).map_err(|error| format!("{name:?}: {error}"))?;
        let text = text.as_any().downcast_ref::<StringArray>().cloned();
        text.ok_or_else(|| format!("column {name:?} cannot be read as text"))
    };
    match column.data_type() {
        DataType::Float16 | DataType::Float32 => {
            let numbers = cast(column, &DataType::Float32).map_err(|error| error.to_string())?;
            let numbers = numbers.as_any().downcast_ref::<Float32Array>().cloned();
            let numbers = numbers.ok_or_else(|| format!("column {name:?} is no number"))?;
            // Through the shortest decimal of the narrow type: 0.1 stays 0.1.
            let text = |n: f32| n.to_string().parse::<f64>().ok().and_then(number_text);
            Ok(numbers.iter().map(|number| number.and_then(text)).collect())
        }
        DataType::Float64 => {
            let numbers = column.as_any().downcast_ref::<Float64Array>();
            let numbers = numbers.ok_or_else(|| format!("column {name:?} is no number"))?;
            Ok(numbers
                .iter()
                .map(|number| number.and_then(number_text))
                .collect())
        }
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => {
            let text = as_text(column)?;
            Ok(text.iter().map(|value| value.map(trim_decimals)).collect())
        }
        _ => as_text(column),
    }
}

/// The geometry column of a batch.
enum Geometries<'a> {
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    Native(NativeColumn<'a>),
}

impl<'a> Geometries<'a> {
    fn new(column: &'a ArrayRef, encoding: Encoding) -> Result<Self, String> {
        if let Encoding::Native(encoding) = encoding {
            return NativeColumn::new(column, encoding).map(Self::Native);
        }
        let any = column.as_any();
        if let Some(binary) = any.downcast_ref() {
            return Ok(Self::Binary(binary));
        }
        if let Some(binary) = any.downcast_ref() {
            return Ok(Self::LargeBinary(binary));
        }
        if let Some(binary) = any.downcast_ref() {
            return Ok(Self::BinaryView(binary));
        }
        Err(format!(
            "a WKB geometry column is of type {}",
            column.data_type()
        ))
    }

    fn decode(&self, row: usize, shape: &mut Shape) -> Result<(), String> {
        shape.clear();
        let bytes = match self {
            Self::Binary(column) => column.is_valid(row).then(|| column.value(row)),
            Self::LargeBinary(column) => column.is_valid(row).then(|| column.value(row)),
            Self::BinaryView(column) => column.is_valid(row).then(|| column.value(row)),
            Self::Native(column) => return column.decode(row, shape),
        };
        match bytes {
            None | Some([]) => Ok(()),
            Some(bytes) => decode_wkb(bytes, shape)
                .map_err(|error| format!("geometry, byte {}: {}", error.offset, error.what)),
        }
    }
}
