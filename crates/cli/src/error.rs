//! Errors to exit codes and messages, in one table.

use swath_archive::ArchiveError;
use swath_catalog::{CatalogError, ErrorKind as CatalogErrorKind};
use swath_db::DbError;
use swath_extract::ExtractError;
use swath_io::cog::CogError;
use swath_io::vector::{VectorError, VectorErrorKind};
use swath_io::{ErrorKind, IoError};
use swath_jobs::{ErrorKind as JobErrorKind, JobError};
use swath_server::{ServerError, ServerErrorKind, TokenError, TokenErrorKind};
use thiserror::Error;

use crate::command::series::NotThere;

/// Wrong usage.
pub const EXIT_USAGE: u8 = 2;
/// Bad input data.
pub const EXIT_DATA: u8 = 3;
/// Not found.
pub const EXIT_NOT_FOUND: u8 = 4;
/// Upstream or storage failure.
pub const EXIT_STORAGE: u8 = 5;
/// A limit was reached.
pub const EXIT_LIMIT: u8 = 6;
/// Our own bug.
pub const EXIT_BUG: u8 = 70;
/// Stopped by Ctrl-C, as shells count it.
const EXIT_INTERRUPTED: u8 = 130;

/// Something in the command line or configuration that cannot be.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Some of the input could not be used; the rest was done.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct PartialDataError(pub String);

/// A service elsewhere does not answer, or not as it should.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct UpstreamError(pub String);

/// The user pressed Ctrl-C.
#[derive(Debug, Error)]
#[error("interrupted; nothing half-written is left, and the same command goes on where it was")]
pub struct Interrupted;

/// Returns the exit code of an error.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<UsageError>() {
            return EXIT_USAGE;
        }
        if cause.is::<NotThere>() {
            return EXIT_NOT_FOUND;
        }
        if cause.is::<PartialDataError>() {
            return EXIT_DATA;
        }
        if cause.is::<UpstreamError>() {
            return EXIT_STORAGE;
        }
        if let Some(error) = cause.downcast_ref::<CatalogError>() {
            return of_catalog_kind(error.kind());
        }
        if cause.is::<Interrupted>() {
            return EXIT_INTERRUPTED;
        }
        if let Some(error) = cause.downcast_ref::<IoError>() {
            return of_kind(error.kind());
        }
        if let Some(error) = cause.downcast_ref::<ArchiveError>() {
            return of_kind(error.kind());
        }
        if let Some(error) = cause.downcast_ref::<ExtractError>() {
            return of_kind(error.kind());
        }
        if let Some(error) = cause.downcast_ref::<JobError>() {
            return match error.kind() {
                JobErrorKind::Invalid => EXIT_USAGE,
                JobErrorKind::NotFound => EXIT_NOT_FOUND,
                JobErrorKind::Limit => EXIT_LIMIT,
                _ => EXIT_STORAGE,
            };
        }
        if let Some(error) = cause.downcast_ref::<DbError>() {
            return match error {
                DbError::Url { .. } => EXIT_USAGE,
                _ => EXIT_STORAGE,
            };
        }
        if let Some(error) = cause.downcast_ref::<VectorError>() {
            return of_vector_kind(error.kind());
        }
        if let Some(error) = cause.downcast_ref::<ServerError>() {
            return match error.kind() {
                ServerErrorKind::Invalid => EXIT_USAGE,
                _ => EXIT_STORAGE,
            };
        }
        if let Some(error) = cause.downcast_ref::<TokenError>() {
            return match error.kind() {
                TokenErrorKind::Invalid => EXIT_USAGE,
                TokenErrorKind::NotFound => EXIT_NOT_FOUND,
                _ => EXIT_STORAGE,
            };
        }
        if let Some(error) = cause.downcast_ref::<CogError>() {
            return match error {
                CogError::Invalid { .. } => EXIT_USAGE,
                CogError::Source { .. } => EXIT_DATA,
                CogError::Cancelled => EXIT_INTERRUPTED,
                _ => EXIT_STORAGE,
            };
        }
        if cause.is::<std::io::Error>() {
            return EXIT_STORAGE;
        }
    }
    EXIT_BUG
}

fn of_kind(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Invalid => EXIT_USAGE,
        ErrorKind::NotFound => EXIT_NOT_FOUND,
        ErrorKind::Denied | ErrorKind::Conflict | ErrorKind::Upstream => EXIT_STORAGE,
        ErrorKind::Data => EXIT_DATA,
        ErrorKind::Limit => EXIT_LIMIT,
        _ => EXIT_BUG,
    }
}

fn of_catalog_kind(kind: CatalogErrorKind) -> u8 {
    match kind {
        CatalogErrorKind::Invalid => EXIT_USAGE,
        CatalogErrorKind::NotFound => EXIT_NOT_FOUND,
        CatalogErrorKind::Limit => EXIT_LIMIT,
        CatalogErrorKind::Denied
        | CatalogErrorKind::Conflict
        | CatalogErrorKind::Changed
        | CatalogErrorKind::Upstream => EXIT_STORAGE,
        _ => EXIT_BUG,
    }
}

fn of_vector_kind(kind: VectorErrorKind) -> u8 {
    match kind {
        VectorErrorKind::Invalid => EXIT_USAGE,
        VectorErrorKind::NotFound => EXIT_NOT_FOUND,
        VectorErrorKind::Data => EXIT_DATA,
        VectorErrorKind::Limit => EXIT_LIMIT,
        VectorErrorKind::Storage => EXIT_STORAGE,
        _ => EXIT_BUG,
    }
}

/// Prints an error and its causes on one line each.
pub fn print(error: &anyhow::Error) {
    eprintln!("error: {error}");
    let mut shown = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // Transparent wrappers repeat what stands above.
        if !shown.contains(&text) {
            eprintln!("  because: {text}");
            shown = text;
        }
    }
}
