//! resto: the OpenSearch dialect of the CREODIAS finder, as today's scripts speak it.
//!
//! 1. [`params`] reads the query of a URL: plain values and the interval dialect.
//! 2. [`search`] translates it to the one search of the catalogue.
//! 3. [`json`] and [`atom`] write the page, [`describe`] what can be asked.

mod atom;
mod collections;
mod describe;
mod handlers;
mod interval;
mod json;
mod page;
mod params;
mod search;

pub(crate) use handlers::{render_problem, routes};
