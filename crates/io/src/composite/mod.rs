//! One picture of many rasters: read on a common grid, masked, reduced.
//!
//! 1. A [`Slice`] names the bands of one date and what masks them.
//! 2. [`CompositeReader`] reads a window of the target from each slice (`warp`), as many columns
//!    at a time as the memory allows for all slices together.
//! 3. `swath_raster::composite` reduces the values of each pixel on all threads.
//!
//! [`read_slices`] does this for a whole grid, [`CompositeRows`] strip by strip for the COG writer.
//! Which items make slices, and their order, is the caller's.

mod reader;
mod rows;
mod slice;

pub use reader::{CompositeOptions, CompositeReader, read_slices};
pub use rows::CompositeRows;
pub use slice::{Slice, SliceBand, SliceMask};
