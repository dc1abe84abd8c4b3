//! The values of a layer on a grid: items one after the other, the newest first, until every pixel has
//! values; page by page where there are many.

use futures::future::try_join_all;
use swath_access::Viewer;
use swath_grid::{GeoBox, Point, Size, bbox_of};
use swath_io::{GeoTiff, ReadOptions};
use swath_raster::{DataType, Mask, Pixels, Raster, RasterBand, Resampling, Sample, for_pixels};

use super::bands::{ItemBand, find_band};
use super::composite::{CompositeChoice, read_composite};
use super::failure::shown;
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
    pub(super) later: Vec<MapItem>,
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
    let mut filling = Filling::default();
    filling
        .add(state, viewer, selected, &selected.items, wanted)
        .await?;
    let mut rest = selected.rest.clone();
    let mut later: Vec<MapItem> = Vec::new();
    let mut is_cut = false;
    while !filling.is_full
        && let Some(search) = rest.take()
    {
        if selected.items.len() + later.len() >= MOSAIC_ITEMS_MAX {
            is_cut = true;
            break;
        }
        // Only what touches the gaps can fill them.
        let gaps = filling.gaps(wanted.geobox);
        let bbox = match &gaps {
            Some(gaps) => bbox_of(gaps)?,
            None => bbox_of(wanted.geobox)?,
        };
        let Some(bbox) = bbox else {
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
#[derive(Debug, Default)]
struct Filling {
    bands: Option<Vec<RasterBand>>,
    ids: Vec<String>,
    is_full: bool,
}

impl Filling {
    /// Reads items until nothing is left to fill.
    async fn add(
        &mut self,
        state: &AppState,
        viewer: &Viewer,
        selected: &Selected,
        items: &[MapItem],
        wanted: &Wanted<'_>,
    ) -> Result<(), MapFailure> {
        for item in items {
            if self.is_full {
                break;
            }
            let bands = wanted.names.iter().map(|name| find_band(&item.bands, name));
            let Some(bands) = bands.collect::<Option<Vec<&ItemBand>>>() else {
                continue;
            };
            let read = read_item(state, viewer, selected, item, &bands, wanted).await?;
            let before = self.bands.take();
            let filled = swath_io::compute::run(move |_| fill(before, read)).await;
            let has_more;
            (self.bands, has_more, self.is_full) = (Some(filled.0), filled.1, filled.2);
            if has_more {
                self.ids.push(item.id.clone());
            }
        }
        Ok(())
    }

    /// Returns the part of the grid around all pixels without values; `None` where nothing was read.
    fn gaps(&self, geobox: &GeoBox) -> Option<GeoBox> {
        let mask = valid_in_all(self.bands.as_ref()?);
        let size = geobox.size();
        let (mut low, mut high) = ((size.width, size.height), (0, 0));
        for row in 0..size.height {
            for col in 0..size.width {
                if !mask.is_valid(row as usize * size.width as usize + col as usize) {
                    low = (low.0.min(col), low.1.min(row));
                    high = (high.0.max(col), high.1.max(row));
                }
            }
        }
        let corner = Point {
            x: f64::from(low.0),
            y: f64::from(low.1),
        };
        let size = Size {
            width: (high.0 + 1).checked_sub(low.0)?,
            height: (high.1 + 1).checked_sub(low.1)?,
        };
        GeoBox::new(
            geobox.crs().clone(),
            geobox.transform().shifted(corner),
            size,
        )
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
    fn gaps_are_the_rectangle_around_what_lacks_values() {
        let size = Size {
            width: 3,
            height: 2,
        };
        let crs = swath_grid::Crs::from_epsg(32_632).expect("known");
        let transform = swath_grid::Transform::from_gdal([500_000.0, 10.0, 0.0, 0.0, 0.0, -10.0]);
        let geobox = GeoBox::new(crs, transform.expect("a transform"), size).expect("a grid");
        let mut filling = Filling::default();
        assert_eq!(filling.gaps(&geobox), None);
        let flags = [true, true, false, true, false, true];
        filling.bands = Some(vec![band(&[0; 6], &flags)]);
        let gaps = filling.gaps(&geobox).expect("gaps");
        assert_eq!((gaps.size().width, gaps.size().height), (2, 2));
        assert_eq!(gaps.bounds().min_x, 500_010.0);
    }

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
