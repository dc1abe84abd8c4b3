//! Which bands of an item are measured, under which names, and what masks them.

use std::sync::Arc;

use swath_io::GeoTiff;

use crate::ExtractError;
use crate::class_mask::ClassMask;
use crate::conversion::Conversion;
use crate::items::ItemAsset;
use crate::measure::BandRef;
use crate::zonal::{MaskRequest, mask_list};

/// What is asked of every item.
#[derive(Debug, Clone, Default)]
pub(crate) struct BandChoice {
    /// Bands by name; empty = all.
    pub(crate) bands: Vec<String>,
    /// Bands that are read for indexes, by name; they need not be among the former.
    pub(crate) inputs: Vec<String>,
    /// Bands of classes.
    pub(crate) classes: Vec<String>,
    /// Classes that the item's own scene classification drops; `None`: no mask.
    pub(crate) mask_scl: Option<Vec<f64>>,
    /// Metres by which they grow.
    pub(crate) mask_dilation_m: f64,
    /// True: stored values, scale and offset are left out.
    pub(crate) is_unscaled: bool,
}

/// Bands of an item and what masks them.
#[derive(Debug)]
pub(crate) struct ItemBands {
    pub(crate) bands: Vec<BandRef>,
    /// Unit of each band, as the item says it.
    pub(crate) units: Vec<Option<String>>,
    pub(crate) masks: Arc<[ClassMask]>,
}

/// Opens the rasters of an item as far as they are asked for.
///
/// `opened` is the raster of an item that is one by itself, where it is open already.
///
/// # Errors
/// Rasters that cannot be read; an item without any of the bands, or without the mask asked for.
pub(crate) async fn open_bands(
    id: &str,
    assets: &[ItemAsset],
    opened: Option<&Arc<GeoTiff>>,
    choice: &BandChoice,
) -> Result<ItemBands, ExtractError> {
    let found = find_bands(assets, opened, choice).await?;
    let FoundBands {
        bands,
        units,
        classification,
    } = found;
    let wrong = |reason: &str| ExtractError::Items {
        href: id.to_owned(),
        reason: reason.to_owned(),
    };
    if bands.is_empty() {
        return Err(wrong("it has none of the bands asked for"));
    }
    let masks = match (&choice.mask_scl, classification) {
        (None, _) => Arc::from([]),
        (Some(_), None) => {
            return Err(wrong(
                "it has no scene classification (a band or asset named SCL) to mask with",
            ));
        }
        (Some(dropped), Some((raster, band))) => {
            let request = MaskRequest {
                raster,
                band,
                dropped: dropped.clone(),
            };
            mask_list(&bands[0].raster, &[request], choice.mask_dilation_m)?
        }
    };
    Ok(ItemBands {
        bands,
        units,
        masks,
    })
}

/// Opens the rasters of an item as far as they are asked for, and takes their bands.
pub(crate) async fn find_bands(
    assets: &[ItemAsset],
    opened: Option<&Arc<GeoTiff>>,
    choice: &BandChoice,
) -> Result<FoundBands, ExtractError> {
    let mut found = FoundBands::default();
    for asset in assets {
        if !is_wanted(asset, choice) {
            continue;
        }
        let raster = match opened {
            Some(raster) => raster.clone(),
            None => Arc::new(
                GeoTiff::open(asset.asset.clone())
                    .await?
                    .with_item_nodata(&nodata_of(asset)),
            ),
        };
        found.take(asset, &raster, choice)?;
    }
    Ok(found)
}

/// What was found in the rasters of an item so far.
#[derive(Default)]
pub(crate) struct FoundBands {
    pub(crate) bands: Vec<BandRef>,
    units: Vec<Option<String>>,
    /// The finest scene classification.
    pub(crate) classification: Option<(Arc<GeoTiff>, usize)>,
}

impl FoundBands {
    /// Takes the bands of a raster that are asked for.
    fn take(
        &mut self,
        asset: &ItemAsset,
        raster: &Arc<GeoTiff>,
        choice: &BandChoice,
    ) -> Result<(), ExtractError> {
        let visible = raster.bands().iter().enumerate();
        for (position, info) in visible.filter(|(_, info)| !info.is_alpha) {
            let said = asset.bands.get(position);
            let name = band_name(asset, said, info, raster.bands().len());
            let other = self.classification.as_ref();
            let is_finest = other.is_none_or(|(other, _)| pixels(raster) > pixels(other));
            if name.eq_ignore_ascii_case("SCL") && is_finest {
                self.classification = Some((raster.clone(), position));
            }
            let common = said.and_then(|band| band.common_name.as_deref());
            let is_named =
                |names: &[String]| names.iter().any(|own| *own == name || common == Some(own));
            let is_class = is_named(&choice.classes);
            let is_measured = choice.bands.is_empty() || is_named(&choice.bands) || is_class;
            if !is_measured && !choice.inputs.contains(&name) {
                continue;
            }
            let (scale, offset) = scale_of(raster, position, said, choice.is_unscaled || is_class)?;
            self.units.push(said.and_then(|band| band.unit.clone()));
            self.bands.push(BandRef {
                raster: raster.clone(),
                band: position,
                name,
                scale,
                offset,
                is_class,
                is_measured,
                conversion: Conversion::Stored,
            });
        }
        Ok(())
    }
}

fn pixels(raster: &GeoTiff) -> u64 {
    u64::from(raster.size().width) * u64::from(raster.size().height)
}

/// False for an asset that the item itself says holds no band asked for: it need not be opened.
fn is_wanted(asset: &ItemAsset, choice: &BandChoice) -> bool {
    let wanted = choice.bands.iter().chain(&choice.classes);
    let wanted: Vec<&String> = wanted.chain(&choice.inputs).collect();
    let scl = choice.mask_scl.is_some();
    if choice.bands.is_empty() || asset.key.is_empty() {
        return true;
    }
    let names = |name: &str| {
        wanted.iter().any(|own| *own == name) || (scl && name.eq_ignore_ascii_case("SCL"))
    };
    names(&asset.key)
        || asset.bands.iter().any(|band| {
            band.name.as_deref().is_some_and(names)
                || band.common_name.as_deref().is_some_and(names)
        })
        || (asset.bands.len() != 1 && asset.bands.iter().all(|band| band.name.is_none()))
}

fn band_name(
    asset: &ItemAsset,
    said: Option<&swath_stac::AssetBand>,
    info: &swath_io::BandInfo,
    bands: usize,
) -> String {
    if let Some(name) = said.and_then(|band| band.name.clone()) {
        return name;
    }
    if bands == 1 && !asset.key.is_empty() && !info.is_named {
        asset.key.clone()
    } else {
        info.name.clone()
    }
}

fn nodata_of(asset: &ItemAsset) -> Vec<Option<String>> {
    asset.bands.iter().map(|band| band.nodata.clone()).collect()
}

/// Returns scale and offset from tag and item; where both speak they must agree.
fn scale_of(
    raster: &GeoTiff,
    band: usize,
    said: Option<&swath_stac::AssetBand>,
    is_unscaled: bool,
) -> Result<(f64, f64), ExtractError> {
    if is_unscaled {
        return Ok((1.0, 0.0));
    }
    let info = &raster.bands()[band];
    let one = |tag: Option<f64>, item: Option<f64>, neutral: f64, what: &str| match (tag, item) {
        (Some(tag), Some(item)) if (tag - item).abs() > 1e-12 * tag.abs().max(1.0) => {
            Err(ExtractError::Grid {
                href: raster.href().to_owned(),
                reason: format!(
                    "band {} has {what} {tag} in the file and {item} in the item; correct one of them or use --unscaled",
                    info.name
                ),
            })
        }
        (tag, item) => Ok(tag.or(item).unwrap_or(neutral)),
    };
    let said_scale = said.and_then(|band| band.scale);
    let said_offset = said.and_then(|band| band.offset);
    Ok((
        one(info.scale, said_scale, 1.0, "scale")?,
        one(info.offset, said_offset, 0.0, "offset")?,
    ))
}
