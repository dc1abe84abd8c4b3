//! Parcel sets in a backup: their rows as lines, the files of their versions under their digests.
//!
//! A version never changes and its digest is in the catalogue: a file that is there is not copied
//! again, and backups share it.

use swath_access::{Resource, Viewer};
use swath_catalog::{ParcelSetCopy, ParcelSetVersionCopy, RestoreMode};
use swath_io::StoreWriter;

use super::Backup;
use super::lines::LineReader;
use super::manifest::{BackupFile, FileRole};
use super::objects::copy;
use super::restore::Restore;
use crate::ArchiveError;
use crate::digest::{Hasher, digest};

/// Where the files of versions lie in a backup.
pub(super) const FOLDER: &str = "parcels";

/// Returns the key of a version's file in a backup.
fn name_of(version: &ParcelSetVersionCopy) -> String {
    format!("{FOLDER}/{}.parquet", version.digest)
}

/// True for the name of a file that a backup writes for a version.
pub(super) fn is_of_a_version(key: &str) -> bool {
    let name = key
        .strip_prefix(FOLDER)
        .and_then(|key| key.strip_prefix('/'));
    let digest = name.and_then(|name| name.strip_suffix(".parquet"));
    digest.is_some_and(|digest| digest.len() == 64 && digest.bytes().all(|c| c.is_ascii_hexdigit()))
}

impl Backup<'_> {
    /// Copies the files of all versions that the target does not have.
    pub(super) async fn copy_set_files(
        &self,
        sets: &[ParcelSetCopy],
        shown: &(dyn Fn(&'static str, u64, u64) + Sync),
    ) -> Result<Vec<BackupFile>, ArchiveError> {
        let versions: Vec<&ParcelSetVersionCopy> =
            sets.iter().flat_map(|set| &set.versions).collect();
        let total = versions.len() as u64;
        let mut files: Vec<BackupFile> = Vec::new();
        for (done, version) in (1..).zip(versions) {
            let file = BackupFile {
                role: FileRole::ParcelSetFile,
                name: name_of(version),
                size: version.size,
                sha256: version.digest.clone(),
            };
            if files.iter().any(|known| known.name == file.name) {
                continue;
            }
            let held = self.target.size(&file.name).await;
            if held.map_err(ArchiveError::store)? != Some(file.size) {
                self.copy_set_file(version, &file).await?;
            }
            files.push(file);
            shown("parcel sets", done, total);
        }
        Ok(files)
    }

    async fn copy_set_file(
        &self,
        version: &ParcelSetVersionCopy,
        file: &BackupFile,
    ) -> Result<(), ArchiveError> {
        let direct = Resource::direct();
        let asset = self
            .stores
            .resolve(&Viewer::operator(), &direct, &version.href);
        let asset = asset.map_err(ArchiveError::store)?;
        let copied = copy(&asset, version.size, &self.target, &file.name).await;
        let copied = copied.map_err(ArchiveError::store)?;
        if copied.digest == file.sha256 {
            return Ok(());
        }
        let removed = self.target.delete(&file.name).await;
        removed.map_err(ArchiveError::store)?;
        Err(ArchiveError::Invalid {
            reason: format!(
                "{}: the file of this version of a parcel set is not the one that was imported; \
                 restore it from the backup before, or import it again",
                version.href
            ),
        })
    }
}

impl Restore {
    /// Puts the files of versions into their place, and returns the sets with the hrefs of these.
    /// `kept` are names of sets that stay as they are: nothing of theirs is written.
    pub(super) async fn restore_set_files(
        &self,
        parcels: &StoreWriter,
        kept: &[String],
        mode: RestoreMode,
    ) -> Result<Vec<ParcelSetCopy>, ArchiveError> {
        let Some(file) = self.manifest().file(FileRole::ParcelSets) else {
            return Ok(Vec::new());
        };
        let asset = self
            .source()
            .asset(&file.name)
            .map_err(ArchiveError::store)?;
        let mut lines = LineReader::new(&asset, file.size);
        let mut sets = Vec::new();
        while let Some(mut set) = lines.next::<ParcelSetCopy>().await? {
            if !kept.contains(&set.name) {
                for version in &mut set.versions {
                    let key = format!("{}/{}.parquet", set.name, version.number);
                    self.restore_set_file(parcels, version, &key, mode).await?;
                    version.href = parcels.href(&key);
                }
            }
            sets.push(set);
        }
        Ok(sets)
    }

    async fn restore_set_file(
        &self,
        parcels: &StoreWriter,
        version: &ParcelSetVersionCopy,
        key: &str,
        mode: RestoreMode,
    ) -> Result<(), ArchiveError> {
        if let Some(size) = parcels.size(key).await.map_err(ArchiveError::store)? {
            let held = parcels.asset(key).map_err(ArchiveError::store)?;
            let found = digest(&held, size, Hasher::sha256()).await;
            if found.map_err(ArchiveError::store)?.digest == version.digest {
                return Ok(());
            }
            if mode != RestoreMode::Replace {
                return Err(ArchiveError::Invalid {
                    reason: format!(
                        "{}: there is another file of this name; move it away, or give --replace to \
                         write over it",
                        parcels.href(key)
                    ),
                });
            }
        }
        let name = name_of(version);
        let source = self.source().asset(&name).map_err(ArchiveError::store)?;
        let copied = copy(&source, version.size, parcels, key).await;
        match copied.map_err(ArchiveError::store)?.digest == version.digest {
            true => Ok(()),
            false => {
                parcels.delete(key).await.map_err(ArchiveError::store)?;
                let what =
                    "this file of the backup is damaged: its SHA-256 is not that of the version";
                Err(ArchiveError::backup(self.source().href(&name), what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_under_digests_are_ever_removed() {
        assert!(is_of_a_version(&format!(
            "parcels/{}.parquet",
            "0a".repeat(32)
        )));
        for key in [
            "parcels/mine.parquet".to_owned(),
            format!("parcels/{}.txt", "0a".repeat(32)),
            format!("objects/{}.parquet", "0a".repeat(32)),
            format!("parcels/x/{}.parquet", "0a".repeat(32)),
        ] {
            assert!(!is_of_a_version(&key), "{key}");
        }
    }
}
