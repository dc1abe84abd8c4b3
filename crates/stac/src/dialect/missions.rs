//! The agencies' names of missions and product types, and the collections of ours that they mean.

/// A mission as the dialects name it.
#[derive(Debug, PartialEq, Eq)]
pub struct Mission {
    /// As resto names it: `Sentinel2`.
    pub resto: &'static str,
    /// As OData and resto's answers name it: `SENTINEL-2`.
    pub odata: &'static str,
    /// First folder of its `/eodata` paths: `Sentinel-2`.
    pub folder: &'static str,
    /// How ids of our collections of it begin.
    pub prefixes: &'static [&'static str],
    /// Platform, where several missions share a collection.
    pub platform: Option<&'static str>,
}

const fn mission(
    resto: &'static str,
    odata: &'static str,
    folder: &'static str,
    prefixes: &'static [&'static str],
) -> Mission {
    Mission {
        resto,
        odata,
        folder,
        prefixes,
        platform: None,
    }
}

const fn landsat(resto: &'static str, odata: &'static str, platform: &'static str) -> Mission {
    Mission {
        resto,
        odata,
        folder: "Landsat",
        prefixes: &["landsat-"],
        platform: Some(platform),
    }
}

/// Missions with a name of their own in the dialects.
pub const MISSIONS: &[Mission] = &[
    mission(
        "Sentinel1",
        "SENTINEL-1",
        "Sentinel-1",
        &["sentinel-1-", "s1-card-"],
    ),
    mission("Sentinel2", "SENTINEL-2", "Sentinel-2", &["sentinel-2-"]),
    mission("Sentinel3", "SENTINEL-3", "Sentinel-3", &["sentinel-3"]),
    mission("Sentinel5P", "SENTINEL-5P", "Sentinel-5P", &["sentinel-5p"]),
    landsat("Landsat8", "LANDSAT-8", "landsat-8"),
    landsat("Landsat9", "LANDSAT-9", "landsat-9"),
    landsat("Landsat7", "LANDSAT-7", "landsat-7"),
    landsat("Landsat5", "LANDSAT-5", "landsat-5"),
    landsat("Landsat4", "LANDSAT-4", "landsat-4"),
    mission("CopDem", "COP-DEM", "CopDEM", &["cop-dem-"]),
    mission("TerraAqua", "TERRAAQUA", "Terra-Aqua", &["modis"]),
];

/// A kind of product: what one collection of ours holds.
#[derive(Debug, PartialEq, Eq)]
pub struct ProductKind {
    /// Id of our collection.
    pub collection: &'static str,
    /// `productType` in answers.
    pub product_type: &'static str,
    /// `processingLevel` in answers.
    pub processing_level: &'static str,
    /// `instrument` in answers.
    pub instrument: &'static str,
    /// Folders of its `/eodata` paths below the mission's.
    pub folder: &'static str,
    /// Other product types and levels that mean it.
    pub aliases: &'static [&'static str],
}

/// The kinds of product with names of their own in the dialects.
pub const PRODUCT_KINDS: &[ProductKind] = &[
    ProductKind {
        collection: "sentinel-1-grd",
        product_type: "GRD",
        processing_level: "LEVEL1",
        instrument: "SAR",
        folder: "SAR/GRD",
        aliases: &["L1", "L1_GRD"],
    },
    ProductKind {
        collection: "sentinel-1-slc",
        product_type: "SLC",
        processing_level: "LEVEL1",
        instrument: "SAR",
        folder: "SAR/SLC",
        aliases: &["L1", "L1_SLC"],
    },
    ProductKind {
        collection: "s1-card-bs",
        product_type: "CARD-BS",
        processing_level: "LEVEL2",
        instrument: "SAR",
        folder: "SAR/CARD-BS",
        aliases: &["CARD_BS"],
    },
    ProductKind {
        collection: "s1-card-coh6",
        product_type: "CARD-COH6",
        processing_level: "LEVEL2",
        instrument: "SAR",
        folder: "SAR/CARD-COH6",
        aliases: &["CARD_COH6"],
    },
    ProductKind {
        collection: "sentinel-2-l1c",
        product_type: "S2MSI1C",
        processing_level: "S2MSI1C",
        instrument: "MSI",
        folder: "MSI/L1C",
        aliases: &["L1C", "LEVEL1C", "LEVEL-1C", "LEVEL1"],
    },
    ProductKind {
        collection: "sentinel-2-l2a",
        product_type: "S2MSI2A",
        processing_level: "S2MSI2A",
        instrument: "MSI",
        folder: "MSI/L2A",
        aliases: &[
            "L2A", "LEVEL2A", "LEVEL-2A", "LEVEL2AP", "S2MSI2AP", "LEVEL2",
        ],
    },
    ProductKind {
        collection: "landsat-c2-l2",
        product_type: "L2SP",
        processing_level: "LEVEL2",
        instrument: "OLI_TIRS",
        folder: "OLI_TIRS/L2SP",
        aliases: &["L2", "L2SR"],
    },
    ProductKind {
        collection: "cop-dem-glo-30",
        product_type: "DGE_30",
        processing_level: "LEVEL3",
        instrument: "SAR",
        folder: "COP-DEM_GLO-30",
        aliases: &["COP-DEM_GLO-30-DGED"],
    },
];

/// Returns a name as names are compared: letters and digits alone, lower case.
pub(super) fn folded(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|character| character.to_ascii_lowercase())
        .collect()
}

/// Returns the mission that a dialect's collection name means: `Sentinel2`, `SENTINEL-2`, `LANDSAT-8-ESA`.
pub fn find_mission(name: &str) -> Option<&'static Mission> {
    let name = folded(name);
    let short = name.strip_suffix("esa").unwrap_or(&name);
    MISSIONS
        .iter()
        .find(|mission| folded(mission.resto) == short || folded(mission.odata) == short)
}

impl Mission {
    /// True where items of a collection of ours can be of the mission.
    pub fn covers(&self, collection: &str) -> bool {
        self.prefixes
            .iter()
            .any(|prefix| collection.starts_with(prefix))
    }
}

/// Returns the mission of a product by how its name begins: `S2A_MSIL1C_…`, `S5P_OFFL_…`, `LC08_…`.
pub fn mission_of_product(name: &str) -> Option<&'static Mission> {
    let head = name.split('_').next().unwrap_or_default();
    let (family, rest) = head.split_at_checked(1)?;
    let mut characters = rest.chars();
    match (family, characters.next()?, characters.as_str()) {
        ("S", '5', "P") => find_mission("Sentinel5P"),
        ("S", number @ '1'..='6', "" | "A" | "B" | "C" | "D") => {
            find_mission(&format!("Sentinel{number}"))
        }
        ("L", 'C' | 'O' | 'T' | 'E' | 'M', number) => {
            find_mission(&format!("Landsat{}", number.trim_start_matches('0')))
        }
        _ => None,
    }
}

/// Returns a platform as STAC names it: `sentinel-2a` of `S2A`, `Sentinel-2A`, and of `A` where the
/// mission is known; others in lower case.
pub fn platform_name(name: &str, mission: Option<&Mission>) -> String {
    let lower = name.trim().to_ascii_lowercase();
    let mut characters = lower.chars();
    let head = (
        characters.next(),
        characters.next(),
        characters.next(),
        characters.next(),
    );
    match (head, mission) {
        ((Some('a'..='d'), None, ..), Some(mission)) => {
            format!("{}{lower}", mission.odata.to_ascii_lowercase())
        }
        ((Some('s'), Some(number @ '1'..='6'), Some(letter @ ('a'..='d' | 'p')), None), _) => {
            format!("sentinel-{number}{letter}")
        }
        _ => lower,
    }
}

/// Returns the mission of an item by its collection and platform.
pub fn mission_of(collection: &str, platform: Option<&str>) -> Option<&'static Mission> {
    MISSIONS.iter().find(|mission| {
        let is_platform = mission
            .platform
            .is_none_or(|own| platform.is_some_and(|found| found.eq_ignore_ascii_case(own)));
        mission.covers(collection) && is_platform
    })
}

/// Returns what the dialects call the products of a collection of ours.
pub fn product_kind(collection: &str) -> Option<&'static ProductKind> {
    PRODUCT_KINDS
        .iter()
        .find(|kind| kind.collection == collection)
}

/// Returns the kinds that a product type or processing level means: `S2MSI2A`, `LEVEL2A`, `IW_GRDH_1S`.
pub fn kinds_named(name: &str) -> Vec<&'static ProductKind> {
    let name = name.trim().to_ascii_uppercase();
    let means = |kind: &&ProductKind| {
        name == kind.product_type
            || name == kind.processing_level
            || kind.aliases.contains(&name.as_str())
            || acquisition_mode(&name).is_some_and(|(_, own)| own == kind.product_type)
    };
    PRODUCT_KINDS.iter().filter(means).collect()
}

/// Splits a Sentinel-1 product type of the long form into mode and type: `IW_GRDH_1S` is `IW`, `GRD`.
pub fn acquisition_mode(name: &str) -> Option<(&str, &str)> {
    let (mode, rest) = name.split_once('_')?;
    let is_mode = matches!(
        mode,
        "IW" | "EW" | "WV" | "SM" | "S1" | "S2" | "S3" | "S4" | "S5" | "S6"
    );
    let kind = rest.get(..3)?;
    (is_mode && matches!(kind, "GRD" | "SLC")).then_some((mode, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_use_find_their_mission() {
        for (name, expected) in [
            ("Sentinel2", "SENTINEL-2"),
            ("SENTINEL-2", "SENTINEL-2"),
            ("Sentinel5P", "SENTINEL-5P"),
            ("Landsat8", "LANDSAT-8"),
            ("LANDSAT-8-ESA", "LANDSAT-8"),
        ] {
            assert_eq!(
                find_mission(name).map(|mission| mission.odata),
                Some(expected)
            );
        }
        assert_eq!(find_mission("Envisat"), None);
        assert_eq!(
            mission_of("s1-card-bs", None).map(|mission| mission.resto),
            Some("Sentinel1")
        );
        assert_eq!(
            mission_of("landsat-c2-l2", Some("landsat-9")).map(|mission| mission.resto),
            Some("Landsat9")
        );
    }

    #[test]
    fn names_of_products_and_platforms_are_understood() {
        let mission = |name: &str| mission_of_product(name).map(|mission| mission.odata);
        assert_eq!(mission("S2A_MSIL1C_20200815T005251"), Some("SENTINEL-2"));
        assert_eq!(mission("S5P_OFFL_L2__NO2"), Some("SENTINEL-5P"));
        assert_eq!(mission("LC08_L2SP_196030"), Some("LANDSAT-8"));
        assert_eq!(mission("S3__OL_2"), Some("SENTINEL-3"));
        for name in ["", "S", "S9A_X", "PREmm2020", "Łódź"] {
            assert_eq!(mission(name), None, "{name}");
        }
        let first = find_mission("SENTINEL-1");
        assert_eq!(platform_name("A", first), "sentinel-1a");
        assert_eq!(platform_name("A", None), "a");
        assert_eq!(platform_name("S2B", None), "sentinel-2b");
        assert_eq!(platform_name("S5P", None), "sentinel-5p");
        assert_eq!(platform_name("Sentinel-2A", None), "sentinel-2a");
        assert_eq!(platform_name("LANDSAT-8", None), "landsat-8");
    }

    #[test]
    fn product_types_of_both_dialects_mean_collections() {
        let collections = |name: &str| -> Vec<&str> {
            kinds_named(name)
                .iter()
                .map(|kind| kind.collection)
                .collect()
        };
        assert_eq!(collections("LEVEL2AP"), ["sentinel-2-l2a"]);
        assert_eq!(collections("s2msi1c"), ["sentinel-2-l1c"]);
        assert_eq!(collections("IW_GRDH_1S"), ["sentinel-1-grd"]);
        assert_eq!(collections("IW_SLC__1S"), ["sentinel-1-slc"]);
        assert_eq!(collections("CARD-COH6"), ["s1-card-coh6"]);
        assert_eq!(collections("OTHER"), Vec::<&str>::new());
    }
}
