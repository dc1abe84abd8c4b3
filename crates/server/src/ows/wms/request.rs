//! GetMap and its relatives as typed, and what they mean: pure.

use swath_grid::{GeoBox, Size, Transform};

use super::version::WmsVersion;
use crate::ows::axes::NamedCrs;
use crate::ows::failure::{Fault, OwsFailure};
use crate::ows::kvp::{Kvp, invalid, shown};
use crate::ows::picture::Rgba;
use crate::ows::times::{self, TimeValue};

/// Longest side of a map in pixels; declared as `MaxWidth` and `MaxHeight`.
pub(crate) const SIDE_PX_MAX: u32 = 4_096;
/// Most layers of one map; declared as `LayerLimit`.
pub(crate) const LAYERS_MAX: usize = 8;
/// Formats of maps, the best first.
pub(crate) const IMAGE_FORMATS: &[&str] = &["image/png", "image/jpeg", "image/webp", "image/tiff"];
/// Formats of information about a pixel.
pub(crate) const INFO_FORMATS: &[&str] = &[
    "text/plain",
    "text/html",
    "application/json",
    "application/geo+json",
];
const WHITE: Rgba = [255, 255, 255, 255];

/// A layer to draw, with its style; an empty style is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StyledLayer {
    pub(crate) layer: String,
    pub(crate) style: String,
}

/// Which map, without the layers.
#[derive(Debug, Clone)]
pub(crate) struct MapFrame {
    pub(crate) geobox: GeoBox,
    pub(crate) time: Vec<TimeValue>,
}

/// How the picture of a map is to be: also that of a message in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Canvas {
    pub(crate) size: Size,
    /// One of [`IMAGE_FORMATS`].
    pub(crate) format: &'static str,
    pub(crate) is_transparent: bool,
    /// Opaque.
    pub(crate) background: Rgba,
}

impl Canvas {
    /// Reads WIDTH, HEIGHT, FORMAT, TRANSPARENT and BGCOLOR.
    ///
    /// # Errors
    /// Where one of them makes no sense; the limit of the size is named.
    pub(crate) fn read(kvp: &Kvp) -> Result<Self, OwsFailure> {
        let format = kvp.required("FORMAT")?;
        let format = image_format(format).ok_or_else(|| {
            let text = format!(
                "FORMAT: \"{}\" is not offered, but {}",
                shown(format),
                IMAGE_FORMATS.join(", ")
            );
            OwsFailure::new(Fault::Format, text).at("FORMAT")
        })?;
        Ok(Self {
            size: size(kvp)?,
            format,
            is_transparent: transparent(kvp)?,
            background: background(kvp)?,
        })
    }

    /// Reads as much as makes sense, for a message in place of a map.
    pub(crate) fn guess(kvp: &Kvp) -> Self {
        const SIDE_DEFAULT_PX: u32 = 256;
        Self {
            size: size(kvp).unwrap_or(Size {
                width: SIDE_DEFAULT_PX,
                height: SIDE_DEFAULT_PX,
            }),
            format: kvp
                .get("FORMAT")
                .and_then(image_format)
                .filter(|format| *format != "image/tiff")
                .unwrap_or("image/png"),
            is_transparent: transparent(kvp).unwrap_or(false),
            background: background(kvp).unwrap_or(WHITE),
        }
    }
}

/// Returns the format that a media type asks for; parameters such as `image/png; mode=8bit` are
/// those of other servers and change nothing.
fn image_format(text: &str) -> Option<&'static str> {
    let kind = text.split(';').next().unwrap_or_default().trim();
    let kind = match kind.to_ascii_lowercase().as_str() {
        "image/png8" | "image/png24" | "image/png32" => "image/png".to_owned(),
        "image/jpg" => "image/jpeg".to_owned(),
        "image/geotiff" => "image/tiff".to_owned(),
        other => other.to_owned(),
    };
    IMAGE_FORMATS.iter().find(|known| **known == kind).copied()
}

fn size(kvp: &Kvp) -> Result<Size, OwsFailure> {
    Ok(Size {
        width: kvp.size("WIDTH", SIDE_PX_MAX)?,
        height: kvp.size("HEIGHT", SIDE_PX_MAX)?,
    })
}

fn transparent(kvp: &Kvp) -> Result<bool, OwsFailure> {
    match kvp.get("TRANSPARENT").unwrap_or("FALSE") {
        text if text.eq_ignore_ascii_case("true") => Ok(true),
        text if text.eq_ignore_ascii_case("false") => Ok(false),
        text => Err(invalid(
            "TRANSPARENT",
            format!("\"{}\" is neither TRUE nor FALSE", shown(text)),
        )),
    }
}

fn background(kvp: &Kvp) -> Result<Rgba, OwsFailure> {
    let Some(text) = kvp.get("BGCOLOR") else {
        return Ok(WHITE);
    };
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .or_else(|| text.strip_prefix('#'))
        .filter(|digits| digits.len() == 6);
    let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match number {
        Some(number) => {
            let [_, red, green, blue] = number.to_be_bytes();
            Ok([red, green, blue, 255])
        }
        None => Err(invalid(
            "BGCOLOR",
            format!("\"{}\" is not of the form 0xRRGGBB", shown(text)),
        )),
    }
}

/// Reads LAYERS (or what `name` calls them) and STYLES.
///
/// # Errors
/// Where there are none, more than 8, or another number of styles.
pub(crate) fn styled_layers(kvp: &Kvp) -> Result<Vec<StyledLayer>, OwsFailure> {
    kvp.required("LAYERS")?;
    let names = kvp.list("LAYERS")?;
    if names.len() > LAYERS_MAX {
        let text = format!("{} layers, and LayerLimit is {LAYERS_MAX}", names.len());
        return Err(invalid("LAYERS", text));
    }
    let styles = kvp.list("STYLES")?;
    if !styles.is_empty() && styles.len() != names.len() {
        let text = format!("{} styles for {} layers", styles.len(), names.len());
        return Err(OwsFailure::new(Fault::Style, format!("STYLES: {text}")).at("STYLES"));
    }
    let style = |index: usize| styles.get(index).copied().unwrap_or_default();
    Ok(names
        .iter()
        .enumerate()
        .map(|(index, name)| StyledLayer {
            layer: (*name).to_owned(),
            style: style(index).to_owned(),
        })
        .collect())
}

impl MapFrame {
    /// Reads CRS (SRS), BBOX and TIME; `size` is the map's. Pixels need not be square.
    ///
    /// # Errors
    /// Where one of them makes no sense.
    pub(crate) fn read(version: WmsVersion, kvp: &Kvp, size: Size) -> Result<Self, OwsFailure> {
        let parameter = version.crs_parameter();
        let name = kvp.required(parameter)?;
        let named = match version {
            WmsVersion::V111 => NamedCrs::always_xy(name),
            WmsVersion::V130 => NamedCrs::by_definition(name),
        };
        let named = named.map_err(|failure| failure.at(parameter))?;
        let bounds = named.bounds(kvp.numbers("BBOX")?)?;
        let width = (bounds.max_x - bounds.min_x) / f64::from(size.width);
        let height = (bounds.max_y - bounds.min_y) / f64::from(size.height);
        let transform =
            Transform::from_gdal([bounds.min_x, width, 0.0, bounds.max_y, 0.0, -height]);
        let geobox = transform.and_then(|transform| GeoBox::new(named.crs, transform, size));
        let geobox = geobox.ok_or_else(|| invalid("BBOX", "its pixels have no size"))?;
        let time = match kvp.get("TIME") {
            Some(text) => times::read(text)?,
            None => vec![TimeValue::Current],
        };
        Ok(Self { geobox, time })
    }
}

/// A pixel of a map: I and J from the upper-left corner (X and Y in 1.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MapPixel {
    pub(crate) col: u32,
    pub(crate) row: u32,
}

impl MapPixel {
    /// Reads I and J, or X and Y in the old version; each version takes the names of the other.
    ///
    /// # Errors
    /// [`Fault::Point`] where the pixel lies outside of the map.
    pub(crate) fn read(version: WmsVersion, kvp: &Kvp, size: Size) -> Result<Self, OwsFailure> {
        let [across, down] = match version {
            WmsVersion::V111 => [["X", "I"], ["Y", "J"]],
            WmsVersion::V130 => [["I", "X"], ["J", "Y"]],
        };
        Ok(Self {
            col: ordinal(kvp, across, size.width)?,
            row: ordinal(kvp, down, size.height)?,
        })
    }
}

fn ordinal(kvp: &Kvp, [name, other]: [&'static str; 2], end: u32) -> Result<u32, OwsFailure> {
    let text = match kvp.get(other) {
        Some(text) if !kvp.has(name) => text,
        _ => kvp.required(name)?,
    };
    let value = text.parse::<u32>().ok().filter(|value| *value < end);
    value.ok_or_else(|| {
        let text = format!(
            "{name}: \"{}\" is no pixel of the map: 0 to {}",
            shown(text),
            end - 1
        );
        OwsFailure::new(Fault::Point, text).at(name)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use swath_grid::{Bounds, Point};

    use super::*;

    fn frame(version: WmsVersion, query: &str) -> Result<MapFrame, OwsFailure> {
        let kvp = Kvp::read(query)?;
        MapFrame::read(version, &kvp, size(&kvp)?)
    }

    #[test]
    fn both_versions_of_one_map_are_the_same_map() {
        let old = frame(
            WmsVersion::V111,
            "SRS=EPSG:4326&BBOX=9,55,10,57&WIDTH=100&HEIGHT=400",
        );
        let new = frame(
            WmsVersion::V130,
            "CRS=EPSG:4326&BBOX=55,9,57,10&WIDTH=100&HEIGHT=400",
        );
        let plain = frame(
            WmsVersion::V130,
            "CRS=CRS:84&BBOX=9,55,10,57&WIDTH=100&HEIGHT=400",
        );
        for found in [old, new, plain] {
            let geobox = found.expect("a frame").geobox;
            let expected = Bounds {
                min_x: 9.0,
                min_y: 55.0,
                max_x: 10.0,
                max_y: 57.0,
            };
            assert_eq!(geobox.bounds(), expected);
            let resolution = geobox.transform().resolution();
            assert_eq!(resolution, Point { x: 0.01, y: 0.005 });
        }
    }

    #[test]
    fn what_makes_no_sense_names_its_fault() {
        let fault = |query: &str| {
            let kvp = Kvp::read(query).expect("a query");
            let canvas = Canvas::read(&kvp);
            let framed = || frame(WmsVersion::V130, query);
            let failure = canvas.map(|_| ()).and_then(|()| framed().map(|_| ()));
            failure.expect_err(query).fault
        };
        let good = "FORMAT=image/png&WIDTH=10&HEIGHT=10&CRS=EPSG:3857&BBOX=0,0,1,1";
        let with = |name: &str, value: &str| {
            let kept = good
                .split('&')
                .filter(|pair| !pair.starts_with(&format!("{name}=")));
            format!("{}&{name}={value}", kept.collect::<Vec<_>>().join("&"))
        };
        for (name, value, expected) in [
            ("FORMAT", "image/bmp", Fault::Format),
            ("FORMAT", "", Fault::MissingParameter),
            ("WIDTH", "4097", Fault::InvalidParameter),
            ("HEIGHT", "-1", Fault::InvalidParameter),
            ("CRS", "EPSG:1", Fault::Crs),
            ("CRS", "+proj=utm", Fault::Crs),
            ("BBOX", "0,0,0,1", Fault::InvalidParameter),
            ("BBOX", "0,0,inf,1", Fault::InvalidParameter),
            ("BBOX", "-1e308,0,1e308,1", Fault::InvalidParameter),
            ("TIME", "soon", Fault::Dimension),
            ("BGCOLOR", "red", Fault::InvalidParameter),
            ("TRANSPARENT", "maybe", Fault::InvalidParameter),
        ] {
            assert_eq!(fault(&with(name, value)), expected, "{name}={value}");
        }
    }

    #[test]
    fn the_canvas_is_read_and_guessed() {
        let query =
            "FORMAT=image/png%3B%20mode=8bit&WIDTH=10&HEIGHT=20&BGCOLOR=0x0000fF&TRANSPARENT=true";
        let kvp = Kvp::read(query).expect("a query");
        let canvas = Canvas::read(&kvp).expect("a canvas");
        assert_eq!((canvas.format, canvas.is_transparent), ("image/png", true));
        assert_eq!(canvas.background, [0, 0, 255, 255]);
        assert_eq!(Canvas::guess(&kvp), canvas);
        let nothing = Canvas::guess(&Kvp::default());
        assert_eq!((nothing.size.width, nothing.format), (256, "image/png"));
    }

    #[test]
    fn layers_and_styles_go_together() {
        let layers = |query: &str| styled_layers(&Kvp::read(query).expect("a query"));
        assert_eq!(layers("LAYERS=a,b&STYLES=").expect("two").len(), 2);
        assert_eq!(layers("LAYERS=a,b&STYLES=,x").expect("two")[1].style, "x");
        assert_eq!(
            layers("LAYERS=a,b&STYLES=x").map_err(|failure| failure.fault),
            Err(Fault::Style)
        );
        assert_eq!(
            layers("STYLES=x").map_err(|failure| failure.fault),
            Err(Fault::MissingParameter)
        );
        assert!(layers("LAYERS=a,a,a,a,a,a,a,a,a").is_err());
    }

    #[test]
    fn pixels_lie_on_the_map() {
        let size = Size {
            width: 10,
            height: 5,
        };
        let read = |version, query: &str| {
            MapPixel::read(version, &Kvp::read(query).expect("a query"), size)
        };
        let pixel = MapPixel { col: 9, row: 4 };
        assert_eq!(read(WmsVersion::V130, "I=9&J=4"), Ok(pixel));
        assert_eq!(read(WmsVersion::V111, "X=9&Y=4"), Ok(pixel));
        assert_eq!(read(WmsVersion::V130, "X=9&Y=4"), Ok(pixel));
        let outside = read(WmsVersion::V130, "I=10&J=4").expect_err("outside");
        assert_eq!(outside.fault, Fault::Point);
    }

    proptest! {
        #[test]
        fn any_query_ends_in_a_result(
            bbox in "[0-9eE.,+-]{0,40}", crs in "(EPSG:[0-9]{4,5}|CRS:84|.{0,12})", side in "[0-9.e-]{0,6}",
        ) {
            let query = format!("FORMAT=image/png&CRS={crs}&SRS={crs}&BBOX={bbox}&WIDTH={side}&HEIGHT=5");
            for version in [WmsVersion::V111, WmsVersion::V130] {
                if let Ok(found) = frame(version, &query) {
                    let bounds = found.geobox.bounds();
                    prop_assert!(bounds.min_x.is_finite() && bounds.max_x > bounds.min_x);
                }
            }
        }
    }
}
