//! `MTD_MSIL1C.xml` and `MTD_MSIL2A.xml`, and their forerunners `…_MTD_SAFL1C_…xml`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use roxmltree::Node;
use swath_grid::Point;
use swath_stac::parse_datetime;

use super::tile_metadata::percentages;
use crate::ArchiveError;
use crate::footprint::VERTICES_MAX;
use crate::xml::{self, NodeExt};

/// The metadata of a product.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ProductMetadata {
    /// Name of the product with `.SAFE`.
    pub uri: Option<String>,
    /// `S2MSI1C` or `S2MSI2A`.
    pub product_type: Option<String>,
    /// Such as `04.00`.
    pub baseline: Option<String>,
    /// When it was made.
    pub generated: Option<DateTime<Utc>>,
    /// First and last line.
    pub start: Option<DateTime<Utc>>,
    /// First and last line.
    pub stop: Option<DateTime<Utc>>,
    /// Identifier of the datatake.
    pub datatake_id: Option<String>,
    /// Such as `INS-NOBS`.
    pub datatake_type: Option<String>,
    /// Such as `Sentinel-2A`.
    pub spacecraft: Option<String>,
    /// Relative orbit.
    pub relative_orbit: Option<u32>,
    /// `ascending` or `descending`.
    pub orbit_state: Option<String>,
    /// DOI of the collection.
    pub doi: Option<String>,
    /// Stored values per unit of reflectance.
    pub reflectance_quantification: Option<f64>,
    /// Stored values per unit of aerosol optical thickness.
    pub aerosol_quantification: Option<f64>,
    /// Stored values per centimetre of water.
    pub water_quantification: Option<f64>,
    /// Summand to stored values by band id, before the quantification.
    pub offsets: BTreeMap<usize, f64>,
    /// Granules with their images, as listed.
    pub granules: Vec<Granule>,
    /// Outline in longitude and latitude.
    pub footprint: Vec<Point>,
    /// Share of cloud, in percent.
    pub cloud_cover: Option<f64>,
    /// Percentages of the quality section.
    pub percentages: BTreeMap<String, f64>,
    /// Factor for the distance to the sun.
    pub reflectance_conversion: Option<f64>,
}

/// A granule of a product.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Granule {
    /// Identifier as in the metadata of the tile.
    pub tile_id: String,
    /// Identifier of the datastrip.
    pub datastrip_id: Option<String>,
    /// Extension of the images: `jp2` or `tif`.
    pub extension: &'static str,
    /// Paths of the images without extension.
    pub images: Vec<String>,
}

impl ProductMetadata {
    /// Reads the metadata of a product.
    pub(crate) fn parse(text: &str, place: &str) -> Result<Self, ArchiveError> {
        let document = xml::parse(text, place)?;
        let root = document.root_element();
        let name = root.tag_name().name();
        if !matches!(name, "Level-1C_User_Product" | "Level-2A_User_Product") {
            let reason = format!("the root element is {name}, not the metadata of a product");
            return Err(ArchiveError::product(place, reason));
        }
        let own = |name: &str| root.text_of(name).map(str::to_owned);
        let datetime = |name: &str| {
            root.text_of(name)
                .and_then(|text| parse_datetime(text).ok())
        };
        let quality = root.find("Quality_Indicators_Info");
        let datatake = root.find("Datatake");
        Ok(Self {
            uri: own("PRODUCT_URI").or_else(|| own("PRODUCT_URI_2A")),
            product_type: own("PRODUCT_TYPE"),
            baseline: own("PROCESSING_BASELINE"),
            generated: datetime("GENERATION_TIME"),
            start: datetime("PRODUCT_START_TIME"),
            stop: datetime("PRODUCT_STOP_TIME"),
            datatake_id: datatake
                .and_then(|node| node.attribute("datatakeIdentifier"))
                .map(str::to_owned),
            datatake_type: own("DATATAKE_TYPE"),
            spacecraft: own("SPACECRAFT_NAME"),
            relative_orbit: root
                .number_of("SENSING_ORBIT_NUMBER")
                .map(|orbit| orbit as u32),
            orbit_state: own("SENSING_ORBIT_DIRECTION").map(|state| state.to_ascii_lowercase()),
            doi: own("PRODUCT_DOI"),
            reflectance_quantification: positive(root.number_of("BOA_QUANTIFICATION_VALUE"))
                .or_else(|| positive(root.number_of("L2A_BOA_QUANTIFICATION_VALUE")))
                .or_else(|| positive(root.number_of("QUANTIFICATION_VALUE"))),
            aerosol_quantification: positive(root.number_of("AOT_QUANTIFICATION_VALUE"))
                .or_else(|| positive(root.number_of("L2A_AOT_QUANTIFICATION_VALUE"))),
            water_quantification: positive(root.number_of("WVP_QUANTIFICATION_VALUE"))
                .or_else(|| positive(root.number_of("L2A_WVP_QUANTIFICATION_VALUE"))),
            offsets: offsets(root),
            granules: granules(root),
            footprint: footprint(root),
            cloud_cover: quality.and_then(|node| node.number_of("Cloud_Coverage_Assessment")),
            percentages: quality.map(percentages).unwrap_or_default(),
            reflectance_conversion: root
                .find("Reflectance_Conversion")
                .and_then(|node| node.number_of("U")),
        })
    }
}

fn positive(value: Option<f64>) -> Option<f64> {
    value.filter(|value| *value > 0.0)
}

fn offsets(root: Node) -> BTreeMap<usize, f64> {
    let nodes = root
        .find_all("BOA_ADD_OFFSET")
        .chain(root.find_all("RADIO_ADD_OFFSET"));
    nodes
        .filter_map(|node| {
            let band = node.attribute("band_id").or(node.attribute("bandId"))?;
            Some((band.trim().parse().ok()?, xml::number(xml::text(node)?)?))
        })
        .collect()
}

fn granules(root: Node) -> Vec<Granule> {
    let nodes = root
        .find_all("Granule")
        .chain(root.find_all("Granules"))
        .filter(|node| node.has_attribute("granuleIdentifier"));
    nodes
        .map(|node| {
            let format = node.attribute("imageFormat").unwrap_or_default();
            let images = node
                .find_all("IMAGE_FILE")
                .chain(node.find_all("IMAGE_FILE_2A"))
                .chain(node.find_all("IMAGE_ID"))
                .filter_map(xml::text);
            Granule {
                tile_id: node
                    .attribute("granuleIdentifier")
                    .unwrap_or_default()
                    .to_owned(),
                datastrip_id: node.attribute("datastripIdentifier").map(str::to_owned),
                extension: match format.to_ascii_lowercase().contains("tif") {
                    true => "tif",
                    false => "jp2",
                },
                images: images.map(str::to_owned).collect(),
            }
        })
        .collect()
}

/// Returns the outline; the list holds latitude and longitude by turns, in 3-D with heights.
fn footprint(root: Node) -> Vec<Point> {
    let Some(list) = root.text_of("EXT_POS_LIST") else {
        return Vec::new();
    };
    let numbers: Vec<f64> = list
        .split_whitespace()
        .take(3 * VERTICES_MAX)
        .filter_map(xml::number)
        .collect();
    // A closed ring in 3-D repeats its first three numbers, one in 2-D its first two.
    let repeats = |count: usize| {
        numbers.len().is_multiple_of(count)
            && numbers.len() > count
            && numbers[..count] == numbers[numbers.len() - count..]
    };
    let step = if !repeats(2) && repeats(3) { 3 } else { 2 };
    numbers
        .chunks_exact(step)
        .map(|position| Point {
            x: position[1],
            y: position[0],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: &str = r#"<n1:Level-2A_User_Product xmlns:n1="x"><PRODUCT_URI>P.SAFE</PRODUCT_URI>
        <Datatake datatakeIdentifier="GS2A"><SENSING_ORBIT_NUMBER>73</SENSING_ORBIT_NUMBER></Datatake>
        <Granule granuleIdentifier="T" imageFormat="GeoTIFF"><IMAGE_FILE>a_B02_10m</IMAGE_FILE></Granule>
        <BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE>
        <BOA_ADD_OFFSET band_id="1">-1000</BOA_ADD_OFFSET><EXT_POS_LIST>1 2 3 4 5 6</EXT_POS_LIST>
        </n1:Level-2A_User_Product>"#;

    #[test]
    fn fields_are_read() {
        let metadata = ProductMetadata::parse(SMALL, "MTD").expect("metadata");
        assert_eq!(metadata.uri.as_deref(), Some("P.SAFE"));
        assert_eq!(metadata.relative_orbit, Some(73));
        assert_eq!(metadata.granules[0].extension, "tif");
        assert_eq!(metadata.offsets[&1], -1000.0);
        assert_eq!(metadata.footprint[0], Point { x: 2.0, y: 1.0 });
    }

    #[test]
    fn outlines_may_have_heights() {
        let outline = |list: &str| {
            let text = SMALL.replace("1 2 3 4 5 6", list);
            let metadata = ProductMetadata::parse(&text, "MTD").expect("metadata");
            metadata.footprint
        };
        let flat = outline("1 2 3 4 5 7 1 2");
        assert_eq!(outline("1 2 0 3 4 0 5 7 0 1 2 0"), flat);
        assert_eq!(flat[2], Point { x: 7.0, y: 5.0 });
    }

    proptest! {
        #[test]
        fn damaged_metadata_end_in_a_result(at in 0..SMALL.len(), byte in 32u8..127) {
            let mut bytes = SMALL.as_bytes().to_vec();
            bytes[at] = byte;
            let text = String::from_utf8(bytes).expect("ASCII");
            let _ = ProductMetadata::parse(&text, "MTD");
            let _ = ProductMetadata::parse(&text[..at], "MTD");
        }
    }
}
