//! The main header of a codestream: grid of tiles, components, marker segments.

use std::ops::Range;

use swath_grid::{Size, Window};
use swath_raster::DataType;
use tokio::sync::OnceCell;

use super::coding::CodingStyles;
use super::tile_parts::{TileIndex, TilePart, tile_part_lengths};
use super::{Stop, be_u16, be_u32, get};
use crate::tiff::SparseBytes;

pub(super) const SOC: u16 = 0xff4f;
pub(super) const SIZ: u16 = 0xff51;
pub(super) const COD: u16 = 0xff52;
pub(super) const COC: u16 = 0xff53;
pub(super) const TLM: u16 = 0xff55;
pub(super) const PLM: u16 = 0xff57;
pub(super) const POC: u16 = 0xff5f;
pub(super) const PPM: u16 = 0xff60;
pub(super) const CRG: u16 = 0xff63;
pub(super) const COM: u16 = 0xff64;
pub(super) const SOT: u16 = 0xff90;
pub(super) const SOD: u16 = 0xff93;
pub(super) const EOC: u16 = 0xffd9;

/// Most bytes of a main header.
const HEADER_BYTES_MAX: u64 = 16 << 20;
/// Most marker segments of a main header.
const SEGMENTS_MAX: usize = 16_384;
/// Most tiles: their index has 16 bits.
const TILES_MAX: u64 = 65_535;
/// Most components: what the decoder takes.
const COMPONENTS_MAX: u16 = 255;
/// Most bits of a sample: beyond that the decoder's single precision is not exact.
const BITS_MAX: u8 = 16;
/// Most bytes that decoding one tile may need: four for each sample of all components, and for
/// three more planes of coefficients.
const TILE_WORK_BYTES_MAX: u64 = 3 << 30;
/// A level whose longer side is at most this is the last one offered.
const SIDE_OF_LAST_LEVEL_PX: u32 = 128;

/// Bits and sign of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) bits: u8,
    pub(crate) is_signed: bool,
}

/// Image and tiles on the reference grid.
#[derive(Debug, Clone)]
pub(crate) struct TileGrid {
    /// Upper-left corner of image and tiles: both are the same here.
    pub(crate) col: u32,
    pub(crate) row: u32,
    pub(crate) size: Size,
    pub(crate) tile: Size,
    pub(crate) components: Vec<Component>,
}

/// A codestream without its tiles.
#[derive(Debug)]
pub(crate) struct Codestream {
    pub(crate) grid: TileGrid,
    /// Marker segments that the decoder needs, with their markers; SIZ is the first.
    pub(super) segments: Vec<(u16, Vec<u8>)>,
    pub(super) coding: CodingStyles,
    /// From SOC to the end that the file claims.
    pub(crate) range: Range<u64>,
    /// Where the first tile-part stands.
    pub(crate) first_part: u64,
    /// Tile-parts as the TLM marker lists them, where it does.
    pub(crate) listed_parts: Option<Vec<TilePart>>,
    /// Found out when the first tile is asked for.
    pub(crate) index: OnceCell<TileIndex>,
}

/// Reads the main header of the codestream in `range`.
pub(super) fn read(
    bytes: &SparseBytes,
    file_len: u64,
    range: Range<u64>,
) -> Result<Codestream, Stop> {
    let mut at = range.start;
    let raw = get(bytes, file_len, at, 4, "the codestream")?;
    if be_u16(raw, 0) != Some(SOC) || be_u16(raw, 2) != Some(SIZ) {
        return Err(format!("no codestream begins at byte {at} (SOC and SIZ expected)").into());
    }
    at += 2;
    let mut all = Vec::new();
    loop {
        let marker = be_u16(get(bytes, file_len, at, 2, "the main header")?, 0).unwrap_or(0);
        if marker == SOT {
            break;
        }
        if all.len() == SEGMENTS_MAX || at - range.start > HEADER_BYTES_MAX {
            return Err(format!(
                "its main header is longer than {HEADER_BYTES_MAX} bytes or {SEGMENTS_MAX} segments"
            )
            .into());
        }
        // These have no parameters and are skipped.
        if (0xff30..=0xff3f).contains(&marker) {
            at += 2;
            continue;
        }
        if marker < 0xff00 || marker == EOC || marker == SOD {
            return Err(format!("no marker of a main header at byte {at} ({marker:#06x})").into());
        }
        let raw_len = get(bytes, file_len, at + 2, 2, "a marker segment")?;
        let len = u64::from(be_u16(raw_len, 0).unwrap_or(0));
        if len < 2 {
            return Err(format!("the marker segment at byte {at} claims {len} bytes").into());
        }
        let body = get(bytes, file_len, at + 4, len - 2, "a marker segment")?;
        all.push((marker, body.to_vec()));
        at += 2 + len;
    }
    assemble(all, range, at).map_err(Stop::Wrong)
}

fn assemble(
    all: Vec<(u16, Vec<u8>)>,
    range: Range<u64>,
    first_part: u64,
) -> Result<Codestream, String> {
    let has = |wanted: u16| all.iter().any(|(marker, _)| *marker == wanted);
    if has(PPM) {
        return Err("packet headers packed in the main header (PPM) are not read".to_owned());
    }
    let grid = match all.first() {
        Some((SIZ, body)) => TileGrid::parse(body)?,
        _ => return Err("its main header does not begin with SIZ".to_owned()),
    };
    if all.iter().skip(1).any(|(marker, _)| *marker == SIZ) {
        return Err("its main header has a second SIZ segment".to_owned());
    }
    let count = grid.tiles_across() * grid.tiles_down();
    let lengths: Vec<&[u8]> = all
        .iter()
        .filter(|(marker, _)| *marker == TLM)
        .map(|(_, body)| body.as_slice())
        .collect();
    let listed_parts = tile_part_lengths(&lengths, count, first_part, range.end);
    // Lengths and remarks concern the file, not the single tile that is decoded.
    let is_needed = |marker: u16| !matches!(marker, TLM | PLM | CRG | COM);
    let segments: Vec<_> = all
        .into_iter()
        .filter(|(marker, _)| is_needed(*marker))
        .collect();
    let coding = CodingStyles::default().with(&segments, grid.components.len())?;
    if !coding.is_complete() {
        return Err("its main header has no coding style (COD)".to_owned());
    }
    Ok(Codestream {
        grid,
        segments,
        coding,
        range,
        first_part,
        listed_parts,
        index: OnceCell::new(),
    })
}

impl TileGrid {
    fn parse(body: &[u8]) -> Result<Self, String> {
        let at = |index: usize| be_u32(body, 2 + 4 * index).ok_or("its SIZ segment is cut off");
        let [right, bottom, col, row] = [at(0)?, at(1)?, at(2)?, at(3)?];
        let [tile_width, tile_height, tile_col, tile_row] = [at(4)?, at(5)?, at(6)?, at(7)?];
        let count = be_u16(body, 34).ok_or("its SIZ segment is cut off")?;
        if !(1..=COMPONENTS_MAX).contains(&count) {
            return Err(format!(
                "{count} components (1 to {COMPONENTS_MAX} are read)"
            ));
        }
        let size = |end: u32, start: u32, name: &str| {
            end.checked_sub(start)
                .filter(|side| (1..=i32::MAX as u32).contains(side) && end <= i32::MAX as u32)
                .ok_or_else(|| format!("its {name} runs from {start} to {end}"))
        };
        let size = Size {
            width: size(right, col, "image width")?,
            height: size(bottom, row, "image height")?,
        };
        let is_one_tile = tile_col.checked_add(tile_width).is_some_and(|e| e >= right)
            && tile_row
                .checked_add(tile_height)
                .is_some_and(|e| e >= bottom)
            && tile_col <= col
            && tile_row <= row;
        let tile = if is_one_tile {
            size
        } else {
            Size {
                width: tile_width,
                height: tile_height,
            }
        };
        if !is_one_tile && (tile_col, tile_row) != (col, row) {
            return Err(format!(
                "its tiles begin at {tile_col}, {tile_row} and its image at {col}, {row}: such offsets are not read"
            ));
        }
        if tile.width == 0 || tile.height == 0 {
            return Err("its tiles are empty".to_owned());
        }
        let raw = body
            .get(36..36 + 3 * usize::from(count))
            .ok_or("its SIZ segment is cut off")?;
        let components = raw
            .chunks_exact(3)
            .map(component)
            .collect::<Result<Vec<_>, _>>()?;
        let grid = Self {
            col,
            row,
            size,
            tile,
            components,
        };
        grid.check()?;
        Ok(grid)
    }

    fn check(&self) -> Result<(), String> {
        let tiles = u64::from(self.tiles_across()) * u64::from(self.tiles_down());
        if tiles > TILES_MAX {
            return Err(format!("{tiles} tiles (at most {TILES_MAX} are allowed)"));
        }
        let first = data_type(self.components[0]);
        if self.components.iter().any(|own| data_type(*own) != first) {
            return Err(
                "its components are of different types: such files are not read".to_owned(),
            );
        }
        let width = u64::from(self.tile.width.min(self.size.width));
        let height = u64::from(self.tile.height.min(self.size.height));
        let planes = self.components.len() as u64 + 3;
        let bytes = (width * height).saturating_mul(4 * planes);
        if bytes > TILE_WORK_BYTES_MAX {
            return Err(format!(
                "a tile of {width}x{height} pixels needs {bytes} bytes to decode (at most {TILE_WORK_BYTES_MAX}): rewrite the file with smaller tiles"
            ));
        }
        Ok(())
    }

    pub(crate) fn data_type(&self) -> DataType {
        data_type(self.components[0])
    }

    pub(crate) fn tiles_across(&self) -> u32 {
        self.size.width.div_ceil(self.tile.width)
    }

    pub(crate) fn tiles_down(&self) -> u32 {
        self.size.height.div_ceil(self.tile.height)
    }

    /// Returns the pixels of tile `number` at full resolution, counted from the corner of the image.
    pub(crate) fn tile_window(&self, number: u32) -> Window {
        let col = number % self.tiles_across() * self.tile.width;
        let row = number / self.tiles_across() * self.tile.height;
        Window {
            col,
            row,
            width: self.tile.width.min(self.size.width - col),
            height: self.tile.height.min(self.size.height - row),
        }
    }

    /// Returns image and tile size after `reduction` halvings, `None` where the tiles do not stay
    /// a regular grid of blocks, or the last ones vanish.
    pub(crate) fn reduced(&self, reduction: u8) -> Option<(Size, Size)> {
        let step = 1_u32.checked_shl(u32::from(reduction))?;
        let side = |start: u32, len: u32| (start + len).div_ceil(step) - start.div_ceil(step);
        let size = Size {
            width: side(self.col, self.size.width),
            height: side(self.row, self.size.height),
        };
        if self.tiles_across() * self.tiles_down() == 1 {
            let is_whole = self.size.width >= step && self.size.height >= step;
            return is_whole.then_some((size, size));
        }
        let is_regular = [self.col, self.row, self.tile.width, self.tile.height]
            .iter()
            .all(|length| length.is_multiple_of(step));
        let last = self.tile_window(self.tiles_across() * self.tiles_down() - 1);
        let block = Size {
            width: self.tile.width / step,
            height: self.tile.height / step,
        };
        (is_regular && last.width >= step && last.height >= step).then_some((size, block))
    }
}

fn component(raw: &[u8]) -> Result<Component, String> {
    let (bits, is_signed) = ((raw[0] & 0x7f) + 1, raw[0] & 0x80 != 0);
    if bits > BITS_MAX {
        return Err(format!(
            "samples of {bits} bits (at most {BITS_MAX} are read)"
        ));
    }
    if raw[1] != 1 || raw[2] != 1 {
        return Err(format!(
            "components sampled every {} x {} pixels: subsampled components are not read",
            raw[1], raw[2]
        ));
    }
    Ok(Component { bits, is_signed })
}

fn data_type(component: Component) -> DataType {
    match (component.is_signed, component.bits) {
        (false, ..=8) => DataType::U8,
        (false, _) => DataType::U16,
        (true, ..=8) => DataType::I8,
        (true, _) => DataType::I16,
    }
}

impl Codestream {
    /// Returns how often the image may be halved: 0 is the full resolution.
    pub(crate) fn reductions(&self) -> u8 {
        let mut reduction = 0;
        let mut size = self.grid.size;
        while reduction < self.coding.levels_min()
            && size.width.max(size.height) > SIDE_OF_LAST_LEVEL_PX
            && let Some((smaller, _)) = self.grid.reduced(reduction + 1)
        {
            reduction += 1;
            size = smaller;
        }
        reduction
    }

    /// Returns the stored bytes of a tile; their average until the tile-parts were found.
    pub(crate) fn tile_bytes(&self, number: u32) -> u64 {
        match self.index.get() {
            Some(index) => index.stored_bytes(number),
            None => {
                let tiles = u64::from(self.grid.tiles_across()) * u64::from(self.grid.tiles_down());
                (self.range.end - self.first_part.min(self.range.end)) / tiles.max(1)
            }
        }
    }
}
