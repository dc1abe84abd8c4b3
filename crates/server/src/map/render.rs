//! From a request to a picture.
//!
//! 1. Find the layer and its items, settle the style ([`prepare_map`]). The etag is known now.
//! 2. Read the bands of the style's expressions ([`mosaic`](super::mosaic)).
//! 3. Compute the expressions, paint, encode.

use bytes::Bytes;
use swath_access::Viewer;
use swath_grid::{GeoBox, Size};
use swath_raster::{
    ColorMap, Image, Mask, Painting, RasterBand, Resampling, ValueRange, encode_npy, paint,
};
use swath_series::Expression;

use super::failure::shown;
use super::geotiff::encode_geotiff;
use super::mosaic::{
    Mosaic, MosaicBands, ValueKind, Wanted, check_bands, read_items, valid_in_all,
};
use super::selection::{Selected, Sought, check_size, etag_of, select};
use super::styles::LayerStyle;
use super::{Background, ImageFormat, MapFailure, MapImage, MapRequest, StyleChoice, rasters};
use crate::state::AppState;

/// Side of the picture that values are looked at in where no range is declared, in pixels.
const SAMPLE_SIDE_PX: u32 = 256;
/// Share of the values that is darker than the first colour, and brighter than the last.
const TAIL: f64 = 0.02;
/// Strongest bending of brightness, and its inverse the weakest.
const GAMMA_MAX: f64 = 10.0;

/// A picture that can be drawn, and its etag.
#[derive(Debug)]
pub(crate) struct PreparedMap {
    /// Changes with the items, the style and the grid; quoted.
    pub(crate) etag: String,
    request: MapRequest,
    selected: Selected,
    style: SettledStyle,
}

/// How values become colours, with nothing left open but the range of greys.
#[derive(Debug, Clone)]
struct SettledStyle {
    expressions: Vec<Expression>,
    painting: Option<Painting>,
    gamma: f64,
    resampling: Resampling,
    nodata: Option<f64>,
}

/// Finds layer, items and style of a picture; reads no pixel.
///
/// # Errors
/// Where a part of the request makes no sense, is not there for this viewer, or is beyond a limit.
pub(crate) async fn prepare_map(
    state: &AppState,
    viewer: &Viewer,
    request: &MapRequest,
) -> Result<PreparedMap, MapFailure> {
    check_size(&request.geobox, 1)?;
    let sought = Sought {
        layer: &request.layer,
        time: &request.time,
        geobox: &request.geobox,
        composite: request.composite.as_ref(),
    };
    let selected = select(state, viewer, &sought).await?;
    let style = settle(&selected, &request.style)?;
    let background = match request.format {
        ImageFormat::GeoTiff | ImageFormat::Npy => Background::Transparent,
        _ => request.background,
    };
    let asked = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        request.geobox, request.style, background, request.format, request.composite
    );
    Ok(PreparedMap {
        etag: selected.etag(&asked),
        request: request.clone(),
        selected,
        style,
    })
}

impl PreparedMap {
    /// Draws the picture. Dropped, it stops after the block or the step that is in work.
    ///
    /// # Errors
    /// Where files cannot be read, or too much is asked for.
    pub(crate) async fn draw(
        self,
        state: &AppState,
        viewer: &Viewer,
    ) -> Result<MapImage, MapFailure> {
        let style = &self.style;
        let geobox = &self.request.geobox;
        let format = self.request.format;
        let is_picture = !matches!(format, ImageFormat::GeoTiff | ImageFormat::Npy);
        let painting = match (&style.painting, is_picture) {
            (Some(painting), _) => Some(painting.clone()),
            (None, true) => Some(self.greys(state, viewer).await?),
            (None, false) => None,
        };
        let (read, mosaic) = self.read(state, viewer, geobox).await?;
        if !is_picture {
            mosaic.check_whole()?;
        }
        let background = self.request.background;
        let geobox = geobox.clone();
        let names: Vec<String> = style
            .expressions
            .iter()
            .map(Expression::to_string)
            .collect();
        let size = geobox.size();
        let bytes = match (format, painting) {
            (ImageFormat::GeoTiff, _) => {
                let values = swath_io::compute::run(move |_| read.computed()).await;
                encode_geotiff(geobox, names, values).await?
            }
            (_, Some(painting)) if is_picture => {
                let drawn = swath_io::compute::run(move |_| {
                    let image = painted(&painting, size, &read.computed());
                    encoded(image, format, background)
                });
                drawn.await?
            }
            _ => {
                let encoded = swath_io::compute::run(move |_| {
                    let len = size.width as usize * size.height as usize;
                    let values = read.computed();
                    let bands = values.filled(len);
                    encode_npy(size.width, size.height, &bands, &values.mask)
                });
                encoded.await
            }
        };
        Ok(MapImage {
            bytes: Bytes::from(bytes),
            media_type: format.media_type(),
            etag: match mosaic.later.is_empty() {
                true => self.etag,
                false => etag_of(&self.etag, &mosaic.later),
            },
            is_cut: mosaic.is_cut,
        })
    }

    /// Draws the picture as pixels, to be laid over others; says whether it has gaps that further items
    /// might fill.
    ///
    /// # Errors
    /// As [`PreparedMap::draw`].
    pub(crate) async fn image(
        self,
        state: &AppState,
        viewer: &Viewer,
    ) -> Result<(Image, bool), MapFailure> {
        let painting = match &self.style.painting {
            Some(painting) => painting.clone(),
            None => self.greys(state, viewer).await?,
        };
        let size = self.request.geobox.size();
        let (read, mosaic) = self.read(state, viewer, &self.request.geobox).await?;
        let drawn = swath_io::compute::run(move |_| painted(&painting, size, &read.computed()));
        let image = drawn.await;
        Ok((image, mosaic.is_cut))
    }

    /// Reads what the style's expressions are computed from; the mosaic has no bands any more.
    async fn read(
        &self,
        state: &AppState,
        viewer: &Viewer,
        geobox: &GeoBox,
    ) -> Result<(ReadBands, Mosaic), MapFailure> {
        let names = band_names(&self.style.expressions);
        let wanted = Wanted {
            geobox,
            names: &names,
            resampling: self.style.resampling,
            values: ValueKind::Physical,
            nodata: self.style.nodata,
            composite: self.request.composite.as_ref(),
        };
        let mut mosaic = read_items(state, viewer, &self.selected, &wanted).await?;
        let read = ReadBands {
            expressions: self.style.expressions.clone(),
            names,
            bands: mosaic.bands.take(),
        };
        Ok((read, mosaic))
    }

    /// Returns greys between two percentiles of what the newest item of the layer has.
    async fn greys(&self, state: &AppState, viewer: &Viewer) -> Result<Painting, MapFailure> {
        let range = self.sampled_range(state, viewer).await?;
        Ok(Painting::Ramp {
            range,
            gamma: self.style.gamma,
            map: ColorMap::named("greys").expect("a map of the list"),
        })
    }

    async fn sampled_range(
        &self,
        state: &AppState,
        viewer: &Viewer,
    ) -> Result<ValueRange, MapFailure> {
        let nothing = ValueRange {
            low: 0.0,
            high: 1.0,
        };
        let layer = &self.selected.layer;
        let Some(newest) = &layer.newest else {
            return Ok(nothing);
        };
        let text: Vec<String> = self
            .style
            .expressions
            .iter()
            .map(Expression::to_string)
            .collect();
        let key = format!(
            "{} {} {text:?} {:?} {:?}",
            layer.name, newest.etag, self.style.nodata, self.request.composite
        );
        if let Some(range) = state.ranges.get(&key) {
            return Ok(range);
        }
        let names = band_names(&self.style.expressions);
        let Some(band) = names
            .first()
            .and_then(|name| super::bands::find_band(&newest.bands, name))
        else {
            return Ok(nothing);
        };
        let raster = rasters::open(state, viewer, &layer.resource, band, &newest.etag).await?;
        let (Some(crs), Some(transform)) = (raster.crs(), raster.transform()) else {
            return Ok(nothing);
        };
        let size = raster.size();
        let side = |pixels: u32| pixels.min(SAMPLE_SIDE_PX);
        let sample = Size {
            width: side(size.width),
            height: side(size.height),
        };
        let transform = transform.scaled(
            f64::from(size.width) / f64::from(sample.width),
            f64::from(size.height) / f64::from(sample.height),
        );
        let Some(geobox) = GeoBox::new(crs.clone(), transform, sample) else {
            return Ok(nothing);
        };
        let of_newest = Self {
            etag: String::new(),
            request: self.request.clone(),
            selected: Selected {
                layer: layer.clone(),
                items: [newest.clone()].into(),
                rest: None,
            },
            style: SettledStyle {
                resampling: Resampling::Nearest,
                ..self.style.clone()
            },
        };
        let (read, _) = of_newest.read(state, viewer, &geobox).await?;
        let range = swath_io::compute::run(move |_| read.computed().range()).await;
        let range = range.unwrap_or(nothing);
        state.ranges.keep(key, range);
        Ok(range)
    }
}

/// Bands on a grid, and what is to be computed from them.
struct ReadBands {
    expressions: Vec<Expression>,
    /// Of the bands.
    names: Vec<String>,
    /// `None` where no item has any of them.
    bands: Option<MosaicBands>,
}

impl ReadBands {
    /// Returns the values of the expressions; work for a compute thread.
    fn computed(self) -> Values {
        let Some(bands) = self.bands else {
            return Values {
                bands: vec![Vec::new(); self.expressions.len()],
                mask: Mask::None,
            };
        };
        let bands = bands.made();
        let mut mask = valid_in_all(&bands);
        let mut columns: Vec<Vec<f32>> = bands.into_iter().map(column).collect();
        let len = columns.first().map_or(0, Vec::len);
        let position = |name: &String| self.names.iter().position(|known| known == name);
        let mut all = Vec::with_capacity(self.expressions.len());
        for (index, expression) in self.expressions.iter().enumerate() {
            let own: Vec<usize> = expression.bands().iter().filter_map(position).collect();
            // A band by itself needs no arithmetic, and no copy where nobody else asks for it later.
            let is_band = own.len() == 1
                && expression.to_string().trim().trim_matches('"') == expression.bands()[0];
            let values = match (is_band, own.as_slice()) {
                (true, [column]) => {
                    let mut later = self.expressions[index + 1..].iter();
                    let is_asked_later = later.any(|later| {
                        later
                            .bands()
                            .iter()
                            .any(|name| position(name) == Some(*column))
                    });
                    match is_asked_later {
                        true => columns[*column].clone(),
                        false => std::mem::take(&mut columns[*column]),
                    }
                }
                _ => {
                    let own: Vec<&[f32]> = own
                        .iter()
                        .map(|column| columns[*column].as_slice())
                        .collect();
                    evaluated(expression, &own, &mask, len)
                }
            };
            all.push(values);
        }
        // What has no result in one of them is not there.
        for values in &all {
            mask = mask.and(&Mask::of_numbers(values));
        }
        Values { mask, bands: all }
    }
}

fn column(band: RasterBand) -> Vec<f32> {
    match band.pixels {
        swath_raster::Pixels::F32(values) => values,
        other => (0..other.len())
            .map(|index| other.get_f64(index) as f32)
            .collect(),
    }
}

/// Returns the values of an expression where its bands are valid, NaN elsewhere.
fn evaluated(expression: &Expression, bands: &[&[f32]], mask: &Mask, len: usize) -> Vec<f32> {
    let mut values = vec![None; bands.len()];
    let result = (0..len).map(|index| {
        if !mask.is_valid(index) {
            return f32::NAN;
        }
        for (value, band) in values.iter_mut().zip(bands) {
            *value = Some(f64::from(band[index]));
        }
        expression
            .evaluate(&values)
            .map_or(f32::NAN, |value| value as f32)
    });
    result.collect()
}

/// Values of expressions, and where all of them are there.
#[derive(Debug, Clone)]
pub(super) struct Values {
    /// One vector each; all are empty where there is nothing at all.
    pub(super) bands: Vec<Vec<f32>>,
    pub(super) mask: Mask,
}

impl Values {
    /// Returns the bands with `len` values each.
    pub(super) fn filled(&self, len: usize) -> Vec<Vec<f32>> {
        match self.mask {
            Mask::None => vec![vec![f32::NAN; len]; self.bands.len()],
            _ => self.bands.clone(),
        }
    }

    /// Returns the values of the first band without the lowest and the highest 2 %.
    fn range(&self) -> Option<ValueRange> {
        let band = self.bands.first()?;
        let mut known: Vec<f32> = band
            .iter()
            .enumerate()
            .filter(|(index, value)| self.mask.is_valid(*index) && value.is_finite())
            .map(|(_, value)| *value)
            .collect();
        known.sort_unstable_by(f32::total_cmp);
        let last = known.len().checked_sub(1)? as f64;
        let at = |share: f64| f64::from(known[(share * last).round() as usize]);
        let (low, high) = (at(TAIL), at(1.0 - TAIL));
        ValueRange::new(low, high).or_else(|| ValueRange::new(low, low + 1.0))
    }
}

/// Returns the bands of all expressions, each once.
fn band_names(expressions: &[Expression]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in expressions.iter().flat_map(Expression::bands) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn painted(painting: &Painting, size: Size, values: &Values) -> Image {
    let len = size.width as usize * size.height as usize;
    match values.mask {
        Mask::None => Image::Indexed {
            width: size.width,
            height: size.height,
            pixels: vec![0; len],
            palette: vec![[0; 3]],
        },
        _ => paint(
            painting,
            size.width,
            size.height,
            &values.bands,
            &values.mask,
        ),
    }
}

fn encoded(
    image: Image,
    format: ImageFormat,
    background: Background,
) -> Result<Vec<u8>, MapFailure> {
    let too_large = |error: swath_raster::EncodeError| MapFailure::TooLarge {
        reason: error.to_string(),
    };
    let color = match background {
        Background::Transparent => [255; 3],
        Background::Color(color) => color,
    };
    if format == ImageFormat::Jpeg {
        return image.to_jpeg(color).map_err(too_large);
    }
    let image = match background {
        Background::Color(color) if !image.is_opaque() => image.with_background(color),
        _ => image,
    };
    match format {
        ImageFormat::Webp => image.to_webp().map_err(too_large),
        _ => Ok(image.to_png()),
    }
}

/// Settles a style: the layer's, with the parts that the request replaces.
fn settle(selected: &Selected, choice: &StyleChoice) -> Result<SettledStyle, MapFailure> {
    let layer = &selected.layer;
    let styles = &layer.styles;
    if styles.is_empty() {
        return Err(MapFailure::layer_unknown(&layer.name));
    }
    let style = match &choice.name {
        None => &styles[0],
        Some(name) => find_style(styles, name).ok_or_else(|| {
            let known: Vec<&str> = styles.iter().map(|style| style.name.as_str()).collect();
            MapFailure::StyleUnknown {
                layer: shown(&layer.name),
                style: shown(name),
                known: known.join(", "),
            }
        })?,
    };
    let texts: Vec<String> = match &choice.expression {
        None => style.expressions.clone(),
        Some(text) => text.split(';').map(|part| part.trim().to_owned()).collect(),
    };
    if texts.len() != 1 && texts.len() != 3 {
        return Err(MapFailure::BadExpression {
            reason: format!(
                "expected one, or three with \";\" between them, not {}",
                texts.len()
            ),
        });
    }
    let expressions: Result<Vec<Expression>, _> = texts.iter().map(|text| text.parse()).collect();
    let expressions =
        expressions.map_err(
            |error: swath_series::ExpressionError| MapFailure::BadExpression {
                reason: error.to_string(),
            },
        )?;
    let names = band_names(&expressions);
    if names.is_empty() {
        return Err(MapFailure::BadExpression {
            reason: "it names no band".to_owned(),
        });
    }
    check_bands(layer, &names)?;
    let own = match choice.expression {
        None => style.painting.clone(),
        Some(_) => None,
    };
    let gamma = parse_gamma(choice)?;
    let nodata = choice.nodata.as_deref().map(parse_nodata).transpose()?;
    let painting = super::painting::settle(own, choice, expressions.len(), gamma)?;
    if painting.is_none() && expressions.len() == 3 {
        return Err(MapFailure::parameter(
            "rescale",
            "three expressions need LOW,HIGH, or three pairs with \";\" between them",
        ));
    }
    let is_class = matches!(painting, Some(Painting::Classes(_)))
        || (choice.expression.is_none() && style.is_nearest);
    let resampling = match &choice.resampling {
        Some(name) => parse_resampling(name)?,
        None if is_class || nodata.is_some() => Resampling::Nearest,
        None => Resampling::Bilinear,
    };
    Ok(SettledStyle {
        expressions,
        painting,
        gamma: gamma.unwrap_or(1.0),
        resampling,
        nodata,
    })
}

fn find_style<'a>(styles: &'a [LayerStyle], name: &str) -> Option<&'a LayerStyle> {
    let exact = styles.iter().find(|style| style.name == name);
    // `default` is what many clients send for "the one you take".
    exact.or_else(|| styles.first().filter(|_| name == "default"))
}

fn parse_gamma(choice: &StyleChoice) -> Result<Option<f64>, MapFailure> {
    let Some(text) = &choice.gamma else {
        return Ok(None);
    };
    let gamma = text.parse::<f64>().ok();
    let gamma = gamma.filter(|gamma| (1.0 / GAMMA_MAX..=GAMMA_MAX).contains(gamma));
    gamma.map(Some).ok_or_else(|| {
        MapFailure::parameter(
            "gamma",
            format!("expected a number from 0.1 to {GAMMA_MAX}"),
        )
    })
}

fn parse_nodata(text: &str) -> Result<f64, MapFailure> {
    text.parse()
        .map_err(|_| MapFailure::parameter("nodata", "expected a number or nan"))
}

/// Reads the name of a rule.
///
/// # Errors
/// Where there is none of that name.
fn parse_resampling(name: &str) -> Result<Resampling, MapFailure> {
    name.to_ascii_lowercase().parse().map_err(|_| {
        let known = Resampling::ALL.map(Resampling::name).join(", ");
        MapFailure::parameter("resampling", format!("expected one of {known}"))
    })
}
