//! Where a table lies, and who decides which commit has which number.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use swath_db::Database;
use swath_io::{AssetRef, ConditionalPut, StoreWriter};

use super::TableKind;
use crate::ExtractError;

/// Folder of the table of classes below the table of statistics.
pub(super) const CLASSES_FOLDER: &str = "classes";

/// Who decides which of several committers has a number.
#[derive(Debug, Clone)]
pub enum CommitNumbers {
    /// The store: it creates an object only where none is. Not for stores that only seem to, see
    /// [`TableStore::probe`].
    ConditionalPut,
    /// A unique row in a database that was opened with [`super::COMMIT_LEDGER`]: for stores without
    /// conditional writes.
    Ledger(Database),
}

/// The folder or prefix of a table: that of a profile.
#[derive(Debug, Clone)]
pub struct TableStore {
    pub(super) writer: StoreWriter,
    pub(super) numbers: CommitNumbers,
    scratch: Option<Arc<Path>>,
}

impl TableStore {
    /// Returns the store of the table whose root is that of `writer`.
    pub fn new(writer: StoreWriter, numbers: CommitNumbers) -> Self {
        Self {
            writer,
            numbers,
            scratch: None,
        }
    }

    /// Returns the store with a folder for what does not fit into memory; default: the system's.
    #[must_use]
    pub fn with_scratch(mut self, folder: PathBuf) -> Self {
        self.scratch = Some(folder.into());
        self
    }

    /// Asks the store whether it can decide on numbers itself; `ledger` does where it cannot.
    ///
    /// # Errors
    /// Where the store cannot be written to, or cannot decide and there is no ledger.
    pub async fn probe(
        writer: StoreWriter,
        ledger: Option<Database>,
    ) -> Result<Self, ExtractError> {
        let found = writer.probe().await?;
        let numbers = match (found, ledger) {
            (ConditionalPut::Atomic, _) => CommitNumbers::ConditionalPut,
            (_, Some(database)) => CommitNumbers::Ledger(database),
            (_, None) => {
                return Err(ExtractError::Options {
                    reason: format!(
                        "{}: the store has no conditional writes, so a database must decide who commits: \
                         name one",
                        writer.href("").trim_end_matches('/')
                    ),
                });
            }
        };
        Ok(Self::new(writer, numbers))
    }

    /// Returns the URL of the table's root.
    pub fn href(&self) -> String {
        self.writer.href("").trim_end_matches('/').to_owned()
    }

    /// Returns a writer below the root of one of the two tables.
    ///
    /// # Errors
    /// None but our own bugs: the folder's name is ours.
    pub fn writer(&self, kind: TableKind) -> Result<StoreWriter, ExtractError> {
        Ok(match kind {
            TableKind::Extracts => self.writer.clone(),
            TableKind::Classes => self.writer.below(CLASSES_FOLDER)?,
        })
    }

    /// Returns a data file for reading.
    ///
    /// # Errors
    /// Where the path climbs.
    pub fn asset(&self, kind: TableKind, path: &str) -> Result<AssetRef, ExtractError> {
        Ok(self.writer(kind)?.asset(path)?)
    }

    /// Makes a folder for scratch files that goes away with the value.
    pub(super) fn scratch(&self) -> Result<tempfile::TempDir, ExtractError> {
        let builder = tempfile::Builder::new();
        let made = match &self.scratch {
            Some(folder) => builder.tempdir_in(folder),
            None => builder.tempdir(),
        };
        made.map_err(|error| ExtractError::Scratch {
            reason: error.to_string(),
        })
    }
}
