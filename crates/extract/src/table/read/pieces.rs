//! Cuts a question into pieces by parcels, so that memory stays bounded and threads have work each.

use std::sync::Arc;

use super::index::{FileIndex, ParcelFilter};

/// Rows of a piece, about: those of the pages that may hold its parcels.
pub(super) const PIECE_ROWS: u64 = 1 << 19;
/// Parcels of a list that are tried as one piece at first.
const FIRST_PARCELS: usize = 64;

/// Returns filters that follow one another in the order of parcels and together are `filter`.
///
/// Each has about `rows_max` rows in pages that may hold its parcels, more where one parcel has.
pub(super) fn pieces(
    filter: &ParcelFilter,
    indexes: &[Arc<FileIndex>],
    rows_max: u64,
) -> Vec<ParcelFilter> {
    match filter {
        ParcelFilter::List(parcels) => list_pieces(parcels, indexes, rows_max),
        ParcelFilter::Range(range) if range.start() > range.end() => Vec::new(),
        ParcelFilter::Range(range) => {
            range_pieces((*range.start(), *range.end()), indexes, rows_max)
        }
    }
}

fn list_pieces(parcels: &[i32], indexes: &[Arc<FileIndex>], rows_max: u64) -> Vec<ParcelFilter> {
    let mut pieces = Vec::new();
    let (mut rest, mut take) = (parcels, FIRST_PARCELS);
    while !rest.is_empty() {
        let piece = ParcelFilter::List(rest[..take.min(rest.len())].into());
        let rows = candidate_rows(&piece, indexes);
        if rows > rows_max && take > 1 {
            take /= 2;
            continue;
        }
        rest = &rest[take.min(rest.len())..];
        pieces.push(piece);
        if rows < rows_max / 4 {
            take *= 2;
        }
    }
    pieces
}

pub(super) fn candidate_rows(piece: &ParcelFilter, indexes: &[Arc<FileIndex>]) -> u64 {
    let stretches = indexes.iter().flat_map(|index| index.candidates(piece));
    stretches
        .map(|stretch| u64::from(stretch.rows.end - stretch.rows.start))
        .sum()
}

/// Cuts where enough pages of all files begin. Parcels are not cut, so a piece may be larger where one
/// parcel fills many pages.
fn range_pieces(
    (first, last): (i32, i32),
    indexes: &[Arc<FileIndex>],
    rows_max: u64,
) -> Vec<ParcelFilter> {
    let pages = indexes.iter().flat_map(|index| &index.parcel_pages);
    let inside = pages.filter(|page| first <= page.max && page.min <= last);
    let mut begins: Vec<(i32, u64)> = inside
        .map(|page| {
            (
                page.min.max(first),
                u64::from(page.end_row - page.first_row),
            )
        })
        .collect();
    begins.sort_unstable();
    if begins.is_empty() {
        return Vec::new();
    }
    let mut pieces = Vec::new();
    let (mut start, mut rows) = (first, 0);
    for (parcel, page_rows) in begins {
        if rows >= rows_max && parcel > start {
            pieces.push(ParcelFilter::Range(start..=parcel - 1));
            (start, rows) = (parcel, 0);
        }
        rows += page_rows;
    }
    pieces.push(ParcelFilter::Range(start..=last));
    pieces
}
