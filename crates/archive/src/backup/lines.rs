//! Files of one JSON value per line: written to a store with size and digest, read in parts.

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use swath_io::{AssetRef, ObjectParts, ObjectUpload, StoreWriter};

use super::manifest::{BackupFile, FileRole};
use crate::ArchiveError;
use crate::digest::{Hasher, update};

/// Bytes that are gathered before they are handed on.
const GATHERED_BYTES: usize = 1 << 20;
/// Longest line, in bytes: an item of 8 MiB with what stands around it.
const LINE_BYTES_MAX: usize = 16 << 20;

/// A file of lines that is being written.
pub(super) struct LineWriter {
    role: FileRole,
    name: String,
    upload: ObjectUpload,
    hasher: Hasher,
    gathered: Vec<u8>,
}

impl LineWriter {
    /// Begins a file in the folder of this run.
    pub(super) async fn begin(
        target: &StoreWriter,
        folder: &str,
        role: FileRole,
    ) -> Result<Self, ArchiveError> {
        let name = format!("{folder}/{}", role.file_name());
        let upload = target.upload(&name).await.map_err(ArchiveError::store)?;
        Ok(Self {
            role,
            name,
            upload,
            hasher: Hasher::sha256(),
            gathered: Vec::with_capacity(GATHERED_BYTES),
        })
    }

    /// Appends a value as a line.
    pub(super) async fn write(&mut self, value: &impl Serialize) -> Result<(), ArchiveError> {
        serde_json::to_writer(&mut self.gathered, value).expect("a copy can be written as JSON");
        self.gathered.push(b'\n');
        if self.gathered.len() >= GATHERED_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Appends bytes as they are.
    pub(super) async fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.gathered.extend_from_slice(bytes);
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), ArchiveError> {
        let bytes = Bytes::from(std::mem::take(&mut self.gathered));
        self.hasher = update(self.hasher.clone(), bytes.clone()).await;
        self.upload.write(bytes).await.map_err(ArchiveError::store)
    }

    /// Makes the file appear and returns what the manifest says of it.
    pub(super) async fn finish(mut self) -> Result<BackupFile, ArchiveError> {
        self.flush().await?;
        let size = self.upload.finish().await.map_err(ArchiveError::store)?;
        Ok(BackupFile {
            role: self.role,
            name: self.name,
            size,
            sha256: self.hasher.finish(),
        })
    }
}

/// Reads the lines of a file; memory: a part and a line.
pub(super) struct LineReader<'asset> {
    asset: &'asset AssetRef,
    parts: ObjectParts<'asset>,
    /// Bytes that no line was made of yet.
    rest: BytesMut,
    is_over: bool,
    number: u64,
}

impl<'asset> LineReader<'asset> {
    /// Returns a reader of a file of `size` bytes.
    pub(super) fn new(asset: &'asset AssetRef, size: u64) -> Self {
        Self {
            asset,
            parts: asset.parts(),
            rest: BytesMut::new(),
            is_over: size == 0,
            number: 0,
        }
    }

    /// Returns the value of the next line, `None` after the last.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ArchiveError> {
        self.number += 1;
        let Some(line) = self.next_line().await? else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&line);
        value
            .map(Some)
            .map_err(|error| self.damaged(&error.to_string()))
    }

    async fn next_line(&mut self) -> Result<Option<BytesMut>, ArchiveError> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.rest[searched..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.rest.split_to(searched + end + 1);
                line.truncate(searched + end);
                return Ok(Some(line));
            }
            searched = self.rest.len();
            if searched > LINE_BYTES_MAX {
                return Err(self.damaged(&format!("it has more than {LINE_BYTES_MAX} bytes")));
            }
            let part = match self.is_over {
                true => None,
                false => self.parts.next().await.map_err(ArchiveError::store)?,
            };
            match part {
                Some(part) => self.rest.extend_from_slice(&part),
                None if self.rest.is_empty() => {
                    self.is_over = true;
                    return Ok(None);
                }
                None => return Err(self.damaged("the file ends within it")),
            }
        }
    }

    fn damaged(&self, reason: &str) -> ArchiveError {
        ArchiveError::backup(self.asset.href(), format!("line {}: {reason}", self.number))
    }
}
