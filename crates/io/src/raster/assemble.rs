//! Windows put together from pieces: decoded blocks of a raster, or parts of a result.

use std::ops::Range;

use swath_grid::Window;
use swath_raster::{DataType, Mask, Pixels, RasterBand, Sample, for_pixels};

use super::blocks::{DecodedBlock, nothing_to_assemble};
use crate::IoError;

impl DecodedBlock {
    /// Puts decoded blocks together to the values of `window`; pixels that none of them holds are not valid.
    ///
    /// # Errors
    /// [`IoError::Internal`] where there is no block, or their bands differ.
    pub fn assemble(window: Window, blocks: Vec<DecodedBlock>) -> Result<Self, IoError> {
        if blocks.len() == 1 && blocks[0].window == window {
            return blocks.into_iter().next().ok_or_else(nothing_to_assemble);
        }
        Self::assemble_from(window, blocks.iter())
    }

    /// As [`DecodedBlock::assemble`], from blocks that stay where they are.
    ///
    /// # Errors
    /// [`IoError::Internal`] where there is no block.
    pub fn assemble_from<'a>(
        window: Window,
        blocks: impl Iterator<Item = &'a DecodedBlock> + Clone,
    ) -> Result<Self, IoError> {
        if let Some(whole) = Self::joined(window, blocks.clone()) {
            return Ok(whole);
        }
        let first = blocks.clone().next().ok_or_else(nothing_to_assemble)?;
        let data_types = first.bands.iter().map(Pixels::data_type);
        let mut patchwork = Patchwork::new(window, data_types);
        for block in blocks {
            let masks = block.masks.iter();
            patchwork.put(block.bands.iter().zip(masks), &block.window);
        }
        let (bands, masks) = patchwork
            .finish()
            .into_iter()
            .map(|band| (band.pixels, band.mask))
            .unzip();
        Ok(Self {
            window,
            bands,
            masks,
        })
    }

    /// Writes each value once: row by row through blocks that come in the order of a file and hold the whole
    /// window. `None` where they do not.
    fn joined<'a>(window: Window, blocks: impl Iterator<Item = &'a DecodedBlock>) -> Option<Self> {
        let lines = lines(&window, blocks)?;
        let count = lines.first()?.blocks.first()?.bands.len();
        let mut bands = Vec::with_capacity(count);
        let mut masks = Vec::with_capacity(count);
        for index in 0..count {
            let first = lines.first()?.blocks.first()?;
            bands.push(for_pixels!(&first.bands[index], values => {
                joined_values(values, &window, &lines, index)
            })?);
            masks.push(joined_masks(&window, &lines, index));
        }
        Some(Self {
            window,
            bands,
            masks,
        })
    }
}

/// Blocks that hold the same rows of a window, from its left edge on.
struct Line<'a> {
    rows: Range<u32>,
    /// First column that none of them holds.
    col_end: u32,
    blocks: Vec<&'a DecodedBlock>,
}

/// Returns lines that hold each pixel of `window` once; `None` where blocks are missing or come in another order.
fn lines<'a>(
    window: &Window,
    blocks: impl Iterator<Item = &'a DecodedBlock>,
) -> Option<Vec<Line<'a>>> {
    let mut lines: Vec<Line> = Vec::new();
    for block in blocks {
        let Some(part) = block.window.intersection(window) else {
            continue;
        };
        let rows = part.row..part.row_end();
        match lines.last_mut() {
            Some(line) if line.col_end < window.col_end() => {
                if line.rows != rows || line.col_end != part.col {
                    return None;
                }
                line.col_end = part.col_end();
                line.blocks.push(block);
            }
            before => {
                let row = before.map_or(window.row, |line| line.rows.end);
                if (part.col, part.row) != (window.col, row) {
                    return None;
                }
                lines.push(Line {
                    rows,
                    col_end: part.col_end(),
                    blocks: vec![block],
                });
            }
        }
    }
    let last = lines.last()?;
    let is_whole = last.rows.end == window.row_end() && last.col_end == window.col_end();
    is_whole.then_some(lines)
}

/// Calls `take` for each run of pixels, in the order of the window: a block and the run's place in it.
fn for_runs<'a>(
    window: &Window,
    lines: &[Line<'a>],
    mut take: impl FnMut(&'a DecodedBlock, Range<usize>) -> Option<()>,
) -> Option<()> {
    for line in lines {
        for row in line.rows.clone() {
            for block in &line.blocks {
                let own = &block.window;
                let (left, right) = (own.col.max(window.col), own.col_end().min(window.col_end()));
                let start = (row - own.row) as usize * own.width as usize;
                let run = start + (left - own.col) as usize..start + (right - own.col) as usize;
                take(block, run)?;
            }
        }
    }
    Some(())
}

/// Returns the values of a band; `None` where blocks have different types.
fn joined_values<T: Sample>(
    _: &[T],
    window: &Window,
    lines: &[Line<'_>],
    band: usize,
) -> Option<Pixels> {
    let mut values: Vec<T> = Vec::with_capacity(window.len() as usize);
    for_runs(window, lines, |block, run| {
        values.extend_from_slice(&T::slice(block.bands.get(band)?)?[run]);
        Some(())
    })?;
    Some(T::wrap(values))
}

fn joined_masks(window: &Window, lines: &[Line<'_>], band: usize) -> Mask {
    let mut masks = lines
        .iter()
        .flat_map(|line| &line.blocks)
        .map(|block| &block.masks[band]);
    if masks.clone().all(|mask| *mask == Mask::All) {
        return Mask::All;
    }
    if masks.all(|mask| *mask == Mask::None) {
        return Mask::None;
    }
    let mut flags = Vec::with_capacity(window.len() as usize);
    for_runs(window, lines, |block, run| {
        match &block.masks[band] {
            Mask::All => flags.resize(flags.len() + run.len(), true),
            Mask::None => flags.resize(flags.len() + run.len(), false),
            Mask::Pixels(own) => flags.extend_from_slice(&own[run]),
        }
        Some(())
    });
    Mask::from_flags(flags)
}

/// Bands of a window that are put together from pieces which do not overlap; what no piece holds is 0 and not
/// valid.
pub(crate) struct Patchwork {
    window: Window,
    bands: Vec<PatchedBand>,
}

struct PatchedBand {
    values: Pixels,
    /// Pieces put so far, as long as all of their pixels are valid.
    pieces: Vec<Window>,
    /// What is valid, from the first piece on that has other pixels.
    flags: Option<Vec<bool>>,
}

impl Patchwork {
    /// Returns bands of these types without a valid pixel.
    pub fn new(window: Window, data_types: impl Iterator<Item = DataType>) -> Self {
        let len = window.len() as usize;
        let bands = data_types.map(|data_type| PatchedBand {
            values: Pixels::zeros(data_type, len),
            pieces: Vec::new(),
            flags: None,
        });
        Self {
            window,
            bands: bands.collect(),
        }
    }

    /// Puts the bands of a piece to their place; what of it lies outside of the window is left out.
    ///
    /// # Panics
    /// Where the piece has more bands, or bands of other types.
    pub fn put<'a>(&mut self, piece: impl Iterator<Item = (&'a Pixels, &'a Mask)>, place: &Window) {
        for (index, (pixels, mask)) in piece.enumerate() {
            let band = &mut self.bands[index];
            copy_pixels(&mut band.values, &self.window, pixels, place);
            if band.flags.is_none() && *mask == Mask::All {
                band.pieces.extend(self.window.intersection(place));
                continue;
            }
            let (window, pieces) = (&self.window, &band.pieces);
            let flags = band.flags.get_or_insert_with(|| flags_of(window, pieces));
            copy_flags(flags, window, mask, place);
        }
    }

    /// Puts the bands of a piece of a result, likewise.
    ///
    /// # Panics
    /// As [`Patchwork::put`].
    pub fn put_bands(&mut self, bands: &[RasterBand], place: &Window) {
        self.put(bands.iter().map(|band| (&band.pixels, &band.mask)), place);
    }

    /// Returns the bands.
    pub fn finish(self) -> Vec<RasterBand> {
        let window = self.window;
        let mask_of = |pieces: &[Window], flags: Option<Vec<bool>>| {
            let valid: u64 = pieces.iter().map(Window::len).sum();
            match flags {
                Some(flags) => Mask::from_flags(flags),
                None if valid == window.len() => Mask::All,
                None if valid == 0 => Mask::None,
                None => Mask::Pixels(flags_of(&window, pieces)),
            }
        };
        let finished = self.bands.into_iter().map(|band| RasterBand {
            pixels: band.values,
            mask: mask_of(&band.pieces, band.flags),
        });
        finished.collect()
    }
}

/// Returns flags of a window that are true in `pieces`.
fn flags_of(window: &Window, pieces: &[Window]) -> Vec<bool> {
    let mut flags = vec![false; window.len() as usize];
    for piece in pieces {
        copy_flags(&mut flags, window, &Mask::All, piece);
    }
    flags
}

/// Copies the common rows of two windows: `copy(to, from, len)` for each of them.
fn for_common_rows(to: &Window, from: &Window, mut copy: impl FnMut(usize, usize, usize)) {
    let Some(common) = to.intersection(from) else {
        return;
    };
    let at = |window: &Window, row: u32| {
        (row - window.row) as usize * window.width as usize + (common.col - window.col) as usize
    };
    for row in common.row..common.row_end() {
        copy(at(to, row), at(from, row), common.width as usize);
    }
}

fn copy_pixels(to: &mut Pixels, to_window: &Window, from: &Pixels, from_window: &Window) {
    fn copy<T: Sample>(to: &mut [T], to_window: &Window, from: &Pixels, from_window: &Window) {
        let from = T::slice(from).expect("pieces of a band have its type");
        for_common_rows(to_window, from_window, |to_at, from_at, len| {
            to[to_at..to_at + len].copy_from_slice(&from[from_at..from_at + len]);
        });
    }
    for_pixels!(to, values => copy(values, to_window, from, from_window));
}

pub(super) fn copy_flags(to: &mut [bool], to_window: &Window, from: &Mask, from_window: &Window) {
    for_common_rows(to_window, from_window, |to_at, from_at, len| match from {
        Mask::All => to[to_at..to_at + len].fill(true),
        Mask::None => to[to_at..to_at + len].fill(false),
        Mask::Pixels(flags) => {
            to[to_at..to_at + len].copy_from_slice(&flags[from_at..from_at + len])
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(col: u32, row: u32, width: u32, height: u32) -> Window {
        Window {
            col,
            row,
            width,
            height,
        }
    }

    /// A block whose values say column and row; valid where `is_valid` says so.
    fn block(window: Window, is_valid: impl Fn(u32, u32) -> bool) -> DecodedBlock {
        let rows = window.row..window.row_end();
        let places: Vec<(u32, u32)> = rows
            .flat_map(|row| (window.col..window.col_end()).map(move |col| (col, row)))
            .collect();
        let values = places.iter().map(|(col, row)| (col + 100 * row) as u16);
        let flags = places.iter().map(|(col, row)| is_valid(*col, *row));
        DecodedBlock {
            window,
            bands: vec![Pixels::U16(values.collect())],
            masks: vec![Mask::from_flags(flags.collect())],
        }
    }

    /// Blocks of 4 x 3 pixels of an image of 10 x 7.
    fn blocks(is_valid: impl Fn(u32, u32) -> bool + Copy) -> Vec<DecodedBlock> {
        let mut blocks = Vec::new();
        for row in [0, 3, 6] {
            for col in [0, 4, 8] {
                let own = window(col, row, 4.min(10 - col), 3.min(7 - row));
                blocks.push(block(own, is_valid));
            }
        }
        blocks
    }

    #[test]
    fn blocks_in_any_order_make_the_same_window() {
        for is_valid in [
            (|_, _| true) as fn(u32, u32) -> bool,
            |col, row| (col + row) % 3 > 0,
            |col, _| col >= 4,
            |_, _| false,
        ] {
            let mut blocks = blocks(is_valid);
            for part in [window(0, 0, 10, 7), window(1, 2, 8, 5), window(5, 3, 2, 2)] {
                let expected = block(part, is_valid);
                for _ in 0..2 {
                    let made = DecodedBlock::assemble_from(part, blocks.iter()).expect("blocks");
                    assert_eq!(made.bands, expected.bands, "{part:?}");
                    assert_eq!(made.masks, expected.masks, "{part:?}");
                    blocks.reverse();
                }
            }
        }
    }

    #[test]
    fn what_no_block_holds_is_not_valid() {
        let mut blocks = blocks(|_, _| true);
        blocks.remove(4);
        let part = window(3, 2, 3, 2);
        let made = DecodedBlock::assemble_from(part, blocks.iter()).expect("blocks");
        let flags = vec![true, true, true, true, false, false];
        assert_eq!(made.masks, [Mask::Pixels(flags)]);
        assert_eq!(made.bands, [Pixels::U16(vec![203, 204, 205, 303, 0, 0])]);
    }

    #[test]
    fn pieces_that_fill_a_window_need_no_flags() {
        let whole = window(0, 0, 4, 2);
        let piece = |mask| (Pixels::U8(vec![7; 4]), mask);
        for (left, right, expected) in [
            (Mask::All, Some(Mask::All), Mask::All),
            (Mask::None, Some(Mask::None), Mask::None),
            (
                Mask::All,
                None,
                Mask::Pixels(vec![true, true, false, false, true, true, false, false]),
            ),
            (
                Mask::All,
                Some(Mask::Pixels(vec![false, true, true, true])),
                Mask::Pixels(vec![true, true, false, true, true, true, true, true]),
            ),
        ] {
            let mut patchwork = Patchwork::new(whole, [DataType::U8].into_iter());
            let pieces = [Some(left), right].into_iter().enumerate();
            for (index, mask) in pieces.filter_map(|(index, mask)| Some((index, mask?))) {
                let (pixels, mask) = piece(mask);
                let place = window(2 * index as u32, 0, 2, 2);
                patchwork.put([(&pixels, &mask)].into_iter(), &place);
            }
            assert_eq!(patchwork.finish()[0].mask, expected);
        }
    }
}
