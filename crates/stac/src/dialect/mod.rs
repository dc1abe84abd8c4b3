//! What the agencies' platforms call things, and what STAC calls them: missions and product types,
//! attributes, footprints as WKT, checksums. Everything here is a table or a pure function.
//!
//! The faces of the server read it from items to dialects, the import of answers the other way.

pub mod attributes;
pub mod checksum;
pub mod footprint;
pub mod missions;
