//! Puts decoded features into the store, checks and repairs them, keeps the report.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use swath_grid::Crs;

use super::archive::Input;
use super::attributes::{IdColumn, Selection};
use super::error::VectorError;
use super::parcels::{PARCEL_COORDS_MAX, Parcels, StringColumn};
use super::repair::repair;
use super::report::{ParcelReport, Problem, ProblemKind, Skipped};
use super::shape::{GeometryKind, Shape};
use super::source::{FieldInfo, Layer, ParcelGeometry};
use super::validity::ValidityCheck;

/// Most parcels of one file.
const PARCELS_MAX: usize = 100_000_000;

/// Features of a file on their way into the store.
pub(super) struct Assembly {
    file: PathBuf,
    geometry: ParcelGeometry,
    crs: Crs,
    selection: Selection,
    fields: Vec<FieldInfo>,
    parcels: Parcels,
    attributes: Vec<StringColumn>,
    kinds: Vec<(GeometryKind, u64)>,
    report: ParcelReport,
    validity: ValidityCheck,
}

impl Assembly {
    /// Begins a layer.
    pub fn new(input: &Input, crs: Crs, fields: Vec<FieldInfo>, selection: Selection) -> Self {
        Self {
            file: input.name.clone(),
            geometry: input.geometry,
            crs,
            attributes: vec![StringColumn::default(); selection.kept.len()],
            selection,
            fields,
            parcels: Parcels::default(),
            kinds: Vec::new(),
            report: ParcelReport::default(),
            validity: ValidityCheck::default(),
        }
    }

    /// Returns the number of the next feature.
    pub fn feature(&self) -> u64 {
        self.report.features
    }

    /// Adds a remark on the file.
    pub fn note(&mut self, note: impl Into<String>) {
        self.report.notes.push(note.into());
    }

    /// Adds the next feature of the file. `kept` are the values of the columns to keep.
    ///
    /// The shape is used up: it may be repaired in place.
    pub fn add(
        &mut self,
        id: Option<&str>,
        kept: &[Option<&str>],
        shape: &mut Shape,
    ) -> Result<(), VectorError> {
        let feature = self.report.features;
        self.report.features += 1;
        self.count_kind(shape);
        let row_number;
        let id = match (id, &self.selection.id) {
            (Some(id), _) if !id.is_empty() => id,
            (_, IdColumn::RowNumber) => {
                row_number = feature.to_string();
                &row_number
            }
            _ => {
                let field = self.selection.id_field.clone();
                return Err(VectorError::MissingId {
                    file: self.file.clone(),
                    feature,
                    field,
                });
            }
        };
        let is_parcel = match self.geometry {
            ParcelGeometry::Polygons => shape.is_areal(),
            ParcelGeometry::Points => shape.is_punctual(),
        };
        if !is_parcel {
            let geometry_type = shape.kind.name().to_string();
            let parcel_id = id.to_string();
            self.report.skipped.push(Skipped {
                feature,
                parcel_id,
                geometry_type,
            });
            return Ok(());
        }
        if self.geometry == ParcelGeometry::Points {
            shape.ring_of_point();
        }
        self.check_limits(shape)?;
        if shape.has_other {
            self.problem(feature, id, ProblemKind::MixedCollection, None, true);
        }
        match shape.rings.is_empty() {
            true => {
                self.report.empty += 1;
                self.problem(feature, id, ProblemKind::Empty, None, false);
            }
            false if self.geometry == ParcelGeometry::Points => {
                self.check_point(feature, id, shape);
            }
            false => self.mend(feature, id, shape),
        }
        self.parcels.push(id, shape);
        for (column, value) in self.attributes.iter_mut().zip(kept) {
            column.push(*value);
        }
        Ok(())
    }

    fn count_kind(&mut self, shape: &Shape) {
        self.report.has_z |= shape.has_z;
        self.report.has_m |= shape.has_m;
        match self.kinds.iter_mut().find(|(kind, _)| *kind == shape.kind) {
            Some((_, count)) => *count += 1,
            None => self.kinds.push((shape.kind, 1)),
        }
    }

    fn check_limits(&self, shape: &Shape) -> Result<(), VectorError> {
        let limit = |what: String, limit: String| {
            Err(VectorError::Limit {
                file: self.file.clone(),
                what,
                limit,
            })
        };
        if self.parcels.len() >= PARCELS_MAX {
            let what = "the number of parcels".to_string();
            return limit(what, format!("PARCELS_MAX of {PARCELS_MAX} parcels"));
        }
        if shape.coords.len() > PARCEL_COORDS_MAX {
            let what = format!(
                "feature {} with {} vertices",
                self.report.features - 1,
                shape.coords.len()
            );
            return limit(
                what,
                format!("PARCEL_COORDS_MAX of {PARCEL_COORDS_MAX} vertices"),
            );
        }
        Ok(())
    }

    /// Checks a shape with rings, repairs it where needed and notes what was found.
    fn mend(&mut self, feature: u64, id: &str, shape: &mut Shape) {
        if let Some((kind, place)) = self.validity.find(shape) {
            self.report.invalid += 1;
            // A vertex that is nowhere cannot be guessed: the parcel is left without area.
            let can_repair = kind != ProblemKind::NonFinite;
            let is_repaired = can_repair && repair(shape).is_ok() && !shape.rings.is_empty();
            let place = place.iter().all(|c| c.is_finite()).then_some(place);
            self.problem(feature, id, kind, place, is_repaired);
            if is_repaired {
                self.report.repaired += 1;
            } else {
                shape.clear_rings();
                self.report.empty += 1;
                self.problem(feature, id, ProblemKind::NotRepairable, place, false);
            }
        }
        if self.crs.is_geographic() && spans_half_the_globe(shape) {
            let place = shape.coords.first().copied();
            self.problem(feature, id, ProblemKind::AntimeridianSpan, place, false);
        }
    }

    /// Takes the place of a point that is nowhere.
    fn check_point(&mut self, feature: u64, id: &str, shape: &mut Shape) {
        if shape.coords.iter().flatten().all(|c| c.is_finite()) {
            return;
        }
        shape.clear_rings();
        self.report.invalid += 1;
        self.report.empty += 1;
        self.problem(feature, id, ProblemKind::NonFinite, None, false);
    }

    fn problem(
        &mut self,
        feature: u64,
        id: &str,
        kind: ProblemKind,
        place: Option<[f64; 2]>,
        is_repaired: bool,
    ) {
        self.report.problems.push(Problem {
            feature,
            parcel_id: id.to_string(),
            kind,
            what: kind.words().to_string(),
            place,
            is_repaired,
        });
    }

    /// Ends the layer.
    pub fn finish(mut self) -> Result<Layer, VectorError> {
        self.report.geometry_types = self
            .kinds
            .iter()
            .map(|(kind, count)| (kind.name().to_string(), *count))
            .collect();
        let is_areal = |kind: &GeometryKind| {
            matches!(kind, GeometryKind::Polygon | GeometryKind::MultiPolygon)
        };
        let has_polygon = self.kinds.iter().any(|(kind, _)| is_areal(kind))
            || self.parcels.len() as u64 > self.report.empty;
        let is_missing = match self.geometry {
            ParcelGeometry::Polygons => !has_polygon,
            ParcelGeometry::Points => self.parcels.len() as u64 == self.report.empty,
        };
        if self.report.features > 0 && is_missing {
            let types = types_with_counts(&self.report.geometry_types);
            let has_points = self.geometry == ParcelGeometry::Polygons && self.has_points();
            return Err(VectorError::NoPolygon {
                file: self.file,
                types,
                has_points,
            });
        }
        self.find_duplicates();
        self.report.problems.sort_by_key(|problem| problem.feature);
        self.parcels.finish();
        Ok(Layer {
            crs: self.crs,
            id_field: self.selection.id_field,
            kept: self
                .selection
                .kept
                .iter()
                .map(|&kept| self.fields[kept].clone())
                .collect(),
            fields: self.fields,
            parcels: self.parcels,
            attributes: self.attributes,
            report: self.report,
        })
    }

    fn has_points(&self) -> bool {
        let is_point =
            |kind: &GeometryKind| matches!(kind, GeometryKind::Point | GeometryKind::MultiPoint);
        self.kinds.iter().any(|(kind, _)| is_point(kind))
    }

    fn find_duplicates(&mut self) {
        let mut first_index: HashMap<&str, usize> = HashMap::with_capacity(self.parcels.len());
        let mut again = Vec::new();
        for index in 0..self.parcels.len() {
            let first = *first_index.entry(self.parcels.id(index)).or_insert(index);
            if first != index {
                again.push((index, first));
            }
        }
        drop(first_index);
        if again.is_empty() {
            return;
        }
        let features = feature_numbers(self.parcels.len(), &self.report.skipped);
        self.report.duplicate_ids = again.len() as u64;
        for (index, first) in again {
            self.report.problems.push(Problem {
                feature: features[index],
                parcel_id: self.parcels.id(index).to_string(),
                kind: ProblemKind::DuplicateId,
                what: format!("feature {} has the same id", features[first]),
                place: None,
                is_repaired: false,
            });
        }
    }
}

/// Returns the number in the file of each parcel, given the features that are not parcels.
fn feature_numbers(parcel_count: usize, skipped: &[Skipped]) -> Vec<u64> {
    let mut skipped = skipped.iter().map(|skipped| skipped.feature).peekable();
    let mut next = 0;
    let mut numbers = Vec::with_capacity(parcel_count);
    while numbers.len() < parcel_count {
        if skipped.next_if_eq(&next).is_none() {
            numbers.push(next);
        }
        next += 1;
    }
    numbers
}

fn types_with_counts(types: &BTreeMap<String, u64>) -> Vec<String> {
    types
        .iter()
        .map(|(name, count)| format!("{name} ({count})"))
        .collect()
}

fn spans_half_the_globe(shape: &Shape) -> bool {
    let x = || shape.coords.iter().map(|coord| coord[0]);
    let (min, max) = (
        x().fold(f64::INFINITY, f64::min),
        x().fold(f64::NEG_INFINITY, f64::max),
    );
    max - min > 180.0
}
