//! A question to a catalogue, as every face asks it.

use chrono::{DateTime, Utc};
use cql2::Expr;
use geo_types::Geometry;
use swath_grid::Bbox;

/// Items per page where nothing is said.
pub const LIMIT_DEFAULT: u32 = 10;
/// Most items of one page; a larger limit is lowered to it.
pub const LIMIT_MAX: u32 = 10_000;

/// Which items, in which order, how many.
#[derive(Debug, Clone, Default)]
pub struct ItemSearch {
    /// Ids of collections; empty = all that the viewer may see.
    pub collections: Vec<String>,
    /// Ids of items; empty = any.
    pub ids: Vec<String>,
    /// Items that share a point with the rectangle; its west may lie east of its east.
    pub bbox: Option<Bbox>,
    /// Items whose geometry shares a point with this one (lon-lat, WGS 84).
    pub intersects: Option<Geometry<f64>>,
    /// Items whose time shares an instant with the interval.
    pub datetime: Option<Interval>,
    /// CQL2 over STAC names: `eo:cloud_cover`, `datetime`, `id`, `collection`, `geometry`, `created`.
    pub filter: Option<Expr>,
    /// Sort keys, the first decides; afterwards, and by default, newest first, then by id.
    pub sort: Vec<SortField>,
    /// Items per page; `None` = [`LIMIT_DEFAULT`].
    pub limit: Option<u32>,
    /// Where the page begins.
    pub start: PageStart,
}

/// A closed interval of time; an open end is `None`, never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// First instant.
    pub start: Option<DateTime<Utc>>,
    /// Last instant.
    pub end: Option<DateTime<Utc>>,
}

/// One key to sort by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortField {
    /// STAC name, with or without `properties.`.
    pub field: String,
    /// True: largest first.
    pub is_descending: bool,
}

/// Where a page of results begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PageStart {
    /// At the first item.
    #[default]
    First,
    /// After so many items: the dialects that count.
    Offset(u64),
    /// Where the page before ended, as it said itself; opaque.
    Token(String),
}
