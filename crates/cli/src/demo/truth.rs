//! What is known about a simulated season, as it lies beside its rasters.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::series::{column, open};
use anyhow::{Context as _, Result, anyhow};
use arrow::util::display::array_value_to_string;
use chrono::NaiveDate;

/// One parcel: what is declared, and what is true.
#[derive(Debug, Clone, PartialEq)]
pub struct Parcel {
    /// Its id.
    pub id: String,
    /// Crop that the parcel file declares.
    pub declared: String,
    /// Area.
    pub area_ha: f64,
    /// Crop that grows.
    pub grown: String,
    /// What happened when, in order.
    pub events: Vec<FieldEvent>,
}

/// One thing that the simulation did on a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldEvent {
    /// What, as `catch crop sowing`.
    pub kind: String,
    /// When.
    pub date: NaiveDate,
}

impl Parcel {
    /// Returns how many different things happened.
    pub fn event_kinds(&self) -> usize {
        let kinds: BTreeSet<&str> = self
            .events
            .iter()
            .map(|event| event.kind.as_str())
            .collect();
        kinds.len()
    }
}

/// Reads parcels, declarations and truth of the landscape in `folder`, in the order of the file.
///
/// # Errors
/// Where one of its files cannot be read.
pub fn read(folder: &Path) -> Result<Vec<Parcel>> {
    let declared = texts(
        &folder.join("parcels.parquet"),
        &["parcel_id", "crop_name", "area_ha"],
    )?;
    let truth = texts(
        &folder.join("truth/parcels.parquet"),
        &["parcel_id", "grown_name"],
    )?;
    let grown: BTreeMap<String, String> = truth
        .into_iter()
        .map(|[id, grown, ..]| (id, grown))
        .collect();
    let path = folder.join("truth/events.csv");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let mut events = parse_events(&text).with_context(|| path.display().to_string())?;
    let parcel = |[id, declared, area_ha]: [String; 3]| Parcel {
        grown: grown.get(&id).cloned().unwrap_or_default(),
        events: events.remove(&id).unwrap_or_default(),
        area_ha: area_ha.parse().unwrap_or(f64::NAN),
        declared,
        id,
    };
    Ok(declared.into_iter().map(parcel).collect())
}

/// Reads up to three columns as text.
fn texts(path: &Path, names: &[&str]) -> Result<Vec<[String; 3]>> {
    let mut rows = Vec::new();
    for batch in open(path, names)? {
        let batch = batch.with_context(|| format!("cannot read {}", path.display()))?;
        for row in 0..batch.num_rows() {
            let mut cells = [const { String::new() }; 3];
            for (cell, name) in cells.iter_mut().zip(names) {
                *cell = array_value_to_string(column(&batch, name)?, row)?;
            }
            rows.push(cells);
        }
    }
    Ok(rows)
}

/// Parses `parcel_id,event,date`.
fn parse_events(text: &str) -> Result<BTreeMap<String, Vec<FieldEvent>>> {
    let mut events: BTreeMap<String, Vec<FieldEvent>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let wrong = || anyhow!("\"{line}\" is not parcel_id,event,date");
        let [id, name, date] = line.split(',').collect::<Vec<_>>()[..] else {
            return Err(wrong());
        };
        let date: NaiveDate = date.parse().map_err(|_| wrong())?;
        let kind = name.replace('_', " ");
        events
            .entry(id.to_owned())
            .or_default()
            .push(FieldEvent { kind, date });
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_belong_to_parcels_and_have_readable_names() {
        let text = "parcel_id,event,date\n07,mowing,2021-05-12\n07,catch_crop_sowing,2021-08-20\n";
        let events = parse_events(text).expect("valid");
        let kinds: Vec<&str> = events["07"]
            .iter()
            .map(|event| event.kind.as_str())
            .collect();
        assert_eq!(kinds, ["mowing", "catch crop sowing"]);
        assert_eq!(events["07"][0].date.to_string(), "2021-05-12");
        assert!(parse_events("h\n07,mowing\n").is_err());
    }
}
