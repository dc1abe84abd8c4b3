//! Pictures and values from the map function, for all services.

use axum::response::Response;
use chrono::NaiveDate;
use swath_grid::GeoBox;
use swath_raster::{Pixels, Raster, RasterBand, Resampling};
use swath_stac::Interval;

use super::failure::{Fault, OwsFailure};
use super::info::{Number, PixelValues};
use super::kvp::Kvp;
use super::picture::{Picture, Rgba};
use super::times::{self, TimeValue};
use crate::asker::Asker;
use crate::map::{
    self, Background, CompositeChoice, ImageFormat, Layer, MapFailure, MapRequest, ReadRequest,
    StyleChoice, TimeChoice, ValueKind,
};

/// A picture of one layer at one time.
#[derive(Debug, Clone)]
pub(crate) struct Drawing {
    pub(crate) layer: String,
    pub(crate) style: StyleChoice,
    pub(crate) time: TimeChoice,
    pub(crate) composite: Option<CompositeChoice>,
    pub(crate) geobox: GeoBox,
}

impl From<MapFailure> for OwsFailure {
    fn from(failure: MapFailure) -> Self {
        let (fault, locator) = match &failure {
            MapFailure::LayerUnknown { .. } => (Fault::Layer, Some("LAYERS")),
            MapFailure::StyleUnknown { .. } => (Fault::Style, Some("STYLES")),
            MapFailure::CrsUnknown { .. } => (Fault::Crs, Some("CRS")),
            MapFailure::FormatUnknown { .. } => (Fault::Format, Some("FORMAT")),
            MapFailure::TimeInvalid { .. } => (Fault::Dimension, Some("TIME")),
            MapFailure::BadExpression { .. } => (Fault::InvalidParameter, Some("EXPRESSION")),
            MapFailure::BadParameter { .. } => (Fault::InvalidParameter, None),
            MapFailure::TooLarge { .. } => (Fault::TooLarge, None),
            MapFailure::NothingThere { .. } => (Fault::Dimension, None),
            MapFailure::Unavailable => (Fault::Unavailable, None),
            MapFailure::Internal => (Fault::Internal, None),
        };
        let failed = Self::new(fault, failure.to_string());
        match locator {
            Some(locator) => failed.at(locator),
            None => failed,
        }
    }
}

/// Returns a style by name with what parameters of our own (those of `/tiles`) replace.
///
/// # Errors
/// Where one of them is too long.
pub(crate) fn style_of(kvp: &Kvp, name: &str) -> Result<StyleChoice, OwsFailure> {
    const OWN: [&str; 6] = [
        "EXPRESSION",
        "RESCALE",
        "COLORMAP",
        "GAMMA",
        "NODATA",
        "RESAMPLING",
    ];
    let name = match name {
        "default" => "",
        name => name,
    };
    let mut style = StyleChoice::named(name);
    for parameter in OWN {
        if let Some(value) = kvp.get(parameter) {
            style.take(&parameter.to_ascii_lowercase(), value)?;
        }
    }
    Ok(style)
}

/// Returns what becomes of many dates: COMPOSITE and MASK_SCL, of our own as above.
///
/// # Errors
/// Where they make no sense.
pub(crate) fn composite_of(kvp: &Kvp) -> Result<Option<CompositeChoice>, OwsFailure> {
    Ok(CompositeChoice::parse(
        kvp.get("COMPOSITE"),
        kvp.get("MASK_SCL"),
    )?)
}

/// Returns the items that a value of TIME means.
pub(crate) fn time_of(value: &TimeValue, layer: &Layer) -> TimeChoice {
    time_in(value, &layer.days)
}

/// Returns the items that a value of TIME means where `days` hold some, the newest first.
pub(crate) fn time_in(value: &TimeValue, days: &[NaiveDate]) -> TimeChoice {
    match times::choose(value, days) {
        None => TimeChoice::Newest,
        Some(period) => TimeChoice::Within(Interval {
            start: Some(period.start),
            end: Some(period.end),
        }),
    }
}

/// Draws and answers, or says that the client has it already.
///
/// # Errors
/// Why there is no map.
pub(crate) async fn render(
    asker: &Asker,
    drawing: &Drawing,
    format: &str,
    background: Option<[u8; 3]>,
) -> Result<Response, OwsFailure> {
    let request = MapRequest {
        layer: drawing.layer.clone(),
        time: drawing.time,
        composite: drawing.composite.clone(),
        geobox: drawing.geobox.clone(),
        style: drawing.style.clone(),
        background: background.map_or(Background::Transparent, Background::Color),
        format: ImageFormat::of_media_type(format).unwrap_or(ImageFormat::Png),
    };
    Ok(map::answer_map(asker, &request).await?)
}

/// Draws a picture to lay over others: four bytes a pixel; says whether it has gaps that further items
/// might fill.
///
/// # Errors
/// Why there is no map.
pub(crate) async fn pixels(
    asker: &Asker,
    drawing: &Drawing,
) -> Result<(Vec<u8>, bool), OwsFailure> {
    let request = MapRequest {
        layer: drawing.layer.clone(),
        time: drawing.time,
        composite: drawing.composite.clone(),
        geobox: drawing.geobox.clone(),
        style: drawing.style.clone(),
        background: Background::Transparent,
        format: ImageFormat::Png,
    };
    let prepared = map::prepare_map(&asker.state, &asker.viewer, &request).await?;
    let (image, is_cut) = prepared.image(&asker.state, &asker.viewer).await?;
    Ok((image.to_rgba(), is_cut))
}

/// Returns media type and bytes of a picture that was made here; `background` is what is seen behind it
/// in forms without opacity.
///
/// # Errors
/// [`Fault::TooLarge`] where the format cannot hold it.
pub(crate) async fn encode(
    picture: Picture,
    format: &str,
    [red, green, blue, _]: Rgba,
) -> Result<(&'static str, Vec<u8>), OwsFailure> {
    let format = ImageFormat::of_media_type(format).unwrap_or(ImageFormat::Png);
    let encoded = swath_io::compute::run(move |_| {
        let image = picture.into_image();
        match format {
            ImageFormat::Jpeg => image.to_jpeg([red, green, blue]),
            ImageFormat::Webp => image.to_webp(),
            _ => Ok(image.to_png()),
        }
    });
    let bytes = encoded
        .await
        .map_err(|error| OwsFailure::new(Fault::TooLarge, error.to_string()))?;
    let media_type = match format {
        ImageFormat::Jpeg | ImageFormat::Webp => format.media_type(),
        _ => ImageFormat::Png.media_type(),
    };
    Ok((media_type, bytes))
}

/// Bands to read.
pub(crate) struct ValuesWanted<'a> {
    pub(crate) layer: &'a str,
    pub(crate) time: TimeChoice,
    pub(crate) composite: Option<CompositeChoice>,
    pub(crate) geobox: &'a GeoBox,
    pub(crate) bands: &'a [&'a str],
    pub(crate) resampling: Resampling,
}

/// Reads bands of a layer on a grid, as they are stored.
///
/// # Errors
/// Why there are none.
pub(crate) async fn values(asker: &Asker, wanted: &ValuesWanted<'_>) -> Result<Raster, MapFailure> {
    let request = ReadRequest {
        layer: wanted.layer.to_owned(),
        time: wanted.time,
        geobox: wanted.geobox.clone(),
        bands: wanted.bands.iter().map(|name| (*name).to_owned()).collect(),
        resampling: wanted.resampling,
        values: ValueKind::Stored,
        composite: wanted.composite.clone(),
    };
    let data = map::read_map(&asker.state, &asker.viewer, &request).await?;
    Ok(data.raster)
}

/// Which items of a layer are shown, and what becomes of many.
pub(crate) struct ItemsShown {
    pub(crate) time: TimeChoice,
    pub(crate) composite: Option<CompositeChoice>,
}

/// Returns the values of all bands of a layer at the one pixel of `geobox`: as they are stored, of a
/// composite the physical ones.
///
/// # Errors
/// Why there are none.
pub(crate) async fn pixel_values(
    asker: &Asker,
    layer: &Layer,
    shown: ItemsShown,
    geobox: &GeoBox,
) -> Result<PixelValues, OwsFailure> {
    let names: Vec<&str> = layer.bands.iter().map(|band| band.name.as_str()).collect();
    let wanted = ValuesWanted {
        layer: &layer.name,
        time: shown.time,
        composite: shown.composite,
        geobox,
        bands: &names,
        resampling: Resampling::Nearest,
    };
    let bands = match values(asker, &wanted).await {
        Ok(raster) => raster.bands,
        // Beside all images there is no measurement: that is no mistake of the one who asks.
        Err(MapFailure::NothingThere { .. }) => Vec::new(),
        Err(failure) => return Err(failure.into()),
    };
    let value = |band: &RasterBand| match band.mask.is_valid(0) {
        true => first(&band.pixels),
        false => None,
    };
    let found = bands.iter().map(value).chain(std::iter::repeat(None));
    Ok(PixelValues {
        layer: layer.name.clone(),
        values: names.into_iter().map(str::to_owned).zip(found).collect(),
    })
}

/// Returns the first value as its type has it.
fn first(pixels: &Pixels) -> Option<Number> {
    fn whole<T: Copy + Into<i128>>(values: &[T]) -> Option<Number> {
        values.first().map(|value| Number::Whole((*value).into()))
    }
    match pixels {
        Pixels::U8(values) => whole(values),
        Pixels::I8(values) => whole(values),
        Pixels::U16(values) => whole(values),
        Pixels::I16(values) => whole(values),
        Pixels::U32(values) => whole(values),
        Pixels::I32(values) => whole(values),
        Pixels::U64(values) => whole(values),
        Pixels::I64(values) => whole(values),
        Pixels::F32(values) => values.first().map(|value| Number::Float(f64::from(*value))),
        Pixels::F64(values) => values.first().map(|value| Number::Float(*value)),
    }
}
