//! The header in front of a Parquet page: a struct of the Thrift compact protocol.
//!
//! Only what decoding needs is kept; statistics and unknown fields are passed over.
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>

use super::damage::Damage;

/// Deepest nesting of fields that are passed over.
const SKIP_DEPTH_MAX: u32 = 8;
/// Most fields, or members of a list, of one struct.
const FIELDS_MAX: u64 = 4_096;
/// Largest page that is read, in bytes.
pub(super) const PAGE_BYTES_MAX: usize = 256 << 20;

/// What stands in a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageKind {
    Dictionary,
    /// Levels and values, compressed together.
    Data,
    /// Levels in front, values compressed or not.
    DataV2 {
        definition_bytes: usize,
        repetition_bytes: usize,
        is_compressed: bool,
    },
}

/// Encodings by their number in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueEncoding {
    Plain,
    /// Numbers of entries of the dictionary page.
    Dictionary,
    DeltaBinaryPacked,
    /// Lengths of texts as deltas, then the texts.
    DeltaLength,
    ByteStreamSplit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageHeader {
    pub kind: PageKind,
    /// Bytes of the header itself.
    pub header_bytes: usize,
    /// Bytes behind the header.
    pub stored_bytes: usize,
    /// Bytes after decompression, levels included.
    pub page_bytes: usize,
    /// Values, those that are null included; entries of a dictionary.
    pub values: usize,
    pub encoding: ValueEncoding,
}

impl PageHeader {
    /// Reads the header at the start of `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Damage> {
        let mut reader = Compact { bytes, at: 0 };
        let (mut page_type, mut page_bytes, mut stored_bytes) = (None, None, None);
        let mut inner = Inner::default();
        reader.fields(|reader, id, kind| {
            match (id, kind) {
                (1, I32) => page_type = Some(reader.zigzag()?),
                (2, I32) => page_bytes = Some(reader.zigzag()?),
                (3, I32) => stored_bytes = Some(reader.zigzag()?),
                (5 | 7 | 8, STRUCT) => inner = reader.inner(id)?,
                _ => reader.skip(kind, 0)?,
            }
            Ok(())
        })?;
        let size = |value: Option<i64>| {
            let size = value.and_then(|value| usize::try_from(value).ok());
            size.filter(|size| *size <= PAGE_BYTES_MAX)
                .ok_or(Damage("a page header without a usable size"))
        };
        let kind = match (page_type, inner.id) {
            (Some(0), 5) => PageKind::Data,
            (Some(2), 7) => PageKind::Dictionary,
            (Some(3), 8) => PageKind::DataV2 {
                definition_bytes: size(inner.definition_bytes)?,
                repetition_bytes: size(inner.repetition_bytes)?,
                is_compressed: inner.is_compressed.unwrap_or(true),
            },
            _ => return Err(Damage("a page of unknown type")),
        };
        let encoding = match inner.encoding {
            Some(0) => ValueEncoding::Plain,
            Some(2 | 8) if kind != PageKind::Dictionary => ValueEncoding::Dictionary,
            Some(2) => ValueEncoding::Plain,
            Some(5) => ValueEncoding::DeltaBinaryPacked,
            Some(6) => ValueEncoding::DeltaLength,
            Some(9) => ValueEncoding::ByteStreamSplit,
            _ => return Err(Damage("a page of unknown encoding")),
        };
        Ok(Self {
            kind,
            header_bytes: reader.at,
            stored_bytes: size(stored_bytes)?,
            page_bytes: size(page_bytes)?,
            values: size(inner.values)?,
            encoding,
        })
    }
}

/// Fields of the struct for one type of page.
#[derive(Default)]
struct Inner {
    id: i16,
    values: Option<i64>,
    encoding: Option<i64>,
    definition_bytes: Option<i64>,
    repetition_bytes: Option<i64>,
    is_compressed: Option<bool>,
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCT: u8 = 12;

struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Compact<'_> {
    fn byte(&mut self) -> Result<u8, Damage> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte.ok_or(Damage("a page header is cut off"))
    }

    fn varint(&mut self) -> Result<u64, Damage> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Damage("a number in a page header does not end"))
    }

    fn zigzag(&mut self) -> Result<i64, Damage> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Calls `field` with id and type of every field of a struct; it has to take the value.
    fn fields(
        &mut self,
        mut field: impl FnMut(&mut Self, i16, u8) -> Result<(), Damage>,
    ) -> Result<(), Damage> {
        let mut id = 0i16;
        for _ in 0..FIELDS_MAX {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            id = match head >> 4 {
                0 => self.zigzag()? as i16,
                delta => id.wrapping_add(i16::from(delta)),
            };
            field(self, id, head & 0x0f)?;
        }
        Err(Damage("a page header has too many fields"))
    }

    fn inner(&mut self, id: i16) -> Result<Inner, Damage> {
        let mut inner = Inner {
            id,
            ..Inner::default()
        };
        self.fields(|reader, field, kind| {
            match (id, field, kind) {
                (_, 1, I32) => inner.values = Some(reader.zigzag()?),
                (5 | 7, 2, I32) | (8, 4, I32) => inner.encoding = Some(reader.zigzag()?),
                (8, 5, I32) => inner.definition_bytes = Some(reader.zigzag()?),
                (8, 6, I32) => inner.repetition_bytes = Some(reader.zigzag()?),
                (8, 7, TRUE | FALSE) => inner.is_compressed = Some(kind == TRUE),
                _ => reader.skip(kind, 0)?,
            }
            Ok(())
        })?;
        Ok(inner)
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Result<(), Damage> {
        if depth > SKIP_DEPTH_MAX {
            return Err(Damage("a page header is nested too deeply"));
        }
        match kind {
            TRUE | FALSE => {}
            3 => self.at += 1,
            I16 | I32 | I64 => {
                self.varint()?;
            }
            DOUBLE => self.at += 8,
            BINARY => {
                let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                self.at = self.at.saturating_add(len);
            }
            LIST | SET => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.varint()?,
                    count => u64::from(count),
                };
                if count > FIELDS_MAX {
                    return Err(Damage("a page header has a list that is too long"));
                }
                for _ in 0..count {
                    match head & 0x0f {
                        // Truth values of a list take a byte each.
                        TRUE | FALSE => self.at += 1,
                        member => self.skip(member, depth + 1)?,
                    }
                }
            }
            STRUCT => self.fields(|reader, _, kind| reader.skip(kind, depth + 1))?,
            _ => return Err(Damage("a page header has a field of unknown type")),
        }
        if self.at > self.bytes.len() {
            return Err(Damage("a page header is cut off"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Type 0, 8,192 bytes, 300 stored, data page of 2,048 values in encoding 9 with empty statistics.
    const DATA: [u8; 25] = [
        0x15, 0x00, 0x15, 0x80, 0x80, 0x01, 0x15, 0xd8, 0x04, 0x2c, 0x15, 0x80, 0x20, 0x15, 0x12,
        0x15, 0x06, 0x15, 0x06, 0x1c, 0x00, 0x00, 0x00, 0xaa, 0xbb,
    ];

    #[test]
    fn a_data_page_is_read_and_its_length_known() {
        let header = PageHeader::parse(&DATA).expect("a header");
        assert_eq!(header.kind, PageKind::Data);
        assert_eq!(header.encoding, ValueEncoding::ByteStreamSplit);
        assert_eq!((header.page_bytes, header.stored_bytes), (8_192, 300));
        assert_eq!((header.values, header.header_bytes), (2_048, 23));
    }

    #[test]
    fn a_header_that_is_cut_off_is_told() {
        for len in 0..23 {
            PageHeader::parse(&DATA[..len]).expect_err("cut off");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = PageHeader::parse(&bytes);
        }
    }
}
