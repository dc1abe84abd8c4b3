//! The boxes of a JP2 file: where the codestream stands, and what is said about it.
//!
//! Source: ISO/IEC 15444-1 annex I; OGC 08-085 clause 8 (association boxes of GMLJP2).

use std::ops::Range;

use super::{Annotations, Stop, be_u16, be_u32, get};
use crate::tiff::SparseBytes;

/// Length and kind of the signature box.
const SIGNATURE: [u8; 8] = *b"\0\0\0\x0cjP  ";
/// Markers SOC and SIZ, with which a bare codestream begins.
pub(super) const CODESTREAM_START: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];
/// UUID of a GeoJP2 box.
const GEOTIFF_UUID: [u8; 16] = [
    0xb1, 0x4b, 0xf8, 0xbd, 0x08, 0x3d, 0x4b, 0x43, 0xa5, 0xae, 0x8c, 0xd7, 0xd5, 0xa6, 0xce, 0x03,
];
/// Label of the GML document that describes the image itself.
const ROOT_INSTANCE: &str = "gml.root-instance";

/// Most boxes of one file, those inside others included.
const BOXES_MAX: usize = 4096;
/// Deepest nesting of association boxes.
const DEPTH_MAX: usize = 8;
/// Most bytes of a box that is read whole.
const BOX_BYTES_MAX: u64 = 16 << 20;
/// Most entries of a palette.
const PALETTE_ENTRIES_MAX: usize = 1024;

/// True where a file that begins with `start` is JPEG 2000: a JP2 file or a bare codestream.
pub(crate) fn is_jpeg2000(start: &[u8]) -> bool {
    start.starts_with(&SIGNATURE) || start.starts_with(&CODESTREAM_START)
}

/// Head of one box.
struct BoxHead {
    kind: [u8; 4],
    /// Where the content stands.
    content: Range<u64>,
}

/// Walks the boxes of a file; returns where the first codestream stands and what is said about it.
pub(super) fn walk(bytes: &SparseBytes, file_len: u64) -> Result<(Range<u64>, Annotations), Stop> {
    let mut found = Annotations::default();
    let mut codestream: Option<Range<u64>> = None;
    let mut count = 0;
    let mut at = 0;
    while at < file_len {
        count += 1;
        if count > BOXES_MAX {
            return Err(format!("more than {BOXES_MAX} boxes").into());
        }
        let head = match read_head(bytes, file_len, at) {
            // Behind the codestream a cut or odd box is no loss: the image stands before it.
            Err(Stop::Wrong(_)) if codestream.is_some() => break,
            head => head?,
        };
        at = head.content.end;
        match &head.kind {
            b"jp2c" if codestream.is_none() => codestream = Some(head.content),
            b"jp2h" => {
                let content = content(bytes, file_len, &head)?;
                read_image_header(content, &mut count, &mut found)?;
            }
            b"uuid" | b"asoc" if head.content.end > file_len && codestream.is_some() => break,
            b"uuid" => {
                let own = content(bytes, file_len, &head)?;
                if let Some(tiff) = own.strip_prefix(&GEOTIFF_UUID) {
                    found.geotiff.get_or_insert_with(|| tiff.to_vec());
                }
            }
            b"asoc" => {
                let own = content(bytes, file_len, &head)?;
                let mut labels = Vec::new();
                read_association(own, 0, &mut count, &mut labels, &mut found)?;
            }
            _ => {}
        }
    }
    let codestream =
        codestream.ok_or_else(|| "the file has no codestream (jp2c box)".to_owned())?;
    Ok((codestream, found))
}

fn read_head(bytes: &SparseBytes, file_len: u64, at: u64) -> Result<BoxHead, Stop> {
    let head_len = 16.min(file_len - at).max(8);
    let raw = get(bytes, file_len, at, head_len, "a box")?;
    let (kind, from, len) = split_head(raw).ok_or_else(|| {
        format!("the box at byte {at} is cut off or claims less than its own header")
    })?;
    let end = match len {
        Some(len) => at
            .checked_add(len)
            .ok_or_else(|| format!("the box at byte {at} claims {len} bytes"))?,
        None => file_len,
    };
    Ok(BoxHead {
        kind,
        content: at + from..end,
    })
}

/// Returns kind, bytes of the head and length of the box; no length: up to the end.
fn split_head(raw: &[u8]) -> Option<([u8; 4], u64, Option<u64>)> {
    let kind = raw.get(4..8)?.try_into().ok()?;
    match be_u32(raw, 0)? {
        0 => Some((kind, 8, None)),
        1 => {
            let len = u64::from_be_bytes(raw.get(8..16)?.try_into().ok()?);
            (len >= 16).then_some((kind, 16, Some(len)))
        }
        len => (len >= 8).then_some((kind, 8, Some(u64::from(len)))),
    }
}

fn content<'a>(bytes: &'a SparseBytes, file_len: u64, head: &BoxHead) -> Result<&'a [u8], Stop> {
    let name = String::from_utf8_lossy(&head.kind).into_owned();
    let len = head.content.end - head.content.start;
    if len > BOX_BYTES_MAX {
        return Err(format!(
            "the box \"{name}\" at byte {} claims {len} bytes (at most {BOX_BYTES_MAX} are read)",
            head.content.start
        )
        .into());
    }
    get(
        bytes,
        file_len,
        head.content.start,
        len,
        &format!("the box \"{name}\""),
    )
}

/// A box by its type, with its content.
type ChildBox<'a> = ([u8; 4], &'a [u8]);

/// Returns the boxes inside another one, kind and content; a cut one ends the list.
fn children<'a>(raw: &'a [u8], count: &mut usize) -> Result<Vec<ChildBox<'a>>, Stop> {
    let mut found = Vec::new();
    let mut rest = raw;
    while let Some((kind, from, len)) = split_head(rest) {
        *count += 1;
        if *count > BOXES_MAX {
            return Err(format!("more than {BOXES_MAX} boxes").into());
        }
        let len = len.map_or(rest.len(), |len| usize::try_from(len).unwrap_or(usize::MAX));
        let Some(content) = rest.get(from as usize..len) else {
            break;
        };
        found.push((kind, content));
        rest = &rest[len..];
    }
    Ok(found)
}

/// Reads colour space, palette and channel definitions out of the `jp2h` box.
fn read_image_header(raw: &[u8], count: &mut usize, found: &mut Annotations) -> Result<(), Stop> {
    for (kind, content) in children(raw, count)? {
        match &kind {
            // METH 1: an enumerated colour space follows precedence and approximation.
            b"colr" if content.first() == Some(&1) && found.color_space.is_none() => {
                found.color_space = be_u32(content, 3);
            }
            b"pclr" => found.palette = palette(content),
            b"cdef" => found.alpha = alpha(content),
            _ => {}
        }
    }
    Ok(())
}

/// Returns the colours of a palette of three or more columns of 8 bits; other palettes give none.
fn palette(raw: &[u8]) -> Option<Vec<[u8; 3]>> {
    let entries = usize::from(be_u16(raw, 0)?);
    let columns = usize::from(*raw.get(2)?);
    let depths = raw.get(3..3 + columns)?;
    let is_read = (1..=PALETTE_ENTRIES_MAX).contains(&entries)
        && columns >= 3
        && depths.iter().all(|depth| *depth == 7);
    if !is_read {
        return None;
    }
    let values = raw.get(3 + columns..3 + columns + entries * columns)?;
    let colors = values.chunks_exact(columns);
    Some(colors.map(|color| [color[0], color[1], color[2]]).collect())
}

/// Returns the channel of type 1 (opacity) of a channel definition box.
fn alpha(raw: &[u8]) -> Option<usize> {
    let entries = usize::from(be_u16(raw, 0)?);
    let table = raw.get(2..2 + entries * 6)?;
    let opacity = table
        .chunks_exact(6)
        .find(|entry| be_u16(entry, 2) == Some(1))?;
    be_u16(opacity, 0).map(usize::from)
}

/// Looks for the GML document of the image in an association box and those inside it.
fn read_association(
    raw: &[u8],
    depth: usize,
    count: &mut usize,
    labels: &mut Vec<String>,
    found: &mut Annotations,
) -> Result<(), Stop> {
    if depth == DEPTH_MAX {
        return Err(format!("association boxes nested more than {DEPTH_MAX} deep").into());
    }
    let labels_before = labels.len();
    for (kind, content) in children(raw, count)? {
        match &kind {
            b"lbl " => {
                let text = String::from_utf8_lossy(content);
                labels.push(text.trim_end_matches('\0').to_owned());
            }
            b"asoc" => read_association(content, depth + 1, count, labels, found)?,
            b"xml " if found.gml.is_none() && labels.last().is_some_and(|l| l == ROOT_INSTANCE) => {
                let text = String::from_utf8_lossy(content);
                found.gml = Some(text.trim_matches(['\0', '\u{feff}']).to_owned());
            }
            _ => {}
        }
    }
    labels.truncate(labels_before);
    Ok(())
}
