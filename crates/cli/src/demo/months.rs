//! Means by month: sums as rows come in, a table of text at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

use crate::chart::month_name;

/// Widest line.
const LINE_CHARACTERS: usize = 100;
/// One column of a month.
const MONTH_CHARACTERS: usize = 7;
/// One column of a count.
const COUNT_CHARACTERS: usize = 9;

/// Sums by key and month; months are counted as years times twelve.
#[derive(Debug, Default)]
pub struct MonthFold {
    cells: BTreeMap<String, BTreeMap<i32, (f64, u64)>>,
}

impl MonthFold {
    /// Adds a value.
    pub fn add(&mut self, key: &str, month: i32, value: f64) {
        if !self.cells.contains_key(key) {
            self.cells.insert(key.to_owned(), BTreeMap::new());
        }
        if let Some(months) = self.cells.get_mut(key) {
            let (sum, count) = months.entry(month).or_default();
            *sum += value;
            *count += 1;
        }
    }

    /// Returns the means of a key by month.
    pub fn means(&self, key: &str) -> BTreeMap<i32, f64> {
        let months = self.cells.get(key).into_iter().flatten();
        months
            .map(|(month, (sum, count))| (*month, sum / *count as f64))
            .collect()
    }

    /// Returns how many values of a key were added.
    pub fn count(&self, key: &str) -> u64 {
        self.cells
            .get(key)
            .into_iter()
            .flatten()
            .map(|(_, (_, count))| count)
            .sum()
    }

    /// Returns the keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.cells.keys().map(String::as_str)
    }
}

/// A table with a column for each month.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MonthTable {
    /// What the numbers are.
    pub title: String,
    /// Heading of the first column.
    pub name: &'static str,
    /// From top to bottom.
    pub rows: Vec<MonthRow>,
}

/// One line of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MonthRow {
    /// Crop or band.
    pub name: String,
    /// Parcels behind it, where that differs between rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parcels: Option<u64>,
    /// Parcel and date pairs behind it.
    pub observations: u64,
    /// Mean by month, as `2021-03`.
    #[serde(serialize_with = "with_month_names")]
    pub means: BTreeMap<i32, f64>,
}

fn with_month_names<S: serde::Serializer>(
    means: &BTreeMap<i32, f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let name = |month: i32| {
        format!(
            "{:04}-{:02}",
            month.div_euclid(12),
            month.rem_euclid(12) + 1
        )
    };
    // Six decimals are finer than any sensor, and read better than seventeen digits.
    serializer.collect_map(
        means
            .iter()
            .map(|(month, mean)| (name(*month), libm::round(mean * 1e6) / 1e6)),
    )
}

impl MonthTable {
    /// Returns the table as text, months that do not fit into a line below the others.
    pub fn text(&self) -> String {
        let months: BTreeSet<i32> = self
            .rows
            .iter()
            .flat_map(|row| row.means.keys().copied())
            .collect();
        let months: Vec<i32> = months.into_iter().collect();
        let years: BTreeSet<i32> = months.iter().map(|month| month.div_euclid(12)).collect();
        let has_years = years.len() > 1;
        let has_parcels = self.rows.iter().any(|row| row.parcels.is_some());
        let names = self.rows.iter().map(|row| row.name.chars().count());
        let name_width = names.chain([self.name.len()]).max().unwrap_or(0).min(30);
        let counts = 1 + usize::from(has_parcels);
        let months_width = LINE_CHARACTERS - name_width - counts * COUNT_CHARACTERS;
        let mut text = format!("{}\n", self.title);
        for block in months.chunks(months_width / MONTH_CHARACTERS) {
            let _ = write!(text, "{:<name_width$}", self.name);
            if has_parcels {
                let _ = write!(text, "{:>COUNT_CHARACTERS$}", "parcels");
            }
            let _ = write!(text, "{:>COUNT_CHARACTERS$}", "values");
            for month in block {
                let name = match has_years {
                    true => format!(
                        "{} {:02}",
                        month_name(*month),
                        month.div_euclid(12).rem_euclid(100)
                    ),
                    false => month_name(*month).to_owned(),
                };
                let _ = write!(text, "{name:>MONTH_CHARACTERS$}");
            }
            text.push('\n');
            self.rows
                .iter()
                .for_each(|row| row.write(&mut text, block, name_width, has_parcels));
        }
        text
    }
}

impl MonthRow {
    fn write(&self, text: &mut String, block: &[i32], name_width: usize, has_parcels: bool) {
        let name: String = self.name.chars().take(name_width).collect();
        let _ = write!(text, "{name:<name_width$}");
        if has_parcels {
            let parcels = self
                .parcels
                .map(|parcels| parcels.to_string())
                .unwrap_or_default();
            let _ = write!(text, "{parcels:>COUNT_CHARACTERS$}");
        }
        let _ = write!(text, "{:>COUNT_CHARACTERS$}", self.observations);
        let largest = self
            .means
            .values()
            .fold(0.0_f64, |largest, mean| largest.max(mean.abs()));
        let decimals = match largest {
            largest if largest < 2.0 => 2,
            largest if largest < 1000.0 => 1,
            _ => 0,
        };
        for month in block {
            let cell = match self.means.get(month) {
                Some(mean) if mean.abs() >= 1e6 => format!("{mean:.0e}"),
                Some(mean) => format!("{mean:.decimals$}"),
                None => "-".to_owned(),
            };
            let _ = write!(text, "{cell:>MONTH_CHARACTERS$}");
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(months: i32) -> MonthTable {
        let mut fold = MonthFold::default();
        for month in 0..months {
            fold.add("VH", 2017 * 12 + 7 + month, -17.0 - f64::from(month));
            fold.add("VH", 2017 * 12 + 7 + month, -18.0 - f64::from(month));
        }
        fold.add("B04", 2017 * 12 + 7, 0.125);
        let row = |name: &str| MonthRow {
            name: name.to_owned(),
            parcels: None,
            observations: fold.count(name),
            means: fold.means(name),
        };
        let rows = fold.keys().map(row).collect();
        MonthTable {
            title: "Means".to_owned(),
            name: "band",
            rows,
        }
    }

    #[test]
    fn means_stand_under_their_months() {
        insta::assert_snapshot!(table(3).text(), @r"
        Means
        band   values    Aug    Sep    Oct
        B04         1   0.12      -      -
        VH          6  -17.5  -18.5  -19.5
        ");
    }

    #[test]
    fn lines_stay_short_and_long_seasons_go_on_below() {
        let text = table(30).text();
        assert!(
            text.lines()
                .all(|line| line.chars().count() <= LINE_CHARACTERS)
        );
        assert_eq!(
            text.lines().filter(|line| line.starts_with("band")).count(),
            3
        );
        assert!(text.contains("Aug 17") && text.contains("Jan 20"));
    }

    #[test]
    fn months_have_names_in_json() {
        let json = serde_json::to_string(&table(1).rows[0]).expect("no maps with odd keys");
        assert_eq!(
            json,
            r#"{"name":"B04","observations":1,"means":{"2017-08":0.125}}"#
        );
    }
}
