//! One object of a store and its bytes.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::remote::RemoteStore;
use crate::IoError;

/// Widest gap between two ranges that is fetched along rather than asked around, in bytes.
const GAP_BYTES_MAX: u64 = 32 << 10;
/// Largest single request, in bytes: longer runs are split so that they travel side by side.
const REQUEST_BYTES_MAX: u64 = 8 << 20;

/// One object of a store. Only [`super::Stores::resolve`] makes one.
#[derive(Debug, Clone)]
pub struct AssetRef {
    store: Arc<str>,
    href: Arc<str>,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Local { path: PathBuf, file: Arc<OnceLock<File>> },
    Remote { store: Arc<RemoteStore>, key: Arc<str> },
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

impl AssetRef {
    pub(super) fn local(store: &str, path: PathBuf, href: &str) -> Self {
        Self { store: store.into(), href: href.into(), place: Place::Local { path, file: Arc::default() } }
    }

    pub(super) fn remote(store: &str, remote: Arc<RemoteStore>, key: String, href: &str) -> Self {
        Self { store: store.into(), href: href.into(), place: Place::Remote { store: remote, key: key.into() } }
    }

    /// Returns the name of the store.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// Returns the name the asset was asked for by, without the query of a URL (it may be a signature).
    pub fn href(&self) -> &str {
        if self.href.contains("://") {
            self.href.split('?').next().unwrap_or(&self.href)
        } else {
            &self.href
        }
    }

    /// Returns the path of a local asset.
    pub fn local_path(&self) -> Option<&Path> {
        match &self.place {
            Place::Local { path, .. } => Some(path),
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
            Place::Local { path, file } => {
                let (path, file, etag) = (path.clone(), file.clone(), etag.map(str::to_owned));
                let href = self.href().to_owned();
                tokio::task::spawn_blocking(move || read_local(&path, &file, range, etag.as_deref(), &href))
                    .await
                    .map_err(|error| IoError::Internal { reason: error.to_string() })?
            }
            Place::Remote { store, key } => {
                let fetched = store.get(key, range, etag, self.href()).await?;
                Ok(Fetched { bytes: fetched.bytes, object_len: fetched.object_len, etag: fetched.etag })
            }
        }
    }

    /// Fetches several ranges in few requests; the answers come in the order of `ranges`.
    ///
    /// Near ranges travel together, far ones side by side. Every range must lie inside the object.
    ///
    /// # Errors
    /// As [`AssetRef::read`]; also where the object ends before a range does.
    pub async fn read_ranges(&self, ranges: &[Range<u64>], etag: Option<&str>) -> Result<Vec<Bytes>, IoError> {
        let requests = coalesce(ranges);
        let answers = futures::future::try_join_all(requests.iter().map(|request| self.read(request.clone(), etag)));
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
    for range in sorted {
        if let Some(last) = requests.last_mut() {
            let overlaps = range.start < last.end;
            let is_near = range.start <= last.end + GAP_BYTES_MAX;
            let is_short = range.end.max(last.end) - last.start <= REQUEST_BYTES_MAX;
            if overlaps || (is_near && is_short) {
                last.end = last.end.max(range.end);
                continue;
            }
        }
        requests.push(range);
    }
    requests
}

fn read_local(
    path: &Path,
    file: &OnceLock<File>,
    range: Range<u64>,
    etag: Option<&str>,
    href: &str,
) -> Result<Fetched, IoError> {
    let failed = |source| IoError::File { path: path.to_owned(), source };
    let opened = match file.get() {
        Some(opened) => opened,
        None => {
            let new = File::open(path).map_err(failed)?;
            file.get_or_init(|| new)
        }
    };
    let metadata = opened.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(IoError::Href { href: href.to_owned(), reason: "this is a folder, not a raster".to_owned() });
    }
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let found_etag = format!("{:x}-{:x}", metadata.len(), modified.map_or(0, |time| time.as_nanos()));
    if etag.is_some_and(|expected| expected != found_etag) {
        return Err(IoError::Changed { href: href.to_owned() });
    }
    let end = range.end.min(metadata.len());
    let len = end.saturating_sub(range.start) as usize;
    let mut buffer = vec![0; len];
    read_exact_at(opened, &mut buffer, range.start).map_err(failed)?;
    Ok(Fetched { bytes: buffer.into(), object_len: metadata.len(), etag: Some(found_etag) })
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(not(unix))]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    let mut own = file.try_clone()?;
    own.seek(SeekFrom::Start(offset))?;
    own.read_exact(buffer)
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
    fn long_runs_are_split() {
        let piece = 3 << 20;
        let ranges: Vec<_> = (0..4u64).map(|index| index * piece..(index + 1) * piece).collect();
        assert_eq!(coalesce(&ranges), vec![0..2 * piece, 2 * piece..4 * piece]);
    }
}
