//! Parcels from the vector formats of the field.
//!
//! [`read_parcels`] takes a path and does, in this order:
//!
//! 1. looks at the content, never at the extension, and names what it found ([`Format`]);
//! 2. opens zip archives and folders and picks the one layer in them (or the one asked for);
//! 3. decodes GeoPackage, GeoParquet, FlatGeobuf, Shapefile or GeoJSON row by row, in file order;
//! 4. keeps polygons, or points where there is no polygon, in a compact store ([`Parcels`]),
//!    two-dimensional, valid ones bit for bit;
//! 5. repairs invalid ones and reports each one ([`ParcelReport`]).
//!
//! No parcel is lost in silence: a feature without area keeps its row with an empty polygon, a
//! feature that is no polygon is listed as skipped.
//!
//! [`GeoPackageWriter`] writes what other programs shall open.
//!
//! Beside reading stand the pure helpers a parcel needs on its way to a grid: [`check`],
//! [`densify`], [`project_parcel`] and [`inner_buffer`].

mod archive;
mod assembly;
mod attributes;
mod box_tree;
mod buffer;
mod check;
mod dbf;
mod error;
mod findings;
mod flatgeobuf;
mod format;
mod geojson;
mod geopackage;
mod geopackage_out;
mod geoparquet;
mod native;
mod overlap;
mod parcels;
mod project;
mod repair;
mod report;
pub mod set;
mod shape;
mod shape_file;
mod shapefile;
mod source;
pub mod tiles;
mod validity;
mod wkb;

pub use buffer::inner_buffer;
pub use check::{ParcelCheck, check};
pub use error::{VectorError, VectorErrorKind};
pub use findings::{
    AreaDifference, DeclaredAreas, FindingOptions, ParcelFindings, Sliver, Slivers, TooSmall, find,
};
pub use format::Format;
pub use geopackage_out::{GeoPackageLayer, GeoPackageWriter};
pub use overlap::{Overlap, Overlaps, SameGeometry};
pub use parcels::{ParcelRing, Parcels, StringColumn};
pub use project::{densify, project_parcel};
pub use report::{ParcelReport, Problem, ProblemKind, Skipped};
pub use shape_file::ShapeFile;
pub use source::{FieldInfo, ParcelGeometry, ParcelOptions, ParcelSource, ValueKind, read_parcels};

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test may panic
mod tests;
