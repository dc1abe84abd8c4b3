//! The values of a layer on a grid: items one after the other, the newest first, until every pixel has
//! values; page by page where there are many.

use std::sync::Arc;

use futures::future::try_join_all;
use swath_access::Viewer;
use swath_grid::{GeoBox, Size, Window, bbox_of};
use swath_io::{GeoTiff, ReadOptions};
use swath_raster::{DataType, Mask, Pixels, Raster, RasterBand, Resampling, Sample, for_pixels};

use super::bands::{ItemBand, find_band};
use super::composite::{CompositeChoice, read_composite};
use super::failure::shown;
use super::filling::{fill, gaps_of};
use super::layer::{FoundLayer, MapItem};
use super::selection::{MOSAIC_ITEMS_MAX, Selected, Sought, check_size, next_page, select};
use super::{MapFailure, TimeChoice, rasters};
use crate::state::AppState;

/// Decoded blocks that are kept for all requests, in bytes.
pub(crate) const BLOCKS_BYTES_MAX: u64 = 256 << 20;
/// Most pixels, times bands, in work for all requests together; more wait.
pub(crate) const VALUES_AT_ONCE_MAX: u32 = 128 << 20;

/// What values are wanted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// As the file stores them, in its type.
    Stored,
    /// `stored * scale + offset`, as `f32`.
    Physical,
}

/// The values of a layer on a grid.
#[derive(Debug, Clone)]
pub(crate) struct ReadRequest {
    /// `COLLECTION`, `COLLECTION:ITEM` or `COLLECTION/ITEM`.
    pub(crate) layer: String,
    /// Which items of a collection.
    pub(crate) time: TimeChoice,
    /// The pixels wanted.
    pub(crate) geobox: GeoBox,
    /// Names of bands; empty: all.
    pub(crate) bands: Vec<String>,
    /// How pixels of the grid come from those of the files.
    pub(crate) resampling: Resampling,
    /// What values are wanted as; those of a composite are always physical.
    pub(crate) values: ValueKind,
    /// What becomes of many dates; `None`: the newest in each place.
    pub(crate) composite: Option<CompositeChoice>,
}

/// Values on a grid.
#[derive(Debug, Clone)]
pub(crate) struct MapData {
    /// Bands in the order asked for, each with its own mask.
    pub(crate) raster: Raster,
    /// Their names.
    pub(crate) names: Vec<String>,
    /// Ids of the items that gave pixels, the newest first.
    pub(crate) items: Vec<String>,
}

/// Reads the values of a layer on a grid.
///
/// # Errors
/// Where layer or bands are not there for this viewer, too much is asked for, no item lies there, or
/// files cannot be read.
pub(crate) async fn read_map(
    state: &AppState,
    viewer: &Viewer,
    request: &ReadRequest,
) -> Result<MapData, MapFailure> {
    check_size(&request.geobox, request.bands.len())?;
    let sought = Sought {
        layer: &request.layer,
        time: &request.time,
        geobox: &request.geobox,
        composite: request.composite.as_ref(),
    };
    let selected = select(state, viewer, &sought).await?;
    let names: Vec<String> = match (&selected.layer.newest, request.bands.is_empty()) {
        (Some(item), true) => item.bands.iter().map(|band| band.name.clone()).collect(),
        _ => request.bands.clone(),
    };
    check_bands(&selected.layer, &names)?;
    let wanted = Wanted {
        geobox: &request.geobox,
        names: &names,
        resampling: request.resampling,
        values: request.values,
        nodata: None,
        composite: request.composite.as_ref(),
    };
    let mosaic = read_items(state, viewer, &selected, &wanted).await?;
    mosaic.check_whole()?;
    let Some(raster) = mosaic.raster else {
        return Err(MapFailure::NothingThere {
            layer: shown(&request.layer),
        });
    };
    Ok(MapData {
        raster,
        names,
        items: mosaic.ids,
    })
}

/// Refuses bands that the layer does not have.
///
/// # Errors
/// [`MapFailure::BadExpression`] names those that there are.
pub(super) fn check_bands(layer: &FoundLayer, names: &[String]) -> Result<(), MapFailure> {
    let Some(item) = &layer.newest else {
        return Ok(());
    };
    for name in names {
        if find_band(&item.bands, name).is_none() {
            let known: Vec<&str> = item.bands.iter().map(|band| band.name.as_str()).collect();
            return Err(MapFailure::BadExpression {
                reason: format!(
                    "layer \"{}\" has no band \"{}\"; it has {}",
                    shown(&layer.name),
                    shown(name),
                    known.join(", ")
                ),
            });
        }
    }
    Ok(())
}

/// What is wanted of each item.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) geobox: &'a GeoBox,
    pub(super) names: &'a [String],
    pub(super) resampling: Resampling,
    pub(super) values: ValueKind,
    /// A stored value that means nothing is there, besides that of the file.
    pub(super) nodata: Option<f64>,
    /// What becomes of many dates; `None`: the newest in each place.
    pub(super) composite: Option<&'a CompositeChoice>,
}

/// What reading the items of a layer gave.
#[derive(Debug, Clone, Default)]
pub(super) struct Mosaic {
    /// `None` where no item has any of the bands.
    pub(super) raster: Option<Raster>,
    /// Ids of the items that gave pixels.
    pub(super) ids: Vec<String>,
    /// Items of further pages than the first that were read.
    pub(super) later: Vec<Arc<MapItem>>,
    /// True where there are gaps, and more items than [`MOSAIC_ITEMS_MAX`] that might fill them.
    pub(super) is_cut: bool,
}

impl Mosaic {
    /// Refuses values with gaps that further items might fill: nobody would know.
    ///
    /// # Errors
    /// [`MapFailure::TooLarge`] says what to do.
    pub(super) fn check_whole(&self) -> Result<(), MapFailure> {
        match self.is_cut {
            false => Ok(()),
            true => Err(MapFailure::TooLarge {
                reason: format!(
                    "the {MOSAIC_ITEMS_MAX} newest items leave gaps there, more items are not read \
                     for one answer, and values are given whole or not at all; ask for a time, for a \
                     smaller area or for one item"
                ),
            }),
        }
    }
}

/// Reads items until every pixel has values, or their composite.
///
/// # Errors
/// Where files cannot be read, or too much is asked for.
pub(super) async fn read_items(
    state: &AppState,
    viewer: &Viewer,
    selected: &Selected,
    wanted: &Wanted<'_>,
) -> Result<Mosaic, MapFailure> {
    let values = check_size(wanted.geobox, wanted.names.len())?;
    if let Some(choice) = wanted.composite {
        return read_composite(state, viewer, selected, wanted, choice).await;
    }
    let place = state.map_places.acquire_many(values).await;
    let _place = place.map_err(|error| MapFailure::internal(&error))?;
    let mut filling = Filling::of(wanted.geobox.size());
    filling
        .add(state, viewer, selected, &selected.items, wanted)
        .await?;
    let mut rest = selected.rest.clone();
    let mut later: Vec<Arc<MapItem>> = Vec::new();
    let mut is_cut = false;
    while let Some(gaps) = filling.gaps
        && let Some(search) = rest.take()
    {
        if selected.items.len() + later.len() >= MOSAIC_ITEMS_MAX {
            is_cut = true;
            break;
        }
        // Only what touches the gaps can fill them.
        let part = wanted.geobox.part(&gaps).ok_or_else(no_part)?;
        let Some(bbox) = bbox_of(&part)? else {
            break;
        };
        let (items, next) = next_page(state, viewer, &search, bbox).await?;
        filling.add(state, viewer, selected, &items, wanted).await?;
        later.extend(items);
        rest = next;
    }
    let geobox = wanted.geobox.clone();
    Ok(Mosaic {
        raster: filling.bands.map(|bands| Raster { geobox, bands }),
        ids: filling.ids,
        later,
        is_cut,
    })
}

/// A mosaic that grows.
#[derive(Debug)]
struct Filling {
    size: Size,
    bands: Option<Vec<RasterBand>>,
    ids: Vec<String>,
    /// The rectangle around all pixels without values; `None` where there is none.
    gaps: Option<Window>,
}

impl Filling {
    /// Returns a mosaic without values.
    fn of(size: Size) -> Self {
        Self {
            size,
            bands: None,
            ids: Vec::new(),
            gaps: Some(Window::full(size)),
        }
    }

    /// Reads items until nothing is left to fill, each only around what is.
    async fn add(
        &mut self,
        state: &AppState,
        viewer: &Viewer,
        selected: &Selected,
        items: &[Arc<MapItem>],
        wanted: &Wanted<'_>,
    ) -> Result<(), MapFailure> {
        for item in items {
            let Some(gaps) = self.gaps else {
                break;
            };
            let bands = wanted.names.iter().map(|name| find_band(&item.bands, name));
            let Some(bands) = bands.collect::<Option<Vec<&ItemBand>>>() else {
                continue;
            };
            let part = wanted.geobox.part(&gaps).ok_or_else(no_part)?;
            let wanted = Wanted {
                geobox: &part,
                ..*wanted
            };
            let read = read_item(state, viewer, selected, item, &bands, &wanted).await?;
            let (before, size) = (self.bands.take(), self.size);
            let filled = swath_io::compute::run(move |_| {
                let (bands, has_more) = fill(before, size, gaps, read.converted());
                let left = match has_more {
                    true => gaps_of(&bands, size),
                    false => Some(gaps),
                };
                (bands, has_more, left)
            });
            let (bands, has_more, left) = filled.await;
            (self.bands, self.gaps) = (Some(bands), left);
            if has_more {
                self.ids.push(item.id.clone());
            }
        }
        Ok(())
    }
}

fn no_part() -> MapFailure {
    MapFailure::internal(&"gaps of a mosaic are no grid")
}

/// The bands of one item as its rasters store them.
#[derive(Debug)]
pub(super) struct ReadItem {
    /// With what makes physical values of them.
    bands: Vec<(RasterBand, (f64, f64))>,
    values: ValueKind,
    nodata: Option<f64>,
}

impl ReadItem {
    /// Returns what was wanted of the bands; work for a compute thread.
    pub(super) fn converted(self) -> Vec<RasterBand> {
        let bands = self.bands.into_iter();
        bands
            .map(|(band, factors)| converted(band, factors, self.values, self.nodata))
            .collect()
    }
}

/// Reads the bands of one item, those of one raster together, several rasters at once.
pub(super) async fn read_item(
    state: &AppState,
    viewer: &Viewer,
    selected: &Selected,
    item: &MapItem,
    bands: &[&ItemBand],
    wanted: &Wanted<'_>,
) -> Result<ReadItem, MapFailure> {
    let mut hrefs: Vec<&str> = Vec::new();
    for band in bands {
        if !hrefs.contains(&band.href.as_str()) {
            hrefs.push(&band.href);
        }
    }
    let reads = hrefs.iter().map(|href| {
        let own = bands.iter().filter(move |band| band.href == **href);
        let own: Vec<&ItemBand> = own.copied().collect();
        async move {
            let raster =
                rasters::open(state, viewer, &selected.layer.resource, own[0], &item.etag).await?;
            let positions: Vec<usize> = own.iter().map(|band| band.position).collect();
            let options = ReadOptions {
                bands: positions,
                resampling: wanted.resampling,
                ..ReadOptions::default()
            };
            let read =
                swath_io::read_sharing(&state.blocks, &raster, wanted.geobox, &options).await;
            let read = read.map_err(|error| {
                rasters::forget(state, own[0], &item.etag);
                MapFailure::of_io(&error)
            })?;
            let factors = own.iter().map(|band| factors_of(&raster, band));
            Ok::<_, MapFailure>(read.bands.into_iter().zip(factors.collect::<Vec<_>>()))
        }
    });
    let mut read = try_join_all(reads).await?;
    // Of each raster they come in the order in which they are wanted.
    let of_band = |band: &&ItemBand| {
        let raster = hrefs.iter().position(|href| *href == band.href)?;
        read[raster].next()
    };
    let in_order: Option<Vec<_>> = bands.iter().map(of_band).collect();
    Ok(ReadItem {
        bands: in_order.ok_or_else(|| MapFailure::internal(&"a band was not read"))?,
        values: wanted.values,
        nodata: wanted.nodata,
    })
}

/// Returns scale and offset of a band: those of the item, else those of the file.
fn factors_of(raster: &GeoTiff, band: &ItemBand) -> (f64, f64) {
    let info = raster.bands().get(band.position);
    let scale = band.scale.or_else(|| info?.scale);
    let offset = band.offset.or_else(|| info?.offset);
    (scale.unwrap_or(1.0), offset.unwrap_or(0.0))
}

fn converted(
    band: RasterBand,
    (scale, offset): (f64, f64),
    values: ValueKind,
    nodata: Option<f64>,
) -> RasterBand {
    let mask = match nodata {
        Some(nodata) => {
            let text = nodata.to_string();
            band.mask.and(&Mask::from_nodata(&band.pixels, Some(&text)))
        }
        None => band.mask,
    };
    let pixels = match values {
        ValueKind::Stored => band.pixels,
        ValueKind::Physical => for_pixels!(&band.pixels, stored => Pixels::F32(
            stored.iter().map(|value| (value.to_f64() * scale + offset) as f32).collect()
        )),
    };
    RasterBand { pixels, mask }
}

/// Returns what is valid in every band.
pub(super) fn valid_in_all(bands: &[RasterBand]) -> Mask {
    let masks = bands.iter().map(|band| &band.mask);
    masks.fold(Mask::All, |all, mask| all.and(mask))
}

/// Returns the type that holds the values of all bands: their own where they have one.
pub(super) fn common_type(bands: &[RasterBand]) -> DataType {
    let mut types = bands.iter().map(|band| band.pixels.data_type());
    let first = types.next().unwrap_or(DataType::F32);
    match types.all(|data_type| data_type == first) {
        true => first,
        false => DataType::F64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_gaps_are_refused() {
        let mut mosaic = Mosaic::default();
        assert!(mosaic.check_whole().is_ok());
        mosaic.is_cut = true;
        assert!(matches!(
            mosaic.check_whole(),
            Err(MapFailure::TooLarge { .. })
        ));
    }

    #[test]
    fn physical_values_are_scaled_and_nodata_masked() {
        let stored = RasterBand {
            pixels: Pixels::U16(vec![0, 1_000]),
            mask: Mask::All,
        };
        let band = converted(stored, (0.0001, -0.1), ValueKind::Physical, Some(0.0));
        assert_eq!(band.mask, Mask::Pixels(vec![false, true]));
        assert_eq!(band.pixels, Pixels::F32(vec![-0.1, 0.0]));
    }
}
