//! What the names of products of Sentinel-1 and Sentinel-2 say.

use swath_stac::dialect::missions::mission_of_product;

/// Endings of delivered products that ids of items do not have.
const SUFFIXES: [&str; 2] = [".SAFE", ".SEN3"];

/// Returns the name of a product without `.zip`, and the ending that its folder has.
pub(super) fn split(name: &str) -> (&str, Option<&'static str>) {
    let name = name.trim();
    let name = name.strip_suffix(".zip").unwrap_or(name);
    SUFFIXES
        .iter()
        .find_map(|suffix| Some((name.strip_suffix(suffix)?, Some(*suffix))))
        .unwrap_or((name, None))
}

/// True of names that the agency gives to products of Sentinel-2: `S2A_MSIL1C_…`, until 2016
/// `S2A_OPER_PRD_MSIL1C_…`.
pub(super) fn is_sentinel2(name: &str) -> bool {
    is_compact(name) || name.starts_with("S2") && name.contains("_PRD_MSIL")
}

fn is_compact(name: &str) -> bool {
    name.starts_with("S2") && name.get(3..8) == Some("_MSIL")
}

/// Returns attributes, as OData names them, that the name says.
pub(super) fn attributes(name: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = name.split('_').collect();
    let mut found = Vec::new();
    let unit = parts.first().copied().unwrap_or_default();
    if unit.len() == 3 && mission_of_product(name).is_some() {
        found.push(("platformSerialIdentifier", unit.to_owned()));
    }
    match parts.as_slice() {
        // S2A_MSIL1C_20200815T005251_N0209_R002_T55PDR_20200815T023440
        [_, level, _, baseline, orbit, tile, ..] if is_compact(name) => {
            let level = level.trim_start_matches("MSI").trim_start_matches('L');
            found.push(("processingLevel", level.to_owned()));
            found.push(("productType", format!("S2MSI{level}")));
            if let Some((major, minor)) = baseline
                .strip_prefix('N')
                .and_then(|digits| digits.split_at_checked(2))
            {
                found.push(("processorVersion", format!("{major}.{minor}")));
            }
            if let Some(orbit) = orbit.strip_prefix('R') {
                found.push(("relativeOrbitNumber", orbit.to_owned()));
            }
            found.push(("tileId", (*tile).to_owned()));
        }
        // S1A_IW_SLC__1SDV_20151219T093202_20151219T093237_009109_00D17D_9829
        _ if name.starts_with("S1") && name.len() == RADAR_NAME_LEN => {
            found.extend(radar_attributes(name));
        }
        _ => {}
    }
    found
}

/// Every name of Sentinel-1 has this length.
const RADAR_NAME_LEN: usize = 67;

fn radar_attributes(name: &str) -> Vec<(&'static str, String)> {
    let part = |from: usize, to: usize| name.get(from..to).unwrap_or_default().to_owned();
    let polarisations = match part(14, 16).as_str() {
        "DV" => "VV VH",
        "DH" => "HH HV",
        "SV" => "VV",
        "SH" => "HH",
        "VV" => "VV",
        "HH" => "HH",
        "VH" => "VH",
        "HV" => "HV",
        _ => "",
    };
    let is_digits = |text: &String| text.chars().all(|digit| digit.is_ascii_digit());
    [
        ("operationalMode", part(4, 6)),
        ("productType", part(7, 10)),
        ("processingLevel", part(12, 13)),
        ("polarisationChannels", polarisations.to_owned()),
        (
            "orbitNumber",
            Some(part(49, 55)).filter(is_digits).unwrap_or_default(),
        ),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_told_from_names() {
        assert_eq!(split("S2A_X.SAFE"), ("S2A_X", Some(".SAFE")));
        assert_eq!(split("S2A_X.SAFE.zip"), ("S2A_X", Some(".SAFE")));
        assert_eq!(split("S2A_X.zip"), ("S2A_X", None));
        assert_eq!(split("S3A_X.SEN3"), ("S3A_X", Some(".SEN3")));
        assert_eq!(split("a.b"), ("a.b", None));
    }

    #[test]
    fn names_say_what_they_say() {
        let of = |name: &str, attribute: &str| {
            attributes(name)
                .into_iter()
                .find(|(known, _)| *known == attribute)
                .map(|(_, value)| value)
        };
        let optical = "S2A_MSIL1C_20200815T005251_N0209_R002_T55PDR_20200815T023440";
        assert_eq!(of(optical, "processorVersion").as_deref(), Some("02.09"));
        assert_eq!(of(optical, "relativeOrbitNumber").as_deref(), Some("002"));
        assert_eq!(of(optical, "tileId").as_deref(), Some("T55PDR"));
        assert_eq!(of(optical, "productType").as_deref(), Some("S2MSI1C"));
        let radar = "S1A_IW_SLC__1SDV_20151219T093202_20151219T093237_009109_00D17D_9829";
        assert_eq!(radar.len(), RADAR_NAME_LEN);
        assert_eq!(of(radar, "operationalMode").as_deref(), Some("IW"));
        assert_eq!(of(radar, "productType").as_deref(), Some("SLC"));
        assert_eq!(of(radar, "processingLevel").as_deref(), Some("1"));
        assert_eq!(of(radar, "polarisationChannels").as_deref(), Some("VV VH"));
        assert_eq!(of(radar, "orbitNumber").as_deref(), Some("009109"));
        assert!(attributes("").is_empty() && attributes("SWE_fields").is_empty());
        assert!(is_sentinel2("S2A_OPER_PRD_MSIL1C_PDMC_20160101T000000"));
    }

    proptest::proptest! {
        #[test]
        fn any_name_ends_in_a_result(name in "(S1A_|S2A_MSIL)?.{0,70}") {
            let _ = attributes(&name);
            let _ = split(&name);
        }
    }
}
