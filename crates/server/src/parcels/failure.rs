//! Errors of the crates below as failed requests.

use axum::http::StatusCode;
use swath_extract::ExtractError;
use swath_io::vector::VectorError;
use swath_io::{ErrorKind, IoError};
use swath_series::SeriesError;

use crate::error::Problem;

/// Returns the problem of a table that cannot be read.
pub(crate) fn of_extract(error: &ExtractError) -> Problem {
    of_kind(error.kind(), error)
}

/// Returns the problem of a store or an image that cannot be read.
pub(crate) fn of_io(error: &IoError) -> Problem {
    of_kind(error.kind(), error)
}

/// Returns the problem of a parcel file that cannot be read.
pub(crate) fn of_vector(error: &VectorError) -> Problem {
    tracing::error!(%error, "a parcel set cannot be read");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Internal",
        "the file of the parcel set cannot be read; the log has the reason",
    )
}

/// Returns the problem of a question that makes no sense, or of rows that are none.
pub(crate) fn of_series(error: &SeriesError) -> Problem {
    if error.is_question() {
        return Problem::invalid(error.to_string());
    }
    tracing::error!(%error, "rows cannot be answered");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Internal",
        "the rows cannot be answered; the log has the reason",
    )
}

/// Returns the problem of something that must not happen.
pub(crate) fn internal(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "a request failed");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Internal",
        "the server failed; the log has the reason",
    )
}

/// What the store says may hold what is nobody's business: it goes to the log.
fn of_kind(kind: ErrorKind, error: &dyn std::fmt::Display) -> Problem {
    match kind {
        ErrorKind::Invalid => Problem::invalid(error.to_string()),
        ErrorKind::Limit => {
            Problem::new(StatusCode::BAD_REQUEST, "LimitExceeded", error.to_string())
        }
        ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Conflict => {
            tracing::warn!(%error, "what a table or an item names is not there");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "Unavailable",
                "the file behind this changed or is not there at present; ask again",
            )
        }
        ErrorKind::Upstream => {
            tracing::error!(%error, "a store failed");
            Problem::new(
                StatusCode::BAD_GATEWAY,
                "StoreFailed",
                "the store does not answer at present",
            )
        }
        _ => {
            tracing::error!(%error, "a table or an image cannot be read");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal",
                "the server failed; the log has the reason",
            )
        }
    }
}
