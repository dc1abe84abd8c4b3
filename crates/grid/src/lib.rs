//! Grids on the Earth: coordinate reference systems, affine transforms, windows and geoboxes.
//!
//! Coordinates are always x, y (easting, northing or longitude, latitude); authority axis order
//! is the business of the faces that need it. Geographic coordinates are in degrees.

mod area;
mod axis_order;
mod crs;
mod error;
mod geobox;
mod projector;
mod tile_matrix_set;
mod transform;

pub use area::{bbox_of, bounds_between, bounds_of};
pub use axis_order::{AxisOrder, axis_order};
pub use crs::{Crs, GeoKeyTags, GeoKeyValue, GeoKeys};
pub use error::{GridError, GridErrorKind};
pub use geobox::{Bbox, Bounds, GeoBox, Size, Window};
pub use projector::{Projector, ShiftOptions};
pub use tile_matrix_set::{Hemisphere, TileIndex, TileLimits, TileMatrix, TileMatrixSet};
pub use transform::{Point, Transform};
