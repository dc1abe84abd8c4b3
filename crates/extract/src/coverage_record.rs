//! Coverage of one parcel as a compact record, the same in memory and in the cache.
//!
//! Words of 32 bits: parcel, first row, number of rows, first column, column after the last, the column that
//! records are ordered by, then two `f64` (sum of the shares that count, and of those outside the grid), then one offset per row
//! and a last one, then the runs: column and length; where the highest bit of the length is set, as
//! many `f32` shares follow, else every share is 1.

use swath_grid::Window;
use swath_raster::{CoverageMask, CoverageRun, SHARE_MIN};

const HEADER_WORDS: usize = 10;
const PARTIAL: u32 = 1 << 31;
/// Share of a parcel outside the grid that is rounding, not geometry.
const OUTSIDE_TOLERANCE: f64 = 1e-9;

/// A view of one record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CoverageRecord<'a> {
    words: &'a [u32],
}

/// Row and column at which a parcel begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FirstPixel {
    pub(crate) row: u32,
    pub(crate) col: u32,
}

/// Appends the record of one parcel to `words`; returns its number of words.
///
/// `first` is at or above the first covered row, and at or left of the first covered column: records are ordered
/// by it.
pub(crate) fn push_record(
    words: &mut Vec<u32>,
    parcel: u32,
    first: FirstPixel,
    mask: &CoverageMask,
) -> usize {
    let start = words.len();
    let counts = |share: f64| share as f32 >= SHARE_MIN;
    let inside: f64 = mask
        .runs
        .iter()
        .filter(|run| counts(run.share))
        .map(|run| f64::from(run.share as f32) * f64::from(run.len))
        .sum();
    let outside = mask.total - mask.sum();
    let outside = if outside <= OUTSIDE_TOLERANCE * mask.total {
        0.0
    } else {
        outside
    };
    let first_row = mask
        .runs
        .first()
        .map_or(first.row, |run| run.row.min(first.row));
    let row_count = mask.runs.last().map_or(0, |run| run.row + 1 - first_row);
    let col_begin = mask.runs.iter().map(|run| run.col).min().unwrap_or(0);
    let col_end = mask
        .runs
        .iter()
        .map(|run| run.col + run.len)
        .max()
        .unwrap_or(0);
    let first_col = match mask.runs.is_empty() {
        true => first.col,
        false => first.col.min(col_begin),
    };
    words.extend([parcel, first_row, row_count, col_begin, col_end, first_col]);
    for number in [inside, outside] {
        words.extend([number.to_bits() as u32, (number.to_bits() >> 32) as u32]);
    }
    let table = words.len();
    words.resize(table + row_count as usize + 1, 0);
    let data = words.len();
    let mut rest = &mask.runs[..];
    for index in 0..row_count {
        words[table + index as usize] = (words.len() - data) as u32;
        let in_row = rest.partition_point(|run| run.row <= first_row + index);
        push_row(words, &rest[..in_row]);
        rest = &rest[in_row..];
    }
    words[table + row_count as usize] = (words.len() - data) as u32;
    words.len() - start
}

fn push_row(words: &mut Vec<u32>, runs: &[CoverageRun]) {
    let mut rest = runs;
    while let Some(first) = rest.first() {
        if first.share == 1.0 {
            words.extend([first.col, first.len]);
            rest = &rest[1..];
            continue;
        }
        let is_next =
            |pair: &[CoverageRun]| pair[1].share < 1.0 && pair[1].col == pair[0].col + pair[0].len;
        let group = 1 + rest.windows(2).take_while(|pair| is_next(pair)).count();
        let len: u32 = rest[..group].iter().map(|run| run.len).sum();
        words.extend([first.col, len | PARTIAL]);
        for run in &rest[..group] {
            words.extend(std::iter::repeat_n(
                (run.share as f32).to_bits(),
                run.len as usize,
            ));
        }
        rest = &rest[group..];
    }
}

/// Pixels of one row inside a window, with their shares.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Span<'a> {
    /// Every share is 1.
    Full {
        /// Index of the first pixel in the window.
        at: usize,
        /// Number of pixels.
        len: usize,
    },
    /// One share per pixel, as bits of `f32`.
    Partial {
        /// Index of the first pixel in the window.
        at: usize,
        /// The shares.
        shares: &'a [u32],
    },
}

impl<'a> CoverageRecord<'a> {
    /// Returns the record that starts at the beginning of `words`.
    pub(crate) fn new(words: &'a [u32]) -> Self {
        Self { words }
    }

    pub(crate) fn parcel(&self) -> u32 {
        self.words[0]
    }

    /// Returns the row that records are ordered by, at or above the first covered one.
    pub(crate) fn first_row(&self) -> u32 {
        self.words[1]
    }

    /// Returns the column that records are ordered by, at or left of the first covered one.
    pub(crate) fn first_col(&self) -> u32 {
        self.words[5]
    }

    /// Returns a rectangle that holds all covered pixels; empty where the parcel misses the grid.
    pub(crate) fn window(&self) -> Window {
        Window {
            row: self.words[1],
            height: self.words[2],
            col: self.words[3],
            width: self.words[4] - self.words[3],
        }
    }

    fn number(&self, at: usize) -> f64 {
        f64::from_bits(u64::from(self.words[at]) | u64::from(self.words[at + 1]) << 32)
    }

    /// Returns the sum of the shares on the grid that count.
    pub(crate) fn inside(&self) -> f64 {
        self.number(6)
    }

    /// Returns the sum of the shares outside the grid.
    pub(crate) fn outside(&self) -> f64 {
        self.number(8)
    }

    /// Calls `visit` with the covered pixels of `window`, row by row, left to right.
    pub(crate) fn for_each_span(&self, window: &Window, mut visit: impl FnMut(Span<'a>)) {
        let own = self.window();
        let Some(common) = own.intersection(window) else {
            return;
        };
        let table = HEADER_WORDS;
        let data = table + own.height as usize + 1;
        for row in common.row..common.row_end() {
            let index = table + (row - own.row) as usize;
            let from = data + self.words[index] as usize;
            let to = data + self.words[index + 1] as usize;
            let row_at = (row - window.row) as usize * window.width as usize;
            let mut rest = &self.words[from..to];
            while let [col, len, tail @ ..] = rest {
                let (is_partial, len) = (len & PARTIAL != 0, len & !PARTIAL);
                let begin = (*col).max(window.col);
                let end = (col + len).min(window.col_end());
                if begin < end {
                    let at = row_at + (begin - window.col) as usize;
                    visit(if is_partial {
                        Span::Partial {
                            at,
                            shares: &tail[(begin - col) as usize..(end - col) as usize],
                        }
                    } else {
                        Span::Full {
                            at,
                            len: (end - begin) as usize,
                        }
                    });
                }
                rest = if is_partial {
                    &tail[len as usize..]
                } else {
                    tail
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask() -> CoverageMask {
        let run = |row, col, len, share| CoverageRun {
            row,
            col,
            len,
            share,
        };
        let runs = vec![
            run(3, 5, 1, 0.25),
            run(3, 6, 1, 0.5),
            run(3, 7, 3, 1.0),
            run(3, 10, 1, 0.125),
            run(5, 4, 2, 1.0),
        ];
        CoverageMask { runs, total: 6.875 }
    }

    #[test]
    fn a_record_gives_back_its_pixels() {
        let mut words = vec![7; 3];
        let len = push_record(&mut words, 42, FirstPixel { row: 3, col: 3 }, &mask());
        assert_eq!(len, words.len() - 3);
        let record = CoverageRecord::new(&words[3..]);
        assert_eq!(record.parcel(), 42);
        assert_eq!(
            record.window(),
            Window {
                col: 4,
                row: 3,
                width: 7,
                height: 3
            }
        );
        assert_eq!((record.first_row(), record.first_col()), (3, 3));
        assert_eq!((record.inside(), record.outside()), (5.875, 1.0));
        let mut pixels = Vec::new();
        record.for_each_span(
            &Window {
                col: 6,
                row: 3,
                width: 100,
                height: 100,
            },
            |span| match span {
                Span::Full { at, len } => pixels.extend((at..at + len).map(|at| (at, 1.0))),
                Span::Partial { at, shares } => {
                    pixels.extend(
                        shares
                            .iter()
                            .enumerate()
                            .map(|(i, bits)| (at + i, f32::from_bits(*bits))),
                    );
                }
            },
        );
        assert_eq!(
            pixels,
            vec![(0, 0.5), (1, 1.0), (2, 1.0), (3, 1.0), (4, 0.125)]
        );
    }

    #[test]
    fn a_parcel_off_the_grid_has_an_empty_window() {
        let mut words = Vec::new();
        push_record(
            &mut words,
            0,
            FirstPixel { row: 0, col: 0 },
            &CoverageMask {
                runs: Vec::new(),
                total: 12.0,
            },
        );
        let record = CoverageRecord::new(&words);
        assert!(record.window().is_empty());
        assert_eq!((record.inside(), record.outside()), (0.0, 12.0));
    }
}
