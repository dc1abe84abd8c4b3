//! What a demo has done so far and what it took.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::write_whole;
use crate::stopwatch::Spent;

/// Name of the ledger in the folder of the demo.
const NAME: &str = "demo.json";

/// Stages that are complete, for one set of arguments and inputs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Arguments and inputs; another key means another demo.
    key: String,
    /// The simulation, where there is one.
    pub landscape: Option<Landscape>,
    /// Tables written.
    pub tables: Vec<Table>,
    #[serde(skip)]
    folder: PathBuf,
    #[serde(skip)]
    is_known: bool,
}

/// A finished simulation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Landscape {
    /// Parcels.
    pub parcels: usize,
    /// Parcels that declare another crop than grows.
    pub wrong_declarations: usize,
    /// Area of the parcels.
    pub area_ha: f64,
    /// Uncompressed bytes of the rasters.
    pub raster_bytes: u64,
    /// What it took.
    pub spent: Spent,
}

/// A finished extraction.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Table {
    /// Path below the folder of the demo: a file, or the folder of an extract table.
    pub file: PathBuf,
    /// Root of the extract table, where it is one.
    #[serde(default)]
    pub root: Option<String>,
    /// File of class counts beside it, if any.
    pub classes: Option<PathBuf>,
    /// Items with rows.
    pub items: usize,
    /// Items that could not be measured.
    pub skipped: usize,
    /// Rows written.
    pub rows: u64,
    /// Stored bytes of the blocks read.
    pub bytes: u64,
    /// What it took.
    pub spent: Spent,
}

impl Ledger {
    /// Reads the ledger in `folder`; an empty one where there is none, it has another key, or
    /// cannot be read.
    pub fn open(folder: &Path, key: String) -> Self {
        let text = std::fs::read_to_string(folder.join(NAME));
        let is_known = text.is_ok();
        let found = serde_json::from_str(&text.unwrap_or_default()).ok();
        let found = found.filter(|ledger: &Self| ledger.key == key);
        let ledger = found.unwrap_or(Self {
            key,
            ..Self::default()
        });
        Self {
            folder: folder.to_owned(),
            is_known,
            ..ledger
        }
    }

    /// Returns whether a demo has worked in this folder before, complete or not.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// Marks the folder as one that a demo works in.
    ///
    /// # Errors
    /// Where the ledger cannot be written.
    pub fn claim(&mut self) -> Result<()> {
        self.is_known = true;
        self.save()
    }

    /// Returns the table in `file` if it is complete and still there.
    pub fn table(&self, file: &Path) -> Option<&Table> {
        let is_there = |table: &&Table| {
            let files = std::iter::once(&table.file).chain(&table.classes);
            table.file == file
                && files
                    .into_iter()
                    .all(|file| self.folder.join(file).exists())
        };
        self.tables.iter().find(is_there)
    }

    /// Notes a table, in place of an earlier one in the same file.
    ///
    /// # Errors
    /// Where the ledger cannot be written.
    pub fn add_table(&mut self, table: Table) -> Result<()> {
        self.tables.retain(|own| own.file != table.file);
        self.tables.push(table);
        self.save()
    }

    /// Notes the simulation; tables of an earlier one are forgotten.
    ///
    /// # Errors
    /// Where the ledger cannot be written.
    pub fn set_landscape(&mut self, landscape: Landscape) -> Result<()> {
        self.landscape = Some(landscape);
        self.tables.clear();
        self.save()
    }

    fn save(&self) -> Result<()> {
        write_whole(
            &self.folder.join(NAME),
            serde_json::to_string_pretty(self)?.as_bytes(),
        )
    }
}

/// Empties the ledger of `folder`, if there is one, so that nothing counts as done.
///
/// # Errors
/// Where it cannot be written.
pub fn forget(folder: &Path) -> Result<()> {
    let path = folder.join(NAME);
    if path.is_file() {
        write_whole(&path, b"{}\n")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(file: &str) -> Table {
        let spent = Spent::default();
        Table {
            file: file.into(),
            root: None,
            classes: None,
            items: 1,
            skipped: 0,
            rows: 1,
            bytes: 1,
            spent,
        }
    }

    #[test]
    fn a_ledger_holds_for_its_key_and_while_its_files_are_there() -> Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("a.parquet"), "")?;
        let mut ledger = Ledger::open(folder.path(), "one".to_owned());
        ledger.add_table(table("a.parquet"))?;
        ledger.add_table(table("gone.parquet"))?;
        let again = Ledger::open(folder.path(), "one".to_owned());
        assert!(again.table(Path::new("a.parquet")).is_some());
        assert!(again.table(Path::new("gone.parquet")).is_none());
        let other = Ledger::open(folder.path(), "two".to_owned());
        assert!(other.table(Path::new("a.parquet")).is_none() && other.is_known());
        forget(folder.path())?;
        let empty = Ledger::open(folder.path(), "one".to_owned());
        assert!(empty.tables.is_empty() && empty.is_known());
        Ok(())
    }

    #[test]
    fn a_damaged_ledger_is_an_empty_one() -> Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join(NAME), "{")?;
        assert!(Ledger::open(folder.path(), String::new()).tables.is_empty());
        Ok(())
    }
}
