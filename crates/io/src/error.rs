//! What can go wrong between a name and its pixels.

use std::path::PathBuf;

use thiserror::Error;

/// Kind of an error: each front maps kinds to exit codes or status codes in one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request itself is wrong.
    Invalid,
    /// The named thing is not there.
    NotFound,
    /// The viewer may not.
    Denied,
    /// Something else changed it meanwhile.
    Conflict,
    /// A store or server failed.
    Upstream,
    /// The input data are damaged or of a kind that is not read.
    Data,
    /// A limit was reached.
    Limit,
    /// Our own bug.
    Internal,
}

/// Error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IoError {
    /// A path or URL that no store can resolve.
    #[error("{href}: {reason}")]
    Href {
        /// As typed or as it stands in an item.
        href: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Nothing there.
    #[error("{href}: not found")]
    NotFound {
        /// What was looked for.
        href: String,
    },
    /// The store or the access rule refuses.
    #[error("{href}: access denied ({reason})")]
    Denied {
        /// What was asked for.
        href: String,
        /// Who refused.
        reason: String,
    },
    /// The store failed, also after retries.
    #[error("{href}: the store failed after {attempts} attempts: {reason}")]
    Upstream {
        /// What was asked for.
        href: String,
        /// Requests made.
        attempts: u32,
        /// The store's last word.
        reason: String,
    },
    /// The store, or the disk or quota that it lies on, has no room left.
    #[error("{href}: no space is left there ({reason}); make room and run the command again")]
    Full {
        /// What was being written.
        href: String,
        /// The store's or the system's word.
        reason: String,
    },
    /// The object is not the one that was opened.
    #[error("{href}: changed while it was being read; run the command again")]
    Changed {
        /// The object.
        href: String,
    },
    /// An object that is read whole has more bytes than that may have.
    #[error("{href}: {size} bytes are more than the limit of {size_max} for such an object")]
    TooLarge {
        /// The object.
        href: String,
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        size_max: u64,
    },
    /// Larger than a limit.
    #[error("{href}: {reason}")]
    Limit {
        /// What was asked for.
        href: String,
        /// Its size and the limit.
        reason: String,
    },
    /// Not a raster that can be opened.
    #[error("{href}: {reason}")]
    Raster {
        /// The raster.
        href: String,
        /// What is wrong or unsupported.
        reason: String,
    },
    /// One block cannot be decoded.
    #[error("{href}: block {block} (column {col}, row {row} of {image}) cannot be read: {reason}")]
    Block {
        /// The raster.
        href: String,
        /// Which image of the file.
        image: String,
        /// Number of the block, row by row.
        block: u32,
        /// First pixel column.
        col: u32,
        /// First pixel row.
        row: u32,
        /// What is wrong.
        reason: String,
    },
    /// A file of this machine cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// Our own bug.
    #[error("internal error: {reason}")]
    Internal {
        /// What should not have happened.
        reason: String,
    },
}

impl IoError {
    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Href { .. } => ErrorKind::Invalid,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Denied { .. } => ErrorKind::Denied,
            Self::Upstream { .. } | Self::Full { .. } => ErrorKind::Upstream,
            Self::Changed { .. } => ErrorKind::Conflict,
            Self::TooLarge { .. } => ErrorKind::Limit,
            Self::Raster { .. } | Self::Block { .. } => ErrorKind::Data,
            Self::File { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => ErrorKind::NotFound,
                std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
                _ => ErrorKind::Upstream,
            },
            Self::Limit { .. } => ErrorKind::Limit,
            Self::Internal { .. } => ErrorKind::Internal,
        }
    }
}
