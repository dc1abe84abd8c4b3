//! Compressed blocks of one level in the order of the final file: in a nameless scratch file, or in that file itself.
//!
//! Every block stands between its length (4 bytes, little-endian) and a copy of its last 4 bytes:
//! the leader and trailer that the header of the file announces. A mask follows its block.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use super::encode::EncodedBlock;

/// Bytes that are put together before they are written.
const BUFFER_BYTES: usize = 1 << 16;

/// Place of a block in the spool or the file; both 0 where the block is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Extent {
    /// First byte after the leader.
    pub offset: u64,
    /// Number of bytes without leader and trailer.
    pub len: u64,
}

/// The blocks of one level, row by row.
pub(super) struct Spool {
    file: BufWriter<File>,
    /// Bytes so far.
    pub len: u64,
    /// One per block.
    pub image: Vec<Extent>,
    /// One per block where there is a mask.
    pub mask: Vec<Extent>,
}

impl Spool {
    /// Opens a scratch file in `folder` that vanishes with this value or with the process.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        Self::after(0, tempfile::tempfile_in(folder)?)
    }

    /// Appends to `file`, after so many bytes that are kept free for what comes before the blocks.
    pub(super) fn after(start_bytes: u64, mut file: File) -> io::Result<Self> {
        file.seek(SeekFrom::Start(start_bytes))?;
        Ok(Self {
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            len: 0,
            image: Vec::new(),
            mask: Vec::new(),
        })
    }

    /// Appends the next block.
    pub(super) fn push(&mut self, block: &EncodedBlock, has_mask: bool) -> io::Result<()> {
        let image = self.append(&block.image)?;
        self.image.push(image);
        if has_mask {
            let mask = self.append(&block.mask)?;
            self.mask.push(mask);
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<Extent> {
        if bytes.is_empty() {
            return Ok(Extent::default());
        }
        let len = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let last_four: [u8; 4] = match bytes.last_chunk() {
            Some(last_four) => *last_four,
            None => [0; 4],
        };
        self.file.write_all(&len.to_le_bytes())?;
        self.file.write_all(bytes)?;
        self.file.write_all(&last_four)?;
        let extent = Extent {
            offset: self.len + 4,
            len: u64::from(len),
        };
        self.len += extent.len + 8;
        Ok(extent)
    }

    /// Writes what comes before the blocks, in the place that [`Spool::after`] kept free, and what is still held;
    /// all of it lasts then.
    pub(super) fn finish(&mut self, start: &[u8]) -> io::Result<()> {
        self.file.rewind()?;
        let file = self.file.get_mut();
        file.write_all(start)?;
        file.sync_all()
    }

    /// Appends the whole spool to `out`.
    pub(super) fn copy_to(&mut self, out: &mut File) -> io::Result<()> {
        self.file.flush()?;
        let file = self.file.get_mut();
        file.rewind()?;
        let copied = io::copy(file, out)?;
        if copied != self.len {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("scratch file holds {copied} bytes, not {}", self.len),
            ));
        }
        Ok(())
    }
}
