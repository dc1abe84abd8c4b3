//! What can go wrong with coordinate reference systems and projections.

use crate::Point;

/// Situations in which a CRS or a projection cannot be had.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GridError {
    /// The code is not in the EPSG table (nor in the small one of ESRI).
    #[error("unknown EPSG code {code}")]
    UnknownEpsg {
        /// The code asked for.
        code: u32,
    },
    /// The text is no CRS definition that can be read.
    #[error("cannot read the CRS definition '{text}': {why}")]
    InvalidCrs {
        /// Beginning of the text.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The GeoTIFF keys contradict themselves or are damaged.
    #[error("damaged GeoTIFF keys: {why}")]
    InvalidGeoKeys {
        /// What is wrong with them.
        why: String,
    },
    /// The best known shift between two datums is coarser than asked for.
    #[error(
        "the best shift from {from} to {to} is accurate to {accuracy_m} m only, above the limit of {limit_m} m; \
         ask for a larger limit to accept it"
    )]
    ShiftTooCoarse {
        /// Datum or CRS the positions are in.
        from: String,
        /// Datum or CRS they should be in.
        to: String,
        /// Stated accuracy of the best shift in metres.
        accuracy_m: f64,
        /// Limit in metres.
        limit_m: f64,
    },
    /// No shift between two datums is known.
    #[error(
        "no shift is known from datum {from_datum} to {to_datum}; ask for an unlimited one to ignore the difference"
    )]
    NoShift {
        /// Datum the positions are in.
        from_datum: String,
        /// Datum they should be in.
        to_datum: String,
    },
    /// The CRS is known as text only, or its projection is not built.
    #[error("positions in {crs} cannot be computed: {why}")]
    NoTransform {
        /// Name of the CRS.
        crs: String,
        /// What is missing.
        why: String,
    },
    /// A position outside of what a projection can map.
    #[error("position {index} ({}, {}) cannot be projected from {from} to {to}", point.x, point.y)]
    OutsideProjection {
        /// Number of the first such position.
        index: usize,
        /// The position as given.
        point: Point,
        /// Name of the CRS of the position.
        from: String,
        /// Name of the target CRS.
        to: String,
    },
}

/// Coarse classes of errors, for exit codes and HTTP answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GridErrorKind {
    /// The caller named something that makes no sense or does not exist.
    Invalid,
    /// The data do not fit the question.
    Data,
}

impl GridError {
    /// Returns the class of the error.
    pub fn kind(&self) -> GridErrorKind {
        match self {
            Self::InvalidGeoKeys { .. } | Self::OutsideProjection { .. } => GridErrorKind::Data,
            _ => GridErrorKind::Invalid,
        }
    }

    pub(crate) fn invalid_crs(text: &str, why: impl Into<String>) -> Self {
        let text: String = text.chars().take(TEXT_SHOWN_CHARS_MAX).collect();
        Self::InvalidCrs {
            text,
            why: why.into(),
        }
    }
}

/// Longest piece of a definition repeated in a message.
const TEXT_SHOWN_CHARS_MAX: usize = 80;
