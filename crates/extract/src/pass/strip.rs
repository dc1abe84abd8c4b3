//! Slices of one pass read as one image.

use std::sync::Arc;

use swath_grid::GeoBox;

use super::lattice::union;
use super::measure::OpenSlice;
use crate::ExtractError;
use crate::conversion::Conversion;
use crate::extractor::Extractor;
use crate::measure::{
    BandRef, BandResults, Member, check_masks, check_one_layout, holds_all, inputs_alone,
    is_same_layout, measured_places, position_of,
};
use crate::pixel_index::IndexRef;
use crate::scan::{BandPlan, Scan, scan};
use crate::scan_result::{HandOver, TakeResults};
use crate::selection::Selection;
use crate::slices::{ScanSlice, ScanSource};
use crate::units::BlockLayout;

/// Side of the blocks in which the common grid is worked on.
const BLOCK_PX: u32 = 512;

/// A band of a unit.
pub(super) struct StripBand {
    /// Its name in the rows.
    pub(super) name: String,
    /// Its place among the bands of each slice; `None` where the slice lacks it.
    pub(super) places: Vec<Option<usize>>,
}

impl StripBand {
    /// Returns the band in the first slice that has it.
    pub(super) fn reference<'a>(&self, slices: &'a [OpenSlice]) -> &'a BandRef {
        let mut own = self.of(slices);
        own.next().expect("a band comes from a slice that has it").1
    }

    /// Returns the band in each slice that has it, with the number of the slice.
    fn of<'a>(&self, slices: &'a [OpenSlice]) -> impl Iterator<Item = (usize, &'a BandRef)> {
        let places = self.places.iter().zip(slices).enumerate();
        places.filter_map(|(slice, (place, open))| Some((slice, &open.bands[(*place)?])))
    }
}

/// Returns the bands of all slices, and lets values of each mean the same in all of them.
///
/// # Errors
/// A band that holds classes of different types.
pub(super) fn common_bands(slices: &mut [OpenSlice]) -> Result<Vec<StripBand>, ExtractError> {
    let mut bands: Vec<StripBand> = Vec::new();
    for (index, slice) in slices.iter().enumerate() {
        for (place, band) in slice.bands.iter().enumerate() {
            let known = bands.iter().position(|own| own.name == band.name);
            let known = known.unwrap_or_else(|| {
                bands.push(StripBand {
                    name: band.name.clone(),
                    places: vec![None; slices.len()],
                });
                bands.len() - 1
            });
            bands[known].places[index] = Some(place);
        }
    }
    for band in &bands {
        let own: Vec<(usize, &BandRef)> = band.of(slices).collect();
        let first = own[0].1;
        let is_same = |band: &BandRef| {
            band.converted() == first.converted() && band.stored_type() == first.stored_type()
        };
        let Some((other, _)) = own.iter().find(|(_, band)| !is_same(band)) else {
            continue;
        };
        if first.is_class {
            return Err(ExtractError::Items {
                href: slices[*other].id.clone(),
                reason: format!(
                    "its classes {} are of another type than those of {}, a slice of the same pass",
                    band.name, slices[own[0].0].id
                ),
            });
        }
        let all = |wanted| own.iter().all(|(_, band)| band.conversion == wanted);
        if all(Conversion::Power) {
            // Linear power is the same unit whatever the scale of the decibels.
            continue;
        }
        if !all(Conversion::Stored) {
            return Err(ExtractError::Items {
                href: slices[*other].id.clone(),
                reason: format!(
                    "band {} is in decibel in one slice of its pass and not in another: give both their unit",
                    band.name
                ),
            });
        }
        let numbers: Vec<usize> = own.iter().map(|(slice, _)| *slice).collect();
        for slice in numbers {
            let place = band.places[slice].expect("slices of the band were asked for");
            slices[slice].bands[place].conversion = Conversion::Physical;
        }
    }
    Ok(bands)
}

/// Bands that one scan reads: in every slice of one grid and one block layout.
struct StripGroup<'a> {
    members: Vec<Member>,
    bands: Vec<&'a StripBand>,
    /// Positions of the indexes over them.
    indexes: Vec<usize>,
}

/// What a unit measures of its slices.
pub(super) struct StripWanted<'a> {
    pub(super) bands: &'a [StripBand],
    /// Over the bands of the unit.
    pub(super) indexes: &'a [IndexRef],
}

/// Measures parcels over all slices; results are in the order of the bands, then of the indexes, without
/// what `taker` took on the way.
///
/// # Errors
/// Slices whose pixels do not fall on each other; blocks that cannot be read.
pub(super) async fn scan_strip(
    extractor: &Extractor,
    slices: &[OpenSlice],
    wanted: &StripWanted<'_>,
    parcels: &Arc<Selection>,
    taker: &mut dyn TakeResults,
) -> Result<BandResults, ExtractError> {
    let bands = wanted.bands.len();
    let mut results = BandResults::new(bands + wanted.indexes.len());
    for group in groups(slices, wanted, extractor.bands_max())? {
        let (plan, href) = plan(extractor, slices, wanted, &group)?;
        let geobox = plan.geobox.clone();
        let table = extractor
            .table_on(geobox, &href, Some(parcels.clone()))
            .await?;
        let of_indexes = group.indexes.iter().map(|index| bands + index);
        let places: Vec<usize> = measured_places(&group.members).chain(of_indexes).collect();
        let hand_over = HandOver {
            places: &places,
            taker: &mut *taker,
        };
        results.put(scan(&plan, &table, Some(hand_over)).await?, &places);
    }
    Ok(results)
}

fn groups<'a>(
    slices: &[OpenSlice],
    wanted: &StripWanted<'a>,
    bands_max: usize,
) -> Result<Vec<StripGroup<'a>>, ExtractError> {
    let mut groups: Vec<StripGroup> = Vec::new();
    for (place, band) in wanted.bands.iter().enumerate() {
        let member = Member {
            place,
            is_measured: band.reference(slices).is_measured,
        };
        let is_same = |other: &StripBand| {
            let pairs = band.places.iter().zip(&other.places).zip(slices);
            pairs
                .into_iter()
                .all(|((own, other), slice)| match (own, other) {
                    (Some(own), Some(other)) => {
                        is_same_layout(&slice.bands[*own].raster, &slice.bands[*other].raster)
                    }
                    (None, None) => true,
                    _ => false,
                })
        };
        let fits =
            |group: &&mut StripGroup| group.members.len() < bands_max && is_same(group.bands[0]);
        match groups.iter_mut().find(fits) {
            Some(group) => {
                group.members.push(member);
                group.bands.push(band);
            }
            None => groups.push(StripGroup {
                members: vec![member],
                bands: vec![band],
                indexes: Vec::new(),
            }),
        }
    }
    for (number, index) in wanted.indexes.iter().enumerate() {
        let references = wanted
            .bands
            .iter()
            .map(|band| band.reference(slices).clone());
        let references: Vec<BandRef> = references.collect();
        check_one_layout(index, &references)?;
        match groups
            .iter_mut()
            .find(|group| holds_all(&group.members, index))
        {
            Some(group) => group.indexes.push(number),
            None => groups.push(StripGroup {
                members: inputs_alone(index),
                bands: index
                    .inputs
                    .iter()
                    .map(|input| &wanted.bands[*input])
                    .collect(),
                indexes: vec![number],
            }),
        }
    }
    groups.retain(|group| !group.indexes.is_empty() || measured_places(&group.members).count() > 0);
    Ok(groups)
}

/// Plans the scan of a group; returns it with a raster that stands for all in messages.
fn plan(
    extractor: &Extractor,
    slices: &[OpenSlice],
    wanted: &StripWanted<'_>,
    group: &StripGroup<'_>,
) -> Result<(Scan, String), ExtractError> {
    let first = group.bands[0];
    let members: Vec<(usize, &BandRef)> = first.of(slices).collect();
    let grids = members
        .iter()
        .map(|(_, band)| Extractor::geobox(&band.raster));
    let grids = grids.collect::<Result<Vec<GeoBox>, _>>()?;
    let href = members[0].1.raster.href().to_owned();
    let common = union(grids.iter()).ok_or_else(|| ExtractError::Grid {
        href: href.clone(),
        reason: format!(
            "the pixels of band {} do not fall on those of the other slices of its pass: warp them to one lattice",
            first.name
        ),
    })?;
    let mut scan_slices = Vec::with_capacity(members.len());
    for (((slice, band), geobox), window) in members.iter().zip(grids).zip(&common.windows) {
        let open = &slices[*slice];
        check_masks(&open.masks, &band.raster, &geobox)?;
        scan_slices.push(ScanSlice {
            geobox,
            window: *window,
            sources: sources(open, *slice, group).into(),
            masks: open.masks.clone(),
        });
    }
    let bands = group.bands.iter().zip(&group.members);
    let bands = bands.map(|(band, member)| BandPlan {
        is_measured: member.is_measured,
        ..band.reference(slices).plan(false)
    });
    let indexes = group.indexes.iter().map(|index| {
        let converted = |place: usize| wanted.bands[place].reference(slices).converted();
        wanted.indexes[*index].over(|place| (position_of(&group.members, place), converted(place)))
    });
    let plan = Scan {
        layout: BlockLayout::square(common.geobox.size(), BLOCK_PX),
        geobox: common.geobox,
        slices: scan_slices.into(),
        bands: bands.collect(),
        indexes: indexes.collect(),
        parcels: extractor.parcels.len(),
        selection: None,
        rule: extractor.options.rule,
        threads: extractor.options.threads,
        memory_bytes_max: extractor.options.memory_bytes_max,
        meter: extractor.meter().clone(),
        large_work: extractor.large_work().clone(),
    };
    Ok((plan, href))
}

/// Returns what a group reads of one slice, raster by raster.
fn sources(open: &OpenSlice, slice: usize, group: &StripGroup) -> Vec<ScanSource> {
    let of_slice = group.bands.iter().enumerate();
    let of_slice: Vec<(usize, &BandRef)> = of_slice
        .filter_map(|(place, band)| Some((place, &open.bands[band.places[slice]?])))
        .collect();
    let mut rasters: Vec<&BandRef> = Vec::new();
    for (_, band) in &of_slice {
        if !rasters
            .iter()
            .any(|own| Arc::ptr_eq(&own.raster, &band.raster))
        {
            rasters.push(band);
        }
    }
    let of_raster = |first: &&BandRef| {
        let own = of_slice.iter();
        let own: Vec<&(usize, &BandRef)> = own
            .filter(|(_, band)| Arc::ptr_eq(&band.raster, &first.raster))
            .collect();
        ScanSource {
            raster: first.raster.clone(),
            bands: own.iter().map(|(_, band)| band.band).collect(),
            places: own.iter().map(|(place, _)| *place).collect(),
            conversions: own.iter().map(|(_, band)| band.converted()).collect(),
        }
    };
    rasters.iter().map(of_raster).collect()
}
