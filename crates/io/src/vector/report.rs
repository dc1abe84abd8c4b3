//! What a reader of parcels has to tell beside the parcels.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counts and findings of one reading.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ParcelReport {
    /// Number of features in the file.
    pub features: u64,
    /// Number of features by geometry type, as the file names them.
    pub geometry_types: BTreeMap<String, u64>,
    /// True where a geometry had a third coordinate; it is dropped.
    pub has_z: bool,
    /// True where a geometry had a measure; it is dropped.
    pub has_m: bool,
    /// Number of parcels that were not valid.
    pub invalid: u64,
    /// Number of invalid parcels that were repaired and still have an area.
    pub repaired: u64,
    /// Number of parcels without area, before or after repair; they keep their row.
    pub empty: u64,
    /// Number of parcels whose id another parcel before them has.
    pub duplicate_ids: u64,
    /// Findings on single parcels, in file order.
    pub problems: Vec<Problem>,
    /// Features that are no polygons and have no row.
    pub skipped: Vec<Skipped>,
    /// Remarks on the file as a whole.
    pub notes: Vec<String>,
}

/// A finding on one parcel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// Number of the feature in the file, from 0.
    pub feature: u64,
    /// Id of the parcel.
    pub parcel_id: String,
    /// What it is.
    pub kind: ProblemKind,
    /// What it is, in words.
    pub what: String,
    /// Where it is, x and y in the CRS of the file.
    pub place: Option<[f64; 2]>,
    /// True where the geometry was changed to mend it.
    pub is_repaired: bool,
}

/// Kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// Two edges cross or lie on each other.
    SelfIntersection,
    /// A ring touches itself.
    RingSelfTouch,
    /// A hole lies outside its shell.
    HoleOutsideShell,
    /// A hole lies in another hole.
    NestedHoles,
    /// A shell lies in another shell.
    NestedShells,
    /// Holes cut the inside in two.
    DisconnectedInterior,
    /// A ring has fewer than three different points.
    TooFewPoints,
    /// The last point of a ring is not its first.
    UnclosedRing,
    /// A coordinate is infinite or not a number.
    NonFinite,
    /// There is no geometry.
    Empty,
    /// The same id stands on an earlier feature.
    DuplicateId,
    /// The parcel is wider than half the globe: it crosses the antimeridian uncut.
    AntimeridianSpan,
    /// Points or lines beside the polygons of a collection were left out.
    MixedCollection,
    /// A geometry is too tangled to be repaired; the parcel is left without area.
    NotRepairable,
}

impl ProblemKind {
    /// Returns the kind in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::SelfIntersection => "edges cross or lie on each other",
            Self::RingSelfTouch => "a ring touches itself",
            Self::HoleOutsideShell => "a hole lies outside its shell",
            Self::NestedHoles => "a hole lies inside another hole",
            Self::NestedShells => "a shell lies inside another shell",
            Self::DisconnectedInterior => "holes cut the inside in two",
            Self::TooFewPoints => "a ring has fewer than three different points",
            Self::UnclosedRing => "a ring is not closed",
            Self::NonFinite => "a coordinate is infinite or not a number",
            Self::Empty => "there is no geometry",
            Self::DuplicateId => "an earlier feature has the same id",
            Self::AntimeridianSpan => "it spans more than 180 degrees of longitude",
            Self::MixedCollection => "points or lines beside the polygons were left out",
            Self::NotRepairable => "too tangled to be repaired; left without area",
        }
    }
}

/// A feature that is no polygon and has no row among the parcels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Number of the feature in the file, from 0.
    pub feature: u64,
    /// Its id.
    pub parcel_id: String,
    /// Its geometry type.
    pub geometry_type: String,
}
