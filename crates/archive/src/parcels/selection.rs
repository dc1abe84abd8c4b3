//! Which features of a file become parcels of a set.

use std::collections::HashMap;

use serde::Serialize;
use swath_io::vector::{ParcelSource, ProblemKind, StringColumn};

use crate::ArchiveError;

/// Duplicate ids that a message names.
const NAMED_MAX: usize = 10;

/// What becomes of parcels whose id stands on an earlier one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DuplicateIds {
    /// The file is refused.
    #[default]
    Refuse,
    /// They are left out and listed.
    KeepFirst,
    /// They get a number behind their id: `17`, `17#2`, `17#3`.
    Number,
}

/// A feature that is not in the set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Number of the feature in the file, from 0.
    pub feature: u64,
    /// Its id.
    pub parcel_id: String,
    /// Why.
    pub reason: String,
}

/// What of a source becomes the set.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// Rows of the source.
    pub rows: Vec<u32>,
    /// Ids, where they are not those of the source.
    pub ids: Option<StringColumn>,
    /// Features left out, by number.
    pub refused: Vec<Refused>,
    /// Parcels whose id was numbered.
    pub numbered: u64,
}

/// Settles which parcels are taken: those with a place, each id once.
///
/// # Errors
/// Where ids are not unique and are to be; with the first ten and their number.
pub(super) fn select(
    source: &ParcelSource,
    duplicates: DuplicateIds,
    place: &str,
) -> Result<Selection, ArchiveError> {
    let features = feature_numbers(source);
    let reasons = reasons(source);
    let mut selection = Selection::default();
    for skipped in &source.report.skipped {
        selection.refused.push(Refused {
            feature: skipped.feature,
            parcel_id: skipped.parcel_id.clone(),
            reason: format!("it is a {}", skipped.geometry_type),
        });
    }
    for (row, feature) in (0..).zip(&features) {
        let is_empty = source.parcels.bounds(row as usize).is_none();
        if !is_empty {
            selection.rows.push(row);
            continue;
        }
        let reason = reasons.get(feature).copied();
        let reason = reason.unwrap_or(ProblemKind::Empty).words();
        selection.refused.push(Refused {
            feature: *feature,
            parcel_id: source.parcels.id(row as usize).to_owned(),
            reason: reason.to_owned(),
        });
    }
    selection.settle(source, duplicates, &features, place)?;
    selection.refused.sort_by_key(|refused| refused.feature);
    Ok(selection)
}

impl Selection {
    fn settle(
        &mut self,
        source: &ParcelSource,
        duplicates: DuplicateIds,
        features: &[u64],
        place: &str,
    ) -> Result<(), ArchiveError> {
        let mut first: HashMap<&str, u32> = HashMap::with_capacity(self.rows.len());
        let again: Vec<u32> = self
            .rows
            .iter()
            .copied()
            .filter(|row| {
                *first
                    .entry(source.parcels.id(*row as usize))
                    .or_insert(*row)
                    != *row
            })
            .collect();
        if again.is_empty() {
            return Ok(());
        }
        match duplicates {
            DuplicateIds::Refuse => Err(refusal(source, &again, place)),
            DuplicateIds::KeepFirst => {
                // Both are in the order of rows.
                let mut left_out = again.iter().peekable();
                self.rows.retain(|row| left_out.next_if_eq(&row).is_none());
                for row in again {
                    let id = source.parcels.id(row as usize);
                    let earlier = first.get(id).map_or(0, |row| features[*row as usize]);
                    self.refused.push(Refused {
                        feature: features[row as usize],
                        parcel_id: id.to_owned(),
                        reason: format!("feature {earlier} has the same id"),
                    });
                }
                Ok(())
            }
            DuplicateIds::Number => {
                self.numbered = again.len() as u64;
                self.ids = Some(numbered(source, &again));
                Ok(())
            }
        }
    }
}

fn refusal(source: &ParcelSource, again: &[u32], place: &str) -> ArchiveError {
    let mut named: Vec<&str> = Vec::new();
    for row in again {
        let id = source.parcels.id(*row as usize);
        if !named.contains(&id) {
            named.push(id);
        }
        if named.len() > NAMED_MAX {
            break;
        }
    }
    let is_cut = named.len() > NAMED_MAX;
    named.truncate(NAMED_MAX);
    ArchiveError::Invalid {
        reason: format!(
            "{place}: {} of {} parcels have the id of an earlier one in column {:?}: {}{}; name a \
             column that tells them apart with --id, or give --duplicates keep-first or \
             --duplicates number",
            again.len(),
            source.parcels.len(),
            source.id_field,
            named.join(", "),
            if is_cut { ", …" } else { "" },
        ),
    }
}

/// Returns ids with numbers behind those that stand again; a number that another parcel has as its
/// own id is passed over.
fn numbered(source: &ParcelSource, again: &[u32]) -> StringColumn {
    let parcels = &source.parcels;
    let taken: std::collections::HashSet<&str> =
        (0..parcels.len()).map(|row| parcels.id(row)).collect();
    let mut counts: HashMap<&str, u64> = HashMap::new();
    let mut again = again.iter().peekable();
    let mut ids = StringColumn::default();
    for row in 0..parcels.len() {
        let id = parcels.id(row);
        if again.next_if(|next| **next as usize == row).is_none() {
            ids.push(Some(id));
            continue;
        }
        let count = counts.entry(id).or_insert(1);
        // At most one step more than there are ids.
        let own = loop {
            *count += 1;
            let own = format!("{id}#{count}");
            if !taken.contains(own.as_str()) {
                break own;
            }
        };
        ids.push(Some(&own));
    }
    ids
}

/// Returns the number in the file of each parcel.
fn feature_numbers(source: &ParcelSource) -> Vec<u64> {
    let mut skipped = source.report.skipped.iter().map(|s| s.feature).peekable();
    let features = (0..source.report.features).filter(|n| skipped.next_if_eq(n).is_none());
    features.collect()
}

/// Returns why features have no place, by number.
fn reasons(source: &ParcelSource) -> HashMap<u64, ProblemKind> {
    let is_reason = |kind: ProblemKind| {
        matches!(
            kind,
            ProblemKind::NotRepairable | ProblemKind::NonFinite | ProblemKind::Empty
        )
    };
    let problems = source.report.problems.iter();
    problems
        .filter(|problem| is_reason(problem.kind))
        .map(|problem| (problem.feature, problem.kind))
        .collect()
}
