//! Units of a scan: rectangles of whole blocks with the parcels in them, in reading order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use swath_grid::{Size, Window};
use swath_io::GeoTiff;

use crate::ExtractError;
use crate::coverage_record::CoverageRecord;
use crate::coverage_table::{Chunk, ChunkIter, CoverageTable};
use crate::selection::Selection;

/// Pixels that a unit holds at least, where blocks are small.
const UNIT_PIXELS_MIN: u64 = 1 << 17;

/// One parcel's part in a unit.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    chunk: Arc<Chunk>,
    index: u32,
    /// Units that the parcel's rectangle touches: 1 = it lies in this one.
    pub(crate) units: u32,
}

impl Piece {
    pub(crate) fn record(&self) -> CoverageRecord<'_> {
        self.chunk.record(self.index as usize)
    }
}

/// A rectangle of blocks with the parcels in it.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) window: Window,
    pub(crate) blocks: Vec<u32>,
    pub(crate) pieces: Vec<Piece>,
}

/// How a grid is cut into blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockLayout {
    /// The grid.
    pub(crate) size: Size,
    /// One block; those at the right and lower edge may be cut.
    pub(crate) block: Size,
    /// Blocks across and down.
    pub(crate) blocks: Size,
}

impl BlockLayout {
    /// Returns the blocks of a raster.
    pub(crate) fn of(raster: &GeoTiff) -> Self {
        Self {
            size: raster.size(),
            block: raster.block_size(),
            blocks: raster.blocks(),
        }
    }

    /// Returns blocks of `side` pixels over a grid.
    pub(crate) fn square(size: Size, side: u32) -> Self {
        Self {
            size,
            block: Size {
                width: side,
                height: side,
            },
            blocks: Size {
                width: size.width.div_ceil(side),
                height: size.height.div_ceil(side),
            },
        }
    }
}

/// Goes down a grid, block row by block row, and yields the units that hold parcels.
pub(crate) struct Units {
    size: Size,
    unit: Size,
    block: Size,
    blocks_across: u32,
    chunks: ChunkIter,
    next_chunk: Option<Arc<Chunk>>,
    waiting: VecDeque<(Arc<Chunk>, u32)>,
    active: Vec<(Arc<Chunk>, u32)>,
    ready: VecDeque<Unit>,
    row: u32,
    vanished: Arc<Mutex<Vec<u32>>>,
    selection: Option<Arc<Selection>>,
}

impl Units {
    /// Returns the units of `selection`, or of all parcels in `table`.
    ///
    /// # Errors
    /// Where the kept table vanished meanwhile.
    pub(crate) fn new(
        layout: &BlockLayout,
        table: &CoverageTable,
        selection: Option<Arc<Selection>>,
    ) -> Result<Self, ExtractError> {
        let BlockLayout {
            size,
            block,
            blocks,
        } = *layout;
        let pixels = u64::from(block.width) * u64::from(block.height);
        let wanted = UNIT_PIXELS_MIN.div_ceil(pixels).max(1);
        let (across, down) = if blocks.width == 1 {
            (1, wanted)
        } else {
            let side = (wanted as f64).sqrt().ceil() as u64;
            (side.min(u64::from(blocks.width)), side)
        };
        let unit = Size {
            width: (block.width as u64 * across).min(u64::from(u32::MAX)) as u32,
            height: (block.height as u64 * down.min(u64::from(blocks.height)))
                .min(u64::from(u32::MAX)) as u32,
        };
        let mut units = Self {
            size,
            unit,
            block,
            blocks_across: blocks.width,
            chunks: table.chunks()?,
            next_chunk: None,
            waiting: VecDeque::new(),
            active: Vec::new(),
            ready: VecDeque::new(),
            row: 0,
            vanished: Arc::default(),
            selection,
        };
        units.next_chunk = units.chunks.next().transpose()?;
        Ok(units)
    }

    /// Returns the list of parcels without any area, on the grid or off it; filled as the scan goes on.
    pub(crate) fn vanished(&self) -> Arc<Mutex<Vec<u32>>> {
        self.vanished.clone()
    }

    /// Fills `ready` with the units of the next row that has any; false at the end.
    fn advance(&mut self) -> Result<bool, ExtractError> {
        while self.row < self.size.height {
            let row_end = self
                .row
                .saturating_add(self.unit.height)
                .min(self.size.height);
            self.take_records(row_end)?;
            let row = self.row;
            self.row = row_end;
            self.collect_units(row, row_end);
            self.active.retain(|(chunk, index)| {
                chunk.record(*index as usize).window().row_end() > row_end
            });
            if !self.ready.is_empty() {
                return Ok(true);
            }
            if self.active.is_empty() && self.waiting.is_empty() && self.next_chunk.is_none() {
                return Ok(false);
            }
        }
        Ok(false)
    }

    fn take_records(&mut self, row_end: u32) -> Result<(), ExtractError> {
        while let Some(chunk) = self
            .next_chunk
            .take_if(|chunk| chunk.len() == 0 || chunk.record(0).first_row() < row_end)
        {
            let is_wanted = |index: &u32| {
                let selection = self.selection.as_ref();
                selection.is_none_or(|own| own.contains(chunk.record(*index as usize).parcel()))
            };
            let wanted = (0..chunk.len() as u32).filter(is_wanted);
            self.waiting
                .extend(wanted.map(|index| (chunk.clone(), index)));
            self.next_chunk = self.chunks.next().transpose()?;
        }
        while let Some((chunk, index)) = self.waiting.front() {
            let record = chunk.record(*index as usize);
            if record.first_row() >= row_end {
                break;
            }
            let is_empty = record.window().is_empty();
            if is_empty && record.outside() == 0.0 {
                self.vanished
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner())
                    .push(record.parcel());
            }
            if let Some(entry) = self.waiting.pop_front()
                && !is_empty
            {
                self.active.push(entry);
            }
        }
        Ok(())
    }

    fn collect_units(&mut self, row: u32, row_end: u32) {
        let unit_cols = self.size.width.div_ceil(self.unit.width) as usize;
        let mut columns: Vec<Vec<Piece>> = Vec::new();
        columns.resize_with(unit_cols, Vec::new);
        for (chunk, index) in &self.active {
            let window = chunk.record(*index as usize).window();
            let first = window.col / self.unit.width;
            let last = (window.col_end() - 1) / self.unit.width;
            let rows =
                (window.row_end() - 1) / self.unit.height - window.row / self.unit.height + 1;
            let units = (last - first + 1) * rows;
            for column in &mut columns[first as usize..=last as usize] {
                column.push(Piece {
                    chunk: chunk.clone(),
                    index: *index,
                    units,
                });
            }
        }
        for (column, pieces) in columns.into_iter().enumerate() {
            if pieces.is_empty() {
                continue;
            }
            let col = column as u32 * self.unit.width;
            let width = self.unit.width.min(self.size.width - col);
            let window = Window {
                col,
                row,
                width,
                height: row_end - row,
            };
            self.ready.push_back(Unit {
                blocks: self.touched_blocks(&window, &pieces),
                window,
                pieces,
            });
        }
    }

    /// Returns the blocks of a unit that the rectangles of its pieces touch.
    fn touched_blocks(&self, unit: &Window, pieces: &[Piece]) -> Vec<u32> {
        let all = self.blocks_in(unit);
        if all.len() == 1 {
            return all;
        }
        let mut is_touched = vec![false; all.len()];
        for piece in pieces {
            let part = piece.record().window().intersection(unit);
            for number in part.iter().flat_map(|part| self.blocks_in(part)) {
                if let Ok(index) = all.binary_search(&number) {
                    is_touched[index] = true;
                }
            }
        }
        let touched = all.into_iter().zip(is_touched);
        touched
            .filter_map(|(number, is_touched)| is_touched.then_some(number))
            .collect()
    }

    fn blocks_in(&self, window: &Window) -> Vec<u32> {
        let cols = window.col / self.block.width..window.col_end().div_ceil(self.block.width);
        let rows = window.row / self.block.height..window.row_end().div_ceil(self.block.height);
        rows.flat_map(|row| cols.clone().map(move |col| row * self.blocks_across + col))
            .collect()
    }
}

impl Iterator for Units {
    type Item = Result<Unit, ExtractError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.row = self.size.height;
                    return Some(Err(error));
                }
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
