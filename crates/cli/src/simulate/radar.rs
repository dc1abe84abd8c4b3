//! Sentinel-1: backscatter and six-day coherence of each patch, and images with speckle.

use super::crops::{Crop, CropYear, Stage};
use super::landscape::{Cover, Landscape, Patch};
use super::optical::Layer;
use super::random::{GammaTable, Random};
use super::rings::middle;
use super::scene::Signature;
use super::season::{Acquisition, day_of_year};
use super::weather::Weather;

/// Polarisations in file order.
pub const BANDS: [&str; 2] = ["VV", "VH"];

/// Equivalent number of looks of the finished images.
const LOOKS: f64 = 4.4;
/// Share of the variance that the resampling filter of [`speckle_row`] leaves.
const FILTER_LEAVES: f64 = 0.390_625;

/// Returns the backscatter of every patch in linear power.
pub fn backscatter(
    landscape: &Landscape,
    years: &[CropYear],
    weather: &Weather,
    image: &Acquisition,
    random: &Random,
) -> Signature {
    let day = image.day();
    let moisture = weather.moisture(day);
    let [x0, step, ..] = landscape.geobox.transform().to_gdal();
    let width_m = f64::from(landscape.geobox.size().width) * step;
    let mut values = Vec::with_capacity(landscape.patches.len() * 2);
    for (index, patch) in landscape.patches.iter().enumerate() {
        let [mut vv, mut vh] = match years.get(index) {
            Some(year) => parcel_db(year.grown, &year.stage(day), moisture),
            None => cover_db(patch.cover),
        };
        // Incidence angle falls towards the satellite's track: in the west when it flies north.
        let across = position(patch, x0, width_m);
        let angle = if image.is_ascending {
            34.0 + 5.0 * across
        } else {
            45.0 - 5.0 * across
        };
        let own = |number: u64| f64::from(random.stream(number).normal_at(index as u64));
        let rows = 0.25 * own(100 + u64::from(image.relative_orbit));
        let common = rows - 0.10 * (angle - 38.0);
        vv += common + 0.55 * own(1);
        vh += common + 0.55 * own(2);
        values.extend([vv, vh].map(|db| libm::exp(db * std::f64::consts::LN_10 / 10.0) as f32));
    }
    Signature {
        bands: &BANDS,
        values,
    }
}

/// Returns where a patch lies between the western (0) and eastern (1) border.
fn position(patch: &Patch, x0: f64, width_m: f64) -> f64 {
    let ring = patch.polygons.first().and_then(|polygon| polygon.first());
    ring.map_or(0.5, |ring| (middle(ring).x - x0) / width_m)
}

/// Backscatter of full vegetation in VV and VH, decibels.
fn vegetation_db(grown: Crop, stage: &Stage) -> [f64; 2] {
    match grown {
        Crop::PermanentGrass => [-11.9, -17.9],
        Crop::TemporaryGrass => [-11.5, -17.3],
        Crop::Fallow => [-11.3, -17.2],
        // Vertical stems attenuate VV in spring; ears and dry straw scatter again.
        Crop::WinterWheat | Crop::WinterBarley | Crop::SpringBarley => [
            -11.8 - 6.0 * stage.stems,
            -18.0 - 3.0 * stage.stems + 2.0 * stage.dry,
        ],
        Crop::Maize => [-9.9, -15.2],
        Crop::Rapeseed => [-9.6 - 2.2 * stage.flower, -13.6 - 1.2 * stage.flower],
        Crop::Potato => [-8.9, -14.1],
        Crop::SugarBeet => [-9.3, -14.7],
    }
}

fn parcel_db(grown: Crop, stage: &Stage, moisture: f64) -> [f64; 2] {
    let soil_vv = -14.8 + 5.5 * moisture + 2.2 * stage.rough;
    let soil = [soil_vv, soil_vv - 8.6 + 0.6 * stage.rough];
    let vegetation = vegetation_db(grown, stage);
    let hidden = 1.0 - libm::exp(-2.6 * stage.standing);
    std::array::from_fn(|band| {
        soil[band] + (vegetation[band] + 0.8 * (moisture - 0.4) - soil[band]) * hidden
    })
}

fn cover_db(cover: Cover) -> [f64; 2] {
    match cover {
        Cover::Wood => [-8.9, -13.9],
        Cover::Village => [-5.0, -12.2],
        Cover::Water => [-20.5, -27.5],
        Cover::Road => [-14.5, -21.5],
        Cover::Hedge | Cover::Parcel => [-9.8, -15.4],
    }
}

/// Returns the coherence of every patch between two acquisitions, 0..=1.
pub fn coherence(
    landscape: &Landscape,
    years: &[CropYear],
    weather: &Weather,
    image: &Acquisition,
    random: &Random,
) -> Signature {
    let later = image.day();
    let earlier = image.earlier.map_or(later - 6.0, day_of_year);
    let rain = (weather.rain_between(earlier, later) / 70.0).min(0.3);
    let mut values = Vec::with_capacity(landscape.patches.len() * 2);
    for (index, patch) in landscape.patches.iter().enumerate() {
        let own = 0.03 * f64::from(random.stream(3).normal_at(index as u64));
        let vv = match years.get(index) {
            Some(year) => parcel_coherence(year, [earlier, later], rain),
            None => match patch.cover {
                Cover::Village => 0.74,
                Cover::Road => 0.48,
                Cover::Wood => 0.14,
                Cover::Water => 0.08,
                Cover::Hedge | Cover::Parcel => 0.2,
            },
        };
        let pair = [vv + own, 0.05 + 0.82 * (vv + own)];
        values.extend(pair.map(|value| value.clamp(0.05, 0.95) as f32));
    }
    Signature {
        bands: &BANDS,
        values,
    }
}

fn parcel_coherence(year: &CropYear, days: [f64; 2], rain: f64) -> f64 {
    let standing = 0.5 * (year.stage(days[0]).standing + year.stage(days[1]).standing);
    let still = 0.16 + 0.60 * libm::exp(-3.2 * standing);
    let between = |&day: &i32| (days[0]..days[1]).contains(&(f64::from(day) + 0.5));
    // A worked or mown surface is another surface; rain changes what is bare.
    let is_disturbed = year.disturbances().iter().any(between);
    let kept = if is_disturbed { 0.45 } else { 1.0 - rain };
    0.10 + (still - 0.10) * kept
}

/// Speckle of one image, row after row.
struct Speckle<'a> {
    table: &'a GammaTable,
    random: Random,
    above: Vec<f32>,
    here: Vec<f32>,
}

impl Speckle<'_> {
    /// Draws the next row of unfiltered factors.
    fn advance(&mut self, row: usize) {
        std::mem::swap(&mut self.above, &mut self.here);
        let width = self.here.len() as u64;
        for (column, factor) in self.here.iter_mut().enumerate() {
            *factor = self
                .table
                .factor(self.random.bits_at(row as u64 * width + column as u64));
        }
    }

    /// Returns the factor at a column, filtered as terrain correction does.
    fn at(&self, column: usize) -> f32 {
        let left = column.saturating_sub(1);
        0.75 * (0.75 * self.here[column] + 0.25 * self.here[left])
            + 0.25 * (0.75 * self.above[column] + 0.25 * self.above[left])
    }
}

/// Returns the table that gives [`LOOKS`] equivalent looks after the filter.
pub fn speckle_table() -> GammaTable {
    GammaTable::new(LOOKS * FILTER_LEAVES)
}

/// Returns one polarisation of a backscatter image with speckle; `clean` is by patch.
pub fn backscatter_pixels(
    layer: &Layer,
    clean: &[f32],
    table: &GammaTable,
    noise: f32,
    random: &Random,
) -> Vec<f32> {
    let size = layer.size;
    let mut speckle = Speckle {
        table,
        random: *random,
        above: vec![1.0; size],
        here: vec![1.0; size],
    };
    speckle.advance(0);
    let mut out = Vec::with_capacity(size * size);
    for row in 0..size {
        speckle.advance(row + 1);
        for column in 0..size {
            let index = row * size + column;
            let factor = (1.0 + noise * (speckle.at(column) - 1.0)).max(0.02);
            let texture = (1.0 + noise * 1.5 * layer.texture[index]).max(0.1);
            out.push(clean[layer.labels[index] as usize] * factor * texture);
        }
    }
    out
}

/// Returns one polarisation of a coherence image with the noise of its estimate.
pub fn coherence_pixels(layer: &Layer, clean: &[f32], noise: f32, random: &Random) -> Vec<f32> {
    let size = layer.size;
    let mut out = Vec::with_capacity(size * size);
    let grain = |row: usize, column: usize| random.normal_at((row * size + column) as u64);
    let mut above: Vec<f32> = (0..size).map(|column| grain(size, column)).collect();
    for row in 0..size {
        let here: Vec<f32> = (0..size).map(|column| grain(row, column)).collect();
        for column in 0..size {
            let left = column.saturating_sub(1);
            // The window of the estimate makes neighbours alike; the sum has deviation 1.
            let error = 0.5 * (here[column] + here[left] + above[column] + above[left]);
            let value = clean[layer.labels[row * size + column] as usize];
            let spread = 0.10 * (1.0 - value * value);
            out.push((value + noise * spread * error).clamp(0.005, 0.995));
        }
        above = here;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage_at(standing: f64, stems: f64) -> Stage {
        Stage {
            standing,
            stems,
            green: 0.8,
            ..Stage::default()
        }
    }

    #[test]
    fn wheat_falls_in_vv_when_stems_grow_and_maize_rises_in_vh() {
        let wheat = |stems| parcel_db(Crop::WinterWheat, &stage_at(0.8, stems), 0.4)[0];
        assert!(wheat(1.0) < wheat(0.0) - 3.0);
        let maize = |standing| parcel_db(Crop::Maize, &stage_at(standing, 0.0), 0.4)[1];
        assert!(maize(0.9) > maize(0.05) + 3.0);
    }

    #[test]
    fn speckle_has_the_looks_asked_for() {
        let size = 300;
        let layer = Layer {
            size,
            labels: vec![0; size * size],
            texture: vec![0.0; size * size],
        };
        let pixels = backscatter_pixels(
            &layer,
            &[0.1],
            &speckle_table(),
            1.0,
            &Random::new(5).stream(1),
        );
        let count = pixels.len() as f64;
        let mean = pixels.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let variance = pixels
            .iter()
            .map(|value| (f64::from(*value) - mean).powi(2))
            .sum::<f64>()
            / count;
        assert!((mean - 0.1).abs() < 0.001, "{mean}");
        assert!(
            (mean * mean / variance - LOOKS).abs() < 0.25,
            "{}",
            mean * mean / variance
        );
        let flat = backscatter_pixels(&layer, &[0.1], &speckle_table(), 0.0, &Random::new(5));
        assert!(flat.iter().all(|value| *value == 0.1));
    }
}
