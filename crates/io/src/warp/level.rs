//! Which overview to read for a target grid.

use swath_grid::{GeoBox, Point, Size};
use swath_raster::Positions;

use crate::raster::GeoTiff;

/// Positions along each direction of the target at which its scale is measured.
const SAMPLES: u32 = 8;
/// A level may be coarser than the target by this much of a full-resolution pixel, as in GDAL.
const RATIO_SLACK: f64 = 0.1;

/// Returns the coarsest level whose pixels are not coarser than those of the target.
///
/// Where the scale varies over the target, its median counts, of the finer direction.
pub(super) fn choose_level(raster: &GeoTiff, geobox: &GeoBox, positions: &Positions) -> usize {
    if raster.levels.len() == 1 {
        return 0;
    }
    let full = raster.size();
    let scale = scale_px(geobox.size(), full, positions);
    let is_fine = |level: &usize| {
        let size = raster.levels[*level].image.size;
        let ratio = f64::from(full.width) / f64::from(size.width);
        ratio <= scale + RATIO_SLACK
    };
    (1..raster.levels.len()).rev().find(is_fine).unwrap_or(0)
}

/// Returns how many source pixels a target pixel covers in the finer direction: the median over
/// the target where it meets the source; 1 where it does not.
fn scale_px(target: Size, source: Size, positions: &Positions) -> f64 {
    let at = |step: u32, len: u32| (f64::from(step) + 0.5) / f64::from(SAMPLES) * f64::from(len);
    let mut scales = Vec::new();
    for row in 0..SAMPLES {
        for col in 0..SAMPLES {
            let place = Point {
                x: at(col, target.width),
                y: at(row, target.height),
            };
            let mut on_source = [place];
            positions.locate(&mut on_source);
            let [on_source] = on_source;
            let is_inside = (0.0..f64::from(source.width)).contains(&on_source.x)
                && (0.0..f64::from(source.height)).contains(&on_source.y);
            let scale = positions
                .scale_at(place)
                .map(|scale| (is_inside, scale.x.min(scale.y)));
            scales.extend(scale);
        }
    }
    // A small source may lie between the samples: its surroundings tell its scale as well.
    if scales.iter().any(|(is_inside, _)| *is_inside) {
        scales.retain(|(is_inside, _)| *is_inside);
    }
    scales.sort_by(|one, two| one.1.total_cmp(&two.1));
    scales
        .get(scales.len() / 2)
        .map_or(1.0, |(_, scale)| *scale)
}
