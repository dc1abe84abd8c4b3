//! `swath convert`: any raster that can be read, as a cloud-optimised GeoTIFF.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use swath_io::cog::{CogOptions, CogSpec, Compression, OverviewRule, RasterRows, write_cog};

use crate::config::Context;
use crate::error::UsageError;

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
    let spec = CogSpec::of_raster(&raster)?;
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
    let mut source = RasterRows::new(raster, &spec);
    let work =
        tokio::task::spawn_blocking(move || write_cog(&target, &spec, &options, &mut source));
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

/// Tells the writing thread to stop where the command is dropped (Ctrl-C).
pub struct CancelOnDrop(pub Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
