//! What a product is: its metadata read, its files named, not yet an item.
//!
//! [`read`] tells the kind of a package by its content and hands it to the reader of that kind.

mod dimap;
pub(crate) mod envi;
mod manifest;
mod raster;
mod sentinel1;
mod sentinel2;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use swath_grid::{Crs, Size, Transform};
use swath_raster::DataType;

pub(crate) use manifest::Digests;
pub use manifest::{Algorithm, ManifestEntry};
pub use raster::RasterTime;
pub(crate) use raster::{RasterFacts, of_raster};
pub(crate) use sentinel1::FREQUENCY_GHZ as S1_FREQUENCY_GHZ;

pub(crate) use sentinel2::{
    is_product_metadata as is_sentinel2_product, is_tile_metadata as is_sentinel2_tile,
};

use crate::footprint::Footprint;
use crate::package::Package;
use crate::{ArchiveError, SourceKind};

/// Longest id of an item, in bytes.
const ID_BYTES_MAX: usize = 200;
/// Media type of a JPEG 2000 file.
pub(crate) const JP2: &str = "image/jp2";
/// Media type of a GeoTIFF.
pub(crate) const GEOTIFF: &str = "image/tiff; application=geotiff";
/// Media type of a cloud-optimised GeoTIFF.
pub(crate) const COG: &str = "image/tiff; application=geotiff; profile=cloud-optimized";
/// Media type of XML.
pub(crate) const XML: &str = "application/xml";

/// One product, or one tile of a product of many: what becomes one item.
#[derive(Debug, Clone)]
pub struct Product {
    /// Id of the item: the agency's name of the product without `.SAFE`.
    pub id: String,
    /// The built-in collection it belongs to, `None` for rasters of any kind.
    pub collection: Option<&'static str>,
    /// Name of the product's folder among the originals.
    pub folder: String,
    /// Start of the acquisition.
    pub datetime: DateTime<Utc>,
    /// First and last instant, where they differ.
    pub interval: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Outline.
    pub footprint: Footprint,
    /// Further properties of the item.
    pub properties: Map<String, Value>,
    /// Extensions of STAC that the properties use, as `eo/v2.0.0`.
    pub extensions: Vec<&'static str>,
    /// All assets that the product should have, by key.
    pub assets: BTreeMap<String, ProductAsset>,
    /// Files of the package that belong to it, by name.
    pub members: Vec<String>,
    /// What the manifest says of its files; empty where there is none.
    pub manifest: Vec<ManifestEntry>,
    /// What is odd but no hindrance.
    pub notes: Vec<String>,
    /// Which of two versions of the same acquisition is newer.
    pub version: ProductVersion,
}

/// Orders versions of one acquisition: the higher baseline is newer, then the later generation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ProductVersion {
    /// Processing baseline such as `04.00`.
    pub baseline: String,
    /// When the product was made.
    pub generated: Option<DateTime<Utc>>,
}

/// One asset of a product.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductAsset {
    /// Path in the package.
    pub member: String,
    /// Words for people.
    pub title: String,
    /// Media type of the file as delivered.
    pub media_type: &'static str,
    /// Roles of STAC.
    pub roles: Vec<&'static str>,
    /// What a raster holds; `None` for other files.
    pub raster: Option<RasterSpec>,
    /// Further fields of the asset.
    pub fields: Map<String, Value>,
}

/// What the metadata say of a raster.
#[derive(Debug, Clone, PartialEq)]
pub struct RasterSpec {
    /// Its grid; `None` where it lies in the geometry of the sensor, or the file itself says it.
    pub grid: Option<Grid>,
    /// Resolution in metres.
    pub gsd: Option<f64>,
    /// Its bands in order.
    pub bands: Vec<BandField>,
    /// Sample type.
    pub data_type: DataType,
    /// Stored value that means absent.
    pub nodata: Option<f64>,
    /// Names of classes by value, where values are classes.
    pub classes: &'static [&'static str],
    /// False for files that stay as they are: complex samples, images without a map grid.
    pub is_convertible: bool,
}

/// Where the pixels of a raster lie.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Coordinate reference system.
    pub crs: Crs,
    /// From pixel corners to coordinates.
    pub transform: Transform,
    /// Columns and rows.
    pub size: Size,
}

/// One band of an asset.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BandField {
    /// Name.
    pub name: String,
    /// STAC common name.
    pub common_name: Option<String>,
    /// Words for people.
    pub description: Option<String>,
    /// Centre and full width at half maximum, in micrometres.
    pub wavelength_um: Option<(f64, f64)>,
    /// Factor of `value = stored * scale + offset`.
    pub scale: Option<f64>,
    /// Summand of it.
    pub offset: Option<f64>,
    /// Unit of the value.
    pub unit: Option<String>,
}

impl Product {
    /// Returns the keys of assets whose files the package does not hold.
    pub fn missing_assets(&self, package: &Package) -> Vec<String> {
        let is_absent = |asset: &ProductAsset| package.size(&asset.member).is_none();
        let absent = self.assets.iter().filter(|(_, asset)| is_absent(asset));
        absent.map(|(key, _)| key.clone()).collect()
    }
}

/// Reads the products of a package: one, or one per tile.
///
/// # Errors
/// Where the metadata are damaged or lack what an item needs.
pub fn read(package: &Package, kind: SourceKind) -> Result<Vec<Product>, ArchiveError> {
    let products = match kind {
        SourceKind::Sentinel2 => sentinel2::read(package)?,
        SourceKind::Sentinel1 => vec![sentinel1::read(package)?],
        SourceKind::Dimap => vec![dimap::read(package)?],
        SourceKind::Raster => Vec::new(),
    };
    for product in &products {
        check_id(&product.id, package)?;
        check_id(&product.folder, package)?;
    }
    Ok(products)
}

/// Refuses ids that are no plain names: they become parts of keys and paths.
pub(crate) fn check_id(id: &str, package: &Package) -> Result<(), ArchiveError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    let is_fine = !id.is_empty()
        && id.len() <= ID_BYTES_MAX
        && !id.starts_with('.')
        && id.chars().all(is_plain);
    if is_fine {
        return Ok(());
    }
    let shown: String = id.chars().take(80).collect();
    let reason = format!(
        "its name {shown:?} is no id: letters, digits and ._-+ only, at most {ID_BYTES_MAX}"
    );
    Err(ArchiveError::product(package.place(""), reason))
}

/// Returns an asset of metadata.
pub(crate) fn metadata_asset(member: &str, title: &str, media_type: &'static str) -> ProductAsset {
    ProductAsset {
        member: member.to_owned(),
        title: title.to_owned(),
        media_type,
        roles: vec!["metadata"],
        raster: None,
        fields: Map::new(),
    }
}

/// Reads and decodes a file of metadata.
pub(crate) fn text(package: &Package, member: &str) -> Result<String, ArchiveError> {
    crate::xml::decode(package.read(member)?, &package.place(member))
}
