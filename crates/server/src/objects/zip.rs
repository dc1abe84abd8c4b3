//! Where every byte of a product's zip lies, before any of it is read.
//!
//! Files are stored, not compressed, in the order given; sizes follow their data in a descriptor
//! (APPNOTE 4.3.9), so that no byte of a file must be read to begin, and the length of the whole is
//! known. The same files give the same bytes. Zip64 is used where a size or offset needs it.

use std::ops::Range;

use chrono::{DateTime, Datelike, Timelike, Utc};
use thiserror::Error;

/// Longest name of an entry, in bytes.
const NAME_BYTES_MAX: usize = u16::MAX as usize;
/// From here on sizes and offsets stand in the Zip64 fields.
const ZIP64_FROM: u64 = u32::MAX as u64;
/// From here on the number of entries stands in the Zip64 end record.
const ZIP64_ENTRIES_FROM: usize = u16::MAX as usize;
/// Bits of the general purpose flag: sizes follow the data, names are UTF-8.
const FLAGS: u16 = (1 << 3) | (1 << 11);
/// Version needed to extract: 2.0 for folders, 4.5 for Zip64.
const VERSION: u16 = 20;
const VERSION_ZIP64: u16 = 45;
/// Made on Unix, by version 4.5.
const MADE_BY: u16 = (3 << 8) | VERSION_ZIP64;
/// A plain file that everybody may read.
const ATTRIBUTES: u32 = 0o100_644 << 16;
const LOCAL_BYTES: u64 = 30;
const LOCAL_ZIP64_BYTES: u64 = 20;
const DESCRIPTOR_BYTES: u64 = 16;
const DESCRIPTOR_ZIP64_BYTES: u64 = 24;
const CENTRAL_BYTES: u64 = 46;

/// A product whose files cannot be one zip.
#[derive(Debug, Error, PartialEq)]
#[error("{reason}")]
pub(crate) struct ZipError {
    reason: String,
}

/// A file to be put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Path in the zip, with `/` between folders.
    pub(crate) name: String,
    /// Bytes of the file.
    pub(crate) len: u64,
}

/// A part of the zip, to be produced in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A range of the bytes of a file.
    Data {
        /// Which file.
        entry: usize,
        /// Which of its bytes.
        range: Range<u64>,
    },
    /// A range of what follows a file: it holds the file's checksum.
    Descriptor {
        /// Which file.
        entry: usize,
        /// Which bytes of [`ZipLayout::descriptor`].
        range: Range<usize>,
    },
    /// A range of a file's record in the directory: it holds the file's checksum.
    Record {
        /// Which file.
        entry: usize,
        /// Which bytes of [`ZipLayout::record`].
        range: Range<usize>,
    },
}

/// Where the parts of a zip lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZipLayout {
    entries: Vec<Entry>,
    /// Begin of the local header of each entry, and of the directory.
    offsets: Vec<u64>,
    /// Begin of the directory's record of each entry, and of the end records.
    records: Vec<u64>,
    date: u16,
    time: u16,
    len: u64,
}

impl ZipLayout {
    /// Lays out files in their order; `modified` is the time that all of them show.
    ///
    /// # Errors
    /// Where a name is too long or stands twice.
    pub(crate) fn new(entries: Vec<Entry>, modified: DateTime<Utc>) -> Result<Self, ZipError> {
        let mut seen = std::collections::HashSet::new();
        for entry in &entries {
            if entry.name.is_empty() || entry.name.len() > NAME_BYTES_MAX {
                let reason = format!("a name of {} bytes", entry.name.len());
                return Err(ZipError { reason });
            }
            if !seen.insert(entry.name.as_str()) {
                let reason = format!("two files are named {}", entry.name);
                return Err(ZipError { reason });
            }
        }
        let (date, time) = dos_time(modified);
        let mut layout = Self {
            entries,
            offsets: Vec::new(),
            records: Vec::new(),
            date,
            time,
            len: 0,
        };
        let mut at = 0;
        for index in 0..layout.entries.len() {
            layout.offsets.push(at);
            at +=
                layout.local_len(index) + layout.entries[index].len + layout.descriptor_len(index);
        }
        layout.offsets.push(at);
        for index in 0..layout.entries.len() {
            layout.records.push(at);
            at += layout.record_len(index);
        }
        layout.records.push(at);
        layout.len = at + layout.end().len() as u64;
        Ok(layout)
    }

    /// Returns the bytes of the whole.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    fn is_zip64(&self, entry: usize) -> bool {
        self.entries[entry].len >= ZIP64_FROM
    }

    fn name_len(&self, entry: usize) -> u64 {
        self.entries[entry].name.len() as u64
    }

    fn local_len(&self, entry: usize) -> u64 {
        let extra = if self.is_zip64(entry) {
            LOCAL_ZIP64_BYTES
        } else {
            0
        };
        LOCAL_BYTES + self.name_len(entry) + extra
    }

    fn descriptor_len(&self, entry: usize) -> u64 {
        if self.is_zip64(entry) {
            DESCRIPTOR_ZIP64_BYTES
        } else {
            DESCRIPTOR_BYTES
        }
    }

    fn record_len(&self, entry: usize) -> u64 {
        CENTRAL_BYTES + self.name_len(entry) + self.record_extra(entry).len() as u64
    }

    fn local(&self, entry: usize) -> Vec<u8> {
        let is_zip64 = self.is_zip64(entry);
        let mut bytes = Vec::new();
        put32(&mut bytes, 0x0403_4b50);
        put16(&mut bytes, if is_zip64 { VERSION_ZIP64 } else { VERSION });
        put16(&mut bytes, FLAGS);
        put16(&mut bytes, 0);
        put16(&mut bytes, self.time);
        put16(&mut bytes, self.date);
        put32(&mut bytes, 0);
        // With Zip64 the sizes are said to be elsewhere, else they follow the data: both begin as 0.
        let size = if is_zip64 { u32::MAX } else { 0 };
        put32(&mut bytes, size);
        put32(&mut bytes, size);
        put16(&mut bytes, self.entries[entry].name.len() as u16);
        put16(
            &mut bytes,
            if is_zip64 {
                LOCAL_ZIP64_BYTES as u16
            } else {
                0
            },
        );
        bytes.extend(self.entries[entry].name.as_bytes());
        if is_zip64 {
            put16(&mut bytes, 1);
            put16(&mut bytes, 16);
            put64(&mut bytes, 0);
            put64(&mut bytes, 0);
        }
        bytes
    }

    /// Returns what follows the data of a file whose checksum (CRC-32) is `crc`.
    pub(crate) fn descriptor(&self, entry: usize, crc: u32) -> Vec<u8> {
        let len = self.entries[entry].len;
        let mut bytes = Vec::new();
        put32(&mut bytes, 0x0807_4b50);
        put32(&mut bytes, crc);
        for _ in 0..2 {
            if self.is_zip64(entry) {
                put64(&mut bytes, len);
            } else {
                put32(&mut bytes, len as u32);
            }
        }
        bytes
    }

    fn record_extra(&self, entry: usize) -> Vec<u8> {
        let mut fields = Vec::new();
        if self.is_zip64(entry) {
            put64(&mut fields, self.entries[entry].len);
            put64(&mut fields, self.entries[entry].len);
        }
        if self.offsets[entry] >= ZIP64_FROM {
            put64(&mut fields, self.offsets[entry]);
        }
        if fields.is_empty() {
            return fields;
        }
        let mut extra = Vec::new();
        put16(&mut extra, 1);
        put16(&mut extra, fields.len() as u16);
        extra.extend(fields);
        extra
    }

    /// Returns a file's record in the directory.
    pub(crate) fn record(&self, entry: usize, crc: u32) -> Vec<u8> {
        let extra = self.record_extra(entry);
        let size = self.entries[entry].len.min(ZIP64_FROM) as u32;
        let mut bytes = Vec::new();
        put32(&mut bytes, 0x0201_4b50);
        put16(&mut bytes, MADE_BY);
        put16(
            &mut bytes,
            if extra.is_empty() {
                VERSION
            } else {
                VERSION_ZIP64
            },
        );
        put16(&mut bytes, FLAGS);
        put16(&mut bytes, 0);
        put16(&mut bytes, self.time);
        put16(&mut bytes, self.date);
        put32(&mut bytes, crc);
        put32(&mut bytes, size);
        put32(&mut bytes, size);
        put16(&mut bytes, self.entries[entry].name.len() as u16);
        put16(&mut bytes, extra.len() as u16);
        // Comment, disk, internal attributes: none.
        for _ in 0..3 {
            put16(&mut bytes, 0);
        }
        put32(&mut bytes, ATTRIBUTES);
        put32(&mut bytes, self.offsets[entry].min(ZIP64_FROM) as u32);
        bytes.extend(self.entries[entry].name.as_bytes());
        bytes.extend(extra);
        bytes
    }

    fn directory(&self) -> Range<u64> {
        let start = self.offsets[self.entries.len()];
        start..self.records[self.entries.len()]
    }

    /// Returns the records that end the zip.
    fn end(&self) -> Vec<u8> {
        let directory = self.directory();
        let (count, len) = (self.entries.len(), directory.end - directory.start);
        let mut bytes = Vec::new();
        if count >= ZIP64_ENTRIES_FROM || len >= ZIP64_FROM || directory.start >= ZIP64_FROM {
            put32(&mut bytes, 0x0606_4b50);
            put64(&mut bytes, 44);
            put16(&mut bytes, MADE_BY);
            put16(&mut bytes, VERSION_ZIP64);
            put32(&mut bytes, 0);
            put32(&mut bytes, 0);
            put64(&mut bytes, count as u64);
            put64(&mut bytes, count as u64);
            put64(&mut bytes, len);
            put64(&mut bytes, directory.start);
            put32(&mut bytes, 0x0706_4b50);
            put32(&mut bytes, 0);
            put64(&mut bytes, directory.end);
            put32(&mut bytes, 1);
        }
        put32(&mut bytes, 0x0605_4b50);
        put16(&mut bytes, 0);
        put16(&mut bytes, 0);
        let shown_count = count.min(ZIP64_ENTRIES_FROM) as u16;
        put16(&mut bytes, shown_count);
        put16(&mut bytes, shown_count);
        put32(&mut bytes, len.min(ZIP64_FROM) as u32);
        put32(&mut bytes, directory.start.min(ZIP64_FROM) as u32);
        put16(&mut bytes, 0);
        bytes
    }

    /// Returns the first piece of `range`, as much of it as one piece can be; `None` where it is empty
    /// or begins behind the end.
    pub(crate) fn piece(&self, range: &Range<u64>) -> Option<Piece> {
        let range = range.start..range.end.min(self.len);
        if range.is_empty() {
            return None;
        }
        let directory = self.directory();
        if range.start >= directory.end {
            let bytes = self.end();
            let within = part(&range, directory.end, bytes.len() as u64);
            return Some(Piece::Bytes(slice(&bytes, within)));
        }
        if range.start >= directory.start {
            let entry = self.records.partition_point(|at| *at <= range.start) - 1;
            let within = part(&range, self.records[entry], self.record_len(entry));
            return Some(Piece::Record {
                entry,
                range: within.start as usize..within.end as usize,
            });
        }
        let entry = self.offsets.partition_point(|at| *at <= range.start) - 1;
        Some(self.piece_of(entry, &range))
    }

    fn piece_of(&self, entry: usize, range: &Range<u64>) -> Piece {
        let local = self.offsets[entry];
        let data = local + self.local_len(entry);
        let descriptor = data + self.entries[entry].len;
        if range.start < data {
            let within = part(range, local, self.local_len(entry));
            return Piece::Bytes(slice(&self.local(entry), within));
        }
        if range.start < descriptor {
            let range = part(range, data, self.entries[entry].len);
            return Piece::Data { entry, range };
        }
        let within = part(range, descriptor, self.descriptor_len(entry));
        Piece::Descriptor {
            entry,
            range: within.start as usize..within.end as usize,
        }
    }
}

impl Piece {
    /// Returns how many bytes it has.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Data { range, .. } => range.end - range.start,
            Self::Descriptor { range, .. } | Self::Record { range, .. } => range.len() as u64,
        }
    }
}

/// Returns what `range` covers of the `len` bytes at `start`, counted from there.
fn part(range: &Range<u64>, start: u64, len: u64) -> Range<u64> {
    range.start - start..(range.end - start).min(len)
}

fn slice(bytes: &[u8], within: Range<u64>) -> Vec<u8> {
    bytes[within.start as usize..within.end as usize].to_vec()
}

/// Returns date and time of a zip: two seconds fine, from 1980 to 2107, in UTC.
fn dos_time(datetime: DateTime<Utc>) -> (u16, u16) {
    let year = datetime.year().clamp(1980, 2107) - 1980;
    let date = (year as u32) << 9 | datetime.month() << 5 | datetime.day();
    let time = datetime.hour() << 11 | datetime.minute() << 5 | (datetime.second() / 2);
    (date as u16, time as u16)
}

fn put16(bytes: &mut Vec<u8>, value: u16) {
    bytes.extend(value.to_le_bytes());
}

fn put32(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend(value.to_le_bytes());
}

fn put64(bytes: &mut Vec<u8>, value: u64) {
    bytes.extend(value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Cursor, Read};

    fn modified() -> DateTime<Utc> {
        "2022-10-05T11:54:11Z".parse().expect("valid")
    }

    fn contents(entries: &[Entry]) -> Vec<Vec<u8>> {
        let bytes =
            |index: usize, len: u64| (0..len).map(|at| (at as usize * 7 + index) as u8).collect();
        entries
            .iter()
            .enumerate()
            .map(|(index, entry)| bytes(index, entry.len))
            .collect()
    }

    /// Produces a range as the server does.
    fn produce(layout: &ZipLayout, contents: &[Vec<u8>], mut range: Range<u64>) -> Vec<u8> {
        let crc = |entry: usize| crc32fast::hash(&contents[entry]);
        let mut bytes = Vec::new();
        while let Some(piece) = layout.piece(&range) {
            assert!(piece.len() > 0, "every step goes on");
            range.start += piece.len();
            match piece {
                Piece::Bytes(own) => bytes.extend(own),
                Piece::Data { entry, range } => {
                    bytes.extend(&contents[entry][range.start as usize..range.end as usize])
                }
                Piece::Descriptor { entry, range } => {
                    bytes.extend(&layout.descriptor(entry, crc(entry))[range])
                }
                Piece::Record { entry, range } => {
                    bytes.extend(&layout.record(entry, crc(entry))[range])
                }
            }
        }
        bytes
    }

    fn entries(lens: &[u64]) -> Vec<Entry> {
        lens.iter()
            .enumerate()
            .map(|(index, len)| Entry {
                name: format!("A.SAFE/é {index}.jp2"),
                len: *len,
            })
            .collect()
    }

    #[test]
    fn a_zip_reader_reads_it() {
        let entries = entries(&[0, 1, 5_000]);
        let contents = contents(&entries);
        let layout = ZipLayout::new(entries.clone(), modified()).expect("a layout");
        let bytes = produce(&layout, &contents, 0..u64::MAX);
        assert_eq!(bytes.len() as u64, layout.len());
        let mut archive = ::zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip");
        for (index, entry) in entries.iter().enumerate() {
            let mut file = archive.by_index(index).expect("a file");
            assert_eq!(file.name(), entry.name);
            let mut found = Vec::new();
            file.read_to_end(&mut found)
                .expect("readable, checksum right");
            assert_eq!(found, contents[index]);
        }
    }

    #[test]
    fn large_files_use_zip64() {
        let large = 5u64 << 30;
        let layout = ZipLayout::new(entries(&[large, 3]), modified()).expect("a layout");
        assert_eq!(layout.descriptor(0, 0).len(), 24);
        assert_eq!(layout.descriptor(1, 0).len(), 16);
        // The second file's offset needs 64 bits, so do the directory's place and the first's size.
        assert_eq!(layout.record_extra(0).len(), 20);
        assert_eq!(layout.record_extra(1).len(), 12);
        assert_eq!(layout.end().len(), 56 + 20 + 22);
        let data = layout.offsets[0] + layout.local_len(0);
        assert_eq!(
            layout.piece(&(data + large - 1..data + large + 5)),
            Some(Piece::Data {
                entry: 0,
                range: large - 1..large
            })
        );
    }

    #[test]
    fn many_files_use_zip64() {
        let layout = ZipLayout::new(entries(&vec![0; 70_000]), modified()).expect("a layout");
        assert_eq!(layout.end().len(), 56 + 20 + 22);
    }

    #[test]
    fn names_are_checked() {
        let twice = vec![entries(&[1])[0].clone(), entries(&[2])[0].clone()];
        assert!(ZipLayout::new(twice, modified()).is_err());
    }

    proptest! {
        #[test]
        fn any_range_is_a_part_of_the_whole(lens in prop::collection::vec(0u64..300, 0..12), a in 0u64..4_000, b in 0u64..4_000) {
            let entries = entries(&lens);
            let contents = contents(&entries);
            let layout = ZipLayout::new(entries, modified()).expect("a layout");
            let whole = produce(&layout, &contents, 0..layout.len());
            prop_assert_eq!(whole.len() as u64, layout.len());
            let (start, end) = (a.min(b).min(layout.len()), a.max(b).min(layout.len()));
            let found = produce(&layout, &contents, start..end);
            prop_assert_eq!(&found[..], &whole[start as usize..end as usize]);
        }
    }
}
