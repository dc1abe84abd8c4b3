//! OGC web services over the map function: WMS 1.1.1 and 1.3.0, WMTS 1.0.0, WCS 1.0.0 and 2.0.1.
//!
//! 1. [`kvp`] reads the query of any of them, [`axes`] a CRS with the order of its coordinates,
//!    [`times`] TIME.
//! 2. [`wms`], [`wmts`] and [`wcs`] understand a request, and write the documents. Both are pure.
//! 3. [`source`] asks the map function for pictures and values.
//! 4. [`failure`] says in the words of each protocol what went wrong.
//!
//! Documents list what the viewer may see, and nothing else is drawn.

mod axes;
mod dimension;
mod failure;
mod handlers;
mod info;
mod kvp;
mod picture;
mod service;
mod source;
mod times;
mod wcs;
mod wms;
mod wmts;

pub(crate) use axes::NamedCrs;
pub(crate) use failure::render_problem;
pub(crate) use handlers::routes;
