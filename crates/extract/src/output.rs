//! Rows to files: Parquet, CSV or JSON by the extension; complete or not there at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Builder, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::{DateTime, SecondsFormat};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::ExtractError;
use crate::measure::{ClassRow, Row};

/// Rows of one record batch.
const BATCH_ROWS: usize = 65_536;
/// Rows of one Parquet row group.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// Columns of the statistics that can be asked for, in their order.
pub const STATISTICS: [&str; 8] = ["count", "mean", "stdev", "min", "max", "p25", "p50", "p75"];

/// A file format for rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// Apache Parquet, zstd.
    Parquet,
    /// Comma-separated values with a header; empty = null.
    Csv,
    /// One array of objects.
    Json,
}

impl OutputFormat {
    /// Returns the format that the extension of `path` names.
    ///
    /// # Errors
    /// Where it names none.
    pub fn of_path(path: &Path) -> Result<Self, ExtractError> {
        let extension = path
            .extension()
            .and_then(|text| text.to_str())
            .unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "parquet" => Ok(Self::Parquet),
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            _ => Err(ExtractError::Options {
                reason: format!(
                    "{}: the name of the output must end in .parquet, .csv or .json",
                    path.display()
                ),
            }),
        }
    }
}

/// An item as it stands in rows.
#[derive(Debug, Clone, PartialEq)]
pub struct RowItem {
    /// Its id.
    pub id: String,
    /// Microseconds since 1970, UTC.
    pub datetime_us: i64,
}

/// Which columns a file has.
#[derive(Debug, Clone)]
pub struct Columns {
    /// True for `item_id` and `datetime` first.
    pub has_item: bool,
    /// Names out of [`STATISTICS`].
    pub statistics: Vec<String>,
}

impl Columns {
    /// Returns all statistics.
    pub fn all(has_item: bool) -> Self {
        Self {
            has_item,
            statistics: STATISTICS.map(str::to_owned).to_vec(),
        }
    }

    fn leading(&self, format: OutputFormat) -> Vec<Field> {
        let mut fields = Vec::new();
        if self.has_item {
            let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
            fields.push(Field::new("item_id", DataType::Utf8, false));
            // Text formats get RFC 3339 text, such as 2018-05-06T10:50:29Z.
            let datetime = if format == OutputFormat::Parquet {
                timestamp
            } else {
                DataType::Utf8
            };
            fields.push(Field::new("datetime", datetime, false));
        }
        fields.push(Field::new("parcel_id", DataType::Utf8, false));
        fields.push(Field::new("band", DataType::Utf8, false));
        fields
    }

    fn row_schema(&self, format: OutputFormat) -> SchemaRef {
        let mut fields = self.leading(format);
        for name in self.statistics.iter().map(String::as_str).chain(["clear"]) {
            fields.push(Field::new(
                name,
                DataType::Float64,
                !matches!(name, "count" | "clear"),
            ));
        }
        Arc::new(Schema::new(fields))
    }

    fn class_schema(&self, format: OutputFormat) -> SchemaRef {
        let mut fields = self.leading(format);
        fields.push(Field::new("class", DataType::Float64, false));
        fields.push(Field::new("count", DataType::Float64, false));
        Arc::new(Schema::new(fields))
    }
}

/// Names behind the numbers of rows.
pub struct RowNames<'a, 'p> {
    /// The item; needed where the columns have one.
    pub item: Option<&'a RowItem>,
    /// Names of the bands.
    pub bands: &'a [String],
    /// Returns the id of a parcel.
    pub parcel_id: &'a dyn Fn(u32) -> &'p str,
}

impl RowNames<'_, '_> {
    fn leading(
        &self,
        columns: &Columns,
        format: OutputFormat,
        places: impl Iterator<Item = (u32, u32)> + Clone,
    ) -> Vec<ArrayRef> {
        let mut arrays: Vec<ArrayRef> = Vec::new();
        let len = places.clone().count();
        if let Some(item) = self.item.filter(|_| columns.has_item) {
            let mut ids = StringBuilder::new();
            (0..len).for_each(|_| ids.append_value(&item.id));
            arrays.push(Arc::new(ids.finish()));
            arrays.push(match format {
                OutputFormat::Parquet => {
                    let datetimes = TimestampMicrosecondArray::from(vec![item.datetime_us; len]);
                    Arc::new(datetimes.with_timezone("UTC"))
                }
                _ => {
                    let text = DateTime::from_timestamp_micros(item.datetime_us)
                        .unwrap_or_default()
                        .to_rfc3339_opts(SecondsFormat::AutoSi, true);
                    Arc::new(StringArray::from(vec![text.as_str(); len]))
                }
            });
        }
        let mut parcels = StringBuilder::new();
        let mut bands = StringBuilder::new();
        for (parcel, band) in places {
            parcels.append_value((self.parcel_id)(parcel));
            bands.append_value(&self.bands[band as usize]);
        }
        arrays.push(Arc::new(parcels.finish()));
        arrays.push(Arc::new(bands.finish()));
        arrays
    }
}

enum Sink {
    Parquet(Box<ArrowWriter<File>>),
    Csv(Box<arrow::csv::Writer<BufWriter<File>>>),
    Json(Box<arrow::json::ArrayWriter<BufWriter<File>>>),
}

/// Removes what a killed run left beside `path`: the caller knows that no other run writes there.
pub(crate) fn remove_leftovers(path: &Path) {
    let prefix = scratch_prefix(path);
    let entries = std::fs::read_dir(folder_of(path))
        .into_iter()
        .flatten()
        .flatten();
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&prefix) && name.ends_with(SCRATCH_SUFFIX) {
            // A leftover that cannot be removed harms nobody.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

const SCRATCH_SUFFIX: &str = ".tmp";

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn scratch_prefix(path: &Path) -> String {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    format!(".{name}.")
}

/// Writes rows to a file that gets its name when it is complete.
pub struct RowWriter {
    path: PathBuf,
    columns: Columns,
    format: OutputFormat,
    schema: SchemaRef,
    sink: Sink,
    /// Removes itself where the writer is dropped before [`RowWriter::finish`].
    scratch: tempfile::TempPath,
    rows: u64,
}

impl RowWriter {
    /// Returns a writer of statistics.
    ///
    /// # Errors
    /// Where the folder of `path` cannot be written.
    pub fn create(path: &Path, columns: Columns) -> Result<Self, ExtractError> {
        let schema = columns.row_schema(OutputFormat::of_path(path)?);
        Self::open(path, columns, schema)
    }

    /// Returns a writer of class counts.
    ///
    /// # Errors
    /// Where the folder of `path` cannot be written.
    pub fn create_classes(path: &Path, columns: Columns) -> Result<Self, ExtractError> {
        let schema = columns.class_schema(OutputFormat::of_path(path)?);
        Self::open(path, columns, schema)
    }

    fn open(path: &Path, columns: Columns, schema: SchemaRef) -> Result<Self, ExtractError> {
        let format = OutputFormat::of_path(path)?;
        let failed = |error: &dyn std::error::Error| output_error(path, error);
        let scratch = tempfile::Builder::new()
            .prefix(&scratch_prefix(path))
            .suffix(SCRATCH_SUFFIX)
            .permissions_of_new_files()
            .tempfile_in(folder_of(path))
            .map_err(|error| failed(&error))?;
        let (file, scratch) = scratch.into_parts();
        let sink = match format {
            OutputFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
                    .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
                    .set_created_by(concat!("swath ", env!("CARGO_PKG_VERSION")).to_owned())
                    .build();
                let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties));
                Sink::Parquet(Box::new(writer.map_err(|error| failed(&error))?))
            }
            OutputFormat::Csv => Sink::Csv(Box::new(arrow::csv::Writer::new(BufWriter::new(file)))),
            OutputFormat::Json => {
                let writer = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
                Sink::Json(Box::new(writer.build(BufWriter::new(file))))
            }
        };
        Ok(Self {
            path: path.to_owned(),
            columns,
            format,
            schema,
            sink,
            scratch,
            rows: 0,
        })
    }

    /// Appends rows of one item.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn push(&mut self, rows: &[Row], names: &RowNames) -> Result<(), ExtractError> {
        for part in rows.chunks(BATCH_ROWS) {
            let mut arrays = names.leading(
                &self.columns,
                self.format,
                part.iter().map(|row| (row.parcel, row.band)),
            );
            for name in &self.columns.statistics {
                let mut values = Float64Builder::with_capacity(part.len());
                part.iter()
                    .for_each(|row| values.append_option(statistic(row, name)));
                arrays.push(Arc::new(values.finish()));
            }
            let mut clear = Float64Builder::with_capacity(part.len());
            part.iter().for_each(|row| clear.append_value(row.clear));
            arrays.push(Arc::new(clear.finish()));
            self.write(arrays)?;
        }
        self.rows += rows.len() as u64;
        Ok(())
    }

    /// Appends class counts of one item.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn push_classes(
        &mut self,
        rows: &[ClassRow],
        names: &RowNames,
    ) -> Result<(), ExtractError> {
        for part in rows.chunks(BATCH_ROWS) {
            let mut arrays = names.leading(
                &self.columns,
                self.format,
                part.iter().map(|row| (row.parcel, row.band)),
            );
            let mut classes = Float64Builder::with_capacity(part.len());
            let mut counts = Float64Builder::with_capacity(part.len());
            for row in part {
                classes.append_value(row.class);
                counts.append_value(row.count);
            }
            arrays.push(Arc::new(classes.finish()));
            arrays.push(Arc::new(counts.finish()));
            self.write(arrays)?;
        }
        self.rows += rows.len() as u64;
        Ok(())
    }

    fn write(&mut self, arrays: Vec<ArrayRef>) -> Result<(), ExtractError> {
        let batch = RecordBatch::try_new(self.schema.clone(), arrays)
            .map_err(|error| output_error(&self.path, &error))?;
        let outcome: Result<(), Box<dyn std::error::Error>> = match &mut self.sink {
            Sink::Parquet(writer) => writer.write(&batch).map_err(Into::into),
            Sink::Csv(writer) => writer.write(&batch).map_err(Into::into),
            Sink::Json(writer) => writer.write(&batch).map_err(Into::into),
        };
        outcome.map_err(|error| output_error(&self.path, &*error))
    }

    /// Completes the file and gives it its name; returns its number of rows.
    ///
    /// # Errors
    /// Where it cannot be written; then there is no file.
    pub fn finish(mut self) -> Result<u64, ExtractError> {
        if self.rows == 0 {
            self.write(
                self.schema
                    .fields()
                    .iter()
                    .map(|field| arrow::array::new_empty_array(field.data_type()))
                    .collect(),
            )?;
        }
        let path = self.path.clone();
        let failed = |error: Box<dyn std::error::Error>| output_error(&path, &*error);
        let flush = |mut file: BufWriter<File>| -> std::io::Result<()> {
            file.flush()?;
            file.get_ref().sync_all()
        };
        match self.sink {
            Sink::Parquet(writer) => {
                let file = writer.into_inner().map_err(|error| failed(error.into()))?;
                file.sync_all().map_err(|error| failed(error.into()))?;
            }
            Sink::Csv(writer) => {
                flush(writer.into_inner()).map_err(|error| failed(error.into()))?
            }
            Sink::Json(mut writer) => {
                writer.finish().map_err(|error| failed(error.into()))?;
                let mut file = writer.into_inner();
                file.write_all(b"\n")
                    .map_err(|error| failed(error.into()))?;
                flush(file).map_err(|error| failed(error.into()))?;
            }
        }
        self.scratch
            .persist(&self.path)
            .map_err(|error| failed(error.error.into()))?;
        Ok(self.rows)
    }
}

fn statistic(row: &Row, name: &str) -> Option<f64> {
    if name == "count" {
        return Some(row.count);
    }
    let values = row.values.as_ref()?;
    Some(match name {
        "mean" => values.mean,
        "stdev" => values.stdev,
        "min" => values.min,
        "max" => values.max,
        "p25" => values.p25,
        "p50" => values.p50,
        _ => values.p75,
    })
}

fn output_error(path: &Path, error: &dyn std::error::Error) -> ExtractError {
    ExtractError::Output {
        path: path.to_owned(),
        reason: format!("cannot be written: {error}"),
    }
}

/// New temporary files are private by default; results should have the usual rights.
trait UsualPermissions {
    fn permissions_of_new_files(&mut self) -> &mut Self;
}

impl UsualPermissions for tempfile::Builder<'_, '_> {
    #[cfg(unix)]
    fn permissions_of_new_files(&mut self) -> &mut Self {
        use std::os::unix::fs::PermissionsExt;
        // The process's umask still takes away what it takes from every new file.
        self.permissions(std::fs::Permissions::from_mode(0o666))
    }

    #[cfg(not(unix))]
    fn permissions_of_new_files(&mut self) -> &mut Self {
        self
    }
}
