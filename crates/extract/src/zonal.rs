//! One raster over all parcels, to a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use swath_io::{BandInfo, GeoTiff};

use crate::ExtractError;
use crate::class_mask::ClassMask;
use crate::conversion::Conversion;
use crate::extractor::Extractor;
use crate::measure::{BandRef, OffGrid};
use crate::output::{Columns, RowNames, RowWriter};

/// A class raster that masks.
#[derive(Debug, Clone)]
pub struct MaskRequest {
    /// Its raster, opened.
    pub raster: Arc<GeoTiff>,
    /// Position of its band, from 0.
    pub band: usize,
    /// Classes that are dropped.
    pub dropped: Vec<f64>,
}

/// What to do with one raster.
#[derive(Debug, Clone)]
pub struct ZonalOptions {
    /// Bands by name or by number from 1; empty = all but opacity.
    pub bands: Vec<String>,
    /// Bands of classes, by name or number: their classes are counted in a second file.
    pub classes: Vec<String>,
    /// Class rasters that mask.
    pub masks: Vec<MaskRequest>,
    /// True: stored values, scale and offset of the file are left out.
    pub is_unscaled: bool,
    /// Columns of the output.
    pub statistics: Vec<String>,
}

/// What was done.
#[derive(Debug, Clone, Serialize)]
pub struct ZonalReport {
    /// Parcels in the file.
    pub parcels: usize,
    /// Parcels off the raster: their rows have count 0.
    pub off_raster: usize,
    /// Rows written.
    pub rows: u64,
    /// File of class counts.
    pub classes: Option<PathBuf>,
    /// Stored bytes of the blocks read.
    pub bytes: u64,
}

/// Measures `raster` over all parcels and writes one row per parcel and band.
///
/// The extractor is of use for this grid only afterwards: the geometry of its parcels is gone.
///
/// # Errors
/// Everything from reading to writing; then there is no output.
pub async fn zonal(
    extractor: &mut Extractor,
    raster: Arc<GeoTiff>,
    options: &ZonalOptions,
    output: &Path,
) -> Result<ZonalReport, ExtractError> {
    let columns = Columns {
        has_item: false,
        statistics: options.statistics.clone(),
    };
    let mut writer = RowWriter::create(output, columns.clone())?;
    let chosen = choose_bands(raster.bands(), &options.bands, raster.href())?;
    let classes = if options.classes.is_empty() {
        Vec::new()
    } else {
        choose_bands(raster.bands(), &options.classes, raster.href())?
    };
    let bands: Vec<BandRef> = chosen
        .iter()
        .chain(classes.iter().filter(|band| !chosen.contains(band)))
        .map(|band| band_ref(&raster, *band, classes.contains(band), options.is_unscaled))
        .collect();
    let masks = mask_list(&raster, &options.masks, 0.0)?;
    extractor.settle_on(&raster).await?;
    let measured = extractor.measure(&bands, masks, OffGrid::Keep).await?;
    let names: Vec<String> = bands.iter().map(|band| band.name.clone()).collect();
    let parcel_id = |parcel: u32| extractor.parcels.id(parcel as usize);
    let row_names = RowNames {
        item: None,
        bands: &names,
        parcel_id: &parcel_id,
    };
    writer.push(&measured.rows, &row_names)?;
    let class_path = (!classes.is_empty()).then(|| class_path(output));
    if let Some(path) = &class_path {
        let mut class_writer = RowWriter::create_classes(path, columns)?;
        class_writer.push_classes(&measured.classes, &row_names)?;
        class_writer.finish()?;
    }
    let rows = writer.finish()?;
    Ok(ZonalReport {
        parcels: extractor.parcels.len(),
        off_raster: measured.off_grid,
        rows,
        classes: class_path,
        bytes: measured.bytes,
    })
}

/// Returns the file of class counts beside `output`: `x.parquet` has `x.classes.parquet`.
pub(crate) fn class_path(output: &Path) -> PathBuf {
    let extension = output
        .extension()
        .and_then(|text| text.to_str())
        .unwrap_or_default();
    output.with_extension(format!("classes.{extension}"))
}

pub(crate) fn band_ref(
    raster: &Arc<GeoTiff>,
    band: usize,
    is_class: bool,
    is_unscaled: bool,
) -> BandRef {
    let info = &raster.bands()[band];
    let (scale, offset) = if is_unscaled || is_class {
        (None, None)
    } else {
        (info.scale, info.offset)
    };
    BandRef {
        raster: raster.clone(),
        band,
        name: info.name.clone(),
        scale: scale.unwrap_or(1.0),
        offset: offset.unwrap_or(0.0),
        is_class,
        is_measured: true,
        conversion: Conversion::Stored,
    }
}

/// Checks that the masks lie on the CRS of `raster`; what they drop grows by `dilation_m` metres.
pub(crate) fn mask_list(
    raster: &GeoTiff,
    requests: &[MaskRequest],
    dilation_m: f64,
) -> Result<Arc<[ClassMask]>, ExtractError> {
    requests
        .iter()
        .map(|request| {
            let geobox = Extractor::geobox(&request.raster)?;
            if request.raster.crs() != raster.crs() {
                let name =
                    |raster: &GeoTiff| raster.crs().map_or("none", |crs| crs.name()).to_owned();
                let reason = format!(
                    "the mask is in {} and {} in {}: warp the mask first",
                    name(&request.raster),
                    raster.href(),
                    name(raster)
                );
                return Err(ExtractError::Grid {
                    href: request.raster.href().to_owned(),
                    reason,
                });
            }
            let mask = ClassMask::new(
                request.raster.clone(),
                request.band,
                *geobox.transform(),
                request.dropped.clone(),
            );
            mask.dilated(geobox.crs(), dilation_m)
        })
        .collect()
}

/// Returns the positions of the bands that `wanted` names, in file order; by default all but opacity.
///
/// # Errors
/// A name or number that the raster does not have.
pub fn choose_bands(
    bands: &[BandInfo],
    wanted: &[String],
    href: &str,
) -> Result<Vec<usize>, ExtractError> {
    if wanted.is_empty() {
        return Ok((0..bands.len())
            .filter(|band| !bands[*band].is_alpha)
            .collect());
    }
    let mut chosen = wanted
        .iter()
        .map(|name| {
            let by_name = bands.iter().position(|band| band.name == *name);
            let by_number = || {
                name.parse::<usize>()
                    .ok()
                    .filter(|number| (1..=bands.len()).contains(number))
            };
            by_name
                .or_else(|| by_number().map(|number| number - 1))
                .ok_or_else(|| ExtractError::NoBand {
                    href: href.to_owned(),
                    name: name.clone(),
                    known: bands
                        .iter()
                        .map(|band| band.name.as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                })
        })
        .collect::<Result<Vec<usize>, ExtractError>>()?;
    chosen.sort_unstable();
    chosen.dedup();
    Ok(chosen)
}
