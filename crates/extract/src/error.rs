//! What can go wrong between parcels and rows.

use std::path::PathBuf;

use swath_io::{ErrorKind, IoError};
use thiserror::Error;

/// Error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// A raster cannot be read.
    #[error(transparent)]
    Io(Box<IoError>),
    /// A parcel cannot be brought to the grid.
    #[error("parcel {parcel_id}: {reason}")]
    Parcel {
        /// Its id.
        parcel_id: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Parcels and raster do not fit together.
    #[error("{href}: {reason}")]
    Grid {
        /// The raster.
        href: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A band or class was asked for that is not there.
    #[error("{href}: no band \"{name}\" (it has {known})")]
    NoBand {
        /// The raster or item.
        href: String,
        /// As asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The items given are not usable.
    #[error("{href}: {reason}")]
    Items {
        /// File or folder.
        href: String,
        /// Why, and what to do.
        reason: String,
    },
    /// There is nothing to measure.
    #[error("{href}: neither a STAC item nor a GeoTIFF is in there")]
    NoItems {
        /// Files and folders.
        href: String,
    },
    /// An output cannot be written.
    #[error("{path}: {reason}", path = path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The coverage cache failed.
    #[error("coverage cache: {reason}")]
    Cache {
        /// Why, and what to do.
        reason: String,
    },
    /// Scratch space failed.
    #[error("scratch space: {reason}")]
    Scratch {
        /// Why, and what to do.
        reason: String,
    },
    /// The log or a file of an extract table is damaged or of a kind that is not known.
    #[error("table {href}: {reason}")]
    Table {
        /// The table, or the object of it.
        href: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The table was made with other options.
    #[error("table {href}: {reason}; use another table, or the options of this one")]
    OtherTable {
        /// The table.
        href: String,
        /// The first difference.
        reason: String,
    },
    /// Others commit so often that there was no number to be had.
    #[error("table {href}: others took {attempts} commit numbers in a row; try again")]
    Contended {
        /// The table.
        href: String,
        /// Numbers tried.
        attempts: u32,
    },
    /// The database that decides on commits failed.
    #[error("commits of {href}: {reason}")]
    Ledger {
        /// The table.
        href: String,
        /// What the database said.
        reason: String,
    },
    /// A limit was reached.
    #[error("{reason}")]
    Limit {
        /// Which, and what to do.
        reason: String,
    },
    /// The options contradict each other or the data.
    #[error("{reason}")]
    Options {
        /// Why, and what to do.
        reason: String,
    },
}

impl From<IoError> for ExtractError {
    fn from(error: IoError) -> Self {
        Self::Io(Box::new(error))
    }
}

impl ExtractError {
    /// True where the data of one item are at fault, and others can be measured.
    pub fn is_own_fault(&self) -> bool {
        !matches!(self, Self::Parcel { .. })
            && matches!(self.kind(), ErrorKind::Data | ErrorKind::NotFound)
    }

    /// True where a store has no room left: trying again is of no use before there is some.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io(error) if matches!(**error, IoError::Full { .. }))
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io(error) => error.kind(),
            Self::Parcel { .. } | Self::Grid { .. } | Self::Items { .. } | Self::Table { .. } => {
                ErrorKind::Data
            }
            Self::NoBand { .. } | Self::Options { .. } | Self::OtherTable { .. } => {
                ErrorKind::Invalid
            }
            Self::Contended { .. } => ErrorKind::Conflict,
            Self::Ledger { .. } => ErrorKind::Upstream,
            Self::Output { .. } | Self::Cache { .. } | Self::Scratch { .. } => ErrorKind::Upstream,
            Self::NoItems { .. } => ErrorKind::NotFound,
            Self::Limit { .. } => ErrorKind::Limit,
        }
    }
}
