//! Image file directories as bytes, in classic TIFF and BigTIFF.
//!
//! Header, ghost area and all IFDs stand at the start of the file. The values of a tag follow its
//! IFD; the places of the blocks come last, so that a reader gets all else in its first request.

use super::spool::Extent;

/// First 4 GiB are all that a classic TIFF can point to.
const CLASSIC_BYTES_MAX: u64 = u32::MAX as u64;

/// Values of a tag.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// BYTE-counted text; the closing 0 is added.
    Ascii(String),
    /// 16-bit unsigned integers.
    Short(Vec<u16>),
    /// 32-bit unsigned integers.
    Long(Vec<u32>),
    /// 64-bit floats.
    Double(Vec<f64>),
    /// Places in the file: 32 bits in a classic TIFF, 64 in a BigTIFF.
    Offsets(Vec<u64>),
}

/// A tag and its values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tag {
    /// TIFF number.
    pub id: u16,
    /// What it says.
    pub values: Values,
}

/// Numbers of the tags written here.
pub(super) mod tag {
    pub const NEW_SUBFILE_TYPE: u16 = 254;
    pub const IMAGE_WIDTH: u16 = 256;
    pub const IMAGE_LENGTH: u16 = 257;
    pub const BITS_PER_SAMPLE: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const SAMPLES_PER_PIXEL: u16 = 277;
    pub const PLANAR_CONFIGURATION: u16 = 284;
    pub const PREDICTOR: u16 = 317;
    pub const COLOR_MAP: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_LENGTH: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTE_COUNTS: u16 = 325;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const MODEL_PIXEL_SCALE: u16 = 33550;
    pub const MODEL_TIEPOINT: u16 = 33922;
    pub const MODEL_TRANSFORMATION: u16 = 34264;
    pub const GEO_KEY_DIRECTORY: u16 = 34735;
    pub const GEO_DOUBLE_PARAMS: u16 = 34736;
    pub const GEO_ASCII_PARAMS: u16 = 34737;
    pub const GDAL_METADATA: u16 = 42112;
    pub const GDAL_NODATA: u16 = 42113;
}

impl Tag {
    /// Returns a tag of one 16-bit integer.
    pub(super) fn short(id: u16, value: u16) -> Self {
        Self {
            id,
            values: Values::Short(vec![value]),
        }
    }

    /// Returns a tag of one integer, 16-bit where that is enough.
    pub(super) fn size(id: u16, value: usize) -> Self {
        let values = match u16::try_from(value) {
            Ok(value) => Values::Short(vec![value]),
            Err(_) => Values::Long(vec![value as u32]),
        };
        Self { id, values }
    }

    fn is_places(&self) -> bool {
        matches!(self.id, tag::TILE_OFFSETS | tag::TILE_BYTE_COUNTS)
    }
}

/// An image of the file: its tags without the places of its blocks, and those.
#[derive(Debug, Clone)]
pub(super) struct Image {
    /// Sorted when written.
    pub tags: Vec<Tag>,
    /// Places relative to the spool of its level.
    pub extents: Vec<Extent>,
    /// Index of the level that holds the blocks: 0 is the full resolution.
    pub level_index: usize,
}

/// The start of the file, and where the levels go.
#[derive(Debug, PartialEq)]
pub(super) struct FileStart {
    /// Header, ghost area, IFDs, places of the blocks.
    pub bytes: Vec<u8>,
    /// True for BigTIFF.
    pub is_big: bool,
}

/// Returns the bytes before the first block.
///
/// `level_bytes` has the size of each level, the full resolution first; the levels follow in
/// reverse order.
pub(super) fn file_start(
    images: &[Image],
    level_bytes: &[u64],
    has_mask: bool,
    force_big: bool,
) -> FileStart {
    let data_bytes: u64 = level_bytes.iter().sum();
    let classic = Layout { is_big: false }.write(images, level_bytes, has_mask);
    if !force_big && classic.len() as u64 + data_bytes <= CLASSIC_BYTES_MAX {
        return FileStart {
            bytes: classic,
            is_big: false,
        };
    }
    FileStart {
        bytes: Layout { is_big: true }.write(images, level_bytes, has_mask),
        is_big: true,
    }
}

/// Returns the text that tells GDAL how the file is laid out.
fn ghost_area(has_mask: bool) -> String {
    let mut lines = String::from(
        "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n\
         BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n ",
    );
    // The blank leaves room for `YES` when an editor of the file breaks the layout.
    if has_mask {
        lines.push_str("MASK_INTERLEAVED_WITH_IMAGERY=YES\n");
    }
    format!(
        "GDAL_STRUCTURAL_METADATA_SIZE={:06} bytes\n{lines}",
        lines.len()
    )
}

#[derive(Debug, Clone, Copy)]
struct Layout {
    is_big: bool,
}

impl Layout {
    fn write(self, images: &[Image], level_bytes: &[u64], has_mask: bool) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::new();
        let header_bytes = if self.is_big { 16 } else { 8 };
        let ghost = ghost_area(has_mask);
        let first_ifd = even(header_bytes + ghost.len());
        if self.is_big {
            out.extend(b"II\x2b\0\x08\0\0\0");
            out.extend((first_ifd as u64).to_le_bytes());
        } else {
            out.extend(b"II\x2a\0");
            out.extend((first_ifd as u32).to_le_bytes());
        }
        out.extend(ghost.as_bytes());

        let ifds_end = images
            .iter()
            .fold(first_ifd, |at, image| at + self.ifd_bytes(image));
        let mut places_at = ifds_end;
        let places_bytes: usize = images
            .iter()
            .map(|image| self.places_bytes(image.extents.len()))
            .sum();
        let level_starts = level_starts((ifds_end + places_bytes) as u64, level_bytes);

        let mut places: Vec<u8> = Vec::new();
        for (index, image) in images.iter().enumerate() {
            out.resize(even(out.len()), 0);
            let next = match index + 1 < images.len() {
                true => out.len() + self.ifd_bytes(image),
                false => 0,
            };
            let start = level_starts[image.level_index];
            places_at = self.write_ifd(&mut out, image, start, next, places_at, &mut places);
        }
        out.resize(ifds_end, 0);
        out.extend(places);
        out
    }

    fn pointer_bytes(self) -> usize {
        if self.is_big { 8 } else { 4 }
    }

    fn entry_bytes(self) -> usize {
        if self.is_big { 20 } else { 12 }
    }

    /// Bytes of an IFD with the values that follow it, an even number.
    fn ifd_bytes(self, image: &Image) -> usize {
        let count_bytes = if self.is_big { 8 } else { 2 };
        let entries = (image.tags.len() + 2) * self.entry_bytes();
        let values: usize = image
            .tags
            .iter()
            .map(|tag| self.value_bytes(&tag.values).len())
            .filter(|bytes| *bytes > self.pointer_bytes())
            .map(even)
            .sum();
        even(count_bytes + entries + self.pointer_bytes() + values)
    }

    /// Bytes of the places of `blocks` blocks outside the IFD.
    fn places_bytes(self, blocks: usize) -> usize {
        if blocks == 1 {
            0
        } else {
            2 * blocks * self.pointer_bytes()
        }
    }

    fn value_bytes(self, values: &Values) -> Vec<u8> {
        match values {
            Values::Ascii(text) => text.bytes().chain([0]).collect(),
            Values::Short(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::Long(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::Double(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::Offsets(values) if self.is_big => {
                values.iter().flat_map(|v| v.to_le_bytes()).collect()
            }
            Values::Offsets(values) => values
                .iter()
                .flat_map(|v| (*v as u32).to_le_bytes())
                .collect(),
        }
    }

    fn type_and_count(self, values: &Values) -> (u16, usize) {
        match values {
            Values::Ascii(text) => (2, text.len() + 1),
            Values::Short(values) => (3, values.len()),
            Values::Long(values) => (4, values.len()),
            Values::Double(values) => (12, values.len()),
            Values::Offsets(values) => (if self.is_big { 16 } else { 4 }, values.len()),
        }
    }

    /// Appends an IFD and its values to `out`, and the places of its blocks to `places`, which
    /// will stand at `places_at`; returns where the next places go.
    fn write_ifd(
        self,
        out: &mut Vec<u8>,
        image: &Image,
        level_start: u64,
        next_ifd: usize,
        places_at: usize,
        places: &mut Vec<u8>,
    ) -> usize {
        let mut tags = image.tags.clone();
        let is_stored = |extent: &&Extent| extent.offset > 0;
        let place = |extent: &Extent| {
            Some(extent)
                .filter(is_stored)
                .map_or(0, |e| e.offset + level_start)
        };
        let offsets = image.extents.iter().map(place).collect();
        let lens = image.extents.iter().map(|extent| extent.len).collect();
        tags.push(Tag {
            id: tag::TILE_OFFSETS,
            values: Values::Offsets(offsets),
        });
        tags.push(Tag {
            id: tag::TILE_BYTE_COUNTS,
            values: Values::Offsets(lens),
        });
        tags.sort_by_key(|tag| tag.id);

        let count_bytes = if self.is_big { 8 } else { 2 };
        let entries_end =
            out.len() + count_bytes + tags.len() * self.entry_bytes() + self.pointer_bytes();
        let mut values_at = entries_end;
        let mut values_after: Vec<u8> = Vec::new();
        let mut next_place = places_at;
        self.push_count(out, tags.len());
        for tag in &tags {
            let bytes = self.value_bytes(&tag.values);
            let (tiff_type, count) = self.type_and_count(&tag.values);
            out.extend(tag.id.to_le_bytes());
            out.extend(tiff_type.to_le_bytes());
            self.push_pointer(out, count);
            if bytes.len() <= self.pointer_bytes() {
                out.extend(&bytes);
                out.extend(std::iter::repeat_n(0, self.pointer_bytes() - bytes.len()));
            } else if tag.is_places() {
                self.push_pointer(out, next_place);
                next_place += bytes.len();
                places.extend(bytes);
            } else {
                self.push_pointer(out, values_at);
                values_after.extend(&bytes);
                values_after.resize(even(values_after.len()), 0);
                values_at = entries_end + values_after.len();
            }
        }
        self.push_pointer(out, next_ifd);
        out.extend(values_after);
        next_place
    }

    fn push_count(self, out: &mut Vec<u8>, count: usize) {
        match self.is_big {
            true => out.extend((count as u64).to_le_bytes()),
            false => out.extend((count as u16).to_le_bytes()),
        }
    }

    fn push_pointer(self, out: &mut Vec<u8>, value: usize) {
        match self.is_big {
            true => out.extend((value as u64).to_le_bytes()),
            false => out.extend((value as u32).to_le_bytes()),
        }
    }
}

/// Returns the first byte of each level when the last level comes first, at `data_start`.
fn level_starts(data_start: u64, level_bytes: &[u64]) -> Vec<u64> {
    let mut starts = vec![0; level_bytes.len()];
    let mut at = data_start;
    for (start, bytes) in starts.iter_mut().zip(level_bytes).rev() {
        *start = at;
        at += bytes;
    }
    starts
}

fn even(bytes: usize) -> usize {
    bytes.next_multiple_of(2)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops where it fails")]
mod tests {
    use super::*;

    fn image(extents: Vec<Extent>, level_index: usize) -> Image {
        let text = Tag {
            id: 270,
            values: Values::Ascii("ab".repeat(5)),
        };
        Image {
            tags: vec![text, Tag::short(256, 7)],
            extents,
            level_index,
        }
    }

    fn long_at(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn sizes_in_the_ghost_area_are_those_of_gdal() {
        assert!(ghost_area(false).starts_with("GDAL_STRUCTURAL_METADATA_SIZE=000140 bytes\n"));
        assert!(ghost_area(true).starts_with("GDAL_STRUCTURAL_METADATA_SIZE=000174 bytes\n"));
    }

    #[test]
    fn blocks_are_found_behind_the_smaller_levels() {
        let full = image(
            vec![Extent { offset: 4, len: 10 }, Extent { offset: 22, len: 3 }],
            0,
        );
        let small = image(vec![Extent { offset: 4, len: 5 }], 1);
        let start = file_start(&[full, small], &[33, 13], false, false);
        let data_start = start.bytes.len() as u32;
        let ifd = long_at(&start.bytes, 4) as usize;
        assert_eq!(ifd, 192);
        // Four entries: width, text, offsets, byte counts.
        assert_eq!(start.bytes[ifd], 4);
        let offsets_at = long_at(&start.bytes, ifd + 2 + 2 * 12 + 8) as usize;
        assert_eq!(long_at(&start.bytes, offsets_at), data_start + 13 + 4);
        assert_eq!(long_at(&start.bytes, offsets_at + 4), data_start + 13 + 22);
        let text_at = long_at(&start.bytes, ifd + 2 + 12 + 8) as usize;
        assert_eq!(&start.bytes[text_at..text_at + 11], b"ababababab\0");
        let second = long_at(&start.bytes, ifd + 2 + 4 * 12) as usize;
        assert_eq!(
            long_at(&start.bytes, second + 2 + 2 * 12 + 8),
            data_start + 4
        );
    }

    #[test]
    fn four_gibibytes_need_a_big_tiff() {
        let full = || image(vec![Extent { offset: 4, len: 10 }, Extent::default()], 0);
        assert!(!file_start(&[full()], &[4_000_000_000], false, false).is_big);
        let big = file_start(&[full()], &[4_294_967_296], false, false);
        assert!(big.is_big);
        assert_eq!(&big.bytes[..8], b"II\x2b\0\x08\0\0\0");
    }
}
