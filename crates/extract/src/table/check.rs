//! Looks for what should not be: in the logs, between the two tables, in files and rows.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use super::check_rows::check_month;
use super::log::TableLog;
use super::snapshot::{FileUnit, Snapshot};
use super::{TableKind, TableStore};
use crate::ExtractError;

/// Most defects that are told; of a table that is wholly wrong, the first say enough.
const DEFECTS_MAX: usize = 1_000;

/// How deep a check looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckDepth {
    /// The logs, and whether every file is there with its size.
    Log,
    /// Every byte and every row as well.
    Rows,
}

/// Kinds of what should not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DefectKind {
    /// A file of the table is not there.
    MissingFile,
    /// A file has other bytes than those that were committed, or cannot be read.
    ChangedFile,
    /// A file has not the rows, bounds or order that the log says.
    WrongFile,
    /// Two rows of a parcel, band and pass (or item and class).
    DuplicateRow,
    /// Rows of a revision that was replaced, or of a unit that is not done.
    StrayRows,
    /// Two units have rows of one item: a later revision of one would remove those of the other.
    SharedItem,
    /// Classes were made of other inputs than the statistics.
    OtherInputs,
}

/// Something that should not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// What kind.
    pub kind: DefectKind,
    /// URL of the file, or the unit.
    pub place: String,
    /// What was found and what was expected.
    pub found: String,
}

impl fmt::Display for Defect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.found)
    }
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Files of both tables.
    pub files: u64,
    /// Rows of both tables, by the log.
    pub rows: u64,
    /// Units that are done.
    pub units: u64,
    /// Units that are done and have no rows of statistics.
    pub units_without_rows: u64,
    /// What should not be, the first thousand.
    pub defects: Vec<Defect>,
    /// Defects that are not told.
    pub more_defects: u64,
}

impl CheckReport {
    pub(super) fn add(&mut self, kind: DefectKind, place: &str, found: String) {
        if self.defects.len() == DEFECTS_MAX {
            self.more_defects += 1;
            return;
        }
        self.defects.push(Defect {
            kind,
            place: place.to_owned(),
            found,
        });
    }
}

/// Checks both tables.
pub(super) async fn check_table(
    extracts: &TableLog,
    classes: &TableLog,
    store: &TableStore,
    depth: CheckDepth,
) -> Result<CheckReport, ExtractError> {
    let mut report = CheckReport::default();
    let statistics = extracts.snapshot().await?;
    let statistics = statistics.ok_or_else(|| extracts.damaged("it is gone"))?;
    let counts = classes.snapshot().await?;
    let mut units_with_rows: BTreeMap<&str, u64> = BTreeMap::new();
    for unit in statistics.files().flat_map(|file| &file.units) {
        *units_with_rows.entry(&unit.unit).or_default() += unit.rows;
    }
    for (unit, _) in statistics.units() {
        report.units += 1;
        report.units_without_rows += u64::from(!units_with_rows.contains_key(unit));
    }
    if let Some(counts) = &counts {
        compare_tables(&statistics, counts, &mut report);
    }
    let tables = [(extracts, Some(statistics)), (classes, counts)];
    for (log, snapshot) in tables {
        let Some(snapshot) = snapshot else {
            continue;
        };
        check_log(log, &snapshot, &mut report).await?;
        if depth == CheckDepth::Rows {
            for month in snapshot.months() {
                let files: Vec<_> = snapshot.month(&month).cloned().collect();
                check_month(log, store, &files, &mut report).await?;
            }
        }
    }
    Ok(report)
}

/// Finds units whose classes and statistics are not of the same inputs. Classes without statistics are
/// no defect: they are those of a commit under way, or of one that was cut off and will be repeated.
fn compare_tables(statistics: &Snapshot, classes: &Snapshot, report: &mut CheckReport) {
    for (unit, revision) in classes.units() {
        let is_same_revision = statistics.revision(unit) == Some(revision);
        if is_same_revision && statistics.inputs(unit) != classes.inputs(unit) {
            report.add(
                DefectKind::OtherInputs,
                unit,
                "its classes were made of other inputs than its statistics; run it again"
                    .to_owned(),
            );
        }
    }
}

/// Compares a log with itself and with what lies in the store.
async fn check_log(
    log: &TableLog,
    snapshot: &Arc<Snapshot>,
    report: &mut CheckReport,
) -> Result<(), ExtractError> {
    let listed = log.writer.list("data").await?;
    let sizes: HashMap<String, u64> = listed
        .into_iter()
        .map(|object| (object.key, object.size))
        .collect();
    let mut units_of_items: BTreeMap<&str, &str> = BTreeMap::new();
    for file in snapshot.files() {
        report.files += 1;
        report.rows += file.rows;
        let href = log.writer.href(&file.path);
        let size = match sizes.get(&file.path) {
            Some(size) => Some(*size),
            // Other programs write elsewhere.
            None => log.writer.size(&file.path).await?,
        };
        match size {
            None => report.add(
                DefectKind::MissingFile,
                &href,
                "the data file is missing".to_owned(),
            ),
            Some(size) if size != file.size_bytes => {
                let found = format!("it has {size} bytes, committed were {}", file.size_bytes);
                report.add(DefectKind::ChangedFile, &href, found);
            }
            Some(_) => {}
        }
        let unit_rows: u64 = file.units.iter().map(|unit| unit.rows).sum();
        if unit_rows != file.rows {
            let found = format!("it has {} rows, its units have {unit_rows}", file.rows);
            report.add(DefectKind::WrongFile, &href, found);
        }
        for unit in &file.units {
            check_unit(snapshot, log.kind, unit, &href, report);
            let other = units_of_items.insert(&unit.item_id, &unit.unit);
            if let Some(other) = other.filter(|other| *other != unit.unit) {
                let found = format!("its item {} is that of unit {other} too", unit.item_id);
                report.add(DefectKind::SharedItem, &unit.unit, found);
            }
        }
    }
    Ok(())
}

fn check_unit(
    snapshot: &Snapshot,
    kind: TableKind,
    unit: &FileUnit,
    href: &str,
    report: &mut CheckReport,
) {
    let FileUnit {
        unit: name,
        revision,
        ..
    } = unit;
    match snapshot.revision(name) {
        Some(done) if done == *revision => {}
        Some(done) => {
            let found =
                format!("it holds revision {revision} of unit {name}, of which {done} is done");
            report.add(DefectKind::StrayRows, href, found);
        }
        None => {
            let found =
                format!("it holds rows of unit {name}, which is not done in the table of {kind:?}");
            report.add(DefectKind::StrayRows, href, found);
        }
    }
    if snapshot.inputs(name).is_none() {
        let found = "the log does not say what went into it".to_owned();
        report.add(DefectKind::OtherInputs, name, found);
    }
}
