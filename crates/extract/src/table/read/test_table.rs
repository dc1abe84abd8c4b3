//! Tables for the tests of the reader: rows that depend on their keys alone, files of many kinds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Int16Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use swath_access::Viewer;
use swath_io::{AwsEnvironment, StoreWriter, Stores};
use tempfile::TempDir;

use super::{IndexCache, SeriesReader};
use crate::table::log::action::{Format, Metadata, Protocol};
use crate::table::{
    FileStats, FileUnit, Snapshot, TableFile, TableKind, extracts_schema, month_of,
};

pub(super) const DAY_US: i64 = 86_400_000_000;
/// 2018-03-01.
pub(super) const START_US: i64 = 1_519_862_400_000_000;

/// How a file is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Writer {
    /// As our writer does.
    Native,
    /// Small row groups and pages, second version of pages, without compression.
    SecondVersion,
    /// Dictionaries for everything, which overflow into plain values.
    Dictionaries,
    /// A codec that only the general reader knows.
    Snappy,
    /// Without page indexes.
    WithoutIndexes,
}

pub(super) const WRITERS: [Writer; 5] = [
    Writer::Native,
    Writer::SecondVersion,
    Writer::Dictionaries,
    Writer::Snappy,
    Writer::WithoutIndexes,
];

impl Writer {
    fn properties(self) -> WriterProperties {
        let zstd = Compression::ZSTD(ZstdLevel::try_new(1).expect("a level"));
        let builder = WriterProperties::builder()
            .set_compression(zstd)
            .set_max_row_group_row_count(Some(150))
            .set_data_page_row_count_limit(32)
            .set_write_batch_size(32)
            .set_statistics_enabled(EnabledStatistics::Page);
        match self {
            Self::Native => {
                let floats = ["clear", "mean", "stdev", "min", "max", "p25", "p50", "p75"];
                let builder = floats.iter().fold(builder, |builder, name| {
                    builder
                        .set_column_dictionary_enabled((*name).into(), false)
                        .set_column_encoding((*name).into(), Encoding::BYTE_STREAM_SPLIT)
                });
                builder
                    .set_column_dictionary_enabled("parcel".into(), false)
                    .set_column_encoding("parcel".into(), Encoding::DELTA_BINARY_PACKED)
                    .set_column_dictionary_enabled("parcel_id".into(), false)
                    .set_column_encoding("parcel_id".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
                    .build()
            }
            Self::SecondVersion => builder
                .set_writer_version(WriterVersion::PARQUET_2_0)
                .set_compression(Compression::UNCOMPRESSED)
                .set_data_page_row_count_limit(7)
                .set_write_batch_size(7)
                .set_column_dictionary_enabled("datetime".into(), false)
                .set_column_encoding("datetime".into(), Encoding::DELTA_BINARY_PACKED)
                .set_column_dictionary_enabled("parcel_id".into(), false)
                .set_column_encoding("parcel_id".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
                .build(),
            Self::Dictionaries => builder.set_dictionary_page_size_limit(64).build(),
            Self::Snappy => builder.set_compression(Compression::SNAPPY).build(),
            Self::WithoutIndexes => builder
                .set_statistics_enabled(EnabledStatistics::None)
                .set_offset_index_disabled(true)
                .build(),
        }
    }
}

pub(super) struct Table {
    pub folder: TempDir,
    pub snapshot: Snapshot,
    pub rows: Vec<TestRow>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a folder"),
            snapshot: snapshot_of(Vec::new()),
            rows: Vec::new(),
        }
    }

    /// Adds a file with rows of one month, sorted here.
    pub(super) fn add(&mut self, rows: &[TestRow], writer: Writer) {
        let mut rows = rows.to_vec();
        rows.sort_by(TestRow::order);
        let mut files: Vec<_> = self.snapshot.files().cloned().collect();
        let path = format!("data/{}.parquet", files.len());
        let size_bytes = write(&self.folder.path().join(&path), &rows, writer);
        let mut units: Vec<&str> = rows.iter().map(|row| row.item_id.as_str()).collect();
        units.sort_unstable();
        units.dedup();
        let unit = |item: &&str| FileUnit {
            unit: format!("pass/{item}"),
            revision: 1,
            item_id: (*item).to_owned(),
            rows: 0,
            items: Vec::new(),
        };
        files.push(Arc::new(TableFile {
            path,
            size_bytes,
            month: month_of(rows[0].datetime_us),
            rows: rows.len() as u64,
            stats: FileStats {
                parcel: rows
                    .first()
                    .map(|row| row.parcel)
                    .zip(rows.last().map(|row| row.parcel)),
                ..FileStats::default()
            },
            units: units.iter().map(unit).collect(),
            digest: String::new(),
            modified_ms: 0,
            stats_json: None,
        }));
        self.snapshot = snapshot_of(files);
        self.rows.extend(rows);
    }

    pub(super) fn writer(&self) -> StoreWriter {
        let root = self.folder.path().to_str().expect("a path");
        let stores = Stores::for_command_line(BTreeMap::new(), AwsEnvironment::default());
        stores.writer(&Viewer::operator(), root).expect("a writer")
    }

    pub(super) fn reader(&self) -> SeriesReader {
        let cache = IndexCache::new(1 << 20);
        SeriesReader::new(self.writer(), TableKind::Extracts, cache)
    }

    /// Returns the rows that a filter leaves, in the order of answers.
    pub(super) fn filtered(&self, filter: impl Fn(&TestRow) -> bool) -> Vec<TestRow> {
        let mut rows: Vec<_> = self
            .rows
            .iter()
            .filter(|row| filter(row))
            .cloned()
            .collect();
        rows.sort_by(TestRow::order);
        rows
    }
}

pub(super) fn write(path: &Path, rows: &[TestRow], writer: Writer) -> u64 {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let file = std::fs::File::create(path).expect("a file");
    let properties = Some(writer.properties());
    let mut writer = ArrowWriter::try_new(file, extracts_schema(), properties).expect("a writer");
    writer.write(&TestRow::batch(rows)).expect("rows");
    writer.close().expect("a file");
    std::fs::metadata(path).expect("a file").len()
}

pub(super) fn snapshot_of(files: Vec<Arc<TableFile>>) -> Snapshot {
    Snapshot {
        version: 0,
        protocol: Protocol {
            min_reader_version: 1,
            min_writer_version: 2,
        },
        metadata: Metadata {
            id: String::new(),
            name: None,
            description: None,
            format: Format {
                provider: "parquet".to_owned(),
                options: BTreeMap::new(),
            },
            schema_string: String::new(),
            partition_columns: Vec::new(),
            created_time: None,
            configuration: BTreeMap::new(),
        },
        files: files
            .into_iter()
            .map(|file| (file.path.clone(), file))
            .collect(),
        txns: BTreeMap::new(),
        removed: BTreeMap::new(),
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct TestRow {
    pub parcel: i32,
    pub band: String,
    pub datetime_us: i64,
    pub item_id: String,
    orbit: Option<i16>,
    pub count: f32,
    pub mean: Option<f32>,
}

impl TestRow {
    /// A row of the image that is `image` acquisitions after the first; every third lacks a value.
    pub(super) fn new(parcel: i32, band: &str, image: i64) -> Self {
        let seed = i64::from(parcel) * 31 + image * 7 + band.len() as i64;
        let is_clear = seed % 3 != 0;
        Self {
            parcel,
            band: band.to_owned(),
            datetime_us: START_US + image * 2 * DAY_US + image * 1_000_003,
            item_id: format!("item-{image:03}"),
            orbit: (image % 4 != 0).then_some(image as i16),
            count: if is_clear {
                1.0 + (seed % 50) as f32 / 4.0
            } else {
                0.0
            },
            mean: is_clear.then_some((seed * 7_919 % 10_007) as f32 / 100.0),
        }
    }

    pub(super) fn order(&self, other: &Self) -> std::cmp::Ordering {
        let key = |row: &Self| (row.parcel, row.band.clone(), row.datetime_us);
        key(self).cmp(&key(other))
    }

    pub(super) fn batch(rows: &[Self]) -> RecordBatch {
        let schema = extracts_schema();
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            let texts = |get: fn(&Self) -> String| -> ArrayRef {
                Arc::new(StringArray::from_iter_values(rows.iter().map(get)))
            };
            match field.name().as_str() {
                "parcel" => Arc::new(Int32Array::from_iter_values(
                    rows.iter().map(|row| row.parcel),
                )),
                "parcel_id" => texts(|row| format!("0{:05}", row.parcel)),
                "datetime" => {
                    let instants = rows.iter().map(|row| row.datetime_us);
                    let instants = TimestampMicrosecondArray::from_iter_values(instants);
                    Arc::new(instants.with_timezone("UTC"))
                }
                "collection" => texts(|_| "sentinel-2-l2a".to_owned()),
                "item_id" => texts(|row| row.item_id.clone()),
                "band" => texts(|row| row.band.clone()),
                "pass" => texts(|row| format!("pass-{}", row.item_id)),
                "relative_orbit" => {
                    Arc::new(rows.iter().map(|row| row.orbit).collect::<Int16Array>())
                }
                "orbit_state" => {
                    let states = rows.iter().map(|row| row.orbit.map(|_| "ascending"));
                    Arc::new(states.collect::<StringArray>())
                }
                "count" | "clear" => Arc::new(Float32Array::from_iter_values(
                    rows.iter().map(|row| row.count),
                )),
                _ => Arc::new(rows.iter().map(|row| row.mean).collect::<Float32Array>()),
            }
        });
        RecordBatch::try_new(schema.clone(), columns.collect()).expect("rows of the table")
    }
}

/// A table of `parcels` parcels, 2 bands and 40 images in 3 months, cut into files at random.
pub(super) fn table_of(parcels: i32, files_per_month: usize, writers: &[Writer]) -> Table {
    let mut table = Table::new();
    let mut months: BTreeMap<String, Vec<Vec<TestRow>>> = BTreeMap::new();
    for image in 0..40 {
        for parcel in (0..parcels).filter(|parcel| (i64::from(*parcel) + image) % 5 != 0) {
            for band in ["B04", "B08"] {
                let row = TestRow::new(parcel, band, image);
                let files = months.entry(month_of(row.datetime_us)).or_default();
                files.resize(files_per_month, Vec::new());
                files[image as usize % files_per_month].push(row);
            }
        }
    }
    for (number, rows) in months
        .into_values()
        .flatten()
        .filter(|rows| !rows.is_empty())
        .enumerate()
    {
        table.add(&rows, writers[number % writers.len()]);
    }
    table
}
