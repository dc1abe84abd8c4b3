//! Statistics as the definition reads, pixel by pixel: slow, plain, shares no code with the product.

use geo_types::MultiPolygon;
use swath_grid::GeoBox;
use swath_raster::{CoverageRule, coverage};

/// Returns count, mean, stdev, min, max, p25, p50, p75; `None` where no pixel counts.
pub fn statistics(
    polygon: &MultiPolygon<f64>,
    grid: &GeoBox,
    rule: CoverageRule,
    value: &dyn Fn(u32, u32) -> Option<f64>,
) -> Option<[f64; 8]> {
    let mut pixels = Vec::new();
    for run in coverage(polygon, grid, rule).runs {
        // Shares are kept in single precision, and below a millionth not at all.
        let share = f64::from(run.share as f32);
        let cols = run.col..run.col + run.len;
        pixels.extend(
            cols.filter_map(|col| value(col, run.row))
                .filter(|_| share >= 1e-6)
                .map(|value| (value, share)),
        );
    }
    if pixels.is_empty() {
        return None;
    }
    pixels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = pixels.iter().map(|(_, share)| share).sum();
    let mean = pixels
        .iter()
        .map(|(value, share)| value * share)
        .sum::<f64>()
        / total;
    let variance = pixels
        .iter()
        .map(|(value, share)| share * (value - mean).powi(2))
        .sum::<f64>()
        / total;
    let [p25, p50, p75] = match rule {
        CoverageRule::Centre => [0.25, 0.5, 0.75].map(|q| plain_quantile(&pixels, q)),
        CoverageRule::Fraction => {
            let mut distinct: Vec<(f64, f64)> = Vec::new();
            for (value, share) in &pixels {
                match distinct.last_mut() {
                    Some(last) if last.0 == *value => last.1 += share,
                    _ => distinct.push((*value, *share)),
                }
            }
            [0.25, 0.5, 0.75].map(|q| weighted_quantile(&distinct, q))
        }
    };
    let (min, max) = (pixels[0].0, pixels[pixels.len() - 1].0);
    Some([total, mean, variance.sqrt(), min, max, p25, p50, p75])
}

/// Linear between order statistics (Hyndman and Fan, type 7).
fn plain_quantile(pixels: &[(f64, f64)], q: f64) -> f64 {
    let position = q * (pixels.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(pixels.len() - 1);
    pixels[below].0 + (pixels[above].0 - pixels[below].0) * position.fract()
}

/// s_i = i·w_i + (n−1)·Σ_{j<i} w_j, looked up at q·(n−1)·Σw.
fn weighted_quantile(distinct: &[(f64, f64)], q: f64) -> f64 {
    let steps = (distinct.len() - 1) as f64;
    let wanted = q * steps * distinct.iter().map(|(_, weight)| weight).sum::<f64>();
    let mut below = 0.0;
    let mut last = (distinct[0].0, 0.0);
    for (index, (value, weight)) in distinct.iter().enumerate() {
        let position = index as f64 * weight + steps * below;
        if index > 0 && position >= wanted {
            return last.0 + (value - last.0) * (wanted - last.1) / (position - last.1);
        }
        last = (*value, position);
        below += weight;
    }
    last.0
}
