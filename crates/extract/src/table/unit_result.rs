//! What a task hands to the committer.

use serde::{Deserialize, Serialize};

/// A data file that is written but not yet part of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// Key below the root of its table: `data/<task key>/<attempt>.parquet`.
    pub path: String,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// Rows in it.
    pub rows: u64,
    /// Statistics in the form of Delta Lake's `add.stats`, as JSON text.
    pub stats: String,
    /// Digest (XXH3, 64 bit, hex) of the file's bytes.
    pub digest: String,
}

/// The result of one revision of one unit of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitResult {
    /// The unit's key: the `appId` of its `txn`.
    pub unit: String,
    /// The `version` of its `txn`, from 1; a late slice or a new baseline makes the next.
    pub revision: i64,
    /// Digest of what went in: items, assets with their versions, the neighbours that decide owners.
    pub inputs: u64,
    /// Partition, `YYYY-MM`.
    pub month: String,
    /// The item id that the rows carry (the first slice's), by which a later revision finds them.
    pub item_id: String,
    /// All slices: item ids in the order of datetime.
    pub items: Vec<String>,
    /// Rows of statistics; `None`: there are none, for `reason`.
    pub extracts: Option<DataFile>,
    /// Rows of class counts; `None` where no band of classes was asked for or no row came out.
    pub classes: Option<DataFile>,
    /// Why there are no rows.
    pub reason: Option<String>,
}
