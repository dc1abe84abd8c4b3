//! Objects of the archive in a backup: copied once, under their keys.
//!
//! `objects.ndjson` says of each object what it is and which file of the backup holds it. A file is
//! never written over with other content: an object that changed goes to a new name, so that the
//! backup of before stays whole until the new manifest takes its place.

use std::iter::Peekable;

use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use swath_io::{AssetRef, IoError, ObjectInfo, StoreWriter};

use super::lines::{LineReader, LineWriter};
use crate::ArchiveError;
use crate::digest::{Digested, Hasher, digest, digest_into};

/// Where objects lie in a backup.
const FOLDER: &str = "objects";
/// Objects that are matched with those of the backup before at a time.
const MATCHED_AT_ONCE: usize = 256;
/// Digits of a digest that tell two versions of an object apart in a name.
const VERSION_DIGITS: usize = 16;

/// One object of the archive as a backup keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectRecord {
    /// Key in the archive.
    pub key: String,
    /// Key in the backup.
    pub file: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// What the archive told its version by when it was copied.
    pub etag: Option<String>,
}

/// What copying objects came to.
#[derive(Debug, Default)]
pub(super) struct ObjectCounts {
    pub objects: u64,
    pub bytes: u64,
    pub copied: u64,
    pub copied_bytes: u64,
    /// Files of the backup before that this one does not need.
    pub unneeded: Vec<String>,
}

/// Copies objects from the archive into a backup.
pub(super) struct ObjectCopy<'a> {
    pub archive: &'a StoreWriter,
    pub target: &'a StoreWriter,
    pub at_once: usize,
}

/// The objects of the backup before, by key.
pub(super) struct Previous<'a> {
    reader: Option<LineReader<'a>>,
    next: Option<ObjectRecord>,
}

impl<'a> Previous<'a> {
    /// Returns the records of a file, none where there is no reader.
    pub(super) async fn open(mut reader: Option<LineReader<'a>>) -> Result<Self, ArchiveError> {
        let next = match &mut reader {
            Some(reader) => reader.next().await?,
            None => None,
        };
        Ok(Self { reader, next })
    }

    /// Returns the record of a key; keys are asked for in order. Records passed by are of objects
    /// that are gone: their files go to `unneeded`.
    async fn find(
        &mut self,
        key: &str,
        unneeded: &mut Vec<String>,
    ) -> Result<Option<ObjectRecord>, ArchiveError> {
        while let Some(record) = self.next.take() {
            if record.key.as_str() > key {
                self.next = Some(record);
                return Ok(None);
            }
            if let Some(reader) = &mut self.reader {
                self.next = reader.next().await?;
            }
            if record.key == key {
                return Ok(Some(record));
            }
            unneeded.push(record.file);
        }
        Ok(None)
    }

    async fn rest(&mut self, unneeded: &mut Vec<String>) -> Result<(), ArchiveError> {
        while let Some(record) = self.next.take() {
            unneeded.push(record.file);
            if let Some(reader) = &mut self.reader {
                self.next = reader.next().await?;
            }
        }
        Ok(())
    }
}

impl ObjectCopy<'_> {
    /// Copies `objects`, sorted by key, and writes a line for each; `shown` is told how many are done.
    pub(super) async fn run(
        &self,
        objects: Vec<ObjectInfo>,
        mut previous: Previous<'_>,
        lines: &mut LineWriter,
        shown: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<ObjectCounts, ArchiveError> {
        let total = objects.len() as u64;
        let mut counts = ObjectCounts::default();
        let mut objects = objects.into_iter().peekable();
        while objects.peek().is_some() {
            let matched = self
                .matched(&mut objects, &mut previous, &mut counts)
                .await?;
            let copies = matched
                .into_iter()
                .map(|(object, known)| self.object(object, known));
            let mut copied = futures::stream::iter(copies).buffered(self.at_once.max(1));
            while let Some((record, is_copied, unneeded)) = copied.try_next().await? {
                counts.objects += 1;
                counts.bytes += record.size;
                if is_copied {
                    counts.copied += 1;
                    counts.copied_bytes += record.size;
                }
                counts.unneeded.extend(unneeded);
                lines.write(&record).await?;
                shown(counts.objects, total);
            }
        }
        previous.rest(&mut counts.unneeded).await?;
        Ok(counts)
    }

    async fn matched(
        &self,
        objects: &mut Peekable<impl Iterator<Item = ObjectInfo>>,
        previous: &mut Previous<'_>,
        counts: &mut ObjectCounts,
    ) -> Result<Vec<(ObjectInfo, Option<ObjectRecord>)>, ArchiveError> {
        let mut matched = Vec::with_capacity(MATCHED_AT_ONCE);
        while matched.len() < MATCHED_AT_ONCE
            && let Some(object) = objects.next()
        {
            let known = previous.find(&object.key, &mut counts.unneeded).await?;
            matched.push((object, known));
        }
        Ok(matched)
    }

    /// Copies one object unless the backup has it; returns its record, whether it was copied, and the
    /// file that held it before where another does now.
    async fn object(
        &self,
        object: ObjectInfo,
        known: Option<ObjectRecord>,
    ) -> Result<(ObjectRecord, bool, Option<String>), ArchiveError> {
        let source = self
            .archive
            .asset(&object.key)
            .map_err(ArchiveError::store)?;
        let version = source.version().await.map_err(ArchiveError::store)?;
        if let Some(known) = &known
            && known.size == version.size
            && known.etag.is_some()
            && known.etag == version.etag
            && self.size_of(&known.file).await? == Some(known.size)
        {
            return Ok((known.clone(), false, None));
        }
        let plain = format!("{FOLDER}/{}", object.key);
        let (file, found, is_copied) = self.place(&source, version.size, plain).await?;
        let unneeded = known.map(|known| known.file).filter(|old| *old != file);
        let record = ObjectRecord {
            key: object.key,
            file,
            size: found.size,
            sha256: found.digest,
            etag: version.etag,
        };
        Ok((record, is_copied, unneeded))
    }

    /// Returns the file of the backup that holds the content of `source` now.
    async fn place(
        &self,
        source: &AssetRef,
        size: u64,
        plain: String,
    ) -> Result<(String, Digested, bool), ArchiveError> {
        let Some(taken) = self.size_of(&plain).await? else {
            let copied = copy(source, size, self.target, &plain).await;
            return Ok((plain, copied.map_err(ArchiveError::store)?, true));
        };
        // Something of this name is there: an earlier version, or what a cut off backup left.
        let own = digest(source, size, Hasher::sha256()).await;
        let own = own.map_err(ArchiveError::store)?;
        if self.holds(&plain, taken, &own).await? {
            return Ok((plain, own, false));
        }
        let versioned = format!("{plain}~{}", &own.digest[..VERSION_DIGITS]);
        if let Some(taken) = self.size_of(&versioned).await?
            && self.holds(&versioned, taken, &own).await?
        {
            return Ok((versioned, own, false));
        }
        let copied = copy(source, size, self.target, &versioned).await;
        let copied = copied.map_err(ArchiveError::store)?;
        match copied == own {
            true => Ok((versioned, copied, true)),
            false => Err(ArchiveError::store(IoError::Changed {
                href: source.href().to_owned(),
            })),
        }
    }

    async fn holds(&self, file: &str, size: u64, own: &Digested) -> Result<bool, ArchiveError> {
        if size != own.size {
            return Ok(false);
        }
        let asset = self.target.asset(file).map_err(ArchiveError::store)?;
        let found = digest(&asset, size, Hasher::sha256()).await;
        Ok(found.map_err(ArchiveError::store)? == *own)
    }

    async fn size_of(&self, file: &str) -> Result<Option<u64>, ArchiveError> {
        self.target.size(file).await.map_err(ArchiveError::store)
    }
}

/// Copies an object part by part; it appears when it is complete.
pub(super) async fn copy(
    source: &AssetRef,
    size: u64,
    target: &StoreWriter,
    key: &str,
) -> Result<Digested, IoError> {
    let mut upload = target.upload(key).await?;
    match digest_into(source, size, &mut upload).await {
        Ok(found) => {
            upload.finish().await?;
            Ok(found)
        }
        Err(error) => {
            upload.abort().await;
            Err(error)
        }
    }
}
