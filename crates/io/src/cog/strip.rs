//! A run of whole rows of one level on its way to the blocks and to the next overview.

use swath_raster::{DataType, Pixels, for_pixels};

/// Rows `first_row..first_row + rows` of one level.
#[derive(Debug, Clone)]
pub(super) struct Strip {
    /// Columns of the level.
    pub width: usize,
    /// Row of the level that stands first.
    pub first_row: usize,
    /// Number of rows.
    pub rows: usize,
    /// One vector per band, rows × width.
    pub bands: Vec<Pixels>,
    /// 255 where valid, 0 where not.
    pub mask: Option<Vec<u8>>,
}

impl Strip {
    /// Returns a strip without rows, and room for `capacity_rows`.
    pub(super) fn empty(
        width: usize,
        data_type: DataType,
        band_count: usize,
        has_mask: bool,
    ) -> Self {
        Self {
            width,
            first_row: 0,
            rows: 0,
            bands: vec![Pixels::zeros(data_type, 0); band_count],
            mask: has_mask.then(Vec::new),
        }
    }

    /// Returns the row after the last.
    pub(super) fn row_end(&self) -> usize {
        self.first_row + self.rows
    }

    /// Adds `rows` rows of zeros at the end.
    pub(super) fn grow(&mut self, rows: usize) {
        self.rows += rows;
        let len = self.rows * self.width;
        for band in &mut self.bands {
            for_pixels!(band, values => values.resize(len, Default::default()));
        }
        if let Some(mask) = &mut self.mask {
            mask.resize(len, 0);
        }
    }

    /// Forgets all rows; the next one is `first_row`.
    pub(super) fn restart(&mut self, first_row: usize) {
        self.first_row = first_row;
        self.rows = 0;
        for band in &mut self.bands {
            for_pixels!(band, values => values.clear());
        }
        if let Some(mask) = &mut self.mask {
            mask.clear();
        }
    }

    /// Adds the rows of `other` from `row` on; they follow the last row of this strip.
    pub(super) fn append_from(&mut self, other: &Strip, row: usize) {
        let start = (row - other.first_row) * other.width;
        for (band, more) in self.bands.iter_mut().zip(&other.bands) {
            append(band, more, start);
        }
        if let (Some(mask), Some(more)) = (&mut self.mask, &other.mask) {
            mask.extend_from_slice(&more[start..]);
        }
        self.rows += other.row_end() - row;
    }
}

/// Adds the values of `more` from `start` on where the types agree, as they do within one file.
fn append(band: &mut Pixels, more: &Pixels, start: usize) {
    macro_rules! same_type {
        ($($variant:ident),*) => {
            match (band, more) {
                $((Pixels::$variant(values), Pixels::$variant(more)) => {
                    values.extend_from_slice(&more[start..]);
                })*
                _ => {}
            }
        };
    }
    same_type!(U8, I8, U16, I16, U32, I32, U64, I64, F32, F64);
}
