//! What can go wrong between a product and its item.

use std::path::PathBuf;

use swath_catalog::CatalogError;
use swath_io::cog::CogError;
use swath_io::vector::{VectorError, VectorErrorKind};
use swath_io::{ErrorKind, IoError};
use thiserror::Error;

/// Error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Nothing that is known by its content.
    #[error("{place}: not a product that can be ingested: {reason}")]
    Unknown {
        /// File or folder.
        place: String,
        /// What was found, and what is expected.
        reason: String,
    },
    /// A product whose metadata are damaged, contradict themselves or lack what an item needs.
    #[error("{place}: {reason}")]
    Product {
        /// Product and member.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Beyond a limit that guards against bombs.
    #[error("{place}: {what} exceeds {limit}")]
    Limit {
        /// Product and member.
        place: String,
        /// What is too large.
        what: String,
        /// Name and value of the limit.
        limit: String,
    },
    /// A wish that cannot be met.
    #[error("{reason}")]
    Invalid {
        /// Which, and what to do.
        reason: String,
    },
    /// A backup that is not whole or not what its manifest says.
    #[error("{place}: {reason}")]
    Backup {
        /// Backup and file.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A local file or folder.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A store failed.
    #[error("the archive cannot be read or written")]
    Store {
        /// Which object, and why.
        #[source]
        source: Box<IoError>,
    },
    /// A raster could not be converted.
    #[error("{place}: cannot be converted")]
    Convert {
        /// The raster.
        place: String,
        /// Why.
        #[source]
        source: Box<CogError>,
    },
    /// A file of parcels could not be read or written.
    #[error("{source}")]
    Parcels {
        /// Which, and why.
        source: Box<VectorError>,
    },
    /// The catalogue failed.
    #[error("the catalogue cannot be read or written")]
    Catalog {
        /// Why.
        #[source]
        source: Box<CatalogError>,
    },
}

impl ArchiveError {
    /// Returns a [`ArchiveError::Product`].
    pub(crate) fn product(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Product {
            place: place.into(),
            reason: reason.into(),
        }
    }

    /// Returns a [`ArchiveError::Backup`].
    pub(crate) fn backup(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Backup {
            place: place.into(),
            reason: reason.into(),
        }
    }

    /// Returns a [`ArchiveError::File`].
    pub(crate) fn file(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::File {
            path: path.into(),
            source,
        }
    }

    /// Returns a [`ArchiveError::Store`].
    pub(crate) fn store(source: IoError) -> Self {
        Self::Store {
            source: Box::new(source),
        }
    }

    /// Returns a [`ArchiveError::Catalog`].
    pub(crate) fn catalog(source: CatalogError) -> Self {
        Self::Catalog {
            source: Box::new(source),
        }
    }

    /// Returns a [`ArchiveError::Parcels`].
    pub(crate) fn parcels(source: VectorError) -> Self {
        Self::Parcels {
            source: Box::new(source),
        }
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unknown { .. } | Self::Product { .. } | Self::Backup { .. } => ErrorKind::Data,
            Self::Limit { .. } => ErrorKind::Limit,
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::File { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => ErrorKind::NotFound,
                std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
                _ => ErrorKind::Upstream,
            },
            Self::Store { source } => source.kind(),
            Self::Parcels { source } => match source.kind() {
                VectorErrorKind::Invalid => ErrorKind::Invalid,
                VectorErrorKind::NotFound => ErrorKind::NotFound,
                VectorErrorKind::Data => ErrorKind::Data,
                VectorErrorKind::Limit => ErrorKind::Limit,
                VectorErrorKind::Internal => ErrorKind::Internal,
                _ => ErrorKind::Upstream,
            },
            Self::Convert { source, .. } => match **source {
                CogError::Source { .. } | CogError::Invalid { .. } | CogError::WrongRows { .. } => {
                    ErrorKind::Data
                }
                _ => ErrorKind::Upstream,
            },
            Self::Catalog { source } => match source.kind() {
                swath_catalog::ErrorKind::Invalid => ErrorKind::Invalid,
                swath_catalog::ErrorKind::NotFound => ErrorKind::NotFound,
                swath_catalog::ErrorKind::Denied => ErrorKind::Denied,
                swath_catalog::ErrorKind::Conflict | swath_catalog::ErrorKind::Changed => {
                    ErrorKind::Conflict
                }
                swath_catalog::ErrorKind::Limit => ErrorKind::Limit,
                _ => ErrorKind::Upstream,
            },
        }
    }

    /// True where the store or the catalogue failed: further products would fail alike.
    pub fn is_of_storage(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Upstream | ErrorKind::Denied | ErrorKind::Internal
        )
    }
}
