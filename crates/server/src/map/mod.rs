//! One map function behind all protocols.
//!
//! 1. [`request`]: what a protocol asks for, as a [`MapRequest`].
//! 2. [`layer`]: the layer of that name, with its [`bands`] and [`styles`].
//! 3. [`selection`]: the items, which [`findings`] keep while the catalogue stays as it is; [`mosaic`]: those items onto the grid, through [`rasters`] that stay open, or
//!    [`composite`]: many dates to one. [`read_map`] ends here, with values.
//! 4. [`render`]: expressions, [`painting`], and the file of the picture; [`geotiff`] for values.
//! 5. [`answer`]: the picture over HTTP. [`tile_sets`]: in which sets of tiles a layer is offered.
//! 6. [`failure`]: why there is no map; each protocol has words of its own for it.

mod answer;
mod bands;
mod composite;
mod failure;
mod filling;
mod findings;
mod geotiff;
mod layer;
mod mosaic;
mod painting;
mod rasters;
mod render;
mod request;
mod selection;
mod styles;
mod tile_sets;

pub(crate) use answer::{MOSAIC, answer_map, put_cut};
pub(crate) use composite::CompositeChoice;
pub(crate) use failure::MapFailure;
pub(crate) use findings::Findings;
pub(crate) use layer::{Layer, LayerBand, Legend, StyleInfo, layer, layers, tile_matrix_sets};
pub(crate) use mosaic::{ReadRequest, VALUES_AT_ONCE_MAX, ValueKind, read_map};
pub(crate) use painting::KnownRanges;
pub(crate) use rasters::OpenRasters;
pub(crate) use render::prepare_map;
pub(crate) use request::{Background, ImageFormat, MapImage, MapRequest, StyleChoice, TimeChoice};
pub(crate) use tile_sets::{Limits, sets_of};
