//! Stores of jobs to test with, and plans.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use swath_access::Viewer;
use swath_io::{AwsEnvironment, StoreConfig, StoreWriter, Stores};
use swath_jobs::{JobId, JobStore, LeaseOptions, Plan, Resources, TaskKey, TaskSpec};
use swath_testkit::FaultServer;
use swath_testkit::server::{ConditionalPut, Options};

/// A lease that outlasts every test.
pub const LONG: Duration = Duration::from_secs(600);
/// A lease that is over at once.
pub const SHORT: Duration = Duration::from_millis(30);

/// Returns a writer to a folder.
pub fn folder(path: &Path) -> StoreWriter {
    let stores = Stores::for_command_line(BTreeMap::new(), AwsEnvironment::default());
    let root = path.to_string_lossy().into_owned();
    stores.writer(&Viewer::operator(), &root).expect("a writer")
}

/// Returns an S3 server whose conditional writes do what is said, and a writer to it.
pub fn s3(path: &Path, conditional_put: ConditionalPut) -> (FaultServer, StoreWriter) {
    let options = Options {
        is_s3: true,
        conditional_put,
        ..Options::default()
    };
    let server = FaultServer::start(path, options).expect("a server");
    let config = StoreConfig {
        prefix: format!("s3://{}/jobs", server.bucket()),
        endpoint: Some(server.endpoint()),
        ..StoreConfig::default()
    };
    let variables = BTreeMap::from([
        (
            "AWS_ACCESS_KEY_ID".to_owned(),
            server.access_key().to_owned(),
        ),
        (
            "AWS_SECRET_ACCESS_KEY".to_owned(),
            server.secret_key().to_owned(),
        ),
    ]);
    let named = BTreeMap::from([("jobs".to_owned(), config)]);
    let stores = Stores::for_command_line(named, AwsEnvironment { variables });
    let writer = stores.writer(&Viewer::operator(), "jobs:");
    (server, writer.expect("a writer"))
}

/// Returns the store of jobs of a process with that name.
pub fn jobs(writer: &StoreWriter, owner: &str, lease_time: Duration) -> JobStore {
    let options = LeaseOptions { lease_time };
    JobStore::new(writer.clone(), options, owner.to_owned())
}

/// Returns a plan of so many tasks.
pub fn plan(tasks: u32) -> Plan {
    let task = |number: u32| TaskSpec {
        number,
        key: TaskKey::of_content("test", &number.to_le_bytes()),
        command: vec!["info".to_owned(), number.to_string()],
        image: None,
        inputs: vec![format!("archive:{number}.tif")],
        resources: Resources::default(),
        scratch_bytes: 0,
    };
    Plan {
        id: JobId::of_content("test", &tasks.to_le_bytes()),
        kind: "test".to_owned(),
        created: chrono::DateTime::UNIX_EPOCH,
        submitter: Some("ada".to_owned()),
        tasks: (0..tasks).map(task).collect(),
        notes: BTreeMap::new(),
    }
}
