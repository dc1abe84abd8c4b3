//! The local engine, with shell scripts for workers.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use swath_jobs::{
    JobError, JobStore, LocalEngine, Outcome, Plan, RetryRule, TaskEvent, TaskQueue, TaskResult,
    TaskTrouble,
};

use crate::store::{LONG, SHORT, folder, jobs, plan};

/// Returns an engine whose workers run a script: `$0` is the folder, `$4` the number of the task.
fn engine(folder: &Path, script: &str) -> LocalEngine {
    LocalEngine {
        program: PathBuf::from("sh"),
        arguments: vec![
            "-c".to_owned(),
            script.to_owned(),
            folder.to_string_lossy().into_owned(),
        ],
        task_options: Vec::new(),
    }
}

/// Writes the results that the workers hand in by renaming.
fn prepare(folder: &Path, plan: &Plan, outcome: &Outcome) {
    let ready = folder.join("ready");
    std::fs::create_dir_all(&ready).expect("a folder");
    std::fs::create_dir_all(folder.join(plan.id.as_str()).join("results")).expect("a folder");
    for task in &plan.tasks {
        let result = TaskResult {
            task: task.number,
            key: task.key.clone(),
            attempt: 1,
            owner: "worker".to_owned(),
            started: chrono::DateTime::UNIX_EPOCH,
            finished: chrono::Utc::now() + chrono::TimeDelta::hours(1),
            outcome: outcome.clone(),
        };
        let text = serde_json::to_vec(&result).expect("JSON");
        std::fs::write(ready.join(format!("{}.json", task.number)), text).expect("a file");
    }
}

/// What came of all tasks of a plan, by number.
#[derive(Debug, Default)]
struct Report {
    done: Vec<u32>,
    held: Vec<u32>,
    troubles: Vec<TaskTrouble>,
}

async fn run(engine: &LocalEngine, store: &JobStore, plan: &Plan) -> Result<Report, JobError> {
    let retry = RetryRule {
        attempts_max: 3,
        wait_first: Duration::from_millis(1),
    };
    let tasks = plan.tasks.iter().map(|task| task.number);
    let mut queue = TaskQueue::new(tasks, 3, retry);
    let start = |task, attempt| engine.attempt(store, plan, task, attempt);
    let mut report = Report::default();
    while let Some(event) = queue.next(start).await? {
        match event {
            TaskEvent::Done(result, _) => report.done.push(result.task),
            TaskEvent::Failed(trouble) => report.troubles.push(trouble),
            TaskEvent::Held(task) => {
                report.held.push(task);
                queue.leave_out(task);
            }
        }
    }
    report.done.sort_unstable();
    Ok(report)
}

fn done() -> Outcome {
    Outcome::Done {
        value: serde_json::Value::Null,
    }
}

#[tokio::test]
async fn workers_that_crash_are_started_again() {
    let place = tempfile::tempdir().expect("a folder");
    let store = jobs(&folder(place.path()), "engine", LONG);
    let plan = store.submit(&plan(8)).await.expect("submitted");
    prepare(place.path(), &plan, &done());
    // The first attempt on each task is killed, the second hands the result in.
    let script = format!(
        "echo attempt on \"$4\" >&2; cd \"$0\"; mkdir seen.$4 2>/dev/null && kill -9 $$; \
         mv ready/$4.json {}/results/$4.json",
        plan.id
    );
    let report = run(&engine(place.path(), &script), &store, &plan)
        .await
        .expect("a report");
    assert_eq!(report.troubles, []);
    assert_eq!(report.done, (0..8).collect::<Vec<u32>>());
    let logs = store.logs(&plan.id).await.expect("logs");
    assert_eq!(logs.len(), 16, "{logs:?}");
    let log = store.log(&plan.id, 3, 2).await.expect("a log");
    assert_eq!(log, "attempt on 3\n");
}

#[tokio::test]
async fn a_task_that_always_fails_is_given_up_and_the_others_go_on() {
    let place = tempfile::tempdir().expect("a folder");
    let store = jobs(&folder(place.path()), "engine", LONG);
    let plan = store.submit(&plan(3)).await.expect("submitted");
    prepare(place.path(), &plan, &done());
    let script = format!(
        "cd \"$0\"; test $4 = 1 && {{ echo no space left >&2; exit 5; }}; mv ready/$4.json {}/results/",
        plan.id
    );
    let report = run(&engine(place.path(), &script), &store, &plan)
        .await
        .expect("a report");
    assert_eq!(report.done, [0, 2]);
    assert_eq!(report.troubles[0].task, 1);
    let reason = &report.troubles[0].reason;
    assert!(reason.contains("no space left"), "{reason}");
    assert_eq!(store.logs(&plan.id).await.expect("logs").len(), 5);
}

#[tokio::test]
async fn data_at_fault_are_not_tried_again_at_once() {
    let place = tempfile::tempdir().expect("a folder");
    let store = jobs(&folder(place.path()), "engine", LONG);
    let plan = store.submit(&plan(1)).await.expect("submitted");
    let failed = Outcome::Failed {
        reason: "B04.tif: not found".to_owned(),
        is_final: true,
    };
    prepare(place.path(), &plan, &failed);
    let script = format!("cd \"$0\"; mv ready/$4.json {}/results/; exit 3", plan.id);
    let report = run(&engine(place.path(), &script), &store, &plan)
        .await
        .expect("a report");
    assert!(report.troubles[0].is_final);
    assert_eq!(store.logs(&plan.id).await.expect("logs").len(), 1);
}

#[tokio::test]
async fn tasks_of_others_are_told_apart() {
    let place = tempfile::tempdir().expect("a folder");
    let store = jobs(&folder(place.path()), "engine", LONG);
    let plan = store.submit(&plan(2)).await.expect("submitted");
    let report = run(&engine(place.path(), "exit 0"), &store, &plan)
        .await
        .expect("a report");
    assert!(report.done.is_empty() && report.troubles.is_empty());
    assert_eq!(report.held.len(), 2);
}

#[tokio::test]
async fn cancelling_stops_the_workers() {
    let place = tempfile::tempdir().expect("a folder");
    let store = jobs(&folder(place.path()), "engine", SHORT);
    let plan = store.submit(&plan(4)).await.expect("submitted");
    store.cancel(&plan.id, None).await.expect("cancelled");
    let script = "cd \"$0\"; echo $$ > pid.$4; exec sleep 600";
    let outcome = run(&engine(place.path(), script), &store, &plan).await;
    assert!(matches!(outcome, Err(JobError::Cancelled { .. })));
    for entry in std::fs::read_dir(place.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        if !path.to_string_lossy().contains("pid.") {
            continue;
        }
        let pid = std::fs::read_to_string(&path).expect("a number");
        let process = PathBuf::from(format!("/proc/{}", pid.trim()));
        assert!(pid.trim().is_empty() || !process.exists(), "{pid} lives");
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let place = tempfile::tempdir().expect("a folder");
    let store = jobs(&folder(place.path()), "engine", LONG);
    let plan = store.submit(&plan(1)).await.expect("submitted");
    let absent = LocalEngine {
        program: place.path().join("absent"),
        ..engine(place.path(), "")
    };
    let report = run(&absent, &store, &plan).await.expect("a report");
    let reason = &report.troubles[0].reason;
    assert!(reason.contains("absent"), "{reason}");
}
