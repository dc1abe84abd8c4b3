//! A table of a query: the Parquet files of one moment, of which a query reads those that it needs.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, DFSchema, ScalarValue, Statistics, project_schema};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use parquet::arrow::{RowNumber, parquet_to_arrow_schema};
use parquet::errors::ParquetError;
use swath_extract::ExtractError;
use swath_extract::table::{FileStats, Snapshot, TableKind, TableStore};
use swath_io::AssetRef;

use super::asset_reader::{AssetReaders, ParquetFile};
use super::names::ParcelsVersion;

/// The store that plans name. It is empty: files carry their own reader.
pub const STORE_URL: &str = "swath://tables";
/// Column of the partition, and of the number of a parcel.
const MONTH: &str = "month";
const PARCEL: &str = "parcel";

/// One file with what is known of it without opening it.
#[derive(Debug)]
struct KnownFile {
    file: Arc<ParquetFile>,
    /// Key below the root of the table, for `EXPLAIN`.
    path: String,
    rows: u64,
    /// Partition, `YYYY-MM`; `None` of parcel sets.
    month: Option<String>,
    stats: FileStats,
}

/// Files of one moment under one schema.
#[derive(Debug)]
pub struct FileTable {
    files: Vec<KnownFile>,
    schema: TableSchema,
}

impl FileTable {
    /// Returns one of the two tables of a profile at the moment of a snapshot.
    ///
    /// # Errors
    /// Where the log names a path that climbs.
    pub fn of_snapshot(
        store: &TableStore,
        kind: TableKind,
        snapshot: &Snapshot,
    ) -> Result<Self, ExtractError> {
        let file = |file: &Arc<swath_extract::table::TableFile>| {
            let asset = store.asset(kind, &file.path)?;
            Ok(KnownFile {
                file: Arc::new(ParquetFile::new(asset, file.size_bytes)),
                path: file.path.clone(),
                rows: file.rows,
                month: Some(file.month.clone()),
                stats: file.stats.clone(),
            })
        };
        let files: Result<Vec<KnownFile>, ExtractError> = snapshot.files().map(file).collect();
        let month = Arc::new(Field::new(MONTH, DataType::Utf8, false));
        let schema = TableSchema::builder(with_views(&kind.schema()))
            .with_table_partition_cols(vec![month])
            .build();
        Ok(Self {
            files: files?,
            schema,
        })
    }

    /// Opens a version of a parcel set: its columns but the hidden ones, and `parcel`, the number of the
    /// row, where the set has no column of that name.
    ///
    /// # Errors
    /// Where the store fails or it is no Parquet file.
    pub async fn of_parcels(
        asset: &AssetRef,
        version: &ParcelsVersion,
    ) -> Result<Self, ParquetError> {
        let file = Arc::new(ParquetFile::new(asset.clone(), version.size_bytes));
        let footer = file.footer().await?;
        let footer = footer.file_metadata();
        let columns = parquet_to_arrow_schema(footer.schema_descr(), footer.key_value_metadata())?;
        let shown = columns.fields().iter();
        let shown = shown.filter(|field| !version.hidden.contains(field.name()));
        let shown: Vec<FieldRef> = shown.cloned().collect();
        let mut schema = TableSchema::builder(with_views(&Schema::new(shown)));
        if columns.field_with_name(PARCEL).is_err() {
            let number = Field::new(PARCEL, DataType::Int64, false);
            schema =
                schema.with_virtual_columns(vec![Arc::new(number.with_extension_type(RowNumber))]);
        }
        let known = KnownFile {
            file,
            path: asset.href().to_owned(),
            rows: version.features,
            month: None,
            stats: FileStats::default(),
        };
        Ok(Self {
            files: vec![known],
            schema: schema.build(),
        })
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Returns the number of files.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Returns the first and the last month.
    pub fn months(&self) -> Option<(&str, &str)> {
        let months = || self.files.iter().filter_map(|file| file.month.as_deref());
        months().min().zip(months().max())
    }

    /// Returns the files that can hold rows for which all filters are true.
    fn chosen(&self, session: &dyn Session, filters: &[Expr]) -> Result<Vec<&KnownFile>> {
        let all = || self.files.iter().collect();
        let Some(filter) = conjunction(filters.to_vec()) else {
            return Ok(all());
        };
        let schema = DFSchema::try_from(Arc::clone(self.schema.table_schema()))?;
        let filter = session.create_physical_expr(filter, &schema)?;
        let bounds = PruningPredicateBuilder::new().with_file_schema(self.schema());
        // A filter that says nothing of bounds chooses every file.
        let Some(predicate) = bounds.build(filter) else {
            return Ok(all());
        };
        let kept = predicate.prune(&FileBounds(&self.files))?;
        let kept = self.files.iter().zip(kept).filter(|(_, is_kept)| *is_kept);
        Ok(kept.map(|(file, _)| file).collect())
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let chosen = self.chosen(session, filters)?;
        if chosen.is_empty() {
            let schema = project_schema(&self.schema(), projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let (mut rows, mut bytes) = (0, 0);
        for known in &chosen {
            rows += known.rows as usize;
            bytes += known.file.size_bytes() as usize;
        }
        let statistics = Statistics::new_unknown(&self.schema())
            .with_num_rows(Precision::Exact(rows))
            .with_total_byte_size(Precision::Inexact(bytes));
        let files = chosen.iter().map(|known| {
            let month = known
                .month
                .clone()
                .map(|month| ScalarValue::Utf8(Some(month)));
            PartitionedFile::new(known.path.clone(), known.file.size_bytes())
                .with_partition_values(month.into_iter().collect())
                .with_extension(Arc::clone(&known.file))
        });
        let groups = FileGroup::new(files.collect());
        let source = ParquetSource::new(self.schema.clone())
            .with_parquet_file_reader_factory(Arc::new(AssetReaders));
        let scan = FileScanConfigBuilder::new(ObjectStoreUrl::parse(STORE_URL)?, Arc::new(source))
            .with_file_groups(groups.split_files(session.config().target_partitions()))
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}

/// Bounds of the columns of files, as the log of a table has them.
struct FileBounds<'a>(&'a [KnownFile]);

/// Which end of the bounds.
#[derive(Clone, Copy)]
enum End {
    Low,
    High,
}

impl End {
    fn of<T>(self, bounds: (T, T)) -> T {
        match self {
            Self::Low => bounds.0,
            Self::High => bounds.1,
        }
    }
}

impl FileBounds<'_> {
    fn values(&self, column: &Column, end: End) -> Option<ArrayRef> {
        let files = self.0.iter();
        Some(match column.name.as_str() {
            MONTH => Arc::new(
                files
                    .map(|file| file.month.as_deref())
                    .collect::<StringArray>(),
            ),
            PARCEL => {
                let values = files.map(|file| file.stats.parcel.map(|bounds| end.of(bounds)));
                Arc::new(values.collect::<Int32Array>())
            }
            "datetime" => {
                let values = files.map(|file| file.stats.datetime_us.map(|bounds| end.of(bounds)));
                let values: TimestampMicrosecondArray = values.collect();
                Arc::new(values.with_timezone("UTC"))
            }
            "band" => {
                let values = files.map(|file| {
                    let bounds = file.stats.band.as_ref();
                    bounds.map(|(low, high)| end.of((low.as_str(), high.as_str())))
                });
                Arc::new(values.collect::<StringArray>())
            }
            _ => return None,
        })
    }
}

impl PruningStatistics for FileBounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, End::Low)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, End::High)
    }

    fn num_containers(&self) -> usize {
        self.0.len()
    }

    fn null_counts(&self, _column: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let rows = self.0.iter().map(|file| Some(file.rows));
        Some(Arc::new(rows.collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// Returns the schema with texts as views, which are grouped and compared without copying them.
fn with_views(schema: &Schema) -> SchemaRef {
    let field = |field: &FieldRef| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => Arc::clone(field),
    };
    let fields: Vec<FieldRef> = schema.fields().iter().map(field).collect();
    Arc::new(Schema::new(fields))
}
