//! Platform, datatake and tile of an item, from its properties or, last, from the name of its product.

use serde_json::{Map, Value};
use swath_stac::dialect::attributes::tile_code;
use swath_stac::dialect::missions::platform_name;

/// Properties that hold the datatake, in the order in which they are asked.
const DATATAKES: [&str; 4] = [
    "s1:datatake_id",
    "s2:datatake_id",
    "eopf:datatake_id",
    "sat:datatake_id",
];
/// Hexadecimal digits of a datatake in the name of a Sentinel-1 product.
const RADAR_DATATAKE_LEN: usize = 6;

/// What tells a pass and its parts apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PassNames {
    pub(super) platform: Option<String>,
    pub(super) datatake: Option<String>,
    pub(super) tile: Option<String>,
    /// Processing baseline, as numbers.
    pub(super) baseline: Vec<u32>,
}

/// Returns the names of an item.
pub(super) fn pass_names(id: &str, properties: &Map<String, Value>) -> PassNames {
    let text = |name: &str| {
        let value = properties.get(name)?;
        match value {
            Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    };
    let of_product = product_names(id);
    let platform = text("platform").map(|name| platform_name(&name, None));
    let datatake = DATATAKES
        .iter()
        .find_map(|name| text(name))
        .map(|datatake| same_datatake(&datatake));
    let tile = text("grid:code")
        .or_else(|| {
            text("s2:mgrs_tile")
                .or_else(|| text("s2:tile"))
                .map(|tile| tile_code(&tile))
        })
        .or_else(|| {
            let (zone, band) = (text("mgrs:utm_zone")?, text("mgrs:latitude_band")?);
            Some(tile_code(&format!(
                "{zone:0>2}{band}{}",
                text("mgrs:grid_square")?
            )))
        });
    let baseline = ["s2:processing_baseline", "processing:version"]
        .iter()
        .find_map(|name| text(name))
        .map(|version| numbers(&version));
    PassNames {
        platform: platform.or(of_product.platform),
        datatake: datatake.or(of_product.datatake),
        tile: tile.map(|tile| plain_tile(&tile)).or(of_product.tile),
        baseline: baseline.unwrap_or(of_product.baseline),
    }
}

/// Returns `32UMB` of `MGRS-32UMB`; codes of other grids stay as they are.
fn plain_tile(code: &str) -> String {
    code.strip_prefix("MGRS-").unwrap_or(code).to_owned()
}

/// Returns a datatake as all sources would write it.
///
/// * `GS2A_20200815T005251_026882_N02.09` is `20200815T005251`: the baseline is of the processing, and
///   names of products say the time alone.
/// * `0D17D`, `S1A_00D17D` of names are hexadecimal and become `53629`, as manifests write it.
fn same_datatake(text: &str) -> String {
    let mut parts = text.split('_');
    if let Some(sensing) = parts
        .clone()
        .find(|part| is_compact_time(part))
        .filter(|_| text.contains('_'))
    {
        return sensing.to_owned();
    }
    let last = parts.next_back().unwrap_or(text);
    let is_hex = last.len() == RADAR_DATATAKE_LEN
        && last.bytes().all(|digit| digit.is_ascii_hexdigit())
        && (last.starts_with('0') || last.bytes().any(|digit| digit.is_ascii_alphabetic()));
    match is_hex.then(|| u32::from_str_radix(last, 16)) {
        Some(Ok(number)) => number.to_string(),
        _ => text.to_owned(),
    }
}

/// True of `20200815T005251`.
fn is_compact_time(text: &str) -> bool {
    let is_digits = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    text.split_once('T').is_some_and(|(day, time)| {
        day.len() == 8 && time.len() == 6 && is_digits(day) && is_digits(time)
    })
}

fn numbers(version: &str) -> Vec<u32> {
    version
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// Returns what the name of a product of Sentinel-1 or Sentinel-2 says; nothing for other names.
fn product_names(id: &str) -> PassNames {
    let parts: Vec<&str> = id.split('_').collect();
    let unit = parts[0];
    let platform = || Some(platform_name(unit, None)).filter(|name| name.starts_with("sentinel-"));
    // S2A_MSIL2A_20200815T005251_N0209_R002_T55PDR_20200815T023440
    if let [_, level, sensing, baseline, orbit, tile, ..] = parts.as_slice()
        && level.starts_with("MSIL")
        && is_compact_time(sensing)
        && orbit.starts_with('R')
    {
        let digits = baseline.trim_start_matches('N');
        let (major, minor) = digits.split_at_checked(2).unwrap_or((digits, ""));
        return PassNames {
            platform: platform(),
            datatake: Some((*sensing).to_owned()),
            tile: tile.starts_with('T').then(|| plain_tile(&tile_code(tile))),
            baseline: numbers(&format!("{major}.{minor}")),
        };
    }
    // S1A_IW_SLC__1SDV_20151219T093202_20151219T093237_009109_00D17D_9829, where SLC leaves an empty part.
    let times = parts.windows(4).find(|part| {
        is_compact_time(part[0])
            && is_compact_time(part[1])
            && part[2].len() == RADAR_DATATAKE_LEN
            && part[3].len() == RADAR_DATATAKE_LEN
            && part[2..]
                .iter()
                .all(|part| part.bytes().all(|digit| digit.is_ascii_hexdigit()))
    });
    match times.filter(|_| unit.starts_with("S1")) {
        Some(part) => PassNames {
            platform: platform(),
            datatake: u32::from_str_radix(part[3], 16)
                .ok()
                .map(|number| number.to_string()),
            ..PassNames::default()
        },
        None => PassNames::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(id: &str, properties: Value) -> PassNames {
        pass_names(id, properties.as_object().expect("an object"))
    }

    #[test]
    fn names_of_products_say_what_properties_do_not() {
        let radar = of(
            "S1A_IW_SLC__1SDV_20151219T093202_20151219T093237_009109_00D17D_9829",
            json!({}),
        );
        assert_eq!(radar.platform.as_deref(), Some("sentinel-1a"));
        assert_eq!(radar.datatake.as_deref(), Some("53629"));
        let optical = of(
            "S2A_MSIL2A_20200815T005251_N0209_R002_T55PDR_20200815T023440",
            json!({}),
        );
        assert_eq!(optical.datatake.as_deref(), Some("20200815T005251"));
        assert_eq!(optical.tile.as_deref(), Some("55PDR"));
        assert_eq!(optical.baseline, [2, 9]);
        assert_eq!(of("a", json!({})), PassNames::default());
        assert_eq!(of("", json!({})), PassNames::default());
    }

    #[test]
    fn one_datatake_has_one_name_in_all_sources() {
        let radar = |id: &str| of("x", json!({"s1:datatake_id": id})).datatake;
        assert_eq!(radar("53629"), radar("00D17D"));
        assert_eq!(radar("53629"), radar("S1A_00D17D"));
        assert_eq!(radar("378763").as_deref(), Some("378763"));
        let optical = |id: &str| of("x", json!({"s2:datatake_id": id})).datatake;
        assert_eq!(
            optical("GS2A_20200815T005251_026882_N02.09"),
            optical("GS2A_20200815T005251_026882_N05.00")
        );
    }

    #[test]
    fn tiles_are_read_from_every_spelling() {
        for properties in [
            json!({"grid:code": "MGRS-01LAC"}),
            json!({"s2:mgrs_tile": "01LAC"}),
            json!({"mgrs:utm_zone": 1, "mgrs:latitude_band": "L", "mgrs:grid_square": "AC"}),
        ] {
            assert_eq!(of("x", properties).tile.as_deref(), Some("01LAC"));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_name_ends_in_a_result(id in "(S1A_|S2A_MSIL2A_)?.{0,80}", datatake in ".{0,40}") {
            let _ = of(&id, json!({"s1:datatake_id": datatake}));
        }
    }
}
