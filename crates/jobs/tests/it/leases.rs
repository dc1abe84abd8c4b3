//! Leases: one has it, until it expires; on every kind of store.

use swath_io::StoreWriter;
use swath_jobs::{Claim, JobStore, Lease, TaskKey};
use swath_testkit::server::ConditionalPut;
use swath_testkit::{Fault, Rule};

use crate::store::{LONG, SHORT, folder, jobs, s3};

fn taken(claim: Claim) -> Lease {
    match claim {
        Claim::Taken(lease) => lease,
        Claim::Held(record) => panic!("held by {record:?}"),
    }
}

/// Waits until the newest lease of a task has expired.
async fn wait_until_expired(store: &JobStore, task: &TaskKey) {
    for _ in 0..1_000 {
        let newest = store.newest_lease(task).await.expect("a lease");
        if newest.is_none_or(|newest| newest.expires < chrono::Utc::now()) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("the lease does not expire");
}

/// What every store must do, whether it knows conditional writes or not.
async fn conforms(writer: &StoreWriter) {
    let key = TaskKey::of_content("test", b"task");
    let of = |owner: &str, lease_time| jobs(writer, owner, lease_time);
    let (ada, bob) = (of("ada", LONG), of("bob", LONG));
    let mut lease = taken(ada.claim(&key).await.expect("a claim"));
    assert_eq!(lease.attempt(), 1);
    assert!(matches!(bob.claim(&key).await, Ok(Claim::Held(held)) if held.owner == "ada"));
    assert!(lease.renew().await.expect("renewed"));
    lease.release().await.expect("released");
    assert!(ada.newest_lease(&key).await.expect("none").is_none());

    // An owner that sleeps past its lease finds it lost, and takes nothing from the next one.
    let slow = of("slow", SHORT);
    let mut paused = taken(slow.claim(&key).await.expect("a claim"));
    let first_token = paused.token();
    wait_until_expired(&bob, &key).await;
    let lease = taken(bob.claim(&key).await.expect("a claim"));
    assert_eq!(lease.attempt(), 2);
    assert_ne!(lease.token(), first_token);
    assert!(!paused.renew().await.expect("an answer"), "it is lost");
    paused.release().await.expect("nothing to release");
    let newest = ada.newest_lease(&key).await.expect("a lease");
    assert_eq!(newest.map(|newest| newest.owner).as_deref(), Some("bob"));
    lease.release().await.expect("released");
}

#[tokio::test]
async fn leases_in_a_folder() {
    let place = tempfile::tempdir().expect("a folder");
    conforms(&folder(place.path())).await;
}

#[tokio::test]
async fn leases_on_s3_with_and_without_conditional_writes() {
    for conditional in [
        ConditionalPut::Atomic,
        ConditionalPut::NotImplemented,
        ConditionalPut::Ignored,
    ] {
        let place = tempfile::tempdir().expect("a folder");
        let (_server, writer) = s3(place.path(), conditional);
        conforms(&writer).await;
    }
}

#[tokio::test]
async fn of_many_at_once_one_has_the_lease() {
    let place = tempfile::tempdir().expect("a folder");
    let (_server, remote) = s3(place.path(), ConditionalPut::Atomic);
    let local = tempfile::tempdir().expect("a folder");
    for writer in [remote, folder(local.path())] {
        let key = TaskKey::of_content("test", b"race");
        let racers: Vec<JobStore> = (0..16)
            .map(|racer| jobs(&writer, &format!("racer-{racer}"), LONG))
            .collect();
        let claims = racers.iter().map(|racer| racer.claim(&key));
        let claims = futures::future::join_all(claims).await;
        let won = claims
            .iter()
            .filter(|claim| matches!(claim, Ok(Claim::Taken(_))));
        assert_eq!(won.count(), 1, "{claims:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_no_lost_lease() {
    let place = tempfile::tempdir().expect("a folder");
    let (server, writer) = s3(place.path(), ConditionalPut::Atomic);
    server.inject(Rule::new(Fault::LoseResponse).method("PUT").times(1));
    let ada = jobs(&writer, "ada", LONG);
    let key = TaskKey::of_content("test", b"lost");
    let lease = taken(ada.claim(&key).await.expect("a claim"));
    assert_eq!(lease.attempt(), 1);
}
