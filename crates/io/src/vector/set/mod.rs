//! The file of a version of a parcel set: GeoParquet whose rows stand along a Hilbert curve.
//!
//! [`write_set`] puts parcels that were read into their order and writes them; [`ParcelSetFile`]
//! opens such a file, and hands out parcels, ids and attributes, personal ones only where named.
//!
//! | column | type | meaning |
//! |---|---|---|
//! | `id` | string | id of the parcel, as the source has it |
//! | `crop_code`, `crop_name` | string | declared crop |
//! | `hcat_code`, `hcat_name` | string | the same in HCAT |
//! | `area_m2` | double | in EPSG:6933, null for points |
//! | `declared_area_ha` | double | only where the source says it |
//! | … | as in the source | its other columns |
//! | `bbox` | struct of doubles | `xmin`, `ymin`, `xmax`, `ymax` in the CRS of the geometry |
//! | `geometry` | WKB | in the CRS of the source |

mod attributes;
mod file;
pub(super) mod hilbert;
mod index;
mod metadata;
mod place;
mod wkb_write;
mod write;

pub use attributes::AttributeChoice;
pub use file::{ParcelSetFile, SetColumn};
pub use index::ParcelIndex;
pub use metadata::SetMetadata;
pub use write::{SetColumns, SetSummary, write_set};

/// Column of the ids.
pub(super) const ID: &str = "id";
/// Column of the geometries.
pub(super) const GEOMETRY: &str = "geometry";
/// Column of the rectangles.
pub(super) const BBOX: &str = "bbox";
/// Names that columns of a source do not get.
pub(super) const RESERVED: [&str; 9] = [
    ID,
    "crop_code",
    "crop_name",
    "hcat_code",
    "hcat_name",
    "area_m2",
    "declared_area_ha",
    BBOX,
    GEOMETRY,
];
