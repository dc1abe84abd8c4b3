//! What a dry run tells: bytes and time, from sizes alone.

use super::{IngestOptions, Originals, Outcome, ProductReport};
use crate::package::Package;
use crate::product::{JP2, Product, ProductAsset};

/// Bytes digested per second and thread, measured with SHA-256 on one core.
const DIGEST_BYTES_PER_S: f64 = 400e6;
/// Bytes copied per second.
const COPY_BYTES_PER_S: f64 = 300e6;
/// Pixels of one band converted per second: JPEG 2000 decoding, overviews, compression on two cores.
const PIXELS_PER_S: f64 = 15e6;
/// Size of a COG against its JPEG 2000 file and against other files (Sentinel-2, zstd).
const COG_PER_JP2: f64 = 1.4;
const COG_PER_OTHER: f64 = 0.8;

/// Fills in what ingesting the product would read, write and take.
pub(super) fn estimate(
    package: &Package,
    product: &Product,
    options: &IngestOptions,
    report: &mut ProductReport,
) {
    let size = |member: &str| package.size(member).unwrap_or_default();
    let read: u64 = product.members.iter().map(|member| size(member)).sum();
    let converted = || {
        let assets = product.assets.values();
        assets.filter(|asset| {
            let is_convertible = asset
                .raster
                .as_ref()
                .is_some_and(|raster| raster.is_convertible);
            options.is_converting && is_convertible && package.size(&asset.member).is_some()
        })
    };
    let cogs: f64 = converted()
        .map(|asset| match asset.media_type {
            JP2 => size(&asset.member) as f64 * COG_PER_JP2,
            _ => size(&asset.member) as f64 * COG_PER_OTHER,
        })
        .sum();
    let copied = match options.originals {
        Originals::Keep => read,
        Originals::Reference | Originals::Drop => 0,
    };
    let pixels: f64 = converted().map(pixels).sum();
    report.outcome = Outcome::Planned;
    report.assets = product.assets.len() - report.missing_assets.len();
    report.converted = converted().count();
    report.bytes_read = read;
    report.bytes_written = copied + cogs as u64;
    report.seconds_estimated = Some(
        read as f64 / DIGEST_BYTES_PER_S
            + (copied as f64 + cogs) / COPY_BYTES_PER_S
            + pixels / PIXELS_PER_S,
    );
}

fn pixels(asset: &ProductAsset) -> f64 {
    let raster = asset.raster.as_ref();
    let grid = raster.and_then(|raster| raster.grid.as_ref());
    grid.map_or(0.0, |grid| {
        f64::from(grid.size.width) * f64::from(grid.size.height)
    })
}
