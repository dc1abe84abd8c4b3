//! Tags that say where the pixels lie and what they mean.

use std::fmt::Write;

use swath_grid::{GeoKeyTags, GeoKeyValue};
use swath_raster::DataType;

use super::ifd::{Tag, Values, tag};
use super::spec::{AreaOrPoint, BandSpec, CogError, CogSpec, ColorInterpretation};

/// Metadata items with a tag of their own.
const TEXT_TAGS: [(&str, u16); 7] = [
    ("TIFFTAG_DOCUMENTNAME", 269),
    ("TIFFTAG_IMAGEDESCRIPTION", 270),
    ("TIFFTAG_SOFTWARE", 305),
    ("TIFFTAG_DATETIME", 306),
    ("TIFFTAG_ARTIST", 315),
    ("TIFFTAG_HOSTCOMPUTER", 316),
    ("TIFFTAG_COPYRIGHT", 33432),
];

/// `GTRasterTypeGeoKey` of GeoTIFF 1.1, requirement 7.5.
const RASTER_TYPE_KEY: u16 = 1025;

/// Returns the tags about values and colours that the image and its overviews share.
pub(super) fn sample_tags(spec: &CogSpec) -> Vec<Tag> {
    let samples = spec.bands.len();
    let bits = (spec.data_type.size_bytes() * 8) as u16;
    let format = match spec.data_type {
        DataType::U8 | DataType::U16 | DataType::U32 | DataType::U64 => 1,
        DataType::I8 | DataType::I16 | DataType::I32 | DataType::I64 => 2,
        DataType::F32 | DataType::F64 => 3,
    };
    let photometric = Photometric::of(spec);
    let mut tags = vec![
        Tag {
            id: tag::BITS_PER_SAMPLE,
            values: Values::Short(vec![bits; samples]),
        },
        Tag::short(tag::PHOTOMETRIC, photometric.tag()),
        Tag::short(tag::SAMPLES_PER_PIXEL, samples as u16),
        Tag::short(tag::PLANAR_CONFIGURATION, 1),
        Tag {
            id: tag::SAMPLE_FORMAT,
            values: Values::Short(vec![format; samples]),
        },
    ];
    let extra: Vec<u16> = spec.bands[photometric.samples().min(samples)..]
        .iter()
        .map(|band| {
            if band.color == ColorInterpretation::Alpha {
                2
            } else {
                0
            }
        })
        .collect();
    if !extra.is_empty() {
        tags.push(Tag {
            id: tag::EXTRA_SAMPLES,
            values: Values::Short(extra),
        });
    }
    if let Some(colors) = &spec.color_map {
        tags.push(color_map_tag(colors, bits));
    }
    if let Some(nodata) = spec.nodata {
        let text = nodata_text(nodata, spec.data_type);
        tags.push(Tag {
            id: tag::GDAL_NODATA,
            values: Values::Ascii(text),
        });
    }
    tags
}

/// Returns the tags of the full resolution alone: place on the Earth, names, metadata.
pub(super) fn file_tags(spec: &CogSpec) -> Result<Vec<Tag>, CogError> {
    let mut tags = geo_tags(spec)?;
    for (name, id) in TEXT_TAGS {
        if let Some((_, text)) = spec.metadata.iter().find(|(item, _)| item == name) {
            let text = text.replace('\0', " ");
            tags.push(Tag {
                id,
                values: Values::Ascii(text),
            });
        }
    }
    if let Some(xml) = metadata_xml(spec) {
        tags.push(Tag {
            id: tag::GDAL_METADATA,
            values: Values::Ascii(xml),
        });
    }
    Ok(tags)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Photometric {
    MinIsBlack,
    Rgb,
    Palette,
}

impl Photometric {
    fn of(spec: &CogSpec) -> Self {
        use ColorInterpretation::{Blue, Green, Red};
        let starts_with_rgb = matches!(
            spec.bands.as_slice(),
            [
                BandSpec { color: Red, .. },
                BandSpec { color: Green, .. },
                BandSpec { color: Blue, .. },
                ..
            ]
        );
        let is_rgb_type = matches!(spec.data_type, DataType::U8 | DataType::U16);
        match (&spec.color_map, starts_with_rgb && is_rgb_type) {
            (Some(_), _) => Self::Palette,
            (None, true) => Self::Rgb,
            (None, false) => Self::MinIsBlack,
        }
    }

    fn tag(self) -> u16 {
        match self {
            Self::MinIsBlack => 1,
            Self::Rgb => 2,
            Self::Palette => 3,
        }
    }

    /// Samples that are not extra.
    fn samples(self) -> usize {
        if self == Self::Rgb { 3 } else { 1 }
    }

    /// What a reader takes band `index` for without being told.
    fn implied(self, index: usize, color: ColorInterpretation) -> ColorInterpretation {
        use ColorInterpretation::{Alpha, Blue, Gray, Green, Palette, Red, Undefined};
        match (self, index) {
            (Self::MinIsBlack, 0) => Gray,
            (Self::Palette, 0) => Palette,
            (Self::Rgb, 0) => Red,
            (Self::Rgb, 1) => Green,
            (Self::Rgb, 2) => Blue,
            _ if color == Alpha => Alpha,
            _ => Undefined,
        }
    }
}

/// The map holds all reds, then greens, then blues, as 16-bit intensities.
fn color_map_tag(colors: &[[u8; 3]], bits: u16) -> Tag {
    let entries = 1_usize << bits;
    let mut values = vec![0_u16; 3 * entries];
    for (index, color) in colors.iter().take(entries).enumerate() {
        for (channel, intensity) in color.iter().enumerate() {
            values[channel * entries + index] = u16::from(*intensity) * 257;
        }
    }
    Tag {
        id: tag::COLOR_MAP,
        values: Values::Short(values),
    }
}

/// Returns nodata as GDAL writes it: `nan`, or the shortest text that gives the number back.
fn nodata_text(nodata: f64, data_type: DataType) -> String {
    match nodata {
        _ if nodata.is_nan() => "nan".to_owned(),
        _ if nodata.is_infinite() => if nodata > 0.0 { "inf" } else { "-inf" }.to_owned(),
        // Beyond 2^53 a float32 nodata such as -3.4e38 would fill 39 digits.
        _ if data_type.is_float() && nodata.abs() >= 1e17 => format!("{nodata:e}"),
        _ if data_type.is_float() => format!("{nodata}"),
        // All digits: the shortest text of 2^63 ends in zeros that are not its own.
        _ => format!("{}", nodata as i128),
    }
}

fn geo_tags(spec: &CogSpec) -> Result<Vec<Tag>, CogError> {
    let mut tags = transform_tags(spec);
    let crs = spec.geobox.crs();
    let Some(mut keys) = crs.to_geokeys() else {
        return Err(CogError::invalid(format!(
            "the CRS {} has no GeoKeys",
            crs.name()
        )));
    };
    let raster_type = match spec.area_or_point {
        AreaOrPoint::Area => 1,
        AreaOrPoint::Point => 2,
    };
    keys.keys
        .insert(RASTER_TYPE_KEY, GeoKeyValue::Short(raster_type));
    let GeoKeyTags {
        directory,
        doubles,
        ascii,
    } = keys.to_tags();
    tags.push(Tag {
        id: tag::GEO_KEY_DIRECTORY,
        values: Values::Short(directory),
    });
    if !doubles.is_empty() {
        tags.push(Tag {
            id: tag::GEO_DOUBLE_PARAMS,
            values: Values::Double(doubles),
        });
    }
    if !ascii.is_empty() {
        tags.push(Tag {
            id: tag::GEO_ASCII_PARAMS,
            values: Values::Ascii(ascii),
        });
    }
    Ok(tags)
}

/// North-up grids get a pixel size and a tie point, others a matrix.
fn transform_tags(spec: &CogSpec) -> Vec<Tag> {
    let [x, col_x, row_x, y, col_y, row_y] = spec.geobox.transform().to_gdal();
    let half = if spec.area_or_point == AreaOrPoint::Point {
        0.5
    } else {
        0.0
    };
    let tie_x = x + half * (col_x + row_x);
    let tie_y = y + half * (col_y + row_y);
    if row_x == 0.0 && col_y == 0.0 && col_x > 0.0 && row_y < 0.0 {
        let scale = vec![col_x, -row_y, 0.0];
        let tie = vec![0.0, 0.0, 0.0, tie_x, tie_y, 0.0];
        return vec![
            Tag {
                id: tag::MODEL_PIXEL_SCALE,
                values: Values::Double(scale),
            },
            Tag {
                id: tag::MODEL_TIEPOINT,
                values: Values::Double(tie),
            },
        ];
    }
    #[rustfmt::skip]
    let matrix = vec![
        col_x, row_x, 0.0, tie_x,
        col_y, row_y, 0.0, tie_y,
        0.0, 0.0, 0.0, 0.0,
        0.0, 0.0, 0.0, 1.0,
    ];
    vec![Tag {
        id: tag::MODEL_TRANSFORMATION,
        values: Values::Double(matrix),
    }]
}

/// Returns the text of the `GDAL_METADATA` tag, `None` where there is nothing to say.
fn metadata_xml(spec: &CogSpec) -> Option<String> {
    let mut items = String::new();
    let mut push = |name: &str, sample: Option<usize>, role: Option<&str>, value: &str| {
        let sample = sample.map_or(String::new(), |index| format!(" sample=\"{index}\""));
        let role = role.map_or(String::new(), |role| format!(" role=\"{role}\""));
        let (name, value) = (escaped(name), escaped(value));
        // Writing to a String cannot fail.
        let _ = writeln!(
            items,
            "  <Item name=\"{name}\"{sample}{role}>{value}</Item>"
        );
    };
    for (name, value) in &spec.metadata {
        let has_own_tag = TEXT_TAGS.iter().any(|(tag_name, _)| tag_name == name);
        if !has_own_tag && name != "AREA_OR_POINT" {
            push(name, None, None, value);
        }
    }
    let photometric = Photometric::of(spec);
    for (index, band) in spec.bands.iter().enumerate() {
        let sample = Some(index);
        for (name, value) in &band.metadata {
            push(name, sample, None, value);
        }
        if band.scale.is_some() || band.offset.is_some() {
            let offset = band.offset.unwrap_or(0.0).to_string();
            push("OFFSET", sample, Some("offset"), &offset);
            push(
                "SCALE",
                sample,
                Some("scale"),
                &band.scale.unwrap_or(1.0).to_string(),
            );
        }
        if let Some(unit) = &band.unit {
            push("UNITTYPE", sample, Some("unittype"), unit);
        }
        if let Some(name) = &band.name {
            push("DESCRIPTION", sample, Some("description"), name);
        }
        let is_said = band.color != ColorInterpretation::Undefined;
        if is_said && band.color != photometric.implied(index, band.color) {
            push(
                "COLORINTERP",
                sample,
                Some("colorinterp"),
                color_name(band.color),
            );
        }
    }
    (!items.is_empty()).then(|| format!("<GDALMetadata>\n{items}</GDALMetadata>\n"))
}

fn color_name(color: ColorInterpretation) -> &'static str {
    match color {
        ColorInterpretation::Undefined => "Undefined",
        ColorInterpretation::Gray => "Gray",
        ColorInterpretation::Palette => "Palette",
        ColorInterpretation::Red => "Red",
        ColorInterpretation::Green => "Green",
        ColorInterpretation::Blue => "Blue",
        ColorInterpretation::Alpha => "Alpha",
    }
}

/// Escapes what XML reserves and drops control characters, which it forbids.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            _ if character.is_control() => {}
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops where it fails")]
mod tests {
    use super::*;

    #[test]
    fn nodata_reads_back_as_the_same_number() {
        for nodata in [0.0, -9999.0, 0.1, f64::from(f32::MIN), 1e-30] {
            let text = nodata_text(nodata, DataType::F32);
            assert_eq!(text.parse::<f64>().unwrap(), nodata, "{text}");
        }
        assert_eq!(nodata_text(65535.0, DataType::U16), "65535");
        assert_eq!(nodata_text(f64::NAN, DataType::F32), "nan");
    }

    #[test]
    fn xml_is_escaped() {
        assert_eq!(
            escaped("a<b> & \"c\"\u{1}"),
            "a&lt;b&gt; &amp; &quot;c&quot;"
        );
    }
}
