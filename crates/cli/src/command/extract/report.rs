//! What an extraction into a table did, for people and for programs.

use serde::Serialize;
use swath_extract::{Skipped, StageTimes, UnitOutcome};

use super::flat::SKIPPED_SHOWN;
use super::season::SeasonUnits;
use super::times::split_line;
use crate::stopwatch::Spent;

/// A unit that could not be measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailedUnit {
    /// Its key.
    pub unit: String,
    /// Its items.
    pub items: Vec<String>,
    /// Why, and what to do.
    pub reason: String,
}

/// What was done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TableReport {
    /// Root of the table.
    pub table: String,
    /// Name and version of the parcels: `NAME@VERSION`.
    pub parcels: String,
    /// Number of parcels.
    pub parcel_count: u64,
    /// Items found.
    pub items: usize,
    /// Units of work that they make.
    pub units: usize,
    /// Items left out, since a newer processing of the same data is there.
    pub superseded: usize,
    /// Units that were done before.
    pub already: usize,
    /// Units that this process measured and made done.
    pub committed: usize,
    /// Of these measured anew: late slices, newer processing.
    pub changed: usize,
    /// Of these without rows.
    pub empty: usize,
    /// Units that other processes did meanwhile.
    pub by_others: usize,
    /// Rows of statistics written.
    pub rows: u64,
    /// Rows of class counts written.
    pub class_rows: u64,
    /// Stored bytes of the blocks read.
    pub bytes: u64,
    /// What the run took; the time of processors only where this process measured all units itself.
    #[serde(flatten)]
    pub spent: Spent,
    /// Where the time went: of this process, and of its workers as far as units were measured.
    pub stages: StageTimes,
    /// Number of the last commit.
    pub version: i64,
    /// Units that could not be measured.
    pub failed: Vec<FailedUnit>,
    /// Items that could not be used.
    pub skipped: Vec<Skipped>,
    /// Jobs that this took.
    pub jobs: Vec<String>,
}

impl TableReport {
    /// Notes what the season has now; later looks replace earlier ones.
    pub fn note_season(&mut self, season: &SeasonUnits) {
        self.items = season.items;
        self.units = season.units.len();
        self.superseded = season.superseded;
        self.skipped.clone_from(&season.skipped);
    }

    /// Notes a unit that this process made done.
    pub fn note_committed(&mut self, outcome: &UnitOutcome) {
        self.committed += 1;
        self.rows += outcome.rows;
        self.class_rows += outcome.class_rows;
        self.bytes += outcome.bytes;
        if outcome.result.revision > 1 {
            self.changed += 1;
        }
        if outcome.result.extracts.is_none() && outcome.result.classes.is_none() {
            self.empty += 1;
        }
    }

    /// Returns how many units and items could not be measured for their own data.
    pub fn failures(&self) -> usize {
        let skipped = self.skipped.iter().filter(|skipped| skipped.is_failure);
        self.failed.len() + skipped.count()
    }

    /// Prints it for people.
    pub fn print(&self) {
        eprintln!(
            "{} rows of {} units for {} parcels ({}) committed to {}",
            self.rows, self.committed, self.parcel_count, self.parcels, self.table
        );
        let note = |count: u64, what: &str| {
            if count > 0 {
                eprintln!("{count} {what}");
            }
        };
        note(self.class_rows, "class counts");
        note(self.already as u64, "units were done before");
        note(
            self.changed as u64,
            "units measured anew: late slices or newer processing",
        );
        note(self.empty as u64, "units without a parcel of their own");
        note(self.by_others as u64, "units done by other processes");
        note(
            self.superseded as u64,
            "items replaced by a newer processing",
        );
        note(self.failed.len() as u64, "units failed:");
        for failed in self.failed.iter().take(SKIPPED_SHOWN) {
            eprintln!("  {}: {}", failed.unit, failed.reason);
        }
        note(self.skipped.len() as u64, "items skipped:");
        for skipped in self.skipped.iter().take(SKIPPED_SHOWN) {
            eprintln!("  {}: {}", skipped.name, skipped.reason);
        }
        if self.failed.len().max(self.skipped.len()) > SKIPPED_SHOWN {
            eprintln!("  … and more (all of them with --json)");
        }
        eprintln!("{}", split_line(self.spent, &self.stages));
    }
}
