//! `swath info`: what a raster is.

use anyhow::Result;
use swath_io::RasterDescription;

use crate::config::Context;

/// Arguments of `swath info`.
#[derive(Debug, clap::Args)]
pub struct InfoArgs {
    /// Raster: a path, URL, s3://bucket/key or STORE:key
    asset: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the raster cannot be opened.
pub async fn run(context: &Context, args: InfoArgs) -> Result<()> {
    let description = context.open(&args.asset).await?.describe();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&description)?);
    } else {
        print_text(&description);
    }
    Ok(())
}

fn print_text(raster: &RasterDescription) {
    let line = |name: &str, value: String| println!("{name:<12}{value}");
    line("raster", raster.href.clone());
    line(
        "format",
        format!("{}, {} bytes", raster.driver, raster.bytes),
    );
    let crs = match (&raster.crs, &raster.crs_name) {
        (Some(crs), Some(name)) if crs.starts_with("EPSG:") => format!("{crs} ({name})"),
        (Some(_), Some(name)) => format!("{name} (no EPSG code)"),
        _ => "none".to_owned(),
    };
    line("crs", crs);
    line(
        "size",
        format!("{} x {} pixels", raster.size[0], raster.size[1]),
    );
    match (raster.transform, raster.has_control_points) {
        (Some(t), _) if t[2] == 0.0 && t[4] == 0.0 => {
            line(
                "grid",
                format!(
                    "corner {}, {}; pixel {} x {}{}",
                    t[0],
                    t[3],
                    t[1],
                    t[5],
                    if raster.is_point {
                        " (values are of points)"
                    } else {
                        ""
                    }
                ),
            );
        }
        (Some(t), _) => line("grid", format!("rotated: {t:?}")),
        (None, true) => line(
            "grid",
            format!(
                "none; {} ground control points, listed by --json",
                raster.control_points.len()
            ),
        ),
        (None, false) => line("grid", "none".to_owned()),
    }
    let layout = format!(
        "{} of {} x {}, {} interleaved",
        raster.layout, raster.block[0], raster.block[1], raster.interleave
    );
    line("blocks", layout);
    let predictor = if raster.predictor > 1 {
        format!(", predictor {}", raster.predictor)
    } else {
        String::new()
    };
    line("compression", format!("{}{predictor}", raster.compression));
    let overviews: Vec<String> = raster
        .overviews
        .iter()
        .map(|image| format!("{} x {}", image.size[0], image.size[1]))
        .collect();
    line(
        "overviews",
        if overviews.is_empty() {
            "none".to_owned()
        } else {
            overviews.join(", ")
        },
    );
    if raster.has_mask {
        line("mask", "yes".to_owned());
    }
    if raster.other_pages > 0 {
        line(
            "pages",
            format!("{} further images in the file", raster.other_pages),
        );
    }
    for (index, band) in raster.bands.iter().enumerate() {
        let mut words = vec![band.name.clone(), band.dtype.to_owned()];
        words.extend(
            band.nodata
                .as_ref()
                .map(|nodata| format!("nodata {nodata}")),
        );
        words.extend(band.scale.map(|scale| format!("scale {scale}")));
        words.extend(band.offset.map(|offset| format!("offset {offset}")));
        words.extend(band.unit.as_ref().map(|unit| format!("unit {unit}")));
        words.extend(band.is_alpha.then(|| "opacity".to_owned()));
        line(&format!("band {}", index + 1), words.join(", "));
    }
    for (name, value) in &raster.metadata {
        line(
            "metadata",
            format!("{name} = {}", value.as_str().unwrap_or_default()),
        );
    }
    line(
        "cog",
        if raster.cog.valid {
            "valid".to_owned()
        } else {
            "not valid".to_owned()
        },
    );
    raster
        .cog
        .reasons
        .iter()
        .for_each(|reason| line("", reason.clone()));
    raster
        .cog
        .warnings
        .iter()
        .for_each(|warning| line("", format!("could be better: {warning}")));
}
