//! ENVI rasters as BEAM-DIMAP uses them: a text header and one band of plain samples.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use swath_grid::Size;
use swath_io::cog::{RowSource, Rows};
use swath_raster::{DataType, Pixels};

use crate::ArchiveError;

/// Most bytes of a header.
const HEADER_BYTES_MAX: usize = 1 << 20;
/// Most columns or rows.
const SIZE_PX_MAX: u32 = 1 << 20;

/// What a header says of its samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct EnviHeader {
    pub size: Size,
    pub data_type: DataType,
    /// Bytes before the first sample.
    pub offset: u64,
    pub is_big_endian: bool,
    /// Easting and northing of the upper left corner, and pixel size.
    pub origin: Option<[f64; 4]>,
}

impl EnviHeader {
    /// Reads a header of one band.
    pub(crate) fn parse(text: &str, place: &str) -> Result<Self, ArchiveError> {
        let wrong = |reason: String| ArchiveError::product(place, reason);
        if text.len() > HEADER_BYTES_MAX || !text.trim_start().starts_with("ENVI") {
            return Err(wrong("it is no ENVI header".to_owned()));
        }
        let field = |name: &str| field(text, name);
        let number = |name: &str| -> Result<u64, ArchiveError> {
            field(name)
                .and_then(|value| value.parse().ok())
                .ok_or_else(|| wrong(format!("\"{name}\" is absent or no number")))
        };
        let pixels = |name: &str| match number(name)? {
            count @ 1.. if count <= u64::from(SIZE_PX_MAX) => Ok(count as u32),
            count => Err(wrong(format!(
                "\"{name}\" is {count}, not 1 to {SIZE_PX_MAX}"
            ))),
        };
        let bands = number("bands").unwrap_or(1);
        if bands != 1 {
            return Err(wrong(format!("it has {bands} bands; one per file is read")));
        }
        let code = number("data type")?;
        let data_type = match code {
            1 => DataType::U8,
            2 => DataType::I16,
            3 => DataType::I32,
            4 => DataType::F32,
            5 => DataType::F64,
            12 => DataType::U16,
            13 => DataType::U32,
            14 => DataType::I64,
            15 => DataType::U64,
            _ => return Err(wrong(format!("samples of type {code} are not read"))),
        };
        Ok(Self {
            size: Size {
                width: pixels("samples")?,
                height: pixels("lines")?,
            },
            data_type,
            offset: number("header offset").unwrap_or(0),
            is_big_endian: number("byte order").unwrap_or(0) == 1,
            origin: field("map info").and_then(origin),
        })
    }

    /// Returns the bytes that the file of samples must have at least.
    pub(crate) fn file_bytes(&self) -> u64 {
        let samples = u64::from(self.size.width) * u64::from(self.size.height);
        self.offset
            .saturating_add(samples * self.data_type.size_bytes() as u64)
    }
}

/// Returns the value of `name = value`, in braces also over several lines.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let is_start = at == 0 || rest[..at].ends_with(['\n', '\r']);
        let after = rest[at + name.len()..].trim_start_matches([' ', '\t']);
        if let Some(value) = after.strip_prefix('=').filter(|_| is_start) {
            let value = value.trim_start_matches([' ', '\t']);
            return Some(match value.strip_prefix('{') {
                Some(inner) => inner.split('}').next().unwrap_or(inner).trim(),
                None => value.lines().next().unwrap_or_default().trim(),
            });
        }
        rest = &rest[at + name.len()..];
    }
    None
}

/// Returns the upper left corner and the pixel size out of `map info`.
fn origin(info: &str) -> Option<[f64; 4]> {
    let parts: Vec<&str> = info.split(',').map(str::trim).collect();
    let number = |index: usize| crate::xml::number(parts.get(index)?);
    let (col, row) = (number(1)?, number(2)?);
    let (x, y, dx, dy) = (number(3)?, number(4)?, number(5)?, number(6)?);
    // Pixel 1, 1 is the upper left corner of the first pixel.
    Some([x - (col - 1.0) * dx, y + (row - 1.0) * dy, dx, dy])
}

/// Reads the samples row by row for the writer of COGs.
pub(crate) struct EnviRows {
    file: File,
    header: EnviHeader,
}

impl EnviRows {
    /// Opens the file of samples.
    ///
    /// # Errors
    /// Where it cannot be opened or is shorter than the header says.
    pub(crate) fn open(path: &Path, header: EnviHeader) -> Result<Self, ArchiveError> {
        let failed = |error| ArchiveError::file(path, error);
        let file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        let expected = header.file_bytes();
        if found < expected {
            let reason =
                format!("it has {found} bytes where its header says {expected}: it is truncated");
            return Err(ArchiveError::product(path.display().to_string(), reason));
        }
        Ok(Self { file, header })
    }
}

impl RowSource for EnviRows {
    fn read_rows(
        &mut self,
        first_row: u32,
        rows: u32,
    ) -> Result<Rows, Box<dyn Error + Send + Sync>> {
        let sample_bytes = self.header.data_type.size_bytes();
        let row_bytes = self.header.size.width as usize * sample_bytes;
        let at = self.header.offset + u64::from(first_row) * row_bytes as u64;
        let mut bytes = vec![0; row_bytes * rows as usize];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut bytes)?;
        Ok(Rows {
            bands: vec![samples(&bytes, self.header)],
            mask: None,
        })
    }
}

fn samples(bytes: &[u8], header: EnviHeader) -> Pixels {
    macro_rules! numbers {
        ($number:ty) => {{
            const BYTES: usize = size_of::<$number>();
            let (chunks, _) = bytes.as_chunks::<BYTES>();
            let values = chunks.iter().map(|chunk| match header.is_big_endian {
                true => <$number>::from_be_bytes(*chunk),
                false => <$number>::from_le_bytes(*chunk),
            });
            values.collect()
        }};
    }
    match header.data_type {
        DataType::U8 => Pixels::U8(bytes.to_vec()),
        DataType::I8 => Pixels::I8(numbers!(i8)),
        DataType::U16 => Pixels::U16(numbers!(u16)),
        DataType::I16 => Pixels::I16(numbers!(i16)),
        DataType::U32 => Pixels::U32(numbers!(u32)),
        DataType::I32 => Pixels::I32(numbers!(i32)),
        DataType::U64 => Pixels::U64(numbers!(u64)),
        DataType::I64 => Pixels::I64(numbers!(i64)),
        DataType::F32 => Pixels::F32(numbers!(f32)),
        DataType::F64 => Pixels::F64(numbers!(f64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "ENVI\ndescription = {Sigma0_VV - samples = 9\n unit: intensity}\nsamples = 2\nlines = 3\nbands = 1\n\
        header offset = 4\ndata type = 4\nbyte order = 1\nmap info = {UTM, 2.0, 1.0, 100.0, 500.0, 20.0, 20.0, 31, North}\n";

    #[test]
    fn a_header_is_read() {
        let header = EnviHeader::parse(HEADER, "x.hdr").expect("a header");
        assert_eq!(
            header.size,
            Size {
                width: 2,
                height: 3
            }
        );
        assert!(header.is_big_endian);
        assert_eq!(header.file_bytes(), 4 + 24);
        assert_eq!(header.origin, Some([80.0, 500.0, 20.0, 20.0]));
    }

    #[test]
    fn absurd_headers_are_refused() {
        for (from, to) in [
            ("samples = 2", "samples = 99999999999"),
            ("data type = 4", "data type = 6"),
            ("bands = 1", "bands = 3"),
        ] {
            assert!(
                EnviHeader::parse(&HEADER.replace(from, to), "x.hdr").is_err(),
                "{to}"
            );
        }
    }

    #[test]
    fn big_endian_samples_are_turned_and_short_files_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.img");
        let header = EnviHeader::parse(HEADER, "x.hdr").expect("a header");
        let mut bytes = vec![0u8; 4];
        for value in [1.0f32, 2.5, -3.0, 0.0, 7.0, 8.0] {
            bytes.extend(value.to_be_bytes());
        }
        std::fs::write(&path, &bytes).expect("a file");
        let mut rows = EnviRows::open(&path, header).expect("open");
        let read = rows.read_rows(1, 2).expect("rows");
        assert_eq!(read.bands, vec![Pixels::F32(vec![-3.0, 0.0, 7.0, 8.0])]);
        std::fs::write(&path, &bytes[..20]).expect("a file");
        let error = EnviRows::open(&path, header).err().expect("truncated");
        assert!(error.to_string().contains("truncated"), "{error}");
    }

    proptest! {
        #[test]
        fn damaged_headers_end_in_a_result(at in 0..HEADER.len(), byte in 32u8..127) {
            let mut bytes = HEADER.as_bytes().to_vec();
            bytes[at] = byte;
            let text = String::from_utf8(bytes).expect("ASCII");
            let _ = EnviHeader::parse(&text, "x.hdr");
            let _ = EnviHeader::parse(&text[..at], "x.hdr");
        }
    }
}
