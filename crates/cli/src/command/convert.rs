//! `swath convert`: any raster that can be read, as a cloud-optimised GeoTIFF.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use futures::TryStreamExt;
use swath_grid::{GeoBox, Window};
use swath_io::cog::{
    BandSpec, CogOptions, CogSpec, ColorInterpretation, Compression, OverviewRule, RowSource, Rows,
    write_cog,
};
use swath_io::{BlockPlan, DecodedBlock, GeoTiff, IoError, blocks, compute};
use swath_raster::Mask;

use crate::config::Context;
use crate::error::{PartialDataError, UsageError};

/// Compression of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scheme {
    /// Fast and small; needs GDAL 2.3 or newer to read
    Zstd,
    /// Read by everything
    Deflate,
    /// Read by everything, larger
    Lzw,
    /// Stored as it is
    None,
}

/// How overviews are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Overviews {
    /// Mean of the valid pixels
    Average,
    /// One of the pixels
    Nearest,
    /// The most frequent value, for classes
    Mode,
    /// No overviews
    None,
}

/// Arguments of `swath convert`.
#[derive(Debug, clap::Args)]
pub struct ConvertArgs {
    /// Raster to read: a path, URL, s3://bucket/key or STORE:key
    source: String,
    /// File to write
    target: PathBuf,
    /// Compression
    #[arg(long, value_enum, default_value = "zstd")]
    compress: Scheme,
    /// Compression level [default: the fastest that is at most 2 % larger than GDAL's default]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    level: Option<i32>,
    /// Width and height of a block, a multiple of 16
    #[arg(long, value_name = "PX", default_value_t = 512)]
    block: u32,
    /// How overviews are made
    #[arg(long, value_enum, default_value = "average")]
    overviews: Overviews,
    /// Replace the target if it is there
    #[arg(long)]
    overwrite: bool,
}

/// Runs the command.
///
/// # Errors
/// Everything from reading to writing; then there is no target.
pub async fn run(context: &Context, args: ConvertArgs) -> Result<()> {
    if args.target.exists() && !args.overwrite {
        return Err(UsageError(format!(
            "{} is there already; give --overwrite to replace it",
            args.target.display()
        ))
        .into());
    }
    let raster = context.open(&args.source).await?;
    let spec = spec_of(&raster)?;
    let cancel = Arc::new(AtomicBool::new(false));
    let options = CogOptions {
        compression: compression(&args),
        block_px: args.block,
        overviews: match args.overviews {
            Overviews::Average => OverviewRule::Average,
            Overviews::Nearest => OverviewRule::Nearest,
            Overviews::Mode => OverviewRule::Mode,
            Overviews::None => OverviewRule::None,
        },
        threads: context.threads,
        cancel: Some(cancel.clone()),
        ..CogOptions::default()
    };
    let _stop = CancelOnDrop(cancel);
    let target = args.target.clone();
    let runtime = tokio::runtime::Handle::current();
    let work = tokio::task::spawn_blocking(move || {
        let bands = (0..raster.bands().len()).collect();
        let mut source = RasterRows {
            has_mask: spec.has_mask,
            raster,
            bands,
            runtime,
            kept: BTreeMap::new(),
        };
        write_cog(&target, &spec, &options, &mut source)
    });
    let report = work
        .await
        .context("the conversion panicked")?
        .with_context(|| {
            format!(
                "{} cannot be converted to {}",
                args.source,
                args.target.display()
            )
        })?;
    eprintln!(
        "{} bytes written to {}",
        report.bytes,
        args.target.display()
    );
    Ok(())
}

fn compression(args: &ConvertArgs) -> Compression {
    match (args.compress, args.level) {
        (Scheme::None, _) => Compression::None,
        (Scheme::Lzw, _) => Compression::Lzw,
        (Scheme::Zstd, None) => Compression::default(),
        (Scheme::Zstd, Some(level)) => Compression::Zstd { level },
        (Scheme::Deflate, None) => Compression::Deflate { level: 0 },
        (Scheme::Deflate, Some(level)) => Compression::Deflate {
            level: level.clamp(1, 12) as u8,
        },
    }
}

fn spec_of(raster: &GeoTiff) -> Result<CogSpec> {
    let wrong = |reason: &str| PartialDataError(format!("{}: {reason}", raster.href()));
    let crs = raster
        .crs()
        .ok_or_else(|| wrong("it names no coordinate reference system; write one into it first"))?;
    let transform = raster
        .transform()
        .ok_or_else(|| wrong("it has no transform from pixels to coordinates"))?;
    let geobox =
        GeoBox::new(crs.clone(), *transform, raster.size()).ok_or_else(|| wrong("it is empty"))?;
    let first = raster
        .bands()
        .first()
        .ok_or_else(|| wrong("it has no bands"))?;
    let description = raster.describe();
    let metadata = description
        .metadata
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    Ok(CogSpec {
        geobox,
        data_type: first.data_type,
        bands: raster
            .bands()
            .iter()
            .enumerate()
            .map(|(index, band)| BandSpec {
                name: band.is_named.then(|| band.name.clone()),
                scale: band.scale,
                offset: band.offset,
                unit: band.unit.clone(),
                color: color_of(raster, index),
                metadata: band.metadata.clone(),
            })
            .collect(),
        nodata: first
            .nodata
            .as_deref()
            .and_then(|text| text.trim().parse().ok()),
        has_mask: description.has_mask,
        metadata,
        color_map: raster.color_map().map(<[_]>::to_vec),
        area_or_point: if description.is_point {
            swath_io::cog::AreaOrPoint::Point
        } else {
            Default::default()
        },
    })
}

fn color_of(raster: &GeoTiff, band: usize) -> ColorInterpretation {
    if raster.bands()[band].is_alpha {
        return ColorInterpretation::Alpha;
    }
    match band {
        0 if raster.color_map().is_some() => ColorInterpretation::Palette,
        0 if raster.is_rgb() => ColorInterpretation::Red,
        1 if raster.is_rgb() => ColorInterpretation::Green,
        2 if raster.is_rgb() => ColorInterpretation::Blue,
        _ => ColorInterpretation::Undefined,
    }
}

/// Tells the writing thread to stop where the command is dropped (Ctrl-C).
pub struct CancelOnDrop(pub Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Blocks that are decoded side by side.
const DECODE_AT_ONCE: usize = 4;

/// Reads a raster strip by strip, on the runtime, from the thread that writes.
struct RasterRows {
    raster: Arc<GeoTiff>,
    bands: Vec<usize>,
    has_mask: bool,
    runtime: tokio::runtime::Handle,
    /// Blocks that reach below the last strip: decoded once.
    kept: BTreeMap<u32, DecodedBlock>,
}

impl RasterRows {
    async fn read(&mut self, window: Window) -> Result<DecodedBlock, IoError> {
        let wanted = self.raster.blocks_of(&window);
        let missing = wanted
            .iter()
            .copied()
            .filter(|number| !self.kept.contains_key(number))
            .collect();
        let plan = BlockPlan {
            level: 0,
            bands: self.bands.clone(),
            numbers: missing,
        };
        let mut decoded = std::pin::pin!(
            blocks(&self.raster, plan)
                .map_ok(|fetched| async move {
                    let number = fetched.number();
                    let block = compute::run(move |scratch| fetched.decode(scratch)).await?;
                    Ok((number, block))
                })
                .try_buffered(DECODE_AT_ONCE)
        );
        while let Some((number, block)) = decoded.try_next().await? {
            self.kept.insert(number, block);
        }
        let parts = wanted.iter().filter_map(|number| self.kept.get(number));
        let assembled = DecodedBlock::assemble_from(window, parts)?;
        self.kept
            .retain(|_, block| block.window.row_end() > window.row_end());
        Ok(assembled)
    }
}

impl RowSource for RasterRows {
    fn read_rows(
        &mut self,
        first_row: u32,
        rows: u32,
    ) -> Result<Rows, Box<dyn std::error::Error + Send + Sync>> {
        let window = Window {
            col: 0,
            row: first_row,
            width: self.raster.size().width,
            height: rows,
        };
        let runtime = self.runtime.clone();
        let block = runtime.block_on(self.read(window))?;
        let flags = |mask: &Mask| {
            let flag = |index: usize| if mask.is_valid(index) { 255 } else { 0 };
            (0..window.len() as usize).map(flag).collect()
        };
        let mask = if self.has_mask {
            block.masks.first().map(flags)
        } else {
            None
        };
        Ok(Rows {
            bands: block.bands,
            mask,
        })
    }
}
