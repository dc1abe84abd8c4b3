//! STAC items and collections: the public crate's types, and what the program reads out of them.
//!
//! Fields that moved between STAC versions (`eo:bands`, `raster:bands`, `bands`) are read in one
//! place: [`asset_bands`].

mod bands;
mod datetimes;

pub use bands::{AssetBand, RasterFormat, asset_bands, measured_assets, raster_format};
pub use datetimes::{DatetimeError, find_datetime, item_datetime, parse_datetime};
pub use stac::{Asset, Catalog, Collection, Item, ItemCollection, Link, Links, Value};
