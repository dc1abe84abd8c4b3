//! Exactly once: many committers, stores that fail, programs that are killed or stopped.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use swath_extract::ExtractError;
use swath_extract::table::{CommitReport, ExtractTable, UnitResult, VacuumMode};
use swath_testkit::{Fault, Rule};

use crate::table_place::{ALL, Place, PlaceKind, Unit, assert_holds, season};

const DAY: Duration = Duration::from_secs(86_400);
/// Times that a program that failed is started again.
const RUNS_MAX: usize = 100;
/// Awaits of one call, at most.
const AWAITS_MAX: usize = 5_000;

/// Runs a future as far as its `awaits`-th await, then drops it, as a kill does.
async fn cut_off<F: Future>(future: F, awaits: usize) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut polls = 0;
    poll_fn(move |context| {
        polls += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if polls >= awaits => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Kills a program at its first await, at its second, …, until one gets through.
async fn killed_at_every_await<T>(mut run: impl AsyncFnMut() -> Result<T, ExtractError>) -> T {
    for awaits in 1..AWAITS_MAX {
        if let Some(done) = cut_off(run(), awaits).await {
            return done.expect("no fault but the kill");
        }
    }
    panic!("{AWAITS_MAX} awaits and not done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_await_changes_nothing() {
    for kind in ALL {
        let place = Place::new(kind).await;
        let mut units = season(2);
        let commit = async |unit: Unit| {
            killed_at_every_await(async || {
                let table =
                    ExtractTable::create(place.store(), &crate::table_place::configuration())
                        .await?;
                let result = unit.run(&place.store(), "a").await?;
                table.commit(&[result]).await
            })
            .await;
        };
        for unit in &units {
            commit(*unit).await;
        }
        assert_holds(&place.table().await, &units).await;
        killed_at_every_await(async || place.table().await.compact(None).await).await;
        assert_holds(&place.table().await, &units).await;
        units[1] = units[1].revised();
        commit(units[1]).await;
        assert_holds(&place.table().await, &units).await;
    }
}

/// Commits until it succeeds.
async fn commit_stubbornly(place: &Place, results: &[UnitResult]) -> CommitReport {
    let mut last = None;
    for _ in 0..RUNS_MAX {
        let attempt = async {
            let table =
                ExtractTable::create(place.store(), &crate::table_place::configuration()).await?;
            table.commit(results).await
        };
        match attempt.await {
            Ok(report) => return report,
            Err(error) => last = Some(error),
        }
    }
    panic!("{RUNS_MAX} runs and not done: {last:?}");
}

async fn run_stubbornly(place: &Place, unit: Unit, attempt: &str) -> UnitResult {
    let mut last = None;
    for _ in 0..RUNS_MAX {
        match unit.run(&place.store(), attempt).await {
            Ok(result) => return result,
            Err(error) => last = Some(error),
        }
    }
    panic!("{RUNS_MAX} runs and not done: {last:?}");
}

/// All units by each of several committers, in different orders; returns how many each made done.
async fn race(place: &Place, units: &[Unit], committers: usize) -> usize {
    let work = (0..committers).map(|committer| async move {
        let attempt = format!("c{committer}");
        let mut done = 0;
        for index in 0..units.len() {
            let unit = units[(index + committer * 3) % units.len()];
            let result = run_stubbornly(place, unit, &attempt).await;
            let report = commit_stubbornly(place, &[result]).await;
            assert_eq!(report.lost, Vec::<String>::new());
            done += report.committed.len();
        }
        done
    });
    let compaction = async {
        for _ in 0..4 {
            // A compaction may lose against the others and a failing store: then the next one does it.
            if let Ok(Some(table)) = ExtractTable::open(place.store()).await {
                let _ = table.compact(None).await;
                let _ = table
                    .vacuum(7 * DAY, SystemTime::now(), VacuumMode::Delete)
                    .await;
            }
        }
    };
    let (done, ()) = tokio::join!(futures::future::join_all(work), compaction);
    done.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_committers_each_unit_is_committed_once() {
    for kind in ALL.into_iter().chain([PlaceKind::PostgresLedger]) {
        let place = Place::new(kind).await;
        let units = season(4);
        assert_eq!(race(&place, &units, 4).await, units.len(), "{kind:?}");
        assert_holds(&place.table().await, &units).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_and_loses_answers_doubles_nothing() {
    for kind in [PlaceKind::S3, PlaceKind::Ledger] {
        let place = Place::new(kind).await;
        let units = season(4);
        place.table().await;
        place
            .server()
            .inject(Rule::new(Fault::LoseResponse).method("PUT").every(5))
            .inject(Rule::new(Fault::Status(503)).every(13))
            .inject(Rule::new(Fault::Status(500)).every(17))
            .inject(
                Rule::new(Fault::ShortBody { bytes: 20 })
                    .method("GET")
                    .every(19),
            )
            .inject(Rule::new(Fault::Stall).after(20).times(2));
        race(&place, &units, 3).await;
        place.server().heal();
        let table = place.table().await;
        assert_holds(&table, &units).await;
        table.compact(None).await.expect("a compaction");
        assert_holds(&table, &units).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_was_stopped_for_days_adds_nothing_and_loses_nothing() {
    for kind in ALL {
        let place = Place::new(kind).await;
        let table = place.table().await;
        let (done, open) = (Unit::of(0, 0), Unit::of(2, 0));
        let stopped = [
            done.run(&place.store(), "stopped").await.expect("files"),
            open.run(&place.store(), "stopped").await.expect("files"),
        ];
        // A program that knows the table as it was now.
        let waking = place.table().await;
        waking.snapshot().await.expect("a snapshot");
        for unit in [done, done.revised(), Unit::of(4, 0)] {
            let result = unit.run(&place.store(), "other").await.expect("files");
            table.commit(&[result]).await.expect("a commit");
        }
        table.compact(None).await.expect("a compaction");
        let later = SystemTime::now() + 8 * DAY;
        table
            .vacuum(7 * DAY, later, VacuumMode::Delete)
            .await
            .expect("a vacuum");
        let report = waking.commit(&stopped).await.expect("a commit");
        assert_eq!(report.already, [done.key()]);
        assert_eq!(report.lost, [open.key()]);
        let again = open.run(&place.store(), "again").await.expect("files");
        waking.commit(&[again]).await.expect("a commit");
        assert_holds(
            &place.table().await,
            &[done.revised(), open, Unit::of(4, 0)],
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_that_is_lost_or_damaged_is_done_without() {
    let place = Place::new(PlaceKind::S3).await;
    let table = place.table().await;
    let units = season(12);
    for unit in &units {
        let result = unit.run(&place.store(), "a").await.expect("files");
        table.commit(&[result]).await.expect("a commit");
    }
    let log = place.root().join("_delta_log");
    let hint = log.join("_last_checkpoint");
    let text = std::fs::read_to_string(&hint).expect("a hint");
    assert!(text.contains("\"version\":20"), "{text}");
    for damaged in ["", "{", "{\"version\": 19, \"size\": 1}"] {
        std::fs::write(&hint, damaged).expect("a file");
        assert_holds(&place.table().await, &units).await;
    }
    std::fs::remove_file(&hint).expect("a hint");
    for number in 0..20 {
        std::fs::remove_file(log.join(format!("{number:020}.json"))).expect("a commit");
    }
    assert_holds(&place.table().await, &units).await;
    std::fs::write(log.join(format!("{:020}.json", 25)), "{\"add\": 1}").expect("a file");
    let error = place.table_error().await;
    assert!(
        error.to_string().contains("00000000000000000025.json"),
        "{error}"
    );
    let newer = r#"{"protocol": {"minReaderVersion": 3, "minWriterVersion": 7}}"#;
    std::fs::write(log.join(format!("{:020}.json", 25)), newer).expect("a file");
    let error = place.table_error().await;
    assert!(error.to_string().contains("reader version 3"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_only_the_ledger_knows_is_copied_to_its_number() {
    let place = Place::new(PlaceKind::Ledger).await;
    let table = place.table().await;
    let units = [Unit::of(0, 0), Unit::of(2, 0)];
    for unit in &units {
        let result = unit.run(&place.store(), "a").await.expect("files");
        table.commit(&[result]).await.expect("a commit");
    }
    // As if the committer was killed between its row and the copy.
    let last = place
        .root()
        .join("_delta_log")
        .join(format!("{:020}.json", 2));
    let bytes = std::fs::read(&last).expect("a commit");
    std::fs::remove_file(&last).expect("a commit");
    assert_holds(&place.table().await, &units).await;
    assert_eq!(std::fs::read(&last).expect("a commit"), bytes);
}
