//! Reads Parquet files for a query through the stores of the program.
//!
//! Credentials, retries and limits of requests are those of [`AssetRef`]; DataFusion sees bytes only.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use swath_io::{AssetRef, IoError};
use tokio::sync::OnceCell;

/// Bytes of the end of a file that are fetched first: footer and indexes of a month of 100,000 rows.
const FOOTER_BYTES: usize = 64 << 10;
/// Files from this size on keep what their footer says: they are read piece by piece by several threads.
const KEPT_FOOTER_FILE_BYTES_MIN: u64 = 4 << 20;

/// A Parquet file that never changes.
#[derive(Debug)]
pub struct ParquetFile {
    asset: AssetRef,
    size_bytes: u64,
    footer: OnceCell<Arc<ParquetMetaData>>,
}

impl ParquetFile {
    /// Returns the file of so many bytes.
    pub fn new(asset: AssetRef, size_bytes: u64) -> Self {
        Self {
            asset,
            size_bytes,
            footer: OnceCell::new(),
        }
    }

    /// Returns its bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Returns footer and indexes.
    ///
    /// # Errors
    /// Where the store fails, or it is no Parquet file.
    pub async fn footer(&self) -> Result<Arc<ParquetMetaData>, ParquetError> {
        if self.size_bytes < KEPT_FOOTER_FILE_BYTES_MIN {
            return self.read_footer().await;
        }
        let footer = self.footer.get_or_try_init(|| self.read_footer()).await;
        footer.cloned()
    }

    async fn read_footer(&self) -> Result<Arc<ParquetMetaData>, ParquetError> {
        let reader = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Optional)
            .with_prefetch_hint(Some(FOOTER_BYTES));
        let footer = reader.load_and_finish(FooterFetch(self), self.size_bytes);
        Ok(Arc::new(footer.await?))
    }

    async fn bytes(&self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        let mut found = self.ranges(&[range]).await?;
        found
            .pop()
            .ok_or_else(|| ParquetError::General("a range has no bytes".to_owned()))
    }

    async fn ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ParquetError> {
        let fetched = self.asset.read_ranges(ranges, None).await;
        fetched.map_err(|error: IoError| ParquetError::External(Box::new(error)))
    }
}

/// The bytes of a footer.
struct FooterFetch<'a>(&'a ParquetFile);

impl parquet::arrow::async_reader::MetadataFetch for FooterFetch<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.0.bytes(range).boxed()
    }
}

/// Makes readers for the files of a plan, which carry their [`ParquetFile`] along.
#[derive(Debug)]
pub struct AssetReaders;

impl ParquetFileReaderFactory for AssetReaders {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let Some(found) = file.extension::<Arc<ParquetFile>>() else {
            let reason = format!("{} is not a file of a table", file.path());
            return Err(DataFusionError::Internal(reason));
        };
        Ok(Box::new(AssetReader {
            file: Arc::clone(found),
            metrics: ParquetFileMetrics::new(partition_index, file.path().as_ref(), metrics),
        }))
    }
}

struct AssetReader {
    file: Arc<ParquetFile>,
    metrics: ParquetFileMetrics,
}

impl AsyncFileReader for AssetReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.metrics
            .bytes_scanned
            .add((range.end - range.start) as usize);
        async move { self.file.bytes(range).await }.boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        let bytes: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        self.metrics.bytes_scanned.add(bytes as usize);
        async move { self.file.ranges(&ranges).await }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move { self.file.footer().await }.boxed()
    }
}
