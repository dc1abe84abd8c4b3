//! Many dates to one picture: what `swath composite` makes, for the grid of a request.
//!
//! 1. Items in the order in which they count; the bands that the method needs besides those wanted.
//! 2. Strips of the grid, so that the values of all items of one fit into [`STRIP_VALUES_MAX`].
//! 3. Of each item the classification, then, where it leaves anything, the bands.

use std::cmp::Ordering;
use std::sync::Arc;

use futures::future::try_join_all;
use swath_access::Viewer;
use swath_grid::{GeoBox, Window};
use swath_raster::{
    CompositeMethod, CompositeRule, INFRARED_BANDS, Mask, Pixels, RED_BANDS, RasterBand,
    Resampling, SCL_DROPPED, composite,
};

use super::MapFailure;
use super::bands::{ItemBand, find_band};
use super::failure::shown;
use super::layer::MapItem;
use super::mosaic::{Mosaic, MosaicBands, ValueKind, Wanted, open_item};
use super::selection::Selected;
use crate::state::AppState;

/// Most items that a composite is made of.
pub(crate) const COMPOSITE_ITEMS_MAX: u32 = 200;
/// Most values that are read for a composite: pixels times bands times items.
const COMPOSITE_VALUES_MAX: u64 = 512 << 20;
/// Most values of all items that are held at once.
const STRIP_VALUES_MAX: u64 = 32 << 20;
/// Items that are read side by side.
const ITEMS_AT_ONCE: usize = 4;
/// Most classes that a mask names.
const CLASSES_MAX: usize = 255;
/// Name of the band with Sentinel-2's scene classification.
const CLASSIFICATION: &str = "SCL";

/// How the dates of a layer become one picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CompositeChoice {
    /// The method.
    pub(crate) method: CompositeMethod,
    /// What does not count.
    pub(crate) mask: SceneMask,
}

/// Which classes of the scene classification do not count.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SceneMask {
    /// Those of [`SCL_DROPPED`] where the items have a classification.
    Usual,
    /// None: what files say is valid counts.
    Off,
    /// These; every item needs a classification.
    Classes(Vec<f64>),
}

impl CompositeChoice {
    /// Reads the parameters `composite` (a method) and `mask_scl` (`none`, or classes with commas between
    /// them); `None` where there is no method.
    ///
    /// # Errors
    /// Where one of them makes no sense, or a mask stands alone.
    pub(crate) fn parse(
        method: Option<&str>,
        mask: Option<&str>,
    ) -> Result<Option<Self>, MapFailure> {
        let mask = mask.filter(|text| !text.is_empty());
        let Some(method) = method.filter(|text| !text.is_empty()) else {
            return match mask {
                None => Ok(None),
                Some(_) => Err(MapFailure::parameter(
                    "mask_scl",
                    "it belongs to a composite: name a method with composite=median",
                )),
            };
        };
        let method =
            shown(method)
                .parse()
                .map_err(|error: swath_raster::CompositeMethodError| {
                    MapFailure::parameter("composite", error.to_string())
                })?;
        let mask = match mask {
            None => SceneMask::Usual,
            Some("none") => SceneMask::Off,
            Some(text) => SceneMask::Classes(parse_classes(text)?),
        };
        Ok(Some(Self { method, mask }))
    }

    /// Returns the classes that do not count among `items`, `None` where nothing is masked.
    fn dropped(&self, items: &[Arc<MapItem>]) -> Option<Vec<f64>> {
        let is_classified = |item: &Arc<MapItem>| find_band(&item.bands, CLASSIFICATION).is_some();
        match &self.mask {
            SceneMask::Off => None,
            SceneMask::Classes(classes) => Some(classes.clone()),
            SceneMask::Usual if items.iter().any(is_classified) => {
                let classes = SCL_DROPPED.split(',');
                Some(classes.filter_map(|class| class.parse().ok()).collect())
            }
            SceneMask::Usual => None,
        }
    }
}

fn parse_classes(text: &str) -> Result<Vec<f64>, MapFailure> {
    let wrong = || {
        MapFailure::parameter(
            "mask_scl",
            format!("expected none, or 1 to {CLASSES_MAX} classes such as 3,8,9,10"),
        )
    };
    let classes: Option<Vec<f64>> = text
        .split(',')
        .take(CLASSES_MAX + 1)
        .map(|class| class.trim().parse::<u8>().ok().map(f64::from))
        .collect();
    classes
        .filter(|classes| classes.len() <= CLASSES_MAX)
        .ok_or_else(wrong)
}

/// Reads the composite of all selected items; no raster where there is no item.
///
/// # Errors
/// Where an item lacks a band, the classification or the cloud cover that is needed, too much is asked
/// for, or files cannot be read.
pub(super) async fn read_composite(
    state: &AppState,
    viewer: &Viewer,
    selected: &Selected,
    wanted: &Wanted<'_>,
    choice: &CompositeChoice,
) -> Result<Mosaic, MapFailure> {
    let items = in_order(&selected.items, choice.method)?;
    let Some(first) = items.first() else {
        return Ok(Mosaic::default());
    };
    let mut names = wanted.names.to_vec();
    let rule = rule_of(first, choice.method, &mut names)?;
    let season = Season {
        state,
        viewer,
        selected,
        dropped: choice.dropped(&items),
        rule,
    };
    let size = wanted.geobox.size();
    let row_values = u64::from(size.width) * names.len() as u64 * items.len() as u64;
    let values = row_values * u64::from(size.height);
    if values > COMPOSITE_VALUES_MAX {
        return Err(MapFailure::TooLarge {
            reason: format!(
                "{} items of {} bands on {} × {} pixels are {values} values, more than \
                 {COMPOSITE_VALUES_MAX} for one composite; ask for a shorter time or a smaller picture",
                items.len(),
                names.len(),
                size.width,
                size.height
            ),
        });
    }
    let rows = (STRIP_VALUES_MAX / row_values).clamp(1, u64::from(size.height)) as u32;
    let in_work = (row_values * u64::from(rows)).min(STRIP_VALUES_MAX) as u32;
    let place = state.map_places.acquire_many(in_work).await;
    let _place = place.map_err(|error| MapFailure::internal(&error))?;
    let len = size.width as usize * size.height as usize;
    let mut bands = vec![(Vec::with_capacity(len), Vec::with_capacity(len)); wanted.names.len()];
    for row in (0..size.height).step_by(rows as usize) {
        let strip = strip_of(wanted.geobox, row, rows.min(size.height - row))?;
        let wanted = Wanted {
            geobox: &strip,
            names: &names,
            values: ValueKind::Physical,
            ..*wanted
        };
        season.read_strip(&items, &wanted, &mut bands).await?;
    }
    let bands = bands.into_iter().map(|(values, flags)| RasterBand {
        pixels: Pixels::F32(values),
        mask: Mask::from_flags(flags),
    });
    Ok(Mosaic {
        bands: Some(MosaicBands::Made(bands.collect())),
        ids: items.iter().map(|item| item.id.clone()).collect(),
        ..Mosaic::default()
    })
}

/// Returns items in the order in which they count: from the newest on, or from the least cloudy.
fn in_order(
    items: &[Arc<MapItem>],
    method: CompositeMethod,
) -> Result<Vec<Arc<MapItem>>, MapFailure> {
    let mut items = items.to_vec();
    if method != CompositeMethod::LeastCloud {
        return Ok(items);
    }
    if let Some(item) = items.iter().find(|item| item.cloud_cover.is_none()) {
        return Err(MapFailure::parameter(
            "composite",
            format!(
                "item \"{}\" says nothing of clouds (eo:cloud_cover); choose another method",
                shown(&item.id)
            ),
        ));
    }
    items.sort_by(|one, two| match (one.cloud_cover, two.cloud_cover) {
        (Some(one), Some(two)) => one.total_cmp(&two),
        _ => Ordering::Equal,
    });
    Ok(items)
}

/// Returns the rule of a method; bands that it needs besides are added to `names`.
fn rule_of(
    first: &MapItem,
    method: CompositeMethod,
    names: &mut Vec<String>,
) -> Result<CompositeRule, MapFailure> {
    let known = std::cell::RefCell::new(names);
    let position = |choice: &[&str]| {
        let band = choice
            .iter()
            .find_map(|name| find_band(&first.bands, name))?;
        let mut names = known.borrow_mut();
        let is_it = |name: &String| {
            find_band(&first.bands, name).is_some_and(|found| found.name == band.name)
        };
        let place = names.iter().position(is_it);
        Some(place.unwrap_or_else(|| {
            names.push(band.name.clone());
            names.len() - 1
        }))
    };
    method.rule(position).ok_or_else(|| {
        MapFailure::parameter(
            "composite",
            format!(
                "max-ndvi needs a band {} and a band {}",
                INFRARED_BANDS.join(" or "),
                RED_BANDS.join(" or ")
            ),
        )
    })
}

fn strip_of(geobox: &GeoBox, row: u32, rows: u32) -> Result<GeoBox, MapFailure> {
    let strip = geobox.part(&Window {
        col: 0,
        row,
        width: geobox.size().width,
        height: rows,
    });
    strip.ok_or_else(|| MapFailure::internal(&"a strip of a grid is a grid"))
}

/// What all strips share.
struct Season<'a> {
    state: &'a AppState,
    viewer: &'a Viewer,
    selected: &'a Selected,
    /// Classes that do not count.
    dropped: Option<Vec<f64>>,
    rule: CompositeRule,
}

impl Season<'_> {
    /// Appends values and flags of the bands of a strip; of `wanted` there may be more than `bands`.
    async fn read_strip(
        &self,
        items: &[Arc<MapItem>],
        wanted: &Wanted<'_>,
        bands: &mut [(Vec<f32>, Vec<bool>)],
    ) -> Result<(), MapFailure> {
        let size = wanted.geobox.size();
        let len = size.width as usize * size.height as usize;
        let rule = self.rule;
        let mut slices: Vec<Vec<RasterBand>> = Vec::new();
        for items in items.chunks(ITEMS_AT_ONCE) {
            let mut reading = Vec::with_capacity(ITEMS_AT_ONCE);
            for item in items {
                reading.push(self.read_slice(item, wanted));
            }
            let read: Vec<Option<Vec<RasterBand>>> = try_join_all(reading).await?;
            slices.extend(read.into_iter().flatten());
            if rule == CompositeRule::First && !slices.is_empty() {
                let so_far = std::mem::take(&mut slices);
                slices = vec![composed(so_far, len, rule).await];
                if slices[0].iter().all(|band| band.mask == Mask::All) {
                    break;
                }
            }
        }
        let strip = composed(slices, len, rule).await;
        for (index, (values, flags)) in bands.iter_mut().enumerate() {
            let end = values.len() + len;
            if let Some(RasterBand {
                pixels: Pixels::F32(own),
                mask,
            }) = strip.get(index)
            {
                values.extend(own);
                flags.extend((0..len).map(|pixel| mask.is_valid(pixel)));
            }
            values.resize(end, 0.0);
            flags.resize(end, false);
        }
        Ok(())
    }

    /// Reads the bands of one item; `None` where nothing of it counts.
    async fn read_slice(
        &self,
        item: &MapItem,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Vec<RasterBand>>, MapFailure> {
        let kept = match &self.dropped {
            None => Mask::All,
            Some(dropped) => {
                let classes = Wanted {
                    names: &[CLASSIFICATION.to_owned()],
                    resampling: Resampling::Nearest,
                    values: ValueKind::Stored,
                    nodata: None,
                    ..*wanted
                };
                let read = self.read_bands(item, &classes).await?;
                let dropped = dropped.clone();
                swath_io::compute::run(move |_| kept(&read, &dropped)).await
            }
        };
        // Where the clouds are everywhere, nothing else needs to be read.
        if kept == Mask::None {
            return Ok(None);
        }
        let mut bands = self.read_bands(item, wanted).await?;
        for band in &mut bands {
            let own = std::mem::replace(&mut band.mask, Mask::All);
            band.mask = own.and(&kept);
        }
        let is_empty = bands.iter().all(|band| band.mask == Mask::None);
        Ok((!is_empty).then_some(bands))
    }

    async fn read_bands(
        &self,
        item: &MapItem,
        wanted: &Wanted<'_>,
    ) -> Result<Vec<RasterBand>, MapFailure> {
        let mut bands: Vec<&ItemBand> = Vec::new();
        for name in wanted.names {
            let band = find_band(&item.bands, name);
            bands.push(band.ok_or_else(|| MapFailure::BadExpression {
                reason: format!(
                    "item \"{}\" has no band \"{}\", and a composite leaves no item out; ask for a \
                     time without it{}",
                    shown(&item.id),
                    shown(name),
                    match name == CLASSIFICATION {
                        true => ", or for mask_scl=none",
                        false => "",
                    }
                ),
            })?);
        }
        let opened = open_item(self.state, self.viewer, self.selected, item, &bands).await?;
        let read = opened.read(self.state, wanted).await?;
        Ok(swath_io::compute::run(move |_| read.converted()).await)
    }
}

/// Returns what is valid and of no dropped class.
fn kept(classes: &[RasterBand], dropped: &[f64]) -> Mask {
    let Some(RasterBand { pixels, mask }) = classes.first() else {
        return Mask::None;
    };
    let flags = (0..pixels.len())
        .map(|index| mask.is_valid(index) && !dropped.contains(&pixels.get_f64(index)));
    Mask::from_flags(flags.collect())
}

async fn composed(
    slices: Vec<Vec<RasterBand>>,
    len: usize,
    rule: CompositeRule,
) -> Vec<RasterBand> {
    let work = swath_io::compute::run(move |_| {
        let slices: Vec<&[RasterBand]> = slices.iter().map(Vec::as_slice).collect();
        composite(&slices, 0..len, rule)
    });
    work.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read() {
        let read = CompositeChoice::parse;
        assert_eq!(read(None, None), Ok(None));
        assert_eq!(read(Some(""), Some("")), Ok(None));
        let choice = read(Some("p25"), None).expect("a choice").expect("one");
        assert_eq!(choice.method, CompositeMethod::Percentile(25.0));
        assert_eq!(choice.mask, SceneMask::Usual);
        let choice = read(Some("mean"), Some("3, 8"))
            .expect("a choice")
            .expect("one");
        assert_eq!(choice.mask, SceneMask::Classes(vec![3.0, 8.0]));
        let choice = read(Some("mean"), Some("none"))
            .expect("a choice")
            .expect("one");
        assert_eq!(choice.mask, SceneMask::Off);
        assert_eq!(choice.dropped(&[]), None);
        for (method, mask) in [
            (Some("best"), None),
            (None, Some("3")),
            (Some("mean"), Some("cloud")),
            (Some("mean"), Some("256")),
        ] {
            let read = read(method, mask);
            assert!(
                matches!(read, Err(MapFailure::BadParameter { .. })),
                "{read:?}"
            );
        }
    }

    #[test]
    fn dropped_classes_do_not_count() {
        let classes = RasterBand {
            pixels: Pixels::U8(vec![4, 9, 4]),
            mask: Mask::from_flags(vec![true, true, false]),
        };
        assert_eq!(
            kept(&[classes], &[9.0]),
            Mask::Pixels(vec![true, false, false])
        );
        assert_eq!(kept(&[], &[]), Mask::None);
    }
}
