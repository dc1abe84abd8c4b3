//! The values of a layer on a grid: items one after the other, the newest first, until every pixel has
//! values.

use futures::future::try_join_all;
use swath_access::Viewer;
use swath_grid::{GeoBox, bbox_of};
use swath_io::{GeoTiff, ReadOptions};
use swath_raster::{DataType, Mask, Pixels, Raster, RasterBand, Resampling, Sample, for_pixels};
use swath_stac::ItemSearch;
use xxhash_rust::xxh3::xxh3_128;

use super::bands::{ItemBand, find_band};
use super::failure::shown;
use super::layer::{FoundLayer, MapItem, find_layer};
use super::{MapFailure, TimeChoice, rasters};
use crate::state::AppState;

/// Most items that one picture is made of; what further ones would fill stays empty.
pub(crate) const ITEMS_MAX: u32 = 48;
/// Longest side of a picture, in pixels.
pub(crate) const SIDE_MAX_PX: u32 = 8_192;
/// Most pixels of a picture.
pub(crate) const PIXELS_MAX: u64 = 16 << 20;
/// Most values of an answer: pixels times bands.
const VALUES_MAX: u64 = 64 << 20;
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
    /// What values are wanted as.
    pub(crate) values: ValueKind,
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

/// A layer and the items that may have pixels on a grid.
#[derive(Debug, Clone)]
pub(super) struct Selected {
    pub(super) layer: FoundLayer,
    /// The newest first.
    pub(super) items: Vec<MapItem>,
}

impl Selected {
    /// Returns an etag of the items, the layer and `asked`.
    pub(super) fn etag(&self, asked: &str) -> String {
        let mut text = format!("{}\n{asked}\n", self.layer.etag);
        for item in &self.items {
            text.push_str(&item.id);
            text.push_str(&item.etag);
        }
        format!("\"{:032x}\"", xxh3_128(text.as_bytes()))
    }
}

/// Refuses grids with too many pixels.
///
/// # Errors
/// [`MapFailure::TooLarge`] names the limit.
pub(super) fn check_size(geobox: &GeoBox, bands: usize) -> Result<u32, MapFailure> {
    let size = geobox.size();
    let pixels = u64::from(size.width) * u64::from(size.height);
    if size.width.max(size.height) > SIDE_MAX_PX || pixels > PIXELS_MAX {
        return Err(MapFailure::TooLarge {
            reason: format!(
                "{} × {} pixels are more than {SIDE_MAX_PX} a side or {PIXELS_MAX} together; ask for \
                 a smaller picture",
                size.width, size.height
            ),
        });
    }
    let values = pixels * bands.max(1) as u64;
    if values > VALUES_MAX {
        return Err(MapFailure::TooLarge {
            reason: format!(
                "{pixels} pixels of {bands} bands are more than {VALUES_MAX} values; ask for fewer \
                 bands or a smaller picture"
            ),
        });
    }
    Ok(values as u32)
}

/// Finds a layer and its items that may have pixels on a grid.
///
/// # Errors
/// Where the layer is not there for this viewer, or the grid has no place on Earth.
pub(super) async fn select(
    state: &AppState,
    viewer: &Viewer,
    name: &str,
    time: &TimeChoice,
    geobox: &GeoBox,
) -> Result<Selected, MapFailure> {
    let layer = find_layer(state, viewer, name).await?;
    let Some(bbox) = bbox_of(geobox)? else {
        let items = Vec::new();
        return Ok(Selected { layer, items });
    };
    let search = ItemSearch {
        collections: vec![layer.collection_id().to_owned()],
        ids: layer.item.clone().into_iter().collect(),
        bbox: Some(bbox),
        datetime: time.interval(),
        limit: Some(ITEMS_MAX),
        ..ItemSearch::default()
    };
    let page = state.catalog.search(viewer, &search).await;
    let page = page.map_err(|error| MapFailure::of_catalog(&error, name))?;
    let items = page.items.into_iter().filter_map(MapItem::read).collect();
    Ok(Selected { layer, items })
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
    let selected = select(
        state,
        viewer,
        &request.layer,
        &request.time,
        &request.geobox,
    )
    .await?;
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
    };
    let read = read_items(state, viewer, &selected, &wanted).await?;
    let Some((raster, items)) = read else {
        return Err(MapFailure::NothingThere {
            layer: shown(&request.layer),
        });
    };
    Ok(MapData {
        raster,
        names,
        items,
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
}

/// Reads items until every pixel has values; `None` where no item has any of the bands.
///
/// # Errors
/// Where files cannot be read, or too much is asked for.
pub(super) async fn read_items(
    state: &AppState,
    viewer: &Viewer,
    selected: &Selected,
    wanted: &Wanted<'_>,
) -> Result<Option<(Raster, Vec<String>)>, MapFailure> {
    let values = check_size(wanted.geobox, wanted.names.len())?;
    let place = state.map_places.acquire_many(values).await;
    let _place = place.map_err(|error| MapFailure::internal(&error))?;
    let mut mosaic: Option<Vec<RasterBand>> = None;
    let mut ids = Vec::new();
    for item in &selected.items {
        let bands = wanted.names.iter().map(|name| find_band(&item.bands, name));
        let Some(bands) = bands.collect::<Option<Vec<&ItemBand>>>() else {
            continue;
        };
        let read = read_item(state, viewer, selected, item, &bands, wanted).await?;
        let before = mosaic.take();
        let (filled, has_more, is_full) = swath_io::compute::run(move |_| fill(before, read)).await;
        mosaic = Some(filled);
        if has_more {
            ids.push(item.id.clone());
        }
        if is_full {
            break;
        }
    }
    Ok(mosaic.map(|bands| {
        let geobox = wanted.geobox.clone();
        (Raster { geobox, bands }, ids)
    }))
}

/// Reads the bands of one item, those of one raster together, several rasters at once.
async fn read_item(
    state: &AppState,
    viewer: &Viewer,
    selected: &Selected,
    item: &MapItem,
    bands: &[&ItemBand],
    wanted: &Wanted<'_>,
) -> Result<Vec<RasterBand>, MapFailure> {
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
            let factors: Vec<(f64, f64)> =
                own.iter().map(|band| factors_of(&raster, band)).collect();
            let (values, nodata) = (wanted.values, wanted.nodata);
            let converted = swath_io::compute::run(move |_| {
                let bands = read.bands.into_iter().zip(factors);
                let bands = bands.map(|(band, factors)| converted(band, factors, values, nodata));
                bands.collect::<Vec<_>>()
            });
            Ok::<_, MapFailure>(converted.await)
        }
    });
    let read = try_join_all(reads).await?;
    let of_band = |band: &&ItemBand| -> Option<RasterBand> {
        let raster = hrefs.iter().position(|href| *href == band.href)?;
        let mut same = bands.iter().filter(|other| other.href == band.href);
        let place = same.position(|other| other.name == band.name)?;
        read[raster].get(place).cloned()
    };
    let in_order: Option<Vec<RasterBand>> = bands.iter().map(of_band).collect();
    in_order.ok_or_else(|| MapFailure::internal(&"a band was not read"))
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

/// Puts the pixels of `over` where `mosaic` lacks values in a band and `over` has all of them. Says
/// whether it had any, and whether nothing is left to fill.
fn fill(mosaic: Option<Vec<RasterBand>>, over: Vec<RasterBand>) -> (Vec<RasterBand>, bool, bool) {
    let is_whole = |bands: &[RasterBand]| bands.iter().all(|band| band.mask == Mask::All);
    let Some(mut mosaic) = mosaic else {
        let (has_any, is_full) = (valid_in_all(&over) != Mask::None, is_whole(&over));
        return (over, has_any, is_full);
    };
    let (below, above) = (valid_in_all(&mosaic), valid_in_all(&over));
    if above == Mask::None {
        return (mosaic, false, false);
    }
    let len = mosaic.first().map_or(0, |band| band.pixels.len());
    let taken: Vec<usize> = (0..len)
        .filter(|index| !below.is_valid(*index) && above.is_valid(*index))
        .collect();
    for (band, over) in mosaic.iter_mut().zip(over) {
        put(band, over, &taken, len);
    }
    let is_full = is_whole(&mosaic);
    (mosaic, !taken.is_empty(), is_full)
}

/// Returns what is valid in every band.
pub(super) fn valid_in_all(bands: &[RasterBand]) -> Mask {
    let masks = bands.iter().map(|band| &band.mask);
    masks.fold(Mask::All, |all, mask| all.and(mask))
}

/// Copies the pixels `taken` of one band over those of another; of different types as `f64`.
fn put(band: &mut RasterBand, over: RasterBand, taken: &[usize], len: usize) {
    fn copy<T: Sample>(values: &mut [T], from: &Pixels, taken: &[usize]) -> bool {
        let Some(from) = T::slice(from) else {
            return false;
        };
        for index in taken {
            values[*index] = from[*index];
        }
        true
    }
    let is_copied = for_pixels!(&mut band.pixels, values => copy(values, &over.pixels, taken));
    if !is_copied {
        let wide =
            |pixels: &Pixels| -> Vec<f64> { (0..len).map(|index| pixels.get_f64(index)).collect() };
        let (mut values, from) = (wide(&band.pixels), wide(&over.pixels));
        for index in taken {
            values[*index] = from[*index];
        }
        band.pixels = Pixels::F64(values);
    }
    let mut flags: Vec<bool> = (0..len).map(|index| band.mask.is_valid(index)).collect();
    for index in taken {
        flags[*index] = true;
    }
    band.mask = Mask::from_flags(flags);
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

    fn band(values: &[i16], flags: &[bool]) -> RasterBand {
        RasterBand {
            pixels: Pixels::I16(values.to_vec()),
            mask: Mask::from_flags(flags.to_vec()),
        }
    }

    #[test]
    fn what_lies_above_is_kept_and_gaps_are_filled() {
        let first = vec![band(&[1, 2, 3], &[true, false, false])];
        let (mosaic, has_any, is_full) = fill(None, first);
        assert!(has_any && !is_full);
        let second = vec![band(&[7, 8, 9], &[true, true, false])];
        let (mosaic, has_any, is_full) = fill(Some(mosaic), second);
        assert!(has_any && !is_full);
        assert_eq!(mosaic[0], band(&[1, 8, 3], &[true, true, false]));
        let (mosaic, _, is_full) = fill(Some(mosaic), vec![band(&[0, 0, 9], &[true; 3])]);
        assert!(is_full);
        assert_eq!(mosaic[0].pixels, Pixels::I16(vec![1, 8, 9]));
    }

    #[test]
    fn pixels_come_from_one_item_in_all_bands() {
        let first = vec![band(&[1, 1], &[true, true]), band(&[2, 2], &[true, false])];
        let second = vec![band(&[5, 5], &[true, true]), band(&[6, 6], &[true, true])];
        let (mosaic, ..) = fill(None, first);
        let (mosaic, _, is_full) = fill(Some(mosaic), second);
        assert!(is_full);
        assert_eq!(mosaic[0].pixels, Pixels::I16(vec![1, 5]));
        assert_eq!(mosaic[1].pixels, Pixels::I16(vec![2, 6]));
    }

    #[test]
    fn bands_of_other_types_are_joined() {
        let floats = RasterBand {
            pixels: Pixels::F32(vec![0.5]),
            mask: Mask::All,
        };
        let (mosaic, ..) = fill(Some(vec![band(&[1], &[false])]), vec![floats]);
        assert_eq!(mosaic[0].pixels, Pixels::F64(vec![0.5]));
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
