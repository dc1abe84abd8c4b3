//! Grids on the Earth: coordinate reference systems, affine transforms, windows and geoboxes.
//!
//! Coordinates are always x, y (easting, northing or longitude, latitude); authority axis order
//! is the business of the faces that need it. Geographic coordinates are in degrees.

mod crs;
mod error;
mod geobox;
mod projector;
mod transform;

pub use crs::{Crs, GeoKeyTags, GeoKeyValue, GeoKeys};
pub use error::{GridError, GridErrorKind};
pub use geobox::{Bbox, Bounds, GeoBox, Size, Window};
pub use projector::{Projector, ShiftOptions};
pub use transform::{Point, Transform};
