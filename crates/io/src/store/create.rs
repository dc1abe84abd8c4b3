//! Objects that are written once: create where nothing is, read whole, list with their age.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{PutMode, PutPayload};

use super::folder;
use super::remote::{status_of, storage_error};
use super::write::{
    LIST_MAX, Place, StoreWriter, blocking, check_key, check_listed, check_prefix, remote_key,
};
use crate::IoError;

/// Requests to create one object before the store counts as failed.
const CREATE_ATTEMPTS_MAX: u32 = 5;
/// Wait before the second request, doubled for each further one, in milliseconds.
const CREATE_BACKOFF_FIRST_MS: u64 = 100;

/// What came of the wish to create an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object is there with these bytes, by this call.
    Written,
    /// Another object has the key; it was left as it is.
    Exists,
}

/// One object with the time of its last change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedObject {
    /// Key relative to the root of the writer.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When it was written.
    pub modified: SystemTime,
}

impl StoreWriter {
    /// Returns a writer whose root is a folder below the root of this one.
    ///
    /// # Errors
    /// Where the folder climbs or is none.
    pub fn below(&self, folder_key: &str) -> Result<Self, IoError> {
        let folder_key = folder_key.trim_end_matches('/');
        let href = self.href(folder_key);
        check_key(folder_key, &href)?;
        let place = match &self.place {
            Place::Folder(folder) => Place::Folder(folder.join(folder_key)),
            Place::Remote {
                store,
                reader,
                prefix,
            } => Place::Remote {
                store: store.clone(),
                reader: reader.clone(),
                prefix: remote_key(prefix, folder_key, &href)?.to_string(),
            },
        };
        Ok(Self {
            name: self.name.clone(),
            base: href.into(),
            place,
        })
    }

    /// Writes an object whole where none has the key: of any number of writers one writes.
    ///
    /// A request whose answer is lost may find its own object when it is repeated, hence an object of
    /// the same bytes counts as written: put into the bytes what tells one writer from another.
    ///
    /// # Errors
    /// Where the store does not know conditional writes, refuses or fails. After a failure the object
    /// may be there or not. A store that ignores the condition cannot be told from here: see
    /// [`StoreWriter::probe`].
    pub async fn put_new(&self, key: &str, bytes: Bytes) -> Result<Put, IoError> {
        let href = self.href(key);
        check_key(key, &href)?;
        if let Place::Folder(folder) = &self.place {
            let path = folder.join(key);
            return blocking(move || create_file(&path, &bytes)).await;
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.create_remote(key, &href, bytes.clone()).await {
                Ok(Put::Exists) => break,
                Ok(Put::Written) => return Ok(Put::Written),
                Err(error @ IoError::Upstream { .. }) if attempts == CREATE_ATTEMPTS_MAX => {
                    return Err(error);
                }
                Err(IoError::Upstream { .. }) => {}
                Err(error) => return Err(error),
            }
            let wait_ms = CREATE_BACKOFF_FIRST_MS << (attempts - 1);
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
        let found = self.get(key, bytes.len() as u64).await;
        match found {
            Ok(Some(found)) if found == bytes => Ok(Put::Written),
            // A larger one is another one.
            Ok(_) | Err(IoError::TooLarge { .. }) => Ok(Put::Exists),
            Err(error) => Err(error),
        }
    }

    async fn create_remote(&self, key: &str, href: &str, bytes: Bytes) -> Result<Put, IoError> {
        let Place::Remote { reader, prefix, .. } = &self.place else {
            unreachable!("folders create files");
        };
        let remote = remote_key(prefix, key, href)?;
        let payload = PutPayload::from_bytes(bytes);
        let store = reader.object_store();
        match store
            .put_opts(&remote, payload, PutMode::Create.into())
            .await
        {
            Ok(_) => Ok(Put::Written),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => Ok(Put::Exists),
            Err(error) if is_unsupported(&error) => Err(no_conditions(href)),
            Err(error) => Err(storage_error(error, href)),
        }
    }

    /// Reads an object whole, `None` where there is none.
    ///
    /// # Errors
    /// [`IoError::TooLarge`] where it has more than `bytes_max`; denied, or failed after retries.
    pub async fn get(&self, key: &str, bytes_max: u64) -> Result<Option<Bytes>, IoError> {
        let asset = self.asset(key)?;
        let fetched = match asset.read(0..bytes_max.saturating_add(1), None).await {
            Ok(fetched) => fetched,
            Err(error) if error.kind() == crate::ErrorKind::NotFound => return Ok(None),
            // Of an empty object no range can be had.
            Err(IoError::Raster { .. }) if self.size(key).await? == Some(0) => {
                return Ok(Some(Bytes::new()));
            }
            Err(error) => return Err(error),
        };
        match fetched.object_len > bytes_max {
            true => Err(IoError::TooLarge {
                href: asset.href().to_owned(),
                size: fetched.object_len,
                size_max: bytes_max,
            }),
            false => Ok(Some(fetched.bytes)),
        }
    }

    /// As [`StoreWriter::list`], with the time of the last change of each object.
    ///
    /// # Errors
    /// As [`StoreWriter::list`].
    pub async fn list_dated(&self, folder_key: &str) -> Result<Vec<DatedObject>, IoError> {
        let folder_key = folder_key.trim_end_matches('/');
        let href = self.href(folder_key);
        check_prefix(folder_key, &href)?;
        match &self.place {
            Place::Folder(root) => {
                let (root, below) = (root.clone(), folder_key.to_owned());
                blocking(move || date_files(&root, folder::list(&root, &below, LIST_MAX)?)).await
            }
            Place::Remote { store, prefix, .. } => {
                let wrong = |error: object_store::path::Error| IoError::Href {
                    href: href.clone(),
                    reason: error.to_string(),
                };
                let root = Key::parse(prefix).map_err(wrong)?;
                let under = match folder_key {
                    "" => root.clone(),
                    folder => remote_key(prefix, folder, &href)?,
                };
                let mut listing = store.object_store().list(Some(&under));
                let mut found = Vec::new();
                let failed = |error| storage_error(error, &href);
                while let Some(object) = listing.try_next().await.map_err(failed)? {
                    let Some(parts) = object.location.prefix_match(&root) else {
                        continue;
                    };
                    let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
                    found.push(DatedObject {
                        key: parts.join("/"),
                        size: object.size,
                        modified: object.last_modified.into(),
                    });
                    check_listed(found.len(), LIST_MAX, &href)?;
                }
                found.sort_by(|one, two| one.key.cmp(&two.key));
                Ok(found)
            }
        }
    }
}

fn date_files(root: &Path, objects: Vec<super::ObjectInfo>) -> Result<Vec<DatedObject>, IoError> {
    let mut found = Vec::with_capacity(objects.len());
    for object in objects {
        let path = root.join(&object.key);
        match fs::metadata(&path).and_then(|metadata| metadata.modified()) {
            Ok(modified) => found.push(DatedObject {
                key: object.key,
                size: object.size,
                modified,
            }),
            // Removed since it was listed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(folder::file_error(&path, error)),
        }
    }
    Ok(found)
}

/// True where a store says that it does not know conditional writes.
pub(super) fn is_unsupported(error: &object_store::Error) -> bool {
    matches!(
        error,
        object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }
    ) || matches!(status_of(error), Some(400 | 501))
}

fn no_conditions(href: &str) -> IoError {
    IoError::Href {
        href: href.to_owned(),
        reason: "the store cannot write an object only where none is".to_owned(),
    }
}

/// Writes beside, syncs, and gives the file its name as a second link: the system refuses one that
/// is taken, and nobody sees half a file.
fn create_file(path: &Path, bytes: &[u8]) -> Result<Put, IoError> {
    folder::create_parent(path)?;
    let beside = folder::beside(path);
    let outcome = (|| {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::hard_link(&beside, path)
    })();
    // One that cannot be removed is swept later.
    let _ = fs::remove_file(&beside);
    match outcome {
        Ok(()) => folder::sync_parent(path).map(|()| Put::Written),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(Put::Exists),
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
            Err(no_conditions(&path.display().to_string()))
        }
        Err(error) => Err(folder::file_error(path, error)),
    }
}
