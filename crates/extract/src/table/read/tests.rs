//! Answers of the reader beside a plain filter of all rows, over files of many kinds.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, TimestampMicrosecondType};
use futures::TryStreamExt;
use proptest::prelude::*;

use super::index::{FileIndex, ParcelFilter};
use super::pieces::{candidate_rows, pieces};
use super::test_table::{
    DAY_US, START_US, Table, TestRow, WRITERS, Writer, snapshot_of, table_of, write,
};
use super::*;
use crate::ExtractError;
use crate::table::{TableFile, TableKind, extracts_schema};

async fn gathered(batches: Batches, columns: &[&str]) -> Result<RecordBatch, ExtractError> {
    let batches: Vec<_> = batches.try_collect().await?;
    let schema = projected(&TestRow::batch(&[]), columns).schema();
    Ok(concat_batches(&schema, &batches).expect("batches of one schema"))
}

fn projected(batch: &RecordBatch, columns: &[&str]) -> RecordBatch {
    let schema = batch.schema();
    let places = columns
        .iter()
        .map(|name| schema.index_of(name).expect("a column"));
    match columns.is_empty() {
        true => batch.clone(),
        false => batch.project(&places.collect::<Vec<_>>()).expect("columns"),
    }
}

fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_season_of_one_parcel_comes_from_files_of_every_kind() {
    for writer in WRITERS {
        let table = table_of(40, 1, &[writer]);
        let request = SeriesRequest {
            parcels: Parcels::List(vec![17]),
            ..SeriesRequest::default()
        };
        let reader = table.reader();
        let expected = TestRow::batch(&table.filtered(|row| row.parcel == 17));
        for _ in ["cold", "warm"] {
            let answer = reader
                .series(&table.snapshot, &request)
                .await
                .expect("an answer");
            assert_eq!(answer, expected, "{writer:?}");
        }
    }
}

#[tokio::test]
async fn files_of_a_month_are_merged_and_columns_chosen() {
    let table = table_of(30, 4, &WRITERS);
    let columns = ["datetime", "mean", "parcel", "orbit_state"];
    let interval = START_US + 9 * DAY_US..START_US + 55 * DAY_US;
    let request = SeriesRequest {
        parcels: Parcels::List(vec![29, 3, 4, 3, 1_000]),
        bands: names(&["B08", "B99"]),
        interval: Some(interval.clone()),
        columns: names(&columns),
    };
    let expected = table.filtered(|row| {
        [3, 4, 29].contains(&row.parcel) && row.band == "B08" && interval.contains(&row.datetime_us)
    });
    assert!(expected.len() > 30);
    let answer = table
        .reader()
        .series(&table.snapshot, &request)
        .await
        .expect("an answer");
    assert_eq!(answer, projected(&TestRow::batch(&expected), &columns));
}

#[tokio::test]
async fn nothing_asked_for_is_nothing_answered() {
    let table = table_of(10, 2, &WRITERS);
    let reader = table.reader();
    let nothing = [
        (Parcels::List(Vec::new()), None),
        (Parcels::List(vec![77]), None),
        (Parcels::All, Some(0..START_US)),
        (Parcels::All, Some(START_US..START_US)),
        (Parcels::Range(10..=i32::MAX), None),
    ];
    for (parcels, interval) in nothing {
        let request = SeriesRequest {
            parcels,
            interval,
            ..SeriesRequest::default()
        };
        let answer = reader
            .series(&table.snapshot, &request)
            .await
            .expect("an answer");
        assert_eq!(answer, TestRow::batch(&[]), "{request:?}");
    }
}

async fn indexes(table: &Table) -> Vec<Arc<FileIndex>> {
    let mut indexes = Vec::new();
    for file in table.snapshot.files() {
        let asset = table.writer().asset(&file.path).expect("an asset");
        let schema = extracts_schema();
        let index = FileIndex::load(asset, file.size_bytes, &schema, &Arc::default()).await;
        indexes.push(Arc::new(index.expect("an index")));
    }
    indexes
}

#[tokio::test]
async fn pieces_hold_each_parcel_once_and_few_rows() {
    let table = table_of(300, 2, &[Writer::Native]);
    let indexes = indexes(&table).await;
    let whole = ParcelFilter::Range(i32::MIN..=i32::MAX);
    let list = ParcelFilter::List((0..300).step_by(7).collect());
    for filter in [whole, list] {
        for rows_max in [1, 500, 5_000] {
            let pieces = pieces(&filter, &indexes, rows_max);
            for parcel in 0..300 {
                let holding = pieces.iter().filter(|piece| piece.contains(parcel)).count();
                assert_eq!(
                    holding,
                    usize::from(filter.contains(parcel)),
                    "{parcel} {rows_max}"
                );
            }
            // One parcel has up to two pages per file; a cut comes behind the page that fills a piece.
            let slack = 4 * 32 * indexes.len() as u64;
            for piece in &pieces {
                assert!(
                    candidate_rows(piece, &indexes) <= rows_max + slack,
                    "{piece:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn only_other_writers_files_go_through_the_general_reader() {
    for writer in WRITERS {
        let table = table_of(40, 1, &[writer]);
        let is_foreign = indexes(&table).await[0].foreign.is_some();
        let expected = matches!(writer, Writer::Snappy | Writer::WithoutIndexes);
        assert_eq!(is_foreign, expected, "{writer:?}");
    }
}

#[tokio::test]
async fn an_image_is_read_back() {
    for files_per_month in [1, 3] {
        let table = table_of(200, files_per_month, &WRITERS);
        let request = ImageRequest {
            item_id: "item-012".to_owned(),
            bands: names(&["B04"]),
            columns: Vec::new(),
        };
        let answer = gathered(table.reader().image(&table.snapshot, &request), &[]).await;
        let expected = table.filtered(|row| row.item_id == "item-012" && row.band == "B04");
        assert_eq!(answer.expect("an answer"), TestRow::batch(&expected));
    }
}

#[tokio::test]
async fn a_column_that_is_not_there_is_told_by_name() {
    let table = table_of(5, 1, &WRITERS);
    let request = SeriesRequest {
        columns: names(&["meen"]),
        ..SeriesRequest::default()
    };
    let error = table
        .reader()
        .series(&table.snapshot, &request)
        .await
        .expect_err("no column");
    assert!(error.to_string().contains("no column \"meen\""), "{error}");
}

#[tokio::test]
async fn files_that_are_gone_cut_off_or_something_else_are_named() {
    type Damaged = fn(Vec<u8>) -> Vec<u8>;
    let damages: [(&str, Damaged); 4] = [
        ("cut off", |bytes| bytes[..bytes.len() / 2].to_vec()),
        ("text", |bytes| vec![b'x'; bytes.len()]),
        ("empty", |_| Vec::new()),
        ("first half lost", |mut bytes| {
            let half = bytes.len() / 2;
            bytes[..half].fill(0xa5);
            bytes
        }),
    ];
    for (what, damage) in damages {
        let table = table_of(60, 1, &[Writer::Native]);
        let path = table.folder.path().join("data/1.parquet");
        let bytes = std::fs::read(&path).expect("a file");
        std::fs::write(&path, damage(bytes)).expect("written");
        let answer = table
            .reader()
            .series(&table.snapshot, &SeriesRequest::default())
            .await;
        let message = answer.expect_err(what).to_string();
        assert!(message.contains("data/1.parquet"), "{what}: {message}");
    }
    let table = table_of(60, 1, &[Writer::Native]);
    std::fs::remove_file(table.folder.path().join("data/1.parquet")).expect("removed");
    let answer = table
        .reader()
        .series(&table.snapshot, &SeriesRequest::default())
        .await;
    assert!(
        answer
            .expect_err("gone")
            .to_string()
            .contains("data/1.parquet")
    );
}

#[tokio::test]
async fn indexes_are_kept_within_their_bytes() {
    let table = table_of(60, 3, &[Writer::Native]);
    let cache = IndexCache::new(400_000);
    let reader = SeriesReader::new(table.writer(), TableKind::Extracts, cache.clone());
    for _ in 0..2 {
        reader
            .series(&table.snapshot, &SeriesRequest::default())
            .await
            .expect("an answer");
    }
    let (files, bytes) = cache.kept_files();
    assert!(
        (1..9).contains(&files) && bytes <= 400_000,
        "{files} files, {bytes} bytes"
    );
}

/// Observations, count, weighted sum, smallest, largest.
type Expected = (i32, f64, f64, f32, f32);

/// Returns means over windows of 5 days from the first instant, by a map.
fn expected_means(rows: &[TestRow]) -> BTreeMap<(i32, String, i64), Expected> {
    let mut means = BTreeMap::new();
    for row in rows {
        let start = START_US + (row.datetime_us - START_US).div_euclid(5 * DAY_US) * 5 * DAY_US;
        let key = (row.parcel, row.band.clone(), start);
        let entry = means
            .entry(key)
            .or_insert((0, 0.0, 0.0, f32::MAX, f32::MIN));
        if let Some(mean) = row.mean {
            entry.0 += 1;
            entry.1 += f64::from(row.count);
            entry.2 += f64::from(row.count) * f64::from(mean);
            entry.3 = entry.3.min(mean);
            entry.4 = entry.4.max(mean);
        }
    }
    means
}

fn five_days() -> WindowOf {
    Arc::new(|instant| {
        let start = START_US + (instant - START_US).div_euclid(5 * DAY_US) * 5 * DAY_US;
        start..start + 5 * DAY_US
    })
}

async fn check_means(table: &Table, parcels: Parcels, interval: Option<Range<i64>>) {
    let request = AggregateRequest {
        parcels: parcels.clone(),
        bands: Vec::new(),
        interval: interval.clone(),
        window_of: five_days(),
        columns: Vec::new(),
    };
    let batches = table.reader().aggregate(&table.snapshot, &request);
    let batches: Vec<_> = batches.try_collect().await.expect("means");
    let answer = concat_batches(&aggregate_schema(), &batches).expect("batches of one schema");
    let rows = table.filtered(|row| {
        let is_parcel = match &parcels {
            Parcels::All => true,
            Parcels::Range(range) => range.contains(&row.parcel),
            Parcels::List(list) => list.contains(&row.parcel),
        };
        is_parcel
            && interval
                .as_ref()
                .is_none_or(|interval| interval.contains(&row.datetime_us))
    });
    let expected = expected_means(&rows);
    assert_eq!(answer.num_rows(), expected.len());
    let bands = arrow::compute::cast(answer.column(1), &DataType::Utf8).expect("texts");
    for (row, ((parcel, band, start), values)) in expected.into_iter().enumerate() {
        assert_eq!(
            answer.column(0).as_primitive::<Int32Type>().value(row),
            parcel
        );
        assert_eq!(bands.as_string::<i32>().value(row), band);
        let instant = |column: usize| {
            answer
                .column(column)
                .as_primitive::<TimestampMicrosecondType>()
                .value(row)
        };
        assert_eq!((instant(2), instant(3)), (start, start + 5 * DAY_US));
        let (observations, count, weighted, min, max) = values;
        assert_eq!(
            answer.column(4).as_primitive::<Int32Type>().value(row),
            observations
        );
        let means = answer.column(6).as_primitive::<Float64Type>();
        assert_eq!(means.is_null(row), observations == 0);
        if observations > 0 {
            assert!(
                (answer.column(5).as_primitive::<Float64Type>().value(row) - count).abs() < 1e-9
            );
            assert!((means.value(row) - weighted / count).abs() <= 1e-12 * means.value(row).abs());
            assert_eq!(
                answer.column(7).as_primitive::<Float32Type>().value(row),
                min
            );
            assert_eq!(
                answer.column(8).as_primitive::<Float32Type>().value(row),
                max
            );
        }
    }
}

#[tokio::test]
async fn means_over_periods_join_months_and_files() {
    for files_per_month in [1, 4] {
        let table = table_of(50, files_per_month, &WRITERS);
        check_means(&table, Parcels::All, None).await;
        check_means(&table, Parcels::List(vec![7, 3, 49]), None).await;
        let interval = START_US + 3 * DAY_US..START_US + 42 * DAY_US;
        check_means(&table, Parcels::Range(10..=20), Some(interval)).await;
    }
}

#[tokio::test]
async fn rows_out_of_order_are_told_by_means_and_sorted_by_series() {
    let mut table = Table::new();
    let rows: Vec<_> = (0..400)
        .map(|parcel| TestRow::new(parcel % 20, "B04", 1))
        .collect();
    table.add(&rows[..20], Writer::Native);
    // Written over with the same rows, backwards.
    let mut backwards = rows[..20].to_vec();
    backwards.reverse();
    let path = table.folder.path().join("data/0.parquet");
    let size_bytes = write(&path, &backwards, Writer::Native);
    let file = table.snapshot.files().next().expect("a file");
    table.snapshot = snapshot_of(vec![Arc::new(TableFile {
        size_bytes,
        ..TableFile::clone(file)
    })]);
    let answer = table
        .reader()
        .series(&table.snapshot, &SeriesRequest::default())
        .await;
    assert_eq!(
        answer.expect("sorted"),
        TestRow::batch(&table.filtered(|_| true))
    );
    let request = AggregateRequest {
        parcels: Parcels::All,
        bands: Vec::new(),
        interval: None,
        window_of: five_days(),
        columns: Vec::new(),
    };
    let means = table
        .reader()
        .aggregate(&table.snapshot, &request)
        .try_collect::<Vec<_>>()
        .await;
    assert!(
        means
            .expect_err("not sorted")
            .to_string()
            .contains("swath table compact")
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn series_equal_a_filter_of_all_rows(
        parcels in 1..60i32,
        files_per_month in 1..5usize,
        first_writer in 0..WRITERS.len(),
        list in proptest::collection::vec(-2..62i32, 0..20),
        first in -3..70i64,
        days in 0..60i64,
        band in 0..3usize,
    ) {
        let writers = [WRITERS[first_writer], WRITERS[(first_writer + 1) % WRITERS.len()]];
        let table = table_of(parcels, files_per_month, &writers);
        let interval = START_US + first * DAY_US..START_US + (first + days) * DAY_US;
        let bands = ["B04", "B08"];
        let wanted: Vec<&str> = bands.get(band).copied().into_iter().collect();
        let request = SeriesRequest {
            parcels: Parcels::List(list.clone()),
            bands: names(&wanted),
            interval: Some(interval.clone()),
            columns: Vec::new(),
        };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let answer = runtime.block_on(table.reader().series(&table.snapshot, &request));
        let expected = table.filtered(|row| {
            list.contains(&row.parcel)
                && interval.contains(&row.datetime_us)
                && (wanted.is_empty() || wanted.contains(&row.band.as_str()))
        });
        prop_assert_eq!(answer.expect("an answer"), TestRow::batch(&expected));
    }
}
