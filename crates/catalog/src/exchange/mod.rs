//! Items in and out: lines of JSON, stac-geoparquet, pgSTAC.

mod geoparquet;
mod ndjson;
mod pgstac;

pub use geoparquet::{ItemTable, read_geoparquet};
pub use ndjson::{items_of, read_documents, read_ndjson, write_ndjson};
pub use pgstac::{BaseItem, PgstacDatabase, PgstacItems, check_pgstac_item, write_pgstac_line};

use crate::CatalogError;

/// Longest line of JSON, in bytes.
const LINE_BYTES_MAX: u64 = 16 << 20;

fn unreadable(what: impl std::fmt::Display) -> CatalogError {
    CatalogError::Invalid {
        reason: what.to_string(),
    }
}
