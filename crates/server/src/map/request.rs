//! What every protocol asks for, in one form.

use bytes::Bytes;
use chrono::{DateTime, Duration, Timelike as _, Utc};
use swath_grid::GeoBox;
use swath_stac::{Interval, parse_interval_or_days};

use super::{CompositeChoice, MapFailure};

/// Longest text of a parameter, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// A picture of a layer on a grid.
#[derive(Debug, Clone)]
pub(crate) struct MapRequest {
    /// `COLLECTION`, `COLLECTION:ITEM` or `COLLECTION/ITEM`.
    pub(crate) layer: String,
    /// Which items of a collection.
    pub(crate) time: TimeChoice,
    /// The pixels wanted.
    pub(crate) geobox: GeoBox,
    /// What becomes of many dates; `None`: the newest in each place.
    pub(crate) composite: Option<CompositeChoice>,
    /// How values become colours.
    pub(crate) style: StyleChoice,
    /// What is seen where there is nothing.
    pub(crate) background: Background,
    /// Form of the file.
    pub(crate) format: ImageFormat,
}

/// A picture, ready to send.
#[derive(Debug, Clone)]
pub(crate) struct MapImage {
    /// The file.
    pub(crate) bytes: Bytes,
    /// Its media type.
    pub(crate) media_type: &'static str,
    /// Changes with the items, the style and the grid; quoted.
    pub(crate) etag: String,
    /// True where further items than are read for one picture might fill gaps.
    pub(crate) is_cut: bool,
}

/// What is seen where there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Background {
    /// What lies below; white in forms without opacity.
    Transparent,
    /// Red, green, blue.
    Color([u8; 3]),
}

impl Background {
    /// Reads `#rrggbb`, `0xrrggbb` or `rrggbb`.
    ///
    /// # Errors
    /// Where it is none of these.
    pub(crate) fn parse(text: &str) -> Result<Self, MapFailure> {
        let digits = text
            .strip_prefix('#')
            .or_else(|| text.strip_prefix("0x"))
            .or_else(|| text.strip_prefix("0X"))
            .unwrap_or(text);
        swath_raster::parse_color(digits)
            .map(Self::Color)
            .ok_or_else(|| {
                MapFailure::parameter("background", "expected a colour such as 0xffffff")
            })
    }
}

/// Which items of a collection are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeChoice {
    /// The newest in each place.
    Newest,
    /// The newest in each place of those within an interval.
    Within(Interval),
}

impl TimeChoice {
    /// Reads a day, an instant, `A/B` with days or instants, or `current`. An instant without fraction
    /// means its whole second.
    ///
    /// # Errors
    /// Where it is none of these.
    pub(crate) fn parse(text: &str) -> Result<Self, MapFailure> {
        let text = text.trim();
        if text.is_empty() || text.eq_ignore_ascii_case("current") {
            return Ok(Self::Newest);
        }
        let mut interval =
            parse_interval_or_days(text).map_err(|error| MapFailure::TimeInvalid {
                reason: error.to_string(),
            })?;
        interval.end = interval.end.map(end_of_second);
        Ok(Self::Within(interval))
    }

    pub(crate) fn interval(&self) -> Option<Interval> {
        match self {
            Self::Newest => None,
            Self::Within(interval) => Some(*interval),
        }
    }
}

fn end_of_second(instant: DateTime<Utc>) -> DateTime<Utc> {
    match instant.nanosecond() {
        0 => instant + Duration::microseconds(999_999),
        _ => instant,
    }
}

/// How values become colours: a style of the layer by name, and what replaces parts of it. Texts are
/// read with the layer at hand, by the map function.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct StyleChoice {
    /// A style of the layer; `None` or empty: its first.
    pub(crate) name: Option<String>,
    /// One expression, or three with `;` between them: `(B08-B04)/(B08+B04)`, `B04;B03;B02`.
    pub(crate) expression: Option<String>,
    /// `LOW,HIGH` for all, or three pairs with `;` between them.
    pub(crate) rescale: Option<String>,
    /// Name of a colour map, or `VALUE:#rrggbb,…`.
    pub(crate) colormap: Option<String>,
    /// Brightness of the middle: 1 leaves it, more makes it brighter.
    pub(crate) gamma: Option<String>,
    /// A value that means nothing is there, in place of the one that the file names.
    pub(crate) nodata: Option<String>,
    /// `nearest`, `bilinear`, `cubic`, `average`, `mode`, `min` or `max`.
    pub(crate) resampling: Option<String>,
}

impl StyleChoice {
    /// Returns the choice of a style by name; an empty one is the layer's first.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: Some(name.to_owned()).filter(|name| !name.is_empty()),
            ..Self::default()
        }
    }

    /// Takes a parameter of a URL that is one of the style's; false where it is none.
    ///
    /// # Errors
    /// Where its text is longer than 4,096 bytes.
    pub(crate) fn take(&mut self, name: &str, value: &str) -> Result<bool, MapFailure> {
        let place = match name {
            "style" => &mut self.name,
            "expression" | "bands" => &mut self.expression,
            "rescale" => &mut self.rescale,
            "colormap" => &mut self.colormap,
            "gamma" => &mut self.gamma,
            "nodata" => &mut self.nodata,
            "resampling" => &mut self.resampling,
            _ => return Ok(false),
        };
        if value.len() > TEXT_BYTES_MAX {
            return Err(MapFailure::TooLarge {
                reason: format!("{name}: longer than {TEXT_BYTES_MAX} bytes"),
            });
        }
        *place = Some(value.to_owned()).filter(|value| !value.is_empty());
        Ok(true)
    }
}

/// Form of an image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ImageFormat {
    /// Lossless, with opacity; 256 colours at most where the style has no more.
    Png,
    /// Lossless, with opacity.
    Webp,
    /// Small, without opacity.
    Jpeg,
    /// The values themselves, with the grid.
    GeoTiff,
    /// The values themselves as an array of numpy: bands, then one of validity (255 = valid).
    Npy,
}

impl ImageFormat {
    /// The formats, the first is the one to take.
    pub(crate) const ALL: [Self; 5] = [Self::Png, Self::Webp, Self::Jpeg, Self::GeoTiff, Self::Npy];

    /// Returns the format of a file's extension, such as `png`.
    pub(crate) fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "png" => Some(Self::Png),
            "webp" => Some(Self::Webp),
            "jpg" | "jpeg" => Some(Self::Jpeg),
            "tif" | "tiff" => Some(Self::GeoTiff),
            "npy" => Some(Self::Npy),
            _ => None,
        }
    }

    /// Returns the format of a media type, parameters aside.
    pub(crate) fn of_media_type(text: &str) -> Option<Self> {
        match text.split(';').next().unwrap_or_default().trim() {
            "image/png" | "image/png8" => Some(Self::Png),
            "image/webp" => Some(Self::Webp),
            "image/jpeg" | "image/jpg" => Some(Self::Jpeg),
            "image/tiff" | "image/geotiff" => Some(Self::GeoTiff),
            "application/x-npy" => Some(Self::Npy),
            _ => None,
        }
    }

    /// Returns the media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Jpeg => "image/jpeg",
            Self::GeoTiff => "image/tiff; application=geotiff",
            Self::Npy => "application/x-npy",
        }
    }

    /// Returns the extension of a file.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Jpeg => "jpg",
            Self::GeoTiff => "tif",
            Self::Npy => "npy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_days_instants_intervals_or_now() {
        assert_eq!(TimeChoice::parse(""), Ok(TimeChoice::Newest));
        assert_eq!(TimeChoice::parse("current"), Ok(TimeChoice::Newest));
        let Ok(TimeChoice::Within(day)) = TimeChoice::parse("2018-05-01") else {
            panic!("a day");
        };
        assert_eq!(
            day.end.expect("an end").to_rfc3339(),
            "2018-05-01T23:59:59.999999+00:00"
        );
        let Ok(TimeChoice::Within(second)) = TimeChoice::parse("2018-05-01T10:50:31Z") else {
            panic!("an instant");
        };
        assert_eq!(
            second.end.expect("an end").timestamp_subsec_micros(),
            999_999
        );
        assert!(TimeChoice::parse("2018-05-01/..").is_ok());
        for bad in ["yesterday", "2018-13-01", "../..", "2018-05-02/2018-05-01"] {
            assert!(
                matches!(TimeChoice::parse(bad), Err(MapFailure::TimeInvalid { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn backgrounds_are_colours() {
        for text in ["0xff8000", "#FF8000", "ff8000"] {
            assert_eq!(
                Background::parse(text),
                Ok(Background::Color([255, 128, 0]))
            );
        }
        for bad in ["", "#fff", "0xgg0000", "ééé"] {
            assert!(Background::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parameters_of_the_style_are_taken_and_bounded() {
        let mut style = StyleChoice::default();
        assert_eq!(style.take("rescale", "0,1"), Ok(true));
        assert_eq!(style.take("bbox", "0,1"), Ok(false));
        assert_eq!(style.rescale.as_deref(), Some("0,1"));
        assert!(style.take("colormap", &"x".repeat(5_000)).is_err());
    }

    #[test]
    fn formats_are_found_by_extension_and_media_type() {
        for format in ImageFormat::ALL {
            assert_eq!(ImageFormat::of_extension(format.extension()), Some(format));
            assert_eq!(
                ImageFormat::of_media_type(format.media_type()),
                Some(format)
            );
        }
        assert_eq!(ImageFormat::of_extension("gif"), None);
        assert_eq!(ImageFormat::of_media_type("text/html"), None);
    }
}
