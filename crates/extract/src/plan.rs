//! What is to be measured for a table: units of work against what the table holds already.
//!
//! A plan says everything that a worker needs, so that it asks no database: table, parcels, options, and
//! the collection as far as it decides what may be read. Hrefs are resolved when the unit is measured, as
//! part of that collection; no credentials stand in a plan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use swath_access::{Resource, Visibility};
use swath_raster::CoverageRule;

use crate::ExtractError;
use crate::extractor::MeasureOptions;
use crate::pass::{UnitOptions, WorkUnit};
use crate::table::{Snapshot, TableConfiguration};

/// Layout of a plan; another one is refused.
pub const PLAN_FORMAT: u32 = 1;

/// The collection that items are read as part of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedCollection {
    /// Its id.
    pub id: String,
    /// Who owns it.
    pub owner: Option<String>,
    /// Who sees it.
    pub visibility: Visibility,
    /// Where its assets may lie.
    pub prefixes: Vec<String>,
}

impl PlannedCollection {
    /// Returns what a plan keeps of a collection.
    pub fn of(resource: &Resource) -> Self {
        Self {
            id: resource.id().to_owned(),
            owner: resource.owner().map(str::to_owned),
            visibility: resource.visibility(),
            prefixes: resource.prefixes().to_vec(),
        }
    }

    /// Returns the resource that assets are resolved as part of.
    pub fn resource(&self) -> Resource {
        Resource::new(
            self.id.clone(),
            self.owner.clone(),
            self.visibility,
            self.prefixes.clone(),
        )
    }
}

/// The parcels of a plan: a version of a set, or a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedParcels {
    /// Where the set's version lies, or the path of the file.
    pub href: String,
    /// How a file is read; `None` for a set's version.
    pub file: Option<PlannedParcelFile>,
    /// Digest of the content, 16 hex digits; other content is refused.
    pub digest: String,
    /// Number of parcels.
    pub count: u64,
}

/// How a file of parcels is read, where it is no set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedParcelFile {
    /// Layer, where the file has several.
    pub layer: Option<String>,
    /// Column of the parcel ids.
    pub id: Option<String>,
    /// CRS, where the file names none.
    pub crs: Option<String>,
}

/// How pixels belong to parcels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedMeasure {
    /// True: a pixel belongs wholly, if its centre is inside; false: by share.
    pub is_centre: bool,
    /// Metres by which parcels grow.
    pub buffer_m: f64,
    /// Coarsest accepted shift between datums, in metres; `None`: any.
    pub shift_accuracy_max_m: Option<f64>,
}

impl PlannedMeasure {
    /// Returns what a plan keeps of the options.
    pub fn of(options: &MeasureOptions) -> Self {
        let accuracy = options.shift_accuracy_max_m;
        Self {
            is_centre: options.rule == CoverageRule::Centre,
            buffer_m: options.buffer_m,
            shift_accuracy_max_m: accuracy.is_finite().then_some(accuracy),
        }
    }

    /// Returns the options with threads, memory and cache of `machine`.
    pub fn options(&self, machine: MeasureOptions) -> MeasureOptions {
        MeasureOptions {
            rule: match self.is_centre {
                true => CoverageRule::Centre,
                false => CoverageRule::Fraction,
            },
            buffer_m: self.buffer_m,
            shift_accuracy_max_m: self.shift_accuracy_max_m.unwrap_or(f64::INFINITY),
            ..machine
        }
    }
}

/// What all units of a job have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtractPlan {
    /// [`PLAN_FORMAT`].
    pub format: u32,
    /// Root of the table, as [`swath_io::Stores::writer`] takes it.
    pub table: String,
    /// Name of the parcel set.
    pub set: String,
    /// Version of the parcel set.
    pub set_version: String,
    /// Options that make the table's profile.
    pub profile: BTreeMap<String, String>,
    /// The collection.
    pub collection: PlannedCollection,
    /// The parcels.
    pub parcels: PlannedParcels,
    /// How pixels belong to parcels.
    pub measure: PlannedMeasure,
    /// Bands, masks, averages.
    pub options: UnitOptions,
}

impl ExtractPlan {
    /// Reads a plan.
    ///
    /// # Errors
    /// Text that is no plan, or one of another program.
    pub fn parse(text: &[u8], href: &str) -> Result<Self, ExtractError> {
        let wrong = |reason: String| ExtractError::Options {
            reason: format!("{href}: {reason}"),
        };
        let plan: Self = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
        match plan.format == PLAN_FORMAT {
            true => Ok(plan),
            false => Err(wrong(format!(
                "it has layout {}, this program knows {PLAN_FORMAT}: use the program that wrote it",
                plan.format
            ))),
        }
    }

    /// Returns the configuration of the table.
    pub fn configuration(&self) -> TableConfiguration {
        TableConfiguration {
            collection: self.collection.id.clone(),
            set: self.set.clone(),
            version: self.set_version.clone(),
            options: self.profile.clone(),
        }
    }
}

/// One unit of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedUnit {
    /// The unit.
    pub unit: WorkUnit,
    /// The revision that measuring it makes, from 1.
    pub revision: i64,
}

impl PlannedUnit {
    /// Returns what names the work on this unit: the same for everybody who would do the same.
    pub fn identity(&self, table: &str) -> String {
        format!(
            "{table}\n{}\n{}\n{:016x}",
            self.unit.key, self.revision, self.unit.inputs
        )
    }
}

/// What is to be done and what is done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UnitPlan {
    /// Units that are new or changed, in the order of datetime and key.
    pub todo: Vec<PlannedUnit>,
    /// Number of units that the table holds as they are.
    pub done: usize,
    /// Of `todo` those that the table holds with other inputs: late slices, newer processing.
    pub changed: usize,
}

/// Compares units with what a table holds.
///
/// A unit that the table does not know is revision 1; one that it knows with other inputs (a late slice, a
/// newer processing, another neighbour) is the next revision. Units of the table that are not among `units`
/// stay as they are.
pub fn plan_units(snapshot: &Snapshot, units: Vec<WorkUnit>) -> UnitPlan {
    let mut plan = UnitPlan::default();
    for unit in units {
        let revision = match snapshot.revision(&unit.key) {
            Some(_) if snapshot.inputs(&unit.key) == Some(unit.inputs) => {
                plan.done += 1;
                continue;
            }
            Some(known) => {
                plan.changed += 1;
                known + 1
            }
            None => 1,
        };
        plan.todo.push(PlannedUnit { unit, revision });
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> ExtractPlan {
        ExtractPlan {
            format: PLAN_FORMAT,
            table: "tables:s2/fields@1/abc".to_owned(),
            set: "fields".to_owned(),
            set_version: "1".to_owned(),
            profile: BTreeMap::from([("buffer".to_owned(), "-5".to_owned())]),
            collection: PlannedCollection {
                id: "s2".to_owned(),
                owner: Some("ada".to_owned()),
                visibility: Visibility::Private,
                prefixes: vec!["archive:s2/".to_owned()],
            },
            parcels: PlannedParcels {
                href: "parcels:fields/1.parquet".to_owned(),
                file: None,
                digest: "00".to_owned(),
                count: 3,
            },
            measure: PlannedMeasure::of(&MeasureOptions {
                shift_accuracy_max_m: f64::INFINITY,
                ..MeasureOptions::default()
            }),
            options: UnitOptions::default(),
        }
    }

    #[test]
    fn plans_survive_their_text_and_other_layouts_are_refused() {
        let text = serde_json::to_vec(&plan()).expect("JSON");
        assert_eq!(ExtractPlan::parse(&text, "x").expect("a plan"), plan());
        let newer = ExtractPlan {
            format: PLAN_FORMAT + 1,
            ..plan()
        };
        let text = serde_json::to_vec(&newer).expect("JSON");
        let error = ExtractPlan::parse(&text, "jobs:x").expect_err("newer");
        assert!(error.to_string().contains("jobs:x"), "{error}");
    }

    #[test]
    fn measuring_is_the_same_for_the_worker() {
        let options = plan().measure.options(MeasureOptions::default());
        assert!(options.shift_accuracy_max_m.is_infinite());
        assert_eq!(options.rule, CoverageRule::Fraction);
        let resource = plan().collection.resource();
        assert_eq!(PlannedCollection::of(&resource), plan().collection);
    }
}
