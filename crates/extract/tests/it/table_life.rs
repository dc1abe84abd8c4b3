//! The life of a table on every kind of store: made, filled, replaced, merged, cleaned.

use std::time::{Duration, SystemTime};

use swath_extract::ExtractError;
use swath_extract::table::{
    CheckDepth, DefectKind, ExtractTable, TableKind, TableStore, VacuumMode, write_data_file,
};

use crate::table_place::{
    ALL, Place, PlaceKind, Unit, assert_holds, configuration, expected, rows_of, season,
};

const DAY: Duration = Duration::from_secs(86_400);

async fn fill(place: &Place, table: &ExtractTable, units: &[Unit], at_once: usize) {
    for units in units.chunks(at_once) {
        let mut results = Vec::new();
        for unit in units {
            results.push(unit.run(&place.store(), "a").await.expect("files"));
        }
        let report = table.commit(&results).await.expect("a commit");
        assert_eq!(report.committed.len(), units.len());
        assert_eq!((report.already.len(), report.lost.len()), (0, 0));
        let report = table.commit(&results).await.expect("again");
        assert_eq!(
            (report.committed.len(), report.already.len()),
            (0, units.len())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_holds_what_was_committed_through_replacement_and_compaction() {
    for kind in ALL {
        let place = Place::new(kind).await;
        assert!(
            ExtractTable::open(place.store())
                .await
                .expect("an answer")
                .is_none()
        );
        let table = place.table().await;
        let mut units = season(16);
        fill(&place, &table, &units, 2).await;
        assert_holds(&place.table().await, &units).await;
        // A new revision of a unit whose file is its own.
        let revised = units[3].revised();
        fill(&place, &table, &[revised], 1).await;
        units[3] = revised;
        let report = table.compact(None).await.expect("a compaction");
        assert_eq!(
            (report.months, report.files_after),
            (4, 4),
            "{kind:?}: {report:?}"
        );
        assert_holds(&table, &units).await;
        let nothing = table.compact(None).await.expect("a compaction");
        assert_eq!(nothing.months, 0);
        // Of one whose rows lie in the file of a month; twice, and of one whose files are merged.
        for index in [5, 5, 6] {
            let revised = units[index].revised();
            fill(&place, &table, &[revised], 1).await;
            units[index] = revised;
        }
        assert_holds(&table, &units).await;
        table.compact(Some("2021-04")).await.expect("a compaction");
        assert_holds(&place.table().await, &units).await;
        vacuums(&place, &table, &units).await;
    }
}

/// What nothing refers to goes when it is old, and only then.
async fn vacuums(place: &Place, table: &ExtractTable, units: &[Unit]) {
    Unit::of(500, 3)
        .run(&place.store(), "killed")
        .await
        .expect("files");
    let now = SystemTime::now();
    let young = table
        .vacuum(7 * DAY, now, VacuumMode::Delete)
        .await
        .expect("a vacuum");
    assert_eq!(young.removed, Vec::<String>::new());
    assert!(young.young > 40, "{young:?}");
    let later = now + 8 * DAY;
    let told = table
        .vacuum(7 * DAY, later, VacuumMode::DryRun)
        .await
        .expect("a vacuum");
    assert!(
        told.removed
            .contains(&"data/500-3/r1-killed.parquet".to_owned()),
        "{told:?}"
    );
    assert!(
        told.removed
            .contains(&"classes/data/500-3/r1-killed.parquet".to_owned())
    );
    assert!(
        told.removed.iter().all(|key| !key.contains("_delta_log")),
        "{told:?}"
    );
    let done = table
        .vacuum(7 * DAY, later, VacuumMode::Delete)
        .await
        .expect("a vacuum");
    assert_eq!(done, told);
    assert_holds(&place.table().await, units).await;
    let log = table
        .vacuum(30 * DAY, now + 31 * DAY, VacuumMode::Delete)
        .await
        .expect("a vacuum");
    assert!(
        log.removed
            .iter()
            .any(|key| key.ends_with("00000000000000000003.json")),
        "{log:?}"
    );
    assert_holds(&place.table().await, units).await;
    assert_holds(table, units).await;
    for odd in [6 * DAY, 31 * DAY] {
        let refused = table.vacuum(odd, now, VacuumMode::DryRun).await;
        assert!(matches!(refused, Err(ExtractError::Options { .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_other_options_is_refused_by_name() {
    let place = Place::new(PlaceKind::Folder).await;
    place.table().await;
    let mut other = configuration();
    other.options.insert("buffer".into(), "-10".into());
    let error = ExtractTable::create(place.store(), &other)
        .await
        .expect_err("another table");
    let text = error.to_string();
    assert!(text.contains("buffer") && text.contains("-10"), "{text}");
    other.options.insert("precision".into(), "2".into());
    let error = ExtractTable::create(place.store(), &other)
        .await
        .expect_err("no precision");
    assert!(error.to_string().contains("precision"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_without_rows_is_done_and_one_whose_file_is_gone_is_not() {
    let place = Place::new(PlaceKind::S3).await;
    let table = place.table().await;
    let mut empty = Unit::of(0, 0)
        .run(&place.store(), "a")
        .await
        .expect("files");
    (empty.extracts, empty.classes) = (None, None);
    empty.reason = Some("clouds".into());
    let lost = Unit::of(2, 0)
        .run(&place.store(), "a")
        .await
        .expect("files");
    let path = &lost.extracts.as_ref().expect("a file").path;
    std::fs::remove_file(place.root().join(path)).expect("a file");
    let report = table
        .commit(&[empty.clone(), lost.clone()])
        .await
        .expect("a commit");
    assert_eq!(
        (report.committed, report.lost),
        (vec![empty.unit.clone()], vec![lost.unit])
    );
    let snapshot = table.snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.inputs(&empty.unit), Some(empty.inputs));
    assert_eq!(snapshot.files().count(), 0);
    let check = table.check(CheckDepth::Rows).await.expect("a check");
    assert_eq!((check.units_without_rows, check.defects.len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn classes_of_a_revision_that_was_not_finished_are_replaced() {
    let place = Place::new(PlaceKind::Folder).await;
    let table = place.table().await;
    let mut first = Unit::of(0, 0)
        .run(&place.store(), "a")
        .await
        .expect("files");
    let statistics = first.extracts.take();
    let mut cut_off = first.clone();
    // As if the committer was killed between the two tables, and then a late slice came.
    cut_off.unit = "another".into();
    cut_off.extracts = None;
    table.commit(&[cut_off]).await.expect("a commit");
    std::fs::remove_dir_all(place.root().join("_delta_log")).expect("a log");
    std::fs::remove_dir_all(place.root().join("classes/_delta_log")).expect("a log");
    let table = place.table().await;
    let mut early = first.clone();
    early.inputs = 1;
    table.commit(&[early]).await.expect("a commit");
    std::fs::remove_dir_all(place.root().join("_delta_log")).expect("a log");
    let table = place.table().await;
    first.extracts = statistics;
    let unit = Unit::of(0, 0)
        .run(&place.store(), "b")
        .await
        .expect("files");
    let again = swath_extract::table::UnitResult {
        classes: unit.classes,
        ..first
    };
    table.commit(&[again]).await.expect("a commit");
    assert_holds(&table, &[Unit::of(0, 0)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_names_what_is_wrong() {
    let place = Place::new(PlaceKind::Folder).await;
    let table = place.table().await;
    let units = season(3);
    fill(&place, &table, &units, 6).await;
    let snapshot = table.snapshot().await.expect("a snapshot");
    let paths: Vec<_> = snapshot
        .files()
        .map(|file| place.root().join(&file.path))
        .collect();
    std::fs::remove_file(&paths[0]).expect("a file");
    let mut bytes = std::fs::read(&paths[1]).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(&paths[1], &bytes).expect("a file");
    // The same rows under another unit.
    let mut twice = units[4].run(&place.store(), "twice").await.expect("files");
    twice.unit = "twice".into();
    twice.classes = None;
    table.commit(&[twice]).await.expect("a commit");
    let report = table.check(CheckDepth::Rows).await.expect("a check");
    let kinds: std::collections::BTreeSet<_> =
        report.defects.iter().map(|defect| defect.kind).collect();
    let expected = [
        DefectKind::MissingFile,
        DefectKind::ChangedFile,
        DefectKind::DuplicateRow,
        DefectKind::SharedItem,
    ];
    assert_eq!(kinds, expected.into(), "{:?}", &report.defects[..4]);
    let error = table.compact(None).await.expect_err("a missing file");
    assert!(matches!(error, ExtractError::Table { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_are_sorted_in_parts_and_bytes_depend_on_rows_alone() {
    let place = Place::new(PlaceKind::Folder).await;
    let store = place.store();
    let big = |tile| Unit {
        parcels: 55_000,
        ..Unit::of(4, tile)
    };
    let batches = vec![big(1).extracts(), big(0).extracts()];
    let write = async |path: &str, batches: Vec<_>| {
        let written =
            write_data_file(&store, TableKind::Extracts, path, batches, &configuration()).await;
        written.expect("a file").expect("rows")
    };
    let one = write("data/one.parquet", batches.clone()).await;
    let two = write("data/two.parquet", batches.into_iter().rev().collect()).await;
    assert_eq!(
        (&one.digest, one.size_bytes, &one.stats),
        (&two.digest, two.size_bytes, &two.stats)
    );
    assert_eq!(one.rows, 220_000);
    let whole = swath_testkit::table::read_parquet(place.root().join("data/one.parquet"));
    let rows = expected(&[big(0), big(1)], TableKind::Extracts);
    assert_eq!(
        arrow::compute::concat_batches(rows.schema_ref(), [&whole]).expect("one schema"),
        rows
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_asked_what_it_can_do() {
    for kind in ALL {
        let place = Place::new(kind).await;
        let writer = place.store().writer(TableKind::Extracts).expect("a writer");
        let without = TableStore::probe(writer.clone(), None).await;
        let with = TableStore::probe(writer, place.ledger.clone()).await;
        with.expect("a store that somebody decides for");
        assert_eq!(without.is_err(), kind == PlaceKind::Ledger, "{kind:?}");
        let error = without
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.is_empty() || error.contains("conditional"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_keeps_its_moment() {
    let place = Place::new(PlaceKind::Folder).await;
    let table = place.table().await;
    let units = season(4);
    fill(&place, &table, &units, 8).await;
    let before = table.snapshot().await.expect("a snapshot");
    let rows = rows_of(&table, TableKind::Extracts, &before).await;
    fill(&place, &table, &[units[0].revised()], 1).await;
    table.compact(None).await.expect("a compaction");
    assert_eq!(rows_of(&table, TableKind::Extracts, &before).await, rows);
    assert_ne!(
        table.snapshot().await.expect("a snapshot").version(),
        before.version()
    );
}
