//! pgSTAC, out and in: its dumps, its databases, and lines that its loader takes.

mod base_item;
mod database;
mod lines;

pub use base_item::BaseItem;
pub use database::{PgstacDatabase, PgstacItems};
pub use lines::{check_pgstac_item, write_pgstac_line};
