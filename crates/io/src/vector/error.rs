//! Errors of reading parcels.

use std::path::{Path, PathBuf};

/// What went wrong, for exit codes and HTTP statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VectorErrorKind {
    /// The caller asked for something that cannot be: a layer, an id or a CRS that does not fit.
    Invalid,
    /// The file does not exist.
    NotFound,
    /// The content of the file is broken or of a kind that is not read.
    Data,
    /// A named limit was passed.
    Limit,
    /// The storage below failed.
    Storage,
    /// A fault of this program.
    Internal,
}

/// A problem that ends the reading of a parcel file.
///
/// Problems of single parcels do not end it; they are in
/// [`ParcelReport`](super::ParcelReport).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError {
    /// The file is not there.
    #[error("{}: no such file or folder", file.display())]
    NotFound {
        /// The path as given.
        file: PathBuf,
    },
    /// The file could not be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Storage {
        /// The path as given.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A known format that is not read, or no known format.
    #[error("{}: is {found}, which is not read; {remedy}", file.display())]
    Unsupported {
        /// The file, with the member of the archive where there is one.
        file: PathBuf,
        /// The format by name.
        found: String,
        /// What to do.
        remedy: String,
    },
    /// The content breaks the rules of its format.
    #[error("{}: {place}: {what}; {remedy}", file.display())]
    Broken {
        /// The file, with the member of the archive where there is one.
        file: PathBuf,
        /// Where in the file: a byte, a row, a table.
        place: String,
        /// What is wrong there.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// A part of a format that spans several files is missing.
    #[error("{}: {part} is missing; {remedy}", file.display())]
    MissingPart {
        /// The file, with the member of the archive where there is one.
        file: PathBuf,
        /// The missing file.
        part: String,
        /// What to do.
        remedy: String,
    },
    /// Several layers hold parcels, none holds them, or the one asked for is absent.
    #[error("{}: {what}; layers: {}", file.display(), list(layers))]
    Layer {
        /// The file as given.
        file: PathBuf,
        /// What is wrong with the choice.
        what: String,
        /// The layers there are.
        layers: Vec<String>,
    },
    /// The column of the ids is absent or cannot be used.
    #[error("{}: {what}; name one of the columns with --id: {}", file.display(), list(columns))]
    IdField {
        /// The file, with the member of the archive where there is one.
        file: PathBuf,
        /// What is wrong.
        what: String,
        /// The columns there are.
        columns: Vec<String>,
    },
    /// A feature has no id.
    #[error(
        "{}: feature {feature} has no value in the id column {field:?}; \
         fill it in or name another column with --id", file.display()
    )]
    MissingId {
        /// The file, with the member of the archive where there is one.
        file: PathBuf,
        /// Number of the feature in the file, from 0.
        feature: u64,
        /// The column.
        field: String,
    },
    /// A column to keep is absent.
    #[error("{}: no column {field:?}; columns: {}", file.display(), list(columns))]
    Attribute {
        /// The file, with the member of the archive where there is one.
        file: PathBuf,
        /// The column asked for.
        field: String,
        /// The columns there are.
        columns: Vec<String>,
    },
    /// The file does not say its CRS, or says it in a way that is not understood.
    #[error("{}: {what}; say it with --crs, such as --crs EPSG:25832", file.display())]
    Crs {
        /// The file, with the member of the archive where there is one.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// No feature is a polygon, or, of those that hold points, a single point.
    #[error("{}: holds no polygon, only {}; parcels are polygons or points", file.display(), list(types))]
    NoPolygon {
        /// The file, with the member of the archive where there is one.
        file: PathBuf,
        /// The geometry types found.
        types: Vec<String>,
        /// True where it may be read as a set of points.
        has_points: bool,
    },
    /// A limit was passed.
    #[error("{}: {what} is above the limit {limit}", file.display())]
    Limit {
        /// The file, with the member of the archive where there is one.
        file: PathBuf,
        /// What there is too much of, with its size.
        what: String,
        /// The limit with name and unit.
        limit: String,
    },
    /// A file could not be fetched from its store.
    #[error("{}: cannot be fetched", file.display())]
    Fetch {
        /// The file as named.
        file: PathBuf,
        /// What the store said.
        source: Box<crate::IoError>,
    },
    /// A row beyond the last was asked for.
    #[error("{}: row {row} is asked for, the set has {features} rows", file.display())]
    Rows {
        /// The file.
        file: PathBuf,
        /// The row.
        row: u64,
        /// How many there are.
        features: u64,
    },
    /// A file could not be written.
    #[error("{}: cannot be written: {what}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system or the format said.
        what: String,
    },
    /// A geometry cannot be brought to another CRS.
    #[error("a parcel cannot be projected: {what}")]
    Projection {
        /// What is in the way.
        what: String,
    },
    /// A fault of this program.
    #[error("{}: internal error: {what}; please report it", file.display())]
    Internal {
        /// The file as given.
        file: PathBuf,
        /// What happened.
        what: String,
    },
}

impl VectorError {
    /// Returns the kind of the problem.
    pub fn kind(&self) -> VectorErrorKind {
        match self {
            Self::NotFound { .. } => VectorErrorKind::NotFound,
            Self::Fetch { source, .. } => match source.kind() {
                crate::ErrorKind::NotFound => VectorErrorKind::NotFound,
                crate::ErrorKind::Invalid => VectorErrorKind::Invalid,
                crate::ErrorKind::Limit => VectorErrorKind::Limit,
                _ => VectorErrorKind::Storage,
            },
            Self::Storage { .. } | Self::Write { .. } => VectorErrorKind::Storage,
            Self::Layer { .. }
            | Self::IdField { .. }
            | Self::Attribute { .. }
            | Self::Rows { .. } => VectorErrorKind::Invalid,
            Self::Limit { .. } => VectorErrorKind::Limit,
            Self::Internal { .. } => VectorErrorKind::Internal,
            Self::Unsupported { .. }
            | Self::Broken { .. }
            | Self::MissingPart { .. }
            | Self::MissingId { .. }
            | Self::Crs { .. }
            | Self::NoPolygon { .. }
            | Self::Projection { .. } => VectorErrorKind::Data,
        }
    }

    /// Makes an error of a failed read.
    pub(super) fn storage(file: &Path, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::NotFound => Self::NotFound {
                file: file.to_path_buf(),
            },
            _ => Self::Storage {
                file: file.to_path_buf(),
                source,
            },
        }
    }

    /// Makes an error for content that breaks its format.
    pub(super) fn broken(file: &Path, place: impl ToString, what: impl ToString) -> Self {
        Self::Broken {
            file: file.to_path_buf(),
            place: place.to_string(),
            what: what.to_string(),
            remedy: "the file may be damaged or cut short: fetch or export it again".to_string(),
        }
    }
}

/// Joins names for a message; long lists end with their number.
fn list(names: &[String]) -> String {
    const SHOWN_MAX: usize = 60;
    if names.is_empty() {
        return "none".to_string();
    }
    let shown = names
        .iter()
        .take(SHOWN_MAX)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len() > SHOWN_MAX {
        true => format!("{shown} … ({} in all)", names.len()),
        false => shown,
    }
}
