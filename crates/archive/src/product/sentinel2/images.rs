//! The images of a tile as assets: which there should be, and what their values mean.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use swath_grid::{Crs, Point, Size, Transform};
use swath_raster::DataType;

use super::bands::{BANDS, ImageName, Layer, SCENE_CLASSES, image_name};
use super::product_metadata::ProductMetadata;
use super::tile_metadata::TileMetadata;
use crate::package::Package;
use crate::product::{BandField, GEOTIFF, Grid, JP2, ProductAsset, RasterSpec};

/// Stored values per unit of reflectance where the metadata say nothing.
const QUANTIFICATION: f64 = 10_000.0;
/// Summand to stored values from baseline 04.00 on, where the metadata say nothing.
const OFFSET_SINCE_04_00: f64 = -1_000.0;
/// Stored values per unit of aerosol optical thickness and per centimetre of water.
const LAYER_QUANTIFICATION: f64 = 1_000.0;
/// Width and height of the preview, in pixels, and its resolution in metres.
const PREVIEW_PX: u32 = 343;
const PREVIEW_M: u32 = 320;

/// The images of Level-2A in the cloud-hosted layout.
const CLOUD_L2A: [(u32, &[&str]); 3] = [
    (10, &["B02", "B03", "B04", "B08", "AOT", "TCI", "WVP"]),
    (
        20,
        &[
            "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12", "AOT", "SCL", "TCI",
            "WVP",
        ],
    ),
    (
        60,
        &[
            "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B09", "B11", "B12", "AOT",
            "SCL", "TCI", "WVP",
        ],
    ),
];

/// What the images of one tile are looked up with.
pub(super) struct Images<'a> {
    pub package: &'a Package,
    pub product: Option<&'a ProductMetadata>,
    pub tile: &'a TileMetadata,
    pub crs: &'a Crs,
    /// Processing baseline such as `04.00`.
    pub baseline: &'a str,
    /// Folder of the tile with a final `/`, empty for the root.
    pub folder: String,
    /// True for `R10m/B02.jp2` beside `metadata.xml`.
    pub is_cloud_layout: bool,
}

impl Images<'_> {
    /// Returns the image assets by key.
    pub(super) fn assets(&self) -> BTreeMap<String, ProductAsset> {
        let by_name: BTreeMap<&str, &str> = self
            .package
            .members()
            .map(|(path, _)| (path.rsplit('/').next().unwrap_or(path), path))
            .collect();
        let mut assets = BTreeMap::new();
        let mut add = |path: &str| {
            if let Some(name) = image_name(path) {
                let (key, asset) = self.asset(name, path);
                assets.entry(key).or_insert(asset);
            }
        };
        // What lies there counts first: it may be named otherwise than the metadata say.
        for (path, _) in self.package.members() {
            let below = path.strip_prefix(&self.folder);
            if below.is_some_and(is_image_path) {
                add(path);
            }
        }
        for path in self.listed() {
            let file = path.rsplit('/').next().unwrap_or(&path);
            add(by_name.get(file).copied().unwrap_or(&path));
        }
        assets
    }

    /// Returns the paths of the images that the metadata or the layout name.
    fn listed(&self) -> Vec<String> {
        let granule = self.product.and_then(|product| {
            let of_tile = |id: &str| id == self.tile.tile_id;
            let granules = &product.granules;
            let own = granules.iter().find(|granule| of_tile(&granule.tile_id));
            own.or(granules.first().filter(|_| granules.len() == 1))
        });
        let mut paths = Vec::new();
        let extension = granule.map_or("jp2", |granule| granule.extension);
        match granule {
            Some(granule) if !self.is_cloud_layout => {
                let full = |image: &String| match image.contains('/') {
                    true => format!("{image}.{extension}"),
                    false => format!("{}IMG_DATA/{image}.{extension}", self.folder),
                };
                paths.extend(granule.images.iter().map(full));
            }
            Some(granule) if !granule.images.is_empty() => {
                paths.extend(granule.images.iter().filter_map(|image| {
                    let name = image_name(image)?;
                    Some(self.cloud_path(name.layer.name(), name.resolution_m))
                }));
            }
            _ => paths.extend(self.cloud_images()),
        }
        if self.is_cloud_layout && self.tile.level == "L2A" {
            paths.extend(["qi/CLD_20m.jp2", "qi/SNW_20m.jp2"].map(str::to_owned));
            paths.push("qi/L2A_PVI.jp2".to_owned());
        } else if !self.is_cloud_layout {
            let masks = self.tile.masks.iter().chain(&self.tile.preview);
            let named = masks.filter(|path| !path.ends_with(".gml"));
            paths.extend(named.map(|path| {
                // Some baselines name a preview in TIFF beside images in JPEG 2000.
                let file = match path.ends_with(".jp2") || path.ends_with(".tif") {
                    true => path.clone(),
                    false => format!("{path}.{extension}"),
                };
                match file.contains('/') {
                    true => file,
                    false => format!("{}QI_DATA/{file}", self.folder),
                }
            }));
        }
        paths
    }

    fn cloud_path(&self, name: &str, resolution_m: Option<u32>) -> String {
        match resolution_m.filter(|_| self.tile.level == "L2A") {
            Some(resolution_m) => format!("R{resolution_m}m/{name}.jp2"),
            None => format!("{name}.jp2"),
        }
    }

    fn cloud_images(&self) -> Vec<String> {
        if !self.is_cloud_layout {
            return Vec::new();
        }
        if self.tile.level == "L1C" {
            let names = BANDS.iter().map(|band| band.name).chain(["TCI"]);
            return names.map(|name| self.cloud_path(name, None)).collect();
        }
        let folders = CLOUD_L2A.iter();
        folders
            .flat_map(|(resolution_m, names)| {
                names
                    .iter()
                    .map(|name| self.cloud_path(name, Some(*resolution_m)))
            })
            .collect()
    }

    fn asset(&self, name: ImageName, path: &str) -> (String, ProductAsset) {
        let layer = name.layer;
        let resolution_m = name.resolution_m.unwrap_or(match layer {
            Layer::Band(index) => BANDS[index].resolution_m,
            Layer::TrueColour => 10,
            Layer::Preview => PREVIEW_M,
            _ => 20,
        });
        let key = match layer {
            Layer::Preview => layer.name().to_owned(),
            layer if self.tile.level == "L1C" => layer.name().to_owned(),
            layer => format!("{}_{resolution_m}m", layer.name()),
        };
        let raster = self.raster(layer, resolution_m);
        let asset = ProductAsset {
            member: path.to_owned(),
            title: match layer {
                Layer::Preview => title(layer).to_owned(),
                layer => format!("{} - {resolution_m} m", title(layer)),
            },
            media_type: match path.ends_with(".tif") || path.ends_with(".tiff") {
                true => GEOTIFF,
                false => JP2,
            },
            roles: roles(layer),
            raster: Some(raster),
            fields: self.fields(layer),
        };
        (key, asset)
    }

    fn raster(&self, layer: Layer, resolution_m: u32) -> RasterSpec {
        let (data_type, nodata) = match layer {
            Layer::Band(_) | Layer::Aerosol | Layer::WaterVapour => (DataType::U16, Some(0.0)),
            Layer::SceneClasses => (DataType::U8, Some(0.0)),
            _ => (DataType::U8, None),
        };
        RasterSpec {
            grid: self.grid(layer, resolution_m),
            gsd: Some(f64::from(resolution_m)),
            bands: self.bands(layer),
            data_type,
            nodata,
            classes: match layer {
                Layer::SceneClasses => &SCENE_CLASSES,
                _ => &[],
            },
            is_convertible: true,
        }
    }

    fn grid(&self, layer: Layer, resolution_m: u32) -> Option<Grid> {
        let (transform, size) = match self.tile.grids.get(&resolution_m) {
            Some(grid) if layer != Layer::Preview => (grid.transform, grid.size),
            _ if layer == Layer::Preview => {
                let origin = self.tile.grids.values().next()?.transform.origin();
                let size = Size {
                    width: PREVIEW_PX,
                    height: PREVIEW_PX,
                };
                (
                    Transform::north_up(Point { ..origin }, f64::from(PREVIEW_M))?,
                    size,
                )
            }
            _ => return None,
        };
        Some(Grid {
            crs: self.crs.clone(),
            transform,
            size,
        })
    }

    fn bands(&self, layer: Layer) -> Vec<BandField> {
        let named = |name: &str| BandField {
            name: name.to_owned(),
            ..BandField::default()
        };
        match layer {
            Layer::Band(index) => {
                let band = &BANDS[index];
                let (scale, offset) = self.reflectance(index);
                vec![BandField {
                    name: band.name.to_owned(),
                    common_name: Some(band.common_name.to_owned()),
                    description: Some(band.title.to_owned()),
                    wavelength_um: Some((band.center_um, band.width_um)),
                    scale: Some(scale),
                    offset: Some(offset),
                    unit: None,
                }]
            }
            Layer::Aerosol | Layer::WaterVapour => {
                let quantification = self.product.and_then(|product| match layer {
                    Layer::Aerosol => product.aerosol_quantification,
                    _ => product.water_quantification,
                });
                vec![BandField {
                    scale: Some(1.0 / quantification.unwrap_or(LAYER_QUANTIFICATION)),
                    offset: Some(0.0),
                    unit: (layer == Layer::WaterVapour).then(|| "cm".to_owned()),
                    ..named(layer.name())
                }]
            }
            Layer::TrueColour | Layer::Preview => ["red", "green", "blue"]
                .map(|name| BandField {
                    common_name: Some(name.to_owned()),
                    ..named(name)
                })
                .to_vec(),
            Layer::CloudProbability | Layer::SnowProbability => vec![BandField {
                unit: Some("%".to_owned()),
                ..named(layer.name())
            }],
            Layer::SceneClasses => vec![named(layer.name())],
        }
    }

    /// Returns scale and offset of a band: `reflectance = stored * scale + offset`.
    fn reflectance(&self, band_index: usize) -> (f64, f64) {
        let said = self
            .product
            .and_then(|product| product.reflectance_quantification);
        let quantification = said.unwrap_or(QUANTIFICATION);
        let offsets = self.product.map(|product| &product.offsets);
        let stored = match offsets.filter(|offsets| !offsets.is_empty()) {
            Some(offsets) => offsets.get(&band_index).copied().unwrap_or_default(),
            // Without the product's own metadata the baseline decides.
            None if self.baseline >= "04.00" => OFFSET_SINCE_04_00,
            None => 0.0,
        };
        (1.0 / quantification, stored / quantification)
    }

    fn fields(&self, layer: Layer) -> Map<String, Value> {
        let mut fields = Map::new();
        if let Layer::Band(index) = layer
            && let Some(view) = self.tile.view.get(&index)
        {
            fields.insert("view:azimuth".to_owned(), json!(view.azimuth));
            fields.insert("view:incidence_angle".to_owned(), json!(view.zenith));
        }
        fields
    }
}

/// True where a path below the folder of a tile is that of an image, not of something beside it.
fn is_image_path(below: &str) -> bool {
    let is_image = [".jp2", ".tif", ".tiff"]
        .iter()
        .any(|extension| below.ends_with(extension));
    let folder = below.split('/').next().unwrap_or_default();
    is_image
        && (!below.contains('/')
            || matches!(
                folder,
                "IMG_DATA" | "QI_DATA" | "R10m" | "R20m" | "R60m" | "qi"
            ))
}

fn title(layer: Layer) -> &'static str {
    match layer {
        Layer::Band(index) => BANDS[index].title,
        Layer::Aerosol => "Aerosol optical thickness",
        Layer::WaterVapour => "Water vapour",
        Layer::SceneClasses => "Scene classification",
        Layer::TrueColour => "True colour",
        Layer::CloudProbability => "Probability of cloud",
        Layer::SnowProbability => "Probability of snow",
        Layer::Preview => "Preview",
    }
}

fn roles(layer: Layer) -> Vec<&'static str> {
    match layer {
        Layer::Band(_) => vec!["data", "reflectance"],
        Layer::TrueColour => vec!["visual"],
        Layer::CloudProbability => vec!["data", "cloud"],
        Layer::SnowProbability => vec!["data", "snow-ice"],
        Layer::Preview => vec!["thumbnail"],
        _ => vec!["data"],
    }
}
