//! Objects part by part: read from begin to end, written by whoever makes the parts.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};

use super::asset::{AssetRef, Place as AssetPlace, open_local};
use super::folder;
use super::remote::storage_error;
use super::write::{
    PART_BYTES, PARTS_AT_ONCE, Place, SINGLE_PUT_BYTES_MAX, StoreWriter, blocking, check_key,
    remote_key,
};
use crate::IoError;

/// Bytes that are read with one request.
const READ_BYTES: u64 = 8 << 20;

/// What tells one version of an object from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// Bytes.
    pub size: u64,
    /// Entity tag, or size and time of change of a local file.
    pub etag: Option<String>,
}

/// Reads an object of at least one byte from its begin to its end.
#[derive(Debug)]
pub struct ObjectParts<'asset> {
    asset: &'asset AssetRef,
    at: u64,
    size: Option<u64>,
    etag: Option<String>,
}

impl AssetRef {
    /// Returns size and version without reading the content: one request.
    ///
    /// # Errors
    /// Not found, denied, or failed.
    pub async fn version(&self) -> Result<ObjectVersion, IoError> {
        match &self.place {
            AssetPlace::Local(path) => {
                let (path, href) = (path.clone(), self.href().to_owned());
                blocking(move || {
                    let (_, size, etag) = open_local(&path, None, &href)?;
                    let etag = Some(etag);
                    Ok(ObjectVersion { size, etag })
                })
                .await
            }
            AssetPlace::Remote { store, key } => {
                let found = store.object_store().head(key).await;
                let found = found.map_err(|error| storage_error(error, self.href()))?;
                Ok(ObjectVersion {
                    size: found.size,
                    etag: found.e_tag,
                })
            }
        }
    }

    /// Returns a reader of the whole object; memory: one part of 8 MiB.
    pub fn parts(&self) -> ObjectParts<'_> {
        ObjectParts {
            asset: self,
            at: 0,
            size: None,
            etag: None,
        }
    }
}

impl ObjectParts<'_> {
    /// Returns the next part, `None` after the last.
    ///
    /// # Errors
    /// [`IoError::Changed`] where the object is not the one of the first part any more; else as
    /// [`AssetRef::read`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, IoError> {
        if self.size.is_some_and(|size| self.at >= size) {
            return Ok(None);
        }
        let range = self.at..self.at.saturating_add(READ_BYTES);
        let fetched = self.asset.read(range, self.etag.as_deref()).await?;
        if self.size.is_some_and(|size| size != fetched.object_len) {
            return Err(IoError::Changed {
                href: self.asset.href().to_owned(),
            });
        }
        self.size = Some(fetched.object_len);
        self.etag = fetched.etag;
        self.at += fetched.bytes.len() as u64;
        Ok((!fetched.bytes.is_empty()).then_some(fetched.bytes))
    }
}

/// An object that is being written. It appears with [`ObjectUpload::finish`]; dropped before, it
/// leaves nothing in a folder, and in S3 parts that are no object.
#[derive(Debug)]
pub struct ObjectUpload {
    href: String,
    size: u64,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Folder(UnfinishedPart),
    Remote {
        store: Arc<dyn ObjectStore>,
        key: Key,
        /// What one request takes, until it is more than that.
        buffered: Vec<Bytes>,
        upload: Option<WriteMultipart>,
    },
}

/// A file beside its final name, removed unless it was renamed.
#[derive(Debug)]
struct UnfinishedPart {
    file: Arc<File>,
    beside: PathBuf,
    path: PathBuf,
    is_renamed: bool,
}

impl Drop for UnfinishedPart {
    fn drop(&mut self) {
        if !self.is_renamed {
            // What cannot be removed is swept later.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

impl StoreWriter {
    /// Begins an object whose content comes part by part; memory: a few parts of 16 MiB.
    ///
    /// # Errors
    /// Where the key is none or the file cannot be made.
    pub async fn upload(&self, key: &str) -> Result<ObjectUpload, IoError> {
        let href = self.href(key);
        check_key(key, &href)?;
        let target = match &self.place {
            Place::Folder(root) => {
                let path = root.join(key);
                Target::Folder(
                    blocking(move || {
                        folder::create_parent(&path)?;
                        let beside = folder::beside(&path);
                        let file = File::create(&beside)
                            .map_err(|error| folder::file_error(&path, error))?;
                        Ok(UnfinishedPart {
                            file: Arc::new(file),
                            beside,
                            path,
                            is_renamed: false,
                        })
                    })
                    .await?,
                )
            }
            Place::Remote { store, prefix, .. } => Target::Remote {
                store: store.object_store().clone(),
                key: remote_key(prefix, key, &href)?,
                buffered: Vec::new(),
                upload: None,
            },
        };
        Ok(ObjectUpload {
            href,
            size: 0,
            target,
        })
    }
}

impl ObjectUpload {
    /// Appends bytes.
    ///
    /// # Errors
    /// Where the store refuses or fails; the upload is then of no use.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), IoError> {
        self.size += bytes.len() as u64;
        match &mut self.target {
            Target::Folder(part) => {
                let (file, path) = (part.file.clone(), part.path.clone());
                blocking(move || {
                    let written = (&*file).write_all(&bytes);
                    written.map_err(|error| folder::file_error(&path, error))
                })
                .await
            }
            Target::Remote {
                store,
                key,
                buffered,
                upload,
            } => {
                let failed = |error| storage_error(error, &self.href);
                if upload.is_none() && self.size <= SINGLE_PUT_BYTES_MAX {
                    buffered.push(bytes);
                    return Ok(());
                }
                if upload.is_none() {
                    let begun = store.put_multipart(key).await.map_err(failed)?;
                    *upload = Some(WriteMultipart::new_with_chunk_size(begun, PART_BYTES));
                }
                let upload = upload.as_mut().expect("it was begun above");
                for bytes in buffered.drain(..).chain([bytes]) {
                    upload
                        .wait_for_capacity(PARTS_AT_ONCE)
                        .await
                        .map_err(failed)?;
                    upload.put(bytes);
                }
                Ok(())
            }
        }
    }

    /// Makes the object appear, in place of one of that name; returns its size in bytes.
    ///
    /// # Errors
    /// Where the store refuses or fails; then the object is as it was before.
    pub async fn finish(self) -> Result<u64, IoError> {
        let Self { href, size, target } = self;
        match target {
            Target::Folder(mut part) => {
                blocking(move || {
                    let done = part.file.sync_all();
                    let done = done.and_then(|()| fs::rename(&part.beside, &part.path));
                    done.map_err(|error| folder::file_error(&part.path, error))?;
                    part.is_renamed = true;
                    folder::sync_parent(&part.path)
                })
                .await?;
            }
            Target::Remote {
                store,
                key,
                buffered,
                upload,
            } => {
                let done = match upload {
                    Some(upload) => upload.finish().await.map(|_| ()),
                    None => {
                        let payload = PutPayload::from_iter(buffered);
                        store.put(&key, payload).await.map(|_| ())
                    }
                };
                done.map_err(|error| storage_error(error, &href))?;
            }
        }
        Ok(size)
    }

    /// Gives the object up and removes what was sent.
    pub async fn abort(self) {
        if let Target::Remote {
            upload: Some(upload),
            ..
        } = self.target
        {
            // Parts that cannot be removed are no object either.
            let _ = upload.abort().await;
        }
    }
}
