//! One map function behind all protocols.
//!
//! 1. [`request`]: what a protocol asks for, as a [`MapRequest`].
//! 2. [`layer`]: the layer of that name, with its [`bands`] and [`styles`].
//! 3. [`mosaic`]: items of the layer onto the grid, through [`rasters`] that stay open. [`read_map`]
//!    ends here, with values.
//! 4. [`render`]: expressions, [`painting`], and the file of the picture; [`geotiff`] for values.
//! 5. [`failure`]: why there is no map; each protocol has words of its own for it.

mod bands;
mod failure;
mod geotiff;
mod layer;
mod mosaic;
mod painting;
mod rasters;
mod render;
mod request;
mod styles;

pub(crate) use failure::MapFailure;
pub(crate) use layer::{Layer, LayerBand, Legend, StyleInfo, layer, layers, tile_matrix_sets};
pub(crate) use mosaic::{BLOCKS_BYTES_MAX, ReadRequest, VALUES_AT_ONCE_MAX, ValueKind, read_map};
pub(crate) use painting::KnownRanges;
pub(crate) use rasters::OpenRasters;
pub(crate) use render::prepare_map;
pub(crate) use request::{Background, ImageFormat, MapImage, MapRequest, StyleChoice, TimeChoice};
