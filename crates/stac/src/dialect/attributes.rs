//! Attributes of products as OData names them, and the STAC properties behind them: one table for
//! the faces that write items as products and for the import of others' answers.

use super::missions::folded;

/// What stands behind an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A whole number in one of these properties.
    Integer(&'static [&'static str]),
    /// A number in one of these properties.
    Double(&'static [&'static str]),
    /// A text in one of these properties, as it is.
    Text(&'static [&'static str]),
    /// A text that STAC writes in lower case and the dialects in upper case.
    Upper(&'static [&'static str]),
    /// An instant.
    Datetime(&'static str),
    /// Known from the collection, see [`super::missions`]; `constellation`.
    Mission,
    /// Known from the collection; `product:type`.
    ProductType,
    /// Known from the collection; `processing:level`.
    ProcessingLevel,
    /// Known from the collection, else `instruments`.
    Instrument,
    /// `A` of `platform: sentinel-2a`.
    Serial,
    /// `VV&VH` of `sar:polarizations: ["VV", "VH"]`.
    Polarisations,
    /// `31UFS` of `grid:code: MGRS-31UFS`.
    Tile,
    /// Name of the product.
    Name,
}

/// Attributes as OData writes them, and what stands behind.
pub const ATTRIBUTES: &[(&str, Source)] = &[
    ("Name", Source::Name),
    ("productType", Source::ProductType),
    ("processingLevel", Source::ProcessingLevel),
    ("platformShortName", Source::Mission),
    ("platformSerialIdentifier", Source::Serial),
    ("instrumentShortName", Source::Instrument),
    ("orbitNumber", Source::Integer(&["sat:absolute_orbit"])),
    (
        "relativeOrbitNumber",
        Source::Integer(&["sat:relative_orbit"]),
    ),
    ("orbitDirection", Source::Upper(&["sat:orbit_state"])),
    ("cloudCover", Source::Double(&["eo:cloud_cover"])),
    ("snowCover", Source::Double(&["eo:snow_cover"])),
    ("tileId", Source::Tile),
    (
        "processorVersion",
        Source::Text(&["s2:processing_baseline", "processing:version"]),
    ),
    ("swathIdentifier", Source::Upper(&["sar:instrument_mode"])),
    (
        "operationalMode",
        Source::Upper(&["sar:instrument_mode", "s2:datatake_type"]),
    ),
    ("polarisationChannels", Source::Polarisations),
    (
        "timeliness",
        Source::Text(&["product:timeliness_category", "product:timeliness"]),
    ),
    ("datatakeID", Source::Text(&["s1:datatake_id"])),
    (
        "instrumentConfigurationID",
        Source::Text(&["s1:instrument_configuration_ID"]),
    ),
    ("sliceNumber", Source::Integer(&["s1:slice_number"])),
    ("totalSlices", Source::Integer(&["s1:total_slices"])),
    ("granuleIdentifier", Source::Text(&["s2:tile_id"])),
    ("productGroupId", Source::Text(&["s2:datatake_id"])),
    ("datastripId", Source::Text(&["s2:datastrip_id"])),
    ("spatialResolution", Source::Double(&["gsd"])),
    ("processingDate", Source::Datetime("processing:datetime")),
    ("processingCenter", Source::Text(&["processing:facility"])),
    ("beginningDateTime", Source::Datetime("start_datetime")),
    ("endingDateTime", Source::Datetime("end_datetime")),
];

/// Names that others give to the same attribute: clients in their questions, providers in their answers.
/// Compared by letters and digits alone, whatever their case.
const SYNONYMS: &[(&str, &str)] = &[
    ("platform", "platformSerialIdentifier"),
    ("instrument", "instrumentShortName"),
    ("sensorMode", "operationalMode"),
    ("polarisation", "polarisationChannels"),
    ("processingBaseline", "processorVersion"),
    ("resolution", "spatialResolution"),
    ("tileIdentifier", "tileId"),
    // Answers of DHuS, as a feed and as OData.
    ("cloudCoverPercentage", "cloudCover"),
    ("Cloud Cover Percentage (%)", "cloudCover"),
    ("snowCoverPercentage", "snowCover"),
    ("platformName", "platformShortName"),
    ("Satellite", "platformShortName"),
    ("Satellite number", "platformSerialIdentifier"),
    ("Instrument abbreviation", "instrumentShortName"),
    ("sensorOperationalMode", "operationalMode"),
    ("polarisationMode", "polarisationChannels"),
    ("Orbit number (start)", "orbitNumber"),
    ("Relative orbit (start)", "relativeOrbitNumber"),
    ("Orbit Direction (start)", "orbitDirection"),
    ("Timeliness Category", "timeliness"),
    ("missionDatatakeId", "datatakeID"),
    ("s2DatatakeId", "productGroupId"),
    ("datastripIdentifier", "datastripId"),
    ("Creation Date", "processingDate"),
    // Of resto and its relatives.
    ("missionTakeId", "productGroupId"),
    ("s2TakeId", "productGroupId"),
    ("mgrs", "tileId"),
    // Of Terrascope and EUMETSAT.
    ("productVersion", "processorVersion"),
];

/// Returns the attribute that a name means, as OData writes it, and what stands behind it.
///
/// Names are compared by letters and digits alone, whatever their case.
pub fn find(name: &str) -> Option<(&'static str, Source)> {
    let name = folded(name);
    let synonym = SYNONYMS
        .iter()
        .find(|(synonym, _)| folded(synonym) == name)
        .map(|(_, meant)| folded(meant));
    let meant = synonym.unwrap_or(name);
    ATTRIBUTES
        .iter()
        .find(|(known, _)| folded(known) == meant)
        .copied()
}

/// Returns the attribute behind which a STAC property stands: `cloudCover` of `eo:cloud_cover`.
pub fn find_by_property(property: &str) -> Option<(&'static str, Source)> {
    ATTRIBUTES
        .iter()
        .find(|(_, source)| source.properties().contains(&property))
        .copied()
}

impl Source {
    /// Returns the STAC properties that hold it, the usual one first.
    pub fn properties(self) -> Vec<&'static str> {
        match self {
            Self::Integer(names) | Self::Double(names) | Self::Text(names) | Self::Upper(names) => {
                names.to_vec()
            }
            Self::Datetime(name) => vec![name],
            Self::Mission => vec!["constellation"],
            Self::ProductType => vec!["product:type", "s2:product_type"],
            Self::ProcessingLevel => vec!["processing:level"],
            Self::Instrument => vec!["instruments"],
            Self::Serial => vec!["platform"],
            Self::Polarisations => vec!["sar:polarizations"],
            Self::Tile => vec!["grid:code"],
            Self::Name => Vec::new(),
        }
    }
}

/// Returns the `grid:code` of a tile: `MGRS-31UFS` of `31UFS`, `T31UFS`, `MGRS-31UFS`.
pub fn tile_code(tile: &str) -> String {
    let tile = tile.trim().to_ascii_uppercase();
    let tile = tile.strip_prefix("MGRS-").unwrap_or(&tile);
    // Product names write `T31UFS`; a tile begins with its zone.
    let tile = tile
        .strip_prefix('T')
        .filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        .unwrap_or(tile);
    format!("MGRS-{tile}")
}

/// Returns the channels of `VV`, `VV&VH`, `VV VH`, `VV,VH`, in upper case.
pub fn polarisation_channels(text: &str) -> Vec<String> {
    text.split(['&', ',', ' ', '+', '/', '%'])
        .filter(|channel| !channel.is_empty())
        .map(str::to_ascii_uppercase)
        .collect()
}

/// Returns a level as STAC items have it: `L2A` of `S2MSI2A`, `LEVEL2A`, `Level-2A` and `2A`.
///
/// `None` where it does not begin with a digit 0 to 4.
pub fn processing_level(text: &str) -> Option<String> {
    let upper = text.trim().to_ascii_uppercase();
    let rest = ["S2MSI", "LEVEL-", "LEVEL_", "LEVEL", "L"]
        .iter()
        .find_map(|head| upper.strip_prefix(head))
        .unwrap_or(&upper)
        .trim();
    let is_level = rest.starts_with(|first: char| matches!(first, '0'..='4'))
        && rest.len() <= 4
        && rest
            .chars()
            .all(|character| character.is_ascii_alphanumeric());
    is_level.then(|| format!("L{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_providers_mean_one_attribute() {
        let name = |spelling: &str| find(spelling).map(|(name, _)| name);
        for (spelling, expected) in [
            ("cloudcoverpercentage", "cloudCover"),
            ("Cloud Cover Percentage (%)", "cloudCover"),
            ("processing:level", "processingLevel"),
            ("PROCESSINGLEVEL", "processingLevel"),
            ("Orbit number (start)", "orbitNumber"),
            ("platformserialidentifier", "platformSerialIdentifier"),
            ("tileid", "tileId"),
        ] {
            assert_eq!(name(spelling), Some(expected), "{spelling}");
        }
        assert_eq!(name("noSuchThing"), None);
        assert_eq!(name(""), None);
        let behind = |property: &str| find_by_property(property).map(|(name, _)| name);
        assert_eq!(behind("eo:cloud_cover"), Some("cloudCover"));
        assert_eq!(behind("processing:version"), Some("processorVersion"));
        assert_eq!(behind("datetime"), None);
    }

    #[test]
    fn synonyms_lead_to_attributes() {
        for (synonym, _) in SYNONYMS {
            assert!(find(synonym).is_some(), "{synonym}");
        }
    }

    #[test]
    fn levels_and_tiles_have_one_spelling() {
        for spelling in ["S2MSI2A", "LEVEL2A", "Level-2A", "L2A", "2A"] {
            assert_eq!(
                processing_level(spelling).as_deref(),
                Some("L2A"),
                "{spelling}"
            );
        }
        assert_eq!(processing_level("LEVEL1").as_deref(), Some("L1"));
        assert_eq!(processing_level("LEVEL"), None);
        assert_eq!(processing_level("OCN"), None);
        assert_eq!(tile_code("T31UFS"), "MGRS-31UFS");
        assert_eq!(polarisation_channels("VV vh"), ["VV", "VH"]);
    }
}
