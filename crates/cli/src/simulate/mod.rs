//! `swath simulate`: a farmed landscape through a season, with known truth.
//!
//! 1. [`landscape`]: parcels and land cover on a 10 m UTM grid, from [`cells`].
//! 2. [`crops`] and [`weather`]: what grows where, what happens when.
//! 3. [`season`]: which images there are.
//! 4. [`optical`] and [`radar`]: the values of each patch on each date, then the pixels.
//! 5. [`world`] hands the rasters to a [`SceneSink`]; [`items`] describes them; [`parcels`] and [`truth`] lie
//!    beside them.
//!
//! Every number depends on the seed and its place only: the same files for any number of threads.
//! With `--noise 0` each pixel has the value of the patch at its centre (Float32, no clouds).

mod cells;
mod crops;
mod items;
mod landscape;
mod optical;
mod parcels;
mod radar;
mod random;
mod rings;
mod scene;
mod season;
mod truth;
mod weather;
mod world;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use chrono::NaiveDate;
use rayon::prelude::*;
use serde_json::Value;

use random::Random;
pub use scene::{BandPixels, Overviews, SceneRaster, SceneSink};
use season::Product;
use world::World;

/// Options of `swath simulate`.
#[derive(Debug, Clone, clap::Args)]
pub struct SimulateArgs {
    /// Folder to write to; made if absent
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Number of parcels
    #[arg(long, value_name = "N", default_value_t = 1500)]
    pub parcels: usize,
    /// Width and height in pixels of 10 m, even [default: about 7 ha of land per parcel]
    #[arg(long, value_name = "PX")]
    pub size: Option<u32>,
    /// Seed; the same seed gives the same files
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Strength of texture, sensor noise and speckle; 0 also leaves clouds and swath edges out and
    /// writes physical values in Float32
    #[arg(long, value_name = "F", default_value_t = 1.0)]
    pub noise: f32,
    /// First day
    #[arg(long, value_name = "DATE", default_value = "2021-03-01")]
    pub start: NaiveDate,
    /// Day after the last, in the same season
    #[arg(long, value_name = "DATE", default_value = "2021-11-01")]
    pub end: NaiveDate,
}

/// Largest width and height: a Sentinel-2 tile.
const SIZE_PX_MAX: u32 = 10_980;

impl SimulateArgs {
    /// Returns the size in pixels: as asked for, else as the parcels need.
    fn size_px(&self) -> u32 {
        let default = || {
            let side = libm::sqrt(self.parcels as f64 * 700.0);
            ((side / 32.0).ceil() as u32 * 32).clamp(64, SIZE_PX_MAX)
        };
        self.size.unwrap_or_else(default)
    }

    /// Checks that the options make sense together.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<()> {
        let size_px = self.size_px();
        ensure!(
            (64..=SIZE_PX_MAX).contains(&size_px) && size_px.is_multiple_of(2),
            "--size {size_px} must be even and within 64..={SIZE_PX_MAX}"
        );
        season::check_interval(self.start, self.end)?;
        ensure!(self.parcels > 0, "--parcels must be at least 1");
        ensure!(
            (0.0..=5.0).contains(&self.noise),
            "--noise {} must be within 0..=5",
            self.noise
        );
        Ok(())
    }
}

/// How far a simulation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Images done.
    pub images_done: u64,
    /// Images of the season.
    pub images: u64,
}

/// What a simulation made.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Number of parcels.
    pub parcels: usize,
    /// Area of all parcels in hectares.
    pub parcel_area_ha: f64,
    /// Parcels that declare another crop than grows.
    pub wrong_declarations: usize,
    /// Number of images by collection id.
    pub images: Vec<(&'static str, usize)>,
    /// Width and height of the 10 m grid.
    pub size_px: u32,
    /// Uncompressed bytes of all rasters, without overviews.
    pub raster_bytes: u64,
    /// Parcels, to be given to `--parcels`.
    pub parcels_path: PathBuf,
    /// Folders of the collections, to be given to `--items`.
    pub collection_paths: Vec<PathBuf>,
}

/// Simulates a season into `args.out`.
///
/// `progress` is called after each image, from several threads.
///
/// # Errors
/// Where options contradict each other or a file cannot be written.
pub fn run(
    args: &SimulateArgs,
    sink: &dyn SceneSink,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Summary> {
    args.check()?;
    let random = Random::new(args.seed);
    let images = season::acquisitions(args.start, args.end, &random.stream(5))?;
    ensure!(
        !images.is_empty(),
        "no image between --start {} and --end {}",
        args.start,
        args.end
    );
    let world = World::new(args, random)?;
    for folder in ["scenes", "truth"] {
        let path = args.out.join(folder);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot create {}", path.display()))?;
    }
    world.write_truth(args, &images)?;

    let done = AtomicU64::new(0);
    let raster_bytes = AtomicU64::new(0);
    images.par_iter().try_for_each(|image| -> Result<()> {
        let bytes = world.write_image(image, &args.out, sink)?;
        raster_bytes.fetch_add(bytes, Ordering::Relaxed);
        let images_done = done.fetch_add(1, Ordering::Relaxed) + 1;
        progress(Progress {
            images_done,
            images: images.len() as u64,
        });
        Ok(())
    })?;

    let mut summary = Summary {
        parcels: world.landscape.parcel_count,
        parcel_area_ha: world.landscape.patches[..world.landscape.parcel_count]
            .iter()
            .map(|patch| patch.area_m2() / 1e4)
            .sum(),
        wrong_declarations: world
            .years
            .iter()
            .filter(|year| year.grown != year.declared)
            .count(),
        images: Vec::new(),
        size_px: args.size_px(),
        raster_bytes: raster_bytes.into_inner(),
        parcels_path: args.out.join("parcels.parquet"),
        collection_paths: Vec::new(),
    };
    let mut products = Vec::new();
    for product in Product::ALL {
        if let Some(collection) = items::collection(product, &images, &world.footprint) {
            let folder = args.out.join(items::collection_folder(product));
            write_json(&folder.join("collection.json"), &collection)?;
            let count = images
                .iter()
                .filter(|image| image.product == product)
                .count();
            summary.images.push((product.collection(), count));
            summary.collection_paths.push(folder);
            products.push(product);
        }
    }
    write_json(
        &args.out.join("scenes/catalog.json"),
        &items::catalog(&products),
    )?;
    Ok(summary)
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests;
