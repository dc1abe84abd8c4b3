//! What must hold for any input.

use proptest::prelude::*;
use swath_grid::{Crs, Point, Projector, ShiftOptions};

/// Pieces that real definitions are made of, so that random texts get past the first character.
const PIECES: &[&str] = &[
    "EPSG:",
    "urn:ogc:def:crs:",
    "http://www.opengis.net/def/crs/",
    "+proj=",
    "+proj=utm +zone=",
    "lcc",
    "omerc",
    "stere",
    "krovak",
    "geos +h=",
    "aeqd",
    "+lat_0=",
    "+lat_1=90",
    "+lat_2=-90",
    "+lon_0=1e308",
    "+k=0",
    "+a=0",
    "+rf=1",
    "+ellps=bessel",
    "+towgs84=1,2",
    "+pm=",
    "+units=",
    "+to_meter=0",
    " ",
    "NaN",
    "inf",
    "-",
    "1",
    "é",
    "\"",
    "'",
    "r",
    "PROJCS[\"x\",",
    "GEOGCS[\"x\",DATUM[\"y\",SPHEROID[\"z\",6378137,298.257]],PRIMEM[\"Greenwich\",0],UNIT[\"degree\",0.0174]]",
    ",PROJECTION[\"Transverse_Mercator\"]",
    ",PARAMETER[\"central_meridian\",",
    "]",
    "[",
    "(",
    ")",
    ",",
    "{\"type\":\"ProjectedCRS\",",
    "\"name\":\"x\"",
    "}",
    "COMPOUNDCRS[\"x\",",
    "BOUNDCRS[SOURCECRS[",
];

fn any_text() -> impl Strategy<Value = String> {
    let piece =
        prop_oneof![4 => proptest::sample::select(PIECES).prop_map(str::to_string), 1 => ".{0,6}"];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in any_text()) {
        if let Ok(crs) = Crs::parse(&text) {
            let _ = (crs.to_wkt(), crs.to_projjson(), crs.to_geokeys(), crs.epsg());
            let wgs84 = Crs::from_epsg(4326).expect("a known code");
            let options = ShiftOptions { accuracy_max_m: f64::INFINITY };
            if let Ok(projector) = Projector::new(&wgs84, &crs, &options) {
                let _ = projector.project(&mut [Point { x: 10.0, y: 50.0 }, Point { x: f64::NAN, y: 95.0 }]);
            }
        }
    }

    #[test]
    fn bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Crs::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn there_and_back_is_the_same_place(
        code in proptest::sample::select(&[
            28992u32, 31370, 31287, 2056, 4647, 25832, 32635, 3059, 2154, 5514, 3035, 3857, 27700, 3844, 2065, 2180,
        ][..]),
        x in 0.0..1.0f64,
        y in 0.0..1.0f64,
    ) {
        // A degree square inside every one of the areas of use, by country.
        let (west, south) = match code {
            28992 => (5.0, 51.5), 31370 => (4.0, 50.3), 31287 => (13.5, 47.0), 2056 => (7.5, 46.5), 32635 | 3059 => (24.0, 56.5),
            2154 => (2.0, 46.0), 5514 | 2065 => (14.5, 49.3), 27700 => (-2.0, 52.0), 3844 => (25.0, 45.0), 2180 => (18.0, 51.0),
            _ => (9.0, 51.0),
        };
        let wgs84 = Crs::from_epsg(4326).expect("a known code");
        let crs = Crs::from_epsg(code).expect("a known code");
        let options = ShiftOptions::default();
        let there = Projector::new(&wgs84, &crs, &options).expect("a known shift");
        let back = Projector::new(&crs, &wgs84, &options).expect("a known shift");
        let start = Point { x: west + x, y: south + y };
        let mut points = [start];
        there.project(&mut points).expect("inside");
        back.project(&mut points).expect("inside");
        // The height over the other ellipsoid is dropped on both ways, which tilts the normal by
        // up to a millimetre; 1e-7 degrees are a centimetre.
        prop_assert!((points[0].x - start.x).abs() < 1e-7 && (points[0].y - start.y).abs() < 1e-7, "{:?}", points[0]);
    }
}

#[test]
fn the_first_point_that_fails_is_named() {
    let wgs84 = Crs::from_epsg(4326).expect("a known code");
    let utm = Crs::from_epsg(32632).expect("a known code");
    let projector = Projector::new(&wgs84, &utm, &ShiftOptions::default()).expect("same datum");
    let mut points = vec![Point { x: 9.0, y: 50.0 }; 1000];
    points[700].y = 91.0;
    points[800].x = f64::NAN;
    match projector.project(&mut points) {
        Err(swath_grid::GridError::OutsideProjection { index, point, .. }) => {
            assert_eq!((index, point.y), (700, 91.0));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn coarse_and_unknown_shifts_are_refused_unless_asked_for() {
    let ed50 = Crs::from_epsg(23031).expect("a known code");
    let wgs84 = Crs::from_epsg(4326).expect("a known code");
    let refused = Projector::new(&ed50, &wgs84, &ShiftOptions::default()).err();
    assert!(
        matches!(
            refused,
            Some(swath_grid::GridError::ShiftTooCoarse { limit_m: 5.0, .. })
        ),
        "{refused:?}"
    );
    let anything = ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    assert!(Projector::new(&ed50, &wgs84, &anything).is_ok());
    let spain = swath_grid::Bbox {
        west: -1.0,
        south: 39.0,
        east: 1.0,
        north: 41.0,
    };
    let near = Projector::within(&ed50, &wgs84, &spain, &ShiftOptions::default())
        .expect("a shift for Spain");
    assert!(
        near.accuracy_m() <= 2.0,
        "{} {}",
        near.accuracy_m(),
        near.method()
    );
    let mars = Crs::parse("GEOGCS[\"Mars\",DATUM[\"D_Mars\",SPHEROID[\"Mars\",3396190,169.8]],PRIMEM[\"M\",0],UNIT[\"Degree\",0.0174532925199433]]")
        .expect("well formed");
    let unknown = Projector::new(&mars, &wgs84, &ShiftOptions::default()).err();
    assert!(
        matches!(unknown, Some(swath_grid::GridError::NoShift { .. })),
        "{unknown:?}"
    );
}
