//! `swath simulate`: scenes of the simulated landscape become COGs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result, bail};
use swath_io::cog::{
    BandSpec, CogOptions, CogSpec, ColorInterpretation, Compression, OverviewRule, RowSource, Rows,
    write_cog,
};
use swath_raster::{Pixels, for_pixels};

use super::cog_args::CancelOnDrop;
use crate::error::UsageError;
use crate::progress::Progress;
use crate::simulate::{
    BandPixels, Overviews, SceneRaster, SceneSink, SimulateArgs, Summary, run as simulate,
};

/// Runs the command.
///
/// # Errors
/// Where the folder cannot be written.
pub async fn run(args: SimulateArgs) -> Result<()> {
    let summary = run_quietly(args.clone()).await?;
    let images: Vec<String> = summary
        .images
        .iter()
        .map(|(id, count)| format!("{count} {id}"))
        .collect();
    eprintln!(
        "{} parcels of {:.0} ha ({} declared wrongly); images: {}; written to {}",
        summary.parcels,
        summary.parcel_area_ha,
        summary.wrong_declarations,
        images.join(", "),
        args.out.display()
    );
    Ok(())
}

/// Does the work and says nothing but progress.
///
/// # Errors
/// As [`run`].
pub async fn run_quietly(args: SimulateArgs) -> Result<Summary> {
    args.check()
        .map_err(|error| UsageError(error.to_string()))?;
    let cancel = Arc::new(AtomicBool::new(false));
    let _stop = CancelOnDrop(cancel.clone());
    let work = tokio::task::spawn_blocking(move || {
        let progress = Progress::new("images");
        let sink = CogSink {
            out: args.out.clone(),
            cancel,
        };
        simulate(&args, &sink, &|done| {
            progress.set(done.images_done, done.images, "")
        })
    });
    work.await.context("the simulation panicked")?
}

/// Writes scenes as COGs below a folder.
struct CogSink {
    out: PathBuf,
    cancel: Arc<AtomicBool>,
}

impl SceneSink for CogSink {
    fn write(&self, scene: &SceneRaster) -> Result<()> {
        let path = self.out.join(&scene.relative_path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut source = SceneRows::new(scene);
        let Some(first) = source.bands.first() else {
            bail!("a scene without bands")
        };
        let neutral = |value: f64, neutral: f64| (value != neutral).then_some(value);
        let spec = CogSpec {
            geobox: scene.geobox.clone(),
            data_type: first.data_type(),
            bands: scene
                .bands
                .iter()
                .map(|band| BandSpec {
                    name: Some(band.name.to_owned()),
                    scale: neutral(band.scale, 1.0),
                    offset: neutral(band.offset, 0.0),
                    unit: band.unit.map(str::to_owned),
                    color: ColorInterpretation::Undefined,
                    metadata: Vec::new(),
                })
                .collect(),
            nodata: scene.bands.first().and_then(|band| band.nodata),
            has_mask: false,
            metadata: scene.tags.clone(),
            color_map: None,
            area_or_point: Default::default(),
        };
        let options = CogOptions {
            compression: Compression::Deflate { level: 4 },
            overviews: match scene.overviews {
                Overviews::Average => OverviewRule::Average,
                Overviews::Nearest => OverviewRule::Nearest,
            },
            // Scenes are written side by side already.
            threads: 1,
            cancel: Some(self.cancel.clone()),
            ..CogOptions::default()
        };
        write_cog(&path, &spec, &options, &mut source)?;
        Ok(())
    }
}

/// Hands the bands of a scene over, strip by strip.
struct SceneRows {
    bands: Vec<Pixels>,
    width: usize,
}

impl SceneRows {
    fn new(scene: &SceneRaster) -> Self {
        let pixels = |pixels: &BandPixels| match pixels {
            BandPixels::U8(values) => Pixels::U8(values.clone()),
            BandPixels::U16(values) => Pixels::U16(values.clone()),
            BandPixels::F32(values) => Pixels::F32(values.clone()),
        };
        Self {
            bands: scene
                .bands
                .iter()
                .map(|band| pixels(&band.pixels))
                .collect(),
            width: scene.geobox.size().width as usize,
        }
    }
}

impl RowSource for SceneRows {
    fn read_rows(
        &mut self,
        first_row: u32,
        rows: u32,
    ) -> Result<Rows, Box<dyn std::error::Error + Send + Sync>> {
        let from = first_row as usize * self.width;
        let to = from + rows as usize * self.width;
        fn cut<T: swath_raster::Sample>(values: &[T], from: usize, to: usize) -> Pixels {
            T::wrap(values[from..to].to_vec())
        }
        Ok(Rows {
            bands: self
                .bands
                .iter()
                .map(|band| for_pixels!(band, values => cut(values, from, to)))
                .collect(),
            mask: None,
        })
    }
}
