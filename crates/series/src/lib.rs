//! Time series of parcels: pure functions over what was measured.
//!
//! 1. [`extracts_of`]: record batches of the extract table become [`Extract`]s.
//! 2. [`Expression`] is arithmetic over bands, an [`Index`] has a name as well, such as `NDVI`: both are those of
//!    `raster`, here over means of parcels.
//! 3. [`Period`] cuts time into 5 days, dekads or months.
//! 4. [`season`]: a [`SeasonQuestion`] about one parcel's extracts, answered as a record batch.
//! 5. [`SeriesEncoder`]: record batches as JSON, CSV, Arrow IPC or Parquet, piece by piece.
//!
//! Nothing here knows of files, clocks or networks. All instants are microseconds since
//! 1970-01-01T00:00:00Z.

mod encode;
mod error;
mod extract;
mod period;
mod season;

pub use encode::{SeriesEncoder, SeriesFormat, json_columns};
pub use error::SeriesError;
pub use extract::{Extract, Statistic, extracts_of};
pub use period::{Period, UnknownPeriod, Window};
pub use season::{Of, SeasonQuestion, Tracks, season, season_schema};
pub use swath_raster::{Expression, ExpressionError, INDICES, Index};
