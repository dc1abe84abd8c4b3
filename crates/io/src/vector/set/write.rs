//! Writing the file of a parcel set.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder, Float64Array, RecordBatch, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use swath_grid::{Bbox, Bounds};

use super::super::error::VectorError;
use super::super::parcels::StringColumn;
use super::super::source::{FieldInfo, ParcelSource, ValueKind};
use super::attributes::ColumnType;
use super::metadata::{FORMAT, KEY, SetMetadata, geo_metadata};
use super::place::{Placed, bbox, place};
use super::wkb_write::{Written, write_wkb};
use super::{BBOX, GEOMETRY, ID, RESERVED};

/// Rows of a row group: near parcels, so that a view of a region reads few groups.
const GROUP_ROWS: usize = 16_384;
/// Most rows of a page.
const PAGE_ROWS_MAX: usize = 2_048;
/// Effort of the compression: above it files shrink by parts of a percent.
const ZSTD_LEVEL: i32 = 6;

/// Columns of a set that are not columns of its source; each has a value for every parcel of the
/// source, in the source's order.
#[derive(Debug, Default)]
pub struct SetColumns {
    /// Ids, where they are not those of the source.
    pub ids: Option<StringColumn>,
    /// Codes of the declared crops.
    pub crop_code: Option<StringColumn>,
    /// Names of the declared crops.
    pub crop_name: Option<StringColumn>,
    /// Codes of HCAT.
    pub hcat_code: Option<StringColumn>,
    /// Names of HCAT.
    pub hcat_name: Option<StringColumn>,
    /// Declared areas in hectares; the column is written only where it is given.
    pub declared_area_ha: Option<Vec<Option<f64>>>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct SetSummary {
    /// Number of rows.
    pub features: u64,
    /// Rectangle around all in longitude and latitude.
    pub bbox: Option<Bbox>,
    /// Columns that carry another name than in the source: there, here.
    pub renamed: Vec<(String, String)>,
}

/// Writes the parcels of `rows` of a source, in the order of the set, to a file at `path`.
///
/// The same content gives the same bytes. What [`ParcelSource::kept`] lists is written beside
/// `columns`; of the metadata only format, geometry and CRS are set here. Memory: the rows of one
/// row group beside the source.
///
/// # Errors
/// Where the CRS cannot be brought to degrees, or the file cannot be written.
pub fn write_set(
    path: &Path,
    source: &ParcelSource,
    rows: &[u32],
    columns: &SetColumns,
    metadata: SetMetadata,
) -> Result<SetSummary, VectorError> {
    let placed = place(source, rows).map_err(|error| VectorError::Projection {
        what: error.to_string(),
    })?;
    let attributes = attributes(source, &metadata);
    let layout = Layout {
        source,
        columns,
        attributes,
    };
    let schema = layout.schema();
    let failed = |error: &dyn std::fmt::Display| VectorError::Write {
        file: path.to_path_buf(),
        what: error.to_string(),
    };
    let file = File::create(path).map_err(|error| failed(&error))?;
    let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties()))
        .map_err(|error| failed(&error))?;
    let mut types: Vec<Written> = Vec::new();
    for group in placed.chunks(GROUP_ROWS) {
        let arrays = layout.arrays(group, &mut types);
        let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(|error| failed(&error))?;
        writer.write(&batch).map_err(|error| failed(&error))?;
    }
    for (key, text) in footer(source, &placed, &types, metadata) {
        writer.append_key_value_metadata(KeyValue::new(key, text));
    }
    writer.close().map_err(|error| failed(&error))?;
    let is_renamed = |attribute: &&Attribute| attribute.name != attribute.source_name;
    Ok(SetSummary {
        features: placed.len() as u64,
        bbox: bbox(&placed),
        renamed: layout
            .attributes
            .iter()
            .filter(is_renamed)
            .map(|attribute| (attribute.source_name.clone(), attribute.name.clone()))
            .collect(),
    })
}

fn properties() -> WriterProperties {
    let level = ZstdLevel::try_new(ZSTD_LEVEL).expect("a level between 1 and 22");
    WriterProperties::builder()
        .set_created_by("swath".to_string())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS_MAX)
        .set_write_batch_size(PAGE_ROWS_MAX)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_column_statistics_enabled(ColumnPath::from(GEOMETRY), EnabledStatistics::None)
        .set_column_dictionary_enabled(ColumnPath::from(GEOMETRY), false)
        .set_column_dictionary_enabled(ColumnPath::from(ID), false)
        .build()
}

/// Returns what stands in the footer, by key.
fn footer(
    source: &ParcelSource,
    placed: &[Placed],
    types: &[Written],
    metadata: SetMetadata,
) -> [(String, String); 2] {
    let mut names: Vec<&str> = Vec::new();
    for (kind, name) in [
        (Written::Point, "Point"),
        (Written::Polygon, "Polygon"),
        (Written::MultiPolygon, "MultiPolygon"),
    ] {
        if types.contains(&kind) {
            names.push(name);
        }
    }
    let all = placed
        .iter()
        .filter_map(|p| source.parcels.bounds(p.row as usize));
    let bounds = all.reduce(|a, b| Bounds {
        min_x: a.min_x.min(b.min_x),
        min_y: a.min_y.min(b.min_y),
        max_x: a.max_x.max(b.max_x),
        max_y: a.max_y.max(b.max_y),
    });
    let has_projjson = source.crs.to_projjson().is_some();
    let metadata = SetMetadata {
        format: FORMAT,
        geometry: source.geometry,
        crs_wkt: (!has_projjson).then(|| source.crs.to_wkt()),
        ..metadata
    };
    let own = serde_json::to_string(&metadata).expect("texts can be written as JSON");
    [
        (
            "geo".to_string(),
            geo_metadata(&source.crs, &names, bounds).to_string(),
        ),
        (KEY.to_string(), own),
    ]
}

/// A column of the source on its way into the file.
struct Attribute {
    /// Its place among what was kept.
    kept: usize,
    source_name: String,
    name: String,
    kind: ColumnType,
}

/// Returns the columns of the source that are written: those that a column of the set repeats are
/// not, and no name is taken twice.
fn attributes(source: &ParcelSource, metadata: &SetMetadata) -> Vec<Attribute> {
    let is_reserved = |name: &str| RESERVED.iter().any(|own| own.eq_ignore_ascii_case(name));
    let is_repeated = |name: &str| {
        let of_set = [
            Some(&metadata.id_field),
            metadata.crop_field.as_ref(),
            metadata.area_field.as_ref(),
        ];
        is_reserved(name) && of_set.into_iter().flatten().any(|field| field == name)
    };
    let mut taken: Vec<String> = RESERVED.map(str::to_string).to_vec();
    let mut attributes: Vec<Attribute> = Vec::new();
    for (kept, field) in source.kept.iter().enumerate() {
        let FieldInfo { name, .. } = field;
        if is_repeated(name) {
            continue;
        }
        let mut own = name.clone();
        while taken.iter().any(|taken| taken.eq_ignore_ascii_case(&own)) {
            own = format!("source_{own}");
        }
        taken.push(own.clone());
        let kind = field.value_kind().unwrap_or(ValueKind::Text);
        attributes.push(Attribute {
            kept,
            source_name: name.clone(),
            name: own,
            kind: ColumnType::of(kind, &source.attributes[kept]),
        });
    }
    attributes
}

/// What goes into which column.
struct Layout<'a> {
    source: &'a ParcelSource,
    columns: &'a SetColumns,
    attributes: Vec<Attribute>,
}

impl Layout<'_> {
    fn schema(&self) -> SchemaRef {
        let text = |name: &str, is_nullable| Field::new(name, DataType::Utf8, is_nullable);
        let real = |name: &str| Field::new(name, DataType::Float64, true);
        let mut fields = vec![text(ID, false)];
        fields.extend(["crop_code", "crop_name", "hcat_code", "hcat_name"].map(|n| text(n, true)));
        fields.push(real("area_m2"));
        if self.columns.declared_area_ha.is_some() {
            fields.push(real("declared_area_ha"));
        }
        fields.extend(
            self.attributes
                .iter()
                .map(|attribute| Field::new(&attribute.name, attribute.kind.data_type(), true)),
        );
        fields.push(Field::new(BBOX, DataType::Struct(bbox_fields()), false));
        fields.push(Field::new(GEOMETRY, DataType::Binary, false));
        Arc::new(Schema::new(fields))
    }

    fn arrays(&self, group: &[Placed], types: &mut Vec<Written>) -> Vec<ArrayRef> {
        let parcels = &self.source.parcels;
        let rows = || group.iter().map(|placed| placed.row as usize);
        let own = |column: &Option<StringColumn>| -> ArrayRef {
            let value = |row| column.as_ref().and_then(|column| column.get(row));
            Arc::new(rows().map(value).collect::<StringArray>())
        };
        let ids: StringArray = match &self.columns.ids {
            Some(ids) => rows().map(|row| ids.get(row).or(Some(""))).collect(),
            None => rows().map(|row| Some(parcels.id(row))).collect(),
        };
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(ids),
            own(&self.columns.crop_code),
            own(&self.columns.crop_name),
            own(&self.columns.hcat_code),
            own(&self.columns.hcat_name),
            Arc::new(group.iter().map(|p| p.area_m2).collect::<Float64Array>()),
        ];
        if let Some(areas) = &self.columns.declared_area_ha {
            arrays.push(Arc::new(
                rows().map(|row| areas[row]).collect::<Float64Array>(),
            ));
        }
        for attribute in &self.attributes {
            let column = &self.source.attributes[attribute.kept];
            arrays.push(attribute.kind.array(rows().map(|row| column.get(row))));
        }
        arrays.push(self.boxes(group));
        let mut geometries = BinaryBuilder::new();
        let mut bytes = Vec::new();
        for row in rows() {
            bytes.clear();
            let written = write_wkb(parcels, row, &mut bytes);
            if !types.contains(&written) {
                types.push(written);
            }
            geometries.append_value(&bytes);
        }
        arrays.push(Arc::new(geometries.finish()));
        arrays
    }

    fn boxes(&self, group: &[Placed]) -> ArrayRef {
        let nowhere = Bounds {
            min_x: f64::NAN,
            min_y: f64::NAN,
            max_x: f64::NAN,
            max_y: f64::NAN,
        };
        let bounds: Vec<Bounds> = group
            .iter()
            .map(|placed| self.source.parcels.bounds(placed.row as usize))
            .map(|bounds| bounds.unwrap_or(nowhere))
            .collect();
        let side = |of: fn(&Bounds) -> f64| -> ArrayRef {
            Arc::new(bounds.iter().map(of).collect::<Float64Array>())
        };
        let sides = vec![
            side(|b| b.min_x),
            side(|b| b.min_y),
            side(|b| b.max_x),
            side(|b| b.max_y),
        ];
        Arc::new(StructArray::new(bbox_fields(), sides, None))
    }
}

fn bbox_fields() -> Fields {
    ["xmin", "ymin", "xmax", "ymax"]
        .map(|side| Field::new(side, DataType::Float64, false))
        .to_vec()
        .into()
}
