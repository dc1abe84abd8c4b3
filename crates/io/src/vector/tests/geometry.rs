//! Validity, repair, projection and buffers on shapes with known answers.

use geo::Area;
use geo_types::{MultiPolygon, polygon};
use proptest::prelude::*;
use swath_grid::{Crs, Projector, ShiftOptions};

use super::super::parcels::{ParcelRing, multi_polygon};
use super::super::repair::repair;
use super::super::report::ProblemKind::{self, *};
use super::super::shape::Shape;
use super::super::validity::ValidityCheck;
use super::super::{densify, inner_buffer, project_parcel};

type Ring = &'static [[f64; 2]];
/// Rings by polygon, the finding, the area after repair.
type Case = (&'static [&'static [Ring]], Option<ProblemKind>, f64);

fn shape(polygons: &[&[Ring]]) -> Shape {
    let mut shape = Shape::default();
    for rings in polygons {
        for (index, ring) in rings.iter().enumerate() {
            shape.coords.extend_from_slice(ring);
            shape.end_ring(index == 0);
        }
    }
    shape
}

fn area(shape: &Shape) -> f64 {
    let rings = shape
        .iter_rings()
        .map(|(coords, is_shell)| ParcelRing { coords, is_shell });
    multi_polygon(rings).unsigned_area()
}

const SQUARE: Ring = &[[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [0.0, 0.0]];
const INNER: Ring = &[[1.0, 1.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0], [1.0, 1.0]];
const CORNER: Ring = &[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]];
const FAR: Ring = &[[5.0, 5.0], [6.0, 5.0], [6.0, 6.0], [5.0, 6.0], [5.0, 5.0]];
const DIAMOND: Ring = &[[0.0, 2.0], [2.0, 0.0], [4.0, 2.0], [2.0, 4.0], [0.0, 2.0]];
const BOW_TIE: Ring = &[[0.0, 0.0], [2.0, 2.0], [2.0, 0.0], [0.0, 2.0], [0.0, 0.0]];
const STAR: Ring = &[
    [0.0, 3.0],
    [2.0, -2.0],
    [-3.0, 1.0],
    [3.0, 1.0],
    [-2.0, -2.0],
    [0.0, 3.0],
];
const SPIKE: Ring = &[
    [0.0, 0.0],
    [2.0, 0.0],
    [2.0, 2.0],
    [3.0, 3.0],
    [2.0, 2.0],
    [0.0, 2.0],
    [0.0, 0.0],
];
const LINE: Ring = &[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [0.0, 0.0]];
const OPEN: Ring = &[[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]];
const POINT: Ring = &[[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]];
const SELF_TOUCH: Ring = &[
    [0.0, 0.0],
    [4.0, 0.0],
    [4.0, 4.0],
    [2.0, 0.0],
    [0.0, 4.0],
    [0.0, 0.0],
];
const CROSSING_HOLE: Ring = &[
    [-1.0, 1.0],
    [1.0, 1.0],
    [1.0, 2.0],
    [-1.0, 2.0],
    [-1.0, 1.0],
];

/// Polygons, the finding, the area after repair: shapely 2.1.2, GEOS 3.13.1 (LGPL), `is_valid` and
/// `make_valid(p).area`.
#[test]
fn findings_and_repaired_areas_are_those_of_geos() {
    let cases: &[Case] = &[
        (&[&[SQUARE]], None, 16.0),
        (&[&[SQUARE, INNER]], None, 15.0),
        (&[&[SQUARE], &[FAR]], None, 17.0),
        (&[&[BOW_TIE]], Some(SelfIntersection), 2.0),
        (&[&[STAR]], Some(SelfIntersection), 6.883870967741936),
        (&[&[SPIKE]], Some(RingSelfTouch), 4.0),
        (&[&[LINE]], Some(SelfIntersection), 0.0),
        (&[&[POINT]], Some(TooFewPoints), 0.0),
        (&[&[OPEN]], Some(UnclosedRing), 16.0),
        (&[&[SELF_TOUCH]], Some(RingSelfTouch), 8.0),
        (&[&[SQUARE, FAR]], Some(HoleOutsideShell), 17.0),
        (&[&[SQUARE, SQUARE]], Some(SelfIntersection), 16.0),
        (&[&[SQUARE, CORNER]], Some(SelfIntersection), 16.0),
        (&[&[SQUARE, CROSSING_HOLE]], Some(SelfIntersection), 16.0),
        (&[&[SQUARE, DIAMOND]], Some(DisconnectedInterior), 8.0),
        (&[&[SQUARE], &[SQUARE]], Some(SelfIntersection), 16.0),
        (&[&[SQUARE], &[INNER]], Some(NestedShells), 15.0),
    ];
    let mut validity = ValidityCheck::default();
    for (index, (polygons, finding, expected)) in cases.iter().enumerate() {
        let mut shape = shape(polygons);
        assert_eq!(
            validity.find(&shape).map(|found| found.0),
            *finding,
            "case {index}"
        );
        if finding.is_some() {
            repair(&mut shape).expect("repaired");
            assert!(
                validity.find(&shape).is_none(),
                "case {index} is still not valid"
            );
        }
        let area = area(&shape);
        assert!(
            (area - expected).abs() < 1e-9,
            "case {index}: {area} is not {expected}"
        );
    }
}

#[test]
fn a_nan_is_found() {
    let mut shape = shape(&[&[SQUARE]]);
    shape.coords[1][0] = f64::NAN;
    let found = ValidityCheck::default().find(&shape).map(|found| found.0);
    assert_eq!(found, Some(NonFinite));
}

#[test]
fn a_buffer_shrinks_grows_and_vanishes() {
    let square: MultiPolygon<f64> = MultiPolygon(vec![polygon![
        (x: 500_000.0, y: 6_000_000.0), (x: 500_100.0, y: 6_000_000.0),
        (x: 500_100.0, y: 6_000_100.0), (x: 500_000.0, y: 6_000_100.0),
    ]]);
    assert!((inner_buffer(&square, -10.0).unsigned_area() - 6_400.0).abs() < 1e-3);
    assert!(inner_buffer(&square, -50.1).0.is_empty());
    assert_eq!(inner_buffer(&square, 0.0), square);
    let grown = inner_buffer(&square, 10.0).unsigned_area();
    assert!((grown / 14_314.16 - 1.0).abs() < 1e-4, "{grown}");
    assert!(inner_buffer(&MultiPolygon(Vec::new()), -1.0).0.is_empty());
}

#[test]
fn a_clockwise_parcel_with_a_hole_shrinks_from_both_sides() {
    let parcel: MultiPolygon<f64> = MultiPolygon(vec![polygon!(
        exterior: [(x: 0.0, y: 0.0), (x: 0.0, y: 100.0), (x: 100.0, y: 100.0), (x: 100.0, y: 0.0)],
        interiors: [[(x: 40.0, y: 40.0), (x: 60.0, y: 40.0), (x: 60.0, y: 60.0), (x: 40.0, y: 60.0)]],
    )]);
    let quarter = std::f64::consts::PI / 4.0 * 100.0;
    let expected = 80.0 * 80.0 - (20.0 * 20.0 + 4.0 * 20.0 * 10.0 + 4.0 * quarter);
    let shrunk = inner_buffer(&parcel, -10.0).unsigned_area();
    assert!(
        (shrunk - expected).abs() < 1.0,
        "{shrunk} is not {expected}"
    );
}

fn projector(from: u32, to: u32) -> Projector {
    let crs = |code| Crs::from_epsg(code).expect("a CRS");
    let any_shift = ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    Projector::new(&crs(from), &crs(to), &any_shift).expect("a projector")
}

#[test]
fn neighbours_share_their_edge_bit_for_bit_after_projection() {
    let left: MultiPolygon<f64> = MultiPolygon(vec![polygon![
        (x: 8.0, y: 50.0), (x: 9.0, y: 50.3), (x: 9.2, y: 51.0), (x: 8.0, y: 51.0),
    ]]);
    let right: MultiPolygon<f64> = MultiPolygon(vec![polygon![
        (x: 9.2, y: 51.0), (x: 9.0, y: 50.3), (x: 10.0, y: 50.0),
    ]]);
    let projector = projector(4326, 32632);
    let [left, right] =
        [left, right].map(|p| project_parcel(&p, &projector, 0.01).expect("projected"));
    let shared = |parcel: &MultiPolygon<f64>| {
        let mut points: Vec<(u64, u64)> = parcel.0[0]
            .exterior()
            .0
            .iter()
            .map(|c| (c.x.to_bits(), c.y.to_bits()))
            .collect();
        points.sort_unstable();
        points
    };
    let (left, right) = (shared(&left), shared(&right));
    let common = left
        .iter()
        .filter(|point| right.binary_search(point).is_ok())
        .count();
    assert!(common > 10, "{common} points in common");
}

#[test]
fn a_projected_edge_keeps_to_the_true_curve() {
    let edge: MultiPolygon<f64> = MultiPolygon(vec![polygon![
        (x: 5.0, y: 50.0), (x: 12.0, y: 50.0), (x: 12.0, y: 50.5), (x: 5.0, y: 50.5),
    ]]);
    let projector = projector(4326, 3035);
    let tolerance_m = 0.5;
    let coarse = project_parcel(&edge, &projector, tolerance_m).expect("projected");
    let fine = project_parcel(&densify(&edge, 0.001), &projector, 1e6).expect("projected");
    // Every point of the fine line is near the coarse one.
    let lines: Vec<_> = coarse.0[0].exterior().lines().collect();
    for point in fine.0[0].exterior().points() {
        use geo::{Distance, Euclidean};
        let nearest = lines
            .iter()
            .map(|line| Euclidean.distance(&point, line))
            .fold(f64::MAX, f64::min);
        assert!(nearest <= tolerance_m, "{nearest}");
    }
    assert!(lines.len() < fine.0[0].exterior().0.len() / 10);
}

#[test]
fn a_parcel_over_the_antimeridian_is_refused() {
    let parcel: MultiPolygon<f64> = MultiPolygon(vec![polygon![
        (x: 179.9, y: -17.0), (x: -179.9, y: -17.0), (x: -179.9, y: -16.0),
    ]]);
    let error = project_parcel(&parcel, &projector(4326, 32760), 0.1).unwrap_err();
    assert!(error.to_string().contains("antimeridian"), "{error}");
}

fn rings() -> impl Strategy<Value = Vec<(Vec<[i8; 2]>, bool)>> {
    let ring = proptest::collection::vec([0i8..6, 0i8..6], 1..8);
    proptest::collection::vec((ring, any::<bool>()), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_was_repaired_is_valid_and_a_second_repair_changes_nothing(rings in rings()) {
        let mut shape = Shape::default();
        for (index, (ring, is_shell)) in rings.iter().enumerate() {
            shape.coords.extend(ring.iter().map(|&[x, y]| [f64::from(x), f64::from(y)]));
            shape.coords.push([f64::from(ring[0][0]), f64::from(ring[0][1])]);
            shape.end_ring(index == 0 || *is_shell);
        }
        let mut validity = ValidityCheck::default();
        repair(&mut shape).expect("small shapes can be repaired");
        prop_assert_eq!(validity.find(&shape), None);
        let first = area(&shape);
        repair(&mut shape).expect("valid shapes can be repaired");
        prop_assert!((area(&shape) - first).abs() < 1e-9);
    }

    #[test]
    fn no_coordinates_make_the_check_or_the_repair_panic(
        coords in proptest::collection::vec([any::<f64>(), any::<f64>()], 0..12)
    ) {
        let mut shape = Shape { coords, ..Default::default() };
        shape.end_ring(true);
        let _ = ValidityCheck::default().find(&shape);
        let _ = repair(&mut shape);
    }
}
