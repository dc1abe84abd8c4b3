//! `swath convert`: any raster that can be read, as a cloud-optimised GeoTIFF.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use swath_io::cog::{CogSpec, RasterRows, write_cog};

use crate::command::cog_args::CogArgs;
use crate::config::Context;

/// Arguments of `swath convert`.
#[derive(Debug, clap::Args)]
pub struct ConvertArgs {
    /// Raster to read: a path, URL, s3://bucket/key or STORE:key
    source: String,
    /// File to write
    target: PathBuf,
    #[command(flatten)]
    cog: CogArgs,
}

/// Runs the command.
///
/// # Errors
/// Everything from reading to writing; then there is no target.
pub async fn run(context: &Context, args: ConvertArgs) -> Result<()> {
    args.cog.check_target(&args.target)?;
    let raster = context.open(&args.source).await?;
    let spec = CogSpec::of_raster(&raster)?;
    let (options, _stop) = args.cog.options(context.threads);
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
