//! Objects as files of this machine, for readers that want one.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::{AssetRef, folder};
use crate::IoError;

/// An object as a local file: the file itself, or a temporary copy that goes with this value.
#[derive(Debug)]
pub struct LocalCopy {
    path: PathBuf,
    /// Removes the copy when it is dropped.
    _copy: Option<TempPath>,
}

impl LocalCopy {
    /// Returns where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AssetRef {
    /// Returns the object as a local file; that of a remote store is copied to a temporary one.
    ///
    /// # Errors
    /// Where the store fails; [`IoError::Limit`] above `bytes_max` bytes; where there is no space.
    pub async fn local_copy(&self, bytes_max: u64) -> Result<LocalCopy, IoError> {
        if let Some(path) = self.local_path() {
            return Ok(LocalCopy {
                path: path.to_owned(),
                _copy: None,
            });
        }
        let size = self.version().await?.size;
        if size > bytes_max {
            return Err(IoError::Limit {
                href: self.href().to_owned(),
                reason: format!("it has {size} bytes, more than {bytes_max}"),
            });
        }
        let copy = tempfile::Builder::new()
            .prefix("swath-copy-")
            .tempfile()
            .map_err(|error| folder::file_error(&std::env::temp_dir(), error))?;
        let (mut file, path) = copy.into_parts();
        let mut parts = self.parts();
        while let Some(part) = if size == 0 { None } else { parts.next().await? } {
            let place = path.to_path_buf();
            let write = move |mut file: File| file.write_all(&part).map(|()| file);
            let written = tokio::task::spawn_blocking(move || write(file)).await;
            let written = written.map_err(|error| IoError::Internal {
                reason: error.to_string(),
            })?;
            file = written.map_err(|error| folder::file_error(&place, error))?;
        }
        Ok(LocalCopy {
            path: path.to_path_buf(),
            _copy: Some(path),
        })
    }
}
