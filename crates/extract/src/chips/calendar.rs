//! A season of one parcel, date by date on one grid.
//!
//! 1. Images are read in the order of their time; the grid is that of the finest band of the first one
//!    that shows the parcel: its own pixels, as far as the margin around the parcel.
//! 2. Every other image comes to that grid, nearest pixel: on the same grid that is pixel by pixel.
//! 3. Of images of one pass (within [`PASS_SECONDS`]) the one with the most valid pixels stays.

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use geo_types::MultiPolygon;
use swath_grid::{Bounds, Crs, GeoBox, Point, Projector, ShiftOptions, Size, Window};
use swath_io::cog::{AreaOrPoint, BandSpec, CogSpec, ColorInterpretation};
use swath_io::vector::project_parcel;
use swath_raster::{CoverageMask, CoverageRule, DataType, Pixels, coverage};

use super::HIDING_CLASSES;
use super::style::ChipStyle;
use super::window::{Chip, write_tiff};
use crate::ExtractError;
use crate::bands::{BandChoice, open_bands};
use crate::extractor::Extractor;
use crate::items::ItemSource;
use crate::measure::BandRef;

/// Most images of a season.
pub const IMAGES_MAX: usize = 300;
/// Longest side of a chip, in pixels.
const SIDE_MAX_PX: f64 = 512.0;
/// Images that are read side by side.
const IMAGES_AT_ONCE: usize = 4;
/// Time within which images are of one pass: two tiles that both show the parcel.
const PASS_SECONDS: i64 = 600;
/// Largest distance of a projected edge from the true one, in pixels.
const EDGE_TOLERANCE_PX: f64 = 0.1;
/// Metres of a degree along the equator: close enough for a margin.
const DEGREE_M: f64 = 111_320.0;

/// How a season is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalendarOptions {
    /// What is shown.
    pub style: ChipStyle,
    /// Ground shown around the parcel, in metres.
    pub margin_m: f64,
}

/// One date.
#[derive(Debug, Clone)]
pub struct SeasonChip {
    /// Id of the item.
    pub item_id: String,
    /// When it was taken.
    pub datetime: DateTime<Utc>,
    /// Layers of the style, row by row; NaN is not valid.
    pub layers: Vec<Vec<f32>>,
    /// Share of the parcel's pixels that are valid.
    pub valid: f64,
    /// Share of them that the scene classification says are hidden ([`HIDING_CLASSES`]); `None` where
    /// the image has none.
    pub hidden: Option<f64>,
    /// Files that were read.
    pub hrefs: Vec<String>,
}

/// An image that is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Id of the item.
    pub item_id: String,
    /// Why.
    pub reason: String,
}

/// A season of a parcel.
#[derive(Debug, Clone)]
pub struct Calendar {
    /// What is shown.
    pub style: ChipStyle,
    /// The grid of all dates.
    pub geobox: GeoBox,
    /// The parcel in the CRS of the grid; empty for a point.
    pub outline: MultiPolygon<f64>,
    /// Oldest first.
    pub chips: Vec<SeasonChip>,
    /// Images that are not shown, in the order of their time.
    pub passed_over: Vec<PassedOver>,
}

/// Reads the season of a parcel, whose outline or place is in `crs`.
///
/// Reads the pixels around the parcel of each band, a few images side by side.
///
/// # Errors
/// No image shows the parcel; more than [`IMAGES_MAX`] images; a parcel that is too large for a chip;
/// images that cannot be read.
pub async fn read_calendar(
    mut items: Vec<ItemSource>,
    parcel: &geo_types::Geometry<f64>,
    crs: &Crs,
    options: &CalendarOptions,
) -> Result<Calendar, ExtractError> {
    if items.len() > IMAGES_MAX {
        return Err(ExtractError::Limit {
            reason: format!(
                "{} images show the parcel, up to {IMAGES_MAX} are shown: ask for a shorter time",
                items.len()
            ),
        });
    }
    items.sort_by(|a, b| (a.datetime, &a.id).cmp(&(b.datetime, &b.id)));
    let mut passed_over = Vec::new();
    let mut pass = |item_id: &str, reason: String| {
        let item_id = item_id.to_owned();
        passed_over.push(PassedOver { item_id, reason });
    };
    let mut season: Option<Season> = None;
    let mut images = Vec::new();
    let style = options.style;
    let opened = futures::stream::iter(items).map(|item| async move {
        let image = Image::open(&item, style).await;
        (item.id, image)
    });
    let opened: Vec<(String, Result<Image, ExtractError>)> =
        opened.buffered(IMAGES_AT_ONCE).collect().await;
    for (id, image) in opened {
        let image = match image {
            Ok(image) => image,
            Err(error @ ExtractError::Items { .. }) => {
                pass(&id, error.to_string());
                continue;
            }
            Err(error) => return Err(error),
        };
        if season.is_none() {
            season = Some(Season::new(&image, parcel, crs, options)?);
        }
        images.push(image);
    }
    let Some(season) = season else {
        return Err(ExtractError::Options {
            reason: "no image here has the bands of the style".to_owned(),
        });
    };
    let read = futures::stream::iter(images).map(|image| season.chip(image));
    let read: Vec<Result<SeasonChip, PassedOver>> =
        read.buffered(IMAGES_AT_ONCE).try_collect().await?;
    let mut chips: Vec<SeasonChip> = Vec::new();
    for chip in read {
        match chip {
            Ok(chip) => add(&mut chips, chip, &mut passed_over),
            Err(none) => passed_over.push(none),
        }
    }
    Ok(Calendar {
        style: options.style,
        geobox: season.geobox,
        outline: season.outline,
        chips,
        passed_over,
    })
}

/// Adds a chip; of those of one pass the one with the most valid pixels stays, the first of equals.
fn add(chips: &mut Vec<SeasonChip>, chip: SeasonChip, passed_over: &mut Vec<PassedOver>) {
    let last = chips
        .last_mut()
        .filter(|last| (chip.datetime - last.datetime).num_seconds().abs() <= PASS_SECONDS);
    let Some(last) = last else {
        chips.push(chip);
        return;
    };
    let (kept, other) = match chip.valid > last.valid {
        true => {
            let other = std::mem::replace(last, chip);
            (last.item_id.clone(), other)
        }
        false => (last.item_id.clone(), chip),
    };
    passed_over.push(PassedOver {
        item_id: other.item_id,
        reason: format!("{kept} of the same pass shows as much of the parcel or more"),
    });
}

/// An image with the bands of a style.
struct Image {
    id: String,
    datetime: DateTime<Utc>,
    bands: Vec<BandRef>,
    classes: Option<BandRef>,
}

impl Image {
    async fn open(item: &ItemSource, style: ChipStyle) -> Result<Self, ExtractError> {
        let wrong = |reason: String| ExtractError::Items {
            href: item.id.clone(),
            reason,
        };
        let datetime = item
            .datetime
            .ok_or_else(|| wrong("it has no date".to_owned()))?;
        let names = style.bands().iter();
        let classes = match style.is_optical() {
            true => vec!["SCL".to_owned(), "scl".to_owned()],
            false => Vec::new(),
        };
        let choice = BandChoice {
            bands: names
                .flat_map(|name| [name.to_string(), name.to_lowercase()])
                .collect(),
            classes,
            ..BandChoice::default()
        };
        let found = open_bands(&item.id, &item.assets, None, &choice)
            .await?
            .bands;
        let finest = |name: &str, is_class: bool| {
            let same = found
                .iter()
                .filter(|band| band.is_class == is_class && band.name.eq_ignore_ascii_case(name));
            same.max_by_key(|band| u64::from(band.raster.size().width))
                .cloned()
        };
        let mut bands = Vec::new();
        for name in style.bands() {
            let band = finest(name, false);
            bands.push(band.ok_or_else(|| wrong(format!("it has no band {name}")))?);
        }
        Ok(Self {
            id: item.id.clone(),
            datetime,
            bands,
            classes: finest("SCL", true),
        })
    }
}

/// The grid of a season and the parcel on it.
struct Season {
    style: ChipStyle,
    geobox: GeoBox,
    outline: MultiPolygon<f64>,
    inside: CoverageMask,
}

impl Season {
    fn new(
        image: &Image,
        parcel: &geo_types::Geometry<f64>,
        crs: &Crs,
        options: &CalendarOptions,
    ) -> Result<Self, ExtractError> {
        let finest = image
            .bands
            .iter()
            .max_by_key(|band| band.raster.size().width);
        let raster = &finest
            .ok_or_else(|| grid(&image.id, "it has no band"))?
            .raster;
        let whole = Extractor::geobox(raster)?;
        let wrong = |reason: &dyn std::fmt::Display| grid(raster.href(), &reason.to_string());
        let projector = Projector::new(crs, whole.crs(), &ShiftOptions::default());
        let projector = projector.map_err(|error| wrong(&error))?;
        let step = whole.transform().resolution();
        let (outline, mut around) = placed(parcel, &projector, EDGE_TOLERANCE_PX * step.x.abs())
            .map_err(|error| wrong(&error))?;
        let metres = match whole.crs().is_geographic() {
            true => DEGREE_M,
            false => whole.crs().unit_to_metre(),
        };
        let margin = options.margin_m / metres;
        around.min_x -= margin;
        around.min_y -= margin;
        around.max_x += margin;
        around.max_y += margin;
        let geobox = aligned(&whole, &around).ok_or_else(|| ExtractError::Limit {
            reason: format!(
                "the parcel with its margin is more than {SIDE_MAX_PX} pixels wide: too large for a chip"
            ),
        })?;
        let inside = match outline.0.is_empty() {
            // Of a point all of the chip counts.
            true => coverage(&rectangle(&geobox), &geobox, CoverageRule::Centre),
            false => match coverage(&outline, &geobox, CoverageRule::Centre) {
                none if none.runs.is_empty() => coverage(&outline, &geobox, CoverageRule::Fraction),
                some => some,
            },
        };
        Ok(Self {
            style: options.style,
            geobox,
            outline,
            inside,
        })
    }

    /// Reads an image; the inner error says why it is not shown.
    async fn chip(&self, image: Image) -> Result<Result<SeasonChip, PassedOver>, ExtractError> {
        let none = |reason: &str| PassedOver {
            item_id: image.id.clone(),
            reason: reason.to_owned(),
        };
        let mut bands = Vec::with_capacity(image.bands.len());
        for band in &image.bands {
            let Some(values) = self.values(band).await? else {
                return Ok(Err(none("the parcel lies outside")));
            };
            let physical = |value: Option<f64>| match value {
                Some(value) => (value * band.scale + band.offset) as f32,
                None => f32::NAN,
            };
            bands.push(values.into_iter().map(physical).collect());
        }
        let classes = match &image.classes {
            Some(band) => self.values(band).await?,
            None => None,
        };
        let layers = self.style.layers_of(bands);
        let is_valid = |index: usize| layers.iter().all(|layer| layer[index].is_finite());
        let valid = self.share(is_valid);
        if valid == 0.0 {
            return Ok(Err(none("no pixel of the parcel is valid")));
        }
        let hidden = classes.map(|classes| {
            self.share(|index| {
                let class = classes[index].map_or(0, |class| class as i64);
                HIDING_CLASSES.contains(&class)
            })
        });
        Ok(Ok(SeasonChip {
            item_id: image.id,
            datetime: image.datetime,
            layers,
            valid,
            hidden,
            hrefs: image
                .bands
                .iter()
                .map(|band| band.raster.href().to_owned())
                .collect(),
        }))
    }

    /// Returns the share of the parcel's pixels of which something holds.
    fn share(&self, holds: impl Fn(usize) -> bool) -> f64 {
        let width = self.geobox.size().width as usize;
        let (mut held, mut all) = (0_usize, 0_usize);
        for run in &self.inside.runs {
            let from = run.row as usize * width + run.col as usize;
            all += run.len as usize;
            held += (from..from + run.len as usize)
                .filter(|index| holds(*index))
                .count();
        }
        if all > 0 {
            held as f64 / all as f64
        } else {
            0.0
        }
    }

    /// Returns a band on the grid of the season; `None` where it does not meet it.
    async fn values(&self, band: &BandRef) -> Result<Option<Vec<Option<f64>>>, ExtractError> {
        let geobox = Extractor::geobox(&band.raster)?;
        let Some(window) = self.window_on(&geobox) else {
            return Ok(None);
        };
        let chip = Chip::read(&band.raster, band.band, &geobox, window).await?;
        Ok(Some(chip.values_on(&self.geobox)))
    }

    /// Returns the pixels of another grid that lie below that of the season, and one around them.
    fn window_on(&self, other: &GeoBox) -> Option<Window> {
        let projector = Projector::new(self.geobox.crs(), other.crs(), &ShiftOptions::default());
        let mut corners = self.geobox.corners();
        projector.ok()?.project(&mut corners).ok()?;
        let mut around = Bounds::empty();
        for corner in corners {
            around.extend(other.transform().to_grid(corner));
        }
        let size = other.size();
        let side = |from: f64, to: f64, end: u32| {
            let from = (from.floor() - 1.0).clamp(0.0, f64::from(end)) as u32;
            let to = (to.ceil() + 1.0).clamp(0.0, f64::from(end)) as u32;
            (from, to - from)
        };
        let (col, width) = side(around.min_x, around.max_x, size.width);
        let (row, height) = side(around.min_y, around.max_y, size.height);
        let window = Window {
            col,
            row,
            width,
            height,
        };
        (!window.is_empty()).then_some(window)
    }
}

fn grid(href: &str, reason: &str) -> ExtractError {
    ExtractError::Grid {
        href: href.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Returns the outline in another CRS, empty for a point, and the rectangle around it.
fn placed(
    parcel: &geo_types::Geometry<f64>,
    projector: &Projector,
    tolerance: f64,
) -> Result<(MultiPolygon<f64>, Bounds), String> {
    let outline = match parcel {
        geo_types::Geometry::Polygon(polygon) => MultiPolygon(vec![polygon.clone()]),
        geo_types::Geometry::MultiPolygon(polygons) => polygons.clone(),
        _ => MultiPolygon(Vec::new()),
    };
    let outline = project_parcel(&outline, projector, tolerance);
    let outline = outline.map_err(|error| error.to_string())?;
    let mut around = Bounds::empty();
    if let geo_types::Geometry::Point(point) = parcel {
        let mut place = [Point {
            x: point.x(),
            y: point.y(),
        }];
        let there = projector.project(&mut place);
        there.map_err(|error| error.to_string())?;
        around.extend(place[0]);
    }
    for coord in outline
        .iter()
        .flat_map(|polygon| polygon.exterior().coords())
    {
        around.extend(Point {
            x: coord.x,
            y: coord.y,
        });
    }
    match around.is_empty() && !matches!(parcel, geo_types::Geometry::Point(_)) {
        true => Err("the parcel has no outline".to_owned()),
        false => Ok((outline, around)),
    }
}

/// Returns the grid of whole pixels around a rectangle, also beyond the raster; `None` where it has too
/// many.
fn aligned(whole: &GeoBox, around: &Bounds) -> Option<GeoBox> {
    let mut pixels = Bounds::empty();
    for (x, y) in [(around.min_x, around.min_y), (around.max_x, around.max_y)] {
        pixels.extend(whole.transform().to_grid(Point { x, y }));
    }
    let origin = Point {
        x: pixels.min_x.floor(),
        y: pixels.min_y.floor(),
    };
    let (width, height) = (
        pixels.max_x.ceil() - origin.x,
        pixels.max_y.ceil() - origin.y,
    );
    let is_fitting = (1.0..=SIDE_MAX_PX).contains(&width) && (1.0..=SIDE_MAX_PX).contains(&height);
    let size = Size {
        width: width as u32,
        height: height as u32,
    };
    let transform = whole.transform().shifted(origin);
    is_fitting.then(|| GeoBox::new(whole.crs().clone(), transform, size))?
}

fn rectangle(geobox: &GeoBox) -> MultiPolygon<f64> {
    let corners = geobox.corners().map(|corner| (corner.x, corner.y));
    let ring = geo_types::LineString::from(corners.to_vec());
    MultiPolygon(vec![geo_types::Polygon::new(ring, Vec::new())])
}

impl Calendar {
    /// Returns the season as a GeoTIFF: a band for each date and layer, named `DATETIME LAYER`, in the
    /// order of dates. Not on a compute thread, see [`write_tiff`].
    ///
    /// # Errors
    /// Where there is no date, or it cannot be written.
    pub fn tiff(&self) -> Result<Vec<u8>, ExtractError> {
        if self.chips.is_empty() {
            return Err(ExtractError::Options {
                reason: "there is no date to write".to_owned(),
            });
        }
        let names = self.chips.iter().flat_map(|chip| {
            let date = chip.datetime.format("%Y-%m-%dT%H:%M:%SZ");
            let layers = self.style.layers().iter();
            layers.map(move |layer| format!("{date} {layer}"))
        });
        let spec = CogSpec {
            geobox: self.geobox.clone(),
            data_type: DataType::F32,
            bands: names
                .map(|name| BandSpec {
                    name: Some(name),
                    color: ColorInterpretation::Gray,
                    ..BandSpec::default()
                })
                .collect(),
            nodata: Some(f64::NAN),
            has_mask: false,
            metadata: Vec::new(),
            color_map: None,
            area_or_point: AreaOrPoint::Area,
        };
        let layers = self.chips.iter().flat_map(|chip| &chip.layers);
        let bands: Vec<Pixels> = layers.map(|layer| Pixels::F32(layer.clone())).collect();
        write_tiff(&spec, &bands)
    }
}

#[cfg(test)]
mod tests {
    use swath_grid::Transform;

    use super::*;

    fn chip(item_id: &str, second: i64, valid: f64) -> SeasonChip {
        SeasonChip {
            item_id: item_id.to_owned(),
            datetime: DateTime::from_timestamp(second, 0).expect("an instant"),
            layers: vec![vec![0.5; 4]],
            valid,
            hidden: None,
            hrefs: Vec::new(),
        }
    }

    fn whole() -> GeoBox {
        let origin = Point {
            x: 500_000.0,
            y: 5_610_000.0,
        };
        let transform = Transform::north_up(origin, 10.0).expect("a transform");
        let size = Size {
            width: 100,
            height: 100,
        };
        GeoBox::new(Crs::from_epsg(32631).expect("a CRS"), transform, size).expect("a grid")
    }

    #[test]
    fn of_one_pass_the_image_that_shows_more_stays() {
        let (mut chips, mut passed_over) = (Vec::new(), Vec::new());
        for one in [
            chip("a", 0, 0.5),
            chip("b", 20, 0.9),
            chip("c", 30, 0.9),
            chip("d", 100_000, 0.1),
        ] {
            add(&mut chips, one, &mut passed_over);
        }
        let ids = |chips: &[SeasonChip]| -> Vec<String> {
            chips.iter().map(|chip| chip.item_id.clone()).collect()
        };
        assert_eq!(ids(&chips), ["b", "d"]);
        let gone: Vec<&str> = passed_over
            .iter()
            .map(|image| image.item_id.as_str())
            .collect();
        assert_eq!(gone, ["a", "c"]);
    }

    #[test]
    fn the_grid_is_of_whole_pixels_also_beyond_the_raster() {
        let around = Bounds {
            min_x: 499_985.0,
            min_y: 5_609_951.0,
            max_x: 500_031.0,
            max_y: 5_610_004.0,
        };
        let grid = aligned(&whole(), &around).expect("a grid");
        let origin = grid.transform().origin();
        assert_eq!((origin.x, origin.y), (499_980.0, 5_610_010.0));
        assert_eq!((grid.size().width, grid.size().height), (6, 6));
        let far = Bounds {
            max_x: 600_000.0,
            ..around
        };
        assert!(aligned(&whole(), &far).is_none());
    }

    #[test]
    fn stacks_name_date_and_layer() {
        let size = Size {
            width: 2,
            height: 2,
        };
        let window = Window::full(size);
        let mut calendar = Calendar {
            style: ChipStyle::Ndvi,
            geobox: whole().part(&window).expect("a grid"),
            outline: MultiPolygon(Vec::new()),
            chips: Vec::new(),
            passed_over: Vec::new(),
        };
        assert!(calendar.tiff().is_err());
        calendar.chips = vec![chip("a", 0, 1.0), chip("b", 86_400, 1.0)];
        let bytes = calendar.tiff().expect("a file");
        let text = String::from_utf8_lossy(&bytes);
        for name in ["1970-01-01T00:00:00Z NDVI", "1970-01-02T00:00:00Z NDVI"] {
            assert!(text.contains(name), "{name}");
        }
        let labels = crate::chips::SheetLabels::default();
        let sheet = crate::chips::draw_sheet(&calendar, &labels);
        assert!(sheet.starts_with(b"\x89PNG") && sheet.len() > 1_000);
    }
}
