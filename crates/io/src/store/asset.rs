//! One object of a store and its bytes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use object_store::path::Path as Key;

use super::remote::RemoteStore;
use crate::IoError;

/// Widest gap between two ranges that is always fetched along, in bytes.
const GAP_BYTES_MIN: u64 = 2 << 10;
/// Wider gaps are fetched along as long as they make up at most one byte in this many of a request.
const GAP_SHARE: u64 = 8;
/// Largest single request, in bytes: longer runs are split so that they travel side by side.
const REQUEST_BYTES_MAX: u64 = 8 << 20;

/// One object of a store. Only [`super::Stores::resolve`] makes one.
#[derive(Debug, Clone)]
pub struct AssetRef {
    store: Arc<str>,
    href: Arc<str>,
    pub(super) place: Place,
}

#[derive(Debug, Clone)]
pub(super) enum Place {
    Local(PathBuf),
    Remote { store: Arc<RemoteStore>, key: Key },
}

/// Bytes with what identifies the version of the object they came from.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The bytes.
    pub bytes: Bytes,
    /// Length of the whole object.
    pub object_len: u64,
    /// Entity tag, or size and time of change of a local file.
    pub etag: Option<String>,
}

/// A local file opened at a certain version, read from by whoever decodes.
#[derive(Debug)]
pub(crate) struct LocalFile {
    file: File,
    path: PathBuf,
    href: Arc<str>,
}

/// Stored bytes of a block: fetched already, or read when they are decoded.
///
/// What lies in the page cache is read fastest into memory that the processor has at hand: the buffer
/// of the thread that decodes.
#[derive(Debug, Clone)]
pub(crate) enum StoredBytes {
    Fetched(Bytes),
    Local {
        file: Arc<LocalFile>,
        range: Range<u64>,
    },
}

impl StoredBytes {
    /// Returns the number of bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Fetched(bytes) => bytes.len() as u64,
            Self::Local { range, .. } => range.end - range.start,
        }
    }

    /// Returns the bytes if they were fetched already.
    pub(crate) fn fetched(&self) -> Option<&[u8]> {
        match self {
            Self::Fetched(bytes) => Some(bytes),
            Self::Local { .. } => None,
        }
    }

    /// Returns the bytes, out of `buffer` where they have to be read.
    ///
    /// # Errors
    /// Where the file fails or became shorter.
    pub(crate) fn bytes<'a>(&'a self, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], IoError> {
        match self {
            Self::Fetched(bytes) => Ok(bytes),
            Self::Local { file, range } => {
                let len = (range.end - range.start) as usize;
                if buffer.len() < len {
                    buffer.resize(len, 0);
                }
                file.read(&mut buffer[..len], range.start)?;
                Ok(&buffer[..len])
            }
        }
    }
}

impl LocalFile {
    fn read(&self, buffer: &mut [u8], at: u64) -> Result<(), IoError> {
        #[cfg(unix)]
        let outcome = std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, at);
        #[cfg(not(unix))]
        let outcome = (&self.file)
            .seek(SeekFrom::Start(at))
            .and_then(|_| (&self.file).read_exact(buffer));
        outcome.map_err(|source| match source.kind() {
            std::io::ErrorKind::UnexpectedEof => IoError::Changed {
                href: self.href.to_string(),
            },
            _ => IoError::File {
                path: self.path.clone(),
                source,
            },
        })
    }
}

impl AssetRef {
    pub(super) fn local(store: &str, path: PathBuf, href: &str) -> Self {
        Self {
            store: store.into(),
            href: href.into(),
            place: Place::Local(path),
        }
    }

    pub(super) fn remote(store: &str, remote: Arc<RemoteStore>, key: Key, href: &str) -> Self {
        Self {
            store: store.into(),
            href: href.into(),
            place: Place::Remote { store: remote, key },
        }
    }

    /// Returns the name of the store.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// Returns the name the asset was asked for by, without the query of a URL (it may be a signature).
    pub fn href(&self) -> &str {
        &self.href
    }

    /// Returns the path of a local asset.
    pub fn local_path(&self) -> Option<&Path> {
        match &self.place {
            Place::Local(path) => Some(path),
            Place::Remote { .. } => None,
        }
    }

    /// Fetches `range`, or what the object has of it where it ends earlier: one request.
    ///
    /// With `etag`, an object of another version is [`IoError::Changed`].
    ///
    /// # Errors
    /// Not found, denied, changed, or failed after retries. Safe to drop at any time.
    pub async fn read(&self, range: Range<u64>, etag: Option<&str>) -> Result<Fetched, IoError> {
        match &self.place {
            Place::Local(path) => {
                let (path, etag) = (path.clone(), etag.map(str::to_owned));
                let href = self.href().to_owned();
                tokio::task::spawn_blocking(move || {
                    read_local(&path, range, etag.as_deref(), &href)
                })
                .await
                .map_err(|error| IoError::Internal {
                    reason: error.to_string(),
                })?
            }
            Place::Remote { store, key } => {
                let fetched = store.get(key, range, etag, self.href()).await?;
                Ok(Fetched {
                    bytes: fetched.bytes,
                    object_len: fetched.object_len,
                    etag: fetched.etag,
                })
            }
        }
    }

    /// Fetches the stored bytes of blocks; of a local file they are read when they are decoded.
    ///
    /// # Errors
    /// As [`AssetRef::read_ranges`].
    pub(crate) async fn fetch_stored(
        &self,
        ranges: Vec<Range<u64>>,
        etag: Option<&str>,
    ) -> Result<Vec<StoredBytes>, IoError> {
        let Place::Local(path) = &self.place else {
            let fetched = self.read_ranges(&ranges, etag).await?;
            return Ok(fetched.into_iter().map(StoredBytes::Fetched).collect());
        };
        let (path, etag, href) = (path.clone(), etag.map(str::to_owned), self.href.clone());
        let open = move || {
            let (file, _, _) = open_local(&path, etag.as_deref(), &href)?;
            Ok::<_, IoError>(LocalFile { file, path, href })
        };
        let file = tokio::task::spawn_blocking(open).await;
        let file = Arc::new(file.map_err(|error| IoError::Internal {
            reason: error.to_string(),
        })??);
        let stored = ranges.into_iter().map(|range| StoredBytes::Local {
            file: file.clone(),
            range,
        });
        Ok(stored.collect())
    }

    /// Fetches several ranges in few requests; the answers come in the order of `ranges`.
    ///
    /// Near ranges travel together, far ones side by side. Every range must lie inside the object.
    ///
    /// # Errors
    /// As [`AssetRef::read`]; also where the object ends before a range does.
    pub async fn read_ranges(
        &self,
        ranges: &[Range<u64>],
        etag: Option<&str>,
    ) -> Result<Vec<Bytes>, IoError> {
        let requests = coalesce(ranges);
        let answers = futures::future::try_join_all(
            requests
                .iter()
                .map(|request| self.read(request.clone(), etag)),
        );
        let answers = answers.await?;
        ranges
            .iter()
            .map(|range| {
                let at = requests.partition_point(|request| request.start <= range.start).saturating_sub(1);
                let bytes = &answers[at].bytes;
                let from = (range.start - requests[at].start) as usize;
                let to = from + (range.end - range.start) as usize;
                if to > bytes.len() {
                    return Err(IoError::Raster {
                        href: self.href().to_owned(),
                        reason: format!(
                            "the object ends at byte {} where bytes {} to {} are needed: it is truncated",
                            answers[at].object_len, range.start, range.end
                        ),
                    });
                }
                Ok(bytes.slice(from..to))
            })
            .collect()
    }
}

/// Returns the requests that cover `ranges`, in order of offset, no two overlapping.
fn coalesce(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted = ranges.to_vec();
    sorted.sort_by_key(|range| range.start);
    let mut requests: Vec<Range<u64>> = Vec::new();
    let mut gap_bytes = 0;
    for range in sorted {
        if let Some(last) = requests.last_mut() {
            let gap = range.start.saturating_sub(last.end);
            let len = range.end.max(last.end) - last.start;
            let is_near = gap <= GAP_BYTES_MIN || (gap_bytes + gap) * GAP_SHARE <= len;
            if range.start < last.end || (is_near && len <= REQUEST_BYTES_MAX) {
                last.end = last.end.max(range.end);
                gap_bytes += gap;
                continue;
            }
        }
        requests.push(range);
        gap_bytes = 0;
    }
    requests
}

/// Opens a local file, anew each time: a season of thousands of rasters must not hold as many open
/// files. Returns it with its length and entity tag, which is the one wanted.
pub(super) fn open_local(
    path: &Path,
    etag: Option<&str>,
    href: &str,
) -> Result<(File, u64, String), IoError> {
    let failed = |source| IoError::File {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        let reason = "this is a folder, not a raster".to_owned();
        return Err(IoError::Href {
            href: href.to_owned(),
            reason,
        });
    }
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let found_etag = format!(
        "{:x}-{:x}",
        metadata.len(),
        modified.map_or(0, |time| time.as_nanos())
    );
    if etag.is_some_and(|expected| expected != found_etag) {
        return Err(IoError::Changed {
            href: href.to_owned(),
        });
    }
    Ok((file, metadata.len(), found_etag))
}

/// Reads part of a local file.
fn read_local(
    path: &Path,
    range: Range<u64>,
    etag: Option<&str>,
    href: &str,
) -> Result<Fetched, IoError> {
    let failed = |source| IoError::File {
        path: path.to_owned(),
        source,
    };
    let (mut file, object_len, found_etag) = open_local(path, etag, href)?;
    let len = range.end.min(object_len).saturating_sub(range.start);
    // The buffer is not zeroed first: at the speed of the page cache that would be felt.
    let mut buffer = Vec::with_capacity(len as usize);
    file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
    file.take(len).read_to_end(&mut buffer).map_err(failed)?;
    if (buffer.len() as u64) < len {
        return Err(IoError::Changed {
            href: href.to_owned(),
        });
    }
    Ok(Fetched {
        bytes: buffer.into(),
        object_len,
        etag: Some(found_etag),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_ranges_travel_together_and_far_ones_apart() {
        let far = 10 << 20;
        let found = coalesce(&[far..far + 5, 0..10, 12..20, 5..8]);
        assert_eq!(found, vec![0..20, far..far + 5]);
    }

    #[test]
    fn gaps_stay_a_small_part_of_a_request() {
        let piece = 16 << 10;
        let every_other: Vec<_> = (0..20u64)
            .map(|index| 2 * index * piece..(2 * index + 1) * piece)
            .collect();
        assert_eq!(coalesce(&every_other), every_other);
        let all_but_one = [0..9 * piece, 10 * piece..19 * piece];
        assert_eq!(coalesce(&all_but_one), vec![0..19 * piece]);
    }

    #[test]
    fn long_runs_are_split() {
        let piece = 3 << 20;
        let ranges: Vec<_> = (0..4u64)
            .map(|index| index * piece..(index + 1) * piece)
            .collect();
        assert_eq!(coalesce(&ranges), vec![0..2 * piece, 2 * piece..4 * piece]);
    }
}
