//! Attempts on tasks: done once, tried again, lost, cancelled.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use swath_jobs::{JobError, JobState, Outcome, Plan, TaskEnd, TaskFailure, TaskState};
use swath_testkit::server::ConditionalPut;

use crate::store::{LONG, SHORT, folder, jobs, plan, s3};

/// Work that is done at once.
async fn work(token: String) -> Result<Value, TaskFailure> {
    Ok(json!({ "token": token }))
}

fn failure(reason: &str, is_final: bool) -> TaskFailure {
    TaskFailure {
        reason: reason.to_owned(),
        is_final,
    }
}

#[tokio::test]
async fn a_plan_is_kept_as_it_was_first_written() {
    let place = tempfile::tempdir().expect("a folder");
    let ada = jobs(&folder(place.path()), "ada", LONG);
    let first = ada.submit(&plan(3)).await.expect("submitted");
    let later = Plan {
        created: chrono::Utc::now(),
        ..plan(3)
    };
    assert_eq!(ada.submit(&later).await.expect("known"), first);
    assert_eq!(
        ada.jobs().await.expect("a list"),
        std::slice::from_ref(&first.id)
    );
    let file = place.path().join(format!("{}/plan.json", first.id));
    std::fs::write(&file, b"{\"id\": 1}").expect("a file");
    let error = ada.plan(&first.id).await.expect_err("no plan");
    assert!(error.to_string().contains("plan.json"), "{error}");
    let other = plan(4);
    std::fs::write(&file, serde_json::to_vec(&other).expect("JSON")).expect("a file");
    assert!(matches!(
        ada.plan(&first.id).await,
        Err(JobError::Invalid { .. })
    ));
    assert!(matches!(
        ada.plan(&other.id).await,
        Err(JobError::NotFound { .. })
    ));
}

#[tokio::test]
async fn a_task_is_done_once() {
    let place = tempfile::tempdir().expect("a folder");
    let (_server, writer) = s3(place.path(), ConditionalPut::Atomic);
    let (ada, bob) = (jobs(&writer, "ada", LONG), jobs(&writer, "bob", LONG));
    let plan = ada.submit(&plan(2)).await.expect("submitted");
    let task = &plan.tasks[0];
    assert_eq!(
        ada.status(&plan.id).await.expect("status").state,
        JobState::Queued
    );
    let end = ada.run_task(&plan.id, task, work).await.expect("done");
    let TaskEnd::Result(result, Some(lease)) = end else {
        panic!("{end:?}");
    };
    assert!(result.is_done() && result.attempt == 1 && result.owner == "ada");
    // Whoever comes later gets that result, with the lease still held and without it.
    let count = AtomicU32::new(0);
    for _ in 0..2 {
        let counted = async |_: String| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(Value::Null)
        };
        let end = bob.run_task(&plan.id, task, counted).await.expect("known");
        assert!(matches!(end, TaskEnd::Result(known, None) if known == result));
    }
    assert_eq!(count.into_inner(), 0);
    lease.release().await.expect("released");
    let status = bob.status(&plan.id).await.expect("status");
    assert_eq!((status.state, status.done), (JobState::Running, 1));
    bob.forget_result(&plan.id, 0).await.expect("forgotten");
    let end = bob.run_task(&plan.id, task, work).await.expect("done");
    assert!(matches!(end, TaskEnd::Result(anew, Some(_)) if anew.owner == "bob"));
}

#[tokio::test]
async fn what_failed_is_tried_again() {
    let place = tempfile::tempdir().expect("a folder");
    let ada = jobs(&folder(place.path()), "ada", LONG);
    let plan = ada.submit(&plan(1)).await.expect("submitted");
    let fails = async |_: String| Err(failure("the raster is damaged", true));
    let end = ada.run_task(&plan.id, &plan.tasks[0], fails).await;
    let Ok(TaskEnd::Result(result, None)) = end else {
        panic!("{end:?}");
    };
    assert!(
        matches!(&result.outcome, Outcome::Failed { reason, is_final: true } if reason.contains("damaged"))
    );
    let status = ada.status(&plan.id).await.expect("status");
    assert_eq!((status.state, status.failed), (JobState::Failed, 1));
    assert!(matches!(status.shown[0].state, TaskState::Failed { .. }));
    let end = ada.run_task(&plan.id, &plan.tasks[0], work).await;
    assert!(matches!(end, Ok(TaskEnd::Result(result, Some(_))) if result.is_done()));
    assert_eq!(
        ada.status(&plan.id).await.expect("status").state,
        JobState::Done
    );
}

#[tokio::test]
async fn an_owner_that_was_paused_leaves_no_result() {
    let place = tempfile::tempdir().expect("a folder");
    let writer = folder(place.path());
    // No heartbeat of the slow one gets through: its thread does not run.
    let (slow, bob) = (jobs(&writer, "slow", SHORT), jobs(&writer, "bob", LONG));
    let plan = bob.submit(&plan(1)).await.expect("submitted");
    let task = &plan.tasks[0];
    let (other, job, same) = (bob.clone(), plan.id.clone(), task.clone());
    let paused = async |token: String| {
        let meanwhile = async move {
            loop {
                let end = other.run_task(&job, &same, work).await;
                match end.expect("an answer") {
                    TaskEnd::Held(_) => tokio::task::yield_now().await,
                    end => return end,
                }
            }
        };
        // Joining holds up the thread of the slow one, as a signal to stop would.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(meanwhile)
        });
        let end = thread.join().expect("an end");
        assert!(matches!(end, TaskEnd::Result(result, Some(_)) if result.attempt == 2));
        work(token).await
    };
    let end = slow.run_task(&plan.id, task, paused).await.expect("an end");
    assert!(matches!(end, TaskEnd::Lost), "{end:?}");
    let result = bob.result(&plan.id, 0).await.expect("read").expect("there");
    assert_eq!((result.owner.as_str(), result.attempt), ("bob", 2));
}

#[tokio::test]
async fn a_cancelled_job_begins_nothing_and_stops_what_runs() {
    let place = tempfile::tempdir().expect("a folder");
    let ada = jobs(&folder(place.path()), "ada", SHORT * 3);
    let plan = ada.submit(&plan(2)).await.expect("submitted");
    let endless = async |_: String| {
        ada.cancel(&plan.id, Some("bob")).await.expect("cancelled");
        std::future::pending::<Result<Value, TaskFailure>>().await
    };
    let end = ada.run_task(&plan.id, &plan.tasks[0], endless).await;
    assert!(matches!(end, Err(JobError::Cancelled { .. })), "{end:?}");
    let end = ada.run_task(&plan.id, &plan.tasks[1], work).await;
    assert!(matches!(end, Err(JobError::Cancelled { .. })), "{end:?}");
    let status = ada.status(&plan.id).await.expect("status");
    assert_eq!(status.state, JobState::Cancelled);
    ada.resume(&plan.id).await.expect("resumed");
    let end = ada.run_task(&plan.id, &plan.tasks[0], work).await;
    assert!(matches!(end, Ok(TaskEnd::Result(_, Some(_)))), "{end:?}");
}
