//! Time series of parcels: pure functions over what was measured.
//!
//! 1. [`extracts_of`]: record batches of the extract table become [`Extract`]s.
//! 2. [`Expression`] is arithmetic over bands; an [`Index`] has a name as well, such as `NDVI`.
//! 3. [`Period`] cuts time into 5 days, dekads or months.
//! 4. [`season`]: a [`SeasonQuestion`] about one parcel's extracts, answered as a record batch.
//! 5. [`SeriesEncoder`]: record batches as JSON, CSV, Arrow IPC or Parquet, piece by piece.
//!
//! Nothing here knows of files, clocks or networks. All instants are microseconds since
//! 1970-01-01T00:00:00Z.

mod encode;
mod error;
mod expression;
mod extract;
mod index;
mod period;
mod season;

pub use encode::{SeriesEncoder, SeriesFormat, json_columns};
pub use error::SeriesError;
pub use expression::{
    EXPRESSION_BANDS_MAX, EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, Expression, ExpressionError,
};
pub use extract::{Extract, Statistic, extracts_of};
pub use index::{INDICES, Index};
pub use period::{Period, UnknownPeriod, Window};
pub use season::{Of, SeasonQuestion, Tracks, season, season_schema};
