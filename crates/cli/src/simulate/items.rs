//! STAC 1.1 items and collections of the simulated images.

use anyhow::Result;
use serde_json::{Map, Value, json};
use swath_grid::{Bbox, GeoBox, Point};

use super::parcels::lonlat_projector;
use super::scene::SceneRaster;
use super::season::{Acquisition, Product, TILE};

/// Extensions whose fields the items use.
const EXTENSIONS: [&str; 6] = [
    "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/sat/v1.0.0/schema.json",
    "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
];

/// Outline of a grid on the ellipsoid, in longitude and latitude.
#[derive(Debug, Clone, PartialEq)]
pub struct Footprint {
    /// Closed ring, anticlockwise, with points along the edges.
    ring: Vec<[f64; 2]>,
    /// Smallest rectangle round it.
    pub bbox: Bbox,
}

impl Footprint {
    /// Returns the outline of a grid.
    ///
    /// # Errors
    /// Where it cannot be projected.
    pub fn new(geobox: &GeoBox) -> Result<Self> {
        const STEPS: u32 = 4;
        let [upper_left, upper_right, lower_right, lower_left] = geobox.corners();
        let corners = [upper_left, lower_left, lower_right, upper_right];
        let mut bbox = Bbox {
            west: 180.0,
            south: 90.0,
            east: -180.0,
            north: -90.0,
        };
        let mut points = Vec::new();
        for index in 0..4 {
            let (start, end) = (corners[index], corners[(index + 1) % 4]);
            for step in 0..STEPS {
                let along = f64::from(step) / f64::from(STEPS);
                points.push(Point {
                    x: start.x + (end.x - start.x) * along,
                    y: start.y + (end.y - start.y) * along,
                });
            }
        }
        lonlat_projector(geobox.crs())?.project(&mut points)?;
        let mut ring = Vec::new();
        for point in points {
            let [longitude, latitude] = [point.x, point.y].map(|d| libm::round(d * 1e7) / 1e7);
            bbox.west = bbox.west.min(longitude);
            bbox.east = bbox.east.max(longitude);
            bbox.south = bbox.south.min(latitude);
            bbox.north = bbox.north.max(latitude);
            ring.push([longitude, latitude]);
        }
        ring.push(ring[0]);
        Ok(Self { ring, bbox })
    }

    fn bbox_json(&self) -> Value {
        json!([
            self.bbox.west,
            self.bbox.south,
            self.bbox.east,
            self.bbox.north
        ])
    }
}

/// Returns the folder of a collection below the output folder.
pub fn collection_folder(product: Product) -> String {
    format!("scenes/{}", product.collection())
}

/// Returns the folder of an item below the output folder.
pub fn item_folder(image: &Acquisition) -> String {
    format!("{}/{}", collection_folder(image.product), image.item_id)
}

/// Returns the asset of a raster that lies beside its item: key and description.
pub fn asset(scene: &SceneRaster) -> (String, Value) {
    let file_name = scene.relative_path.rsplit('/').next().unwrap_or_default();
    let key = file_name.trim_end_matches(".tif");
    let size = scene.geobox.size();
    let [x0, dx, rx, y0, ry, dy] = scene.geobox.transform().to_gdal();
    let bands: Vec<Value> = scene
        .bands
        .iter()
        .map(|band| {
            let mut fields = Map::new();
            fields.insert("name".into(), json!(band.name));
            fields.insert("description".into(), json!(band.description));
            fields.insert("data_type".into(), json!(band.pixels.data_type()));
            if let Some(nodata) = band.nodata {
                fields.insert("nodata".into(), json!(nodata));
            }
            if let Some(unit) = band.unit {
                fields.insert("unit".into(), json!(unit));
            }
            if let Some(common_name) = common_name(band.name) {
                fields.insert("eo:common_name".into(), json!(common_name));
            }
            fields.insert("raster:scale".into(), json!(band.scale));
            fields.insert("raster:offset".into(), json!(band.offset));
            fields.insert("raster:spatial_resolution".into(), json!(dx));
            Value::Object(fields)
        })
        .collect();
    let asset = json!({
        "href": format!("./{file_name}"),
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": if key == "SCL" { ["data", "classification"].as_slice() } else { &["data"] },
        "gsd": dx,
        "proj:code": epsg_code(&scene.geobox),
        "proj:shape": [size.height, size.width],
        "proj:transform": [dx, rx, x0, ry, dy, y0],
        "bands": bands,
    });
    (key.to_owned(), asset)
}

/// Returns the CRS of a grid as `EPSG:code`.
fn epsg_code(geobox: &GeoBox) -> Option<String> {
    geobox.crs().epsg().map(|code| format!("EPSG:{code}"))
}

fn common_name(band: &str) -> Option<&'static str> {
    Some(match band {
        "B02" => "blue",
        "B03" => "green",
        "B04" => "red",
        "B05" => "rededge071",
        "B08" => "nir",
        "B8A" => "nir08",
        "B11" => "swir16",
        "B12" => "swir22",
        _ => return None,
    })
}

/// Returns the item of an image; `cloud_percent` is of the valid pixels.
pub fn item(
    image: &Acquisition,
    footprint: &Footprint,
    cloud_percent: f64,
    assets: Vec<(String, Value)>,
) -> Value {
    let text =
        |datetime: chrono::DateTime<chrono::Utc>| datetime.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let upper = image.satellite.to_ascii_uppercase();
    let mut properties = Map::new();
    let mut set = |name: &str, value: Value| properties.insert(name.to_owned(), value);
    set("datetime", json!(text(image.datetime)));
    if let Some(earlier) = image.earlier {
        set("start_datetime", json!(text(earlier)));
        set("end_datetime", json!(text(image.datetime)));
    }
    if let Some((_, asset)) = assets.first() {
        set("proj:code", asset["proj:code"].clone());
    }
    set("grid:code", json!(format!("MGRS-{TILE}")));
    set("sat:relative_orbit", json!(image.relative_orbit));
    set(
        "sat:orbit_state",
        json!(if image.is_ascending {
            "ascending"
        } else {
            "descending"
        }),
    );
    if image.product == Product::Reflectance {
        set("platform", json!(format!("sentinel-2{}", image.satellite)));
        set("constellation", json!("sentinel-2"));
        set("instruments", json!(["msi"]));
        set(
            "eo:cloud_cover",
            json!(libm::round(cloud_percent * 100.0) / 100.0),
        );
        set("processing:level", json!("L2"));
        set("s2:mgrs_tile", json!(TILE));
        set("s2:datatake_id", json!(image.datatake));
        set("s2:processing_baseline", json!(image.baseline()));
        set("s2:product_type", json!("S2MSI2A"));
    } else {
        set("platform", json!(format!("sentinel-1{}", image.satellite)));
        set("constellation", json!("sentinel-1"));
        set("instruments", json!(["c-sar"]));
        set("sar:instrument_mode", json!("IW"));
        set("sar:frequency_band", json!("C"));
        set("sar:polarizations", json!(["VV", "VH"]));
        set("sar:product_type", json!(image.product.collection()));
        set("processing:level", json!("L2"));
        set("s1:datatake_id", json!(image.datatake));
        set("s1:satellite", json!(format!("S1{upper}")));
    }
    set("swath:is_simulated", json!(true));
    json!({
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": EXTENSIONS,
        "id": image.item_id,
        "collection": image.product.collection(),
        "geometry": {"type": "Polygon", "coordinates": [footprint.ring]},
        "bbox": footprint.bbox_json(),
        "properties": properties,
        "assets": assets.into_iter().collect::<Map<String, Value>>(),
        "links": [
            {"rel": "self", "type": "application/geo+json", "href": format!("./{}.json", image.item_id)},
            {"rel": "collection", "type": "application/json", "href": "../collection.json"},
            {"rel": "parent", "type": "application/json", "href": "../collection.json"},
        ],
    })
}

/// Returns the collection of one product over its images, `None` where there are none.
pub fn collection(
    product: Product,
    images: &[Acquisition],
    footprint: &Footprint,
) -> Option<Value> {
    let own: Vec<&Acquisition> = images
        .iter()
        .filter(|image| image.product == product)
        .collect();
    let first = own
        .iter()
        .map(|image| image.earlier.unwrap_or(image.datetime))
        .min()?;
    let last = own.iter().map(|image| image.datetime).max()?;
    let (title, description) = match product {
        Product::Reflectance => (
            "Sentinel-2 L2A (simulated)",
            "Surface reflectance with scene classification; simulated by swath.",
        ),
        Product::Backscatter => (
            "CARD-BS (simulated)",
            "Sentinel-1 terrain-corrected backscatter in linear power; simulated by swath.",
        ),
        Product::Coherence => (
            "CARD-COH6 (simulated)",
            "Sentinel-1 six-day coherence, dated by the later image; simulated by swath.",
        ),
    };
    let text =
        |datetime: chrono::DateTime<chrono::Utc>| datetime.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut links = vec![
        json!({"rel": "self", "type": "application/json", "href": "./collection.json"}),
        json!({"rel": "root", "type": "application/json", "href": "../catalog.json"}),
        json!({"rel": "parent", "type": "application/json", "href": "../catalog.json"}),
    ];
    links.extend(own.iter().map(|image| {
        let href = format!("./{0}/{0}.json", image.item_id);
        json!({"rel": "item", "type": "application/geo+json", "href": href})
    }));
    Some(json!({
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": product.collection(),
        "title": title,
        "description": description,
        "license": "CC0-1.0",
        "keywords": ["simulated", "agriculture"],
        "extent": {
            "spatial": {"bbox": [footprint.bbox_json()]},
            "temporal": {"interval": [[text(first), text(last)]]},
        },
        "links": links,
    }))
}

/// Returns the catalogue above the collections.
pub fn catalog(products: &[Product]) -> Value {
    let mut links =
        vec![json!({"rel": "self", "type": "application/json", "href": "./catalog.json"})];
    links.extend(products.iter().map(|product| {
        let href = format!("./{}/collection.json", product.collection());
        json!({"rel": "child", "type": "application/json", "href": href})
    }));
    json!({
        "type": "Catalog",
        "stac_version": "1.1.0",
        "id": "swath-simulated-season",
        "description": "A season over a simulated landscape with known truth.",
        "links": links,
    })
}
