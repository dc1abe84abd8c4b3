//! Backup: the catalogue, the home's own files and, where asked for, the objects of the archive.
//!
//! ```text
//! swath-backup.json                    the manifest, written last
//! snapshots/<moment>/collections.ndjson, items.ndjson, parcel_sets.ndjson, objects.ndjson, swath.toml,
//!                    tokens.json
//! objects/<key>                        objects of the archive
//! parcels/<sha256>.parquet             files of versions of parcel sets
//! ```
//!
//! 1. What a cut off run left is removed; the manifest of the backup before, if any, is read.
//! 2. Collections, items and parcel sets are copied from one look at the database (`lines`), then the
//!    files of the sets (`sets`).
//! 3. Objects are copied, but for those that the backup has (`objects`).
//! 4. The manifest is written: it takes the place of the one before.
//! 5. What only the backup before needed is removed.
//!
//! Until step 4 the backup before is whole, and a first one is none.

mod lines;
mod manifest;
mod objects;
mod restore;
mod sets;

use bytes::Bytes;
use chrono::Utc;
use serde::Serialize;
use swath_access::Viewer;
use swath_catalog::{Catalog, ParcelSetCopy};
use swath_io::{ErrorKind, StoreWriter, Stores};

pub use manifest::{ArchivePart, BackupFile, FileRole, Manifest};
pub use restore::{Restore, RestoreOptions, RestoreReport, RestoreTarget};

use self::lines::{LineReader, LineWriter};
use self::manifest::FORMAT;
use self::objects::{ObjectCopy, ObjectCounts, Previous};
use crate::ArchiveError;
use crate::digest::{Hasher, digest};
use crate::item::datetime_text;

/// Where the files of a run lie.
const SNAPSHOTS: &str = "snapshots";

/// A file of the data home that goes into a backup as it is.
#[derive(Debug, Clone)]
pub struct HomeFile {
    /// [`FileRole::Configuration`] or [`FileRole::Tokens`].
    pub role: FileRole,
    /// Its content.
    pub bytes: Bytes,
}

/// Options of a backup.
#[derive(Debug, Clone)]
pub struct BackupOptions {
    /// Copies the objects of the archive too.
    pub has_assets: bool,
    /// Files of the data home.
    pub files: Vec<HomeFile>,
    /// Objects copied at once, at least 1.
    pub objects_at_once: usize,
    /// Name and version of the program.
    pub program: String,
}

/// What a backup works with.
#[derive(Debug)]
pub struct Backup<'a> {
    /// Stores by name: they tell which hrefs lie in the archive.
    pub stores: &'a Stores,
    /// The catalogue.
    pub catalog: &'a Catalog,
    /// The archive.
    pub archive: StoreWriter,
    /// Where the backup goes.
    pub target: StoreWriter,
    /// How.
    pub options: BackupOptions,
}

/// What a backup did.
#[derive(Debug, Clone, Serialize)]
pub struct BackupReport {
    /// The manifest as it was written.
    #[serde(flatten)]
    pub manifest: Manifest,
    /// Objects that were copied; the others were there.
    pub copied: u64,
    /// Their bytes.
    pub copied_bytes: u64,
    /// Files removed that only the backup before needed.
    pub removed: u64,
    /// Time it took.
    pub seconds: f64,
}

impl Backup<'_> {
    /// Makes the backup; `shown` is told what is copied, how much of it is done, and of how much.
    ///
    /// # Errors
    /// Where the target lies in the archive or holds the backup of a newer program; where a store or
    /// the catalogue fails. Then the backup before is still there, whole.
    pub async fn run(
        &self,
        shown: &(dyn Fn(&'static str, u64, u64) + Sync),
    ) -> Result<BackupReport, ArchiveError> {
        let begun = std::time::Instant::now();
        self.check_target()?;
        let previous = match Manifest::read(&self.target).await {
            // A damaged backup is replaced by a good one; nothing of it is taken over.
            Err(ArchiveError::Backup { .. }) => None,
            previous => previous?,
        };
        self.check_forgotten(previous.as_ref())?;
        self.sweep().await?;
        let mut copied = self.copy_catalog(shown).await?;
        let set_files = self.copy_set_files(&copied.sets, shown).await?;
        copied.files.extend(set_files);
        let counts = match self.options.has_assets {
            true => {
                let shown = |done, total| shown("objects", done, total);
                let objects = self.copy_objects(&copied.folder, previous.as_ref(), &shown);
                let (counts, file) = objects.await?;
                copied.files.push(file);
                counts
            }
            false => ObjectCounts::default(),
        };
        let mut manifest = Manifest {
            format: FORMAT,
            program: self.options.program.clone(),
            moment: copied.moment,
            completed: datetime_text(Utc::now()),
            collections: copied.collections,
            items: copied.items,
            parcel_sets: copied.sets.len() as u64,
            archive: ArchivePart {
                roots: self.stores.href_roots(&self.archive),
                is_copied: self.options.has_assets,
                objects: counts.objects,
                bytes: counts.bytes,
            },
            files: copied.files,
            digest: String::new(),
        };
        let written = manifest.write(&self.target).await;
        written.map_err(ArchiveError::store)?;
        Ok(BackupReport {
            removed: self.remove_old(&manifest, &counts).await?,
            manifest,
            copied: counts.copied,
            copied_bytes: counts.copied_bytes,
            seconds: begun.elapsed().as_secs_f64(),
        })
    }

    /// Refuses a target in the archive: the backup would copy itself.
    ///
    /// # Errors
    /// Where it is one.
    pub fn check_target(&self) -> Result<(), ArchiveError> {
        let probe = self.target.href("x");
        let is_within = match (self.archive.folder(), self.target.folder()) {
            (Some(archive), Some(target)) => resolved(target).starts_with(resolved(archive)),
            _ => self.stores.href_roots(&self.archive).key(&probe).is_some(),
        };
        match is_within {
            false => Ok(()),
            true => Err(ArchiveError::Invalid {
                reason: format!(
                    "{}: this lies in the archive; a backup goes to another place",
                    self.target.href("").trim_end_matches('/')
                ),
            }),
        }
    }

    async fn sweep(&self) -> Result<(), ArchiveError> {
        for folder in [SNAPSHOTS, "objects", sets::FOLDER] {
            let swept = self.target.sweep(folder).await;
            swept.map_err(ArchiveError::store)?;
        }
        Ok(())
    }

    /// Copies collections and items from one look at the database, and the files of the home.
    async fn copy_catalog(
        &self,
        shown: &(dyn Fn(&'static str, u64, u64) + Sync),
    ) -> Result<CatalogFiles, ArchiveError> {
        let snapshot = self.catalog.snapshot(&Viewer::operator()).await;
        let mut snapshot = snapshot.map_err(ArchiveError::catalog)?;
        let moment = snapshot.moment();
        let folder = format!("{SNAPSHOTS}/{}", moment.format("%Y%m%dT%H%M%S%6fZ"));
        let mut copied = CatalogFiles {
            moment: datetime_text(moment),
            folder,
            collections: 0,
            items: 0,
            sets: Vec::new(),
            files: Vec::new(),
        };
        let begin = |role| LineWriter::begin(&self.target, &copied.folder, role);
        let mut lines = begin(FileRole::Collections).await?;
        let mut collections = 0;
        loop {
            let page = snapshot.next_collections().await;
            let page = page.map_err(ArchiveError::catalog)?;
            if page.is_empty() {
                break;
            }
            for collection in &page {
                lines.write(collection).await?;
                collections += 1;
            }
        }
        let mut files = vec![lines.finish().await?];
        let mut lines = begin(FileRole::Items).await?;
        let mut items = 0;
        loop {
            let page = snapshot.next_items().await.map_err(ArchiveError::catalog)?;
            if page.is_empty() {
                break;
            }
            for item in &page {
                lines.write(item).await?;
                items += 1;
            }
            shown("items", items, snapshot.items());
        }
        files.push(lines.finish().await?);
        let sets = snapshot.parcel_sets().await;
        copied.sets = sets.map_err(ArchiveError::catalog)?;
        // The database keeps what a look shows: it is not held while objects are copied.
        drop(snapshot);
        let mut lines = begin(FileRole::ParcelSets).await?;
        for set in &copied.sets {
            lines.write(set).await?;
        }
        files.push(lines.finish().await?);
        for file in &self.options.files {
            let mut lines = begin(file.role).await?;
            lines.write_bytes(&file.bytes).await?;
            files.push(lines.finish().await?);
        }
        (copied.collections, copied.items, copied.files) = (collections, items, files);
        Ok(copied)
    }

    async fn copy_objects(
        &self,
        folder: &str,
        previous: Option<&Manifest>,
        shown: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<(ObjectCounts, BackupFile), ArchiveError> {
        let objects = self.archive.list("").await.map_err(ArchiveError::store)?;
        let mut known = previous.and_then(|previous| previous.file(FileRole::Objects));
        if let Some(file) = known
            && check_file(&self.target, file).await.is_err()
        {
            // Without the word of the backup before, every object is compared byte by byte.
            known = None;
        }
        let asset = match known {
            Some(file) => Some(self.target.asset(&file.name).map_err(ArchiveError::store)?),
            None => None,
        };
        let reader = asset
            .as_ref()
            .zip(known)
            .map(|(asset, file)| LineReader::new(asset, file.size));
        let previous = Previous::open(reader).await?;
        let mut lines = LineWriter::begin(&self.target, folder, FileRole::Objects).await?;
        let copy = ObjectCopy {
            archive: &self.archive,
            target: &self.target,
            at_once: self.options.objects_at_once,
        };
        let counts = copy.run(objects, previous, &mut lines, shown).await?;
        Ok((counts, lines.finish().await?))
    }

    /// Refuses to make a backup without objects out of one with them: they would be lost.
    fn check_forgotten(&self, previous: Option<&Manifest>) -> Result<(), ArchiveError> {
        match previous {
            Some(previous) if previous.archive.is_copied && !self.options.has_assets => {
                Err(ArchiveError::Invalid {
                    reason: format!(
                        "{}: the backup there holds {} objects of the archive; give --assets to keep \
                         them, or another place for a backup without them",
                        self.target.href("").trim_end_matches('/'),
                        previous.archive.objects
                    ),
                })
            }
            _ => Ok(()),
        }
    }

    /// Removes what this backup does not need: files of the backup before, and of runs that were cut
    /// off.
    async fn remove_old(
        &self,
        manifest: &Manifest,
        counts: &ObjectCounts,
    ) -> Result<u64, ArchiveError> {
        let snapshots = self.target.list(SNAPSHOTS).await;
        let mut unneeded = Vec::new();
        for object in snapshots.map_err(ArchiveError::store)? {
            let is_needed = manifest.files.iter().any(|file| file.name == object.key);
            if !is_needed && is_of_a_run(&object.key) {
                unneeded.push(object.key);
            }
        }
        let versions = self.target.list(sets::FOLDER).await;
        for object in versions.map_err(ArchiveError::store)? {
            let is_needed = manifest.files.iter().any(|file| file.name == object.key);
            if !is_needed && sets::is_of_a_version(&object.key) {
                unneeded.push(object.key);
            }
        }
        unneeded.extend(counts.unneeded.iter().cloned());
        for key in &unneeded {
            let removed = self.target.delete(key).await;
            removed.map_err(ArchiveError::store)?;
        }
        Ok(unneeded.len() as u64)
    }
}

/// What was copied of the catalogue.
struct CatalogFiles {
    moment: String,
    folder: String,
    collections: u64,
    items: u64,
    sets: Vec<ParcelSetCopy>,
    files: Vec<BackupFile>,
}

/// Checks size and digest of a file of a backup.
///
/// # Errors
/// Where it is not there or not what the manifest says; where the store fails.
async fn check_file(place: &StoreWriter, file: &BackupFile) -> Result<(), ArchiveError> {
    let href = place.href(&file.name);
    let asset = place.asset(&file.name).map_err(ArchiveError::store)?;
    let version = match asset.version().await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(ArchiveError::backup(
                href,
                "this file of the backup is missing",
            ));
        }
        version => version.map_err(ArchiveError::store)?,
    };
    let found = digest(&asset, version.size, Hasher::sha256()).await;
    let found = found.map_err(ArchiveError::store)?;
    match found.size == file.size && found.digest == file.sha256 {
        true => Ok(()),
        false => Err(ArchiveError::backup(
            href,
            "this file of the backup is damaged: its size or SHA-256 is not that of the manifest",
        )),
    }
}

/// True for the name of a file that a run writes: nothing else in a target is ever removed.
fn is_of_a_run(key: &str) -> bool {
    let parts: Vec<&str> = key.split('/').collect();
    let [SNAPSHOTS, moment, name] = parts.as_slice() else {
        return false;
    };
    let is_moment = moment.ends_with('Z') && moment.starts_with(|c: char| c.is_ascii_digit());
    let roles = [
        FileRole::Collections,
        FileRole::Items,
        FileRole::Objects,
        FileRole::ParcelSets,
        FileRole::Configuration,
        FileRole::Tokens,
    ];
    is_moment && roles.iter().any(|role| role.file_name() == *name)
}

/// Returns a path with links followed, as far as it is there.
fn resolved(path: &std::path::Path) -> std::path::PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for known in whole.ancestors() {
        if let Ok(found) = known.canonicalize() {
            let rest = whole
                .strip_prefix(known)
                .unwrap_or(std::path::Path::new(""));
            return found.join(rest);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_runs_are_ever_removed() {
        assert!(is_of_a_run("snapshots/20260101T000000000000Z/items.ndjson"));
        for key in [
            "snapshots/notes/items.ndjson",
            "snapshots/20260101T000000000000Z/thesis.pdf",
            "snapshots/items.ndjson",
            "objects/20260101T000000000000Z/items.ndjson",
        ] {
            assert!(!is_of_a_run(key), "{key}");
        }
    }
}
