//! What lies in each cell of the zooms that show no parcels.
//!
//! A tile of such a zoom has 64 × 64 cells. A parcel counts in each cell with its area there (a point
//! with 1), so that nothing is left out, and a mean over a cell is a mean over its ground.

use geo_types::{Coord, LineString, MultiPolygon, Polygon};
use rayon::prelude::*;
use swath_grid::{Crs, GeoBox, Point, Size, Transform};
use swath_raster::{CoverageRule, coverage};

use super::square::{Place, Rectangle, z_order};

/// Halvings of a tile's side: 64 cells of 8 pixels on a screen that shows a tile with 512.
pub(super) const CELL_ZOOMS: u8 = 6;
/// Most cells of a parcel that are looked at; one that lies over more counts in the cell of its middle.
const PARCEL_CELLS_MAX: u64 = 1 << 22;
/// EPSG code of the square.
const EPSG_SQUARE: u32 = 3857;

/// A parcel in a cell of the finest level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry {
    /// Position of the cell along the Z-order curve.
    pub cell: u64,
    /// Row of the parcel.
    pub row: u32,
    /// Square metres, or 1 for a point.
    pub weight: f32,
}

/// A cell of a level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    /// Position along the Z-order curve of its level.
    pub cell: u64,
    /// Square metres of parcels, or number of points.
    pub weight: f32,
    /// Place of the crop with the greatest part in the list of crops, from 1; 0: none is declared.
    pub crop: u32,
    /// Part of that crop, 0 to 1.
    pub crop_share: f32,
}

/// The rings of a parcel on the square, without closing vertices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outline<'a> {
    pub row: u32,
    pub places: &'a [Place],
    /// End of each ring in `places`, and whether it is a shell.
    pub rings: &'a [(u32, bool)],
    /// Square metres; `None` for points.
    pub area_m2: Option<f32>,
}

/// Returns the entries of a parcel at a level of cells.
pub(super) fn entries(outline: &Outline<'_>, level: u8) -> Vec<Entry> {
    let mut around = Rectangle::NOWHERE;
    outline
        .places
        .iter()
        .for_each(|place| around.extend(*place));
    if outline.places.is_empty() {
        return Vec::new();
    }
    let weight = outline.area_m2.unwrap_or(1.0);
    // Level 0 is the whole square: a shift by all bits.
    let cell = |step: u32| (u64::from(step) >> (32 - level)) as u32;
    let (first, last) = (around.min.map(cell), around.max.map(cell));
    let (cols, rows) = (last[0] - first[0] + 1, last[1] - first[1] + 1);
    let entry = |col: u32, row: u32, weight: f32| Entry {
        cell: z_order(col, row),
        row: outline.row,
        weight,
    };
    let is_large = u64::from(cols) * u64::from(rows) > PARCEL_CELLS_MAX;
    if (cols, rows) == (1, 1) || is_large {
        let middle = around.middle().map(cell);
        return vec![entry(middle[0], middle[1], weight)];
    }
    let Some(grid) = grid(cols, rows) else {
        return Vec::new();
    };
    let covered = coverage(
        &polygon(outline, first, level),
        &grid,
        CoverageRule::Fraction,
    );
    let sum = covered.sum();
    let mut found = Vec::new();
    for run in &covered.runs {
        for col in run.col..run.col + run.len {
            let part = (run.share / sum) as f32 * weight;
            found.push(entry(first[0] + col, first[1] + run.row, part));
        }
    }
    if found.is_empty() {
        let middle = around.middle().map(cell);
        found.push(entry(middle[0], middle[1], weight));
    }
    found
}

/// Cells as pixels; which place on Earth they have does not matter.
fn grid(cols: u32, rows: u32) -> Option<GeoBox> {
    let crs = Crs::from_epsg(EPSG_SQUARE).ok()?;
    let transform = Transform::north_up(Point { x: 0.0, y: 0.0 }, 1.0)?;
    let size = Size {
        width: cols,
        height: rows,
    };
    GeoBox::new(crs, transform, size)
}

/// Returns the outline in units of cells from `first`, y upwards.
fn polygon(outline: &Outline<'_>, first: [u32; 2], level: u8) -> MultiPolygon<f64> {
    let cell_steps = 2.0_f64.powi(32 - i32::from(level));
    let unit = |step: u32, first: u32| f64::from(step) / cell_steps - f64::from(first);
    let mut polygons: Vec<Polygon<f64>> = Vec::new();
    let mut start = 0;
    for (end, is_shell) in outline.rings {
        let places = &outline.places[start..*end as usize];
        let coords = places.iter().map(|place| Coord {
            x: unit(place[0], first[0]),
            y: -unit(place[1], first[1]),
        });
        let ring = LineString::new(coords.collect());
        match polygons.last_mut() {
            Some(polygon) if !is_shell => polygon.interiors_push(ring),
            _ => polygons.push(Polygon::new(ring, Vec::new())),
        }
        start = *end as usize;
    }
    MultiPolygon(polygons)
}

/// Puts entries into the order of their cells.
pub(super) fn sort(entries: &mut [Entry]) {
    entries.par_sort_unstable_by_key(|entry| (entry.cell, entry.row));
}

/// Returns the cells of a level that is `coarser` levels above that of the entries, in their order;
/// `crops` has the crop of each row.
pub(super) fn cells(entries: &[Entry], coarser: u8, crops: &[u32]) -> Vec<Cell> {
    let mut weights = vec![0.0_f64; crops.iter().max().map_or(1, |most| *most as usize + 1)];
    let mut seen: Vec<u32> = Vec::new();
    let mut cells = Vec::new();
    for group in groups(entries, coarser) {
        let mut all = 0.0;
        for entry in group {
            let crop = crops[entry.row as usize];
            if weights[crop as usize] == 0.0 {
                seen.push(crop);
            }
            weights[crop as usize] += f64::from(entry.weight);
            all += f64::from(entry.weight);
        }
        seen.sort_unstable();
        let mut best = (0, 0.0);
        for crop in seen.drain(..) {
            let weight = std::mem::take(&mut weights[crop as usize]);
            if weight > best.1 {
                best = (crop, weight);
            }
        }
        cells.push(Cell {
            cell: group[0].cell >> (2 * coarser),
            weight: all as f32,
            crop: best.0,
            crop_share: if all > 0.0 {
                (best.1 / all) as f32
            } else {
                0.0
            },
        });
    }
    cells
}

/// Returns the mean of the values of parcels in each cell of a level, as [`cells`] orders them; NaN
/// where no parcel has one. `values` has one for each row, NaN where it is absent.
pub(super) fn means(entries: &[Entry], coarser: u8, values: &[f32]) -> Vec<f32> {
    let mean = |group: &[Entry]| {
        let (mut sum, mut all) = (0.0, 0.0);
        for entry in group {
            let value = values.get(entry.row as usize).copied().unwrap_or(f32::NAN);
            if value.is_finite() {
                sum += f64::from(value) * f64::from(entry.weight);
                all += f64::from(entry.weight);
            }
        }
        if all > 0.0 {
            (sum / all) as f32
        } else {
            f32::NAN
        }
    };
    groups(entries, coarser).map(mean).collect()
}

fn groups(entries: &[Entry], coarser: u8) -> impl Iterator<Item = &[Entry]> {
    entries.chunk_by(move |a, b| a.cell >> (2 * coarser) == b.cell >> (2 * coarser))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parcel_counts_where_it_lies() {
        // A rectangle of 3 by 1 cells of level 10, from the middle of one cell on.
        let cell = 1_u32 << 22;
        let (left, right) = (10 * cell + cell / 2, 13 * cell + cell / 2);
        let places = [
            [left, 20 * cell],
            [right, 20 * cell],
            [right, 21 * cell - 1],
            [left, 21 * cell - 1],
        ];
        let outline = Outline {
            row: 7,
            places: &places,
            rings: &[(4, true)],
            area_m2: Some(60.0),
        };
        let mut found = entries(&outline, 10);
        sort(&mut found);
        let weights: Vec<f32> = found.iter().map(|entry| entry.weight.round()).collect();
        assert_eq!(weights.iter().sum::<f32>(), 60.0);
        assert_eq!(found.len(), 4);
        let whole = entries(&outline, 3);
        assert_eq!((whole.len(), whole[0].weight), (1, 60.0));
    }

    #[test]
    fn cells_say_what_is_most_and_means_are_weighted() {
        let entry = |cell, row, weight| Entry { cell, row, weight };
        let entries = [entry(4, 0, 1.0), entry(5, 1, 3.0), entry(9, 2, 2.0)];
        let crops = [1, 2, 0];
        let found = cells(&entries, 1, &crops);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].cell, found[0].crop, found[0].weight), (1, 2, 4.0));
        assert_eq!((found[0].crop_share, found[1].crop), (0.75, 0));
        let found = means(&entries, 1, &[1.0, 2.0, f32::NAN]);
        assert_eq!(found[0], 1.75);
        assert!(found[1].is_nan());
    }
}
