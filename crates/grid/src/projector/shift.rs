//! Shifts between datums, from the committed table of EPSG operations.
//!
//! Every operation without a grid file is a linear map of geocentric coordinates, so a chain of
//! them is one too: [`Shift`] holds the whole chain as a matrix and an offset. Heights are zero on
//! the ellipsoid of departure and dropped at the end, as PROJ does for two-dimensional CRSs.

use std::sync::LazyLock;

use crate::crs::definition::{Datum, Ellipsoid};
use crate::crs::registry;
use crate::{Bbox, Point};

/// EPSG codes of the two datums that most operations lead to.
const WGS84: u32 = 6326;
const ETRS89: u32 = 6258;
const HUBS: [u32; 2] = [WGS84, ETRS89];

/// What a shift that a definition brings along (`TOWGS84`) counts for; nobody says how good it is.
const TO_WGS84_ACCURACY_M: f64 = 3.0;
/// An unnamed datum on the ellipsoid of WGS 84 or ETRS89 is taken as one of the two.
const UNNAMED_ACCURACY_M: f64 = 2.0;
/// Latitudes and longitudes on a sphere are taken as they are, as MODIS and weather models do.
const SPHERE_ACCURACY_M: f64 = 5.0;
/// What an operation counts for outside of the area it is made for: nobody says how good it is
/// there, and shifts of neighbours differ by several metres.
const ELSEWHERE_ACCURACY_M: f64 = 10.0;
/// Share of an area of use that the area of an operation must hold to be made for it: areas of use
/// reach out to sea and to islands where operations do not.
const SHARE_MIN: f64 = 0.55;
/// How far, in degrees, an area of use may stick out of the area of an operation.
const AREA_TOLERANCE_DEG: f64 = 0.3;

/// Linear map of geocentric coordinates in metres: `matrix * (x, y, z) + offset`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Affine {
    matrix: [[f64; 3]; 3],
    offset: [f64; 3],
}

impl Affine {
    fn identity() -> Self {
        Self {
            matrix: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            offset: [0.0; 3],
        }
    }

    /// Returns the map of translations in metres, position-vector rotations in arc seconds, a
    /// scale difference in ppm, and the point the rotation turns about.
    fn helmert(translation: [f64; 3], rotation: [f64; 3], scale_ppm: f64, pivot: [f64; 3]) -> Self {
        let [rx, ry, rz] = rotation.map(|seconds| (seconds / 3600.0).to_radians());
        let scale = 1.0 + scale_ppm * 1e-6;
        let matrix = [[1.0, -rz, ry], [rz, 1.0, -rx], [-ry, rx, 1.0]]
            .map(|row| row.map(|value| value * scale));
        let turned = multiply(&matrix, pivot);
        let offset = [0, 1, 2].map(|i| translation[i] + pivot[i] - turned[i]);
        Self { matrix, offset }
    }

    fn apply(&self, xyz: [f64; 3]) -> [f64; 3] {
        let turned = multiply(&self.matrix, xyz);
        [0, 1, 2].map(|i| turned[i] + self.offset[i])
    }

    /// Returns the map that applies `self` first and `next` after it.
    fn then(&self, next: &Affine) -> Self {
        let column = |j: usize| {
            multiply(
                &next.matrix,
                [self.matrix[0][j], self.matrix[1][j], self.matrix[2][j]],
            )
        };
        let columns = [column(0), column(1), column(2)];
        let matrix = [0, 1, 2].map(|i| [columns[0][i], columns[1][i], columns[2][i]]);
        Self {
            matrix,
            offset: next.apply(self.offset),
        }
    }

    /// Returns the exact inverse: rotations are tiny, so there is one.
    fn inverse(&self) -> Self {
        let m = &self.matrix;
        let minor = |a: usize, b: usize, c: usize, d: usize| m[a][b] * m[c][d] - m[a][d] * m[c][b];
        let determinant =
            m[0][0] * minor(1, 1, 2, 2) - m[0][1] * minor(1, 0, 2, 2) + m[0][2] * minor(1, 0, 2, 1);
        let matrix = [
            [minor(1, 1, 2, 2), -minor(0, 1, 2, 2), minor(0, 1, 1, 2)],
            [-minor(1, 0, 2, 2), minor(0, 0, 2, 2), -minor(0, 0, 1, 2)],
            [minor(1, 0, 2, 1), -minor(0, 0, 2, 1), minor(0, 0, 1, 1)],
        ]
        .map(|row| row.map(|value| value / determinant));
        let offset = multiply(&matrix, self.offset).map(|value| -value);
        Self { matrix, offset }
    }
}

fn multiply(matrix: &[[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    [0, 1, 2].map(|i| matrix[i][0] * v[0] + matrix[i][1] * v[1] + matrix[i][2] * v[2])
}

/// One operation of the table.
struct Operation {
    code: u32,
    from: u32,
    to: u32,
    accuracy_m: f64,
    method: &'static str,
    affine: Affine,
    area: Bbox,
}

static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let text = include_str!("../../tables/shifts.txt");
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(read_operation)
        .collect()
});

fn read_operation(line: &'static str) -> Option<Operation> {
    let fields: Vec<&str> = line.split('|').collect();
    let [code, from, to, method, accuracy, numbers, area] = fields[..] else {
        return None;
    };
    let read = |text: &str| {
        text.split(' ')
            .filter_map(|number| number.parse().ok())
            .collect::<Vec<f64>>()
    };
    let values = read(numbers);
    let [west, south, east, north] = read(area)[..] else {
        return None;
    };
    let triple = |at: usize| {
        values
            .get(at..at + 3)
            .and_then(|slice| <[f64; 3]>::try_from(slice).ok())
    };
    let translation = triple(0)?;
    let rotation = triple(3).unwrap_or([0.0; 3]);
    let rotation = if method.ends_with('c') {
        rotation.map(|angle| -angle)
    } else {
        rotation
    };
    let scale_ppm = values.get(6).copied().unwrap_or(0.0);
    let pivot = triple(7).unwrap_or([0.0; 3]);
    let from = base_datum(from.parse().ok()?);
    let to = base_datum(to.parse().ok()?);
    let method = match method {
        "t" => "translations",
        "mc" | "mp" => "Molodensky-Badekas",
        _ => "Helmert 7-parameter",
    };
    (from != to).then_some(Operation {
        code: code.parse().ok()?,
        from,
        to,
        accuracy_m: accuracy.parse().ok()?,
        method,
        affine: Affine::helmert(translation, rotation, scale_ppm, pivot),
        area: Bbox {
            west,
            south,
            east,
            north,
        },
    })
}

/// Returns the datum that stands for a realisation, or for the same network on another meridian.
fn base_datum(code: u32) -> u32 {
    let mut code = code;
    // Chains are two long at most: realisation → ensemble, meridian → Greenwich.
    for _ in 0..3 {
        match registry::datum_twin(code) {
            Some(twin) => code = twin,
            None => break,
        }
    }
    code
}

/// A shift ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Shift {
    /// `None` where longitudes and latitudes stay as they are.
    affine: Option<Affine>,
    from: Shape,
    to: Shape,
    pub accuracy_m: f64,
    pub method: String,
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    a_m: f64,
    e2: f64,
}

impl Shape {
    fn of(ellipsoid: &Ellipsoid) -> Self {
        Self {
            a_m: ellipsoid.a_m,
            e2: ellipsoid.e2(),
        }
    }

    /// Radians to metres, on the ellipsoid.
    fn geocentric(&self, point: Point) -> [f64; 3] {
        let (sin_lat, cos_lat) = point.y.sin_cos();
        let (sin_lon, cos_lon) = point.x.sin_cos();
        let n = self.a_m / (1.0 - self.e2 * sin_lat * sin_lat).sqrt();
        [
            n * cos_lat * cos_lon,
            n * cos_lat * sin_lon,
            n * (1.0 - self.e2) * sin_lat,
        ]
    }

    /// Metres to radians; the height is dropped.
    ///
    /// Bowring's start and two rounds of his correction: below 1e-12 degrees for heights of ±10 km.
    fn geographic(&self, [x, y, z]: [f64; 3]) -> Point {
        let distance = x.hypot(y);
        let b = self.a_m * (1.0 - self.e2).sqrt();
        let second_e2 = self.e2 / (1.0 - self.e2);
        let mut reduced = (z * self.a_m).atan2(distance * b);
        let mut latitude = reduced;
        for _ in 0..3 {
            let (sin, cos) = reduced.sin_cos();
            latitude = (z + second_e2 * b * sin.powi(3))
                .atan2(distance - self.e2 * self.a_m * cos.powi(3));
            reduced = (b / self.a_m * latitude.sin()).atan2(latitude.cos());
        }
        Point {
            x: y.atan2(x),
            y: latitude,
        }
    }
}

impl Shift {
    /// Moves longitudes and latitudes in radians.
    pub fn apply(&self, points: &mut [Point]) {
        let Some(affine) = &self.affine else {
            return;
        };
        for point in points {
            *point = self
                .to
                .geographic(affine.apply(self.from.geocentric(*point)));
        }
    }

    fn null(from: &Datum, to: &Datum, accuracy_m: f64, method: impl Into<String>) -> Self {
        Self {
            affine: None,
            from: Shape::of(&from.ellipsoid),
            to: Shape::of(&to.ellipsoid),
            accuracy_m,
            method: method.into(),
        }
    }

    /// Returns the shift that keeps longitude and latitude although the datums differ.
    pub fn ignored(from: &Datum, to: &Datum) -> Self {
        Self::null(
            from,
            to,
            f64::INFINITY,
            "no shift known, longitude and latitude kept",
        )
    }

    /// Finds the most accurate shift between two datums for positions in `area`; `None` where the
    /// table has none.
    pub fn find(from: &Datum, to: &Datum, area: Option<Bbox>) -> Option<Shift> {
        if from == to {
            return Some(Self::null(from, to, 0.0, "same datum"));
        }
        if from.to_wgs84.is_none() && to.to_wgs84.is_none() {
            if let (Some(one), Some(two)) = (from.code, to.code)
                && base_datum(one) == base_datum(two)
            {
                return Some(Self::same_base(from, to));
            }
            if from.ellipsoid.is_sphere() || to.ellipsoid.is_sphere() {
                let is_same = from.ellipsoid.has_same_shape(&to.ellipsoid);
                let accuracy_m = if is_same { 0.0 } else { SPHERE_ACCURACY_M };
                return Some(Self::null(
                    from,
                    to,
                    accuracy_m,
                    "longitude and latitude kept on a sphere",
                ));
            }
            let is_unnamed = from.code.is_none() && to.code.is_none();
            if is_unnamed && from.ellipsoid.has_same_shape(&to.ellipsoid) {
                return Some(Self::null(from, to, 0.0, "same ellipsoid, datum not named"));
            }
        }
        let (start, start_path) = to_hub(from)?;
        let (end, end_path) = to_hub(to)?;
        let middle = best_path(start, end, area)?;
        let mut path = start_path;
        path.join(&middle);
        path.join(&end_path.reversed());
        Some(path.into_shift(from, to))
    }

    fn same_base(from: &Datum, to: &Datum) -> Self {
        if from.code == to.code || from.meridian.longitude != to.meridian.longitude {
            return Self::null(from, to, 0.0, "same datum");
        }
        let accuracy_m = match from.code.map(base_datum) {
            Some(WGS84) => 2.0,
            _ => 0.1,
        };
        Self::null(from, to, accuracy_m, "realisations of one datum")
    }
}

/// A chain of operations.
#[derive(Clone)]
struct Path {
    affine: Affine,
    /// False where an operation is made for another or a smaller area.
    is_made_for_area: bool,
    accuracy_m: f64,
    steps: Vec<String>,
}

impl Path {
    fn empty() -> Self {
        Self {
            affine: Affine::identity(),
            is_made_for_area: true,
            accuracy_m: 0.0,
            steps: Vec::new(),
        }
    }

    fn join(&mut self, next: &Path) {
        self.affine = self.affine.then(&next.affine);
        self.is_made_for_area &= next.is_made_for_area;
        self.accuracy_m += next.accuracy_m;
        self.steps.extend(next.steps.iter().cloned());
    }

    fn reversed(&self) -> Self {
        Self {
            affine: self.affine.inverse(),
            is_made_for_area: self.is_made_for_area,
            accuracy_m: self.accuracy_m,
            steps: self.steps.iter().rev().cloned().collect(),
        }
    }

    fn into_shift(self, from: &Datum, to: &Datum) -> Shift {
        // WGS 84 and GRS 80 differ by a tenth of a millimetre: nothing to compute.
        let is_null =
            self.affine == Affine::identity() && from.ellipsoid.has_same_shape(&to.ellipsoid);
        Shift {
            affine: (!is_null).then_some(self.affine),
            from: Shape::of(&from.ellipsoid),
            to: Shape::of(&to.ellipsoid),
            accuracy_m: self.accuracy_m,
            method: self.steps.join(" + "),
        }
    }
}

/// Returns the datum in the table that a datum leads to, and how.
fn to_hub(datum: &Datum) -> Option<(u32, Path)> {
    let mut path = Path::empty();
    if let Some([tx, ty, tz, rx, ry, rz, scale_ppm]) = datum.to_wgs84 {
        path.affine = Affine::helmert([tx, ty, tz], [rx, ry, rz], scale_ppm, [0.0; 3]);
        path.accuracy_m = TO_WGS84_ACCURACY_M;
        path.steps.push("shift to WGS 84 of the definition".into());
        return Some((WGS84, path));
    }
    if let Some(code) = datum.code {
        return Some((base_datum(code), path));
    }
    let is_global = [7030, 7019]
        .into_iter()
        .filter_map(registry::ellipsoid)
        .any(|known| known.has_same_shape(&datum.ellipsoid));
    if !is_global {
        return None;
    }
    path.accuracy_m = UNNAMED_ACCURACY_M;
    path.steps.push("datum not named, taken as WGS 84".into());
    Some((WGS84, path))
}

/// Returns the most accurate chain from one datum to another: directly, or over WGS 84 and ETRS89.
fn best_path(from: u32, to: u32, area: Option<Bbox>) -> Option<Path> {
    if from == to {
        return Some(Path::empty());
    }
    let mut routes: Vec<Vec<u32>> = vec![vec![from, to]];
    for hub in HUBS {
        routes.push(vec![from, hub, to]);
    }
    routes.push(vec![from, ETRS89, WGS84, to]);
    routes.push(vec![from, WGS84, ETRS89, to]);
    let mut best: Option<Path> = None;
    for route in routes {
        let repeats = route.windows(2).any(|pair| pair[0] == pair[1]);
        if repeats {
            continue;
        }
        let mut path = Path::empty();
        let is_whole = route
            .windows(2)
            .all(|pair| match best_operation(pair[0], pair[1], area) {
                Some(step) => {
                    path.join(&step);
                    true
                }
                None => false,
            });
        let is_better = |known: &Path| {
            let fit = (path.is_made_for_area, -path.accuracy_m);
            fit > (known.is_made_for_area, -known.accuracy_m)
        };
        if is_whole && best.as_ref().is_none_or(is_better) {
            best = Some(path);
        }
    }
    best
}

/// Returns the best single operation between two datums for an area: of those whose area holds it
/// the most accurate one, else the one that overlaps it most.
fn best_operation(from: u32, to: u32, area: Option<Bbox>) -> Option<Path> {
    let connects = |operation: &&Operation| {
        let ends = (operation.from, operation.to);
        ends == (from, to) || ends == (to, from)
    };
    let area = area.unwrap_or(WORLD);
    let rank = |operation: &Operation| {
        let covered = share(&operation.area, &area);
        let is_made_for_area = covered >= SHARE_MIN;
        // Shares below count in tenths only, so that a rounded border does not beat accuracy.
        let tenths = if is_made_for_area {
            10.0
        } else {
            (covered * 10.0).floor()
        };
        let is_translation = operation.method == "translations";
        (
            tenths,
            -operation.accuracy_m,
            !is_translation,
            operation.code,
        )
    };
    let best = OPERATIONS.iter().filter(connects).max_by(|one, two| {
        rank(one)
            .partial_cmp(&rank(two))
            .unwrap_or(std::cmp::Ordering::Equal)
    })?;
    let covered = share(&best.area, &area);
    if covered <= 0.0 {
        return None;
    }
    let is_made_for_area = covered >= SHARE_MIN;
    let accuracy_m = if is_made_for_area {
        best.accuracy_m
    } else {
        best.accuracy_m.max(ELSEWHERE_ACCURACY_M)
    };
    let affine = if best.from == from {
        best.affine.clone()
    } else {
        best.affine.inverse()
    };
    let note = if is_made_for_area {
        ""
    } else {
        " (made for another area)"
    };
    let steps = vec![format!("{}, EPSG:{}{note}", best.method, best.code)];
    Some(Path {
        affine,
        is_made_for_area,
        accuracy_m,
        steps,
    })
}

const WORLD: Bbox = Bbox {
    west: -180.0,
    south: -90.0,
    east: 180.0,
    north: 90.0,
};

/// Returns the width of an area in degrees, also across the antimeridian.
fn width(area: &Bbox) -> f64 {
    if area.east >= area.west {
        area.east - area.west
    } else {
        area.east - area.west + 360.0
    }
}

/// Returns the share of `area` that lies within `frame`, borders taken with a tolerance.
fn share(frame: &Bbox, area: &Bbox) -> f64 {
    let height = (frame.north + AREA_TOLERANCE_DEG).min(area.north)
        - (frame.south - AREA_TOLERANCE_DEG).max(area.south);
    let frame_width = width(frame) + 2.0 * AREA_TOLERANCE_DEG;
    // Start of the area counted from the start of the frame, within 0..360.
    let start = (area.west - (frame.west - AREA_TOLERANCE_DEG)).rem_euclid(360.0);
    let end = start + width(area);
    let common = (end.min(frame_width) - start).max(0.0) + (end - 360.0).clamp(0.0, frame_width);
    let whole = (width(area) * (area.north - area.south)).max(1e-9);
    (height.max(0.0) * common / whole).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_whole() {
        assert!(OPERATIONS.len() > 1000, "{}", OPERATIONS.len());
    }

    #[test]
    fn a_shift_and_its_inverse_cancel() {
        let affine = Affine::helmert(
            [598.1, 73.7, 418.2],
            [0.202, 0.045, -2.455],
            6.7,
            [3903453.0, 368135.0, 5012970.0],
        );
        let there = affine.apply([3_900_000.0, 500_000.0, 5_000_000.0]);
        let back = affine.inverse().apply(there);
        assert!((back[0] - 3_900_000.0).abs() < 1e-8 && (back[2] - 5_000_000.0).abs() < 1e-8);
        let both = affine.then(&affine.inverse());
        assert!(both.offset.iter().all(|value| value.abs() < 1e-8));
    }

    #[test]
    fn areas_across_the_antimeridian_overlap() {
        let fiji = Bbox {
            west: 176.0,
            south: -20.0,
            east: -178.0,
            north: -12.0,
        };
        let east = Bbox {
            west: -180.0,
            south: -20.0,
            east: -178.0,
            north: -12.0,
        };
        assert!(share(&fiji, &east) > 0.99);
        assert!((share(&east, &fiji) - 2.3 / 6.0).abs() < 0.06);
        assert_eq!(share(&WORLD, &fiji), 1.0);
        let chile = Bbox {
            west: -75.0,
            south: -50.0,
            east: -66.0,
            north: -20.0,
        };
        assert_eq!(share(&fiji, &chile), 0.0);
    }
}
