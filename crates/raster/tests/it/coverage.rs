//! Hard polygons of exactextract's test data: the shares add up to the area of the polygon.
//!
//! Files: Russia, Antarctica and two regressions, of isciences/exactextract @ 3b4926bd0237,
//! Apache-2.0. The area is computed here, by the shoelace formula about the first vertex.

use std::path::PathBuf;

use geo_types::{Coord, LineString, MultiPolygon, Polygon};
use swath_grid::{Crs, GeoBox, Point, Size, Transform};
use swath_raster::{CoverageMask, CoverageRule, coverage};

/// Allowed difference of areas, relative.
const TOLERANCE: f64 = 1e-9;

/// Returns the folder of the shared data, `None` where it is not there.
fn shared(folder: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("SWATH_SHARED") {
        Some(root) => PathBuf::from(root),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
    };
    let path = root.join("data").join(folder);
    let is_there = path.is_dir();
    if !is_there {
        println!("skipped: no {}", path.display());
    }
    is_there.then_some(path)
}

/// Parses POLYGON and MULTIPOLYGON.
fn parse_wkt(text: &str) -> MultiPolygon<f64> {
    let text = text.trim().trim_matches('"');
    let (kind, body) = text.split_at(text.find('(').expect("a body"));
    let mut depth = 0;
    let mut rings: Vec<Vec<LineString<f64>>> = Vec::new();
    let mut ring_text = String::new();
    let polygon_depth = if kind.trim() == "MULTIPOLYGON" { 2 } else { 1 };
    for symbol in body.chars() {
        match symbol {
            '(' => {
                depth += 1;
                if depth == polygon_depth {
                    rings.push(Vec::new());
                }
                ring_text.clear();
            }
            ')' => {
                if depth == polygon_depth + 1 {
                    rings.last_mut().unwrap().push(parse_ring(&ring_text));
                }
                depth -= 1;
            }
            other => ring_text.push(other),
        }
    }
    let polygon = |mut rings: Vec<LineString<f64>>| Polygon::new(rings.remove(0), rings);
    MultiPolygon(rings.into_iter().map(polygon).collect())
}

fn parse_ring(text: &str) -> LineString<f64> {
    let coord = |pair: &str| {
        let mut numbers = pair
            .split_whitespace()
            .map(|number| number.parse().expect("a number"));
        Coord {
            x: numbers.next().unwrap(),
            y: numbers.next().unwrap(),
        }
    };
    LineString(text.split(',').map(coord).collect())
}

fn ring_area(ring: &LineString<f64>) -> f64 {
    let first = ring.0[0];
    let doubled: f64 = ring
        .0
        .windows(2)
        .map(|pair| {
            let (a, b) = (pair[0] - first, pair[1] - first);
            a.x * b.y - b.x * a.y
        })
        .sum();
    (doubled / 2.0).abs()
}

fn area(polygon: &MultiPolygon<f64>) -> f64 {
    let of_part = |part: &Polygon<f64>| {
        ring_area(part.exterior()) - part.interiors().iter().map(ring_area).sum::<f64>()
    };
    polygon.iter().map(of_part).sum()
}

/// Returns the least and the greatest corner.
fn extent(polygon: &MultiPolygon<f64>) -> (Point, Point) {
    let mut low = Point {
        x: f64::INFINITY,
        y: f64::INFINITY,
    };
    let mut high = Point {
        x: f64::NEG_INFINITY,
        y: f64::NEG_INFINITY,
    };
    for coord in polygon.iter().flat_map(|part| &part.exterior().0) {
        low = Point {
            x: low.x.min(coord.x),
            y: low.y.min(coord.y),
        };
        high = Point {
            x: high.x.max(coord.x),
            y: high.y.max(coord.y),
        };
    }
    (low, high)
}

fn check_runs(mask: &CoverageMask, size: Size, what: &str) {
    let mut last = (0, 0);
    for run in &mask.runs {
        assert!(run.share > 0.0 && run.share <= 1.0, "{what}: {run:?}");
        assert!(
            run.len > 0 && run.row < size.height && run.col + run.len <= size.width,
            "{what}: {run:?}"
        );
        assert!((run.row, run.col) >= last, "{what}: {run:?} after {last:?}");
        last = (run.row, run.col + run.len);
    }
}

fn polygons() -> Vec<(String, MultiPolygon<f64>)> {
    let Some(folder) = shared("reference-numeric/exactextract-wkt") else {
        return Vec::new();
    };
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert_eq!(files.len(), 4);
    let read = |path: &PathBuf| parse_wkt(&std::fs::read_to_string(path).unwrap());
    files
        .iter()
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                read(path),
            )
        })
        .collect()
}

/// Returns a grid of about `columns` columns around the extent, its corner moved outwards by
/// `shift` pixels.
fn grid(low: Point, high: Point, columns: f64, shift: f64) -> GeoBox {
    let resolution = (high.x - low.x) / columns;
    let origin = Point {
        x: low.x - shift * resolution,
        y: high.y + shift * 0.7 * resolution,
    };
    let transform = Transform::north_up(origin, resolution).unwrap();
    let width = ((high.x - origin.x) / resolution).ceil() as u32 + 1;
    let height = ((origin.y - low.y) / resolution).ceil() as u32 + 1;
    GeoBox::new(
        Crs::from_epsg(32632).unwrap(),
        transform,
        Size { width, height },
    )
    .unwrap()
}

#[test]
fn shares_add_up_to_the_area_on_every_grid() {
    for (name, polygon) in polygons() {
        let (low, high) = extent(&polygon);
        let expected = area(&polygon);
        for columns in [1.0, 7.0, 36.0, 64.3, 501.0, 1_999.7] {
            for shift in [0.0, 0.123, 0.5, 1.0 / 3.0] {
                let geobox = grid(low, high, columns, shift);
                let mask = coverage(&polygon, &geobox, CoverageRule::Fraction);
                let what = format!("{name}, {columns} columns, shift {shift}");
                check_runs(&mask, geobox.size(), &what);
                let pixel = geobox.transform().determinant().abs();
                let found = mask.sum() * pixel;
                let difference = (found - expected).abs() / expected;
                assert!(
                    difference < TOLERANCE,
                    "{what}: {found} for {expected}: {difference:e}"
                );
                assert!(
                    (mask.total * pixel - expected).abs() / expected < TOLERANCE,
                    "{what}"
                );
            }
        }
    }
}

#[test]
fn a_grid_in_two_halves_gives_the_same_shares() {
    for (name, polygon) in polygons() {
        let (low, high) = extent(&polygon);
        let whole = grid(low, high, 200.0, 0.25);
        let size = whole.size();
        let top = size.height / 2;
        let of_rows = |first: u32, height: u32| {
            let shift = Point {
                x: 0.0,
                y: f64::from(first),
            };
            let transform = whole.transform().shifted(shift);
            let part = GeoBox::new(
                whole.crs().clone(),
                transform,
                Size {
                    width: size.width,
                    height,
                },
            );
            coverage(&polygon, &part.unwrap(), CoverageRule::Fraction).sum()
        };
        let sum = coverage(&polygon, &whole, CoverageRule::Fraction).sum();
        let parts = of_rows(0, top) + of_rows(top, size.height - top);
        assert!(
            (sum - parts).abs() < TOLERANCE * sum,
            "{name}: {sum} and {parts}"
        );
    }
}

#[test]
fn centres_come_near_the_area_on_a_fine_grid() {
    for (name, polygon) in polygons() {
        let (low, high) = extent(&polygon);
        let geobox = grid(low, high, 2_000.0, 0.4);
        let mask = coverage(&polygon, &geobox, CoverageRule::Centre);
        check_runs(&mask, geobox.size(), &name);
        assert!(mask.runs.iter().all(|run| run.share == 1.0), "{name}");
        let found = mask.sum() * geobox.transform().determinant().abs();
        let difference = (found - area(&polygon)).abs() / area(&polygon);
        assert!(difference < 0.01, "{name}: {difference}");
        assert_eq!(mask.sum(), mask.total, "{name}");
    }
}
