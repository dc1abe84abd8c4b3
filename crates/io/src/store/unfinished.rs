//! What interrupted writes left in a folder.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use super::folder;
use super::write::{LIST_DEPTH_MAX, LIST_MAX, Place, StoreWriter, blocking, check_listed};
use crate::IoError;

/// A file that is being written, or whose writing was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedFile {
    /// Path relative to the root of the writer.
    pub key: String,
    /// Bytes so far.
    pub size: u64,
    /// When something was last written to it.
    pub modified: SystemTime,
}

impl StoreWriter {
    /// Returns the unfinished files in and below a folder of the store, sorted by key; `None` for a
    /// remote store, whose unfinished uploads are no objects and end by the bucket's own rules.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub async fn unfinished(
        &self,
        folder_key: &str,
    ) -> Result<Option<Vec<UnfinishedFile>>, IoError> {
        let Place::Folder(root) = &self.place else {
            return Ok(None);
        };
        let (root, below) = (root.clone(), folder_key.trim_end_matches('/').to_owned());
        blocking(move || {
            let mut found = Vec::new();
            find(&root, &below, 0, &mut found)?;
            found.sort_by(|one, two| one.key.cmp(&two.key));
            Ok(Some(found))
        })
        .await
    }

    /// Removes an unfinished file if nothing was written to it since `before`; false where it was,
    /// or is gone.
    ///
    /// # Errors
    /// Where the key is not that of an unfinished file, or it cannot be removed.
    pub async fn remove_unfinished(&self, key: &str, before: SystemTime) -> Result<bool, IoError> {
        let name = key.rsplit('/').next().unwrap_or_default();
        let climbs = key
            .split(['/', '\\'])
            .any(|part| part.is_empty() || part == "..");
        let Place::Folder(root) = &self.place else {
            return Ok(false);
        };
        if climbs || !folder::is_unfinished(name) {
            return Err(IoError::Href {
                href: self.href(key),
                reason: "this is not the name of an unfinished file".to_owned(),
            });
        }
        let path = root.join(key);
        blocking(move || {
            let modified = match fs::symlink_metadata(&path).and_then(|found| found.modified()) {
                Ok(modified) => modified,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(folder::file_error(&path, error)),
            };
            if modified >= before {
                return Ok(false);
            }
            let removed = fs::remove_file(&path);
            removed.map_err(|error| folder::file_error(&path, error))?;
            Ok(true)
        })
        .await
    }
}

fn find(
    root: &Path,
    below: &str,
    depth: usize,
    found: &mut Vec<UnfinishedFile>,
) -> Result<(), IoError> {
    let folder = root.join(below);
    let failed = |error| folder::file_error(&folder, error);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        // A file that is renamed or removed meanwhile is unfinished no more.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_unfinished = metadata.is_file() && folder::is_unfinished(&name);
        let key = match below {
            "" => name,
            below => format!("{below}/{name}"),
        };
        if metadata.is_dir() && depth < LIST_DEPTH_MAX {
            find(root, &key, depth + 1, found)?;
        } else if is_unfinished {
            found.push(UnfinishedFile {
                key,
                size: metadata.len(),
                modified: metadata.modified().map_err(failed)?,
            });
            check_listed(found.len(), LIST_MAX, &folder.to_string_lossy())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use swath_access::Viewer;

    use super::*;
    use crate::{AwsEnvironment, Stores};

    #[tokio::test]
    async fn only_old_unfinished_files_are_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("a")).expect("a folder");
        fs::write(folder.path().join("a/.x.tif.1.0.part"), "half").expect("a file");
        fs::write(folder.path().join("a/x.tif"), "whole").expect("a file");
        let stores = Stores::for_command_line(BTreeMap::new(), AwsEnvironment::default());
        let root = folder.path().to_string_lossy().into_owned();
        let writer = stores.writer(&Viewer::operator(), &root).expect("a writer");
        let found = writer
            .unfinished("")
            .await
            .expect("a list")
            .expect("a folder");
        let keys: Vec<&str> = found.iter().map(|file| file.key.as_str()).collect();
        assert_eq!(keys, ["a/.x.tif.1.0.part"]);
        let (before, after) = (
            found[0].modified,
            found[0].modified + Duration::from_secs(60),
        );
        let remove = async |key: &str, time: SystemTime| writer.remove_unfinished(key, time).await;
        assert!(!remove("a/.x.tif.1.0.part", before).await.expect("young"));
        assert!(remove("a/x.tif", after).await.is_err());
        assert!(remove("a/../a/.x.tif.1.0.part", after).await.is_err());
        assert!(remove("a/.x.tif.1.0.part", after).await.expect("old"));
        assert!(folder.path().join("a/x.tif").exists());
    }
}
