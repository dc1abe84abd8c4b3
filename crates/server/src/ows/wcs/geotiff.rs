//! A coverage as a GeoTIFF (OGC 19-008r4): the stored type, planes one after the other, not compressed.

use swath_grid::{GeoKeyTags, GeoKeyValue};
use swath_raster::{DataType, Mask, Pixels, Raster, Sample, for_pixels};

use crate::products::markup::Element;

/// Bytes of a strip, about.
const STRIP_BYTES: usize = 1 << 16;
/// `GTRasterTypeGeoKey`, and its value for pixels that are areas.
const RASTER_TYPE: (u16, u16) = (1025, 1);

/// Returns the file, `None` where the CRS cannot be said in GeoTIFF or the raster has no band.
///
/// Bands of several types are written in the smallest that holds all their values. What is not valid
/// becomes `nodata`; where there is none NaN in floats and 0 in integers.
pub(crate) fn write(raster: &Raster, names: &[String], nodata: Option<&str>) -> Option<Vec<u8>> {
    let types: Vec<DataType> = raster
        .bands
        .iter()
        .map(|band| band.pixels.data_type())
        .collect();
    let data_type = types.iter().copied().reduce(common)?;
    let size = raster.geobox.size();
    let row_bytes = size.width as usize * data_type.size_bytes();
    let rows_per_strip = (STRIP_BYTES / row_bytes.max(1)).clamp(1, size.height as usize);
    let planes: Vec<Vec<u8>> = raster
        .bands
        .iter()
        .map(|band| plane(&band.pixels, &band.mask, data_type, nodata))
        .collect();
    let count = u16::try_from(planes.len()).ok()?;
    let mut strip_bytes = Vec::new();
    for plane in &planes {
        let strips = plane.chunks((rows_per_strip * row_bytes).max(1));
        for strip in strips {
            strip_bytes.push(u32::try_from(strip.len()).ok()?);
        }
    }
    let mut tags = vec![
        long(256, &[size.width]),
        long(257, &[size.height]),
        short(258, &vec![bits(data_type); usize::from(count)]),
        short(259, &[1]),
        short(262, &[1]),
        short(277, &[count]),
        long(278, &[u32::try_from(rows_per_strip).ok()?]),
        long(279, &strip_bytes),
        short(284, &[2]),
        short(339, &vec![sample_format(data_type); usize::from(count)]),
    ];
    if count > 1 {
        tags.push(short(338, &vec![0; usize::from(count) - 1]));
    }
    tags.extend(georeference(raster)?);
    tags.push(ascii(42112, &band_names(names)));
    if let Some(nodata) = nodata {
        tags.push(ascii(42113, nodata));
    }
    assemble(tags, &strip_bytes, &planes)
}

/// A tag: number, type, values in bytes.
struct Tag {
    id: u16,
    kind: u16,
    count: usize,
    bytes: Vec<u8>,
}

fn short(id: u16, values: &[u16]) -> Tag {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    Tag {
        id,
        kind: 3,
        count: values.len(),
        bytes: bytes.collect(),
    }
}

fn long(id: u16, values: &[u32]) -> Tag {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    Tag {
        id,
        kind: 4,
        count: values.len(),
        bytes: bytes.collect(),
    }
}

fn double(id: u16, values: &[f64]) -> Tag {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    Tag {
        id,
        kind: 12,
        count: values.len(),
        bytes: bytes.collect(),
    }
}

fn ascii(id: u16, text: &str) -> Tag {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    Tag {
        id,
        kind: 2,
        count: bytes.len(),
        bytes,
    }
}

fn georeference(raster: &Raster) -> Option<Vec<Tag>> {
    let mut keys = raster.geobox.crs().to_geokeys()?;
    keys.keys
        .insert(RASTER_TYPE.0, GeoKeyValue::Short(RASTER_TYPE.1));
    let GeoKeyTags {
        directory,
        doubles,
        ascii: texts,
    } = keys.to_tags();
    let [x, width, _, y, _, height] = raster.geobox.transform().to_gdal();
    let mut tags = vec![
        double(33550, &[width, -height, 0.0]),
        double(33922, &[0.0, 0.0, 0.0, x, y, 0.0]),
        short(34735, &directory),
    ];
    if !doubles.is_empty() {
        tags.push(double(34736, &doubles));
    }
    if !texts.is_empty() {
        tags.push(ascii(34737, &texts));
    }
    Some(tags)
}

/// Returns names of bands as GDAL reads them.
fn band_names(names: &[String]) -> String {
    let item = |(index, name): (usize, &String)| {
        Element::text("Item", name.as_str())
            .with("name", "DESCRIPTION")
            .with("sample", index.to_string())
            .with("role", "description")
    };
    Element::new("GDALMetadata")
        .children(names.iter().enumerate().map(item))
        .fragment()
}

/// Puts header, directory, values of tags and planes one after the other.
fn assemble(mut tags: Vec<Tag>, strip_bytes: &[u32], planes: &[Vec<u8>]) -> Option<Vec<u8>> {
    const HEAD_BYTES: usize = 8;
    const ENTRY_BYTES: usize = 12;
    // Offsets of strips are filled in when it is known where the planes begin.
    tags.push(long(273, &vec![0; strip_bytes.len()]));
    tags.sort_by_key(|tag| tag.id);
    let directory = 2 + tags.len() * ENTRY_BYTES + 4;
    let values: usize = tags
        .iter()
        .map(|tag| {
            if tag.bytes.len() > 4 {
                tag.bytes.len().next_multiple_of(2)
            } else {
                0
            }
        })
        .sum();
    let mut at = u32::try_from(HEAD_BYTES + directory + values).ok()?;
    let begin = at as usize;
    let mut offsets = Vec::with_capacity(strip_bytes.len());
    for bytes in strip_bytes {
        offsets.push(at);
        at = at.checked_add(*bytes)?;
    }
    if let Some(tag) = tags.iter_mut().find(|tag| tag.id == 273) {
        *tag = long(273, &offsets);
    }
    let mut out = Vec::with_capacity(at as usize);
    out.extend(b"II*\0\x08\0\0\0");
    out.extend(u16::try_from(tags.len()).ok()?.to_le_bytes());
    let mut value_at = HEAD_BYTES + directory;
    for tag in &tags {
        out.extend(tag.id.to_le_bytes());
        out.extend(tag.kind.to_le_bytes());
        out.extend(u32::try_from(tag.count).ok()?.to_le_bytes());
        if tag.bytes.len() > 4 {
            out.extend(u32::try_from(value_at).ok()?.to_le_bytes());
            value_at += tag.bytes.len().next_multiple_of(2);
        } else {
            let mut inline = tag.bytes.clone();
            inline.resize(4, 0);
            out.extend(inline);
        }
    }
    out.extend([0; 4]);
    for tag in tags.iter().filter(|tag| tag.bytes.len() > 4) {
        out.extend(&tag.bytes);
        if !tag.bytes.len().is_multiple_of(2) {
            out.push(0);
        }
    }
    debug_assert_eq!(out.len(), begin);
    for plane in planes {
        out.extend(plane);
    }
    Some(out)
}

/// Returns the smallest type that holds the values of both; 64-bit integers beside floats are rounded.
fn common(one: DataType, two: DataType) -> DataType {
    use DataType::{F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
    if one == two {
        return one;
    }
    let bytes = |data_type: DataType| data_type.size_bytes();
    if one.is_float() || two.is_float() {
        let fits = [one, two].iter().all(|data_type| match data_type {
            F32 => true,
            F64 => false,
            other => bytes(*other) <= 2,
        });
        return if fits { F32 } else { F64 };
    }
    let is_signed = |data_type: DataType| matches!(data_type, I8 | I16 | I32 | I64);
    if is_signed(one) == is_signed(two) {
        return if bytes(one) > bytes(two) { one } else { two };
    }
    let (signed, unsigned) = if is_signed(one) {
        (one, two)
    } else {
        (two, one)
    };
    let least = match unsigned {
        U8 => I16,
        U16 => I32,
        U32 | U64 => I64,
        other => other,
    };
    if bytes(signed) > bytes(least) {
        signed
    } else {
        least
    }
}

fn bits(data_type: DataType) -> u16 {
    // 8 to 64.
    data_type.size_bytes() as u16 * 8
}

/// Returns TIFF's number for unsigned, signed and floating samples.
fn sample_format(data_type: DataType) -> u16 {
    match data_type {
        DataType::U8 | DataType::U16 | DataType::U32 | DataType::U64 => 1,
        DataType::I8 | DataType::I16 | DataType::I32 | DataType::I64 => 2,
        DataType::F32 | DataType::F64 => 3,
    }
}

/// Returns the bytes of a band in `to`.
fn plane(pixels: &Pixels, mask: &Mask, to: DataType, nodata: Option<&str>) -> Vec<u8> {
    match to {
        DataType::U8 => samples(pixels, mask, nodata, |value: u8| value.to_le_bytes()),
        DataType::I8 => samples(pixels, mask, nodata, |value: i8| value.to_le_bytes()),
        DataType::U16 => samples(pixels, mask, nodata, |value: u16| value.to_le_bytes()),
        DataType::I16 => samples(pixels, mask, nodata, |value: i16| value.to_le_bytes()),
        DataType::U32 => samples(pixels, mask, nodata, |value: u32| value.to_le_bytes()),
        DataType::I32 => samples(pixels, mask, nodata, |value: i32| value.to_le_bytes()),
        DataType::U64 => samples(pixels, mask, nodata, |value: u64| value.to_le_bytes()),
        DataType::I64 => samples(pixels, mask, nodata, |value: i64| value.to_le_bytes()),
        DataType::F32 => samples(pixels, mask, nodata, |value: f32| value.to_le_bytes()),
        DataType::F64 => samples(pixels, mask, nodata, |value: f64| value.to_le_bytes()),
    }
}

fn samples<T: Sample, const N: usize>(
    pixels: &Pixels,
    mask: &Mask,
    nodata: Option<&str>,
    bytes: impl Fn(T) -> [u8; N],
) -> Vec<u8> {
    let said = nodata.and_then(|text| text.trim().parse::<f64>().ok());
    let absent = said
        .and_then(T::from_f64)
        .or_else(|| T::from_f64(f64::NAN))
        .unwrap_or_default();
    let valid = |index: usize, value: T| if mask.is_valid(index) { value } else { absent };
    // Of the same type values go through untouched, those of 64 bits too.
    if let Some(values) = T::slice(pixels) {
        let values = values.iter().enumerate();
        return values
            .flat_map(|(index, value)| bytes(valid(index, *value)))
            .collect();
    }
    for_pixels!(pixels, values => values
        .iter()
        .enumerate()
        .flat_map(|(index, value)| bytes(valid(index, T::from_f64(value.to_f64()).unwrap_or(absent))))
        .collect())
}

#[cfg(test)]
mod tests {
    use swath_grid::{Crs, GeoBox, Point, Size, Transform};
    use swath_raster::RasterBand;

    use super::*;

    #[test]
    fn types_that_differ_have_a_common_one() {
        use DataType::{F32, F64, I8, I16, I32, I64, U8, U16, U32};
        for (one, two, expected) in [
            (U16, U16, U16),
            (U16, U8, U16),
            (U8, I8, I16),
            (U16, I16, I32),
            (U8, I32, I32),
            (U32, I16, I64),
            (U16, F32, F32),
            (I32, F32, F64),
            (F32, F64, F64),
        ] {
            assert_eq!((common(one, two), common(two, one)), (expected, expected));
        }
    }

    #[test]
    fn what_is_not_valid_becomes_nodata() {
        let mask = Mask::from_flags(vec![true, false]);
        let whole = plane(&Pixels::U16(vec![7, 9]), &mask, DataType::U16, Some("0"));
        assert_eq!(whole, [7, 0, 0, 0]);
        let float = plane(&Pixels::U8(vec![7, 9]), &mask, DataType::F32, None);
        assert_eq!(float[..4], 7.0_f32.to_le_bytes());
        assert!(f32::from_le_bytes([float[4], float[5], float[6], float[7]]).is_nan());
    }

    #[test]
    fn the_file_has_its_strips_where_it_says() {
        let transform = Transform::north_up(Point { x: 5e5, y: 6e6 }, 10.0).expect("a resolution");
        let crs = Crs::from_epsg(32632).expect("a code");
        let size = Size {
            width: 3,
            height: 2,
        };
        let band = |first: u16| RasterBand {
            pixels: Pixels::U16((first..first + 6).collect()),
            mask: Mask::All,
        };
        let raster = Raster {
            geobox: GeoBox::new(crs, transform, size).expect("a size"),
            bands: vec![band(1), band(1_000)],
        };
        let names = ["B04", "a<b"].map(str::to_owned);
        let file = write(&raster, &names, Some("0")).expect("a file");
        let end: Vec<u8> = (1..7_u16)
            .chain(1_000..1_006)
            .flat_map(u16::to_le_bytes)
            .collect();
        assert!(file.ends_with(&end));
        assert_eq!(file.len() % 2, 0);
        assert!(String::from_utf8_lossy(&file).contains("a&lt;b"));
    }
}
