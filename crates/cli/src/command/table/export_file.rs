//! The file of an export: GeoPackage, GeoParquet or CSV.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use swath_archive::OpenedSet;
use swath_io::vector::{GeoPackageLayer, GeoPackageWriter};
use tempfile::NamedTempFile;

use crate::error::UsageError;

/// Column of the geometries in the file of a set.
const GEOMETRY: &str = "geometry";
/// Column of the rectangles, which GeoParquet has beside them.
const BBOX: &str = "bbox";
/// Key of GeoParquet's metadata.
const GEO_KEY: &str = "geo";

/// Which format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    Csv,
    GeoParquet,
    GeoPackage,
}

impl ExportFormat {
    /// Returns the format that the name of a file ends with.
    ///
    /// # Errors
    /// Where it is none of them.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "parquet" | "geoparquet" => Ok(Self::GeoParquet),
            "gpkg" => Ok(Self::GeoPackage),
            _ => Err(UsageError(format!(
                "{}: the output is .gpkg (GeoPackage), .parquet (GeoParquet) or .csv",
                path.display()
            ))
            .into()),
        }
    }

    /// Returns the columns that hold the geometry.
    pub fn geometry_columns(self) -> &'static [&'static str] {
        match self {
            Self::Csv => &[],
            Self::GeoParquet => &[GEOMETRY, BBOX],
            Self::GeoPackage => &[GEOMETRY],
        }
    }
}

/// A file under way: it gets its name when it is complete.
pub struct ExportFile {
    path: PathBuf,
    file: NamedTempFile,
    form: Form,
}

/// The forms that need the columns of the first batch are made with it.
enum Form {
    Csv(Box<arrow::csv::Writer<std::fs::File>>),
    GeoParquet(Option<Box<ArrowWriter<std::fs::File>>>, Option<String>),
    GeoPackage(Option<Box<GeoPackageWriter>>, Box<GeoPackageLayer>),
}

impl ExportFile {
    /// Begins a file beside `path` for the parcels of a set.
    ///
    /// # Errors
    /// Where the folder cannot be written to.
    pub fn create(path: &Path, format: ExportFormat, set: &OpenedSet) -> Result<Self> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
            .with_context(|| format!("{} cannot be written", path.display()))?;
        let form = match format {
            ExportFormat::Csv => Form::Csv(Box::new(arrow::csv::Writer::new(
                file.as_file().try_clone()?,
            ))),
            ExportFormat::GeoParquet => Form::GeoParquet(None, set.file.geo_metadata()),
            ExportFormat::GeoPackage => Form::GeoPackage(None, Box::new(layer(set))),
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            form,
        })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// Where the file cannot be written, or the format cannot hold a column.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.form {
            Form::Csv(writer) => writer.write(batch)?,
            Form::GeoParquet(writer, geo) => {
                let writer = match writer {
                    Some(writer) => writer,
                    None => {
                        let file = self.file.as_file().try_clone()?;
                        let mut made = ArrowWriter::try_new(file, batch.schema(), None)?;
                        if let Some(geo) = geo.take() {
                            made.append_key_value_metadata(KeyValue::new(GEO_KEY.to_owned(), geo));
                        }
                        writer.insert(Box::new(made))
                    }
                };
                writer.write(batch)?;
            }
            Form::GeoPackage(writer, layer) => {
                // The errors below name the temporary file.
                let cannot = || format!("{} cannot be made", self.path.display());
                let writer = match writer {
                    Some(writer) => writer,
                    None => {
                        let layer = (**layer).clone();
                        let schema = batch.schema();
                        let made = GeoPackageWriter::create(self.file.path(), layer, &schema);
                        writer.insert(Box::new(made.await.with_context(cannot)?))
                    }
                };
                writer.write(batch).await.with_context(cannot)?;
            }
        }
        Ok(())
    }

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub async fn finish(self) -> Result<()> {
        match self.form {
            Form::Csv(writer) => drop(writer),
            Form::GeoParquet(Some(writer), _) => {
                writer.close()?;
            }
            Form::GeoPackage(Some(writer), _) => {
                writer.finish().await?;
            }
            Form::GeoParquet(None, _) | Form::GeoPackage(None, _) => {}
        }
        self.file.as_file().sync_all()?;
        self.file.persist(&self.path)?;
        Ok(())
    }
}

/// Returns the layer that holds a set.
fn layer(set: &OpenedSet) -> GeoPackageLayer {
    GeoPackageLayer {
        name: set.set.name.clone(),
        description: format!("Parcels of {} with their series", set.name()),
        geometry: GEOMETRY.to_owned(),
        geometry_types: set.file.geometry_types(),
        crs: set.file.crs(),
    }
}
