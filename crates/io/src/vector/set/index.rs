//! Finding rows of a parcel set by id and by place.

use swath_grid::Bounds;
use xxhash_rust::xxh3::xxh3_64;

use super::super::parcels::StringColumn;

/// Ids and rectangles of all parcels of a set, in memory: about 60 bytes a parcel.
#[derive(Debug, Default)]
pub struct ParcelIndex {
    ids: StringColumn,
    bounds: Vec<Bounds>,
    /// XXH3 of each id with its row, sorted.
    rows: Vec<(u64, u32)>,
}

impl ParcelIndex {
    pub(super) fn new(ids: StringColumn, bounds: Vec<Bounds>) -> Self {
        let hash = |id: Option<&str>| xxh3_64(id.unwrap_or_default().as_bytes());
        let mut rows: Vec<(u64, u32)> = (0..)
            .zip(ids.iter())
            .map(|(row, id)| (hash(id), row))
            .collect();
        rows.sort_unstable();
        Self { ids, bounds, rows }
    }

    /// Returns the number of parcels.
    pub fn len(&self) -> usize {
        self.bounds.len()
    }

    /// True where there is no parcel.
    pub fn is_empty(&self) -> bool {
        self.bounds.is_empty()
    }

    /// Returns the row of a parcel, which is its number in the tables; `None` where there is none.
    pub fn row(&self, id: &str) -> Option<u32> {
        let hash = xxh3_64(id.as_bytes());
        let start = self.rows.partition_point(|(known, _)| *known < hash);
        let mut alike = self.rows[start..]
            .iter()
            .take_while(|(known, _)| *known == hash);
        alike.find_map(|(_, row)| (self.ids.get(*row as usize) == Some(id)).then_some(*row))
    }

    /// Returns the id of a row, `None` beyond the last.
    pub fn id(&self, row: u32) -> Option<&str> {
        ((row as usize) < self.ids.len()).then(|| self.ids.get(row as usize))?
    }

    /// Returns the rectangle of a row in the CRS of the set, `None` beyond the last.
    pub fn bounds(&self, row: u32) -> Option<Bounds> {
        self.bounds.get(row as usize).copied()
    }

    /// Returns the rows whose rectangles share a point with one in the CRS of the set, in order.
    pub fn rows_meeting(&self, asked: &Bounds) -> Vec<u32> {
        let meets = |own: &Bounds| {
            own.min_x <= asked.max_x
                && own.max_x >= asked.min_x
                && own.min_y <= asked.max_y
                && own.max_y >= asked.min_y
        };
        let rows = (0..).zip(&self.bounds);
        rows.filter_map(|(row, own)| meets(own).then_some(row))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(x: f64) -> Bounds {
        Bounds {
            min_x: x,
            min_y: 0.0,
            max_x: x + 1.0,
            max_y: 1.0,
        }
    }

    #[test]
    fn rows_are_found_by_id_and_place() {
        let mut ids = StringColumn::default();
        ["007", "7", "x"].iter().for_each(|id| ids.push(Some(id)));
        let index = ParcelIndex::new(ids, vec![bounds(0.0), bounds(5.0), bounds(1.0)]);
        assert_eq!(index.row("7"), Some(1));
        assert_eq!(index.row("007"), Some(0));
        assert_eq!(index.row("07"), None);
        assert_eq!((index.id(2), index.id(3)), (Some("x"), None));
        assert_eq!(index.rows_meeting(&bounds(1.0)), [0, 2]);
        assert!(index.rows_meeting(&bounds(9.0)).is_empty());
    }
}
