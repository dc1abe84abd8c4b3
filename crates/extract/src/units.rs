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

/// A record that is waited for or gone through.
type Entry = (Arc<Chunk>, u32);

/// Goes down a grid, row of units by row of units, each from the left, and yields those that hold parcels.
///
/// Chunks are taken as late as possible and let go as soon as units are: of a row that fills its band, those of the
/// columns under way are held, not all.
pub(crate) struct Units {
    size: Size,
    unit: Size,
    block: Size,
    blocks_across: u32,
    chunks: ChunkIter,
    next_chunk: Option<Arc<Chunk>>,
    /// Records that begin in a row to come, by that row.
    waiting: VecDeque<Entry>,
    /// Records of the row under way, and of those above, that go on in the next: in chunks of their own, since one of
    /// them in each chunk would keep all chunks.
    going_on: Vec<Entry>,
    /// Pieces of each column of the row under way.
    columns: Vec<Vec<Piece>>,
    /// The first of these columns that is to come.
    next_column: usize,
    /// The row under way, and the one after.
    row: u32,
    row_end: u32,
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
        let mut chunks = table.chunks()?;
        Ok(Self {
            size,
            unit,
            block,
            blocks_across: blocks.width,
            next_chunk: chunks.next().transpose()?,
            chunks,
            waiting: VecDeque::new(),
            going_on: Vec::new(),
            columns: Vec::new(),
            next_column: 0,
            row: 0,
            row_end: 0,
            vanished: Arc::default(),
            selection,
        })
    }

    /// Returns the list of parcels without any area, on the grid or off it; filled as the scan goes on.
    pub(crate) fn vanished(&self) -> Arc<Mutex<Vec<u32>>> {
        self.vanished.clone()
    }

    /// Begins the next row; false where no parcel is left or the grid ends.
    fn begin_row(&mut self) -> bool {
        let is_over =
            self.going_on.is_empty() && self.waiting.is_empty() && self.next_chunk.is_none();
        if is_over || self.row_end >= self.size.height {
            return false;
        }
        self.row = self.row_end;
        let row_end = self.row.saturating_add(self.unit.height);
        self.row_end = row_end.min(self.size.height);
        self.next_column = 0;
        let columns = self.size.width.div_ceil(self.unit.width) as usize;
        self.columns.clear();
        self.columns.resize_with(columns, Vec::new);
        let is_above =
            |(chunk, index): &Entry| chunk.record(*index as usize).first_row() < self.row_end;
        let begun = self.waiting.iter().take_while(|entry| is_above(entry));
        let begun = begun.count();
        let begun: Vec<Entry> = self.waiting.drain(..begun).collect();
        let above = std::mem::take(&mut self.going_on);
        above.iter().for_each(|entry| self.put(entry));
        let row_end = self.row_end;
        self.going_on = above;
        self.going_on.retain(|entry| goes_on(entry, row_end));
        self.begin_records(&begun);
        true
    }

    /// Takes the chunks whose records may begin in the row under way, left of `col_end`.
    fn take_chunks(&mut self, col_end: u32) -> Result<(), ExtractError> {
        let row_end = self.row_end;
        let is_due = |chunk: &mut Arc<Chunk>| {
            let band = chunk.band();
            // Of the last band of this row, those beyond the column can wait; a pixel more for coordinates that were rounded.
            band.start < row_end && (band.end < row_end || chunk.first_col() <= col_end)
        };
        let mut later = Vec::new();
        while let Some(chunk) = self.next_chunk.take_if(is_due) {
            self.next_chunk = self.chunks.next().transpose()?;
            let selection = self.selection.as_ref();
            let is_wanted = |index: &u32| {
                let parcel = chunk.record(*index as usize).parcel();
                selection.is_none_or(|own| own.contains(parcel))
            };
            let wanted = (0..chunk.len() as u32).filter(is_wanted);
            let begins = |index: &u32| chunk.record(*index as usize).first_row() < row_end;
            let (begun, rest): (Vec<u32>, Vec<u32>) = wanted.partition(begins);
            let entry = |index: u32| (chunk.clone(), index);
            let begun: Vec<Entry> = begun.into_iter().map(entry).collect();
            later.extend(rest.into_iter().map(entry));
            self.begin_records(&begun);
        }
        if !later.is_empty() {
            self.waiting.extend(later);
            let row = |(chunk, index): &Entry| chunk.record(*index as usize).first_row();
            self.waiting.make_contiguous().sort_by_key(row);
        }
        Ok(())
    }

    /// Takes records that begin in the row under way.
    fn begin_records(&mut self, entries: &[Entry]) {
        for entry in entries {
            let record = entry.0.record(entry.1 as usize);
            if record.window().is_empty() && record.outside() == 0.0 {
                self.vanished
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner())
                    .push(record.parcel());
            }
            self.put(entry);
        }
        let below = entries
            .iter()
            .filter(|entry| goes_on(entry, self.row_end))
            .map(|(chunk, index)| (&**chunk, *index));
        let own = Arc::new(Chunk::gathered(below));
        let own = (0..own.len() as u32).map(|index| (own.clone(), index));
        self.going_on.extend(own);
    }

    /// Puts a record into the columns that it covers.
    fn put(&mut self, (chunk, index): &Entry) {
        let window = chunk.record(*index as usize).window();
        if window.is_empty() {
            return;
        }
        let first = window.col / self.unit.width;
        let last = (window.col_end() - 1) / self.unit.width;
        let rows = (window.row_end() - 1) / self.unit.height - window.row / self.unit.height + 1;
        debug_assert!(first as usize >= self.next_column, "chunks come by column");
        for column in &mut self.columns[first as usize..=last as usize] {
            column.push(Piece {
                chunk: chunk.clone(),
                index: *index,
                units: (last - first + 1) * rows,
            });
        }
    }

    /// Returns the next unit of the row under way, `None` at its end.
    fn next_in_row(&mut self) -> Result<Option<Unit>, ExtractError> {
        while self.next_column < self.columns.len() {
            let col = self.next_column as u32 * self.unit.width;
            let width = self.unit.width.min(self.size.width - col);
            let is_last = self.next_column + 1 == self.columns.len();
            // The last column takes what lies right of the grid as well.
            self.take_chunks(if is_last { u32::MAX } else { col + width })?;
            let pieces = std::mem::take(&mut self.columns[self.next_column]);
            self.next_column += 1;
            if !pieces.is_empty() {
                let window = Window {
                    col,
                    row: self.row,
                    width,
                    height: self.row_end - self.row,
                };
                return Ok(Some(Unit {
                    blocks: self.touched_blocks(&window, &pieces),
                    window,
                    pieces,
                }));
            }
        }
        Ok(None)
    }

    fn next_unit(&mut self) -> Result<Option<Unit>, ExtractError> {
        loop {
            if let Some(unit) = self.next_in_row()? {
                return Ok(Some(unit));
            }
            if !self.begin_row() {
                return Ok(None);
            }
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

/// True of a record that covers rows from `row_end` on.
fn goes_on((chunk, index): &Entry, row_end: u32) -> bool {
    chunk.record(*index as usize).window().row_end() > row_end
}

impl Iterator for Units {
    type Item = Result<Unit, ExtractError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_unit();
        if next.is_err() {
            // Nothing comes after an error.
            self.columns.clear();
            self.row_end = self.size.height;
        }
        next.transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use geo_types::{MultiPolygon, Rect, coord};
    use swath_grid::{Crs, GeoBox, Point, Transform};
    use swath_raster::CoverageRule;

    use super::*;
    use crate::coverage_table::CoverageInput;
    use crate::stages::StageMeter;

    const SIZE: Size = Size {
        width: 1_300,
        height: 1_700,
    };

    /// Squares all over the grid and beyond it, of a few pixels or some hundred, and the empty parcel 7.
    fn parcel(number: usize) -> MultiPolygon<f64> {
        if number == 7 {
            return MultiPolygon(Vec::new());
        }
        let x = (number * 7_919 % 1_500) as f64 - 100.0;
        let y = (number * 104_729 % 1_900) as f64 - 100.0;
        let side = if number.is_multiple_of(50) {
            400.0
        } else {
            9.5
        };
        let corners = (coord! {x: x, y: y}, coord! {x: x + side, y: y + side});
        MultiPolygon(vec![Rect::new(corners.0, corners.1).to_polygon()])
    }

    fn table(count: u32) -> CoverageTable {
        let origin = Point {
            x: 0.0,
            y: f64::from(SIZE.height),
        };
        let transform = Transform::north_up(origin, 1.0).expect("positive");
        let crs = Crs::from_epsg(32632).expect("known");
        let geobox = GeoBox::new(crs, transform, SIZE).expect("not empty");
        let numbers: Vec<u32> = (0..count).collect();
        let input = CoverageInput {
            geobox: &geobox,
            rule: CoverageRule::Fraction,
            parcels: &numbers,
            polygon: &|number| Ok(parcel(number)),
            meter: &StageMeter::default(),
        };
        CoverageTable::compute(&input, None).expect("computes")
    }

    #[test]
    fn every_parcel_is_in_the_units_that_it_touches() {
        let table = table(3_000);
        let mut windows: BTreeMap<u32, Window> = BTreeMap::new();
        for chunk in table.chunks().expect("in memory") {
            let chunk = chunk.expect("whole");
            for index in 0..chunk.len() {
                let record = chunk.record(index);
                windows.insert(record.parcel(), record.window());
            }
        }
        let strips = BlockLayout {
            size: SIZE,
            block: Size {
                width: SIZE.width,
                height: 7,
            },
            blocks: Size {
                width: 1,
                height: SIZE.height.div_ceil(7),
            },
        };
        let squares = [64, 512, 600, 1_024, 4_096].map(|side| BlockLayout::square(SIZE, side));
        for layout in squares.into_iter().chain([strips]) {
            let units = Units::new(&layout, &table, None).expect("in memory");
            let vanished = units.vanished();
            let mut found: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
            for unit in units {
                let unit = unit.expect("in memory");
                for piece in &unit.pieces {
                    let record = piece.record();
                    assert!(record.window().intersection(&unit.window).is_some());
                    let (count, units) = found.entry(record.parcel()).or_default();
                    (*count, *units) = (*count + 1, piece.units);
                }
            }
            let is_complete = |(count, units): &(u32, u32)| count == units;
            assert!(found.values().all(is_complete), "{layout:?}");
            let on_grid = windows.iter().filter(|(_, window)| !window.is_empty());
            let on_grid: Vec<u32> = on_grid.map(|(parcel, _)| *parcel).collect();
            assert!(found.keys().copied().eq(on_grid), "{layout:?}");
            assert_eq!(*vanished.lock().expect("one thread"), [7], "{layout:?}");
        }
    }

    #[test]
    fn only_the_parcels_of_a_selection_come() {
        let table = table(200);
        let flags: Vec<bool> = (0..200)
            .map(|number: u32| number.is_multiple_of(3))
            .collect();
        let selection = Arc::new(Selection::from_flags(&flags));
        let layout = BlockLayout::square(SIZE, 512);
        let units = Units::new(&layout, &table, Some(selection)).expect("in memory");
        let pieces = units.flat_map(|unit| unit.expect("in memory").pieces);
        let mut found: Vec<u32> = pieces.map(|piece| piece.record().parcel()).collect();
        assert!(found.iter().all(|parcel| parcel.is_multiple_of(3)));
        found.sort_unstable();
        found.dedup();
        assert!(found.len() > 40, "{} parcels", found.len());
    }
}
