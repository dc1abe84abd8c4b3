//! Measuring a unit of work.
//!
//! 1. The rasters of its slices are opened, and their bands made comparable.
//! 2. The parcels that the unit owns are found, and in which slices they lie.
//! 3. Parcels of one slice are measured on its own grid and blocks; those of several on the common grid.
//! 4. Rows are handed over as they come, then those of parcels without a pixel.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use swath_grid::GeoBox;

use super::collection::Average;
use super::ground::UnitGround;
use super::item::{PassItem, UnitSources};
use super::rows::{Part, RowColumns, RowTaker, TakeRows, UnitTotal, remaining_rows};
use super::strip::{StripBand, StripWanted, common_bands, scan_strip};
use super::unit::WorkUnit;
use crate::ExtractError;
use crate::bands::{BandChoice, open_bands};
use crate::class_mask::ClassMask;
use crate::conversion::Conversion;
use crate::extractor::Extractor;
use crate::items::ItemAsset;
use crate::measure::{BandRef, ScanScope};
use crate::pixel_index::{IndexRef, PixelIndex};
use crate::stages::Stage;

/// What to measure of every unit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnitOptions {
    /// Bands by name; empty = all. Of rasters with one band name the finest counts.
    pub bands: Vec<String>,
    /// Indexes computed per pixel and measured like bands, of bands of one grid; their inputs need not be
    /// among `bands`.
    pub indexes: Vec<PixelIndex>,
    /// Bands of classes, counted one by one and not averaged. Masks do not hold for them.
    pub classes: Vec<String>,
    /// Classes that the item's own scene classification drops; `None`: no mask.
    pub mask_scl: Option<Vec<f64>>,
    /// Metres by which dropped classes grow, between pixel centres. Default 0.
    pub mask_dilation_m: f64,
    /// True: stored values, scale and offset are left out.
    pub is_unscaled: bool,
    /// How values in decibel are averaged: what the collection says.
    pub average: Average,
}

impl UnitOptions {
    /// Returns the bands that the indexes are made of, as far as their formulas are any.
    pub fn inputs(&self) -> Vec<String> {
        let parsed = self
            .indexes
            .iter()
            .flat_map(|index| index.expression().ok());
        parsed.flat_map(|own| own.bands().to_vec()).collect()
    }
}

/// A slice with its rasters open.
pub(super) struct OpenSlice {
    pub(super) id: String,
    pub(super) bands: Vec<BandRef>,
    /// Over these bands.
    pub(super) indexes: Vec<IndexRef>,
    pub(super) masks: Arc<[ClassMask]>,
    grid: GeoBox,
}

/// Measures a unit over the parcels that it owns.
///
/// A parcel that lies in one slice has the values of that slice; one that lies in several has those of
/// all pixels, each place once, the first slice with a valid pixel first. A row is there for every
/// owned parcel that shares an area with the unit's grids, with count 0 where nothing is valid.
///
/// `take` gets the rows while the unit is measured, each once, as many at a time as are about to be held, so that memory does not
/// grow with the number of parcels. They come in no order beyond that of [`UnitRows`].
///
/// # Errors
/// [`ExtractError::is_own_fault`] tells errors of the unit alone (an asset that vanished, changed or
/// is damaged) from those that stop the others too.
pub async fn measure_unit(
    extractor: &Extractor,
    sources: UnitSources<'_>,
    unit: &WorkUnit,
    options: &UnitOptions,
    take: &mut TakeRows<'_>,
) -> Result<UnitTotal, ExtractError> {
    let slices = unit
        .items
        .iter()
        .map(|item| open_slice(item, sources, options));
    let opening = futures::future::try_join_all(slices);
    let mut slices = extractor.meter().watch(Stage::Fetch, opening).await?;
    let bands = common_bands(&mut slices)?;
    let ground = UnitGround {
        name: unit.part().to_owned(),
        grids: slices.iter().map(|slice| slice.grid.clone()).collect(),
        neighbours: unit.neighbours.clone(),
    };
    let parcels = extractor.unit_parcels(ground).await?;
    let names = bands.iter().map(|band| band.name.clone());
    let indexes = options.indexes.iter().map(|index| index.name.clone());
    let names: Vec<String> = names.chain(indexes).collect();
    let mut parts = Vec::new();
    for (index, slice) in slices.iter().enumerate() {
        let selection = &parcels.by_slice[index];
        if selection.len() == 0 {
            continue;
        }
        let scope = ScanScope {
            near: parcels.near.clone(),
            selection: Some(selection.clone()),
            masks: slice.masks.clone(),
            masks_classes: false,
        };
        let of_slice = |band: &StripBand| band.places[index].map(|own| (own, &slice.bands[own]));
        let columns = RowColumns {
            bands: bands.iter().map(of_slice).collect(),
            first_index: slice.bands.len(),
            names: &names,
            rule: extractor.options.rule,
        };
        let mut taker = RowTaker::new(&columns, extractor.meter(), take);
        let (own_bands, own_indexes) = (&slice.bands, &slice.indexes);
        let scanning = extractor.scan_bands(own_bands, own_indexes, &scope, Some(&mut taker));
        parts.push(Part {
            selection,
            results: scanning.await?,
            columns,
        });
    }
    if parcels.several.len() > 0 {
        let references = bands.iter().map(|band| band.reference(&slices).clone());
        let references: Vec<BandRef> = references.collect();
        let indexes = IndexRef::find(&options.indexes, &references, &unit.key)?;
        let wanted = StripWanted {
            bands: &bands,
            indexes: &indexes,
        };
        let of_strip = |(index, band): (usize, &StripBand)| Some((index, band.reference(&slices)));
        let columns = RowColumns {
            bands: bands.iter().enumerate().map(of_strip).collect(),
            first_index: bands.len(),
            names: &names,
            rule: extractor.options.rule,
        };
        let mut taker = RowTaker::new(&columns, extractor.meter(), take);
        let results = scan_strip(extractor, &slices, &wanted, &parcels.several, &mut taker).await?;
        parts.push(Part {
            selection: &parcels.several,
            results,
            columns,
        });
    }
    remaining_rows(&parcels, &names, &parts, extractor.meter(), take)
}

async fn open_slice(
    item: &PassItem,
    sources: UnitSources<'_>,
    options: &UnitOptions,
) -> Result<OpenSlice, ExtractError> {
    let choice = BandChoice {
        bands: options.bands.clone(),
        inputs: options.inputs(),
        classes: options.classes.clone(),
        mask_scl: options.mask_scl.clone(),
        mask_dilation_m: options.mask_dilation_m,
        is_unscaled: options.is_unscaled,
    };
    let assets = item.assets.iter().map(|asset| {
        Ok(ItemAsset {
            key: asset.key.clone(),
            asset: sources.resolve(&asset.href)?,
            bands: asset.bands.clone(),
        })
    });
    let assets = assets.collect::<Result<Vec<ItemAsset>, ExtractError>>()?;
    let found = open_bands(&item.id, &assets, None, &choice).await?;
    check_unchanged(item, &assets, &found.bands)?;
    let mut bands = Vec::new();
    for (mut band, said) in found.bands.into_iter().zip(found.units) {
        let unit = said.or_else(|| band.raster.bands()[band.band].unit.clone());
        let is_decibel = unit.is_some_and(|unit| is_decibel(&unit));
        let is_value = !band.is_class && !options.is_unscaled;
        if is_decibel && is_value && options.average == Average::Linear {
            band.conversion = Conversion::Power;
        }
        bands.push(band);
    }
    let bands = finest(bands);
    let indexes = IndexRef::find(&options.indexes, &bands, &item.id)?;
    let grid = match &item.grid {
        Some(grid) => grid.clone(),
        None => Extractor::geobox(&bands[0].raster)?,
    };
    Ok(OpenSlice {
        id: item.id.clone(),
        bands,
        indexes,
        masks: found.masks,
        grid,
    })
}

fn is_decibel(unit: &str) -> bool {
    let unit = unit.trim();
    unit.eq_ignore_ascii_case("dB") || unit.eq_ignore_ascii_case("decibel")
}

/// Leaves the finest of the bands of each name, in the order of first appearance.
fn finest(bands: Vec<BandRef>) -> Vec<BandRef> {
    let pixels = |band: &BandRef| {
        let size = band.raster.size();
        u64::from(size.width) * u64::from(size.height)
    };
    let mut kept: Vec<BandRef> = Vec::new();
    for band in bands {
        match kept.iter_mut().find(|own| own.name == band.name) {
            Some(own) if pixels(&band) > pixels(own) => *own = band,
            Some(_) => {}
            None => kept.push(band),
        }
    }
    kept
}

/// Refuses rasters that are not what the item says, or what they were when the work was planned.
fn check_unchanged(
    item: &PassItem,
    assets: &[ItemAsset],
    bands: &[BandRef],
) -> Result<(), ExtractError> {
    for band in bands {
        let raster = &band.raster;
        let planned = assets.iter().zip(&item.assets);
        let mut of_raster = planned.filter(|(asset, _)| asset.asset.href() == raster.href());
        let Some((_, planned)) = of_raster.next() else {
            continue;
        };
        let wrong = |reason: String| ExtractError::Items {
            href: raster.href().to_owned(),
            reason,
        };
        if let (Some(then), Some(now)) = (planned.etag.as_deref(), raster.etag())
            && then != now
        {
            let reason = "it changed since the work was planned: plan again, it is taken then";
            return Err(wrong(reason.to_owned()));
        }
        if let Some(size_bytes) = planned.size_bytes.filter(|size| *size != raster.file_len()) {
            return Err(wrong(format!(
                "it has {} bytes and its item {} says {size_bytes}: it changed, register the item anew",
                raster.file_len(),
                item.id
            )));
        }
    }
    Ok(())
}
