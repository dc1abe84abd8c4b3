//! Chips: pages of pictures, GeoTIFFs of single bands, a background.

use std::fmt::Write as _;

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse, Response};
use futures::{StreamExt, TryStreamExt};
use geo_types::Coord;
use serde_json::{Map, Value};
use swath_access::Viewer;
use swath_stac::{Interval, SortField, parse_interval_or_days};

use super::chip::{Chip, Picture, Stretch, cut, on_own_thread};
use super::columns::Columns;
use super::images::{IMAGES_MAX, Image, ImageQuestion, images_of};
use super::parameters::{Asked, Flag};
use super::sought::Sought;
use crate::body::json_object;
use crate::error::Problem;
use crate::links::BaseUrl;
use crate::state::{AppState, Bounded};
use crate::viewer::Caller;

/// Side of a chip where nothing is said, in metres.
const CHIP_M: f64 = 1_280.0;
/// Longest side of a chip, in metres.
const CHIP_MAX_M: f64 = 5_120.0;
/// Side of the pictures of a page, in pixels.
const PAGE_CHIP_PX: u32 = 128;
/// Columns of a page.
const PAGE_COLUMNS: usize = 8;
/// Chips that are cut side by side.
const CHIPS_AT_ONCE: usize = 4;
/// Most bands of one batch.
const BANDS_MAX: usize = 20;
/// Most images between the first and the last day of a batch.
const IMAGES_BETWEEN_MAX: usize = 2_000;
/// Longest side of a background, in pixels.
const BACKGROUND_MAX_PX: f64 = 2_048.0;
const TIFF: &str = "image/tiff";
const PNG: &str = "image/png";

/// Answers `/query/rawChipByLocation` and `/query/rawChipByParcelID`.
pub(super) async fn raw_chip(
    Bounded(state): Bounded,
    caller: Caller,
    sought: Sought,
    asked: Asked,
) -> Result<Columns, Problem> {
    let place = sought.place(&state, &caller.viewer, &asked).await?;
    raw(&state, &caller.viewer, &asked, place).await
}

async fn raw(
    state: &AppState,
    viewer: &Viewer,
    asked: &Asked,
    place: Coord<f64>,
) -> Result<Columns, Problem> {
    let band = asked.text("band").unwrap_or("B08");
    let size_m = size_of(asked.number("chipsize")?)?;
    let images = season(state, viewer, asked, place).await?;
    if asked.flag("onlylist", Flag::Off) {
        let mut columns = Columns::default();
        columns.push("dates", images.iter().map(date_of));
        columns.push("chips", images.iter().map(|image| image.id.as_str()));
        return Ok(columns);
    }
    let wanted = images
        .into_iter()
        .map(|image| (image, band.to_owned()))
        .collect();
    raw_chips(state, viewer, wanted, place, size_m).await
}

/// Answers `POST /query/rawChipsBatch`: `{lon, lat, tiles: [item], bands: [band], chipsize}`.
pub(super) async fn raw_batch(
    Bounded(state): Bounded,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Columns, Problem> {
    let body = json_object(&headers, &body)?;
    let place = place_of(&body)?;
    let size_m = size_of(body.get("chipsize").and_then(Value::as_f64))?;
    let tiles = texts(&body, "tiles", IMAGES_MAX)?;
    let bands = texts(&body, "bands", BANDS_MAX)?;
    let question = ImageQuestion {
        collection: &state.cbm.s2,
        place,
        interval: None,
        ids: tiles
            .iter()
            .map(|tile| tile.trim_end_matches(".SAFE").to_owned())
            .collect(),
        filter: None,
        sort: None,
        images_max: IMAGES_MAX,
    };
    let images = images_of(&state, &caller.viewer, question).await?;
    let wanted = pairs(images, &bands)?;
    raw_chips(&state, &caller.viewer, wanted, place, size_m).await
}

/// Answers `POST /query/rawS1ChipsBatch`: `{lon, lat, dates: [YYYYMMDD…], chipsize, plevel}`.
pub(super) async fn raw_s1_batch(
    Bounded(state): Bounded,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Columns, Problem> {
    let body = json_object(&headers, &body)?;
    let place = place_of(&body)?;
    let size_m = size_of(body.get("chipsize").and_then(Value::as_f64))?;
    let dates = texts(&body, "dates", IMAGES_MAX)?;
    let level = body
        .get("plevel")
        .and_then(Value::as_str)
        .unwrap_or("CARD-BS");
    let collection = match level {
        "CARD-BS" => &state.cbm.bs,
        "CARD-COH6" => &state.cbm.c6,
        _ => return Err(Problem::invalid("plevel: CARD-BS or CARD-COH6")),
    };
    let mut days = Vec::with_capacity(dates.len());
    for date in &dates {
        let digits: String = date.chars().filter(char::is_ascii_digit).take(8).collect();
        let day = chrono::NaiveDate::parse_from_str(&digits, "%Y%m%d");
        days.push(day.map_err(|_| Problem::invalid("dates: days as YYYYMMDD or YYYY-MM-DD"))?);
    }
    days.sort_unstable();
    let (first, last) = (days[0], days[days.len() - 1]);
    let question = ImageQuestion {
        collection,
        place,
        interval: Some(interval(&first.to_string(), &last.to_string())?),
        ids: Vec::new(),
        filter: None,
        sort: None,
        images_max: IMAGES_BETWEEN_MAX,
    };
    // One search for all days, not one for each.
    let mut images = images_of(&state, &caller.viewer, question).await?;
    images.retain(|image| days.binary_search(&image.datetime.date_naive()).is_ok());
    let wanted = pairs(images, &["VV".to_owned(), "VH".to_owned()])?;
    raw_chips(&state, &caller.viewer, wanted, place, size_m).await
}

fn pairs(images: Vec<Image>, bands: &[String]) -> Result<Vec<(Image, String)>, Problem> {
    if images.len() * bands.len() > IMAGES_MAX {
        return Err(Problem::invalid(format!(
            "more than {IMAGES_MAX} chips: ask for fewer images or bands"
        )));
    }
    let of_image = |image: Image| bands.iter().map(move |band| (image.clone(), band.clone()));
    Ok(images.into_iter().flat_map(of_image).collect())
}

/// Cuts chips, a few side by side, and keeps them as files.
async fn raw_chips(
    state: &AppState,
    viewer: &Viewer,
    wanted: Vec<(Image, String)>,
    place: Coord<f64>,
    size_m: f64,
) -> Result<Columns, Problem> {
    let made = futures::stream::iter(wanted).map(|(image, band)| async move {
        let Some(raster) = image.band(state, viewer, &band).await? else {
            return Ok(None);
        };
        let Some(chip) = cut(&raster, place, size_m).await? else {
            return Ok(None);
        };
        let bytes = on_own_thread(move || chip.tiff()).await?;
        let name = format!("{}.{band}.tif", image.id.replace('.', "_"));
        let path = state.chips.keep(&name, TIFF, bytes)?;
        Ok::<_, Problem>(Some((date_of(&image), path)))
    });
    let made: Vec<Option<(String, String)>> = made.buffered(CHIPS_AT_ONCE).try_collect().await?;
    let (dates, chips): (Vec<String>, Vec<String>) = made.into_iter().flatten().unzip();
    let mut columns = Columns::default();
    columns.push("dates", dates);
    columns.push("chips", chips);
    Ok(columns)
}

/// Answers `/query/chipsByLocation` and `/query/chipsByParcelID`: a page of pictures.
pub(super) async fn page_of_chips(
    Bounded(state): Bounded,
    caller: Caller,
    sought: Sought,
    base: BaseUrl,
    asked: Asked,
) -> Result<Response, Problem> {
    let place = sought.place(&state, &caller.viewer, &asked).await?;
    page(&state, &caller.viewer, &base, &asked, place).await
}

async fn page(
    state: &AppState,
    viewer: &Viewer,
    base: &BaseUrl,
    asked: &Asked,
    place: Coord<f64>,
) -> Result<Response, Problem> {
    let bands = three(
        asked
            .text("bands")
            .or(asked.text("band"))
            .unwrap_or("B08_B04_B03"),
    )?;
    let stretch = Stretch::parse(asked.text("lut").unwrap_or("5_95"))?;
    let size_m = size_of(asked.number("chipsize")?)?;
    let images = season(state, viewer, asked, place).await?;
    let (bands, stretch) = (&bands, &stretch);
    let made = futures::stream::iter(images).map(|image| async move {
        let Some(chips) = windows(state, viewer, &image, bands, place, size_m).await? else {
            return Ok(None);
        };
        let stretch = stretch.clone();
        let bytes = swath_io::compute::run(move |_| {
            Picture::new(&chips, &stretch)
                .resized(PAGE_CHIP_PX, PAGE_CHIP_PX)
                .png()
        })
        .await;
        let name = format!("{}.png", image.id.replace('.', "_"));
        let path = state.chips.keep(&name, PNG, bytes)?;
        Ok::<_, Problem>(Some((date_of(&image), path)))
    });
    let made: Vec<Option<(String, String)>> = made.buffered(CHIPS_AT_ONCE).try_collect().await?;
    let made: Vec<(String, String)> = made.into_iter().flatten().collect();
    let mut html =
        String::from("<!doctype html><html><meta charset=\"utf-8\"><title>Chips</title><table>");
    for row in made.chunks(PAGE_COLUMNS) {
        html.push_str("<tr>");
        for (date, path) in row {
            // Both are of letters and digits that need no escaping.
            let _ = write!(
                html,
                "<td><figure><img src=\"{}\" width=\"{PAGE_CHIP_PX}\" height=\"{PAGE_CHIP_PX}\" \
                 alt=\"{date}\"><figcaption>{date}</figcaption></figure></td>",
                base.href(path)
            );
        }
        html.push_str("</tr>");
    }
    html.push_str("</table></html>");
    Ok(Html(html).into_response())
}

/// Answers `/query/backgroundByLocation` and `/query/backgroundByParcelID`: the address of a picture.
pub(super) async fn background_picture(
    Bounded(state): Bounded,
    caller: Caller,
    sought: Sought,
    base: BaseUrl,
    asked: Asked,
) -> Result<String, Problem> {
    let place = sought.place(&state, &caller.viewer, &asked).await?;
    background(&state, &caller.viewer, &base, &asked, place).await
}

/// The Sentinel-2 image with fewest clouds in natural colours: imagery of others is not held here.
async fn background(
    state: &AppState,
    viewer: &Viewer,
    base: &BaseUrl,
    asked: &Asked,
    place: Coord<f64>,
) -> Result<String, Problem> {
    let size_px = asked.number("chipsize")?.unwrap_or(256.0);
    if !(16.0..=BACKGROUND_MAX_PX).contains(&size_px) {
        return Err(Problem::invalid(format!(
            "chipsize: 16 to {BACKGROUND_MAX_PX} pixels"
        )));
    }
    let extend_m = asked.number("extend")?.unwrap_or(256.0);
    let extend_m = size_of(Some(extend_m))?;
    let sort = SortField {
        field: "eo:cloud_cover".to_owned(),
        is_descending: false,
    };
    let question = ImageQuestion {
        collection: &state.cbm.s2,
        place,
        interval: None,
        ids: Vec::new(),
        filter: None,
        sort: Some(sort),
        images_max: 5,
    };
    let bands = ["B04", "B03", "B02"].map(str::to_owned);
    for image in images_of(state, viewer, question).await? {
        let Some(chips) = windows(state, viewer, &image, &bands, place, extend_m).await? else {
            continue;
        };
        let is_png = asked.text("iformat").unwrap_or("png") != "tif";
        let encoded = on_own_thread(move || {
            let side = size_px as u32;
            let picture =
                Picture::new(&chips, &Stretch::Percentiles(2.0, 98.0)).resized(side, side);
            match is_png {
                true => Ok(picture.png()),
                false => picture.tiff(),
            }
        });
        let (kind, ending) = if is_png { (PNG, "png") } else { (TIFF, "tif") };
        let name: String = asked.text("tms").unwrap_or("sentinel-2").to_lowercase();
        let name: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(40)
            .collect();
        let path = state
            .chips
            .keep(&format!("{name}.{ending}"), kind, encoded.await?)?;
        return Ok(base.href(&path));
    }
    // What the client takes for "no image".
    Ok("{}".to_owned())
}

/// Returns the windows of three bands; `None` where the image lacks one or lies elsewhere.
async fn windows(
    state: &AppState,
    viewer: &Viewer,
    image: &Image,
    bands: &[String; 3],
    place: Coord<f64>,
    size_m: f64,
) -> Result<Option<[Chip; 3]>, Problem> {
    let mut chips = Vec::with_capacity(3);
    for band in bands {
        let Some(raster) = image.band(state, viewer, band).await? else {
            return Ok(None);
        };
        let Some(chip) = cut(&raster, place, size_m).await? else {
            return Ok(None);
        };
        chips.push(chip);
    }
    Ok(chips.try_into().ok())
}

/// Returns the Sentinel-2 images of the asked time, oldest first.
async fn season(
    state: &AppState,
    viewer: &Viewer,
    asked: &Asked,
    place: Coord<f64>,
) -> Result<Vec<Image>, Problem> {
    let question = ImageQuestion {
        collection: &state.cbm.s2,
        place,
        interval: Some(interval(
            asked.needed("start_date")?,
            asked.needed("end_date")?,
        )?),
        ids: Vec::new(),
        filter: None,
        sort: None,
        images_max: IMAGES_MAX,
    };
    images_of(state, viewer, question).await
}

fn interval(start: &str, end: &str) -> Result<Interval, Problem> {
    let parsed = parse_interval_or_days(&format!("{start}/{end}"));
    parsed.map_err(|error| Problem::invalid(format!("start_date, end_date: {error}")))
}

fn date_of(image: &Image) -> String {
    image.datetime.format("%Y%m%dT%H%M%S").to_string()
}

fn size_of(size_m: Option<f64>) -> Result<f64, Problem> {
    let size_m = size_m.unwrap_or(CHIP_M);
    match size_m > 0.0 && size_m <= CHIP_MAX_M {
        true => Ok(size_m),
        false => Err(Problem::invalid(format!(
            "up to {CHIP_MAX_M} metres a side"
        ))),
    }
}

fn three(text: &str) -> Result<[String; 3], Problem> {
    let bands: Vec<String> = text.split('_').map(str::to_owned).collect();
    bands
        .try_into()
        .map_err(|_| Problem::invalid("bands: three, as B08_B04_B03"))
}

fn place_of(body: &Map<String, Value>) -> Result<Coord<f64>, Problem> {
    let number = |name: &str, most: f64| {
        let value = body.get(name);
        let number = value.and_then(|value| {
            value
                .as_f64()
                .or_else(|| value.as_str().and_then(|text| text.parse().ok()))
        });
        number
            .filter(|number: &f64| number.abs() <= most)
            .ok_or_else(|| Problem::invalid(format!("{name}: degrees are needed")))
    };
    Ok(Coord {
        x: number("lon", 180.0)?,
        y: number("lat", 90.0)?,
    })
}

fn texts(body: &Map<String, Value>, name: &str, most: usize) -> Result<Vec<String>, Problem> {
    let wrong = || Problem::invalid(format!("{name}: 1 to {most} texts"));
    let values = body.get(name).and_then(Value::as_array).ok_or_else(wrong)?;
    let texts: Option<Vec<String>> = values
        .iter()
        .map(|value| value.as_str().map(str::to_owned))
        .collect();
    texts
        .filter(|texts| (1..=most).contains(&texts.len()))
        .ok_or_else(wrong)
}
