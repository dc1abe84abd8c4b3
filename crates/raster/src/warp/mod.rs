//! Pixels of one grid from those of another.
//!
//! 1. [`Positions`] says where the centres of target pixels lie on the source grid: [`Cell`]s of
//!    pixels whose positions are exact or interpolated within a stated bound.
//!    [`reach`] says beforehand which pixels of a large target a small source can touch, [`covered`] which
//!    lie on it.
//! 2. [`source_window`] is what of the source these cells need.
//! 3. [`warp`] computes the values from the source pixels of that window.
//!
//! Where both grids have the same pixels, [`Positions::shift`] says how far they are apart, and nothing is computed.
//!
//! Grid positions have pixel corners at whole numbers and pixel centres at halves. Reading source
//! pixels and cutting the target into pieces is the caller's.

mod area;
mod bilinear;
mod covered;
mod curve;
mod footprint;
mod interpolate;
mod kernel;
mod line;
mod narrow;
mod nearest;
mod positions;
mod reach;
mod resampling;
mod samples;
mod shift;

pub use covered::covered;
pub use footprint::{FootprintError, GridChoice, default_grid, footprint};
pub use kernel::{WarpSource, source_window, warp};
pub use positions::{Cell, Places, Positions};
pub use reach::reach;
pub use resampling::Resampling;
pub use shift::PixelShift;
