//! stac-geoparquet: one row per item, its properties as columns, its geometry as WKB.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, BinaryViewArray, LargeBinaryArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use arrow::json::reader::infer_json_schema_from_iterator;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::ChunkReader;
use serde_json::{Map, Value, json};

use super::unreadable;
use crate::{CatalogError, geometry, wkb};

/// Fields of an item that are no properties.
const TOP_FIELDS: &[&str] = &[
    "type",
    "stac_version",
    "stac_extensions",
    "id",
    "geometry",
    "bbox",
    "links",
    "assets",
    "collection",
];
/// Properties that are instants.
const INSTANTS: &[&str] = &[
    "datetime",
    "start_datetime",
    "end_datetime",
    "created",
    "updated",
    "published",
    "expires",
];
/// Rows read and written at once.
const BATCH_ROWS: usize = 512;
/// Most columns, nested ones included.
const COLUMNS_MAX: usize = 20_000;

/// Reads the items of a stac-geoparquet file, in its order.
///
/// # Errors
/// Where it is no Parquet, or has no column `geometry` in WKB.
pub fn read_geoparquet(
    file: impl ChunkReader + 'static,
) -> Result<impl Iterator<Item = Result<Map<String, Value>, CatalogError>>, CatalogError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable)?;
    if builder.parquet_schema().num_columns() > COLUMNS_MAX {
        return Err(CatalogError::Limit {
            reason: format!("the file has more than {COLUMNS_MAX} columns"),
        });
    }
    let reader = builder
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(unreadable)?;
    Ok(reader.flat_map(|batch| {
        let items = batch.map_err(unreadable).and_then(|batch| items_of(&batch));
        match items {
            Ok(items) => items.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        }
    }))
}

fn items_of(batch: &RecordBatch) -> Result<Vec<Map<String, Value>>, CatalogError> {
    let schema = batch.schema();
    let position = schema
        .index_of("geometry")
        .map_err(|_| unreadable("the file has no column \"geometry\": it is no stac-geoparquet"))?;
    let shapes = batch.column(position);
    // Other geometries in WKB (`proj:geometry`) have no JSON form that an item could use.
    let kept: Vec<usize> = (0..batch.num_columns())
        .filter(|index| !is_binary(schema.field(*index).data_type()))
        .collect();
    let rest = batch.project(&kept).map_err(unreadable)?;
    let mut text = Vec::new();
    let mut writer = arrow::json::LineDelimitedWriter::new(&mut text);
    writer.write(&rest).map_err(unreadable)?;
    writer.finish().map_err(unreadable)?;
    drop(writer);
    let mut items = Vec::with_capacity(batch.num_rows());
    for (row, line) in text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .enumerate()
    {
        let columns: Map<String, Value> = serde_json::from_slice(line).map_err(unreadable)?;
        items.push(item_of(columns, shape_at(shapes, row)?));
    }
    Ok(items)
}

fn is_binary(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView
    )
}

fn shape_at(shapes: &ArrayRef, row: usize) -> Result<Value, CatalogError> {
    if shapes.is_null(row) {
        return Ok(Value::Null);
    }
    let any = shapes.as_any();
    let bytes = if let Some(array) = any.downcast_ref::<BinaryArray>() {
        array.value(row)
    } else if let Some(array) = any.downcast_ref::<LargeBinaryArray>() {
        array.value(row)
    } else if let Some(array) = any.downcast_ref::<BinaryViewArray>() {
        array.value(row)
    } else {
        return Err(unreadable("the column \"geometry\" is not WKB"));
    };
    let shape = wkb::decode(bytes).ok_or_else(|| unreadable("a geometry is not WKB"))?;
    Ok(geometry::to_geojson(&shape))
}

fn item_of(columns: Map<String, Value>, shape: Value) -> Map<String, Value> {
    let mut item = Map::new();
    let mut properties = Map::new();
    for (name, value) in columns {
        match name.as_str() {
            "bbox" => {
                let edge = |edge: &str| value.get(edge).cloned();
                let edges = ["xmin", "ymin", "xmax", "ymax"].map(edge);
                if let [Some(west), Some(south), Some(east), Some(north)] = edges {
                    item.insert(name, json!([west, south, east, north]));
                } else if value.is_array() {
                    item.insert(name, value);
                }
            }
            top if TOP_FIELDS.contains(&top) => {
                item.insert(name, value);
            }
            _ => {
                properties.insert(name, value);
            }
        }
    }
    properties.entry("datetime").or_insert(Value::Null);
    item.insert("type".into(), "Feature".into());
    item.insert("geometry".into(), shape);
    item.insert("properties".into(), properties.into());
    for name in ["links", "assets"] {
        let empty = if name == "links" {
            json!([])
        } else {
            json!({})
        };
        item.entry(name).or_insert(empty);
    }
    item
}

/// A stac-geoparquet file under construction: first all items are shown, then written.
///
/// Two readings keep the memory bounded: columns and their types are known before the first row.
#[derive(Debug)]
pub struct ItemTable {
    schema: Option<Schema>,
}

impl Default for ItemTable {
    fn default() -> Self {
        Self::new()
    }
}

impl ItemTable {
    /// Returns a table without columns.
    pub fn new() -> Self {
        Self { schema: None }
    }

    /// Learns the columns of some items.
    ///
    /// # Errors
    /// Where a property is of kinds that no column holds (a list here, a number there).
    pub fn learn(&mut self, items: &[Map<String, Value>]) -> Result<(), CatalogError> {
        if items.is_empty() {
            return Ok(());
        }
        let rows = items.iter().map(|item| Ok(row_of(item)));
        let found = infer_json_schema_from_iterator(rows).map_err(unreadable)?;
        self.schema = Some(match self.schema.take() {
            None => found,
            Some(known) => Schema::new(merged(known.fields(), found.fields())?),
        });
        Ok(())
    }

    /// Begins to write; the rows are those that were learned from.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_to<W: Write + Send>(self, writer: W) -> Result<ItemWriter<W>, CatalogError> {
        let learned = self.schema.unwrap_or_else(Schema::empty);
        let columns = Arc::new(Schema::new(settled(learned.fields())));
        let mut fields: Vec<Field> = columns
            .fields()
            .iter()
            .map(|field| field.as_ref().clone())
            .collect();
        fields.push(Field::new("geometry", DataType::Binary, true));
        let schema = Arc::new(Schema::new(fields));
        let geo = json!({"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": {
            "encoding": "WKB", "geometry_types": [], "covering": {"bbox": {
                "xmin": ["bbox", "xmin"], "ymin": ["bbox", "ymin"], "xmax": ["bbox", "xmax"], "ymax": ["bbox", "ymax"]}}}}});
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(Default::default()))
            .set_key_value_metadata(Some(vec![
                KeyValue::new("geo".to_owned(), geo.to_string()),
                KeyValue::new(
                    "stac-geoparquet".to_owned(),
                    json!({"version": "1.1.0"}).to_string(),
                ),
            ]))
            .build();
        let writer =
            ArrowWriter::try_new(writer, schema.clone(), Some(properties)).map_err(unreadable)?;
        Ok(ItemWriter {
            writer,
            columns,
            schema,
        })
    }
}

/// Writes items as rows.
pub struct ItemWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    columns: SchemaRef,
    schema: SchemaRef,
}

impl<W: Write + Send> std::fmt::Debug for ItemWriter<W> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ItemWriter")
    }
}

impl<W: Write + Send> ItemWriter<W> {
    /// Writes some items.
    ///
    /// # Errors
    /// Where one has what no other had when the columns were learned; what the writer says.
    pub fn write(&mut self, items: &[Map<String, Value>]) -> Result<(), CatalogError> {
        for items in items.chunks(BATCH_ROWS) {
            let rows: Vec<Value> = items.iter().map(row_of).collect();
            let mut decoder = arrow::json::ReaderBuilder::new(self.columns.clone())
                .with_coerce_primitive(true)
                .with_batch_size(BATCH_ROWS)
                .build_decoder()
                .map_err(unreadable)?;
            decoder.serialize(&rows).map_err(unreadable)?;
            let batch = decoder.flush().map_err(unreadable)?;
            let Some(batch) = batch else { continue };
            let shapes: Vec<Option<Vec<u8>>> = items
                .iter()
                .map(|item| {
                    let shape = item.get("geometry").filter(|shape| !shape.is_null())?;
                    geometry::from_geojson(shape)
                        .ok()
                        .map(|shape| wkb::encode(&shape))
                })
                .collect();
            let shapes = BinaryArray::from_iter(shapes);
            let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
            columns.push(Arc::new(shapes));
            let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(unreadable)?;
            self.writer.write(&batch).map_err(unreadable)?;
        }
        Ok(())
    }

    /// Completes the file.
    ///
    /// # Errors
    /// What the writer says.
    pub fn finish(self) -> Result<(), CatalogError> {
        self.writer.close().map(|_| ()).map_err(unreadable)
    }
}

/// Returns an item as flat columns, without its geometry.
fn row_of(item: &Map<String, Value>) -> Value {
    let mut row = Map::new();
    for (name, value) in item {
        match (name.as_str(), value) {
            ("geometry", _) => {}
            ("bbox", Value::Array(edges)) => {
                let edge = |index: usize| edges.get(index).and_then(Value::as_f64);
                let half = edges.len() / 2;
                row.insert(
                    "bbox".into(),
                    json!({"xmin": edge(0), "ymin": edge(1), "xmax": edge(half), "ymax": edge(half + 1)}),
                );
            }
            ("properties", Value::Object(properties)) => {
                let own = properties
                    .iter()
                    .filter(|(name, _)| !TOP_FIELDS.contains(&name.as_str()));
                row.extend(own.map(|(name, value)| (name.clone(), value.clone())));
            }
            _ => {
                row.insert(name.clone(), value.clone());
            }
        }
    }
    Value::Object(row)
}

/// Joins columns of two readings; whole numbers become floats, and anything with a text a text.
fn merged(known: &Fields, found: &Fields) -> Result<Fields, CatalogError> {
    let mut fields: Vec<Field> = known.iter().map(|field| field.as_ref().clone()).collect();
    for field in found {
        match fields.iter_mut().find(|known| known.name() == field.name()) {
            None => fields.push(field.as_ref().clone()),
            Some(known) => {
                let kind = joined(known.data_type(), field.data_type()).ok_or_else(|| {
                    unreadable(format_args!(
                        "\"{}\" is {} in one item and {} in another",
                        field.name(),
                        known.data_type(),
                        field.data_type()
                    ))
                })?;
                *known = Field::new(field.name(), kind, true);
            }
        }
    }
    Ok(fields.into())
}

fn joined(one: &DataType, two: &DataType) -> Option<DataType> {
    use DataType::{Boolean, Float64, Int64, List, Null, Struct, Utf8};
    Some(match (one, two) {
        (one, two) if one == two => one.clone(),
        (Null, other) | (other, Null) => other.clone(),
        (Int64, Float64) | (Float64, Int64) => Float64,
        (Utf8, Int64 | Float64 | Boolean) | (Int64 | Float64 | Boolean, Utf8) => Utf8,
        (Struct(one), Struct(two)) => Struct(merged(one, two).ok()?),
        (List(one), List(two)) => List(Arc::new(Field::new(
            "item",
            joined(one.data_type(), two.data_type())?,
            true,
        ))),
        _ => return None,
    })
}

/// Makes instants of what is known to be one; leaves out what Parquet cannot hold (only nulls, no
/// fields).
fn settled(fields: &Fields) -> Fields {
    let kept = fields.iter().filter_map(|field| {
        let is_text = matches!(field.data_type(), DataType::Utf8);
        if is_text && INSTANTS.contains(&field.name().as_str()) {
            let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
            return Some(Field::new(field.name(), instant, true));
        }
        settled_kind(field.data_type()).map(|kind| Field::new(field.name(), kind, true))
    });
    kept.collect()
}

fn settled_kind(kind: &DataType) -> Option<DataType> {
    match kind {
        DataType::Null => None,
        DataType::Struct(fields) => {
            let kept: Vec<Field> = fields
                .iter()
                .filter_map(|field| {
                    settled_kind(field.data_type()).map(|kind| Field::new(field.name(), kind, true))
                })
                .collect();
            (!kept.is_empty()).then(|| DataType::Struct(kept.into()))
        }
        DataType::List(item) => settled_kind(item.data_type())
            .map(|kind| DataType::List(Arc::new(Field::new("item", kind, true)))),
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_end_in_a_result(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut framed = b"PAR1".to_vec();
            framed.extend(&bytes);
            framed.extend(b"PAR1");
            for bytes in [bytes, framed] {
                if let Ok(items) = read_geoparquet(bytes::Bytes::from(bytes)) {
                    let _ = items.count();
                }
            }
        }
    }
}
