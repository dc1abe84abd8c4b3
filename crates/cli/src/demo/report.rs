//! What a demo comes to, as text and as JSON.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::ledger::{Landscape, Table};
use super::months::MonthTable;
use super::outliers::OddParcel;
use super::searched::Searched;
use crate::stopwatch::Spent;

/// Result of a demo.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was measured, in words.
    pub about: String,
    /// The simulation, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landscape: Option<Landscape>,
    /// Folder of the simulated rasters, which may be removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rasters: Option<PathBuf>,
    /// What a search in the catalogue found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<Searched>,
    /// Parcels with rows.
    pub parcels: usize,
    /// Items with rows.
    pub items: usize,
    /// Items that could not be measured; why was said when they were tried.
    pub skipped: usize,
    /// Rows of statistics: parcel, item and band.
    pub records: u64,
    /// Stored bytes of the blocks read for them.
    pub bytes: u64,
    /// What measuring took.
    pub spent: Spent,
    /// Records by the clock.
    pub records_per_second: f64,
    /// True where all tables are those of an earlier run, and so are the times.
    pub is_reused: bool,
    /// Means by month.
    pub tables: Vec<MonthTable>,
    /// Parcels unlike their declared crop; only where there is truth to judge them by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub odd_parcels: Vec<OddParcel>,
    /// How values were understood.
    pub notes: Vec<String>,
    /// Parcel in the picture.
    pub parcel_id: Option<String>,
    /// The picture.
    pub picture: Option<PathBuf>,
    /// Tables of all statistics.
    pub files: Vec<PathBuf>,
}

/// What was measured, over all tables of a demo.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    items: usize,
    skipped: usize,
    records: u64,
    bytes: u64,
    spent: Spent,
}

impl Totals {
    /// Adds a table.
    pub fn add(&mut self, table: &Table) {
        self.items += table.items;
        self.skipped += table.skipped;
        self.records += table.rows;
        self.bytes += table.bytes;
        let cpu_s = if self.spent.wall_s == 0.0 {
            Some(0.0)
        } else {
            self.spent.cpu_s
        };
        self.spent.cpu_s = cpu_s.zip(table.spent.cpu_s).map(|(sum, own)| sum + own);
        self.spent.wall_s += table.spent.wall_s;
    }
}

impl Report {
    /// Returns a report that has its totals and nothing else yet.
    pub fn new(about: String, totals: Totals) -> Self {
        Self {
            about,
            landscape: None,
            rasters: None,
            search: None,
            parcels: 0,
            items: totals.items,
            skipped: totals.skipped,
            records: totals.records,
            bytes: totals.bytes,
            spent: totals.spent,
            records_per_second: totals.records as f64 / totals.spent.wall_s.max(1e-9),
            is_reused: false,
            tables: Vec::new(),
            odd_parcels: Vec::new(),
            notes: Vec::new(),
            parcel_id: None,
            picture: None,
            files: Vec::new(),
        }
    }

    /// Returns the report as text, in lines of at most 100 characters but for long paths.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.about);
        for table in &self.tables {
            text += &table.text();
            text.push('\n');
        }
        if !self.odd_parcels.is_empty() {
            text += &self.odd_text();
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        if !self.notes.is_empty() {
            text.push('\n');
        }
        let cpu = self
            .spent
            .cpu_s
            .map(|cpu_s| format!(", {cpu_s:.1} s of CPU"))
            .unwrap_or_default();
        let when = if self.is_reused {
            " (kept from an earlier run)"
        } else {
            ""
        };
        if self.skipped > 0 {
            let _ = writeln!(text, "items that could not be measured: {}", self.skipped);
        }
        let _ = writeln!(
            text,
            "{} records of {} items in {:.1} s{cpu}: {} records per second{when}",
            thousands(self.records),
            self.items,
            self.spent.wall_s,
            thousands(self.records_per_second as u64),
        );
        if let Some(search) = &self.search {
            let _ = writeln!(text, "{}", search.text());
        }
        let mut line = |name: &str, path: &PathBuf| {
            let _ = writeln!(text, "{name:<9}{}", path.display());
        };
        self.files.iter().for_each(|file| line("records", file));
        self.picture
            .iter()
            .for_each(|picture| line("picture", picture));
        self.rasters
            .iter()
            .for_each(|rasters| line("rasters", rasters));
        if let Some(search) = &self.search {
            text.push('\n');
            text += &search.serving_text();
        }
        text
    }

    fn odd_text(&self) -> String {
        let mut text = "Parcels farthest from the median NDVI of their declared crop (root mean square over months)\n".to_owned();
        let _ = writeln!(
            text,
            "{:<12}{:<20}{:>8}   grown, as the simulation knows",
            "parcel", "declared", "distance"
        );
        for odd in &self.odd_parcels {
            let is_wrong = odd.grown != odd.declared;
            let verdict = if is_wrong { "" } else { " (declared rightly)" };
            let _ = writeln!(
                text,
                "{:<12}{:<20}{:>8.2}   {}{verdict}",
                odd.parcel_id, odd.declared, odd.ndvi_distance, odd.grown
            );
        }
        text.push('\n');
        text
    }
}

/// Returns a number with commas between groups of three digits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(thousands),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn processor_time_is_unknown_where_one_part_is() {
        let table = |cpu_s| Table {
            file: PathBuf::new(),
            root: None,
            classes: None,
            items: 1,
            skipped: 0,
            rows: 10,
            bytes: 1,
            spent: Spent { wall_s: 2.0, cpu_s },
        };
        let mut totals = Totals::default();
        totals.add(&table(Some(1.0)));
        totals.add(&table(Some(1.5)));
        assert_eq!(
            totals.spent,
            Spent {
                wall_s: 4.0,
                cpu_s: Some(2.5)
            }
        );
        totals.add(&table(None));
        totals.add(&table(Some(1.0)));
        assert_eq!(totals.spent.cpu_s, None);
        assert_eq!(totals.records, 40);
    }
}
