//! Which tile matrix sets a layer is offered in, and which of their tiles show it.

use swath_grid::{Bounds, TileLimits, TileMatrixSet, bounds_of};

use super::{Layer, tile_matrix_sets};

/// What is added around the bounds of a layer, as a share of their sides: edges bend between the
/// positions that the bounds are computed from.
const MARGIN_SHARE: f64 = 0.002;

/// Returns the sets of a layer: those of the world, of Europe where it lies there, and the UTM zones of
/// its own images.
pub(crate) fn sets_of(layer: &Layer) -> Vec<TileMatrixSet> {
    tile_matrix_sets(layer)
        .into_iter()
        .filter(|set| Limits::of(layer, set).of_matrix(set, 0).is_some())
        .collect()
}

/// What a layer covers in the CRS of a set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    bounds: Option<Bounds>,
}

impl Limits {
    pub(crate) fn of(layer: &Layer, set: &TileMatrixSet) -> Self {
        let bounds = bounds_of(&layer.bbox, &set.crs).ok().flatten();
        Self {
            bounds: bounds.map(|bounds| {
                let across = (bounds.max_x - bounds.min_x) * MARGIN_SHARE;
                let down = (bounds.max_y - bounds.min_y) * MARGIN_SHARE;
                Bounds {
                    min_x: bounds.min_x - across,
                    min_y: bounds.min_y - down,
                    max_x: bounds.max_x + across,
                    max_y: bounds.max_y + down,
                }
            }),
        }
    }

    /// Returns the tiles of one matrix, `None` where none shows the layer.
    pub(crate) fn of_matrix(&self, set: &TileMatrixSet, matrix: usize) -> Option<TileLimits> {
        set.limits(matrix, &self.bounds?)
    }
}
