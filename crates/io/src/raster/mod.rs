//! Rasters by name: open, describe, fetch blocks, decode.
//!
//! 1. [`GeoTiff::open`] tells the format by its first bytes and reads header and directories (`open`) or
//!    boxes and main header (`jp2`) with one request where they stand together.
//! 2. [`blocks`] fetches the blocks of a [`BlockPlan`] in order, a bounded number at once.
//! 3. [`FetchedBlock::decode`] turns bytes into values and decides nodata, once.
//! 4. [`DecodedBlock::assemble`] puts blocks together to the values of a window.

mod assemble;
mod blocks;
mod describe;
mod geotiff;
mod jp2;
mod open;

pub(crate) use assemble::Patchwork;
pub use blocks::{BlockPlan, DecodedBlock, FetchedBlock, blocks};
pub use describe::{
    BandDescription, CogDescription, ControlPoint, ImageDescription, RasterDescription,
};
pub use geotiff::{BandInfo, GeoTiff};
pub(crate) use open::tiff_georeference;
