//! Vector tiles of a parcel set.
//!
//! What is the same for every tile is computed once per version of a set and kept in a file:
//!
//! 1. [`build_pyramid`] brings outlines to the world square of Web Mercator ([`square`]), finds where
//!    they meet others ([`junctions`]) and the zoom from which each vertex is needed ([`outline`]);
//!    [`density`] settles the zoom from which tiles hold parcels; [`cells`] sums up what lies in each
//!    cell of the zooms below; [`record`] and [`file`] are how all of it is
//!    stored.
//! 2. [`TilePyramid::tile`] reads what lies in a tile, brings it to the tile's grid ([`tile`], [`clip`])
//!    and encodes it ([`mvt`]).
//!
//! Neighbours share their edges at every zoom: which vertices stay depends on the edge alone.

mod build;
mod cells;
mod clip;
mod density;
mod file;
mod junctions;
mod mvt;
mod outline;
mod record;
mod square;
mod tile;
mod values;

pub use build::{PyramidSummary, build_pyramid};
pub use file::TilePyramid;
pub use tile::{TileAddress, TileContent, TileProperty};
pub use values::TileValues;

/// Highest zoom of tiles: one step of the grid is 15 cm at the equator, and every vertex is there.
pub const ZOOM_MAX: u8 = 16;
/// Steps of the grid of a tile along each side.
pub const EXTENT: u32 = 4_096;
/// Steps around a tile in which parcels are drawn, too.
pub const BUFFER: u32 = 64;
/// Largest tile, in bytes before compression.
pub const TILE_BYTES_MAX: usize = 500_000;

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test may panic
mod tests;
