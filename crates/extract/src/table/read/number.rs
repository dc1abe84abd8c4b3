//! Numbers as pages hold them.

use super::page::Dictionary;

/// A type of numbers as pages hold them, lowest byte first.
pub(super) trait Number: Copy + Default {
    /// Bytes of one.
    const BYTES: usize;

    /// Appends numbers that stand one after the other.
    fn append_plain(bytes: &[u8], out: &mut Vec<Self>);

    /// Appends numbers whose first bytes stand in `planes[0]`, the second in `planes[1]` …
    fn append_split(planes: &[&[u8]], out: &mut Vec<Self>);

    /// Returns a number from a page of differences, `None` for a type without such pages.
    fn from_delta(value: i64) -> Option<Self>;

    /// Returns the entries of a dictionary of this type.
    fn entries(dictionary: &Dictionary) -> Option<&[Self]>;
}

impl Number for i32 {
    const BYTES: usize = 4;

    fn append_plain(bytes: &[u8], out: &mut Vec<Self>) {
        let (values, _) = bytes.as_chunks();
        out.extend(values.iter().map(|value| Self::from_le_bytes(*value)));
    }

    fn append_split(planes: &[&[u8]], out: &mut Vec<Self>) {
        out.extend(joined(planes).map(u32::cast_signed));
    }

    fn from_delta(value: i64) -> Option<Self> {
        // The format lets differences wrap around.
        Some(value as Self)
    }

    fn entries(dictionary: &Dictionary) -> Option<&[Self]> {
        match dictionary {
            Dictionary::Int32(entries) => Some(entries),
            _ => None,
        }
    }
}

impl Number for i64 {
    const BYTES: usize = 8;

    fn append_plain(bytes: &[u8], out: &mut Vec<Self>) {
        let (values, _) = bytes.as_chunks();
        out.extend(values.iter().map(|value| Self::from_le_bytes(*value)));
    }

    fn append_split(planes: &[&[u8]], out: &mut Vec<Self>) {
        let (low, high) = planes.split_at(4);
        let halves = joined(low).zip(joined(high));
        out.extend(
            halves.map(|(low, high)| Self::from(high.cast_signed()) << 32 | Self::from(low)),
        );
    }

    fn from_delta(value: i64) -> Option<Self> {
        Some(value)
    }

    fn entries(dictionary: &Dictionary) -> Option<&[Self]> {
        match dictionary {
            Dictionary::Int64(entries) => Some(entries),
            _ => None,
        }
    }
}

impl Number for f32 {
    const BYTES: usize = 4;

    fn append_plain(bytes: &[u8], out: &mut Vec<Self>) {
        let (values, _) = bytes.as_chunks();
        out.extend(values.iter().map(|value| Self::from_le_bytes(*value)));
    }

    fn append_split(planes: &[&[u8]], out: &mut Vec<Self>) {
        out.extend(joined(planes).map(Self::from_bits));
    }

    fn from_delta(_: i64) -> Option<Self> {
        None
    }

    fn entries(dictionary: &Dictionary) -> Option<&[Self]> {
        match dictionary {
            Dictionary::Float32(entries) => Some(entries),
            _ => None,
        }
    }
}

/// Returns numbers out of four planes of bytes. Zipped, not indexed: so it becomes vector instructions.
fn joined(planes: &[&[u8]]) -> impl Iterator<Item = u32> {
    let bytes = planes[0]
        .iter()
        .zip(planes[1])
        .zip(planes[2])
        .zip(planes[3]);
    bytes.map(|(((first, second), third), fourth)| {
        u32::from_le_bytes([*first, *second, *third, *fourth])
    })
}
