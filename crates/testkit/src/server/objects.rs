//! The objects that a server serves: a folder or a map, changed under one lock.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

/// Names of files under way begin with this; listings leave them out.
const PARTIAL_PREFIX: &str = ".swath-testkit-";

/// Size, identity and age of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) size: u64,
    /// Hash of the content, without quotes.
    pub(crate) etag: String,
    pub(crate) modified: SystemTime,
}

/// What must hold for a write to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Always,
    Absent,
    Etag(String),
}

/// Why an object was not written.
#[derive(Debug)]
pub(crate) enum PutError {
    ConditionFailed,
    Io(io::Error),
}

impl From<io::Error> for PutError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Objects by key; keys use `/` and never start with it.
#[derive(Debug)]
pub(crate) struct Objects {
    folder: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Content of a server without folder.
    memory: BTreeMap<String, (Bytes, Meta)>,
    /// Hashes of files, valid while size and time of change stay.
    hashes: HashMap<String, Meta>,
    partial_count: u64,
}

impl Objects {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self {
            folder: Some(folder.to_owned()),
            state: Mutex::default(),
        }
    }

    pub(crate) fn in_memory(content: impl IntoIterator<Item = (String, Bytes)>) -> Self {
        let mut state = State::default();
        for (key, bytes) in content {
            let meta = meta_of(&bytes);
            state.memory.insert(key, (bytes, meta));
        }
        Self {
            folder: None,
            state: Mutex::new(state),
        }
    }

    pub(crate) fn head(&self, key: &str) -> io::Result<Option<Meta>> {
        self.head_locked(&mut self.lock(), key)
    }

    /// Returns the bytes of `range`, which must lie within the object as `head` described it.
    pub(crate) fn read(&self, key: &str, range: Range<u64>) -> io::Result<Bytes> {
        let state = self.lock();
        let Some(folder) = &self.folder else {
            let (content, _) = state.memory.get(key).ok_or(io::ErrorKind::NotFound)?;
            return Ok(content.slice(range.start as usize..range.end as usize));
        };
        let path = file_path(folder, key).ok_or(io::ErrorKind::NotFound)?;
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(range.start))?;
        let mut content = vec![0; (range.end - range.start) as usize];
        file.read_exact(&mut content)?;
        Ok(content.into())
    }

    /// Writes an object whole: no reader sees a part of it, and of two writers with `Absent` one
    /// fails.
    pub(crate) fn put(
        &self,
        key: &str,
        content: Bytes,
        condition: &Condition,
    ) -> Result<Meta, PutError> {
        let mut state = self.lock();
        let present = self.head_locked(&mut state, key)?;
        let holds = match condition {
            Condition::Always => true,
            Condition::Absent => present.is_none(),
            Condition::Etag(etag) => present.is_some_and(|meta| &meta.etag == etag),
        };
        if !holds {
            return Err(PutError::ConditionFailed);
        }
        let mut meta = meta_of(&content);
        let Some(folder) = &self.folder else {
            state.memory.insert(key.to_owned(), (content, meta.clone()));
            return Ok(meta);
        };
        let path = file_path(folder, key)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "key leaves the folder"))?;
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)?;
        state.partial_count += 1;
        let partial = parent.join(format!("{PARTIAL_PREFIX}{}", state.partial_count));
        std::fs::write(&partial, &content)?;
        std::fs::rename(&partial, &path)?;
        meta.modified = std::fs::metadata(&path)?.modified()?;
        state.hashes.insert(key.to_owned(), meta.clone());
        Ok(meta)
    }

    /// Returns whether there was something to delete.
    pub(crate) fn delete(&self, key: &str) -> io::Result<bool> {
        let mut state = self.lock();
        let Some(folder) = &self.folder else {
            return Ok(state.memory.remove(key).is_some());
        };
        state.hashes.remove(key);
        let Some(path) = file_path(folder, key) else {
            return Ok(false);
        };
        match std::fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns the keys that start with `prefix`, in the order of their bytes.
    pub(crate) fn keys(&self, prefix: &str) -> io::Result<Vec<String>> {
        let state = self.lock();
        let Some(folder) = &self.folder else {
            return Ok(state
                .memory
                .keys()
                .filter(|key| key.starts_with(prefix))
                .cloned()
                .collect());
        };
        let mut keys = Vec::new();
        let mut folders = vec![folder.clone()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(key) = key_of(folder, &path)
                    && key.starts_with(prefix)
                {
                    keys.push(key);
                }
            }
        }
        keys.sort();
        Ok(keys)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn head_locked(&self, state: &mut State, key: &str) -> io::Result<Option<Meta>> {
        let Some(folder) = &self.folder else {
            return Ok(state.memory.get(key).map(|(_, meta)| meta.clone()));
        };
        let Some(path) = file_path(folder, key) else {
            return Ok(None);
        };
        let Ok(metadata) = std::fs::metadata(&path) else {
            return Ok(None);
        };
        if !metadata.is_file() {
            return Ok(None);
        }
        let modified = metadata.modified()?;
        if let Some(meta) = state.hashes.get(key)
            && meta.size == metadata.len()
            && meta.modified == modified
        {
            return Ok(Some(meta.clone()));
        }
        let meta = Meta {
            modified,
            ..meta_of(&std::fs::read(&path)?)
        };
        state.hashes.insert(key.to_owned(), meta.clone());
        Ok(Some(meta))
    }
}

/// Returns the ETag of `content`: 32 hexadecimal digits, as the MD5 of S3, but not an MD5.
pub(crate) fn etag_of(content: &[u8]) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(content))
}

fn meta_of(content: &[u8]) -> Meta {
    let size = content.len() as u64;
    Meta {
        size,
        etag: etag_of(content),
        modified: SystemTime::now(),
    }
}

/// Returns the file of `key`, `None` where the key would leave the folder.
fn file_path(folder: &Path, key: &str) -> Option<PathBuf> {
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    key.split('/').all(is_plain).then(|| folder.join(key))
}

fn key_of(folder: &Path, path: &Path) -> Option<String> {
    let is_partial = path.file_name()?.to_str()?.starts_with(PARTIAL_PREFIX);
    let key = path.strip_prefix(folder).ok()?.to_str()?;
    (!is_partial).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conformance(objects: &Objects) {
        let first = objects
            .put("a/b.bin", "12345".into(), &Condition::Absent)
            .expect("put");
        assert_eq!(objects.head("a/b.bin").expect("head"), Some(first.clone()));
        assert_eq!(objects.read("a/b.bin", 1..3).expect("read"), "23");
        let again = objects.put("a/b.bin", "x".into(), &Condition::Absent);
        assert!(matches!(again, Err(PutError::ConditionFailed)));
        let stale = objects.put("a/b.bin", "x".into(), &Condition::Etag("stale".into()));
        assert!(matches!(stale, Err(PutError::ConditionFailed)));
        objects
            .put("a/b.bin", "678".into(), &Condition::Etag(first.etag))
            .expect("put");
        objects
            .put("a.bin", "".into(), &Condition::Always)
            .expect("put");
        assert_eq!(objects.keys("").expect("keys"), ["a.bin", "a/b.bin"]);
        assert_eq!(objects.keys("a/").expect("keys"), ["a/b.bin"]);
        assert!(objects.delete("a/b.bin").expect("delete"));
        assert!(!objects.delete("a/b.bin").expect("delete"));
        assert_eq!(objects.head("../a.bin").expect("head"), None);
    }

    #[test]
    fn folder_and_memory_behave_alike() {
        let folder = tempfile::tempdir().expect("folder");
        conformance(&Objects::in_folder(folder.path()));
        conformance(&Objects::in_memory([]));
    }

    #[test]
    fn one_of_many_writers_creates() {
        let objects = Objects::in_memory([]);
        let winners = std::thread::scope(|scope| {
            let writer = || objects.put("k", "v".into(), &Condition::Absent).is_ok();
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(writer)).collect();
            threads
                .into_iter()
                .map(|thread| usize::from(thread.join().expect("join")))
                .sum::<usize>()
        });
        assert_eq!(winners, 1);
    }
}
