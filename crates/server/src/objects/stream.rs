//! Bodies of downloads, read ahead a little and sent as they are read.
//!
//! A body that fails is cut off: the client sees that bytes are missing and goes on from there.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use swath_io::{AssetRef, IoError};
use tokio::sync::mpsc;

use super::checksums::{Checksums, FileVersion};
use super::zip::{Piece, ZipLayout};

/// Bytes of one read from a local file.
const READ_LOCAL_BYTES: u64 = 1 << 20;
/// Bytes of one read from a remote store: a request costs more there.
const READ_REMOTE_BYTES: u64 = 8 << 20;
/// Parts that are read ahead of the client.
const READS_AHEAD: usize = 2;

/// A file to be sent, as it was found.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Where its bytes are.
    pub(super) asset: AssetRef,
    /// How many.
    pub(super) len: u64,
    /// Which version.
    pub(super) etag: Option<String>,
}

impl Source {
    /// Returns where it lies, without credentials.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.asset.store(), self.asset.href())
    }

    /// Returns which version it is.
    pub(super) fn version(&self) -> String {
        format!("{}/{}", self.len, self.etag.as_deref().unwrap_or_default())
    }

    fn file_version(&self) -> FileVersion {
        FileVersion {
            place: self.place(),
            etag: self.version(),
        }
    }

    fn read_bytes(&self) -> u64 {
        match self.asset.local_path() {
            Some(_) => READ_LOCAL_BYTES,
            None => READ_REMOTE_BYTES,
        }
    }

    /// Reads a range part by part and hands each on; false where `take` wants no more.
    async fn read(&self, range: Range<u64>, take: &mut impl AsyncTake) -> Result<bool, IoError> {
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at + self.read_bytes());
            let part = self.asset.read(at..end, self.etag.as_deref()).await?;
            if part.bytes.len() as u64 != end - at {
                return Err(IoError::Changed {
                    href: self.asset.href().to_owned(),
                });
            }
            if !take.take(part.bytes).await {
                return Ok(false);
            }
            at = end;
        }
        Ok(true)
    }
}

/// Takes parts of a file in order.
trait AsyncTake {
    /// Takes a part; false where no more is wanted.
    fn take(&mut self, bytes: Bytes) -> impl Future<Output = bool> + Send;
}

type Part = Result<Bytes, std::io::Error>;

/// Sends parts to the client.
struct Sender {
    parts: mpsc::Sender<Part>,
    /// Checksum of what went through.
    hasher: crc32fast::Hasher,
}

impl AsyncTake for Sender {
    async fn take(&mut self, bytes: Bytes) -> bool {
        self.hasher.update(&bytes);
        self.parts.send(Ok(bytes)).await.is_ok()
    }
}

/// Computes the checksum of parts that nobody wants yet, as long as the client is there.
struct Digest<'a> {
    hasher: crc32fast::Hasher,
    client: &'a mpsc::Sender<Part>,
}

impl AsyncTake for Digest<'_> {
    async fn take(&mut self, bytes: Bytes) -> bool {
        self.hasher.update(&bytes);
        !self.client.is_closed()
    }
}

/// Returns a range of a file as a body.
pub(super) fn file(source: Source, range: Range<u64>) -> Body {
    body(|parts| async move {
        let mut sender = Sender::new(parts);
        source.read(range, &mut sender).await.map(|_| ())
    })
}

/// Returns a range of a zip as a body.
///
/// The checksum of a file is known when it went through from its first byte to its last, or from an
/// earlier download of the same version; else it is read for it, when the zip comes to that place.
pub(super) fn zip(
    layout: Arc<ZipLayout>,
    sources: Vec<Source>,
    checksums: Arc<Checksums>,
    range: Range<u64>,
) -> Body {
    body(|parts| async move {
        let writer = ZipWriter {
            layout,
            sources,
            checksums,
            parts,
        };
        writer.write(range).await
    })
}

fn body<F>(work: impl FnOnce(mpsc::Sender<Part>) -> F) -> Body
where
    F: Future<Output = Result<(), IoError>> + Send + 'static,
{
    let (parts, receiver) = mpsc::channel(READS_AHEAD);
    let failed = parts.clone();
    let work = work(parts);
    tokio::spawn(async move {
        if let Err(error) = work.await {
            tracing::warn!(%error, "a download was cut off");
            // Nobody listens any more where this fails.
            let _ = failed
                .send(Err(std::io::Error::other("the store failed")))
                .await;
        }
    });
    let stream = futures::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|part| (part, receiver))
    });
    // Compression asks once more after the end, which an unfolded stream does not bear.
    Body::from_stream(stream.fuse())
}

impl Sender {
    fn new(parts: mpsc::Sender<Part>) -> Self {
        Self {
            parts,
            hasher: crc32fast::Hasher::new(),
        }
    }
}

struct ZipWriter {
    layout: Arc<ZipLayout>,
    sources: Vec<Source>,
    checksums: Arc<Checksums>,
    parts: mpsc::Sender<Part>,
}

impl ZipWriter {
    async fn write(&self, mut range: Range<u64>) -> Result<(), IoError> {
        while let Some(piece) = self.layout.piece(&range) {
            range.start += piece.len();
            let bytes = match piece {
                Piece::Bytes(bytes) => Bytes::from(bytes),
                Piece::Data { entry, range } => {
                    if !self.data(entry, range).await? {
                        return Ok(());
                    }
                    continue;
                }
                Piece::Descriptor { entry, range } => {
                    let Some(crc) = self.checksum(entry).await? else {
                        return Ok(());
                    };
                    Bytes::from(self.layout.descriptor(entry, crc)).slice(range)
                }
                Piece::Record { entry, range } => {
                    let Some(crc) = self.checksum(entry).await? else {
                        return Ok(());
                    };
                    Bytes::from(self.layout.record(entry, crc)).slice(range)
                }
            };
            if self.parts.send(Ok(bytes)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn data(&self, entry: usize, range: Range<u64>) -> Result<bool, IoError> {
        let source = &self.sources[entry];
        let mut sender = Sender::new(self.parts.clone());
        let is_whole = range == (0..source.len);
        let goes_on = source.read(range, &mut sender).await?;
        if is_whole && goes_on {
            self.checksums
                .put(source.file_version(), sender.hasher.finalize());
        }
        Ok(goes_on)
    }

    /// Returns the checksum of a file, `None` where the client went while it was read.
    async fn checksum(&self, entry: usize) -> Result<Option<u32>, IoError> {
        let source = &self.sources[entry];
        let version = source.file_version();
        if let Some(crc) = self.checksums.get(&version) {
            return Ok(Some(crc));
        }
        let mut digest = Digest {
            hasher: crc32fast::Hasher::new(),
            client: &self.parts,
        };
        if !source.read(0..source.len, &mut digest).await? {
            return Ok(None);
        }
        let crc = digest.hasher.finalize();
        self.checksums.put(version, crc);
        Ok(Some(crc))
    }
}
