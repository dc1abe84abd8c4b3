//! Reading the file of a parcel set.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Float64Type, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;
use swath_grid::{Bounds, Crs};

use super::super::error::VectorError;
use super::super::parcels::StringColumn;
use super::super::source::{ParcelOptions, ParcelSource, read_parcels};
use super::attributes::AttributeChoice;
use super::index::ParcelIndex;
use super::metadata::{FORMAT, KEY, SetMetadata};
use super::{BBOX, GEOMETRY, ID};
use crate::{AssetRef, LocalCopy};

/// Largest file of a set, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 30;
/// Key of GeoParquet's metadata.
const GEO_KEY: &str = "geo";
/// Rows decoded at a time.
const BATCH_ROWS: usize = 8_192;
/// Most rows asked for at once.
const ROWS_MAX: usize = 10_000_000;

/// A column of the file of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetColumn {
    /// Its name.
    pub name: String,
    /// Its type, as Arrow names it.
    pub type_name: String,
    /// True where it is handed out only if it is named.
    pub is_personal: bool,
}

/// The file of a version of a parcel set; cloning it is cheap. Such a file never changes.
#[derive(Debug, Clone)]
pub struct ParcelSetFile {
    copy: Arc<LocalCopy>,
    /// Name for messages.
    href: PathBuf,
    footer: ArrowReaderMetadata,
    metadata: Arc<SetMetadata>,
}

impl ParcelSetFile {
    /// Opens the file; that of a remote store is copied to a temporary one, once.
    ///
    /// # Errors
    /// Where the store fails, or it is no file of a parcel set of this or an older program.
    pub async fn open(asset: &AssetRef) -> Result<Self, VectorError> {
        let href = PathBuf::from(asset.href());
        let copy = asset.local_copy(FILE_BYTES_MAX).await;
        let copy = Arc::new(copy.map_err(|error| VectorError::Fetch {
            file: href.clone(),
            source: Box::new(error),
        })?);
        on_blocking_thread(href.clone(), move || Self::read_footer(copy, href)).await
    }

    fn read_footer(copy: Arc<LocalCopy>, href: PathBuf) -> Result<Self, VectorError> {
        let file =
            File::open(copy.path()).map_err(|error| VectorError::storage(copy.path(), error))?;
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        let broken = |what: String| VectorError::broken(&href, "Parquet footer", what);
        let footer =
            ArrowReaderMetadata::load(&file, options).map_err(|error| broken(error.to_string()))?;
        let pairs = footer.metadata().file_metadata().key_value_metadata();
        let own = pairs.into_iter().flatten().find(|pair| pair.key == KEY);
        let Some(text) = own.and_then(|pair| pair.value.as_deref()) else {
            return Err(VectorError::Unsupported {
                file: href,
                found: "a Parquet file that is not the file of a parcel set".to_string(),
                remedy: "import it first: swath parcels import FILE --name SET".to_string(),
            });
        };
        let metadata: SetMetadata =
            serde_json::from_str(text).map_err(|error| broken(error.to_string()))?;
        if metadata.format > FORMAT {
            return Err(VectorError::Unsupported {
                file: href,
                found: format!("a parcel set of format {}", metadata.format),
                remedy: format!("this program reads up to {FORMAT}; use a newer one"),
            });
        }
        Ok(Self {
            copy,
            href,
            footer,
            metadata: Arc::new(metadata),
        })
    }

    /// Returns what the program noted of the set.
    pub fn metadata(&self) -> &SetMetadata {
        &self.metadata
    }

    /// Returns the `geo` metadata of GeoParquet, for files that keep the columns of the geometry.
    pub fn geo_metadata(&self) -> Option<String> {
        let pairs = self.footer.metadata().file_metadata().key_value_metadata();
        let geo = pairs.into_iter().flatten().find(|pair| pair.key == GEO_KEY);
        geo.and_then(|pair| pair.value.clone())
    }

    /// Returns the CRS of the geometries; `None` where the file tells none that is understood.
    pub fn crs(&self) -> Option<Crs> {
        if let Some(wkt) = &self.metadata.crs_wkt {
            return Crs::parse(wkt).ok();
        }
        match self.geometry_column()?.get("crs") {
            // GeoParquet's default: longitude, latitude.
            None => Crs::parse("OGC:CRS84").ok(),
            Some(crs) => Crs::parse(&crs.to_string()).ok(),
        }
    }

    /// Returns the types of the geometries as GeoParquet names them; none where that is not known.
    pub fn geometry_types(&self) -> Vec<String> {
        let column = self.geometry_column();
        let types =
            column.and_then(|column| serde_json::from_value(column["geometry_types"].clone()).ok());
        types.unwrap_or_default()
    }

    fn geometry_column(&self) -> Option<serde_json::Value> {
        let mut geo: serde_json::Value = serde_json::from_str(&self.geo_metadata()?).ok()?;
        Some(geo.get_mut("columns")?.get_mut(GEOMETRY)?.take())
    }

    /// Returns the number of parcels.
    pub fn features(&self) -> u64 {
        u64::try_from(self.footer.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Returns the columns in the order of the file.
    pub fn columns(&self) -> Vec<SetColumn> {
        let column = |field: &Arc<arrow::datatypes::Field>| SetColumn {
            name: field.name().clone(),
            type_name: field.data_type().to_string(),
            is_personal: self.metadata.personal.contains(field.name()),
        };
        self.footer.schema().fields().iter().map(column).collect()
    }

    /// Reads the parcels for measuring: their number in the source is the row of the file.
    ///
    /// # Errors
    /// As [`read_parcels`].
    pub async fn source(&self) -> Result<ParcelSource, VectorError> {
        self.source_with(&[]).await
    }

    /// As [`source`](Self::source), with the values of some columns as texts.
    ///
    /// # Errors
    /// Also where one of the columns is not there.
    pub async fn source_with(&self, columns: &[String]) -> Result<ParcelSource, VectorError> {
        let crs = self.metadata.crs_wkt.as_deref().map(Crs::parse).transpose();
        let options = ParcelOptions {
            id: Some(ID.to_string()),
            crs: crs.map_err(|error| VectorError::Crs {
                file: self.href.clone(),
                what: error.to_string(),
            })?,
            keep_attributes: columns.to_vec(),
            ..ParcelOptions::default()
        };
        read_parcels(self.copy.path(), &options).await
    }

    /// Reads ids and rectangles of all parcels.
    ///
    /// # Errors
    /// Where the file is damaged.
    pub async fn index(&self) -> Result<ParcelIndex, VectorError> {
        let set = self.clone();
        on_blocking_thread(self.href.clone(), move || set.read_index()).await
    }

    fn read_index(&self) -> Result<ParcelIndex, VectorError> {
        let mut ids = StringColumn::default();
        let mut bounds = Vec::new();
        for batch in self.reader(&[ID.to_string(), BBOX.to_string()], None)? {
            let batch = batch.map_err(|error| self.broken(&error))?;
            let damaged = || self.broken(&"a column has another type than it should");
            let texts = batch
                .column_by_name(ID)
                .and_then(|c| c.as_string_opt::<i32>());
            let boxes = batch.column_by_name(BBOX).and_then(|c| c.as_struct_opt());
            let (texts, boxes) = texts.zip(boxes).ok_or_else(damaged)?;
            let side = |name: &str| {
                let column = boxes.column_by_name(name)?;
                column.as_primitive_opt::<Float64Type>()
            };
            let (Some(min_x), Some(min_y), Some(max_x), Some(max_y)) =
                (side("xmin"), side("ymin"), side("xmax"), side("ymax"))
            else {
                return Err(damaged());
            };
            texts.iter().for_each(|id| ids.push(id));
            bounds.extend((0..batch.num_rows()).map(|row| Bounds {
                min_x: min_x.value(row),
                min_y: min_y.value(row),
                max_x: max_x.value(row),
                max_y: max_y.value(row),
            }));
        }
        Ok(ParcelIndex::new(ids, bounds))
    }

    /// Returns the chosen columns of some rows, in the order asked for.
    ///
    /// Reads only the pages that hold them.
    ///
    /// # Errors
    /// Where a row or a column is not there, or the file is damaged.
    pub async fn rows(
        &self,
        rows: &[u32],
        choice: &AttributeChoice,
    ) -> Result<RecordBatch, VectorError> {
        let names = self.chosen(choice)?;
        let (set, rows) = (self.clone(), rows.to_vec());
        on_blocking_thread(self.href.clone(), move || set.read_rows(&rows, &names)).await
    }

    fn read_rows(&self, rows: &[u32], names: &[String]) -> Result<RecordBatch, VectorError> {
        if rows.len() > ROWS_MAX {
            return Err(VectorError::Limit {
                file: self.href.clone(),
                what: format!("{} rows asked for", rows.len()),
                limit: format!("ROWS_MAX of {ROWS_MAX} rows"),
            });
        }
        let mut sorted = rows.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        if let Some(last) = sorted
            .last()
            .filter(|last| u64::from(**last) >= self.features())
        {
            return Err(VectorError::Rows {
                file: self.href.clone(),
                row: u64::from(*last),
                features: self.features(),
            });
        }
        let selection = selection(&sorted);
        let reader = self.reader(names, Some(selection))?;
        let schema = arrow::array::RecordBatchReader::schema(&reader);
        let batches = reader.collect::<Result<Vec<_>, _>>();
        let batches = batches.map_err(|error| self.broken(&error))?;
        let whole = concat_batches(&schema, &batches).map_err(|error| self.broken(&error))?;
        // Every row asked for is among the sorted ones.
        let place = |row: &u32| sorted.partition_point(|known| known < row) as u32;
        let places: UInt32Array = rows.iter().map(|row| Some(place(row))).collect();
        let taken = take_record_batch(&whole, &places).map_err(|error| self.broken(&error))?;
        self.in_order(&taken, names)
    }

    /// Returns the chosen columns of all rows, a few thousand at a time, in the order of the file.
    /// The iterator reads as it goes: use it on a blocking thread.
    ///
    /// # Errors
    /// Where a column is not there; each batch where the file is damaged.
    pub fn batches(
        &self,
        choice: &AttributeChoice,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, VectorError>> + Send + 'static, VectorError>
    {
        let names = self.chosen(choice)?;
        let reader = self.reader(&names, None)?;
        let set = self.clone();
        Ok(reader.map(move |batch| {
            let batch = batch.map_err(|error| set.broken(&error))?;
            set.in_order(&batch, &names)
        }))
    }

    /// Returns the names of the columns of a choice, in their order.
    ///
    /// # Errors
    /// [`VectorError::Attribute`] where one that is named is not there.
    pub fn chosen(&self, choice: &AttributeChoice) -> Result<Vec<String>, VectorError> {
        let columns = self.columns();
        let open = || {
            let is_open = |column: &&SetColumn| {
                !column.is_personal && ![BBOX, GEOMETRY].contains(&column.name.as_str())
            };
            columns
                .iter()
                .filter(is_open)
                .map(|column| column.name.clone())
        };
        let (mut names, named): (Vec<String>, &[String]) = match choice {
            AttributeChoice::Open => (open().collect(), &[]),
            AttributeChoice::OpenAnd(named) => (open().collect(), named),
            AttributeChoice::Named(named) => (Vec::new(), named),
        };
        for name in named {
            if !columns.iter().any(|column| &column.name == name) {
                return Err(VectorError::Attribute {
                    file: self.href.clone(),
                    field: name.clone(),
                    columns: columns.into_iter().map(|column| column.name).collect(),
                });
            }
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Ok(names)
    }

    fn reader(
        &self,
        names: &[String],
        selection: Option<RowSelection>,
    ) -> Result<ParquetRecordBatchReader, VectorError> {
        let path = self.copy.path();
        let file = File::open(path).map_err(|error| VectorError::storage(path, error))?;
        let schema: &SchemaRef = self.footer.schema();
        let wanted = (0..schema.fields().len())
            .filter(|&column| names.contains(schema.field(column).name()));
        let mask = ProjectionMask::roots(self.footer.parquet_schema(), wanted);
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.footer.clone())
                .with_projection(mask)
                .with_batch_size(BATCH_ROWS);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        builder.build().map_err(|error| self.broken(&error))
    }

    /// Puts the columns into the order of their names.
    fn in_order(&self, batch: &RecordBatch, names: &[String]) -> Result<RecordBatch, VectorError> {
        let place = |name: &String| batch.schema().index_of(name);
        let places: Result<Vec<usize>, _> = names.iter().map(place).collect();
        let ordered = places.and_then(|places| batch.project(&places));
        ordered.map_err(|error| self.broken(&error))
    }

    fn broken(&self, what: &dyn std::fmt::Display) -> VectorError {
        VectorError::broken(&self.href, "Parquet data", what)
    }
}

/// Returns the selection of sorted rows.
fn selection(sorted: &[u32]) -> RowSelection {
    let mut selectors: Vec<RowSelector> = Vec::new();
    let mut next = 0;
    for &row in sorted {
        let row = row as usize;
        if row > next {
            selectors.push(RowSelector::skip(row - next));
        }
        selectors.push(RowSelector::select(1));
        next = row + 1;
    }
    selectors.into()
}

async fn on_blocking_thread<T: Send + 'static>(
    file: PathBuf,
    work: impl FnOnce() -> Result<T, VectorError> + Send + 'static,
) -> Result<T, VectorError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(VectorError::Internal {
            file,
            what: error.to_string(),
        }),
    }
}
