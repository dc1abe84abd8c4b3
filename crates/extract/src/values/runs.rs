//! Sorted runs of values on scratch space that all parcels of a scan share.

use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ExtractError;

/// Bytes of read buffers of one merge, shared out among its runs.
const MERGE_BYTES: usize = 8 << 20;
/// Least bytes of the read buffer of a run.
const BUFFER_BYTES_MIN: usize = 4 << 10;
/// Most bytes of the read buffer of a run.
const BUFFER_BYTES_MAX: usize = 256 << 10;
/// Bytes that are written at once.
const WRITE_BYTES: usize = 1 << 20;

/// One nameless file: however many parcels wait, the process opens no more.
#[derive(Debug)]
pub(crate) struct Scratch {
    file: File,
    /// Bytes given out so far.
    end: AtomicU64,
}

impl Scratch {
    /// Returns empty scratch space.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) fn new() -> Result<Arc<Self>, ExtractError> {
        let file = tempfile::tempfile().map_err(|error| scratch_error(&error))?;
        Ok(Arc::new(Self {
            file,
            end: AtomicU64::new(0),
        }))
    }
}

/// The runs of one parcel and band.
#[derive(Debug)]
pub(super) struct Runs {
    scratch: Arc<Scratch>,
    runs: Vec<Run>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy)]
struct Run {
    offset: u64,
    /// Number of values.
    len: usize,
}

impl Runs {
    pub(super) fn new(scratch: &Arc<Scratch>) -> Self {
        Self {
            scratch: scratch.clone(),
            runs: Vec::new(),
        }
    }

    /// Sorts `values` and writes them.
    ///
    /// # Errors
    /// Where the scratch space is full or fails.
    pub(super) fn push<K: FromBytes>(&mut self, mut values: Vec<K>) -> Result<(), ExtractError> {
        values.sort_unstable();
        let bytes = (values.len() * size_of::<K>()) as u64;
        let offset = self.scratch.end.fetch_add(bytes, Ordering::Relaxed);
        let file = FileAt {
            file: &self.scratch.file,
            offset,
        };
        let mut out = BufWriter::with_capacity(WRITE_BYTES, file);
        values
            .iter()
            .try_for_each(|value| value.write(&mut out))
            .and_then(|()| out.flush())
            .map_err(|error| scratch_error(&error))?;
        self.runs.push(Run {
            offset,
            len: values.len(),
        });
        Ok(())
    }

    /// Calls `visit` with all values of all runs in order.
    ///
    /// # Errors
    /// Where the scratch space fails.
    pub(super) fn merge<K: FromBytes>(&self, mut visit: impl FnMut(K)) -> Result<(), ExtractError> {
        let failed = |error: std::io::Error| scratch_error(&error);
        let buffer_bytes =
            (MERGE_BYTES / self.runs.len().max(1)).clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
        let reader = |run: &Run| RunReader::<K>::new(&self.scratch.file, *run, buffer_bytes);
        let mut readers: Vec<_> = self.runs.iter().map(reader).collect();
        let mut heads = BinaryHeap::new();
        for (index, reader) in readers.iter_mut().enumerate() {
            let first = reader.next().map_err(failed)?;
            heads.extend(first.map(|value| std::cmp::Reverse((value, index))));
        }
        while let Some(std::cmp::Reverse((value, index))) = heads.pop() {
            visit(value);
            let next = readers[index].next().map_err(failed)?;
            heads.extend(next.map(|value| std::cmp::Reverse((value, index))));
        }
        Ok(())
    }
}

/// Fixed-size values in a run.
pub(super) trait FromBytes: Copy + Ord {
    fn read(reader: &mut impl Read) -> std::io::Result<Self>;
    fn write(&self, writer: &mut impl Write) -> std::io::Result<()>;
}

macro_rules! from_bytes {
    ($($type:ty),*) => {$(
        impl FromBytes for $type {
            fn read(reader: &mut impl Read) -> std::io::Result<Self> {
                let mut bytes = [0; size_of::<$type>()];
                reader.read_exact(&mut bytes)?;
                Ok(<$type>::from_le_bytes(bytes))
            }
            fn write(&self, writer: &mut impl Write) -> std::io::Result<()> {
                writer.write_all(&self.to_le_bytes())
            }
        }
    )*};
}
from_bytes!(u32, u64, u128);

struct RunReader<'a, K> {
    reader: BufReader<FileAt<'a>>,
    left: usize,
    kind: std::marker::PhantomData<K>,
}

impl<'a, K: FromBytes> RunReader<'a, K> {
    fn new(file: &'a File, run: Run, buffer_bytes: usize) -> Self {
        let offset = run.offset;
        Self {
            reader: BufReader::with_capacity(buffer_bytes, FileAt { file, offset }),
            left: run.len,
            kind: Default::default(),
        }
    }

    fn next(&mut self) -> std::io::Result<Option<K>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        K::read(&mut self.reader).map(Some)
    }
}

/// Reads and writes at an own position of a file that threads share.
struct FileAt<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for FileAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = read_at(self.file, buffer, self.offset)?;
        self.offset += len as u64;
        Ok(len)
    }
}

impl Write for FileAt<'_> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let len = write_at(self.file, buffer, self.offset)?;
        self.offset += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
use std::os::unix::fs::FileExt;
#[cfg(windows)]
use std::os::windows::fs::FileExt;

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
    file.read_at(buffer, offset)
}

#[cfg(unix)]
fn write_at(file: &File, buffer: &[u8], offset: u64) -> std::io::Result<usize> {
    file.write_at(buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
    file.seek_read(buffer, offset)
}

#[cfg(windows)]
fn write_at(file: &File, buffer: &[u8], offset: u64) -> std::io::Result<usize> {
    file.seek_write(buffer, offset)
}

fn scratch_error(error: &std::io::Error) -> ExtractError {
    let reason =
        format!("{error}; free some space in the temporary folder (TMPDIR) or give more --memory");
    ExtractError::Scratch { reason }
}
