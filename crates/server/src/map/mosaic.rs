//! The values of a layer on a grid: items one after the other, the newest first, until every pixel has
//! values; page by page where there are many.

use std::sync::Arc;

use futures::future::try_join_all;
use swath_access::Viewer;
use swath_grid::{GeoBox, Window, bbox_of};
use swath_io::{GeoTiff, ReadOptions};
use swath_raster::{DataType, Mask, Pixels, Raster, RasterBand, Resampling, Sample, for_pixels};

use super::bands::{ItemBand, find_band};
use super::composite::{CompositeChoice, read_composite};
use super::failure::shown;
use super::filling::Filling;
use super::layer::{FoundLayer, MapItem};
use super::selection::{MOSAIC_ITEMS_MAX, Selected, Sought, check_size, next_page, select};
use super::{MapFailure, TimeChoice, rasters};
use crate::state::AppState;

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
    let Some(bands) = mosaic.bands else {
        return Err(MapFailure::NothingThere {
            layer: shown(&request.layer),
        });
    };
    Ok(MapData {
        raster: Raster {
            geobox: request.geobox.clone(),
            bands: swath_io::compute::run(move |_| bands.made()).await,
        },
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

/// Bands of a mosaic.
#[derive(Debug)]
pub(super) enum MosaicBands {
    /// What was read of one item, which has every pixel.
    Read(ReadItem),
    /// As they are wanted.
    Made(Vec<RasterBand>),
}

impl MosaicBands {
    /// Returns them as they are wanted; work for a compute thread.
    pub(super) fn made(self) -> Vec<RasterBand> {
        match self {
            Self::Read(read) => read.converted(),
            Self::Made(bands) => bands,
        }
    }
}

/// What reading the items of a layer gave.
#[derive(Debug, Default)]
pub(super) struct Mosaic {
    /// `None` where no item has any of the bands.
    pub(super) bands: Option<MosaicBands>,
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
    let mut filling = Filling::of(wanted.geobox);
    let mut ids = Vec::new();
    let reader = Reader {
        state,
        viewer,
        selected,
        wanted,
    };
    filling = reader.add(filling, &mut ids, &selected.items).await?;
    let mut rest = selected.rest.clone();
    let mut later: Vec<Arc<MapItem>> = Vec::new();
    let mut is_cut = false;
    while let Some(gaps) = filling.gaps()
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
        filling = reader.add(filling, &mut ids, &items).await?;
        later.extend(items);
        rest = next;
    }
    let bands = match filling.is_patched() {
        true => swath_io::compute::run(move |_| filling.finish()).await,
        false => filling.finish(),
    };
    Ok(Mosaic {
        bands,
        ids,
        later,
        is_cut,
    })
}

/// What items are read with.
#[derive(Debug, Clone, Copy)]
struct Reader<'a> {
    state: &'a AppState,
    viewer: &'a Viewer,
    selected: &'a Selected,
    wanted: &'a Wanted<'a>,
}

impl Reader<'_> {
    /// Reads items until nothing is left to fill, each only around the gaps that it covers.
    async fn add(
        &self,
        mut filling: Filling,
        ids: &mut Vec<String>,
        items: &[Arc<MapItem>],
    ) -> Result<Filling, MapFailure> {
        for item in items {
            if filling.gaps().is_none() {
                break;
            }
            let names = self.wanted.names.iter();
            let bands = names.map(|name| find_band(&item.bands, name));
            let Some(bands) = bands.collect::<Option<Vec<&ItemBand>>>() else {
                continue;
            };
            let opened = open_item(self.state, self.viewer, self.selected, item, &bands).await?;
            let window;
            (filling, window) = wanted_of(filling, &opened).await?;
            let Some(window) = window else {
                continue;
            };
            let part = self.wanted.geobox.part(&window).ok_or_else(no_part)?;
            let wanted = Wanted {
                geobox: &part,
                ..*self.wanted
            };
            let read = opened.read(self.state, &wanted).await?;
            let Some(read) = filling.take_whole(read) else {
                ids.push(item.id.clone());
                break;
            };
            let filled = swath_io::compute::run(move |_| {
                let has_more = filling.fill(window, read.converted());
                (filling, has_more)
            });
            let has_more;
            (filling, has_more) = filled.await;
            if has_more {
                ids.push(item.id.clone());
            }
        }
        Ok(filling)
    }
}

/// Returns what of the mosaic is to be read of an item, by where its first raster lies.
async fn wanted_of(
    mut filling: Filling,
    item: &OpenItem<'_>,
) -> Result<(Filling, Option<Window>), MapFailure> {
    if filling.is_new() {
        let all = filling.gaps();
        return Ok((filling, all));
    }
    let Some(raster) = item.rasters.first().map(|(raster, _)| raster.clone()) else {
        return Ok((filling, None));
    };
    let found = swath_io::compute::run(move |_| {
        let window = filling.wanted_of(&raster);
        window.map(|window| (filling, window))
    });
    found.await.map_err(|error| MapFailure::of_io(&error))
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
    /// True where every pixel of every band surely has a value.
    pub(super) fn is_whole(&self) -> bool {
        let mut bands = self.bands.iter();
        self.nodata.is_none() && bands.all(|(band, _)| band.mask == Mask::All)
    }

    /// Returns what was wanted of the bands; work for a compute thread.
    pub(super) fn converted(self) -> Vec<RasterBand> {
        let bands = self.bands.into_iter();
        bands
            .map(|(band, factors)| converted(band, factors, self.values, self.nodata))
            .collect()
    }
}

/// The rasters of one item that have wanted bands.
#[derive(Debug)]
pub(super) struct OpenItem<'a> {
    item: &'a MapItem,
    bands: &'a [&'a ItemBand],
    /// Each with its own of the bands.
    rasters: Vec<(Arc<GeoTiff>, Vec<&'a ItemBand>)>,
}

/// Opens the rasters of bands of one item, several at once.
///
/// # Errors
/// Where one cannot be read.
pub(super) async fn open_item<'a>(
    state: &AppState,
    viewer: &Viewer,
    selected: &Selected,
    item: &'a MapItem,
    bands: &'a [&'a ItemBand],
) -> Result<OpenItem<'a>, MapFailure> {
    let mut by_href: Vec<Vec<&ItemBand>> = Vec::new();
    for band in bands {
        match by_href.iter_mut().find(|own| own[0].href == band.href) {
            Some(own) => own.push(band),
            None => by_href.push(vec![band]),
        }
    }
    let opened = by_href.into_iter().map(|own| async move {
        let resource = &selected.layer.resource;
        let raster = rasters::open(state, viewer, resource, own[0], &item.etag).await?;
        Ok::<_, MapFailure>((raster, own))
    });
    Ok(OpenItem {
        item,
        bands,
        rasters: try_join_all(opened).await?,
    })
}

impl OpenItem<'_> {
    /// Reads the bands, those of one raster together, several rasters at once.
    ///
    /// # Errors
    /// Where files cannot be read.
    pub(super) async fn read(
        &self,
        state: &AppState,
        wanted: &Wanted<'_>,
    ) -> Result<ReadItem, MapFailure> {
        let reads = self.rasters.iter().map(|(raster, own)| async move {
            let options = ReadOptions {
                bands: own.iter().map(|band| band.position).collect(),
                resampling: wanted.resampling,
                ..ReadOptions::default()
            };
            let read = swath_io::read_sharing(&state.blocks, raster, wanted.geobox, &options).await;
            let read = read.map_err(|error| {
                rasters::forget(state, own[0], &self.item.etag);
                MapFailure::of_io(&error)
            })?;
            let factors = own.iter().map(|band| factors_of(raster, band));
            Ok::<_, MapFailure>(read.bands.into_iter().zip(factors.collect::<Vec<_>>()))
        });
        let mut read = try_join_all(reads).await?;
        // Of each raster they come in the order in which they are wanted.
        let of_band = |band: &&ItemBand| {
            let mut rasters = self.rasters.iter();
            let raster = rasters.position(|(_, own)| own[0].href == band.href)?;
            read[raster].next()
        };
        let in_order: Option<Vec<_>> = self.bands.iter().map(of_band).collect();
        Ok(ReadItem {
            bands: in_order.ok_or_else(|| MapFailure::internal(&"a band was not read"))?,
            values: wanted.values,
            nodata: wanted.nodata,
        })
    }
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
