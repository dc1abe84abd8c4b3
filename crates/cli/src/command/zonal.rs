//! `swath zonal`: statistics of one raster for every parcel.

use std::path::PathBuf;

use anyhow::Result;
use swath_extract::{MaskRequest, STATISTICS, ZonalOptions, choose_bands, zonal};

use super::measure_args::{MeasureArgs, parse_classes, print_shifts};
use crate::config::Context;
use crate::error::UsageError;

/// Arguments of `swath zonal`.
#[derive(Debug, clap::Args)]
pub struct ZonalArgs {
    /// Raster: a path, URL, s3://bucket/key or STORE:key
    raster: String,
    #[command(flatten)]
    measure: MeasureArgs,
    /// Bands by name or by number from 1 [default: all but opacity]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    bands: Vec<String>,
    /// Bands of classes: count each class, in a second file OUT.classes.EXT
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    classes: Vec<String>,
    /// Drop pixels where a class raster has one of these classes, or nodata; may be repeated
    #[arg(long, value_name = "RASTER[:BAND]=V,V…")]
    mask: Vec<String>,
    /// Statistics to write
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = STATISTICS.map(str::to_owned))]
    stats: Vec<String>,
    /// Stored values: leave out scale and offset
    #[arg(long)]
    unscaled: bool,
    /// Output: .parquet, .csv or .json
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Everything from reading to writing.
pub async fn run(context: &Context, args: ZonalArgs) -> Result<()> {
    if let Some(unknown) = args
        .stats
        .iter()
        .find(|name| !STATISTICS.contains(&name.as_str()))
    {
        return Err(UsageError(format!(
            "--stats {unknown}: choose from {}",
            STATISTICS.join(", ")
        ))
        .into());
    }
    let raster = context.open(&args.raster).await?;
    let mut masks = Vec::new();
    for mask in &args.mask {
        masks.push(open_mask(context, mask).await?);
    }
    let mut extractor = args.measure.extractor(context).await?;
    let options = ZonalOptions {
        bands: args.bands,
        classes: args.classes,
        masks,
        is_unscaled: args.unscaled,
        statistics: STATISTICS
            .iter()
            .filter(|name| args.stats.iter().any(|own| own == *name))
            .map(|name| (*name).to_owned())
            .collect(),
    };
    let report = zonal(&mut extractor, raster, &options, &args.output).await?;
    print_shifts(&extractor);
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    eprintln!(
        "{} rows for {} parcels written to {}",
        report.rows,
        report.parcels,
        args.output.display()
    );
    if report.off_raster > 0 {
        eprintln!(
            "{} parcels lie off the raster: their rows have count 0",
            report.off_raster
        );
    }
    Ok(())
}

/// Opens the mask that `RASTER[:BAND]=V,V…` names.
async fn open_mask(context: &Context, text: &str) -> Result<MaskRequest> {
    let wrong = |reason: &str| UsageError(format!("--mask {text}: {reason}"));
    let (place, classes) = text
        .rsplit_once('=')
        .ok_or_else(|| wrong("expected RASTER[:BAND]=V,V…"))?;
    let dropped = parse_classes(classes)?;
    // A colon may also belong to a URL or a store name: what follows the last one is a band only
    // where no slash or dot follows.
    let (href, band) = match place.rsplit_once(':') {
        Some((href, band)) if !band.is_empty() && !band.contains(['/', '\\', '.']) => {
            (href, Some(band))
        }
        _ => (place, None),
    };
    let raster = context.open(href).await?;
    let wanted: Vec<String> = band.map(str::to_owned).into_iter().collect();
    let bands = choose_bands(raster.bands(), &wanted, href)?;
    match bands[..] {
        [band] => Ok(MaskRequest {
            raster,
            band,
            dropped,
        }),
        _ => Err(wrong("the raster has several bands: name one, as RASTER:BAND=V,V").into()),
    }
}
