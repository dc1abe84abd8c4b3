//! The parcels of a unit: which it owns, and in which of its slices they lie.

use std::sync::Arc;

use rayon::prelude::*;
use swath_grid::{Bounds, GeoBox};
use xxhash_rust::xxh3::xxh3_64;

use super::owner::{PlacedParcel, Territory};
use super::unit::{Neighbour, grid_text};
use crate::ExtractError;
use crate::extractor::MeasureOptions;
use crate::parcel_shapes::ParcelShapes;
use crate::selection::Selection;
use crate::stages::{Stage, StageMeter};

/// Pixels of the finest grid by which a parcel may miss a slice and still be asked for in it: bands of
/// coarser pixels may reach so much farther.
const SLICE_MARGIN_PX: f64 = 16.0;
/// Parcels that one thread looks at in one go.
const PARCELS_TOGETHER: usize = 1024;

/// What decides the parcels of a unit.
#[derive(Debug, Clone)]
pub(crate) struct UnitGround {
    /// Tile or strip.
    pub(crate) name: String,
    /// Grid of each slice.
    pub(crate) grids: Vec<GeoBox>,
    /// Other units of the pass.
    pub(crate) neighbours: Vec<Neighbour>,
}

impl UnitGround {
    /// Returns what tells grounds apart.
    pub(crate) fn digest(&self) -> u64 {
        let texts = |grids: &[GeoBox]| grids.iter().map(grid_text).collect::<Vec<_>>().join(";");
        let mut text = format!("{} {}", self.name, texts(&self.grids));
        for neighbour in &self.neighbours {
            text += &format!("|{} {}", neighbour.name, texts(&neighbour.grids));
        }
        xxh3_64(text.as_bytes())
    }
}

/// The parcels of a unit.
#[derive(Debug)]
pub(crate) struct UnitParcels {
    parcels: ParcelShapes,
    territory: Territory,
    /// All that may touch its grids, whoever owns them; `None`: every parcel of the set.
    pub(crate) near: Option<Arc<Selection>>,
    /// All that it owns; some of them may lie just off its grids.
    pub(crate) owned: Arc<Selection>,
    /// Of those, the ones that one slice alone may touch, slice by slice.
    pub(crate) by_slice: Vec<Arc<Selection>>,
    /// Of those, the ones that several slices may touch.
    pub(crate) several: Arc<Selection>,
}

/// Where a parcel belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Not to this unit.
    Elsewhere,
    /// To one slice.
    Slice(usize),
    /// To more than one.
    Several,
}

impl UnitParcels {
    /// Finds the parcels of a unit, on all threads.
    ///
    /// # Errors
    /// Where a parcel near the unit cannot be brought to its grid.
    pub(crate) fn find(
        parcels: ParcelShapes,
        options: &MeasureOptions,
        ground: UnitGround,
        meter: &StageMeter,
    ) -> Result<Self, ExtractError> {
        let territory = Territory::new(&ground.name, &ground.grids, &parcels, options)?;
        let rivals = ground.neighbours.iter();
        let rivals: Vec<Territory> = rivals
            .map(|rival| Territory::new(&rival.name, &rival.grids, &parcels, options))
            .collect::<Result<_, _>>()?;
        let slices = ground.grids.len();
        let find = |parcel| {
            let bounds = parcels.bounds(parcel)?;
            match bounds.filter(|bounds| territory.is_near(bounds)) {
                Some(bounds) => {
                    let near = NearParcel { parcel, bounds };
                    Ok(Some(place_of(
                        &territory, &rivals, &parcels, &near, slices,
                    )?))
                }
                None => Ok(None),
            }
        };
        let numbers: Vec<usize> = (0..parcels.len()).collect();
        let find_some = |some: &[usize]| {
            let found = || some.iter().map(|parcel| find(*parcel)).collect();
            meter.measure(Stage::Statistics, found)
        };
        let found = numbers.par_chunks(PARCELS_TOGETHER).map(find_some);
        let found = found.collect::<Result<Vec<Vec<Option<Place>>>, ExtractError>>()?;
        let found = found.concat();
        let near: Vec<bool> = found.iter().map(Option::is_some).collect();
        let near = Selection::from_flags(&near);
        let places: Vec<Place> = found
            .into_iter()
            .map(|place| place.unwrap_or(Place::Elsewhere))
            .collect();
        let select = |is_wanted: &dyn Fn(&Place) -> bool| {
            let flags: Vec<bool> = places.iter().map(is_wanted).collect();
            Arc::new(Selection::from_flags(&flags))
        };
        Ok(Self {
            near: (near.len() < parcels.len()).then(|| Arc::new(near)),
            owned: select(&|place| *place != Place::Elsewhere),
            by_slice: (0..slices)
                .map(|slice| select(&|place| *place == Place::Slice(slice)))
                .collect(),
            several: select(&|place| *place == Place::Several),
            parcels,
            territory,
        })
    }

    /// True where a parcel shares an area with the unit's grids.
    ///
    /// # Errors
    /// Where it cannot be brought to them.
    pub(crate) fn touches(&self, parcel: u32) -> Result<bool, ExtractError> {
        let placed = self.territory.place(&self.parcels, parcel as usize)?;
        Ok(self.territory.touches(&placed))
    }
}

/// A parcel whose bounds meet those of a unit.
struct NearParcel {
    parcel: usize,
    /// In the CRS of the parcels.
    bounds: Bounds,
}

fn place_of(
    own: &Territory,
    rivals: &[Territory],
    parcels: &ParcelShapes,
    near: &NearParcel,
    slices: usize,
) -> Result<Place, ExtractError> {
    let NearParcel { parcel, bounds } = near;
    let rivals: Vec<&Territory> = rivals
        .iter()
        .filter(|rival| rival.is_near(bounds))
        .collect();
    if rivals.is_empty() && slices == 1 {
        return Ok(Place::Slice(0));
    }
    let placed = own.place(parcels, *parcel)?;
    if !rivals.is_empty() && !is_owner(own, &placed, &rivals, parcels, *parcel) {
        return Ok(Place::Elsewhere);
    }
    Ok(match own.slices_near(&placed, SLICE_MARGIN_PX).as_slice() {
        // Just off all of them: any will find no pixel of it.
        [] => Place::Slice(0),
        [slice] => Place::Slice(*slice),
        _ => Place::Several,
    })
}

/// True where no rival has a better right to a parcel.
fn is_owner(
    own: &Territory,
    placed: &PlacedParcel,
    rivals: &[&Territory],
    parcels: &ParcelShapes,
    parcel: usize,
) -> bool {
    let standing = own.standing(placed);
    rivals.iter().all(|rival| {
        // What cannot be brought to the grid of a rival does not lie on it.
        let Ok(there) = rival.place(parcels, parcel) else {
            return true;
        };
        standing > rival.standing(&there)
    })
}
