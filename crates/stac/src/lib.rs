//! STAC items and collections: the public crate's types, and what the program reads out of them.
//!
//! Fields that moved between STAC versions (`eo:bands`, `raster:bands`, `bands`) are read in one
//! place: [`asset_bands`]. What the agencies' platforms call the same things is in [`dialect`].

mod bands;
mod datetimes;
pub mod dialect;
mod filter;
mod geometry;
mod interval;
mod search;

pub use bands::{AssetBand, RasterFormat, asset_bands, measured_assets, raster_format};
pub use datetimes::{DatetimeError, find_datetime, item_datetime, parse_datetime};
pub use filter::{
    FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_OPERATORS_MAX, FILTER_VALUES_MAX, FilterError,
    parse_filter_json, parse_filter_text,
};
pub use geometry::{
    GeometryError, GeometryRules, POSITIONS_MAX, parse_geometry, parse_geometry_by,
};
pub use interval::{IntervalError, parse_interval, parse_interval_or_days};
pub use search::{Interval, ItemSearch, LIMIT_DEFAULT, LIMIT_MAX, PageStart, SortField};
pub use stac::{Asset, Catalog, Collection, Item, ItemCollection, Link, Links, Value};
