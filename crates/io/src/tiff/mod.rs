//! TIFF as stored: header, image file directories and the layout of their blocks.
//!
//! 1. [`SparseBytes`] holds the parts of a file that were fetched so far.
//! 2. [`parse`] walks the chain of directories over it; where bytes are missing it says which.
//! 3. [`ImageLayout`] gives one directory meaning: grid of blocks, sample type, compression.
//!
//! Nothing here fetches; `raster::open` drives the loop. Source: TIFF 6.0, the BigTIFF layout of
//! libtiff, OGC GeoTIFF 1.1 (19-008r4), and GDAL's `GDAL_METADATA` and `GDAL_NODATA` tags.

mod directory;
mod layout;
mod metadata;
mod sparse;
pub(crate) mod tag;

pub(crate) use directory::{Directory, ParseStep, parse};
pub use layout::{Compression, Interleave};
pub(crate) use layout::{ImageLayout, PHOTOMETRIC_RGB};
pub(crate) use metadata::GdalMetadata;
pub(crate) use sparse::SparseBytes;
