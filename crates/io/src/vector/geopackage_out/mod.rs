//! Writing a GeoPackage: one layer of parcels, from record batches.
//!
//! The file is a GeoPackage 1.3 (OGC 12-128r17) with two extensions, the spatial index of the layer
//! (`gpkg_rtree_index`) and WKT 2 of its CRS (`gpkg_crs_wkt`).
//!
//! 1. [`GeoPackageWriter::create`] writes the tables that every GeoPackage has, and that of the layer;
//! 2. [`GeoPackageWriter::write`] appends rows, their geometries behind a header with an envelope (`blob.rs`),
//!    their values in the types of the standard (`column.rs`);
//! 3. [`GeoPackageWriter::finish`] adds the bounds of the layer and the triggers of the index (`tables.rs`).

mod blob;
mod column;
mod tables;
mod writer;

pub use writer::{GeoPackageLayer, GeoPackageWriter};

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test may panic
mod tests;
