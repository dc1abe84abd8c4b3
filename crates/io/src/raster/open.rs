//! Opening a GeoTIFF: fetch what the directories need, then give them meaning.

use swath_grid::{Crs, GeoKeyValue, GeoKeys, Transform};

use super::describe::ControlPoint;
use super::geotiff::{BandInfo, GeoTiff, Level, RasterFormat};
use crate::IoError;
use crate::cog::{IfdSummary, verdict};
use crate::jp2::{self, Georeference};
use crate::store::AssetRef;
use crate::tiff::{Directory, GdalMetadata, ImageLayout, ParseStep, SparseBytes, parse, tag};

/// Bytes of the first request: header, directories and block tables of a COG of 10980² pixels.
const HEADER_BYTES: u64 = 64 << 10;
/// Least bytes of each further request.
pub(super) const STEP_BYTES: u64 = 32 << 10;
/// Most further requests: a chain of directories scattered over the file needs one each.
pub(super) const STEPS_MAX: usize = 1024;
/// The ghost area of a COG stands within this many bytes.
const GHOST_SEARCH_BYTES: usize = 512;
/// GeoKey that tells whether pixels are areas (1) or points (2).
const RASTER_TYPE_KEY: u16 = 1025;

impl GeoTiff {
    /// Opens the raster behind `asset`: one request for a COG, a few for other layouts.
    ///
    /// # Errors
    /// Not found, denied, upstream; [`IoError::Raster`] names what is damaged or not supported.
    pub async fn open(asset: AssetRef) -> Result<Self, IoError> {
        let first = asset.read(0..HEADER_BYTES, None).await?;
        if jp2::is_jpeg2000(&first.bytes) {
            return Self::open_jpeg2000(asset, first).await;
        }
        let file_len = first.object_len;
        let etag = first.etag.clone();
        let mut bytes = SparseBytes::default();
        let start = first.bytes.clone();
        bytes.insert(0, first.bytes);
        let wrong = |reason: String| IoError::Raster {
            href: asset.href().to_owned(),
            reason,
        };
        for _ in 0..STEPS_MAX {
            match parse(&bytes, file_len).map_err(wrong)? {
                ParseStep::Done(header, directories) => {
                    let mut raster =
                        assemble(&asset, file_len, &directories, &start).map_err(wrong)?;
                    raster.etag = etag;
                    if header.is_big_tiff {
                        raster.format = RasterFormat::BigTiff;
                    }
                    return Ok(raster);
                }
                ParseStep::Missing(range) => {
                    let end = range.end.max(range.start + STEP_BYTES).min(file_len);
                    let part = asset.read(range.start..end, etag.as_deref()).await?;
                    if (part.bytes.len() as u64) < range.end - range.start {
                        return Err(wrong(format!(
                            "the file ends at byte {file_len}, inside a directory: it is truncated"
                        )));
                    }
                    bytes.insert(range.start, part.bytes);
                }
            }
        }
        Err(wrong(format!(
            "its directories are scattered over more than {STEPS_MAX} places"
        )))
    }
}

fn assemble(
    asset: &AssetRef,
    file_len: u64,
    directories: &[Directory],
    start: &[u8],
) -> Result<GeoTiff, String> {
    let layouts = directories
        .iter()
        .map(|directory| ImageLayout::from_directory(directory, file_len))
        .collect::<Vec<_>>();
    let main_index = layouts
        .iter()
        .position(|layout| {
            layout
                .as_ref()
                .map_or(true, |image| !image.is_reduced && !image.is_mask)
        })
        .unwrap_or(0);
    let main_directory = &directories[main_index];
    let main = layouts[main_index].clone()?;
    let metadata_text = main_directory.text(tag::GDAL_METADATA).unwrap_or_default();
    let metadata = GdalMetadata::parse(&metadata_text, main.bands).unwrap_or_else(|reason| {
        tracing::warn!(href = asset.href(), reason, "metadata left out");
        GdalMetadata::parse("", main.bands).unwrap_or_default()
    });
    let nodata = main_directory
        .text(tag::GDAL_NODATA)
        .map(|text| text.trim().trim_end_matches('\0').to_owned());
    // A nodata value that the samples cannot hold masks nothing: it is none.
    let nodata = nodata.filter(|text| swath_raster::can_hold(main.data_type, text));
    let bands = band_infos(&main, &metadata, nodata);
    let place = tiff_georeference(main_directory)?;
    let summaries = summaries(&layouts);
    let ghost = ghost_text(start);
    let cog = verdict(&summaries, file_len, ghost.as_deref());
    let other_pages = layouts
        .iter()
        .enumerate()
        .filter(|(index, layout)| {
            *index != main_index
                && layout
                    .as_ref()
                    .map_or(true, |image| !image.is_reduced && !image.is_mask)
        })
        .count();
    Ok(GeoTiff {
        asset: asset.clone(),
        file_len,
        etag: None,
        format: RasterFormat::GeoTiff,
        crs: place.crs,
        transform: place.transform,
        control_points: place.control_points,
        bands,
        levels: levels(main, layouts.into_iter().flatten().collect()),
        items: metadata.items,
        datetime_tag: main_directory.text(tag::DATE_TIME),
        is_point: place.is_point,
        other_pages,
        cog,
    })
}

/// Returns CRS and grid of one directory.
pub(crate) fn tiff_georeference(directory: &Directory) -> Result<Georeference, String> {
    let keys = geo_keys(directory)?;
    let is_point = matches!(keys.keys.get(&RASTER_TYPE_KEY), Some(GeoKeyValue::Short(2)));
    let crs =
        Crs::from_geokeys(&keys).map_err(|error| format!("its CRS cannot be read: {error}"))?;
    let (transform, control_points) = transform(directory, is_point)?;
    Ok(Georeference {
        crs,
        transform,
        is_point,
        control_points,
    })
}

/// Returns the text that GDAL writes behind the header of a COG.
fn ghost_text(start: &[u8]) -> Option<String> {
    let mark = b"GDAL_STRUCTURAL_METADATA_SIZE=";
    let begin = start.iter().take(GHOST_SEARCH_BYTES).collect::<Vec<_>>();
    let at = begin
        .windows(mark.len())
        .position(|window| window.iter().copied().eq(mark))?;
    let end = (at + GHOST_SEARCH_BYTES).min(start.len());
    Some(String::from_utf8_lossy(&start[at..end]).into_owned())
}

fn summaries(layouts: &[Result<ImageLayout, String>]) -> Vec<IfdSummary> {
    let summary = |image: &ImageLayout| IfdSummary {
        offset: image.directory_offset,
        width: image.size.width,
        height: image.size.height,
        samples: image.bands.try_into().unwrap_or(u16::MAX),
        block_width: image.block.width,
        is_overview: image.is_reduced,
        is_mask: image.is_mask,
        first_block_offset: image.offsets.iter().copied().find(|offset| *offset != 0),
    };
    layouts.iter().flatten().map(summary).collect()
}

fn band_infos(
    main: &ImageLayout,
    metadata: &GdalMetadata,
    nodata: Option<String>,
) -> Vec<BandInfo> {
    // The two bands of a complex sample share what is said of it.
    let per_sample = if main.is_complex { 2 } else { 1 };
    let samples = main.bands / per_sample;
    let first_extra = samples.saturating_sub(main.extra_samples.len());
    (0..main.bands)
        .map(|index| {
            let sample = index / per_sample;
            let own = &metadata.bands[sample];
            let extra = sample
                .checked_sub(first_extra)
                .and_then(|extra| main.extra_samples.get(extra));
            let is_alpha_tagged = matches!(extra, Some(1 | 2));
            let is_alpha_named = own
                .color_interpretation
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case("alpha"));
            BandInfo {
                name: if main.is_complex {
                    part_name(own.description.as_deref(), index, samples)
                } else {
                    own.description
                        .clone()
                        .unwrap_or_else(|| format!("band_{}", index + 1))
                },
                is_named: own.description.is_some() || main.is_complex,
                data_type: main.data_type,
                nodata: nodata.clone(),
                scale: own.scale,
                offset: own.offset,
                unit: own.unit.clone(),
                is_alpha: is_alpha_tagged || is_alpha_named,
                metadata: own.items.clone(),
            }
        })
        .collect()
}

/// Returns the name of the real (even `index`) or imaginary part of a complex sample.
fn part_name(description: Option<&str>, index: usize, samples: usize) -> String {
    let part = if index.is_multiple_of(2) { "re" } else { "im" };
    match description {
        Some(name) => format!("{name}_{part}"),
        None if samples == 1 => part.to_owned(),
        None => format!("band_{}_{part}", index / 2 + 1),
    }
}

fn geo_keys(directory: &Directory) -> Result<GeoKeys, String> {
    let to_short = |value: u64| u16::try_from(value).unwrap_or(u16::MAX);
    let keys: Vec<u16> = directory
        .uints(tag::GEO_KEY_DIRECTORY)
        .unwrap_or_default()
        .into_iter()
        .map(to_short)
        .collect();
    let doubles = directory
        .doubles(tag::GEO_DOUBLE_PARAMS)
        .unwrap_or_default();
    let text = directory.text(tag::GEO_ASCII_PARAMS).unwrap_or_default();
    GeoKeys::parse(&keys, &doubles, &text)
        .map_err(|error| format!("its GeoKeys cannot be read: {error}"))
}

/// Returns the transform, or the control points that stand in its place.
fn transform(
    directory: &Directory,
    is_point: bool,
) -> Result<(Option<Transform>, Vec<ControlPoint>), String> {
    let wrong = |what: &str| format!("its {what} does not make an invertible transform");
    let found = if let Some(matrix) = directory
        .doubles(tag::MODEL_TRANSFORMATION)
        .filter(|m| m.len() >= 8)
    {
        let coefficients = [
            matrix[3], matrix[0], matrix[1], matrix[7], matrix[4], matrix[5],
        ];
        Some(Transform::from_gdal(coefficients).ok_or_else(|| wrong("ModelTransformation"))?)
    } else {
        let ties = directory
            .doubles(tag::MODEL_TIEPOINT)
            .filter(|ties| ties.len() >= 6);
        let scale = directory
            .doubles(tag::MODEL_PIXEL_SCALE)
            .filter(|scale| scale.len() >= 2);
        match (ties, scale) {
            (Some(ties), Some(scale)) => {
                let x0 = ties[3] - ties[0] * scale[0];
                let y0 = ties[4] + ties[1] * scale[1];
                let made = Transform::from_gdal([x0, scale[0], 0.0, y0, 0.0, -scale[1]]);
                Some(made.ok_or_else(|| wrong("ModelPixelScale and ModelTiepoint"))?)
            }
            (Some(ties), None) => return Ok((None, control_points(&ties, is_point))),
            _ => None,
        }
    };
    // With PixelIsPoint the tie names the centre of the upper-left pixel: its corner is half a pixel away.
    let half = swath_grid::Point { x: -0.5, y: -0.5 };
    Ok((
        found.map(|transform| {
            if is_point {
                transform.shifted(half)
            } else {
                transform
            }
        }),
        Vec::new(),
    ))
}

/// Reads tie points: column, row, level, x, y, z each.
fn control_points(ties: &[f64], is_point: bool) -> Vec<ControlPoint> {
    // With PixelIsPoint whole numbers name the centres of pixels.
    let shift = if is_point { 0.5 } else { 0.0 };
    let point = |tie: &[f64]| ControlPoint {
        col: tie[0] + shift,
        row: tie[1] + shift,
        x: tie[3],
        y: tie[4],
        z: tie[5],
    };
    ties.chunks_exact(6).map(point).collect()
}

fn levels(main: ImageLayout, others: Vec<ImageLayout>) -> Vec<Level> {
    let main_offset = main.directory_offset;
    let mut overviews: Vec<ImageLayout> = others
        .iter()
        .filter(|image| {
            image.is_reduced
                && !image.is_mask
                && image.bands == main.bands
                && image.data_type == main.data_type
                && image.directory_offset != main_offset
        })
        .cloned()
        .collect();
    overviews.sort_by_key(|image| std::cmp::Reverse(image.size.width));
    let mask_of = |image: &ImageLayout| {
        others
            .iter()
            .find(|mask| mask.is_mask && mask.size == image.size)
            .cloned()
    };
    std::iter::once(main)
        .chain(overviews)
        .map(|image| Level {
            mask: mask_of(&image),
            image,
        })
        .collect()
}
