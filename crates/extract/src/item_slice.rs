//! An item as a slice of a composite.

use chrono::{DateTime, Utc};
use swath_grid::GeoBox;
use swath_io::{BandInfo, Slice, SliceBand, SliceMask};

use crate::ExtractError;
use crate::bands::{BandChoice, FoundBands, find_bands};
use crate::items::{ItemSource, raster_datetime};
use crate::measure::BandRef;

/// What is asked of every item of a composite.
#[derive(Debug, Clone, Default)]
pub struct SliceOptions {
    /// Bands by name or common name, in the order wanted; empty takes all but the scene classification.
    pub bands: Vec<String>,
    /// Classes of the item's own scene classification that do not count; `None`: no mask.
    pub mask_scl: Option<Vec<f64>>,
    /// Form of the date in raster names, where no tag has it.
    pub date_pattern: Option<String>,
}

/// An opened item.
#[derive(Debug)]
pub struct ItemSlice {
    /// Id of the item.
    pub id: String,
    /// When it was acquired.
    pub datetime: DateTime<Utc>,
    /// Percent of clouds, where the item says it.
    pub cloud_cover: Option<f64>,
    /// Names of its bands.
    pub names: Vec<String>,
    /// Their common names, such as `nir`, where the item says them.
    pub common_names: Vec<Option<String>>,
    bands: Vec<BandRef>,
    mask: Option<SliceMask>,
}

/// Opens the rasters of an item as far as they are asked for.
///
/// # Errors
/// Rasters that cannot be read; an item without a band or the mask asked for, or without a date.
pub async fn open_slice(
    item: &ItemSource,
    options: &SliceOptions,
) -> Result<ItemSlice, ExtractError> {
    let wrong = |reason: String| ExtractError::Items {
        href: item.id.clone(),
        reason,
    };
    let choice = BandChoice {
        bands: options.bands.clone(),
        mask_scl: options.mask_scl.clone(),
        ..BandChoice::default()
    };
    let FoundBands {
        mut bands,
        classification,
        ..
    } = find_bands(&item.assets, None, &choice).await?;
    if options.bands.is_empty() {
        bands.retain(|band| !band.name.eq_ignore_ascii_case("SCL"));
    } else {
        in_order(&mut bands, item, &options.bands).map_err(wrong)?;
    }
    let Some(first) = bands.first() else {
        return Err(wrong("it has no bands of values".to_owned()));
    };
    let datetime = match item.datetime {
        Some(datetime) => datetime,
        None => raster_datetime(&first.raster, &item.id, options.date_pattern.as_deref())
            .map_err(wrong)?,
    };
    let mask = match (&options.mask_scl, classification) {
        (None, _) => None,
        (Some(dropped), Some((raster, band))) => Some(SliceMask {
            raster,
            band,
            dropped: dropped.clone(),
        }),
        (Some(_), None) => {
            let reason = "it has no scene classification (a band or asset named SCL) to mask with";
            return Err(wrong(reason.to_owned()));
        }
    };
    Ok(ItemSlice {
        id: item.id.clone(),
        datetime,
        cloud_cover: item.cloud_cover,
        common_names: bands.iter().map(|band| common_name(band, item)).collect(),
        names: bands.iter().map(|band| band.name.clone()).collect(),
        bands,
        mask,
    })
}

fn common_name(band: &BandRef, item: &ItemSource) -> Option<String> {
    let said = item.assets.iter().flat_map(|asset| &asset.bands);
    said.filter(|own| own.name.as_deref() == Some(&band.name))
        .find_map(|own| own.common_name.clone())
}

/// Brings bands into the order in which they were asked for.
fn in_order(bands: &mut Vec<BandRef>, item: &ItemSource, wanted: &[String]) -> Result<(), String> {
    let mut ordered = Vec::new();
    for name in wanted {
        let is_it =
            |band: &&BandRef| band.name == *name || common_name(band, item).as_ref() == Some(name);
        let band = bands.iter().find(is_it);
        ordered.push(
            band.cloned()
                .ok_or_else(|| format!("it has no band {name}"))?,
        );
    }
    *bands = ordered;
    Ok(())
}

impl ItemSlice {
    /// Returns the grid of the first band.
    ///
    /// # Errors
    /// A raster without CRS or transform.
    pub fn geobox(&self) -> Result<GeoBox, ExtractError> {
        Ok(swath_io::cog::CogSpec::of_raster(&self.bands[0].raster)?.geobox)
    }

    /// Returns what the file says of each band.
    pub fn infos(&self) -> Vec<&BandInfo> {
        self.bands
            .iter()
            .filter_map(|band| band.raster.bands().get(band.band))
            .collect()
    }

    /// Returns factor and summand of each band.
    pub fn scales(&self) -> Vec<[f64; 2]> {
        let scale = |band: &BandRef| [band.scale, band.offset];
        self.bands.iter().map(scale).collect()
    }
}

/// Returns the slices of items, in their order.
pub fn slices_of(items: &[ItemSlice], values: SliceValues) -> Vec<Slice> {
    let band = |band: &BandRef| SliceBand {
        raster: band.raster.clone(),
        band: band.band,
        conversion: (values == SliceValues::Physical).then_some([band.scale, band.offset]),
    };
    items
        .iter()
        .map(|item| Slice {
            bands: item.bands.iter().map(band).collect(),
            mask: item.mask.clone(),
        })
        .collect()
}

/// Which values slices have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceValues {
    /// As stored.
    Stored,
    /// `stored * scale + offset`.
    Physical,
}
