//! Reading the extract table: series of parcels, whole images, means over periods.
//!
//! [`SeriesReader`] answers; its module says how. Below it, from questions to bytes: `pieces` cuts a
//! question, `footer`, `index` and `index_cache` know where pages lie, `block` plans and decodes a stretch of rows,
//! `source` has the bytes, `page`, `page_header` and `runs` decode what our writer writes, `foreign`
//! everything else; `rows` puts rows in order, `image` and `aggregate` are the other two questions.

mod aggregate;
mod block;
mod column;
mod damage;
mod footer;
mod foreign;
mod image;
mod index;
mod index_cache;
mod number;
mod page;
mod page_header;
mod pieces;
mod reader;
mod request;
mod rows;
mod runs;
mod source;
#[cfg(test)]
mod test_table;
#[cfg(test)]
mod tests;

pub use aggregate::aggregate_schema;
pub use index_cache::IndexCache;
pub use reader::{Batches, PARCELS_MAX, SERIES_ROWS_MAX, SeriesReader};
pub use request::{AggregateRequest, ImageRequest, Parcels, SeriesRequest, WindowOf};
