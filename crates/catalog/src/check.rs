//! Expected against held: where in its repeat cycle a satellite passed and nothing is held.
//!
//! A track is a platform on a relative orbit over a grid tile (where items have one). A satellite
//! comes back to its track every cycle, to the day. Between the first and the last day held every
//! cycle is expected; a day on which nothing is held is a gap. That the satellite acquired on that
//! day is not known here: planned outages show as gaps too.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate};
use serde::Serialize;
use swath_access::Viewer;

use crate::{Catalog, CatalogError};

/// Most days by track that are looked at.
const PASSES_MAX: i64 = 5_000_000;
/// Longest list of missing days of one track.
const MISSING_MAX: usize = 2_000;
/// Days between two passes over the same track, by how names of platforms begin.
const CYCLES: &[(&str, u64)] = &[
    ("sentinel-1", 12),
    ("sentinel-2", 10),
    ("sentinel-3", 27),
    ("landsat-", 16),
];

/// What is held of one track.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Track {
    /// As in the items.
    pub platform: String,
    /// `sat:relative_orbit`.
    pub relative_orbit: Option<i64>,
    /// `grid:code`.
    pub grid_code: Option<String>,
    /// Days from one pass to the next.
    pub cycle_days: u64,
    /// First day held (UTC).
    pub first: NaiveDate,
    /// Last day held (UTC).
    pub last: NaiveDate,
    /// Passes from the first to the last day.
    pub expected: u64,
    /// Passes of which something is held.
    pub held: u64,
    /// Days of the passes of which nothing is held; at most 2,000.
    pub missing: Vec<NaiveDate>,
    /// Why: the only reason that is known here is `not ingested`.
    pub reason: &'static str,
}

/// What a check found of one collection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CollectionCheck {
    /// Its id.
    pub collection: String,
    /// By platform, relative orbit and grid tile.
    pub tracks: Vec<Track>,
    /// Days with items without a platform whose cycle is known, or without orbit and tile.
    pub unchecked: u64,
}

impl CollectionCheck {
    /// Returns how many passes are missing.
    pub fn missing(&self) -> u64 {
        self.tracks
            .iter()
            .map(|track| track.expected - track.held)
            .sum()
    }
}

impl Catalog {
    /// Checks a collection: passes expected by the repeat cycle against passes held.
    ///
    /// # Errors
    /// Where the collection is not there for this viewer; what the database says.
    pub async fn check(
        &self,
        viewer: &Viewer,
        collection: &str,
    ) -> Result<CollectionCheck, CatalogError> {
        self.visible(viewer, collection).await?;
        let mut statement = self.database.statement();
        statement.push(
            "SELECT DISTINCT platform, relative_orbit, grid_code, datetime / 86400000000 AS day \
             FROM items WHERE collection = ",
        );
        statement
            .bind(collection)
            .push(" ORDER BY 1, 2, 3, 4 LIMIT ")
            .bind(PASSES_MAX + 1);
        let rows = self.database.fetch(&statement).await?;
        if i64::try_from(rows.len()).unwrap_or(i64::MAX) > PASSES_MAX {
            return Err(CatalogError::Limit {
                reason: format!(
                    "collection {collection} has more than {PASSES_MAX} passes to check"
                ),
            });
        }
        let mut passes: BTreeMap<(String, Option<i64>, Option<String>), Vec<NaiveDate>> =
            BTreeMap::new();
        let mut unchecked = 0;
        for row in &rows {
            let (platform, orbit, tile) = (
                row.text(0)?.unwrap_or_default(),
                row.integer(1)?,
                row.text(2)?,
            );
            let day = DateTime::from_timestamp(row.some_integer(3)? * 86_400, 0);
            match day {
                Some(day)
                    if cycle_days(&platform).is_some() && (orbit.is_some() || tile.is_some()) =>
                {
                    passes
                        .entry((platform, orbit, tile))
                        .or_default()
                        .push(day.date_naive());
                }
                _ => unchecked += 1,
            }
        }
        let tracks =
            passes
                .into_iter()
                .filter_map(|((platform, relative_orbit, grid_code), days)| {
                    let cycle_days = cycle_days(&platform)?;
                    let (expected, missing) = gaps(&days, cycle_days)?;
                    Some(Track {
                        platform,
                        relative_orbit,
                        grid_code,
                        cycle_days,
                        first: *days.first()?,
                        last: *days.last()?,
                        expected,
                        held: expected - missing.len() as u64,
                        missing: missing.into_iter().take(MISSING_MAX).collect(),
                        reason: "not ingested",
                    })
                });
        Ok(CollectionCheck {
            collection: collection.to_owned(),
            tracks: tracks.collect(),
            unchecked,
        })
    }
}

fn cycle_days(platform: &str) -> Option<u64> {
    let platform = platform.to_lowercase();
    let found = CYCLES.iter().find(|(start, _)| platform.starts_with(start));
    found.map(|(_, days)| *days)
}

/// Returns the number of passes expected from the first to the last day, and the days of those that
/// are missing. A pass near midnight may fall on the day before or after; `days` ascend.
fn gaps(days: &[NaiveDate], cycle_days: u64) -> Option<(u64, Vec<NaiveDate>)> {
    let (first, last) = (*days.first()?, *days.last()?);
    let one = Days::new(1);
    let is_held = |day: NaiveDate| {
        let near = [
            day.checked_sub_days(one),
            Some(day),
            day.checked_add_days(one),
        ];
        near.into_iter()
            .flatten()
            .any(|day| days.binary_search(&day).is_ok())
    };
    let (mut expected, mut missing, mut day) = (0, Vec::new(), first);
    while day <= last {
        expected += 1;
        if !is_held(day) {
            missing.push(day);
        }
        day = day.checked_add_days(Days::new(cycle_days))?;
    }
    Some((expected, missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(texts: &[&str]) -> Vec<NaiveDate> {
        texts
            .iter()
            .map(|text| text.parse().expect("a date"))
            .collect()
    }

    #[test]
    fn missing_passes_are_found_by_the_cycle() {
        let held = days(&["2020-01-01", "2020-01-11", "2020-02-01", "2020-02-10"]);
        let (expected, missing) = gaps(&held, 10).expect("days");
        assert_eq!(expected, 5);
        assert_eq!(missing, days(&["2020-01-21"]));
        assert_eq!(gaps(&days(&["2020-01-01"]), 12), Some((1, vec![])));
        assert_eq!(gaps(&[], 12), None);
    }

    #[test]
    fn cycles_are_known_by_platform() {
        assert_eq!(cycle_days("sentinel-2a"), Some(10));
        assert_eq!(cycle_days("Sentinel-1C"), Some(12));
        assert_eq!(cycle_days("envisat"), None);
    }
}
