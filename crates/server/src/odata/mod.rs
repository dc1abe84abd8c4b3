//! OData v1 as the Copernicus Data Space speaks it: the `Products` of the catalogue.
//!
//! 1. [`path`] reads the resource path, [`query`] the system query options.
//! 2. [`lexer`] and [`parser`] read `$filter`, within limits of length, depth and terms.
//! 3. [`translate`] makes the one search of the catalogue of it.
//! 4. [`entity`] writes products, [`nodes`] the files of one; bytes are [`crate::objects`]'.

mod entity;
mod filter;
mod handlers;
mod lambda;
mod lexer;
mod metadata;
mod nodes;
mod parser;
mod path;
mod query;
mod translate;

pub(crate) use handlers::{render_problem, routes};
pub(crate) use path::value_path;
