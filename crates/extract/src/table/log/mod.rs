//! The log of one Delta table: read forward, written one number at a time.
//!
//! 1. [`TableLog::snapshot`]: `_last_checkpoint`, that checkpoint, the commits after it; later only
//!    the commits that are new. No listing, but where the hint is lost.
//! 2. [`TableLog::take_number`]: of several committers one gets a number, by the store or the ledger.
//! 3. [`TableLog::checkpoint`]: every [`CHECKPOINT_EVERY`] commits.

pub(crate) mod action;
mod checkpoint;
mod columns;
pub(crate) mod path;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::future::try_join_all;
use swath_io::{IoError, Put, StoreWriter};

use self::action::{
    Action, CommitInfo, Format, Metadata, Protocol, READER_VERSION, WRITER_VERSION,
};
use self::checkpoint::{LastCheckpoint, read_checkpoint, write_checkpoint};
use self::columns::{check_columns, schema_string};
use super::ledger;
use super::snapshot::{PARTITION, Snapshot};
use super::{CommitNumbers, TableConfiguration, TableKind, TableStore};
use crate::ExtractError;

/// Folder of the log.
pub(super) const LOG_FOLDER: &str = "_delta_log";
/// Name of the hint at the newest checkpoint.
const LAST_CHECKPOINT: &str = "_delta_log/_last_checkpoint";
/// Commits between two checkpoints.
const CHECKPOINT_EVERY: i64 = 20;
/// Commits after a checkpoint that are read before the log counts as neglected.
const COMMITS_MAX: i64 = 100_000;
/// Largest commit, in bytes.
const COMMIT_BYTES_MAX: u64 = 256 << 20;
/// Largest checkpoint, in bytes.
const CHECKPOINT_BYTES_MAX: u64 = 1 << 30;
/// Largest hint, in bytes.
const HINT_BYTES_MAX: u64 = 1 << 20;
/// Commits that are fetched at once.
const FETCHED_AT_ONCE_MAX: i64 = 8;
/// Age of a snapshot above which it is read anew and not brought forward: the commits after it may
/// have been cleaned up, which looks as if there were none.
const FORWARD_AGE_MAX: Duration = Duration::from_secs(3_600);
/// Time for which files that left the table are remembered: more than any vacuum waits.
pub(super) const TOMBSTONES_KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The log of one table.
#[derive(Debug, Clone)]
pub(super) struct TableLog {
    pub(super) writer: StoreWriter,
    pub(super) kind: TableKind,
    numbers: CommitNumbers,
    newest: Arc<Mutex<Option<Seen>>>,
}

/// A snapshot and when it was known to be the newest.
#[derive(Debug, Clone)]
struct Seen {
    snapshot: Arc<Snapshot>,
    at: SystemTime,
}

impl TableLog {
    pub(super) fn new(store: &TableStore, kind: TableKind) -> Result<Self, ExtractError> {
        Ok(Self {
            writer: store.writer(kind)?,
            kind,
            numbers: store.numbers.clone(),
            newest: Arc::default(),
        })
    }

    /// Returns the table as it is now, `None` where there is none.
    pub(super) async fn snapshot(&self) -> Result<Option<Arc<Snapshot>>, ExtractError> {
        let at = SystemTime::now();
        let seen = self.newest().clone();
        let young = seen.filter(|seen| {
            let age = at.duration_since(seen.at);
            age.is_ok_and(|age| age < FORWARD_AGE_MAX)
        });
        let base = match young {
            Some(seen) => seen.snapshot,
            None => match self.read_base().await? {
                Some(base) => Arc::new(base),
                None => return Ok(None),
            },
        };
        let snapshot = self.forward(base).await?;
        let mut newest = self.newest();
        // Another task may have seen more meanwhile.
        let is_newer = newest
            .as_ref()
            .is_none_or(|seen| seen.snapshot.version <= snapshot.version);
        if is_newer {
            let snapshot = snapshot.clone();
            *newest = Some(Seen { snapshot, at });
        }
        Ok(Some(snapshot))
    }

    fn newest(&self) -> std::sync::MutexGuard<'_, Option<Seen>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the newest checkpoint, or commit 0.
    async fn read_base(&self) -> Result<Option<Snapshot>, ExtractError> {
        if let Some(hint) = self.hint().await?
            && let Some(snapshot) = self.read_checkpoint(hint.version).await?
        {
            return Ok(Some(snapshot));
        }
        if let Some(bytes) = self.commit_bytes(0).await? {
            let actions = self.actions(0, &bytes)?;
            return self.snapshot_of(0, actions).map(Some);
        }
        // The hint is lost, or points to a checkpoint that is gone.
        let listed = self.writer.list(LOG_FOLDER).await?;
        let versions = listed
            .iter()
            .filter_map(|object| checkpoint_version(&object.key));
        match versions.max() {
            Some(version) => self.read_checkpoint(version).await,
            None => Ok(None),
        }
    }

    async fn hint(&self) -> Result<Option<LastCheckpoint>, ExtractError> {
        let Some(bytes) = self.writer.get(LAST_CHECKPOINT, HINT_BYTES_MAX).await? else {
            return Ok(None);
        };
        let hint: Option<LastCheckpoint> = serde_json::from_slice(&bytes).ok();
        match hint {
            Some(LastCheckpoint {
                version,
                parts: Some(parts),
                ..
            }) => Err(self.damaged(&format!(
                "checkpoint {version} consists of {parts} files, which are not read here"
            ))),
            // A hint that cannot be read is none.
            hint => Ok(hint),
        }
    }

    async fn read_checkpoint(&self, version: i64) -> Result<Option<Snapshot>, ExtractError> {
        let key = checkpoint_key(version);
        let Some(bytes) = self.writer.get(&key, CHECKPOINT_BYTES_MAX).await? else {
            return Ok(None);
        };
        let read = swath_io::compute::run(move |_| read_checkpoint(bytes)).await;
        let actions = read.map_err(|reason| self.damaged(&format!("{key}: {reason}")))?;
        self.snapshot_of(version, actions).map(Some)
    }

    fn snapshot_of(&self, version: i64, actions: Vec<Action>) -> Result<Snapshot, ExtractError> {
        let snapshot = Snapshot::from_actions(version, actions);
        let snapshot = snapshot.map_err(|reason| self.damaged(&reason))?;
        let columns = check_columns(self.kind, &snapshot.metadata.schema_string);
        columns.map_err(|reason| self.damaged(&reason))?;
        Ok(snapshot)
    }

    /// Reads the commits after a snapshot.
    async fn forward(&self, base: Arc<Snapshot>) -> Result<Arc<Snapshot>, ExtractError> {
        let mut snapshot = base;
        let mut at_once = 1;
        let first = snapshot.version;
        while snapshot.version - first < COMMITS_MAX {
            let numbers = snapshot.version + 1..snapshot.version + 1 + at_once;
            let fetched = try_join_all(numbers.map(|number| self.commit_bytes(number))).await?;
            let is_last = fetched.iter().any(Option::is_none);
            // What comes after a gap may be of a later moment.
            let found: Vec<Bytes> = fetched.into_iter().map_while(|bytes| bytes).collect();
            if found.is_empty() {
                return Ok(snapshot);
            }
            let mut next = Arc::unwrap_or_clone(snapshot);
            for bytes in found {
                let version = next.version + 1;
                let actions = self.actions(version, &bytes)?;
                next.apply(version, actions).map_err(|reason| {
                    self.damaged(&format!("{}: {reason}", commit_key(version)))
                })?;
            }
            snapshot = Arc::new(next);
            if is_last {
                return Ok(snapshot);
            }
            at_once = (at_once * 2).min(FETCHED_AT_ONCE_MAX);
        }
        Err(self.damaged(&format!(
            "more than {COMMITS_MAX} commits follow its last checkpoint"
        )))
    }

    fn actions(&self, version: i64, bytes: &[u8]) -> Result<Vec<Action>, ExtractError> {
        let actions = action::read_actions(bytes);
        actions.map_err(|reason| self.damaged(&format!("{}: {reason}", commit_key(version))))
    }

    async fn commit_bytes(&self, number: i64) -> Result<Option<Bytes>, ExtractError> {
        let key = commit_key(number);
        let found = self.writer.get(&key, COMMIT_BYTES_MAX).await?;
        match (&self.numbers, found) {
            (CommitNumbers::Ledger(database), None) => {
                ledger::heal(database, &self.writer, number, &key, COMMIT_BYTES_MAX).await
            }
            (_, found) => Ok(found),
        }
    }

    /// Writes a commit if its number is free: [`Put::Exists`] where another commit has it.
    ///
    /// # Errors
    /// After a failure the commit may be there or not: bring the snapshot forward and look.
    pub(super) async fn take_number(
        &self,
        number: i64,
        commit: &[Action],
    ) -> Result<Put, ExtractError> {
        let bytes = Bytes::from(action::write_actions(commit));
        if bytes.len() as u64 > COMMIT_BYTES_MAX || commit.len() > action::ACTIONS_MAX {
            return Err(ExtractError::Limit {
                reason: format!(
                    "one commit may have {} actions and {COMMIT_BYTES_MAX} bytes, this one has {} and {}; commit fewer \
                     results at once",
                    action::ACTIONS_MAX,
                    commit.len(),
                    bytes.len()
                ),
            });
        }
        let key = commit_key(number);
        match &self.numbers {
            CommitNumbers::ConditionalPut => {
                let put = self.writer.put_new(&key, bytes).await;
                put.map_err(|error| self.cannot_decide(error))
            }
            CommitNumbers::Ledger(database) => {
                ledger::take(database, &self.writer, number, &key, bytes).await
            }
        }
    }

    fn cannot_decide(&self, error: IoError) -> ExtractError {
        match error {
            IoError::Href { reason, .. } => {
                self.damaged(&format!("{reason}: a database must decide who commits"))
            }
            error => error.into(),
        }
    }

    /// Makes the table, or finds that another program just did.
    pub(super) async fn create(
        &self,
        configuration: &TableConfiguration,
    ) -> Result<(), ExtractError> {
        let metadata = Metadata {
            id: random_uuid()?,
            name: None,
            description: None,
            format: Format {
                provider: "parquet".to_owned(),
                options: Default::default(),
            },
            schema_string: schema_string(self.kind),
            partition_columns: vec![PARTITION.to_owned()],
            created_time: Some(now_ms()),
            configuration: configuration.to_metadata(),
        };
        let commit = [
            commit_info("CREATE TABLE", &[])?,
            Action::Protocol(Protocol {
                min_reader_version: READER_VERSION,
                min_writer_version: WRITER_VERSION,
            }),
            Action::MetaData(metadata),
        ];
        self.take_number(0, &commit).await.map(|_| ())
    }

    /// Writes a checkpoint where the last one is [`CHECKPOINT_EVERY`] commits away.
    ///
    /// # Errors
    /// Where the store fails; the table is as it was.
    pub(super) async fn checkpoint_if_due(
        &self,
        snapshot: &Arc<Snapshot>,
    ) -> Result<(), ExtractError> {
        let last = self.hint().await?.map_or(0, |hint| hint.version);
        match snapshot.version - last >= CHECKPOINT_EVERY {
            true => self.checkpoint(snapshot).await,
            false => Ok(()),
        }
    }

    /// Writes a checkpoint of a snapshot, and the hint at it.
    ///
    /// # Errors
    /// As [`TableLog::checkpoint_if_due`].
    pub(super) async fn checkpoint(&self, snapshot: &Arc<Snapshot>) -> Result<(), ExtractError> {
        let forget_ms = now_ms() - milliseconds(TOMBSTONES_KEPT);
        let held = snapshot.clone();
        let (written, size) = swath_io::compute::run(move |_| {
            let actions = held.to_actions(forget_ms);
            (write_checkpoint(&actions), actions.len())
        })
        .await;
        let bytes = written.map_err(|error| self.damaged(&error.to_string()))?;
        let version = snapshot.version;
        self.writer.put(&checkpoint_key(version), bytes).await?;
        let known = self.hint().await?.map_or(-1, |hint| hint.version);
        if known < version {
            let hint = LastCheckpoint {
                version,
                size: size as i64,
                parts: None,
            };
            let text = serde_json::to_vec(&hint).expect("a hint is JSON");
            self.writer.put(LAST_CHECKPOINT, text.into()).await?;
        }
        Ok(())
    }

    /// Returns the version of the newest checkpoint that the log points to.
    pub(super) async fn checkpoint_version(&self) -> Result<Option<i64>, ExtractError> {
        Ok(self.hint().await?.map(|hint| hint.version))
    }

    /// Returns the error of a table that cannot be read or written.
    pub(super) fn damaged(&self, reason: &str) -> ExtractError {
        ExtractError::Table {
            href: self.writer.href("").trim_end_matches('/').to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// Returns the key of a commit.
pub(super) fn commit_key(number: i64) -> String {
    format!("{LOG_FOLDER}/{number:020}.json")
}

/// Returns the key of a checkpoint.
fn checkpoint_key(version: i64) -> String {
    format!("{LOG_FOLDER}/{version:020}.checkpoint.parquet")
}

/// Returns the version of a checkpoint by its key.
pub(super) fn checkpoint_version(key: &str) -> Option<i64> {
    let name = key.strip_prefix(LOG_FOLDER)?.strip_prefix('/')?;
    number_of(name.strip_suffix(".checkpoint.parquet")?)
}

/// Returns the number of a commit by its key.
pub(super) fn commit_number(key: &str) -> Option<i64> {
    let name = key.strip_prefix(LOG_FOLDER)?.strip_prefix('/')?;
    number_of(name.strip_suffix(".json")?)
}

fn number_of(digits: &str) -> Option<i64> {
    let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// Returns the action that says who commits what; it makes each commit a text of its own.
pub(super) fn commit_info(
    operation: &str,
    parameters: &[(&str, String)],
) -> Result<Action, ExtractError> {
    let parameters = parameters.iter();
    Ok(Action::CommitInfo(CommitInfo {
        timestamp: now_ms(),
        operation: operation.to_owned(),
        operation_parameters: parameters
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        engine_info: concat!("swath/", env!("CARGO_PKG_VERSION")).to_owned(),
        txn_id: random_uuid()?,
    }))
}

/// Returns a random UUID (RFC 9562, version 4).
pub(super) fn random_uuid() -> Result<String, ExtractError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| ExtractError::Scratch {
        reason: format!("the system has no random numbers: {error}"),
    })?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = |part: &[u8]| -> String { part.iter().map(|byte| format!("{byte:02x}")).collect() };
    let parts = [
        &bytes[..4],
        &bytes[4..6],
        &bytes[6..8],
        &bytes[8..10],
        &bytes[10..],
    ];
    Ok(parts.map(hex).join("-"))
}

/// Returns the time, in milliseconds since 1970 UTC.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, milliseconds)
}

/// Returns a duration in milliseconds.
pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
