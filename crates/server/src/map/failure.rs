//! Why there is no map, in situations that every protocol can name in its own words.

use axum::http::StatusCode;
use swath_catalog::{CatalogError, ErrorKind as CatalogKind};
use swath_grid::GridError;
use swath_io::{ErrorKind, IoError};
use thiserror::Error;

use crate::error::Problem;

/// Longest piece of what was asked that a message repeats, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// Why there is no map. Messages are for the one who asked: they hold nothing of stores.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum MapFailure {
    /// No such layer, or not for this viewer: the two look the same.
    #[error("there is no layer \"{layer}\"")]
    LayerUnknown {
        /// As asked for.
        layer: String,
    },
    /// The layer has no such style.
    #[error("layer \"{layer}\" has no style \"{style}\"; it has {known}")]
    StyleUnknown {
        /// As asked for.
        layer: String,
        /// As asked for.
        style: String,
        /// Names of those it has.
        known: String,
    },
    /// A CRS that is not known, or that no map can be drawn in.
    #[error("{reason}")]
    CrsUnknown {
        /// What is wrong with it.
        reason: String,
    },
    /// A format that is not written.
    #[error("\"{format}\" is no format of maps; there are {known}")]
    FormatUnknown {
        /// As asked for.
        format: String,
        /// Those that are written.
        known: String,
    },
    /// A time that cannot be read.
    #[error("{reason}")]
    TimeInvalid {
        /// What is wrong with it.
        reason: String,
    },
    /// Bands, or arithmetic over them, that cannot be read or that the layer does not have.
    #[error("expression: {reason}")]
    BadExpression {
        /// What is wrong with it.
        reason: String,
    },
    /// Another parameter that makes no sense.
    #[error("{name}: {reason}")]
    BadParameter {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More than a limit allows.
    #[error("{reason}")]
    TooLarge {
        /// How much it is, and the limit with its name.
        reason: String,
    },
    /// Values were asked for where the layer has none.
    #[error("layer \"{layer}\" has nothing there")]
    NothingThere {
        /// As asked for.
        layer: String,
    },
    /// A store or the catalogue does not answer at present.
    #[error("what is behind this layer does not answer at present; ask again")]
    Unavailable,
    /// Damaged data or our own mistake; the log has the reason.
    #[error("the layer cannot be read; the log has the reason")]
    Internal,
}

impl MapFailure {
    /// Returns the failure of a parameter.
    pub(crate) fn parameter(name: &str, reason: impl Into<String>) -> Self {
        Self::BadParameter {
            name: name.to_owned(),
            reason: reason.into(),
        }
    }

    /// Returns the failure of a layer that is not there for this viewer.
    pub(crate) fn layer_unknown(layer: &str) -> Self {
        Self::LayerUnknown {
            layer: shown(layer),
        }
    }

    /// Returns the failure of something that must not happen; it goes to the log.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a map cannot be drawn");
        Self::Internal
    }

    /// Returns the failure of a search for the items of `layer`.
    pub(crate) fn of_catalog(error: &CatalogError, layer: &str) -> Self {
        match error.kind() {
            CatalogKind::NotFound | CatalogKind::Denied => Self::layer_unknown(layer),
            CatalogKind::Limit => Self::TooLarge {
                reason: error.to_string(),
            },
            CatalogKind::Upstream => {
                tracing::error!(%error, "the catalogue failed");
                Self::Unavailable
            }
            _ => Self::internal(error),
        }
    }

    /// Returns the failure of a raster.
    pub(crate) fn of_io(error: &IoError) -> Self {
        match error.kind() {
            // The message names a place in a store: it is nobody's business.
            ErrorKind::Limit => {
                tracing::warn!(%error, "a map is too large");
                Self::TooLarge {
                    reason: "one image of this layer is too large to be read for this picture"
                        .to_owned(),
                }
            }
            ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Conflict | ErrorKind::Upstream => {
                tracing::warn!(%error, "a raster of a map is not there");
                Self::Unavailable
            }
            _ => Self::internal(error),
        }
    }
}

impl From<GridError> for MapFailure {
    fn from(error: GridError) -> Self {
        Self::CrsUnknown {
            reason: error.to_string(),
        }
    }
}

impl From<MapFailure> for Problem {
    fn from(failure: MapFailure) -> Self {
        let (status, code) = match &failure {
            MapFailure::LayerUnknown { .. } | MapFailure::NothingThere { .. } => {
                (StatusCode::NOT_FOUND, "NotFound")
            }
            MapFailure::TooLarge { .. } => (StatusCode::BAD_REQUEST, "LimitExceeded"),
            MapFailure::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Unavailable"),
            MapFailure::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal"),
            _ => (StatusCode::BAD_REQUEST, "InvalidParameterValue"),
        };
        Self::new(status, code, failure.to_string())
    }
}

/// Returns the beginning of what was asked, without control characters.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(SHOWN_CHARS_MAX)
        .collect()
}
