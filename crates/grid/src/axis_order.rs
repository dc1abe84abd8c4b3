//! The order in which the authority of a CRS writes its axes.
//!
//! Positions are x, y everywhere in the program; this is for faces whose standard wants the order of
//! the definition (WMS 1.3.0, WMTS, WCS, GML).

use crate::{Crs, GridError};

/// The order in which a CRS writes its axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisOrder {
    /// x, y: easting or longitude first.
    EastNorth,
    /// y, x: northing or latitude first.
    NorthEast,
}

/// Returns how the authority of a CRS writes its axes: EPSG writes latitude first in geographic
/// systems, and northing first in some projected ones; `OGC:CRS84` and all others x first.
///
/// # Errors
/// [`GridError::UnknownEpsg`] and [`GridError::InvalidCrs`], where `name` is no CRS.
pub fn axis_order(name: &str) -> Result<AxisOrder, GridError> {
    let crs = Crs::parse(name)?;
    let upper = name.to_ascii_uppercase();
    if upper.contains("CRS84") || upper.contains("CRS:84") {
        return Ok(AxisOrder::EastNorth);
    }
    let is_north = match crs.epsg() {
        Some(_) if crs.is_geographic() => true,
        Some(code) => is_north_first(code),
        None => false,
    };
    Ok(match is_north {
        true => AxisOrder::NorthEast,
        false => AxisOrder::EastNorth,
    })
}

/// True for projected systems of EPSG whose first axis points north and whose second points east.
fn is_north_first(code: u32) -> bool {
    let after = NORTH_FIRST.partition_point(|(first, _)| *first <= code);
    let range = after.checked_sub(1).map(|at| NORTH_FIRST[at]);
    range.is_some_and(|(_, last)| code <= last)
}

/// First and last code of each run of such systems; between them stand only codes that are no
/// projected system. EPSG dataset 11.022, the axes of all 5,652 projected systems, by pyproj 3.7
/// (PROJ 9.5.1): `CRS.from_epsg(code).axis_info`.
#[rustfmt::skip]
const NORTH_FIRST: &[(u32, u32)] = &[
    (2036, 2036), (2044, 2045), (2081, 2083), (2085, 2086), (2091, 2093), (2096, 2098),
    (2105, 2132), (2166, 2180), (2193, 2193), (2199, 2200), (2206, 2212), (2319, 2549),
    (2551, 2735), (2738, 2758), (2935, 2941), (2953, 2953), (3006, 3030), (3034, 3035),
    (3038, 3051), (3058, 3059), (3068, 3068), (3114, 3118), (3120, 3120), (3126, 3140),
    (3146, 3147), (3150, 3152), (3300, 3301), (3328, 3335), (3346, 3346), (3350, 3352),
    (3366, 3366), (3386, 3390), (3396, 3399), (3407, 3407), (3414, 3414), (3416, 3416),
    (3764, 3764), (3788, 3793), (3795, 3796), (3833, 3854), (3873, 3885), (3907, 3911),
    (4026, 4038), (4417, 4417), (4434, 4434), (4491, 4554), (4568, 4589), (4652, 4822),
    (4839, 4880), (5048, 5048), (5105, 5188), (5253, 5259), (5269, 5275), (5343, 5349),
    (5367, 5367), (5479, 5481), (5518, 5520), (5562, 5588), (5632, 5639), (5651, 5653),
    (6244, 6275), (6362, 6362), (6372, 6387), (6669, 6687), (6707, 6709), (6870, 6876),
    (6962, 6962), (7799, 7801), (7825, 7831), (8433, 8441), (9039, 9040), (9221, 9254),
    (9271, 9285), (9377, 9377), (9498, 9498), (9821, 9821), (9831, 9841), (9851, 9865),
    (9895, 9895), (10286, 10286), (10288, 10288), (10290, 10290), (10306, 10306), (10329, 10329),
    (11114, 11118), (20004, 20032), (20064, 20092), (20904, 20932), (21004, 21032), (21207, 21264),
    (21307, 21483), (21896, 21899), (22171, 22197), (22240, 22240), (23301, 23333), (25884, 25884),
    (27205, 27232), (27391, 27398), (27492, 27492), (28402, 28492), (29701, 29702), (30161, 30179),
    (30800, 30800), (31251, 31259), (31275, 31290), (31466, 31469), (31700, 31700),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_those_of_the_authority() {
        let order = |name| axis_order(name).expect(name);
        for north in [
            "EPSG:4326",
            "EPSG:4258",
            "EPSG:3035",
            "urn:ogc:def:crs:EPSG::4326",
        ] {
            assert_eq!(order(north), AxisOrder::NorthEast, "{north}");
        }
        for east in [
            "OGC:CRS84",
            "EPSG:3857",
            "EPSG:32632",
            "EPSG:25832",
            "EPSG:31370",
        ] {
            assert_eq!(order(east), AxisOrder::EastNorth, "{east}");
        }
        assert!(axis_order("EPSG:999999").is_err());
    }

    #[test]
    fn runs_are_in_order() {
        assert!(NORTH_FIRST.iter().all(|(first, last)| first <= last));
        assert!(NORTH_FIRST.is_sorted_by(|one, two| one.1 < two.0));
        assert!(is_north_first(2180) && is_north_first(31_468) && !is_north_first(2181));
    }
}
