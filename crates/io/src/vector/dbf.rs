//! The table (.dbf) of a shapefile, row by row, only the columns asked for.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use encoding_rs::{UTF_8, WINDOWS_1252};

use super::attributes::trim_decimals;
use super::error::VectorError;
use super::source::FieldInfo;

const HEADER_BYTES: usize = 32;
const FIELD_BYTES: usize = 32;
const FIELDS_END: u8 = 0x0d;
const ROW_DELETED: u8 = b'*';

/// How the bytes of text are to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoding(&'static encoding_rs::Encoding);

impl Encoding {
    /// Returns the encoding that a .cpg file names, `None` where it is not known.
    pub fn from_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let digits = lower.trim_start_matches(|c: char| !c.is_ascii_digit());
        let page = match digits.parse::<u32>() {
            Ok(65001) => Some("utf-8".to_string()),
            Ok(code @ (1250..=1258 | 874)) => Some(format!("windows-{code}")),
            Ok(code @ 28591..=28606) => Some(format!("iso-8859-{}", code - 28590)),
            Ok(88591) => Some("iso-8859-1".to_string()),
            Ok(866) => Some("ibm866".to_string()),
            _ => None,
        };
        let label = page.unwrap_or(lower);
        encoding_rs::Encoding::for_label(label.as_bytes()).map(Self)
    }

    /// Returns the encoding of the language driver byte of a .dbf.
    fn from_driver(driver: u8) -> Option<Self> {
        let label = match driver {
            0x03 | 0x57 | 0x59 => "windows-1252",
            0xc8 => "windows-1250",
            0xc9 => "windows-1251",
            0xca => "windows-1254",
            0xcb => "windows-1253",
            0xcc => "windows-1257",
            0x26 | 0x65 => "ibm866",
            _ => return None,
        };
        encoding_rs::Encoding::for_label(label.as_bytes()).map(Self)
    }

    /// Reads text in this encoding; without one, as UTF-8 where it is, else as Windows-1252.
    fn decode(encoding: Option<Self>, bytes: &[u8]) -> String {
        let guess = || {
            if std::str::from_utf8(bytes).is_ok() {
                UTF_8
            } else {
                WINDOWS_1252
            }
        };
        let encoding = encoding.map_or_else(guess, |encoding| encoding.0);
        encoding.decode_without_bom_handling(bytes).0.into_owned()
    }
}

/// A table that is being read.
pub(super) struct Dbf {
    name: PathBuf,
    reader: BufReader<File>,
    columns: Vec<Column>,
    encoding: Option<Encoding>,
    row: Vec<u8>,
    row_number: u32,
    row_count: u32,
    /// Number of rows so far that are marked as deleted; they are delivered all the same, since
    /// the geometry of their feature is still there.
    pub deleted_rows: u64,
}

struct Column {
    name: String,
    kind: u8,
    start: usize,
    length: usize,
}

impl Dbf {
    /// Opens a table; `name` is for messages.
    pub fn open(name: &Path, path: &Path, encoding: Option<Encoding>) -> Result<Self, VectorError> {
        let storage = |error| VectorError::storage(path, error);
        let broken = |place: String, what: String| VectorError::broken(name, place, what);
        let file = File::open(path).map_err(storage)?;
        let file_bytes = file.metadata().map_err(storage)?.len();
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut header = [0; HEADER_BYTES];
        reader.read_exact(&mut header).map_err(|_| {
            broken(
                "byte 0".to_string(),
                format!("{file_bytes} bytes are no table"),
            )
        })?;
        let row_count = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let header_bytes = usize::from(u16::from_le_bytes([header[8], header[9]]));
        let row_bytes = usize::from(u16::from_le_bytes([header[10], header[11]]));
        if header_bytes <= HEADER_BYTES || row_bytes == 0 {
            let what = format!("a header of {header_bytes} bytes, rows of {row_bytes} bytes");
            return Err(broken("byte 8".to_string(), what));
        }
        let needed = header_bytes as u64 + u64::from(row_count) * row_bytes as u64;
        if needed > file_bytes {
            let what = format!("{row_count} rows take {needed} bytes, the file has {file_bytes}");
            return Err(broken("byte 4".to_string(), what));
        }
        let mut descriptors = vec![0; header_bytes - HEADER_BYTES];
        reader.read_exact(&mut descriptors).map_err(storage)?;
        let encoding = encoding.or_else(|| Encoding::from_driver(header[29]));
        let columns = columns(&descriptors, encoding);
        let width = columns
            .last()
            .map_or(1, |column| column.start + column.length);
        if width > row_bytes {
            let what = format!("the columns take {width} bytes, a row has {row_bytes}");
            return Err(broken(format!("byte {HEADER_BYTES}"), what));
        }
        Ok(Self {
            name: name.to_path_buf(),
            reader,
            columns,
            encoding,
            row: vec![0; row_bytes],
            row_number: 0,
            row_count,
            deleted_rows: 0,
        })
    }

    /// Returns the columns.
    pub fn fields(&self) -> Vec<FieldInfo> {
        let field = |column: &Column| FieldInfo {
            name: column.name.clone(),
            type_name: char::from(column.kind).to_string(),
        };
        self.columns.iter().map(field).collect()
    }

    /// Reads the next row into `values`, one for each of `wanted`; false at the end.
    pub fn next(
        &mut self,
        wanted: &[usize],
        values: &mut Vec<Option<String>>,
    ) -> Result<bool, VectorError> {
        values.clear();
        if self.row_number == self.row_count {
            return Ok(false);
        }
        self.reader
            .read_exact(&mut self.row)
            .map_err(|error| VectorError::storage(&self.name, error))?;
        self.row_number += 1;
        self.deleted_rows += u64::from(self.row[0] == ROW_DELETED);
        for &index in wanted {
            let column = &self.columns[index];
            values.push(self.value(column));
        }
        Ok(true)
    }

    fn value(&self, column: &Column) -> Option<String> {
        let bytes = &self.row[column.start..column.start + column.length];
        if column.kind == b'I' && column.length == 4 {
            return Some(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).to_string());
        }
        let text = Encoding::decode(self.encoding, bytes);
        let text = text.trim_matches(['\0', ' ']);
        let is_absent = text.is_empty()
            || matches!(column.kind, b'N' | b'F') && text.starts_with('*')
            || column.kind == b'D' && text == "00000000";
        if is_absent {
            return None;
        }
        let is_number = matches!(column.kind, b'N' | b'F');
        let has_exponent = text.contains(['e', 'E']);
        match (is_number, has_exponent) {
            (true, true) => text
                .parse::<f64>()
                .ok()
                .and_then(super::attributes::number_text),
            (true, false) => Some(trim_decimals(text).to_string()),
            (false, _) => Some(text.to_string()),
        }
    }
}

fn columns(descriptors: &[u8], encoding: Option<Encoding>) -> Vec<Column> {
    let mut columns = Vec::new();
    let mut start = 1; // after the mark of deleted rows
    for descriptor in descriptors.chunks_exact(FIELD_BYTES) {
        if descriptor[0] == FIELDS_END {
            break;
        }
        let name_end = descriptor[..11]
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(11);
        let kind = descriptor[11];
        // Long text columns keep the high byte of their length where the decimals stand.
        let high = if kind == b'C' {
            usize::from(descriptor[17]) << 8
        } else {
            0
        };
        let length = usize::from(descriptor[16]) + high;
        let name = Encoding::decode(encoding, &descriptor[..name_end]);
        columns.push(Column {
            name: name.trim().to_string(),
            kind,
            start,
            length,
        });
        start += length;
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_code_pages_are_understood() {
        for (name, expected) in [
            ("UTF-8", "UTF-8"),
            ("65001", "UTF-8"),
            ("1252", "windows-1252"),
            ("ANSI 1250", "windows-1250"),
            ("ISO 88591", "windows-1252"),
            ("ISO-8859-15", "ISO-8859-15"),
            ("CP1257", "windows-1257"),
        ] {
            let encoding = Encoding::from_name(name).map(|encoding| encoding.0.name());
            assert_eq!(encoding, Some(expected), "{name}");
        }
        assert!(Encoding::from_name("klingon").is_none());
    }

    #[test]
    fn text_without_an_encoding_is_utf8_where_it_can_be() {
        assert_eq!(Encoding::decode(None, "Mühle".as_bytes()), "Mühle");
        assert_eq!(Encoding::decode(None, b"M\xfchle"), "Mühle");
    }
}
