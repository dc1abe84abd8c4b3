//! What `swath info` tells of a raster.

use serde::Serialize;
use swath_grid::Bounds;

use super::GeoTiff;
use crate::tiff::Interleave;

/// Description of a raster for people and programs.
#[derive(Debug, Clone, Serialize)]
pub struct RasterDescription {
    /// As asked for.
    pub href: String,
    /// `GeoTIFF`, `BigTIFF`, `JPEG 2000` or `JPEG 2000 codestream`.
    pub driver: &'static str,
    /// Bytes of the file.
    pub bytes: u64,
    /// `EPSG:n`, or the CRS as WKT; null where the file names none.
    pub crs: Option<String>,
    /// Name of the CRS.
    pub crs_name: Option<String>,
    /// Columns and rows.
    pub size: [u32; 2],
    /// GDAL's order: x of the corner, column dx, row dx, y of the corner, column dy, row dy.
    pub transform: Option<[f64; 6]>,
    /// Rectangle of the grid in its CRS.
    pub bounds: Option<Bounds>,
    /// True where the file ties pixel centres (`AREA_OR_POINT=Point`); the transform is of corners all the same.
    pub is_point: bool,
    /// True where only ground control points place the raster.
    pub has_control_points: bool,
    /// Those points: pixel corners counted from the north-west, coordinates in the CRS.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub control_points: Vec<ControlPoint>,
    /// Bands in file order.
    pub bands: Vec<BandDescription>,
    /// Width and height of a block.
    pub block: [u32; 2],
    /// `tiles` or `strips`.
    pub layout: &'static str,
    /// `pixel` or `band`.
    pub interleave: &'static str,
    /// Compression scheme.
    pub compression: String,
    /// 1 none, 2 horizontal, 3 floating point.
    pub predictor: u16,
    /// Overviews from large to small.
    pub overviews: Vec<ImageDescription>,
    /// True where the file has a mask of its own.
    pub has_mask: bool,
    /// Further images in the file that are neither overview nor mask.
    pub other_pages: usize,
    /// Free items of the file's metadata, and `TIFFTAG_DATETIME`.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Whether the file is a valid cloud-optimised GeoTIFF.
    pub cog: CogDescription,
}

/// A place in the image whose coordinates are known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ControlPoint {
    /// Columns from the left edge.
    pub col: f64,
    /// Rows from the upper edge.
    pub row: f64,
    /// Easting or longitude.
    pub x: f64,
    /// Northing or latitude.
    pub y: f64,
    /// Height, 0 where none is known.
    pub z: f64,
}

/// One band.
#[derive(Debug, Clone, Serialize)]
pub struct BandDescription {
    /// Its name, `band_n` where the file gives none.
    pub name: String,
    /// Sample type as numpy names it.
    pub dtype: &'static str,
    /// Nodata as written in the file.
    pub nodata: Option<String>,
    /// Factor to physical values.
    pub scale: Option<f64>,
    /// Summand to physical values.
    pub offset: Option<f64>,
    /// Unit of physical values.
    pub unit: Option<String>,
    /// True for opacity.
    pub is_alpha: bool,
}

/// One overview.
#[derive(Debug, Clone, Serialize)]
pub struct ImageDescription {
    /// Columns and rows.
    pub size: [u32; 2],
    /// Width and height of a block.
    pub block: [u32; 2],
}

/// The verdict on the file's layout.
#[derive(Debug, Clone, Serialize)]
pub struct CogDescription {
    /// True for a valid COG.
    pub valid: bool,
    /// Why it is not.
    pub reasons: Vec<String>,
    /// What could be better.
    pub warnings: Vec<String>,
}

impl GeoTiff {
    /// Describes the raster.
    pub fn describe(&self) -> RasterDescription {
        let image = &self.levels[0].image;
        let geo = self.transform.and_then(|transform| {
            swath_grid::GeoBox::new(self.crs.clone()?, transform, image.size)
                .map(|geobox| geobox.bounds())
        });
        let mut metadata: serde_json::Map<_, _> = self
            .items
            .iter()
            .map(|(key, value)| (key.clone(), value.clone().into()))
            .collect();
        if let Some(datetime) = &self.datetime_tag {
            metadata.insert("TIFFTAG_DATETIME".to_owned(), datetime.clone().into());
        }
        RasterDescription {
            href: self.href().to_owned(),
            driver: self.format.name(),
            bytes: self.file_len,
            crs: self.crs.as_ref().map(|crs| match crs.epsg() {
                Some(code) => format!("EPSG:{code}"),
                None => crs.to_wkt(),
            }),
            crs_name: self.crs.as_ref().map(|crs| crs.name().to_owned()),
            size: [image.size.width, image.size.height],
            transform: self.transform.map(|transform| transform.to_gdal()),
            bounds: geo,
            is_point: self.is_point,
            has_control_points: !self.control_points.is_empty(),
            control_points: self.control_points.clone(),
            bands: self.describe_bands(),
            block: [image.block.width, image.block.height],
            layout: if image.is_tiled { "tiles" } else { "strips" },
            interleave: if image.interleave == Interleave::Band {
                "band"
            } else {
                "pixel"
            },
            compression: image.compression.name(),
            predictor: image.predictor,
            overviews: self.levels[1..]
                .iter()
                .map(|level| ImageDescription {
                    size: [level.image.size.width, level.image.size.height],
                    block: [level.image.block.width, level.image.block.height],
                })
                .collect(),
            has_mask: self.levels[0].mask.is_some(),
            other_pages: self.other_pages,
            metadata,
            cog: CogDescription {
                valid: self.cog.valid,
                reasons: self.cog.reasons.clone(),
                warnings: self.cog.warnings.clone(),
            },
        }
    }

    fn describe_bands(&self) -> Vec<BandDescription> {
        self.bands
            .iter()
            .map(|band| BandDescription {
                name: band.name.clone(),
                dtype: band.data_type.name(),
                nodata: band.nodata.clone(),
                scale: band.scale,
                offset: band.offset,
                unit: band.unit.clone(),
                is_alpha: band.is_alpha,
            })
            .collect()
    }
}
