//! Rasters on any grid: overview choice, blocks, warp.
//!
//! 1. [`WarpReader::new`] connects the two grids and chooses the level to read (`level`).
//! 2. [`WarpReader::read_window`] cuts a window of the target into chunks, finds what of the
//!    source each needs, and puts chunks together that fit into memory.
//! 3. Their blocks are fetched and decoded, those of the last chunks kept (`kept`); the chunks
//!    are warped on all threads.
//!
//! [`read`] does this for a whole grid, [`WarpRows`] strip by strip for the COG writer. [`covered`] says which
//! pixels a raster can fill before any of it is read.

mod block_cache;
mod covered;
mod kept;
mod level;
mod options;
mod reader;
mod rows;

pub use block_cache::BlockCache;
pub use covered::{Covered, covered};
pub use options::{ERROR_PX_DEFAULT, READ_BYTES_MAX, ReadOptions};
pub use reader::{WarpReader, read, read_sharing};
pub use rows::{WarpRows, warp_spec};
