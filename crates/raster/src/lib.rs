//! Pixels in memory: bands, masks, coverage shares and exact statistics; PNG. Pure: no files, no async.

mod coverage;
mod mask;
mod ordered;
mod pixels;
mod png;
mod select;
mod statistics;

pub use coverage::{CoverageMask, CoverageRule, CoverageRun, coverage};
pub use mask::{Mask, can_hold};
pub use ordered::{Ordered, SortKey};
pub use pixels::{DataType, Pixels, Sample};
pub use png::{PngSamples, encode_png};
pub use statistics::{
    Distinct, SHARE_MIN, SortedPass, Statistics, StatisticsScratch, ValueStatistics, statistics_of,
    statistics_of_stream,
};
