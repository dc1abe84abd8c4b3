//! What a run has done so far, beside its output: a run that was stopped goes on from there.
//!
//! A journal is a header line and frames, one per item in the order of the output. A frame that is
//! cut off or damaged ends the journal; the items from there on are measured again.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use swath_raster::ValueStatistics;
use xxhash_rust::xxh3::xxh3_64;

use crate::ExtractError;
use crate::items::Skipped;
use crate::measure::{ClassRow, Row};

const MAGIC: &[u8; 8] = b"swathjn1";
const HEAD_BYTES: usize = 16;
/// Largest frame that is believed when read back.
const FRAME_BYTES_MAX: u64 = 16 << 30;

/// Everything that one item brought.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct ItemRows {
    pub(crate) head: ItemHead,
    pub(crate) rows: Vec<Row>,
    pub(crate) classes: Vec<ClassRow>,
}

/// An item without its rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ItemHead {
    pub(crate) id: String,
    pub(crate) datetime_us: i64,
    pub(crate) bands: Vec<String>,
    pub(crate) off_grid: usize,
    pub(crate) bytes: u64,
    /// Why there are no rows.
    pub(crate) skipped: Option<String>,
}

impl ItemHead {
    pub(crate) fn as_skipped(&self) -> Option<Skipped> {
        self.skipped.as_ref().map(|reason| Skipped {
            name: self.id.clone(),
            reason: reason.clone(),
            is_failure: true,
        })
    }
}

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes up to the end of the last whole frame.
    len: u64,
    /// Whole frames.
    items: usize,
}

impl Journal {
    /// Opens the journal at `path` if it belongs to `plan`, else begins a new one.
    ///
    /// # Errors
    /// Where the file cannot be written, or another run holds it.
    pub(crate) fn open(path: &Path, plan: u64) -> Result<Self, ExtractError> {
        let failed = |error: std::io::Error| journal_error(path, &error.to_string());
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        if let Err(std::fs::TryLockError::WouldBlock) = file.try_lock() {
            return Err(journal_error(
                path,
                "another run is writing the same output; wait for it or stop it",
            ));
        }
        let mut head = [0; 16];
        let is_ours = file.read_exact(&mut head).is_ok()
            && head[..8] == MAGIC[..]
            && head[8..] == plan.to_le_bytes();
        if !is_ours {
            file.set_len(0).map_err(failed)?;
            file.seek(SeekFrom::Start(0)).map_err(failed)?;
            file.write_all(MAGIC).map_err(failed)?;
            file.write_all(&plan.to_le_bytes()).map_err(failed)?;
        }
        let mut journal = Self {
            path: path.to_owned(),
            file,
            len: 16,
            items: 0,
        };
        if is_ours {
            let mut frames = journal.frames()?;
            while let Some(frame) = frames.read_frame() {
                journal.len += (HEAD_BYTES + frame.len()) as u64;
                journal.items += 1;
            }
            journal
                .file
                .set_len(journal.len)
                .map_err(|error| journal_error(path, &error.to_string()))?;
        }
        Ok(journal)
    }

    /// Returns how many items are in it.
    pub(crate) fn items(&self) -> usize {
        self.items
    }

    /// Appends an item.
    ///
    /// # Errors
    /// Where the file cannot be written; what was appended before stays.
    pub(crate) fn push(&mut self, item: &ItemRows) -> Result<(), ExtractError> {
        let frame = encode(item)?;
        let mut bytes = Vec::with_capacity(HEAD_BYTES + frame.len());
        bytes.extend((frame.len() as u64).to_le_bytes());
        bytes.extend(xxh3_64(&frame).to_le_bytes());
        bytes.extend(frame);
        let written = self
            .file
            .seek(SeekFrom::Start(self.len))
            .and_then(|_| self.file.write_all(&bytes));
        written.map_err(|error| journal_error(&self.path, &error.to_string()))?;
        self.len += bytes.len() as u64;
        self.items += 1;
        Ok(())
    }

    /// Returns a reader of all items in order.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub(crate) fn frames(&self) -> Result<JournalReader, ExtractError> {
        let failed = |error: std::io::Error| journal_error(&self.path, &error.to_string());
        let mut file = BufReader::with_capacity(1 << 20, File::open(&self.path).map_err(failed)?);
        file.seek(SeekFrom::Start(16)).map_err(failed)?;
        Ok(JournalReader {
            file,
            path: self.path.clone(),
        })
    }

    /// Removes the journal: its items are in the output.
    pub(crate) fn remove(self) {
        // What stays behind is a file beside a complete output; the next run replaces it.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Reads a journal.
pub(crate) struct JournalReader {
    file: BufReader<File>,
    path: PathBuf,
}

impl JournalReader {
    fn read_frame(&mut self) -> Option<Vec<u8>> {
        let mut head = [0; HEAD_BYTES];
        self.file.read_exact(&mut head).ok()?;
        let number =
            |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight bytes"));
        let (len, sum) = (number(0), number(8));
        if len > FRAME_BYTES_MAX {
            return None;
        }
        let mut frame = Vec::new();
        (&mut self.file).take(len).read_to_end(&mut frame).ok()?;
        (frame.len() as u64 == len && xxh3_64(&frame) == sum).then_some(frame)
    }

    /// Returns the next item.
    ///
    /// # Errors
    /// Where a frame that was whole is not any more.
    pub(crate) fn next_item(&mut self) -> Result<ItemRows, ExtractError> {
        self.read_frame()
            .and_then(|frame| decode(&frame))
            .ok_or_else(|| {
                journal_error(
                    &self.path,
                    "was changed by somebody else; remove it and run the command again",
                )
            })
    }
}

fn journal_error(path: &Path, reason: &str) -> ExtractError {
    ExtractError::Output {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn encode(item: &ItemRows) -> Result<Vec<u8>, ExtractError> {
    let head = serde_json::to_vec(&item.head).map_err(|error| ExtractError::Scratch {
        reason: error.to_string(),
    })?;
    let mut plain =
        Vec::with_capacity(32 + head.len() + item.rows.len() * 88 + item.classes.len() * 24);
    for len in [head.len(), item.rows.len(), item.classes.len()] {
        plain.extend((len as u64).to_le_bytes());
    }
    plain.extend(head);
    for row in &item.rows {
        plain.extend(row.parcel.to_le_bytes());
        plain.extend(row.band.to_le_bytes());
        plain.extend(row.count.to_le_bytes());
        plain.extend(row.clear.to_le_bytes());
        let nothing = ValueStatistics {
            mean: 0.0,
            stdev: 0.0,
            min: 0.0,
            max: 0.0,
            p25: 0.0,
            p50: 0.0,
            p75: 0.0,
        };
        plain.push(row.values.is_some().into());
        let v = row.values.unwrap_or(nothing);
        [v.mean, v.stdev, v.min, v.max, v.p25, v.p50, v.p75]
            .iter()
            .for_each(|value| plain.extend(value.to_le_bytes()));
    }
    for row in &item.classes {
        plain.extend(row.parcel.to_le_bytes());
        plain.extend(row.band.to_le_bytes());
        plain.extend(row.class.to_le_bytes());
        plain.extend(row.count.to_le_bytes());
    }
    zstd::bulk::compress(&plain, 1)
        .map(|packed| [&(plain.len() as u64).to_le_bytes()[..], &packed].concat())
        .map_err(|error| ExtractError::Scratch {
            reason: error.to_string(),
        })
}

fn decode(frame: &[u8]) -> Option<ItemRows> {
    let plain_len = u64::from_le_bytes(frame.get(..8)?.try_into().ok()?);
    let plain = zstd::bulk::decompress(
        &frame[8..],
        usize::try_from(plain_len.min(FRAME_BYTES_MAX)).ok()?,
    )
    .ok()?;
    let mut bytes = Cursor { rest: &plain };
    let (head_len, rows_len, classes_len) = (bytes.u64()?, bytes.u64()?, bytes.u64()?);
    let head = serde_json::from_slice(bytes.take(head_len as usize)?).ok()?;
    let mut rows = Vec::with_capacity((rows_len as usize).min(bytes.rest.len()));
    for _ in 0..rows_len {
        let (parcel, band) = (bytes.u32()?, bytes.u32()?);
        let (count, clear) = (bytes.f64()?, bytes.f64()?);
        let has_values = bytes.take(1)? == [1];
        let values = ValueStatistics {
            mean: bytes.f64()?,
            stdev: bytes.f64()?,
            min: bytes.f64()?,
            max: bytes.f64()?,
            p25: bytes.f64()?,
            p50: bytes.f64()?,
            p75: bytes.f64()?,
        };
        rows.push(Row {
            parcel,
            band,
            count,
            clear,
            values: has_values.then_some(values),
        });
    }
    let mut classes = Vec::with_capacity((classes_len as usize).min(bytes.rest.len()));
    for _ in 0..classes_len {
        classes.push(ClassRow {
            parcel: bytes.u32()?,
            band: bytes.u32()?,
            class: bytes.f64()?,
            count: bytes.f64()?,
        });
    }
    Some(ItemRows {
        head,
        rows,
        classes,
    })
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }
    fn u32(&mut self) -> Option<u32> {
        self.take(4)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u32::from_le_bytes)
    }
    fn u64(&mut self) -> Option<u64> {
        self.take(8)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u64::from_le_bytes)
    }
    fn f64(&mut self) -> Option<f64> {
        self.u64().map(f64::from_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str) -> ItemRows {
        let values = ValueStatistics {
            mean: 1.5,
            stdev: 0.5,
            min: 1.0,
            max: 2.0,
            p25: 1.0,
            p50: 1.5,
            p75: 2.0,
        };
        let row = |parcel, values| Row {
            parcel,
            band: 0,
            count: 2.0,
            values,
            clear: 0.5,
        };
        ItemRows {
            head: ItemHead {
                id: id.to_owned(),
                datetime_us: 7,
                bands: vec!["B04".to_owned()],
                ..ItemHead::default()
            },
            rows: vec![row(0, Some(values)), row(1, None)],
            classes: vec![ClassRow {
                parcel: 1,
                band: 0,
                class: 4.0,
                count: 0.25,
            }],
        }
    }

    #[test]
    fn a_cut_journal_keeps_its_whole_items() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.parquet.partial");
        let mut journal = Journal::open(&path, 9).expect("opens");
        journal.push(&item("a")).expect("writes");
        journal.push(&item("b")).expect("writes");
        drop(journal);
        let len = std::fs::metadata(&path).expect("there").len();
        OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("opens")
            .set_len(len - 3)
            .expect("cuts");
        let mut journal = Journal::open(&path, 9).expect("opens");
        assert_eq!(journal.items(), 1);
        journal.push(&item("c")).expect("writes");
        let mut frames = journal.frames().expect("opens");
        assert_eq!(frames.next_item().expect("whole"), item("a"));
        assert_eq!(frames.next_item().expect("whole"), item("c"));
        assert!(frames.next_item().is_err());
    }

    #[test]
    fn another_plan_begins_anew_and_a_second_run_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out.csv.partial");
        let mut journal = Journal::open(&path, 1).expect("opens");
        journal.push(&item("a")).expect("writes");
        assert!(Journal::open(&path, 1).is_err());
        drop(journal);
        assert_eq!(Journal::open(&path, 2).expect("opens").items(), 0);
    }
}
