//! Folders of a store, one level: what lies in them is not listed.

use std::fs;

use object_store::path::Path as Key;

use super::remote::storage_error;
use super::write::{Place, StoreWriter, blocking, check_prefix};
use crate::IoError;

/// Most folders of one level.
const FOLDERS_MAX: usize = 100_000;

impl StoreWriter {
    /// Returns the names of the folders right below a folder of the store, sorted; `""` is the root.
    /// None where there is no such folder.
    ///
    /// # Errors
    /// Where the store fails or there are more than 100,000.
    pub async fn folders(&self, folder_key: &str) -> Result<Vec<String>, IoError> {
        let folder_key = folder_key.trim_end_matches('/');
        let href = self.href(folder_key);
        check_prefix(folder_key, &href)?;
        let mut names = match &self.place {
            Place::Folder(root) => {
                let folder = root.join(folder_key);
                blocking(move || local_folders(&folder)).await?
            }
            Place::Remote { store, prefix, .. } => {
                let whole = [prefix.as_str(), folder_key];
                let whole = whole.iter().filter(|part| !part.is_empty());
                let whole = whole.copied().collect::<Vec<_>>().join("/");
                let under = Key::parse(&whole).map_err(|error| IoError::Href {
                    href: href.clone(),
                    reason: error.to_string(),
                })?;
                let listed = store.object_store().list_with_delimiter(Some(&under)).await;
                let listed = listed.map_err(|error| storage_error(error, &href))?;
                let folders = listed.common_prefixes.iter();
                folders
                    .filter_map(|key| key.filename().map(str::to_owned))
                    .collect()
            }
        };
        if names.len() > FOLDERS_MAX {
            return Err(IoError::TooLarge {
                href,
                size: names.len() as u64,
                size_max: FOLDERS_MAX as u64,
            });
        }
        names.sort();
        Ok(names)
    }
}

fn local_folders(folder: &std::path::Path) -> Result<Vec<String>, IoError> {
    let failed = |source: std::io::Error| IoError::File {
        path: folder.to_owned(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries.take(FOLDERS_MAX + 1) {
        let entry = entry.map_err(failed)?;
        let is_folder = fs::metadata(entry.path()).is_ok_and(|found| found.is_dir());
        if is_folder && let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use swath_access::Viewer;

    use super::super::{AwsEnvironment, Stores};

    #[tokio::test]
    async fn folders_are_named_files_are_not() {
        let root = tempfile::tempdir().expect("a folder");
        for folder in ["b/c", "a", "b/d/e"] {
            std::fs::create_dir_all(root.path().join(folder)).expect("a folder");
        }
        std::fs::write(root.path().join("b/file"), b"x").expect("a file");
        let stores = Stores::for_command_line(BTreeMap::new(), AwsEnvironment::default());
        let root = root.path().to_string_lossy().into_owned();
        let writer = stores.writer(&Viewer::operator(), &root).expect("a writer");
        assert_eq!(writer.folders("").await.expect("names"), ["a", "b"]);
        assert_eq!(writer.folders("b").await.expect("names"), ["c", "d"]);
        assert!(writer.folders("z").await.expect("names").is_empty());
        assert!(writer.folders("../x").await.is_err());
    }
}
