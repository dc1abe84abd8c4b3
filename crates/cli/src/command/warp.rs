//! `swath warp`: a raster on another grid, as a cloud-optimised GeoTIFF.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use swath_io::cog::{CogSpec, write_cog};
use swath_io::{ERROR_PX_DEFAULT, ReadOptions, WarpRows, warp_spec};
use swath_raster::Resampling;

use crate::allocator::{Keeping, keep_freed_memory};
use crate::command::cog_args::CogArgs;
use crate::command::grid_args::GridArgs;
use crate::config::Context;
use crate::error::UsageError;

/// Arguments of `swath warp`.
#[derive(Debug, clap::Args)]
pub struct WarpArgs {
    /// Raster to read: a path, URL, s3://bucket/key or STORE:key
    source: String,
    /// File to write
    target: PathBuf,
    #[command(flatten)]
    grid: GridArgs,
    /// nearest, bilinear, cubic, average, mode, min or max
    #[arg(long, value_name = "RULE", default_value = "nearest")]
    resampling: Resampling,
    /// Largest error of a position in source pixels; 0 computes every position exactly
    #[arg(long, value_name = "PX", default_value_t = ERROR_PX_DEFAULT)]
    error: f64,
    /// Value of pixels with nothing [default: that of the source, else a mask]
    #[arg(long, value_name = "V", allow_negative_numbers = true)]
    nodata: Option<f64>,
    #[command(flatten)]
    cog: CogArgs,
}

/// Runs the command.
///
/// # Errors
/// A grid that cannot be; everything from reading to writing: then there is no target.
pub async fn run(context: &Context, args: WarpArgs) -> Result<()> {
    keep_freed_memory(Keeping::RASTERS);
    args.cog.check_target(&args.target)?;
    if !(args.error >= 0.0 && args.error.is_finite()) {
        return Err(UsageError(format!("--error {} is no size of pixels", args.error)).into());
    }
    let raster = context.open(&args.source).await?;
    let own = CogSpec::of_raster(&raster)?;
    let pixel_bytes = (own.bands.len() * own.data_type.size_bytes()) as u64;
    let grid = args.grid.grid(
        std::slice::from_ref(&own.geobox),
        pixel_bytes,
        args.cog.block_px(),
    )?;
    let spec = warp_spec(&raster, &grid, args.nodata)?;
    let read_options = ReadOptions {
        resampling: args.resampling,
        error_px: args.error,
        ..ReadOptions::default()
    };
    let mut rows = WarpRows::new(raster, &spec, &read_options)?;
    let (options, _stop) = args.cog.options(context.threads);
    let target = args.target.clone();
    let work = tokio::task::spawn_blocking(move || write_cog(&target, &spec, &options, &mut rows));
    let report = work.await.context("the warp panicked")?.with_context(|| {
        format!(
            "{} cannot be warped to {}",
            args.source,
            args.target.display()
        )
    })?;
    eprintln!(
        "{} x {} pixels, {} bytes written to {}",
        grid.size().width,
        grid.size().height,
        report.bytes,
        args.target.display()
    );
    Ok(())
}
