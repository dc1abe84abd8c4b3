//! What a scrub found, for people and programs.

use serde::Serialize;

/// Defects that are listed one by one; the others are counted.
const DEFECTS_LISTED_MAX: usize = 100_000;
/// Objects without an item that are listed one by one; the others are counted.
const ORPHANS_LISTED_MAX: usize = 100_000;

/// What is wrong with an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DefectKind {
    /// It is not there.
    Missing,
    /// It has not the size that the item says.
    Size,
    /// Its digest is not the one that the item says, or the item says none that is one.
    Checksum,
    /// It is said to be a raster and cannot be opened as one.
    Raster,
    /// It is there and cannot be read.
    Unreadable,
}

impl DefectKind {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Size => "size",
            Self::Checksum => "checksum",
            Self::Raster => "raster",
            Self::Unreadable => "unreadable",
        }
    }
}

/// One asset that is not as its item says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Defect {
    /// Collection of the item.
    pub collection: String,
    /// Id of the item.
    pub item: String,
    /// Key of the asset; `KEY (alternate NAME)` of an alternate.
    pub asset: String,
    /// Where it should lie.
    pub href: String,
    /// What is wrong.
    pub kind: DefectKind,
    /// In words.
    pub reason: String,
}

/// An object of the archive that no item refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Orphan {
    /// Its key in the archive.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

/// A file whose writing was cut off, or goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// Its key in the archive.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Seconds since something was last written to it.
    pub age_s: u64,
    /// True where it was removed.
    pub is_removed: bool,
}

/// What a scrub found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ScrubReport {
    /// Items looked at.
    pub items: u64,
    /// Assets in the archive looked at, alternates too.
    pub assets: u64,
    /// Assets that lie elsewhere: not looked at.
    pub elsewhere: u64,
    /// Assets whose digest is the one recorded.
    pub verified: u64,
    /// Sound assets whose digest was not compared: none is recorded that is known here, or digests were
    /// left out.
    pub unverified: u64,
    /// Rasters whose header was read.
    pub rasters: u64,
    /// Bytes digested.
    pub bytes: u64,
    /// Number of defects.
    pub defect_count: u64,
    /// Defects, those of the newest items first; at most 100,000.
    pub defects: Vec<Defect>,
    /// Objects listed.
    pub objects: u64,
    /// Number of objects that no item refers to.
    pub orphan_count: u64,
    /// Their bytes.
    pub orphan_bytes: u64,
    /// Those objects by key; at most 100,000.
    pub orphans: Vec<Orphan>,
    /// Unfinished files by key; `None` where the archive is a remote store, which does not list them.
    pub unfinished: Option<Vec<Unfinished>>,
    /// Time it took.
    pub seconds: f64,
}

impl ScrubReport {
    pub(super) fn add_defect(&mut self, defect: Defect) {
        self.defect_count += 1;
        if self.defects.len() < DEFECTS_LISTED_MAX {
            self.defects.push(defect);
        }
    }

    pub(super) fn add_orphan(&mut self, orphan: Orphan) {
        self.orphan_count += 1;
        self.orphan_bytes += orphan.size;
        if self.orphans.len() < ORPHANS_LISTED_MAX {
            self.orphans.push(orphan);
        }
    }
}
