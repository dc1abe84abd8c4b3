//! The summary of a parcel file for `swath parcels check`.

use std::collections::BTreeMap;

use geo_types::MultiPolygon;
use serde::Serialize;
use swath_grid::{Crs, Projector, ShiftOptions};

use super::project::project_parcel;
use super::report::{Problem, Skipped};
use super::source::ParcelSource;

/// EPSG code of the equal-area grid in which areas are measured.
const EPSG_EQUAL_AREA: u32 = 6933;
/// Largest distance in metres of a projected edge from the true one, when areas are measured.
const AREA_TOLERANCE_M: f64 = 0.05;

/// What there is to say about a parcel file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ParcelCheck {
    /// Number of features in the file.
    pub features: u64,
    /// Number of parcels: features that are polygons or have no geometry.
    pub parcels: u64,
    /// EPSG code of the CRS, where it has one.
    pub epsg: Option<u32>,
    /// The CRS by name.
    pub crs: String,
    /// Column of the ids.
    pub id_field: String,
    /// Number of features by geometry type.
    pub geometry_types: BTreeMap<String, u64>,
    /// Number of parcels that were not valid.
    pub invalid: u64,
    /// Number of invalid parcels that were repaired.
    pub repaired: u64,
    /// Number of parcels without area.
    pub empty: u64,
    /// Number of parcels whose id stands on an earlier one.
    pub duplicate_ids: u64,
    /// Area of all parcels in square metres, in EPSG:6933; absent where the CRS cannot be
    /// transformed, for the reason in `notes`.
    pub area_m2: Option<f64>,
    /// Number of parcels whose area could not be measured and is not in `area_m2`.
    pub unmeasured: u64,
    /// True where third coordinates were dropped.
    pub has_z: bool,
    /// True where measures were dropped.
    pub has_m: bool,
    /// Findings on single parcels.
    pub problems: Vec<Problem>,
    /// Features that are no polygons.
    pub skipped: Vec<Skipped>,
    /// Remarks on the file.
    pub notes: Vec<String>,
}

/// Sums up what was read.
///
/// Areas are those of the repaired parcels; overlaps between parcels count twice.
pub fn check(source: &ParcelSource) -> ParcelCheck {
    let report = &source.report;
    let mut notes = report.notes.clone();
    let (area_m2, unmeasured) = match equal_area_projector(&source.crs) {
        Ok(projector) => {
            let (area_m2, unmeasured) = area_m2(source, &projector);
            if unmeasured > 0 {
                notes.push(format!(
                    "{unmeasured} parcels cannot be projected to EPSG:6933"
                ));
            }
            (Some(area_m2), unmeasured)
        }
        Err(why) => {
            notes.push(format!("the area cannot be measured: {why}"));
            (None, source.parcels.len() as u64)
        }
    };
    ParcelCheck {
        features: report.features,
        parcels: source.parcels.len() as u64,
        epsg: source.crs.epsg(),
        crs: source.crs.name().to_string(),
        id_field: source.id_field.clone(),
        geometry_types: report.geometry_types.clone(),
        invalid: report.invalid,
        repaired: report.repaired,
        empty: report.empty,
        duplicate_ids: report.duplicate_ids,
        area_m2,
        unmeasured,
        has_z: report.has_z,
        has_m: report.has_m,
        problems: report.problems.clone(),
        skipped: report.skipped.clone(),
        notes,
    }
}

fn equal_area_projector(crs: &Crs) -> Result<Projector, swath_grid::GridError> {
    // A shift of some metres between datums does not change an area.
    let options = ShiftOptions {
        accuracy_max_m: f64::INFINITY,
    };
    Projector::new(crs, &Crs::from_epsg(EPSG_EQUAL_AREA)?, &options)
}

fn area_m2(source: &ParcelSource, projector: &Projector) -> (f64, u64) {
    let mut area_m2 = 0.0;
    let mut unmeasured = 0;
    for (_, parcel) in source.parcels.iter() {
        match project_parcel(&parcel, projector, AREA_TOLERANCE_M) {
            Ok(projected) => area_m2 += unsigned_area(&projected),
            Err(_) => unmeasured += 1, // counted and named in the notes
        }
    }
    (area_m2, unmeasured)
}

fn unsigned_area(parcel: &MultiPolygon<f64>) -> f64 {
    use geo::Area;
    parcel.unsigned_area()
}
