//! Parcels that lie on each other.

use std::collections::HashMap;

use geo::{Area, BooleanOps};
use rayon::prelude::*;
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

use super::box_tree::{Rectangle, for_each_pair};
use super::findings::{FindingOptions, LISTED_MAX, Scale};
use super::set::hilbert::hilbert;
use super::source::ParcelSource;

/// Most pairs of parcels near each other that are looked at.
const PAIRS_MAX: u64 = 20_000_000;
/// Pairs that are looked at together.
const PAIRS_AT_ONCE: usize = 65_536;

/// Parcels with the very vertices of an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SameGeometry {
    /// How many there are.
    pub count: u64,
    /// The first of them: its id and that of the earlier one.
    pub listed: Vec<[String; 2]>,
}

/// Pairs of parcels that overlap.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Overlaps {
    /// How many pairs there are.
    pub count: u64,
    /// Square metres of all of them.
    pub area_m2: f64,
    /// The largest of them, largest first.
    pub listed: Vec<Overlap>,
    /// False where so many parcels are near each other that the search ended early.
    pub is_complete: bool,
}

/// A pair of parcels that overlap.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overlap {
    /// Ids of the two, in the order of the source.
    pub parcel_ids: [String; 2],
    /// Square metres that both have.
    pub area_m2: f64,
    /// Share of the smaller one.
    pub share: f64,
}

/// Finds parcels with the vertices of an earlier one; also returns for each parcel whether it is one.
pub(super) fn find_same(source: &ParcelSource) -> (SameGeometry, Vec<bool>) {
    let parcels = &source.parcels;
    let mut first: HashMap<u128, usize> = HashMap::with_capacity(parcels.len());
    let mut found = SameGeometry::default();
    let mut is_same = vec![false; parcels.len()];
    for (row, is_same) in is_same.iter_mut().enumerate() {
        let mut hash = Xxh3::new();
        let mut is_empty = true;
        for ring in parcels.rings(row) {
            is_empty = false;
            hash.update(&[u8::from(ring.is_shell)]);
            for [x, y] in ring.coords {
                hash.update(&x.to_le_bytes());
                hash.update(&y.to_le_bytes());
            }
        }
        let earlier = *first.entry(hash.digest128()).or_insert(row);
        if is_empty || earlier == row {
            continue;
        }
        *is_same = true;
        found.count += 1;
        if found.listed.len() < LISTED_MAX {
            let pair = [parcels.id(row).to_string(), parcels.id(earlier).to_string()];
            found.listed.push(pair);
        }
    }
    (found, is_same)
}

/// Finds pairs that overlap; parcels with the vertices of an earlier one are left out, they overlap
/// whatever it does.
pub(super) fn find_overlaps(
    source: &ParcelSource,
    scales: &[Option<Scale>],
    is_same: &[bool],
    options: &FindingOptions,
) -> Overlaps {
    let (rows, boxes) = along_a_curve(source, scales, is_same);
    let mut search = Search {
        source,
        scales,
        options,
        waiting: Vec::with_capacity(PAIRS_AT_ONCE),
        found: Overlaps::default(),
    };
    let mut pairs = 0;
    let is_cut = for_each_pair(&boxes, &mut |a, b| {
        if !may_overlap(&boxes[a], &boxes[b]) {
            return false;
        }
        pairs += 1;
        search
            .waiting
            .push([rows[a].min(rows[b]), rows[a].max(rows[b])]);
        if search.waiting.len() == PAIRS_AT_ONCE {
            search.look();
        }
        pairs >= PAIRS_MAX
    });
    search.look();
    Overlaps {
        is_complete: !is_cut,
        ..search.found
    }
}

/// Returns the parcels with a place in an order in which neighbours stand near each other, and their
/// rectangles.
fn along_a_curve(
    source: &ParcelSource,
    scales: &[Option<Scale>],
    is_same: &[bool],
) -> (Vec<usize>, Vec<Rectangle>) {
    let mut placed: Vec<(usize, Rectangle)> = Vec::new();
    for row in 0..source.parcels.len() {
        let bounds = source.parcels.bounds(row);
        if let Some(bounds) = bounds.filter(|_| scales[row].is_some() && !is_same[row]) {
            let rectangle = Rectangle {
                min: [bounds.min_x, bounds.min_y],
                max: [bounds.max_x, bounds.max_y],
            };
            placed.push((row, rectangle));
        }
    }
    let Some(all) = placed
        .iter()
        .map(|(_, own)| *own)
        .reduce(|a, b| a.union(&b))
    else {
        return (Vec::new(), Vec::new());
    };
    // The curve is that of degrees: the rectangle around all is laid on theirs.
    let share = |own: &Rectangle, axis: usize| {
        let middle = (own.min[axis] + own.max[axis]) / 2.0;
        (middle - all.min[axis]) / (all.max[axis] - all.min[axis]) - 0.5
    };
    placed.par_sort_by_cached_key(|(_, own)| hilbert(360.0 * share(own, 0), 180.0 * share(own, 1)));
    placed.into_iter().unzip()
}

/// True where the rectangles share more than an edge.
fn may_overlap(a: &Rectangle, b: &Rectangle) -> bool {
    let side = |axis: usize| a.max[axis].min(b.max[axis]) - a.min[axis].max(b.min[axis]);
    side(0) > 0.0 && side(1) > 0.0
}

struct Search<'a> {
    source: &'a ParcelSource,
    scales: &'a [Option<Scale>],
    options: &'a FindingOptions,
    waiting: Vec<[usize; 2]>,
    found: Overlaps,
}

impl Search<'_> {
    /// Looks at the pairs that wait.
    fn look(&mut self) {
        let pairs = std::mem::take(&mut self.waiting);
        let found: Vec<Overlap> = pairs
            .into_par_iter()
            .filter_map(|pair| self.overlap(pair))
            .collect();
        for overlap in found {
            self.found.count += 1;
            self.found.area_m2 += overlap.area_m2;
            self.found.listed.push(overlap);
        }
        let larger = |a: &Overlap, b: &Overlap| {
            let by_area = b.area_m2.total_cmp(&a.area_m2);
            by_area.then_with(|| a.parcel_ids.cmp(&b.parcel_ids))
        };
        self.found.listed.sort_by(larger);
        self.found.listed.truncate(LISTED_MAX);
    }

    fn overlap(&self, [a, b]: [usize; 2]) -> Option<Overlap> {
        let parcels = &self.source.parcels;
        let scale = self.scales[a]?;
        let (first, second) = (parcels.polygon(a), parcels.polygon(b));
        let both = first.intersection(&second).unsigned_area();
        let smaller = first.unsigned_area().min(second.unsigned_area());
        let (area_m2, share) = (both * scale.x * scale.y, both / smaller);
        let counts = area_m2 > self.options.overlap_m2 || share > self.options.overlap_share;
        counts.then(|| Overlap {
            parcel_ids: [parcels.id(a).to_string(), parcels.id(b).to_string()],
            area_m2,
            share,
        })
    }
}
