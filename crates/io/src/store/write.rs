//! Writing objects: put, list, delete, in a folder or a remote store.
//!
//! An object appears when it is complete: a local file is written beside, synced and renamed, a
//! remote one is a single PUT or a multipart upload that is completed at the end. Keys are relative
//! to the root that [`Stores::writer`] was asked for, with `/`.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use swath_access::{Action, Resource, Viewer, may};

use super::asset::AssetRef;
use super::config::StoreKind;
use super::remote::{RemoteStore, storage_error};
use super::{StoreConfig, Stores, file_url_path, folder, scheme};
use crate::IoError;

/// Files above this size go to a remote store in parts, in bytes.
pub(super) const SINGLE_PUT_BYTES_MAX: u64 = 16 << 20;
/// Size of a part, in bytes; 10,000 parts are the most of S3: objects up to 160 GB.
pub(super) const PART_BYTES: usize = 16 << 20;
/// Parts under way at once.
pub(super) const PARTS_AT_ONCE: usize = 4;
/// Most objects that one listing returns.
pub(super) const LIST_MAX: usize = 10_000_000;
/// Deepest folder that a listing looks into.
pub(super) const LIST_DEPTH_MAX: usize = 64;
/// Longest key, in bytes (S3).
const KEY_BYTES_MAX: usize = 1024;
/// End of the names of files that are being written.
pub(super) const UNFINISHED: &str = ".part";

/// One object of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Key relative to the root of the writer, or to the folder that was listed.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

/// Writes below one root of a store. Only [`Stores::writer`] makes one.
#[derive(Debug, Clone)]
pub struct StoreWriter {
    pub(super) name: Arc<str>,
    /// What hrefs begin with, without a final `/`.
    pub(super) base: Arc<str>,
    pub(super) place: Place,
}

#[derive(Debug, Clone)]
pub(super) enum Place {
    Folder(PathBuf),
    Remote {
        /// Requests of this client are retried by the client itself: writing is idempotent.
        store: Arc<RemoteStore>,
        /// The same store as readers use it.
        reader: Arc<RemoteStore>,
        prefix: String,
    },
}

impl Stores {
    /// Returns a writer below `root`: a path, a `file:` or `s3:` URL, or `NAME:key` of a named store.
    ///
    /// Hrefs of what is written begin with `root` as given; a plain path becomes absolute.
    ///
    /// # Errors
    /// [`IoError::Denied`] for anybody but the operator; [`IoError::Href`] where no store covers the
    /// root or the store cannot be written to (web servers).
    pub fn writer(&self, viewer: &Viewer, root: &str) -> Result<StoreWriter, IoError> {
        let wrong = |reason: &str| IoError::Href {
            href: root.to_owned(),
            reason: reason.to_owned(),
        };
        if !may(viewer, Action::Write, &Resource::direct()) {
            return Err(IoError::Denied {
                href: root.to_owned(),
                reason: "only the operator writes to stores".to_owned(),
            });
        }
        let base = root.trim_end_matches('/');
        if let Some((name, config, key)) = self.find_named(root) {
            let (name, config) = (name.to_owned(), config.clone());
            let prefix = config.prefix.trim_end_matches('/');
            check_prefix(&key, root)?;
            let place = match config.kind() {
                StoreKind::Folder => {
                    let folder = prefix.strip_prefix("file://").unwrap_or(prefix);
                    Place::Folder(PathBuf::from(folder).join(&key))
                }
                StoreKind::S3 => self.s3_place(&name, &config, &format!("{prefix}/{key}"))?,
                _ => return Err(wrong("this kind of store cannot be written to")),
            };
            return Ok(StoreWriter {
                base: base.into(),
                name: name.into(),
                place,
            });
        }
        let Some(aws) = &self.implicit else {
            return Err(wrong(
                "no configured store covers it; add a [stores.NAME] with its prefix",
            ));
        };
        let (name, place) = match scheme(root) {
            None => {
                let path = std::path::absolute(root).map_err(|source| IoError::File {
                    path: PathBuf::from(root),
                    source,
                })?;
                let base = path.to_string_lossy().trim_end_matches('/').to_owned();
                return Ok(StoreWriter {
                    name: "file".into(),
                    base: base.into(),
                    place: Place::Folder(path),
                });
            }
            Some("file") => ("file", Place::Folder(file_url_path(root)?)),
            Some("s3") => ("s3", self.s3_place("s3", &aws.store_config(), base)?),
            Some(_) => return Err(wrong("only folders and S3 stores can be written to")),
        };
        Ok(StoreWriter {
            name: name.into(),
            base: base.into(),
            place,
        })
    }

    fn s3_place(&self, name: &str, config: &StoreConfig, root: &str) -> Result<Place, IoError> {
        // A bucket alone is a root too.
        let rest = root
            .trim_end_matches('/')
            .strip_prefix("s3://")
            .unwrap_or_default();
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(IoError::Href {
                href: root.to_owned(),
                reason: "expected s3://bucket or s3://bucket/folder".to_owned(),
            });
        }
        check_prefix(prefix, root)?;
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        let aws = self.environment();
        let opened = match name {
            "s3" => format!("s3://{bucket}"),
            name => name.to_owned(),
        };
        let reader = self.open(&opened, || RemoteStore::s3(&bucket, config, aws))?;
        let store = self.open(&format!("{opened} for writing"), || {
            RemoteStore::s3_for_writing(&bucket, config, aws)
        })?;
        Ok(Place::Remote {
            store,
            reader,
            prefix,
        })
    }
}

impl StoreWriter {
    /// Returns the href of a key.
    pub fn href(&self, key: &str) -> String {
        // `NAME:` alone is a root of a named store.
        match self.base.ends_with(':') {
            true => format!("{}{key}", self.base),
            false => format!("{}/{key}", self.base),
        }
    }

    /// Returns the folder that the root is, `None` for a remote store.
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(folder) => Some(folder),
            Place::Remote { .. } => None,
        }
    }

    /// Returns the object for reading.
    ///
    /// # Errors
    /// Where the key climbs or is none.
    pub fn asset(&self, key: &str) -> Result<AssetRef, IoError> {
        let href = self.href(key);
        check_key(key, &href)?;
        Ok(match &self.place {
            Place::Folder(folder) => AssetRef::local(&self.name, folder.join(key), &href),
            Place::Remote { reader, prefix, .. } => AssetRef::remote(
                &self.name,
                reader.clone(),
                remote_key(prefix, key, &href)?,
                &href,
            ),
        })
    }

    /// Writes an object whole, replacing one of that name.
    ///
    /// # Errors
    /// Where the store refuses or fails; then the object is as it was before.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<(), IoError> {
        let href = self.href(key);
        check_key(key, &href)?;
        match &self.place {
            Place::Folder(folder) => {
                let path = folder.join(key);
                blocking(move || folder::write(&path, &mut bytes.as_ref())).await
            }
            Place::Remote { store, prefix, .. } => {
                let key = remote_key(prefix, key, &href)?;
                let put = store
                    .object_store()
                    .put(&key, PutPayload::from_bytes(bytes));
                put.await
                    .map(|_| ())
                    .map_err(|error| storage_error(error, &href))
            }
        }
    }

    /// Writes a local file as an object, in parts where it is large; memory: a few parts.
    ///
    /// # Errors
    /// As [`StoreWriter::put`], or where the file cannot be read.
    pub async fn put_file(&self, key: &str, path: &Path) -> Result<(), IoError> {
        let href = self.href(key);
        check_key(key, &href)?;
        match &self.place {
            Place::Folder(folder) => {
                let (source, target) = (path.to_owned(), folder.join(key));
                blocking(move || {
                    let mut file =
                        File::open(&source).map_err(|error| folder::file_error(&source, error))?;
                    folder::write(&target, &mut file)
                })
                .await
            }
            Place::Remote { store, prefix, .. } => {
                let key = remote_key(prefix, key, &href)?;
                put_remote(store.object_store(), &key, path, &href).await
            }
        }
    }

    /// Moves a local file to its key where the root is a folder of the same disk, else as
    /// [`StoreWriter::put_file`]; the file may be gone afterwards.
    ///
    /// # Errors
    /// As [`StoreWriter::put_file`].
    pub async fn take_file(&self, key: &str, path: &Path) -> Result<(), IoError> {
        check_key(key, &self.href(key))?;
        if let Place::Folder(folder) = &self.place {
            let (source, target) = (path.to_owned(), folder.join(key));
            let moved = blocking(move || {
                folder::create_parent(&target)?;
                let synced = File::open(&source).and_then(|file| file.sync_all());
                synced.map_err(|error| folder::file_error(&source, error))?;
                let is_moved = fs::rename(&source, &target).is_ok();
                if is_moved {
                    folder::sync_parent(&target)?;
                }
                Ok(is_moved)
            });
            if moved.await? {
                return Ok(());
            }
        }
        self.put_file(key, path).await
    }

    /// Returns the size of an object, `None` where there is none.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn size(&self, key: &str) -> Result<Option<u64>, IoError> {
        let href = self.href(key);
        check_key(key, &href)?;
        match &self.place {
            Place::Folder(folder) => {
                let path = folder.join(key);
                blocking(move || match fs::metadata(&path) {
                    Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(folder::file_error(&path, error)),
                })
                .await
            }
            Place::Remote { store, prefix, .. } => {
                match store
                    .object_store()
                    .head(&remote_key(prefix, key, &href)?)
                    .await
                {
                    Ok(found) => Ok(Some(found.size)),
                    Err(object_store::Error::NotFound { .. }) => Ok(None),
                    Err(error) => Err(storage_error(error, &href)),
                }
            }
        }
    }

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// Where the store refuses or fails.
    pub async fn delete(&self, key: &str) -> Result<(), IoError> {
        let href = self.href(key);
        check_key(key, &href)?;
        match &self.place {
            Place::Folder(folder) => {
                let path = folder.join(key);
                blocking(move || match fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        Err(folder::file_error(&path, error))
                    }
                    _ => Ok(()),
                })
                .await
            }
            Place::Remote { store, prefix, .. } => {
                match store
                    .object_store()
                    .delete(&remote_key(prefix, key, &href)?)
                    .await
                {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                    Err(error) => Err(storage_error(error, &href)),
                }
            }
        }
    }

    /// Returns the objects in and below a folder of the store, sorted by key; files that are being
    /// written are not among them. `""` is the root.
    ///
    /// # Errors
    /// Where the store fails or holds more than [`LIST_MAX`] objects there.
    pub async fn list(&self, folder_key: &str) -> Result<Vec<ObjectInfo>, IoError> {
        let folder_key = folder_key.trim_end_matches('/');
        let href = self.href(folder_key);
        check_prefix(folder_key, &href)?;
        match &self.place {
            Place::Folder(root) => {
                let (root, below) = (root.clone(), folder_key.to_owned());
                blocking(move || folder::list(&root, &below, LIST_MAX)).await
            }
            Place::Remote { store, prefix, .. } => {
                let whole = [prefix.as_str(), folder_key];
                let whole = whole.iter().filter(|part| !part.is_empty());
                let whole = whole.copied().collect::<Vec<_>>().join("/");
                let under = Key::parse(&whole).map_err(|error| IoError::Href {
                    href: href.clone(),
                    reason: error.to_string(),
                })?;
                let mut found = list_remote(store.object_store(), &under, LIST_MAX, &href).await?;
                if !folder_key.is_empty() {
                    for object in &mut found {
                        object.key = format!("{folder_key}/{}", object.key);
                    }
                }
                Ok(found)
            }
        }
    }

    /// Removes what an interrupted write left in a folder of the store more than an hour ago.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub async fn sweep(&self, folder_key: &str) -> Result<(), IoError> {
        check_prefix(folder_key, &self.href(folder_key))?;
        let Place::Folder(root) = &self.place else {
            // A remote upload that was not completed is no object; the bucket's own rules end it.
            return Ok(());
        };
        let folder = root.join(folder_key);
        blocking(move || folder::sweep(&folder, 0)).await
    }
}

pub(super) fn check_key(key: &str, href: &str) -> Result<(), IoError> {
    match key.is_empty() {
        true => Err(IoError::Href {
            href: href.to_owned(),
            reason: "an object needs a key".to_owned(),
        }),
        false => check_prefix(key, href),
    }
}

/// Refuses keys that climb, that are no paths on every system, or that are names of unfinished files.
pub(super) fn check_prefix(key: &str, href: &str) -> Result<(), IoError> {
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    let is_fine = key.len() <= KEY_BYTES_MAX
        && !key.contains(['\\', '\0'])
        && !key.ends_with(UNFINISHED)
        && key.trim_end_matches('/').split('/').all(is_part);
    if key.is_empty() || is_fine {
        return Ok(());
    }
    Err(IoError::Href {
        href: href.to_owned(),
        reason: format!(
            "a key is made of parts between \"/\", none of them empty, \".\" or \"..\", at most {KEY_BYTES_MAX} bytes"
        ),
    })
}

pub(super) fn check_listed(count: usize, count_max: usize, href: &str) -> Result<(), IoError> {
    match count > count_max {
        true => Err(IoError::Href {
            href: href.to_owned(),
            reason: format!("it holds more than {count_max} objects"),
        }),
        false => Ok(()),
    }
}

/// Returns the objects below a key of a remote store, sorted by their keys relative to it.
///
/// # Errors
/// Where the store fails or holds more than `objects_max` objects there.
pub(super) async fn list_remote(
    store: &Arc<dyn ObjectStore>,
    under: &Key,
    objects_max: usize,
    href: &str,
) -> Result<Vec<ObjectInfo>, IoError> {
    let failed = |error| storage_error(error, href);
    let mut listing = store.list(Some(under));
    let mut found = Vec::new();
    while let Some(object) = listing.try_next().await.map_err(failed)? {
        let Some(parts) = object.location.prefix_match(under) else {
            continue;
        };
        let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
        found.push(ObjectInfo {
            key: parts.join("/"),
            size: object.size,
        });
        check_listed(found.len(), objects_max, href)?;
    }
    found.sort_by(|one, two| one.key.cmp(&two.key));
    Ok(found)
}

pub(super) fn remote_key(prefix: &str, key: &str, href: &str) -> Result<Key, IoError> {
    let whole = match prefix {
        "" => key.to_owned(),
        prefix => format!("{prefix}/{key}"),
    };
    Key::parse(whole).map_err(|error| IoError::Href {
        href: href.to_owned(),
        reason: error.to_string(),
    })
}

async fn put_remote(
    store: &Arc<dyn ObjectStore>,
    key: &Key,
    path: &Path,
    href: &str,
) -> Result<(), IoError> {
    let failed = |error| storage_error(error, href);
    let source = path.to_owned();
    let (file, size) = blocking(move || {
        let file = File::open(&source).map_err(|error| folder::file_error(&source, error))?;
        let size = file
            .metadata()
            .map_err(|error| folder::file_error(&source, error))?;
        Ok((file, size.len()))
    })
    .await?;
    let (mut file, mut part) = read_part(file, path, size.min(SINGLE_PUT_BYTES_MAX)).await?;
    if size <= SINGLE_PUT_BYTES_MAX {
        return store
            .put(key, part.into())
            .await
            .map(|_| ())
            .map_err(failed);
    }
    let upload = store.put_multipart(key).await.map_err(failed)?;
    let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
    let mut sent = 0u64;
    loop {
        sent += part.len() as u64;
        if part.is_empty() {
            break;
        }
        let waited = upload.wait_for_capacity(PARTS_AT_ONCE).await;
        upload.put(part.into());
        if let Err(error) = waited {
            // What was sent is of no use; that it cannot be removed either says nothing new.
            let _ = upload.abort().await;
            return Err(failed(error));
        }
        (file, part) = read_part(file, path, PART_BYTES as u64).await?;
    }
    if sent != size {
        let _ = upload.abort().await;
        return Err(IoError::Changed {
            href: path.display().to_string(),
        });
    }
    upload.finish().await.map(|_| ()).map_err(failed)
}

/// Reads the next bytes of a file, fewer where it ends.
async fn read_part(file: File, path: &Path, bytes: u64) -> Result<(File, Vec<u8>), IoError> {
    let path = path.to_owned();
    blocking(move || {
        let mut part = Vec::with_capacity(bytes as usize);
        let mut taken = file.take(bytes);
        taken
            .read_to_end(&mut part)
            .map_err(|error| folder::file_error(&path, error))?;
        Ok((taken.into_inner(), part))
    })
    .await
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IoError> + Send + 'static,
) -> Result<T, IoError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| IoError::Internal {
        reason: error.to_string(),
    })?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AwsEnvironment, StoreConfig};
    use std::collections::BTreeMap;

    #[test]
    fn keys_that_climb_are_refused() {
        for key in ["../x", "a/../x", "/x", "a//x", "a/./x", "a\\x", "x.part"] {
            assert!(check_key(key, "h").is_err(), "{key}");
        }
        assert!(check_key("a/b.tif", "h").is_ok());
        assert!(check_key("", "h").is_err() && check_prefix("", "h").is_ok());
    }

    #[test]
    fn only_the_operator_writes() {
        let stores = Stores::for_command_line(BTreeMap::new(), AwsEnvironment::default());
        let denied = stores.writer(&Viewer::member("ada"), "/tmp/x");
        assert!(matches!(denied, Err(IoError::Denied { .. })));
        assert!(
            stores
                .writer(&Viewer::operator(), "https://example.org/x")
                .is_err()
        );
    }

    #[test]
    fn hrefs_begin_with_the_root() {
        let config = StoreConfig {
            prefix: "/data/archive".into(),
            ..StoreConfig::default()
        };
        let named = BTreeMap::from([("archive".to_owned(), config)]);
        let stores = Stores::for_command_line(named, AwsEnvironment::default());
        let writer = |root| stores.writer(&Viewer::operator(), root).expect(root);
        assert_eq!(writer("archive:").href("a/b"), "archive:a/b");
        assert_eq!(writer("archive:sub").href("a/b"), "archive:sub/a/b");
        assert_eq!(writer("s3://bucket").href("a/b"), "s3://bucket/a/b");
        assert_eq!(
            writer("s3://bucket/deep/er/").href("a"),
            "s3://bucket/deep/er/a"
        );
        assert_eq!(writer("/x/y").href("a"), "/x/y/a");
    }

    #[tokio::test]
    async fn what_was_cut_off_is_no_object_and_is_swept() {
        let folder = tempfile::tempdir().expect("a folder");
        let stores = Stores::for_command_line(BTreeMap::new(), AwsEnvironment::default());
        let root = folder.path().to_string_lossy().into_owned();
        let writer = stores.writer(&Viewer::operator(), &root).expect("a writer");
        writer
            .put("a/x.bin", Bytes::from_static(b"abc"))
            .await
            .expect("put");
        let left = folder.path().join("a/.y.bin.1.0.part");
        fs::write(&left, "half").expect("a file");
        writer.sweep("a").await.expect("sweep");
        assert!(left.exists(), "somebody may be writing it");
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
        let aged = File::options().write(true).open(&left);
        let aged = aged.and_then(|file| file.set_modified(long_ago));
        aged.expect("an older file");
        let listed = writer.list("").await.expect("a list");
        let expected = ObjectInfo {
            key: "a/x.bin".to_owned(),
            size: 3,
        };
        assert_eq!(listed, vec![expected]);
        writer.sweep("a").await.expect("sweep");
        assert!(!left.exists());
        writer.delete("a/x.bin").await.expect("delete");
        writer.delete("a/x.bin").await.expect("again");
        assert_eq!(writer.size("a/x.bin").await.expect("size"), None);
    }
}
