//! Removes what nothing refers to: data files that were merged, replaced or never committed, commits
//! that a checkpoint holds, and what killed programs left.
//!
//! Only what is old goes: a writer may be about to commit its file, a reader may still read the table
//! as it was. A file counts as old when it was written *and* left the table long ago.

use std::time::{Duration, SystemTime};

use futures::{StreamExt, TryStreamExt};

use super::TableKind;
use super::ledger::STAGED_FOLDER;
use super::log::{LOG_FOLDER, TOMBSTONES_KEPT, TableLog, checkpoint_version, commit_number};
use super::snapshot::Snapshot;
use super::store::CLASSES_FOLDER;
use crate::ExtractError;

/// Shortest age of what is removed.
const OLDER_THAN_MIN: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Age of commits and checkpoints that are removed: until then, readers may ask for old versions.
const LOG_KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Folder of data files.
const DATA_FOLDER: &str = "data";
/// Objects that are removed at once.
const REMOVED_AT_ONCE: usize = 8;

/// Whether a vacuum removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VacuumMode {
    /// Only tells what it would remove.
    DryRun,
    /// Removes.
    Delete,
}

/// What a vacuum removed, or would.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VacuumReport {
    /// Keys below the root of the table of statistics, sorted.
    pub removed: Vec<String>,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that nothing refers to but that are too young.
    pub young: u64,
}

/// What is old enough.
struct Limits {
    data: SystemTime,
    log: SystemTime,
}

/// Removes what is old and of no use, of both tables.
pub(super) async fn vacuum_table(
    logs: &[&TableLog],
    older_than: Duration,
    now: SystemTime,
    mode: VacuumMode,
) -> Result<VacuumReport, ExtractError> {
    if !(OLDER_THAN_MIN..=TOMBSTONES_KEPT).contains(&older_than) {
        let days = |time: Duration| time.as_secs() / (24 * 3_600);
        return Err(ExtractError::Options {
            reason: format!(
                "a vacuum removes what is older than {} to {} days, not {} hours",
                days(OLDER_THAN_MIN),
                days(TOMBSTONES_KEPT),
                older_than.as_secs() / 3_600
            ),
        });
    }
    let before = |age: Duration| now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
    let limits = Limits {
        data: before(older_than),
        log: before(older_than.max(LOG_KEPT)),
    };
    let mut report = VacuumReport::default();
    for log in logs {
        vacuum_log(log, &limits, mode, &mut report).await?;
    }
    report.removed.sort();
    Ok(report)
}

async fn vacuum_log(
    log: &TableLog,
    limits: &Limits,
    mode: VacuumMode,
    report: &mut VacuumReport,
) -> Result<(), ExtractError> {
    let mut objects = Vec::new();
    for folder in [DATA_FOLDER, STAGED_FOLDER, LOG_FOLDER] {
        objects.extend(log.writer.list_dated(folder).await?);
    }
    // Read after the listing: what was listed and is not part of this snapshot was not committed
    // before it was listed.
    let Some(snapshot) = log.snapshot().await? else {
        return Ok(());
    };
    let checkpoint = log.checkpoint_version().await?.unwrap_or(0);
    let mut old = Vec::new();
    for object in objects {
        let unused_since = unused_since(&snapshot, checkpoint, &object.key, object.modified);
        let Some(unused_since) = unused_since else {
            continue;
        };
        let limit = match object.key.starts_with(LOG_FOLDER) {
            true => limits.log,
            false => limits.data,
        };
        if unused_since < limit {
            report.bytes += object.size;
            old.push(object.key);
        } else {
            report.young += 1;
        }
    }
    if mode == VacuumMode::Delete {
        let removals: Vec<_> = old.iter().map(|key| log.writer.delete(key)).collect();
        let removals = futures::stream::iter(removals).buffer_unordered(REMOVED_AT_ONCE);
        removals.try_collect::<Vec<()>>().await?;
    }
    let unfinished = log.writer.unfinished("").await?.unwrap_or_default();
    let own = unfinished.into_iter().filter(|file| {
        // Those of the table of classes are found from there.
        log.kind == TableKind::Classes || !file.key.starts_with(CLASSES_FOLDER)
    });
    for file in own.filter(|file| file.modified < limits.data) {
        if mode == VacuumMode::Delete {
            log.writer.remove_unfinished(&file.key, limits.data).await?;
        }
        report.bytes += file.size;
        old.push(file.key);
    }
    report
        .removed
        .extend(old.into_iter().map(|key| match log.kind {
            TableKind::Extracts => key,
            TableKind::Classes => format!("{CLASSES_FOLDER}/{key}"),
        }));
    Ok(())
}

/// Returns since when nothing needs an object; `None` where something does.
fn unused_since(
    snapshot: &Snapshot,
    checkpoint: i64,
    key: &str,
    modified: SystemTime,
) -> Option<SystemTime> {
    if key.starts_with(LOG_FOLDER) {
        // Commits and checkpoints up to the newest checkpoint; everything else there is of use, or
        // not ours.
        let version = commit_number(key).or_else(|| checkpoint_version(key))?;
        return (version < checkpoint).then_some(modified);
    }
    if snapshot.file(key).is_some() {
        return None;
    }
    let removed = snapshot.removed.get(key).map(|gone| {
        let since = Duration::from_millis(gone.removed_ms.max(0).unsigned_abs());
        SystemTime::UNIX_EPOCH + since
    });
    Some(removed.map_or(modified, |removed| removed.max(modified)))
}
