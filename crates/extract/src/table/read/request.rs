//! What may be asked of a table.

use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

/// Which parcels, by their row in the parcel set's version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Parcels {
    /// All of them.
    #[default]
    All,
    /// Those of neighbouring rows.
    Range(RangeInclusive<i32>),
    /// These, in any order.
    List(Vec<i32>),
}

/// Rows of parcels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesRequest {
    /// Which parcels.
    pub parcels: Parcels,
    /// Names of bands; empty: all.
    pub bands: Vec<String>,
    /// Microseconds since 1970 UTC, half-open; `None`: all.
    pub interval: Option<Range<i64>>,
    /// Names of columns, in the order in which they come; empty: all of the table's schema.
    pub columns: Vec<String>,
}

/// Rows of one image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageRequest {
    /// The item id that its rows carry.
    pub item_id: String,
    /// Names of bands; empty: all.
    pub bands: Vec<String>,
    /// As of [`SeriesRequest`].
    pub columns: Vec<String>,
}

/// Returns the window that holds an instant, both in microseconds since 1970 UTC; half-open.
///
/// Windows must not overlap, and the one of an instant inside a window must be that window.
pub type WindowOf = Arc<dyn Fn(i64) -> Range<i64> + Send + Sync>;

/// Means over periods.
#[derive(Clone)]
pub struct AggregateRequest {
    /// Which parcels.
    pub parcels: Parcels,
    /// Names of bands; empty: all.
    pub bands: Vec<String>,
    /// Observations taken in, in microseconds since 1970 UTC, half-open; `None`: all. A window at
    /// its edge has those inside only.
    pub interval: Option<Range<i64>>,
    /// The periods.
    pub window_of: WindowOf,
    /// Names among those of [`super::aggregate_schema`], in the order in which they come; empty: all.
    pub columns: Vec<String>,
}

impl fmt::Debug for AggregateRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AggregateRequest")
            .field("parcels", &self.parcels)
            .field("bands", &self.bands)
            .field("interval", &self.interval)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}
