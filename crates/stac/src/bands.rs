//! Bands of an asset, whatever the STAC version wrote them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stac::{Asset, Item};

/// What an item says of one band of an asset.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AssetBand {
    /// `name` of `bands` or `eo:bands`.
    pub name: Option<String>,
    /// `eo:common_name` or `common_name`.
    pub common_name: Option<String>,
    /// `raster:scale`, or `scale` of `raster:bands`.
    pub scale: Option<f64>,
    /// `raster:offset`, or `offset` of `raster:bands`.
    pub offset: Option<f64>,
    /// `nodata`, as text: a number or `nan`, `inf`, `-inf`.
    pub nodata: Option<String>,
    /// `unit`, `raster:unit`, or `unit` of `raster:bands`: `dB`, `1`, `m`.
    pub unit: Option<String>,
}

/// Returns the bands of an asset in order; empty where the item says nothing of bands.
///
/// Values on the asset itself hold for all its bands (STAC 1.1, common metadata).
pub fn asset_bands(asset: &Asset) -> Vec<AssetBand> {
    let fields = &asset.additional_fields;
    let list = |key: &str| {
        fields
            .get(key)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let unified: Vec<Value> = asset
        .bands
        .iter()
        .map(|band| serde_json::to_value(band).unwrap_or(Value::Null))
        .collect();
    let (optical, raster) = (list("eo:bands"), list("raster:bands"));
    let count = unified.len().max(optical.len()).max(raster.len());
    (0..count)
        .map(|index| {
            let sources = [unified.get(index), optical.get(index), raster.get(index)];
            let own = |keys: &[&str]| {
                sources
                    .iter()
                    .flatten()
                    .find_map(|band| keys.iter().find_map(|key| band.get(key)).cloned())
            };
            let or_asset = |keys: &[&str]| {
                own(keys).or_else(|| keys.iter().find_map(|key| fields.get(*key).cloned()))
            };
            let asset_nodata = || asset.nodata.map(|value| Value::from(value.to_string()));
            AssetBand {
                name: own(&["name"]).and_then(text),
                common_name: own(&["eo:common_name", "common_name"]).and_then(text),
                scale: or_asset(&["raster:scale", "scale"]).and_then(|value| value.as_f64()),
                offset: or_asset(&["raster:offset", "offset"]).and_then(|value| value.as_f64()),
                nodata: or_asset(&["nodata"]).or_else(asset_nodata).and_then(text),
                unit: or_asset(&["unit", "raster:unit"])
                    .or_else(|| asset.unit.clone().map(Value::from))
                    .and_then(text),
            }
        })
        .collect()
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// File format of a raster to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RasterFormat {
    /// TIFF, COG or not.
    Tiff,
    /// JPEG 2000.
    Jpeg2000,
}

/// Returns the format of an asset that is a raster to measure; `None` for previews and all else.
pub fn raster_format(asset: &Asset) -> Option<RasterFormat> {
    let has_role = |names: &[&str]| {
        asset
            .roles
            .iter()
            .any(|role| names.contains(&role.as_str()))
    };
    if has_role(&["thumbnail", "overview", "visual", "metadata"]) && !has_role(&["data"]) {
        return None;
    }
    let path = asset
        .href
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let media = asset.r#type.as_deref().unwrap_or_default();
    let media = media.to_ascii_lowercase();
    if media.contains("tiff") || path.ends_with(".tif") || path.ends_with(".tiff") {
        Some(RasterFormat::Tiff)
    } else if media.contains("jp2") || path.ends_with(".jp2") {
        Some(RasterFormat::Jpeg2000)
    } else {
        None
    }
}

/// Returns keys and assets of an item that are to be measured: its TIFFs; its JPEG 2000 files
/// where it has none, since both hold the same bands where an item has both.
pub fn measured_assets(item: &Item) -> Vec<(&String, &Asset)> {
    let of_format = |format: RasterFormat| {
        let assets = item.assets.iter();
        assets.filter(move |(_, asset)| raster_format(asset) == Some(format))
    };
    let tiffs: Vec<_> = of_format(RasterFormat::Tiff).collect();
    if tiffs.is_empty() {
        of_format(RasterFormat::Jpeg2000).collect()
    } else {
        tiffs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asset(value: Value) -> Asset {
        serde_json::from_value(value).expect("an asset")
    }

    #[test]
    fn bands_of_old_and_new_items_read_the_same() {
        let old = asset(
            json!({"href": "a.tif", "eo:bands": [{"name": "B04", "common_name": "red"}],
            "raster:bands": [{"scale": 0.0001, "offset": -0.1, "nodata": 0}]}),
        );
        let new = asset(
            json!({"href": "a.tif", "raster:scale": 0.0001, "nodata": 0.0,
            "bands": [{"name": "B04", "eo:common_name": "red", "raster:offset": -0.1}]}),
        );
        let (old, new) = (asset_bands(&old), asset_bands(&new));
        assert_eq!(old[0].name, new[0].name);
        assert_eq!((old[0].scale, old[0].offset), (new[0].scale, new[0].offset));
        assert_eq!(old[0].common_name.as_deref(), Some("red"));
        assert!(
            new[0]
                .nodata
                .as_deref()
                .is_some_and(|text| text.parse() == Ok(0.0))
        );
    }

    #[test]
    fn previews_are_no_rasters_to_measure() {
        let format = |value: Value| raster_format(&asset(value));
        assert_eq!(
            format(json!({"href": "x/B04.TIF?sig=1", "roles": ["data"]})),
            Some(RasterFormat::Tiff)
        );
        assert_eq!(
            format(json!({"href": "x/B04", "type": "image/jp2"})),
            Some(RasterFormat::Jpeg2000)
        );
        assert_eq!(
            format(json!({"href": "x/thumb.tif", "roles": ["thumbnail"]})),
            None
        );
        assert_eq!(format(json!({"href": "x/meta.xml"})), None);
    }

    #[test]
    fn jpeg_2000_is_measured_where_there_is_no_tiff() {
        let item = |assets: Value| -> Item {
            let item = json!({"type": "Feature", "stac_version": "1.0.0", "id": "a", "geometry": null,
                "properties": {"datetime": "2020-01-01T00:00:00Z"}, "links": [], "assets": assets});
            serde_json::from_value(item).expect("an item")
        };
        let keys = |item: &Item| -> Vec<String> {
            let assets = measured_assets(item);
            assets.into_iter().map(|(key, _)| key.clone()).collect()
        };
        let jp2 = json!({"href": "a/B04.jp2"});
        let both = item(json!({"red": {"href": "a/B04.tif"}, "red-jp2": jp2.clone()}));
        assert_eq!(keys(&both), ["red"]);
        assert_eq!(keys(&item(json!({"red-jp2": jp2}))), ["red-jp2"]);
    }
}
