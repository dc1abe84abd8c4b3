//! Any GeoTIFF as a product: dated by a tag, by its name or by word.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, json};
use swath_grid::Point;
use swath_io::GeoTiff;
use swath_raster::DataType;
use swath_stac::{find_datetime, parse_datetime};

use super::{BandField, COG, GEOTIFF, Grid, Product, ProductAsset, ProductVersion, RasterSpec};
use crate::ArchiveError;
use crate::footprint::Footprint;
use crate::package::Package;

/// Forms of dates that names are searched for where no pattern is given.
const PATTERNS: [&str; 4] = ["%Y%m%dT%H%M%S", "%Y-%m-%dT%H%M%S", "%Y-%m-%d", "%Y_%m_%d"];

/// Where the date of a raster comes from when it has no tag.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RasterTime {
    /// This instant, whatever the tags say.
    pub datetime: Option<DateTime<Utc>>,
    /// Form of the date in names, as `%Y%m%d`.
    pub pattern: Option<String>,
}

/// What an opened raster says of itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RasterFacts {
    /// Its grid.
    pub grid: Grid,
    /// Its bands.
    pub bands: Vec<BandField>,
    /// Sample type of the first band.
    pub data_type: DataType,
    /// Nodata of the first band.
    pub nodata: Option<f64>,
    /// Date in its tags.
    pub datetime: Option<DateTime<Utc>>,
    /// True for a valid COG.
    pub is_cog: bool,
    /// Columns and rows.
    pub gsd: Option<f64>,
}

impl RasterFacts {
    /// Reads the facts of an opened raster; `None` where it has no map grid.
    pub(crate) fn of(raster: &GeoTiff) -> Option<Self> {
        let grid = Grid {
            crs: raster.crs()?.clone(),
            transform: *raster.transform()?,
            size: raster.size(),
        };
        let first = raster.bands().first()?;
        let bands = raster.bands().iter().map(|band| BandField {
            name: band.name.clone(),
            scale: band.scale,
            offset: band.offset,
            unit: band.unit.clone(),
            ..BandField::default()
        });
        let tag = raster.metadata_item("datetime").or(raster.datetime_tag());
        let metre = grid.crs.unit_to_metre();
        let gsd = (!grid.crs.is_geographic()).then(|| grid.transform.resolution().x * metre);
        Some(Self {
            bands: bands.collect(),
            data_type: first.data_type,
            nodata: first.nodata.as_deref().and_then(crate::xml::number),
            datetime: tag.and_then(|text| parse_datetime(text).ok()),
            is_cog: raster.describe().cog.valid,
            gsd,
            grid,
        })
    }
}

/// Returns the product that one raster is.
///
/// # Errors
/// Where it cannot be dated, its name is no id or its grid lies nowhere.
pub(crate) fn of_raster(
    package: &Package,
    member: &str,
    facts: &RasterFacts,
    time: &RasterTime,
) -> Result<Product, ArchiveError> {
    let stem = member.rsplit_once('.').map_or(member, |(stem, _)| stem);
    super::check_id(stem, package)?;
    let named = || match &time.pattern {
        Some(pattern) => find_datetime(stem, pattern),
        None => PATTERNS
            .iter()
            .find_map(|pattern| find_datetime(stem, pattern)),
    };
    let datetime = time.datetime.or(facts.datetime).or_else(named).ok_or_else(|| {
        let reason = "it has no date: neither a tag nor its name says one; give --datetime or --date-pattern";
        ArchiveError::product(package.place(""), reason)
    })?;
    let grid = &facts.grid;
    let (width, height) = (f64::from(grid.size.width), f64::from(grid.size.height));
    let corners = [(0.0, 0.0), (0.0, height), (width, height), (width, 0.0)]
        .map(|(x, y)| grid.transform.to_crs(Point { x, y }));
    let footprint = Footprint::of_grid(&corners, &grid.crs).ok_or_else(|| {
        let reason = "its grid has no place in longitude and latitude";
        ArchiveError::product(package.place(""), reason)
    })?;
    let mut properties = Map::new();
    if let Some(gsd) = facts.gsd {
        properties.insert("gsd".to_owned(), json!(gsd));
    }
    let asset = ProductAsset {
        member: member.to_owned(),
        title: stem.to_owned(),
        media_type: if facts.is_cog { COG } else { GEOTIFF },
        roles: vec!["data"],
        raster: Some(RasterSpec {
            grid: Some(grid.clone()),
            gsd: None,
            bands: facts.bands.clone(),
            data_type: facts.data_type,
            nodata: facts.nodata,
            classes: &[],
            is_convertible: true,
        }),
        fields: Map::new(),
    };
    Ok(Product {
        id: stem.to_owned(),
        collection: None,
        folder: stem.to_owned(),
        datetime,
        interval: None,
        footprint,
        properties,
        extensions: vec!["projection/v2.0.0", "raster/v2.0.0"],
        assets: BTreeMap::from([("data".to_owned(), asset)]),
        members: package.member_names(),
        manifest: Vec::new(),
        notes: Vec::new(),
        version: ProductVersion::default(),
    })
}
