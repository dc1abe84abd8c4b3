//! Pairs of overlapping rectangles.
//!
//! A tree over rectangles in their given order: neighbours in the order are taken together, which
//! suits the edges of a ring, whose neighbours in the file are neighbours on the ground.

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rectangle {
    pub min: [f64; 2],
    pub max: [f64; 2],
}

impl Rectangle {
    /// Returns the rectangle around two points.
    pub fn around(a: [f64; 2], b: [f64; 2]) -> Self {
        Self {
            min: [a[0].min(b[0]), a[1].min(b[1])],
            max: [a[0].max(b[0]), a[1].max(b[1])],
        }
    }

    /// Returns the rectangle around both.
    pub fn union(&self, other: &Self) -> Self {
        Self {
            min: [self.min[0].min(other.min[0]), self.min[1].min(other.min[1])],
            max: [self.max[0].max(other.max[0]), self.max[1].max(other.max[1])],
        }
    }

    /// True where they share a point.
    pub fn meets(&self, other: &Self) -> bool {
        // Without short cuts: the compiler makes this branch-free.
        (self.min[0] <= other.max[0])
            & (other.min[0] <= self.max[0])
            & (self.min[1] <= other.max[1])
            & (other.min[1] <= self.max[1])
    }
}

/// Rectangles in one leaf.
const LEAF: usize = 16;

/// Calls `visit` with each pair `(i, j)`, `i < j`, of rectangles that meet, until it says to stop.
///
/// Returns true where `visit` stopped it.
pub(super) fn for_each_pair(
    boxes: &[Rectangle],
    visit: &mut impl FnMut(usize, usize) -> bool,
) -> bool {
    if boxes.len() <= 2 * LEAF {
        return pairs_within(boxes, 0, boxes.len(), visit);
    }
    let tree = Tree::new(boxes);
    let top = tree.levels.len() - 1;
    tree.join(top, 0, 0, visit)
}

fn pairs_within(
    boxes: &[Rectangle],
    start: usize,
    end: usize,
    visit: &mut impl FnMut(usize, usize) -> bool,
) -> bool {
    for i in start..end {
        for j in i + 1..end {
            if boxes[i].meets(&boxes[j]) && visit(i, j) {
                return true;
            }
        }
    }
    false
}

struct Tree<'a> {
    boxes: &'a [Rectangle],
    /// Level 0 holds one box per leaf, each level above one per pair below, the last a single one.
    levels: Vec<Vec<Rectangle>>,
}

impl<'a> Tree<'a> {
    fn new(boxes: &'a [Rectangle]) -> Self {
        let mut levels = vec![around_each(boxes, LEAF)];
        while let Some(last) = levels.last().filter(|level| level.len() > 1) {
            let above = around_each(last, 2);
            levels.push(above);
        }
        Self { boxes, levels }
    }

    /// Visits the pairs between node `a` and node `b` of a level, `a <= b`.
    fn join(
        &self,
        level: usize,
        a: usize,
        b: usize,
        visit: &mut impl FnMut(usize, usize) -> bool,
    ) -> bool {
        if a != b && !self.levels[level][a].meets(&self.levels[level][b]) {
            return false;
        }
        if level == 0 {
            return self.join_leaves(a, b, visit);
        }
        let below = self.levels[level - 1].len();
        for child_a in 2 * a..(2 * a + 2).min(below) {
            for child_b in (2 * b).max(child_a)..(2 * b + 2).min(below) {
                if self.join(level - 1, child_a, child_b, visit) {
                    return true;
                }
            }
        }
        false
    }

    fn join_leaves(
        &self,
        a: usize,
        b: usize,
        visit: &mut impl FnMut(usize, usize) -> bool,
    ) -> bool {
        let end = |leaf: usize| ((leaf + 1) * LEAF).min(self.boxes.len());
        if a == b {
            return pairs_within(self.boxes, a * LEAF, end(a), visit);
        }
        for i in a * LEAF..end(a) {
            if !self.boxes[i].meets(&self.levels[0][b]) {
                continue;
            }
            for j in b * LEAF..end(b) {
                if self.boxes[i].meets(&self.boxes[j]) && visit(i, j) {
                    return true;
                }
            }
        }
        false
    }
}

fn around_each(boxes: &[Rectangle], size: usize) -> Vec<Rectangle> {
    boxes
        .chunks(size)
        .map(|chunk| chunk[1..].iter().fold(chunk[0], |all, one| all.union(one)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_finds_the_pairs_of_the_plain_loop() {
        let mut state = 1u64;
        let mut next = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (state >> 40) as f64 / 16_777_216.0
        };
        for count in [0, 1, 31, 32, 33, 64, 200, 1000] {
            let boxes: Vec<Rectangle> = (0..count)
                .map(|_| {
                    let a = [next(), next()];
                    Rectangle::around(a, [a[0] + 0.05 * next(), a[1] + 0.05 * next()])
                })
                .collect();
            let mut plain = Vec::new();
            pairs_within(&boxes, 0, count, &mut |i, j| {
                plain.push((i, j));
                false
            });
            let mut found = Vec::new();
            for_each_pair(&boxes, &mut |i, j| {
                found.push((i, j));
                false
            });
            found.sort_unstable();
            assert_eq!(found, plain, "{count} boxes");
        }
    }
}
