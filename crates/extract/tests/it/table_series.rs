//! Series, images and means of a table that lives: filled, merged, replaced, on every kind of store.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Schema};
use futures::TryStreamExt;
use swath_extract::table::{
    AggregateRequest, ExtractTable, ImageRequest, IndexCache, Parcels, SeriesReader, SeriesRequest,
    Snapshot, TableKind, aggregate_schema, extracts_schema,
};

use crate::table_place::{ALL, BANDS, Place, PlaceKind, Unit, expected, season};

const DAY_US: i64 = 86_400_000_000;

fn reader(place: &Place, kind: TableKind) -> SeriesReader {
    let writer = place.store().writer(kind).expect("a writer");
    SeriesReader::new(writer, kind, IndexCache::new(16 << 20))
}

async fn commit(place: &Place, table: &ExtractTable, units: &[Unit]) {
    let mut results = Vec::new();
    for unit in units {
        results.push(unit.run(&place.store(), "a").await.expect("files"));
    }
    table.commit(&results).await.expect("a commit");
}

async fn all(reader: &SeriesReader, snapshot: &Snapshot) -> RecordBatch {
    let request = SeriesRequest::default();
    reader.series(snapshot, &request).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn series_are_the_same_before_and_after_compaction_and_see_revisions_whole() {
    for kind in ALL {
        let place = Place::new(kind).await;
        let table = place.table().await;
        let mut units = season(20);
        commit(&place, &table, &units[..30]).await;
        let reader = reader(&place, TableKind::Extracts);
        let before = table.snapshot().await.expect("a snapshot");
        assert_eq!(
            all(&reader, &before).await,
            expected(&units[..30], TableKind::Extracts)
        );
        table.compact(None).await.expect("a compaction");
        // Merged months and files of images side by side.
        commit(&place, &table, &units[30..]).await;
        let mixed = table.snapshot().await.expect("a snapshot");
        assert_eq!(
            all(&reader, &mixed).await,
            expected(&units, TableKind::Extracts)
        );
        units[3] = units[3].revised();
        units[39] = units[39].revised();
        commit(&place, &table, &[units[3], units[39]]).await;
        let revised = table.snapshot().await.expect("a snapshot");
        assert_eq!(
            all(&reader, &revised).await,
            expected(&units, TableKind::Extracts)
        );
        // Who holds an older moment sees that one.
        assert_eq!(
            all(&reader, &before).await,
            expected(&season(20)[..30], TableKind::Extracts)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn class_counts_are_read_as_statistics_are() {
    let place = Place::new(PlaceKind::Folder).await;
    let table = place.table().await;
    let units = season(12);
    commit(&place, &table, &units).await;
    table.compact(None).await.expect("a compaction");
    let classes = table.classes().await.expect("a snapshot").expect("classes");
    let reader = reader(&place, TableKind::Classes);
    assert_eq!(
        all(&reader, &classes).await,
        expected(&units, TableKind::Classes)
    );
    let means = AggregateRequest {
        parcels: Parcels::All,
        bands: Vec::new(),
        interval: None,
        window_of: Arc::new(|instant| instant..instant + 1),
        columns: Vec::new(),
    };
    let error = reader
        .aggregate(&classes, &means)
        .try_collect::<Vec<_>>()
        .await;
    assert!(
        error
            .expect_err("no means")
            .to_string()
            .contains("class counts")
    );
}

/// Returns the units as a snapshot has them.
fn units_of(snapshot: &Snapshot, units: &[Unit]) -> Vec<Unit> {
    let found = units.iter().filter_map(|unit| {
        let revision = snapshot.revision(&unit.key())?;
        Some(Unit { revision, ..*unit })
    });
    found.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_beside_compaction_and_revisions_never_sees_a_mixture() {
    for kind in [PlaceKind::Folder, PlaceKind::S3] {
        let place = Place::new(kind).await;
        let table = place.table().await;
        let units = season(6);
        commit(&place, &table, &units).await;
        let writing = async {
            for round in 0..4 {
                let mut revised = units[round * 2];
                for _ in 0..=round {
                    revised = revised.revised();
                }
                commit(&place, &table, &[revised]).await;
                table.compact(None).await.expect("a compaction");
            }
        };
        let reader = reader(&place, TableKind::Extracts);
        let reading = async {
            let other = place.table().await;
            let mut versions = Vec::new();
            for _ in 0..30 {
                let snapshot = other.snapshot().await.expect("a snapshot");
                let held = units_of(&snapshot, &units);
                let answer = all(&reader, &snapshot).await;
                assert_eq!(
                    answer,
                    expected(&held, TableKind::Extracts),
                    "{}",
                    snapshot.version()
                );
                versions.push(snapshot.version());
            }
            assert!(versions.is_sorted());
        };
        tokio::join!(writing, reading);
        let last = table.snapshot().await.expect("a snapshot");
        let held = units_of(&last, &units);
        assert_eq!(
            all(&reader, &last).await,
            expected(&held, TableKind::Extracts)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_season_takes_one_request_per_file_once_indexes_are_known() {
    let place = Place::new(PlaceKind::S3).await;
    let table = place.table().await;
    let units = season(40);
    commit(&place, &table, &units).await;
    table.compact(None).await.expect("a compaction");
    let snapshot = table.snapshot().await.expect("a snapshot");
    let files = snapshot.files().count() as u64;
    let reader = reader(&place, TableKind::Extracts);
    let request = |parcel| SeriesRequest {
        parcels: Parcels::List(vec![parcel]),
        bands: vec![BANDS[0].to_owned()],
        columns: ["datetime", "mean", "count"].map(str::to_owned).to_vec(),
        ..SeriesRequest::default()
    };
    let first = reader
        .series(&snapshot, &request(7))
        .await
        .expect("an answer");
    assert_eq!(first.num_rows(), 40);
    place.server().reset_stats();
    let warm = reader
        .series(&snapshot, &request(58))
        .await
        .expect("an answer");
    assert_eq!(warm.num_rows(), 40);
    assert_eq!(place.server().stats().count("GET"), files);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_and_its_bands_come_from_a_merged_month_on_a_server() {
    let place = Place::new(PlaceKind::S3).await;
    let table = place.table().await;
    let units = season(12);
    commit(&place, &table, &units).await;
    let reader = reader(&place, TableKind::Extracts);
    for _ in ["as written", "merged"] {
        let snapshot = table.snapshot().await.expect("a snapshot");
        let rows = expected(&units[4..5], TableKind::Extracts);
        let item_id = rows.column_by_name("item_id").expect("a column");
        let request = ImageRequest {
            item_id: item_id.as_string::<i32>().value(0).to_owned(),
            ..ImageRequest::default()
        };
        let batches: Vec<_> = reader
            .image(&snapshot, &request)
            .try_collect()
            .await
            .expect("rows");
        let answer = concat_batches(&extracts_schema(), &batches).expect("one schema");
        assert_eq!(answer, rows);
        let absent = ImageRequest {
            item_id: "another".to_owned(),
            ..ImageRequest::default()
        };
        let nothing: Vec<_> = reader
            .image(&snapshot, &absent)
            .try_collect()
            .await
            .expect("none");
        assert!(nothing.is_empty());
        table.compact(None).await.expect("a compaction");
    }
}

/// Returns means over 5 days; names of bands as texts, since their numbers may differ.
async fn five_day_means(reader: &SeriesReader, snapshot: &Snapshot) -> RecordBatch {
    let request = AggregateRequest {
        parcels: Parcels::Range(11..=60),
        bands: vec![BANDS[1].to_owned()],
        interval: None,
        window_of: Arc::new(|instant| {
            let start = instant.div_euclid(5 * DAY_US) * 5 * DAY_US;
            start..start + 5 * DAY_US
        }),
        columns: Vec::new(),
    };
    let batches: Vec<_> = reader
        .aggregate(snapshot, &request)
        .try_collect()
        .await
        .expect("means");
    let schema = aggregate_schema();
    let answer = concat_batches(&schema, &batches).expect("one schema");
    let mut columns = answer.columns().to_vec();
    columns[1] = cast(&columns[1], &DataType::Utf8).expect("texts");
    let mut fields: Vec<_> = schema.fields().to_vec();
    fields[1] = Arc::new(Field::new("band", DataType::Utf8, false));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("the same rows")
}

#[tokio::test(flavor = "multi_thread")]
async fn means_are_the_same_bits_before_and_after_compaction() {
    let place = Place::new(PlaceKind::Folder).await;
    let table = place.table().await;
    let units = season(30);
    commit(&place, &table, &units).await;
    let reader = reader(&place, TableKind::Extracts);
    let mut answers = Vec::new();
    for _ in ["as written", "merged"] {
        let snapshot = table.snapshot().await.expect("a snapshot");
        answers.push(five_day_means(&reader, &snapshot).await);
        table.compact(None).await.expect("a compaction");
    }
    assert_eq!(answers[0], answers[1]);
    let observations = answers[0].column(4).as_primitive::<Int32Type>();
    let seen: i32 = observations.values().iter().sum();
    let rows = expected(&units, TableKind::Extracts);
    let parcels = rows.column(0).as_primitive::<Int32Type>();
    let bands = rows.column_by_name("band").expect("a column");
    let means = rows.column_by_name("mean").expect("a column");
    let measured = (0..rows.num_rows()).filter(|row| {
        let is_band = bands.as_string::<i32>().value(*row) == BANDS[1];
        is_band && (11..=60).contains(&parcels.value(*row)) && means.is_valid(*row)
    });
    assert_eq!(seen, measured.count() as i32);
    let without = observations.values().iter().filter(|count| **count == 0);
    let means = answers[0].column(6).as_primitive::<Float64Type>();
    assert_eq!(means.null_count(), without.count());
}
