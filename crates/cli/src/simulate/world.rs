//! The simulated land and season, and the files of one image after the other.

use std::path::Path;

use anyhow::{Context, Result};
use chrono::Datelike;

use super::crops::CropYear;
use super::items::{self, Footprint};
use super::landscape::Landscape;
use super::optical::{self, Ground, SCL, Sky, SkyConditions};
use super::random::{GammaTable, Random};
use super::scene::{BandData, BandPixels, Overviews, SceneRaster, SceneSink, Signature};
use super::season::{Acquisition, Product};
use super::weather::Weather;
use super::{SimulateArgs, parcels, radar, truth, write_json};

/// Everything that all images share.
pub struct World {
    /// Parcels and land cover.
    pub landscape: Landscape,
    /// What happens on each parcel.
    pub years: Vec<CropYear>,
    weather: Weather,
    ground: Ground,
    /// Outline of all images.
    pub footprint: Footprint,
    speckle: GammaTable,
    random: Random,
    noise: f32,
}

impl World {
    /// Makes the landscape and its year.
    ///
    /// # Errors
    /// Where the options admit no landscape.
    pub fn new(args: &SimulateArgs, random: Random) -> Result<Self> {
        let landscape = Landscape::new(args.parcels, args.size_px(), &random.stream(1))?;
        let years = CropYear::for_all(&landscape, &random.stream(2));
        let ground = Ground::new(&landscape, &random.stream(3));
        Ok(Self {
            years,
            weather: Weather::new(&random.stream(4)),
            footprint: Footprint::new(&landscape.geobox)?,
            ground,
            landscape,
            speckle: radar::speckle_table(),
            random,
            noise: args.noise,
        })
    }

    /// Writes the parcels and everything under `truth/`.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn write_truth(&self, args: &SimulateArgs, images: &[Acquisition]) -> Result<()> {
        let (landscape, years) = (&self.landscape, &self.years);
        let out = &args.out;
        parcels::write_geoparquet(&out.join("parcels.parquet"), landscape, years)?;
        write_json(
            &out.join("parcels.geojson"),
            &parcels::geojson(landscape, years)?,
        )?;
        let year = args.start.year();
        let path = out.join("truth/parcels.parquet");
        truth::write_parcels(&path, landscape, years, &self.ground, year)?;
        let path = out.join("truth/events.csv");
        std::fs::write(&path, truth::events_csv(landscape, years, year))
            .with_context(|| format!("cannot write {}", path.display()))?;
        let mut means = truth::MeansWriter::create(&out.join("truth/means.parquet"), landscape)?;
        for image in images {
            means.add(image, &self.signature(image))?;
        }
        means.finish()
    }

    /// Returns the noise-free values of all patches in an image.
    fn signature(&self, image: &Acquisition) -> Signature {
        let (landscape, years, weather) = (&self.landscape, &self.years[..], &self.weather);
        let random = self.random.stream(6 + image.product as u64);
        match image.product {
            Product::Reflectance => {
                optical::signature(landscape, years, weather, image.day(), &random)
            }
            Product::Backscatter => radar::backscatter(landscape, years, weather, image, &random),
            Product::Coherence => radar::coherence(landscape, years, weather, image, &random),
        }
    }

    /// Writes the rasters and the item of one image; returns the bytes of its pixels.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn write_image(
        &self,
        image: &Acquisition,
        out: &Path,
        sink: &dyn SceneSink,
    ) -> Result<u64> {
        let folder = items::item_folder(image);
        let path = out.join(&folder);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot create {}", path.display()))?;
        let mut assets = Vec::new();
        let mut bytes = 0;
        let mut write = |scene: SceneRaster| -> Result<()> {
            sink.write(&scene)
                .with_context(|| format!("cannot write {}", scene.relative_path))?;
            bytes += scene
                .bands
                .iter()
                .map(|band| band.pixels.bytes())
                .sum::<u64>();
            assets.push(items::asset(&scene));
            Ok(())
        };
        let signature = self.signature(image);
        let cloud_percent = if image.product == Product::Reflectance {
            self.reflectance(image, &folder, &signature, &mut write)?
        } else {
            write(self.radar(image, &folder, &signature))?;
            0.0
        };
        let item = items::item(image, &self.footprint, cloud_percent, assets);
        write_json(&path.join(format!("{}.json", image.item_id)), &item)?;
        Ok(bytes)
    }

    /// Writes the bands of a Sentinel-2 image; returns the cloud cover in percent.
    fn reflectance(
        &self,
        image: &Acquisition,
        folder: &str,
        signature: &Signature,
        write: &mut dyn FnMut(SceneRaster) -> Result<()>,
    ) -> Result<f64> {
        let conditions = SkyConditions {
            has_snow: self.weather.has_snow(image.day()),
            is_edge: image.relative_orbit == 8,
            noise: self.noise,
        };
        let random = self.random.stream(9).stream(image.stream());
        let coarse = &self.ground.coarse;
        let sky = (self.noise > 0.0)
            .then(|| Sky::new(coarse, &self.landscape, image.day(), conditions, &random));
        let added = if image.has_offset { 1000.0 } else { 0.0 };
        for (band, name) in optical::BANDS.into_iter().enumerate() {
            let factor = if band < 4 { 1 } else { 2 };
            let layer = if factor == 1 {
                &self.ground.fine
            } else {
                coarse
            };
            let clean = signature.band(band);
            let data = match &sky {
                Some(sky) if band == SCL => class_band(sky.classes(coarse, &clean)),
                None if band == SCL => class_band(
                    layer
                        .labels
                        .iter()
                        .map(|&label| clean[label as usize] as u8)
                        .collect(),
                ),
                Some(sky) => {
                    let numbers = sky.digital_numbers(layer, band, &clean, added);
                    reflectance_band(name, BandPixels::U16(numbers), image.has_offset)
                }
                None => {
                    reflectance_band(name, BandPixels::F32(painted(&layer.labels, &clean)), false)
                }
            };
            write(self.raster(image, format!("{folder}/{name}.tif"), factor, vec![data]))?;
        }
        Ok(sky.map_or(0.0, |sky| sky.cloud_percent()))
    }

    /// Returns the raster of a Sentinel-1 image.
    fn radar(&self, image: &Acquisition, folder: &str, signature: &Signature) -> SceneRaster {
        let random = self.random.stream(9).stream(image.stream());
        let layer = &self.ground.fine;
        let is_coherence = image.product == Product::Coherence;
        let band = |(index, name): (usize, &'static str)| {
            let clean = signature.band(index);
            let random = random.stream(index as u64);
            let pixels = match is_coherence {
                _ if self.noise == 0.0 => painted(&layer.labels, &clean),
                true => radar::coherence_pixels(layer, &clean, self.noise, &random),
                false => {
                    radar::backscatter_pixels(layer, &clean, &self.speckle, self.noise, &random)
                }
            };
            BandData {
                name,
                pixels: BandPixels::F32(pixels),
                nodata: Some(0.0),
                scale: 1.0,
                offset: 0.0,
                unit: None,
                description: match (is_coherence, name) {
                    (false, "VV") => "backscatter VV, linear power",
                    (false, _) => "backscatter VH, linear power",
                    (true, "VV") => "coherence VV, 0 to 1",
                    (true, _) => "coherence VH, 0 to 1",
                },
            }
        };
        let bands = radar::BANDS.into_iter().enumerate().map(band).collect();
        let name = if is_coherence { "COH6" } else { "BS" };
        self.raster(image, format!("{folder}/{name}.tif"), 1, bands)
    }

    fn raster(
        &self,
        image: &Acquisition,
        relative_path: String,
        factor: u32,
        bands: Vec<BandData>,
    ) -> SceneRaster {
        let is_classes = bands.iter().any(|band| band.name == "SCL");
        let datetime = image.datetime;
        let tags = [
            (
                "TIFFTAG_DATETIME",
                datetime.format("%Y:%m:%d %H:%M:%S").to_string(),
            ),
            (
                "datetime",
                datetime.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            ),
            ("item_id", image.item_id.clone()),
        ];
        SceneRaster {
            relative_path,
            geobox: self.landscape.grid(factor),
            bands,
            tags: tags
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            overviews: if is_classes {
                Overviews::Nearest
            } else {
                Overviews::Average
            },
        }
    }
}

/// Returns the value of each pixel's patch.
fn painted(labels: &[u32], values: &[f32]) -> Vec<f32> {
    labels.iter().map(|&label| values[label as usize]).collect()
}

fn reflectance_band(name: &'static str, pixels: BandPixels, has_offset: bool) -> BandData {
    let is_physical = matches!(pixels, BandPixels::F32(_));
    BandData {
        name,
        pixels,
        nodata: Some(0.0),
        scale: if is_physical { 1.0 } else { 1e-4 },
        offset: if has_offset { -0.1 } else { 0.0 },
        unit: Some("1"),
        description: "surface reflectance",
    }
}

fn class_band(classes: Vec<u8>) -> BandData {
    BandData {
        name: "SCL",
        pixels: BandPixels::U8(classes),
        nodata: Some(0.0),
        scale: 1.0,
        offset: 0.0,
        unit: None,
        description: "scene classification",
    }
}
