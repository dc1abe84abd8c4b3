//! One moment of a table: the files that make it up and the units that are done.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::log::action::{Action, Add, Metadata, Protocol, Remove, Txn, check_protocol};
use super::log::path;
use super::stats::FileStats;

/// Begin of the `appId` of the transactions that hold what went into a unit.
pub(super) const INPUTS_PREFIX: &str = "inputs:";

/// Tag of a file with its units, as a JSON list of [`FileUnit`].
const UNITS_TAG: &str = "swath.units";
/// Tag of a file with the digest of its bytes.
const DIGEST_TAG: &str = "swath.digest";
/// Name of the partition column.
pub(super) const PARTITION: &str = "month";
/// Most files of a table.
const FILES_MAX: usize = 1_000_000;
/// Most transactions of a table: two for each unit.
const TXNS_MAX: usize = 4_000_000;

/// A unit of work whose rows, or some of them, lie in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileUnit {
    /// Its key.
    pub unit: String,
    /// Revision of the rows.
    pub revision: i64,
    /// The item id that its rows carry.
    pub item_id: String,
    /// Number of its rows in the file.
    pub rows: u64,
    /// All slices, item ids in the order of datetime; empty where `item_id` is the only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
}

/// One data file of a table. Files never change: a path names the same bytes for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct TableFile {
    /// Key below the root of the table.
    pub path: String,
    /// Bytes.
    pub size_bytes: u64,
    /// Partition, `YYYY-MM`.
    pub month: String,
    /// Rows in it.
    pub rows: u64,
    /// Bounds of its columns.
    pub stats: FileStats,
    /// What lies in it, sorted by unit.
    pub units: Vec<FileUnit>,
    /// Digest (XXH3, 64 bit, hex) of its bytes; empty where another program wrote it.
    pub digest: String,
    /// When it was added, in milliseconds since 1970 UTC.
    pub modified_ms: i64,
    /// Statistics as the log has them.
    pub(super) stats_json: Option<String>,
}

impl TableFile {
    /// Reads an `add` action.
    fn read(add: Add) -> Result<Self, String> {
        let path = path::decode(&add.path)?;
        if add.deletion_vector.is_some() {
            return Err(format!(
                "the file {path} has deleted rows, which are not known here"
            ));
        }
        let month = add.partition_values.get(PARTITION).cloned().flatten();
        let (rows, stats) = add
            .stats
            .as_deref()
            .map(FileStats::read)
            .unwrap_or_default();
        let tag = |name: &str| {
            add.tags
                .as_ref()
                .and_then(|tags| tags.get(name).cloned().flatten())
        };
        let units = match tag(UNITS_TAG) {
            Some(text) => serde_json::from_str(&text)
                .map_err(|error| format!("the file {path} has an odd tag {UNITS_TAG}: {error}"))?,
            None => Vec::new(),
        };
        Ok(Self {
            size_bytes: u64::try_from(add.size)
                .map_err(|_| format!("the file {path} has a negative size"))?,
            month: month.ok_or_else(|| format!("the file {path} has no month"))?,
            rows: rows.ok_or_else(|| format!("the file {path} has no number of rows"))?,
            stats,
            units,
            digest: tag(DIGEST_TAG).unwrap_or_default(),
            modified_ms: add.modification_time,
            stats_json: add.stats,
            path,
        })
    }

    /// Returns the action that adds the file.
    pub(super) fn to_add(&self, data_change: DataChange) -> Add {
        let units = serde_json::to_string(&self.units).expect("units have texts for keys");
        let tags = [(UNITS_TAG, units), (DIGEST_TAG, self.digest.clone())];
        let tags = tags.map(|(name, value)| (name.to_owned(), Some(value)));
        Add {
            path: path::encode(&self.path),
            partition_values: partition(&self.month),
            size: self.size_bytes.cast_signed(),
            modification_time: self.modified_ms,
            data_change: data_change == DataChange::Rows,
            stats: self.stats_json.clone(),
            tags: Some(tags.into()),
            deletion_vector: None,
        }
    }

    /// Returns the action that removes the file.
    pub(super) fn to_remove(&self, now_ms: i64, data_change: DataChange) -> Remove {
        Remove {
            path: path::encode(&self.path),
            deletion_timestamp: Some(now_ms),
            data_change: data_change == DataChange::Rows,
            extended_file_metadata: Some(true),
            partition_values: Some(partition(&self.month)),
            size: Some(self.size_bytes.cast_signed()),
        }
    }
}

fn partition(month: &str) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([(PARTITION.to_owned(), Some(month.to_owned()))])
}

/// Whether an action changes which rows the table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataChange {
    /// Rows come or go.
    Rows,
    /// The same rows in other files.
    Layout,
}

/// A file that was part of the table once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// Key below the root of the table.
    pub path: String,
    /// When it left the table, in milliseconds since 1970 UTC.
    pub removed_ms: i64,
    /// Bytes, where known.
    pub size_bytes: Option<u64>,
}

/// One moment of a table; it never changes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(super) version: i64,
    pub(super) protocol: Protocol,
    pub(super) metadata: Metadata,
    pub(super) files: BTreeMap<String, Arc<TableFile>>,
    pub(super) txns: BTreeMap<String, i64>,
    pub(super) removed: BTreeMap<String, Tombstone>,
}

impl Snapshot {
    /// Returns the table that the actions of a checkpoint, or of commit 0, make.
    pub(super) fn from_actions(version: i64, actions: Vec<Action>) -> Result<Self, String> {
        let mut protocol = None;
        let mut metadata = None;
        for action in &actions {
            match action {
                Action::Protocol(found) => protocol = Some(found.clone()),
                Action::MetaData(found) => metadata = Some(found.clone()),
                _ => {}
            }
        }
        let mut snapshot = Self {
            version,
            protocol: protocol.ok_or("it says no version of the protocol")?,
            metadata: metadata.ok_or("it has no metadata")?,
            files: BTreeMap::new(),
            txns: BTreeMap::new(),
            removed: BTreeMap::new(),
        };
        snapshot.apply(version, actions)?;
        Ok(snapshot)
    }

    /// Brings the snapshot to the next version.
    pub(super) fn apply(&mut self, version: i64, actions: Vec<Action>) -> Result<(), String> {
        for action in actions {
            match action {
                Action::CommitInfo(_) => {}
                Action::Protocol(protocol) => {
                    check_protocol(&protocol)?;
                    self.protocol = protocol;
                }
                Action::MetaData(metadata) => self.metadata = metadata,
                Action::Txn(txn) => {
                    self.txns.insert(txn.app_id, txn.version);
                }
                Action::Add(add) => {
                    let file = TableFile::read(add)?;
                    self.removed.remove(&file.path);
                    self.files.insert(file.path.clone(), Arc::new(file));
                }
                Action::Remove(remove) => {
                    let path = path::decode(&remove.path)?;
                    self.files.remove(&path);
                    let tombstone = Tombstone {
                        path: path.clone(),
                        removed_ms: remove.deletion_timestamp.unwrap_or_default(),
                        size_bytes: remove.size.and_then(|size| size.try_into().ok()),
                    };
                    self.removed.insert(path, tombstone);
                }
            }
        }
        if self.files.len() > FILES_MAX || self.txns.len() > TXNS_MAX {
            return Err(format!(
                "it has more than {FILES_MAX} files or {TXNS_MAX} transactions"
            ));
        }
        self.version = version;
        Ok(())
    }

    /// Returns the actions of a checkpoint; files that left the table before `forget_ms` are left out.
    pub(super) fn to_actions(&self, forget_ms: i64) -> Vec<Action> {
        let mut actions = vec![
            Action::Protocol(self.protocol.clone()),
            Action::MetaData(self.metadata.clone()),
        ];
        actions.extend(self.txns.iter().map(|(app_id, version)| {
            Action::Txn(Txn {
                app_id: app_id.clone(),
                version: *version,
                last_updated: None,
            })
        }));
        let files = self.files.values();
        actions.extend(files.map(|file| Action::Add(file.to_add(DataChange::Layout))));
        let kept = self
            .removed
            .values()
            .filter(|gone| gone.removed_ms >= forget_ms);
        actions.extend(kept.map(|gone| {
            Action::Remove(Remove {
                path: path::encode(&gone.path),
                deletion_timestamp: Some(gone.removed_ms),
                data_change: false,
                extended_file_metadata: None,
                partition_values: None,
                size: gone.size_bytes.map(u64::cast_signed),
            })
        }));
        actions
    }

    /// Returns the number of its last commit.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Returns its files, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = &Arc<TableFile>> {
        self.files.values()
    }

    /// Returns the files of one month, sorted by path.
    pub fn month(&self, month: &str) -> impl Iterator<Item = &Arc<TableFile>> {
        self.files.values().filter(move |file| file.month == month)
    }

    /// Returns one file.
    pub fn file(&self, path: &str) -> Option<&Arc<TableFile>> {
        self.files.get(path)
    }

    /// Returns the months that have files, in order.
    pub fn months(&self) -> Vec<String> {
        let mut months: Vec<String> = self.files.values().map(|file| file.month.clone()).collect();
        months.sort();
        months.dedup();
        months
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> u64 {
        self.files.values().map(|file| file.rows).sum()
    }

    /// Returns the revision of a unit that is done.
    pub fn revision(&self, unit: &str) -> Option<i64> {
        self.txns.get(unit).copied()
    }

    /// Returns the digest of what went into a unit that is done.
    pub fn inputs(&self, unit: &str) -> Option<u64> {
        let version = self.txns.get(&format!("{INPUTS_PREFIX}{unit}"))?;
        // The log has signed numbers: the bits are those of the digest.
        Some(version.cast_unsigned())
    }

    /// Returns the keys of the units that are done, with their revisions, sorted by key.
    pub fn units(&self) -> impl Iterator<Item = (&str, i64)> {
        let txns = self.txns.iter();
        txns.filter(|(name, _)| !name.starts_with(INPUTS_PREFIX))
            .map(|(name, revision)| (name.as_str(), *revision))
    }

    /// Returns the files that were part of the table, as far as the log remembers, sorted by path.
    pub fn removed(&self) -> impl Iterator<Item = &Tombstone> {
        self.removed.values()
    }
}
