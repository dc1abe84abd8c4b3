//! `MTD_TL.xml`: grid, angles, times and quality of one tile.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use roxmltree::Node;
use swath_grid::{Point, Size, Transform};
use swath_stac::parse_datetime;

use crate::ArchiveError;
use crate::xml::{self, NodeExt};

/// Most columns or rows of a tile: 109.8 km at 10 m are 10,980.
const SIZE_PX_MAX: f64 = 100_000.0;

/// The metadata of one tile.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TileMetadata {
    /// `L1C` or `L2A`.
    pub level: &'static str,
    /// Identifier of the granule.
    pub tile_id: String,
    /// Identifier of the datastrip.
    pub datastrip_id: Option<String>,
    /// When the middle of the tile was sensed.
    pub sensing_time: DateTime<Utc>,
    /// EPSG code of the tile.
    pub epsg: u32,
    /// Grid by resolution in metres.
    pub grids: BTreeMap<u32, TileGrid>,
    /// Mean zenith and azimuth of the sun, in degrees.
    pub sun: Option<Angles>,
    /// Mean zenith and azimuth of the instrument by band id, in degrees.
    pub view: BTreeMap<usize, Angles>,
    /// Percentages of the quality section by their names.
    pub percentages: BTreeMap<String, f64>,
    /// Paths of masks as the metadata list them, in order.
    pub masks: Vec<String>,
    /// Path of the preview.
    pub preview: Option<String>,
}

/// A grid of a tile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TileGrid {
    pub transform: Transform,
    pub size: Size,
}

/// Zenith and azimuth, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Angles {
    pub zenith: f64,
    pub azimuth: f64,
}

impl TileMetadata {
    /// Reads the metadata of a tile.
    pub(crate) fn parse(text: &str, place: &str) -> Result<Self, ArchiveError> {
        let document = xml::parse(text, place)?;
        let root = document.root_element();
        let level = match root.tag_name().name() {
            "Level-1C_Tile_ID" => "L1C",
            "Level-2A_Tile_ID" => "L2A",
            other => {
                let reason = format!("the root element is {other}, not the metadata of a tile");
                return Err(ArchiveError::product(place, reason));
            }
        };
        let missing = |what: &str| ArchiveError::product(place, format!("it has no {what}"));
        let tile_id = root.text_of("TILE_ID").or(root.text_of("TILE_ID_2A"));
        let sensing = root
            .text_of("SENSING_TIME")
            .ok_or_else(|| missing("SENSING_TIME"))?;
        let sensing_time = parse_datetime(sensing)
            .map_err(|error| ArchiveError::product(place, error.to_string()))?;
        let code = root
            .text_of("HORIZONTAL_CS_CODE")
            .ok_or_else(|| missing("HORIZONTAL_CS_CODE"))?;
        let epsg = code
            .rsplit(':')
            .next()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| {
                ArchiveError::product(place, format!("HORIZONTAL_CS_CODE {code} is no EPSG code"))
            })?;
        let quality = root.find("Quality_Indicators_Info");
        Ok(Self {
            level,
            tile_id: tile_id.ok_or_else(|| missing("TILE_ID"))?.to_owned(),
            datastrip_id: root.text_of("DATASTRIP_ID").map(str::to_owned),
            sensing_time,
            epsg,
            grids: grids(root, place)?,
            sun: root.find("Mean_Sun_Angle").and_then(angles),
            view: views(root),
            percentages: quality.map(percentages).unwrap_or_default(),
            masks: root
                .find_all("MASK_FILENAME")
                .filter_map(xml::text)
                .map(str::to_owned)
                .collect(),
            preview: root.text_of("PVI_FILENAME").map(str::to_owned),
        })
    }

    /// Returns the name of the tile in the military grid, such as `29UNU`.
    pub(crate) fn mgrs(&self) -> Option<&str> {
        mgrs_in(&self.tile_id)
    }

    /// Returns mean zenith and azimuth of the instrument over all bands.
    pub(crate) fn mean_view(&self) -> Option<Angles> {
        let count = self.view.len() as f64;
        if self.view.is_empty() {
            return None;
        }
        let sum = |value: fn(&Angles) -> f64| self.view.values().map(value).sum::<f64>();
        // Azimuths are averaged as directions: 359° and 1° give 0°.
        let east = sum(|angles| angles.azimuth.to_radians().sin());
        let north = sum(|angles| angles.azimuth.to_radians().cos());
        Some(Angles {
            zenith: sum(|angles| angles.zenith) / count,
            azimuth: east.atan2(north).to_degrees().rem_euclid(360.0),
        })
    }
}

/// Returns the first `Tddxxx` of a name made of parts, without its `T`.
pub(crate) fn mgrs_in(name: &str) -> Option<&str> {
    name.split(['_', '.']).find_map(|part| {
        let tile = part.strip_prefix('T')?;
        let is_tile = tile.len() == 5
            && tile.is_ascii()
            && tile[..2].bytes().all(|byte| byte.is_ascii_digit())
            && tile[2..].bytes().all(|byte| byte.is_ascii_uppercase());
        is_tile.then_some(tile)
    })
}

fn grids(root: Node, place: &str) -> Result<BTreeMap<u32, TileGrid>, ArchiveError> {
    let geocoding = root
        .find("Tile_Geocoding")
        .ok_or_else(|| ArchiveError::product(place, "it has no Tile_Geocoding"))?;
    let resolution = |node: &Node| node.attribute("resolution")?.trim().parse::<u32>().ok();
    let mut found = BTreeMap::new();
    for size in geocoding.find_all("Size") {
        let Some(resolution_m) = resolution(&size) else {
            continue;
        };
        let position = geocoding
            .find_all("Geoposition")
            .find(|node| resolution(node) == Some(resolution_m));
        let grid = position.and_then(|position| grid(size, position));
        let grid = grid.ok_or_else(|| {
            let reason = format!("size or position of the {resolution_m} m grid make no sense");
            ArchiveError::product(place, reason)
        })?;
        found.insert(resolution_m, grid);
    }
    match found.is_empty() {
        true => Err(ArchiveError::product(place, "it describes no grid")),
        false => Ok(found),
    }
}

fn grid(size: Node, position: Node) -> Option<TileGrid> {
    let pixels = |name: &str| {
        let value = size.number_of(name)?;
        (1.0..=SIZE_PX_MAX).contains(&value).then_some(value as u32)
    };
    let origin = Point {
        x: position.number_of("ULX")?,
        y: position.number_of("ULY")?,
    };
    let (x_step, y_step) = (position.number_of("XDIM")?, position.number_of("YDIM")?);
    Some(TileGrid {
        transform: Transform::from_gdal([origin.x, x_step, 0.0, origin.y, 0.0, y_step])?,
        size: Size {
            width: pixels("NCOLS")?,
            height: pixels("NROWS")?,
        },
    })
}

fn angles(node: Node) -> Option<Angles> {
    Some(Angles {
        zenith: node.number_of("ZENITH_ANGLE")?,
        azimuth: node.number_of("AZIMUTH_ANGLE")?,
    })
}

fn views(root: Node) -> BTreeMap<usize, Angles> {
    root.find_all("Mean_Viewing_Incidence_Angle")
        .filter_map(|node| {
            let band = node.attribute("bandId")?.trim().parse().ok()?;
            Some((band, angles(node)?))
        })
        .collect()
}

/// Returns the numbers below a node whose names end in `_PERCENTAGE`, as `NAME` without it.
pub(crate) fn percentages(node: Node) -> BTreeMap<String, f64> {
    node.descendants()
        .filter_map(|element| {
            let name = element.tag_name().name().strip_suffix("_PERCENTAGE")?;
            Some((name.to_owned(), xml::number(xml::text(element)?)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn azimuths_are_averaged_as_directions() {
        let angles = |azimuth| Angles {
            zenith: 4.0,
            azimuth,
        };
        let metadata = TileMetadata {
            level: "L2A",
            tile_id: "S2A_OPER_MSI_L2A_TL_2APS_20230626T022157_A041826_T01WCP_N05.09".to_owned(),
            datastrip_id: None,
            sensing_time: DateTime::UNIX_EPOCH,
            epsg: 32601,
            grids: BTreeMap::new(),
            sun: None,
            view: BTreeMap::from([(0, angles(358.0)), (1, angles(4.0))]),
            percentages: BTreeMap::new(),
            masks: Vec::new(),
            preview: None,
        };
        let mean = metadata.mean_view().expect("a mean");
        assert!((mean.azimuth - 1.0).abs() < 1e-9, "{}", mean.azimuth);
        assert_eq!(metadata.mgrs(), Some("01WCP"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = TileMetadata::parse("<Level-2A_Tile_ID/>", "MTD_TL.xml").expect_err("empty");
        assert!(error.to_string().contains("SENSING_TIME"), "{error}");
        let error = TileMetadata::parse("<kml/>", "MTD_TL.xml").expect_err("foreign");
        assert!(error.to_string().contains("kml"), "{error}");
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let text = "<Level-1C_Tile_ID><TILE_ID>x</TILE_ID><SENSING_TIME>2020-01-01T00:00:00Z</SENSING_TIME>\
            <HORIZONTAL_CS_CODE>EPSG:32601</HORIZONTAL_CS_CODE><Tile_Geocoding>\
            <Size resolution=\"10\"><NROWS>1e12</NROWS><NCOLS>10</NCOLS></Size>\
            <Geoposition resolution=\"10\"><ULX>0</ULX><ULY>0</ULY><XDIM>10</XDIM><YDIM>-10</YDIM></Geoposition>\
            </Tile_Geocoding></Level-1C_Tile_ID>";
        let error = TileMetadata::parse(text, "MTD_TL.xml").expect_err("absurd");
        assert!(error.to_string().contains("10 m grid"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_result(text in "\\PC{0,200}") {
            let _ = TileMetadata::parse(&text, "any");
            let wrapped = format!("<Level-2A_Tile_ID><TILE_ID>{text}</TILE_ID></Level-2A_Tile_ID>");
            let _ = TileMetadata::parse(&wrapped, "any");
        }
    }
}
