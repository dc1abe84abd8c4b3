//! A value of each parcel for colouring, with its means in cells.

use super::cells::means;
use super::file::TilePyramid;
use crate::vector::VectorError;

/// A value for each parcel of a set, and its means in the cells of low zooms.
#[derive(Debug, Clone, PartialEq)]
pub struct TileValues {
    /// By row; NaN where there is none.
    pub(super) by_row: Vec<f32>,
    /// By zoom, in the order of its cells.
    pub(super) by_cell: Vec<Vec<f32>>,
}

impl TileValues {
    /// Returns the values with their means; `by_row` has one for each row, NaN where there is none.
    ///
    /// # Errors
    /// Where the file of the pyramid cannot be read.
    pub fn new(pyramid: &TilePyramid, by_row: Vec<f32>) -> Result<Self, VectorError> {
        let entries = pyramid.entries()?;
        let zooms = 0..pyramid.cell_zooms();
        let means = zooms.map(|zoom| means(&entries, pyramid.cell_zooms() - 1 - zoom, &by_row));
        Ok(Self {
            by_cell: means.collect(),
            by_row,
        })
    }

    /// Returns the values by row, NaN where there is none.
    pub fn by_row(&self) -> &[f32] {
        &self.by_row
    }

    /// Returns the bytes of memory that they take.
    pub fn memory_bytes(&self) -> usize {
        let cells: usize = self.by_cell.iter().map(Vec::len).sum();
        (self.by_row.len() + cells) * size_of::<f32>()
    }
}
