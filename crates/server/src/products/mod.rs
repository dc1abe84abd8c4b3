//! What the dialects of the agencies share: the names they give to missions, product types and
//! attributes, an item seen as a product, and footprints in their notations.
//!
//! Everything here is pure.

pub(crate) mod attributes;
pub(crate) mod expressions;
pub(crate) mod footprint;
pub(crate) mod markup;
pub(crate) mod missions;
pub(crate) mod product;

pub(crate) use product::{Product, ProductFile};
