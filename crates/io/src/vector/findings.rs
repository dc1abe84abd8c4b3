//! What is doubtful about parcels that are valid: slivers, parcels too small for a sensor, declared
//! areas that are not the measured ones.

use geo::{Area, Coord, LineString, MultiPolygon};
use rayon::prelude::*;
use serde::Serialize;
use swath_grid::{Crs, Projector, ShiftOptions};

use super::buffer::inner_buffer;
use super::overlap::{Overlaps, SameGeometry, find_overlaps, find_same};
use super::project::project_parcel;
use super::source::{ParcelGeometry, ParcelSource};

/// EPSG code of the equal-area grid in which areas are measured.
const EPSG_EQUAL_AREA: u32 = 6933;
/// Largest distance in metres of a projected edge from the true one, when areas are measured.
const AREA_TOLERANCE_M: f64 = 0.05;
/// Most findings of a kind that are listed; all are counted.
pub(super) const LISTED_MAX: usize = 1_000;
/// Widths of pixels in metres for which parcels are judged.
const PIXELS_M: [f64; 2] = [10.0, 20.0];

/// From where on parcels are doubtful.
#[derive(Debug, Clone, PartialEq)]
pub struct FindingOptions {
    /// Overlap in square metres above which a pair counts. Default 10.
    pub overlap_m2: f64,
    /// Share of the smaller parcel above which a pair counts, whatever its square metres. Default 0.1.
    pub overlap_share: f64,
    /// Mean width in metres, 2A/P, below which a thin parcel is a sliver. Default 5.
    pub sliver_width_m: f64,
    /// Compactness 4πA/P² below which a parcel is thin; 1 is a disc. Default 0.2.
    pub sliver_compactness: f64,
    /// Pixels below which a parcel shrunk by half a pixel is too small. Default 8.
    pub pixels_min: f64,
    /// Share of the measured area by which a declared area may differ. Default 0.05.
    pub area_share: f64,
    /// Hectares by which it may differ, whatever the share. Default 0.1.
    pub area_ha: f64,
}

impl Default for FindingOptions {
    fn default() -> Self {
        Self {
            overlap_m2: 10.0,
            overlap_share: 0.1,
            sliver_width_m: 5.0,
            sliver_compactness: 0.2,
            pixels_min: 8.0,
            area_share: 0.05,
            area_ha: 0.1,
        }
    }
}

/// What is doubtful about the parcels of a source; lists are in the order of the source, and cut.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ParcelFindings {
    /// Parcels with the very vertices of an earlier one.
    pub same_geometry: SameGeometry,
    /// Pairs that overlap.
    pub overlaps: Overlaps,
    /// Thin parcels.
    pub slivers: Slivers,
    /// Parcels too small for pixels of a width.
    pub too_small: Vec<TooSmall>,
    /// Declared areas, where there are any.
    pub declared: Option<DeclaredAreas>,
}

/// Thin parcels.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Slivers {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub listed: Vec<Sliver>,
}

/// A thin parcel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sliver {
    /// Its id.
    pub parcel_id: String,
    /// Mean width in metres, 2A/P.
    pub width_m: f64,
    /// 4πA/P²; 1 is a disc.
    pub compactness: f64,
    /// Square metres.
    pub area_m2: f64,
}

/// Parcels too small for pixels of a width.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TooSmall {
    /// Width of a pixel in metres.
    pub pixel_m: f64,
    /// How many parcels have fewer pixels than asked for, once shrunk by half a pixel.
    pub count: u64,
    /// Ids of the first of them.
    pub listed: Vec<String>,
}

/// Declared areas beside measured ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DeclaredAreas {
    /// Parcels with both.
    pub compared: u64,
    /// Parcels whose areas differ by more than is accepted.
    pub count: u64,
    /// The first of them.
    pub listed: Vec<AreaDifference>,
}

/// A declared area that is not the measured one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AreaDifference {
    /// Id of the parcel.
    pub parcel_id: String,
    /// Hectares as declared.
    pub declared_ha: f64,
    /// Hectares in EPSG:6933.
    pub measured_ha: f64,
}

/// Judges the parcels of a source; of points there is nothing to judge.
///
/// `declared_ha` are declared areas in hectares in the order of the source. Lengths are taken in the
/// CRS of the source, scaled so that each parcel has its true area.
pub fn find(
    source: &ParcelSource,
    declared_ha: Option<&[Option<f64>]>,
    options: &FindingOptions,
) -> ParcelFindings {
    if source.geometry == ParcelGeometry::Points {
        return ParcelFindings::default();
    }
    let measured: Vec<Option<Measured>> = match equal_area(&source.crs) {
        Ok(projector) => (0..source.parcels.len())
            .into_par_iter()
            .map(|row| measure(source, row, &projector, options))
            .collect(),
        Err(_) => vec![None; source.parcels.len()],
    };
    let scales: Vec<Option<Scale>> = measured
        .iter()
        .map(|measured| measured.as_ref().map(|measured| measured.scale))
        .collect();
    let (same_geometry, is_same) = find_same(source);
    ParcelFindings {
        overlaps: find_overlaps(source, &scales, &is_same, options),
        same_geometry,
        slivers: slivers(source, &measured, options),
        too_small: too_small(source, &measured),
        declared: declared_ha.map(|declared| compare(source, &measured, declared, options)),
    }
}

fn equal_area(crs: &Crs) -> Result<Projector, swath_grid::GridError> {
    let options = ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    Projector::new(crs, &Crs::from_epsg(EPSG_EQUAL_AREA)?, &options)
}

/// Metres of a unit of the source around a parcel, to the east and to the north.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub x: f64,
    pub y: f64,
}

/// What is known of one parcel.
#[derive(Debug, Clone)]
struct Measured {
    area_m2: f64,
    perimeter_m: f64,
    scale: Scale,
    /// For each of [`PIXELS_M`], true where it is too small.
    is_small: [bool; PIXELS_M.len()],
}

fn measure(
    source: &ParcelSource,
    row: usize,
    projector: &Projector,
    options: &FindingOptions,
) -> Option<Measured> {
    let polygon = source.parcels.polygon(row);
    let projected = project_parcel(&polygon, projector, AREA_TOLERANCE_M).ok()?;
    let area_m2 = projected.unsigned_area();
    let bounds = source.parcels.bounds(row)?;
    // A degree of longitude is shorter than one of latitude.
    let shrink = match source.crs.is_geographic() {
        true => ((bounds.min_y + bounds.max_y) / 2.0).to_radians().cos(),
        false => 1.0,
    };
    let planar = polygon.unsigned_area() * shrink;
    let unit_m = (area_m2 / planar).sqrt();
    if !unit_m.is_finite() || unit_m <= 0.0 {
        return None;
    }
    let scale = Scale {
        x: unit_m * shrink,
        y: unit_m,
    };
    let metres = in_metres(&polygon, scale, [bounds.min_x, bounds.min_y]);
    let outline = Outline::of(&metres);
    let is_small = PIXELS_M.map(|pixel_m| is_small(&metres, area_m2, outline, pixel_m, options));
    Some(Measured {
        area_m2,
        perimeter_m: outline.length_m,
        scale,
        is_small,
    })
}

fn in_metres(polygon: &MultiPolygon<f64>, scale: Scale, origin: [f64; 2]) -> MultiPolygon<f64> {
    use geo::MapCoords;
    polygon.map_coords(|coord| Coord {
        x: (coord.x - origin[0]) * scale.x,
        y: (coord.y - origin[1]) * scale.y,
    })
}

/// Length and turning of all rings of a parcel.
#[derive(Debug, Clone, Copy, Default)]
struct Outline {
    length_m: f64,
    /// Sum of the angles by which it turns, whatever the direction, in radians.
    turning: f64,
}

impl Outline {
    fn of(parcel: &MultiPolygon<f64>) -> Self {
        let mut outline = Self::default();
        for polygon in &parcel.0 {
            outline.add(polygon.exterior());
            polygon
                .interiors()
                .iter()
                .for_each(|ring| outline.add(ring));
        }
        outline
    }

    fn add(&mut self, ring: &LineString<f64>) {
        let edges: Vec<[f64; 2]> = ring
            .0
            .windows(2)
            .map(|ends| [ends[1].x - ends[0].x, ends[1].y - ends[0].y])
            .filter(|edge| *edge != [0.0, 0.0])
            .collect();
        for (index, edge) in edges.iter().enumerate() {
            self.length_m += edge[0].hypot(edge[1]);
            let next = edges[(index + 1) % edges.len()];
            let cross = edge[0] * next[1] - edge[1] * next[0];
            let along = edge[0] * next[0] + edge[1] * next[1];
            self.turning += cross.atan2(along).abs();
        }
    }
}

/// True where a parcel, shrunk by half a pixel, is of fewer pixels than asked for.
fn is_small(
    metres: &MultiPolygon<f64>,
    area_m2: f64,
    outline: Outline,
    pixel_m: f64,
    options: &FindingOptions,
) -> bool {
    let needed_m2 = options.pixels_min * pixel_m * pixel_m;
    let inwards_m = pixel_m / 2.0;
    if area_m2 < needed_m2 {
        return true;
    }
    // Along the outline a strip is lost, at its turns a sector each: more it cannot be.
    let lost_m2 = outline.length_m * inwards_m + outline.turning * inwards_m * inwards_m / 2.0;
    if area_m2 - lost_m2 >= needed_m2 {
        return false;
    }
    inner_buffer(metres, -inwards_m).unsigned_area() < needed_m2
}

fn slivers(
    source: &ParcelSource,
    measured: &[Option<Measured>],
    options: &FindingOptions,
) -> Slivers {
    let mut slivers = Slivers::default();
    for (row, measured) in measured.iter().enumerate() {
        let Some(measured) = measured.as_ref().filter(|m| m.perimeter_m > 0.0) else {
            continue;
        };
        let (area_m2, perimeter_m) = (measured.area_m2, measured.perimeter_m);
        let width_m = 2.0 * area_m2 / perimeter_m;
        let compactness = 4.0 * std::f64::consts::PI * area_m2 / (perimeter_m * perimeter_m);
        if width_m >= options.sliver_width_m || compactness >= options.sliver_compactness {
            continue;
        }
        slivers.count += 1;
        if slivers.listed.len() < LISTED_MAX {
            slivers.listed.push(Sliver {
                parcel_id: source.parcels.id(row).to_string(),
                width_m,
                compactness,
                area_m2,
            });
        }
    }
    slivers
}

fn too_small(source: &ParcelSource, measured: &[Option<Measured>]) -> Vec<TooSmall> {
    let judge = |(pixel, pixel_m): (usize, &f64)| {
        let is_small = |row: &usize| measured[*row].as_ref().is_some_and(|m| m.is_small[pixel]);
        let small = || (0..measured.len()).filter(is_small);
        TooSmall {
            pixel_m: *pixel_m,
            count: small().count() as u64,
            listed: small()
                .take(LISTED_MAX)
                .map(|row| source.parcels.id(row).to_string())
                .collect(),
        }
    };
    PIXELS_M.iter().enumerate().map(judge).collect()
}

fn compare(
    source: &ParcelSource,
    measured: &[Option<Measured>],
    declared: &[Option<f64>],
    options: &FindingOptions,
) -> DeclaredAreas {
    let mut areas = DeclaredAreas::default();
    for (row, (measured, declared)) in measured.iter().zip(declared).enumerate() {
        let (Some(measured), Some(declared_ha)) = (measured, *declared) else {
            continue;
        };
        areas.compared += 1;
        let measured_ha = measured.area_m2 / 1e4;
        let difference = (declared_ha - measured_ha).abs();
        if difference <= options.area_ha || difference <= options.area_share * measured_ha {
            continue;
        }
        areas.count += 1;
        if areas.listed.len() < LISTED_MAX {
            areas.listed.push(AreaDifference {
                parcel_id: source.parcels.id(row).to_string(),
                declared_ha,
                measured_ha,
            });
        }
    }
    areas
}
