//! The bands of an item: what each is called, which raster has it, what its values mean.

use serde_json::{Map, Value};
use swath_grid::{Crs, GeoBox, Size, Transform};
use swath_raster::ClassColor;
use swath_stac::{Asset, AssetBand, Item, asset_bands, measured_assets};

/// Most bands of an item.
const BANDS_MAX: usize = 500;
/// Most classes of a band.
const CLASSES_MAX: usize = 255;

/// A band of an item.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ItemBand {
    /// Its name, such as `B04`.
    pub(super) name: String,
    /// Its common name, such as `red`.
    pub(super) common_name: Option<String>,
    /// Title of its asset.
    pub(super) title: Option<String>,
    /// Key of its asset.
    pub(super) key: String,
    /// Where its raster lies.
    pub(super) href: String,
    /// Position in the raster, from 0.
    pub(super) position: usize,
    /// Nodata of every band of the raster as the item says it.
    pub(super) nodata: Vec<Option<String>>,
    /// From stored to physical values.
    pub(super) scale: Option<f64>,
    /// From stored to physical values.
    pub(super) offset: Option<f64>,
    /// Unit of the physical values.
    pub(super) unit: Option<String>,
    /// Sample type as the item says it, such as `uint16`.
    pub(super) data_type: Option<String>,
    /// What its values stand for; empty where they are numbers.
    pub(super) classes: Vec<ClassColor>,
    /// Its grid as the item says it.
    pub(super) grid: Option<GeoBox>,
    /// Side of a pixel in metres, about, where it is known.
    resolution_m: Option<f64>,
}

/// Returns the bands of an item in the order of its assets; of several rasters with one band the one
/// with the smallest pixels.
pub(super) fn item_bands(item: &Item) -> Vec<ItemBand> {
    let properties = &item.properties.additional_fields;
    let mut found: Vec<ItemBand> = Vec::new();
    for (key, asset) in measured_assets(item) {
        let said = asset_bands(asset);
        let nodata: Vec<Option<String>> = match said.is_empty() {
            true => vec![asset.nodata.map(|value| value.to_string())],
            false => said.iter().map(|band| band.nodata.clone()).collect(),
        };
        let said = match said.is_empty() {
            true => vec![AssetBand::default()],
            false => said,
        };
        let count = said.len();
        for (position, band) in said.into_iter().enumerate() {
            let band = item_band(key, asset, properties, (position, count), band, &nodata);
            place(&mut found, band);
        }
    }
    found.truncate(BANDS_MAX);
    found
}

fn item_band(
    key: &str,
    asset: &Asset,
    properties: &Map<String, Value>,
    (position, count): (usize, usize),
    said: AssetBand,
    nodata: &[Option<String>],
) -> ItemBand {
    let fields = &asset.additional_fields;
    let name = said.name.unwrap_or_else(|| match count {
        1 => key.to_owned(),
        _ => format!("{key}_{}", position + 1),
    });
    let grid = declared_grid(fields, properties);
    let of_grid = |grid: &GeoBox| grid.transform().resolution().x * grid.crs().unit_to_metre();
    let gsd = fields.get("gsd").and_then(Value::as_f64);
    ItemBand {
        name,
        common_name: said.common_name,
        title: asset.title.clone(),
        key: key.to_owned(),
        href: asset.href.clone(),
        position,
        nodata: nodata.to_vec(),
        scale: said.scale,
        offset: said.offset,
        unit: said.unit,
        data_type: fields
            .get("data_type")
            .or_else(|| fields.get("raster:bands")?.get(position)?.get("data_type"))
            .and_then(Value::as_str)
            .map(str::to_owned)
            .or_else(|| {
                serde_json::to_value(&asset.data_type)
                    .ok()?
                    .as_str()
                    .map(str::to_owned)
            }),
        classes: classes_of(fields, position),
        resolution_m: grid.as_ref().map(of_grid).or(gsd),
        grid,
    }
}

/// Puts a band beside the others, or in the place of one of its name with larger pixels.
fn place(found: &mut Vec<ItemBand>, band: ItemBand) {
    let Some(known) = found.iter_mut().find(|known| known.name == band.name) else {
        found.push(band);
        return;
    };
    let is_finer = match (band.resolution_m, known.resolution_m) {
        (Some(own), Some(other)) => own < other,
        (Some(_), None) => true,
        _ => false,
    };
    if is_finer {
        *known = band;
    }
}

/// Returns the band that a word means: its name, else its name in other letters, its common name, the
/// key of its asset, or the beginning of that key (`B04` of `B04_10m`).
pub(super) fn find_band<'a>(bands: &'a [ItemBand], word: &str) -> Option<&'a ItemBand> {
    let by = |is_it: &dyn Fn(&ItemBand) -> bool| bands.iter().find(|band| is_it(band));
    by(&|band| band.name == word)
        .or_else(|| by(&|band| band.name.eq_ignore_ascii_case(word)))
        .or_else(|| by(&|band| band.common_name.as_deref() == Some(word)))
        .or_else(|| by(&|band| band.key.eq_ignore_ascii_case(word)))
        .or_else(|| {
            by(&|band| {
                let head = band.key.split(['_', '.']).next().unwrap_or_default();
                head.eq_ignore_ascii_case(word)
            })
        })
}

/// Reads `classification:classes` of an asset or of one of its bands.
fn classes_of(fields: &Map<String, Value>, position: usize) -> Vec<ClassColor> {
    let of_band = |list: &str| {
        let band = fields.get(list)?.get(position)?;
        band.get("classification:classes")
    };
    let listed = fields
        .get("classification:classes")
        .or_else(|| of_band("bands"))
        .or_else(|| of_band("raster:bands"))
        .and_then(Value::as_array);
    let classes = listed.into_iter().flatten().take(CLASSES_MAX);
    classes
        .filter_map(|class| {
            let text = |name: &str| class.get(name).and_then(Value::as_str);
            let is_nodata = class.get("nodata").and_then(Value::as_bool) == Some(true);
            let color = text("color_hint").and_then(swath_raster::parse_color);
            Some(ClassColor {
                value: class.get("value")?.as_f64()?,
                name: text("description")
                    .or_else(|| text("name"))
                    .unwrap_or_default()
                    .to_owned(),
                color: color.filter(|_| !is_nodata),
            })
        })
        .collect()
}

/// Returns the grid that an asset says it has; what stands on the item holds for all its assets.
fn declared_grid(asset: &Map<String, Value>, properties: &Map<String, Value>) -> Option<GeoBox> {
    let said = |name: &str| asset.get(name).or_else(|| properties.get(name));
    let code = said("proj:code").and_then(Value::as_str).map(str::to_owned);
    let number = || {
        let code = said("proj:epsg").and_then(Value::as_u64)?;
        Some(format!("EPSG:{code}"))
    };
    let text = || said("proj:wkt2").and_then(Value::as_str).map(str::to_owned);
    let crs = code.or_else(number).or_else(text)?;
    let numbers = |name: &str| -> Option<Vec<f64>> {
        said(name)?.as_array()?.iter().map(Value::as_f64).collect()
    };
    let shape = numbers("proj:shape")?;
    let transform = numbers("proj:transform")?;
    let ([height, width], [dx, rx, x0, ry, dy, y0, ..]) = (shape.as_slice(), transform.as_slice())
    else {
        return None;
    };
    let pixels = |number: f64| {
        let is_count = number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&number);
        is_count.then_some(number as u32)
    };
    let size = Size {
        width: pixels(*width)?,
        height: pixels(*height)?,
    };
    let transform = Transform::from_gdal([*x0, *dx, *rx, *y0, *ry, *dy])?;
    GeoBox::new(Crs::parse(&crs).ok()?, transform, size)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item() -> Item {
        let asset = |name: &str, common: &str, resolution: f64| {
            json!({"href": format!("{name}_{resolution}.tif"), "raster:scale": 0.0001, "nodata": 0,
                "proj:shape": [10, 10], "proj:transform": [resolution, 0, 500_000, 0, -resolution, 6_000_000],
                "data_type": "uint16", "bands": [{"name": name, "eo:common_name": common}]})
        };
        let json = json!({"type": "Feature", "stac_version": "1.1.0", "id": "a", "geometry": null,
            "properties": {"datetime": "2020-01-01T00:00:00Z", "proj:code": "EPSG:32632"}, "links": [],
            "assets": {"B04_20m": asset("B04", "red", 20.0), "B04_10m": asset("B04", "red", 10.0),
                "scl": {"href": "s.tif", "bands": [{"name": "SCL"}], "classification:classes": [
                    {"value": 0, "name": "none", "nodata": true, "color_hint": "000000"},
                    {"value": 4, "name": "vegetation", "color_hint": "00a000"}]},
                "vv": {"href": "vv.tif"}}});
        serde_json::from_value(json).expect("an item")
    }

    #[test]
    fn the_finest_raster_has_the_band() {
        let bands = item_bands(&item());
        let names: Vec<&str> = bands.iter().map(|band| band.name.as_str()).collect();
        assert_eq!(names, ["B04", "SCL", "vv"]);
        let red = find_band(&bands, "red").expect("a band");
        assert_eq!((red.key.as_str(), red.scale), ("B04_10m", Some(0.0001)));
        assert_eq!(red.data_type.as_deref(), Some("uint16"));
        let grid = red.grid.as_ref().expect("a grid");
        assert_eq!(grid.crs().epsg(), Some(32632));
    }

    #[test]
    fn bands_are_found_by_all_their_names() {
        let bands = item_bands(&item());
        for word in ["B04", "b04", "red", "B04_10m"] {
            assert_eq!(
                find_band(&bands, word).map(|band| band.name.as_str()),
                Some("B04")
            );
        }
        assert!(find_band(&bands, "VV").is_some());
        assert!(find_band(&bands, "B05").is_none());
    }

    #[test]
    fn classes_come_with_their_colours() {
        let bands = item_bands(&item());
        let classes = &find_band(&bands, "SCL").expect("a band").classes;
        assert_eq!(classes[0].color, None);
        assert_eq!(classes[1].color, Some([0, 0xa0, 0]));
        assert_eq!(classes[1].name, "vegetation");
    }
}
