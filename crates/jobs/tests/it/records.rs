//! Rows of jobs, in both databases.

use std::path::Path;
use std::process::Command;

use swath_jobs::{JobRecords, JobState, JobStatus};

use crate::store::plan;

async fn conforms(url: &str) {
    let records = JobRecords::open(url).await.expect("opens");
    let before = records.list().await.expect("a list").len();
    let tasks = u32::from_le_bytes(std::process::id().to_le_bytes()) % 90_000 + 7;
    let plan = plan(tasks);
    records.put_submitted(&plan).await.expect("noted");
    records.put_submitted(&plan).await.expect("noted again");
    let status = JobStatus {
        id: plan.id.clone(),
        kind: plan.kind.clone(),
        state: JobState::Failed,
        tasks: plan.tasks.len(),
        done: 5,
        failed: 2,
        shown: Vec::new(),
    };
    let long = "x".repeat(10_000);
    records
        .put_status(&status, Some(&long))
        .await
        .expect("noted");
    let listed = records.list().await.expect("a list");
    assert!(listed.len() <= before + 1);
    let row = listed.iter().find(|row| row.id == plan.id).expect("a row");
    assert_eq!((row.state, row.done, row.failed), (JobState::Failed, 5, 2));
    assert_eq!(row.submitter.as_deref(), Some("ada"));
    assert_eq!(row.created, plan.created);
    assert!(row.error.as_ref().is_some_and(|error| error.len() == 2_000));
    records.close().await;
}

#[tokio::test]
async fn rows_in_sqlite() {
    let place = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", place.path().join("jobs.sqlite").display());
    conforms(&url).await;
    conforms(&url).await;
}

#[tokio::test]
async fn rows_in_postgres() {
    let url = match std::env::var("SWATH_TEST_POSTGRES") {
        Ok(url) => url,
        Err(_) => {
            let script =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/services/postgis.sh");
            let output = Command::new("bash").arg(script).arg("up").output();
            match output {
                Ok(output) if output.status.success() => {
                    String::from_utf8_lossy(&output.stdout).trim().to_owned()
                }
                _ => {
                    println!("skipped: no PostgreSQL server can be had");
                    return;
                }
            }
        }
    };
    conforms(&url).await;
}
