//! Sentinel-2: reflectance of each patch on a day, and images with clouds, shadows and noise.

use super::crops::{CropYear, Stage};
use super::landscape::{Cover, Landscape};
use super::random::{Field, Random};
use super::scene::Signature;
use super::weather::Weather;

/// Bands with their class band last; the first four on the 10 m grid, the others on 20 m.
pub const BANDS: [&str; 9] = [
    "B02", "B03", "B04", "B08", "B05", "B8A", "B11", "B12", "SCL",
];
/// Index of the class band.
pub const SCL: usize = 8;

/// Reflectance of pure surfaces in the order of [`BANDS`].
type Spectrum = [f64; 8];
const LEAVES: Spectrum = [0.028, 0.056, 0.026, 0.46, 0.085, 0.48, 0.200, 0.095];
const STRAW: Spectrum = [0.085, 0.125, 0.165, 0.29, 0.200, 0.31, 0.360, 0.270];
const SOIL: Spectrum = [0.085, 0.115, 0.150, 0.225, 0.175, 0.245, 0.320, 0.275];
const FLOWERS: Spectrum = [-0.006, 0.110, 0.085, -0.02, 0.075, -0.02, 0.0, 0.0];
const WATER: Spectrum = [0.034, 0.032, 0.020, 0.012, 0.016, 0.010, 0.006, 0.005];
const ROOFS: Spectrum = [0.090, 0.100, 0.112, 0.20, 0.135, 0.21, 0.215, 0.190];
const ASPHALT: Spectrum = [0.095, 0.108, 0.120, 0.17, 0.135, 0.18, 0.200, 0.185];
const SNOW: Spectrum = [0.74, 0.75, 0.73, 0.65, 0.72, 0.62, 0.13, 0.11];
const CLOUD: Spectrum = [0.60, 0.58, 0.57, 0.58, 0.57, 0.57, 0.42, 0.32];
/// Sign and strength with which a denser canopy changes each band.
const TEXTURE: [f32; 8] = [-0.8, -0.6, -1.0, 1.0, -0.5, 1.0, -0.7, -0.9];

/// Returns the reflectance and clear-sky class of every patch on a day.
pub fn signature(
    landscape: &Landscape,
    years: &[CropYear],
    weather: &Weather,
    day: f64,
    random: &Random,
) -> Signature {
    let moisture = weather.moisture(day);
    let mut values = Vec::with_capacity(landscape.patches.len() * BANDS.len());
    for (index, patch) in landscape.patches.iter().enumerate() {
        // What the parcel is like all year: soil brightness and leaf colour.
        let soil_tone = 1.0 + 0.13 * f64::from(random.normal_at(2 * index as u64));
        let leaf_tone = 1.0 + 0.05 * f64::from(random.normal_at(2 * index as u64 + 1));
        let spectrum = match years.get(index) {
            Some(year) => mixed(&year.stage(day), moisture, [soil_tone, leaf_tone]),
            None => cover_spectrum(patch.cover, day, [soil_tone, leaf_tone]),
        };
        values.extend(spectrum.iter().map(|value| value.max(0.003) as f32));
        let ndvi = (spectrum[3] - spectrum[2]) / (spectrum[3] + spectrum[2]);
        values.push(match patch.cover {
            Cover::Water => 6.0,
            _ if ndvi > 0.4 => 4.0,
            _ => 5.0,
        });
    }
    Signature {
        bands: &BANDS,
        values,
    }
}

/// Mixes leaves, straw, flowers and soil by their shares; `tones` are of soil and leaves.
fn mixed(stage: &Stage, moisture: f64, tones: [f64; 2]) -> Spectrum {
    let bare = 1.0 - stage.green - stage.dry;
    let soil = bare * tones[0] * (1.0 - 0.42 * moisture) * (1.0 - 0.12 * stage.rough);
    std::array::from_fn(|band| {
        stage.green * tones[1] * LEAVES[band]
            + stage.dry * STRAW[band]
            + stage.flower * FLOWERS[band]
            + soil * SOIL[band]
    })
}

fn cover_spectrum(cover: Cover, day: f64, tones: [f64; 2]) -> Spectrum {
    let leafing = 1.0 / (1.0 + libm::exp(-(day - 122.0) / 5.0));
    let falling = 1.0 / (1.0 + libm::exp(-(day - 296.0) / 7.0));
    let leaves = leafing * (1.0 - falling);
    let mix = |green: f64, other: &Spectrum, rest: f64| -> Spectrum {
        std::array::from_fn(|band| green * LEAVES[band] * tones[1] + rest * other[band] * tones[0])
    };
    match cover {
        Cover::Parcel | Cover::Hedge => mix(0.22 + 0.45 * leaves, &STRAW, 0.33 - 0.28 * leaves),
        // Shadows between crowns make woods dark.
        Cover::Wood => mix(0.30 + 0.33 * leaves, &STRAW, 0.17 - 0.14 * leaves),
        Cover::Village => mix(0.18 + 0.12 * leaves, &ROOFS, 0.72),
        Cover::Water => mix(0.0, &WATER, 1.0),
        Cover::Road => mix(0.12, &ASPHALT, 0.85),
    }
}

/// What does not change between the images: labels and texture on both grids.
pub struct Ground {
    /// Patch of each pixel at 10 m.
    pub fine: Layer,
    /// Patch of each pixel at 20 m.
    pub coarse: Layer,
}

/// Labels and texture on one grid.
pub struct Layer {
    /// Width and height in pixels.
    pub size: usize,
    /// Patch of each pixel.
    pub labels: Vec<u32>,
    /// Deviation within the patch, about ±0.05 in fields.
    pub texture: Vec<f32>,
}

impl Ground {
    /// Rasterises the landscape and draws its texture.
    pub fn new(landscape: &Landscape, random: &Random) -> Self {
        let layer = |factor: u32| {
            let labels = landscape.labels(factor);
            let size = landscape.grid(factor).size().width as usize;
            let canopy = Field::new(random.stream(1), 14.0, 3);
            let soil = Field::new(random.stream(2), 70.0, 3);
            let houses = random.stream(3);
            let mut texture = Vec::with_capacity(labels.len());
            let (mut fine, mut broad) = (vec![0.0; size], vec![0.0; size]);
            for row in 0..size {
                let (x, y) = (factor as f32 * 0.5, (row as f32 + 0.5) * factor as f32);
                canopy.row(x, factor as f32, y, &mut fine);
                soil.row(x, factor as f32, y, &mut broad);
                for column in 0..size {
                    let field = 0.7 * fine[column] + 0.6 * broad[column];
                    let cover = landscape.patches[labels[row * size + column] as usize].cover;
                    texture.push(match cover {
                        Cover::Parcel => 0.035 * field,
                        Cover::Wood => 0.10 * field,
                        Cover::Village => 0.28 * houses.normal_at((row * size + column) as u64),
                        Cover::Water => 0.02 * field,
                        Cover::Road | Cover::Hedge => 0.08 * field,
                    });
                }
            }
            Layer {
                size,
                labels,
                texture,
            }
        };
        Self {
            fine: layer(1),
            coarse: layer(2),
        }
    }
}

/// Clouds, shadows, snow and the edge of the swath on the 20 m grid of one image.
pub struct Sky {
    size: usize,
    /// Opacity of clouds, 0..=1.
    cloud: Vec<f32>,
    /// Depth of cloud shadow, 0..=1.
    shadow: Vec<f32>,
    /// Snow on the ground, 0..=1.
    snow: Vec<f32>,
    /// True beyond the swath.
    is_absent: Vec<bool>,
    random: Random,
    noise: f32,
}

impl Sky {
    /// Draws the sky over one image; `is_edge` where the swath ends within the tile.
    pub fn new(
        coarse: &Layer,
        landscape: &Landscape,
        day: f64,
        conditions: SkyConditions,
        random: &Random,
    ) -> Self {
        let size = coarse.size;
        let random = random.stream(7);
        let cover = cloud_cover(&mut random.stream(1));
        // Sun in the south-south-east, height of clouds about 1.3 km.
        let elevation = 45.0 - 22.0 * libm::cos(std::f64::consts::TAU * (day + 10.0) / 365.0) - 9.0;
        let shift_px = 1300.0 / libm::tan(elevation.to_radians()) / 20.0;
        let (east, south) = ((0.34 * shift_px) as usize, (0.94 * shift_px) as usize);
        let (width, height) = (size + east, size + south);
        let field = Field::new(random.stream(2), 170.0, 6);
        let mut density = vec![0.0f32; width * height];
        for (row, line) in density.chunks_exact_mut(width).enumerate() {
            field.row(0.0, 1.0, row as f32, line);
        }
        let threshold = threshold(&density, cover);
        for value in &mut density {
            let t = ((*value - threshold + 0.12) / 0.55).clamp(0.0, 1.0);
            *value = t * t * (3.0 - 2.0 * t);
        }
        let mut cloud = Vec::with_capacity(size * size);
        let mut shadow = Vec::with_capacity(size * size);
        for row in 0..size {
            cloud.extend_from_slice(&density[row * width..row * width + size]);
            let from = (row + south) * width + east;
            shadow.extend_from_slice(&density[from..from + size]);
        }
        let drifts = Field::new(random.stream(3), 40.0, 4);
        let snow = (0..size * size).map(|index| {
            let patch = &landscape.patches[coarse.labels[index] as usize];
            let depth =
                (drifts.at((index % size) as f32, (index / size) as f32) + 1.0).clamp(0.0, 1.0);
            match patch.cover {
                Cover::Water => 0.0,
                Cover::Wood | Cover::Village => 0.35 * depth,
                _ => depth,
            }
        });
        let snow = if conditions.has_snow {
            snow.collect()
        } else {
            vec![0.0; size * size]
        };
        let end = |row: usize| (0.70 - 0.21 * row as f64 / size as f64) * size as f64;
        let is_absent = (0..size * size)
            .map(|index| conditions.is_edge && (index % size) as f64 > end(index / size))
            .collect();
        Self {
            size,
            cloud,
            shadow,
            snow,
            is_absent,
            random,
            noise: conditions.noise,
        }
    }

    /// Returns the scene classification on the 20 m grid from the clear-sky classes of patches.
    pub fn classes(&self, coarse: &Layer, clear: &[f32]) -> Vec<u8> {
        let class = |index: usize| {
            let cloud = self.cloud[index];
            match () {
                () if self.is_absent[index] => 0,
                () if cloud > 0.55 => 9,
                () if cloud > 0.25 => 8,
                () if cloud > 0.10 => 10,
                () if self.shadow[index] > 0.3 => 3,
                () if self.snow[index] > 0.5 => 11,
                () => clear[coarse.labels[index] as usize] as u8,
            }
        };
        (0..coarse.labels.len()).map(class).collect()
    }

    /// Returns the digital numbers of one band, 0 beyond the swath.
    ///
    /// `clean` has the reflectance of each patch, `added` is 1,000 from baseline 04.00 on.
    pub fn digital_numbers(
        &self,
        layer: &Layer,
        band: usize,
        clean: &[f32],
        added: f32,
    ) -> Vec<u16> {
        let size = layer.size;
        let factor = size / self.size;
        let draw = self.random.stream(10 + band as u64);
        let gain = 1.0 + 0.008 * self.noise * draw.normal_at(u64::MAX);
        let haze = self.noise
            * 0.006
            * (1.0 + draw.normal_at(u64::MAX - 1)).max(0.0)
            * if band < 3 { 1.0 } else { 0.3 };
        let texture = self.noise * TEXTURE[band];
        let (snow, cloud_top) = (SNOW[band] as f32, CLOUD[band] as f32);
        let at = |row: usize, column: usize| {
            let index = row * size + column;
            clean[layer.labels[index] as usize] * (1.0 + texture * layer.texture[index])
        };
        let mut out = Vec::with_capacity(size * size);
        let mut lines: [Vec<f32>; 3] = std::array::from_fn(|_| vec![0.0; size]);
        let fill = |row: usize, line: &mut [f32]| {
            line.iter_mut()
                .enumerate()
                .for_each(|(column, value)| *value = at(row, column));
        };
        fill(0, &mut lines[1]);
        fill(0, &mut lines[2]);
        for row in 0..size {
            // Lines 0, 1, 2: above, here, below.
            lines.rotate_left(1);
            fill((row + 1).min(size - 1), &mut lines[2]);
            if row == 0 {
                let here = lines[1].clone();
                lines[0].copy_from_slice(&here);
            }
            for column in 0..size {
                let (left, right) = (column.saturating_sub(1), (column + 1).min(size - 1));
                let round = lines[0][column] + lines[2][column] + lines[1][left] + lines[1][right];
                let mut value = 0.76 * lines[1][column] + 0.06 * round;
                let sky = (row / factor) * self.size + column / factor;
                if self.is_absent[sky] {
                    out.push(0);
                    continue;
                }
                value += (snow - value) * self.snow[sky];
                value *= 1.0 - 0.55 * self.shadow[sky];
                let opacity = self.cloud[sky];
                let top = cloud_top * (0.72 + 0.3 * opacity + layer.texture[row * size + column]);
                value += (top - value) * opacity;
                let grain = draw.normal_at((row * size + column) as u64);
                value = value * gain + haze + self.noise * grain * (0.0012 + 0.012 * value);
                out.push((value * 10_000.0 + added + 0.5).clamp(1.0, 18_000.0) as u16);
            }
        }
        out
    }

    /// Returns the share of valid pixels that clouds hide, in percent.
    pub fn cloud_percent(&self) -> f64 {
        let valid = self
            .cloud
            .iter()
            .zip(&self.is_absent)
            .filter(|(_, absent)| !**absent);
        let (mut hidden, mut count) = (0u64, 0u64);
        for (cloud, _) in valid {
            count += 1;
            hidden += u64::from(*cloud > 0.10);
        }
        100.0 * hidden as f64 / count.max(1) as f64
    }
}

/// What is decided before the sky is drawn.
#[derive(Debug, Clone, Copy)]
pub struct SkyConditions {
    /// True where snow lies.
    pub has_snow: bool,
    /// True where the swath ends within the tile.
    pub is_edge: bool,
    /// Strength of the noise, 1 is usual.
    pub noise: f32,
}

/// Draws the cloud cover of a date: often clear or overcast.
fn cloud_cover(draw: &mut Random) -> f64 {
    let kind = draw.uniform();
    match kind {
        _ if kind < 0.24 => 0.0,
        _ if kind < 0.40 => draw.between(0.01, 0.10),
        _ if kind < 0.68 => draw.between(0.10, 0.65),
        _ if kind < 0.88 => draw.between(0.65, 0.97),
        _ => 1.0,
    }
}

/// Returns the value that a share of `cover` of the field exceeds.
fn threshold(field: &[f32], cover: f64) -> f32 {
    let mut sample: Vec<f32> = field.iter().step_by(7).copied().collect();
    sample.sort_unstable_by(f32::total_cmp);
    let rank = ((1.0 - cover) * sample.len() as f64) as usize;
    match cover {
        _ if cover <= 0.0 => f32::INFINITY,
        _ if cover >= 1.0 => sample[0] - 0.6,
        _ => sample[rank.min(sample.len() - 1)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ndvi_of_all_parcels_is_plausible_all_year() {
        let random = Random::new(4);
        let landscape = Landscape::new(200, 400, &random).expect("fits");
        let years = CropYear::for_all(&landscape, &random);
        let weather = Weather::new(&random);
        let mut highest = f32::MIN;
        for day in (1..365).step_by(3) {
            let signature = signature(&landscape, &years, &weather, f64::from(day), &random);
            for parcel in 0..200 {
                let (red, nir) = (signature.value(parcel, 2), signature.value(parcel, 3));
                let ndvi = (nir - red) / (nir + red);
                assert!((-0.2..1.0).contains(&ndvi), "{ndvi}");
                highest = highest.max(ndvi);
                assert!((0..8).all(|band| (0.0..0.8).contains(&signature.value(parcel, band))));
            }
        }
        assert!(highest > 0.8, "{highest}");
    }

    #[test]
    fn a_threshold_hides_the_share_asked_for() {
        let field: Vec<f32> = (0..70_000)
            .map(|index| (index * 7919 % 70_000) as f32)
            .collect();
        let limit = threshold(&field, 0.3);
        let share = field.iter().filter(|value| **value > limit).count() as f64 / 70_000.0;
        assert!((share - 0.3).abs() < 0.01, "{share}");
        assert!(threshold(&field, 0.0).is_infinite());
    }
}
