//! Which part of each pixel a polygon covers: exact area shares, or pixel centres.
//!
//! Shares: every edge is cut at pixel-row boundaries; within a row its pieces add signed height
//! (`cover`) and area to the pixels they pass through. The share of a pixel that no such edge
//! passes is the sum of the cover to its left: 0 or 1, or between where horizontal edges, which add
//! nothing themselves, cut through it. Every row is computed
//! by itself from the whole polygon, so no split of the grid changes a share.

use geo_types::{LineString, MultiPolygon};
use swath_grid::{GeoBox, Point, Size, Transform};

/// Shares this close to 1 are 1: far below what the coordinates can mean.
const FULL_TOLERANCE: f64 = 1e-12;
/// Rows outside the grid that are counted one by one for the total of the centre rule.
const OUTSIDE_ROWS_MAX: f64 = 1e6;

/// When a pixel belongs to a polygon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CoverageRule {
    /// With the share of its area that lies inside.
    Fraction,
    /// Wholly, if its centre lies inside; a centre on a left or top edge does, on a right or bottom edge not.
    Centre,
}

/// Neighbouring pixels of one row with the same share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoverageRun {
    /// Row of the grid.
    pub row: u32,
    /// First column.
    pub col: u32,
    /// Number of pixels.
    pub len: u32,
    /// Covered share of each of them, above 0 and at most 1.
    pub share: f64,
}

/// The pixels of a grid that a polygon covers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CoverageMask {
    /// Ordered by row, then column; no two overlap.
    pub runs: Vec<CoverageRun>,
    /// Sum of the shares on a grid without end: the area in pixels, or the number of centres.
    pub total: f64,
}

impl CoverageMask {
    /// Returns the sum of the shares on the grid.
    pub fn sum(&self) -> f64 {
        self.runs
            .iter()
            .map(|run| run.share * f64::from(run.len))
            .sum()
    }
}

/// Returns the share of each pixel of `geobox` that `polygon` covers.
///
/// `polygon` is in the CRS of `geobox`, valid, with rings of any orientation. The shares' sum times
/// the pixel area equals the area of the polygon within `geobox` to 1e-9 relative.
pub fn coverage(polygon: &MultiPolygon<f64>, geobox: &GeoBox, rule: CoverageRule) -> CoverageMask {
    let edges = EdgeList::new(polygon, geobox.transform());
    match rule {
        CoverageRule::Fraction => fractions(&edges, geobox.size()),
        CoverageRule::Centre => centres(&edges, geobox.size()),
    }
}

/// One edge in grid coordinates, pointing down (`top.y < bottom.y`).
#[derive(Debug, Clone, Copy)]
struct Edge {
    top: Point,
    bottom: Point,
    /// Columns per row.
    slope: f64,
    /// +1 or -1: what passing it from left to right adds to the winding.
    sign: f64,
}

impl Edge {
    fn col_at(&self, row: f64) -> f64 {
        if row <= self.top.y {
            self.top.x
        } else if row >= self.bottom.y {
            self.bottom.x
        } else {
            let col = self.top.x + (row - self.top.y) * self.slope;
            // Rounding must not carry the point outside of the edge.
            col.clamp(self.top.x.min(self.bottom.x), self.top.x.max(self.bottom.x))
        }
    }
}

struct EdgeList {
    /// Ordered by the row of their upper end.
    edges: Vec<Edge>,
    min: Point,
    max: Point,
    /// Area in pixels.
    area: f64,
}

impl EdgeList {
    fn new(polygon: &MultiPolygon<f64>, transform: &Transform) -> Self {
        let mut list = Self {
            edges: Vec::new(),
            min: Point {
                x: f64::INFINITY,
                y: f64::INFINITY,
            },
            max: Point {
                x: f64::NEG_INFINITY,
                y: f64::NEG_INFINITY,
            },
            area: 0.0,
        };
        for part in polygon {
            list.add_ring(part.exterior(), transform, 1.0);
            for hole in part.interiors() {
                list.add_ring(hole, transform, -1.0);
            }
        }
        list.edges.sort_by(|a, b| a.top.y.total_cmp(&b.top.y));
        list
    }

    fn add_ring(&mut self, ring: &LineString<f64>, transform: &Transform, weight: f64) {
        let points: Vec<Point> = ring
            .0
            .iter()
            .map(|c| transform.to_grid(Point { x: c.x, y: c.y }))
            .collect();
        let Some(origin) = points.first().copied() else {
            return;
        };
        if points
            .iter()
            .any(|point| !(point.x.is_finite() && point.y.is_finite()))
        {
            return;
        }
        let doubled: f64 = points
            .windows(2)
            .map(|pair| {
                (pair[0].x - origin.x) * (pair[1].y - origin.y)
                    - (pair[1].x - origin.x) * (pair[0].y - origin.y)
            })
            .sum();
        self.area += weight * doubled.abs() / 2.0;
        let orientation = if doubled < 0.0 { weight } else { -weight };
        for pair in points.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            self.min = Point {
                x: self.min.x.min(from.x),
                y: self.min.y.min(from.y),
            };
            self.max = Point {
                x: self.max.x.max(from.x),
                y: self.max.y.max(from.y),
            };
            if from.y == to.y {
                continue;
            }
            let (top, bottom, sign) = if from.y < to.y {
                (from, to, orientation)
            } else {
                (to, from, -orientation)
            };
            let slope = (bottom.x - top.x) / (bottom.y - top.y);
            self.edges.push(Edge {
                top,
                bottom,
                slope,
                sign,
            });
        }
    }

    /// Calls `visit` with each grid row that the polygon reaches and the edges in it.
    fn for_each_row(&self, rows: std::ops::Range<i64>, mut visit: impl FnMut(i64, &[Edge])) {
        let Some(first) = self.edges.first() else {
            return;
        };
        let begin = (first.top.y.floor() as i64).max(rows.start);
        let end = (self.max.y.ceil() as i64).min(rows.end);
        let mut active: Vec<Edge> = Vec::new();
        let mut next = 0;
        for row in begin..end {
            active.retain(|edge| edge.bottom.y > row as f64);
            while let Some(edge) = self
                .edges
                .get(next)
                .filter(|edge| edge.top.y < (row + 1) as f64)
            {
                if edge.bottom.y > row as f64 {
                    active.push(*edge);
                }
                next += 1;
            }
            if !active.is_empty() {
                visit(row, &active);
            }
        }
    }
}

/// Signed height and area that edges add in one pixel of the current row.
#[derive(Debug, Clone, Copy)]
struct Cell {
    col: i64,
    cover: f64,
    area: f64,
}

fn fractions(edges: &EdgeList, size: Size) -> CoverageMask {
    let mut mask = CoverageMask {
        runs: Vec::new(),
        total: edges.area,
    };
    let width = i64::from(size.width);
    let mut cells: Vec<Cell> = Vec::new();
    edges.for_each_row(0..i64::from(size.height), |row, active| {
        cells.clear();
        for edge in active {
            add_edge(edge, row, width, &mut cells);
        }
        // Stable: cells of one column keep the order of the edges, so sums do not depend on luck.
        cells.sort_by_key(|cell| cell.col);
        emit_row(row as u32, width, &cells, &mut mask.runs);
    });
    mask
}

/// Adds what `edge` does within `row` to the pixels it passes.
fn add_edge(edge: &Edge, row: i64, width: i64, cells: &mut Vec<Cell>) {
    let (row_top, row_bottom) = (row as f64, (row + 1) as f64);
    let y0 = edge.top.y.max(row_top);
    let y1 = edge.bottom.y.min(row_bottom);
    let (x0, x1) = (edge.col_at(y0), edge.col_at(y1));
    // Heights within the row are exact differences; large row numbers lose nothing.
    let (y0, y1) = (y0 - row_top, y1 - row_top);
    let end = width as f64;
    if x0 >= end && x1 >= end {
        return;
    }
    if x0 <= 0.0 && x1 <= 0.0 {
        cells.push(Cell {
            col: 0,
            cover: edge.sign * (y1 - y0),
            area: edge.sign * (y1 - y0),
        });
        return;
    }
    if x0.floor() == x1.floor() && x0 >= 0.0 && x1 < end {
        push_piece(edge.sign, x0, y0, x1, y1, cells);
        return;
    }
    // Walk from left to right over the column boundaries between the two ends.
    let is_rightward = x0 < x1;
    let (left, right) = if is_rightward {
        ((x0, y0), (x1, y1))
    } else {
        ((x1, y1), (x0, y0))
    };
    let dy_dx = (right.1 - left.1) / (right.0 - left.0);
    let y_at = |x: f64| {
        let y = left.1 + (x - left.0) * dy_dx;
        y.clamp(left.1.min(right.1), left.1.max(right.1))
    };
    let (mut x, mut y) = left;
    if x < 0.0 {
        let crossing = y_at(0.0);
        let cover = edge.sign * (crossing - y).abs();
        cells.push(Cell {
            col: 0,
            cover,
            area: cover,
        });
        (x, y) = (0.0, crossing);
    }
    while x < right.0 && x < end {
        let boundary = x.floor() + 1.0;
        let (next_x, next_y) = if boundary >= right.0 {
            right
        } else {
            (boundary, y_at(boundary))
        };
        let cover = edge.sign * (next_y - y).abs();
        let col = x.floor();
        let mean_x = (x + next_x) / 2.0;
        cells.push(Cell {
            col: col as i64,
            cover,
            area: cover * (col + 1.0 - mean_x),
        });
        (x, y) = (next_x, next_y);
    }
}

fn push_piece(sign: f64, x0: f64, y0: f64, x1: f64, y1: f64, cells: &mut Vec<Cell>) {
    let col = x0.floor();
    let cover = sign * (y1 - y0);
    let right_share = col + 1.0 - (x0 + x1) / 2.0;
    cells.push(Cell {
        col: col as i64,
        cover,
        area: cover * right_share,
    });
}

fn emit_row(row: u32, width: i64, cells: &[Cell], runs: &mut Vec<CoverageRun>) {
    let mut winding = 0.0;
    let mut next_col = 0;
    let mut rest = cells;
    while let Some(first) = rest.first() {
        let col = first.col;
        if col >= width {
            break;
        }
        push_between(row, next_col, col, winding, runs);
        let same = rest.partition_point(|cell| cell.col == col);
        let share = winding + rest[..same].iter().map(|cell| cell.area).sum::<f64>();
        winding += rest[..same].iter().map(|cell| cell.cover).sum::<f64>();
        push_share(row, col, share, runs);
        next_col = col + 1;
        rest = &rest[same..];
    }
    push_between(row, next_col, width, winding, runs);
}

/// Adds the pixels between two that edges pass: inside, outside, or cut by a horizontal edge, which
/// leaves the height that the edges to their left have added.
fn push_between(row: u32, from: i64, to: i64, winding: f64, runs: &mut Vec<CoverageRun>) {
    let share = winding.abs();
    if from >= to || share < FULL_TOLERANCE {
        return;
    }
    if share > 1.0 - FULL_TOLERANCE {
        push_run(
            runs,
            CoverageRun {
                row,
                col: from as u32,
                len: (to - from) as u32,
                share: 1.0,
            },
        );
        return;
    }
    for col in from..to {
        push_share(row, col, share, runs);
    }
}

fn push_share(row: u32, col: i64, share: f64, runs: &mut Vec<CoverageRun>) {
    let share = share.abs();
    let share = if share > 1.0 - FULL_TOLERANCE {
        1.0
    } else {
        share
    };
    if share > 0.0 {
        push_run(
            runs,
            CoverageRun {
                row,
                col: col as u32,
                len: 1,
                share,
            },
        );
    }
}

/// Adds a run, or lengthens the last where both are wholly covered neighbours.
fn push_run(runs: &mut Vec<CoverageRun>, run: CoverageRun) {
    if let Some(last) = runs.last_mut()
        && last.share == 1.0
        && run.share == 1.0
        && last.row == run.row
        && last.col + last.len == run.col
    {
        last.len += run.len;
        return;
    }
    runs.push(run);
}

fn centres(edges: &EdgeList, size: Size) -> CoverageMask {
    let (width, height) = (i64::from(size.width), i64::from(size.height));
    let mut mask = CoverageMask::default();
    if edges.edges.is_empty() {
        return mask;
    }
    let is_bounded = edges.max.y - edges.min.y < OUTSIDE_ROWS_MAX + height as f64;
    let rows = if is_bounded {
        i64::MIN / 2..i64::MAX / 2
    } else {
        0..height
    };
    let mut crossings: Vec<f64> = Vec::new();
    let mut total = 0.0;
    edges.for_each_row(rows, |row, active| {
        let centre = row as f64 + 0.5;
        crossings.clear();
        let crossed = active
            .iter()
            .filter(|edge| edge.top.y <= centre && centre < edge.bottom.y);
        crossings.extend(crossed.map(|edge| edge.col_at(centre)));
        crossings.sort_by(f64::total_cmp);
        for pair in crossings.chunks_exact(2) {
            // The first centre at or right of the left edge, and at or right of the right edge.
            let from = (pair[0] - 0.5).ceil();
            let to = (pair[1] - 0.5).ceil();
            total += (to - from).max(0.0);
            let (from, to) = (from.max(0.0) as i64, to.min(width as f64).max(0.0) as i64);
            if from < to && (0..height).contains(&row) {
                let run = CoverageRun {
                    row: row as u32,
                    col: from as u32,
                    len: (to - from) as u32,
                    share: 1.0,
                };
                push_run(&mut mask.runs, run);
            }
        }
    });
    mask.total = if is_bounded {
        total
    } else {
        edges.area.round()
    };
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use geo_types::{Coord, Polygon};
    use proptest::prelude::*;
    use swath_grid::Crs;

    fn grid(width: u32, height: u32) -> GeoBox {
        let transform = Transform::north_up(
            Point {
                x: 0.0,
                y: f64::from(height),
            },
            1.0,
        )
        .expect("positive");
        let crs = Crs::from_epsg(32632).expect("known");
        GeoBox::new(crs, transform, Size { width, height }).expect("positive")
    }

    fn polygon(rings: &[&[(f64, f64)]]) -> MultiPolygon<f64> {
        let ring = |points: &[(f64, f64)]| {
            LineString(points.iter().map(|(x, y)| Coord { x: *x, y: *y }).collect())
        };
        let mut rings = rings.iter().map(|points| ring(points));
        let exterior = rings.next().expect("an exterior");
        MultiPolygon(vec![Polygon::new(exterior, rings.collect())])
    }

    const SQUARE: &[(f64, f64)] = &[(1.5, 1.5), (4.5, 1.5), (4.5, 4.5), (1.5, 4.5), (1.5, 1.5)];

    #[test]
    fn a_square_has_full_pixels_halves_and_quarters() {
        let mask = coverage(&polygon(&[SQUARE]), &grid(6, 6), CoverageRule::Fraction);
        assert_eq!(mask.sum(), 9.0);
        assert_eq!(mask.total, 9.0);
        let top: Vec<f64> = mask
            .runs
            .iter()
            .filter(|run| run.row == 1)
            .map(|run| run.share)
            .collect();
        assert_eq!(top, vec![0.25, 0.5, 0.5, 0.25]);
        let middle: Vec<_> = mask
            .runs
            .iter()
            .filter(|run| run.row == 2)
            .map(|run| (run.col, run.len, run.share))
            .collect();
        assert_eq!(middle, vec![(1, 1, 0.5), (2, 2, 1.0), (4, 1, 0.5)]);
    }

    #[test]
    fn orientation_does_not_matter_and_holes_do() {
        let reversed: Vec<_> = SQUARE.iter().rev().copied().collect();
        let hole: &[(f64, f64)] = &[(2.0, 2.0), (3.0, 2.0), (3.0, 3.0), (2.0, 3.0), (2.0, 2.0)];
        let one = coverage(
            &polygon(&[SQUARE, hole]),
            &grid(6, 6),
            CoverageRule::Fraction,
        );
        let two = coverage(
            &polygon(&[&reversed, hole]),
            &grid(6, 6),
            CoverageRule::Fraction,
        );
        assert_eq!(one, two);
        assert_eq!(one.sum(), 8.0);
    }

    #[test]
    fn centres_on_left_and_top_edges_are_in() {
        let square = &[(1.5, 1.5), (3.5, 1.5), (3.5, 3.5), (1.5, 3.5), (1.5, 1.5)];
        let mask = coverage(&polygon(&[square]), &grid(6, 6), CoverageRule::Centre);
        // Centres at x 1.5, 2.5 (3.5 is the right edge) and y 3.5 (top), 2.5 (1.5 is the bottom edge).
        let found: Vec<_> = mask
            .runs
            .iter()
            .map(|run| (run.row, run.col, run.len))
            .collect();
        assert_eq!(found, vec![(2, 1, 2), (3, 1, 2)]);
        assert_eq!(mask.total, 4.0);
    }

    #[test]
    fn what_lies_outside_counts_for_the_total_only() {
        let square = &[
            (-2.0, -2.0),
            (3.0, -2.0),
            (3.0, 3.0),
            (-2.0, 3.0),
            (-2.0, -2.0),
        ];
        for rule in [CoverageRule::Fraction, CoverageRule::Centre] {
            let mask = coverage(&polygon(&[square]), &grid(6, 6), rule);
            assert_eq!((mask.sum(), mask.total), (9.0, 25.0), "{rule:?}");
        }
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_area(
            radii in proptest::collection::vec(0.05..30.0f64, 3..40), x in 5.0..60.0f64, y in 5.0..60.0f64,
        ) {
            // A star-shaped polygon never crosses itself; the grid contains it.
            let points: Vec<(f64, f64)> = radii.iter().enumerate().map(|(index, radius)| {
                let angle = index as f64 / radii.len() as f64 * std::f64::consts::TAU;
                (x + 40.0 + radius * angle.cos(), y + 40.0 + radius * angle.sin())
            }).collect();
            let closed: Vec<_> = points.iter().chain(points.first()).copied().collect();
            let shape = polygon(&[&closed]);
            let mask = coverage(&shape, &grid(160, 160), CoverageRule::Fraction);
            prop_assert!((mask.sum() - mask.total).abs() <= 1e-9 * mask.total, "{} {}", mask.sum(), mask.total);
            prop_assert!(mask.runs.iter().all(|run| run.share > 0.0 && run.share <= 1.0));
            // Rows do not know of each other: a grid cut off at row 80 gives the same shares above it.
            let transform = *grid(160, 160).transform();
            let crs = Crs::from_epsg(32632).expect("known");
            let upper = GeoBox::new(crs, transform, Size { width: 160, height: 80 }).expect("positive");
            let cut = coverage(&shape, &upper, CoverageRule::Fraction);
            let expected: Vec<_> = mask.runs.iter().filter(|run| run.row < 80).copied().collect();
            prop_assert_eq!(cut.runs, expected);
        }
    }
}
