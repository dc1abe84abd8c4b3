//! The styles of a layer: what its collection declares, else what its bands are good for.

use serde_json::{Map, Value};
use swath_raster::{ClassColor, ColorMap, Painting, ValueRange};

use super::bands::{ItemBand, find_band};

/// Most styles of a layer.
const STYLES_MAX: usize = 60;

/// A style of a layer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LayerStyle {
    /// Name in requests.
    pub(super) name: String,
    /// For people.
    pub(super) title: String,
    /// One expression, or three: red, green, blue.
    pub(super) expressions: Vec<String>,
    /// Values to colours; `None`: one value in greys, between percentiles of what the newest item has.
    pub(super) painting: Option<Painting>,
    /// Unit of the value.
    pub(super) unit: Option<String>,
    /// Resampling where the request names none.
    pub(super) is_nearest: bool,
}

/// The scene classification of Sentinel-2 with the colours in which ESA shows it (Sentinel-2 user
/// guide, Level-2A algorithm, legend of the scene classification).
const SCENE_CLASSES: [(u8, &str, u32); 11] = [
    (1, "Saturated or defective", 0xff_00_00),
    (2, "Dark area", 0x2f_2f_2f),
    (3, "Cloud shadow", 0x64_32_00),
    (4, "Vegetation", 0x00_a0_00),
    (5, "Not vegetated", 0xff_e6_5a),
    (6, "Water", 0x00_00_ff),
    (7, "Unclassified", 0x80_80_80),
    (8, "Cloud, medium probability", 0xc0_c0_c0),
    (9, "Cloud, high probability", 0xff_ff_ff),
    (10, "Thin cirrus", 0x64_c8_ff),
    (11, "Snow or ice", 0xff_96_ff),
];

/// Returns the styles of a layer with `bands`, the first is its default: those of the `renders`
/// extension of its collection, natural colours, indices, backscatter, then each band.
pub(super) fn layer_styles(collection: &Map<String, Value>, bands: &[ItemBand]) -> Vec<LayerStyle> {
    let mut styles = declared_styles(collection, bands);
    let mut add = |style: Option<LayerStyle>| {
        let style = style.filter(|style| styles.iter().all(|known| known.name != style.name));
        styles.extend(style);
    };
    let id = collection.get("id").and_then(Value::as_str);
    add(natural(bands));
    if find_band(bands, "TCI").is_none() {
        add(three(
            bands,
            "infrared",
            "Near infrared, red, green",
            [NIR, RED, GREEN],
            0.5,
        ));
    }
    add(index(bands, "ndvi", "Vegetation index NDVI", NIR, RED));
    add(index(bands, "ndwi", "Water index NDWI", GREEN, NIR));
    add(scene_classes(bands));
    for style in backscatter(id.unwrap_or_default(), bands) {
        add(Some(style));
    }
    for band in bands {
        add(Some(single(band)));
    }
    styles.truncate(STYLES_MAX);
    styles
}

const RED: &[&str] = &["red", "B04"];
const GREEN: &[&str] = &["green", "B03"];
const BLUE: &[&str] = &["blue", "B02"];
const NIR: &[&str] = &["nir", "B08", "nir08"];

fn first<'a>(bands: &'a [ItemBand], words: &[&str]) -> Option<&'a ItemBand> {
    words.iter().find_map(|word| find_band(bands, word))
}

/// Returns a name as it stands in an expression.
fn quoted(name: &str) -> String {
    let is_word = name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == b'_');
    match is_word {
        true => name.to_owned(),
        false => format!("\"{name}\""),
    }
}

/// Returns the range of reflectance in the values that are painted: `high` where a scale is declared,
/// else in units of 1 / 10,000.
fn reflectance(band: &ItemBand, high: f64) -> ValueRange {
    let unit = if band.scale.is_some() { 1.0 } else { 10_000.0 };
    ValueRange {
        low: 0.0,
        high: high * unit,
    }
}

fn natural(bands: &[ItemBand]) -> Option<LayerStyle> {
    three(bands, "natural", "Natural colours", [RED, GREEN, BLUE], 0.3)
}

fn three(
    bands: &[ItemBand],
    name: &str,
    title: &str,
    words: [&[&str]; 3],
    high: f64,
) -> Option<LayerStyle> {
    let [one, two, three] = words.map(|words| first(bands, words));
    let bands = [one?, two?, three?];
    Some(LayerStyle {
        name: name.to_owned(),
        title: title.to_owned(),
        expressions: bands.iter().map(|band| quoted(&band.name)).collect(),
        painting: Some(Painting::Rgb {
            ranges: bands.map(|band| reflectance(band, high)),
            gamma: 1.2,
        }),
        unit: None,
        is_nearest: false,
    })
}

fn index(
    bands: &[ItemBand],
    name: &str,
    title: &str,
    one: &[&str],
    two: &[&str],
) -> Option<LayerStyle> {
    let (one, two) = (first(bands, one)?, first(bands, two)?);
    let (one, two) = (quoted(&one.name), quoted(&two.name));
    let (low, high, map) = match name {
        "ndvi" => (-0.2, 1.0, "rdylgn"),
        _ => (-0.8, 0.8, "brbg"),
    };
    Some(LayerStyle {
        name: name.to_owned(),
        title: title.to_owned(),
        expressions: vec![format!("({one}-{two})/({one}+{two})")],
        painting: Some(ramp(low, high, map)),
        unit: None,
        is_nearest: false,
    })
}

fn ramp(low: f64, high: f64, map: &str) -> Painting {
    Painting::Ramp {
        range: ValueRange { low, high },
        gamma: 1.0,
        map: ColorMap::named(map).expect("a map of the list"),
    }
}

/// Returns the official colours of the scene classification.
fn scene_classes(bands: &[ItemBand]) -> Option<LayerStyle> {
    let band = find_band(bands, "SCL")?;
    let classes = SCENE_CLASSES.map(|(value, name, color)| {
        let [_, red, green, blue] = u32::to_be_bytes(color);
        ClassColor {
            value: f64::from(value),
            name: name.to_owned(),
            color: Some([red, green, blue]),
        }
    });
    Some(LayerStyle {
        name: "scl".to_owned(),
        title: "Scene classification".to_owned(),
        expressions: vec![quoted(&band.name)],
        painting: Some(Painting::Classes(classes.to_vec())),
        unit: None,
        is_nearest: true,
    })
}

/// Returns the styles of radar: each polarisation, and two of them as colours. Backscatter is shown in
/// dB, whatever it is stored in; coherence between 0 and 1.
fn backscatter(collection: &str, bands: &[ItemBand]) -> Vec<LayerStyle> {
    let has_coherence = collection.contains("coh");
    let is_radar = has_coherence || collection.contains("s1") || collection.contains("sentinel-1");
    let (vv, vh) = (find_band(bands, "VV"), find_band(bands, "VH"));
    if !is_radar && vv.is_none() && vh.is_none() {
        return Vec::new();
    }
    // Amplitude of a product that is not calibrated has no meaning in dB.
    if collection.contains("grd") || collection.contains("slc") {
        return Vec::new();
    }
    let value = |band: &ItemBand| {
        let name = quoted(&band.name);
        match has_coherence || band.unit.as_deref() == Some("dB") {
            true => name,
            false => format!("10*log10({name})"),
        }
    };
    let unit = (!has_coherence).then(|| "dB".to_owned());
    let mut styles = Vec::new();
    let range_of = |word: &str| match (has_coherence, word) {
        (true, _) => (0.0, 1.0),
        (false, "VV") => (-20.0, -2.0),
        (false, _) => (-27.0, -9.0),
    };
    for (word, band) in [("VV", vv), ("VH", vh)] {
        let Some(band) = band else { continue };
        let (low, high) = range_of(word);
        styles.push(LayerStyle {
            name: word.to_ascii_lowercase(),
            title: format!(
                "{} {word}",
                if has_coherence {
                    "Coherence"
                } else {
                    "Backscatter"
                }
            ),
            expressions: vec![value(band)],
            painting: Some(ramp(low, high, "greys")),
            unit: unit.clone(),
            is_nearest: false,
        });
    }
    if let (Some(vv), Some(vh), false) = (vv, vh, has_coherence) {
        let range = |low, high| ValueRange { low, high };
        styles.push(LayerStyle {
            name: "rgb".to_owned(),
            title: "VV, VH and their ratio".to_owned(),
            expressions: vec![
                value(vv),
                value(vh),
                format!("({})-({})", value(vv), value(vh)),
            ],
            painting: Some(Painting::Rgb {
                ranges: [range(-20.0, -2.0), range(-27.0, -9.0), range(2.0, 16.0)],
                gamma: 1.0,
            }),
            unit: None,
            is_nearest: false,
        });
    }
    styles
}

/// Returns the style of one band: its classes, else greys by what its values are.
fn single(band: &ItemBand) -> LayerStyle {
    let has_colors = band.classes.iter().any(|class| class.color.is_some());
    LayerStyle {
        name: band.name.clone(),
        title: match &band.title {
            Some(title) => format!("{}: {title}", band.name),
            None => band.name.clone(),
        },
        expressions: vec![quoted(&band.name)],
        painting: has_colors.then(|| Painting::Classes(band.classes.clone())),
        unit: band.unit.clone(),
        is_nearest: !band.classes.is_empty(),
    }
}

/// Reads the `renders` extension (v1 and v2) of a collection: `assets` or `bands`, `expression`,
/// `rescale`, `colormap_name`, `resampling`. What cannot be shown with the bands at hand is left out.
fn declared_styles(collection: &Map<String, Value>, bands: &[ItemBand]) -> Vec<LayerStyle> {
    let renders = collection.get("renders").and_then(Value::as_object);
    let renders = renders.into_iter().flatten().take(STYLES_MAX);
    renders
        .filter_map(|(name, render)| declared_style(name, render, bands))
        .collect()
}

fn declared_style(name: &str, render: &Value, bands: &[ItemBand]) -> Option<LayerStyle> {
    let text = |key: &str| render.get(key).and_then(Value::as_str);
    let expressions: Vec<String> = match text("expression") {
        Some(expression) => expression.split(';').map(str::to_owned).collect(),
        None => {
            let words = render.get("assets").or_else(|| render.get("bands"))?;
            let words = words.as_array()?.iter().filter_map(Value::as_str);
            let names = words.map(|word| find_band(bands, word).map(|band| quoted(&band.name)));
            names.collect::<Option<Vec<_>>>()?
        }
    };
    let mut ranges = render
        .get("rescale")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|pair| ValueRange::new(pair.get(0)?.as_f64()?, pair.get(1)?.as_f64()?));
    let first = ranges.next();
    let map = text("colormap_name").and_then(ColorMap::named);
    let painting = match (expressions.len(), first) {
        (1, Some(range)) => Some(Painting::Ramp {
            range,
            gamma: 1.0,
            map: map.or_else(|| ColorMap::named("greys"))?,
        }),
        (1, None) => None,
        (3, Some(range)) => {
            let second = ranges.next().unwrap_or(range);
            let third = ranges.next().unwrap_or(second);
            Some(Painting::Rgb {
                ranges: [range, second, third],
                gamma: 1.0,
            })
        }
        _ => return None,
    };
    Some(LayerStyle {
        name: name.to_owned(),
        title: text("title").unwrap_or(name).to_owned(),
        expressions,
        painting,
        unit: None,
        is_nearest: text("resampling") == Some("nearest"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use swath_stac::Item;

    use super::super::bands::item_bands;
    use super::*;

    fn bands(names: &[&str]) -> Vec<ItemBand> {
        let assets: Map<String, Value> = names
            .iter()
            .map(|name| {
                let asset = json!({"href": format!("{name}.tif"), "raster:scale": 0.0001,
                    "bands": [{"name": name}]});
                ((*name).to_owned(), asset)
            })
            .collect();
        let item: Item = serde_json::from_value(json!({"type": "Feature", "stac_version": "1.1.0",
            "id": "a", "geometry": null, "properties": {"datetime": "2020-01-01T00:00:00Z"},
            "links": [], "assets": assets}))
        .expect("an item");
        item_bands(&item)
    }

    fn collection(json: Value) -> Map<String, Value> {
        json.as_object().cloned().expect("an object")
    }

    fn names(styles: &[LayerStyle]) -> Vec<&str> {
        styles.iter().map(|style| style.name.as_str()).collect()
    }

    #[test]
    fn optical_layers_show_natural_colours_first() {
        let bands = bands(&["B02", "B03", "B04", "B08", "SCL"]);
        let styles = layer_styles(&collection(json!({"id": "sentinel-2-l2a"})), &bands);
        assert_eq!(
            names(&styles)[..5],
            ["natural", "infrared", "ndvi", "ndwi", "scl"]
        );
        assert_eq!(styles[0].expressions, ["B04", "B03", "B02"]);
        assert_eq!(styles[2].expressions, ["(B08-B04)/(B08+B04)"]);
        assert!(styles[4].is_nearest);
    }

    #[test]
    fn radar_is_shown_in_decibels_and_coherence_as_it_is() {
        let bands = bands(&["VV", "VH"]);
        let styles = layer_styles(&collection(json!({"id": "s1-card-bs"})), &bands);
        assert_eq!(names(&styles)[..3], ["vv", "vh", "rgb"]);
        assert_eq!(styles[0].expressions, ["10*log10(VV)"]);
        let styles = layer_styles(&collection(json!({"id": "s1-card-coh6"})), &bands);
        assert_eq!(styles[0].expressions, ["VV"]);
    }

    #[test]
    fn what_the_collection_declares_comes_first() {
        let bands = bands(&["height", "coh-vv 6"]);
        let declared = json!({"id": "dem", "renders": {
            "shade": {"title": "Height", "assets": ["height"], "rescale": [[0, 3000]],
                "colormap_name": "terrain"},
            "none": {"assets": ["nowhere"]}}});
        let styles = layer_styles(&collection(declared), &bands);
        assert_eq!(names(&styles), ["shade", "height", "coh-vv 6"]);
        assert!(matches!(styles[0].painting, Some(Painting::Ramp { .. })));
        assert_eq!(styles[1].painting, None);
        assert_eq!(styles[2].expressions, ["\"coh-vv 6\""]);
    }
}
