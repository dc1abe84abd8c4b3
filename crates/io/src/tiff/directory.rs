//! Header and chain of image file directories.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::SparseBytes;

/// Most directories read from one file.
pub(crate) const DIRECTORIES_MAX: usize = 512;
/// Most entries in one directory.
pub(crate) const ENTRIES_MAX: u64 = 4096;
/// Most bytes of one tag's value: the offsets of 16 million blocks.
pub(crate) const TAG_BYTES_MAX: u64 = 128 << 20;

/// What stands in the first bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) is_little_endian: bool,
    pub(crate) is_big_tiff: bool,
}

/// One tag as stored.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    field_type: u16,
    value: Vec<u8>,
}

/// One image file directory with the values of all its tags.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    pub(crate) offset: u64,
    pub(crate) header: Header,
    entries: BTreeMap<u16, Entry>,
}

/// How far a parse came.
#[derive(Debug)]
pub(crate) enum ParseStep {
    /// All directories, in the order of the chain.
    Done(Header, Vec<Directory>),
    /// These bytes are needed before it can go on.
    Missing(Range<u64>),
}

/// Parses the directories of a file of `file_len` bytes.
///
/// # Errors
/// A sentence that names what is wrong and at which offset.
pub(crate) fn parse(bytes: &SparseBytes, file_len: u64) -> Result<ParseStep, String> {
    let Some(start) = bytes.get(0, 16.min(file_len)) else {
        return Ok(ParseStep::Missing(0..16.min(file_len)));
    };
    let (header, first) = parse_header(start)?;
    let mut directories = Vec::new();
    let mut seen = HashSet::new();
    let mut next = first;
    while next != 0 {
        if !seen.insert(next) {
            return Err(format!("the chain of directories returns to offset {next}"));
        }
        if directories.len() == DIRECTORIES_MAX {
            return Err(format!("more than {DIRECTORIES_MAX} directories"));
        }
        match parse_directory(bytes, file_len, header, next)? {
            DirectoryStep::Done(directory, following) => {
                directories.push(directory);
                next = following;
            }
            DirectoryStep::Missing(range) => return Ok(ParseStep::Missing(range)),
        }
    }
    if directories.is_empty() {
        return Err("the file has no image directory".to_owned());
    }
    Ok(ParseStep::Done(header, directories))
}

/// Names the format of a file that is no TIFF, by its first bytes.
fn foreign_format(start: &[u8]) -> String {
    const FORMATS: [(&[u8], &str); 14] = [
        (b"\xff\xd8\xff", "JPEG"),
        (b"\x89PNG", "PNG"),
        (b"GIF8", "GIF"),
        (b"RIFF", "WebP or another RIFF"),
        (b"\x89HDF\r\n", "HDF5 or netCDF-4"),
        (b"CDF", "netCDF"),
        (b"\x0e\x03\x13\x01", "HDF4"),
        (b"GRIB", "GRIB"),
        (b"PK\x03\x04", "zip"),
        (b"\x1f\x8b", "gzip"),
        (b"<VRTDataset", "VRT"),
        (b"<", "XML"),
        (b"{", "JSON"),
        (b"SQLite format 3", "SQLite or GeoPackage"),
    ];
    match FORMATS.iter().find(|(magic, _)| start.starts_with(magic)) {
        Some((_, name)) => format!(
            "this is a {name} file, which is not read as a raster; convert it to GeoTIFF first"
        ),
        None => "not a TIFF file (no II or MM at its start)".to_owned(),
    }
}

fn parse_header(start: &[u8]) -> Result<(Header, u64), String> {
    let is_little_endian = match start.get(..2) {
        Some(b"II") => true,
        Some(b"MM") => false,
        _ => return Err(foreign_format(start)),
    };
    let magic = start
        .get(2..4)
        .map(|value| read_uint(value, is_little_endian));
    let is_big_tiff = match magic {
        Some(42) => false,
        Some(43) => true,
        _ => return Err("not a TIFF file (neither 42 nor 43 after the byte order)".to_owned()),
    };
    let header = Header {
        is_little_endian,
        is_big_tiff,
    };
    let first = if is_big_tiff {
        start.get(8..16)
    } else {
        start.get(4..8)
    };
    let first = first.ok_or("the file ends inside its header")?;
    Ok((header, read_uint(first, is_little_endian)))
}

enum DirectoryStep {
    Done(Directory, u64),
    Missing(Range<u64>),
}

fn parse_directory(
    bytes: &SparseBytes,
    file_len: u64,
    header: Header,
    offset: u64,
) -> Result<DirectoryStep, String> {
    let count_len: u64 = if header.is_big_tiff { 8 } else { 2 };
    let entry_len: u64 = if header.is_big_tiff { 20 } else { 12 };
    let next_len: u64 = if header.is_big_tiff { 8 } else { 4 };
    let in_file = |from: u64, len: u64| from.checked_add(len).is_some_and(|end| end <= file_len);
    if !in_file(offset, count_len) {
        return Err(format!(
            "directory at offset {offset} lies outside the file of {file_len} bytes"
        ));
    }
    let Some(count) = bytes.get(offset, count_len) else {
        return Ok(DirectoryStep::Missing(offset..offset + count_len));
    };
    let count = read_uint(count, header.is_little_endian);
    if count == 0 || count > ENTRIES_MAX {
        return Err(format!(
            "directory at offset {offset} claims {count} entries (1 to {ENTRIES_MAX} allowed)"
        ));
    }
    let body_offset = offset + count_len;
    let body_len = count * entry_len;
    // Some writers leave out the offset of the next directory after the last one.
    let tail_len = if in_file(body_offset, body_len + next_len) {
        next_len
    } else {
        0
    };
    if !in_file(body_offset, body_len) {
        return Err(format!(
            "directory at offset {offset} is cut off by the end of the file"
        ));
    }
    let Some(body) = bytes.get(body_offset, body_len + tail_len) else {
        return Ok(DirectoryStep::Missing(
            body_offset..body_offset + body_len + tail_len,
        ));
    };
    let (body, tail) = body.split_at(usize::try_from(body_len).map_err(|e| e.to_string())?);
    let mut entries = BTreeMap::new();
    let mut missing: Option<Range<u64>> = None;
    for raw in body.chunks_exact(usize::try_from(entry_len).map_err(|e| e.to_string())?) {
        let tag = read_uint(&raw[..2], header.is_little_endian) as u16;
        match parse_entry(bytes, file_len, header, tag, raw)? {
            Some(Ok(entry)) => {
                entries.entry(tag).or_insert(entry);
            }
            Some(Err(range)) => {
                let all = missing.get_or_insert(range.clone());
                *all = all.start.min(range.start)..all.end.max(range.end);
            }
            None => {}
        }
    }
    if let Some(range) = missing {
        // Values of one directory usually stand together: one request fetches them, unless far apart.
        let span = range.end - range.start;
        if span <= 4 << 20 {
            return Ok(DirectoryStep::Missing(range));
        }
        let first = first_missing(bytes, file_len, header, body, entry_len)?;
        return Ok(DirectoryStep::Missing(first));
    }
    let next = if tail.is_empty() {
        0
    } else {
        read_uint(tail, header.is_little_endian)
    };
    Ok(DirectoryStep::Done(
        Directory {
            offset,
            header,
            entries,
        },
        next,
    ))
}

fn first_missing(
    bytes: &SparseBytes,
    file_len: u64,
    header: Header,
    body: &[u8],
    entry_len: u64,
) -> Result<Range<u64>, String> {
    for raw in body.chunks_exact(entry_len as usize) {
        let tag = read_uint(&raw[..2], header.is_little_endian) as u16;
        if let Some(Err(range)) = parse_entry(bytes, file_len, header, tag, raw)? {
            return Ok(range);
        }
    }
    Err("internal: no missing tag value".to_owned())
}

/// Returns the entry, the range to fetch, or `None` for a field type that TIFF does not know.
fn parse_entry(
    bytes: &SparseBytes,
    file_len: u64,
    header: Header,
    tag: u16,
    raw: &[u8],
) -> Result<Option<Result<Entry, Range<u64>>>, String> {
    let field_type = read_uint(&raw[2..4], header.is_little_endian) as u16;
    let Some(item_len) = field_len(field_type) else {
        return Ok(None);
    };
    let (count, inline) = if header.is_big_tiff {
        (
            read_uint(&raw[4..12], header.is_little_endian),
            &raw[12..20],
        )
    } else {
        (read_uint(&raw[4..8], header.is_little_endian), &raw[8..12])
    };
    let value_len = count.saturating_mul(item_len);
    if value_len <= inline.len() as u64 {
        let value = inline[..value_len as usize].to_vec();
        return Ok(Some(Ok(Entry { field_type, value })));
    }
    if value_len > TAG_BYTES_MAX {
        return Err(format!(
            "tag {tag} claims {value_len} bytes (at most {TAG_BYTES_MAX} are read)"
        ));
    }
    let offset = read_uint(inline, header.is_little_endian);
    let end = offset.checked_add(value_len).filter(|end| *end <= file_len).ok_or_else(|| {
        format!("the value of tag {tag} ({value_len} bytes at offset {offset}) lies outside the file of {file_len} bytes")
    })?;
    Ok(Some(match bytes.get(offset, value_len) {
        Some(value) => Ok(Entry {
            field_type,
            value: value.to_vec(),
        }),
        None => Err(offset..end),
    }))
}

fn field_len(field_type: u16) -> Option<u64> {
    match field_type {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 | 17 | 18 => Some(8),
        _ => None,
    }
}

fn read_uint(value: &[u8], is_little_endian: bool) -> u64 {
    let fold = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    if is_little_endian {
        value.iter().rev().fold(0, fold)
    } else {
        value.iter().fold(0, fold)
    }
}

impl Directory {
    /// True where the tag is present.
    pub(crate) fn has(&self, tag: u16) -> bool {
        self.entries.contains_key(&tag)
    }

    /// Returns the whole numbers of a tag, `None` where it is absent or not of an unsigned type.
    pub(crate) fn uints(&self, tag: u16) -> Option<Vec<u64>> {
        let entry = self.entries.get(&tag)?;
        if !matches!(entry.field_type, 1 | 3 | 4 | 13 | 16 | 18) {
            return None;
        }
        let item_len = field_len(entry.field_type)? as usize;
        let is_little_endian = self.header.is_little_endian;
        Some(
            entry
                .value
                .chunks_exact(item_len)
                .map(|item| read_uint(item, is_little_endian))
                .collect(),
        )
    }

    /// Returns the first whole number of a tag.
    pub(crate) fn uint(&self, tag: u16) -> Option<u64> {
        self.uints(tag)?.first().copied()
    }

    /// Returns the numbers of a floating-point tag.
    pub(crate) fn doubles(&self, tag: u16) -> Option<Vec<f64>> {
        let entry = self.entries.get(&tag)?;
        let is_little_endian = self.header.is_little_endian;
        let item_len = field_len(entry.field_type)? as usize;
        let bits = entry
            .value
            .chunks_exact(item_len)
            .map(|item| read_uint(item, is_little_endian));
        match entry.field_type {
            12 => Some(bits.map(f64::from_bits).collect()),
            11 => Some(bits.map(|b| f64::from(f32::from_bits(b as u32))).collect()),
            1 | 3 | 4 | 16 => Some(bits.map(|b| b as f64).collect()),
            _ => None,
        }
    }

    /// Returns the bytes of a tag of bytes.
    pub(crate) fn bytes(&self, tag: u16) -> Option<&[u8]> {
        let entry = self.entries.get(&tag)?;
        matches!(entry.field_type, 1 | 7).then_some(&entry.value[..])
    }

    /// Returns the text of a tag up to its last NUL, bytes outside UTF-8 replaced.
    pub(crate) fn text(&self, tag: u16) -> Option<String> {
        let entry = self.entries.get(&tag)?;
        if !matches!(entry.field_type, 1 | 2 | 7) {
            return None;
        }
        let end = entry
            .value
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        Some(String::from_utf8_lossy(&entry.value[..end]).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(bytes: &[u8]) -> SparseBytes {
        let mut sparse = SparseBytes::default();
        sparse.insert(0, bytes::Bytes::copy_from_slice(bytes));
        sparse
    }

    #[test]
    fn a_cycle_of_directories_is_an_error() {
        // One directory with one entry whose "next" points to itself.
        let mut file = b"II\x2a\0\x08\0\0\0\x01\0".to_vec();
        file.extend([0, 1, 3, 0, 1, 0, 0, 0, 5, 0, 0, 0]);
        file.extend([8, 0, 0, 0]);
        let error = parse(&whole(&file), file.len() as u64).expect_err("a cycle");
        assert!(error.contains("returns to offset 8"), "{error}");
    }

    #[test]
    fn a_value_outside_the_file_is_an_error() {
        let mut file = b"II\x2a\0\x08\0\0\0\x01\0".to_vec();
        file.extend([0x44, 1, 4, 0, 0, 0, 1, 0, 0xff, 0, 0, 0]);
        file.extend([0, 0, 0, 0]);
        let error = parse(&whole(&file), file.len() as u64).expect_err("outside");
        assert!(error.contains("tag 324"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_result(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), header in 0..4_usize) {
            let magic: &[u8] = [b"II\x2a\0\x08\0\0\0", b"MM\0\x2a\0\0\0\x08", b"II\x2b\0\x08\0\0\0", b"MM\0\x2b\0\x08\0\0"][header];
            for (to, from) in bytes.iter_mut().zip(magic) { *to = *from; }
            let sparse = whole(&bytes);
            let _ = parse(&sparse, bytes.len() as u64);
            let _ = parse(&sparse, u64::MAX);
        }
    }
}
