//! Exactly once: processes that are killed and stopped, stores that fail, compaction and vacuum between.
#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use swath_extract::table::TableKind;
use swath_io::Stores;
use swath_testkit::server::{ConditionalPut, Options};
use swath_testkit::{Fault, FaultServer, Rule};

use crate::program::Place;
use crate::table_place::{extract, extract_words, files_below, rows, season, season_of, stores};

/// Months of the season on an S3 server: each request of a build for tests takes its time.
const MONTHS: [&str; 3] = ["202104", "202105", "202106"];
/// Processes of the same command.
const PROCESSES: usize = 4;
/// Longest wait for anything.
const WAIT_MAX: Duration = Duration::from_secs(900);
/// Time between two looks: counting files takes processor time from the processes.
const LOOK_EVERY: Duration = Duration::from_millis(30);
/// Lease of the processes: one that is stopped loses its own soon.
const LEASE_S: u64 = 3;
const LEASE: &str = "3";

/// How often processes are killed.
fn kills() -> usize {
    let asked = std::env::var("SWATH_TEST_KILLS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// A small generator: which process, and how much progress before the next kill.
struct Choice(u64);

impl Choice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }
}

/// Processes of one command, and where they write.
struct Crowd<'a> {
    command: &'a dyn Fn() -> Command,
    /// Folder in which progress can be seen.
    seen: &'a Path,
    children: Vec<Child>,
    /// The process that was stopped, and when.
    stopped: Option<(usize, Instant)>,
}

impl Drop for Crowd<'_> {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Crowd<'_> {
    fn start(&self) -> Child {
        let mut command = (self.command)();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the program")
    }

    /// Waits for `condition`, and tells whether it came true before all processes but one that is stopped had ended.
    fn wait_for(&mut self, condition: impl Fn(usize) -> bool) -> bool {
        let begun = Instant::now();
        loop {
            if condition(files_below(self.seen)) {
                return true;
            }
            let stopped = self.stopped.map(|(index, _)| index);
            let mut children = self.children.iter_mut().enumerate();
            if children.all(|(index, child)| {
                stopped == Some(index) || child.try_wait().expect("a process").is_some()
            }) {
                return false;
            }
            assert!(begun.elapsed() < WAIT_MAX, "no progress");
            std::thread::park_timeout(LOOK_EVERY);
        }
    }

    fn signal(&self, index: usize, signal: Signal) {
        let pid = i32::try_from(self.children[index].id()).expect("a number");
        // One that has ended meanwhile needs no signal.
        let _ = kill_process(Pid::from_raw(pid).expect("a process"), signal);
    }

    fn stop(&mut self, index: usize) {
        self.signal(index, Signal::STOP);
        self.stopped = Some((index, Instant::now()));
    }

    /// Lets the process that was stopped go on, once its lease is over and others may have taken what it had.
    fn resume(&mut self) {
        let Some((index, since)) = self.stopped.take() else {
            return;
        };
        while !is_over(since) {
            std::thread::park_timeout(LOOK_EVERY);
        }
        self.signal(index, Signal::CONT);
    }

    /// Kills a process as the system does when memory runs out, and starts another.
    fn replace(&mut self, index: usize) {
        let mut fresh = self.start();
        std::mem::swap(&mut self.children[index], &mut fresh);
        let _ = fresh.kill();
        let _ = fresh.wait();
    }
}

/// Fills a table with processes that are killed, stopped and resumed, with maintenance in between.
fn disturb(command: &dyn Fn() -> Command, maintain: &dyn Fn(&str), seen: &Path) {
    let mut crowd = Crowd {
        command,
        seen,
        children: Vec::new(),
        stopped: None,
    };
    for _ in 0..PROCESSES {
        let child = crowd.start();
        crowd.children.push(child);
    }
    let mut choice = Choice(7);
    for kill in 0..kills() {
        let before = files_below(seen);
        let more = 1 + choice.below(6);
        crowd.wait_for(|files| files.abs_diff(before) >= more);
        match kill {
            2 => crowd.stop(1),
            4 => maintain("compact"),
            5 => maintain("vacuum"),
            6 => crowd.resume(),
            _ => {}
        }
        let victim = choice.below(PROCESSES);
        if crowd.stopped.is_none_or(|(index, _)| index != victim) {
            crowd.replace(victim);
        }
    }
    crowd.resume();
    crowd.wait_for(|_| false);
}

/// True when the lease that a process had at `since` is over.
fn is_over(since: Instant) -> bool {
    since.elapsed() > Duration::from_secs(LEASE_S + 1)
}

fn assert_same(place: &Place, disturbed: &Stores, root: &str) {
    let reference = place.path("reference").display().to_string();
    for kind in [TableKind::Extracts, TableKind::Classes] {
        let expected = rows(&stores(None), &reference, kind);
        let found = rows(disturbed, root, kind);
        assert!(!expected.is_empty());
        assert!(
            found == expected,
            "{} rows, expected {}",
            found.len(),
            expected.len()
        );
    }
}

#[test]
fn killed_and_stopped_processes_fill_a_folder_once() {
    let place = season();
    extract(&place, "reference", &[]);
    let words = extract_words("disturbed", &["--lease", LEASE]);
    let command = || place.command(&words);
    let maintain = |what: &str| {
        place.swath(&["table", what, "disturbed"]).ok();
    };
    let seen = place.path("disturbed");
    disturb(&command, &maintain, &seen);
    let last = extract(&place, "disturbed", &[]);
    assert_eq!(last["failed"], serde_json::json!([]));
    assert_same(&place, &stores(None), &seen.display().to_string());
    place.swath(&["table", "check", "disturbed"]).ok();
}

/// The same on an S3 server, which may not know conditional writes, fails and stalls.
fn on_s3(conditional_put: ConditionalPut) {
    let place = season_of(&MONTHS);
    extract(&place, "reference", &[]);
    let bucket = tempfile::tempdir().expect("a folder");
    let options = Options {
        is_s3: true,
        conditional_put,
        ..Options::default()
    };
    let server = FaultServer::start(bucket.path(), options).expect("a server");
    let config = |name: &str| {
        format!(
            "[stores.{name}]\nprefix = \"s3://{}/{name}\"\nendpoint = \"{}\"\ntimeout_s = 3\n",
            server.bucket(),
            server.endpoint()
        )
    };
    place.write("swath-data/swath.toml", config("tables") + &config("jobs"));
    server.inject(Rule::new(Fault::Status(503)).probability(0.05, 1));
    server.inject(Rule::new(Fault::LoseResponse).probability(0.02, 2));
    server.inject(Rule::new(Fault::Stall).probability(0.002, 3));
    let program = |words: &[&str]| {
        let mut command = place.command(words);
        command
            .env("AWS_ACCESS_KEY_ID", server.access_key())
            .env("AWS_SECRET_ACCESS_KEY", server.secret_key());
        command
    };
    let words = extract_words("tables:t", &["--lease", LEASE]);
    let command = || program(&words);
    // A store that fails may fail these too: they are run again by whoever looks after the table.
    let maintain = |what: &str| {
        let _ = place.run(&mut program(&["table", what, "tables:t"]));
    };
    disturb(&command, &maintain, bucket.path());
    server.heal();
    place.run(&mut command()).ok();
    assert_same(&place, &stores(Some(&server)), "bucket:tables/t");
    place
        .run(&mut program(&["table", "check", "tables:t"]))
        .ok();
}

#[test]
fn killed_and_stopped_processes_fill_a_failing_s3_store_once() {
    on_s3(ConditionalPut::Atomic);
}

#[test]
fn without_conditional_writes_the_database_decides_who_was_first() {
    on_s3(ConditionalPut::NotImplemented);
}
