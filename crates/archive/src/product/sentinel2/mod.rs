//! Sentinel-2 Level-1C and Level-2A: compact and old SAFE, and the cloud-hosted layout.
//!
//! 1. find the metadata of the product and of its tiles by name;
//! 2. read both, and `tileInfo.json` or the manifest where there is one;
//! 3. put identity, outline, properties and assets of each tile together.

mod bands;
mod images;
mod product_metadata;
mod tile_info;
mod tile_metadata;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use swath_grid::{Crs, Point};
use swath_stac::find_datetime;

use self::images::Images;
use self::product_metadata::ProductMetadata;
use self::tile_info::TileInfo;
use self::tile_metadata::TileMetadata;
use super::{Product, ProductAsset, ProductVersion, XML, manifest, metadata_asset, text};
use crate::ArchiveError;
use crate::footprint::Footprint;
use crate::package::Package;

/// Most tiles of one product; the largest of the old ones had about 140.
const TILES_MAX: usize = 500;

/// Quality percentages that become properties, as the metadata and as STAC name them.
const PERCENTAGES: [(&str, &str); 13] = [
    ("DEGRADED_MSI_DATA", "s2:degraded_msi_data_percentage"),
    ("NODATA_PIXEL", "s2:nodata_pixel_percentage"),
    (
        "SATURATED_DEFECTIVE_PIXEL",
        "s2:saturated_defective_pixel_percentage",
    ),
    ("DARK_FEATURES", "s2:dark_features_percentage"),
    ("CLOUD_SHADOW", "s2:cloud_shadow_percentage"),
    ("VEGETATION", "s2:vegetation_percentage"),
    ("NOT_VEGETATED", "s2:not_vegetated_percentage"),
    ("WATER", "s2:water_percentage"),
    ("UNCLASSIFIED", "s2:unclassified_percentage"),
    ("MEDIUM_PROBA_CLOUDS", "s2:medium_proba_clouds_percentage"),
    ("HIGH_PROBA_CLOUDS", "s2:high_proba_clouds_percentage"),
    ("THIN_CIRRUS", "s2:thin_cirrus_percentage"),
    ("SNOW_ICE", "s2:snow_ice_percentage"),
];

/// True for the name of the metadata of a product.
pub(crate) fn is_product_metadata(name: &str) -> bool {
    let is_xml = name.ends_with(".xml");
    is_xml
        && !name.contains('/')
        && (name.starts_with("MTD_MSIL")
            || name == "product_metadata.xml"
            || name.contains("_MTD_SAFL1C_")
            || name.contains("_MTD_SAFL2A_"))
}

/// True for the path of the metadata of a tile.
pub(crate) fn is_tile_metadata(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    name == "MTD_TL.xml"
        || (folder.is_empty() && name == "metadata.xml")
        || (name.ends_with(".xml")
            && (name.contains("_MTD_L1C_TL_") || name.contains("_MTD_L2A_TL_")))
}

/// Reads the tiles of a product.
pub(super) fn read(package: &Package) -> Result<Vec<Product>, ArchiveError> {
    let names = || package.members().map(|(name, _)| name);
    let product_member = names().find(|name| is_product_metadata(name));
    let product = match product_member {
        Some(name) => Some(ProductMetadata::parse(
            &text(package, name)?,
            &package.place(name),
        )?),
        None => None,
    };
    let tile_members: Vec<&str> = names().filter(|name| is_tile_metadata(name)).collect();
    if tile_members.is_empty() {
        let reason = "it holds no metadata of a tile (MTD_TL.xml or metadata.xml)";
        return Err(ArchiveError::product(package.place(""), reason));
    }
    if tile_members.len() > TILES_MAX {
        return Err(ArchiveError::Limit {
            place: package.place(""),
            what: "the number of tiles".to_owned(),
            limit: format!("TILES_MAX of {TILES_MAX}"),
        });
    }
    let manifest = match package.size("manifest.safe") {
        Some(_) => manifest::parse(
            &text(package, "manifest.safe")?,
            &package.place("manifest.safe"),
        )?,
        None => Vec::new(),
    };
    let info = match package.size("tileInfo.json") {
        Some(_) => Some(TileInfo::parse(
            &package.read("tileInfo.json")?,
            &package.place("tileInfo.json"),
        )?),
        None => None,
    };
    let tile_count = tile_members.len();
    let mut products = Vec::new();
    for member in tile_members {
        let tile = TileMetadata::parse(&text(package, member)?, &package.place(member))?;
        let files = Files {
            package,
            product_member,
            tile_member: member,
            tile_count,
        };
        let mut found = files.product(product.as_ref(), &tile, info.as_ref())?;
        found.manifest.clone_from(&manifest);
        for entry in &manifest {
            add_listed(&mut found.assets, &entry.path);
        }
        products.push(found);
    }
    Ok(products)
}

/// Adds assets of metadata that only the manifest names.
fn add_listed(assets: &mut BTreeMap<String, ProductAsset>, path: &str) {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (key, title) = match name {
        "MTD_DS.xml" => ("datastrip_metadata", "Metadata of the datastrip"),
        "INSPIRE.xml" => ("inspire_metadata", "INSPIRE metadata"),
        _ => return,
    };
    assets
        .entry(key.to_owned())
        .or_insert_with(|| metadata_asset(path, title, XML));
}

/// The files that the metadata of one tile came from.
struct Files<'a> {
    package: &'a Package,
    product_member: Option<&'a str>,
    tile_member: &'a str,
    tile_count: usize,
}

impl Files<'_> {
    fn product(
        &self,
        product: Option<&ProductMetadata>,
        tile: &TileMetadata,
        info: Option<&TileInfo>,
    ) -> Result<Product, ArchiveError> {
        let place = self.package.place(self.tile_member);
        let wrong = |reason: String| ArchiveError::product(place.clone(), reason);
        let crs = Crs::from_epsg(tile.epsg)
            .map_err(|error| wrong(format!("EPSG:{} is not known: {error}", tile.epsg)))?;
        let name = self.product_name(product, info);
        let id = match &name {
            Some(name) if self.tile_count == 1 => name.clone(),
            _ => tile.tile_id.clone(),
        };
        let version = version(product, tile, name.as_deref());
        let folder = self
            .tile_member
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        let images = Images {
            package: self.package,
            product,
            tile,
            crs: &crs,
            baseline: &version.baseline,
            folder: match folder {
                "" => String::new(),
                folder => format!("{folder}/"),
            },
            is_cloud_layout: self.is_cloud_layout(),
        };
        let mut assets = images.assets();
        self.add_metadata(&mut assets);
        let is_l1c = tile.level == "L1C";
        // A tile by itself tells when its middle was sensed; a product when it began.
        let own_start = product.filter(|_| !self.is_cloud_layout());
        let datetime = own_start.and_then(|product| product.start);
        let start_and_stop = own_start.and_then(|product| Some((product.start?, product.stop?)));
        Ok(Product {
            collection: Some(if is_l1c {
                "sentinel-2-l1c"
            } else {
                "sentinel-2-l2a"
            }),
            folder: match &name {
                Some(name) if !self.is_cloud_layout() => format!("{name}.SAFE"),
                _ => id.clone(),
            },
            datetime: datetime.unwrap_or(tile.sensing_time),
            interval: start_and_stop.filter(|(start, stop)| start < stop),
            footprint: self.footprint(product, tile, info, &crs)?,
            properties: properties(product, tile, &version, &id, name.as_deref()),
            extensions: vec![
                "eo/v2.0.0",
                "grid/v1.1.0",
                "processing/v1.2.0",
                "product/v1.0.0",
                "sat/v1.1.0",
                "view/v1.1.0",
                "projection/v2.0.0",
                "raster/v2.0.0",
                "classification/v2.0.0",
            ],
            assets,
            members: self.members(),
            manifest: Vec::new(),
            notes: self.package.refused().to_vec(),
            version,
            id,
        })
    }

    /// Returns the files of the tile: of a product of many, not those of the other tiles.
    fn members(&self) -> Vec<String> {
        let folder = self
            .tile_member
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        let mut names = self.package.member_names();
        if self.tile_count > 1 {
            names.retain(|name| {
                !name.starts_with("GRANULE/") || name.starts_with(&format!("{folder}/"))
            });
        }
        names
    }

    fn is_cloud_layout(&self) -> bool {
        self.tile_member == "metadata.xml"
    }

    /// Returns the name of the product without `.SAFE`.
    fn product_name(
        &self,
        product: Option<&ProductMetadata>,
        info: Option<&TileInfo>,
    ) -> Option<String> {
        let from_metadata = product.and_then(|product| product.uri.as_deref());
        let from_info = info.and_then(|info| info.product_name.as_deref());
        let folder = self.package.name();
        let from_folder =
            (folder.starts_with("S2") && folder.contains("_MSIL") && self.product_member.is_some())
                .then_some(folder);
        let name = from_metadata.or(from_info).or(from_folder)?;
        Some(name.strip_suffix(".SAFE").unwrap_or(name).to_owned())
    }

    fn footprint(
        &self,
        product: Option<&ProductMetadata>,
        tile: &TileMetadata,
        info: Option<&TileInfo>,
        crs: &Crs,
    ) -> Result<Footprint, ArchiveError> {
        let place = self.package.place("");
        if let Some(info) = info {
            if info.data_coverage_percentage == Some(0.0) {
                let reason = "tileInfo.json says that none of the tile holds data: there is nothing to ingest";
                return Err(ArchiveError::product(place, reason));
            }
            if let Some(footprint) = Footprint::of_grid(&info.outline(), crs) {
                return Ok(footprint);
            }
        }
        // The outline of an old product goes round all its tiles.
        let own = product.filter(|_| self.tile_count == 1);
        if let Some(footprint) = own.and_then(|product| Footprint::of_degrees(&product.footprint)) {
            return Ok(footprint);
        }
        let corners: Vec<Point> = tile
            .grids
            .values()
            .next()
            .map(|grid| {
                let (width, height) = (f64::from(grid.size.width), f64::from(grid.size.height));
                [(0.0, 0.0), (0.0, height), (width, height), (width, 0.0)]
                    .map(|(x, y)| grid.transform.to_crs(Point { x, y }))
                    .to_vec()
            })
            .unwrap_or_default();
        Footprint::of_grid(&corners, crs)
            .ok_or_else(|| ArchiveError::product(place, "its metadata give no outline"))
    }

    fn add_metadata(&self, assets: &mut BTreeMap<String, ProductAsset>) {
        let mut add = |key: &str, member: &str, title: &str, media_type| {
            assets.insert(key.to_owned(), metadata_asset(member, title, media_type));
        };
        if let Some(member) = self.product_member {
            add("product_metadata", member, "Metadata of the product", XML);
        }
        add(
            "granule_metadata",
            self.tile_member,
            "Metadata of the tile",
            XML,
        );
        if self.package.size("manifest.safe").is_some() {
            add(
                "safe_manifest",
                "manifest.safe",
                "Manifest of the product",
                XML,
            );
        }
        if self.package.size("tileInfo.json").is_some() {
            add(
                "tileinfo_metadata",
                "tileInfo.json",
                "Description of the tile",
                "application/json",
            );
        }
        for (path, _) in self.package.members() {
            add_listed(assets, path);
        }
    }
}

/// Returns baseline and time of generation: of the metadata, else of the names.
fn version(
    product: Option<&ProductMetadata>,
    tile: &TileMetadata,
    name: Option<&str>,
) -> ProductVersion {
    let from_tile = tile
        .tile_id
        .rsplit_once("_N")
        .map(|(_, baseline)| baseline.to_owned());
    let from_name = name.and_then(|name| {
        let digits = name.split('_').find_map(|part| part.strip_prefix('N'))?;
        let is_baseline = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_baseline.then(|| format!("{}.{}", &digits[..2], &digits[2..]))
    });
    let generated = product.and_then(|product| product.generated).or_else(|| {
        let last = name?.rsplit('_').next()?;
        find_datetime(last, "%Y%m%dT%H%M%S")
    });
    ProductVersion {
        baseline: product
            .and_then(|product| product.baseline.clone())
            .or(from_name)
            .or(from_tile)
            .unwrap_or_default(),
        generated,
    }
}

/// Sets a property where there is a value.
type Set<'a> = dyn FnMut(&str, Option<Value>) + 'a;

fn properties(
    product: Option<&ProductMetadata>,
    tile: &TileMetadata,
    version: &ProductVersion,
    id: &str,
    name: Option<&str>,
) -> Map<String, Value> {
    let mut found = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            found.insert(key.to_owned(), value);
        }
    };
    set_instrument(&mut set, product, tile, id);
    set_orbit(&mut set, product, name);
    set_view(&mut set, tile);
    set_processing(&mut set, product, tile, version);
    set_identifiers(&mut set, product, tile, name);
    found
}

fn set_instrument(set: &mut Set, product: Option<&ProductMetadata>, tile: &TileMetadata, id: &str) {
    let unit = id.get(..3).filter(|start| start.starts_with("S2"));
    let platform = product
        .and_then(|product| product.spacecraft.as_deref())
        .map(str::to_ascii_lowercase)
        .or_else(|| unit.map(|unit| format!("sentinel-2{}", unit[2..].to_ascii_lowercase())));
    set("platform", platform.map(Value::from));
    set("constellation", Some(json!("sentinel-2")));
    set("instruments", Some(json!(["msi"])));
    set("gsd", Some(json!(10)));
    set(
        "grid:code",
        tile.mgrs().map(|tile| json!(format!("MGRS-{tile}"))),
    );
    let of_product = product.map(|product| &product.percentages);
    let cloud = tile.percentages.get("CLOUDY_PIXEL").copied();
    let cloud = cloud.or(product.and_then(|product| product.cloud_cover));
    set("eo:cloud_cover", cloud.map(Value::from));
    set(
        "eo:snow_cover",
        tile.percentages.get("SNOW_ICE").copied().map(Value::from),
    );
    for (source, target) in PERCENTAGES {
        let value = tile.percentages.get(source);
        let value = value.or_else(|| of_product.and_then(|found| found.get(source)));
        set(target, value.copied().map(Value::from));
    }
}

fn set_orbit(set: &mut Set, product: Option<&ProductMetadata>, name: Option<&str>) {
    let state = product.and_then(|product| product.orbit_state.clone());
    set("sat:orbit_state", state.map(Value::from));
    let orbit_of_name =
        name.and_then(|name| name.split('_').find_map(|part| part.strip_prefix('R')));
    let orbit = product.and_then(|product| product.relative_orbit);
    let orbit = orbit.or_else(|| orbit_of_name.and_then(|digits| digits.parse().ok()));
    set(
        "sat:relative_orbit",
        orbit.filter(|orbit| *orbit > 0).map(Value::from),
    );
    let datatake = product.and_then(|product| product.datatake_id.clone());
    let absolute = datatake
        .as_deref()
        .and_then(|id| id.split('_').nth(2))
        .and_then(|digits| digits.parse::<u32>().ok());
    set("sat:absolute_orbit", absolute.map(Value::from));
    set("s2:datatake_id", datatake.map(Value::from));
    set(
        "s2:datatake_type",
        product
            .and_then(|product| product.datatake_type.clone())
            .map(Value::from),
    );
}

fn set_view(set: &mut Set, tile: &TileMetadata) {
    set("view:sun_azimuth", tile.sun.map(|sun| json!(sun.azimuth)));
    set(
        "view:sun_elevation",
        tile.sun.map(|sun| json!(90.0 - sun.zenith)),
    );
    let view = tile.mean_view();
    set("view:azimuth", view.map(|view| json!(view.azimuth)));
    set("view:incidence_angle", view.map(|view| json!(view.zenith)));
}

fn set_processing(
    set: &mut Set,
    product: Option<&ProductMetadata>,
    tile: &TileMetadata,
    version: &ProductVersion,
) {
    set("processing:level", Some(json!(tile.level)));
    let baseline = Some(&version.baseline).filter(|baseline| !baseline.is_empty());
    set(
        "processing:version",
        baseline.map(|baseline| json!(baseline)),
    );
    set(
        "s2:processing_baseline",
        baseline.map(|baseline| json!(baseline)),
    );
    let generated = version.generated.map(crate::item::datetime_text);
    set("processing:datetime", generated.clone().map(Value::from));
    set("s2:generation_time", generated.map(Value::from));
    set("processing:facility", Some(json!("ESA")));
    let product_type = product.and_then(|product| product.product_type.clone());
    let product_type = product_type.unwrap_or_else(|| match tile.level {
        "L1C" => "S2MSI1C".to_owned(),
        _ => "S2MSI2A".to_owned(),
    });
    set("product:type", Some(json!(product_type)));
    set("s2:product_type", Some(json!(product_type)));
    let conversion = product.and_then(|product| product.reflectance_conversion);
    set(
        "s2:reflectance_conversion_factor",
        conversion.map(Value::from),
    );
}

fn set_identifiers(
    set: &mut Set,
    product: Option<&ProductMetadata>,
    tile: &TileMetadata,
    name: Option<&str>,
) {
    set(
        "s2:product_uri",
        name.map(|name| json!(format!("{name}.SAFE"))),
    );
    set("s2:tile_id", Some(json!(tile.tile_id)));
    set(
        "s2:datastrip_id",
        tile.datastrip_id.clone().map(Value::from),
    );
    set(
        "sci:doi",
        product
            .and_then(|product| product.doi.as_deref())
            .and_then(bare_doi)
            .map(Value::from),
    );
}

/// Returns a DOI without its resolver.
fn bare_doi(text: &str) -> Option<String> {
    let at = text.find("10.")?;
    Some(text[at..].to_owned())
}
